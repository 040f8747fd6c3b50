//! Each rule speaks where it should, and only there.

use std::collections::BTreeSet;

use crate::document::{Severity, Source};
use crate::scenario::{Files, load};

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
fn codes(scaler: &str, sets: &[&str]) -> BTreeSet<&'static str> {
    codes_of(SCENARIO, scaler, sets)
}

fn codes_of(scenario: &str, scaler: &str, sets: &[&str]) -> BTreeSet<&'static str> {
    let source = |path: &str, text: &str| Source {
        path: path.to_owned(),
        text: text.to_owned(),
    };
    let files = Files {
        scenario: source("scenario.toml", scenario),
        manifests: vec![
            source("manifests/web.yaml", WORKLOADS),
            source("manifests/scaler.yaml", scaler),
            source("manifests/nodes.yaml", NODE_POOL),
        ],
        traces: Vec::new(),
    };
    let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
    let report = match load(&files, &sets) {
        Ok((_, report)) => report,
        Err(report) => {
            let errors = report.problems.iter().filter(|p| p.severity == Severity::Error);
            let wrong: Vec<_> = errors.filter(|p| !matches!(p.code, "E013" | "E014")).collect();
            assert!(wrong.is_empty(), "{sets:?}\n{report}");
            report
        }
    };
    report.problems.iter().map(|problem| problem.code).collect()
}

#[test]
fn nothing_is_said_about_what_is_plain() {
    assert_eq!(codes(SCALED_OBJECT, &[]), BTreeSet::new());
    assert_eq!(codes(HPA, &[]), BTreeSet::new());
}

/// A change that makes a rule speak, and one like it that does not.
#[test]
fn rules_about_scaled_objects() {
    let check = |code: &str, fires: &[&str], silent: &[&str]| {
        let with = |sets: &[&str]| {
            let sets: Vec<String> = sets
                .iter()
                .map(|set| {
                    if set.starts_with('.') {
                        format!("ScaledObject/web: spec{set}")
                    } else {
                        (*set).to_owned()
                    }
                })
                .collect();
            codes(
                SCALED_OBJECT,
                &sets.iter().map(String::as_str).collect::<Vec<_>>(),
            )
        };
        assert!(with(fires).contains(code), "{code} is silent: {:?}", with(fires));
        assert!(!with(silent).contains(code), "{code} speaks: {:?}", with(silent));
    };
    let query = |query: &str| format!(".triggers[0].metadata.query={query}");
    let from_zero = ".minReplicaCount=0";
    check(
        "K001",
        &[".cooldownPeriod=30"],
        &[".cooldownPeriod=30", from_zero],
    );
    check("K001", &[".initialCooldownPeriod=30"], &[]);
    check("K002", &[".cooldownPeriod=30", from_zero], &[from_zero]);
    check(
        "K003",
        &[".pollingInterval=5"],
        &[".pollingInterval=5", ".triggers[0].useCachedMetrics=true"],
    );
    assert!(codes(&SCALED_OBJECT.replace("  maxReplicaCount: 20\n", ""), &[]).contains("K004"));
    check(
        "K005",
        &[".triggers[0].metadata.activationThreshold='5'"],
        &[from_zero],
    );
    check(
        "K006",
        &[".fallback={failureThreshold=3,replicas=5}"],
        &[
            ".fallback={failureThreshold=3,replicas=5}",
            ".triggers[0].metadata.ignoreNullValues='false'",
        ],
    );
    let fallback = ".fallback={failureThreshold=3,replicas=5}";
    check("K007", &[fallback, "stack.keda=2.12"], &[fallback]);
    check(
        "K008",
        &[from_zero, ".initialCooldownPeriod=30", "stack.keda=2.12"],
        &[from_zero, ".initialCooldownPeriod=30"],
    );
    check(
        "K008",
        &[".triggers[0].metadata.timeout='500'", "stack.keda=2.16"],
        &[".triggers[0].metadata.timeout='500'"],
    );
    let cpu = ".triggers[1]={type='cpu',metricType='Utilization',metadata={value='50'}}";
    check("K009", &[cpu], &[]);
    check(
        "K010",
        &[".triggers[0].metricType='Value'"],
        &[".triggers[0].metricType='AverageValue'"],
    );
    let bare = query("rate(traefik_service_requests_total{service=\"shop-web-80@kubernetes\"}[2m])");
    check(
        "K011",
        &[&bare],
        &[&query(
            "max(rate(traefik_service_requests_total{service=\"shop-web-80@kubernetes\"}[2m]))",
        )],
    );
    let durations = "rate(traefik_service_request_duration_seconds_bucket[2m])";
    check(
        "K011",
        &[&query(&format!(
            "histogram_quantile(0.95, sum by (le, code) ({durations}))"
        ))],
        &[&query(&format!(
            "histogram_quantile(0.95, sum by (le) ({durations}))"
        ))],
    );
    let arrivals = query("sum(rate(traefik_entrypoint_requests_total{entrypoint=\"web\"}[2m]))");
    check("K012", &[from_zero], &[from_zero, &arrivals]);
    let other = query("sum(rate(traefik_service_requests_total{service=\"shop-web-http@kubernetes\"}[2m]))");
    check(
        "K013",
        &[&other],
        &[&query(
            "sum(rate(traefik_service_requests_total{service=~\"shop-.*\"}[2m]))",
        )],
    );
    // A pod serves 1 / 0.02 = 50 a second.
    check(
        "K014",
        &[".triggers[0].metadata.threshold=60"],
        &[".triggers[0].metadata.threshold=40"],
    );
    check(
        "K014",
        &[".triggers[0].metadata.threshold=48"],
        &[".triggers[0].metadata.threshold=48", &arrivals],
    );
    let served = |before: &str, range: &str| {
        query(&format!(
            "sum({before}(traefik_service_requests_total{{service=\"shop-web-80@kubernetes\"}}[2m])){range}"
        ))
    };
    let unit = ".triggers[0].metadata.threshold=1200";
    check(
        "K014",
        &[&served("rate", " or vector(0)"), unit],
        &[&served("increase", ""), unit],
    );
    check(
        "K014",
        &[&served("irate", ""), unit],
        &[&served("rate", " * 60"), unit],
    );
    let short = query("sum(rate(traefik_service_requests_total{service=\"shop-web-80@kubernetes\"}[1m]))");
    check(
        "P001",
        &[&short],
        &[&short, "timing.prometheus.scrape_interval=15s"],
    );
    check("H001", &[".advanced={}"], &[]);
    check(
        "H004",
        &[".advanced.horizontalPodAutoscalerConfig.behavior.scaleDown.stabilizationWindowSeconds=0"],
        &[],
    );
    check(
        "P002",
        &["Deployment/traefik: spec.template.metadata.annotations={}"],
        &[],
    );
    check(
        "P002",
        &["dashboard.pods='count(kube_pod_info)'"],
        &[
            "dashboard.pods='count(kube_pod_info)'",
            "Deployment/load: spec.template.metadata.labels[app.kubernetes.io/name]='kube-state-metrics'",
        ],
    );
    let own = "sum by (pod) (rate(http_requests_total[2m]))";
    check(
        "P002",
        &[&query(own)],
        &[&query("sum(rate(container_cpu_usage_seconds_total[2m]))")],
    );
    check(
        "P002",
        &[&format!("metric.rate='{own}'")],
        &["metric.rate='sum(rate(traefik_entrypoint_requests_total[2m]))'"],
    );
    // From Traefik 3.0 on there is another name for it.
    let open = query("sum(traefik_service_open_connections)");
    check("P002", &[&open], &[&open, "stack.traefik=2.11"]);
    check(
        "W006",
        &[
            "stack.kubernetes=1.33",
            "Deployment/web: spec.template.spec.resources.requests.cpu=1",
        ],
        &["Deployment/web: spec.template.spec.resources.requests.cpu=1"],
    );
    let sidecar = "Deployment/web: spec.template.spec.initContainers=\
        [{name = 'log', image = 'log:1', restartPolicy = 'Always'}]";
    check(
        "W006",
        &["stack.kubernetes=1.28", sidecar],
        &["stack.kubernetes=1.29", sidecar],
    );
    check("W007", &["stack.karpenter=1.15"], &["stack.karpenter=1.14.7"]);
    check("S002", &["warm_up=30s"], &[]);
}

/// Sets a field of the Deployment web to a manifest that an action applies.
#[test]
fn rules_about_hpas_and_workloads() {
    let check = |code: &str, fires: &[&str], silent: &[&str]| {
        assert!(
            codes(HPA, fires).contains(code),
            "{code} is silent: {:?}",
            codes(HPA, fires)
        );
        assert!(
            !codes(HPA, silent).contains(code),
            "{code} speaks: {:?}",
            codes(HPA, silent)
        );
    };
    check(
        "H003",
        &["Deployment/web: spec.template.spec.containers[0].resources={}"],
        &[],
    );
    check(
        "H005",
        &[
            "HorizontalPodAutoscaler/web: spec.behavior.scaleUp.tolerance='50m'",
            "stack.kubernetes=1.34",
        ],
        &["HorizontalPodAutoscaler/web: spec.behavior.scaleUp.tolerance='50m'"],
    );
    check(
        "W005",
        &["HorizontalPodAutoscaler/web: spec.metrics[0].resource.name=memory"],
        &[
            "HorizontalPodAutoscaler/web: spec.metrics[0].resource.name=memory",
            "service.memory.idle=64Mi",
        ],
    );
    check(
        "N002",
        &["Deployment/web: spec.template.metadata.annotations[karpenter.sh/do-not-disrupt]='true'"],
        &["Deployment/web: spec.template.metadata.annotations[karpenter.sh/do-not-disrupt]='false'"],
    );
    check("N003", &["PodDisruptionBudget/web: spec.maxUnavailable=0"], &[]);
    check(
        "N003",
        &["PodDisruptionBudget/web: spec={minAvailable=1,selector={matchLabels={app='web'}}}"],
        &[
            "PodDisruptionBudget/web: spec={minAvailable=1,selector={matchLabels={app='web'}}}",
            "HorizontalPodAutoscaler/web: spec.minReplicas=2",
        ],
    );
    let spread = "Deployment/web: spec.template.spec.topologySpreadConstraints[0]=\
                  {maxSkew=1,topologyKey='topology.kubernetes.io/zone',whenUnsatisfiable='DoNotSchedule'}";
    check(
        "N010",
        &[spread],
        &[&spread.replace("DoNotSchedule", "ScheduleAnyway")],
    );
    let keda = "Deployment/load: spec.template.spec.containers[0].image='ghcr.io/kedacore/keda:2.20.0'";
    let tainted = "node_group[0].taints=['only=system:NoSchedule']";
    check("N012", &[keda, tainted], &[keda]);
    check("N012", &[keda, tainted], &[tainted]);
    let tolerated = "Deployment/load: spec.template.spec.tolerations[0]={operator='Exists'}";
    check("N012", &[keda, tainted], &[keda, tainted, tolerated]);
    let action = "action[0]={at='10m',apply='manifests/web.yaml'}";
    check("H006", &[action, "Deployment/web: spec.replicas=3"], &[action]);
    check(
        "W004",
        &["action[0]={at='40m',scale='shop/load',replicas=5}"],
        &["action[0]={at='20m',scale='shop/load',replicas=5}"],
    );
    assert!(codes(&format!("{HPA}---{SCALED_OBJECT}"), &[]).contains("E013"));
}

#[test]
fn rules_about_node_pools() {
    let check = |code: &str, fires: &[&str], silent: &[&str]| {
        let with = |sets: &[&str]| {
            let sets: Vec<String> = sets
                .iter()
                .map(|set| {
                    if set.starts_with('.') {
                        format!("NodePool/default: spec{set}")
                    } else {
                        (*set).to_owned()
                    }
                })
                .collect();
            codes(HPA, &sets.iter().map(String::as_str).collect::<Vec<_>>())
        };
        assert!(with(fires).contains(code), "{code} is silent: {:?}", with(fires));
        assert!(!with(silent).contains(code), "{code} speaks: {:?}", with(silent));
    };
    let gpu = "Deployment/web: spec.template.spec.containers[0].resources.limits[nvidia.com/gpu]=1";
    let categories = ".template.spec.requirements[1].values=['g']";
    check("N001", &[gpu], &[gpu, categories]);
    check(
        "N001",
        &[
            "Deployment/web: spec.template.spec.nodeSelector.disk='fast'",
            "node_group[0].labels.disk='slow'",
        ],
        &[
            "Deployment/web: spec.template.spec.nodeSelector.disk='fast'",
            ".template.metadata.labels.disk='fast'",
        ],
    );
    check(
        "N001",
        &[
            "node_group[0].taints=['only=system:NoSchedule']",
            ".template.spec.taints[0]={key='only',effect='NoSchedule'}",
        ],
        &["node_group[0].taints=['only=system:NoSchedule']"],
    );
    check(
        "N004",
        &[".disruption.budgets[0].nodes='0'"],
        &[".disruption.budgets[0].nodes='1'"],
    );
    check(
        "N005",
        &[".disruption.consolidateAfter='0s'"],
        &[
            ".disruption.consolidateAfter='0s'",
            ".disruption.consolidationPolicy='WhenEmpty'",
        ],
    );
    check("N005", &[".disruption.consolidateAfter='Never'"], &[]);
    check("N006", &[".limits={}"], &[]);
    check("N007", &[".replicas=2", "stack.karpenter=1.5"], &[".replicas=2"]);
    check(
        "N008",
        &[".template.spec.requirements[0].values=['spot']"],
        &[".template.spec.requirements[0].values=['spot','on-demand']"],
    );
    let on_demand = NODE_POOL
        .split("---")
        .next()
        .expect("a NodePool")
        .replace("metadata: {name: default}", "metadata: {name: other}");
    let with_other = |other: &str| {
        codes(
            &format!("{HPA}---{other}"),
            &[
                "NodePool/default: spec.template.spec.requirements[0].values=['spot']",
                "NodePool/default: spec.weight=10",
            ],
        )
    };
    assert!(!with_other(&on_demand).contains("N008"), "there is a way out");
    let reserved = on_demand.replace(
        "      requirements:",
        "      taints: [{key: only, effect: NoSchedule}]\n      requirements:",
    );
    for other in [
        reserved,
        on_demand.replace("[on-demand]", "[spot]"),
        on_demand.replace("  limits:", "  weight: 20\n  limits:"),
    ] {
        assert!(with_other(&other).contains("N008"), "{other}");
    }
    check(
        "N011",
        &[".template.spec.requirements[1].values=['c','t']"],
        &[
            ".template.spec.requirements[1].values=['c','t']",
            ".template.spec.requirements[2]={key='karpenter.k8s.aws/instance-family',operator='In',values=['c7i']}",
        ],
    );
    check(
        "N011",
        &["node_group[0].instance_type='t3.large'"],
        &["node_group[0].instance_type='m5.large'"],
    );
    let family = ".template.spec.requirements[2]={key='karpenter.k8s.aws/instance-family',operator='In',values=['g4dn']}";
    let times = ["service.gpu.other=0.02", "service.gpu.time.T4=0.01"];
    check(
        "S003",
        &[gpu, categories, times[0], times[1]],
        &[gpu, categories, times[0], times[1], family],
    );
    check(
        "S003",
        &[gpu, categories, family, times[0]],
        &[gpu, categories, family],
    );
    let spot = ".template.spec.requirements[0].values=['spot','on-demand']";
    check("N009", &[spot], &[spot, "timing.karpenter.spot_to_spot=true"]);
    check("E014", &["stack.karpenter=0.32"], &["stack.karpenter=1.0"]);
}

#[test]
fn what_a_request_costs_is_asked_for() {
    for line in [
        "cpu_per_request = 0.02\n",
        "cpu_per_request = 0.001\n",
        "think_time = \"10ms\"\n",
        "cycle_delay = \"10ms\"\n",
    ] {
        let without = SCENARIO.replace(line, "");
        assert_eq!(codes_of(&without, HPA, &[]), BTreeSet::from(["S004"]), "{line}");
    }
}

#[test]
fn a_scenario_without_load_is_told_so() {
    let (before, rest) = SCENARIO.split_once("[load.clients]").expect("clients");
    let (_, after) = rest.split_once("[service]").expect("a service");
    let bare = format!("{before}[service]{after}");
    let files = Files {
        scenario: Source {
            path: "scenario.toml".to_owned(),
            text: bare,
        },
        manifests: vec![Source {
            path: "manifests/web.yaml".to_owned(),
            text: WORKLOADS.to_owned(),
        }],
        traces: Vec::new(),
    };
    let (_, report) = load(&files, &[]).expect("it runs");
    assert!(
        report.problems.iter().any(|problem| problem.code == "S001"),
        "{report}"
    );
}

/// Every piece of advice that can be given is tried above.
#[test]
fn every_code_of_advice_has_a_case() {
    let text = include_str!("tests.rs");
    for (code, _) in crate::scenario::codes() {
        let advice = !code.starts_with('E') && !matches!(code, "W001" | "W002" | "W003");
        assert!(
            !advice || text.contains(&format!("\"{code}\"")),
            "{code} has no case"
        );
    }
}
