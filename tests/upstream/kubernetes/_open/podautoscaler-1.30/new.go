package podautoscaler

import (
	"context"
	"time"

	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	scaleclient "k8s.io/client-go/scale"
	"k8s.io/client-go/tools/record"
	metricsclient "k8s.io/kubernetes/pkg/controller/podautoscaler/metrics"
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
