package oracle

// A DisruptionCase is a cluster, what happens to it, and what the disruption controller was seen to do.
// Times are in seconds; the first pass is at 3600.
type DisruptionCase struct {
	Case
	// SpotToSpot turns the gate SpotToSpotConsolidation on.
	SpotToSpot bool `json:"spotToSpot,omitempty"`
	// NominationsLast says that a nomination never ends.
	NominationsLast bool     `json:"nominationsLast,omitempty"`
	Guards          []Guard  `json:"guards,omitempty"`
	Changes         []Change `json:"changes,omitempty"`
	// Until is when nobody looks any more.
	Until int64 `json:"until"`
	// Answers are all that upstream was seen to do: commands in order.
	Answers [][]Command `json:"answers"`
}

// A Guard is a PodDisruptionBudget for all pods of an app.
type Guard struct {
	Name string `json:"name"`
	App  string `json:"app"`
	// Least is minAvailable; if it is none maxUnavailable is 0.
	Least *int32 `json:"least,omitempty"`
	// AlwaysAllow is the policy for pods that are not ready.
	AlwaysAllow bool `json:"alwaysAllow,omitempty"`
}

// A Change is something that happens beside the controller.
type Change struct {
	At int64 `json:"at"`
	// What is bind, delete, terminate, nominate, consolidatable, unconsolidatable, drifted, notReady, gone (a node
	// that is going is gone, if it is going).
	What string `json:"what"`
	Node string `json:"node,omitempty"`
	// Pod is a new one to bind, or the one to delete or terminate by name.
	Pod *Pod `json:"pod,omitempty"`
}

// A Command is what a pass of the controller began.
type Command struct {
	At int64 `json:"at"`
	// Method is empty, drift, multi or single.
	Method       string        `json:"method"`
	Nodes        []string      `json:"nodes"`
	Replacements []Replacement `json:"replacements,omitempty"`
}

// A Replacement is a NodeClaim that a command made. Types are by name.
type Replacement struct {
	Pool         string            `json:"pool"`
	Types        []string          `json:"types"`
	Requests     map[string]string `json:"requests"`
	Requirements []Requirement     `json:"requirements"`
}
