//! Probes: beside some configurations of a sample, others that differ from them in one axis alone.
//!
//! A sample hardly has two configurations that differ in a single axis, and without such a pair nobody can say that
//! an axis does nothing: means over a sample differ by what else it happened to draw. So each axis is moved by itself
//! from a few points of the sample, once from each, as in the radial designs of F. Campolongo, A. Saltelli,
//! J. Cariboni ("From screening to quantitative sensitivity analysis", Computer Physics Communications 182, 2011). They
//! are configurations like any other, but effects and shares of the variance are of the sample alone.

use sim::SortedSet;

use super::Point;
use crate::axis::Axis;

/// From no more points of the sample is an axis moved.
const MOST: usize = 4;

/// The probes beside a sample, each once, none that the sample has: about half as many as the sample at most, but one
/// for each axis.
pub(super) fn probes(axes: &[Axis], sample: &[Point]) -> Vec<Point> {
    let from = (sample.len() / (2 * axes.len().max(1))).clamp(1, MOST);
    let mut seen: SortedSet<Point> = sample.iter().cloned().collect();
    let mut found = Vec::new();
    for (number, point) in sample.iter().take(from).enumerate() {
        for (index, axis) in axes.iter().enumerate().filter(|(_, axis)| axis.levels.len() > 1) {
            let mut probe = point.clone();
            probe[index] = moved(axis, point[index], number);
            if seen.insert(probe.clone()) {
                found.push(probe);
            }
        }
    }
    found
}

/// Another level than this one: of numbers the farther end, of names the next one, and the one after that in the next
/// point.
fn moved(axis: &Axis, level: u32, number: usize) -> u32 {
    let last = axis.levels.len() as u32 - 1;
    if axis.numeric {
        if level > last - level { 0 } else { last }
    } else {
        (level + 1 + number as u32 % last) % (last + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Design;
    use super::super::tests::axes;
    use super::*;

    #[test]
    fn each_axis_is_moved_by_itself() {
        let mut axes = axes(&[50, 2, 5, 1]);
        axes[2].numeric = false;
        for points in [8, 60] {
            let design = Design::Latin { points, seed: 3 };
            let sample = design.points(&axes).expect("known");
            let all = design.planned(&axes).expect("known");
            assert_eq!(all[..sample.len()], sample);
            let probes = &all[sample.len()..];
            let from = if points == 8 { 1 } else { 4 };
            assert!(
                probes.len() <= 3 * from && probes.len() + 2 >= 3 * from,
                "{probes:?}"
            );
            let mut seen: SortedSet<&Point> = sample.iter().collect();
            for probe in probes {
                assert!(seen.insert(probe), "{probe:?} is there already");
                let differs = |point: &Point| (0..4).filter(|axis| point[*axis] != probe[*axis]).count();
                assert!(
                    sample[..from].iter().any(|point| differs(point) == 1),
                    "{probe:?}"
                );
            }
        }
    }

    #[test]
    fn what_has_every_pair_needs_no_probes() {
        let axes = axes(&[3, 2]);
        let sample = Design::Sobol { points: 6, seed: 1 };
        assert_eq!(sample.planned(&axes), sample.points(&axes));
        assert_eq!(Design::Grid.planned(&axes), Design::Grid.points(&axes));
    }

    #[test]
    fn names_are_tried_in_turn() {
        let mut axes = axes(&[4]);
        axes[0].numeric = false;
        assert_eq!(
            [0, 1, 2, 3].map(|number| moved(&axes[0], 2, number)),
            [3, 0, 1, 3]
        );
        axes[0].numeric = true;
        assert_eq!([0, 1, 2, 3].map(|level| moved(&axes[0], level, 0)), [3, 3, 0, 0]);
    }
}
