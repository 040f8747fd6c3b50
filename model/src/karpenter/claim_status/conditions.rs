//! What each condition goes by
//! (karpenter v1.14 pkg/controllers/nodeclaim/disruption/{consolidation,drift}.go; v0.32.4
//! {emptiness,expiration,drift}.go).
//!
//! Each rule says what holds now and adds to `next` the time at which that may change by itself.

use std::time::Duration;

use sim::Instant;

use super::{Drift, View};
use crate::api::{Labels, Taint};
use crate::id::NodeClaimId;
use crate::karpenter::node_pool::{ConsolidationPolicy, NodePool};
use crate::karpenter::provider::NodeClass;
use crate::karpenter::requirement::Name;
use crate::karpenter::requirements::Requirements;
use crate::karpenter::state::{NodeClaim, is_true};
use crate::karpenter::version::Profile;
use crate::karpenter::{labels, pod};

/// A claim's age before its instance type is looked for (`isDrifted`; from v1.1).
const TYPE_CHECK_AGE: Duration = Duration::from_secs(3600);
/// How long a type that was found is not looked for again.
const TYPE_CHECK_PERIOD: Duration = Duration::from_secs(1800);
/// How long until a node that was nominated is looked at again (v0.32.4 emptiness.go).
const NOMINATED: Duration = Duration::from_secs(30);

/// What of a NodePool a node must have from the start: the fields of its hash
/// (karpenter v1.14 pkg/apis/v1/nodepool.go `Hash`; v0.37.0 pkg/apis/v1beta1/nodepool.go `Hash`).
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Template {
    labels: Labels,
    annotations: Labels,
    taints: Vec<Taint>,
    startup_taints: Vec<Taint>,
    node_class: Name,
    kubelet: String,
    expire_after: Option<Duration>,
    termination_grace_period: Option<Duration>,
}

impl Template {
    pub(super) fn new(pool: &NodePool, profile: &Profile) -> Self {
        // Upstream hashes lists as sets.
        let set = |taints: &[Taint]| {
            let mut taints = taints.to_vec();
            taints.sort();
            taints.dedup();
            taints
        };
        Template {
            labels: pool.labels.clone(),
            annotations: pool.annotations.clone(),
            taints: set(&pool.taints),
            startup_taints: set(&pool.startup_taints),
            node_class: pool.node_class.clone(),
            // Of v1beta1; later it is the class's.
            kubelet: match (profile.api_v1, profile.quantities_hashed) {
                (true, _) => String::new(),
                (false, true) => pool.hashed_kubelet.clone(),
                (false, false) => pool.hashed_kubelet_by_format.clone(),
            },
            // It was no part of the template before.
            expire_after: pool.expire_after.filter(|_| profile.api_v1),
            termination_grace_period: pool.termination_grace_period,
        }
    }
}

/// How a claim differs from what its pool asks for (`isDrifted`).
pub(super) fn drift(
    origin: &Template,
    template: &Template,
    claim: &NodeClaim,
    pool: &NodePool,
    view: &View<'_>,
    now: Instant,
    next: &mut Vec<Instant>,
) -> Option<Drift> {
    if origin != template {
        return Some(Drift::NodePool);
    }
    let own = Requirements::from_labels(&claim.labels);
    if own.compatible_strictly(&pool.requirements).is_err() {
        return Some(Drift::Requirements);
    }
    let first = claim.created + TYPE_CHECK_AGE;
    if now < first {
        next.push(first);
        return None;
    }
    next.push(now + TYPE_CHECK_PERIOD);
    (!is_offered(claim, view)).then_some(Drift::InstanceTypeNotFound)
}

/// How a claim's machine differs from what its node class would make now
/// (karpenter-provider-aws v1.14 pkg/cloudprovider/drift.go `isNodeClassDrifted`).
pub(super) fn class_drift(origin: &NodeClass, class: &NodeClass, profile: &Profile) -> Option<Drift> {
    let same = match profile.quantities_hashed {
        true => origin.hashed == class.hashed,
        false => origin.hashed_by_format == class.hashed_by_format,
    };
    if !same {
        return Some(Drift::NodeClass);
    }
    (origin.image_terms != class.image_terms).then_some(Drift::Ami)
}

/// Whether the claim's type is on the list, with an offering for its zone and capacity type, available or not
/// (`instanceTypeNotFound`). A reserved node may become one on demand.
fn is_offered(claim: &NodeClaim, view: &View<'_>) -> bool {
    let name = claim.labels.get(labels::INSTANCE_TYPE);
    let types = view.instance_types.get(&claim.pool);
    let own = types.zip(name).and_then(|(types, name)| types.named(name));
    let label = |key: &str| claim.labels.get(key).map_or("", String::as_str);
    own.is_some_and(|own| {
        own.offerings.iter().any(|offering| {
            let bought = offering.capacity_type.as_str();
            let wanted = label(labels::CAPACITY_TYPE);
            let fits = bought == wanted || wanted == "reserved" && bought == "on-demand";
            fits && *offering.zone == *label(labels::ZONE)
        })
    })
}

/// Since when nothing has kept a claim from being consolidated, if it may be (`Consolidation.Reconcile`,
/// pkg/utils/disruption/disruption.go `IsUnderConsolidateAfter`).
pub(super) fn consolidatable(
    claim: &NodeClaim,
    pool: &NodePool,
    now: Instant,
    next: &mut Vec<Instant>,
) -> Option<Instant> {
    let after = pool.disruption.consolidate_after?;
    let initialized = claim
        .conditions
        .initialized
        .filter(|initialized| initialized.status)?;
    let since = claim.last_pod_event.unwrap_or(initialized.since);
    if !after.is_zero() && now < since + after {
        next.push(since + after);
        return None;
    }
    Some(since)
}

/// Whether a claim's node has been found empty, in pools that delete only empty nodes (until v0.37).
pub(super) fn empty(
    id: NodeClaimId,
    claim: &NodeClaim,
    pool: &NodePool,
    view: &View<'_>,
    now: Instant,
    next: &mut Vec<Instant>,
) -> bool {
    let disruption = &pool.disruption;
    if disruption.consolidation_policy != ConsolidationPolicy::WhenEmpty
        || disruption.consolidate_after.is_none()
        || !is_true(claim.conditions.initialized)
    {
        return false;
    }
    let Some(node) = claim.node.filter(|node| view.api.nodes.get(*node).is_some()) else {
        return false;
    };
    if view.state.is_nominated(id, now) {
        next.push(now + NOMINATED);
        return false;
    }
    let pods = view
        .api
        .pods_on(node)
        .iter()
        .filter_map(|pod| view.api.pods.get(*pod));
    !pods.into_iter().any(pod::is_reschedulable)
}

/// Whether a claim's time is over, by the older of claim and node (until v0.37).
pub(super) fn expired(
    claim: &NodeClaim,
    pool: &NodePool,
    view: &View<'_>,
    now: Instant,
    next: &mut Vec<Instant>,
) -> bool {
    let Some(after) = pool.expire_after else {
        return false;
    };
    let node = claim.node.and_then(|node| view.api.nodes.get(node));
    let born = node.map_or(claim.created, |node| node.created.min(claim.created));
    if now < born + after {
        next.push(born + after);
    }
    now >= born + after
}
