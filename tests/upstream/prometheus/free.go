package prometheus

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// free draws an expression over whatever series there are, so many calls deep.
func (q *query) free(depth int) string {
	if depth == 0 {
		return q.leaf()
	}
	of := func() string { return q.free(depth - 1) }
	switch q.r.IntN(12) {
	case 0, 1, 2:
		return q.grouped(of())
	case 3:
		q.tolerance = true
		return q.overTime(of() + q.steps() + q.offset())
	case 4:
		q.tolerance = true
		return fmt.Sprintf("%s(%s%s)", pick(q.r, "rate", "increase", "delta", "deriv", "irate", "changes", "resets"), of(), q.steps())
	case 5, 6:
		left, operator := of(), pick(q.r, "+", "-", "*", "/", "%", ">", "<=", "== bool", "!=", ">= bool")
		if operator == "%" && q.tolerance {
			// What is left of a large number would be its last bits.
			operator = "/"
		}
		return fmt.Sprintf("(%s) %s %s", left, operator, pick(q.r, "0", "2", "0.3", "-7.5", "NaN", "Inf", "1e3"))
	case 7:
		return fmt.Sprintf("(%s) %s (%s)", of(), pick(q.r, "+", "-", "*", "/", ">", "< bool", "and", "or", "unless"), of())
	case 8:
		names := strings.Join(q.names(), ", ")
		match := fmt.Sprintf(pick(q.r, "on(%s)", "ignoring(%s)", "on(%s) group_left", "on(%s) group_right", "ignoring(%s) group_left(job)"), names)
		if !strings.Contains(match, "group") && chance(q.r, 40) {
			return fmt.Sprintf("(%s) %s %s (%s)", of(), pick(q.r, "and", "or", "unless"), match, of())
		}
		return fmt.Sprintf("(%s) %s %s (%s)", of(), pick(q.r, "+", "/", "*", ">="), match, of())
	case 9:
		return q.buckets(pick(q.r, of(), "sum by (le) ("+of()+")"))
	}
	return q.called(of())
}

// leaf is a selector, or a function of one over a while.
func (q *query) leaf() string {
	selector := q.any()
	switch q.r.IntN(6) {
	case 0:
		return selector + q.offset()
	case 1:
		return q.overTime(selector + q.window() + q.offset())
	case 2:
		return fmt.Sprintf("%s(%s%s%s)", pick(q.r, "delta", "idelta", "deriv", "changes", "resets", "irate"), selector, q.window(), q.offset())
	case 3:
		if chance(q.r, 20) {
			return fmt.Sprintf("predict_linear(%s%s, %d)", selector, q.window(), q.r.IntN(7200)-1200)
		}
		return fmt.Sprintf("timestamp(%s%s)", selector, q.offset())
	}
	return fmt.Sprintf("%s(%s%s%s)", pick(q.r, "rate", "rate", "increase"), selector, q.window(), q.offset())
}

// buckets is a quantile of a histogram, or a fraction, which releases before 3.4 have of native ones only.
func (q *query) buckets(of string) string {
	if chance(q.r, 25) {
		lower, upper := pick(q.r, "-Inf", "-1", "0", "0.2"), pick(q.r, "0", "0.4", "1", "+Inf", "NaN")
		return fmt.Sprintf("histogram_fraction(%s, %s, %s)", lower, upper, of)
	}
	return fmt.Sprintf("histogram_quantile(%s, %s)", pick(q.r, "0.5", "0.9", "0.99", "0", "1"), of)
}

func (q *query) offset() string {
	if chance(q.r, 6) {
		return pick(q.r, " @ start()", " @ end()", " offset 1m @ end()", " @ end() offset -30s")
	}
	return q.shift()
}

func (q *query) steps() string {
	return pick(q.r, "[5m:]", "[5m:15s]", "[3m:30s]", "[2m:7s]", "[90s:1m]", "[65s:]", "[1m:1m30s]", "[10m:1m]")
}

// any selects series of the set by name and some of their labels.
func (q *query) any() string {
	one := q.data.Series[q.r.IntN(len(q.data.Series))]
	name := one.Labels["__name__"]
	var all []string
	for _, label := range slices.Sorted(maps.Keys(one.Labels)) {
		if label == "__name__" || !chance(q.r, 25) {
			continue
		}
		value := one.Labels[label]
		cut := regexp.QuoteMeta(value[:q.r.IntN(len(value)+1)])
		all = append(all, pick(q.r,
			fmt.Sprintf("%s=%q", label, value), fmt.Sprintf("%s=%q", label, value), fmt.Sprintf("%s!=%q", label, value),
			fmt.Sprintf("%s=~%q", label, cut+".*"), fmt.Sprintf("%s!~%q", label, cut+".+"), fmt.Sprintf("%s=~%q", label, "x|"+regexp.QuoteMeta(value)),
			fmt.Sprintf(`%s=""`, label), fmt.Sprintf(`%s!=""`, label), fmt.Sprintf(`%s=~".+"`, label),
		))
	}
	if chance(q.r, 5) {
		all = append(all, fmt.Sprintf("__name__=%q", name))
		return "{" + strings.Join(all, ",") + "}"
	}
	if len(all) == 0 {
		return name
	}
	return name + "{" + strings.Join(all, ",") + "}"
}

// names are some labels of the set, and one that it does not have.
func (q *query) names() (some []string) {
	one := q.data.Series[q.r.IntN(len(q.data.Series))]
	for _, label := range slices.Sorted(maps.Keys(one.Labels)) {
		if label != "__name__" && chance(q.r, 40) {
			some = append(some, label)
		}
	}
	if chance(q.r, 10) {
		some = append(some, "nothing")
	}
	return some
}

func (q *query) grouped(of string) string {
	by := ""
	if chance(q.r, 65) {
		by = fmt.Sprintf("%s (%s) ", pick(q.r, "by", "by", "without"), strings.Join(q.names(), ", "))
	}
	switch operator := pick(q.r, "sum", "sum", "sum", "avg", "avg", "max", "min", "count", "group", "stddev", "stdvar", "quantile", "count_values"); operator {
	case "quantile":
		return fmt.Sprintf("quantile %s(%s, %s)", by, pick(q.r, "0.5", "0.95", "1", "0"), of)
	case "count_values":
		// Not by three labels or more: 2.42 forgets the last of them after a subquery's first step.
		if strings.Count(by, ",") > 1 {
			by = ""
		}
		return fmt.Sprintf(`count_values %s("v", %s)`, by, of)
	default:
		return fmt.Sprintf("%s %s(%s)", operator, by, of)
	}
}

// called is a function of a vector.
func (q *query) called(of string) string {
	label := pick(q.r, append(q.names(), "instance")...)
	switch q.r.IntN(9) {
	case 0:
		return "absent(" + of + ")"
	case 1:
		return fmt.Sprintf("clamp(%s, %d, %d)", of, q.r.IntN(10)-3, q.r.IntN(40))
	case 2:
		return fmt.Sprintf("round(%s, %s)", of, pick(q.r, "0.1", "5", "0.25", "10"))
	case 3:
		return fmt.Sprintf("%s(%s)", pick(q.r, "ceil", "floor", "abs", "timestamp", "sgn", "-"), of)
	case 4:
		return fmt.Sprintf("vector(scalar(%s))", of)
	case 5:
		q.tolerance = true
		return fmt.Sprintf("%s(%s)", pick(q.r, "sqrt", "ln", "exp", "log2", "log10", "sin", "atan", "tanh", "deg", "rad"), of)
	case 6:
		return fmt.Sprintf("label_replace(%s, %q, %q, %q, %q)", of, pick(q.r, "host", label), pick(q.r, "$1", "x-${1}", "", "same"), label, pick(q.r, "(.*)", "([^:]+):.*", "no", ".*(.)"))
	case 7:
		return fmt.Sprintf("label_join(%s, %q, %q, %q, %q)", of, pick(q.r, "both", label), pick(q.r, "-", ""), label, "job")
	}
	return fmt.Sprintf("%s(%s)", pick(q.r, "hour", "minute", "day_of_week", "day_of_month", "day_of_year", "days_in_month", "month", "year"), of)
}
