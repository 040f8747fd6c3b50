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
use support::golden;

/// The releases that answered, and upstream's own test tables: the file's name and the minor.
const VERSIONS: [(&str, u32); 3] = [("2.12", 12), ("2.20", 20), ("2.20-tables", 20)];

/// Runs all cases of a part, each of which says what is wrong with the model's answer.
fn check_part<C: DeserializeOwned>(part: &str, check: impl Fn(&C, u32) -> Option<String>) {
    let mut failures = Vec::new();
    for (version, minor) in VERSIONS {
        let file = format!("keda/{part}-{version}.jsonl");
        let cases: Vec<C> = golden(&file);
        let wrong: Vec<String> = cases.iter().filter_map(|case| check(case, minor)).collect();
        println!("{file}: {} of {} agree", cases.len() - wrong.len(), cases.len());
        if !wrong.is_empty() {
            let first = wrong.iter().take(5).cloned().collect::<Vec<_>>().join("\n");
            failures.push(format!(
                "{file}: {} of {} differ, first:\n{first}",
                wrong.len(),
                cases.len()
            ));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
