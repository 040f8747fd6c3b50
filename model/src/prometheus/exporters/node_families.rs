//! Nodes (kube-state-metrics 2.10 internal/store/node.go).

use super::families::{Context, Family, Object, Pairs, flag};
use super::node_ip;
use crate::api::{Node, TaintEffect};
use crate::id::NodeId;
use crate::quantity::Resources;

/// The families of nodes.
pub(super) static ALL: &[Family<Node>] = &[
    Family {
        name: "kube_node_info",
        stamp: never,
        labels: |_, (id, node)| {
            let own = [
                ("internal_ip", node_ip(NodeId(id))),
                ("provider_id", provider_id(node)),
            ];
            vec![with(node, own)]
        },
        values: |_, _, push| push(1.0),
    },
    Family {
        name: "kube_node_created",
        stamp: never,
        labels: |_, (_, node)| vec![with(node, [])],
        values: |context, (_, node), push| push(context.unix_seconds(node.created)),
    },
    Family {
        name: "kube_node_spec_unschedulable",
        stamp: never,
        labels: |_, (_, node)| vec![with(node, [])],
        values: |_, (_, node), push| push(flag(node.unschedulable)),
    },
    Family {
        name: "kube_node_spec_taint",
        stamp: taints,
        labels: |_, (_, node)| {
            let set = |taint: &crate::api::Taint| {
                let own = [
                    ("key", taint.key.clone()),
                    ("value", taint.value.clone()),
                    ("effect", effect(taint.effect).to_owned()),
                ];
                with(node, own)
            };
            node.taints.iter().map(set).collect()
        },
        values: |_, (_, node), push| node.taints.iter().for_each(|_| push(1.0)),
    },
    Family {
        name: "kube_node_status_condition",
        stamp: never,
        labels: |_, (_, node)| {
            let set = |status: &str| {
                let own = [("condition", "Ready".to_owned()), ("status", status.to_owned())];
                with(node, own)
            };
            ["true", "false", "unknown"].into_iter().map(set).collect()
        },
        values: |_, (_, node), push| {
            [node.ready, !node.ready, false]
                .map(flag)
                .into_iter()
                .for_each(push);
        },
    },
    Family {
        name: "kube_node_status_capacity",
        stamp: |_, (_, node)| node.capacity.extended.len() as u64,
        labels: |_, (_, node)| resource_labels(node, &node.capacity),
        values: |_, (_, node), push| resource_values(&node.capacity, push),
    },
    Family {
        name: "kube_node_status_allocatable",
        stamp: |_, (_, node)| node.allocatable.extended.len() as u64,
        labels: |_, (_, node)| resource_labels(node, &node.allocatable),
        values: |_, (_, node), push| resource_values(&node.allocatable, push),
    },
];

fn never(_: &Context<'_>, _: Object<'_, Node>) -> u64 {
    0
}

/// FNV-1a over the taints.
fn taints(_: &Context<'_>, (_, node): Object<'_, Node>) -> u64 {
    let texts = node
        .taints
        .iter()
        .flat_map(|taint| [&*taint.key, &*taint.value, effect(taint.effect)]);
    let bytes = texts.flat_map(|text| text.bytes().chain([0]));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

fn with(node: &Node, own: impl IntoIterator<Item = (&'static str, String)>) -> Pairs {
    let mut pairs = vec![("node", node.name.clone())];
    pairs.extend(own);
    pairs
}

fn provider_id(node: &Node) -> String {
    let zone = node.label("topology.kubernetes.io/zone");
    node.instance
        .map(|id| format!("aws:///{zone}/i-{:017x}", id.0))
        .unwrap_or_default()
}

fn effect(effect: TaintEffect) -> &'static str {
    match effect {
        TaintEffect::NoSchedule => "NoSchedule",
        TaintEffect::PreferNoSchedule => "PreferNoSchedule",
        TaintEffect::NoExecute => "NoExecute",
    }
}

fn amounts(resources: &Resources) -> Vec<(String, &'static str, f64)> {
    let mut amounts = vec![
        ("cpu".to_owned(), "core", resources.cpu.0 as f64 / 1000.0),
        ("memory".to_owned(), "byte", resources.memory.0 as f64),
        (
            "ephemeral_storage".to_owned(),
            "byte",
            resources.ephemeral_storage.0 as f64,
        ),
        ("pods".to_owned(), "integer", resources.pods as f64),
    ];
    let sanitize = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let extended = |(name, amount): (&std::sync::Arc<str>, &i64)| {
        (name.chars().map(sanitize).collect(), "integer", *amount as f64)
    };
    amounts.extend(resources.extended.iter().map(extended));
    amounts
}

fn resource_labels(node: &Node, resources: &Resources) -> Vec<Pairs> {
    let set = |(resource, unit, _): (String, &str, f64)| {
        with(node, [("resource", resource), ("unit", unit.to_owned())])
    };
    amounts(resources).into_iter().map(set).collect()
}

fn resource_values(resources: &Resources, push: &mut dyn FnMut(f64)) {
    amounts(resources)
        .into_iter()
        .for_each(|(_, _, amount)| push(amount));
}
