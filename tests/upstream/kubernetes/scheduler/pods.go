package scheduler

import (
	"fmt"
	"math/rand/v2"
	"slices"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"scaletwin/upstream/kubernetes/oracle"
)

// container draws what one asks for: requests, limits, or nothing.
func container(r *rand.Rand, name string) v1.Container {
	requests := v1.ResourceList{v1.ResourceCPU: resource.MustParse(pick(r, "100m", "250m", "700m", "900m", "1500m", "0"))}
	if chance(r, 85) {
		requests[v1.ResourceMemory] = resource.MustParse(pick(r, "64Mi", "256Mi", "900Mi", "2Gi", "10Gi", "0"))
	}
	if chance(r, 5) {
		requests[v1.ResourceEphemeralStorage] = resource.MustParse(pick(r, "1Gi", "12Gi"))
	}
	limits := v1.ResourceList(nil)
	if chance(r, 6) {
		limits = v1.ResourceList{"nvidia.com/gpu": resource.MustParse(pick(r, "1", "1", "2", "0"))}
	}
	switch {
	case chance(r, 6):
		limits = v1.ResourceList{v1.ResourceCPU: resource.MustParse("1"), v1.ResourceMemory: resource.MustParse("512Mi")}
		requests = nil
	case chance(r, 6):
		requests = nil
	}
	return v1.Container{Name: name, Image: "example/" + name + pick(r, ":1", ":1", ":1", ":1", "", "@sha256:0"), Resources: v1.ResourceRequirements{Requests: requests, Limits: limits}}
}

// podSpec draws a template: requests, and some of what else makes schedulers think.
func podSpec(r *rand.Rand, name string, apps int) v1.PodSpec {
	it := v1.PodSpec{Containers: []v1.Container{container(r, name)}}
	if chance(r, 20) {
		it.Containers = append(it.Containers, container(r, "log"))
	}
	if chance(r, 8) {
		it.Containers[0].Ports = ports(r)
	}
	for range pick(r, 0, 0, 0, 0, 0, 0, 1, 2) {
		it.InitContainers = append(it.InitContainers, v1.Container{Name: fmt.Sprintf("init-%d", len(it.InitContainers)), Image: "example/init:1", Resources: v1.ResourceRequirements{
			Requests: v1.ResourceList{v1.ResourceCPU: resource.MustParse(pick(r, "100m", "1", "2")), v1.ResourceMemory: resource.MustParse("128Mi")},
		}})
		if last := &it.InitContainers[len(it.InitContainers)-1]; chance(r, 40) {
			last.RestartPolicy = ptr.To(v1.ContainerRestartPolicyAlways)
			if chance(r, 30) {
				last.Ports = ports(r)
			}
		}
	}
	if chance(r, 4) {
		it.Overhead = v1.ResourceList{v1.ResourceCPU: resource.MustParse("250m"), v1.ResourceMemory: resource.MustParse("120Mi")}
	}
	if chance(r, 6) {
		oracle.Set(&it, "Resources", &v1.ResourceRequirements{Requests: whole(r, it)})
	}
	if chance(r, 12) {
		it.NodeSelector = map[string]string{poolKey: pick(r, "general", "batch")}
		if chance(r, 30) {
			it.NodeSelector[boughtKey] = "spot"
		}
	}
	if chance(r, 25) {
		for range pick(r, 1, 1, 2, 5) {
			it.Tolerations = append(it.Tolerations, pick(r,
				v1.Toleration{Key: "dedicated", Value: "soon"}, v1.Toleration{Key: "nvidia.com/gpu", Operator: v1.TolerationOpEqual, Value: "true"},
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
				{Weight: int32(1 + r.IntN(100)), Preference: pick(r, terms(r)...)},
				{Weight: int32(1 + r.IntN(100)), Preference: pick(r, terms(r)...)},
			}
		}
	}
	own := func() *metav1.LabelSelector { return selector(r, name, apps) }
	term := func() v1.PodAffinityTerm {
		one := v1.PodAffinityTerm{TopologyKey: pick(r, zoneKey, hostKey, hostKey, boughtKey, regionKey), LabelSelector: own()}
		if one.LabelSelector != nil && one.LabelSelector.MatchLabels["app"] != "" && chance(r, 15) {
			oracle.Set(&one, pick(r, "MatchLabelKeys", "MismatchLabelKeys"), pick(r, []string{"tier"}, []string{"version"}, []string{"tier", "none"}))
		}
		switch r.IntN(11) {
		case 0:
			one.Namespaces = []string{"default", "monitoring"}
		case 1:
			one.NamespaceSelector = &metav1.LabelSelector{}
		case 2:
			one.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"team": pick(r, "red", "blue", "none")}}
		case 3:
			one.Namespaces = []string{"bare"}
			one.NamespaceSelector = &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "team", Operator: pick(r, metav1.LabelSelectorOpDoesNotExist, metav1.LabelSelectorOpExists)}}}
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
	for _, key := range [][]string{{}, {}, {zoneKey}, {hostKey}, {boughtKey}, {zoneKey, hostKey}, {regionKey}, {poolKey, boughtKey, zoneKey}}[r.IntN(8)] {
		it.TopologySpreadConstraints = append(it.TopologySpreadConstraints, spread(r, key, own()))
	}
	return it
}

// whole draws what the pod itself asks for: at least what its containers do.
func whole(r *rand.Rand, it v1.PodSpec) v1.ResourceList {
	own := v1.ResourceList{}
	for name, more := range map[v1.ResourceName]string{v1.ResourceCPU: "500m", v1.ResourceMemory: "1Gi"} {
		sum := resource.MustParse(more)
		for _, one := range slices.Concat(it.Containers, it.InitContainers) {
			sum.Add(one.Resources.Requests[name])
		}
		own[name] = sum
	}
	switch r.IntN(3) {
	case 0:
		delete(own, v1.ResourceCPU)
	case 1:
		delete(own, v1.ResourceMemory)
	}
	return own
}

func ports(r *rand.Rand) (all []v1.ContainerPort) {
	for range pick(r, 1, 1, 2) {
		all = append(all, v1.ContainerPort{
			ContainerPort: 80, HostPort: pick(r, int32(8080), 8080, 9090, 0), Protocol: pick(r, v1.ProtocolTCP, v1.ProtocolTCP, v1.ProtocolUDP, v1.ProtocolSCTP, ""),
			HostIP: pick(r, "", "", "", "0.0.0.0", "127.0.0.1", "10.0.0.1"),
		})
	}
	return all
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
		MaxSkew: int32(pick(r, 1, 1, 2, 3, 5)), TopologyKey: key, WhenUnsatisfiable: pick(r, v1.DoNotSchedule, v1.ScheduleAnyway), LabelSelector: selector,
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
		one.MatchLabelKeys = pick(r, []string{"tier"}, []string{"version"}, []string{"version", "none"})
	}
	return one
}
