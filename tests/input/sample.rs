//! A small scenario to be spoilt.

use model::scenario::{Files, Report, Scenario, Source, load};

pub(crate) const SCENARIO: &str = r#"name = "small"
duration = "30m"
warm_up = "5m"
[stack]
kubernetes = "1.35"
keda = "2.20"
prometheus = "3.5.0"
traefik = "3.5"
karpenter = "1.14"
[[node_group]]
name = "system"
instance_type = "m5.large"
nodes = 2
[load.clients]
deployment = "shop/load"
[service]
deployment = "shop/web"
cpu_per_request = 0.02
[proxy]
deployment = "shop/traefik"
"#;

pub(crate) const MANIFESTS: &str = r#"apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: shop
spec:
  replicas: 2
  selector:
    matchLabels:
      app: web
  template:
    metadata:
      labels:
        app: web
    spec:
      containers:
        - name: web
          image: web:1
          resources:
            requests:
              cpu: 500m
              memory: 256Mi
            limits:
              cpu: "1"
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: load, namespace: shop}
spec:
  selector: {matchLabels: {app: load}}
  template:
    metadata: {labels: {app: load}}
    spec: {containers: [{name: load, image: "busybox:1"}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: traefik, namespace: shop}
spec:
  selector: {matchLabels: {app: traefik}}
  template:
    metadata: {labels: {app: traefik}, annotations: {prometheus.io/scrape: "true"}}
    spec: {containers: [{name: traefik, image: "traefik:v3"}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, namespace: shop}
spec: {rules: [{http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}]}
"#;

fn source(path: &str, text: &str) -> Source {
    Source {
        path: path.to_owned(),
        text: text.to_owned(),
    }
}

/// A scenario of these texts.
pub(crate) fn files(scenario: &str, manifests: &[(&str, &str)]) -> Files {
    Files {
        scenario: source("scenario.toml", scenario),
        manifests: manifests.iter().map(|(path, text)| source(path, text)).collect(),
        traces: Vec::new(),
    }
}

/// The sample with one text put in place of another, in the scenario or in the manifests.
pub(crate) fn spoilt(from: &str, to: &str) -> Files {
    let (scenario, manifests) = (SCENARIO.replacen(from, to, 1), MANIFESTS.replacen(from, to, 1));
    assert!(
        from.is_empty() || scenario != SCENARIO || manifests != MANIFESTS,
        "{from:?} is not in the sample"
    );
    files(&scenario, &[("manifests/web.yaml", &manifests)])
}

/// The sample with another manifest beside its own.
pub(crate) fn with(manifest: &str) -> Files {
    files(
        SCENARIO,
        &[
            ("manifests/web.yaml", MANIFESTS),
            ("manifests/more.yaml", manifest),
        ],
    )
}

/// The sample with more in its scenario.
pub(crate) fn with_scenario(more: &str) -> Files {
    files(&format!("{SCENARIO}{more}"), &[("manifests/web.yaml", MANIFESTS)])
}

pub(crate) fn loaded(files: &Files) -> (Option<Scenario>, Report) {
    match load(files, &[]) {
        Ok((scenario, report)) => (Some(scenario), report),
        Err(report) => (None, report),
    }
}
