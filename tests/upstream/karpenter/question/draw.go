package question

import (
	"fmt"
	"maps"
	"math/rand"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	zone     = corev1.LabelTopologyZone
	bought   = "karpenter.sh/capacity-type"
	arch     = corev1.LabelArchStable
	nodePool = "karpenter.sh/nodepool"
	hostname = corev1.LabelHostname
	typeName = corev1.LabelInstanceTypeStable
	aws      = "karpenter.k8s.aws/instance-"
	team     = "example.com/team"
)

var zones = []string{"eu-west-1a", "eu-west-1b", "eu-west-1c"}

// Draw makes questions at random.
type Draw struct {
	*rand.Rand
	Catalog []Type
	ByName  map[string]Type
	Features
	// How likely each kind of constraint is in this case: some cases are plain, some are full of one thing.
	Selector, Affinity, Spread, PodAffinity, Taint float64
}

// Features are what not every version knows.
type Features struct {
	// MatchLabelKeys says whether spread constraints may have them.
	MatchLabelKeys bool
	// Beta is an API without minValues, reserved capacity and preference policy.
	Beta bool
}

// Chance is true with that probability.
func (d *Draw) Chance(p float64) bool { return d.Float64() < p }

// Pick draws one of several.
func Pick[T any](d *Draw, from ...T) T { return from[d.Intn(len(from))] }

// Some chooses between least and greatest many of a list, in any order.
func (d *Draw) Some(from []string, least, greatest int) []string {
	order := d.Perm(len(from))[:least+d.Intn(greatest-least+1)]
	chosen := make([]string, 0, len(order))
	for _, at := range order {
		chosen = append(chosen, from[at])
	}
	return chosen
}

// NewCase draws a case for Solve.
func (d *Draw) NewCase(id string) *Case {
	level := func() float64 { return Pick(d, 0, 0, 0, 0.2, 0.5) }
	d.Selector, d.Affinity, d.Spread, d.PodAffinity, d.Taint = level(), level(), level(), level(), level()
	c := &Case{ID: id, Templates: map[string]Template{}, Ignore: d.Chance(0.1), Reserved: d.Chance(0.2)}
	c.Fallback = c.Reserved && d.Chance(0.4)
	if d.Beta {
		c.Ignore, c.Reserved, c.Fallback = false, false, false
	}
	d.Types(c)
	d.Refuse(c, Pick(d, 0, 0, 0, 0.1, 0.5))
	for i, name := range d.Some([]string{"alpha", "bravo", "charlie"}, 1, 3) {
		c.Pools = append(c.Pools, d.Pool(name, i == 0 && d.Chance(0.6)))
	}
	for i := range 1 + d.Intn(5) {
		c.Templates[fmt.Sprintf("app-%d", i)] = d.Template(i)
	}
	apps := slices.Sorted(maps.Keys(c.Templates))
	for i := range d.Intn(3) {
		name := fmt.Sprintf("daemon-%d", i)
		c.Templates[name] = d.Daemon(i)
		c.Daemons = append(c.Daemons, name)
	}
	d.nodes(c, apps)
	count := 1 + d.Intn(Pick(d, 4, 10, 20))
	for i := range count {
		c.Pods = append(c.Pods, Pod{Name: fmt.Sprintf("pod-%d", i), UID: d.UID(), Template: Pick(d, apps...), Created: int64(d.Intn(3))})
	}
	return c
}

// UID draws a uid.
func (d *Draw) UID() string {
	return fmt.Sprintf("%08x-0000-4000-8000-%012x", d.Uint32(), d.Int63n(1<<48))
}

// Types offers a part of the catalog: all of it, or one type in a few.
func (d *Draw) Types(c *Case) {
	share := Pick(d, 0.08, 0.15, 0.15, 0.4)
	for _, t := range d.Catalog {
		held := false
		for _, o := range t.Offerings {
			held = held || o.Reservation != ""
		}
		if d.Chance(share) || held && c.Reserved {
			c.Types = append(c.Types, t.Name)
		}
	}
	if len(c.Types) == 0 {
		c.Types = []string{d.Catalog[0].Name}
	}
}

// Refuse makes each offering of the types on offer unavailable with that probability.
func (d *Draw) Refuse(c *Case, share float64) {
	for _, name := range c.Types {
		for _, o := range d.ByName[name].Offerings {
			if d.Chance(share) && (o.Reservation == "" || c.Reserved) {
				c.Unavailable = append(c.Unavailable, [3]string{name, o.Zone, o.CapacityType})
			}
		}
	}
}

// Pool draws a NodePool; one that is open asks little of its nodes.
func (d *Draw) Pool(name string, open bool) Pool {
	p := Pool{Name: name, Weight: int32(Pick(d, 0, 0, 10, 50)), Labels: map[string]string{}}
	require := func(key, operator string, values ...string) {
		p.Requirements = append(p.Requirements, Requirement{Key: key, Operator: operator, Values: values})
	}
	if d.Chance(0.7) {
		require(bought, "In", Pick(d, []string{"on-demand"}, []string{"spot"}, []string{"spot", "on-demand"}, []string{"spot", "on-demand", "reserved"}, []string{"reserved", "on-demand"})...)
	}
	if d.Chance(0.5) {
		require(arch, "In", Pick(d, []string{"amd64"}, []string{"arm64"}, []string{"amd64", "arm64"})...)
	}
	if !open {
		if d.Chance(0.4) {
			require(aws+"category", Pick(d, "In", "NotIn"), d.Some([]string{"c", "m", "r", "t"}, 1, 3)...)
		}
		if d.Chance(0.2) {
			require(aws+"cpu", "Gt", Pick(d, "1", "3", "7"))
		}
		if d.Chance(0.2) {
			require(aws+"cpu", "Lt", Pick(d, "9", "17", "65"))
		}
		if d.Chance(0.2) {
			require(aws+"generation", "Gt", Pick(d, "4", "5"))
		}
		if d.Chance(0.3) {
			require(zone, "In", d.Some(zones, 1, 3)...)
		}
		if d.Chance(0.15) {
			require(aws+"size", "NotIn", d.Some([]string{"nano", "micro", "small", "medium", "large"}, 1, 4)...)
		}
		if d.Chance(0.15) {
			require(aws+"gpu-count", "DoesNotExist")
		}
		if !d.Beta && d.Chance(0.15) {
			least := 1 + d.Intn(4)
			p.Requirements = append(p.Requirements, Requirement{Key: Pick(d, aws+"family", typeName, aws+"cpu"), Operator: "Exists", MinValues: &least})
		}
	}
	switch d.Intn(5) {
	case 0:
		p.Labels[team] = Pick(d, "red", "blue")
	case 1:
		require(team, "In", d.Some([]string{"red", "blue", "green"}, 1, 3)...)
	case 2:
		require(team, "Exists")
	}
	if d.Chance(d.Taint) {
		p.Taints = append(p.Taints, d.drawTaint(corev1.TaintEffectNoSchedule, corev1.TaintEffectNoExecute, corev1.TaintEffectPreferNoSchedule))
	}
	if d.Chance(0.25) {
		p.Limits = map[string]string{"cpu": strconv.Itoa(Pick(d, 0, 4, 8, 20, 64, 200))}
		if d.Chance(0.4) {
			p.Limits["memory"] = Pick(d, "8Gi", "64Gi", "256Gi")
		}
		if d.Chance(0.1) {
			p.Limits["nvidia.com/gpu"] = Pick(d, "0", "1", "4")
		}
	}
	return p
}

func (d *Draw) drawTaint(effects ...corev1.TaintEffect) corev1.Taint {
	return corev1.Taint{Key: Pick(d, "dedicated", "gpu"), Value: Pick(d, "", "red", "blue"), Effect: Pick(d, effects...)}
}

func (d *Draw) amount(from ...string) resource.Quantity { return resource.MustParse(Pick(d, from...)) }

// Container draws one with requests.
func (d *Draw) Container(cpu, memory []string) corev1.Container {
	requests := corev1.ResourceList{}
	if d.Chance(0.95) {
		requests[corev1.ResourceCPU] = d.amount(cpu...)
	}
	if d.Chance(0.8) {
		requests[corev1.ResourceMemory] = d.amount(memory...)
	}
	return corev1.Container{Name: "main", Image: "example", Resources: corev1.ResourceRequirements{Requests: requests}}
}

// What containers request.
var (
	SomeCPU    = []string{"100m", "250m", "500m", "900m", "1", "1500m", "2", "3", "3500m", "6", "14"}
	SomeMemory = []string{"128Mi", "512Mi", "1Gi", "1500Mi", "3Gi", "6Gi", "14Gi", "30Gi"}
)

// Template draws what the pods of an app are made from.
func (d *Draw) Template(number int) Template {
	labels := map[string]string{"app": fmt.Sprintf("app-%d", number), "tier": Pick(d, "web", "batch")}
	spec := corev1.PodSpec{Containers: []corev1.Container{d.Container(SomeCPU, SomeMemory)}}
	if d.Chance(0.1) {
		spec.InitContainers = []corev1.Container{d.Container(SomeCPU, SomeMemory)}
		if !d.Beta && d.Chance(0.4) {
			always := corev1.ContainerRestartPolicyAlways
			spec.InitContainers[0].RestartPolicy = &always
		}
	}
	if d.Chance(0.1) {
		spec.Containers = append(spec.Containers, d.Container([]string{"50m", "100m"}, []string{"64Mi", "128Mi"}))
		spec.Containers[1].Name = "log"
	}
	if d.Chance(0.04) {
		spec.Overhead = corev1.ResourceList{corev1.ResourceCPU: d.amount("250m"), corev1.ResourceMemory: d.amount("120Mi")}
	}
	requests := spec.Containers[0].Resources.Requests
	if d.Chance(0.07) {
		gpu := Pick(d, "nvidia.com/gpu", "nvidia.com/gpu", "aws.amazon.com/neuron")
		amount := d.amount("1", "1", "2", "4")
		requests[corev1.ResourceName(gpu)] = amount
		spec.Containers[0].Resources.Limits = corev1.ResourceList{corev1.ResourceName(gpu): amount}
	}
	if d.Chance(0.05) {
		requests[corev1.ResourceEphemeralStorage] = d.amount("1Gi", "10Gi", "25Gi")
	}
	if d.Chance(0.06) {
		spec.Containers[0].Ports = []corev1.ContainerPort{{ContainerPort: 80, HostPort: Pick(d, int32(8080), 9090), Protocol: corev1.ProtocolTCP}}
	}
	if d.Chance(d.Selector) {
		spec.NodeSelector = map[string]string{}
		for range 1 + d.Intn(2) {
			key, value := d.label()
			spec.NodeSelector[key] = value
		}
	}
	d.nodeAffinity(&spec)
	for range 2 {
		if d.Chance(d.Spread) {
			spec.TopologySpreadConstraints = append(spec.TopologySpreadConstraints, d.spreadConstraint(labels))
		}
	}
	// The API server refuses two constraints that differ only in their skew.
	if s := spec.TopologySpreadConstraints; len(s) == 2 && s[0].TopologyKey == s[1].TopologyKey {
		spec.TopologySpreadConstraints = s[:1]
	}
	if d.Chance(d.PodAffinity) {
		d.interPodAffinity(&spec, labels)
	}
	if d.Chance(d.Taint) {
		spec.Tolerations = append(spec.Tolerations, d.toleration())
	}
	return Template{Labels: labels, Spec: spec}
}

func (d *Draw) toleration() corev1.Toleration {
	switch d.Intn(4) {
	case 0:
		return corev1.Toleration{Operator: corev1.TolerationOpExists}
	case 1:
		return corev1.Toleration{Key: "dedicated", Operator: corev1.TolerationOpEqual, Value: Pick(d, "", "red", "blue")}
	case 2:
		return corev1.Toleration{Key: "gpu", Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoSchedule}
	}
	return corev1.Toleration{Key: "dedicated", Operator: corev1.TolerationOpExists, Effect: Pick(d, corev1.TaintEffectNoSchedule, corev1.TaintEffectNoExecute)}
}

// label is one that nodes may have.
func (d *Draw) label() (key, value string) {
	switch d.Intn(9) {
	case 0, 1:
		return zone, Pick(d, append(slices.Clone(zones), zones[0], zones[1], "eu-west-1d")...)
	case 2:
		return bought, Pick(d, "spot", "on-demand")
	case 3:
		return arch, Pick(d, "amd64", "arm64")
	case 4:
		return aws + "category", Pick(d, "c", "m", "r", "t")
	case 5:
		return aws + "family", Pick(d, "c5", "m5", "m7g", "t3", "r5")
	case 6:
		return typeName, Pick(d, d.Catalog...).Name
	case 7:
		return corev1.LabelOSStable, "linux"
	}
	return team, Pick(d, "red", "blue", "green")
}

func (d *Draw) expression() corev1.NodeSelectorRequirement {
	switch d.Intn(8) {
	case 0:
		return corev1.NodeSelectorRequirement{Key: zone, Operator: corev1.NodeSelectorOpNotIn, Values: []string{Pick(d, zones...)}}
	case 1:
		return corev1.NodeSelectorRequirement{Key: aws + "cpu", Operator: Pick(d, corev1.NodeSelectorOpGt, corev1.NodeSelectorOpLt), Values: []string{Pick(d, "3", "8", "16")}}
	case 2:
		return corev1.NodeSelectorRequirement{Key: Pick(d, team, aws+"gpu-name", aws+"local-nvme"), Operator: Pick(d, corev1.NodeSelectorOpExists, corev1.NodeSelectorOpDoesNotExist)}
	case 3:
		return corev1.NodeSelectorRequirement{Key: team, Operator: corev1.NodeSelectorOpNotIn, Values: []string{Pick(d, "red", "blue")}}
	case 4:
		return corev1.NodeSelectorRequirement{Key: zone, Operator: corev1.NodeSelectorOpIn, Values: d.Some(zones, 1, 2)}
	}
	key, value := d.label()
	return corev1.NodeSelectorRequirement{Key: key, Operator: Pick(d, corev1.NodeSelectorOpIn, corev1.NodeSelectorOpIn, corev1.NodeSelectorOpNotIn), Values: []string{value}}
}

func (d *Draw) term() (term corev1.NodeSelectorTerm) {
	for range 1 + d.Intn(2) {
		term.MatchExpressions = append(term.MatchExpressions, d.expression())
	}
	return term
}

func (d *Draw) nodeAffinity(spec *corev1.PodSpec) {
	affinity := corev1.NodeAffinity{}
	if d.Chance(d.Affinity) {
		required := corev1.NodeSelector{}
		for range 1 + d.Intn(3) {
			required.NodeSelectorTerms = append(required.NodeSelectorTerms, d.term())
		}
		affinity.RequiredDuringSchedulingIgnoredDuringExecution = &required
	}
	for range 3 {
		if d.Chance(d.Affinity / 2) {
			affinity.PreferredDuringSchedulingIgnoredDuringExecution = append(affinity.PreferredDuringSchedulingIgnoredDuringExecution,
				corev1.PreferredSchedulingTerm{Weight: int32(1 + d.Intn(4)), Preference: d.term()})
		}
	}
	if affinity.RequiredDuringSchedulingIgnoredDuringExecution != nil || affinity.PreferredDuringSchedulingIgnoredDuringExecution != nil {
		spec.Affinity = &corev1.Affinity{NodeAffinity: &affinity}
	}
}

// match selects the template's own pods, those of its tier, those of another, all, or none.
func (d *Draw) match(labels map[string]string) *metav1.LabelSelector {
	if d.Chance(0.06) {
		return Pick(d, nil, &metav1.LabelSelector{})
	}
	switch d.Intn(5) {
	case 0:
		return &metav1.LabelSelector{MatchLabels: map[string]string{"tier": labels["tier"]}}
	case 1:
		return &metav1.LabelSelector{MatchLabels: map[string]string{"app": fmt.Sprintf("app-%d", d.Intn(5))}}
	case 2:
		return &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "app", Operator: metav1.LabelSelectorOpIn, Values: []string{labels["app"], "other"}}}}
	}
	return &metav1.LabelSelector{MatchLabels: map[string]string{"app": labels["app"]}}
}

func (d *Draw) spreadConstraint(labels map[string]string) corev1.TopologySpreadConstraint {
	own := corev1.TopologySpreadConstraint{
		MaxSkew:           int32(Pick(d, 1, 1, 1, 2, 3)),
		TopologyKey:       Pick(d, zone, zone, zone, hostname, hostname, bought, team),
		WhenUnsatisfiable: Pick(d, corev1.DoNotSchedule, corev1.DoNotSchedule, corev1.ScheduleAnyway),
		LabelSelector:     d.match(labels),
	}
	if own.WhenUnsatisfiable == corev1.DoNotSchedule && d.Chance(0.15) {
		least := int32(1 + d.Intn(4))
		own.MinDomains = &least
	}
	if d.Chance(0.15) {
		policy := Pick(d, corev1.NodeInclusionPolicyHonor, corev1.NodeInclusionPolicyIgnore)
		own.NodeTaintsPolicy = &policy
	}
	if d.Chance(0.15) {
		policy := Pick(d, corev1.NodeInclusionPolicyHonor, corev1.NodeInclusionPolicyIgnore)
		own.NodeAffinityPolicy = &policy
	}
	if d.MatchLabelKeys && own.LabelSelector != nil && d.Chance(0.1) {
		own.MatchLabelKeys = []string{"tier"}
	}
	return own
}

func (d *Draw) interPodAffinity(spec *corev1.PodSpec, labels map[string]string) {
	if spec.Affinity == nil {
		spec.Affinity = &corev1.Affinity{}
	}
	term := func() corev1.PodAffinityTerm {
		return corev1.PodAffinityTerm{LabelSelector: d.match(labels), TopologyKey: Pick(d, zone, hostname, hostname, bought)}
	}
	weighted := func() corev1.WeightedPodAffinityTerm {
		return corev1.WeightedPodAffinityTerm{Weight: int32(1 + d.Intn(3)), PodAffinityTerm: term()}
	}
	affinity, anti := corev1.PodAffinity{}, corev1.PodAntiAffinity{}
	switch d.Intn(4) {
	case 0:
		affinity.RequiredDuringSchedulingIgnoredDuringExecution = []corev1.PodAffinityTerm{term()}
	case 1:
		anti.RequiredDuringSchedulingIgnoredDuringExecution = []corev1.PodAffinityTerm{term()}
	case 2:
		affinity.PreferredDuringSchedulingIgnoredDuringExecution = []corev1.WeightedPodAffinityTerm{weighted()}
	case 3:
		anti.PreferredDuringSchedulingIgnoredDuringExecution = []corev1.WeightedPodAffinityTerm{weighted(), weighted()}
	}
	if d.Chance(0.2) {
		anti.RequiredDuringSchedulingIgnoredDuringExecution = append(anti.RequiredDuringSchedulingIgnoredDuringExecution, term())
	}
	spec.Affinity.PodAffinity, spec.Affinity.PodAntiAffinity = &affinity, &anti
}

// Daemon draws the template of a DaemonSet.
func (d *Draw) Daemon(number int) Template {
	small := d.Container([]string{"50m", "100m", "300m"}, []string{"64Mi", "256Mi", "600Mi"})
	spec := corev1.PodSpec{Containers: []corev1.Container{small}}
	if d.Chance(0.7) {
		spec.Tolerations = []corev1.Toleration{{Operator: corev1.TolerationOpExists}}
	}
	if d.Chance(0.15) {
		spec.Containers[0].Ports = []corev1.ContainerPort{{ContainerPort: 80, HostPort: 9090, Protocol: corev1.ProtocolTCP}}
	}
	switch d.Intn(4) {
	case 0:
		key, value := d.label()
		spec.NodeSelector = map[string]string{key: value}
	case 1:
		d.nodeAffinity(&spec)
	}
	return Template{Labels: map[string]string{"app": fmt.Sprintf("daemon-%d", number)}, Spec: spec}
}

// nodes puts nodes of the pools' types there, and pods on them.
func (d *Draw) nodes(c *Case, apps []string) {
	for i := range d.Intn(Pick(d, 1, 4, 7)) {
		t := d.ByName[Pick(d, c.Types...)]
		offer := Pick(d, t.Offerings...)
		if offer.Reservation != "" {
			offer = t.Offerings[0]
		}
		n := Node{Name: fmt.Sprintf("node-%02d", 20-i), Stage: Pick(d, "launched", "registered", "initialized", "initialized", "initialized"), Labels: map[string]string{
			zone: offer.Zone, bought: offer.CapacityType, typeName: t.Name, corev1.LabelOSStable: "linux",
		}}
		for _, r := range t.Requirements {
			if len(r.Values) == 1 && r.Key != zone && r.Key != bought {
				n.Labels[r.Key] = r.Values[0]
			}
		}
		n.Capacity = t.Capacity
		n.Allocatable = map[string]string{}
		overhead := Amounts(t.Overhead)
		for name, amount := range Amounts(t.Capacity) {
			amount.Sub(overhead[name])
			n.Allocatable[string(name)] = amount.String()
		}
		if d.Chance(0.8) {
			p := Pick(d, c.Pools...)
			n.Pool = p.Name
			n.Labels[nodePool] = p.Name
			n.Labels["karpenter.k8s.aws/ec2nodeclass"] = "default"
			maps.Copy(n.Labels, p.Labels)
			n.Taints = slices.Clone(p.Taints)
		} else {
			n.Stage = "initialized"
			delete(n.Labels, bought)
		}
		if n.Pool != "" && n.Stage != "initialized" && d.Chance(0.3) {
			n.Startup = []corev1.Taint{{Key: "startup", Effect: corev1.TaintEffectNoSchedule}}
			n.Taints = append(n.Taints, n.Startup...)
		}
		if n.Stage == "registered" && d.Chance(0.5) {
			n.Taints = append(n.Taints, corev1.Taint{Key: "node.kubernetes.io/not-ready", Effect: corev1.TaintEffectNoSchedule})
		}
		if d.Chance(d.Taint / 2) {
			n.Taints = append(n.Taints, d.drawTaint(corev1.TaintEffectNoSchedule, corev1.TaintEffectNoExecute, corev1.TaintEffectPreferNoSchedule))
		}
		if n.Stage != "launched" {
			n.Labels[hostname] = n.Name
			for range d.Intn(4) {
				c.Bound = append(c.Bound, Pod{Name: fmt.Sprintf("bound-%d", len(c.Bound)), UID: d.UID(), Template: Pick(d, apps...), Node: n.Name, Terminating: d.Chance(0.08)})
			}
			for _, daemon := range c.Daemons {
				if d.Chance(0.5) {
					c.Bound = append(c.Bound, Pod{Name: fmt.Sprintf("bound-%d", len(c.Bound)), UID: d.UID(), Template: daemon, Node: n.Name})
				}
			}
		}
		c.Nodes = append(c.Nodes, n)
	}
}
