//! A map of a handful of entries.

/// A handful of entries by key, in no order: each is looked at, which takes less than a tree does, and what comes and
/// goes again and again takes no memory anew.
#[derive(Debug, Clone)]
pub(crate) struct Few<K, V>(Vec<(K, V)>);

impl<K, V> Default for Few<K, V> {
    fn default() -> Self {
        Few(Vec::new())
    }
}

impl<K: Copy + PartialEq, V> Few<K, V> {
    pub(crate) fn get(&self, key: K) -> Option<&V> {
        let mut entries = self.0.iter();
        entries.find(|(own, _)| *own == key).map(|(_, value)| value)
    }

    pub(crate) fn get_mut(&mut self, key: K) -> Option<&mut V> {
        let mut entries = self.0.iter_mut();
        entries.find(|(own, _)| *own == key).map(|(_, value)| value)
    }

    /// Puts a value there; the one that was there comes back.
    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        if let Some(own) = self.get_mut(key) {
            return Some(std::mem::replace(own, value));
        }
        self.0.push((key, value));
        None
    }

    pub(crate) fn remove(&mut self, key: K) -> Option<V> {
        let place = self.0.iter().position(|(own, _)| *own == key)?;
        Some(self.0.swap_remove(place).1)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (K, &V)> {
        self.0.iter().map(|(key, value)| (*key, value))
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}
