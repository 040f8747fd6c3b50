//! Watching a run from outside, as a client of the API server and of EC2 would.

use sim::Instant;

use super::{Cluster, Notice};
use crate::api::Api;
use crate::ec2::Instance;
use crate::hpa::Hpa;
use crate::id::{HpaId, InstanceId, NodeClaimId, NodePoolId, ScaledObjectId, Table};
use crate::karpenter::{NodeClaim, NodePool};
use crate::keda::ScaledObject;

/// Somebody who watches a run and changes nothing.
pub trait Watcher {
    /// All watches deliver `notice` now. Objects are as they are at its delivery, which is later than what it was
    /// about by the watch delay.
    fn hear(&mut self, now: Instant, notice: Notice, seen: Seen<'_>);

    /// Something has happened. Status writes of the HPA controller and states of machines have no notice: compare
    /// them with what they were.
    fn look(&mut self, _now: Instant, _seen: Seen<'_>) {}

    /// The run is over.
    fn end(&mut self, _now: Instant, _seen: Seen<'_>) {}
}

/// What a watcher sees.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// Pods, nodes, workloads.
    pub api: &'a Api,
    /// HorizontalPodAutoscalers.
    pub hpas: &'a Table<HpaId, Hpa>,
    /// ScaledObjects.
    pub scaled_objects: &'a Table<ScaledObjectId, ScaledObject>,
    /// NodePools.
    pub pools: &'a Table<NodePoolId, NodePool>,
    /// NodeClaims.
    pub claims: &'a Table<NodeClaimId, NodeClaim>,
    /// Machines.
    pub instances: &'a Table<InstanceId, Instance>,
}

impl Cluster<'_> {
    pub(super) fn seen(&self) -> Seen<'_> {
        Seen {
            api: &self.api,
            hpas: &self.objects.hpas,
            scaled_objects: &self.objects.scaled_objects,
            pools: &self.objects.pools,
            claims: &self.objects.claims,
            instances: self.parts.ec2.instances(),
        }
    }
}
