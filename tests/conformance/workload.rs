//! Which pods a ReplicaSet gives up on scale-in, against kubernetes 1.35.6
//! (pkg/controller/replicaset `getPodsToDelete`, `getPodsRankedByRelatedPodsOnSameNode`).

use std::cmp::Ordering;
use std::sync::Arc;
use std::time::Duration;

use model::api::{
    Api, Condition, Deletion, Deployment, LabelSelector, Labels, Node, Owner, Phase, Pod, PodSpec,
    PodTemplate, ReplicaSet, Restarts, Strategy,
};
use model::id::{DeploymentId, NodeId, PodId, ReplicaSetId};
use model::quantity::Resources;
use model::workload::victims::{Candidate, candidates, compare, pods_to_delete};
use serde::Deserialize;
use sim::{Instant, SortedMap, SortedSet, Streams};
use support::Outcome;

const NOW: Instant = Instant::from_secs(1_000_000_000);

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Case {
    id: String,
    #[serde(rename = "note")]
    _note: Option<String>,
    diff: usize,
    pods: Vec<PodJson>,
    #[serde(default)]
    other_replica_set_pods: Vec<PodJson>,
    expect: Expect,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct PodJson {
    name: String,
    #[serde(default)]
    uid: String,
    node_name: Option<String>,
    phase: String,
    ready: Option<String>,
    ready_transition_age_seconds: Option<f64>,
    ready_transition_age_nanos: Option<i64>,
    created_age_seconds: Option<f64>,
    created_age_nanos: Option<i64>,
    pod_deletion_cost: Option<String>,
    #[serde(default)]
    restart_counts: Vec<u32>,
    #[serde(default)]
    sidecar_restart_counts: Vec<u32>,
    #[serde(default, rename = "initRestartCounts")]
    _init_restart_counts: Vec<u32>,
    #[serde(default)]
    terminating: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Expect {
    rank: SortedMap<String, usize>,
    order: Vec<Vec<String>>,
    #[serde(rename = "strictWeakOrder")]
    _strict_weak_order: bool,
    #[serde(rename = "observedOrder")]
    _observed_order: Vec<String>,
    victims: Vec<String>,
    victims_are_fixed: bool,
}

/// The instant that lies so far back, or ahead if the age is negative.
fn ago(nanos: Option<i64>, seconds: Option<f64>) -> Option<Instant> {
    let nanos = nanos.or_else(|| seconds.map(|seconds| (seconds * 1e9).round() as i64))?;
    let distance = Duration::from_nanos(nanos.unsigned_abs());
    Some(if nanos < 0 {
        NOW + distance
    } else {
        NOW.saturating_sub(distance)
    })
}

struct World {
    minor: u16,
    api: Api,
    nodes: SortedMap<String, NodeId>,
    deployment: DeploymentId,
    uids: Vec<String>,
}

impl World {
    fn new(case: &Case, minor: u16) -> Self {
        let mut uids: Vec<String> = case.pods.iter().map(|pod| pod.uid.clone()).collect();
        uids.sort();
        let mut api = Api::default();
        let deployment = api.deployments.insert(Deployment {
            name: "app".to_owned(),
            replicas: 0,
            selector: LabelSelector::default(),
            strategy: Strategy::default(),
            min_ready: Duration::ZERO,
            template: template(None),
        });
        World {
            minor,
            api,
            nodes: SortedMap::new(),
            deployment,
            uids,
        }
    }

    fn set(&mut self, pods: &[PodJson]) -> (ReplicaSetId, Vec<PodId>) {
        let set = self.api.replica_sets.insert(ReplicaSet {
            name: "app".to_owned(),
            deployment: self.deployment,
            replicas: 0,
            desired: 0,
            template: template(None),
            made_of: template(None),
            created: Instant::ZERO,
        });
        let ids = pods.iter().map(|pod| self.pod(set, pod)).collect();
        (set, ids)
    }

    fn pod(&mut self, set: ReplicaSetId, json: &PodJson) -> PodId {
        let node = json.node_name.as_ref().map(|name| self.node(name));
        let created = ago(json.created_age_nanos, json.created_age_seconds).expect("an age");
        let transition = ago(json.ready_transition_age_nanos, json.ready_transition_age_seconds);
        let most = |counts: &[u32]| counts.iter().copied().max().unwrap_or(0);
        let pod = Pod {
            name: json.name.clone(),
            // The text's order, whatever the text.
            uid: self.uids.partition_point(|uid| *uid < json.uid) as u128,
            template: template(json.pod_deletion_cost.as_deref()),
            owner: Owner::ReplicaSet(set, self.deployment),
            created,
            deletion: json.terminating.then_some(Deletion {
                at: NOW,
                grace: Duration::from_secs(30),
            }),
            node,
            only_node: None,
            nominated_node: None,
            phase: match json.phase.as_str() {
                "Pending" => Phase::Pending,
                "Running" => Phase::Running,
                "Succeeded" => Phase::Succeeded,
                "Failed" => Phase::Failed,
                "Unknown" => Phase::Unknown,
                other => panic!("phase {other}"),
            },
            ready: json.ready.as_ref().map(|status| Condition {
                status: status == "True",
                since: transition.unwrap_or(Instant::ZERO),
            }),
            unschedulable: false,
            started: None,
            restarts: Restarts {
                containers: most(&json.restart_counts),
                // Those that a release does not count are none.
                sidecars: if self.minor < 32 {
                    0
                } else {
                    most(&json.sidecar_restart_counts)
                },
            },
        };
        self.api.add_pod(pod)
    }

    fn node(&mut self, name: &str) -> NodeId {
        if let Some(id) = self.nodes.get(name) {
            return *id;
        }
        let id = self.api.nodes.insert(Node {
            name: name.to_owned(),
            labels: Arc::new(Labels::new()),
            annotations: Labels::new(),
            created: Instant::ZERO,
            deleting: None,
            taints: Vec::new(),
            unschedulable: false,
            capacity: Resources::default(),
            allocatable: Resources::default(),
            ready: true,
            ready_since: Instant::ZERO,
            images: SortedMap::new(),
            claim: None,
            instance: None,
        });
        self.nodes.insert(name.to_owned(), id);
        id
    }
}

fn template(cost: Option<&str>) -> Arc<PodTemplate> {
    let cost = cost.map(|cost| {
        (
            "controller.kubernetes.io/pod-deletion-cost".to_owned(),
            cost.to_owned(),
        )
    });
    Arc::new(PodTemplate {
        namespace: "default".to_owned(),
        labels: Labels::new(),
        annotations: cost.into_iter().collect(),
        spec: PodSpec::default(),
    })
}

/// What is wrong, if anything.
fn check(case: &Case, minor: u16) -> Option<String> {
    let mut world = World::new(case, minor);
    let (set, ids) = world.set(&case.pods);
    world.set(&case.other_replica_set_pods);
    let mut known = candidates(&world.api, set, &ids);
    let mut says_since_when = true;
    for ((_, candidate), json) in known.iter_mut().zip(&case.pods) {
        let silent = json.ready_transition_age_nanos.is_none() && json.ready_transition_age_seconds.is_none();
        if silent && candidate.ready_since.is_some() {
            candidate.ready_since = Some(None);
            says_since_when = false;
        }
    }
    let by_name: SortedMap<&str, &Candidate> = case
        .pods
        .iter()
        .zip(&known)
        .map(|(json, (_, candidate))| (json.name.as_str(), candidate))
        .collect();
    for (name, rank) in &case.expect.rank {
        if by_name
            .get(name.as_str())
            .is_some_and(|candidate| candidate.rank != *rank)
        {
            return Some(format!("{}: rank of {name} is not {rank}", case.id));
        }
    }
    for (number, group) in case.expect.order.iter().enumerate() {
        for later in case.expect.order[number + 1..].iter().flatten() {
            for earlier in group {
                let (a, b) = (by_name[earlier.as_str()], by_name[later.as_str()]);
                if compare(NOW, a, b) != Ordering::Less || compare(NOW, b, a) != Ordering::Greater {
                    return Some(format!("{}: {earlier} does not go before {later}", case.id));
                }
            }
        }
    }
    // What the store cannot say, the choice from the store cannot be tested on.
    if says_since_when {
        check_choice(case, &world.api, set, &ids)
    } else {
        None
    }
}

fn check_choice(case: &Case, api: &Api, set: ReplicaSetId, ids: &[PodId]) -> Option<String> {
    for seed in 0..3 {
        let mut ties = Streams::new(seed).stream("replica-set/ties", 0);
        let chosen = pods_to_delete(api, set, ids, case.diff, NOW, &mut ties);
        let chosen: SortedSet<&str> = chosen
            .iter()
            .map(|id| api.pods.get(*id).expect("a pod").name.as_str())
            .collect();
        let count = case.diff.min(case.pods.len());
        let mut right = chosen.len() == count;
        if case.expect.victims_are_fixed {
            right &= chosen == case.expect.victims.iter().map(String::as_str).collect();
        } else {
            // Whole groups as far as they go, and the rest from the next.
            let mut left = count;
            for group in &case.expect.order {
                let taken = group.iter().filter(|name| chosen.contains(name.as_str())).count();
                right &= taken == left.min(group.len());
                left -= left.min(group.len());
            }
        }
        if !right {
            return Some(format!(
                "{}: chose {chosen:?}, not {:?}",
                case.id, case.expect.victims
            ));
        }
    }
    None
}

fn check_file(file: &str, minor: u16) -> Outcome {
    Outcome::of_golden(&format!("workload/{file}"), &format!("1.{minor}"), |case| {
        check(case, minor)
    })
}

#[test]
fn victims_are_upstreams() {
    check_file("pod-deletion.jsonl", 35).settle();
}

#[test]
fn drawn_victims_are_upstreams() {
    let outcomes =
        crate::DRAWN.map(|minor| check_file(&format!("drawn-pod-deletion-1.{minor}.jsonl"), minor));
    Outcome::settle_all(&outcomes);
}
