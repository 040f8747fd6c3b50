//! Advice about a service that computes on GPUs.

use std::collections::BTreeSet;

use super::{Facts, advise, capacity};
use crate::document::Context;

pub(super) fn check(facts: &Facts<'_>) {
    unknown_models(facts);
    without_plugin(facts);
}

/// Pods that ask for devices which nobody makes allocatable: they never start.
fn without_plugin(facts: &Facts<'_>) {
    let lifecycles = &facts.scenario.config.lifecycles;
    if lifecycles.values().any(|own| own.device_plugin) {
        return;
    }
    for document in facts.documents.iter().filter(|own| own.kind.name == "Deployment") {
        let Some(own) = facts.own_deployment(document) else {
            continue;
        };
        let requests = own.object.template.spec.requests();
        let Some(device) = requests.extended.keys().find(|name| name.contains('/')) else {
            continue;
        };
        let context = Context::new(&document.file, document.title(), facts.problems);
        let at = context.root(&document.value).at("spec.template.spec");
        let message = format!("pods of this never start: nothing makes {device} allocatable");
        let hint = "the device plugin's DaemonSet must be there and be named in the scenario: [application.\"NAMESPACE/NAME\"] \
                    device_plugin = true";
        advise(&context, "N014", &at, message, hint);
    }
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
    let unknown: BTreeSet<String> = gpus
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
