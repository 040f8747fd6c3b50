//! Response times as counts in logarithmic buckets.

/// Buckets in each doubling: neighbours differ by 1.1 %.
const PER_DOUBLING: f64 = 64.0;
/// Times up to this many seconds share the first bucket.
const LEAST: f64 = 1e-4;
/// The greatest time told apart is some 3 hours.
const BUCKETS: usize = 27 * PER_DOUBLING as usize;

/// A distribution of response times. Counts may be fractions: flow counts parts of requests.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Histogram {
    /// The bucket that `counts` begins with.
    first: usize,
    counts: Vec<f64>,
    total: f64,
}

impl Histogram {
    /// Adds `count` requests that took `seconds`.
    pub(super) fn add(&mut self, seconds: f64, count: f64) {
        self.add_to(bucket_of(seconds), count);
    }

    fn add_to(&mut self, bucket: usize, count: f64) {
        self.reach(bucket, bucket);
        self.counts[bucket - self.first] += count;
        self.total += count;
    }

    /// Makes room for buckets from `from` to `to`.
    fn reach(&mut self, from: usize, to: usize) {
        if self.counts.is_empty() {
            self.first = from;
        } else if from < self.first {
            let room = self.first - from;
            self.counts.splice(0..0, std::iter::repeat_n(0.0, room));
            self.first = from;
        }
        let needed = to - self.first + 1;
        if needed > self.counts.len() {
            self.counts.resize(needed, 0.0);
        }
    }

    /// Adds another distribution, scaled to `requests` requests.
    pub(super) fn add_scaled(&mut self, other: &Histogram, requests: f64) {
        self.add_stretched(other, requests, 1.0, f64::INFINITY);
    }

    /// The same with each time `factor` times as long, to a bucket, and at most so many seconds.
    pub(super) fn add_stretched(&mut self, other: &Histogram, requests: f64, factor: f64, most: f64) {
        let some = |&count: &f64| count > 0.0;
        let ends = (
            other.counts.iter().position(some),
            other.counts.iter().rposition(some),
        );
        let (Some(from), Some(to)) = ends else {
            return;
        };
        let share = requests / other.total;
        let first = other.first as i64 + (libm::log2(factor) * PER_DOUBLING).round() as i64;
        let last = bucket_of(most) as i64;
        let bucket = |place: usize| (first + place as i64).clamp(0, last) as usize;
        self.reach(bucket(from), bucket(to));
        if bucket(to) - bucket(from) == to - from {
            let own = &mut self.counts[bucket(from) - self.first..];
            for (own, &count) in own.iter_mut().zip(&other.counts[from..=to]) {
                *own += count * share;
                self.total += count * share;
            }
            return;
        }
        // Some are beyond the ends.
        for (place, &count) in other.counts.iter().enumerate().filter(|(_, count)| some(count)) {
            self.counts[bucket(place) - self.first] += count * share;
            self.total += count * share;
        }
    }

    /// How many requests it holds.
    #[must_use]
    pub(super) fn total(&self) -> f64 {
        self.total
    }

    /// The time below which this share (0–1) of the requests took, seconds; NaN of nothing.
    #[must_use]
    pub(super) fn quantile(&self, share: f64) -> f64 {
        let wanted = share * self.total;
        let mut below = 0.0;
        for (place, &count) in self.counts.iter().enumerate() {
            if count > 0.0 && below + count >= wanted {
                let inside = ((wanted - below) / count).clamp(0.0, 1.0);
                return lower_edge((self.first + place) as f64 + inside);
            }
            below += count;
        }
        if self.total > 0.0 {
            lower_edge((self.first + self.counts.len()) as f64)
        } else {
            f64::NAN
        }
    }

    /// The share of requests that took at most `seconds`; zero of nothing.
    #[must_use]
    pub(super) fn share_within(&self, seconds: f64) -> f64 {
        let edge = libm::log2(seconds.max(LEAST) / LEAST) * PER_DOUBLING;
        let mut within = 0.0;
        for (place, &count) in self.counts.iter().enumerate() {
            within += count * (edge - (self.first + place) as f64).clamp(0.0, 1.0);
        }
        if self.total > 0.0 {
            within / self.total
        } else {
            0.0
        }
    }
}

fn bucket_of(seconds: f64) -> usize {
    let doublings = libm::log2(seconds.max(LEAST) / LEAST);
    ((doublings * PER_DOUBLING) as usize).min(BUCKETS - 1)
}

fn lower_edge(bucket: f64) -> f64 {
    LEAST * libm::exp2(bucket / PER_DOUBLING)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretched_times_end_where_the_longest_wait_does() {
        let mut short = Histogram::default();
        (1..=100).for_each(|i| short.add(f64::from(i) / 50.0, 1.0));
        let mut long = Histogram::default();
        long.add_stretched(&short, 100.0, 4.0, 3.0);
        assert!(
            (long.quantile(0.2) / 1.6 - 1.0).abs() < 0.02,
            "{}",
            long.quantile(0.2)
        );
        assert!(long.quantile(1.0) < 3.0 * 1.02, "{}", long.quantile(1.0));
        assert!((long.total() - 100.0).abs() < 1e-9);
    }

    #[test]
    fn quantiles_are_right_to_a_bucket() {
        let mut histogram = Histogram::default();
        for i in (1..=1000).rev() {
            histogram.add(f64::from(i) / 1000.0, 1.0);
        }
        for (share, expected) in [(0.5, 0.5), (0.95, 0.95), (0.99, 0.99)] {
            let quantile = histogram.quantile(share);
            assert!(
                (quantile / expected - 1.0).abs() < 0.011,
                "{quantile} for {expected}"
            );
        }
        assert!((histogram.share_within(0.3) - 0.3).abs() < 0.01);
        assert!(Histogram::default().quantile(0.5).is_nan());
    }

    #[test]
    fn distributions_mix_by_requests() {
        let (mut fast, mut slow, mut mix) =
            (Histogram::default(), Histogram::default(), Histogram::default());
        fast.add(0.1, 7.0);
        slow.add(1.0, 1.0);
        mix.add_scaled(&slow, 30.0);
        mix.add_scaled(&fast, 70.0);
        assert_eq!(mix.total(), 100.0);
        assert!((mix.quantile(0.69) / 0.1 - 1.0).abs() < 0.012);
        assert!((mix.quantile(0.71) / 1.0 - 1.0).abs() < 0.012);
    }
}
