package scheduler

import v1 "k8s.io/api/core/v1"

type cluster struct {
	ID         string              `json:"id"`
	Note       string              `json:"note"`
	Percentage int32               `json:"percentageOfNodesToScore"`
	Nodes      []node              `json:"nodes"`
	NodeOrder  []string            `json:"nodeOrder"`
	Namespaces []namespace         `json:"namespaces,omitempty"`
	Services   []service           `json:"services,omitempty"`
	Sets       []replicaSet        `json:"replicaSets,omitempty"`
	Budgets    []budget            `json:"podDisruptionBudgets,omitempty"`
	Templates  map[string]template `json:"templates"`
	Pods       []bound             `json:"pods"`
	Incoming   []incoming          `json:"incoming"`
}

type node struct {
	Name          string            `json:"name"`
	Labels        map[string]string `json:"labels"`
	Taints        []taint           `json:"taints,omitempty"`
	Unschedulable bool              `json:"unschedulable,omitempty"`
	Allocatable   map[string]string `json:"allocatable"`
	Images        []image           `json:"images,omitempty"`
}

type image struct {
	Names     []string `json:"names"`
	SizeBytes int64    `json:"sizeBytes"`
}

type namespace struct {
	Name   string            `json:"name"`
	Labels map[string]string `json:"labels,omitempty"`
}

type taint struct {
	Key    string `json:"key"`
	Value  string `json:"value,omitempty"`
	Effect string `json:"effect"`
}

type service struct {
	Name      string            `json:"name"`
	Namespace string            `json:"namespace,omitempty"`
	Selector  map[string]string `json:"selector,omitempty"`
}

type replicaSet struct {
	Name      string            `json:"name"`
	Namespace string            `json:"namespace,omitempty"`
	Labels    map[string]string `json:"matchLabels"`
}

type budget struct {
	Name               string            `json:"name"`
	Namespace          string            `json:"namespace,omitempty"`
	Labels             map[string]string `json:"matchLabels,omitempty"`
	DisruptionsAllowed int32             `json:"disruptionsAllowed"`
}

type owner struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
}

type template struct {
	Namespace string            `json:"namespace,omitempty"`
	Labels    map[string]string `json:"labels"`
	Owner     *owner            `json:"owner,omitempty"`
	Spec      v1.PodSpec        `json:"spec"`
}

type bound struct {
	Name              string `json:"name"`
	Template          string `json:"template"`
	NodeName          string `json:"nodeName"`
	Terminating       bool   `json:"terminating,omitempty"`
	StartedSecondsAgo int64  `json:"startedSecondsAgo"`
}

type incoming struct {
	Name     string `json:"name"`
	Template string `json:"template"`
	// OnNode is the node for which the DaemonSet controller made the pod.
	OnNode string `json:"nodeAffinityName,omitempty"`
	Expect expect `json:"expect"`
}

type expect struct {
	Feasible   []string           `json:"feasibleNodes"`
	Rejected   []rejected         `json:"rejected,omitempty"`
	Rejectors  []string           `json:"unschedulablePlugins,omitempty"`
	Scores     map[string][]int64 `json:"scores,omitempty"`
	Totals     []int64            `json:"totalScore,omitempty"`
	Best       []string           `json:"bestNodes,omitempty"`
	Host       string             `json:"suggestedHost,omitempty"`
	PlacedOn   string             `json:"placedOn,omitempty"`
	Message    string             `json:"message,omitempty"`
	Preemption *preemption        `json:"preemption,omitempty"`
	Start      *int               `json:"startNodeIndex,omitempty"`
	Next       *int               `json:"nextStartNodeIndex,omitempty"`
}

type rejected struct {
	Plugin  string   `json:"plugin"`
	Code    string   `json:"code"`
	Reasons []string `json:"reasons"`
	Nodes   []string `json:"nodes"`
}

type preemption struct {
	Candidates map[string]victims `json:"candidates"`
	Selected   []string           `json:"selected"`
}

type victims struct {
	Pods       []string `json:"pods"`
	Violations int64    `json:"pdbViolations,omitempty"`
}
