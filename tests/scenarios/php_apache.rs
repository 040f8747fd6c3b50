use model::cluster::{self, Notice, Options, Seen, Watcher};
use model::quantity::Bytes;
use model::scenario::load;
use sim::Instant;

use super::{Run, SEEDS, files, within};

/// The story of the measured run; how near the curves come is judged by `scaletwin accuracy`.
#[test]
fn forty_clients_fill_the_cluster_and_one_empties_it_after_five_minutes() {
    for seed in SEEDS {
        let run = Run::new("php-apache", seed);
        assert_eq!(run.at("replicas_desired", 1.0), 39.0, "seed {seed}: as measured");
        // Some 34 of them fit on the system nodes, until there is a NodePool.
        assert_eq!(run.at("nodes", 60.0), 2.0, "seed {seed}");
        within("replicas that wait", run.at("pods_pending", 60.0), 4.0..=7.0);
        let clock = |hour: i32, minute: i32, second: i32| {
            let warm_up = run.scenario.warm_up.as_secs_f64();
            f64::from((hour - 13) * 3600 + (minute - 35) * 60 + second) - warm_up
        };
        let pool = clock(13, 47, 35);
        assert!(
            run.log("NodeClaimLaunched", 0.0, pool).next().is_none(),
            "seed {seed}: no NodePool"
        );
        let launched = run
            .log("NodeClaimLaunched", pool, run.end())
            .next()
            .expect("a machine");
        within(
            "seconds from the NodePool",
            launched.at.as_secs_f64() - pool,
            1.0..=30.0,
        );

        let less = clock(14, 12, 50);
        within(
            "replicas for forty clients",
            run.at("replicas_desired", less),
            65.0..=100.0,
        );
        let drop = run
            .log("ScaledDown", less, run.end())
            .next()
            .expect("it shrinks")
            .at
            .as_secs_f64()
            - less;
        // Clients stop after their 30 s of grace; the HPA looks back 300 s; cooldownPeriod: 30 does nothing.
        within("seconds to the scale-in", drop, 310.0..=480.0);
        within(
            "replicas at the end",
            run.record.curve("replicas_desired").last(),
            6.0..=10.0,
        );
    }
}

/// How big the service's image is by the status of each node that has it, at the end.
#[derive(Default)]
struct Images(Vec<Bytes>);

impl Watcher for Images {
    fn hear(&mut self, _: Instant, _: Notice, _: Seen<'_>) {}

    fn end(&mut self, _: Instant, seen: Seen<'_>) {
        let nodes = seen.api.nodes.iter();
        let size =
            |(_, node): (_, &model::api::Node)| node.images.get("registry.k8s.io/hpa-example").copied();
        self.0.extend(nodes.filter_map(size));
    }
}

/// What the scheduler weighs is what came over the network, on machines that have had it for long and on those
/// that pulled it.
#[test]
fn nodes_tell_how_many_bytes_an_image_came_in() {
    let (scenario, _) = load(&files("php-apache"), &[]).expect("a shipped scenario");
    let options = Options {
        log: false,
        latencies: false,
        dashboard: false,
        ..Options::of(&scenario)
    };
    let mut images = Images::default();
    let _ = cluster::run_watched(&scenario, options, &mut images);
    assert!(images.0.len() > 2, "{:?}: some machines have joined", images.0);
    assert!(
        images.0.iter().all(|&bytes| bytes == Bytes(190_000_000)),
        "{:?}",
        images.0
    );
}
