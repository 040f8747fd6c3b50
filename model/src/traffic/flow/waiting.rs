//! Clients that wait for what other work leaves of a node's CPU.

use super::root;

/// The clients on one node.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Waiting {
    pub(super) clients: f64,
    /// Seconds of a cycle besides waiting for the CPU that is left to them.
    pub(super) cycle: f64,
    /// What a request a second takes of that CPU.
    pub(super) load: f64,
    pub(super) wait: f64,
}

impl Waiting {
    /// The search for their rate.
    pub(super) fn search(&self) -> root::Search {
        if self.clients <= 0.0 {
            return root::Search::default();
        }
        let most = (self.clients / self.cycle).min(1.0 / self.load);
        root::Search::begin(0.0, most, 1e-7 * most, |rate| self.excess(rate))
    }

    /// Clients at rest, in line and on their way; times what the node has left, so that no side is endless.
    #[inline]
    pub(super) fn excess(&self, rate: f64) -> f64 {
        let full = (rate * self.load).min(1.0);
        (self.clients - rate * self.cycle) * (1.0 - full) - self.wait * full * libm::sqrt(full)
    }
}
