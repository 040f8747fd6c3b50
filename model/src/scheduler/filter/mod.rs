//! Filters: whether a node can take a pod (kubernetes 1.35 pkg/scheduler/framework/plugins).

mod fit;
mod inter_pod;
mod spread;

pub use fit::fits_request;
pub use inter_pod::InterPodState;
pub use spread::SpreadState;
pub(super) use spread::{count_pods, has_all_topologies, includes};

use super::cache::Cache;
use super::node_info::{NodeInfo, PlacedPod, PodRef};
use super::plugin::Plugin;
use super::pod_info::PodInfo;
use super::status::{Reason, Status};

/// What filters count over all nodes before they look at one. Adding or removing a pod keeps it right, which
/// is how "what if" is asked.
#[derive(Debug, Clone)]
pub struct PreFilterState {
    spread: Option<SpreadState>,
    inter_pod: Option<InterPodState>,
}

impl PreFilterState {
    /// Counts for a pod.
    #[must_use]
    pub fn new(cache: &Cache, pod: PodRef) -> Self {
        PreFilterState {
            spread: SpreadState::new(cache, pod),
            inter_pod: InterPodState::new(cache, pod),
        }
    }

    /// A pod comes to a node (`delta` 1) or leaves it (-1).
    pub fn update(&mut self, cache: &Cache, pod: PodRef, other: &PlacedPod, node: &NodeInfo, delta: i64) {
        if let Some(spread) = &mut self.spread {
            spread.update(cache, pod, other, node, delta);
        }
        if let Some(inter_pod) = &mut self.inter_pod {
            inter_pod.update(cache, pod, other, node, delta);
        }
    }

    /// Whether pods had to be counted on all nodes.
    #[must_use]
    pub fn counted_pods(&self) -> bool {
        self.spread.is_some() || self.inter_pod.is_some()
    }
}

/// Runs the filters in order until one fails
/// (kubernetes 1.35 pkg/scheduler/framework/runtime/framework.go `RunFilterPlugins`).
#[must_use]
pub fn run_filters(cache: &Cache, pod: PodRef, state: &PreFilterState, node: &NodeInfo) -> Option<Status> {
    let info = cache.kind(pod.kind);
    node_unschedulable(info, node)
        .or_else(|| node_name(info, node))
        .or_else(|| taint_toleration(cache, info, node))
        .or_else(|| node_affinity(info, pod, node))
        .or_else(|| node_ports(info, node))
        .or_else(|| fit::filter(&cache.profile, info, node))
        .or_else(|| state.spread.as_ref()?.filter(info, node))
        .or_else(|| state.inter_pod.as_ref()?.filter(info, node))
}

/// The same, and if pods of no lower priority hope for room on the node, it must fit beside them too
/// (framework.go `RunFilterPluginsWithNominatedPods`).
#[must_use]
pub fn run_filters_with_nominated_pods(
    cache: &Cache,
    pod: PodRef,
    state: &PreFilterState,
    node: &NodeInfo,
) -> Option<Status> {
    let priority = cache.kind(pod.kind).priority();
    let counts = |other: &&PodRef| other.id != pod.id && cache.kind(other.kind).priority() >= priority;
    let mut hopeful = cache.nominated(node.id).iter().filter(counts).peekable();
    if hopeful.peek().is_some() {
        let (mut node, mut state) = (node.clone(), state.clone());
        for other in hopeful {
            let placed = PlacedPod {
                id: other.id,
                kind: other.kind,
                terminating: false,
                preempted: false,
                started: None,
            };
            node.add_pod(placed, cache.kind(other.kind));
            state.update(cache, pod, &placed, &node, 1);
        }
        let refused = run_filters(cache, pod, &state, &node);
        if refused.is_some() {
            return refused;
        }
    }
    run_filters(cache, pod, state, node)
}

fn node_unschedulable(info: &PodInfo, node: &NodeInfo) -> Option<Status> {
    let refused = node.unschedulable && !info.tolerates_unschedulable;
    refused.then(|| Status::new(Plugin::NodeUnschedulable, true, Reason::Unschedulable))
}

fn node_name(info: &PodInfo, node: &NodeInfo) -> Option<Status> {
    let wanted = info.template.spec.node_name.as_ref()?;
    (*wanted != node.name).then(|| Status::new(Plugin::NodeName, true, Reason::NodeName))
}

fn taint_toleration(cache: &Cache, info: &PodInfo, node: &NodeInfo) -> Option<Status> {
    let taint = node.untolerated_taint(info)?;
    let reason = if cache.profile.taint_in_reason {
        Reason::NamedTaint {
            key: taint.key.clone(),
            value: taint.value.clone(),
        }
    } else {
        Reason::UntoleratedTaint
    };
    Some(Status::new(Plugin::TaintToleration, true, reason))
}

fn node_affinity(info: &PodInfo, pod: PodRef, node: &NodeInfo) -> Option<Status> {
    let refused = !node.matches_required_affinity(info, pod.only_node);
    refused.then(|| Status::new(Plugin::NodeAffinity, true, Reason::NodeAffinity))
}

fn node_ports(info: &PodInfo, node: &NodeInfo) -> Option<Status> {
    let refused = node.ports_conflict(&info.host_ports);
    refused.then(|| Status::new(Plugin::NodePorts, false, Reason::Ports))
}
