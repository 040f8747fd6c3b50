//! The verbs, one file each.

mod accuracy;
mod calibrate;
mod catalog;
mod check;
mod compare;
#[cfg(feature = "live")]
pub(crate) mod live;
mod plot;
mod recommend;
#[cfg(feature = "ec2")]
mod refresh;
mod run;
mod sweep;

use crate::args::Command;
#[cfg(feature = "ec2")]
use crate::args::{CatalogArgs, CatalogCommand};
use crate::failure::Failure;

/// How a command that ran ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Exit status 0.
    Done,
    /// It ran, and what was asked for is not so: exit status 1.
    No,
}

/// Does what was typed.
pub(crate) fn execute(command: Command) -> Result<Answer, Failure> {
    match command {
        Command::Run(args) => run::run(&args),
        Command::Sweep(args) => sweep::sweep(&args),
        Command::Recommend(args) => recommend::recommend(&args),
        Command::Check(args) => check::check(&args),
        #[cfg(feature = "ec2")]
        Command::Catalog(CatalogArgs {
            command: Some(CatalogCommand::Refresh(args)),
            ..
        }) => refresh::refresh(&args),
        Command::Catalog(args) => catalog::catalog(&args),
        Command::Accuracy(args) => accuracy::accuracy(&args),
        Command::Calibrate(args) => calibrate::calibrate(&args),
        Command::Compare(args) => compare::compare(&args),
        Command::Plot(args) => plot::plot(&args),
        #[cfg(feature = "live")]
        Command::Live(args) => live::live(&args),
        #[cfg(not(feature = "live"))]
        Command::Live(args) => {
            let typed = args.rest.join(" ");
            let message = format!("`live {typed}` is not in this build, which talks to no cluster");
            Err(Failure::new(message).hint("build it with `cargo build --release --features live`"))
        }
    }
}
