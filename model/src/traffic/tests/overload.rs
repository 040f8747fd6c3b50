//! Both fidelities where more comes than can be answered.

use super::*;

/// Servers that work off what a burst has left use their whole quotas, whether or not anybody still waits.
#[test]
fn a_backlog_uses_cpu_after_the_load_has_gone() {
    for (fidelity, timeout) in BOTH
        .into_iter()
        .flat_map(|fidelity| [(fidelity, None), (fidelity, Some(5))])
    {
        let mut config = open(0.0, timeout.map(Duration::from_secs));
        config.arrivals[0].shape = Shape::Spike {
            base: 2.0,
            peak: 60.0,
            at: Duration::from_secs(10),
            duration: Duration::from_secs(20),
        };
        config.service.concurrency = Some(8);
        let mut bench = Bench::new(config, fidelity, 2);
        bench.servers(1..5, 1);
        let used = |bench: &mut Bench, secs| {
            let total = |bench: &mut Bench| -> f64 {
                (1..5)
                    .map(|id| bench.traffic.cpu_seconds(bench.now, PodId(id)))
                    .sum()
            };
            let before = total(bench);
            bench.pass(secs);
            (total(bench) - before) / secs as f64
        };
        bench.pass(40 - bench.now.as_secs());
        // 1,200 requests came, some 20 a second are worked off by four servers of half a CPU.
        let busy = used(&mut bench, 15);
        assert!(
            (1.85..=2.02).contains(&busy),
            "{fidelity:?}, {timeout:?}: {busy} vCPU"
        );
        bench.pass(60);
        let idle = used(&mut bench, 30);
        assert!(
            (0.1..0.25).contains(&idle),
            "{fidelity:?}, {timeout:?}: {idle} vCPU"
        );
    }
}

/// 60 requests a second for 20 s at four servers that answer 20, and four more servers from second 45 on.
fn spike(fidelity: Fidelity, timeout: Option<u64>, concurrency: Option<u32>) -> Bench {
    let mut config = open(0.0, timeout.map(Duration::from_secs));
    config.arrivals[0].shape = Shape::Spike {
        base: 8.0,
        peak: 60.0,
        at: Duration::from_secs(15),
        duration: Duration::from_secs(20),
    };
    config.service.concurrency = concurrency;
    let mut bench = Bench::new(config, fidelity, 3);
    bench.servers(1..5, 1);
    bench
}

#[test]
fn both_go_alike_through_a_spike() {
    let mut wrong = Vec::new();
    for (timeout, concurrency) in [
        (None, None),
        (None, Some(2)),
        (None, Some(64)),
        (Some(5), None),
        (Some(5), Some(2)),
        (Some(5), Some(64)),
    ] {
        let run = |fidelity| {
            let mut bench = spike(fidelity, timeout, concurrency);
            let mut totals = vec![[0.0; 3]];
            for tenth in 1..=15 {
                bench.pass(10 * tenth - bench.now.as_secs());
                if tenth == 4 {
                    bench.servers(5..9, 2);
                }
                let stats = bench.stats();
                let used = (1..9).map(|id| bench.traffic.cpu_seconds(bench.now, PodId(id)));
                totals.push([stats.served, stats.failed, used.sum()]);
            }
            totals
        };
        let [flow, requests] = BOTH.map(run);
        let all = requests[15][0] + requests[15][1];
        let parts = [("served", all), ("failed", all), ("CPU", requests[15][2])];
        for (i, (name, all)) in parts.into_iter().enumerate() {
            // Totals, at every tenth second.
            let apart = |(flow, requests): (&[f64; 3], &[f64; 3])| (flow[i] - requests[i]).abs() / all;
            let most = flow.iter().zip(&requests).map(apart).fold(0.0, f64::max);
            let name = format!("timeout {timeout:?}, concurrency {concurrency:?}: {name}");
            println!("{name} {:.1} % apart", most * 100.0);
            if most > 0.06 {
                wrong.push(format!("{name}: {flow:.0?} {requests:.0?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A proxy with too little CPU beside busy servers passes on what nobody waits for any more; the servers then run out of
/// work, and it gets their CPU.
#[test]
fn servers_stay_busy_behind_a_jammed_proxy() {
    let used = BOTH.map(|fidelity| {
        let mut config = open(150.0, Some(Duration::from_secs(5)));
        config.service.concurrency = Some(8);
        config.service.cpu_per_request = Distribution::Constant(0.02);
        config.traefik.proxy_cpu = 0.004;
        let mut bench = Bench::new(config, fidelity, 2);
        bench.servers(1..4, 0);
        bench.servers(4..7, 1);
        bench.pass(120);
        let used = (1..7).map(|id| bench.traffic.cpu_seconds(bench.now, PodId(id)));
        used.sum::<f64>() / 120.0
    });
    println!("{used:?} vCPU");
    assert!(
        used[1] > 1.0 && (used[0] / used[1] - 1.0).abs() < 0.2,
        "{used:?} vCPU"
    );
}

#[test]
fn new_servers_take_nothing_off_the_old_ones() {
    for fidelity in BOTH {
        let mut bench = spike(fidelity, None, None);
        bench.pass(40 - bench.now.as_secs());
        bench.servers(5..9, 2);
        bench.pass(5);
        let held = bench.traffic.held(bench.now);
        assert!(held[&PodId(1)] > 60.0, "{fidelity:?}: {held:?}");
        assert!(held[&PodId(5)] < 5.0, "{fidelity:?}: {held:?}");
    }
}
