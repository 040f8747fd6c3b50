// Program gen draws queries for Prometheus 2.42.0 and writes down its engine's answers.
package main

import (
	"context"
	"fmt"
	"sort"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	oracle "scaletwin/upstream/prometheus"
)

func main() {
	engine := promql.NewEngine(promql.EngineOpts{
		MaxSamples: 50_000_000, Timeout: time.Minute, EnableAtModifier: true, EnableNegativeOffset: true,
		// The default evaluation interval.
		NoStepSubqueryIntervalFn: func(int64) int64 { return 60_000 },
	})
	oracle.Main("2.42.0", func(data []oracle.Series, query string, at int64) map[string]any {
		return evaluate(engine, data, query, at)
	})
}

func refused(kind string, err error) map[string]any {
	return map[string]any{"error": map[string]any{"type": kind, "message": err.Error()}}
}

func evaluate(engine *promql.Engine, data []oracle.Series, text string, at int64) map[string]any {
	query, err := engine.NewInstantQuery(queryable(data), nil, text, time.UnixMilli(at))
	if err != nil {
		return refused("bad_data", err)
	}
	defer query.Close()
	result := query.Exec(context.Background())
	if result.Err != nil {
		return refused("execution", result.Err)
	}
	switch found := result.Value.(type) {
	case promql.Scalar:
		return map[string]any{"scalar": oracle.Text(found.V)}
	case promql.String:
		return map[string]any{"string": found.V}
	case promql.Vector:
		elements := []any{}
		for _, one := range found {
			elements = append(elements, map[string]any{"labels": named(one.Metric), "value": oracle.Text(one.V)})
		}
		return map[string]any{"vector": elements}
	case promql.Matrix:
		all := []any{}
		for _, one := range found {
			samples := []any{}
			for _, sample := range one.Points {
				samples = append(samples, []any{sample.T, oracle.Text(sample.V)})
			}
			all = append(all, map[string]any{"labels": named(one.Metric), "samples": samples})
		}
		return map[string]any{"matrix": all}
	}
	panic(fmt.Sprintf("a result of type %T", result.Value))
}

func named(it labels.Labels) map[string]string {
	if it.IsEmpty() {
		return map[string]string{}
	}
	return it.Map()
}

// What follows is a storage of series in memory.

type iterator struct {
	samples []oracle.Sample
	at      int
}

func (it *iterator) valid() chunkenc.ValueType {
	if it.at >= len(it.samples) {
		return chunkenc.ValNone
	}
	return chunkenc.ValFloat
}
func (it *iterator) Next() chunkenc.ValueType { it.at++; return it.valid() }
func (it *iterator) Seek(t int64) chunkenc.ValueType {
	it.at = max(it.at, 0)
	for it.at < len(it.samples) && it.samples[it.at].T < t {
		it.at++
	}
	return it.valid()
}
func (it *iterator) At() (int64, float64)                                 { return it.samples[it.at].T, it.samples[it.at].V }
func (it *iterator) AtT() int64                                           { return it.samples[it.at].T }
func (it *iterator) Err() error                                           { return nil }
func (it *iterator) AtHistogram() (int64, *histogram.Histogram)           { panic("no histograms") }
func (it *iterator) AtFloatHistogram() (int64, *histogram.FloatHistogram) { panic("no histograms") }

type series struct {
	labels  labels.Labels
	samples []oracle.Sample
}

func (s series) Labels() labels.Labels                        { return s.labels }
func (s series) Iterator(chunkenc.Iterator) chunkenc.Iterator { return &iterator{s.samples, -1} }

type seriesSet struct {
	all []series
	at  int
}

func (s *seriesSet) Next() bool                 { s.at++; return s.at < len(s.all) }
func (s *seriesSet) At() storage.Series         { return s.all[s.at] }
func (s *seriesSet) Err() error                 { return nil }
func (s *seriesSet) Warnings() storage.Warnings { return nil }

type querier struct {
	data []oracle.Series
}

func queryable(data []oracle.Series) storage.Queryable {
	return storage.QueryableFunc(func(context.Context, int64, int64) (storage.Querier, error) {
		return querier{data}, nil
	})
}

func (q querier) Select(_ bool, hints *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	found := &seriesSet{at: -1}
next:
	for _, one := range q.data {
		own := labels.FromMap(one.Labels)
		for _, matcher := range matchers {
			if !matcher.Matches(own.Get(matcher.Name)) {
				continue next
			}
		}
		// What this selector gets, as of the real storage; the query as a whole may need more.
		from := sort.Search(len(one.Samples), func(i int) bool { return one.Samples[i].T >= hints.Start })
		to := sort.Search(len(one.Samples), func(i int) bool { return one.Samples[i].T > hints.End })
		found.all = append(found.all, series{own, one.Samples[from:max(from, to)]})
	}
	return found
}

func (q querier) LabelValues(string, ...*labels.Matcher) ([]string, storage.Warnings, error) {
	return nil, nil, nil
}
func (q querier) LabelNames(...*labels.Matcher) ([]string, storage.Warnings, error) {
	return nil, nil, nil
}
func (q querier) Close() error { return nil }
