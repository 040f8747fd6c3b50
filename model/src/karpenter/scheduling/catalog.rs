//! A list of instance types, indexed for filtering.
//!
//! Upstream tests every type against every requirement each time that a pod is tried on a claim. Here each
//! label value knows the types that have it, each (zone, capacity type) the types available there, and
//! resources lie in columns, so that narrowing a claim's types is a handful of set operations. What passes
//! is the same (karpenter v1.14 pkg/controllers/provisioning/scheduling/nodeclaim.go
//! `filterInstanceTypesByRequirements`, `compatible`, `fits`).

use std::sync::{Arc, OnceLock};

use sim::SortedMap;

use super::type_set::TypeSet;
use crate::karpenter::instance_type::{CapacityType, InstanceType, Offering, Wanted};
use crate::karpenter::labels;
use crate::karpenter::requirement::{Name, Requirement};
use crate::karpenter::requirements::Requirements;
use crate::quantity::{Price, ResourceName, Resources};

/// Which types have what of one label.
#[derive(Debug)]
struct Key {
    /// Types without the label.
    undefined: TypeSet,
    /// By value; a type may have several.
    values: SortedMap<Name, Vec<u16>>,
    /// Types that must not have the label.
    valueless: Vec<u16>,
    /// Types with a requirement that is no list of values.
    open: Vec<(u16, Requirement)>,
}

/// Types that are available under one zone, capacity type and reservation, and at which price.
#[derive(Debug)]
struct Available {
    offering: Offering,
    types: TypeSet,
    prices: Vec<Price>,
}

/// A list of instance types, indexed.
#[derive(Debug)]
pub(crate) struct Catalog {
    pub(crate) types: Arc<[Arc<InstanceType>]>,
    /// Of hardly any label is it ever asked who has what: each is indexed when somebody first does.
    keys: Arc<SortedMap<Name, OnceLock<Key>>>,
    available: Arc<[Available]>,
    /// cpu, memory, ephemeral storage and pods that each type has for pods.
    rows: Vec<[i64; 4]>,
    extended: SortedMap<ResourceName, Vec<i64>>,
    /// Types whose every allocatable amount is at least zero.
    sound: TypeSet,
    /// Whether any offering is reserved.
    pub(crate) has_reserved: bool,
}

impl Catalog {
    /// What is the same in a `former` list is not indexed again.
    pub(crate) fn new(types: Arc<[Arc<InstanceType>]>, former: Option<&Catalog>) -> Self {
        assert!(
            types.len() <= usize::from(u16::MAX),
            "a catalog of {} types",
            types.len()
        );
        let former = former.filter(|former| former.types.len() == types.len());
        let alike = |same: fn(&InstanceType, &InstanceType) -> bool| {
            let same = |(a, b): (&Arc<InstanceType>, _)| Arc::ptr_eq(a, b) || same(a, b);
            former.filter(|former| types.iter().zip(&*former.types).all(same))
        };
        let (keys, available) = (
            alike(|a, b| a.requirements == b.requirements).map(|former| former.keys.clone()),
            alike(|a, b| a.offerings == b.offerings).map(|former| former.available.clone()),
        );
        let mut catalog = Catalog {
            keys: keys.unwrap_or_else(|| keys_of(&types).into()),
            available: available.unwrap_or_else(|| index_offerings(&types).into()),
            rows: types.iter().map(|t| row(t.allocatable())).collect(),
            extended: SortedMap::new(),
            sound: TypeSet::all(types.len()),
            has_reserved: false,
            types,
        };
        for (at, instance_type) in catalog.types.iter().enumerate() {
            let allocatable = instance_type.allocatable();
            for (name, amount) in &allocatable.extended {
                let column = catalog.extended.entry(name.clone());
                column.or_insert_with(|| vec![0; catalog.types.len()])[at] = *amount;
            }
            let negative = catalog.rows[at]
                .iter()
                .chain(allocatable.extended.values())
                .any(|x| *x < 0);
            if negative {
                catalog.sound.remove(at);
            }
            let reserved = |offering: &Offering| offering.capacity_type == CapacityType::Reserved;
            catalog.has_reserved |= instance_type.offerings.iter().any(reserved);
        }
        catalog
    }

    pub(crate) fn all(&self) -> TypeSet {
        TypeSet::all(self.types.len())
    }

    /// Where a type is in the list.
    pub(crate) fn named(&self, name: &str) -> Option<usize> {
        let first = self.key(labels::INSTANCE_TYPE)?.values.get(name)?.first()?;
        Some(usize::from(*first))
    }

    /// Who has what of a label; nothing if none of the types has it.
    fn key(&self, key: &str) -> Option<&Key> {
        let index = self.keys.get(key)?;
        Some(index.get_or_init(|| index_key(&self.types, key)))
    }

    /// The types of a set, cheapest available offering first that requirements admit, and in the order of the
    /// list where prices are equal (karpenter v1.14 pkg/cloudprovider/types.go `OrderByPrice`; upstream's sort is
    /// unstable).
    pub(crate) fn order_by_price(
        &self,
        set: &TypeSet,
        requirements: &Requirements,
    ) -> Vec<Arc<InstanceType>> {
        let wanted = Wanted::of(requirements);
        let admitted = self.available.iter().filter(|a| wanted.admits(&a.offering));
        let admitted: Vec<&Available> = admitted.collect();
        // What no requirement admits comes first.
        let none = Price(i64::MIN);
        let cheapest = |at: usize| admitted.iter().map(|a| a.prices[at]).min().unwrap_or(none);
        let mut order: Vec<(Price, usize)> = set.iter().map(|at| (cheapest(at), at)).collect();
        order.sort_unstable();
        order.into_iter().map(|(_, at)| self.types[at].clone()).collect()
    }

    /// Keeps the types that meet one requirement. Types without the label do.
    pub(crate) fn filter_key(&self, set: &mut TypeSet, key: &str, requirement: &Requirement) {
        let Some(index) = self.key(key) else {
            return;
        };
        let mut passing = index.undefined.clone();
        let mut pass = |types: &[u16]| types.iter().for_each(|at| passing.insert(usize::from(*at)));
        if requirement.is_complement() {
            let allowed = index.values.iter().filter(|(value, _)| requirement.has(value));
            allowed.for_each(|(_, types)| pass(types));
        } else {
            for value in requirement.values() {
                if let Some(types) = index.values.get(value) {
                    pass(types);
                }
            }
        }
        if requirement.allows_absence() {
            pass(&index.valueless);
        }
        for (at, own) in &index.open {
            if own.meets(requirement) {
                pass(&[*at]);
            }
        }
        set.intersect(&passing);
    }

    /// Keeps the types that meet all requirements (`compatible`).
    pub(crate) fn filter_requirements(&self, set: &mut TypeSet, requirements: &Requirements) {
        for (key, requirement) in requirements.iter() {
            self.filter_key(set, key, requirement);
        }
    }

    /// The types that requirements admit: each label of a type is met, or well known, or need not be there
    /// (karpenter v1.14 pkg/scheduling/requirements.go `Compatible` with `AllowUndefinedWellKnownLabels`).
    pub(crate) fn compatible(&self, requirements: &Requirements) -> TypeSet {
        let mut set = self.all();
        self.filter_requirements(&mut set, requirements);
        let undefined = |key: &&Name| !labels::is_well_known(key) && requirements.get(key).is_none();
        let keys = self.keys.keys().filter(undefined);
        for index in keys.filter_map(|key| self.key(key)) {
            let valued = index.values.values().flatten();
            let open = index.open.iter().filter(|(_, own)| !own.allows_absence());
            for at in valued.chain(open.map(|(at, _)| at)) {
                set.remove(usize::from(*at));
            }
        }
        set
    }

    /// Keeps the types with an available offering that requirements admit.
    pub(crate) fn filter_offerings(&self, set: &mut TypeSet, requirements: &Requirements) {
        let mut passing = TypeSet::none(self.types.len());
        let wanted = Wanted::of(requirements);
        for available in &*self.available {
            if wanted.admits(&available.offering) {
                passing.union(&available.types);
            }
        }
        set.intersect(&passing);
    }

    /// Keeps the types on which so much fits.
    pub(crate) fn filter_fits(&self, set: &mut TypeSet, requests: &Resources) {
        let wanted = row(requests);
        let extended: Vec<(&[i64], i64)> = requests
            .extended
            .iter()
            .filter(|(_, amount)| **amount > 0)
            .map(|(name, amount)| (self.extended.get(name).map_or(&[][..], Vec::as_slice), *amount))
            .collect();
        set.intersect(&self.sound);
        set.retain(|at| {
            let own = &self.rows[at];
            (0..4).all(|i| wanted[i] <= own[i])
                && extended
                    .iter()
                    .all(|(column, amount)| column.get(at).is_some_and(|own| amount <= own))
        });
    }

    /// How many distinct values of a label the types of a set span (`SatisfiesMinValues`).
    pub(crate) fn distinct_values(&self, set: &TypeSet, key: &str) -> usize {
        let Some(index) = self.key(key) else {
            return 0;
        };
        let spanned = |types: &[u16]| types.iter().any(|at| set.contains(usize::from(*at)));
        index.values.values().filter(|types| spanned(types)).count()
    }

    /// The values that any type has for a label.
    pub(crate) fn values(&self, key: &str) -> impl Iterator<Item = &Name> + '_ {
        self.key(key).into_iter().flat_map(|index| index.values.keys())
    }

    /// The reserved offerings that are available and that requirements admit, of the types of a set.
    pub(crate) fn reserved<'a>(
        &'a self,
        set: &'a TypeSet,
        requirements: &'a Requirements,
    ) -> impl Iterator<Item = &'a Offering> + 'a {
        let offerings = set.iter().flat_map(|at| self.types[at].available(requirements));
        offerings.filter(|offering| offering.reservation.is_some())
    }
}

fn row(resources: &Resources) -> [i64; 4] {
    let Resources {
        cpu,
        memory,
        ephemeral_storage,
        pods,
        ..
    } = resources;
    [cpu.0, memory.0, ephemeral_storage.0, *pods]
}

/// The labels of all types. Most have theirs from one list.
fn keys_of(types: &[Arc<InstanceType>]) -> SortedMap<Name, OnceLock<Key>> {
    let mut keys = SortedMap::new();
    let mut last: Option<&Requirements> = None;
    for instance_type in types {
        let own = &instance_type.requirements;
        let alike = |last: &Requirements| {
            let mut both = last.iter().zip(own.iter());
            last.len() == own.len() && both.all(|((a, _), (b, _))| Arc::ptr_eq(a, b))
        };
        if !last.is_some_and(alike) {
            keys.extend(own.iter().map(|(key, _)| (key.clone(), OnceLock::new())));
            last = Some(own);
        }
    }
    keys
}

fn index_key(types: &[Arc<InstanceType>], key: &str) -> Key {
    let mut index = Key {
        undefined: TypeSet::all(types.len()),
        values: SortedMap::new(),
        valueless: Vec::new(),
        open: Vec::new(),
    };
    for (place, instance_type) in types.iter().enumerate() {
        let Some(requirement) = instance_type.requirements.get(key) else {
            continue;
        };
        index.undefined.remove(place);
        let at = place as u16;
        if requirement.is_complement() {
            index.open.push((at, requirement.clone()));
            continue;
        }
        if requirement.values().is_empty() {
            index.valueless.push(at);
        }
        for value in requirement.values() {
            index.values.entry(value.clone()).or_default().push(at);
        }
    }
    index
}

/// What offerings are told apart by.
fn place(offering: &Offering) -> (&Name, CapacityType, Option<&Name>) {
    let reservation = offering.reservation.as_ref().map(|own| &own.id);
    (&offering.zone, offering.capacity_type, reservation)
}

fn index_offerings(types: &[Arc<InstanceType>]) -> Vec<Available> {
    let mut available: Vec<Available> = Vec::new();
    for (at, instance_type) in types.iter().enumerate() {
        for offering in instance_type
            .offerings
            .iter()
            .filter(|offering| offering.available)
        {
            let same = |other: &Available| place(&other.offering) == place(offering);
            let group = available.iter().position(same).unwrap_or_else(|| {
                available.push(Available {
                    offering: offering.clone(),
                    types: TypeSet::none(types.len()),
                    prices: vec![Price(i64::MAX); types.len()],
                });
                available.len() - 1
            });
            available[group].types.insert(at);
            let price = &mut available[group].prices[at];
            *price = offering.price.min(*price);
        }
    }
    available
}

/// Whether a key says where and how capacity is bought, so that offerings must be looked at again.
pub(crate) fn concerns_offerings(key: &str) -> bool {
    matches!(
        key,
        labels::ZONE | labels::CAPACITY_TYPE | labels::CAPACITY_RESERVATION_ID
    )
}
