//! Requests from outside: how many a second, and how they clump.
//!
//! A shape gives the mean rate at each time, a process turns it into arrivals. In the flow form the mean
//! rate is the arrival rate; only the bursts of an MMPP, which last seconds, are kept.

use std::time::Duration;

use crate::distribution::Distribution;

/// An open-loop stream of requests: whoever sends does not wait for answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Arrivals {
    /// The mean rate over time.
    pub shape: Shape,
    /// How arrivals clump.
    pub process: Process,
    /// Network time there and back, seconds.
    pub network_delay: Distribution,
    /// How long the sender waits for an answer. `None`: for ever.
    pub timeout: Option<Duration>,
}

/// A mean rate over time. Times count from the start of the run; rates are requests a second.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// The same all the time.
    Constant {
        /// Requests a second.
        rate: f64,
    },
    /// One rate, then another.
    Step {
        /// Requests a second before.
        before: f64,
        /// Requests a second from then on.
        after: f64,
        /// When.
        at: Duration,
    },
    /// From one rate to another in a straight line.
    Ramp {
        /// Requests a second until `start`.
        from: f64,
        /// Requests a second from `end` on.
        to: f64,
        /// Where the line begins.
        start: Duration,
        /// Where it ends.
        end: Duration,
    },
    /// A daily tide: `mean + amplitude · sin(2π (t + offset) / period)`, never below zero.
    Sine {
        /// Requests a second on average.
        mean: f64,
        /// Requests a second from mean to crest.
        amplitude: f64,
        /// From crest to crest.
        period: Duration,
        /// How far into the period the run begins.
        offset: Duration,
    },
    /// A base with one burst on it.
    Spike {
        /// Requests a second outside.
        base: f64,
        /// Requests a second inside.
        peak: f64,
        /// Where it begins.
        at: Duration,
        /// How long it lasts.
        duration: Duration,
    },
    /// Points of a trace, in order of time, joined by straight lines; the first and the last value hold outside.
    Trace {
        /// Time and requests a second.
        points: Vec<(Duration, f64)>,
    },
}

/// How arrivals clump around the mean rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Process {
    /// Evenly spaced.
    Deterministic,
    /// Independent of one another.
    Poisson,
    /// A Markov-modulated Poisson process of two states whose long-run mean is the shape's.
    Mmpp {
        /// The rate in a burst over the mean rate, at least 1; `burst · share` at most 1.
        burst: f64,
        /// The share of time that is burst, above 0 and below 1.
        share: f64,
        /// The mean length of a burst (exponential).
        length: Duration,
    },
}
