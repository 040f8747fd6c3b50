//! ScaledObjects, resolved: units in types, triggers parsed.

use std::time::Duration;

use sim::Instant;

use crate::api::Labels;
use crate::hpa;
use crate::id::DeploymentId;

/// A ScaledObject (`keda.sh/v1alpha1`).
#[derive(Debug, Clone, PartialEq)]
pub struct ScaledObject {
    /// metadata.name
    pub name: String,
    /// metadata.namespace
    pub namespace: String,
    /// metadata.annotations: pausing is done by them
    pub annotations: Labels,
    /// metadata.creationTimestamp
    pub created: Instant,
    /// metadata.deletionTimestamp is set: the object stays until KEDA takes `finalizer.keda.sh` off it
    pub deleting: bool,
    /// metadata.generation: counts changes of the spec
    pub generation: u64,
    /// spec.scaleTargetRef: always a Deployment
    pub target: DeploymentId,
    /// spec
    pub spec: Spec,
}

/// What a ScaledObject asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    /// spec.pollingInterval; [`DEFAULT_POLLING_INTERVAL`] if unset
    pub polling_interval: Duration,
    /// spec.cooldownPeriod; [`DEFAULT_COOLDOWN_PERIOD`] if unset
    pub cooldown_period: Duration,
    /// spec.initialCooldownPeriod; 0 if unset
    pub initial_cooldown_period: Duration,
    /// spec.minReplicaCount
    pub min_replica_count: Option<i32>,
    /// spec.maxReplicaCount
    pub max_replica_count: Option<i32>,
    /// spec.idleReplicaCount
    pub idle_replica_count: Option<i32>,
    /// spec.fallback
    pub fallback: Option<Fallback>,
    /// spec.advanced
    pub advanced: Advanced,
    /// spec.triggers
    pub triggers: Vec<Trigger>,
}

impl Spec {
    /// The names that a formula may use: those of the triggers, but for cpu and memory.
    pub fn formula_names(&self) -> impl Iterator<Item = &str> {
        let external = self.triggers.iter();
        let external = external.filter(|trigger| !matches!(trigger.kind, TriggerKind::Resource { .. }));
        external.filter_map(|trigger| trigger.name.as_deref())
    }
}

/// spec.pollingInterval if unset (kedacore/keda 2.20 apis/keda/v1alpha1/withtriggers_types.go
/// `GetPollingInterval`).
pub const DEFAULT_POLLING_INTERVAL: Duration = Duration::from_secs(30);
/// spec.cooldownPeriod if unset (kedacore/keda 2.20 pkg/scaling/executor/scale_executor.go).
pub const DEFAULT_COOLDOWN_PERIOD: Duration = Duration::from_secs(300);
/// spec.maxReplicaCount if unset (kedacore/keda 2.20 apis/keda/v1alpha1/scaledobject_types.go
/// `GetHPAMaxReplicas`).
pub const DEFAULT_MAX_REPLICAS: i32 = 100;

/// spec.fallback: how many replicas while metrics fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fallback {
    /// failureThreshold: more failures in a row than this
    pub failure_threshold: i32,
    /// replicas
    pub replicas: i32,
    /// behavior
    pub behavior: FallbackBehavior,
}

/// spec.fallback.behavior
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FallbackBehavior {
    /// `static`: fallback.replicas.
    #[default]
    Static,
    /// `currentReplicas`
    CurrentReplicas,
    /// `currentReplicasIfHigher`
    CurrentReplicasIfHigher,
    /// `currentReplicasIfLower`
    CurrentReplicasIfLower,
    /// `scalingModifiers` (2.20): the failed trigger is nil in the formula.
    ScalingModifiers,
}

/// spec.advanced
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Advanced {
    /// horizontalPodAutoscalerConfig.name
    pub hpa_name: Option<String>,
    /// horizontalPodAutoscalerConfig.behavior
    pub behavior: Option<hpa::Behavior>,
    /// restoreToOriginalReplicaCount
    pub restore_to_original_replica_count: bool,
    /// scalingModifiers
    pub scaling_modifiers: Option<ScalingModifiers>,
}

/// spec.advanced.scalingModifiers: one composite metric made of all external triggers.
#[derive(Debug, Clone, PartialEq)]
pub struct ScalingModifiers {
    /// formula, over the triggers' names
    pub formula: String,
    /// target
    pub target: f64,
    /// activationTarget
    pub activation_target: f64,
    /// metricType
    pub metric_type: MetricType,
}

/// The type of an external metric's target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MetricType {
    /// The value divided by the pods.
    #[default]
    AverageValue,
    /// The value as it is.
    Value,
}

/// One of spec.triggers.
#[derive(Debug, Clone, PartialEq)]
pub struct Trigger {
    /// name; scaling modifiers need it
    pub name: Option<String>,
    /// useCachedMetrics: the HPA gets the value of the last poll
    pub use_cached_metrics: bool,
    /// metricType, of external triggers
    pub metric_type: MetricType,
    /// type and metadata
    pub kind: TriggerKind,
}

impl Trigger {
    /// The PromQL that it asks, if it asks any.
    #[must_use]
    pub fn query(&self) -> Option<&String> {
        match &self.kind {
            TriggerKind::Prometheus(prometheus) => Some(&prometheus.query),
            TriggerKind::Cron(_) | TriggerKind::Resource { .. } => None,
        }
    }
}

/// What a trigger looks at.
#[derive(Debug, Clone, PartialEq)]
pub enum TriggerKind {
    /// `prometheus`
    Prometheus(Prometheus),
    /// `cron`
    Cron(Cron),
    /// `cpu` or `memory`: a resource metric of the HPA, which KEDA itself never sees.
    Resource {
        /// Which.
        resource: hpa::Resource,
        /// metadata.containerName
        container: Option<String>,
        /// metadata.value, by metricType
        target: hpa::Target,
    },
}

/// A `prometheus` trigger's metadata.
#[derive(Debug, Clone, PartialEq)]
pub struct Prometheus {
    /// serverAddress
    pub server_address: String,
    /// query
    pub query: String,
    /// threshold
    pub threshold: f64,
    /// activationThreshold
    pub activation_threshold: f64,
    /// ignoreNullValues
    pub ignore_null_values: bool,
    /// metricName, part of the metric's name before 2.12
    pub metric_name: Option<String>,
    /// timeout of one query
    pub timeout: Option<Duration>,
}

/// A `cron` trigger's metadata.
#[derive(Debug, Clone, PartialEq)]
pub struct Cron {
    /// timezone, an IANA name
    pub timezone: String,
    /// start, five fields
    pub start: String,
    /// end, five fields
    pub end: String,
    /// desiredReplicas
    pub desired_replicas: i64,
}
