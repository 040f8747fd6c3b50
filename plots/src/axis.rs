//! A time axis with ticks of our choosing.

use std::ops::Range;

use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};
use plotters::coord::types::RangedCoordf64;

/// Seconds, with a tick wherever one was asked for.
pub(crate) struct TimeAxis {
    seconds: RangedCoordf64,
    ticks: Vec<f64>,
}

impl TimeAxis {
    /// The axis over a span.
    pub(crate) fn new(span: (f64, f64), ticks: Vec<f64>) -> Self {
        TimeAxis {
            seconds: (span.0..span.1).into(),
            ticks,
        }
    }
}

impl Ranged for TimeAxis {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        self.seconds.map(value, limit)
    }

    fn key_points<Hint: KeyPointHint>(&self, _hint: Hint) -> Vec<f64> {
        self.ticks.clone()
    }

    fn range(&self) -> Range<f64> {
        self.seconds.range()
    }
}
