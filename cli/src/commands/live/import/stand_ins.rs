//! What a scenario cannot do without, in place of what a cluster has by other means. Each is told.

use sim::{SortedMap, SortedSet};

use serde_json::{Value, json};

use super::draft::Draft;
use super::roles::{Roles, full_name};

/// Where Traefik's chart serves metrics.
const METRICS: i64 = 9100;

impl Roles {
    /// Adds what a scenario cannot do without: a proxy, and a way from it to the service.
    pub(super) fn stand_ins(&self, draft: &mut Draft) {
        let (namespace, name) = self.service.split_once('/').unwrap_or(("default", &self.service));
        if self.proxy_stands_in {
            let (namespace, name) = self.proxy.split_once('/').unwrap_or(("traefik", "traefik"));
            draft.add(json!({ "apiVersion": "apps/v1", "kind": "Deployment",
                "metadata": { "name": name, "namespace": namespace },
                "spec": { "replicas": 1, "selector": { "matchLabels": { "app": name } },
                    "template": { "metadata": { "labels": { "app": name } },
                        "spec": { "containers": [{ "name": name, "image": "traefik:v3.5" }] } } } }));
            draft
                .left_out
                .push("no Deployment is Traefik: one without requests stands in for it".to_owned());
        }
        let labels = draft
            .of_kind("Deployment")
            .find(|object| full_name(object) == self.service)
            .map(|object| object["spec"]["template"]["metadata"]["labels"].clone())
            .unwrap_or_default();
        let selects = |service: &&Value| {
            let selector = service["spec"]["selector"].as_object();
            service["metadata"]["namespace"] == namespace
                && selector.is_some_and(|selector| {
                    !selector.is_empty() && selector.iter().all(|(key, value)| labels[key] == *value)
                })
        };
        let service = draft.of_kind("Service").find(selects).cloned();
        let service = match service {
            Some(service) => service,
            None => {
                let service = json!({ "apiVersion": "v1", "kind": "Service",
                    "metadata": { "name": name, "namespace": namespace },
                    "spec": { "selector": labels, "ports": [{ "port": 80 }] } });
                draft.add(service.clone());
                draft.left_out.push(format!(
                    "no Service selects the pods of {}: one was added",
                    self.service
                ));
                service
            }
        };
        let routed = draft.of_kind("Ingress").chain(draft.of_kind("IngressRoute"));
        let target = service["metadata"]["name"].clone();
        let leads = |route: &Value| route["metadata"]["namespace"] == namespace && mentions(route, &target);
        if !routed.into_iter().any(leads) {
            let port = service["spec"]["ports"][0]["port"].clone();
            draft.add(json!({ "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
                "metadata": { "name": name, "namespace": namespace },
                "spec": { "rules": [{ "http": { "paths": [{ "path": "/", "pathType": "Prefix",
                    "backend": { "service": { "name": target, "port": { "number": port } } } }] } }] } }));
            draft
                .left_out
                .push(format!("no Ingress leads to {}: one was added", self.service));
        }
    }

    /// The simulated Prometheus finds pods by annotations; a cluster's may do so by other means.
    pub(super) fn scrape_proxy(&self, draft: &mut Draft) {
        let proxy = draft
            .of_kind_mut("Deployment")
            .find(|object| full_name(object) == self.proxy);
        let Some(proxy) = proxy else {
            return;
        };
        let template = &mut proxy["spec"]["template"];
        if template["metadata"]["annotations"]["prometheus.io/scrape"] == "true" {
            return;
        }
        let ports = template
            .pointer("/spec/containers/0/ports")
            .and_then(Value::as_array);
        let metrics = ports.into_iter().flatten().find(|port| port["name"] == "metrics");
        let port = metrics
            .and_then(|port| port["containerPort"].as_i64())
            .unwrap_or(METRICS);
        template["metadata"]["annotations"]["prometheus.io/scrape"] = json!("true");
        template["metadata"]["annotations"]["prometheus.io/port"] = json!(port.to_string());
        if !self.proxy_stands_in {
            let title = &self.proxy;
            draft.left_out.push(format!(
                "how Prometheus finds the pods of {title}: by no annotations of theirs, so prometheus.io/scrape was added"
            ));
        }
    }
}

fn mentions(value: &Value, text: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(|item| mentions(item, text)),
        Value::Object(fields) => {
            fields.get("name") == Some(text) || fields.values().any(|field| mentions(field, text))
        }
        _ => false,
    }
}

/// NodePools whose NodeClass is not there, or of a kind that is not simulated, get an EC2NodeClass instead.
pub(super) fn node_classes(draft: &mut Draft) {
    let known: SortedSet<(String, String)> = ["EC2NodeClass", "KWOKNodeClass"]
        .into_iter()
        .flat_map(|kind| draft.of_kind(kind))
        .filter_map(|class| {
            let text = |value: &Value| value.as_str().map(str::to_owned);
            Some((text(&class["kind"])?, text(&class["metadata"]["name"])?))
        })
        .collect();
    let mut missing = SortedMap::new();
    for pool in draft.of_kind_mut("NodePool") {
        let api_version = match pool["apiVersion"].as_str() {
            Some("karpenter.sh/v1beta1") => "karpenter.k8s.aws/v1beta1",
            _ => "karpenter.k8s.aws/v1",
        };
        let reference = &mut pool["spec"]["template"]["spec"]["nodeClassRef"];
        let name = reference["name"].as_str().unwrap_or("default").to_owned();
        let kind = reference["kind"].as_str().unwrap_or("EC2NodeClass").to_owned();
        if known.contains(&(kind.clone(), name.clone())) {
            continue;
        }
        if kind != "EC2NodeClass" {
            *reference = json!({ "group": "karpenter.k8s.aws", "kind": "EC2NodeClass", "name": name });
        }
        missing.insert(name, (api_version, kind));
    }
    for (name, (api_version, kind)) in missing {
        let term = json!([{ "tags": { "karpenter.sh/discovery": "cluster" } }]);
        draft.add(json!({ "apiVersion": api_version, "kind": "EC2NodeClass", "metadata": { "name": name },
            "spec": { "amiFamily": "AL2023", "amiSelectorTerms": [{ "alias": "al2023@latest" }], "role": "node",
                      "subnetSelectorTerms": term, "securityGroupSelectorTerms": term } }));
        draft.left_out.push(format!(
            "{kind}/{name}: an EC2NodeClass of the family AL2023 stands in for it"
        ));
    }
}
