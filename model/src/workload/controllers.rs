//! The Deployment, ReplicaSet, DaemonSet and taint eviction controllers of kube-controller-manager.
//!
//! All are event driven: an input names an object, the handler looks at the store and does what is
//! missing. What takes time is writing: pods are made in batches of 1, 2, 4, … and every write draws on the
//! controller's client budget of 20 a second, 30 at once (kubernetes 1.35
//! pkg/controller/replicaset/replica_set.go `manageReplicas`, `slowStartBatch`;
//! pkg/controller/apis/config/v1alpha1/defaults.go). Until the controller has seen its own writes it makes
//! no new decision for that ReplicaSet (kubernetes 1.35 pkg/controller/controller_utils.go
//! `UIDTrackingControllerExpectations`).

use std::sync::Arc;
use std::time::Duration;

use sim::{Component, Entry, Instant, Outbox, SortedMap, SortedSet, Stream, Streams};

use super::daemon_set::node_should_keep;
use super::daemon_update::{self, DaemonNode, DaemonPod, wants_pod};
use super::deployment::{self, SetView, Step};
use super::taint_eviction::{Stay, stay};
use super::victims;
use crate::api::{Api, DaemonSet, Deployment, Owner, Pod};
use crate::id::{ById, DaemonSetId, DeploymentId, NodeId, PodId, ReplicaSetId};
use crate::token_bucket::TokenBucket;

/// At most so many pods are made or deleted in one sync.
const BURST_REPLICAS: usize = 500;
/// So many creations of one ReplicaSet are reported as events of their own, each a write too; then the
/// recorder's spam filter stops them (client-go tools/record/events_cache.go).
const EVENT_BURST: usize = 25;

/// The budgets and delays of the controllers.
#[derive(Debug, Clone)]
pub struct Config {
    /// `--kube-api-qps`, per controller.
    pub qps: f64,
    /// `--kube-api-burst`, per controller.
    pub burst: u32,
    /// One write to the API server.
    pub write: Duration,
}

impl Default for Config {
    /// Upstream's budget; what a managed control plane sets is not published. The write is an estimate.
    fn default() -> Self {
        Config {
            qps: 20.0,
            burst: 30,
            write: Duration::from_millis(10),
        }
    }
}

/// What can happen to the controllers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// A Deployment, or something it owns, changed.
    Deployment(DeploymentId),
    /// A ReplicaSet or one of its pods changed.
    ReplicaSet(ReplicaSetId),
    /// The informer has shown a new pod of a ReplicaSet.
    PodCreated(ReplicaSetId),
    /// The informer has shown that a ReplicaSet's pod is being deleted, or is gone: by whomever.
    PodDeleted(ReplicaSetId, PodId),
    /// A pod was bound to a node.
    Bound(PodId),
    /// A node came, or its labels or taints changed.
    Node(NodeId),
    /// A DaemonSet came or one of its pods went.
    DaemonSet(DaemonSetId),
    /// Alarm: a creation of this ReplicaSet has got its turn.
    Create(ReplicaSetId),
    /// Alarm: the deletion of a ReplicaSet's or a DaemonSet's pod has got its turn.
    Delete(PodId),
    /// Alarm: a DaemonSet's pod for a node has got its turn.
    CreateDaemonPod(DaemonSetId, NodeId),
    /// Alarm: the time for which a pod tolerates its node's taints is over.
    Evict(PodId),
}

/// What the controllers write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Make the ReplicaSet of a Deployment's current template.
    CreateReplicaSet {
        /// Of which Deployment.
        deployment: DeploymentId,
        /// spec.replicas
        replicas: i32,
    },
    /// Write a ReplicaSet's size and the Deployment's, which it keeps as an annotation.
    ScaleReplicaSet {
        /// Which.
        id: ReplicaSetId,
        /// spec.replicas
        replicas: i32,
        /// The Deployment's spec.replicas.
        desired: i32,
    },
    /// Make a pod.
    CreatePod(ReplicaSetId),
    /// Make a DaemonSet's pod for a node.
    CreateDaemonPod(DaemonSetId, NodeId),
    /// Delete a pod.
    DeletePod(PodId),
    /// Delete a pod because of its node's taints.
    EvictPod(PodId),
}

/// The controllers.
#[derive(Debug)]
pub struct Controllers {
    config: Config,
    replica_set_budget: TokenBucket,
    daemon_set_budget: TokenBucket,
    sets: ById<ReplicaSetId, SetState>,
    /// DaemonSet pods asked for and not yet made.
    daemon_pods: SortedSet<(DaemonSetId, NodeId)>,
    /// DaemonSet pods to be deleted and not yet deleted.
    daemon_deletions: SortedSet<PodId>,
    /// DaemonSets with pods of an earlier template.
    rolling: SortedSet<DaemonSetId>,
    /// When pods that tolerate their node's taints for a while have to go.
    evictions: SortedMap<PodId, Instant>,
    ties: Stream,
}

#[derive(Debug, Default)]
struct SetState {
    /// Pods asked for and not yet seen.
    creations: usize,
    /// Pods to be deleted and not yet seen to be. Each by itself: what others delete, an eviction say, is
    /// none of it.
    deletions: SortedSet<PodId>,
    events: usize,
}

type Out = Outbox<Input, Output>;

impl Component for Controllers {
    type Input = Input;
    type Output = Output;
    type View<'a> = &'a Api;

    fn handle(&mut self, now: Instant, input: Input, api: &Api, out: &mut Out) {
        match input {
            Input::Deployment(id) => sync_deployment(id, now, api, out),
            Input::ReplicaSet(id) => self.sync_replica_set(now, id, api, out),
            Input::PodCreated(id) => {
                if let Some(state) = self.sets.get_mut(id) {
                    state.creations = state.creations.saturating_sub(1);
                }
                self.sync_replica_set(now, id, api, out);
            }
            Input::PodDeleted(id, pod) => {
                if let Some(state) = self.sets.get_mut(id) {
                    state.deletions.remove(&pod);
                }
                self.sync_replica_set(now, id, api, out);
            }
            Input::Node(node) => {
                for (id, set) in api.daemon_sets.iter() {
                    if self.rolling.contains(&id) {
                        self.sync_daemon_set(now, id, set, api, out);
                    } else {
                        let pods = api.pods_of(Owner::DaemonSet(id)).iter().copied();
                        let is_there =
                            |pod: &PodId| api.pods.get(*pod).is_some_and(|pod| pod.only_node == Some(node));
                        let pods: Vec<PodId> = pods.filter(is_there).collect();
                        self.manage_node(now, (id, set), node, &pods, api, out);
                    }
                }
                for pod in api.pods_on(node) {
                    self.judge_by_taints(now, *pod, api, out);
                }
            }
            Input::Bound(pod) => self.judge_by_taints(now, pod, api, out),
            Input::Evict(pod) => {
                if self.evictions.get(&pod) == Some(&now) {
                    self.evictions.remove(&pod);
                    evict(pod, api, out);
                }
            }
            Input::DaemonSet(id) => {
                if let Some(set) = api.daemon_sets.get(id) {
                    self.sync_daemon_set(now, id, set, api, out);
                }
            }
            Input::Create(id) if api.replica_sets.get(id).is_some() => out.emit(Output::CreatePod(id)),
            Input::Create(_) => {}
            Input::CreateDaemonPod(id, node) => {
                self.daemon_pods.remove(&(id, node));
                if api.daemon_sets.get(id).is_some() && api.nodes.get(node).is_some() {
                    out.emit(Output::CreateDaemonPod(id, node));
                }
            }
            Input::Delete(pod) => {
                self.daemon_deletions.remove(&pod);
                if api.pods.get(pod).is_some_and(|pod| pod.deletion.is_none()) {
                    out.emit(Output::DeletePod(pod));
                }
            }
        }
    }
}

fn sync_deployment(id: DeploymentId, now: Instant, api: &Api, out: &mut Out) {
    let Some(object) = api.deployments.get(id) else {
        return;
    };
    if is_settled(id, object, api) {
        return;
    }
    let ids: Vec<ReplicaSetId> = api.replica_sets_of(id).map(|(set, _)| set).collect();
    let mut available_next = Instant::MAX;
    let mut view = |&set_id: &ReplicaSetId| {
        let set = api.replica_sets.get(set_id).expect("listed a line above");
        let (mut pods, mut available) = (0, 0);
        for pod in api
            .pods_of_replica_set(set_id)
            .iter()
            .filter_map(|&pod| api.pods.get(pod))
        {
            pods += i32::from(!pod.is_terminal());
            let ready = pod.ready.filter(|ready| ready.status && pod.is_active());
            match ready.map(|ready| ready.since + object.min_ready) {
                Some(at) if at <= now => available += 1,
                Some(at) => available_next = available_next.min(at),
                None => {}
            }
        }
        SetView {
            replicas: set.replicas,
            available,
            pods,
            desired: set.desired,
            created: set.created,
            is_new: set.is_of_template(&object.template),
        }
    };
    let sets: Vec<SetView> = ids.iter().map(&mut view).collect();
    if available_next < Instant::MAX {
        // spec.minReadySeconds has not passed yet for some pod.
        out.wake_at(available_next, Input::Deployment(id));
    }
    let desired = object.replicas;
    match deployment::sync(object.strategy, desired, &sets) {
        None => {}
        Some(Step::Create(replicas)) => out.emit(Output::CreateReplicaSet {
            deployment: id,
            replicas,
        }),
        Some(Step::Scale(moves)) => {
            for (index, replicas) in moves {
                out.emit(Output::ScaleReplicaSet {
                    id: ids[index],
                    replicas,
                    desired,
                });
            }
        }
    }
}

/// Whether a Deployment's only set is what it should be: whichever of its pods are available, there is nothing to
/// do then, and without spec.minReadySeconds nothing to wait for.
fn is_settled(id: DeploymentId, object: &Deployment, api: &Api) -> bool {
    let mut sets = api.replica_sets_of(id).map(|(_, set)| set);
    let (Some(only), None) = (sets.next(), sets.next()) else {
        return false;
    };
    let sized = only.replicas == object.replicas && only.desired == object.replicas;
    sized && object.min_ready.is_zero() && only.is_of_template(&object.template)
}

impl Controllers {
    /// Controllers with full budgets.
    #[must_use]
    pub fn new(config: Config, streams: Streams) -> Self {
        Controllers {
            replica_set_budget: TokenBucket::new(config.qps, config.burst),
            daemon_set_budget: TokenBucket::new(config.qps, config.burst),
            sets: ById::default(),
            daemon_pods: SortedSet::new(),
            daemon_deletions: SortedSet::new(),
            rolling: SortedSet::new(),
            evictions: SortedMap::new(),
            ties: streams.stream("replica-set/ties", 0),
            config,
        }
    }

    /// Makes or deletes what is missing (`manageReplicas`).
    fn sync_replica_set(&mut self, now: Instant, id: ReplicaSetId, api: &Api, out: &mut Out) {
        let Some(set) = api.replica_sets.get(id) else {
            return;
        };
        let awaits = |state: &SetState| state.creations > 0 || !state.deletions.is_empty();
        if self.sets.get(id).is_some_and(awaits) {
            return;
        }
        let active = || {
            let pods = api.pods_of_replica_set(id).iter().copied();
            pods.filter(|&pod| api.pods.get(pod).is_some_and(Pod::is_active))
        };
        let (present, wanted) = (active().count(), usize::try_from(set.replicas).unwrap_or(0));
        if present < wanted {
            self.create(now, id, (wanted - present).min(BURST_REPLICAS), out);
        } else if present > wanted {
            let active: Vec<PodId> = active().collect();
            let excess = (present - wanted).min(BURST_REPLICAS);
            for pod in victims::pods_to_delete(api, id, &active, excess, now, &mut self.ties) {
                self.sets.get_or_default(id).deletions.insert(pod);
                let at = self.replica_set_budget.take(now);
                out.wake_at(at + self.config.write, Input::Delete(pod));
            }
        }
    }

    /// Batches of 1, 2, 4, …: each is written at once, as far as the budget goes, and the next waits for it.
    fn create(&mut self, now: Instant, id: ReplicaSetId, count: usize, out: &mut Out) {
        let mut left = count;
        let mut batch = 1;
        let mut start = now;
        while left > 0 {
            let mut end = start;
            for _ in 0..batch.min(left) {
                let done = self.replica_set_budget.take(start) + self.config.write;
                out.wake_at(done, Input::Create(id));
                end = end.max(done);
                self.sets.get_or_default(id).creations += 1;
                self.report_creation(id, start);
            }
            left -= batch.min(left);
            batch *= 2;
            start = end;
        }
    }

    /// A SuccessfulCreate event is a write as well, up to the recorder's limit.
    fn report_creation(&mut self, id: ReplicaSetId, now: Instant) {
        let state = self.sets.get_or_default(id);
        state.events += 1;
        if state.events <= EVENT_BURST {
            let _ = self.replica_set_budget.take(now);
        }
    }

    /// Deletes a pod that its node's taints drive out, or sets to when they will
    /// (kubernetes 1.35 pkg/controller/tainteviction/taint_eviction.go `processPodOnNode`).
    fn judge_by_taints(&mut self, now: Instant, id: PodId, api: &Api, out: &mut Out) {
        let pod = api.pods.get(id);
        let Some((pod, node)) = pod.and_then(|pod| Some((pod, api.nodes.get(pod.node?)?))) else {
            return;
        };
        match stay(pod.spec(), &node.taints) {
            Stay::Forever => {
                self.evictions.remove(&id);
            }
            Stay::No => {
                self.evictions.remove(&id);
                evict(id, api, out);
            }
            Stay::For(time) => {
                // What was set first holds, as long as some taint limits the stay.
                let due = now + time;
                if let Entry::Vacant(place) = self.evictions.entry(id) {
                    place.insert(due);
                    out.wake_at(due, Input::Evict(id));
                }
            }
        }
    }

    /// Looks at all nodes, and goes on with a rollout (`updateDaemonSet`).
    fn sync_daemon_set(&mut self, now: Instant, id: DaemonSetId, set: &DaemonSet, api: &Api, out: &mut Out) {
        let mut by_node: SortedMap<NodeId, Vec<PodId>> = SortedMap::new();
        for &pod in api.pods_of(Owner::DaemonSet(id)) {
            if let Some(node) = api.pods.get(pod).and_then(|pod| pod.only_node) {
                by_node.entry(node).or_default().push(pod);
            }
        }
        for (node, _) in api.nodes.iter() {
            let pods = by_node.get(&node).map_or(&[][..], Vec::as_slice);
            self.manage_node(now, (id, set), node, pods, api, out);
        }
        self.roll(now, (id, set), &by_node, api, out);
    }

    /// Makes a node's pod of a DaemonSet, or deletes what is too much
    /// (kubernetes 1.35 pkg/controller/daemon/daemon_controller.go `podsShouldBeOnNode`).
    fn manage_node(
        &mut self,
        now: Instant,
        (id, set): (DaemonSetId, &DaemonSet),
        node: NodeId,
        pods: &[PodId],
        api: &Api,
        out: &mut Out,
    ) {
        let Some(object) = api.nodes.get(node) else {
            return;
        };
        if pods.is_empty() {
            if wants_pod(set, object) {
                self.create_daemon_pod(now, id, node, out);
            }
            return;
        }
        let staying = daemon_pods(now, set, pods, api);
        if !node_should_keep(&set.template, object) {
            for pod in staying {
                self.delete_daemon_pod(now, pod.id, out);
            }
            return;
        }
        let surges = daemon_update::allows_surge(set);
        // The one that is going may still be there.
        if staying.is_empty() && surges && wants_pod(set, object) {
            self.create_daemon_pod(now, id, node, out);
        }
        for pod in daemon_update::excess(&staying, surges) {
            self.delete_daemon_pod(now, pod, out);
        }
    }

    /// Takes the next step of a rollout, unless what was asked for before has not happened yet.
    fn roll(
        &mut self,
        now: Instant,
        (id, set): (DaemonSetId, &DaemonSet),
        by_node: &SortedMap<NodeId, Vec<PodId>>,
        api: &Api,
        out: &mut Out,
    ) {
        let all = || api.pods_of(Owner::DaemonSet(id)).iter().copied();
        let is_old = |pod: PodId| {
            let pod = api.pods.get(pod).filter(|pod| pod.deletion.is_none());
            pod.is_some_and(|pod| !is_of_template(pod, set))
        };
        let Some(rolling) = set.rolling.filter(|_| all().any(is_old)) else {
            self.rolling.remove(&id);
            return;
        };
        self.rolling.insert(id);
        if let Some(next) = all()
            .filter_map(|pod| available_at(set, api.pods.get(pod)?))
            .filter(|at| *at > now)
            .min()
        {
            out.wake_at(next, Input::DaemonSet(id));
        }
        let asked = self.daemon_pods.iter().any(|(own, _)| *own == id);
        if asked || all().any(|pod| self.daemon_deletions.contains(&pod)) {
            return;
        }
        let view = |(node, object)| {
            let pods = by_node.get(&node);
            let should_run = wants_pod(set, object);
            (should_run || pods.is_some()).then(|| DaemonNode {
                id: node,
                should_run,
                pods: daemon_pods(now, set, pods.map_or(&[], Vec::as_slice), api),
            })
        };
        let nodes: Vec<DaemonNode> = api.nodes.iter().filter_map(view).collect();
        let step = daemon_update::rolling_update(&nodes, rolling);
        for node in step.create {
            self.create_daemon_pod(now, id, node, out);
        }
        for pod in step.delete {
            self.delete_daemon_pod(now, pod, out);
        }
    }

    fn create_daemon_pod(&mut self, now: Instant, id: DaemonSetId, node: NodeId, out: &mut Out) {
        if self.daemon_pods.insert((id, node)) {
            let at = self.daemon_set_budget.take(now) + self.config.write;
            out.wake_at(at, Input::CreateDaemonPod(id, node));
        }
    }

    fn delete_daemon_pod(&mut self, now: Instant, pod: PodId, out: &mut Out) {
        if self.daemon_deletions.insert(pod) {
            let at = self.daemon_set_budget.take(now) + self.config.write;
            out.wake_at(at, Input::Delete(pod));
        }
    }
}

/// Those of a node's pods that are not being deleted, those that are bound first, then the oldest
/// (kubernetes 1.35 pkg/controller/daemon/daemon_controller.go `podByCreationTimestampAndPhase`).
fn daemon_pods(now: Instant, set: &DaemonSet, pods: &[PodId], api: &Api) -> Vec<DaemonPod> {
    let own = pods.iter().filter_map(|&id| Some((id, api.pods.get(id)?)));
    let mut own: Vec<(PodId, &Pod)> = own.filter(|(_, pod)| pod.deletion.is_none()).collect();
    own.sort_by_key(|(id, pod)| (pod.node.is_none(), pod.created, *id));
    let view = |(id, pod): (PodId, &Pod)| DaemonPod {
        id,
        is_new: is_of_template(pod, set),
        is_ready: pod.is_ready(),
        is_available: available_at(set, pod).is_some_and(|at| at <= now),
    };
    own.into_iter().map(view).collect()
}

fn is_of_template(pod: &Pod, set: &DaemonSet) -> bool {
    Arc::ptr_eq(&pod.template, &set.template) || pod.template == set.template
}

/// From when on a pod that is Ready is available, if it stays so (kubernetes 1.35 pkg/api/v1/pod/util.go `IsPodAvailable`).
fn available_at(set: &DaemonSet, pod: &Pod) -> Option<Instant> {
    let ready = pod.ready.filter(|ready| ready.status && pod.deletion.is_none());
    ready.map(|ready| ready.since + set.min_ready)
}

fn evict(id: PodId, api: &Api, out: &mut Out) {
    if api.pods.get(id).is_some_and(Pod::is_active) {
        out.emit(Output::EvictPod(id));
    }
}
