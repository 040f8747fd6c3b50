//! Durations as Go and Prometheus spell them.

use std::time::Duration;

/// Reads a duration such as `90s`, `1h30m`, `5m`, `1.5s`, `250ms` or `2d`. `None` if it is none, or longer
/// than a hundred years.
///
/// ```
/// use std::time::Duration;
/// use model::document::go_duration;
///
/// assert_eq!(go_duration("1m30s"), Some(Duration::from_secs(90)));
/// assert_eq!(go_duration("90"), None);
/// ```
#[must_use]
pub fn go_duration(text: &str) -> Option<Duration> {
    let seconds = spelt(text).filter(|seconds| *seconds <= LONGEST_SECONDS)?;
    Some(Duration::from_nanos(libm::round(seconds * 1e9) as u64))
}

const LONGEST_SECONDS: f64 = 100.0 * 365.0 * 86_400.0;

/// What to say of a text that [`go_duration`] does not take; `such_as` are examples of what would do.
pub(crate) fn no_duration(text: &str, such_as: &str) -> String {
    match spelt(text) {
        Some(_) => format!("{text} is longer than can be meant"),
        None => misspelt(text, such_as),
    }
}

/// The same of a text that is no duration.
pub(crate) fn misspelt(text: &str, such_as: &str) -> String {
    format!("expected a duration such as {such_as}, found {text:?}")
}

/// A duration's seconds, however many.
fn spelt(text: &str) -> Option<f64> {
    let mut rest = text.trim();
    let mut total = 0.0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, unit) = rest.split_at(digits);
        let length = unit.find(|c: char| c.is_ascii_digit()).unwrap_or(unit.len());
        let seconds = match &unit[..length] {
            "ns" => 1e-9,
            "us" | "µs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            "d" => 86_400.0,
            "w" => 7.0 * 86_400.0,
            _ => return None,
        };
        let number: f64 = number.parse().ok()?;
        total += number * seconds;
        rest = &unit[length..];
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let check = |text, expected: Option<u64>| {
            assert_eq!(go_duration(text), expected.map(Duration::from_millis), "{text}");
        };
        check("30s", Some(30_000));
        check("1h30m", Some(5_400_000));
        check("1.5s", Some(1_500));
        check("250ms", Some(250));
        check("2d", Some(172_800_000));
        check("0s", Some(0));
        for none in [
            "",
            "5",
            "-5s",
            "5 s",
            "s",
            "1.2.3s",
            "5fortnights",
            "1e3s",
            "9999999999h",
        ] {
            check(none, None);
        }
    }

    #[test]
    fn what_is_too_long_is_not_called_misspelt() {
        let said = |text| no_duration(text, "30s or 5m");
        assert_eq!(said("3000000h"), "3000000h is longer than can be meant");
        assert_eq!(
            said("3000000"),
            "expected a duration such as 30s or 5m, found \"3000000\""
        );
    }
}
