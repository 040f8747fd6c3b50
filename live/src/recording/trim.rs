//! What of an object is worth keeping, and what should not leave the cluster.

use serde_json::{Map, Value};

/// Fields of metadata that are kept.
const METADATA: [&str; 10] = [
    "name",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "labels",
    "ownerReferences",
];
/// Fields of containers that may hold secrets, or that decide nothing.
const CONTAINER: [&str; 8] = [
    "env",
    "envFrom",
    "command",
    "args",
    "volumeMounts",
    "volumeDevices",
    "lifecycle",
    "securityContext",
];
/// Annotations of these domains decide something: pausing KEDA, Karpenter's do-not-disrupt, the cost of a pod's deletion,
/// whether it may be evicted and is scraped.
const ANNOTATIONS: [&str; 6] = [
    "cluster-autoscaler.kubernetes.io",
    "keda.sh",
    "karpenter.sh",
    "karpenter.k8s.aws",
    "controller.kubernetes.io",
    "prometheus.io",
];

/// An object without what nobody needs: managed fields, foreign annotations, and in pods environments, commands,
/// mounts and volumes, where secrets live. Also of pod templates. What is not an object stays as it is.
#[must_use]
pub fn trimmed(mut object: Value) -> Value {
    if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
        let annotations = metadata.remove("annotations");
        metadata.retain(|key, _| METADATA.contains(&key.as_str()));
        if let Some(Value::Object(mut annotations)) = annotations {
            annotations.retain(|key, _| is_ours(key));
            if !annotations.is_empty() {
                metadata.insert("annotations".to_owned(), Value::Object(annotations));
            }
        }
    }
    for path in ["/spec", "/spec/template/spec"] {
        if let Some(Value::Object(spec)) = object.pointer_mut(path) {
            trim_pod_spec(spec);
        }
    }
    if let Some(Value::Object(metadata)) = object.pointer_mut("/spec/template/metadata") {
        metadata.retain(|key, _| matches!(key.as_str(), "labels" | "annotations"));
        if let Some(Value::Object(annotations)) = metadata.get_mut("annotations") {
            annotations.retain(|key, _| is_ours(key));
        }
    }
    if let Some(Value::Object(status)) = object.get_mut("status") {
        for key in [
            "images",
            "nodeInfo",
            "daemonEndpoints",
            "volumesAttached",
            "volumesInUse",
        ] {
            status.remove(key);
        }
    }
    object
}

/// Whether an annotation decides something.
fn is_ours(key: &str) -> bool {
    let domain = key.split_once('/').map_or("", |(domain, _)| domain);
    ANNOTATIONS
        .iter()
        .any(|own| domain == *own || domain.ends_with(&format!(".{own}")))
}

fn trim_pod_spec(spec: &mut Map<String, Value>) {
    if !spec.contains_key("containers") {
        return;
    }
    spec.remove("volumes");
    for list in ["containers", "initContainers", "ephemeralContainers"] {
        let containers = spec.get_mut(list).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten().filter_map(Value::as_object_mut) {
            container.retain(|key, _| !CONTAINER.contains(&key.as_str()));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_may_be_secret_does_not_leave_and_what_decides_stays() {
        let pod = json!({
            "metadata": {
                "name": "web", "managedFields": [1],
                "annotations": { "karpenter.sh/do-not-disrupt": "true", "kubectl.kubernetes.io/last-applied": "…" },
            },
            "spec": {
                "volumes": [1],
                "containers": [{ "name": "web", "env": [{ "name": "PASSWORD" }], "resources": { "requests": { "cpu": "1" } } }],
            },
            "status": { "phase": "Running" },
        });
        let kept = json!({
            "metadata": { "name": "web", "annotations": { "karpenter.sh/do-not-disrupt": "true" } },
            "spec": { "containers": [{ "name": "web", "resources": { "requests": { "cpu": "1" } } }] },
            "status": { "phase": "Running" },
        });
        assert_eq!(trimmed(pod), kept);
    }

    #[test]
    fn templates_are_pods_too() {
        let deployment = json!({ "spec": { "replicas": 2, "template": {
            "metadata": { "labels": { "app": "web" }, "annotations": { "checksum/config": "1" } },
            "spec": { "containers": [{ "name": "web", "args": ["--token=1"] }] },
        } } });
        let kept = json!({ "spec": { "replicas": 2, "template": {
            "metadata": { "labels": { "app": "web" }, "annotations": {} },
            "spec": { "containers": [{ "name": "web" }] },
        } } });
        assert_eq!(trimmed(deployment), kept);
    }
}
