// Package deletion asks which pods a ReplicaSet gives up, and writes down its answers in the format of
// tests/golden/workload.
package deletion

import (
	"math/rand/v2"

	"scaletwin/upstream/kubernetes/oracle"
)

// Parts are all that can be asked.
var Parts = []oracle.Part{{Name: "pod-deletion", Clock: true, Ask: ask}}

func ask(r *rand.Rand, id string) any {
	one := draw(r)
	one.ID = id
	one.answer()
	return one
}
