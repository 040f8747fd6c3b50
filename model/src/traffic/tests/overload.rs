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

/// Requests served and failed, and CPU seconds of the servers with these ids, up to each tenth second of 150; `then` is
/// told when each has passed.
fn totals(mut bench: Bench, servers: std::ops::Range<u32>, then: impl Fn(&mut Bench, u64)) -> Vec<[f64; 3]> {
    let mut totals = vec![[0.0; 3]];
    for tenth in 1..=15 {
        bench.pass(10 * tenth - bench.now.as_secs());
        then(&mut bench, tenth);
        let stats = bench.stats();
        let used = servers.clone();
        let used = used.map(|id| bench.traffic.cpu_seconds(bench.now, PodId(id)));
        totals.push([stats.served, stats.failed, used.sum()]);
    }
    totals
}

/// In what flow's totals differ from those of requests by more than a share of the whole.
fn differences(name: &str, [flow, requests]: [Vec<[f64; 3]>; 2]) -> Vec<String> {
    let mut wrong = Vec::new();
    let all = requests[15][0] + requests[15][1];
    let parts = [("served", all), ("failed", all), ("CPU", requests[15][2])];
    for (i, (part, all)) in parts.into_iter().enumerate() {
        let apart = |(flow, requests): (&[f64; 3], &[f64; 3])| (flow[i] - requests[i]).abs() / all;
        let most = flow.iter().zip(&requests).map(apart).fold(0.0, f64::max);
        println!("{name}: {part} {:.1} % apart", most * 100.0);
        if most > 0.06 {
            wrong.push(format!("{name}: {part}: {flow:.0?} {requests:.0?}"));
        }
    }
    wrong
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
            let bench = spike(fidelity, timeout, concurrency);
            totals(bench, 1..9, |bench, tenth| {
                if tenth == 4 {
                    bench.servers(5..9, 2);
                }
            })
        };
        let name = format!("timeout {timeout:?}, concurrency {concurrency:?}");
        wrong.extend(differences(&name, BOTH.map(run)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Servers that have a node for themselves, or a faster one, still answer when the others have been sent too much.
#[test]
fn both_go_alike_where_some_servers_are_over_and_others_not() {
    const WHOLE: PodCpu = PodCpu {
        request: MilliCpu(500),
        limit: Some(MilliCpu(1000)),
    };
    let small = measured().machine("m5.large", 3100.0, 2, 1, NodeKind::Worker, None);
    let mut wrong = Vec::new();
    for timeout in [None, Some(1)] {
        for nodes in [&[1, 1, 2][..], &[1, 2, 3]] {
            let run = |fidelity| {
                let mut config = open(0.0, timeout.map(Duration::from_secs));
                config.arrivals[0].shape = Shape::Spike {
                    base: 12.0,
                    peak: 150.0,
                    at: Duration::from_secs(20),
                    duration: Duration::from_secs(20),
                };
                config.service.cpu_per_request = Distribution::Constant(0.05);
                let mut bench = Bench::new(config, fidelity, 3);
                bench.tell(Input::NodeUp {
                    node: NodeId(3),
                    machine: small,
                });
                for (id, &node) in (1..).zip(nodes) {
                    bench.run(PodId(id), Role::Server, node, WHOLE);
                    bench.tell(Input::PodReady {
                        pod: PodId(id),
                        ready: true,
                    });
                }
                totals(bench, 1..4, |_, _| {})
            };
            let name = format!("timeout {timeout:?}, on {nodes:?}");
            wrong.extend(differences(&name, BOTH.map(run)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A proxy that could pass on all as long as none waits for it does not once some do: they keep more threads busy than the
/// node has cores, and its quota buys less.
#[test]
fn a_limited_proxy_collapses_beyond_what_it_can_do_with_a_line() {
    const LIMITED: PodCpu = PodCpu {
        request: MilliCpu(100),
        limit: Some(MilliCpu(400)),
    };
    let served = BOTH.map(|fidelity| {
        let mut config = open(170.0, None);
        config.service.cpu_per_request = Distribution::Constant(0.005);
        config.traefik.proxy_cpu = 0.002;
        config.cpu.system_cpu = 0.3;
        let mut bench = Bench::behind(LIMITED, config, fidelity, 2);
        bench.servers(1..7, 1);
        bench.pass(60);
        bench.pass(120)
    });
    println!("{served:.1?} a second");
    let apart = (served[0] / served[1] - 1.0).abs();
    assert!(served[1] < 130.0 && apart < 0.06, "{served:.1?} a second");
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

/// A pod of two slots is slower with both in use: whether a line begins is chance, and then nobody is answered in time.
#[test]
fn where_chance_decides_is_told_though_nobody_is_served() {
    let mut config = open(208.0, Some(Duration::from_secs(5)));
    config.service.cpu_per_request = Distribution::Constant(0.008);
    config.service.concurrency = Some(2);
    let mut bench = Bench::new(config, Fidelity::Flow, 3);
    for id in 1..3 {
        let one = PodCpu {
            request: MilliCpu(1000),
            limit: Some(MilliCpu(1000)),
        };
        bench.run(PodId(id), Role::Server, id, one);
        bench.tell(Input::PodReady {
            pod: PodId(id),
            ready: true,
        });
    }
    bench.pass(120);
    let served = bench.pass(60);
    let unsettled = bench.traffic.unsettled(Instant::from_secs(120), bench.now);
    assert!(
        served < 1.0 && unsettled > 0.9,
        "{served} served a second, unsettled {unsettled}"
    );
}
