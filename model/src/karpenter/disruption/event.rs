//! What the disruption controller tells: what it does, and why it does not
//! (karpenter v1.14 pkg/controllers/disruption/events/events.go).
//!
//! The occasions are upstream's; the words and the numbers with them are ours.

use std::fmt;

use super::CommandId;
use super::simulate::Unplaced;
use crate::id::{NodeClaimId, NodePoolId, PodId};
use crate::karpenter::requirement::Name;
use crate::quantity::Price;

/// One of the ways to find nodes to take away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    /// Nodes whose time is over (until v0.37).
    Expiration,
    /// Nodes that are not what their pool asks for.
    Drift,
    /// Nodes without pods. Until v0.37: those of pools with the policy `WhenEmpty`.
    Emptiness,
    /// Nodes without pods, of pools with the policy `WhenUnderutilized` (until v0.37).
    EmptyNode,
    /// Several nodes whose pods fit on the others, or on one that is cheaper.
    MultiNode,
    /// One such node.
    SingleNode,
}

impl Method {
    /// The name in metrics and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Method::Expiration => "expiration",
            Method::Drift => "drift",
            Method::Emptiness => "emptiness",
            Method::EmptyNode => "empty-node",
            Method::MultiNode => "multi",
            Method::SingleNode => "single",
        }
    }

    /// Why nodes go that this method takes.
    #[must_use]
    pub fn reason(self) -> Reason {
        match self {
            Method::Expiration => Reason::Expired,
            Method::Drift => Reason::Drifted,
            Method::Emptiness | Method::EmptyNode => Reason::Empty,
            Method::MultiNode | Method::SingleNode => Reason::Underutilized,
        }
    }
}

/// Why a node goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// It has no pods.
    Empty,
    /// Its pods fit elsewhere, or on something cheaper.
    Underutilized,
    /// It is not what its pool asks for.
    Drifted,
    /// Its time is over.
    Expired,
}

impl Reason {
    /// The value of the label `reason` in metrics (karpenter v1.14 pkg/metrics/constants.go).
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Empty => "empty",
            Reason::Underutilized => "underutilized",
            Reason::Drifted => "drifted",
            Reason::Expired => "expired",
        }
    }
}

/// A command, as it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Which.
    pub command: CommandId,
    /// Who proposed it.
    pub method: Method,
    /// The nodes that go, by claim.
    pub candidates: Vec<NodeClaimId>,
    /// What these cost together, an hour.
    pub price: Price,
    /// For each claim that replaces them, its instance types, cheapest first.
    pub replacements: Vec<Vec<Name>>,
    /// What those cost together, an hour, if each is the cheapest that it can be.
    pub replacement_price: Price,
}

/// What the disruption controller tells.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// `DisruptionBlocked`: the node cannot be a candidate.
    Blocked(NodeClaimId, Blocked),
    /// `Unconsolidatable`: it is a candidate, and stays.
    Unconsolidatable(NodeClaimId, Unconsolidatable),
    /// `DisruptionBlocked` of a NodePool: its budgets allow nothing for that reason.
    NoBudget(NodePoolId, Reason),
    /// A command was found. It has to stand for a while.
    Proposed(Decision),
    /// It did not stand.
    Abandoned(Decision, Abandoned),
    /// A command begins.
    Started(Decision),
    /// `DisruptionTerminating`: all replacements are there, the nodes go.
    Terminating(CommandId),
    /// A command was given up.
    Failed(CommandId, CommandFailure),
    /// The search ran out of time, after so many candidates.
    TimedOut(Method, usize),
    /// `ConsolidationApproved`, or not, under the policy Balanced.
    Scored(Judged),
}

/// A move as a NodePool with the policy Balanced saw it.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// The pool.
    pub pool: NodePoolId,
    /// The nodes that would go, by claim, those of other pools too.
    pub candidates: Vec<NodeClaimId>,
    /// For each claim that would replace them, its instance types, cheapest first.
    pub replacements: Vec<Vec<Name>>,
    /// How its own part of the move does.
    pub score: Score,
}

/// How a move does under the policy Balanced.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score {
    /// The part of the pool's cost that it saves.
    pub savings: f64,
    /// The part of the pool's disruption cost that it takes.
    pub disruption: f64,
    /// The one by the other, to be [`SCORE_THRESHOLD`](super::SCORE_THRESHOLD) or more.
    pub worth: f64,
    /// Whether it is.
    pub approved: bool,
}

/// Why a node cannot be a candidate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Blocked {
    /// It has no Node yet.
    NoNode,
    /// Its Node is gone.
    NodeGone,
    /// It is not initialized.
    NotInitialized,
    /// It is going already.
    Deleting,
    /// Pods are about to come.
    Nominated,
    /// An annotation on the Node forbids it.
    DoNotDisrupt,
    /// Its NodePool is gone or has no instance types.
    NoPool,
    /// It lacks a label.
    NoLabel(&'static str),
    /// Its instance type is not on offer.
    UnknownType(Name),
    /// An annotation on a pod forbids it.
    DoNotDisruptPod(PodId),
    /// A PodDisruptionBudget has nothing left for a pod.
    Budget(PodId, String),
    /// Several PodDisruptionBudgets select a pod.
    SeveralBudgets(PodId),
    /// Its pods would not run elsewhere: one of them, and why.
    Unschedulable(Unplaced),
}

/// Why a candidate stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unconsolidatable {
    /// Its instance type is not on offer.
    UnknownType(Name),
    /// It lacks a label.
    NoLabel(&'static str),
    /// Its pool has consolidation switched off.
    Disabled,
    /// Its pool consolidates only what is empty.
    OnlyWhenEmpty,
    /// Its pods would not run elsewhere: one of them, and why.
    Unschedulable(Unplaced),
    /// What it costs is not known any more.
    UnknownPrice,
    /// Taking it away would need so many new nodes.
    NeedsNodes(usize),
    /// Of so many replacement types the cheapest, when it is launched at its worst, costs no less than the
    /// node does.
    NoneCheaper {
        /// How many instance types would do.
        types: usize,
        /// What the cheapest of them costs, launched at its worst.
        cheapest: Option<Price>,
        /// What the node costs.
        price: Price,
    },
    /// Those that are cheaper span too few values of a label.
    MinValues(Name),
    /// Spot nodes are not replaced by spot nodes.
    SpotToSpot,
    /// Of the 15 cheaper types that it takes to replace spot by spot there are only so many.
    TooFewSpotTypes(usize),
}

/// Why a proposed command did not stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Abandoned {
    /// So many candidates are none any more.
    Churn(usize),
    /// Pods are about to come to a candidate, or budgets allow it no more.
    Budget,
    /// The simulation comes to something else.
    Scheduling,
}

/// Why a command was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandFailure {
    /// A replacement is gone before it was in working order.
    ReplacementGone,
    /// It took too long.
    TimedOut,
    /// A NodePool has grown above a limit.
    LimitExceeded(NodePoolId),
}

impl Blocked {
    /// In words.
    #[must_use]
    pub fn describe(&self, pod_name: &dyn Fn(PodId) -> String) -> String {
        match self {
            Blocked::NoNode => "the claim has no node yet".to_owned(),
            Blocked::NodeGone => "the claim's node is gone".to_owned(),
            Blocked::NotInitialized => "the node is not initialized".to_owned(),
            Blocked::Deleting => "the node is going already".to_owned(),
            Blocked::Nominated => "pods are about to come to the node".to_owned(),
            Blocked::DoNotDisrupt => "an annotation of the node forbids disruption".to_owned(),
            Blocked::NoPool => "the node's pool is not there or offers nothing".to_owned(),
            Blocked::NoLabel(key) => format!("the node has no label {key}"),
            Blocked::UnknownType(name) => format!("instance type {name:?} is not on offer"),
            Blocked::DoNotDisruptPod(pod) => {
                format!("an annotation of {} forbids disruption", pod_name(*pod))
            }
            Blocked::Budget(pod, name) => {
                format!(
                    "PodDisruptionBudget {name} allows no eviction of {}",
                    pod_name(*pod)
                )
            }
            Blocked::SeveralBudgets(pod) => {
                format!("several PodDisruptionBudgets select {}", pod_name(*pod))
            }
            Blocked::Unschedulable(unplaced) => unplaced.describe(pod_name),
        }
    }
}

impl Unconsolidatable {
    /// In words.
    #[must_use]
    pub fn describe(&self, pod_name: &dyn Fn(PodId) -> String) -> String {
        match self {
            Unconsolidatable::UnknownType(name) => format!("instance type {name:?} is not on offer"),
            Unconsolidatable::NoLabel(key) => format!("the node has no label {key}"),
            Unconsolidatable::Disabled => "its pool has consolidation switched off".to_owned(),
            Unconsolidatable::OnlyWhenEmpty => "its pool consolidates only empty nodes".to_owned(),
            Unconsolidatable::Unschedulable(unplaced) => unplaced.describe(pod_name),
            Unconsolidatable::UnknownPrice => "its price is not known any more".to_owned(),
            Unconsolidatable::NeedsNodes(count) => format!("taking it away needs {count} new nodes"),
            Unconsolidatable::NoneCheaper {
                types,
                cheapest,
                price,
            } => {
                let price = price.usd_per_hour();
                let what = format!("none of {types} replacement types is cheaper than {price:.4} $/h");
                match cheapest {
                    Some(cheapest) => {
                        format!("{what}; the cheapest may cost {:.4} $/h", cheapest.usd_per_hour())
                    }
                    None => format!("{what}; none is available"),
                }
            }
            Unconsolidatable::MinValues(key) => {
                format!("the cheaper types span too few values of {key}")
            }
            Unconsolidatable::SpotToSpot => "spot is not replaced by spot".to_owned(),
            Unconsolidatable::TooFewSpotTypes(count) => {
                format!("replacing spot by spot takes 15 cheaper types, there are {count}")
            }
        }
    }
}

impl fmt::Display for Abandoned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Abandoned::Churn(count) => write!(f, "{count} nodes are no candidates any more"),
            Abandoned::Budget => f.write_str("a node is nominated, or budgets allow it no more"),
            Abandoned::Scheduling => f.write_str("the simulation comes to something else now"),
        }
    }
}
