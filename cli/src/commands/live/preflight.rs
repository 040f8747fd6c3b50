//! `scaletwin live preflight`

use live::cluster::finding::any_problem;
use live::cluster::preflight::{Facts, Wishes, preflight as look};
use live::cluster::prometheus::Place;
use live::cluster::{Access, connect};
use serde_json::json;

use super::args::{ClusterArgs, PreflightArgs};
use super::intent::Scene;
use super::{block_on, print_findings};
use crate::args::Format;
use crate::commands::Answer;
use crate::failure::Failure;
use crate::output::{print, print_json};
use crate::talk;

pub(super) fn preflight(args: &PreflightArgs) -> Result<Answer, Failure> {
    let scene = args.dir.as_deref().map(Scene::read).transpose()?;
    let named = args.prometheus.as_deref();
    let wishes = match &scene {
        Some(scene) => scene.wishes(named)?,
        None => Wishes {
            prometheus: named.map(Place::parse).transpose()?,
            ..Wishes::default()
        },
    };
    if let Some(scene) = &scene {
        talk::report(&scene.report);
    }
    let look = block_on(async {
        let connection = connect(&args.cluster.access()).await?;
        look(&connection, &wishes).await
    })??;
    match args.format {
        Format::Text => print(&facts_text(&look.facts))?,
        Format::Json => print_json("cluster", json!(look.facts))?,
    }
    print_findings(&look.findings, args.format)?;
    Ok(match any_problem(&look.findings) {
        true => Answer::No,
        false => Answer::Done,
    })
}

impl ClusterArgs {
    /// Which cluster, and as whom.
    pub(super) fn access(&self) -> Access {
        Access {
            kubeconfig: self.kubeconfig.clone(),
            context: self.context.clone(),
        }
    }
}

/// What was found out, for people.
pub(super) fn facts_text(facts: &Facts) -> String {
    let list = |pairs: Vec<String>| match pairs.is_empty() {
        true => "none".to_owned(),
        false => pairs.join(", "),
    };
    let versions = facts
        .versions
        .iter()
        .map(|(part, version)| format!("{part} {version}"));
    let nodes = facts.nodes.iter().map(|(name, count)| format!("{count} {name}"));
    let mut text = format!("{:<18} {} at {}\n", "cluster", facts.context, facts.server);
    text.push_str(&format!("{:<18} {}\n", "runs", list(versions.collect())));
    text.push_str(&format!("{:<18} {}\n", "nodes", list(nodes.collect())));
    if let Some(prometheus) = &facts.prometheus {
        text.push_str(&format!("{:<18} {prometheus}\n", "prometheus"));
    }
    text
}
