//! Whatever happens, the auditor has nothing to say.

use model::cluster::{Options, Record, run};
use model::traffic::Fidelity;
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;

use crate::generate::case;
use crate::written::Case;

/// Runs a case under the auditor.
pub(crate) fn audited(case: &Case) -> Record {
    let scenario = case.load();
    let fidelity = if case.requests {
        Fidelity::Requests
    } else {
        Fidelity::Flow
    };
    let options = Options {
        seed: case.seed,
        fidelity,
        log: true,
        latencies: true,
        dashboard: true,
        audit: true,
    };
    run(&scenario, options)
}

/// How many cases are run: `SCALETWIN_CASES` if it is set.
fn config() -> ProptestConfig {
    let asked = std::env::var("SCALETWIN_CASES").ok();
    ProptestConfig {
        cases: asked.and_then(|text| text.parse().ok()).unwrap_or(48),
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        max_shrink_iters: 200,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn random_scenarios_run_to_their_end(case in case()) {
        println!("seed {}", case.seed);
        let record = audited(&case);
        let scenario = case.load();
        let counted = scenario.duration.saturating_sub(scenario.warm_up);
        prop_assert_eq!(record.end, sim::Instant::ZERO + counted);
        prop_assert!(record.rows.len() as u128 >= counted.as_secs() as u128 / 15);
        for way in &record.time_to_capacity {
            let stages = [
                way.scrape,
                way.rate_window,
                way.tolerance,
                way.keda_poll,
                way.hpa_sync,
                way.stopped,
                way.node_launch,
                way.image_pull,
                way.pod_start,
            ];
            prop_assert_eq!(stages.iter().sum::<std::time::Duration>(), way.total, "{:?}", way);
            prop_assert!(way.step + way.total <= record.end, "{:?}", way);
        }
        let nameless = record.log.iter().find(|entry| format!("{entry:?}").contains("PodId#"));
        prop_assert!(nameless.is_none(), "{:?}", nameless);
    }
}

/// A survey of many cases that goes on after a failure and shrinks nothing. Run by hand:
/// `SCALETWIN_CASES=500 cargo test -p scaletwin-tests --test properties survey -- --ignored --nocapture`.
#[test]
#[ignore = "for whoever looks for bugs"]
fn survey() {
    use proptest::strategy::ValueTree as _;
    use proptest::test_runner::TestRunner;

    let mut runner = TestRunner::new(config());
    let mut found = Vec::<(String, String)>::new();
    for _ in 0..config().cases {
        let case = case().new_tree(&mut runner).expect("a case").current();
        let outcome = std::panic::catch_unwind(|| audited(&case));
        if let Err(panic) = outcome {
            let message = panic.downcast_ref::<String>().cloned();
            found.push((message.unwrap_or_default(), case.transcript()));
        }
    }
    for (at, (message, transcript)) in found.iter().enumerate() {
        println!("=== {at}: {message}\n{transcript}");
    }
    assert!(found.is_empty(), "{} cases failed", found.len());
}
