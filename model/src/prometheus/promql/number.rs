//! Arithmetic as Go does it, operation by operation.

use std::cmp::Ordering;

use crate::prometheus::version::Profile;

/// A sum with its compensation (Kahan, Neumaier).
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Compensated {
    pub(super) sum: f64,
    pub(super) correction: f64,
}

impl Compensated {
    pub(super) fn new(sum: f64) -> Self {
        Compensated { sum, correction: 0.0 }
    }

    /// Adds a term (prometheus 3.5 promql/functions.go `kahanSumInc`; before 2.54 an infinite sum keeps its
    /// correction).
    pub(super) fn add(self, term: f64, profile: &Profile) -> Self {
        let Compensated { sum, correction } = self;
        let total = sum + term;
        let correction = if profile.compensated_sum && total.is_infinite() {
            0.0
        } else if sum.abs() >= term.abs() {
            correction + ((sum - total) + term)
        } else {
            correction + ((term - total) + sum)
        };
        Compensated {
            sum: total,
            correction,
        }
    }

    pub(super) fn total(self) -> f64 {
        self.sum + self.correction
    }
}

/// A running mean, in the way of the release.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mean {
    count: f64,
    /// The sum until it overflows.
    sum: Compensated,
    /// The mean, once it is kept running.
    mean: Compensated,
    running: bool,
}

impl Mean {
    /// The mean of one value.
    pub(super) fn new(first: f64) -> Self {
        Mean {
            count: 1.0,
            sum: Compensated::new(first),
            mean: Compensated::new(first),
            running: false,
        }
    }

    /// Adds a value, compensated: sums until the sum would overflow, then keeps a running mean
    /// (prometheus 3.5 promql/engine.go `aggregation`; from 2.55 to 3.4 the running mean differs).
    pub(super) fn add_compensated(&mut self, value: f64, profile: &Profile) {
        self.count += 1.0;
        if !self.running {
            let sum = self.sum.add(value, profile);
            if !sum.sum.is_infinite() {
                self.sum = sum;
                return;
            }
            self.running = true;
            let before = self.count - 1.0;
            self.mean = Compensated {
                sum: self.sum.sum / before,
                correction: self.sum.correction / before,
            };
        }
        if profile.scaled_mean {
            let share = (self.count - 1.0) / self.count;
            let scaled = Compensated {
                sum: share * self.mean.sum,
                correction: share * self.mean.correction,
            };
            self.mean = scaled.add(value / self.count, profile);
        } else if !keeps_infinite_mean(self.mean.sum, value) {
            let mean = self.mean.total();
            self.mean = self.mean.add(value / self.count - mean / self.count, profile);
        }
    }

    /// The result of [`Mean::add_compensated`].
    pub(super) fn compensated(&self, profile: &Profile) -> f64 {
        if self.running {
            self.mean.total()
        } else if profile.scaled_mean {
            self.sum.sum / self.count + self.sum.correction / self.count
        } else {
            self.sum.total() / self.count
        }
    }

    /// Adds a value to a plain running mean (prometheus 2.42 promql/engine.go `aggregation`).
    pub(super) fn add_plain(&mut self, value: f64) {
        self.count += 1.0;
        if !keeps_infinite_mean(self.mean.sum, value) {
            self.mean.sum += value / self.count - self.mean.sum / self.count;
        }
    }

    /// The result of [`Mean::add_plain`].
    pub(super) fn plain(&self) -> f64 {
        self.mean.sum
    }
}

/// Whether an infinite mean stays as it is: the value is finite, or infinite in the same direction.
pub(super) fn keeps_infinite_mean(mean: f64, value: f64) -> bool {
    let same_infinity = value.is_infinite() && (mean > 0.0) == (value > 0.0);
    mean.is_infinite() && (same_infinity || value.is_finite())
}

/// The greater of two: +Inf before NaN, NaN before all else, 0 before -0 (Go `math.Max`).
pub(super) fn max(a: f64, b: f64) -> f64 {
    if a == f64::INFINITY || b == f64::INFINITY {
        f64::INFINITY
    } else if a.is_nan() || b.is_nan() {
        f64::NAN
    } else if a == 0.0 && b == 0.0 {
        if a.is_sign_negative() { b } else { a }
    } else if a > b {
        a
    } else {
        b
    }
}

/// The lesser of two: -Inf before NaN, NaN before all else, -0 before 0 (Go `math.Min`).
pub(super) fn min(a: f64, b: f64) -> f64 {
    -max(-a, -b)
}

/// Sorts as Go's `sort.Sort` does with an order that is none in the presence of NaN: by insertion up to
/// twelve elements, which fixes the order of equals; longer ones stably.
pub(super) fn go_sort<T>(items: &mut [T], less: impl Fn(&T, &T) -> bool) {
    if items.len() > 12 {
        items.sort_by(|a, b| match (less(a, b), less(b, a)) {
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            _ => Ordering::Equal,
        });
        return;
    }
    for end in 1..items.len() {
        let mut at = end;
        while at > 0 && less(&items[at], &items[at - 1]) {
            items.swap(at, at - 1);
            at -= 1;
        }
    }
}

/// The q-quantile by linear interpolation, NaN lowest (prometheus 3.5 promql/quantile.go `quantile`).
pub(super) fn quantile(q: f64, mut values: Vec<f64>, profile: &Profile) -> f64 {
    if values.is_empty() || q.is_nan() {
        return f64::NAN;
    }
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    values.sort_by(|a, b| {
        let nan_first = b.is_nan().cmp(&a.is_nan());
        nan_first.then(a.partial_cmp(b).unwrap_or(Ordering::Equal))
    });
    let last = values.len() as f64 - 1.0;
    let rank = q * last;
    let lower = max(0.0, rank.floor());
    let upper = min(last, lower + 1.0);
    let weight = rank - rank.floor();
    if weight == 0.0 && profile.exact_ranks {
        return values[lower as usize];
    }
    values[lower as usize] * (1.0 - weight) + values[upper as usize] * weight
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extremes_are_those_of_go() {
        assert_eq!(max(f64::NAN, f64::INFINITY), f64::INFINITY);
        assert!(max(f64::NAN, 1.0).is_nan() && min(1.0, f64::NAN).is_nan());
        assert_eq!(min(f64::NAN, f64::NEG_INFINITY), f64::NEG_INFINITY);
        assert!(max(-0.0, 0.0).is_sign_positive() && min(0.0, -0.0).is_sign_negative());
    }

    #[test]
    fn quantiles_interpolate() {
        let quantile = |q, values, version: &str| quantile(q, values, &Profile::of(version.parse().unwrap()));
        assert_eq!(quantile(0.5, vec![3.0, 1.0], "2.42"), 2.0);
        assert!(quantile(0.0, vec![1.0, f64::NAN], "3.16").is_nan());
        assert_eq!(quantile(1.5, vec![1.0], "3.5"), f64::INFINITY);
        let infinite = || vec![1.0, f64::INFINITY];
        assert!(quantile(0.0, infinite(), "3.15").is_nan());
        assert_eq!(quantile(0.0, infinite(), "3.16"), 1.0);
    }

    #[test]
    fn a_compensated_sum_keeps_what_a_plain_one_loses() {
        let profile = crate::prometheus::Profile::of(crate::prometheus::LATEST);
        let sum = [1e16, 1.0, -1e16]
            .iter()
            .fold(Compensated::default(), |sum, &term| sum.add(term, &profile));
        assert_eq!(sum.total(), 1.0);
    }
}
