//! Node objects.

use std::sync::Arc;

use sim::{Instant, SortedMap};

use super::meta::Labels;
use crate::id::{InstanceId, NodeClaimId};
use crate::quantity::{Bytes, Resources};

/// What a taint does to pods that do not tolerate it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TaintEffect {
    /// New pods are not scheduled here.
    NoSchedule,
    /// New pods are preferably scheduled elsewhere.
    PreferNoSchedule,
    /// Running pods are evicted too.
    NoExecute,
}

/// A taint of a node.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Taint {
    /// The key.
    pub key: String,
    /// The value; empty if none.
    pub value: String,
    /// The effect.
    pub effect: TaintEffect,
}

impl Taint {
    /// The key of a node that is not ready.
    pub const NOT_READY: &str = "node.kubernetes.io/not-ready";
    /// The key of a node that nobody hears of.
    pub const UNREACHABLE: &str = "node.kubernetes.io/unreachable";

    /// A taint without a value.
    #[must_use]
    pub fn new(key: &str, effect: TaintEffect) -> Self {
        Taint {
            key: key.to_owned(),
            value: String::new(),
            effect,
        }
    }
}

/// A Node object.
#[derive(Debug, Clone)]
pub struct Node {
    /// metadata.name
    pub name: String,
    /// metadata.labels
    pub labels: Arc<Labels>,
    /// metadata.annotations
    pub annotations: Labels,
    /// metadata.creationTimestamp
    pub created: Instant,
    /// metadata.deletionTimestamp
    pub deleting: Option<Instant>,
    /// spec.taints
    pub taints: Vec<Taint>,
    /// spec.unschedulable
    pub unschedulable: bool,
    /// status.capacity
    pub capacity: Resources,
    /// status.allocatable
    pub allocatable: Resources,
    /// The Ready condition.
    pub ready: bool,
    /// When the Ready condition last changed.
    pub ready_since: Instant,
    /// status.images: the bytes of each image present, as they came over the network.
    pub images: SortedMap<String, Bytes>,
    /// The NodeClaim that made it, if Karpenter did.
    pub claim: Option<NodeClaimId>,
    /// The machine under it.
    pub instance: Option<InstanceId>,
}

impl Node {
    /// The value of a label, or the empty string.
    #[must_use]
    pub fn label(&self, key: &str) -> &str {
        self.labels.get(key).map_or("", String::as_str)
    }

    /// `node.kubernetes.io/instance-type`
    #[must_use]
    pub fn instance_type(&self) -> &str {
        self.label("node.kubernetes.io/instance-type")
    }
}
