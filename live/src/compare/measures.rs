//! Every measure of every curve.

use sim::{Instant, SortedSet, StepSeries};

use super::gaps::{concerns, joined, moved, without};
use super::run::{Gap, Kind, Life, Run, milliseconds, names};
use crate::accuracy::{
    Bound, Comparison, Line, Unit, Window, coverage, first_fall, first_rise, kolmogorov_smirnov, lag, nmae,
    quantile, relative, return_to, shape, time_to, wasserstein, within,
};
use crate::curves::instant;

/// When something happens on a curve.
type Moment<'a> = &'a dyn Fn(&StepSeries) -> Option<Instant>;

/// Seconds between two times of a life.
type Span = fn(&Life) -> Option<f64>;

/// What is asked of a simulation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// The greatest nMAE of replicas, a share.
    pub replicas_nmae: f64,
    /// The least share of time within one replica.
    pub replicas_within: f64,
    /// The least share of time within one node.
    pub nodes_within: f64,
    /// The greatest error of the first scale-up and of the return to the minimum: one sync, seconds.
    pub sync: f64,
}

impl Default for Bounds {
    fn default() -> Self {
        Bounds {
            replicas_nmae: 0.05,
            replicas_within: 0.95,
            nodes_within: 0.95,
            sync: 15.0,
        }
    }
}

/// The curves that are compared, the most telling first; whether they count things.
const CURVES: [(&str, bool); 9] = [
    (names::DESIRED, true),
    (names::READY, true),
    (names::PENDING, true),
    (names::NODES, true),
    (names::USD_PER_HOUR, false),
    (names::SEEN_RPS, false),
    (names::SEEN_PODS, true),
    (names::SEEN_NODES, true),
    (names::LATENCY, false),
];

/// Compares seeds with a run that is taken for real. `steps` are moments at which the load changes, with their names:
/// each is followed to capacity.
///
/// The window is what both sides know, less the gaps of the curve's source. Objectives first; a curve that one
/// side has not is left out, and an objective about it is missed.
#[must_use]
pub fn compare(seeds: &[Run], real: &Run, bounds: &Bounds, steps: &[(f64, String)]) -> Comparison {
    let end = seeds
        .iter()
        .map(|seed| seed.end)
        .min()
        .unwrap_or_default()
        .min(real.end);
    let from = instant(real.from);
    let mut comparison = Comparison::default();
    if seeds.is_empty() || from >= end {
        return comparison;
    }
    let table = Table::new(seeds, real, Window { from, to: end });
    comparison.window = Some((from, end));
    comparison.lines.extend(table.objectives(bounds));
    for (name, counts) in CURVES {
        comparison.lines.extend(table.curve(name, counts));
    }
    comparison.lines.extend(table.moments());
    for (at, label) in steps {
        comparison.lines.extend(table.stages(*at, label));
    }
    comparison.lines.extend(table.lives());
    comparison.lines.extend(table.bill());
    let said: SortedSet<(String, String)> = comparison
        .lines
        .iter()
        .filter(|line| line.objective.is_some())
        .map(|line| (line.subject.clone(), line.measure.clone()))
        .collect();
    comparison.lines.retain(|line| {
        line.objective.is_some() || !said.contains(&(line.subject.clone(), line.measure.clone()))
    });
    comparison
}

struct Table<'a> {
    seeds: &'a [Run],
    real: &'a Run,
    window: Window,
    /// What replicas are judged by: their curve, or pods as a dashboard shows them.
    replicas: &'static str,
    /// What nodes are judged by, likewise.
    nodes: &'static str,
}

/// A curve of both sides, gaps cut out.
struct Pair {
    seeds: Vec<StepSeries>,
    real: StepSeries,
    window: Window,
}

impl<'a> Table<'a> {
    fn new(seeds: &'a [Run], real: &'a Run, window: Window) -> Self {
        let mut table = Table {
            seeds,
            real,
            window,
            replicas: names::SEEN_PODS,
            nodes: names::SEEN_NODES,
        };
        if table.pair(names::DESIRED).is_some() {
            table.replicas = names::DESIRED;
        }
        if table.pair(names::NODES).is_some() {
            table.nodes = names::NODES;
        }
        table
    }

    /// The stretches in which a curve was not heard.
    fn unheard(&self, name: &str) -> Vec<(Instant, Instant)> {
        let stretch = |gap: &Gap| {
            (
                instant(gap.from).min(self.window.to),
                instant(gap.to).min(self.window.to),
            )
        };
        joined(
            self.real
                .gaps
                .iter()
                .filter(|gap| concerns(gap, name))
                .map(stretch)
                .filter(|(from, to)| from < to)
                .collect(),
        )
    }

    fn pair(&self, name: &str) -> Option<Pair> {
        let gaps = self.unheard(name);
        let real = without(self.real.curve(name)?, &gaps);
        let seeds = self
            .seeds
            .iter()
            .map(|seed| Some(without(seed.curve(name)?, &gaps)));
        let window = Window {
            from: moved(self.window.from, &gaps),
            to: moved(self.window.to, &gaps),
        };
        (window.from < window.to).then_some(Pair {
            seeds: seeds.collect::<Option<_>>()?,
            real,
            window,
        })
    }

    fn objectives(&self, bounds: &Bounds) -> Vec<Line> {
        let (replicas, nodes) = (self.replicas, self.nodes);
        let share = |name: &str, measure: &str, of: &dyn Fn(&StepSeries, &Pair) -> f64, bound: Bound| {
            let values = self
                .pair(name)
                .map(|pair| pair.seeds.iter().map(|seed| of(seed, &pair)).collect());
            line(name, measure, Unit::Share, values.unwrap_or_default()).bounded(bound)
        };
        let at_most = |value| Bound {
            at_most: Some(value),
            at_least: None,
        };
        let at_least = |value| Bound {
            at_most: None,
            at_least: Some(value),
        };
        let error = |seed: &StepSeries, pair: &Pair| nmae(seed, &pair.real, pair.window);
        let near = |seed: &StepSeries, pair: &Pair| within(seed, &pair.real, 1.0, pair.window);
        let moments = |name: &str, measure: &str, of: &dyn Fn(&StepSeries) -> Option<Instant>| {
            line(name, measure, Unit::Seconds, self.errors(name, of)).bounded(at_most(bounds.sync))
        };
        let from = self.window.from;
        let lowest = self.lowest(replicas);
        vec![
            share(replicas, "nMAE", &error, at_most(bounds.replicas_nmae)),
            share(replicas, "within 1", &near, at_least(bounds.replicas_within)),
            share(nodes, "within 1", &near, at_least(bounds.nodes_within)),
            moments(replicas, FIRST_RISE, &|curve| first_rise(curve, from)),
            moments(replicas, RETURN, &|curve| return_to(curve, lowest, from)),
        ]
    }

    /// The level to which the real curve comes down after its peak.
    fn lowest(&self, name: &str) -> f64 {
        let Some(real) = self.real.curve(name) else {
            return 0.0;
        };
        let peak = real.max(self.window.from, self.window.to);
        let top = time_to(real, peak, self.window.from).unwrap_or(self.window.from);
        let after = real
            .changes()
            .iter()
            .filter(|change| change.0 > top && change.0 <= self.window.to);
        after.map(|change| change.1).fold(real.at(top), f64::min)
    }

    /// How far a moment of each seed is from the real one; nothing if the real one lies at a gap.
    fn errors(&self, name: &str, of: &dyn Fn(&StepSeries) -> Option<Instant>) -> Vec<f64> {
        let Some(real) = self.real.curve(name) else {
            return Vec::new();
        };
        let inside = |moment: Option<Instant>| moment.filter(|at| *at <= self.window.to);
        let own = inside(of(real));
        let gaps = self.unheard(name);
        if own.is_some_and(|at| gaps.iter().any(|(from, to)| *from <= at && at <= *to + SETTLED)) {
            return Vec::new();
        }
        let error = |seed: &Run| match (seed.curve(name).and_then(|curve| inside(of(curve))), own) {
            (Some(seed), Some(own)) => seed.as_secs_f64() - own.as_secs_f64(),
            (None, None) => 0.0,
            _ => f64::INFINITY,
        };
        self.seeds.iter().map(error).collect()
    }

    fn curve(&self, name: &str, counts: bool) -> Vec<Line> {
        let Some(pair) = self.pair(name) else {
            return Vec::new();
        };
        let (real, window) = (&pair.real, pair.window);
        let each = |of: &dyn Fn(&StepSeries) -> f64| pair.seeds.iter().map(of).collect::<Vec<f64>>();
        let mut lines = vec![line(
            name,
            "nMAE",
            Unit::Share,
            each(&|seed| nmae(seed, real, window)),
        )];
        if counts {
            let near = each(&|seed| within(seed, real, 1.0, window));
            lines.push(line(name, "within 1", Unit::Share, near));
        }
        lines.push(line(
            name,
            "lag",
            Unit::Seconds,
            each(&|seed| lag(seed, real, window)),
        ));
        let shapes = each(&|seed| shape(seed, real, window));
        lines.push(line(name, "nMAE without the lag", Unit::Share, shapes));
        if pair.seeds.len() > 1 {
            let (low, high) = band(&pair.seeds, window);
            let mut covered = line(
                name,
                "inside the 5–95 % band",
                Unit::Share,
                vec![coverage(&low, &high, real, window)],
            );
            covered.together = true;
            lines.push(covered);
            let floor = pair
                .seeds
                .windows(2)
                .map(|two| nmae(&two[0], &two[1], window))
                .collect();
            lines.push(line(name, "nMAE, seed against seed", Unit::Share, floor));
        }
        if [self.replicas, self.nodes].contains(&name) {
            let changes = |curve: &StepSeries, rises: bool| {
                let mut last = curve.at(window.from);
                let mut changes = 0.0;
                for (at, value) in curve.changes().iter().filter(|change| change.0 > window.from) {
                    if *at < window.to && (*value > last) == rises {
                        changes += 1.0;
                    }
                    last = *value;
                }
                changes
            };
            for (words, rises) in [("rises, difference", true), ("falls, difference", false)] {
                let own = changes(real, rises);
                let values = each(&|seed| changes(seed, rises) - own);
                lines.push(line(name, words, Unit::Count, values));
            }
        }
        lines
    }

    fn moments(&self) -> Vec<Line> {
        let from = self.window.from;
        let mut lines = Vec::new();
        for name in [self.replicas, self.nodes] {
            let lowest = self.lowest(name);
            let of: [(&str, Moment<'_>); 3] = [
                (FIRST_RISE, &|curve| first_rise(curve, from)),
                ("first scale-down after the peak, error", &|curve| {
                    let peak = curve.max(from, self.window.to);
                    first_fall(curve, time_to(curve, peak, from)?)
                }),
                (RETURN, &|curve| return_to(curve, lowest, from)),
            ];
            for (words, of) in of {
                lines.push(line(name, words, Unit::Seconds, self.errors(name, of)));
            }
        }
        if let Some(ready) = self.real.curve(names::READY) {
            let peak = ready.max(from, self.window.to);
            let words = format!("time to {peak} Ready, error");
            let values = self.errors(names::READY, &|curve| time_to(curve, peak, from));
            lines.push(line(names::READY, &words, Unit::Seconds, values));
        }
        lines
    }

    /// A load step's way to capacity, each stage from the end of the one before.
    fn stages(&self, at: f64, label: &str) -> Vec<Line> {
        let step = instant(at);
        if step < self.window.from || step >= self.window.to {
            return Vec::new();
        }
        let real = stage_ends(self.real, step, self.window.to);
        let seeds: Vec<[Option<Instant>; 4]> = self
            .seeds
            .iter()
            .map(|seed| stage_ends(seed, step, self.window.to))
            .collect();
        let words = ["seen by Prometheus", "decided", "nodes joined", "all Ready"];
        let mut lines = Vec::new();
        for (n, words) in words.into_iter().enumerate() {
            let Some(own) = real[n] else { continue };
            let error = |ends: &[Option<Instant>; 4]| match ends[n] {
                Some(end) => end.as_secs_f64() - own.as_secs_f64(),
                None => f64::INFINITY,
            };
            let values = seeds.iter().map(error).collect();
            lines.push(line(
                &format!("after “{label}”"),
                &format!("{words}, error"),
                Unit::Seconds,
                values,
            ));
        }
        lines
    }

    fn lives(&self) -> Vec<Line> {
        let of = |run: &Run, kind: Kind, span: Span| -> Vec<f64> {
            let (from, to) = (self.window.from.as_secs_f64(), self.window.to.as_secs_f64());
            let new = |life: &&Life| life.kind == kind && life.created > from && life.created < to;
            let rounded = run.lives.iter().filter(new).map(Life::in_milliseconds);
            rounded.filter_map(|life| span(&life)).map(milliseconds).collect()
        };
        let spans: [(&str, Kind, Span); 4] = [
            ("pods, created to bound", Kind::Pod, |life| {
                Some(life.placed? - life.created)
            }),
            ("pods, bound to Ready", Kind::Pod, |life| {
                Some(life.ready? - life.placed?)
            }),
            ("claims, created to launched", Kind::Claim, |life| {
                Some(life.placed? - life.created)
            }),
            ("claims, created to initialized", Kind::Claim, |life| {
                Some(life.ready? - life.created)
            }),
        ];
        let mut lines = Vec::new();
        for (subject, kind, span) in spans {
            let real = of(self.real, kind, span);
            if real.is_empty() {
                continue;
            }
            let seeds: Vec<Vec<f64>> = self.seeds.iter().map(|seed| of(seed, kind, span)).collect();
            let each = |error: &dyn Fn(&[f64]) -> f64| seeds.iter().map(|own| error(own)).collect();
            lines.push(line(
                subject,
                "Wasserstein distance",
                Unit::Seconds,
                each(&|own| wasserstein(own, &real)),
            ));
            lines.push(line(
                subject,
                "Kolmogorov–Smirnov",
                Unit::Share,
                each(&|own| kolmogorov_smirnov(own, &real)),
            ));
            let median = quantile(&real, 0.5);
            let medians = each(&|own| quantile(own, 0.5) - median);
            lines.push(line(subject, "median, error", Unit::Seconds, medians));
        }
        lines
    }

    /// Money, machine hours, and how often something was done.
    fn bill(&self) -> Vec<Line> {
        let mut lines = Vec::new();
        let gaps = self.unheard(names::USD_PER_HOUR);
        let window = Window {
            from: moved(self.window.from, &gaps),
            to: moved(self.window.to, &gaps),
        };
        let hours = |run: &Run, name: &str| {
            let curve = run
                .curve(name)
                .map(|curve| without(curve, &gaps))
                .unwrap_or_default();
            curve.integral(window.from, window.to) / 3600.0
        };
        if self.pair(names::USD_PER_HOUR).is_some() {
            let real = hours(self.real, names::USD_PER_HOUR);
            let values = self
                .seeds
                .iter()
                .map(|seed| relative(hours(seed, names::USD_PER_HOUR), real));
            lines.push(line(
                "cost",
                "dollars for machines, error",
                Unit::Share,
                values.collect(),
            ));
        }
        let known = |prefix: &&'static str| self.real.types(prefix).next().is_some();
        if let Some(prefix) = [names::MACHINES_OF, names::SEEN_NODES_OF].into_iter().find(known) {
            let all = self.seeds.iter().chain([self.real]);
            let types: SortedSet<&str> = all.flat_map(|run| run.types(prefix)).collect();
            for name in types {
                let curve = format!("{prefix}{name}");
                let real = hours(self.real, &curve);
                let values: Vec<f64> = self.seeds.iter().map(|seed| hours(seed, &curve) - real).collect();
                lines.push(line(&curve, "machine-hours, difference", Unit::Hours, values));
            }
        }
        for (name, real) in &self.real.counts {
            let values: Vec<f64> = self
                .seeds
                .iter()
                .filter_map(|seed| Some(seed.counts.get(name)? - real))
                .collect();
            lines.push(line(name, "number, difference", Unit::Count, values));
        }
        lines
    }
}

/// What is heard first after a gap may have happened at any time in it.
const SETTLED: std::time::Duration = std::time::Duration::from_secs(2);
const FIRST_RISE: &str = "first scale-up, error";
const RETURN: &str = "return to the minimum, error";

/// When Prometheus saw a step, when the size that followed from it was decided, when the last node for it
/// had joined, when all were Ready. A stage that did not take place has no end.
fn stage_ends(run: &Run, step: Instant, end: Instant) -> [Option<Instant>; 4] {
    let desired = run.curve(names::DESIRED);
    let rises =
        desired.and_then(|desired| Some((desired, first_rise(desired, step).filter(|at| *at <= end)?)));
    let Some((desired, first)) = rises else {
        return [None; 4];
    };
    // The climb goes on until the size falls.
    let falls = first_fall(desired, first).unwrap_or(end).min(end);
    let peak = desired.max(first, falls);
    let decided = time_to(desired, peak, first);
    let joined = run.curve(names::NODES).and_then(|nodes| {
        let mut climbs = nodes
            .changes()
            .windows(2)
            .filter(|two| two[1].1 > two[0].1)
            .map(|two| two[1].0);
        climbs.rfind(|at| *at > first && *at < falls)
    });
    let ready = run
        .curve(names::READY)
        .and_then(|ready| time_to(ready, peak, first));
    let seen = run
        .curve(names::SEEN_RPS)
        .and_then(|rate| noticed(rate, step, falls));
    [seen, decided, joined, ready.filter(|at| *at <= end)]
}

/// When a rate has risen by a tenth of what it will: readings wobble.
fn noticed(rate: &StepSeries, step: Instant, end: Instant) -> Option<Instant> {
    let (before, top) = (rate.at(step), rate.max(step, end));
    let rises = top > before * 1.05;
    time_to(rate, before + (top - before) / 10.0, step).filter(|_| rises)
}

/// The 5th and 95th percentile of curves at each moment.
fn band(seeds: &[StepSeries], window: Window) -> (StepSeries, StepSeries) {
    let changes = seeds
        .iter()
        .flat_map(|curve| curve.changes().iter().map(|change| change.0));
    let inside = |at: &Instant| *at > window.from && *at < window.to;
    let times: SortedSet<Instant> = changes.filter(inside).chain([window.from]).collect();
    let (mut low, mut high) = (StepSeries::new(), StepSeries::new());
    for at in times {
        let values: Vec<f64> = seeds.iter().map(|curve| curve.at(at)).collect();
        low.set(at, quantile(&values, 0.05));
        high.set(at, quantile(&values, 0.95));
    }
    (low, high)
}

fn line(subject: &str, measure: &str, unit: Unit, values: Vec<f64>) -> Line {
    Line::of(subject, measure.to_owned(), unit, &values)
}
