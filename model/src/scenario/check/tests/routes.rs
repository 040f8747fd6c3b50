//! Ingresses and IngressRoutes: where the load comes in, and what Traefik calls the service.

use super::{NODE_POOL, SCALED_OBJECT, SCENARIO, WORKLOADS, codes, loaded, said_of, told};
use crate::document::Severity;

const SECURE: &str = "Ingress/web: metadata.annotations[traefik.ingress.kubernetes.io/router.entryPoints]='websecure, internal'";

fn asks(entry_point: &str) -> String {
    format!(
        "ScaledObject/web: spec.triggers[0].metadata.query='sum(rate(traefik_entrypoint_requests_total{{entrypoint=\"{entry_point}\"}}[2m]))'"
    )
}

#[test]
fn the_load_comes_in_where_the_route_listens() {
    let k013 = |sets: &[&str]| codes(SCALED_OBJECT, sets).contains("K013");
    assert!(k013(&[&asks("websecure")]) && !k013(&[&asks("web")]));
    assert!(k013(&[SECURE, &asks("web")]) && !k013(&[SECURE, &asks("websecure")]));
    let internal = "proxy.entry_point='internal'";
    assert!(k013(&[SECURE, internal, &asks("websecure")]));
    assert!(!k013(&[SECURE, internal, &asks("internal")]));
    let hint = told(SCALED_OBJECT, "K013", &[&asks("websecure")]);
    assert!(hint.contains("proxy.entry_point"), "{hint}");
    let nowhere = loaded(
        SCENARIO,
        &[("web", WORKLOADS), ("nodes", NODE_POOL)],
        "",
        &[SECURE, "proxy.entry_point='web'"],
    );
    let report = said_of(nowhere);
    let said = report.to_string();
    assert!(
        said.contains("no route to the service listens at \"web\""),
        "{said}"
    );
}

const ROUTE: &str = "apiVersion: traefik.io/v1alpha1
kind: IngressRoute
metadata: {name: web, namespace: shop}
spec:
  entryPoints: [websecure]
  routes:
    - match: Host(`shop.example.com`)
      kind: Rule
      services: [SERVICES]
    - match: PathPrefix(`/dashboard`)
      kind: Rule
      services: [{name: api@internal, kind: TraefikService}]
";

/// The workloads with an IngressRoute to these services in place of the Ingress.
fn with_route(services: &str) -> String {
    let documents = WORKLOADS.split("\n---\n");
    let others: Vec<&str> = documents
        .filter(|text| !text.contains("kind: Ingress\n"))
        .collect();
    format!(
        "{}\n---\n{}",
        others.join("\n---\n"),
        ROUTE.replace("SERVICES", services)
    )
}

#[test]
fn an_ingress_route_names_its_service_by_its_rule() {
    let named = |services: &str| {
        let text = with_route(services);
        let (scenario, report) = loaded(SCENARIO, &[("web", &text), ("nodes", NODE_POOL)], "", &[])
            .unwrap_or_else(|report| panic!("{report}"));
        let errors = report
            .problems
            .iter()
            .filter(|own| own.severity == Severity::Error);
        assert_eq!(errors.count(), 0, "{report}");
        let traefik = scenario.traffic.traefik;
        (traefik.service, traefik.entry_point)
    };
    // printf 'Host(`shop.example.com`)' | sha256sum
    let (service, entry_point) = named("{name: web, port: 80, nativeLB: false, serversTransport: slow}");
    assert_eq!(service, "shop-web-38bcef08ab977d6de43a@kubernetescrd");
    assert_eq!(entry_point, "websecure");
    let two = "{name: web, port: 80}, {name: web, port: 80, weight: 2}";
    assert_eq!(named(two).0, "shop-web-80@kubernetescrd");
}

#[test]
fn names_of_ports_must_lead_somewhere() {
    let said = |sets: &[&str]| {
        let own = [("web", WORKLOADS), ("nodes", NODE_POOL)];
        said_of(loaded(SCENARIO, &own, "", sets)).to_string()
    };
    let target = "Service/web: spec.ports[0].targetPort='http'";
    let named = "Deployment/web: spec.template.spec.containers[0].ports=[{name='http',containerPort=8080}]";
    assert!(
        said(&[target]).contains("nothing is served"),
        "{}",
        said(&[target])
    );
    assert!(!said(&[target, named]).contains("E009"));
    assert!(!said(&["Service/web: spec.ports[0].targetPort=8080"]).contains("E009"));
    let probe =
        "Deployment/web: spec.template.spec.containers[0].readinessProbe={httpGet={path='/',port='http'}}";
    assert!(
        said(&[probe]).contains("the probe always fails"),
        "{}",
        said(&[probe])
    );
    assert!(!said(&[probe, named]).contains("E009"));
    assert!(!said(&[&probe.replace("'http'", "'8080'")]).contains("E009"));
}

/// `[metric]` is looked at as triggers are, and a pods metric must be the pods'.
#[test]
fn queries_of_an_adapter_are_looked_at() {
    let hpa = |metric: &str| super::HPA.replacen("metrics: [", &format!("metrics: [{metric}, "), 1);
    let pods =
        hpa("{type: Pods, pods: {metric: {name: rps}, target: {type: AverageValue, averageValue: 10}}}");
    let rule = |query: &str| format!("metric.rps='{query}'");
    let own = rule("rate(container_cpu_usage_seconds_total{namespace=\"shop\"}[5m])");
    assert!(!codes(&pods, &[&own]).contains("K018"));
    for query in [
        "sum(rate(container_cpu_usage_seconds_total[5m]))",
        "sum by (pod) (rate(traefik_service_requests_total[5m]))",
    ] {
        assert!(codes(&pods, &[&rule(query)]).contains("K018"), "{query}");
    }
    let external = hpa(
        "{type: External, external: {metric: {name: rps}, target: {type: AverageValue, averageValue: 10}}}",
    );
    let total = |rest: &str| rule(&format!("sum(rate(traefik_service_requests_total{rest}))"));
    assert!(!codes(&external, &[&total("[5m]")]).contains("K018"));
    assert!(codes(&external, &[&total("[30s]")]).contains("P001"));
    assert!(codes(&external, &[&total("{service=\"web\"}[5m]")]).contains("K013"));
}

#[test]
fn labels_that_nodes_do_not_get_here() {
    let selects = |label: &str| format!("Deployment/web: spec.template.spec.nodeSelector[{label}");
    let ebs = selects("topology.ebs.csi.aws.com/zone]='us-west-2a'");
    assert!(told(super::HPA, "N015", &[&ebs]).contains("topology.kubernetes.io/zone"));
    let host = selects("kubernetes.io/hostname]='foo'");
    assert!(told(super::HPA, "N015", &[&host]).contains("EC2"));
    let host = selects("kubernetes.io/hostname]='ip-192-168-0-1'");
    assert_eq!(told(super::HPA, "N015", &[&host]), "");
}

#[test]
fn an_image_whose_size_nobody_states_is_assumed() {
    let other = "Deployment/web: spec.template.spec.containers[0].image='web:2'";
    let report = said_of(loaded(
        &SCENARIO.replace("default = {", "\"busybox:1\" = {"),
        &[("web", WORKLOADS), ("nodes", NODE_POOL)],
        "",
        &[other],
    ));
    let said = report.to_string();
    let (code, own) = ("S010", "the image web:2 is");
    assert!(
        said.contains(code) && said.contains(own) && !said.contains("traefik:v3"),
        "{said}"
    );
}
