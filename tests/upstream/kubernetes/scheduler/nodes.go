package scheduler

import (
	"fmt"
	"math/rand/v2"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// drawImages puts some of the apps' images on nodes.
func drawImages(r *rand.Rand, nodes []node) {
	for _, name := range []string{"example/app0:1", "example/app1:1", "example/app2:1", "example/app3:1", "example/app1:latest", "example/log:1", "example/init:1"} {
		size := pick(r, int64(20), 23, 24, 200, 700, 2500) << 20
		for at := range nodes {
			if chance(r, 40) {
				names := []string{name, "docker.io/" + name}
				nodes[at].Images = append(nodes[at].Images, image{names[:1+r.IntN(2)], size})
			}
		}
	}
}

func drawNode(r *rand.Rand, number int, zones []string) node {
	name := fmt.Sprintf("n%03d", number)
	it := node{Name: name, Labels: map[string]string{
		hostKey: name, zoneKey: pick(r, zones...), poolKey: pick(r, "general", "batch"), "kubernetes.io/arch": "amd64",
		"cpus": pick(r, "4", "8", "8", "16", "many"), boughtKey: pick(r, "spot", "on-demand"),
	}}
	if chance(r, 3) {
		delete(it.Labels, zoneKey)
	}
	if chance(r, 20) {
		it.Labels[regionKey] = pick(r, "us-east-1", "us-west-2")
	}
	cpu := pick(r, "1930m", "3920m", "7910m", "7910m", "31850m")
	it.Allocatable = map[string]string{
		"cpu": cpu, "memory": pick(r, "3300Mi", "7200Mi", "14162Mi", "30000Mi"), "pods": pick(r, "5", "29", "58", "110"), "ephemeral-storage": pick(r, "18Gi", "18Gi", "100Gi", "0"),
	}
	if chance(r, 12) {
		it.Allocatable["nvidia.com/gpu"] = pick(r, "1", "1", "4")
	}
	if chance(r, 15) {
		for range pick(r, 1, 1, 2, 3) {
			it.Taints = append(it.Taints, taint{pick(r, "dedicated", "maintenance", "nvidia.com/gpu", v1.TaintNodeNotReady, v1.TaintNodeUnschedulable), pick(r, "", "soon", "true"), pick(r, "NoSchedule", "PreferNoSchedule", "NoExecute")})
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
			v1.NodeSelectorRequirement{Key: "cpus", Operator: pick(r, v1.NodeSelectorOpGt, v1.NodeSelectorOpLt), Values: []string{pick(r, "4", "8", "10")}},
			v1.NodeSelectorRequirement{Key: regionKey, Operator: pick(r, v1.NodeSelectorOpIn, v1.NodeSelectorOpNotIn), Values: []string{"us-east-1"}},
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
		if chance(r, 10) {
			field := v1.NodeSelectorRequirement{Key: metav1.ObjectNameField, Operator: pick(r, v1.NodeSelectorOpIn, v1.NodeSelectorOpNotIn), Values: []string{pick(r, "n000", "n001", "n002", "gone")}}
			all[len(all)-1].MatchFields = append(all[len(all)-1].MatchFields, field)
			if chance(r, 50) {
				all[len(all)-1].MatchExpressions = nil
			}
		}
	}
	if chance(r, 5) {
		all = append(all, v1.NodeSelectorTerm{})
	}
	return all
}
