package podautoscaler

import (
	"context"
	"time"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	scaleclient "k8s.io/client-go/scale"
	"k8s.io/client-go/tools/record"
	metricsclient "k8s.io/kubernetes/pkg/controller/podautoscaler/metrics"
	"k8s.io/kubernetes/pkg/controller/util/selectors"
)

// Open makes a controller with the defaults of kube-controller-manager.
func Open(ctx context.Context, client kubernetes.Interface, scales scaleclient.ScalesGetter, mapper apimeta.RESTMapper,
	metrics metricsclient.MetricsClient, all informers.SharedInformerFactory, recorder record.EventRecorder) *HorizontalController {
	controller := NewHorizontalController(ctx, client.CoreV1(), scales, client.AutoscalingV2(), mapper, metrics,
		all.Autoscaling().V2().HorizontalPodAutoscalers(), all.Core().V1().Pods(),
		15*time.Second, 5*time.Minute, 0.1, 5*time.Minute, 30*time.Second)
	controller.eventRecorder = recorder
	return controller
}

// Know registers an HPA.
func (a *HorizontalController) Know(hpa *autoscalingv2.HorizontalPodAutoscaler) { a.enqueueHPA(hpa) }

// Share lets another HPA of the namespace select these pods too.
func (a *HorizontalController) Share(namespace string, with labels.Selector) {
	a.hpaSelectors.PutSelector(selectors.Key{Name: "other", Namespace: namespace}, with)
}

// Close ends its queue.
func (a *HorizontalController) Close() { a.queue.ShutDown() }

// Compute is computeReplicasForMetric.
func (a *HorizontalController) Compute(ctx context.Context, hpa *autoscalingv2.HorizontalPodAutoscaler, spec autoscalingv2.MetricSpec,
	specReplicas, statusReplicas int32, selector labels.Selector, status *autoscalingv2.MetricStatus) (int32, string, error) {
	replicas, _, _, condition, err := a.computeReplicasForMetric(ctx, hpa, spec, specReplicas, statusReplicas, selector, status)
	return replicas, condition.Reason, err
}

// Propose is computeReplicasForMetrics.
func (a *HorizontalController) Propose(ctx context.Context, hpa *autoscalingv2.HorizontalPodAutoscaler, scale *autoscalingv1.Scale) (int32, error) {
	replicas, _, _, _, err := a.computeReplicasForMetrics(ctx, hpa, scale, hpa.Spec.Metrics)
	return replicas, err
}

// Reconcile is reconcileAutoscaler.
func (a *HorizontalController) Reconcile(ctx context.Context, hpa *autoscalingv2.HorizontalPodAutoscaler) error {
	return a.reconcileAutoscaler(ctx, hpa, hpa.Namespace+"/"+hpa.Name)
}
