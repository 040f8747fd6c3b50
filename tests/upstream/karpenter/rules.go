package oracle

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sort"
	"strconv"
	"time"

	"github.com/awslabs/operatorpkg/status"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	v1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
	nodeclaimdisruption "sigs.k8s.io/karpenter/pkg/controllers/nodeclaim/disruption"
	"sigs.k8s.io/karpenter/pkg/controllers/nodeclaim/podevents"
	disruptionutils "sigs.k8s.io/karpenter/pkg/utils/disruption"
)

// A BudgetCase asks how many of a pool's nodes may go at a time. At is in seconds since 2026 began.
type BudgetCase struct {
	ID      string   `json:"id"`
	Version string   `json:"version"`
	Budgets []Budget `json:"budgets"`
	Nodes   int      `json:"nodes"`
	Reason  string   `json:"reason"`
	At      int64    `json:"at"`
	// Allowed is none if nothing limits it.
	Allowed *int `json:"allowed,omitempty"`
}

func (d draw) newBudgetCase(id string) *BudgetCase {
	c := &BudgetCase{ID: id, Nodes: d.Intn(pick(d, 3, 12, 101, 400)), Reason: pick(d, "Empty", "Drifted", "Underutilized"), Budgets: []Budget{}}
	// Seconds around full minutes matter most: schedules are of minutes.
	c.At = int64(d.Intn(2*365*24*60))*60 + int64(pick(d, 0, 0, 1, 59, d.Intn(60)))
	for range d.Intn(4) {
		own := d.budget()
		if d.Chance(0.6) {
			minute, hour := strconv.Itoa(d.Intn(60)), strconv.Itoa(d.Intn(24))
			own.Schedule = pick(d, "@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually",
				minute+" "+hour+" * * *", "*/"+strconv.Itoa(1+d.Intn(30))+" * * * *", "0 "+hour+" * * mon-fri", "0 9-17 * * *",
				minute+" "+hour+" 1,15 * *", "15 */6 * * 0", "0 0 29 2 *", "30 "+hour+" 31 * *", "0 12 13 * 5", "* "+hour+" * jan,jul *",
				"5-50/15 * * * sat", "0 0 * * 7", "61 * * * *", "0 0 30 2 *")
			own.Duration = int64(60 * pick(d, 1, 5, 30, 60, 61, 480, 1440, 10080))
		}
		c.Budgets = append(c.Budgets, own)
	}
	return c
}

// Solve asks what is allowed.
func (c *BudgetCase) Solve(v Version, _ map[string]Type) bool {
	pool := &v1.NodePool{}
	pool.Spec.Disruption.Budgets = budgets(c.Budgets)
	c.Version = v.Name
	allowed := pool.MustGetAllowedDisruptions(clocktesting.NewFakeClock(at(c.At).Time), c.Nodes, v1.DisruptionReason(c.Reason))
	if allowed != math.MaxInt32 {
		c.Allowed = &allowed
	}
	return true
}

func (c *BudgetCase) dull() bool { return c.Allowed == nil }

// A CostCase asks what pods cost to evict, and how much of its life a node has before it.
type CostCase struct {
	ID      string    `json:"id"`
	Version string    `json:"version"`
	Pods    []PodCost `json:"pods"`
	// Created, ExpireAfter and At are in seconds; ExpireAfter is none for Never.
	Created     int64   `json:"created"`
	ExpireAfter *int64  `json:"expireAfter,omitempty"`
	At          int64   `json:"at"`
	Lifetime    float64 `json:"lifetime,string"`
	Sum         float64 `json:"sum,string"`
}

// A PodCost is a pod as far as its cost goes. The API server takes whole numbers of 32 bits for the annotation.
type PodCost struct {
	Annotation *string `json:"annotation,omitempty"`
	Priority   *int32  `json:"priority,omitempty"`
	Cost       float64 `json:"cost,string"`
}

func (d draw) newCostCase(id string) *CostCase {
	c := &CostCase{ID: id, Pods: []PodCost{}, Created: int64(d.Intn(1000)), At: int64(1000 + d.Intn(pick(d, 10, 5000, 3000000)))}
	if d.Chance(0.8) {
		c.ExpireAfter = ptr(int64(1 + d.Intn(pick(d, 100, 6000, 2592000))))
	}
	for range d.Intn(6) {
		p := PodCost{}
		if d.Chance(0.7) {
			p.Annotation = ptr(pick(d, strconv.Itoa(d.Intn(1<<31)), strconv.Itoa(-d.Intn(1<<31)), strconv.Itoa(d.Intn(100000000)), "-134217728", "1207959552", "0", "-2147483648", "2147483647"))
		}
		if d.Chance(0.6) {
			p.Priority = ptr(pick(d, int32(0), 1000, 1000000000, 2000000000, 2000001000, -2147483648, int32(d.Intn(1<<31)), -int32(d.Intn(1<<31))))
		}
		c.Pods = append(c.Pods, p)
	}
	return c
}

// Solve asks for the costs.
func (c *CostCase) Solve(v Version, _ map[string]Type) bool {
	c.Version = v.Name
	claim := &v1.NodeClaim{}
	claim.CreationTimestamp = at(c.Created)
	if c.ExpireAfter != nil {
		claim.Spec.ExpireAfter = v1.NillableDuration{Duration: seconds(*c.ExpireAfter)}
	}
	c.Lifetime = disruptionutils.LifetimeRemaining(clocktesting.NewFakeClock(at(c.At).Time), nil, claim)
	var pods []*corev1.Pod
	for i, p := range c.Pods {
		pod := &corev1.Pod{}
		if p.Annotation != nil {
			pod.Annotations = map[string]string{corev1.PodDeletionCost: *p.Annotation}
		}
		pod.Spec.Priority = p.Priority
		pods = append(pods, pod)
		c.Pods[i].Cost = disruptionutils.EvictionCost(context.Background(), pod)
	}
	c.Sum = disruptionutils.ReschedulingCost(context.Background(), pods)
	return true
}

func (c *CostCase) dull() bool { return false }

// A QuietCase is a node whose pods come and go, and when it was consolidatable. Times are in seconds.
type QuietCase struct {
	ID      string `json:"id"`
	Version string `json:"version"`
	// After is consolidateAfter, none for Never.
	After *int64 `json:"after,omitempty"`
	// Initialized is when the node was; none if never.
	Initialized int64 `json:"initialized,omitempty"`
	// Events are when pods came or went.
	Events []QuietEvent `json:"events"`
	Until  int64        `json:"until"`
	// Turns are when the node became consolidatable, or was it no more.
	Turns []Turn `json:"turns"`
	// Last are all values that lastPodEventTime had.
	Last []int64 `json:"last"`
}

// A QuietEvent is a pod that came.
type QuietEvent struct {
	At     int64 `json:"at"`
	Daemon bool  `json:"daemon,omitempty"`
}

// A Turn is a change of the condition Consolidatable.
type Turn struct {
	At     int64 `json:"at"`
	Status bool  `json:"status"`
}

func (d draw) newQuietCase(id string) *QuietCase {
	c := &QuietCase{ID: id, Until: int64(pick(d, 100, 600, 1500)), Turns: []Turn{}, Last: []int64{}, Events: []QuietEvent{}}
	if d.Chance(0.93) {
		c.After = ptr(int64(pick(d, 0, 1, 9, 10, 11, 30, 30, 60, 300, d.Intn(200))))
	}
	if d.Chance(0.93) {
		c.Initialized = int64(1 + d.Intn(60))
	}
	for range d.Intn(pick(d, 3, 8, 20)) {
		c.Events = append(c.Events, QuietEvent{At: int64(1 + d.Intn(int(c.Until))), Daemon: d.Chance(0.15)})
	}
	sort.Slice(c.Events, func(i, j int) bool { return c.Events[i].At < c.Events[j].At })
	return c
}

func (p *provider) IsDrifted(context.Context, *v1.NodeClaim) (cloudprovider.DriftReason, error) {
	return "", nil
}

// Solve lets the two controllers of NodeClaims run.
func (c *QuietCase) Solve(v Version, _ map[string]Type) bool {
	ctx := context.Background()
	c.Version = v.Name
	clock := clocktesting.NewFakeClock(at(0).Time)
	pool := disruptionPool(Pool{Name: "alpha", Disruption: &Disruption{Policy: "WhenEmptyOrUnderutilized", After: c.After}})
	n := Node{Name: "node", Pool: "alpha", Stage: "registered", Labels: map[string]string{v1.NodePoolLabelKey: "alpha"}, Life: &Life{}}
	node, claim := nodeObjects(n)
	lived(n, node, claim)
	kube := newMemory(clock, pool, node, claim)
	cp := &provider{}
	conditions := nodeclaimdisruption.NewController(clock, kube, cp)
	events := podevents.NewController(clock, kube, cp)
	key := client.ObjectKey{Name: "node"}
	get := func() *v1.NodeClaim {
		claim := &v1.NodeClaim{}
		must(kube.Get(ctx, key, claim))
		return claim
	}
	now := func() int64 { return int64(clock.Now().Sub(epoch) / time.Second) }
	holds := false
	// due is when the condition may change by itself.
	due := int64(-1)
	look := func() {
		result, err := conditions.Reconcile(ctx, get())
		must(err)
		due = -1
		if result.RequeueAfter > 0 {
			due = now() + int64((result.RequeueAfter+time.Second-1)/time.Second)
		}
		claim := get()
		if own := claim.StatusConditions().Get(v1.ConditionTypeConsolidatable).IsTrue(); own != holds {
			holds = own
			c.Turns = append(c.Turns, Turn{At: now(), Status: own})
		}
		if t := claim.Status.LastPodEventTime; !t.IsZero() {
			second := int64(t.Sub(epoch) / time.Second)
			if len(c.Last) == 0 || c.Last[len(c.Last)-1] != second {
				c.Last = append(c.Last, second)
			}
		}
	}
	look()
	left := c.Events
	for {
		next := c.Until + 1
		if due >= 0 {
			next = min(next, due)
		}
		if c.Initialized > now() {
			next = min(next, c.Initialized)
		}
		if len(left) > 0 {
			next = min(next, left[0].At)
		}
		if next > c.Until {
			return true
		}
		clock.SetTime(at(next).Time)
		if next == c.Initialized {
			claim := get()
			conditions := slices.DeleteFunc(claim.Status.Conditions, func(own status.Condition) bool { return own.Type == v1.ConditionTypeInitialized })
			claim.Status.Conditions = append(conditions, condition(v1.ConditionTypeInitialized, next))
			must(kube.store(claim))
		}
		for len(left) > 0 && left[0].At == next {
			pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("pod-%d", len(left)), Namespace: "default"}}
			kind := "ReplicaSet"
			if left[0].Daemon {
				kind = "DaemonSet"
			}
			pod.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: kind, Name: "owner", UID: types.UID("owner"), Controller: ptr(true)}}
			pod.Spec.NodeName = "node"
			_, err := events.Reconcile(ctx, pod)
			must(err)
			left = left[1:]
		}
		look()
	}
}

func (c *QuietCase) dull() bool { return len(c.Turns) == 0 && c.Initialized != 0 }
