//! Disruption: taking away nodes that are empty, could be cheaper, or are not what they should be
//! (karpenter v1.14 pkg/controllers/disruption; v1.5.0 and v0.32.4 where they differ).
//!
//! Every ten seconds one loop looks at all nodes. Its methods have their turn one after the other until one
//! of them has something to do: delete what is empty, replace what has drifted, then pack the pods of many
//! nodes, and last of one node, onto the others or onto something cheaper. What consolidation proposes must
//! still be right after fifteen seconds, during which the loop does nothing else. A command then runs beside
//! the loop: its nodes are tainted, its replacements made, and when these are in working order the nodes'
//! claims are deleted, which is where [`super::termination`] takes over. In v0.32 the loop waits for all that.
//!
//! The search takes time, as passes of the provisioner do: it is computed on what is seen when it starts, and
//! the loop goes on when its time is over.
//!
//! Left out: repair of unhealthy nodes, static pools, buffers of spare capacity.

mod event;

use sim::Instant;

use super::labels;
pub use super::provisioner::View;
use super::state::{ConditionType, NodeClaim};
use super::version::Profile;
use crate::api::{Taint, TaintEffect};
use crate::id::{NodeClaimId, NodeId, PodId};

pub use event::{Decision, Event, Method, Reason};

/// What happens to the disruption controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// The loop's next pass is due. The first one is given from outside, when Karpenter starts.
    Poll,
    /// The time that a proposed command had to stand is over.
    Validate,
    /// The search or the second simulation is done.
    Done,
    /// A command that runs is to be looked at.
    Command(CommandId),
    /// A pod was made, changed or removed.
    PodChanged(PodId),
    /// A node was made, changed or removed.
    NodeChanged(NodeId),
    /// A NodeClaim was made, changed or removed.
    ClaimChanged(NodeClaimId),
    /// NodePools, or what the provider offers for them, changed.
    PoolsChanged,
}

/// A disruption command of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CommandId(pub u32);

/// What the disruption controller asks for.
#[derive(Debug, Clone)]
pub enum Output {
    /// Take a node out of scheduling: [`super::ClusterState::mark`].
    Mark(NodeClaimId),
    /// Put a node back: [`super::ClusterState::unmark`].
    Unmark(NodeClaimId),
    /// Keep a node from being disrupted until then: [`super::ClusterState::nominate`].
    Nominate(NodeClaimId, Instant),
    /// Give the node [`disrupted_taint`], unless it has it.
    Taint(NodeId),
    /// Take that taint away, if the node has it.
    Untaint(NodeId),
    /// Set a condition of a claim to True or False, or take it away.
    SetCondition(NodeClaimId, ConditionType, Option<bool>),
    /// Create this NodeClaim. It replaces nodes of that command.
    CreateNodeClaim(Box<NodeClaim>, CommandId),
    /// Delete this NodeClaim for that reason.
    DeleteNodeClaim(NodeClaimId, Reason),
    /// Tell whoever reads events.
    Publish(Event),
}

/// The taint that nodes get before they go.
#[must_use]
pub fn disrupted_taint(profile: &Profile) -> Taint {
    let (key, value) = labels::disrupted(profile);
    Taint {
        key: key.to_owned(),
        value: value.to_owned(),
        effect: TaintEffect::NoSchedule,
    }
}

/// What an operator can set, and what a run adds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// The feature gate SpotToSpotConsolidation (default false; from v0.34).
    pub spot_to_spot: bool,
    /// The feature gate Drift (default false until v0.37; later there is none, and nodes do drift).
    pub drift: bool,
    /// What time it is, in seconds since 1970 UTC, when the run begins: budgets have schedules.
    pub epoch: i64,
}

impl Config {
    /// What a release does if nothing is set, in a run that begins at `epoch`.
    #[must_use]
    pub fn of(profile: &Profile, epoch: i64) -> Self {
        Config {
            spot_to_spot: false,
            drift: profile.api_v1,
            epoch,
        }
    }
}
