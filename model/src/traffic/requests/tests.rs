//! Steady states against what was measured.

use super::super::config::{Clients, Config, Cpu, Machine, NodeKind};
use super::super::probe::{self, Effort};
use super::super::state::{Pods, Site, State};
use super::*;
use crate::quantity::MilliCpu;

const SERVER: PodCpu = PodCpu {
    request: MilliCpu(200),
    limit: Some(MilliCpu(500)),
};
const BEST_EFFORT_POD: PodCpu = PodCpu {
    request: MilliCpu(0),
    limit: None,
};

fn machine(kind: &str) -> Machine {
    let cpu = Cpu::default();
    match kind {
        "c5" => cpu.machine("c5.xlarge", 3400.0, 4, 2, NodeKind::System, None),
        "m5" => cpu.machine("m5.large", 3100.0, 2, 1, NodeKind::Worker, None),
        "m3" => cpu.machine("m3.medium", 2500.0, 1, 1, NodeKind::Worker, None),
        other => panic!("no machine {other}"),
    }
}

fn state(nodes: &[(&str, u32, u32)]) -> State {
    let mut state = State::default();
    for &(kind, servers, clients) in nodes {
        let mut site = Site::new(machine(kind));
        site.servers = Pods::from([(SERVER, servers)]);
        site.clients = Pods::from([(BEST_EFFORT_POD, clients)]);
        if state.sites.is_empty() {
            site.proxies = Pods::from([(BEST_EFFORT_POD, 1)]);
        }
        state.sites.push(site);
    }
    state
}

fn config() -> Config {
    Config {
        clients: Some(Clients::default()),
        ..Config::default()
    }
}

#[test]
fn print_states() {
    let states: Vec<(f64, Vec<(&str, u32, u32)>)> = vec![
        (42.0, vec![("c5", 17, 20), ("c5", 17, 20)]),
        (49.16, vec![("c5", 17, 20), ("c5", 17, 20), ("m5", 8, 0)]),
        (
            57.1,
            vec![("c5", 17, 20), ("c5", 17, 20), ("m5", 8, 0), ("m5", 8, 0)],
        ),
        (
            61.4,
            vec![
                ("c5", 17, 20),
                ("c5", 17, 20),
                ("m5", 8, 0),
                ("m5", 8, 0),
                ("m3", 3, 0),
            ],
        ),
        (
            68.4,
            vec![
                ("c5", 17, 20),
                ("c5", 17, 20),
                ("m5", 8, 0),
                ("m5", 8, 0),
                ("m5", 8, 0),
                ("m3", 3, 0),
            ],
        ),
        (
            76.5,
            vec![
                ("c5", 17, 20),
                ("c5", 17, 20),
                ("m5", 8, 0),
                ("m5", 8, 0),
                ("m5", 8, 0),
                ("m5", 8, 0),
                ("m3", 3, 0),
            ],
        ),
        (
            83.2,
            vec![
                ("c5", 17, 20),
                ("c5", 17, 20),
                ("m5", 8, 0),
                ("m5", 8, 0),
                ("m5", 8, 0),
                ("m5", 8, 0),
                ("m5", 8, 0),
                ("m3", 3, 0),
            ],
        ),
        (8.0, vec![("c5", 4, 1), ("c5", 4, 0)]),
        (6.8, vec![("c5", 1, 1), ("c5", 0, 0)]),
        (
            7.88,
            vec![
                ("c5", 0, 1),
                ("c5", 0, 0),
                ("m5", 3, 0),
                ("m5", 2, 0),
                ("m3", 3, 0),
            ],
        ),
    ];
    for (measured, nodes) in states {
        let found = probe::run(
            &config(),
            &state(&nodes),
            7,
            Effort {
                draws: 10,
                settling: 10,
                seconds: 60,
            },
        );
        let q = |p| found.latency.quantile(p);
        println!(
            "{measured:6.2} {:7.2} ({:+.1} %)  mean {:.3} p50 {:.3} p95 {:.3}",
            found.throughput,
            (found.throughput / measured - 1.0) * 100.0,
            found.latency.mean(),
            q(0.5),
            q(0.95)
        );
    }
}

pub(super) fn random_state(stream: &mut Stream) -> State {
    let mut nodes: Vec<(&str, u32, u32)> = Vec::new();
    let clients: u32 = stream.random_range(1..=60);
    let on_first = match stream.random_range(0..4) {
        0 => clients,
        1 => 0,
        _ => clients / 2,
    };
    for clients in [on_first, clients - on_first] {
        nodes.push(("c5", stream.random_range(1..=17), clients));
    }
    for _ in 0..stream.random_range(0..=6) {
        nodes.push(("m5", stream.random_range(1..=8), 0));
    }
    for _ in 0..stream.random_range(0..=1) {
        nodes.push(("m3", stream.random_range(1..=3), 0));
    }
    state(&nodes)
}

#[test]
fn print_random_states() {
    let mut stream = Streams::new(11).stream("test/states", 0);
    let mut errors = Vec::new();
    for number in 0..200 {
        let state = random_state(&mut stream);
        let found = probe::run(
            &config(),
            &state,
            number,
            Effort {
                draws: 6,
                settling: 5,
                seconds: 20,
            },
        );
        let flow = super::super::flow::steady(&config(), &state);
        let error = (flow / found.throughput - 1.0) * 100.0;
        errors.push(error.abs());
        let spread = found
            .draws
            .iter()
            .map(|x| (x / found.throughput - 1.0).abs())
            .fold(0.0, f64::max)
            * 100.0;
        let shape: Vec<(u32, u32)> = state
            .sites
            .iter()
            .map(|s| (s.servers.values().sum(), s.clients.values().sum()))
            .collect();
        println!(
            "ROW {:7.2} {:7.2} {error:+6.1} spread {spread:4.1} {shape:?}",
            found.throughput, flow
        );
    }
    errors.sort_by(f64::total_cmp);
    println!(
        "mean {:.2} within3 {} worst {:.1}",
        errors.iter().sum::<f64>() / 200.0,
        errors.iter().filter(|e| **e <= 3.0).count(),
        errors[199]
    );
}

#[test]
#[ignore]
fn dump_states() {
    let mut stream = Streams::new(23).stream("test/dump", 0);
    let mut fixed: Vec<State> = Vec::new();
    for k in 0..=5u32 {
        for (m3, a, b) in [(0, 20, 20), (3, 20, 20), (3, 1, 0), (0, 0, 1), (3, 10, 10)] {
            let mut nodes = vec![("c5", 17, a), ("c5", 17, b)];
            (0..k).for_each(|_| nodes.push(("m5", 8, 0)));
            if m3 > 0 {
                nodes.push(("m3", m3, 0));
            }
            fixed.push(state(&nodes));
        }
    }
    for n in 1..=8u32 {
        fixed.push(state(&[("c5", n.div_ceil(2), 1), ("c5", n / 2, 0)]));
        fixed.push(state(&[
            ("c5", n.div_ceil(2), 0),
            ("c5", n / 2, 1),
            ("m5", 3, 0),
            ("m5", 2, 0),
            ("m3", 3, 0),
        ]));
    }
    fixed.push(state(&[
        ("c5", 0, 1),
        ("c5", 0, 0),
        ("m5", 3, 0),
        ("m5", 2, 0),
        ("m3", 3, 0),
    ]));
    for number in 0..1000u64 {
        let mut state = random_state(&mut stream);
        if let Some(run) = fixed.get(number as usize / 2).filter(|_| number % 2 == 0) {
            state = run.clone();
        }
        let mut config = config();
        let mut limit = Some(500);
        if number % 2 == 1 {
            let d = [0.02, 0.04, 0.064, 0.1, 0.2][stream.random_range(0..5)];
            config.service.cpu_per_request = crate::distribution::Distribution::Constant(d);
            limit = [None, Some(250), Some(500), Some(1000), Some(500)][stream.random_range(0..5)];
            config.cpu.smt_gain = [0.15, 0.25, 0.4][stream.random_range(0..3)];
            config.clients.as_mut().unwrap().client_cpu = [0.002, 0.0063, 0.015][stream.random_range(0..3)];
            for site in &mut state.sites {
                let n: u32 = site.servers.values().sum();
                site.servers = Pods::from([(
                    PodCpu {
                        request: MilliCpu(200),
                        limit: limit.map(MilliCpu),
                    },
                    n,
                )]);
            }
        }
        let found = probe::run(
            &config,
            &state,
            number,
            Effort {
                draws: 8,
                settling: 6,
                seconds: 20,
            },
        );
        let draws: Vec<String> = found.draws.iter().map(|x| format!("{x:.3}")).collect();
        let sites: Vec<String> = state
            .sites
            .iter()
            .map(|s| {
                let n = |p: &Pods| p.values().sum::<u32>();
                format!(
                    "[{},{},{},{},{},{},{}]",
                    s.machine.vcpus,
                    s.machine.cores,
                    s.machine.speed,
                    s.machine.system_cpu,
                    n(&s.servers),
                    n(&s.clients),
                    n(&s.proxies)
                )
            })
            .collect();
        println!(
            "DUMP {{\"x\":{:.4},\"draws\":[{}],\"mean\":{:.5},\"p95\":{:.5},\"D\":{},\"q\":{},\"h\":{},\"ac\":{},\"sites\":[{}]}}",
            found.throughput,
            draws.join(","),
            found.latency.mean(),
            found.latency.quantile(0.95),
            config.service.cpu_per_request.mean(),
            limit.map_or(9.0, |l| l as f64 / 10000.0),
            config.cpu.smt_gain,
            config.clients.as_ref().unwrap().client_cpu,
            sites.join(",")
        );
    }
}
