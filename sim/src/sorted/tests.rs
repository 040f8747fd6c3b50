//! Whatever is done to them, they are what `std`'s trees are.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{Entry, SortedMap, SortedSet};

fn steps() -> impl Strategy<Value = Vec<(u8, u8, u16)>> {
    proptest::collection::vec((0..7_u8, 0..40_u8, any::<u16>()), 0..200)
}

proptest! {
    #[test]
    fn a_map_is_a_tree(steps in steps()) {
        let (mut ours, mut theirs) = (SortedMap::new(), BTreeMap::new());
        for (step, key, value) in steps {
            match step {
                0 | 1 => prop_assert_eq!(ours.insert(key, value), theirs.insert(key, value)),
                2 => prop_assert_eq!(ours.remove(&key), theirs.remove(&key)),
                3 => *ours.entry(key).and_modify(|held| *held ^= 1).or_insert(value) =
                    *theirs.entry(key).and_modify(|held| *held ^= 1).or_insert(value),
                4 => prop_assert_eq!(*ours.entry(key).or_default(), *theirs.entry(key).or_default()),
                5 => {
                    ours.retain(|held, value| *held != key && *value % 7 != 0);
                    theirs.retain(|held, value| *held != key && *value % 7 != 0);
                }
                _ => {
                    for value in ours.values_mut() {
                        *value = value.wrapping_add(1);
                    }
                    for value in theirs.values_mut() {
                        *value = value.wrapping_add(1);
                    }
                }
            }
            prop_assert_eq!(ours.get(&key), theirs.get(&key));
            prop_assert_eq!(ours.get_mut(&key), theirs.get_mut(&key));
            prop_assert_eq!(ours.contains_key(&key), theirs.contains_key(&key));
            prop_assert_eq!(matches!(ours.entry(key), Entry::Occupied(_)), theirs.contains_key(&key));
            prop_assert_eq!(ours.first_key_value(), theirs.first_key_value());
            prop_assert_eq!(ours.last_key_value(), theirs.last_key_value());
            prop_assert_eq!(ours.len(), theirs.len());
        }
        prop_assert!(ours.iter().eq(&theirs));
        prop_assert!(ours.iter().rev().eq(theirs.iter().rev()));
        prop_assert!(ours.keys().eq(theirs.keys()));
        prop_assert!(ours.values().rev().eq(theirs.values().rev()));
        prop_assert_eq!(format!("{ours:?}"), format!("{theirs:?}"));
        prop_assert!(ours.into_iter().eq(theirs));
    }

    #[test]
    fn a_set_is_a_tree(ours in proptest::collection::vec(0..30_u8, 0..40), others in proptest::collection::vec(0..30_u8, 0..40)) {
        let (a, b): (SortedSet<u8>, SortedSet<u8>) = (ours.iter().copied().collect(), others.iter().copied().collect());
        let (x, y): (BTreeSet<u8>, BTreeSet<u8>) = (ours.into_iter().collect(), others.into_iter().collect());
        prop_assert!(a.iter().eq(&x));
        prop_assert!((&a & &b).iter().eq(&(&x & &y)));
        prop_assert!((&a | &b).iter().eq(&(&x | &y)));
        prop_assert!((&a - &b).iter().eq(&(&x - &y)));
        prop_assert_eq!(a.is_disjoint(&b), x.is_disjoint(&y));
        prop_assert_eq!(a.is_subset(&b), x.is_subset(&y));
        prop_assert_eq!((a.first(), a.last(), a.len()), (x.first(), x.last(), x.len()));
        prop_assert_eq!(a.cmp(&b), x.cmp(&y));
        let (mut a, mut x) = (a, x);
        for key in b {
            prop_assert_eq!(a.contains(&key), x.contains(&key));
            prop_assert_eq!(a.remove(&key), x.remove(&key));
            prop_assert_eq!(a.insert(key / 2), x.insert(key / 2));
        }
        prop_assert!(a.into_iter().eq(x));
    }
}
