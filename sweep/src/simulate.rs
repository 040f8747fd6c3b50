//! The model behind a sweep: a scenario with overrides, run in `model::cluster`.

use model::cluster::{self, Options};
use model::scenario::{Base, Scenario, Severity};

use crate::engine::Model;
use crate::measure::Measure;
use crate::plan::Plan;

/// Runs configurations of one scenario.
#[derive(Debug)]
pub struct Simulator<'a> {
    plan: &'a Plan,
    base: &'a Base,
}

impl<'a> Simulator<'a> {
    /// A simulator of a plan's scenario.
    #[must_use]
    pub fn new(plan: &'a Plan, base: &'a Base) -> Self {
        Simulator { plan, base }
    }
}

impl Model for Simulator<'_> {
    type Prepared = Scenario;

    fn prepare(&self, sets: &[String]) -> Result<Scenario, String> {
        match self.base.with(sets) {
            Ok((scenario, _)) => Ok(scenario),
            Err(report) => {
                let errors = report
                    .problems
                    .iter()
                    .filter(|problem| problem.severity == Severity::Error)
                    .map(|problem| format!("{}: {}", problem.field, problem.message));
                Err(errors.collect::<Vec<_>>().join("; "))
            }
        }
    }

    fn run(&self, scenario: &Scenario, seed: u64) -> Vec<f64> {
        let record = cluster::run(
            scenario,
            Options {
                seed,
                fidelity: self.plan.fidelity,
                log: false,
                latencies: self.plan.needs_latency(),
                dashboard: false,
                audit: false,
            },
        );
        let measures = Measure::all().map(|measure| measure.of(&record));
        let constraints = self
            .plan
            .constraints
            .iter()
            .map(|constraint| constraint.of(&record));
        measures.chain(constraints).collect()
    }
}
