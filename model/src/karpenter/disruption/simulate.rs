//! Where pods would go if candidates went
//! (karpenter v1.14 pkg/controllers/disruption/helpers.go `SimulateScheduling`).

use std::cell::OnceCell;
use std::sync::Arc;
use std::time::Duration;

use sim::{Instant, SortedSet, Stream};

use super::candidate::Candidate;
use crate::id::{NodeClaimId, NodeId, PodId};
use crate::karpenter::pdb::Limits;
use crate::karpenter::pod;
use crate::karpenter::provisioner::View;
use crate::karpenter::scheduling::{self, Failure, NewClaim, Purpose, Request, Settings, Templates};
use crate::karpenter::state::{Snapshot, StateNode};
use crate::karpenter::version::Profile;

/// A pod that would not run elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unplaced {
    /// Which.
    pub pod: PodId,
    /// Why.
    pub why: Hindrance,
}

/// Why a pod would not run elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hindrance {
    /// There is no place for it.
    NoPlace(Arc<Failure>),
    /// It would go on a node that is not in working order yet.
    Starting(String),
    /// The simulation ran out of time.
    OutOfTime,
}

impl Unplaced {
    /// In words.
    #[must_use]
    pub fn describe(&self, pod_name: &dyn Fn(PodId) -> String) -> String {
        let pod = pod_name(self.pod);
        match &self.why {
            Hindrance::NoPlace(failure) => format!("{pod} would not run elsewhere: {failure}"),
            Hindrance::Starting(node) => format!("{pod} would wait for {node} to start"),
            Hindrance::OutOfTime => format!("{pod} was not reached before time ran out"),
        }
    }
}

/// What the loop sees at one moment, and what all simulations of that moment share.
pub(crate) struct Scene<'a> {
    pub(crate) now: Instant,
    pub(crate) profile: &'a Profile,
    pub(crate) settings: &'a Settings,
    pub(crate) view: &'a View<'a>,
    pub(crate) snapshot: &'a Snapshot<'a>,
    pub(crate) limits: Limits<'a>,
    shared: OnceCell<Shared<'a>>,
}

/// The same in every simulation.
struct Shared<'a> {
    staying: Vec<&'a StateNode<'a>>,
    going: SortedSet<NodeId>,
    /// The pods that wait, then those of nodes that are going.
    pods: Vec<PodId>,
}

/// What came of a simulation.
pub(crate) struct Outcome {
    pub(crate) new_claims: Vec<NewClaim>,
    /// The nodes that would take pods.
    pub(crate) targets: Vec<NodeClaimId>,
    /// A pod that runs now and would not run then.
    pub(crate) unplaced: Option<Unplaced>,
    pub(crate) duration: Duration,
}

/// What the simulations need beside what they look at.
#[derive(Debug)]
pub(crate) struct Solver {
    pub(crate) templates: Templates,
    pub(crate) chance: Stream,
}

impl<'a> Scene<'a> {
    pub(crate) fn new(
        now: Instant,
        profile: &'a Profile,
        settings: &'a Settings,
        view: &'a View<'a>,
        snapshot: &'a Snapshot<'a>,
    ) -> Self {
        Scene {
            now,
            profile,
            settings,
            view,
            snapshot,
            limits: Limits::new(view.api, now, profile),
            shared: OnceCell::new(),
        }
    }

    fn shared(&self) -> &Shared<'a> {
        self.shared.get_or_init(|| {
            let nodes = self.snapshot.nodes.iter();
            let (going, staying): (Vec<&StateNode<'a>>, Vec<_>) =
                nodes.partition(|state| state.marked_for_deletion());
            let waiting = |(id, own): (PodId, &crate::api::Pod)| {
                (pod::is_provisionable(own) && pod::validate(own).is_ok()).then_some(id)
            };
            let mut pods: Vec<PodId> = self.view.api.pods.iter().filter_map(waiting).collect();
            pods.extend(pod::on_deleting_nodes(
                self.snapshot,
                self.view.api,
                self.now,
                self.profile,
            ));
            Shared {
                staying,
                going: going.iter().filter_map(|state| state.node_id()).collect(),
                pods,
            }
        })
    }

    /// Packs the pods that wait, those of nodes that are going and those of the candidates onto what stays.
    pub(crate) fn simulate(
        &self,
        candidates: &[&Candidate<'_>],
        purpose: Purpose,
        solver: &mut Solver,
    ) -> Outcome {
        let shared = self.shared();
        let chosen: SortedSet<NodeClaimId> = candidates.iter().map(|candidate| candidate.claim_id).collect();
        let stays = |state: &&&StateNode<'_>| state.claim_id().is_none_or(|id| !chosen.contains(&id));
        let nodes: Vec<&StateNode<'_>> = shared.staying.iter().filter(stays).copied().collect();
        let movable = |id: &&PodId| {
            let own = self.view.api.pods.get(**id);
            !self.profile.currently_reschedulable
                || own.is_some_and(|own| self.limits.is_currently_reschedulable(own))
        };
        let mut pods = shared.pods.clone();
        for candidate in candidates {
            pods.extend(candidate.pods.iter().filter(movable));
        }
        let world = self.view.world(self.profile, self.settings);
        let request = Request {
            now: self.now,
            purpose,
            nodes: &nodes,
            deleting: &shared.going,
            pods: &pods,
        };
        let mut results = scheduling::solve(&world, &request, &mut solver.templates, &mut solver.chance);
        results.truncate_instance_types(self.profile.max_instance_types, self.settings.min_values_policy);
        let targets = results.existing.iter();
        let targets = targets
            .filter_map(|placement| nodes[placement.node].claim_id())
            .collect();
        Outcome {
            unplaced: self.unplaced(&results, &nodes),
            targets,
            new_claims: results.new_claims,
            duration: results.duration,
        }
    }

    /// The first pod that runs now and would not run then. Pods that wait anyway do not count, nor, in later
    /// releases, do pods of nodes that are going if they would wait for a node that is starting.
    fn unplaced(&self, results: &scheduling::Results, nodes: &[&StateNode<'_>]) -> Option<Unplaced> {
        let pod = |id: PodId| self.view.api.pods.get(id);
        let counts = |id: &PodId| pod(*id).is_some_and(|own| !pod::is_provisionable(own));
        let failures = results.failures.iter().filter(|(id, _)| counts(id));
        let mut no_place = failures.map(|(id, failure)| (*id, Hindrance::NoPlace(failure.clone())));
        let mut untried = results
            .untried
            .iter()
            .filter(|id| counts(id))
            .map(|id| (*id, Hindrance::OutOfTime));
        let exempt = |id: &PodId| {
            let node = pod(*id).and_then(|own| own.node);
            self.profile.going_pods_exempt && node.is_some_and(|node| self.shared().going.contains(&node))
        };
        let unfit = |state: &StateNode<'_>| {
            let ready = state.node.is_none_or(|(_, node)| node.ready);
            !state.initialized() || self.profile.ready_destinations && !ready
        };
        let mut starting = results
            .existing
            .iter()
            .filter(|placement| unfit(nodes[placement.node]))
            .flat_map(|placement| placement.pods.iter().map(move |pod| (*pod, placement.node)))
            .filter(|(id, _)| counts(id) && !exempt(id))
            .map(|(id, at)| (id, Hindrance::Starting(nodes[at].name().to_owned())));
        let first = no_place
            .next()
            .or_else(|| untried.next())
            .or_else(|| starting.next());
        first.map(|(pod, why)| Unplaced { pod, why })
    }
}
