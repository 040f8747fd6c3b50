//! The HPA that a ScaledObject asks for.

use model::hpa::{Behavior, Metric, Source};
use model::keda::{Profile, annotation, generated};
use serde::Deserialize;
use sim::Instant;

use super::object::ObjectJson;
use crate::hpa::json::{BehaviorJson, MetricJson};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    id: String,
    object: ObjectJson,
    expect: Expect,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expect {
    name: Option<String>,
    spec: Option<SpecJson>,
    error: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct SpecJson {
    #[serde(rename = "scaleTargetRef")]
    _target: serde_json::Value,
    min_replicas: i32,
    max_replicas: i32,
    metrics: Vec<MetricJson>,
    behavior: Option<BehaviorJson>,
}

/// What the vectors' own reader leaves out: whose metric it is.
fn without_selector(mut metric: Metric) -> Metric {
    if let Source::External { selector, .. } = &mut metric.source {
        *selector = None;
    }
    metric
}

fn check(case: &Case, minor: u32) -> Option<String> {
    let profile = Profile::of(minor);
    let object = case.object.resolve();
    let Some(expected) = &case.expect.spec else {
        // Paused: there is no HPA, or none that matters.
        let paused =
            annotation::is_paused(&object, &profile) || annotation::paused_replicas(&object).is_some();
        let error = case.expect.error.as_deref();
        return (!paused).then(|| format!("{}: expected {error:?}, found an HPA", case.id));
    };
    let id = model::id::ScaledObjectId(0);
    let found = generated::hpa(id, &object, &profile, Instant::ZERO);
    let metrics: Vec<Metric> = found.spec.metrics.iter().cloned().map(without_selector).collect();
    let wanted: Vec<Metric> = expected.metrics.iter().map(MetricJson::resolve).collect();
    let behavior: Option<Behavior> = expected.behavior.as_ref().map(BehaviorJson::resolve);
    let wrong = [
        (Some(found.name.as_str()) != case.expect.name.as_deref()).then(|| format!("name {}", found.name)),
        (found.spec.min_replicas != expected.min_replicas)
            .then(|| format!("min {}", found.spec.min_replicas)),
        (found.spec.max_replicas != expected.max_replicas)
            .then(|| format!("max {}", found.spec.max_replicas)),
        (metrics != wanted).then(|| format!("expected {wanted:?}, found {metrics:?}")),
        (found.spec.behavior != behavior)
            .then(|| format!("expected {behavior:?}, found {:?}", found.spec.behavior)),
    ];
    let wrong: Vec<String> = wrong.into_iter().flatten().collect();
    (!wrong.is_empty()).then(|| format!("{}: {}", case.id, wrong.join("; ")))
}

#[test]
fn generated_hpas_are_upstreams() {
    super::check_part("hpa", check);
}
