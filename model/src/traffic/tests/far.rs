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
