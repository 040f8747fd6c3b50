package oracle

import (
	"context"
	"slices"
	"sort"

	corev1 "k8s.io/api/core/v1"
	v1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
	"sigs.k8s.io/karpenter/pkg/operator/options"
	core "sigs.k8s.io/karpenter/pkg/scheduling"

	"scaletwin/upstream/karpenter/question"
)

// A LaunchCase is a claim, what could be launched for it, and the fleet that was asked for.
type LaunchCase struct {
	ID       string   `json:"id"`
	Version  string   `json:"version"`
	Types    []string `json:"types"`
	Reserved bool     `json:"reserved,omitempty"`
	// Unavailable are offerings that were refused lately: type, zone, capacity type.
	Unavailable  [][3]string       `json:"unavailable,omitempty"`
	Requirements []Requirement     `json:"requirements"`
	Requests     map[string]string `json:"requests"`
	// Fleet is none if nothing can be launched.
	Fleet *Fleet `json:"fleet,omitempty"`
}

// A Fleet is a request to EC2.
type Fleet struct {
	CapacityType string `json:"capacityType"`
	// Overrides are types and zones, in order of both.
	Overrides [][2]string `json:"overrides"`
}

func (d draw) newLaunchCase(id string) *LaunchCase {
	c := question.Case{Reserved: d.Chance(0.2)}
	d.Types(&c)
	if d.Chance(0.3) {
		c.Types = nil
		for _, t := range d.Catalog {
			c.Types = append(c.Types, t.Name)
		}
	}
	own := &LaunchCase{ID: id, Types: c.Types, Reserved: c.Reserved, Requests: map[string]string{}}
	d.Taint = 0
	own.Requirements = d.Pool("alpha", d.Chance(0.4)).Requirements
	if d.Chance(0.4) && !slices.ContainsFunc(own.Requirements, func(r Requirement) bool { return r.Key == corev1.LabelInstanceTypeStable }) {
		own.Requirements = append(own.Requirements, Requirement{Key: corev1.LabelInstanceTypeStable, Operator: "In", Values: d.Some(c.Types, 1, len(c.Types))})
	}
	for name, amount := range d.Container(question.SomeCPU, question.SomeMemory).Resources.Requests {
		own.Requests[string(name)] = amount.String()
	}
	own.Requests["pods"] = "1"
	if d.Chance(0.1) {
		own.Requests[pick(d, "nvidia.com/gpu", "aws.amazon.com/neuron", "vpc.amazonaws.com/efa")] = "1"
	}
	d.Refuse(&c, pick(d, 0, 0, 0.1, 0.5, 0.9))
	own.Unavailable = c.Unavailable
	return own
}

// Solve asks which fleet is requested.
func (c *LaunchCase) Solve(v Version, catalog map[string]Type) bool {
	var types []*cloudprovider.InstanceType
	for _, name := range c.Types {
		types = append(types, instanceType(catalog[name], c.Reserved, c.Unavailable))
	}
	claim := &v1.NodeClaim{}
	claim.Name = "claim"
	claim.Spec.Requirements = nodePool(Pool{Name: "alpha", Requirements: c.Requirements}).Spec.Template.Spec.Requirements
	claim.Spec.Resources.Requests = question.Amounts(c.Requests)
	ctx := options.ToContext(context.Background(), &options.Options{FeatureGates: options.FeatureGates{ReservedCapacity: c.Reserved}})
	c.Version = v.Name
	c.Fleet = v.Launch(ctx, claim, types)
	if c.Fleet != nil {
		sort.Slice(c.Fleet.Overrides, func(i, j int) bool {
			return slices.Compare(c.Fleet.Overrides[i][:], c.Fleet.Overrides[j][:]) < 0
		})
	}
	return !c.ambiguous(types)
}

// ambiguous says whether the sixty cheapest types are not the same in each order of equal prices.
func (c *LaunchCase) ambiguous(types cloudprovider.InstanceTypes) bool {
	if c.Fleet == nil {
		return false
	}
	named := map[string]bool{}
	for _, own := range c.Fleet.Overrides {
		named[own[0]] = true
	}
	if len(named) < 40 {
		return false
	}
	requirements := core.NewNodeSelectorRequirementsWithMinValues(nodePool(Pool{Name: "alpha", Requirements: c.Requirements}).Spec.Template.Spec.Requirements...)
	cheapest := func(t *cloudprovider.InstanceType) float64 {
		price := -1.0
		for _, o := range t.Offerings.Available().Compatible(requirements) {
			if price < 0 || o.Price < price {
				price = o.Price
			}
		}
		return price
	}
	prices := map[float64][2]bool{}
	for _, t := range types {
		price := cheapest(t)
		own := prices[price]
		if named[t.Name] {
			own[0] = true
		} else {
			own[1] = true
		}
		prices[price] = own
	}
	for _, own := range prices {
		if own[0] && own[1] {
			return true
		}
	}
	return false
}

func (c *LaunchCase) dull() bool { return c.Fleet == nil }
