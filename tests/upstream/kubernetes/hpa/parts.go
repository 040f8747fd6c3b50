// Package hpa draws questions for the HPA controller and writes down its answers, in the format of
// tests/golden/hpa.
package hpa

import (
	"context"
	"math/rand/v2"
	"regexp"

	autoscalingv2 "k8s.io/api/autoscaling/v2"

	"scaletwin/upstream/kubernetes/oracle"
)

// Parts are all that can be asked.
var Parts = []oracle.Part{
	{Name: "replica-calculator", Clock: true, Ask: calculation},
	{Name: "behavior", Clock: true, Ask: behaviors},
	{Name: "reconcile", Clock: true, Ask: reconciles},
}

// calculation asks for the proposal of one metric.
func calculation(r *rand.Rand, id string) any {
	one := question(r)
	one.ID = id
	hpa := autoscaler(hpaSpec{MaxReplicas: 100, Metrics: []autoscalingv2.MetricSpec{one.Metric}, Behavior: one.Behavior})
	w := newWorld(hpa)
	defer w.end()
	w.setScale(one.SpecReplicas, one.StatusReplicas)
	w.setPods(one.Pods)
	for _, metric := range []string{"rps", "requests", "inflight"} {
		w.readings[metric] = one.Reading
	}
	status := autoscalingv2.MetricStatus{}
	replicas, reason, err := w.controller.Compute(context.Background(), hpa, one.Metric, one.SpecReplicas, one.StatusReplicas, selector.AsSelector(), &status)
	if err != nil {
		one.Expect.Reason, one.Expect.Error = &reason, settled(err)
		return one
	}
	one.Expect.Replicas = &replicas
	// Of no replicas the mean is no number, and what becomes of it the processor's.
	if one.StatusReplicas > 0 {
		one.Expect.Current = shown(status)
	}
	return one
}

// Upstream leaves to chance which of several pods or containers an error names, and in which order it lists HPAs: its
// informers and its map of selectors are maps of Go.
var byChance = regexp.MustCompile(`(pod-level )?request for .* Pod \S+|(container \S+ (of|in) )?[Pp]od \S+|HPAs: \[.*\]`)

// settled is an error's text without what is left to chance.
func settled(err error) string { return byChance.ReplaceAllString(err.Error(), "…") }

// shown is the value that a status shows, if it has one.
func shown(it autoscalingv2.MetricStatus) *autoscalingv2.MetricValueStatus {
	switch {
	case it.External != nil:
		return &it.External.Current
	case it.Object != nil:
		return &it.Object.Current
	case it.Pods != nil:
		return &it.Pods.Current
	case it.ContainerResource != nil:
		return &it.ContainerResource.Current
	case it.Resource != nil:
		return &it.Resource.Current
	}
	return nil
}
