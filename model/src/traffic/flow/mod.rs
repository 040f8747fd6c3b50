//! Traffic as rates: solved at each change, constant in between.
//!
//! Closed-loop clients make the rate that [`plant::Plant`] solves for; counters grow linearly with it.
//! Of requests from outside as many come in a piece of some seconds as do request by request; what a server cannot
//! answer waits there, pod by pod, since round robin sends every pod its share whatever it has before it. Both kinds meet in the same formulas.
//! Requests to pods that have gone take their client out of the loop for as long as they hang.
//!
//! What a request-level run shows and this does not: the noise of single requests and of the order of the
//! round robin; of two stable states it takes one. Response times come from probes, and those of
//! requests that waited in line from the lines.

mod changes;
mod hanging;
mod left_behind;
mod line;
mod open;
mod patience;
mod plant;
mod reads;
mod root;
mod solutions;
mod solve;
mod tails;
mod waiting;

use std::sync::Arc;
use std::time::Duration;

use sim::{Instant, SortedMap, Streams};

use self::left_behind::LeftBehind;
use self::line::{Line, Order};
use self::open::Server;
use self::patience::Patience;
pub(super) use self::plant::{Plant, Solution};
pub(super) use self::solutions::Solutions;
pub(super) use self::tails::may_time_out;
use super::arrivals::Source;
use super::config::{Config, Machine, PodCpu};
use super::latency::Histogram;
use super::pool::{Pool, Proxy};
use super::probe::{Aspect, Finding, Findings, Probes};
use super::state::{Site, State};
use super::traefik::{self, Code};
use super::{LATENCY_INTERVAL, Role, Stats};
use crate::distribution::Distribution;
use crate::id::{NodeId, PodId};

/// While requests hang or wait, rates move: the longest step then, seconds.
const STEP: f64 = 0.5;
/// A moving rate of evenly spaced arrivals is taken as constant for so long at most, seconds.
const GRAIN: f64 = 60.0;
/// A state that passes sooner is not probed for its rates.
const BRIEF: Duration = Duration::from_secs(1);
/// How finely hanging times are told apart.
const LUMPS: usize = 5;

/// A pod whose containers run.
#[derive(Debug, Clone)]
struct Pod {
    role: Role,
    node: NodeId,
    cpu: PodCpu,
    /// vCPU-seconds up to `Flow::since`.
    used: f64,
    /// vCPU at present.
    rate: f64,
    /// Its node's place among the state's sites, if it counts there.
    place: Option<usize>,
    /// It listens from then on.
    listens: Instant,
}

/// A pod whose containers have ended.
#[derive(Debug, Clone, Copy)]
struct Ended {
    role: Role,
    /// vCPU-seconds.
    used: f64,
}

/// Requests that hang, and end together.
#[derive(Debug, Clone, Copy)]
struct Lump {
    end: Instant,
    code: Code,
    requests: f64,
    /// They keep clients waiting.
    closed: bool,
    /// When they were sent.
    sent: Instant,
}

/// Requests that were served in one state.
#[derive(Debug, Clone)]
struct Stretch {
    from: f64,
    to: f64,
    state: Arc<State>,
    /// Which building of the state it was.
    building: u64,
    /// Those that the state made wait, and no line.
    served: f64,
    /// The response times of the others.
    late: Histogram,
    /// What the state makes them wait in closed form.
    mark: Mark,
    /// What a probe of such a state found, and how many times as long this one's response times are.
    times: Option<(Arc<Finding>, f64)>,
}

/// What tells how response times of a state are spread, in closed form.
#[derive(Debug, Clone, Copy, Default)]
struct Mark {
    /// Mean response time and its unevenness, seconds.
    response: f64,
    uneven: f64,
    /// The share of what can be served that arrivals from outside leave over.
    slack: f64,
    /// Throughput is one of two that both persist.
    two_stable: bool,
    /// All that clients wait for stands before one pod.
    convoy: bool,
}

/// A line before one pod that holds all clients up.
#[derive(Debug, Clone, Copy)]
struct Convoy {
    /// Requests a second that each pod gets meanwhile.
    pace: f64,
    /// What tells the pod from others.
    kind: (Machine, PodCpu),
}

/// What happens at present.
#[derive(Debug, Clone, Default)]
struct Present {
    solution: Solution,
    mark: Mark,
    /// Closed-loop requests served and failed a second.
    served: f64,
    failed: f64,
    failure: Code,
    /// A failure shows at the service.
    at_server: bool,
    /// What all servers use for clients, vCPU, where a probe has found it.
    server_cpu: Option<f64>,
    /// Clients' requests under way at a time, where a probe has found that some fail.
    under_way: Option<f64>,
    /// Clients' requests a second that come to pods which cannot answer them in time.
    stuck: f64,
    convoy: Option<Convoy>,
    /// Since when such a line may be forming.
    convoys_since: Option<Instant>,
    /// Requests a second that a loop sends, for hanging.
    sends: f64,
    /// Share of the configured servers that have gone, and of those that do not listen yet.
    vanished: f64,
    deaf: f64,
    /// Of requests from outside that wait in no line, the shares whose senders leave before the answer, by level of
    /// patience.
    left: Arc<[f64]>,
    /// The share that is answered too late for the way back.
    unheard: f64,
    /// As many come from outside as can be answered only as long as no lines form, and they do form.
    congests: bool,
}

/// The throughput of a state's clients, in closed form.
#[cfg(test)]
pub(super) fn steady(config: &Config, state: &State) -> f64 {
    Plant::new(config, state).solve(1.0, state.arrivals).rate
}

/// The flow engine.
#[derive(Debug, Clone)]
pub(super) struct Flow {
    config: Config,
    pool: Pool,
    now: Instant,
    nodes: SortedMap<NodeId, Machine>,
    pods: SortedMap<PodId, Pod>,
    ended: SortedMap<PodId, Ended>,
    sources: Vec<Source>,
    /// Requests a second from outside: those to be expected, those that come, and until when.
    arrivals: f64,
    coming: f64,
    arrivals_until: f64,
    patience: Arc<Patience>,
    state: Arc<State>,
    /// How many times the state was built, or would have been had it not come to the same.
    building: u64,
    plant: Plant,
    /// The nodes of the state's sites.
    site_nodes: Vec<NodeId>,
    /// Pods or configuration changed: build the state anew.
    stale_state: bool,
    /// Rates changed: solve anew.
    stale_rates: bool,
    /// When another server begins to listen.
    listens_next: Instant,
    /// When the state has lasted for long enough to be probed, if it has to be.
    probe_at: Instant,
    present: Present,
    /// Since when the state has been what it is.
    state_since: Instant,
    /// The shares of requests within each bound of the proxies' histograms, and of which building of the state they are.
    counted: Option<(u64, Vec<f64>)>,
    /// Somebody will ask for CPU use.
    counts_cpu: bool,
    /// Since when the pods' CPU rates hold.
    since: Instant,
    /// Requests of clients with proxies and servers.
    flying: f64,
    /// The service's pods with their requests from outside, node by node.
    servers: Vec<Server>,
    /// The works of requests over their mean, each as likely as the next.
    sizes: Vec<f64>,
    /// Requests from outside that no proxy gets to.
    jam: Line,
    hanging: Vec<Lump>,
    left_behind: LeftBehind,
    /// The middle of each fifth of the hanging times.
    hang_times: [f64; LUMPS],
    stats: Stats,
    stretches: Vec<Stretch>,
    /// Of so many the response times are known.
    timed: usize,
    probes: Findings,
    /// What probes found of response times beyond somebody's patience.
    tails: Vec<tails::Known>,
}

/// Seconds until the proxy gives up.
fn patience_of_proxy(config: &Config) -> f64 {
    let timeout = config.service.request_timeout;
    timeout.map_or(f64::INFINITY, |timeout| timeout.as_secs_f64())
}

/// So many draws of a distribution, the least first.
fn drawn(of: &Distribution, purpose: &'static str, count: usize) -> Vec<f64> {
    let mut draws = Streams::new(0).stream(purpose, 0);
    let mut drawn: Vec<f64> = (0..count).map(|_| of.sample(&mut draws)).collect();
    drawn.sort_unstable_by(f64::total_cmp);
    drawn
}

impl Flow {
    pub(super) fn new(config: Config, streams: Streams, probes: &Probes) -> Self {
        let sources = Source::all(&config.arrivals, streams);
        let state = State::default();
        let drawn = drawn(&config.traefik.vanished, "traffic/hang-quantiles", 50 * LUMPS);
        Flow {
            patience: Arc::new(Patience::of(&sources, patience_of_proxy(&config))),
            pool: Pool::new(&config.traefik, streams),
            now: Instant::ZERO,
            nodes: SortedMap::new(),
            pods: SortedMap::new(),
            ended: SortedMap::new(),
            arrivals: 0.0,
            coming: 0.0,
            arrivals_until: if sources.is_empty() { f64::INFINITY } else { 0.0 },
            sources,
            plant: Plant::new(&config, &state),
            state: Arc::new(state),
            building: 0,
            site_nodes: Vec::new(),
            stale_state: true,
            stale_rates: true,
            listens_next: Instant::MAX,
            probe_at: Instant::MAX,
            present: Present::default(),
            state_since: Instant::ZERO,
            counted: None,
            counts_cpu: true,
            since: Instant::ZERO,
            flying: 0.0,
            servers: Vec::new(),
            sizes: open::sizes(&config),
            jam: Line::new(Order::Together(f64::INFINITY), &[1.0]),
            hanging: Vec::new(),
            left_behind: LeftBehind::default(),
            hang_times: std::array::from_fn(|i| drawn[50 * i + 25]),
            stats: Stats::default(),
            stretches: Vec::new(),
            timed: 0,
            probes: probes.of(&config),
            tails: Vec::new(),
            config,
        }
    }

    /// Whether somebody will ask for CPU use.
    pub(super) fn count_cpu(&mut self, counts: bool) {
        self.counts_cpu = counts;
    }

    pub(super) fn advance(&mut self, to: Instant) {
        while self.now < to || self.pool.next_due() <= self.now {
            self.prepare();
            let mut next = to.min(self.pool.next_due());
            next = self.hanging.iter().map(|lump| lump.end).fold(next, Instant::min);
            next = next
                .min(at(self.arrivals_until))
                .min(self.listens_next)
                .min(self.probe_at);
            if self.moving() {
                next = next.min(self.now + Duration::from_secs_f64(STEP));
            }
            let next = next.max(self.now);
            self.flow(next);
            if self.pool.next_due() <= next && self.pool.step(next) {
                self.stale_state = true;
            }
            self.end_hanging();
        }
    }

    /// Whether rates change by themselves.
    fn moving(&self) -> bool {
        let hangs = self.present.vanished > 0.0 && (self.plant.loops > 0.0 || self.arrivals > 0.0);
        hangs || self.queues()
    }

    /// Brings the state and its rates up to date.
    fn prepare(&mut self) {
        let now = self.now.as_secs_f64();
        // Within the rounding of an instant: a corner must never be waited for again.
        if now + 1e-9 >= self.arrivals_until {
            let now = now.max(self.arrivals_until);
            let expected = self.arrivals;
            (self.arrivals, self.coming, self.arrivals_until) = (0.0, 0.0, f64::INFINITY);
            for source in &mut self.sources {
                let piece = source.piece(now, GRAIN);
                self.arrivals += piece.mean;
                self.coming += piece.rate;
                self.arrivals_until = self.arrivals_until.min(piece.until);
            }
            self.stale_rates |= self.arrivals != expected;
            if self.arrivals != expected && self.arrivals > 0.0 {
                self.patience = Arc::new(Patience::of(&self.sources, patience_of_proxy(&self.config)));
            }
        }
        if self.stale_state || self.listens_next <= self.now {
            self.stale_state = true;
            self.build();
        }
        if self.stale_state || self.stale_rates || self.probe_at <= self.now {
            self.solve();
        }
        (self.stale_state, self.stale_rates) = (false, false);
    }

    /// Makes the state of what runs and what the proxies know.
    fn build(&mut self) {
        let mut state = State::default();
        state.sites.reserve(self.nodes.len());
        self.site_nodes.clear();
        for (&node, &machine) in &self.nodes {
            state.sites.push(Site::new(machine));
            self.site_nodes.push(node);
        }
        let up = |proxy: &&Proxy| proxy.is_up();
        let ready = self.pool.proxies.iter().find(up);
        let configured: &[PodId] = ready.map_or(&[], |proxy| &proxy.sorted);
        // Both lists are in the order of ids.
        let mut left = configured;
        let (mut alive, mut deaf) = (0, 0);
        self.listens_next = Instant::MAX;
        for (id, pod) in &mut self.pods {
            pod.place = None;
            let counts = match pod.role {
                Role::Client => true,
                Role::Proxy => self.pool.proxies.iter().filter(up).any(|proxy| proxy.pod == *id),
                Role::Server => {
                    let before = left.iter().take_while(|other| *other < id).count();
                    left = &left[before..];
                    left.first() == Some(id)
                }
            };
            if !counts {
                continue;
            }
            if pod.role == Role::Server && pod.listens > self.now {
                self.listens_next = self.listens_next.min(pod.listens);
                deaf += 1;
                continue;
            }
            let Ok(place) = self.site_nodes.binary_search(&pod.node) else {
                continue;
            };
            pod.place = Some(place);
            let site = &mut state.sites[place];
            let pods = match pod.role {
                Role::Client => &mut site.clients,
                Role::Proxy => &mut site.proxies,
                Role::Server => &mut site.servers,
            };
            pods.add(pod.cpu);
            alive += usize::from(pod.role == Role::Server);
        }
        let share = |pods: usize| pods as f64 / configured.len().max(1) as f64;
        self.present.deaf = share(deaf);
        self.present.vanished = share(configured.len() - alive - deaf);
        self.plant = Plant::new(&self.config, &state);
        self.state = Arc::new(state);
        self.is_new_state();
        self.line_up();
    }

    /// Whoever compares states takes this one for another than the last.
    fn is_new_state(&mut self) {
        self.building += 1;
        self.state_since = self.now;
    }

    /// Loops that do not hang.
    fn active(&self) -> f64 {
        let hanging: f64 = self
            .hanging
            .iter()
            .filter(|lump| lump.closed)
            .map(|lump| lump.requests)
            .sum();
        (self.plant.loops - hanging).max(0.0)
    }

    /// Clients' requests under way become as many as the rate keeps under way, within a response time or so.
    fn fill(&mut self, start: f64, seconds: f64) {
        let response = self.present.solution.response;
        let answered = self.present.served * response;
        let wanted = self.present.under_way.unwrap_or(answered).min(self.active());
        let more = (wanted - self.flying) * (1.0 - libm::exp(-seconds / response.max(1e-3)));
        self.flying += more;
        if more >= 0.0 {
            self.stats.sent += more;
        } else {
            self.served(-more, start);
        }
    }

    /// Writes the pods' CPU use down to now.
    fn accrue(&mut self) {
        let seconds = self.now.since(self.since).as_secs_f64();
        self.since = self.now;
        if seconds > 0.0 && self.counts_cpu {
            self.pods
                .values_mut()
                .for_each(|pod| pod.used += pod.rate * seconds);
        }
    }

    /// Lets everything flow up to `next`.
    fn flow(&mut self, next: Instant) {
        let seconds = next.since(self.now).as_secs_f64();
        let start = self.now.as_secs_f64();
        self.now = next;
        if seconds == 0.0 {
            return;
        }
        if self.config.traefik.durations && self.present.served + self.arrivals > 0.0 {
            self.look_at_times();
        }
        self.fill(start, seconds);
        self.left_behind.pass(self.present.stuck, seconds);
        let (served, failed) = (self.present.served * seconds, self.present.failed * seconds);
        if served > 0.0 {
            self.stats.sent += served;
            self.served(served, start);
        }
        if failed > 0.0 {
            self.stats.sent += failed;
            self.failed(failed, self.present.failure, self.present.at_server, 0.0);
        }
        if self.present.vanished > 0.0 {
            self.hang_clients(seconds);
        }
        if !self.sources.is_empty() {
            self.flow_open(start, seconds);
        }
        // That it may settle elsewhere is told though nobody is served meanwhile.
        if self.present.mark.two_stable {
            self.stretch(start);
        }
    }

    /// Sees to what the proxies' histograms get. A state that passes within a second gets what the one before it
    /// had.
    fn look_at_times(&mut self) {
        let due = match &self.counted {
            Some((building, _)) => {
                *building != self.building && self.now.since(self.state_since) >= Duration::from_secs(1)
            }
            None => true,
        };
        if due {
            let finding = self.probes.look(
                &self.config,
                &self.state,
                Aspect::Times {
                    lasting: f64::INFINITY,
                    convoy: self.present.mark.convoy,
                },
            );
            let times = finding.at_proxy.as_ref().unwrap_or(&finding.latency);
            let bounds = self.config.traefik.buckets.iter();
            let shares = bounds.map(|&bound| times.share_within(bound)).collect();
            self.counted = Some((self.building, shares));
        }
    }

    /// How many proxies requests come to.
    fn counting(&self) -> usize {
        self.pool.proxies.iter().filter(|proxy| proxy.is_up()).count()
    }

    /// Counts requests, each proxy that is up its share. Their times in the histograms are `seconds`, or as a probe
    /// found them.
    fn count(&mut self, code: Code, at_server: bool, requests: f64, seconds: f64, probed: bool) {
        let share = requests / self.counting() as f64;
        let counted = self.counted.as_ref().filter(|_| probed);
        let shares = counted.map(|(_, shares)| shares.as_slice());
        for proxy in self.pool.proxies.iter_mut().filter(|proxy| proxy.is_up()) {
            let counters = &mut proxy.counters;
            counters.count_many(&self.config.traefik, code, at_server, share, seconds, shares);
        }
    }

    /// Requests answered from `start` (seconds) on as the state lets them be.
    fn served(&mut self, requests: f64, start: f64) {
        self.stats.served += requests;
        self.count(traefik::OK, true, requests, self.present.solution.response, true);
        if let Some(stretch) = self.stretch(start) {
            stretch.served += requests;
        }
    }

    /// Requests answered from `start` (seconds) on after waiting in line, `age` seconds after they were sent.
    fn served_late(&mut self, requests: f64, start: f64, age: f64) {
        self.stats.served += requests;
        self.count(traefik::OK, true, requests, age, false);
        let network = self.patience.network();
        if let Some(stretch) = self.stretch(start) {
            stretch.late.add(age + network, requests);
        }
    }

    /// Requests answered in so many seconds, or as a probe found, to which nobody listens any more.
    fn unheard(&mut self, requests: f64, seconds: f64, probed: bool) {
        self.stats.failed += requests;
        self.count(traefik::OK, true, requests, seconds, probed);
    }

    /// The stretch that requests answered from `start` (seconds) to now belong to. Ages change fast: with them a
    /// stretch is short.
    fn stretch(&mut self, start: f64) -> Option<&mut Stretch> {
        let now = self.now.as_secs_f64();
        let goes_on = |last: &Stretch| {
            let old = last.late.total() > 0.0 && now - last.from > LATENCY_INTERVAL.as_secs_f64();
            last.building == self.building && !old
        };
        if self.stretches.last().is_some_and(goes_on) {
            let last = self.stretches.last_mut()?;
            last.to = now;
            last.mark = self.present.mark;
            return Some(last);
        }
        if start < now {
            self.stretches.push(Stretch {
                from: start,
                to: now,
                state: Arc::clone(&self.state),
                building: self.building,
                served: 0.0,
                late: Histogram::default(),
                mark: self.present.mark,
                times: None,
            });
        }
        self.stretches.last_mut()
    }

    fn failed(&mut self, requests: f64, code: Code, at_server: bool, seconds: f64) {
        self.stats.failed += requests;
        self.count(code, at_server, requests, seconds, false);
    }
}

/// Seconds as an instant, rounded up; endless is never.
fn at(seconds: f64) -> Instant {
    if seconds < 1e9 {
        Instant::from_nanos(libm::ceil(seconds * 1e9) as u64)
    } else {
        Instant::MAX
    }
}
