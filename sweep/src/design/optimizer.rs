//! A multi-objective optimizer for a budget: NSGA-II on levels, with a local search of the front.
//!
//! K. Deb, A. Pratap, S. Agarwal, T. Meyarivan, "A fast and elitist multiobjective genetic algorithm: NSGA-II",
//! IEEE Transactions on Evolutionary Computation 6, 2002: parents are the best of all that was ever run, by front,
//! then by crowding; what breaks a constraint less beats what breaks it more. As runs are dear and levels few, no
//! configuration is proposed twice, and of all candidates (every one that is left of a small space; else children, and
//! neighbours of the front, one step along one axis away) most of a generation are those that by an additive guess
//! would add most to the hypervolume (as J. Knowles's ParEGO, 2006, and its kin choose by a model), the rest neighbours of
//! the front and chance: settings that are good only together are no sum of parts.
//!
//! Own and small, because the crates that there are bring linear algebra, draw from generators that are not named
//! and cannot be resumed.

use std::cmp::Ordering;

use rand::RngExt;
use sim::{SortedSet, Stream, Streams};

use super::surrogate::Surrogate;
use super::{Point, sample};
use crate::axis::Axis;
use crate::front::{crowding, dominates, front, hypervolume};

/// Of a space up to this size everything is a candidate.
const WHOLE: u128 = 2_000;

/// What was found of a configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Score {
    /// Less is better.
    pub objectives: Vec<f64>,
    /// By how much constraints are missed, 0 if they are kept.
    pub violation: f64,
}

/// Proposes configurations, generation by generation.
#[derive(Debug)]
pub struct Optimizer {
    /// The number of levels of each axis; 1 if it is held.
    sizes: Vec<u32>,
    /// The number of levels of each axis, held or not.
    levels: Vec<usize>,
    /// Whether the neighbours of a level are the levels beside it.
    ordered: Vec<bool>,
    population: usize,
    budget: usize,
    stream: Stream,
    first: Vec<Point>,
    seen: SortedSet<Point>,
    archive: Vec<(Point, Score)>,
}

impl Optimizer {
    /// An optimizer of the axes. Those with a held level stay there.
    #[must_use]
    pub fn new(axes: &[Axis], held: &[Option<u32>], budget: usize, population: usize, seed: u64) -> Self {
        let mut first: Vec<Point> = sample::sobol(axes, population.min(budget) * 4, seed);
        for point in &mut first {
            for (level, held) in point.iter_mut().zip(held) {
                *level = held.unwrap_or(*level);
            }
        }
        let mut first = sample::distinct(first.into_iter());
        first.truncate(population.min(budget));
        let size = |(axis, held): (&Axis, &Option<u32>)| match held {
            Some(_) => 1,
            None => axis.levels.len() as u32,
        };
        Optimizer {
            sizes: axes.iter().zip(held).map(size).collect(),
            levels: axes.iter().map(|axis| axis.levels.len()).collect(),
            ordered: axes.iter().map(|axis| axis.numeric).collect(),
            population,
            budget,
            stream: Streams::new(seed).stream("sweep/optimizer", 0),
            first,
            seen: SortedSet::new(),
            archive: Vec::new(),
        }
    }

    /// Whether a space is explored to its end or the budget spent.
    fn left(&self) -> usize {
        let all = usize::try_from(self.space()).unwrap_or(usize::MAX);
        self.budget.min(all).saturating_sub(self.seen.len())
    }

    /// Configurations to run next, none of them proposed before; empty when it is over.
    pub fn propose(&mut self) -> Vec<Point> {
        // Later generations are half as large: the guess is made anew for each.
        let size = if self.archive.is_empty() {
            self.population
        } else {
            self.population.div_ceil(2)
        };
        let wanted = self.left().min(size);
        let mut generation: Vec<Point> = std::mem::take(&mut self.first);
        generation.truncate(wanted);
        generation.retain(|point| self.seen.insert(point.clone()));
        if !self.archive.is_empty() && generation.len() < wanted {
            let mut candidates = self.candidates(wanted);
            sample::shuffle(&mut candidates, &mut self.stream);
            let promising = self.promising(&candidates, (wanted * 3).div_ceil(5));
            // Some of them were seen: for these chance has its part, or a wrong guess would never be found out.
            let mut near = self.neighbours(&self.ranked());
            sample::shuffle(&mut near, &mut self.stream);
            near.truncate(wanted * 2 / 5);
            for point in promising.into_iter().chain(near).chain(candidates) {
                if generation.len() < wanted && self.seen.insert(point.clone()) {
                    generation.push(point);
                }
            }
        }
        // A space that is nearly explored is filled up in order of chance.
        let mut tries = 0;
        while generation.len() < wanted {
            let mut point: Point = self.parent_or_first();
            for (axis, level) in point.iter_mut().enumerate() {
                if self.sizes[axis] > 1 {
                    *level = self.below(self.sizes[axis]);
                }
            }
            tries += 1;
            if tries > 1000 {
                match self.unseen() {
                    Some(found) => point = found,
                    None => break,
                }
            }
            if self.seen.insert(point.clone()) {
                generation.push(point);
            }
        }
        generation
    }

    /// What was found of the last proposal.
    pub fn tell(&mut self, found: impl IntoIterator<Item = (Point, Score)>) {
        self.archive.extend(found);
    }

    fn parent_or_first(&self) -> Point {
        let known = self.archive.first().map(|(point, _)| point.clone());
        known
            .or_else(|| self.seen.first().cloned())
            .unwrap_or_else(|| vec![0; self.sizes.len()])
    }

    /// The first configuration in order that was never proposed.
    fn unseen(&self) -> Option<Point> {
        let held = self.parent_or_first();
        let free: Vec<usize> = (0..self.sizes.len())
            .filter(|axis| self.sizes[*axis] > 1)
            .collect();
        let mut point = held;
        for axis in &free {
            point[*axis] = 0;
        }
        loop {
            if !self.seen.contains(&point) {
                return Some(point);
            }
            let axis = free
                .iter()
                .rev()
                .find(|axis| point[**axis] + 1 < self.sizes[**axis])?;
            point[*axis] += 1;
            for later in free.iter().filter(|later| *later > axis) {
                point[*later] = 0;
            }
        }
    }

    fn below(&mut self, bound: u32) -> u32 {
        ((self.stream.random::<f64>() * f64::from(bound)) as u32).min(bound - 1)
    }

    /// All that was run, the best first: by front, then the lonely first. Only the first `population` count.
    fn ranked(&self) -> Vec<usize> {
        let mut left: Vec<usize> = (0..self.archive.len()).collect();
        // What breaks constraints comes after everything that does not, the least broken first.
        let mut broken: Vec<usize> = left
            .iter()
            .copied()
            .filter(|index| self.archive[*index].1.violation > 0.0)
            .collect();
        broken.sort_by(|a, b| {
            let violation = |index: &usize| self.archive[*index].1.violation;
            violation(a).total_cmp(&violation(b)).then(a.cmp(b))
        });
        left.retain(|index| self.archive[*index].1.violation <= 0.0);
        let mut ranked = Vec::new();
        while !left.is_empty() && ranked.len() < self.population {
            let values: Vec<Vec<f64>> = left
                .iter()
                .map(|index| self.archive[*index].1.objectives.clone())
                .collect();
            let members: Vec<usize> = front(&values);
            let own: Vec<&[f64]> = members.iter().map(|member| values[*member].as_slice()).collect();
            let lonely = crowding(&own);
            let mut order: Vec<usize> = (0..members.len()).collect();
            order.sort_by(|a, b| lonely[*b].total_cmp(&lonely[*a]).then(a.cmp(b)));
            ranked.extend(order.iter().map(|n| left[members[*n]]));
            let taken: SortedSet<usize> = members.into_iter().map(|member| left[member]).collect();
            left.retain(|index| !taken.contains(index));
        }
        ranked.extend(broken);
        ranked.truncate(self.population);
        ranked
    }

    /// Levels one step from a level along an axis: beside it, or any other if levels have no order.
    fn steps(&self, axis: usize, level: u32) -> Vec<u32> {
        if self.sizes[axis] < 2 {
            return Vec::new();
        }
        if !self.ordered[axis] {
            return (0..self.sizes[axis]).filter(|other| *other != level).collect();
        }
        let beside = [
            level.checked_sub(1),
            Some(level + 1).filter(|up| *up < self.sizes[axis]),
        ];
        beside.into_iter().flatten().collect()
    }

    /// What may be proposed, none of it proposed before.
    fn candidates(&mut self, wanted: usize) -> Vec<Point> {
        if self.space() <= WHOLE {
            return self.everything();
        }
        let ranked = self.ranked();
        let mut found: SortedSet<Point> = self.neighbours(&ranked).into_iter().collect();
        for _ in 0..wanted * 20 {
            found.insert(self.child(&ranked));
        }
        found.retain(|point| !self.seen.contains(point));
        found.into_iter().collect()
    }

    /// Configurations of the whole space.
    fn space(&self) -> u128 {
        self.sizes
            .iter()
            .map(|size| u128::from(*size))
            .fold(1, u128::saturating_mul)
    }

    /// Every configuration that was not proposed.
    fn everything(&self) -> Vec<Point> {
        let mut points = vec![self.parent_or_first()];
        for axis in (0..self.sizes.len()).filter(|axis| self.sizes[*axis] > 1) {
            let with = |point: &Point| {
                (0..self.sizes[axis])
                    .map(|level| {
                        let mut point = point.clone();
                        point[axis] = level;
                        point
                    })
                    .collect::<Vec<Point>>()
            };
            points = points.iter().flat_map(with).collect();
        }
        points.retain(|point| !self.seen.contains(point));
        points
    }

    /// The candidates that by a guess would add most to what the front dominates, each given those before it.
    fn promising(&self, candidates: &[Point], wanted: usize) -> Vec<Point> {
        let usable: Vec<&(Point, Score)> = self
            .archive
            .iter()
            .filter(|(_, score)| score.objectives.iter().all(|value| value.is_finite()))
            .collect();
        let Some(width) = usable.first().map(|(_, score)| score.objectives.len()) else {
            return Vec::new();
        };
        let guesses = |of: &dyn Fn(&Score) -> f64| -> Vec<f64> {
            let found: Vec<(&Point, f64)> = usable.iter().map(|(point, score)| (point, of(score))).collect();
            let model = Surrogate::fit(&self.levels, &self.ordered, &found);
            candidates.iter().map(|point| model.guess(point)).collect()
        };
        let violation = guesses(&|score| score.violation.min(1e3));
        let mut columns: Vec<Vec<f64>> = Vec::new();
        let mut known: Vec<Vec<f64>> = vec![Vec::new(); usable.len()];
        for objective in 0..width {
            let values = usable.iter().map(|(_, score)| score.objectives[objective]);
            let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
                (low.min(value), high.max(value))
            });
            let range = (high - low).max(1e-12);
            for (known, (_, score)) in known.iter_mut().zip(&usable) {
                known.push((score.objectives[objective] - low) / range);
            }
            let column = guesses(&|score| score.objectives[objective]);
            columns.push(column.into_iter().map(|value| (value - low) / range).collect());
        }
        let reference = vec![1.1; width];
        let kept = known
            .into_iter()
            .zip(&usable)
            .filter(|(_, (_, score))| score.violation <= 0.0);
        let mut held: Vec<Vec<f64>> = kept.map(|(value, _)| value).collect();
        held = front(&held)
            .into_iter()
            .map(|index| held[index].clone())
            .collect();
        let mut chosen: Vec<usize> = Vec::new();
        while chosen.len() < wanted.min(candidates.len()) {
            let before = hypervolume(&held, &reference);
            let gain = |index: usize| {
                // What is guessed to break a constraint comes last, the worst breach at the end.
                if violation[index] > 1e-9 && !held.is_empty() {
                    return -violation[index];
                }
                if held.is_empty() {
                    return -violation[index].max(0.0);
                }
                let mut with = held.clone();
                with.push(columns.iter().map(|column| column[index]).collect());
                hypervolume(&with, &reference) - before
            };
            let left = (0..candidates.len()).filter(|index| !chosen.contains(index));
            let best = left
                .map(|index| (gain(index), index))
                .max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
            let Some((_, index)) = best else { break };
            if !held.is_empty() {
                held.push(columns.iter().map(|column| column[index]).collect());
            }
            chosen.push(index);
        }
        chosen
            .into_iter()
            .map(|index| candidates[index].clone())
            .collect()
    }

    /// Neighbours of the front.
    fn neighbours(&self, ranked: &[usize]) -> Vec<Point> {
        let best = &self.archive[ranked[0]].1;
        let on_front = |index: &&usize| {
            let score = &self.archive[**index].1;
            score.violation <= best.violation
                && !ranked.iter().any(|other| {
                    self.archive[*other].1.violation <= score.violation
                        && dominates(&self.archive[*other].1.objectives, &score.objectives)
                })
        };
        let of = |member: &usize| {
            let point = &self.archive[*member].0;
            let mut own = Vec::new();
            for axis in 0..point.len() {
                for level in self.steps(axis, point[axis]) {
                    let mut neighbour = point.clone();
                    neighbour[axis] = level;
                    own.push(neighbour);
                }
            }
            own
        };
        ranked.iter().filter(on_front).flat_map(of).collect()
    }

    /// A child of two parents: levels of either, some of them moved.
    fn child(&mut self, ranked: &[usize]) -> Point {
        let (mut child, father) = (self.winner(ranked), self.winner(ranked));
        let free = self.sizes.iter().filter(|size| **size > 1).count().max(1);
        for axis in 0..child.len() {
            if self.stream.random::<f64>() < 0.5 {
                child[axis] = father[axis];
            }
            if self.sizes[axis] > 1 && self.stream.random::<f64>() < 1.0 / free as f64 {
                child[axis] = self.moved(axis, child[axis]);
            }
        }
        child
    }

    /// A level near another, the farther the rarer; any, if levels have no order.
    fn moved(&mut self, axis: usize, level: u32) -> u32 {
        let size = self.sizes[axis];
        if !self.ordered[axis] {
            return self.below(size);
        }
        let reach = (f64::from(size) / 2.0).max(1.0);
        let distance = 1.0 + (self.stream.random::<f64>().powi(3) * reach).floor();
        let up = self.stream.random::<f64>() < 0.5;
        let moved = if up {
            f64::from(level) + distance
        } else {
            f64::from(level) - distance
        };
        moved.clamp(0.0, f64::from(size - 1)) as u32
    }

    /// Of two drawn, the one that is ranked better.
    fn winner(&mut self, ranked: &[usize]) -> Point {
        let (a, b) = (self.below(ranked.len() as u32), self.below(ranked.len() as u32));
        let place = match a.cmp(&b) {
            Ordering::Greater => b,
            _ => a,
        };
        self.archive[ranked[place as usize]].0.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Design;
    use super::super::tests::axes;
    use super::*;
    use crate::front::hypervolume;

    /// Two objectives that pull apart, with waves; the last axis has no effect.
    fn problem(point: &Point) -> Score {
        let x: Vec<f64> = point.iter().map(|level| f64::from(*level)).collect();
        let wave = (x[0] * 1.3).sin() * 0.5;
        Score {
            objectives: vec![
                x[0] + 0.3 * x[1] + wave,
                (9.0 - x[0]).powi(2) / 9.0 + (x[1] - 3.0).powi(2) + x[2],
            ],
            violation: 0.0,
        }
    }

    fn search(budget: usize, seed: u64) -> Vec<(Point, Score)> {
        let axes = axes(&[10, 6, 4, 5]);
        let held = [None, None, None, Some(2)];
        let mut optimizer = Optimizer::new(&axes, &held, budget, 16, seed);
        loop {
            let proposed = optimizer.propose();
            if proposed.is_empty() {
                return optimizer.archive;
            }
            let found: Vec<_> = proposed
                .into_iter()
                .map(|point| (point.clone(), problem(&point)))
                .collect();
            optimizer.tell(found);
        }
    }

    #[test]
    fn the_front_is_found_on_a_small_part_of_the_grid() {
        let all = Design::Grid
            .points(&axes(&[10, 6, 4, 5]))
            .expect("a grid is known");
        let whole: Vec<Vec<f64>> = all.iter().map(|point| problem(point).objectives).collect();
        let reference = [14.0, 24.0];
        let best = hypervolume(&whole, &reference);
        for seed in 1..=5 {
            let found = search(all.len() * 8 / 100, seed);
            let values: Vec<Vec<f64>> = found.into_iter().map(|(_, score)| score.objectives).collect();
            let share = hypervolume(&values, &reference) / best;
            assert!(share >= 0.98, "seed {seed} finds {share}");
        }
    }

    #[test]
    fn it_repeats_itself_exactly_and_proposes_nothing_twice() {
        let (one, two) = (search(100, 3), search(100, 3));
        assert_eq!(one, two);
        let distinct: SortedSet<&Point> = one.iter().map(|(point, _)| point).collect();
        assert_eq!(distinct.len(), 100);
        assert!(one.iter().all(|(point, _)| point[3] == 2), "held axes stay");
    }

    #[test]
    fn a_budget_larger_than_the_space_explores_all_of_it() {
        assert_eq!(search(10_000, 1).len(), 240);
    }

    #[test]
    fn constraints_come_first() {
        let axes = axes(&[12, 12]);
        let mut optimizer = Optimizer::new(&axes, &[None, None], 60, 8, 2);
        let score = |point: &Point| Score {
            objectives: vec![f64::from(point[0] + point[1])],
            violation: f64::from(8u32.saturating_sub(point[0])),
        };
        let mut best = f64::INFINITY;
        loop {
            let proposed = optimizer.propose();
            if proposed.is_empty() {
                break;
            }
            let found: Vec<_> = proposed
                .into_iter()
                .map(|point| (point.clone(), score(&point)))
                .collect();
            for (_, score) in found.iter().filter(|(_, score)| score.violation == 0.0) {
                best = best.min(score.objectives[0]);
            }
            optimizer.tell(found);
        }
        assert_eq!(best, 8.0);
    }
}
