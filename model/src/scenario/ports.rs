//! Names of ports that lead nowhere.
//!
//! A run with them would be wrong: here pods serve and get Ready whatever ports are called. The endpoint controller
//! leaves out a port that a pod does not name (kubernetes 1.35
//! staging/src/k8s.io/endpointslice/utils.go `getEndpointPorts`), and a probe of such a port always fails (kubernetes 1.35
//! pkg/probe/util.go `ResolveContainerPort`).

use super::Scenario;
use super::resolve::everything;
use crate::api::{Container, PodSpec};
use crate::document::Cursor;
use crate::manifest::Document;

/// The ports of a Service that the route to the scenario's service goes by.
pub(super) fn of_service(document: &Document, root: &Cursor<'_>, scenario: &Scenario) {
    let all = everything(scenario);
    let own = document.object();
    let services = all.iter().flat_map(|objects| &objects.services);
    let services = services.filter(|one| one.name == own.name && one.namespace == own.namespace);
    let services: Vec<_> = services.collect();
    let server = &scenario.roles.server;
    let deployments = all.iter().flat_map(|objects| &objects.deployments);
    let mut served = deployments.filter(|deployment| deployment.name() == *server);
    let Some(pods) = served.find(|pods| services.iter().any(|own| own.selects(&pods.object.template))) else {
        return;
    };
    let routes = || {
        all.iter()
            .flat_map(|objects| &objects.routes)
            .filter(|route| route.service == own)
    };
    for port in root.at("spec.ports").items() {
        let (name, number, at) = (port.get("name"), port.get("port"), port.get("targetPort"));
        let is_own = |written: Option<&str>, asked: &str| written == Some(asked);
        let used = routes()
            .any(|route| is_own(name.written(), &route.port) || is_own(number.written(), &route.port));
        let Some(target) = at.written().filter(|_| used) else {
            continue;
        };
        let spec: &PodSpec = &pods.object.template.spec;
        let sidecars = spec.init_containers.iter().filter(|own| own.restartable);
        let mut containers = spec.containers.iter().chain(sidecars);
        if !is_number(target) && !containers.any(|own| has_port(own, target)) {
            let message = format!(
                "no container of {server} calls a port {target:?}: the Service has no endpoints, and nothing is served"
            );
            at.error("E009", message, &hint(target));
        }
    }
}

/// The ports that probes of a workload's containers ask.
pub(super) fn of_probes(root: &Cursor<'_>) {
    for container in root.at("spec.template.spec.containers").items() {
        let names: Vec<&str> = container
            .get("ports")
            .items()
            .iter()
            .filter_map(|port| port.get("name").written())
            .collect();
        for probe in ["readinessProbe", "startupProbe", "livenessProbe"] {
            for handler in ["httpGet.port", "tcpSocket.port"] {
                let at = container.get(probe).at(handler);
                let Some(port) = at
                    .written()
                    .filter(|port| !is_number(port) && !names.contains(port))
                else {
                    continue;
                };
                at.error(
                    "E009",
                    format!("this container calls no port {port:?}: the probe always fails"),
                    &hint(port),
                );
            }
        }
    }
}

fn has_port(container: &Container, name: &str) -> bool {
    container.ports.iter().any(|port| port.name == name)
}

fn is_number(port: &str) -> bool {
    port.parse::<u16>().is_ok()
}

fn hint(name: &str) -> String {
    format!(
        "name the container's port, ports: [{{name: {name}, containerPort: 8080}}], or write its number here"
    )
}
