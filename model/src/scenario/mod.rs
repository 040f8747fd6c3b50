//! Scenarios: what a run is about.
//!
//! Manifests say what Kubernetes can: users bring their YAML. `scenario.toml` says what a manifest cannot:
//! load, physics, boot and pull times, seed, horizon, and what an operator does in between. Both are read in
//! two steps, what was written and then what it means, and every problem of all files comes in one
//! [`Report`], advice about settings that do not do what their author may think among them.
//!
//! The result is immutable and complete: whatever decides how a run goes is in it, defaults included.

mod action;
mod base;
mod check;
mod codes;
mod deployed;
mod fields;
mod objects;
mod ports;
mod read;
mod resolve;
mod set;
mod stack;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sim::{Instant, SortedMap};

pub use action::{Act, Action, CapacityPool, Deletable, Part, Victim};
pub use base::{Base, Segment, Written, parse_field};
pub use objects::{Deployment, Objects, PriorityClass, Route, RouteProvider};
pub use stack::Stack;

pub(crate) use resolve::{all_queries, everything, queries};

pub use crate::document::{Diagnostic, Report, Severity, Source};

use crate::catalog::Catalog;
use crate::distribution::Distribution;
use crate::document::fields::{Field, rows};
use crate::manifest::{self, kinds};
use crate::prometheus::Query;
use crate::workload;
use crate::{ec2, hpa, karpenter, keda, prometheus, scheduler, traffic};

/// The files of a scenario, read by somebody else: nothing here touches a disk.
#[derive(Debug, Clone, Default)]
pub struct Files {
    /// `scenario.toml`
    pub scenario: Source,
    /// The files of `manifests/`, YAML or JSON.
    pub manifests: Vec<Source>,
    /// `traces/*.csv`
    pub traces: Vec<Source>,
}

/// The namespace and name of an object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectName {
    /// metadata.namespace; empty for objects of the whole cluster.
    pub namespace: String,
    /// metadata.name
    pub name: String,
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.namespace.is_empty() {
            true => f.write_str(&self.name),
            false => write!(f, "{}/{}", self.namespace, self.name),
        }
    }
}

/// A run, resolved.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// Its name.
    pub name: String,
    /// The question it asks, for people.
    pub question: String,
    /// The seed of all chance, unless the run is given another.
    pub seed: u64,
    /// The wall-clock label of time zero.
    pub epoch: jiff::Timestamp,
    /// The end of the run.
    pub duration: Duration,
    /// Results count from here on; what is before lets the start settle.
    pub warm_up: Duration,
    /// Which releases run.
    pub stack: Stack,
    /// The AWS region.
    pub region: String,
    /// Its zones that have subnets; empty means all zones that the catalog knows. EC2NodeClasses have them.
    pub zones: Vec<Arc<str>>,
    /// What EC2 offers, and for how much.
    pub catalog: Arc<Catalog>,
    /// Machines that are there from the start and stay.
    pub node_groups: Vec<ec2::NodeGroup>,
    /// What has been applied before the start.
    pub objects: Objects,
    /// Who plays which role in the traffic.
    pub roles: Roles,
    /// Load, proxy, service, speeds.
    pub traffic: traffic::Config,
    /// How the run begins.
    pub start: Start,
    /// What happens when, in order of time.
    pub actions: Vec<Action>,
    /// What the dashboard asks.
    pub dashboard: Dashboard,
    /// PromQL queries behind metrics of an adapter other than KEDA's, by the metric's name: pods metrics by
    /// their `pod` label, object and external metrics by their first element.
    pub metric_rules: SortedMap<String, String>,
    /// Recorded curves to compare with.
    pub overlay: Option<Overlay>,
    /// The parts' own configurations: budgets, delays, estimates.
    pub config: Parts,
    /// What every run would compute to the same result.
    pub shared: Shared,
}

/// Results of pure functions, kept for all runs of a scenario. They change how long a run takes, and nothing
/// else. A clone shares them, and stays right if it is changed: each result knows what it was made of.
#[derive(Debug, Clone, Default)]
pub struct Shared {
    /// Instance types of EC2NodeClasses.
    pub instance_types: karpenter::provider::Lists,
    /// Response times of states of the traffic.
    pub probes: traffic::Probes,
    /// Queries that were parsed.
    pub queries: prometheus::Parsed,
}

impl Scenario {
    /// A query as the scenario's Prometheus reads it.
    ///
    /// # Errors
    ///
    /// What the release refuses before it evaluates.
    pub fn query(&self, text: &str) -> Result<Arc<Query>, prometheus::ParseError> {
        self.shared
            .queries
            .parse(text, &prometheus::Profile::of(self.stack.prometheus))
    }
}

/// Who plays which role in the traffic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roles {
    /// The Deployment whose pods send requests, if any.
    pub client: Option<ObjectName>,
    /// The Deployment whose pods are Traefik.
    pub proxy: ObjectName,
    /// The Deployment whose pods answer.
    pub server: ObjectName,
}

/// How the run begins.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Start {
    /// spec.replicas of Deployments at the start, where the scenario says another number than the manifest.
    pub replicas: SortedMap<ObjectName, i32>,
    /// All pods that find a place at time zero run there and are Ready already, and nodes of node groups have
    /// the images of what is there from the start, as far as the scenario names them; otherwise everything is applied to an empty cluster at time zero.
    pub settled: bool,
}

/// The dashboard's PromQL queries, as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dashboard {
    /// Requests a second.
    pub rps: String,
    /// Pods.
    pub pods: String,
    /// Nodes by instance type.
    pub nodes: String,
}

impl Dashboard {
    /// The panels' names and queries.
    #[must_use]
    pub fn panels(&self) -> [(&'static str, &String); 3] {
        [("rps", &self.rps), ("pods", &self.pods), ("nodes", &self.nodes)]
    }
}

/// Recorded curves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overlay {
    /// Their directory, relative to the scenario's.
    pub directory: String,
    /// The instant at which their `t_s` is zero.
    pub start: Instant,
}

/// Configurations of the parts.
#[derive(Debug, Clone)]
pub struct Parts {
    /// From a write to the API server to its delivery to watchers.
    pub watch_delay: Duration,
    /// The workload controllers.
    pub controllers: workload::controllers::Config,
    /// The kubelets.
    pub kubelet: workload::kubelet::Config,
    /// How applications start and stop, by Deployment or DaemonSet.
    pub lifecycles: SortedMap<ObjectName, workload::kubelet::Lifecycle>,
    /// The period in which metrics-server scrapes the kubelets.
    pub metrics_resolution: Duration,
    /// How long Prometheus takes to answer a query, seconds.
    pub query: Distribution,
    /// How long the resource metrics API takes to answer, seconds.
    pub resource_metrics: Distribution,
    /// kube-scheduler; its release is set.
    pub scheduler: scheduler::Config,
    /// The HPA controller; its release is set.
    pub hpa: hpa::Config,
    /// KEDA; its release and epoch are set.
    pub keda: keda::Config,
    /// Karpenter's provisioner.
    pub karpenter: karpenter::scheduling::Settings,
    /// Karpenter's disruption controller; its epoch is set.
    pub disruption: karpenter::disruption::Config,
    /// Karpenter's terminator.
    pub termination: karpenter::termination::Config,
    /// Karpenter's NodeClaim lifecycle.
    pub lifecycle: karpenter::lifecycle::Config,
    /// Karpenter's AWS provider.
    pub provider: karpenter::provider::Settings,
    /// EC2, with the shortages that actions bring about.
    pub ec2: ec2::Config,
    /// Prometheus; its version and epoch are set.
    pub prometheus: prometheus::Config,
}

/// Resolves a scenario: the scenario and what there is to say about it, or everything that keeps it from
/// running.
///
/// `sets` are overrides, `FIELD=VALUE` for a field of the scenario and `KIND/NAME: FIELD=VALUE` for a field
/// of a manifest; a value is TOML, for a manifest's list or mapping also YAML, or a text if it is none, and `null` takes the field
/// out.
///
/// # Errors
///
/// When any problem is an error. All problems are reported, the warnings too.
pub fn load(files: &Files, sets: &[String]) -> Result<(Scenario, Report), Report> {
    read::load(files, sets)
}

/// The manifests' documents as they are read: with overrides, before conversion. What cannot be read is left
/// out; [`load`] reports it.
#[must_use]
pub fn documents(files: &Files, sets: &[String]) -> Vec<manifest::Document> {
    read::documents(files, sets)
}

/// The long explanation of a diagnostic's code, if there is such a code.
#[must_use]
pub fn explain(code: &str) -> Option<&'static str> {
    codes::explain(code)
}

/// Every code with its title.
#[must_use]
pub fn codes() -> Vec<(&'static str, &'static str)> {
    codes::all().map(|code| (code.code, code.title)).collect()
}

/// A table of fields and what becomes of each.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldTable {
    /// `Deployment apps/v1`, or what the table is about.
    pub title: String,
    /// What becomes of the whole kind and why, if it does not take part.
    pub note: Option<String>,
    /// Path and row.
    pub rows: Vec<(String, Field)>,
}

/// A field that a table has of its own as well as from one that it shares: the last counts.
fn unique(rows: Vec<(String, Field)>) -> Vec<(String, Field)> {
    let mut kept: Vec<(String, Field)> = Vec::new();
    for row in rows {
        match kept.iter_mut().find(|(path, _)| *path == row.0) {
            Some(former) => *former = row,
            None => kept.push(row),
        }
    }
    kept
}

/// The tables of a kind of manifests, in any letter case, or of `scenario` itself; none if there is no such
/// kind.
#[must_use]
pub fn field_tables(kind: &str) -> Vec<FieldTable> {
    if matches!(kind, "scenario" | "scenario.toml") {
        return vec![FieldTable {
            title: "scenario.toml".to_owned(),
            note: None,
            rows: rows(fields::SCENARIO),
        }];
    }
    let of_kind = |kind: &kinds::Kind| {
        let takes_part = kind.fate == kinds::Fate::Read;
        let own = FieldTable {
            title: kind.title(),
            note: (!takes_part).then(|| format!("{}: {}", kind.fate.as_str(), kind.fate.why())),
            rows: unique(rows(kind.fields)),
        };
        let part = |(title, fields): &(&'static str, &'static [Field])| FieldTable {
            title: (*title).to_owned(),
            note: None,
            rows: rows(fields),
        };
        std::iter::once(own)
            .chain(kind.parts.iter().map(part))
            .collect::<Vec<_>>()
    };
    kinds::named(kind).into_iter().flat_map(of_kind).collect()
}
