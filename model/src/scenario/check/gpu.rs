//! Advice about a service that computes on GPUs.

use sim::SortedSet;

use super::{Facts, advise, capacity};
use crate::api::DaemonSet;
use crate::catalog::kubelet::AmiFamily;
use crate::document::Context;
use crate::karpenter::NodePool;
use crate::scenario::ObjectName;

pub(super) fn check(facts: &Facts<'_>) {
    unknown_models(facts);
    without_plugin(facts);
    misplaced_plugin(facts);
}

/// Device plugins that do not come to the machines that have the devices.
fn misplaced_plugin(facts: &Facts<'_>) {
    let lifecycles = &facts.scenario.config.lifecycles;
    let plugins = facts.objects.iter().flat_map(|objects| &objects.daemon_sets);
    let is_plugin = |set: &&DaemonSet| {
        let mut named = lifecycles.iter().filter(|(name, _)| is_named(set, name));
        named.any(|(_, own)| own.device_plugin)
    };
    let plugins: Vec<&DaemonSet> = plugins.filter(is_plugin).collect();
    if plugins.is_empty() {
        return;
    }
    for (document, own) in facts.written_deployments() {
        let spec = &own.object.template.spec;
        if !spec.requests().extended.keys().any(|name| name.contains('/')) {
            continue;
        }
        for pool in capacity::pools_for(facts, spec) {
            let refusals: Vec<String> = plugins
                .iter()
                .filter_map(|set| capacity::refusal(pool, &set.template.spec))
                .collect();
            // One that comes is enough.
            let Some(refusal) = refusals.first().filter(|_| refusals.len() == plugins.len()) else {
                continue;
            };
            let context = Context::new(&document.file, document.title(), facts.problems);
            let at = context.root(&document.value).at("spec.template.spec");
            let message = format!(
                "pods of this never start on machines of the NodePool {}: the device plugin {}/{} is not there, since {refusal}",
                pool.name, plugins[0].template.namespace, plugins[0].name
            );
            let hint = "give the device plugin's DaemonSet what its NodePool asks for";
            advise(&context, "N014", &at, message, hint);
        }
    }
}

pub(super) fn is_named(set: &DaemonSet, name: &ObjectName) -> bool {
    set.name == name.name && set.template.namespace == name.namespace
}

/// Pods that ask for devices which nobody makes allocatable: they never start.
fn without_plugin(facts: &Facts<'_>) {
    let lifecycles = &facts.scenario.config.lifecycles;
    if lifecycles.values().any(|own| own.device_plugin) {
        return;
    }
    for (document, own) in facts.written_deployments() {
        let requests = own.object.template.spec.requests();
        let Some(device) = requests.extended.keys().find(|name| name.contains('/')) else {
            continue;
        };
        let context = Context::new(&document.file, document.title(), facts.problems);
        let at = context.root(&document.value).at("spec.template.spec");
        let message = format!("pods of this never start: nothing makes {device} allocatable");
        let hint = "the device plugin's DaemonSet must be there and be named in the scenario: [application.\"NAMESPACE/NAME\"] \
                    device_plugin = true";
        let mut pools = capacity::pools_for(facts, &own.object.template.spec).into_iter();
        let hint = match pools.any(|pool| is_bottlerocket(facts, pool)) {
            true => format!(
                "{hint}; in place of the plugin in Bottlerocket's images stand one that asks for nothing"
            ),
            false => hint.to_owned(),
        };
        advise(&context, "N014", &at, message, &hint);
    }
}

fn is_bottlerocket(facts: &Facts<'_>, pool: &NodePool) -> bool {
    let mut classes = facts.objects.iter().flat_map(|objects| &objects.node_classes);
    classes.any(|class| class.name == pool.node_class && class.ami_family == AmiFamily::Bottlerocket)
}

/// GPU models that the service's pods may get and that the scenario has no time for.
fn unknown_models(facts: &Facts<'_>) {
    let Some(gpu) = &facts.scenario.traffic.service.gpu else {
        return;
    };
    let Some(server) = facts.deployment(&facts.scenario.roles.server) else {
        return;
    };
    let machines = capacity::machines_for(facts, &server.object.template.spec);
    let gpus = machines.into_iter().filter_map(|spec| spec.gpu);
    let unknown: SortedSet<String> = gpus
        .map(|gpu| gpu.label())
        .filter(|model| !gpu.time.contains_key(model))
        .collect();
    if unknown.is_empty() {
        return;
    }
    let models = unknown.into_iter().collect::<Vec<_>>().join(", ");
    let message = format!(
        "pods may get GPUs without a time of their own, where a request takes {} s as on any other: {models}",
        gpu.other.mean()
    );
    let hint = "measure and add them to service.gpu.time, or keep them out of the NodePool's requirements";
    let context = Context::new(facts.root.file(), String::new(), facts.problems);
    advise(
        &context,
        "S003",
        &facts.root.at("service.gpu.other"),
        message,
        hint,
    );
}
