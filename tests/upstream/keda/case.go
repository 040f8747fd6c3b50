// Package keda draws questions for KEDA and writes down what it answers. The versions' own modules say how its
// objects are made there.
package keda

// Answer is what Prometheus says to one trigger's query. All absent: it fails with HTTP 500.
type Answer struct {
	// Vector: the values of an instant vector's elements, as text.
	Vector *[]string `json:"vector,omitempty"`
	// Scalar: one value, as text.
	Scalar string `json:"scalar,omitempty"`
	// Garbage: HTTP 200 and no JSON.
	Garbage bool `json:"garbage,omitempty"`
}

// Object is the part of a ScaledObject that a user writes.
type Object struct {
	Name        string            `json:"name"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Spec        map[string]any    `json:"spec"`
}

// Value is one evaluation of a trigger.
type Value struct {
	ID       string            `json:"id"`
	Metadata map[string]string `json:"metadata"`
	Answer   Answer            `json:"answer"`
	Expect   ValueExpect       `json:"expect"`
}

// ValueExpect is what the scaler made of it.
type ValueExpect struct {
	Milli  *int64 `json:"milli,omitempty"`
	Active bool   `json:"active,omitempty"`
	Error  string `json:"error,omitempty"`
}

// Generated is a ScaledObject and its HPA.
type Generated struct {
	ID     string          `json:"id"`
	Object Object          `json:"object"`
	Expect GeneratedExpect `json:"expect"`
}

// GeneratedExpect is the HPA as the API holds it, or the condition that says why there is none.
type GeneratedExpect struct {
	Name  string `json:"name,omitempty"`
	Spec  any    `json:"spec,omitempty"`
	Error string `json:"error,omitempty"`
}

// Execution is one call of RequestScale.
type Execution struct {
	ID       string `json:"id"`
	Object   Object `json:"object"`
	Replicas int32  `json:"replicas"`
	Active   bool   `json:"active,omitempty"`
	Failed   bool   `json:"failed,omitempty"`
	// LastActive and Created are whole seconds, Now is nanoseconds, of one clock.
	LastActive *int64          `json:"lastActive,omitempty"`
	Created    int64           `json:"created"`
	Now        int64           `json:"now"`
	Expect     ExecutionExpect `json:"expect"`
}

// ExecutionExpect is what it did: spec.replicas afterwards, whether lastActiveTime became now, and the conditions
// that it set.
type ExecutionExpect struct {
	Replicas  int32  `json:"replicas"`
	Refreshed bool   `json:"refreshed,omitempty"`
	Active    string `json:"active,omitempty"`
	Ready     string `json:"ready,omitempty"`
}

// Sequence is a ScaledObject's life under the whole operator.
type Sequence struct {
	ID       string   `json:"id"`
	Object   Object   `json:"object"`
	Replicas int32    `json:"replicas"`
	Answers  []Answer `json:"answers"`
	Steps    []Step   `json:"steps"`
	// Writes: each change of spec.replicas by KEDA, [milliseconds, replicas].
	Writes [][2]int64 `json:"writes"`
	// Queries: [evaluation time in seconds since the object was made, trigger], sorted.
	Queries [][2]int64 `json:"queries"`
}

// Step is what happens at an instant, and what is found afterwards.
type Step struct {
	// At: milliseconds since the object was made.
	At int64 `json:"at"`
	// Answers: from now on Prometheus says this, by trigger.
	Answers map[int]Answer `json:"answers,omitempty"`
	// Replicas: somebody else sets spec.replicas.
	Replicas *int32 `json:"replicas,omitempty"`
	// Ready: so many pods are ready.
	Ready *int32 `json:"ready,omitempty"`
	// Annotations: they are replaced by these.
	Annotations *map[string]string `json:"annotations,omitempty"`
	// Pull: the HPA asks for this metric.
	Pull   string     `json:"pull,omitempty"`
	Expect StepExpect `json:"expect"`
}

// StepExpect is what is found after a step.
type StepExpect struct {
	Replicas int32 `json:"replicas"`
	// HPA: minReplicas and maxReplicas; absent without one.
	HPA *[2]int32 `json:"hpa,omitempty"`
	// Milli: what the pull gave; Error: that it failed.
	Milli *int64 `json:"milli,omitempty"`
	Error string `json:"error,omitempty"`
}
