package deletion

type question struct {
	ID   string `json:"id"`
	Diff int    `json:"diff"`
	Pods []pod  `json:"pods"`
	// Others are pods of the Deployment's other ReplicaSets.
	Others []pod  `json:"otherReplicaSetPods,omitempty"`
	Expect expect `json:"expect"`
}

// A pod's ages are in nanoseconds.
type pod struct {
	Name       string   `json:"name"`
	UID        string   `json:"uid"`
	Node       string   `json:"nodeName,omitempty"`
	Phase      string   `json:"phase"`
	Ready      string   `json:"ready,omitempty"`
	ReadyAge   *int64   `json:"readyTransitionAgeNanos,omitempty"`
	CreatedAge int64    `json:"createdAgeNanos"`
	Cost       *string  `json:"podDeletionCost,omitempty"`
	Restarts   []uint32 `json:"restartCounts,omitempty"`
	Sidecars   []uint32 `json:"sidecarRestartCounts,omitempty"`
	Inits      []uint32 `json:"initRestartCounts,omitempty"`
	Going      bool     `json:"terminating,omitempty"`
}

type expect struct {
	Rank map[string]int `json:"rank"`
	// Order has groups between which the comparison decides; within one it does not.
	Order    [][]string `json:"order"`
	Weak     bool       `json:"strictWeakOrder"`
	Observed []string   `json:"observedOrder"`
	Victims  []string   `json:"victims"`
	Fixed    bool       `json:"victimsAreFixed"`
}
