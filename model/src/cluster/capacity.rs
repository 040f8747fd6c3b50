//! From a load step to capacity: what was waited for.
//!
//! An autoscaler answers a step in rounds: it raises the size, replicas come, their load shows, it raises again.
//! The way ends when all replicas of the last raise are Ready, and it is walked from there backwards. The replica
//! that came last waited for its node and for its start, since the raise that made it. That raise waited for a
//! reading and for the autoscaler: since the replicas of the raise before were all there, for their load shows only
//! then, or, if it did not wait for them, since that raise itself. And so on to the step: the stages of all rounds add
//! up to the whole.
//!
//! That is capacity only if the service keeps up from there on, which `after` judges; a step that nobody answers is no
//! matter as long as it does. Where clients wait for their answers before they ask again, nothing piles up however slow
//! the service is: there it keeps up only if the HPA does not go on asking for more than it gets.
//!
//! Between a reading and the raise stand KEDA and the HPA. Where the HPA is given what KEDA's last poll has kept, or a poll
//! raises the size itself, the reading waits for that poll; elsewhere KEDA asks when it is asked. While an action has
//! stopped one of them nothing is learnt, and the time is told apart.

use std::time::Duration;

use sim::{Instant, SortedMap, StepSeries};

use super::Cluster;
use super::record::{Signal, TimeToCapacity};
use crate::hpa::Decision;
use crate::id::PodId;
use crate::scenario::{Part, everything};
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
    /// When KEDA's polls for the server ended.
    pub(super) polls: Vec<Instant>,
    /// When a sync of the server's HPA last asked for its first metric.
    asked: Instant,
    /// The metrics of that sync, by place, for which KEDA gave what a poll had kept.
    kept: Vec<usize>,
    syncs: Vec<Sync>,
    resizes: Vec<Resize>,
    starts: SortedMap<PodId, Start>,
    /// What actions stopped, in their order.
    stops: Vec<Stop>,
    /// What clients have had, every 15 s.
    flow: Vec<after::Flow>,
    /// When actions were done or the load changed, in order of time: what is judged of a step ends there.
    breaks: Vec<Instant>,
}

/// How a metric comes to the HPA.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Path {
    /// What pods use, from metrics-server.
    Usage,
    /// From Prometheus, by an adapter's rule.
    Rule,
    /// From Prometheus, asked by KEDA when the HPA asks.
    Pull,
    /// From Prometheus, asked by KEDA's poll.
    Poll,
}

impl Path {
    /// Who must be there, in the order in which they are waited for; the first of them takes the readings.
    fn parts(self) -> &'static [Part] {
        match self {
            Path::Usage => &[Part::MetricsServer, Part::Hpa],
            Path::Rule => &[Part::Prometheus, Part::Hpa],
            Path::Pull | Path::Poll => &[Part::Prometheus, Part::Keda, Part::Hpa],
        }
    }
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
    /// Its metric was above the target, within the tolerance.
    tolerated: bool,
    /// How the metric came that it went by.
    path: Path,
}

/// A write of the server's spec.replicas.
#[derive(Debug, Clone, Copy)]
struct Resize {
    at: Instant,
    before: i32,
    after: i32,
    /// Which autoscaler did it; `None` where an action did.
    by: Option<Part>,
}

impl Resize {
    /// An autoscaler asks for more.
    fn is_raise(&self) -> bool {
        self.after > self.before && self.by.is_some()
    }

    /// A poll of KEDA's did it, not the HPA.
    fn is_by_poll(&self) -> bool {
        self.by == Some(Part::Keda)
    }
}

/// How a pod of the server came into being.
#[derive(Debug, Clone, Copy)]
struct Start {
    created: Instant,
    bound: Instant,
    /// From when to when it waited for its images.
    images: (Instant, Instant),
    ready: Option<Instant>,
}

/// A part was away.
#[derive(Debug, Clone, Copy)]
struct Stop {
    part: Part,
    from: Instant,
    until: Instant,
}

impl Notes {
    /// A sync of the server's HPA asks for its first metric.
    pub(super) fn asks(&mut self, now: Instant) {
        self.asked = now;
        self.kept.clear();
    }

    /// KEDA answers it with what a poll has kept.
    pub(super) fn answered_by_poll(&mut self, metric: usize) {
        self.kept.push(metric);
    }

    /// A sync has decided, of an HPA that KEDA made or of another.
    pub(super) fn synced(&mut self, now: Instant, decision: &Decision, of_keda: bool) {
        let by_usage = decision
            .decisive_metric()
            .is_some_and(|outcome| outcome.unit.is_of_usage());
        let kept = decision.decisive.is_some_and(|place| self.kept.contains(&place));
        let path = match (by_usage, of_keda) {
            (true, _) => Path::Usage,
            (_, false) => Path::Rule,
            _ if kept => Path::Poll,
            _ => Path::Pull,
        };
        self.syncs.push(Sync {
            asked: if decision.metrics.is_empty() {
                now
            } else {
                self.asked
            },
            at: now,
            current: decision.current,
            wanted: decision.proposal.unwrap_or(decision.desired),
            tolerated: decision.is_tolerated(),
            path,
        });
    }

    /// The server has another size: an autoscaler wrote it, or an action.
    pub(super) fn resized(&mut self, at: Instant, before: i32, after: i32, by: Option<Part>) {
        let resize = Resize {
            at,
            before,
            after,
            by,
        };
        self.resizes.push(resize);
    }

    pub(super) fn stopped(&mut self, part: Part, from: Instant) {
        let until = Instant::MAX;
        self.stops.push(Stop { part, from, until });
    }

    pub(super) fn started(&mut self, part: Part, now: Instant) {
        let stop = self.stops.iter_mut().rev().find(|stop| stop.part == part);
        if let Some(stop) = stop {
            stop.until = now;
        }
    }

    pub(super) fn bound(&mut self, pod: PodId, created: Instant, bound: Instant) {
        let start = Start {
            created,
            bound,
            images: (bound, bound),
            ready: None,
        };
        self.starts.insert(pod, start);
    }

    /// A pod's images are there; it has waited for them since `from`.
    pub(super) fn has_images(&mut self, pod: PodId, from: Instant, now: Instant) {
        if let Some(start) = self.starts.get_mut(&pod) {
            start.images = (from, now);
        }
    }

    /// A pod is Ready; one of another workload is none of ours.
    pub(super) fn ready(&mut self, pod: PodId, now: Instant) {
        if let Some(start) = self.starts.get_mut(&pod) {
            start.ready = Some(now);
        }
    }

    /// The raises that answer a step before `until`, and when they are answered no more: from the first other write of
    /// the size on. What an action writes is none of the answer.
    fn answer(&self, step: Instant, until: Instant) -> (Vec<Resize>, Instant) {
        let resizes = self.resizes.iter().copied();
        let resizes = resizes.filter(|resize| (step..until).contains(&resize.at));
        let mut resizes = resizes.skip_while(|resize| !resize.is_raise()).peekable();
        let raises = std::iter::from_fn(|| resizes.next_if(Resize::is_raise)).collect();
        (raises, resizes.next().map_or(until, |other| other.at))
    }

    /// The way of a step, if replicas were asked for before `until`, all of them came while they were wanted, and the
    /// service keeps up with them.
    fn way(&self, step: Instant, until: Instant, ready: &StepSeries) -> Option<TimeToCapacity> {
        let (raises, until) = self.answer(step, until);
        let reached = |raise: &Resize| {
            let mut stretches = ready.stretches(raise.at, until);
            let enough = stretches.find(|(_, _, ready)| *ready >= f64::from(raise.after));
            enough.map(|(at, ..)| at)
        };
        let end = reached(raises.last()?)?;
        if self.falls_behind(end, until) {
            return None;
        }
        let mut way = TimeToCapacity {
            step,
            total: end - step,
            short: self.is_short(end, until),
            signal: self.signal(&raises),
            ..TimeToCapacity::default()
        };
        let (mut rounds, mut there) = (&raises[..], end);
        while let Some((raise, former)) = self.replicas(rounds, there, &mut way) {
            let Some(last) = former.last() else {
                self.decision(step, &raise, &mut way);
                break;
            };
            there = if self.is_held_back(last) {
                let held = self.apart(&[Part::Hpa], last.at, raise.at, &mut way);
                way.hpa_sync += held;
                last.at
            } else {
                let complete = reached(last).filter(|at| *at <= raise.at);
                let from = complete.unwrap_or(last.at);
                self.decision(from, &raise, &mut way);
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
        let (from, until) = start.images;
        let without_image = until.max(raise.at) - from.max(raise.at);
        way.node_launch += without_node;
        way.image_pull += without_image;
        way.pod_start += (there - raise.at) - without_node - without_image;
        Some((raise, &rounds[..place]))
    }

    /// What a raise waited for from an instant on: the first new reading, one that showed that more is needed, the poll
    /// that took it, and the HPA. Each of them since there was something that it had not looked at.
    fn decision(&self, from: Instant, raise: &Resize, way: &mut TimeToCapacity) {
        let syncs = self.syncs.iter();
        let syncs = || {
            syncs
                .clone()
                .filter(|sync| from < sync.asked && sync.asked <= raise.at)
        };
        let showing = syncs().find(|sync| sync.wanted > sync.current);
        let (shown, path) = match showing {
            _ if raise.is_by_poll() => (raise.at, Path::Poll),
            Some(sync) => (sync.asked, sync.path),
            None => (raise.at, Path::Rule),
        };
        let parts = path.parts();
        // Who asks while somebody is away learns nothing.
        let learns = |at: &Instant| !self.is_away(&parts[..parts.len() - 1], *at);
        let polls = self.polls.iter().copied();
        let polls = || {
            polls
                .clone()
                .filter(|at| from < *at && *at <= shown)
                .filter(learns)
        };
        let asked = syncs().map(|sync| sync.asked).filter(learns);
        let before = asked.take_while(|asked| *asked < shown).last().unwrap_or(from);
        // Between which instants the reading was taken that showed it.
        let (after, until) = match (path, raise.is_by_poll()) {
            (Path::Poll, true) => (polls().take_while(|at| *at < shown).last(), Some(shown)),
            (Path::Poll, false) => (polls().take_while(|at| *at <= before).last(), polls().next_back()),
            _ => (Some(before), Some(shown)),
        };
        let (after, until) = (after.unwrap_or(from), until.unwrap_or(from));
        let readings = match path {
            Path::Usage => &self.usage,
            _ => &self.scrapes,
        };
        let first = |after: Instant| {
            let place = readings.partition_point(|at| *at <= after);
            readings.get(place).copied().filter(|at| *at <= until)
        };
        let seen = first(from).unwrap_or(from);
        let unread = first(after).unwrap_or(after);
        let polled = match (path, raise.is_by_poll()) {
            (_, true) => raise.at,
            (Path::Poll, _) => polls().find(|at| *at > after && *at >= unread).unwrap_or(unread),
            _ => unread,
        };
        let tolerated = syncs().find(|sync| sync.tolerated && sync.asked < shown);
        let above = tolerated.map_or(unread, |sync| sync.asked.max(seen).min(unread));
        // Each stage needs its own part and those before it.
        let [scrape, window, tolerance, poll, sync] = [
            (1, from, seen),
            (1, seen, above),
            (1, above, unread),
            (2, unread, polled),
            (parts.len(), polled, raise.at),
        ]
        .map(|(needs, from, to)| self.apart(&parts[..needs], from, to, way));
        way.scrape += scrape;
        way.rate_window += window;
        way.tolerance += tolerance;
        way.keda_poll += poll;
        way.hpa_sync += sync;
    }

    /// What raises went by: usage only if all of them did.
    fn signal(&self, raises: &[Resize]) -> Signal {
        let by_usage = |raise: &Resize| {
            let mut syncs = self.syncs.iter();
            !raise.is_by_poll() && syncs.any(|sync| sync.at == raise.at && sync.path == Path::Usage)
        };
        match raises.iter().all(by_usage) {
            true => Signal::Usage,
            false => Signal::Queries,
        }
    }

    fn is_away(&self, parts: &[Part], at: Instant) -> bool {
        let away = |stop: &Stop| parts.contains(&stop.part) && (stop.from..stop.until).contains(&at);
        self.stops.iter().any(away)
    }

    /// A stretch without the time in which one of the parts was stopped: that is told apart.
    fn apart(&self, parts: &[Part], from: Instant, to: Instant, way: &mut TimeToCapacity) -> Duration {
        let (mut covered, mut stopped) = (from, Duration::ZERO);
        for stop in self.stops.iter().filter(|stop| parts.contains(&stop.part)) {
            let (begin, end) = (stop.from.max(covered), stop.until.min(to));
            if begin < end {
                stopped += end - begin;
                covered = end;
            }
        }
        way.stopped += stopped;
        (to - from) - stopped
    }

    /// A raise whose metrics wanted more than limits allowed: the next one waited for those.
    fn is_held_back(&self, raise: &Resize) -> bool {
        let sync = self.syncs.iter().find(|sync| sync.at == raise.at);
        sync.is_some_and(|sync| sync.wanted > raise.after)
    }
}

impl Cluster<'_> {
    /// The way to capacity of each load step that an autoscaler answered by more replicas, and the steps whose answer
    /// did not come to its end, was not enough, or was missing where the service did not keep up without.
    pub(super) fn time_to_capacity(&self, end: Instant) -> (Vec<TimeToCapacity>, Vec<Instant>) {
        let start = self.recorder.start();
        let notes = &self.recorder.notes;
        let mut steps: Vec<Instant> = notes.steps.iter().copied().chain(self.arrival_steps()).collect();
        steps.retain(|step| *step >= start);
        steps.sort_unstable();
        steps.dedup();
        let ends = steps.iter().skip(1).copied().chain([end]);
        let ready = &self.recorder.curves().ready;
        let (mut ways, mut unreached) = (Vec::new(), Vec::new());
        let (waits, queried) = (self.scenario.roles.client.is_some(), self.asks_prometheus());
        for (step, until) in steps.iter().zip(ends) {
            let until = until.min(end);
            let shifted = self.recorder.shift(*step);
            match notes.way(*step, until, ready) {
                Some(way) if !(way.short && waits) => ways.push(TimeToCapacity {
                    step: shifted,
                    signal: match way.signal {
                        Signal::Queries if !queried => Signal::Schedule,
                        own => own,
                    },
                    ..way
                }),
                None if notes.answer(*step, until).0.is_empty() && !notes.falls_behind(*step, until) => {}
                _ => unreached.push(shifted),
            }
        }
        (ways, unreached)
    }

    /// Whether any autoscaler of the server goes by a query.
    fn asks_prometheus(&self) -> bool {
        let server = &self.scenario.roles.server;
        let everything = everything(self.scenario);
        let mut scaled = everything.iter().flat_map(|objects| &objects.scaled_objects);
        let by_trigger = scaled.any(|own| {
            let mut triggers = own.spec.triggers.iter();
            own.target == *server && triggers.any(|trigger| trigger.query().is_some())
        });
        let mut hpas = everything.iter().flat_map(|objects| &objects.hpas);
        by_trigger || hpas.any(|hpa| hpa.target == *server)
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

    /// When a stream of arrivals begins to fall.
    pub(super) fn arrival_falls(&self) -> impl Iterator<Item = Instant> {
        let fall = |shape: &Shape| match *shape {
            Shape::Step { before, after, at } => (after < before).then_some(at),
            Shape::Spike {
                base,
                peak,
                at,
                duration,
            } => (peak > base).then_some(at + duration),
            Shape::Ramp { from, to, start, .. } => (to < from).then_some(start),
            Shape::Constant { .. } | Shape::Sine { .. } | Shape::Trace { .. } => None,
        };
        let arrivals = self.scenario.traffic.arrivals.iter();
        let falls = arrivals.filter_map(move |arrivals| fall(&arrivals.shape));
        falls.map(|at| Instant::ZERO + at)
    }
}

mod after;
#[cfg(test)]
mod tests;
