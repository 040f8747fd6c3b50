//! The answer to a sweep: the front, and which configuration of it to take.

use crate::engine::{CURRENT, Configuration, Fate};
use crate::front::{compare, front};
use crate::measure::Measure;
use crate::plan::Plan;
use crate::statistics::{CONFIDENCE, Estimate};

/// Whether a configuration keeps to a constraint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeping {
    /// The mean does, and so does the whole interval.
    Surely,
    /// The mean does, but not the whole interval.
    Perhaps,
    /// The mean does not, but part of the interval does.
    PerhapsNot,
    /// No part of the interval does.
    No,
}

/// How a configuration stands to a constraint.
#[must_use]
pub fn keeping(plan: &Plan, configuration: &Configuration, constraint: usize) -> Keeping {
    let own = &plan.constraints[constraint];
    let estimate = Estimate::of(&configuration.constrained(constraint), CONFIDENCE);
    let ends = [estimate.low(), estimate.high()].map(|end| own.keeps(end));
    match (own.keeps(estimate.mean), ends) {
        (true, [true, true]) => Keeping::Surely,
        (true, _) => Keeping::Perhaps,
        (false, [false, false]) => Keeping::No,
        (false, _) => Keeping::PerhapsNot,
    }
}

/// Places of the configurations that ran to the end, keep to all constraints by their means, and have all
/// objectives: those among which one can choose. The current one may be among them.
#[must_use]
pub fn eligible(plan: &Plan, configurations: &[Configuration]) -> Vec<usize> {
    let is_eligible = |own: &Configuration| {
        own.fate == Fate::Ran
            && own.violation(plan) <= 0.0
            && own.score(plan).iter().all(|value| !value.is_nan())
    };
    (0..configurations.len())
        .filter(|index| is_eligible(&configurations[*index]))
        .collect()
}

/// Places of the eligible configurations that no other eligible one beats, by the first objective. Of those that
/// are the same in all objectives only that of the lowest number is there.
#[must_use]
pub fn best(plan: &Plan, configurations: &[Configuration]) -> Vec<usize> {
    let eligible = eligible(plan, configurations);
    let scores: Vec<Vec<f64>> = eligible
        .iter()
        .map(|index| configurations[*index].score(plan))
        .collect();
    let mut members: Vec<usize> = front(&scores);
    let mut seen: Vec<&Vec<f64>> = Vec::new();
    members.retain(|member| {
        let fresh = !seen.contains(&&scores[*member]);
        seen.push(&scores[*member]);
        fresh
    });
    members.sort_by(|a, b| {
        let pairs = scores[*a].iter().zip(&scores[*b]);
        let order = pairs.map(|(a, b)| compare(*a, *b)).find(|order| order.is_ne());
        order.unwrap_or(std::cmp::Ordering::Equal)
    });
    members.into_iter().map(|member| eligible[member]).collect()
}

/// The place of the configuration to take; `None` if nothing is eligible. `changes` says how many fields a
/// configuration changes: of those that are the same in all objectives the one that changes least is taken.
#[must_use]
pub fn choose(
    plan: &Plan,
    configurations: &[Configuration],
    changes: impl Fn(&Configuration) -> usize,
) -> Option<usize> {
    let members = best(plan, configurations);
    let scores: Vec<Vec<f64>> = members
        .iter()
        .map(|index| configurations[*index].score(plan))
        .collect();
    let close: Vec<usize> = match plan.recommend.by {
        None => (0..members.len()).collect(),
        Some(by) => {
            let least = near_least(plan, configurations, &members, by)?;
            (0..members.len())
                .filter(|member| least.contains(member))
                .collect()
        }
    };
    let chosen = nearest_to_ideal(&scores, &close)?;
    let score = &scores[chosen];
    let same = eligible(plan, configurations)
        .into_iter()
        .filter(|index| configurations[*index].score(plan) == *score);
    same.min_by_key(|index| (changes(&configurations[*index]), configurations[*index].number))
}

/// Places among the members of those whose measure cannot be told apart from the least; with one seed, which tells
/// nothing apart, of those that have the least itself.
fn near_least(
    plan: &Plan,
    configurations: &[Configuration],
    members: &[usize],
    by: Measure,
) -> Option<Vec<usize>> {
    let position = plan.objectives.iter().position(|own| *own == by)?;
    let score = |member: &usize| configurations[members[*member]].score(plan)[position];
    let least = (0..members.len()).min_by(|a, b| compare(score(a), score(b)))?;
    let of = |member: usize| configurations[members[member]].values(by);
    let is_near = |member: &usize| {
        let difference = Estimate::difference(&of(*member), &of(least), CONFIDENCE);
        difference.mean == 0.0 || (difference.half.is_finite() && !difference.is_told_apart())
    };
    Some((0..members.len()).filter(is_near).collect())
}

/// Of the members, that which is nearest to the best of every objective at once, each in parts of its range over
/// them.
fn nearest_to_ideal(scores: &[Vec<f64>], members: &[usize]) -> Option<usize> {
    let width = scores.first()?.len();
    let range = |objective: usize| {
        let values = members.iter().map(|member| scores[*member][objective]);
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        })
    };
    let ranges: Vec<(f64, f64)> = (0..width).map(range).collect();
    let distance = |member: &usize| -> f64 {
        let part = |(value, (low, high)): (&f64, &(f64, f64))| {
            if high > low {
                ((value - low) / (high - low)).powi(2)
            } else {
                0.0
            }
        };
        scores[*member].iter().zip(&ranges).map(part).sum()
    };
    members
        .iter()
        .copied()
        .min_by(|a, b| distance(a).total_cmp(&distance(b)).then(a.cmp(b)))
}

/// Members of the front whose objectives cannot be told apart from another's, not one of them: pairs of places.
#[must_use]
pub fn alike(plan: &Plan, configurations: &[Configuration], members: &[usize]) -> Vec<(usize, usize)> {
    let same = |a: usize, b: usize| {
        plan.objectives.iter().all(|measure| {
            let (one, two) = (
                configurations[a].values(*measure),
                configurations[b].values(*measure),
            );
            !Estimate::difference(&one, &two, CONFIDENCE).is_told_apart()
        })
    };
    members
        .iter()
        .enumerate()
        .flat_map(|(n, a)| members[n + 1..].iter().map(move |b| (*a, *b)))
        .filter(|(a, b)| same(*a, *b))
        .collect()
}

/// Objectives that some configurations which ran to the end have no value of, and how many of them: none can be compared.
#[must_use]
pub fn valueless(plan: &Plan, configurations: &[Configuration]) -> Vec<(Measure, usize)> {
    let ran = configurations.iter().filter(|own| own.fate == Fate::Ran);
    let without = |measure: Measure| ran.clone().filter(|own| own.mean(measure).is_nan()).count();
    let counts = plan
        .objectives
        .iter()
        .map(|measure| (*measure, without(*measure)));
    counts.filter(|(_, count)| *count > 0).collect()
}

/// The current configuration.
#[must_use]
pub fn current(configurations: &[Configuration]) -> Option<&Configuration> {
    configurations.iter().find(|own| own.number == CURRENT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::plan;

    /// Configurations with these costs and latencies, three seeds each; the first is the current one.
    fn found(plan: &Plan, values: &[(f64, f64)]) -> Vec<Configuration> {
        let one = |(number, (cost, latency)): (usize, &(f64, f64))| {
            let run = |seed: usize| {
                let mut run = vec![0.0; plan.width()];
                run[Measure::Cost.index()] = cost + seed as f64;
                run[Measure::LatencyP95.index()] = *latency;
                if plan.width() > Measure::COUNT {
                    run[Measure::COUNT] = *latency;
                }
                run
            };
            Configuration {
                number: number as u32,
                point: (number > 0).then(|| vec![0, 0]),
                fate: Fate::Ran,
                runs: (0..3).map(run).collect(),
            }
        };
        values.iter().enumerate().map(one).collect()
    }

    #[test]
    fn without_constraints_the_balance_is_taken() {
        let plan = plan("objectives = ['cost', 'latency_p95']");
        let found = found(
            &plan,
            &[(10.0, 1.0), (1.0, 9.0), (2.0, 2.0), (9.0, 0.5), (9.5, 9.5)],
        );
        assert_eq!(best(&plan, &found), [1, 2, 3]);
        assert_eq!(choose(&plan, &found, |_| 0), Some(2));
    }

    #[test]
    fn with_constraints_the_first_objective_decides() {
        let plan = plan("objectives = ['cost', 'latency_p95']\nconstraints = ['latency_p95 <= 3']");
        let found = found(&plan, &[(10.0, 1.0), (1.0, 9.0), (2.0, 2.9), (3.0, 0.5)]);
        assert_eq!(choose(&plan, &found, |_| 0), Some(2));
        assert_eq!(keeping(&plan, &found[1], 0), Keeping::No);
        assert_eq!(keeping(&plan, &found[2], 0), Keeping::Surely);
    }

    /// Of several costs that luck may have made the one is taken that is best in all; of one seed's the least.
    #[test]
    fn the_least_is_taken_where_nothing_tells_luck() {
        let plan = plan("objectives = ['cost', 'latency_p95']\n[recommend]\nby = 'cost'");
        let mut found = found(&plan, &[(10.0, 9.0), (1.0, 5.0), (1.1, 1.0), (9.0, 0.5)]);
        let cost = Measure::Cost.index();
        found[1].runs[0][cost] += 0.3;
        assert_eq!(choose(&plan, &found, |_| 0), Some(2));
        for own in &mut found {
            own.runs.truncate(1);
        }
        found[1].runs[0][cost] = 1.0;
        assert_eq!(choose(&plan, &found, |_| 0), Some(1));
    }

    #[test]
    fn of_equal_ones_the_smallest_change_is_taken() {
        let plan = plan("objectives = ['cost']");
        let found = found(&plan, &[(5.0, 0.0), (1.0, 0.0), (1.0, 0.0), (1.0, 0.0)]);
        assert_eq!(best(&plan, &found), [1]);
        assert_eq!(choose(&plan, &found, |own| 9 - own.number as usize), Some(3));
    }

    #[test]
    fn the_current_one_may_be_the_best() {
        let plan = plan("objectives = ['cost']");
        let found = found(&plan, &[(1.0, 0.0), (2.0, 0.0)]);
        assert_eq!(choose(&plan, &found, |_| 0), Some(0));
        assert_eq!(alike(&plan, &found, &[0, 1]), []);
    }

    #[test]
    fn what_has_no_value_cannot_be_chosen() {
        let plan = plan("objectives = ['cost', 'latency_p95']");
        let found = found(&plan, &[(1.0, 2.0), (0.5, f64::NAN), (2.0, 1.0)]);
        assert_eq!(valueless(&plan, &found), [(Measure::LatencyP95, 1)]);
        assert_eq!(best(&plan, &found), [0, 2]);
    }

    #[test]
    fn nothing_is_chosen_when_nothing_keeps_the_constraints() {
        let plan = plan("objectives = ['cost']\nconstraints = ['latency_p95 <= 1']");
        assert_eq!(choose(&plan, &found(&plan, &[(1.0, 5.0)]), |_| 0), None);
    }
}
