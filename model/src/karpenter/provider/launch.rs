//! From a NodeClaim to one CreateFleet call
//! (karpenter-provider-aws v1.14 pkg/providers/instance/{instance.go,filter/filter.go},
//! pkg/cloudprovider/cloudprovider.go `Create`; v0.32.4 pkg/providers/instance/instance.go).

use std::sync::Arc;

use crate::api::Labels;
use crate::catalog::kubelet::AmiFamily;
use crate::ec2::fleet::{FleetRequest, Launched, Override};
use crate::karpenter::instance_type::{CapacityType, InstanceType, InstanceTypes, Offering, Wanted};
use crate::karpenter::labels;
use crate::karpenter::requirement::{Name, Requirement};
use crate::karpenter::requirements::Requirements;
use crate::karpenter::state::NodeClaim;
use crate::karpenter::version::Profile;
use crate::quantity::{Price, Resources};

use super::NodeClass;

/// The most instance types that one call names (`maxInstanceTypes`).
pub const MAX_INSTANCE_TYPES: usize = 60;

/// All requested instance types were unavailable: the claim is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("all requested instance types were unavailable during launch")]
pub struct InsufficientCapacity;

/// A type with those of its offerings that are still in play.
#[derive(Debug, Clone)]
struct Candidate<'a> {
    instance_type: &'a Arc<InstanceType>,
    offerings: Vec<&'a Offering>,
}

impl Candidate<'_> {
    fn of(&self, capacity_type: CapacityType) -> impl Iterator<Item = &Offering> + '_ {
        let offerings = self.offerings.iter().copied();
        offerings.filter(move |offering| offering.capacity_type == capacity_type)
    }

    fn cheapest(&self) -> Price {
        let prices = self.offerings.iter().map(|offering| offering.price);
        prices.min().unwrap_or(Price(i64::MAX))
    }
}

/// The call for a claim (`Create`).
///
/// # Errors
///
/// When nothing that the claim allows is thought to be available, or no machine image is for any of it. (The
/// real one tries a claim without images again and again instead, until its launch times out.)
pub fn fleet_request(
    claim: &NodeClaim,
    types: &InstanceTypes,
    class: &NodeClass,
    profile: &Profile,
) -> Result<FleetRequest, InsufficientCapacity> {
    let requirements = &claim.requirements;
    if class.registration_delay.is_some() {
        return made_up(compatible(claim, types), class);
    }
    let candidates = filter(compatible(claim, types), requirements, profile);
    if candidates.is_empty() {
        return Err(InsufficientCapacity);
    }
    let candidates = truncate(candidates, requirements)?;
    let capacity_type = capacity_type(&candidates, requirements);
    let mut overrides = Vec::new();
    for candidate in &candidates {
        if !has_image(class.ami_family, candidate.instance_type, profile) {
            continue;
        }
        for offering in candidate.of(capacity_type) {
            overrides.push(Override {
                instance_type: candidate.instance_type.name.clone(),
                zone: offering.zone.clone(),
                reservation: offering.reservation.as_ref().map(|own| own.id.clone()),
            });
        }
    }
    if overrides.is_empty() {
        return Err(InsufficientCapacity);
    }
    Ok(FleetRequest {
        capacity_type,
        overrides,
        volumes: class.machine_volumes().into(),
        detailed_monitoring: class.detailed_monitoring,
        registration_delay: None,
    })
}

/// The call for a claim of a KWOKNodeClass: the cheapest offering of all types, the first of equal ones
/// (karpenter v1.14 kwok/cloudprovider/cloudprovider.go `toNode`; the real one picks among the equally cheap
/// offerings of a type by chance).
fn made_up(candidates: Vec<Candidate<'_>>, class: &NodeClass) -> Result<FleetRequest, InsufficientCapacity> {
    let offers = candidates.iter().flat_map(|own| {
        let name = &own.instance_type.name;
        own.offerings.iter().map(move |offering| (name, *offering))
    });
    let cheapest = offers.min_by_key(|(_, offering)| offering.price);
    let (name, offering) = cheapest.ok_or(InsufficientCapacity)?;
    Ok(FleetRequest {
        capacity_type: offering.capacity_type,
        overrides: vec![Override {
            instance_type: name.clone(),
            zone: offering.zone.clone(),
            reservation: None,
        }],
        volumes: class.machine_volumes().into(),
        detailed_monitoring: false,
        registration_delay: class.registration_delay,
    })
}

/// Whether the family has a machine image for the type: a launch leaves out those that it has none for, after
/// all else was decided (pkg/providers/amifamily/{al2,al2023,bottlerocket}.go `DefaultAMIs`, since v1.0
/// `DescribeImageQuery`; `MapToInstanceTypes`). For GPUs beside Arm cores AL2 never had one, and AL2023 only
/// since v1.4 (v0.3x gave every type its image without drivers).
fn has_image(family: AmiFamily, instance_type: &InstanceType, profile: &Profile) -> bool {
    let arm_gpu = instance_type.is_arm_with_gpu();
    match family {
        AmiFamily::Al2 => !arm_gpu,
        AmiFamily::Al2023 => !arm_gpu || profile.al2023_arm_gpu_image,
        AmiFamily::Bottlerocket | AmiFamily::Custom => true,
    }
}

/// The types that the claim admits, on which it fits, and which are available (`CompatibleAvailableFilter`).
fn compatible<'a>(claim: &NodeClaim, types: &'a InstanceTypes) -> Vec<Candidate<'a>> {
    let requirements = &claim.requirements;
    let index = types.index();
    let mut admitted = index.compatible(requirements);
    index.filter_offerings(&mut admitted, requirements);
    let wanted = Wanted::of(requirements);
    let candidate = |at: usize| {
        let instance_type = &types[at];
        if !claim.requests.fits(instance_type.allocatable()) {
            return None;
        }
        let available = instance_type.offerings.iter().filter(|own| own.available);
        let mut offerings = Vec::with_capacity(instance_type.offerings.len());
        offerings.extend(available.filter(|own| wanted.admits(own)));
        Some(Candidate {
            instance_type,
            offerings,
        })
    };
    admitted.iter().filter_map(candidate).collect()
}

/// Leaves what the provider wants of it: reserved offerings alone if there are any, generic types if there
/// are any, no spot that costs more than on-demand would.
fn filter<'a>(
    mut candidates: Vec<Candidate<'a>>,
    requirements: &Requirements,
    profile: &Profile,
) -> Vec<Candidate<'a>> {
    let reserved = reserved(&candidates);
    if !reserved.is_empty() {
        return reserved;
    }
    if requirements.has_min_values() {
        return candidates;
    }
    if candidates.iter().any(|own| !own.instance_type.is_exotic()) {
        candidates.retain(|own| !own.instance_type.is_exotic());
    }
    without_dear_spot(candidates, profile)
}

/// The types with reserved offerings, and for each zone the reservation with the most left
/// (`ReservedOfferingFilter`).
fn reserved<'a>(candidates: &[Candidate<'a>]) -> Vec<Candidate<'a>> {
    let left = |offering: &Offering| offering.reservation.as_ref().map_or(0, |own| own.capacity);
    let only_reserved = |own: &Candidate<'a>| {
        let mut best: Vec<&'a Offering> = Vec::new();
        let reserved = own.offerings.iter().copied();
        for offering in reserved.filter(|own| own.capacity_type == CapacityType::Reserved) {
            match best.iter_mut().find(|known| known.zone == offering.zone) {
                Some(known) if left(offering) > left(known) => *known = offering,
                Some(_) => {}
                None => best.push(offering),
            }
        }
        (!best.is_empty()).then_some(Candidate {
            instance_type: own.instance_type,
            offerings: best,
        })
    };
    candidates.iter().filter_map(only_reserved).collect()
}

/// Where both spot and on-demand could be launched, drops spot above the cheapest on-demand price: whole types
/// whose cheapest offering is, or in later releases single offerings (`filterUnwantedSpot`,
/// `SpotOfferingFilter`).
fn without_dear_spot<'a>(mut candidates: Vec<Candidate<'a>>, profile: &Profile) -> Vec<Candidate<'a>> {
    let spot = candidates
        .iter()
        .any(|own| own.of(CapacityType::Spot).next().is_some());
    let on_demand = candidates.iter().flat_map(|own| own.of(CapacityType::OnDemand));
    let Some(cheapest) = on_demand.map(|offering| offering.price).min().filter(|_| spot) else {
        return candidates;
    };
    if profile.spot_filter_per_offering {
        for own in &mut candidates {
            own.offerings.retain(|offering| {
                offering.capacity_type != CapacityType::Spot || offering.price <= cheapest
            });
        }
        candidates.retain(|own| !own.offerings.is_empty());
    } else {
        candidates.retain(|own| own.cheapest() <= cheapest);
    }
    candidates
}

/// The sixty cheapest types; an error if they span fewer values than a claim must (`Truncate`).
fn truncate<'a>(
    mut candidates: Vec<Candidate<'a>>,
    requirements: &Requirements,
) -> Result<Vec<Candidate<'a>>, InsufficientCapacity> {
    // The list is by name, and so stay types of equal price.
    candidates.sort_by_cached_key(Candidate::cheapest);
    candidates.truncate(MAX_INSTANCE_TYPES);
    let spans = |key: &str, wanted: u32| {
        let values = candidates
            .iter()
            .filter_map(|own| own.instance_type.requirements.get(key));
        let mut values: Vec<&Name> = values.flat_map(Requirement::values).collect();
        values.sort();
        values.dedup();
        values.len() >= wanted as usize
    };
    let met = |(key, requirement): (&Name, &Requirement)| {
        requirement.min_values().is_none_or(|wanted| spans(key, wanted))
    };
    if requirements.iter().all(met) {
        Ok(candidates)
    } else {
        Err(InsufficientCapacity)
    }
}

/// Reserved if any candidate has it, else spot, else on-demand (`getCapacityType`).
fn capacity_type(candidates: &[Candidate<'_>], requirements: &Requirements) -> CapacityType {
    let has = |own: CapacityType| {
        requirements.allows(labels::CAPACITY_TYPE, own.as_str())
            && candidates
                .iter()
                .any(|candidate| candidate.of(own).next().is_some())
    };
    [CapacityType::Reserved, CapacityType::Spot]
        .into_iter()
        .find(|own| has(*own))
        .unwrap_or(CapacityType::OnDemand)
}

/// What a launch puts on the claim.
#[derive(Debug, Clone, PartialEq)]
pub struct Details {
    /// metadata.labels: the claim's own and those of the instance.
    pub labels: Labels,
    /// status.capacity
    pub capacity: Resources,
    /// status.allocatable
    pub allocatable: Resources,
    /// The node class by which the machine was made, whatever has become of it since.
    pub made_by: Arc<NodeClass>,
}

/// What a launch puts on the claim (`instanceToNodeClaim`; karpenter v1.14
/// pkg/controllers/nodeclaim/lifecycle/launch.go `PopulateNodeClaimDetails`).
#[must_use]
pub fn details(
    claim: &NodeClaim,
    instance_type: &InstanceType,
    launched: &Launched,
    zone_id: &str,
    made_by: Arc<NodeClass>,
) -> Details {
    let mut found = instance_type.requirements.labels();
    found.remove(labels::CAPACITY_RESERVATION_ID);
    found.remove("karpenter.k8s.aws/capacity-reservation-type");
    found.remove("karpenter.k8s.aws/capacity-reservation-interruptible");
    found.insert(
        "karpenter.k8s.aws/instance-tenancy".to_owned(),
        "default".to_owned(),
    );
    found.insert(labels::ZONE.to_owned(), launched.choice.zone.to_string());
    found.insert("topology.k8s.aws/zone-id".to_owned(), zone_id.to_owned());
    found.insert(
        labels::CAPACITY_TYPE.to_owned(),
        launched.capacity_type.to_string(),
    );
    if let Some(reservation) = &launched.choice.reservation {
        found.insert(
            labels::CAPACITY_RESERVATION_ID.to_owned(),
            reservation.to_string(),
        );
    }
    found.extend(claim.requirements.labels());
    found.extend(
        claim
            .labels
            .iter()
            .map(|(key, value)| (key.clone(), value.clone())),
    );
    let wants_efa = claim.requests.extended("vpc.amazonaws.com/efa") > 0;
    let present = |amounts: &Resources| {
        let mut amounts = amounts.clone();
        amounts
            .extended
            .retain(|name, amount| *amount != 0 && (wants_efa || &**name != "vpc.amazonaws.com/efa"));
        amounts
    };
    Details {
        labels: found,
        capacity: present(&instance_type.capacity),
        allocatable: present(instance_type.allocatable()),
        made_by,
    }
}
