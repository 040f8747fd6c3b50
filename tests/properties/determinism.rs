//! The same scenario, seed and version give the same bytes: again, on another thread, in debug and release.

use std::fs;
use std::path::Path;

use model::cluster::{Options, Record, run};
use model::scenario::{Files, Scenario, Source, load};
use model::traffic::Fidelity;

/// What the series of seed 1 of `scenarios/php-apache` come to, in flow and in requests, in every build profile. A change
/// that is meant to change results changes these.
const FLOW: u64 = 0x5ed3_b7a3_8305_a3b9;
const REQUESTS: u64 = 0x9f66_db45_fe0d_5f3e;

fn php_apache() -> Scenario {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("tests/ lies in the repository");
    let directory = root.join("scenarios/php-apache");
    let source = |path: &str| Source {
        path: path.to_owned(),
        text: fs::read_to_string(directory.join(path)).expect("a file of the repository"),
    };
    let listed = fs::read_dir(directory.join("manifests")).expect("it has manifests");
    let mut names: Vec<String> = listed
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"))
        .filter(|name| name.ends_with("yaml"))
        .collect();
    names.sort();
    let files = Files {
        scenario: source("scenario.toml"),
        manifests: names
            .iter()
            .map(|name| source(&format!("manifests/{name}")))
            .collect(),
        traces: Vec::new(),
    };
    load(&files, &[]).unwrap_or_else(|report| panic!("{report}")).0
}

fn record(scenario: &Scenario, seed: u64, fidelity: Fidelity) -> Record {
    let options = Options {
        seed,
        fidelity,
        log: true,
        latencies: true,
        dashboard: true,
        audit: false,
    };
    run(scenario, options)
}

/// FNV-1a over all that something says of itself. Floating-point numbers are written in their shortest exact
/// form, so any differing bit differs here.
fn hash(what: &impl std::fmt::Debug) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in format!("{what:?}").bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
    }
    hash
}

#[test]
fn runs_repeat_on_any_thread() {
    let scenario = php_apache();
    let here: Vec<u64> = (1..=3)
        .map(|seed| hash(&record(&scenario, seed, Fidelity::Flow)))
        .collect();
    let there: Vec<u64> = std::thread::scope(|scope| {
        let runs: Vec<_> = (1..=3)
            .map(|seed| {
                scope.spawn({
                    let scenario = &scenario;
                    move || hash(&record(scenario, seed, Fidelity::Flow))
                })
            })
            .collect();
        runs.into_iter()
            .map(|run| run.join().expect("the run ends"))
            .collect()
    });
    assert_eq!(here, there);
    assert_ne!(here[0], here[1], "the seed matters");
}

#[test]
fn results_are_pinned() {
    let scenario = php_apache();
    let of = |fidelity| format!("{:#018x}", hash(&record(&scenario, 1, fidelity).rows));
    let pinned = |hash: u64| format!("{hash:#018x}");
    assert_eq!(
        (of(Fidelity::Flow), of(Fidelity::Requests)),
        (pinned(FLOW), pinned(REQUESTS))
    );
}
