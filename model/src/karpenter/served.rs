//! What of a NodePool and of an EC2NodeClass the API server keeps.
//!
//! A field that the release's custom resource does not have is dropped when the object is stored, and nobody is told:
//! Karpenter never sees it.

use super::node_pool::NodePool;
use super::provider::NodeClass;
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
        // Nobody counts nodes yet (karpenter v1.0.0 pkg/controllers/nodepool/counter/controller.go `BaseResources`).
        if !profile.api_v1 {
            self.limits.nodes = None;
        }
        if !profile.min_values {
            let without =
                |(key, own): (&Name, &Requirement)| (key.clone(), own.clone().with_min_values(None));
            self.requirements = self.requirements.iter().map(without).collect::<Requirements>();
        }
    }
}

impl NodeClass {
    /// Drops what the custom resource of that release does not have (karpenter-provider-aws v0.34.0
    /// pkg/apis/v1beta1/ec2nodeclass.go `EC2NodeClassSpec`).
    pub fn drop_unserved(&mut self, profile: &Profile) {
        if !profile.instance_store_policy {
            self.instance_store_raid0 = false;
            for hashed in [&mut self.hashed, &mut self.hashed_by_format] {
                let parts = hashed.split(';');
                let kept = parts.filter(|part| !part.starts_with("instanceStorePolicy="));
                *hashed = kept.collect::<Vec<_>>().join(";");
            }
        }
    }
}
