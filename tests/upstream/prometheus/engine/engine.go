// Package engine lets the query engine of Prometheus 2.53 and later answer, over a storage of series in memory. It
// is a module of its own so that the version that is asked decides which Prometheus it is built with.
package engine

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
	"github.com/prometheus/prometheus/util/annotations"

	oracle "scaletwin/upstream/prometheus"
)

// Main is the oracle's program for a version.
func Main(version string) {
	engine := promql.NewEngine(promql.EngineOpts{
		MaxSamples: 50_000_000, Timeout: time.Minute, EnableAtModifier: true, EnableNegativeOffset: true,
		// The default evaluation interval.
		NoStepSubqueryIntervalFn: func(int64) int64 { return 60_000 },
	})
	oracle.Main(version, func(data []oracle.Series, query string, at int64) map[string]any {
		return evaluate(engine, data, query, at)
	})
}

func refused(kind string, err error) map[string]any {
	return map[string]any{"error": map[string]any{"type": kind, "message": err.Error()}}
}

func evaluate(engine *promql.Engine, data []oracle.Series, text string, at int64) map[string]any {
	query, err := engine.NewInstantQuery(context.Background(), queryable(data), nil, text, time.UnixMilli(at))
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
			elements = append(elements, map[string]any{"labels": named(one.Metric), "value": oracle.Text(one.F)})
		}
		return map[string]any{"vector": elements}
	case promql.Matrix:
		all := []any{}
		for _, one := range found {
			samples := []any{}
			for _, sample := range one.Floats {
				samples = append(samples, []any{sample.T, oracle.Text(sample.F)})
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
func (it *iterator) At() (int64, float64) { return it.samples[it.at].T, it.samples[it.at].V }
func (it *iterator) AtT() int64           { return it.samples[it.at].T }
func (it *iterator) AtST() int64          { return 0 }
func (it *iterator) Err() error           { return nil }
func (it *iterator) AtHistogram(*histogram.Histogram) (int64, *histogram.Histogram) {
	panic("no histograms")
}
func (it *iterator) AtFloatHistogram(*histogram.FloatHistogram) (int64, *histogram.FloatHistogram) {
	panic("no histograms")
}

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

func (s *seriesSet) Next() bool                        { s.at++; return s.at < len(s.all) }
func (s *seriesSet) At() storage.Series                { return s.all[s.at] }
func (s *seriesSet) Err() error                        { return nil }
func (s *seriesSet) Warnings() annotations.Annotations { return nil }

// querier is asked for series only; what else there is to ask differs between versions.
type querier struct {
	storage.Querier
	data []oracle.Series
}

func queryable(data []oracle.Series) storage.Queryable {
	return storage.QueryableFunc(func(int64, int64) (storage.Querier, error) {
		return querier{data: data}, nil
	})
}

func (q querier) Select(_ context.Context, _ bool, hints *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
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

func (q querier) Close() error { return nil }
