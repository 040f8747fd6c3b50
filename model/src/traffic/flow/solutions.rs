//! Solutions of states that were solved before: with the same seed the configurations of a sweep begin alike, and
//! clients come one by one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::plant::Solution;
use crate::traffic::probe::locked;
use crate::traffic::state::State;

/// So many are kept, a few megabytes; what comes later is solved each time.
const MOST: usize = 2048;

/// What all clients together make of a state without requests from outside. A clone shares what is found.
#[derive(Debug, Clone, Default)]
pub(in crate::traffic) struct Solutions {
    found: Arc<Mutex<BTreeMap<Vec<u64>, Solution>>>,
}

impl Solutions {
    /// The solution of a state: known by its numbers to the last bit, or `solve`d.
    pub(super) fn of(&self, state: &State, solve: impl FnOnce() -> Solution) -> Solution {
        let key = state.numbers();
        if let Some(known) = locked(&self.found).get(&key) {
            return known.clone();
        }
        let solution = solve();
        let mut found = locked(&self.found);
        if found.len() < MOST {
            found.insert(key, solution.clone());
        }
        solution
    }
}
