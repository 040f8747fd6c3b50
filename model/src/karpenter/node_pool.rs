//! NodePools: which nodes may be made, how many, and when they may go
//! (karpenter v1.14 pkg/apis/v1/nodepool.go).

use std::time::Duration;

use sim::SortedMap;

use super::labels;
use super::requirement::{Name, Requirement};
use super::requirements::Requirements;
use crate::api::{Labels, Taint};
use crate::catalog::kubelet::Kubelet;
use crate::quantity::{Bytes, MilliCpu, ResourceName, Resources};

/// A NodePool.
#[derive(Debug, Clone, PartialEq)]
pub struct NodePool {
    /// metadata.name
    pub name: Name,
    /// spec.weight: higher goes first; 0 if none is given.
    pub weight: u32,
    /// spec.template.metadata.labels
    pub labels: Labels,
    /// spec.template.metadata.annotations
    pub annotations: Labels,
    /// spec.template.spec.requirements
    pub requirements: Requirements,
    /// spec.template.spec.taints
    pub taints: Vec<Taint>,
    /// spec.template.spec.startupTaints
    pub startup_taints: Vec<Taint>,
    /// spec.template.spec.nodeClassRef.name
    pub node_class: Name,
    /// spec.template.spec.kubelet of v1beta1: takes the place of the node class's.
    pub kubelet: Option<Kubelet>,
    /// The same as written, whatever its order: part of the hash by which nodes drift.
    pub hashed_kubelet: String,
    /// The same where hashes see of quantities but how they are written.
    pub hashed_kubelet_by_format: String,
    /// spec.template.spec.expireAfter (v1beta1: spec.disruption.expireAfter); `None` is Never.
    pub expire_after: Option<Duration>,
    /// spec.template.spec.terminationGracePeriod
    pub termination_grace_period: Option<Duration>,
    /// spec.limits
    pub limits: Limits,
    /// spec.disruption
    pub disruption: Disruption,
    /// spec.replicas: a static pool, which provisions for no pod.
    pub replicas: Option<u32>,
}

impl NodePool {
    /// What holds for every node of the pool: requirements, labels, and the pool's own label
    /// (karpenter v1.14 pkg/controllers/provisioning/scheduling/nodeclaimtemplate.go
    /// `NewNodeClaimTemplate`).
    #[must_use]
    pub fn template_requirements(&self) -> Requirements {
        let mut requirements = self.requirements.clone();
        requirements.add_all(&Requirements::from_labels(&self.labels));
        requirements.add(labels::NODE_POOL, Requirement::only(self.name.clone()));
        requirements.add(labels::NODE_CLASS, Requirement::only(self.node_class.clone()));
        requirements
    }
}

/// spec.limits: the most that the nodes of a pool may have together. What is not named is not limited.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    /// `cpu`
    pub cpu: Option<MilliCpu>,
    /// `memory`
    pub memory: Option<Bytes>,
    /// `ephemeral-storage`
    pub ephemeral_storage: Option<Bytes>,
    /// `pods`
    pub pods: Option<i64>,
    /// `nodes`
    pub nodes: Option<i64>,
    /// Extended resources.
    pub extended: SortedMap<ResourceName, i64>,
}

impl Limits {
    /// Whether nothing is limited.
    #[must_use]
    pub fn is_unlimited(&self) -> bool {
        *self == Limits::default()
    }

    /// What remains after so many nodes with this capacity together. It may be negative.
    #[must_use]
    pub fn less(&self, capacity: &Resources, nodes: i64) -> Limits {
        let left = |(name, limit): (&ResourceName, &i64)| (name.clone(), limit - capacity.extended(name));
        Limits {
            cpu: self.cpu.map(|limit| limit - capacity.cpu),
            memory: self.memory.map(|limit| limit - capacity.memory),
            ephemeral_storage: self
                .ephemeral_storage
                .map(|limit| limit - capacity.ephemeral_storage),
            pods: self.pods.map(|limit| limit - capacity.pods),
            nodes: self.nodes.map(|limit| limit - nodes),
            extended: self.extended.iter().map(left).collect(),
        }
    }

    /// Whether one more node with this capacity stays within. Nodes are not counted here
    /// (karpenter v1.14 pkg/controllers/provisioning/scheduling/scheduler.go `filterByRemainingResources`).
    #[must_use]
    pub fn admit(&self, capacity: &Resources) -> bool {
        self.cpu.is_none_or(|limit| capacity.cpu <= limit)
            && self.memory.is_none_or(|limit| capacity.memory <= limit)
            && self
                .ephemeral_storage
                .is_none_or(|limit| capacity.ephemeral_storage <= limit)
            && self.pods.is_none_or(|limit| capacity.pods <= limit)
            && self
                .extended
                .iter()
                .all(|(name, limit)| capacity.extended(name) <= *limit)
    }

    /// The name of a resource of which less than nothing remains.
    #[must_use]
    pub fn exceeded(&self) -> Option<&str> {
        let negative = |name, left: Option<i64>| left.is_some_and(|left| left < 0).then_some(name);
        negative("cpu", self.cpu.map(|left| left.0))
            .or_else(|| negative("memory", self.memory.map(|left| left.0)))
            .or_else(|| negative("ephemeral-storage", self.ephemeral_storage.map(|left| left.0)))
            .or_else(|| negative("pods", self.pods))
            .or_else(|| negative("nodes", self.nodes))
            .or_else(|| {
                self.extended
                    .iter()
                    .find(|(_, left)| **left < 0)
                    .map(|(name, _)| &**name)
            })
    }
}

/// spec.disruption.consolidationPolicy
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConsolidationPolicy {
    /// Only nodes without pods.
    WhenEmpty,
    /// Also nodes whose pods would fit elsewhere or on something cheaper (v1beta1: `WhenUnderutilized`).
    WhenEmptyOrUnderutilized,
    /// The same, if what is saved is worth the disruption (from v1.14).
    Balanced,
}

/// Why a node is disrupted, as far as budgets tell reasons apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// `Empty`
    Empty,
    /// `Underutilized`
    Underutilized,
    /// `Drifted`
    Drifted,
}

/// spec.disruption
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disruption {
    /// consolidationPolicy
    pub consolidation_policy: ConsolidationPolicy,
    /// consolidateAfter; `None` is Never. In v1beta1 with `WhenUnderutilized` it is zero.
    pub consolidate_after: Option<Duration>,
    /// budgets
    pub budgets: Vec<Budget>,
}

/// How many nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nodes {
    /// So many.
    Count(u32),
    /// So many per cent of the pool's nodes, rounded up.
    Percent(u32),
}

/// One of spec.disruption.budgets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budget {
    /// reasons; empty means all.
    pub reasons: Vec<Reason>,
    /// nodes
    pub nodes: Nodes,
    /// schedule and duration; without, the budget always holds.
    pub window: Option<Window>,
}

/// When a budget holds: from each time that a cron schedule (in UTC) names, for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// schedule, as written.
    pub schedule: String,
    /// duration
    pub duration: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nodes_have_is_taken_off_the_limits() {
        let limits = Limits {
            cpu: Some(MilliCpu(10_000)),
            nodes: Some(10),
            ..Limits::default()
        };
        let capacity = Resources {
            cpu: MilliCpu(12_000),
            ..Resources::default()
        };
        let left = limits.less(&capacity, 3);
        assert_eq!((left.cpu, left.nodes), (Some(MilliCpu(-2_000)), Some(7)));
        assert_eq!(left.memory, None, "what is not limited stays so");
    }
}
