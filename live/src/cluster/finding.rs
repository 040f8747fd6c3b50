//! What there is to say about a cluster or a plan.

use serde::Serialize;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Nothing can be done before it is solved.
    Problem,
    /// It can be done, and may not mean what was meant.
    Warning,
    /// Good to know.
    Note,
}

impl Level {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Level::Problem => "problem",
            Level::Warning => "warning",
            Level::Note => "note",
        }
    }
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// What is so: lower case, no full stop.
    pub message: String,
    /// What to do about it; empty if there is nothing to say.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub hint: String,
}

impl Finding {
    /// Something that must be solved.
    #[must_use]
    pub fn problem(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Finding {
            level: Level::Problem,
            message: message.into(),
            hint: hint.into(),
        }
    }

    /// Something that may not mean what was meant.
    #[must_use]
    pub fn warning(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Finding {
            level: Level::Warning,
            ..Finding::problem(message, hint)
        }
    }

    /// Something good to know.
    #[must_use]
    pub fn note(message: impl Into<String>) -> Self {
        Finding {
            level: Level::Note,
            ..Finding::problem(message, "")
        }
    }
}

/// Whether any is a problem.
#[must_use]
pub fn any_problem(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.level == Level::Problem)
}
