// Package hpa draws questions for the HPA controller and writes down its answers, in the format of
// tests/golden/hpa.
package hpa

import "scaletwin/upstream/kubernetes/oracle"

// Main is the program: `hpa replica-calculator|behavior|reconcile --seed N --cases M`.
func Main() {
	oracle.Main("hpa", true,
		oracle.Part{Name: "replica-calculator", Ask: calculation},
		oracle.Part{Name: "behavior", Ask: behaviors},
		oracle.Part{Name: "reconcile", Ask: reconciles},
	)
}
