//! Objects as the API server holds them.
//!
//! These are the model's own types: what the controllers decide on, with units and defaults resolved.
//! They are not serializable; manifests have types of their own ([`crate::manifest`]) that are converted
//! into these.

mod by_template;
mod meta;
mod node;
mod pdb;
mod pod;
mod pod_spec;
mod served;
mod store;
mod workload;

pub(crate) use by_template::ByTemplate;
pub use meta::{Expression, LabelSelector, Labels, Operator};
pub use node::{Node, Taint, TaintEffect};
pub use pdb::{Budget, BudgetStatus, Eviction, PodDisruptionBudget, may_evict};
pub use pod::{Condition, Deletion, Owner, Phase, Pod, PodTemplate, Restarts};
pub use pod_spec::{
    Affinity, Container, ContainerPort, HttpProbe, ImageRef, NodeSelectorTerm, PodAffinityTerm,
    PodLevelResources, PodSpec, PreemptionPolicy, PreferredNodeTerm, Protocol, SpreadConstraint, Toleration,
    WeightedPodTerm, WhenUnsatisfiable,
};
pub use served::Gated;
pub use store::Api;
pub use workload::{
    DaemonSet, Deployment, IntOrPercent, POD_TEMPLATE_HASH, ReplicaSet, RollingUpdateDaemonSet, Service,
    Strategy,
};
