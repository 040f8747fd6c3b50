//! Morris's trajectories: from a random point, each axis is moved once, in random order, by about half its
//! levels. The change that a move makes is an elementary effect of its axis. (M. D. Morris, Technometrics 33,
//! 1991)

use rand::RngExt;
use sim::Streams;

use super::Point;
use super::sample::shuffle;
use crate::axis::Axis;

/// The trajectories: each has one point more than there are axes.
#[must_use]
pub fn trajectories(axes: &[Axis], count: usize, seed: u64) -> Vec<Vec<Point>> {
    let streams = Streams::new(seed);
    let one = |number: usize| {
        let mut stream = streams.stream("sweep/morris", number as u64);
        let mut at: Point = Vec::new();
        let mut moves: Vec<(usize, u32)> = Vec::new();
        for (index, axis) in axes.iter().enumerate() {
            let levels = axis.levels.len() as u32;
            let step = levels / 2;
            // From a level of the lower half up or of the upper half down, so that the move stays inside.
            let start = ((stream.random::<f64>() * f64::from(levels)) as u32).min(levels - 1);
            let end = if start + step < levels {
                start + step
            } else {
                start - step
            };
            at.push(start);
            moves.push((index, end));
        }
        shuffle(&mut moves, &mut stream);
        let mut points = vec![at.clone()];
        for (axis, end) in moves {
            at[axis] = end;
            points.push(at.clone());
        }
        points
    };
    (0..count).map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::axes;
    use super::*;

    #[test]
    fn each_step_moves_one_axis_and_every_axis_moves_once() {
        let axes = axes(&[2, 5, 4]);
        for points in trajectories(&axes, 20, 5) {
            assert_eq!(points.len(), 4);
            let mut moved: Vec<usize> = points
                .windows(2)
                .map(|pair| {
                    let changed: Vec<usize> =
                        (0..3).filter(|axis| pair[0][*axis] != pair[1][*axis]).collect();
                    assert_eq!(changed.len(), 1);
                    changed[0]
                })
                .collect();
            moved.sort_unstable();
            assert_eq!(moved, [0, 1, 2]);
        }
    }
}
