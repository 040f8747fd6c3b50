//! Batching: pods that become pending together are provisioned for together
//! (karpenter v1.14 pkg/controllers/provisioning/batcher.go; v0.32.4 for releases before 1.2).
//!
//! The first trigger opens a window. It ends when no trigger came for the idle duration, or at the latest
//! after the maximum. A trigger that comes while nobody waits is kept, one at most, and opens the next
//! window at once.

use std::time::Duration;

use sim::Instant;

use crate::id::{ById, NodeId, PodId};

/// What triggers provisioning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trigger {
    /// A pod that waits for capacity.
    Pod(PodId),
    /// A node that is being disrupted.
    Node(NodeId),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Waiting for a first trigger.
    Waiting,
    /// A window is open.
    Open { since: Instant, last: Instant },
    /// The last batch is being worked on.
    Away,
}

/// Something about triggers.
#[derive(Debug, Clone)]
pub(super) struct ByTrigger<V> {
    pods: ById<PodId, V>,
    nodes: ById<NodeId, V>,
}

impl<V> Default for ByTrigger<V> {
    fn default() -> Self {
        ByTrigger {
            pods: ById::default(),
            nodes: ById::default(),
        }
    }
}

impl<V> ByTrigger<V> {
    pub(super) fn get(&self, trigger: Trigger) -> Option<&V> {
        match trigger {
            Trigger::Pod(id) => self.pods.get(id),
            Trigger::Node(id) => self.nodes.get(id),
        }
    }

    /// Says something of a trigger; what was said before comes back.
    pub(super) fn insert(&mut self, trigger: Trigger, value: V) -> Option<V> {
        match trigger {
            Trigger::Pod(id) => self.pods.insert(id, value),
            Trigger::Node(id) => self.nodes.insert(id, value),
        }
    }

    pub(super) fn remove(&mut self, trigger: Trigger) {
        match trigger {
            Trigger::Pod(id) => drop(self.pods.remove(id)),
            Trigger::Node(id) => drop(self.nodes.remove(id)),
        }
    }
}

/// Collects triggers into batches.
///
/// ```
/// use model::id::PodId;
/// use model::karpenter::batcher::{Batcher, Trigger};
/// use sim::Instant;
/// use std::time::Duration;
///
/// let mut batcher = Batcher::new(Duration::from_secs(1), Duration::from_secs(10), true);
/// batcher.trigger(Instant::from_millis(0), Trigger::Pod(PodId(1)));
/// batcher.trigger(Instant::from_millis(900), Trigger::Pod(PodId(2)));
/// assert_eq!(batcher.due(), Some(Instant::from_millis(1900)));
/// ```
#[derive(Debug, Clone)]
pub struct Batcher {
    idle: Duration,
    max: Duration,
    /// What was seen in this window does not extend it.
    dedupe: bool,
    /// How many windows there were before.
    windows: u64,
    /// The window in which each was seen last.
    seen: ByTrigger<u64>,
    token: bool,
    state: State,
}

impl Batcher {
    /// A batcher that waits.
    #[must_use]
    pub fn new(idle: Duration, max: Duration, dedupe: bool) -> Self {
        Batcher {
            idle,
            max,
            dedupe,
            windows: 0,
            seen: ByTrigger::default(),
            token: false,
            state: State::Waiting,
        }
    }

    /// Opens a window, extends it, or is kept for the next one.
    pub fn trigger(&mut self, now: Instant, trigger: Trigger) {
        if self.dedupe && self.seen.insert(trigger, self.windows) == Some(self.windows) {
            return;
        }
        match &mut self.state {
            State::Waiting => {
                self.state = State::Open {
                    since: now,
                    last: now,
                }
            }
            State::Open { last, .. } => *last = now,
            State::Away => self.token = true,
        }
    }

    /// When the window ends as things stand.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        match self.state {
            State::Open { since, last } => Some((last + self.idle).min(since + self.max)),
            State::Waiting | State::Away => None,
        }
    }

    /// Ends the window if it is time, and says whether it was.
    pub fn close(&mut self, now: Instant) -> bool {
        let ended = self.due().is_some_and(|due| due <= now);
        if ended {
            self.state = State::Away;
            self.windows += 1;
        }
        ended
    }

    /// Waits again, once the last batch is dealt with. A trigger that was kept opens a window.
    pub fn wait(&mut self, now: Instant) {
        assert_eq!(self.state, State::Away, "nobody waits twice");
        let kept = std::mem::take(&mut self.token);
        self.state = if kept {
            State::Open {
                since: now,
                last: now,
            }
        } else {
            State::Waiting
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: Duration = Duration::from_secs(10);

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    fn pod(number: u32) -> Trigger {
        Trigger::Pod(PodId(number))
    }

    fn batcher(dedupe: bool) -> Batcher {
        Batcher::new(Duration::from_secs(1), MAX, dedupe)
    }

    #[test]
    fn a_stream_of_pods_is_cut_off_at_the_maximum() {
        let mut batcher = batcher(true);
        for number in 0..30 {
            batcher.trigger(at(u64::from(number) * 500), pod(number));
        }
        assert_eq!(batcher.due(), Some(at(10_000)));
        assert!(!batcher.close(at(9_999)));
        assert!(batcher.close(at(10_000)));
    }

    /// Before 1.2 the same pod extends the window with every event; later it does so once.
    #[test]
    fn the_same_pod_extends_the_window_only_in_older_releases() {
        for (dedupe, due) in [(false, 1_800), (true, 1_000)] {
            let mut batcher = batcher(dedupe);
            batcher.trigger(at(0), pod(1));
            batcher.trigger(at(800), pod(1));
            assert_eq!(batcher.due(), Some(at(due)), "dedupe {dedupe}");
        }
    }

    #[test]
    fn one_trigger_is_kept_while_nobody_waits() {
        let mut batcher = batcher(true);
        batcher.trigger(at(0), pod(1));
        assert!(batcher.close(at(1_000)));
        batcher.trigger(at(1_200), pod(2));
        batcher.trigger(at(1_300), pod(3));
        assert_eq!(batcher.due(), None);
        batcher.wait(at(3_000));
        assert_eq!(batcher.due(), Some(at(4_000)));
        // Seen while away, so it does not extend the window that it opened.
        batcher.trigger(at(3_500), pod(3));
        assert_eq!(batcher.due(), Some(at(4_000)));
        assert!(batcher.close(at(4_000)));
        batcher.wait(at(4_000));
        assert_eq!(batcher.due(), None);
    }
}
