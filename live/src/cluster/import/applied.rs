//! Objects as one would apply them.

use serde_json::Value;

use super::super::RUN_LABEL;
use crate::recording::trimmed;

/// What of metadata one writes oneself.
const OWN: [&str; 4] = ["name", "namespace", "labels", "annotations"];

/// An object as one would apply it: without what the API server and controllers wrote.
pub(super) fn as_applied(object: Value) -> Value {
    let mut object = trimmed(object);
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
    }
    if let Some(metadata) = object["metadata"].as_object_mut() {
        // What Karpenter wrote about the object itself.
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.retain(|key, _| !key.contains("-hash"));
        }
        if let Some(labels) = metadata.get_mut("labels").and_then(Value::as_object_mut) {
            labels.remove(RUN_LABEL);
            labels.remove("kubernetes.io/metadata.name");
            // What a namespace enforces its pods kept to, by security contexts that are left out.
            labels.retain(|key, _| !key.starts_with("pod-security.kubernetes.io/"));
        }
        metadata.retain(|field, value| OWN.contains(&field.as_str()) && !is_empty(value));
    }
    if let Some(Value::Object(spec)) = object.pointer_mut("/spec/template/spec") {
        without_defaults(spec);
    }
    if let Some(Value::Object(metadata)) = object.pointer_mut("/spec/template/metadata") {
        metadata.retain(|_, value| !is_empty(value));
    }
    if let Some(spec) = object["spec"].as_object_mut() {
        // Another than the default may be what lets minReadySeconds be so long.
        if spec.get("progressDeadlineSeconds") == Some(&Value::from(600)) {
            spec.remove("progressDeadlineSeconds");
        }
        for field in [
            "revisionHistoryLimit",
            "clusterIP",
            "clusterIPs",
            "ipFamilies",
            "ipFamilyPolicy",
            "internalTrafficPolicy",
            "finalizers",
        ] {
            spec.remove(field);
        }
    }
    object
}

fn is_empty(value: &Value) -> bool {
    value.as_object().is_some_and(serde_json::Map::is_empty)
}

/// What every pod template has without anybody writing it.
fn without_defaults(spec: &mut serde_json::Map<String, Value>) {
    let is_default = |key: &str, value: &Value| match key {
        "dnsPolicy" => value == "ClusterFirst",
        "restartPolicy" => value == "Always",
        "schedulerName" => value == "default-scheduler",
        "securityContext" => true,
        "serviceAccount" | "serviceAccountName" | "automountServiceAccountToken" => true,
        _ => false,
    };
    spec.retain(|key, value| !is_default(key, value));
    for list in ["containers", "initContainers"] {
        let containers = spec.get_mut(list).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten().filter_map(Value::as_object_mut) {
            container.remove("terminationMessagePath");
            container.remove("terminationMessagePolicy");
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_object_is_as_it_was_applied() {
        let stored = json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": { "name": "web", "namespace": "shop", "uid": "u", "resourceVersion": "1",
                          "labels": { "scaletwin.dev/run": "r1" }, "managedFields": [] },
            "spec": { "replicas": 2, "revisionHistoryLimit": 10,
                      "template": { "metadata": { "labels": { "app": "web" }, "annotations": {} },
                        "spec": { "dnsPolicy": "ClusterFirst", "securityContext": {},
                          "containers": [{ "name": "web", "image": "a", "env": [{ "name": "TOKEN" }],
                                           "terminationMessagePath": "/dev/termination-log" }] } } },
            "status": { "replicas": 2 },
        });
        assert_eq!(
            as_applied(stored),
            json!({ "apiVersion": "apps/v1", "kind": "Deployment",
                    "metadata": { "name": "web", "namespace": "shop" },
                    "spec": { "replicas": 2, "template": { "metadata": { "labels": { "app": "web" } },
                              "spec": { "containers": [{ "name": "web", "image": "a" }] } } } })
        );
    }
}
