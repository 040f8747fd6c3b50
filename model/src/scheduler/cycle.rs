//! One scheduling cycle: find the nodes that fit, score them, select one
//! (kubernetes 1.35 pkg/scheduler/schedule_one.go `schedulePod`).

use std::ops::RangeInclusive;

use rand::RngExt;
use sim::Stream;

use super::cache::Cache;
use super::filter::{PreFilterState, run_filters_with_nominated_pods};
use super::node_info::{NodeInfo, PodRef};
use super::plugin::Plugin;
use super::score::{Scores, prioritize_nodes};
use super::status::{Diagnosis, Reason, Status};
use crate::id::NodeId;

/// Below this many nodes all are looked at.
const MIN_FEASIBLE_NODES_TO_FIND: usize = 100;
/// However large the cluster, this many per cent.
const PERCENTAGES: RangeInclusive<i64> = 5..=50;

/// Where the search for feasible nodes begins: a position in the node list that moves on with every search,
/// so that all nodes get their turn in a large cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sampling {
    /// percentageOfNodesToScore; 0 adapts to the number of nodes.
    pub percentage: i32,
    /// `nextStartNodeIndex`
    pub next_start: usize,
}

/// What a search found.
#[derive(Debug, Clone)]
pub struct Found {
    /// The nodes that fit, in the order in which they were found.
    pub feasible: Vec<NodeId>,
    /// Why the others do not.
    pub diagnosis: Diagnosis,
    /// What the filters counted, to go on asking.
    pub state: PreFilterState,
    /// How many nodes there were: some may be gone when the cycle is over.
    pub nodes: usize,
}

/// How many feasible nodes to find before the search ends (`numFeasibleNodesToFind`).
///
/// ```
/// use model::scheduler::cycle::num_feasible_nodes_to_find;
///
/// assert_eq!([99, 150, 250, 5000, 6000].map(|n| num_feasible_nodes_to_find(0, n)), [99, 100, 120, 500, 300]);
/// assert_eq!(num_feasible_nodes_to_find(100, 250), 250);
/// ```
#[must_use]
pub fn num_feasible_nodes_to_find(percentage: i32, nodes: usize) -> usize {
    if nodes < MIN_FEASIBLE_NODES_TO_FIND {
        return nodes;
    }
    let percentage = match percentage {
        0 => (PERCENTAGES.end() - nodes as i64 / 125).max(*PERCENTAGES.start()),
        fixed => i64::from(fixed),
    };
    let wanted = nodes * percentage as usize / 100;
    wanted.max(MIN_FEASIBLE_NODES_TO_FIND)
}

/// Finds the nodes that fit (`findNodesThatFitPod`). The pod's nominated node is tried first, alone.
#[must_use]
pub fn find_nodes_that_fit(
    cache: &Cache,
    pod: PodRef,
    nominated: Option<NodeId>,
    sampling: &mut Sampling,
) -> Found {
    let mut found = Found {
        feasible: Vec::with_capacity(cache.node_count()),
        diagnosis: Diagnosis::default(),
        state: PreFilterState::new(cache, pod),
        nodes: cache.node_count(),
    };
    let narrowed = narrow(cache, pod);
    if let Some(nodes) = &narrowed {
        if nodes.conflict {
            found.diagnosis.before_filters = Some(Reason::TermsConflict);
            found.diagnosis.absent = Some(Status::new(Plugin::NodeAffinity, true, Reason::TermsConflict));
            found.diagnosis.rejectors.insert(Plugin::NodeAffinity);
            return found;
        }
        if cache.profile.leaving_out_rejects {
            found.diagnosis.rejectors.insert(Plugin::NodeAffinity);
        }
    }
    if let Some(node) = nominated.and_then(|node| cache.node(node)) {
        match run_filters_with_nominated_pods(cache, pod, &found.state, node) {
            None => {
                found.feasible.push(node.id);
                return found;
            }
            Some(status) => found.diagnosis.reject(node.id, status),
        }
    }
    let all_nodes = cache.node_count();
    match narrowed {
        None => search(cache, pod, sampling, all_nodes, |i| cache.listed(i), &mut found),
        Some(named) => {
            let reason = Reason::Narrowed(Plugin::NodeAffinity);
            found.diagnosis.absent = Some(Status {
                plugin: None,
                unresolvable: true,
                reasons: Vec::from_iter(cache.profile.left_out_have_reason.then_some(reason)),
            });
            let nodes = named.nodes;
            search(
                cache,
                pod,
                sampling,
                nodes.len(),
                |i| nodes[i % nodes.len()],
                &mut found,
            );
        }
    }
    // The nominated node has been looked at twice: the later answer counts.
    if let [(first, _), others @ ..] = &*found.diagnosis.statuses
        && others.iter().any(|(node, _)| node == first)
    {
        found.diagnosis.statuses.remove(0);
    }
    let processed = found.feasible.len() + found.diagnosis.statuses.len();
    sampling.next_start = (sampling.next_start + processed) % all_nodes.max(1);
    found
}

struct Narrowed<'a> {
    nodes: Vec<&'a NodeInfo>,
    conflict: bool,
}

/// The nodes that required affinity names, if it names any: those of DaemonSet pods do
/// (pkg/scheduler/framework/plugins/nodeaffinity/node_affinity.go `PreFilter`).
fn narrow(cache: &Cache, pod: PodRef) -> Option<Narrowed<'_>> {
    if let Some(only) = pod.only_node {
        return Some(Narrowed {
            nodes: cache.node(only).into_iter().collect(),
            conflict: false,
        });
    }
    let names = cache.kind(pod.kind).names.as_ref()?;
    Some(Narrowed {
        nodes: cache.list().filter(|node| names.contains(&node.name)).collect(),
        conflict: names.is_empty(),
    })
}

/// Looks at nodes from the start position on until enough fit; the node that is one too many is the next
/// start (`findNodesThatPassFilters`).
fn search<'a>(
    cache: &Cache,
    pod: PodRef,
    sampling: &Sampling,
    nodes: usize,
    node_at: impl Fn(usize) -> &'a NodeInfo,
    found: &mut Found,
) {
    let wanted = num_feasible_nodes_to_find(sampling.percentage, nodes);
    for i in 0..nodes {
        let node = node_at(sampling.next_start + i);
        match run_filters_with_nominated_pods(cache, pod, &found.state, node) {
            None if found.feasible.len() == wanted => break,
            None => found.feasible.push(node.id),
            Some(status) => {
                // A nominated node that was tried before is refused once more.
                if found
                    .diagnosis
                    .statuses
                    .first()
                    .is_some_and(|(id, _)| *id == node.id)
                {
                    found.diagnosis.statuses.remove(0);
                }
                found.diagnosis.reject(node.id, status);
            }
        }
    }
}

/// Scores feasible nodes, of which there are at least two; one alone is not scored.
#[must_use]
pub fn score(cache: &Cache, pod: PodRef, feasible: &[NodeId]) -> Scores {
    let nodes: Vec<&NodeInfo> = feasible.iter().filter_map(|&id| cache.node(id)).collect();
    prioritize_nodes(cache, pod, &nodes)
}

/// The position of the winner among the totals.
///
/// Until 1.34 it is drawn from the best (kubernetes 1.31 pkg/scheduler/schedule_one.go
/// `selectHost`, reservoir sampling). From 1.35 on it is the root of a
/// binary heap over the list, so that the list decides among equals.
#[must_use]
pub fn select_host(cache: &Cache, totals: &[i64], stream: &mut Stream) -> usize {
    if cache.profile.heap_selection {
        return heap_root(totals);
    }
    let best = totals.iter().copied().max().expect("there is a node to select");
    let (mut selected, mut equals) = (0, 0);
    for (position, _) in totals.iter().enumerate().filter(|(_, total)| **total == best) {
        equals += 1;
        if equals == 1 || stream.random_range(0..equals) == 0 {
            selected = position;
        }
    }
    selected
}

/// The root after Go's `container/heap.Init` with the greatest total first: equals do not move.
#[must_use]
pub fn heap_root(totals: &[i64]) -> usize {
    let mut heap: Vec<usize> = (0..totals.len()).collect();
    let less = |a: usize, b: usize| totals[a] > totals[b];
    for start in (0..heap.len() / 2).rev() {
        let mut parent = start;
        loop {
            let left = 2 * parent + 1;
            if left >= heap.len() {
                break;
            }
            let right = left + 1;
            let child = if right < heap.len() && less(heap[right], heap[left]) {
                right
            } else {
                left
            };
            if !less(heap[child], heap[parent]) {
                break;
            }
            heap.swap(parent, child);
            parent = child;
        }
    }
    heap[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_decides_among_equals() {
        assert_eq!(heap_root(&[7]), 0);
        assert_eq!(heap_root(&[5, 5, 5]), 0);
        assert_eq!(heap_root(&[1, 5, 5]), 1);
        // Position 3 is below position 1, which yields to it before the root looks at its children.
        assert_eq!(heap_root(&[1, 2, 9, 9]), 3);
        assert_eq!(heap_root(&[1, 9, 9, 9]), 1);
    }
}
