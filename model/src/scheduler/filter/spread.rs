//! PodTopologySpread, hard constraints
//! (kubernetes 1.35 pkg/scheduler/framework/plugins/podtopologyspread/{filtering,common}.go).

use super::super::cache::Cache;
use super::super::node_info::{NodeInfo, PlacedPod, PodRef};
use super::super::plugin::Plugin;
use super::super::pod_info::{PodInfo, Spread};
use super::super::status::{Reason, Status};

/// How many pods each domain has, for each hard constraint of a pod (`preFilterState`).
#[derive(Debug, Clone)]
pub struct SpreadState {
    constraints: Vec<Counts>,
}

#[derive(Debug, Clone)]
struct Counts {
    /// By domain; `None` where no eligible node is.
    pods: Vec<Option<i64>>,
    /// The fewest of all domains, or 0 if there are fewer than minDomains.
    min: i64,
}

impl Counts {
    fn find_min(&mut self, min_domains: i64) {
        let domains = self.pods.iter().flatten();
        let enough = domains.clone().count() as i64 >= min_domains;
        self.min = domains.min().copied().filter(|_| enough).unwrap_or(0);
    }
}

/// Whether a node counts for a constraint (`matchNodeInclusionPolicies`).
pub(in crate::scheduler) fn includes(spread: &Spread, info: &PodInfo, pod: PodRef, node: &NodeInfo) -> bool {
    (!spread.honor_node_affinity || node.matches_required_affinity(info, pod.only_node))
        && (!spread.honor_node_taints || node.untolerated_taint(info).is_none())
}

/// Whether a node has the labels of all constraints.
pub(in crate::scheduler) fn has_all_topologies(node: &NodeInfo, constraints: &[Spread]) -> bool {
    constraints
        .iter()
        .all(|spread| node.domain(spread.topology).is_some())
}

/// The pods on a node that a constraint counts: of the namespace, matching, not terminating
/// (`countPodsMatchSelector`).
pub(in crate::scheduler) fn count_pods(node: &NodeInfo, spread: &Spread) -> i64 {
    if spread.counts_nobody() {
        return 0;
    }
    let counts = |pod: &&PlacedPod| !pod.terminating && spread.matches[pod.kind.index()];
    node.pods.iter().filter(counts).count() as i64
}

impl SpreadState {
    /// Counts on all nodes; `None` if the pod has no hard constraints (`calPreFilterState`).
    #[must_use]
    pub fn new(cache: &Cache, pod: PodRef) -> Option<Self> {
        let info = cache.kind(pod.kind);
        if info.hard.is_empty() {
            return None;
        }
        let counts = |spread: &Spread| Counts {
            pods: vec![None; cache.domains(spread.topology)],
            min: 0,
        };
        let mut constraints: Vec<Counts> = info.hard.iter().map(counts).collect();
        for node in cache.list().filter(|node| has_all_topologies(node, &info.hard)) {
            for (spread, counts) in info.hard.iter().zip(&mut constraints) {
                if includes(spread, info, pod, node) {
                    let domain = node.domain(spread.topology).expect("it has all topologies");
                    *counts.pods[domain].get_or_insert(0) += count_pods(node, spread);
                }
            }
        }
        for (spread, counts) in info.hard.iter().zip(&mut constraints) {
            counts.find_min(spread.min_domains);
        }
        Some(SpreadState { constraints })
    }

    /// A pod comes or goes (`updateWithPod`). Unlike the first count, this heeds neither whether the pod is
    /// terminating nor whether the selector is empty.
    pub(super) fn update(
        &mut self,
        cache: &Cache,
        pod: PodRef,
        other: &PlacedPod,
        node: &NodeInfo,
        delta: i64,
    ) {
        let info = cache.kind(pod.kind);
        if !has_all_topologies(node, &info.hard) {
            return;
        }
        for (spread, counts) in info.hard.iter().zip(&mut self.constraints) {
            if spread.matches[other.kind.index()] && includes(spread, info, pod, node) {
                let domain = node.domain(spread.topology).expect("it has all topologies");
                *counts.pods[domain].get_or_insert(0) += delta;
                counts.find_min(spread.min_domains);
            }
        }
    }

    /// `Filter`
    pub(super) fn filter(&self, info: &PodInfo, node: &NodeInfo) -> Option<Status> {
        for (spread, counts) in info.hard.iter().zip(&self.constraints) {
            let Some(domain) = node.domain(spread.topology) else {
                return Some(Status::new(Plugin::PodTopologySpread, true, Reason::SpreadLabel));
            };
            let own = i64::from(spread.matches_labels(&info.template.labels));
            let skew = counts.pods[domain].unwrap_or(0) + own - counts.min;
            if skew > spread.max_skew {
                return Some(Status::new(
                    Plugin::PodTopologySpread,
                    false,
                    Reason::SpreadConstraint,
                ));
            }
        }
        None
    }
}
