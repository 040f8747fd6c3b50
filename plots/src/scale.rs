//! Axes: which numbers stand on them, and how they are written.

use std::ops::Range;

use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};

use crate::figure::Figure;

/// An axis of numbers from one to another.
pub(crate) struct Axis(pub(crate) (f64, f64));

impl Ranged for Axis {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (low, high): (i32, i32)) -> i32 {
        let share = (value - self.0.0) / (self.0.1 - self.0.0);
        low + (share * f64::from(high - low)).round() as i32
    }

    /// None: grid lines and labels are drawn from ticks of our own.
    fn key_points<Hint: KeyPointHint>(&self, _hint: Hint) -> Vec<f64> {
        Vec::new()
    }

    fn range(&self) -> Range<f64> {
        self.0.0..self.0.1
    }
}

/// The values on the axis of a panel whose greatest value is `greatest`: about five round ones from zero, the
/// last of them with some air above the data.
pub(crate) fn value_ticks(greatest: f64, whole: bool) -> Vec<f64> {
    let wanted = if greatest > 0.0 { greatest * 1.08 } else { 1.0 };
    let magnitude = 10f64.powf((wanted / 5.0).log10().floor());
    let fits = |step: &f64| *step * 5.0 >= wanted && (!whole || *step >= 1.0);
    let candidates = [1.0, 2.0, 2.5, 5.0, 10.0, 20.0, 50.0, 100.0];
    let step = candidates.into_iter().map(|factor| factor * magnitude).find(fits);
    let step = step.unwrap_or(wanted / 5.0);
    let step = if whole { step.ceil() } else { step };
    let count = (wanted / step).ceil() as usize;
    (0..=count).map(|n| n as f64 * step).collect()
}

/// At most so many times, on round minutes of the clock shown.
pub(crate) fn time_ticks(figure: &Figure, most: usize) -> Vec<f64> {
    let (from, to) = figure.span;
    let clock = figure.clock.unwrap_or(0.0);
    let minutes = [1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 240.0, 480.0, 1440.0];
    let fits = |step: &&f64| (to - from) / (**step * 60.0) < most as f64;
    let step = minutes.iter().find(fits).map_or(to - from, |step| step * 60.0);
    let first = ((from + clock) / step).ceil() * step - clock;
    (0..most)
        .map(|n| first + n as f64 * step)
        .filter(|time| *time <= to)
        .collect()
}

/// A time of day if the figure has a clock, else minutes since the start.
pub(crate) fn time_label(time: f64, figure: &Figure) -> String {
    match figure.clock {
        Some(start) => {
            let minutes = ((start + time) / 60.0).round() as i64;
            format!("{:02}:{:02}", minutes / 60 % 24, minutes % 60)
        }
        None => format!("{} min", (time / 60.0).round()),
    }
}

/// A value with as many digits as its neighbours on the axis need.
pub(crate) fn value_label(value: f64, step: f64) -> String {
    let digits = (0..6).find(|digits| {
        let scaled = step * 10f64.powi(*digits);
        (scaled - scaled.round()).abs() < 1e-6 * scaled.max(1e-12)
    });
    format!("{value:.*}", digits.unwrap_or(6) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_end_on_round_numbers_above_the_data() {
        assert_eq!(value_ticks(83.2, false), [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]);
        assert_eq!(value_ticks(8.0, true), [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]);
        assert_eq!(value_ticks(1.0, true), [0.0, 1.0, 2.0]);
        assert_eq!(value_ticks(0.0, true), [0.0, 1.0]);
        let last = |greatest| *value_ticks(greatest, false).last().unwrap();
        for greatest in [0.013, 0.7, 0.96, 3.3, 99.0, 117.0, 22_745.0] {
            assert!(
                last(greatest) > greatest && last(greatest) < 2.0 * greatest,
                "{greatest}"
            );
        }
    }

    #[test]
    fn labels_have_the_digits_that_tell_them_apart() {
        assert_eq!(value_label(0.5, 0.25), "0.50");
        assert_eq!(value_label(20.0, 20.0), "20");
        assert_eq!(value_label(0.002, 0.001), "0.002");
    }

    #[test]
    fn times_are_round_minutes_of_the_clock() {
        let mut figure = Figure {
            span: (0.0, 2850.0),
            clock: Some(49_230.0),
            ..Figure::default()
        };
        let labels = |figure: &Figure| -> Vec<String> {
            time_ticks(figure, 7)
                .into_iter()
                .map(|time| time_label(time, figure))
                .collect()
        };
        assert_eq!(
            labels(&figure),
            ["13:50", "14:00", "14:10", "14:20"].map(String::from)[..]
        );
        figure.clock = None;
        assert_eq!(labels(&figure)[..2], ["0 min", "10 min"]);
    }
}
