//! What each axis does by itself: the mean with each of its levels.
//!
//! Where every combination of levels ran, a level's mean is that of all configurations with it, seed by seed, and its
//! interval is Student's over seeds. Levels are compared with the one before them seed by seed too, so that luck which
//! all configurations share does not blur a difference.
//!
//! A sample, or a grid with holes, meets each level with other settings of the other axes. There a level's mean is that
//! of an additive model ([`crate::additive`]), which holds the other axes; where there are too few configurations to
//! tell the axes apart, it is the plain mean. Either way the sample is one of many that might have been drawn: the
//! interval holds what the model leaves unexplained over configurations beside what seeds differ by, both in
//! quadrature.
//!
//! Whether an axis does nothing at all is not for means to say. Pairs of configurations that differ in it alone say
//! it, of which a sample has some beside it for this purpose ([`crate::design`]). Where configurations were chosen by
//! results (the optimizer) there are no effects: means over them would show the search, not the axis.

use std::collections::BTreeMap;

use crate::additive::{Additive, product};
use crate::axis::Axis;
use crate::design::{Design, Point};
use crate::engine::{Configuration, Fate};
use crate::measure::Measure;
use crate::plan::Plan;
use crate::statistics::{CONFIDENCE, Estimate, mean, quantile};

/// An axis of more levels is looked at in bins.
const BINS: usize = 8;
const MOST_LEVELS: usize = 12;

/// What an axis does to a measure.
#[derive(Debug, Clone, PartialEq)]
pub struct Effect {
    /// The axis.
    pub axis: usize,
    /// The measure.
    pub measure: Measure,
    /// By level, or bin of levels.
    pub levels: Vec<LevelEffect>,
}

/// What a level does.
#[derive(Debug, Clone, PartialEq)]
pub struct LevelEffect {
    /// The level's label, or the first and last of a bin.
    pub label: String,
    /// Configurations with it.
    pub count: usize,
    /// The mean with it, and its interval. NaN if nothing has it.
    pub value: Estimate,
    /// The difference from the level before; `None` of the first.
    pub step: Option<Estimate>,
}

/// What pairs of configurations say of an axis: those that differ in nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pairs {
    /// The axis.
    pub axis: usize,
    /// Pairs.
    pub all: usize,
    /// Pairs whose results are the same to the last digit.
    pub same: usize,
}

/// The configurations that effects are computed from.
pub(crate) struct Looked<'a> {
    /// Those of the design that have runs, without probes beside it.
    pub(crate) with: Vec<(&'a Point, &'a Configuration)>,
    /// Seeds that all of them have.
    pub(crate) seeds: usize,
    /// Whether they are all combinations of levels that there are.
    pub(crate) is_complete: bool,
}

impl<'a> Looked<'a> {
    pub(crate) fn new(plan: &Plan, configurations: &'a [Configuration]) -> Self {
        let own = plan
            .design
            .points(&plan.axes)
            .map_or(usize::MAX, |points| points.len());
        let with: Vec<(&Point, &Configuration)> = with_runs(configurations)
            .filter(|(_, configuration)| configuration.number as usize <= own)
            .collect();
        Looked {
            seeds: with.iter().map(|(_, own)| own.runs.len()).min().unwrap_or(0),
            is_complete: with.len() as u128 == plan.grid_size(),
            with,
        }
    }

    /// The bins of each configuration.
    pub(crate) fn bins(&self, plan: &Plan) -> Vec<Vec<usize>> {
        let of = |point: &Point| {
            plan.axes
                .iter()
                .zip(point)
                .map(|(axis, level)| bin(axis, *level))
                .collect()
        };
        self.with.iter().map(|(point, _)| of(point)).collect()
    }
}

/// Seeds that effects and shares of the variance are computed from: those that every configuration of the design has,
/// however early it was stopped.
#[must_use]
pub fn seeds(plan: &Plan, configurations: &[Configuration]) -> usize {
    Looked::new(plan, configurations).seeds
}

/// What a level's mean is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// That of all configurations with it: every combination ran.
    All,
    /// That of a model which holds the other axes.
    Model,
    /// That of the configurations with it that happen to be there, too few to hold the other axes.
    Plain,
}

/// What the means of levels are.
#[must_use]
pub fn basis(plan: &Plan, configurations: &[Configuration]) -> Basis {
    let looked = Looked::new(plan, configurations);
    if looked.is_complete {
        return Basis::All;
    }
    let rows = looked.bins(plan);
    let rows: Vec<&[usize]> = rows.iter().map(Vec::as_slice).collect();
    match joint(&rows, &sizes(plan)) {
        Some(_) => Basis::Model,
        None => Basis::Plain,
    }
}

fn with_runs(configurations: &[Configuration]) -> impl Iterator<Item = (&Point, &Configuration)> {
    configurations
        .iter()
        .filter(|own| !matches!(own.fate, Fate::Refused(_)))
        .filter_map(|own| Some((own.point.as_ref()?, own)))
}

/// The bin of a level.
pub(crate) fn bin(axis: &Axis, level: u32) -> usize {
    let count = axis.levels.len();
    if count <= MOST_LEVELS {
        level as usize
    } else {
        level as usize * BINS / count
    }
}

/// The names of an axis's bins.
#[must_use]
pub fn bins(axis: &Axis) -> Vec<String> {
    if axis.levels.len() <= MOST_LEVELS {
        return axis.levels.iter().map(|level| level.label.clone()).collect();
    }
    let of = |wanted: usize| {
        let own: Vec<&str> = (0..axis.levels.len() as u32)
            .filter(|level| bin(axis, *level) == wanted)
            .map(|level| axis.levels[level as usize].label.as_str())
            .collect();
        format!("{}–{}", own[0], own[own.len() - 1])
    };
    (0..BINS).map(of).collect()
}

/// How many bins each axis has.
pub(crate) fn sizes(plan: &Plan) -> Vec<usize> {
    plan.axes.iter().map(|axis| bins(axis).len()).collect()
}

/// The effects of all axes on all objectives; none of an optimizer's configurations.
#[must_use]
pub fn effects(plan: &Plan, configurations: &[Configuration]) -> Vec<Effect> {
    let looked = Looked::new(plan, configurations);
    if matches!(plan.design, Design::Optimize { .. }) || looked.seeds == 0 {
        return Vec::new();
    }
    let of = |measure: Measure| {
        if looked.is_complete {
            plain(plan, &looked, measure)
        } else {
            modelled(plan, &looked, measure)
        }
    };
    let mut effects: Vec<Effect> = plan.objectives.iter().flat_map(|measure| of(*measure)).collect();
    effects.sort_by_key(|effect| effect.axis);
    effects
}

/// Means over all configurations with a level, where every combination ran.
fn plain(plan: &Plan, looked: &Looked<'_>, measure: Measure) -> Vec<Effect> {
    let of_level = |axis: usize, wanted: usize| {
        let members: Vec<&Configuration> = looked
            .with
            .iter()
            .filter(|(point, _)| bin(&plan.axes[axis], point[axis]) == wanted)
            .map(|(_, own)| *own)
            .collect();
        let by_seed: Vec<f64> = (0..looked.seeds)
            .map(|seed| mean_of(members.iter().map(|own| own.runs[seed][measure.index()])))
            .collect();
        (members.len(), by_seed)
    };
    let of_axis = |axis: usize| {
        let mut before: Option<Vec<f64>> = None;
        let level = |(wanted, label): (usize, String)| {
            let (count, by_seed) = of_level(axis, wanted);
            let last = before.replace(by_seed.clone());
            LevelEffect {
                label,
                count,
                value: Estimate::of(&by_seed, CONFIDENCE),
                step: last.map(|last| Estimate::difference(&by_seed, &last, CONFIDENCE)),
            }
        };
        Effect {
            axis,
            measure,
            levels: bins(&plan.axes[axis])
                .into_iter()
                .enumerate()
                .map(level)
                .collect(),
        }
    };
    (0..plan.axes.len()).map(of_axis).collect()
}

/// Means of an additive model, where combinations are missing. Configurations without a number are left out.
fn modelled(plan: &Plan, looked: &Looked<'_>, measure: Measure) -> Vec<Effect> {
    let all = looked.bins(plan);
    let is_known = |own: &Configuration| {
        own.runs[..looked.seeds]
            .iter()
            .all(|run| !run[measure.index()].is_nan())
    };
    let (rows, known): (Vec<&[usize]>, Vec<&Configuration>) = all
        .iter()
        .zip(&looked.with)
        .filter(|(_, (_, own))| is_known(own))
        .map(|(row, (_, own))| (row.as_slice(), *own))
        .unzip();
    let by_seed: Vec<Vec<f64>> = (0..looked.seeds)
        .map(|seed| known.iter().map(|own| own.runs[seed][measure.index()]).collect())
        .collect();
    let sizes = sizes(plan);
    let shares = shares(plan, &sizes);
    let joint = joint(&rows, &sizes);
    let of_axis = |axis: usize| {
        let alone = joint.is_none().then(|| Additive::new(&rows, &sizes, &[axis]));
        let judge = joint
            .as_ref()
            .or(alone.as_ref())
            .map(|model| Judge::new(model, &by_seed));
        let weights = |bin: usize| judge.as_ref()?.model.mean_of(axis, bin, &shares);
        let estimate = |weights: Option<Vec<f64>>| match (&judge, weights) {
            (Some(judge), Some(weights)) => judge.estimate(&weights),
            _ => Estimate {
                mean: f64::NAN,
                half: f64::INFINITY,
                count: 0,
            },
        };
        let step = |bin: usize| -> Option<Vec<f64>> {
            let (own, before) = (weights(bin)?, weights(bin - 1)?);
            Some(
                own.iter()
                    .zip(&before)
                    .map(|(own, before)| own - before)
                    .collect(),
            )
        };
        let level = |(bin, label): (usize, String)| LevelEffect {
            label,
            count: rows.iter().filter(|row| row[axis] == bin).count(),
            value: estimate(weights(bin)),
            step: (bin > 0).then(|| estimate(step(bin))),
        };
        Effect {
            axis,
            measure,
            levels: bins(&plan.axes[axis])
                .into_iter()
                .enumerate()
                .map(level)
                .collect(),
        }
    };
    (0..plan.axes.len()).map(of_axis).collect()
}

/// The model of all axes, if there are configurations enough to tell them apart: at least as many beyond the model's
/// own numbers as it has of them.
pub(crate) fn joint(rows: &[&[usize]], sizes: &[usize]) -> Option<Additive> {
    let axes: Vec<usize> = (0..sizes.len()).collect();
    let model = Additive::new(rows, sizes, &axes);
    (model.is_separable() && model.freedom() >= model.rank()).then_some(model)
}

/// By axis and bin, the share of the axis's levels.
fn shares(plan: &Plan, sizes: &[usize]) -> Vec<Vec<f64>> {
    let of = |(axis, size): (&Axis, &usize)| {
        let mut shares = vec![0.0; *size];
        for level in 0..axis.levels.len() as u32 {
            shares[bin(axis, level)] += 1.0 / axis.levels.len() as f64;
        }
        shares
    };
    plan.axes.iter().zip(sizes).map(of).collect()
}

/// Estimates of a fitted model, with what configurations and what seeds differ by.
struct Judge<'a> {
    model: &'a Additive,
    /// By seed.
    fitted: Vec<Vec<f64>>,
    /// Half the interval of a row by itself.
    unexplained: f64,
}

impl<'a> Judge<'a> {
    fn new(model: &'a Additive, by_seed: &[Vec<f64>]) -> Self {
        let seeds = by_seed.len() as f64;
        let rows = by_seed.first().map_or(0, Vec::len);
        let means: Vec<f64> = (0..rows)
            .map(|row| by_seed.iter().map(|own| own[row]).sum::<f64>() / seeds)
            .collect();
        let freedom = model.freedom();
        let unexplained = match freedom {
            0 => f64::INFINITY,
            _ => {
                let left = model.left(&means);
                // What is left of a perfect fit is rounding.
                let all: f64 = means.iter().map(|value| value * value).sum();
                let left = if left > f64::EPSILON * all { left } else { 0.0 };
                (left / freedom as f64).sqrt() * two_sided(freedom)
            }
        };
        Judge {
            model,
            fitted: by_seed.iter().map(|values| model.fit(values)).collect(),
            unexplained,
        }
    }

    fn estimate(&self, weights: &[f64]) -> Estimate {
        let by_seed: Vec<f64> = self
            .fitted
            .iter()
            .map(|fitted| weighed(weights, fitted))
            .collect();
        let over_seeds = Estimate::of(&by_seed, CONFIDENCE);
        let over_configurations = match self.model.variance(weights).max(0.0).sqrt() {
            0.0 => 0.0,
            size => size * self.unexplained,
        };
        Estimate {
            half: over_seeds.half.hypot(over_configurations),
            ..over_seeds
        }
    }
}

/// A weighted sum, or 0 where rounding is all that is left of one.
fn weighed(weights: &[f64], values: &[f64]) -> f64 {
    let sum = product(weights, values);
    let size: f64 = weights
        .iter()
        .zip(values)
        .map(|(weight, value)| (weight * value).abs())
        .sum();
    if sum.abs() > 1e-12 * size { sum } else { 0.0 }
}

/// What a standard error is multiplied by for half an interval.
pub(crate) fn two_sided(freedom: usize) -> f64 {
    quantile(1.0 - (1.0 - CONFIDENCE) / 2.0, freedom)
}

/// The mean of what there is; NaN of nothing.
fn mean_of(values: impl Iterator<Item = f64>) -> f64 {
    let (mut sum, mut count) = (0.0, 0.0);
    for value in values.filter(|value| !value.is_nan()) {
        sum += value;
        count += 1.0;
    }
    sum / count
}

/// What pairs say, axis by axis: of configurations that differ in nothing else, each with the first of them.
#[must_use]
pub fn pairs(plan: &Plan, configurations: &[Configuration]) -> Vec<Pairs> {
    let of = |axis: usize| {
        let mut others: BTreeMap<Point, &Configuration> = BTreeMap::new();
        let mut pairs = Pairs {
            axis,
            all: 0,
            same: 0,
        };
        for (point, own) in with_runs(configurations) {
            let mut rest = point.clone();
            rest[axis] = 0;
            match others.get(&rest) {
                Some(other) => {
                    pairs.all += 1;
                    pairs.same += usize::from(is_same(own, other));
                }
                None => drop(others.insert(rest, own)),
            }
        }
        pairs
    };
    (0..plan.axes.len()).map(of).collect()
}

/// Axes that make no difference at all: whatever pair of configurations differs in nothing else, every number of
/// every seed is the same. An axis of which there is no such pair is not among them.
#[must_use]
pub fn identical(plan: &Plan, configurations: &[Configuration]) -> Vec<Pairs> {
    let mut pairs = pairs(plan, configurations);
    pairs.retain(|own| own.all > 0 && own.same == own.all);
    pairs
}

/// Whether all numbers of the seeds that both have are the same.
fn is_same(one: &Configuration, other: &Configuration) -> bool {
    one.runs
        .iter()
        .zip(&other.runs)
        .all(|(a, b)| a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits()))
}

/// Levels beside each other of which nobody can say which is better: label, label, and the difference.
#[must_use]
pub fn alike(effect: &Effect) -> Vec<(&str, &str, Estimate)> {
    let pair = |two: &[LevelEffect]| {
        two[1]
            .step
            .filter(|step| !step.is_told_apart() && step.mean.is_finite())
    };
    effect
        .levels
        .windows(2)
        .filter_map(|two| Some((two[0].label.as_str(), two[1].label.as_str(), pair(two)?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{configurations, plan};

    #[test]
    fn effects_are_the_means_of_levels() {
        let plan = plan("objectives = ['cost']");
        // Cost is ten times x and luck that seeds share; y does nothing.
        let found = configurations(&plan, |point, seed| 10.0 * f64::from(point[0]) + seed as f64);
        let effects = effects(&plan, &found);
        assert_eq!(effects.len(), 2);
        let values: Vec<(f64, f64)> = effects[0]
            .levels
            .iter()
            .map(|own| (own.value.mean, own.value.half))
            .collect();
        // Student's of 0, 1 and 2: the luck that all share is in a level's own mean, and not in differences.
        let half = values[0].1;
        assert!((half - 4.303 / 3.0_f64.sqrt()).abs() < 1e-3, "{half}");
        assert_eq!(values, [(1.0, half), (11.0, half)]);
        let step = effects[0].levels[1].step.expect("there is one before");
        assert_eq!((step.mean, step.half), (10.0, 0.0));
        assert_eq!(effects[0].levels[0].count, 3);
        assert!(alike(&effects[0]).is_empty());
        assert_eq!(alike(&effects[1]).len(), 2);
        assert_eq!(
            identical(&plan, &found),
            [Pairs {
                axis: 1,
                all: 4,
                same: 4
            }]
        );
        assert_eq!(
            pairs(&plan, &found)[0],
            Pairs {
                axis: 0,
                all: 3,
                same: 0
            }
        );
    }

    /// What never happens with a level has no interval, however much the others differ.
    #[test]
    fn a_level_without_luck_has_an_interval_of_nothing() {
        let plan = plan("objectives = ['cost']");
        let found = configurations(&plan, |point, seed| match point[0] {
            0 => 0.0,
            _ => [1.0, 7.0, 40.0][seed],
        });
        let levels = &effects(&plan, &found)[0].levels;
        assert_eq!((levels[0].value.mean, levels[0].value.half), (0.0, 0.0));
        assert!(levels[1].value.half > 1.0);
    }

    /// A step that the first axis makes at random places of a sample, and a second axis that does nothing.
    fn sampled(kind: &str, seed: u64, points: usize) -> (Plan, Vec<Configuration>) {
        let plan = plan(&format!(
            "objectives = ['cost']
[design]
kind = '{kind}'
points = {points}
seed = {seed}
[[axis]]
name = 'x'
field = 'x'
from = 0
to = 1000
[[axis]]
name = 'idle'
field = 'y'
values = ['a', 'b']
[[axis]]
name = 'third'
field = 'z'
values = ['a', 'b', 'c']
"
        ));
        let found = configurations(&plan, |point, seed| {
            let x = f64::from(point[0]) / plan.axes[0].levels.len() as f64;
            let bought = if x < 0.3 { 0.1 + x } else { 0.0 };
            0.3 + bought + 0.001 * seed as f64
        });
        (plan, found)
    }

    /// An axis without any effect is told apart from nothing no more often than one time in twenty, whatever
    /// configurations are drawn; with intervals over seeds alone it always is.
    #[test]
    fn an_idle_axis_of_a_sample_has_no_sure_effect() {
        for (kind, points) in [("random", 24), ("latin", 24), ("sobol", 24), ("random", 12)] {
            let wrong = (1..=60)
                .filter(|seed| {
                    let (plan, found) = sampled(kind, *seed, points);
                    let effects = effects(&plan, &found);
                    effects[1].levels[1].step.expect("a second level").is_told_apart()
                })
                .count();
            assert!(wrong <= 6, "{kind} of {points}: {wrong} of 60 samples");
        }
    }

    #[test]
    fn a_sample_has_pairs_that_say_what_does_nothing() {
        for kind in ["random", "latin", "sobol"] {
            let (plan, found) = sampled(kind, 1, 24);
            let idle: Vec<usize> = identical(&plan, &found).iter().map(|own| own.axis).collect();
            assert_eq!(idle, [1, 2], "{kind}");
            assert!(pairs(&plan, &found).iter().all(|own| own.all >= 4), "{kind}");
            assert!(effects(&plan, &found)[0].levels[0].step.is_none());
        }
    }

    #[test]
    fn a_sample_still_tells_what_matters() {
        let (plan, found) = sampled("sobol", 1, 64);
        let effects = effects(&plan, &found);
        let (first, last) = (&effects[0].levels[0].value, &effects[0].levels[7].value);
        assert!(first.low() > last.high(), "{first:?} {last:?}");
        assert!((last.mean - 0.301).abs() < 0.01, "{last:?}");
    }

    #[test]
    fn the_search_of_an_optimizer_shows_no_effects() {
        let plan = plan("objectives = ['cost']\n[design]\nkind = 'optimize'\nbudget = 6");
        let found = configurations(&plan, |point, _| f64::from(point[0]));
        assert_eq!(effects(&plan, &found), []);
    }

    #[test]
    fn fine_axes_are_looked_at_in_bins() {
        let plan = plan(
            "[design]\nkind = 'sobol'\npoints = 20\n[[axis]]\nname = 'x'\nfield = 'x'\nfrom = 1\nto = 160\nsteps = 160",
        );
        let names = bins(&plan.axes[0]);
        assert_eq!(
            (names.len(), names[0].as_str(), names[7].as_str()),
            (8, "1–20", "141–160")
        );
    }
}
