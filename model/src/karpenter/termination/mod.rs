//! Termination: what happens to a node between the deletion of its claim and the end of its machine
//! (karpenter v1.14 pkg/controllers/node/termination, pkg/controllers/nodeclaim/lifecycle/controller.go
//! `finalize`; v1.5.0 and v0.32.4 where they differ).
//!
//! A deleted NodeClaim deletes its Node; both stay until their finalizers are gone. The node is tainted and
//! drained: pods are evicted in four groups, less critical ones first, through the eviction API, which may say
//! no for the sake of a PodDisruptionBudget. Then the machine is terminated, and when it is gone the Node goes,
//! and with it the claim. A `terminationGracePeriod` puts an end to all patience.
//!
//! Left out: volumes. Nothing is attached, so nothing has to be detached.

mod drain;
mod eviction;

use std::time::Duration;

use sim::{Component, Instant, Outbox, SortedMap};

use self::eviction::Queue;
use super::labels;
use super::state::{ConditionType, NodeClaim, is_true};
use super::version::Profile;
use crate::api::{Api, Eviction, Node, may_evict};
use crate::id::{InstanceId, NodeClaimId, NodeId, PodId, Table};

pub use drain::{Step, forced_grace, group, is_waited_for, needs_force_delete, step};

/// How often a drain is looked at
/// (karpenter v1.14 pkg/controllers/node/termination/controller.go `awaitDrain`; the same since v0.32).
pub const DRAIN_PERIOD: Duration = Duration::from_secs(1);

/// How long the same drain is not told again (karpenter v1.14 pkg/events/recorder.go `defaultDedupeTimeout`).
const RETOLD: Duration = Duration::from_secs(120);

/// How often a machine that is going down is looked at (`awaitInstanceTermination`).
pub const MACHINE_PERIOD: Duration = Duration::from_secs(5);

/// What happens to the terminator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// A claim was changed or removed; only those that are being deleted matter.
    ClaimChanged(NodeClaimId),
    /// A node was changed or removed; only those that are being deleted matter.
    NodeChanged(NodeId),
    /// A claim's next look is due.
    Claim(NodeClaimId),
    /// A node's next look is due.
    Node(NodeId),
    /// A pod's turn to be evicted has come (from v1.6).
    Evict(PodId),
    /// The worker of the eviction queue looks for a pod to evict (until v1.5).
    Look,
}

/// What the terminator asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Give the node a deletion timestamp.
    DeleteNode(NodeId),
    /// Give the claim a deletion timestamp: its node was deleted by somebody else.
    DeleteNodeClaim(NodeClaimId),
    /// Give the node [`super::disruption::disrupted_taint`] and take it out of load balancers.
    TaintNode(NodeId),
    /// The eviction API has accepted: delete the pod, with its own grace period.
    EvictPod(PodId),
    /// Delete the pod with this grace period; one that is being deleted gets it if that is shorter.
    DeletePod(PodId, Duration),
    /// Set a condition of a claim to True or False, or take it away.
    SetCondition(NodeClaimId, ConditionType, Option<bool>),
    /// Call TerminateInstances for this machine.
    TerminateInstance(InstanceId),
    /// Take the finalizer off the Node: it is gone.
    RemoveNode(NodeId),
    /// Take the finalizer off the claim: it is gone.
    RemoveClaim(NodeClaimId),
    /// Tell whoever reads events.
    Publish(Event),
}

/// What the terminator tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// `FailedDraining`: pods are still on the node. Told when something about them changes, and now and then.
    Draining {
        /// The node.
        node: NodeId,
        /// How many pods the drain waits for.
        waiting: usize,
        /// Those of them that it may not evict, for the sake of their annotation.
        kept: Vec<PodId>,
    },
    /// `Evicted`: the pod was asked to go.
    Evicted(PodId),
    /// The eviction API said no: the named PodDisruptionBudget has nothing left.
    EvictionBlocked(PodId, String),
    /// The eviction API cannot say yes: several PodDisruptionBudgets select the pod.
    SeveralBudgets(PodId),
    /// `Disrupted` of a pod: the node's time is over, it gets this long.
    ForceDeleted(PodId, Duration),
    /// The node is drained.
    Drained(NodeId),
    /// The machine was asked to end.
    Terminating(InstanceId),
}

/// What EC2 says of a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Machine {
    /// It is starting or runs.
    Running,
    /// It is on its way down: `shutting-down`.
    ShuttingDown,
    /// There is none: `terminated`, or never heard of.
    Gone,
}

/// What the terminator sees.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// Pods, nodes and PodDisruptionBudgets.
    pub api: &'a Api,
    /// NodeClaims.
    pub claims: &'a Table<NodeClaimId, NodeClaim>,
    /// What the provider says of a machine.
    pub machine: &'a dyn Fn(InstanceId) -> Machine,
}

/// How long things take that upstream has no number for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// One call of the eviction API. Estimate.
    pub eviction_call: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            eviction_call: Duration::from_millis(5),
        }
    }
}

/// The terminator.
#[derive(Debug)]
pub struct Terminator {
    profile: Profile,
    config: Config,
    queue: Queue,
    nodes: SortedMap<NodeId, Going>,
    claims: SortedMap<NodeClaimId, Instant>,
}

/// A node that is being deleted.
#[derive(Debug)]
struct Going {
    claim: NodeClaimId,
    /// When its drain began.
    since: Instant,
    /// When it is looked at next.
    due: Option<Instant>,
    /// For how many pods the drain waited when it was told last, which of them may not be evicted, and when that was.
    told: Option<(usize, Vec<PodId>, Instant)>,
    drained: bool,
}

type Out = Outbox<Input, Output>;

impl Terminator {
    /// A terminator of one release.
    #[must_use]
    pub fn new(profile: Profile, config: Config) -> Self {
        Terminator {
            profile,
            config,
            queue: Queue::default(),
            nodes: SortedMap::new(),
            claims: SortedMap::new(),
        }
    }

    /// A claim that is being deleted takes its node and its machine with it
    /// (karpenter v1.14 pkg/controllers/nodeclaim/lifecycle/controller.go `finalize`; v0.32.4
    /// pkg/controllers/nodeclaim/termination/controller.go).
    fn finalize_claim(&mut self, now: Instant, id: NodeClaimId, view: &View<'_>, out: &mut Out) {
        let Some(claim) = view.claims.get(id).filter(|claim| claim.deleting.is_some()) else {
            self.claims.remove(&id);
            return;
        };
        let registered = is_true(claim.conditions.registered) || !self.profile.api_v1;
        if let Some((node_id, node)) = node_of(id, claim, view).filter(|_| registered) {
            if node.deleting.is_none() {
                out.emit(Output::DeleteNode(node_id));
            }
            return;
        }
        let gone = match claim.instance {
            None => true,
            Some(machine) => self.end(id, claim, machine, view, out),
        };
        if gone {
            self.claims.remove(&id);
            out.emit(Output::RemoveClaim(id));
        } else if self.claims.get(&id).is_none_or(|due| *due <= now) {
            self.claims.insert(id, now + MACHINE_PERIOD);
            out.wake_at(now + MACHINE_PERIOD, Input::Claim(id));
        }
    }

    /// Has a machine terminated, and says whether it need not be waited for.
    fn end(
        &mut self,
        id: NodeClaimId,
        claim: &NodeClaim,
        instance: InstanceId,
        view: &View<'_>,
        out: &mut Out,
    ) -> bool {
        let machine = (view.machine)(instance);
        if machine == Machine::Running {
            out.emit(Output::TerminateInstance(instance));
            out.emit(Output::Publish(Event::Terminating(instance)));
        }
        if self.profile.api_v1 && !is_true(claim.conditions.instance_terminating) {
            out.emit(Output::SetCondition(
                id,
                ConditionType::InstanceTerminating,
                Some(true),
            ));
        }
        machine == Machine::Gone || !self.profile.awaits_instance_gone
    }

    /// A node that is being deleted is tainted, drained, and ends with its machine
    /// (karpenter v1.14 pkg/controllers/node/termination/controller.go `finalize`).
    fn finalize_node(&mut self, now: Instant, id: NodeId, view: &View<'_>, out: &mut Out) {
        let Some(node) = view.api.nodes.get(id) else {
            // What the claim waited for.
            if let Some(going) = self.nodes.remove(&id) {
                self.finalize_claim(now, going.claim, view, out);
            }
            return;
        };
        let known = node
            .claim
            .and_then(|claim| Some((claim, view.claims.get(claim)?)));
        let Some((claim_id, claim)) = known.filter(|_| node.deleting.is_some()) else {
            return;
        };
        if claim.deleting.is_none() {
            out.emit(Output::DeleteNodeClaim(claim_id));
        }
        let known = self.nodes.contains_key(&id);
        let began = claim.conditions.drained.map_or(now, |drained| drained.since);
        // Even if it goes at once: its claim waits for that.
        let going = self.nodes.entry(id).or_insert(Going {
            claim: claim_id,
            since: began,
            due: None,
            told: None,
            drained: false,
        });
        let since = going.since;
        // A kubelet that says that it is ready was trusted more, later, than the provider.
        let lost = (!node.ready || !self.profile.ready_nodes_live) && is_gone(node, claim, view);
        if lost && self.profile.machine_checked_first {
            return out.emit(Output::RemoveNode(id));
        }
        if !known || !is_tainted(node, &self.profile) {
            out.emit(Output::TaintNode(id));
        }
        if self.profile.api_v1 && claim.conditions.drained.is_none() {
            out.emit(Output::SetCondition(
                claim_id,
                ConditionType::Drained,
                Some(false),
            ));
        }
        let deadline = deadline(claim, &self.profile);
        let step = self.drain(now, id, deadline, view, out);
        if step.waiting > 0 {
            if lost {
                return out.emit(Output::RemoveNode(id));
            }
            return self.look_again(now, id, DRAIN_PERIOD, out);
        }
        if now.since(since) < self.profile.minimum_drain {
            return self.look_again(now, id, DRAIN_PERIOD, out);
        }
        self.drained(id, claim_id, out);
        let gone = claim
            .instance
            .is_none_or(|machine| self.end(claim_id, claim, machine, view, out));
        if gone {
            out.emit(Output::RemoveNode(id));
        } else {
            self.look_again(now, id, MACHINE_PERIOD, out);
        }
    }

    /// Asks pods to go (`Drain`).
    fn drain(
        &mut self,
        now: Instant,
        id: NodeId,
        deadline: Option<Instant>,
        view: &View<'_>,
        out: &mut Out,
    ) -> Step {
        let bound = view.api.pods_on(id).iter();
        let pods = bound.filter_map(|pod| Some((*pod, view.api.pods.get(*pod)?)));
        let step = drain::step(pods, deadline, now, &self.profile);
        for (pod, grace) in &step.delete {
            out.emit(Output::DeletePod(*pod, *grace));
            out.emit(Output::Publish(Event::ForceDeleted(*pod, *grace)));
        }
        let parallel = self.profile.parallel_eviction;
        for pod in &step.evict {
            let due = if parallel {
                now + self.config.eviction_call
            } else {
                now
            };
            if let Some(due) = self.queue.add(*pod, due).filter(|_| parallel) {
                out.wake_at(due, Input::Evict(*pod));
            }
        }
        if let Some(at) = self.queue.look(now).filter(|_| !parallel) {
            out.wake_at(at, Input::Look);
        }
        let going = self.nodes.get_mut(&id).expect("a node that is drained is going");
        let (waiting, kept) = (step.waiting, &step.kept);
        let known = |(pods, stay, at): &(usize, Vec<PodId>, Instant)| {
            (pods, stay) == (&waiting, kept) && now.since(*at) < RETOLD
        };
        if waiting > 0 && !going.told.as_ref().is_some_and(known) {
            going.told = Some((waiting, kept.clone(), now));
            let (node, kept) = (id, kept.clone());
            out.emit(Output::Publish(Event::Draining { node, waiting, kept }));
        }
        step
    }

    fn drained(&mut self, id: NodeId, claim: NodeClaimId, out: &mut Out) {
        let going = self.nodes.get_mut(&id).expect("a node that was drained is going");
        if std::mem::replace(&mut going.drained, true) {
            return;
        }
        out.emit(Output::Publish(Event::Drained(id)));
        if self.profile.api_v1 {
            out.emit(Output::SetCondition(claim, ConditionType::Drained, Some(true)));
            out.emit(Output::SetCondition(
                claim,
                ConditionType::VolumesDetached,
                Some(true),
            ));
        }
    }

    /// An earlier look that is still due stays.
    fn look_again(&mut self, now: Instant, id: NodeId, after: Duration, out: &mut Out) {
        let going = self
            .nodes
            .get_mut(&id)
            .expect("a node that is looked at is going");
        if going.due.is_none_or(|due| due <= now || due > now + after) {
            going.due = Some(now + after);
            out.wake_at(now + after, Input::Node(id));
        }
    }

    /// Asks the eviction API for one pod (`Queue.Reconcile`), and says when to ask again. What the API answers is
    /// worked out here; it is as good as done when it says yes.
    fn evict(&mut self, now: Instant, id: PodId, view: &View<'_>, out: &mut Out) -> Option<Instant> {
        let Some(own) = view.api.pods.get(id) else {
            self.queue.remove(id);
            return None;
        };
        if !own.is_active() {
            self.queue.remove(id);
            return None;
        }
        let refusal = match may_evict(view.api, id) {
            Eviction::Allowed => {
                out.emit(Output::EvictPod(id));
                out.emit(Output::Publish(Event::Evicted(id)));
                self.queue.remove(id);
                return None;
            }
            Eviction::Blocked(pdb) => Event::EvictionBlocked(id, view.api.pdbs[pdb].name.clone()),
            Eviction::SeveralBudgets => Event::SeveralBudgets(id),
        };
        out.emit(Output::Publish(refusal));
        self.queue.refuse(now, id)
    }

    /// The one worker looks for something to do.
    fn look(&mut self, now: Instant, view: &View<'_>, out: &mut Out) {
        let call = self.queue.next(now).map(|pod| {
            self.evict(now, pod, view, out);
            self.config.eviction_call
        });
        if let Some(at) = self.queue.look_again(now, call) {
            out.wake_at(at, Input::Look);
        }
    }
}

fn node_of<'a>(id: NodeClaimId, claim: &NodeClaim, view: &View<'a>) -> Option<(NodeId, &'a Node)> {
    let named = claim
        .node
        .and_then(|node| Some((node, view.api.nodes.get(node)?)));
    named.or_else(|| view.api.nodes.iter().find(|(_, node)| node.claim == Some(id)))
}

fn is_gone(node: &Node, claim: &NodeClaim, view: &View<'_>) -> bool {
    let machine = node.instance.or(claim.instance);
    machine.is_none_or(|machine| (view.machine)(machine) == Machine::Gone)
}

fn is_tainted(node: &Node, profile: &Profile) -> bool {
    let (key, _) = labels::disrupted(profile);
    node.taints.iter().any(|taint| taint.key == key)
}

/// When a node's time is over (`nodeTerminationTime`).
fn deadline(claim: &NodeClaim, profile: &Profile) -> Option<Instant> {
    let period = claim
        .termination_grace_period
        .filter(|_| profile.termination_grace_period)?;
    Some(claim.deleting? + period)
}

impl Component for Terminator {
    type Input = Input;
    type Output = Output;
    type View<'a> = View<'a>;

    fn handle(&mut self, now: Instant, input: Input, view: View<'_>, out: &mut Out) {
        match input {
            Input::ClaimChanged(id) => self.finalize_claim(now, id, &view, out),
            Input::NodeChanged(id) => self.finalize_node(now, id, &view, out),
            Input::Claim(id) => {
                if self.claims.get(&id) == Some(&now) {
                    self.finalize_claim(now, id, &view, out);
                }
            }
            Input::Node(id) => {
                if self.nodes.get(&id).is_some_and(|going| going.due == Some(now)) {
                    self.finalize_node(now, id, &view, out);
                }
            }
            Input::Evict(id) => {
                if self.queue.is_turn(now, id)
                    && let Some(again) = self.evict(now, id, &view, out)
                {
                    out.wake_at(again, Input::Evict(id));
                }
            }
            Input::Look => {
                if self.queue.is_look(now) {
                    self.look(now, &view, out);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
