//! Random durations and amounts as a scenario states them.

use std::time::Duration;

use rand_distr::{Distribution as _, Exp1, StandardNormal, StandardUniform};
use sim::Stream;

/// A distribution over non-negative numbers, in whatever unit its owner says (seconds, mostly).
///
/// ```
/// use model::distribution::Distribution;
/// use sim::Streams;
///
/// let boot = Distribution::LogNormal { median: 35.0, sigma: 0.2 };
/// let mut stream = Streams::new(1).stream("ec2/boot", 0);
/// assert!(boot.sample(&mut stream) > 10.0);
/// assert_eq!(Distribution::Constant(3.0).sample(&mut stream), 3.0);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub enum Distribution {
    /// Always the same.
    Constant(f64),
    /// Evenly between two bounds.
    Uniform {
        /// The least value.
        min: f64,
        /// The greatest value.
        max: f64,
    },
    /// Memoryless.
    Exponential {
        /// The mean.
        mean: f64,
    },
    /// The bell curve, cut off at zero.
    Normal {
        /// The mean.
        mean: f64,
        /// The standard deviation.
        sd: f64,
    },
    /// The logarithm is normal: a typical value and a tail.
    LogNormal {
        /// The median.
        median: f64,
        /// The standard deviation of the natural logarithm.
        sigma: f64,
    },
}

impl Distribution {
    /// One draw, never negative. A constant draws nothing from the stream.
    pub fn sample(&self, stream: &mut Stream) -> f64 {
        let drawn = match *self {
            Distribution::Constant(value) => value,
            Distribution::Uniform { min, max } => {
                let unit: f64 = StandardUniform.sample(stream);
                min + (max - min) * unit
            }
            Distribution::Exponential { mean } => {
                let unit: f64 = Exp1.sample(stream);
                mean * unit
            }
            Distribution::Normal { mean, sd } => {
                let unit: f64 = StandardNormal.sample(stream);
                mean + sd * unit
            }
            Distribution::LogNormal { median, sigma } => {
                let unit: f64 = StandardNormal.sample(stream);
                median * libm::exp(sigma * unit)
            }
        };
        drawn.max(0.0)
    }

    /// One draw, in seconds.
    pub fn sample_duration(&self, stream: &mut Stream) -> Duration {
        Duration::from_secs_f64(self.sample(stream))
    }

    /// The expected value (of the uncut distribution).
    #[must_use]
    pub fn mean(&self) -> f64 {
        match *self {
            Distribution::Constant(value) => value,
            Distribution::Uniform { min, max } => (min + max) / 2.0,
            Distribution::Exponential { mean } | Distribution::Normal { mean, .. } => mean,
            Distribution::LogNormal { median, sigma } => median * libm::exp(sigma * sigma / 2.0),
        }
    }

    /// The variance over the square of the mean (of the uncut distribution): 0 for a constant, 1 if memoryless.
    #[must_use]
    pub fn scatter(&self) -> f64 {
        let squared = |ratio: f64| ratio * ratio;
        match *self {
            Distribution::Constant(_) => 0.0,
            Distribution::Uniform { min, max } => squared((max - min) / self.mean()) / 12.0,
            Distribution::Exponential { .. } => 1.0,
            Distribution::Normal { mean, sd } => squared(sd / mean),
            Distribution::LogNormal { sigma, .. } => libm::expm1(sigma * sigma),
        }
    }

    /// The share of draws above `value`, which is not below zero.
    ///
    /// ```
    /// use model::distribution::Distribution;
    ///
    /// let work = Distribution::LogNormal { median: 0.1, sigma: 0.5 };
    /// assert_eq!(work.share_beyond(0.1), 0.5);
    /// assert_eq!(Distribution::Constant(0.1).share_beyond(0.1), 0.0);
    /// ```
    #[must_use]
    pub fn share_beyond(&self, value: f64) -> f64 {
        let normal = |deviations: f64| libm::erfc(deviations / std::f64::consts::SQRT_2) / 2.0;
        match *self {
            Distribution::Constant(own) => f64::from(u8::from(own > value)),
            Distribution::Uniform { min, max } if max > min => ((max - value) / (max - min)).clamp(0.0, 1.0),
            Distribution::Uniform { min, .. } => f64::from(u8::from(min > value)),
            Distribution::Exponential { mean } if mean > 0.0 => libm::exp(-value / mean),
            Distribution::Normal { mean, sd } if sd > 0.0 => normal((value - mean) / sd),
            Distribution::Exponential { mean } | Distribution::Normal { mean, .. } => {
                f64::from(u8::from(mean > value))
            }
            Distribution::LogNormal { median, sigma } if sigma > 0.0 => {
                normal(libm::log(value / median) / sigma)
            }
            Distribution::LogNormal { median, .. } => f64::from(u8::from(median > value)),
        }
    }
}
