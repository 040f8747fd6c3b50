//! Commands that run beside the loop: replacements are made, then the nodes go
//! (karpenter v1.14 pkg/controllers/disruption/queue.go; v1.5.0 pkg/controllers/disruption/orchestration/queue.go,
//! pkg/controllers/disruption/controller.go `executeCommand`).

use std::time::Duration;

use sim::{Instant, SortedMap};

use super::blocking::Blocking;
use super::event::{CommandFailure, Decision, Event, Method, Reason};
use super::search::Found;
use super::{CommandId, Disruption, Input, Out, Output, Phase, View, balanced};
use crate::id::{NodeClaimId, NodeId, NodePoolId};
use crate::karpenter::provisioner::usage;
use crate::karpenter::scheduling::generate_name;
use crate::karpenter::state::{ConditionType, NodeClaim, is_true};
use crate::karpenter::version::Replacement as Order;

/// How long until a command is looked at again (`queueBaseDelay`); until v1.5 it doubles each time.
pub(crate) const COMMAND_RETRY: Duration = Duration::from_secs(1);
/// The longest such wait (`queueMaxDelay`).
pub(crate) const COMMAND_RETRY_MOST: Duration = Duration::from_secs(10);
/// How long a command may take (`minRetryDuration`; until v1.6 `maxRetryDuration`).
pub(crate) const COMMAND_TIMEOUT: Duration = Duration::from_secs(600);
/// From v1.7 on it may take longer while commands hold many nodes: so long for each
/// (`retryDurationScale`).
pub(crate) const COMMAND_TIMEOUT_PER_NODE: Duration = Duration::from_millis(80);
/// But no longer than that (`maxRetryDuration`).
pub(crate) const COMMAND_TIMEOUT_MOST: Duration = Duration::from_secs(3600);
/// Until v1.5, how long a replacement may be missing before it is thought gone.
pub(crate) const REPLACEMENT_MISSING: Duration = Duration::from_secs(5);

/// What is to be done.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) id: CommandId,
    pub(crate) method: Method,
    pub(crate) found: Found,
}

impl Plan {
    pub(crate) fn decision(&self) -> Decision {
        Decision {
            command: self.id,
            method: self.method,
            candidates: self.found.candidates.clone(),
            price: self.found.price,
            replacements: balanced::type_names(&self.found.replacements),
            replacement_price: balanced::replacement_price(&self.found.replacements),
        }
    }
}

/// A claim that a command waits for.
#[derive(Debug)]
pub(crate) struct Replacement {
    name: String,
    claim: Option<NodeClaimId>,
    initialized: bool,
}

/// How a replacement is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    Ready,
    Coming,
    /// It is not there, whether not yet or not any more.
    Missing,
    /// It was there.
    Gone,
}

impl Replacement {
    pub(crate) fn new(name: String) -> Self {
        Replacement {
            name,
            claim: None,
            initialized: false,
        }
    }

    /// Looks; once it is ready it counts as ready.
    pub(crate) fn look(&mut self, view: &View<'_>) -> Progress {
        if self.initialized {
            return Progress::Ready;
        }
        let mut claims = view.claims.iter();
        let known = self.claim.is_some();
        self.claim = self.claim.or_else(|| {
            claims
                .find(|(_, claim)| claim.name == self.name)
                .map(|(id, _)| id)
        });
        match self.claim.and_then(|id| view.claims.get(id)) {
            None if known => Progress::Gone,
            None => Progress::Missing,
            Some(claim) => {
                self.initialized = is_true(claim.conditions.initialized);
                if self.initialized {
                    Progress::Ready
                } else {
                    Progress::Coming
                }
            }
        }
    }
}

/// A command that runs.
#[derive(Debug)]
struct Running {
    reason: Reason,
    candidates: Vec<(NodeClaimId, Option<NodeId>)>,
    replacements: Vec<Replacement>,
    started: Instant,
    /// How often it has been looked at in vain.
    retries: u32,
    due: Instant,
}

/// All commands that run.
#[derive(Debug, Default)]
pub(crate) struct Commands {
    next: u32,
    running: SortedMap<CommandId, Running>,
}

impl Commands {
    /// What was found, as a command with an id.
    pub(crate) fn plan(&mut self, method: Method, found: Found) -> Plan {
        let id = CommandId(self.next);
        self.next += 1;
        Plan { id, method, found }
    }

    /// Whether a command holds a node (`HasAny`).
    pub(crate) fn holds(&self, claim: NodeClaimId) -> bool {
        let candidates = |running: &Running| running.candidates.iter().any(|(own, _)| *own == claim);
        self.running.values().any(candidates)
    }

    fn timeout(&self, scales: bool) -> Duration {
        let nodes: usize = self
            .running
            .values()
            .map(|running| running.candidates.len())
            .sum();
        let scaled = COMMAND_TIMEOUT_PER_NODE.saturating_mul(u32::try_from(nodes).unwrap_or(u32::MAX));
        if scales {
            scaled.clamp(COMMAND_TIMEOUT, COMMAND_TIMEOUT_MOST)
        } else {
            COMMAND_TIMEOUT
        }
    }
}

impl Disruption {
    /// Begins a command (`StartCommand`; until v1.5 `executeCommand`), and goes on with the next pass at once.
    pub(super) fn start(&mut self, now: Instant, plan: Plan, view: &View<'_>, out: &mut Out) {
        out.emit(Output::Publish(Event::Started(plan.decision())));
        let node = |id: &NodeClaimId| (*id, view.claims.get(*id).and_then(|claim| claim.node));
        let candidates: Vec<(NodeClaimId, Option<NodeId>)> = plan.found.candidates.iter().map(node).collect();
        let claims = self.replacements(now, &plan, view);
        if !self.profile.disruption_queue {
            return self.block(now, plan, candidates, claims, out);
        }
        self.taint(&candidates, out);
        let claims = match claims {
            Ok(claims) => claims,
            Err(pool) => {
                self.restore(&candidates, out);
                return self.fail(now, plan.id, CommandFailure::LimitExceeded(pool), out);
            }
        };
        if self.profile.replacement == Order::MarkThenCreate {
            self.mark(&candidates, out);
        }
        let replacements = self.create(claims, plan.id, out);
        if self.profile.replacement == Order::CreateThenMark {
            self.mark(&candidates, out);
        }
        for target in &plan.found.targets {
            out.emit(Output::Nominate(*target, now + self.settings.nomination_window()));
        }
        let due = if self.profile.parallel_commands {
            now
        } else {
            now.round_up_to(COMMAND_RETRY)
        };
        let running = Running {
            reason: plan.method.reason(),
            candidates,
            replacements,
            started: now,
            retries: 0,
            due,
        };
        self.commands.running.insert(plan.id, running);
        out.wake_at(due, Input::Command(plan.id));
        self.sleep(now, out);
    }

    /// The claims to create; or the pool that has grown above its limits meanwhile (`CreateNodeClaims`).
    fn replacements(
        &mut self,
        now: Instant,
        plan: &Plan,
        view: &View<'_>,
    ) -> Result<Vec<NodeClaim>, NodePoolId> {
        if plan.found.replacements.is_empty() {
            return Ok(Vec::new());
        }
        let mut snapshot = view.snapshot();
        // Nodes that are marked by then do not count any more.
        if self.profile.replacement == Order::MarkThenCreate && self.profile.limits_from_memory {
            let goes = |id| plan.found.candidates.contains(&id);
            snapshot.nodes.retain(|state| !state.claim_id().is_some_and(goes));
        }
        let used = usage(&snapshot);
        let mut claims = Vec::new();
        for claim in &plan.found.replacements {
            let pool = view.pools.get(claim.pool).ok_or(claim.pool)?;
            let left = used
                .get(&claim.pool)
                .map(|(capacity, nodes)| pool.limits.less(capacity, *nodes));
            if left.is_some_and(|left| left.exceeded().is_some()) {
                return Err(claim.pool);
            }
            let name = generate_name(&format!("{}-", pool.name), &mut self.names);
            claims.push(claim.object(pool, name, now, &self.profile));
        }
        Ok(claims)
    }

    pub(super) fn create(
        &mut self,
        claims: Vec<NodeClaim>,
        id: CommandId,
        out: &mut Out,
    ) -> Vec<Replacement> {
        let mut replacements = Vec::new();
        for claim in claims {
            replacements.push(Replacement::new(claim.name.clone()));
            out.emit(Output::CreateNodeClaim(Box::new(claim), id));
        }
        replacements
    }

    pub(super) fn taint(&mut self, candidates: &[(NodeClaimId, Option<NodeId>)], out: &mut Out) {
        for (claim, node) in candidates {
            if let Some(node) = node {
                out.emit(Output::Taint(*node));
            }
            if self.profile.api_v1 {
                out.emit(Output::SetCondition(
                    *claim,
                    ConditionType::DisruptionReason,
                    Some(true),
                ));
            }
        }
    }

    pub(super) fn mark(&mut self, candidates: &[(NodeClaimId, Option<NodeId>)], out: &mut Out) {
        for (claim, _) in candidates {
            self.memory.marked(*claim, true);
            out.emit(Output::Mark(*claim));
        }
    }

    pub(super) fn unmark(&mut self, candidates: &[(NodeClaimId, Option<NodeId>)], out: &mut Out) {
        for (claim, _) in candidates {
            self.memory.marked(*claim, false);
            out.emit(Output::Unmark(*claim));
        }
    }

    /// Takes back taints and conditions.
    pub(super) fn restore(&mut self, candidates: &[(NodeClaimId, Option<NodeId>)], out: &mut Out) {
        for (claim, node) in candidates {
            if let Some(node) = node {
                out.emit(Output::Untaint(*node));
            }
            if self.profile.api_v1 {
                out.emit(Output::SetCondition(
                    *claim,
                    ConditionType::DisruptionReason,
                    None,
                ));
            }
        }
    }

    /// A command did not even begin; the loop tries again at once.
    pub(super) fn fail(&mut self, now: Instant, id: CommandId, why: CommandFailure, out: &mut Out) {
        /// The first delay of controller-runtime's back-off.
        const ERROR_RETRY: Duration = Duration::from_millis(5);
        out.emit(Output::Publish(Event::Failed(id, why)));
        self.sleep(now + ERROR_RETRY, out);
    }

    /// A command's next look is due (`Queue.Reconcile`).
    pub(super) fn attend(&mut self, now: Instant, id: CommandId, view: &View<'_>, out: &mut Out) {
        if let Phase::Blocked(blocking) = &self.phase {
            if blocking.is_due(now, id) {
                self.unblock(now, view, out);
            }
            return;
        }
        let timeout = self.commands.timeout(self.profile.command_timeout_scales);
        let Some(running) = self
            .commands
            .running
            .get_mut(&id)
            .filter(|running| running.due == now)
        else {
            return;
        };
        let late = now.since(running.started) > timeout;
        let progress: Vec<Progress> = running
            .replacements
            .iter_mut()
            .map(|own| own.look(view))
            .collect();
        // Later releases know at once that a claim was deleted; before, it may just not be seen yet.
        let doubtful = now.since(running.started) <= REPLACEMENT_MISSING;
        let gone = progress.iter().any(|progress| match progress {
            Progress::Gone => self.profile.parallel_commands || !doubtful,
            Progress::Missing => !self.profile.parallel_commands && !doubtful,
            Progress::Ready | Progress::Coming => false,
        });
        let ready = progress.iter().all(|progress| *progress == Progress::Ready);
        if late && !(ready && self.profile.parallel_commands) {
            self.give_up(id, CommandFailure::TimedOut, out);
        } else if gone {
            self.give_up(id, CommandFailure::ReplacementGone, out);
        } else if ready {
            self.finish(id, out);
        } else {
            let delay = if self.profile.parallel_commands {
                COMMAND_RETRY
            } else {
                COMMAND_RETRY
                    .saturating_mul(1 << running.retries.min(10))
                    .min(COMMAND_RETRY_MOST)
            };
            running.retries += 1;
            running.due = (now + delay).round_up_to(COMMAND_RETRY);
            if self.profile.parallel_commands {
                running.due = now + delay;
            }
            out.wake_at(running.due, Input::Command(id));
        }
    }

    /// Everything is there: the nodes go.
    fn finish(&mut self, id: CommandId, out: &mut Out) {
        let running = self
            .commands
            .running
            .remove(&id)
            .expect("a command that is done runs");
        out.emit(Output::Publish(Event::Terminating(id)));
        for (claim, _) in &running.candidates {
            out.emit(Output::DeleteNodeClaim(*claim, running.reason));
        }
        // Until v1.5 the mark was taken back whatever came of a command; the deletion marks as well.
        if !self.profile.parallel_commands {
            self.unmark(&running.candidates, out);
        }
    }

    fn give_up(&mut self, id: CommandId, why: CommandFailure, out: &mut Out) {
        let running = self
            .commands
            .running
            .remove(&id)
            .expect("a command that fails runs");
        self.restore(&running.candidates, out);
        self.unmark(&running.candidates, out);
        out.emit(Output::Publish(Event::Failed(id, why)));
    }

    fn block(
        &mut self,
        now: Instant,
        plan: Plan,
        candidates: Vec<(NodeClaimId, Option<NodeId>)>,
        claims: Result<Vec<NodeClaim>, NodePoolId>,
        out: &mut Out,
    ) {
        match claims {
            Err(pool) => self.fail(now, plan.id, CommandFailure::LimitExceeded(pool), out),
            Ok(claims) if claims.is_empty() => {
                let blocking = Blocking::deleting(plan.id, plan.method.reason(), candidates, now);
                self.delete(now, blocking, out);
            }
            Ok(claims) => {
                self.taint(&candidates, out);
                let replacements = self.create(claims, plan.id, out);
                self.mark(&candidates, out);
                let reason = plan.method.reason();
                let blocking = Blocking::launching(plan.id, reason, candidates, replacements, now);
                self.phase = Phase::Blocked(Box::new(blocking));
                out.wake_at(now, Input::Command(plan.id));
            }
        }
    }
}
