//! HorizontalPodAutoscalers of `autoscaling/v2` and `v1`, and the behavior stanza that ScaledObjects share.

use std::time::Duration;

use super::super::Reading;
use super::super::pod_fields::{METADATA, TOP};
use super::super::selector::{SELECTOR, selector};
use super::{HorizontalPodAutoscaler, target};
use crate::document::Cursor;
use crate::document::fields::{Field, noted, quiet, simulated, table};
use crate::hpa::spec::{DEFAULT_MIN_REPLICAS, Policy, PolicyKind, ScalingRules, SelectPolicy};
use crate::hpa::{Behavior, Metric, Resource, Source, Spec, Target};
use crate::quantity::Quantity;

const TARGET: &[Field] = &[
    simulated("type"),
    simulated("value"),
    simulated("averageValue"),
    simulated("averageUtilization"),
];

const METRIC: &[Field] = &[
    simulated("metric.name"),
    table("metric.selector", SELECTOR),
    table("target", TARGET),
];

const RULES: &[Field] = &[
    simulated("stabilizationWindowSeconds"),
    simulated("selectPolicy"),
    simulated("policies[].type"),
    simulated("policies[].value"),
    simulated("policies[].periodSeconds"),
    noted(
        "tolerance",
        "from Kubernetes 1.35 on; in a ScaledObject from KEDA 2.18 on as well",
    ),
];

/// The table of the behavior stanza.
pub(super) const BEHAVIOR: &[Field] = &[table("scaleUp", RULES), table("scaleDown", RULES)];

const COMMON: &[Field] = &[
    table("", TOP),
    table("metadata", METADATA),
    simulated("spec.scaleTargetRef.name"),
    noted("spec.scaleTargetRef.kind", "only Deployments are simulated"),
    noted(
        "spec.scaleTargetRef.apiVersion",
        "of the group apps, whichever version: nothing else has Deployments",
    ),
    simulated("spec.minReplicas"),
    simulated("spec.maxReplicas"),
];

/// The table of `autoscaling/v1`: nothing but a target for the pods' CPU.
pub(in crate::manifest) const V1: &[Field] = &[
    table("", COMMON),
    noted(
        "spec.targetCPUUtilizationPercentage",
        "80 if absent; other metrics and behavior are in autoscaling/v2",
    ),
];

/// The table of `autoscaling/v2`.
pub(in crate::manifest) const V2: &[Field] = &[
    table("", COMMON),
    simulated("spec.metrics[].type"),
    simulated("spec.metrics[].resource.name"),
    table("spec.metrics[].resource.target", TARGET),
    simulated("spec.metrics[].containerResource.name"),
    simulated("spec.metrics[].containerResource.container"),
    table("spec.metrics[].containerResource.target", TARGET),
    table("spec.metrics[].pods", METRIC),
    table("spec.metrics[].object", METRIC),
    simulated("spec.metrics[].object.describedObject.kind"),
    simulated("spec.metrics[].object.describedObject.name"),
    quiet(
        "spec.metrics[].object.describedObject.apiVersion",
        "the kind says enough",
    ),
    table("spec.metrics[].external", METRIC),
    table("spec.behavior", BEHAVIOR),
];

/// What `autoscaling/v1` cannot say it keeps in annotations.
const ROUND_TRIP: [&str; 2] = [
    "autoscaling.alpha.kubernetes.io/metrics",
    "autoscaling.alpha.kubernetes.io/behavior",
];

/// A HorizontalPodAutoscaler, as the API version has it.
pub(crate) fn read_hpa(reading: &Reading<'_>, v1: bool) -> Option<HorizontalPodAutoscaler> {
    let spec = reading.root.get("spec").required();
    let reference = spec.get("scaleTargetRef").required();
    let target = target(&reference, reading.namespace);
    require_group(&reference);
    let (min_at, max_at) = (spec.get("minReplicas"), spec.get("maxReplicas").required());
    if min_at.written() == Some("0") {
        let hint = "KEDA can scale to zero: minReplicaCount: 0";
        min_at.error(
            "E004",
            "minReplicas: 0 needs the feature gate HPAScaleToZero, which EKS has not",
            hint,
        );
    }
    let min = min_at.count(0).unwrap_or(DEFAULT_MIN_REPLICAS);
    let max = max_at.count(1);
    if max.is_some_and(|max| max < min) {
        max_at.error("E004", format!("maxReplicas is less than minReplicas, {min}"), "");
    }
    let metrics = if v1 {
        let annotations = reading.root.at("metadata.annotations");
        for at in ROUND_TRIP.map(|key| annotations.get(key)) {
            if at.is_given() {
                let hint = "`kubectl get hpa.v2.autoscaling NAME -o yaml` writes it as autoscaling/v2";
                at.error("E006", "metrics and behavior are not read from annotations", hint);
            }
        }
        let per_cent = spec.get("targetCPUUtilizationPercentage").count(1);
        vec![Metric {
            target: per_cent.map_or(Metric::default_cpu().target, Target::AverageUtilization),
            ..Metric::default_cpu()
        }]
    } else {
        match &*spec.get("metrics").items() {
            [] => vec![Metric::default_cpu()],
            items => items.iter().filter_map(metric).collect(),
        }
    };
    Some(HorizontalPodAutoscaler {
        name: reading.object(),
        annotations: super::super::selector::annotations(&reading.root.at("metadata.annotations")),
        target: target?,
        spec: Spec {
            min_replicas: min,
            max_replicas: max?,
            metrics,
            behavior: behavior(&spec.get("behavior")),
        },
    })
}

/// The controller looks for kinds of that name in the group that the reference names, whatever the version, and finds
/// Deployments in `apps` alone: otherwise it cannot get the scale, for ever
/// (kubernetes 1.35 pkg/controller/podautoscaler/horizontal.go `reconcileAutoscaler`).
fn require_group(reference: &Cursor<'_>) {
    let at = reference.get("apiVersion");
    let written = at.text().unwrap_or_default();
    let is_in_apps = written
        .split_once('/')
        .is_some_and(|(group, version)| group == "apps" && !version.contains('/'));
    // Other kinds are refused by their names.
    if !is_in_apps && reference.get("kind").text() == Some("Deployment") {
        let found = if written.is_empty() {
            "none".to_owned()
        } else {
            format!("{written:?}")
        };
        let message = format!(
            "apiVersion apps/v1 is needed, found {found}: the HPA controller finds no such Deployment and scales nothing (FailedGetScale)"
        );
        at.error("E009", message, "");
    }
}

#[derive(Clone, Copy)]
enum MetricKind {
    Resource,
    ContainerResource,
    Pods,
    Object,
    External,
}

/// Where each type of metric has its source; a metric has one
/// (kubernetes 1.35 pkg/apis/autoscaling/validation/validation.go `validateMetricSpec`).
const SOURCES: [&str; 5] = ["resource", "containerResource", "pods", "object", "external"];

fn metric(at: &Cursor<'_>) -> Option<Metric> {
    let (key, kind) = at.get("type").required().one_of(&[
        ("Resource", ("resource", MetricKind::Resource)),
        (
            "ContainerResource",
            ("containerResource", MetricKind::ContainerResource),
        ),
        ("Pods", ("pods", MetricKind::Pods)),
        ("Object", ("object", MetricKind::Object)),
        ("External", ("external", MetricKind::External)),
    ])?;
    let own = at.get(key).required();
    for other in SOURCES.into_iter().filter(|other| *other != key) {
        let other_at = at.get(other);
        if other_at.is_given() {
            let message = format!("a metric of this type has {key}, and no {other}");
            other_at.error("E004", message, "each source is an item of its own");
        }
    }
    own.value()?;
    let metric_selector = selector(&own.at("metric.selector"));
    let name = || own.at("metric.name").required().name().map(str::to_owned);
    let source = match kind {
        MetricKind::Resource => Source::Resource(resource(&own)?),
        MetricKind::ContainerResource => Source::ContainerResource {
            resource: resource(&own)?,
            container: own.get("container").required().name()?.to_owned(),
        },
        MetricKind::Pods => Source::Pods {
            name: name()?,
            selector: metric_selector,
        },
        MetricKind::External => Source::External {
            name: name()?,
            selector: metric_selector,
        },
        MetricKind::Object => Source::Object {
            name: name()?,
            selector: metric_selector,
            kind: own.at("describedObject.kind").required().name()?.to_owned(),
            object: own.at("describedObject.name").required().name()?.to_owned(),
        },
    };
    Some(Metric {
        target: metric_target(&own.get("target").required(), kind)?,
        source,
    })
}

fn resource(at: &Cursor<'_>) -> Option<Resource> {
    at.get("name")
        .required()
        .one_of(&[("cpu", Resource::Cpu), ("memory", Resource::Memory)])
}

/// The target. The API server wants one of the fields that the source knows, whatever the type says (kubernetes 1.35
/// pkg/apis/autoscaling/validation/validation.go `validateMetricTarget`, `validateResourceSource`,
/// `validateContainerResourceSource`, `validatePodsSource`, `validateObjectSource`, `validateExternalSource`), and the
/// controller goes by the fields too; of an object alone by the type (pkg/controller/podautoscaler/horizontal.go
/// `computeStatusForResourceMetricGeneric`, `computeStatusForPodsMetric`, `computeStatusForExternalMetric`,
/// `computeStatusForObjectMetric`).
fn metric_target(at: &Cursor<'_>, kind: MetricKind) -> Option<Target> {
    let by_type = at.get("type").required().one_of(&[
        ("Utilization", "averageUtilization"),
        ("AverageValue", "averageValue"),
        ("Value", "value"),
    ]);
    // What is given has to be positive, whether or not it counts.
    let value = positive(&at.get("value")).map(Target::Value);
    let average = positive(&at.get("averageValue")).map(Target::AverageValue);
    let utilization = at
        .get("averageUtilization")
        .count(1)
        .map(Target::AverageUtilization);
    let (other, otherwise) = match kind {
        MetricKind::Resource | MetricKind::ContainerResource => ("averageUtilization", utilization),
        MetricKind::External | MetricKind::Object => ("value", value),
        MetricKind::Pods => ("", None),
    };
    let given = |field: &str| at.get(field).is_given();
    match (given("averageValue"), given(other)) {
        (false, false) if other.is_empty() => {
            let _ = at.get("averageValue").required();
            None
        }
        (false, false) => {
            let message = format!("either {other} or averageValue is needed");
            at.error("E005", message, "");
            None
        }
        (true, true) if !matches!(kind, MetricKind::Object) => {
            let message = format!("{other} and averageValue exclude each other");
            let hint = by_type.zip(at.get("type").written());
            let hint = hint.map(|(field, own)| format!("type: {own} needs {field} alone"));
            at.error("E004", message, &hint.unwrap_or_default());
            None
        }
        _ if matches!(kind, MetricKind::Object) => {
            let counts = by_type?;
            if counts == "averageUtilization" || !given(counts) {
                let message = format!(
                    "the metric fails at each sync: of an object the controller reads {counts}, by the type, and finds none"
                );
                at.get("type").error("E004", message, "");
                return None;
            }
            if counts == "value" { otherwise } else { average }
        }
        (true, _) => average,
        (false, true) => otherwise,
    }
}

fn positive(at: &Cursor<'_>) -> Option<Quantity> {
    let quantity = at.quantity()?;
    if quantity <= Quantity::default() {
        at.error("E004", "the target must be above 0", "");
        return None;
    }
    Some(quantity)
}

/// A behavior stanza; `None` if it is absent.
pub(super) fn behavior(at: &Cursor<'_>) -> Option<Behavior> {
    at.value()?;
    Some(Behavior {
        scale_up: rules(&at.get("scaleUp")),
        scale_down: rules(&at.get("scaleDown")),
    })
}

fn rules(at: &Cursor<'_>) -> ScalingRules {
    let window_at = at.get("stabilizationWindowSeconds");
    let window = window_at
        .int(0..=3600)
        .and_then(|seconds| u64::try_from(seconds).ok());
    let policies_at = at.get("policies");
    let policies: Vec<Policy> = policies_at.items().iter().filter_map(policy).collect();
    if policies_at.is_given() && policies_at.items().is_empty() {
        policies_at.error(
            "E005",
            "at least one policy is needed",
            "take policies out to get the default ones",
        );
    }
    ScalingRules {
        stabilization_window: window.map(Duration::from_secs),
        select_policy: at.get("selectPolicy").one_of(&[
            ("Max", SelectPolicy::Max),
            ("Min", SelectPolicy::Min),
            ("Disabled", SelectPolicy::Disabled),
        ]),
        policies: policies_at.is_given().then_some(policies),
        tolerance: at.get("tolerance").quantity(),
    }
}

fn policy(at: &Cursor<'_>) -> Option<Policy> {
    let kind = at
        .get("type")
        .required()
        .one_of(&[("Pods", PolicyKind::Pods), ("Percent", PolicyKind::Percent)]);
    let value = at.get("value").required().count(1);
    let period = at
        .get("periodSeconds")
        .required()
        .int(1..=1800)
        .and_then(|seconds| u64::try_from(seconds).ok());
    Some(Policy {
        kind: kind?,
        value: value?,
        period: Duration::from_secs(period?),
    })
}
