//! kube-scheduler: filters, scores, ties, preemption, adaptive search.
//!
//! Every cluster of the vectors is put into the scheduler's own cache, and every incoming pod goes through the
//! functions that a simulated cycle calls. A pod that fits takes its room where the recording put it, so that
//! one difference does not hide the next.

mod vectors;

use std::sync::Arc;

use model::api::{LabelSelector, Labels, Node, PodTemplate, Taint};
use model::id::{NodeId, PodId};
use model::quantity::Bytes;
use model::scheduler::cycle::{Found, Sampling, find_nodes_that_fit, score, select_host};
use model::scheduler::pod_info::{KindId, default_selector};
use model::scheduler::preemption::{Budget, Outcome, best_candidates, dry_run, potential_nodes, preempt};
use model::scheduler::{Cache, PlacedPod, PodRef, Profile, ScoringStrategy, message};
use sim::{Instant, SortedMap, SortedSet, Streams};

use self::vectors::{Cluster, Expect, Image, Incoming, NodeSpec, Pdb, ReplicaSet, TaintSpec, Victims};
use super::manifest;

/// A cluster in the scheduler's cache, and the names to talk about it.
struct World {
    minor: u16,
    cache: Cache,
    sampling: Sampling,
    kinds: SortedMap<String, KindId>,
    nodes: Vec<String>,
    pods: Vec<String>,
    budgets: Vec<Budget>,
}

/// Scores but those of plugins that, until 1.29, take part though they have nothing to say.
fn telling(scores: &SortedMap<String, Vec<i64>>, minor: u16) -> SortedMap<&String, &Vec<i64>> {
    let silent = |plugin: &str, scores: &[i64]| {
        minor < 30
            && ["VolumeBinding", "NodeAffinity"].contains(&plugin)
            && scores.iter().all(|score| *score == 0)
    };
    scores
        .iter()
        .filter(|(plugin, scores)| !silent(plugin, scores))
        .collect()
}

/// "Now" of the vectors: pods started so many seconds ago.
const NOW: u64 = 100_000_000;

impl World {
    fn new(cluster: &Cluster, minor: u16, profile: Profile) -> Self {
        let mut world = World {
            minor,
            cache: Cache::new(profile, ScoringStrategy::LeastAllocated),
            sampling: Sampling {
                percentage: cluster.percentage_of_nodes_to_score,
                next_start: 0,
            },
            kinds: SortedMap::new(),
            nodes: cluster.nodes.iter().map(|node| node.name.clone()).collect(),
            pods: Vec::new(),
            budgets: cluster.pod_disruption_budgets.iter().map(budget).collect(),
        };
        for (i, node) in cluster.nodes.iter().enumerate() {
            world.cache.set_node(NodeId(i as u32), &node_object(node));
        }
        let namespaces = cluster.namespaces.labels();
        for (name, template) in &cluster.templates {
            let namespace = namespace(&template.namespace);
            let mut object = PodTemplate {
                namespace: namespace.to_owned(),
                labels: template.labels.clone(),
                annotations: Labels::new(),
                spec: template.spec.to_model(),
            };
            // What the API server drops the scheduler does not see.
            object.spec.drop_gated(minor);
            let of_namespace = cluster
                .services
                .iter()
                .filter(|s| self::namespace(&s.namespace) == namespace);
            let owner = template.owner.as_ref().and_then(|owner| {
                let owns = |set: &&ReplicaSet| {
                    owner.kind == "ReplicaSet"
                        && set.name == owner.name
                        && self::namespace(&set.namespace) == namespace
                };
                let set = cluster.replica_sets.iter().find(owns)?;
                Some(LabelSelector::from_labels(&set.match_labels))
            });
            let selector = default_selector(&object, of_namespace.map(|s| &s.selector), owner.as_ref());
            let kind = world.cache.add_kind(Arc::new(object), &selector, &namespaces);
            world.kinds.insert(name.clone(), kind);
        }
        for pod in &cluster.pods {
            let started = pod.started_seconds_ago.map(|ago| Instant::from_secs(NOW - ago));
            world.place(&pod.name, &pod.template, &pod.node_name, pod.terminating, started);
        }
        world
    }

    fn node(&self, name: &str) -> NodeId {
        let at = self.nodes.iter().position(|node| node == name);
        NodeId(at.map_or(u32::MAX - 1, |at| at as u32))
    }

    fn name(&self, node: NodeId) -> String {
        self.nodes[node.0 as usize].clone()
    }

    fn place(&mut self, name: &str, template: &str, node: &str, terminating: bool, started: Option<Instant>) {
        let pod = PlacedPod {
            id: PodId(self.pods.len() as u32),
            kind: self.kinds[template],
            terminating,
            preempted: false,
            started,
        };
        self.pods.push(name.to_owned());
        self.cache.add_pod(pod, self.node(node));
    }

    /// Schedules one pod and says what differs from the recording.
    fn check(&mut self, incoming: &Incoming, differences: &mut Vec<String>) {
        let expect = &incoming.expect;
        let mut differ = |what: &str, ours: String, theirs: String| {
            if ours != theirs {
                differences.push(format!("{}: {what}: {ours}, expected {theirs}", incoming.name));
            }
        };
        let pod = PodRef {
            id: PodId(u32::MAX),
            kind: self.kinds[&incoming.template],
            only_node: incoming.node_affinity_name.as_ref().map(|name| self.node(name)),
        };
        if let Some(start) = expect.start_node_index {
            self.sampling.next_start = start;
        }
        let found = find_nodes_that_fit(&self.cache, pod, None, &mut self.sampling);
        let feasible: Vec<String> = found.feasible.iter().map(|&node| self.name(node)).collect();
        differ(
            "feasible",
            format!("{feasible:?}"),
            format!("{:?}", expect.feasible_nodes),
        );
        if let Some(next) = expect.next_start_node_index {
            differ(
                "next start",
                self.sampling.next_start.to_string(),
                next.to_string(),
            );
        }
        differ(
            "rejected",
            format!("{:?}", self.rejected(&found)),
            format!("{:?}", expected_rejected(expect)),
        );
        let rejectors: SortedSet<&str> = found
            .diagnosis
            .rejectors
            .iter()
            .map(|plugin| plugin.name())
            .collect();
        differ(
            "rejectors",
            format!("{rejectors:?}"),
            format!("{:?}", expect.unschedulable_plugins),
        );

        if feasible != expect.feasible_nodes {
            // Scores of other nodes say nothing more.
        } else if let Some(totals) = &expect.total_score {
            let ours = score(&self.cache, pod, &found.feasible);
            let plugins: SortedMap<String, Vec<i64>> = ours
                .plugins()
                .map(|(plugin, scores)| (plugin.name().to_owned(), scores.to_vec()))
                .collect();
            differ(
                "scores",
                format!("{:?}", telling(&plugins, self.minor)),
                format!("{:?}", telling(expect.scores.as_ref().unwrap(), self.minor)),
            );
            differ("totals", format!("{:?}", ours.totals), format!("{totals:?}"));
            let best = ours.totals.iter().max().unwrap();
            let tied = feasible
                .iter()
                .zip(&ours.totals)
                .filter(|(_, total)| *total == best);
            let tied: SortedSet<&String> = tied.map(|(name, _)| name).collect();
            let named: SortedSet<&String> = expect.best_nodes.iter().collect();
            differ("best", format!("{tied:?}"), format!("{named:?}"));
            let mut stream = Streams::new(1).stream("scheduler/tie", 0);
            let host = select_host(&self.cache, &ours.totals, &mut stream);
            let ours = found.feasible.get(host).map(|&node| self.name(node));
            if self.cache.profile.heap_selection {
                differ(
                    "host",
                    format!("{ours:?}"),
                    format!("{:?}", expect.suggested_host),
                );
            } else {
                let host = ours.as_ref().expect("one of them was selected");
                differ(
                    "host among the best",
                    named.contains(host).to_string(),
                    "true".to_owned(),
                );
            }
        } else if expect.feasible_nodes.len() == 1 {
            differ(
                "the only one",
                format!("{:?}", feasible.first()),
                format!("{:?}", expect.placed_on.as_ref()),
            );
        }
        if feasible.is_empty() {
            self.check_preemption(pod, &found, expect, &mut differ);
        }
        if let Some(node) = &expect.placed_on {
            self.place(&incoming.name, &incoming.template, node, false, None);
        }
    }

    fn check_preemption(
        &self,
        pod: PodRef,
        found: &Found,
        expect: &Expect,
        differ: &mut impl FnMut(&str, String, String),
    ) {
        let mut stream = Streams::new(1).stream("scheduler/preemption", 0);
        let outcome = preempt(&self.cache, pod, None, found, &self.budgets, &mut stream);
        if let Some(text) = &expect.message {
            let ours = message(&self.cache, found, &outcome);
            differ("message", ours, text.clone());
        }
        let Some(preemption) = &expect.preemption else {
            return;
        };
        let potential = potential_nodes(&self.cache, &found.diagnosis);
        let (candidates, _) = dry_run(&self.cache, pod, &found.state, &potential, &self.budgets, 0);
        let ours: SortedMap<String, Victims> = candidates
            .iter()
            .map(|candidate| {
                let pods = candidate
                    .victims
                    .iter()
                    .map(|pod| self.pods[pod.id.0 as usize].clone());
                let victims = Victims {
                    pods: pods.collect(),
                    pdb_violations: candidate.pdb_violations,
                };
                (self.name(candidate.node), victims)
            })
            .collect();
        differ(
            "victims",
            format!("{ours:?}"),
            format!("{:?}", preemption.candidates),
        );
        let best: SortedSet<String> = best_candidates(&self.cache, &candidates)
            .iter()
            .map(|best| self.name(best.node))
            .collect();
        differ(
            "selected",
            format!("{best:?}"),
            format!("{:?}", preemption.selected),
        );
        match outcome {
            Outcome::Selected(candidate) => {
                let selected = best.contains(&self.name(candidate.node));
                differ(
                    "selected one of the best",
                    selected.to_string(),
                    "true".to_owned(),
                );
            }
            other => differ("outcome", format!("{other:?}"), "Selected".to_owned()),
        }
    }

    /// By node: the plugin, whether preemption may help, the reasons in order of their texts.
    fn rejected(&self, found: &Found) -> SortedMap<String, (String, bool, SortedSet<String>)> {
        let mut rejected = SortedMap::new();
        let absent = found.diagnosis.absent.as_ref();
        let known = found
            .diagnosis
            .statuses
            .iter()
            .map(|(node, status)| (*node, status));
        let absent = absent.filter(|status| !status.reasons.is_empty());
        let unknown = self.cache.list().filter_map(|node| Some((node.id, absent?)));
        for (node, status) in unknown.chain(known) {
            let plugin = status.plugin.map_or("", |plugin| plugin.name()).to_owned();
            let reasons = status.reasons.iter().map(ToString::to_string).collect();
            rejected.insert(self.name(node), (plugin, status.unresolvable, reasons));
        }
        for node in &found.feasible {
            rejected.remove(&self.name(*node));
        }
        rejected
    }
}

fn expected_rejected(expect: &Expect) -> SortedMap<String, (String, bool, SortedSet<String>)> {
    let groups = expect.rejected.iter().flat_map(|group| {
        let unresolvable = group.code == "UnschedulableAndUnresolvable";
        let reasons: SortedSet<String> = group.reasons.iter().cloned().collect();
        group.nodes.iter().map(move |node| {
            (
                node.clone(),
                (group.plugin.clone(), unresolvable, reasons.clone()),
            )
        })
    });
    groups.collect()
}

fn namespace(given: &Option<String>) -> &str {
    given.as_deref().unwrap_or("default")
}

fn budget(pdb: &Pdb) -> Budget {
    Budget {
        namespace: namespace(&pdb.namespace).to_owned(),
        selector: Some(LabelSelector::from_labels(&pdb.match_labels)),
        disruptions_allowed: pdb.disruptions_allowed,
    }
}

fn node_object(spec: &NodeSpec) -> Node {
    let taint = |taint: &TaintSpec| Taint {
        key: taint.key.clone(),
        value: taint.value.clone(),
        effect: manifest::taint_effect(&taint.effect),
    };
    let names = |image: &Image| {
        image
            .names
            .iter()
            .map(|name| (name.clone(), Bytes(image.size_bytes)))
            .collect::<Vec<_>>()
    };
    Node {
        name: spec.name.clone(),
        labels: Arc::new(spec.labels.clone()),
        annotations: Labels::new(),
        created: Instant::ZERO,
        deleting: None,
        taints: spec.taints.iter().map(taint).collect(),
        unschedulable: spec.unschedulable,
        capacity: manifest::resources(&spec.allocatable),
        allocatable: manifest::resources(&spec.allocatable),
        ready: true,
        ready_since: Instant::ZERO,
        images: spec.images.iter().flat_map(names).collect(),
        claim: None,
        instance: None,
    }
}

/// Runs one file.
fn run(file: &str, minor: u16, profile: Profile, adjust: impl Fn(&mut Expect)) -> support::Outcome {
    let mut clusters: Vec<Cluster> = support::golden(file);
    let (mut pods, mut differences) = (0, Vec::new());
    for cluster in &mut clusters {
        let mut world = World::new(cluster, minor, profile);
        let order: Vec<String> = world.cache.list().map(|node| node.name.clone()).collect();
        assert_eq!(order, cluster.node_order, "{}: node order", cluster.id);
        for incoming in &mut cluster.incoming {
            adjust(&mut incoming.expect);
            let mut found = Vec::new();
            world.check(incoming, &mut found);
            differences.extend(
                found
                    .into_iter()
                    .map(|difference| format!("{} {difference}", cluster.id)),
            );
            pods += 1;
        }
    }
    support::Outcome::new(file, &format!("1.{minor}"), pods, differences)
}

/// What `tests/upstream` drew, of any release.
fn drawn(part: &str) {
    let outcomes = crate::DRAWN.map(|minor| {
        let file = format!("scheduler/drawn-{part}-1.{minor}.jsonl");
        run(&file, minor, Profile::of(minor), |_| {})
    });
    support::Outcome::settle_all(&outcomes);
}

fn run_release(file: &str, minor: u16) {
    run(file, minor, Profile::of(minor), |_| {}).settle();
}

#[test]
fn clusters() {
    run_release("scheduler/clusters.jsonl", 35);
}

#[test]
fn clusters_1_36() {
    run_release("scheduler/clusters-1.36.jsonl", 36);
}

#[test]
fn adaptive() {
    run_release("scheduler/adaptive.jsonl", 35);
}

#[test]
fn drawn_clusters() {
    drawn("clusters");
}

#[test]
fn drawn_adaptive() {
    drawn("adaptive");
}

#[test]
fn examples() {
    run_release("scheduler/examples.jsonl", 35);
}

/// Kubernetes 1.33.13 was recorded to find the same nodes and scores; it has no device claims, thinks no node
/// too small for good, and words its reasons otherwise.
#[test]
fn clusters_1_33() {
    // The recording's own word is kept where only the word differs.
    let profile = Profile {
        taint_in_reason: false,
        ..Profile::of(33)
    };
    run("scheduler/clusters.jsonl", 33, profile, |expect| {
        expect.message = None;
        expect.preemption = None;
        if let Some(scores) = &mut expect.scores {
            scores.remove("DynamicResources");
        }
        for group in &mut expect.rejected {
            if group.plugin == "NodeResourcesFit" {
                group.code = "Unschedulable".to_owned();
            }
        }
    })
    .settle();
}
