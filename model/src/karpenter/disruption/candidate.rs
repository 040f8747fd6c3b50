//! Candidates: the nodes that may be disrupted at all, and what they weigh
//! (karpenter v1.14 pkg/controllers/disruption/types.go `NewCandidate`, pkg/controllers/state/statenode.go
//! `ValidateNodeDisruptable`, `ValidatePodsDisruptable`, pkg/utils/disruption/disruption.go).

use std::cell::OnceCell;
use std::sync::Arc;
use std::time::Duration;

use sim::Instant;

use super::event::{Blocked, Method, Unconsolidatable};
use crate::api::{Pod, PodSpec};
use crate::id::{NodeClaimId, NodePoolId, PodId};
use crate::karpenter::instance_type::{CapacityType, InstanceType};
use crate::karpenter::node_pool::{ConsolidationPolicy, NodePool};
use crate::karpenter::pdb::{Limits, Verdict};
use crate::karpenter::requirement::{Name, Requirement};
use crate::karpenter::requirements::Requirements;
use crate::karpenter::state::{NodeClaim, StateNode, is_true};
use crate::karpenter::version::{Empty, Profile};
use crate::karpenter::{labels, pod, provisioner::View};
use crate::quantity::Price;

/// What draining a node costs beside its pods (`PerNodeBaseDisruptionCost`).
pub(crate) const NODE_COST: f64 = 1.0;

/// A node that may be disrupted.
#[derive(Debug, Clone)]
pub(crate) struct Candidate<'a> {
    pub(crate) state: &'a StateNode<'a>,
    pub(crate) claim_id: NodeClaimId,
    pub(crate) claim: &'a NodeClaim,
    pub(crate) pool_id: NodePoolId,
    pub(crate) pool: &'a NodePool,
    pub(crate) instance_type: Option<&'a Arc<InstanceType>>,
    /// Whether the node says which capacity type and zone it is.
    pub(crate) missing_label: Option<&'static str>,
    pub(crate) spot: bool,
    /// What the node costs, once somebody has asked.
    price: OnceCell<Option<Price>>,
    profile: &'a Profile,
    /// The pods that would have to go elsewhere.
    pub(crate) pods: Vec<PodId>,
    /// The eviction costs of its pods, less as the node nears its end.
    pub(crate) disruption_cost: f64,
    /// The cost of a drained node and of the pods that would have to go elsewhere.
    pub(crate) reschedule_cost: f64,
    /// A pod that blocks, which drift need not mind.
    pub(crate) blocked: Option<Blocked>,
}

/// What a pod costs to evict: 1, more or less by its annotation and its priority, from -10 to 10
/// (`EvictionCost`).
#[must_use]
pub fn eviction_cost(pod: &Pod) -> f64 {
    let annotation = pod.template.annotations.get(labels::POD_DELETION_COST);
    let deletion_cost: f64 = annotation.and_then(|text| text.parse().ok()).unwrap_or(0.0);
    let PodSpec { priority, .. } = pod.spec();
    let cost = 1.0 + deletion_cost / f64::from(1 << 27) + f64::from(*priority) / f64::from(1 << 25);
    cost.clamp(-10.0, 10.0)
}

/// The part of its life that a node has before it, from 0 to 1 (`LifetimeRemaining`).
#[must_use]
pub fn lifetime_remaining(created: Instant, expire_after: Option<Duration>, now: Instant) -> f64 {
    let Some(total) = expire_after else {
        return 1.0;
    };
    let left = total.as_secs_f64() - now.since(created).as_secs_f64();
    (left / total.as_secs_f64()).clamp(0.0, 1.0)
}

/// What its drain costs: the node itself, and each pod that would have to go elsewhere and minds
/// (`computeRescheduleDisruptionCost`).
pub(crate) fn reschedule_cost<'p>(pods: impl Iterator<Item = &'p Pod>) -> f64 {
    pods.map(|pod| eviction_cost(pod).max(0.0))
        .fold(NODE_COST, |sum, cost| sum + cost)
}

/// The instance type of a node, if its pool still offers it.
pub(crate) fn instance_type<'a>(state: &StateNode<'_>, view: &View<'a>) -> Option<&'a Arc<InstanceType>> {
    let name = state.labels().get(labels::INSTANCE_TYPE)?;
    let types = view.instance_types.get(&state.pool()?)?;
    types.named(name)
}

/// What a node costs; offerings count even if EC2 is out of them. From v1.14 on zone and capacity type say which one
/// it has (`resolveNodePrice`); before, all its labels do.
pub(crate) fn node_price(
    state: &StateNode<'_>,
    instance_type: &InstanceType,
    profile: &Profile,
) -> Option<Price> {
    if !profile.price_by_offering {
        return labelled_price(state, instance_type);
    }
    let (zone, capacity_type) = (
        state.labels().get(labels::ZONE)?,
        state.labels().get(labels::CAPACITY_TYPE)?,
    );
    let capacity_type: CapacityType = capacity_type.parse().ok()?;
    let mut offerings = instance_type.offerings.iter();
    let own = offerings.find(|o| o.capacity_type == capacity_type && *o.zone == **zone)?;
    Some(own.price)
}

/// The cheapest offering that a node's labels admit, so that one which names a reservation has no other
/// (karpenter v1.5.5 pkg/controllers/disruption/consolidation.go `getCandidatePrices`).
pub(crate) fn labelled_price(state: &StateNode<'_>, instance_type: &InstanceType) -> Option<Price> {
    let keys = [
        labels::ZONE,
        labels::CAPACITY_TYPE,
        labels::CAPACITY_RESERVATION_ID,
    ];
    let known = keys
        .iter()
        .filter_map(|key| Some((Name::from(*key), state.labels().get(*key)?)));
    let own: Requirements = known
        .map(|(key, value)| (key, Requirement::only(value.as_str())))
        .collect();
    let compatible = instance_type.offerings.iter().filter(|o| o.is_compatible(&own));
    compatible.map(|offering| offering.price).min()
}

impl<'a> Candidate<'a> {
    /// The node as a candidate, if it can be one.
    pub(crate) fn new(
        state: &'a StateNode<'a>,
        limits: &Limits<'a>,
        view: &View<'a>,
        now: Instant,
        profile: &'a Profile,
    ) -> Result<Candidate<'a>, Blocked> {
        validate_node(state, now, profile)?;
        let ((claim_id, claim), (_, node)) = state.claim.zip(state.node).ok_or(Blocked::NoNode)?;
        let pool = view.pools.get(claim.pool).ok_or(Blocked::NoPool)?;
        let offered = view.instance_types.get(&claim.pool);
        if offered.is_none_or(|types| types.is_empty()) {
            return Err(Blocked::NoPool);
        }
        let instance_type = instance_type(state, view);
        let missing_label = [labels::CAPACITY_TYPE, labels::ZONE]
            .into_iter()
            .find(|key| !state.labels().contains_key(*key));
        if !profile.api_v1 {
            if let Some(key) = missing_label {
                return Err(Blocked::NoLabel(key));
            }
            if instance_type.is_none() {
                return Err(Blocked::UnknownType(node.instance_type().into()));
            }
        }
        let all = || {
            state
                .pods
                .iter()
                .filter_map(|id| Some((*id, view.api.pods.get(*id)?)))
        };
        let counts = |(_, pod): &(PodId, &Pod)| profile.all_pods_count || pod::is_reschedulable(pod);
        let blocked = blocking_pod(all().filter(counts), limits, now, profile);
        let (created, expire_after) = if profile.api_v1 {
            (claim.created, claim.expire_after)
        } else {
            (node.created, pool.expire_after)
        };
        let cost: f64 = all().filter(counts).map(|(_, pod)| eviction_cost(pod)).sum();
        let reschedulable = || all().filter(|(_, pod)| pod::is_reschedulable(pod));
        Ok(Candidate {
            state,
            claim_id,
            claim,
            pool_id: claim.pool,
            pool,
            instance_type,
            missing_label,
            spot: state.labels().get(labels::CAPACITY_TYPE).map(String::as_str) == Some("spot"),
            price: OnceCell::new(),
            profile,
            pods: reschedulable().map(|(id, _)| id).collect(),
            disruption_cost: cost * lifetime_remaining(created, expire_after, now),
            reschedule_cost: reschedule_cost(reschedulable().map(|(_, pod)| pod)),
            blocked,
        })
    }

    /// What the node costs; `None` if its offering is not known any more.
    pub(crate) fn price(&self) -> Option<Price> {
        let price = || node_price(self.state, self.instance_type?, self.profile);
        *self.price.get_or_init(price)
    }

    /// Whether the node counts as empty (`IsEmpty`; before v1.14 by its pods alone).
    pub(crate) fn is_empty(&self) -> bool {
        match self.profile.empty {
            Empty::NoPositiveCostPods => self.reschedule_cost <= NODE_COST,
            Empty::NoPods | Empty::NoReschedulablePods => self.pods.is_empty(),
        }
    }

    /// What it saves for each unit of disruption (`SavingsRatio`).
    pub(crate) fn savings_ratio(&self) -> f64 {
        self.price().unwrap_or_default().usd_per_hour() / self.reschedule_cost
    }

    /// Whether a method may take it (`ShouldDisrupt`), and why not, where upstream tells.
    pub(crate) fn suits(&self, method: Method, now: Instant) -> Result<(), Option<Refusal>> {
        let conditions = &self.claim.conditions;
        let mut minded = self.blocked.as_ref();
        let suits = match method {
            Method::Expiration => self.pool.expire_after.is_some() && is_true(conditions.expired),
            Method::Drift => {
                if self.profile.eventual_disruption && self.claim.termination_grace_period.is_some() {
                    minded = None;
                }
                is_true(conditions.drifted)
            }
            Method::Emptiness if !self.profile.consolidatable => self.is_empty_long_enough(now),
            Method::Emptiness => {
                self.may_consolidate_empty()?;
                self.is_empty() && is_true(conditions.consolidatable)
            }
            Method::EmptyNode | Method::MultiNode | Method::SingleNode => self.may_consolidate()?,
        };
        match minded {
            _ if !suits => Err(None),
            Some(blocked) => Err(Some(Refusal::Blocked(blocked.clone()))),
            None => Ok(()),
        }
    }

    /// (v0.32.4 pkg/controllers/disruption/emptiness.go `ShouldDisrupt`)
    fn is_empty_long_enough(&self, now: Instant) -> bool {
        let disruption = &self.pool.disruption;
        let empty = self.claim.conditions.empty.filter(|empty| empty.status);
        disruption.consolidation_policy == ConsolidationPolicy::WhenEmpty
            && self.pods.is_empty()
            && disruption
                .consolidate_after
                .zip(empty)
                .is_some_and(|(after, empty)| now >= empty.since + after)
    }

    /// When [`Candidate::is_empty_long_enough`] turns true by itself.
    pub(crate) fn ripe_at(&self) -> Option<Instant> {
        let empty = self.claim.conditions.empty.filter(|empty| empty.status)?;
        Some(empty.since + self.pool.disruption.consolidate_after?)
    }

    fn may_consolidate_empty(&self) -> Result<(), Option<Refusal>> {
        if self.pool.disruption.consolidate_after.is_none() {
            return Err(refuse(Unconsolidatable::Disabled));
        }
        Ok(())
    }

    /// (karpenter v1.14 pkg/controllers/disruption/consolidation.go `ShouldDisrupt`)
    fn may_consolidate(&self) -> Result<bool, Option<Refusal>> {
        if self.instance_type.is_none() {
            let name = self.state.labels().get(labels::INSTANCE_TYPE);
            let name = name.map_or("", String::as_str).into();
            return Err(refuse(Unconsolidatable::UnknownType(name)));
        }
        if let Some(key) = self.missing_label {
            return Err(refuse(Unconsolidatable::NoLabel(key)));
        }
        self.may_consolidate_empty()?;
        if self.profile.empty == Empty::NoPositiveCostPods && self.is_empty() {
            return Err(None);
        }
        if self.pool.disruption.consolidation_policy == ConsolidationPolicy::WhenEmpty {
            return Err(refuse(Unconsolidatable::OnlyWhenEmpty));
        }
        Ok(!self.profile.consolidatable || is_true(self.claim.conditions.consolidatable))
    }
}

/// Why a method does not take a candidate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    Blocked(Blocked),
    Unconsolidatable(Unconsolidatable),
}

fn refuse(why: Unconsolidatable) -> Option<Refusal> {
    Some(Refusal::Unconsolidatable(why))
}

/// (`ValidateNodeDisruptable`)
fn validate_node(state: &StateNode<'_>, now: Instant, profile: &Profile) -> Result<(), Blocked> {
    if state.node.is_none() {
        let registered = state
            .claim
            .is_some_and(|(_, claim)| claim.conditions.registered.is_some());
        return Err(if registered {
            Blocked::NodeGone
        } else {
            Blocked::NoNode
        });
    }
    if !state.initialized() {
        return Err(Blocked::NotInitialized);
    }
    if state.marked_for_deletion() {
        return Err(Blocked::Deleting);
    }
    if state.nominated(now) {
        return Err(Blocked::Nominated);
    }
    let annotation = state.annotations().get(labels::DO_NOT_DISRUPT);
    // The mere presence of the key was enough.
    if annotation.is_some_and(|value| !profile.api_v1 || value == "true") {
        return Err(Blocked::DoNotDisrupt);
    }
    Ok(())
}

/// (`ValidatePodsDisruptable`)
fn blocking_pod<'p>(
    pods: impl Iterator<Item = (PodId, &'p Pod)> + Clone,
    limits: &Limits<'_>,
    now: Instant,
    profile: &Profile,
) -> Option<Blocked> {
    let annotated = |(id, pod): (PodId, &Pod)| {
        (pod.is_active() && pod::is_do_not_disrupt(pod, now, profile)).then_some(Blocked::DoNotDisruptPod(id))
    };
    let budgeted = |(id, pod): (PodId, &Pod)| match limits.check(pod) {
        Verdict::Free => None,
        Verdict::Blocked(pdb) => Some(Blocked::Budget(id, pdb.name.clone())),
        Verdict::Several => Some(Blocked::SeveralBudgets(id)),
    };
    pods.clone()
        .find_map(annotated)
        .or_else(|| pods.clone().find_map(budgeted))
}
