//! Karpenter core: which nodes the cluster should have.
//!
//! The provisioner turns pods that kube-scheduler could not place into NodeClaims; the provider launches
//! them; disruption takes away what is no longer needed. Everything turns on one pure function,
//! [`scheduling::solve`], which packs pods onto a snapshot of the cluster: provisioning calls it with the
//! pending pods, disruption calls it with candidates taken out.
//!
//! Behaviour depends on the release; [`version::Profile`] holds each difference as a named switch.

pub mod batcher;
pub mod claim_status;
pub mod disruption;
mod duration;
#[cfg(test)]
pub(crate) mod fixture;
pub mod instance_type;
pub mod labels;
pub mod lifecycle;
pub mod node_pool;
mod pdb;
pub mod pod;
pub mod provider;
pub mod provisioner;
pub mod requirement;
pub mod requirements;
pub mod scheduling;
mod served;
pub mod state;
pub mod termination;
pub mod version;

pub(crate) use instance_type::Wanted;
pub use instance_type::{CapacityType, InstanceType, InstanceTypes, Offering, Reservation};
pub use lifecycle::Lifecycle;
pub use node_pool::NodePool;
pub use provider::{NodeClass, Provider};
pub use provisioner::Provisioner;
pub use requirement::Requirement;
pub use requirements::Requirements;
pub use state::{ClusterState, NodeClaim, Snapshot, StateNode};
pub use version::{LATEST, OLDEST, Profile};
