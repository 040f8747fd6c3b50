//! The eviction queue: pods that are asked to go, and when each is asked next
//! (karpenter v1.14 pkg/controllers/node/termination/terminator/eviction.go; v1.5.0 and v0.32.4, where there
//! is one worker).
//!
//! A pod that may not go yet is asked again after 100 ms, 200 ms and so on, up to ten seconds. The one worker
//! of older releases takes one pod after the other, and sleeps a second when none is due.
//!
//! The API's limits on how many calls it takes are left out.

use std::time::Duration;

use sim::{Instant, SortedMap};

use crate::id::PodId;

/// The first wait after a refusal (`evictionQueueBaseDelay`).
const RETRY: Duration = Duration::from_millis(100);
/// The longest (`evictionQueueMaxDelay`).
const RETRY_MOST: Duration = Duration::from_secs(10);
/// How long the one worker sleeps when nothing is due.
const IDLE: Duration = Duration::from_secs(1);

/// A pod in the queue.
#[derive(Debug, Clone, Copy)]
struct Entry {
    refusals: u32,
    due: Instant,
}

/// The queue.
#[derive(Debug, Default)]
pub(super) struct Queue {
    entries: SortedMap<PodId, Entry>,
    /// When the one worker looks next, if it has anything to look for.
    look: Option<Instant>,
}

impl Queue {
    /// Puts a pod in, and says when it is due, unless it is in.
    pub(super) fn add(&mut self, pod: PodId, due: Instant) -> Option<Instant> {
        if self.entries.contains_key(&pod) {
            return None;
        }
        self.entries.insert(pod, Entry { refusals: 0, due });
        Some(due)
    }

    /// Whether it is a pod's turn.
    pub(super) fn is_turn(&self, now: Instant, pod: PodId) -> bool {
        self.entries.get(&pod).is_some_and(|entry| entry.due == now)
    }

    /// The pod is done with.
    pub(super) fn remove(&mut self, pod: PodId) {
        self.entries.remove(&pod);
    }

    /// The pod may not go; says when it is due again.
    pub(super) fn refuse(&mut self, now: Instant, pod: PodId) -> Option<Instant> {
        let entry = self.entries.get_mut(&pod)?;
        entry.due = now + RETRY.saturating_mul(1 << entry.refusals.min(10)).min(RETRY_MOST);
        entry.refusals += 1;
        Some(entry.due)
    }

    /// Sees to it that the one worker looks, and says when, if that is news. It is taken to look at whole
    /// seconds when it has been idle.
    pub(super) fn look(&mut self, now: Instant) -> Option<Instant> {
        if self.look.is_some() || self.entries.is_empty() {
            return None;
        }
        self.look = Some(now.round_up_to(IDLE));
        self.look
    }

    /// The one worker looks: the pod that has been due longest.
    pub(super) fn next(&mut self, now: Instant) -> Option<PodId> {
        let due = self.entries.iter().filter(|(_, entry)| entry.due <= now);
        due.min_by_key(|(pod, entry)| (entry.due, **pod))
            .map(|(pod, _)| *pod)
    }

    /// When the one worker looks again, after a call or in vain.
    pub(super) fn look_again(&mut self, now: Instant, call: Option<Duration>) -> Option<Instant> {
        self.look = (!self.entries.is_empty()).then(|| now + call.unwrap_or(IDLE));
        self.look
    }

    /// Whether this is the moment at which the one worker meant to look.
    pub(super) fn is_look(&self, now: Instant) -> bool {
        self.look == Some(now)
    }
}
