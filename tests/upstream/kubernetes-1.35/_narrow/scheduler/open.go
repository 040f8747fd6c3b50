package scheduler

import (
	"context"

	v1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
)

// Cycle is the first half of a scheduling cycle, with all that it finds on the way.
type Cycle struct {
	Feasible  []fwk.NodeInfo
	Diagnosis framework.Diagnosis
	State     fwk.CycleState
	Scores    []fwk.NodePluginScores
	Host      string
}

// Order is the list of nodes in the snapshot of now.
func (sched *Scheduler) Order(ctx context.Context) []fwk.NodeInfo {
	if err := sched.Cache.UpdateSnapshot(klog.FromContext(ctx), sched.nodeInfoSnapshot); err != nil {
		panic(err)
	}
	all, err := sched.nodeInfoSnapshot.NodeInfos().List()
	if err != nil {
		panic(err)
	}
	return all
}

// Start is where the next search begins.
func (sched *Scheduler) Start() int { return sched.nextStartNodeIndex }

// Try filters and scores, and then asks SchedulePod, from the same place.
func (sched *Scheduler) Try(ctx context.Context, with framework.Framework, pod *v1.Pod) Cycle {
	sched.Order(ctx)
	start := sched.nextStartNodeIndex
	found := Cycle{State: framework.NewCycleState()}
	var err error
	if found.Feasible, found.Diagnosis, _, _, err = sched.findNodesThatFitPod(ctx, with, found.State, pod); err != nil {
		panic(err)
	}
	next := sched.nextStartNodeIndex
	if len(found.Feasible) > 1 {
		if found.Scores, err = prioritizeNodes(ctx, sched.Extenders, with, found.State, pod, found.Feasible); err != nil {
			panic(err)
		}
	}
	if len(found.Feasible) > 0 {
		sched.nextStartNodeIndex = start
		result, err := sched.SchedulePod(ctx, with, framework.NewCycleState(), pod)
		if err != nil {
			panic(err)
		}
		found.Host = result.SuggestedHost
	}
	sched.nextStartNodeIndex = next
	return found
}
