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

// sequence is an HPA that syncs again and again.
type sequence struct {
	sequenceCase
	w *world
	r *rand.Rand
	// replicas that the scale has; at is now, in milliseconds.
	replicas int32
	at       int64
	current  *autoscalingv2.HorizontalPodAutoscaler
}

// begin draws how many replicas there are and may be. Metrics and behavior are yet to come.
func begin(r *rand.Rand, id string) *sequence {
	s := &sequence{r: r, sequenceCase: sequenceCase{ID: id, InitialReplicas: int32(r.IntN(pick(r, 20, 20, 80)))}}
	s.HPA.MaxReplicas = int32(2 + r.IntN(pick(r, 20, 60, 60, 1000)))
	if chance(r, 80) {
		s.HPA.MinReplicas = ptr.To(int32(1 + r.IntN(int(min(s.HPA.MaxReplicas, 6)))))
	}
	s.replicas = s.InitialReplicas
	return s
}

func (s *sequence) load() *autoscalingv2.HorizontalPodAutoscaler {
	it, err := s.w.client.AutoscalingV2().HorizontalPodAutoscalers(namespace).Get(context.Background(), name, metav1.GetOptions{})
	if err != nil {
		panic(err)
	}
	return it
}

// wait lets time pass, of which a sync has taken some.
func (s *sequence) wait(milli int64, taken time.Duration) {
	s.at += milli
	time.Sleep(time.Duration(milli)*time.Millisecond - taken)
}

// edit lets a user change the HPA, now and then.
func (s *sequence) edit(it *step) {
	r, spec := s.r, &s.current.Spec
	if chance(r, 2) {
		it.MaxReplicas = ptr.To(spec.MaxReplicas + int32(r.IntN(20)))
		if lowest := ptr.Deref(spec.MinReplicas, 1); chance(r, 40) {
			*it.MaxReplicas = lowest + r.Int32N(spec.MaxReplicas-lowest+1)
		}
		spec.MaxReplicas = *it.MaxReplicas
	}
	if chance(r, 2) {
		it.MinReplicas = ptr.To(1 + r.Int32N(spec.MaxReplicas))
		spec.MinReplicas = it.MinReplicas
	}
	if chance(r, 2) {
		var written *autoscalingv2.HorizontalPodAutoscalerBehavior
		if chance(r, 70) {
			written = behavior(r)
		}
		it.Behavior = &written
		spec.Behavior = autoscaler(hpaSpec{MaxReplicas: 1, Metrics: s.HPA.Metrics, Behavior: written}).Spec.Behavior
	}
	if it.MaxReplicas != nil || it.MinReplicas != nil || it.Behavior != nil {
		// The API keeps what a user writes.
		if _, err := s.w.client.AutoscalingV2().HorizontalPodAutoscalers(namespace).Update(context.Background(), s.current, metav1.UpdateOptions{}); err != nil {
			panic(err)
		}
	}
}

// propose asks for the replicas before limits, if a sync will.
func (s *sequence) propose(it *step) {
	minimum := ptr.Deref(s.current.Spec.MinReplicas, 1)
	if it.SpecReplicas == 0 || it.SpecReplicas > s.current.Spec.MaxReplicas || it.SpecReplicas < minimum {
		return
	}
	if proposal, made := s.w.controller.Propose(context.Background(), s.current.DeepCopy(), &s.w.replicas); made {
		// What a sync takes of a negative one.
		it.Expect.Proposal = ptr.To(max(0, proposal))
	}
	drain(s.w.recorder.Events)
}

// sync reconciles and writes down what came of it.
func (s *sequence) sync(it *step) {
	if err := s.w.controller.Reconcile(context.Background(), s.current); err != nil {
		it.Expect.Error = settled(err)
	}
	after := s.load()
	it.Expect.DesiredReplicas = after.Status.DesiredReplicas
	it.Expect.SpecReplicasAfter = s.w.replicas.Spec.Replicas
	it.Expect.Conditions = map[string]string{}
	for _, condition := range after.Status.Conditions {
		it.Expect.Conditions[string(condition.Type)] = string(condition.Status) + " " + condition.Reason
	}
	for _, event := range drain(s.w.recorder.Events) {
		if _, reason, found := strings.Cut(event, "; reason: "); found && strings.HasPrefix(event, "Normal SuccessfulRescale") {
			it.Expect.Rescaled, it.Expect.RescaleReason = true, reason
		}
	}
	s.replicas = it.Expect.SpecReplicasAfter
}

// count draws how many pods there are and puts them there.
func (s *sequence) count(it *step) {
	it.ReadyPods = it.StatusReplicas
	if chance(s.r, 20) {
		it.UnreadyPods = int32(s.r.IntN(int(it.ReadyPods) + 1))
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
	s.w.setPods(all)
}

// behaviors syncs many times with external metrics.
func behaviors(r *rand.Rand, id string) any {
	s := begin(r, id)
	milli := map[string]int64{}
	for index := range pick(r, 1, 1, 1, 2) {
		metric := fmt.Sprintf("m%d", index)
		it, wanted := target(r, autoscalingv2.AverageValueMetricType, autoscalingv2.AverageValueMetricType, autoscalingv2.ValueMetricType)
		s.HPA.Metrics = append(s.HPA.Metrics, external(metric, it))
		milli[metric] = wanted
	}
	if chance(r, 60) {
		s.HPA.Behavior = behavior(r)
	}
	s.w = newWorld(autoscaler(s.HPA))
	defer func() { s.w.end() }()
	load := float64(s.InitialReplicas)
	exact, slow := chance(r, 50), chance(r, 20)
	var taken time.Duration
	for index := range 10 + r.IntN(30) {
		if index > 0 {
			wait := int64(15_000)
			if !exact {
				wait += 20 + r.Int64N(380)
			}
			if chance(r, 4) {
				wait += r.Int64N(600_000)
			}
			s.wait(wait, taken)
		}
		began := time.Now()
		it := step{T: s.at}
		s.current = s.load()
		if chance(r, 3) {
			it.SetReplicas = ptr.To(int32(r.IntN(int(s.HPA.MaxReplicas) + 5)))
			s.replicas = *it.SetReplicas
		}
		s.edit(&it)
		if chance(r, 2) {
			it.ControllerRestart = true
			s.w.stop()
			s.w.start(s.current)
		}
		it.SpecReplicas, it.StatusReplicas = s.replicas, s.replicas
		if chance(r, 20) {
			it.StatusReplicas = s.replicas + int32(r.IntN(7)) - 3
		}
		it.StatusReplicas = max(0, it.StatusReplicas)
		s.count(&it)
		s.w.setScale(it.SpecReplicas, it.StatusReplicas)
		load *= pick(r, 1, 1, 1, 1.02, 1.1, 0.97, 0.9, 1.5, 0.6, 2)
		load = min(load, 1000)
		for _, metric := range s.HPA.Metrics {
			name := metric.External.Metric.Name
			amount := load * float64(milli[name])
			if metric.External.Target.Type == autoscalingv2.ValueMetricType {
				amount = load / float64(max(1, s.replicas)) * float64(milli[name])
			}
			made := externalReading(r, int64(amount))
			s.w.readings[name] = made
			it.Readings = append(it.Readings, *made)
		}
		s.w.latency = latency{}
		s.propose(&it)
		if slow {
			it.Latency = &latency{1 + r.Int64N(8), 1 + r.Int64N(1300), 1 + r.Int64N(40)}
			s.w.latency = *it.Latency
		}
		s.sync(&it)
		s.Steps = append(s.Steps, it)
		taken = time.Since(began)
	}
	synctest.Wait()
	return s.sequenceCase
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
