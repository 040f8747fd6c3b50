//! NodeResourcesFit and NodeResourcesBalancedAllocation, over CPU and memory
//! (kubernetes 1.35 pkg/scheduler/framework/plugins/noderesources).

use super::super::ScoringStrategy;
use super::super::cache::Cache;
use super::super::node_info::NodeInfo;
use super::super::pod_info::PodInfo;
use super::MAX_NODE_SCORE;

/// CPU in thousandths, memory in bytes.
type Amounts = [i64; 2];

/// LeastAllocated or MostAllocated: containers without a request count as if they had one, of the pod and of
/// those already there.
pub(super) fn fit(cache: &Cache, info: &PodInfo, nodes: &[&NodeInfo], scores: &mut Vec<i64>) {
    let scorer = match cache.scoring_strategy {
        ScoringStrategy::LeastAllocated => least_requested_score,
        ScoringStrategy::MostAllocated => most_requested_score,
    };
    let score = |node: &&NodeInfo| {
        let requested = [
            node.non_zero_cpu + info.scored[0],
            node.non_zero_memory + info.scored[1],
        ];
        let (mut sum, mut resources) = (0, 0);
        for (requested, allocatable) in requested.into_iter().zip(allocatable(node)) {
            if allocatable != 0 {
                sum += scorer(requested, allocatable);
                resources += 1;
            }
        }
        if resources == 0 { 0 } else { sum / resources }
    };
    scores.extend(nodes.iter().map(score));
}

/// How much stays free, in per cent (least_allocated.go `leastRequestedScore`).
#[must_use]
pub fn least_requested_score(requested: i64, allocatable: i64) -> i64 {
    if allocatable == 0 || requested > allocatable {
        0
    } else {
        (allocatable - requested) * MAX_NODE_SCORE / allocatable
    }
}

/// How much is taken, in per cent (most_allocated.go `mostRequestedScore`).
#[must_use]
pub fn most_requested_score(requested: i64, allocatable: i64) -> i64 {
    if allocatable == 0 {
        0
    } else {
        requested.min(allocatable) * MAX_NODE_SCORE / allocatable
    }
}

/// How evenly CPU and memory would be used, of real requests; from 1.36 on, half-way between "as before" and
/// how the pod changes it.
pub(super) fn balanced(cache: &Cache, info: &PodInfo, nodes: &[&NodeInfo], scores: &mut Vec<i64>) {
    let score = |node: &&NodeInfo| {
        let (taken, has) = (&node.requested, allocatable(node));
        let before = [taken.cpu.0, taken.memory.0];
        let after = [
            before[0] + info.requests.cpu.0,
            before[1] + info.requests.memory.0,
        ];
        let with_pod = balanced_resource_scorer(after, has);
        if cache.profile.balance_delta {
            let change = with_pod - balanced_resource_scorer(before, has);
            50 + (50 + change) / 2
        } else {
            with_pod
        }
    };
    scores.extend(nodes.iter().map(score));
}

/// 100 less the standard deviation of the used fractions, in per cent (balanced_allocation.go
/// `balancedResourceScorer`). A resource that the node does not have does not count.
#[must_use]
pub fn balanced_resource_scorer(requested: Amounts, allocatable: Amounts) -> i64 {
    let fraction = |i: usize| (requested[i] as f64 / allocatable[i] as f64).min(1.0);
    let deviation = if allocatable.contains(&0) {
        0.0
    } else {
        ((fraction(0) - fraction(1)) / 2.0).abs()
    };
    ((1.0 - deviation) * MAX_NODE_SCORE as f64) as i64
}

fn allocatable(node: &NodeInfo) -> Amounts {
    [node.allocatable.cpu.0, node.allocatable.memory.0]
}
