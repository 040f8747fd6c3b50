// Program gen draws questions for KEDA 2.12 and writes down its answers.
package main

import (
	"context"

	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	controllers "github.com/kedacore/keda/v2/controllers/keda"
	controllerutil "github.com/kedacore/keda/v2/controllers/keda/util"
	"github.com/kedacore/keda/v2/pkg/scaling"
	"github.com/kedacore/keda/v2/pkg/scaling/executor"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/record"
	"k8s.io/metrics/pkg/apis/external_metrics"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	oracle "scaletwin/upstream/keda"
)

func main() {
	oracle.Main(oracle.Version{
		Name:     "2.12.1",
		Minor:    12,
		Operator: operator,
		RequestScale: func(ctx context.Context, w *oracle.World, it *kedav1alpha1.ScaledObject, active, failed bool) {
			executor.NewScaleExecutor(w.Client, w, w.Scheme, &record.FakeRecorder{}).RequestScale(ctx, it, active, failed)
		},
		// SetupWithManager's list.
		Watched: predicate.Or(
			controllerutil.PausedPredicate{}, controllerutil.PausedReplicasPredicate{},
			controllerutil.ScaleObjectReadyConditionPredicate{}, predicate.GenerationChangedPredicate{},
		),
	})
}

func operator(w *oracle.World) oracle.Operator {
	handler := scaling.NewScaleHandler(w.Client, w, w.Scheme, oracle.Timeout, &record.FakeRecorder{}, nil)
	reconciler := &controllers.ScaledObjectReconciler{
		Client: w.Client, Scheme: w.Scheme, Recorder: &record.FakeRecorder{}, ScaleClient: w, ScaleHandler: handler,
	}
	reconciler.Open(w.Mapper)
	request := ctrl.Request{NamespacedName: types.NamespacedName{Namespace: "default", Name: "web"}}
	return oracle.Operator{
		Reconcile: func(ctx context.Context) error {
			_, err := reconciler.Reconcile(ctx, request)
			return err
		},
		Pull: func(ctx context.Context, metric string) (*external_metrics.ExternalMetricValueList, error) {
			return handler.GetScaledObjectMetrics(ctx, request.Name, request.Namespace, metric)
		},
		Evaluate: func(ctx context.Context, it *kedav1alpha1.ScaledObject, index int, metric string) ([]external_metrics.ExternalMetricValue, bool, error) {
			cache, err := handler.GetScalersCache(ctx, it)
			if err != nil {
				return nil, false, err
			}
			found, active, _, err := cache.GetMetricsAndActivityForScaler(ctx, index, metric)
			return found, active, err
		},
		Stop: func(ctx context.Context, it *kedav1alpha1.ScaledObject) error {
			return handler.DeleteScalableObject(ctx, it)
		},
	}
}
