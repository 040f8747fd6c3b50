//! One sync of one HPA, step by step
//! (kubernetes 1.35 pkg/controller/podautoscaler/horizontal.go `reconcileAutoscaler`).
//!
//! A sync waits for the scale, for each metric and for the write, so it is a value that is handed the
//! answers one after the other. Each step says what to do next.

use std::time::Duration;

use sim::Instant;

use super::decision::{Branch, Decision, Outcome};
use super::history::History;
use super::metrics::{self, Combined, Scale, Surroundings};
use super::normalize::{self, Normalized, Request};
use super::reading::Reading;
use super::selection::Selection;
use super::spec::{Metric, Spec};
use super::status::{Current, Reason, Status, set_condition};
use super::version::Profile;
use crate::id::{DeploymentId, HpaId};

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Query this one of spec.metrics.
    FetchMetric(usize),
    /// Write the scale.
    WriteScale(i32),
    /// Nothing but to write the status, if it changed.
    Done,
}

/// A sync under way.
#[derive(Debug, Clone, PartialEq)]
pub struct Sync {
    scale: Scale,
    branch: Branch,
    outcomes: Vec<Outcome>,
    currents: Vec<Option<Current>>,
    proposal: Option<i32>,
    /// The place of the metric that made it.
    decisive: Option<usize>,
    normalized: Option<Normalized>,
    desired: i32,
    reason: String,
    /// What [`Profile::failure_shows_metrics`] says.
    failure_shows_metrics: bool,
}

impl Sync {
    /// The scale has been read; `None` if it could not be.
    pub fn begin(
        now: Instant,
        spec: &Spec,
        scale: Option<Scale>,
        selection: Selection,
        profile: &Profile,
        history: &mut History,
        status: &mut Status,
    ) -> (Self, Next) {
        let mut sync = Sync {
            scale: scale.unwrap_or(Scale {
                spec_replicas: status.current_replicas,
                status_replicas: status.current_replicas,
            }),
            branch: Branch::Metrics,
            outcomes: Vec::with_capacity(spec.metrics.len()),
            currents: Vec::with_capacity(spec.metrics.len()),
            proposal: None,
            decisive: None,
            normalized: None,
            desired: 0,
            reason: String::new(),
            failure_shows_metrics: profile.failure_shows_metrics,
        };
        let current = sync.scale.spec_replicas;
        sync.desired = current;
        if scale.is_none() {
            set_condition(&mut status.able_to_scale, now, false, Reason::FailedGetScale);
            sync.branch = Branch::NoScale;
            return (sync, Next::Done);
        }
        set_condition(&mut status.able_to_scale, now, true, Reason::SucceededGetScale);
        history.seed(current, now);
        let next = if current == 0 && spec.min_replicas != 0 {
            set_condition(&mut status.scaling_active, now, false, Reason::ScalingDisabled);
            sync.branch = Branch::Disabled;
            sync.hold(status)
        } else if current > spec.max_replicas {
            sync.branch = Branch::AboveMax;
            sync.rescale(
                spec.max_replicas,
                "Current number of replicas above Spec.MaxReplicas".to_owned(),
            )
        } else if current < spec.min_replicas {
            sync.branch = Branch::BelowMin;
            sync.rescale(
                spec.min_replicas,
                "Current number of replicas below Spec.MinReplicas".to_owned(),
            )
        } else {
            match selection {
                Selection::Own => Next::FetchMetric(0),
                Selection::Invalid => sync.no_action(now, Reason::InvalidSelector, status),
                Selection::Ambiguous => sync.no_action(now, Reason::AmbiguousSelector, status),
            }
        };
        (sync, next)
    }

    /// The metric that was asked for.
    pub(super) fn awaited<'s>(&self, spec: &'s Spec) -> &'s Metric {
        &spec.metrics[self.outcomes.len()]
    }

    /// The metric asked for has been read.
    pub fn reading(
        &mut self,
        around: &Surroundings<'_>,
        spec: &Spec,
        reading: &Reading,
        downscale_stabilization: Duration,
        history: &mut History,
        status: &mut Status,
    ) -> Next {
        let metric = self.awaited(spec);
        let name = history.name(self.outcomes.len(), metric);
        let measured = metrics::compute_replicas_for_metric(around, metric, name, reading);
        self.outcomes.push(measured.outcome);
        self.currents.push(measured.current);
        if self.outcomes.len() < spec.metrics.len() {
            return Next::FetchMetric(self.outcomes.len());
        }
        match metrics::combine(self.scale.spec_replicas, &self.outcomes) {
            Combined::NoAction(reason) => self.no_action(around.now, reason, status),
            Combined::Proposal(place, proposal) => {
                set_condition(
                    &mut status.scaling_active,
                    around.now,
                    true,
                    Reason::ValidMetricFound,
                );
                self.decisive = Some(place);
                self.propose(
                    around.now,
                    spec,
                    proposal,
                    place,
                    downscale_stabilization,
                    history,
                    status,
                )
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the second half of `reading`")]
    fn propose(
        &mut self,
        now: Instant,
        spec: &Spec,
        proposal: i32,
        place: usize,
        downscale_stabilization: Duration,
        history: &mut History,
        status: &mut Status,
    ) -> Next {
        let current = self.scale.spec_replicas;
        let proposal = proposal.max(0);
        let request = Request {
            now,
            current,
            proposal,
            min: spec.min_replicas,
            max: spec.max_replicas,
        };
        let normalized = match &spec.behavior {
            None => normalize::normalize(history, &request, downscale_stabilization),
            Some(behavior) => {
                let (up, down) = behavior.rules(downscale_stabilization);
                normalize::normalize_with_behaviors(history, &request, &up, &down)
            }
        };
        self.proposal = Some(proposal);
        self.normalized = Some(normalized);
        set_condition(&mut status.able_to_scale, now, true, normalized.able_to_scale);
        let limited = normalized.desired != normalized.stabilized;
        set_condition(&mut status.scaling_limited, now, limited, normalized.limited);
        if normalized.desired == current {
            return self.hold(status);
        }
        // The reason speaks of the proposal, not of what is left of it.
        let reason = match proposal.cmp(&current) {
            std::cmp::Ordering::Greater => format!("{} above target", self.outcomes[place].metric),
            std::cmp::Ordering::Less => "All metrics below target".to_owned(),
            std::cmp::Ordering::Equal => String::new(),
        };
        self.rescale(normalized.desired, reason)
    }

    /// The scale has been written, or not.
    pub fn written(
        &mut self,
        now: Instant,
        success: bool,
        spec: &Spec,
        downscale_stabilization: Duration,
        history: &mut History,
        status: &mut Status,
    ) {
        let current = self.scale.spec_replicas;
        if !success {
            self.fail(status);
            set_condition(&mut status.able_to_scale, now, false, Reason::FailedUpdateScale);
            return;
        }
        status.current_replicas = current;
        self.show_metrics(status);
        set_condition(&mut status.able_to_scale, now, true, Reason::SucceededRescale);
        if let Some(behavior) = &spec.behavior {
            let (up, down) = behavior.rules(downscale_stabilization);
            history.store_scale_event(current, self.desired, now, &up, &down);
        }
        status.desired_replicas = self.desired;
        status.last_scale_time = Some(now);
    }

    /// The size decided on.
    #[must_use]
    pub fn desired(&self) -> i32 {
        self.desired
    }

    /// What was decided.
    #[must_use]
    pub fn decision(self, hpa: HpaId, target: DeploymentId, status: &Status) -> Decision {
        let reason = |condition: Option<super::status::Condition>| condition.map(|it| it.reason);
        let held = self.desired == self.scale.spec_replicas;
        let could_tip = |one: &Outcome| one.result.as_ref().is_ok_and(|it| it.could_tip());
        Decision {
            hpa,
            target,
            current: self.scale.spec_replicas,
            status_replicas: self.scale.status_replicas,
            branch: self.branch,
            proposal: self.proposal,
            decisive: self.decisive,
            stabilized: self.normalized.map(|it| it.stabilized),
            desired: self.desired,
            able_to_scale: reason(status.able_to_scale).unwrap_or(Reason::SucceededGetScale),
            scaling_active: reason(status.scaling_active),
            scaling_limited: self.normalized.map(|it| it.limited),
            reason: self.reason,
            could_tip: held && self.outcomes.iter().any(could_tip),
            metrics: self.outcomes,
        }
    }

    fn rescale(&mut self, replicas: i32, reason: String) -> Next {
        self.desired = replicas;
        self.reason = reason;
        Next::WriteScale(replicas)
    }

    fn hold(&self, status: &mut Status) -> Next {
        status.current_replicas = self.scale.spec_replicas;
        status.desired_replicas = self.scale.spec_replicas;
        self.show_metrics(status);
        Next::Done
    }

    /// Desired stays what it was.
    fn no_action(&mut self, now: Instant, reason: Reason, status: &mut Status) -> Next {
        self.branch = Branch::NoMetrics;
        set_condition(&mut status.scaling_active, now, false, reason);
        self.fail(status);
        Next::Done
    }

    fn fail(&self, status: &mut Status) {
        status.current_replicas = self.scale.spec_replicas;
        if self.failure_shows_metrics {
            self.show_metrics(status);
        }
    }

    fn show_metrics(&self, status: &mut Status) {
        status.current_metrics.clone_from(&self.currents);
    }
}
