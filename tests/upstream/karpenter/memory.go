package oracle

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	v1 "sigs.k8s.io/karpenter/pkg/apis/v1"
)

// memory is an API server that holds objects as they are: a patch stores what it is given. That is what a real
// one comes to as long as one writer at a time is at work. The fake client of controller-runtime turns every
// object into JSON and back each time it is read, which takes most of a run.
type memory struct {
	client.Client
	lock    sync.Mutex
	clock   clock.Clock
	objects map[reflect.Type]map[client.ObjectKey]client.Object
	named   int
}

func newMemory(clock clock.Clock, objects ...client.Object) *memory {
	m := &memory{clock: clock, objects: map[reflect.Type]map[client.ObjectKey]client.Object{}}
	for _, o := range objects {
		m.put(o)
	}
	return m
}

func (m *memory) put(o client.Object) {
	kind := reflect.TypeOf(o)
	if m.objects[kind] == nil {
		m.objects[kind] = map[client.ObjectKey]client.Object{}
	}
	m.objects[kind][client.ObjectKeyFromObject(o)] = o.DeepCopyObject().(client.Object)
}

func missing(o client.Object, name string) error {
	return errors.NewNotFound(schema.GroupResource{Resource: reflect.TypeOf(o).Elem().Name()}, name)
}

func (m *memory) Get(_ context.Context, key client.ObjectKey, o client.Object, _ ...client.GetOption) error {
	m.lock.Lock()
	defer m.lock.Unlock()
	own, ok := m.objects[reflect.TypeOf(o)][key]
	if !ok {
		return missing(o, key.Name)
	}
	reflect.ValueOf(o).Elem().Set(reflect.ValueOf(own.DeepCopyObject()).Elem())
	return nil
}

// field is what the indices of Karpenter's cache know of an object.
func field(o client.Object) fields.Set {
	switch own := o.(type) {
	case *corev1.Pod:
		return fields.Set{"spec.nodeName": own.Spec.NodeName}
	case *corev1.Node:
		return fields.Set{"spec.providerID": own.Spec.ProviderID}
	case *v1.NodeClaim:
		return fields.Set{"status.providerID": own.Status.ProviderID}
	}
	return nil
}

func (m *memory) List(_ context.Context, list client.ObjectList, opts ...client.ListOption) error {
	m.lock.Lock()
	defer m.lock.Unlock()
	o := (&client.ListOptions{}).ApplyOptions(opts)
	items := reflect.ValueOf(list).Elem().FieldByName("Items")
	item := items.Type().Elem()
	if item.Kind() != reflect.Pointer {
		item = reflect.PointerTo(item)
	}
	all := m.objects[item]
	found := []runtime.Object{}
	for _, key := range slices.SortedFunc(maps.Keys(all), func(a, b client.ObjectKey) int {
		return slices.Compare([]string{a.Namespace, a.Name}, []string{b.Namespace, b.Name})
	}) {
		own := all[key]
		if o.Namespace != "" && o.Namespace != key.Namespace ||
			o.LabelSelector != nil && !o.LabelSelector.Matches(labels.Set(own.GetLabels())) ||
			o.FieldSelector != nil && !o.FieldSelector.Matches(field(own)) {
			continue
		}
		found = append(found, own.DeepCopyObject())
	}
	return meta.SetList(list, found)
}

func (m *memory) Create(_ context.Context, o client.Object, _ ...client.CreateOption) error {
	m.lock.Lock()
	defer m.lock.Unlock()
	if o.GetName() == "" {
		m.named++
		o.SetName(fmt.Sprintf("%s%05d", o.GetGenerateName(), m.named))
	}
	if o.GetCreationTimestamp().Time.IsZero() {
		o.SetCreationTimestamp(metav1.NewTime(m.clock.Now()))
	}
	m.put(o)
	return nil
}

// store replaces what is there.
func (m *memory) store(o client.Object) error {
	m.lock.Lock()
	defer m.lock.Unlock()
	kind, key := reflect.TypeOf(o), client.ObjectKeyFromObject(o)
	if _, ok := m.objects[kind][key]; !ok {
		return missing(o, key.Name)
	}
	if !o.GetDeletionTimestamp().IsZero() && len(o.GetFinalizers()) == 0 {
		delete(m.objects[kind], key)
		return nil
	}
	m.put(o)
	return nil
}

func (m *memory) Update(_ context.Context, o client.Object, _ ...client.UpdateOption) error {
	return m.store(o)
}

func (m *memory) Patch(_ context.Context, o client.Object, _ client.Patch, _ ...client.PatchOption) error {
	return m.store(o)
}

func (m *memory) Delete(_ context.Context, o client.Object, _ ...client.DeleteOption) error {
	m.lock.Lock()
	defer m.lock.Unlock()
	kind, key := reflect.TypeOf(o), client.ObjectKeyFromObject(o)
	own, ok := m.objects[kind][key]
	switch {
	case !ok:
		return missing(o, key.Name)
	case len(own.GetFinalizers()) == 0:
		delete(m.objects[kind], key)
	case own.GetDeletionTimestamp().IsZero():
		now := metav1.NewTime(m.clock.Now())
		own.SetDeletionTimestamp(&now)
	}
	return nil
}

func (m *memory) Scheme() *runtime.Scheme { return scheme.Scheme }

func (m *memory) Status() client.SubResourceWriter { return statusOf{m: m} }

// statusOf writes the status of objects: all of them, as nobody else writes meanwhile.
type statusOf struct {
	client.SubResourceWriter
	m *memory
}

func (s statusOf) Update(_ context.Context, o client.Object, _ ...client.SubResourceUpdateOption) error {
	return s.m.store(o)
}

func (s statusOf) Patch(_ context.Context, o client.Object, _ client.Patch, _ ...client.SubResourcePatchOption) error {
	return s.m.store(o)
}
