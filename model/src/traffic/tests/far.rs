//! Senders far away: what the network takes is theirs, not the proxy's.

use super::*;

fn far(network: f64, timeout: Option<Duration>) -> Config {
    let mut config = open(50.0, timeout);
    config.service.cpu_per_request = Distribution::Constant(0.01);
    config.arrivals[0].network_delay = Distribution::Constant(network);
    config.traefik.durations = true;
    config.traefik.buckets = vec![0.1, 0.2, 0.5];
    config
}

/// Traefik begins to measure when a request comes in and ends when its answer is out.
#[test]
fn the_network_is_in_what_senders_see_and_not_in_what_the_proxy_measures() {
    for fidelity in BOTH {
        let mut bench = Bench::new(far(0.3, None), fidelity, 2);
        bench.servers(1..9, 1);
        bench.pass(120);
        let samples = bench.traffic.exposition(bench.now, PROXY);
        let within = |bound: &str| -> f64 {
            let bucket = samples.iter().find(|sample| {
                sample.name == "traefik_service_request_duration_seconds_bucket"
                    && sample.labels.contains(&("le", bound.to_owned()))
            });
            bucket.unwrap().value
        };
        let share = within("0.1") / within("+Inf");
        assert!(share > 0.95, "{fidelity:?}: {share} within 0.1 s at the proxy");
        let (from, to) = (Instant::from_secs(30), bench.now);
        let p50 = bench.traffic.latency(from, to, &[0.5])[0];
        assert!((0.3..0.4).contains(&p50), "{fidelity:?}: {p50} s at the sender");
    }
}

/// Senders in each of whose answers the network takes longer than they wait; the proxy answers all of them.
#[test]
fn nobody_hears_what_comes_after_he_has_left() {
    for fidelity in BOTH {
        let mut bench = Bench::new(far(0.2, Some(Duration::from_millis(150))), fidelity, 2);
        bench.servers(1..9, 1);
        bench.pass(10);
        let (before, answered) = (bench.stats(), bench.counted(SERVICE_TOTAL, "200").unwrap());
        assert_eq!(bench.pass(60), 0.0, "{fidelity:?}: a second");
        let (after, all) = (bench.stats(), bench.counted(SERVICE_TOTAL, "200").unwrap());
        let (failed, sent) = (after.failed - before.failed, after.sent - before.sent);
        assert!(
            (failed / sent - 1.0).abs() < 0.01,
            "{fidelity:?}: {failed} of {sent}"
        );
        assert!(
            ((all - answered) / sent - 1.0).abs() < 0.01,
            "{fidelity:?}: {all}"
        );
    }
}

/// The network is slow for some, and a line makes it too slow for more of them.
#[test]
fn the_slower_the_network_the_sooner_the_proxy_must_answer() {
    for (peak, least) in [(20.0, 0.04), (200.0, 0.15)] {
        let found = BOTH.map(|fidelity| {
            let mut config = far(0.0, Some(Duration::from_millis(1500)));
            config.arrivals[0].shape = Shape::Spike {
                base: 20.0,
                peak,
                at: Duration::from_secs(30),
                duration: Duration::from_secs(5),
            };
            config.arrivals[0].network_delay = Distribution::Exponential { mean: 0.5 };
            let mut bench = Bench::new(config, fidelity, 2);
            bench.servers(1..5, 1);
            bench.pass(20);
            let (before, answered) = (bench.stats(), bench.counted(SERVICE_TOTAL, "200").unwrap());
            bench.pass(60);
            let (after, all) = (bench.stats(), bench.counted(SERVICE_TOTAL, "200").unwrap());
            let sent = after.sent - before.sent;
            [(after.failed - before.failed) / sent, (all - answered) / sent]
        });
        println!("{peak}: {found:.4?}");
        let [[flow, by_proxy], [requests, at_proxy]] = found;
        assert!(requests > least, "{peak}: failed {found:.4?}");
        assert!((flow / requests - 1.0).abs() < 0.2, "{peak}: failed {found:.4?}");
        assert!((by_proxy - at_proxy).abs() < 0.1, "{peak}: answered {found:.4?}");
    }
}
