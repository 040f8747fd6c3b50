//! What a cluster said, as the model takes it.
//!
//! Specs go through the model's own reader of manifests: a recorded object is a manifest that came back. What that
//! reader only warns about is of no matter here; what it cannot read is left out.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use model::api::{
    Condition, Deletion, Expression, Labels, Node, Operator, Owner, Phase, Pod, PodTemplate, Restarts, Taint,
    TaintEffect,
};
use model::document::{Source, go_duration};
use model::hpa::pods::ConditionStatus;
use model::id::{InstanceId, NodeClaimId, NodeId, NodePoolId};
use model::karpenter::state::Conditions;
use model::karpenter::{NodeClaim, Requirement, Requirements, labels};
use model::manifest::{Document, convert, read_documents};
use model::quantity::{Bytes, MilliCpu, Quantity, Resources};
use model::scenario::Objects;
use serde_json::{Value, json};
use sim::{Instant, SortedMap};

use super::Clock;
use crate::recording::Object;

/// apiVersion of kinds that are read; what a watch of one kind says need not have it.
const VERSIONS: [(&str, &str); 8] = [
    ("Deployment", "apps/v1"),
    ("DaemonSet", "apps/v1"),
    ("HorizontalPodAutoscaler", "autoscaling/v2"),
    ("ScaledObject", "keda.sh/v1alpha1"),
    ("NodePool", "karpenter.sh/v1"),
    ("EC2NodeClass", "karpenter.k8s.aws/v1"),
    ("KWOKNodeClass", "karpenter.kwok.sh/v1alpha1"),
    ("PodDisruptionBudget", "policy/v1"),
];

/// Objects whose manifests the model reads, among others that are there already.
#[must_use]
pub fn objects<'o>(all: impl IntoIterator<Item = &'o Object>, before: &Objects) -> Objects {
    let problems = RefCell::new(Vec::new());
    let documents: Vec<Document> = all
        .into_iter()
        .flat_map(|object| read_documents(&manifest(object), &problems))
        .collect();
    convert(&documents.iter().collect::<Vec<_>>(), before, &problems)
}

/// An object as somebody would apply it.
fn manifest(object: &Object) -> Source {
    let known = VERSIONS.iter().find(|(kind, _)| *kind == object.kind);
    let version = match object.text("/apiVersion") {
        "" => known.map_or("v1", |known| known.1),
        own => own,
    };
    let mut metadata = json!({ "name": object.name });
    if !object.namespace.is_empty() {
        metadata["namespace"] = json!(object.namespace);
    }
    for key in ["labels", "annotations"] {
        if let Some(own) = object.object.pointer(&format!("/metadata/{key}")) {
            metadata[key] = own.clone();
        }
    }
    let spec = object.object.get("spec").cloned().unwrap_or(Value::Null);
    let value = json!({ "apiVersion": version, "kind": object.kind, "metadata": metadata, "spec": spec });
    Source {
        path: format!("{}/{}", object.kind, object.name),
        text: value.to_string(),
    }
}

/// Templates of pods, each read once.
#[derive(Debug, Default)]
pub struct Templates {
    known: SortedMap<String, Arc<PodTemplate>>,
}

impl Templates {
    /// A pod's template: its namespace, labels, annotations and spec. `before` has the PriorityClasses.
    pub fn of(&mut self, pod: &Object, before: &Objects) -> Arc<PodTemplate> {
        let mut spec = pod.object.get("spec").cloned().unwrap_or_else(|| json!({}));
        if let Some(fields) = spec.as_object_mut() {
            fields.remove("nodeName");
        }
        let of = |key: &str| pod.object.pointer(&format!("/metadata/{key}")).cloned();
        let (labels, annotations) = (
            of("labels").unwrap_or_else(|| json!({})),
            of("annotations").unwrap_or_else(|| json!({})),
        );
        let key = json!([pod.namespace, labels, annotations, spec]).to_string();
        if let Some(known) = self.known.get(&key) {
            return known.clone();
        }
        let workload = json!({
            "selector": { "matchLabels": labels },
            "template": { "metadata": { "labels": labels, "annotations": annotations }, "spec": spec },
        });
        let carrier = Object {
            kind: "Deployment".into(),
            object: json!({ "spec": workload }),
            ..pod.clone()
        };
        let read = objects([&carrier], before).deployments.pop();
        let mut template = read.map_or_else(|| bare(pod), |read| (*read.object.template).clone());
        if let Some(priority) = pod.number("/spec/priority") {
            template.spec.priority = i32::try_from(priority).unwrap_or(template.spec.priority);
        }
        let template = Arc::new(template);
        self.known.insert(key, template.clone());
        template
    }
}

/// A pod whose spec cannot be read asks for nothing.
fn bare(pod: &Object) -> PodTemplate {
    PodTemplate {
        namespace: pod.namespace.clone(),
        labels: labels_of(pod.object.pointer("/metadata/labels")),
        annotations: Labels::new(),
        spec: model::api::PodSpec::default(),
    }
}

/// Labels or annotations.
#[must_use]
pub fn labels_of(value: Option<&Value>) -> Labels {
    let entries = value.and_then(Value::as_object).into_iter().flatten();
    entries
        .map(|(key, value)| (key.clone(), value.as_str().unwrap_or("").to_owned()))
        .collect()
}

/// Amounts of resources.
#[must_use]
pub fn resources(value: Option<&Value>) -> Resources {
    let mut found = Resources::default();
    for (name, value) in value.and_then(Value::as_object).into_iter().flatten() {
        let Some(amount) = quantity(value) else { continue };
        match name.as_str() {
            "cpu" => found.cpu = MilliCpu(amount.milli()),
            "memory" => found.memory = Bytes(amount.whole()),
            "ephemeral-storage" => found.ephemeral_storage = Bytes(amount.whole()),
            "pods" => found.pods = amount.whole(),
            _ => {
                found.extended.insert(name.as_str().into(), amount.whole());
            }
        }
    }
    found
}

/// A quantity, as text or as number.
#[must_use]
pub fn quantity(value: &Value) -> Option<Quantity> {
    match value {
        Value::String(text) => text.parse().ok(),
        Value::Number(number) => number.to_string().parse().ok(),
        _ => None,
    }
}

fn taints<'v>(all: impl Iterator<Item = &'v Value>) -> Vec<Taint> {
    let one = |value: &Value| {
        Some(Taint {
            key: value["key"].as_str()?.to_owned(),
            value: value["value"].as_str().unwrap_or("").to_owned(),
            effect: match value["effect"].as_str()? {
                "NoSchedule" => TaintEffect::NoSchedule,
                "PreferNoSchedule" => TaintEffect::PreferNoSchedule,
                _ => TaintEffect::NoExecute,
            },
        })
    };
    all.filter_map(one).collect()
}

/// status.phase of a pod.
#[must_use]
pub fn phase(pod: &Object) -> Phase {
    match pod.text("/status/phase") {
        "Running" => Phase::Running,
        "Succeeded" => Phase::Succeeded,
        "Failed" => Phase::Failed,
        "Unknown" => Phase::Unknown,
        _ => Phase::Pending,
    }
}

/// The Ready condition of a pod, and since when.
#[must_use]
pub fn ready(pod: &Object, clock: Clock) -> Option<(ConditionStatus, Instant)> {
    let (status, since) = pod.condition("Ready")?;
    let status = match status {
        "True" => ConditionStatus::True,
        "False" => ConditionStatus::False,
        _ => ConditionStatus::Unknown,
    };
    Some((status, clock.instant(since).unwrap_or(Instant::ZERO)))
}

/// A pod, with what it refers to.
#[must_use]
pub fn pod(
    object: &Object,
    template: Arc<PodTemplate>,
    owner: Owner,
    node: Option<NodeId>,
    clock: Clock,
) -> Pod {
    let at = |path: &str| clock.instant(object.text(path));
    let grace = Duration::from_secs(
        object
            .number("/metadata/deletionGracePeriodSeconds")
            .unwrap_or(0)
            .unsigned_abs(),
    );
    let unschedulable = object
        .condition("PodScheduled")
        .is_some_and(|(status, _)| status == "False");
    Pod {
        name: object.name.clone(),
        uid: 0,
        template,
        owner,
        created: at("/metadata/creationTimestamp").unwrap_or(Instant::ZERO),
        deletion: at("/metadata/deletionTimestamp").map(|gone| Deletion {
            at: gone.saturating_sub(grace),
            grace,
        }),
        node,
        only_node: None,
        nominated_node: None,
        phase: phase(object),
        ready: ready(object, clock).map(|(status, since)| Condition {
            status: status == ConditionStatus::True,
            since,
        }),
        unschedulable: unschedulable && node.is_none(),
        started: at("/status/startTime"),
        restarts: Restarts::default(),
    }
}

/// A node.
#[must_use]
pub fn node(object: &Object, claim: Option<NodeClaimId>, instance: Option<InstanceId>, clock: Clock) -> Node {
    let at = |path: &str| clock.instant(object.text(path));
    let (ready, since) = object.condition("Ready").unwrap_or_default();
    Node {
        name: object.name.clone(),
        labels: Arc::new(labels_of(object.object.pointer("/metadata/labels"))),
        annotations: labels_of(object.object.pointer("/metadata/annotations")),
        created: at("/metadata/creationTimestamp").unwrap_or(Instant::ZERO),
        deleting: at("/metadata/deletionTimestamp"),
        taints: taints(object.items("/spec/taints")),
        unschedulable: object.object.pointer("/spec/unschedulable") == Some(&Value::Bool(true)),
        capacity: resources(object.object.pointer("/status/capacity")),
        allocatable: resources(object.object.pointer("/status/allocatable")),
        ready: ready == "True",
        ready_since: clock.instant(since).unwrap_or(Instant::ZERO),
        images: SortedMap::new(),
        claim,
        instance,
    }
}

fn requirements<'v>(all: impl Iterator<Item = &'v Value>) -> Requirements {
    let mut found = Requirements::new();
    for own in all {
        let Some(key) = own["key"].as_str() else { continue };
        let values = own["values"].as_array().into_iter().flatten();
        let expression = Expression {
            key: key.to_owned(),
            operator: match own["operator"].as_str() {
                Some("NotIn") => Operator::NotIn,
                Some("Exists") => Operator::Exists,
                Some("DoesNotExist") => Operator::DoesNotExist,
                Some("Gt") => Operator::Gt,
                Some("Lt") => Operator::Lt,
                _ => Operator::In,
            },
            values: values.filter_map(Value::as_str).map(str::to_owned).collect(),
        };
        let min = own["minValues"].as_u64().and_then(|min| u32::try_from(min).ok());
        found.add(
            key,
            Requirement::from_expression(&expression).with_min_values(min),
        );
    }
    found
}

/// The instance types that a NodeClaim allows, as it lists them.
#[must_use]
pub fn instance_types(claim: &Object) -> Vec<Arc<str>> {
    required(claim, labels::INSTANCE_TYPE).map(Arc::from).collect()
}

/// The values of a claim's requirement.
pub fn required<'o>(claim: &'o Object, key: &str) -> impl Iterator<Item = &'o str> {
    let requirement = claim.items("/spec/requirements").find(|own| own["key"] == key);
    let values = requirement
        .and_then(|own| own["values"].as_array())
        .into_iter()
        .flatten();
    values.filter_map(Value::as_str)
}

/// A NodeClaim.
#[must_use]
pub fn claim(
    object: &Object,
    pool: NodePoolId,
    node: Option<NodeId>,
    instance: Option<InstanceId>,
    clock: Clock,
) -> NodeClaim {
    let at = |path: &str| clock.instant(object.text(path));
    let duration = |path: &str| go_duration(object.text(path));
    let condition = |name: &str| {
        object.condition(name).map(|(status, since)| Condition {
            status: status == "True",
            since: clock.instant(since).unwrap_or(Instant::ZERO),
        })
    };
    NodeClaim {
        name: object.name.clone(),
        pool,
        labels: Arc::new(labels_of(object.object.pointer("/metadata/labels"))),
        annotations: labels_of(object.object.pointer("/metadata/annotations")),
        created: at("/metadata/creationTimestamp").unwrap_or(Instant::ZERO),
        deleting: at("/metadata/deletionTimestamp"),
        requirements: requirements(object.items("/spec/requirements")),
        instance_types: instance_types(object).into(),
        requests: resources(object.object.pointer("/spec/resources/requests")),
        taints: taints(object.items("/spec/taints")).into(),
        startup_taints: taints(object.items("/spec/startupTaints")).into(),
        node_class: object.text("/spec/nodeClassRef/name").into(),
        expire_after: duration("/spec/expireAfter"),
        termination_grace_period: duration("/spec/terminationGracePeriod"),
        instance,
        made_by: None,
        node,
        capacity: resources(object.object.pointer("/status/capacity")),
        allocatable: resources(object.object.pointer("/status/allocatable")),
        conditions: Conditions {
            launched: condition("Launched"),
            registered: condition("Registered"),
            initialized: condition("Initialized"),
            consolidatable: condition("Consolidatable"),
            empty: condition("Empty"),
            drifted: condition("Drifted"),
            expired: condition("Expired"),
            disruption_reason: condition("DisruptionReason"),
            drained: condition("Drained"),
            volumes_detached: condition("VolumesDetached"),
            instance_terminating: condition("InstanceTerminating"),
        },
        last_pod_event: at("/status/lastPodEventTime"),
    }
}
