//! How much of the differences each axis makes.
//!
//! Of a grid: Sobol' indices from the analysis of variance of all its configurations. The first-order index is the
//! share of the variance that the means of the axis's levels have; the total index is the share that is left within
//! configurations which differ in this axis alone. (I. M. Sobol' 1993; T. Homma, A. Saltelli 1996) Each is computed for
//! every seed, and given with the interval of the mean over them.
//!
//! Of a sample, or a grid with holes: first-order indices from what an additive model (`additive`) loses
//! without the axis, less what an axis of noise would lose (epsilon squared, T. L. Kelley 1935). With too few
//! configurations for all axes at once each has a model of its own. The interval holds, in quadrature, what seeds differ
//! by and what other configurations might have shown: the latter by a jackknife over groups of configurations
//! (M. H. Quenouille 1956, J. W. Tukey 1958). An estimate can fall below zero by luck, as that of nothing does half
//! the time.
//!
//! Of Morris's trajectories: the mean of the elementary effects' sizes, μ*, with its interval over them. (M. D. Morris
//! 1991; F. Campolongo and others 2007)

use sim::SortedMap;

use crate::additive::Additive;
use crate::design::{Design, Point, trajectories};
use crate::effects::{Looked, bin, joint, over_seeds, sizes};
use crate::engine::Configuration;
use crate::measure::Measure;
use crate::plan::Plan;
use crate::statistics::{CONFIDENCE, Estimate, mean, two_sided};

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
    let looked = Looked::new(plan, configurations);
    if looked.with.len() < 2 || looked.seeds == 0 {
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
                let by_point = looked.with.iter().copied().collect();
                Indices::Morris(morris(plan, &walks, &by_point, *measure))
            }
            _ if looked.is_complete => exact(plan, &looked, *measure),
            _ => estimated(plan, &looked, *measure),
        };
        Some(Sensitivity {
            measure: *measure,
            indices,
        })
    };
    plan.objectives.iter().filter_map(of).collect()
}

/// Indices of all combinations that there are.
fn exact(plan: &Plan, looked: &Looked<'_>, measure: Measure) -> Indices {
    let sample = |seed: usize| -> Vec<(&Point, f64)> {
        let all = looked
            .with
            .iter()
            .map(|(point, own)| (*point, own.runs[seed][measure.index()]));
        all.filter(|(_, value)| !value.is_nan()).collect()
    };
    let samples: Vec<Vec<(&Point, f64)>> = (0..looked.seeds).map(sample).collect();
    let over_seeds = |index: &Index<'_>| -> Vec<Estimate> {
        let of_axis = |axis: usize| {
            let values: Vec<f64> = samples.iter().map(|sample| index(sample, axis)).collect();
            Estimate::of(&values, CONFIDENCE)
        };
        (0..plan.axes.len()).map(of_axis).collect()
    };
    Indices::Sobol {
        first: over_seeds(&|sample, axis| first_order(plan, sample, axis)),
        total: Some(over_seeds(&|sample, axis| total(sample, axis))),
    }
}

/// Groups of configurations that are left out in turn.
const GROUPS: usize = 20;

/// First-order indices from a part of the combinations; configurations without a number are left out.
fn estimated(plan: &Plan, looked: &Looked<'_>, measure: Measure) -> Indices {
    let bins = looked.bins(plan);
    let (rows, by_seed) = looked.known(&bins, measure);
    let sizes = sizes(plan);
    let together = joint(&rows, &sizes).is_some();
    let means = over_seeds(&by_seed);
    let of_axis = |axis: usize| {
        let all: Vec<usize> = (0..sizes.len()).collect();
        let (with, without): (Vec<usize>, Vec<usize>) = if together {
            (all.clone(), all.into_iter().filter(|own| *own != axis).collect())
        } else {
            (vec![axis], Vec::new())
        };
        let share = |rows: &[&[usize]], values: &[&[f64]]| -> Vec<f64> {
            let [with, without] = [&with, &without].map(|axes| Additive::new(rows, &sizes, axes));
            values
                .iter()
                .map(|values| explained(&with, &without, values))
                .collect()
        };
        let seeds: Vec<&[f64]> = by_seed.iter().map(Vec::as_slice).collect();
        let over_seeds = Estimate::of(&share(&rows, &seeds), CONFIDENCE);
        let part = |rows: &[&[usize]], values: &[f64]| share(rows, &[values])[0];
        Estimate {
            half: over_seeds.half.hypot(jackknife(&rows, &means, part)),
            ..over_seeds
        }
    };
    Indices::Sobol {
        first: (0..plan.axes.len()).map(of_axis).collect(),
        total: None,
    }
}

/// The share of the variance that a model explains beyond a smaller one, less what it would explain of noise; 0 where
/// nothing varies, NaN if there are no configurations to spare.
fn explained(with: &Additive, without: &Additive, values: &[f64]) -> f64 {
    let Some(all) = varied(values.iter().copied()) else {
        return 0.0;
    };
    if with.freedom() == 0 {
        return f64::NAN;
    }
    let (left, left_without) = (with.left(values), without.left(values));
    let noise = left / with.freedom() as f64 * (with.rank() - without.rank()) as f64;
    (left_without - left - noise) / all
}

/// Half the interval of a number that is computed from configurations, over which might have been there: infinite of
/// less than three.
fn jackknife(rows: &[&[usize]], values: &[f64], number: impl Fn(&[&[usize]], &[f64]) -> f64) -> f64 {
    let groups = GROUPS.min(rows.len());
    if groups < 3 {
        return f64::INFINITY;
    }
    let without = |group: usize| {
        let kept = (0..rows.len()).filter(|row| row % groups != group);
        let (rows, values): (Vec<&[usize]>, Vec<f64>) = kept.map(|row| (rows[row], values[row])).unzip();
        number(&rows, &values)
    };
    let all: Vec<f64> = (0..groups).map(without).collect();
    let spread = squares(all.iter().copied()) * (groups - 1) as f64 / groups as f64;
    two_sided(CONFIDENCE, groups - 1) * spread.sqrt()
}

fn squares(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let count = values.clone().count() as f64;
    let mean = values.clone().sum::<f64>() / count;
    values.map(|value| (value - mean).powi(2)).sum()
}

/// The squares of the distances from the mean; `None` where rounding is all that varies.
fn varied(values: impl Iterator<Item = f64> + Clone) -> Option<f64> {
    let all = squares(values.clone());
    if all <= f64::EPSILON * values.map(|value| value * value).sum::<f64>() {
        None
    } else {
        Some(all)
    }
}

/// The share of the variance between the means of an axis's levels.
fn first_order(plan: &Plan, sample: &[(&Point, f64)], axis: usize) -> f64 {
    let Some(all) = varied(sample.iter().map(|(_, value)| *value)) else {
        return 0.0;
    };
    let mut groups: SortedMap<usize, Vec<f64>> = SortedMap::new();
    for (point, value) in sample {
        let own = bin(&plan.axes[axis], point[axis]);
        groups.entry(own).or_default().push(*value);
    }
    let within: f64 = groups.values().map(|group| squares(group.iter().copied())).sum();
    (all - within) / all
}

/// The share of the variance that is left when all other axes are fixed.
fn total(sample: &[(&Point, f64)], axis: usize) -> f64 {
    let Some(all) = varied(sample.iter().map(|(_, value)| *value)) else {
        return 0.0;
    };
    let mut groups: SortedMap<Point, Vec<f64>> = SortedMap::new();
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
    by_point: &SortedMap<&Point, &Configuration>,
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

    /// Shares that are none are told from nothing one time in twenty, whatever configurations are drawn, and those that
    /// are some are found.
    #[test]
    fn a_sample_is_not_sure_of_a_share_that_is_none() {
        let (mut wrong, mut found_it) = (0, 0);
        for seed in 1..=40 {
            let plan = plan(&format!(
                "objectives = ['cost']\n[design]\nkind = 'random'\npoints = 24\nseed = {seed}
[[axis]]\nname = 'x'\nfield = 'x'\nfrom = 0\nto = 1000
[[axis]]\nname = 'idle'\nfield = 'y'\nvalues = ['a', 'b']
[[axis]]\nname = 'third'\nfield = 'z'\nvalues = ['a', 'b', 'c']\n"
            ));
            let found = configurations(&plan, |point, seed| {
                let x = f64::from(point[0]) / plan.axes[0].levels.len() as f64;
                (6.0 * x).sin() + 0.001 * seed as f64
            });
            let Indices::Sobol { first, .. } = &sensitivity(&plan, &found)[0].indices else {
                panic!("a sample has Sobol' indices")
            };
            wrong += usize::from(first[1].low() > 0.0);
            found_it += usize::from(first[0].low() > 0.0 && first[0].mean > 0.5);
        }
        assert!(wrong <= 4, "{wrong} of 40");
        assert!(found_it >= 36, "{found_it} of 40");
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
