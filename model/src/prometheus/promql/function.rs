//! Functions by name, and since when each exists.

use regex::Regex;

use super::date::Part;
use super::range::{self, RangeFunction};
use crate::prometheus::version::Profile;

/// A function, as far as it can be known before evaluation.
#[derive(Debug, Clone)]
pub(super) enum Function {
    /// Of each element's value; drops the metric name.
    Map(fn(f64) -> f64),
    /// Part of a date, of each element's value or of the evaluation time.
    Date(Part),
    /// Of each series' samples in a window; drops the metric name.
    Range(RangeFunction),
    /// The same, but keeps the metric name: `last_over_time`.
    RangeNamed(RangeFunction),
    PredictLinear,
    QuantileOverTime,
    /// `holt_winters`; the parser knows it by its later name.
    Smooth,
    Absent,
    AbsentOverTime,
    Clamp,
    ClampMin,
    ClampMax,
    Round,
    Scalar,
    Vector,
    Time,
    Pi,
    Timestamp,
    /// `sort`, and `sort_desc` if true.
    Sort(bool),
    HistogramQuantile,
    /// `histogram_fraction`: of classic buckets too from 3.4 on.
    HistogramFraction,
    /// Looks at native histograms only, of which there are none.
    NativeOnly,
    LabelReplace(Box<LabelReplace>),
    LabelJoin(Box<LabelJoin>),
}

/// The parameters of `label_replace`, and its expression if it compiles.
#[derive(Debug, Clone)]
pub(super) struct LabelReplace {
    pub(super) destination: String,
    pub(super) replacement: String,
    pub(super) source: String,
    pub(super) pattern: String,
    pub(super) regex: Option<Regex>,
}

/// The parameters of `label_join`.
#[derive(Debug, Clone)]
pub(super) struct LabelJoin {
    pub(super) destination: String,
    pub(super) separator: String,
    pub(super) sources: Vec<String>,
}

/// Finds a function of a release (prometheus promql/parser/functions.go of each release). What a release has
/// only behind the flag `promql-experimental-functions` it does not have.
pub(super) fn find(name: &str, profile: &Profile) -> Option<Function> {
    use Function::{Date, Map, NativeOnly, Range, RangeNamed, Sort};
    let since = |major, minor| profile.version.since(major, minor);
    let function = match name {
        "abs" => Map(f64::abs),
        "ceil" => Map(f64::ceil),
        "floor" => Map(f64::floor),
        "sqrt" => Map(f64::sqrt),
        "exp" => Map(libm::exp),
        "ln" => Map(libm::log),
        "log2" => Map(libm::log2),
        "log10" => Map(libm::log10),
        "sin" => Map(libm::sin),
        "cos" => Map(libm::cos),
        "tan" => Map(libm::tan),
        "asin" => Map(libm::asin),
        "acos" => Map(libm::acos),
        "atan" => Map(libm::atan),
        "sinh" => Map(libm::sinh),
        "cosh" => Map(libm::cosh),
        "tanh" => Map(libm::tanh),
        "asinh" => Map(libm::asinh),
        "acosh" => Map(libm::acosh),
        "atanh" => Map(libm::atanh),
        "rad" if profile.angles_by_factor => Map(|v| v * (std::f64::consts::PI / 180.0)),
        "deg" if profile.angles_by_factor => Map(|v| v * (180.0 / std::f64::consts::PI)),
        "rad" => Map(|v| v * std::f64::consts::PI / 180.0),
        "deg" => Map(|v| v * 180.0 / std::f64::consts::PI),
        "sgn" => Map(sign),
        "minute" => Date(Part::Minute),
        "hour" => Date(Part::Hour),
        "day_of_week" => Date(Part::DayOfWeek),
        "day_of_month" => Date(Part::DayOfMonth),
        "day_of_year" => Date(Part::DayOfYear),
        "days_in_month" => Date(Part::DaysInMonth),
        "month" => Date(Part::Month),
        "year" => Date(Part::Year),
        "rate" => Range(range::rate),
        "increase" => Range(range::increase),
        "delta" => Range(range::delta),
        "irate" => Range(range::irate),
        "idelta" => Range(range::idelta),
        "deriv" => Range(range::deriv),
        "changes" => Range(range::changes),
        "resets" => Range(range::resets),
        "sum_over_time" => Range(range::sum),
        "avg_over_time" => Range(range::avg),
        "count_over_time" => Range(range::count),
        "present_over_time" => Range(range::present),
        "max_over_time" => Range(range::max),
        "min_over_time" => Range(range::min),
        "stddev_over_time" => Range(range::stddev),
        "stdvar_over_time" => Range(range::stdvar),
        "last_over_time" => RangeNamed(range::last),
        "first_over_time" if since(3, 14) => RangeNamed(range::first),
        "predict_linear" => Function::PredictLinear,
        "quantile_over_time" => Function::QuantileOverTime,
        "double_exponential_smoothing" if !profile.v3 => Function::Smooth,
        "absent" => Function::Absent,
        "absent_over_time" => Function::AbsentOverTime,
        "clamp" => Function::Clamp,
        "clamp_min" => Function::ClampMin,
        "clamp_max" => Function::ClampMax,
        "round" => Function::Round,
        "scalar" => Function::Scalar,
        "vector" => Function::Vector,
        "time" => Function::Time,
        "pi" => Function::Pi,
        "timestamp" => Function::Timestamp,
        "sort" => Sort(false),
        "sort_desc" => Sort(true),
        "histogram_quantile" => Function::HistogramQuantile,
        "histogram_fraction" if since(3, 4) => Function::HistogramFraction,
        "histogram_fraction" | "histogram_count" | "histogram_sum" => NativeOnly,
        "histogram_stddev" | "histogram_stdvar" if since(2, 47) => NativeOnly,
        "histogram_avg" if since(2, 51) => NativeOnly,
        _ => return None,
    };
    Some(function)
}

/// Keeps zeros and NaN as they are.
fn sign(value: f64) -> f64 {
    if value < 0.0 {
        -1.0
    } else if value > 0.0 {
        1.0
    } else {
        value
    }
}
