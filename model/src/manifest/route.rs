//! What leads from Traefik to Services.

use sha2::{Digest, Sha256};

use super::Reading;
use super::network::WITHOUT_EFFECT;
use super::selector::texts;
use crate::document::Cursor;
use crate::scenario::{ObjectName, Route, RouteProvider};

/// What an Ingress leads to.
pub(crate) fn read_ingress(reading: &Reading<'_>) -> Vec<Route> {
    let spec = reading.root.get("spec").required();
    warn_of_another_controller(&spec.get("ingressClassName"));
    let annotations = reading.root.at("metadata.annotations");
    warn_of_another_controller(&annotations.get("kubernetes.io/ingress.class"));
    warn_of_annotations(&reading.root);
    let entry_points = annotated_entry_points(&annotations);
    let paths = spec
        .get("rules")
        .items()
        .into_iter()
        .flat_map(|rule| rule.at("http.paths").items());
    let backends = paths.map(|path| path.get("backend").required());
    let default = Some(spec.get("defaultBackend")).filter(Cursor::is_given);
    let route = |at: Cursor<'_>| {
        let service = at.get("service").required();
        let port = service.get("port").required();
        let number = port
            .get("number")
            .int(1..=65_535)
            .map(|number| number.to_string());
        let port_name = port.get("name").text().filter(|name| !name.is_empty());
        // (kubernetes 1.35 pkg/apis/networking/validation/validation.go `validateIngressBackend`)
        if number.is_some() && port_name.is_some() {
            port.error("E004", "a backend's port has a number or a name, not both", "");
        }
        let port_text = number.or(port_name.map(str::to_owned));
        if port.is_given() && port_text.is_none() {
            port.error("E005", "a backend's port needs a number or a name", "");
        }
        let name = service.get("name").required().name()?;
        let (namespace, port) = (reading.namespace, port_text?);
        Some(Route {
            name: reading.object(),
            provider: RouteProvider::Kubernetes,
            service: object(namespace, name),
            traefik_service: format!("{}@kubernetes", service_id(namespace, name, &port)),
            port,
            entry_points: entry_points.clone(),
        })
    };
    default.into_iter().chain(backends).filter_map(route).collect()
}

/// A class may have any name; these are what other controllers' own installations call theirs.
fn warn_of_another_controller(class: &Cursor<'_>) {
    const OTHERS: [&str; 8] = [
        "alb", "nginx", "haproxy", "kong", "istio", "contour", "gce", "cilium",
    ];
    let Some(name) = class.text() else { return };
    if OTHERS.iter().any(|other| name.starts_with(other)) {
        class.warn(
            "W001",
            format!(
                "ignored: {name:?} is another controller's class, and Traefik serves this Ingress all the same"
            ),
            "all load comes through Traefik here: its latency, counters and metrics are what is simulated",
        );
    }
}

/// What an IngressRoute leads to. A TraefikService, such as the dashboard's api@internal, is none of the pods.
pub(crate) fn read_ingress_route(reading: &Reading<'_>) -> Vec<Route> {
    let entry_points = texts(&reading.root.at("spec.entryPoints"));
    let routes = reading.root.at("spec.routes").required().items();
    let of_route = |at: Cursor<'_>| {
        let rule = at.get("match").required().name();
        let services = at.get("services").items();
        let alone = services.len() == 1;
        let route = |at: Cursor<'_>| {
            let namespace = at.get("namespace").name().unwrap_or(reading.namespace);
            let name = at.get("name").required().name()?;
            let kinds = [("Service", true), ("TraefikService", false)];
            if at.get("kind").is_given() && !at.get("kind").one_of(&kinds)? {
                return None;
            }
            let port = at.get("port").required().scalar()?;
            let id = match alone {
                true => rule_id(reading, rule?),
                false => service_id(namespace, name, port),
            };
            Some(Route {
                name: reading.object(),
                provider: RouteProvider::KubernetesCrd,
                service: object(namespace, name),
                port: port.to_owned(),
                traefik_service: format!("{id}@kubernetescrd"),
                entry_points: entry_points.clone(),
            })
        };
        services.into_iter().filter_map(route).collect::<Vec<_>>()
    };
    routes.into_iter().flat_map(of_route).collect()
}

fn object(namespace: &str, name: &str) -> ObjectName {
    ObjectName {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    }
}

/// The name of the only service of a rule: the IngressRoute's, and ten bytes of a hash of the rule in hexadecimal
/// (traefik 3.5 pkg/provider/kubernetes/crd/kubernetes_http.go `loadIngressRouteConfiguration`;
/// pkg/provider/kubernetes/crd/kubernetes.go `makeServiceKey`).
fn rule_id(reading: &Reading<'_>, rule: &str) -> String {
    let hash = Sha256::digest(rule.as_bytes());
    let hex: String = hash[..10].iter().map(|byte| format!("{byte:02x}")).collect();
    normalized(&format!("{}-{}-{hex}", reading.namespace, reading.name))
}

/// The name of an Ingress's service, and of one among several of an IngressRoute's rule
/// (traefik 2.10 pkg/provider/kubernetes/ingress/kubernetes.go,
/// pkg/provider/kubernetes/crd/kubernetes_http.go `fullServiceName`).
fn service_id(namespace: &str, service: &str, port: &str) -> String {
    normalized(&format!("{namespace}-{service}-{port}"))
}

/// Words of letters and digits, joined by single dashes (traefik 2.10 pkg/provider/provider.go `Normalize`).
fn normalized(name: &str) -> String {
    let words = name.split(|c: char| !c.is_alphanumeric());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    words.join("-")
}

const ANNOTATION: &str = "traefik.ingress.kubernetes.io/";

/// The entry points that an Ingress's annotation names; the case of an annotation does not matter
/// (traefik 2.10 pkg/provider/kubernetes/ingress/annotations.go `parseRouterConfig`).
fn annotated_entry_points(annotations: &Cursor<'_>) -> Vec<String> {
    let all = annotations.entries().into_iter();
    let mut own = all.filter(|(key, _)| {
        key.strip_prefix(ANNOTATION)
            .is_some_and(|name| name.eq_ignore_ascii_case("router.entrypoints"))
    });
    let text = own.next().and_then(|(_, at)| at.text()).unwrap_or_default();
    let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
    names.map(str::to_owned).collect()
}

/// What annotations ask of Traefik that is not simulated.
pub(super) fn warn_of_annotations(root: &Cursor<'_>) {
    for (key, at) in root.at("metadata.annotations").entries() {
        let name = key.strip_prefix(ANNOTATION).unwrap_or_default();
        let known = WITHOUT_EFFECT
            .iter()
            .find(|(own, _)| own.eq_ignore_ascii_case(name));
        if let Some((_, note)) = known.filter(|_| at.written() != Some("false")) {
            at.warn("W001", format!("ignored: {note}"), "");
        }
    }
}
