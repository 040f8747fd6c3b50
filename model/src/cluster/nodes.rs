//! Writes to the API server: nodes and NodeClaims; and what watches over nodes.
//!
//! A machine joins as a Node that is not ready; when its network is up it becomes ready, and the node
//! controller takes the taint away. What happens to the Node of a machine that ends is in `lost`; when a Node is
//! gone, the pod garbage collector removes the pods that were on it.

use std::time::Duration;

use rand_distr::{Distribution as _, StandardNormal};
use sim::Instant;

use super::Cluster;
use super::event::Event;
use super::notice::Notice;
use crate::api::{Node, Owner, Taint};
use crate::catalog::{self, InstanceSpec};
use crate::ec2::node::{self, Bootstrap};
use crate::ec2::{self, Origin};
use crate::id::{InstanceId, NodeClaimId, NodeId, PodId};
use crate::karpenter::disruption;
use crate::karpenter::lifecycle::{self, conditions};
use crate::karpenter::state::ConditionType;
use crate::karpenter::{NodeClaim, Profile};
use crate::quantity::Bytes;
use crate::traffic;
use crate::workload::kubelet;

/// How often the pod garbage collector looks, and how long a node must be gone before it deletes the
/// node's pods (kubernetes 1.35 pkg/controller/podgc/gc_controller.go `gcCheckPeriod`, `quarantineTime`).
const POD_GC: Duration = Duration::from_secs(20);
const QUARANTINE: Duration = Duration::from_secs(40);

impl Cluster<'_> {
    pub(super) fn create_claim(&mut self, claim: NodeClaim) -> NodeClaimId {
        let id = self.objects.claims.insert(claim);
        self.notify(Notice::ClaimChanged(id));
        id
    }

    pub(super) fn change_claim(&mut self, id: NodeClaimId, change: impl FnOnce(&mut NodeClaim)) {
        if let Some(claim) = self.objects.claims.get_mut(id) {
            change(claim);
            self.notify(Notice::ClaimChanged(id));
        }
    }

    pub(super) fn delete_claim(&mut self, now: Instant, id: NodeClaimId) {
        self.change_claim(id, |claim| {
            claim.deleting.get_or_insert(now);
        });
    }

    pub(super) fn remove_claim(&mut self, id: NodeClaimId) {
        if self.objects.claims.remove(id).is_some() {
            self.objects.state.forget(id);
            self.notify(Notice::ClaimChanged(id));
        }
    }

    pub(super) fn set_condition(
        &mut self,
        now: Instant,
        id: NodeClaimId,
        condition: ConditionType,
        status: Option<bool>,
    ) {
        self.change_claim(id, |claim| claim.conditions.set(condition, status, now));
    }

    pub(super) fn perform_ec2(&mut self, now: Instant, output: ec2::Output) {
        use ec2::Output;
        match output {
            Output::FleetAnswered(claim, answer) => {
                if answer.launched.is_none() {
                    self.recorder.count(|counts| counts.launch_failures += 1);
                }
                self.hear_lifecycle(now, lifecycle::Input::FleetAnswered(claim, answer));
                self.tell_terminator(now, claim);
            }
            Output::InstanceRunning(instance) => self.explain_instance(now, instance, "InstanceRunning"),
            Output::NodeJoins(instance) => self.join_claimed(now, instance),
            Output::NodeReady(instance) => {
                if let Some(node) = self.node_of(instance) {
                    self.node_ready(now, node);
                }
            }
            Output::RebalanceRecommended(instance) => {
                self.explain_instance(now, instance, "RebalanceRecommended");
            }
            Output::InterruptionNotice(instance) => {
                self.recorder.count(|counts| counts.interruptions += 1);
                self.explain_instance(now, instance, "InterruptionNotice");
                self.hear_lifecycle(now, lifecycle::Input::InterruptionNotice(instance));
            }
            Output::ShuttingDown(instance) => {
                self.explain_instance(now, instance, "InstanceShuttingDown");
                self.machine_stops(now, instance);
                self.hear_lifecycle(now, lifecycle::Input::ShuttingDown(instance));
            }
            Output::InstanceGone(instance) => {
                self.hear_lifecycle(now, lifecycle::Input::InstanceGone(instance));
                if let Some(node) = self.node_of(instance) {
                    self.await_cloud_look(now, node);
                }
            }
        }
    }

    pub(super) fn perform_lifecycle(&mut self, now: Instant, output: lifecycle::Output) {
        use lifecycle::Output;
        match output {
            Output::CreateFleet(claim, request) => {
                self.hear_ec2(now, ec2::Input::CreateFleet(claim, request));
            }
            Output::SetLaunched(id, instance, details) => {
                self.recorder.count(|counts| counts.launches += 1);
                self.change_claim(id, |claim| conditions::launched(claim, now, instance, *details));
            }
            Output::SetRegistered(id, node_id, registration) => {
                if let Some((claim, node)) = self.claim_and_node(id, node_id) {
                    conditions::registered(claim, node, now, node_id, *registration);
                    self.notify(Notice::NodeChanged(node_id));
                    self.notify(Notice::ClaimChanged(id));
                }
            }
            Output::SetInitialized(id, node_id) => {
                if let Some((claim, node)) = self.claim_and_node(id, node_id) {
                    conditions::initialized(claim, node, now);
                    self.notify(Notice::NodeChanged(node_id));
                    self.notify(Notice::ClaimChanged(id));
                }
            }
            Output::DeleteClaim(claim, reason) => {
                self.explain_claim_deletion(now, claim, reason.as_str());
                self.delete_claim(now, claim);
            }
            Output::TerminateInstance(instance) => self.hear_ec2(now, ec2::Input::Terminate(instance)),
            Output::Publish(event) => {
                self.explain_lifecycle(now, &event);
                if matches!(
                    event,
                    lifecycle::Event::Unavailable(..) | lifecycle::Event::AvailableAgain
                ) {
                    self.hear_disruption(now, disruption::Input::OfferingsChanged);
                }
            }
        }
    }

    fn claim_and_node(&mut self, claim: NodeClaimId, node: NodeId) -> Option<(&mut NodeClaim, &mut Node)> {
        Some((self.objects.claims.get_mut(claim)?, self.api.nodes.get_mut(node)?))
    }

    pub(super) fn node_of(&self, instance: InstanceId) -> Option<NodeId> {
        let of_instance = |(_, node): &(NodeId, &Node)| node.instance == Some(instance);
        self.api.nodes.iter().find(of_instance).map(|(id, _)| id)
    }

    /// A member of a node group has been there for long: ready, with the images of what is there from the start.
    pub(super) fn join_group_member(&mut self, now: Instant, id: InstanceId) {
        let instances = self.parts.ec2.instances();
        let Some(instance) = instances.get(id) else {
            return;
        };
        let Origin::Group(group) = instance.origin else {
            return;
        };
        let group = &self.scenario.node_groups[group];
        let object = node::of_group(id, instance, &self.scenario.catalog, group);
        let node = self.join(now, object);
        self.hear_kubelets(now, kubelet::Input::NetworkReady(node));
        if self.scenario.start.settled {
            let images = self.scenario.config.kubelet.images.keys();
            for image in images.filter(|image| self.scenario.objects.has_image(image)) {
                self.preload(node, image);
            }
        }
    }

    /// A node has an image from before the start.
    pub(super) fn preload(&mut self, node: NodeId, image: &str) {
        let kubelet = &self.scenario.config.kubelet;
        let size = kubelet.images.get(image).unwrap_or(&kubelet.default_image);
        if let Some(object) = self.api.nodes.get_mut(node) {
            object.images.insert(image.to_owned(), image_bytes(size));
        }
        self.parts.kubelets.preload(node, image);
    }

    /// The machine of a NodeClaim joins, set up as its node class was when it was launched.
    fn join_claimed(&mut self, now: Instant, id: InstanceId) {
        let Some(instance) = self.parts.ec2.instances().get(id) else {
            return;
        };
        let claimed = instance
            .claim()
            .and_then(|id| Some((id, self.objects.claims.get(id)?)));
        let Some((claim_id, claim)) = claimed else {
            return;
        };
        let Some(class) = &claim.made_by else {
            return;
        };
        let labels = conditions::bootstrap_labels(claim);
        let taints = conditions::bootstrap_taints(claim, &Profile::of(self.scenario.stack.karpenter));
        let bootstrap = Bootstrap {
            ami_family: class.ami_family,
            kubelet: &class.kubelet,
            ephemeral_storage: class.ephemeral_storage(instance.spec.instance_store_gb),
            labels: &labels,
            taints: &taints,
            claim: Some(claim_id),
        };
        let object = node::joining(now, id, instance, &self.scenario.catalog, &bootstrap);
        let node = self.join(now, object);
        self.explain_node(now, node);
    }

    /// A kubelet registers.
    fn join(&mut self, now: Instant, object: Node) -> NodeId {
        let machine = self.hardware(&object);
        let id = self.api.nodes.insert(object);
        self.recorder.touch();
        self.hear_kubelets(now, kubelet::Input::NodeUp(id));
        self.parts
            .traffic
            .handle(now, traffic::Input::NodeUp { node: id, machine });
        self.notify(Notice::NodeCreated(id));
        self.watch_health(now);
        id
    }

    /// What the load feels of a node.
    fn hardware(&self, object: &Node) -> traffic::Machine {
        let config = &self.scenario.traffic;
        let kind = match object.claim {
            Some(_) => traffic::NodeKind::Worker,
            None => traffic::NodeKind::System,
        };
        let mut machine = config.machine_of(spec_of(object), kind);
        // Two machines of a type are not equally fast.
        let number = object.instance.map_or(0, |instance| u64::from(instance.0));
        let deviate: f64 = StandardNormal.sample(&mut self.streams.stream("machine/speed", number));
        machine.speed *= libm::exp(config.cpu.speed_spread * deviate);
        machine
    }

    /// The device plugin has registered: the node's accelerators can be allocated.
    pub(super) fn devices_reported(&mut self, id: NodeId) {
        self.change_node(id, |object| {
            let spec = spec_of(object);
            node::add_devices(object, spec);
        });
    }

    /// Applies a change to a node object and tells the watchers.
    pub(super) fn change_node(&mut self, id: NodeId, change: impl FnOnce(&mut Node)) {
        if let Some(node) = self.api.nodes.get_mut(id) {
            change(node);
            self.recorder.touch();
            self.notify(Notice::NodeChanged(id));
        }
    }

    /// The network is up and the kubelet says so; the node controller takes the taints away.
    pub(super) fn node_ready(&mut self, now: Instant, id: NodeId) {
        self.hear_kubelets(now, kubelet::Input::NetworkReady(id));
        self.change_node(id, |object| node::set_ready(object, now));
    }

    pub(super) fn add_taint(&mut self, id: NodeId, taint: Taint) {
        if self
            .api
            .nodes
            .get(id)
            .is_some_and(|node| !node.taints.contains(&taint))
        {
            self.change_node(id, |node| node.taints.push(taint));
        }
    }

    pub(super) fn remove_taint(&mut self, id: NodeId, taint: &Taint) {
        if self
            .api
            .nodes
            .get(id)
            .is_some_and(|node| node.taints.contains(taint))
        {
            self.change_node(id, |node| node.taints.retain(|other| other != taint));
        }
    }

    pub(super) fn delete_node(&mut self, now: Instant, id: NodeId) {
        self.change_node(id, |node| {
            node.deleting.get_or_insert(now);
        });
    }

    /// Takes the Node object away. Pods of DaemonSets go with it, others are left to the garbage collector.
    pub(super) fn remove_node(&mut self, id: NodeId) {
        if self.api.nodes.remove(id).is_none() {
            return;
        }
        self.recorder.touch();
        self.notify(Notice::NodeGone(id));
        let (daemons, others): (Vec<PodId>, Vec<PodId>) = self
            .api
            .pods_on(id)
            .iter()
            .partition(|&&pod| self.is_of_daemon_set(pod));
        for pod in daemons {
            self.remove_pod(pod);
        }
        if !others.is_empty() {
            self.agenda.after(QUARANTINE, Event::CollectPods);
        }
    }

    fn is_of_daemon_set(&self, pod: PodId) -> bool {
        let owner = self.api.pods.get(pod).map(|pod| pod.owner);
        matches!(owner, Some(Owner::DaemonSet(_)))
    }

    /// The pods whose node has been gone for the time of quarantine are deleted at the collector's next
    /// look (`gcOrphaned`).
    pub(super) fn collect_pods(&mut self, now: Instant) {
        let period = POD_GC.as_nanos() as u64;
        if !now.as_nanos().is_multiple_of(period) {
            let next = (now.as_nanos() / period + 1) * period;
            return self.agenda.at(Instant::from_nanos(next), Event::CollectPods);
        }
        let gone = |node: Option<NodeId>| node.is_some_and(|node| self.api.nodes.get(node).is_none());
        let orphans: Vec<PodId> = self
            .api
            .pods
            .iter()
            .filter(|(_, pod)| gone(pod.node))
            .map(|(id, _)| id)
            .collect();
        for pod in orphans {
            self.remove_pod(pod);
        }
    }
}

/// How big an image is, as the node's status says: its manifest, its configuration and its layers as they came over
/// the network, whatever they take on the disk (containerd v2.1.4 internal/cri/store/image/image.go `getImage`;
/// v1.7.27 pkg/cri/store/image/image.go `getImage`).
pub(super) fn image_bytes(size: &kubelet::ImageSize) -> Bytes {
    Bytes(size.compressed as i64)
}

/// The hardware of a node's instance type.
fn spec_of(object: &Node) -> &'static InstanceSpec {
    catalog::find(object.instance_type()).expect("a node is of a type that the catalog knows")
}
