package scheduler

import (
	"context"

	v1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
)

func (sched *Scheduler) filter(ctx context.Context, state cycleState, pod *v1.Pod) ([]node, framework.Diagnosis, error) {
	feasible, diagnosis, _, err := sched.findNodesThatFitPod(ctx, sched.profile(), state, queued(pod))
	return feasible, diagnosis, err
}

func (sched *Scheduler) choose(ctx context.Context, pod *v1.Pod) (ScheduleResult, error) {
	return sched.SchedulePod(ctx, sched.profile(), framework.NewCycleState(), queued(pod))
}

func queued(pod *v1.Pod) *framework.QueuedPodInfo {
	info, err := framework.NewPodInfo(pod)
	if err != nil {
		panic(err)
	}
	return &framework.QueuedPodInfo{PodInfo: info}
}

// NodeScores are those of one node.
type NodeScores = fwk.NodePluginScores
