//! Services and what leads to them from Traefik.

use super::Reading;
use super::pod_fields::{METADATA, TOP};
use super::selector::labels;
use crate::api::Service;
use crate::document::Cursor;
use crate::document::fields::{Field, ignored, noted, quiet, refused, simulated, table};
use crate::scenario::{ObjectName, Route, RouteProvider};

/// The table of Services.
pub(super) const SERVICE: &[Field] = &[
    table("", TOP),
    table("metadata", METADATA),
    noted("spec.selector", "the pods that answer"),
    simulated("spec.ports[].name"),
    simulated("spec.ports[].port"),
    quiet(
        "spec.ports[].targetPort",
        "every port of a pod is the same service here",
    ),
    quiet("spec.ports[].protocol", "requests are HTTP"),
    quiet("spec.ports[].nodePort", "load comes through Traefik"),
    quiet("spec.ports[].appProtocol", "requests are HTTP"),
    quiet("spec.type", "load comes through Traefik, which talks to pods"),
    quiet("spec.clusterIP", "Traefik talks to pods"),
    quiet("spec.clusterIPs", "Traefik talks to pods"),
    quiet("spec.externalIPs", "addresses play no part"),
    quiet("spec.loadBalancerIP", "addresses play no part"),
    quiet("spec.healthCheckNodePort", "load comes through Traefik"),
    quiet("spec.ipFamilies", "addresses play no part"),
    quiet("spec.ipFamilyPolicy", "addresses play no part"),
    quiet("spec.externalTrafficPolicy", "load comes through Traefik"),
    quiet("spec.internalTrafficPolicy", "Traefik talks to pods"),
    quiet("spec.loadBalancerClass", "load comes through Traefik"),
    quiet("spec.loadBalancerSourceRanges", "load comes through Traefik"),
    quiet("spec.allocateLoadBalancerNodePorts", "load comes through Traefik"),
    ignored("spec.sessionAffinity", "Traefik does not heed it").unless("None"),
    ignored("spec.sessionAffinityConfig", "Traefik does not heed it"),
    ignored(
        "spec.publishNotReadyAddresses",
        "pods that are not Ready get no requests here",
    )
    .unless("false"),
    ignored("spec.trafficDistribution", "Traefik does not heed it"),
    refused(
        "spec.externalName",
        "services outside the cluster are not simulated",
    ),
];

/// The table of Ingresses.
pub(super) const INGRESS: &[Field] = &[
    table("", TOP),
    table("metadata", METADATA),
    simulated("spec.defaultBackend.service.name"),
    simulated("spec.defaultBackend.service.port.number"),
    simulated("spec.defaultBackend.service.port.name"),
    simulated("spec.rules[].http.paths[].backend.service.name"),
    simulated("spec.rules[].http.paths[].backend.service.port.number"),
    simulated("spec.rules[].http.paths[].backend.service.port.name"),
    quiet("spec.rules[].host", "all load goes to the scenario's service"),
    quiet(
        "spec.rules[].http.paths[].path",
        "all load goes to the scenario's service",
    ),
    quiet(
        "spec.rules[].http.paths[].pathType",
        "all load goes to the scenario's service",
    ),
    noted(
        "spec.ingressClassName",
        "Traefik is the only ingress controller here: a class of another one gets a warning",
    ),
    quiet("spec.tls", "encryption costs nothing here"),
    refused(
        "spec.rules[].http.paths[].backend.resource",
        "only Services answer here",
    ),
    refused("spec.defaultBackend.resource", "only Services answer here"),
];

/// The table of IngressRoutes.
pub(super) const INGRESS_ROUTE: &[Field] = &[
    table("", TOP),
    table("metadata", METADATA),
    simulated("spec.routes[].services[].name"),
    simulated("spec.routes[].services[].namespace"),
    simulated("spec.routes[].services[].port"),
    quiet("spec.routes[].services[].kind", "only Services answer here"),
    quiet("spec.routes[].services[].scheme", "requests are HTTP"),
    quiet("spec.routes[].services[].passHostHeader", "headers play no part"),
    ignored(
        "spec.routes[].services[].weight",
        "all load goes to the scenario's service",
    ),
    ignored("spec.routes[].services[].strategy", "servers are picked in turn"),
    ignored(
        "spec.routes[].services[].sticky",
        "clients are not bound to a pod here",
    ),
    ignored(
        "spec.routes[].services[].healthCheck",
        "Traefik's own health checks are not simulated",
    ),
    ignored(
        "spec.routes[].middlewares",
        "middlewares are not simulated: retries and limits have no effect",
    ),
    quiet("spec.routes[].match", "all load goes to the scenario's service"),
    quiet("spec.routes[].kind", "there is only Rule"),
    quiet(
        "spec.routes[].priority",
        "all load goes to the scenario's service",
    ),
    quiet("spec.routes[].syntax", "all load goes to the scenario's service"),
    quiet("spec.entryPoints", "all load comes through one entry point"),
    quiet("spec.tls", "encryption costs nothing here"),
];

/// A Service.
pub(crate) fn read_service(reading: &Reading<'_>) -> (Service, Vec<(String, String)>) {
    let root = &reading.root;
    let service = Service {
        name: reading.name.to_owned(),
        namespace: reading.namespace.to_owned(),
        selector: labels(&root.at("spec.selector")),
    };
    let port = |at: Cursor<'_>| {
        let number = at.get("port").required().int(1..=65_535)?;
        Some((
            at.get("name").text().unwrap_or_default().to_owned(),
            number.to_string(),
        ))
    };
    let ports = root
        .at("spec.ports")
        .items()
        .into_iter()
        .filter_map(port)
        .collect();
    (service, ports)
}

/// What an Ingress leads to.
pub(crate) fn read_ingress(reading: &Reading<'_>) -> Vec<Route> {
    let spec = reading.root.get("spec").required();
    warn_of_another_controller(&spec.get("ingressClassName"));
    let annotations = reading.root.at("metadata.annotations");
    warn_of_another_controller(&annotations.get("kubernetes.io/ingress.class"));
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
        let port_text = number.or_else(|| port.get("name").name().map(str::to_owned));
        if port.is_given() && port_text.is_none() {
            port.error("E005", "a backend's port needs a number or a name", "");
        }
        let name = service.get("name").required().name()?;
        Some(Route::new(
            reading.object(),
            RouteProvider::Kubernetes,
            reading.namespace,
            name,
            &port_text?,
        ))
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

/// What an IngressRoute leads to.
pub(crate) fn read_ingress_route(reading: &Reading<'_>) -> Vec<Route> {
    let routes = reading.root.at("spec.routes").required();
    let services = routes
        .items()
        .into_iter()
        .flat_map(|route| route.get("services").items());
    let route = |at: Cursor<'_>| {
        let namespace = at.get("namespace").name().unwrap_or(reading.namespace);
        let name = at.get("name").required().name()?;
        let port = at.get("port").required().scalar()?;
        Some(Route::new(
            reading.object(),
            RouteProvider::KubernetesCrd,
            namespace,
            name,
            port,
        ))
    };
    services.filter_map(route).collect()
}

impl Route {
    /// A route, with the name that Traefik gives its service
    /// (traefik 2.10 pkg/provider/kubernetes/ingress/kubernetes.go,
    /// pkg/provider/kubernetes/crd/kubernetes_http.go `fullServiceName`).
    fn new(route: ObjectName, provider: RouteProvider, namespace: &str, service: &str, port: &str) -> Self {
        let suffix = match provider {
            RouteProvider::Kubernetes => "kubernetes",
            RouteProvider::KubernetesCrd => "kubernetescrd",
        };
        Route {
            name: route,
            provider,
            service: ObjectName {
                namespace: namespace.to_owned(),
                name: service.to_owned(),
            },
            port: port.to_owned(),
            traefik_service: format!("{namespace}-{service}-{port}@{suffix}"),
        }
    }
}
