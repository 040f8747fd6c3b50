//! What has been told lately and need not be told again
//! (karpenter v1.14 pkg/events/recorder.go, pkg/controllers/disruption/events/events.go).

use std::time::Duration;

use sim::{Instant, SortedMap};

use super::event::{Blocked, Event, Reason, Unconsolidatable};
use super::{Out, Output};
use crate::id::{NodeClaimId, NodePoolId};

/// How long the same is not told again (`defaultDedupeTimeout`).
const DEDUPE: Duration = Duration::from_secs(120);
/// The same for reasons not to consolidate (`Unconsolidatable`).
const DEDUPE_UNCONSOLIDATABLE: Duration = Duration::from_secs(900);
/// The same for pools without budget (`NodePoolBlocked`).
const DEDUPE_BUDGET: Duration = Duration::from_secs(60);

/// What was told last. Something new is told at once.
#[derive(Debug, Default)]
pub(crate) struct Told {
    blocked: SortedMap<NodeClaimId, (Blocked, Instant)>,
    unconsolidatable: SortedMap<NodeClaimId, (Unconsolidatable, Instant)>,
    budgets: SortedMap<(NodePoolId, Reason), Instant>,
}

impl Told {
    pub(crate) fn blocked(&mut self, now: Instant, claim: NodeClaimId, why: Blocked, out: &mut Out) {
        let stale = |(last, at): &(Blocked, Instant)| *last != why || now.since(*at) >= DEDUPE;
        if self.blocked.get(&claim).is_none_or(stale) {
            self.blocked.insert(claim, (why.clone(), now));
            out.emit(Output::Publish(Event::Blocked(claim, why)));
        }
    }

    pub(crate) fn unconsolidatable(
        &mut self,
        now: Instant,
        claim: NodeClaimId,
        why: Unconsolidatable,
        out: &mut Out,
    ) {
        let stale = |(last, at): &(Unconsolidatable, Instant)| {
            *last != why || now.since(*at) >= DEDUPE_UNCONSOLIDATABLE
        };
        if self.unconsolidatable.get(&claim).is_none_or(stale) {
            self.unconsolidatable.insert(claim, (why.clone(), now));
            out.emit(Output::Publish(Event::Unconsolidatable(claim, why)));
        }
    }

    pub(crate) fn no_budget(&mut self, now: Instant, pool: NodePoolId, reason: Reason, out: &mut Out) {
        let last = self.budgets.get(&(pool, reason));
        if last.is_none_or(|last| now.since(*last) >= DEDUPE_BUDGET) {
            self.budgets.insert((pool, reason), now);
            out.emit(Output::Publish(Event::NoBudget(pool, reason)));
        }
    }

    pub(crate) fn forget(&mut self, claim: NodeClaimId) {
        self.blocked.remove(&claim);
        self.unconsolidatable.remove(&claim);
    }
}
