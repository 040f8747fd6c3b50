//! Objects of a scenario, as they are sent to an API server.

use std::fmt;

use serde_json::{Map, Value};

/// How an object is called: `Kind/name` or `Kind/namespace/name`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name {
    /// kind
    pub kind: String,
    /// metadata.namespace; empty for objects of the whole cluster, and where none was written.
    pub namespace: String,
    /// metadata.name
    pub name: String,
}

impl Name {
    /// Reads `Kind/name` or `Kind/namespace/name`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split('/').collect();
        let (kind, namespace, name) = match parts[..] {
            [kind, name] => (kind, "", name),
            [kind, namespace, name] if !namespace.is_empty() => (kind, namespace, name),
            _ => return None,
        };
        (!kind.is_empty() && !name.is_empty()).then(|| Name {
            kind: kind.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        })
    }

    /// Whether a person who wrote this means that object: who wrote no namespace means any.
    #[must_use]
    pub fn means(&self, object: &Name) -> bool {
        self.kind == object.kind
            && self.name == object.name
            && (self.namespace.is_empty() || self.namespace == object.namespace)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.namespace.is_empty() {
            true => write!(f, "{}/{}", self.kind, self.name),
            false => write!(f, "{}/{}/{}", self.kind, self.namespace, self.name),
        }
    }
}

/// An object, and where it was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    /// How it is called.
    pub name: Name,
    /// apiVersion
    pub api_version: String,
    /// All of it.
    pub body: Value,
    /// The file: `manifests/web.yaml`.
    pub file: String,
}

impl Object {
    /// The objects of one document: itself, or the items of a `List`.
    ///
    /// # Errors
    ///
    /// What is missing, if it is no object.
    pub fn all_of(document: Value, file: &str) -> Result<Vec<Self>, String> {
        let is_list = document["kind"]
            .as_str()
            .is_some_and(|kind| kind.ends_with("List"));
        match document {
            Value::Object(mut fields) if is_list && fields.contains_key("items") => {
                let items = match fields.remove("items") {
                    Some(Value::Array(items)) => items,
                    _ => Vec::new(),
                };
                let mut all = Vec::new();
                for item in items {
                    all.append(&mut Object::all_of(item, file)?);
                }
                Ok(all)
            }
            document => Ok(vec![Object::new(document, file)?]),
        }
    }

    /// One object.
    ///
    /// # Errors
    ///
    /// What is missing, if it is no object.
    pub fn new(body: Value, file: &str) -> Result<Self, String> {
        let text = |value: &Value, field: &str| {
            value
                .as_str()
                .filter(|text| !text.is_empty())
                .map(str::to_owned)
                .ok_or_else(|| format!("{file}: expected a text in {field}"))
        };
        let name = Name {
            kind: text(&body["kind"], "kind")?,
            namespace: body["metadata"]["namespace"].as_str().unwrap_or("").to_owned(),
            name: text(&body["metadata"]["name"], "metadata.name")?,
        };
        Ok(Object {
            name,
            api_version: text(&body["apiVersion"], "apiVersion")?,
            body,
            file: file.to_owned(),
        })
    }

    /// Its API group; empty for the core group.
    #[must_use]
    pub fn group(&self) -> &str {
        self.api_version.split_once('/').map_or("", |(group, _)| group)
    }

    /// Puts it into a namespace.
    pub fn set_namespace(&mut self, namespace: &str) {
        namespace.clone_into(&mut self.name.namespace);
        self.body["metadata"]["namespace"] = Value::from(namespace);
    }

    /// Marks it with a label.
    pub fn set_label(&mut self, label: &str, value: &str) {
        let metadata = &mut self.body["metadata"];
        if !metadata["labels"].is_object() {
            metadata["labels"] = Value::Object(Map::new());
        }
        metadata["labels"][label] = Value::from(value);
    }

    /// Changes it as a JSON merge patch (RFC 7386) says: what is null goes, lists are replaced.
    pub fn merge(&mut self, patch: &Value) {
        merge(&mut self.body, patch);
    }
}

fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        target.clone_from(patch);
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(fields) = target else {
        return;
    };
    for (key, change) in changes {
        match change {
            Value::Null => drop(fields.remove(key)),
            change => merge(fields.entry(key.clone()).or_insert(Value::Null), change),
        }
    }
}

/// The order in which kinds are made: what others refer to comes first, what acts on others last. Taking away
/// goes the other way round.
#[must_use]
pub fn rank(kind: &str) -> u8 {
    match kind {
        "Namespace" => 0,
        "CustomResourceDefinition" | "PriorityClass" | "StorageClass" | "ResourceQuota" | "LimitRange" => 1,
        "ServiceAccount" | "ClusterRole" | "ClusterRoleBinding" | "Role" | "RoleBinding" => 2,
        "ConfigMap" | "Secret" | "Service" | "TriggerAuthentication" | "ClusterTriggerAuthentication" => 3,
        "EC2NodeClass" | "KWOKNodeClass" | "NodeClass" => 4,
        "NodePool" => 5,
        "ScaledObject" | "HorizontalPodAutoscaler" => 8,
        "Ingress" | "IngressRoute" | "PodDisruptionBudget" => 6,
        _ => 7,
    }
}

/// Whether it acts on what is there: such objects are made at time zero, all others before, so that a settled
/// start is not disturbed.
#[must_use]
pub fn acts(kind: &str) -> bool {
    matches!(kind, "ScaledObject" | "HorizontalPodAutoscaler" | "NodePool")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_list_is_its_items() {
        let pod = |name: &str| json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name } });
        let list = json!({ "apiVersion": "v1", "kind": "List", "items": [pod("a"), pod("b")] });
        let names: Vec<String> = Object::all_of(list, "f.yaml")
            .unwrap()
            .iter()
            .map(|object| object.name.to_string())
            .collect();
        assert_eq!(names, ["Pod/a", "Pod/b"]);
        assert_eq!(
            Object::all_of(json!({ "apiVersion": "v1", "kind": "Pod" }), "f.yaml"),
            Err("f.yaml: expected a text in metadata.name".to_owned())
        );
    }

    #[test]
    fn names_without_a_namespace_mean_any() {
        let object = Name::parse("Deployment/web/api").unwrap();
        let means = |text| Name::parse(text).is_some_and(|name| name.means(&object));
        assert!(means("Deployment/api") && means("Deployment/web/api"));
        assert!(!means("Deployment/shop/api") && !means("Service/api"));
        assert_eq!(Name::parse("api"), None);
        assert_eq!(Name::parse("Deployment//api"), None);
    }

    #[test]
    fn a_merge_replaces_lists_and_removes_nulls() {
        let mut object = Object::new(
            json!({ "apiVersion": "v1", "kind": "A", "metadata": { "name": "a" },
                    "spec": { "list": [1, 2], "gone": 1, "kept": { "x": 1 } } }),
            "f",
        )
        .unwrap();
        object.merge(&json!({ "spec": { "list": [3], "gone": null, "kept": { "y": 2 } } }));
        assert_eq!(
            object.body["spec"],
            json!({ "list": [3], "kept": { "x": 1, "y": 2 } })
        );
        object.set_label("l", "v");
        assert_eq!(object.body["metadata"]["labels"], json!({ "l": "v" }));
    }

    #[test]
    fn what_acts_on_others_is_made_last() {
        let mut kinds = [
            "ScaledObject",
            "Deployment",
            "NodePool",
            "Namespace",
            "EC2NodeClass",
            "Service",
        ];
        kinds.sort_by_key(|kind| rank(kind));
        assert_eq!(
            kinds,
            [
                "Namespace",
                "Service",
                "EC2NodeClass",
                "NodePool",
                "Deployment",
                "ScaledObject"
            ]
        );
    }
}
