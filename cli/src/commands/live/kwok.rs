//! `scaletwin live kwok`

use live::rehearsal;
use serde_json::json;

use super::args::KwokArgs;
use crate::args::Format;
use crate::commands::Answer;
use crate::experiment;
use crate::failure::Failure;
use crate::output::{OutputDir, print, print_json};
use crate::talk;

/// Writes the files with which a cluster of made-up nodes stands in for EKS.
pub(crate) fn kwok(args: &KwokArgs) -> Result<Answer, Failure> {
    let (scenario, report) = experiment::load(&args.dir, &args.sets)?;
    let out = OutputDir::open(&args.out)?;
    talk::report(&report);
    let files: Vec<(&str, Vec<u8>)> = rehearsal::files(&scenario)
        .into_iter()
        .map(|(name, text)| (name, text.into_bytes()))
        .collect();
    for path in out.write(&files, &[])? {
        match args.format {
            Format::Text => print(&format!("{}\n", path.display()))?,
            Format::Json => print_json("file", json!({ "path": path }))?,
        }
    }
    Ok(Answer::Done)
}
