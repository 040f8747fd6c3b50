// Program gen draws questions for Karpenter 1.5 and writes down its answers.
package main

import (
	"context"

	"sigs.k8s.io/karpenter/pkg/controllers/provisioning/scheduling"
	"sigs.k8s.io/karpenter/pkg/controllers/state"

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
		Active: func(cluster *state.Cluster) []*state.StateNode { return cluster.Nodes().Active() },
	})
}
