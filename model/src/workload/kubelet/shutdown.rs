//! Graceful node shutdown: what a kubelet does when its machine is told to go down
//! (kubernetes 1.35 pkg/kubelet/nodeshutdown/nodeshutdown_manager.go `killPods`).
//!
//! Pods are killed in two groups, critical ones when the others have ended. A group's period bounds what its pods'
//! own grace allows. Their phase is a terminal one afterwards, so that their controllers replace them; the objects stay.
//! No other pod is admitted. Left out: the end of a group's patience for pods that outlive their grace.

use std::time::Duration;

use sim::{Instant, SortedSet};

use super::{Kubelets, Out, Output, View};
use crate::api::{Deletion, Pod};
use crate::id::{NodeId, PodId};

/// Pods of this priority and above are critical
/// (kubernetes 1.35 pkg/apis/scheduling/types.go `SystemCriticalPriority`).
const CRITICAL: i32 = 2_000_000_000;

/// For how long pods may go on that are not critical, and critical ones: all but the last 30 of 150 seconds, in EKS's
/// images of Amazon Linux 2023 for 1.34 and later (amazon-eks-ami v20250920 nodeadm/internal/kubelet/config.go
/// `withVersionToggles`).
const PERIODS: [Duration; 2] = [Duration::from_secs(120), Duration::from_secs(30)];

/// A shutdown under way.
#[derive(Debug, Default)]
pub(super) struct Shutdown {
    /// The pods whose end is waited for.
    waiting: SortedSet<PodId>,
    /// The critical ones, whose turn comes then.
    critical: Vec<PodId>,
}

impl Kubelets {
    /// The machine is told to go down.
    pub(super) fn shut_down(&mut self, now: Instant, id: NodeId, view: View<'_>, out: &mut Out) {
        let Some(node) = self.nodes.get_mut(&id) else {
            return out.emit(Output::NodeStopped(id));
        };
        let priority = |pod: PodId| view.api.pods.get(pod).map_or(0, |pod| pod.spec().priority);
        let ended = |pod: PodId| view.api.pods.get(pod).is_none_or(Pod::is_terminal);
        let bound = view.api.pods_on(id).iter().copied();
        let (critical, others): (Vec<PodId>, Vec<PodId>) = bound
            .filter(|pod| self.pods.get(*pod).is_some() && !ended(*pod))
            .partition(|pod| priority(*pod) >= CRITICAL);
        node.shutdown = Some(Shutdown {
            waiting: others.iter().copied().collect(),
            critical,
        });
        for pod in others {
            self.kill(now, pod, PERIODS[0], view, out);
        }
        self.go_on(now, id, view, out);
    }

    fn kill(&mut self, now: Instant, pod: PodId, period: Duration, view: View<'_>, out: &mut Out) {
        let own = view.api.pods.get(pod).map(|pod| pod.spec().termination_grace);
        let grace = own.map_or(period, |own| own.min(period));
        self.stop(now, pod, Deletion { at: now, grace }, view, out);
    }

    /// A pod of a node that goes down has ended.
    pub(super) fn ended(&mut self, now: Instant, pod: PodId, node: NodeId, view: View<'_>, out: &mut Out) {
        let shutdown = self.nodes.get_mut(&node).and_then(|node| node.shutdown.as_mut());
        if shutdown.is_some_and(|own| own.waiting.remove(&pod)) {
            self.go_on(now, node, view, out);
        }
    }

    /// The next group's turn comes when the one before has ended.
    fn go_on(&mut self, now: Instant, id: NodeId, view: View<'_>, out: &mut Out) {
        let shutdown = self.nodes.get_mut(&id).and_then(|node| node.shutdown.as_mut());
        let Some(shutdown) = shutdown.filter(|own| own.waiting.is_empty()) else {
            return;
        };
        let critical = std::mem::take(&mut shutdown.critical);
        if critical.is_empty() {
            return out.emit(Output::NodeStopped(id));
        }
        shutdown.waiting.extend(critical.iter().copied());
        for pod in critical {
            self.kill(now, pod, PERIODS[1], view, out);
        }
    }
}
