//! Objects of a simulated API server as a real one would have said them.

use model::api::{self, LabelSelector, Labels, Node, Operator, Owner, Phase, Pod, Taint, TaintEffect};
use model::document::{Scalar, Shape, Value as Tree};
use model::hpa::spec::{Policy, PolicyKind, Rules, ScalingRules, SelectPolicy};
use model::hpa::{Behavior, Hpa, Metric, Source, Target};
use model::karpenter::{NodeClaim, Requirements};
use model::quantity::Resources;
use serde_json::{Map, Value, json};

use super::Clock;

/// A document of a manifest.
#[must_use]
pub fn document(tree: &Tree) -> Value {
    match &tree.shape {
        Shape::Scalar(scalar, text) => match scalar {
            Scalar::Null => Value::Null,
            Scalar::Bool(value) => json!(value),
            Scalar::Int(value) => json!(value),
            Scalar::Float(value) => json!(value),
            Scalar::Text => json!(text),
        },
        Shape::List(items) => Value::Array(items.iter().map(document).collect()),
        Shape::Map(entries) => Value::Object(
            entries
                .iter()
                .map(|entry| (entry.key.clone(), document(&entry.value)))
                .collect(),
        ),
    }
}

/// An amount of every resource that is not zero.
#[must_use]
pub fn resources(amount: &Resources) -> Value {
    let mut map = Map::new();
    let mut put = |name: &str, zero: bool, text: String| {
        if !zero {
            map.insert(name.to_owned(), Value::String(text));
        }
    };
    put("cpu", amount.cpu.0 == 0, format!("{}m", amount.cpu.0));
    put("memory", amount.memory.0 == 0, amount.memory.0.to_string());
    let storage = amount.ephemeral_storage.0;
    put("ephemeral-storage", storage == 0, storage.to_string());
    put("pods", amount.pods == 0, amount.pods.to_string());
    for (name, amount) in &amount.extended {
        put(name, *amount == 0, amount.to_string());
    }
    Value::Object(map)
}

/// metadata with what every object has.
struct Metadata(Map<String, Value>);

impl Metadata {
    fn new(namespace: &str, name: &str, uid: String, created: String) -> Self {
        let mut map = Map::new();
        map.insert("name".into(), json!(name));
        if !namespace.is_empty() {
            map.insert("namespace".into(), json!(namespace));
        }
        map.insert("uid".into(), json!(uid));
        map.insert("creationTimestamp".into(), json!(created));
        Metadata(map)
    }

    fn with(mut self, key: &str, value: Option<Value>) -> Self {
        if let Some(value) = value {
            self.0.insert(key.into(), value);
        }
        self
    }

    fn labels(self, key: &str, labels: &Labels) -> Self {
        self.with(key, (!labels.is_empty()).then(|| json!(labels)))
    }

    fn value(self) -> Value {
        Value::Object(self.0)
    }
}

fn owners(kind: &str, name: &str) -> Option<Value> {
    Some(json!([{ "kind": kind, "name": name, "controller": true }]))
}

fn condition(kind: &str, status: bool, since: Option<String>, reason: &str) -> Value {
    let mut value = json!({ "type": kind, "status": if status { "True" } else { "False" } });
    if let Some(since) = since {
        value["lastTransitionTime"] = json!(since);
    }
    if !reason.is_empty() {
        value["reason"] = json!(reason);
    }
    value
}

/// A pod. `spec` is its template's.
#[must_use]
pub fn pod(pod: &Pod, api: &api::Api, mut spec: Value, clock: Clock) -> Value {
    let owner = match pod.owner {
        Owner::ReplicaSet(set, _) => api
            .replica_sets
            .get(set)
            .and_then(|set| owners("ReplicaSet", &set.name)),
        Owner::DaemonSet(set) => api
            .daemon_sets
            .get(set)
            .and_then(|set| owners("DaemonSet", &set.name)),
        Owner::None => None,
    };
    let node_name = |id| api.nodes.get(id).map(|node| json!(node.name));
    if let (Some(node), Some(fields)) = (pod.node.and_then(node_name), spec.as_object_mut()) {
        fields.insert("nodeName".into(), node);
    }
    let deleted = pod
        .deletion
        .map(|deletion| json!(clock.stamp(deletion.at + deletion.grace)));
    let grace = pod.deletion.map(|deletion| json!(deletion.grace.as_secs()));
    let metadata = Metadata::new(
        pod.namespace(),
        &pod.name,
        uuid(pod.uid),
        clock.stamp(pod.created),
    )
    .labels("labels", pod.labels())
    .labels("annotations", &pod.template.annotations)
    .with("ownerReferences", owner)
    .with("deletionTimestamp", deleted)
    .with("deletionGracePeriodSeconds", grace);
    json!({
        "apiVersion": "v1",
        "metadata": metadata.value(),
        "spec": spec,
        "status": pod_status(pod, pod.nominated_node.and_then(node_name), clock),
    })
}

fn pod_status(pod: &Pod, nominated: Option<Value>, clock: Clock) -> Value {
    let phase = match pod.phase {
        Phase::Pending => "Pending",
        Phase::Running => "Running",
        Phase::Succeeded => "Succeeded",
        Phase::Failed => "Failed",
        Phase::Unknown => "Unknown",
    };
    let mut conditions = Vec::new();
    if pod.node.is_some() {
        conditions.push(condition("PodScheduled", true, None, ""));
    } else if pod.unschedulable {
        conditions.push(condition("PodScheduled", false, None, "Unschedulable"));
    }
    if let Some(ready) = pod.ready {
        conditions.push(condition(
            "Ready",
            ready.status,
            Some(clock.stamp(ready.since)),
            "",
        ));
    }
    let mut status = json!({ "phase": phase, "conditions": conditions });
    if let Some(started) = pod.started {
        status["startTime"] = json!(clock.stamp(started));
    }
    if pod.phase != Phase::Pending {
        let state = json!({ "running": {} });
        let container =
            |container: &api::Container| json!({ "name": container.name, "state": state, "restartCount": 0 });
        let containers = pod.spec().containers.iter().map(container);
        status["containerStatuses"] = Value::Array(containers.collect());
    }
    if let Some(node) = nominated {
        status["nominatedNodeName"] = node;
    }
    status
}

fn uuid(uid: u128) -> String {
    let text = format!("{uid:032x}");
    format!(
        "{}-{}-{}-{}-{}",
        &text[..8],
        &text[8..12],
        &text[12..16],
        &text[16..20],
        &text[20..]
    )
}

/// A node. `provider` is its machine.
#[must_use]
pub fn node(node: &Node, uid: String, provider: &str, clock: Clock) -> Value {
    let metadata = Metadata::new("", &node.name, uid, clock.stamp(node.created))
        .labels("labels", &node.labels)
        .labels("annotations", &node.annotations)
        .with(
            "deletionTimestamp",
            node.deleting.map(|at| json!(clock.stamp(at))),
        );
    let ready = condition("Ready", node.ready, Some(clock.stamp(node.ready_since)), "");
    let mut spec = json!({ "providerID": provider, "taints": taints(&node.taints) });
    if node.unschedulable {
        spec["unschedulable"] = json!(true);
    }
    json!({
        "apiVersion": "v1",
        "metadata": metadata.value(),
        "spec": spec,
        "status": {
            "capacity": resources(&node.capacity),
            "allocatable": resources(&node.allocatable),
            "conditions": [ready],
        },
    })
}

fn taints(taints: &[Taint]) -> Value {
    let one = |taint: &Taint| {
        let effect = match taint.effect {
            TaintEffect::NoSchedule => "NoSchedule",
            TaintEffect::PreferNoSchedule => "PreferNoSchedule",
            TaintEffect::NoExecute => "NoExecute",
        };
        json!({ "key": taint.key, "value": taint.value, "effect": effect })
    };
    Value::Array(taints.iter().map(one).collect())
}

fn operator(operator: Operator) -> &'static str {
    match operator {
        Operator::In => "In",
        Operator::NotIn => "NotIn",
        Operator::Exists => "Exists",
        Operator::DoesNotExist => "DoesNotExist",
        Operator::Gt => "Gt",
        Operator::Lt => "Lt",
    }
}

fn requirements(requirements: &Requirements) -> Value {
    let one = |(key, requirement): (_, &model::karpenter::Requirement)| {
        let values: Vec<&str> = requirement.values().iter().map(|value| &**value).collect();
        let key: &std::sync::Arc<str> = key;
        let mut value = json!({ "key": &**key, "operator": operator(requirement.operator()) });
        if !values.is_empty() {
            value["values"] = json!(values);
        }
        if let Some(min) = requirement.min_values() {
            value["minValues"] = json!(min);
        }
        value
    };
    Value::Array(requirements.iter().map(one).collect())
}

/// A NodeClaim of a pool. `node` is its node's name, `provider` its machine.
#[must_use]
pub fn claim(claim: &NodeClaim, uid: String, pool: &str, node: &str, provider: &str, clock: Clock) -> Value {
    let metadata = Metadata::new("", &claim.name, uid, clock.stamp(claim.created))
        .labels("labels", &claim.labels)
        .labels("annotations", &claim.annotations)
        .with("ownerReferences", owners("NodePool", pool))
        .with(
            "deletionTimestamp",
            claim.deleting.map(|at| json!(clock.stamp(at))),
        );
    let seconds = |duration: std::time::Duration| format!("{}s", duration.as_secs());
    let of = &claim.conditions;
    let conditions: Vec<Value> = [
        ("Launched", of.launched),
        ("Registered", of.registered),
        ("Initialized", of.initialized),
        ("Consolidatable", of.consolidatable),
        ("Empty", of.empty),
        ("Drifted", of.drifted),
        ("Expired", of.expired),
        ("DisruptionReason", of.disruption_reason),
        ("Drained", of.drained),
        ("VolumesDetached", of.volumes_detached),
        ("InstanceTerminating", of.instance_terminating),
    ]
    .into_iter()
    .filter_map(|(name, own)| own.map(|own| condition(name, own.status, Some(clock.stamp(own.since)), "")))
    .collect();
    let mut status = json!({
        "capacity": resources(&claim.capacity),
        "allocatable": resources(&claim.allocatable),
        "conditions": conditions,
    });
    if !provider.is_empty() {
        status["providerID"] = json!(provider);
    }
    if !node.is_empty() {
        status["nodeName"] = json!(node);
    }
    if let Some(at) = claim.last_pod_event {
        status["lastPodEventTime"] = json!(clock.stamp(at));
    }
    json!({
        "apiVersion": "karpenter.sh/v1",
        "metadata": metadata.value(),
        "spec": {
            "requirements": requirements(&claim.requirements),
            "resources": { "requests": resources(&claim.requests) },
            "taints": taints(&claim.taints),
            "startupTaints": taints(&claim.startup_taints),
            "nodeClassRef": { "name": &*claim.node_class },
            "expireAfter": claim.expire_after.map_or("Never".to_owned(), seconds),
            "terminationGracePeriod": claim.termination_grace_period.map(seconds),
        },
        "status": status,
    })
}

fn selector(selector: &LabelSelector) -> Value {
    let one = |expression: &api::Expression| {
        json!({
            "key": expression.key,
            "operator": operator(expression.operator),
            "values": expression.values,
        })
    };
    let expressions: Vec<Value> = selector.expressions.iter().map(one).collect();
    json!({ "matchExpressions": expressions })
}

/// An HPA that scales a Deployment. `owner` is the ScaledObject that it was made for.
#[must_use]
pub fn hpa(hpa: &Hpa, uid: String, target: &str, owner: Option<&str>, clock: Clock) -> Value {
    let metadata = Metadata::new(&hpa.namespace, &hpa.name, uid, clock.stamp(hpa.created)).with(
        "ownerReferences",
        owner.and_then(|owner| owners("ScaledObject", owner)),
    );
    let spec = &hpa.spec;
    let mut written = json!({
        "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": target },
        "minReplicas": spec.min_replicas,
        "maxReplicas": spec.max_replicas,
        "metrics": spec.metrics.iter().map(metric).collect::<Vec<_>>(),
    });
    if let Some(own) = &spec.behavior {
        written["behavior"] = behavior(own);
    }
    json!({
        "apiVersion": "autoscaling/v2",
        "metadata": metadata.value(),
        "spec": written,
        "status": hpa_status(hpa, clock),
    })
}

fn hpa_status(hpa: &Hpa, clock: Clock) -> Value {
    let status = &hpa.status;
    let current = |(metric, current): (&Metric, &Option<model::hpa::status::Current>)| {
        let (kind, name, mut body) = source(&metric.source);
        let mut value = Map::new();
        if let Some(current) = current {
            if let Some(own) = current.value {
                value.insert("value".into(), json!(own.to_string()));
            }
            if let Some(own) = current.average_value {
                value.insert("averageValue".into(), json!(own.to_string()));
            }
            if let Some(own) = current.average_utilization {
                value.insert("averageUtilization".into(), json!(own));
            }
        }
        body.insert("current".into(), Value::Object(value));
        json!({ "type": kind, name: body })
    };
    let metrics: Vec<Value> = hpa
        .spec
        .metrics
        .iter()
        .zip(&status.current_metrics)
        .map(current)
        .collect();
    let conditions: Vec<Value> = [
        ("AbleToScale", status.able_to_scale),
        ("ScalingActive", status.scaling_active),
        ("ScalingLimited", status.scaling_limited),
    ]
    .into_iter()
    .filter_map(|(name, own)| {
        own.map(|own| {
            condition(
                name,
                own.status,
                Some(clock.stamp(own.since)),
                own.reason.as_str(),
            )
        })
    })
    .collect();
    let mut written = json!({
        "currentReplicas": status.current_replicas,
        "desiredReplicas": status.desired_replicas,
        "currentMetrics": metrics,
        "conditions": conditions,
    });
    if let Some(at) = status.last_scale_time {
        written["lastScaleTime"] = json!(clock.stamp(at));
    }
    written
}

/// The type of a source, the name of its stanza, and what names it there.
fn source(source: &Source) -> (&'static str, &'static str, Map<String, Value>) {
    let mut body = Map::new();
    let mut named = |name: &str, own: &Option<LabelSelector>| {
        let mut metric = json!({ "name": name });
        if let Some(own) = own {
            metric["selector"] = selector(own);
        }
        body.insert("metric".into(), metric);
    };
    let (kind, stanza) = match source {
        Source::External { name, selector } => {
            named(name, selector);
            ("External", "external")
        }
        Source::Object {
            name,
            selector,
            kind,
            object,
        } => {
            named(name, selector);
            body.insert("describedObject".into(), json!({ "kind": kind, "name": object }));
            ("Object", "object")
        }
        Source::Pods { name, selector } => {
            named(name, selector);
            ("Pods", "pods")
        }
        Source::Resource(resource) => {
            body.insert("name".into(), json!(resource.name()));
            ("Resource", "resource")
        }
        Source::ContainerResource { resource, container } => {
            body.insert("name".into(), json!(resource.name()));
            body.insert("container".into(), json!(container));
            ("ContainerResource", "containerResource")
        }
    };
    (kind, stanza, body)
}

fn metric(metric: &Metric) -> Value {
    let (kind, name, mut body) = source(&metric.source);
    let target = match metric.target {
        Target::Value(value) => json!({ "type": "Value", "value": value.to_string() }),
        Target::AverageValue(value) => json!({ "type": "AverageValue", "averageValue": value.to_string() }),
        Target::AverageUtilization(value) => json!({ "type": "Utilization", "averageUtilization": value }),
    };
    body.insert("target".into(), target);
    json!({ "type": kind, name: body })
}

/// A real API server writes the defaults of what a manifest leaves out.
fn behavior(behavior: &Behavior) -> Value {
    let default = std::time::Duration::from_secs(300);
    let (up, down) = behavior.rules(default);
    json!({
        "scaleUp": rules(&up, &behavior.scale_up, true),
        "scaleDown": rules(&down, &behavior.scale_down, behavior.scale_down.stabilization_window.is_some()),
    })
}

fn rules(rules: &Rules<'_>, written: &ScalingRules, window: bool) -> Value {
    let policy = |policy: &Policy| {
        let kind = match policy.kind {
            PolicyKind::Pods => "Pods",
            PolicyKind::Percent => "Percent",
        };
        json!({ "type": kind, "value": policy.value, "periodSeconds": policy.period.as_secs() })
    };
    let select = match rules.select_policy {
        SelectPolicy::Max => "Max",
        SelectPolicy::Min => "Min",
        SelectPolicy::Disabled => "Disabled",
    };
    let policies: Vec<Value> = rules.policies.iter().map(policy).collect();
    let mut value = json!({ "selectPolicy": select, "policies": policies });
    if window {
        value["stabilizationWindowSeconds"] = json!(rules.stabilization_window.as_secs());
    }
    if let Some(tolerance) = written.tolerance {
        value["tolerance"] = json!(tolerance.to_string());
    }
    value
}
