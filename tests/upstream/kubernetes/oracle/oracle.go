// Package oracle is what the programs that ask Kubernetes have in common: a seed, so many cases, a line for each.
package oracle

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"testing/synctest"

	"k8s.io/klog/v2"
)

// Part is one kind of question. Ask draws one and returns it with its answer.
type Part struct {
	Name string
	Ask  func(r *rand.Rand, id string) any
}

// Main is a program: `PROGRAM PART --seed N --cases M`. With bubbles each case has a fake clock.
func Main(program string, bubbles bool, parts ...Part) {
	part, seed, cases := parse(program, parts)
	klog.LogToStderr(false)
	klog.SetOutput(io.Discard)
	out := bufio.NewWriter(os.Stdout)
	write := func(within func(ask func())) {
		for number := range cases {
			random := rand.New(rand.NewPCG(seed, uint64(number)))
			var asked any
			within(func() { asked = part.Ask(random, fmt.Sprintf("drawn-%d-%d", seed, number)) })
			text, err := json.Marshal(asked)
			if err != nil {
				panic(err)
			}
			fmt.Fprintf(out, "%s\n", text)
		}
		if err := out.Flush(); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", program, err)
			os.Exit(2)
		}
	}
	if !bubbles {
		write(func(ask func()) { ask() })
		return
	}
	test := func(t *testing.T) {
		write(func(ask func()) { synctest.Test(t, func(*testing.T) { ask() }) })
	}
	// A bubble needs a test around it; what a test prints is not for stdout.
	os.Args, os.Stdout = os.Args[:1], os.Stderr
	all := func(string, string) (bool, error) { return true, nil }
	testing.Main(all, []testing.InternalTest{{Name: part.Name, F: test}}, nil, nil)
}

// parse reads the command line, or says how it should be.
func parse(program string, parts []Part) (part Part, seed uint64, cases int) {
	var names []string
	for _, one := range parts {
		names = append(names, one.Name)
		if len(os.Args) > 1 && os.Args[1] == one.Name {
			part = one
		}
	}
	flags := flag.NewFlagSet(program, flag.ExitOnError)
	flags.Uint64Var(&seed, "seed", 1, "the questions drawn")
	flags.IntVar(&cases, "cases", 100, "how many")
	if part.Ask == nil || flags.Parse(os.Args[2:]) != nil || flags.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "usage: %s %s --seed N --cases M\n", program, strings.Join(names, "|"))
		os.Exit(2)
	}
	return part, seed, cases
}
