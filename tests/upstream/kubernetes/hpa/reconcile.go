package hpa

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing/synctest"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	v1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
)

// reconciles syncs a few times: metrics of all types, calls that take time and fail, others who write and select.
func reconciles(r *rand.Rand, id string) any {
	s := begin(r, id)
	s.Shared = chance(r, 6)
	var wanted []int64
	for number := range pick(r, 1, 2, 2, 3, 3, 4) {
		metric, milli := s.metric(number)
		s.HPA.Metrics = append(s.HPA.Metrics, metric)
		wanted = append(wanted, milli)
	}
	if chance(r, 50) {
		s.HPA.Behavior = behavior(r)
	}
	s.w = newWorld(autoscaler(s.HPA))
	defer func() { s.w.end() }()
	if s.Shared {
		s.w.controller.Share(namespace, selector.AsSelector())
	}
	var taken time.Duration
	for index := range 2 + r.IntN(6) {
		if index > 0 {
			s.wait(15_000+pick(r, 0, 50+r.Int64N(300), r.Int64N(400_000)), taken)
		}
		began := time.Now()
		it := step{T: s.at}
		s.current = s.load()
		if chance(r, 8) {
			it.SetReplicas = ptr.To(pick(r, 0, ptr.Deref(s.current.Spec.MinReplicas, 1), int32(r.IntN(int(s.HPA.MaxReplicas)+5))))
			s.replicas = *it.SetReplicas
		}
		s.edit(&it)
		it.SpecReplicas, it.StatusReplicas = s.replicas, max(0, s.replicas+pick(r, int32(0), 0, 0, 0, 1, -1, 3, -s.replicas))
		s.w.setScale(it.SpecReplicas, it.StatusReplicas)
		share := near(r)
		if chance(r, 65) {
			it.Pods = s.mixed(share)
			s.w.setPods(it.Pods)
		} else {
			s.count(&it)
		}
		s.read(&it, wanted, share)
		s.w.getError, s.w.setError, s.w.conflicts, s.w.latency = "", "", 0, latency{}
		if chance(r, 4) {
			it.Selector = ptr.To(pick(r, "", "app in ("))
			s.w.replicas.Status.Selector = *it.Selector
		}
		if chance(r, 4) {
			it.GetScaleError = "etcdserver: request timed out"
		}
		if it.GetScaleError == "" && it.Selector == nil && !(s.Shared && len(s.w.pods) > 0) {
			s.propose(&it)
		}
		if chance(r, 5) {
			it.UpdateConflicts = 1 + r.IntN(6)
		}
		if chance(r, 5) {
			it.UpdateError = "admission webhook denied the request"
		}
		if chance(r, 20) {
			it.Latency = &latency{1 + r.Int64N(8), 1 + r.Int64N(800), 1 + r.Int64N(40)}
			s.w.latency = *it.Latency
		}
		s.w.getError, s.w.setError, s.w.conflicts = it.GetScaleError, it.UpdateError, it.UpdateConflicts
		s.sync(&it)
		if it.StatusReplicas > 0 {
			for _, one := range s.load().Status.CurrentMetrics {
				it.Expect.Metrics = append(it.Expect.Metrics, shown(one))
			}
		}
		s.Steps = append(s.Steps, it)
		taken = time.Since(began)
	}
	synctest.Wait()
	return s.sequenceCase
}

// metric draws one, with what of it is wanted in thousandths, for all pods or for one.
func (s *sequence) metric(number int) (autoscalingv2.MetricSpec, int64) {
	r := s.r
	const value, average, utilization = autoscalingv2.ValueMetricType, autoscalingv2.AverageValueMetricType, autoscalingv2.UtilizationMetricType
	switch r.IntN(5) {
	case 0, 1:
		it, milli := target(r, value, average, average)
		return external(fmt.Sprintf("m%d", number), it), milli
	case 2:
		it, milli := target(r, value, average)
		return object(fmt.Sprintf("m%d", number), it), milli
	case 3:
		// Pods show 500 thousandths.
		it := autoscalingv2.MetricTarget{Type: average, AverageValue: quantity(pick(r, "500m", "250m", "1", "477m"))}
		return perPod(fmt.Sprintf("m%d", number), it), 0
	}
	it, _ := target(r, utilization, utilization, average)
	name := pick(r, v1.ResourceCPU, v1.ResourceCPU, v1.ResourceMemory)
	if it.AverageValue != nil {
		it.AverageValue = quantity(pick(r, "100", "250", "477") + map[v1.ResourceName]string{v1.ResourceCPU: "m", v1.ResourceMemory: "Mi"}[name])
	}
	if chance(r, 30) {
		return ofContainer(name, pick(r, "web", "web", "web", "log", "side", "none"), it), 0
	}
	return ofPods(name, it), 0
}

// mixed draws pods that ask for both resources and show all metrics.
func (s *sequence) mixed(share float64) []pod {
	r := s.r
	all := pods(r, "containers", string(v1.ResourceCPU), int64(500*share))
	for at := range all {
		one := &all[at]
		for number := range one.Containers {
			if own := one.Containers[number].Requests; own != nil {
				own["memory"] = pick(r, "256Mi", "512Mi", "500M")
				if chance(r, 3) {
					delete(own, "memory")
				}
			}
		}
		if one.Sample == nil {
			continue
		}
		one.Sample.Value = amount(r, int64(500*share))
		for _, container := range slices.Sorted(maps.Keys(one.Sample.Containers)) {
			if !chance(r, 4) {
				one.Sample.Containers[container]["memory"] = fmt.Sprintf("%dKi", int64(share*float64(250_000+r.IntN(100_000))))
			}
		}
	}
	return all
}

// read draws the readings, which are about that share of what is wanted.
func (s *sequence) read(it *step, wanted []int64, share float64) {
	failed := chance(s.r, 8)
	for number, metric := range s.HPA.Metrics {
		milli := int64(share * float64(wanted[number]))
		made := &reading{}
		switch metric.Type {
		case autoscalingv2.ExternalMetricSourceType:
			if metric.External.Target.Type == autoscalingv2.AverageValueMetricType {
				milli *= int64(it.StatusReplicas)
			}
			made = externalReading(s.r, milli)
		case autoscalingv2.ObjectMetricSourceType:
			if metric.Object.Target.Type == autoscalingv2.AverageValueMetricType {
				milli *= int64(it.StatusReplicas)
			}
			made.Value = amount(s.r, milli)
			if chance(s.r, 6) {
				*made = reading{Error: "not found"}
			}
		case autoscalingv2.PodsMetricSourceType:
			if chance(s.r, 6) {
				made.Error = "not found"
			}
		default:
			if failed {
				made.Error = "the server is currently unable to handle the request"
			}
			s.w.readings["resource"] = made
		}
		it.Readings = append(it.Readings, *made)
		s.w.readings[fmt.Sprintf("m%d", number)] = made
	}
}
