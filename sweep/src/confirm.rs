//! The chosen configuration against the current one, on seeds that had no say in the choice.
//!
//! The best of many looks better than it is: it was chosen for its luck too. So what it saves is measured again, on
//! seeds far from those of the sweep, the same for both.

use rayon::prelude::*;

use crate::engine::{CURRENT, Configuration, Fate, Model};
use crate::plan::Plan;
use crate::statistics::same;

/// Axes, of those given, whose settings the chosen configuration can do without, one after the other: with the field
/// left as it is, every run on the fresh seeds ends in the same numbers. `chosen` is what [`confirm`] returned.
pub fn superfluous<M: Model>(
    plan: &Plan,
    model: &M,
    chosen: &Configuration,
    first_seed: u64,
    axes: &[usize],
) -> Vec<usize> {
    let Some(point) = &chosen.point else {
        return Vec::new();
    };
    let mut without = Vec::new();
    for &axis in axes {
        let more: Vec<usize> = without.iter().copied().chain([axis]).collect();
        let Ok(prepared) = model.prepare(&plan.sets_without(point, &more)) else {
            continue;
        };
        let is_same =
            |(seed, run): (u64, &Vec<f64>)| same(&model.run(&prepared, fresh(first_seed, seed)), run);
        if (0..).zip(&chosen.runs).all(is_same) {
            without = more;
        }
    }
    without
}

/// The chosen configuration on the fresh seeds with some axes left as the scenario has them; `None` if that makes no
/// scenario. `chosen` is what [`confirm`] returned.
pub fn without<M: Model>(
    plan: &Plan,
    model: &M,
    chosen: &Configuration,
    first_seed: u64,
    axes: &[usize],
) -> Option<Configuration> {
    let point = chosen.point.as_ref()?;
    let prepared = model.prepare(&plan.sets_without(point, axes)).ok()?;
    let run = |seed: usize| model.run(&prepared, fresh(first_seed, seed as u64));
    Some(Configuration {
        runs: (0..chosen.runs.len()).into_par_iter().map(run).collect(),
        ..chosen.clone()
    })
}

/// From a sweep's first seed to the first fresh one: farther than any sweep has replications.
const APART: u64 = 1_000_000;

/// A fresh seed, counted from 0.
fn fresh(first_seed: u64, number: u64) -> u64 {
    first_seed.wrapping_add(APART).wrapping_add(number)
}

/// Runs both on `plan.recommend.confirm` fresh seeds after a sweep's first: the current configuration, then the
/// chosen one.
///
/// # Errors
///
/// When one of them makes no scenario.
pub fn confirm<M: Model>(
    plan: &Plan,
    model: &M,
    chosen: &Configuration,
    first_seed: u64,
) -> Result<[Configuration; 2], String> {
    let run = |number: u32, point: Option<&Vec<u32>>| {
        let own = point.map(|point| plan.overrides(point));
        let prepared = model.prepare(&plan.sets_with(own.unwrap_or_default()))?;
        let runs = (0..u64::from(plan.recommend.confirm))
            .into_par_iter()
            .map(|seed| model.run(&prepared, fresh(first_seed, seed)))
            .collect();
        Ok::<Configuration, String>(Configuration {
            number,
            point: point.cloned(),
            fate: Fate::Ran,
            runs,
        })
    };
    let (current, chosen) = rayon::join(
        || run(CURRENT, None),
        || run(chosen.number, chosen.point.as_ref()),
    );
    Ok([current?, chosen?])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::plan;

    /// Adds what is set up; what is not set is 2.
    struct Sum;

    impl Model for Sum {
        type Prepared = f64;

        fn prepare(&self, sets: &[String]) -> Result<f64, String> {
            let value = |field: &str| {
                let set = sets
                    .iter()
                    .find_map(|set| set.strip_prefix(field)?.strip_prefix('='));
                set.map_or(2.0, |value| value.parse().expect("a number"))
            };
            Ok(value("x") + value("y"))
        }

        fn run(&self, sum: &f64, seed: u64) -> Vec<f64> {
            vec![sum + seed as f64, f64::NAN]
        }
    }

    #[test]
    fn a_change_without_which_all_is_the_same_is_found() {
        let plan = plan("objectives = ['cost']");
        let check = |labels: [&str; 2], expected: &[usize]| {
            let level = |axis: usize| plan.axes[axis].labelled(labels[axis]).expect("a level") as u32;
            let chosen = Configuration {
                number: 1,
                point: Some(vec![level(0), level(1)]),
                fate: Fate::Ran,
                runs: Vec::new(),
            };
            let [_, fresh] = confirm(&plan, &Sum, &chosen, 1).expect("runs");
            assert_eq!(
                superfluous(&plan, &Sum, &fresh, 1, &[0, 1]),
                expected,
                "{labels:?}"
            );
            // Without the second axis it is as if that were 2.
            let left = without(&plan, &Sum, &fresh, 1, &[1]).expect("runs");
            let apart = fresh.runs[0][0] - left.runs[0][0];
            assert_eq!(apart, f64::from(level(1)) - 1.0, "{labels:?}");
            assert_eq!(left.runs.len(), fresh.runs.len());
        };
        check(["1", "3"], &[]);
        check(["1", "2"], &[1]);
        check(["2", "2"], &[0, 1]);
    }
}
