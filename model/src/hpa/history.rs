//! What the controller remembers of an HPA: recommendations and scale events. A restart forgets both.

use std::sync::Arc;
use std::time::Duration;

use sim::Instant;

use super::metrics;
use super::spec::{Metric, Policy, Rules};

/// A moment that may lie before the start of the run, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Stamp(i64);

impl Stamp {
    fn of(instant: Instant) -> Self {
        Stamp(i64::try_from(instant.as_nanos()).unwrap_or(i64::MAX))
    }

    fn less(self, duration: Duration) -> Self {
        Stamp(
            self.0
                .saturating_sub(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)),
        )
    }
}

/// Recommendations and scale events, in upstream's slots: one outdated slot is overwritten by each new
/// entry, the others stay and still count where a window reaches back to them
/// (kubernetes 1.35 pkg/controller/podautoscaler/horizontal.go `HorizontalController`).
#[derive(Debug, Clone, Default)]
pub struct History {
    recommendations: Vec<(i32, Stamp)>,
    scale_ups: Vec<ScaleEvent>,
    scale_downs: Vec<ScaleEvent>,
    /// What its metrics are called, so as not to make the words at every sync.
    names: Vec<(Metric, Arc<str>)>,
}

#[derive(Debug, Clone, Copy)]
struct ScaleEvent {
    change: i32,
    at: Stamp,
    outdated: bool,
}

impl History {
    /// What the metric at a place of spec.metrics is called in messages.
    pub(super) fn name(&mut self, place: usize, metric: &Metric) -> Arc<str> {
        if let Some((_, name)) = self.names.get(place).filter(|(known, _)| known == metric) {
            return name.clone();
        }
        let name: Arc<str> = metrics::name(metric).into();
        self.names.truncate(place);
        self.names.push((metric.clone(), name.clone()));
        name
    }

    /// The first sync's entry: the size found (`recordInitialRecommendation`).
    pub fn seed(&mut self, current: i32, now: Instant) {
        if self.recommendations.is_empty() {
            self.recommendations.push((current, Stamp::of(now)));
        }
    }

    /// The greatest recommendation that is not older than the window, this one included; it is stored as
    /// it is, without any limit (`stabilizeRecommendation`).
    pub fn stabilize(&mut self, recommendation: i32, now: Instant, window: Duration) -> i32 {
        let cutoff = Stamp::of(now).less(window);
        let recent = self.recommendations.iter().filter(|(_, at)| *at >= cutoff);
        let greatest = recent.map(|(other, _)| *other).fold(recommendation, i32::max);
        self.store(recommendation, now, |at| at < cutoff);
        greatest
    }

    /// The least recommendation within the up window and the greatest within the down window, this one
    /// included in both (`stabilizeRecommendationWithBehaviors`).
    pub fn envelope(
        &mut self,
        recommendation: i32,
        now: Instant,
        up: Duration,
        down: Duration,
    ) -> (i32, i32) {
        let (up, down) = (Stamp::of(now).less(up), Stamp::of(now).less(down));
        let (mut least, mut greatest) = (recommendation, recommendation);
        for &(other, at) in &self.recommendations {
            if at > up {
                least = least.min(other);
            }
            if at > down {
                greatest = greatest.max(other);
            }
        }
        self.store(recommendation, now, |at| at < up && at < down);
        (least, greatest)
    }

    fn store(&mut self, recommendation: i32, now: Instant, outdated: impl Fn(Stamp) -> bool) {
        let entry = (recommendation, Stamp::of(now));
        match self.recommendations.iter().rposition(|(_, at)| outdated(*at)) {
            Some(slot) => self.recommendations[slot] = entry,
            None => self.recommendations.push(entry),
        }
    }

    /// Remembers a change of size, after it was written (`storeScaleEvent`, `markScaleEventsOutdated`).
    pub fn store_scale_event(&mut self, from: i32, to: i32, now: Instant, up: &Rules<'_>, down: &Rules<'_>) {
        let (events, rules) = if to > from {
            (&mut self.scale_ups, up)
        } else {
            (&mut self.scale_downs, down)
        };
        let longest = rules.policies.iter().map(|policy| policy.period).max();
        let cutoff = Stamp::of(now).less(longest.unwrap_or_default());
        for event in events.iter_mut() {
            // A mark is never taken back, even if the policies grow longer.
            event.outdated |= event.at < cutoff;
        }
        let event = ScaleEvent {
            change: (to - from).abs(),
            at: Stamp::of(now),
            outdated: false,
        };
        match events.iter().rposition(|event| event.outdated) {
            Some(slot) => events[slot] = event,
            None => events.push(event),
        }
    }

    /// The size at the beginning of a policy's period (`getReplicasChangePerPeriod`).
    #[must_use]
    pub fn period_start(&self, current: i32, policy: &Policy, now: Instant) -> i32 {
        let cutoff = Stamp::of(now).less(policy.period);
        let changes = |events: &[ScaleEvent]| -> i32 {
            events
                .iter()
                .filter(|event| event.at > cutoff)
                .map(|event| event.change)
                .sum()
        };
        current - changes(&self.scale_ups) + changes(&self.scale_downs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // A slot is given away when its entry is older than both windows, and then the entry is gone: a window that is made
    // longer later finds only what is left (`stabilizeRecommendationWithBehaviors`).
    #[test]
    fn an_entry_is_kept_up_to_the_edge_of_the_longer_window() {
        let minute = Duration::from_secs(60);
        let greatest_after = |first_looked_at_again: u64| {
            let mut history = History::default();
            history.envelope(50, Instant::ZERO, minute, minute / 2);
            history.envelope(10, Instant::from_secs(first_looked_at_again), minute, minute / 2);
            let later = Instant::from_secs(100);
            history.envelope(10, later, minute * 10, minute * 10).1
        };
        assert_eq!([60, 61].map(greatest_after), [50, 10]);
    }
}
