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
