//! Problems, as a person reads them.

use std::fmt;

use super::tree::Place;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The scenario cannot run.
    Error,
    /// It runs, without something that was written.
    Warning,
    /// It runs as written, but perhaps not as meant.
    Advice,
}

impl Severity {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Advice => "advice",
        }
    }
}

/// One problem or piece of advice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// Its code, to be explained by [`crate::scenario::explain`].
    pub code: &'static str,
    /// The file, relative to the scenario's directory.
    pub file: String,
    /// The line, from 1; 0 if it is about the whole file.
    pub line: u32,
    /// The column, from 1; 0 if it is about the whole file.
    pub column: u32,
    /// The field, as in `spec.triggers[0].metadata.threshold`, after the object's kind and name if it has
    /// one; empty if there is none.
    pub field: String,
    /// What is wrong: lower case, no full stop.
    pub message: String,
    /// What to do about it; empty if that is plain.
    pub hint: String,
}

impl Diagnostic {
    /// Where it is.
    #[must_use]
    pub fn place(&self) -> Place {
        Place {
            line: self.line,
            column: self.column,
        }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Diagnostic {
            file, line, column, ..
        } = self;
        match line {
            0 => write!(f, "{file}: ")?,
            _ => write!(f, "{file}:{line}:{column}: ")?,
        }
        write!(f, "{}[{}]", self.severity.as_str(), self.code)?;
        if !self.field.is_empty() {
            write!(f, " {}", self.field)?;
        }
        write!(f, ": {}", self.message)?;
        if !self.hint.is_empty() {
            write!(f, "\n  hint: {}", self.hint)?;
        }
        Ok(())
    }
}

/// All that was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// In the order of files and lines.
    pub problems: Vec<Diagnostic>,
}

impl Report {
    /// Sorted by file and place, each problem once.
    #[must_use]
    pub fn new(mut problems: Vec<Diagnostic>) -> Self {
        problems.sort_by(|a, b| (&a.file, a.place(), &a.message).cmp(&(&b.file, b.place(), &b.message)));
        problems.dedup();
        Report { problems }
    }

    /// Whether something keeps the scenario from running.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.count(Severity::Error) > 0
    }

    /// How many there are of a severity.
    #[must_use]
    pub fn count(&self, severity: Severity) -> usize {
        self.problems
            .iter()
            .filter(|problem| problem.severity == severity)
            .count()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problems
            .iter()
            .try_for_each(|problem| writeln!(f, "{problem}"))
    }
}
