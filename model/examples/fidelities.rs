//! Flow against requests on 200 random scenarios, and both against the clock.
//!
//! `cargo run --release -p scaletwin-model --example fidelities`
//!
//! Each scenario is told to both fidelities through the same inputs: 1–60 clients on two c5.xlarge with
//! 1–17 servers each, up to six m5.large and an m3.medium; every fourth has Poisson arrivals from outside in
//! place of clients. The request-level side is the mean of several seeds, since one of them alone may settle
//! several per cent beside another. Arrivals beyond what the flow says can be served are not steady and are
//! left out.

#![expect(clippy::disallowed_types, reason = "it times the model, from outside")]

use std::time::{Duration, Instant as Clock};

use model::distribution::Distribution;
use model::id::{NodeId, PodId};
use model::quantity::MilliCpu;
use model::traffic::{
    Arrivals, Clients, Config, Cpu, Fidelity, Input, Machine, NodeKind, PodCpu, Probes, Process, Role, Shape,
    Traffic,
};
use rand::RngExt;
use sim::{Instant, Stream, Streams};

const SERVER: PodCpu = PodCpu {
    request: MilliCpu(200),
    limit: Some(MilliCpu(500)),
};
const NO_REQUEST: PodCpu = PodCpu {
    request: MilliCpu(0),
    limit: None,
};
const SEEDS: u64 = 6;
const BEGIN: u64 = 15;
const END: u64 = 60;

/// Nodes with servers and clients, and requests a second from outside.
struct Scenario {
    nodes: Vec<(Machine, u32, u32)>,
    arrivals: f64,
}

fn machines() -> [Machine; 3] {
    let cpu = Cpu::default();
    [
        cpu.machine("c5.xlarge", 3400.0, 4, 2, NodeKind::System, None),
        cpu.machine("m5.large", 3100.0, 2, 1, NodeKind::Worker, None),
        cpu.machine("m3.medium", 2500.0, 1, 1, NodeKind::Worker, None),
    ]
}

fn random(stream: &mut Stream, number: u64) -> Scenario {
    let [c5, m5, m3] = machines();
    let from_outside = number % 4 == 3;
    let clients: u32 = if from_outside {
        0
    } else {
        stream.random_range(1..=60)
    };
    let first = match stream.random_range(0..4) {
        0 => clients,
        1 => 0,
        _ => clients / 2,
    };
    let mut nodes = Vec::new();
    for clients in [first, clients - first] {
        nodes.push((c5, stream.random_range(1..=17), clients));
    }
    for _ in 0..stream.random_range(0..=6) {
        nodes.push((m5, stream.random_range(1..=8), 0));
    }
    for _ in 0..stream.random_range(0..=1) {
        nodes.push((m3, stream.random_range(1..=3), 0));
    }
    let servers: u32 = nodes.iter().map(|&(_, servers, _)| servers).sum();
    // Between a tenth and nine tenths of what evenly split servers can answer, were the slowest the limit.
    let slowest = nodes.iter().map(|&(machine, on_node, _)| {
        let full = model::traffic::physics::capacity(&machine, 0.25) / 0.065 / f64::from(on_node);
        full.min(2.2) * f64::from(servers)
    });
    let most = slowest.fold(f64::INFINITY, f64::min);
    let arrivals = if from_outside {
        most * stream.random_range(0.1..0.8)
    } else {
        0.0
    };
    Scenario { nodes, arrivals }
}

fn start(scenario: &Scenario, fidelity: Fidelity, seed: u64) -> Traffic {
    let outside = Arrivals {
        shape: Shape::Constant {
            rate: scenario.arrivals,
        },
        process: Process::Poisson,
        network_delay: Distribution::Constant(0.0),
        timeout: None,
    };
    let config = Config {
        clients: Some(Clients::default()),
        arrivals: if scenario.arrivals > 0.0 {
            vec![outside]
        } else {
            Vec::new()
        },
        ..Config::default()
    };
    let mut traffic = Traffic::new(config, fidelity, Streams::new(seed), &Probes::default());
    let mut next = 1;
    let now = Instant::ZERO;
    for (place, &(machine, ..)) in scenario.nodes.iter().enumerate() {
        traffic.handle(
            now,
            Input::NodeUp {
                node: NodeId(place as u32),
                machine,
            },
        );
    }
    let proxy = Input::PodRunning {
        pod: PodId(0),
        role: Role::Proxy,
        node: NodeId(0),
        cpu: NO_REQUEST,
    };
    traffic.handle(now, proxy);
    traffic.handle(
        now,
        Input::PodReady {
            pod: PodId(0),
            ready: true,
        },
    );
    for (role, cpu) in [(Role::Server, SERVER), (Role::Client, NO_REQUEST)] {
        for (place, &(_, servers, clients)) in scenario.nodes.iter().enumerate() {
            for _ in 0..(if role == Role::Server { servers } else { clients }) {
                let (pod, node) = (PodId(next), NodeId(place as u32));
                next += 1;
                traffic.handle(now, Input::PodRunning { pod, role, node, cpu });
                traffic.handle(now, Input::PodReady { pod, ready: true });
            }
        }
    }
    traffic
}

/// Requests a second, and p50 and p95 of the response time.
fn measure(traffic: &mut Traffic) -> [f64; 3] {
    let (begin, end) = (Instant::from_secs(BEGIN), Instant::from_secs(END));
    let before = traffic.stats(begin).served;
    let rate = (traffic.stats(end).served - before) / (END - BEGIN) as f64;
    let latency = traffic.latency(begin, end, &[0.5, 0.95]);
    [rate, latency[0], latency[1]]
}

fn main() {
    let mut stream = Streams::new(2026).stream("example/scenarios", 0);
    let mut errors: [Vec<f64>; 3] = Default::default();
    let (mut flow_time, mut request_time, mut unsettled) = (Duration::ZERO, Duration::ZERO, 0);
    println!("   requests/s       flow          p50 s            p95 s         nodes (servers, clients)");
    for number in 0..200 {
        let scenario = random(&mut stream, number);
        let clock = Clock::now();
        let mut judge = [0.0; 3];
        for seed in 0..SEEDS {
            let found = measure(&mut start(&scenario, Fidelity::Requests, number * SEEDS + seed));
            judge
                .iter_mut()
                .zip(found)
                .for_each(|(sum, value)| *sum += value / SEEDS as f64);
        }
        request_time += clock.elapsed();
        let mut traffic = start(&scenario, Fidelity::Flow, 0);
        let clock = Clock::now();
        traffic.advance(Instant::from_secs(END));
        flow_time += clock.elapsed();
        let flow = measure(&mut start(&scenario, Fidelity::Flow, 0));
        let two = traffic.unsettled(Instant::from_secs(BEGIN), Instant::from_secs(END)) > 0.5;
        unsettled += u32::from(two);
        let of = |i: usize| (flow[i] / judge[i] - 1.0) * 100.0;
        (0..3).for_each(|i| errors[i].push(of(i).abs()));
        let nodes: Vec<(u32, u32)> = scenario
            .nodes
            .iter()
            .map(|&(_, servers, clients)| (servers, clients))
            .collect();
        println!(
            "{:8.2} {:8.2} {:+5.1} %  {:.3} {:+5.1} %  {:.3} {:+5.1} %  {} {nodes:?}",
            judge[0],
            flow[0],
            of(0),
            judge[1],
            of(1),
            judge[2],
            of(2),
            if two { "unsettled" } else { "         " },
        );
    }
    for (name, mut errors) in ["throughput", "p50", "p95"].into_iter().zip(errors) {
        errors.sort_unstable_by(f64::total_cmp);
        let mean = errors.iter().sum::<f64>() / errors.len() as f64;
        let within =
            errors.iter().filter(|&&error| error <= 3.0).count() as f64 / errors.len() as f64 * 100.0;
        let (median, worst) = (errors[errors.len() / 2], errors[errors.len() - 1]);
        println!(
            "{name}: mean {mean:.2} %, median {median:.2} %, within 3 % in {within:.1} %, worst {worst:.1} %"
        );
    }
    println!("unsettled: {unsettled} of 200");
    println!("time: flow {flow_time:.1?}, requests {request_time:.1?} for {SEEDS} seeds of {END} s each");
    clock_the_walkthrough();
}

/// 48 minutes of 40 clients and 77 servers on eight nodes, with a node joining every four minutes.
fn clock_the_walkthrough() {
    let [c5, m5, _] = machines();
    for fidelity in [Fidelity::Flow, Fidelity::Requests] {
        let scenario = Scenario {
            nodes: vec![(c5, 17, 20), (c5, 17, 20)],
            arrivals: 0.0,
        };
        let mut traffic = start(&scenario, fidelity, 1);
        let clock = Clock::now();
        for node in 2..8 {
            let now = Instant::from_secs(u64::from(node) * 240);
            traffic.handle(
                now,
                Input::NodeUp {
                    node: NodeId(node),
                    machine: m5,
                },
            );
            for i in 0..8 {
                let (pod, role, node) = (PodId(1000 + node * 8 + i), Role::Server, NodeId(node));
                traffic.handle(
                    now,
                    Input::PodRunning {
                        pod,
                        role,
                        node,
                        cpu: SERVER,
                    },
                );
                traffic.handle(now, Input::PodReady { pod, ready: true });
            }
        }
        for scrape in 28..48 {
            traffic.exposition(Instant::from_secs(scrape * 60), PodId(0));
        }
        let served = traffic.stats(Instant::from_secs(48 * 60)).served;
        let run = clock.elapsed();
        let clock = Clock::now();
        let latency = traffic.latency(Instant::ZERO, Instant::from_secs(48 * 60), &[0.5, 0.95, 0.99]);
        println!(
            "48 minutes in {fidelity:?}: {run:.1?}, {served:.0} served; percentiles {latency:.3?} in {:.1?}",
            clock.elapsed()
        );
    }
}
