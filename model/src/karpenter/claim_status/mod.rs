//! What becomes of NodeClaims with time: pods come and go, pools change, lives end
//! (karpenter v1.14 pkg/controllers/nodeclaim/{disruption,podevents,expiration,garbagecollection};
//! v1.5.0 and v0.32.4 where they differ).
//!
//! These controllers write the conditions that disruption goes by: `Consolidatable` (until v0.37 `Empty`),
//! `Drifted`, until v0.37 `Expired`. From v1.0 on one of them deletes claims whose time is over, without
//! asking anybody. Another deletes claims whose machine is gone.

use std::collections::BTreeMap;

use sim::Instant;

use super::disruption::Reason;
use super::instance_type::InstanceTypes;
use super::node_pool::NodePool;
use super::state::{ClusterState, ConditionType, NodeClaim};
use super::termination::Machine;
use crate::api::Api;
use crate::id::{InstanceId, NodeClaimId, NodeId, NodePoolId, PodId, Table};

/// What happens to these controllers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// A pod was made, changed or removed.
    PodChanged(PodId),
    /// A node was made, changed or removed.
    NodeChanged(NodeId),
    /// A NodeClaim was made, changed or removed.
    ClaimChanged(NodeClaimId),
    /// NodePools, or what the provider offers for them, changed.
    PoolsChanged,
    /// A claim's next look is due.
    Claim(NodeClaimId),
    /// The next look for claims without a machine is due. The first one is given from outside, when
    /// Karpenter starts.
    Collect,
}

/// What these controllers ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Set a condition of a claim to True or False, or take it away.
    SetCondition(NodeClaimId, ConditionType, Option<bool>),
    /// Set status.lastPodEventTime of a claim.
    SetLastPodEvent(NodeClaimId, Instant),
    /// Delete a claim for that reason.
    DeleteNodeClaim(NodeClaimId, Reason),
    /// Tell whoever reads events.
    Publish(Event),
}

/// What these controllers tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A claim has drifted.
    Drifted(NodeClaimId, Drift),
    /// Nothing has kept a claim from being consolidated since then.
    Consolidatable(NodeClaimId, Instant),
}

/// How a claim differs from what its pool asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drift {
    /// `NodePoolDrifted`: the pool's template has another hash.
    NodePool,
    /// `RequirementsDrifted`: its labels do not meet the pool's requirements.
    Requirements,
    /// `InstanceTypeNotFound`: its instance type is on offer no more.
    InstanceTypeNotFound,
}

/// What these controllers see.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// Pods and nodes.
    pub api: &'a Api,
    /// NodeClaims.
    pub claims: &'a Table<NodeClaimId, NodeClaim>,
    /// Nominations.
    pub state: &'a ClusterState,
    /// NodePools.
    pub pools: &'a Table<NodePoolId, NodePool>,
    /// What the provider offers for each NodePool.
    pub instance_types: &'a BTreeMap<NodePoolId, InstanceTypes>,
    /// What the provider says of a machine.
    pub machine: &'a dyn Fn(InstanceId) -> Machine,
}
