//! What of a NodePool the API server keeps.
//!
//! A field that the release's custom resource does not have is dropped when the object is stored, and nobody is told:
//! Karpenter never sees it.

use super::node_pool::NodePool;
use super::requirement::{Name, Requirement};
use super::requirements::Requirements;
use super::version::Profile;

impl NodePool {
    /// Drops what the custom resource of that release does not have (karpenter v0.35.0
    /// pkg/apis/v1beta1/nodeclaim.go `NodeSelectorRequirementWithMinValues`; v1.8.0 pkg/apis/v1/nodepool.go
    /// `NodePoolSpec`).
    pub fn drop_unserved(&mut self, profile: &Profile) {
        if !profile.static_capacity {
            self.replicas = None;
        }
        if !profile.min_values {
            let without =
                |(key, own): (&Name, &Requirement)| (key.clone(), own.clone().with_min_values(None));
            self.requirements = self.requirements.iter().map(without).collect::<Requirements>();
        }
    }
}
