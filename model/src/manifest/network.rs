//! Services and what leads to them from Traefik.

use super::Reading;
use super::pod_fields::{METADATA, TOP};
use super::selector::labels;
use crate::api::Service;
use crate::document::Cursor;
use crate::document::fields::{Field, ignored, noted, quiet, refused, simulated, table};

/// The table of Services.
pub(super) const SERVICE: &[Field] = &[
    table("", TOP),
    table("metadata", METADATA),
    noted("spec.selector", "the pods that answer"),
    simulated("spec.ports[].name"),
    simulated("spec.ports[].port"),
    noted(
        "spec.ports[].targetPort",
        "a name must be that of a port; apart from that every port of a pod is the same service here",
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

const MIDDLEWARES: &str = "middlewares are not simulated: retries and limits have no effect";
const STICKY: &str = "clients are not bound to a pod here";
const NATIVE: &str = "Traefik picks the pod itself here, not the Service's address";

/// What annotations of Ingresses and Services ask of Traefik and do not get.
pub(super) const WITHOUT_EFFECT: [(&str, &str); 4] = [
    ("router.middlewares", MIDDLEWARES),
    ("service.nativelb", NATIVE),
    ("service.sticky", STICKY),
    ("service.sticky.cookie", STICKY),
];

/// The table of IngressRoutes.
pub(super) const INGRESS_ROUTE: &[Field] = &[
    table("", TOP),
    table("metadata", METADATA),
    simulated("spec.routes[].services[].name"),
    simulated("spec.routes[].services[].namespace"),
    simulated("spec.routes[].services[].port"),
    noted(
        "spec.routes[].services[].kind",
        "a TraefikService, such as api@internal, is passed over: only Services answer here",
    ),
    quiet("spec.routes[].services[].scheme", "requests are HTTP"),
    quiet("spec.routes[].services[].passHostHeader", "headers play no part"),
    ignored(
        "spec.routes[].services[].weight",
        "all load goes to the scenario's service",
    ),
    ignored("spec.routes[].services[].strategy", "servers are picked in turn"),
    ignored("spec.routes[].services[].sticky", STICKY),
    ignored(
        "spec.routes[].services[].healthCheck",
        "Traefik's own health checks are not simulated",
    ),
    ignored(
        "spec.routes[].services[].passiveHealthCheck",
        "Traefik's own health checks are not simulated",
    ),
    ignored("spec.routes[].services[].nativeLB", NATIVE).unless("false"),
    ignored(
        "spec.routes[].services[].nodePortLB",
        "Traefik picks among pods here, not among nodes",
    )
    .unless("false"),
    quiet(
        "spec.routes[].services[].responseForwarding",
        "answers cost what the scenario says",
    ),
    quiet(
        "spec.routes[].services[].serversTransport",
        "how long Traefik waits is proxy.dial_timeout and service.timeout",
    ),
    ignored("spec.routes[].services[].middlewares", MIDDLEWARES),
    ignored("spec.routes[].middlewares", MIDDLEWARES),
    noted(
        "spec.routes[].match",
        "all load goes to the scenario's service; its name in Traefik's metrics is made of this",
    ),
    quiet("spec.routes[].kind", "there is only Rule"),
    quiet(
        "spec.routes[].priority",
        "all load goes to the scenario's service",
    ),
    quiet("spec.routes[].syntax", "all load goes to the scenario's service"),
    ignored(
        "spec.routes[].observability.metrics",
        "Traefik counts the requests of every router here",
    )
    .unless("true"),
    quiet("spec.routes[].observability.accessLogs", "nothing reads them"),
    quiet("spec.routes[].observability.tracing", "nothing reads it"),
    quiet("spec.routes[].observability.traceVerbosity", "nothing reads it"),
    noted(
        "spec.entryPoints",
        "the first is where the load comes in, unless proxy.entry_point names another of them",
    ),
    quiet(
        "spec.ingressClassName",
        "Traefik is the only ingress controller here",
    ),
    ignored("spec.parentRefs", "routers above others are not simulated"),
    quiet("spec.tls", "encryption costs nothing here"),
];

/// A Service.
pub(crate) fn read_service(reading: &Reading<'_>) -> (Service, Vec<(String, String)>) {
    let root = &reading.root;
    super::route::warn_of_annotations(root);
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
