//! Releases of Prometheus and how their answers differ.
//!
//! Each difference is one named switch of [`Profile`]. Where they were found is said at each switch; those of the
//! answers were also seen in what 2.42.0, 2.53.3, 3.5.3 and 3.16.0 answer to the same queries.

use crate::release::Release;

/// The first release whose behaviour is known here.
pub const OLDEST: Release = Release::new(2, 42, 0);
/// The latest release that was read.
pub const LATEST: Release = Release::new(3, 16, 0);

/// What a release does, difference by difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Profile {
    /// The release.
    pub version: Release,
    /// Ranges, look-back and subqueries leave their left edge out (3.0, promql/engine.go `matrixIterSlice`,
    /// `vectorSelectorSingle`, `evalSubquery`).
    pub left_open: bool,
    /// `rate` and `increase` cut at the counter's zero point before the threshold test; later, after it
    /// (until 2.50, promql/functions.go `extrapolatedRate`).
    pub zero_point_first: bool,
    /// `sum` is compensated (2.54, promql/engine.go `aggregation`).
    pub compensated_sum: bool,
    /// `avg` and `avg_over_time` sum with compensation and divide, and fall back to a running mean only when
    /// the sum overflows (2.55).
    pub compensated_avg: bool,
    /// `avg` divides the sum and its correction one by one, and scales the mean that it keeps when the sum
    /// overflows (3.5).
    pub scaled_mean: bool,
    /// `label_join` may make two elements with the same labels (2.51 to 3.2, promql/functions.go
    /// `evalLabelJoin`).
    pub label_join_unchecked: bool,
    /// An aggregation takes its parameter at the first step of a subquery and fails if there is none: a defect
    /// (2.52 to 3.4, promql/engine.go `eval`).
    pub first_step_parameter: bool,
    /// `histogram_fraction` takes a positive first bucket to begin at zero, and does not interpolate in one without a
    /// lower end (3.8, promql/quantile.go `BucketFraction`).
    pub first_bucket_bounded: bool,
    /// Two elements of the left side for one of the right are an error even if the comparison drops one of them
    /// (3.9, promql/engine.go `VectorBinop`).
    pub dropped_matches_count: bool,
    /// Ranges and offsets may be computed: `[2 * 5m]` (3.14, promql/parser/generated_parser.y `duration_expr`).
    pub duration_expressions: bool,
    /// Selectors have the modifiers `anchored` and `smoothed` (3.16, the same file).
    pub extended_ranges: bool,
    /// A quantile that falls on an element is that element, even beside an infinite one (3.16, promql/quantile.go
    /// `quantile`).
    pub exact_ranks: bool,
    /// Buckets whose bound is NaN are left out (3.16, promql/engine.go `resetHistograms`).
    pub nan_bounds_ignored: bool,
    /// `rad` and `deg` multiply by one factor, which does not overflow on its way (3.16, promql/functions.go
    /// `funcRad`, `funcDeg`).
    pub angles_by_factor: bool,
    /// The parameter of `topk` is looked at only if there are elements (3.5).
    pub lazy_parameter: bool,
    /// The parameter of `topk` is looked at before the elements, and must not be NaN (3.6, promql/engine.go
    /// `rangeEvalAgg`).
    pub parameter_checked: bool,
    /// Bucket counts that differ by less than 1e-12 are taken as equal (2.49, promql/quantile.go
    /// `ensureMonotonicAndIgnoreSmallDeltas`).
    pub level_small_deltas: bool,
    /// Series come in order of their creation; before, in order of their labels (2.50,
    /// storage/merge.go `NewMergeQuerier`).
    pub creation_order: bool,
    /// `atan2` drops the metric name (2.47, promql/engine.go `shouldDropMetricName`).
    pub atan2_drops_name: bool,
    /// What discovery finds is sent with a back-off of 0.1 to 5 s; before, on a 5 s tick
    /// (3.12, discovery/manager.go `sender`).
    pub discovery_backoff: bool,
    /// `.` of a regular expression matches a newline, `stddev` of a single NaN is NaN, any text is a label
    /// name, durations are numbers, `holt_winters` is gone (3.0).
    pub v3: bool,
    /// `le` of a classic histogram is written as a float: `5` becomes `5.0` (3.0, model/textparse/openmetricsparse.go
    /// `normalizeFloatsInLabelValues`).
    pub normalized_bounds: bool,
    /// `{"name", …}` selects by metric name, `{"label"="value"}` by any label (2.51).
    pub quoted_names: bool,
}

impl Profile {
    /// What a release does.
    #[must_use]
    pub fn of(version: Release) -> Self {
        let v = |major, minor| version.since(major, minor);
        Profile {
            version,
            left_open: v(3, 0),
            zero_point_first: !v(2, 51),
            compensated_sum: v(2, 54),
            compensated_avg: v(2, 55),
            scaled_mean: v(3, 5),
            label_join_unchecked: v(2, 51) && !v(3, 3),
            first_step_parameter: v(2, 52) && !v(3, 5),
            first_bucket_bounded: v(3, 8),
            dropped_matches_count: v(3, 9),
            duration_expressions: v(3, 14),
            extended_ranges: v(3, 16),
            exact_ranks: v(3, 16),
            nan_bounds_ignored: v(3, 16),
            angles_by_factor: v(3, 16),
            lazy_parameter: v(3, 5),
            parameter_checked: v(3, 6),
            level_small_deltas: v(2, 49),
            creation_order: v(2, 50),
            atan2_drops_name: v(2, 47),
            discovery_backoff: v(3, 12),
            v3: v(3, 0),
            normalized_bounds: v(3, 0),
            quoted_names: v(2, 51),
        }
    }
}
