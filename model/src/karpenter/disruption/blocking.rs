//! Commands that the loop waits for, as it did in v0.32
//! (karpenter v0.32.4 pkg/controllers/disruption/controller.go `executeCommand`,
//! `launchReplacementNodeClaims`, `waitForReadiness`, `waitForDeletion`).
//!
//! The loop looks again after 2, 4 and 8 seconds, then every ten, sixty times in all: nine and a half minutes
//! for the replacements to be in working order, and as long again for each node to be gone.

use std::time::Duration;

use sim::Instant;

use super::command::{Progress, REPLACEMENT_MISSING, Replacement};
use super::event::{CommandFailure, Event, Reason};
use super::{CommandId, Disruption, Input, Out, Output, Phase, View};
use crate::id::{NodeClaimId, NodeId};

/// How often the loop looks (`waitRetryOptions`).
pub(crate) const ATTEMPTS: u32 = 60;

/// How long it waits after a look in vain, the first being number 0. Upstream adds up to 100 ms of chance.
fn delay(attempt: u32) -> Duration {
    Duration::from_secs(2 << attempt.min(4)).min(Duration::from_secs(10))
}

/// The command that the loop waits for.
#[derive(Debug)]
pub(super) struct Blocking {
    id: CommandId,
    reason: Reason,
    candidates: Vec<(NodeClaimId, Option<NodeId>)>,
    stage: Stage,
    since: Instant,
    attempt: u32,
    due: Instant,
}

#[derive(Debug)]
enum Stage {
    /// Replacements start; of those that will not, one more is known each time.
    Launching(Vec<Replacement>, usize),
    /// The candidate of that number is waited for.
    Deleting(usize),
}

impl Blocking {
    pub(super) fn launching(
        id: CommandId,
        reason: Reason,
        candidates: Vec<(NodeClaimId, Option<NodeId>)>,
        replacements: Vec<Replacement>,
        now: Instant,
    ) -> Self {
        Blocking {
            id,
            reason,
            candidates,
            stage: Stage::Launching(replacements, 0),
            since: now,
            attempt: 0,
            due: now,
        }
    }

    pub(super) fn deleting(
        id: CommandId,
        reason: Reason,
        candidates: Vec<(NodeClaimId, Option<NodeId>)>,
        now: Instant,
    ) -> Self {
        Blocking {
            stage: Stage::Deleting(0),
            ..Blocking::launching(id, reason, candidates, Vec::new(), now)
        }
    }

    pub(super) fn is_due(&self, now: Instant, id: CommandId) -> bool {
        self.id == id && self.due == now
    }
}

impl Disruption {
    /// Deletes the candidates, and waits for the first.
    pub(super) fn delete(&mut self, now: Instant, blocking: Blocking, out: &mut Out) {
        out.emit(Output::Publish(Event::Terminating(blocking.id)));
        for (claim, _) in &blocking.candidates {
            out.emit(Output::DeleteNodeClaim(*claim, blocking.reason));
        }
        out.wake_at(now, Input::Command(blocking.id));
        self.phase = Phase::Blocked(Box::new(blocking));
    }

    /// Looks whether the loop may go on.
    pub(super) fn unblock(&mut self, now: Instant, view: &View<'_>, out: &mut Out) {
        let Phase::Blocked(mut blocking) = std::mem::replace(&mut self.phase, Phase::Asleep(None)) else {
            unreachable!("only a command that blocks is waited for");
        };
        match &mut blocking.stage {
            Stage::Launching(replacements, lost) => {
                let doubtful = now.since(blocking.since) <= REPLACEMENT_MISSING;
                let mut coming = 0;
                replacements.retain_mut(|replacement| match replacement.look(view) {
                    Progress::Ready => false,
                    Progress::Missing | Progress::Gone if !doubtful => {
                        *lost += 1;
                        false
                    }
                    Progress::Missing | Progress::Gone | Progress::Coming => {
                        coming += 1;
                        true
                    }
                });
                let exhausted = blocking.attempt + 1 >= ATTEMPTS;
                match (coming, *lost) {
                    (0, 0) => {
                        let Blocking {
                            id,
                            reason,
                            candidates,
                            ..
                        } = *blocking;
                        return self.delete(now, Blocking::deleting(id, reason, candidates, now), out);
                    }
                    (0, _) => return self.release(now, &blocking, CommandFailure::ReplacementGone, out),
                    _ if exhausted => return self.release(now, &blocking, CommandFailure::TimedOut, out),
                    _ => {}
                }
            }
            Stage::Deleting(at) => {
                let gone = |(claim, _): &(NodeClaimId, _)| view.claims.get(*claim).is_none();
                let from = *at;
                if blocking.attempt + 1 >= ATTEMPTS {
                    // Waited for in vain; the next one has as long again.
                    *at += 1;
                }
                *at += blocking.candidates[*at..]
                    .iter()
                    .take_while(|own| gone(own))
                    .count();
                if *at >= blocking.candidates.len() {
                    return self.sleep(now, out);
                }
                if *at > from {
                    blocking.attempt = 0;
                }
            }
        }
        blocking.due = now + delay(blocking.attempt);
        blocking.attempt += 1;
        out.wake_at(blocking.due, Input::Command(blocking.id));
        self.phase = Phase::Blocked(blocking);
    }

    /// Gives the candidates back; replacements that were made stay.
    fn release(&mut self, now: Instant, blocking: &Blocking, why: CommandFailure, out: &mut Out) {
        self.unmark(&blocking.candidates, out);
        self.restore(&blocking.candidates, out);
        self.fail(now, blocking.id, why, out);
    }
}
