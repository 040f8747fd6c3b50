// Package question draws questions for Karpenter and has the format of questions and answers. It knows no version
// of Karpenter, and is a module of its own so that each version can be asked.
package question

import (
	corev1 "k8s.io/api/core/v1"
)

// A Case is one question with the answers that upstream gave.
type Case struct {
	ID      string `json:"id"`
	Version string `json:"version"`
	// Types are the instance types on offer, by name in types.json and in its order.
	Types []string `json:"types"`
	// Unavailable are offerings that were refused lately: type, zone, capacity type.
	Unavailable [][3]string `json:"unavailable,omitempty"`
	// Ignore is the preference policy Ignore.
	Ignore bool `json:"ignorePreferences,omitempty"`
	// Reserved turns the gate ReservedCapacity on; without it reserved offerings are left out.
	Reserved bool `json:"reserved,omitempty"`
	// Fallback lets pods do without reserved capacity, as disruption does.
	Fallback  bool                `json:"fallback,omitempty"`
	Pools     []Pool              `json:"pools"`
	Templates map[string]Template `json:"templates"`
	// Daemons are the templates of DaemonSets.
	Daemons []string `json:"daemons,omitempty"`
	Nodes   []Node   `json:"nodes,omitempty"`
	// Bound are pods on nodes.
	Bound []Pod `json:"bound,omitempty"`
	// Pods are those to be placed.
	Pods []Pod `json:"pods"`
	// Answers are all that upstream was seen to give, one unless it depends on the order of a map.
	Answers []Answer `json:"answers"`
}

// A Pool is a NodePool.
type Pool struct {
	Name         string            `json:"name"`
	Weight       int32             `json:"weight,omitempty"`
	Labels       map[string]string `json:"labels,omitempty"`
	Requirements []Requirement     `json:"requirements,omitempty"`
	Taints       []corev1.Taint    `json:"taints,omitempty"`
	Limits       map[string]string `json:"limits,omitempty"`
	Disruption   *Disruption       `json:"disruption,omitempty"`
}

// A Requirement is one of a NodePool or of a claim.
type Requirement struct {
	Key       string   `json:"key"`
	Operator  string   `json:"operator"`
	Values    []string `json:"values,omitempty"`
	MinValues *int     `json:"minValues,omitempty"`
}

// A Template is what pods are made from.
type Template struct {
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Spec        corev1.PodSpec    `json:"spec"`
}

// A Pod is one of a template. Created is in seconds.
type Pod struct {
	Name     string `json:"name"`
	UID      string `json:"uid"`
	Template string `json:"template"`
	Created  int64  `json:"created,omitempty"`
	Node     string `json:"node,omitempty"`
	// NotReady is a pod that runs and is not ready.
	NotReady bool `json:"notReady,omitempty"`
	// Terminating is a pod that has been deleted and still runs.
	Terminating bool `json:"terminating,omitempty"`
}

// A Node is one that is there, or on its way.
type Node struct {
	Name string `json:"name"`
	// Pool is empty for a node that Karpenter did not make.
	Pool string `json:"pool,omitempty"`
	// Stage is launched, registered or initialized.
	Stage  string            `json:"stage"`
	Labels map[string]string `json:"labels"`
	Taints []corev1.Taint    `json:"taints,omitempty"`
	// Startup are the startup taints of the claim.
	Startup     []corev1.Taint    `json:"startupTaints,omitempty"`
	Capacity    map[string]string `json:"capacity"`
	Allocatable map[string]string `json:"allocatable"`
	*Life
}

// An Answer is where the pods go.
type Answer struct {
	Claims []Claim `json:"claims,omitempty"`
	// Existing are the pods that go on each node, in order.
	Existing map[string][]string `json:"existing,omitempty"`
	// Failed are the pods that go nowhere, by name.
	Failed []string `json:"failed,omitempty"`
}

// A Claim is a new node.
type Claim struct {
	Pool string `json:"pool"`
	// Pods are in the order in which they were placed.
	Pods []string `json:"pods"`
	// Types are cheapest first.
	Types        []string          `json:"types"`
	Requests     map[string]string `json:"requests"`
	Requirements []Requirement     `json:"requirements"`
}

// A Type is an instance type of types.json.
type Type struct {
	Name         string            `json:"name"`
	Requirements []Requirement     `json:"requirements"`
	Offerings    []Offer           `json:"offerings"`
	Capacity     map[string]string `json:"capacity"`
	Overhead     map[string]string `json:"overhead"`
}

// An Offer is where and how a type can be had. Price is in millionths of a dollar.
type Offer struct {
	Zone                string `json:"zone"`
	CapacityType        string `json:"capacityType"`
	Price               int64  `json:"price"`
	Reservation         string `json:"reservation"`
	ReservationCapacity int    `json:"reservationCapacity"`
}

// Disruption is spec.disruption of a NodePool.
type Disruption struct {
	Policy string `json:"policy"`
	// After is consolidateAfter in seconds, or none for Never.
	After   *int64   `json:"after,omitempty"`
	Budgets []Budget `json:"budgets,omitempty"`
}

// A Budget is one of spec.disruption.budgets. Duration is in seconds.
type Budget struct {
	Reasons  []string `json:"reasons,omitempty"`
	Nodes    string   `json:"nodes"`
	Schedule string   `json:"schedule,omitempty"`
	Duration int64    `json:"duration,omitempty"`
}

// A Life is what a node of a disruption case has been through.
type Life struct {
	Created     int64 `json:"created"`
	Initialized int64 `json:"initialized"`
	// LastPodEvent is none if there was none.
	LastPodEvent int64 `json:"lastPodEvent,omitempty"`
	// Consolidatable is the condition.
	Consolidatable bool `json:"consolidatable,omitempty"`
	// Drifted is since when, or none.
	Drifted int64 `json:"drifted,omitempty"`
	// ExpireAfter is none for Never.
	ExpireAfter int64 `json:"expireAfter,omitempty"`
	// GracePeriod is terminationGracePeriod, or none.
	GracePeriod int64             `json:"gracePeriod,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
	NotReady    bool              `json:"notReady,omitempty"`
	// Nominated is a node that was nominated at the beginning.
	Nominated bool `json:"nominated,omitempty"`
}
