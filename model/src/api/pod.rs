//! Pod objects.

use std::sync::Arc;
use std::time::Duration;

use sim::Instant;

use super::meta::Labels;
use super::pod_spec::PodSpec;
use crate::id::{DaemonSetId, DeploymentId, NodeId, ReplicaSetId};

/// status.phase
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Not all containers have run yet: unscheduled, pulling, starting.
    Pending,
    /// Bound, and at least one container runs.
    Running,
    /// All containers ended well.
    Succeeded,
    /// All containers ended, one of them badly.
    Failed,
    /// Its node has not been heard of.
    Unknown,
}

/// A condition that is True or False, and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Condition {
    /// Whether it is True.
    pub status: bool,
    /// lastTransitionTime
    pub since: Instant,
}

/// A graceful deletion under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deletion {
    /// When it was asked for.
    pub at: Instant,
    /// How long the pod may take.
    pub grace: Duration,
}

/// The most restarts of one container of a pod, by kind. Regular containers count before sidecars;
/// ordinary init containers never do, and sidecars only since 1.32: before, theirs stay 0 here (kubernetes 1.35
/// pkg/controller/controller_utils.go `maxContainerRestarts`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Restarts {
    /// Of a regular container.
    pub containers: u32,
    /// Of a sidecar.
    pub sidecars: u32,
}

/// The controller of a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    /// A ReplicaSet, and the Deployment that owns it.
    ReplicaSet(ReplicaSetId, DeploymentId),
    /// A DaemonSet.
    DaemonSet(DaemonSetId),
    /// Nobody: a bare pod.
    None,
}

/// What pods of one controller have in common.
#[derive(Debug, Clone, PartialEq)]
pub struct PodTemplate {
    /// metadata.namespace
    pub namespace: String,
    /// metadata.labels
    pub labels: Labels,
    /// metadata.annotations
    pub annotations: Labels,
    /// spec
    pub spec: PodSpec,
}

/// A Pod object.
#[derive(Debug, Clone)]
pub struct Pod {
    /// metadata.name
    pub name: String,
    /// metadata.uid as a number whose order is the order of the text: random, but fixed.
    pub uid: u128,
    /// Namespace, labels, annotations and spec, shared by the pods of one controller.
    pub template: Arc<PodTemplate>,
    /// metadata.ownerReferences
    pub owner: Owner,
    /// metadata.creationTimestamp
    pub created: Instant,
    /// metadata.deletionTimestamp and the grace period
    pub deletion: Option<Deletion>,
    /// spec.nodeName
    pub node: Option<NodeId>,
    /// The node to which a DaemonSet pod is confined by its required affinity on metadata.name.
    pub only_node: Option<NodeId>,
    /// status.nominatedNodeName
    pub nominated_node: Option<NodeId>,
    /// status.phase
    pub phase: Phase,
    /// The Ready condition; absent before the kubelet reports.
    pub ready: Option<Condition>,
    /// PodScheduled is False with reason Unschedulable.
    pub unschedulable: bool,
    /// status.startTime
    pub started: Option<Instant>,
    /// status.containerStatuses and initContainerStatuses: the most restarts of one container.
    pub restarts: Restarts,
}

impl Pod {
    /// spec
    #[must_use]
    pub fn spec(&self) -> &PodSpec {
        &self.template.spec
    }

    /// metadata.namespace
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.template.namespace
    }

    /// metadata.labels
    #[must_use]
    pub fn labels(&self) -> &Labels {
        &self.template.labels
    }

    /// Whether the Ready condition is True.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.ready.is_some_and(|condition| condition.status)
    }

    /// Whether the phase is Succeeded or Failed.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        matches!(self.phase, Phase::Succeeded | Phase::Failed)
    }

    /// Neither terminal nor being deleted: what controllers count
    /// (kubernetes 1.35 pkg/controller/controller_utils.go `IsPodActive`).
    #[must_use]
    pub fn is_active(&self) -> bool {
        !self.is_terminal() && self.deletion.is_none()
    }
}
