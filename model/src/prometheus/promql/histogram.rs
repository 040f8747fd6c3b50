//! Quantiles and fractions of classic histograms.

use sim::SortedMap;

use super::eval::Vector;
use super::number::go_sort;
use crate::prometheus::labels::{Labels, METRIC_NAME};
use crate::prometheus::version::Profile;

/// The label that holds a bucket's upper bound.
const BUCKET: &str = "le";

#[derive(Debug, Clone, Copy)]
struct Bucket {
    upper: f64,
    count: f64,
}

/// `histogram_quantile` (prometheus 3.5 promql/functions.go `funcHistogramQuantile`).
pub(super) fn quantiles(q: f64, vector: Vector, profile: &Profile) -> Vector {
    let quantile = |buckets| quantile(q, buckets, profile);
    histograms(&vector, profile, quantile)
}

/// `histogram_fraction` (prometheus 3.5 promql/functions.go `funcHistogramFraction`).
pub(super) fn fractions(lower: f64, upper: f64, vector: Vector, profile: &Profile) -> Vector {
    let fraction = |buckets| fraction(lower, upper, buckets, profile);
    histograms(&vector, profile, fraction)
}

/// Puts buckets together that differ in nothing but their bound. The metric name tells histograms apart and
/// is dropped from the result.
fn histograms(vector: &Vector, profile: &Profile, evaluate: impl Fn(Vec<Bucket>) -> f64) -> Vector {
    let counts = |upper: &f64| !(profile.nan_bounds_ignored && upper.is_nan());
    let mut order: Vec<Labels> = Vec::new();
    let mut found: SortedMap<Labels, Vec<Bucket>> = SortedMap::new();
    for (labels, count) in vector {
        let Some(upper) = parse_float(labels.get(BUCKET)).filter(counts) else {
            continue;
        };
        let histogram = labels.filter(|name| name != BUCKET);
        let bucket = Bucket { upper, count: *count };
        match found.get_mut(&histogram) {
            Some(buckets) => buckets.push(bucket),
            None => {
                order.push(histogram.clone());
                found.insert(histogram, vec![bucket]);
            }
        }
    }
    let element = |histogram: Labels| {
        let value = evaluate(found.remove(&histogram).unwrap_or_default());
        (histogram.filter(|name| name != METRIC_NAME), value)
    };
    order.into_iter().map(element).collect()
}

/// A number as Go's `strconv.ParseFloat` reads it: decimal or hexadecimal, underscores not allowed.
fn parse_float(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if unsigned
        .get(..2)
        .is_some_and(|prefix| prefix.eq_ignore_ascii_case("0x"))
    {
        return hexadecimal(text, unsigned);
    }
    // Rust reads the same decimals, infinities and NaN, but takes signed NaN too.
    let signed_nan = unsigned.len() < text.len() && unsigned.eq_ignore_ascii_case("nan");
    text.parse().ok().filter(|_| !signed_nan)
}

/// `0x1.8p3`; the exponent is required.
fn hexadecimal(text: &str, unsigned: &str) -> Option<f64> {
    let (mantissa, exponent) = unsigned[2..].split_once(['p', 'P'])?;
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{part}");
    let value = u64::from_str_radix(&digits, 16).ok()? as f64;
    let exponent = exponent.parse::<i32>().ok()? - 4 * i32::try_from(part.len()).ok()?;
    let value = libm::scalbn(value, exponent);
    Some(if text.starts_with('-') { -value } else { value })
}

/// Sorts by bound and adds up buckets of the same bound; `None` without a bucket for everything
/// (prometheus 3.5 promql/quantile.go `coalesceBuckets`).
fn coalesce(mut buckets: Vec<Bucket>) -> Option<Vec<Bucket>> {
    go_sort(&mut buckets, |a, b| a.upper < b.upper);
    if buckets.last().is_none_or(|last| last.upper != f64::INFINITY) {
        return None;
    }
    let mut merged: Vec<Bucket> = Vec::with_capacity(buckets.len());
    for bucket in buckets {
        match merged.last_mut() {
            Some(last) if last.upper == bucket.upper => last.count += bucket.count,
            _ => merged.push(bucket),
        }
    }
    Some(merged)
}

/// prometheus 3.5 promql/quantile.go `BucketQuantile`
fn quantile(q: f64, buckets: Vec<Bucket>, profile: &Profile) -> f64 {
    if q.is_nan() {
        return f64::NAN;
    }
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    let Some(mut buckets) = coalesce(buckets) else {
        return f64::NAN;
    };
    make_monotonic(&mut buckets, profile);
    let last = buckets.len() - 1;
    let observations = buckets[last].count;
    if last == 0 || observations == 0.0 {
        return f64::NAN;
    }
    let mut rank = q * observations;
    // A count that is NaN is not below the rank, but it is not at it either: the search goes on above it.
    let at = first_where(last, |i| buckets[i].count >= rank);
    if at == last {
        return buckets[last - 1].upper;
    }
    if at == 0 && buckets[0].upper <= 0.0 {
        return buckets[0].upper;
    }
    let Bucket {
        upper: end,
        mut count,
    } = buckets[at];
    let mut start = 0.0;
    if at > 0 {
        start = buckets[at - 1].upper;
        count -= buckets[at - 1].count;
        rank -= buckets[at - 1].count;
    }
    start + (end - start) * (rank / count)
}

/// Binary search for the first index below `n` with a property, `n` if there is none: Go's `sort.Search`,
/// step by step, since NaN makes the answer depend on the steps.
fn first_where(n: usize, holds: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, n);
    while low < high {
        let middle = (low + high) / 2;
        if holds(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    low
}

/// Levels counts that fall, and since 2.49 also those that rise by rounding errors only
/// (prometheus 3.5 promql/quantile.go `ensureMonotonicAndIgnoreSmallDeltas`; 2.42 `ensureMonotonic`).
fn make_monotonic(buckets: &mut [Bucket], profile: &Profile) {
    let mut before = buckets[0].count;
    for bucket in &mut buckets[1..] {
        let count = bucket.count;
        let small = profile.level_small_deltas && almost_equal(before, count);
        if count < before || small {
            bucket.count = before;
        } else if count > before || profile.level_small_deltas {
            before = count;
        }
    }
}

/// Within a relative 1e-12 (prometheus 3.5 util/almost/almost.go `Equal`).
fn almost_equal(a: f64, b: f64) -> bool {
    const TOLERANCE: f64 = 1e-12;
    if a.is_nan() && b.is_nan() || a == b {
        return true;
    }
    let (sum, difference) = (a.abs() + b.abs(), (a - b).abs());
    if a == 0.0 || b == 0.0 || sum < f64::MIN_POSITIVE {
        difference < TOLERANCE * f64::MIN_POSITIVE
    } else {
        difference / sum.min(f64::MAX) < TOLERANCE
    }
}

/// prometheus 3.5 promql/quantile.go `BucketFraction`
fn fraction(lower: f64, upper: f64, buckets: Vec<Bucket>, profile: &Profile) -> f64 {
    let Some(buckets) = coalesce(buckets) else {
        return f64::NAN;
    };
    let total = buckets[buckets.len() - 1].count;
    if total == 0.0 || lower.is_nan() || upper.is_nan() {
        return f64::NAN;
    }
    if lower >= upper {
        return 0.0;
    }
    let bounded = profile.first_bucket_bounded;
    let first = if bounded && buckets[0].upper > 0.0 {
        0.0
    } else {
        f64::NEG_INFINITY
    };
    let rank = |bound: f64| {
        let (mut start, mut below) = (first, 0.0);
        for bucket in &buckets {
            if start >= bound {
                return below;
            }
            if bucket.upper > bound {
                if bounded && start == f64::NEG_INFINITY {
                    return bucket.count;
                }
                return below + (bucket.count - below) * (bound - start) / (bucket.upper - start);
            }
            (start, below) = (bucket.upper, bucket.count);
        }
        f64::INFINITY
    };
    let capped = |bound| {
        let rank = rank(bound);
        if rank > total { total } else { rank }
    };
    (capped(upper) - capped(lower)) / total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_read_as_go_reads_them() {
        for (text, expected) in [
            ("0.5", Some(0.5)),
            ("+Inf", Some(f64::INFINITY)),
            ("1e3", Some(1000.0)),
            ("0x1.8p3", Some(12.0)),
            ("-0x1p-1", Some(-0.5)),
            ("", None),
            ("0x1", None),
            ("1_0", None),
            ("+nan", None),
        ] {
            assert_eq!(parse_float(text), expected, "{text}");
        }
    }

    #[test]
    fn quantiles_lie_within_their_bucket() {
        let profile = crate::prometheus::Profile::of(crate::prometheus::LATEST);
        let bucket = |upper, count| Bucket { upper, count };
        let buckets = vec![bucket(1.0, 10.0), bucket(2.0, 20.0), bucket(f64::INFINITY, 20.0)];
        assert_eq!(quantile(0.5, buckets.clone(), &profile), 1.0);
        assert_eq!(quantile(0.75, buckets.clone(), &profile), 1.5);
        assert!(quantile(0.5, buckets[..2].to_vec(), &profile).is_nan());
        assert_eq!(fraction(1.0, 1.5, buckets.clone(), &profile), 0.25);
        // A first bucket that ends above zero begins there; once it had no beginning.
        assert_eq!(fraction(0.0, 0.5, buckets.clone(), &profile), 0.25);
        let older = crate::prometheus::Profile::of("3.7".parse().unwrap());
        assert!(fraction(0.0, 0.5, buckets, &older).is_nan());
    }

    #[test]
    fn a_bound_that_is_no_number_is_left_out() {
        let series = |bound: &str, count| (Labels::new([(BUCKET, bound)]), count);
        let vector = vec![series("NaN", 10.0), series("1", 10.0), series("+Inf", 20.0)];
        let fraction = |version: &str| {
            let profile = Profile::of(version.parse().unwrap());
            fractions(0.0, 1.0, vector.clone(), &profile)[0].1
        };
        assert_eq!(fraction("3.16"), 0.5);
        assert!(fraction("3.15").is_nan());
    }

    // (util/almost/almost.go `Equal`)
    #[test]
    fn counts_that_differ_by_rounding_are_one_unless_one_of_them_is_zero() {
        let profile = crate::prometheus::Profile::of(crate::prometheus::LATEST);
        let bounds = [1.0, 2.0, f64::INFINITY];
        let highest = |counts: [f64; 3]| {
            let buckets = bounds.into_iter().zip(counts);
            let buckets = buckets.map(|(upper, count)| Bucket { upper, count });
            quantile(1.0, buckets.collect(), &profile)
        };
        let rounded = 10.0 * (1.0 + 1e-13);
        assert_eq!(highest([10.0, rounded, rounded]), 1.0);
        assert_eq!(highest([0.0, 1e-13, 1e-13]), 2.0);
    }
}
