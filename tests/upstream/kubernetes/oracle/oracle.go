// Package oracle is what questions for Kubernetes have in common: a release, a seed, so many cases, a line for each.
package oracle

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"

	"k8s.io/klog/v2"
)

// Part is one kind of question.
type Part struct {
	Name string
	// Clock: each case has a fake one.
	Clock bool
	// Ask draws a question and returns it with its answer.
	Ask func(r *rand.Rand, id string) any
}

// Minor is the release that is asked: 1.Minor.
var Minor int

// Set sets a field, if this release's API has it.
func Set[T any](of any, field string, to T) {
	if it := reflect.ValueOf(of).Elem().FieldByName(field); it.IsValid() {
		it.Set(reflect.ValueOf(to))
	}
}

// Get reads a field; of a release without it, nothing.
func Get[T any](of any, field string) (it T) {
	if found := reflect.ValueOf(of).Elem().FieldByName(field); found.IsValid() {
		it = found.Interface().(T)
	}
	return it
}

// Main is a program: `gen PART --seed N --cases M`.
func Main(minor int, parts ...Part) {
	Minor = minor
	part, seed, cases := parse(parts)
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
			fmt.Fprintln(os.Stderr, "gen:", err)
			os.Exit(2)
		}
	}
	if !part.Clock {
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
func parse(parts []Part) (part Part, seed uint64, cases int) {
	var names []string
	for _, one := range parts {
		names = append(names, one.Name)
		if len(os.Args) > 1 && os.Args[1] == one.Name {
			part = one
		}
	}
	flags := flag.NewFlagSet("gen", flag.ExitOnError)
	flags.Uint64Var(&seed, "seed", 1, "the questions drawn")
	flags.IntVar(&cases, "cases", 100, "how many")
	if part.Ask == nil || flags.Parse(os.Args[2:]) != nil || flags.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "usage: gen %s --seed N --cases M\n", strings.Join(names, "|"))
		os.Exit(2)
	}
	return part, seed, cases
}
