//! Pods that wait, that serve, that are the service's neighbours: counted as they change.

use crate::api::{Api, Owner, Pod};
use crate::id::{ById, DeploymentId, PodId};

/// How many pods there are of each sort that the record shows. Whoever changes a pod says so.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// The Deployment whose pods serve.
    server: Option<DeploymentId>,
    /// Its namespace.
    namespace: String,
    /// What each pod was counted as.
    counted: ById<PodId, Sort>,
    /// Pods that have changed since.
    changed: Vec<PodId>,
    counts: PodCounts,
}

/// Numbers of pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct PodCounts {
    /// Without a node, of whatever workload.
    pub(super) pending: usize,
    /// Of the service, without a node.
    pub(super) waiting: usize,
    /// Of the service, Ready and not about to go.
    pub(super) ready: usize,
    /// In the service's namespace.
    pub(super) beside: usize,
}

/// What a pod counts as.
#[derive(Debug, Clone, Copy, Default)]
struct Sort {
    pending: bool,
    waiting: bool,
    ready: bool,
    beside: bool,
}

impl Tally {
    /// Says that a pod was made, changed or removed.
    pub(super) fn change(&mut self, pod: PodId) {
        self.changed.push(pod);
    }

    /// All pods as they are.
    pub(super) fn count(&mut self, api: &Api, server: Option<DeploymentId>) -> PodCounts {
        if self.server != server {
            self.server = server;
            let object = server.and_then(|id| api.deployments.get(id));
            self.namespace = object.map_or_else(String::new, |object| object.template.namespace.clone());
            self.changed.extend(api.pods.iter().map(|(id, _)| id));
        }
        for id in self.changed.drain(..) {
            let now = api.pods.get(id).map_or_else(Sort::default, |pod| {
                let (pending, serves) = (pod.node.is_none() && pod.is_active(), serves(pod, server));
                Sort {
                    pending,
                    waiting: serves && pending,
                    ready: serves && pod.is_ready() && pod.deletion.is_none(),
                    beside: pod.namespace() == self.namespace,
                }
            });
            let before = self.counted.insert(id, now).unwrap_or_default();
            let counts = &mut self.counts;
            for (count, before, now) in [
                (&mut counts.pending, before.pending, now.pending),
                (&mut counts.waiting, before.waiting, now.waiting),
                (&mut counts.ready, before.ready, now.ready),
                (&mut counts.beside, before.beside, now.beside),
            ] {
                *count = *count + usize::from(now) - usize::from(before);
            }
        }
        self.counts
    }
}

/// Whether a pod is of the Deployment that serves.
pub(super) fn serves(pod: &Pod, server: Option<DeploymentId>) -> bool {
    matches!(pod.owner, Owner::ReplicaSet(_, deployment) if Some(deployment) == server)
}
