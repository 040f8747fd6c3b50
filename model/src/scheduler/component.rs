//! The scheduler as a component: serial cycles, bindings in the background, the client's rate limit.
//!
//! A cycle decides on what is known when it starts and takes effect when it ends. What happens meanwhile is
//! noted, so that a pod that fails is not put aside although help has come. A failed cycle goes on until its
//! status is written; a successful one ends with the pod assumed on its node, and the next begins at once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use sim::{Component, Instant, Outbox, Stream, Streams};

use super::cache::{Cache, NodeChange};
use super::cycle::{self, Found, Sampling};
use super::hint::{ClusterEvent, helps};
use super::node_info::{PlacedPod, PodRef};
use super::plugin::PluginSet;
use super::pod_info::{KindId, default_selector};
use super::preemption::{self, Budget, Candidate, Outcome};
use super::queue::{FLUSH_BACKOFF, FLUSH_UNSCHEDULABLE, MAX_UNSCHEDULABLE, Queue};
use super::score::Scores;
use super::{Config, Event, Input, Output, View};
use crate::api::{Api, LabelSelector, Owner, Pod, PodTemplate};
use crate::id::{NodeId, PodId};
use crate::token_bucket::TokenBucket;

type Out = Outbox<Input, Output>;

/// The label that tells the pods of a Deployment's ReplicaSets apart.
const TEMPLATE_HASH: &str = "pod-template-hash";

/// kube-scheduler with the default profile.
#[derive(Debug)]
pub struct Scheduler {
    config: Config,
    cache: Cache,
    queue: Queue,
    sampling: Sampling,
    client: TokenBucket,
    /// Kinds by the address of their template, which is kept alive, and whether a ReplicaSet owns it.
    kinds: BTreeMap<(usize, bool), (Arc<PodTemplate>, KindId)>,
    busy: Busy,
    /// Something happened during the cycle, and which plugins it helps.
    moved: bool,
    helped: PluginSet,
    /// Pods on their way to a node.
    assumed: BTreeMap<PodId, Binding>,
    /// Bound pods whose node is not known.
    strays: BTreeMap<PodId, KindId>,
    /// What a pod's condition said last.
    messages: BTreeMap<PodId, String>,
    /// Victims by preemptor, until they are deleted.
    preemptions: BTreeMap<PodId, Candidate>,
    flush_backoff_due: Option<Instant>,
    flush_unschedulable_due: Option<Instant>,
    /// When in its second the backoff ticker ticks, and in its half-minute the other one.
    phases: [Duration; 2],
    ties: Stream,
    preemption: Stream,
    latency: Stream,
}

/// What the scheduling loop is at.
#[derive(Debug)]
enum Busy {
    Idle,
    /// In a cycle that ends then.
    Cycle(Instant, PodRef, Box<Decision>),
    /// Writing the status of a pod, done then, and the nomination it gets if that changes.
    Status(Instant, PodId, Option<Option<NodeId>>),
}

#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one at a time, and it is boxed"
)]
enum Decision {
    Place(NodeId, Event),
    NoNodes,
    Reject(Found, Outcome),
}

#[derive(Debug)]
struct Binding {
    pod: PodRef,
    node: NodeId,
    at: Instant,
    event: Option<Event>,
}

impl Component for Scheduler {
    type Input = Input;
    type Output = Output;
    type View<'a> = View<'a>;

    fn handle(&mut self, now: Instant, input: Input, view: View<'_>, out: &mut Out) {
        match input {
            Input::PodChanged(pod) => self.pod_changed(now, pod, view),
            Input::PodGone(pod) => self.pod_gone(now, pod),
            Input::NodeChanged(node) => self.node_changed(now, node, view),
            Input::NodeGone(node) => self.node_gone(now, node),
            Input::CycleDone => self.cycle_done(now, view, out),
            Input::StatusWritten => self.status_written(now, view, out),
            Input::BindingWritten(pod) => self.binding_written(now, pod, view, out),
            Input::VictimsDeleted(pod) => self.victims_deleted(pod, out),
            Input::FlushBackoff if self.flush_backoff_due == Some(now) => {
                self.flush_backoff_due = None;
                self.queue.flush_backoff(now);
            }
            Input::FlushUnschedulable if self.flush_unschedulable_due == Some(now) => {
                self.flush_unschedulable_due = None;
                self.queue.flush_unschedulable(now);
            }
            Input::FlushBackoff | Input::FlushUnschedulable => {}
        }
        self.go_on(now, view, out);
        self.arm(now, out);
    }
}

impl Scheduler {
    /// A scheduler that knows nothing yet.
    #[must_use]
    pub fn new(config: Config, streams: &Streams) -> Self {
        let mut phase = streams.stream("scheduler/phase", 0);
        let mut within = |period: Duration| period.mul_f64(phase.random::<f64>());
        // From 1.33 on, backoffs are flushed on the whole second.
        let aligned = config.profile.pop_from_backoff;
        let backoff = if aligned {
            Duration::ZERO
        } else {
            within(FLUSH_BACKOFF)
        };
        Scheduler {
            cache: Cache::new(config.profile, config.scoring_strategy),
            queue: Queue::new(config.profile),
            sampling: Sampling {
                percentage: config.percentage_of_nodes_to_score,
                next_start: 0,
            },
            client: TokenBucket::new(config.qps, config.burst),
            kinds: BTreeMap::new(),
            busy: Busy::Idle,
            moved: false,
            helped: PluginSet::EMPTY,
            assumed: BTreeMap::new(),
            strays: BTreeMap::new(),
            messages: BTreeMap::new(),
            preemptions: BTreeMap::new(),
            flush_backoff_due: None,
            flush_unschedulable_due: None,
            phases: [backoff, within(FLUSH_UNSCHEDULABLE)],
            ties: streams.stream("scheduler/tie", 0),
            preemption: streams.stream("scheduler/preemption", 0),
            latency: streams.stream("scheduler/latency", 0),
            config,
        }
    }

    /// What it knows of nodes and pods.
    #[must_use]
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    // What it hears.

    fn pod_changed(&mut self, now: Instant, id: PodId, view: View<'_>) {
        let Some(pod) = view.api.pods.get(id) else { return };
        // The watch leaves out pods that have ended: for the scheduler they are gone.
        if pod.is_terminal() {
            self.pod_gone(now, id);
            return;
        }
        let kind = self.kind_of(pod, view);
        let reference = PodRef {
            id,
            kind,
            only_node: pod.only_node,
        };
        match pod.node {
            Some(node) => self.pod_bound(now, reference, pod, node),
            None if self.assumed.contains_key(&id) || pod.deletion.is_some() => {}
            None if !self.queue.has(id) => {
                self.queue
                    .add(now, reference, pod.spec().priority, pod.spec().gated);
                self.cache.nominate(reference, pod.nominated_node);
            }
            None => {}
        }
    }

    fn pod_bound(&mut self, now: Instant, pod: PodRef, object: &Pod, node: NodeId) {
        let confirmed = self.assumed.remove(&pod.id).is_some();
        let known =
            !confirmed && (self.cache.node_of(pod.id) == Some(node) || self.strays.contains_key(&pod.id));
        if known {
            if let Some(placed) = self.cache.placed_mut(pod.id) {
                placed.terminating = object.deletion.is_some();
                placed.started = object.started;
            }
            return;
        }
        self.queue.delete(pod.id);
        self.messages.remove(&pod.id);
        self.cache.nominate(pod, None);
        let placed = PlacedPod {
            id: pod.id,
            kind: pod.kind,
            terminating: object.deletion.is_some(),
            preempted: false,
            started: object.started,
        };
        self.cache.add_pod(placed, node);
        if self.cache.node_of(pod.id).is_none() {
            self.strays.insert(pod.id, pod.kind);
        }
        self.happened(now, ClusterEvent::PodAssigned(pod.kind));
    }

    fn pod_gone(&mut self, now: Instant, id: PodId) {
        let hoped = self.cache.nominated_node(id);
        let assumed = self.assumed.remove(&id).map(|binding| binding.pod.kind);
        let placed = self.cache.remove_pod(id).map(|(pod, _)| pod.kind);
        let kind = placed.or(assumed).or(self.strays.remove(&id));
        self.queue.delete(id);
        self.messages.remove(&id);
        self.preemptions.remove(&id);
        if let Some(kind) = kind {
            self.happened(now, ClusterEvent::AssignedPodDeleted(kind));
        } else if let Some(node) = hoped {
            let hopeful = self
                .cache
                .nominated(node)
                .iter()
                .find(|pod| pod.id == id)
                .copied();
            let pod = hopeful.expect("it was found there");
            self.cache.nominate(pod, None);
            // Room for which it hoped is of use to pods of no higher priority; to others it was free anyway.
            self.happened(now, ClusterEvent::AssignedPodDeleted(pod.kind));
        }
    }

    fn node_changed(&mut self, now: Instant, id: NodeId, view: View<'_>) {
        let Some(node) = view.api.nodes.get(id) else {
            return;
        };
        let change = self.cache.set_node(id, node);
        let (cache, queue) = (&self.cache, &mut self.queue);
        let new = cache.node(id).expect("it was just noted");
        let event = match &change {
            NodeChange::Nothing => return,
            NodeChange::Added => ClusterEvent::NodeAdded(new),
            NodeChange::Updated(old) => ClusterEvent::NodeUpdated { old, new },
        };
        let helped = tell(now, cache, queue, &self.busy, event);
        self.note(helped);
    }

    fn node_gone(&mut self, now: Instant, id: NodeId) {
        if let Some(old) = self.cache.remove_node(id) {
            self.strays.extend(old.pods.iter().map(|pod| (pod.id, pod.kind)));
            let helped = tell(
                now,
                &self.cache,
                &mut self.queue,
                &self.busy,
                ClusterEvent::NodeDeleted(&old),
            );
            if self.config.profile.queueing_hints {
                self.note(helped);
            }
        }
    }

    fn happened(&mut self, now: Instant, event: ClusterEvent<'_>) {
        let helped = tell(now, &self.cache, &mut self.queue, &self.busy, event);
        self.note(helped);
    }

    fn note(&mut self, helped: PluginSet) {
        self.moved = true;
        self.helped = self.helped.union(helped);
    }

    // The loop.

    /// Starts the next cycle if none is on.
    fn go_on(&mut self, now: Instant, view: View<'_>, out: &mut Out) {
        while matches!(self.busy, Busy::Idle) {
            let Some(popped) = self.queue.pop() else { return };
            let id = popped.pod.id;
            let waits = |pod: &Pod| pod.node.is_none() && pod.deletion.is_none();
            if !view.api.pods.get(id).is_some_and(waits) {
                self.queue.delete(id);
                continue;
            }
            (self.moved, self.helped) = (false, PluginSet::EMPTY);
            let (decision, cost) = self.decide(popped.pod, view.api);
            let end = now + cost;
            self.busy = Busy::Cycle(end, popped.pod, Box::new(decision));
            out.wake_at(end, Input::CycleDone);
        }
    }

    /// One cycle on what is known now, and what it takes.
    fn decide(&mut self, pod: PodRef, api: &Api) -> (Decision, Duration) {
        let cost = self.config.cycle;
        if self.cache.node_count() == 0 {
            return (Decision::NoNodes, cost.base);
        }
        let nominated = self.cache.nominated_node(pod.id);
        let found = cycle::find_nodes_that_fit(&self.cache, pod, nominated, &mut self.sampling);
        let counted = if found.state.counted_pods() {
            self.cache.node_count()
        } else {
            0
        };
        let (fit, unfit) = (found.feasible.len(), found.diagnosis.statuses.len());
        let took = |scored: usize| {
            cost.base
                + cost.scored * scored as u32
                + cost.rejected * unfit as u32
                + cost.counted * counted as u32
        };
        if found.feasible.is_empty() {
            let budgets = self.budgets(pod, api);
            let outcome = preemption::preempt(
                &self.cache,
                pod,
                nominated,
                &found,
                &budgets,
                &mut self.preemption,
            );
            return (Decision::Reject(found, outcome), took(0));
        }
        let (position, scores) = if fit == 1 {
            (0, Scores::default())
        } else {
            let scores = cycle::score(&self.cache, pod, &found.feasible);
            (
                cycle::select_host(&self.cache, &scores.totals, &mut self.ties),
                scores,
            )
        };
        let node = found.feasible[position];
        let total = |i: usize| scores.totals.get(i).copied().unwrap_or(0);
        let event = Event::Scheduled {
            pod: pod.id,
            node,
            evaluated: fit + unfit,
            feasible: found
                .feasible
                .iter()
                .enumerate()
                .map(|(i, &node)| (node, total(i)))
                .collect(),
            scores: scores
                .plugins
                .iter()
                .map(|(plugin, by_node)| (*plugin, by_node[position]))
                .collect(),
        };
        (Decision::Place(node, event), took(if fit == 1 { 0 } else { fit }))
    }

    /// The budgets, if anybody could be preempted at all.
    fn budgets(&self, pod: PodRef, api: &Api) -> Vec<Budget> {
        let priority = self.cache.kind(pod.kind).priority();
        if self.cache.kinds().iter().all(|kind| kind.priority() >= priority) {
            return Vec::new();
        }
        let budget = |pdb: &crate::api::PodDisruptionBudget| Budget {
            namespace: pdb.namespace.clone(),
            selector: pdb.selector.clone(),
            disruptions_allowed: pdb.disruptions_allowed(api),
        };
        api.pdbs.iter().map(budget).collect()
    }

    fn cycle_done(&mut self, now: Instant, view: View<'_>, out: &mut Out) {
        if !matches!(self.busy, Busy::Cycle(end, ..) if end == now) {
            return;
        }
        let Busy::Cycle(_, pod, decision) = std::mem::replace(&mut self.busy, Busy::Idle) else {
            unreachable!("it was just looked at");
        };
        let waits = |object: &Pod| object.node.is_none() && object.deletion.is_none();
        if !view.api.pods.get(pod.id).is_some_and(waits) {
            return;
        }
        match *decision {
            Decision::Place(node, event) if self.cache.node(node).is_some() => {
                self.assume(now, pod, node, event, out);
            }
            // The node went during the cycle. The real scheduler would bind the pod to it, and the garbage
            // collector delete it; here it is an error, after which the pod is tried again.
            Decision::Place(..) => self
                .queue
                .failed(now, pod.id, PluginSet::EMPTY, PluginSet::EMPTY, true),
            Decision::NoNodes => {
                self.queue
                    .failed(now, pod.id, PluginSet::EMPTY, PluginSet::EMPTY, true);
                let message = "no nodes available to schedule pods".to_owned();
                let nomination = view.api.pods.get(pod.id).and_then(|object| object.nominated_node);
                self.cache.nominate(pod, None);
                self.report(
                    now,
                    pod.id,
                    message,
                    PluginSet::EMPTY,
                    nomination.map(|_| None),
                    out,
                );
            }
            Decision::Reject(found, outcome) => self.reject(now, pod, &found, outcome, view, out),
        }
    }

    fn assume(&mut self, now: Instant, pod: PodRef, node: NodeId, event: Event, out: &mut Out) {
        let placed = PlacedPod {
            id: pod.id,
            kind: pod.kind,
            terminating: false,
            preempted: false,
            started: None,
        };
        self.cache.add_pod(placed, node);
        self.cache.nominate(pod, None);
        let at = self.client.take(now) + self.config.bind_latency.sample_duration(&mut self.latency);
        let binding = Binding {
            pod,
            node,
            at,
            event: Some(event),
        };
        self.assumed.insert(pod.id, binding);
        out.wake_at(at, Input::BindingWritten(pod.id));
    }

    fn binding_written(&mut self, now: Instant, id: PodId, view: View<'_>, out: &mut Out) {
        let Some(binding) = self.assumed.get_mut(&id).filter(|binding| binding.at == now) else {
            return;
        };
        let (pod, node) = (binding.pod, binding.node);
        let Some(event) = binding.event.take() else { return };
        let waits = |object: &Pod| object.node.is_none() && object.deletion.is_none();
        if view.api.pods.get(id).is_some_and(waits) && view.api.nodes.get(node).is_some() {
            out.emit(Output::Bind { pod: id, node });
            out.emit(Output::Publish(Box::new(event)));
            return;
        }
        // The binding fails: the pod is forgotten, and tried again if it still waits.
        self.assumed.remove(&id);
        self.cache.remove_pod(id);
        self.happened(now, ClusterEvent::AssignedPodDeleted(pod.kind));
        self.queue
            .failed(now, id, PluginSet::EMPTY, PluginSet::EMPTY, true);
    }

    fn reject(
        &mut self,
        now: Instant,
        pod: PodRef,
        found: &Found,
        outcome: Outcome,
        view: View<'_>,
        out: &mut Out,
    ) {
        let id = pod.id;
        let message = preemption::message(&self.cache, &found.diagnosis, &outcome);
        let mut nomination = None;
        let mut begin_status = now;
        match outcome {
            Outcome::NotEligible(_) => {}
            Outcome::NoCandidate(_) => nomination = Some(None),
            Outcome::Selected(candidate) => {
                nomination = Some(Some(candidate.node));
                begin_status = self.prepare(now, pod, candidate, out);
            }
        }
        if let Some(node) = nomination {
            self.cache.nominate(pod, node);
        }
        self.queue
            .failed(now, id, found.diagnosis.rejectors, self.helped, self.moved);
        let object_nominated = view.api.pods.get(id).and_then(|object| object.nominated_node);
        let renominate = nomination.filter(|node| *node != object_nominated);
        let rejectors = found.diagnosis.rejectors;
        self.report(begin_status, id, message, rejectors, renominate, out);
    }

    /// Tells that a pod was not placed, and writes its status from `begin` on if that says anything new, which
    /// the loop waits for (schedule_one.go `handleSchedulingFailure`).
    fn report(
        &mut self,
        begin: Instant,
        pod: PodId,
        message: String,
        rejectors: PluginSet,
        nomination: Option<Option<NodeId>>,
        out: &mut Out,
    ) {
        let news = self.messages.get(&pod) != Some(&message);
        out.emit(Output::Publish(Box::new(Event::FailedScheduling {
            pod,
            message: message.clone(),
            rejectors,
            nominated: self.cache.nominated_node(pod),
        })));
        if news || nomination.is_some() {
            self.messages.insert(pod, message);
            let end = self.client.take(begin) + self.config.write_latency.sample_duration(&mut self.latency);
            self.busy = Busy::Status(end, pod, nomination);
            out.wake_at(end, Input::StatusWritten);
        }
    }

    /// Has victims deleted, each by two writes, and says when the loop may go on: at once, if that is done in
    /// the background (`prepareCandidate`, `prepareCandidateAsync`).
    fn prepare(&mut self, now: Instant, pod: PodRef, candidate: Candidate, out: &mut Out) -> Instant {
        let priority = self.cache.kind(pod.kind).priority();
        let lesser = |other: &&PodRef| self.cache.kind(other.kind).priority() < priority;
        let lesser: Vec<PodRef> = self
            .cache
            .nominated(candidate.node)
            .iter()
            .filter(lesser)
            .copied()
            .collect();
        for other in lesser {
            self.cache.nominate(other, None);
            out.emit(Output::Nominate {
                pod: other.id,
                node: None,
            });
        }
        let mut last = now;
        for _ in candidate.victims.iter().filter(|victim| !victim.terminating) {
            let condition =
                self.client.take(now) + self.config.write_latency.sample_duration(&mut self.latency);
            let deletion =
                self.client.take(condition) + self.config.write_latency.sample_duration(&mut self.latency);
            last = last.max(deletion);
        }
        if last == now {
            return now;
        }
        self.preemptions.insert(pod.id, candidate);
        out.wake_at(last, Input::VictimsDeleted(pod.id));
        if self.config.profile.async_preemption {
            self.queue.hold(pod.id);
            now
        } else {
            last
        }
    }

    fn victims_deleted(&mut self, preemptor: PodId, out: &mut Out) {
        self.queue.release(preemptor);
        let Some(candidate) = self.preemptions.remove(&preemptor) else {
            return;
        };
        let there = |victim: &PlacedPod| self.cache.node_of(victim.id).is_some();
        if !candidate.victims.iter().any(there) {
            // They went by themselves while the pod was held back: nothing else will wake it.
            self.queue.activate(preemptor);
        }
        for victim in candidate.victims.iter().filter(|victim| !victim.terminating) {
            let Some(placed) = self.cache.placed_mut(victim.id) else {
                continue;
            };
            placed.preempted = true;
            out.emit(Output::DeletePod {
                pod: victim.id,
                preemptor,
            });
            out.emit(Output::Publish(Box::new(Event::Preempted {
                pod: victim.id,
                preemptor,
                node: candidate.node,
            })));
        }
    }

    fn status_written(&mut self, now: Instant, view: View<'_>, out: &mut Out) {
        let Busy::Status(end, pod, nomination) = self.busy else {
            return;
        };
        if end != now {
            return;
        }
        self.busy = Busy::Idle;
        let waits = |object: &Pod| object.node.is_none() && object.deletion.is_none();
        if view.api.pods.get(pod).is_some_and(waits) {
            if let Some(node) = nomination {
                out.emit(Output::Nominate { pod, node });
            }
            out.emit(Output::Unschedulable(pod));
        }
    }

    // Alarms.

    /// Arms the tickers for the next tick that has something to do.
    fn arm(&mut self, now: Instant, out: &mut Out) {
        let tick = |at: Instant, period: Duration, phase: Duration| {
            at.saturating_sub(phase).round_up_to(period) + phase
        };
        if let Some(end) = self.queue.next_backoff_end() {
            let over = if self.config.profile.pop_from_backoff {
                end + FLUSH_BACKOFF
            } else {
                end
            };
            let due = tick(
                over.max(now + Duration::from_nanos(1)),
                FLUSH_BACKOFF,
                self.phases[0],
            );
            if self.flush_backoff_due.is_none_or(|known| due < known) {
                self.flush_backoff_due = Some(due);
                out.wake_at(due, Input::FlushBackoff);
            }
        }
        if let Some(since) = self.queue.oldest_unschedulable() {
            let over = since + MAX_UNSCHEDULABLE + Duration::from_nanos(1);
            let due = tick(
                over.max(now + Duration::from_nanos(1)),
                FLUSH_UNSCHEDULABLE,
                self.phases[1],
            );
            if self.flush_unschedulable_due.is_none_or(|known| due < known) {
                self.flush_unschedulable_due = Some(due);
                out.wake_at(due, Input::FlushUnschedulable);
            }
        }
    }

    /// The kind of a pod, made known if its template is new.
    ///
    /// A ReplicaSet's pods carry a label with the hash of their template, and its selector asks for it. Where a
    /// template has none, the number of the kind stands in.
    fn kind_of(&mut self, pod: &Pod, view: View<'_>) -> KindId {
        let owned = matches!(pod.owner, Owner::ReplicaSet(..));
        let key = (Arc::as_ptr(&pod.template) as usize, owned);
        if let Some((_, kind)) = self.kinds.get(&key) {
            return *kind;
        }
        let mut template = pod.template.clone();
        let mut owner = None;
        if owned {
            if !template.labels.contains_key(TEMPLATE_HASH) {
                let hash = self.kinds.len().to_string();
                Arc::make_mut(&mut template)
                    .labels
                    .insert(TEMPLATE_HASH.to_owned(), hash);
            }
            owner = Some(LabelSelector::from_labels(&template.labels));
        }
        let services = view.api.services.iter().map(|(_, service)| service);
        let services = services.filter(|service| service.namespace == template.namespace);
        let selector = default_selector(
            &template,
            services.map(|service| &service.selector),
            owner.as_ref(),
        );
        let kind = self.cache.add_kind(template, &selector, view.namespaces);
        self.kinds.insert(key, (pod.template.clone(), kind));
        kind
    }
}

/// Tells the queue of an event. Answers which plugins it helps for the pod in its cycle.
fn tell(now: Instant, cache: &Cache, queue: &mut Queue, busy: &Busy, event: ClusterEvent<'_>) -> PluginSet {
    let frees = matches!(event, ClusterEvent::AssignedPodDeleted(_));
    let mut last: Option<(KindId, Option<NodeId>, PluginSet)> = None;
    queue.event(now, frees, |pod| match last {
        Some((kind, only, plugins)) if (kind, only) == (pod.kind, pod.only_node) => plugins,
        _ => {
            let plugins = helps(cache, pod, event);
            last = Some((pod.kind, pod.only_node, plugins));
            plugins
        }
    });
    match busy {
        Busy::Cycle(_, pod, _) => helps(cache, *pod, event),
        Busy::Idle | Busy::Status(..) => PluginSet::EMPTY,
    }
}
