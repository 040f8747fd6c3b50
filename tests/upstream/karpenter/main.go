package oracle

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand"
	"os"
	"slices"
	"strings"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// Main is the program `gen PART --seed N --cases M [--types FILE]`: it writes cases, one a line.
func Main(v Version) {
	log.SetLogger(logr.Discard())
	parts := []string{"solve", "disruption", "budget", "cost", "quiet"}
	if v.Launch != nil {
		parts = []string{"launch"}
	} else {
		registerNodeClass()
	}
	if len(os.Args) < 2 || !slices.Contains(parts, os.Args[1]) {
		fail("usage: gen " + strings.Join(parts, "|") + " [--seed N] [--cases M] [--types FILE]")
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
	d := &draw{Rand: rand.New(rand.NewSource(*seed)), byName: map[string]Type{}, matchLabelKeys: v.MatchLabelKeys}
	if err := json.Unmarshal(text, &d.catalog); err != nil {
		fail(err)
	}
	for _, t := range d.catalog {
		d.byName[t.Name] = t
	}
	register(d.catalog)
	out := bufio.NewWriter(os.Stdout)
	drawn := 0
	for written := 0; written < *cases; drawn++ {
		id := fmt.Sprintf("%d-%d", *seed, drawn)
		var c interface {
			Solve(v Version, catalog map[string]Type) bool
			// dull is a case in which nothing happens: a few of those will do.
			dull() bool
		}
		switch part {
		case "solve":
			c = d.newCase(id)
		case "launch":
			c = d.newLaunchCase(id)
		case "budget":
			c = d.newBudgetCase(id)
		case "cost":
			c = d.newCostCase(id)
		case "quiet":
			c = d.newQuietCase(id)
		case "disruption":
			c = d.newDisruptionCase(id, v.Policies)
		}
		if !c.Solve(v, d.byName) || c.dull() && d.chance(0.8) {
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
	fmt.Fprintf(os.Stderr, "%s: %d cases of %d drawn, seed %d\n", v.Name, *cases, drawn, *seed)
}

func fail(what any) {
	fmt.Fprintln(os.Stderr, what)
	os.Exit(1)
}
