//! Karpenter's AWS provider: what can be launched, at which price, and which of it a NodeClaim gets
//! (karpenter-provider-aws v1.14 pkg/providers).
//!
//! For each EC2NodeClass the catalog becomes a list of [`InstanceTypes`] with labels, capacity, overhead and
//! offerings ([`instance_type`]). What EC2 refused lately is marked unavailable for three minutes
//! ([`unavailable`]); memory that nodes reported replaces the estimate. A launch narrows a claim's types down
//! to one CreateFleet call ([`launch`]).
//!
//! Prices are known and never stale here, since they do not change during a run; the first moments of a real
//! controller, when spot prices are taken to be on-demand prices, are left out. Subnets are zones: free
//! addresses are not counted. Left out too: Windows, placement groups, capacity blocks, price overlays,
//! dedicated tenancy.

pub mod instance_type;
pub mod launch;
mod node_class;
pub mod unavailable;

use std::sync::{Arc, Mutex};

use sim::{Instant, SortedMap};

pub use node_class::{CapacityReservation, NodeClass};

use super::instance_type::{CapacityType, InstanceType, InstanceTypes};
use super::requirement::Name;
use super::version::{Profile, ReservedCapacity};
use crate::catalog::capacity::VM_MEMORY_OVERHEAD;
use crate::catalog::{Catalog, Entry};
use crate::id::{InstanceId, NodePoolId};
use crate::quantity::Bytes;
use instance_type::Builder;
use unavailable::{Offer, UnavailableOfferings};

/// The provider's settings.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// VM_MEMORY_OVERHEAD_PERCENT, as a share.
    pub vm_memory_overhead: f64,
    /// RESERVED_ENIS
    pub reserved_enis: u32,
    /// The gate ReservedCapacity.
    pub reserved_capacity: bool,
}

impl Settings {
    /// The defaults of a release.
    #[must_use]
    pub fn of(profile: &Profile) -> Self {
        Settings {
            vm_memory_overhead: VM_MEMORY_OVERHEAD,
            reserved_enis: 0,
            reserved_capacity: profile.reserved_capacity == ReservedCapacity::GateOn,
        }
    }
}

/// The EC2NodeClass of each NodePool. Pools that share one share the list of its instance types.
pub type Classes = SortedMap<NodePoolId, Arc<NodeClass>>;

/// Lists of instance types in which all is available. A clone shares them: a run need not make what another
/// run of the same scenario has made.
#[derive(Debug, Clone, Default)]
pub struct Lists {
    made: Arc<Mutex<Vec<Made>>>,
}

/// A list, and what it was made of.
#[derive(Debug)]
struct Made {
    class: Arc<NodeClass>,
    catalog: Arc<Catalog>,
    settings: Settings,
    profile: Profile,
    types: InstanceTypes,
}

/// The provider's memory.
#[derive(Debug)]
pub struct Provider {
    profile: Profile,
    settings: Settings,
    catalog: Arc<Catalog>,
    shared: Lists,
    unavailable: UnavailableOfferings,
    /// The least memory that a node of each type reported, by node class.
    discovered: SortedMap<(Name, Name), Bytes>,
    /// Instances in each capacity reservation.
    reserved: SortedMap<Name, Vec<InstanceId>>,
    lists: Vec<List>,
    by_pool: SortedMap<NodePoolId, InstanceTypes>,
}

/// The instance types of one node class.
#[derive(Debug)]
struct List {
    class: Arc<NodeClass>,
    /// As if all was available.
    base: InstanceTypes,
    /// As it is thought to be.
    current: InstanceTypes,
}

impl Provider {
    /// A provider that knows no node class yet.
    #[must_use]
    pub fn new(profile: Profile, settings: Settings, catalog: Arc<Catalog>, shared: Lists) -> Self {
        Provider {
            profile,
            settings,
            catalog,
            shared,
            unavailable: UnavailableOfferings::default(),
            discovered: SortedMap::new(),
            reserved: SortedMap::new(),
            lists: Vec::new(),
            by_pool: SortedMap::new(),
        }
    }

    /// What EC2 offers.
    pub(crate) fn catalog(&self) -> &Arc<Catalog> {
        &self.catalog
    }

    /// What can be launched for each NodePool, by name of the type.
    #[must_use]
    pub fn instance_types(&self) -> &SortedMap<NodePoolId, InstanceTypes> {
        &self.by_pool
    }

    /// The instance types of one pool.
    #[must_use]
    pub fn of_pool(&self, pool: NodePoolId) -> Option<&InstanceTypes> {
        self.by_pool.get(&pool)
    }

    /// Takes note of pools and their classes.
    pub fn set_classes(&mut self, classes: &Classes) {
        let mut former = std::mem::take(&mut self.lists);
        for class in classes.values() {
            if self.lists.iter().any(|list| list.class == *class) {
                continue;
            }
            let known = former.iter().position(|list| list.class == *class);
            let list = match known {
                Some(at) => former.swap_remove(at),
                None => self.build(class.clone()),
            };
            self.lists.push(list);
        }
        self.assign(classes);
    }

    fn assign(&mut self, classes: &Classes) {
        let list = |class: &Arc<NodeClass>| self.lists.iter().find(|list| list.class == *class);
        self.by_pool = classes
            .iter()
            .filter_map(|(pool, class)| Some((*pool, list(class)?.current.clone())))
            .collect();
    }

    fn build(&self, class: Arc<NodeClass>) -> List {
        let fresh = self.discovered.keys().all(|(_, name)| *name != class.name);
        let base = if fresh {
            self.shared_list(&class)
        } else {
            self.make(&class)
        };
        let current = self.seen(&class, &base);
        List { class, base, current }
    }

    fn shared_list(&self, class: &Arc<NodeClass>) -> InstanceTypes {
        let mut made = self.shared.made.lock().expect("making a list does not panic");
        let same = |made: &&Made| {
            made.class == *class
                && Arc::ptr_eq(&made.catalog, &self.catalog)
                && made.settings == self.settings
                && made.profile == self.profile
        };
        if let Some(known) = made.iter().find(same) {
            return known.types.clone();
        }
        let types = self.make(class);
        made.push(Made {
            class: class.clone(),
            catalog: self.catalog.clone(),
            settings: self.settings.clone(),
            profile: self.profile,
            types: types.clone(),
        });
        types
    }

    fn make(&self, class: &NodeClass) -> InstanceTypes {
        let mut builder = Builder::new(&self.catalog, class, &self.settings, &self.profile);
        let memory = |entry: &Entry| {
            let key = (Name::from(entry.spec.name), class.name.clone());
            self.discovered.get(&key).copied()
        };
        let entries = self.catalog.entries().iter();
        entries
            .filter_map(|entry| builder.build(entry, memory(entry)).map(Arc::new))
            .collect()
    }

    /// The list with what is known to be unavailable marked. Types of which nothing is are shared.
    fn seen(&self, class: &NodeClass, base: &InstanceTypes) -> InstanceTypes {
        let mut current: Vec<Arc<InstanceType>> = base.to_vec();
        let mut changes = false;
        for name in self.unavailable.instance_types() {
            let Some(at) = position(&current, name) else {
                continue;
            };
            let mut changed = (*current[at]).clone();
            for offering in &mut changed.offerings {
                let offer = Offer {
                    capacity_type: offering.capacity_type,
                    instance_type: name.clone(),
                    zone: offering.zone.clone(),
                };
                offering.available &= !self.unavailable.contains(&offer);
            }
            current[at] = Arc::new(changed);
            changes = true;
        }
        for reservation in &class.reservations {
            let used = self.reserved.get(&reservation.id).map_or(0, Vec::len);
            let left = u32::try_from(used).map_or(0, |used| reservation.count.saturating_sub(used));
            if let Some(at) = position(&current, &reservation.instance_type) {
                let mut changed = (*current[at]).clone();
                changed.set_reservation(&reservation.id, left);
                current[at] = Arc::new(changed);
                changes = true;
            }
        }
        if changes {
            InstanceTypes::renewed(current, base)
        } else {
            base.clone()
        }
    }

    /// Marks what is unavailable anew, after something about that changed.
    fn refresh(&mut self) {
        let former: Vec<InstanceTypes> = self.lists.iter().map(|list| list.current.clone()).collect();
        let renewed: Vec<InstanceTypes> = self
            .lists
            .iter()
            .map(|list| self.seen(&list.class, &list.base))
            .collect();
        for types in self.by_pool.values_mut() {
            if let Some(at) = former.iter().position(|list| list.same(types)) {
                *types = renewed[at].clone();
            }
        }
        for (list, current) in self.lists.iter_mut().zip(renewed) {
            list.current = current;
        }
    }

    /// Takes offerings to be unavailable for three minutes from now on (karpenter-provider-aws v1.14
    /// pkg/cache/unavailableofferings.go `MarkUnavailable`).
    pub fn mark_unavailable(&mut self, now: Instant, offers: impl IntoIterator<Item = Offer>) {
        let mut changed = false;
        for offer in offers {
            self.unavailable.mark(now, offer);
            changed = true;
        }
        if changed {
            self.refresh();
        }
    }

    /// Forgets what was marked long enough ago.
    pub fn sweep(&mut self, now: Instant) {
        if self.unavailable.sweep(now) {
            self.refresh();
        }
    }

    /// When something will be forgotten next.
    #[must_use]
    pub fn next_sweep(&self) -> Option<Instant> {
        self.unavailable.next_sweep()
    }

    /// What is thought to be unavailable now.
    #[must_use]
    pub fn unavailable(&self) -> &UnavailableOfferings {
        &self.unavailable
    }

    /// Takes note of the memory that a node reported: the least counts (karpenter-provider-aws v1.14
    /// pkg/providers/instancetype/instancetype.go `UpdateInstanceTypeCapacityFromNode`). Before v1.1 nobody does.
    pub fn discover(&mut self, instance_type: &str, class: &NodeClass, memory: Bytes) {
        if !self.profile.memory_discovered {
            return;
        }
        let key = (Name::from(instance_type), class.name.clone());
        let known = self.discovered.get(&key);
        if known.is_some_and(|known| *known <= memory) {
            return;
        }
        self.discovered.insert(key, memory);
        let Some(entry) = self.catalog.get(instance_type) else {
            return;
        };
        for list in self.lists.iter_mut().filter(|list| list.class.name == class.name) {
            let mut builder = Builder::new(&self.catalog, &list.class, &self.settings, &self.profile);
            if let (Some(at), Some(built)) = (
                position(&list.base, instance_type),
                builder.build(entry, Some(memory)),
            ) {
                let mut base = list.base.to_vec();
                base[at] = Arc::new(built);
                list.base = InstanceTypes::renewed(base, &list.base);
            }
        }
        self.refresh();
    }

    /// Takes note of an instance in a capacity reservation (karpenter-provider-aws v1.14
    /// pkg/providers/capacityreservation/provider.go `MarkLaunched`).
    pub fn reserve(&mut self, reservation: Name, instance: InstanceId) {
        self.reserved.entry(reservation).or_default().push(instance);
        self.refresh();
    }

    /// Takes note that an instance ended (karpenter-provider-aws v1.14
    /// pkg/providers/capacityreservation/provider.go `MarkTerminated`).
    pub fn release(&mut self, instance: InstanceId) {
        let mut changed = false;
        for held in self.reserved.values_mut() {
            let before = held.len();
            held.retain(|own| *own != instance);
            changed |= held.len() != before;
        }
        if changed {
            self.refresh();
        }
    }
}

fn position(types: &[Arc<InstanceType>], name: &str) -> Option<usize> {
    types.binary_search_by(|own| (*own.name).cmp(name)).ok()
}

/// The offer that a failed choice of a fleet was for.
#[must_use]
pub fn offer(capacity_type: CapacityType, choice: &crate::ec2::fleet::Override) -> Offer {
    Offer {
        capacity_type,
        instance_type: choice.instance_type.clone(),
        zone: choice.zone.clone(),
    }
}

#[cfg(test)]
mod tests;
