//! Values of labels that no machine has: a slip of the pen among others that are right.

use super::{Facts, advise, capacity};
use crate::document::{Context, Cursor, closest};
use crate::ec2::NodeGroup;
use crate::karpenter::labels::{
    ARCH, CAPACITY_TYPE, HOSTNAME, INITIALIZED, INSTANCE_TYPE, NODE_POOL, OS, REGION, REGISTERED, ZONE,
    is_well_known, normalized,
};
use crate::karpenter::{CapacityType, NodePool, Requirement};
use crate::manifest::Document;

const EBS_ZONE: &str = "topology.ebs.csi.aws.com/zone";

/// Values of a NodePool's requirements.
pub(super) fn of_pool(facts: &Facts<'_>, context: &Context<'_>, spec: &Cursor<'_>, pool: &NodePool) {
    let types = || capacity::of_pool(facts, &pool.name);
    for requirement in spec.at("template.spec.requirements").items() {
        let Some(key) = requirement.get("key").written().map(normalized) else {
            continue;
        };
        let hint = match requirement.get("operator").written() {
            Some("In") => "the other values alone count",
            Some("NotIn") => "it excludes nothing",
            _ => continue,
        };
        if !is_well_known(key) || key == NODE_POOL {
            continue;
        }
        let has =
            |value: &str| types().any(|own| own.requirements.get(key).is_some_and(|own| own.has(value)));
        let values = || types().filter_map(|own| own.requirements.get(key));
        let known = || values().flat_map(|own| own.values().iter().map(|value| &**value));
        for at in requirement.get("values").items() {
            let Some(value) = at.written().filter(|value| !has(value)) else {
                continue;
            };
            // Who names it has no reservation, and means so.
            let reserved = key == CAPACITY_TYPE && value == CapacityType::Reserved.as_str();
            // A key that no type has a value of is about something else.
            if reserved || known().next().is_none() {
                continue;
            }
            let message = format!(
                "no instance type of {} that this NodePool's class can get has {key} {value:?}",
                facts.scenario.region
            );
            let hint = closest(value, known()).map_or_else(
                || hint.to_owned(),
                |near| format!("{hint}; did you mean {near:?}?"),
            );
            advise(context, "N015", &at, message, &hint);
        }
    }
}

/// Values that pods of a Deployment or DaemonSet ask nodes for.
pub(super) fn of_pods(facts: &Facts<'_>, document: &Document, root: &Cursor<'_>) {
    // A NodePool without its class launches nothing, which is an error of its own.
    let pools = || facts.objects.iter().flat_map(|objects| &objects.node_pools);
    if pools().any(|pool| capacity::of_pool(facts, &pool.name).next().is_none()) {
        return;
    }
    let context = Context::new(&document.file, document.title(), facts.problems);
    let spec = root.at("spec.template.spec");
    let tell = |key: &str, at: &Cursor<'_>| {
        let value = at.written().unwrap_or_default();
        let message =
            format!("no node has the label {key}={value}: neither a node group nor a NodePool gives it");
        let hint = match key {
            EBS_ZONE => {
                "the driver of EBS volumes gives it on a real node, which is not simulated: select by topology.kubernetes.io/zone"
            }
            HOSTNAME => "nodes are called as EC2 calls them, ip-192-168-12-34: select by a label of your own",
            _ => {
                "labels are given by node_group.labels, by a NodePool's template and its requirements, and by the machine"
            }
        };
        advise(&context, "N015", at, message, hint);
    };
    let given = |key: &str, at: &Cursor<'_>| at.written().is_none_or(|value| is_given(facts, key, value));
    let exists = |key: &str, at: &Cursor<'_>| at.written().is_none_or(|value| exists(facts, key, value));
    for (key, at) in spec.get("nodeSelector").entries() {
        if !given(key, &at) {
            tell(key, &at);
        }
    }
    let affinity = spec.at("affinity.nodeAffinity");
    let required = affinity.at("requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms");
    let preferred = affinity
        .get("preferredDuringSchedulingIgnoredDuringExecution")
        .items();
    let preferred = preferred.iter().map(|term| term.get("preference"));
    for term in required.items().into_iter().chain(preferred) {
        for expression in term.get("matchExpressions").items() {
            let [key, operator] = ["key", "operator"].map(|name| expression.get(name));
            let (Some(key), Some("In")) = (key.written(), operator.written()) else {
                continue;
            };
            // Beside one that is given, another may be meant for other clusters: arm64 beside amd64.
            let values = expression.get("values").items();
            let some = values.iter().any(|at| given(key, at));
            for at in &values {
                if !(given(key, at) || some && exists(key, at)) {
                    tell(key, at);
                }
            }
        }
    }
}

/// Whether there are machines anywhere in the region with a label of that value, as far as labels are the machine's.
fn exists(facts: &Facts<'_>, key: &str, value: &str) -> bool {
    let mut pools = facts.objects.iter().flat_map(|objects| &objects.node_pools);
    match normalized(key) {
        _ if key == EBS_ZONE => false,
        CAPACITY_TYPE => value.parse::<CapacityType>().is_ok(),
        ARCH => ["amd64", "arm64"].contains(&value),
        OS => ["linux", "windows"].contains(&value),
        ZONE => facts
            .scenario
            .catalog
            .zones()
            .iter()
            .any(|zone| *zone.name == *value),
        INSTANCE_TYPE => facts.scenario.catalog.get(value).is_some(),
        key if key == NODE_POOL || !is_well_known(key) => false,
        key => pools.any(|pool| {
            let mut types = capacity::of_pool(facts, &pool.name);
            types.any(|own| own.requirements.get(key).is_some_and(|own| own.has(value)))
        }),
    }
}

/// Whether some node has a label of that value, or can get it.
fn is_given(facts: &Facts<'_>, key: &str, value: &str) -> bool {
    let current = normalized(key);
    // Names of nodes are not known before, and every node of Karpenter's gets the marks of its stages.
    if current == HOSTNAME {
        return value.starts_with("ip-");
    }
    if [REGISTERED, INITIALIZED].contains(&current) {
        return true;
    }
    let mut groups = facts.scenario.node_groups.iter().filter(|group| group.size > 0);
    // Karpenter takes it for the zone and launches a node, which does not have it.
    if key == EBS_ZONE {
        return groups.any(|group| group.labels.get(key).is_some_and(|own| own == value));
    }
    if groups.any(|group| of_group(facts, group, key, value)) {
        return true;
    }
    let mut pools = facts.objects.iter().flat_map(|objects| &objects.node_pools);
    pools.any(|pool| {
        let mut wanted = pool.template_requirements();
        let defined = wanted.get(current).is_some_and(|own| own.has(value));
        if !is_well_known(current) || current == NODE_POOL {
            return defined;
        }
        wanted.add(current, Requirement::only(value));
        capacity::launchable(facts, &pool.name, &wanted).next().is_some()
    })
}

/// Whether nodes of a group have it, see [`crate::ec2::node`].
fn of_group(facts: &Facts<'_>, group: &NodeGroup, key: &str, value: &str) -> bool {
    let entry = facts.scenario.catalog.get(&group.instance_type);
    match normalized(key) {
        OS => value == "linux",
        ARCH => entry.is_some_and(|entry| entry.spec.arch.as_str() == value),
        INSTANCE_TYPE => *group.instance_type == *value,
        REGION => facts.scenario.region == value,
        ZONE if group.zones.is_empty() => {
            entry.is_some_and(|entry| entry.zones.iter().any(|zone| **zone == *value))
        }
        ZONE => group.zones.iter().any(|zone| **zone == *value),
        "topology.k8s.aws/zone-id" => facts.scenario.catalog.zones().iter().any(|zone| zone.id == value),
        "eks.amazonaws.com/nodegroup" => group.name == value,
        "eks.amazonaws.com/capacityType" => {
            value
                == match group.capacity_type {
                    CapacityType::Spot => "SPOT",
                    CapacityType::OnDemand => "ON_DEMAND",
                    CapacityType::Reserved => "CAPACITY_BLOCK",
                }
        }
        _ => group.labels.get(key).is_some_and(|own| own == value),
    }
}
