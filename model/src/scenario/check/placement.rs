//! Advice about where a Deployment's pods may go, and how many of them.

use super::{Deployment, Facts, advise, capacity};
use crate::api::WhenUnsatisfiable;
use crate::document::{Context, Cursor};
use crate::karpenter::labels::{HOSTNAME, ZONE, is_well_known, normalized};
use crate::manifest::Document;

/// Checks a Deployment.
pub(super) fn check(context: &Context<'_>, root: &Cursor<'_>, facts: &Facts<'_>, document: &Document) {
    let Some(own) = facts.own_deployment(document) else {
        return;
    };
    let at = root.at("spec.template.spec");
    let most = facts.most_replicas(&own.name()).unwrap_or(0);
    let zones = match facts.scenario.zones.len() {
        0 => facts.scenario.catalog.zones().len(),
        own => own,
    };
    if keeps_apart(own, ZONE) && most > i32::try_from(zones).unwrap_or(i32::MAX) {
        let message = format!("one pod in each zone: of up to {most} replicas only {zones} ever run");
        let hint = "spread them over zones with topologySpreadConstraints, or prefer rather than require";
        advise(context, "N017", &at.at("affinity.podAntiAffinity"), message, hint);
    }
    unknown_topology(context, &at, facts, own);
    limits(context, &at, facts, own, most);
}

/// Whether no two pods of a Deployment may be in the same place of that kind.
pub(super) fn keeps_apart(own: &Deployment, topology: &str) -> bool {
    let template = &own.object.template;
    template.spec.affinity.anti_required.iter().any(|term| {
        let selector = term.selector.as_ref();
        let itself = selector.is_some_and(|selector| selector.matches(&template.labels));
        itself
            && term.topology_key == topology
            && term.namespaces.is_empty()
            && term.namespace_selector.is_none()
    })
}

/// A strict spread over a label that no node has.
fn unknown_topology(context: &Context<'_>, at: &Cursor<'_>, facts: &Facts<'_>, own: &Deployment) {
    let constraints = own.object.template.spec.topology_spread.iter();
    for (constraint, at) in constraints.zip(at.get("topologySpreadConstraints").items()) {
        let key = constraint.topology_key.as_str();
        let of_cloud =
            key == HOSTNAME || is_well_known(normalized(key)) || key.starts_with("eks.amazonaws.com/");
        let groups = &facts.scenario.node_groups;
        let pools = facts.objects.iter().flat_map(|objects| &objects.node_pools);
        let of_pools = |key| {
            let mut pools = pools.clone();
            pools.any(|pool| pool.labels.contains_key(key) || pool.requirements.get(key).is_some())
        };
        let known = of_cloud || groups.iter().any(|group| group.labels.contains_key(key)) || of_pools(key);
        if constraint.when_unsatisfiable == WhenUnsatisfiable::DoNotSchedule && !known {
            let message = format!("no pod is ever scheduled: no node has the label {key}");
            let hint =
                "give it to the nodes, or spread over topology.kubernetes.io/zone or kubernetes.io/hostname";
            advise(context, "N018", &at, message, hint);
        }
    }
}

/// Limits of the NodePools that hold fewer pods than an autoscaler may ask for.
fn limits(context: &Context<'_>, at: &Cursor<'_>, facts: &Facts<'_>, own: &Deployment, most: i32) {
    let spec = &own.object.template.spec;
    let requests = spec.requests();
    let pools = capacity::pools_for(facts, spec);
    if pools.is_empty() {
        return;
    }
    let (group_cpu, group_memory) = capacity::group_capacity(facts, spec);
    let sum = |limits: Option<Vec<i64>>| limits.map(|limits| limits.iter().sum::<i64>());
    let cpu = sum(pools.iter().map(|pool| Some(pool.limits.cpu?.0)).collect());
    let memory = sum(pools.iter().map(|pool| Some(pool.limits.memory?.0)).collect());
    let room = |all: Option<i64>, group: i64, one: i64| match all {
        Some(all) if one > 0 => Some((all + group) / one),
        _ => None,
    };
    let by_cpu = room(cpu, group_cpu, requests.cpu.0);
    let by_memory = room(memory, group_memory, requests.memory.0);
    let Some(room) = by_cpu.into_iter().chain(by_memory).min() else {
        return;
    };
    if room < i64::from(most) {
        let names: Vec<&str> = pools.iter().map(|pool| &*pool.name).collect();
        let message = format!(
            "up to {most} replicas, and the limits of {} leave room for {room} at most",
            names.join(", ")
        );
        advise(
            context,
            "N019",
            at,
            message,
            "raise spec.limits, or lower the greatest number of replicas",
        );
    }
}
