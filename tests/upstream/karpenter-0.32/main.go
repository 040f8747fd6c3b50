// Program gen draws questions for Karpenter 0.32 and writes down its answers.
//
// Its objects are of the API v1beta1, so that it shares the questions with the later versions, and nothing else.
package main

import (
	"context"
	"slices"
	"sort"

	"github.com/aws/karpenter-core/pkg/controllers/provisioning"
	"github.com/aws/karpenter-core/pkg/controllers/provisioning/scheduling"
	"github.com/aws/karpenter-core/pkg/controllers/state"
	"go.uber.org/zap"
	corev1 "k8s.io/api/core/v1"
	clocktesting "k8s.io/utils/clock/testing"
	"knative.dev/pkg/logging"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"scaletwin/upstream/karpenter/question"
)

const version = "0.32.4"

// asked is a question with the catalog of instance types.
type asked struct {
	*question.Case
	catalog map[string]question.Type
}

func main() {
	parts := map[string]question.Part{"solve": func(d *question.Draw, id string) question.Question {
		return asked{d.NewCase(id), d.ByName}
	}}
	question.Main(version, question.Features{Beta: true}, parts, register)
}

// Dull is a case in which nothing happens: none is.
func (asked) Dull() bool { return false }

// Solve asks the scheduler.
func (a asked) Solve() bool {
	ctx := logging.WithLogger(context.Background(), zap.NewNop().Sugar())
	provider := &provider{types: a.types}
	kube := a.kube()
	a.Version = version
	return a.Ask(question.MostOfLaps, func() question.Answer { return a.once(ctx, provider, kube) })
}

func (a asked) once(ctx context.Context, provider *provider, kube client.Client) question.Answer {
	cluster := state.NewCluster(clocktesting.NewFakeClock(epoch), kube, provider)
	for _, n := range a.Nodes {
		node, claim := objects(n)
		if claim != nil {
			cluster.UpdateNodeClaim(claim)
		}
		if node != nil {
			must(cluster.UpdateNode(ctx, node))
		}
	}
	for _, p := range a.Bound {
		must(cluster.UpdatePod(ctx, a.pod(p)))
	}
	var pods []*corev1.Pod
	for _, p := range a.Pods {
		pods = append(pods, a.pod(p))
	}
	provisioner := provisioning.NewProvisioner(kube, nil, silent{}, provider, cluster)
	scheduler, err := provisioner.NewScheduler(ctx, pods, cluster.Nodes().Active(), scheduling.SchedulerOptions{SimulationMode: true})
	must(err)
	return answer(scheduler.Solve(ctx, pods))
}

// most is how many instance types a claim names (`ToNodeClaim`).
const most = 100

func answer(results *scheduling.Results) question.Answer {
	a := question.Answer{Existing: map[string][]string{}}
	for _, claim := range results.NewNodeClaims {
		own := question.Claim{Pool: claim.OwnerKey.Name, Pods: question.Names(claim.Pods), Requests: map[string]string{}}
		for _, t := range slices.Clone(claim.InstanceTypeOptions).OrderByPrice(claim.Requirements) {
			if len(own.Types) < most {
				own.Types = append(own.Types, t.Name)
			}
		}
		for name, amount := range claim.Spec.Resources.Requests {
			own.Requests[string(name)] = amount.String()
		}
		for key, r := range claim.Requirements {
			values := r.Values()
			sort.Strings(values)
			own.Requirements = append(own.Requirements, question.Requirement{Key: key, Operator: string(r.Operator()), Values: values})
		}
		sort.Slice(own.Requirements, func(i, j int) bool { return own.Requirements[i].Key < own.Requirements[j].Key })
		a.Claims = append(a.Claims, own)
	}
	for _, node := range results.ExistingNodes {
		if len(node.Pods) > 0 {
			a.Existing[node.Name()] = question.Names(node.Pods)
		}
	}
	for pod := range results.PodErrors {
		a.Failed = append(a.Failed, pod.Name)
	}
	sort.Strings(a.Failed)
	return a
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
