//! Whether nodes can go, or make place for something cheaper
//! (karpenter v1.14 pkg/controllers/disruption/consolidation.go `computeConsolidation`,
//! `computeSpotToSpotConsolidation`, pkg/cloudprovider/types.go `WorstLaunchPrice`).

use std::time::Duration;

use super::candidate::Candidate;
use super::event::Unconsolidatable;
use super::simulate::{Scene, Solver};
use crate::id::NodeClaimId;
use crate::karpenter::instance_type::{CapacityType, InstanceType};
use crate::karpenter::labels;
use crate::karpenter::requirement::Requirement;
use crate::karpenter::requirements::Requirements;
use crate::karpenter::scheduling::{NewClaim, Purpose};
use crate::quantity::Price;

/// How many cheaper types it takes to replace one spot node by another, and how many are then launched from
/// (`MinInstanceTypesForSpotToSpotConsolidation`).
pub const SPOT_TO_SPOT_TYPES: usize = 15;

/// Nodes to take away, and what comes instead.
#[derive(Debug, Clone)]
pub(crate) struct Move {
    pub(crate) replacements: Vec<NewClaim>,
    /// The nodes that would take pods.
    pub(crate) targets: Vec<NodeClaimId>,
}

/// What consolidation of some candidates comes to, and how long it took to see.
pub(crate) type Verdict = (Result<Move, Unconsolidatable>, Duration);

/// What an instance type may cost if it is launched: the dearest of its available offerings in the capacity
/// type that would be taken, reserved before spot before on-demand.
#[must_use]
pub fn worst_launch_price(instance_type: &InstanceType, requirements: &Requirements) -> Option<Price> {
    let dearest = |capacity_type| {
        let offerings = instance_type.available(requirements);
        let own = offerings.filter(|offering| offering.capacity_type == capacity_type);
        own.map(|offering| offering.price).max()
    };
    dearest(CapacityType::Reserved)
        .or_else(|| dearest(CapacityType::Spot))
        .or_else(|| dearest(CapacityType::OnDemand))
}

/// What candidates cost together; `None` if a price is unknown. From v1.14 such a node counts as free.
pub(crate) fn price_of(candidates: &[&Candidate<'_>], scene: &Scene<'_>) -> Option<Price> {
    let unknown_is_free = scene.profile.balanced;
    let price = |candidate: &&Candidate<'_>| candidate.price.or(unknown_is_free.then_some(Price(0)));
    candidates.iter().map(price).sum()
}

/// Keeps the types that certainly cost less than that (`RemoveInstanceTypeOptionsByPriceAndMinValues`).
pub(crate) fn keep_cheaper(claim: &mut NewClaim, price: Option<Price>) -> Result<(), Unconsolidatable> {
    let requirements = claim.requirements().clone();
    let types = claim.types.len();
    let mut cheapest: Option<Price> = None;
    claim.types.retain(|instance_type| {
        let Some(worst) = worst_launch_price(instance_type, &requirements) else {
            return false;
        };
        cheapest = Some(cheapest.map_or(worst, |cheapest| cheapest.min(worst)));
        price.is_none_or(|price| worst < price)
    });
    if let Some(key) = claim.unmet_min_values() {
        return Err(Unconsolidatable::MinValues(key));
    }
    if claim.types.is_empty() {
        let price = price.unwrap_or_default();
        return Err(Unconsolidatable::NoneCheaper {
            types,
            cheapest,
            price,
        });
    }
    Ok(())
}

/// Whether these candidates can go together.
pub(crate) fn compute(
    scene: &Scene<'_>,
    candidates: &[&Candidate<'_>],
    spot_to_spot: bool,
    solver: &mut Solver,
) -> Verdict {
    let mut outcome = scene.simulate(candidates, Purpose::Consolidation, solver);
    let duration = outcome.duration;
    let verdict = match (outcome.unplaced, outcome.new_claims.len()) {
        (Some(unplaced), _) => Err(Unconsolidatable::Unschedulable(unplaced)),
        (None, 0) => Ok(()),
        (None, 1) => cheapen(scene, candidates, &mut outcome.new_claims[0], spot_to_spot),
        (None, count) => Err(Unconsolidatable::NeedsNodes(count)),
    };
    let moved = verdict.map(|()| Move {
        replacements: outcome.new_claims,
        targets: outcome.targets,
    });
    (moved, duration)
}

/// Makes sure that what replaces the candidates is cheaper than they are.
fn cheapen(
    scene: &Scene<'_>,
    candidates: &[&Candidate<'_>],
    claim: &mut NewClaim,
    spot_to_spot: bool,
) -> Result<(), Unconsolidatable> {
    let price = price_of(candidates, scene).ok_or(Unconsolidatable::UnknownPrice)?;
    let allows = |claim: &NewClaim, capacity_type: CapacityType| {
        let requirements = claim.requirements();
        requirements.allows(labels::CAPACITY_TYPE, capacity_type.as_str())
    };
    let spot = Requirement::only(CapacityType::Spot.as_str());
    if candidates.iter().all(|candidate| candidate.spot) && allows(claim, CapacityType::Spot) {
        if !scene.profile.spot_to_spot || !spot_to_spot {
            return Err(Unconsolidatable::SpotToSpot);
        }
        claim.require(labels::CAPACITY_TYPE, spot);
        keep_cheaper(claim, Some(price))?;
        return if candidates.len() == 1 {
            keep_flexible(claim)
        } else {
            Ok(())
        };
    }
    keep_cheaper(claim, Some(price))?;
    // If spot runs out, the launch shall fail rather than fall back on something dearer.
    if allows(claim, CapacityType::Spot) && allows(claim, CapacityType::OnDemand) {
        claim.require(labels::CAPACITY_TYPE, spot);
    }
    Ok(())
}

/// One spot node is replaced by another only if there are many cheaper types, and only by one of the
/// cheapest: else each launch would leave something cheaper for the next.
fn keep_flexible(claim: &mut NewClaim) -> Result<(), Unconsolidatable> {
    if claim.types.len() < SPOT_TO_SPOT_TYPES {
        return Err(Unconsolidatable::TooFewSpotTypes(claim.types.len()));
    }
    let needed = claim.types_for_min_values();
    claim.types.truncate(needed.max(SPOT_TO_SPOT_TYPES));
    Ok(())
}
