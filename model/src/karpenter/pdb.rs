//! What PodDisruptionBudgets let Karpenter do (karpenter v1.14 pkg/utils/pdb/pdb.go; v0.32.4
//! pkg/controllers/disruption/pdblimits.go).

use std::cell::Cell;

use sim::Instant;

use super::pod;
use super::version::Profile;
use crate::api::{Api, Budget, IntOrPercent, Pod, PodDisruptionBudget};

/// The budgets at one moment. What a budget still allows is worked out when it is first asked for.
#[derive(Debug)]
pub(crate) struct Limits<'a> {
    api: &'a Api,
    now: Instant,
    profile: &'a Profile,
    allowed: Vec<Cell<Option<i32>>>,
}

/// Whether a pod can be evicted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict<'a> {
    /// Nothing is in the way.
    Free,
    /// This budget allows nothing.
    Blocked(&'a PodDisruptionBudget),
    /// Several budgets select the pod.
    Several,
}

impl<'a> Limits<'a> {
    pub(crate) fn new(api: &'a Api, now: Instant, profile: &'a Profile) -> Self {
        Limits {
            api,
            now,
            profile,
            allowed: vec![Cell::new(None); api.pdbs.len()],
        }
    }

    /// Whether budgets let a pod be evicted now, as far as one pod goes (`CanEvictPods`).
    pub(crate) fn check(&self, pod: &Pod) -> Verdict<'a> {
        self.verdict(pod, |at, pdb| {
            let known = self.allowed[at].get();
            let allowed = known.unwrap_or_else(|| pdb.disruptions_allowed(self.api));
            self.allowed[at].set(Some(allowed));
            allowed == 0
        })
    }

    /// Whether a budget never lets a pod be evicted (`isFullyBlocked`).
    pub(crate) fn is_fully_blocked(&self, pod: &Pod) -> bool {
        self.verdict(pod, |_, pdb| is_fully_blocking(pdb)) != Verdict::Free
    }

    /// Whether a pod would have to be placed elsewhere and can be moved (`IsCurrentlyReschedulable`).
    pub(crate) fn is_currently_reschedulable(&self, pod: &Pod) -> bool {
        pod::is_reschedulable(pod)
            && !pod::is_do_not_disrupt(pod, self.now, self.profile)
            && !self.is_fully_blocked(pod)
    }

    fn verdict(&self, pod: &Pod, blocks: impl Fn(usize, &PodDisruptionBudget) -> bool) -> Verdict<'a> {
        if self.api.pdbs.is_empty() || !self.minds(pod) {
            return Verdict::Free;
        }
        let mut selecting = self
            .api
            .pdbs
            .iter()
            .enumerate()
            .filter(|(_, pdb)| pdb.selects(pod));
        if self.profile.several_budgets_block && selecting.clone().count() > 1 {
            return Verdict::Several;
        }
        let not_ready = pod.ready.is_some_and(|ready| !ready.status);
        let exempt = |pdb: &PodDisruptionBudget| pdb.always_allow_unhealthy && not_ready;
        selecting
            .find(|(at, pdb)| !exempt(pdb) && blocks(*at, pdb))
            .map_or(Verdict::Free, |(_, pdb)| Verdict::Blocked(pdb))
    }

    /// Budgets matter only for pods that Karpenter would evict.
    fn minds(&self, pod: &Pod) -> bool {
        if self.profile.all_pods_count {
            pod::is_evictable(pod, self.now, self.profile)
        } else {
            pod::is_reschedulable(pod)
        }
    }
}

/// maxUnavailable 0 or 0 %, minAvailable 100 % (`newPdb`).
fn is_fully_blocking(pdb: &PodDisruptionBudget) -> bool {
    matches!(
        pdb.budget,
        Budget::MaxUnavailable(IntOrPercent::Int(0) | IntOrPercent::Percent(0))
            | Budget::MinAvailable(IntOrPercent::Percent(100))
    )
}
