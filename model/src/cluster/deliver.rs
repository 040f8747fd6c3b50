//! Who watches what: the delivery of each notice.

use sim::Instant;

use super::Cluster;
use super::notice::Notice;
use crate::api::{Owner, Strategy};
use crate::id::{DeploymentId, NodeClaimId, NodeId, PodId};
use crate::karpenter::{claim_status, disruption, lifecycle, provisioner, termination};
use crate::workload::{controllers, kubelet};
use crate::{hpa, keda, prometheus, scheduler, traffic};

impl Cluster<'_> {
    /// Tells everybody who watches this kind of object, in this order.
    pub(super) fn deliver(&mut self, now: Instant, notice: Notice) {
        match notice {
            Notice::PodCreated(pod) => {
                if let Owner::ReplicaSet(set, _) = self.owner(pod) {
                    self.hear_controllers(now, controllers::Input::PodCreated(set));
                }
                self.pod_changed(now, pod);
            }
            Notice::PodBound(pod) => {
                if self.is_settling(now) {
                    self.settle(now, pod);
                } else {
                    self.hear_kubelets(now, kubelet::Input::Bound(pod));
                }
                self.hear_controllers(now, controllers::Input::Bound(pod));
                self.pod_changed(now, pod);
            }
            Notice::PodUnschedulable(pod) => self.pod_changed(now, pod),
            Notice::PodStatus(pod) => {
                self.tell_endpoints(now, pod);
                self.tell_owner(now, self.owner(pod));
                self.pod_changed(now, pod);
            }
            Notice::PodDeleting(pod) => {
                self.hear_kubelets(now, kubelet::Input::Deleted(pod));
                self.parts.traffic.handle(now, traffic::Input::PodDeleting(pod));
                self.tell_deletion(now, self.owner(pod), pod);
                self.pod_changed(now, pod);
            }
            Notice::PodEnded(pod) => {
                self.tell_of_end(now, self.owner(pod));
                self.pod_changed(now, pod);
            }
            Notice::PodGone { pod, owner } => {
                self.tell_deletion(now, owner, pod);
                self.tell_of_absence(now, owner);
                self.hear_scheduler(now, scheduler::Input::PodGone(pod));
                self.tell_karpenter_of_pod(now, pod);
                self.hear_prometheus(now, prometheus::Input::PodChanged(pod));
            }
            Notice::NodeCreated(node) | Notice::NodeChanged(node) => {
                self.hear_controllers(now, controllers::Input::Node(node));
                self.hear_scheduler(now, scheduler::Input::NodeChanged(node));
                self.node_changed(now, node);
            }
            Notice::NodeGone(node) => {
                self.hear_controllers(now, controllers::Input::Node(node));
                self.hear_scheduler(now, scheduler::Input::NodeGone(node));
                self.node_changed(now, node);
            }
            Notice::ClaimChanged(claim) => {
                self.hear_lifecycle(now, lifecycle::Input::ClaimChanged(claim));
                self.hear_claim_status(now, claim_status::Input::ClaimChanged(claim));
                self.hear_disruption(now, disruption::Input::ClaimChanged(claim));
                self.tell_terminator(now, claim);
            }
            Notice::Pools => {
                self.hear_lifecycle(now, lifecycle::Input::PoolsChanged);
                self.hear_claim_status(now, claim_status::Input::PoolsChanged);
                self.hear_disruption(now, disruption::Input::PoolsChanged);
            }
            Notice::Policies => self.hear_disruption(now, disruption::Input::ObjectsChanged),
            Notice::Deployment(id) => self.hear_controllers(now, controllers::Input::Deployment(id)),
            Notice::ReplicaSet(id) => {
                self.hear_controllers(now, controllers::Input::ReplicaSet(id));
                if let Some(set) = self.api.replica_sets.get(id) {
                    self.hear_controllers(now, controllers::Input::Deployment(set.deployment));
                }
            }
            Notice::DaemonSet(id) => {
                self.hear_controllers(now, controllers::Input::DaemonSet(id));
                self.hear_disruption(now, disruption::Input::ObjectsChanged);
            }
            Notice::Hpa(id) => {
                self.hear_hpa(now, hpa::Input::Changed(id));
                if let Some(owner) = self.objects.hpas.get(id).and_then(|hpa| hpa.owner) {
                    self.hear_keda(now, keda::Input::Changed(owner));
                }
            }
            Notice::ScaledObject(id) => self.hear_keda(now, keda::Input::Changed(id)),
            Notice::Routes => {
                let routed = !self.objects.unrouted;
                self.parts.traffic.handle(now, traffic::Input::Routed(routed));
            }
        }
    }

    /// The scheduler, Karpenter and Prometheus watch all pods.
    fn pod_changed(&mut self, now: Instant, pod: PodId) {
        self.hear_scheduler(now, scheduler::Input::PodChanged(pod));
        self.hear_provisioner(now, provisioner::Input::PodChanged(pod));
        self.tell_karpenter_of_pod(now, pod);
        self.hear_prometheus(now, prometheus::Input::PodChanged(pod));
    }

    fn tell_karpenter_of_pod(&mut self, now: Instant, pod: PodId) {
        self.hear_claim_status(now, claim_status::Input::PodChanged(pod));
        self.hear_disruption(now, disruption::Input::PodChanged(pod));
    }

    /// Karpenter and Prometheus watch all nodes.
    fn node_changed(&mut self, now: Instant, node: NodeId) {
        self.hear_provisioner(now, provisioner::Input::NodeChanged(node));
        self.hear_lifecycle(now, lifecycle::Input::NodeChanged(node));
        self.hear_claim_status(now, claim_status::Input::NodeChanged(node));
        self.hear_disruption(now, disruption::Input::NodeChanged(node));
        self.hear_terminator(now, termination::Input::NodeChanged(node));
        self.hear_prometheus(now, prometheus::Input::NodeChanged(node));
    }

    /// A claim's one worker launches it and finalizes it: while EC2 has not answered it does not do the latter.
    pub(super) fn tell_terminator(&mut self, now: Instant, claim: NodeClaimId) {
        if !self.parts.lifecycle.is_launching(claim) {
            self.hear_terminator(now, termination::Input::ClaimChanged(claim));
        }
    }

    /// The endpoints controller hears of a pod's readiness.
    fn tell_endpoints(&mut self, now: Instant, pod: PodId) {
        if let Some(ready) = self.api.pods.get(pod).map(crate::api::Pod::is_ready) {
            self.parts
                .traffic
                .handle(now, traffic::Input::PodReady { pod, ready });
        }
    }

    fn owner(&self, pod: PodId) -> Owner {
        self.api.pods.get(pod).map_or(Owner::None, |pod| pod.owner)
    }

    /// A ReplicaSet's controller sees that a pod is going, or has gone.
    fn tell_deletion(&mut self, now: Instant, owner: Owner, pod: PodId) {
        if let Owner::ReplicaSet(set, _) = owner {
            self.hear_controllers(now, controllers::Input::PodDeleted(set, pod));
        }
    }

    /// A pod that is being deleted has ended. Its Deployment's controller hears of that by the ReplicaSet's
    /// status.terminatingReplicas, from 1.35 on; before, no sooner than the object is gone
    /// (kubernetes 1.35 pkg/features/kube_features.go `DeploymentReplicaSetTerminatingReplicas`,
    /// pkg/controller/replicaset/replica_set_utils.go `calculateStatus`,
    /// pkg/controller/deployment/deployment_controller.go `deletePod`).
    fn tell_of_end(&mut self, now: Instant, owner: Owner) {
        match owner {
            Owner::ReplicaSet(set, _) if self.scenario.stack.kubernetes < 35 => {
                self.hear_controllers(now, controllers::Input::ReplicaSet(set));
            }
            owner => self.tell_owner(now, owner),
        }
    }

    /// A pod is gone. The controller of a Deployment that is recreated looks again when that was its last one, before
    /// status.terminatingReplicas tells of each
    /// (kubernetes 1.35 pkg/controller/deployment/deployment_controller.go `deletePod`).
    fn tell_of_absence(&mut self, now: Instant, owner: Owner) {
        match owner {
            Owner::ReplicaSet(set, id)
                if self.scenario.stack.kubernetes < 35 && self.has_pods_to_await(id) =>
            {
                self.hear_controllers(now, controllers::Input::ReplicaSet(set));
            }
            owner => self.tell_owner(now, owner),
        }
    }

    /// Whether a Deployment that is recreated has any pod, ended ones too.
    fn has_pods_to_await(&self, id: DeploymentId) -> bool {
        let deployment = self.api.deployments.get(id);
        let has_pods = |set| !self.api.pods_of_replica_set(set).is_empty();
        deployment.is_some_and(|own| own.strategy == Strategy::Recreate)
            && self.api.replica_sets_of(id).any(|(set, _)| has_pods(set))
    }

    /// A pod's controllers hear that it changed.
    fn tell_owner(&mut self, now: Instant, owner: Owner) {
        match owner {
            Owner::ReplicaSet(set, deployment) => {
                self.hear_controllers(now, controllers::Input::ReplicaSet(set));
                self.hear_controllers(now, controllers::Input::Deployment(deployment));
            }
            Owner::DaemonSet(set) => self.hear_controllers(now, controllers::Input::DaemonSet(set)),
            Owner::None => {}
        }
    }
}
