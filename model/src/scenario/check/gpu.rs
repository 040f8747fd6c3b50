//! Advice about a service that computes on GPUs.

use std::collections::BTreeSet;

use super::{Facts, advise, capacity};
use crate::document::Context;

/// GPU models that the service's pods may get and that the scenario has no time for.
pub(super) fn check(facts: &Facts<'_>) {
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
