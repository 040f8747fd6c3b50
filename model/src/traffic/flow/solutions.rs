//! Solutions of states that were solved before: with the same seed the configurations of a sweep begin alike, and
//! clients come one by one.

use std::sync::{Arc, Mutex};

use sim::SortedMap;

use super::plant::Solution;
use crate::traffic::probe::{locked, mixed};
use crate::traffic::state::State;

/// So many are kept, a few megabytes; what comes later is solved each time.
const MOST: usize = 2048;

/// What all clients together make of a state without requests from outside. A clone shares what is found.
#[derive(Debug, Clone, Default)]
pub(in crate::traffic) struct Solutions {
    found: Arc<Mutex<Found>>,
}

#[derive(Debug, Default)]
struct Found {
    /// By a number of the state's numbers: states share most of them, so that telling two apart takes long.
    solutions: SortedMap<u64, Vec<Solved>>,
    count: usize,
}

/// A state's numbers, and its solution.
type Solved = (Box<[u64]>, Solution);

impl Solutions {
    /// The solution of a state: known by its numbers to the last bit, or `solve`d.
    pub(super) fn of(&self, state: &State, solve: impl FnOnce() -> Solution) -> Solution {
        let numbers = state.numbers();
        let print = mixed(&numbers);
        if let Some(alike) = locked(&self.found).solutions.get(&print)
            && let Some((_, known)) = alike.iter().find(|(own, _)| **own == *numbers)
        {
            return known.clone();
        }
        let solution = solve();
        let mut found = locked(&self.found);
        if found.count < MOST {
            found.count += 1;
            let alike = found.solutions.entry(print).or_default();
            alike.push((numbers.into(), solution.clone()));
        }
        solution
    }
}
