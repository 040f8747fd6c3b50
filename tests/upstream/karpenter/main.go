// Package oracle asks the real Karpenter core where pods would go and what its disruption controller would do, and
// writes down question and answer.
//
// The package holds what the versions since 1.0 share; each version has a module of its own beside this one, which
// pins its Karpenter and says how its parts are made there.
package oracle

import (
	"encoding/json"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"scaletwin/upstream/karpenter/question"
)

// What questions are made of.
type (
	Pool        = question.Pool
	Requirement = question.Requirement
	Template    = question.Template
	Pod         = question.Pod
	Node        = question.Node
	Life        = question.Life
	Answer      = question.Answer
	Claim       = question.Claim
	Type        = question.Type
	Offer       = question.Offer
	Disruption  = question.Disruption
	Budget      = question.Budget
)

// draw makes questions at random.
type draw struct{ *question.Draw }

func pick[T any](d draw, from ...T) T { return question.Pick(d.Draw, from...) }

// asked is a question to a version.
type asked[C solver] struct {
	c       C
	version Version
	catalog map[string]Type
}

type solver interface {
	Solve(v Version, catalog map[string]Type) bool
	dull() bool
}

func (a asked[C]) Solve() bool                  { return a.c.Solve(a.version, a.catalog) }
func (a asked[C]) Dull() bool                   { return a.c.dull() }
func (a asked[C]) MarshalJSON() ([]byte, error) { return json.Marshal(a.c) }

// part is one whose cases are drawn so.
func part[C solver](v Version, draws func(d draw, id string) C) question.Part {
	return func(d *question.Draw, id string) question.Question {
		return asked[C]{draws(draw{d}, id), v, d.ByName}
	}
}

// Main is the program of a version.
func Main(v Version) {
	log.SetLogger(logr.Discard())
	parts := map[string]question.Part{
		"solve":  part(v, func(d draw, id string) *Case { return &Case{*d.NewCase(id)} }),
		"budget": part(v, draw.newBudgetCase),
		"cost":   part(v, draw.newCostCase),
		"quiet":  part(v, draw.newQuietCase),
		"disruption": part(v, func(d draw, id string) *DisruptionCase {
			return d.newDisruptionCase(id, v.Policies)
		}),
	}
	if v.Launch != nil {
		parts = map[string]question.Part{"launch": part(v, draw.newLaunchCase)}
	} else {
		registerNodeClass()
	}
	question.Main(v.Name, question.Features{MatchLabelKeys: v.MatchLabelKeys}, parts, register)
}
