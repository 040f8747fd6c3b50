//! The API's objects and the model's: each as the other.
//!
//! [`write`] turns what a simulated API server holds into what a real one would have said; [`read`] turns what one
//! said into what the model's decisions take. Manifests are read by the model's own reader, so that a recorded
//! object means what the same object means in a scenario.

pub mod read;
pub mod write;

use jiff::{SignedDuration, Timestamp};
use sim::Instant;

use crate::recording::{Entry, Recording};

/// A clock: what it shows at the run's time zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock(pub Timestamp);

impl Clock {
    /// The API server's clock, as a recording's second zero shows it; none if its epoch is no time. The recorder's own
    /// clock is mended by what it heard of the server's.
    #[must_use]
    pub fn of(recording: &Recording) -> Option<Self> {
        let epoch: Timestamp = recording.header.epoch.parse().ok()?;
        let ahead = recording.lines.iter().find_map(|line| match &line.entry {
            Entry::Clock(clock) if clock.source == "api" => Some(clock.ahead_s),
            _ => None,
        });
        let ahead = SignedDuration::from_millis((ahead.unwrap_or(0.0) * 1000.0) as i64);
        Some(Clock(epoch + ahead))
    }

    /// A moment of the run as the API writes it.
    #[must_use]
    pub fn stamp(&self, at: Instant) -> String {
        let passed = SignedDuration::from_nanos(i64::try_from(at.as_nanos()).unwrap_or(i64::MAX));
        (self.0 + passed).to_string()
    }

    /// Seconds from time zero to a time as the API writes it; negative if that was before.
    #[must_use]
    pub fn seconds(&self, stamp: &str) -> Option<f64> {
        let at: Timestamp = stamp.parse().ok()?;
        Some(at.duration_since(self.0).as_secs_f64())
    }

    /// The same as a moment; what was before time zero is at it.
    #[must_use]
    pub fn instant(&self, stamp: &str) -> Option<Instant> {
        let at: Timestamp = stamp.parse().ok()?;
        let nanos = at.duration_since(self.0).as_nanos().max(0);
        Some(Instant::from_nanos(u64::try_from(nanos).ok()?))
    }
}
