//! A catalog entry as Karpenter's instance type
//! (karpenter-provider-aws v1.14 pkg/providers/instancetype/types.go `NewInstanceType`,
//! pkg/providers/instancetype/offering).
//!
//! All labels of the latest release are there in every release: one that an older Karpenter did not know can
//! only be asked for by a manifest that was not written for it.

use sim::SortedMap;

use super::{NodeClass, Settings};
use crate::catalog::{Arch, Catalog, Entry, InstanceSpec, Zone, capacity, label_value};
use crate::karpenter::instance_type::{CapacityType, InstanceType, Offering, Reservation};
use crate::karpenter::labels;
use crate::karpenter::requirement::{Name, Requirement};
use crate::karpenter::requirements::Requirements;
use crate::karpenter::version::Profile;
use crate::quantity::{Bytes, MilliCpu, Price, Resources};

/// A reserved offering is as good as free: what its type costs on demand, divided by this.
const RESERVED_DISCOUNT: i64 = 10_000_000;

/// How many labels have one value, or none.
const SINGLE: usize = 23;

/// The value of a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Value {
    Number(i64),
    Text(&'static str),
}

impl Value {
    fn requirement(self) -> Requirement {
        match self {
            Value::Number(number) => Requirement::only(number.to_string()),
            Value::Text(text) => Requirement::only(label_value(text)),
        }
    }
}

/// Makes instance types of one node class. Values that recur are shared.
pub struct Builder<'a> {
    class: &'a NodeClass,
    settings: &'a Settings,
    soft_eviction: bool,
    zones: Vec<&'a Zone>,
    keys: Vec<Name>,
    /// By label with one value.
    single: [SortedMap<Value, Requirement>; SINGLE],
    /// What the last type has of each label with one value: types of one family follow one another.
    last: [Option<(Value, Requirement)>; SINGLE],
    /// Zone names and zone ids, by which of the zones.
    of_zones: SortedMap<u64, (Requirement, Requirement)>,
    /// Capacity types, by which of the three.
    bought: SortedMap<[bool; 3], Requirement>,
    archs: SortedMap<Arch, Requirement>,
    tenancy: Requirement,
    linux: Requirement,
    region: Requirement,
    none: Requirement,
}

impl<'a> Builder<'a> {
    /// For one node class in one region.
    #[must_use]
    pub fn new(
        catalog: &'a Catalog,
        class: &'a NodeClass,
        settings: &'a Settings,
        profile: &Profile,
    ) -> Self {
        let selected = |zone: &&Zone| class.zones.is_empty() || class.zones.contains(&zone.name);
        Builder {
            class,
            settings,
            soft_eviction: profile.soft_eviction_reserved,
            zones: catalog.zones().iter().filter(selected).collect(),
            keys: labels::OF_INSTANCE_TYPES
                .iter()
                .map(|key| Name::from(*key))
                .collect(),
            single: std::array::from_fn(|_| SortedMap::new()),
            last: [const { None }; SINGLE],
            of_zones: SortedMap::new(),
            bought: SortedMap::new(),
            archs: SortedMap::new(),
            tenancy: Requirement::any_of(["default", "dedicated"]),
            linux: Requirement::only("linux"),
            region: Requirement::only(label_value(catalog.region())),
            none: Requirement::does_not_exist(),
        }
    }

    /// The instance type, or nothing if it cannot be had: no zone of the class offers it, or Kubernetes does
    /// not run on it. `memory` is what nodes of this type reported.
    pub fn build(&mut self, entry: &Entry, memory: Option<Bytes>) -> Option<InstanceType> {
        let zones: Vec<&'a Zone> = self
            .zones
            .iter()
            .copied()
            .filter(|zone| entry.zones.contains(&zone.name))
            .collect();
        if zones.is_empty() || entry.spec.arch == Arch::Other {
            return None;
        }
        let offerings = self.offerings(entry, &zones);
        let requirements = self.requirements(entry, &zones, &offerings);
        let (capacity, overhead) = self.resources(entry.spec, memory);
        Some(InstanceType::new(
            entry.spec.name,
            requirements,
            offerings,
            capacity,
            overhead,
        ))
    }

    /// One offering for each zone and way of buying that has a price (`ResolveOfferings`).
    fn offerings(&self, entry: &Entry, zones: &[&Zone]) -> Vec<Offering> {
        let mut offerings = Vec::with_capacity(2 * zones.len());
        let mut offer = |zone: &Name, capacity_type, price, reservation| {
            offerings.push(Offering {
                zone: zone.clone(),
                capacity_type,
                price,
                available: true,
                reservation,
            });
        };
        let on_demand = entry.karpenter_on_demand();
        for zone in zones {
            if let Some(price) = on_demand {
                offer(&zone.name, CapacityType::OnDemand, price, None);
            }
            if let Some(price) = entry.spot_in(&zone.name) {
                offer(&zone.name, CapacityType::Spot, price, None);
            }
        }
        for own in self
            .reservations(entry.spec)
            .filter(|own| zones.iter().any(|zone| zone.name == own.zone))
        {
            let price = Price(on_demand.unwrap_or_default().0 / RESERVED_DISCOUNT);
            let reservation = Reservation {
                id: own.id.clone(),
                capacity: own.count,
            };
            offer(&own.zone, CapacityType::Reserved, price, Some(reservation));
        }
        offerings
    }

    fn reservations(
        &self,
        spec: &InstanceSpec,
    ) -> impl Iterator<Item = &'a super::CapacityReservation> + use<'a> {
        let name = spec.name;
        let all = if self.settings.reserved_capacity {
            self.class.reservations.as_slice()
        } else {
            &[]
        };
        all.iter().filter(move |own| *own.instance_type == *name)
    }

    /// What the machine has, and what pods do not get of it (`computeCapacity`). The overhead goes by the
    /// estimate even where the memory is known.
    fn resources(&self, spec: &InstanceSpec, memory: Option<Bytes>) -> (Resources, Resources) {
        let (class, settings) = (self.class, self.settings);
        let mut extended = capacity::device_resources(spec);
        extended.extend(capacity::network_resources(spec));
        let mut capacity = Resources {
            cpu: MilliCpu(i64::from(spec.vcpus) * 1000),
            memory: capacity::estimated_memory(spec, settings.vm_memory_overhead),
            ephemeral_storage: class.ephemeral_storage(spec.instance_store_gb),
            pods: class.kubelet.pods(spec, class.ami_family, settings.reserved_enis),
            extended,
        };
        let overhead = class
            .kubelet
            .overhead(spec, class.ami_family, &capacity, self.soft_eviction);
        capacity.memory = memory.unwrap_or(capacity.memory);
        (capacity, overhead)
    }

    /// The requirement of one of the labels with one value.
    fn single(&mut self, label: usize, value: Value) -> Requirement {
        match &self.last[label] {
            Some((last, requirement)) if value == *last => requirement.clone(),
            _ => {
                let known = self.single[label].entry(value);
                let requirement = known.or_insert_with(|| value.requirement()).clone();
                self.last[label] = Some((value, requirement.clone()));
                requirement
            }
        }
    }

    /// Zone names and zone ids.
    fn of_zones(&mut self, zones: &[&Zone]) -> (Requirement, Requirement) {
        let offered = |zone: &&Zone| zones.iter().any(|own| own.id == zone.id);
        let bits = self
            .zones
            .iter()
            .enumerate()
            .map(|(at, zone)| u64::from(offered(zone)) << at);
        let made = || {
            let names = Requirement::any_of(zones.iter().map(|zone| zone.name.clone()));
            (names, Requirement::any_of(zones.iter().map(|zone| zone.id)))
        };
        self.of_zones.entry(bits.sum()).or_insert_with(made).clone()
    }

    /// The capacity types of offerings.
    fn bought(&mut self, offerings: &[Offering]) -> Requirement {
        const ALL: [CapacityType; 3] = [CapacityType::OnDemand, CapacityType::Reserved, CapacityType::Spot];
        let has = ALL.map(|own| offerings.iter().any(|offering| offering.capacity_type == own));
        let made = || {
            let listed = ALL.iter().zip(has).filter(|(_, has)| *has);
            Requirement::any_of(listed.map(|(own, _)| own.as_str()))
        };
        self.bought.entry(has).or_insert_with(made).clone()
    }

    /// The labels that nodes of the type can have (`computeRequirements`).
    fn requirements(&mut self, entry: &Entry, zones: &[&Zone], offerings: &[Offering]) -> Requirements {
        let spec = entry.spec;
        let number = |value: u32| Value::Number(i64::from(value));
        let mib = |bytes: Bytes| Value::Number(bytes.0 >> 20);
        let flag = |flag: bool| Value::Text(if flag { "true" } else { "false" });
        let gpu = spec.gpu;
        // Only inference and Neuron devices have labels.
        let accelerator = spec
            .accelerator
            .filter(|own| matches!(own.kind, "neuron" | "inference"));
        let maker = accelerator.map(|own| {
            if own.kind == "neuron" {
                "aws"
            } else {
                own.manufacturer
            }
        });
        let reservations: Vec<Name> = self.reservations(spec).map(|own| own.id.clone()).collect();
        let reserved = !reservations.is_empty();
        let text = |value: &'static str| (!value.is_empty()).then_some(Value::Text(value));
        let values: [Option<Value>; SINGLE] = [
            reserved.then_some(Value::Text("false")),
            reserved.then_some(Value::Text("default")),
            accelerator.map(|own| number(own.count)),
            maker.map(Value::Text),
            accelerator.map(|own| Value::Text(own.name)),
            Some(flag(spec.flex())),
            text(spec.category),
            Some(number(spec.vcpus)),
            text(spec.cpu_manufacturer),
            Some(number(spec.sustained_mhz.unwrap_or(0))),
            spec.ebs_mbps.map(number),
            Some(flag(spec.encryption_in_transit)),
            text(spec.family()),
            spec.generation.map(number),
            gpu.map(|gpu| number(gpu.count)),
            gpu.map(|gpu| Value::Text(gpu.manufacturer)),
            gpu.map(|gpu| mib(gpu.memory)),
            gpu.map(|gpu| Value::Text(gpu.name)),
            Some(Value::Text(spec.hypervisor)),
            spec.local_nvme_gb.map(number),
            Some(mib(spec.memory)),
            spec.network_mbps.map(number),
            text(spec.size()),
        ];
        let mut listed: Vec<Requirement> = Vec::with_capacity(labels::OF_INSTANCE_TYPES.len());
        listed.push(if reserved {
            Requirement::any_of(reservations)
        } else {
            self.none.clone()
        });
        for (label, value) in values.into_iter().enumerate() {
            listed.push(match value {
                Some(value) => self.single(label, value),
                None => self.none.clone(),
            });
        }
        let (zone_names, zone_ids) = self.of_zones(zones);
        listed.push(self.tenancy.clone());
        listed.push(self.bought(offerings));
        let arch = || Requirement::only(spec.arch.as_str());
        listed.push(self.archs.entry(spec.arch).or_insert_with(arch).clone());
        listed.push(self.linux.clone());
        // The type says its name itself.
        listed.push(self.none.clone());
        listed.push(self.none.clone());
        listed.push(zone_ids);
        listed.push(self.region.clone());
        listed.push(zone_names);
        Requirements::from_sorted(self.keys.iter().cloned().zip(listed).collect())
    }
}
