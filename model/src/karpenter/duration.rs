//! Durations as Karpenter's objects spell them.

use std::time::Duration;

use jiff::SignedDuration;

/// Reads a duration such as `30s`, `1h30m` or `720h`: numbers, each with one of these letters after it.
///
/// The spelling is checked first: the parser would also take other units and words, which the API refuses
/// (karpenter v1.14 pkg/apis/v1/nodepool.go, validation patterns of NillableDuration).
pub(crate) fn parse(text: &str) -> Option<Duration> {
    let mut before = None;
    let spelt = text.chars().all(|c| {
        let sound = match c {
            's' | 'm' | 'h' => before.is_some_and(|before: char| before.is_ascii_digit()),
            _ => c.is_ascii_digit(),
        };
        before = Some(c);
        sound
    });
    if !spelt || !text.ends_with(['s', 'm', 'h']) {
        return None;
    }
    let duration: SignedDuration = text.parse().ok()?;
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
