//! Samples: random, Latin hypercube, Sobol'.
//!
//! A point of the unit cube becomes the levels it falls into. On axes of few levels several points fall into the
//! same cell; each is taken once, and the sequence goes on until there are as many as asked for, or all.

use rand::RngExt;
use sim::{SortedSet, Stream, Streams};

use super::Point;
use crate::axis::Axis;

/// The Sobol' sequence in use has so many points.
pub(super) const MOST_SOBOL: i64 = 1 << 16;
/// A sample gives up when so many points per wanted one have brought nothing new.
const PATIENCE: usize = 100;

fn cell(axis: &Axis, share: f64) -> u32 {
    let levels = axis.levels.len();
    ((share * levels as f64) as usize).min(levels - 1) as u32
}

/// The points, each once, in the order of their first appearance.
pub(super) fn distinct(points: impl Iterator<Item = Point>) -> Vec<Point> {
    let mut seen = SortedSet::new();
    points.filter(|point| seen.insert(point.clone())).collect()
}

/// As many distinct points as wanted, or all there are.
fn take(axes: &[Axis], wanted: usize, drawn: impl Iterator<Item = Point>) -> Vec<Point> {
    let all = axes
        .iter()
        .map(|axis| axis.levels.len() as u128)
        .fold(1, u128::saturating_mul);
    let wanted = all.min(wanted as u128) as usize;
    let mut seen = SortedSet::new();
    let mut points = Vec::new();
    for point in drawn.take(wanted.saturating_mul(PATIENCE).max(10_000)) {
        if seen.insert(point.clone()) {
            points.push(point);
        }
        if points.len() == wanted {
            break;
        }
    }
    points
}

pub(super) fn random(axes: &[Axis], wanted: usize, seed: u64) -> Vec<Point> {
    let mut stream = Streams::new(seed).stream("sweep/random", 0);
    let draw = || {
        Some(
            axes.iter()
                .map(|axis| cell(axis, stream.random::<f64>()))
                .collect(),
        )
    };
    take(axes, wanted, std::iter::from_fn(draw))
}

/// Hypercubes one after another, each of as many slices as points are wanted.
pub(super) fn latin(axes: &[Axis], wanted: usize, seed: u64) -> Vec<Point> {
    let streams = Streams::new(seed);
    let cubes = (0..).flat_map(|round| {
        let mut stream = streams.stream("sweep/latin", round);
        let columns: Vec<Vec<u32>> = axes
            .iter()
            .map(|axis| {
                let mut slices: Vec<u32> = (0..wanted)
                    .map(|slice| cell(axis, (slice as f64 + stream.random::<f64>()) / wanted as f64))
                    .collect();
                shuffle(&mut slices, &mut stream);
                slices
            })
            .collect();
        (0..wanted).map(move |row| columns.iter().map(|column| column[row]).collect::<Point>())
    });
    take(axes, wanted, cubes)
}

/// Fisher and Yates.
pub(super) fn shuffle<T>(items: &mut [T], stream: &mut Stream) {
    for last in (1..items.len()).rev() {
        let other = ((stream.random::<f64>() * (last + 1) as f64) as usize).min(last);
        items.swap(last, other);
    }
}

pub(super) fn sobol(axes: &[Axis], wanted: usize, seed: u64) -> Vec<Point> {
    let seed = (seed ^ (seed >> 32)) as u32;
    let point = |index: u32| {
        let share = |(dimension, axis): (usize, &Axis)| {
            cell(
                axis,
                f64::from(sobol_burley::sample(index, dimension as u32, seed)),
            )
        };
        axes.iter().enumerate().map(share).collect()
    };
    take(axes, wanted, (0..MOST_SOBOL as u32).map(point))
}

#[cfg(test)]
mod tests {
    use super::super::tests::axes;
    use super::*;

    #[test]
    fn a_latin_hypercube_meets_each_slice_once() {
        let axes = axes(&[10, 10, 10]);
        let points = latin(&axes, 10, 3);
        for axis in 0..3 {
            let mut levels: Vec<u32> = points.iter().map(|point| point[axis]).collect();
            levels.sort_unstable();
            assert_eq!(levels, (0..10).collect::<Vec<u32>>());
        }
    }

    #[test]
    fn the_sobol_sequence_is_even() {
        let axes = axes(&[16, 16]);
        let points = sobol(&axes, 64, 1);
        for corner in [(0, 0), (0, 8), (8, 0), (8, 8)] {
            let inside = |point: &&Point| {
                (corner.0..corner.0 + 8).contains(&point[0]) && (corner.1..corner.1 + 8).contains(&point[1])
            };
            let count = points.iter().filter(inside).count();
            assert!(
                (14..=18).contains(&count),
                "{count} of 64 in the quarter at {corner:?}"
            );
        }
    }
}
