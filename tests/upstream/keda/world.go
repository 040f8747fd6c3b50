package keda

import (
	"context"
	"encoding/json"
	"runtime"
	"sync"
	"time"

	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apiruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/scale"
	"k8s.io/metrics/pkg/apis/external_metrics"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
)

const (
	namespace = "default"
	target    = "web"
)

// Timeout of a query.
const Timeout = 3 * time.Second

// Version is how one release of KEDA is made and run.
type Version struct {
	Name string
	// Minor of 2.Minor.
	Minor int
	// Operator makes handler and reconciler.
	Operator func(*World) Operator
	// RequestScale calls the executor.
	RequestScale func(context.Context, *World, *kedav1alpha1.ScaledObject, bool, bool)
	// Watched: which changes of a ScaledObject make the reconciler run.
	Watched predicate.Predicate
}

// Operator is what both releases have in common.
type Operator struct {
	Reconcile func(context.Context) error
	Pull      func(context.Context, string) (*external_metrics.ExternalMetricValueList, error)
	// Evaluate asks one trigger.
	Evaluate func(context.Context, *kedav1alpha1.ScaledObject, int, string) ([]external_metrics.ExternalMetricValue, bool, error)
	Stop     func(context.Context, *kedav1alpha1.ScaledObject) error
}

// World is an API server with one Deployment and one ScaledObject.
type World struct {
	Client client.Client
	Scheme *apiruntime.Scheme
	Mapper meta.RESTMapper
	start  time.Time
	// changed wakes the reconciler.
	changed chan struct{}
	watched predicate.Predicate
	mutex   sync.Mutex
	writes  [][2]int64
}

// theScheme is made once: it is large.
var theScheme = sync.OnceValue(func() *apiruntime.Scheme {
	scheme := apiruntime.NewScheme()
	for _, add := range []func(*apiruntime.Scheme) error{
		kedav1alpha1.AddToScheme, appsv1.AddToScheme, corev1.AddToScheme, autoscalingv2.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			panic(err)
		}
	}
	return scheme
})

// newWorld makes one at the present instant.
func newWorld(version Version, object *kedav1alpha1.ScaledObject, replicas int32) *World {
	scheme := theScheme()
	mapper := meta.NewDefaultRESTMapper(nil)
	mapper.Add(appsv1.SchemeGroupVersion.WithKind("Deployment"), meta.RESTScopeNamespace)
	container := corev1.Container{Name: "web", Resources: corev1.ResourceRequirements{}}
	deployment := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: target, Namespace: namespace},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas,
			Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": target}},
			Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{Containers: []corev1.Container{container}}},
		},
	}
	w := &World{Scheme: scheme, Mapper: mapper, start: time.Now(), changed: make(chan struct{}, 1), watched: version.Watched}
	base := fake.NewClientBuilder().WithScheme(scheme).WithRESTMapper(mapper).
		WithStatusSubresource(&kedav1alpha1.ScaledObject{}).WithObjects(deployment, object).Build()
	w.Client = interceptor.NewClient(base, interceptor.Funcs{
		// A call to the API server takes long enough for what was begun before it to be done.
		Get: func(ctx context.Context, inner client.WithWatch, key client.ObjectKey, it client.Object, options ...client.GetOption) error {
			for range 4 {
				runtime.Gosched()
			}
			return inner.Get(ctx, key, it, options...)
		},
		Update: func(ctx context.Context, inner client.WithWatch, it client.Object, options ...client.UpdateOption) error {
			if hpa, ok := it.(*autoscalingv2.HorizontalPodAutoscaler); ok && hpa.ResourceVersion == "" {
				// The real API server takes that for "whatever there is"; the fake one for a conflict.
				now := &autoscalingv2.HorizontalPodAutoscaler{}
				if err := inner.Get(ctx, client.ObjectKeyFromObject(hpa), now); err != nil {
					return err
				}
				hpa.ResourceVersion = now.ResourceVersion
			}
			return w.watch(ctx, inner, func() error { return inner.Update(ctx, it, options...) })
		},
		Patch: func(ctx context.Context, inner client.WithWatch, it client.Object, patch client.Patch, options ...client.PatchOption) error {
			return w.watch(ctx, inner, func() error { return inner.Patch(ctx, it, patch, options...) })
		},
		SubResourceUpdate: func(ctx context.Context, inner client.Client, name string, it client.Object, options ...client.SubResourceUpdateOption) error {
			return w.watch(ctx, inner, func() error { return inner.SubResource(name).Update(ctx, it, options...) })
		},
		SubResourcePatch: func(ctx context.Context, inner client.Client, name string, it client.Object, patch client.Patch, options ...client.SubResourcePatchOption) error {
			return w.watch(ctx, inner, func() error { return inner.SubResource(name).Patch(ctx, it, patch, options...) })
		},
	})
	return w
}

// watch makes a change and, if the reconciler watches for such, wakes it.
func (w *World) watch(ctx context.Context, inner client.Client, change func() error) error {
	before, after := &kedav1alpha1.ScaledObject{}, &kedav1alpha1.ScaledObject{}
	key := types.NamespacedName{Namespace: namespace, Name: objectName}
	if err := inner.Get(ctx, key, before); err != nil {
		return change()
	}
	if err := change(); err != nil {
		return err
	}
	if err := inner.Get(ctx, key, after); err != nil {
		return nil
	}
	if w.watched.Update(event.UpdateEvent{ObjectOld: before, ObjectNew: after}) {
		w.wake()
	}
	return nil
}

func (w *World) wake() {
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

// reconcile runs the reconciler whenever it is woken, and after a failure again as controller-runtime's work
// queue does: after 5 ms, then twice as long each time.
func (w *World) reconcile(ctx context.Context, operator Operator) {
	delay := 5 * time.Millisecond
	var again <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.changed:
		case <-again:
		}
		again = nil
		if operator.Reconcile(ctx) == nil {
			delay = 5 * time.Millisecond
			continue
		}
		again = time.After(delay)
		delay *= 2
	}
}

func (w *World) object(ctx context.Context) *kedav1alpha1.ScaledObject {
	it := &kedav1alpha1.ScaledObject{}
	if err := w.Client.Get(ctx, types.NamespacedName{Namespace: namespace, Name: objectName}, it); err != nil {
		panic(err)
	}
	return it
}

func (w *World) deployment(ctx context.Context) *appsv1.Deployment {
	it := &appsv1.Deployment{}
	if err := w.Client.Get(ctx, types.NamespacedName{Namespace: namespace, Name: target}, it); err != nil {
		panic(err)
	}
	return it
}

// setReplicas is somebody else's write.
func (w *World) setReplicas(ctx context.Context, replicas int32) {
	it := w.deployment(ctx)
	it.Spec.Replicas = &replicas
	if err := w.Client.Update(ctx, it); err != nil {
		panic(err)
	}
}

// setReady makes so many pods ready and no more.
func (w *World) setReady(ctx context.Context, ready int32) {
	for number := range int32(16) {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
			Name: query(int(number)), Namespace: namespace, Labels: map[string]string{"app": target},
		}}
		pod.Status.Phase = corev1.PodRunning
		pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
		if number < ready {
			_ = w.Client.Create(ctx, pod)
		} else {
			_ = w.Client.Delete(ctx, pod)
		}
	}
}

// Scales is the scale client.
func (w *World) Scales(string) scale.ScaleInterface { return scales{w: w} }

type scales struct {
	scale.ScaleInterface
	w *World
}

func (s scales) Get(ctx context.Context, _ schema.GroupResource, _ string, _ metav1.GetOptions) (*autoscalingv1.Scale, error) {
	found := s.w.deployment(ctx)
	return &autoscalingv1.Scale{
		ObjectMeta: metav1.ObjectMeta{Name: target, Namespace: namespace, ResourceVersion: found.ResourceVersion},
		Spec:       autoscalingv1.ScaleSpec{Replicas: *found.Spec.Replicas},
		Status:     autoscalingv1.ScaleStatus{Replicas: *found.Spec.Replicas, Selector: "app=" + target},
	}, nil
}

func (s scales) Update(ctx context.Context, _ schema.GroupResource, it *autoscalingv1.Scale, _ metav1.UpdateOptions) (*autoscalingv1.Scale, error) {
	before := *s.w.deployment(ctx).Spec.Replicas
	s.w.setReplicas(ctx, it.Spec.Replicas)
	if before != it.Spec.Replicas {
		s.w.mutex.Lock()
		defer s.w.mutex.Unlock()
		s.w.writes = append(s.w.writes, [2]int64{time.Since(s.w.start).Milliseconds(), int64(it.Spec.Replicas)})
	}
	return it, nil
}

// hpa is the object's HPA, if it has one.
func (w *World) hpa(ctx context.Context) *autoscalingv2.HorizontalPodAutoscaler {
	all := &autoscalingv2.HorizontalPodAutoscalerList{}
	if err := w.Client.List(ctx, all); err != nil {
		panic(err)
	}
	if len(all.Items) == 0 {
		return nil
	}
	return &all.Items[0]
}

// scaledObject is the API server's object of what a user wrote.
func scaledObject(version Version, written Object) *kedav1alpha1.ScaledObject {
	text, err := json.Marshal(map[string]any{
		"metadata": map[string]any{
			"name": written.Name, "namespace": namespace, "annotations": written.Annotations,
			"uid": "8f6d4d5e-0000-4000-8000-000000000001", "generation": 1,
			"creationTimestamp": metav1.Now(),
		},
		"spec": written.Spec,
	})
	if err != nil {
		panic(err)
	}
	object := &kedav1alpha1.ScaledObject{}
	if err := json.Unmarshal(text, object); err != nil {
		panic(err)
	}
	object.Spec.ScaleTargetRef = &kedav1alpha1.ScaleTarget{Name: target}
	return object
}
