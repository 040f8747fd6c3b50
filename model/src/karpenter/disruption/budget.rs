//! Disruption budgets: how many of a pool's nodes may go at a time
//! (karpenter v1.14 pkg/apis/v1/nodepool.go `GetAllowedDisruptionsByReason`, `IsActive`,
//! pkg/controllers/disruption/helpers.go `BuildDisruptionBudgetMapping`).

use sim::{Instant, SortedMap};

use super::event::Reason;
use crate::cron::Schedule;
use crate::id::{NodePoolId, Table};
use crate::karpenter::node_pool::{self, Budget, NodePool, Nodes};
use crate::karpenter::state::{Snapshot, is_true};
use crate::karpenter::version::Profile;

/// How many nodes may still go for one reason, by NodePool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Allowances {
    left: SortedMap<NodePoolId, u32>,
    /// Pools with nodes whose budgets allow nothing at all.
    pub(crate) closed: Vec<NodePoolId>,
}

impl Allowances {
    /// What the budgets leave now. Releases without budgets leave everything.
    pub(crate) fn new(
        pools: &Table<NodePoolId, NodePool>,
        snapshot: &Snapshot<'_>,
        reason: Reason,
        seconds: i64,
        profile: &Profile,
    ) -> Self {
        let mut allowances = Allowances {
            left: SortedMap::new(),
            closed: Vec::new(),
        };
        if !profile.budgets {
            allowances.left = pools.iter().map(|(id, _)| (id, u32::MAX)).collect();
            return allowances;
        }
        let mut nodes: SortedMap<NodePoolId, (u32, u32)> = SortedMap::new();
        for state in &snapshot.nodes {
            let (Some((_, claim)), Some((_, node))) = (state.claim, state.node) else {
                continue;
            };
            let terminating =
                profile.terminating_leave_budgets && is_true(claim.conditions.instance_terminating);
            if !state.initialized() || terminating {
                continue;
            }
            let (total, going) = nodes.entry(claim.pool).or_default();
            *total += 1;
            *going += u32::from(!node.ready || state.marked_for_deletion());
        }
        for (id, pool) in pools.iter() {
            let (total, going) = nodes.get(&id).copied().unwrap_or_default();
            let allowed = allowed_disruptions(&pool.disruption.budgets, total, reason, seconds);
            if total > 0 && allowed == 0 {
                allowances.closed.push(id);
            }
            allowances.left.insert(id, allowed.saturating_sub(going));
        }
        allowances
    }

    /// Whether another node of a pool may go.
    pub(crate) fn allows(&self, pool: NodePoolId) -> bool {
        self.left.get(&pool).is_some_and(|left| *left > 0)
    }

    /// Takes a node's part, if there is one left.
    pub(crate) fn take(&mut self, pool: NodePoolId) -> bool {
        match self.left.get_mut(&pool) {
            Some(left) if *left > 0 => {
                *left -= 1;
                true
            }
            _ => false,
        }
    }
}

/// How many of `nodes` nodes the budgets let go for a reason, `seconds` after 1970 began; without a budget,
/// [`u32::MAX`].
///
/// A schedule that cannot be read closes the pool for every reason (`MustGetAllowedDisruptions`).
#[must_use]
pub fn allowed_disruptions(budgets: &[Budget], nodes: u32, reason: Reason, seconds: i64) -> u32 {
    let mut allowed = u32::MAX;
    for budget in budgets {
        let active = match &budget.window {
            None => true,
            Some(window) => match window.schedule.parse::<Schedule>() {
                Ok(schedule) => schedule.is_within(seconds, window.duration),
                Err(_) => return 0,
            },
        };
        if active && concerns(budget, reason) {
            let share = match budget.nodes {
                Nodes::Count(count) => count,
                Nodes::Percent(percent) => (nodes * percent).div_ceil(100),
            };
            allowed = allowed.min(share);
        }
    }
    allowed
}

/// Reasons that budgets do not know, such as expiration in older releases, are met only by budgets for all.
fn concerns(budget: &Budget, reason: Reason) -> bool {
    let reason = match reason {
        Reason::Empty => Some(node_pool::Reason::Empty),
        Reason::Underutilized => Some(node_pool::Reason::Underutilized),
        Reason::Drifted => Some(node_pool::Reason::Drifted),
        Reason::Expired => None,
    };
    budget.reasons.is_empty() || reason.is_some_and(|reason| budget.reasons.contains(&reason))
}

/// The time of day in a run, in seconds since 1970 began.
pub(crate) fn seconds(epoch: i64, now: Instant) -> i64 {
    epoch + now.since(Instant::ZERO).as_secs() as i64
}
