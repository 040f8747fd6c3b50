package oracle

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand"
	"os"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// Main is the program `gen PART --seed N --cases M [--types FILE]`: it writes cases, one a line.
func Main(v Version) {
	log.SetLogger(logr.Discard())
	if len(os.Args) < 2 || os.Args[1] != "solve" {
		fail("usage: gen solve [--seed N] [--cases M] [--types FILE]")
	}
	flags := flag.NewFlagSet("gen solve", flag.ExitOnError)
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
		c := d.newCase(fmt.Sprintf("%d-%d", *seed, drawn))
		if !c.Solve(v, d.byName) {
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
