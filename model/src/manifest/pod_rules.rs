//! What the API server refuses of a pod, though nothing here depends on it: who writes it has no pods at all
//! (kubernetes 1.35 pkg/apis/core/validation/validation.go `ValidatePodTemplateSpec`).
//!
//! What fields hold is said by their table ([`super::pod_fields`]); here is what they say together.

use std::time::Duration;

use sim::SortedSet;

use super::{DNS_WORD, is_dns_name};
use crate::api::{ContainerPort, PodSpec};
use crate::document::Cursor;

/// Checks spec.template.spec, of which a pod has been read.
pub(super) fn check(at: &Cursor<'_>, spec: &PodSpec) {
    let volumes = volumes(&at.get("volumes"));
    let (regular, first) = (at.get("containers").items(), at.get("initContainers").items());
    for container in &regular {
        check_container(container, &volumes);
        check_running(container, spec.termination_grace);
    }
    for container in &first {
        check_container(container, &volumes);
        if container.get("restartPolicy").written() == Some("Always") {
            check_running(container, spec.termination_grace);
        } else {
            check_ending(container);
        }
    }
    check_shared_names(&regular, &first);
    check_host_ports(&regular, spec);
    check_spread(&at.get("topologySpreadConstraints"));
}

/// The names of the volumes, each with no more than one source (`ValidateVolumes`, `validateVolumeSource`).
fn volumes<'a>(at: &Cursor<'a>) -> SortedSet<&'a str> {
    let mut names = SortedSet::new();
    for volume in at.items() {
        let name_at = volume.get("name").required();
        if let Some(name) = name_at.written() {
            check_label(&name_at, name, "volume");
            if !names.insert(name) {
                name_at.error("E004", format!("two volumes are called {name:?}"), "");
            }
        }
        let entries = volume.entries();
        let mut sources = entries
            .iter()
            .filter(|(key, source)| *key != "name" && source.is_given());
        if let (Some((first, _)), Some((second, source))) = (sources.next(), sources.next()) {
            let message = format!("a volume has one source, found {first} and {second}");
            source.error("E004", message, "make two volumes of it");
        }
    }
    names
}

/// Names of containers and volumes are words of DNS (`ValidateDNS1123Label`).
fn check_label(at: &Cursor<'_>, name: &str, what: &str) {
    if !is_dns_name(name, false) {
        at.error("E004", format!("{name:?} is no name for a {what}"), DNS_WORD);
    }
}

/// What holds of every container (`validateContainerCommon`).
fn check_container(at: &Cursor<'_>, volumes: &SortedSet<&str>) {
    let name_at = at.get("name");
    if let Some(name) = name_at.written().filter(|name| !name.is_empty()) {
        check_label(&name_at, name, "container");
    }
    check_port_names(&at.get("ports"));
    check_env(&at.get("env"));
    let mut paths = SortedSet::new();
    for (list, path) in [("volumeMounts", "mountPath"), ("volumeDevices", "devicePath")] {
        for mount in at.get(list).items() {
            let name_at = mount.get("name").required();
            if let Some(name) = name_at.written().filter(|name| !volumes.contains(name)) {
                let known: Vec<&str> = volumes.iter().copied().collect();
                let hint = if known.is_empty() {
                    "the pod has no volumes".to_owned()
                } else {
                    format!("the pod's volumes are {}", known.join(", "))
                };
                name_at.error("E009", format!("the pod has no volume {name:?}"), &hint);
            }
            let path_at = mount.get(path).required();
            if let Some(path) = path_at.written().filter(|path| !paths.insert(*path)) {
                path_at.error("E004", format!("two volumes are mounted at {path}"), "");
            }
        }
    }
}

/// (`validateContainerPorts`; kubernetes 1.35 staging/src/k8s.io/apimachinery/pkg/util/validation/validation.go
/// `IsValidPortName`)
fn check_port_names(at: &Cursor<'_>) {
    let mut names = SortedSet::new();
    for port in at.items() {
        let name_at = port.get("name");
        let Some(name) = name_at.written().filter(|name| !name.is_empty()) else {
            continue;
        };
        if !is_port_name(name) {
            name_at.error(
                "E004",
                format!("{name:?} is no name for a port"),
                "at most 15 lower-case letters, digits and single '-' between them, one letter at least",
            );
        } else if !names.insert(name) {
            name_at.error("E004", format!("two ports are called {name:?}"), "");
        }
    }
}

fn is_port_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    name.len() <= 15
        && name.chars().all(allowed)
        && name.contains(|c: char| c.is_ascii_lowercase())
        && !name.contains("--")
        && !name.starts_with('-')
        && !name.ends_with('-')
}

/// (`ValidateEnv`, `validateEnvVarValueFrom`)
fn check_env(at: &Cursor<'_>) {
    for variable in at.items() {
        let _ = variable.get("name").required();
        let from = variable.get("valueFrom");
        if !from.is_given() {
            continue;
        }
        let entries = from.entries();
        let sources = entries.iter().filter(|(_, source)| source.is_given()).count();
        let has_value = variable
            .get("value")
            .written()
            .is_some_and(|value| !value.is_empty());
        if sources == 0 {
            let hint = "configMapKeyRef, secretKeyRef, fieldRef or resourceFieldRef";
            from.error("E005", "valueFrom says nothing of where the value is from", hint);
        } else if has_value {
            let hint = "take one of them out";
            from.error("E004", "value and valueFrom exclude each other", hint);
        } else if sources > 1 {
            from.error("E004", format!("valueFrom has one source, found {sources}"), "");
        }
    }
}

/// What only a container has that goes on running (`validateContainers`).
fn check_running(at: &Cursor<'_>, grace: Duration) {
    for hook in ["postStart", "preStop"] {
        let hook = at.get("lifecycle").get(hook);
        if !hook.is_given() {
            continue;
        }
        check_handlers(&hook, &["exec", "httpGet", "tcpSocket", "sleep"]);
        // `validateSleepAction`: 0 is taken from 1.33 on, and does what no hook does.
        let sleep = hook.at("sleep.seconds");
        if let Some(seconds) = sleep.seconds(0).filter(|seconds| *seconds > grace) {
            let message = format!(
                "a sleep of {} s is longer than terminationGracePeriodSeconds, {}",
                seconds.as_secs(),
                grace.as_secs()
            );
            sleep.error("E004", message, "");
        }
    }
    for (name, only_once) in [
        ("livenessProbe", true),
        ("readinessProbe", false),
        ("startupProbe", true),
    ] {
        let probe = at.get(name);
        if !probe.is_given() {
            continue;
        }
        check_handlers(&probe, &["exec", "httpGet", "tcpSocket", "grpc"]);
        let times = probe.get("successThreshold");
        if only_once && times.count(0).is_some_and(|times| times > 1) {
            times.error("E004", format!("successThreshold of a {name} must be 1"), "");
        }
        let own_grace = probe.get("terminationGracePeriodSeconds");
        if name == "readinessProbe" && own_grace.is_given() {
            let message = "a readinessProbe ends no container: it takes no terminationGracePeriodSeconds";
            own_grace.error("E004", message, "take it out");
        }
        let _ = own_grace.seconds(1);
    }
}

/// A hook or probe does one thing, and that has what it needs (`validateHandler`, `validateExecAction`,
/// `validateHTTPGetAction`).
fn check_handlers(at: &Cursor<'_>, kinds: &[&str]) {
    let given: Vec<(&str, Cursor<'_>)> = kinds
        .iter()
        .map(|kind| (*kind, at.get(kind)))
        .filter(|(_, handler)| handler.is_given())
        .collect();
    match &*given {
        [] => at.error(
            "E005",
            "nothing says what is to be asked or done",
            &format!("one of {}", kinds.join(", ")),
        ),
        [(first, _), (second, handler), ..] => {
            handler.error("E004", format!("{first} and {second} exclude each other"), "");
        }
        [_] => {}
    }
    for (kind, handler) in given {
        match kind {
            "exec" => {
                let command = handler.get("command").required();
                if command.is_given() && command.items().is_empty() {
                    command.error("E005", "the command has no words", "");
                }
            }
            "sleep" => {}
            _ => {
                let _ = handler.get("port").required();
            }
        }
    }
}

/// A container that has to end before the next one begins (`validateInitContainers`).
fn check_ending(at: &Cursor<'_>) {
    for field in ["lifecycle", "livenessProbe", "readinessProbe", "startupProbe"] {
        let own = at.get(field);
        if own.is_given() {
            let message = format!("an init container takes no {field}");
            own.error(
                "E004",
                message,
                "restartPolicy: Always makes it a sidecar, which does",
            );
        }
    }
}

/// Init containers and the others share their names (`validateInitContainers`).
fn check_shared_names(regular: &[Cursor<'_>], first: &[Cursor<'_>]) {
    let names: SortedSet<&str> = regular
        .iter()
        .filter_map(|own| own.get("name").written())
        .collect();
    for container in first {
        let name_at = container.get("name");
        if let Some(name) = name_at.written().filter(|name| names.contains(name)) {
            let message = format!("an init container and a container are called {name:?}");
            name_at.error("E004", message, "");
        }
    }
}

/// In the host's network a port is the host's (`validatePodHostNetworkDeps`), and a pod takes each of its node's ports
/// once (`AccumulateUniqueHostPorts`).
fn check_host_ports(regular: &[Cursor<'_>], spec: &PodSpec) {
    let mut taken: Vec<&ContainerPort> = Vec::new();
    for (at, container) in regular.iter().zip(&spec.containers) {
        let ports = at.get("ports").items();
        // One that is not read has been refused.
        if ports.len() != container.ports.len() {
            return;
        }
        for (at, port) in ports.iter().zip(&container.ports) {
            let host_port = at.get("hostPort");
            if spec.host_network && port.host_port != Some(port.container_port) {
                let message = format!(
                    "with hostNetwork the hostPort must be the containerPort, {}",
                    port.container_port
                );
                host_port.error("E004", message, "take it out");
                continue;
            }
            let Some(number) = port.host_port else { continue };
            let same = |other: &&&ContainerPort| {
                other.host_port == port.host_port
                    && other.host_ip == port.host_ip
                    && other.protocol == port.protocol
            };
            if taken.iter().find(same).is_some() {
                let at = if host_port.is_given() {
                    host_port
                } else {
                    at.get("containerPort")
                };
                at.error(
                    "E004",
                    format!("the pod takes port {number} of its node twice"),
                    "",
                );
            }
            taken.push(port);
        }
    }
}

/// One constraint for each key and mode (`ValidateSpreadConstraintNotRepeat`).
fn check_spread(at: &Cursor<'_>) {
    let mut seen = SortedSet::new();
    for constraint in at.items() {
        let (key, when) = (constraint.get("topologyKey"), constraint.get("whenUnsatisfiable"));
        if let (Some(key_text), Some(when)) = (key.written(), when.written())
            && !seen.insert((key_text, when))
        {
            let message = format!("a second constraint of {key_text} that says {when}");
            key.error("E004", message, "the API server takes one for each key and mode");
        }
    }
}
