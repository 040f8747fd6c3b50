//! Functions of one series' samples in a window: the rate family and `*_over_time`.

use super::number::{Compensated, Mean, keeps_infinite_mean, quantile};
use crate::prometheus::storage::Point;
use crate::prometheus::version::Profile;

/// The samples of one series in a window, stale markers removed; never empty.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window<'a> {
    pub(super) points: &'a [Point],
    /// The window's edges, Unix milliseconds.
    pub(super) start: i64,
    pub(super) end: i64,
    /// The time of the evaluation, which an offset does not move.
    pub(super) now: i64,
    pub(super) profile: &'a Profile,
}

impl Window<'_> {
    fn values(&self) -> impl Iterator<Item = f64> + '_ {
        self.points.iter().map(|&(_, value)| value)
    }

    fn last(&self) -> Point {
        self.points[self.points.len() - 1]
    }
}

/// What a function makes of a window; `None` is no element.
pub(super) type RangeFunction = fn(&Window<'_>) -> Option<f64>;

/// `rate`
pub(super) fn rate(window: &Window<'_>) -> Option<f64> {
    extrapolated(window, true, true)
}

/// `increase`
pub(super) fn increase(window: &Window<'_>) -> Option<f64> {
    extrapolated(window, true, false)
}

/// `delta`
pub(super) fn delta(window: &Window<'_>) -> Option<f64> {
    extrapolated(window, false, false)
}

/// The change between the first and the last sample, extended to the window's edges
/// (prometheus 3.5 promql/functions.go `extrapolatedRate`; until 2.50 the counter's zero point comes first).
fn extrapolated(window: &Window<'_>, is_counter: bool, is_rate: bool) -> Option<f64> {
    let points = window.points;
    if points.len() < 2 {
        return None;
    }
    let (first_time, first) = points[0];
    let (last_time, last) = window.last();
    let mut change = last - first;
    if is_counter {
        let mut before = first;
        for value in window.values().skip(1) {
            if value < before {
                change += before;
            }
            before = value;
        }
    }
    let mut to_start = seconds(first_time - window.start);
    let mut to_end = seconds(window.end - last_time);
    let sampled = seconds(last_time - first_time);
    let average = sampled / (points.len() - 1) as f64;
    let threshold = average * 1.1;
    let cut_at_zero = |to_start: f64| {
        let to_zero = sampled * (first / change);
        let cut = is_counter && change > 0.0 && first >= 0.0 && to_zero < to_start;
        if cut { to_zero } else { to_start }
    };
    if window.profile.zero_point_first {
        to_start = cut_at_zero(to_start);
    }
    if to_start >= threshold || to_start.is_nan() {
        to_start = average / 2.0;
    }
    if !window.profile.zero_point_first {
        to_start = cut_at_zero(to_start);
    }
    if to_end >= threshold {
        to_end = average / 2.0;
    }
    let mut factor = (sampled + to_start + to_end) / sampled;
    if is_rate {
        factor /= seconds(window.end - window.start);
    }
    Some(change * factor)
}

fn seconds(millis: i64) -> f64 {
    millis as f64 / 1000.0
}

/// `irate`
pub(super) fn irate(window: &Window<'_>) -> Option<f64> {
    instant_change(window, true)
}

/// `idelta`
pub(super) fn idelta(window: &Window<'_>) -> Option<f64> {
    instant_change(window, false)
}

/// The change between the last two samples (prometheus 3.5 promql/functions.go `instantValue`).
fn instant_change(window: &Window<'_>, is_rate: bool) -> Option<f64> {
    let [.., (before_time, before), (time, value)] = *window.points else {
        return None;
    };
    let change = if is_rate && value < before {
        value
    } else {
        value - before
    };
    Some(if is_rate {
        change / seconds(time - before_time)
    } else {
        change
    })
}

/// `changes`
pub(super) fn changes(window: &Window<'_>) -> Option<f64> {
    let differs = |pair: &&[Point]| {
        let (before, value) = (pair[0].1, pair[1].1);
        before != value && !(before.is_nan() && value.is_nan())
    };
    Some(window.points.windows(2).filter(differs).count() as f64)
}

/// `resets`
pub(super) fn resets(window: &Window<'_>) -> Option<f64> {
    let falls = |pair: &&[Point]| pair[1].1 < pair[0].1;
    Some(window.points.windows(2).filter(falls).count() as f64)
}

/// `deriv`
pub(super) fn deriv(window: &Window<'_>) -> Option<f64> {
    let enough = window.points.len() >= 2;
    enough.then(|| regression(window, window.points[0].0).0)
}

/// `predict_linear`, so many seconds from now.
pub(super) fn predict_linear(window: &Window<'_>, ahead: f64) -> Option<f64> {
    let enough = window.points.len() >= 2;
    enough.then(|| {
        let (slope, intercept) = regression(window, window.now);
        slope * ahead + intercept
    })
}

/// Slope a second and intercept at a time, by least squares
/// (prometheus 3.5 promql/functions.go `linearRegression`).
fn regression(window: &Window<'_>, origin: i64) -> (f64, f64) {
    let first = window.points[0].1;
    let constant = window.values().skip(1).all(|value| value == first);
    if constant {
        return if first.is_infinite() {
            (f64::NAN, f64::NAN)
        } else {
            (0.0, first)
        };
    }
    let sum = |term: fn(f64, f64) -> f64| {
        let add = |sum: Compensated, &(time, value): &Point| {
            sum.add(term((time - origin) as f64 / 1e3, value), window.profile)
        };
        window.points.iter().fold(Compensated::default(), add).total()
    };
    let n = window.points.len() as f64;
    let (x, y) = (sum(|x, _| x), sum(|_, y| y));
    let (xy, xx) = (sum(|x, y| x * y), sum(|x, _| x * x));
    let slope = (xy - x * y / n) / (xx - x * x / n);
    (slope, y / n - slope * x / n)
}

/// `sum_over_time`
pub(super) fn sum(window: &Window<'_>) -> Option<f64> {
    let add = |sum: Compensated, value| sum.add(value, window.profile);
    let sum = window.values().fold(Compensated::default(), add);
    Some(if sum.sum.is_infinite() {
        sum.sum
    } else {
        sum.total()
    })
}

/// `avg_over_time` (prometheus 3.5 promql/functions.go `funcAvgOverTime`; before 2.55 a compensated running
/// mean).
pub(super) fn avg(window: &Window<'_>) -> Option<f64> {
    if window.profile.compensated_avg {
        let mut mean = Mean::new(window.points[0].1);
        for value in window.values().skip(1) {
            mean.add_compensated(value, window.profile);
        }
        return Some(mean.compensated(window.profile));
    }
    let mut mean = Compensated::default();
    for (before, value) in window.values().enumerate() {
        let count = (before + 1) as f64;
        if !keeps_infinite_mean(mean.sum, value) {
            mean = mean.add(value / count - mean.sum / count, window.profile);
        }
    }
    Some(if mean.sum.is_infinite() {
        mean.sum
    } else {
        mean.total()
    })
}

/// `count_over_time`
pub(super) fn count(window: &Window<'_>) -> Option<f64> {
    Some(window.points.len() as f64)
}

/// `present_over_time`; also what `absent_over_time` asks of each series.
pub(super) fn present(_: &Window<'_>) -> Option<f64> {
    Some(1.0)
}

/// `last_over_time`
pub(super) fn last(window: &Window<'_>) -> Option<f64> {
    Some(window.last().1)
}

/// `first_over_time`
pub(super) fn first(window: &Window<'_>) -> Option<f64> {
    Some(window.points[0].1)
}

/// `max_over_time`
pub(super) fn max(window: &Window<'_>) -> Option<f64> {
    extreme(window, |value, best| value > best)
}

/// `min_over_time`
pub(super) fn min(window: &Window<'_>) -> Option<f64> {
    extreme(window, |value, best| value < best)
}

fn extreme(window: &Window<'_>, better: fn(f64, f64) -> bool) -> Option<f64> {
    let choose = |best: f64, value: f64| {
        if better(value, best) || best.is_nan() {
            value
        } else {
            best
        }
    };
    window.values().reduce(choose)
}

/// `stdvar_over_time` (prometheus 3.5 promql/functions.go `varianceOverTime`).
pub(super) fn stdvar(window: &Window<'_>) -> Option<f64> {
    let mut mean = Compensated::default();
    let mut squares = Compensated::default();
    for (before, value) in window.values().enumerate() {
        let count = (before + 1) as f64;
        let delta = value - mean.total();
        mean = mean.add(delta / count, window.profile);
        squares = squares.add(delta * (value - mean.total()), window.profile);
    }
    Some(squares.total() / window.points.len() as f64)
}

/// `stddev_over_time`
pub(super) fn stddev(window: &Window<'_>) -> Option<f64> {
    stdvar(window).map(f64::sqrt)
}

/// `quantile_over_time`
pub(super) fn quantile_over_time(window: &Window<'_>, q: f64) -> Option<f64> {
    Some(quantile(q, window.values().collect(), window.profile))
}

/// `holt_winters`, `double_exponential_smoothing`
/// (prometheus 2.42 promql/functions.go `funcHoltWinters`, `calcTrendValue`).
pub(super) fn smooth(window: &Window<'_>, factor: f64, trend_factor: f64) -> Option<f64> {
    if window.points.len() < 2 {
        return None;
    }
    let (mut before, mut smoothed) = (0.0, window.points[0].1);
    let mut trend = window.points[1].1 - smoothed;
    for (i, value) in window.values().enumerate().skip(1) {
        let scaled = factor * value;
        if i > 1 {
            trend = trend_factor * (smoothed - before) + (1.0 - trend_factor) * trend;
        }
        let next = scaled + (1.0 - factor) * (smoothed + trend);
        (before, smoothed) = (smoothed, next);
    }
    Some(smoothed)
}
