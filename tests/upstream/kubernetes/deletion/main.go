// Package deletion draws ReplicaSets with pods and writes down which of them the real controller gives up, in the
// format of tests/golden/workload.
package deletion

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"testing/synctest"
)

// Main is the program: `deletion pod-deletion --seed N --cases M`.
func Main() {
	usage := func() {
		fmt.Fprintln(os.Stderr, "usage: deletion pod-deletion --seed N --cases M")
		os.Exit(2)
	}
	if len(os.Args) < 2 || os.Args[1] != "pod-deletion" {
		usage()
	}
	flags := flag.NewFlagSet("deletion", flag.ExitOnError)
	seed := flags.Uint64("seed", 1, "the questions drawn")
	cases := flags.Int("cases", 100, "how many")
	if err := flags.Parse(os.Args[2:]); err != nil || flags.NArg() > 0 {
		usage()
	}
	out := bufio.NewWriter(os.Stdout)
	ask := func(t *testing.T) {
		defer out.Flush()
		for number := range *cases {
			one := draw(rand.New(rand.NewPCG(*seed, uint64(number))))
			one.ID = fmt.Sprintf("drawn-%d-%d", *seed, number)
			// Time stands still in a bubble.
			synctest.Test(t, func(*testing.T) { one.answer() })
			text, err := json.Marshal(one)
			if err != nil {
				panic(err)
			}
			fmt.Fprintf(out, "%s\n", text)
		}
	}
	// A bubble needs a test around it; what a test prints is not for stdout.
	os.Args, os.Stdout = os.Args[:1], os.Stderr
	all := func(string, string) (bool, error) { return true, nil }
	testing.Main(all, []testing.InternalTest{{Name: "deletion", F: ask}}, nil, nil)
}
