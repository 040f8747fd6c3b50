package scheduler

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sort"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	policy "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/events"
	"k8s.io/klog/v2"
	defaults "k8s.io/kubernetes/pkg/apis/core/v1"
	"k8s.io/kubernetes/pkg/scheduler"
	"k8s.io/kubernetes/pkg/scheduler/profile"
	"k8s.io/utils/ptr"

	"scaletwin/upstream/kubernetes/oracle"
)

// weights of the plugins whose weight is not 1.
var weights = map[string]int64{"TaintToleration": 3, "NodeAffinity": 2, "PodTopologySpread": 2, "InterPodAffinity": 2, "DynamicResources": 2}

// decide schedules a cluster's incoming pods, one after the other.
func decide(it *cluster) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	client := fake.NewSimpleClientset()
	all := informers.NewSharedInformerFactory(client, 0)
	sched, err := scheduler.New(ctx, client, all, nil,
		profile.NewRecorderFactory(events.NewBroadcaster(&events.EventSinkImpl{Interface: client.EventsV1()})),
		scheduler.WithPercentageOfNodesToScore(&it.Percentage), scheduler.WithParallelism(1))
	if err != nil {
		panic(err)
	}
	put := func(informer cache.SharedIndexInformer, object any) {
		if err := informer.GetStore().Add(object); err != nil {
			panic(err)
		}
	}
	meta := func(name, in string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Name: name, Namespace: namespaced(in), UID: types.UID(name)}
	}
	for _, one := range it.Namespaces {
		put(all.Core().V1().Namespaces().Informer(), &v1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: one.Name, Labels: one.Labels}})
	}
	for _, one := range it.Services {
		put(all.Core().V1().Services().Informer(), &v1.Service{ObjectMeta: meta(one.Name, one.Namespace), Spec: v1.ServiceSpec{Selector: one.Selector}})
	}
	for _, one := range it.Sets {
		put(all.Apps().V1().ReplicaSets().Informer(), &appsv1.ReplicaSet{
			ObjectMeta: meta(one.Name, one.Namespace), Spec: appsv1.ReplicaSetSpec{Selector: &metav1.LabelSelector{MatchLabels: one.Labels}},
		})
	}
	for _, one := range it.Budgets {
		put(all.Policy().V1().PodDisruptionBudgets().Informer(), &policy.PodDisruptionBudget{
			ObjectMeta: meta(one.Name, one.Namespace),
			Spec:       policy.PodDisruptionBudgetSpec{Selector: &metav1.LabelSelector{MatchLabels: one.Labels}},
			Status:     policy.PodDisruptionBudgetStatus{DisruptionsAllowed: one.DisruptionsAllowed},
		})
	}
	logger := klog.FromContext(ctx)
	for _, one := range it.Nodes {
		sched.Cache.AddNode(logger, made(one))
	}
	now := time.Now().Truncate(time.Second)
	for _, one := range it.Pods {
		pod := podOf(it, one.Name, one.Template)
		pod.Spec.NodeName, pod.Status.Phase = one.NodeName, v1.PodRunning
		pod.Status.StartTime = &metav1.Time{Time: now.Add(-time.Duration(one.StartedSecondsAgo) * time.Second)}
		if one.Terminating {
			pod.DeletionTimestamp = &metav1.Time{Time: now}
		}
		if err := sched.Cache.AddPod(logger, pod); err != nil {
			panic(err)
		}
	}
	it.NodeOrder = sched.Order(ctx)
	for index := range it.Incoming {
		one := &it.Incoming[index]
		pod := podOf(it, one.Name, one.Template)
		if one.OnNode != "" {
			pinTo(pod, one.OnNode)
		}
		start := sched.Start()
		found := sched.Try(ctx, pod)
		one.Expect = written(found)
		if it.Percentage < 100 {
			one.Expect.Start, one.Expect.Next = &start, ptr.To(sched.Start())
		}
		if len(found.Feasible) == 0 {
			one.Expect.Preemption = preempt(ctx, sched, found, pod, all)
			put(all.Core().V1().Pods().Informer(), pod)
			one.Expect.Message = sched.Message(ctx, found, pod, one.Expect.Preemption != nil)
			continue
		}
		best := slices.Clone(one.Expect.Best)
		if len(best) == 0 {
			best = one.Expect.Feasible
		}
		sort.Strings(best)
		one.Expect.PlacedOn = best[0]
		placed := pod.DeepCopy()
		placed.Spec.NodeName = best[0]
		// Later than all that are bound. Of two pods without a start upstream takes the time of now, one after the
		// other, so that the order of victims would depend on how they are sorted.
		placed.Status.StartTime = &metav1.Time{Time: now.Add(time.Second)}
		if err := sched.Cache.AssumePod(logger, placed); err != nil {
			panic(err)
		}
	}
}

func made(one node) *v1.Node {
	allocatable := v1.ResourceList{}
	for name, text := range one.Allocatable {
		allocatable[v1.ResourceName(name)] = resource.MustParse(text)
	}
	it := &v1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: one.Name, Labels: one.Labels},
		Spec:       v1.NodeSpec{Unschedulable: one.Unschedulable},
		Status:     v1.NodeStatus{Allocatable: allocatable, Capacity: allocatable},
	}
	for _, from := range one.Images {
		it.Status.Images = append(it.Status.Images, v1.ContainerImage{Names: from.Names, SizeBytes: from.SizeBytes})
	}
	for _, from := range one.Taints {
		it.Spec.Taints = append(it.Spec.Taints, v1.Taint{Key: from.Key, Value: from.Value, Effect: v1.TaintEffect(from.Effect)})
	}
	return it
}

func namespaced(in string) string {
	if in == "" {
		return "default"
	}
	return in
}

// pinTo asks for one node, as the DaemonSet controller does.
func pinTo(pod *v1.Pod, name string) {
	if pod.Spec.Affinity == nil {
		pod.Spec.Affinity = &v1.Affinity{}
	}
	if pod.Spec.Affinity.NodeAffinity == nil {
		pod.Spec.Affinity.NodeAffinity = &v1.NodeAffinity{}
	}
	pod.Spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution = &v1.NodeSelector{NodeSelectorTerms: []v1.NodeSelectorTerm{{
		MatchFields: []v1.NodeSelectorRequirement{{Key: metav1.ObjectNameField, Operator: v1.NodeSelectorOpIn, Values: []string{name}}},
	}}}
}

// podOf makes a pod of a template, defaulted as the API server does.
func podOf(it *cluster, name, of string) *v1.Pod {
	from := it.Templates[of]
	pod := &v1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespaced(from.Namespace), UID: types.UID(name), Labels: from.Labels},
		Spec:       *from.Spec.DeepCopy(),
	}
	if from.Owner != nil {
		pod.OwnerReferences = []metav1.OwnerReference{{
			APIVersion: "apps/v1", Kind: from.Owner.Kind, Name: from.Owner.Name, UID: types.UID(from.Owner.Name), Controller: ptr.To(true),
		}}
	}
	if oracle.Minor < 29 {
		// The API server drops the field: SidecarContainers is off.
		for at := range pod.Spec.InitContainers {
			pod.Spec.InitContainers[at].RestartPolicy = nil
		}
	}
	mergeLabelKeys(pod)
	defaults.SetObjectDefaults_Pod(pod)
	return pod
}

// written is a cycle in the vectors' words.
func written(found scheduler.Cycle) expect {
	it := expect{Feasible: append([]string{}, found.Feasible...), Rejectors: found.Rejectors}
	groups := map[string]*rejected{}
	for _, name := range slices.Sorted(maps.Keys(found.Rejected)) {
		status := found.Rejected[name]
		key := fmt.Sprint(status)
		if groups[key] == nil {
			groups[key] = &rejected{Plugin: status.Plugin, Code: status.Code, Reasons: status.Reasons}
		}
		groups[key].Nodes = append(groups[key].Nodes, name)
	}
	for _, one := range groups {
		it.Rejected = append(it.Rejected, *one)
	}
	sort.Slice(it.Rejected, func(i, j int) bool { return it.Rejected[i].Nodes[0] < it.Rejected[j].Nodes[0] })
	if len(found.Scores) == 0 {
		return it
	}
	it.Host = found.Host
	it.Scores = map[string][]int64{}
	best := found.Scores[0].TotalScore
	for _, node := range found.Scores {
		best = max(best, node.TotalScore)
		it.Totals = append(it.Totals, node.TotalScore)
		for _, score := range node.Scores {
			weight := max(1, weights[score.Name])
			it.Scores[score.Name] = append(it.Scores[score.Name], score.Score/weight)
		}
	}
	for _, node := range found.Scores {
		if node.TotalScore == best {
			it.Best = append(it.Best, node.Name)
		}
	}
	return it
}

// preempt asks which pods would have to go.
func preempt(ctx context.Context, sched *scheduler.Scheduler, found scheduler.Cycle, pod *v1.Pod, all informers.SharedInformerFactory) *preemption {
	var budgets []*policy.PodDisruptionBudget
	for _, one := range all.Policy().V1().PodDisruptionBudgets().Informer().GetStore().List() {
		budgets = append(budgets, one.(*policy.PodDisruptionBudget))
	}
	sort.Slice(budgets, func(i, j int) bool { return budgets[i].Name < budgets[j].Name })
	candidates, selected := sched.Preempt(ctx, found, pod, budgets)
	if candidates == nil {
		return nil
	}
	answer := &preemption{Candidates: map[string]victims{}, Selected: selected}
	for name, one := range candidates {
		answer.Candidates[name] = victims(one)
	}
	return answer
}
