//! CPU limits of what is not a server, and CPU use: flow against requests.

use super::*;

const LIMITED: PodCpu = PodCpu {
    request: MilliCpu(100),
    limit: Some(MilliCpu(100)),
};

fn apart(values: [f64; 2]) -> f64 {
    (values[0] / values[1] - 1.0).abs()
}

#[test]
fn a_proxy_passes_on_what_its_limit_lets_it() {
    let served = BOTH.map(|fidelity| {
        let mut config = open(80.0, Some(Duration::from_secs(5)));
        config.service.cpu_per_request = Distribution::Constant(0.002);
        config.traefik.proxy_cpu = 0.002;
        let mut bench = Bench::behind(LIMITED, config, fidelity, 2);
        bench.servers(1..5, 1);
        bench.pass(60);
        // As requests that nobody waits for are passed on as well, hardly any is answered in time: what servers use says
        // how many reach them.
        let used = (1..5).map(|id| bench.traffic.cpu_seconds(bench.now, PodId(id)));
        used.sum::<f64>() / 0.002 / 60.0
    });
    println!("{served:.1?}");
    assert!(served[1] < 60.0 && apart(served) < 0.1, "{served:.1?} a second");
}

/// A proxy under its limit with little to spare works off what a burst has left.
#[test]
fn the_line_before_a_limited_proxy_goes_when_it_can() {
    let p95 = BOTH.map(|fidelity| {
        let mut config = open(0.0, Some(Duration::from_secs(10)));
        config.arrivals[0].shape = Shape::Spike {
            base: 195.0,
            peak: 400.0,
            at: Duration::from_secs(10),
            duration: Duration::from_secs(3),
        };
        config.service.cpu_per_request = Distribution::Constant(0.002);
        config.traefik.proxy_cpu = 0.003;
        let one = PodCpu {
            request: MilliCpu(300),
            limit: Some(MilliCpu(1000)),
        };
        let mut bench = Bench::behind(one, config, fidelity, 2);
        bench.servers(1..9, 1);
        bench.pass(117);
        let latency = |bench: &mut Bench, from, to| {
            let (from, to) = (Instant::from_secs(from), Instant::from_secs(to));
            bench.traffic.latency(from, to, &[0.95])[0]
        };
        [latency(&mut bench, 15, 30), latency(&mut bench, 90, 120)]
    });
    println!("{p95:.3?}");
    for [line, later] in p95 {
        assert!(line > 1.0 && later < 0.5, "{p95:.3?} s");
    }
}

#[test]
fn clients_send_what_their_limit_lets_them() {
    let served = BOTH.map(|fidelity| {
        let mut config = closed();
        config.service.cpu_per_request = Distribution::Constant(0.002);
        if let Some(clients) = &mut config.clients {
            clients.client_cpu = 0.01;
            clients.connections = 5;
        }
        let mut bench = Bench::new(config, fidelity, 2);
        bench.servers(1..5, 1);
        (5..9).for_each(|id| bench.run(PodId(id), Role::Client, 0, LIMITED));
        bench.pass(20);
        bench.pass(60)
    });
    println!("{served:.1?}");
    assert!(served[1] < 40.0 && apart(served) < 0.1, "{served:.1?} a second");
}

/// Of requests that come evenly fewer share a core than of those that come as they please.
#[test]
fn cpu_use_is_that_of_requests_however_they_come() {
    for process in [Process::Deterministic, Process::Poisson] {
        for rate in [60.0, 150.0, 220.0] {
            let used = BOTH.map(|fidelity| {
                let mut config = open(rate, None);
                config.arrivals[0].process = process;
                config.service.cpu_per_request = Distribution::LogNormal {
                    median: 0.008,
                    sigma: 0.3,
                };
                let mut bench = Bench::new(config, fidelity, 2);
                for id in 1..5 {
                    bench.run(PodId(id), Role::Server, 1, NO_REQUEST);
                    bench.tell(Input::PodReady {
                        pod: PodId(id),
                        ready: true,
                    });
                }
                bench.pass(10);
                let total = |bench: &mut Bench| -> f64 {
                    let used = (1..5).map(|id| bench.traffic.cpu_seconds(bench.now, PodId(id)));
                    used.sum()
                };
                let before = total(&mut bench);
                bench.pass(120);
                (total(&mut bench) - before) / 120.0
            });
            println!("{process:?} {rate}: {used:.3?} vCPU");
            assert!(apart(used) < 0.06, "{process:?} {rate}: {used:.3?} vCPU");
        }
    }
}

/// A pod that has a request has had its turn: the fewer of them lie on a node, the fewer share its cores.
#[test]
fn cpu_use_is_that_of_requests_on_nodes_of_few_servers() {
    for rate in [40.0, 80.0] {
        let used = BOTH.map(|fidelity| {
            let mut config = open(rate, None);
            config.service.cpu_per_request = Distribution::Constant(0.05);
            config.cpu.system_cpu = 0.3;
            let mut bench = Bench::new(config, fidelity, 5);
            for id in 1..11 {
                bench.run(PodId(id), Role::Server, 1 + id % 4, NO_REQUEST);
                bench.tell(Input::PodReady {
                    pod: PodId(id),
                    ready: true,
                });
            }
            bench.pass(10);
            let total = |bench: &mut Bench| -> f64 {
                let used = (1..11).map(|id| bench.traffic.cpu_seconds(bench.now, PodId(id)));
                used.sum()
            };
            let before = total(&mut bench);
            bench.pass(300);
            (total(&mut bench) - before) / 300.0
        });
        println!("{rate}: {used:.3?} vCPU");
        assert!(apart(used) < 0.02, "{rate}: {used:.3?} vCPU");
    }
}
