//! The CreateFleet call: what is asked and what is answered.
//!
//! These are the types of EC2's interface, so both who calls it and who answers know them.

use std::sync::Arc;
use std::time::Duration;

use crate::catalog::volume::Volume;
use crate::id::InstanceId;
use crate::karpenter::CapacityType;

/// One way to serve an instant fleet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// The instance type.
    pub instance_type: Arc<str>,
    /// The zone of the subnet.
    pub zone: Arc<str>,
    /// The capacity reservation to use.
    pub reservation: Option<Arc<str>>,
}

/// An instant fleet of one instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FleetRequest {
    /// How the capacity is bought. Spot is allocated price-capacity-optimized, on-demand at the lowest price.
    pub capacity_type: CapacityType,
    /// The choices.
    pub overrides: Vec<Override>,
    /// The volumes.
    pub volumes: Arc<[Volume]>,
    /// Metrics every minute, which is billed.
    pub detailed_monitoring: bool,
    /// Asked of Karpenter's KWOK provider instead of EC2: answered at once, and the node registers so long after.
    pub registration_delay: Option<Duration>,
}

/// Why a choice could not be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ErrorCode {
    /// `InsufficientInstanceCapacity`: none left in that zone.
    InsufficientInstanceCapacity,
    /// `UnfulfillableCapacity`: no spot capacity there.
    UnfulfillableCapacity,
    /// `VcpuLimitExceeded`: the account's quota of on-demand virtual CPUs.
    VcpuLimitExceeded,
    /// `MaxSpotInstanceCountExceeded`: the account's quota of spot virtual CPUs.
    MaxSpotInstanceCountExceeded,
    /// `ReservationCapacityExceeded`: the reservation is used up.
    ReservationCapacityExceeded,
    /// `Unsupported`: the zone does not have the type.
    Unsupported,
}

impl ErrorCode {
    /// Whether a quota of virtual CPUs is used up.
    #[must_use]
    pub fn is_quota(self) -> bool {
        matches!(
            self,
            ErrorCode::VcpuLimitExceeded | ErrorCode::MaxSpotInstanceCountExceeded
        )
    }

    /// As EC2 spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            ErrorCode::InsufficientInstanceCapacity => "InsufficientInstanceCapacity",
            ErrorCode::UnfulfillableCapacity => "UnfulfillableCapacity",
            ErrorCode::VcpuLimitExceeded => "VcpuLimitExceeded",
            ErrorCode::MaxSpotInstanceCountExceeded => "MaxSpotInstanceCountExceeded",
            ErrorCode::ReservationCapacityExceeded => "ReservationCapacityExceeded",
            ErrorCode::Unsupported => "Unsupported",
        }
    }
}

/// One choice that could not be served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FleetError {
    /// Why.
    pub code: ErrorCode,
    /// Which.
    pub choice: Override,
}

/// An instance that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launched {
    /// Which.
    pub instance: InstanceId,
    /// The choice that served it.
    pub choice: Override,
    /// How it is bought.
    pub capacity_type: CapacityType,
}

/// The answer: an instance or none, and the choices that failed before it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FleetAnswer {
    /// The instance.
    pub launched: Option<Launched>,
    /// The failures, one for each choice that was tried in vain.
    pub errors: Vec<FleetError>,
}
