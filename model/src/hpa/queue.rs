//! The controller's work queue: keys that wait for their time, keys that wait for a worker
//! (client-go 1.35 util/workqueue/delaying_queue.go `insert`, queue.go `Add`, `Done`;
//! kubernetes 1.35 pkg/controller/podautoscaler/rate_limiters.go `FixedItemIntervalRateLimiter`).

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use rand::RngExt;
use sim::{Instant, Stream};

use crate::id::HpaId;

/// Every key that is added waits one period; if it waits already, the earlier time stays. A key whose time
/// comes while it is being worked on is handed out again as soon as that ends. Of keys that are due at the
/// same instant a heap and the iteration over a map decide upstream; here it is drawn.
#[derive(Debug)]
pub(super) struct Queue {
    period: Duration,
    /// When each waiting key is due.
    due: BTreeMap<HpaId, Instant>,
    /// The waiting keys in order of their times.
    waiting: BTreeSet<(Instant, u64, HpaId)>,
    ties: Stream,
    ready: VecDeque<HpaId>,
    /// In `ready`, or to go there when it is done.
    dirty: BTreeSet<HpaId>,
    processing: BTreeSet<HpaId>,
}

impl Queue {
    pub(super) fn new(period: Duration, ties: Stream) -> Self {
        Queue {
            period,
            due: BTreeMap::new(),
            waiting: BTreeSet::new(),
            ties,
            ready: VecDeque::new(),
            dirty: BTreeSet::new(),
            processing: BTreeSet::new(),
        }
    }

    /// `AddRateLimited`: due one period from now, unless the key waits already.
    pub(super) fn add_rate_limited(&mut self, now: Instant, key: HpaId) {
        // Any time from now on is later than one that is waited for.
        if !self.due.contains_key(&key) {
            self.wait(now + self.period, key);
        }
    }

    /// Makes a key wait for a time of its own.
    pub(super) fn wait(&mut self, at: Instant, key: HpaId) {
        self.due.insert(key, at);
        self.waiting.insert((at, self.ties.random(), key));
    }

    /// When the next waiting key is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.waiting.first().map(|&(at, _, _)| at)
    }

    /// Moves the keys whose time has come to where workers take them from.
    pub(super) fn advance(&mut self, now: Instant) {
        while let Some(&(at, tie, key)) = self.waiting.first().filter(|(at, _, _)| *at <= now) {
            self.waiting.remove(&(at, tie, key));
            self.due.remove(&key);
            if self.dirty.insert(key) && !self.processing.contains(&key) {
                self.ready.push_back(key);
            }
        }
    }

    /// `Get`
    pub(super) fn take(&mut self) -> Option<HpaId> {
        let key = self.ready.pop_front()?;
        self.dirty.remove(&key);
        self.processing.insert(key);
        Some(key)
    }

    /// `Done`
    pub(super) fn done(&mut self, key: HpaId) {
        self.processing.remove(&key);
        if self.dirty.contains(&key) {
            self.ready.push_back(key);
        }
    }

    /// Forgets a key that waits; one that is being worked on runs to its end.
    pub(super) fn remove(&mut self, key: HpaId) {
        if let Some(at) = self.due.remove(&key) {
            self.waiting
                .retain(|&(other, _, waiting)| (other, waiting) != (at, key));
        }
    }
}
