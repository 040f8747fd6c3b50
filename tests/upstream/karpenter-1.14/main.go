// Program gen draws questions for Karpenter 1.14 and writes down its answers.
package main

import (
	"context"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
	v1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/controllers/disruption"
	"sigs.k8s.io/karpenter/pkg/controllers/provisioning"
	"sigs.k8s.io/karpenter/pkg/controllers/provisioning/scheduling"
	"sigs.k8s.io/karpenter/pkg/controllers/state"
	"sigs.k8s.io/karpenter/pkg/operator/options"
	"sigs.k8s.io/karpenter/pkg/state/cost"

	oracle "scaletwin/upstream/karpenter"
)

func main() {
	oracle.Main(oracle.Version{
		Name: "1.14.1",
		New: func(ctx context.Context, w oracle.World) *scheduling.Scheduler {
			return scheduling.NewScheduler(ctx, w.Client, w.Pools, w.Cluster, w.Nodes, w.Topology, w.Types, w.Daemons, w.Recorder, w.Clock, nil, nil, w.Options...)
		},
		Truncate: func(ctx context.Context, results scheduling.Results) scheduling.Results {
			return results.TruncateInstanceTypes(ctx, scheduling.MaxInstanceTypes)
		},
		Active:         func(cluster *state.Cluster) []*state.StateNode { return cluster.DeepCopyNodes().Active() },
		MatchLabelKeys: true,
		Disruption:     disruptor,
		Policies:       []string{"WhenEmpty", "WhenEmptyOrUnderutilized", "WhenEmptyOrUnderutilized", "WhenEmptyOrUnderutilized", "Balanced"},
		Defaults: func(o *options.Options) {
			o.MinValuesPolicy = options.MinValuesPolicyStrict
			o.IgnoreDRARequests = true
		},
	})
}

func disruptor(ctx context.Context, p oracle.Parts) oracle.Disruptor {
	costs := cost.NewClusterCost(ctx, p.Provider, p.Client)
	for _, pool := range p.Pools {
		types, err := p.Provider.GetInstanceTypes(ctx, pool)
		if err != nil {
			panic(err)
		}
		costs.UpdateOfferings(ctx, pool, types)
	}
	for _, claim := range p.Claims {
		if err := costs.UpdateNodeClaim(ctx, claim); err != nil {
			panic(err)
		}
	}
	provisioner := provisioning.NewProvisioner(p.Client, p.Recorder, p.Provider, p.Cluster, p.Clock, nil, nil)
	queue := disruption.NewQueue(p.Client, p.Recorder, p.Cluster, p.Clock, provisioner)
	controller := disruption.NewController(p.Clock, p.Client, provisioner, p.Provider, p.Recorder, p.Cluster, queue, costs)
	return oracle.Disruptor{
		Pass: func(ctx context.Context) (time.Duration, error) {
			result, err := controller.Reconcile(ctx)
			return result.RequeueAfter, err
		},
		Commands: func() map[string]string {
			commands := map[string]string{}
			for _, command := range queue.GetCommands() {
				for _, candidate := range command.Candidates {
					commands[candidate.ProviderID()] = method(command.ConsolidationType())
				}
			}
			return commands
		},
		Execute: func(ctx context.Context) error {
			for _, command := range queue.GetCommands() {
				if _, err := queue.Reconcile(ctx, command.Candidates[0].NodeClaim); err != nil {
					return err
				}
			}
			return nil
		},
		Forget: func(ctx context.Context, claim *v1.NodeClaim) {
			if err := costs.DeleteNodeClaim(ctx, client.ObjectKeyFromObject(claim)); err != nil {
				panic(err)
			}
		},
		Close: func() {},
	}
}

// method names drift, which has no type of consolidation.
func method(consolidation string) string {
	if consolidation == "" {
		return "drift"
	}
	return consolidation
}
