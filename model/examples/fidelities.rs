//! Flow against requests on 200 random scenarios, and both against the clock.
//!
//! `cargo run --release -p scaletwin-model --example fidelities`
//!
//! Each scenario is told to both fidelities through the same inputs: 1–60 clients on two c5.xlarge with
//! 1–17 servers each, up to six m5.large and an m3.medium; every fourth has Poisson arrivals from outside in
//! place of clients. The judge is several request-level runs together, all their requests as one, since one run
//! alone may settle several per cent beside another. Arrivals beyond what the flow says can be served are not
//! steady and are left out.
//!
//! How far the judge itself can be trusted, and what a request-level run is worth, stands below flow's errors: as many
//! other runs together against the judge, and one other run against it.

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
/// Request-level runs that are judged by together.
const SEEDS: u64 = 12;
const BEGIN: u64 = 15;
const END: u64 = 60;

/// Nodes with servers and clients, and requests a second from outside.
struct Scenario {
    nodes: Vec<(Machine, u32, u32)>,
    arrivals: f64,
}

/// What is compared, and how it is printed.
const NAMES: [&str; 4] = ["throughput", "p50", "p95", "p99"];
const SHARES: [f64; 3] = [0.5, 0.95, 0.99];
/// A run's response times are known by so many of their percentiles.
const GRAIN: u32 = 1000;

fn machines() -> [Machine; 3] {
    // The walkthrough's, whose states these are like.
    let cpu = Cpu {
        system_cpu: 1.5,
        ..Cpu::default()
    };
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

/// Requests a second between [`BEGIN`] and [`END`], and such percentiles of their response times.
fn measure(traffic: &mut Traffic, shares: &[f64]) -> (f64, Vec<f64>) {
    let (begin, end) = (Instant::from_secs(BEGIN), Instant::from_secs(END));
    let before = traffic.stats(begin).served;
    let rate = (traffic.stats(end).served - before) / (END - BEGIN) as f64;
    (rate, traffic.latency(begin, end, shares))
}

/// One run by itself: what [`NAMES`] says.
fn alone(scenario: &Scenario, fidelity: Fidelity, seed: u64) -> [f64; 4] {
    let (rate, times) = measure(&mut start(scenario, fidelity, seed), &SHARES);
    [rate, times[0], times[1], times[2]]
}

/// The same of several request-level runs together: the mean rate, and percentiles of the requests of all. They serve
/// nearly alike, so each counts as much as the next.
fn together(scenario: &Scenario, seeds: std::ops::Range<u64>) -> [f64; 4] {
    let grain: Vec<f64> = (0..GRAIN)
        .map(|i| (f64::from(i) + 0.5) / f64::from(GRAIN))
        .collect();
    let (mut rate, mut times) = (0.0, Vec::new());
    for seed in seeds {
        let found = measure(&mut start(scenario, Fidelity::Requests, seed), &grain);
        rate += found.0 / SEEDS as f64;
        times.extend(found.1);
    }
    times.sort_unstable_by(f64::total_cmp);
    let [p50, p95, p99] = SHARES.map(|share| times[(share * times.len() as f64) as usize - 1]);
    [rate, p50, p95, p99]
}

/// How far values are from the judge's, in per cent.
fn errors(found: [f64; 4], judge: [f64; 4]) -> [f64; 4] {
    std::array::from_fn(|i| (found[i] / judge[i] - 1.0) * 100.0)
}

fn main() {
    let mut stream = Streams::new(2026).stream("example/scenarios", 0);
    let (mut of_flow, mut of_others, mut of_one) = (Vec::new(), Vec::new(), Vec::new());
    let (mut flow_time, mut request_time, mut unsettled) = (Duration::ZERO, Duration::ZERO, 0);
    println!(
        "   requests/s       flow          p50 s            p95 s            p99 s         nodes (servers, clients)"
    );
    for number in 0..200 {
        let scenario = random(&mut stream, number);
        let first = number * (2 * SEEDS + 1);
        let clock = Clock::now();
        let judge = together(&scenario, first..first + SEEDS);
        request_time += clock.elapsed();
        let others = together(&scenario, first + SEEDS..first + 2 * SEEDS);
        let one = alone(&scenario, Fidelity::Requests, first + 2 * SEEDS);
        let mut traffic = start(&scenario, Fidelity::Flow, 0);
        let clock = Clock::now();
        traffic.advance(Instant::from_secs(END));
        flow_time += clock.elapsed();
        let flow = alone(&scenario, Fidelity::Flow, 0);
        let two = traffic.unsettled(Instant::from_secs(BEGIN), Instant::from_secs(END)) > 0.5;
        unsettled += u32::from(two);
        let off = errors(flow, judge);
        of_flow.push(off);
        of_others.push(errors(others, judge));
        of_one.push(errors(one, judge));
        let nodes: Vec<(u32, u32)> = scenario
            .nodes
            .iter()
            .map(|&(_, servers, clients)| (servers, clients))
            .collect();
        println!(
            "{:8.2} {:8.2} {:+5.1} %  {:.3} {:+5.1} %  {:.3} {:+5.1} %  {:.3} {:+5.1} %  {} {nodes:?}",
            judge[0],
            flow[0],
            off[0],
            judge[1],
            off[1],
            judge[2],
            off[2],
            judge[3],
            off[3],
            if two { "unsettled" } else { "         " },
        );
    }
    tell("flow", &of_flow);
    tell(&format!("{SEEDS} other runs"), &of_others);
    tell("one other run", &of_one);
    println!("unsettled: {unsettled} of 200");
    println!("time: flow {flow_time:.1?}, requests {request_time:.1?} for {SEEDS} seeds of {END} s each");
    clock_the_walkthrough();
}

/// How far off somebody is over all scenarios, by what is compared.
fn tell(who: &str, errors: &[[f64; 4]]) {
    println!("{who}, against {SEEDS} runs together:");
    for (i, name) in NAMES.iter().enumerate() {
        let mut own: Vec<f64> = errors.iter().map(|errors| errors[i].abs()).collect();
        own.sort_unstable_by(f64::total_cmp);
        let count = own.len() as f64;
        let mean = own.iter().sum::<f64>() / count;
        let within = own.iter().filter(|&&error| error <= 3.0).count() as f64 / count * 100.0;
        let (median, worst) = (own[own.len() / 2], own[own.len() - 1]);
        println!(
            "  {name:10}  mean {mean:5.2} %, median {median:5.2} %, within 3 % in {within:5.1} %, worst {worst:5.1} %"
        );
    }
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
