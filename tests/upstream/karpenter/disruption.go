package oracle

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"sort"
	"time"

	"github.com/awslabs/operatorpkg/status"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	v1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
	"sigs.k8s.io/karpenter/pkg/controllers/state"
	"sigs.k8s.io/karpenter/pkg/events"
	"sigs.k8s.io/karpenter/pkg/operator/options"
	core "sigs.k8s.io/karpenter/pkg/scheduling"

	"scaletwin/upstream/karpenter/question"
)

// Parts are what a disruption controller is made of.
type Parts struct {
	Clock    clock.Clock
	Client   client.Client
	Provider cloudprovider.CloudProvider
	Recorder events.Recorder
	Cluster  *state.Cluster
	Pools    []*v1.NodePool
	Claims   []*v1.NodeClaim
}

// A Disruptor is the disruption controller of a version with its queue.
type Disruptor struct {
	// Pass runs one pass and says when the next is due.
	Pass func(ctx context.Context) (time.Duration, error)
	// Commands are those that run: by provider id, the name of the method.
	Commands func() map[string]string
	// Execute acts upon those.
	Execute func(ctx context.Context) error
	// Forget drops a NodeClaim that is gone from what it costs to run the cluster, where that is kept.
	Forget func(ctx context.Context, claim *v1.NodeClaim)
	// Close frees what it holds.
	Close func()
}

// nodeClass is the EC2NodeClass as far as Karpenter's core asks: its kind.
type nodeClass struct{ status.Object }

// registerNodeClass makes that kind known, unless the provider's own is.
func registerNodeClass() {
	kind := schema.GroupVersionKind{Group: "karpenter.k8s.aws", Version: "v1", Kind: "EC2NodeClass"}
	scheme.Scheme.AddKnownTypeWithName(kind, &nodeClass{})
}

// provider offers instance types; nothing else of it is asked.
type provider struct {
	cloudprovider.CloudProvider
	types map[string][]*cloudprovider.InstanceType
}

func (p *provider) GetInstanceTypes(_ context.Context, pool *v1.NodePool) ([]*cloudprovider.InstanceType, error) {
	return slices.Clone(p.types[pool.Name]), nil
}
func (p *provider) Name() string { return "oracle" }
func (p *provider) GetSupportedNodeClasses() []status.Object {
	return []status.Object{&nodeClass{}}
}

func at(second int64) metav1.Time {
	return metav1.NewTime(epoch.Add(time.Duration(second) * time.Second))
}

func seconds(count int64) *time.Duration {
	d := time.Duration(count) * time.Second
	return &d
}

// begin is when the controller's first pass is.
const begin = 3600

// disruptionPool is a NodePool that is ready, with its spec.disruption.
func disruptionPool(p Pool) *v1.NodePool {
	pool := nodePool(p)
	pool.Spec.Disruption.ConsolidationPolicy = v1.ConsolidationPolicy(p.Disruption.Policy)
	if p.Disruption.After != nil {
		pool.Spec.Disruption.ConsolidateAfter = v1.NillableDuration{Duration: seconds(*p.Disruption.After)}
	}
	pool.Spec.Disruption.Budgets = budgets(p.Disruption.Budgets)
	for _, name := range []string{v1.ConditionTypeValidationSucceeded, v1.ConditionTypeNodeClassReady} {
		pool.StatusConditions().SetTrue(name)
	}
	return pool
}

func budgets(all []Budget) (own []v1.Budget) {
	for _, b := range all {
		budget := v1.Budget{Nodes: b.Nodes}
		for _, reason := range b.Reasons {
			budget.Reasons = append(budget.Reasons, v1.DisruptionReason(reason))
		}
		if b.Schedule != "" {
			budget.Schedule, budget.Duration = &b.Schedule, &metav1.Duration{Duration: *seconds(b.Duration)}
		}
		own = append(own, budget)
	}
	return own
}

func condition(name string, since int64) status.Condition {
	return status.Condition{Type: name, Status: metav1.ConditionTrue, Reason: name, LastTransitionTime: at(since)}
}

// lived gives a node's objects what it has been through.
func lived(n Node, node *corev1.Node, claim *v1.NodeClaim) {
	l := n.Life
	if node != nil {
		node.CreationTimestamp = at(l.Created)
		node.Annotations = l.Annotations
		ready := corev1.ConditionTrue
		if l.NotReady {
			ready = corev1.ConditionFalse
		}
		node.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: ready}}
	}
	if claim == nil {
		return
	}
	claim.CreationTimestamp = at(l.Created)
	claim.Finalizers = []string{v1.TerminationFinalizer}
	claim.Spec.NodeClassRef = &v1.NodeClassReference{Group: "karpenter.k8s.aws", Kind: "EC2NodeClass", Name: "default"}
	if l.ExpireAfter != 0 {
		claim.Spec.ExpireAfter = v1.NillableDuration{Duration: seconds(l.ExpireAfter)}
	}
	if l.GracePeriod != 0 {
		claim.Spec.TerminationGracePeriod = &metav1.Duration{Duration: *seconds(l.GracePeriod)}
	}
	claim.Status.Conditions = []status.Condition{condition(v1.ConditionTypeLaunched, l.Created)}
	if n.Stage != "launched" {
		claim.Status.Conditions = append(claim.Status.Conditions, condition(v1.ConditionTypeRegistered, l.Created))
	}
	if n.Stage == "initialized" {
		claim.Status.Conditions = append(claim.Status.Conditions, condition(v1.ConditionTypeInitialized, l.Initialized))
	}
	if l.Consolidatable {
		claim.Status.Conditions = append(claim.Status.Conditions, condition(v1.ConditionTypeConsolidatable, l.Initialized))
	}
	if l.Drifted != 0 {
		claim.Status.Conditions = append(claim.Status.Conditions, condition(v1.ConditionTypeDrifted, l.Drifted))
	}
	if l.LastPodEvent != 0 {
		claim.Status.LastPodEventTime = at(l.LastPodEvent)
	}
}

func (c *DisruptionCase) pod(p Pod) *corev1.Pod {
	pod := c.Case.pod(p, c.IsDaemon(p.Template))
	pod.Annotations = c.Templates[p.Template].Annotations
	if p.Node != "" {
		started := at(p.Created)
		pod.Status.StartTime = &started
		ready := corev1.ConditionTrue
		if p.NotReady {
			ready = corev1.ConditionFalse
		}
		pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: ready}}
	}
	return pod
}

func (c *DisruptionCase) guard(g Guard, pods []corev1.Pod) *policyv1.PodDisruptionBudget {
	own := &policyv1.PodDisruptionBudget{ObjectMeta: metav1.ObjectMeta{Name: g.Name, Namespace: "default"}}
	own.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": g.App}}
	if g.AlwaysAllow {
		policy := policyv1.AlwaysAllow
		own.Spec.UnhealthyPodEvictionPolicy = &policy
	}
	if g.Least == nil {
		none := intstr.FromInt32(0)
		own.Spec.MaxUnavailable = &none
		return own
	}
	least := intstr.FromInt32(*g.Least)
	own.Spec.MinAvailable = &least
	var all, healthy int32
	for _, pod := range pods {
		if pod.Labels["app"] != g.App {
			continue
		}
		all++
		for _, own := range pod.Status.Conditions {
			if pod.DeletionTimestamp.IsZero() && own.Type == corev1.PodReady && own.Status == corev1.ConditionTrue {
				healthy++
			}
		}
	}
	if all > 0 {
		own.Status.DisruptionsAllowed = max(healthy-*g.Least, 0)
	}
	return own
}

// patient is a clock that says when somebody waits.
type patient struct {
	*clocktesting.FakeClock
	waits chan struct{}
}

func (p patient) After(d time.Duration) <-chan time.Time {
	over := p.FakeClock.After(d)
	p.waits <- struct{}{}
	return over
}

// run is one run of a case.
type run struct {
	c       *DisruptionCase
	ctx     context.Context
	clock   patient
	kube    client.Client
	cluster *state.Cluster
	forget  func(ctx context.Context, claim *v1.NodeClaim)
	changes []Change
	known   map[string]bool
	said    []Command
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func (r *run) now() int64 { return int64(r.clock.Now().Sub(epoch) / time.Second) }

// hear tells the cluster state what nodes and claims are now, as watches would.
func (r *run) hear() {
	claims, nodes := &v1.NodeClaimList{}, &corev1.NodeList{}
	must(r.kube.List(r.ctx, claims))
	must(r.kube.List(r.ctx, nodes))
	for i := range claims.Items {
		r.cluster.UpdateNodeClaim(&claims.Items[i])
	}
	for i := range nodes.Items {
		must(r.cluster.UpdateNode(r.ctx, &nodes.Items[i]))
	}
}

func (r *run) guards() {
	pods := &corev1.PodList{}
	must(r.kube.List(r.ctx, pods))
	for _, g := range r.c.Guards {
		own := r.c.guard(g, pods.Items)
		old := &policyv1.PodDisruptionBudget{}
		must(r.kube.Get(r.ctx, client.ObjectKeyFromObject(own), old))
		old.Status = own.Status
		must(r.kube.Status().Update(r.ctx, old))
	}
}

// advance lets time pass, and what happens meanwhile happen.
func (r *run) advance(until int64) {
	for len(r.changes) > 0 && r.changes[0].At <= until {
		change := r.changes[0]
		r.changes = r.changes[1:]
		// What happens when a wait is over happens before it.
		if change.At > r.now() {
			r.clock.SetTime(at(change.At).Add(-time.Nanosecond))
		}
		r.apply(change)
	}
	r.clock.SetTime(at(until).Time)
}

// remove takes a pod away, whether it was terminating or not.
func (r *run) remove(pod *corev1.Pod) {
	pod.Finalizers = nil
	must(r.kube.Update(r.ctx, pod))
	must(client.IgnoreNotFound(r.kube.Delete(r.ctx, pod)))
	r.cluster.DeletePod(client.ObjectKeyFromObject(pod))
}

func (r *run) apply(change Change) {
	node, claim := &corev1.Node{}, &v1.NodeClaim{}
	if change.Node != "" {
		key := client.ObjectKey{Name: change.Node}
		if client.IgnoreNotFound(r.kube.Get(r.ctx, key, node)) != nil || client.IgnoreNotFound(r.kube.Get(r.ctx, key, claim)) != nil {
			panic("no node or claim")
		}
		// It may be gone already.
		if node.Name == "" {
			return
		}
	}
	condition := func(name string, holds bool) {
		if claim.Name == "" {
			return
		}
		claim.Status.Conditions = slices.DeleteFunc(claim.Status.Conditions, func(own status.Condition) bool { return own.Type == name })
		if holds {
			claim.Status.Conditions = append(claim.Status.Conditions, status.Condition{Type: name, Status: metav1.ConditionTrue, Reason: name, LastTransitionTime: at(change.At)})
		}
		must(r.kube.Status().Update(r.ctx, claim))
	}
	switch change.What {
	case "bind":
		own := *change.Pod
		own.Created = change.At
		pod := r.c.pod(own)
		must(r.kube.Create(r.ctx, pod))
		must(r.cluster.UpdatePod(r.ctx, pod))
	case "delete", "terminate":
		pod := &corev1.Pod{}
		key := client.ObjectKey{Namespace: "default", Name: change.Pod.Name}
		if r.kube.Get(r.ctx, key, pod) != nil {
			return
		}
		if change.What == "terminate" {
			question.Terminate(pod, at(change.At).Time)
			must(r.kube.Update(r.ctx, pod))
			must(r.cluster.UpdatePod(r.ctx, pod))
			break
		}
		r.remove(pod)
	case "nominate":
		r.cluster.NominateNodeForPod(r.ctx, node.Spec.ProviderID)
	case "consolidatable":
		condition(v1.ConditionTypeConsolidatable, true)
	case "unconsolidatable":
		condition(v1.ConditionTypeConsolidatable, false)
	case "drifted":
		condition(v1.ConditionTypeDrifted, true)
	case "notReady":
		node.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionFalse}}
		must(r.kube.Status().Update(r.ctx, node))
	case "gone":
		if claim.DeletionTimestamp.IsZero() {
			return
		}
		pods := &corev1.PodList{}
		must(r.kube.List(r.ctx, pods, client.MatchingFields{"spec.nodeName": node.Name}))
		for i := range pods.Items {
			r.remove(&pods.Items[i])
		}
		must(r.kube.Delete(r.ctx, node))
		claim.Finalizers = nil
		must(r.kube.Update(r.ctx, claim))
		r.cluster.DeleteNode(node.Name)
		r.cluster.DeleteNodeClaim(claim.Name)
		r.forget(r.ctx, claim)
	default:
		panic("no such change: " + change.What)
	}
	r.hear()
	r.guards()
}

// tell writes down the command that runs and was not known before, and says whether there is one.
func (r *run) tell(commands map[string]string) bool {
	nodes := map[string][]string{}
	for id, method := range commands {
		if name := id[len("aws:///"):]; !r.known["node/"+name] {
			r.known["node/"+name] = true
			nodes[method] = append(nodes[method], name)
		}
	}
	if len(nodes) == 0 {
		return false
	}
	if len(nodes) > 1 {
		panic("several commands in a pass")
	}
	own := Command{At: r.now()}
	for method, names := range nodes {
		sort.Strings(names)
		own.Method, own.Nodes = method, names
	}
	claims := &v1.NodeClaimList{}
	must(r.kube.List(r.ctx, claims))
	for _, claim := range claims.Items {
		if r.known["claim/"+claim.Name] {
			continue
		}
		r.known["claim/"+claim.Name] = true
		own.Replacements = append(own.Replacements, replacement(claim))
	}
	sort.Slice(own.Replacements, func(i, j int) bool {
		a, _ := json.Marshal(own.Replacements[i])
		b, _ := json.Marshal(own.Replacements[j])
		return string(a) < string(b)
	})
	r.said = append(r.said, own)
	return true
}

func replacement(claim v1.NodeClaim) Replacement {
	own := Replacement{Pool: claim.Labels[v1.NodePoolLabelKey], Requests: map[string]string{}}
	for name, amount := range claim.Spec.Resources.Requests {
		own.Requests[string(name)] = amount.String()
	}
	for key, r := range core.NewNodeSelectorRequirementsWithMinValues(claim.Spec.Requirements...) {
		values := r.Values()
		sort.Strings(values)
		if key == corev1.LabelInstanceTypeStable {
			own.Types, values = values, nil
		}
		own.Requirements = append(own.Requirements, Requirement{Key: key, Operator: string(r.Operator()), Values: values, MinValues: r.MinValues})
	}
	sort.Slice(own.Requirements, func(i, j int) bool { return own.Requirements[i].Key < own.Requirements[j].Key })
	return own
}

// once lets the controller run from the beginning to the end.
func (c *DisruptionCase) once(v Version, all map[string]*cloudprovider.InstanceType) ([]Command, error) {
	gates := options.FeatureGates{ReservedCapacity: c.Reserved, SpotToSpotConsolidation: c.SpotToSpot}
	o := &options.Options{FeatureGates: gates, PreferencePolicy: options.PreferencePolicyRespect, BatchMaxDuration: 10 * time.Second, BatchIdleDuration: time.Second}
	if c.Ignore {
		o.PreferencePolicy = options.PreferencePolicyIgnore
	}
	v.Defaults(o)
	r := &run{c: c, ctx: options.ToContext(context.Background(), o), clock: patient{clocktesting.NewFakeClock(at(begin).Time), make(chan struct{})}, changes: c.Changes, known: map[string]bool{}, said: []Command{}}
	p := &provider{types: map[string][]*cloudprovider.InstanceType{}}
	parts := Parts{Clock: r.clock, Provider: p, Recorder: silent{}}
	objects := []client.Object{&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "default"}}}
	for _, own := range c.Pools {
		pool := disruptionPool(own)
		parts.Pools = append(parts.Pools, pool)
		objects = append(objects, pool)
		for _, name := range c.Types {
			p.types[own.Name] = append(p.types[own.Name], all[name])
		}
	}
	for _, n := range c.Nodes {
		node, claim := nodeObjects(n)
		lived(n, node, claim)
		if node != nil {
			objects = append(objects, node)
		}
		if claim != nil {
			objects = append(objects, claim)
			parts.Claims = append(parts.Claims, claim)
			r.known["claim/"+claim.Name] = true
		}
	}
	var pods []*corev1.Pod
	for _, own := range slices.Concat(c.Bound, c.Pods) {
		pod := c.pod(own)
		pods = append(pods, pod)
		objects = append(objects, pod)
	}
	for _, name := range c.Daemons {
		template := c.Templates[name]
		objects = append(objects, &appsv1.DaemonSet{
			ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default"},
			Spec:       appsv1.DaemonSetSpec{Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: template.Labels}, Spec: *template.Spec.DeepCopy()}},
		})
	}
	for _, g := range c.Guards {
		objects = append(objects, c.guard(g, nil))
	}
	r.kube = newMemory(r.clock, objects...)
	r.guards()
	parts.Client = r.kube
	r.cluster = state.NewCluster(r.clock, r.kube, p)
	parts.Cluster = r.cluster
	r.hear()
	for _, pod := range pods {
		must(r.cluster.UpdatePod(r.ctx, pod))
	}
	for _, n := range c.Nodes {
		if n.Nominated {
			r.cluster.NominateNodeForPod(r.ctx, "aws:///"+n.Name)
		}
	}
	d := v.Disruption(r.ctx, parts)
	defer d.Close()
	r.forget = d.Forget
	for r.now() < c.Until {
		type result struct {
			after time.Duration
			err   error
		}
		done := make(chan result, 1)
		go func() {
			after, err := d.Pass(r.ctx)
			done <- result{after, err}
		}()
		var end result
		for running := true; running; {
			select {
			case end = <-done:
				running = false
			case <-r.clock.waits:
				// The only thing that is waited for is that a command stands.
				r.advance(r.now() + 15)
			}
		}
		if end.err != nil {
			return nil, end.err
		}
		if r.tell(d.Commands()) {
			if err := d.Execute(r.ctx); err != nil {
				return nil, err
			}
			r.hear()
		}
		r.advance(r.now() + int64(end.after/time.Second))
	}
	return r.said, nil
}

// Solve asks until the answers are known, and says whether they are.
func (c *DisruptionCase) Solve(v Version, catalog map[string]Type) bool {
	all := map[string]*cloudprovider.InstanceType{}
	for _, name := range c.Types {
		all[name] = instanceType(catalog[name], c.Reserved, c.Unavailable)
	}
	c.Version, c.NominationsLast = v.Name, v.NominationsLast
	least := disruptionFew
	// Groups of DaemonSets come in the order of a map.
	if c.Chancy() || len(c.Daemons) > 0 {
		least = question.Few
	}
	seen := map[string]bool{}
	for i := 0; i < least || i < disruptionMany && len(seen) > 1; i++ {
		said, err := c.once(v, all)
		if err != nil {
			fmt.Fprintln(os.Stderr, c.ID, "is no use:", err)
			return false
		}
		text, err := json.Marshal(said)
		must(err)
		if seen[string(text)] = true; len(seen) > question.Most {
			return false
		}
	}
	for text := range seen {
		answer := []Command{}
		must(json.Unmarshal([]byte(text), &answer))
		c.Answers = append(c.Answers, answer)
	}
	sort.Slice(c.Answers, func(i, j int) bool {
		a, _ := json.Marshal(c.Answers[i])
		b, _ := json.Marshal(c.Answers[j])
		return string(a) < string(b)
	})
	return true
}

// How often a case is asked at least, and where chance has a say.
const (
	disruptionFew  = 4
	disruptionMany = 32
)

func (c *DisruptionCase) dull() bool { return len(c.Answers) == 1 && len(c.Answers[0]) == 0 }
