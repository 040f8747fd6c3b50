//! What the API server says of nodes and pods, told on as [`Seen`].

use std::pin::pin;
use std::time::Duration;

use futures::StreamExt as _;
use jiff::Timestamp;
use k8s_openapi::api::core::v1 as core;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, ResourceExt as _};
use model::scenario::ObjectName;
use sim::SortedSet;
use tokio::sync::mpsc::UnboundedSender;

use super::plane::{MadeBy, NodeSeen, PodSeen, Seen};

/// A message to the emulator: something seen, or why nothing is.
pub(super) enum Said {
    /// The API server said something.
    Seen(Seen),
    /// It could not be heard; it is tried again.
    Unheard(String),
}

/// A watch is asked for no longer than this: a connection that died without a word is noticed.
const TIMEOUT: u32 = 20;

/// Tells of all nodes, for as long as anybody listens.
pub(super) async fn nodes(client: Client, tell: UnboundedSender<Said>) {
    let key = |node: &core::Node| node.name_any();
    watch(
        Api::<core::Node>::all(client),
        key,
        node_seen,
        Seen::NodeGone,
        tell,
    )
    .await;
}

/// Tells of all pods, for as long as anybody listens.
pub(super) async fn pods(client: Client, tell: UnboundedSender<Said>) {
    let key = |pod: &core::Pod| pod.uid().unwrap_or_default();
    watch(Api::<core::Pod>::all(client), key, pod_seen, Seen::PodGone, tell).await;
}

async fn watch<K>(
    api: Api<K>,
    key: impl Fn(&K) -> String,
    seen: impl Fn(&K) -> Seen,
    gone: impl Fn(String) -> Seen,
    tell: UnboundedSender<Said>,
) where
    K: kube::Resource + Clone + std::fmt::Debug + serde::de::DeserializeOwned + Send + 'static,
{
    let events = watcher(api, watcher::Config::default().timeout(TIMEOUT)).default_backoff();
    let mut events = pin!(events);
    let mut known: SortedSet<String> = SortedSet::new();
    let mut listed: SortedSet<String> = SortedSet::new();
    while let Some(event) = events.next().await {
        let said = match event {
            Ok(Event::Init) => {
                listed.clear();
                continue;
            }
            Ok(Event::InitApply(object)) => {
                listed.insert(key(&object));
                vec![Said::Seen(seen(&object))]
            }
            // What a new list leaves out has gone meanwhile.
            Ok(Event::InitDone) => {
                let absent = known.difference(&listed).cloned().map(&gone).map(Said::Seen);
                let said = absent.collect();
                known.clone_from(&listed);
                said
            }
            Ok(Event::Apply(object)) => {
                known.insert(key(&object));
                vec![Said::Seen(seen(&object))]
            }
            Ok(Event::Delete(object)) => {
                let key = key(&object);
                known.remove(&key);
                vec![Said::Seen(gone(key))]
            }
            Err(error) => vec![Said::Unheard(error.to_string())],
        };
        for said in said {
            if tell.send(said).is_err() {
                return;
            }
        }
    }
}

fn node_seen(node: &core::Node) -> Seen {
    let status = node.status.as_ref();
    let conditions = status.and_then(|status| status.conditions.as_ref());
    let cpus = status
        .and_then(|status| status.capacity.as_ref()?.get("cpu"))
        .map(|cpu| cpu.0.as_str());
    Seen::Node(NodeSeen {
        name: node.name_any(),
        labels: node.labels().clone().into_iter().collect(),
        ready: conditions
            .into_iter()
            .flatten()
            .any(|condition| condition.type_ == "Ready" && condition.status == "True"),
        cpus: cpus
            .and_then(|cpu| cpu.parse::<model::quantity::Quantity>().ok())
            .map_or(1.0, |cpu| cpu.as_f64()),
    })
}

fn pod_seen(pod: &core::Pod) -> Seen {
    let status = pod.status.as_ref();
    let phase = status.and_then(|status| status.phase.as_deref()).unwrap_or("");
    let conditions = status.and_then(|status| status.conditions.as_ref());
    Seen::Pod(PodSeen {
        uid: pod.uid().unwrap_or_default(),
        name: ObjectName {
            namespace: pod.namespace().unwrap_or_default(),
            name: pod.name_any(),
        },
        made_by: made_by(pod),
        node: pod.spec.as_ref().and_then(|spec| spec.node_name.clone()),
        running: phase == "Running",
        ready: conditions
            .into_iter()
            .flatten()
            .any(|condition| condition.type_ == "Ready" && condition.status == "True"),
        ended: matches!(phase, "Succeeded" | "Failed"),
        grace: grace(pod),
    })
}

/// A ReplicaSet of a Deployment is called after it and the hash of its template, which its pods carry.
fn made_by(pod: &core::Pod) -> Option<MadeBy> {
    let owner = pod
        .owner_references()
        .iter()
        .find(|owner| owner.controller == Some(true))?;
    match owner.kind.as_str() {
        "ReplicaSet" => {
            let hash = pod.labels().get("pod-template-hash")?;
            let name = owner.name.strip_suffix(hash)?.strip_suffix('-')?;
            Some(MadeBy::Deployment(name.to_owned()))
        }
        "DaemonSet" => Some(MadeBy::DaemonSet(owner.name.clone())),
        _ => None,
    }
}

/// What is left of the grace period. Timestamps are whole seconds: at first it is what was asked for.
fn grace(pod: &core::Pod) -> Option<Duration> {
    let until = pod.metadata.deletion_timestamp.as_ref()?.0;
    let asked = pod.metadata.deletion_grace_period_seconds.unwrap_or_default();
    let left = until.as_second() - Timestamp::now().as_second();
    let left = if (left - asked).abs() <= 1 { asked } else { left };
    Some(Duration::from_secs(u64::try_from(left).unwrap_or_default()))
}
