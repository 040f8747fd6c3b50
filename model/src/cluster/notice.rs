//! What watches deliver.
//!
//! Every write to the API server puts one notice on the agenda, due when the watch delay is over. Its
//! delivery tells all parts that watch that kind of object, in the order of `Cluster::deliver`. Notices
//! carry ids: whoever hears one looks at the object as it is then.

use crate::api::Owner;
use crate::id::{DaemonSetId, DeploymentId, HpaId, NodeClaimId, NodeId, PodId, ReplicaSetId, ScaledObjectId};

/// One change of one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    /// A pod was made.
    PodCreated(PodId),
    /// A pod was bound to a node.
    PodBound(PodId),
    /// The scheduler found no place for a pod and said so in its status.
    PodUnschedulable(PodId),
    /// A pod runs, or its readiness changed.
    PodStatus(PodId),
    /// A pod got a deletion timestamp.
    PodDeleting(PodId),
    /// A pod's containers have ended: its phase is terminal.
    PodEnded(PodId),
    /// A pod object is gone.
    PodGone {
        /// Which.
        pod: PodId,
        /// Whose it was.
        owner: Owner,
    },
    /// A node joined.
    NodeCreated(NodeId),
    /// A node changed.
    NodeChanged(NodeId),
    /// A node object is gone.
    NodeGone(NodeId),
    /// A NodeClaim was made, changed or removed.
    ClaimChanged(NodeClaimId),
    /// A Deployment was made or changed.
    Deployment(DeploymentId),
    /// A ReplicaSet was made or changed.
    ReplicaSet(ReplicaSetId),
    /// A DaemonSet was made or changed.
    DaemonSet(DaemonSetId),
    /// A HorizontalPodAutoscaler was made, changed or removed.
    Hpa(HpaId),
    /// A ScaledObject was made, changed or removed.
    ScaledObject(ScaledObjectId),
    /// NodePools or NodeClasses changed.
    Pools,
    /// PodDisruptionBudgets or namespaces were made, changed or removed.
    Policies,
    /// Something leads to the service now, or nothing any more.
    Routes,
}
