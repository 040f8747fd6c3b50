//! Whether a service keeps up with the load of a step, once its replicas are there.
//!
//! It is judged by the end of the stretch in which the load is the same: the last five minutes before the next step, the
//! next action, the next other size or the end. What had piled up before the replicas came is worked off by then.

use std::time::Duration;

use sim::Instant;

use super::Notes;

/// The end of a stretch that is looked at.
const LAST: Duration = Duration::from_secs(300);

/// Less says nothing: a step at the very end of a run is taken as answered.
const LEAST: Duration = Duration::from_secs(60);

/// The share of what is asked that may fail or stay in line: more is not next to nothing.
const MISSED: f64 = 0.05;

/// What clients have had by an instant: totals since the start of the run, in requests.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flow {
    pub(super) at: Instant,
    pub(super) served: f64,
    pub(super) failed: f64,
    pub(super) in_flight: f64,
}

impl Notes {
    /// What clients have had by now, in requests.
    pub(in crate::cluster) fn flows(&mut self, at: Instant, [served, failed, in_flight]: [f64; 3]) {
        self.flow.push(Flow {
            at,
            served,
            failed,
            in_flight,
        });
    }

    /// An action was done.
    pub(in crate::cluster) fn acted(&mut self, at: Instant) {
        self.breaks.push(at);
    }

    /// The load changes otherwise than by an action or a step.
    pub(in crate::cluster) fn load_changes(&mut self, at: impl IntoIterator<Item = Instant>) {
        self.breaks.extend(at);
        self.breaks.sort_unstable();
    }

    /// The end of what shows how the service does between two instants, if that is long enough.
    fn shown(&self, from: Instant, until: Instant) -> Option<(Instant, Instant)> {
        let place = self.breaks.partition_point(|at| *at <= from);
        let until = self.breaks.get(place).map_or(until, |at| until.min(*at));
        (until.since(from) >= LEAST).then(|| (from.max(until.saturating_sub(LAST)), until))
    }

    /// Requests fail, or lines grow: more than a twentieth of what is asked is not served. A line of requests moves by
    /// chance too, by about its root.
    pub(super) fn falls_behind(&self, from: Instant, until: Instant) -> bool {
        let Some((from, until)) = self.shown(from, until) else {
            return false;
        };
        let first = self.flow.iter().find(|flow| flow.at >= from);
        let last = self.flow.iter().rev().find(|flow| flow.at <= until);
        let Some((first, last)) = first.zip(last) else {
            return false;
        };
        let failed = last.failed - first.failed;
        let chance = 3.0 * last.in_flight.max(0.0).sqrt();
        let grown = (last.in_flight - first.in_flight - chance).max(0.0);
        failed + grown > MISSED * (last.served - first.served + failed + grown)
    }

    /// The HPA asks for more than there is and does not get it, most of the time: at `maxReplicas`, or by its policies.
    pub(super) fn is_short(&self, from: Instant, until: Instant) -> bool {
        let Some((from, until)) = self.shown(from, until) else {
            return false;
        };
        let syncs = self.syncs.iter();
        let syncs = syncs.filter(|sync| (from..until).contains(&sync.at));
        let (short, all) = syncs.fold((0_u32, 0_u32), |(short, all), sync| {
            (short + u32::from(sync.wanted > sync.current), all + 1)
        });
        short * 2 > all
    }
}
