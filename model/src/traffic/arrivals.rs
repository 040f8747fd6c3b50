//! Requests from outside: how many a second, and how they clump.
//!
//! A shape gives the mean rate at each time, a process turns it into arrivals. In the flow form the mean
//! rate is the arrival rate; only the bursts of an MMPP, which last seconds, are kept.

use std::time::Duration;

use rand::RngExt;
use sim::Stream;

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

impl Shape {
    /// The mean rate from `at` on, and until when that may be taken as constant: to the next corner, or for
    /// a two-hundredth of a tide or a line, and `grain` seconds at most, where the rate moves.
    #[must_use]
    pub fn stretch(&self, at: f64, grain: f64) -> (f64, f64) {
        match self {
            &Shape::Constant { rate } => (rate, f64::INFINITY),
            &Shape::Step {
                before,
                after,
                at: step,
            } => {
                let step = step.as_secs_f64();
                if at < step {
                    (before, step)
                } else {
                    (after, f64::INFINITY)
                }
            }
            &Shape::Ramp { from, to, start, end } => {
                line(at, grain, start.as_secs_f64(), from, end.as_secs_f64(), to)
            }
            &Shape::Sine { mean, amplitude, .. } if mean + amplitude.abs() <= 0.0 => (0.0, f64::INFINITY),
            &Shape::Sine {
                mean,
                amplitude,
                period,
                offset,
            } => {
                let until = at + grain.min(period.as_secs_f64() / PIECES);
                let turns = ((at + until) / 2.0 + offset.as_secs_f64()) / period.as_secs_f64();
                let rate = mean + amplitude * libm::sin(std::f64::consts::TAU * turns);
                (rate.max(0.0), until)
            }
            &Shape::Spike {
                base,
                peak,
                at: spike,
                duration,
            } => {
                let (start, end) = (spike.as_secs_f64(), (spike + duration).as_secs_f64());
                match () {
                    () if at < start => (base, start),
                    () if at < end => (peak, end),
                    () => (base, f64::INFINITY),
                }
            }
            Shape::Trace { points } => trace(points, at, grain),
        }
    }
}

/// Steps that a moving rate is cut into.
const PIECES: f64 = 200.0;

/// A straight line from one point to another, level outside.
fn line(at: f64, grain: f64, start: f64, from: f64, end: f64, to: f64) -> (f64, f64) {
    if at < start {
        return (from, start);
    }
    if at >= end {
        return (to, f64::INFINITY);
    }
    let until = (at + grain.min((end - start) / PIECES)).min(end);
    if from == to {
        return (from, end);
    }
    let middle = ((at + until) / 2.0 - start) / (end - start);
    (from + (to - from) * middle, until)
}

fn trace(points: &[(Duration, f64)], at: f64, grain: f64) -> (f64, f64) {
    let next = points.partition_point(|(time, _)| time.as_secs_f64() <= at);
    match (next.checked_sub(1).map(|last| points[last]), points.get(next)) {
        (Some((start, from)), Some(&(end, to))) => {
            line(at, grain, start.as_secs_f64(), from, end.as_secs_f64(), to)
        }
        (Some((_, last)), None) => (last, f64::INFINITY),
        (None, Some(&(first, rate))) => (rate, first.as_secs_f64()),
        (None, None) => (0.0, f64::INFINITY),
    }
}

/// A source of arrivals: a shape with the state of its process.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) arrivals: Arrivals,
    stream: Stream,
    /// Only an MMPP's: whether it bursts, and until when.
    bursting: bool,
    state_until: f64,
}

impl Source {
    pub(super) fn new(arrivals: Arrivals, mut stream: Stream) -> Self {
        let (bursting, state_until) = match arrivals.process {
            Process::Mmpp { share, .. } => (stream.random::<f64>() < share, 0.0),
            Process::Deterministic | Process::Poisson => (false, f64::INFINITY),
        };
        let mut source = Source {
            arrivals,
            stream,
            bursting: !bursting,
            state_until,
        };
        source.change_state(0.0);
        source
    }

    /// Turns an MMPP's state over as often as it does by `at`.
    fn change_state(&mut self, at: f64) {
        let Process::Mmpp { share, length, .. } = self.arrivals.process else {
            return;
        };
        while self.state_until <= at {
            self.bursting = !self.bursting;
            let quiet = length.as_secs_f64() * (1.0 - share) / share;
            let mean = if self.bursting {
                length.as_secs_f64()
            } else {
                quiet
            };
            self.state_until += Distribution::Exponential { mean }
                .sample(&mut self.stream)
                .max(1e-6);
        }
    }

    /// The rate from `at` on and until when it holds, all in seconds. Ask in order of time.
    pub(super) fn stretch(&mut self, at: f64, grain: f64) -> (f64, f64) {
        self.change_state(at);
        let (rate, until) = self.arrivals.shape.stretch(at, grain);
        let factor = match self.arrivals.process {
            Process::Mmpp { burst, .. } if self.bursting => burst,
            Process::Mmpp { burst, share, .. } => ((1.0 - share * burst) / (1.0 - share)).max(0.0),
            Process::Deterministic | Process::Poisson => 1.0,
        };
        (rate * factor, until.min(self.state_until))
    }

    /// When the next request after one at `last` comes, seconds; `None` if never.
    pub(super) fn next(&mut self, last: f64) -> Option<f64> {
        let mut wanted = match self.arrivals.process {
            Process::Deterministic => 1.0,
            Process::Poisson | Process::Mmpp { .. } => {
                Distribution::Exponential { mean: 1.0 }.sample(&mut self.stream)
            }
        };
        let mut at = last;
        loop {
            let (rate, until) = self.stretch(at, 0.25);
            let room = if rate > 0.0 { rate * (until - at) } else { 0.0 };
            if room >= wanted {
                return Some(at + wanted / rate);
            }
            let dry = self.arrivals.shape.stretch(at, 0.25) == (0.0, f64::INFINITY);
            if dry || until == f64::INFINITY {
                return None;
            }
            wanted -= room;
            at = until;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sim::Streams;

    fn count(shape: Shape, process: Process, until: f64) -> u32 {
        let arrivals = Arrivals {
            shape,
            process,
            network_delay: Distribution::Constant(0.0),
            timeout: None,
        };
        let mut source = Source::new(arrivals, Streams::new(3).stream("traffic/arrivals", 0));
        let (mut at, mut arrived) = (0.0, 0);
        while let Some(next) = source.next(at).filter(|&next| next < until) {
            (at, arrived) = (next, arrived + 1);
        }
        arrived
    }

    #[test]
    fn the_integral_of_the_rate_arrives() {
        let secs = Duration::from_secs;
        let ramp = Shape::Ramp {
            from: 0.0,
            to: 10.0,
            start: secs(10),
            end: secs(30),
        };
        assert_eq!(count(ramp, Process::Deterministic, 40.001), 200);
        let spike = Shape::Spike {
            base: 1.0,
            peak: 20.0,
            at: secs(10),
            duration: secs(5),
        };
        assert_eq!(count(spike, Process::Deterministic, 20.001), 115);
        let tide = Shape::Sine {
            mean: 5.0,
            amplitude: 5.0,
            period: secs(60),
            offset: secs(0),
        };
        assert!((295..=305).contains(&count(tide, Process::Deterministic, 60.001)));
        let points = vec![
            (secs(0), 0.0),
            (secs(10), 10.0),
            (secs(20), 10.0),
            (secs(30), 0.0),
        ];
        let trace = Shape::Trace { points };
        assert!((199..=200).contains(&count(trace, Process::Deterministic, 1000.0)));
    }

    #[test]
    fn clumps_do_not_change_the_mean() {
        let rate = Shape::Constant { rate: 50.0 };
        let poisson = count(rate.clone(), Process::Poisson, 1000.0);
        assert!((49_000..51_000).contains(&poisson), "{poisson}");
        let bursts = Process::Mmpp {
            burst: 4.0,
            share: 0.1,
            length: Duration::from_secs(2),
        };
        let mmpp = count(rate, bursts, 10_000.0);
        assert!((480_000..520_000).contains(&mmpp), "{mmpp}");
    }
}
