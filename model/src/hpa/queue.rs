//! The controller's work queue: keys that wait for their time, keys that wait for a worker
//! (client-go 1.35 util/workqueue/delaying_queue.go `insert`, queue.go `Add`, `Done`;
//! kubernetes 1.35 pkg/controller/podautoscaler/rate_limiters.go `FixedItemIntervalRateLimiter`).

use std::collections::VecDeque;
use std::time::Duration;

use rand::RngExt;
use sim::{Instant, Stream};

use crate::id::HpaId;

/// Every key that is added waits one period; if it waits already, the earlier time stays. A key whose time
/// comes while it is being worked on is handed out again as soon as that ends. Of keys that are due at the
/// same instant a heap and the iteration over a map decide upstream; here it is drawn. There are few keys: lists do.
#[derive(Debug)]
pub(super) struct Queue {
    period: Duration,
    /// The waiting keys, the first to be due at the end.
    waiting: Vec<(Instant, u64, HpaId)>,
    ties: Stream,
    ready: VecDeque<HpaId>,
    /// In `ready`, or to go there when it is done.
    dirty: Vec<HpaId>,
    processing: Vec<HpaId>,
}

impl Queue {
    pub(super) fn new(period: Duration, ties: Stream) -> Self {
        Queue {
            period,
            waiting: Vec::new(),
            ties,
            ready: VecDeque::new(),
            dirty: Vec::new(),
            processing: Vec::new(),
        }
    }

    /// `AddRateLimited`: due one period from now, unless the key waits already.
    pub(super) fn add_rate_limited(&mut self, now: Instant, key: HpaId) {
        // Any time from now on is later than one that is waited for.
        if self.waiting.iter().all(|&(_, _, waiting)| waiting != key) {
            self.wait(now + self.period, key);
        }
    }

    /// Makes a key wait for a time of its own.
    pub(super) fn wait(&mut self, at: Instant, key: HpaId) {
        let entry = (at, self.ties.random(), key);
        let place = self.waiting.partition_point(|other| *other > entry);
        self.waiting.insert(place, entry);
    }

    /// When the next waiting key is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.waiting.last().map(|&(at, _, _)| at)
    }

    /// Moves the keys whose time has come to where workers take them from.
    pub(super) fn advance(&mut self, now: Instant) {
        while let Some((_, _, key)) = self.waiting.pop_if(|(at, _, _)| *at <= now) {
            if self.dirty.contains(&key) {
                continue;
            }
            self.dirty.push(key);
            if !self.processing.contains(&key) {
                self.ready.push_back(key);
            }
        }
    }

    /// `Get`
    pub(super) fn take(&mut self) -> Option<HpaId> {
        let key = self.ready.pop_front()?;
        self.dirty.retain(|other| *other != key);
        self.processing.push(key);
        Some(key)
    }

    /// `Done`
    pub(super) fn done(&mut self, key: HpaId) {
        self.processing.retain(|other| *other != key);
        if self.dirty.contains(&key) {
            self.ready.push_back(key);
        }
    }

    /// A key has another number now.
    pub(super) fn rename(&mut self, old: HpaId, new: HpaId) {
        let waiting = self.waiting.iter_mut().map(|(_, _, key)| key);
        for key in waiting.chain(&mut self.ready).chain(&mut self.dirty) {
            if *key == old {
                *key = new;
            }
        }
    }
}
