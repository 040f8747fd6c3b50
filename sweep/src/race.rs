//! Racing: no more seeds for configurations that are surely worse than another.
//!
//! A configuration stops when a rival is, over the seeds that both have run, surely better in some objective and in
//! every other either surely better or exactly the same; or when it surely breaks a constraint that some rival
//! surely keeps. "Surely" is a one-sided paired t test, at a level divided by the number of comparisons of the
//! block (Bonferroni), so that a stop is as sure as asked for in all of them together.
//!
//! Rivals are those of one block, a fixed part of the design, and the current configuration. So what stops depends
//! neither on threads nor on which machine runs which block. (After racing by M. Birattari and others, "A racing
//! algorithm for configuring metaheuristics", 2002.)

use crate::constraint::Constraint;
use crate::measure::Measure;
use crate::plan::{Plan, Race};
use crate::statistics::{deviation, mean, quantile};

/// The runs of one configuration, seed by seed.
pub(crate) type Runs = Vec<Vec<f64>>;

/// For each configuration the rival that it is surely worse than, if there is one. All have run the same seeds;
/// `current` may have run more.
pub(crate) fn stopped(plan: &Plan, race: Race, current: &Runs, active: &[&Runs]) -> Vec<Option<Rival>> {
    let seeds = active.iter().map(|runs| runs.len()).min().unwrap_or(0);
    if seeds < 2 {
        return vec![None; active.len()];
    }
    let comparisons = active.len() * (plan.objectives.len() + plan.constraints.len());
    let level = (1.0 - race.confidence) / comparisons.max(1) as f64;
    let judge = Judge {
        plan,
        seeds,
        bound: quantile(1.0 - level, seeds - 1),
    };
    let standings: Vec<Standing> = active.iter().map(|runs| judge.standing(runs)).collect();
    let own = judge.standing(current);
    let some_keep = own == Standing::Keeps || standings.contains(&Standing::Keeps);
    let one = |index: usize| {
        if standings[index] == Standing::Breaks && some_keep {
            return Some(Rival::Constraint);
        }
        if own != Standing::Breaks && judge.is_worse(active[index], current) {
            return Some(Rival::Current);
        }
        let better = |rival: &usize| {
            *rival != index
                && standings[*rival] != Standing::Breaks
                && judge.is_worse(active[index], active[*rival])
        };
        (0..active.len()).find(better).map(Rival::Other)
    };
    (0..active.len()).map(one).collect()
}

/// Why a configuration stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rival {
    /// It breaks a constraint.
    Constraint,
    /// The current configuration is better.
    Current,
    /// Another of the block is better, by its place.
    Other(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Keeps,
    Breaks,
    Unknown,
}

struct Judge<'a> {
    plan: &'a Plan,
    seeds: usize,
    /// What a t statistic must exceed.
    bound: f64,
}

impl Judge<'_> {
    fn is_worse(&self, runs: &Runs, rival: &Runs) -> bool {
        let mut worse = false;
        for measure in &self.plan.objectives {
            let differences = self.differences(*measure, runs, rival);
            if differences.iter().all(|difference| *difference == 0.0) {
                continue;
            }
            if !self.is_positive(&differences) {
                return false;
            }
            worse = true;
        }
        worse
    }

    /// How much worse each seed is than the rival's. Where neither has a number there is no difference.
    fn differences(&self, measure: Measure, runs: &Runs, rival: &Runs) -> Vec<f64> {
        let sign = if measure.more_is_better() { -1.0 } else { 1.0 };
        let index = measure.index();
        let difference = |seed: usize| {
            let (own, other) = (runs[seed][index], rival[seed][index]);
            if own.is_nan() && other.is_nan() {
                0.0
            } else {
                sign * (own - other)
            }
        };
        (0..self.seeds).map(difference).collect()
    }

    /// Whether the mean is surely above zero.
    fn is_positive(&self, values: &[f64]) -> bool {
        let (mean, spread) = (mean(values), deviation(values));
        mean > 0.0 && mean * (values.len() as f64).sqrt() > self.bound * spread
    }

    fn standing(&self, runs: &Runs) -> Standing {
        let mut keeps = true;
        for (index, constraint) in self.plan.constraints.iter().enumerate() {
            let margin = |seed: usize| excess(constraint, runs[seed][Measure::COUNT + index]);
            let excess: Vec<f64> = (0..self.seeds).map(margin).collect();
            if self.is_positive(&excess) {
                return Standing::Breaks;
            }
            let room: Vec<f64> = excess.iter().map(|excess| -excess).collect();
            let at_bound = excess.iter().all(|excess| *excess == 0.0);
            keeps &= at_bound || self.is_positive(&room);
        }
        if keeps { Standing::Keeps } else { Standing::Unknown }
    }
}

/// By how much a value is beyond the bound; negative inside.
fn excess(constraint: &Constraint, value: f64) -> f64 {
    if constraint.at_most {
        value - constraint.bound
    } else {
        constraint.bound - value
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::plan;

    fn runs(cost: &[f64], latency: &[f64], width: usize) -> Runs {
        let run = |(cost, latency): (&f64, &f64)| {
            let mut run = vec![0.0; width];
            run[Measure::Cost.index()] = *cost;
            run[Measure::LatencyP95.index()] = *latency;
            run
        };
        cost.iter().zip(latency).map(run).collect()
    }

    const RACE: Race = Race {
        first: 3,
        confidence: 0.95,
    };

    #[test]
    fn what_is_surely_worse_in_all_stops_and_nothing_else() {
        let plan = plan("objectives = [\"cost\", \"latency_p95\"]");
        let width = plan.width();
        let current = runs(&[5.0, 6.0, 7.0, 8.0], &[1.0; 4], width);
        let good = runs(&[1.0, 2.0, 3.0, 4.0], &[1.0; 4], width);
        let bad = runs(&[2.0, 3.01, 4.0, 5.02], &[1.0; 4], width);
        let trade = runs(&[9.0, 9.0, 9.0, 9.0], &[0.5; 4], width);
        let noisy = runs(&[1.0, 2.5, 3.0, 4.0], &[1.0; 4], width);
        let stopped = stopped(&plan, RACE, &current, &[&good, &bad, &trade, &noisy]);
        assert_eq!(stopped, [None, Some(Rival::Other(0)), None, None]);
    }

    #[test]
    fn what_breaks_a_constraint_stops_if_another_keeps_it() {
        let plan = plan("objectives = [\"cost\"]\nconstraints = [\"latency_p95 <= 2\"]");
        let with = |cost: f64, latency: f64| {
            let mut runs = runs(&[cost; 3], &[latency; 3], plan.width());
            runs.iter_mut().for_each(|run| run[Measure::COUNT] = latency);
            runs
        };
        let (current, kept, broken) = (with(1.0, 3.0), with(5.0, 1.0), with(2.0, 4.0));
        let found = stopped(&plan, RACE, &current, &[&kept, &broken]);
        assert_eq!(
            found,
            [None, Some(Rival::Constraint)],
            "what breaks it cannot stop what keeps it"
        );
        assert_eq!(
            stopped(&plan, RACE, &current, &[&broken]),
            [None],
            "nobody keeps it"
        );
    }

    #[test]
    fn two_seeds_are_the_least() {
        let plan = plan("objectives = [\"cost\"]");
        let (one, two) = (
            runs(&[1.0], &[1.0], plan.width()),
            runs(&[2.0], &[1.0], plan.width()),
        );
        assert_eq!(stopped(&plan, RACE, &one, &[&two]), [None]);
    }
}
