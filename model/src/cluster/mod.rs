//! The cluster: every part, every wire.
pub mod record;
use crate::scenario::Scenario;
use crate::traffic::Fidelity;
pub use record::Record;
/// What of a run is not the scenario's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// The seed of all chance.
    pub seed: u64,
    /// How finely traffic is simulated.
    pub fidelity: Fidelity,
    /// Whether to keep every decision with its inputs.
    pub log: bool,
    /// Whether to check the state of everything after every event. For tests: it is slow.
    pub audit: bool,
}
/// Runs a scenario from its start to its end.
#[must_use]
pub fn run(scenario: &Scenario, options: Options) -> Record {
    let _ = (scenario, options);
    Record::default()
}
