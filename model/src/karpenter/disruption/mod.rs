//! Disruption: taking away nodes that are empty, could be cheaper, or are not what they should be
//! (karpenter v1.14 pkg/controllers/disruption; v1.5.0 and v0.32.4 where they differ).
//!
//! Every ten seconds one loop looks at all nodes. Its methods have their turn one after the other until one
//! of them has something to do: delete what is empty, replace what has drifted, then pack the pods of many
//! nodes, and last of one node, onto the others or onto something cheaper. What consolidation proposes must
//! still be right after fifteen seconds, during which the loop does nothing else. A command then runs beside
//! the loop: its nodes are tainted, its replacements made, and when these are in working order the nodes'
//! claims are deleted, which is where [`super::termination`] takes over. In v0.32 the loop waits for all that.
//!
//! The search takes time, as passes of the provisioner do: it is computed on what is seen when it starts, and
//! the loop goes on when its time is over.
//!
//! Left out: repair of unhealthy nodes, static pools, buffers of spare capacity.

mod balanced;
#[cfg(test)]
mod bench;
mod blocking;
mod budget;
mod candidate;
mod command;
mod consolidation;
mod event;
mod memory;
#[cfg(test)]
mod random;
mod search;
mod simulate;
#[cfg(test)]
mod tests;
mod told;
mod validation;

use std::time::Duration;

use rand::seq::SliceRandom;
use sim::{Component, Instant, Outbox, Stream, Streams};

use self::blocking::Blocking;
use self::budget::Allowances;
use self::candidate::{Candidate, Refusal};
use self::command::{Commands, Plan};
use self::memory::Memory;
use self::search::{Remark, Search};
use self::simulate::{Scene, Solver};
use self::told::Told;
use super::labels;
pub use super::provisioner::View;
use super::scheduling::{Settings, Templates};
use super::state::{self, ConditionType, NodeClaim};
use super::version::{DriftGate, Profile};
use crate::api::{Taint, TaintEffect};
use crate::id::{NodeClaimId, NodeId, NodePoolId, PodId};

pub use crate::cron::{NotASchedule, Schedule};
pub use balanced::{SCORE_THRESHOLD, Totals, score};
pub use budget::allowed_disruptions;
pub use candidate::{eviction_cost, lifetime_remaining};
pub use consolidation::{SPOT_TO_SPOT_TYPES, worst_launch_price};
pub use event::{
    Abandoned, Blocked, CommandFailure, Decision, Event, Judged, Method, Reason, Score, Unconsolidatable,
};
pub use simulate::{Hindrance, Unplaced};

/// How long the loop sleeps after a pass that did nothing
/// (karpenter v1.14 pkg/controllers/disruption/controller.go `pollingPeriod`; the same since v0.32).
pub const POLLING_PERIOD: Duration = Duration::from_secs(10);

/// How long until the loop looks again when some claim has no machine yet (ditto).
pub const UNSYNCED: Duration = Duration::from_secs(1);

/// How long a proposed command must stand
/// (karpenter v1.14 pkg/controllers/disruption/consolidation.go `commandValidationDelay`; v1.5.0
/// `consolidationTTL`).
pub const VALIDATION_DELAY: Duration = Duration::from_secs(15);

/// What happens to the disruption controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// The loop's next pass is due. The first one is given from outside, when Karpenter starts.
    Poll,
    /// The time that a proposed command had to stand is over.
    Validate,
    /// The search or the second simulation is done.
    Done,
    /// A command that runs is to be looked at.
    Command(CommandId),
    /// A pod was made, changed or removed.
    PodChanged(PodId),
    /// A node was made, changed or removed.
    NodeChanged(NodeId),
    /// A NodeClaim was made, changed or removed.
    ClaimChanged(NodeClaimId),
    /// NodePools changed.
    PoolsChanged,
    /// Prices, or what the provider thinks is available, changed.
    OfferingsChanged,
    /// What every pass reads anew changed: PodDisruptionBudgets, DaemonSets, namespaces.
    ObjectsChanged,
}

/// A disruption command of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CommandId(pub u32);

/// What the disruption controller asks for.
#[derive(Debug, Clone)]
pub enum Output {
    /// Take a node out of scheduling: [`super::ClusterState::mark`].
    Mark(NodeClaimId),
    /// Put a node back: [`super::ClusterState::unmark`].
    Unmark(NodeClaimId),
    /// Keep a node from being disrupted until then: [`super::ClusterState::nominate`].
    Nominate(NodeClaimId, Instant),
    /// Give the node [`disrupted_taint`], unless it has it.
    Taint(NodeId),
    /// Take that taint away, if the node has it.
    Untaint(NodeId),
    /// Set a condition of a claim to True or False, or take it away.
    SetCondition(NodeClaimId, ConditionType, Option<bool>),
    /// Create this NodeClaim. It replaces nodes of that command.
    CreateNodeClaim(Box<NodeClaim>, CommandId),
    /// Delete this NodeClaim for that reason.
    DeleteNodeClaim(NodeClaimId, Reason),
    /// Tell whoever reads events.
    Publish(Event),
}

/// The taint that nodes get before they go.
#[must_use]
pub fn disrupted_taint(profile: &Profile) -> Taint {
    let (key, value) = labels::disrupted(profile);
    Taint {
        key: key.to_owned(),
        value: value.to_owned(),
        effect: TaintEffect::NoSchedule,
    }
}

/// What an operator can set, and what a run adds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// The feature gate SpotToSpotConsolidation (default false; from v0.34).
    pub spot_to_spot: bool,
    /// The feature gate Drift: [`DriftGate`].
    pub drift: bool,
    /// What time it is, in seconds since 1970 UTC, when the run begins: budgets have schedules.
    pub epoch: i64,
}

impl Config {
    /// What a release does if nothing is set, in a run that begins at `epoch`.
    #[must_use]
    pub fn of(profile: &Profile, epoch: i64) -> Self {
        Config {
            spot_to_spot: false,
            drift: profile.drift != DriftGate::Off,
            epoch,
        }
    }
}

/// The disruption controller.
#[derive(Debug)]
pub struct Disruption {
    profile: Profile,
    settings: Settings,
    config: Config,
    solver: Solver,
    /// Decides between candidates, and between pools, that are equal.
    order: Stream,
    names: Stream,
    memory: Memory,
    /// Pools that the last search for one node did not reach.
    unseen: Vec<NodePoolId>,
    commands: Commands,
    phase: Phase,
    told: Told,
    /// Until then a pass would do nothing, unless something changes.
    quiet: Option<Instant>,
}

/// What the loop is at.
#[derive(Debug)]
enum Phase {
    /// The next pass is due then; not known before the first.
    Asleep(Option<Instant>),
    /// A command has to stand until then; the next method has its turn if it does not.
    Standing(Box<Plan>, usize, Instant),
    /// A command that needs no proof, or has been simulated a second time, is acted upon then.
    Deciding(Box<Plan>, usize, Instant),
    /// The loop waits for its command (v0.32).
    Blocked(Box<Blocking>),
}

type Out = Outbox<Input, Output>;

/// The methods in the order of their turns
/// (karpenter v1.14 pkg/controllers/disruption/controller.go `NewMethods`).
fn methods(profile: &Profile) -> &'static [Method] {
    use Method::{Drift, Emptiness, EmptyNode, Expiration, MultiNode, SingleNode};
    if !profile.api_v1 {
        &[Expiration, Drift, Emptiness, EmptyNode, MultiNode, SingleNode]
    } else if profile.emptiness_first {
        &[Emptiness, Drift, MultiNode, SingleNode]
    } else {
        &[Drift, Emptiness, MultiNode, SingleNode]
    }
}

impl Disruption {
    /// A disruption controller of one release.
    #[must_use]
    pub fn new(profile: Profile, settings: Settings, config: Config, streams: &Streams) -> Self {
        Disruption {
            profile,
            settings,
            config,
            solver: Solver {
                templates: Templates::new(),
                chance: streams.stream("karpenter/disruption/topology", 0),
            },
            order: streams.stream("karpenter/disruption/order", 0),
            names: streams.stream("karpenter/disruption/claim-name", 0),
            memory: Memory::default(),
            unseen: Vec::new(),
            commands: Commands::default(),
            phase: Phase::Asleep(None),
            told: Told::default(),
            quiet: None,
        }
    }

    fn sleep(&mut self, until: Instant, out: &mut Out) {
        self.phase = Phase::Asleep(Some(until));
        out.wake_at(until, Input::Poll);
    }

    /// A pass begins (`Controller.Reconcile`).
    fn poll(&mut self, now: Instant, view: &View<'_>, out: &mut Out) {
        // Without claims there are no candidates, and nothing to clean up.
        if view.claims.is_empty() || self.quiet.is_some_and(|until| now < until) {
            return self.sleep(now + POLLING_PERIOD, out);
        }
        if !state::is_synced(view.claims) {
            return self.sleep(now + UNSYNCED, out);
        }
        self.run(now, 0, view, out);
    }

    /// Gives the methods from `first` on their turns, until one has something to do.
    fn run(&mut self, now: Instant, first: usize, view: &View<'_>, out: &mut Out) {
        let snapshot = view.snapshot();
        let (profile, settings) = (self.profile, self.settings);
        let scene = Scene::new(now, &profile, &settings, view, &snapshot);
        if first == 0 {
            self.clean(&scene, out);
        }
        let all = self.candidates(&scene, out);
        let mut pass = Pass::default();
        for (at, method) in methods(&profile).iter().copied().enumerate().skip(first) {
            if let Some(plan) = self.turn(method, &scene, &all, &mut pass, out) {
                self.quiet = None;
                let seen = now + pass.elapsed;
                return self.propose(plan, at + 1, seen, now, view, out);
            }
        }
        self.sleep(now + pass.elapsed + POLLING_PERIOD, out);
        let idle = first == 0 && pass.elapsed.is_zero() && !pass.constrained;
        self.quiet = idle.then(|| self.quiet_until(&scene, &all)).flatten();
    }

    /// Lets one method search.
    fn turn(
        &mut self,
        method: Method,
        scene: &Scene<'_>,
        all: &[Candidate<'_>],
        pass: &mut Pass,
        out: &mut Out,
    ) -> Option<Box<Plan>> {
        let now = scene.now;
        if method == Method::Drift && !self.config.drift {
            return None;
        }
        let suited = self.suited(method, scene, all, out);
        if suited.is_empty() {
            return None;
        }
        let memorable = match method {
            Method::Expiration | Method::Drift => false,
            Method::Emptiness => self.profile.consolidatable,
            Method::EmptyNode | Method::MultiNode | Method::SingleNode => true,
        };
        let budgets = self.budgets(method.reason(), scene, out);
        if memorable && self.memory.is_consolidated(method, now) {
            return None;
        }
        let mut search = Search {
            scene,
            budgets,
            spot_to_spot: self.config.spot_to_spot,
            solver: &mut self.solver,
            chance: &mut self.order,
            unseen: &mut self.unseen,
            elapsed: Duration::ZERO,
            constrained: false,
            timed_out: false,
            remarks: Vec::new(),
        };
        let found = search.run(method, suited);
        let (elapsed, constrained) = (search.elapsed, search.constrained);
        let forgettable = constrained || search.timed_out;
        let remarks = search.remarks;
        pass.elapsed += elapsed;
        pass.constrained |= constrained;
        for remark in remarks {
            match remark {
                Remark::Blocked(claim, why) => self.told.blocked(now, claim, why, out),
                Remark::Unconsolidatable(claim, why) => self.told.unconsolidatable(now, claim, why, out),
                Remark::TimedOut(after) => out.emit(Output::Publish(Event::TimedOut(method, after))),
                Remark::Scored(judged) => out.emit(Output::Publish(Event::Scored(judged))),
            }
        }
        let Some(found) = found else {
            if memorable && !forgettable {
                self.memory.mark(method, now + pass.elapsed);
            }
            return None;
        };
        Some(Box::new(self.commands.plan(method, found)))
    }

    /// All nodes that can be candidates at all, in an order of chance.
    fn candidates<'a>(&mut self, scene: &Scene<'a>, out: &mut Out) -> Vec<Candidate<'a>> {
        let mut candidates = Vec::new();
        for state in &scene.snapshot.nodes {
            let Some(claim) = state.claim_id().filter(|claim| !self.commands.holds(*claim)) else {
                continue;
            };
            match Candidate::new(state, &scene.limits, scene.view, scene.now, scene.profile) {
                // Static pools are left out.
                Ok(candidate) if candidate.pool.replicas.is_some() => {}
                Ok(candidate) => candidates.push(candidate),
                Err(why) => self.told.blocked(scene.now, claim, why, out),
            }
        }
        candidates.shuffle(&mut self.order);
        candidates
    }

    /// Those that a method may take.
    fn suited<'c, 'a>(
        &mut self,
        method: Method,
        scene: &Scene<'_>,
        all: &'c [Candidate<'a>],
        out: &mut Out,
    ) -> Vec<&'c Candidate<'a>> {
        let mut suited = Vec::new();
        for candidate in all {
            match candidate.suits(method, scene.now) {
                Ok(()) => suited.push(candidate),
                Err(None) => {}
                Err(Some(Refusal::Blocked(why))) => {
                    self.told.blocked(scene.now, candidate.claim_id, why, out);
                }
                Err(Some(Refusal::Unconsolidatable(why))) => {
                    self.told
                        .unconsolidatable(scene.now, candidate.claim_id, why, out);
                }
            }
        }
        suited
    }

    fn budgets(&mut self, reason: Reason, scene: &Scene<'_>, out: &mut Out) -> Allowances {
        let seconds = budget::seconds(self.config.epoch, scene.now);
        let pools = scene.view.pools;
        let allowances = Allowances::new(pools, scene.snapshot, reason, seconds, &self.profile);
        for pool in &allowances.closed {
            self.told.no_budget(scene.now, *pool, reason, out);
        }
        allowances
    }

    /// What a pass does with what it found: let it stand, or act upon it when the search is over.
    fn propose(
        &mut self,
        plan: Box<Plan>,
        next: usize,
        seen: Instant,
        now: Instant,
        view: &View<'_>,
        out: &mut Out,
    ) {
        let stands = match plan.method {
            Method::Expiration | Method::Drift => false,
            Method::Emptiness => self.profile.consolidatable,
            Method::EmptyNode | Method::MultiNode | Method::SingleNode => true,
        };
        if stands {
            out.emit(Output::Publish(Event::Proposed(plan.decision())));
            let due = seen + VALIDATION_DELAY;
            self.phase = Phase::Standing(plan, next, due);
            out.wake_at(due, Input::Validate);
        } else if seen > now {
            self.phase = Phase::Deciding(plan, next, seen);
            out.wake_at(seen, Input::Done);
        } else {
            self.start(now, *plan, view, out);
        }
    }

    /// Takes taints and conditions off nodes that no command holds (any more).
    fn clean(&mut self, scene: &Scene<'_>, out: &mut Out) {
        let taint = disrupted_taint(&self.profile);
        for state in &scene.snapshot.nodes {
            let (Some((claim_id, claim)), Some((node_id, node))) = (state.claim, state.node) else {
                continue;
            };
            let going = if self.profile.parallel_commands {
                state.marked_for_deletion()
            } else {
                claim.deleting.is_some() || node.deleting.is_some()
            };
            if going || self.commands.holds(claim_id) {
                continue;
            }
            if node.taints.iter().any(|own| own.key == taint.key) {
                out.emit(Output::Untaint(node_id));
            }
            if claim.conditions.disruption_reason.is_some() {
                out.emit(Output::SetCondition(
                    claim_id,
                    ConditionType::DisruptionReason,
                    None,
                ));
            }
        }
    }

    /// The first moment at which a pass that did nothing may do something although nothing changes; `None` if
    /// that cannot be told.
    fn quiet_until(&self, scene: &Scene<'_>, all: &[Candidate<'_>]) -> Option<Instant> {
        let now = scene.now;
        // If it is over already, no method had a candidate and so none asked.
        let believed = self.memory.believed_until();
        let mut until = if believed > now {
            believed
        } else {
            now + memory::BELIEF
        };
        let nominated = scene.snapshot.nodes.iter().map(|state| state.nominated_until);
        let ripe = all.iter().filter_map(Candidate::ripe_at);
        for at in nominated.chain(ripe).filter(|at| *at > now) {
            until = until.min(at);
        }
        // An annotation may protect a pod for a while.
        let timed = |candidate: &Candidate<'_>| {
            self.profile.do_not_disrupt_duration
                && matches!(candidate.blocked, Some(Blocked::DoNotDisruptPod(_)))
        };
        (!all.iter().any(timed)).then_some(until)
    }
}

/// What a pass has come to so far.
#[derive(Debug, Default)]
struct Pass {
    elapsed: Duration,
    constrained: bool,
}

impl Component for Disruption {
    type Input = Input;
    type Output = Output;
    type View<'a> = View<'a>;

    fn handle(&mut self, now: Instant, input: Input, view: View<'_>, out: &mut Out) {
        match input {
            Input::Poll => {
                if matches!(self.phase, Phase::Asleep(due) if due.is_none_or(|due| due == now)) {
                    self.poll(now, &view, out);
                }
                return;
            }
            Input::Validate => {
                if matches!(self.phase, Phase::Standing(_, _, due) if due == now) {
                    self.validate(now, &view, out);
                }
            }
            Input::Done => {
                if matches!(self.phase, Phase::Deciding(_, _, due) if due == now) {
                    self.decide(now, &view, out);
                }
            }
            Input::Command(id) => self.attend(now, id, &view, out),
            Input::PodChanged(id) => self.memory.pod_changed(now, id, &view),
            Input::NodeChanged(id) => self.memory.node_changed(now, id, &view),
            Input::ClaimChanged(id) => {
                self.memory.claim_changed(now, id, &view);
                if view.claims.get(id).is_none() {
                    self.told.forget(id);
                }
            }
            Input::PoolsChanged => self.memory.change(now),
            // Upstream's memory counts neither as a change; the next pass sees them all the same.
            Input::OfferingsChanged | Input::ObjectsChanged => {}
        }
        self.quiet = None;
    }
}
