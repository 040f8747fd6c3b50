package prometheus

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sort"
	"strconv"
)

// Sample is one of a series.
type Sample struct {
	T int64
	V float64
}

// Series is what a query sees.
type Series struct {
	Labels  map[string]string
	Samples []Sample
}

// Stale is the value that marks the end of a series.
var Stale = math.Float64frombits(0x7ff0000000000002)

// Data is a set of series, sorted by labels.
type Data struct {
	Name   string
	Series []Series
	// Interval of scrapes, Start and End, in milliseconds.
	Interval, Start, End int64
	// Recorded sets know nothing of the metrics that drawn ones have.
	Recorded bool
}

// written is a value as a series file has it: text, so that every bit is there.
func written(value float64) string {
	if math.Float64bits(value) == math.Float64bits(Stale) {
		return "stale"
	}
	return Text(value)
}

// Text is a value as Prometheus' API prints it.
func Text(value float64) string {
	size, format := math.Abs(value), byte('f')
	if size != 0 && (size < 1e-6 || size >= 1e21) {
		format = 'e'
	}
	return strconv.FormatFloat(value, format, -1, 64)
}

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

func chance(r *rand.Rand, percent int) bool { return r.IntN(100) < percent }

// draw makes a set: targets that are scraped at one interval, each with counters, gauges and a histogram; some
// scrapes late or missing, restarts, births and deaths.
func draw(r *rand.Rand, name string) Data {
	data := Data{Name: name, Interval: pick(r, int64(5000), 15000, 30000, 60000)}
	data.Start = pick(r, int64(0), 1717000000000+r.Int64N(1e9))
	data.End = data.Start + 40*data.Interval + r.Int64N(20)*data.Interval
	targets := 2 + r.IntN(3)
	for target := range targets {
		data.target(r, target)
	}
	sort.SliceStable(data.Series, func(i, j int) bool { return less(data.Series[i].Labels, data.Series[j].Labels) })
	return data
}

// less compares label sets as Prometheus does: by name and value in the order of names.
func less(a, b map[string]string) bool {
	x, y := flat(a), flat(b)
	for i := range min(len(x), len(y)) {
		if x[i] != y[i] {
			return x[i] < y[i]
		}
	}
	return len(x) < len(y)
}

func flat(labels map[string]string) []string {
	names := []string{}
	for name := range labels {
		names = append(names, name)
	}
	sort.Strings(names)
	all := []string{}
	for _, name := range names {
		all = append(all, name, labels[name])
	}
	return all
}

// target adds one target's series.
func (data *Data) target(r *rand.Rand, number int) {
	own := map[string]string{
		"instance": fmt.Sprintf("10.0.0.%d:9100", number), "job": pick(r, "api", "web"), "zone": pick(r, "a", "b", "c"),
	}
	slot := r.Int64N(data.Interval)
	if chance(r, 40) {
		slot = 0
	}
	born, died := data.Start, data.End
	if chance(r, 30) {
		born += r.Int64N((data.End - data.Start) / 2)
	}
	if chance(r, 30) {
		died -= r.Int64N((data.End - data.Start) / 2)
	}
	restart := int64(-1)
	if chance(r, 40) {
		restart = born + r.Int64N(max(1, died-born))
	}
	var times []int64
	for t := data.Start + slot; t <= data.End; t += data.Interval {
		if t < born || t > died || chance(r, 4) {
			continue
		}
		late := int64(0)
		if chance(r, 10) {
			late = r.Int64N(data.Interval / 3)
		}
		if len(times) == 0 || t+late > times[len(times)-1] {
			times = append(times, t+late)
		}
	}
	gone := died < data.End && chance(r, 60)
	add := func(name string, more map[string]string, value func(int, int64) float64) {
		labels := map[string]string{"__name__": name}
		for _, from := range []map[string]string{own, more} {
			for key, it := range from {
				labels[key] = it
			}
		}
		one := Series{Labels: labels}
		for index, t := range times {
			one.Samples = append(one.Samples, Sample{t, value(index, t)})
		}
		if gone && len(times) > 0 {
			one.Samples = append(one.Samples, Sample{times[len(times)-1] + data.Interval, Stale})
		}
		if len(one.Samples) > 0 {
			data.Series = append(data.Series, one)
		}
	}
	counter := func() func(int, int64) float64 {
		sum, step, whole := float64(r.IntN(1000)), r.Float64()*40, chance(r, 60)
		restarted := false
		return func(_ int, t int64) float64 {
			if restart >= 0 && t > restart && !restarted {
				restarted, sum = true, 0
			}
			grown := r.Float64() * step
			if whole {
				grown = math.Floor(grown)
			}
			sum += grown
			return sum
		}
	}
	for _, code := range []string{"200", "404", "500"}[:1+r.IntN(3)] {
		add("requests_total", map[string]string{"code": code}, counter())
	}
	level := float64(r.IntN(100))
	add("queue_depth", nil, func(int, int64) float64 {
		level = math.Max(0, level+math.Round((r.Float64()-0.5)*20))
		return level
	})
	add("temperature", nil, func(int, int64) float64 {
		if chance(r, 2) {
			return pick(r, math.NaN(), math.Inf(1), math.Inf(-1), math.Copysign(0, -1))
		}
		return 20 + r.NormFloat64()*5
	})
	add("up", nil, func(int, int64) float64 { return 1 })
	buckets := []string{"0.1", "0.5", "1", "5", "+Inf"}
	counts := make([]float64, len(buckets))
	shares := make([]float64, len(buckets))
	for i := range shares {
		shares[i] = r.Float64() * 8
	}
	// All buckets of a scrape are counted at once.
	history := make([][]float64, len(times))
	for index := range times {
		sum := 0.0
		row := make([]float64, len(buckets))
		for i := range buckets {
			counts[i] += math.Floor(r.Float64() * shares[i])
			sum += counts[i]
			row[i] = sum
		}
		history[index] = row
	}
	for i, bound := range buckets {
		add("latency_bucket", map[string]string{"le": bound}, func(index int, _ int64) float64 { return history[index][i] })
	}
	add("latency_count", nil, func(index int, _ int64) float64 { return history[index][len(buckets)-1] })
}
