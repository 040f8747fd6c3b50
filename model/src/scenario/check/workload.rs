//! Advice about Deployments, DaemonSets and PodDisruptionBudgets.

use sim::SortedSet;

use super::timeline::{self, Step};
use super::{Deployment, Facts, advise};
use crate::api::{Budget, IntOrPercent, PodDisruptionBudget};
use crate::document::{Context, Cursor, go_duration};
use crate::karpenter::Profile;
use crate::karpenter::labels::{DO_NOT_DISRUPT, HOSTNAME};
use crate::manifest::Document;
use crate::scenario::ObjectName;

/// The least number of replicas that an autoscaler may leave, if one scales the target.
fn scaled_to(facts: &Facts<'_>, target: &ObjectName) -> Option<i32> {
    let hpas = facts.objects.iter().flat_map(|objects| &objects.hpas);
    let hpas = hpas
        .filter(|hpa| hpa.target == *target)
        .map(|hpa| hpa.spec.min_replicas);
    let scaled = facts.objects.iter().flat_map(|objects| &objects.scaled_objects);
    let scaled = scaled
        .filter(|o| o.target == *target)
        .map(|o| o.spec.min_replica_count.unwrap_or(0));
    hpas.chain(scaled).min()
}

/// Whether some action applies a Deployment without spec.replicas after a manifest that has them.
fn loses_its_size(facts: &Facts<'_>, name: &ObjectName) -> bool {
    let applied = timeline::steps(facts.scenario).filter_map(|step| match step {
        Step::Apply(objects) => Some(objects),
        Step::Delete(..) => None,
    });
    let own = applied
        .flat_map(|objects| &objects.deployments)
        .filter(|own| own.name() == *name);
    let written: Vec<bool> = own.map(|own| own.replicas_written).collect();
    written.windows(2).any(|pair| pair == [true, false])
}

pub(super) fn check(facts: &Facts<'_>, document: &Document, root: &Cursor<'_>) {
    let context = Context::new(&document.file, document.title(), facts.problems);
    let name = document.object();
    do_not_disrupt(&context, root, facts);
    let replicas = root.at("spec.replicas");
    let applied_later = facts.root.get("action").items().iter().any(|action| {
        let file = action.get("apply");
        file.written() == Some(&*document.file)
    });
    if replicas.is_given() && applied_later && scaled_to(facts, &name).is_some() {
        let message = "applying this manifest sets the replicas back, against the autoscaler";
        advise(
            &context,
            "H006",
            &replicas,
            message,
            "leave spec.replicas out of manifests of autoscaled Deployments, and out of the last-applied annotation first \
             (kubectl apply edit-last-applied): else the size is 1 once",
        );
    }
    let missing = !replicas.is_given() && applied_later && loses_its_size(facts, &name);
    if missing && scaled_to(facts, &name).is_some() {
        let message = "the manifest applied before has spec.replicas and this one has not: applying it sets the size to 1 once";
        let hint = "take spec.replicas out of the last-applied annotation first (kubectl apply edit-last-applied), or out of both";
        advise(&context, "H006", &root.get("spec"), message, hint);
    }
    timeline::selector(facts, document, root);
    probes(facts, document, &context, root);
    init_containers(facts, document, &context, root);
    topology(&context, root, facts, &name);
    controller(&context, root, facts, document);
    if let Some(own) = facts.own_deployment(document) {
        super::capacity::gates(&context, root, &own.object.template.spec);
    }
    super::placement::check(&context, root, facts, document);
}

pub(super) fn check_daemon_set(facts: &Facts<'_>, document: &Document, root: &Cursor<'_>) {
    let context = Context::new(&document.file, document.title(), facts.problems);
    probes(facts, document, &context, root);
    // Nobody waits for the others.
    let lifecycle = facts.scenario.config.lifecycles.get(&document.object());
    if lifecycle.is_some_and(|own| own.device_plugin || own.startup_taint.is_some()) {
        init_containers(facts, document, &context, root);
    }
}

/// An annotation that protects pods, and with them their nodes, or that protects nothing.
fn do_not_disrupt(context: &Context<'_>, root: &Cursor<'_>, facts: &Facts<'_>) {
    let release = facts.scenario.stack.karpenter;
    let profile = Profile::of(release);
    let at = root.at("spec.template.metadata.annotations").get(DO_NOT_DISRUPT);
    let Some(text) = at.written().filter(|text| *text != "false") else {
        return;
    };
    let (message, hint) = match go_duration(text) {
        _ if text == "true" => (
            "nodes with one of these pods are never consolidated".to_owned(),
            "one such pod keeps a whole node, however empty",
        ),
        Some(_) if profile.do_not_disrupt_duration => (
            format!("nodes with one of these pods are not consolidated in its first {text}"),
            "each new pod keeps its node anew",
        ),
        Some(_) => (
            format!("{text:?} protects nothing in Karpenter {release}: durations count from 1.12 on"),
            "write \"true\"",
        ),
        None => (
            format!("{text:?} protects nothing"),
            "write \"true\", or from Karpenter 1.12 on a duration",
        ),
    };
    advise(context, "N002", &at, message, hint);
}

/// The parts that act in the simulation whether or not their pods run, by the image that makes a pod theirs.
const CONTROLLERS: [(&str, &str); 5] = [
    ("karpenter/controller", "Karpenter"),
    ("kedacore/keda", "KEDA"),
    ("kedacore/keda-metrics-apiserver", "KEDA's metrics server"),
    ("metrics-server/metrics-server", "metrics-server"),
    ("prometheus/prometheus", "Prometheus"),
];

/// A controller needs a machine that is there without it.
fn controller(context: &Context<'_>, root: &Cursor<'_>, facts: &Facts<'_>, document: &Document) {
    let Some(own) = facts.own_deployment(document) else {
        return;
    };
    let spec = &own.object.template.spec;
    let mut images = spec
        .containers
        .iter()
        .map(|container| repository(&container.image));
    let part = images.find_map(|image| CONTROLLERS.iter().find(|(own, _)| image.ends_with(own)));
    let Some((_, part)) = part else {
        return;
    };
    let at = root.at("spec.template.spec");
    let machines = super::capacity::group_machines(facts, spec);
    let replicas = u32::try_from(own.object.replicas).unwrap_or(0);
    if machines == 0 {
        let message = format!("{part} acts from the start, but no machine of a node group can hold its pods");
        let hint = if *part == "Karpenter" {
            "compare requests, tolerations and selectors with the node groups: Karpenter cannot launch the machine that it \
             runs on"
        } else {
            "in a cluster it does nothing until Karpenter has launched a machine for it: compare requests, tolerations and \
             selectors with the node groups"
        };
        advise(context, "N012", &at, message, hint);
    } else if *part == "Karpenter" && machines < replicas && super::placement::keeps_apart(own, HOSTNAME) {
        let message = format!(
            "Karpenter's {replicas} replicas must not share a machine, and node groups have {machines} with room: the others wait \
             for ever, since it cannot launch machines for itself"
        );
        let hint = "give the node group as many nodes as there are replicas, or have one replica";
        advise(context, "N012", &at, message, hint);
    }
}

/// A probe that gives up on the application before it has started, on average: the kubelet would restart the container
/// for ever (kubernetes 1.35 pkg/kubelet/prober/worker.go `doProbe`).
fn probes(facts: &Facts<'_>, document: &Document, context: &Context<'_>, root: &Cursor<'_>) {
    let (Some(template), Some(lifecycle)) = (
        facts.own_template(document),
        facts.scenario.config.lifecycles.get(&document.object()),
    ) else {
        return;
    };
    let startup = lifecycle.startup.mean();
    let written = root.at("spec.template.spec.containers").items();
    for (container, at) in template.spec.containers.iter().zip(&written) {
        // Until the startup probe has succeeded there is no other.
        let (probe, name) = match (&container.startup_probe, &container.liveness_probe) {
            (Some(probe), _) => (probe, "startupProbe"),
            (None, Some(probe)) => (probe, "livenessProbe"),
            (None, None) => continue,
        };
        let patience = probe.initial_delay + probe.period * probe.failure_threshold;
        if startup > patience.as_secs_f64() {
            let message = format!(
                "the {name} gives up after {} s, and the application takes {startup:.0} s to start: its container would be \
                 restarted again and again; here it starts",
                patience.as_secs()
            );
            let hint = "raise failureThreshold of a startupProbe above the start-up time";
            advise(context, "S006", &at.get(name), message, hint);
        }
    }
}

/// Init containers of which nobody knows how long they take.
fn init_containers(facts: &Facts<'_>, document: &Document, context: &Context<'_>, root: &Cursor<'_>) {
    let Some(template) = facts.own_template(document) else {
        return;
    };
    let lifecycle = facts.scenario.config.lifecycles.get(&document.object());
    if lifecycle.is_some_and(|own| own.init.is_some()) {
        return;
    }
    let containers = &template.spec.init_containers;
    let mut unknown = containers
        .iter()
        .zip(root.at("spec.template.spec.initContainers").items());
    if let Some((container, at)) = unknown.find(|(own, _)| !own.restartable && own.sleeps.is_none()) {
        let message = format!(
            "nothing says how long the init container {:?} takes: here it ends at once",
            container.name
        );
        let hint = format!(
            "state [application.\"{}\"] init, what all of them take together in seconds",
            document.object()
        );
        advise(context, "S009", &at, message, &hint);
    }
}

/// An image without its tag and digest.
fn repository(image: &str) -> &str {
    let image = image.split('@').next().unwrap_or(image);
    match image.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository,
        _ => image,
    }
}

/// Spread over zones keeps nodes that a scale-in has emptied unevenly.
fn topology(context: &Context<'_>, root: &Cursor<'_>, facts: &Facts<'_>, name: &ObjectName) {
    for constraint in root.at("spec.template.spec.topologySpreadConstraints").items() {
        let text = |key: &str| constraint.get(key).written();
        let hard = text("whenUnsatisfiable") == Some("DoNotSchedule");
        let zone = text("topologyKey") == Some(crate::karpenter::labels::ZONE);
        if hard && zone && scaled_to(facts, name).is_some() {
            let message = "a scale-in takes pods without regard to zones, and a strict spread then hinders consolidation";
            advise(
                context,
                "N010",
                &constraint,
                message,
                "whenUnsatisfiable: ScheduleAnyway lets pods move together",
            );
        }
    }
}

pub(super) fn check_budget(facts: &Facts<'_>, document: &Document, root: &Cursor<'_>) {
    let name = document.object();
    let mut budgets = facts.beside(document).pod_disruption_budgets.iter();
    let Some(budget) = budgets.find(|b| b.name == name.name && b.namespace == name.namespace) else {
        return;
    };
    let context = Context::new(&document.file, document.title(), facts.problems);
    let at = root.get("spec");
    // Of several versions of a Deployment the one that the budget meets.
    let deployments = facts.objects.iter().flat_map(|objects| &objects.deployments);
    let names: SortedSet<ObjectName> = deployments.map(Deployment::name).collect();
    let selected: Vec<&Deployment> = names
        .iter()
        .filter_map(|name| facts.deployment_met(document, name))
        .filter(|deployment| selects(budget, deployment))
        .collect();
    let replicas = |own: &&Deployment| scaled_to(facts, &own.name()).unwrap_or(own.object.replicas);
    // At zero there is nothing to evict: one pod is the fewest that a budget is about.
    let fewest = selected.iter().map(replicas).sum::<i32>().max(1);
    let never = match budget.budget {
        Budget::MaxUnavailable(IntOrPercent::Int(0) | IntOrPercent::Percent(0)) | Budget::Unstated => true,
        // Rounded up: 75 % of 3 pods are 3.
        Budget::MinAvailable(IntOrPercent::Percent(percent)) => {
            i64::from(percent) * i64::from(fewest) > 100 * (i64::from(fewest) - 1)
        }
        Budget::MinAvailable(IntOrPercent::Int(pods)) => pods >= fewest,
        Budget::MaxUnavailable(_) => false,
    };
    if never && !selected.is_empty() {
        let message = format!(
            "with {fewest} replicas this budget allows no eviction: their nodes are not consolidated, and drains wait"
        );
        advise(
            &context,
            "N003",
            &at,
            message,
            "allow one pod less than the fewest replicas",
        );
    }
    for own in selected {
        let others = facts
            .objects
            .iter()
            .flat_map(|objects| &objects.pod_disruption_budgets);
        let mut others = others.filter(|other| other.name != budget.name && selects(other, own));
        if let Some(other) = others.next() {
            let message = format!(
                "pods of {} are in the budget {:?} too: the eviction API refuses pods with several budgets",
                own.name(),
                other.name
            );
            advise(&context, "N003", &at, message, "keep one of them");
        }
    }
}

fn selects(budget: &PodDisruptionBudget, own: &Deployment) -> bool {
    let selector = budget.selector.as_ref();
    let selected = selector.is_some_and(|selector| selector.matches(&own.object.template.labels));
    selected && own.name().namespace == budget.namespace
}
