//! Scores: which of the nodes that can take a pod should.

mod image;
mod inter_pod;
mod resources;
mod spread;

pub use resources::{balanced_resource_scorer, least_requested_score, most_requested_score};

use super::cache::Cache;
use super::node_info::{NodeInfo, PodRef};
use super::plugin::Plugin;
use super::pod_info::PodInfo;
use crate::api::TaintEffect;

/// The best score of a plugin.
pub const MAX_NODE_SCORE: i64 = 100;

/// The scores of the feasible nodes, in the order in which these were given.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scores {
    /// By plugin that did not skip: 0 to 100 a node, not weighted.
    pub plugins: Vec<(Plugin, Vec<i64>)>,
    /// The weighted sums.
    pub totals: Vec<i64>,
}

/// Scores nodes for a pod (kubernetes 1.35 pkg/scheduler/schedule_one.go `prioritizeNodes`,
/// pkg/scheduler/framework/runtime/framework.go `RunScorePlugins`).
#[must_use]
pub fn prioritize_nodes(cache: &Cache, pod: PodRef, nodes: &[&NodeInfo]) -> Scores {
    let info = cache.kind(pod.kind);
    let mut scores = Scores {
        plugins: Vec::with_capacity(8),
        totals: vec![0; nodes.len()],
    };
    let mut add = |plugin: Plugin, by_node: Vec<i64>| {
        for (total, score) in scores.totals.iter_mut().zip(&by_node) {
            *total += plugin.weight() * score;
        }
        scores.plugins.push((plugin, by_node));
    };
    add(Plugin::TaintToleration, taint_toleration(info, nodes));
    if !info.template.spec.affinity.node_preferred.is_empty() {
        add(Plugin::NodeAffinity, node_affinity(info, nodes));
    }
    add(Plugin::NodeResourcesFit, resources::fit(cache, info, nodes));
    if let Some(by_node) = spread::score(cache, pod, nodes) {
        add(Plugin::PodTopologySpread, by_node);
    }
    if let Some(by_node) = inter_pod::score(cache, pod, nodes) {
        add(Plugin::InterPodAffinity, by_node);
    }
    if cache.profile.dynamic_resources {
        add(Plugin::DynamicResources, vec![0; nodes.len()]);
    }
    if !(cache.profile.best_effort_unbalanced && info.is_best_effort()) {
        add(
            Plugin::NodeResourcesBalancedAllocation,
            resources::balanced(cache, info, nodes),
        );
    }
    add(Plugin::ImageLocality, image::score(cache, info, nodes));
    scores
}

/// PreferNoSchedule taints, of which the fewest are best
/// (pkg/scheduler/framework/plugins/tainttoleration/taint_toleration.go `Score`).
fn taint_toleration(info: &PodInfo, nodes: &[&NodeInfo]) -> Vec<i64> {
    let spec = &info.template.spec;
    let intolerable = |node: &&NodeInfo| {
        let soft = node
            .taints
            .iter()
            .filter(|taint| taint.effect == TaintEffect::PreferNoSchedule);
        soft.filter(|taint| !spec.tolerates(taint)).count() as i64
    };
    let mut scores: Vec<i64> = nodes.iter().map(intolerable).collect();
    default_normalize_score(&mut scores, true);
    scores
}

/// Preferred node affinity (pkg/scheduler/framework/plugins/nodeaffinity/node_affinity.go `Score`).
fn node_affinity(info: &PodInfo, nodes: &[&NodeInfo]) -> Vec<i64> {
    let preferred = &info.template.spec.affinity.node_preferred;
    let weight = |node: &&NodeInfo| {
        let matching = preferred
            .iter()
            .filter(|preference| preference.term.matches(&node.name, &node.labels));
        matching.map(|preference| i64::from(preference.weight)).sum()
    };
    let mut scores: Vec<i64> = nodes.iter().map(weight).collect();
    default_normalize_score(&mut scores, false);
    scores
}

/// In proportion to the greatest (pkg/scheduler/framework/plugins/helper/normalize_score.go
/// `DefaultNormalizeScore`).
fn default_normalize_score(scores: &mut [i64], reverse: bool) {
    let max = scores.iter().copied().max().unwrap_or(0).max(0);
    for score in scores {
        let scaled = if max == 0 {
            *score
        } else {
            MAX_NODE_SCORE * *score / max
        };
        *score = if reverse { MAX_NODE_SCORE - scaled } else { scaled };
    }
}
