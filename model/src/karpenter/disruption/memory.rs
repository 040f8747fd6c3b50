//! What consolidation remembers: that it found nothing, and that nothing has changed since
//! (karpenter v1.14 pkg/controllers/state/cluster.go `MarkUnconsolidated`, `ConsolidationState`,
//! `triggerConsolidationOnChange`, pkg/controllers/disruption/consolidation.go `IsConsolidated`).
//!
//! What counts as a change is upstream's choice: pods that are bound or removed, nodes and claims that come
//! or go, that become initialized or start to go, NodePools that change. A node that has become
//! consolidatable is none, nor is a price. After five minutes everything counts as changed.

use std::time::Duration;

use sim::{Instant, SortedMap};

use super::event::Method;
use crate::id::{ById, NodeClaimId, NodeId, PodId};
use crate::karpenter::labels;
use crate::karpenter::provisioner::View;

/// How long "nothing has changed" is believed (`ConsolidationState`).
pub(crate) const BELIEF: Duration = Duration::from_secs(300);

/// The cluster's consolidation state, and what each method knows of it.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// Counts changes. Upstream compares times, which tell as much.
    generation: u64,
    changed: Instant,
    memos: SortedMap<Method, Memo>,
    /// Pods that were seen on a node.
    bound: ById<PodId, ()>,
    claims: SortedMap<NodeClaimId, Flags>,
    /// Nodes, and whether they are being deleted.
    nodes: SortedMap<NodeId, bool>,
}

#[derive(Debug, Clone, Copy)]
struct Memo {
    generation: u64,
    /// Changes until then, the end of the search, are overlooked.
    until: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Flags {
    initialized: bool,
    going: bool,
}

impl Memory {
    /// Something changed (`MarkUnconsolidated`).
    pub(crate) fn change(&mut self, now: Instant) {
        self.generation += 1;
        self.changed = now;
        for memo in self.memos.values_mut().filter(|memo| now < memo.until) {
            memo.generation = self.generation;
        }
    }

    /// Whether a method found nothing, and nothing has changed since.
    pub(crate) fn is_consolidated(&mut self, method: Method, now: Instant) -> bool {
        if now.since(self.changed) >= BELIEF {
            self.change(now);
        }
        self.memos
            .get(&method)
            .is_some_and(|memo| memo.generation == self.generation)
    }

    /// A method found nothing; its search ends at `until`.
    pub(crate) fn mark(&mut self, method: Method, until: Instant) {
        let generation = self.generation;
        self.memos.insert(method, Memo { generation, until });
    }

    /// When everything counts as changed.
    pub(crate) fn believed_until(&self) -> Instant {
        self.changed + BELIEF
    }

    pub(crate) fn pod_changed(&mut self, now: Instant, id: PodId, view: &View<'_>) {
        let changed = match view.api.pods.get(id) {
            None => true,
            Some(pod) => pod.node.is_some() && !pod.is_terminal() && self.bound.insert(id, ()).is_none(),
        };
        if changed {
            self.change(now);
        }
    }

    pub(crate) fn claim_changed(&mut self, now: Instant, id: NodeClaimId, view: &View<'_>) {
        let changed = match view.claims.get(id) {
            None => self.claims.remove(&id).is_some(),
            // Claims without a machine are not nodes yet.
            Some(claim) if claim.instance.is_none() => false,
            Some(_) => {
                let flags = self.claim_flags(id, view);
                self.claims.insert(id, flags) != Some(flags)
            }
        };
        if changed {
            self.change(now);
        }
    }

    pub(crate) fn node_changed(&mut self, now: Instant, id: NodeId, view: &View<'_>) {
        let Some(node) = view.api.nodes.get(id) else {
            if self.nodes.remove(&id).is_some() {
                self.change(now);
            }
            return;
        };
        let going = node.deleting.is_some();
        let known = self.nodes.insert(id, going);
        // The Node of a claim that is known is no new node.
        let claim = node.claim.filter(|claim| view.claims.get(*claim).is_some());
        let changed = match claim {
            Some(claim) => {
                let flags = self.claim_flags(claim, view);
                self.claims.insert(claim, flags) != Some(flags)
            }
            None => known != Some(going),
        };
        if changed {
            self.change(now);
        }
    }

    /// Marks are no change by themselves, but what follows from them is none either.
    pub(crate) fn marked(&mut self, id: NodeClaimId, going: bool) {
        if let Some(flags) = self.claims.get_mut(&id) {
            flags.going = going;
        }
    }

    fn claim_flags(&self, id: NodeClaimId, view: &View<'_>) -> Flags {
        let claim = view.claims.get(id);
        let node = claim.and_then(|claim| view.api.nodes.get(claim.node?));
        Flags {
            initialized: node.is_some_and(|node| node.label(labels::INITIALIZED) == "true"),
            going: view.state.is_marked(id) || claim.is_some_and(|claim| claim.deleting.is_some()),
        }
    }
}
