// Package prometheus draws series and queries. The versions' own modules evaluate them with the real engine.
package prometheus

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Evaluate answers an instant query, in milliseconds, over series that are sorted by their labels.
type Evaluate func(data []Series, query string, time int64) map[string]any

// Case is one question and its answer; the format is that of tests/golden/promql.
type Case struct {
	ID        string                    `json:"id"`
	Kind      string                    `json:"kind"`
	Data      string                    `json:"data"`
	Query     string                    `json:"query"`
	Time      int64                     `json:"time"`
	Expect    map[string]map[string]any `json:"expect"`
	Ordered   bool                      `json:"ordered,omitempty"`
	Ties      bool                      `json:"ties,omitempty"`
	Tolerance float64                   `json:"tolerance,omitempty"`
}

// sets of series, each asked by its share of the queries.
const sets = 4

// Main is the program: `gen promql --seed N --cases M --out DIR [--recorded DIR]` writes the cases to stdout and their
// series to DIR/series. Recorded series are asked too, and stay where they are.
func Main(version string, evaluate Evaluate) {
	flags := flag.NewFlagSet("gen", flag.ExitOnError)
	seed := flags.Uint64("seed", 1, "the questions drawn")
	cases := flags.Int("cases", 100, "how many")
	out := flags.String("out", "", "where series/ is made")
	recorded := flags.String("recorded", "", "a directory of series, each file a set, that are asked too")
	if len(os.Args) < 2 || os.Args[1] != "promql" || flags.Parse(os.Args[2:]) != nil || flags.NArg() > 0 || *out == "" {
		fmt.Fprintln(os.Stderr, "usage: gen promql --seed N --cases M --out DIR [--recorded DIR]")
		os.Exit(2)
	}
	if err := write(version, evaluate, *seed, *cases, *out, *recorded); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(2)
	}
}

func write(version string, evaluate Evaluate, seed uint64, cases int, out, recorded string) error {
	var drawn []Data
	for number := range sets {
		data := draw(rand.New(rand.NewPCG(seed, uint64(number))), fmt.Sprintf("drawn-%d-%d", seed, number))
		if err := save(data, filepath.Join(out, "series")); err != nil {
			return err
		}
		drawn = append(drawn, data)
	}
	old, err := load(recorded)
	if err != nil {
		return err
	}
	stdout := bufio.NewWriter(os.Stdout)
	for number := range cases {
		data := drawn[number%sets]
		r := rand.New(rand.NewPCG(seed, uint64(1000+number)))
		if len(old) > 0 && number%2 == 1 {
			data = old[r.IntN(len(old))]
		}
		one := data.ask(r)
		one.ID = fmt.Sprintf("drawn-%d-%d-%s", seed, number, version)
		ask := func() map[string]any {
			answer := evaluate(data.Series, one.Query, one.Time)
			if !one.Ordered {
				settle(answer)
			}
			return answer
		}
		answer := ask()
		if one.Tolerance > 0 && !repeats(answer, ask, one.Tolerance) {
			continue
		}
		one.Expect = map[string]map[string]any{version: answer}
		text, err := json.Marshal(one)
		if err != nil {
			return err
		}
		fmt.Fprintf(stdout, "%s\n", text)
	}
	return stdout.Flush()
}

// settle puts the elements of a vector in order, which upstream leaves to chance: subqueries go through a map.
func settle(answer map[string]any) {
	elements, _ := answer["vector"].([]any)
	slices.SortFunc(elements, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
}

// repeats tells whether upstream, asked again and again, gives an answer within the tolerance: what is left of large
// numbers that cancel depends on their order, which subqueries leave to chance.
func repeats(answer map[string]any, ask func() map[string]any, tolerance float64) bool {
	expected, _ := answer["vector"].([]any)
	if len(expected) == 0 {
		return true
	}
	for range 20 {
		found, _ := ask()["vector"].([]any)
		for i := range min(len(expected), len(found)) {
			a, b := valueOf(expected[i]), valueOf(found[i])
			if math.Abs(a-b) > tolerance*math.Abs(a) {
				return false
			}
		}
	}
	return true
}

func valueOf(element any) float64 {
	value, _ := strconv.ParseFloat(element.(map[string]any)["value"].(string), 64)
	return value
}

func save(data Data, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	file, err := os.Create(filepath.Join(dir, data.Name+".jsonl"))
	if err != nil {
		return err
	}
	defer file.Close()
	encoder := json.NewEncoder(file)
	for _, series := range data.Series {
		samples := [][2]any{}
		for _, sample := range series.Samples {
			samples = append(samples, [2]any{sample.T, written(sample.V)})
		}
		if err := encoder.Encode(map[string]any{"labels": series.Labels, "samples": samples}); err != nil {
			return err
		}
	}
	return nil
}
