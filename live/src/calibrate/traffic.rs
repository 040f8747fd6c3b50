//! CPU for each request, of the service and of its clients, from plateaus of the request rate.
//!
//! A plateau is a stretch in which no pod of the load, the proxy or the service came, went or changed its readiness,
//! longer than the window of the rate. The model's own traffic is run in that state; the two constants are those
//! for which all plateaus together fit best (least squares of the logarithm). The interval is a bootstrap over
//! plateaus, to first order, or Student's if that is wider: a run has few plateaus, and of few a bootstrap alone promises
//! too much.

use std::time::Duration;

use model::catalog;
use model::distribution::Distribution;
use model::id::{NodeId, PodId};
use model::scenario::{ObjectName, Objects, Scenario};
use model::traffic::{self, Fidelity, Input, NodeKind, PodCpu, Role, Traffic};
use sim::{Instant, SortedMap, Streams};

use super::{Calibration, Fit, Interval, Resampling, short};
use crate::heard::Heard;
use crate::objects::read::Templates;
use crate::recording::{Entry, Object, Recording};

const FIELDS: [&str; 2] = ["service.cpu_per_request", "load.clients.cpu_per_request"];

pub(super) fn fit(
    recording: &Recording,
    scenario: &Scenario,
    resampling: &Resampling,
    into: &mut Calibration,
) {
    let why = |into: &mut Calibration, text: &str| FIELDS.iter().for_each(|field| into.leave(field, text));
    for (field, text) in [
        (
            "cpu.smt_gain, cpu.system_cpu",
            "the two are a pair: other pairs fit the same rates, with other CPU per request",
        ),
        ("proxy.cpu_per_request", "only its sum with the clients' shows"),
        (
            "load.clients.cycle_delay",
            "it shows at few clients only, and there together with the quota's phases",
        ),
    ] {
        into.leave(field, text);
    }
    let Some(clients) = scenario
        .traffic
        .clients
        .as_ref()
        .filter(|_| scenario.roles.client.is_some())
    else {
        return why(
            into,
            "without closed-loop clients the rate is the load's, whatever a request costs",
        );
    };
    let plateaus = plateaus(recording, scenario);
    if plateaus.len() < 3 {
        let text = format!(
            "{} plateaus of the request rate are longer than its window; three are needed",
            plateaus.len()
        );
        return why(into, &text);
    }
    let before = [
        scenario.traffic.service.cpu_per_request.mean(),
        clients.client_cpu,
    ];
    let Some(found) = least_squares(scenario, &plateaus, before) else {
        return why(
            into,
            "the plateaus do not tell the service's share from the clients'",
        );
    };
    for (n, field) in FIELDS.into_iter().enumerate() {
        let interval = resampling.interval(field, plateaus.len(), |drawn| {
            found.step(drawn).map(|step| (found.logs[n] + step[n]).exp())
        });
        let Some(interval) = interval else {
            into.leave(
                field,
                "the plateaus do not fix it: without one or two of them it is anything",
            );
            continue;
        };
        let estimate = found.logs[n].exp();
        let reach = student(plateaus.len() - 2) * found.errors[n];
        into.take(Fit {
            field: field.to_owned(),
            toml: short(estimate),
            of: "core-seconds",
            estimate,
            interval: Interval {
                low: interval.low.min(estimate * (-reach).exp()),
                high: interval.high.max(estimate * reach.exp()),
            },
            before: before[n],
            observations: plateaus.len(),
        });
    }
}

/// A pod of the traffic.
#[derive(Debug, Clone, PartialEq)]
struct Member {
    role: Role,
    node: String,
    ready: bool,
    cpu: PodCpu,
}

/// A machine: its type, and whether Karpenter made it.
type Machine = (String, bool);

/// What the rate depends on.
#[derive(Debug, Clone, PartialEq, Default)]
struct State {
    pods: SortedMap<String, Member>,
    nodes: SortedMap<String, Machine>,
}

struct Plateau {
    state: State,
    rate: f64,
}

fn plateaus(recording: &Recording, scenario: &Scenario) -> Vec<Plateau> {
    let window = window(&scenario.dashboard.rps);
    let mut heard = Heard::default();
    let mut templates = Templates::default();
    let mut now = State::default();
    let mut since = 0.0;
    let mut found = Vec::new();
    let mut rates: Vec<(f64, f64)> = Vec::new();
    let mut close = |state: &State, since: f64, until: f64, rates: &[(f64, f64)]| {
        // Readings whose whole window lies in the plateau, and the scrape before it.
        let settled = |reading: &&(f64, f64)| reading.0 >= since + window + SETTLED && reading.0 < until;
        let readings: Vec<f64> = rates.iter().filter(settled).map(|reading| reading.1).collect();
        if !readings.is_empty() && !state.pods.is_empty() {
            let rate = readings.iter().sum::<f64>() / readings.len() as f64;
            if rate > 0.0 {
                found.push(Plateau {
                    state: state.clone(),
                    rate,
                });
            }
        }
    };
    for line in &recording.lines {
        match &line.entry {
            Entry::Object(object) => {
                heard.apply(object);
                if matches!(object.kind.as_str(), "Pod" | "Node") {
                    let state = state(&heard, scenario, &mut templates);
                    if state != now {
                        close(&now, since, line.t, &rates);
                        (now, since) = (state, line.t);
                        rates.clear();
                    }
                }
            }
            Entry::Sample(sample) if sample.name == "seen.rps" => {
                let points = sample.series.iter().flat_map(|series| &series.points);
                rates.extend(points.filter_map(|(at, value)| Some((*at, (*value)?))));
            }
            _ => {}
        }
    }
    close(&now, since, recording.end(), &rates);
    found
}

/// The 97.5th percentile of Student's distribution.
fn student(freedom: usize) -> f64 {
    const FEW: [f64; 15] = [
        12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145,
        2.131,
    ];
    FEW.get(freedom.saturating_sub(1)).copied().unwrap_or(2.1)
}

/// What a scrape may be late, seconds.
const SETTLED: f64 = 75.0;

/// The window of the dashboard's rate, seconds; two minutes if it is not to be seen.
fn window(query: &str) -> f64 {
    let inside = query
        .split('[')
        .nth(1)
        .and_then(|rest| rest.split([']', ':']).next());
    let window = inside.and_then(model::document::go_duration);
    window.map_or(120.0, |window| window.as_secs_f64())
}

fn state(heard: &Heard<'_>, scenario: &Scenario, templates: &mut Templates) -> State {
    let roles = &scenario.roles;
    let mut state = State::default();
    for pod in heard.kind("Pod") {
        let is = |name: &ObjectName| pod.namespace == name.namespace && pod.deployment() == Some(&name.name);
        let role = match () {
            () if is(&roles.server) => Role::Server,
            () if is(&roles.proxy) => Role::Proxy,
            () if roles.client.as_ref().is_some_and(is) => Role::Client,
            () => continue,
        };
        if pod.text("/status/phase") != "Running" {
            continue;
        }
        state
            .pods
            .insert(pod.uid.clone(), member(pod, role, &scenario.objects, templates));
    }
    for node in heard.kind("Node") {
        let instance_type = node
            .label("node.kubernetes.io/instance-type")
            .unwrap_or("")
            .to_owned();
        let of_karpenter = node.label("karpenter.sh/nodepool").is_some();
        if state.pods.values().any(|pod| pod.node == node.name) {
            state
                .nodes
                .insert(node.name.clone(), (instance_type, of_karpenter));
        }
    }
    state
}

fn member(pod: &Object, role: Role, before: &Objects, templates: &mut Templates) -> Member {
    let template = templates.of(pod, before);
    Member {
        role,
        node: pod.text("/spec/nodeName").to_owned(),
        ready: pod.is("Ready") && !pod.is_deleting(),
        cpu: PodCpu {
            request: template.spec.requests().cpu,
            limit: template.spec.cpu_limit(),
        },
    }
}

/// The rate that the model has in a state, with other constants.
fn rate(scenario: &Scenario, state: &State, logs: [f64; 2]) -> f64 {
    let mut config: traffic::Config = scenario.traffic.clone();
    config.service.cpu_per_request = Distribution::Constant(logs[0].exp());
    if let Some(clients) = &mut config.clients {
        clients.client_cpu = logs[1].exp();
    }
    let cpu = config.cpu.clone();
    let mut traffic = Traffic::new(config, Fidelity::Flow, Streams::new(0), &scenario.shared.probes);
    let mut nodes: SortedMap<&str, NodeId> = SortedMap::new();
    for (n, (name, (instance_type, of_karpenter))) in state.nodes.iter().enumerate() {
        let Some(spec) = catalog::find(instance_type) else {
            continue;
        };
        let kind = if *of_karpenter {
            NodeKind::Worker
        } else {
            NodeKind::System
        };
        let machine = cpu.machine_of(spec, kind, None);
        let node = NodeId(n as u32);
        nodes.insert(name, node);
        traffic.handle(Instant::ZERO, Input::NodeUp { node, machine });
    }
    for (n, own) in state.pods.values().enumerate() {
        let Some(&node) = nodes.get(own.node.as_str()) else {
            continue;
        };
        let pod = PodId(n as u32);
        traffic.handle(
            Instant::ZERO,
            Input::PodRunning {
                pod,
                role: own.role,
                node,
                cpu: own.cpu,
            },
        );
        if own.ready {
            traffic.handle(Instant::ZERO, Input::PodReady { pod, ready: true });
        }
    }
    let at = |seconds| Instant::ZERO + Duration::from_secs(seconds);
    let before = traffic.stats(at(60)).served;
    (traffic.stats(at(120)).served - before) / 60.0
}

/// The constants that fit best, and what is left over.
struct Found {
    logs: [f64; 2],
    /// How each plateau's logarithm moves with each constant's.
    slopes: Vec<[f64; 2]>,
    residuals: Vec<f64>,
    /// Standard errors of the logarithms.
    errors: [f64; 2],
}

impl Found {
    /// One Gauss–Newton step on some of the plateaus.
    fn step(&self, drawn: &[usize]) -> Option<[f64; 2]> {
        let slopes: Vec<[f64; 2]> = drawn.iter().map(|&n| self.slopes[n]).collect();
        let residuals: Vec<f64> = drawn.iter().map(|&n| self.residuals[n]).collect();
        solve(&slopes, &residuals)
    }
}

/// Two constants are told apart if their effects are not parallel: the cosine between them is less than this.
const PARALLEL: f64 = 0.9995;

/// The normal matrix of two unknowns: of its four elements two are the same.
fn normal(slopes: &[[f64; 2]]) -> (f64, f64, f64) {
    let sum = |of: &dyn Fn(&[f64; 2]) -> f64| slopes.iter().map(of).sum::<f64>();
    (
        sum(&|s| s[0] * s[0]),
        sum(&|s| s[0] * s[1]),
        sum(&|s| s[1] * s[1]),
    )
}

/// The least squares of two unknowns.
fn solve(slopes: &[[f64; 2]], residuals: &[f64]) -> Option<[f64; 2]> {
    let (a, b, c) = normal(slopes);
    let [x, y] = [0, 1].map(|m| slopes.iter().zip(residuals).map(|(s, r)| s[m] * r).sum::<f64>());
    let apart = b * b < PARALLEL * PARALLEL * a * c;
    let determinant = a * c - b * b;
    apart.then(|| [(c * x - b * y) / determinant, (a * y - b * x) / determinant])
}

fn least_squares(scenario: &Scenario, plateaus: &[Plateau], start: [f64; 2]) -> Option<Found> {
    const DIFFERENCE: f64 = 0.02;
    let rates = |logs: [f64; 2]| -> Vec<f64> {
        plateaus
            .iter()
            .map(|own| rate(scenario, &own.state, logs).max(1e-9).ln())
            .collect()
    };
    let mut logs = start.map(|own| own.max(1e-6).ln());
    let mut found: Option<Found> = None;
    for _ in 0..12 {
        let at = rates(logs);
        let moved = [0, 1].map(|n| {
            let mut moved = logs;
            moved[n] += DIFFERENCE;
            rates(moved)
        });
        let slopes: Vec<[f64; 2]> = (0..at.len())
            .map(|n| [0, 1].map(|m| (moved[m][n] - at[n]) / DIFFERENCE))
            .collect();
        let residuals: Vec<f64> = plateaus
            .iter()
            .zip(&at)
            .map(|(own, at)| own.rate.ln() - at)
            .collect();
        let step = solve(&slopes, &residuals)?;
        let squares = residuals.iter().map(|own| own * own).sum::<f64>();
        let spread = (squares / plateaus.len().saturating_sub(2).max(1) as f64).sqrt();
        let errors = errors(&slopes, spread);
        found = Some(Found {
            logs,
            slopes,
            residuals,
            errors,
        });
        if step.iter().all(|step| step.abs() < 1e-4) {
            break;
        }
        // The rate is no straight line of the constants: no step is longer than a third.
        logs = [0, 1].map(|n| logs[n] + step[n].clamp(-0.3, 0.3));
    }
    found
}

/// Standard errors of a fit.
fn errors(slopes: &[[f64; 2]], spread: f64) -> [f64; 2] {
    let (a, b, c) = normal(slopes);
    let determinant = a * c - b * b;
    [
        (c / determinant).sqrt() * spread,
        (a / determinant).sqrt() * spread,
    ]
}
