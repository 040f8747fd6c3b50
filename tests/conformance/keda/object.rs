//! ScaledObjects as the vectors write them, in the model's types.

use std::time::Duration;

use model::api::Labels;
use model::hpa::{self, Resource};
use model::id::DeploymentId;
use model::keda::spec::{
    Advanced, Cron, Fallback, FallbackBehavior, MetricType, Prometheus, ScaledObject, ScalingModifiers, Spec,
    Trigger, TriggerKind,
};
use model::keda::{Answer, spec};
use serde::Deserialize;
use sim::{Instant, SortedMap};

use crate::hpa::json::{BehaviorJson, quantity};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ObjectJson {
    name: String,
    #[serde(default)]
    annotations: Labels,
    spec: SpecJson,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct SpecJson {
    polling_interval: Option<u64>,
    cooldown_period: Option<u64>,
    initial_cooldown_period: Option<u64>,
    min_replica_count: Option<i32>,
    max_replica_count: Option<i32>,
    idle_replica_count: Option<i32>,
    fallback: Option<FallbackJson>,
    #[serde(default)]
    advanced: AdvancedJson,
    triggers: Vec<TriggerJson>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct FallbackJson {
    failure_threshold: i32,
    replicas: i32,
    behavior: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct AdvancedJson {
    scaling_modifiers: Option<ModifiersJson>,
    #[serde(default)]
    horizontal_pod_autoscaler_config: ConfigJson,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct ConfigJson {
    name: Option<String>,
    behavior: Option<BehaviorJson>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ModifiersJson {
    formula: String,
    target: String,
    activation_target: Option<String>,
    metric_type: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct TriggerJson {
    r#type: String,
    name: Option<String>,
    metric_type: Option<String>,
    #[serde(default)]
    use_cached_metrics: bool,
    metadata: SortedMap<String, String>,
}

#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields)]
pub(crate) struct AnswerJson {
    vector: Option<Vec<String>>,
    scalar: Option<String>,
    #[serde(default)]
    garbage: bool,
}

impl AnswerJson {
    pub(crate) fn resolve(&self) -> Answer {
        match (&self.vector, &self.scalar, self.garbage) {
            (Some(values), ..) => Answer::Vector(values.iter().map(|text| number(text)).collect()),
            (None, Some(text), _) => Answer::Scalar(number(text)),
            (None, None, _) => Answer::Error,
        }
    }
}

fn number(text: &str) -> f64 {
    text.parse().unwrap_or_else(|_| panic!("{text} is a number"))
}

fn metric_type(text: Option<&str>) -> MetricType {
    match text {
        None | Some("AverageValue") => MetricType::AverageValue,
        Some("Value") => MetricType::Value,
        Some(other) => panic!("metricType {other}"),
    }
}

/// A `prometheus` trigger's metadata.
pub(crate) fn prometheus(metadata: &SortedMap<String, String>) -> Prometheus {
    let known = [
        "serverAddress",
        "query",
        "threshold",
        "activationThreshold",
        "ignoreNullValues",
    ];
    for key in metadata.keys() {
        assert!(known.contains(&key.as_str()), "metadata.{key}");
    }
    Prometheus {
        server_address: metadata["serverAddress"].clone(),
        query: metadata["query"].clone(),
        threshold: number(&metadata["threshold"]),
        activation_threshold: metadata
            .get("activationThreshold")
            .map_or(0.0, |text| number(text)),
        ignore_null_values: metadata.get("ignoreNullValues").is_none_or(|text| text == "true"),
        metric_name: None,
        timeout: None,
    }
}

impl TriggerJson {
    fn resolve(&self) -> Trigger {
        let resource = |resource| TriggerKind::Resource {
            resource,
            container: self.metadata.get("containerName").cloned(),
            target: match self.metric_type.as_deref() {
                Some("Utilization") => {
                    hpa::Target::AverageUtilization(number(&self.metadata["value"]) as i32)
                }
                _ => hpa::Target::AverageValue(quantity(&self.metadata["value"])),
            },
        };
        let kind = match self.r#type.as_str() {
            "prometheus" => TriggerKind::Prometheus(prometheus(&self.metadata)),
            "cron" => TriggerKind::Cron(Cron {
                timezone: self.metadata["timezone"].clone(),
                start: self.metadata["start"].clone(),
                end: self.metadata["end"].clone(),
                desired_replicas: number(&self.metadata["desiredReplicas"]) as i64,
            }),
            "cpu" => resource(Resource::Cpu),
            "memory" => resource(Resource::Memory),
            other => panic!("trigger {other}"),
        };
        Trigger {
            name: self.name.clone(),
            use_cached_metrics: self.use_cached_metrics,
            metric_type: match kind {
                TriggerKind::Resource { .. } => MetricType::default(),
                _ => metric_type(self.metric_type.as_deref()),
            },
            kind,
        }
    }
}

impl ObjectJson {
    pub(crate) fn resolve(&self) -> ScaledObject {
        let spec = &self.spec;
        let seconds = |field: Option<u64>, or: Duration| field.map_or(or, Duration::from_secs);
        let behavior = |text: Option<&str>| match text {
            None | Some("static") => FallbackBehavior::Static,
            Some("currentReplicas") => FallbackBehavior::CurrentReplicas,
            Some("currentReplicasIfHigher") => FallbackBehavior::CurrentReplicasIfHigher,
            Some("currentReplicasIfLower") => FallbackBehavior::CurrentReplicasIfLower,
            Some("scalingModifiers") => FallbackBehavior::ScalingModifiers,
            Some(other) => panic!("fallback.behavior {other}"),
        };
        let config = &spec.advanced.horizontal_pod_autoscaler_config;
        let modifiers = spec.advanced.scaling_modifiers.as_ref();
        ScaledObject {
            name: self.name.clone(),
            namespace: "default".to_owned(),
            annotations: self.annotations.clone(),
            created: Instant::ZERO,
            deleting: false,
            generation: 1,
            target: DeploymentId(0),
            spec: Spec {
                polling_interval: seconds(spec.polling_interval, spec::DEFAULT_POLLING_INTERVAL),
                cooldown_period: seconds(spec.cooldown_period, spec::DEFAULT_COOLDOWN_PERIOD),
                initial_cooldown_period: seconds(spec.initial_cooldown_period, Duration::ZERO),
                min_replica_count: spec.min_replica_count,
                max_replica_count: spec.max_replica_count,
                idle_replica_count: spec.idle_replica_count,
                fallback: spec.fallback.as_ref().map(|fallback| Fallback {
                    failure_threshold: fallback.failure_threshold,
                    replicas: fallback.replicas,
                    behavior: behavior(fallback.behavior.as_deref()),
                }),
                advanced: Advanced {
                    hpa_name: config.name.clone(),
                    behavior: config.behavior.as_ref().map(BehaviorJson::resolve),
                    restore_to_original_replica_count: false,
                    scaling_modifiers: modifiers.map(|it| ScalingModifiers {
                        formula: it.formula.clone(),
                        target: number(&it.target),
                        activation_target: it.activation_target.as_deref().map_or(0.0, number),
                        metric_type: metric_type(it.metric_type.as_deref()),
                    }),
                },
                triggers: spec.triggers.iter().map(TriggerJson::resolve).collect(),
            },
        }
    }
}
