//! Placing pods on nodes that are there, or launched and on their way
//! (karpenter v1.14 pkg/controllers/provisioning/scheduling/existingnode.go).

use std::borrow::Cow;

use sim::Stream;

use super::daemons::Daemon;
use super::host_port::{self, HostPort};
use super::pod_kind::PodKind;
use super::topology::{Place, Topology};
use super::{Purpose, Request, World};
use crate::api::{Labels, Taint};
use crate::id::PodId;
use crate::karpenter::labels;
use crate::karpenter::requirement::{Name, Requirement};
use crate::karpenter::requirements::Requirements;
use crate::karpenter::state::{StateNode, is_true};
use crate::quantity::Resources;

/// A node and what this pass has put on it.
pub(crate) struct ExistingNode<'a> {
    /// Its position in the request.
    pub(crate) at: usize,
    state: &'a StateNode<'a>,
    taints: Vec<&'a Taint>,
    labels: &'a Labels,
    hostname: Name,
    /// What pods of this pass, and topology for their sake, asked of labels that the node does not have.
    extra: Requirements,
    remaining: Resources,
    overcommitted: bool,
    /// Within `consolidate_after`, so that it takes only pods that have to go somewhere.
    unsettled: bool,
    ports: Option<Vec<HostPort>>,
    /// Whether its last pod may let others on that were refused before.
    pub(crate) opened: bool,
    pub(crate) pods: Vec<PodId>,
}

/// A node with a pod's requirements added to its own.
struct Tried<'t> {
    node: &'t ExistingNode<'t>,
    pod: &'t Requirements,
}

impl Place for Tried<'_> {
    fn requirement(&self, key: &str) -> Option<Cow<'_, Requirement>> {
        match (self.node.requirement(key), self.pod.get(key)) {
            (Some(own), Some(pod)) => Some(Cow::Owned(own.intersection(pod))),
            (Some(own), None) => Some(own),
            (None, pod) => pod.map(Cow::Borrowed),
        }
    }

    fn may_define(&self, _key: &str) -> bool {
        false
    }

    fn meets(&self, requirements: &Requirements) -> bool {
        requirements
            .iter()
            .all(|(key, wanted)| match self.requirement(key) {
                Some(own) => own.meets(wanted),
                None => wanted.allows_absence(),
            })
    }

    fn taints(&self) -> impl Iterator<Item = &Taint> {
        self.node.taints.iter().copied()
    }
}

impl<'a> ExistingNode<'a> {
    pub(crate) fn new(
        at: usize,
        state: &'a StateNode<'a>,
        daemons: &[Daemon],
        world: &World<'a>,
        request: &Request<'a>,
    ) -> Self {
        let mut node = ExistingNode {
            at,
            state,
            taints: state.taints(world.profile).collect(),
            labels: state.labels(),
            hostname: state.hostname().into(),
            extra: Requirements::new(),
            remaining: state.available(),
            overcommitted: false,
            unsettled: is_unsettled(state, world, request),
            ports: None,
            opened: false,
            pods: Vec::new(),
        };
        node.reserve_for_daemons(daemons);
        node
    }

    /// Keeps room for DaemonSet pods that are not there yet; more of them than expected free nothing.
    fn reserve_for_daemons(&mut self, daemons: &[Daemon]) {
        let mut expected = Resources::default();
        for daemon in daemons {
            let tolerated = self.taints.iter().all(|taint| daemon.spec.tolerates(taint));
            if tolerated && self.is_compatible(&daemon.requirements) {
                expected += &daemon.requests;
            }
        }
        let missing = (expected - &self.state.daemon_requests).max(&Resources::default());
        // `max` with nothing does not look at extended resources.
        let extended = missing.extended.iter().filter(|(_, amount)| **amount > 0);
        let extended = extended.map(|(name, amount)| (name.clone(), *amount)).collect();
        self.remaining -= &Resources { extended, ..missing };
        // What the node does not report cannot be overcommitted
        // (karpenter v1.14 pkg/utils/resources/resources.go `Subtract`).
        let reported = &self.state.allocatable().extended;
        self.remaining
            .extended
            .retain(|name, _| reported.contains_key(name));
        self.overcommitted = self.remaining.extended.values().any(|left| *left < 0);
    }

    pub(crate) fn hostname(&self) -> &Name {
        &self.hostname
    }

    /// Initialized nodes first, then by name: the order in which nodes are tried.
    pub(crate) fn order(&self) -> (bool, &'a str) {
        (!self.state.initialized(), self.state.name())
    }

    pub(crate) fn is_unsettled(&self) -> bool {
        self.unsettled
    }

    fn requirement(&self, key: &str) -> Option<Cow<'_, Requirement>> {
        if key == labels::HOSTNAME {
            return Some(Cow::Owned(Requirement::only(self.hostname.clone())));
        }
        let label = self
            .labels
            .get(key)
            .map(|value| Cow::Owned(Requirement::only(value.as_str())));
        label.or_else(|| self.extra.get(key).map(Cow::Borrowed))
    }

    fn lacks(&self, key: &str) -> bool {
        key != labels::HOSTNAME && !self.labels.contains_key(key)
    }

    /// Whether the node's labels meet a pod's requirements; none may be undefined.
    fn is_compatible(&self, wanted: &Requirements) -> bool {
        wanted.iter().all(|(key, requirement)| {
            if &**key == labels::HOSTNAME {
                return requirement.has(&self.hostname);
            }
            match self.labels.get(&**key) {
                Some(value) => requirement.has(value),
                None => match self.extra.get(key) {
                    Some(extra) => extra.meets(requirement),
                    None => requirement.allows_absence(),
                },
            }
        })
    }

    /// Places a pod if the node takes it, and says whether it did (`CanAdd`, `Add`).
    pub(crate) fn try_add(
        &mut self,
        pod: PodId,
        kind: &PodKind<'a>,
        topology: &mut Topology<'a>,
        world: &World<'a>,
        chance: &mut Stream,
    ) -> bool {
        if self.overcommitted
            || !kind.requests.fits(&self.remaining)
            || !self.taints.iter().all(|taint| kind.spec.tolerates(taint))
            || !kind.ports.is_empty() && host_port::conflict(&kind.ports, self.ports(world))
            || !self.is_compatible(&kind.requirements)
        {
            return false;
        }
        let place = Tried {
            node: self,
            pod: &kind.requirements,
        };
        let mut asked = Cow::Borrowed(&kind.requirements);
        if !kind.free {
            let Ok(added) = topology.add_requirements(&kind.membership, &kind.strict, &place, chance) else {
                return false;
            };
            // Of a label that the node does not have, topology may choose a value where the pod left several.
            for (key, requirement) in added.iter().filter(|(key, _)| self.lacks(key)) {
                asked.to_mut().add(key.clone(), requirement.clone());
            }
        }
        let place = Tried {
            node: self,
            pod: &asked,
        };
        topology.record(&kind.membership, &place);
        self.pods.push(pod);
        self.remaining -= &kind.requests;
        let before = self.extra.clone();
        for (key, requirement) in asked.iter() {
            if self.lacks(key) {
                self.extra.add(key.clone(), requirement.clone());
            }
        }
        self.opened = self.extra.begin_to_allow_absence(&before);
        if let Some(ports) = &mut self.ports {
            ports.extend(kind.ports.iter().cloned());
        }
        true
    }

    /// The host ports of bound pods, looked up when a pod first wants one.
    fn ports(&mut self, world: &World<'a>) -> &[HostPort] {
        self.ports.get_or_insert_with(|| {
            let bound = self.state.pods.iter().filter_map(|pod| world.pods.get(*pod));
            bound.flat_map(|pod| HostPort::of_pod(pod.spec())).collect()
        })
    }
}

/// Whether a node had a pod come or go within its pool's `consolidate_after`
/// (karpenter v1.14 pkg/utils/disruption/disruption.go `IsUnderConsolidateAfter`).
fn is_unsettled(state: &StateNode<'_>, world: &World<'_>, request: &Request<'_>) -> bool {
    if request.purpose != Purpose::Consolidation || !world.profile.settled_destinations {
        return false;
    }
    let Some((_, claim)) = state
        .claim
        .filter(|(_, claim)| is_true(claim.conditions.initialized))
    else {
        return false;
    };
    let after = world
        .pools
        .get(claim.pool)
        .and_then(|pool| pool.disruption.consolidate_after);
    let since = claim
        .last_pod_event
        .or(claim.conditions.initialized.map(|condition| condition.since));
    let window = after.filter(|after| !after.is_zero());
    window
        .zip(since)
        .is_some_and(|(window, since)| request.now.since(since) < window)
}
