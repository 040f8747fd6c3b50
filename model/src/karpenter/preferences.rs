//! Preferences of pods.

/// The position of the heaviest term; the first among equals.
///
/// Upstream sorts unstably, so that among equals any may be taken; here it is the first.
pub(crate) fn heaviest<T>(terms: &[T], weight: impl Fn(&T) -> i32) -> Option<usize> {
    let heaviest = terms.iter().map(&weight).max()?;
    terms.iter().position(|term| weight(term) == heaviest)
}
