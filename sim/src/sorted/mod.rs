//! Ordered collections in one piece of memory.
//!
//! The maps of a cluster are many and small, and are looked up and walked far more often than they change. A sorted
//! vector does both faster than a tree until it holds thousands, and it is a tenth of the code: a tree is compiled
//! anew for each pair of types, and the trees of a hundred and fifty pairs were two fifths of what the compiler had to
//! optimise. The interface is that of `std`'s `BTreeMap` and `BTreeSet`, as far as it is used; a change in the middle
//! moves what comes after it.

mod map;
mod set;
mod written;

#[cfg(test)]
mod tests;

pub use map::{Entry, SortedMap};
pub use set::SortedSet;
