//! What the lifecycle hears, asks for and tells.

use std::fmt;
use std::sync::Arc;

use sim::Instant;

use crate::api::{Labels, Taint};
use crate::ec2::fleet::{ErrorCode, FleetAnswer, FleetRequest, Launched};
use crate::id::{InstanceId, NodeClaimId, NodeId};
use crate::karpenter::CapacityType;
use crate::karpenter::provider::launch::Details;
use crate::karpenter::provider::unavailable::Offer;

/// What happens to NodeClaims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A claim was created or changed.
    ClaimChanged(NodeClaimId),
    /// A node was created or changed.
    NodeChanged(NodeId),
    /// NodePools or EC2NodeClasses changed, or are seen for the first time.
    PoolsChanged,
    /// EC2 answered the call for a claim.
    FleetAnswered(NodeClaimId, Box<FleetAnswer>),
    /// EC2 said that it wants a spot instance back.
    InterruptionNotice(InstanceId),
    /// An instance is shutting down, whoever wanted that.
    ShuttingDown(InstanceId),
    /// An instance is gone.
    InstanceGone(InstanceId),
    /// A call has waited for others like it.
    Call(NodeClaimId),
    /// A claim is due to be looked at again.
    Requeue(NodeClaimId),
    /// A message about an instance is read from the queue.
    Message(InstanceId, Message),
    /// Offerings may be available again.
    Sweep,
    /// Claims without an instance are due to be looked for.
    CollectGarbage,
    /// A new process finds an instance that no claim has, made at this time.
    Unclaimed(InstanceId, Instant),
    /// An instance without a claim is old enough.
    Orphan(InstanceId),
}

impl Input {
    /// Whether it comes through the interruption queue, which keeps it while no process reads it.
    #[must_use]
    pub fn is_queued(&self) -> bool {
        matches!(
            self,
            Input::InterruptionNotice(_) | Input::ShuttingDown(_) | Input::Message(..)
        )
    }
}

/// A message in the interruption queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message {
    /// EC2 Spot Instance Interruption Warning
    Interruption,
    /// EC2 Instance State-change Notification: shutting-down.
    StateChange,
}

/// What the lifecycle asks for.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Call CreateFleet for a claim.
    CreateFleet(NodeClaimId, Arc<FleetRequest>),
    /// Write to a claim that it is launched: [`super::conditions::launched`].
    SetLaunched(NodeClaimId, InstanceId, Box<Details>),
    /// Write to node and claim that it is registered: [`super::conditions::registered`].
    SetRegistered(NodeClaimId, NodeId, Box<Registration>),
    /// Write to node and claim that it is initialized: [`super::conditions::initialized`].
    SetInitialized(NodeClaimId, NodeId),
    /// Delete a claim: set its deletion timestamp.
    DeleteClaim(NodeClaimId, Reason),
    /// Terminate an instance that no claim is left for.
    TerminateInstance(InstanceId),
    /// Tell whoever reads events.
    Publish(Event),
}

/// What registration writes to a node.
#[derive(Debug, Clone, PartialEq)]
pub struct Registration {
    /// metadata.labels, all of them.
    pub labels: Labels,
    /// metadata.annotations, all of them.
    pub annotations: Labels,
    /// spec.taints, all of them.
    pub taints: Vec<Taint>,
}

/// Why a claim is deleted by the lifecycle or the interruption controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// EC2 had nothing that the claim allows.
    InsufficientCapacity,
    /// It was not launched in time.
    LaunchTimeout,
    /// It was not registered in time.
    RegistrationTimeout,
    /// EC2 wants its spot instance back.
    SpotInterrupted,
    /// Its instance was terminated behind Karpenter's back.
    InstanceTerminated,
    /// Its instance is gone and nobody had said so.
    GarbageCollected,
}

impl Reason {
    /// The value of the metric's label `reason`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::InsufficientCapacity => "insufficient_capacity",
            Reason::LaunchTimeout => "launch_timeout",
            Reason::RegistrationTimeout => "registration_timeout",
            Reason::SpotInterrupted => "spot_interrupted",
            Reason::InstanceTerminated => "instance_terminated",
            Reason::GarbageCollected => "garbage_collected",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What the lifecycle tells, with what it was decided on.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A claim goes to EC2: so it is bought, with so many types in so many pools.
    Launching {
        /// Which.
        claim: NodeClaimId,
        /// How it is bought.
        capacity_type: CapacityType,
        /// How many types the call names.
        instance_types: usize,
        /// How many pools: types times zones.
        pools: usize,
    },
    /// A claim has an instance.
    Launched(NodeClaimId, Launched),
    /// EC2 refused these offers, which now count as unavailable.
    Unavailable(NodeClaimId, Vec<(Offer, ErrorCode)>),
    /// Offerings may be had again.
    AvailableAgain,
    /// A message about a claim's instance was read.
    Received(NodeClaimId, Message),
}
