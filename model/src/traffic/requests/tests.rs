//! Steady states against what was measured, and the flow form against requests.

use super::super::config::{Clients, Config, Machine, NodeKind};
use super::super::flow;
use super::super::probe::{self, Effort, Finding};
use super::super::state::{Pods, Site, State};
use super::super::tests::measured;
use super::*;
use crate::quantity::MilliCpu;

const SERVER: PodCpu = PodCpu {
    request: MilliCpu(200),
    limit: Some(MilliCpu(500)),
};
const NO_REQUEST: PodCpu = PodCpu {
    request: MilliCpu(0),
    limit: None,
};

fn machine(kind: &str) -> Machine {
    let cpu = measured();
    match kind {
        "c5" => cpu.machine("c5.xlarge", 3400.0, 4, 2, NodeKind::System, None),
        "m5" => cpu.machine("m5.large", 3100.0, 2, 1, NodeKind::Worker, None),
        "m3" => cpu.machine("m3.medium", 2500.0, 1, 1, NodeKind::Worker, None),
        other => panic!("no machine {other}"),
    }
}

/// Nodes with servers and clients; the proxy is on the first.
fn state(nodes: &[(&str, u32, u32)]) -> State {
    let mut state = State::default();
    for &(kind, servers, clients) in nodes {
        let mut site = Site::new(machine(kind));
        site.servers = Pods::from([(SERVER, servers)]);
        site.clients = Pods::from([(NO_REQUEST, clients)]);
        if state.sites.is_empty() {
            site.proxies = Pods::from([(NO_REQUEST, 1)]);
        }
        state.sites.push(site);
    }
    state
}

fn config() -> Config {
    Config {
        clients: Some(Clients::default()),
        cpu: measured(),
        ..Config::default()
    }
}

fn look(state: &State) -> Finding {
    probe::run(
        &config(),
        state,
        7,
        Effort {
            draws: 6,
            starting: 1.0,
            settling: 5.0,
            seconds: 20.0,
            crowded: 0.0,
            alone: 0,
            below: 0.0,
        },
    )
}

/// The measured plateaus of 40 clients: requests a second, m5.large nodes, m3.medium nodes.
const PLATEAUS: [(f64, usize, usize); 7] = [
    (42.0, 0, 0),
    (49.16, 1, 0),
    (57.1, 2, 0),
    (61.4, 2, 1),
    (68.4, 3, 1),
    (76.5, 4, 1),
    (83.23, 5, 1),
];

fn plateau(m5: usize, m3: usize) -> State {
    let mut nodes = vec![("c5", 17, 20); 2];
    nodes.extend(vec![("m5", 8, 0); m5]);
    nodes.extend(vec![("m3", 3, 0); m3]);
    state(&nodes)
}

#[test]
fn forty_clients_make_the_measured_rates() {
    for (name, tolerance, rate) in [
        (
            "requests",
            3.0,
            &(|state: &State| look(state).throughput) as &dyn Fn(&State) -> f64,
        ),
        ("flow", 3.0, &|state: &State| flow::steady(&config(), state)),
    ] {
        let error = |&(measured, m5, m3): &(f64, usize, usize)| {
            let rate = rate(&plateau(m5, m3));
            let error = (rate / measured - 1.0) * 100.0;
            println!("{name}: {rate:.2} for {measured} ({error:+.1} %)");
            error.abs()
        };
        let mean = PLATEAUS.iter().map(error).sum::<f64>() / 7.0;
        assert!(
            mean <= tolerance,
            "{name} is {mean:.2} % off the measured plateaus"
        );
    }
}

#[test]
fn one_client_makes_the_measured_rates() {
    let eight = state(&[("c5", 4, 1), ("c5", 4, 0)]);
    let one = state(&[("c5", 1, 1), ("c5", 0, 0)]);
    for (state, measured) in [(eight, 8.0), (one, 6.8)] {
        let rates = [look(&state).throughput, flow::steady(&config(), &state)];
        for rate in rates {
            assert!((rate / measured - 1.0_f64).abs() < 0.05, "{rate} for {measured}");
        }
    }
}

#[test]
fn without_a_quota_one_replica_is_far_too_fast() {
    let mut free = state(&[("c5", 0, 1), ("c5", 0, 0)]);
    free.sites[0].servers = Pods::from([(
        PodCpu {
            limit: None,
            ..SERVER
        },
        1,
    )]);
    assert!(look(&free).throughput > 8.5);
}

fn random_state(stream: &mut Stream) -> State {
    let clients: u32 = stream.random_range(1..=60);
    let on_first = match stream.random_range(0..4) {
        0 => clients,
        1 => 0,
        _ => clients / 2,
    };
    let mut nodes: Vec<(&str, u32, u32)> = Vec::new();
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

/// A sample of what `examples/fidelities.rs` prints in full. The closed form's constants were fitted to
/// states drawn from another stream.
#[test]
fn flow_agrees_with_requests() {
    let mut stream = Streams::new(11).stream("test/states", 0);
    let mut errors = Vec::new();
    for seed in 0..40 {
        let state = random_state(&mut stream);
        let found = probe::run(
            &config(),
            &state,
            seed,
            Effort {
                draws: 3,
                starting: 1.0,
                settling: 4.0,
                seconds: 10.0,
                crowded: 0.0,
                alone: 0,
                below: 0.0,
            },
        );
        errors.push((flow::steady(&config(), &state) / found.throughput - 1.0).abs() * 100.0);
    }
    let mean = errors.iter().sum::<f64>() / errors.len() as f64;
    let within = errors.iter().filter(|&&error| error <= 3.0).count() as f64 / errors.len() as f64;
    assert!(
        mean <= 2.0 && within >= 0.8,
        "mean {mean:.2} %, {:.0} % within 3 %",
        within * 100.0
    );
}

#[test]
fn where_everything_is_starved_but_servers_the_rest_still_moves() {
    // Enough unlimited servers to keep one node busy for ever, with clients and proxy beside them.
    let mut full = state(&[("m3", 0, 8)]);
    full.sites[0].servers = Pods::from([(
        PodCpu {
            limit: None,
            ..SERVER
        },
        8,
    )]);
    let rate = look(&full).throughput;
    let most = physics::capacity(&machine("m3"), 0.25) / (0.064 + 0.0063 + 0.001);
    assert!((0.9 * most..=1.005 * most).contains(&rate), "{rate} of {most}");
}
