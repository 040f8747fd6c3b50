//! The policy Balanced: whether what a move saves is worth what it disrupts
//! (karpenter v1.14 pkg/controllers/disruption/balanced.go).

use sim::SortedMap;

use super::candidate::{Candidate, instance_type, node_price, reschedule_cost};
use super::event::{Judged, Score};
use super::simulate::Scene;
use crate::id::{NodePoolId, PodId};
use crate::karpenter::node_pool::ConsolidationPolicy;
use crate::karpenter::pod;
use crate::karpenter::requirement::Name;
use crate::karpenter::scheduling::NewClaim;
use crate::quantity::Price;

/// A share of the cost must be saved with no more than so many shares of disruption (`BalancedK`).
pub(crate) const K: f64 = 2.0;
/// What a move must be worth under the policy Balanced.
pub const SCORE_THRESHOLD: f64 = 1.0 / K;

/// What all nodes of a pool come to, candidates or not (`computeNodePoolTotals`).
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Totals {
    /// What they cost, in dollars per hour.
    pub cost: f64,
    /// What disrupting them would cost.
    pub disruption: f64,
}

/// How a move does in a pool (`ScoreMove`, `ScoreResult`).
#[must_use]
pub fn score(savings: f64, disruption: f64, totals: Totals) -> Score {
    if totals.cost <= 0.0 || totals.disruption <= 0.0 {
        return Score {
            savings: 0.0,
            disruption: 0.0,
            worth: 0.0,
            approved: false,
        };
    }
    let (savings, disruption) = (savings / totals.cost, disruption / totals.disruption);
    let worth = if savings <= 0.0 {
        0.0
    } else if disruption == 0.0 {
        f64::INFINITY
    } else {
        savings / disruption
    };
    Score {
        savings,
        disruption,
        worth,
        approved: worth >= SCORE_THRESHOLD,
    }
}

/// The judge of moves; lenient with pools of other policies.
pub(crate) struct Judge {
    totals: SortedMap<NodePoolId, Totals>,
}

fn is_balanced(candidate: &Candidate<'_>) -> bool {
    candidate.pool.disruption.consolidation_policy == ConsolidationPolicy::Balanced
}

impl Judge {
    /// Adds up pools, if there are candidates of any that cares.
    pub(crate) fn new(scene: &Scene<'_>, candidates: &[&Candidate<'_>]) -> Self {
        let mut totals: SortedMap<NodePoolId, Totals> = candidates
            .iter()
            .filter(|candidate| is_balanced(candidate))
            .map(|candidate| (candidate.pool_id, Totals::default()))
            .collect();
        if !totals.is_empty() {
            for state in &scene.snapshot.nodes {
                let Some(own) = state.pool().and_then(|pool| totals.get_mut(&pool)) else {
                    continue;
                };
                let price =
                    instance_type(state, scene.view).and_then(|own| node_price(state, own, scene.profile));
                own.cost += price.unwrap_or_default().usd_per_hour();
                let pods = state
                    .pods
                    .iter()
                    .filter_map(|id: &PodId| scene.view.api.pods.get(*id));
                own.disruption += reschedule_cost(pods.filter(|own| pod::is_reschedulable(own)));
            }
        }
        Judge { totals }
    }

    /// Whether every pool that cares approves of a move, and what each says (`EvaluateBalancedMove`).
    pub(crate) fn approves(
        &self,
        candidates: &[&Candidate<'_>],
        replacements: &[NewClaim],
    ) -> (bool, Vec<Judged>) {
        let cost = |of: &mut dyn Iterator<Item = &&Candidate<'_>>| -> f64 {
            let prices: Price = of.map(|candidate| candidate.price().unwrap_or_default()).sum();
            prices.usd_per_hour()
        };
        let source = cost(&mut candidates.iter());
        let savings = source - replacement_price(replacements).usd_per_hour();
        let mut scores = Vec::new();
        for (pool, totals) in &self.totals {
            let own = || candidates.iter().filter(|candidate| candidate.pool_id == *pool);
            if own().next().is_none() {
                continue;
            }
            let share = if source > 0.0 {
                cost(&mut own()) / source
            } else {
                1.0
            };
            let disruption = own().map(|candidate| candidate.reschedule_cost).sum();
            scores.push(Judged {
                pool: *pool,
                candidates: candidates.iter().map(|candidate| candidate.claim_id).collect(),
                replacements: type_names(replacements),
                score: score(savings * share, disruption, *totals),
            });
        }
        (scores.iter().all(|judged| judged.score.approved), scores)
    }

    /// Whether a candidate could be worth it if it went without replacement (`CanPassThreshold`).
    pub(crate) fn may_pass(&self, candidate: &Candidate<'_>) -> bool {
        match self.totals.get(&candidate.pool_id) {
            Some(totals) if totals.cost > 0.0 => {
                let price = candidate.price().unwrap_or_default().usd_per_hour();
                score(price, candidate.reschedule_cost, *totals).approved
            }
            _ => true,
        }
    }
}

/// The instance types of each replacement, cheapest first.
pub(crate) fn type_names(replacements: &[NewClaim]) -> Vec<Vec<Name>> {
    let names = |claim: &NewClaim| claim.types.iter().map(|own| own.name.clone()).collect();
    replacements.iter().map(names).collect()
}

/// What replacements cost together if each is the cheapest of its first type (`EstimatedSavings`).
pub(crate) fn replacement_price(replacements: &[NewClaim]) -> Price {
    let cheapest = |claim: &NewClaim| Some(claim.types.first()?.cheapest(claim.requirements())?.price);
    replacements.iter().filter_map(cheapest).sum()
}
