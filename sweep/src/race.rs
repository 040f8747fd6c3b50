//! Racing: no more seeds for configurations that are surely worse than another.
//!
//! A configuration stops when a rival is, over the seeds that both have run, surely better in some objective and in
//! every other either surely better or exactly the same; or when it surely breaks a constraint that some rival
//! surely keeps. "Surely" is a one-sided paired t test, at a level divided by the number of tests that the block can
//! come to (Bonferroni): every configuration against every rival, at every look. So a block in which nothing is
//! better than anything ends without a stop as often as asked for. Several objectives ask for no division: all must
//! be worse, and that all tests err is rarer than that one does (R. L. Berger, "Multiparameter hypothesis testing
//! and acceptance sampling", Technometrics 24, 1982). What the tests are blind to is what no seed has shown: a
//! measure that was the same so far counts as the same.
//!
//! Rivals are those of one block, a fixed part of the design, and the current configuration. So what stops depends
//! neither on threads nor on which machine runs which block. (After racing by M. Birattari and others, "A racing
//! algorithm for configuring metaheuristics", 2002.)

use crate::constraint::Constraint;
use crate::measure::Measure;
use crate::plan::{Plan, Race};
use crate::statistics::{deviation, mean, quantile};

/// The standard deviation of what rounding takes away, in steps: 1/√12. (W. F. Sheppard 1898)
const ROUNDING: f64 = 0.288_675_134_594_812_9;

/// The runs of one configuration, seed by seed.
pub(crate) type Runs = Vec<Vec<f64>>;

/// For each configuration the rival that it is surely worse than, if there is one. All have run the same seeds;
/// `current` may have run more. `size` is how many the block began with, however many of them are still active.
pub(crate) fn stopped(
    plan: &Plan,
    race: Race,
    size: usize,
    current: &Runs,
    active: &[&Runs],
) -> Vec<Option<Rival>> {
    let seeds = active.iter().map(|runs| runs.len()).min().unwrap_or(0);
    if seeds < 2 {
        return vec![None; active.len()];
    }
    let level = (1.0 - race.confidence) / tests(plan, race, size).max(1) as f64;
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

/// How many tests a block of this size can come to: at each look each configuration against the current one and all
/// others, and all of them against each constraint from both sides.
fn tests(plan: &Plan, race: Race, size: usize) -> usize {
    let looks = (plan.replications.saturating_sub(1) / race.first.max(1)) as usize;
    looks * (size * size + 2 * plan.constraints.len() * (size + 1))
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

    /// Whether the mean is surely above zero. Numbers that come in steps, as counts do and what machines cost, are the
    /// same in a few seeds quite often, which leaves no spread to be judged by: then the number is taken for a step,
    /// and what rounding to steps leaves for the spread.
    fn is_positive(&self, values: &[f64]) -> bool {
        let (mean, spread) = (mean(values), deviation(values));
        let spread = if spread > 0.0 { spread } else { ROUNDING * mean };
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
            // Whoever keeps it in vain stops nobody that does not break it.
            let is_steady = deviation(&room) == 0.0 && room[0] >= 0.0;
            keeps &= is_steady || self.is_positive(&room);
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
    use rand::RngExt;

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
        let stopped = stopped(&plan, RACE, 4, &current, &[&good, &bad, &trade, &noisy]);
        assert_eq!(stopped, [None, Some(Rival::Other(0)), None, None]);
    }

    #[test]
    fn what_breaks_a_constraint_stops_if_another_keeps_it() {
        let plan = plan("objectives = [\"cost\"]\nconstraints = [\"latency_p95 <= 2\"]");
        let with = |cost: f64, latency: f64| {
            let mut runs = runs(&[cost; 3], &[latency; 3], plan.width());
            for (seed, run) in runs.iter_mut().enumerate() {
                run[Measure::COUNT] = latency + 0.01 * seed as f64;
            }
            runs
        };
        let (current, kept, broken) = (with(1.0, 3.0), with(5.0, 1.0), with(2.0, 4.0));
        let found = stopped(&plan, RACE, 2, &current, &[&kept, &broken]);
        assert_eq!(
            found,
            [None, Some(Rival::Constraint)],
            "what breaks it cannot stop what keeps it"
        );
        assert_eq!(
            stopped(&plan, RACE, 2, &current, &[&broken]),
            [None],
            "nobody keeps it"
        );
    }

    #[test]
    fn a_difference_without_spread_is_not_sure() {
        let plan = plan("objectives = [\"cost\"]\nreplications = 9");
        let with = |costs: &[f64]| runs(costs, &[1.0; 6], plan.width());
        let (one, two) = (with(&[1.0; 6]), with(&[3.0; 6]));
        let few = |runs: &Runs| runs[..3].to_vec();
        assert_eq!(stopped(&plan, RACE, 8, &few(&one), &[&few(&two)]), [None]);
        // One that moves a little can be judged.
        let moved = with(&[3.0, 3.01, 3.0, 3.01, 3.0, 3.01]);
        assert_eq!(stopped(&plan, RACE, 8, &one, &[&moved]), [Some(Rival::Current)]);
    }

    #[test]
    fn two_seeds_are_the_least() {
        let plan = plan("objectives = [\"cost\"]");
        let (one, two) = (
            runs(&[1.0], &[1.0], plan.width()),
            runs(&[2.0], &[1.0], plan.width()),
        );
        assert_eq!(stopped(&plan, RACE, 1, &one, &[&two]), [None]);
    }

    /// How many of so many blocks stop anything, if all 64 configurations and the current one are drawn alike.
    fn blocks_with_a_stop(text: &str, blocks: u64, draw: impl Fn(&mut sim::Stream) -> f64) -> usize {
        let plan = plan(&format!("replications = 12\n{text}\n[race]\nfirst = 3"));
        let race = plan.race.expect("asked for");
        let has_a_stop = |block: &u64| {
            let mut stream = sim::Streams::new(11).stream("race", *block);
            let mut runs = || -> Runs {
                let run = |_| (0..plan.width()).map(|_| draw(&mut stream)).collect();
                (0..12).map(run).collect()
            };
            let current = runs();
            let all: Vec<Runs> = (0..64).map(|_| runs()).collect();
            let mut active: Vec<usize> = (0..64).collect();
            for seeds in [3, 6, 9] {
                let so_far: Vec<Runs> = active.iter().map(|own| all[*own][..seeds].to_vec()).collect();
                let so_far: Vec<&Runs> = so_far.iter().collect();
                let fates = stopped(&plan, race, 64, &current, &so_far);
                active = active
                    .into_iter()
                    .zip(fates)
                    .filter_map(|(own, fate)| fate.is_none().then_some(own))
                    .collect();
            }
            active.len() < 64
        };
        (0..blocks).filter(has_a_stop).count()
    }

    /// By G. E. P. Box and M. E. Muller (1958).
    fn normal(stream: &mut sim::Stream) -> f64 {
        let (radius, angle) = (1.0 - stream.random::<f64>(), stream.random::<f64>());
        (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
    }

    /// Of blocks in which all are alike one in twenty may stop one. With a level that forgets rivals or looks nearly
    /// every block stops several.
    #[test]
    fn what_is_alike_is_hardly_ever_stopped() {
        for objectives in ["['cost']", "['cost', 'latency_p95']"] {
            let text = format!("objectives = {objectives}");
            let stops = blocks_with_a_stop(&text, 40, normal);
            assert!(stops <= 3, "{objectives}: {stops} of 40 blocks");
        }
        let bounded = "objectives = ['cost']\nconstraints = ['latency_p95 <= 0']";
        let stops = blocks_with_a_stop(bounded, 40, normal);
        assert!(stops <= 3, "{bounded}: {stops} of 40 blocks");
        // Counts differ by the same in all of a few seeds quite often.
        let count =
            |stream: &mut sim::Stream| (0..20).filter(|_| stream.random::<f64>() < 0.1).count() as f64;
        let stops = blocks_with_a_stop("objectives = ['evictions']", 40, count);
        assert!(stops <= 3, "counts: {stops} of 40 blocks");
    }
}
