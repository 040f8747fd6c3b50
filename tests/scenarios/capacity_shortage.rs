use super::{Run, SEEDS, text, way_to_capacity, within};

const NAME: &str = "capacity-shortage";

/// No spot from minute 14 to 34, and the load rises from minute 15 to 25.
#[test]
fn on_demand_comes_after_every_cheap_spot_pool_has_refused() {
    for seed in SEEDS {
        let run = Run::new(NAME, seed);
        let (from, to) = (run.minute(14.0), run.minute(34.0));
        let first = run
            .log("NodeClaimCreated", from, to)
            .next()
            .expect("a claim")
            .at
            .as_secs_f64();
        let launched = run.log("NodeClaimLaunched", from, to).next().expect("a launch");
        assert_eq!(text(launched, "capacity_type"), "on-demand", "seed {seed}");
        // Each round is a refused call and the pods' own 10 s.
        within(
            "seconds lost to refusals",
            launched.at.as_secs_f64() - first,
            10.0..=60.0,
        );
        let refused = run
            .log("NodeClaimDeleted", first, launched.at.as_secs_f64())
            .count();
        within("refused rounds", refused as f64, 1.0..=5.0);
        for launch in run.log("NodeClaimLaunched", from, to) {
            assert_eq!(text(launch, "capacity_type"), "on-demand", "seed {seed}");
        }
        // Nobody notices: the pods there are can do twice their threshold.
        within("requests lost", run.record.failed, 0.0..=500.0);
    }
}

/// What was refused is not asked for again for three minutes, and then it is.
#[test]
fn a_refusal_is_remembered_for_three_minutes() {
    for seed in SEEDS {
        let run = Run::new(NAME, seed);
        let (from, to) = (run.minute(14.0), run.minute(34.0));
        let mut again = 0;
        let mut last = f64::NEG_INFINITY;
        for refusal in run.log("NodeClaimDeleted", from, to) {
            if text(refusal, "reason") != "insufficient_capacity" {
                continue;
            }
            let at = refusal.at.as_secs_f64();
            again += usize::from(at - last > 180.0);
            last = at;
        }
        assert!(again >= 2, "seed {seed}: spot is tried anew, {again} times");
        let tries = run.record.counts.launch_failures;
        within("refused calls", f64::from(tries), 3.0..=40.0);
    }
}

/// When spot is back nothing moves by itself but consolidation, which replaces on-demand machines by spot.
#[test]
fn consolidation_takes_the_service_back_to_spot() {
    for seed in SEEDS {
        let run = Run::new(NAME, seed);
        let back = run.minute(34.0);
        let launched: Vec<&str> = run
            .log("NodeClaimLaunched", back, run.end())
            .map(|entry| text(entry, "capacity_type"))
            .collect();
        assert!(launched.len() >= 2, "seed {seed}: {launched:?}");
        assert!(
            launched.iter().all(|own| *own == "spot"),
            "seed {seed}: {launched:?}"
        );
        let cost = |second: f64| {
            let row = run.record.rows.iter().find(|row| row.at.as_secs_f64() >= second);
            row.expect("a row").cost_per_hour
        };
        assert!(
            cost(run.end() - 30.0) < cost(back) - 0.1,
            "seed {seed}: and that is cheaper"
        );
    }
}

/// The load rises for ten minutes, and the pods of each round wait for machines: both are told, and as they were.
#[test]
fn the_way_to_capacity_ends_with_the_last_pod_and_says_what_was_waited_for() {
    for seed in SEEDS {
        let run = Run::new(NAME, seed);
        let way = way_to_capacity(&run, seed, run.end());
        within(
            "seconds without a machine",
            way.node_launch.as_secs_f64(),
            40.0..=500.0,
        );
        within(
            "seconds for the load to show",
            (way.rate_window + way.tolerance).as_secs_f64(),
            60.0..=600.0,
        );
        assert!(way.pod_start > std::time::Duration::ZERO, "seed {seed}: {way:?}");
    }
}
