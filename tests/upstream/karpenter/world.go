package oracle

import (
	"context"
	"encoding/json"
	"slices"
	"sort"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	v1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
	"sigs.k8s.io/karpenter/pkg/controllers/provisioning/scheduling"
	"sigs.k8s.io/karpenter/pkg/controllers/state"
	"sigs.k8s.io/karpenter/pkg/events"
	"sigs.k8s.io/karpenter/pkg/operator/options"
	core "sigs.k8s.io/karpenter/pkg/scheduling"
	nodepoolutils "sigs.k8s.io/karpenter/pkg/utils/nodepool"

	"scaletwin/upstream/karpenter/question"
)

// A Case is a question to Solve.
type Case struct{ question.Case }

// A World is what a scheduler is made from.
type World struct {
	Client    client.Client
	Cluster   *state.Cluster
	Pools     []*v1.NodePool
	Nodes     []*state.StateNode
	Topology  *scheduling.Topology
	Types     map[string][]*cloudprovider.InstanceType
	Daemons   []*corev1.Pod
	Recorder  events.Recorder
	Clock     clock.Clock
	Options   []scheduling.Options
	Scheduled []*corev1.Pod
}

// A Version says what differs between versions of Karpenter.
type Version struct {
	Name string
	// New makes a scheduler.
	New func(ctx context.Context, w World) *scheduling.Scheduler
	// Truncate keeps as many instance types of each claim as the version does.
	Truncate func(ctx context.Context, results scheduling.Results) scheduling.Results
	// Active are the nodes that count.
	Active func(cluster *state.Cluster) []*state.StateNode
	// MatchLabelKeys says whether matchLabelKeys are drawn. Versions that add them to the selector again each
	// time a pod is looked at start to count anew; the model does not follow them there.
	MatchLabelKeys bool
	// Disruption makes a disruption controller.
	Disruption func(ctx context.Context, p Parts) Disruptor
	// NominationsLast says that nominations go by the computer's clock, so that none ends in a run.
	NominationsLast bool
	// Launch asks the provider's AWS part for a fleet; nil if there is none to be had.
	Launch func(ctx context.Context, claim *v1.NodeClaim, types []*cloudprovider.InstanceType) *Fleet
	// Policies are those of consolidation.
	Policies []string
	// Defaults are options that other versions do not have.
	Defaults func(o *options.Options)
}

type silent struct{}

func (silent) Publish(...events.Event) {}

const reservationLabel = "karpenter.k8s.aws/capacity-reservation-id"

// Register tells Karpenter which labels the provider knows, as the AWS provider does when it starts.
func register(catalog []Type) {
	cloudprovider.ReservationIDLabel = reservationLabel
	for _, t := range catalog {
		for _, r := range t.Requirements {
			v1.WellKnownLabels.Insert(r.Key)
		}
	}
}

// instanceType leaves reserved offerings out unless they count; refused ones are there and not available.
func instanceType(t Type, reserved bool, refused [][3]string) *cloudprovider.InstanceType {
	requirements := core.NewRequirements()
	for _, r := range t.Requirements {
		values := r.Values
		if r.Key == v1.CapacityTypeLabelKey && !reserved {
			values = slices.DeleteFunc(slices.Clone(values), func(v string) bool { return v == v1.CapacityTypeReserved })
		}
		if r.Key == reservationLabel && !reserved {
			r.Operator, values = string(corev1.NodeSelectorOpDoesNotExist), nil
		}
		requirements.Add(core.NewRequirement(r.Key, corev1.NodeSelectorOperator(r.Operator), values...))
	}
	var offerings cloudprovider.Offerings
	for _, o := range t.Offerings {
		if o.Reservation != "" && !reserved {
			continue
		}
		own := core.NewRequirement(reservationLabel, corev1.NodeSelectorOpDoesNotExist)
		if o.Reservation != "" {
			own = core.NewRequirement(reservationLabel, corev1.NodeSelectorOpIn, o.Reservation)
		}
		offerings = append(offerings, &cloudprovider.Offering{
			Requirements: core.NewRequirements(
				core.NewRequirement(corev1.LabelTopologyZone, corev1.NodeSelectorOpIn, o.Zone),
				core.NewRequirement(v1.CapacityTypeLabelKey, corev1.NodeSelectorOpIn, o.CapacityType),
				own,
			),
			Price:               float64(o.Price) / 1e6,
			Available:           !slices.Contains(refused, [3]string{t.Name, o.Zone, o.CapacityType}),
			ReservationCapacity: o.ReservationCapacity,
		})
	}
	return &cloudprovider.InstanceType{
		Name:         t.Name,
		Requirements: requirements,
		Offerings:    offerings,
		Capacity:     question.Amounts(t.Capacity),
		Overhead:     &cloudprovider.InstanceTypeOverhead{KubeReserved: question.Amounts(t.Overhead)},
	}
}

func nodePool(p Pool) *v1.NodePool {
	pool := &v1.NodePool{ObjectMeta: metav1.ObjectMeta{Name: p.Name, UID: types.UID("pool-" + p.Name)}}
	if p.Weight != 0 {
		pool.Spec.Weight = &p.Weight
	}
	pool.Spec.Template.Labels = p.Labels
	pool.Spec.Template.Spec.NodeClassRef = &v1.NodeClassReference{Group: "karpenter.k8s.aws", Kind: "EC2NodeClass", Name: "default"}
	pool.Spec.Template.Spec.Taints = p.Taints
	if len(p.Limits) > 0 {
		pool.Spec.Limits = v1.Limits(question.Amounts(p.Limits))
	}
	for _, r := range p.Requirements {
		values := r.Values
		if values == nil {
			values = []string{}
		}
		text, _ := json.Marshal(map[string]any{"key": r.Key, "operator": r.Operator, "values": values, "minValues": r.MinValues})
		own := v1.NodeSelectorRequirementWithMinValues{}
		if err := json.Unmarshal(text, &own); err != nil {
			panic(err)
		}
		pool.Spec.Template.Spec.Requirements = append(pool.Spec.Template.Spec.Requirements, own)
	}
	return pool
}

func (c *Case) pod(p Pod, daemon bool) *corev1.Pod {
	t := c.Templates[p.Template]
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: p.Name, Namespace: "default", UID: types.UID(p.UID), Labels: t.Labels,
			CreationTimestamp: metav1.NewTime(epoch.Add(time.Duration(p.Created) * time.Second)),
		},
		Spec: *t.Spec.DeepCopy(),
	}
	owner := "ReplicaSet"
	if daemon {
		owner = "DaemonSet"
	}
	yes := true
	pod.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: owner, Name: p.Template, UID: "owner", Controller: &yes}}
	pod.Spec.NodeName = p.Node
	if p.Terminating {
		question.Terminate(pod, epoch.Add(time.Hour))
	}
	pod.Status.Phase = corev1.PodPending
	if p.Node != "" {
		pod.Status.Phase = corev1.PodRunning
	} else {
		pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable}}
	}
	return pod
}

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// Objects of a node: its Node unless it is only launched, and its NodeClaim unless Karpenter did not make it.
func nodeObjects(n Node) (*corev1.Node, *v1.NodeClaim) {
	provider := "aws:///" + n.Name
	var node *corev1.Node
	if n.Stage != "launched" {
		labels := map[string]string{}
		for k, v := range n.Labels {
			labels[k] = v
		}
		if n.Pool != "" {
			labels[v1.NodeRegisteredLabelKey] = "true"
			if n.Stage == "initialized" {
				labels[v1.NodeInitializedLabelKey] = "true"
			}
		}
		node = &corev1.Node{
			ObjectMeta: metav1.ObjectMeta{Name: n.Name, Labels: labels},
			Spec:       corev1.NodeSpec{ProviderID: provider, Taints: n.Taints},
			Status:     corev1.NodeStatus{Capacity: question.Amounts(n.Capacity), Allocatable: question.Amounts(n.Allocatable)},
		}
	}
	if n.Pool == "" {
		return node, nil
	}
	claim := &v1.NodeClaim{ObjectMeta: metav1.ObjectMeta{Name: n.Name, Labels: n.Labels}}
	claim.Spec.Taints = n.Taints
	claim.Spec.StartupTaints = n.Startup
	claim.Status.ProviderID = provider
	claim.Status.NodeName = n.Name
	claim.Status.Capacity = question.Amounts(n.Capacity)
	claim.Status.Allocatable = question.Amounts(n.Allocatable)
	return node, claim
}

func indexed(objects ...client.Object) client.Client {
	byNode := func(o client.Object) []string { return []string{o.(*corev1.Pod).Spec.NodeName} }
	return fake.NewClientBuilder().WithScheme(scheme.Scheme).WithObjects(objects...).
		WithIndex(&corev1.Pod{}, "spec.nodeName", byNode).Build()
}

func (c *Case) solve(v Version, all map[string]*cloudprovider.InstanceType, kube client.Client) Answer {
	gates := options.FeatureGates{ReservedCapacity: c.Reserved}
	policy := options.PreferencePolicyRespect
	if c.Ignore {
		policy = options.PreferencePolicyIgnore
	}
	ctx := options.ToContext(context.Background(), &options.Options{FeatureGates: gates, PreferencePolicy: policy})
	w := World{Client: kube, Recorder: silent{}, Clock: clocktesting.NewFakeClock(epoch.Add(time.Hour))}
	w.Cluster = state.NewCluster(w.Clock, kube, nil)
	var offered []*cloudprovider.InstanceType
	for _, name := range c.Types {
		offered = append(offered, all[name])
	}
	w.Types = map[string][]*cloudprovider.InstanceType{}
	for _, p := range c.Pools {
		w.Pools = append(w.Pools, nodePool(p))
		w.Types[p.Name] = slices.Clone(offered)
	}
	nodepoolutils.OrderByWeight(w.Pools)
	for _, n := range c.Nodes {
		node, claim := nodeObjects(n)
		if claim != nil {
			w.Cluster.UpdateNodeClaim(claim)
		}
		if node != nil {
			if err := w.Cluster.UpdateNode(ctx, node); err != nil {
				panic(err)
			}
		}
	}
	for _, p := range c.Bound {
		if err := w.Cluster.UpdatePod(ctx, c.pod(p, c.IsDaemon(p.Template))); err != nil {
			panic(err)
		}
	}
	for _, p := range c.Pods {
		w.Scheduled = append(w.Scheduled, c.pod(p, false))
	}
	for _, name := range c.Daemons {
		template := c.Templates[name]
		w.Daemons = append(w.Daemons, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default"}, Spec: *template.Spec.DeepCopy()})
	}
	if c.Ignore {
		w.Options = append(w.Options, scheduling.IgnorePreferences)
	}
	if !c.Fallback {
		w.Options = append(w.Options, scheduling.DisableReservedCapacityFallback)
	}
	w.Nodes = v.Active(w.Cluster)
	topology, err := scheduling.NewTopology(ctx, kube, w.Cluster, w.Nodes, w.Pools, w.Types, w.Scheduled, w.Options...)
	if err != nil {
		panic(err)
	}
	w.Topology = topology
	results, err := v.New(ctx, w).Solve(ctx, w.Scheduled)
	if err != nil {
		panic(err)
	}
	return answer(v.Truncate(ctx, results))
}

func answer(results scheduling.Results) Answer {
	a := Answer{Existing: map[string][]string{}}
	for _, claim := range results.NewNodeClaims {
		own := Claim{Pool: claim.NodePoolName, Pods: question.Names(claim.Pods), Requests: map[string]string{}}
		for _, t := range claim.InstanceTypeOptions.OrderByPrice(claim.Requirements) {
			own.Types = append(own.Types, t.Name)
		}
		for name, amount := range claim.Spec.Resources.Requests {
			own.Requests[string(name)] = amount.String()
		}
		for key, r := range claim.Requirements {
			values := r.Values()
			sort.Strings(values)
			own.Requirements = append(own.Requirements, Requirement{Key: key, Operator: string(r.Operator()), Values: values, MinValues: r.MinValues})
		}
		sort.Slice(own.Requirements, func(i, j int) bool { return own.Requirements[i].Key < own.Requirements[j].Key })
		a.Claims = append(a.Claims, own)
	}
	for _, node := range results.ExistingNodes {
		if len(node.Pods) > 0 {
			a.Existing[node.Name()] = question.Names(node.Pods)
		}
	}
	for pod := range results.PodErrors {
		a.Failed = append(a.Failed, pod.Name)
	}
	sort.Strings(a.Failed)
	return a
}

// Solve asks the scheduler.
func (c *Case) Solve(v Version, catalog map[string]Type) bool {
	all := map[string]*cloudprovider.InstanceType{}
	for _, name := range c.Types {
		all[name] = instanceType(catalog[name], c.Reserved, c.Unavailable)
	}
	objects := []client.Object{&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "default"}}}
	for _, n := range c.Nodes {
		if node, _ := nodeObjects(n); node != nil {
			objects = append(objects, node)
		}
	}
	for _, p := range c.Bound {
		objects = append(objects, c.pod(p, c.IsDaemon(p.Template)))
	}
	kube := indexed(objects...)
	c.Version = v.Name
	return c.Ask(question.Most, func() Answer { return c.solve(v, all, kube) })
}

func (c *Case) dull() bool { return false }
