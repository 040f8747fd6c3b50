//! What each axis does by itself: the mean over all configurations with a level, against the mean over all.
//!
//! A level's effect is computed seed by seed, so that luck which all configurations share does not widen its
//! interval. Where configurations were chosen by results (the optimizer) there are no effects: means over them would
//! show the search, not the axis.

use std::collections::BTreeMap;

use crate::axis::Axis;
use crate::design::{Design, Point};
use crate::engine::{Configuration, Fate};
use crate::measure::Measure;
use crate::plan::Plan;
use crate::statistics::{CONFIDENCE, Estimate, mean};

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
    /// The mean over them, each seed's against the mean of all configurations of that seed, with its interval; added
    /// to the mean of all.
    pub value: Estimate,
    /// The same values, seed by seed, for comparisons between levels.
    pub by_seed: Vec<f64>,
}

/// An axis whose levels make no difference to anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identical {
    /// The axis.
    pub axis: usize,
    /// Pairs of configurations that differ in nothing else, all with the same results to the last digit.
    pub pairs: usize,
}

/// Configurations that have runs, and how many seeds all of them have.
fn with_runs(configurations: &[Configuration]) -> (Vec<(&Point, &Configuration)>, usize) {
    let with: Vec<(&Point, &Configuration)> = configurations
        .iter()
        .filter(|own| !matches!(own.fate, Fate::Refused(_)))
        .filter_map(|own| Some((own.point.as_ref()?, own)))
        .collect();
    let seeds = with.iter().map(|(_, own)| own.runs.len()).min().unwrap_or(0);
    (with, seeds)
}

/// The bin of a level.
fn bin(axis: &Axis, level: u32) -> usize {
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

/// The effects of all axes on all objectives; none of an optimizer's configurations.
#[must_use]
pub fn effects(plan: &Plan, configurations: &[Configuration]) -> Vec<Effect> {
    let (with, seeds) = with_runs(configurations);
    if matches!(plan.design, Design::Optimize { .. }) || seeds == 0 {
        return Vec::new();
    }
    let one = |axis: usize, measure: Measure| {
        let grand: Vec<f64> = (0..seeds)
            .map(|seed| mean_of(with.iter().map(|(_, own)| own.runs[seed][measure.index()])))
            .collect();
        let overall = mean(&grand);
        let names = bins(&plan.axes[axis]);
        let level = |(wanted, label): (usize, String)| {
            let members: Vec<&Configuration> = with
                .iter()
                .filter(|(point, _)| bin(&plan.axes[axis], point[axis]) == wanted)
                .map(|(_, own)| *own)
                .collect();
            let by_seed: Vec<f64> = (0..seeds)
                .map(|seed| {
                    let own = mean_of(members.iter().map(|own| own.runs[seed][measure.index()]));
                    own - grand[seed] + overall
                })
                .collect();
            LevelEffect {
                label,
                count: members.len(),
                value: Estimate::of(&by_seed, CONFIDENCE),
                by_seed,
            }
        };
        Effect {
            axis,
            measure,
            levels: names.into_iter().enumerate().map(level).collect(),
        }
    };
    let axes = 0..plan.axes.len();
    axes.flat_map(|axis| plan.objectives.iter().map(move |measure| (axis, *measure)))
        .map(|(axis, measure)| one(axis, measure))
        .collect()
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

/// Axes that make no difference at all: whatever pair of configurations differs in nothing else, every number of
/// every seed is the same. An axis of which there is no such pair is not among them.
#[must_use]
pub fn identical(plan: &Plan, configurations: &[Configuration]) -> Vec<Identical> {
    let (with, _) = with_runs(configurations);
    let of = |axis: usize| {
        let mut others: BTreeMap<Point, &Configuration> = BTreeMap::new();
        let mut pairs = 0;
        for (point, own) in &with {
            let mut rest = (*point).clone();
            rest[axis] = 0;
            match others.get(&rest) {
                Some(other) if !is_same(own, other) => return None,
                Some(_) => pairs += 1,
                None => {
                    others.insert(rest, own);
                }
            }
        }
        (pairs > 0).then_some(Identical { axis, pairs })
    };
    (0..plan.axes.len()).filter_map(of).collect()
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
    let pair = |pair: &'_ [LevelEffect]| {
        let difference = Estimate::difference(&pair[1].by_seed, &pair[0].by_seed, CONFIDENCE);
        (!difference.is_told_apart() && difference.mean.is_finite()).then_some(difference)
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
        assert_eq!(values, [(1.0, 0.0), (11.0, 0.0)]);
        assert_eq!(effects[0].levels[0].count, 3);
        assert!(alike(&effects[0]).is_empty());
        assert_eq!(alike(&effects[1]).len(), 2);
        assert_eq!(identical(&plan, &found), [Identical { axis: 1, pairs: 4 }]);
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
