package replicaset

import (
	v1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/controller"
)

// Delete is getPodsToDelete, of a list that it sorts.
func Delete(pods, related []*v1.Pod, count int) []*v1.Pod {
	return getPodsToDelete(pods, related, count)
}

// Ranked is getPodsRankedByRelatedPodsOnSameNode.
func Ranked(pods, related []*v1.Pod) controller.ActivePodsWithRanks {
	return getPodsRankedByRelatedPodsOnSameNode(pods, related)
}
