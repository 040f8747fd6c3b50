//! What an event means for a pod that waits: the plugins that may have rejected it and would not now.
//!
//! From 1.32 on each plugin has a *queueing hint*, a function of the pod and the object before and after
//! (`EventsToRegister` and `isSchedulableAfter…` in kubernetes 1.35 pkg/scheduler/framework/plugins). Before,
//! an event that a plugin registered for helps without a question, but a node must look as if it could take
//! the pod (kubernetes 1.31 pkg/scheduler/eventhandlers.go `preCheckForNode`).

use super::cache::Cache;
use super::filter::{fits_request, has_all_topologies};
use super::node_info::{NodeInfo, PodRef};
use super::plugin::{Plugin, PluginSet};
use super::pod_info::{KindId, PodInfo, Spread, Term};
use crate::quantity::Resources;

/// Something that happened in the cluster.
#[derive(Debug, Clone, Copy)]
pub enum ClusterEvent<'a> {
    /// A node joined.
    NodeAdded(&'a NodeInfo),
    /// A node changed.
    NodeUpdated {
        /// As it was.
        old: &'a NodeInfo,
        /// As it is.
        new: &'a NodeInfo,
    },
    /// A node is gone.
    NodeDeleted(&'a NodeInfo),
    /// A pod was bound.
    PodAssigned(KindId),
    /// A bound, assumed or nominated pod is gone or has ended.
    AssignedPodDeleted(KindId),
}

/// The plugins for whose rejections the event may be the end.
#[must_use]
pub fn helps(cache: &Cache, pod: PodRef, event: ClusterEvent<'_>) -> PluginSet {
    if cache.profile.queueing_hints {
        queueing_hints(cache, pod, event)
    } else {
        registered_events(cache, pod, event)
    }
}

fn queueing_hints(cache: &Cache, pod: PodRef, event: ClusterEvent<'_>) -> PluginSet {
    let info = cache.kind(pod.kind);
    let mut plugins = PluginSet::EMPTY;
    let mut note = |plugin, helps: bool| {
        if helps {
            plugins.insert(plugin);
        }
    };
    match event {
        ClusterEvent::NodeAdded(node) => {
            note(Plugin::NodeUnschedulable, !node.unschedulable);
            note(Plugin::NodeName, true);
            note(Plugin::TaintToleration, node.untolerated_taint(info).is_none());
            note(
                Plugin::NodeAffinity,
                node.matches_required_affinity(info, pod.only_node),
            );
            note(Plugin::NodePorts, true);
            note(Plugin::NodeResourcesFit, fits_empty(info, node));
            note(Plugin::PodTopologySpread, has_all_topologies(node, &info.hard));
            note(Plugin::InterPodAffinity, brings_topology(info, node));
        }
        ClusterEvent::NodeUpdated { old, new } => {
            let (labels, taints) = (old.labels != new.labels, old.taints != new.taints);
            note(Plugin::NodeUnschedulable, old.unschedulable && !new.unschedulable);
            let tolerated = |node: &NodeInfo| node.untolerated_taint(info).is_none();
            note(
                Plugin::TaintToleration,
                taints && !tolerated(old) && tolerated(new),
            );
            let matches = |node: &NodeInfo| node.matches_required_affinity(info, pod.only_node);
            note(Plugin::NodeAffinity, labels && !matches(old) && matches(new));
            note(
                Plugin::NodeResourcesFit,
                fits_empty(info, new) && gained(info, old, new),
            );
            // Uncordoning is told as a change of taints.
            let told = labels || taints || old.unschedulable && !new.unschedulable;
            note(
                Plugin::PodTopologySpread,
                told && spreads_otherwise(&info.hard, old, new),
            );
            note(Plugin::InterPodAffinity, labels && moved_domain(info, old, new));
        }
        ClusterEvent::NodeDeleted(node) => {
            note(Plugin::PodTopologySpread, has_all_topologies(node, &info.hard));
        }
        ClusterEvent::PodAssigned(other) => {
            note(Plugin::PodTopologySpread, counts_in_spread(cache, info, other));
            note(
                Plugin::InterPodAffinity,
                hints_at_all(cache, &info.affinity, other),
            );
        }
        ClusterEvent::AssignedPodDeleted(other) => {
            note(Plugin::NodePorts, ports_conflict(info, cache.kind(other)));
            note(Plugin::NodeResourcesFit, true);
            note(Plugin::PodTopologySpread, counts_in_spread(cache, info, other));
            note(
                Plugin::InterPodAffinity,
                hints_at_all(cache, &info.anti_affinity, other),
            );
        }
    }
    plugins
}

/// The pod fits the node if nothing else were there (noderesources/fit.go `isFit`).
fn fits_empty(info: &PodInfo, node: &NodeInfo) -> bool {
    fits_request(&info.requests, &node.allocatable, &Resources::default(), 0).is_empty()
}

/// The node has more of something that the pod requests (`haveAnyRequestedResourcesIncreased`).
fn gained(info: &PodInfo, old: &NodeInfo, new: &NodeInfo) -> bool {
    let (wanted, old, new) = (&info.requests, &old.allocatable, &new.allocatable);
    let more = |wanted: i64, old: i64, new: i64| wanted > 0 && new > old;
    more(1, old.pods, new.pods)
        || more(wanted.cpu.0, old.cpu.0, new.cpu.0)
        || more(wanted.memory.0, old.memory.0, new.memory.0)
        || more(
            wanted.ephemeral_storage.0,
            old.ephemeral_storage.0,
            new.ephemeral_storage.0,
        )
        || wanted
            .extended
            .iter()
            .any(|(name, &wanted)| more(wanted, old.extended(name), new.extended(name)))
}

/// (podtopologyspread/plugin.go `isSchedulableAfterNodeChange`)
fn spreads_otherwise(hard: &[Spread], old: &NodeInfo, new: &NodeInfo) -> bool {
    let (was, is) = (has_all_topologies(old, hard), has_all_topologies(new, hard));
    let moved = |spread: &Spread| old.domain(spread.topology) != new.domain(spread.topology);
    was != is || is && (hard.iter().any(moved) || old.taints != new.taints)
}

/// A new node may hold what affinity asks for, or be free of what anti-affinity fears
/// (interpodaffinity/plugin.go `isSchedulableAfterNodeChange`).
fn brings_topology(info: &PodInfo, node: &NodeInfo) -> bool {
    info.affinity
        .iter()
        .any(|term| node.domain(term.topology).is_some())
        || !info.anti_affinity.is_empty()
}

fn moved_domain(info: &PodInfo, old: &NodeInfo, new: &NodeInfo) -> bool {
    let domains = |term: &Term| (old.domain(term.topology), new.domain(term.topology));
    let joined = |term: &Term| matches!(domains(term), (was, Some(is)) if was != Some(is));
    let left = |term: &Term| matches!(domains(term), (Some(was), is) if is != Some(was));
    info.affinity.iter().any(joined) || info.anti_affinity.iter().any(left)
}

/// Of the same namespace and selected by one of the constraints.
fn counts_in_spread(cache: &Cache, info: &PodInfo, other: KindId) -> bool {
    let template = &cache.kind(other).template;
    let selected = |spread: &Spread| spread.matches_labels(&template.labels);
    template.namespace == info.template.namespace && info.hard.iter().any(selected)
}

fn hints_at_all(cache: &Cache, terms: &[Term], other: KindId) -> bool {
    let template = &cache.kind(other).template;
    !terms.is_empty() && terms.iter().all(|term| term.hints_at(template))
}

fn ports_conflict(info: &PodInfo, other: &PodInfo) -> bool {
    info.host_ports
        .iter()
        .any(|wanted| other.host_ports.iter().any(|taken| taken.conflicts(wanted)))
}

/// Releases before 1.32: who registered for what (kubernetes 1.31, the plugins' `EventsToRegister` and
/// pkg/scheduler/internal/queue/scheduling_queue.go `getUnschedulablePodsWithCrossTopologyTerm`).
fn registered_events(cache: &Cache, pod: PodRef, event: ClusterEvent<'_>) -> PluginSet {
    let info = cache.kind(pod.kind);
    let any_node = PluginSet::EMPTY
        .with(Plugin::NodeUnschedulable)
        .with(Plugin::NodeName)
        .with(Plugin::TaintToleration)
        .with(Plugin::NodeAffinity)
        .with(Plugin::NodePorts)
        .with(Plugin::NodeResourcesFit);
    let grouping = PluginSet::EMPTY
        .with(Plugin::PodTopologySpread)
        .with(Plugin::InterPodAffinity);
    match event {
        ClusterEvent::NodeAdded(node) | ClusterEvent::NodeUpdated { new: node, .. }
            if !looks_good(info, pod, node) =>
        {
            PluginSet::EMPTY
        }
        ClusterEvent::NodeAdded(_) => any_node.union(grouping),
        ClusterEvent::NodeUpdated { old, new } => {
            let told = old.labels != new.labels
                || old.taints != new.taints
                || old.unschedulable && !new.unschedulable;
            if told { any_node.union(grouping) } else { any_node }
        }
        // Not told to the queue.
        ClusterEvent::NodeDeleted(_) => PluginSet::EMPTY,
        ClusterEvent::PodAssigned(other) => {
            let wanted = |term: &Term| term.matches[other.index()];
            if info.affinity.iter().any(wanted) {
                grouping
            } else if cache.kind(other).template.namespace == info.template.namespace {
                PluginSet::EMPTY.with(Plugin::PodTopologySpread)
            } else {
                PluginSet::EMPTY
            }
        }
        ClusterEvent::AssignedPodDeleted(_) => {
            grouping.with(Plugin::NodePorts).with(Plugin::NodeResourcesFit)
        }
    }
}

/// Room, affinity, name, ports and taints of the node as it is (`AdmissionCheck`).
fn looks_good(info: &PodInfo, pod: PodRef, node: &NodeInfo) -> bool {
    let named = info
        .template
        .spec
        .node_name
        .as_ref()
        .is_none_or(|name| *name == node.name);
    fits_request(
        &info.requests,
        &node.allocatable,
        &node.requested,
        node.pods.len(),
    )
    .is_empty()
        && node.matches_required_affinity(info, pod.only_node)
        && named
        && !node.ports_conflict(&info.host_ports)
        && node.untolerated_taint(info).is_none()
}
