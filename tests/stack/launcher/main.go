// Command launcher builds, starts and stops a real control plane of plain processes on the loopback device:
// etcd, the API server, the controller manager, the scheduler, KWOK, Prometheus, KEDA, Karpenter with its KWOK
// provider, and moto for EC2's calls. README.md beside it says what is real about it and what is not.
package main

import (
	"errors"
	"fmt"
	"os"
)

const usage = `A real control plane on 127.0.0.1, without containers and without privileges.

usage: launcher COMMAND

  build [PART…]              build what is missing (all parts, or those named)
  up [--rehearsal DIR] [PART…]
                             start what does not run yet and wait until it is healthy; DIR is what
                             'scaletwin live kwok' wrote: node types, stages, nodes, settings
  down                       stop everything that 'up' started and remove its data
  status                     what runs, since when, with how much memory and CPU
  kill|stop|pause|resume PART
                             SIGKILL, SIGTERM, SIGSTOP, SIGCONT: faults for tests
  start PART                 start a stopped part again as 'up' started it
  env                        the addresses and files of the running stack, as JSON

parts: %s
Everything lies under $SCALETWIN_STACK (default: ~/.cache/scaletwin/stack): bin/ and run/.
Ends with 0 if it is done, 3 if what a part is made of cannot be had here (no network, no Python), else 2.
`

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintf(os.Stderr, usage, partNames())
		os.Exit(2)
	}
	if err := command(os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintf(os.Stderr, "stack: %v\n", err)
		if errors.Is(err, errAbsent) {
			os.Exit(3)
		}
		os.Exit(2)
	}
}

func command(verb string, args []string) error {
	home, err := home()
	if err != nil {
		return err
	}
	stack := &Stack{home: home}
	switch verb {
	case "build":
		return stack.build(args)
	case "up":
		rehearsal := ""
		if len(args) >= 2 && args[0] == "--rehearsal" {
			rehearsal, args = args[1], args[2:]
		}
		return stack.up(rehearsal, args)
	case "down":
		return stack.down()
	case "status":
		return stack.status()
	case "env":
		return stack.printEnvironment()
	case "kill", "stop", "pause", "resume", "start":
		if len(args) != 1 {
			return fmt.Errorf("%s wants one part: %s", verb, partNames())
		}
		return stack.signal(verb, args[0])
	case "help", "-h", "--help":
		fmt.Printf(usage, partNames())
		return nil
	}
	return fmt.Errorf("there is no command %q; 'launcher help' lists them", verb)
}
