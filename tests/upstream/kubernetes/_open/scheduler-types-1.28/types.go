package scheduler

import (
	"context"

	v1 "k8s.io/api/core/v1"
	policy "k8s.io/api/policy/v1"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/defaultpreemption"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/feature"
	"k8s.io/kubernetes/pkg/scheduler/framework/preemption"
)

type (
	node       = *v1.Node
	status     = *framework.Status
	cycleState = *framework.CycleState
)

func nameOf(it node) string { return it.Name }

func worded(it status) Status { return Status{it.FailedPlugin(), it.Code().String(), it.Reasons()} }

// statuses are those by node; others have none.
func statuses(diagnosis framework.Diagnosis) (map[string]status, status) {
	return diagnosis.NodeToStatusMap, nil
}

// postFilter tries to make room, and says why there is none.
func (sched *Scheduler) postFilter(ctx context.Context, found Cycle, pod *v1.Pod) string {
	_, status := sched.profile().RunPostFilterPlugins(ctx, found.state, pod, found.diagnosis.NodeToStatusMap)
	return status.Message()
}

type preempter struct {
	plugin    *defaultpreemption.DefaultPreemption
	evaluator *preemption.Evaluator
}

func (sched *Scheduler) newPreempter(_ context.Context, state cycleState) preempter {
	plugin, err := defaultpreemption.New(preemptionArgs, sched.profile(), feature.Features{})
	if err != nil {
		panic(err)
	}
	own := plugin.(*defaultpreemption.DefaultPreemption)
	return preempter{own, &preemption.Evaluator{PluginName: own.Name(), Handler: sched.profile(), State: state, Interface: own}}
}

func (p preempter) eligible(_ context.Context, pod *v1.Pod) bool {
	ok, _ := p.plugin.PodEligibleToPreemptOthers(pod, nil)
	return ok
}

func (p preempter) dryRun(ctx context.Context, found Cycle, pod *v1.Pod, budgets []*policy.PodDisruptionBudget) ([]preemption.Candidate, error) {
	all, err := p.evaluator.Handler.SnapshotSharedLister().NodeInfos().List()
	if err != nil {
		return nil, err
	}
	var potential []*framework.NodeInfo
	for _, one := range all {
		if found.diagnosis.NodeToStatusMap[one.Node().Name].Code() == framework.Unschedulable {
			potential = append(potential, one)
		}
	}
	if len(potential) == 0 {
		return nil, nil
	}
	candidates, _, err := p.evaluator.DryRunPreemption(ctx, pod, potential, budgets, 0, int32(len(potential)))
	return candidates, err
}

func (p preempter) choose(ctx context.Context, all []preemption.Candidate) preemption.Candidate {
	return p.evaluator.SelectCandidate(klog.FromContext(ctx), all)
}
