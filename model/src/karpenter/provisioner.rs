//! The provisioner: pods that wait become claims
//! (karpenter v1.14 pkg/controllers/provisioning/{provisioner,controller}.go).
//!
//! Events of pending pods, and each pod's own retry every ten seconds, trigger a batch window. When it ends
//! and every claim is known to have an instance, one pass places all pods that wait and all pods of nodes
//! that are going. If some claim has no instance yet, the batch is lost: its pods come back with their next
//! event or retry. A pass takes time; what happens meanwhile waits for the next one.
//!
//! The pass is computed on what is seen when it starts, and acted upon when it ends.

use std::sync::Arc;
use std::time::Duration;

use sim::{Component, Instant, Outbox, SortedMap, SortedSet, Stream, Streams};

use super::batcher::{Batcher, ByTrigger, Trigger};
use super::instance_type::InstanceTypes;
use super::node_pool::NodePool;
use super::pod::{self, Rejection};
use super::requirement::Name;
use super::scheduling::{self, Failure, NewClaim, Purpose, Request, Results, Settings, Templates, World};
use super::state::{self, ClusterState, NodeClaim, Snapshot, StateNode};
use super::version::Profile;
use super::{labels, scheduling::generate_name};
use crate::api::{Api, ByTemplate, Labels, Node, PodTemplate};
use crate::id::{NodeClaimId, NodeId, NodePoolId, PodId, Table};
use crate::quantity::Resources;

/// How long until a pod or node that still waits triggers again
/// (karpenter v1.14 pkg/controllers/provisioning/controller.go; the same in v0.32.4).
pub const RETRY: Duration = Duration::from_secs(10);

/// What happens to the provisioner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// A pod was created or changed.
    PodChanged(PodId),
    /// A node was created or changed.
    NodeChanged(NodeId),
    /// A pod's or node's retry is due.
    Retry(Trigger),
    /// The batch window may have ended.
    WindowEnd,
    /// The pass is done, or the pause after a lost batch.
    Done,
}

/// What the provisioner asks for.
#[derive(Debug, Clone)]
pub enum Output {
    /// Create this NodeClaim. It is for these pods.
    CreateNodeClaim(Box<NodeClaim>, Vec<PodId>),
    /// Keep this node from being disrupted until then: [`ClusterState::nominate`].
    Nominate(NodeClaimId, Instant),
    /// Tell whoever reads events.
    Publish(Event),
}

/// What the provisioner tells: the reasons for what it does and does not do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// `Nominated`: the pod should be scheduled on a node that is there or on its way.
    Nominated(PodId, Target),
    /// `FailedScheduling`: no node, no NodePool can hold the pod.
    FailedScheduling(PodId, Arc<Failure>),
    /// The pod is not for Karpenter.
    Ignored(PodId, Rejection),
    /// The batch was lost, since some claim had no instance yet.
    Unsynced,
    /// A claim was not created: the NodePool is above one of its limits, with the resource's name.
    LimitExceeded(NodePoolId, Name),
    /// A pass began, for so many pods.
    Started(usize),
    /// There was no pass: no NodePool launches nodes for pods.
    NoPools,
}

/// Where a pod should go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A node.
    Node(NodeId),
    /// A claim that has no node yet.
    Claim(NodeClaimId),
    /// A claim that is being created, by name.
    NewClaim(String),
}

/// What the provisioner sees.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// Pods, nodes and PodDisruptionBudgets.
    pub api: &'a Api,
    /// NodeClaims.
    pub claims: &'a Table<NodeClaimId, NodeClaim>,
    /// Nominations and marks.
    pub state: &'a ClusterState,
    /// NodePools.
    pub pools: &'a Table<NodePoolId, NodePool>,
    /// What the provider offers for each NodePool.
    pub instance_types: &'a SortedMap<NodePoolId, InstanceTypes>,
    /// The pods that DaemonSets put on nodes.
    pub daemons: &'a [Arc<PodTemplate>],
    /// Labels of namespaces.
    pub namespaces: &'a SortedMap<String, Labels>,
}

impl<'a> View<'a> {
    /// The view as a pass takes it.
    #[must_use]
    pub fn world(&self, profile: &'a Profile, settings: &'a Settings) -> World<'a> {
        World {
            profile,
            settings,
            pools: self.pools,
            instance_types: self.instance_types,
            daemons: self.daemons,
            pods: &self.api.pods,
            nodes: &self.api.nodes,
            namespaces: self.namespaces,
        }
    }

    /// All nodes as they are now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot<'a> {
        Snapshot::take(self.state, &self.api.pods, &self.api.nodes, self.claims)
    }
}

/// The provisioner.
#[derive(Debug)]
pub struct Provisioner {
    profile: Profile,
    settings: Settings,
    batcher: Batcher,
    templates: Templates,
    topology: Stream,
    names: Stream,
    /// When each pod or node that waits triggers again.
    /// When pods and nodes trigger again.
    retries: ByTrigger<Instant>,
    /// The window's alarm that is set.
    window_alarm: Option<Instant>,
    /// The pass under way, to be acted upon at its end.
    pass: Option<Arc<Pass>>,
    /// The last pass, if another of the same would come to the same.
    last: Option<Last>,
}

/// A pass, and what it was about.
#[derive(Debug)]
struct Last {
    seen: Seen,
    pending: Pending,
    pass: Arc<Pass>,
}

/// The pods that wait, and those of them that Karpenter does not try.
#[derive(Debug, Default)]
struct Pending {
    pods: Vec<PodId>,
    ignored: Vec<(PodId, Rejection)>,
}

#[derive(Debug)]
struct Pass {
    results: Results,
    /// The nodes of the placements.
    targets: Vec<(Option<NodeClaimId>, Option<NodeId>)>,
}

/// All that a pass depends on, as long as no node is going.
#[derive(Debug)]
struct Seen {
    revisions: [u64; 4],
    marked: SortedSet<NodeClaimId>,
    instance_types: SortedMap<NodePoolId, InstanceTypes>,
    daemons: Vec<Arc<PodTemplate>>,
    namespaces: SortedMap<String, Labels>,
}

impl Seen {
    fn of(view: &View<'_>) -> Self {
        Seen {
            revisions: revisions(view),
            marked: view.state.marked().clone(),
            instance_types: view.instance_types.clone(),
            daemons: view.daemons.to_vec(),
            namespaces: view.namespaces.clone(),
        }
    }

    fn is_current(&self, view: &View<'_>) -> bool {
        let same_types = |(a, b): (&InstanceTypes, &InstanceTypes)| a.same(b);
        self.revisions == revisions(view)
            && self.marked == *view.state.marked()
            && self.instance_types.keys().eq(view.instance_types.keys())
            && self
                .instance_types
                .values()
                .zip(view.instance_types.values())
                .all(same_types)
            && self.daemons.len() == view.daemons.len()
            && self
                .daemons
                .iter()
                .zip(view.daemons)
                .all(|(a, b)| Arc::ptr_eq(a, b))
            && self.namespaces == *view.namespaces
    }
}

fn revisions(view: &View<'_>) -> [u64; 4] {
    let api = view.api;
    [
        api.pods.revision(),
        api.nodes.revision(),
        view.claims.revision(),
        view.pools.revision(),
    ]
}

impl Provisioner {
    /// A provisioner of one release.
    #[must_use]
    pub fn new(profile: Profile, settings: Settings, streams: &Streams) -> Self {
        let (idle, max) = (settings.batch_idle_duration, settings.batch_max_duration);
        Provisioner {
            batcher: Batcher::new(idle, max, profile.batch_dedupe),
            profile,
            settings,
            templates: Templates::new(),
            topology: streams.stream("karpenter/provisioner/topology", 0),
            names: streams.stream("karpenter/provisioner/claim-name", 0),
            retries: ByTrigger::default(),
            window_alarm: None,
            pass: None,
            last: None,
        }
    }

    /// Whether a pod or node still waits for provisioning.
    fn is_waiting(&self, trigger: Trigger, view: &View<'_>) -> bool {
        match trigger {
            Trigger::Pod(id) => view.api.pods.get(id).is_some_and(pod::is_provisionable),
            Trigger::Node(id) => {
                let (taint, _) = labels::disrupted(&self.profile);
                let goes = |node: &Node| node.taints.iter().any(|own| own.key == taint);
                self.profile.going_nodes_trigger && view.api.nodes.get(id).is_some_and(goes)
            }
        }
    }

    /// Triggers for what still waits, and sees to its next retry. Says whether it waits.
    fn reconcile(&mut self, now: Instant, trigger: Trigger, view: &View<'_>, out: &mut Out) -> bool {
        if !self.is_waiting(trigger, view) {
            return false;
        }
        self.batcher.trigger(now, trigger);
        // Of two times an older work queue keeps the earlier.
        let due = self.retries.get(trigger).copied().filter(|due| *due > now);
        if due.is_none() || self.profile.event_restarts_retry {
            self.retries.insert(trigger, now + RETRY);
            out.wake_at(now + RETRY, Input::Retry(trigger));
        }
        self.set_window_alarm(out);
        true
    }

    /// One alarm is set at a time; it is set anew when it turns out to be too early.
    fn set_window_alarm(&mut self, out: &mut Out) {
        if self.window_alarm.is_none()
            && let Some(due) = self.batcher.due()
        {
            self.window_alarm = Some(due);
            out.wake_at(due, Input::WindowEnd);
        }
    }

    fn window_end(&mut self, now: Instant, view: &View<'_>, out: &mut Out) {
        if self.window_alarm != Some(now) {
            return;
        }
        self.window_alarm = None;
        if !self.batcher.close(now) {
            return self.set_window_alarm(out);
        }
        if !state::is_synced(view.claims) {
            out.emit(Output::Publish(Event::Unsynced));
            return self.pause(now, self.profile.unsynced_requeue, out);
        }
        self.pass = self.schedule(now, view, out);
        let duration = self
            .pass
            .as_ref()
            .map_or(Duration::ZERO, |pass| pass.results.duration);
        self.pause(now, duration, out);
    }

    /// Does nothing else for a while; at once, if there is nothing to wait for.
    fn pause(&mut self, now: Instant, duration: Duration, out: &mut Out) {
        if duration.is_zero() {
            self.batcher.wait(now);
            self.set_window_alarm(out);
        } else {
            out.wake_at(now + duration, Input::Done);
        }
    }

    /// Places all pods that wait (`Schedule`), or nothing if there are none. Nodes are looked at first, so
    /// that a pod bound in between is not made room for twice. If nothing changed since the last pass, its result
    /// stands.
    fn schedule(&mut self, now: Instant, view: &View<'_>, out: &mut Out) -> Option<Arc<Pass>> {
        if let Some(last) = self.last.as_ref().filter(|last| last.seen.is_current(view)) {
            last.pending.tell(out);
            out.emit(Output::Publish(Event::Started(last.pending.pods.len())));
            return Some(last.pass.clone());
        }
        self.last = None;
        let pending = Pending::of(view);
        pending.tell(out);
        if !has_dynamic_pool(view) {
            let going = || pod::on_deleting_nodes(&view.snapshot(), view.api, now, &self.profile);
            if !pending.pods.is_empty() || !going().is_empty() {
                out.emit(Output::Publish(Event::NoPools));
            }
            return None;
        }
        let mut pods = pending.pods.clone();
        let snapshot = view.snapshot();
        pods.extend(pod::on_deleting_nodes(&snapshot, view.api, now, &self.profile));
        if pods.is_empty() {
            return None;
        }
        out.emit(Output::Publish(Event::Started(pods.len())));
        let world = view.world(&self.profile, &self.settings);
        let (going, nodes): (Vec<&StateNode<'_>>, Vec<_>) =
            snapshot.nodes.iter().partition(|node| node.marked_for_deletion());
        let deleting: SortedSet<NodeId> = going.iter().filter_map(|node| node.node_id()).collect();
        let request = Request {
            now,
            purpose: Purpose::Provisioning,
            nodes: &nodes,
            deleting: &deleting,
            pods: &pods,
        };
        let chance = self.topology.clone();
        let mut results = scheduling::solve(&world, &request, &mut self.templates, &mut self.topology);
        results.truncate_instance_types(self.profile.max_instance_types, self.settings.min_values_policy);
        let target = |placement: &scheduling::Placement| {
            let node = nodes[placement.node];
            (node.claim_id(), node.node_id())
        };
        let pass = Arc::new(Pass {
            targets: results.existing.iter().map(target).collect(),
            results,
        });
        if going.is_empty() && self.topology == chance {
            self.last = Some(Last {
                seen: Seen::of(view),
                pending,
                pass: pass.clone(),
            });
        }
        Some(pass)
    }

    /// Acts on a pass (`Results.Record`, `CreateNodeClaims`).
    fn act(&mut self, now: Instant, pass: &Pass, view: &View<'_>, out: &mut Out) {
        let Pass { results, targets } = pass;
        for (pod, failure) in &results.failures {
            if !failure.is_reserved() {
                out.emit(Output::Publish(Event::FailedScheduling(*pod, failure.clone())));
            }
        }
        let until = now + self.settings.nomination_window();
        for (placement, &(claim, node)) in results.existing.iter().zip(targets) {
            if let Some(claim) = claim {
                out.emit(Output::Nominate(claim, until));
            }
            let Some(target) = node.map(Target::Node).or(claim.map(Target::Claim)) else {
                continue;
            };
            for pod in &placement.pods {
                out.emit(Output::Publish(Event::Nominated(*pod, target.clone())));
            }
        }
        let usage = (!results.new_claims.is_empty()).then(|| usage(&view.snapshot()));
        for claim in &results.new_claims {
            let used = usage.as_ref().and_then(|usage| usage.get(&claim.pool));
            self.create(now, claim, used, view, out);
        }
    }

    /// Creates a claim unless its pool has grown above its limits meanwhile (`Create`).
    fn create(
        &mut self,
        now: Instant,
        claim: &NewClaim,
        used: Option<&Usage>,
        view: &View<'_>,
        out: &mut Out,
    ) {
        let Some(pool) = view.pools.get(claim.pool) else {
            return;
        };
        let left = used.map(|(capacity, nodes)| pool.limits.less(capacity, *nodes));
        if let Some(resource) = left.as_ref().and_then(|left| left.exceeded()) {
            return out.emit(Output::Publish(Event::LimitExceeded(claim.pool, resource.into())));
        }
        let name = generate_name(&format!("{}-", pool.name), &mut self.names);
        for pod in &claim.pods {
            let target = Target::NewClaim(name.clone());
            out.emit(Output::Publish(Event::Nominated(*pod, target)));
        }
        let object = Box::new(claim.object(pool, name, now, &self.profile));
        out.emit(Output::CreateNodeClaim(object, claim.pods.clone()));
    }
}

/// Without a NodePool that launches nodes for pods these are not even shown the nodes that are there
/// (karpenter v1.14 pkg/controllers/provisioning/provisioner.go `NewScheduler`, `Schedule`).
/// Left out: that a pool whose class is not ready is none, since 1.0.
fn has_dynamic_pool(view: &View<'_>) -> bool {
    view.pools.iter().any(|(_, pool)| pool.replicas.is_none())
}

type Out = Outbox<Input, Output>;

/// What a pool's nodes have together, and how many they are.
pub(crate) type Usage = (Resources, i64);

/// Nodes that are going do not count (karpenter v1.14 pkg/controllers/state/cluster.go
/// `NodePoolResourcesFor`).
pub(crate) fn usage(snapshot: &Snapshot<'_>) -> SortedMap<NodePoolId, Usage> {
    let mut usage: SortedMap<NodePoolId, Usage> = SortedMap::new();
    for node in snapshot.nodes.iter().filter(|node| !node.marked_for_deletion()) {
        if let Some(pool) = node.pool() {
            let (capacity, nodes) = usage.entry(pool).or_default();
            *capacity += &*node.capacity();
            *nodes += 1;
        }
    }
    usage
}

impl Pending {
    /// All of them (`GetPendingPods`).
    fn of(view: &View<'_>) -> Self {
        let mut pending = Pending::default();
        // A pod is judged by its template alone.
        let mut judged: ByTemplate<Result<(), Rejection>> = ByTemplate::default();
        for (id, pod) in view.api.pods.iter().filter(|(_, pod)| pod::is_provisionable(pod)) {
            match judged.get_or(&pod.template, || pod::validate(pod)) {
                Ok(()) => pending.pods.push(id),
                Err(rejection) => pending.ignored.push((id, rejection.clone())),
            }
        }
        pending
    }

    fn tell(&self, out: &mut Out) {
        for (pod, rejection) in &self.ignored {
            out.emit(Output::Publish(Event::Ignored(*pod, rejection.clone())));
        }
    }
}

impl Component for Provisioner {
    type Input = Input;
    type Output = Output;
    type View<'a> = View<'a>;

    fn handle(&mut self, now: Instant, input: Input, view: View<'_>, out: &mut Outbox<Input, Output>) {
        match input {
            Input::PodChanged(id) => {
                self.reconcile(now, Trigger::Pod(id), &view, out);
            }
            Input::NodeChanged(id) => {
                self.reconcile(now, Trigger::Node(id), &view, out);
            }
            Input::Retry(trigger) => {
                let due = self.retries.get(trigger) == Some(&now);
                if due && !self.reconcile(now, trigger, &view, out) {
                    self.retries.remove(trigger);
                }
            }
            Input::WindowEnd => self.window_end(now, &view, out),
            Input::Done => {
                if let Some(pass) = self.pass.take() {
                    self.act(now, &pass, &view, out);
                }
                self.batcher.wait(now);
                self.set_window_alarm(out);
            }
        }
    }
}

#[cfg(test)]
mod tests;
