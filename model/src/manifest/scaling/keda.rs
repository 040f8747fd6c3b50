//! KEDA's ScaledObjects.

use std::sync::LazyLock;
use std::time::Duration;

use jiff::tz::TimeZoneDatabase;

use super::super::Reading;
use super::super::pod_fields::{METADATA, TOP};
use super::hpa::{BEHAVIOR, behavior};
use super::{ScaledObject, target};
use crate::cron::Schedule;
use crate::document::fields::{Field, Schema, noted, quiet, simulated, table};
use crate::document::{Cursor, closest};
use crate::hpa::{Resource, Target};
use crate::keda::formula::{self, Formula};
use crate::keda::spec::{
    Advanced, Cron, DEFAULT_COOLDOWN_PERIOD, DEFAULT_MAX_REPLICAS, DEFAULT_POLLING_INTERVAL, Fallback,
    FallbackBehavior, MetricType, Prometheus, ScalingModifiers, Spec, Trigger, TriggerKind,
};
use crate::quantity::Quantity;

/// The table of ScaledObjects. What a trigger's metadata holds depends on its type.
pub(in crate::manifest) const SCALED_OBJECT: &[Field] = &[
    table("", TOP),
    table("metadata", METADATA),
    noted(
        "metadata.annotations",
        "autoscaling.keda.sh/paused and its relatives are acted on",
    ),
    simulated("spec.scaleTargetRef.name"),
    noted("spec.scaleTargetRef.kind", "only Deployments are simulated"),
    quiet("spec.scaleTargetRef.apiVersion", "there is one"),
    quiet(
        "spec.scaleTargetRef.envSourceContainerName",
        "triggers take nothing from environments here",
    ),
    simulated("spec.pollingInterval"),
    simulated("spec.cooldownPeriod"),
    noted(
        "spec.initialCooldownPeriod",
        "from KEDA 2.14 on; unknown before, and dropped",
    ),
    simulated("spec.minReplicaCount"),
    simulated("spec.maxReplicaCount"),
    simulated("spec.idleReplicaCount"),
    simulated("spec.fallback.failureThreshold"),
    simulated("spec.fallback.replicas"),
    noted(
        "spec.fallback.behavior",
        "from KEDA 2.17 on; scalingModifiers from 2.20 on",
    ),
    noted(
        "spec.advanced.restoreToOriginalReplicaCount",
        "when the ScaledObject is deleted",
    ),
    simulated("spec.advanced.horizontalPodAutoscalerConfig.name"),
    table("spec.advanced.horizontalPodAutoscalerConfig.behavior", BEHAVIOR),
    simulated("spec.advanced.scalingModifiers.formula"),
    simulated("spec.advanced.scalingModifiers.target"),
    simulated("spec.advanced.scalingModifiers.activationTarget"),
    simulated("spec.advanced.scalingModifiers.metricType"),
    noted(
        "spec.triggers[].type",
        "prometheus, cron, cpu and memory are simulated",
    ),
    simulated("spec.triggers[].name"),
    simulated("spec.triggers[].metricType"),
    noted("spec.triggers[].useCachedMetrics", "of prometheus triggers only"),
    noted("spec.triggers[].metadata", "by type, see below"),
    quiet(
        "spec.triggers[].authenticationRef",
        "the simulated Prometheus asks for no credentials",
    ),
];

const PROMETHEUS: &[Field] = &[
    noted(
        "serverAddress",
        "there is one Prometheus; its address is not compared",
    ),
    noted("query", "answered by the simulated Prometheus as written"),
    simulated("threshold"),
    simulated("activationThreshold"),
    simulated("ignoreNullValues"),
    noted("metricName", "part of the metric's name before KEDA 2.12"),
    noted("timeout", "from KEDA 2.17 on"),
    quiet("namespace", "it is for Thanos and Cortex tenants"),
    quiet("cortexOrgID", "it is for Cortex tenants"),
    quiet("customHeaders", "the simulated Prometheus reads none"),
    quiet("queryParameters", "the simulated Prometheus reads none"),
    quiet("authModes", "the simulated Prometheus asks for no credentials"),
    quiet("unsafeSsl", "the simulated Prometheus asks for no credentials"),
    quiet("awsRegion", "the simulated Prometheus asks for no credentials"),
    quiet(
        "identityOwner",
        "the simulated Prometheus asks for no credentials",
    ),
];

const CRON: &[Field] = &[
    simulated("timezone"),
    simulated("start"),
    simulated("end"),
    simulated("desiredReplicas"),
];

const RESOURCE: &[Field] = &[
    simulated("value"),
    noted(
        "type",
        "the former place of metricType: Utilization or AverageValue; refused from KEDA 2.18 on",
    ),
    simulated("containerName"),
];

/// The tables of triggers' metadata.
pub(in crate::manifest) const TRIGGERS: &[(&str, &[Field])] = &[
    ("metadata of a prometheus trigger", PROMETHEUS),
    ("metadata of a cron trigger", CRON),
    ("metadata of a cpu or memory trigger", RESOURCE),
];

static SCHEMAS: [LazyLock<Schema>; 3] = [
    LazyLock::new(|| Schema::new(PROMETHEUS)),
    LazyLock::new(|| Schema::new(CRON)),
    LazyLock::new(|| Schema::new(RESOURCE)),
];

/// A ScaledObject.
pub(crate) fn read_scaled_object(reading: &Reading<'_>) -> Option<ScaledObject> {
    let spec = reading.root.get("spec").required();
    let target = target(&spec.get("scaleTargetRef").required(), reading.namespace);
    let advanced = spec.get("advanced");
    let read = Spec {
        polling_interval: spec
            .get("pollingInterval")
            .seconds(1)
            .unwrap_or(DEFAULT_POLLING_INTERVAL),
        cooldown_period: spec
            .get("cooldownPeriod")
            .seconds(0)
            .unwrap_or(DEFAULT_COOLDOWN_PERIOD),
        initial_cooldown_period: spec
            .get("initialCooldownPeriod")
            .seconds(0)
            .unwrap_or(Duration::ZERO),
        min_replica_count: spec.get("minReplicaCount").count(0),
        max_replica_count: spec.get("maxReplicaCount").count(1),
        idle_replica_count: spec.get("idleReplicaCount").count(0),
        fallback: fallback(&spec.get("fallback")),
        advanced: Advanced {
            hpa_name: advanced
                .at("horizontalPodAutoscalerConfig.name")
                .name()
                .map(str::to_owned),
            behavior: behavior(&advanced.at("horizontalPodAutoscalerConfig.behavior")),
            restore_to_original_replica_count: advanced
                .get("restoreToOriginalReplicaCount")
                .bool()
                .unwrap_or(false),
            scaling_modifiers: scaling_modifiers(&advanced.get("scalingModifiers")),
        },
        triggers: spec
            .get("triggers")
            .required()
            .items()
            .iter()
            .filter_map(trigger)
            .collect(),
    };
    check_annotations(&reading.root.at("metadata.annotations"));
    check_counts(&spec, &read);
    check_triggers(&spec.get("triggers"), &read);
    check_formula(
        &advanced.at("scalingModifiers.formula"),
        &spec.get("triggers"),
        &read,
    );
    Some(ScaledObject {
        name: reading.object(),
        annotations: super::super::selector::annotations(&reading.root.at("metadata.annotations")),
        target: target?,
        spec: read,
    })
}

/// KEDA's own annotations, as far as they change what it does.
const ANNOTATIONS: [&str; 5] = [
    "autoscaling.keda.sh/paused",
    "autoscaling.keda.sh/paused-replicas",
    "autoscaling.keda.sh/paused-scale-in",
    "autoscaling.keda.sh/paused-scale-out",
    "autoscaling.keda.sh/force-activation",
];

/// A misspelt annotation of KEDA's is silently without effect.
fn check_annotations(at: &Cursor<'_>) {
    let paused = at.get("autoscaling.keda.sh/paused-replicas");
    if let Some(text) = paused
        .text()
        .filter(|text| !text.parse().is_ok_and(|count: i32| count >= 0))
    {
        let message = format!("expected a number of replicas, found {text:?}");
        let hint = "its presence stops the autoscaling, and what KEDA cannot read fails in its log alone; `paused: \"true\"` \
                    keeps the replicas that there are";
        paused.error("E003", message, hint);
    }
    for (key, own) in at.entries() {
        if key.starts_with("autoscaling.keda.sh/") && !ANNOTATIONS.contains(&key) {
            let hint = closest(key, ANNOTATIONS).map(|near| format!("did you mean {near}?"));
            own.warn(
                "W003",
                format!("KEDA does not know the annotation {key}"),
                &hint.unwrap_or_default(),
            );
        }
    }
}

/// What KEDA's webhook refuses (kedacore/keda 2.20 apis/keda/v1alpha1/scaledobject_webhook.go,
/// scaledobject_types.go `CheckReplicaCountBoundsAreValid`).
fn check_counts(at: &Cursor<'_>, spec: &Spec) {
    // A 0 that is written counts as 1 here (kedacore/keda 2.20 apis/keda/v1alpha1/scaledobject_types.go
    // `GetHPAMinReplicas`), one that is left out does not.
    let min = spec.min_replica_count.map_or(0, |min| min.max(1));
    let max = spec.max_replica_count.unwrap_or(DEFAULT_MAX_REPLICAS);
    if min > max {
        at.get("minReplicaCount").error(
            "E004",
            format!("minReplicaCount {min} is above maxReplicaCount {max}"),
            "",
        );
    }
    if let Some(idle) = spec.idle_replica_count
        && idle >= min
    {
        let message = format!("idleReplicaCount {idle} is not below minReplicaCount {min}");
        at.get("idleReplicaCount")
            .error("E004", message, "KEDA supports only 0");
    }
}

fn check_triggers(at: &Cursor<'_>, spec: &Spec) {
    if at.is_given() && at.items().is_empty() {
        at.error("E005", "at least one trigger is needed", "");
    }
    let only_resources = spec
        .triggers
        .iter()
        .all(|trigger| matches!(trigger.kind, TriggerKind::Resource { .. }));
    let read_all = spec.triggers.len() == at.items().len();
    if only_resources && read_all && !spec.triggers.is_empty() && spec.min_replica_count.unwrap_or(0) == 0 {
        let hint = "set minReplicaCount to 1 or more: without pods there is no use to measure";
        at.error(
            "E004",
            "cpu and memory triggers alone cannot scale from zero",
            hint,
        );
    }
    for (index, trigger) in spec.triggers.iter().enumerate() {
        let twice = |name: &String| {
            spec.triggers[..index]
                .iter()
                .any(|other| other.name.as_ref() == Some(name))
        };
        if read_all && trigger.name.as_ref().is_some_and(twice) {
            at.items()[index]
                .get("name")
                .error("E004", "two triggers have the same name", "");
        }
    }
}

/// The formula names triggers, and it must compile.
fn check_formula(at: &Cursor<'_>, triggers: &Cursor<'_>, spec: &Spec) {
    // A trigger that was refused would be missing from the formula, too.
    let read_all = spec.triggers.len() == triggers.items().len();
    let Some(modifiers) = spec.advanced.scaling_modifiers.as_ref().filter(|_| read_all) else {
        return;
    };
    if let Err(error) = Formula::compile(&modifiers.formula, spec.formula_names()) {
        let near = match &error {
            formula::Error::Unknown { name, .. } => closest(name, spec.formula_names()),
            formula::Error::Undefined { .. } => None,
        };
        let hint = match near {
            Some(near) => format!("did you mean {near:?}?"),
            None => "its variables are the names of the triggers, but for those of cpu and memory".to_owned(),
        };
        at.error("E004", error.to_string(), &hint);
    }
}

fn fallback(at: &Cursor<'_>) -> Option<Fallback> {
    at.value()?;
    let behavior = at.get("behavior").one_of(&[
        ("static", FallbackBehavior::Static),
        ("currentReplicas", FallbackBehavior::CurrentReplicas),
        (
            "currentReplicasIfHigher",
            FallbackBehavior::CurrentReplicasIfHigher,
        ),
        ("currentReplicasIfLower", FallbackBehavior::CurrentReplicasIfLower),
        ("scalingModifiers", FallbackBehavior::ScalingModifiers),
    ]);
    let threshold = at.get("failureThreshold").required().count(0);
    let replicas = at.get("replicas").required().count(0);
    Some(Fallback {
        failure_threshold: threshold?,
        replicas: replicas?,
        behavior: behavior.unwrap_or_default(),
    })
}

/// Empty ones, which KEDA itself writes into what it stores, are none (kedacore/keda 2.20
/// apis/keda/v1alpha1/scaledobject_types.go, `IsUsingModifiers`).
fn scaling_modifiers(at: &Cursor<'_>) -> Option<ScalingModifiers> {
    let fields = ["formula", "target", "activationTarget", "metricType"];
    if !fields.iter().any(|field| at.get(field).is_given()) {
        return None;
    }
    let target = at.get("target").required().number_text(0.0..=1e15);
    Some(ScalingModifiers {
        formula: at.get("formula").required().name()?.to_owned(),
        target: target?,
        activation_target: at
            .get("activationTarget")
            .number_text(-1e15..=1e15)
            .unwrap_or(0.0),
        metric_type: metric_type(&at.get("metricType")).unwrap_or_default(),
    })
}

/// The metric type of an external metric.
fn metric_type(at: &Cursor<'_>) -> Option<MetricType> {
    if at.value()?.text() == Some("Utilization") {
        at.error("E004", "Utilization is only for cpu and memory triggers", "");
        return None;
    }
    at.one_of(&[
        ("AverageValue", MetricType::AverageValue),
        ("Value", MetricType::Value),
    ])
}

#[derive(Clone, Copy)]
enum Kind {
    Prometheus,
    Cron,
    Resource(Resource),
}

fn trigger(at: &Cursor<'_>) -> Option<Trigger> {
    let type_at = at.get("type").required();
    let kind = match type_at.name()? {
        "prometheus" => Kind::Prometheus,
        "cron" => Kind::Cron,
        "cpu" => Kind::Resource(Resource::Cpu),
        "memory" => Kind::Resource(Resource::Memory),
        other => {
            let message =
                format!("{other:?} triggers are not simulated: only prometheus, cron, cpu and memory are");
            type_at.error(
                "E006",
                message,
                "export the number to Prometheus and ask for it there",
            );
            return None;
        }
    };
    if !matches!(kind, Kind::Prometheus) && at.get("useCachedMetrics").bool() == Some(true) {
        // kedacore/keda 2.20 apis/keda/v1alpha1/scaletriggers_types.go `ValidateTriggers`; since 2.10
        let message = format!(
            "useCachedMetrics is not for {} triggers: KEDA refuses it",
            type_at.text()?
        );
        at.get("useCachedMetrics").error("E004", message, "take it out");
    }
    let metadata = at.get("metadata").required();
    let (schema, read): (&LazyLock<Schema>, Option<TriggerKind>) = match kind {
        Kind::Prometheus => (&SCHEMAS[0], prometheus(&metadata).map(TriggerKind::Prometheus)),
        Kind::Cron => (&SCHEMAS[1], cron(&metadata).map(TriggerKind::Cron)),
        Kind::Resource(resource) => (&SCHEMAS[2], resource_trigger(at, &metadata, resource)),
    };
    schema.check(&metadata);
    let external = matches!(kind, Kind::Prometheus | Kind::Cron);
    let metric_type = if external {
        metric_type(&at.get("metricType"))
    } else {
        None
    };
    Some(Trigger {
        name: at.get("name").name().map(str::to_owned),
        use_cached_metrics: at.get("useCachedMetrics").bool().unwrap_or(false),
        metric_type: metric_type.unwrap_or_default(),
        kind: read?,
    })
}

fn prometheus(at: &Cursor<'_>) -> Option<Prometheus> {
    const ANY: std::ops::RangeInclusive<f64> = -1e15..=1e15;
    let address = at.get("serverAddress").required().name();
    let query = at.get("query").required().name();
    let threshold_at = at.get("threshold").required();
    let threshold = threshold_at.number_text(ANY);
    if threshold.is_some_and(|threshold| threshold <= 0.0) {
        threshold_at.error("E004", "the threshold must be above 0", "");
    }
    let ignore_null = at
        .get("ignoreNullValues")
        .one_of(&[("true", true), ("false", false)]);
    Some(Prometheus {
        server_address: address?.to_owned(),
        query: query?.to_owned(),
        threshold: threshold?,
        activation_threshold: at.get("activationThreshold").number_text(ANY).unwrap_or(0.0),
        ignore_null_values: ignore_null.unwrap_or(true),
        metric_name: at.get("metricName").name().map(str::to_owned),
        timeout: timeout(&at.get("timeout")),
    })
}

/// A duration, or milliseconds if there is no unit (kedacore/keda 2.17 pkg/scalers/prometheus_scaler.go).
fn timeout(at: &Cursor<'_>) -> Option<Duration> {
    let text = at.text()?;
    match text.parse() {
        Ok(millis) => Some(Duration::from_millis(millis)),
        Err(_) => at.duration(),
    }
}

fn cron(at: &Cursor<'_>) -> Option<Cron> {
    let zone_at = at.get("timezone").required();
    let zone = zone_at.name().filter(|zone| {
        // Go's time.LoadLocation opens a file of that very name: on Linux its case counts.
        let found = TimeZoneDatabase::bundled().get(zone).ok();
        let name = found.as_ref().and_then(|found| found.iana_name());
        if name != Some(*zone) {
            let hint = match name {
                Some(name) => format!("did you mean {name}? KEDA tells capital letters from small ones"),
                None => "an IANA name such as Europe/Berlin".to_owned(),
            };
            zone_at.error("E009", format!("there is no time zone {zone:?}"), &hint);
        }
        name == Some(*zone)
    });
    let expression = |key: &str| {
        let at = at.get(key).required();
        let text = at.name()?;
        if text.starts_with('@') {
            let message = format!("KEDA reads five fields, and no descriptor such as {text}");
            at.error("E003", message, "minute, hour, day of month, month, day of week");
            return None;
        }
        match text.parse::<Schedule>() {
            Ok(_) => Some(text.to_owned()),
            Err(error) => {
                at.error(
                    "E003",
                    error.to_string(),
                    "minute, hour, day of month, month, day of week",
                );
                None
            }
        }
    };
    let (start, end) = (expression("start"), expression("end"));
    if start.is_some() && start == end {
        at.get("end")
            .error("E004", "start and end are the same", "KEDA refuses that");
    }
    let replicas_at = at.get("desiredReplicas").required();
    let replicas = replicas_at.number_text(0.0..=1e6);
    if let Some(text) = replicas_at.text().filter(|text| text.parse::<i64>().is_err())
        && replicas.is_some()
    {
        replicas_at.error(
            "E003",
            format!("expected a whole number in quotes, found {text:?}"),
            "",
        );
    }
    Some(Cron {
        timezone: zone?.to_owned(),
        start: start?,
        end: end?,
        desired_replicas: replicas? as i64,
    })
}

fn resource_trigger(at: &Cursor<'_>, metadata: &Cursor<'_>, resource: Resource) -> Option<TriggerKind> {
    let by_utilization = &[("Utilization", true), ("AverageValue", false)];
    let type_at = at.get("metricType");
    let former = metadata.get("type");
    let utilization = type_at
        .one_of(by_utilization)
        .or_else(|| former.one_of(by_utilization));
    if !type_at.is_given() && !former.is_given() {
        type_at.required().value()?;
    }
    let value_at = metadata.get("value").required();
    let target = if utilization? {
        let per_cent = value_at.number_text(1.0..=1e6)?;
        Target::AverageUtilization(per_cent as i32)
    } else {
        let text = value_at.text()?;
        match text.parse::<Quantity>() {
            Ok(quantity) if quantity > Quantity::default() => Target::AverageValue(quantity),
            _ => {
                value_at.error(
                    "E003",
                    format!("expected a quantity above 0 such as 500m, found {text:?}"),
                    "",
                );
                return None;
            }
        }
    };
    let container = metadata.get("containerName").name().map(str::to_owned);
    Some(TriggerKind::Resource {
        resource,
        container,
        target,
    })
}
