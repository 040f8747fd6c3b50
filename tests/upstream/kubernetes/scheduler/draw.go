package scheduler

import (
	"fmt"
	"math/rand/v2"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/utils/ptr"
)

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

func chance(r *rand.Rand, percent int) bool { return r.IntN(100) < percent }

const (
	regionKey, zoneKey, hostKey = "topology.kubernetes.io/region", "topology.kubernetes.io/zone", "kubernetes.io/hostname"
	poolKey, boughtKey          = "karpenter.sh/nodepool", "karpenter.sh/capacity-type"
)

// namespaces are those of apps; the first is that of most.
var namespaces = []namespace{{"default", map[string]string{"team": "red"}}, {"monitoring", map[string]string{"team": "blue"}}, {"bare", nil}}

// draw makes a cluster: nodes of a few sizes and zones, apps with bound pods, pods to come.
func draw(r *rand.Rand, adaptive bool) cluster {
	it := cluster{Note: "drawn", Percentage: 100, Namespaces: namespaces, Templates: map[string]template{}, Pods: []bound{}}
	count := pick(r, 3, 5, 8, 13, 21, 34)
	if adaptive {
		it.Percentage, count = pick(r, int32(0), 0, 0, 5, 30, 70), 101+r.IntN(160)
	}
	full := !adaptive && chance(r, 35)
	zones := []string{"us-east-1a", "us-east-1b", "us-east-1c"}[:1+r.IntN(3)]
	for number := range count {
		it.Nodes = append(it.Nodes, drawNode(r, number, zones))
	}
	// Nodes come in an order that is not that of their names.
	r.Shuffle(count, func(i, j int) { it.Nodes[i], it.Nodes[j] = it.Nodes[j], it.Nodes[i] })
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
		if chance(r, 20) {
			made.Namespace = pick(r, "monitoring", "monitoring", "bare")
		}
		if chance(r, 80) {
			made.Owner = &owner{pick(r, "ReplicaSet", "ReplicaSet", "ReplicaSet", "StatefulSet"), name + "-rs"}
			it.Sets = append(it.Sets, replicaSet{name + "-rs", made.Namespace, labels})
		}
		if chance(r, 40) {
			it.Services = append(it.Services, service{name, pick(r, made.Namespace, made.Namespace, ""), map[string]string{"app": name}})
			if chance(r, 15) {
				it.Services = append(it.Services, service{name + "-tier", made.Namespace, pick(r, map[string]string{"tier": "front"}, nil)})
			}
		}
		if full || chance(r, 15) {
			made.Spec.Priority = ptr.To(int32(pick(r, -10, 0, 0, 5, 1000, 2_000_001_000)))
			if chance(r, 30) {
				labels := pick(r, map[string]string{"app": name}, map[string]string{"app": name}, map[string]string{"tier": "front"}, nil)
				it.Budgets = append(it.Budgets, budget{name, made.Namespace, labels, int32(r.IntN(3))})
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
		urgent.Priority = ptr.To(int32(pick(r, 1000, 1000, 1000, 3)))
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
			if chance(r, 10) {
				one.OnNode = "gone"
			}
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
