//! Whether nodes can go, or make place for something cheaper
//! (karpenter v1.14 pkg/controllers/disruption/consolidation.go `computeConsolidation`,
//! `computeSpotToSpotConsolidation`, pkg/cloudprovider/types.go `WorstLaunchPrice`).

use std::time::Duration;

use super::candidate::Candidate;
use super::event::Unconsolidatable;
use super::simulate::{Scene, Solver};
use crate::id::NodeClaimId;
use crate::karpenter::instance_type::{CapacityType, InstanceType, Offering};
use crate::karpenter::labels;
use crate::karpenter::requirement::{Name, Requirement};
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
    Admission::new(requirements).worst(instance_type)
}

/// Which offerings some requirements admit, with what was found out remembered: catalogs are long, and know
/// few zones.
struct Admission<'r> {
    requirements: &'r Requirements,
    /// Reserved, spot, on demand.
    capacity_types: [bool; 3],
    zones: Vec<(Name, bool)>,
    by_reservation: bool,
}

impl<'r> Admission<'r> {
    fn new(requirements: &'r Requirements) -> Self {
        let bought = [CapacityType::Reserved, CapacityType::Spot, CapacityType::OnDemand];
        Admission {
            requirements,
            capacity_types: bought.map(|own| requirements.allows(labels::CAPACITY_TYPE, own.as_str())),
            zones: Vec::new(),
            by_reservation: requirements.get(labels::CAPACITY_RESERVATION_ID).is_some(),
        }
    }

    fn admits(&mut self, offering: &Offering) -> bool {
        if self.by_reservation {
            return offering.is_compatible(self.requirements);
        }
        let known = self.zones.iter().find(|(zone, _)| *zone == offering.zone);
        let zone = known.map(|(_, allowed)| *allowed).unwrap_or_else(|| {
            let allowed = self.requirements.allows(labels::ZONE, &offering.zone);
            self.zones.push((offering.zone.clone(), allowed));
            allowed
        });
        zone && self.capacity_types[offering.capacity_type as usize]
    }

    /// The prices of a type's available offerings that are admitted: the least, and the worst at a launch.
    fn prices(&mut self, instance_type: &InstanceType) -> Option<(Price, Price)> {
        let mut least: Option<Price> = None;
        let mut dearest: [Option<Price>; 3] = [None; 3];
        for offering in &instance_type.offerings {
            if offering.available && self.admits(offering) {
                least = Some(least.map_or(offering.price, |least| least.min(offering.price)));
                let own = &mut dearest[offering.capacity_type as usize];
                *own = (*own).max(Some(offering.price));
            }
        }
        least.zip(dearest.into_iter().flatten().next())
    }

    fn worst(&mut self, instance_type: &InstanceType) -> Option<Price> {
        self.prices(instance_type).map(|(_, worst)| worst)
    }
}

/// What candidates cost together; `None` if a price is unknown. From v1.14 such a node counts as free.
pub(crate) fn price_of(candidates: &[&Candidate<'_>], scene: &Scene<'_>) -> Option<Price> {
    let unknown_is_free = scene.profile.price_by_offering;
    let price = |candidate: &&Candidate<'_>| candidate.price().or(unknown_is_free.then_some(Price(0)));
    candidates.iter().map(price).sum()
}

/// Keeps the types that certainly cost less than that (`RemoveInstanceTypeOptionsByPriceAndMinValues`).
///
/// The types come cheapest first: none after one that costs as much at its best can be cheaper.
pub(crate) fn keep_cheaper(claim: &mut NewClaim, limit: Option<Price>) -> Result<(), Unconsolidatable> {
    let mut all = std::mem::take(&mut claim.types);
    let types = all.len();
    let mut admission = Admission::new(claim.requirements());
    let mut cheapest: Option<Price> = None;
    let mut beyond = false;
    all.retain(|instance_type| {
        let prices = if beyond {
            None
        } else {
            admission.prices(instance_type)
        };
        let Some((least, worst)) = prices else {
            return false;
        };
        cheapest = Some(cheapest.map_or(worst, |cheapest| cheapest.min(worst)));
        beyond = limit.is_some_and(|limit| least >= limit);
        limit.is_none_or(|limit| worst < limit)
    });
    claim.types = all;
    if let Some(key) = claim.unmet_min_values() {
        return Err(Unconsolidatable::MinValues(key));
    }
    if claim.types.is_empty() {
        return Err(Unconsolidatable::NoneCheaper {
            types,
            cheapest,
            price: limit.unwrap_or_default(),
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
