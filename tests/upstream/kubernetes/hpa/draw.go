package hpa

import (
	"fmt"
	"math/rand/v2"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/utils/ptr"

	"scaletwin/upstream/kubernetes/oracle"
)

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

func chance(r *rand.Rand, percent int) bool { return r.IntN(100) < percent }

func quantity(text string) *resource.Quantity { return ptr.To(resource.MustParse(text)) }

// amount draws a quantity of about so many thousandths, in one of the ways to write it.
func amount(r *rand.Rand, milli int64) string {
	// Of more than 9.2e15 there are no thousandths.
	if chance(r, 1) {
		return pick(r, "0", "-1", "-250m", "5P", "9P", "1n", "12e6", "0.0004", "1.5Gi")
	}
	switch r.IntN(9) {
	case 0:
		return fmt.Sprintf("%d", milli/1000)
	case 6:
		return fmt.Sprintf("%dk", milli/1_000_000)
	case 7:
		return fmt.Sprintf("%d.%02dKi", milli/1_024_000, milli%100)
	case 8:
		return fmt.Sprintf("%de-1", milli/100)
	case 1:
		return fmt.Sprintf("%du", milli*1000+r.Int64N(1000))
	case 2:
		return fmt.Sprintf("%d.%03d", milli/1000, milli%1000)
	case 3:
		return fmt.Sprintf("%dn", milli*1000_000+r.Int64N(1000_000))
	}
	return fmt.Sprintf("%dm", milli)
}

// near draws a factor: often on the edge of the tolerance.
func near(r *rand.Rand) float64 {
	switch r.IntN(5) {
	case 0:
		return pick(r, 1.1, 0.9, 1, 1.1001, 0.8999, 1.0999, 0.9001, 1.05, 0.95, 1.2, 0.8, 1.5, 0.5, 2)
	case 1:
		return 0.8 + r.Float64()*0.4
	case 2:
		return 0
	}
	return r.Float64() * 4
}

// target draws a target and what of it is wanted, in thousandths.
func target(r *rand.Rand, kinds ...autoscalingv2.MetricTargetType) (autoscalingv2.MetricTarget, int64) {
	it := autoscalingv2.MetricTarget{Type: pick(r, kinds...)}
	milli := pick(r, int64(1), 100, 333, 1000, 10_000, 100_000, 197_000, 1+r.Int64N(1_000_000))
	switch it.Type {
	case autoscalingv2.UtilizationMetricType:
		it.AverageUtilization = ptr.To(int32(pick(r, 1, 10, 33, 50, 66, 70, 80, 100, 150, 1+r.IntN(300), 5000)))
		milli = int64(*it.AverageUtilization)
	case autoscalingv2.ValueMetricType:
		it.Value = quantity(written(r, milli))
	default:
		it.AverageValue = quantity(written(r, milli))
	}
	return it, milli
}

// written writes a quantity of so many thousandths, most often as such. What is less than one is rounded up.
func written(r *rand.Rand, milli int64) string {
	switch r.IntN(8) {
	case 0:
		return fmt.Sprintf("%d.%03d", milli/1000, milli%1000)
	case 1:
		return fmt.Sprintf("%du", milli*1000-r.Int64N(1000))
	}
	return fmt.Sprintf("%dm", milli)
}

// rules draws one direction of a behavior.
func rules(r *rand.Rand) *autoscalingv2.HPAScalingRules {
	if chance(r, 25) {
		return nil
	}
	it := &autoscalingv2.HPAScalingRules{}
	if chance(r, 60) {
		it.StabilizationWindowSeconds = ptr.To(int32(pick(r, 0, 15, 30, 60, 120, 300, 600, 3600, r.IntN(3601))))
	}
	if chance(r, 30) {
		it.SelectPolicy = ptr.To(pick(r, autoscalingv2.MaxChangePolicySelect, autoscalingv2.MinChangePolicySelect, autoscalingv2.DisabledPolicySelect))
	}
	if chance(r, 70) {
		for range 1 + r.IntN(3) {
			it.Policies = append(it.Policies, autoscalingv2.HPAScalingPolicy{
				Type:  pick(r, autoscalingv2.PodsScalingPolicy, autoscalingv2.PercentScalingPolicy),
				Value: pick(r, int32(1), 4, 5, 7, 10, 15, 33, 50, 100, 200, 900, 1+r.Int32N(300)), PeriodSeconds: pick(r, int32(1), 15, 30, 45, 60, 120, 300, 1800, 1+r.Int32N(1800)),
			})
		}
	}
	if chance(r, 20) {
		oracle.Set(it, "Tolerance", quantity(pick(r, "0", "0.05", "0.1", "100m", "0.15", "0.2", "0.5", "1", "1500m", "10m", "333333u")))
	}
	return it
}

func behavior(r *rand.Rand) *autoscalingv2.HorizontalPodAutoscalerBehavior {
	return &autoscalingv2.HorizontalPodAutoscalerBehavior{ScaleUp: rules(r), ScaleDown: rules(r)}
}

// externalMetric draws one with its reading: a list of values that add up to about a factor of what is wanted.
func externalReading(r *rand.Rand, milli int64) *reading {
	if chance(r, 4) {
		return &reading{Error: "the server is currently unable to handle the request"}
	}
	count := pick(r, 0, 1, 1, 1, 1, 1, 1, 2, 3, 5)
	values := []string{}
	for range count {
		values = append(values, amount(r, milli/int64(count)))
	}
	return &reading{Values: &values}
}

func external(name string, it autoscalingv2.MetricTarget) autoscalingv2.MetricSpec {
	return autoscalingv2.MetricSpec{
		Type:     autoscalingv2.ExternalMetricSourceType,
		External: &autoscalingv2.ExternalMetricSource{Metric: autoscalingv2.MetricIdentifier{Name: name}, Target: it},
	}
}

func object(name string, it autoscalingv2.MetricTarget) autoscalingv2.MetricSpec {
	return autoscalingv2.MetricSpec{Type: autoscalingv2.ObjectMetricSourceType, Object: &autoscalingv2.ObjectMetricSource{
		DescribedObject: autoscalingv2.CrossVersionObjectReference{Kind: "Service", Name: "app", APIVersion: "v1"},
		Metric:          autoscalingv2.MetricIdentifier{Name: name}, Target: it,
	}}
}

func perPod(name string, it autoscalingv2.MetricTarget) autoscalingv2.MetricSpec {
	return autoscalingv2.MetricSpec{
		Type: autoscalingv2.PodsMetricSourceType,
		Pods: &autoscalingv2.PodsMetricSource{Metric: autoscalingv2.MetricIdentifier{Name: name}, Target: it},
	}
}

func ofPods(name v1.ResourceName, it autoscalingv2.MetricTarget) autoscalingv2.MetricSpec {
	return autoscalingv2.MetricSpec{
		Type:     autoscalingv2.ResourceMetricSourceType,
		Resource: &autoscalingv2.ResourceMetricSource{Name: name, Target: it},
	}
}

func ofContainer(name v1.ResourceName, container string, it autoscalingv2.MetricTarget) autoscalingv2.MetricSpec {
	return autoscalingv2.MetricSpec{
		Type:              autoscalingv2.ContainerResourceMetricSourceType,
		ContainerResource: &autoscalingv2.ContainerResourceMetricSource{Name: name, Container: container, Target: it},
	}
}

// question draws a metric, its reading and pods.
func question(r *rand.Rand) calculationCase {
	one := calculationCase{SpecReplicas: int32(1 + r.IntN(60))}
	one.StatusReplicas = one.SpecReplicas
	if chance(r, 25) {
		one.StatusReplicas = r.Int32N(70)
	}
	if chance(r, 25) {
		one.Behavior = behavior(r)
	}
	const value, average, utilization = autoscalingv2.ValueMetricType, autoscalingv2.AverageValueMetricType, autoscalingv2.UtilizationMetricType
	share := near(r)
	if chance(r, 5) {
		one.SpecReplicas = 0
	}
	switch r.IntN(6) {
	case 0, 1:
		it, milli := target(r, value, average, average)
		if it.Type == average {
			milli *= int64(one.StatusReplicas)
		} else {
			one.Pods = pods(r, "", "", 0)
		}
		one.Metric = external("rps", it)
		one.Reading = externalReading(r, int64(share*float64(milli)))
	case 2:
		it, milli := target(r, value, average)
		if it.Type == average {
			milli *= int64(one.StatusReplicas)
		} else {
			one.Pods = pods(r, "", "", 0)
		}
		one.Metric = object("requests", it)
		one.Reading = &reading{Value: amount(r, int64(share*float64(milli)))}
		if chance(r, 4) {
			one.Reading = &reading{Error: "not found"}
		}
	case 3:
		it, milli := target(r, average)
		one.Metric = perPod("inflight", it)
		one.Pods = pods(r, "value", "", int64(share*float64(milli)))
	default:
		name := pick(r, v1.ResourceCPU, v1.ResourceCPU, v1.ResourceMemory)
		it, milli := target(r, utilization, utilization, average)
		if it.Type == utilization {
			// Requests are about 500 thousandths, or Mi.
			milli = 5 * milli
			if name == v1.ResourceMemory {
				milli *= 1000 << 20
			}
		}
		one.Metric = ofPods(name, it)
		if chance(r, 30) {
			one.Metric = ofContainer(name, pick(r, "web", "web", "web", "log", "side", "none"), it)
		}
		one.Pods = pods(r, "containers", string(name), int64(share*float64(milli)))
	}
	return one
}
