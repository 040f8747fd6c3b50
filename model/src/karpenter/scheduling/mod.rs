//! The scheduling simulation: which pods go on which nodes, and which new nodes that takes
//! (karpenter v1.14 pkg/controllers/provisioning/scheduling/scheduler.go `Solve`).
//!
//! It is first fit, decreasing. Each pod, biggest first, goes on the first node that takes it, in order of
//! names; else on the claim of this pass with the fewest pods; else it opens a claim, of the heaviest
//! NodePool that can hold it. A claim is not a machine yet: it keeps every instance type on which all its
//! pods fit, and narrows that set with each pod.
//!
//! [`solve`] is a pure function of a [`World`], a [`Request`] and a stream of chance. Provisioning and
//! disruption call the same one: disruption leaves its candidates out of [`Request::nodes`] and puts their
//! pods into [`Request::pods`].
//!
//! Left out: volumes, dynamic resource allocation, NodeOverlays, capacity buffers. Where upstream's order
//! follows a Go map, chance decides; where it follows an unstable sort, order of age.

mod catalog;
mod daemons;
mod existing_node;
mod failure;
mod host_port;
mod new_claim;
mod pod_kind;
mod preferences;
mod queue;
mod reservations;
mod solve;
mod template;
mod topology;
mod topology_group;
mod type_set;

use std::sync::Arc;
use std::time::Duration;

use sim::{Instant, SortedMap, SortedSet};

use super::instance_type::InstanceTypes;
use super::node_pool::NodePool;
use super::state::StateNode;
use super::version::{Profile, ReservedCapacity};
use crate::api::{Labels, Node, Pod, PodTemplate};
use crate::id::{NodeId, NodePoolId, PodId, Table};

pub(crate) use catalog::Catalog;
pub use failure::{Failure, TypesExhausted};
pub use new_claim::{NewClaim, generate_name};
pub(crate) use preferences::heaviest;
pub use solve::solve;
pub use template::{Templates, order_by_weight};
pub use topology::Unsatisfiable;
pub use topology_group::Kind;

/// PREFERENCE_POLICY
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PreferencePolicy {
    /// Preferences count as requirements until they are given up.
    #[default]
    Respect,
    /// Preferences do not count.
    Ignore,
}

/// MIN_VALUES_POLICY
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MinValuesPolicy {
    /// A claim whose types span too few values is not made.
    #[default]
    Strict,
    /// It is made all the same.
    BestEffort,
}

/// How long a pass takes in simulated time: not upstream's rule but a measure of its speed.
///
/// A documented sample shows about 0.1 s for five pods (karpenter-provider-aws v1.14
/// website/content/en/docs/concepts/nodeclaims.md).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// For the pass itself.
    pub base: Duration,
    /// For each pod that is tried on each node, claim or template.
    pub per_attempt: Duration,
}

impl Default for Cost {
    fn default() -> Self {
        Cost {
            base: Duration::from_millis(100),
            per_attempt: Duration::from_micros(20),
        }
    }
}

/// What an operator can set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// PREFERENCE_POLICY (default Respect)
    pub preference_policy: PreferencePolicy,
    /// MIN_VALUES_POLICY (default Strict)
    pub min_values_policy: MinValuesPolicy,
    /// The feature gate ReservedCapacity
    pub reserved_capacity: bool,
    /// BATCH_IDLE_DURATION
    pub batch_idle_duration: Duration,
    /// BATCH_MAX_DURATION
    pub batch_max_duration: Duration,
    /// How long a pass takes.
    pub cost: Cost,
}

impl Settings {
    /// BATCH_IDLE_DURATION (karpenter v1.14 pkg/operator/options/options.go; the same since v0.32).
    pub const BATCH_IDLE_DURATION: Duration = Duration::from_secs(1);
    /// BATCH_MAX_DURATION (ditto).
    pub const BATCH_MAX_DURATION: Duration = Duration::from_secs(10);

    /// What a release does if nothing is set.
    #[must_use]
    pub fn of(profile: &Profile) -> Self {
        Settings {
            preference_policy: PreferencePolicy::Respect,
            min_values_policy: MinValuesPolicy::Strict,
            reserved_capacity: profile.reserved_capacity == ReservedCapacity::GateOn,
            batch_idle_duration: Settings::BATCH_IDLE_DURATION,
            batch_max_duration: Settings::BATCH_MAX_DURATION,
            cost: Cost::default(),
        }
    }

    /// How long a nomination holds (karpenter v1.14 pkg/controllers/state/statenode.go `nominationWindow`).
    #[must_use]
    pub fn nomination_window(&self) -> Duration {
        (self.batch_max_duration * 2).max(Duration::from_secs(10))
    }
}

/// What every pass looks at.
#[derive(Debug, Clone, Copy)]
pub struct World<'a> {
    /// What this release does.
    pub profile: &'a Profile,
    /// What the operator set.
    pub settings: &'a Settings,
    /// All NodePools.
    pub pools: &'a Table<NodePoolId, NodePool>,
    /// What the provider offers for each, with availability as it knows it now.
    pub instance_types: &'a SortedMap<NodePoolId, InstanceTypes>,
    /// The pods that DaemonSets put on nodes.
    pub daemons: &'a [Arc<PodTemplate>],
    /// All pods.
    pub pods: &'a Table<PodId, Pod>,
    /// All nodes.
    pub nodes: &'a Table<NodeId, Node>,
    /// Labels of namespaces; one that is not listed has its name as its only label.
    pub namespaces: &'a SortedMap<String, Labels>,
}

/// What a pass is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To make room for pods. A pod that could have reserved capacity waits for it.
    Provisioning,
    /// To see whether nodes can go: drift, expiration.
    Disruption,
    /// To see whether nodes should go. Nodes within `consolidate_after` are no destination, in releases
    /// that have this rule, but for pods that are pending or on nodes that are going anyway.
    Consolidation,
}

/// One question: where would these pods go, on these nodes?
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// When it is asked.
    pub now: Instant,
    /// What for.
    pub purpose: Purpose,
    /// The nodes that count: neither marked for deletion nor candidates.
    pub nodes: &'a [&'a StateNode<'a>],
    /// Nodes that are marked for deletion.
    pub deleting: &'a SortedSet<NodeId>,
    /// The pods to place, in any order.
    pub pods: &'a [PodId],
}

/// Pods that go on a node that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// The node's position in [`Request::nodes`].
    pub node: usize,
    /// The pods, in the order in which they were placed.
    pub pods: Vec<PodId>,
}

/// The answer.
#[derive(Debug, Clone)]
pub struct Results {
    /// Claims to make.
    pub new_claims: Vec<NewClaim>,
    /// Nodes that get pods, in the order in which nodes were tried.
    pub existing: Vec<Placement>,
    /// Pods that go nowhere, and why.
    pub failures: SortedMap<PodId, Arc<Failure>>,
    /// Pods that were not looked at before time ran out.
    pub untried: Vec<PodId>,
    /// How long the pass takes in simulated time.
    pub duration: Duration,
}

impl Results {
    /// Keeps the cheapest instance types of each claim; a claim whose types then span too few values is not
    /// made (`TruncateInstanceTypes`).
    pub fn truncate_instance_types(&mut self, max: usize, policy: MinValuesPolicy) {
        let failures = &mut self.failures;
        self.new_claims
            .retain_mut(|claim| match claim.truncate(max, policy) {
                Ok(()) => true,
                Err(failure) => {
                    let failure = Arc::new(failure);
                    failures.extend(claim.pods.iter().map(|pod| (*pod, failure.clone())));
                    false
                }
            });
    }

    /// Whether every pod that runs now would run again; pods that are pending anyway do not count
    /// (`AllNonPendingPodsScheduled`).
    #[must_use]
    pub fn all_non_pending_pods_scheduled(&self, pods: &Table<PodId, Pod>) -> bool {
        let pending = |id: &PodId| pods.get(*id).is_none_or(super::pod::is_provisionable);
        self.failures.keys().chain(&self.untried).all(pending)
    }
}
