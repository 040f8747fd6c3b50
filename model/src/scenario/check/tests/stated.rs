//! What manifests say of the simulated parts, and values that are rarely meant.

use std::time::Duration;

use super::{HPA, NODE_POOL, SCALED_OBJECT, SCENARIO, WORKLOADS, codes, codes_of, loaded, report, told};
use crate::scenario::Scenario;

const KARPENTER: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata: {name: karpenter, namespace: karpenter}
spec:
  selector: {matchLabels: {app: karpenter}}
  template:
    metadata: {labels: {app: karpenter}}
    spec:
      containers:
        - name: controller
          image: public.ecr.aws/karpenter/controller:1.14.0
          env:
            - {name: BATCH_MAX_DURATION, value: 60s}
            - {name: FEATURE_GATES, value: "SpotToSpotConsolidation=true,NodeRepair=true,Drift=false"}
            - {name: INTERRUPTION_QUEUE, value: ""}
            - {name: CLUSTER_NAME, valueFrom: {configMapKeyRef: {name: a, key: b}}}
"#;

const PROMETHEUS: &str = r#"
apiVersion: v1
kind: ConfigMap
metadata: {name: prometheus-server, namespace: prometheus}
data:
  prometheus.yml: |
    global:
      scrape_interval: 15s
      scrape_timeout: 5s
    scrape_configs:
      - job_name: kubernetes-pods
        scrape_interval: 10s
"#;

/// A scenario whose Traefik has these arguments.
fn with(args: &str, scenario: &str) -> Result<Scenario, String> {
    let workloads = WORKLOADS.replace(
        "containers: [{name: traefik, image: \"traefik:v3\"}]",
        &format!("containers: [{{name: traefik, image: \"traefik:v3\", args: [{args}]}}]"),
    );
    let own = [
        ("web", workloads.as_str()),
        ("scaler", HPA),
        ("nodes", NODE_POOL),
        ("karpenter", KARPENTER),
        ("prometheus", PROMETHEUS),
    ];
    loaded(scenario, &own, "", &[])
        .map(|(scenario, _)| scenario)
        .map_err(|report| report.to_string())
}

#[test]
fn what_the_scenario_leaves_out_the_manifests_say() {
    let args = "--providers.kubernetesingress.allowEmptyServices=true, --providers.providersThrottleDuration=5, \
                --serversTransport.forwardingTimeouts.dialTimeout=7s, \"--metrics.prometheus.buckets=0.01,0.5\"";
    let scenario = with(args, SCENARIO).expect("no error");
    let traefik = &scenario.traffic.traefik;
    assert!(traefik.allow_empty_services);
    assert_eq!(traefik.throttle, Duration::from_secs(5));
    assert_eq!(traefik.dial_timeout, Duration::from_secs(7));
    assert_eq!(traefik.buckets, [0.01, 0.5]);
    let prometheus = &scenario.config.prometheus;
    assert_eq!(prometheus.scrape_interval, Duration::from_secs(15));
    assert_eq!(prometheus.scrape_timeout, Duration::from_secs(5));
    let pods = crate::prometheus::Job::KubernetesPods;
    assert_eq!(prometheus.interval(pods), Duration::from_secs(10));
    // Of a provider that no route comes from nothing is asked, and what is no value says nothing.
    let other = "--providers.kubernetescrd.allowEmptyServices, --providers.providersThrottleDuration=soon";
    let scenario = with(other, SCENARIO).expect("no error");
    assert!(!scenario.traffic.traefik.allow_empty_services);
    assert_eq!(scenario.traffic.traefik.throttle, Duration::from_secs(2));
}

#[test]
fn what_the_scenario_states_counts_and_a_difference_is_told() {
    let own = format!("{HPA}---\n{KARPENTER}---\n{PROMETHEUS}");
    let said = |sets: &[&str]| told(&own, "W012", sets);
    assert_eq!(said(&[]), "");
    assert!(said(&["timing.karpenter.batch_max_duration=10s"]).contains("\"60s\""));
    assert_eq!(said(&["timing.karpenter.batch_max_duration=1m"]), "");
    assert!(said(&["timing.karpenter.spot_to_spot=false"]).contains("true"));
    assert!(said(&["timing.karpenter.interruption_queue=true"]).contains("false"));
    assert!(said(&["timing.prometheus.scrape_interval=30s"]).contains("\"15s\""));
    let args = "Deployment/traefik: spec.template.spec.containers[0].args=['--metrics.prometheus.addServicesLabels=false']";
    assert!(codes(SCALED_OBJECT, &[args]).contains("W012"));
}

#[test]
fn a_jobs_timeout_is_within_its_interval() {
    let job = "timing.prometheus.job.kubernetes-pods";
    let errors = |interval: &str, timeout: &str| {
        let sets = [
            format!("{job}.scrape_interval={interval}"),
            format!("{job}.scrape_timeout={timeout}"),
        ];
        let sets: Vec<&str> = sets.iter().map(String::as_str).collect();
        report(SCENARIO, HPA, &sets).has_errors()
    };
    assert!(errors("5s", "20s"));
    assert!(!errors("5s", "5s"));
    // The global timeout, 10 s, is cut to what the interval leaves.
    let sets = format!("{job}.scrape_interval=5s");
    assert!(!report(SCENARIO, HPA, &[&sets]).has_errors());
}

#[test]
fn pods_behind_a_gate_wait_for_ever() {
    let gate = "Deployment/web: spec.template.spec.schedulingGates=[{name='x'}]";
    assert!(codes(HPA, &[gate]).contains("N024"));
    assert!(!codes(HPA, &[]).contains("N024"));
}

#[test]
fn a_request_that_costs_nothing_or_everything_is_rarely_meant() {
    let says = |work: &str, more: &[&str]| {
        let work = format!("service.cpu_per_request={work}");
        let sets: Vec<&str> = more.iter().copied().chain([&*work]).collect();
        codes(HPA, &sets).contains("W003")
    };
    assert!(says("1e9", &[]) && says("0", &[]));
    assert!(!says("0.02", &[]) && !says("100", &[]));
    assert!(says("100", &["service.timeout='30s'"]));
}

/// The rules of ScaledObjects hold for HPAs that ask an adapter.
#[test]
fn metrics_of_other_adapters_are_looked_at_as_triggers_are() {
    let rate =
        "sum(rate(traefik_service_requests_total{service=\"shop-web-80@kubernetes\",code=\"200\"}[2m]))";
    let p95 =
        "histogram_quantile(0.95, sum by (le) (rate(traefik_service_request_duration_seconds_bucket[2m])))";
    let scenario = format!("{SCENARIO}[metric]\nrps = '{rate}'\np95 = '{p95}'\n");
    let codes = |source: &str, name: &str, target: &str| {
        let described = match source {
            "object" => "describedObject={apiVersion='v1',kind='Service',name='web'},",
            _ => "",
        };
        let kind = if source == "object" { "Object" } else { "External" };
        let metrics = format!(
            "HorizontalPodAutoscaler/web: spec.metrics=[{{type='{kind}',{source}={{{described}metric={{name='{name}'}},target={{{target}}}}}}}]"
        );
        codes_of(&scenario, HPA, &[&metrics])
    };
    for source in ["external", "object"] {
        let value = codes(source, "rps", "type='Value',value='20'");
        assert!(value.contains("K010"), "{source}");
        let average = codes(source, "rps", "type='AverageValue',averageValue='20'");
        assert!(!average.contains("K010") && !average.contains("K014"), "{source}");
        let high = codes(source, "rps", "type='AverageValue',averageValue='500'");
        assert!(high.contains("K014"), "{source}");
        let quantile = codes(source, "p95", "type='AverageValue',averageValue='50m'");
        assert!(quantile.contains("K010"), "{source}");
        let quantile = codes(source, "p95", "type='Value',value='50m'");
        assert!(!quantile.contains("K010"), "{source}");
    }
}

/// `or vector(0)` answers 0 where there is nothing, whatever ignoreNullValues says.
#[test]
fn a_query_that_is_never_empty_is_no_error_either() {
    let scenario = SCENARIO.to_owned() + "[[action]]\nat = \"10m\"\nstop = \"prometheus\"\nfor = \"8m\"\n";
    let query = "ScaledObject/web: spec.triggers[0].metadata.query=sum(rate(traefik_service_requests_total{service=\"shop-web-80@kubernetes\"}[2m]))";
    let errors = "ScaledObject/web: spec.triggers[0].metadata.ignoreNullValues='false'";
    assert!(!codes_of(&scenario, SCALED_OBJECT, &[errors, query]).contains("K006"));
    let never = format!("{query} or vector(0)");
    assert!(codes_of(&scenario, SCALED_OBJECT, &[errors, &never]).contains("K006"));
    let fallback = "ScaledObject/web: spec.fallback={failureThreshold=3,replicas=5}";
    let said = told(SCALED_OBJECT, "K006", &[errors, &never, fallback]);
    assert!(said.contains("leave `or vector(0)` out"), "{said}");
    let other = format!("{query} or vector(7)");
    assert!(!codes_of(&scenario, SCALED_OBJECT, &[errors, &other]).contains("K006"));
}
