package prometheus

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// query is a text in the making, and what must be known to compare its answers.
type query struct {
	r    *rand.Rand
	data *Data
	// tolerance: the last bits depend on the maths library or on an order that is not fixed.
	tolerance bool
}

// ask draws a query and when it is evaluated: on whole seconds, on the edges of windows, anywhere.
func (data Data) ask(r *rand.Rand) Case {
	q := &query{r: r, data: &data}
	one := Case{Data: data.Name, Time: q.when()}
	q.draw(&one)
	if q.tolerance {
		one.Tolerance = 1e-12
	}
	return one
}

// when draws an instant.
func (q *query) when() int64 {
	r, data := q.r, q.data
	span := data.End - data.Start
	at := data.Start + span/8 + r.Int64N(span)
	switch r.IntN(4) {
	case 0, 1:
		at = at / 1000 * 1000
	case 2: // a sample's own instant, or one millisecond beside it
		samples := data.Series[r.IntN(len(data.Series))].Samples
		at = samples[r.IntN(len(samples))].T + r.Int64N(3) - 1
		if chance(r, 60) {
			at += pick(r, int64(60), 120, 300) * 1000
		}
	}
	return at
}

// draw draws the text.
func (q *query) draw(one *Case) {
	r := q.r
	if q.data.Recorded || chance(r, 30) {
		one.Kind, one.Query = "free", q.free(pick(r, 0, 1, 1, 2, 2, 3))
		if chance(r, 8) {
			one.Ordered, one.Ties = true, true
			one.Query = pick(r, "sort(%s)", "sort_desc(%s)", "topk(3, %s)", "bottomk(2, %s)", "topk by (job) (1, %s)")
			one.Query = fmt.Sprintf(one.Query, q.free(1))
		}
		return
	}
	switch r.IntN(10) {
	case 0:
		one.Kind, one.Query = "instant", q.instant()
	case 1, 2:
		one.Kind, one.Query = "range", q.ranged()
	case 3, 4:
		one.Kind, one.Query = "aggregation", q.aggregation(q.vector())
	case 5:
		one.Kind, one.Query = "over-time", q.overTime(q.selector("queue_depth", "temperature", "up")+q.window())
	case 6:
		one.Kind, one.Query = "subquery", q.subquery()
	case 7:
		one.Kind, one.Query = "histogram", q.histogram()
	case 8:
		one.Kind, one.Query = "binary", q.binary()
	default:
		if chance(r, 40) {
			one.Ordered, one.Ties = true, true
			one.Kind = "aggregation"
			one.Query = fmt.Sprintf("%s(%d, %s)", pick(r, "topk", "bottomk"), r.IntN(4), q.vector())
		} else {
			one.Kind, one.Query = "function", q.function()
		}
	}
}

func (q *query) matchers() string {
	var all []string
	if chance(q.r, 40) {
		all = append(all, fmt.Sprintf(`instance=%q`, fmt.Sprintf("10.0.0.%d:9100", q.r.IntN(4))))
	}
	if chance(q.r, 25) {
		all = append(all, pick(q.r, `job="api"`, `job!="api"`, `job=~"a.*|x"`, `zone=~"[ab]"`, `zone!~"a|c"`, `none=""`, `code=~"2..|5.."`))
	}
	if len(all) == 0 {
		return ""
	}
	return "{" + strings.Join(all, ",") + "}"
}

func (q *query) selector(names ...string) string { return pick(q.r, names...) + q.matchers() }

func (q *query) window() string {
	return "[" + pick(q.r, "15s", "30s", "1m", "90s", "2m", "2m", "4m", "5m", "1m1s", "59s999ms", "10m") + "]"
}

// shift draws an offset or an instant.
func (q *query) shift() string {
	switch {
	case chance(q.r, 80):
		return ""
	case chance(q.r, 70):
		return " offset " + pick(q.r, "30s", "1m", "-15s", "2m500ms")
	}
	return fmt.Sprintf(" @ %d.%03d", (q.data.Start+q.data.End)/2000, q.r.IntN(1000))
}

func (q *query) instant() string {
	return q.selector("requests_total", "queue_depth", "temperature", "up", "latency_bucket") + q.shift()
}

func (q *query) ranged() string {
	function := pick(q.r, "rate", "rate", "rate", "increase", "increase", "irate", "resets", "changes")
	of := q.selector("requests_total", "latency_count", "latency_bucket")
	if chance(q.r, 25) {
		function = pick(q.r, "delta", "idelta", "deriv", "changes")
		of = q.selector("queue_depth", "temperature")
	}
	call := fmt.Sprintf("%s(%s%s%s)", function, of, q.window(), q.shift())
	if chance(q.r, 6) {
		call = fmt.Sprintf("predict_linear(%s%s, %d)", q.selector("queue_depth"), q.window(), q.r.IntN(600))
	}
	return call
}

func (q *query) vector() string {
	if chance(q.r, 65) {
		return q.ranged()
	}
	return q.instant()
}

func (q *query) aggregation(of string) string {
	by := pick(q.r, "", "", " by (job)", " by (instance, code)", " without (instance)", " by (zone)", " by (nothing)")
	switch operator := pick(q.r, "sum", "sum", "sum", "avg", "max", "min", "count", "group", "stddev", "stdvar", "quantile"); operator {
	case "quantile":
		return fmt.Sprintf("quantile%s (%s, %s)", by, pick(q.r, "0.5", "0.95", "1", "0", "1.5", "-1"), of)
	default:
		return fmt.Sprintf("%s%s (%s)", operator, by, of)
	}
}

func (q *query) overTime(of string) string {
	function := pick(q.r, "avg", "sum", "min", "max", "count", "last", "stddev", "stdvar", "present", "absent", "quantile")
	if function == "quantile" {
		return fmt.Sprintf("quantile_over_time(%s, %s)", pick(q.r, "0.5", "0.9", "0", "1"), of)
	}
	return fmt.Sprintf("%s_over_time(%s)", function, of)
}

func (q *query) subquery() string {
	steps := pick(q.r, "[5m:]", "[5m:15s]", "[3m:30s]", "[2m:7s]", "[90s:1m]")
	inner := q.ranged()
	if chance(q.r, 40) {
		inner = "sum(" + inner + ")"
		q.tolerance = true
	}
	if chance(q.r, 20) {
		return fmt.Sprintf("%s(%s%s%s)", pick(q.r, "rate", "deriv", "changes"), q.selector("requests_total"), steps, q.shift())
	}
	return q.overTime(inner + steps + q.shift())
}

func (q *query) histogram() string {
	of := fmt.Sprintf("rate(latency_bucket%s%s)", q.matchers(), q.window())
	switch q.r.IntN(3) {
	case 0:
		of = "sum by (le) (" + of + ")"
	case 1:
		of = "latency_bucket" + q.matchers()
	}
	return fmt.Sprintf("histogram_quantile(%s, %s)", pick(q.r, "0.5", "0.9", "0.99", "0", "1", "2", "-1"), of)
}

func (q *query) binary() string {
	a, b := q.vector(), q.vector()
	switch q.r.IntN(6) {
	case 0:
		return fmt.Sprintf("%s %s %s", a, pick(q.r, "+", "-", "*", "/", "%", ">", "<=", "== bool", "!="), pick(q.r, "0", "2", "0.3", "-7.5", "NaN"))
	case 1:
		return fmt.Sprintf("sum by (job) (%s) %s sum by (job) (%s)", a, pick(q.r, "/", "-", ">", "*"), b)
	case 2:
		return fmt.Sprintf("%s %s %s", a, pick(q.r, "and", "or", "unless"), b)
	case 3:
		return fmt.Sprintf("sum by (instance, code) (%s) / on(instance) group_left sum by (instance) (%s)", a, b)
	case 4:
		return fmt.Sprintf("sum(%s) or vector(0)", a)
	}
	return fmt.Sprintf("sum(%s) / sum(%s)", a, b)
}

func (q *query) function() string {
	of := q.vector()
	switch q.r.IntN(8) {
	case 0:
		return "absent(" + q.instant() + ")"
	case 1:
		return fmt.Sprintf("clamp_%s(%s, %d)", pick(q.r, "min", "max"), of, q.r.IntN(30))
	case 2:
		return fmt.Sprintf("round(%s, %s)", of, pick(q.r, "0.1", "5", "0.25"))
	case 3:
		return fmt.Sprintf("%s(%s)", pick(q.r, "ceil", "floor", "abs", "timestamp", "sgn"), of)
	case 4:
		return "scalar(sum(" + of + ")) * 2"
	case 5:
		q.tolerance = true
		return fmt.Sprintf("%s(%s)", pick(q.r, "sqrt", "ln", "exp", "log2"), of)
	case 6:
		return fmt.Sprintf(`label_replace(%s, "host", "$1", "instance", "([^:]+):.*")`, of)
	}
	return fmt.Sprintf("vector(%d) + count(%s)", q.r.IntN(9), of)
}
