package keda

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing/synctest"
	"time"

	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

// running is an object as it runs: with the real address of Prometheus.
func running(version Version, written Object) *kedav1alpha1.ScaledObject {
	it := scaledObject(version, written)
	for _, trigger := range it.Spec.Triggers {
		if trigger.Metadata["serverAddress"] == server {
			trigger.Metadata["serverAddress"] = prometheus.address
		}
	}
	return it
}

// value asks one trigger once.
func value(r *rand.Rand, version Version, id string) any {
	ctx, cancel := bubble()
	defer cancel()
	asked := Value{ID: id, Metadata: prometheusMetadata(r, 0), Answer: drawAnswer(r)}
	written := Object{Name: objectName, Spec: map[string]any{
		"triggers": []any{map[string]any{"type": "prometheus", "metadata": asked.Metadata}},
	}}
	it := running(version, written)
	w := newWorld(version, it, 1)
	it.Status.ScaleTargetGVKR = &kedav1alpha1.GroupVersionKindResource{Group: "apps", Version: "v1", Kind: "Deployment", Resource: "deployments"}
	set([]Answer{asked.Answer})
	metrics, active, err := version.Operator(w).Evaluate(ctx, it, 0, "s0-prometheus")
	if err != nil {
		asked.Expect.Error = err.Error()
		return asked
	}
	if len(metrics) != 1 {
		panic(fmt.Sprintf("%d metrics", len(metrics)))
	}
	asked.Expect = ValueExpect{Milli: ptr.To(metrics[0].Value.MilliValue()), Active: active}
	return asked
}

// generated reconciles an object once and looks at the HPA.
func generated(r *rand.Rand, version Version, id string) any {
	ctx, cancel := bubble()
	asked := Generated{ID: id, Object: object(r, version.Minor, chance(r, 25))}
	if chance(r, 25) {
		asked.Object.Annotations = annotations(r)
	}
	it := running(version, asked.Object)
	w := newWorld(version, it, 1)
	silent := make([]Answer, 8)
	set(silent)
	operator := version.Operator(w)
	err := operator.Reconcile(ctx)
	synctest.Wait()
	hpa := w.hpa(ctx)
	switch {
	case hpa != nil:
		asked.Expect = GeneratedExpect{Name: hpa.Name, Spec: hpa.Spec}
	case err != nil:
		asked.Expect.Error = err.Error()
	default:
		asked.Expect.Error = "paused"
	}
	cancel()
	_ = operator.Stop(ctx, it)
	synctest.Wait()
	return asked
}

// execution calls the executor once.
func execution(r *rand.Rand, version Version, id string) any {
	ctx, cancel := bubble()
	defer cancel()
	asked := Execution{ID: id, Object: object(r, version.Minor, false)}
	if chance(r, 30) {
		asked.Object.Annotations = annotations(r)
	}
	asked.Object.Spec["triggers"] = []any{map[string]any{"type": "prometheus", "metadata": prometheusMetadata(r, 0)}}
	delete(asked.Object.Spec, "advanced")
	asked.Replicas = int32(pick(r, 0, 0, 1, 1, 2, 3, 4, 5, 8))
	asked.Active, asked.Failed = chance(r, 40), chance(r, 30)
	it := running(version, asked.Object)
	epoch := time.Now().Unix()
	it.Status.ScaleTargetGVKR = &kedav1alpha1.GroupVersionKindResource{Group: "apps", Version: "v1", Kind: "Deployment", Resource: "deployments"}
	it.Status.Conditions = *kedav1alpha1.GetInitializedConditions()
	// On the edge of a cooldown as often as not.
	cooldown := time.Duration(ptr.Deref(it.Spec.CooldownPeriod, 300)) * time.Second
	initial := time.Duration(0)
	if period, ok := asked.Object.Spec["initialCooldownPeriod"].(int); ok {
		initial = time.Duration(period) * time.Second
	}
	edge := cooldown
	if chance(r, 60) {
		asked.LastActive = ptr.To(epoch)
		it.Status.LastActiveTime = &metav1.Time{Time: time.Unix(epoch, 0)}
	} else {
		edge = initial
	}
	asked.Created = epoch
	wait := edge + pick(r, 0, 1, -1, time.Second, -time.Second, time.Duration(r.Int64N(400))*time.Second)
	if asked.LastActive != nil {
		// Within the same second a refreshed time could not be told from the old one.
		wait = max(wait, time.Second)
	}
	w := newWorld(version, it, asked.Replicas)
	if wait > 0 {
		time.Sleep(wait)
	}
	asked.Now = time.Now().UnixNano()
	before := it.Status.LastActiveTime
	version.RequestScale(ctx, w, it, asked.Active, asked.Failed)
	after := w.object(ctx)
	asked.Expect.Replicas = *w.deployment(ctx).Spec.Replicas
	last := after.Status.LastActiveTime
	asked.Expect.Refreshed = last != nil && last.Unix() == time.Now().Unix() && (before == nil || before.Unix() != last.Unix())
	condition := func(it kedav1alpha1.Condition) string {
		return strings.TrimSpace(string(it.Status) + " " + it.Reason)
	}
	asked.Expect.Active = condition(after.Status.Conditions.GetActiveCondition())
	asked.Expect.Ready = condition(after.Status.Conditions.GetReadyCondition())
	return asked
}

// sequence lives through some minutes.
func sequence(r *rand.Rand, version Version, id string) any {
	ctx, cancel := bubble()
	asked := Sequence{ID: id, Object: object(r, version.Minor, chance(r, 25)), Writes: [][2]int64{}, Queries: [][2]int64{}}
	asked.Replicas = int32(pick(r, 0, 1, 2, 3, 6))
	count := len(asked.Object.Spec["triggers"].([]any))
	var answers []Answer
	for range count {
		answers = append(answers, calm(r))
	}
	asked.Answers = slices.Clone(answers)
	it := running(version, asked.Object)
	w := newWorld(version, it, asked.Replicas)
	start := time.Now().Unix()
	set(slices.Clone(answers))
	operator := version.Operator(w)
	w.wake()
	go w.reconcile(ctx, operator)
	at, paused := int64(0), false
	collect := func() {
		for _, one := range takeAsked() {
			asked.Queries = append(asked.Queries, [2]int64{one[1] - start, one[0]})
		}
	}
	for range 6 + r.IntN(10) {
		// Never on a whole second, where polls are.
		next := at/1000*1000 + int64(1+r.IntN(25))*1000 + int64(100+r.IntN(800))
		time.Sleep(time.Duration(next-at) * time.Millisecond)
		synctest.Wait()
		at = next
		step := Step{At: at}
		switch r.IntN(10) {
		case 0, 1, 2:
			trigger := r.IntN(count)
			answers = slices.Clone(answers)
			answers[trigger] = calm(r)
			step.Answers = map[int]Answer{trigger: answers[trigger]}
			collect()
			set(answers)
		case 3:
			step.Replicas = ptr.To(int32(r.IntN(8)))
			w.setReplicas(ctx, *step.Replicas)
		case 4:
			step.Ready = ptr.To(int32(r.IntN(6)))
			w.setReady(ctx, *step.Ready)
		case 5:
			step.Annotations = ptr.To(annotations(r))
			if version.Minor < 20 {
				// When the HPA of an object with this goes depends on how often the reconciler has failed before.
				delete(*step.Annotations, prefix+"paused-replicas")
				// Two writers race for the condition Paused when a pause ends, so that a second one may do nothing.
				if paused {
					delete(*step.Annotations, prefix+"paused")
				}
				_, now := (*step.Annotations)[prefix+"paused"]
				paused = paused || now
			}
			edited := w.object(ctx)
			edited.Annotations = *step.Annotations
			if err := w.Client.Update(ctx, edited); err != nil {
				panic(err)
			}
		default:
			step.Pull = "s0-prometheus"
			names := w.object(ctx).Status.ExternalMetricNames
			if len(names) > 0 {
				step.Pull = pick(r, names...)
			}
			if modifiers := it.Spec.Advanced; modifiers != nil && modifiers.ScalingModifiers.Target != "" {
				step.Pull = kedav1alpha1.CompositeMetricName
			}
			if w.hpa(ctx) == nil || len(names) == 0 {
				// Nobody asks.
				step.Pull = ""
				break
			}
			found, err := operator.Pull(ctx, step.Pull)
			switch {
			case err != nil:
				step.Expect.Error = err.Error()
			case len(found.Items) == 0:
				// The HPA takes an empty list for an error.
				step.Expect.Error = "empty"
			default:
				// The HPA adds them up.
				sum := int64(0)
				for _, it := range found.Items {
					sum += it.Value.MilliValue()
				}
				step.Expect.Milli = &sum
			}
		}
		synctest.Wait()
		step.Expect.Replicas = *w.deployment(ctx).Spec.Replicas
		if hpa := w.hpa(ctx); hpa != nil {
			step.Expect.HPA = &[2]int32{ptr.Deref(hpa.Spec.MinReplicas, 1), hpa.Spec.MaxReplicas}
		}
		asked.Steps = append(asked.Steps, step)
	}
	collect()
	cancel()
	_ = operator.Stop(ctx, it)
	synctest.Wait()
	slices.SortFunc(asked.Queries, func(a, b [2]int64) int { return slices.Compare(a[:], b[:]) })
	if w.writes != nil {
		asked.Writes = w.writes
	}
	return asked
}
