//! Writes: creating, changing, scaling and deleting what is ours, and nothing else.
//!
//! *Creating* is a POST and no server-side apply: apply would silently adopt an object that somebody else made
//! since the plan was shown, whereas a POST is refused. Later changes are server-side applies under our field
//! manager that carry the UID of what we made, so that they are refused if the object was replaced meanwhile.

use kube::Client;
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams, Preconditions};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::error::{Error, Result};
use super::kinds::ServedKind;
use super::manifest::{Name, Object};

/// The field manager of all our writes.
pub const FIELD_MANAGER: &str = "scaletwin-live";
/// The label that every object of a run carries; its value is the run's name.
pub const RUN_LABEL: &str = "scaletwin.dev/run";

/// How often a change is tried that others come before.
const TRIES: u32 = 10;

/// An object that we made, as the journal keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// apiVersion
    pub api_version: String,
    /// kind
    pub kind: String,
    /// metadata.namespace; empty for objects of the whole cluster.
    pub namespace: String,
    /// metadata.name
    pub name: String,
    /// metadata.uid: what makes it ours.
    pub uid: String,
}

impl Applied {
    /// How it is called.
    #[must_use]
    pub fn title(&self) -> Name {
        Name {
            kind: self.kind.clone(),
            namespace: self.namespace.clone(),
            name: self.name.clone(),
        }
    }

    /// An object as an API server returned it.
    pub(super) fn of(object: &DynamicObject, kind: &ServedKind) -> Self {
        Applied {
            api_version: kind.resource.api_version.clone(),
            kind: kind.resource.kind.clone(),
            namespace: object.metadata.namespace.clone().unwrap_or_default(),
            name: object.metadata.name.clone().unwrap_or_default(),
            uid: object.metadata.uid.clone().unwrap_or_default(),
        }
    }
}

/// Whether an object carries a run's label and was made by us: a copy of one of our manifests may carry the
/// label, and controllers hand labels on to what they make.
pub(super) fn is_ours(object: &DynamicObject, run: &str) -> bool {
    let labels = object.metadata.labels.as_ref();
    let label = labels.and_then(|labels| labels.get(RUN_LABEL));
    let managers = object.metadata.managed_fields.iter().flatten();
    let made = managers
        .filter_map(|entry| entry.manager.as_deref())
        .any(|manager| manager == FIELD_MANAGER);
    made && label.is_some_and(|label| label == run)
}

/// Creates an object that must not exist. An attempt whose answer was lost is recognized when it is repeated.
///
/// # Errors
///
/// When it exists and is not this run's, or is refused.
pub(super) async fn create(
    client: &Client,
    kind: &ServedKind,
    object: &Object,
    run: &str,
) -> Result<Applied> {
    let api = kind.api(client, &object.name.namespace);
    let mut labelled = object.clone();
    labelled.set_label(RUN_LABEL, run);
    let body: DynamicObject = serde_json::from_value(labelled.body)
        .map_err(|error| Error::Input(format!("{}: {}: {error}", object.file, object.name)))?;
    let parameters = PostParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PostParams::default()
    };
    let fail = |error: &kube::Error| Error::request(format!("create {}", object.name), error);
    match api.create(&parameters, &body).await {
        Ok(made) => Ok(Applied::of(&made, kind)),
        Err(kube::Error::Api(status)) if status.is_already_exists() => {
            let there = api.get(&object.name.name).await.map_err(|error| fail(&error))?;
            match is_ours(&there, run) {
                true => Ok(Applied::of(&there, kind)),
                false => Err(Error::Input(format!(
                    "cannot create {}: it exists, and is not this run's",
                    object.name
                ))),
            }
        }
        Err(error) => Err(fail(&error)),
    }
}

/// Asks whether an object could be created as it is, without creating it.
///
/// # Errors
///
/// What the API server, its schemas and its webhooks have against it.
pub(super) async fn try_create(
    client: &Client,
    kind: &ServedKind,
    object: &Object,
) -> Result<(), kube::Error> {
    let body: DynamicObject = serde_json::from_value(object.body.clone()).map_err(kube::Error::SerdeError)?;
    let parameters = PostParams {
        dry_run: true,
        field_manager: Some(FIELD_MANAGER.to_owned()),
    };
    let api = kind.api(client, &object.name.namespace);
    api.create(&parameters, &body).await.map(drop)
}

/// Changes an object of ours to what a manifest says.
///
/// # Errors
///
/// When it is gone, was replaced, or the change is refused.
pub(super) async fn update(
    client: &Client,
    kind: &ServedKind,
    object: &Object,
    ours: &Applied,
    run: &str,
) -> Result<()> {
    let mut body = object.clone();
    body.set_label(RUN_LABEL, run);
    body.body["metadata"]["uid"] = Value::from(ours.uid.as_str());
    let parameters = PatchParams::apply(FIELD_MANAGER).force();
    kind.api(client, &object.name.namespace)
        .patch(&object.name.name, &parameters, &Patch::Apply(&body.body))
        .await
        .map(drop)
        .map_err(|error| Error::request(format!("change {}", object.name), &error))
}

/// Sets spec.replicas of a Deployment of ours.
///
/// The scale subresource knows no UID: the object is looked at first, and the change made only to the version
/// that was seen.
///
/// # Errors
///
/// When it is gone, was replaced, or the change is refused.
pub(super) async fn scale(client: &Client, kind: &ServedKind, ours: &Applied, replicas: i32) -> Result<()> {
    let api = kind.api(client, &ours.namespace);
    let fail = |error: &kube::Error| Error::request(format!("scale {} to {replicas}", ours.title()), error);
    let parameters = PatchParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let mut tries = 0;
    loop {
        let seen = api.get(&ours.name).await.map_err(|error| fail(&error))?;
        if seen.metadata.uid.as_deref() != Some(ours.uid.as_str()) {
            return Err(Error::Input(format!(
                "cannot scale {}: somebody has replaced it",
                ours.title()
            )));
        }
        let patch = json!({ "metadata": { "resourceVersion": seen.metadata.resource_version },
                            "spec": { "replicas": replicas } });
        let answer = api
            .patch_scale(&ours.name, &parameters, &Patch::Merge(patch))
            .await;
        tries += 1;
        match answer {
            Ok(_) => return Ok(()),
            // A controller wrote its status in between.
            Err(kube::Error::Api(status)) if status.is_conflict() && tries < TRIES => {}
            Err(error) => return Err(fail(&error)),
        }
    }
}

/// Deletes an object of ours: the one with the recorded UID, and no other of its name. What is gone is gone.
///
/// # Errors
///
/// When the deletion is refused.
pub(super) async fn delete(client: &Client, kind: &ServedKind, ours: &Applied) -> Result<()> {
    let parameters = DeleteParams::background().preconditions(Preconditions {
        uid: Some(ours.uid.clone()),
        resource_version: None,
    });
    match kind
        .api(client, &ours.namespace)
        .delete(&ours.name, &parameters)
        .await
    {
        Ok(_) => Ok(()),
        // Gone, or another object has taken its name: either way ours is no more.
        Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => Ok(()),
        Err(error) => Err(Error::request(format!("delete {}", ours.title()), &error)),
    }
}

#[cfg(test)]
mod tests {
    use kube::api::ApiResource;

    use super::super::testing::{Fake, block_on};
    use super::*;

    fn deployments() -> ServedKind {
        ServedKind {
            resource: ApiResource {
                group: "apps".to_owned(),
                version: "v1".to_owned(),
                api_version: "apps/v1".to_owned(),
                kind: "Deployment".to_owned(),
                plural: "deployments".to_owned(),
            },
            namespaced: true,
            verbs: Vec::new(),
            subresources: Vec::new(),
        }
    }

    fn web() -> Object {
        let body = json!({ "apiVersion": "apps/v1", "kind": "Deployment",
                           "metadata": { "name": "web", "namespace": "shop" } });
        Object::new(body, "manifests/web.yaml").unwrap()
    }

    fn stored(run: &str, manager: &str, uid: &str) -> Value {
        json!({ "apiVersion": "apps/v1", "kind": "Deployment",
                "metadata": { "name": "web", "namespace": "shop", "uid": uid, "resourceVersion": "7",
                              "labels": { RUN_LABEL: run },
                              "managedFields": [{ "manager": manager, "operation": "Update" }] } })
    }

    fn applied(uid: &str) -> Applied {
        Applied {
            api_version: "apps/v1".to_owned(),
            kind: "Deployment".to_owned(),
            namespace: "shop".to_owned(),
            name: "web".to_owned(),
            uid: uid.to_owned(),
        }
    }

    #[test]
    fn creating_labels_and_never_adopts() {
        let made = Fake::new(|request| {
            assert_eq!(request.body["metadata"]["labels"][RUN_LABEL], "r1");
            assert!(request.query.contains("fieldManager=scaletwin-live"));
            (201, stored("r1", FIELD_MANAGER, "u1"))
        });
        let answer = block_on(create(&made.client(), &deployments(), &web(), "r1"));
        assert_eq!(answer.unwrap(), applied("u1"));
        assert_eq!(made.lines(), ["POST /apis/apps/v1/namespaces/shop/deployments"]);

        let check = |run: &'static str, manager: &'static str| {
            let there = Fake::new(move |request| match request.method.as_str() {
                "POST" => (409, Fake::status(409, "AlreadyExists", "already exists")),
                _ => (200, stored(run, manager, "u2")),
            });
            block_on(create(&there.client(), &deployments(), &web(), "r1"))
                .map(|applied| applied.uid)
                .map_err(|error| error.to_string())
        };
        // Our own request, of which the answer was lost.
        assert_eq!(check("r1", FIELD_MANAGER), Ok("u2".to_owned()));
        let foreign = Err("cannot create Deployment/shop/web: it exists, and is not this run's".to_owned());
        assert_eq!(check("r2", FIELD_MANAGER), foreign);
        assert_eq!(check("r1", "kubectl"), foreign);
    }

    #[test]
    fn changes_are_server_side_applies_of_what_we_made() {
        let fake = Fake::new(|request| {
            assert_eq!(request.body["metadata"]["uid"], "u1");
            (200, stored("r1", FIELD_MANAGER, "u1"))
        });
        block_on(update(
            &fake.client(),
            &deployments(),
            &web(),
            &applied("u1"),
            "r1",
        ))
        .unwrap();
        let asked = &fake.requests()[0];
        assert_eq!(asked.method, "PATCH");
        assert!(asked.query.contains("fieldManager=scaletwin-live") && asked.query.contains("force=true"));
    }

    #[test]
    fn scaling_waits_for_its_turn_and_leaves_strangers_alone() {
        let lost = std::sync::atomic::AtomicBool::new(false);
        let fake = Fake::new(move |request| match request.method.as_str() {
            "GET" => (200, stored("r1", FIELD_MANAGER, "u1")),
            _ if !lost.swap(true, std::sync::atomic::Ordering::SeqCst) => {
                (409, Fake::status(409, "Conflict", "modified"))
            }
            _ => {
                assert_eq!(request.body["metadata"]["resourceVersion"], "7");
                (
                    200,
                    json!({ "apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {} }),
                )
            }
        });
        block_on(scale(&fake.client(), &deployments(), &applied("u1"), 5)).unwrap();
        assert_eq!(fake.requests().len(), 4);
        assert_eq!(fake.requests()[3].body["spec"]["replicas"], 5);
        let error = block_on(scale(&fake.client(), &deployments(), &applied("u9"), 5)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot scale Deployment/shop/web: somebody has replaced it"
        );
    }

    #[test]
    fn deleting_names_the_uid_and_is_idempotent() {
        let check = |code: u16| {
            let fake = Fake::new(move |request| {
                assert_eq!(request.body["preconditions"]["uid"], "u1");
                match code {
                    200 => (
                        200,
                        json!({ "kind": "Status", "apiVersion": "v1", "status": "Success" }),
                    ),
                    code => (
                        code,
                        Fake::status(
                            code,
                            match code {
                                404 => "NotFound",
                                409 => "Conflict",
                                _ => "Forbidden",
                            },
                            "no",
                        ),
                    ),
                }
            });
            block_on(delete(&fake.client(), &deployments(), &applied("u1"))).is_ok()
        };
        assert_eq!([200, 404, 409, 403].map(check), [true, true, true, false]);
    }
}
