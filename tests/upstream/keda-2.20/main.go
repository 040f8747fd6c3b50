// Program gen draws questions for KEDA 2.20 and writes down its answers.
package main

import (
	"context"

	eventingv1alpha1 "github.com/kedacore/keda/v2/apis/eventing/v1alpha1"
	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	controllers "github.com/kedacore/keda/v2/controllers/keda"
	controllerutil "github.com/kedacore/keda/v2/controllers/keda/util"
	"github.com/kedacore/keda/v2/pkg/scalers/authentication"
	"github.com/kedacore/keda/v2/pkg/scaling"
	"github.com/kedacore/keda/v2/pkg/scaling/executor"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/metrics/pkg/apis/external_metrics"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	oracle "scaletwin/upstream/keda"
)

// silent tells nobody.
type silent struct{}

func (silent) DeleteCloudEventSource(eventingv1alpha1.CloudEventSourceInterface) error { return nil }
func (silent) HandleCloudEventSource(context.Context, eventingv1alpha1.CloudEventSourceInterface) error {
	return nil
}
func (silent) Emit(runtime.Object, string, string, eventingv1alpha1.CloudEventType, string, string) {
}

func main() {
	oracle.Main(oracle.Version{
		Name:         "2.20.2",
		Minor:        20,
		Operator:     operator,
		RequestScale: requestScale,
		// SetupWithManager's list.
		Watched: predicate.Or[client.Object](
			controllerutil.PausedPredicate{}, controllerutil.PausedReplicasPredicate{},
			controllerutil.PausedScaleInPredicate{}, controllerutil.PausedScaleOutPredicate{},
			controllerutil.ScaleObjectReadyConditionPredicate{}, controllerutil.ForceActivationPredicate{},
			predicate.GenerationChangedPredicate{},
		),
	})
}

func operator(w *oracle.World) oracle.Operator {
	handler := scaling.NewScaleHandler(w.Client, w, w.Scheme, oracle.Timeout, &events.FakeRecorder{}, &authentication.AuthClientSet{})
	reconciler := &controllers.ScaledObjectReconciler{
		Client: w.Client, Scheme: w.Scheme, ScaleClient: w, ScaleHandler: handler, EventEmitter: silent{},
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

// requestScale applies what the executor says to the status, as the scale handler does with it.
func requestScale(ctx context.Context, w *oracle.World, it *kedav1alpha1.ScaledObject, active, failed bool) {
	result := executor.NewScaleExecutor(w.Client, w, w.Scheme, &events.FakeRecorder{}).
		RequestScale(ctx, it, active, failed, executor.ScaleExecutorOptions{})
	if result.Error != nil {
		panic(result.Error)
	}
	original := it.DeepCopy()
	for _, condition := range result.Conditions {
		it.Status.Conditions.SetCondition(condition.Type, condition.Status, condition.Reason, condition.Message)
	}
	if result.LastActiveTime != nil {
		it.Status.LastActiveTime = result.LastActiveTime
	}
	if err := w.Client.Status().Patch(ctx, it, client.MergeFrom(original)); err != nil {
		panic(err)
	}
}
