//! `live.toml`: what is different on a cluster.
//!
//! A scenario describes a whole cluster, the platform too: KEDA, Karpenter, Prometheus, system DaemonSets. On
//! a real one the platform is there already, addresses differ, and under KWOK another NodeClass is used. A
//! `live.toml` beside `scenario.toml` says so, and leaves what the simulation reads alone.
//!
//! ```toml
//! # The platform: namespaces, manifest files or objects that are there already. They are compared, never written.
//! present = ["kube-system", "keda", "manifests/prometheus.yaml", "PriorityClass/high"]
//! # Neither there nor needed.
//! omit = ["EC2NodeClass/default"]
//! # Made besides.
//! also = ["live/node-class.yaml"]
//! # Where measurements come from: a URL or NAMESPACE/SERVICE:PORT.
//! prometheus = "http://127.0.0.1:9090"
//!
//! [[patch]]
//! object = "NodePool/default"
//! merge = { spec = { template = { spec = { nodeClassRef = { kind = "KWOKNodeClass" } } } } }
//! ```

use serde::Deserialize;
use serde_json::Value;

use super::manifest::{Name, Object};

/// A `live.toml`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Site {
    /// What is there already: a namespace, a manifest file (`manifests/keda.yaml`), or an object (`Kind/name`).
    pub present: Vec<String>,
    /// Objects that are neither there nor made.
    pub omit: Vec<String>,
    /// Manifest files, relative to the scenario, that are applied besides.
    pub also: Vec<String>,
    /// Where measurements come from: a URL or `NAMESPACE/SERVICE:PORT`.
    pub prometheus: Option<String>,
    /// Changes to objects before they are made.
    pub patch: Vec<Patch>,
}

/// A change to one object.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Patch {
    /// Which: `Kind/name` or `Kind/namespace/name`.
    pub object: String,
    /// A JSON merge patch, as TOML.
    pub merge: Value,
}

/// The objects of a scenario, sorted out.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sorted {
    /// To be made.
    pub make: Vec<Object>,
    /// Expected to be there.
    pub present: Vec<Object>,
}

impl Site {
    /// Reads a `live.toml`.
    ///
    /// # Errors
    ///
    /// What is wrong, with line and column.
    pub fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())
    }

    /// Sorts objects out and changes them. Entries that mean nothing come back as problems: they are mistakes.
    #[must_use]
    pub fn sort(&self, objects: Vec<Object>) -> (Sorted, Vec<String>) {
        let mut problems = Vec::new();
        let unused = |field: &str, entry: &str| {
            format!(
                "live.toml: {field}: {entry:?} is no namespace, manifest file or Kind/name of the scenario"
            )
        };
        for (field, entries) in [("present", &self.present), ("omit", &self.omit)] {
            let nobody = |entry: &&String| !objects.iter().any(|object| means(entry, object));
            problems.extend(entries.iter().filter(nobody).map(|entry| unused(field, entry)));
        }
        let in_any = |entries: &[String], object: &Object| entries.iter().any(|entry| means(entry, object));
        let mut sorted = Sorted::default();
        for object in objects {
            if in_any(&self.omit, &object) {
                continue;
            }
            match in_any(&self.present, &object) {
                true => sorted.present.push(object),
                false => sorted.make.push(object),
            }
        }
        problems.extend(self.change(&mut sorted.make));
        (sorted, problems)
    }

    /// Applies the changes; those for objects that are not there come back.
    fn change(&self, objects: &mut [Object]) -> Vec<String> {
        let mut problems = Vec::new();
        for patch in &self.patch {
            let Some(name) = Name::parse(&patch.object) else {
                problems.push(format!(
                    "live.toml: patch: expected Kind/name or Kind/namespace/name, found {:?}",
                    patch.object
                ));
                continue;
            };
            let mut found = false;
            for object in objects.iter_mut().filter(|object| name.means(&object.name)) {
                object.merge(&patch.merge);
                found = true;
            }
            if !found {
                problems.push(format!("live.toml: patch: the run makes no {}", patch.object));
            }
        }
        problems
    }
}

/// Whether an entry means an object: its file, its namespace (or the namespace itself), or its name.
fn means(entry: &str, object: &Object) -> bool {
    if entry == object.file || (!entry.contains('/') && entry == object.name.namespace) {
        return true;
    }
    if object.name.kind == "Namespace" && entry == object.name.name {
        return true;
    }
    Name::parse(entry).is_some_and(|name| name.means(&object.name))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(kind: &str, namespace: &str, name: &str, file: &str) -> Object {
        let body = json!({ "apiVersion": "v1", "kind": kind,
                           "metadata": { "name": name, "namespace": namespace } });
        Object::new(body, file).unwrap()
    }

    #[test]
    fn objects_are_made_expected_or_left_out() {
        let site = Site::parse(
            "present = ['kube-system', 'manifests/keda.yaml', 'nowhere']\nomit = ['EC2NodeClass/default']\n\
             [[patch]]\nobject = 'NodePool/default'\nmerge = { spec = { weight = 3 } }\n\
             [[patch]]\nobject = 'NodePool/other'\nmerge = { spec = 1 }\n",
        )
        .unwrap();
        let (sorted, problems) = site.sort(vec![
            object("DaemonSet", "kube-system", "proxy", "manifests/system.yaml"),
            object("Deployment", "keda", "operator", "manifests/keda.yaml"),
            object("EC2NodeClass", "", "default", "manifests/pool.yaml"),
            object("NodePool", "", "default", "manifests/pool.yaml"),
        ]);
        let names = |objects: &[Object]| -> Vec<String> {
            objects.iter().map(|object| object.name.to_string()).collect()
        };
        assert_eq!(names(&sorted.make), ["NodePool/default"]);
        assert_eq!(sorted.make[0].body["spec"], json!({ "weight": 3 }));
        assert_eq!(
            names(&sorted.present),
            ["DaemonSet/kube-system/proxy", "Deployment/keda/operator"]
        );
        assert_eq!(
            problems,
            [
                "live.toml: present: \"nowhere\" is no namespace, manifest file or Kind/name of the scenario",
                "live.toml: patch: the run makes no NodePool/other",
            ]
        );
    }

    #[test]
    fn a_field_that_does_not_exist_is_named_with_its_line() {
        let error = Site::parse("present = []\npresents = []\n").unwrap_err();
        assert!(
            error.contains("line 2") && error.contains("unknown field `presents`"),
            "{error}"
        );
    }
}
