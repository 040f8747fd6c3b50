//! What must hold for each condition, and what it writes
//! (karpenter v1.14 pkg/controllers/nodeclaim/lifecycle/{registration,initialization}.go).

use std::fmt;
use std::sync::Arc;

use sim::Instant;

use super::Registration;
use crate::api::{Condition, Labels, Node, Taint, TaintEffect};
use crate::id::{InstanceId, NodeId};
use crate::karpenter::labels;
use crate::karpenter::provider::launch::Details;
use crate::karpenter::state::NodeClaim;
use crate::karpenter::version::Profile;
use crate::quantity::Resources;

/// The taint's key of a node that is not registered yet, from v1.0.
pub const UNREGISTERED: &str = "karpenter.sh/unregistered";

/// The labels that the kubelet of a claim's machine registers with: those of the claim
/// (karpenter-provider-aws v1.14 pkg/providers/launchtemplate).
#[must_use]
pub fn bootstrap_labels(claim: &NodeClaim) -> Labels {
    (*claim.labels).clone()
}

/// The taints that the kubelet of a claim's machine registers with: those of the claim and, from v1.0, one
/// that keeps everything away until registration.
#[must_use]
pub fn bootstrap_taints(claim: &NodeClaim, profile: &Profile) -> Vec<Taint> {
    let own = claim.taints.iter().chain(&*claim.startup_taints).cloned();
    let unregistered = Taint::new(UNREGISTERED, TaintEffect::NoExecute);
    own.chain(profile.unregistered_taint.then_some(unregistered))
        .collect()
}

/// What registration makes of a node (`syncNode`): the claim's labels, annotations and taints are added, the
/// taint of unregistered nodes is taken away.
#[must_use]
pub fn registration(claim: &NodeClaim, node: &Node) -> Registration {
    let mut labels = (*node.labels).clone();
    labels.extend(
        claim
            .labels
            .iter()
            .map(|(key, value)| (key.clone(), value.clone())),
    );
    labels.insert(labels::REGISTERED.to_owned(), "true".to_owned());
    let mut annotations = node.annotations.clone();
    annotations.extend(
        claim
            .annotations
            .iter()
            .map(|(key, value)| (key.clone(), value.clone())),
    );
    let mut taints = node.taints.clone();
    for taint in claim.taints.iter().chain(&*claim.startup_taints) {
        if !taints.iter().any(|own| matches(own, taint)) {
            taints.push(taint.clone());
        }
    }
    taints.retain(|taint| taint.key != UNREGISTERED);
    Registration {
        labels,
        annotations,
        taints,
    }
}

/// Taints are the same if key and effect are.
fn matches(a: &Taint, b: &Taint) -> bool {
    a.key == b.key && a.effect == b.effect
}

/// What a registered claim still waits for before it is initialized.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pending {
    /// `NodeNotReady`
    NotReady,
    /// `StartupTaintsExist`: this one, by key.
    StartupTaint(String),
    /// `KnownEphemeralTaintsExist`: this one, by key.
    EphemeralTaint(String),
    /// `ResourceNotRegistered`: this one was requested, and the node has none.
    Resource(String),
}

impl fmt::Display for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Pending::NotReady => f.write_str("node is not ready"),
            Pending::StartupTaint(key) => write!(f, "startup taint {key} still exists"),
            Pending::EphemeralTaint(key) => write!(f, "taint {key} still exists"),
            Pending::Resource(name) => write!(f, "resource {name} was requested but not registered"),
        }
    }
}

/// What a registered claim still waits for, if anything (`Initialization.Reconcile`).
#[must_use]
pub fn pending(claim: &NodeClaim, node: &Node, profile: &Profile) -> Option<Pending> {
    if !node.ready {
        return Some(Pending::NotReady);
    }
    let has = |taint: &&Taint| node.taints.iter().any(|own| matches(own, taint));
    if let Some(taint) = claim.startup_taints.iter().find(has) {
        return Some(Pending::StartupTaint(taint.key.clone()));
    }
    let ephemeral = |taint: &&Taint| labels::is_ephemeral(taint, profile);
    if let Some(taint) = node.taints.iter().find(ephemeral) {
        return Some(Pending::EphemeralTaint(taint.key.clone()));
    }
    unregistered_resource(&claim.requests, &node.allocatable).map(Pending::Resource)
}

/// A resource that is requested and of which the node has none (`RequestedResourcesRegistered`).
fn unregistered_resource(requests: &Resources, allocatable: &Resources) -> Option<String> {
    let named = [
        ("cpu", requests.cpu.0, allocatable.cpu.0),
        ("memory", requests.memory.0, allocatable.memory.0),
        (
            "ephemeral-storage",
            requests.ephemeral_storage.0,
            allocatable.ephemeral_storage.0,
        ),
        ("pods", requests.pods, allocatable.pods),
    ];
    let missing = |wanted: i64, present: i64| wanted != 0 && present == 0;
    let plain = named
        .iter()
        .find(|(_, wanted, present)| missing(*wanted, *present));
    if let Some((name, ..)) = plain {
        return Some((*name).to_owned());
    }
    let mut extended = requests.extended.iter();
    let name = extended.find(|(name, wanted)| missing(**wanted, allocatable.extended(name)));
    name.map(|(name, _)| name.to_string())
}

fn met(now: Instant) -> Option<Condition> {
    Some(Condition {
        status: true,
        since: now,
    })
}

/// Writes to a claim that it is launched.
pub fn launched(claim: &mut NodeClaim, now: Instant, instance: InstanceId, details: Details) {
    claim.labels = Arc::new(details.labels);
    claim.capacity = details.capacity;
    claim.allocatable = details.allocatable;
    claim.instance = Some(instance);
    claim.made_by = Some(details.made_by);
    claim.conditions.launched = met(now);
}

/// Writes to node and claim that it is registered.
pub fn registered(
    claim: &mut NodeClaim,
    node: &mut Node,
    now: Instant,
    node_id: NodeId,
    registration: Registration,
) {
    node.labels = Arc::new(registration.labels);
    node.annotations = registration.annotations;
    node.taints = registration.taints;
    claim.node = Some(node_id);
    claim.conditions.registered = met(now);
}

/// Writes to node and claim that it is initialized.
pub fn initialized(claim: &mut NodeClaim, node: &mut Node, now: Instant) {
    Arc::make_mut(&mut node.labels).insert(labels::INITIALIZED.to_owned(), "true".to_owned());
    claim.conditions.initialized = met(now);
}
