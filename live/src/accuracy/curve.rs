//! Measures of two curves over a window.

use sim::{Instant, StepSeries};

use super::Window;

/// Normalised mean absolute error: the area between two curves over the area under the real one. NaN when
/// the real curve is zero throughout.
///
/// ```
/// use live::accuracy::{Window, nmae};
/// use sim::{Instant, StepSeries};
///
/// let mut real = StepSeries::new();
/// real.set(Instant::ZERO, 10.0);
/// let mut simulated = real.clone();
/// simulated.set(Instant::from_secs(50), 12.0);
/// let window = Window { from: Instant::ZERO, to: Instant::from_secs(100) };
/// assert_eq!(nmae(&simulated, &real, window), 0.1);
/// ```
#[must_use]
pub fn nmae(simulated: &StepSeries, real: &StepSeries, window: Window) -> f64 {
    let (mut between, mut under) = (0.0, 0.0);
    for (seconds, [a, b]) in stretches([simulated, real], window) {
        between += seconds * (a - b).abs();
        under += seconds * b;
    }
    between / under
}

/// The share of time at which two curves differ by no more than `tolerance`: within one replica, say.
#[must_use]
pub fn within(simulated: &StepSeries, real: &StepSeries, tolerance: f64, window: Window) -> f64 {
    share(stretches([simulated, real], window), |[a, b]| {
        (a - b).abs() <= tolerance
    })
}

/// The share of time at which the real curve lies between the two edges of a band, edges included.
#[must_use]
pub fn coverage(low: &StepSeries, high: &StepSeries, real: &StepSeries, window: Window) -> f64 {
    share(stretches([low, high, real], window), |[low, high, real]| {
        low <= real && real <= high
    })
}

fn share<const N: usize>(
    stretches: impl Iterator<Item = (f64, [f64; N])>,
    holds: impl Fn([f64; N]) -> bool,
) -> f64 {
    let (mut good, mut all) = (0.0, 0.0);
    for (seconds, values) in stretches {
        all += seconds;
        good += if holds(values) { seconds } else { 0.0 };
    }
    good / all
}

/// The stretches of a window over which none of the curves changes: their length and the values.
fn stretches<'a, const N: usize>(
    curves: [&'a StepSeries; N],
    window: Window,
) -> impl Iterator<Item = (f64, [f64; N])> + 'a {
    let inside = |at: &Instant| *at > window.from && *at < window.to;
    let mut edges: Vec<Instant> = curves
        .iter()
        .flat_map(|curve| curve.changes().iter().map(|change| change.0))
        .filter(inside)
        .collect();
    edges.extend([window.from, window.to]);
    edges.sort_unstable();
    edges.dedup();
    let pairs: Vec<(Instant, Instant)> = edges.windows(2).map(|pair| (pair[0], pair[1])).collect();
    pairs
        .into_iter()
        .map(move |(start, end)| ((end - start).as_secs_f64(), curves.map(|curve| curve.at(start))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(points: &[(u64, f64)]) -> StepSeries {
        let mut series = StepSeries::new();
        for &(at, value) in points {
            series.set(Instant::from_secs(at), value);
        }
        series
    }

    const WINDOW: Window = Window {
        from: Instant::ZERO,
        to: Instant::from_secs(100),
    };

    #[test]
    fn equal_curves_are_perfect() {
        let real = curve(&[(0, 1.0), (40, 4.0)]);
        assert_eq!(nmae(&real, &real, WINDOW), 0.0);
        assert_eq!(within(&real, &real, 0.0, WINDOW), 1.0);
    }

    #[test]
    fn a_late_step_costs_its_area() {
        let real = curve(&[(0, 1.0), (40, 4.0)]);
        let late = curve(&[(0, 1.0), (60, 4.0)]);
        // 20 s × 3 over 40 × 1 + 60 × 4
        assert_eq!(nmae(&late, &real, WINDOW), 60.0 / 280.0);
        assert_eq!(within(&late, &real, 1.0, WINDOW), 0.8);
    }

    #[test]
    fn coverage_counts_time_not_samples() {
        let (low, high) = (curve(&[(0, 1.0)]), curve(&[(0, 3.0)]));
        assert_eq!(coverage(&low, &high, &curve(&[(0, 2.0), (90, 5.0)]), WINDOW), 0.9);
    }
}
