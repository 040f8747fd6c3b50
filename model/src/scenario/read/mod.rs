//! From files to a scenario.

mod actions;
mod cloud;
mod parts;
mod stack;
mod traffic;
mod values;

use std::cell::RefCell;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use sim::{Instant, SortedMap};

use super::deployed::Deployed;
use super::fields::SCENARIO;
use super::{
    Dashboard, Files, ObjectName, Objects, Overlay, Report, Scenario, Shared, Source, Stack, Start, resolve,
    set,
};
use crate::catalog::Catalog;
use crate::document::fields::Schema;
use crate::document::{Context, Cursor, Diagnostic, Place, Severity, Value, parse_toml};
use crate::manifest::{Document, convert, read_documents};
pub(super) use actions::object_to_delete;
use values::Values;

/// No run is longer than a year.
const LONGEST: Duration = Duration::from_secs(366 * 86_400);

/// See [`super::load`].
pub(super) fn load(files: &Files, sets: &[String]) -> Result<(Scenario, Report), Report> {
    let problems = RefCell::new(Vec::new());
    let mut tree = read_scenario(&files.scenario, &problems);
    let mut documents = read_all(files, &problems);
    set::apply(sets, &mut tree, &mut documents, &problems);
    resolve_all(files, &tree, &documents, problems, None, Shared::default())
}

/// The documents of all manifests.
pub(super) fn read_all(files: &Files, problems: &RefCell<Vec<Diagnostic>>) -> Vec<Document> {
    files
        .manifests
        .iter()
        .flat_map(|source| read_documents(source, problems))
        .collect()
}

/// The scenario's table as a tree; made once, because a sweep asks for it with each configuration.
static SCHEMA: LazyLock<Schema> = LazyLock::new(|| Schema::new(SCENARIO));

/// From what is written to what it means. The catalog is made anew unless it is known already.
pub(super) fn resolve_all(
    files: &Files,
    tree: &Value,
    documents: &[Document],
    problems: RefCell<Vec<Diagnostic>>,
    catalog: Option<Arc<Catalog>>,
    shared: Shared,
) -> Result<(Scenario, Report), Report> {
    let deployed = deployed(tree, documents);
    let filled = deployed.filled();
    let context = Context::new(&files.scenario.path, String::new(), &problems);
    let root = context.root(filled.as_ref().unwrap_or(tree));
    SCHEMA.check(&root);
    let scenario = scenario(&root, files, documents, catalog, shared, &problems);
    if let Some(scenario) = &scenario {
        super::check::check(scenario, &root, documents, &problems);
        deployed.differences(&problems);
    }
    let report = Report::new(problems.take());
    match scenario {
        Some(scenario) if !report.has_errors() => Ok((scenario, report)),
        _ => Err(report),
    }
}

/// What the manifests of the start say of the simulated parts.
fn deployed<'a>(tree: &'a Value, documents: &'a [Document]) -> Deployed<'a> {
    let unheard = RefCell::new(Vec::new());
    let context = Context::new("", String::new(), &unheard);
    let root = context.root(tree);
    let later = actions::applied_files(&root.get("action"));
    let at_start = |own: &&Document| !later.contains(&own.file);
    Deployed {
        tree,
        documents: documents.iter().filter(at_start).collect(),
        karpenter: stack::stack(&root.get("stack")).karpenter,
    }
}

/// The catalog that a scenario asks for, if it asks for one that there is.
pub(super) fn catalog_of(tree: &Value) -> Option<Arc<Catalog>> {
    let problems = RefCell::new(Vec::new());
    let context = Context::new("", String::new(), &problems);
    let catalog = cloud::catalog(&context.root(tree).get("cloud")).map(Arc::new);
    let flawless = problems.borrow().is_empty();
    catalog.filter(|_| flawless)
}

/// See [`super::documents`].
pub(super) fn documents(files: &Files, sets: &[String]) -> Vec<Document> {
    let problems = RefCell::new(Vec::new());
    let mut tree = read_scenario(&files.scenario, &problems);
    let mut documents = read_all(files, &problems);
    set::apply(sets, &mut tree, &mut documents, &problems);
    documents
}

pub(super) fn read_scenario(source: &Source, problems: &RefCell<Vec<Diagnostic>>) -> Value {
    let (tree, failures) = parse_toml(&source.text);
    let failure = |(place, message): (Place, String)| Diagnostic {
        severity: Severity::Error,
        code: "E001",
        file: source.path.clone(),
        line: place.line,
        column: place.column,
        field: String::new(),
        message: format!("not TOML that can be read: {message}"),
        hint: String::new(),
    };
    problems.borrow_mut().extend(failures.into_iter().map(failure));
    tree
}

/// The scenario, unless something is missing without which there is none. Everything is read all the same, so
/// that every problem is named.
fn scenario(
    root: &Cursor<'_>,
    files: &Files,
    documents: &[Document],
    catalog: Option<Arc<Catalog>>,
    shared: Shared,
    problems: &RefCell<Vec<Diagnostic>>,
) -> Option<Scenario> {
    let epoch = epoch(&root.get("epoch"));
    let duration = duration(&root.get("duration").required_as("duration = \"30m\""));
    let warm_up = root.get("warm_up").duration().unwrap_or(Duration::ZERO);
    if duration.is_some_and(|duration| warm_up >= duration) {
        root.get("warm_up")
            .error("E004", "the warm-up is as long as the run", "");
    }
    let stack = stack::stack(&root.get("stack"));
    let cloud_at = root.get("cloud");
    let catalog = catalog.or_else(|| cloud::catalog(&cloud_at).map(Arc::new));
    let zones = catalog
        .as_deref()
        .map(|catalog| cloud::zones(&cloud_at.get("zones"), catalog))
        .unwrap_or_default();
    let group = |at: &Cursor<'_>| cloud::node_group(at, catalog.as_deref()?, &zones);
    let node_groups: Vec<_> = root.get("node_group").items().iter().filter_map(group).collect();
    cloud::report_twins(&root.get("node_group"));

    let (mut objects, applied) = objects(root, files, documents, problems);
    let end = Instant::ZERO + duration.unwrap_or(LONGEST);
    let (actions, shortages) = actions::actions(&root.get("action"), epoch, end, &applied);
    for class in &mut objects.node_classes {
        class.zones.clone_from(&zones);
    }
    let mut ec2 = cloud::config(&cloud_at);
    ec2.shortages = shortages;
    let name = root.get("name").required_as("name = \"shop\"");
    let name = name.name().map(str::to_owned);
    let roles = traffic::roles(root);
    let traffic = traffic::traffic(root, files, stack.traefik);
    let question = root.get("question").text().unwrap_or_default().to_owned();
    let mut scenario = Scenario {
        name: name.unwrap_or_default(),
        question,
        seed: root.get("seed").int(0..=i64::MAX).map_or(1, i64::unsigned_abs),
        epoch,
        duration: duration?,
        warm_up,
        stack,
        region: catalog.as_ref()?.region().to_owned(),
        zones,
        catalog: catalog?,
        node_groups,
        objects,
        roles: roles?,
        traffic,
        start: start(&root.get("start")),
        actions,
        dashboard: dashboard(&root.get("dashboard")),
        metric_rules: metric_rules(&root.get("metric")),
        overlay: overlay(&root.get("overlay"), epoch),
        config: parts::parts(root, &stack, epoch, ec2),
        shared,
    };
    for action in &mut scenario.actions {
        if let super::Act::Apply(objects) = &mut action.act {
            objects
                .node_classes
                .iter_mut()
                .for_each(|class| class.zones.clone_from(&scenario.zones));
        }
    }
    resolve::resolve(&mut scenario, root, documents, problems);
    Some(scenario)
}

/// What is applied before the start, and what each file holds that an action applies.
fn objects(
    root: &Cursor<'_>,
    files: &Files,
    documents: &[Document],
    problems: &RefCell<Vec<Diagnostic>>,
) -> (Objects, SortedMap<String, Objects>) {
    let later = actions::applied_files(&root.get("action"));
    let (applied, at_start): (Vec<&Document>, Vec<&Document>) = documents
        .iter()
        .partition(|document| later.contains(&document.file));
    let objects = convert(&at_start, &Objects::default(), problems);
    let known = files
        .manifests
        .iter()
        .map(|source| &source.path)
        .filter(|path| later.contains(*path));
    let of_file = |path: &String| {
        let documents: Vec<&Document> = applied
            .iter()
            .copied()
            .filter(|document| document.file == *path)
            .collect();
        let mut own = convert(&documents, &objects, problems);
        own.file.clone_from(path);
        (path.clone(), own)
    };
    let applied = known.map(of_file).collect();
    (objects, applied)
}

fn epoch(at: &Cursor<'_>) -> jiff::Timestamp {
    // A plain Monday morning, for scenarios to which the hour means nothing.
    let default = jiff::Timestamp::from_second(1_704_099_600).expect("2024-01-01T09:00:00Z is a time");
    let Some(text) = at.text() else { return default };
    text.parse().unwrap_or_else(|_| {
        at.error(
            "E003",
            format!("expected a time such as 2024-01-02T13:35:00Z, found {text:?}"),
            "",
        );
        default
    })
}

fn duration(at: &Cursor<'_>) -> Option<Duration> {
    let duration = at.duration()?;
    if duration < Duration::from_secs(1) || duration > LONGEST {
        at.error("E004", "expected a duration from 1s to 366d", "");
        return None;
    }
    Some(duration)
}

fn start(at: &Cursor<'_>) -> Start {
    let mut replicas = SortedMap::new();
    for (name, own) in at.get("replicas").entries() {
        let (namespace, name) = name.split_once('/').unwrap_or(("default", name));
        if let Some(count) = own.count(0) {
            replicas.insert(
                ObjectName {
                    namespace: namespace.to_owned(),
                    name: name.to_owned(),
                },
                count,
            );
        }
    }
    Start {
        replicas,
        settled: at.get("settled").bool().unwrap_or(true),
    }
}

/// Queries that are not given are filled in when the service is known.
fn dashboard(at: &Cursor<'_>) -> Dashboard {
    let query = |key: &str| at.get(key).name().unwrap_or_default().to_owned();
    Dashboard {
        rps: query("rps"),
        pods: query("pods"),
        nodes: query("nodes"),
    }
}

fn metric_rules(at: &Cursor<'_>) -> SortedMap<String, String> {
    let rule = |(name, at): (&str, Cursor<'_>)| Some((name.to_owned(), at.name()?.to_owned()));
    at.entries().into_iter().filter_map(rule).collect()
}

fn overlay(at: &Cursor<'_>, epoch: jiff::Timestamp) -> Option<Overlay> {
    at.value()?;
    let directory = at.get("directory").required();
    let path = directory.name();
    let outside = |path: &str| path.starts_with('/') || path.split('/').any(|part| part == "..");
    if path.is_some_and(outside) {
        directory.error("E004", "expected a directory within the scenario's", "");
    }
    let start = at.get("start").required().instant(epoch);
    Some(Overlay {
        directory: path?.to_owned(),
        start: start?,
    })
}
