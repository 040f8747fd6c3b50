//! What the HPA is told while a trigger fails (kedacore/keda 2.20 pkg/fallback/fallback.go).
//!
//! The failures of each metric in a row are counted; more than the threshold, and the HPA gets a value
//! that makes it compute the fallback's replicas. Until then it gets the error, on which it does nothing.

use super::health::Record;
use super::scaler::{Error, truncate};
use super::spec::{Fallback, FallbackBehavior, MetricType, ScaledObject};
use super::version::{FallbackArithmetic, Profile};
use crate::quantity::Quantity;

/// The target as KEDA sees it when it falls back.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// spec.replicas
    pub current: i32,
    /// Pods that run and are Ready.
    pub ready: i32,
}

/// What is reported of a metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Reported {
    /// The value read.
    Value(Quantity),
    /// The fallback's value.
    Fallback(Quantity),
    /// Nil in the formula, whose matter the fallback is.
    Nil,
    /// An error.
    Failed,
}

/// Counts a reading and says what is reported (`GetMetricsWithFallback`).
pub fn metrics_with_fallback(
    object: &ScaledObject,
    profile: &Profile,
    record: &mut Record<'_>,
    metric: &Metric<'_>,
    reading: Result<Quantity, Error>,
    target: Target,
) -> Reported {
    let enabled = object.spec.fallback.filter(|fallback| {
        let supported = profile.fallback_value || metric.metric_type == MetricType::AverageValue;
        supported && is_valid(object, profile, fallback)
    });
    let threshold = enabled.map(|fallback| fallback.failure_threshold);
    record.count(metric.name, threshold, reading.is_err());
    if let Ok(value) = reading {
        return Reported::Value(value);
    }
    let failures = record.seen().failures(metric.name);
    let Some(fallback) = enabled.filter(|fallback| failures > fallback.failure_threshold) else {
        return Reported::Failed;
    };
    if profile.fallback_behavior && fallback.behavior == FallbackBehavior::ScalingModifiers {
        return Reported::Nil;
    }
    match value(object, profile, &fallback, metric, target) {
        Some(value) => Reported::Fallback(value),
        None => Reported::Failed,
    }
}

/// The metric that failed, and what its trigger wants of it.
#[derive(Debug, Clone, Copy)]
pub struct Metric<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its target's type.
    pub metric_type: MetricType,
    /// Its target.
    pub target: Quantity,
}

/// Nonsense counts as no fallback (`HasValidFallback`).
fn is_valid(object: &ScaledObject, profile: &Profile, fallback: &Fallback) -> bool {
    let modifiers = object.spec.advanced.scaling_modifiers.as_ref();
    let own_target = profile.fallback_arithmetic != FallbackArithmetic::Milli;
    // The composite target has to be a whole number for this.
    let whole =
        modifiers.is_none_or(|it| !own_target || (it.target > 0.0 && it.target == libm::trunc(it.target)));
    fallback.failure_threshold >= 0 && fallback.replicas >= 0 && whole
}

/// The value that makes the HPA compute the replicas (`doFallback`); `None` where there is none.
fn value(
    object: &ScaledObject,
    profile: &Profile,
    fallback: &Fallback,
    metric: &Metric<'_>,
    target: Target,
) -> Option<Quantity> {
    let fixed = fallback.replicas;
    let replicas = match fallback.behavior {
        _ if !profile.fallback_behavior => fixed,
        FallbackBehavior::Static | FallbackBehavior::ScalingModifiers => fixed,
        FallbackBehavior::CurrentReplicas => target.current,
        FallbackBehavior::CurrentReplicasIfHigher => fixed.max(target.current),
        FallbackBehavior::CurrentReplicasIfLower => fixed.min(target.current),
    };
    let modifiers = object.spec.advanced.scaling_modifiers.as_ref();
    let modifiers = modifiers.filter(|_| profile.fallback_arithmetic != FallbackArithmetic::Milli);
    let wanted = modifiers.map_or(metric.target.as_f64(), |it| it.target);
    let milli = match profile.fallback_arithmetic {
        FallbackArithmetic::Milli => truncate(wanted * 1000.0).wrapping_mul(i64::from(replicas)),
        FallbackArithmetic::Whole => truncate(wanted)
            .wrapping_mul(1000)
            .wrapping_mul(i64::from(replicas)),
        FallbackArithmetic::Float => {
            let metric_type = modifiers.map_or(metric.metric_type, |it| it.metric_type);
            let share = match metric_type {
                MetricType::AverageValue => f64::from(replicas),
                // The HPA will multiply by the ready pods.
                MetricType::Value if target.ready == 0 => return None,
                MetricType::Value => f64::from(replicas) / f64::from(target.ready),
            };
            truncate(wanted * 1000.0 * share)
        }
    };
    Some(Quantity::from_milli(milli))
}
