//! Which DaemonSet pods a node should run.
//!
//! A DaemonSet's pod is made for a node once the node's NoSchedule and NoExecute taints are tolerated, and
//! bound by the default scheduler through a required affinity on the node's name. The controller adds the
//! tolerations of [`TOLERATIONS`] to every pod it makes; not-ready:NoSchedule is not among them, which is
//! why a device plugin waits for a node to be Ready while the network plugin does not.

use crate::api::{Node, PodTemplate, Taint, TaintEffect, Toleration};

/// What the controller makes every DaemonSet pod tolerate
/// (kubernetes 1.35 pkg/controller/daemon/util/daemonset_util.go `AddOrUpdateDaemonPodTolerations`).
pub const TOLERATIONS: [(&str, TaintEffect); 6] = [
    (Taint::NOT_READY, TaintEffect::NoExecute),
    (Taint::UNREACHABLE, TaintEffect::NoExecute),
    ("node.kubernetes.io/disk-pressure", TaintEffect::NoSchedule),
    ("node.kubernetes.io/memory-pressure", TaintEffect::NoSchedule),
    ("node.kubernetes.io/pid-pressure", TaintEffect::NoSchedule),
    ("node.kubernetes.io/unschedulable", TaintEffect::NoSchedule),
];

/// The template with the tolerations that the controller adds.
#[must_use]
pub fn with_tolerations(mut template: PodTemplate) -> PodTemplate {
    let network = template.spec.host_network;
    let added = TOLERATIONS
        .into_iter()
        .chain(network.then_some(("node.kubernetes.io/network-unavailable", TaintEffect::NoSchedule)));
    template
        .spec
        .tolerations
        .extend(added.map(|(key, effect)| Toleration {
            key: key.to_owned(),
            value: None,
            effect: Some(effect),
            seconds: None,
        }));
    template
}

/// Whether a node should run the DaemonSet's pod now
/// (kubernetes 1.35 pkg/controller/daemon/daemon_controller.go `NodeShouldRunDaemonPod`).
#[must_use]
pub fn node_should_run(template: &PodTemplate, node: &Node) -> bool {
    let blocks = |taint: &Taint| taint.effect != TaintEffect::PreferNoSchedule;
    selects(template, node) && tolerates_all(template, node, blocks)
}

/// Whether a pod that is there may stay: taints that only keep new pods away do not drive it out.
#[must_use]
pub fn node_should_keep(template: &PodTemplate, node: &Node) -> bool {
    let drives_out = |taint: &Taint| taint.effect == TaintEffect::NoExecute;
    selects(template, node) && tolerates_all(template, node, drives_out)
}

fn selects(template: &PodTemplate, node: &Node) -> bool {
    let spec = &template.spec;
    let named = spec.node_name.as_ref().is_none_or(|name| *name == node.name);
    let selected = spec
        .node_selector
        .iter()
        .all(|(key, value)| node.labels.get(key) == Some(value));
    let affine = spec
        .affinity
        .node_required
        .as_ref()
        .is_none_or(|terms| terms.iter().any(|term| term.matches(&node.name, &node.labels)));
    named && selected && affine
}

fn tolerates_all(template: &PodTemplate, node: &Node, counts: impl Fn(&Taint) -> bool) -> bool {
    node.taints
        .iter()
        .filter(|taint| counts(taint))
        .all(|taint| template.spec.tolerates(taint))
}
