//! `scaletwin live`: what talks to a real cluster. Feature `live`.

pub(crate) mod args;
mod clean;
mod expect;
mod import;
mod intent;
mod kwok;
mod preflight;
mod record;
mod run;
mod signals;
mod traffic;
mod view;

use std::future::Future;

use args::{LiveArgs, LiveCommand};
use live::cluster::finding::{Finding, Level};
use model::scenario::Severity;
use serde_json::json;

use super::Answer;
use crate::args::Format;
use crate::failure::{Failure, style};
use crate::output::{print, print_json};

/// Does what was typed after `live`.
pub(crate) fn live(args: &LiveArgs) -> Result<Answer, Failure> {
    match &args.command {
        LiveCommand::Preflight(args) => preflight::preflight(args),
        LiveCommand::Run(args) => run::run(args),
        LiveCommand::Record(args) => record::record(args),
        LiveCommand::Import(args) => import::import(args),
        LiveCommand::Clean(args) => clean::clean(args),
        LiveCommand::Kwok(args) => kwok::kwok(args),
        LiveCommand::Traffic(args) => traffic::traffic(args),
    }
}

/// Runs what waits for a network, to its end.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("cannot wait for a network: {error}")))?;
    Ok(runtime.block_on(future))
}

/// EC2 and the tag of the cluster's machines, if they are to be recorded.
#[cfg(feature = "ec2")]
async fn machines(
    tag: Option<&live::ec2::Tag>,
    region: Option<&str>,
) -> Option<(live::ec2::Client, live::ec2::Tag)> {
    let tag = tag?;
    Some((live::ec2::connect(region).await, tag.clone()))
}

impl From<live::cluster::Error> for Failure {
    fn from(error: live::cluster::Error) -> Self {
        Failure::new(error.to_string())
    }
}

/// Findings, worst first, as `check` prints problems.
fn findings_text(findings: &[Finding]) -> String {
    let mut text = String::new();
    for finding in findings {
        let style = style(match finding.level {
            Level::Problem => Severity::Error,
            Level::Warning => Severity::Warning,
            Level::Note => Severity::Advice,
        });
        let word = finding.level.as_str();
        text.push_str(&format!("{style}{word}{style:#}: {}\n", finding.message));
        if !finding.hint.is_empty() {
            text.push_str(&format!("    {}\n", finding.hint));
        }
    }
    text
}

/// How many problems and warnings there are.
fn count_text(findings: &[Finding]) -> String {
    let count = |level, one: &str| {
        let count = findings.iter().filter(|finding| finding.level == level).count();
        format!("{count} {one}{}", if count == 1 { "" } else { "s" })
    };
    format!(
        "{}, {}\n",
        count(Level::Problem, "problem"),
        count(Level::Warning, "warning")
    )
}

/// Prints findings as one asks for them.
fn print_findings(findings: &[Finding], format: Format) -> Result<(), Failure> {
    match format {
        Format::Text => print(&(findings_text(findings) + &count_text(findings))),
        Format::Json => findings
            .iter()
            .try_for_each(|finding| print_json("finding", json!(finding))),
    }
}
