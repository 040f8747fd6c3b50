//! Which of its choices a fleet gets.
//!
//! On-demand fleets take the lowest price. Spot fleets are price-capacity-optimized: EC2 looks for the pools
//! (a pool is a type in a zone) with the most spare capacity and takes the cheapest of them. How much capacity
//! a pool has is not published. The assumption here: pools named by the scenario have the most, and of the
//! others those of AWS's advisor's lower interruption bands have more than those of higher ones, since what is
//! seldom reclaimed is seldom short. Within the best class the lowest price wins, and among equal prices (the zones of
//! an on-demand type) chance: which of them EC2 takes is not published either.

use std::sync::Arc;

use rand::RngExt;
use sim::{Instant, Stream};

use super::config::Config;
use super::fleet::{ErrorCode, FleetError, FleetRequest, Override};
use super::instance::Instance;
use super::quota::Group;
use crate::catalog::{Catalog, Entry};
use crate::id::{InstanceId, Table};
use crate::karpenter::CapacityType;
use crate::quantity::Price;

/// Instance types by name: one (`m5.large`), a family (`m5`), or those that begin alike (`g4*`, `*`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypePattern(pub String);

impl TypePattern {
    /// Whether a type is meant.
    #[must_use]
    pub fn matches(&self, instance_type: &str) -> bool {
        let family = instance_type.split_once('.').map_or("", |(family, _)| family);
        match self.0.strip_suffix('*') {
            Some(start) => instance_type.starts_with(start),
            None => self.0 == instance_type || self.0 == family,
        }
    }
}

/// Capacity that is not to be had for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortage {
    /// The types; empty means all.
    pub instance_types: Vec<TypePattern>,
    /// The zones; empty means all.
    pub zones: Vec<Arc<str>>,
    /// The capacity types; empty means all.
    pub capacity_types: Vec<CapacityType>,
    /// From when on.
    pub from: Instant,
    /// Until when; `None` is the end of the run.
    pub until: Option<Instant>,
}

impl Shortage {
    fn covers(&self, choice: &Override, capacity_type: CapacityType, now: Instant) -> bool {
        let mut types = self.instance_types.iter();
        self.from <= now
            && self.until.is_none_or(|until| now < until)
            && (self.capacity_types.is_empty() || self.capacity_types.contains(&capacity_type))
            && (self.zones.is_empty() || self.zones.contains(&choice.zone))
            && (self.instance_types.is_empty() || types.any(|own| own.matches(&choice.instance_type)))
    }
}

/// What EC2 has when a fleet asks.
pub(super) struct Market<'a> {
    pub(super) config: &'a Config,
    pub(super) catalog: &'a Catalog,
    pub(super) instances: &'a Table<InstanceId, Instance>,
    pub(super) now: Instant,
}

impl Market<'_> {
    /// The choice that a fleet gets, and those that were tried before it. `chance` draws among equals.
    pub(super) fn allocate(
        &self,
        request: &FleetRequest,
        chance: &mut Stream,
    ) -> (Option<Override>, Vec<FleetError>) {
        let mut ranked: Vec<(Rank, &Override)> = Vec::with_capacity(request.overrides.len());
        // Those of one type are asked for together.
        for same in request
            .overrides
            .chunk_by(|a, b| a.instance_type == b.instance_type)
        {
            let instance_type = &same[0].instance_type;
            let entry = self.catalog.get(instance_type);
            let is_deep = self
                .config
                .deep_pools
                .iter()
                .any(|own| own.matches(instance_type));
            let rank = |choice| (rank(choice, entry, is_deep, request.capacity_type), choice);
            ranked.extend(same.iter().map(rank));
        }
        let mut errors = Vec::new();
        while let Some(best) = ranked.iter().map(|(rank, _)| *rank).min() {
            let equal: Vec<usize> = (0..ranked.len()).filter(|at| ranked[*at].0 == best).collect();
            let (_, choice) = ranked.remove(equal[chance.random_range(..equal.len())]);
            match self.refusal(choice, request.capacity_type) {
                None => return (Some(choice.clone()), errors),
                Some(code) => errors.push(FleetError {
                    code,
                    choice: choice.clone(),
                }),
            }
        }
        (None, errors)
    }

    /// Why a choice cannot be served now.
    fn refusal(&self, choice: &Override, capacity_type: CapacityType) -> Option<ErrorCode> {
        let entry = self.catalog.get(&choice.instance_type);
        let Some(entry) = entry.filter(|entry| entry.zones.contains(&choice.zone)) else {
            return Some(ErrorCode::Unsupported);
        };
        if let Some(reservation) = &choice.reservation {
            let count = self.config.reservations.get(reservation).copied().unwrap_or(0);
            let used = self
                .alive()
                .filter(|own| own.reservation.as_ref() == Some(reservation));
            return (used.count() >= count as usize).then_some(ErrorCode::ReservationCapacityExceeded);
        }
        let short = |shortage: &Shortage| shortage.covers(choice, capacity_type, self.now);
        if self.config.shortages.iter().any(short) {
            return Some(match capacity_type {
                CapacityType::Spot => ErrorCode::UnfulfillableCapacity,
                _ => ErrorCode::InsufficientInstanceCapacity,
            });
        }
        let (quota, code) = match capacity_type {
            CapacityType::Spot => (&self.config.spot_vcpus, ErrorCode::MaxSpotInstanceCountExceeded),
            _ => (&self.config.on_demand_vcpus, ErrorCode::VcpuLimitExceeded),
        };
        let group = Group::of(entry.spec.name)?;
        let quota = quota.as_ref()?.of(group)?;
        let same = |own: &&Instance| {
            (own.capacity_type == CapacityType::Spot) == (capacity_type == CapacityType::Spot)
                && Group::of(own.spec.name) == Some(group)
        };
        let used: u32 = self.alive().filter(same).map(|own| own.spec.vcpus).sum();
        (used + entry.spec.vcpus > quota).then_some(code)
    }

    fn alive(&self) -> impl Iterator<Item = &Instance> + '_ {
        self.instances
            .iter()
            .map(|(_, instance)| instance)
            .filter(|own| own.is_alive())
    }
}

/// The class of a pool's capacity, the deepest first, and its price.
type Rank = (u8, Price);

/// `entry` is what the catalog says of its type, `is_deep` whether the scenario names its pool.
fn rank(choice: &Override, entry: Option<&Entry>, is_deep: bool, capacity_type: CapacityType) -> Rank {
    match capacity_type {
        CapacityType::Spot => {
            let band = entry.and_then(|entry| entry.interruption_band);
            let class = if is_deep {
                0
            } else {
                band.unwrap_or(DEFAULT_BAND) + 1
            };
            let price = entry.and_then(|entry| entry.spot_in(&choice.zone));
            (class, price.unwrap_or(Price(i64::MAX)))
        }
        CapacityType::OnDemand | CapacityType::Reserved => {
            let price = entry.and_then(|entry| entry.on_demand).map(|(price, _)| price);
            (0, price.unwrap_or(Price(i64::MAX)))
        }
    }
}

/// The band of types that the advisor does not know, mostly new ones: the middle.
const DEFAULT_BAND: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_what_they_say() {
        let check = |pattern: &str, expected: [bool; 4]| {
            let names = ["m5.large", "m5a.large", "g4dn.xlarge", "m5.xlarge"];
            let is = names.map(|name| TypePattern(pattern.to_owned()).matches(name));
            assert_eq!(is, expected, "{pattern}");
        };
        check("m5.large", [true, false, false, false]);
        check("m5", [true, false, false, true]);
        check("m5*", [true, true, false, true]);
        check("*", [true; 4]);
    }
}
