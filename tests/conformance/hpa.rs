//! The HPA controller against kubernetes 1.35.6 and, where they differ, 1.28, 1.32.13 and 1.33.13
//! (pkg/controller/podautoscaler: `computeReplicasForMetric`, `reconcileAutoscaler`,
//! `NewHorizontalController` with its real work queue).

mod calculator;
pub(crate) mod json;
mod sequences;
mod timing;

use support::Outcome;

fn outcome(file: &str, version: &str, cases: usize, wrong: Vec<String>) -> Outcome {
    Outcome::new(&format!("hpa/{file}"), version, cases, wrong)
}

/// The release that most vectors were recorded with.
const RECORDED: &str = "1.35.6";
