//! Lag and shape: whether a curve is late or wrong.

use std::time::Duration;

use sim::{Instant, StepSeries};

use super::{Window, nmae};

/// Curves are compared at the dashboard's resolution, short ones more finely and long ones more coarsely.
fn step(window: Window) -> Duration {
    let length = window.to.since(window.from);
    let finest = Duration::from_secs(1).max(length / 100);
    Duration::from_secs(15).min(finest).max(length / 1500)
}

/// The mean lag of the simulated curve behind the real one, in seconds, along the cheapest warping path:
/// positive when the simulation is late.
#[must_use]
pub fn lag(simulated: &StepSeries, real: &StepSeries, window: Window) -> f64 {
    let (a, b) = (samples(simulated, window), samples(real, window));
    let path = warping_path(&a, &b);
    let total: f64 = path.iter().map(|&(i, j)| i as f64 - j as f64).sum();
    total / path.len() as f64 * step(window).as_secs_f64()
}

/// nMAE after the simulated curve was moved by its lag.
#[must_use]
pub fn shape(simulated: &StepSeries, real: &StepSeries, window: Window) -> f64 {
    let lag = lag(simulated, real, window);
    let by = Duration::from_secs_f64(lag.abs());
    let mut moved = StepSeries::new();
    for &(at, value) in simulated.changes() {
        moved.set(if lag > 0.0 { at.saturating_sub(by) } else { at + by }, value);
    }
    nmae(&moved, real, window)
}

fn samples(curve: &StepSeries, window: Window) -> Vec<f64> {
    let step = step(window);
    let mut values = Vec::new();
    let mut at: Instant = window.from;
    while at < window.to {
        values.push(curve.at(at));
        at += step;
    }
    values
}

/// Dynamic time warping with steps of one along either or both curves; of equally cheap paths the one that
/// warps least.
fn warping_path(a: &[f64], b: &[f64]) -> Vec<(usize, usize)> {
    let width = b.len();
    let mut cost = vec![f64::INFINITY; a.len() * width];
    for i in 0..a.len() {
        for j in 0..width {
            let before = predecessors(i, j)
                .map(|(i, j)| cost[i * width + j])
                .fold(f64::INFINITY, f64::min);
            let before = if i + j == 0 { 0.0 } else { before };
            cost[i * width + j] = (a[i] - b[j]).abs() + before;
        }
    }
    let (mut i, mut j) = (a.len().saturating_sub(1), width.saturating_sub(1));
    let mut path = vec![(i, j)];
    while i + j > 0 {
        let cheapest = predecessors(i, j).min_by(|&x, &y| {
            let at = |(i, j): (usize, usize)| cost[i * width + j];
            at(x).total_cmp(&at(y))
        });
        (i, j) = cheapest.expect("every cell but the first has a predecessor");
        path.push((i, j));
    }
    path
}

/// The cells a path may come from: the diagonal first, so that ties do not warp.
fn predecessors(i: usize, j: usize) -> impl Iterator<Item = (usize, usize)> {
    let diagonal = (i > 0 && j > 0).then(|| (i - 1, j - 1));
    let along_a = (i > 0).then(|| (i - 1, j));
    let along_b = (j > 0).then(|| (i, j - 1));
    [diagonal, along_a, along_b].into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_ramp_is_late_and_not_wrong() {
        let ramp = |start: u64| {
            let mut curve = StepSeries::new();
            for n in 0..20 {
                curve.set(Instant::from_secs(start + n * 15), n as f64 + 1.0);
            }
            curve
        };
        let window = Window {
            from: Instant::ZERO,
            to: Instant::from_secs(600),
        };
        let (late, real) = (ramp(60), ramp(0));
        assert!(lag(&late, &real, window) > 20.0);
        assert!(lag(&real, &late, window) < -20.0);
        assert!(shape(&late, &real, window) < nmae(&late, &real, window) / 1.5);
        assert_eq!(lag(&real, &real, window), 0.0);
    }
}
