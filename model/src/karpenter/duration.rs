//! Durations as Karpenter's objects spell them.

use std::time::Duration;

use jiff::SignedDuration;

/// Reads a duration such as `30s`, `1h30m` or `720h`.
///
/// The letters are checked first: the parser would also take longer words, which the API refuses
/// (karpenter v1.14 pkg/apis/v1/duration.go, validation pattern of NillableDuration).
pub(crate) fn parse(text: &str) -> Option<Duration> {
    let spelt = text.ends_with(['s', 'm', 'h']) && text.starts_with(|c: char| c.is_ascii_digit());
    let letters = text
        .chars()
        .all(|c| c.is_ascii_digit() || matches!(c, 's' | 'm' | 'h'));
    let duration: SignedDuration = text.parse().ok().filter(|_| spelt && letters)?;
    duration.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_spells_them() {
        assert_eq!(parse("720h"), Some(Duration::from_secs(720 * 3600)));
        assert_eq!(parse("1h30m"), Some(Duration::from_secs(5400)));
        assert_eq!(parse("0s"), Some(Duration::ZERO));
        for text in ["", "5", "5 m", "-5m", "five", "1d", "5ms", "5hours"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
