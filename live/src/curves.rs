//! Curves recorded elsewhere, as CSV files.
//!
//! The layout is the measured CPU run's: a directory of `*-rps.csv`, `*-pods.csv` and `*-nodes.csv`, each
//! with a column `t_s` (seconds since the first sample) and either `value` or one column a node type and
//! `total`.

use std::fmt::Write as _;
use std::io::Read;
use std::time::Duration;

use sim::{Instant, StepSeries};

/// Why a file of curves could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is no CSV.
    #[error("line {line}: {message}")]
    Line {
        /// Where.
        line: u64,
        /// What is wrong there.
        message: String,
    },
    /// A column is missing.
    #[error("expected a column {0:?}")]
    Column(&'static str),
}

/// The curves of one file: a name for each column of numbers, and its readings.
#[derive(Debug, Clone, Default)]
pub struct Curves {
    /// Name and readings: seconds since the file's zero, value.
    pub columns: Vec<(String, Vec<(f64, f64)>)>,
    /// The time of day at the file's zero, in seconds, if a column `time` says it.
    pub clock: Option<f64>,
}

impl Curves {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// When it is no CSV, has no `t_s`, or holds something that is no number in a column of numbers.
    pub fn read(text: impl Read) -> Result<Self, Error> {
        let mut reader = csv::Reader::from_reader(text);
        let header = reader.headers().map_err(|error| line_error(&error))?.clone();
        let time = header
            .iter()
            .position(|name| name == "t_s")
            .ok_or(Error::Column("t_s"))?;
        let time_of_day_column = header.iter().position(|name| name == "time");
        let (mut clock, mut last) = (None, f64::NEG_INFINITY);
        let skipped = ["time", "t_s", "flag", "sources", "spread", "value_raw"];
        let kept: Vec<usize> = (0..header.len())
            .filter(|&i| !skipped.contains(&&header[i]))
            .collect();
        let mut columns: Vec<(String, Vec<(f64, f64)>)> =
            kept.iter().map(|&i| (header[i].to_owned(), Vec::new())).collect();
        for row in reader.records() {
            let row = row.map_err(|error| line_error(&error))?;
            let line = row.position().map_or(0, csv::Position::line);
            let number = |i: usize| {
                row[i].trim().parse::<f64>().map_err(|_| Error::Line {
                    line,
                    message: format!(
                        "expected a number in column {:?}, found {:?}",
                        &header[i], &row[i]
                    ),
                })
            };
            let at = number(time)?;
            if !at.is_finite() {
                return Err(Error::Line {
                    line,
                    message: format!("expected seconds in t_s, found {at}"),
                });
            }
            if at < last {
                return Err(Error::Line {
                    line,
                    message: format!("t_s falls from {last} to {at}"),
                });
            }
            last = at;
            if clock.is_none() {
                clock = time_of_day_column
                    .and_then(|i| time_of_day(&row[i]))
                    .map(|clock| clock - at);
            }
            for (slot, &i) in kept.iter().enumerate() {
                if !row[i].is_empty() {
                    columns[slot].1.push((at, number(i)?));
                }
            }
        }
        Ok(Curves { columns, clock })
    }

    /// The readings of a column.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&[(f64, f64)]> {
        self.columns
            .iter()
            .find(|(column, _)| column == name)
            .map(|(_, readings)| readings.as_slice())
    }
}

fn line_error(error: &csv::Error) -> Error {
    let line = error.position().map_or(0, csv::Position::line);
    Error::Line {
        line,
        message: error.to_string(),
    }
}

/// `HH:MM:SS` or `HH:MM` as seconds since midnight.
#[must_use]
pub fn time_of_day(text: &str) -> Option<f64> {
    let parts: Vec<u32> = text
        .trim()
        .split(':')
        .map(|part| part.parse().ok())
        .collect::<Option<_>>()?;
    match parts[..] {
        [h, m] if h < 24 && m < 60 => Some(f64::from(h * 3600 + m * 60)),
        [h, m, s] if h < 24 && m < 60 && s < 60 => Some(f64::from(h * 3600 + m * 60 + s)),
        _ => None,
    }
}

/// A moment by its seconds since second zero; what was before that is at zero.
#[must_use]
pub fn instant(seconds: f64) -> Instant {
    Instant::ZERO + Duration::from_secs_f64(seconds.max(0.0))
}

/// Readings as a step curve: each holds until the next. `zero` is the run's second at the file's second zero;
/// of readings before the run's start the last one counts. What is not there is zero, as on a dashboard.
#[must_use]
pub fn step_curve(readings: &[(f64, f64)], zero: f64) -> StepSeries {
    let mut series = StepSeries::new();
    for &(at, value) in readings {
        series.set(instant(zero + at), if value.is_finite() { value } else { 0.0 });
    }
    series
}

/// The first and the last time of readings: before the first nothing is known.
#[must_use]
pub fn span<'r>(readings: impl IntoIterator<Item = &'r (f64, f64)>) -> (f64, f64) {
    let times = readings.into_iter().map(|reading| reading.0);
    times.fold((f64::INFINITY, 0.0), |(first, last), at| {
        (first.min(at), last.max(at))
    })
}

/// Writes a number as our CSV files have it: at most six decimals, and none that say nothing.
///
/// ```
/// let mut text = String::new();
/// for value in [1.0, 83.230_000_1, -0.0] {
///     live::curves::push_number(&mut text, value);
///     text.push(' ');
/// }
/// assert_eq!(text, "1 83.23 0 ");
/// ```
pub fn push_number(text: &mut String, value: f64) {
    /// Up to here every whole number can be told apart.
    const WHOLE: f64 = 9_007_199_254_740_992.0;
    let start = text.len();
    // Most are counts, and decimals that are cut off again are dear.
    if value.fract() == 0.0 && value.abs() <= WHOLE {
        let _ = write!(text, "{}", value as i64);
        return;
    }
    let _ = write!(text, "{value:.6}");
    while text.ends_with('0') {
        text.pop();
    }
    if text.ends_with('.') {
        text.pop();
    }
    if &text[start..] == "-0" {
        text.replace_range(start.., "0");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_of_numbers_are_curves() {
        let text = "time,t_s,c5.xlarge,total,flag\n13:40:30,0,2,2,\n13:40:45,15,2,3,transient\n";
        let curves = Curves::read(text.as_bytes()).unwrap();
        assert_eq!(curves.column("total").unwrap(), [(0.0, 2.0), (15.0, 3.0)]);
        assert!(curves.column("flag").is_none());
        assert_eq!(curves.clock, Some(13.0 * 3600.0 + 40.0 * 60.0 + 30.0));
    }

    #[test]
    fn readings_hold_until_the_next() {
        let curve = step_curve(&[(0.0, 1.0), (10.0, 2.0), (20.0, f64::NAN), (30.0, 3.0)], -10.0);
        let at = |seconds| curve.at(Instant::from_secs(seconds));
        assert_eq!([0, 9, 10, 20].map(at), [2.0, 2.0, 0.0, 3.0]);
    }

    #[test]
    fn times_of_day() {
        assert_eq!(time_of_day("13:40:30"), Some(49_230.0));
        assert_eq!(time_of_day("13:40"), Some(49_200.0));
        assert_eq!(
            [time_of_day("24:00"), time_of_day("1340"), time_of_day("")],
            [None, None, None]
        );
    }

    #[test]
    fn a_bad_number_is_named_with_its_line() {
        let error = Curves::read("t_s,value\n0,1\n15,many\n".as_bytes()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "line 3: expected a number in column \"value\", found \"many\""
        );
    }
}
