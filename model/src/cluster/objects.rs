//! Writes to the API server: pods, workloads and autoscalers. Each changes an object and puts its notice on
//! the agenda. Writes that name an object that is gone do nothing, as a 404 would.

use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use sim::Instant;

use super::Cluster;
use super::event::Event;
use super::notice::Notice;
use super::tally;
use crate::api::{
    Condition, Deletion, Owner, POD_TEMPLATE_HASH, Phase, Pod, PodTemplate, ReplicaSet, Restarts, Taint,
};
use crate::hpa::Hpa;
use crate::id::{DaemonSetId, DeploymentId, HpaId, NodeId, PodId, ReplicaSetId};
use crate::scenario::Part;
use crate::workload::kubelet;

impl Cluster<'_> {
    /// Tells the watchers, after the watch delay.
    pub(super) fn notify(&mut self, notice: Notice) {
        self.agenda
            .after(self.scenario.config.watch_delay, Event::Watch(notice));
    }

    /// An autoscaler writes spec.replicas of its target.
    pub(super) fn scale_target(&mut self, id: DeploymentId, replicas: i32, by: Part) {
        let current = self
            .api
            .deployments
            .get(id)
            .map_or(replicas, |deployment| deployment.replicas);
        if self.objects.roles.server == Some(id) && replicas != current {
            self.recorder.count(|counts| match replicas > current {
                true => counts.scale_ups += 1,
                false => counts.scale_downs += 1,
            });
        }
        self.scale_deployment(id, replicas, Some(by));
    }

    /// Writes spec.replicas of a Deployment, for an autoscaler or for an action.
    pub(super) fn scale_deployment(&mut self, id: DeploymentId, replicas: i32, by: Option<Part>) {
        let Some(deployment) = self.api.deployments.get_mut(id) else {
            return;
        };
        let former = std::mem::replace(&mut deployment.replicas, replicas);
        if former != replicas {
            self.note_size(id, former, replicas, by);
            self.notify(Notice::Deployment(id));
        }
    }

    /// Takes down that a Deployment has another size, if it is the service's.
    pub(super) fn note_size(&mut self, id: DeploymentId, before: i32, after: i32, by: Option<Part>) {
        if self.objects.roles.server == Some(id) && before != after {
            let now = self.agenda.now();
            self.recorder.notes.resized(now, before, after, by);
        }
    }

    /// Makes the ReplicaSet of a Deployment's current template. Its pods carry a label with the hash of the template,
    /// for which the number of the set stands in (kubernetes 1.35 pkg/controller/deployment/sync.go
    /// `getNewReplicaSet`).
    pub(super) fn create_replica_set(&mut self, now: Instant, deployment: DeploymentId, replicas: i32) {
        let Some(object) = self.api.deployments.get(deployment) else {
            return;
        };
        let made_of = object.template.clone();
        let mut template = (*made_of).clone();
        let hash = self.api.replica_sets.next_id().0.to_string();
        template.labels.insert(POD_TEMPLATE_HASH.to_owned(), hash);
        let revision = self.api.replica_sets_of(deployment).count() + 1;
        let set = ReplicaSet {
            name: format!("{}-{revision}", object.name),
            deployment,
            replicas,
            desired: object.replicas,
            template: Arc::new(template),
            made_of,
            created: now,
        };
        let id = self.api.replica_sets.insert(set);
        self.notify(Notice::ReplicaSet(id));
    }

    pub(super) fn scale_replica_set(&mut self, id: ReplicaSetId, replicas: i32, desired: i32) {
        if let Some(set) = self.api.replica_sets.get_mut(id) {
            set.replicas = replicas;
            set.desired = desired;
            self.notify(Notice::ReplicaSet(id));
        }
    }

    pub(super) fn create_replica(&mut self, now: Instant, id: ReplicaSetId) {
        let Some(set) = self.api.replica_sets.get(id) else {
            return;
        };
        let (owner, template) = (Owner::ReplicaSet(id, set.deployment), set.template.clone());
        let name = set.name.clone();
        self.create_pod(now, &name, owner, template, None);
    }

    pub(super) fn create_daemon_pod(&mut self, now: Instant, id: DaemonSetId, node: NodeId) {
        let Some(set) = self.api.daemon_sets.get(id) else {
            return;
        };
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
    ) {
        let number = self.api.pods.next_id().0;
        let pod = Pod {
            name: [prefix, "-", &number.to_string()].concat(),
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
        self.recorder.touch_pod(id);
        self.notify(Notice::PodCreated(id));
    }

    /// Sets spec.nodeName, unless the pod is being deleted or the node is gone.
    pub(super) fn bind_pod(&mut self, id: PodId, node: NodeId) {
        let alive = |pod: &&Pod| pod.node.is_none() && pod.deletion.is_none();
        let pod = self.api.pods.get(id).filter(alive);
        if let Some(pod) = pod.filter(|_| self.api.nodes.get(node).is_some()) {
            if tally::serves(pod, self.objects.roles.server) {
                let now = self.agenda.now();
                self.recorder.notes.bound(id, pod.created, now);
            }
            self.api.bind_pod(id, node);
            self.recorder.touch_pod(id);
            self.notify(Notice::PodBound(id));
        }
    }

    /// Sets the condition PodScheduled to False.
    pub(super) fn mark_unschedulable(&mut self, id: PodId) {
        if let Some(pod) = self.api.pods.get_mut(id).filter(|pod| pod.node.is_none()) {
            pod.unschedulable = true;
            self.notify(Notice::PodUnschedulable(id));
        }
    }

    /// Sets or clears status.nominatedNodeName.
    pub(super) fn nominate_pod(&mut self, id: PodId, node: Option<NodeId>) {
        if let Some(pod) = self.api.pods.get_mut(id) {
            pod.nominated_node = node;
            self.notify(Notice::PodUnschedulable(id));
        }
    }

    /// Deletes a pod: gracefully if a kubelet has it, at once otherwise. A second deletion can only shorten
    /// the grace period (kubernetes 1.35 pkg/registry/core/pod/strategy.go `CheckGracefulDelete`,
    /// staging/src/k8s.io/apiserver/pkg/registry/rest/delete.go `BeforeDelete`). Without any the object goes at once
    /// (kubernetes 1.35 staging/src/k8s.io/apiserver/pkg/registry/generic/registry/store.go
    /// `updateForGracefulDeletionAndFinalizers`), and the kubelet, which hears of it here without delay, ends the
    /// containers of a pod that nobody sees any more.
    pub(super) fn delete_pod(&mut self, now: Instant, id: PodId, grace: Option<Duration>) {
        let Some(pod) = self.api.pods.get_mut(id) else {
            return;
        };
        let grace = grace.unwrap_or(pod.spec().termination_grace);
        if pod.node.is_none() || pod.is_terminal() {
            return self.remove_pod(id);
        }
        if grace.is_zero() {
            let at = pod.deletion.map_or(now, |deletion| deletion.at);
            let until_now = now - at;
            pod.deletion = Some(Deletion { at, grace: until_now });
            self.hear_kubelets(now, kubelet::Input::Deleted(id));
            // The endpoint goes as well.
            self.notify(Notice::PodDeleting(id));
            return self.remove_pod(id);
        }
        match &mut pod.deletion {
            Some(deletion) if now + grace < deletion.at + deletion.grace => {
                deletion.grace = (now + grace).since(deletion.at);
            }
            Some(_) => return,
            None => pod.deletion = Some(Deletion { at: now, grace }),
        }
        self.recorder.touch_pod(id);
        self.notify(Notice::PodDeleting(id));
    }

    /// Takes the object away.
    pub(super) fn remove_pod(&mut self, id: PodId) {
        if let Some(pod) = self.api.remove_pod(id) {
            self.recorder.touch_pod(id);
            self.recorder.remember(id, pod.name);
            self.notify(Notice::PodGone {
                pod: id,
                owner: pod.owner,
            });
        }
    }

    /// A kubelet takes a pod: the first status that it writes has a start time, and the pod is not Ready since then
    /// (kubernetes 1.35 pkg/kubelet/status/status_manager.go `updateStatusInternal`). Nobody waits for that write.
    pub(super) fn set_pod_accepted(&mut self, now: Instant, id: PodId) {
        if let Some(pod) = self.api.pods.get_mut(id) {
            pod.started.get_or_insert(now);
            pod.ready.get_or_insert(Condition {
                status: false,
                since: now,
            });
        }
    }

    pub(super) fn set_pod_running(&mut self, now: Instant, id: PodId) {
        self.set_pod_accepted(now, id);
        if let Some(pod) = self.api.pods.get_mut(id) {
            pod.phase = Phase::Running;
            self.recorder.tally.change(id);
            self.notify(Notice::PodStatus(id));
        }
    }

    pub(super) fn set_pod_ready(&mut self, now: Instant, id: PodId, ready: bool) {
        if let Some(pod) = self.api.pods.get_mut(id) {
            pod.ready = Some(Condition {
                status: ready,
                since: now,
            });
            self.recorder.touch_pod(id);
            if ready {
                self.recorder.notes.ready(id, now);
            }
            self.notify(Notice::PodStatus(id));
            if ready {
                self.lift_startup_taint(id);
            }
        }
    }

    /// An agent that is Ready takes the startup taint off its node: Cilium's, the EBS driver's and others do.
    fn lift_startup_taint(&mut self, id: PodId) {
        let Some(pod) = self.api.pods.get(id) else {
            return;
        };
        let lifecycle = self.objects.lifecycles.of(pod.owner);
        let key = lifecycle.and_then(|own| own.startup_taint.clone());
        let Some((key, node)) = key.zip(pod.node) else {
            return;
        };
        let has = |taint: &Taint| taint.key == key;
        if self
            .api
            .nodes
            .get(node)
            .is_some_and(|node| node.taints.iter().any(has))
        {
            self.change_node(node, |node| node.taints.retain(|taint| taint.key != key));
        }
    }

    /// The containers have ended: the node's resources are free from here on. A pod that nobody has deleted ended with
    /// its machine.
    pub(super) fn set_pod_ended(&mut self, now: Instant, id: PodId) {
        if let Some(pod) = self.api.pods.get_mut(id) {
            pod.phase = match pod.deletion {
                Some(_) => Phase::Succeeded,
                None => Phase::Failed,
            };
            pod.ready = Some(Condition {
                status: false,
                since: now,
            });
            self.recorder.touch_pod(id);
            self.notify(Notice::PodEnded(id));
        }
    }

    pub(super) fn create_hpa(&mut self, hpa: Hpa) {
        let id = self.objects.hpas.insert(hpa);
        self.notify(Notice::Hpa(id));
    }

    pub(super) fn change_hpa(&mut self, id: HpaId, change: impl FnOnce(&mut Hpa)) {
        if let Some(hpa) = self.objects.hpas.get_mut(id) {
            change(hpa);
            self.notify(Notice::Hpa(id));
        }
    }

    pub(super) fn delete_hpa(&mut self, id: HpaId) {
        if let Some(hpa) = self.objects.hpas.remove(id) {
            self.notify(Notice::Hpa(id));
            if let Some(owner) = hpa.owner {
                self.notify(Notice::ScaledObject(owner));
            }
        }
    }
}
