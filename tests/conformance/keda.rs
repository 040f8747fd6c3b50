//! KEDA against kedacore/keda 2.12.1 and 2.20.2: what a prometheus trigger makes of an answer
//! (`GetMetricsAndActivity`), the HPA of a ScaledObject (`ScaledObjectReconciler.Reconcile`), the scale
//! executor (`RequestScale`), and minutes of the whole operator: reconciler, scale loop, pulls.

mod executor;
mod fallback;
mod generated;
mod object;
mod sequence;
mod value;

use serde::de::DeserializeOwned;
use support::Outcome;

/// The releases that answered, and upstream's own test tables: the file's name and the minor.
const VERSIONS: [(&str, u32); 3] = [("2.12", 12), ("2.20", 20), ("2.20-tables", 20)];

/// Runs all cases of a part, each of which says what is wrong with the model's answer.
fn check_part<C: DeserializeOwned>(part: &str, check: impl Fn(&C, u32) -> Option<String>) {
    let outcomes = VERSIONS.map(|(version, minor)| {
        let file = format!("keda/{part}-{version}.jsonl");
        Outcome::of_golden(&file, &format!("2.{minor}"), |case| check(case, minor))
    });
    Outcome::settle_all(&outcomes);
}
