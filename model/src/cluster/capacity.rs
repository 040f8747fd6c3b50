//! From a load step to capacity: what was waited for.
//!
//! An autoscaler answers a step in rounds: it raises the size, replicas come, their load shows, it raises again.
//! The way ends when all replicas of the last raise are Ready, and it is walked from there backwards. The replica
//! that came last waited for its node and for its start, since the raise that made it. That raise waited for a
//! reading and for the autoscaler: since the replicas of the raise before were all there, for their load shows only
//! then, or, if it did not wait for them, since that raise itself. And so on to the step: the stages of all rounds add
//! up to the whole.

use std::collections::BTreeMap;

use sim::{Instant, StepSeries};

use super::Cluster;
use super::record::TimeToCapacity;
use crate::hpa::Decision;
use crate::id::PodId;
use crate::traffic::Shape;

/// What a run notes on the way.
#[derive(Debug, Default)]
pub(super) struct Notes {
    /// When an action made more clients send.
    pub(super) steps: Vec<Instant>,
    /// When Prometheus read the proxies.
    pub(super) scrapes: Vec<Instant>,
    /// When metrics-server read what pods use.
    pub(super) usage: Vec<Instant>,
    /// When a sync of the server's HPA last asked for its first metric.
    pub(super) asked: Instant,
    syncs: Vec<Sync>,
    resizes: Vec<Resize>,
    starts: BTreeMap<PodId, Start>,
}

/// A sync of the server's HPA.
#[derive(Debug, Clone, Copy)]
struct Sync {
    /// When it asked for its metrics, and when it decided.
    asked: Instant,
    at: Instant,
    current: i32,
    /// What the metrics proposed, before limits.
    wanted: i32,
    /// It went by what pods use.
    by_usage: bool,
}

/// An autoscaler's write of the server's spec.replicas.
#[derive(Debug, Clone, Copy)]
struct Resize {
    at: Instant,
    before: i32,
    after: i32,
}

/// How a pod of the server came into being.
#[derive(Debug, Clone, Copy)]
struct Start {
    created: Instant,
    bound: Instant,
    ready: Option<Instant>,
}

impl Notes {
    pub(super) fn synced(&mut self, now: Instant, decision: &Decision) {
        let decisive = decision.decisive_metric();
        self.syncs.push(Sync {
            asked: if decision.metrics.is_empty() {
                now
            } else {
                self.asked
            },
            at: now,
            current: decision.current,
            wanted: decision.proposal.unwrap_or(decision.desired),
            by_usage: decisive.is_some_and(|outcome| outcome.unit.is_of_usage()),
        });
    }

    pub(super) fn resized(&mut self, at: Instant, before: i32, after: i32) {
        self.resizes.push(Resize { at, before, after });
    }

    pub(super) fn bound(&mut self, pod: PodId, created: Instant, bound: Instant) {
        let start = Start {
            created,
            bound,
            ready: None,
        };
        self.starts.insert(pod, start);
    }

    /// A pod is Ready; one of another workload is none of ours.
    pub(super) fn ready(&mut self, pod: PodId, now: Instant) {
        if let Some(start) = self.starts.get_mut(&pod) {
            start.ready = Some(now);
        }
    }

    /// The way of a step, if replicas were asked for before `until`, and all of them came while they were wanted.
    fn way(&self, step: Instant, until: Instant, ready: &StepSeries) -> Option<TimeToCapacity> {
        let is_raise = |resize: &Resize| resize.after > resize.before;
        let resizes = self.resizes.iter().copied();
        let resizes = resizes.filter(|resize| (step..until).contains(&resize.at));
        let mut resizes = resizes.skip_while(|resize| !is_raise(resize)).peekable();
        let raises: Vec<Resize> = std::iter::from_fn(|| resizes.next_if(is_raise)).collect();
        let until = resizes.next().map_or(until, |lowered| lowered.at);
        let reached = |raise: &Resize| {
            let mut stretches = ready.stretches(raise.at, until);
            let enough = stretches.find(|(_, _, ready)| *ready >= f64::from(raise.after));
            enough.map(|(at, ..)| at)
        };
        let end = reached(raises.last()?)?;
        let mut way = TimeToCapacity {
            step,
            total: end - step,
            ..TimeToCapacity::default()
        };
        let (mut rounds, mut there) = (&raises[..], end);
        while let Some((raise, former)) = self.replicas(rounds, there, &mut way) {
            let Some(last) = former.last() else {
                self.decision(step, raise.at, &mut way);
                break;
            };
            there = if self.is_held_back(last) {
                way.hpa_sync += raise.at - last.at;
                last.at
            } else {
                let complete = reached(last).filter(|at| *at <= raise.at);
                let from = complete.unwrap_or(last.at);
                self.decision(from, raise.at, &mut way);
                from
            };
            rounds = former;
        }
        Some(way)
    }

    /// The replica that came last, at `there`: what it waited for since the raise that made it. That raise, and the ones
    /// before it.
    fn replicas<'r>(
        &self,
        rounds: &'r [Resize],
        there: Instant,
        way: &mut TimeToCapacity,
    ) -> Option<(Resize, &'r [Resize])> {
        let (last, former) = rounds.split_last()?;
        if there == last.at {
            return Some((*last, former));
        }
        let Some(start) = self
            .starts
            .values()
            .rev()
            .find(|start| start.ready == Some(there))
        else {
            way.pod_start += there - last.at;
            return Some((*last, former));
        };
        let place = rounds
            .iter()
            .rposition(|raise| raise.at <= start.created)
            .unwrap_or(0);
        let raise = rounds[place];
        let without_node = start.bound.max(raise.at) - start.created.max(raise.at);
        way.node_launch += without_node;
        way.pod_start += (there - raise.at) - without_node;
        Some((raise, &rounds[..place]))
    }

    /// What a raise waited for from an instant on: the first new reading, one that showed that more is needed, and the
    /// autoscaler, since there was one that it had not read.
    fn decision(&self, from: Instant, raise: Instant, way: &mut TimeToCapacity) {
        let within = |sync: &&Sync| from < sync.asked && sync.asked <= raise;
        let syncs = || self.syncs.iter().filter(within);
        let showing = syncs().find(|sync| sync.wanted > sync.current);
        let (shown, by_usage) = showing.map_or((raise, false), |sync| (sync.asked, sync.by_usage));
        let before = syncs().take_while(|sync| sync.asked < shown).last();
        let before = before.map_or(from, |sync| sync.asked);
        let readings = if by_usage { &self.usage } else { &self.scrapes };
        let first = |after: Instant| {
            let place = readings.partition_point(|at| *at <= after);
            readings.get(place).copied().filter(|at| *at <= shown)
        };
        let unread = first(before).unwrap_or(before);
        let seen = first(from).unwrap_or(from);
        way.scrape += seen - from;
        way.rate_window += unread - seen;
        way.hpa_sync += raise - unread;
    }

    /// A raise whose metrics wanted more than limits allowed: the next one waited for those.
    fn is_held_back(&self, raise: &Resize) -> bool {
        let sync = self.syncs.iter().find(|sync| sync.at == raise.at);
        sync.is_some_and(|sync| sync.wanted > raise.after)
    }
}

impl Cluster<'_> {
    /// The way to capacity of each load step that an autoscaler answered by more replicas.
    pub(super) fn time_to_capacity(&self, end: Instant) -> Vec<TimeToCapacity> {
        let start = self.recorder.start();
        let notes = &self.recorder.notes;
        let mut steps: Vec<Instant> = notes.steps.iter().copied().chain(self.arrival_steps()).collect();
        steps.retain(|step| *step >= start);
        steps.sort_unstable();
        steps.dedup();
        let ends = steps.iter().skip(1).copied().chain([end]);
        let ready = &self.recorder.curves().ready;
        let of = |(step, until): (&Instant, Instant)| notes.way(*step, until.min(end), ready);
        let shifted = |way: TimeToCapacity| TimeToCapacity {
            step: self.recorder.shift(way.step),
            ..way
        };
        steps.iter().zip(ends).filter_map(of).map(shifted).collect()
    }

    /// When a stream of arrivals begins to rise.
    fn arrival_steps(&self) -> impl Iterator<Item = Instant> {
        let rise = |shape: &Shape| match *shape {
            Shape::Step { before, after, at } => (after > before).then_some(at),
            Shape::Spike { base, peak, at, .. } => (peak > base).then_some(at),
            Shape::Ramp { from, to, start, .. } => (to > from).then_some(start),
            Shape::Constant { .. } | Shape::Sine { .. } | Shape::Trace { .. } => None,
        };
        let arrivals = self.scenario.traffic.arrivals.iter();
        let rises = arrivals.filter_map(move |arrivals| rise(&arrivals.shape));
        rises.map(|at| Instant::ZERO + at)
    }
}

#[cfg(test)]
mod tests;
