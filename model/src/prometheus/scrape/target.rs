//! Targets: what is scraped.

use super::config::Job;
use crate::id::{NodeId, PodId};
use crate::prometheus::labels::Labels;

/// A target, from its discovery to its removal. Never reused within a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TargetId(pub u32);

/// Who answers a scrape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// A pod with the scrape annotation.
    Pod(PodId),
    /// A node's kubelet.
    Kubelet(NodeId),
    /// The cAdvisor in a node's kubelet.
    Cadvisor(NodeId),
    /// kube-state-metrics.
    KubeStateMetrics,
}

/// Why a scrape brought nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// Nobody listens, or the answer was no exposition: known at once.
    Refused,
    /// No answer within the timeout.
    TimedOut,
}

/// Something that is scraped.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// The job that found it.
    pub job: Job,
    /// Who answers.
    pub source: Source,
    /// The labels put onto its series, `job` and `instance` among them.
    pub labels: Labels,
}
