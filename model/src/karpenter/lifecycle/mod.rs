//! The life of NodeClaims, from their making to a node in full working order
//! (karpenter v1.14 pkg/controllers/nodeclaim/lifecycle, .../garbagecollection;
//! karpenter-provider-aws v1.14 pkg/controllers/interruption).
//!
//! A claim is launched: the provider makes a CreateFleet call of it, and the answer is written to its status.
//! When the node joins, the claim is registered: the node gets the claim's labels and taints and loses the
//! taint that kept pods away. When the node is ready and has what the claim asked for, GPUs included, the
//! claim is initialized. A claim that EC2 has no capacity for is deleted at once, one that is not registered in
//! time later, one whose spot instance EC2 wants back when the message arrives.
//!
//! Each claim has one worker at a time. It waits for the CreateFleet call, and it sleeps for a second after
//! each write, so that its cache catches up: hence no claim is registered and initialized in one go.
//!
//! Left out: registration hooks, DRA drivers, instance status checks, tagging. Merging of identical
//! CreateFleet calls is only kept as the time it takes: each of them would be answered alike.

pub mod conditions;
mod ports;

use std::sync::Arc;
use std::time::Duration;

use sim::{Component, Instant, Outbox, SortedMap, SortedSet, Stream, Streams};

pub use ports::{Event, Input, Message, Output, Reason, Registration};

use super::instance_type::{CapacityType, InstanceTypes};
use super::provider::launch;
use super::provider::unavailable::Offer;
use super::provider::{self, Classes, NodeClass, Provider};
use super::state::{self, NodeClaim};
use super::version::Profile;
use crate::api::{Api, Node};
use crate::catalog::Catalog;
use crate::distribution::Distribution;
use crate::ec2::fleet::{ErrorCode, FleetAnswer, FleetRequest};
use crate::id::{InstanceId, NodeClaimId, NodeId, Table};

/// A claim that is not registered by then is deleted (`registrationTimeout`).
pub const REGISTRATION_TIMEOUT: Duration = Duration::from_secs(15 * 60);
/// How long a worker sleeps after it has changed a claim.
const AFTER_WRITE: Duration = Duration::from_secs(1);
/// How often claims without an instance are looked for, and instances without a claim
/// (karpenter v1.14.1 pkg/controllers/nodeclaim/garbagecollection/controller.go `Reconcile`).
const GARBAGE_COLLECTION: Duration = Duration::from_secs(120);
/// A process looks for instances without a claim so often and so many times first (karpenter-provider-aws v0.32.4 to
/// v1.14.1 pkg/controllers/nodeclaim/garbagecollection/controller.go `Reconcile`).
const FIRST_COLLECTIONS: (Duration, u32) = (Duration::from_secs(10), 20);
/// How old an instance without a claim must be to be terminated
/// (karpenter-provider-aws pkg/controllers/nodeclaim/garbagecollection).
const ORPHAN_AGE: Duration = Duration::from_secs(30);
/// How long ago a claim must have been launched to be collected (until v0.35).
const COLLECTED_AFTER: Duration = Duration::from_secs(10);
/// How long a CreateFleet call waits for others like it (karpenter-provider-aws pkg/batcher/createfleet.go).
const BATCH_IDLE: Duration = Duration::from_millis(35);

/// How Karpenter is installed.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// INTERRUPTION_QUEUE is set. Without, Karpenter hears of no interruption before the instance is gone.
    pub interruption_queue: bool,
    /// Seconds from an event of EC2 until Karpenter reads it from the queue: EventBridge, SQS, a long poll.
    /// An estimate.
    pub queue_delay: Distribution,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            interruption_queue: true,
            queue_delay: Distribution::Uniform { min: 0.5, max: 3.0 },
        }
    }
}

/// What the lifecycle sees.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// Nodes.
    pub api: &'a Api,
    /// NodeClaims.
    pub claims: &'a Table<NodeClaimId, NodeClaim>,
    /// The EC2NodeClass of each NodePool.
    pub classes: &'a Classes,
}

/// The lifecycle controller, and with it the provider.
#[derive(Debug)]
pub struct Lifecycle {
    profile: Profile,
    config: Config,
    catalog: Arc<Catalog>,
    provider: Provider,
    queue: Stream,
    /// Claims whose call is being made.
    calls: SortedMap<NodeClaimId, Call>,
    /// When a claim's worker is free again.
    busy: SortedMap<NodeClaimId, Instant>,
    /// When a claim is looked at next.
    requeue: SortedMap<NodeClaimId, Instant>,
    nodes: SortedMap<NodeClaimId, NodeId>,
    instances: SortedMap<InstanceId, NodeClaimId>,
    /// Claims whose instance is shutting down or gone.
    gone: SortedSet<NodeClaimId>,
    sweep: Option<Instant>,
    collection: Option<Instant>,
    /// When this process began: its collectors count from there.
    begun: Option<Instant>,
}

/// A CreateFleet call, and the instance types from which it was made.
#[derive(Debug)]
struct Call {
    request: Arc<FleetRequest>,
    types: InstanceTypes,
    class: Arc<NodeClass>,
}

impl Lifecycle {
    /// The controller of one release.
    #[must_use]
    pub fn new(profile: Profile, config: Config, provider: Provider, streams: &Streams) -> Self {
        Lifecycle {
            profile,
            config,
            catalog: provider.catalog().clone(),
            provider,
            queue: streams.stream("karpenter/interruption/queue", 0),
            calls: SortedMap::new(),
            busy: SortedMap::new(),
            requeue: SortedMap::new(),
            nodes: SortedMap::new(),
            instances: SortedMap::new(),
            gone: SortedSet::new(),
            sweep: None,
            collection: None,
            begun: None,
        }
    }

    /// The provider: instance types by pool, for the provisioner's and disruption's views.
    #[must_use]
    pub fn provider(&self) -> &Provider {
        &self.provider
    }

    /// Whether a CreateFleet call for a claim has not been answered yet: whoever finalizes a claim that is
    /// being deleted waits for it, since one worker does both.
    #[must_use]
    pub fn is_launching(&self, claim: NodeClaimId) -> bool {
        self.calls.contains_key(&claim)
    }

    /// Looks at a claim and does what is next (`Reconcile`).
    fn reconcile(&mut self, now: Instant, id: NodeClaimId, view: &View<'_>, out: &mut Out) {
        let Some(claim) = view.claims.get(id) else {
            self.forget(id);
            return;
        };
        if claim.deleting.is_some() || self.is_launching(id) {
            return;
        }
        if let Some(free) = self.busy.get(&id).copied().filter(|free| *free > now) {
            return self.look_again(now, id, free, out);
        }
        if !state::is_true(claim.conditions.launched) {
            if self.expire(now, id, claim, out) {
                return;
            }
            return self.launch(now, id, claim, view, out);
        }
        let node = self
            .nodes
            .get(&id)
            .and_then(|node| Some((*node, view.api.nodes.get(*node)?)));
        if !state::is_true(claim.conditions.registered) {
            match node {
                Some((node_id, node)) => {
                    let registration = conditions::registration(claim, node);
                    out.emit(Output::SetRegistered(id, node_id, Box::new(registration)));
                    if let Some(class) = view.classes.get(&claim.pool) {
                        self.provider
                            .discover(node.instance_type(), class, node.capacity.memory);
                    }
                    self.wrote(now, id, out);
                }
                None => {
                    self.expire(now, id, claim, out);
                }
            }
        } else if !state::is_true(claim.conditions.initialized)
            && let Some((node_id, node)) = node
            && conditions::pending(claim, node, &self.profile).is_none()
        {
            out.emit(Output::SetInitialized(id, node_id));
            self.wrote(now, id, out);
        }
    }

    /// The worker sleeps, and then looks again.
    fn wrote(&mut self, now: Instant, id: NodeClaimId, out: &mut Out) {
        let free = now + AFTER_WRITE;
        self.busy.insert(id, free);
        self.look_again(now, id, free, out);
    }

    /// Of two times the earlier counts; a later one is asked for again when it is found to be too early. One
    /// that has passed was missed while the controller did not run.
    fn look_again(&mut self, now: Instant, id: NodeClaimId, at: Instant, out: &mut Out) {
        if self
            .requeue
            .get(&id)
            .is_none_or(|known| at < *known || *known < now)
        {
            self.requeue.insert(id, at);
            out.wake_at(at, Input::Requeue(id));
        }
    }

    /// Deletes a claim that has had its time (`Liveness`). Its conditions are counted from its creation.
    fn expire(&mut self, now: Instant, id: NodeClaimId, claim: &NodeClaim, out: &mut Out) -> bool {
        let launched = state::is_true(claim.conditions.launched);
        let (timeout, reason) = match self.profile.launch_timeout {
            Some(timeout) if !launched => (timeout, Reason::LaunchTimeout),
            _ => (REGISTRATION_TIMEOUT, Reason::RegistrationTimeout),
        };
        let due = claim.created + timeout;
        if now < due {
            self.look_again(now, id, due, out);
            return false;
        }
        out.emit(Output::DeleteClaim(id, reason));
        true
    }

    /// Makes a call of a claim (`Launch`).
    fn launch(&mut self, now: Instant, id: NodeClaimId, claim: &NodeClaim, view: &View<'_>, out: &mut Out) {
        let class = view.classes.get(&claim.pool);
        let types = self.provider.of_pool(claim.pool);
        let request = class
            .zip(types)
            .ok_or(launch::InsufficientCapacity)
            .and_then(|(class, types)| {
                let request = launch::fleet_request(claim, types, class, &self.profile)?;
                Ok((request, types.clone(), class.clone()))
            });
        let Ok((request, of_pool, class)) = request else {
            return out.emit(Output::DeleteClaim(id, Reason::InsufficientCapacity));
        };
        let mut types: Vec<&str> = request.overrides.iter().map(|own| &*own.instance_type).collect();
        types.dedup();
        out.emit(Output::Publish(Event::Launching {
            claim: id,
            capacity_type: request.capacity_type,
            instance_types: types.len(),
            pools: request.overrides.len(),
        }));
        let call = Call {
            request: Arc::new(request),
            types: of_pool,
            class,
        };
        self.calls.insert(id, call);
        out.wake_at(now + BATCH_IDLE, Input::Call(id));
    }

    fn answered(
        &mut self,
        now: Instant,
        id: NodeClaimId,
        answer: FleetAnswer,
        view: &View<'_>,
        out: &mut Out,
    ) {
        let Some(Call {
            request,
            types,
            class,
        }) = self.calls.remove(&id)
        else {
            // A former process made the call.
            if let Some(launched) = answer.launched {
                self.orphan(now, launched.instance, now, out);
            }
            return;
        };
        self.mark(now, id, &request, &answer, out);
        let claim = view.claims.get(id);
        let Some(launched) = answer.launched else {
            if claim.is_some_and(|claim| claim.deleting.is_none()) {
                out.emit(Output::DeleteClaim(id, Reason::InsufficientCapacity));
            }
            return;
        };
        if let Some(reservation) = &launched.choice.reservation {
            self.provider.reserve(reservation.clone(), launched.instance);
        }
        let Some(claim) = claim else {
            return self.orphan(now, launched.instance, now, out);
        };
        self.instances.insert(launched.instance, id);
        // The pool may be gone by now, or changed.
        let made = types.iter().find(|own| own.name == launched.choice.instance_type);
        let zone = self
            .catalog
            .zones()
            .iter()
            .find(|zone| zone.name == launched.choice.zone);
        let zone = zone.map_or("", |zone| zone.id);
        let details = made.map(|made| launch::details(claim, made, &launched, zone, class));
        let details = details.expect("EC2 makes one of the types that it was asked for");
        out.emit(Output::SetLaunched(id, launched.instance, Box::new(details)));
        out.emit(Output::Publish(Event::Launched(id, launched)));
        self.wrote(now, id, out);
    }

    /// Remembers what EC2 refused. Used up reservations show in their counts.
    fn mark(
        &mut self,
        now: Instant,
        id: NodeClaimId,
        request: &FleetRequest,
        answer: &FleetAnswer,
        out: &mut Out,
    ) {
        let refused: Vec<(Offer, ErrorCode)> = answer
            .errors
            .iter()
            .map(|error| (provider::offer(request.capacity_type, &error.choice), error.code))
            .collect();
        if refused.is_empty() {
            return;
        }
        let lasting = refused
            .iter()
            .filter(|(_, code)| *code != ErrorCode::ReservationCapacityExceeded);
        self.mark_unavailable(now, lasting.map(|(offer, _)| offer.clone()).collect(), out);
        out.emit(Output::Publish(Event::Unavailable(id, refused)));
    }

    fn mark_unavailable(&mut self, now: Instant, offers: Vec<Offer>, out: &mut Out) {
        self.provider.mark_unavailable(now, offers);
        self.set_sweep(now, out);
    }

    /// One alarm is set at a time.
    fn set_sweep(&mut self, now: Instant, out: &mut Out) {
        if self.sweep.is_none_or(|due| due < now)
            && let Some(due) = self.provider.next_sweep()
        {
            let due = due.max(now);
            self.sweep = Some(due);
            out.wake_at(due, Input::Sweep);
        }
    }

    fn swept(&mut self, now: Instant, out: &mut Out) {
        if self.sweep != Some(now) {
            return;
        }
        self.sweep = None;
        let before = self.provider.unavailable().iter().count();
        self.provider.sweep(now);
        if self.provider.unavailable().iter().count() < before {
            out.emit(Output::Publish(Event::AvailableAgain));
        }
        self.set_sweep(now, out);
    }

    fn enqueue(&mut self, now: Instant, id: InstanceId, message: Message, out: &mut Out) {
        if self.config.interruption_queue {
            let delay = self.config.queue_delay.sample_duration(&mut self.queue);
            out.wake_at(now + delay, Input::Message(id, message));
        }
    }

    /// Acts on a message (`handleMessage`, `handleNodeClaim`).
    fn receive(&mut self, now: Instant, id: InstanceId, message: Message, view: &View<'_>, out: &mut Out) {
        let Some(claim_id) = self.instances.get(&id).copied() else {
            return;
        };
        let Some(claim) = view.claims.get(claim_id) else {
            return;
        };
        let label = |key: &str| claim.labels.get(key).map(|value| value.as_str().into());
        let offer = label(super::labels::INSTANCE_TYPE).zip(label(super::labels::ZONE));
        if message == Message::Interruption
            && let Some((instance_type, zone)) = offer
        {
            let offer = Offer {
                capacity_type: CapacityType::Spot,
                instance_type,
                zone,
            };
            self.mark_unavailable(now, vec![offer], out);
        }
        if claim.deleting.is_none() {
            out.emit(Output::Publish(Event::Received(claim_id, message)));
            let reason = match message {
                Message::Interruption => Reason::SpotInterrupted,
                Message::StateChange => Reason::InstanceTerminated,
            };
            out.emit(Output::DeleteClaim(claim_id, reason));
        }
    }

    /// The collector counts what is shutting down as gone
    /// (karpenter-provider-aws v1.14.1 pkg/cloudprovider/cloudprovider.go `instanceToNodeClaim`).
    fn instance_ends(&mut self, now: Instant, id: InstanceId, out: &mut Out) {
        if let Some(claim) = self.instances.get(&id) {
            self.gone.insert(*claim);
            self.set_collection(now, out);
        }
    }

    fn begun(&self) -> Instant {
        self.begun.unwrap_or(Instant::ZERO)
    }

    /// A process collects when it begins, and then periodically.
    fn set_collection(&mut self, now: Instant, out: &mut Out) {
        if self.collection.is_some_and(|known| known > now) {
            return;
        }
        let begun = self.begun();
        let due = match self.collection {
            None if now == begun => now,
            _ => next_beat(begun, now + Duration::from_nanos(1), GARBAGE_COLLECTION),
        };
        self.collection = Some(due);
        out.wake_at(due, Input::CollectGarbage);
    }

    /// Deletes claims whose instance is gone. Those that have not registered are left to the timeout, and those whose
    /// node says that it is ready stay; before v0.36 neither mattered, but no claim was collected in its first ten
    /// seconds (karpenter v1.14.1, v0.36.0 and v0.35.0 pkg/controllers/nodeclaim/garbagecollection/controller.go
    /// `Reconcile`).
    fn collect_garbage(&mut self, now: Instant, view: &View<'_>, out: &mut Out) {
        for id in std::mem::take(&mut self.gone) {
            let Some(claim) = view.claims.get(id).filter(|claim| claim.deleting.is_none()) else {
                continue;
            };
            let node = claim.node.and_then(|node| view.api.nodes.get(node));
            let stays = match self.profile.ready_nodes_live {
                true => !state::is_true(claim.conditions.registered) || node.is_some_and(|node| node.ready),
                false => claim
                    .conditions
                    .launched
                    .is_some_and(|own| now.since(own.since) <= COLLECTED_AFTER),
            };
            if stays {
                self.gone.insert(id);
            } else {
                out.emit(Output::DeleteClaim(id, Reason::GarbageCollected));
            }
        }
        if !self.gone.is_empty() {
            self.set_collection(now, out);
        }
    }

    /// Nobody knows of this instance, which was made at `made`: it is found and terminated when it is old enough.
    fn orphan(&self, now: Instant, instance: InstanceId, made: Instant, out: &mut Out) {
        let begun = self.begun();
        let old = (made + ORPHAN_AGE + Duration::from_nanos(1)).max(now);
        let (period, times) = FIRST_COLLECTIONS;
        let first = begun + period * times;
        let look = match next_beat(begun, old, period) {
            // Of the process that ran before the run began nobody knows when it began.
            _ if begun == Instant::ZERO => next_beat(begun, old, GARBAGE_COLLECTION),
            early if early <= first => early,
            _ => next_beat(first, old, GARBAGE_COLLECTION),
        };
        out.wake_at(look, Input::Orphan(instance));
    }

    fn node_changed(&mut self, now: Instant, id: NodeId, view: &View<'_>, out: &mut Out) {
        let node = view.api.nodes.get(id);
        let Some((claim, instance)) = node.and_then(|node| Some((node.claim?, node.instance))) else {
            return;
        };
        // A claim's node is the one with its provider ID (`NodeForNodeClaim`).
        if view
            .claims
            .get(claim)
            .is_some_and(|claim| claim.instance == instance)
        {
            self.nodes.insert(claim, id);
            self.reconcile(now, claim, view, out);
        }
    }

    /// Takes note of what there is.
    fn list(&mut self, view: &View<'_>) {
        self.provider.set_classes(view.classes);
        let of_claim = |(id, node): (NodeId, &Node)| {
            let claim = node.claim?;
            let own = view.claims.get(claim)?.instance == node.instance;
            own.then_some((claim, id))
        };
        self.nodes.extend(view.api.nodes.iter().filter_map(of_claim));
        let launched = view
            .claims
            .iter()
            .filter_map(|(id, claim)| Some((claim.instance?, id)));
        self.instances.extend(launched);
    }

    /// A new process learns what registered nodes have
    /// (karpenter-provider-aws v1.14 pkg/controllers/providers/instancetype/capacity/controller.go `Register`; the same
    /// since v1.1).
    fn learn(&mut self, view: &View<'_>) {
        for (id, node) in self.nodes.iter() {
            let claim = view.claims.get(*id);
            let claim = claim.filter(|claim| state::is_true(claim.conditions.registered));
            let class = claim.and_then(|claim| view.classes.get(&claim.pool));
            if let (Some(class), Some(node)) = (class, view.api.nodes.get(*node)) {
                self.provider
                    .discover(node.instance_type(), class, node.capacity.memory);
            }
        }
    }

    fn forget(&mut self, id: NodeClaimId) {
        self.busy.remove(&id);
        self.requeue.remove(&id);
        self.nodes.remove(&id);
        self.gone.remove(&id);
        self.instances.retain(|_, claim| *claim != id);
    }
}

/// The first of the times a period apart from `begun` on that is not before `at`.
fn next_beat(begun: Instant, at: Instant, period: Duration) -> Instant {
    let age = Instant::ZERO + at.since(begun);
    begun + age.round_up_to(period).since(Instant::ZERO)
}

type Out = Outbox<Input, Output>;

impl Component for Lifecycle {
    type Input = Input;
    type Output = Output;
    type View<'a> = View<'a>;

    fn handle(&mut self, now: Instant, input: Input, view: View<'_>, out: &mut Out) {
        let begins = self.begun.is_none();
        self.begun.get_or_insert(now);
        match input {
            Input::ClaimChanged(id) => self.reconcile(now, id, &view, out),
            Input::NodeChanged(id) => self.node_changed(now, id, &view, out),
            Input::PoolsChanged => {
                self.list(&view);
                if begins {
                    self.learn(&view);
                }
            }
            Input::FleetAnswered(id, answer) => self.answered(now, id, *answer, &view, out),
            Input::InterruptionNotice(id) => self.enqueue(now, id, Message::Interruption, out),
            Input::ShuttingDown(id) => {
                self.enqueue(now, id, Message::StateChange, out);
                self.instance_ends(now, id, out);
            }
            Input::InstanceGone(id) => {
                self.provider.release(id);
                self.instance_ends(now, id, out);
            }
            Input::Call(id) => {
                if let Some(call) = self.calls.get(&id) {
                    out.emit(Output::CreateFleet(id, call.request.clone()));
                }
            }
            Input::Requeue(id) => {
                if self.requeue.get(&id) == Some(&now) {
                    self.requeue.remove(&id);
                    self.reconcile(now, id, &view, out);
                }
            }
            Input::Message(id, message) => self.receive(now, id, message, &view, out),
            Input::Sweep => self.swept(now, out),
            Input::CollectGarbage => self.collect_garbage(now, &view, out),
            Input::Unclaimed(id, made) => self.orphan(now, id, made, out),
            Input::Orphan(id) => {
                let claims = &mut view.claims.iter();
                if !claims.any(|(_, claim)| claim.instance == Some(id)) {
                    out.emit(Output::TerminateInstance(id));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
