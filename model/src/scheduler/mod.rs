//! kube-scheduler: which node a pod gets.
//!
//! One pod at a time is taken from a queue and shown to every node. The nodes that pass all filters are
//! scored, and the best one gets the pod: it is *assumed* there at once, while the write to the API server
//! goes on in the background. A pod that fits nowhere waits until something happens that could help it,
//! and may have pods of lower priority deleted to make room
//! (kubernetes 1.35 pkg/scheduler/schedule_one.go `ScheduleOne`).
//!
//! Below are the decisions, on a [`Cache`] of nodes and pods: a [`cycle`] finds nodes ([`filter`]), scores them
//! ([`score`]) and selects one; [`preemption`] picks victims; a [`hint`] says what an event means for a waiting
//! pod. Above, [`Scheduler`] is the component: the [`queue`], the serial cycles and what they cost, bindings in
//! flight, the client's rate limit.
//!
//! It is the default profile of Kubernetes 1.28 to 1.36, whose differences are switches of [`Profile`]. Left
//! out: volumes, device claims, scheduler extenders, other profiles, in-place resize, and the 16 goroutines
//! that filter at once (nodes are visited in list order, which is what they do on an idle control plane).

pub mod cache;
mod component;
pub mod cycle;
pub mod filter;
pub mod hint;
pub mod node_info;
mod plugin;
pub mod pod_info;
pub mod preemption;
mod profile;
pub mod queue;
pub mod score;
pub mod status;
#[cfg(test)]
mod tests;

use std::time::Duration;

use sim::SortedMap;

pub use cache::Cache;
pub use component::Scheduler;
pub use node_info::{PlacedPod, PodRef};
pub use plugin::{Plugin, PluginSet};
pub use preemption::message;
pub use profile::{LATEST, Profile};
pub use score::Scores;

use crate::api::{Api, Labels};
use crate::distribution::Distribution;
use crate::id::{NodeId, PodId};

/// What happens to the scheduler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// A pod was made or changed: bound, ended, being deleted, given another nominated node.
    PodChanged(PodId),
    /// A pod object is gone.
    PodGone(PodId),
    /// A node joined or changed. What changed is found by comparing with what was known.
    NodeChanged(NodeId),
    /// A node object is gone.
    NodeGone(NodeId),
    /// The cycle of the pod in flight is over.
    CycleDone,
    /// The status of the pod that failed is written: the next cycle may begin.
    StatusWritten,
    /// The binding of a pod reaches the API server.
    BindingWritten(PodId),
    /// The deletions of a preemptor's victims reach the API server.
    VictimsDeleted(PodId),
    /// Backoffs may be over.
    FlushBackoff,
    /// Pods may have waited too long.
    FlushUnschedulable,
}

/// What the scheduler asks for.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Set spec.nodeName, unless the pod is being deleted.
    Bind {
        /// Which pod.
        pod: PodId,
        /// To which node.
        node: NodeId,
    },
    /// Set the condition PodScheduled to False with reason Unschedulable.
    Unschedulable(PodId),
    /// Set or clear status.nominatedNodeName.
    Nominate {
        /// Which pod.
        pod: PodId,
        /// Where it hopes to go.
        node: Option<NodeId>,
    },
    /// Delete a victim, with its own grace period.
    DeletePod {
        /// The victim.
        pod: PodId,
        /// The pod that it makes room for.
        preemptor: PodId,
    },
    /// Tell whoever reads events.
    Publish(Box<Event>),
}

/// What the scheduler tells: its decisions and their reasons.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A node was chosen.
    Scheduled {
        /// The pod.
        pod: PodId,
        /// The node.
        node: NodeId,
        /// How many nodes were looked at.
        evaluated: usize,
        /// The feasible nodes, in list order.
        feasible: Vec<NodeId>,
        /// Their scores; none for a single one, which is not scored.
        scores: Scores,
    },
    /// No node fits.
    FailedScheduling {
        /// The pod.
        pod: PodId,
        /// `0/3 nodes are available: ...`
        message: String,
        /// Who rejected.
        rejectors: PluginSet,
        /// Where room will be made, if it will.
        nominated: Option<NodeId>,
    },
    /// A pod has to go.
    Preempted {
        /// The victim.
        pod: PodId,
        /// The pod that it makes room for.
        preemptor: PodId,
        /// Where.
        node: NodeId,
    },
}

/// What the scheduler sees.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// Pods, nodes, Services, ReplicaSets, PodDisruptionBudgets.
    pub api: &'a Api,
    /// Labels of namespaces.
    pub namespaces: &'a SortedMap<String, Labels>,
}

/// How NodeResourcesFit scores (`scoringStrategy.type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ScoringStrategy {
    /// The emptier the better.
    #[default]
    LeastAllocated,
    /// The fuller the better: what EKS lets one choose instead.
    MostAllocated,
}

/// How the scheduler is set up, and what it costs.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The release.
    pub profile: Profile,
    /// percentageOfNodesToScore; 0 adapts to the number of nodes.
    pub percentage_of_nodes_to_score: i32,
    /// scoringStrategy of NodeResourcesFit
    pub scoring_strategy: ScoringStrategy,
    /// clientConnection.qps: writes a second. 50 upstream and on EKS in standard mode (an estimate: it is
    /// unpublished); 167 to 400 on EKS Provisioned Control Plane.
    pub qps: f64,
    /// clientConnection.burst
    pub burst: u32,
    /// What a cycle takes.
    pub cycle: CycleCost,
    /// Seconds from the end of a cycle, once the client may write, until the pod is bound. An estimate.
    pub bind_latency: Distribution,
    /// Seconds of another write: a status, a deletion. An estimate.
    pub write_latency: Distribution,
}

/// What a cycle takes: estimates, fitted to the thresholds of kubernetes
/// test/integration/scheduler_perf/config/performance-config.yaml at 5,000 nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CycleCost {
    /// For every pod.
    pub base: Duration,
    /// For each node that fits and is scored.
    pub scored: Duration,
    /// For each node that is rejected.
    pub rejected: Duration,
    /// For each node of the cluster, when pods must be counted: affinity and hard spread constraints.
    pub counted: Duration,
}

impl Default for CycleCost {
    fn default() -> Self {
        CycleCost {
            base: Duration::from_micros(500),
            scored: Duration::from_micros(6),
            rejected: Duration::from_micros(1),
            counted: Duration::from_micros(2),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Config {
            profile: Profile::of(LATEST),
            percentage_of_nodes_to_score: 0,
            scoring_strategy: ScoringStrategy::default(),
            qps: 50.0,
            burst: 100,
            cycle: CycleCost::default(),
            bind_latency: Distribution::Uniform {
                min: 0.005,
                max: 0.010,
            },
            write_latency: Distribution::Uniform {
                min: 0.003,
                max: 0.008,
            },
        }
    }
}
