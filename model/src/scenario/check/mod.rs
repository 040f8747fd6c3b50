//! Settings that do not do what their author may think.
//!
//! A scenario with advice runs, exactly as written. Each rule looks at one document, or at the whole, and
//! speaks only where the parts of the stated releases would surprise; [`super::codes`] explains each at
//! length.

mod burstable;
mod capacity;
mod disk;
mod gpu;
mod hpa;
mod load;
mod machines;
mod node_pool;
mod placement;
mod pod_capacity;
mod queries;
mod scaled_object;
mod settled;
#[cfg(test)]
mod tests;
mod timeline;
mod trigger_query;
mod utilization;
mod values;
mod webhook;
mod workload;

use std::cell::{OnceCell, RefCell};

use super::{Act, Deployment, ObjectName, Objects, Scenario, resolve};
use crate::api::Node;
use crate::document::{Context, Cursor, Diagnostic, Severity};
use crate::keda::spec::DEFAULT_MAX_REPLICAS;
use crate::manifest::Document;

/// What rules look at.
struct Facts<'a> {
    scenario: &'a Scenario,
    root: &'a Cursor<'a>,
    documents: &'a [Document],
    /// All objects that are there at some time.
    objects: Vec<&'a Objects>,
    /// What Karpenter could launch for each NodePool. Made when a rule asks: most pods fit a node group.
    offered: OnceCell<Vec<capacity::Offered>>,
    /// A Node of each node group and zone.
    group_nodes: OnceCell<Vec<(usize, Node)>>,
    problems: &'a RefCell<Vec<Diagnostic>>,
}

/// Runs every rule.
pub(super) fn check(
    scenario: &Scenario,
    root: &Cursor<'_>,
    documents: &[Document],
    problems: &RefCell<Vec<Diagnostic>>,
) {
    let objects = resolve::everything(scenario);
    let facts = Facts {
        scenario,
        root,
        documents,
        objects,
        offered: OnceCell::new(),
        group_nodes: OnceCell::new(),
        problems,
    };
    for document in documents {
        let context = Context::new(&document.file, document.title(), problems);
        let at = context.root(&document.value);
        match document.kind.name {
            "ScaledObject" => scaled_object::check(&facts, document, &at),
            "HorizontalPodAutoscaler" => hpa::check(&facts, document, &at),
            "NodePool" => node_pool::check(&facts, document, &at),
            "EC2NodeClass" => node_pool::check_class(&facts, document, &at),
            "Deployment" => {
                workload::check(&facts, document, &at);
                values::of_pods(&facts, document, &at);
            }
            "DaemonSet" => {
                workload::check_daemon_set(&facts, document, &at);
                values::of_pods(&facts, document, &at);
            }
            "PodDisruptionBudget" => workload::check_budget(&facts, document, &at),
            _ => {}
        }
    }
    capacity::check(&facts);
    gpu::check(&facts);
    disk::check(&facts);
    disk::sizes(&facts);
    machines::volume_prices(&facts);
    burstable::check(&facts);
    queries::check(&facts);
    load::check(&facts);
    whole(&facts);
}

impl<'a> Facts<'a> {
    /// The Deployment of a name.
    fn deployment(&self, name: &ObjectName) -> Option<&'a Deployment> {
        let mut all = self.objects.iter().flat_map(|objects| &objects.deployments);
        all.find(|deployment| deployment.name() == *name)
    }

    /// The number of Traefik pods that there may be: more than one if anything scales them.
    fn proxies(&self) -> i32 {
        self.most_replicas(&self.scenario.roles.proxy).unwrap_or(1)
    }

    /// The most replicas of a Deployment that there may be: written, at the start, by an action, or of an autoscaler.
    fn most_replicas(&self, target: &ObjectName) -> Option<i32> {
        let written = self.objects.iter().flat_map(|objects| &objects.deployments);
        let written = written
            .filter(|own| own.name() == *target)
            .map(|own| own.object.replicas);
        let started = self.scenario.start.replicas.get(target).copied();
        let actions = self.scenario.actions.iter();
        let set = actions.filter_map(|action| match &action.act {
            Act::Scale { deployment, replicas } if deployment == target => Some(*replicas),
            _ => None,
        });
        let hpas = self.objects.iter().flat_map(|objects| &objects.hpas);
        let hpas = hpas
            .filter(|hpa| hpa.target == *target)
            .map(|hpa| hpa.spec.max_replicas);
        let scaled = self.objects.iter().flat_map(|objects| &objects.scaled_objects);
        let scaled = scaled
            .filter(|own| own.target == *target)
            .map(|own| own.spec.max_replica_count.unwrap_or(DEFAULT_MAX_REPLICAS));
        written.chain(started).chain(set).chain(hpas).chain(scaled).max()
    }

    /// The Deployments of the manifests, each version with its document.
    fn written_deployments(&self) -> impl Iterator<Item = (&'a Document, &'a Deployment)> {
        let documents = self.documents.iter().filter(|own| own.kind.name == "Deployment");
        documents.filter_map(|document| Some((document, self.own_deployment(document)?)))
    }
}

/// What becomes of a field that the release does not have.
const UNKNOWN_FIELD: &str = "kubectl apply refuses a field that the API server does not know; sent without strict validation, it is \
                             lost, and nothing says so";

fn advise(
    context: &Context<'_>,
    code: &'static str,
    at: &Cursor<'_>,
    message: impl Into<String>,
    hint: &str,
) {
    // Beside an error in what it is about it would speak of a value that nobody wrote. What is about a whole object looks
    // at the field that it means.
    let whole = matches!(at.path(), "" | "spec");
    if whole || !context.has_error(at) {
        context.report(Severity::Advice, code, at, message, hint);
    }
}

/// Rules about the scenario as a whole.
fn whole(facts: &Facts<'_>) {
    let context = Context::new(facts.root.file(), String::new(), facts.problems);
    settled::check(facts, &context);
    let measured_from = facts.scenario.config.hpa.downscale_stabilization;
    let warm_up = facts.scenario.warm_up;
    let scales = facts
        .objects
        .iter()
        .any(|objects| !objects.hpas.is_empty() || !objects.scaled_objects.is_empty());
    if scales && warm_up < facts.scenario.config.prometheus.scrape_interval * 2 {
        let message = format!(
            "a warm-up of {} s is over before a rate has two samples",
            warm_up.as_secs()
        );
        let hint = format!(
            "two scrapes take up to {} s; downscale stabilization forgets the start after {} s",
            2 * facts.scenario.config.prometheus.scrape_interval.as_secs(),
            measured_from.as_secs()
        );
        advise(&context, "S002", &facts.root.get("warm_up"), message, &hint);
    }
}
