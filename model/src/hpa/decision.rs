//! What one sync decided and from what, for the event log.

use std::sync::Arc;

use super::pods::Counts;
use super::reading::Failure;
use super::replica_calculator as calculator;
use super::status::Reason;
use crate::id::{DeploymentId, HpaId};

/// One sync of one HPA.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// Which.
    pub hpa: HpaId,
    /// Its target.
    pub target: DeploymentId,
    /// spec.replicas of the target before.
    pub current: i32,
    /// status.replicas of the target: its active pods, pending and unready ones included.
    pub status_replicas: i32,
    /// How the sync went.
    pub branch: Branch,
    /// Each metric's part, in the order of spec.metrics. Empty where no metric was asked.
    pub metrics: Vec<Outcome>,
    /// The greatest proposal.
    pub proposal: Option<i32>,
    /// The place of the metric that made it.
    pub decisive: Option<usize>,
    /// The proposal after the stabilization windows.
    pub stabilized: Option<i32>,
    /// What was decided, after all limits. Equal to `current` for a hold.
    pub desired: i32,
    /// Of the condition AbleToScale.
    pub able_to_scale: Reason,
    /// Of the condition ScalingActive, if the sync came to it.
    pub scaling_active: Option<Reason>,
    /// Of the condition ScalingLimited, if the sync came to it.
    pub scaling_limited: Option<Reason>,
    /// Why the size changes, in the words of the SuccessfulRescale event; empty for a hold.
    pub reason: String,
    /// A hold whose ratio lies within [`TIP_MARGIN`] of an edge of the tolerance: a slightly different
    /// load would have scaled.
    pub could_tip: bool,
}

impl Decision {
    /// The metric whose proposal was the greatest.
    #[must_use]
    pub fn decisive_metric(&self) -> Option<&Outcome> {
        self.metrics.get(self.decisive?)
    }

    /// Whether the target is exceeded, and the tolerance alone keeps the size.
    #[must_use]
    pub fn is_tolerated(&self) -> bool {
        let exceeded = |proposal: &Proposal| proposal.within_tolerance && proposal.ratio > 1.0;
        let decisive = self
            .decisive_metric()
            .and_then(|outcome| outcome.result.as_ref().ok());
        self.desired == self.current && decisive.is_some_and(exceeded)
    }
}

/// How close to an edge of the tolerance a held ratio must be to be reported.
pub const TIP_MARGIN: f64 = 0.02;

/// The way a sync took (kubernetes 1.35 pkg/controller/podautoscaler/horizontal.go
/// `reconcileAutoscaler`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Branch {
    /// The scale could not be read.
    NoScale,
    /// The target is at zero: suspended.
    Disabled,
    /// Above maxReplicas: straight to it.
    AboveMax,
    /// Below minReplicas: straight to it.
    BelowMin,
    /// By the metrics.
    Metrics,
    /// Too few metrics could be read to act.
    NoMetrics,
}

/// One metric's part in a sync.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The metric's name as the controller's messages have it.
    pub metric: Arc<str>,
    /// What its value and its target are counted in.
    pub unit: Unit,
    /// Its proposal, or the reason why there is none.
    pub result: Result<Proposal, Reason>,
    /// What was wrong, where there is no proposal.
    pub why: Option<Why>,
}

/// What was wrong with a metric. The real controller writes it behind the reason of its event, and into the message of the
/// condition ScalingActive (kubernetes 1.35 pkg/controller/podautoscaler/horizontal.go
/// `getUnableComputeReplicaCountCondition`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// There was no reading.
    #[error(transparent)]
    Reading(#[from] Failure),
    /// There was one, and nothing could be made of it.
    #[error(transparent)]
    Calculation(#[from] calculator::Error),
}

impl Outcome {
    /// A value or target of this metric as people read it.
    #[must_use]
    pub fn amount(&self, number: i64) -> f64 {
        match self.unit {
            Unit::Percent => number as f64,
            Unit::Number | Unit::Cores | Unit::Bytes => number as f64 / 1000.0,
        }
    }
}

/// What a metric is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Whatever the metric counts.
    Number,
    /// Of CPU.
    Cores,
    /// Of memory.
    Bytes,
    /// Of the requests.
    Percent,
}

impl Unit {
    /// Its name; only what pods use has one.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        match self {
            Unit::Number => None,
            Unit::Cores => Some("cores"),
            Unit::Bytes => Some("bytes"),
            Unit::Percent => Some("%"),
        }
    }

    /// Whether it is of what pods use, as metrics-server knows it.
    #[must_use]
    pub fn is_of_usage(self) -> bool {
        self.name().is_some()
    }
}

/// What a metric proposes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Proposal {
    /// So many replicas.
    pub replicas: i32,
    /// The value in thousandths, or in whole per cent of the requests.
    pub value: i64,
    /// The target in the same unit.
    pub target: i64,
    /// The ratio on which the decision was made; NaN or infinite at zero replicas.
    pub ratio: f64,
    /// The tolerance below and above 1.
    pub tolerance: (f64, f64),
    /// The ratio lay within the tolerance.
    pub within_tolerance: bool,
    /// The target's pods, if the proposal depends on them.
    pub pods: Option<Counts>,
}

impl Proposal {
    /// Whether this is a hold at the edge of the tolerance.
    #[must_use]
    pub fn could_tip(&self) -> bool {
        let (down, up) = self.tolerance;
        let near = |edge: f64| (self.ratio - edge).abs() <= TIP_MARGIN;
        self.within_tolerance && (near(1.0 - down) || near(1.0 + up))
    }
}
