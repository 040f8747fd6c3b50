//! Distances between samples, and between numbers.

/// The 1-Wasserstein distance between two samples: how far, on average, one must be moved to become the
/// other. In the samples' own unit. NaN if one is empty.
///
/// ```
/// use live::accuracy::wasserstein;
/// assert_eq!(wasserstein(&[10.0, 20.0], &[15.0, 25.0]), 5.0);
/// ```
#[must_use]
pub fn wasserstein(a: &[f64], b: &[f64]) -> f64 {
    if a.is_empty() || b.is_empty() {
        return f64::NAN;
    }
    let steps = cumulative(a, b);
    steps
        .windows(2)
        .map(|pair| (pair[1].0 - pair[0].0) * (pair[0].1 - pair[0].2).abs())
        .sum()
}

/// The Kolmogorov–Smirnov statistic: the greatest difference between two empirical distributions. NaN if
/// one sample is empty.
#[must_use]
pub fn kolmogorov_smirnov(a: &[f64], b: &[f64]) -> f64 {
    if a.is_empty() || b.is_empty() {
        return f64::NAN;
    }
    cumulative(a, b)
        .iter()
        .map(|&(_, a, b)| (a - b).abs())
        .fold(0.0, f64::max)
}

/// A quantile of a sample, interpolated between its sorted values; NaN of none. Values that are no numbers are
/// left out.
///
/// ```
/// use live::accuracy::quantile;
/// assert_eq!(quantile(&[3.0, 1.0, f64::NAN, 2.0], 0.5), 2.0);
/// assert_eq!(quantile(&[0.0, 10.0], 0.05), 0.5);
/// ```
#[must_use]
pub fn quantile(sample: &[f64], q: f64) -> f64 {
    let mut sorted: Vec<f64> = sample.iter().copied().filter(|value| !value.is_nan()).collect();
    sorted.sort_by(f64::total_cmp);
    quantile_of_sorted(&sorted, q)
}

/// The same of values in order, all of them numbers; NaN of none.
#[must_use]
pub fn quantile_of_sorted(sorted: &[f64], q: f64) -> f64 {
    if sorted.is_empty() {
        return f64::NAN;
    }
    let position = q * (sorted.len() - 1) as f64;
    let (below, share) = (position.floor() as usize, position.fract());
    if share == 0.0 || sorted[below] == sorted[below + 1] {
        return sorted[below]; // also where both are infinite
    }
    sorted[below] + (sorted[below + 1] - sorted[below]) * share
}

/// Every value of either sample, with the share of each sample that is no greater.
fn cumulative(a: &[f64], b: &[f64]) -> Vec<(f64, f64, f64)> {
    let sorted = |sample: &[f64]| {
        let mut sample = sample.to_vec();
        sample.sort_by(f64::total_cmp);
        sample
    };
    let (a, b) = (sorted(a), sorted(b));
    let mut values: Vec<f64> = a.iter().chain(&b).copied().collect();
    values.sort_by(f64::total_cmp);
    values.dedup();
    let share = |sample: &[f64], value: f64| {
        sample.partition_point(|other| *other <= value) as f64 / sample.len() as f64
    };
    values
        .into_iter()
        .map(|value| (value, share(&a, value), share(&b, value)))
        .collect()
}

/// The relative error of a number: dollars, node-hours of a type, scale events. Zero if both are zero.
#[must_use]
pub fn relative(simulated: f64, real: f64) -> f64 {
    if simulated == real {
        0.0
    } else {
        (simulated - real).abs() / real.abs()
    }
}

/// Kendall's τ-b between two orders of the same configurations: 1 for the same order, −1 for the reverse,
/// ties accounted for.
///
/// # Panics
///
/// When the two have different lengths.
#[must_use]
pub fn kendall_tau(simulated: &[f64], real: &[f64]) -> f64 {
    assert_eq!(simulated.len(), real.len(), "one number a configuration");
    let (mut balance, mut pairs_a, mut pairs_b) = (0.0, 0.0, 0.0);
    for i in 0..real.len() {
        for j in 0..i {
            let sign = |values: &[f64]| values[i].total_cmp(&values[j]) as i32;
            let (a, b) = (sign(simulated), sign(real));
            balance += f64::from(a * b);
            pairs_a += f64::from(a * a);
            pairs_b += f64::from(b * b);
        }
    }
    balance / (pairs_a * pairs_b).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_between_known_samples() {
        assert_eq!(wasserstein(&[1.0, 2.0, 3.0], &[1.0, 2.0, 3.0]), 0.0);
        assert_eq!(wasserstein(&[0.0], &[4.0, 8.0]), 6.0);
        assert_eq!(kolmogorov_smirnov(&[1.0, 2.0], &[3.0, 4.0]), 1.0);
        assert_eq!(kolmogorov_smirnov(&[1.0, 3.0], &[2.0, 3.0]), 0.5);
        assert!(wasserstein(&[], &[1.0]).is_nan());
    }

    #[test]
    fn quantiles_of_few_and_of_infinite_values() {
        assert!(quantile(&[], 0.5).is_nan());
        assert_eq!(quantile(&[7.0], 0.95), 7.0);
        assert_eq!(
            quantile(&[1.0, f64::INFINITY, f64::INFINITY], 0.75),
            f64::INFINITY
        );
        assert_eq!(quantile(&[4.0, 1.0, 2.0, 3.0], 0.5), 2.5);
    }

    #[test]
    fn tau_counts_pairs() {
        assert_eq!(kendall_tau(&[1.0, 2.0, 3.0], &[10.0, 20.0, 30.0]), 1.0);
        assert_eq!(kendall_tau(&[3.0, 2.0, 1.0], &[10.0, 20.0, 30.0]), -1.0);
        // one of three pairs is tied: 2 / sqrt(2 × 3)
        assert!((kendall_tau(&[1.0, 1.0, 2.0], &[1.0, 2.0, 3.0]) - 2.0 / 6f64.sqrt()).abs() < 1e-12);
    }
}
