//! What a configuration must keep to: `latency_p95 <= 300ms`, and `latency_p95 <= 300ms for 99%` of the time.
//!
//! Time is looked at every 15 s. Stretches in which no request ends have no response time and do not count; where requests end
//! and all of them fail, it is beyond any limit.

use std::fmt;
use std::str::FromStr;

use model::cluster::record::Record;
use model::document::go_duration;

use crate::measure::{Measure, Series};

/// A bound on a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Constraint {
    /// As written.
    pub text: String,
    /// What is bounded.
    pub what: Bounded,
    /// Whether the bound is from above.
    pub at_most: bool,
    /// The bound: seconds, dollars, shares from 0 to 1.
    pub bound: f64,
}

/// What is bounded.
#[derive(Debug, Clone, PartialEq)]
pub enum Bounded {
    /// A run's number.
    Whole(Measure),
    /// The share of time in which a series keeps to a limit.
    Time {
        /// What is looked at.
        series: Series,
        /// Whether the limit is from above.
        at_most: bool,
        /// The limit.
        limit: f64,
    },
}

impl Constraint {
    /// A run's number that the bound is about.
    #[must_use]
    pub fn of(&self, record: &Record) -> f64 {
        match self.what {
            Bounded::Whole(measure) => measure.of(record),
            Bounded::Time {
                series,
                at_most,
                limit,
            } => series.share_within(record, |value| within(value, at_most, limit)),
        }
    }

    /// Whether a number keeps to the bound. One that a run does not have does not.
    #[must_use]
    pub fn keeps(&self, value: f64) -> bool {
        within(value, self.at_most, self.bound)
    }

    /// By how much a number misses the bound, in parts of the bound; 0 if it keeps to it.
    #[must_use]
    pub fn violation(&self, value: f64) -> f64 {
        if self.keeps(value) {
            return 0.0;
        }
        if value.is_nan() {
            return 1e9;
        }
        (value - self.bound).abs() / self.bound.abs().max(1e-9)
    }

    /// Whether no number keeps to this one and to another.
    #[must_use]
    pub(crate) fn excludes(&self, other: &Constraint) -> bool {
        let (low, high) = if self.at_most {
            (other, self)
        } else {
            (self, other)
        };
        self.what == other.what && self.at_most != other.at_most && low.bound > high.bound
    }

    /// Whether response times are needed.
    #[must_use]
    pub fn needs_latency(&self) -> bool {
        match self.what {
            Bounded::Whole(measure) => measure.needs_latency(),
            Bounded::Time { series, .. } => series == Series::LatencyP95,
        }
    }

    /// A value for people.
    #[must_use]
    pub fn show(&self, value: f64) -> String {
        match self.what {
            Bounded::Whole(measure) => measure.show(value),
            Bounded::Time { .. } if value.is_finite() => {
                format!("{} % of the time", crate::measure::significant(value * 100.0, 3))
            }
            Bounded::Time { .. } => "–".to_owned(),
        }
    }
}

fn within(value: f64, at_most: bool, bound: f64) -> bool {
    if at_most { value <= bound } else { value >= bound }
}

impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What is wrong with a constraint: lower case, no full stop.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Wrong(pub String);

impl FromStr for Constraint {
    type Err = Wrong;

    fn from_str(text: &str) -> Result<Self, Wrong> {
        let wrong = |message: String| Wrong(message);
        let (left, right, at_most) = match (text.split_once("<="), text.split_once(">=")) {
            (Some((left, right)), None) => (left.trim(), right.trim(), true),
            (None, Some((left, right))) => (left.trim(), right.trim(), false),
            _ => {
                return Err(wrong(format!(
                    "expected `MEASURE <= VALUE` or `MEASURE <= VALUE for 99%`, found {text:?}"
                )));
            }
        };
        let number = |text: &str| {
            number(text).ok_or_else(|| {
                wrong(format!(
                    "expected a number, a share such as 1% or a duration such as 300ms, found {text:?}"
                ))
            })
        };
        let constraint = match right.split_once(" for ") {
            Some((limit, share)) => {
                let series = Series::NAMED.iter().find(|(name, _)| *name == left);
                let known: Vec<&str> = Series::NAMED.iter().map(|(name, _)| *name).collect();
                let series = series.ok_or_else(|| {
                    wrong(format!(
                        "{left:?} is not known over time: there are {}",
                        known.join(", ")
                    ))
                })?;
                let share = number(share.trim_end_matches("of the time").trim())?;
                if !(0.0..=1.0).contains(&share) {
                    return Err(wrong(format!(
                        "expected a share of time from 0% to 100%, found {text:?}"
                    )));
                }
                Constraint {
                    text: text.to_owned(),
                    what: Bounded::Time {
                        series: series.1,
                        at_most,
                        limit: number(limit.trim())?,
                    },
                    at_most: false,
                    bound: share,
                }
            }
            None => {
                let measure = Measure::named(left).ok_or_else(|| {
                    let known: Vec<&str> = Measure::all().map(Measure::name).collect();
                    let near = model::document::closest(left, known.iter().copied());
                    wrong(match near {
                        Some(near) => format!("there is no measure {left:?}: did you mean {near}?"),
                        None => format!("there is no measure {left:?}: there are {}", known.join(", ")),
                    })
                })?;
                Constraint {
                    text: text.to_owned(),
                    what: Bounded::Whole(measure),
                    at_most,
                    bound: number(right)?,
                }
            }
        };
        Ok(constraint)
    }
}

/// A plain number, a percentage, or a duration in seconds.
fn number(text: &str) -> Option<f64> {
    let text = text.trim();
    let parsed = match text.strip_suffix('%') {
        Some(percent) => percent.trim().parse::<f64>().ok().map(|value| value / 100.0),
        None => text
            .parse::<f64>()
            .ok()
            .or_else(|| go_duration(&text.replace(' ', "")).map(|duration| duration.as_secs_f64())),
    };
    parsed.filter(|value| value.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, what: Bounded, at_most: bool, bound: f64) {
        let constraint: Constraint = text.parse().expect(text);
        assert_eq!((constraint.what, constraint.at_most), (what, at_most), "{text}");
        assert!((constraint.bound - bound).abs() < 1e-12, "{text}");
    }

    #[test]
    fn bounds_have_units() {
        check(
            "latency_p95 <= 300ms",
            Bounded::Whole(Measure::LatencyP95),
            true,
            0.3,
        );
        check(
            "failed_share<=0.1%",
            Bounded::Whole(Measure::FailedShare),
            true,
            0.001,
        );
        check("served >= 1e5", Bounded::Whole(Measure::Served), false, 1e5);
        check("cost <= 0.5", Bounded::Whole(Measure::Cost), true, 0.5);
        let time = Bounded::Time {
            series: Series::LatencyP95,
            at_most: true,
            limit: 0.3,
        };
        check("latency_p95 <= 300ms for 99%", time.clone(), false, 0.99);
        check("latency_p95 <= 300ms for 99 % of the time", time, false, 0.99);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let message = |text: &str| text.parse::<Constraint>().expect_err(text).0;
        assert!(message("latency_p95 300ms").starts_with("expected `MEASURE <= VALUE`"));
        assert!(message("latency_p59 <= 1s").contains("did you mean latency_p50"));
        assert!(message("latency_p95 <= soon").contains("found \"soon\""));
        assert!(message("cost <= 1 for 99%").contains("not known over time"));
        assert!(message("latency_p95 <= 1s for 120%").contains("share of time"));
        assert!(message("cost <= nan").contains("expected a number"));
    }

    #[test]
    fn violations_are_parts_of_the_bound() {
        let constraint: Constraint = "latency_p95 <= 200ms".parse().expect("parses");
        assert_eq!(constraint.violation(0.1), 0.0);
        assert!((constraint.violation(0.3) - 0.5).abs() < 1e-12);
        assert!(constraint.violation(f64::NAN) > 1e6 && !constraint.keeps(f64::NAN));
    }
}
