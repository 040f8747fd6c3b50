//! What of a running cluster a scenario needs: its objects, its machines, its load. Only reads.
//!
//! Objects come without what the API server and controllers added, and without environments, commands and
//! volumes, which may hold secrets and decide nothing in a simulation. What a scenario cannot say is listed.

mod applied;
mod images;
mod load;
mod machines;

use sim::SortedSet;

use kube::Client;
use kube::api::ListParams;
use serde_json::Value;

use super::error::{Error, Result};
use super::kinds::{Served, ServedKind};
use crate::heard::text;
use applied::as_applied;
pub use images::{Images, Size};
pub use load::{Load, load};
pub use machines::{Group, Machines};

/// Kinds whose objects are read, in the order of files, and whether only those of the workload's namespace matter:
/// the pods of all namespaces take room on nodes.
const KINDS: [(&str, &str, bool); 15] = [
    ("", "Namespace", false),
    ("scheduling.k8s.io", "PriorityClass", false),
    ("node.k8s.io", "RuntimeClass", false),
    ("apps", "Deployment", false),
    ("apps", "DaemonSet", false),
    ("", "Service", true),
    ("networking.k8s.io", "Ingress", true),
    ("traefik.io", "IngressRoute", true),
    ("policy", "PodDisruptionBudget", false),
    ("autoscaling", "HorizontalPodAutoscaler", true),
    ("keda.sh", "ScaledObject", true),
    ("karpenter.sh", "NodePool", false),
    ("karpenter.k8s.aws", "EC2NodeClass", false),
    ("karpenter.kwok.sh", "KWOKNodeClass", false),
    ("apps", "StatefulSet", false),
];

/// What was found.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// Objects as one would apply them.
    pub objects: Vec<Value>,
    /// What its nodes tell.
    pub machines: Machines,
    /// What could not be taken along, and why.
    pub left_out: Vec<String>,
}

/// Reads what a scenario of a namespace's workload needs.
///
/// # Errors
///
/// When the API server cannot be used, or may not be asked for Deployments.
pub async fn find(client: &Client, served: &Served, namespace: &str) -> Result<Found> {
    let mut found = Found::default();
    for (group, name, own) in KINDS {
        let Some(kind) = served.find(group, name) else {
            continue;
        };
        let within = if own { namespace } else { "" };
        let objects = match list(client, kind, within).await {
            Ok(objects) => objects,
            Err(kube::Error::Api(status)) if status.is_forbidden() && name != "Deployment" => {
                found.left_out.push(format!("{name}: {}", status.message));
                continue;
            }
            Err(error) => return Err(Error::request(format!("list {}", kind.resource.plural), &error)),
        };
        objects.into_iter().for_each(|object| found.object(object));
    }
    found.keep_namespaces(namespace);
    found.machines(client, served).await?;
    Ok(found)
}

async fn list(client: &Client, kind: &ServedKind, namespace: &str) -> Result<Vec<Value>, kube::Error> {
    let list = kind.api(client, namespace).list(&ListParams::default()).await?;
    let typed = |object| {
        let mut value = serde_json::to_value(object).ok()?;
        value["apiVersion"] = Value::from(kind.resource.api_version.as_str());
        value["kind"] = Value::from(kind.resource.kind.as_str());
        Some(value)
    };
    Ok(list.items.into_iter().filter_map(typed).collect())
}

impl Found {
    fn object(&mut self, object: Value) {
        let (kind, name) = (text(&object, "/kind"), text(&object, "/metadata/name"));
        // What KEDA made for a ScaledObject, it makes again.
        if let Some(owner) = object.pointer("/metadata/ownerReferences/0") {
            let by_keda = owner["kind"] == "ScaledObject" && kind == "HorizontalPodAutoscaler";
            if !by_keda {
                let owner = owner["kind"].as_str().unwrap_or("another object");
                self.left_out.push(format!(
                    "{kind} {name}: it belongs to a {owner}, which is not simulated"
                ));
            }
            return;
        }
        if kind == "StatefulSet" {
            let replicas = object["spec"]["replicas"].as_i64().unwrap_or(1);
            self.left_out.push(format!(
                "{kind} {}/{name}: its {replicas} pods take room on nodes and are not simulated",
                text(&object, "/metadata/namespace")
            ));
            return;
        }
        // Every cluster has these.
        let own = matches!(name, "system-cluster-critical" | "system-node-critical");
        if (kind == "PriorityClass" && own) || (kind == "Service" && name == "kubernetes") {
            return;
        }
        self.objects.push(as_applied(object));
    }

    /// Namespaces in which nothing lies are of no use.
    fn keep_namespaces(&mut self, own: &str) {
        let lies_in = |object: &Value| object["metadata"]["namespace"].as_str().map(str::to_owned);
        let used: SortedSet<String> = self.objects.iter().filter_map(lies_in).collect();
        self.objects.retain(|object| {
            let name = object["metadata"]["name"].as_str().unwrap_or("");
            object["kind"] != "Namespace" || name == own || used.contains(name)
        });
    }

    async fn machines(&mut self, client: &Client, served: &Served) -> Result<()> {
        let Some(kind) = served.find("", "Node") else {
            return Ok(());
        };
        match list(client, kind, "").await {
            Ok(nodes) => self.machines = Machines::of(&nodes, &mut self.left_out),
            Err(kube::Error::Api(status)) if status.is_forbidden() => {
                self.left_out.push(format!("nodes: {}", status.message));
            }
            Err(error) => return Err(Error::request("list nodes", &error)),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_others_made_is_not_taken_along() {
        let mut found = Found::default();
        let object = |kind: &str, name: &str, owner: Option<&str>| {
            let owners = owner.map_or(json!([]), |kind| json!([{ "kind": kind }]));
            let mut object = json!({ "kind": kind, "metadata": { "name": name, "namespace": "shop" } });
            if owner.is_some() {
                object["metadata"]["ownerReferences"] = owners;
            }
            object
        };
        found.object(object(
            "HorizontalPodAutoscaler",
            "keda-hpa-web",
            Some("ScaledObject"),
        ));
        found.object(object("Deployment", "operated", Some("Database")));
        found.object(object("StatefulSet", "db", None));
        found.object(object("Namespace", "empty", None));
        found.object(object("Deployment", "web", None));
        found.keep_namespaces("shop");
        let names: Vec<&str> = found
            .objects
            .iter()
            .filter_map(|o| o["metadata"]["name"].as_str())
            .collect();
        assert_eq!(names, ["web"]);
        assert_eq!(
            found.left_out,
            [
                "Deployment operated: it belongs to a Database, which is not simulated",
                "StatefulSet shop/db: its 1 pods take room on nodes and are not simulated",
            ]
        );
    }
}
