//! Simulated time: integer nanoseconds since the start of the run.

use std::fmt;
use std::ops::{Add, AddAssign, Sub};
use std::time::Duration;

/// A point in simulated time, in whole nanoseconds since the start of the run.
///
/// Nanoseconds in 64 bits last 584 years. There is no floating-point time anywhere: two instants are
/// equal or they are not.
///
/// ```
/// use sim::Instant;
/// use std::time::Duration;
///
/// let t = Instant::from_millis(1_500) + Duration::from_millis(250);
/// assert_eq!(t - Instant::from_secs(1), Duration::from_millis(750));
/// assert_eq!(t.to_string(), "00:00:01.750");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(u64);

impl Instant {
    /// The start of the run.
    pub const ZERO: Instant = Instant(0);
    /// Later than everything.
    pub const MAX: Instant = Instant(u64::MAX);

    /// The instant that many nanoseconds after the start.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Instant(nanos)
    }

    /// The instant that many milliseconds after the start.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Instant(millis * 1_000_000)
    }

    /// The instant that many seconds after the start.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Instant(secs * 1_000_000_000)
    }

    /// Whole nanoseconds since the start.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Whole milliseconds since the start, rounded down.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0 / 1_000_000
    }

    /// Whole seconds since the start, rounded down.
    #[must_use]
    pub const fn as_secs(self) -> u64 {
        self.0 / 1_000_000_000
    }

    /// Seconds since the start, for output and for physics. Never for comparing or scheduling.
    #[must_use]
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// The time since `earlier`, or zero if `earlier` is in fact later.
    #[must_use]
    pub const fn since(self, earlier: Instant) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// This instant less `duration`, or the start of the run.
    #[must_use]
    pub fn saturating_sub(self, duration: Duration) -> Instant {
        Instant(self.0.saturating_sub(nanos(duration)))
    }

    /// The first multiple of `period` after the start that is not before this instant.
    #[must_use]
    pub fn round_up_to(self, period: Duration) -> Instant {
        Instant(self.0.next_multiple_of(nanos(period).max(1)))
    }

    /// The last multiple of `period` that is not after this instant.
    #[must_use]
    pub fn round_down_to(self, period: Duration) -> Instant {
        let period = nanos(period).max(1);
        Instant(self.0 - self.0 % period)
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl Add<Duration> for Instant {
    type Output = Instant;

    fn add(self, duration: Duration) -> Instant {
        Instant(self.0.saturating_add(nanos(duration)))
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, duration: Duration) {
        *self = *self + duration;
    }
}

impl Sub for Instant {
    type Output = Duration;

    /// # Panics
    ///
    /// When the right side is later: only a bug can ask for a negative time.
    fn sub(self, earlier: Instant) -> Duration {
        assert!(self.0 >= earlier.0, "{earlier} is later than {self}");
        Duration::from_nanos(self.0 - earlier.0)
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.as_millis();
        let (hours, minutes) = (millis / 3_600_000, millis / 60_000 % 60);
        write!(
            f,
            "{hours:02}:{minutes:02}:{:02}.{:03}",
            millis / 1000 % 60,
            millis % 1000
        )
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
