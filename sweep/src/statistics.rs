//! Means with intervals, and paired differences.
//!
//! All configurations meet the same seeds, and each purpose and entity has its own stream: what differs between
//! two runs of one seed is what the configurations change. So configurations are compared seed by seed. The
//! intervals are Student's, of the mean over seeds.

use statrs::distribution::{ContinuousCDF, StudentsT};

/// How sure intervals are, unless said otherwise.
pub const CONFIDENCE: f64 = 0.95;

/// A mean over seeds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The mean; NaN if any value is.
    pub mean: f64,
    /// Half the interval's width; 0 if all values are the same, infinite for a single value among which nothing
    /// can be told.
    pub half: f64,
    /// Values.
    pub count: usize,
}

impl Estimate {
    /// The mean of values with its interval.
    #[must_use]
    pub fn of(values: &[f64], confidence: f64) -> Self {
        let count = values.len();
        let mean = mean(values);
        let half = if count < 2 {
            f64::INFINITY
        } else {
            let error = deviation(values) / (count as f64).sqrt();
            // A quantile times an error of nothing is nothing.
            if error > 0.0 {
                error * two_sided(confidence, count - 1)
            } else {
                0.0
            }
        };
        Estimate { mean, half, count }
    }

    /// The difference, seed by seed: the first less the second. Only seeds that both have count.
    #[must_use]
    pub fn difference(first: &[f64], second: &[f64], confidence: f64) -> Self {
        let differences: Vec<f64> = first.iter().zip(second).map(|(a, b)| a - b).collect();
        Estimate::of(&differences, confidence)
    }

    /// The interval's lower end.
    #[must_use]
    pub fn low(&self) -> f64 {
        self.mean - self.half
    }

    /// The interval's upper end.
    #[must_use]
    pub fn high(&self) -> f64 {
        self.mean + self.half
    }

    /// Whether zero is outside the interval: for a difference, whether the two can be told apart.
    #[must_use]
    pub fn is_told_apart(&self) -> bool {
        self.low() > 0.0 || self.high() < 0.0
    }
}

/// The arithmetic mean.
#[must_use]
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The standard deviation of a sample; 0 if all are equal, whatever rounding says.
#[must_use]
pub fn deviation(values: &[f64]) -> f64 {
    if values.windows(2).all(|pair| pair[0] == pair[1]) {
        return 0.0;
    }
    let mean = mean(values);
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (squares / (values.len() as f64 - 1.0)).sqrt()
}

/// The quantile of Student's t distribution.
#[must_use]
pub fn quantile(probability: f64, freedom: usize) -> f64 {
    let student = StudentsT::new(0.0, 1.0, freedom.max(1) as f64).expect("degrees of freedom are positive");
    student.inverse_cdf(probability)
}

/// What a standard error is multiplied by for half an interval.
#[must_use]
pub fn two_sided(confidence: f64, freedom: usize) -> f64 {
    quantile(1.0 - (1.0 - confidence) / 2.0, freedom)
}

/// Whether two runs have the same numbers, to the last digit.
#[must_use]
pub fn same(one: &[f64], other: &[f64]) -> bool {
    one.iter().zip(other).all(|(a, b)| a.to_bits() == b.to_bits())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_tables() {
        let check = |probability, freedom, expected: f64| {
            let got = quantile(probability, freedom);
            assert!((got - expected).abs() < 2e-3, "{got} is not {expected}");
        };
        check(0.975, 1, 12.706);
        check(0.975, 4, 2.776);
        check(0.975, 19, 2.093);
        check(0.995, 9, 3.250);
    }

    #[test]
    fn pairs_see_what_means_do_not() {
        // The seeds differ by far more than the configurations do.
        let one = [10.0, 20.0, 30.0, 40.0];
        let two = [10.5, 20.4, 30.6, 40.5];
        assert!(Estimate::of(&one, CONFIDENCE).high() > Estimate::of(&two, CONFIDENCE).low());
        let difference = Estimate::difference(&one, &two, CONFIDENCE);
        assert!(difference.is_told_apart() && (difference.mean + 0.5).abs() < 1e-9);
        let same = Estimate::difference(&one, &one, CONFIDENCE);
        assert!(!same.is_told_apart() && same.half == 0.0);
    }

    #[test]
    fn one_value_tells_nothing() {
        let single = Estimate::of(&[3.0], CONFIDENCE);
        assert!(single.half.is_infinite() && !single.is_told_apart());
        assert!(Estimate::of(&[1.0, f64::NAN], CONFIDENCE).mean.is_nan());
    }

    #[test]
    fn an_interval_covers_as_often_as_it_says() {
        use rand::RngExt;
        let mut stream = sim::Streams::new(5).stream("test", 0);
        let mut normal = || (0..12).map(|_| stream.random::<f64>()).sum::<f64>() - 6.0;
        let covered = (0..4000)
            .filter(|_| {
                let sample: Vec<f64> = (0..6).map(|_| 3.0 + normal()).collect();
                let estimate = Estimate::of(&sample, 0.9);
                estimate.low() <= 3.0 && 3.0 <= estimate.high()
            })
            .count();
        assert!((3500..3700).contains(&covered), "{covered} of 4000 cover");
    }
}
