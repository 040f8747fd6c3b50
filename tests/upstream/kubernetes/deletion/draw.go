package deletion

import (
	"fmt"
	"math/rand/v2"
)

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

func chance(r *rand.Rand, percent int) bool { return r.IntN(100) < percent }

// drawer is how pods of a case are: some cases are plain, in some everything is alike.
type drawer struct {
	r *rand.Rand
	// In percent: how many have each thing.
	unbound, pending, unready, cost, restarts, going int
	nodes                                            int
	ages                                             []int64
	// part is the fraction of a second that all share.
	part int64
}

func draw(r *rand.Rand) question {
	some := func() int { return pick(r, 0, 0, 10, 40) }
	d := drawer{
		r: r, unbound: some(), pending: some(), unready: some(), cost: some(), restarts: some(), going: pick(r, 0, 0, 10),
		nodes: pick(r, 1, 2, 4, 8, 12), part: r.Int64N(1_000_000_000),
	}
	// Ages in seconds: alike, of the same or of other powers of two. Upstream's metric divides by the least.
	for range pick(r, 1, 2, 4, 10, 60) {
		d.ages = append(d.ages, pick(r, 1, 2, 3, 1+r.Int64N(64), 1+r.Int64N(4096), 1+r.Int64N(4_000_000)))
	}
	one := question{}
	for number := range 2 + r.IntN(pick(r, 3, 10, 59)) {
		one.Pods = append(one.Pods, d.pod(fmt.Sprintf("p%d", number)))
	}
	if chance(r, 40) {
		for number := range 1 + r.IntN(20) {
			one.Others = append(one.Others, d.pod(fmt.Sprintf("o%d", number)))
		}
	}
	one.Diff = 1 + r.IntN(len(one.Pods))
	return one
}

func (d drawer) pod(name string) pod {
	r := d.r
	one := pod{
		Name: name, UID: fmt.Sprintf("%08x-%04x-4000-8000-%012x", r.Uint32(), r.IntN(1<<16), r.Int64N(1<<48)),
		Node: fmt.Sprintf("n%d", r.IntN(d.nodes)), Phase: "Running", Ready: "True",
	}
	one.CreatedAge = pick(r, d.ages...)*1_000_000_000 + d.part
	age := one.CreatedAge - min(one.CreatedAge-d.part, r.Int64N(40)*1_000_000_000)
	if chance(r, 50) {
		age = pick(r, d.ages...)*1_000_000_000 + d.part
	}
	one.ReadyAge = &age
	if chance(r, d.unready) {
		one.Ready = pick(r, "False", "False", "Unknown", "")
	}
	if chance(r, d.pending) {
		one.Phase, one.Ready = pick(r, "Pending", "Pending", "Unknown"), pick(r, "", "False", "True")
	}
	if chance(r, d.unbound) {
		one.Node, one.Phase, one.Ready = "", "Pending", ""
	}
	if one.Ready == "" || chance(r, 2) {
		one.ReadyAge = nil
	}
	if chance(r, d.cost) {
		text := pick(r, "0", "1", "-1", "100", "-2147483648", "2147483647", "2147483648", "+5", "05", "-0", "1.5", "", " 1")
		one.Cost = &text
	}
	counts := func() (all []uint32) {
		for range 1 + r.IntN(2) {
			all = append(all, uint32(pick(r, 0, 0, 1, 2, 7)))
		}
		return all
	}
	if chance(r, d.restarts) {
		one.Restarts = counts()
	}
	if chance(r, d.restarts/3) {
		one.Sidecars = counts()
	}
	if chance(r, d.restarts/4) {
		one.Inits = counts()
	}
	one.Going = chance(r, d.going)
	return one
}
