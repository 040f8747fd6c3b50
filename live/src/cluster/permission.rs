//! What the API server lets us do: each verb that a run needs, asked for before it is needed.

use std::fmt;

use futures::{StreamExt as _, stream};
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::api::PostParams;
use kube::{Api, Client};

use super::error::{Error, Result};

/// So many questions at once.
const AT_ONCE: usize = 8;

/// A verb on a resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Permission {
    /// The API group; empty for the core group.
    pub group: String,
    /// The resource's plural, with a subresource after a slash: `deployments/scale`.
    pub resource: String,
    /// In which namespace; all of them, or an object of the whole cluster, if empty.
    pub namespace: String,
    /// `get`, `list`, `watch`, `create`, `patch`, `delete`
    pub verb: &'static str,
}

impl Permission {
    /// A verb on a resource in all namespaces, or of the whole cluster.
    #[must_use]
    pub fn everywhere(verb: &'static str, group: &str, resource: &str) -> Self {
        Permission {
            group: group.to_owned(),
            resource: resource.to_owned(),
            namespace: String::new(),
            verb,
        }
    }

    /// The same in one namespace.
    #[must_use]
    pub fn within(mut self, namespace: &str) -> Self {
        namespace.clone_into(&mut self.namespace);
        self
    }

    fn review(&self) -> SelfSubjectAccessReview {
        let (resource, subresource) = match self.resource.split_once('/') {
            Some((resource, subresource)) => (resource, Some(subresource.to_owned())),
            None => (self.resource.as_str(), None),
        };
        SelfSubjectAccessReview {
            spec: SelfSubjectAccessReviewSpec {
                resource_attributes: Some(ResourceAttributes {
                    group: Some(self.group.clone()),
                    resource: Some(resource.to_owned()),
                    subresource,
                    verb: Some(self.verb.to_owned()),
                    namespace: (!self.namespace.is_empty()).then(|| self.namespace.clone()),
                    ..ResourceAttributes::default()
                }),
                ..SelfSubjectAccessReviewSpec::default()
            },
            ..SelfSubjectAccessReview::default()
        }
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)?;
        if !self.group.is_empty() {
            write!(f, " of {}", self.group)?;
        }
        match self.namespace.is_empty() {
            true => Ok(()),
            false => write!(f, " in namespace {}", self.namespace),
        }
    }
}

/// Those of the permissions that are missing, in order.
///
/// # Errors
///
/// When the API server does not answer the question itself.
pub async fn missing(client: &Client, mut wanted: Vec<Permission>) -> Result<Vec<Permission>> {
    wanted.sort();
    wanted.dedup();
    let api: Api<SelfSubjectAccessReview> = Api::all(client.clone());
    let ask = |permission: Permission| {
        let api = api.clone();
        async move {
            let answer = api.create(&PostParams::default(), &permission.review()).await;
            match answer {
                Ok(review) => Ok((permission, review.status.is_some_and(|status| status.allowed))),
                Err(error) => Err(Error::request(format!("ask whether we may {permission}"), &error)),
            }
        }
    };
    let answers: Vec<Result<(Permission, bool)>> =
        stream::iter(wanted).map(ask).buffered(AT_ONCE).collect().await;
    let mut missing = Vec::new();
    for answer in answers {
        let (permission, allowed) = answer?;
        if !allowed {
            missing.push(permission);
        }
    }
    Ok(missing)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{Fake, block_on};
    use super::*;

    #[test]
    fn what_is_missing_is_told_in_order() {
        let fake = Fake::new(|request| {
            assert_eq!(
                request.path,
                "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
            );
            let asked = &request.body["spec"]["resourceAttributes"];
            let allowed = asked["resource"] == "pods";
            (
                201,
                json!({ "kind": "SelfSubjectAccessReview", "spec": request.body["spec"].clone(),
                          "apiVersion": "authorization.k8s.io/v1", "metadata": {},
                          "status": { "allowed": allowed } }),
            )
        });
        let wanted = vec![
            Permission::everywhere("watch", "", "pods"),
            Permission::everywhere("patch", "apps", "deployments/scale").within("web"),
            Permission::everywhere("create", "", "namespaces"),
            Permission::everywhere("watch", "", "pods"),
        ];
        let missing = block_on(missing(&fake.client(), wanted)).unwrap();
        let told: Vec<String> = missing.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "create namespaces",
                "patch deployments/scale of apps in namespace web"
            ]
        );
        assert_eq!(fake.requests().len(), 3);
    }
}
