//! Why a command could not run, as a person reads it.

use std::fmt;

use anstyle::{AnsiColor, Style};
use model::scenario::{Diagnostic, Report, Severity};

/// A command that could not run: a message, and what to do about it. Exit code 2.
#[derive(Debug)]
pub(crate) struct Failure {
    problems: Vec<Diagnostic>,
    message: String,
    hint: Option<String>,
}

impl Failure {
    /// What went wrong: lower case, no full stop.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Failure {
            problems: Vec::new(),
            message: message.into(),
            hint: None,
        }
    }

    /// Everything that is wrong with a scenario.
    pub(crate) fn reported(report: Report, scenario: &str) -> Self {
        let errors = report.count(Severity::Error);
        let message = format!(
            "{scenario} cannot run: {errors} error{}",
            if errors == 1 { "" } else { "s" }
        );
        let code = report
            .problems
            .iter()
            .find(|problem| problem.severity == Severity::Error);
        let hint = code.map(|problem| {
            format!(
                "`scaletwin check --explain {}` says more about a code",
                problem.code
            )
        });
        Failure {
            problems: report.problems,
            message,
            hint,
        }
    }

    /// What is wrong with the scenario, if it is that.
    pub(crate) fn problems(&self) -> &[Diagnostic] {
        &self.problems
    }

    /// What to do about it.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// Bold red for errors, yellow for warnings, blue for advice and hints. Whoever prints strips what the
/// terminal cannot show.
pub(crate) fn style(severity: Severity) -> Style {
    let color = match severity {
        Severity::Error => AnsiColor::Red,
        Severity::Warning => AnsiColor::Yellow,
        Severity::Advice => AnsiColor::Blue,
    };
    color.on_default().bold()
}

/// A problem with its place, and its severity in colour.
pub(crate) struct Colored<'a>(pub(crate) &'a Diagnostic);

impl fmt::Display for Colored<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = self.0.severity.as_str();
        let plain = self.0.to_string();
        let style = style(self.0.severity);
        let marker = format!("{word}[");
        write!(
            f,
            "{}",
            plain.replacen(&marker, &format!("{style}{word}{style:#}["), 1)
        )
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.problems {
            writeln!(f, "{}", Colored(problem))?;
        }
        let (error, hint) = (style(Severity::Error), style(Severity::Advice));
        write!(f, "{error}error{error:#}: {}", self.message)?;
        match &self.hint {
            Some(text) => write!(f, "\n{hint}hint{hint:#}: {text}"),
            None => Ok(()),
        }
    }
}
