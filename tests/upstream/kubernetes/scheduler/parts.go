// Package scheduler draws clusters for kube-scheduler and writes down what it decides, in the format of
// tests/golden/scheduler.
package scheduler

import (
	"math/rand/v2"

	"scaletwin/upstream/kubernetes/oracle"
)

// Parts are all that can be asked.
var Parts = []oracle.Part{{Name: "clusters", Ask: ask(false)}, {Name: "adaptive", Ask: ask(true)}}

func ask(adaptive bool) func(*rand.Rand, string) any {
	return func(r *rand.Rand, id string) any {
		it := draw(r, adaptive)
		it.ID = id
		decide(&it)
		return it
	}
}
