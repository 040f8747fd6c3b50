//! Moments of a curve. The signed difference of two is an error in seconds.

use sim::{Instant, StepSeries};

/// When the curve first rises above its value at `from`.
#[must_use]
pub fn first_rise(curve: &StepSeries, from: Instant) -> Option<Instant> {
    first(curve, from, |start, value| value > start)
}

/// When the curve first falls below its value at `from`.
#[must_use]
pub fn first_fall(curve: &StepSeries, from: Instant) -> Option<Instant> {
    first(curve, from, |start, value| value < start)
}

/// When the curve is first at `level` or above.
#[must_use]
pub fn time_to(curve: &StepSeries, level: f64, from: Instant) -> Option<Instant> {
    if curve.at(from) >= level {
        Some(from)
    } else {
        first(curve, from, |_, value| value >= level)
    }
}

/// When the curve comes down to `level` for the last time, to stay there or below; `None` if it never was
/// above, or ends above.
#[must_use]
pub fn return_to(curve: &StepSeries, level: f64, from: Instant) -> Option<Instant> {
    let after = || curve.changes().iter().filter(|change| change.0 > from);
    let last_above = after()
        .filter(|change| change.1 > level)
        .map(|change| change.0)
        .next_back();
    let above_at = last_above.or((curve.at(from) > level).then_some(from))?;
    after()
        .find(|change| change.0 > above_at && change.1 <= level)
        .map(|change| change.0)
}

fn first(curve: &StepSeries, from: Instant, is: impl Fn(f64, f64) -> bool) -> Option<Instant> {
    let start = curve.at(from);
    curve
        .changes()
        .iter()
        .find(|&&(at, value)| at > from && is(start, value))
        .map(|change| change.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_out_and_in_has_four_moments() {
        let mut curve = StepSeries::new();
        for (at, value) in [(0, 1.0), (30, 4.0), (60, 8.0), (300, 2.0), (310, 3.0), (400, 1.0)] {
            curve.set(Instant::from_secs(at), value);
        }
        let at = |secs| Some(Instant::from_secs(secs));
        assert_eq!(first_rise(&curve, Instant::ZERO), at(30));
        assert_eq!(time_to(&curve, 8.0, Instant::ZERO), at(60));
        assert_eq!(first_fall(&curve, Instant::from_secs(60)), at(300));
        assert_eq!(return_to(&curve, 2.0, Instant::ZERO), at(400));
        assert_eq!(return_to(&curve, 8.0, Instant::ZERO), None);
        assert_eq!(time_to(&curve, 9.0, Instant::ZERO), None);
    }
}
