//! What of a running cluster a scenario needs: its objects, its machines, its load. Only reads.
//!
//! Objects come without what the API server and controllers added, and without environments, commands and
//! volumes, which may hold secrets and decide nothing in a simulation. What a scenario cannot say is listed.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use kube::Client;
use kube::api::ListParams;
use serde_json::Value;

use super::error::{Error, Result};
use super::kinds::{Served, ServedKind};
use super::prometheus::{Prometheus, series};
use crate::heard::{condition, text};
use crate::recording::trimmed;

/// Kinds whose objects are read, in the order of files, and whether only those of the workload's namespace matter:
/// the pods of all namespaces take room on nodes.
const KINDS: [(&str, &str, bool); 14] = [
    ("", "Namespace", false),
    ("scheduling.k8s.io", "PriorityClass", false),
    ("apps", "Deployment", false),
    ("apps", "DaemonSet", false),
    ("", "Service", true),
    ("networking.k8s.io", "Ingress", true),
    ("traefik.io", "IngressRoute", true),
    ("policy", "PodDisruptionBudget", false),
    ("autoscaling", "HorizontalPodAutoscaler", true),
    ("keda.sh", "ScaledObject", true),
    ("karpenter.sh", "NodePool", false),
    ("karpenter.k8s.aws", "EC2NodeClass", false),
    ("karpenter.kwok.sh", "KWOKNodeClass", false),
    ("apps", "StatefulSet", false),
];

/// Machines of one kind that Karpenter did not bring.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Group {
    /// The node group's name, or how the machines are called for want of one.
    pub name: String,
    /// `m5.large`
    pub instance_type: String,
    /// `on-demand` or `spot`
    pub capacity_type: String,
    /// The most pods that one takes.
    pub max_pods: Option<u32>,
}

/// What was found.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// Objects as one would apply them.
    pub objects: Vec<Value>,
    /// Machines and how many there are.
    pub groups: BTreeMap<Group, u32>,
    /// Nodes that Karpenter brought: the scenario's Karpenter will bring its own.
    pub karpenter_nodes: usize,
    /// The region of the nodes, if they say it.
    pub region: Option<String>,
    /// From joining to Ready, seconds, the middle one of the nodes that Karpenter brought.
    pub until_ready: Option<f64>,
    /// What could not be taken along, and why.
    pub left_out: Vec<String>,
}

/// Reads what a scenario of a namespace's workload needs.
///
/// # Errors
///
/// When the API server cannot be used, or may not be asked for Deployments.
pub async fn find(client: &Client, served: &Served, namespace: &str) -> Result<Found> {
    let mut found = Found::default();
    for (group, name, own) in KINDS {
        let Some(kind) = served.find(group, name) else {
            continue;
        };
        let within = if own { namespace } else { "" };
        let objects = match list(client, kind, within).await {
            Ok(objects) => objects,
            Err(kube::Error::Api(status)) if status.is_forbidden() && name != "Deployment" => {
                found.left_out.push(format!("{name}: {}", status.message));
                continue;
            }
            Err(error) => return Err(Error::request(format!("list {}", kind.resource.plural), &error)),
        };
        objects.into_iter().for_each(|object| found.object(object));
    }
    found.keep_namespaces(namespace);
    found.nodes(client, served).await?;
    Ok(found)
}

async fn list(client: &Client, kind: &ServedKind, namespace: &str) -> Result<Vec<Value>, kube::Error> {
    let list = kind.api(client, namespace).list(&ListParams::default()).await?;
    let typed = |object| {
        let mut value = serde_json::to_value(object).ok()?;
        value["apiVersion"] = Value::from(kind.resource.api_version.as_str());
        value["kind"] = Value::from(kind.resource.kind.as_str());
        Some(value)
    };
    Ok(list.items.into_iter().filter_map(typed).collect())
}

impl Found {
    fn object(&mut self, object: Value) {
        let (kind, name) = (text(&object, "/kind"), text(&object, "/metadata/name"));
        // What KEDA made for a ScaledObject, it makes again.
        if let Some(owner) = object.pointer("/metadata/ownerReferences/0") {
            let by_keda = owner["kind"] == "ScaledObject" && kind == "HorizontalPodAutoscaler";
            if !by_keda {
                let owner = owner["kind"].as_str().unwrap_or("another object");
                self.left_out.push(format!(
                    "{kind} {name}: it belongs to a {owner}, which is not simulated"
                ));
            }
            return;
        }
        if kind == "StatefulSet" {
            let replicas = object["spec"]["replicas"].as_i64().unwrap_or(1);
            self.left_out.push(format!(
                "{kind} {}/{name}: its {replicas} pods take room on nodes and are not simulated",
                text(&object, "/metadata/namespace")
            ));
            return;
        }
        // Every cluster has these.
        let own = matches!(name, "system-cluster-critical" | "system-node-critical");
        if (kind == "PriorityClass" && own) || (kind == "Service" && name == "kubernetes") {
            return;
        }
        self.objects.push(as_applied(object));
    }

    /// Namespaces in which nothing lies are of no use.
    fn keep_namespaces(&mut self, own: &str) {
        let lies_in = |object: &Value| object["metadata"]["namespace"].as_str().map(str::to_owned);
        let used: BTreeSet<String> = self.objects.iter().filter_map(lies_in).collect();
        self.objects.retain(|object| {
            let name = object["metadata"]["name"].as_str().unwrap_or("");
            object["kind"] != "Namespace" || name == own || used.contains(name)
        });
    }

    async fn nodes(&mut self, client: &Client, served: &Served) -> Result<()> {
        let Some(kind) = served.find("", "Node") else {
            return Ok(());
        };
        let nodes = match list(client, kind, "").await {
            Ok(nodes) => nodes,
            Err(kube::Error::Api(status)) if status.is_forbidden() => {
                self.left_out.push(format!("nodes: {}", status.message));
                return Ok(());
            }
            Err(error) => return Err(Error::request("list nodes", &error)),
        };
        let mut until_ready = Vec::new();
        for node in &nodes {
            let label = |name: &str| node["metadata"]["labels"][name].as_str().unwrap_or("");
            match label("topology.kubernetes.io/region") {
                "" => {}
                region => self.region = Some(region.to_owned()),
            }
            if !label("karpenter.sh/nodepool").is_empty() {
                self.karpenter_nodes += 1;
                until_ready.extend(until_ready_of(node));
                continue;
            }
            let instance_type = label("node.kubernetes.io/instance-type");
            let name = node["metadata"]["name"].as_str().unwrap_or("");
            if instance_type.is_empty() {
                self.left_out
                    .push(format!("Node {name}: no label tells its instance type"));
                continue;
            }
            let group = match (
                label("eks.amazonaws.com/nodegroup"),
                label("alpha.eksctl.io/nodegroup-name"),
            ) {
                ("", "") => instance_type.replace('.', "-"),
                ("", name) | (name, _) => name.to_owned(),
            };
            let spot = label("eks.amazonaws.com/capacityType") == "SPOT";
            let pods = node["status"]["allocatable"]["pods"].as_str();
            let group = Group {
                name: group,
                instance_type: instance_type.to_owned(),
                capacity_type: if spot { "spot" } else { "on-demand" }.to_owned(),
                max_pods: pods.and_then(|pods| pods.parse().ok()),
            };
            *self.groups.entry(group).or_default() += 1;
        }
        until_ready.sort_by(f64::total_cmp);
        self.until_ready = until_ready.get(until_ready.len() / 2).copied();
        Ok(())
    }
}

/// How long a node took from joining until it was Ready, seconds, if it still is since then.
fn until_ready_of(node: &Value) -> Option<f64> {
    let (_, since) = condition(node, "Ready").filter(|(status, _)| *status == "True")?;
    let time = |stamp: &str| stamp.parse::<Timestamp>().ok();
    let joined = time(text(node, "/metadata/creationTimestamp"))?;
    let seconds = time(since)?.duration_since(joined).as_secs_f64();
    // One that was not Ready for a while since says nothing of its beginning.
    (0.0..300.0).contains(&seconds).then_some(seconds)
}

/// An object as one would apply it: without what the API server and controllers wrote.
fn as_applied(object: Value) -> Value {
    let mut object = trimmed(object);
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
    }
    if let Some(metadata) = object["metadata"].as_object_mut() {
        for field in [
            "uid",
            "resourceVersion",
            "generation",
            "creationTimestamp",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
            "ownerReferences",
        ] {
            metadata.remove(field);
        }
        // What Karpenter wrote about the object itself.
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.retain(|key, _| !key.contains("-hash"));
        }
        if let Some(labels) = metadata.get_mut("labels").and_then(Value::as_object_mut) {
            labels.remove(super::RUN_LABEL);
            labels.remove("kubernetes.io/metadata.name");
        }
        metadata.retain(|_, value| !is_empty(value));
    }
    if let Some(Value::Object(spec)) = object.pointer_mut("/spec/template/spec") {
        without_defaults(spec);
    }
    if let Some(Value::Object(metadata)) = object.pointer_mut("/spec/template/metadata") {
        metadata.retain(|_, value| !is_empty(value));
    }
    if let Some(spec) = object["spec"].as_object_mut() {
        for field in [
            "progressDeadlineSeconds",
            "revisionHistoryLimit",
            "clusterIP",
            "clusterIPs",
            "ipFamilies",
            "ipFamilyPolicy",
            "internalTrafficPolicy",
            "finalizers",
        ] {
            spec.remove(field);
        }
    }
    object
}

fn is_empty(value: &Value) -> bool {
    value.as_object().is_some_and(serde_json::Map::is_empty)
}

/// What every pod template has without anybody writing it.
fn without_defaults(spec: &mut serde_json::Map<String, Value>) {
    let is_default = |key: &str, value: &Value| match key {
        "dnsPolicy" => value == "ClusterFirst",
        "restartPolicy" => value == "Always",
        "schedulerName" => value == "default-scheduler",
        "securityContext" => true,
        "serviceAccount" | "serviceAccountName" | "automountServiceAccountToken" => true,
        _ => false,
    };
    spec.retain(|key, value| !is_default(key, value));
    for list in ["containers", "initContainers"] {
        let containers = spec.get_mut(list).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten().filter_map(Value::as_object_mut) {
            container.remove("terminationMessagePath");
            container.remove("terminationMessagePolicy");
        }
    }
}

/// A load of the past.
#[derive(Debug, Clone, PartialEq)]
pub struct Load {
    /// When its second zero was, Unix seconds.
    pub began: f64,
    /// Seconds since then, and requests a second.
    pub readings: Vec<(f64, f64)>,
}

/// The load of the last so many seconds. `window` is that of the query's `rate`: what it says of a moment is the mean of
/// that long before it, and so is taken for the middle of that.
///
/// # Errors
///
/// When Prometheus has no answer, or nothing.
pub async fn load(
    prometheus: &Prometheus,
    query: &str,
    now: f64,
    seconds: f64,
    step: f64,
    window: f64,
) -> Result<Load> {
    let start = now - seconds;
    let data = prometheus.query_range(query, start, now, step).await?;
    let mut sums = BTreeMap::<i64, f64>::new();
    for series in series(&data) {
        for (at, value) in series.points {
            if value.is_finite() {
                let row = ((at - start) / step).round();
                *sums.entry(row as i64).or_default() += value.max(0.0);
            }
        }
    }
    let Some((&first, _)) = sums.first_key_value() else {
        return Err(Error::Input(format!("Prometheus has nothing for {query}")));
    };
    Ok(Load {
        began: start + first as f64 * step - window / 2.0,
        readings: sums
            .into_iter()
            .map(|(row, rate)| ((row - first) as f64 * step, rate))
            .collect(),
    })
}
#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::prometheus::Place;
    use super::super::testing::{Fake, block_on};
    use super::*;

    #[test]
    fn an_object_is_as_it_was_applied() {
        let stored = json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": { "name": "web", "namespace": "shop", "uid": "u", "resourceVersion": "1",
                          "labels": { "scaletwin.dev/run": "r1" }, "managedFields": [] },
            "spec": { "replicas": 2, "revisionHistoryLimit": 10,
                      "template": { "metadata": { "labels": { "app": "web" }, "annotations": {} },
                        "spec": { "dnsPolicy": "ClusterFirst", "securityContext": {},
                          "containers": [{ "name": "web", "image": "a", "env": [{ "name": "TOKEN" }],
                                           "terminationMessagePath": "/dev/termination-log" }] } } },
            "status": { "replicas": 2 },
        });
        assert_eq!(
            as_applied(stored),
            json!({ "apiVersion": "apps/v1", "kind": "Deployment",
                    "metadata": { "name": "web", "namespace": "shop" },
                    "spec": { "replicas": 2, "template": { "metadata": { "labels": { "app": "web" } },
                              "spec": { "containers": [{ "name": "web", "image": "a" }] } } } })
        );
    }

    #[test]
    fn what_others_made_is_not_taken_along() {
        let mut found = Found::default();
        let object = |kind: &str, name: &str, owner: Option<&str>| {
            let owners = owner.map_or(json!([]), |kind| json!([{ "kind": kind }]));
            let mut object = json!({ "kind": kind, "metadata": { "name": name, "namespace": "shop" } });
            if owner.is_some() {
                object["metadata"]["ownerReferences"] = owners;
            }
            object
        };
        found.object(object(
            "HorizontalPodAutoscaler",
            "keda-hpa-web",
            Some("ScaledObject"),
        ));
        found.object(object("Deployment", "operated", Some("Database")));
        found.object(object("StatefulSet", "db", None));
        found.object(object("Namespace", "empty", None));
        found.object(object("Deployment", "web", None));
        found.keep_namespaces("shop");
        let names: Vec<&str> = found
            .objects
            .iter()
            .filter_map(|o| o["metadata"]["name"].as_str())
            .collect();
        assert_eq!(names, ["web"]);
        assert_eq!(
            found.left_out,
            [
                "Deployment operated: it belongs to a Database, which is not simulated",
                "StatefulSet shop/db: its 1 pods take room on nodes and are not simulated",
            ]
        );
    }

    #[test]
    fn a_load_begins_with_its_first_reading_in_the_middle_of_its_window() {
        let values = json!([[1040.0, "2"], [1050.0, "NaN"], [1060.0, "4"]]);
        let fake = Fake::new(move |_| {
            let result =
                json!([{ "metric": {}, "values": values }, { "metric": {}, "values": [[1060.0, "1"]] }]);
            (
                200,
                json!({ "status": "success", "data": { "resultType": "matrix", "result": result } }),
            )
        });
        let place = Place::Service {
            namespace: "m".to_owned(),
            name: "p".to_owned(),
            port: 80,
        };
        let prometheus = Prometheus::new(&place, &fake.client()).unwrap();
        let found = block_on(load(&prometheus, "q", 1100.0, 100.0, 10.0, 30.0)).unwrap();
        assert_eq!(
            found,
            Load {
                began: 1025.0,
                readings: vec![(0.0, 2.0), (20.0, 5.0)]
            }
        );
    }

    #[test]
    fn a_node_tells_how_long_it_took_to_be_ready() {
        let node = |status: &str, since: &str| {
            json!({ "metadata": { "creationTimestamp": "2026-01-31T12:00:00Z" },
                    "status": { "conditions": [{ "type": "Ready", "status": status, "lastTransitionTime": since }] } })
        };
        assert_eq!(until_ready_of(&node("True", "2026-01-31T12:00:05Z")), Some(5.0));
        assert_eq!(until_ready_of(&node("False", "2026-01-31T12:00:05Z")), None);
        assert_eq!(until_ready_of(&node("True", "2026-01-31T13:00:05Z")), None);
        assert_eq!(until_ready_of(&json!({})), None);
    }
}
