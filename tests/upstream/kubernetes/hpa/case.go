package hpa

import autoscalingv2 "k8s.io/api/autoscaling/v2"

type quantities map[string]string

type ready struct {
	Status               string  `json:"status"`
	TransitionSecondsAgo float64 `json:"transitionSecondsAgo"`
}

type container struct {
	Name          string     `json:"name"`
	Requests      quantities `json:"requests,omitempty"`
	RestartPolicy string     `json:"restartPolicy,omitempty"`
}

type sample struct {
	AgeSeconds    float64               `json:"ageSeconds"`
	WindowSeconds *float64              `json:"windowSeconds,omitempty"`
	Containers    map[string]quantities `json:"containers,omitempty"`
	Value         string                `json:"value,omitempty"`
}

type pod struct {
	Name              string      `json:"name"`
	Phase             string      `json:"phase"`
	StartedSecondsAgo *float64    `json:"startedSecondsAgo,omitempty"`
	Ready             *ready      `json:"ready,omitempty"`
	Terminating       bool        `json:"terminating,omitempty"`
	Containers        []container `json:"containers,omitempty"`
	InitContainers    []container `json:"initContainers,omitempty"`
	PodRequests       quantities  `json:"podRequests,omitempty"`
	Sample            *sample     `json:"sample,omitempty"`
}

type reading struct {
	Values *[]string `json:"values,omitempty"`
	Value  string    `json:"value,omitempty"`
	Error  string    `json:"error,omitempty"`
}

type calculationCase struct {
	ID             string                                         `json:"id"`
	Metric         autoscalingv2.MetricSpec                       `json:"metric"`
	Behavior       *autoscalingv2.HorizontalPodAutoscalerBehavior `json:"behavior,omitempty"`
	SpecReplicas   int32                                          `json:"specReplicas"`
	StatusReplicas int32                                          `json:"statusReplicas"`
	Reading        *reading                                       `json:"reading,omitempty"`
	Pods           []pod                                          `json:"pods,omitempty"`
	Expect         calculationExpect                              `json:"expect"`
}

type calculationExpect struct {
	Replicas *int32                           `json:"replicas,omitempty"`
	Current  *autoscalingv2.MetricValueStatus `json:"current,omitempty"`
	Reason   *string                          `json:"reason,omitempty"`
	Error    string                           `json:"error,omitempty"`
}

type hpaSpec struct {
	MinReplicas *int32                                         `json:"minReplicas,omitempty"`
	MaxReplicas int32                                          `json:"maxReplicas"`
	Metrics     []autoscalingv2.MetricSpec                     `json:"metrics"`
	Behavior    *autoscalingv2.HorizontalPodAutoscalerBehavior `json:"behavior,omitempty"`
}

type sequenceCase struct {
	ID              string  `json:"id"`
	HPA             hpaSpec `json:"hpa"`
	InitialReplicas int32   `json:"initialReplicas"`
	// Shared is another HPA that selects the same pods.
	Shared bool   `json:"otherHpaSelectsSamePods,omitempty"`
	Steps  []step `json:"steps"`
}

// latency is in milliseconds.
type latency struct {
	GetScale    int64 `json:"getScale"`
	Metric      int64 `json:"metric"`
	UpdateScale int64 `json:"updateScale"`
}

type step struct {
	T                 int64     `json:"t"`
	SetReplicas       *int32    `json:"setReplicas,omitempty"`
	MinReplicas       *int32    `json:"minReplicas,omitempty"`
	MaxReplicas       *int32    `json:"maxReplicas,omitempty"`
	ControllerRestart bool      `json:"controllerRestart,omitempty"`
	SpecReplicas      int32     `json:"specReplicas"`
	StatusReplicas    int32     `json:"statusReplicas"`
	ReadyPods         int32     `json:"readyPods"`
	UnreadyPods       int32     `json:"unreadyPods,omitempty"`
	Pods              []pod     `json:"pods,omitempty"`
	Readings          []reading `json:"readings"`
	// Behavior is what somebody wrote; an absent one was taken away.
	Behavior **autoscalingv2.HorizontalPodAutoscalerBehavior `json:"behavior,omitempty"`
	// What fails: reading the scale, its selector, writing it.
	GetScaleError   string     `json:"getScaleError,omitempty"`
	Selector        *string    `json:"selector,omitempty"`
	UpdateConflicts int        `json:"updateConflicts,omitempty"`
	UpdateError     string     `json:"updateError,omitempty"`
	Latency         *latency   `json:"latencyMs,omitempty"`
	Expect          stepExpect `json:"expect"`
}

type stepExpect struct {
	Proposal          *int32            `json:"proposal,omitempty"`
	DesiredReplicas   int32             `json:"desiredReplicas"`
	SpecReplicasAfter int32             `json:"specReplicasAfter"`
	Rescaled          bool              `json:"rescaled"`
	RescaleReason     string            `json:"rescaleReason,omitempty"`
	Error             string            `json:"error,omitempty"`
	Conditions        map[string]string `json:"conditions"`
	// Metrics are the values that the status shows; of one that failed there is none.
	Metrics []*autoscalingv2.MetricValueStatus `json:"currentMetrics,omitempty"`
}
