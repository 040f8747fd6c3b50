//! Evaluations under way.

use std::sync::Arc;

use super::scaler::{self, Error, Reading};
use super::version::Profile;
use crate::id::{HpaId, ScaledObjectId};
use crate::quantity::Quantity;

/// What an evaluation came to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Outcome {
    pub(super) value: Result<Quantity, Error>,
    pub(super) active: bool,
    /// It is a fallback's value for the composite metric: no trigger's, so that no formula finds it.
    pub(super) composite: bool,
}

/// One trigger to be asked.
#[derive(Debug)]
pub(super) struct Evaluation {
    /// Which of spec.triggers.
    pub(super) trigger: usize,
    /// Its metric's name.
    pub(super) name: Arc<str>,
    /// When it was done, of all of the task: 0 for the result of an earlier poll.
    pub(super) turn: u32,
    /// A query is under way.
    pub(super) running: bool,
    /// It has failed once.
    pub(super) retried: bool,
    /// The value before rounding, for the event log.
    pub(super) raw: Option<f64>,
    /// The result is that of an earlier poll.
    pub(super) cached: bool,
    pub(super) result: Option<Outcome>,
}

impl Evaluation {
    /// A trigger to be asked, and its metric's name.
    pub(super) fn new(trigger: usize, name: Arc<str>) -> Self {
        Evaluation {
            trigger,
            name,
            turn: 0,
            running: false,
            retried: false,
            raw: None,
            cached: false,
            result: None,
        }
    }

    /// Takes what a poll has stored, if it has stored anything.
    pub(super) fn recall(&mut self, stored: Option<&Outcome>) {
        self.result = stored.copied();
        self.cached = stored.is_some();
    }

    /// Why there is no value.
    pub(super) fn failure(&self) -> Option<Error> {
        self.result?.value.err()
    }
}

/// For whom triggers are asked.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose {
    /// The scale loop.
    Poll,
    /// The HPA controller.
    Pull {
        hpa: HpaId,
        metric: usize,
        /// It asked for the composite metric.
        composite: bool,
    },
}

/// Some triggers of one object, asked together.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) object: ScaledObjectId,
    pub(super) purpose: Purpose,
    pub(super) evaluations: Vec<Evaluation>,
}

impl Task {
    pub(super) fn new(object: ScaledObjectId, purpose: Purpose, evaluations: Vec<Evaluation>) -> Self {
        Task {
            object,
            purpose,
            evaluations,
        }
    }

    /// An evaluation is done.
    pub(super) fn set(&mut self, index: usize, reading: Result<Reading, Error>, profile: &Profile) {
        let done = self.evaluations.iter().map(|one| one.turn).max();
        let one = &mut self.evaluations[index];
        one.turn = done.unwrap_or(0) + 1;
        one.raw = reading.ok().map(|reading| reading.value);
        one.result = Some(Outcome {
            value: reading.map(|reading| scaler::quantity(reading.value, profile)),
            active: reading.is_ok_and(|reading| reading.active),
            composite: false,
        });
    }

    /// The next evaluation that may begin.
    pub(super) fn next_to_start(&self, parallel: bool) -> Option<usize> {
        let open = |one: &Evaluation| one.result.is_none();
        if parallel {
            return self.evaluations.iter().position(|one| open(one) && !one.running);
        }
        let first = self.evaluations.iter().position(open)?;
        (!self.evaluations[first].running).then_some(first)
    }

    /// The metrics that have no value, each with the reason.
    pub(super) fn failures(&self) -> Vec<(Arc<str>, Error)> {
        let failed = |one: &Evaluation| Some((one.name.clone(), one.failure()?));
        self.evaluations.iter().filter_map(failed).collect()
    }

    pub(super) fn is_done(&self) -> bool {
        self.evaluations.iter().all(|one| one.result.is_some())
    }
}
