//! The API server's store.

use sim::SortedMap;

use super::node::Node;
use super::pdb::PodDisruptionBudget;
use super::pod::{Owner, Pod};
use super::workload::{DaemonSet, Deployment, ReplicaSet, Service};
use crate::id::{DaemonSetId, DeploymentId, NodeId, PodId, ReplicaSetId, ServiceId, Table};

/// What the API server holds. Controllers read it through their views; only the cluster writes it.
#[derive(Debug, Clone, Default)]
pub struct Api {
    /// Pods. Add, bind and remove them through this store's functions, which keep the indices.
    pub pods: Table<PodId, Pod>,
    /// Nodes
    pub nodes: Table<NodeId, Node>,
    /// Deployments
    pub deployments: Table<DeploymentId, Deployment>,
    /// ReplicaSets
    pub replica_sets: Table<ReplicaSetId, ReplicaSet>,
    /// DaemonSets
    pub daemon_sets: Table<DaemonSetId, DaemonSet>,
    /// Services
    pub services: Table<ServiceId, Service>,
    /// PodDisruptionBudgets
    pub pdbs: Vec<PodDisruptionBudget>,
    by_owner: SortedMap<Owner, Vec<PodId>>,
    by_node: SortedMap<NodeId, Vec<PodId>>,
}

impl Api {
    /// Stores a pod.
    pub fn add_pod(&mut self, pod: Pod) -> PodId {
        let (owner, node) = (pod.owner, pod.node);
        let id = self.pods.insert(pod);
        self.by_owner.entry(owner).or_default().push(id);
        if let Some(node) = node {
            self.by_node.entry(node).or_default().push(id);
        }
        id
    }

    /// Sets spec.nodeName of a pod.
    ///
    /// # Panics
    ///
    /// When the pod is gone or bound already: only a bug binds twice.
    pub fn bind_pod(&mut self, id: PodId, node: NodeId) {
        let pod = self.pods.get_mut(id).expect("a pod that is bound exists");
        assert!(pod.node.is_none(), "{} is bound already", pod.name);
        pod.node = Some(node);
        pod.unschedulable = false;
        pod.nominated_node = None;
        self.by_node.entry(node).or_default().push(id);
    }

    /// Removes a pod object.
    pub fn remove_pod(&mut self, id: PodId) -> Option<Pod> {
        let pod = self.pods.remove(id)?;
        if let Some(ids) = self.by_owner.get_mut(&pod.owner) {
            ids.retain(|other| *other != id);
        }
        if let Some(ids) = pod.node.and_then(|node| self.by_node.get_mut(&node)) {
            ids.retain(|other| *other != id);
        }
        Some(pod)
    }

    /// The pods of a controller, oldest first.
    #[must_use]
    pub fn pods_of(&self, owner: Owner) -> &[PodId] {
        self.by_owner.get(&owner).map_or(&[], Vec::as_slice)
    }

    /// The pods of a ReplicaSet, oldest first.
    #[must_use]
    pub fn pods_of_replica_set(&self, id: ReplicaSetId) -> &[PodId] {
        match self.replica_sets.get(id) {
            Some(set) => self.pods_of(Owner::ReplicaSet(id, set.deployment)),
            None => &[],
        }
    }

    /// The ReplicaSets of a Deployment, oldest first.
    pub fn replica_sets_of(
        &self,
        deployment: DeploymentId,
    ) -> impl DoubleEndedIterator<Item = (ReplicaSetId, &ReplicaSet)> + '_ {
        self.replica_sets
            .iter()
            .filter(move |(_, set)| set.deployment == deployment)
    }

    /// All pods of a Deployment.
    pub fn pods_of_deployment(&self, deployment: DeploymentId) -> impl Iterator<Item = (PodId, &Pod)> + '_ {
        self.replica_sets_of(deployment)
            .flat_map(move |(id, _)| self.pods_of(Owner::ReplicaSet(id, deployment)))
            .filter_map(|&id| Some((id, self.pods.get(id)?)))
    }

    /// The pods bound to a node, in order of binding.
    #[must_use]
    pub fn pods_on(&self, node: NodeId) -> &[PodId] {
        self.by_node.get(&node).map_or(&[], Vec::as_slice)
    }
}
