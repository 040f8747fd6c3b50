//! Instance types as the provider offers them (karpenter v1.14 pkg/cloudprovider/types.go).

use std::fmt;
use std::ops::Deref;
use std::str::FromStr;
use std::sync::{Arc, OnceLock};

use super::labels;
use super::requirement::{Name, Requirement};
use super::requirements::Requirements;
use super::scheduling::Catalog;
use crate::quantity::{Price, Resources};

/// The instance types of a node class. The list is shared, and so is each type in it, so that a list in
/// which one offering ran out copies little. Its index is made when somebody first looks something up.
#[derive(Debug, Clone)]
pub struct InstanceTypes(Arc<List>);

#[derive(Debug)]
struct List {
    types: Arc<[Arc<InstanceType>]>,
    index: OnceLock<Arc<Catalog>>,
    /// The index of a list that differs little.
    former: Option<Arc<Catalog>>,
}

impl InstanceTypes {
    /// A list in the place of `former`.
    pub(crate) fn renewed(types: Vec<Arc<InstanceType>>, former: &InstanceTypes) -> Self {
        InstanceTypes(Arc::new(List {
            types: types.into(),
            index: OnceLock::new(),
            former: former.0.index.get().or(former.0.former.as_ref()).cloned(),
        }))
    }

    /// The list, indexed.
    pub(crate) fn index(&self) -> &Arc<Catalog> {
        let make = || Arc::new(Catalog::new(self.0.types.clone(), self.0.former.as_deref()));
        self.0.index.get_or_init(make)
    }

    /// The type of that name.
    pub(crate) fn named(&self, name: &str) -> Option<&Arc<InstanceType>> {
        Some(&self[self.index().named(name)?])
    }

    /// Whether both are one and the same list.
    #[must_use]
    pub fn same(&self, other: &InstanceTypes) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl FromIterator<Arc<InstanceType>> for InstanceTypes {
    fn from_iter<T: IntoIterator<Item = Arc<InstanceType>>>(types: T) -> Self {
        InstanceTypes(Arc::new(List {
            types: types.into_iter().collect(),
            index: OnceLock::new(),
            former: None,
        }))
    }
}

impl Deref for InstanceTypes {
    type Target = [Arc<InstanceType>];

    fn deref(&self) -> &Self::Target {
        &self.0.types
    }
}

/// How capacity is bought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CapacityType {
    /// `reserved`
    Reserved,
    /// `spot`
    Spot,
    /// `on-demand`
    OnDemand,
}

impl CapacityType {
    /// The value of the label `karpenter.sh/capacity-type`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            CapacityType::Reserved => "reserved",
            CapacityType::Spot => "spot",
            CapacityType::OnDemand => "on-demand",
        }
    }
}

impl fmt::Display for CapacityType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a text is no capacity type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected spot, on-demand or reserved, found {0:?}")]
pub struct NotACapacityType(pub String);

impl FromStr for CapacityType {
    type Err = NotACapacityType;

    fn from_str(text: &str) -> Result<Self, NotACapacityType> {
        [CapacityType::Reserved, CapacityType::Spot, CapacityType::OnDemand]
            .into_iter()
            .find(|capacity_type| capacity_type.as_str() == text)
            .ok_or_else(|| NotACapacityType(text.to_owned()))
    }
}

/// A capacity reservation behind an offering.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    /// Its id.
    pub id: Name,
    /// How many instances it has left.
    pub capacity: u32,
}

/// Where and how an instance type can be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offering {
    /// The availability zone.
    pub zone: Name,
    /// How it is bought.
    pub capacity_type: CapacityType,
    /// What an hour costs.
    pub price: Price,
    /// Whether EC2 is thought to have it.
    pub available: bool,
    /// The reservation, for a reserved offering.
    pub reservation: Option<Reservation>,
}

impl Offering {
    /// Whether requirements on zone, capacity type and reservation admit this offering.
    #[must_use]
    pub fn is_compatible(&self, requirements: &Requirements) -> bool {
        Wanted::of(requirements).admits(self)
    }
}

/// What requirements ask of offerings, looked up once for many of them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'r> {
    zone: Option<&'r Requirement>,
    capacity_type: Option<&'r Requirement>,
    reservation: Option<&'r Requirement>,
}

impl<'r> Wanted<'r> {
    pub(crate) fn of(requirements: &'r Requirements) -> Self {
        Wanted {
            zone: requirements.get(labels::ZONE),
            capacity_type: requirements.get(labels::CAPACITY_TYPE),
            reservation: requirements.get(labels::CAPACITY_RESERVATION_ID),
        }
    }

    pub(crate) fn admits(&self, offering: &Offering) -> bool {
        let allows = |wanted: Option<&Requirement>, value| wanted.is_none_or(|wanted| wanted.has(value));
        allows(self.zone, &offering.zone)
            && allows(self.capacity_type, offering.capacity_type.as_str())
            && match (self.reservation, &offering.reservation) {
                (Some(wanted), Some(reservation)) => wanted.has(&reservation.id),
                // Other offerings carry the label as DoesNotExist.
                (Some(wanted), None) => wanted.meets(&Requirement::does_not_exist()),
                (None, _) => true,
            }
    }
}

/// An instance type.
#[derive(Debug, Clone, PartialEq)]
pub struct InstanceType {
    /// The name, as in `m5.large`.
    pub name: Name,
    /// The labels that a node of this type can have; a key may have several values (zones) or none.
    pub requirements: Requirements,
    /// Where and how it can be had.
    pub offerings: Vec<Offering>,
    /// What the machine has.
    pub capacity: Resources,
    /// What the kubelet keeps from pods: kube and system reserved, eviction threshold.
    pub overhead: Resources,
    allocatable: Resources,
    facts: Facts,
}

/// What every launch asks of all types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Facts {
    exotic: bool,
    arm_with_gpu: bool,
}

/// Resources that make a type exotic.
const EXOTIC: [&str; 5] = [
    "nvidia.com/gpu",
    "amd.com/gpu",
    "habana.ai/gaudi",
    "aws.amazon.com/neuron",
    "aws.amazon.com/neuroncore",
];

impl Facts {
    fn of(requirements: &Requirements, capacity: &Resources) -> Self {
        let values = |key| requirements.get(key).map_or(&[][..], Requirement::values);
        let sizes = values("karpenter.k8s.aws/instance-size");
        let metal = sizes.iter().any(|size| size.contains("metal"));
        Facts {
            exotic: metal || EXOTIC.iter().any(|name| capacity.extended(name) > 0),
            arm_with_gpu: requirements.allows(labels::ARCH, "arm64")
                && !values("karpenter.k8s.aws/instance-gpu-count").is_empty(),
        }
    }
}

impl InstanceType {
    /// An instance type; its requirements get its name.
    #[must_use]
    pub fn new(
        name: impl Into<Name>,
        mut requirements: Requirements,
        offerings: Vec<Offering>,
        capacity: Resources,
        overhead: Resources,
    ) -> Self {
        let name = name.into();
        requirements.replace(labels::INSTANCE_TYPE, Requirement::only(name.clone()));
        let allocatable = capacity.clone() - &overhead;
        InstanceType {
            facts: Facts::of(&requirements, &capacity),
            name,
            requirements,
            offerings,
            capacity,
            overhead,
            allocatable,
        }
    }

    /// What is left for pods: capacity less overhead.
    #[must_use]
    pub fn allocatable(&self) -> &Resources {
        &self.allocatable
    }

    /// Whether it is bare metal or has accelerators (karpenter-provider-aws v1.14
    /// pkg/providers/instance/filter/filter.go `ExoticInstanceTypeFilter`).
    pub(crate) fn is_exotic(&self) -> bool {
        self.facts.exotic
    }

    /// Whether it may have Arm cores, and its labels count GPUs.
    pub(crate) fn is_arm_with_gpu(&self) -> bool {
        self.facts.arm_with_gpu
    }

    /// The offerings that are available and that requirements admit.
    pub fn available<'a, 'r>(
        &'a self,
        requirements: &'r Requirements,
    ) -> impl Iterator<Item = &'a Offering> + use<'a, 'r> {
        let wanted = Wanted::of(requirements);
        self.offerings
            .iter()
            .filter(move |offering| offering.available && wanted.admits(offering))
    }

    /// Says how many instances a reservation has left; one with none is not available.
    pub(crate) fn set_reservation(&mut self, id: &str, left: u32) {
        for offering in &mut self.offerings {
            if let Some(reservation) = offering.reservation.as_mut().filter(|own| *own.id == *id) {
                reservation.capacity = left;
                offering.available = left > 0;
            }
        }
    }

    /// The cheapest available offering that requirements admit (`Offerings.Cheapest`).
    #[must_use]
    pub fn cheapest(&self, requirements: &Requirements) -> Option<&Offering> {
        self.available(requirements).min_by_key(|offering| offering.price)
    }
}

/// Orders instance types by their cheapest available compatible offering; those without come last.
///
/// Upstream's sort is unstable; here equal prices keep their order, which is by name in a catalog
/// (karpenter v1.14 pkg/cloudprovider/types.go `OrderByPrice`).
pub fn order_by_price(types: &mut [Arc<InstanceType>], requirements: &Requirements) {
    types.sort_by_cached_key(|instance_type| {
        let cheapest = instance_type.cheapest(requirements);
        cheapest.map_or(i64::MAX, |offering| offering.price.0)
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capacity_types_are_their_labels() {
        for capacity_type in [CapacityType::Reserved, CapacityType::Spot, CapacityType::OnDemand] {
            assert_eq!(capacity_type.as_str().parse(), Ok(capacity_type));
        }
        assert!("ondemand".parse::<CapacityType>().is_err());
    }
}
