//! Step series: what a quantity was, kept as its changes only.

use std::time::Duration;

use crate::Instant;

/// A piecewise constant function of time, kept as its changes.
///
/// ```
/// use sim::{Instant, StepSeries};
///
/// let mut replicas = StepSeries::new();
/// replicas.set(Instant::ZERO, 1.0);
/// replicas.set(Instant::from_secs(10), 1.0); // no change, not kept
/// replicas.set(Instant::from_secs(30), 4.0);
/// assert_eq!(replicas.at(Instant::from_secs(29)), 1.0);
/// assert_eq!(replicas.at(Instant::from_secs(30)), 4.0);
/// assert_eq!(replicas.integral(Instant::ZERO, Instant::from_secs(40)), 70.0);
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StepSeries {
    changes: Vec<(Instant, f64)>,
}

impl StepSeries {
    /// A series that is zero everywhere.
    #[must_use]
    pub fn new() -> Self {
        StepSeries::default()
    }

    /// Says that the value is `value` from `now` on. The last word on an instant counts.
    ///
    /// # Panics
    ///
    /// When `now` is before the last change.
    pub fn set(&mut self, now: Instant, value: f64) {
        let last = self.changes.last().copied();
        assert!(
            last.is_none_or(|(at, _)| at <= now),
            "a step series is written forwards"
        );
        if last.is_some_and(|(at, _)| at == now) {
            self.changes.pop();
        }
        if self.changes.last().map_or(0.0, |&(_, old)| old) != value || self.changes.is_empty() {
            self.changes.push((now, value));
        }
    }

    /// The value at an instant: zero before the first change.
    #[must_use]
    pub fn at(&self, instant: Instant) -> f64 {
        match self.changes.partition_point(|&(at, _)| at <= instant) {
            0 => 0.0,
            n => self.changes[n - 1].1,
        }
    }

    /// The last value set.
    #[must_use]
    pub fn last(&self) -> f64 {
        self.changes.last().map_or(0.0, |&(_, value)| value)
    }

    /// The changes, oldest first.
    #[must_use]
    pub fn changes(&self) -> &[(Instant, f64)] {
        &self.changes
    }

    /// The stretches of constant value between two instants: start, length, value.
    pub fn stretches(
        &self,
        from: Instant,
        to: Instant,
    ) -> impl Iterator<Item = (Instant, Duration, f64)> + '_ {
        let first = self.changes.partition_point(|&(at, _)| at <= from);
        let inner = self.changes[first..]
            .iter()
            .copied()
            .take_while(move |&(at, _)| at < to);
        let mut current = (from, self.at(from));
        inner.chain([(to.max(from), f64::NAN)]).map(move |next| {
            let stretch = (current.0, next.0 - current.0, current.1);
            current = next;
            stretch
        })
    }

    /// The integral over time, in value × seconds.
    #[must_use]
    pub fn integral(&self, from: Instant, to: Instant) -> f64 {
        self.stretches(from, to)
            .map(|(_, length, value)| length.as_secs_f64() * value)
            .sum()
    }

    /// The time-weighted mean, or zero over an empty stretch.
    #[must_use]
    pub fn mean(&self, from: Instant, to: Instant) -> f64 {
        let length = to.since(from).as_secs_f64();
        if length == 0.0 {
            0.0
        } else {
            self.integral(from, to) / length
        }
    }

    /// The greatest value between two instants.
    #[must_use]
    pub fn max(&self, from: Instant, to: Instant) -> f64 {
        self.stretches(from, to)
            .map(|(_, _, value)| value)
            .fold(f64::NEG_INFINITY, f64::max)
    }
}
