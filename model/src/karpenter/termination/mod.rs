//! Termination: what happens to a node between the deletion of its claim and the end of its machine
//! (karpenter v1.14 pkg/controllers/node/termination, pkg/controllers/nodeclaim/lifecycle/controller.go
//! `finalize`; v1.5.0 and v0.32.4 where they differ).
//!
//! A deleted NodeClaim deletes its Node; both stay until their finalizers are gone. The node is tainted and
//! drained: pods are evicted in four groups, less critical ones first, through the eviction API, which may say
//! no for the sake of a PodDisruptionBudget. Then the machine is terminated, and when it is gone the Node goes,
//! and with it the claim. A `terminationGracePeriod` puts an end to all patience.
//!
//! Left out: volumes. Nothing is attached, so nothing has to be detached.

use std::time::Duration;

use crate::api::Api;
use crate::id::{InstanceId, NodeClaimId, NodeId, PodId, Table};
use crate::karpenter::state::{ConditionType, NodeClaim};

/// What happens to the terminator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// A claim was changed or removed; only those that are being deleted matter.
    ClaimChanged(NodeClaimId),
    /// A node was changed or removed; only those that are being deleted matter.
    NodeChanged(NodeId),
    /// A pod on a node was changed or removed.
    PodChanged(PodId),
    /// A claim's next look is due.
    Claim(NodeClaimId),
    /// A node's next look is due.
    Node(NodeId),
    /// A pod's turn to be evicted has come.
    Evict(PodId),
}

/// What the terminator asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Give the node a deletion timestamp.
    DeleteNode(NodeId),
    /// Give the claim a deletion timestamp: its node was deleted by somebody else.
    DeleteNodeClaim(NodeClaimId),
    /// Give the node [`super::disruption::disrupted_taint`] and take it out of load balancers.
    TaintNode(NodeId),
    /// The eviction API has accepted: delete the pod, with its own grace period.
    EvictPod(PodId),
    /// Delete the pod with this grace period; one that is being deleted gets it if that is shorter.
    DeletePod(PodId, Duration),
    /// Set a condition of a claim to True or False, or take it away.
    SetCondition(NodeClaimId, ConditionType, Option<bool>),
    /// Call TerminateInstances for this machine.
    TerminateInstance(InstanceId),
    /// Take the finalizer off the Node: it is gone.
    RemoveNode(NodeId),
    /// Take the finalizer off the claim: it is gone.
    RemoveClaim(NodeClaimId),
    /// Tell whoever reads events.
    Publish(Event),
}

/// What the terminator tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// `FailedDraining`: so many pods are still on the node, of which the first is named.
    Draining {
        /// The node.
        node: NodeId,
        /// How many pods the drain waits for.
        waiting: usize,
    },
    /// `Evicted`: the pod was asked to go.
    Evicted(PodId),
    /// The eviction API said no: the named PodDisruptionBudget has nothing left.
    EvictionBlocked(PodId, String),
    /// The eviction API cannot say yes: several PodDisruptionBudgets select the pod.
    SeveralBudgets(PodId),
    /// `Disrupted` of a pod: the node's time is over, it gets this long.
    ForceDeleted(PodId, Duration),
    /// The node is drained.
    Drained(NodeId),
    /// The machine was asked to end.
    Terminating(InstanceId),
}

/// What EC2 says of a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Machine {
    /// It is starting or runs.
    Running,
    /// It is on its way down: `shutting-down`.
    ShuttingDown,
    /// There is none: `terminated`, or never heard of.
    Gone,
}

/// What the terminator sees.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// Pods, nodes and PodDisruptionBudgets.
    pub api: &'a Api,
    /// NodeClaims.
    pub claims: &'a Table<NodeClaimId, NodeClaim>,
    /// What the provider says of a machine.
    pub machine: &'a dyn Fn(InstanceId) -> Machine,
}

/// How long things take that upstream has no number for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// One call of the eviction API. Estimate.
    pub eviction_call: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            eviction_call: Duration::from_millis(5),
        }
    }
}
