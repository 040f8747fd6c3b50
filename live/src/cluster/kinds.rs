//! What an API server serves, and what of it is watched.

use futures::{StreamExt as _, stream};
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject};

use super::error::{Error, Result, explain};

/// So many groups are asked for at once.
const AT_ONCE: usize = 8;

/// A kind that is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watched {
    /// The kind.
    pub kind: &'static str,
    /// Its API group.
    pub group: &'static str,
    /// Its plural, for permissions.
    pub plural: &'static str,
    /// Which clusters have it.
    pub there: There,
}

/// Which clusters have a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum There {
    /// All.
    Always,
    /// Those with a part of the stack, by its name.
    With(&'static str),
    /// Those of one provider among several: nobody misses it.
    Perhaps,
}

const fn watched(kind: &'static str, group: &'static str, plural: &'static str) -> Watched {
    Watched {
        kind,
        group,
        plural,
        there: There::Always,
    }
}

impl Watched {
    /// All that is watched.
    pub const ALL: [Watched; 13] = [
        watched("Pod", "", "pods"),
        watched("Node", "", "nodes"),
        watched("Event", "", "events"),
        watched("Deployment", "apps", "deployments"),
        watched("ReplicaSet", "apps", "replicasets"),
        // What Karpenter looks at besides: what runs on every node, what may not be evicted, how machines are made.
        watched("DaemonSet", "apps", "daemonsets"),
        watched("PodDisruptionBudget", "policy", "poddisruptionbudgets"),
        Watched {
            there: There::Perhaps,
            ..watched("EC2NodeClass", "karpenter.k8s.aws", "ec2nodeclasses")
        },
        Watched {
            there: There::Perhaps,
            ..watched("KWOKNodeClass", "karpenter.kwok.sh", "kwoknodeclasses")
        },
        watched(
            "HorizontalPodAutoscaler",
            "autoscaling",
            "horizontalpodautoscalers",
        ),
        Watched {
            there: There::With("KEDA"),
            ..watched("ScaledObject", "keda.sh", "scaledobjects")
        },
        Watched {
            there: There::With("Karpenter"),
            ..watched("NodeClaim", "karpenter.sh", "nodeclaims")
        },
        Watched {
            there: There::With("Karpenter"),
            ..watched("NodePool", "karpenter.sh", "nodepools")
        },
    ];
}

/// A kind as one API server serves it.
#[derive(Debug, Clone, PartialEq)]
pub struct ServedKind {
    /// Group, version, kind and plural.
    pub resource: ApiResource,
    /// Whether its objects lie in namespaces.
    pub namespaced: bool,
    /// What can be done with it: `list`, `watch`, `create` and others.
    pub verbs: Vec<String>,
    /// Its subresources: `scale`, `status`.
    pub subresources: Vec<String>,
}

impl ServedKind {
    /// The API of its objects in one namespace, or of the whole cluster if it has none.
    #[must_use]
    pub fn api(&self, client: &Client, namespace: &str) -> Api<DynamicObject> {
        match self.namespaced && !namespace.is_empty() {
            true => Api::namespaced_with(client.clone(), namespace, &self.resource),
            false => Api::all_with(client.clone(), &self.resource),
        }
    }

    /// Whether something can be done with it.
    #[must_use]
    pub fn can(&self, verb: &str) -> bool {
        self.verbs.iter().any(|can| can == verb)
    }
}

/// What an API server serves.
#[derive(Debug, Clone, Default)]
pub struct Served {
    /// Every kind in every version, the preferred version of a group first.
    pub kinds: Vec<ServedKind>,
    /// Groups that did not answer, and why: an aggregated API whose server is down.
    pub silent: Vec<String>,
}

impl Served {
    /// A kind in the version that its group prefers, of several versions.
    #[must_use]
    pub fn find(&self, group: &str, kind: &str) -> Option<&ServedKind> {
        let is_it = |served: &&ServedKind| served.resource.group == group && served.resource.kind == kind;
        // The HPA is watched with all its metrics, which v1 hides in annotations.
        let newest = |served: &&ServedKind| group == "autoscaling" && served.resource.version == "v2";
        let mut all = self.kinds.iter().filter(is_it);
        self.kinds
            .iter()
            .filter(is_it)
            .find(newest)
            .or_else(|| all.next())
    }

    /// A kind in the version written in a manifest.
    #[must_use]
    pub fn exactly(&self, api_version: &str, kind: &str) -> Option<&ServedKind> {
        let is_it =
            |served: &&ServedKind| served.resource.api_version == api_version && served.resource.kind == kind;
        self.kinds.iter().find(is_it)
    }
}

/// Asks an API server for all it serves.
///
/// # Errors
///
/// When it does not say which groups there are.
pub async fn discover(client: &Client) -> Result<Served> {
    let groups = client
        .list_api_groups()
        .await
        .map_err(|error| Error::request("list what the API server serves", &error))?;
    let mut versions = vec!["v1".to_owned()];
    for group in groups.groups {
        let preferred = group.preferred_version.map(|version| version.group_version);
        let others = group.versions.into_iter().map(|version| version.group_version);
        let mut own: Vec<String> = preferred.into_iter().collect();
        for version in others {
            if !own.contains(&version) {
                own.push(version);
            }
        }
        versions.append(&mut own);
    }
    let ask = |version: String| async move {
        let answer = match version.as_str() {
            "v1" => client.list_core_api_resources("v1").await,
            _ => client.list_api_group_resources(&version).await,
        };
        (version, answer)
    };
    let answers: Vec<_> = stream::iter(versions).map(ask).buffered(AT_ONCE).collect().await;
    let mut served = Served::default();
    for (version, answer) in answers {
        match answer {
            Ok(list) => served.add(&version, &list.resources),
            Err(error) => served.silent.push(format!("{version}: {}", explain(&error))),
        }
    }
    Ok(served)
}

impl Served {
    fn add(
        &mut self,
        version: &str,
        resources: &[k8s_openapi::apimachinery::pkg::apis::meta::v1::APIResource],
    ) {
        let (group, short) = version.split_once('/').unwrap_or(("", version));
        let (sub, own): (Vec<_>, Vec<_>) = resources.iter().partition(|one| one.name.contains('/'));
        for one in own {
            let prefix = format!("{}/", one.name);
            self.kinds.push(ServedKind {
                resource: ApiResource {
                    group: group.to_owned(),
                    version: short.to_owned(),
                    api_version: version.to_owned(),
                    kind: one.kind.clone(),
                    plural: one.name.clone(),
                },
                namespaced: one.namespaced,
                verbs: one.verbs.clone(),
                subresources: sub
                    .iter()
                    .filter_map(|sub| sub.name.strip_prefix(&prefix).map(str::to_owned))
                    .collect(),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{Fake, block_on};
    use super::*;

    #[test]
    fn kinds_come_in_the_preferred_version_and_a_silent_group_is_named() {
        let fake = Fake::new(|request| {
            let resource = |name: &str, kind: &str, namespaced: bool| {
                json!({ "name": name, "singularName": "", "namespaced": namespaced, "kind": kind,
                        "verbs": ["create", "list", "watch"] })
            };
            let list = |version: &str, resources: Vec<serde_json::Value>| {
                (
                    200,
                    json!({ "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version,
                              "resources": resources }),
                )
            };
            let version =
                |name: &str| json!({ "groupVersion": name, "version": name.split('/').next_back() });
            match request.path.as_str() {
                "/apis" => (
                    200,
                    json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": [
                    { "name": "karpenter.sh", "preferredVersion": version("karpenter.sh/v1"),
                      "versions": [version("karpenter.sh/v1beta1"), version("karpenter.sh/v1")] },
                    { "name": "metrics", "versions": [version("metrics/v1")] },
                ] }),
                ),
                "/api/v1" => list(
                    "v1",
                    vec![
                        resource("pods", "Pod", true),
                        resource("pods/status", "Pod", true),
                    ],
                ),
                "/apis/karpenter.sh/v1" => {
                    list("karpenter.sh/v1", vec![resource("nodepools", "NodePool", false)])
                }
                "/apis/karpenter.sh/v1beta1" => list(
                    "karpenter.sh/v1beta1",
                    vec![resource("nodepools", "NodePool", false)],
                ),
                _ => (
                    503,
                    Fake::status(503, "ServiceUnavailable", "service unavailable"),
                ),
            }
        });
        let served = block_on(discover(&fake.client())).unwrap();
        let pool = served.find("karpenter.sh", "NodePool").unwrap();
        assert_eq!((pool.resource.version.as_str(), pool.namespaced), ("v1", false));
        assert!(served.exactly("karpenter.sh/v1beta1", "NodePool").is_some());
        assert_eq!(served.find("", "Pod").unwrap().subresources, ["status"]);
        assert!(served.find("keda.sh", "ScaledObject").is_none());
        assert_eq!(
            served.silent,
            ["metrics/v1: the API server answered 503: service unavailable"]
        );
    }
}
