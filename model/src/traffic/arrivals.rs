//! Requests from outside: how many a second, and how they clump.
//!
//! A shape gives the mean rate at each time, a process turns it into arrivals, piece by piece: how many come in a
//! piece of some seconds is drawn first, and is the same in both fidelities; then, request by request, when.

use std::time::Duration;

use rand::RngExt;
use rand_distr::{Distribution as _, Poisson};
use sim::{Stream, Streams};

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

impl Arrivals {
    /// The network between senders and proxies takes time.
    #[must_use]
    pub fn is_far(&self) -> bool {
        self.network_delay != Distribution::Constant(0.0)
    }
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

    /// The highest mean rate at any time.
    #[must_use]
    pub fn most(&self) -> f64 {
        match *self {
            Shape::Constant { rate } => rate,
            Shape::Step { before, after, .. } => before.max(after),
            Shape::Ramp { from, to, .. } => from.max(to),
            Shape::Sine { mean, amplitude, .. } => mean + amplitude.abs(),
            Shape::Spike { base, peak, .. } => base.max(peak),
            Shape::Trace { ref points } => points.iter().map(|&(_, rate)| rate).fold(0.0, f64::max),
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

/// The longest piece of time for which a count is drawn, seconds: as often as Prometheus scrapes.
const PIECE: f64 = 15.0;
/// A moving rate of evenly spaced arrivals is taken as constant for so long at most, seconds.
const EVEN_PIECE: f64 = 0.25;

/// A time of one mean rate, and what comes in it. Times are seconds.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Piece {
    from: f64,
    pub(super) until: f64,
    /// Requests a second to be expected.
    pub(super) mean: f64,
    /// Requests a second that come.
    pub(super) rate: f64,
    /// Of those that come one by one: how many are still to come.
    left: f64,
}

/// A source of arrivals: a shape with the state of its process.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) arrivals: Arrivals,
    /// For counts and bursts.
    stream: Stream,
    /// For when in a piece.
    times: Stream,
    piece: Piece,
    /// Only an MMPP's: whether it bursts, and until when.
    bursting: bool,
    state_until: f64,
}

impl Source {
    /// The sources of a run.
    pub(super) fn all(arrivals: &[Arrivals], streams: Streams) -> Vec<Source> {
        let numbered = arrivals.iter().zip(0..);
        let source = |(arrivals, number): (&Arrivals, u64)| {
            let times = streams.stream("traffic/arrival-times", number);
            Source::new(
                arrivals.clone(),
                streams.stream("traffic/arrivals", number),
                times,
            )
        };
        numbered.map(source).collect()
    }

    fn new(arrivals: Arrivals, mut stream: Stream, times: Stream) -> Self {
        let (bursting, state_until) = match arrivals.process {
            Process::Mmpp { share, .. } => (stream.random::<f64>() < share, 0.0),
            Process::Deterministic | Process::Poisson => (false, f64::INFINITY),
        };
        let mut source = Source {
            arrivals,
            stream,
            times,
            piece: Piece::default(),
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

    /// Requests a second to be expected at present.
    pub(super) fn mean(&self) -> f64 {
        self.piece.mean
    }

    /// The piece that `at` (seconds) is in. Ask in order of time.
    pub(super) fn piece(&mut self, at: f64, even: f64) -> Piece {
        while self.piece.until <= at {
            self.begin_piece(even);
        }
        self.piece
    }

    /// The next piece begins; evenly spaced arrivals' lasts for `even` seconds at most if the rate moves.
    fn begin_piece(&mut self, even: f64) {
        let from = self.piece.until;
        self.change_state(from);
        let (grain, factor) = match self.arrivals.process {
            Process::Mmpp { burst, .. } if self.bursting => (PIECE, burst),
            Process::Mmpp { burst, share, .. } => (PIECE, ((1.0 - share * burst) / (1.0 - share)).max(0.0)),
            Process::Poisson => (PIECE, 1.0),
            Process::Deterministic => (even, 1.0),
        };
        let (rate, until) = self.arrivals.shape.stretch(from, grain);
        let mean = rate * factor;
        self.piece = Piece {
            from,
            until,
            mean,
            rate: mean,
            left: 0.0,
        };
        if self.arrivals.process != Process::Deterministic && rate > 0.0 {
            let until = until.min(self.state_until).min(from + PIECE);
            let left = poisson(mean * (until - from), &mut self.stream);
            let rate = left / (until - from);
            self.piece = Piece {
                until,
                rate,
                left,
                ..self.piece
            };
        }
    }

    /// When the next request after one at `last` comes, seconds; `None` if never.
    pub(super) fn next(&mut self, last: f64) -> Option<f64> {
        let mut at = last;
        let mut wanted = 1.0;
        loop {
            let piece = self.piece(at, EVEN_PIECE);
            if self.arrivals.process == Process::Deterministic {
                let room = piece.rate * (piece.until - at);
                if piece.rate > 0.0 && room >= wanted {
                    return Some(at + wanted / piece.rate);
                }
                wanted -= room;
            } else if piece.left > 0.0 {
                // The first of so many that are spread evenly over what is left of the piece.
                let spread = Distribution::Exponential { mean: 1.0 }.sample(&mut self.times);
                let share = -libm::expm1(-spread / piece.left);
                self.piece.left -= 1.0;
                return Some((at.max(piece.from) + (piece.until - at) * share).min(piece.until));
            }
            if piece.until == f64::INFINITY {
                return None;
            }
            at = piece.until;
        }
    }
}

/// How many of independent events happen where so many are expected.
fn poisson(mean: f64, stream: &mut Stream) -> f64 {
    Poisson::new(mean).map_or(0.0, |counts| counts.sample(stream))
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
        let mut source = Source::all(&[arrivals], Streams::new(3)).remove(0);
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

    /// What comes in a piece is drawn once: whoever takes it as a rate and whoever takes one request after the other
    /// get as many.
    #[test]
    fn counts_are_drawn_before_times() {
        let arrivals = Arrivals {
            shape: Shape::Constant { rate: 20.0 },
            process: Process::Poisson,
            network_delay: Distribution::Constant(0.0),
            timeout: None,
        };
        let source = || Source::all(std::slice::from_ref(&arrivals), Streams::new(3)).remove(0);
        let (mut rates, mut times) = (source(), source());
        let (mut at, mut counts) = (0.0, Vec::new());
        for piece in 0..2000 {
            let drawn = rates.piece(15.0 * f64::from(piece), 60.0);
            let count = (drawn.rate * (drawn.until - drawn.from)).round();
            for _ in 0..count as u32 {
                at = times.next(at).unwrap();
                assert!((drawn.from..=drawn.until).contains(&at), "{at}");
            }
            counts.push(count);
        }
        let mean = counts.iter().sum::<f64>() / 2000.0;
        let variance = counts
            .iter()
            .map(|count| (count - mean) * (count - mean))
            .sum::<f64>()
            / 2000.0;
        assert!((297.0..303.0).contains(&mean), "{mean}");
        assert!((270.0..330.0).contains(&variance), "{variance}");
    }
}
