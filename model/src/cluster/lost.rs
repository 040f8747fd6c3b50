//! Machines that end before their Node has been removed.
//!
//! A kubelet of a recent Amazon Linux 2023 is told by its machine that it goes down, reports that it is not ready, and ends
//! its pods in order: nobody deletes these, so that they are Ready, and in their Services, until their containers have
//! ended (kubernetes 1.35 pkg/kubelet/status/status_manager.go `mergePodStatus`). Of others nobody tells the API server: the node controller finds that the kubelet has not reported
//! for a while, and that the node is not ready, nor are its pods. The cloud controller, which looks at nodes that are not
//! ready every few seconds, deletes the Node once EC2 calls its machine terminated. Karpenter's finalizer holds a Node that
//! it has registered until Karpenter has deleted the claim as well.

use std::time::Duration;

use sim::Instant;

use super::event::Event;
use super::{Cluster, health};
use crate::api::{Taint, TaintEffect};
use crate::catalog::kubelet::AmiFamily;
use crate::ec2::{self, Origin, State};
use crate::id::{InstanceId, NodeId};
use crate::karpenter::labels;
use crate::traffic;
use crate::workload::kubelet;

/// `--node-monitor-grace-period`: 40 s, from 1.32 on 50 s (kubernetes
/// pkg/controller/nodelifecycle/config/v1alpha1/defaults.go).
const MONITOR_GRACE: [Duration; 2] = [Duration::from_secs(40), Duration::from_secs(50)];
/// The minor release of Kubernetes 1 from which on kubelets go down in order.
const GRACEFUL: u16 = 34;
/// `--node-monitor-period`: how often the cloud controller looks
/// (kubernetes staging/src/k8s.io/controller-manager/config/v1alpha1/defaults.go
/// `RecommendedDefaultGenericControllerManagerConfiguration`).
pub(super) const CLOUD_PERIOD: Duration = Duration::from_secs(5);

impl Cluster<'_> {
    /// A machine shuts down. Where its kubelet knows of that, the node is not ready and its pods end in order, while
    /// the machine waits; elsewhere kubelet and containers end at once, and nobody has told the API server yet.
    pub(super) fn machine_stops(&mut self, now: Instant, instance: InstanceId) {
        let Some(id) = self.node_of(instance) else {
            return;
        };
        if !self.shuts_down_gracefully(id) {
            self.stop_node(now, id);
            let grace = MONITOR_GRACE[usize::from(self.scenario.stack.kubernetes >= 32)];
            return self.agenda.after(grace, Event::NodeSilent(id));
        }
        self.going_down.insert(id, instance);
        self.hear_ec2(now, ec2::Input::Inhibit(instance));
        self.lose(now, id, Taint::NOT_READY);
        self.hear_kubelets(now, kubelet::Input::ShutDown(id));
    }

    /// EKS's images of Amazon Linux 2023 configure it from 1.34 on; those of Amazon Linux 2 and Bottlerocket do not
    /// (amazon-eks-ami v20250920 nodeadm/internal/kubelet/config.go `withVersionToggles`).
    fn shuts_down_gracefully(&self, id: NodeId) -> bool {
        let node = self.api.nodes.get(id);
        let machine = node.and_then(|node| self.parts.ec2.instances().get(node.instance?));
        let family = machine.and_then(|machine| match machine.origin {
            _ if machine.registration_delay.is_some() => None,
            Origin::Group(group) => Some(self.scenario.node_groups[group].ami_family),
            Origin::Claim(claim) => Some(self.objects.claims.get(claim)?.made_by.as_ref()?.ami_family),
        });
        self.scenario.stack.kubernetes >= GRACEFUL && family == Some(AmiFamily::Al2023)
    }

    /// The pods of a node that went down in order have ended: nothing holds the machine any more.
    pub(super) fn node_stopped(&mut self, now: Instant, id: NodeId) {
        self.stop_node(now, id);
        if let Some(instance) = self.going_down.remove(&id) {
            self.hear_ec2(now, ec2::Input::Release(instance));
        }
    }

    fn stop_node(&mut self, now: Instant, id: NodeId) {
        self.hear_kubelets(now, kubelet::Input::NodeDown(id));
        self.parts.traffic.handle(now, traffic::Input::NodeGone(id));
    }

    /// A node has not reported for too long: it is not ready, and the node controller says so of its pods. It does not
    /// where a kubelet has reported that itself (kubernetes 1.35
    /// pkg/controller/nodelifecycle/node_lifecycle_controller.go `monitorNodeHealth`, `tryUpdateNodeHealth`).
    pub(super) fn node_silent(&mut self, now: Instant, id: NodeId) {
        if self.api.nodes.get(id).is_none() {
            return;
        }
        self.lose(now, id, Taint::UNREACHABLE);
        self.agenda.after(self.patience(), Event::MonitorNodes);
        for pod in self.api.pods_on(id).to_vec() {
            if self.api.pods.get(pod).is_some_and(|pod| pod.is_ready()) {
                self.set_pod_ready(now, pod, false);
            }
        }
        self.await_cloud_look(now, id);
    }

    /// A node that is not ready any more is tainted (kubernetes 1.35
    /// pkg/controller/nodelifecycle/node_lifecycle_controller.go `doNoScheduleTaintingPass`).
    fn lose(&mut self, now: Instant, id: NodeId, taint: &str) {
        self.change_node(id, |node| {
            node.ready = false;
            node.ready_since = now;
            let taint = Taint::new(taint, TaintEffect::NoSchedule);
            if !node.taints.contains(&taint) {
                node.taints.push(taint);
            }
        });
        self.watch_health(now);
    }

    /// Something has changed that the cloud controller will see at its next look.
    pub(super) fn await_cloud_look(&mut self, now: Instant, id: NodeId) {
        let at = health::next_look(self.cloud_phase, CLOUD_PERIOD, now);
        self.agenda.at(at, Event::CloudLook(id));
    }

    /// The cloud controller deletes a node that is not ready and whose machine is terminated; one that is shutting
    /// down still exists (kubernetes 1.35
    /// staging/src/k8s.io/cloud-provider/controllers/nodelifecycle/node_lifecycle_controller.go `MonitorNodes`;
    /// cloud-provider-aws v1.35.0 pkg/providers/v1/aws.go `InstanceExistsByProviderID`).
    pub(super) fn cloud_look(&mut self, now: Instant, id: NodeId) {
        let Some(node) = self.api.nodes.get(id).filter(|node| !node.ready) else {
            return;
        };
        let instances = self.parts.ec2.instances();
        let machine = node.instance.and_then(|instance| instances.get(instance));
        if machine.is_some_and(|machine| machine.state != State::Terminated) {
            return;
        }
        // The finalizer comes with the registration.
        if node.claim.is_some() && node.labels.contains_key(labels::REGISTERED) {
            self.delete_node(now, id);
        } else {
            self.remove_node(id);
        }
    }
}
