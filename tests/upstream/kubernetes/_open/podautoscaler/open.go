package podautoscaler

import (
	"context"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/kubernetes/pkg/controller/util/selectors"
)

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

// Propose is computeReplicasForMetrics, if some metric made the proposal.
func (a *HorizontalController) Propose(ctx context.Context, hpa *autoscalingv2.HorizontalPodAutoscaler, scale *autoscalingv1.Scale) (int32, bool) {
	replicas, metric, _, _, _ := a.computeReplicasForMetrics(ctx, hpa, scale, hpa.Spec.Metrics)
	return replicas, metric != ""
}

// Reconcile is reconcileAutoscaler.
func (a *HorizontalController) Reconcile(ctx context.Context, hpa *autoscalingv2.HorizontalPodAutoscaler) error {
	return a.reconcileAutoscaler(ctx, hpa, hpa.Namespace+"/"+hpa.Name)
}
