//! What the scheduler knows about a node.

use std::sync::Arc;

use sim::Instant;

use super::pod_info::{HostPort, KindId, PodInfo, TopologyId};
use crate::api::{Labels, Node, Taint, TaintEffect};
use crate::id::{NodeId, PodId};
use crate::quantity::Resources;

/// Which pod it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PodRef {
    /// The pod.
    pub id: PodId,
    /// What it is like.
    pub kind: KindId,
    /// The node to which a DaemonSet pod is confined.
    pub only_node: Option<NodeId>,
}

/// A pod that takes room on a node: bound or assumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlacedPod {
    /// The pod.
    pub id: PodId,
    /// What it is like.
    pub kind: KindId,
    /// It has a deletion timestamp.
    pub terminating: bool,
    /// It is terminating because this scheduler preempted it.
    pub preempted: bool,
    /// status.startTime
    pub started: Option<Instant>,
}

/// No such domain: the node lacks the label.
pub(super) const NO_DOMAIN: u32 = u32::MAX;

/// A node and what its pods take of it (kubernetes 1.35 pkg/scheduler/framework/types.go `NodeInfo`).
#[derive(Debug, Clone)]
pub struct NodeInfo {
    /// Which node.
    pub id: NodeId,
    /// metadata.name
    pub name: String,
    /// metadata.labels
    pub labels: Arc<Labels>,
    /// spec.taints
    pub taints: Vec<Taint>,
    /// spec.unschedulable
    pub unschedulable: bool,
    /// The Ready condition.
    pub ready: bool,
    /// status.allocatable
    pub allocatable: Resources,
    /// The pods.
    pub pods: Vec<PlacedPod>,
    /// What they request; `pods` is their number.
    pub requested: Resources,
    /// CPU that counts in LeastAllocated.
    pub non_zero_cpu: i64,
    /// Memory that counts in LeastAllocated.
    pub non_zero_memory: i64,
    ports: Vec<HostPort>,
    /// By topology: the domain, or [`NO_DOMAIN`].
    pub(super) domains: Vec<u32>,
}

impl NodeInfo {
    /// A node without pods.
    pub(super) fn new(id: NodeId, node: &Node) -> Self {
        NodeInfo {
            id,
            name: node.name.clone(),
            labels: node.labels.clone(),
            taints: node.taints.clone(),
            unschedulable: node.unschedulable,
            ready: node.ready,
            allocatable: node.allocatable.clone(),
            pods: Vec::new(),
            requested: Resources::default(),
            non_zero_cpu: 0,
            non_zero_memory: 0,
            ports: Vec::new(),
            domains: Vec::new(),
        }
    }

    /// The domain of the node, if it has the label.
    #[must_use]
    pub fn domain(&self, topology: TopologyId) -> Option<usize> {
        let domain = self.domains[topology.index()];
        (domain != NO_DOMAIN).then_some(domain as usize)
    }

    /// Whether nothing that scheduling heeds has changed, images aside.
    pub(super) fn is_like(&self, node: &Node) -> bool {
        self.labels == node.labels
            && self.taints == node.taints
            && self.unschedulable == node.unschedulable
            && self.ready == node.ready
            && self.allocatable == node.allocatable
    }

    /// Gives a pod its room.
    pub fn add_pod(&mut self, pod: PlacedPod, info: &PodInfo) {
        self.requested += &info.requests;
        self.non_zero_cpu += info.non_zero_cpu;
        self.non_zero_memory += info.non_zero_memory;
        self.ports.extend_from_slice(&info.host_ports);
        self.pods.push(pod);
    }

    /// Takes a pod's room back. The last pod takes its place in the list, as upstream has it.
    ///
    /// # Panics
    ///
    /// When the pod is not here.
    pub fn remove_pod(&mut self, id: PodId, info: &PodInfo) -> PlacedPod {
        let at = self
            .pods
            .iter()
            .position(|pod| pod.id == id)
            .expect("a pod that leaves a node is there");
        self.requested -= &info.requests;
        self.non_zero_cpu -= info.non_zero_cpu;
        self.non_zero_memory -= info.non_zero_memory;
        for port in &info.host_ports {
            let at = self
                .ports
                .iter()
                .position(|taken| taken == port)
                .expect("its ports were taken");
            self.ports.swap_remove(at);
        }
        self.pods.swap_remove(at)
    }

    /// Whether some pod here has one of these ports.
    #[must_use]
    pub fn ports_conflict(&self, wanted: &[HostPort]) -> bool {
        wanted
            .iter()
            .any(|port| self.ports.iter().any(|taken| taken.conflicts(port)))
    }

    /// The first taint that keeps a pod away
    /// (kubernetes 1.35 staging/src/k8s.io/component-helpers/scheduling/corev1/helpers.go
    /// `FindMatchingUntoleratedTaint`).
    #[must_use]
    pub fn untolerated_taint(&self, info: &PodInfo) -> Option<&Taint> {
        let keeps_away = |taint: &&Taint| taint.effect != TaintEffect::PreferNoSchedule;
        let spec = &info.template.spec;
        self.taints
            .iter()
            .filter(keeps_away)
            .find(|taint| !spec.tolerates(taint))
    }

    /// Whether node selector and required node affinity hold
    /// (kubernetes 1.35 staging/src/k8s.io/component-helpers/scheduling/corev1/nodeaffinity/nodeaffinity.go
    /// `RequiredNodeAffinity.Match`). The DaemonSet controller's term replaces all others.
    #[must_use]
    pub fn matches_required_affinity(&self, info: &PodInfo, only_node: Option<NodeId>) -> bool {
        let spec = &info.template.spec;
        let selected = spec
            .node_selector
            .iter()
            .all(|(key, value)| self.labels.get(key) == Some(value));
        let affine = match (only_node, &spec.affinity.node_required) {
            (Some(only), _) => only == self.id,
            (None, None) => true,
            (None, Some(terms)) => terms.iter().any(|term| term.matches(&self.name, &self.labels)),
        };
        selected && affine
    }
}
