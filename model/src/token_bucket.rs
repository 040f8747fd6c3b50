//! The client-side rate limit of a controller.

use std::time::Duration;

use sim::Instant;

/// A token bucket as client-go's flow control uses it: `qps` tokens a second, at most `burst` at once.
///
/// ```
/// use model::token_bucket::TokenBucket;
/// use sim::Instant;
///
/// let mut bucket = TokenBucket::new(20.0, 30);
/// let grants: Vec<_> = (0..50).map(|_| bucket.take(Instant::ZERO)).collect();
/// assert_eq!(grants[29], Instant::ZERO); // the burst
/// assert_eq!(grants[49], Instant::from_secs(1)); // then 20 a second
/// ```
#[derive(Debug, Clone)]
pub struct TokenBucket {
    interval: Duration,
    burst: u32,
    /// How long the bucket needs to be full again. More than `burst` intervals are tokens promised.
    debt: Duration,
    /// When `debt` was last brought up to date.
    last: Instant,
}

impl TokenBucket {
    /// A full bucket.
    #[must_use]
    pub fn new(qps: f64, burst: u32) -> Self {
        TokenBucket {
            interval: Duration::from_secs_f64(1.0 / qps),
            burst,
            debt: Duration::ZERO,
            last: Instant::ZERO,
        }
    }

    /// Takes the next token and says when it may be used: now, or later if the bucket is empty.
    pub fn take(&mut self, now: Instant) -> Instant {
        self.debt = self.debt.saturating_sub(now.since(self.last));
        self.last = self.last.max(now);
        self.debt += self.interval;
        now + self.debt.saturating_sub(self.interval * self.burst)
    }
}
