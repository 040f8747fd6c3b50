// Program gen draws questions for Karpenter 1.5 and writes down its answers.
package main

import (
	"context"
	"reflect"
	"time"

	v1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/controllers/disruption"
	"sigs.k8s.io/karpenter/pkg/controllers/disruption/orchestration"
	"sigs.k8s.io/karpenter/pkg/controllers/provisioning"
	"sigs.k8s.io/karpenter/pkg/controllers/provisioning/scheduling"
	"sigs.k8s.io/karpenter/pkg/controllers/state"
	"sigs.k8s.io/karpenter/pkg/operator/options"

	oracle "scaletwin/upstream/karpenter"
)

func main() {
	oracle.Main(oracle.Version{
		Name: "1.5.5",
		New: func(ctx context.Context, w oracle.World) *scheduling.Scheduler {
			return scheduling.NewScheduler(ctx, w.Client, w.Pools, w.Cluster, w.Nodes, w.Topology, w.Types, w.Daemons, w.Recorder, w.Clock, w.Options...)
		},
		Truncate: func(_ context.Context, results scheduling.Results) scheduling.Results {
			return results.TruncateInstanceTypes(scheduling.MaxInstanceTypes)
		},
		Active:          func(cluster *state.Cluster) []*state.StateNode { return cluster.Nodes().Active() },
		Disruption:      disruptor,
		NominationsLast: true,
		Policies:        []string{"WhenEmpty", "WhenEmptyOrUnderutilized", "WhenEmptyOrUnderutilized", "WhenEmptyOrUnderutilized"},
		Defaults:        func(*options.Options) {},
	})
}

func disruptor(_ context.Context, p oracle.Parts) oracle.Disruptor {
	provisioner := provisioning.NewProvisioner(p.Client, p.Recorder, p.Provider, p.Cluster, p.Clock)
	queue := orchestration.NewQueue(p.Client, p.Recorder, p.Cluster, p.Clock, provisioner)
	controller := disruption.NewController(p.Clock, p.Client, provisioner, p.Provider, p.Recorder, p.Cluster, queue)
	return oracle.Disruptor{
		Pass: func(ctx context.Context) (time.Duration, error) {
			result, err := controller.Reconcile(ctx)
			return result.RequeueAfter, err
		},
		Commands: func() map[string]string {
			commands := map[string]string{}
			// The queue does not say what it holds.
			held := reflect.ValueOf(queue).Elem().FieldByName("providerIDToCommand").MapRange()
			for held.Next() {
				commands[held.Key().String()] = method(
					held.Value().Elem().FieldByName("consolidationType").String(),
				)
			}
			return commands
		},
		Execute: func(ctx context.Context) error {
			for range queue.Len() {
				if _, err := queue.Reconcile(ctx); err != nil {
					return err
				}
			}
			return nil
		},
		Forget: func(context.Context, *v1.NodeClaim) {},
		Close:  queue.ShutDown,
	}
}

// method names drift, which has no type of consolidation.
func method(consolidation string) string {
	if consolidation == "" {
		return "drift"
	}
	return consolidation
}
