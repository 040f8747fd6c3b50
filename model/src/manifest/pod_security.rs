//! Pods that their namespace forbids.
//!
//! With the label `pod-security.kubernetes.io/enforce` on a namespace, admission refuses each pod that does not keep to the
//! profile (kubernetes 1.35 staging/src/k8s.io/pod-security-admission/admission/admission.go `ValidatePod`): the
//! workload stays at no pods. What counts changes with releases, and a cluster may exempt namespaces, so that here it is a
//! warning, and the pods run.

use std::cell::RefCell;

use super::Document;
use crate::document::{Context, Cursor, Diagnostic};

const ENFORCE: &str = "pod-security.kubernetes.io/enforce";

/// Capabilities that the profile `baseline` lets a container add
/// (kubernetes 1.35 staging/src/k8s.io/pod-security-admission/policy/check_capabilities_baseline.go).
const BASELINE_CAPABILITIES: [&str; 13] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

/// Volumes that the profile `restricted` does not allow, and first the one that `baseline` does not either
/// (kubernetes 1.35 staging/src/k8s.io/pod-security-admission/policy/check_restrictedVolumes.go `restrictedVolumes_1_0`).
const FORBIDDEN_VOLUMES: [&str; 20] = [
    "hostPath",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "gitRepo",
    "nfs",
    "iscsi",
    "glusterfs",
    "rbd",
    "flexVolume",
    "cinder",
    "cephfs",
    "flocker",
    "fc",
    "azureFile",
    "vsphereVolume",
    "quobyte",
    "azureDisk",
    "portworxVolume",
    "scaleIO",
    "storageos",
];

/// Warns of workloads in namespaces that forbid their pods.
pub(super) fn check(documents: &[&Document], problems: &RefCell<Vec<Diagnostic>>) {
    for namespace in documents.iter().filter(|own| own.kind.name == "Namespace") {
        let context = Context::new(&namespace.file, namespace.title(), problems);
        let label = context.root(&namespace.value).at("metadata.labels").get(ENFORCE);
        let profile = label.written().unwrap_or_default();
        if !matches!(profile, "baseline" | "restricted") {
            continue;
        }
        for workload in documents
            .iter()
            .filter(|own| has_pods(own) && own.namespace == namespace.name)
        {
            let context = Context::new(&workload.file, workload.title(), problems);
            let spec = context.root(&workload.value).at("spec.template.spec");
            let lacks = lacks(&spec, profile == "restricted");
            if lacks.is_empty() {
                continue;
            }
            let message = format!(
                "the namespace {} enforces {profile:?}, and forbids these pods: there would be none. Here they run all the same",
                namespace.name
            );
            spec.warn("W011", message, &format!("expected {}", lacks.join("; ")));
        }
    }
}

fn has_pods(document: &Document) -> bool {
    matches!(document.kind.name, "Deployment" | "DaemonSet")
}

/// What a pod's spec would have to say and does not (kubernetes 1.35
/// staging/src/k8s.io/pod-security-admission/policy/check_hostNamespaces.go `hostNamespaces_1_0`,
/// check_hostPathVolumes.go `hostPathVolumes_1_0`, check_hostPorts.go `hostPorts_1_0`, check_privileged.go
/// `privileged_1_0`, check_capabilities_baseline.go `capabilitiesBaseline_1_0`).
fn lacks(spec: &Cursor<'_>, restricted: bool) -> Vec<String> {
    let mut lacks = Vec::new();
    for field in ["hostNetwork", "hostPID", "hostIPC"] {
        if is(&spec.get(field), "true") {
            lacks.push(format!("no {field}"));
        }
    }
    let forbidden: &[&str] = if restricted {
        &FORBIDDEN_VOLUMES
    } else {
        &FORBIDDEN_VOLUMES[..1]
    };
    for volume in spec.get("volumes").items() {
        let own = forbidden.iter().find(|kind| volume.get(kind).is_given());
        lacks.extend(own.map(|kind| format!("no volume of {kind}")));
    }
    for container in containers(spec) {
        let name = container.get("name").written().unwrap_or_default();
        let security = container.get("securityContext");
        let host_port = |port: &Cursor<'_>| {
            let host_port = port.get("hostPort");
            host_port.is_given() && !is(&host_port, "0")
        };
        if container.get("ports").items().iter().any(host_port) {
            lacks.push(format!("no hostPort in {name:?}"));
        }
        if is(&security.get("privileged"), "true") {
            lacks.push(format!("no privileged in {name:?}"));
        }
        for added in security.at("capabilities.add").items() {
            let word = added.written().unwrap_or_default();
            let allowed = if restricted {
                word == "NET_BIND_SERVICE"
            } else {
                BASELINE_CAPABILITIES.contains(&word)
            };
            if !allowed {
                lacks.push(format!("no added capability {word} in {name:?}"));
            }
        }
        if restricted {
            lacks_of_a_restricted_container(&security, name, &mut lacks);
        }
    }
    if restricted {
        lacks_of_a_restricted_pod(spec, &mut lacks);
    }
    lacks.dedup();
    lacks
}

/// (kubernetes 1.35 staging/src/k8s.io/pod-security-admission/policy/check_allowPrivilegeEscalation.go
/// `allowPrivilegeEscalation_1_25`, check_capabilities_restricted.go `capabilitiesRestricted_1_25`)
fn lacks_of_a_restricted_container(security: &Cursor<'_>, name: &str, lacks: &mut Vec<String>) {
    if !is(&security.get("allowPrivilegeEscalation"), "false") {
        lacks.push(format!("allowPrivilegeEscalation: false in {name:?}"));
    }
    let dropped = security.at("capabilities.drop").items();
    if !dropped.iter().any(|own| is(own, "ALL")) {
        lacks.push(format!("capabilities.drop: [ALL] in {name:?}"));
    }
}

/// A container's own word goes before the pod's (kubernetes 1.35
/// staging/src/k8s.io/pod-security-admission/policy/check_runAsNonRoot.go `runAsNonRoot1_0`, check_runAsUser.go
/// `runAsUser1_23`, check_seccompProfile_restricted.go `seccompProfileRestricted_1_25`).
fn lacks_of_a_restricted_pod(spec: &Cursor<'_>, lacks: &mut Vec<String>) {
    let of_pod = spec.get("securityContext");
    let all = |field: &str, fits: &dyn Fn(&str) -> bool| {
        containers(spec).iter().all(|container| {
            let own = container.get("securityContext").at(field);
            let counts = if own.is_given() { own } else { of_pod.at(field) };
            fits(counts.written().unwrap_or_default())
        })
    };
    // From 1.35 on pods with users of their own may be root.
    if !is(&spec.get("hostUsers"), "false") {
        if !all("runAsNonRoot", &|word| word == "true") {
            lacks.push("runAsNonRoot: true".to_owned());
        }
        let mut all_contexts = containers(spec)
            .into_iter()
            .map(|container| container.get("securityContext"))
            .chain([of_pod.clone()]);
        if all_contexts.any(|own| is(&own.get("runAsUser"), "0")) {
            lacks.push("no runAsUser 0".to_owned());
        }
    }
    if !all("seccompProfile.type", &|word| {
        matches!(word, "RuntimeDefault" | "Localhost")
    }) {
        lacks.push("seccompProfile: {type: RuntimeDefault}".to_owned());
    }
}

fn containers<'a>(spec: &Cursor<'a>) -> Vec<Cursor<'a>> {
    let mut all = spec.get("initContainers").items();
    all.extend(spec.get("containers").items());
    all
}

fn is(at: &Cursor<'_>, word: &str) -> bool {
    at.written() == Some(word)
}
