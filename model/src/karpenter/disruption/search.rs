//! The methods: each finds nodes to take away, in its own way
//! (karpenter v1.14 pkg/controllers/disruption/{emptiness,drift,multinodeconsolidation,
//! singlenodeconsolidation}.go; v0.32.4 {expiration,emptynodeconsolidation}.go).

use std::cmp::Reverse;
use std::time::Duration;

use rand::seq::SliceRandom;
use sim::{SortedMap, Stream};

use super::balanced::Judge;
use super::budget::Allowances;
use super::candidate::{Candidate, labelled_price};
use super::consolidation::{self, Move, keep_cheaper};
use super::event::{Blocked, Judged, Method, Unconsolidatable};
use super::simulate::{Scene, Solver};
use crate::id::{NodeClaimId, NodePoolId};
use crate::karpenter::requirement::Name;
use crate::karpenter::scheduling::{NewClaim, Purpose};
use crate::karpenter::version::{CandidateOrder, DriftedEmpty};
use crate::quantity::Price;

/// The longest search for many nodes (`MultiNodeConsolidationTimeoutDuration`).
pub(crate) const MULTI_NODE_TIMEOUT: Duration = Duration::from_secs(60);
/// The longest search for one node (`SingleNodeConsolidationTimeoutDuration`).
pub(crate) const SINGLE_NODE_TIMEOUT: Duration = Duration::from_secs(180);
/// The most nodes that are searched together (`MultiNodeConsolidation.ComputeCommands`).
pub(crate) const MULTI_NODE_MOST: usize = 100;

/// What a method found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) candidates: Vec<NodeClaimId>,
    pub(crate) price: Price,
    pub(crate) replacements: Vec<NewClaim>,
    pub(crate) targets: Vec<NodeClaimId>,
}

/// What a search says beside what it finds.
pub(crate) enum Remark {
    Blocked(NodeClaimId, Blocked),
    Unconsolidatable(NodeClaimId, Unconsolidatable),
    TimedOut(usize),
    Scored(Judged),
}

/// One method's search.
pub(crate) struct Search<'s, 'a> {
    pub(crate) scene: &'s Scene<'a>,
    pub(crate) budgets: Allowances,
    pub(crate) spot_to_spot: bool,
    pub(crate) solver: &'s mut Solver,
    /// Decides where upstream follows the order of a Go map.
    pub(crate) chance: &'s mut Stream,
    /// Pools that the last search for one node did not reach.
    pub(crate) unseen: &'s mut Vec<NodePoolId>,
    /// How long it takes in simulated time.
    pub(crate) elapsed: Duration,
    /// A candidate was left out for want of budget, so that nothing found means nothing.
    pub(crate) constrained: bool,
    /// The search for one node ran out of time.
    pub(crate) timed_out: bool,
    pub(crate) remarks: Vec<Remark>,
}

type Candidates<'c> = Vec<&'c Candidate<'c>>;

impl Search<'_, '_> {
    /// Looks for something to do.
    pub(crate) fn run(&mut self, method: Method, mut candidates: Candidates<'_>) -> Option<Found> {
        match method {
            Method::Expiration => {
                candidates.sort_by_key(|candidate| candidate.claim.conditions.expired.map(|c| c.since));
                self.replace_one(candidates, DriftedEmpty::Together)
            }
            Method::Drift => {
                candidates.sort_by_key(|candidate| candidate.claim.conditions.drifted.map(|c| c.since));
                self.replace_one(candidates, self.scene.profile.drifted_empty)
            }
            Method::Emptiness | Method::EmptyNode => self.empty(candidates),
            Method::MultiNode => self.multi_node(candidates),
            Method::SingleNode => self.single_node(candidates),
        }
    }

    /// Cheap to disrupt first, or worth it first; where the two are equal, chance decides.
    fn sort(&self, candidates: &mut Candidates<'_>) {
        match self.scene.profile.candidate_order {
            CandidateOrder::CostAscending => {
                candidates.sort_by(|a, b| a.disruption_cost.total_cmp(&b.disruption_cost));
            }
            CandidateOrder::PriceOverCostDescending => {
                candidates.sort_by(|a, b| b.savings_ratio().total_cmp(&a.savings_ratio()));
            }
        }
    }

    fn found(&self, candidates: &[&Candidate<'_>], moved: Move) -> Found {
        Found {
            candidates: candidates.iter().map(|candidate| candidate.claim_id).collect(),
            price: candidates.iter().filter_map(|candidate| candidate.price()).sum(),
            replacements: moved.replacements,
            targets: moved.targets,
        }
    }

    fn deletion(&self, candidates: &[&Candidate<'_>]) -> Option<Found> {
        let nothing = Move {
            replacements: Vec::new(),
            targets: Vec::new(),
        };
        (!candidates.is_empty()).then(|| self.found(candidates, nothing))
    }

    /// Those that are empty, as many as budgets allow.
    fn empty(&mut self, mut candidates: Candidates<'_>) -> Option<Found> {
        self.sort(&mut candidates);
        candidates.retain(|candidate| {
            let empty = candidate.is_empty();
            let allowed = empty && self.budgets.take(candidate.pool_id);
            self.constrained |= empty && !allowed;
            allowed
        });
        self.deletion(&candidates)
    }

    /// The first whose pods would run elsewhere, with whatever new nodes that takes.
    fn replace_one(&mut self, mut candidates: Candidates<'_>, empty: DriftedEmpty) -> Option<Found> {
        match empty {
            DriftedEmpty::Together => {
                let mut together = candidates.clone();
                together
                    .retain(|candidate| candidate.pods.is_empty() && self.budgets.take(candidate.pool_id));
                if !together.is_empty() {
                    return self.deletion(&together);
                }
            }
            DriftedEmpty::Skipped => candidates.retain(|candidate| !candidate.pods.is_empty()),
            DriftedEmpty::First => candidates.sort_by_key(|candidate| !candidate.pods.is_empty()),
        }
        for candidate in candidates {
            if !self.budgets.allows(candidate.pool_id) {
                self.constrained = true;
                continue;
            }
            let outcome = self
                .scene
                .simulate(&[candidate], Purpose::Disruption, self.solver);
            self.elapsed += outcome.duration;
            if let Some(unplaced) = outcome.unplaced {
                let blocked = Blocked::Unschedulable(unplaced);
                self.remarks.push(Remark::Blocked(candidate.claim_id, blocked));
                continue;
            }
            let moved = Move {
                replacements: outcome.new_claims,
                targets: outcome.targets,
            };
            return Some(self.found(&[candidate], moved));
        }
        None
    }

    fn compute(&mut self, candidates: &[&Candidate<'_>]) -> Result<Move, Unconsolidatable> {
        let (verdict, duration) =
            consolidation::compute(self.scene, candidates, self.spot_to_spot, self.solver);
        self.elapsed += duration;
        verdict
    }

    /// As many as possible of the first ones, found by halving (`firstNConsolidationOption`).
    fn multi_node(&mut self, mut candidates: Candidates<'_>) -> Option<Found> {
        self.sort(&mut candidates);
        let leave_empty = self.scene.profile.empty_left_to_emptiness;
        candidates.retain(|candidate| {
            if !self.budgets.allows(candidate.pool_id) {
                self.constrained = true;
                return false;
            }
            !(leave_empty && candidate.pods.is_empty()) && self.budgets.take(candidate.pool_id)
        });
        if candidates.len() < 2 {
            return None;
        }
        let judge = Judge::new(self.scene, &candidates);
        let (mut least, mut most) = (1, MULTI_NODE_MOST.min(candidates.len() - 1));
        let mut best: Option<(usize, Move)> = None;
        let mut scores = Vec::new();
        while least <= most {
            let middle = least.midpoint(most);
            if self.elapsed > MULTI_NODE_TIMEOUT {
                self.remarks.push(Remark::TimedOut(middle + 1));
                break;
            }
            let chosen = &candidates[..=middle];
            let moved = self.compute(chosen).ok();
            let moved = moved.and_then(|mut moved| {
                drop_same_types(&mut moved, chosen).ok()?;
                let (approved, told) = judge.approves(chosen, &moved.replacements);
                // Of what was turned down the last word counts, but any approval counts more.
                if approved || best.is_none() {
                    scores = told;
                }
                approved.then_some(moved)
            });
            match moved {
                Some(moved) => {
                    best = Some((middle, moved));
                    least = middle + 1;
                }
                None => most = middle - 1,
            }
        }
        self.remarks.extend(scores.into_iter().map(Remark::Scored));
        best.map(|(last, moved)| self.found(&candidates[..=last], moved))
    }

    /// The first that can go (`SingleNodeConsolidation.ComputeCommands`).
    fn single_node(&mut self, mut candidates: Candidates<'_>) -> Option<Found> {
        self.sort(&mut candidates);
        if self.scene.profile.pool_interleaving {
            candidates = self.interleave(candidates);
        }
        let judge = Judge::new(self.scene, &candidates);
        let mut unseen: Vec<NodePoolId> = candidates.iter().map(|candidate| candidate.pool_id).collect();
        unseen.sort_unstable();
        unseen.dedup();
        for (at, candidate) in candidates.iter().enumerate() {
            if self.elapsed > SINGLE_NODE_TIMEOUT {
                self.remarks.push(Remark::TimedOut(at));
                self.timed_out = true;
                break;
            }
            unseen.retain(|pool| *pool != candidate.pool_id);
            if !self.budgets.allows(candidate.pool_id) {
                self.constrained = true;
                continue;
            }
            let empty = self.scene.profile.empty_left_to_emptiness && candidate.pods.is_empty();
            if empty || !judge.may_pass(candidate) {
                continue;
            }
            let moved = match self.compute(&[candidate]) {
                Ok(moved) => moved,
                Err(why) => {
                    self.remarks
                        .push(Remark::Unconsolidatable(candidate.claim_id, why));
                    continue;
                }
            };
            let (approved, scores) = judge.approves(&[candidate], &moved.replacements);
            self.remarks.extend(scores.into_iter().map(Remark::Scored));
            if approved {
                return Some(self.found(&[candidate], moved));
            }
        }
        *self.unseen = unseen;
        None
    }

    /// One of each pool in turn, pools that were not reached last time first (`shuffleCandidates`).
    fn interleave<'c>(&mut self, candidates: Candidates<'c>) -> Candidates<'c> {
        let mut of_pool: SortedMap<NodePoolId, Candidates<'c>> = SortedMap::new();
        for candidate in candidates {
            of_pool.entry(candidate.pool_id).or_default().push(candidate);
        }
        let mut pools: Vec<_> = of_pool.into_iter().collect();
        pools.shuffle(self.chance);
        pools.sort_by_key(|(pool, _)| Reverse(self.unseen.contains(pool)));
        let longest = pools.iter().map(|(_, own)| own.len()).max().unwrap_or(0);
        let turn = |at| pools.iter().filter_map(move |(_, own)| own.get(at).copied());
        (0..longest).flat_map(turn).collect()
    }
}

/// If the replacement could be of a type that is being taken away, it must be cheaper than the cheapest node
/// of such a type: else that node might as well stay (`filterOutSameInstanceType`).
fn drop_same_types(moved: &mut Move, candidates: &[&Candidate<'_>]) -> Result<(), Unconsolidatable> {
    let [replacement] = &mut moved.replacements[..] else {
        return Ok(());
    };
    // A node of unknown price counts as free.
    let mut prices: SortedMap<&Name, Option<Price>> = SortedMap::new();
    for candidate in candidates {
        let own = candidate.instance_type.expect("consolidation knows the type");
        let price = labelled_price(candidate.state, own);
        let cheapest = prices.entry(&own.name).or_default();
        *cheapest = [*cheapest, price].into_iter().flatten().min();
    }
    let shared = replacement
        .types
        .iter()
        .filter_map(|instance_type| prices.get(&instance_type.name));
    let limit = shared.map(|price| price.unwrap_or_default()).min();
    keep_cheaper(replacement, limit)
}
