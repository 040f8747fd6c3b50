package hpa

import (
	"context"
	"errors"
	"time"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/scale"
	core "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/record"
	defaults "k8s.io/kubernetes/pkg/apis/autoscaling/v2"
	"k8s.io/kubernetes/pkg/controller/podautoscaler"
	metricsclient "k8s.io/kubernetes/pkg/controller/podautoscaler/metrics"
	custom "k8s.io/metrics/pkg/apis/custom_metrics/v1beta2"
	externals "k8s.io/metrics/pkg/apis/external_metrics/v1beta1"
	metrics "k8s.io/metrics/pkg/apis/metrics/v1beta1"
	resourcefake "k8s.io/metrics/pkg/client/clientset/versioned/fake"
	customfake "k8s.io/metrics/pkg/client/custom_metrics/fake"
	externalfake "k8s.io/metrics/pkg/client/external_metrics/fake"
	"k8s.io/utils/ptr"

	"scaletwin/upstream/kubernetes/oracle"
)

const (
	namespace = "default"
	name      = "app"
)

var selector = labels.Set{"app": name}

// world is an API server with one HPA and its target, and the three metrics APIs.
type world struct {
	controller *podautoscaler.HorizontalController
	client     *fake.Clientset
	informers  informers.SharedInformerFactory
	recorder   *record.FakeRecorder
	replicas   autoscalingv1.Scale
	// readings by metric name; pods with their samples.
	readings map[string]*reading
	pods     []pod
	// How long calls take and which of them fail.
	latency   latency
	getError  string
	conflicts int
	setError  string
	ended     context.CancelFunc
}

func newWorld(hpa *autoscalingv2.HorizontalPodAutoscaler) *world {
	w := &world{client: fake.NewSimpleClientset(hpa), readings: map[string]*reading{}}
	w.start(hpa)
	return w
}

// start makes a controller without memory.
func (w *world) start(hpa *autoscalingv2.HorizontalPodAutoscaler) {
	ctx, cancel := context.WithCancel(context.Background())
	w.ended = cancel
	w.informers = informers.NewSharedInformerFactory(w.client, 0)
	w.recorder = record.NewFakeRecorder(100)
	mapper := meta.NewDefaultRESTMapper([]schema.GroupVersion{{Group: "apps", Version: "v1"}})
	mapper.Add(schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}, meta.RESTScopeNamespace)
	mapper.Add(schema.GroupVersionKind{Version: "v1", Kind: "Service"}, meta.RESTScopeNamespace)
	w.controller = podautoscaler.Open(ctx, w.client, w, mapper, w.metrics(), w.informers, w.recorder)
	w.controller.Know(hpa)
	w.setPods(w.pods)
}

func (w *world) stop() {
	w.controller.Close()
	w.ended()
}

// end stops it for good: queues of 1.28 look now and then whether they are shut down.
func (w *world) end() {
	w.stop()
	time.Sleep(time.Second)
}

// metrics is the real client over the APIs.
func (w *world) metrics() metricsclient.MetricsClient {
	resources := &resourcefake.Clientset{}
	resources.AddReactor("list", "pods", func(core.Action) (bool, runtime.Object, error) {
		w.asked()
		if it := w.readings["resource"]; it != nil && it.Error != "" {
			return true, nil, errors.New(it.Error)
		}
		all := &metrics.PodMetricsList{}
		for _, it := range w.pods {
			if it.Sample == nil || it.Sample.Containers == nil {
				continue
			}
			one := metrics.PodMetrics{
				ObjectMeta: metav1.ObjectMeta{Name: it.Name, Namespace: namespace, Labels: selector},
				Timestamp:  ago(it.Sample.AgeSeconds),
				Window:     metav1.Duration{Duration: seconds(ptr.Deref(it.Sample.WindowSeconds, 30))},
			}
			for container, usage := range it.Sample.Containers {
				one.Containers = append(one.Containers, metrics.ContainerMetrics{Name: container, Usage: usage.list()})
			}
			all.Items = append(all.Items, one)
		}
		return true, all, nil
	})
	customs := &customfake.FakeCustomMetricsClient{}
	customs.AddReactor("get", "*", func(action core.Action) (bool, runtime.Object, error) {
		w.asked()
		asked := action.(customfake.GetForAction)
		list := &custom.MetricValueList{}
		if asked.GetName() != "*" {
			it := w.readings[asked.GetMetricName()]
			if it.Error != "" {
				return true, nil, errors.New(it.Error)
			}
			list.Items = append(list.Items, custom.MetricValue{
				DescribedObject: v1.ObjectReference{Kind: "Service", Name: asked.GetName(), Namespace: namespace},
				Metric:          custom.MetricIdentifier{Name: asked.GetMetricName()},
				Timestamp:       metav1.Now(), Value: resource.MustParse(it.Value),
			})
			return true, list, nil
		}
		if it := w.readings[asked.GetMetricName()]; it != nil && it.Error != "" {
			return true, nil, errors.New(it.Error)
		}
		for _, it := range w.pods {
			if it.Sample == nil || it.Sample.Value == "" {
				continue
			}
			one := custom.MetricValue{
				DescribedObject: v1.ObjectReference{Kind: "Pod", Name: it.Name, Namespace: namespace},
				Metric:          custom.MetricIdentifier{Name: asked.GetMetricName()},
				Timestamp:       ago(it.Sample.AgeSeconds), Value: resource.MustParse(it.Sample.Value),
			}
			if it.Sample.WindowSeconds != nil {
				one.WindowSeconds = ptr.To(int64(*it.Sample.WindowSeconds))
			}
			list.Items = append(list.Items, one)
		}
		return true, list, nil
	})
	outside := &externalfake.FakeExternalMetricsClient{}
	outside.AddReactor("list", "*", func(action core.Action) (bool, runtime.Object, error) {
		w.asked()
		metric := action.GetResource().Resource
		it := w.readings[metric]
		if it.Error != "" {
			return true, nil, errors.New(it.Error)
		}
		list := &externals.ExternalMetricValueList{}
		for _, text := range *it.Values {
			list.Items = append(list.Items, externals.ExternalMetricValue{
				MetricName: metric, Timestamp: metav1.Now(), Value: resource.MustParse(text),
			})
		}
		return true, list, nil
	})
	return metricsclient.NewRESTMetricsClient(resources.MetricsV1beta1(), customs, outside)
}

// asked is a call of a metrics API: pods are as old as the vector says when it answers.
func (w *world) asked() {
	if w.latency.Metric > 0 {
		milliseconds(w.latency.Metric)
		w.setPods(w.pods)
	}
}

// milliseconds lets time pass.
func milliseconds(count int64) { time.Sleep(time.Duration(count) * time.Millisecond) }

func seconds(it float64) time.Duration { return time.Duration(it * float64(time.Second)) }

func ago(it float64) metav1.Time { return metav1.NewTime(time.Now().Add(-seconds(it))) }

func (q quantities) list() v1.ResourceList {
	all := v1.ResourceList{}
	for name, text := range q {
		all[v1.ResourceName(name)] = resource.MustParse(text)
	}
	return all
}

func containers(all []container) (made []v1.Container) {
	for _, it := range all {
		one := v1.Container{Name: it.Name, Resources: v1.ResourceRequirements{Requests: it.Requests.list()}}
		if it.RestartPolicy != "" {
			one.RestartPolicy = ptr.To(v1.ContainerRestartPolicy(it.RestartPolicy))
		}
		made = append(made, one)
	}
	return made
}

// setPods replaces the informer's pods.
func (w *world) setPods(all []pod) {
	w.pods = all
	var objects []any
	for _, it := range all {
		one := &v1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: it.Name, Namespace: namespace, Labels: selector},
			Spec:       v1.PodSpec{Containers: containers(it.Containers), InitContainers: containers(it.InitContainers)},
			Status:     v1.PodStatus{Phase: v1.PodPhase(it.Phase)},
		}
		if it.PodRequests != nil {
			oracle.Set(&one.Spec, "Resources", &v1.ResourceRequirements{Requests: it.PodRequests.list()})
		}
		if it.StartedSecondsAgo != nil {
			one.Status.StartTime = ptr.To(ago(*it.StartedSecondsAgo))
		}
		if it.Ready != nil {
			one.Status.Conditions = []v1.PodCondition{{
				Type: v1.PodReady, Status: v1.ConditionStatus(it.Ready.Status), LastTransitionTime: ago(it.Ready.TransitionSecondsAgo),
			}}
		}
		if it.Terminating {
			one.DeletionTimestamp = ptr.To(metav1.Now())
		}
		objects = append(objects, one)
	}
	if err := w.informers.Core().V1().Pods().Informer().GetStore().Replace(objects, ""); err != nil {
		panic(err)
	}
}

// Scales is the scale client.
func (w *world) Scales(string) scale.ScaleInterface { return scales{w: w} }

type scales struct {
	scale.ScaleInterface
	w *world
}

func (s scales) Get(context.Context, schema.GroupResource, string, metav1.GetOptions) (*autoscalingv1.Scale, error) {
	milliseconds(s.w.latency.GetScale)
	if s.w.getError != "" {
		return nil, errors.New(s.w.getError)
	}
	return s.w.replicas.DeepCopy(), nil
}

func (s scales) Update(_ context.Context, of schema.GroupResource, it *autoscalingv1.Scale, _ metav1.UpdateOptions) (*autoscalingv1.Scale, error) {
	milliseconds(s.w.latency.UpdateScale)
	if s.w.conflicts > 0 {
		s.w.conflicts--
		return nil, apierrors.NewConflict(of, it.Name, errors.New("it was changed"))
	}
	if s.w.setError != "" {
		return nil, errors.New(s.w.setError)
	}
	s.w.replicas.Spec.Replicas = it.Spec.Replicas
	return it, nil
}

func (w *world) setScale(spec, status int32) {
	w.replicas = autoscalingv1.Scale{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace},
		Spec:       autoscalingv1.ScaleSpec{Replicas: spec},
		Status:     autoscalingv1.ScaleStatus{Replicas: status, Selector: selector.AsSelector().String()},
	}
}

// autoscaler is the API server's object, defaulted.
func autoscaler(written hpaSpec) *autoscalingv2.HorizontalPodAutoscaler {
	it := &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace},
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{Kind: "Deployment", Name: name, APIVersion: "apps/v1"},
			MinReplicas:    written.MinReplicas, MaxReplicas: written.MaxReplicas,
			Metrics: written.Metrics, Behavior: written.Behavior.DeepCopy(),
		},
	}
	defaults.SetObjectDefaults_HorizontalPodAutoscaler(it)
	return it
}
