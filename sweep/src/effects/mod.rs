//! What each axis does by itself: the mean with each of its levels.
//!
//! Where every combination of levels ran, a level's mean is that of all configurations with it, seed by seed, and its
//! interval is Student's over seeds. Levels are compared with the one before them seed by seed too, so that luck which
//! all configurations share does not blur a difference.
//!
//! A sample, or a grid with holes, meets each level with other settings of the other axes: see `sampled`.
//!
//! Whether an axis does nothing at all is not for means to say. Pairs of configurations that differ in it alone say
//! it, of which a sample has some beside it for this purpose ([`crate::design`]). Where configurations were chosen by
//! results (the optimizer) there are no effects: means over them would show the search, not the axis.

mod sampled;

use sim::{SortedMap, SortedSet};

use crate::axis::Axis;
use crate::design::{Design, Point};
use crate::engine::{Configuration, Fate};
use crate::measure::Measure;
use crate::plan::Plan;
use crate::statistics::{CONFIDENCE, Estimate, same};

pub(crate) use sampled::joint;

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
    /// The difference from the level before, in a whole grid from the last with which something ran; `None` of the first.
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

impl Pairs {
    /// Whether the axis makes no difference at all: every number of every seed is the same in all pairs that there are.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.all > 0 && self.same == self.all
    }

    /// Whether the axis makes a difference in some pair.
    #[must_use]
    pub fn is_felt(&self) -> bool {
        self.same < self.all
    }
}

impl Effect {
    fn of(
        plan: &Plan,
        axis: usize,
        measure: Measure,
        level: impl FnMut((usize, String)) -> LevelEffect,
    ) -> Self {
        let levels = bins(&plan.axes[axis]).into_iter().enumerate().map(level);
        Effect {
            axis,
            measure,
            levels: levels.collect(),
        }
    }
}

/// The configurations that effects are computed from.
pub(crate) struct Looked<'a> {
    /// Those of the design that have runs, without probes beside it.
    pub(crate) with: Vec<(&'a Point, &'a Configuration)>,
    /// Seeds that all of them have.
    pub(crate) seeds: usize,
    /// Whether they are all combinations of levels that there are; in a grid, of the levels with which something ran.
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
            is_complete: is_complete(plan, &with),
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

    /// Of the configurations that have a number for every seed: their bins, and seed by seed those numbers.
    pub(crate) fn known<'b>(
        &self,
        bins: &'b [Vec<usize>],
        measure: Measure,
    ) -> (Vec<&'b [usize]>, Vec<Vec<f64>>) {
        let of = |own: &Configuration| -> Vec<f64> {
            let runs = own.runs[..self.seeds].iter();
            runs.map(|run| run[measure.index()]).collect()
        };
        let (rows, runs): (Vec<&[usize]>, Vec<Vec<f64>>) = bins
            .iter()
            .zip(&self.with)
            .map(|(row, (_, own))| (row.as_slice(), of(own)))
            .filter(|(_, runs)| !runs.iter().any(|value| value.is_nan()))
            .unzip();
        let by_seed = (0..self.seeds).map(|seed| runs.iter().map(|own| own[seed]).collect());
        (rows, by_seed.collect())
    }
}

/// A level of a grid that makes no scenario leaves no hole: it is as if it were not in the list.
fn is_complete(plan: &Plan, with: &[(&Point, &Configuration)]) -> bool {
    let levels = |axis: usize| -> u128 {
        let there: SortedSet<u32> = with.iter().map(|(point, _)| point[axis]).collect();
        there.len() as u128
    };
    let all = match plan.design {
        Design::Grid => (0..plan.axes.len()).map(levels).product(),
        _ => plan.grid_size(),
    };
    with.len() as u128 == all
}

/// By configuration, the mean over seeds.
pub(crate) fn over_seeds(by_seed: &[Vec<f64>]) -> Vec<f64> {
    let rows = by_seed.first().map_or(0, Vec::len);
    let of = |row: usize| by_seed.iter().map(|own| own[row]).sum::<f64>() / by_seed.len() as f64;
    (0..rows).map(of).collect()
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
#[must_use]
pub fn bin(axis: &Axis, level: u32) -> usize {
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
            sampled::effects(plan, &looked, measure)
        }
    };
    let mut effects: Vec<Effect> = plan.objectives.iter().flat_map(|measure| of(*measure)).collect();
    effects.sort_by_key(|effect| effect.axis);
    effects
}

/// Of a level that no configuration has.
const UNKNOWN: Estimate = Estimate {
    mean: f64::NAN,
    half: f64::INFINITY,
    count: 0,
};

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
            if count == 0 {
                return LevelEffect {
                    label,
                    count,
                    value: UNKNOWN,
                    step: before.as_ref().map(|_| UNKNOWN),
                };
            }
            let last = before.replace(by_seed.clone());
            LevelEffect {
                label,
                count,
                value: Estimate::of(&by_seed, CONFIDENCE),
                step: last.map(|last| Estimate::difference(&by_seed, &last, CONFIDENCE)),
            }
        };
        Effect::of(plan, axis, measure, level)
    };
    (0..plan.axes.len()).map(of_axis).collect()
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
        let mut others: SortedMap<Point, &Configuration> = SortedMap::new();
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

/// Whether all numbers of the seeds that both have are the same.
fn is_same(one: &Configuration, other: &Configuration) -> bool {
    one.runs
        .iter()
        .zip(&other.runs)
        .all(|(one, other)| same(one, other))
}

/// Levels beside each other, of those with which something ran, of which nobody can say which is better: label, label,
/// and the difference. Where there is no interval nothing is said: see [`is_unsure`].
#[must_use]
pub fn alike(effect: &Effect) -> Vec<(&str, &str, Estimate)> {
    let there: Vec<&LevelEffect> = effect.levels.iter().filter(|level| level.count > 0).collect();
    let pair = |two: &[&LevelEffect]| {
        let is_alike =
            |step: &Estimate| !step.is_told_apart() && step.mean.is_finite() && step.half.is_finite();
        two[1].step.filter(is_alike)
    };
    there
        .windows(2)
        .filter_map(|two| Some((two[0].label.as_str(), two[1].label.as_str(), pair(two)?)))
        .collect()
}

/// Whether there are differences between levels, but too few configurations or seeds to say how sure they are.
#[must_use]
pub fn is_unsure(effect: &Effect) -> bool {
    let mut steps = effect.levels.iter().filter_map(|level| level.step);
    steps.any(|step| step.mean.is_finite() && !step.half.is_finite())
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
            pairs(&plan, &found)[1],
            Pairs {
                axis: 1,
                all: 4,
                same: 4
            }
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

    /// A level that makes no scenario is as if it were not there; one combination that makes none leaves a hole.
    #[test]
    fn a_refused_level_leaves_the_rest_of_a_grid_whole() {
        let plan = plan(
            "objectives = ['cost']\n[[axis]]\nname = 'x'\nfield = 'x'\nvalues = [1, 2, 3]\n[[axis]]\nname = 'y'\nfield = 'y'\nvalues = [1, 2]",
        );
        let refused = |is: &dyn Fn(&Point) -> bool| {
            let mut found = configurations(&plan, |point, seed| {
                f64::from(10 * point[0] * (point[1] + 1)) + seed as f64
            });
            for own in &mut found {
                if own.point.as_ref().is_some_and(is) {
                    own.fate = Fate::Refused("no scenario".to_owned());
                    own.runs.clear();
                }
            }
            found
        };
        let levels = |found: &[Configuration]| effects(&plan, found)[0].levels.clone();
        for missing in [0, 1, 2] {
            let found = refused(&|point| point[0] == missing as u32);
            assert_eq!(basis(&plan, &found), Basis::All, "{missing}");
            let levels = levels(&found);
            assert!(levels[missing].count == 0 && levels[missing].value.mean.is_nan());
            let steps: Vec<f64> = levels
                .iter()
                .filter_map(|own| own.step)
                .map(|step| step.mean)
                .collect();
            let known: Vec<f64> = steps.into_iter().filter(|step| !step.is_nan()).collect();
            assert_eq!(known, [[15.0], [30.0], [15.0]][missing], "{missing}");
            assert!(alike(&effects(&plan, &found)[0]).is_empty(), "all steps are sure");
        }
        let hole = refused(&|point| point == &[1, 1]);
        assert_ne!(basis(&plan, &hole), Basis::All);
    }

    /// A difference without an interval is not one that cannot be told from nothing.
    #[test]
    fn what_too_few_show_is_not_called_alike() {
        let level = |step| LevelEffect {
            label: "x".to_owned(),
            count: 1,
            value: UNKNOWN,
            step,
        };
        let of = |half| Effect {
            axis: 0,
            measure: Measure::Cost,
            levels: vec![
                level(None),
                level(Some(Estimate {
                    mean: 3.0,
                    half,
                    count: 3,
                })),
            ],
        };
        assert_eq!((alike(&of(4.0)).len(), is_unsure(&of(4.0))), (1, false));
        assert_eq!(
            (alike(&of(f64::INFINITY)).len(), is_unsure(&of(f64::INFINITY))),
            (0, true)
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
