//! ImageLocality: images that a node has already
//! (kubernetes 1.35 pkg/scheduler/framework/plugins/imagelocality/image_locality.go).

use super::super::cache::{Cache, ImageState};
use super::super::node_info::NodeInfo;
use super::super::pod_info::PodInfo;
use super::MAX_NODE_SCORE;

/// Less than this does not count.
const MIN_THRESHOLD: i64 = 23 << 20;
/// More than this, for each container, does not count either.
const MAX_CONTAINER_THRESHOLD: i64 = 1000 << 20;

pub(super) fn score(cache: &Cache, info: &PodInfo, nodes: &[&NodeInfo], scores: &mut Vec<i64>) {
    let present: Vec<&ImageState> = info.images.iter().filter_map(|name| cache.image(name)).collect();
    if present.is_empty() {
        return scores.extend(nodes.iter().map(|_| 0));
    }
    let all_nodes = cache.node_count() as f64;
    let scaled = |image: &ImageState, node: &NodeInfo| {
        let counted = *image.nodes.get(&node.id)?;
        let count = if cache.profile.images_counted_early {
            counted
        } else {
            image.nodes.len()
        };
        Some((image.size.0 as f64 * (count as f64 / all_nodes)) as i64)
    };
    let sum = |node: &&NodeInfo| {
        let here = present.iter().filter_map(|image| scaled(image, node));
        calculate_priority(here.sum(), info.images.len() as i64)
    };
    scores.extend(nodes.iter().map(sum));
}

/// `calculatePriority`
fn calculate_priority(sum: i64, containers: i64) -> i64 {
    let max = MAX_CONTAINER_THRESHOLD * containers;
    MAX_NODE_SCORE * (sum.clamp(MIN_THRESHOLD, max) - MIN_THRESHOLD) / (max - MIN_THRESHOLD)
}
