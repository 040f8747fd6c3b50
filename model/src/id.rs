//! Identities. `Copy`, never interchangeable, never reused within a run; names are for humans.

use std::fmt;
use std::marker::PhantomData;

macro_rules! id {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u32);

        impl Id for $name {
            fn from_index(index: u32) -> Self {
                $name(index)
            }
            fn index(self) -> usize {
                self.0 as usize
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}#{}", stringify!($name), self.0)
            }
        }
    )+};
}

/// A key of a [`Table`].
pub trait Id: Copy {
    /// The id with that number.
    fn from_index(index: u32) -> Self;
    /// Its number.
    fn index(self) -> usize;
}

id! {
    /// A Pod object.
    PodId,
    /// A Node object.
    NodeId,
    /// A Karpenter NodeClaim object.
    NodeClaimId,
    /// An EC2 instance.
    InstanceId,
    /// A Deployment object.
    DeploymentId,
    /// A ReplicaSet object.
    ReplicaSetId,
    /// A DaemonSet object.
    DaemonSetId,
    /// A HorizontalPodAutoscaler object.
    HpaId,
    /// A KEDA ScaledObject.
    ScaledObjectId,
    /// A Karpenter NodePool.
    NodePoolId,
    /// A Karpenter EC2NodeClass.
    NodeClassId,
    /// A Service object.
    ServiceId,
}

/// Objects by id, in order of creation. Ids count up and are never reused, so a stale one finds nothing.
#[derive(Debug, Clone)]
pub struct Table<K, V> {
    slots: Vec<Option<V>>,
    live: usize,
    revision: u64,
    key: PhantomData<K>,
}

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Table {
            slots: Vec::new(),
            live: 0,
            revision: 0,
            key: PhantomData,
        }
    }
}

impl<K: Id, V> Table<K, V> {
    /// An empty table.
    #[must_use]
    pub fn new() -> Self {
        Table::default()
    }

    /// The id that the next insertion will give.
    #[must_use]
    pub fn next_id(&self) -> K {
        K::from_index(u32::try_from(self.slots.len()).expect("fewer than 2^32 objects in a run"))
    }

    /// Adds an object.
    pub fn insert(&mut self, value: V) -> K {
        let id = self.next_id();
        self.slots.push(Some(value));
        self.live += 1;
        self.revision += 1;
        id
    }

    /// An id for an object that is spoken of and not there: none is ever found under it.
    pub fn reserve(&mut self) -> K {
        let id = self.next_id();
        self.slots.push(None);
        id
    }

    /// The object, unless it is gone.
    #[must_use]
    pub fn get(&self, id: K) -> Option<&V> {
        self.slots.get(id.index())?.as_ref()
    }

    /// The object, to change it, unless it is gone.
    pub fn get_mut(&mut self, id: K) -> Option<&mut V> {
        self.revision += 1;
        self.slots.get_mut(id.index())?.as_mut()
    }

    /// Takes the object out.
    pub fn remove(&mut self, id: K) -> Option<V> {
        let value = self.slots.get_mut(id.index())?.take();
        self.live -= usize::from(value.is_some());
        self.revision += 1;
        value
    }

    /// All objects, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (K, &V)> + '_ {
        let index = |i| K::from_index(i as u32);
        self.slots
            .iter()
            .enumerate()
            .filter_map(move |(i, slot)| Some((index(i), slot.as_ref()?)))
    }

    /// All objects, oldest first, to change them.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (K, &mut V)> + '_ {
        self.revision += 1;
        let index = |i| K::from_index(i as u32);
        self.slots
            .iter_mut()
            .enumerate()
            .filter_map(move |(i, slot)| Some((index(i), slot.as_mut()?)))
    }

    /// How often anything may have changed: as long as it stays the same, so does every object.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// How many objects there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.live
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.live == 0
    }
}

/// Something about objects, by their ids: as these count up, each has its place in a list. For what is looked up all
/// the time.
#[derive(Debug, Clone)]
pub(crate) struct ById<K, V> {
    slots: Vec<Option<V>>,
    key: PhantomData<K>,
}

impl<K, V> Default for ById<K, V> {
    fn default() -> Self {
        ById {
            slots: Vec::new(),
            key: PhantomData,
        }
    }
}

impl<K: Id, V> ById<K, V> {
    pub(crate) fn get(&self, id: K) -> Option<&V> {
        self.slots.get(id.index())?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, id: K) -> Option<&mut V> {
        self.slots.get_mut(id.index())?.as_mut()
    }

    /// Forgets what does not satisfy `keep`.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&V) -> bool) {
        for slot in &mut self.slots {
            slot.take_if(|value| !keep(value));
        }
    }

    pub(crate) fn contains(&self, id: K) -> bool {
        self.get(id).is_some()
    }

    /// Says something of an object; what was said before comes back.
    pub(crate) fn insert(&mut self, id: K, value: V) -> Option<V> {
        self.slot(id).replace(value)
    }

    /// What is known of an object; nothing known yet is its default.
    pub(crate) fn get_or_default(&mut self, id: K) -> &mut V
    where
        V: Default,
    {
        self.slot(id).get_or_insert_default()
    }

    fn slot(&mut self, id: K) -> &mut Option<V> {
        if self.slots.len() <= id.index() {
            self.slots.resize_with(id.index() + 1, || None);
        }
        &mut self.slots[id.index()]
    }

    pub(crate) fn remove(&mut self, id: K) -> Option<V> {
        self.slots.get_mut(id.index())?.take()
    }
}
