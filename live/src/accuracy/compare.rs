//! Many seeds against one measured run: a table of measures, objectives first.

use sim::{Instant, SortedMap, SortedSet, StepSeries};

use super::{
    Window, coverage, first_fall, first_rise, lag, nmae, quantile, relative, return_to, shape, within,
};
use crate::curves::{instant, span, step_curve};
use crate::measured::{CurveName, Measure, Measured, Objective};

/// One seed's curves as its dashboard showed them, in the run's time.
#[derive(Debug, Clone, Default)]
pub struct Simulated {
    /// Each of the dashboard's curves.
    pub curves: SortedMap<CurveName, StepSeries>,
    /// Nodes by instance type.
    pub nodes: SortedMap<String, StepSeries>,
}

/// What the comparison is about, besides the curves.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    /// The run's second at second zero of the readings.
    pub zero: f64,
    /// The end of the run.
    pub end: Instant,
    /// The fidelity that ran, for objectives that are about one only.
    pub fidelity: String,
    /// Dollars an hour by instance type, to weigh node-hours with.
    pub prices: SortedMap<String, f64>,
}

/// How the numbers of a line are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// A share: 0.05 is 5 %.
    Share,
    /// Seconds.
    Seconds,
    /// So many.
    Count,
    /// Hours.
    Hours,
}

/// What is asked of a number.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Bound {
    /// No more than this.
    pub at_most: Option<f64>,
    /// No less than this.
    pub at_least: Option<f64>,
}

/// One measure over all seeds.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// What is compared, as the series name it: `seen.rps`.
    pub subject: String,
    /// The measure, in words.
    pub measure: String,
    /// How to read the numbers.
    pub unit: Unit,
    /// The median over the seeds.
    pub median: f64,
    /// Its 5th and 95th percentile; the same number where all seeds make one number.
    pub band: (f64, f64),
    /// Whether all seeds together make one number.
    pub together: bool,
    /// What was asked for.
    pub objective: Option<Bound>,
    /// Whether it was met; lines without an objective are.
    pub met: bool,
}

/// The table.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Comparison {
    /// Objectives first, then everything else that can be said.
    pub lines: Vec<Line>,
    /// The stretch over which the curves were compared, in the run's time.
    pub window: Option<(Instant, Instant)>,
}

impl Comparison {
    /// Whether every objective was met.
    #[must_use]
    pub fn met(&self) -> bool {
        self.lines.iter().all(|line| line.met)
    }
}

/// Compares seeds with a measured run.
///
/// The window is the part of the run for which there are readings of that curve. Measures of a seed are put
/// together by their median; coverage is one number for all.
#[must_use]
pub fn compare(seeds: &[Simulated], measured: &Measured, scope: &Scope) -> Comparison {
    let mut comparison = Comparison::default();
    let table = Table {
        seeds,
        measured,
        scope,
    };
    if let Some((from, to)) = table.window(None, None, measured.span()) {
        comparison.window = Some((from, to));
    }
    let wanted = |objective: &&Objective| {
        objective
            .fidelity
            .as_ref()
            .is_none_or(|fidelity| *fidelity == scope.fidelity)
    };
    for objective in measured.objectives.iter().filter(wanted) {
        comparison.lines.push(table.objective(objective));
    }
    for &curve in measured.curves.keys() {
        for measure in Measure::ALWAYS {
            let objectives = &measured.objectives;
            let said = objectives
                .iter()
                .filter(wanted)
                .any(|o| o.curve == curve && o.measure == measure && o.from.is_none() && o.until.is_none());
            let sensible = curve != CurveName::Rps || measure != Measure::Within1;
            if !said && sensible {
                comparison.lines.push(table.line(curve, measure, None));
            }
        }
        comparison.lines.extend(table.noise_floor(curve));
    }
    comparison.lines.extend(table.machines());
    comparison
}

impl Measure {
    /// What is said about every curve, asked for or not.
    const ALWAYS: [Measure; 5] = [
        Measure::Nmae,
        Measure::Within1,
        Measure::Coverage,
        Measure::Lag,
        Measure::Shape,
    ];

    /// Whether the seeds make one number together instead of one each.
    fn of_all_seeds(self) -> bool {
        matches!(self, Measure::Coverage | Measure::FinalInBand)
    }

    fn words(self) -> (&'static str, Unit) {
        match self {
            Measure::Nmae => ("nMAE", Unit::Share),
            Measure::Within1 => ("within 1", Unit::Share),
            Measure::Equal => ("equal", Unit::Share),
            Measure::Coverage => ("inside the 5–95 % band", Unit::Share),
            Measure::FinalInBand => ("last reading inside the 5–95 % band", Unit::Share),
            Measure::FirstRise => ("first rise, error", Unit::Seconds),
            Measure::FirstFall => ("first fall, error", Unit::Seconds),
            Measure::LastFall => ("last fall, error", Unit::Seconds),
            Measure::Lag => ("lag", Unit::Seconds),
            Measure::Shape => ("nMAE without the lag", Unit::Share),
        }
    }
}

struct Table<'a> {
    seeds: &'a [Simulated],
    measured: &'a Measured,
    scope: &'a Scope,
}

impl Table<'_> {
    /// A stretch of the readings in the run's time, or `None` if the run does not reach it.
    fn window(
        &self,
        from: Option<&str>,
        until: Option<&str>,
        span: (f64, f64),
    ) -> Option<(Instant, Instant)> {
        let moment = |time: Option<&str>| time.and_then(|time| self.measured.seconds_at(time));
        let run = |seconds: f64| instant(self.scope.zero + seconds);
        let from = run(moment(from).unwrap_or(span.0).max(span.0));
        let until = run(moment(until).unwrap_or(span.1).min(span.1)).min(self.scope.end);
        (from < until).then_some((from, until))
    }

    fn objective(&self, objective: &Objective) -> Line {
        self.line(objective.curve, objective.measure, Some(objective))
    }

    fn line(&self, curve: CurveName, measure: Measure, objective: Option<&Objective>) -> Line {
        let readings = self.measured.curves.get(&curve).map_or(&[][..], Vec::as_slice);
        let real = step_curve(readings, self.scope.zero);
        let (from, until) = objective.map_or((None, None), |o| (o.from.as_deref(), o.until.as_deref()));
        let values = match self.window(from, until, span(readings)) {
            Some((from, to)) => self.values(curve, measure, &real, Window { from, to }),
            None => Vec::new(),
        };
        let (words, unit) = measure.words();
        let words = match (from, until) {
            (None, None) => words.to_owned(),
            (Some(from), None) => format!("{words}, from {from}"),
            (None, Some(until)) => format!("{words}, before {until}"),
            (Some(from), Some(until)) => format!("{words}, {from} to {until}"),
        };
        let mut line = Line::of(curve.series(), words, unit, &values);
        line.together = measure.of_all_seeds();
        match objective {
            None => line,
            Some(objective) => line.bounded(Bound {
                at_most: objective.at_most,
                at_least: objective.at_least,
            }),
        }
    }

    fn values(&self, curve: CurveName, measure: Measure, real: &StepSeries, window: Window) -> Vec<f64> {
        match measure {
            Measure::Coverage => {
                let (low, high) = self.band(curve, window);
                return vec![coverage(&low, &high, real, window)];
            }
            Measure::FinalInBand => {
                let (low, high) = self.band(curve, window);
                let value = real.at(window.to);
                let inside = low.last() <= value && value <= high.last();
                return vec![f64::from(u8::from(inside))];
            }
            _ => {}
        }
        let one = |seed: &Simulated| {
            let simulated = seed.curves.get(&curve).cloned().unwrap_or_default();
            of_one_seed(measure, &simulated, real, window)
        };
        self.seeds.iter().map(one).collect()
    }

    /// The 5th and 95th percentile of the seeds at each moment.
    fn band(&self, curve: CurveName, window: Window) -> (StepSeries, StepSeries) {
        let curves: Vec<&StepSeries> = self
            .seeds
            .iter()
            .filter_map(|seed| seed.curves.get(&curve))
            .collect();
        let inside = |at: &Instant| *at > window.from && *at < window.to;
        let changes = curves
            .iter()
            .flat_map(|curve| curve.changes().iter().map(|change| change.0));
        let times: SortedSet<Instant> = changes.filter(inside).chain([window.from]).collect();
        let (mut low, mut high) = (StepSeries::new(), StepSeries::new());
        for at in times {
            let values: Vec<f64> = curves.iter().map(|curve| curve.at(at)).collect();
            low.set(at, quantile(&values, 0.05));
            high.set(at, quantile(&values, 0.95));
        }
        (low, high)
    }

    /// nMAE of each seed against the next: what chance alone does.
    fn noise_floor(&self, curve: CurveName) -> Option<Line> {
        let (from, to) = self.window(None, None, self.measured.span())?;
        let pair = |pair: &[Simulated]| {
            let [a, b] = [0, 1].map(|n| pair[n].curves.get(&curve).cloned().unwrap_or_default());
            nmae(&a, &b, Window { from, to })
        };
        let values: Vec<f64> = self.seeds.windows(2).map(pair).collect();
        let words = "nMAE, seed against seed".to_owned();
        (!values.is_empty()).then(|| Line::of(curve.series(), words, Unit::Share, &values))
    }

    /// Node-hours by instance type, dollars, and how often curves changed.
    fn machines(&self) -> Vec<Line> {
        let end = self.measured.span().1;
        let begin = span(self.measured.nodes.values().flatten()).0;
        let Some((from, to)) = self.window(None, None, (begin, end)) else {
            return Vec::new();
        };
        let hours = |curve: &StepSeries| curve.integral(from, to) / 3600.0;
        let real: SortedMap<&String, f64> = self
            .measured
            .nodes
            .iter()
            .map(|(name, r)| (name, hours(&step_curve(r, self.scope.zero))))
            .collect();
        let mut lines = Vec::new();
        let simulated = |seed: &Simulated, name: &String| seed.nodes.get(name).map_or(0.0, hours);
        let types: SortedSet<&String> = match real.is_empty() {
            true => SortedSet::new(),
            false => self
                .seeds
                .iter()
                .flat_map(|seed| seed.nodes.keys())
                .chain(real.keys().copied())
                .collect(),
        };
        for name in types {
            // Of what was not there no error can be a share.
            let (words, unit, real) = match real.get(name) {
                Some(real) if *real > 0.0 => ("node-hours, error", Unit::Share, Some(*real)),
                _ => ("node-hours, none measured", Unit::Hours, None),
            };
            let value = |seed: &Simulated| {
                let simulated = simulated(seed, name);
                real.map_or(simulated, |real| relative(simulated, real))
            };
            let values: Vec<f64> = self.seeds.iter().map(value).collect();
            if real.is_some() || values.iter().any(|hours| *hours > 0.0) {
                lines.push(Line::of(
                    &format!("seen.nodes.{name}"),
                    words.to_owned(),
                    unit,
                    &values,
                ));
            }
        }
        let price = |name: &String| self.scope.prices.get(name).copied();
        let mut used = real.iter().filter(|(_, hours)| **hours > 0.0);
        if !real.is_empty() && used.all(|(name, _)| price(name).is_some()) {
            let dollars = |hours: &dyn Fn(&String) -> f64, names: SortedSet<&String>| -> f64 {
                names
                    .into_iter()
                    .map(|name| hours(name) * price(name).unwrap_or(0.0))
                    .sum()
            };
            let paid = dollars(&|name| real[name], real.keys().copied().collect());
            let error = |seed: &Simulated| {
                relative(
                    dollars(&|name| simulated(seed, name), seed.nodes.keys().collect()),
                    paid,
                )
            };
            let values: Vec<f64> = self.seeds.iter().map(error).collect();
            lines.push(Line::of(
                "cost",
                "dollars for machines, error".to_owned(),
                Unit::Share,
                &values,
            ));
        }
        for curve in [CurveName::Pods, CurveName::Nodes] {
            let Some(readings) = self.measured.curves.get(&curve) else {
                continue;
            };
            let Some((from, to)) = self.window(None, None, (span(readings).0, end)) else {
                continue;
            };
            let changes = |curve: &StepSeries| {
                curve
                    .changes()
                    .iter()
                    .filter(|change| change.0 > from && change.0 < to)
                    .count() as f64
            };
            let real = changes(&step_curve(readings, self.scope.zero));
            let own = |seed: &Simulated| seed.curves.get(&curve).map_or(0.0, changes);
            let values: Vec<f64> = self.seeds.iter().map(|seed| relative(own(seed), real)).collect();
            lines.push(Line::of(
                curve.series(),
                "churn: number of changes, error".to_owned(),
                Unit::Share,
                &values,
            ));
        }
        lines
    }
}

fn of_one_seed(measure: Measure, simulated: &StepSeries, real: &StepSeries, window: Window) -> f64 {
    let (from, to) = (window.from, window.to);
    let error = |of: &dyn Fn(&StepSeries) -> Option<Instant>| match (of(simulated), of(real)) {
        (Some(simulated), Some(real)) => simulated.as_secs_f64() - real.as_secs_f64(),
        (None, None) => 0.0,
        // It never happens where it should have, or the other way round.
        _ => f64::INFINITY,
    };
    let inside = |moment: Option<Instant>| moment.filter(|at| *at <= to);
    match measure {
        Measure::Nmae => nmae(simulated, real, window),
        Measure::Within1 => within(simulated, real, 1.0, window),
        Measure::Equal => within(simulated, real, 0.0, window),
        Measure::FirstRise => error(&|curve| inside(first_rise(curve, from))),
        Measure::FirstFall => error(&|curve| inside(first_fall(curve, from))),
        Measure::LastFall => error(&|curve| inside(return_to(curve, curve.at(to), from))),
        Measure::Lag => lag(simulated, real, window),
        Measure::Shape => shape(simulated, real, window),
        Measure::Coverage | Measure::FinalInBand => unreachable!("a measure of all seeds together"),
    }
}

impl Line {
    /// A measure by its values, one for each seed.
    #[must_use]
    pub fn of(subject: &str, measure: String, unit: Unit, values: &[f64]) -> Self {
        let at = |q| quantile(values, q);
        Line {
            subject: subject.to_owned(),
            measure,
            unit,
            median: at(0.5),
            band: (at(0.05), at(0.95)),
            together: false,
            objective: None,
            met: true,
        }
    }

    /// The same with something asked of its median. An error in seconds counts without its sign. What could not be
    /// measured meets nothing.
    #[must_use]
    pub fn bounded(self, bound: Bound) -> Self {
        let value = if self.unit == Unit::Seconds {
            self.median.abs()
        } else {
            self.median
        };
        let met = bound.at_most.is_none_or(|most| value <= most)
            && bound.at_least.is_none_or(|least| value >= least);
        Line {
            objective: Some(bound),
            met,
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(points: &[(u64, f64)]) -> StepSeries {
        let mut series = StepSeries::new();
        for &(at, value) in points {
            series.set(Instant::from_secs(at), value);
        }
        series
    }

    fn seed(pods: &[(u64, f64)]) -> Simulated {
        let nodes = [("m5.large".to_owned(), curve(&[(0, 1.0)]))].into();
        Simulated {
            curves: [(CurveName::Pods, curve(pods))].into(),
            nodes,
        }
    }

    fn objective(measure: Measure, at_most: f64) -> Objective {
        let (from, until, fidelity) = (None, None, None);
        Objective {
            curve: CurveName::Pods,
            measure,
            at_most: Some(at_most),
            at_least: None,
            from,
            until,
            fidelity,
        }
    }

    /// Measured from 10:00:00 on: ten pods, five from 10:01:40 on, to 10:03:20. The run starts at 09:59:00.
    fn measured(objectives: Vec<Objective>) -> Measured {
        let pods = vec![(0.0, 10.0), (100.0, 5.0), (200.0, 5.0)];
        Measured {
            clock: Some(36_000.0),
            curves: [(CurveName::Pods, pods)].into(),
            nodes: [("m5.large".to_owned(), vec![(0.0, 1.0)])].into(),
            objectives,
            ..Measured::default()
        }
    }

    fn scope() -> Scope {
        let prices = [("m5.large".to_owned(), 0.1)].into();
        Scope {
            zero: 60.0,
            end: Instant::from_secs(1000),
            fidelity: "flow".into(),
            prices,
        }
    }

    fn check(objective: Objective, seeds: &[&[(u64, f64)]], median: f64, met: bool) {
        let seeds: Vec<Simulated> = seeds.iter().map(|pods| seed(pods)).collect();
        let line = compare(&seeds, &measured(vec![objective]), &scope())
            .lines
            .remove(0);
        assert!(
            line.median == median || (line.median - median).abs() < 1e-12,
            "{line:?}"
        );
        assert_eq!(line.met, met, "{line:?}");
    }

    const EXACT: &[(u64, f64)] = &[(0, 10.0), (160, 5.0)];
    const LATE: &[(u64, f64)] = &[(0, 10.0), (190, 5.0)];

    #[test]
    fn the_median_seed_is_held_against_the_objective() {
        check(objective(Measure::Nmae, 0.05), &[EXACT], 0.0, true);
        // 30 s × 5 pods over 100 s × 10 + 100 s × 5
        check(objective(Measure::Nmae, 0.05), &[LATE, LATE, EXACT], 0.1, false);
        check(objective(Measure::FirstFall, 30.0), &[LATE], 30.0, true);
        check(objective(Measure::LastFall, 29.0), &[LATE], 30.0, false);
        check(
            objective(Measure::FirstFall, 30.0),
            &[&[(0, 10.0)]],
            f64::INFINITY,
            false,
        );
    }

    #[test]
    fn a_window_cuts_off_what_is_outside() {
        let before = Objective {
            until: Some("10:01:40".into()),
            ..objective(Measure::Nmae, 0.0)
        };
        check(before, &[LATE], 0.0, true);
        let beyond = Objective {
            from: Some("11:00".into()),
            ..objective(Measure::Nmae, 1.0)
        };
        let line = compare(&[seed(EXACT)], &measured(vec![beyond]), &scope())
            .lines
            .remove(0);
        assert!(
            line.median.is_nan() && !line.met,
            "what cannot be measured meets nothing"
        );
    }

    #[test]
    fn coverage_is_of_all_seeds_together() {
        let seeds: [&[(u64, f64)]; 2] = [&[(0, 9.0)], &[(0, 11.0)]];
        check(objective(Measure::Coverage, 1.0), &seeds, 0.5, true);
    }

    #[test]
    fn the_last_reading_is_inside_the_band_or_not() {
        let last = Objective {
            at_least: Some(1.0),
            at_most: None,
            ..objective(Measure::FinalInBand, 0.0)
        };
        check(last.clone(), &[&[(0, 4.0)], &[(0, 6.0)]], 1.0, true);
        check(last, &[&[(0, 6.0)], &[(0, 7.0)]], 0.0, false);
    }

    #[test]
    fn an_objective_for_the_other_fidelity_is_left_out() {
        let other = Objective {
            fidelity: Some("requests".into()),
            ..objective(Measure::Nmae, 0.0)
        };
        let comparison = compare(&[seed(LATE)], &measured(vec![other]), &scope());
        assert!(comparison.met());
        assert!(comparison.lines.iter().all(|line| line.objective.is_none()));
    }

    #[test]
    fn machines_are_compared_by_hours_and_dollars() {
        let comparison = compare(&[seed(LATE), seed(EXACT)], &measured(Vec::new()), &scope());
        let find = |measure: &str| {
            let line = comparison
                .lines
                .iter()
                .find(|line| line.measure.starts_with(measure));
            line.unwrap_or_else(|| panic!("no line {measure}")).median
        };
        assert_eq!(find("node-hours"), 0.0);
        assert_eq!(find("dollars"), 0.0);
        assert_eq!(find("nMAE, seed against seed"), 0.1);
        assert_eq!(find("churn"), 0.0);
    }

    /// Where the machines' readings begin later than others, nothing is missing before.
    #[test]
    fn machines_are_compared_from_their_first_reading_on() {
        let mut later = measured(Vec::new());
        later.nodes = [("m5.large", 1.0), ("m5.never", 0.0)]
            .map(|(name, count)| (name.to_owned(), vec![(15.0, count)]))
            .into();
        let nodes = vec![(15.0, 1.0), (200.0, 1.0)];
        later.curves.insert(CurveName::Nodes, nodes);
        let mut seed = seed(EXACT);
        seed.curves.insert(CurveName::Nodes, curve(&[(0, 1.0)]));
        let comparison = compare(&[seed], &later, &scope());
        for measure in ["node-hours, error", "dollars", "churn"] {
            let lines = comparison.lines.iter();
            let medians: Vec<f64> = lines
                .filter(|line| line.measure.starts_with(measure))
                .map(|line| line.median)
                .collect();
            assert!(
                !medians.is_empty() && medians.iter().all(|error| *error == 0.0),
                "{measure}: {medians:?}"
            );
        }
    }

    /// A run with the wrong machines does not look like one with the right ones.
    #[test]
    fn machines_that_nobody_measured_are_told() {
        let mut other = seed(LATE);
        other.nodes.insert("g5.xlarge".to_owned(), curve(&[(0, 3.0)]));
        let comparison = compare(&[other], &measured(Vec::new()), &scope());
        let lines = comparison.lines.iter();
        let mut told = lines.filter(|line| line.measure == "node-hours, none measured");
        let line = told.next().expect("a line");
        assert_eq!(
            (line.subject.as_str(), line.unit),
            ("seen.nodes.g5.xlarge", Unit::Hours)
        );
        assert!(
            (line.median - 3.0 * 200.0 / 3600.0).abs() < 1e-9,
            "{}",
            line.median
        );
        assert!(told.next().is_none());
    }
}
