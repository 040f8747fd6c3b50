//! Intervals by resampling.

use rand::RngExt as _;
use sim::{Stream, Streams};

use crate::accuracy::quantile;

/// A 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

impl Interval {
    /// Whether a value lies in it.
    #[must_use]
    pub fn holds(&self, value: f64) -> bool {
        self.low <= value && value <= self.high
    }

    /// The interval of a function that grows.
    #[must_use]
    pub fn map(self, of: impl Fn(f64) -> f64) -> Self {
        Interval {
            low: of(self.low),
            high: of(self.high),
        }
    }
}

/// How often a sample is drawn again.
const DRAWS: usize = 2000;

/// Draws samples again; the same seed draws the same.
#[derive(Debug, Clone, Copy)]
pub struct Resampling {
    streams: Streams,
}

impl Resampling {
    /// With a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Resampling {
            streams: Streams::new(seed),
        }
    }

    fn stream(&self, purpose: &str) -> Stream {
        self.streams.stream(purpose, 0)
    }

    /// The mean and its interval by the studentized bootstrap: each draw's distance from the mean is taken in units of
    /// its own standard error, which keeps the promised share for small samples too. `None` of fewer than three.
    #[must_use]
    pub fn mean(&self, purpose: &str, sample: &[f64]) -> Option<(f64, Interval)> {
        let (mean, error) = moments(sample)?;
        if error == 0.0 {
            return Some((
                mean,
                Interval {
                    low: mean,
                    high: mean,
                },
            ));
        }
        let mut stream = self.stream(purpose);
        let mut distances = Vec::with_capacity(DRAWS);
        for _ in 0..DRAWS {
            let drawn: Vec<f64> = (0..sample.len())
                .map(|_| sample[stream.random_range(0..sample.len())])
                .collect();
            if let Some((own, error)) = moments(&drawn).filter(|(_, error)| *error > 0.0) {
                distances.push((own - mean) / error);
            }
        }
        let (low, high) = (quantile(&distances, 0.025), quantile(&distances, 0.975));
        Some((
            mean,
            Interval {
                low: mean - high * error,
                high: mean - low * error,
            },
        ))
    }

    /// The interval of a statistic of items: of each draw of as many.
    pub fn interval(
        &self,
        purpose: &str,
        items: usize,
        of: impl Fn(&[usize]) -> Option<f64>,
    ) -> Option<Interval> {
        let mut stream = self.stream(purpose);
        let mut values = Vec::with_capacity(DRAWS);
        for _ in 0..DRAWS {
            let drawn: Vec<usize> = (0..items).map(|_| stream.random_range(0..items)).collect();
            values.extend(of(&drawn));
        }
        let (low, high) = (quantile(&values, 0.025), quantile(&values, 0.975));
        (values.len() > DRAWS / 2).then_some(Interval { low, high })
    }
}

/// Mean and standard error.
fn moments(sample: &[f64]) -> Option<(f64, f64)> {
    let n = sample.len() as f64;
    if sample.len() < 3 {
        return None;
    }
    let mean = sample.iter().sum::<f64>() / n;
    let squares = sample.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
    Some((mean, (squares / (n - 1.0) / n).sqrt()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nine_intervals_of_ten_and_more_hold_the_mean() {
        let mut stream = Streams::new(7).stream("test", 0);
        let mut held = 0;
        for seed in 0..200 {
            let sample: Vec<f64> = (0..8)
                .map(|_| stream.random::<f64>() * 2.0 + stream.random::<f64>())
                .collect();
            let (_, interval) = Resampling::new(seed).mean("test", &sample).unwrap();
            held += usize::from(interval.holds(1.5));
        }
        assert!((180..=199).contains(&held), "{held} of 200");
    }

    #[test]
    fn two_observations_are_no_sample() {
        assert!(Resampling::new(1).mean("test", &[1.0, 2.0]).is_none());
        let (mean, interval) = Resampling::new(1).mean("test", &[2.0; 5]).unwrap();
        assert_eq!((mean, interval), (2.0, Interval { low: 2.0, high: 2.0 }));
    }
}
