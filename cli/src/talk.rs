//! What is said on stderr while a command works.

use std::io::IsTerminal as _;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use model::scenario::Report;

use crate::failure::Colored;

/// Says something in passing.
pub(crate) fn say(text: &str) {
    anstream::eprintln!("{text}");
}

/// Says what there is to say about a scenario that can run.
pub(crate) fn report(report: &Report) {
    report
        .problems
        .iter()
        .for_each(|problem| anstream::eprintln!("{}", Colored(problem)));
}

/// A bar for runs that are done out of all, on a terminal; nothing elsewhere, and nothing for one run.
pub(crate) fn progress(runs: usize) -> ProgressBar {
    if runs < 2 || !std::io::stderr().is_terminal() {
        return ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
    }
    let color = if std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) {
        ""
    } else {
        ".cyan"
    };
    let template = format!("{{bar:40{color}}} {{pos}}/{{len}} runs, {{eta}} left");
    let style = ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(runs as u64).with_style(style)
}

/// A bar for a sweep, whose length grows as it goes; nothing where stderr is no terminal.
pub(crate) fn sweep_progress() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let color = if std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) {
        ""
    } else {
        ".cyan"
    };
    let template = format!("{{bar:30{color}}} {{pos}}/{{len}} runs, {{msg}}, {{eta}} left");
    let style = ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(0).with_style(style)
}
