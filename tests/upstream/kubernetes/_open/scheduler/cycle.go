package scheduler

import (
	"context"
	"maps"
	"slices"

	v1 "k8s.io/api/core/v1"
	policy "k8s.io/api/policy/v1"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/framework"
)

// What releases do not have in common is in files of their own: scheduler-find-* and scheduler-types-*.

// Cycle is the first half of a scheduling cycle, with all that it finds on the way.
type Cycle struct {
	// Feasible nodes, in the order in which they were found.
	Feasible []string
	// Rejected nodes, and those that were not looked at, if there is a reason.
	Rejected  map[string]Status
	Rejectors []string
	// Scores are in the order of Feasible, if there are several nodes.
	Scores    []NodeScores
	Host      string
	state     cycleState
	diagnosis framework.Diagnosis
}

// Status says why a node is not feasible.
type Status struct {
	Plugin, Code string
	Reasons      []string
}

// Victims of a candidate.
type Victims struct {
	Pods       []string
	Violations int64
}

var preemptionArgs = &config.DefaultPreemptionArgs{MinCandidateNodesPercentage: 10, MinCandidateNodesAbsolute: 100}

func (sched *Scheduler) profile() framework.Framework { return sched.Profiles["default-scheduler"] }

// Order is the list of nodes in the snapshot of now.
func (sched *Scheduler) Order(ctx context.Context) (names []string) {
	if err := sched.Cache.UpdateSnapshot(klog.FromContext(ctx), sched.nodeInfoSnapshot); err != nil {
		panic(err)
	}
	all, err := sched.nodeInfoSnapshot.NodeInfos().List()
	if err != nil {
		panic(err)
	}
	for _, one := range all {
		names = append(names, one.Node().Name)
	}
	return names
}

// Start is where the next search begins.
func (sched *Scheduler) Start() int { return sched.nextStartNodeIndex }

// Try filters and scores, and then asks SchedulePod, from the same place.
func (sched *Scheduler) Try(ctx context.Context, pod *v1.Pod) Cycle {
	order := sched.Order(ctx)
	start := sched.nextStartNodeIndex
	found := Cycle{state: framework.NewCycleState(), Rejected: map[string]Status{}}
	feasible, diagnosis, err := sched.filter(ctx, found.state, pod)
	if err != nil {
		panic(err)
	}
	found.diagnosis = diagnosis
	next := sched.nextStartNodeIndex
	for _, one := range feasible {
		found.Feasible = append(found.Feasible, nameOf(one))
	}
	explicit, absent := statuses(diagnosis)
	for _, name := range order {
		if explicit[name] != nil {
			found.Rejected[name] = worded(explicit[name])
		} else if absent != nil && len(absent.Reasons()) > 0 && !slices.Contains(found.Feasible, name) {
			found.Rejected[name] = worded(absent)
		}
	}
	found.Rejectors = slices.Sorted(maps.Keys(diagnosis.UnschedulablePlugins))
	if len(feasible) > 1 {
		if found.Scores, err = prioritizeNodes(ctx, sched.Extenders, sched.profile(), found.state, pod, feasible); err != nil {
			panic(err)
		}
	}
	if len(feasible) > 0 {
		sched.nextStartNodeIndex = start
		result, err := sched.choose(ctx, pod)
		if err != nil {
			panic(err)
		}
		found.Host = result.SuggestedHost
	}
	sched.nextStartNodeIndex = next
	return found
}

// Message is the text of the event FailedScheduling. If preemption helps, nothing is said of it; and it is not tried.
func (sched *Scheduler) Message(ctx context.Context, found Cycle, pod *v1.Pod, helps bool) string {
	if !helps {
		found.diagnosis.PostFilterMsg = sched.postFilter(ctx, found, pod)
	}
	return (&framework.FitError{Pod: pod, NumAllNodes: len(sched.Order(ctx)), Diagnosis: found.diagnosis}).Error()
}

// Preempt dry-runs all candidate nodes, and draws the selection often enough to see a tie.
func (sched *Scheduler) Preempt(ctx context.Context, found Cycle, pod *v1.Pod, budgets []*policy.PodDisruptionBudget) (map[string]Victims, []string) {
	with := sched.newPreempter(ctx, found.state)
	if !with.eligible(ctx, pod) {
		return nil, nil
	}
	candidates, err := with.dryRun(ctx, found, pod, budgets)
	if err != nil {
		panic(err)
	}
	all := map[string]Victims{}
	for _, one := range candidates {
		these := Victims{Violations: one.Victims().NumPDBViolations}
		for _, victim := range one.Victims().Pods {
			these.Pods = append(these.Pods, victim.Name)
		}
		all[one.Name()] = these
	}
	if len(all) == 0 {
		return nil, nil
	}
	selected := map[string]bool{}
	// As releases write it whose module says an older Go.
	for draw := 0; draw < 60; draw++ {
		selected[with.choose(ctx, candidates).Name()] = true
	}
	return all, slices.Sorted(maps.Keys(selected))
}
