//! Answers that come too late for some or for all: flow against requests.

use super::*;

/// Servers work on for clients that have all left: an autoscaler sees that.
#[test]
fn work_for_clients_that_have_left_uses_cpu() {
    let found = BOTH.map(|fidelity| {
        let mut config = closed();
        if let Some(clients) = &mut config.clients {
            clients.timeout = Some(Duration::from_millis(200));
            clients.connections = 10;
        }
        let mut bench = Bench::new(config, fidelity, 2);
        bench.servers(1..3, 1);
        bench.clients(3..13, 0);
        bench.pass(60);
        let total = |bench: &mut Bench| -> [f64; 3] {
            let used = [1, 2].map(|id| bench.traffic.cpu_seconds(bench.now, PodId(id)));
            let stats = bench.stats();
            [stats.served, stats.failed, used.iter().sum()]
        };
        let before = total(&mut bench);
        bench.pass(60);
        let after = total(&mut bench);
        let in_flight = bench.stats().in_flight;
        ([0, 1, 2].map(|i| (after[i] - before[i]) / 60.0), in_flight)
    });
    println!("{found:.2?}");
    let [(flow, waiting), (requests, truly)] = found;
    assert!(
        requests[0] < 0.05 * requests[1] && flow[0] < 0.05 * flow[1],
        "{found:.2?}"
    );
    assert!((flow[1] / requests[1] - 1.0).abs() < 0.1, "{found:.2?} failed");
    assert!((flow[2] / requests[2] - 1.0).abs() < 0.05, "{found:.2?} vCPU");
    assert!((waiting / truly - 1.0).abs() < 0.2, "{found:.2?} in flight");
}

/// The mean is far below what senders, or the proxy, wait for; the work of some requests is not.
#[test]
fn long_requests_time_out_however_short_the_mean_is() {
    for by_proxy in [false, true] {
        let share = BOTH.map(|fidelity| {
            let limit = Duration::from_millis(500);
            let mut config = open(20.0, (!by_proxy).then_some(limit));
            config.service.request_timeout = by_proxy.then_some(limit);
            config.service.cpu_per_request = Distribution::LogNormal {
                median: 0.02,
                sigma: 1.2,
            };
            let mut bench = Bench::new(config, fidelity, 3);
            bench.servers(1..5, 1);
            bench.servers(5..9, 2);
            bench.pass(600);
            let stats = bench.stats();
            stats.failed / (stats.failed + stats.served)
        });
        println!("by proxy {by_proxy}: {share:.4?}");
        assert!(
            share[1] > 0.01 && (share[0] / share[1] - 1.0).abs() < 0.25,
            "by proxy {by_proxy}: {share:.4?}"
        );
    }
}

/// What clients left behind when they gave up is worked off before those that stay are answered.
#[test]
fn a_collapse_outlasts_the_clients_that_brought_it() {
    let recovered = BOTH.map(|fidelity| {
        let mut config = closed();
        config.service.concurrency = Some(8);
        if let Some(clients) = &mut config.clients {
            clients.timeout = Some(Duration::from_secs(2));
            clients.client_cpu = 0.0005;
        }
        let mut bench = Bench::new(config, fidelity, 3);
        bench.servers(1..3, 1);
        bench.clients(10..13, 0);
        bench.clients(13..80, 2);
        bench.pass(100);
        (13..80).for_each(|id| bench.tell(Input::PodStopped(PodId(id))));
        (0..900).find(|_| bench.pass(1) > 5.0)
    });
    println!("{recovered:?} s");
    let [Some(flow), Some(requests)] = recovered else {
        panic!("{recovered:?}");
    };
    let ratio = flow as f64 / requests as f64;
    assert!(requests > 60 && (0.7..1.4).contains(&ratio), "{recovered:?} s");
}
