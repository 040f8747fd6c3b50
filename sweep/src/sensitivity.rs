//! How much of the differences each axis makes.
//!
//! Of a grid: Sobol' indices from the analysis of variance of all its configurations. The first-order index is the
//! share of the variance that the means of the axis's levels have; the total index is the share that is left within
//! configurations which differ in this axis alone. (I. M. Sobol' 1993; T. Homma, A. Saltelli 1996)
//!
//! Of a sample: first-order indices from the means of bins, less what bins of noise would show (epsilon squared,
//! T. L. Kelley 1935). Of Morris's trajectories: the mean of the elementary effects' sizes, μ*. (M. D. Morris 1991;
//! F. Campolongo and others 2007)
//!
//! Each is computed for every seed, or every trajectory, and given with the interval of the mean over them.

use std::collections::BTreeMap;

use crate::design::{Design, Point, trajectories};
use crate::effects::bins;
use crate::engine::{Configuration, Fate};
use crate::measure::Measure;
use crate::plan::Plan;
use crate::statistics::{CONFIDENCE, Estimate, mean};

/// The sensitivity of a measure to each axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Sensitivity {
    /// The measure.
    pub measure: Measure,
    /// What the numbers are.
    pub indices: Indices,
}

/// Numbers by axis.
#[derive(Debug, Clone, PartialEq)]
pub enum Indices {
    /// Shares of the variance, first-order and total; totals only of a grid.
    Sobol {
        /// By the axis alone.
        first: Vec<Estimate>,
        /// By the axis and all that it does together with others.
        total: Option<Vec<Estimate>>,
    },
    /// The mean size of elementary effects, in the measure's unit, over about half the axis's range.
    Morris(Vec<Estimate>),
}

/// A number of an axis, of one seed's values.
type Index<'a> = dyn Fn(&[(&Point, f64)], usize) -> f64 + 'a;

/// The sensitivity of each objective; none of an optimizer's configurations, nor without two of them.
#[must_use]
pub fn sensitivity(plan: &Plan, configurations: &[Configuration]) -> Vec<Sensitivity> {
    let by_point: BTreeMap<&Point, &Configuration> = configurations
        .iter()
        .filter(|own| !matches!(own.fate, Fate::Refused(_)))
        .filter_map(|own| Some((own.point.as_ref()?, own)))
        .collect();
    let seeds = by_point.values().map(|own| own.runs.len()).min().unwrap_or(0);
    if by_point.len() < 2 || seeds == 0 {
        return Vec::new();
    }
    let of = |measure: &Measure| {
        let indices = match plan.design {
            Design::Optimize { .. } => return None,
            Design::Morris {
                trajectories: count,
                seed,
            } => {
                let walks = trajectories(&plan.axes, count, seed);
                Indices::Morris(morris(plan, &walks, &by_point, *measure))
            }
            design => {
                let is_grid = design == Design::Grid;
                let sample = |seed: usize| -> Vec<(&Point, f64)> {
                    by_point
                        .iter()
                        .map(|(point, own)| (*point, own.runs[seed][measure.index()]))
                        .filter(|(_, value)| !value.is_nan())
                        .collect()
                };
                let samples: Vec<Vec<(&Point, f64)>> = (0..seeds).map(sample).collect();
                let over_seeds = |index: &Index<'_>| -> Vec<Estimate> {
                    let of_axis = |axis: usize| {
                        let values: Vec<f64> = samples.iter().map(|sample| index(sample, axis)).collect();
                        Estimate::of(&values, CONFIDENCE)
                    };
                    (0..plan.axes.len()).map(of_axis).collect()
                };
                Indices::Sobol {
                    first: over_seeds(&|sample, axis| first_order(plan, sample, axis, !is_grid)),
                    total: is_grid.then(|| over_seeds(&|sample, axis| total(sample, axis))),
                }
            }
        };
        Some(Sensitivity {
            measure: *measure,
            indices,
        })
    };
    plan.objectives.iter().filter_map(of).collect()
}

fn squares(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let count = values.clone().count() as f64;
    let mean = values.clone().sum::<f64>() / count;
    values.map(|value| (value - mean).powi(2)).sum()
}

/// The share of the variance between the means of an axis's levels.
fn first_order(plan: &Plan, sample: &[(&Point, f64)], axis: usize, corrected: bool) -> f64 {
    let all = squares(sample.iter().map(|(_, value)| *value));
    if all <= f64::EPSILON * sample.iter().map(|(_, value)| value * value).sum::<f64>() {
        return 0.0;
    }
    let count = bins(&plan.axes[axis]).len();
    let levels = plan.axes[axis].levels.len();
    let mut groups: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
    for (point, value) in sample {
        let bin = if count == levels {
            point[axis] as usize
        } else {
            point[axis] as usize * count / levels
        };
        groups.entry(bin).or_default().push(*value);
    }
    let within: f64 = groups.values().map(|group| squares(group.iter().copied())).sum();
    if !corrected {
        return (all - within) / all;
    }
    let (k, n) = (groups.len() as f64, sample.len() as f64);
    if n <= k {
        return f64::NAN;
    }
    ((all - within - (k - 1.0) * within / (n - k)) / all).max(0.0)
}

/// The share of the variance that is left when all other axes are fixed.
fn total(sample: &[(&Point, f64)], axis: usize) -> f64 {
    let all = squares(sample.iter().map(|(_, value)| *value));
    if all <= f64::EPSILON * sample.iter().map(|(_, value)| value * value).sum::<f64>() {
        return 0.0;
    }
    let mut groups: BTreeMap<Point, Vec<f64>> = BTreeMap::new();
    for (point, value) in sample {
        let mut rest = (*point).clone();
        rest[axis] = 0;
        groups.entry(rest).or_default().push(*value);
    }
    groups
        .values()
        .map(|group| squares(group.iter().copied()))
        .sum::<f64>()
        / all
}

/// μ* of each axis.
fn morris(
    plan: &Plan,
    walks: &[Vec<Point>],
    by_point: &BTreeMap<&Point, &Configuration>,
    measure: Measure,
) -> Vec<Estimate> {
    let mut effects: Vec<Vec<f64>> = vec![Vec::new(); plan.axes.len()];
    for pair in walks.iter().flat_map(|walk| walk.windows(2)) {
        let moved = (0..plan.axes.len()).find(|axis| pair[0][*axis] != pair[1][*axis]);
        let value = |point: &Point| by_point.get(point).map(|own| mean(&own.values(measure)));
        if let (Some(axis), Some(before), Some(after)) = (moved, value(&pair[0]), value(&pair[1])) {
            effects[axis].push((after - before).abs());
        }
    }
    effects
        .iter()
        .map(|sizes| Estimate::of(sizes, CONFIDENCE))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{configurations, plan};

    fn shares(estimates: &[Estimate]) -> Vec<f64> {
        estimates
            .iter()
            .map(|own| (own.mean * 1000.0).round() / 1000.0)
            .collect()
    }

    #[test]
    fn the_indices_of_a_grid_are_exact() {
        let plan = plan(
            "objectives = ['cost']\n[[axis]]\nname = 'x'\nfield = 'x'\nvalues = [0, 1]\n[[axis]]\nname = 'y'\nfield = 'y'\nvalues = [0, 1]\n[[axis]]\nname = 'z'\nfield = 'z'\nvalues = [0, 1]",
        );
        // f = 2x + y + 2xy over {0, 1}²: the parts' variances are 9/4, 1 and 1/4.
        let of = |point: &Point| {
            let (x, y) = (f64::from(point[0]), f64::from(point[1]));
            2.0 * x + y + 2.0 * x * y
        };
        let found = configurations(&plan, |point, seed| of(point) + seed as f64);
        let Indices::Sobol { first, total } = &sensitivity(&plan, &found)[0].indices else {
            panic!("a grid has Sobol' indices")
        };
        assert_eq!(shares(first), [0.643, 0.286, 0.0]);
        assert_eq!(shares(total.as_deref().expect("of a grid")), [0.714, 0.357, 0.0]);
    }

    #[test]
    fn a_constant_is_sensitive_to_nothing() {
        let plan = plan("objectives = ['cost']");
        let found = configurations(&plan, |_, _| 3.0);
        let Indices::Sobol { first, .. } = &sensitivity(&plan, &found)[0].indices else {
            panic!("a grid has Sobol' indices")
        };
        assert_eq!(shares(first), [0.0, 0.0]);
    }

    #[test]
    fn a_sample_finds_about_the_same() {
        let axis = |name: &str| {
            format!("[[axis]]\nname = '{name}'\nfield = '{name}'\nfrom = 0\nto = 100\nsteps = 101\n")
        };
        let axes = ["x", "y", "z"].map(axis).concat();
        let plan = plan(&format!(
            "objectives = ['cost']\n[design]\nkind = 'latin'\npoints = 400\n{axes}"
        ));
        let found = configurations(&plan, |point, _| 3.0 * f64::from(point[0]) + f64::from(point[1]));
        let Indices::Sobol { first, total } = &sensitivity(&plan, &found)[0].indices else {
            panic!("a sample has Sobol' indices")
        };
        let near =
            |index: usize, expected: f64| assert!((first[index].mean - expected).abs() < 0.07, "{first:?}");
        near(0, 0.9);
        near(1, 0.1);
        near(2, 0.0);
        assert_eq!(*total, None);
    }

    #[test]
    fn elementary_effects_are_the_moves() {
        let plan = plan(
            "objectives = ['cost']\n[design]\nkind = 'morris'\ntrajectories = 6\n[[axis]]\nname = 'x'\nfield = 'x'\nvalues = [0, 1, 2, 3]\n[[axis]]\nname = 'y'\nfield = 'y'\nvalues = [0, 1]",
        );
        let found = configurations(&plan, |point, _| 3.0 * f64::from(point[0]) - f64::from(point[1]));
        let Indices::Morris(sizes) = &sensitivity(&plan, &found)[0].indices else {
            panic!("Morris's design has μ*")
        };
        assert_eq!(shares(sizes), [6.0, 1.0]);
    }
}
