//! Decisions that no vector asks for: what an event means to a pod that waits, preemption among very many nodes,
//! scores of full nodes.

use std::sync::Arc;

use sim::SortedMap;

use super::cache::NodeChange;
use super::component::tests::{node, resources, template};
use super::cycle::{Sampling, find_nodes_that_fit};
use super::hint::{ClusterEvent, helps};
use super::pod_info::{KindId, ZONE};
use super::preemption::{Candidate, best_candidates, dry_run, potential_nodes};
use super::score::most_requested_score;
use super::*;
use crate::api::{
    LabelSelector, Node, PodAffinityTerm, PodSpec, PodTemplate, SpreadConstraint, WhenUnsatisfiable,
};
use crate::quantity::Bytes;

fn cache() -> Cache {
    Cache::new(Profile::of(LATEST), ScoringStrategy::default())
}

fn add_kind(cache: &mut Cache, template: Arc<PodTemplate>) -> KindId {
    cache.add_kind(template, &LabelSelector::default(), &SortedMap::new())
}

/// Small pods like others, but for `change`.
fn small(change: impl FnOnce(&mut PodSpec)) -> Arc<PodTemplate> {
    let mut template = template(resources(1000, 1), 0);
    change(&mut Arc::make_mut(&mut template).spec);
    template
}

/// The plugins whose rejection of such a pod may end when a node changes or, without `before`, joins.
fn helped(template: &Arc<PodTemplate>, before: Option<&Node>, after: &Node) -> PluginSet {
    let mut cache = cache();
    let kind = add_kind(&mut cache, template.clone());
    let id = NodeId(0);
    if let Some(before) = before {
        cache.set_node(id, before);
    }
    let change = cache.set_node(id, after);
    let new = cache.node(id).expect("it was just set");
    let event = match &change {
        NodeChange::Nothing => panic!("nothing has changed"),
        NodeChange::Added => ClusterEvent::NodeAdded(new),
        NodeChange::Updated(old) => ClusterEvent::NodeUpdated { old, new },
    };
    let pod = PodRef {
        id: PodId(0),
        kind,
        only_node: None,
    };
    helps(&cache, pod, event)
}

fn labelled(mut node: Node, key: &str, value: Option<&str>) -> Node {
    let labels = Arc::make_mut(&mut node.labels);
    match value {
        Some(value) => drop(labels.insert(key.to_owned(), value.to_owned())),
        None => drop(labels.remove(key)),
    }
    node
}

fn of_size(cpu: i64) -> Node {
    node(0, resources(cpu, 16), vec![])
}

// noderesources/fit.go `isSchedulableAfterNodeChange`
#[test]
fn a_node_that_grows_helps_if_the_pod_then_fits() {
    let helped = |before, after: Node| helped(&small(|_| {}), Some(&of_size(before)), &after);
    let fit = Plugin::NodeResourcesFit;
    assert!(helped(500, of_size(2000)).has(fit));
    assert!(!helped(500, of_size(800)).has(fit), "still too small");
    let unlike = labelled(of_size(2000), "team", Some("blue"));
    assert!(!helped(2000, unlike).has(fit), "it has not grown");
}

// podtopologyspread/plugin.go `isSchedulableAfterNodeChange`
#[test]
fn a_label_helps_pods_that_spread_by_it_and_no_other_does() {
    let spread = SpreadConstraint {
        max_skew: 1,
        topology_key: ZONE.to_owned(),
        when_unsatisfiable: WhenUnsatisfiable::DoNotSchedule,
        selector: Some(LabelSelector::default()),
        min_domains: None,
        honor_node_affinity: true,
        honor_node_taints: false,
        match_label_keys: Vec::new(),
    };
    let template = small(|spec| spec.topology_spread.push(spread));
    let helps = |key, value| {
        let after = labelled(of_size(2000), key, value);
        helped(&template, Some(&of_size(2000)), &after).has(Plugin::PodTopologySpread)
    };
    assert!(helps(ZONE, Some("b")) && helps(ZONE, None));
    assert!(!helps("team", Some("blue")));
}

// interpodaffinity/plugin.go `isSchedulableAfterNodeChange`
#[test]
fn a_new_node_helps_affinity_if_it_has_the_label_and_anti_affinity_anyway() {
    let term = || PodAffinityTerm {
        selector: Some(LabelSelector::default()),
        namespaces: Vec::new(),
        namespace_selector: None,
        topology_key: ZONE.to_owned(),
        match_label_keys: Vec::new(),
        mismatch_label_keys: Vec::new(),
    };
    let close = small(|spec| spec.affinity.pod_required.push(term()));
    let apart = small(|spec| spec.affinity.anti_required.push(term()));
    let plain = small(|_| {});
    let zoned = of_size(2000);
    let bare = labelled(of_size(2000), ZONE, None);
    let helps = |template, node| helped(template, None, node).has(Plugin::InterPodAffinity);
    assert!(helps(&close, &zoned) && !helps(&close, &bare));
    assert!(helps(&apart, &zoned) && helps(&apart, &bare));
    assert!(!helps(&plain, &zoned));
}

fn placed(id: u32, kind: KindId) -> PlacedPod {
    PlacedPod {
        id: PodId(id),
        kind,
        terminating: false,
        preempted: false,
        started: None,
    }
}

// A tenth of the nodes, at least a hundred
// (kubernetes 1.35 pkg/scheduler/framework/plugins/defaultpreemption/default_preemption.go `calculateNumCandidates`).
#[test]
fn preemption_chooses_among_a_tenth_of_the_nodes() {
    let candidates = |nodes: u32| {
        let mut cache = cache();
        let victim = add_kind(&mut cache, template(resources(1000, 1), -10));
        let kind = add_kind(&mut cache, small(|_| {}));
        for at in 0..nodes {
            cache.set_node(NodeId(at), &node(at as usize, resources(1500, 16), vec![]));
            cache.add_pod(placed(at, victim), NodeId(at));
        }
        let pod = PodRef {
            id: PodId(nodes),
            kind,
            only_node: None,
        };
        let mut sampling = Sampling {
            percentage: 0,
            next_start: 0,
        };
        let found = find_nodes_that_fit(&cache, pod, None, &mut sampling);
        let potential = potential_nodes(&cache, &found.diagnosis);
        dry_run(&cache, pod, &found.state, &potential, &[], 0).0.len()
    };
    assert_eq!([50, 150, 1200].map(candidates), [50, 100, 120]);
}

// Priorities are added up from the least that there is, so that two negative ones are more than one, and two of the
// least no less (pkg/scheduler/framework/preemption/preemption.go `pickOneNodeForPreemption`).
#[test]
fn two_victims_of_negative_priority_weigh_more_than_one() {
    for priority in [-10, i32::MIN] {
        let mut cache = cache();
        let kind = add_kind(&mut cache, template(resources(100, 1), priority));
        let candidate = |node: u32, victims: u32| Candidate {
            node: NodeId(node),
            victims: (0..victims).map(|at| placed(10 * node + at, kind)).collect(),
            pdb_violations: 0,
        };
        let (two, one) = (candidate(0, 2), candidate(1, 1));
        assert_eq!(best_candidates(&cache, &[two, one.clone()]), [&one], "{priority}");
    }
}

// noderesources/most_allocated.go `mostRequestedScore`
#[test]
fn a_full_node_scores_most_where_nodes_are_filled_up() {
    assert_eq!(most_requested_score(1500, 3000), 50);
    assert_eq!(most_requested_score(3000, 3000), 100);
    assert_eq!(
        most_requested_score(4000, 3000),
        100,
        "pods without requests count too"
    );
    assert_eq!(most_requested_score(100, 0), 0);
}

/// A pod with requests of its own counts as another when it is there already: what something in it names as 0 is 0.
#[test]
fn pod_level_requests_leave_missing_what_nothing_names() {
    let counted = |names_cpu: bool| {
        let mut cache = cache();
        let kind = add_kind(
            &mut cache,
            small(|spec| {
                let container = &mut spec.containers[0];
                container.requests = resources(0, 0);
                (container.requests_cpu, container.requests_memory) = (names_cpu, false);
                spec.pod_level.memory = Some(Bytes(1 << 30));
            }),
        );
        let info = cache.kind(kind);
        (info.non_zero_cpu, info.non_zero_memory >> 20, info.scored)
    };
    assert_eq!(counted(true), (0, 1024, [0, 200 << 20]));
    assert_eq!(counted(false), (100, 1024, [100, 200 << 20]));
}
