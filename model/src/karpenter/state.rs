//! Cluster state: NodeClaims, and what Karpenter's memory adds to the objects of the API
//! (karpenter v1.14 pkg/controllers/state/{cluster,statenode}.go, pkg/apis/v1/nodeclaim.go).
//!
//! Upstream keeps a cache of nodes that watches feed. Here the objects themselves are read when a
//! [`Snapshot`] is taken, which is what that cache holds once its watches have caught up; only what exists
//! nowhere else, nominations and marks, is remembered, in [`ClusterState`].

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use sim::{Instant, SortedMap, SortedSet};

use super::labels;
use super::provider::NodeClass;
use super::requirement::Name;
use super::requirements::Requirements;
use super::version::Profile;
use crate::api::{ByTemplate, Condition, Labels, Node, Owner, Pod, Taint};
use crate::id::{ById, InstanceId, NodeClaimId, NodeId, NodePoolId, PodId, Table};
use crate::quantity::Resources;

/// status.conditions of a NodeClaim. One that was never set is `None`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Conditions {
    /// `Launched`: the provider has created an instance.
    pub launched: Option<Condition>,
    /// `Registered`: the Node exists and carries what the claim asks for.
    pub registered: Option<Condition>,
    /// `Initialized`: the Node is ready, its startup taints gone, its resources there.
    pub initialized: Option<Condition>,
    /// `Consolidatable`: no pod came or went for `consolidate_after` (from v1.0).
    pub consolidatable: Option<Condition>,
    /// `Empty` (until v0.37)
    pub empty: Option<Condition>,
    /// `Drifted`
    pub drifted: Option<Condition>,
    /// `Expired` (until v0.37)
    pub expired: Option<Condition>,
    /// `DisruptionReason`: a disruption command holds the node.
    pub disruption_reason: Option<Condition>,
    /// `Drained`; False stands for upstream's Unknown: the drain is under way.
    pub drained: Option<Condition>,
    /// `VolumesDetached`
    pub volumes_detached: Option<Condition>,
    /// `InstanceTerminating`
    pub instance_terminating: Option<Condition>,
}

/// The name of one of a NodeClaim's conditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum ConditionType {
    Launched,
    Registered,
    Initialized,
    Consolidatable,
    Empty,
    Drifted,
    Expired,
    DisruptionReason,
    Drained,
    VolumesDetached,
    InstanceTerminating,
}

impl Conditions {
    /// A condition, if it was ever set.
    #[must_use]
    pub fn get(&self, name: ConditionType) -> Option<Condition> {
        let mut conditions = *self;
        *conditions.slot(name)
    }

    /// Sets a condition to True or False, or takes it away if there is no status. Its time is that of its last change.
    pub fn set(&mut self, name: ConditionType, status: Option<bool>, now: Instant) {
        let slot = self.slot(name);
        *slot = status.map(|status| match *slot {
            Some(former) if former.status == status => former,
            _ => Condition { status, since: now },
        });
    }

    fn slot(&mut self, name: ConditionType) -> &mut Option<Condition> {
        match name {
            ConditionType::Launched => &mut self.launched,
            ConditionType::Registered => &mut self.registered,
            ConditionType::Initialized => &mut self.initialized,
            ConditionType::Consolidatable => &mut self.consolidatable,
            ConditionType::Empty => &mut self.empty,
            ConditionType::Drifted => &mut self.drifted,
            ConditionType::Expired => &mut self.expired,
            ConditionType::DisruptionReason => &mut self.disruption_reason,
            ConditionType::Drained => &mut self.drained,
            ConditionType::VolumesDetached => &mut self.volumes_detached,
            ConditionType::InstanceTerminating => &mut self.instance_terminating,
        }
    }
}

/// Whether a condition is True.
#[must_use]
pub fn is_true(condition: Option<Condition>) -> bool {
    condition.is_some_and(|condition| condition.status)
}

/// A NodeClaim object.
#[derive(Debug, Clone)]
pub struct NodeClaim {
    /// metadata.name
    pub name: String,
    /// The pool that owns it.
    pub pool: NodePoolId,
    /// metadata.labels; from launch on with those of the instance.
    pub labels: Arc<Labels>,
    /// metadata.annotations
    pub annotations: Labels,
    /// metadata.creationTimestamp
    pub created: Instant,
    /// metadata.deletionTimestamp
    pub deleting: Option<Instant>,
    /// spec.requirements, of which one lists the instance types.
    pub requirements: Requirements,
    /// The instance types of spec.requirements, cheapest first.
    pub instance_types: Arc<[Name]>,
    /// spec.resources.requests: what it was sized for, daemons included.
    pub requests: Resources,
    /// spec.taints
    pub taints: Arc<[Taint]>,
    /// spec.startupTaints
    pub startup_taints: Arc<[Taint]>,
    /// spec.nodeClassRef.name
    pub node_class: Name,
    /// spec.expireAfter; `None` is Never.
    pub expire_after: Option<Duration>,
    /// spec.terminationGracePeriod
    pub termination_grace_period: Option<Duration>,
    /// status.providerID
    pub instance: Option<InstanceId>,
    /// The node class as it was when the machine was asked for: upstream keeps a hash of it in an annotation, and
    /// status.imageID.
    pub made_by: Option<Arc<NodeClass>>,
    /// status.nodeName
    pub node: Option<NodeId>,
    /// status.capacity
    pub capacity: Resources,
    /// status.allocatable
    pub allocatable: Resources,
    /// status.conditions
    pub conditions: Conditions,
    /// status.lastPodEventTime
    pub last_pod_event: Option<Instant>,
}

/// What Karpenter remembers of nodes beside their objects. Lost at a restart, as upstream.
#[derive(Debug, Clone, Default)]
pub struct ClusterState {
    marked: SortedSet<NodeClaimId>,
    nominated: SortedMap<NodeClaimId, Instant>,
}

impl ClusterState {
    /// Keeps a node from being disrupted before `until`: pods are about to come (`NominateNodeForPod`).
    pub fn nominate(&mut self, claim: NodeClaimId, until: Instant) {
        self.nominated.insert(claim, until);
    }

    /// Whether pods are about to come to a node.
    #[must_use]
    pub fn is_nominated(&self, claim: NodeClaimId, now: Instant) -> bool {
        self.nominated_until(claim) > now
    }

    fn nominated_until(&self, claim: NodeClaimId) -> Instant {
        self.nominated.get(&claim).copied().unwrap_or(Instant::ZERO)
    }

    /// Takes a node out of scheduling: a command is about to delete it (`MarkForDeletion`).
    pub fn mark(&mut self, claim: NodeClaimId) {
        self.marked.insert(claim);
    }

    /// Puts a node back (`UnmarkForDeletion`).
    pub fn unmark(&mut self, claim: NodeClaimId) {
        self.marked.remove(&claim);
    }

    /// The nodes that are marked.
    pub(crate) fn marked(&self) -> &SortedSet<NodeClaimId> {
        &self.marked
    }

    /// Whether a node is marked.
    #[must_use]
    pub fn is_marked(&self, claim: NodeClaimId) -> bool {
        self.marked.contains(&claim)
    }

    /// Forgets a claim that is gone.
    pub fn forget(&mut self, claim: NodeClaimId) {
        self.marked.remove(&claim);
        self.nominated.remove(&claim);
    }
}

/// Whether the state may be acted upon: every NodeClaim knows its instance (`Cluster.Synced`).
#[must_use]
pub fn is_synced(claims: &Table<NodeClaimId, NodeClaim>) -> bool {
    claims.iter().all(|(_, claim)| claim.instance.is_some())
}

/// A node as Karpenter sees it: a NodeClaim, a Node, or both.
#[derive(Debug, Clone)]
pub struct StateNode<'a> {
    /// The Node object.
    pub node: Option<(NodeId, &'a Node)>,
    /// The NodeClaim object.
    pub claim: Option<(NodeClaimId, &'a NodeClaim)>,
    /// The bound pods that have not ended, by age.
    pub pods: Vec<PodId>,
    /// What they request together.
    pub pod_requests: Resources,
    /// What those of DaemonSets request together.
    pub daemon_requests: Resources,
    /// A command is about to delete it.
    pub marked: bool,
    /// Pods are expected until then.
    pub nominated_until: Instant,
}

impl<'a> StateNode<'a> {
    fn new(node: Option<(NodeId, &'a Node)>, claim: Option<(NodeClaimId, &'a NodeClaim)>) -> Self {
        StateNode {
            node,
            claim,
            pods: Vec::with_capacity(16),
            pod_requests: Resources::default(),
            daemon_requests: Resources::default(),
            marked: false,
            nominated_until: Instant::ZERO,
        }
    }

    /// The NodeClaim's id.
    #[must_use]
    pub fn claim_id(&self) -> Option<NodeClaimId> {
        self.claim.map(|(id, _)| id)
    }

    /// The Node's id.
    #[must_use]
    pub fn node_id(&self) -> Option<NodeId> {
        self.node.map(|(id, _)| id)
    }

    /// The pool that owns it.
    #[must_use]
    pub fn pool(&self) -> Option<NodePoolId> {
        self.claim.map(|(_, claim)| claim.pool)
    }

    /// Whether Karpenter made it.
    #[must_use]
    pub fn managed(&self) -> bool {
        self.claim.is_some()
    }

    /// Whether the Node stands for itself: always, if Karpenter did not make it.
    #[must_use]
    pub fn registered(&self) -> bool {
        !self.managed() || self.has_label(labels::REGISTERED)
    }

    /// Whether the Node is in full working order: always, if Karpenter did not make it.
    #[must_use]
    pub fn initialized(&self) -> bool {
        !self.managed() || self.has_label(labels::INITIALIZED)
    }

    fn has_label(&self, key: &str) -> bool {
        self.node.is_some_and(|(_, node)| node.label(key) == "true")
    }

    /// The Node, if it stands for itself.
    fn registered_node(&self) -> Option<&'a Node> {
        self.node.map(|(_, node)| node).filter(|_| self.registered())
    }

    fn node_claim(&self) -> &'a NodeClaim {
        self.claim.expect("a state node has a node or a claim").1
    }

    /// The claim's name until registration, then the Node's.
    #[must_use]
    pub fn name(&self) -> &'a str {
        match self.registered_node() {
            Some(node) => &node.name,
            None => &self.node_claim().name,
        }
    }

    /// The claim's labels until registration, then the Node's.
    #[must_use]
    pub fn labels(&self) -> &'a Labels {
        match self.registered_node() {
            Some(node) => &node.labels,
            None => &self.node_claim().labels,
        }
    }

    /// The claim's annotations until registration, then the Node's.
    #[must_use]
    pub fn annotations(&self) -> &'a Labels {
        match self.registered_node() {
            Some(node) => &node.annotations,
            None => &self.node_claim().annotations,
        }
    }

    /// The hostname label, or else the name.
    #[must_use]
    pub fn hostname(&self) -> &'a str {
        self.labels()
            .get(labels::HOSTNAME)
            .map_or_else(|| self.name(), String::as_str)
    }

    /// The taints that pods must tolerate: those that a starting node sheds are left out until it is
    /// initialized (`StateNode.Taints`).
    pub fn taints<'p>(&'p self, profile: &'p Profile) -> impl Iterator<Item = &'a Taint> + 'p {
        let starting = !self.initialized();
        let ephemeral = starting || profile.ephemeral_taints_always_ignored;
        let startup: &[Taint] = match self.claim {
            Some((_, claim)) if starting => &claim.startup_taints,
            _ => &[],
        };
        let is_startup = move |t: &Taint| startup.iter().any(|s| s.key == t.key && s.effect == t.effect);
        let taints: &'a [Taint] = match self.registered_node() {
            Some(node) => &node.taints,
            None => &self.node_claim().taints,
        };
        taints
            .iter()
            .filter(move |t| !(ephemeral && labels::is_ephemeral(t, profile) || is_startup(t)))
    }

    /// What the machine has, by lifecycle stage.
    #[must_use]
    pub fn capacity(&self) -> Cow<'a, Resources> {
        self.by_stage(|node| &node.capacity, |claim| &claim.capacity)
    }

    /// What pods may have, by lifecycle stage.
    #[must_use]
    pub fn allocatable(&self) -> Cow<'a, Resources> {
        self.by_stage(|node| &node.allocatable, |claim| &claim.allocatable)
    }

    /// The Node's amounts; while it is not initialized the claim fills in what the Node does not report
    /// yet, such as GPUs before the device plugin runs.
    fn by_stage(
        &self,
        of_node: fn(&Node) -> &Resources,
        of_claim: fn(&NodeClaim) -> &Resources,
    ) -> Cow<'a, Resources> {
        match (self.node, self.claim) {
            (Some((_, node)), Some((_, claim))) if !self.initialized() => {
                Cow::Owned(filled(of_node(node), of_claim(claim)))
            }
            (Some((_, node)), _) => Cow::Borrowed(of_node(node)),
            (None, _) => Cow::Borrowed(of_claim(self.node_claim())),
        }
    }

    /// What bound pods leave over. It may be negative.
    #[must_use]
    pub fn available(&self) -> Resources {
        self.allocatable().into_owned() - &self.pod_requests
    }

    /// Whether it is going away: marked, or its object being deleted (`MarkedForDeletion`).
    #[must_use]
    pub fn marked_for_deletion(&self) -> bool {
        self.marked
            || match (self.claim, self.node) {
                (Some((_, claim)), _) => {
                    claim.deleting.is_some() || is_true(claim.conditions.instance_terminating)
                }
                (None, node) => node.is_some_and(|(_, node)| node.deleting.is_some()),
            }
    }

    /// Whether pods are about to come.
    #[must_use]
    pub fn nominated(&self, now: Instant) -> bool {
        self.nominated_until > now
    }
}

fn filled(node: &Resources, claim: &Resources) -> Resources {
    let mut filled = node.clone();
    if filled.cpu.0 == 0 {
        filled.cpu = claim.cpu;
    }
    if filled.memory.0 == 0 {
        filled.memory = claim.memory;
    }
    if filled.ephemeral_storage.0 == 0 {
        filled.ephemeral_storage = claim.ephemeral_storage;
    }
    if filled.pods == 0 {
        filled.pods = claim.pods;
    }
    for (name, amount) in &claim.extended {
        let own = filled.extended.entry(name.clone()).or_insert(0);
        if *own == 0 {
            *own = *amount;
        }
    }
    filled
}

/// All nodes at one moment.
#[derive(Debug, Clone)]
pub struct Snapshot<'a> {
    /// Nodes and launched claims: those with a Node first, by age, then the others, by age.
    pub nodes: Vec<StateNode<'a>>,
}

impl<'a> Snapshot<'a> {
    /// Looks at everything once. Claims that know no instance yet are not nodes.
    #[must_use]
    pub fn take(
        state: &ClusterState,
        pods: &'a Table<PodId, Pod>,
        nodes: &'a Table<NodeId, Node>,
        claims: &'a Table<NodeClaimId, NodeClaim>,
    ) -> Self {
        let mut all: Vec<StateNode<'a>> = Vec::with_capacity(nodes.len() + claims.len());
        let mut joined: SortedSet<NodeClaimId> = SortedSet::new();
        for (id, node) in nodes.iter() {
            let claim = node.claim.and_then(|claim| Some((claim, claims.get(claim)?)));
            joined.extend(claim.map(|(claim, _)| claim));
            all.push(StateNode::new(Some((id, node)), claim));
        }
        add_pods(&mut all, pods);
        for (id, claim) in claims.iter() {
            if claim.instance.is_some() && !joined.contains(&id) {
                all.push(StateNode::new(None, Some((id, claim))));
            }
        }
        for node in &mut all {
            if let Some(claim) = node.claim_id() {
                node.marked = state.is_marked(claim);
                node.nominated_until = state.nominated_until(claim);
            }
        }
        Snapshot { nodes: all }
    }
}

/// Adds the pods of nodes that are ordered by age.
fn add_pods(nodes: &mut [StateNode<'_>], pods: &Table<PodId, Pod>) {
    let mut requests: ByTemplate<Resources> = ByTemplate::default();
    let mut places: ById<NodeId, usize> = ById::default();
    for (place, node) in nodes.iter().enumerate() {
        if let Some(id) = node.node_id() {
            places.insert(id, place);
        }
    }
    for (id, pod) in pods.iter() {
        let Some(bound) = pod.node.filter(|_| !pod.is_terminal()) else {
            continue;
        };
        let Some(&at) = places.get(bound) else {
            continue;
        };
        let node = &mut nodes[at];
        let request = requests.get_or(&pod.template, || pod.template.spec.requests());
        node.pods.push(id);
        node.pod_requests += request;
        if matches!(pod.owner, Owner::DaemonSet(_)) {
            node.daemon_requests += request;
        }
    }
}
