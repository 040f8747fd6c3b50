// Package scheduler draws clusters for kube-scheduler and writes down what it decides, in the format of
// tests/golden/scheduler.
package scheduler

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"

	"k8s.io/klog/v2"
)

// Main is the program: `scheduler clusters|adaptive --seed N --cases M`.
func Main() {
	usage := func() {
		fmt.Fprintln(os.Stderr, "usage: scheduler clusters|adaptive --seed N --cases M")
		os.Exit(2)
	}
	if len(os.Args) < 2 || os.Args[1] != "clusters" && os.Args[1] != "adaptive" {
		usage()
	}
	flags := flag.NewFlagSet("scheduler", flag.ExitOnError)
	seed := flags.Uint64("seed", 1, "the questions drawn")
	cases := flags.Int("cases", 100, "how many clusters")
	if err := flags.Parse(os.Args[2:]); err != nil || flags.NArg() > 0 {
		usage()
	}
	klog.LogToStderr(false)
	klog.SetOutput(io.Discard)
	out := bufio.NewWriter(os.Stdout)
	for number := range *cases {
		random := rand.New(rand.NewPCG(*seed, uint64(number)))
		it := draw(random, os.Args[1] == "adaptive")
		it.ID = fmt.Sprintf("drawn-%d-%d", *seed, number)
		decide(&it)
		text, err := json.Marshal(it)
		if err != nil {
			panic(err)
		}
		fmt.Fprintf(out, "%s\n", text)
	}
	if err := out.Flush(); err != nil {
		fmt.Fprintln(os.Stderr, "scheduler:", err)
		os.Exit(2)
	}
}
