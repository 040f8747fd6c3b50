//! Load, Traefik and the service: how many requests a second a set of pods, nodes and clients completes.
//!
//! # What decides it
//!
//! In the measured run the CPU of two nodes, from beginning to end: clients, proxy, system pods and nearly
//! half the servers live there. New nodes help only because the proxy sends every pod the same share, which
//! takes work off those two. So the mechanisms kept are: CPU contention on a node, by cgroup weight; clients
//! and proxy that use CPU where they sit, mostly without a request; the even split, blind to nodes; second
//! threads worth a fraction of a core, and steady system load; and the CFS quota, without which one replica
//! would answer a third more than it did. GPU work is a time per model and a number of slots.
//!
//! Left out, as nothing shows it: network and memory bandwidth, worker limits of the web server (unless given
//! as `concurrency`), caches, connection reuse.
//!
//! # Two fidelities, one set of constants
//!
//! [`Fidelity::Requests`] makes every request an event. [`Fidelity::Flow`] solves for rates at each change
//! and integrates. Both have the same endpoints, throttled configurations, proxies and counters. The example
//! `fidelities` compares them on 200 random scenarios. Where a state has more than one stable form the two
//! can differ by several per cent, and so can two request-level runs; [`Traffic::unsettled`] says how much of
//! a run that was.
//!
//! # How it is driven
//!
//! Nothing else depends on a single request, only on counters, CPU seconds and totals read now and then. So
//! traffic has an agenda of its own and asks for no alarms: tell it of changes ([`Traffic::handle`], after
//! the watch delay for what the endpoints controller hears), read it at any time, in order of time.

pub mod arrivals;
pub mod config;
mod flow;
mod latency;
pub mod physics;
mod pool;
mod probe;
mod requests;
mod state;
pub mod traefik;

use std::sync::Arc;
use std::time::Duration;

use sim::{Instant, SortedMap, Streams};

pub use arrivals::{Arrivals, Process, Shape};
pub use config::{Clients, Config, Cpu, Gpu, GpuModel, Machine, Memory, NodeKind, PodCpu, Service, Traefik};
pub use probe::Probes;

use self::flow::Flow;
use self::requests::Requests;
use crate::id::{NodeId, PodId};

/// How finely traffic is simulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fidelity {
    /// Rates, solved at each change and constant in between.
    #[default]
    Flow,
    /// Every request is an event.
    Requests,
}

/// What a pod does in this part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Sends requests: a pod of the load generator.
    Client,
    /// Passes them on: a pod of Traefik.
    Proxy,
    /// Answers them: a pod of the service.
    Server,
}

/// What can happen to traffic from outside. Ids of pods that it was never told of are ignored.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Input {
    /// A node is there with this hardware.
    NodeUp {
        /// Which.
        node: NodeId,
        /// Its hardware.
        machine: Machine,
    },
    /// A node's machine has ended, and with it every container on it.
    NodeGone(NodeId),
    /// A pod's containers run: a client begins to send, a proxy's counters begin anew.
    PodRunning {
        /// Which.
        pod: PodId,
        /// What it does here.
        role: Role,
        /// Where.
        node: NodeId,
        /// What its manifest says of CPU.
        cpu: PodCpu,
    },
    /// The containers of a server run, but what runs in them listens only from then on: until then connections are
    /// refused, and requests end with 502.
    PodListens {
        /// Which.
        pod: PodId,
        /// From when on.
        from: Instant,
    },
    /// A server's or proxy's readiness, as the endpoints controller hears of it.
    PodReady {
        /// Which.
        pod: PodId,
        /// Whether it is Ready now.
        ready: bool,
    },
    /// A pod got its deletion timestamp, as the endpoints controller hears of it. It works on until it stops.
    PodDeleting(PodId),
    /// A pod's containers have ended. What they were doing is lost.
    PodStopped(PodId),
    /// Whether an Ingress or IngressRoute leads to a Service in front of the servers, as the proxies hear of it. At
    /// the start one does.
    Routed(bool),
}

/// One sample of an exposition.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The metric's name.
    pub name: &'static str,
    /// Its labels, sorted by name; from scrape to scrape the same in memory.
    pub labels: Arc<[(&'static str, String)]>,
    /// Its value.
    pub value: f64,
}

/// Totals and the present state.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Stats {
    /// Client pods that are sending.
    pub clients: u32,
    /// Requests that clients and senders have sent so far.
    pub sent: f64,
    /// Requests answered 200 so far.
    pub served: f64,
    /// Requests that ended in any other way so far.
    pub failed: f64,
    /// Requests that have not ended.
    pub in_flight: f64,
}

/// Load, Traefik and service of one run.
#[derive(Debug, Clone)]
pub struct Traffic {
    engine: Engine,
    /// Nothing is left to be done up to this time.
    done: Option<Instant>,
}

#[derive(Debug, Clone)]
enum Engine {
    Flow(Box<Flow>),
    Requests(Box<Requests>),
}

impl Traffic {
    /// Nothing runs yet. What probes have found is found for all who share them; it is the same for all.
    #[must_use]
    pub fn new(config: Config, fidelity: Fidelity, streams: Streams, probes: &Probes) -> Self {
        let engine = match fidelity {
            Fidelity::Flow => Engine::Flow(Box::new(Flow::new(config, streams, probes))),
            Fidelity::Requests => Engine::Requests(Box::new(Requests::new(config, streams))),
        };
        Traffic { engine, done: None }
    }

    /// The same; where nobody will ask for [`Traffic::cpu_seconds`] they need not be kept up, and nothing else differs.
    #[must_use]
    pub fn counting_cpu(mut self, counts: bool) -> Self {
        if let Engine::Flow(engine) = &mut self.engine {
            engine.count_cpu(counts);
        }
        self
    }

    /// Hears one change at `now`. Goes on to `now` first.
    pub fn handle(&mut self, now: Instant, input: Input) {
        self.advance(now);
        self.done = None;
        match &mut self.engine {
            Engine::Flow(engine) => match input {
                Input::NodeUp { node, machine } => engine.node_up(node, machine),
                Input::NodeGone(node) => engine.node_gone(node),
                Input::PodRunning { pod, role, node, cpu } => engine.pod_running(pod, role, node, cpu),
                Input::PodListens { pod, from } => engine.pod_listens(pod, from),
                Input::PodReady { pod, ready } => engine.pod_ready(pod, ready),
                Input::PodDeleting(pod) => engine.pod_deleting(pod),
                Input::PodStopped(pod) => engine.pod_stopped(pod),
                Input::Routed(routed) => engine.routed(routed),
            },
            Engine::Requests(engine) => match input {
                Input::NodeUp { node, machine } => engine.node_up(node, machine),
                Input::NodeGone(node) => engine.node_gone(node),
                Input::PodRunning { pod, role, node, cpu } => engine.pod_running(pod, role, node, cpu, None),
                Input::PodListens { pod, from } => engine.pod_listens(pod, from),
                Input::PodReady { pod, ready } => engine.pod_ready(pod, ready),
                Input::PodDeleting(pod) => engine.pod_deleting(pod),
                Input::PodStopped(pod) => engine.pod_stopped(pod),
                Input::Routed(routed) => engine.routed(routed),
            },
        }
    }

    /// Goes on to `now`. Everything that reads does so by itself.
    pub fn advance(&mut self, now: Instant) {
        if self.done == Some(now) {
            return;
        }
        self.done = Some(now);
        match &mut self.engine {
            Engine::Flow(engine) => engine.advance(now),
            Engine::Requests(engine) => engine.advance(now),
        }
    }

    /// What a proxy pod answers to a scrape at `now`; empty if its container does not run.
    pub fn exposition(&mut self, now: Instant, proxy: PodId) -> Vec<Sample> {
        self.advance(now);
        match &mut self.engine {
            Engine::Flow(engine) => engine.exposition(proxy),
            Engine::Requests(engine) => engine.exposition(proxy),
        }
    }

    /// The CPU seconds that a pod of this part has used by `now`; zero for any other pod.
    pub fn cpu_seconds(&mut self, now: Instant, pod: PodId) -> f64 {
        self.advance(now);
        match &mut self.engine {
            Engine::Flow(engine) => engine.cpu_seconds(pod),
            Engine::Requests(engine) => engine.cpu_seconds(pod),
        }
    }

    /// Requests that each pod of the service works on or has in line at `now`. In flow a pod has its share of
    /// what clients have with all of them, and its own line.
    pub fn held(&mut self, now: Instant) -> SortedMap<PodId, f64> {
        self.advance(now);
        match &self.engine {
            Engine::Flow(engine) => engine.held(),
            Engine::Requests(engine) => engine.held(),
        }
    }

    /// Totals and the state at `now`.
    pub fn stats(&mut self, now: Instant) -> Stats {
        self.advance(now);
        match &self.engine {
            Engine::Flow(engine) => engine.stats(),
            Engine::Requests(engine) => engine.stats(),
        }
    }

    /// Percentiles (0–1) of the response times of requests answered between two instants, rounded to
    /// [`LATENCY_INTERVAL`]s: seconds, NaN if there were none. In flow this runs probes: ask at the end.
    pub fn latency(&mut self, from: Instant, to: Instant, percentiles: &[f64]) -> Vec<f64> {
        let histogram = match &mut self.engine {
            Engine::Flow(engine) => engine.latencies(from.as_secs_f64(), to.as_secs_f64()),
            Engine::Requests(engine) => {
                let interval =
                    |instant: Instant| (instant.as_nanos() / LATENCY_INTERVAL.as_nanos() as u64) as usize;
                engine.latencies(interval(from)..interval(to).max(interval(from) + 1))
            }
        };
        percentiles
            .iter()
            .map(|&share| histogram.quantile(share))
            .collect()
    }

    /// The share of the time between two instants spent in states that have more than one stable form, or
    /// whose throughput the order of the round robin decides: a request-level run of such a state may settle
    /// several per cent beside the flow's one answer, or with lines that never end. Runs probes as
    /// [`Traffic::latency`] does; zero in `requests`.
    pub fn unsettled(&mut self, from: Instant, to: Instant) -> f64 {
        match &mut self.engine {
            Engine::Flow(engine) => engine.unsettled(from.as_secs_f64(), to.as_secs_f64()),
            Engine::Requests(_) => 0.0,
        }
    }
}

/// The grain of [`Traffic::latency`].
pub const LATENCY_INTERVAL: Duration = Duration::from_secs(15);

#[cfg(test)]
mod tests;
