package scheduler

import (
	"context"

	v1 "k8s.io/api/core/v1"
	policy "k8s.io/api/policy/v1"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/defaultpreemption"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/feature"
	"k8s.io/kubernetes/pkg/scheduler/framework/preemption"
)

type (
	node       = fwk.NodeInfo
	status     = *fwk.Status
	cycleState = fwk.CycleState
)

func nameOf(it node) string { return it.Node().Name }

func worded(it status) Status { return Status{it.Plugin(), it.Code().String(), it.Reasons()} }

// statuses are those by node, and that of all others.
func statuses(diagnosis framework.Diagnosis) (map[string]status, status) {
	explicit := map[string]status{}
	diagnosis.NodeToStatus.ForEachExplicitNode(func(name string, it status) { explicit[name] = it })
	return explicit, diagnosis.NodeToStatus.AbsentNodesStatus()
}

// postFilter tries to make room, and says why there is none.
func (sched *Scheduler) postFilter(ctx context.Context, found Cycle, pod *v1.Pod) string {
	_, status := sched.profile().RunPostFilterPlugins(ctx, found.state, pod, found.diagnosis.NodeToStatus)
	return status.Message()
}

type preempter struct {
	plugin    *defaultpreemption.DefaultPreemption
	evaluator *preemption.Evaluator
}

func (sched *Scheduler) newPreempter(ctx context.Context, _ cycleState) preempter {
	plugin, err := defaultpreemption.New(ctx, preemptionArgs, sched.profile(), feature.Features{})
	if err != nil {
		panic(err)
	}
	return preempter{plugin, plugin.Evaluator}
}

func (p preempter) eligible(ctx context.Context, pod *v1.Pod) bool {
	ok, _ := p.plugin.PodEligibleToPreemptOthers(ctx, pod, nil)
	return ok
}

func (p preempter) dryRun(ctx context.Context, found Cycle, pod *v1.Pod, budgets []*policy.PodDisruptionBudget) ([]preemption.Candidate, error) {
	potential, err := found.diagnosis.NodeToStatus.NodesForStatusCode(p.evaluator.Handler.SnapshotSharedLister().NodeInfos(), fwk.Unschedulable)
	if err != nil || len(potential) == 0 {
		return nil, err
	}
	candidates, _, err := p.evaluator.DryRunPreemption(ctx, found.state, pod, potential, budgets, 0, int32(len(potential)))
	return candidates, err
}

func (p preempter) choose(ctx context.Context, all []preemption.Candidate) preemption.Candidate {
	return p.evaluator.SelectCandidate(ctx, all)
}
