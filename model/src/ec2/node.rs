//! Node objects as a kubelet on EC2 registers them.
//!
//! What a node has when it joins: the cloud's labels, the labels and taints that its user data gives it, a
//! not-ready taint from admission, capacity and allocatable by the kubelet's own reckoning, no images, no
//! devices. Devices appear when their plugin runs ([`add_devices`]), readiness when the network is up
//! ([`set_ready`]).

use std::sync::Arc;

use sim::{Instant, SortedMap};

use super::config::NodeGroup;
use super::instance::Instance;
use crate::api::{Labels, Node, Taint, TaintEffect};
use crate::catalog::kubelet::{AmiFamily, Kubelet};
use crate::catalog::{Catalog, InstanceSpec, capacity};
use crate::id::{InstanceId, NodeClaimId};
use crate::karpenter::CapacityType;
use crate::quantity::{Bytes, MilliCpu, Resources};

/// How a machine is set up to join.
#[derive(Debug, Clone, Copy)]
pub struct Bootstrap<'a> {
    /// The image family.
    pub ami_family: AmiFamily,
    /// The kubelet's settings.
    pub kubelet: &'a Kubelet,
    /// The size of the file system for images, containers and emptyDirs.
    pub ephemeral_storage: Bytes,
    /// Labels that the kubelet registers with.
    pub labels: &'a Labels,
    /// Taints that the kubelet registers with.
    pub taints: &'a [Taint],
    /// The NodeClaim that it was made for.
    pub claim: Option<NodeClaimId>,
}

/// The Node object of a machine that joins at `now`.
#[must_use]
pub fn joining(
    now: Instant,
    id: InstanceId,
    instance: &Instance,
    catalog: &Catalog,
    bootstrap: &Bootstrap<'_>,
) -> Node {
    let spec = instance.spec;
    let capacity = capacity(spec, bootstrap);
    let overhead = bootstrap
        .kubelet
        .overhead(spec, bootstrap.ami_family, &capacity, false);
    let name = format!("{}.{}", instance.address, private_domain(catalog.region()));
    let mut taints = bootstrap.taints.to_vec();
    taints.push(Taint::new(Taint::NOT_READY, TaintEffect::NoSchedule));
    Node {
        labels: Arc::new(labels(&name, instance, catalog, bootstrap.labels)),
        name,
        annotations: Labels::new(),
        created: now,
        deleting: None,
        taints,
        unschedulable: false,
        allocatable: capacity.clone() - &overhead,
        capacity,
        ready: false,
        ready_since: now,
        images: SortedMap::new(),
        claim: bootstrap.claim,
        instance: Some(id),
    }
}

/// The domain of private names (Amazon VPC user guide, DNS attributes of a VPC: the first region has another).
fn private_domain(region: &str) -> String {
    match region {
        "us-east-1" => "ec2.internal".to_owned(),
        _ => format!("{region}.compute.internal"),
    }
}

/// The Node object of a member of a node group, which has been there for long: ready, with its devices.
#[must_use]
pub fn of_group(id: InstanceId, instance: &Instance, catalog: &Catalog, group: &NodeGroup) -> Node {
    let mut labels = group.labels.clone();
    labels.insert("eks.amazonaws.com/nodegroup".to_owned(), group.name.clone());
    let capacity_type = match group.capacity_type {
        CapacityType::Spot => "SPOT",
        CapacityType::OnDemand => "ON_DEMAND",
        CapacityType::Reserved => "CAPACITY_BLOCK",
    };
    labels.insert(
        "eks.amazonaws.com/capacityType".to_owned(),
        capacity_type.to_owned(),
    );
    let storage = group.volumes.iter().find(|volume| volume.root);
    let bootstrap = Bootstrap {
        ami_family: group.ami_family,
        kubelet: &group.kubelet,
        ephemeral_storage: storage.map_or(Bytes::from_gib(20), |volume| volume.size),
        labels: &labels,
        taints: &group.taints,
        claim: None,
    };
    let mut node = joining(Instant::ZERO, id, instance, catalog, &bootstrap);
    set_ready(&mut node, Instant::ZERO);
    add_devices(&mut node, instance.spec);
    node
}

/// The kubelet reports Ready, and the node controller takes away at once the taint that keeps new pods off.
pub fn set_ready(node: &mut Node, now: Instant) {
    node.ready = true;
    node.ready_since = now;
    node.taints
        .retain(|taint| taint.key != Taint::NOT_READY || taint.effect != TaintEffect::NoSchedule);
}

/// The device plugins have registered: GPUs and the like appear, all of them free.
pub fn add_devices(node: &mut Node, spec: &InstanceSpec) {
    for (name, count) in capacity::device_resources(spec) {
        node.capacity.extended.insert(name.clone(), count);
        node.allocatable.extended.insert(name, count);
    }
}

/// What the kubelet reports that the machine has.
fn capacity(spec: &InstanceSpec, bootstrap: &Bootstrap<'_>) -> Resources {
    Resources {
        cpu: MilliCpu(i64::from(spec.vcpus) * 1000),
        memory: capacity::guest_memory(spec),
        ephemeral_storage: bootstrap.ephemeral_storage,
        pods: bootstrap.kubelet.pods(spec, bootstrap.ami_family, 0),
        ..Resources::default()
    }
}

/// The labels of cloud provider and kubelet, former names included, since dashboards still ask for them.
fn labels(name: &str, instance: &Instance, catalog: &Catalog, own: &Labels) -> Labels {
    let spec = instance.spec;
    let mut labels = own.clone();
    let zone_id = catalog
        .zones()
        .iter()
        .find(|zone| zone.name == instance.zone)
        .map_or("", |zone| zone.id);
    for (key, value) in [
        ("beta.kubernetes.io/arch", spec.arch.as_str()),
        ("beta.kubernetes.io/instance-type", spec.name),
        ("beta.kubernetes.io/os", "linux"),
        ("failure-domain.beta.kubernetes.io/region", catalog.region()),
        ("failure-domain.beta.kubernetes.io/zone", &instance.zone),
        ("kubernetes.io/arch", spec.arch.as_str()),
        ("kubernetes.io/hostname", name),
        ("kubernetes.io/os", "linux"),
        ("node.kubernetes.io/instance-type", spec.name),
        ("topology.k8s.aws/zone-id", zone_id),
        ("topology.kubernetes.io/region", catalog.region()),
        ("topology.kubernetes.io/zone", &instance.zone),
    ] {
        labels.insert(key.to_owned(), value.to_owned());
    }
    labels
}
