package deletion

import (
	"fmt"
	"slices"
	"sort"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/kubernetes/pkg/controller/replicaset"
	"k8s.io/utils/ptr"
)

func ago(nanos int64) metav1.Time { return metav1.NewTime(time.Now().Add(-time.Duration(nanos))) }

func (p pod) object() *v1.Pod {
	it := &v1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: p.Name, Namespace: "default", UID: types.UID(p.UID), CreationTimestamp: ago(p.CreatedAge)},
		Spec:       v1.PodSpec{NodeName: p.Node}, Status: v1.PodStatus{Phase: v1.PodPhase(p.Phase)},
	}
	if p.Ready != "" {
		ready := v1.PodCondition{Type: v1.PodReady, Status: v1.ConditionStatus(p.Ready)}
		if p.ReadyAge != nil {
			ready.LastTransitionTime = ago(*p.ReadyAge)
		}
		it.Status.Conditions = []v1.PodCondition{ready}
	}
	if p.Cost != nil {
		it.Annotations = map[string]string{"controller.kubernetes.io/pod-deletion-cost": *p.Cost}
	}
	if p.Going {
		it.DeletionTimestamp = ptr.To(metav1.Now())
	}
	for number, count := range p.Restarts {
		it.Status.ContainerStatuses = append(it.Status.ContainerStatuses, v1.ContainerStatus{Name: fmt.Sprintf("c%d", number), RestartCount: int32(count)})
	}
	init := func(name string, count uint32, policy *v1.ContainerRestartPolicy) {
		it.Spec.InitContainers = append(it.Spec.InitContainers, v1.Container{Name: name, RestartPolicy: policy})
		it.Status.InitContainerStatuses = append(it.Status.InitContainerStatuses, v1.ContainerStatus{Name: name, RestartCount: int32(count)})
	}
	for number, count := range p.Sidecars {
		init(fmt.Sprintf("s%d", number), count, ptr.To(v1.ContainerRestartPolicyAlways))
	}
	for number, count := range p.Inits {
		init(fmt.Sprintf("i%d", number), count, nil)
	}
	return it
}

func objects(all []pod) (made []*v1.Pod) {
	for _, one := range all {
		made = append(made, one.object())
	}
	return made
}

func names(pods []*v1.Pod) []string {
	all := []string{}
	for _, one := range pods {
		all = append(all, one.Name)
	}
	return all
}

// answer asks for ranks, for every comparison, and for the victims.
func (q *question) answer() {
	pods := objects(q.Pods)
	related := append(slices.Clone(pods), objects(q.Others)...)
	ranked := replicaset.Ranked(slices.Clone(pods), related)
	q.Expect.Rank = map[string]int{}
	for at, one := range ranked.Pods {
		q.Expect.Rank[one.Name] = ranked.Rank[at]
	}
	groups := order(len(pods), ranked.Less)
	q.Expect.Weak = true
	border := 0
	for _, group := range groups {
		var members []string
		for _, at := range group {
			members = append(members, pods[at].Name)
			for _, other := range group {
				q.Expect.Weak = q.Expect.Weak && !ranked.Less(at, other)
			}
		}
		sort.Strings(members)
		q.Expect.Order = append(q.Expect.Order, members)
		border += len(group)
		q.Expect.Fixed = q.Expect.Fixed || border == q.Diff
	}
	sort.Sort(ranked)
	q.Expect.Observed = names(ranked.Pods)
	q.Expect.Victims = names(replicaset.Delete(slices.Clone(pods), related, q.Diff))
	sort.Strings(q.Expect.Victims)
}

// order groups what no chain of comparisons puts apart, and puts the groups in order.
func order(count int, less func(i, j int) bool) (groups [][]int) {
	// reaches[i][j]: i may come before j, by some chain of pairs of which the later is not less.
	reaches := make([][]bool, count)
	for i := range reaches {
		reaches[i] = make([]bool, count)
		for j := range count {
			reaches[i][j] = i == j || !less(j, i)
		}
	}
	for k := range count {
		for i := range count {
			for j := range count {
				reaches[i][j] = reaches[i][j] || reaches[i][k] && reaches[k][j]
			}
		}
	}
	seen := make([]bool, count)
	for i := range count {
		if seen[i] {
			continue
		}
		var group []int
		for j := i; j < count; j++ {
			if reaches[i][j] && reaches[j][i] {
				seen[j] = true
				group = append(group, j)
			}
		}
		groups = append(groups, group)
	}
	sort.Slice(groups, func(a, b int) bool { return !reaches[groups[b][0]][groups[a][0]] })
	return groups
}
