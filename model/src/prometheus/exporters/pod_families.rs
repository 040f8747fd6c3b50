//! Pods (kube-state-metrics 2.10 internal/store/pod.go).

use super::families::{Context, Family, Object, Pairs, flag};
use super::{node_ip, pod_ip};
use crate::api::{Container, Owner, Phase, Pod};
use crate::id::{PodId, Table};
use crate::quantity::Resources;

/// The families of pods.
pub(super) static ALL: &[Family<Pod>] = &[
    Family {
        name: "kube_pod_info",
        stamp: place,
        labels: info,
        values: |_, _, push| push(1.0),
    },
    Family {
        name: "kube_pod_status_phase",
        stamp: never,
        labels: |_, (_, pod)| {
            each_value(
                pod,
                "phase",
                &["Pending", "Succeeded", "Failed", "Running", "Unknown"],
            )
        },
        values: |_, (_, pod), push| {
            let phases = [Phase::Pending, Phase::Succeeded, Phase::Failed, Phase::Running];
            phases
                .into_iter()
                .for_each(|phase| push(flag(pod.phase == phase)));
            push(0.0);
        },
    },
    Family {
        name: "kube_pod_status_ready",
        stamp: never,
        labels: |_, (_, pod)| each_value(pod, "condition", &["true", "false", "unknown"]),
        values: |_, (_, pod), push| {
            // The condition is the kubelet's: a pod that none has taken has none.
            if has_status(pod) {
                let ready = pod.is_ready();
                [ready, !ready, false].map(flag).into_iter().for_each(push);
            }
        },
    },
    Family {
        name: "kube_pod_status_scheduled",
        stamp: never,
        labels: |_, (_, pod)| each_value(pod, "condition", &["true", "false", "unknown"]),
        values: |_, (_, pod), push| {
            let bound = pod.node.is_some();
            [bound, !bound, false].map(flag).into_iter().for_each(push);
        },
    },
    Family {
        name: "kube_pod_status_unschedulable",
        stamp: never,
        labels: |_, (_, pod)| vec![identity(pod)],
        // Exposed only while it is so.
        values: |_, (_, pod), push| {
            if pod.unschedulable {
                push(1.0);
            }
        },
    },
    Family {
        name: "kube_pod_created",
        stamp: never,
        labels: |_, (_, pod)| vec![identity(pod)],
        values: |context, (_, pod), push| push(context.unix_seconds(pod.created)),
    },
    Family {
        name: "kube_pod_start_time",
        stamp: never,
        labels: |_, (_, pod)| vec![identity(pod)],
        values: |context, (_, pod), push| {
            if let Some(started) = pod.started {
                push(context.unix_seconds(started));
            }
        },
    },
    Family {
        name: "kube_pod_owner",
        stamp: never,
        labels: |context, (_, pod)| {
            let (kind, name) = owner(context, pod);
            let is_controller = if kind == NONE { NONE } else { "true" };
            let own = [
                ("owner_kind", kind.to_owned()),
                ("owner_name", name),
                ("owner_is_controller", is_controller.to_owned()),
            ];
            vec![with(identity(pod), own)]
        },
        values: |_, _, push| push(1.0),
    },
    Family {
        name: "kube_pod_container_info",
        stamp: never,
        labels: |_, (_, pod)| {
            let set = |c: &Container| {
                let own = [("container", c.name.clone()), ("image_spec", c.image.clone())];
                with(identity(pod), own)
            };
            pod.spec().containers.iter().map(set).collect()
        },
        values: |_, object, push| each_status(object.1, |_| 1.0, push),
    },
    Family {
        name: "kube_pod_container_status_restarts_total",
        stamp: never,
        labels: |_, (_, pod)| containers(pod),
        // The API keeps one number for all regular containers: it is given as the first one's.
        values: |_, (_, pod), push| {
            let mut left = Some(f64::from(pod.restarts.containers));
            each_status(pod, |_| left.take().unwrap_or(0.0), push);
        },
    },
    Family {
        name: "kube_pod_container_status_ready",
        stamp: never,
        labels: |_, (_, pod)| containers(pod),
        values: |_, (_, pod), push| each_status(pod, |_| flag(pod.is_ready()), push),
    },
    Family {
        name: "kube_pod_container_status_running",
        stamp: never,
        labels: |_, (_, pod)| containers(pod),
        values: |_, (_, pod), push| each_status(pod, |_| flag(pod.phase == Phase::Running), push),
    },
    Family {
        name: "kube_pod_container_resource_requests",
        stamp: place,
        labels: |context, object| resource_labels(context, object, requests),
        values: |_, (_, pod), push| resource_values(pod, requests, push),
    },
    Family {
        name: "kube_pod_container_resource_limits",
        stamp: place,
        labels: |context, object| resource_labels(context, object, limits),
        values: |_, (_, pod), push| resource_values(pod, limits, push),
    },
];

/// What kube-state-metrics writes where there is nothing.
const NONE: &str = "<none>";

fn never(_: &Context<'_>, _: Object<'_, Pod>) -> u64 {
    0
}

/// Where the pod is bound, and whether it runs, that is, has an address.
fn place(_: &Context<'_>, (_, pod): Object<'_, Pod>) -> u64 {
    let node = pod.node.map_or(0, |node| u64::from(node.0) + 1);
    node << 1 | u64::from(has_address(pod))
}

fn has_address(pod: &Pod) -> bool {
    pod.phase != Phase::Pending
}

fn identity(pod: &Pod) -> Pairs {
    let uid = format!("{:032x}", pod.uid);
    let parts = [&uid[..8], &uid[8..12], &uid[12..16], &uid[16..20], &uid[20..]];
    vec![
        ("namespace", pod.namespace().to_owned()),
        ("pod", pod.name.clone()),
        ("uid", parts.join("-")),
    ]
}

fn with(mut pairs: Pairs, more: impl IntoIterator<Item = (&'static str, String)>) -> Pairs {
    pairs.extend(more);
    pairs
}

fn each_value(pod: &Pod, label: &'static str, values: &[&str]) -> Vec<Pairs> {
    let set = |value: &&str| with(identity(pod), [(label, (*value).to_owned())]);
    values.iter().map(set).collect()
}

fn containers(pod: &Pod) -> Vec<Pairs> {
    let set = |container: &Container| with(identity(pod), [("container", container.name.clone())]);
    pod.spec().containers.iter().map(set).collect()
}

/// Whether a kubelet has written the pod's status: conditions and containerStatuses.
fn has_status(pod: &Pod) -> bool {
    pod.ready.is_some()
}

/// What status.containerStatuses says, once they are there.
fn each_status(pod: &Pod, mut value: impl FnMut(&Container) -> f64, push: &mut dyn FnMut(f64)) {
    let containers = pod.spec().containers.iter().filter(|_| has_status(pod));
    containers.for_each(|container| push(value(container)));
}

fn owner(context: &Context<'_>, pod: &Pod) -> (&'static str, String) {
    fn name<K: crate::id::Id, V>(table: &Table<K, V>, id: K, name: impl Fn(&V) -> &String) -> String {
        table
            .get(id)
            .map(|object| name(object).clone())
            .unwrap_or_default()
    }
    let api = context.api;
    match pod.owner {
        Owner::ReplicaSet(id, _) => ("ReplicaSet", name(&api.replica_sets, id, |set| &set.name)),
        Owner::DaemonSet(id) => ("DaemonSet", name(&api.daemon_sets, id, |set| &set.name)),
        Owner::None => (NONE, NONE.to_owned()),
    }
}

fn node_name(context: &Context<'_>, pod: &Pod) -> String {
    let node = pod.node.and_then(|node| context.api.nodes.get(node));
    node.map(|node| node.name.clone()).unwrap_or_default()
}

/// Addresses and node are empty, that is, absent before the pod has them.
fn info(context: &Context<'_>, (id, pod): Object<'_, Pod>) -> Vec<Pairs> {
    let (kind, name) = owner(context, pod);
    let host = pod
        .node
        .filter(|_| has_address(pod))
        .map(node_ip)
        .unwrap_or_default();
    let host_network = pod.spec().host_network;
    let ip = match has_address(pod) {
        false => String::new(),
        true if host_network => host.clone(),
        true => pod_ip(PodId(id)),
    };
    let own = [
        ("host_ip", host),
        ("pod_ip", ip),
        ("node", node_name(context, pod)),
        ("created_by_kind", kind.to_owned()),
        ("created_by_name", name),
        ("priority_class", pod.spec().priority_class.clone()),
        ("host_network", host_network.to_string()),
    ];
    vec![with(identity(pod), own)]
}

/// A container's resources: name, unit and amount of each.
type Amounts = fn(&Container) -> Vec<(String, &'static str, f64)>;

fn requests(container: &Container) -> Vec<(String, &'static str, f64)> {
    let Resources {
        cpu,
        memory,
        extended,
        ..
    } = &container.requests;
    let mut amounts = Vec::new();
    if container.requests_cpu || cpu.0 != 0 {
        amounts.push(("cpu".to_owned(), "core", cpu.0 as f64 / 1000.0));
    }
    if container.requests_memory || memory.0 != 0 {
        amounts.push(("memory".to_owned(), "byte", memory.0 as f64));
    }
    amounts.extend(
        extended
            .iter()
            .map(|(name, amount)| extended_amount(name, *amount)),
    );
    amounts
}

fn limits(container: &Container) -> Vec<(String, &'static str, f64)> {
    let cpu = container
        .cpu_limit
        .map(|cpu| ("cpu".to_owned(), "core", cpu.0 as f64 / 1000.0));
    let memory = container
        .memory_limit
        .map(|bytes| ("memory".to_owned(), "byte", bytes.0 as f64));
    let extended = container.requests.extended.iter();
    // Extended resources are requested and limited alike.
    let extended = extended.map(|(name, amount)| extended_amount(name, *amount));
    cpu.into_iter().chain(memory).chain(extended).collect()
}

fn extended_amount(name: &str, amount: i64) -> (String, &'static str, f64) {
    let sanitize = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    (name.chars().map(sanitize).collect(), "integer", amount as f64)
}

fn resource_labels(context: &Context<'_>, (_, pod): Object<'_, Pod>, amounts: Amounts) -> Vec<Pairs> {
    let node = node_name(context, pod);
    let mut sets = Vec::new();
    for container in &pod.spec().containers {
        for (resource, unit, _) in amounts(container) {
            let own = [
                ("container", container.name.clone()),
                ("node", node.clone()),
                ("resource", resource),
                ("unit", unit.to_owned()),
            ];
            sets.push(with(identity(pod), own));
        }
    }
    sets
}

fn resource_values(pod: &Pod, amounts: Amounts, push: &mut dyn FnMut(f64)) {
    let containers = pod.spec().containers.iter();
    containers
        .flat_map(amounts)
        .for_each(|(_, _, amount)| push(amount));
}
