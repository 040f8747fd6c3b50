package scheduler

import (
	"context"

	v1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/scheduler/framework"
)

func (sched *Scheduler) filter(ctx context.Context, state cycleState, pod *v1.Pod) ([]node, framework.Diagnosis, error) {
	return sched.findNodesThatFitPod(ctx, sched.profile(), state, pod)
}

func (sched *Scheduler) choose(ctx context.Context, pod *v1.Pod) (ScheduleResult, error) {
	return sched.SchedulePod(ctx, sched.profile(), framework.NewCycleState(), pod)
}

// NodeScores are those of one node.
type NodeScores = framework.NodePluginScores
