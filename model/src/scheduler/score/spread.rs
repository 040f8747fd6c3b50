//! PodTopologySpread, soft constraints: the pod's own or the system defaults
//! (kubernetes 1.35 pkg/scheduler/framework/plugins/podtopologyspread/scoring.go).

use super::super::cache::Cache;
use super::super::filter::{count_pods, has_all_topologies, includes};
use super::super::node_info::{NodeInfo, PodRef};
use super::MAX_NODE_SCORE;

/// `None` if there are no soft constraints.
pub(super) fn score(cache: &Cache, pod: PodRef, nodes: &[&NodeInfo]) -> Option<Vec<i64>> {
    let info = cache.kind(pod.kind);
    let constraints = &info.soft;
    if constraints.is_empty() {
        return None;
    }
    let ignored = |node: &NodeInfo| info.requires_all_topologies && !has_all_topologies(node, constraints);
    let scored = nodes.iter().filter(|node| !ignored(node));

    // By constraint and domain: pods counted; `None` for domains that no scored node is in. Single nodes are
    // counted when their turn comes.
    let mut counts: Vec<Vec<Option<i64>>> = Vec::with_capacity(constraints.len());
    let mut weights: Vec<f64> = Vec::with_capacity(constraints.len());
    for spread in constraints {
        let domains = if spread.hostname {
            0
        } else {
            cache.domains(spread.topology)
        };
        let mut known: Vec<Option<i64>> = vec![None; domains];
        let mut size = 0;
        if spread.hostname {
            size = scored.clone().count();
        } else {
            let mut some_have_none = false;
            for node in scored.clone() {
                match node.domain(spread.topology) {
                    Some(domain) => size += usize::from(known[domain].replace(0).is_none()),
                    None => some_have_none = true,
                }
            }
            size += usize::from(some_have_none);
        }
        counts.push(known);
        weights.push(libm::log((size + 2) as f64));
    }
    for node in cache.list().filter(|node| !ignored(node)) {
        for (spread, known) in constraints.iter().zip(&mut counts) {
            if !spread.hostname
                && let Some(domain) = node.domain(spread.topology)
                && let Some(count) = &mut known[domain]
                && includes(spread, info, pod, node)
            {
                *count += count_pods(node, spread);
            }
        }
    }

    let raw = |node: &&NodeInfo| {
        if ignored(node) {
            return None;
        }
        let mut score = 0.0;
        for ((spread, known), weight) in constraints.iter().zip(&counts).zip(&weights) {
            let Some(domain) = node.domain(spread.topology) else {
                continue;
            };
            let count = if spread.hostname {
                count_pods(node, spread)
            } else {
                known[domain].expect("the domain of a scored node is known")
            };
            score += count as f64 * weight + (spread.max_skew - 1) as f64;
        }
        Some(libm::round(score) as i64)
    };
    Some(normalize(&nodes.iter().map(raw).collect::<Vec<_>>()))
}

/// The fewer the better; ignored nodes get nothing (`NormalizeScore`).
fn normalize(raw: &[Option<i64>]) -> Vec<i64> {
    let max = raw.iter().flatten().copied().max().unwrap_or(0).max(0);
    let min = raw.iter().flatten().copied().min().unwrap_or(0);
    let scaled = |score: &Option<i64>| match score {
        None => 0,
        Some(_) if max == 0 => MAX_NODE_SCORE,
        Some(score) => MAX_NODE_SCORE * (max + min - score) / max,
    };
    raw.iter().map(scaled).collect()
}
