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

const zoneKey, hostKey, poolKey = "topology.kubernetes.io/zone", "kubernetes.io/hostname", "karpenter.sh/nodepool"

// draw makes a cluster: nodes of a few sizes and zones, apps with bound pods, pods to come.
func draw(r *rand.Rand, adaptive bool) cluster {
	it := cluster{Note: "drawn", Percentage: 100, Templates: map[string]template{}, Pods: []bound{}}
	count := pick(r, 3, 5, 8, 13, 21)
	if adaptive {
		it.Percentage, count = 0, 101+r.IntN(160)
	}
	full := !adaptive && chance(r, 35)
	zones := []string{"us-east-1a", "us-east-1b", "us-east-1c"}[:1+r.IntN(3)]
	for number := range count {
		it.Nodes = append(it.Nodes, drawNode(r, number, zones))
	}
	apps := 2 + r.IntN(3)
	for app := range apps {
		name := fmt.Sprintf("app%d", app)
		labels := map[string]string{"app": name}
		made := template{Labels: labels, Spec: podSpec(r, name, apps)}
		if chance(r, 80) {
			made.Owner = &owner{"ReplicaSet", name + "-rs"}
			it.Sets = append(it.Sets, replicaSet{name + "-rs", labels})
		}
		if chance(r, 40) {
			it.Services = append(it.Services, service{name, labels})
		}
		if full {
			made.Spec.Priority = ptr.To(int32(pick(r, -10, 0, 0, 5)))
			if chance(r, 30) {
				it.Budgets = append(it.Budgets, budget{name, labels, int32(r.IntN(3))})
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
		urgent.Containers[0].Resources.Requests[v1.ResourceCPU] = resource.MustParse(pick(r, "1500m", "2500m", "3500m"))
		if chance(r, 10) {
			urgent.PreemptionPolicy = ptr.To(v1.PreemptNever)
		}
		it.Templates["urgent"] = template{Labels: map[string]string{"app": "urgent"}, Spec: urgent}
	}
	for number := range 2 + r.IntN(4) {
		app := fmt.Sprintf("app%d", r.IntN(apps))
		if full && chance(r, 60) {
			app = "urgent"
		}
		it.Incoming = append(it.Incoming, incoming{Name: fmt.Sprintf("new-%d", number), Template: app})
	}
	return it
}

func drawNode(r *rand.Rand, number int, zones []string) node {
	name := fmt.Sprintf("n%03d", number)
	it := node{Name: name, Labels: map[string]string{
		hostKey: name, zoneKey: pick(r, zones...), poolKey: pick(r, "general", "batch"), "kubernetes.io/arch": "amd64",
		"cpus": pick(r, "4", "8"),
	}}
	cpu := pick(r, "1930m", "3920m", "7910m")
	it.Allocatable = map[string]string{
		"cpu": cpu, "memory": pick(r, "3300Mi", "7200Mi", "14162Mi", "30000Mi"), "pods": pick(r, "5", "29", "58"), "ephemeral-storage": "18Gi",
	}
	if chance(r, 12) {
		it.Allocatable["nvidia.com/gpu"] = "1"
	}
	if chance(r, 15) {
		it.Taints = append(it.Taints, taint{pick(r, "dedicated", "maintenance"), pick(r, "", "soon"), pick(r, "NoSchedule", "PreferNoSchedule", "NoExecute")})
	}
	it.Unschedulable = chance(r, 5)
	return it
}

func expressions(r *rand.Rand) []v1.NodeSelectorRequirement {
	return []v1.NodeSelectorRequirement{pick(r,
		v1.NodeSelectorRequirement{Key: poolKey, Operator: v1.NodeSelectorOpIn, Values: []string{"general"}},
		v1.NodeSelectorRequirement{Key: poolKey, Operator: v1.NodeSelectorOpNotIn, Values: []string{"batch"}},
		v1.NodeSelectorRequirement{Key: zoneKey, Operator: v1.NodeSelectorOpIn, Values: []string{"us-east-1a", "us-east-1b"}},
		v1.NodeSelectorRequirement{Key: "cpus", Operator: v1.NodeSelectorOpGt, Values: []string{"4"}},
		v1.NodeSelectorRequirement{Key: "gone", Operator: v1.NodeSelectorOpDoesNotExist},
		v1.NodeSelectorRequirement{Key: "cpus", Operator: v1.NodeSelectorOpExists},
	)}
}

// podSpec draws a template: requests, and some of what else makes schedulers think.
func podSpec(r *rand.Rand, name string, apps int) v1.PodSpec {
	requests := v1.ResourceList{v1.ResourceCPU: resource.MustParse(pick(r, "100m", "250m", "700m", "900m", "1500m"))}
	if chance(r, 85) {
		requests[v1.ResourceMemory] = resource.MustParse(pick(r, "64Mi", "256Mi", "900Mi", "2Gi"))
	}
	limits := v1.ResourceList(nil)
	if chance(r, 6) {
		limits = v1.ResourceList{"nvidia.com/gpu": resource.MustParse("1")}
	}
	it := v1.PodSpec{Containers: []v1.Container{{
		Name: name, Image: "example/" + name + ":1", Resources: v1.ResourceRequirements{Requests: requests, Limits: limits},
	}}}
	if chance(r, 8) {
		it.Containers[0].Ports = []v1.ContainerPort{{ContainerPort: 80, HostPort: 8080}}
	}
	if chance(r, 10) {
		it.InitContainers = []v1.Container{{Name: "init", Image: "example/init:1", Resources: v1.ResourceRequirements{
			Requests: v1.ResourceList{v1.ResourceCPU: resource.MustParse("1")},
		}}}
	}
	if chance(r, 12) {
		it.NodeSelector = map[string]string{poolKey: pick(r, "general", "batch")}
	}
	if chance(r, 25) {
		it.Tolerations = []v1.Toleration{pick(r,
			v1.Toleration{Operator: v1.TolerationOpExists}, v1.Toleration{Key: "dedicated", Operator: v1.TolerationOpExists},
			v1.Toleration{Key: "maintenance", Operator: v1.TolerationOpEqual, Value: "soon", Effect: v1.TaintEffectNoSchedule},
		)}
	}
	affinity := &v1.Affinity{}
	if chance(r, 20) {
		affinity.NodeAffinity = &v1.NodeAffinity{}
		if chance(r, 50) {
			affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution = &v1.NodeSelector{
				NodeSelectorTerms: []v1.NodeSelectorTerm{{MatchExpressions: expressions(r)}},
			}
		} else {
			affinity.NodeAffinity.PreferredDuringSchedulingIgnoredDuringExecution = []v1.PreferredSchedulingTerm{
				{Weight: int32(1 + r.IntN(100)), Preference: v1.NodeSelectorTerm{MatchExpressions: expressions(r)}},
				{Weight: int32(1 + r.IntN(100)), Preference: v1.NodeSelectorTerm{MatchExpressions: expressions(r)}},
			}
		}
	}
	term := func() v1.PodAffinityTerm {
		return v1.PodAffinityTerm{
			TopologyKey:   pick(r, zoneKey, hostKey),
			LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": pick(r, name, fmt.Sprintf("app%d", r.IntN(apps)))}},
		}
	}
	weighted := func() []v1.WeightedPodAffinityTerm {
		return []v1.WeightedPodAffinityTerm{{Weight: int32(1 + r.IntN(100)), PodAffinityTerm: term()}}
	}
	if chance(r, 15) {
		affinity.PodAffinity = &v1.PodAffinity{}
		if chance(r, 40) {
			affinity.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution = []v1.PodAffinityTerm{term()}
		} else {
			affinity.PodAffinity.PreferredDuringSchedulingIgnoredDuringExecution = weighted()
		}
	}
	if chance(r, 20) {
		affinity.PodAntiAffinity = &v1.PodAntiAffinity{}
		if chance(r, 50) {
			affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution = []v1.PodAffinityTerm{term()}
		} else {
			affinity.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution = weighted()
		}
	}
	if affinity.NodeAffinity != nil || affinity.PodAffinity != nil || affinity.PodAntiAffinity != nil {
		it.Affinity = affinity
	}
	if chance(r, 30) {
		spread := v1.TopologySpreadConstraint{
			MaxSkew: int32(1 + r.IntN(2)), TopologyKey: pick(r, zoneKey, hostKey),
			WhenUnsatisfiable: pick(r, v1.DoNotSchedule, v1.ScheduleAnyway),
			LabelSelector:     &metav1.LabelSelector{MatchLabels: map[string]string{"app": name}},
		}
		if spread.WhenUnsatisfiable == v1.DoNotSchedule && chance(r, 25) {
			spread.MinDomains = ptr.To(int32(2 + r.IntN(3)))
		}
		if chance(r, 20) {
			spread.NodeTaintsPolicy = ptr.To(pick(r, v1.NodeInclusionPolicyHonor, v1.NodeInclusionPolicyIgnore))
		}
		it.TopologySpreadConstraints = []v1.TopologySpreadConstraint{spread}
	}
	return it
}
