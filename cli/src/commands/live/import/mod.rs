//! `scaletwin live import`: a scenario of what runs in a cluster, and a list of what it leaves out.

mod ask;
mod draft;
mod files;
mod roles;
mod scenario;
mod stand_ins;
#[cfg(test)]
mod tests;

use model::scenario::Report;
use serde_json::json;

use super::args::ImportArgs;
use super::{block_on, print_findings};
use crate::args::Format;
use crate::commands::Answer;
use crate::failure::Failure;
use crate::output::{print, print_json};
use crate::talk;
use ask::Heard;
use draft::Draft;
use roles::Roles;

pub(super) fn import(args: &ImportArgs) -> Result<Answer, Failure> {
    if args.out.exists() {
        return Err(Failure::new(format!("{} exists already", args.out.display()))
            .hint("name a new directory with --out: nothing is overwritten"));
    }
    let heard = block_on(ask::hear(args))??;
    if heard.is_in_vain() {
        print_findings(&heard.findings, args.format)?;
        return Ok(Answer::No);
    }
    let (draft, report) = put_together(args, &heard)?;
    talk::report(&report);
    files::write(&args.out, &draft)?;
    tell(args, &draft)
}

/// A scenario that can run, of what a cluster told.
fn put_together(args: &ImportArgs, heard: &Heard) -> Result<(Draft, Report), Failure> {
    let mut draft = Draft {
        left_out: heard.found.left_out.clone(),
        ..Draft::default()
    };
    heard
        .found
        .objects
        .iter()
        .cloned()
        .for_each(|object| draft.add(object));
    let roles = Roles::of(args, &draft)?;
    roles.stand_ins(&mut draft);
    if heard.past.load.is_some() || args.clients.is_some() {
        roles.scrape_proxy(&mut draft);
    }
    stand_ins::node_classes(&mut draft);
    scenario::fill(args, heard, &roles, &mut draft);
    draft.settle()?;
    // Of what is left: an image that is gone has no size, and a query that cannot be simulated is no panel either.
    scenario::add_images(&heard.found.machines.images, &mut draft);
    scenario::add_dashboard(&roles, &mut draft);
    let report = draft.settle()?;
    Ok((draft, report))
}

fn tell(args: &ImportArgs, draft: &Draft) -> Result<Answer, Failure> {
    match args.format {
        Format::Json => print_json(
            "imported",
            json!({ "dir": args.out, "objects": draft.manifests.len(), "left_out": draft.left_out }),
        )?,
        Format::Text => {
            let mut text = format!(
                "{:<18} {} objects in {}\n",
                "imported",
                draft.manifests.len(),
                args.out.display()
            );
            for one in &draft.left_out {
                text.push_str(&format!("{:<18} {one}\n", "left out"));
            }
            print(&text)?;
        }
    }
    Ok(Answer::Done)
}
