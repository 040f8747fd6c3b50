package oracle

import (
	"fmt"
	"maps"
	"slices"
	"sort"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	v1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"scaletwin/upstream/karpenter/question"
)

// newDisruptionCase draws a cluster that leaves something to be desired.
func (d draw) newDisruptionCase(id string, policies []string) *DisruptionCase {
	level := func() float64 { return pick(d, 0, 0, 0, 0, 0.25) }
	d.Selector, d.Affinity, d.Spread, d.PodAffinity, d.Taint = level(), level(), level(), level(), level()
	c := &DisruptionCase{SpotToSpot: d.Chance(0.4), Until: begin + int64(pick(d, 25, 25, 25, 45, 45, 45, 90, 90, 90, 330))}
	c.ID, c.Templates = id, map[string]Template{}
	c.Reserved = d.Chance(0.1)
	d.Types(&c.Case.Case)
	d.Refuse(&c.Case.Case, pick(d, 0, 0, 0, 0.1, 0.5))
	drifting := d.Chance(0.2)
	for i, name := range d.Some([]string{"alpha", "bravo", "charlie"}, 1, pick(d, 1, 2, 3)) {
		p := d.Pool(name, i == 0 && d.Chance(0.8))
		if d.Chance(0.7) {
			p.Limits = nil
		}
		p.Disruption = d.disruption(policies)
		c.Pools = append(c.Pools, p)
	}
	// Where pods differ in what they cost, few orders are left to chance.
	distinct := d.Chance(0.8)
	for i := range 2 + d.Intn(4) {
		t := d.Template(i)
		t.Spec.Containers[0].Ports = nil
		if distinct {
			t.Annotations = map[string]string{corev1.PodDeletionCost: strconv.Itoa((i*1000 + d.Intn(999)) * pick(d, 1, 1000, 10000))}
		} else if d.Chance(0.3) {
			t.Annotations = map[string]string{corev1.PodDeletionCost: pick(d, "-134217728", "-300000000", "2147483647", "none", "0.5")}
		}
		if d.Chance(0.1) {
			t.Spec.Priority = pick(d, ptr(int32(1000000)), ptr(int32(-2147483648)), ptr(int32(33554432)))
		}
		if d.Chance(0.04) {
			if t.Annotations == nil {
				t.Annotations = map[string]string{}
			}
			t.Annotations[v1.DoNotDisruptAnnotationKey] = pick(d, "true", "true", "false", "50m", "3h")
		}
		c.Templates[fmt.Sprintf("app-%d", i)] = t
	}
	apps := slices.Sorted(maps.Keys(c.Templates))
	for i := range d.Intn(2) {
		name := fmt.Sprintf("daemon-%d", i)
		c.Templates[name] = d.Daemon(i)
		c.Daemons = append(c.Daemons, name)
	}
	d.livedNodes(c, apps, drifting)
	for i := range d.Intn(pick(d, 1, 1, 1, 3)) {
		c.Pods = append(c.Pods, Pod{Name: fmt.Sprintf("pod-%d", i), UID: d.UID(), Template: pick(d, apps...)})
	}
	if d.Chance(0.2) {
		for i := range 1 + d.Intn(2) {
			g := Guard{Name: fmt.Sprintf("guard-%d", i), App: fmt.Sprintf("app-%d", d.Intn(3)), AlwaysAllow: d.Chance(0.3)}
			if d.Chance(0.7) {
				g.Least = ptr(int32(d.Intn(5)))
			}
			c.Guards = append(c.Guards, g)
		}
	}
	d.changes(c, apps)
	return c
}

func ptr[T any](value T) *T { return &value }

func (d draw) disruption(policies []string) *Disruption {
	own := &Disruption{Policy: pick(d, policies...), After: ptr(int64(pick(d, 0, 0, 0, 30, 60, 300)))}
	if d.Chance(0.05) {
		own.After = nil
	}
	switch d.Intn(4) {
	case 0:
		own.Budgets = []Budget{{Nodes: pick(d, "10%", "34%", "50%", "1", "2", "0")}}
	case 1:
		own.Budgets = []Budget{d.budget(), d.budget()}
	default:
		own.Budgets = []Budget{{Nodes: "100%"}}
	}
	return own
}

func (d draw) budget() Budget {
	own := Budget{Nodes: pick(d, "0", "1", "2", "3", "10%", "20%", "34%", "50%", "67%", "100%")}
	if d.Chance(0.5) {
		own.Reasons = d.Some([]string{"Empty", "Underutilized", "Drifted"}, 1, 2)
	}
	if d.Chance(0.3) {
		own.Schedule = pick(d, "0 1 * * *", "30 0 * * *", "@hourly", "@daily", "*/20 * * * *", "0 2 * * *", "1 1 * * 4", "0 0 1 * *", "0 9 * * mon-fri")
		own.Duration = int64(60 * pick(d, 1, 5, 10, 30, 60, 90, 600))
	}
	return own
}

// livedNodes puts nodes there that have lived for a while, with less on them than they could hold.
func (d draw) livedNodes(c *DisruptionCase, apps []string, drifting bool) {
	spot := pick(d, 0, 0.2, 0.5, 1)
	emptiness := pick(d, 0, 0, 0, 0.1, 0.5)
	for i := range 1 + d.Intn(pick(d, 4, 7, 10)) {
		t := d.ByName[pick(d, c.Types...)]
		var offers []Offer
		for _, o := range t.Offerings {
			if o.Reservation == "" && (o.CapacityType == "spot") == d.Chance(spot) {
				offers = append(offers, o)
			}
		}
		if len(offers) == 0 {
			offers = t.Offerings[:1]
		}
		offer := pick(d, offers...)
		n := Node{Name: fmt.Sprintf("node-%02d", 40-i), Stage: "initialized", Labels: map[string]string{
			corev1.LabelTopologyZone: offer.Zone, v1.CapacityTypeLabelKey: offer.CapacityType, corev1.LabelInstanceTypeStable: t.Name, corev1.LabelOSStable: "linux",
		}}
		if d.Chance(0.06) {
			n.Stage = pick(d, "launched", "registered")
		}
		for _, r := range t.Requirements {
			if len(r.Values) == 1 && r.Key != corev1.LabelTopologyZone && r.Key != v1.CapacityTypeLabelKey {
				n.Labels[r.Key] = r.Values[0]
			}
		}
		n.Capacity, n.Allocatable = t.Capacity, map[string]string{}
		overhead := question.Amounts(t.Overhead)
		left := map[string]resource.Quantity{}
		for name, amount := range question.Amounts(t.Capacity) {
			amount.Sub(overhead[name])
			n.Allocatable[string(name)] = amount.String()
			left[string(name)] = amount
		}
		created := int64(d.Intn(3000))
		n.Life = &Life{Created: created, Initialized: created + 40}
		if d.Chance(0.96) {
			p := pick(d, c.Pools...)
			n.Pool = p.Name
			n.Labels[v1.NodePoolLabelKey] = p.Name
			n.Labels["karpenter.k8s.aws/ec2nodeclass"] = "default"
			maps.Copy(n.Labels, p.Labels)
			n.Taints = slices.Clone(p.Taints)
		} else {
			n.Stage = "initialized"
		}
		if n.Stage != "launched" {
			n.Labels[corev1.LabelHostname] = n.Name
		}
		l := n.Life
		if d.Chance(0.5) {
			l.ExpireAfter = int64(pick(d, 3700, 7200, 86400, 2592000))
		}
		if d.Chance(0.15) {
			l.GracePeriod = 600
		}
		if n.Stage == "initialized" {
			if d.Chance(0.7) {
				l.LastPodEvent = l.Initialized + int64(d.Intn(3600-int(l.Initialized)))
			}
			l.Consolidatable = d.Chance(0.95)
		}
		if drifting && d.Chance(0.5) {
			l.Drifted = begin - 1 - int64(d.Intn(500))
		}
		if d.Chance(0.03) {
			l.Annotations = map[string]string{v1.DoNotDisruptAnnotationKey: pick(d, "true", "false")}
		}
		l.NotReady = d.Chance(0.05)
		l.Nominated = d.Chance(0.05)
		if n.Stage != "launched" && !d.Chance(emptiness) {
			for range 1 + d.Intn(pick(d, 3, 5, 8)) {
				app := pick(d, apps...)
				if d.fits(c.Templates[app], left) {
					c.Bound = append(c.Bound, Pod{Name: fmt.Sprintf("bound-%d", len(c.Bound)), UID: d.UID(), Template: app, Node: n.Name, NotReady: d.Chance(0.05), Terminating: d.Chance(0.06)})
				}
			}
		}
		for _, daemon := range c.Daemons {
			if n.Stage != "launched" && d.Chance(0.7) && d.fits(c.Templates[daemon], left) {
				c.Bound = append(c.Bound, Pod{Name: fmt.Sprintf("bound-%d", len(c.Bound)), UID: d.UID(), Template: daemon, Node: n.Name})
			}
		}
		c.Nodes = append(c.Nodes, n)
	}
}

// fits takes a pod's part of what is left of a node, if there is enough.
func (d draw) fits(t Template, left map[string]resource.Quantity) bool {
	requests := t.Spec.Containers[0].Resources.Requests
	for name, amount := range requests {
		if own := left[string(name)]; own.Cmp(amount) < 0 {
			return false
		}
	}
	for name, amount := range requests {
		own := left[string(name)]
		own.Sub(amount)
		left[string(name)] = own
	}
	return true
}

// changes lets something happen, often while a command has to stand.
func (d draw) changes(c *DisruptionCase, apps []string) {
	for range d.Intn(pick(d, 1, 1, 3, 5)) {
		n := pick(d, c.Nodes...)
		if n.Stage != "initialized" {
			continue
		}
		// Often while the first command has to stand.
		span := pick(d, 15, int(c.Until)-begin)
		change := Change{At: begin + 1 + int64(d.Intn(span)), Node: n.Name, What: pick(d, "bind", "delete", "terminate", "nominate", "consolidatable", "unconsolidatable", "notReady", "gone", "gone", "drifted")}
		switch change.What {
		case "bind":
			change.Pod = &Pod{Name: fmt.Sprintf("later-%d", len(c.Changes)), UID: d.UID(), Template: pick(d, apps...), Node: n.Name}
		case "delete", "terminate":
			if len(c.Bound) == 0 {
				continue
			}
			pod := pick(d, c.Bound...)
			change.Node, change.Pod = "", &Pod{Name: pod.Name, UID: pod.UID, Template: pod.Template}
		}
		if n.Pool == "" && change.What != "bind" && change.What != "delete" && change.What != "terminate" && change.What != "notReady" {
			continue
		}
		c.Changes = append(c.Changes, change)
	}
	sort.SliceStable(c.Changes, func(i, j int) bool { return c.Changes[i].At < c.Changes[j].At })
}
