//! Writes to the API server: each changes an object and puts its notice on the agenda.

use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use sim::Instant;

use super::event::Event;
use super::notice::{NodeChange, Notice};
use super::Cluster;
use crate::api::{Condition, Deletion, Owner, Phase, Pod, PodTemplate, ReplicaSet, Restarts};
use crate::id::{DaemonSetId, DeploymentId, NodeId, PodId, ReplicaSetId};

impl Cluster {
    /// Tells the watchers, after the watch delay.
    pub(super) fn notify(&mut self, notice: Notice) {
        self.agenda.after(self.config.watch_delay, Event::Watch(notice));
    }

    pub(super) fn create_replica_set(&mut self, now: Instant, deployment: DeploymentId, replicas: i32) {
        let Some(object) = self.api.deployments.get(deployment) else { return };
        let revision = self.api.replica_sets_of(deployment).count() + 1;
        let set = ReplicaSet {
            name: format!("{}-{revision}", object.name),
            deployment,
            replicas,
            desired: object.replicas,
            template: object.template.clone(),
            created: now,
        };
        let id = self.api.replica_sets.insert(set);
        self.notify(Notice::ReplicaSet(id));
    }

    pub(super) fn scale_replica_set(&mut self, id: ReplicaSetId, replicas: i32, desired: i32) {
        let Some(set) = self.api.replica_sets.get_mut(id) else { return };
        set.replicas = replicas;
        set.desired = desired;
        self.notify(Notice::ReplicaSet(id));
    }

    pub(super) fn create_replica(&mut self, now: Instant, id: ReplicaSetId) {
        let Some(set) = self.api.replica_sets.get(id) else { return };
        let (owner, template) = (Owner::ReplicaSet(id, set.deployment), set.template.clone());
        let name = set.name.clone();
        self.create_pod(now, &name, owner, template, None);
    }

    pub(super) fn create_daemon_pod(&mut self, now: Instant, id: DaemonSetId, node: NodeId) {
        let Some(set) = self.api.daemon_sets.get(id) else { return };
        let (name, template) = (set.name.clone(), set.template.clone());
        self.create_pod(now, &name, Owner::DaemonSet(id), template, Some(node));
    }

    /// Makes a pod; its name has a number where the real one has random letters.
    fn create_pod(
        &mut self,
        now: Instant,
        prefix: &str,
        owner: Owner,
        template: Arc<PodTemplate>,
        only_node: Option<NodeId>,
    ) -> PodId {
        let number = self.api.pods.next_id().0;
        let pod = Pod {
            name: format!("{prefix}-{number}"),
            uid: self.uids.random(),
            template,
            owner,
            created: now,
            deletion: None,
            node: None,
            only_node,
            nominated_node: None,
            phase: Phase::Pending,
            ready: None,
            unschedulable: false,
            started: None,
            restarts: Restarts::default(),
        };
        let id = self.api.add_pod(pod);
        self.notify(Notice::PodCreated(id));
        id
    }

    pub(super) fn bind_pod(&mut self, id: PodId, node: NodeId) {
        let alive = self.api.pods.get(id).is_some_and(|pod| pod.node.is_none() && pod.deletion.is_none());
        if alive && self.api.nodes.get(node).is_some() {
            self.api.bind_pod(id, node);
            self.notify(Notice::PodBound(id));
        }
    }

    /// Deletes a pod: gracefully if a kubelet has it, at once otherwise
    /// (kubernetes 1.35 pkg/registry/core/pod/strategy.go `CheckGracefulDelete`).
    pub(super) fn delete_pod(&mut self, now: Instant, id: PodId, grace: Option<Duration>) {
        let Some(pod) = self.api.pods.get_mut(id) else { return };
        if pod.deletion.is_some() {
            return;
        }
        let grace = grace.unwrap_or(pod.spec().termination_grace);
        if pod.node.is_none() || pod.is_terminal() {
            self.remove_pod(id);
        } else {
            pod.deletion = Some(Deletion { at: now, grace });
            self.notify(Notice::PodDeleting(id));
        }
    }

    pub(super) fn remove_pod(&mut self, id: PodId) {
        if let Some(pod) = self.api.remove_pod(id) {
            let freed = pod.node.filter(|_| !pod.is_terminal());
            self.notify(Notice::PodGone { pod: id, freed, owner: pod.owner });
        }
    }

    pub(super) fn set_pod_running(&mut self, now: Instant, id: PodId) {
        if let Some(pod) = self.api.pods.get_mut(id) {
            pod.phase = Phase::Running;
            pod.started.get_or_insert(now);
            pod.ready = Some(Condition { status: false, since: now });
            self.notify(Notice::PodStatus(id));
        }
    }

    pub(super) fn set_pod_ready(&mut self, now: Instant, id: PodId, ready: bool) {
        if let Some(pod) = self.api.pods.get_mut(id) {
            pod.ready = Some(Condition { status: ready, since: now });
            self.notify(Notice::PodStatus(id));
        }
    }

    /// The containers have ended: the node's resources are free from here on.
    pub(super) fn set_pod_ended(&mut self, now: Instant, id: PodId) {
        if let Some(pod) = self.api.pods.get_mut(id) {
            pod.phase = Phase::Succeeded;
            pod.ready = Some(Condition { status: false, since: now });
            self.notify(Notice::PodEnded(id));
        }
    }

    /// Applies a change to a node object and tells the watchers what of it changed.
    pub(super) fn change_node(
        &mut self,
        id: NodeId,
        change: NodeChange,
        apply: impl FnOnce(&mut crate::api::Node),
    ) {
        if let Some(node) = self.api.nodes.get_mut(id) {
            apply(node);
            self.notify(Notice::NodeChanged(id, change));
        }
    }
}
