//! Each rule speaks where it should, and only there.

mod keda;
mod load;
mod nodes;
mod places;
mod releases;
mod routes;
mod settled;
mod shapes;
mod stated;
mod times;
mod workloads;

use sim::SortedSet;

use crate::document::{Report, Severity, Source};
use crate::scenario::{Files, Scenario, load};

const SCENARIO: &str = r#"
name = "small"
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
nodes = 1
[load.clients]
deployment = "shop/load"
think_time = "10ms"
cycle_delay = "10ms"
cpu_per_request = 0.001
[service]
deployment = "shop/web"
cpu_per_request = 0.02
[proxy]
deployment = "shop/traefik"
[image]
default = { compressed = "60M" }
"#;

const WORKLOADS: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - name: web
          image: web:1
          resources: {requests: {cpu: 500m}, limits: {cpu: 1}}
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
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web, namespace: shop}
spec: {maxUnavailable: 1, selector: {matchLabels: {app: web}}}
"#;

const SCALED_OBJECT: &str = r#"
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {name: web, namespace: shop}
spec:
  scaleTargetRef: {name: web}
  minReplicaCount: 2
  maxReplicaCount: 20
  advanced: {horizontalPodAutoscalerConfig: {behavior: {scaleDown: {stabilizationWindowSeconds: 300}}}}
  triggers:
    - type: prometheus
      metadata:
        serverAddress: http://prometheus
        threshold: '20'
        query: sum(rate(traefik_service_requests_total{service="shop-web-80@kubernetes",code="200"}[2m]))
"#;

const HPA: &str = r#"
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web, namespace: shop}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  maxReplicas: 10
  behavior: {scaleDown: {stabilizationWindowSeconds: 300}}
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 50}}}]
"#;

const NODE_POOL: &str = r#"
apiVersion: karpenter.sh/v1
kind: NodePool
metadata: {name: default}
spec:
  limits: {cpu: 100}
  template:
    metadata: {labels: {kubernetes.io/arch: amd64}}
    spec:
      nodeClassRef: {group: karpenter.k8s.aws, kind: EC2NodeClass, name: default}
      requirements:
        - {key: karpenter.sh/capacity-type, operator: In, values: [on-demand]}
        - {key: karpenter.k8s.aws/instance-category, operator: In, values: [c, m, r]}
  disruption: {consolidationPolicy: WhenEmptyOrUnderutilized, consolidateAfter: 5m, budgets: [{nodes: "10%"}]}
---
apiVersion: karpenter.k8s.aws/v1
kind: EC2NodeClass
metadata: {name: default}
spec:
  amiSelectorTerms: [{alias: al2023@latest}]
  role: node
  subnetSelectorTerms: [{tags: {a: b}}]
  securityGroupSelectorTerms: [{tags: {a: b}}]
"#;

/// The codes that are reported, with an HPA instead of the ScaledObject if its file is asked for.
fn codes(scaler: &str, sets: &[&str]) -> SortedSet<&'static str> {
    codes_of(SCENARIO, scaler, sets)
}

/// Where a field begins with a dot it is one of this object's spec.
fn codes_of_spec(scaler: &str, object: &str, sets: &[&str]) -> SortedSet<&'static str> {
    let whole = |set: &&str| match set.starts_with('.') {
        true => format!("{object}: spec{set}"),
        false => (*set).to_owned(),
    };
    let sets: Vec<String> = sets.iter().map(whole).collect();
    codes(scaler, &sets.iter().map(String::as_str).collect::<Vec<_>>())
}

fn codes_of(scenario: &str, scaler: &str, sets: &[&str]) -> SortedSet<&'static str> {
    let report = report(scenario, scaler, sets);
    let errors = report.problems.iter().filter(|p| p.severity == Severity::Error);
    let wrong: Vec<_> = errors.filter(|p| !matches!(p.code, "E013" | "E014")).collect();
    assert!(wrong.is_empty(), "{sets:?}\n{report}");
    report.problems.iter().map(|problem| problem.code).collect()
}

fn report(scenario: &str, scaler: &str, sets: &[&str]) -> Report {
    let own = [("web", WORKLOADS), ("scaler", scaler), ("nodes", NODE_POOL)];
    said_of(loaded(scenario, &own, "", sets))
}

fn said_of(loaded: Result<(Scenario, Report), Report>) -> Report {
    match loaded {
        Ok((_, report)) | Err(report) => report,
    }
}

/// A scenario with these manifests, and a trace of these lines.
fn loaded(
    scenario: &str,
    manifests: &[(&str, &str)],
    trace: &str,
    sets: &[&str],
) -> Result<(Scenario, Report), Report> {
    let source = |path: String, text: &str| Source {
        path,
        text: text.to_owned(),
    };
    let manifest = |(name, text): &(&str, &str)| source(format!("manifests/{name}.yaml"), text);
    let files = Files {
        scenario: source("scenario.toml".to_owned(), scenario),
        manifests: manifests.iter().map(manifest).collect(),
        traces: vec![source("traces/day.csv".to_owned(), trace)],
    };
    let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
    load(&files, &sets)
}

#[test]
fn nothing_is_said_about_what_is_plain() {
    assert_eq!(codes(SCALED_OBJECT, &[]), SortedSet::new());
    assert_eq!(codes(HPA, &[]), SortedSet::new());
}

/// What the advice of a code says, and its hint.
fn told(scaler: &str, code: &str, sets: &[&str]) -> String {
    report(SCENARIO, scaler, sets)
        .problems
        .iter()
        .find(|problem| problem.code == code)
        .map(ToString::to_string)
        .unwrap_or_default()
}

/// What an error says of a field is not said again as if the field were not there.
#[test]
fn advice_is_quiet_beside_an_error_that_makes_it_moot() {
    let set = |scaler: &str, code: &str, set: &str| {
        let report = report(SCENARIO, scaler, &[set]);
        let errors = report.problems.iter().filter(|p| p.severity == Severity::Error);
        assert!(errors.count() > 0, "{set}");
        let said = report.problems.iter().any(|problem| problem.code == code);
        assert!(!said, "{set}\n{report}");
    };
    set(
        SCALED_OBJECT,
        "K004",
        "ScaledObject/web: spec.maxReplicaCount='many'",
    );
    set(HPA, "N006", "NodePool/default: spec.limits={cpu='much'}");
    set(
        HPA,
        "N005",
        "NodePool/default: spec.disruption.consolidateAfter='soon'",
    );
    set(
        HPA,
        "N005",
        "NodePool/default: spec.disruption.consolidateAfter=''",
    );
    set(HPA, "S001", "load={arrivals=[{shape='flat',rate=20}]}");
    let applied = SCENARIO.to_owned() + "[[action]]\nat = \"10m\"\napply = \"manifests/web.yaml\"\n";
    let report = report(&applied, HPA, &["Deployment/web: spec.replicas='three'"]);
    assert!(report.has_errors() && report.problems.iter().all(|problem| problem.code != "H006"));
}

/// Every piece of advice that can be given is tried above; what lies in a directory the command alone can see.
#[test]
fn every_code_of_advice_has_a_case() {
    let text = concat!(
        include_str!("tests.rs"),
        include_str!("tests/keda.rs"),
        include_str!("tests/load.rs"),
        include_str!("tests/nodes.rs"),
        include_str!("tests/places.rs"),
        include_str!("tests/routes.rs"),
        include_str!("tests/settled.rs"),
        include_str!("tests/shapes.rs"),
        include_str!("tests/stated.rs"),
        include_str!("tests/times.rs"),
        include_str!("tests/workloads.rs"),
    );
    for (code, _) in crate::scenario::codes() {
        let advice = !code.starts_with('E') && !matches!(code, "W001" | "W002" | "W003" | "W009");
        assert!(
            !advice || text.contains(&format!("\"{code}\"")),
            "{code} has no case"
        );
    }
}
