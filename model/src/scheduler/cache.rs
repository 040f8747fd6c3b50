//! The scheduler's picture of nodes and pods, kept up to date event by event
//! (kubernetes 1.35 pkg/scheduler/backend/cache/cache.go).
//!
//! Whatever depends on templates only is worked out when the first pod of a template is seen: requests,
//! and which templates a selector matches. Nodes know the number of their domain for every topology key in
//! use. So a cycle compares numbers, not texts.

use std::sync::Arc;

use sim::SortedMap;

use super::node_info::{NO_DOMAIN, NodeInfo, PlacedPod, PodRef};
use super::pod_info::{KindId, PodInfo, Term, TopologyId};
use super::profile::Profile;
use super::{ScoringStrategy, pod_info};
use crate::api::{LabelSelector, Labels, Node, PodTemplate};
use crate::id::{ById, Id, NodeId, PodId};
use crate::quantity::Bytes;

/// An image that some node has.
#[derive(Debug, Clone)]
pub struct ImageState {
    /// As the first of the nodes reported it.
    pub size: Bytes,
    /// Who has it, and how many had it when they last changed, themselves included.
    pub nodes: SortedMap<NodeId, usize>,
}

/// A node label by which nodes are grouped.
#[derive(Debug, Clone)]
struct Topology {
    key: String,
    /// Its values, numbered in the order in which they were first seen; never forgotten.
    domains: SortedMap<String, u32>,
}

impl Topology {
    fn domain(&mut self, labels: &Labels) -> u32 {
        let Some(value) = labels.get(&self.key) else {
            return NO_DOMAIN;
        };
        if let Some(&domain) = self.domains.get(value) {
            return domain;
        }
        let domain = self.domains.len() as u32;
        self.domains.insert(value.clone(), domain);
        domain
    }
}

/// What a node's change is to the queue.
#[derive(Debug, Clone)]
pub enum NodeChange {
    /// It was not known.
    Added,
    /// It was like this before.
    Updated(Box<NodeInfo>),
    /// Nothing that concerns waiting pods.
    Nothing,
}

/// What the scheduler knows.
#[derive(Debug, Clone)]
pub struct Cache {
    /// What this release does.
    pub profile: Profile,
    /// scoringStrategy of NodeResourcesFit
    pub scoring_strategy: ScoringStrategy,
    kinds: Vec<PodInfo>,
    topologies: Vec<Topology>,
    /// By node id.
    nodes: Vec<Option<NodeInfo>>,
    /// Nodes by zone, zones and nodes in order of arrival (backend/cache/node_tree.go).
    zones: Vec<(String, Vec<NodeId>)>,
    /// The order in which nodes are visited.
    order: Vec<NodeId>,
    placed: ById<PodId, NodeId>,
    images: SortedMap<String, ImageState>,
    node_images: SortedMap<NodeId, SortedMap<String, Bytes>>,
    nominated: SortedMap<NodeId, Vec<PodRef>>,
}

impl Cache {
    /// An empty picture.
    #[must_use]
    pub fn new(profile: Profile, scoring_strategy: ScoringStrategy) -> Self {
        Cache {
            profile,
            scoring_strategy,
            kinds: Vec::new(),
            topologies: Vec::new(),
            nodes: Vec::new(),
            zones: Vec::new(),
            order: Vec::new(),
            placed: ById::default(),
            images: SortedMap::new(),
            node_images: SortedMap::new(),
            nominated: SortedMap::new(),
        }
    }

    /// Makes a template known. `default_selector` is what [`pod_info::default_selector`] gives.
    pub fn add_kind(
        &mut self,
        template: Arc<PodTemplate>,
        default_selector: &LabelSelector,
        namespaces: &SortedMap<String, Labels>,
    ) -> KindId {
        let (profile, topologies, nodes) = (self.profile, &mut self.topologies, &mut self.nodes);
        let mut topology = |key: &str| intern(key, topologies, nodes);
        let mut info = PodInfo::new(template, default_selector, &profile, &mut topology);
        for known in &mut self.kinds {
            known.learn(&info.template, namespaces, &profile);
            info.learn(&known.template, namespaces, &profile);
        }
        let own = info.template.clone();
        info.learn(&own, namespaces, &profile);
        let kind = KindId(self.kinds.len() as u32);
        let matches = |term: &Term| term.finds[kind.index()];
        info.matches_own_affinity = !info.affinity.is_empty() && info.affinity.iter().all(matches);
        self.kinds.push(info);
        kind
    }

    /// What is known of a kind.
    #[must_use]
    pub fn kind(&self, kind: KindId) -> &PodInfo {
        &self.kinds[kind.index()]
    }

    /// All kinds, in the order of their ids.
    #[must_use]
    pub fn kinds(&self) -> &[PodInfo] {
        &self.kinds
    }

    /// How many domains a topology has had.
    #[must_use]
    pub fn domains(&self, topology: TopologyId) -> usize {
        self.topologies[topology.index()].domains.len()
    }

    /// A node.
    #[must_use]
    pub fn node(&self, id: NodeId) -> Option<&NodeInfo> {
        self.nodes.get(id.index())?.as_ref()
    }

    /// How many nodes there are.
    #[must_use]
    pub fn node_count(&self) -> usize {
        self.order.len()
    }

    /// The nodes in the order in which they are visited: one of each zone in turn.
    pub fn list(&self) -> impl ExactSizeIterator<Item = &NodeInfo> + '_ {
        self.order
            .iter()
            .map(|&id| self.node(id).expect("listed nodes exist"))
    }

    /// The node at a position of that list, which wraps around.
    pub(super) fn listed(&self, position: usize) -> &NodeInfo {
        let id = self.order[position % self.order.len()];
        self.node(id).expect("listed nodes exist")
    }

    /// Notes that a node joined or changed. Answers what that is to the queue.
    pub fn set_node(&mut self, id: NodeId, node: &Node) -> NodeChange {
        if self.nodes.len() <= id.index() {
            self.nodes.resize(id.index() + 1, None);
        }
        self.set_images(id, &node.images);
        let old = self.nodes[id.index()].take();
        if old.as_ref().is_some_and(|old| old.is_like(node)) {
            self.nodes[id.index()] = old;
            return NodeChange::Nothing;
        }
        let mut info = NodeInfo::new(id, node);
        info.domains = self
            .topologies
            .iter_mut()
            .map(|topology| topology.domain(&info.labels))
            .collect();
        if let Some(old) = &old {
            for pod in &old.pods {
                info.add_pod(*pod, &self.kinds[pod.kind.index()]);
            }
            if zone_key(&old.labels) != zone_key(&info.labels) {
                self.leave_zone(id);
                self.join_zone(id, &info.labels);
            }
        } else {
            self.join_zone(id, &info.labels);
        }
        self.nodes[id.index()] = Some(info);
        old.map_or(NodeChange::Added, |old| NodeChange::Updated(Box::new(old)))
    }

    /// Notes that a node is gone, and its pods with it.
    pub fn remove_node(&mut self, id: NodeId) -> Option<NodeInfo> {
        let old = self.nodes.get_mut(id.index())?.take()?;
        for pod in &old.pods {
            self.placed.remove(pod.id);
        }
        self.leave_zone(id);
        self.set_images(id, &SortedMap::new());
        Some(old)
    }

    /// Where a pod is bound or assumed to be.
    #[must_use]
    pub fn node_of(&self, pod: PodId) -> Option<NodeId> {
        self.placed.get(pod).copied()
    }

    /// Gives a pod room on a node, unless the node is not known. A pod that has a place already moves.
    pub fn add_pod(&mut self, pod: PlacedPod, node: NodeId) {
        self.remove_pod(pod.id);
        let Some(info) = self.nodes.get_mut(node.index()).and_then(Option::as_mut) else {
            return;
        };
        info.add_pod(pod, &self.kinds[pod.kind.index()]);
        self.placed.insert(pod.id, node);
    }

    /// Takes the room of a pod back.
    pub fn remove_pod(&mut self, id: PodId) -> Option<(PlacedPod, NodeId)> {
        let node = self.placed.remove(id)?;
        let info = self.nodes[node.index()]
            .as_mut()
            .expect("placed pods are on nodes that exist");
        let kind = info
            .pods
            .iter()
            .find(|pod| pod.id == id)
            .expect("placed pods are on their node")
            .kind;
        Some((info.remove_pod(id, &self.kinds[kind.index()]), node))
    }

    /// A placed pod, to change what does not count towards room.
    pub fn placed_mut(&mut self, id: PodId) -> Option<&mut PlacedPod> {
        let node = self.placed.get(id)?;
        let info = self.nodes[node.index()]
            .as_mut()
            .expect("placed pods are on nodes that exist");
        info.pods.iter_mut().find(|pod| pod.id == id)
    }

    /// An image, if some node has it.
    #[must_use]
    pub fn image(&self, name: &str) -> Option<&ImageState> {
        self.images.get(name)
    }

    /// The pods that hope for room on a node.
    #[must_use]
    pub fn nominated(&self, node: NodeId) -> &[PodRef] {
        self.nominated.get(&node).map_or(&[], Vec::as_slice)
    }

    /// A pod that hopes for room, and where.
    #[must_use]
    pub fn hopeful(&self, id: PodId) -> Option<(NodeId, PodRef)> {
        let all = self
            .nominated
            .iter()
            .flat_map(|(node, pods)| pods.iter().map(|pod| (*node, *pod)));
        all.into_iter().find(|(_, pod)| pod.id == id)
    }

    /// Where a pod hopes for room.
    #[must_use]
    pub fn nominated_node(&self, id: PodId) -> Option<NodeId> {
        self.hopeful(id).map(|(node, _)| node)
    }

    /// Notes where a pod hopes for room: nowhere, for `None`.
    pub fn nominate(&mut self, pod: PodRef, node: Option<NodeId>) {
        if self.nominated.is_empty() && node.is_none() {
            return;
        }
        self.nominated.retain(|_, pods| {
            pods.retain(|other| other.id != pod.id);
            !pods.is_empty()
        });
        if let Some(node) = node {
            self.nominated.entry(node).or_default().push(pod);
        }
    }

    fn set_images(&mut self, id: NodeId, images: &SortedMap<String, Bytes>) {
        let empty = SortedMap::new();
        if !self.profile.images_counted_early && self.node_images.get(&id).unwrap_or(&empty) == images {
            return;
        }
        for name in self.node_images.remove(&id).unwrap_or_default().into_keys() {
            let state = self.images.get_mut(&name).expect("images of nodes are known");
            state.nodes.remove(&id);
            if state.nodes.is_empty() {
                self.images.remove(&name);
            }
        }
        for (name, &size) in images {
            let state = self.images.entry(name.clone()).or_insert_with(|| ImageState {
                size,
                nodes: SortedMap::new(),
            });
            state.nodes.insert(id, state.nodes.len() + 1);
        }
        if !images.is_empty() {
            self.node_images.insert(id, images.clone());
        }
    }

    fn join_zone(&mut self, id: NodeId, labels: &Labels) {
        let zone = zone_key(labels);
        match self.zones.iter_mut().find(|(known, _)| *known == zone) {
            Some((_, nodes)) => nodes.push(id),
            None => self.zones.push((zone, vec![id])),
        }
        self.list_again();
    }

    fn leave_zone(&mut self, id: NodeId) {
        for (_, nodes) in &mut self.zones {
            nodes.retain(|node| *node != id);
        }
        self.zones.retain(|(_, nodes)| !nodes.is_empty());
        self.list_again();
    }

    /// Round-robin over the zones (node_tree.go `list`).
    fn list_again(&mut self) {
        self.order.clear();
        let longest = self.zones.iter().map(|(_, nodes)| nodes.len()).max().unwrap_or(0);
        for round in 0..longest {
            self.order
                .extend(self.zones.iter().filter_map(|(_, nodes)| nodes.get(round)));
        }
    }
}

/// Numbers a topology key, and its domains on all nodes.
fn intern(key: &str, topologies: &mut Vec<Topology>, nodes: &mut [Option<NodeInfo>]) -> TopologyId {
    if let Some(known) = topologies.iter().position(|topology| topology.key == key) {
        return TopologyId(known as u32);
    }
    let mut topology = Topology {
        key: key.to_owned(),
        domains: SortedMap::new(),
    };
    for node in nodes.iter_mut().flatten() {
        node.domains.push(topology.domain(&node.labels));
    }
    topologies.push(topology);
    TopologyId(topologies.len() as u32 - 1)
}

/// Region and zone (kubernetes 1.35 staging/src/k8s.io/component-helpers/node/topology/helpers.go
/// `GetZoneKey`; the deprecated labels are left out).
fn zone_key(labels: &Labels) -> String {
    let label = |key: &str| labels.get(key).map_or("", String::as_str);
    format!(
        "{}:{}",
        label("topology.kubernetes.io/region"),
        label(pod_info::ZONE)
    )
}
