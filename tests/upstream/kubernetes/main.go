// Package kubernetes draws questions for controllers of Kubernetes and writes down their answers, in the formats of
// tests/golden/hpa, scheduler and workload.
package kubernetes

import (
	"slices"

	"scaletwin/upstream/kubernetes/deletion"
	"scaletwin/upstream/kubernetes/hpa"
	"scaletwin/upstream/kubernetes/oracle"
	"scaletwin/upstream/kubernetes/scheduler"
)

// Main is the program that asks Kubernetes 1.minor: `gen PART --seed N --cases M`.
func Main(minor int) {
	oracle.Main(minor, slices.Concat(hpa.Parts, deletion.Parts, scheduler.Parts)...)
}
