//! What a scenario wants of a real cluster.

use std::path::{Path, PathBuf};
use std::time::Duration;

use live::cluster::finding::Finding;
use live::cluster::manifest::{Name, Object};
use live::cluster::plan::{Act as Does, Step};
use live::cluster::preflight::{Wishes, Write};
use live::cluster::prometheus::Place;
use live::cluster::site::{Site, Sorted};
use live::objects::write::document;
use model::document::{Shape, Value as Tree, go_duration, parse_toml, parse_yaml};
use model::scenario::{self, Act, Action, Files, ObjectName, Report, Scenario};
use serde_json::Value;
use sim::Instant;

use crate::failure::Failure;
use crate::files::{read_scenario, read_text};

/// The file beside `scenario.toml` that says what is different on a cluster.
const SITE: &str = "live.toml";

/// A scenario, and what becomes of it on a cluster.
pub(super) struct Scene {
    pub(super) dir: PathBuf,
    pub(super) scenario: Scenario,
    pub(super) report: Report,
    pub(super) site: Site,
    /// Applied at the start.
    pub(super) start: Sorted,
    /// Applied by each action that applies something, in order of time.
    pub(super) later: Vec<Sorted>,
}

impl Scene {
    /// Reads a scenario and its `live.toml`, if it has one.
    pub(super) fn read(dir: &Path) -> Result<Self, Failure> {
        let files = read_scenario(dir)?;
        let (scenario, report) = scenario::load(&files, &[])
            .map_err(|report| Failure::reported(report, &dir.display().to_string()))?;
        let site = read_site(dir)?;
        let applied = applied_files(&files, &scenario);
        let mut objects = objects(&files)?;
        for file in &site.also {
            objects.append(&mut also(dir, file)?);
        }
        let (sorted, problems) = site.sort(objects);
        if !problems.is_empty() {
            return Err(Failure::new(problems.join("\n")).hint("objects are named as in their manifests"));
        }
        let of_file = |file: &String| {
            let mine = |objects: &[Object]| -> Vec<Object> {
                objects
                    .iter()
                    .filter(|object| object.file == *file)
                    .cloned()
                    .collect()
            };
            Sorted {
                make: mine(&sorted.make),
                present: mine(&sorted.present),
            }
        };
        let later = applied.iter().map(of_file).collect();
        let mut start = sorted.clone();
        for objects in [&mut start.make, &mut start.present] {
            objects.retain(|object| !applied.contains(&object.file));
        }
        Ok(Scene {
            dir: dir.to_owned(),
            scenario,
            report,
            site,
            start,
            later,
        })
    }

    /// What is asked of the cluster. `named` is a Prometheus from the command line.
    pub(super) fn wishes(&self, named: Option<&str>) -> Result<Wishes, Failure> {
        let stack = &self.scenario.stack;
        let stack = [
            ("kubernetes", format!("1.{}", stack.kubernetes)),
            ("keda", format!("2.{}", stack.keda)),
            ("prometheus", stack.prometheus.to_string()),
            (
                "traefik",
                format!("{}.{}", stack.traefik.major, stack.traefik.minor),
            ),
            ("karpenter", stack.karpenter.to_string()),
        ];
        Ok(Wishes {
            stack: stack
                .map(|(part, release)| (part.to_owned(), release))
                .into_iter()
                .collect(),
            writes: self.writes(),
            parts: self.parts(),
            prometheus: self.prometheus(named)?,
            queries: self.queries(),
            unmeasured: false,
        })
    }

    /// The dashboard's queries, by the names of their columns.
    pub(super) fn queries(&self) -> Vec<(String, String)> {
        let panels = self.scenario.dashboard.panels().into_iter();
        panels
            .filter(|(_, query)| !query.is_empty())
            .map(|(name, query)| (format!("seen.{name}"), query.clone()))
            .collect()
    }

    /// Parts that the objects need.
    fn parts(&self) -> Vec<&'static str> {
        let any = |group: &str| self.made().any(|object| object.group() == group);
        let mut parts = Vec::new();
        if any("keda.sh") {
            parts.push("KEDA");
        }
        if any("karpenter.sh") {
            parts.push("Karpenter");
        }
        parts
    }

    /// What will be written to the cluster.
    pub(super) fn writes(&self) -> Vec<Write> {
        let of = |object: &Object, verbs: &[&'static str]| Write {
            api_version: object.api_version.clone(),
            kind: object.name.kind.clone(),
            namespace: object.name.namespace.clone(),
            name: object.name.name.clone(),
            verbs: verbs.to_vec(),
        };
        let made = |object| of(object, &["get", "list", "create", "patch", "delete"]);
        let mut writes: Vec<Write> = self.made().map(made).collect();
        let scaled = |action: &Action| match &action.act {
            Act::Scale { deployment, .. } => Some(deployment.clone()),
            _ => None,
        };
        for name in self.scenario.actions.iter().filter_map(scaled) {
            writes.push(Write {
                api_version: "apps/v1".to_owned(),
                kind: "Deployment".to_owned(),
                namespace: name.namespace,
                name: name.name,
                verbs: vec!["get", "scale:patch"],
            });
        }
        writes
    }

    /// What is made at the start, with the replicas that the scenario starts with.
    pub(super) fn with_start_replicas(&self) -> Vec<Object> {
        let mut make = self.start.make.clone();
        for object in &mut make {
            let own = ObjectName {
                namespace: match object.name.namespace.as_str() {
                    "" => "default".to_owned(),
                    namespace => namespace.to_owned(),
                },
                name: object.name.name.clone(),
            };
            if object.name.kind == "Deployment"
                && let Some(replicas) = self.scenario.start.replicas.get(&own)
            {
                object.body["spec"]["replicas"] = Value::from(*replicas);
            }
        }
        make
    }

    /// The scenario's actions, as they are done to a cluster.
    pub(super) fn steps(&self) -> Vec<Step> {
        let mut applied = self.later.iter();
        let foreign = "a run stops and starts only what it made";
        let step = |action: &Action| {
            let act = match &action.act {
                Act::Scale { deployment, replicas } => Does::Scale {
                    deployment: name("Deployment", deployment),
                    replicas: *replicas,
                },
                Act::Apply(_) => Does::Apply(
                    applied
                        .next()
                        .map(|sorted| sorted.make.clone())
                        .unwrap_or_default(),
                ),
                Act::Delete { kind, object } => Does::Delete(name(kind.as_str(), object)),
                Act::Stop(_) | Act::Start(_) => Does::Impossible(foreign.to_owned()),
                Act::Interrupt(_) => {
                    Does::Impossible("spot machines are taken back when AWS wants them".to_owned())
                }
                Act::Exhaust(_) | Act::Restore(_) => {
                    Does::Impossible("what capacity there is, AWS decides".to_owned())
                }
            };
            Step {
                at: action.at.since(Instant::ZERO),
                label: action.label.clone(),
                act,
            }
        };
        self.scenario.actions.iter().map(step).collect()
    }

    /// What of the scenario has no counterpart on a cluster, good to know.
    pub(super) fn notes(&self) -> Vec<Finding> {
        let mut notes = Vec::new();
        if self.scenario.roles.client.is_none() {
            notes.push(Finding::warning(
                "the load comes from [load.arrivals], which no object of the scenario sends",
                "send it yourself, or on fake nodes with `scaletwin live traffic`",
            ));
        }
        notes
    }

    /// Everything that will be made, at the start and later.
    pub(super) fn made(&self) -> impl Iterator<Item = &Object> {
        let later = self.later.iter().flat_map(|sorted| &sorted.make);
        self.start.make.iter().chain(later)
    }

    /// Where measurements come from: as named, as `live.toml` says, or as a ScaledObject's trigger does.
    pub(super) fn prometheus(&self, named: Option<&str>) -> Result<Option<Place>, Failure> {
        if let Some(text) = named.or(self.site.prometheus.as_deref()) {
            return Ok(Some(Place::parse(text)?));
        }
        let all = self.made().chain(&self.start.present);
        Ok(all.filter_map(server_address).find_map(Place::of_server_address))
    }
}

fn name(kind: &str, object: &ObjectName) -> Name {
    Name {
        kind: kind.to_owned(),
        namespace: object.namespace.clone(),
        name: object.name.clone(),
    }
}

pub(super) fn server_address(object: &Object) -> Option<&str> {
    let triggers = object.body["spec"]["triggers"].as_array()?;
    triggers
        .iter()
        .filter(|trigger| trigger["type"] == "prometheus")
        .find_map(|trigger| trigger["metadata"]["serverAddress"].as_str())
}

fn read_site(dir: &Path) -> Result<Site, Failure> {
    let path = dir.join(SITE);
    if !path.exists() {
        return Ok(Site::default());
    }
    let text = read_text(&path)?;
    Site::parse(&text).map_err(|message| Failure::new(format!("{}: {message}", path.display())))
}

/// The objects of all manifests. A scenario that could be loaded has only such as can be read.
fn objects(files: &Files) -> Result<Vec<Object>, Failure> {
    let mut all = Vec::new();
    for source in &files.manifests {
        all.append(&mut documents(&source.text, &source.path)?);
    }
    Ok(all)
}

/// The objects of a file that only a cluster gets.
fn also(dir: &Path, file: &str) -> Result<Vec<Object>, Failure> {
    let text =
        read_text(&dir.join(file)).map_err(|failure| failure.hint("it is named in `also` of live.toml"))?;
    documents(&text, file)
}

fn documents(text: &str, file: &str) -> Result<Vec<Object>, Failure> {
    let (trees, failure) = parse_yaml(text);
    if let Some((place, message)) = failure {
        return Err(Failure::new(format!(
            "{file}:{}:{}: {message}",
            place.line, place.column
        )));
    }
    let mut all = Vec::new();
    for tree in trees {
        all.append(&mut Object::all_of(document(&tree), file).map_err(Failure::new)?);
    }
    Ok(all)
}

/// The file of each action that applies one, in order of time.
///
/// The model keeps what was applied, not the file it was written in, so `scenario.toml` is read once more.
fn applied_files(files: &Files, scenario: &Scenario) -> Vec<String> {
    let (tree, _) = parse_toml(&files.scenario.text);
    let start = scenario.epoch.as_second().rem_euclid(86_400) as f64;
    let time = |text: &str| -> Option<Duration> {
        go_duration(text).or_else(|| {
            let of_day = live::curves::time_of_day(text)?;
            Some(Duration::from_secs_f64((of_day - start).rem_euclid(86_400.0)))
        })
    };
    let applied = |action: &Tree| {
        let at = action.get("at").and_then(Tree::text).and_then(time)?;
        Some((at, action.get("apply")?.text()?.to_owned()))
    };
    let mut all: Vec<(Duration, String)> = match tree.get("action").map(|actions| &actions.shape) {
        Some(Shape::List(actions)) => actions.iter().filter_map(applied).collect(),
        _ => Vec::new(),
    };
    // Stable, as the model's own order.
    all.sort_by_key(|(at, _)| *at);
    all.into_iter().map(|(_, file)| file).collect()
}
