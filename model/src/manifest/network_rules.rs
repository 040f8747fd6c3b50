//! What the API server refuses of Services and Ingresses, though nothing here depends on it: who writes it has none.

use sim::SortedSet;

use super::Reading;
use crate::document::Cursor;

/// (kubernetes 1.35 pkg/apis/core/validation/validation.go `validateService`, `validateServicePort`)
pub(super) fn check_service(reading: &Reading<'_>) {
    let spec = reading.root.get("spec");
    let kind = spec.get("type").one_of(&[
        ("ClusterIP", "ClusterIP"),
        ("NodePort", "NodePort"),
        ("LoadBalancer", "LoadBalancer"),
        ("ExternalName", "ExternalName"),
    ]);
    let kind = kind.unwrap_or("ClusterIP");
    let ports_at = spec.get("ports");
    let ports = ports_at.items();
    let is_headless = spec.get("clusterIP").written() == Some("None");
    if ports.is_empty() && !is_headless && kind != "ExternalName" {
        let hint = "only a headless Service, clusterIP: None, needs none";
        spec.error("E005", "a Service has at least one port", hint);
    }
    let (mut names, mut numbers) = (SortedSet::new(), SortedSet::new());
    for port in &ports {
        let name_at = port.get("name");
        match name_at.text().filter(|name| !name.is_empty()) {
            None if ports.len() > 1 && !name_at.is_given() => {
                port.error("E005", "name is missing", "of several ports each has a name");
            }
            Some(name) if !names.insert(name) => {
                name_at.error("E004", format!("two ports are called {name:?}"), "");
            }
            _ => {}
        }
        let protocol_at = port.get("protocol");
        let protocols = [("TCP", "TCP"), ("UDP", "UDP"), ("SCTP", "SCTP")];
        let protocol = protocol_at.one_of(&protocols).unwrap_or("TCP");
        let number = port.get("port");
        if let Some(written) = number.written().filter(|own| !numbers.insert((*own, protocol))) {
            number.error("E004", format!("port {written} of {protocol} is given twice"), "");
        }
        check_node_port(&port.get("nodePort"), kind);
        let _ = port.get("targetPort").scalar();
    }
}

/// The range is the API server's default, and EKS's (kubernetes 1.35 pkg/kubeapiserver/options/options.go
/// `DefaultServiceNodePortRange`).
fn check_node_port(at: &Cursor<'_>, kind: &str) {
    let Some(number) = at.int(0..=65_535).filter(|number| *number > 0) else {
        return;
    };
    if kind == "ClusterIP" {
        let hint = "take it out, or make it a Service of type NodePort";
        at.error("E004", format!("a Service of type {kind} has no nodePort"), hint);
    } else if !(30_000..=32_767).contains(&number) {
        at.error(
            "E004",
            format!("expected a port from 30000 to 32767, found {number}"),
            "",
        );
    }
}

/// (kubernetes 1.35 pkg/apis/networking/validation/validation.go `ValidateIngressSpec`, `validateIngressRules`,
/// `validateHTTPIngressPath`)
pub(super) fn check_ingress(reading: &Reading<'_>) {
    let spec = reading.root.get("spec");
    let rules = spec.get("rules").items();
    if rules.is_empty() && !spec.get("defaultBackend").is_given() {
        spec.error("E005", "either defaultBackend or rules is needed", "");
    }
    for rule in rules {
        let host = rule.get("host");
        if let Some(text) = host.text()
            && is_address(text)
        {
            host.error(
                "E004",
                format!("{text} is no name: a host is none by its address"),
                "",
            );
        }
        for path in rule.at("http.paths").items() {
            check_path(&path);
        }
    }
}

/// An address of IPv4 or, which names cannot be, of IPv6.
fn is_address(host: &str) -> bool {
    let parts = || host.split('.');
    host.contains(':') || (parts().count() == 4 && parts().all(|part| part.parse::<u8>().is_ok()))
}

fn check_path(at: &Cursor<'_>) {
    let kinds = [
        ("Exact", true),
        ("Prefix", true),
        ("ImplementationSpecific", false),
    ];
    let kind = at
        .get("pathType")
        .required_as("Prefix is what is mostly meant")
        .one_of(&kinds);
    let path = at.get("path");
    let text = path.text().unwrap_or_default();
    if kind.is_some_and(|is_needed| is_needed || !text.is_empty()) && !text.starts_with('/') {
        path.error("E004", format!("a path begins with \"/\", found {text:?}"), "");
    }
}
