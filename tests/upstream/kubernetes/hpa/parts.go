package hpa

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing/synctest"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

// calculation asks for the proposal of one metric.
func calculation(r *rand.Rand, id string) any {
	one := question(r)
	one.ID = id
	hpa := autoscaler(hpaSpec{MaxReplicas: 100, Metrics: []autoscalingv2.MetricSpec{one.Metric}, Behavior: one.Behavior})
	w := newWorld(hpa)
	defer w.stop()
	w.setScale(one.SpecReplicas, one.StatusReplicas)
	w.setPods(one.Pods)
	for _, metric := range []string{"rps", "requests", "inflight"} {
		w.readings[metric] = one.Reading
	}
	status := autoscalingv2.MetricStatus{}
	replicas, reason, err := w.controller.Compute(context.Background(), hpa, one.Metric, one.SpecReplicas, one.StatusReplicas, selector.AsSelector(), &status)
	if err != nil {
		one.Expect.Reason, one.Expect.Error = &reason, err.Error()
		return one
	}
	one.Expect.Replicas = &replicas
	switch {
	case status.External != nil:
		one.Expect.Current = &status.External.Current
	case status.Object != nil:
		one.Expect.Current = &status.Object.Current
	case status.Pods != nil:
		one.Expect.Current = &status.Pods.Current
	case status.ContainerResource != nil:
		one.Expect.Current = &status.ContainerResource.Current
	case status.Resource != nil:
		one.Expect.Current = &status.Resource.Current
	}
	return one
}

// sequence syncs again and again.
func sequence(r *rand.Rand, id string) any {
	ctx := context.Background()
	one := sequenceCase{ID: id, InitialReplicas: int32(1 + r.IntN(20))}
	one.HPA.MaxReplicas = int32(2 + r.IntN(60))
	if chance(r, 80) {
		one.HPA.MinReplicas = ptr.To(int32(1 + r.IntN(int(min(one.HPA.MaxReplicas, 6)))))
	}
	milli := map[string]int64{}
	for index := range pick(r, 1, 1, 1, 2) {
		metric := fmt.Sprintf("m%d", index)
		it, wanted := target(r, autoscalingv2.AverageValueMetricType, autoscalingv2.AverageValueMetricType, autoscalingv2.ValueMetricType)
		one.HPA.Metrics = append(one.HPA.Metrics, external(metric, it))
		milli[metric] = wanted
	}
	if chance(r, 60) {
		one.HPA.Behavior = behavior(r)
	}
	hpa := autoscaler(one.HPA)
	w := newWorld(hpa)
	defer func() { w.stop() }()
	replicas, at := one.InitialReplicas, int64(0)
	load := float64(one.InitialReplicas)
	exact := chance(r, 50)
	for index := range 10 + r.IntN(30) {
		if index > 0 {
			wait := int64(15_000)
			if !exact {
				wait += 20 + r.Int64N(380)
			}
			if chance(r, 4) {
				wait += r.Int64N(600_000)
			}
			at += wait
			time.Sleep(time.Duration(wait) * time.Millisecond)
		}
		it := step{T: at}
		current, err := w.client.AutoscalingV2().HorizontalPodAutoscalers(namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			panic(err)
		}
		if chance(r, 3) {
			it.SetReplicas = ptr.To(int32(r.IntN(int(one.HPA.MaxReplicas) + 5)))
			replicas = *it.SetReplicas
		}
		if chance(r, 2) {
			it.MaxReplicas = ptr.To(current.Spec.MaxReplicas + int32(r.IntN(20)))
			current.Spec.MaxReplicas = *it.MaxReplicas
			// The API keeps what a user writes.
			if _, err := w.client.AutoscalingV2().HorizontalPodAutoscalers(namespace).Update(ctx, current, metav1.UpdateOptions{}); err != nil {
				panic(err)
			}
		}
		if chance(r, 2) {
			it.ControllerRestart = true
			w.stop()
			w.start(current)
		}
		it.SpecReplicas, it.StatusReplicas = replicas, replicas
		if chance(r, 20) {
			it.StatusReplicas = max(1, replicas+int32(r.IntN(7))-3)
		}
		it.StatusReplicas = max(1, it.StatusReplicas)
		it.ReadyPods = it.StatusReplicas
		if chance(r, 20) {
			it.UnreadyPods = int32(r.IntN(int(it.ReadyPods) + 1))
			it.ReadyPods -= it.UnreadyPods
		}
		var all []pod
		for number := range it.ReadyPods + it.UnreadyPods {
			made := pod{Name: fmt.Sprintf("app-%d", number), Phase: "Running", StartedSecondsAgo: ptr.To(1000.0), Ready: &ready{"True", 900}}
			if number >= it.ReadyPods {
				made.Phase, made.Ready = "Pending", nil
			}
			all = append(all, made)
		}
		w.setPods(all)
		w.setScale(it.SpecReplicas, it.StatusReplicas)
		load *= pick(r, 1, 1, 1, 1.02, 1.1, 0.97, 0.9, 1.5, 0.6, 2)
		load = min(load, 1000)
		for _, metric := range one.HPA.Metrics {
			name := metric.External.Metric.Name
			amount := load * float64(milli[name])
			if metric.External.Target.Type == autoscalingv2.ValueMetricType {
				amount = load / float64(max(1, replicas)) * float64(milli[name])
			}
			made := externalReading(r, int64(amount))
			w.readings[name] = made
			it.Readings = append(it.Readings, *made)
		}
		minimum := ptr.Deref(current.Spec.MinReplicas, 1)
		if it.SpecReplicas != 0 && it.SpecReplicas <= current.Spec.MaxReplicas && it.SpecReplicas >= minimum {
			if proposal, _ := w.controller.Propose(ctx, current.DeepCopy(), &w.replicas); proposal >= 0 {
				it.Expect.Proposal = &proposal
			}
			drain(w.recorder.Events)
		}
		if err := w.controller.Reconcile(ctx, current); err != nil {
			it.Expect.Error = err.Error()
		}
		after, err := w.client.AutoscalingV2().HorizontalPodAutoscalers(namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			panic(err)
		}
		it.Expect.DesiredReplicas = after.Status.DesiredReplicas
		it.Expect.SpecReplicasAfter = w.replicas.Spec.Replicas
		it.Expect.Conditions = map[string]string{}
		for _, condition := range after.Status.Conditions {
			it.Expect.Conditions[string(condition.Type)] = string(condition.Status) + " " + condition.Reason
		}
		for _, event := range drain(w.recorder.Events) {
			if _, reason, found := strings.Cut(event, "; reason: "); found && strings.HasPrefix(event, "Normal SuccessfulRescale") {
				it.Expect.Rescaled, it.Expect.RescaleReason = true, reason
			}
		}
		replicas = it.Expect.SpecReplicasAfter
		one.Steps = append(one.Steps, it)
	}
	synctest.Wait()
	return one
}

func drain(events chan string) (all []string) {
	for {
		select {
		case one := <-events:
			all = append(all, one)
		default:
			return all
		}
	}
}
