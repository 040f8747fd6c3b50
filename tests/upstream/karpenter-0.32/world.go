package main

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/aws/karpenter-core/pkg/apis"
	"github.com/aws/karpenter-core/pkg/apis/v1beta1"
	"github.com/aws/karpenter-core/pkg/cloudprovider"
	"github.com/aws/karpenter-core/pkg/events"
	"github.com/aws/karpenter-core/pkg/scheduling"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"scaletwin/upstream/karpenter/question"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

type silent struct{}

func (silent) Publish(...events.Event) {}

// register tells Karpenter which labels the provider knows, as the AWS provider does when it starts.
func register(catalog []question.Type) {
	must(apis.AddToScheme(scheme.Scheme))
	for _, t := range catalog {
		for _, r := range t.Requirements {
			v1beta1.WellKnownLabels.Insert(r.Key)
		}
	}
}

// provider offers instance types, the same in every pool; nothing else of it is asked.
type provider struct {
	cloudprovider.CloudProvider
	types func() []*cloudprovider.InstanceType
}

func (p *provider) GetInstanceTypes(context.Context, *v1beta1.NodePool) ([]*cloudprovider.InstanceType, error) {
	return p.types(), nil
}

// types are those of the case. This version knows nothing of reservations.
func (a asked) types() (all []*cloudprovider.InstanceType) {
	for _, name := range a.Types {
		all = append(all, instanceType(a.catalog[name], a.Unavailable))
	}
	return all
}

func instanceType(t question.Type, refused [][3]string) *cloudprovider.InstanceType {
	own := &cloudprovider.InstanceType{
		Name: t.Name, Requirements: scheduling.NewRequirements(), Capacity: question.Amounts(t.Capacity),
		Overhead: &cloudprovider.InstanceTypeOverhead{KubeReserved: question.Amounts(t.Overhead)},
	}
	for _, r := range t.Requirements {
		values := r.Values
		if r.Key == v1beta1.CapacityTypeLabelKey {
			values = slices.DeleteFunc(slices.Clone(values), func(v string) bool { return v == "reserved" })
		}
		if r.Key == "karpenter.k8s.aws/capacity-reservation-id" {
			r.Operator, values = string(corev1.NodeSelectorOpDoesNotExist), nil
		}
		own.Requirements.Add(scheduling.NewRequirement(r.Key, corev1.NodeSelectorOperator(r.Operator), values...))
	}
	for _, o := range t.Offerings {
		if o.Reservation == "" {
			own.Offerings = append(own.Offerings, cloudprovider.Offering{
				CapacityType: o.CapacityType, Zone: o.Zone, Price: float64(o.Price) / 1e6,
				Available: !slices.Contains(refused, [3]string{t.Name, o.Zone, o.CapacityType}),
			})
		}
	}
	return own
}

// kube is an API server with all that does not change from one time to the next.
func (a asked) kube() client.Client {
	all := []client.Object{&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "default"}}}
	for _, p := range a.Pools {
		all = append(all, nodePool(p))
	}
	for _, n := range a.Nodes {
		if node, _ := objects(n); node != nil {
			all = append(all, node)
		}
	}
	for _, p := range a.Bound {
		all = append(all, a.pod(p))
	}
	for _, name := range a.Daemons {
		template := a.Templates[name]
		all = append(all, &appsv1.DaemonSet{
			ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default"},
			Spec:       appsv1.DaemonSetSpec{Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: template.Labels}, Spec: template.Spec}},
		})
	}
	byNode := func(o client.Object) []string { return []string{o.(*corev1.Pod).Spec.NodeName} }
	return fake.NewClientBuilder().WithScheme(scheme.Scheme).WithObjects(all...).WithIndex(&corev1.Pod{}, "spec.nodeName", byNode).Build()
}

func nodePool(p question.Pool) *v1beta1.NodePool {
	pool := &v1beta1.NodePool{ObjectMeta: metav1.ObjectMeta{Name: p.Name, UID: types.UID("pool-" + p.Name)}}
	if p.Weight != 0 {
		pool.Spec.Weight = &p.Weight
	}
	pool.Spec.Template.Labels = p.Labels
	pool.Spec.Template.Spec.NodeClassRef = &v1beta1.NodeClassReference{Kind: "EC2NodeClass", Name: "default"}
	pool.Spec.Template.Spec.Taints = p.Taints
	if len(p.Limits) > 0 {
		pool.Spec.Limits = v1beta1.Limits(question.Amounts(p.Limits))
	}
	for _, r := range p.Requirements {
		pool.Spec.Template.Spec.Requirements = append(pool.Spec.Template.Spec.Requirements, corev1.NodeSelectorRequirement{
			Key: r.Key, Operator: corev1.NodeSelectorOperator(r.Operator), Values: r.Values,
		})
	}
	return pool
}

func (a asked) pod(p question.Pod) *corev1.Pod {
	t := a.Templates[p.Template]
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: p.Name, Namespace: "default", UID: types.UID(p.UID), Labels: t.Labels,
			CreationTimestamp: metav1.NewTime(epoch.Add(time.Duration(p.Created) * time.Second)),
		},
		Spec: *t.Spec.DeepCopy(),
	}
	owner := "ReplicaSet"
	if a.IsDaemon(p.Template) {
		owner = "DaemonSet"
	}
	yes := true
	pod.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: owner, Name: p.Template, UID: "owner", Controller: &yes}}
	pod.Spec.NodeName = p.Node
	if p.Terminating {
		question.Terminate(pod, epoch.Add(time.Hour))
	}
	pod.Status.Phase = corev1.PodPending
	if p.Node != "" {
		pod.Status.Phase = corev1.PodRunning
	} else {
		pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable}}
	}
	return pod
}

// objects of a node: its Node unless it is only launched, and its NodeClaim unless Karpenter did not make it.
func objects(n question.Node) (*corev1.Node, *v1beta1.NodeClaim) {
	id := "aws:///" + n.Name
	var node *corev1.Node
	if n.Stage != "launched" {
		labels := maps.Clone(n.Labels)
		if n.Pool != "" {
			labels[v1beta1.NodeRegisteredLabelKey] = "true"
			if n.Stage == "initialized" {
				labels[v1beta1.NodeInitializedLabelKey] = "true"
			}
		}
		node = &corev1.Node{
			ObjectMeta: metav1.ObjectMeta{Name: n.Name, Labels: labels},
			Spec:       corev1.NodeSpec{ProviderID: id, Taints: n.Taints},
			Status:     corev1.NodeStatus{Capacity: question.Amounts(n.Capacity), Allocatable: question.Amounts(n.Allocatable)},
		}
	}
	if n.Pool == "" {
		return node, nil
	}
	claim := &v1beta1.NodeClaim{ObjectMeta: metav1.ObjectMeta{Name: n.Name, Labels: n.Labels}}
	claim.Spec.Taints = n.Taints
	claim.Spec.StartupTaints = n.Startup
	claim.Status.ProviderID = id
	claim.Status.NodeName = n.Name
	claim.Status.Capacity = question.Amounts(n.Capacity)
	claim.Status.Allocatable = question.Amounts(n.Allocatable)
	return node, claim
}
