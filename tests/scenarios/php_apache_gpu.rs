use super::{Run, SEEDS, text, within};

const NAME: &str = "php-apache-gpu";

/// One client until minute 15, forty until minute 30, one again.
#[test]
fn machines_with_gpus_join_for_forty_clients_and_leave_after_them() {
    for seed in SEEDS {
        let run = Run::new(NAME, seed);
        let (more, less) = (run.minute(15.0), run.minute(30.0));
        let settled = run.at("replicas_desired", more);
        within("replicas for one client", settled, 8.0..=9.0);
        assert_eq!(run.at("replicas_ready", more), settled, "seed {seed}: settled");
        let peak = run.peak("replicas_desired", more, less);
        assert_eq!(peak, 100.0, "seed {seed}: KEDA's default maximum");
        let nodes = run.peak("nodes", more, run.end());
        within("nodes at most", nodes, 10.0..=45.0);
        let launched = run.log("NodeClaimLaunched", more, less);
        for launch in launched {
            let kind = text(launch, "instance_type");
            let seen = ["g3.8xlarge", "g4dn.xlarge", "g4dn.12xlarge", "g4dn.metal"];
            assert!(seen.contains(&kind), "seed {seed}: {kind}");
        }
        // 300 s of stabilization after the rate has fallen.
        let fell = run
            .log("ScaledDown", less, run.end())
            .next()
            .expect("it shrinks")
            .at
            .as_secs_f64()
            - less;
        within("seconds to the scale-in", fell, 370.0..=450.0);
        within(
            "replicas at the end",
            run.record.curve("replicas_desired").last(),
            8.0..=12.0,
        );
        assert!(run.record.curve("nodes").last() < 0.6 * nodes, "seed {seed}");
    }
}

/// A pod waits for its machine, the device plugin and the image; bare metal takes minutes more.
#[test]
fn pods_wait_for_gpus() {
    for seed in SEEDS {
        let run = Run::new(NAME, seed);
        let more = run.minute(15.0);
        let half = run
            .first("replicas_ready", more, |n| n >= 50.0)
            .expect("new pods")
            - more;
        let serve = |least: f64| {
            let there = run.first("replicas_ready", more, |n| n >= least);
            there.expect("new pods") - more
        };
        let first = serve(run.at("replicas_ready", more) + 1.0);
        within(
            "seconds from the clients to the first new pod",
            first,
            20.0..=450.0,
        );
        within(
            "seconds from the clients to all hundred",
            serve(100.0),
            720.0..=1_080.0,
        );
        within(
            "seconds from the clients to 50 pods that serve",
            half,
            240.0..=840.0,
        );
        within(
            "pod-seconds without a machine",
            run.record.pending_seconds,
            8_000.0..=60_000.0,
        );
    }
}
