//! Performing what parts ask for.

use sim::Instant;

use super::Cluster;
use super::notice::Notice;
use crate::api::Owner;
use crate::id::PodId;
use crate::karpenter::{Profile, claim_status, disruption, provisioner, termination};
use crate::scheduler;
use crate::traffic::{self, PodCpu, Role};
use crate::workload::{controllers, kubelet};

impl Cluster<'_> {
    pub(super) fn perform_controllers(&mut self, now: Instant, output: controllers::Output) {
        use controllers::Output;
        match output {
            Output::CreateReplicaSet { deployment, replicas } => {
                self.create_replica_set(now, deployment, replicas);
            }
            Output::ScaleReplicaSet {
                id,
                replicas,
                desired,
            } => {
                self.scale_replica_set(id, replicas, desired);
            }
            Output::CreatePod(set) => self.create_replica(now, set),
            Output::CreateDaemonPod(set, node) => self.create_daemon_pod(now, set, node),
            Output::DeletePod(pod) => self.delete_pod(now, pod, None),
            Output::EvictPod(pod) => {
                self.explain_taint_eviction(now, pod);
                self.delete_pod(now, pod, None);
            }
        }
    }

    pub(super) fn perform_kubelets(&mut self, now: Instant, output: kubelet::Output) {
        use kubelet::Output;
        match output {
            Output::PodAccepted(pod) => self.set_pod_accepted(now, pod),
            Output::PodRunning(pod, listens) => {
                self.set_pod_running(now, pod);
                self.start_traffic(now, pod);
                if listens > now {
                    let input = traffic::Input::PodListens { pod, from: listens };
                    self.parts.traffic.handle(now, input);
                }
            }
            Output::PodReady(pod) => self.set_pod_ready(now, pod, true),
            Output::AppExited(pod) => self.parts.traffic.handle(now, traffic::Input::PodStopped(pod)),
            Output::PodStopped(pod) => {
                self.parts.traffic.handle(now, traffic::Input::PodStopped(pod));
                self.set_pod_ended(now, pod);
            }
            Output::RemovePod(pod) => self.remove_pod(pod),
            Output::ImagesThere(pod, since) => self.recorder.notes.has_images(pod, since, now),
            Output::ImagePresent(node, image) => self.image_present(node, image),
            Output::DevicesReported(node) => self.devices_reported(node),
            Output::NodeStopped(node) => self.node_stopped(now, node),
        }
    }

    /// A pod that plays a part in the traffic begins to play it.
    pub(super) fn start_traffic(&mut self, now: Instant, id: PodId) {
        let Some(pod) = self.api.pods.get(id) else {
            return;
        };
        let (Owner::ReplicaSet(_, deployment), Some(node)) = (pod.owner, pod.node) else {
            return;
        };
        let roles = self.objects.roles;
        let role = match Some(deployment) {
            owner if owner == roles.client => Role::Client,
            owner if owner == roles.proxy => Role::Proxy,
            owner if owner == roles.server => Role::Server,
            _ => return,
        };
        let spec = pod.spec();
        let cpu = PodCpu {
            request: spec.requests().cpu,
            limit: spec.cpu_limit(),
        };
        self.parts.traffic.handle(
            now,
            traffic::Input::PodRunning {
                pod: id,
                role,
                node,
                cpu,
            },
        );
    }

    pub(super) fn perform_scheduler(&mut self, now: Instant, output: scheduler::Output) {
        use scheduler::Output;
        match output {
            Output::Bind { pod, node } => self.bind_pod(pod, node),
            Output::Unschedulable(pod) => self.mark_unschedulable(pod),
            Output::Nominate { pod, node } => self.nominate_pod(pod, node),
            Output::DeletePod { pod, .. } => self.delete_pod(now, pod, None),
            Output::Publish(event) => self.explain_scheduler(now, &event),
        }
    }

    pub(super) fn perform_provisioner(&mut self, now: Instant, output: provisioner::Output) {
        use provisioner::Output;
        match output {
            Output::CreateNodeClaim(claim, pods) => {
                let id = self.create_claim(*claim);
                self.explain_claim(now, id, &pods);
            }
            Output::Nominate(claim, until) => self.objects.state.nominate(claim, until),
            Output::Publish(event) => self.explain_provisioner(now, &event),
        }
    }

    pub(super) fn perform_claim_status(&mut self, now: Instant, output: claim_status::Output) {
        use claim_status::Output;
        match output {
            Output::SetCondition(claim, condition, status) => {
                self.set_condition(now, claim, condition, status);
            }
            Output::SetLastPodEvent(claim, at) => {
                self.change_claim(claim, |claim| claim.last_pod_event = Some(at));
            }
            Output::DeleteNodeClaim(claim, reason) => {
                self.explain_claim_deletion(now, claim, reason.as_str());
                self.delete_claim(now, claim);
            }
            Output::Publish(event) => self.explain_claim_status(now, event),
        }
    }

    pub(super) fn perform_disruption(&mut self, now: Instant, output: disruption::Output) {
        use disruption::Output;
        match output {
            Output::Mark(claim) => self.objects.state.mark(claim),
            Output::Unmark(claim) => self.objects.state.unmark(claim),
            Output::Nominate(claim, until) => self.objects.state.nominate(claim, until),
            Output::Taint(node) => {
                let taint = disruption::disrupted_taint(&Profile::of(self.scenario.stack.karpenter));
                self.add_taint(node, taint);
            }
            Output::Untaint(node) => {
                let taint = disruption::disrupted_taint(&Profile::of(self.scenario.stack.karpenter));
                self.remove_taint(node, &taint);
            }
            Output::SetCondition(claim, condition, status) => {
                self.set_condition(now, claim, condition, status);
            }
            Output::CreateNodeClaim(claim, _) => {
                let id = self.create_claim(*claim);
                self.explain_claim(now, id, &[]);
            }
            Output::DeleteNodeClaim(claim, reason) => {
                self.explain_claim_deletion(now, claim, reason.as_str());
                self.delete_claim(now, claim);
            }
            Output::Publish(event) => self.explain_disruption(now, &event),
        }
    }

    pub(super) fn perform_terminator(&mut self, now: Instant, output: termination::Output) {
        use termination::Output;
        match output {
            Output::DeleteNode(node) => self.delete_node(now, node),
            Output::DeleteNodeClaim(claim) => self.delete_claim(now, claim),
            Output::TaintNode(node) => {
                let taint = disruption::disrupted_taint(&Profile::of(self.scenario.stack.karpenter));
                self.add_taint(node, taint);
            }
            Output::EvictPod(pod) => {
                let owner = self.api.pods.get(pod).map(|pod| pod.owner);
                self.recorder.count(|counts| match owner {
                    Some(Owner::DaemonSet(_)) => counts.daemon_evictions += 1,
                    _ => counts.evictions += 1,
                });
                self.delete_pod(now, pod, None);
            }
            Output::DeletePod(pod, grace) => {
                // One that is being deleted already only gets less time.
                let own = self.api.pods.get(pod).filter(|pod| pod.deletion.is_none());
                let forced = own.is_some_and(|pod| !matches!(pod.owner, Owner::DaemonSet(_)));
                self.recorder
                    .count(|counts| counts.forced_deletions += u32::from(forced));
                self.delete_pod(now, pod, Some(grace));
            }
            Output::SetCondition(claim, condition, status) => {
                self.set_condition(now, claim, condition, status);
            }
            Output::TerminateInstance(instance) => {
                self.hear_ec2(now, crate::ec2::Input::Terminate(instance));
            }
            Output::RemoveNode(node) => self.remove_node(node),
            Output::RemoveClaim(claim) => self.remove_claim(claim),
            Output::Publish(event) => self.explain_terminator(now, &event),
        }
    }

    /// A node has pulled an image.
    fn image_present(&mut self, node: crate::id::NodeId, image: String) {
        let size = self.scenario.config.kubelet.images.get(&image).copied();
        let size = size.unwrap_or(self.scenario.config.kubelet.default_image);
        if let Some(object) = self.api.nodes.get_mut(node) {
            object.images.insert(image, super::nodes::image_bytes(&size));
            self.notify(Notice::NodeChanged(node));
        }
    }
}
