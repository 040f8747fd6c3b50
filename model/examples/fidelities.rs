//! Flow against requests on 200 random scenarios, and both against the clock.
//!
//! `cargo run --release -p scaletwin-model --example fidelities [-- --overloads]`
//!
//! Each scenario is told to both fidelities through the same inputs: 1–60 clients on two c5.xlarge with
//! 1–17 servers each, up to six m5.large and an m3.medium; every fourth has Poisson arrivals from outside in
//! place of clients. The judge is several request-level runs together, all their requests as one, since one run
//! alone may settle several per cent beside another. Arrivals beyond what can be served are not steady: 72 random
//! spikes on a few pods, with more pods joining later, are compared by time, by what the service's settings are; in 24
//! of them the pods lie unevenly on machines of two types, so that some are sent too much and others not.
//!
//! How far the judge itself can be trusted, and what a request-level run is worth, stands below flow's errors: as many
//! other runs together against the judge, and one other run against it.

#![expect(clippy::disallowed_types, reason = "it times the model, from outside")]

use std::time::{Duration, Instant as Clock};

use model::distribution::Distribution;
use model::id::{NodeId, PodId};
use model::quantity::MilliCpu;
use model::traffic::{
    Arrivals, Clients, Config, Cpu, Fidelity, Input, Machine, NodeKind, PodCpu, Probes, Process, Role,
    Service, Shape, Traffic,
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
    // Between a tenth and nineteen twentieths of what evenly split servers can answer, were the slowest the limit.
    let slowest = nodes.iter().map(|&(machine, on_node, _)| {
        let full = model::traffic::physics::capacity(&machine, 0.25) / 0.065 / f64::from(on_node);
        full.min(2.2) * f64::from(servers)
    });
    let most = slowest.fold(f64::INFINITY, f64::min);
    let arrivals = if from_outside {
        most * stream.random_range(0.1..0.95)
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
    if std::env::args().any(|argument| argument == "--overloads") {
        return compare_overloads();
    }
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
        let mut flow = alone(&scenario, Fidelity::Flow, first);
        // As many come as to the judge's runs.
        flow[0] = (first..first + SEEDS)
            .map(|seed| alone(&scenario, Fidelity::Flow, seed)[0])
            .sum::<f64>()
            / SEEDS as f64;
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
    compare_overloads();
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

/// A spike on a few pods.
struct Overload {
    config: Config,
    /// Servers on each node, half of which join late.
    servers: u32,
    server: PodCpu,
    proxy: PodCpu,
    /// Seconds from which as many servers again are there, on nodes of their own.
    joined: u64,
    /// Every second node is of another type, and has half as many servers as the others.
    uneven: bool,
}

const SPIKE: u64 = 30;
const OVERLOAD_END: u64 = 240;
const WINDOW: u64 = 15;
const OVERLOAD_SEEDS: u64 = 3;

/// Of spikes on servers that lie unevenly all have limits.
fn overload(stream: &mut Stream, timeout: Option<u64>, concurrency: Option<u32>, uneven: bool) -> Overload {
    let mean = stream.random_range(0.01..0.06);
    let limits = [Some(MilliCpu(500)), Some(MilliCpu(1000)), None];
    let limit = limits[stream.random_range(0..if uneven { 2 } else { 3 })];
    let servers = stream.random_range(1..=3);
    let [_, m5, _] = machines();
    let node = model::traffic::physics::capacity(&m5, 0.25);
    let pod = limit.map_or(f64::INFINITY, |limit| limit.0 as f64 / 1000.0 * 0.625 * m5.speed);
    let most = 2.0 * (pod * f64::from(servers)).min(node) / mean;
    let shape = Shape::Spike {
        base: most * stream.random_range(0.2..0.6),
        peak: most * stream.random_range(1.2..3.0),
        at: Duration::from_secs(SPIKE),
        duration: Duration::from_secs(stream.random_range(20..60)),
    };
    let cpu_per_request = match stream.random_range(0..2) {
        0 => Distribution::Constant(mean),
        _ => Distribution::LogNormal {
            median: mean,
            sigma: 0.6,
        },
    };
    let arrivals = Arrivals {
        shape,
        process: Process::Poisson,
        network_delay: Distribution::Constant(0.0),
        timeout: timeout.map(Duration::from_secs),
    };
    let request = MilliCpu(stream.random_range(0..2) * 300);
    Overload {
        config: Config {
            arrivals: vec![arrivals],
            service: Service {
                cpu_per_request,
                concurrency,
                ..Service::default()
            },
            ..Config::default()
        },
        servers,
        server: PodCpu {
            request: MilliCpu(200),
            limit,
        },
        proxy: PodCpu { request, limit: None },
        joined: stream.random_range(40..120),
        uneven,
    }
}

/// What a run of an overload says of each window: requests answered and failed, CPU seconds of the servers; and p50
/// and p95 of all response times.
fn measure_overload(overload: &Overload, fidelity: Fidelity, seed: u64) -> (Vec<[f64; 3]>, [f64; 2]) {
    let streams = Streams::new(seed);
    let mut traffic = Traffic::new(overload.config.clone(), fidelity, streams, &Probes::default());
    let [c5, m5, _] = machines();
    let other = if overload.uneven { c5 } else { m5 };
    // One of three lies on the second of two nodes, or one of two.
    let on_second = |pod: u32| u32::from(pod % if overload.uneven { 3 } else { 2 } == 1);
    for (node, machine) in [c5, m5, other, m5, other].into_iter().enumerate() {
        let node = NodeId(node as u32);
        traffic.handle(Instant::ZERO, Input::NodeUp { node, machine });
    }
    let start = |traffic: &mut Traffic, now, pod, role, node, cpu| {
        let (now, pod, node) = (Instant::from_secs(now), PodId(pod), NodeId(node));
        traffic.handle(now, Input::PodRunning { pod, role, node, cpu });
        traffic.handle(now, Input::PodReady { pod, ready: true });
    };
    start(&mut traffic, 0, 0, Role::Proxy, 0, overload.proxy);
    let half = 2 * overload.servers;
    for pod in 0..half {
        start(
            &mut traffic,
            0,
            1 + pod,
            Role::Server,
            1 + on_second(pod),
            overload.server,
        );
    }
    let mut windows = Vec::new();
    let mut before = [0.0; 3];
    for second in 1..=OVERLOAD_END {
        if second == overload.joined {
            for pod in half..2 * half {
                start(
                    &mut traffic,
                    second,
                    1 + pod,
                    Role::Server,
                    3 + on_second(pod),
                    overload.server,
                );
            }
        }
        if second % WINDOW == 0 {
            let now = Instant::from_secs(second);
            let stats = traffic.stats(now);
            let used = (1..=2 * half)
                .map(|pod| traffic.cpu_seconds(now, PodId(pod)))
                .sum();
            let total = [stats.served, stats.failed, used];
            windows.push(std::array::from_fn(|i| total[i] - before[i]));
            before = total;
        }
    }
    let times = traffic.latency(Instant::ZERO, Instant::from_secs(OVERLOAD_END), &[0.5, 0.95]);
    (windows, [times[0], times[1]])
}

/// The means of what [`measure_overload`] says of some seeds.
fn overloads(
    overload: &Overload,
    fidelity: Fidelity,
    seeds: std::ops::Range<u64>,
) -> (Vec<[f64; 3]>, [f64; 2]) {
    let share = 1.0 / OVERLOAD_SEEDS as f64;
    let (mut windows, mut times) = (vec![[0.0; 3]; (OVERLOAD_END / WINDOW) as usize], [0.0; 2]);
    for seed in seeds {
        let found = measure_overload(overload, fidelity, seed);
        for (sum, window) in windows.iter_mut().zip(found.0) {
            (0..3).for_each(|i| sum[i] += window[i] * share);
        }
        (0..2).for_each(|i| times[i] += found.1[i] * share);
    }
    (windows, times)
}

/// Both fidelities in 72 spikes: how far they are apart in each window's requests and CPU, as shares of the whole.
fn compare_overloads() {
    let mut stream = Streams::new(2027).stream("example/overloads", 0);
    println!("overloads: mean difference in served, failed and CPU of windows of {WINDOW} s; p50, p95");
    for (timeout, concurrency, uneven) in [
        (None, None, false),
        (None, Some(8), false),
        (Some(10), None, false),
        (Some(10), Some(8), false),
        (None, None, true),
        (Some(1), None, true),
    ] {
        let mut apart: [Vec<f64>; 5] = Default::default();
        for number in 0..12 {
            let overload = overload(&mut stream, timeout, concurrency, uneven);
            let seeds = number * OVERLOAD_SEEDS..(number + 1) * OVERLOAD_SEEDS;
            let (flow, times) = overloads(&overload, Fidelity::Flow, seeds.clone());
            let (judge, judge_times) = overloads(&overload, Fidelity::Requests, seeds);
            let sum = |i: usize| judge.iter().map(|window| window[i]).sum::<f64>();
            let all = [sum(0) + sum(1), sum(0) + sum(1), sum(2)];
            let differences: [f64; 3] = std::array::from_fn(|i| {
                let windows = flow.iter().zip(&judge);
                let off = windows
                    .map(|(flow, judge)| (flow[i] - judge[i]).abs())
                    .sum::<f64>();
                off / all[i] * 100.0
            });
            let times: [f64; 2] = std::array::from_fn(|i| (times[i] / judge_times[i] - 1.0) * 100.0);
            println!(
                "  timeout {timeout:?} s, concurrency {concurrency:?}: served {:.1} %, failed {:.1} %, CPU {:.1} %; \
                 p50 {:.2} s {:+.0} %, p95 {:.2} s {:+.0} %; {:?}, {} + {} servers at {} s, {:?}",
                differences[0],
                differences[1],
                differences[2],
                judge_times[0],
                times[0],
                judge_times[1],
                times[1],
                overload.config.arrivals[0].shape,
                2 * overload.servers,
                2 * overload.servers,
                overload.joined,
                overload.config.service.cpu_per_request,
            );
            (0..3).for_each(|i| apart[i].push(differences[i]));
            (0..2).for_each(|i| apart[3 + i].push(times[i].abs()));
        }
        let mean = apart.map(|values| values.iter().sum::<f64>() / values.len() as f64);
        println!(
            "timeout {timeout:?} s, concurrency {concurrency:?}, uneven {uneven}: served {:.1} %, failed {:.1} %, \
             CPU {:.1} %, p50 {:.0} %, p95 {:.0} %",
            mean[0], mean[1], mean[2], mean[3], mean[4]
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
