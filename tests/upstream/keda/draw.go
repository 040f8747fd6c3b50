package keda

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
)

const objectName = "web"

// server stands for the address in what is written down; a case runs with the real one.
const server = "http://prometheus:9090"

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

func chance(r *rand.Rand, percent int) bool { return r.IntN(100) < percent }

// number draws a float as it is found in metrics: often round, sometimes just beside a rounding edge.
func number(r *rand.Rand) float64 {
	switch r.IntN(8) {
	case 0:
		return 0
	case 1:
		return float64(r.IntN(100))
	case 2:
		return float64(r.IntN(100000)) / 1000
	case 3: // beside half a thousandth
		return float64(2*r.IntN(20000)+1)/2000 + pick(r, 0, 1e-12, -1e-12)
	case 4:
		return math.Nextafter(float64(r.IntN(10000))/1000, pick(r, math.Inf(1), math.Inf(-1)))
	case 5:
		return -float64(r.IntN(10000)) / 1000
	case 6:
		return r.Float64() * math.Pow(10, float64(r.IntN(13)-3))
	}
	return r.Float64() * 50
}

func text(value float64) string { return strconv.FormatFloat(value, 'f', -1, 64) }

// element draws the text of one element of a vector.
func element(r *rand.Rand) string {
	if chance(r, 8) {
		return pick(r, "NaN", "+Inf", "-Inf")
	}
	return text(number(r))
}

func vector(elements ...string) Answer {
	all := append([]string{}, elements...)
	return Answer{Vector: &all}
}

// answers draws what Prometheus says: mostly one element.
func drawAnswer(r *rand.Rand) Answer {
	switch r.IntN(12) {
	case 0:
		return vector()
	case 1:
		return vector(element(r), element(r))
	case 2:
		return pick(r, Answer{}, Answer{Garbage: true}, Answer{Scalar: text(number(r))})
	}
	return vector(element(r))
}

// calm draws an answer of a trigger's life: small numbers, none, failures.
func calm(r *rand.Rand) Answer {
	switch r.IntN(10) {
	case 0:
		return vector()
	case 1, 2:
		return Answer{}
	case 3, 4:
		return vector("0")
	}
	return vector(text(float64(r.IntN(600)) / 8))
}

// prometheusMetadata draws a trigger's metadata.
func prometheusMetadata(r *rand.Rand, trigger int) map[string]string {
	metadata := map[string]string{"serverAddress": server, "query": query(trigger)}
	metadata["threshold"] = pick(r, "1", "5", "10", "12.5", "0.1", "0.0015", "99.9996", "1e3", "7.3335", text(float64(1+r.IntN(200000))/1000))
	if chance(r, 40) {
		metadata["activationThreshold"] = pick(r, "0", "1", "5", "0.5", "20.25")
	}
	if chance(r, 40) {
		metadata["ignoreNullValues"] = pick(r, "true", "false")
	}
	return metadata
}

// schedules: pairs of a cron trigger's start and end, some of which open or close within a case's minutes.
var schedules = [][2]string{
	{"2 * * * *", "4 * * * *"}, {"*/3 * * * *", "1-59/3 * * * *"}, {"0 8 * * 1-5", "0 20 * * 1-5"},
	{"30 23 * * *", "3 0 * * *"}, {"0 0 1 1 *", "5 0 1 1 *"}, {"1,5 * * * *", "3 * * * ?"},
}

func cronMetadata(r *rand.Rand) map[string]string {
	schedule := pick(r, schedules...)
	return map[string]string{
		"timezone": pick(r, "UTC", "Etc/UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"),
		"start":    schedule[0], "end": schedule[1], "desiredReplicas": strconv.Itoa(1 + r.IntN(12)),
	}
}

// triggers draws them; with names there is at least one external one, and all of those have one.
func triggers(r *rand.Rand, named bool) []any {
	var all []any
	count := pick(r, 1, 1, 1, 2, 2, 3)
	for index := range count {
		one := map[string]any{}
		kind := pick(r, "prometheus", "prometheus", "prometheus", "cron", "cpu", "memory")
		if index == 0 && (named || chance(r, 80)) {
			kind = "prometheus"
		}
		one["type"] = kind
		switch kind {
		case "prometheus":
			one["metadata"] = prometheusMetadata(r, index)
			if chance(r, 30) {
				one["metricType"] = pick(r, "AverageValue", "Value")
			}
			if chance(r, 15) {
				one["useCachedMetrics"] = true
			}
		case "cron":
			one["metadata"] = cronMetadata(r)
		default:
			metadata := map[string]string{"value": strconv.Itoa(10 * (1 + r.IntN(9)))}
			if chance(r, 25) {
				metadata["containerName"] = "web"
			}
			one["metricType"] = "Utilization"
			if chance(r, 30) {
				one["metricType"] = "AverageValue"
				metadata["value"] = pick(r, "250m", "2", "512Mi", "1500M")
			}
			one["metadata"] = metadata
		}
		if named || chance(r, 20) {
			one["name"] = string(rune('a' + index))
		}
		all = append(all, one)
	}
	return all
}

// external counts the triggers that a formula may name.
func external(triggers []any) (names []string) {
	for _, it := range triggers {
		one := it.(map[string]any)
		if name, ok := one["name"].(string); ok && one["type"] != "cpu" && one["type"] != "memory" {
			names = append(names, name)
		}
	}
	return names
}

// formula draws one over the names.
func formula(r *rand.Rand, names []string, minor int, fallback bool) string {
	a, b := pick(r, names...), pick(r, names...)
	if fallback {
		return pick(r, fmt.Sprintf("%s ?? %s", a, b), fmt.Sprintf("%s ?? %s ?? 7", a, b), fmt.Sprintf("(%s ?? 3) + 1", a))
	}
	if minor < 13 {
		// Its language is an older one, and wants a float.
		return pick(r,
			fmt.Sprintf("%s + %s", a, b), fmt.Sprintf("(%s + %s) / 2", a, b), fmt.Sprintf("%s * 3 - %s", a, b),
			fmt.Sprintf("%s > 10 ? %s : 4.0", a, b), fmt.Sprintf("%s > 5 && %s < 40 ? 11.0 : %s", a, b, a),
			fmt.Sprintf("%s / (%s + 1)", a, b), fmt.Sprintf("%s ** 2", a),
		)
	}
	return pick(r,
		fmt.Sprintf("%s + %s", a, b), fmt.Sprintf("(%s + %s) / 2", a, b), fmt.Sprintf("%s * 3 - %s", a, b),
		fmt.Sprintf("%s > 10 ? %s : 4", a, b), fmt.Sprintf("max(%s, %s)", a, b), fmt.Sprintf("min(%s, 25.5)", a),
		fmt.Sprintf("%s / %s", a, b), fmt.Sprintf("ceil(%s / 3)", a), fmt.Sprintf("abs(%s - 20)", a),
		fmt.Sprintf("%s > 5 && %s < 40 ? 11 : %s", a, b, a), fmt.Sprintf("count([%s, %s], {# > 8}) > 1 ? 6 : 0", a, b),
		"float("+a+")", fmt.Sprintf("%s ** 2", a), fmt.Sprintf("let x = %s; x + x", a),
	)
}

// behaviors draws horizontalPodAutoscalerConfig.behavior.
func rules(r *rand.Rand) map[string]any {
	all := map[string]any{}
	if chance(r, 70) {
		all["stabilizationWindowSeconds"] = 15 * r.IntN(41)
	}
	if chance(r, 30) {
		all["selectPolicy"] = pick(r, "Max", "Min", "Disabled")
	}
	if chance(r, 60) {
		all["policies"] = []any{map[string]any{
			"type": pick(r, "Pods", "Percent"), "value": 1 + r.IntN(100), "periodSeconds": 15 * (1 + r.IntN(8)),
		}}
	}
	return all
}

// object draws a ScaledObject that the admission webhook would let pass.
func object(r *rand.Rand, minor int, modified bool) Object {
	spec := map[string]any{}
	if chance(r, 80) {
		spec["pollingInterval"] = pick(r, 5, 10, 15, 30)
	}
	if chance(r, 80) {
		spec["cooldownPeriod"] = pick(r, 1, 10, 30, 45, 60)
	}
	if chance(r, 30) {
		spec["initialCooldownPeriod"] = pick(r, 0, 7, 20, 60)
	}
	minimum := 0
	if chance(r, 75) {
		minimum = pick(r, 0, 0, 1, 2, 3, 5)
		spec["minReplicaCount"] = minimum
	}
	if chance(r, 70) {
		spec["maxReplicaCount"] = minimum + 1 + r.IntN(20)
	}
	if minimum > 0 && chance(r, 30) {
		spec["idleReplicaCount"] = r.IntN(minimum)
	}
	named := modified || chance(r, 20)
	all := triggers(r, named)
	spec["triggers"] = all
	advanced := map[string]any{}
	nils := false
	if names := external(all); named && len(names) > 0 && (modified || chance(r, 50)) {
		nils = minor >= 20 && chance(r, 25)
		modifiers := map[string]any{
			"formula": formula(r, names, minor, nils), "target": pick(r, "1", "5", "10", "2.5", "0.25", "3.3335"),
		}
		if chance(r, 40) {
			modifiers["activationTarget"] = pick(r, "0", "5", "12.5")
		}
		if chance(r, 40) {
			modifiers["metricType"] = pick(r, "AverageValue", "Value")
		}
		advanced["scalingModifiers"] = modifiers
	}
	if nils || chance(r, 45) {
		fallback := map[string]any{"failureThreshold": r.IntN(4), "replicas": r.IntN(9)}
		switch {
		case nils:
			fallback["behavior"] = "scalingModifiers"
		case minor >= 17 && chance(r, 60):
			fallback["behavior"] = pick(r, "static", "currentReplicas", "currentReplicasIfHigher", "currentReplicasIfLower")
		}
		spec["fallback"] = fallback
	}
	config := map[string]any{}
	if chance(r, 15) {
		config["name"] = "own-name"
	}
	if chance(r, 30) {
		config["behavior"] = map[string]any{"scaleUp": rules(r), "scaleDown": rules(r)}
	}
	if len(config) > 0 {
		advanced["horizontalPodAutoscalerConfig"] = config
	}
	if len(advanced) > 0 {
		spec["advanced"] = advanced
	}
	return Object{Name: objectName, Spec: spec}
}

const prefix = "autoscaling.keda.sh/"

// annotations draws pauses and the like; mostly none.
func annotations(r *rand.Rand) map[string]string {
	all := map[string]string{}
	switch r.IntN(8) {
	case 0:
		all[prefix+"paused"] = pick(r, "true", "true", "false", "1", "yes")
	case 1, 2:
		all[prefix+"paused-replicas"] = strconv.Itoa(r.IntN(6))
	case 3:
		all[prefix+"paused-scale-in"] = pick(r, "true", "false")
	case 4:
		all[prefix+"paused-scale-out"] = pick(r, "true", "T")
	case 5:
		all[prefix+"force-activation"] = pick(r, "true", "0")
	}
	return all
}
