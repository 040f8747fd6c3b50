//! The chosen configuration against the current one, on seeds that had no say in the choice.
//!
//! The best of many looks better than it is: it was chosen for its luck too. So what it saves is measured again, on
//! seeds far from those of the sweep, the same for both.

use rayon::prelude::*;

use crate::engine::{CURRENT, Configuration, Fate, Model};
use crate::plan::Plan;

/// From a sweep's first seed to the first fresh one: farther than any sweep has replications.
const APART: u64 = 1_000_000;

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
    let fresh = |number: u32, point: Option<&Vec<u32>>| {
        let mut sets = plan.sets.clone();
        sets.extend(point.map(|point| plan.overrides(point)).unwrap_or_default());
        let prepared = model.prepare(&sets)?;
        let runs = (0..u64::from(plan.recommend.confirm))
            .into_par_iter()
            .map(|seed| model.run(&prepared, first_seed.wrapping_add(APART).wrapping_add(seed)))
            .collect();
        Ok::<Configuration, String>(Configuration {
            number,
            point: point.cloned(),
            fate: Fate::Ran,
            runs,
        })
    };
    let (current, chosen) = rayon::join(
        || fresh(CURRENT, None),
        || fresh(chosen.number, chosen.point.as_ref()),
    );
    Ok([current?, chosen?])
}
