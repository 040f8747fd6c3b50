package podautoscaler

import (
	"context"
	"reflect"
	"time"

	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	scaleclient "k8s.io/client-go/scale"
	"k8s.io/client-go/tools/record"
	metricsclient "k8s.io/kubernetes/pkg/controller/podautoscaler/metrics"
)

// Open makes a controller with the defaults of kube-controller-manager.
func Open(_ context.Context, client kubernetes.Interface, scales scaleclient.ScalesGetter, mapper apimeta.RESTMapper,
	metrics metricsclient.MetricsClient, all informers.SharedInformerFactory, recorder record.EventRecorder) *HorizontalController {
	controller := NewHorizontalController(client.CoreV1(), scales, client.AutoscalingV2(), mapper, metrics,
		all.Autoscaling().V2().HorizontalPodAutoscalers(), all.Core().V1().Pods(),
		15*time.Second, 5*time.Minute, 0.1, 5*time.Minute, 30*time.Second, true)
	shut(controller.eventRecorder)
	controller.eventRecorder = recorder
	return controller
}

// shut ends the broadcaster behind a recorder, which no context reaches and which would outlive the controller.
func shut(recorder record.EventRecorder) {
	reflect.ValueOf(recorder).Elem().FieldByName("Broadcaster").Interface().(*watch.Broadcaster).Shutdown()
}
