//! The HPA that a ScaledObject asks for (kedacore/keda 2.20 controllers/keda/hpa.go
//! `newHPAForScaledObject`, `getScaledObjectMetricSpecs`).

use std::time::Duration;

use sim::Instant;

use super::annotation;
use super::scaler;
use super::spec::{DEFAULT_MAX_REPLICAS, MetricType, ScaledObject, Spec, Trigger, TriggerKind};
use super::version::Profile;
use crate::api::{Expression, LabelSelector, Operator};
use crate::hpa::spec::{Rules, ScalingRules, SelectPolicy};
use crate::hpa::{self, Behavior, Hpa, Metric, Source, Target};
use crate::id::ScaledObjectId;
use crate::quantity::Quantity;

/// The metric that scaling modifiers make of all external triggers.
pub const COMPOSITE_METRIC: &str = "composite-metric";

/// The label by which the metrics adapter knows whose metric is asked for.
const OWNER_LABEL: &str = "scaledobject.keda.sh/name";

/// metadata.name
#[must_use]
pub fn hpa_name(scaled_object: &str, spec: &Spec) -> String {
    match &spec.advanced.hpa_name {
        Some(name) if !name.is_empty() => name.clone(),
        _ => format!("keda-hpa-{scaled_object}"),
    }
}

/// The whole object, as it is created.
#[must_use]
pub fn hpa(id: ScaledObjectId, object: &ScaledObject, profile: &Profile, now: Instant) -> Hpa {
    Hpa {
        name: hpa_name(&object.name, &object.spec),
        namespace: object.namespace.clone(),
        created: now,
        owner: Some(id),
        target: object.target,
        spec: hpa_spec(object, profile).into(),
        status: hpa::Status::default(),
    }
}

/// spec
#[must_use]
pub fn hpa_spec(object: &ScaledObject, profile: &Profile) -> hpa::Spec {
    let spec = &object.spec;
    let mut min = spec.min_replica_count.filter(|min| *min > 0).unwrap_or(1);
    let mut max = spec.max_replica_count.unwrap_or(DEFAULT_MAX_REPLICAS);
    if !profile.pause_by_reconciler
        && let Some(paused) = annotation::paused_replicas(object)
    {
        // An HPA's minimum cannot be 0.
        min = if paused == 0 { 1 } else { paused };
        max = min;
    }
    hpa::Spec {
        min_replicas: min,
        max_replicas: max,
        metrics: metrics(object, profile),
        behavior: behavior(object, profile),
    }
}

/// Whether an HPA has all that is wanted of it, and maybe more (kedacore/keda 2.12 controllers/keda/hpa.go
/// `updateHPAIfNeeded`; kubernetes 1.27 staging/src/k8s.io/apimachinery/third_party/forked/golang/reflect/deep_equal.go
/// `DeepDerivative`). What the HPA does not say the API server has filled in.
#[must_use]
pub fn has_all(found: &hpa::Spec, wanted: &hpa::Spec) -> bool {
    let replicas = (found.min_replicas, found.max_replicas) == (wanted.min_replicas, wanted.max_replicas);
    let behavior = has_behavior(found.behavior.as_ref(), wanted.behavior.as_ref());
    behavior && replicas && found.metrics == wanted.metrics
}

/// The same of the behavior alone.
#[must_use]
pub fn has_behavior(found: Option<&Behavior>, wanted: Option<&Behavior>) -> bool {
    let (Some(found), Some(wanted)) = (found, wanted) else {
        return wanted.is_none();
    };
    let (up, down) = found.rules(Duration::ZERO);
    // The API server knows no window of scaleDown: that is the controller's flag.
    let up_window = Some(up.stabilization_window);
    let down_window = found.scale_down.stabilization_window;
    has_rules(up, up_window, &found.scale_up, &wanted.scale_up)
        && has_rules(down, down_window, &found.scale_down, &wanted.scale_down)
}

/// The same of a direction.
fn has_rules(
    filled: Rules<'_>,
    window: Option<Duration>,
    found: &ScalingRules,
    wanted: &ScalingRules,
) -> bool {
    let policies = wanted.policies.as_deref().unwrap_or_default();
    wanted.stabilization_window.is_none_or(|own| Some(own) == window)
        && wanted.select_policy.is_none_or(|own| own == filled.select_policy)
        && wanted.tolerance.is_none_or(|own| Some(own) == found.tolerance)
        && filled.policies.starts_with(policies)
}

/// The behavior as far as the release has its fields, with a direction disabled by annotation.
fn behavior(object: &ScaledObject, profile: &Profile) -> Option<Behavior> {
    let mut behavior = object.spec.advanced.behavior.clone();
    if !profile.behavior_tolerance
        && let Some(both) = &mut behavior
    {
        both.scale_up.tolerance = None;
        both.scale_down.tolerance = None;
    }
    if annotation::pauses_scale_in(object, profile) {
        let rules = &mut behavior.get_or_insert_default().scale_down;
        rules.select_policy = Some(SelectPolicy::Disabled);
    }
    if annotation::pauses_scale_out(object, profile) {
        let rules = &mut behavior.get_or_insert_default().scale_up;
        rules.select_policy = Some(SelectPolicy::Disabled);
    }
    behavior
}

/// One metric for each trigger, in order of their types' names; with scaling modifiers, one composite
/// metric instead of all external ones.
fn metrics(object: &ScaledObject, profile: &Profile) -> Vec<Metric> {
    let triggers = object.spec.triggers.iter().enumerate();
    let mut metrics: Vec<Metric> = triggers
        .map(|(index, trigger)| metric(object, index, trigger, profile))
        .collect();
    metrics.sort_by_key(|metric| type_name(&metric.source));
    let modifiers = object.spec.advanced.scaling_modifiers.as_ref();
    if let Some(modifiers) = modifiers.filter(|it| profile.scaling_modifiers && it.target > 0.0) {
        // Container resources go as well.
        metrics.retain(|metric| matches!(metric.source, Source::Resource(_)));
        let target = Quantity::from_milli(scaler::truncate(modifiers.target * 1000.0));
        metrics.push(Metric {
            source: external(object, COMPOSITE_METRIC.to_owned()),
            target: external_target(modifiers.metric_type, target),
        });
    }
    metrics
}

fn metric(object: &ScaledObject, index: usize, trigger: &Trigger, profile: &Profile) -> Metric {
    let (source, target) = match &trigger.kind {
        TriggerKind::Resource {
            resource,
            container,
            target,
        } => {
            let source = match container {
                Some(container) => Source::ContainerResource {
                    resource: *resource,
                    container: container.clone(),
                },
                None => Source::Resource(*resource),
            };
            (source, *target)
        }
        TriggerKind::Prometheus(_) | TriggerKind::Cron(_) => {
            let name = scaler::metric_name(index, trigger, profile).expect("an external trigger has a name");
            let target = external_target(trigger.metric_type, threshold(trigger, profile));
            (external(object, name), target)
        }
    };
    Metric { source, target }
}

/// An external trigger's threshold, through the same conversion as its values.
pub(super) fn threshold(trigger: &Trigger, profile: &Profile) -> Quantity {
    match &trigger.kind {
        TriggerKind::Prometheus(metadata) => scaler::quantity(metadata.threshold, profile),
        // The HPA shall want as many replicas as the value says.
        TriggerKind::Cron(_) => Quantity::from_whole(1),
        TriggerKind::Resource { .. } => unreachable!("a resource is no external metric"),
    }
}

fn external_target(metric_type: MetricType, quantity: Quantity) -> Target {
    match metric_type {
        MetricType::AverageValue => Target::AverageValue(quantity),
        MetricType::Value => Target::Value(quantity),
    }
}

fn external(object: &ScaledObject, name: String) -> Source {
    let selector = LabelSelector {
        expressions: vec![Expression {
            key: OWNER_LABEL.to_owned(),
            operator: Operator::In,
            values: vec![object.name.clone()],
        }],
    };
    Source::External {
        name,
        selector: Some(selector),
    }
}

fn type_name(source: &Source) -> &'static str {
    match source {
        Source::ContainerResource { .. } => "ContainerResource",
        Source::External { .. } => "External",
        Source::Object { .. } => "Object",
        Source::Pods { .. } => "Pods",
        Source::Resource(_) => "Resource",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hpa::spec::{Policy, PolicyKind};

    fn down(window: Option<u64>, policies: &[i32]) -> Option<Behavior> {
        let policy = |value: &i32| Policy {
            kind: PolicyKind::Pods,
            value: *value,
            period: Duration::from_secs(60),
        };
        let mut behavior = Behavior::default();
        behavior.scale_down.stabilization_window = window.map(Duration::from_secs);
        behavior.scale_down.policies = Some(policies.iter().map(policy).collect());
        Some(behavior)
    }

    #[test]
    fn what_is_not_wanted_counts_as_equal() {
        let has = |wanted: Option<Behavior>| has_behavior(down(Some(600), &[2, 4]).as_ref(), wanted.as_ref());
        assert!(has(None));
        assert!(has(down(None, &[2, 4])));
        assert!(has(down(Some(600), &[2])));
        assert!(has(down(Some(600), &[])));
        assert!(!has(down(Some(0), &[2, 4])));
        assert!(!has(down(None, &[4])));
        assert!(!has(down(None, &[2, 4, 6])));
        assert!(!has_behavior(None, Some(&Behavior::default())));
        // What nobody wrote the API server has filled in.
        let mut wanted = Behavior::default();
        wanted.scale_up.stabilization_window = Some(Duration::ZERO);
        assert!(has_behavior(Some(&Behavior::default()), Some(&wanted)));
        wanted.scale_down.stabilization_window = Some(Duration::from_secs(300));
        assert!(!has_behavior(Some(&Behavior::default()), Some(&wanted)));
    }
}
