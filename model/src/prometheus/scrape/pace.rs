//! How long a change waits until it is scraped: discovery's sender and the scrape manager's reloader.
//!
//! The sender looks on a tick of 5 s whether anything changed (prometheus 2.48 discovery/manager.go
//! `sender`); since 3.12 it looks after a back-off that grows from 0.1 to 5 s and starts anew when nothing was
//! sent for 5 s. The reloader takes a tick first and waits for a change then (scrape/manager.go `reloader`), so
//! that after a quiet time it has one tick in hand and one in the channel: two reloads follow at once, others
//! wait for theirs.

use std::time::Duration;

use rand::RngExt;
use sim::{Instant, Stream};

/// How often discovery sends (prometheus 3.5 discovery/manager.go `NewManager`, updatert).
const SEND_INTERVAL: Duration = Duration::from_secs(5);

/// The most ticks the reloader can have: one taken, one in the channel.
const TICKETS: u64 = 2;

/// The waits of one server from its start on.
#[derive(Debug)]
pub(super) struct Pace {
    started: Instant,
    /// How far the tick was when the run began, for a server that had been up.
    phase: Duration,
    backs_off: bool,
    reload_interval: Duration,
    last_sent: Option<Instant>,
    /// Reloader ticks that have been spent, of all since the start.
    spent: u64,
    stream: Stream,
}

impl Pace {
    pub(super) fn new(backs_off: bool, reload_interval: Duration, stream: Stream) -> Self {
        Pace {
            started: Instant::ZERO,
            phase: Duration::ZERO,
            backs_off,
            reload_interval: reload_interval.max(Duration::from_nanos(1)),
            last_sent: None,
            spent: 0,
            stream,
        }
    }

    /// The server starts: both tickers do too.
    pub(super) fn start(&mut self, now: Instant) {
        self.started = now;
        self.phase = Duration::ZERO;
        self.last_sent = None;
        self.spent = 0;
    }

    /// The server has been up: its tickers are anywhere, and the reloader has ticks in hand.
    pub(super) fn run(&mut self, now: Instant) {
        let since_tick: f64 = self.stream.random();
        self.start(now);
        self.phase = self.reload_interval * 2 + self.reload_interval.mul_f64(since_tick);
    }

    /// When the sender looks next.
    pub(super) fn next_send(&mut self, now: Instant) -> Instant {
        if !self.backs_off {
            let up = now.since(self.started) + self.phase;
            return now + until_tick(up, SEND_INTERVAL);
        }
        // The look is anywhere within the wait that is running.
        let jitter = 0.5 + self.stream.random::<f64>();
        let share: f64 = self.stream.random();
        now + self.back_off(now).mul_f64(jitter * share)
    }

    /// The sender's wait at a time: 0.1 s after 5 quiet seconds, and half as long again each time before.
    fn back_off(&self, now: Instant) -> Duration {
        let first = Duration::from_millis(100);
        let quiet = self
            .last_sent
            .map(|sent| now.since(sent))
            .filter(|quiet| *quiet <= SEND_INTERVAL);
        let Some(quiet) = quiet else { return first };
        let (mut wait, mut passed) = (first.mul_f64(1.5), Duration::ZERO);
        while passed + wait <= quiet {
            passed += wait;
            wait = wait.mul_f64(1.5).min(SEND_INTERVAL);
        }
        wait
    }

    /// Something was sent.
    pub(super) fn sent(&mut self, now: Instant) {
        self.last_sent = Some(now);
    }

    /// Takes a tick for a reload now, or says when there will be one.
    pub(super) fn reload(&mut self, now: Instant) -> Result<(), Instant> {
        let up = now.since(self.started) + self.phase;
        let ticks = (up.as_nanos() / self.reload_interval.as_nanos()) as u64;
        // What neither hand nor channel could hold is lost.
        self.spent = self.spent.max(ticks.saturating_sub(TICKETS));
        if self.spent < ticks {
            self.spent += 1;
            Ok(())
        } else {
            Err(now + until_tick(up, self.reload_interval))
        }
    }
}

/// From a time since the start to the next tick, strictly after it.
fn until_tick(up: Duration, interval: Duration) -> Duration {
    let past = up.as_nanos() % interval.as_nanos();
    interval - Duration::from_nanos(past as u64)
}

#[cfg(test)]
mod tests {
    use sim::Streams;

    use super::*;

    fn pace(backs_off: bool) -> Pace {
        let stream = Streams::new(1).stream("test/pace", 0);
        Pace::new(backs_off, Duration::from_secs(5), stream)
    }

    #[test]
    fn a_fresh_server_reloads_with_its_first_tick() {
        let mut pace = pace(false);
        pace.start(Instant::from_secs(10));
        assert_eq!(pace.next_send(Instant::from_secs(10)), Instant::from_secs(15));
        assert_eq!(pace.reload(Instant::from_secs(12)), Err(Instant::from_secs(15)));
        assert_eq!(pace.reload(Instant::from_secs(15)), Ok(()));
        assert_eq!(pace.reload(Instant::from_secs(16)), Err(Instant::from_secs(20)));
    }

    #[test]
    fn after_a_quiet_time_two_reloads_follow_at_once() {
        let mut pace = pace(true);
        pace.start(Instant::ZERO);
        let now = Instant::from_secs(61);
        assert_eq!([pace.reload(now), pace.reload(now)], [Ok(()), Ok(())]);
        assert_eq!(pace.reload(now), Err(Instant::from_secs(65)));
    }

    #[test]
    fn the_back_off_starts_anew_after_a_quiet_time() {
        let mut pace = pace(true);
        let now = Instant::from_secs(100);
        assert_eq!(pace.back_off(now), Duration::from_millis(100));
        pace.sent(now);
        assert_eq!(pace.back_off(now), Duration::from_millis(150));
        assert!(pace.back_off(now + Duration::from_secs(4)) > Duration::from_secs(1));
        assert_eq!(
            pace.back_off(now + Duration::from_secs(6)),
            Duration::from_millis(100)
        );
        let wait = pace.next_send(now + Duration::from_secs(6)) - (now + Duration::from_secs(6));
        assert!(wait <= Duration::from_millis(150));
    }
}
