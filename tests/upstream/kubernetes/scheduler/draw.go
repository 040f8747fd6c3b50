package scheduler

import (
	"fmt"
	"math/rand/v2"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

func chance(r *rand.Rand, percent int) bool { return r.IntN(100) < percent }

const zoneKey, hostKey, poolKey, boughtKey = "topology.kubernetes.io/zone", "kubernetes.io/hostname", "karpenter.sh/nodepool", "karpenter.sh/capacity-type"

// namespaces are those of apps; the first is that of most.
var namespaces = []namespace{{"default", map[string]string{"team": "red"}}, {"monitoring", map[string]string{"team": "blue"}}}

// draw makes a cluster: nodes of a few sizes and zones, apps with bound pods, pods to come.
func draw(r *rand.Rand, adaptive bool) cluster {
	it := cluster{Note: "drawn", Percentage: 100, Namespaces: namespaces, Templates: map[string]template{}, Pods: []bound{}}
	count := pick(r, 3, 5, 8, 13, 21)
	if adaptive {
		it.Percentage, count = 0, 101+r.IntN(160)
	}
	full := !adaptive && chance(r, 35)
	zones := []string{"us-east-1a", "us-east-1b", "us-east-1c"}[:1+r.IntN(3)]
	for number := range count {
		it.Nodes = append(it.Nodes, drawNode(r, number, zones))
	}
	if chance(r, 20) {
		drawImages(r, it.Nodes)
	}
	apps := 2 + r.IntN(3)
	for app := range apps {
		name := fmt.Sprintf("app%d", app)
		labels := map[string]string{"app": name}
		if chance(r, 60) {
			labels["tier"] = pick(r, "front", "back")
		}
		if chance(r, 30) {
			labels["version"] = pick(r, "1", "2")
		}
		made := template{Labels: labels, Spec: podSpec(r, name, apps)}
		if chance(r, 15) {
			made.Namespace = "monitoring"
		}
		if chance(r, 80) {
			made.Owner = &owner{pick(r, "ReplicaSet", "ReplicaSet", "ReplicaSet", "StatefulSet"), name + "-rs"}
			it.Sets = append(it.Sets, replicaSet{name + "-rs", made.Namespace, labels})
		}
		if chance(r, 40) {
			it.Services = append(it.Services, service{name, pick(r, made.Namespace, made.Namespace, ""), map[string]string{"app": name}})
		}
		if full {
			made.Spec.Priority = ptr.To(int32(pick(r, -10, 0, 0, 5)))
			if chance(r, 30) {
				it.Budgets = append(it.Budgets, budget{name, made.Namespace, map[string]string{"app": name}, int32(r.IntN(3))})
			}
		}
		it.Templates[name] = made
	}
	last := 0
	per := pick(r, 1, 2, 4)
	if full {
		per = 14
	}
	if adaptive {
		per = 1
	}
	for _, node := range it.Nodes {
		left := resource.MustParse(node.Allocatable["cpu"])
		port := false
		for range r.IntN(per + 1) {
			app := fmt.Sprintf("app%d", r.IntN(apps))
			container := it.Templates[app].Spec.Containers[0]
			cpu := container.Resources.Requests.Cpu()
			if cpu.Cmp(left) > 0 {
				break
			}
			// All ask for one host port, which only one pod of a node can have.
			if len(container.Ports) > 0 {
				if port {
					continue
				}
				port = true
			}
			left.Sub(*cpu)
			last++
			it.Pods = append(it.Pods, bound{
				Name: fmt.Sprintf("%s-%d", app, last), Template: app, NodeName: node.Name,
				Terminating: chance(r, 4), StartedSecondsAgo: int64(r.IntN(90_000)),
			})
		}
	}
	if full {
		urgent := podSpec(r, "urgent", apps)
		urgent.Priority = ptr.To(int32(1000))
		urgent.Containers[0].Resources.Requests = v1.ResourceList{v1.ResourceCPU: resource.MustParse(pick(r, "1500m", "2500m", "3500m"))}
		if chance(r, 10) {
			urgent.PreemptionPolicy = ptr.To(v1.PreemptNever)
		}
		it.Templates["urgent"] = template{Labels: map[string]string{"app": "urgent"}, Spec: urgent}
	}
	if chance(r, 20) {
		it.Templates["agent"] = daemon(r)
	}
	for number := range 2 + r.IntN(4) {
		one := incoming{Name: fmt.Sprintf("new-%d", number), Template: fmt.Sprintf("app%d", r.IntN(apps))}
		if full && chance(r, 60) {
			one.Template = "urgent"
		}
		if _, agent := it.Templates["agent"]; agent && chance(r, 30) {
			one.Template, one.OnNode = "agent", pick(r, it.Nodes...).Name
		}
		it.Incoming = append(it.Incoming, one)
	}
	return it
}

// daemon is the template of a DaemonSet's pod, which tolerates what these do.
func daemon(r *rand.Rand) template {
	own := template{Labels: map[string]string{"app": "agent"}, Owner: &owner{"DaemonSet", "agent"}, Spec: v1.PodSpec{
		HostNetwork: chance(r, 50),
		Containers:  []v1.Container{{Name: "agent", Image: "example/agent:1", Resources: v1.ResourceRequirements{Requests: v1.ResourceList{v1.ResourceCPU: resource.MustParse("50m")}}}},
		Tolerations: []v1.Toleration{
			{Key: v1.TaintNodeUnschedulable, Operator: v1.TolerationOpExists, Effect: v1.TaintEffectNoSchedule},
			{Key: v1.TaintNodeNotReady, Operator: v1.TolerationOpExists, Effect: v1.TaintEffectNoExecute},
		},
	}}
	if own.Spec.HostNetwork {
		own.Spec.Containers[0].Ports = []v1.ContainerPort{{ContainerPort: 8080}}
	}
	if chance(r, 30) {
		own.Spec.NodeSelector = map[string]string{poolKey: "general"}
	}
	return own
}

// drawImages puts some of the apps' images on nodes.
func drawImages(r *rand.Rand, nodes []node) {
	for number := range 4 {
		name := fmt.Sprintf("example/app%d:1", number)
		size := pick(r, int64(20), 200, 700, 2500) << 20
		for at := range nodes {
			if chance(r, 40) {
				nodes[at].Images = append(nodes[at].Images, image{[]string{name, "docker.io/" + name}, size})
			}
		}
	}
}

func drawNode(r *rand.Rand, number int, zones []string) node {
	name := fmt.Sprintf("n%03d", number)
	it := node{Name: name, Labels: map[string]string{
		hostKey: name, zoneKey: pick(r, zones...), poolKey: pick(r, "general", "batch"), "kubernetes.io/arch": "amd64",
		"cpus": pick(r, "4", "8"), boughtKey: pick(r, "spot", "on-demand"),
	}}
	if chance(r, 3) {
		delete(it.Labels, zoneKey)
	}
	cpu := pick(r, "1930m", "3920m", "7910m")
	it.Allocatable = map[string]string{
		"cpu": cpu, "memory": pick(r, "3300Mi", "7200Mi", "14162Mi", "30000Mi"), "pods": pick(r, "5", "29", "58"), "ephemeral-storage": "18Gi",
	}
	if chance(r, 12) {
		it.Allocatable["nvidia.com/gpu"] = "1"
	}
	if chance(r, 15) {
		for range 1 + r.IntN(2) {
			it.Taints = append(it.Taints, taint{pick(r, "dedicated", "maintenance", v1.TaintNodeNotReady), pick(r, "", "soon"), pick(r, "NoSchedule", "PreferNoSchedule", "NoExecute")})
		}
	}
	it.Unschedulable = chance(r, 5)
	return it
}

func expressions(r *rand.Rand) (all []v1.NodeSelectorRequirement) {
	for range 1 + r.IntN(2) {
		all = append(all, pick(r,
			v1.NodeSelectorRequirement{Key: poolKey, Operator: v1.NodeSelectorOpIn, Values: []string{"general"}},
			v1.NodeSelectorRequirement{Key: poolKey, Operator: v1.NodeSelectorOpNotIn, Values: []string{"batch"}},
			v1.NodeSelectorRequirement{Key: zoneKey, Operator: v1.NodeSelectorOpIn, Values: []string{"us-east-1a", "us-east-1b"}},
			v1.NodeSelectorRequirement{Key: boughtKey, Operator: v1.NodeSelectorOpIn, Values: []string{"spot"}},
			v1.NodeSelectorRequirement{Key: "cpus", Operator: pick(r, v1.NodeSelectorOpGt, v1.NodeSelectorOpLt), Values: []string{pick(r, "4", "8")}},
			v1.NodeSelectorRequirement{Key: "gone", Operator: v1.NodeSelectorOpDoesNotExist},
			v1.NodeSelectorRequirement{Key: "gone", Operator: v1.NodeSelectorOpNotIn, Values: []string{"yes"}},
			v1.NodeSelectorRequirement{Key: "cpus", Operator: v1.NodeSelectorOpExists},
		))
	}
	return all
}

func terms(r *rand.Rand) (all []v1.NodeSelectorTerm) {
	for range pick(r, 1, 1, 2, 3) {
		all = append(all, v1.NodeSelectorTerm{MatchExpressions: expressions(r)})
	}
	return all
}

// container draws what one asks for: requests, limits, or nothing.
func container(r *rand.Rand, name string) v1.Container {
	requests := v1.ResourceList{v1.ResourceCPU: resource.MustParse(pick(r, "100m", "250m", "700m", "900m", "1500m"))}
	if chance(r, 85) {
		requests[v1.ResourceMemory] = resource.MustParse(pick(r, "64Mi", "256Mi", "900Mi", "2Gi"))
	}
	if chance(r, 5) {
		requests[v1.ResourceEphemeralStorage] = resource.MustParse(pick(r, "1Gi", "12Gi"))
	}
	limits := v1.ResourceList(nil)
	if chance(r, 6) {
		limits = v1.ResourceList{"nvidia.com/gpu": resource.MustParse("1")}
	}
	switch {
	case chance(r, 6):
		limits = v1.ResourceList{v1.ResourceCPU: resource.MustParse("1"), v1.ResourceMemory: resource.MustParse("512Mi")}
		requests = nil
	case chance(r, 6):
		requests = nil
	}
	return v1.Container{Name: name, Image: "example/" + name + ":1", Resources: v1.ResourceRequirements{Requests: requests, Limits: limits}}
}

// podSpec draws a template: requests, and some of what else makes schedulers think.
func podSpec(r *rand.Rand, name string, apps int) v1.PodSpec {
	it := v1.PodSpec{Containers: []v1.Container{container(r, name)}}
	if chance(r, 20) {
		it.Containers = append(it.Containers, container(r, "log"))
	}
	if chance(r, 8) {
		it.Containers[0].Ports = []v1.ContainerPort{{
			ContainerPort: 80, HostPort: pick(r, int32(8080), 8080, 9090), Protocol: pick(r, v1.ProtocolTCP, v1.ProtocolTCP, v1.ProtocolUDP), HostIP: pick(r, "", "", "", "127.0.0.1", "10.0.0.1"),
		}}
	}
	for range pick(r, 0, 0, 0, 0, 0, 0, 1, 2) {
		it.InitContainers = append(it.InitContainers, v1.Container{Name: fmt.Sprintf("init-%d", len(it.InitContainers)), Image: "example/init:1", Resources: v1.ResourceRequirements{
			Requests: v1.ResourceList{v1.ResourceCPU: resource.MustParse(pick(r, "100m", "1", "2")), v1.ResourceMemory: resource.MustParse("128Mi")},
		}})
		if chance(r, 40) {
			it.InitContainers[len(it.InitContainers)-1].RestartPolicy = ptr.To(v1.ContainerRestartPolicyAlways)
		}
	}
	if chance(r, 4) {
		it.Overhead = v1.ResourceList{v1.ResourceCPU: resource.MustParse("250m"), v1.ResourceMemory: resource.MustParse("120Mi")}
	}
	if chance(r, 4) {
		it.Resources = &v1.ResourceRequirements{Requests: v1.ResourceList{v1.ResourceCPU: resource.MustParse("2")}}
	}
	if chance(r, 12) {
		it.NodeSelector = map[string]string{poolKey: pick(r, "general", "batch")}
		if chance(r, 30) {
			it.NodeSelector[boughtKey] = "spot"
		}
	}
	if chance(r, 25) {
		for range 1 + r.IntN(2) {
			it.Tolerations = append(it.Tolerations, pick(r,
				v1.Toleration{Operator: v1.TolerationOpExists}, v1.Toleration{Key: "dedicated", Operator: v1.TolerationOpExists},
				v1.Toleration{Key: "maintenance", Operator: v1.TolerationOpEqual, Value: "soon", Effect: v1.TaintEffectNoSchedule},
				v1.Toleration{Key: "dedicated", Operator: v1.TolerationOpExists, Effect: v1.TaintEffectPreferNoSchedule},
				v1.Toleration{Key: v1.TaintNodeNotReady, Operator: v1.TolerationOpExists, Effect: v1.TaintEffectNoExecute, TolerationSeconds: ptr.To(int64(300))},
				v1.Toleration{Key: v1.TaintNodeUnschedulable, Operator: v1.TolerationOpExists},
				v1.Toleration{Operator: v1.TolerationOpExists, Effect: v1.TaintEffectNoExecute},
			))
		}
	}
	affinity := &v1.Affinity{}
	if chance(r, 20) {
		affinity.NodeAffinity = &v1.NodeAffinity{}
		if chance(r, 50) {
			affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution = &v1.NodeSelector{
				NodeSelectorTerms: terms(r),
			}
		}
		if affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution == nil || chance(r, 20) {
			affinity.NodeAffinity.PreferredDuringSchedulingIgnoredDuringExecution = []v1.PreferredSchedulingTerm{
				{Weight: int32(1 + r.IntN(100)), Preference: v1.NodeSelectorTerm{MatchExpressions: expressions(r)}},
				{Weight: int32(1 + r.IntN(100)), Preference: v1.NodeSelectorTerm{MatchExpressions: expressions(r)}},
			}
		}
	}
	own := func() *metav1.LabelSelector { return selector(r, name, apps) }
	term := func() v1.PodAffinityTerm {
		one := v1.PodAffinityTerm{TopologyKey: pick(r, zoneKey, hostKey, hostKey, boughtKey), LabelSelector: own()}
		switch r.IntN(10) {
		case 0:
			one.Namespaces = []string{"default", "monitoring"}
		case 1:
			one.NamespaceSelector = &metav1.LabelSelector{}
		case 2:
			one.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"team": pick(r, "red", "blue", "none")}}
		}
		return one
	}
	// Some are required, in so many percent; others, or sometimes both, are preferred.
	some := func(percent int) (required []v1.PodAffinityTerm, preferred []v1.WeightedPodAffinityTerm) {
		if chance(r, percent) {
			for range pick(r, 1, 1, 2) {
				required = append(required, term())
			}
		}
		if required == nil || chance(r, 20) {
			for range 1 + r.IntN(2) {
				preferred = append(preferred, v1.WeightedPodAffinityTerm{Weight: int32(1 + r.IntN(100)), PodAffinityTerm: term()})
			}
		}
		return required, preferred
	}
	if chance(r, 18) {
		affinity.PodAffinity = &v1.PodAffinity{}
		affinity.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution, affinity.PodAffinity.PreferredDuringSchedulingIgnoredDuringExecution = some(40)
	}
	if chance(r, 22) {
		affinity.PodAntiAffinity = &v1.PodAntiAffinity{}
		affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution, affinity.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution = some(50)
	}
	if affinity.NodeAffinity != nil || affinity.PodAffinity != nil || affinity.PodAntiAffinity != nil {
		it.Affinity = affinity
	}
	for _, key := range [][]string{{}, {}, {zoneKey}, {hostKey}, {boughtKey}, {zoneKey, hostKey}}[r.IntN(6)] {
		it.TopologySpreadConstraints = append(it.TopologySpreadConstraints, spread(r, key, own()))
	}
	return it
}

// selector selects an app's own pods, or others.
func selector(r *rand.Rand, name string, apps int) *metav1.LabelSelector {
	switch r.IntN(8) {
	case 0:
		return &metav1.LabelSelector{MatchLabels: map[string]string{"app": fmt.Sprintf("app%d", r.IntN(apps))}}
	case 1:
		return &metav1.LabelSelector{MatchLabels: map[string]string{"tier": pick(r, "front", "back")}}
	case 2:
		return &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{
			{Key: "app", Operator: metav1.LabelSelectorOpIn, Values: []string{name, "app0"}},
			{Key: "tier", Operator: pick(r, metav1.LabelSelectorOpExists, metav1.LabelSelectorOpDoesNotExist)},
		}}
	case 3:
		return &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "tier", Operator: metav1.LabelSelectorOpNotIn, Values: []string{"front"}}}}
	case 4:
		return pick(r, &metav1.LabelSelector{}, nil)
	}
	return &metav1.LabelSelector{MatchLabels: map[string]string{"app": name}}
}

func spread(r *rand.Rand, key string, selector *metav1.LabelSelector) v1.TopologySpreadConstraint {
	one := v1.TopologySpreadConstraint{
		MaxSkew: int32(1 + r.IntN(3)), TopologyKey: key, WhenUnsatisfiable: pick(r, v1.DoNotSchedule, v1.ScheduleAnyway), LabelSelector: selector,
	}
	if one.WhenUnsatisfiable == v1.DoNotSchedule && chance(r, 25) {
		one.MinDomains = ptr.To(int32(1 + r.IntN(4)))
	}
	if chance(r, 20) {
		one.NodeTaintsPolicy = ptr.To(pick(r, v1.NodeInclusionPolicyHonor, v1.NodeInclusionPolicyIgnore))
	}
	if chance(r, 20) {
		one.NodeAffinityPolicy = ptr.To(pick(r, v1.NodeInclusionPolicyHonor, v1.NodeInclusionPolicyIgnore))
	}
	if selector != nil && selector.MatchLabels["app"] != "" && chance(r, 20) {
		one.MatchLabelKeys = []string{pick(r, "tier", "version")}
	}
	return one
}
