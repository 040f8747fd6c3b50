//! Codes of diagnostics and their explanations.

/// A code.
pub(super) struct Code {
    pub(super) code: &'static str,
    pub(super) title: &'static str,
    pub(super) text: &'static str,
}

/// The explanation of a code, in any letter case.
pub(super) fn explain(code: &str) -> Option<&'static str> {
    CODES
        .iter()
        .find(|own| own.code.eq_ignore_ascii_case(code.trim()))
        .map(|own| own.text)
}

pub(super) const CODES: &[Code] = &[];
