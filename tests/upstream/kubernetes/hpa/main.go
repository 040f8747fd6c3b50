// Package hpa draws questions for the HPA controller and writes down its answers, in the format of
// tests/golden/hpa.
package hpa

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"testing"
	"testing/synctest"

	"k8s.io/klog/v2"
)

// Main is the program: `hpa replica-calculator|behavior|reconcile --seed N --cases M`.
func Main() {
	parts := map[string]func(*rand.Rand, string) any{"replica-calculator": calculation, "behavior": behaviors, "reconcile": reconciles}
	usage := func() {
		fmt.Fprintln(os.Stderr, "usage: hpa replica-calculator|behavior|reconcile --seed N --cases M")
		os.Exit(2)
	}
	if len(os.Args) < 2 || parts[os.Args[1]] == nil {
		usage()
	}
	part := os.Args[1]
	flags := flag.NewFlagSet("hpa", flag.ExitOnError)
	seed := flags.Uint64("seed", 1, "the questions drawn")
	cases := flags.Int("cases", 100, "how many")
	if err := flags.Parse(os.Args[2:]); err != nil || flags.NArg() > 0 {
		usage()
	}
	klog.LogToStderr(false)
	klog.SetOutput(io.Discard)
	out := bufio.NewWriter(os.Stdout)
	ask := func(t *testing.T) {
		defer out.Flush()
		for number := range *cases {
			random := rand.New(rand.NewPCG(*seed, uint64(number)))
			var asked any
			synctest.Test(t, func(*testing.T) { asked = parts[part](random, fmt.Sprintf("drawn-%d-%d", *seed, number)) })
			text, err := json.Marshal(asked)
			if err != nil {
				panic(err)
			}
			fmt.Fprintf(out, "%s\n", text)
		}
	}
	// A bubble needs a test around it; what a test prints is not for stdout.
	os.Args, os.Stdout = os.Args[:1], os.Stderr
	all := func(string, string) (bool, error) { return true, nil }
	testing.Main(all, []testing.InternalTest{{Name: part, F: ask}}, nil, nil)
}
