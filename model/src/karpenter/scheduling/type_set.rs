//! Sets of instance types.

/// A set of positions in one catalog's list of instance types, as a bit set.
///
/// Claims narrow such a set with every pod, so that intersection must cost a few words and not a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TypeSet {
    words: Box<[u64]>,
}

impl TypeSet {
    /// The empty set for a catalog of so many types.
    pub(crate) fn none(len: usize) -> Self {
        TypeSet {
            words: vec![0; len.div_ceil(64)].into(),
        }
    }

    /// All types of such a catalog.
    pub(crate) fn all(len: usize) -> Self {
        let mut set = TypeSet {
            words: vec![u64::MAX; len.div_ceil(64)].into(),
        };
        if let (Some(last), rest @ 1..) = (set.words.last_mut(), len % 64) {
            *last = (1 << rest) - 1;
        }
        set
    }

    pub(crate) fn insert(&mut self, at: usize) {
        self.words[at / 64] |= 1 << (at % 64);
    }

    pub(crate) fn remove(&mut self, at: usize) {
        self.words[at / 64] &= !(1 << (at % 64));
    }

    pub(crate) fn contains(&self, at: usize) -> bool {
        self.words[at / 64] & (1 << (at % 64)) != 0
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    pub(crate) fn intersects(&self, other: &TypeSet) -> bool {
        self.words.iter().zip(&other.words).any(|(a, b)| a & b != 0)
    }

    pub(crate) fn intersect(&mut self, other: &TypeSet) {
        for (a, b) in self.words.iter_mut().zip(&other.words) {
            *a &= b;
        }
    }

    pub(crate) fn union(&mut self, other: &TypeSet) {
        for (a, b) in self.words.iter_mut().zip(&other.words) {
            *a |= b;
        }
    }

    /// The positions, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.words.iter().enumerate().flat_map(|(at, word)| {
            let mut rest = *word;
            std::iter::from_fn(move || {
                let bit = (rest != 0).then(|| rest.trailing_zeros() as usize)?;
                rest &= rest - 1;
                Some(at * 64 + bit)
            })
        })
    }

    /// Keeps the positions that pass.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(usize) -> bool) {
        for (at, word) in self.words.iter_mut().enumerate() {
            let mut rest = *word;
            while rest != 0 {
                let bit = rest.trailing_zeros();
                rest &= rest - 1;
                if !keep(at * 64 + bit as usize) {
                    *word &= !(1 << bit);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_behave_like_sets() {
        for len in [0, 1, 63, 64, 65, 130] {
            let all = TypeSet::all(len);
            assert_eq!(all.iter().collect::<Vec<_>>(), (0..len).collect::<Vec<_>>());
            let mut even = all.clone();
            even.retain(|at| at % 2 == 0);
            let mut odd = all.clone();
            odd.retain(|at| at % 2 == 1);
            assert!(!even.intersects(&odd));
            let mut both = even.clone();
            both.union(&odd);
            assert_eq!(both, all);
            both.intersect(&odd);
            assert_eq!(both, odd);
            assert!(TypeSet::none(len).is_empty());
        }
    }

    #[test]
    fn single_members_come_and_go() {
        let mut set = TypeSet::none(100);
        set.insert(70);
        assert!(set.contains(70) && !set.contains(6));
        set.remove(70);
        assert!(set.is_empty());
    }
}
