//! `scaletwin live clean`

use std::path::{Path, PathBuf};

use live::cluster::clean::{Options, clean as take_away, runs};
use live::cluster::journal::{self, JOURNAL, Run};
use live::cluster::{Access, Applied, connect, discover};
use serde_json::json;

use super::args::CleanArgs;
use super::block_on;
use crate::args::Format;
use crate::commands::Answer;
use crate::failure::Failure;
use crate::output::{print, print_json};
use crate::talk;

pub(super) fn clean(args: &CleanArgs) -> Result<Answer, Failure> {
    match &args.run {
        Some(run) => clean_run(args, run),
        None => list(args),
    }
}

/// Runs of which something is left.
fn list(args: &CleanArgs) -> Result<Answer, Failure> {
    let found = block_on(async {
        let connection = connect(&access(args, None)).await?;
        let served = discover(&connection.client).await?;
        runs(&connection.client, &served).await
    })??;
    match args.format {
        Format::Json => found
            .iter()
            .try_for_each(|(run, objects)| print_json("run", json!({ "run": run, "objects": objects })))?,
        Format::Text if found.is_empty() => print("nothing is left of any run\n")?,
        Format::Text => found
            .iter()
            .try_for_each(|(run, objects)| print(&format!("{run:<40} {objects} objects\n")))?,
    }
    Ok(Answer::Done)
}

fn clean_run(args: &CleanArgs, run: &str) -> Result<Answer, Failure> {
    let journal = read_journal(run)?;
    let (name, known): (String, Vec<Applied>) = match &journal {
        Some((whose, made)) => (whose.run.clone(), made.clone()),
        None => (run.to_owned(), Vec::new()),
    };
    let cleaned = block_on(async {
        let connection = connect(&access(args, journal.as_ref().map(|(whose, _)| whose))).await?;
        if let Some((whose, _)) = &journal
            && whose.server != connection.server
        {
            return Err(Failure::new(format!(
                "run {name} was on {}, and context {:?} leads to {}",
                whose.server, connection.context, connection.server
            ))
            .hint("name the right one with --context"));
        }
        let served = discover(&connection.client).await?;
        let options = Options {
            nodes: args.nodes_within,
        };
        let tell = &mut |text: &str| talk::say(text);
        let cleaned = take_away(&connection.client, &served, &name, &known, &options, tell).await?;
        Ok(cleaned)
    })??;
    match args.format {
        Format::Json => print_json("cleaned", json!({ "run": name, "cleaned": cleaned }))?,
        Format::Text => {
            for object in &cleaned.deleted {
                print(&format!("{:<18} {object}\n", "taken away"))?;
            }
            for object in &cleaned.left {
                print(&format!("{:<18} {object}\n", "left"))?;
            }
            if cleaned.deleted.is_empty() && cleaned.left.is_empty() {
                print(&format!("nothing is left of run {name}\n"))?;
            }
        }
    }
    Ok(match cleaned.left.is_empty() {
        true => Answer::Done,
        false => Answer::No,
    })
}

fn access(args: &CleanArgs, whose: Option<&Run>) -> Access {
    Access {
        kubeconfig: args.kubeconfig.clone(),
        context: args
            .context
            .clone()
            .or_else(|| whose.map(|whose| whose.context.clone())),
    }
}

/// The journal of a run's directory, named itself or by the run's name in the default place.
fn read_journal(run: &str) -> Result<Option<(Run, Vec<Applied>)>, Failure> {
    let default = Path::new("out/live").join(run);
    let found = [PathBuf::from(run), default]
        .into_iter()
        .find(|dir| dir.join(JOURNAL).exists());
    match found {
        Some(dir) => Ok(Some(journal::read(&dir)?)),
        None if Path::new(run).is_dir() => Err(Failure::new(format!("there is no {JOURNAL} in {run}"))
            .hint("name the directory of a run, or the run itself")),
        None => Ok(None),
    }
}
