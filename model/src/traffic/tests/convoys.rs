//! Closed loops that convoy behind one slow pod: flow against requests.

use super::*;

const SLOW: u32 = 2;
const FAST: u32 = 3;

/// Forty clients on two c5.xlarge, a slow pod on a g3s.xlarge, all others on g4dn.12xlarge, four on each.
fn bench(fidelity: Fidelity, servers: std::ops::Range<u32>) -> Bench {
    let mut config = closed();
    // As in scenarios/php-apache-gpu.
    config.cpu.system_cpu = 1.63;
    config.service.cpu_per_request = Distribution::Constant(0.0625);
    if let Some(clients) = &mut config.clients {
        clients.client_cpu = 0.005;
        clients.cycle_delay = Distribution::Constant(0.0085);
    }
    let [slow, fast] =
        [("g3s.xlarge", 2700.0, 4, 2), ("g4dn.12xlarge", 3100.0, 48, 24)].map(|(name, mhz, vcpus, cores)| {
            let cpu = &config.cpu;
            cpu.machine(name, mhz, vcpus, cores, NodeKind::Worker, None)
        });
    let mut bench = Bench::new(config, fidelity, 2);
    let nodes = [(SLOW, slow)]
        .into_iter()
        .chain((FAST..FAST + 20).map(|node| (node, fast)));
    for (node, machine) in nodes {
        bench.tell(Input::NodeUp {
            node: NodeId(node),
            machine,
        });
    }
    add(&mut bench, servers);
    bench.clients(1001..1021, 0);
    bench.clients(1021..1041, 1);
    bench
}

/// Servers by their ids, the first of which is the slow one.
fn add(bench: &mut Bench, servers: std::ops::Range<u32>) {
    for id in servers {
        let node = if id == 1 { SLOW } else { FAST + (id - 2) / 4 };
        bench.run(PodId(id), Role::Server, node, SERVER);
        bench.tell(Input::PodReady {
            pod: PodId(id),
            ready: true,
        });
    }
}

fn near(found: [f64; 2], tolerance: f64, what: &str) {
    let [flow, requests] = found;
    println!("{what}: {flow:.1} against {requests:.1}");
    assert!(
        (flow / requests - 1.0).abs() <= tolerance,
        "{what}: flow {flow:.1}, requests {requests:.1}"
    );
}

#[test]
fn a_slow_pod_holds_all_clients_up() {
    for servers in [20, 30] {
        let found = BOTH.map(|fidelity| {
            let mut bench = bench(fidelity, 1..servers + 1);
            bench.pass(60);
            bench.pass(30)
        });
        near(found, 0.03, &format!("{servers} servers"));
    }
}

/// With so many pods no line forms; one that has formed with fewer stays.
#[test]
fn a_line_that_has_formed_outlasts_the_lack_of_pods() {
    let found = BOTH.map(|fidelity| {
        let mut at_once = bench(fidelity, 1..55);
        at_once.pass(60);
        let mut later = bench(fidelity, 1..31);
        later.pass(60);
        add(&mut later, 31..55);
        later.pass(40);
        let rates = [at_once.pass(30), later.pass(30)];
        let (from, to) = (Instant::from_nanos(100_000_000_000), later.now);
        let unsettled = later.traffic.unsettled(from, to);
        (rates, unsettled)
    });
    let [(flow, unsettled), (requests, _)] = found;
    near([flow[0], requests[0]], 0.03, "54 servers at once");
    near([flow[1], requests[1]], 0.03, "the last of 54 servers later");
    assert!(flow[1] < 0.9 * flow[0], "{flow:.1?}");
    assert!(unsettled > 0.9, "another rate is possible: {unsettled}");
}
