//! How the pods of a DaemonSet are replaced after its template has changed: which of them go, and which nodes are given
//! a new one beside the old one.
//!
//! Without surge an old pod goes first, and its node is given another when it has gone. With surge the new pod comes
//! first, and the old one goes when the new one is available. Which nodes are first is upstream's map's chance; here
//! it is the oldest.

use super::daemon_set::node_should_run;
use crate::api::{DaemonSet, Node, RollingUpdateDaemonSet};
use crate::id::{NodeId, PodId};

/// A pod that is not being deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DaemonPod {
    /// Which.
    pub id: PodId,
    /// Made of the template as it is now.
    pub is_new: bool,
    /// Ready.
    pub is_ready: bool,
    /// Ready for spec.minReadySeconds.
    pub is_available: bool,
}

/// A node that should run a DaemonSet's pod, or has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DaemonNode {
    /// Which.
    pub id: NodeId,
    /// A pod would be made for it.
    pub should_run: bool,
    /// The DaemonSet's pods of this node, those on the node before those that wait for it, the oldest first.
    pub pods: Vec<DaemonPod>,
}

/// What a controller does next.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Step {
    /// Pods to delete.
    pub delete: Vec<PodId>,
    /// Nodes to make a pod for.
    pub create: Vec<NodeId>,
}

/// Whether a node may have a new pod beside an old one
/// (kubernetes 1.35 pkg/controller/daemon/util/daemonset_util.go `AllowsSurge`).
#[must_use]
pub fn allows_surge(set: &DaemonSet) -> bool {
    set.rolling
        .is_some_and(|rolling| rolling.max_surge.rounded_up(1) > 0)
}

/// Whether a DaemonSet's pod would be made for a node, were there none.
#[must_use]
pub fn wants_pod(set: &DaemonSet, node: &Node) -> bool {
    node.deleting.is_none() && node_should_run(&set.template, node)
}

/// The pods that are too many on a node that may keep one
/// (kubernetes 1.35 pkg/controller/daemon/daemon_controller.go `podsShouldBeOnNode`).
#[must_use]
pub fn excess(pods: &[DaemonPod], surges: bool) -> Vec<PodId> {
    if !surges {
        return pods.iter().skip(1).map(|pod| pod.id).collect();
    }
    let first = |is_new| pods.iter().find(|pod| pod.is_new == is_new);
    let (new, old) = (first(true), first(false));
    let kept = [new, old].map(|pod| pod.map(|pod| pod.id));
    let others = pods.iter().map(|pod| pod.id);
    let mut going: Vec<PodId> = others.filter(|pod| !kept.contains(&Some(*pod))).collect();
    if let (Some(new), Some(old)) = (new, old)
        && (!old.is_ready || new.is_available)
    {
        going.push(old.id);
    }
    going
}

/// The next step of a rollout
/// (kubernetes 1.35 pkg/controller/daemon/update.go `rollingUpdate`, `updatedDesiredNodeCounts`).
#[must_use]
pub fn rolling_update(nodes: &[DaemonNode], rolling: RollingUpdateDaemonSet) -> Step {
    let desired = nodes.iter().filter(|node| node.should_run).count();
    let of_desired = i32::try_from(desired).unwrap_or(i32::MAX);
    let share = |share: crate::api::IntOrPercent| usize::try_from(share.rounded_up(of_desired)).unwrap_or(0);
    match (share(rolling.max_surge), share(rolling.max_unavailable)) {
        (0, most) => replace(nodes, most.max(1)),
        (most, _) => surge(nodes, most, desired),
    }
}

/// The old and the new pod of a node; `None` if it has several of a kind (`findUpdatedPodsOnNode`).
fn old_and_new(pods: &[DaemonPod]) -> Option<[Option<&DaemonPod>; 2]> {
    let mut found = [None, None];
    for pod in pods {
        if found[usize::from(pod.is_new)].replace(pod).is_some() {
            return None;
        }
    }
    Some(found)
}

/// Old pods go, so many at once that `most` nodes at most lack an available one.
fn replace(nodes: &[DaemonNode], most: usize) -> Step {
    let (mut unavailable, mut delete, mut candidates) = (0_usize, Vec::new(), Vec::new());
    for node in nodes {
        match old_and_new(&node.pods) {
            Some([None, Some(new)]) => unavailable += usize::from(!new.is_available),
            Some([Some(old), None]) if old.is_available => candidates.push(old.id),
            Some([Some(old), None]) => {
                delete.push(old.id);
                unavailable += 1;
            }
            _ => unavailable += 1,
        }
    }
    candidates.truncate(most.saturating_sub(unavailable));
    delete.append(&mut candidates);
    Step {
        delete,
        create: Vec::new(),
    }
}

/// New pods come beside available old ones, `most` at once; beside those that are not available in any case. From
/// nodes that should have no pod any more an available one goes when there are enough without it.
fn surge(nodes: &[DaemonNode], most: usize, desired: usize) -> Step {
    let mut step = Step::default();
    let (mut surging, mut available) = (0_usize, 0_usize);
    let (mut candidates, mut unwanted) = (Vec::new(), Vec::new());
    for node in nodes {
        let Some([old, new]) = old_and_new(&node.pods) else {
            surging += 1;
            continue;
        };
        available += usize::from(old.or(new).is_some_and(|pod| pod.is_available));
        match (old, new) {
            (None, _) => {}
            (Some(old), None) => match (old.is_available, node.should_run) {
                (false, false) => step.delete.push(old.id),
                (false, true) => step.create.push(node.id),
                (true, false) => unwanted.push(old.id),
                (true, true) => candidates.push(node.id),
            },
            (Some(old), Some(new)) if new.is_available => step.delete.push(old.id),
            (Some(_), Some(_)) => surging += 1,
        }
    }
    unwanted.truncate(available.saturating_sub(desired));
    step.delete.append(&mut unwanted);
    candidates.truncate(most.saturating_sub(surging));
    step.create.append(&mut candidates);
    step
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::IntOrPercent::{self, Int, Percent};

    /// Nodes from words: a letter a pod, `o` an old one, `n` a new one, large if available; `-` if the node should
    /// run none.
    fn nodes(words: &str) -> Vec<DaemonNode> {
        let mut id = 0..;
        let mut pod = |letter: char| DaemonPod {
            id: PodId(id.next().expect("there is always another")),
            is_new: letter.eq_ignore_ascii_case(&'n'),
            is_ready: letter.is_ascii_uppercase(),
            is_available: letter.is_ascii_uppercase(),
        };
        let mut node = |(at, word): (usize, &str)| DaemonNode {
            id: NodeId(at as u32),
            should_run: !word.contains('-'),
            pods: word
                .chars()
                .filter(|own| own.is_alphabetic())
                .map(&mut pod)
                .collect(),
        };
        words.split(' ').enumerate().map(&mut node).collect()
    }

    fn check(
        words: &str,
        max_surge: IntOrPercent,
        max_unavailable: IntOrPercent,
        delete: &[u32],
        create: &[u32],
    ) {
        let rolling = RollingUpdateDaemonSet {
            max_surge,
            max_unavailable,
        };
        let step = rolling_update(&nodes(words), rolling);
        let numbers = (
            step.delete.iter().map(|pod| pod.0).collect::<Vec<_>>(),
            step.create.iter().map(|node| node.0).collect::<Vec<_>>(),
        );
        assert_eq!(numbers, (delete.to_vec(), create.to_vec()), "{words}");
    }

    // (kubernetes 1.35 pkg/controller/daemon/update_test.go `TestDaemonSetUpdatesPods`,
    // `TestDaemonSetUpdatesPodsWithMaxSurge` and the like)
    #[test]
    fn old_pods_go_first_without_surge() {
        check("O O O", Int(0), Int(1), &[0], &[]);
        check("O O O", Int(0), Int(2), &[0, 1], &[]);
        check("O O O", Int(0), Percent(34), &[0, 1], &[]);
        check("n O O", Int(0), Int(1), &[], &[]);
        check("N O O", Int(0), Int(1), &[1], &[]);
        // What is not available goes in any case, and counts.
        check("o O O", Int(0), Int(1), &[0], &[]);
        check("o o O", Int(0), Int(1), &[0, 1], &[]);
        // A node whose pod is on its way out, or not made yet.
        check(". O O", Int(0), Int(1), &[], &[]);
        check("OO O O", Int(0), Int(2), &[2], &[]);
        // Neither is asked for: one at a time.
        check("O O", Int(0), Int(0), &[0], &[]);
    }

    #[test]
    fn new_pods_come_first_with_surge() {
        check("O O O", Int(1), Int(0), &[], &[0]);
        check("O O O", Percent(50), Int(0), &[], &[0, 1]);
        check("On O O", Int(1), Int(0), &[], &[]);
        check("ON O O", Int(1), Int(0), &[0], &[1]);
        check("N O o", Int(1), Int(0), &[], &[2, 1]);
        check("N . O", Int(1), Int(0), &[], &[2]);
        check("NN O O", Int(1), Int(0), &[], &[]);
    }

    #[test]
    fn nodes_that_should_run_none_any_more_are_cleared_when_others_serve() {
        check("O- N", Int(1), Int(0), &[0], &[]);
        check("O- n", Int(1), Int(0), &[], &[]);
        check("o- n", Int(1), Int(0), &[0], &[]);
    }

    // (kubernetes 1.35 pkg/controller/daemon/daemon_controller_test.go `TestSurgeDealsWithExistingPods`,
    // `TestSurgePreservesReadyOldPods` and the like)
    #[test]
    fn a_node_keeps_an_old_pod_beside_a_new_one_until_that_serves() {
        let going = |word: &str, surges| {
            let pods = nodes(word).remove(0).pods;
            let going = excess(&pods, surges);
            going.iter().map(|pod| pod.0.to_string()).collect::<String>()
        };
        assert_eq!(going("On", true), "");
        assert_eq!(going("ON", true), "0");
        assert_eq!(going("on", true), "0");
        assert_eq!(going("OOn", true), "1");
        assert_eq!(going("NN", true), "1");
        assert_eq!(going("ON", false), "1");
        assert_eq!(going("O", false), "");
    }
}
