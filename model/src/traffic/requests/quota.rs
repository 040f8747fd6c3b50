//! A cgroup's CPU quota: so much vCPU time in each period, refilled when somebody looks.

use std::collections::VecDeque;

use super::node::NOTHING;

/// The budget of one group.
#[derive(Debug, Clone, Copy)]
pub(super) struct Quota {
    /// vCPU-seconds a period.
    budget: f64,
    /// Nanoseconds.
    period: u64,
    /// vCPU that it lets run for good.
    rate: f64,
    /// When the budget is full again, nanoseconds.
    refill: u64,
    used: f64,
    used_up: bool,
}

impl Quota {
    /// A full budget; `refill` is the first time that it is filled up again. Times in nanoseconds.
    pub(super) fn new(budget: f64, period: u64, refill: u64) -> Self {
        Quota {
            budget,
            period,
            rate: budget / (period as f64 * 1e-9),
            refill,
            used: 0.0,
            used_up: false,
        }
    }

    pub(super) fn period(&self) -> u64 {
        self.period
    }

    #[inline]
    pub(super) fn refill(&self) -> u64 {
        self.refill
    }

    #[inline]
    pub(super) fn is_used_up(&self) -> bool {
        self.used_up
    }

    /// The vCPU that it lets run for good.
    #[inline]
    pub(super) fn rate(&self) -> f64 {
        self.rate
    }

    /// vCPU-seconds until it is used up.
    #[inline]
    pub(super) fn rest(&self) -> f64 {
        self.budget - self.used
    }

    /// Moves to the period of `now` after a time without use.
    pub(super) fn wake(&mut self, now: u64) {
        if self.refill <= now {
            self.refill += ((now - self.refill) / self.period + 1) * self.period;
            self.used = 0.0;
            self.used_up = false;
        }
    }

    /// Goes on to `now`: `used` vCPU-seconds since the last look, or `since` the last refill if there was one.
    /// It was never used up in between: that would have been an event.
    #[inline]
    pub(super) fn advance(&mut self, now: u64, used: f64, since: impl Fn(u64) -> f64) {
        if now >= self.refill {
            let last = now - (now - self.refill) % self.period;
            self.refill = last + self.period;
            self.used = since(last);
            self.used_up = false;
        } else {
            self.used += used;
        }
        if self.used >= self.budget - NOTHING {
            self.used_up = true;
        }
    }

    /// When a group that uses `pace` vCPU from `now` on has used it up, nanoseconds; endless is never.
    #[inline]
    pub(super) fn used_up_at(&self, now: u64, pace: f64) -> f64 {
        let end = now + nanos((self.budget - self.used) / pace).max(1);
        if end < self.refill {
            return reading(end);
        }
        let whole = nanos(self.budget / pace);
        if whole < self.period {
            reading(self.refill + whole.max(1))
        } else {
            f64::INFINITY
        }
    }
}

/// What a clock that runs at changing paces said lately.
#[derive(Debug, Clone, Default)]
pub(super) struct History {
    /// Since when (nanoseconds), the reading then, and its pace from then on, a second.
    pieces: VecDeque<(u64, f64, f64)>,
    /// How far back it is asked, nanoseconds; zero if never.
    reach: u64,
}

impl History {
    /// It will be asked for times up to `reach` ago.
    pub(super) fn keep(&mut self, reach: u64) {
        self.reach = self.reach.max(reach);
    }

    /// The clock's pace changes.
    #[inline]
    pub(super) fn note(&mut self, now: u64, reading: f64, pace: f64) {
        while self
            .pieces
            .get(1)
            .is_some_and(|&(since, ..)| since + self.reach < now)
        {
            self.pieces.pop_front();
        }
        self.pieces.push_back((now, reading, pace));
    }

    /// What it said at `time`.
    pub(super) fn at(&self, time: u64) -> f64 {
        let later = self.pieces.partition_point(|&(since, ..)| since <= time);
        match later.checked_sub(1).and_then(|place| self.pieces.get(place)) {
            Some(&(since, said, pace)) => said + pace * reading(time - since) * 1e-9,
            None => 0.0,
        }
    }
}

/// Seconds in nanoseconds, rounded up. Conversions are cheaper here than a call of `ceil`, and as exact; those of signed
/// numbers are the cheapest, and reach for three hundred years.
#[inline]
pub(super) fn nanos(seconds: f64) -> u64 {
    let exact = seconds * 1e9;
    let whole = exact as i64;
    whole.saturating_add(i64::from((whole as f64) < exact)).max(0) as u64
}

/// Nanoseconds as a reading.
#[inline]
pub(super) fn reading(nanos: u64) -> f64 {
    nanos as i64 as f64
}
