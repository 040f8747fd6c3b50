//! Effects where combinations are missing: of samples, and of grids some of whose configurations make no scenario.
//!
//! A level's mean is that of an additive model ([`crate::additive`]), which holds the other axes; where there are too
//! few configurations to tell the axes apart, it is the plain mean. Either way the configurations are some of many that
//! might have been drawn: the interval holds what the model leaves unexplained over configurations beside what seeds
//! differ by, both in quadrature.

use crate::additive::{Additive, product};
use crate::axis::Axis;
use crate::measure::Measure;
use crate::plan::Plan;
use crate::statistics::{CONFIDENCE, Estimate, two_sided};

use super::{Effect, LevelEffect, Looked, UNKNOWN, bin, over_seeds, sizes};

/// Means of an additive model, where combinations are missing. Configurations without a number are left out.
pub(super) fn effects(plan: &Plan, looked: &Looked<'_>, measure: Measure) -> Vec<Effect> {
    let bins = looked.bins(plan);
    let (rows, by_seed) = looked.known(&bins, measure);
    let sizes = sizes(plan);
    let shares = shares(plan, &sizes);
    let joint = joint(&rows, &sizes).map(|model| Judge::new(model, &by_seed));
    let of_axis = |axis: usize| {
        let alone;
        let judge = match &joint {
            Some(judge) => judge,
            None => {
                alone = Judge::new(Additive::new(&rows, &sizes, &[axis]), &by_seed);
                &alone
            }
        };
        let weights = |bin: usize| judge.model.mean_of(axis, bin, &shares);
        let estimate =
            |weights: Option<Vec<f64>>| weights.map_or(UNKNOWN, |weights| judge.estimate(&weights));
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
        Effect::of(plan, axis, measure, level)
    };
    (0..plan.axes.len()).map(of_axis).collect()
}

/// Configurations beyond a model's own numbers, of which its unexplained part is known well enough.
const SPARE: usize = 10;

/// The model of all axes, if there are configurations enough to tell them apart.
pub(crate) fn joint(rows: &[&[usize]], sizes: &[usize]) -> Option<Additive> {
    let axes: Vec<usize> = (0..sizes.len()).collect();
    let model = Additive::new(rows, sizes, &axes);
    (model.is_separable() && model.freedom() >= SPARE).then_some(model)
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
struct Judge {
    model: Additive,
    /// By seed.
    fitted: Vec<Vec<f64>>,
    /// Half the interval of a row by itself.
    unexplained: f64,
}

impl Judge {
    fn new(model: Additive, by_seed: &[Vec<f64>]) -> Self {
        let means = over_seeds(by_seed);
        let freedom = model.freedom();
        let unexplained = match freedom {
            0 => f64::INFINITY,
            _ => {
                let left = model.left(&means);
                // What is left of a perfect fit is rounding.
                let all: f64 = means.iter().map(|value| value * value).sum();
                let left = if left > f64::EPSILON * all { left } else { 0.0 };
                (left / freedom as f64).sqrt() * two_sided(CONFIDENCE, freedom)
            }
        };
        Judge {
            fitted: by_seed.iter().map(|values| model.fit(values)).collect(),
            model,
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

#[cfg(test)]
mod tests {
    use super::super::{Pairs, effects, pairs};
    use super::*;
    use crate::Configuration;
    use crate::tests::{configurations, plan};

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
        for (kind, points) in [
            ("random", 24),
            ("latin", 24),
            ("sobol", 24),
            ("random", 21),
            ("random", 12),
        ] {
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
            let idle = pairs(&plan, &found).into_iter().filter(Pairs::is_idle);
            let idle: Vec<usize> = idle.map(|own| own.axis).collect();
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
}
