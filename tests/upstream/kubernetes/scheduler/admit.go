package scheduler

import (
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"scaletwin/upstream/kubernetes/oracle"
)

// mergeLabelKeys does what the API server does with matchLabelKeys and mismatchLabelKeys of pod affinity: since 1.31
// they become part of the selector, before that they are dropped (kubernetes 1.35 pkg/registry/core/pod/strategy.go
// applyMatchLabelKeysAndMismatchLabelKeys).
func mergeLabelKeys(pod *v1.Pod) {
	affinity := pod.Spec.Affinity
	if affinity == nil {
		return
	}
	if it := affinity.PodAffinity; it != nil {
		mergeTerms(pod, it.RequiredDuringSchedulingIgnoredDuringExecution, it.PreferredDuringSchedulingIgnoredDuringExecution)
	}
	if it := affinity.PodAntiAffinity; it != nil {
		mergeTerms(pod, it.RequiredDuringSchedulingIgnoredDuringExecution, it.PreferredDuringSchedulingIgnoredDuringExecution)
	}
}

func mergeTerms(pod *v1.Pod, required []v1.PodAffinityTerm, preferred []v1.WeightedPodAffinityTerm) {
	for at := range required {
		mergeTerm(pod, &required[at])
	}
	for at := range preferred {
		mergeTerm(pod, &preferred[at].PodAffinityTerm)
	}
}

func mergeTerm(pod *v1.Pod, term *v1.PodAffinityTerm) {
	for field, operator := range map[string]metav1.LabelSelectorOperator{"MatchLabelKeys": metav1.LabelSelectorOpIn, "MismatchLabelKeys": metav1.LabelSelectorOpNotIn} {
		for _, key := range oracle.Get[[]string](term, field) {
			if value, has := pod.Labels[key]; has && oracle.Minor >= 31 {
				term.LabelSelector.MatchExpressions = append(term.LabelSelector.MatchExpressions, metav1.LabelSelectorRequirement{Key: key, Operator: operator, Values: []string{value}})
			}
		}
		oracle.Set(term, field, []string(nil))
	}
}
