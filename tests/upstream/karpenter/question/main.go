package question

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/rand"
	"os"
	"slices"
	"strings"
)

// A Question is a case that was drawn.
type Question interface {
	// Solve asks until the answers are known, and says whether they are.
	Solve() bool
	// Dull is a case in which nothing happens: a few of those will do.
	Dull() bool
}

// A Part draws a question with that name.
type Part func(d *Draw, id string) Question

// Main is the program `gen PART [--seed N] [--cases M] [--types FILE]`: it writes cases, one a line. Before it draws,
// a version may prepare for the catalog of instance types.
func Main(version string, features Features, parts map[string]Part, prepare func(catalog []Type)) {
	known := slices.Sorted(maps.Keys(parts))
	if len(os.Args) < 2 || parts[os.Args[1]] == nil {
		fail("usage: gen " + strings.Join(known, "|") + " [--seed N] [--cases M] [--types FILE]")
	}
	part := os.Args[1]
	flags := flag.NewFlagSet("gen "+part, flag.ExitOnError)
	seed := flags.Int64("seed", 1, "what the cases are drawn from")
	cases := flags.Int("cases", 200, "how many")
	types := flags.String("types", "../../golden/karpenter/types.json", "the instance types")
	_ = flags.Parse(os.Args[2:])

	text, err := os.ReadFile(*types)
	if err != nil {
		fail(err)
	}
	d := &Draw{Rand: rand.New(rand.NewSource(*seed)), ByName: map[string]Type{}, Features: features}
	if err := json.Unmarshal(text, &d.Catalog); err != nil {
		fail(err)
	}
	for _, t := range d.Catalog {
		d.ByName[t.Name] = t
	}
	prepare(d.Catalog)
	out := bufio.NewWriter(os.Stdout)
	drawn := 0
	for written := 0; written < *cases; drawn++ {
		c := parts[part](d, fmt.Sprintf("%d-%d", *seed, drawn))
		if !c.Solve() || c.Dull() && d.Chance(0.8) {
			continue
		}
		line, err := json.Marshal(c)
		if err != nil {
			fail(err)
		}
		_, _ = out.Write(append(line, '\n'))
		written++
	}
	if err := out.Flush(); err != nil {
		fail(err)
	}
	fmt.Fprintf(os.Stderr, "%s: %d cases of %d drawn, seed %d\n", version, *cases, drawn, *seed)
}

func fail(what any) {
	fmt.Fprintln(os.Stderr, what)
	os.Exit(2)
}
