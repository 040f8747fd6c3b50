//! What must hold after every event, whatever happens.

use sim::Instant;

use super::Cluster;
use crate::api::Phase;
use crate::ec2::Instance;
use crate::quantity::Resources;

impl Cluster<'_> {
    /// Checks the state of everything.
    ///
    /// # Panics
    ///
    /// When something is wrong, saying what.
    pub(super) fn audit(&mut self, now: Instant) {
        self.no_node_is_over_committed(now);
        self.no_pod_runs_on_a_dead_machine(now);
        self.no_request_is_lost(now);
        self.every_billed_second_has_a_machine(now);
    }

    fn no_node_is_over_committed(&self, now: Instant) {
        for (id, node) in self.api.nodes.iter() {
            let mut requested = Resources::default();
            for pod in self
                .api
                .pods_on(id)
                .iter()
                .filter_map(|&pod| self.api.pods.get(pod))
            {
                if !pod.is_terminal() {
                    requested += &pod.spec().requests();
                }
            }
            assert!(
                requested.fits(&node.allocatable),
                "{now}: {} has {:?} and is asked for {requested:?}",
                node.name,
                node.allocatable
            );
        }
    }

    /// A pod may be bound to a node whose machine has just gone, but no machine of EC2's past runs one.
    fn no_pod_runs_on_a_dead_machine(&self, now: Instant) {
        for (_, pod) in self.api.pods.iter() {
            let Some(node) = pod.node else {
                assert!(pod.phase == Phase::Pending, "{now}: {} runs nowhere", pod.name);
                continue;
            };
            let joined = self.api.nodes.get(node).is_some_and(|node| node.created <= now);
            let orphaned = self.api.nodes.get(node).is_none();
            assert!(
                joined || orphaned,
                "{now}: {} is on a node of the future",
                pod.name
            );
            let ready = pod.is_ready() && pod.created > now;
            assert!(!ready, "{now}: {} is ready before it was made", pod.name);
        }
    }

    fn no_request_is_lost(&mut self, now: Instant) {
        let stats = self.parts.traffic.stats(now);
        let known = stats.served + stats.failed + stats.in_flight;
        let slack = 1e-6 * stats.sent.max(1.0);
        assert!(
            (stats.sent - known).abs() <= slack,
            "{now}: {} requests were sent, {} served, {} failed, {} are in flight",
            stats.sent,
            stats.served,
            stats.failed,
            stats.in_flight
        );
    }

    fn every_billed_second_has_a_machine(&self, now: Instant) {
        let billed: f64 = self
            .parts
            .ec2
            .bill(now)
            .values()
            .map(|bill| bill.node_hours * 3600.0)
            .sum();
        let lived = |instance: &Instance| instance.gone.unwrap_or(now).since(instance.launched);
        let instances = self.parts.ec2.instances().iter();
        let known: f64 = instances.map(|(_, instance)| lived(instance).as_secs_f64()).sum();
        assert!(
            (billed - known).abs() < 1e-3,
            "{now}: {billed} s are billed, {known} s were lived"
        );
    }
}
