//! A guess of what was not run: each axis adds its part, whatever the others are.
//!
//! An additive model of levels, fitted by backfitting (J. H. Friedman, W. Stuetzle 1981) and pulled a little to
//! zero, so that a level seen once does not promise the moon. A level that was never seen is taken for the mean of the
//! nearest ones beside it, if levels have an order. The optimizer runs what the guess says would help most; the guess
//! itself is never a result.

use super::Point;

/// Rounds of backfitting.
const ROUNDS: usize = 20;
/// As many imaginary runs without any effect stand beside those of a level.
const PULL: f64 = 0.05;

/// What each level adds to one number.
#[derive(Debug)]
pub(super) struct Surrogate {
    mean: f64,
    effects: Vec<Vec<f64>>,
}

impl Surrogate {
    /// Fits the numbers of points; `levels` is how many each axis has, `ordered` whether they have an order.
    pub(super) fn fit(levels: &[usize], ordered: &[bool], found: &[(&Point, f64)]) -> Self {
        let mean = found.iter().map(|(_, value)| value).sum::<f64>() / found.len().max(1) as f64;
        let mut effects: Vec<Vec<f64>> = levels.iter().map(|levels| vec![0.0; *levels]).collect();
        let mut seen: Vec<Vec<bool>> = levels.iter().map(|levels| vec![false; *levels]).collect();
        for _ in 0..ROUNDS {
            for axis in 0..levels.len() {
                let mut sums = vec![(0.0, 0.0); levels[axis]];
                for (point, value) in found {
                    let others = (0..levels.len()).filter(|other| *other != axis);
                    let rest: f64 = others.map(|other| effects[other][point[other] as usize]).sum();
                    let own = &mut sums[point[axis] as usize];
                    own.0 += value - mean - rest;
                    own.1 += 1.0;
                }
                for (level, (sum, count)) in sums.into_iter().enumerate() {
                    seen[axis][level] = count > 0.0;
                    effects[axis][level] = sum / (count + PULL);
                }
            }
        }
        for (axis, effects) in effects.iter_mut().enumerate() {
            if ordered[axis] {
                fill(effects, &seen[axis]);
            }
        }
        Surrogate { mean, effects }
    }

    /// The guess for a point.
    pub(super) fn guess(&self, point: &[u32]) -> f64 {
        let parts = self
            .effects
            .iter()
            .zip(point)
            .map(|(effects, level)| effects[*level as usize]);
        self.mean + parts.sum::<f64>()
    }
}

/// Gives levels that were never seen the mean of the nearest seen ones below and above.
fn fill(effects: &mut [f64], seen: &[bool]) {
    for level in (0..effects.len()).filter(|level| !seen[*level]) {
        let below = (0..level).rev().find(|other| seen[*other]);
        let above = (level + 1..effects.len()).find(|other| seen[*other]);
        let near: Vec<f64> = [below, above]
            .into_iter()
            .flatten()
            .map(|other| effects[other])
            .collect();
        effects[level] = near.iter().sum::<f64>() / near.len().max(1) as f64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_adds_up_is_guessed_where_it_was_not_seen() {
        let value = |point: &Point| 5.0 + 2.0 * f64::from(point[0]) - f64::from(point[1]);
        // A cross through the middle of a grid of 5 by 5; level 3 of the first axis is missing.
        let points: Vec<Point> = vec![
            vec![0, 2],
            vec![1, 2],
            vec![2, 2],
            vec![4, 2],
            vec![2, 0],
            vec![2, 1],
            vec![2, 3],
            vec![2, 4],
        ];
        let found: Vec<(&Point, f64)> = points.iter().map(|point| (point, value(point))).collect();
        let surrogate = Surrogate::fit(&[5, 5], &[true, true], &found);
        let guess = |point: [u32; 2]| surrogate.guess(&point);
        assert!(
            guess([4, 0]) > guess([4, 4]) && guess([4, 4]) > guess([0, 4]),
            "{surrogate:?}"
        );
        assert!(
            guess([3, 2]) > guess([2, 2]) && guess([3, 2]) < guess([4, 2]),
            "between its neighbours"
        );
    }

    #[test]
    fn nothing_seen_is_no_trouble() {
        assert_eq!(Surrogate::fit(&[2], &[false], &[]).guess(&[1]), 0.0);
    }
}
