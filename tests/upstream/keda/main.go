package keda

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"testing"
	"testing/synctest"

	"github.com/go-logr/logr"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
)

// Main is the program: `gen PART --seed N --cases M`.
func Main(version Version) {
	parts := map[string]func(*rand.Rand, Version, string) any{
		"value": value, "hpa": generated, "executor": execution, "sequence": sequence,
	}
	usage := func() {
		fmt.Fprintln(os.Stderr, "usage: gen value|hpa|executor|sequence --seed N --cases M")
		os.Exit(2)
	}
	if len(os.Args) < 2 || parts[os.Args[1]] == nil {
		usage()
	}
	part := os.Args[1]
	flags := flag.NewFlagSet("gen", flag.ExitOnError)
	seed := flags.Uint64("seed", 1, "the questions drawn")
	cases := flags.Int("cases", 100, "how many")
	if err := flags.Parse(os.Args[2:]); err != nil || flags.NArg() > 0 {
		usage()
	}
	logf.SetLogger(logr.Discard())
	// One thing at a time, so that a seed gives the same answers again.
	runtime.GOMAXPROCS(1)
	startPrometheus()
	out := bufio.NewWriter(os.Stdout)
	ask := func(t *testing.T) {
		defer out.Flush()
		for number := range *cases {
			// Each case has a stream of its own, so that one can be looked at alone.
			random := rand.New(rand.NewPCG(*seed, uint64(number)))
			id := fmt.Sprintf("%s-%s-%d-%d", part, version.Name, *seed, number)
			var asked any
			synctest.Test(t, func(*testing.T) { asked = parts[part](random, version, id) })
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

// bubble is the context of one case, ended when it is answered.
func bubble() (context.Context, context.CancelFunc) {
	return context.WithCancel(context.Background())
}
