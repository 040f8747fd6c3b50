//! Scores: which of the nodes that can take a pod should.

mod image;
mod inter_pod;
mod resources;
mod spread;

pub use resources::{balanced_resource_scorer, least_requested_score, most_requested_score};

use super::cache::Cache;
use super::node_info::{NodeInfo, PodRef};
use super::plugin::{Plugin, PluginSet};
use super::pod_info::PodInfo;
use crate::api::TaintEffect;

/// The best score of a plugin.
pub const MAX_NODE_SCORE: i64 = 100;

/// The scores of the feasible nodes, in the order in which these were given.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scores {
    /// Those that did not skip.
    plugins: PluginSet,
    /// One plugin's after the other's.
    by_plugin: Vec<i64>,
    /// The weighted sums.
    pub totals: Vec<i64>,
}

impl Scores {
    /// By plugin that did not skip, in the order of plugins: 0 to 100 a node, not weighted.
    pub fn plugins(&self) -> impl Iterator<Item = (Plugin, &[i64])> {
        let nodes = self.totals.len().max(1);
        self.plugins.iter().zip(self.by_plugin.chunks_exact(nodes))
    }

    /// Takes the scores that `plugin` has added, one a node.
    fn add(&mut self, plugin: Plugin) {
        self.plugins.insert(plugin);
        let own = &self.by_plugin[self.by_plugin.len() - self.totals.len()..];
        for (total, score) in self.totals.iter_mut().zip(own) {
            *total += plugin.weight() * score;
        }
    }
}

/// How many plugins score.
const PLUGINS: usize = 8;

/// Scores nodes for a pod (kubernetes 1.35 pkg/scheduler/schedule_one.go `prioritizeNodes`,
/// pkg/scheduler/framework/runtime/framework.go `RunScorePlugins`).
#[must_use]
pub fn prioritize_nodes(cache: &Cache, pod: PodRef, nodes: &[&NodeInfo]) -> Scores {
    let info = cache.kind(pod.kind);
    let mut scores = Scores {
        plugins: PluginSet::EMPTY,
        by_plugin: Vec::with_capacity(PLUGINS * nodes.len()),
        totals: vec![0; nodes.len()],
    };
    taint_toleration(info, nodes, &mut scores.by_plugin);
    scores.add(Plugin::TaintToleration);
    if !info.template.spec.affinity.node_preferred.is_empty() {
        node_affinity(info, nodes, &mut scores.by_plugin);
        scores.add(Plugin::NodeAffinity);
    }
    resources::fit(cache, info, nodes, &mut scores.by_plugin);
    scores.add(Plugin::NodeResourcesFit);
    if spread::score(cache, pod, nodes, &mut scores.by_plugin) {
        scores.add(Plugin::PodTopologySpread);
    }
    if inter_pod::score(cache, pod, nodes, &mut scores.by_plugin) {
        scores.add(Plugin::InterPodAffinity);
    }
    if cache.profile.dynamic_resources {
        scores.by_plugin.extend(nodes.iter().map(|_| 0));
        scores.add(Plugin::DynamicResources);
    }
    if !(cache.profile.best_effort_unbalanced && info.is_best_effort()) {
        resources::balanced(cache, info, nodes, &mut scores.by_plugin);
        scores.add(Plugin::NodeResourcesBalancedAllocation);
    }
    image::score(cache, info, nodes, &mut scores.by_plugin);
    scores.add(Plugin::ImageLocality);
    scores
}

/// PreferNoSchedule taints, of which the fewest are best
/// (pkg/scheduler/framework/plugins/tainttoleration/taint_toleration.go `Score`).
fn taint_toleration(info: &PodInfo, nodes: &[&NodeInfo], scores: &mut Vec<i64>) {
    let spec = &info.template.spec;
    let intolerable = |node: &&NodeInfo| {
        let soft = node
            .taints
            .iter()
            .filter(|taint| taint.effect == TaintEffect::PreferNoSchedule);
        soft.filter(|taint| !spec.tolerates(taint)).count() as i64
    };
    let first = scores.len();
    scores.extend(nodes.iter().map(intolerable));
    default_normalize_score(&mut scores[first..], true);
}

/// Preferred node affinity (pkg/scheduler/framework/plugins/nodeaffinity/node_affinity.go `Score`).
fn node_affinity(info: &PodInfo, nodes: &[&NodeInfo], scores: &mut Vec<i64>) {
    let preferred = &info.template.spec.affinity.node_preferred;
    let weight = |node: &&NodeInfo| {
        let matching = preferred
            .iter()
            .filter(|preference| preference.term.matches(&node.name, &node.labels));
        matching
            .map(|preference| i64::from(preference.weight))
            .sum::<i64>()
    };
    let first = scores.len();
    scores.extend(nodes.iter().map(weight));
    default_normalize_score(&mut scores[first..], false);
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
