//! Pods that come to a node or leave it: each is an event for the node's claim
//! (karpenter v1.14 pkg/controllers/nodeclaim/podevents/controller.go).

use std::time::Duration;

use sim::{Instant, SortedMap};

use crate::api::{Api, Owner};
use crate::id::PodId;

/// Events within this time of the one that was written last are not written (`dedupeTimeout`).
pub(super) const DEDUPE: Duration = Duration::from_secs(10);

/// Whether an event at `now` is written.
pub(super) fn counts(last: Option<Instant>, now: Instant) -> bool {
    last.is_none_or(|last| now.since(last) >= DEDUPE)
}

/// What pods were when they were looked at last.
#[derive(Debug, Default)]
pub(super) struct PodEvents {
    seen: SortedMap<PodId, Seen>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    bound: bool,
    terminal: bool,
    terminating: bool,
}

impl PodEvents {
    /// Whether a pod was bound, ended, or began to end, since the last look. Pods of DaemonSets do not count,
    /// nor does the end of the object.
    pub(super) fn observe(&mut self, id: PodId, api: &Api) -> bool {
        let Some(pod) = api.pods.get(id) else {
            self.seen.remove(&id);
            return false;
        };
        if pod.node.is_none() || matches!(pod.owner, Owner::DaemonSet(_)) {
            return false;
        }
        let now = Seen {
            bound: true,
            terminal: pod.is_terminal(),
            terminating: pod.deletion.is_some(),
        };
        let former = self.seen.insert(id, now).unwrap_or_default();
        !former.bound || now.terminal && !former.terminal || now.terminating && !former.terminating
    }
}
