//! PodTopologySpread, soft constraints: the pod's own or the system defaults
//! (kubernetes 1.35 pkg/scheduler/framework/plugins/podtopologyspread/scoring.go).

use super::super::cache::Cache;
use super::super::filter::{count_pods, has_all_topologies, includes};
use super::super::node_info::{NodeInfo, PodRef};
use super::super::pod_info::Spread;
use super::MAX_NODE_SCORE;

/// A soft constraint with what was found for it.
struct Counted<'a> {
    spread: &'a Spread,
    weight: f64,
    /// Where its domains begin among all that are counted.
    first: usize,
}

/// False if there are no soft constraints.
pub(super) fn score(cache: &Cache, pod: PodRef, nodes: &[&NodeInfo], scores: &mut Vec<i64>) -> bool {
    let info = cache.kind(pod.kind);
    let constraints = &info.soft;
    if constraints.is_empty() {
        return false;
    }
    let ignored = |node: &NodeInfo| info.requires_all_topologies && !has_all_topologies(node, constraints);
    let scored = nodes.iter().filter(|node| !ignored(node));

    // Pods by domain; `None` for domains that no scored node is in. Single nodes are counted when their turn comes.
    let domains = |spread: &Spread| match spread.hostname {
        true => 0,
        false => cache.domains(spread.topology),
    };
    let mut known: Vec<Option<i64>> = vec![None; constraints.iter().map(domains).sum()];
    let mut first = 0;
    let mut count = |spread| {
        let own = &mut known[first..first + domains(spread)];
        let mut size = 0;
        if spread.hostname {
            size = scored.clone().count();
        } else {
            let mut some_have_none = false;
            for node in scored.clone() {
                match node.domain(spread.topology) {
                    Some(domain) => size += usize::from(own[domain].replace(0).is_none()),
                    None => some_have_none = true,
                }
            }
            size += usize::from(some_have_none);
        }
        let counted = Counted {
            spread,
            weight: libm::log((size + 2) as f64),
            first,
        };
        first += own.len();
        counted
    };
    let constraints: Vec<Counted<'_>> = constraints.iter().map(&mut count).collect();
    for node in cache.list().filter(|node| !ignored(node)) {
        for Counted { spread, first, .. } in &constraints {
            if !spread.hostname
                && let Some(domain) = node.domain(spread.topology)
                && let Some(count) = &mut known[first + domain]
                && includes(spread, info, pod, node)
            {
                *count += count_pods(node, spread);
            }
        }
    }

    let raw = |node: &&NodeInfo| {
        let mut score = 0.0;
        for Counted {
            spread,
            weight,
            first,
        } in &constraints
        {
            let Some(domain) = node.domain(spread.topology) else {
                continue;
            };
            let count = if spread.hostname {
                count_pods(node, spread)
            } else {
                known[first + domain].expect("the domain of a scored node is known")
            };
            score += count as f64 * weight + (spread.max_skew - 1) as f64;
        }
        libm::round(score) as i64
    };
    let begin = scores.len();
    scores.extend(
        nodes
            .iter()
            .map(|node| if ignored(node) { IGNORED } else { raw(node) }),
    );
    normalize(&mut scores[begin..]);
    true
}

/// In place of the score of a node that lacks a topology: no score is negative.
const IGNORED: i64 = -1;

/// The fewer the better; ignored nodes get nothing (`NormalizeScore`).
fn normalize(scores: &mut [i64]) {
    let counted = scores.iter().copied().filter(|score| *score != IGNORED);
    let max = counted.clone().max().unwrap_or(0).max(0);
    let min = counted.min().unwrap_or(0).max(0);
    for score in scores {
        *score = match *score {
            IGNORED => 0,
            _ if max == 0 => MAX_NODE_SCORE,
            score => MAX_NODE_SCORE * (max + min - score) / max,
        };
    }
}
