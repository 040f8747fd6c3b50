//! InterPodAffinity, preferred terms, and others' required ones
//! (kubernetes 1.35 pkg/scheduler/framework/plugins/interpodaffinity/scoring.go).

use super::super::cache::Cache;
use super::super::node_info::{NodeInfo, PodRef};
use super::super::pod_info::{PodInfo, TopologyId};
use super::MAX_NODE_SCORE;

/// How much it counts that the pod meets another pod's required affinity (`hardPodAffinityWeight`).
const HARD_POD_AFFINITY_WEIGHT: i64 = 1;

/// False if no pod on a node with the right labels has anything to say.
pub(super) fn score(cache: &Cache, pod: PodRef, nodes: &[&NodeInfo], scores: &mut Vec<i64>) -> bool {
    let info = cache.kind(pod.kind);
    if info.preferred.is_empty() && !cache.kinds().iter().any(PodInfo::has_affinity) {
        return false;
    }
    let kinds = 0..cache.kinds().len();
    if kinds
        .clone()
        .all(|kind| opinions(cache, pod, info, kind).next().is_none())
    {
        return false;
    }
    let opinions: Vec<Vec<_>> = kinds
        .map(|kind| opinions(cache, pod, info, kind).collect())
        .collect();
    let mut topologies: Vec<(TopologyId, Vec<i64>)> = Vec::new();
    for node in cache.list() {
        for other in &node.pods {
            for &(topology, weight) in &opinions[other.kind.index()] {
                let Some(domain) = node.domain(topology) else {
                    continue;
                };
                let at = topologies
                    .iter()
                    .position(|(known, _)| *known == topology)
                    .unwrap_or_else(|| {
                        topologies.push((topology, vec![0; cache.domains(topology)]));
                        topologies.len() - 1
                    });
                topologies[at].1[domain] += weight;
            }
        }
    }
    if topologies.is_empty() {
        return false;
    }
    let raw = |node: &&NodeInfo| {
        let here = |(topology, sums): &(TopologyId, Vec<i64>)| {
            node.domain(*topology).map_or(0, |domain| sums[domain])
        };
        topologies.iter().map(here).sum::<i64>()
    };
    let first = scores.len();
    scores.extend(nodes.iter().map(raw));
    normalize(&mut scores[first..]);
    true
}

/// What a pod of that kind adds where it is (`processExistingPod`): the pod's preferences about it, and its own
/// about the pod.
fn opinions<'c>(
    cache: &'c Cache,
    pod: PodRef,
    info: &'c PodInfo,
    kind: usize,
) -> impl Iterator<Item = (TopologyId, i64)> + use<'c> {
    let other = &cache.kinds()[kind];
    let own = pod.kind.index();
    let about_it = info.preferred.iter().filter(move |(_, term)| term.finds[kind]);
    let about_us = other.preferred.iter().filter(move |(_, term)| term.matches[own]);
    let required = other.affinity.iter().filter(move |term| term.matches[own]);
    let required = required.map(|term| (term.topology, HARD_POD_AFFINITY_WEIGHT));
    let preferred = about_it
        .chain(about_us)
        .map(|(weight, term)| (term.topology, *weight));
    preferred.chain(required)
}

/// From the least to the greatest (`NormalizeScore`).
fn normalize(scores: &mut [i64]) {
    let max = scores.iter().copied().max().unwrap_or(0);
    let min = scores.iter().copied().min().unwrap_or(0);
    for score in scores {
        *score = if max > min {
            (MAX_NODE_SCORE as f64 * ((*score - min) as f64 / (max - min) as f64)) as i64
        } else {
            0
        };
    }
}
