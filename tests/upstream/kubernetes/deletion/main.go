// Package deletion draws ReplicaSets with pods and writes down which of them the real controller gives up, in the
// format of tests/golden/workload.
package deletion

import (
	"math/rand/v2"

	"scaletwin/upstream/kubernetes/oracle"
)

// Main is the program: `deletion pod-deletion --seed N --cases M`.
func Main() { oracle.Main("deletion", true, oracle.Part{Name: "pod-deletion", Ask: ask}) }

func ask(r *rand.Rand, id string) any {
	one := draw(r)
	one.ID = id
	one.answer()
	return one
}
