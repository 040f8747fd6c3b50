//! Taking away what a run made, and nothing else.
//!
//! What is ours is known from the journal, by UID, and from the API server, by the run's label on objects that
//! our field manager made. Both are needed: a kill may come between the making of an object and the journal's
//! line, and a journal may be lost. Deleting is by UID, so that an object that took the name of one of ours is
//! safe; it may be done again at any time, and ends when the API server no longer has any of it.
//!
//! The order is the reverse of making. What costs money is waited for: the NodeClaims of our NodePools. A
//! namespace goes last, and only if everything in it is ours or belongs to something of ours.

use std::future::Future;
use std::time::{Duration, Instant};

use futures::{StreamExt as _, stream};
use kube::Client;
use kube::api::{DynamicObject, ListParams};
use serde::Serialize;
use sim::SortedSet;

use super::apply::{Applied, RUN_LABEL, delete, is_ours};
use super::error::{Error, Result};
use super::kinds::{Served, ServedKind};
use super::manifest::rank;

/// Between two looks.
const PERIOD: Duration = Duration::from_secs(1);
/// How long an API server that does not answer is waited for.
const OUTAGE: Duration = Duration::from_secs(300);
/// How long objects may take to go that nothing holds.
const GO: Duration = Duration::from_secs(120);
/// So many kinds are asked for at once.
const AT_ONCE: usize = 6;
/// Objects in a namespace that come and go with it.
const COME_WITH_IT: [(&str, &str); 2] = [("ConfigMap", "kube-root-ca.crt"), ("ServiceAccount", "default")];
/// Kinds whose objects tell about others, and go with them.
const TELL: [&str; 5] = ["Event", "Endpoints", "EndpointSlice", "PodMetrics", "Lease"];

/// What became of a clean-up.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Cleaned {
    /// What was taken away: `Kind/namespace/name`.
    pub deleted: Vec<String>,
    /// What is still there, and why.
    pub left: Vec<String>,
}

/// How a clean-up is done.
#[derive(Debug, Clone)]
pub struct Options {
    /// How long nodes may take to go: pods are drained, machines terminated.
    pub nodes: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            nodes: Duration::from_secs(900),
        }
    }
}

/// Takes away all that a run made. `known` is what its journal has; `tell` hears what is waited for.
///
/// # Errors
///
/// When the API server cannot be used for minutes.
pub async fn clean(
    client: &Client,
    served: &Served,
    run: &str,
    known: &[Applied],
    options: &Options,
    tell: &mut dyn FnMut(&str),
) -> Result<Cleaned> {
    let mut cleaned = Cleaned::default();
    let mut ours = find(client, served, run).await?;
    for applied in known {
        if !ours.iter().any(|(_, own)| own.uid == applied.uid)
            && let Some(kind) = served.exactly(&applied.api_version, &applied.kind)
            && is_there(client, kind, applied).await?
        {
            ours.push((kind.clone(), applied.clone()));
        }
    }
    // What acts on others goes before them; a class goes after the nodes that are made of it.
    ours.sort_by_key(|(kind, _)| std::cmp::Reverse(rank(&kind.resource.kind)));
    let mut rest = &ours[..];
    while let Some((kind, _)) = rest.first() {
        let own = rank(&kind.resource.kind);
        let end = rest
            .iter()
            .position(|(kind, _)| rank(&kind.resource.kind) != own)
            .unwrap_or(rest.len());
        let (group, after) = rest.split_at(end);
        rest = after;
        take_away(client, served, run, group, options, tell, &mut cleaned).await?;
    }
    Ok(cleaned)
}

/// Deletes objects of one rank, and waits until they are gone.
async fn take_away(
    client: &Client,
    served: &Served,
    run: &str,
    group: &[(ServedKind, Applied)],
    options: &Options,
    tell: &mut dyn FnMut(&str),
    cleaned: &mut Cleaned,
) -> Result<()> {
    let mut deleted = Vec::new();
    for (kind, applied) in group {
        if applied.kind == "Namespace" {
            let strangers = strangers(client, served, run, &applied.name).await?;
            if !strangers.is_empty() {
                let some = strangers.join(", ");
                cleaned
                    .left
                    .push(format!("{}: it holds what is not ours: {some}", applied.title()));
                continue;
            }
        }
        match persist(|| delete(client, kind, applied)).await {
            Ok(()) => deleted.push((kind, applied)),
            Err(error) => cleaned.left.push(format!("{}: {error}", applied.title())),
        }
    }
    let pools: Vec<&str> = deleted
        .iter()
        .filter(|(kind, _)| kind.resource.kind == "NodePool")
        .map(|(_, applied)| applied.name.as_str())
        .collect();
    let patience = if pools.is_empty() { GO } else { options.nodes };
    let waiting = Instant::now();
    let mut told = 0;
    loop {
        let mut there = Vec::new();
        for (kind, applied) in &deleted {
            if is_there(client, kind, applied).await? {
                there.push(applied.title().to_string());
            }
        }
        there.append(&mut claims(client, served, &pools).await?);
        if there.is_empty() {
            break;
        }
        if waiting.elapsed() >= patience {
            let why = format!("still there {} s after its deletion", patience.as_secs());
            cleaned
                .left
                .extend(there.iter().map(|name| format!("{name}: {why}")));
            break;
        }
        if told != there.len() {
            told = there.len();
            tell(&format!("waiting for {}", some_of(&there)));
        }
        tokio::time::sleep(PERIOD).await;
    }
    let is_left = |name: &str| {
        cleaned
            .left
            .iter()
            .any(|left| left.starts_with(&format!("{name}:")))
    };
    let gone: Vec<String> = deleted
        .iter()
        .map(|(_, applied)| applied.title().to_string())
        .filter(|name| !is_left(name))
        .collect();
    cleaned.deleted.extend(gone);
    Ok(())
}

fn some_of(names: &[String]) -> String {
    match names {
        [one, two, three, rest @ ..] if !rest.is_empty() => {
            format!("{one}, {two}, {three} and {} more", rest.len())
        }
        few => few.join(", "),
    }
}

/// Everything in the cluster that carries the run's label and that we made.
///
/// # Errors
///
/// When the API server cannot be used for minutes.
pub async fn find(client: &Client, served: &Served, run: &str) -> Result<Vec<(ServedKind, Applied)>> {
    let kinds = each_once(served).filter(|kind| kind.can("list") && kind.can("delete"));
    let look = |kind: ServedKind| async move {
        let labels = ListParams::default().labels(&format!("{RUN_LABEL}={run}"));
        let listed = list(client, &kind, "", &labels).await;
        (kind, listed)
    };
    let answers: Vec<_> = stream::iter(kinds.cloned())
        .map(look)
        .buffered(AT_ONCE)
        .collect()
        .await;
    let mut found = Vec::new();
    for (kind, listed) in answers {
        let ours = |object: &&DynamicObject| is_ours(object, run);
        for object in listed?.unwrap_or_default().iter().filter(ours) {
            found.push((kind.clone(), Applied::of(object, &kind)));
        }
    }
    Ok(found)
}

/// Names of runs of which something is there, with how much.
///
/// # Errors
///
/// When the API server cannot be used for minutes.
pub async fn runs(client: &Client, served: &Served) -> Result<Vec<(String, usize)>> {
    let kinds = each_once(served).filter(|kind| kind.can("list") && kind.can("delete"));
    let look = |kind: ServedKind| async move {
        list(client, &kind, "", &ListParams::default().labels(RUN_LABEL)).await
    };
    let answers: Vec<_> = stream::iter(kinds.cloned())
        .map(look)
        .buffered(AT_ONCE)
        .collect()
        .await;
    let mut runs = sim::SortedMap::<String, usize>::new();
    for listed in answers {
        for object in listed?.unwrap_or_default() {
            let labels = object.metadata.labels.as_ref();
            let Some(run) = labels.and_then(|labels| labels.get(RUN_LABEL)) else {
                continue;
            };
            if is_ours(&object, run) {
                *runs.entry(run.clone()).or_default() += 1;
            }
        }
    }
    Ok(runs.into_iter().collect())
}

/// Each kind in one version: the first that is served is the one its group prefers.
fn each_once(served: &Served) -> impl Iterator<Item = &ServedKind> {
    let mut seen = SortedSet::new();
    served
        .kinds
        .iter()
        .filter(move |kind| seen.insert((kind.resource.group.clone(), kind.resource.plural.clone())))
}

/// Objects of a kind; none if we may not see them, or the kind is gone.
async fn list(
    client: &Client,
    kind: &ServedKind,
    namespace: &str,
    parameters: &ListParams,
) -> Result<Option<Vec<DynamicObject>>> {
    let api = kind.api(client, namespace);
    let ask = || async {
        match api.list(parameters).await {
            Ok(list) => Ok(Some(list.items)),
            Err(kube::Error::Api(status)) if matches!(status.code, 403..=405) => Ok(None),
            Err(error) => Err(Error::request(format!("list {}", kind.resource.plural), &error)),
        }
    };
    persist(ask).await
}

/// Whether the object with that UID is there.
async fn is_there(client: &Client, kind: &ServedKind, applied: &Applied) -> Result<bool> {
    let api = kind.api(client, &applied.namespace);
    let failed = |error| Error::request(format!("look for {}", applied.title()), &error);
    let found = persist(|| async { api.get_opt(&applied.name).await.map_err(failed) }).await?;
    Ok(found.is_some_and(|object| object.metadata.uid.as_deref() == Some(applied.uid.as_str())))
}

/// NodeClaims of NodePools.
async fn claims(client: &Client, served: &Served, pools: &[&str]) -> Result<Vec<String>> {
    let Some(kind) = served.find("karpenter.sh", "NodeClaim") else {
        return Ok(Vec::new());
    };
    let mut names = Vec::new();
    for pool in pools {
        let labels = ListParams::default().labels(&format!("karpenter.sh/nodepool={pool}"));
        for claim in list(client, kind, "", &labels).await?.unwrap_or_default() {
            names.push(format!("NodeClaim/{}", claim.metadata.name.unwrap_or_default()));
        }
    }
    Ok(names)
}

/// What lies in a namespace and is not ours, nor of anything of ours. A kind that we may not see counts: it
/// may hold something.
async fn strangers(client: &Client, served: &Served, run: &str, namespace: &str) -> Result<Vec<String>> {
    let kinds = each_once(served).filter(|kind| {
        kind.namespaced
            && kind.can("list")
            && kind.can("create")
            && !TELL.contains(&kind.resource.kind.as_str())
    });
    let look = |kind: ServedKind| async move {
        let listed = list(client, &kind, namespace, &ListParams::default()).await;
        (kind, listed)
    };
    let answers: Vec<_> = stream::iter(kinds.cloned())
        .map(look)
        .buffered(AT_ONCE)
        .collect()
        .await;
    let mut strangers = Vec::new();
    for (kind, listed) in answers {
        let own = kind.resource.kind.as_str();
        let Some(objects) = listed? else {
            strangers.push(format!("{} (we may not look)", kind.resource.plural));
            continue;
        };
        for object in objects {
            let name = object.metadata.name.as_deref().unwrap_or("");
            let owned = object
                .metadata
                .owner_references
                .as_ref()
                .is_some_and(|owners| !owners.is_empty());
            let going = object.metadata.deletion_timestamp.is_some();
            if !owned && !going && !is_ours(&object, run) && !COME_WITH_IT.contains(&(own, name)) {
                strangers.push(format!("{own}/{name}"));
            }
        }
    }
    Ok(strangers)
}

/// Asks again while the API server cannot be used.
async fn persist<T, F: Future<Output = Result<T>>>(mut ask: impl FnMut() -> F) -> Result<T> {
    let started = Instant::now();
    loop {
        match ask().await {
            Err(Error::Request { why, .. }) if is_passing(&why) && started.elapsed() < OUTAGE => {
                tokio::time::sleep(PERIOD).await;
            }
            answer => return answer,
        }
    }
}

/// Whether what was said may pass: the server answered that it cannot now, or did not answer.
pub(super) fn is_passing(why: &str) -> bool {
    match why.strip_prefix("the API server answered ") {
        Some(answer) => {
            let code = answer.split(':').next().unwrap_or("");
            matches!(code, "401" | "429" | "500" | "502" | "503" | "504")
        }
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use kube::api::ApiResource;
    use serde_json::{Value, json};
    use sim::SortedMap;

    use super::super::apply::FIELD_MANAGER;
    use super::super::testing::{Asked, Fake, block_on};
    use super::*;

    fn served() -> Served {
        let kind = |kind: &str, plural: &str, namespaced: bool| ServedKind {
            resource: ApiResource {
                group: String::new(),
                version: "v1".to_owned(),
                api_version: "v1".to_owned(),
                kind: kind.to_owned(),
                plural: plural.to_owned(),
            },
            namespaced,
            verbs: ["list", "create", "delete"].map(str::to_owned).into(),
            subresources: Vec::new(),
        };
        Served {
            kinds: vec![
                kind("Namespace", "namespaces", false),
                kind("ConfigMap", "configmaps", true),
                kind("Service", "services", true),
            ],
            silent: Vec::new(),
        }
    }

    /// Objects by path, as an API server keeps them.
    type Store = Arc<Mutex<SortedMap<String, Value>>>;

    fn object(name: &str, uid: &str, run: Option<&str>) -> Value {
        let labels = run.map_or(json!({}), |run| json!({ RUN_LABEL: run }));
        json!({ "metadata": { "name": name, "uid": uid, "namespace": "web", "labels": labels,
                              "managedFields": [{ "manager": FIELD_MANAGER }] } })
    }

    fn answer(store: &Store, request: &Asked) -> (u16, Value) {
        let mut store = store.lock().unwrap();
        match request.method.as_str() {
            "DELETE" => match store.get(&request.path) {
                Some(there) if there["metadata"]["uid"] == request.body["preconditions"]["uid"] => {
                    store.remove(&request.path);
                    (
                        200,
                        json!({ "kind": "Status", "apiVersion": "v1", "status": "Success" }),
                    )
                }
                Some(_) => (409, Fake::status(409, "Conflict", "uid")),
                None => (404, Fake::status(404, "NotFound", "gone")),
            },
            _ => match store.get(&request.path) {
                Some(there) => (200, there.clone()),
                None if request.path.ends_with('s') => {
                    let plural = request.path.rsplit('/').next().unwrap();
                    let labelled = request.query.contains("labelSelector");
                    let items: Vec<&Value> = store
                        .iter()
                        .filter(|(path, _)| path.rsplit('/').nth(1) == Some(plural))
                        .map(|(_, object)| object)
                        .filter(|object| !labelled || object["metadata"]["labels"][RUN_LABEL] == "r1")
                        .collect();
                    (
                        200,
                        json!({ "kind": "List", "apiVersion": "v1", "metadata": {}, "items": items }),
                    )
                }
                None => (404, Fake::status(404, "NotFound", "not found")),
            },
        }
    }

    fn check(objects: &[(&str, Value)], known: &[Applied]) -> (Cleaned, Vec<String>) {
        let store: Store = Arc::default();
        for (path, object) in objects {
            store.lock().unwrap().insert((*path).to_owned(), object.clone());
        }
        let own = store.clone();
        let fake = Fake::new(move |request| answer(&own, request));
        let cleaned = block_on(clean(
            &fake.client(),
            &served(),
            "r1",
            known,
            &Options::default(),
            &mut |_| {},
        ))
        .unwrap();
        let left = store.lock().unwrap().keys().cloned().collect();
        (cleaned, left)
    }

    const SERVICE: &str = "/api/v1/namespaces/web/services/web";
    const NAMESPACE: &str = "/api/v1/namespaces/web";

    #[test]
    fn all_of_ours_goes_the_namespace_last() {
        let (cleaned, left) = check(
            &[
                (SERVICE, object("web", "u1", Some("r1"))),
                (NAMESPACE, object("web", "u2", Some("r1"))),
                (
                    "/api/v1/namespaces/web/configmaps/kube-root-ca.crt",
                    object("kube-root-ca.crt", "u3", None),
                ),
            ],
            &[],
        );
        // The fake's objects say that they lie in a namespace, the Namespace too.
        assert_eq!(cleaned.deleted, ["Service/web/web", "Namespace/web/web"]);
        assert_eq!(cleaned.left, [""; 0]);
        assert_eq!(left, ["/api/v1/namespaces/web/configmaps/kube-root-ca.crt"]);
    }

    #[test]
    fn a_namespace_with_strangers_stays() {
        let foreign = "/api/v1/namespaces/web/configmaps/theirs";
        let (cleaned, left) = check(
            &[
                (NAMESPACE, object("web", "u2", Some("r1"))),
                (foreign, object("theirs", "u3", None)),
            ],
            &[],
        );
        assert_eq!(
            cleaned.left,
            ["Namespace/web/web: it holds what is not ours: ConfigMap/theirs"]
        );
        assert_eq!(left, [NAMESPACE, foreign]);
    }

    #[test]
    fn neither_another_run_nor_a_namesake_is_touched() {
        let known = Applied {
            api_version: "v1".to_owned(),
            kind: "Service".to_owned(),
            namespace: "web".to_owned(),
            name: "web".to_owned(),
            uid: "u-old".to_owned(),
        };
        let (cleaned, left) = check(
            &[
                (SERVICE, object("web", "u-new", None)),
                (
                    "/api/v1/namespaces/web/services/other",
                    object("other", "u5", Some("r2")),
                ),
            ],
            &[known],
        );
        assert_eq!(cleaned, Cleaned::default());
        assert_eq!(left.len(), 2);
    }

    #[test]
    fn what_may_pass_is_tried_again() {
        let passing = ["connection refused", "the API server answered 429: slow down"];
        let final_ = [
            "the API server answered 403: forbidden",
            "the API server answered 422: no",
        ];
        assert!(passing.into_iter().all(is_passing));
        assert!(!final_.into_iter().any(is_passing));
    }
}
