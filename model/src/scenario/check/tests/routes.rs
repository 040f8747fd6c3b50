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
