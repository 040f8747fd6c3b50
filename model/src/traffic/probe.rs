//! Probes: short request-level runs of one unchanging state, for what has no closed form.
//!
//! The percentiles of the response time are shaped by quota phases, by starvation of what has no CPU
//! request, and by the order of the round robin. No formula was found that comes within 10 % of them, so the
//! flow form asks probes: a few independent draws of phases and order, some seconds each. A probe's seed comes
//! from its state alone, so that its answer does not depend on who asked before; and machines of one type,
//! each a little faster or slower than the next, count as equal, so that many may ask for the same.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use rand::RngExt;
use sim::{Instant, SortedMap, Streams};

use super::Role;
use super::arrivals::{Arrivals, Process, Shape};
use super::config::Config;
use super::flow::{Plant, Solution, Solutions, may_time_out};
use super::latency::Histogram;
use super::requests::Requests;
use super::state::{Pods, State, count};
use crate::id::{NodeId, PodId};

/// What a probe found.
#[derive(Debug, Clone, Default)]
pub(super) struct Finding {
    /// Requests answered a second, and those of them whose senders have left before the answer gets to them.
    pub(super) throughput: f64,
    pub(super) unheard: f64,
    /// Requests not answered a second, and sent.
    pub(super) failures: f64,
    pub(super) sent: f64,
    /// What all servers together use, vCPU.
    pub(super) server_cpu: f64,
    /// Seconds until the rate had fallen, where it was waited for.
    pub(super) forming: f64,
    /// The throughput of each draw.
    pub(super) draws: Vec<f64>,
    /// Their response times.
    pub(super) latency: Histogram,
    /// The same as the proxies measure them, where the network to the senders takes time.
    pub(super) at_proxy: Option<Histogram>,
}

impl Finding {
    /// Whether draws of a closed loop settle at rates far apart: a state with two stable forms, or one that the order of
    /// the round robin decides. A draw of response times counts to some three per cent, one of rates to one or two.
    pub(super) fn unsettled(&self) -> bool {
        let most = self.draws.iter().copied().fold(0.0, f64::max);
        let least = self.draws.iter().copied().fold(f64::INFINITY, f64::min);
        most - least > APART * self.throughput
    }

    /// Whether another look settled at a rate far from this one's.
    pub(super) fn apart(&self, other: &Finding) -> bool {
        self.is_apart_from(other.throughput)
    }

    /// Whether so many requests a second are far from those served.
    pub(super) fn is_apart_from(&self, rate: f64) -> bool {
        (self.throughput - rate).abs() > APART * self.throughput.max(rate)
    }
}

/// Draws further apart than this share did not settle alike.
const APART: f64 = 0.12;

/// How long and how often to look.
#[derive(Debug, Clone, Copy)]
pub(super) struct Effort {
    /// Independent draws of phases, order and starts.
    pub(super) draws: u32,
    /// Seconds within which the clients start.
    pub(super) starting: f64,
    /// Seconds before each counts.
    pub(super) settling: f64,
    /// Seconds that each counts.
    pub(super) seconds: f64,
    /// So many of the first seconds there is but one server, and which one.
    pub(super) crowded: f64,
    pub(super) alone: u32,
    /// It counts once the rate has fallen below this, or does not: requests a second.
    pub(super) below: f64,
}

/// What somebody wants to know of a state.
#[derive(Debug, Clone, Copy)]
pub(super) enum Aspect {
    /// Response times: some hundred requests tell the percentiles to a few per cent.
    Times {
        /// How long the state lasts at a time, seconds.
        lasting: f64,
        /// All that clients wait for stands before one pod.
        convoy: bool,
    },
    /// Throughput and failures, and how far draws differ in them.
    Rates {
        /// It begins with too few servers for a while, so that lines stand before them.
        crowded: bool,
        /// All that clients wait for tends to stand before one pod.
        convoys: bool,
    },
    /// How many requests from outside are answered too late: a few hundred, where it is some per cent.
    Failures,
}

impl Aspect {
    /// What tells it from others in the key of what was found.
    fn number(self) -> u64 {
        match self {
            Aspect::Times { convoy: false, .. } => 0,
            Aspect::Rates {
                crowded: false,
                convoys: false,
            } => 1,
            Aspect::Failures => 2,
            Aspect::Rates {
                crowded: true,
                convoys: false,
            } => 3,
            Aspect::Times { convoy: true, .. } => 4,
            Aspect::Rates {
                crowded: false,
                convoys: true,
            } => 5,
            Aspect::Rates {
                crowded: true,
                convoys: true,
            } => 6,
        }
    }
}

/// Requests that a look at response times counts, all draws together: the 99th percentile is the sixth longest of
/// these, which is off by some 7 % (one deviation). A request-level run of a minute is off by 9 %: it is one draw.
const REQUESTS: f64 = 600.0;
/// The same behind several proxies: what comes to a pod from several rounds comes in clusters, some of which use up its
/// quota, and it is their number that counts.
const OF_SEVERAL: f64 = 3600.0;
/// The same behind proxies whose quotas bursts use up: all that come after one then wait for the next period.
const OF_THROTTLED: f64 = 10_000.0;
/// Where requests are rare, a draw does not wait longer for its share of them, seconds. Idle seconds cost little.
const LONGEST: f64 = 30.0;
/// Loops that rest for longer start within so many seconds, and are counted for no longer.
const LONGEST_ROUND: f64 = 600.0;
/// Requests from outside within which each draw of a look at rates shows whether lines form that stay.
const CROWDING_REQUESTS: f64 = 3000.0;
/// Requests from outside that a look at those answered too late counts: of 3 % it sees 600. They come in clusters, and
/// the order of the round robin shifts them.
const FAILURE_REQUESTS: f64 = 20_000.0;
const FAILURE_DRAWS: u32 = 6;
/// Rounds of a loop, or of what the servers hold, until the start is forgotten. With two the 99th percentile is 6.0 %
/// off in the median of the states of `examples/fidelities.rs`, with three 5.5 %, with four 5.4 %.
const ROUNDS: f64 = 3.0;
/// The nearer arrivals from outside come to what can be served, the longer lines remember. So many times as long a
/// look settles, and counts, all draws together.
const MEMORIES: f64 = 3.0;
const COUNTED_MEMORIES: f64 = 60.0;
/// But it counts no more requests than these, and has no more draws of a state that passes sooner.
const MOST_REQUESTS: f64 = 40_000.0;
const MOST_DRAWS: u32 = 12;

/// For what has settled only after a while, or not at all.
const THOROUGH: Effort = Effort {
    draws: 4,
    starting: 1.0,
    settling: 4.0,
    seconds: 8.0,
    crowded: 0.0,
    alone: 0,
    below: 0.0,
};

/// A line before one pod leaves less than this share of the rate, or holds nobody up.
pub(super) const HOLDS_UP: f64 = 0.95;
/// Where pods are nearly alike a line begins by chance, mostly within so many seconds or never.
const FORMING: f64 = 150.0;
/// The rate has fallen if so many requests came later than they would have.
const FALLING_REQUESTS: f64 = 300.0;
const FALLING: f64 = 4.0;
/// From then on the line grows for so many seconds.
const GROWING: f64 = 8.0;
/// Where clients convoy each draw counts so many seconds: their rounds and the quotas' periods beat against one another.
const BEATING: f64 = 12.0;
/// Each draw takes long where no line forms; and with one draws are alike, as it sets the pace.
const CONVOY_DRAWS: u32 = 3;
/// Until all that wait stand before one pod, seconds; and until the proxies hear of the others.
const CROWDING: f64 = 1.0;
const HEARING: f64 = 3.0;

/// Until work for nobody has become as much as it does, so many timeouts pass.
const PATIENCES: f64 = 15.0;

impl Effort {
    /// The same for loops whose rounds last for so many seconds, answers among them. Those that start spread over a whole
    /// round send as many as ever from the first second on: what is left to be forgotten is that nobody was under way.
    /// And in whole rounds each loop is counted as often as the next.
    fn with_rounds_of(self, round: f64, response: f64) -> Effort {
        if round <= self.starting {
            return self;
        }
        let round = round.min(LONGEST_ROUND);
        Effort {
            starting: round,
            settling: (BEGIN + ROUNDS * 3.0 * response).clamp(self.settling, LONGEST),
            seconds: libm::ceil(self.seconds / round) * round,
            ..self
        }
    }

    /// The same from a line before the slowest pod on. Threads share what it may use: requests that come at once would be
    /// answered at once, and those that come one after the other are a line that lasts.
    fn in_convoy(self, plant: &Plant, state: &State, solution: &Solution) -> Effort {
        let lasts = plant.convoy_lasts(solution).min(LONGEST);
        let starting = self.starting.max(lasts);
        Effort {
            draws: CONVOY_DRAWS,
            starting,
            settling: self.settling.max(HEARING + lasts),
            seconds: self.seconds.max(BEATING),
            crowded: self.crowded.max(starting.min(LONGEST) + CROWDING),
            alone: plant.slowest_place(state, solution),
            ..self
        }
    }

    fn for_rates(config: &Config, state: &State, crowded: bool, convoys: bool) -> Effort {
        let plant = Plant::new(config, state);
        let solution = plant.solve_open(1.0, state.arrivals);
        let loops = clients(config, state);
        let round = loops / (solution.rate + state.arrivals).max(1e-3);
        let mut effort = THOROUGH.with_rounds_of(round, solution.response);
        if state.arrivals > 0.0 {
            effort.seconds =
                (CROWDING_REQUESTS / state.arrivals).clamp(effort.seconds, LONGEST.max(effort.seconds));
        }
        let timeout = may_time_out(config, solution.response).filter(|_| loops > 0.0);
        if let Some(timeout) = timeout {
            effort.settling = (PATIENCES * timeout).clamp(effort.settling, LONGEST.max(effort.settling));
            effort.crowded = if crowded { 2.0 * timeout.min(LONGEST) } else { 0.0 };
        }
        if convoys {
            if crowded {
                return effort.in_convoy(&plant, state, &solution);
            }
            effort.draws = CONVOY_DRAWS;
            effort.seconds = effort.seconds.max(BEATING);
            effort.below = HOLDS_UP * (solution.rate + state.arrivals);
        }
        effort
    }

    fn for_failures(config: &Config, state: &State) -> Effort {
        let mut effort = Effort::for_times(config, state, None, false);
        effort.draws = effort.draws.max(FAILURE_DRAWS);
        let seconds = FAILURE_REQUESTS / state.arrivals.max(1e-3) / f64::from(effort.draws);
        effort.seconds = effort.seconds.max(seconds);
        effort
    }

    fn for_times(config: &Config, state: &State, passing: Option<f64>, convoy: bool) -> Effort {
        let plant = Plant::new(config, state);
        let solution = plant.solve_open(1.0, state.arrivals);
        let rate = (solution.rate + state.arrivals).max(1e-3);
        let loops = clients(config, state);
        let proxies: u32 = state.sites.iter().map(|site| count(&site.proxies)).sum();
        let requests = match proxies {
            _ if plant.throttles(state.arrivals) => OF_THROTTLED,
            0 | 1 => REQUESTS,
            _ => OF_SEVERAL,
        };
        if plant.convoys(&solution) {
            let longer = Effort {
                settling: LONGEST / 3.0,
                seconds: LONGEST / 2.0,
                ..THOROUGH
            };
            let longer = longer.with_rounds_of(loops / rate, solution.response);
            return if convoy {
                longer.in_convoy(&plant, state, &solution)
            } else {
                longer
            };
        }
        if loops > 0.0 {
            let round = loops / rate;
            let effort = Effort {
                draws: DRAWS,
                starting: round.min(THOROUGH.starting),
                settling: (BEGIN + ROUNDS * round).clamp(SOONEST, THOROUGH.settling),
                seconds: (requests / f64::from(DRAWS) / rate).clamp(0.5, LONGEST),
                crowded: 0.0,
                alone: 0,
                below: 0.0,
            };
            return effort.with_rounds_of(round, solution.response);
        }
        if let Some(seconds) = passing {
            let draws = libm::ceil(requests / rate / seconds) as u32;
            return Effort {
                draws: draws.clamp(DRAWS, MOST_DRAWS),
                starting: 0.0,
                settling: SOONEST,
                seconds,
                crowded: 0.0,
                alone: 0,
                below: 0.0,
            };
        }
        let memory = plant.memory(config, state.arrivals);
        let most = (MOST_REQUESTS / rate).max(LONGEST);
        let all = (requests / rate).max(COUNTED_MEMORIES * memory).min(most);
        Effort {
            draws: DRAWS,
            starting: 0.0,
            settling: (BEGIN + ROUNDS * 3.0 * solution.response)
                .max(MEMORIES * memory)
                .clamp(SOONEST, most),
            seconds: (all / f64::from(DRAWS)).max(0.5),
            crowded: 0.0,
            alone: 0,
            below: 0.0,
        }
    }
}

/// The seconds that a state lasts, doubled as often as that fits, if it passes before its lines have become as long as
/// they would in the end.
fn passing(config: &Config, state: &State, lasting: f64) -> Option<f64> {
    let memory = Plant::new(config, state).memory(config, state.arrivals);
    let passes = state.arrivals > 0.0 && lasting < MEMORIES * memory;
    passes.then(|| libm::exp2(libm::round(libm::log2(lasting.max(1.0)))))
}

fn clients(config: &Config, state: &State) -> f64 {
    let connections = config.clients.as_ref().map_or(0, |clients| clients.connections);
    f64::from(state.clients()) * f64::from(connections)
}

/// Independent draws of a look at response times.
const DRAWS: u32 = 3;
/// When a look counts at the soonest, seconds.
const SOONEST: f64 = 0.6;

/// When the first request is sent, seconds: the proxies know their servers by then.
const BEGIN: f64 = 0.25;

/// Findings by state. A clone shares them: what one run has found, the next need not look for.
#[derive(Debug, Clone, Default)]
pub struct Probes {
    of: Arc<Mutex<Vec<(Config, Findings)>>>,
}

/// The findings of one configuration.
#[derive(Debug, Clone, Default)]
pub(super) struct Findings {
    /// Solutions in closed form.
    pub(super) solutions: Solutions,
    found: Arc<Mutex<SortedMap<Vec<u64>, Once>>>,
}

/// Whoever comes first runs the probe.
type Once = Arc<OnceLock<Arc<Finding>>>;

impl Probes {
    /// The findings of a configuration.
    pub(super) fn of(&self, config: &Config) -> Findings {
        let mut of = locked(&self.of);
        if let Some((_, known)) = of.iter().find(|(own, _)| own == config) {
            return known.clone();
        }
        let findings = Findings::default();
        of.push((config.clone(), findings.clone()));
        findings
    }
}

impl Findings {
    /// What a probe of this state finds.
    pub(super) fn look(&self, config: &Config, state: &State, aspect: Aspect) -> Arc<Finding> {
        // The tail of a machine's response times depends on its own speed, and so does before which pod a line grows; for all
        // else those of a type are alike, and all that is done depends on what states of one key have in common: whoever
        // asks first may have other machines.
        let state = match aspect {
            Aspect::Failures | Aspect::Rates { convoys: true, .. } => state.ordered(),
            Aspect::Times { .. } | Aspect::Rates { .. } => state.levelled(),
        };
        let mut key = state.numbers();
        key.extend(state.load());
        let passing = match aspect {
            Aspect::Times { lasting, .. } => passing(config, &state, lasting),
            Aspect::Rates { .. } | Aspect::Failures => None,
        };
        key.push(aspect.number());
        key.extend(passing.map(f64::to_bits));
        let seed = mixed(&key);
        // The map is not held while a probe runs: other states may be looked at meanwhile.
        let found = locked(&self.found).entry(key).or_default().clone();
        let probe = || {
            let effort = match aspect {
                Aspect::Times { convoy, .. } => Effort::for_times(config, &state, passing, convoy),
                Aspect::Rates { crowded, convoys } => Effort::for_rates(config, &state, crowded, convoys),
                Aspect::Failures => Effort::for_failures(config, &state),
            };
            Arc::new(run(config, &state, seed, effort))
        };
        found.get_or_init(probe).clone()
    }
}

pub(super) fn locked<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().expect("nobody panics while he holds it")
}

/// A number that lists of numbers hardly ever have in common.
pub(super) fn mixed(numbers: &[u64]) -> u64 {
    numbers.iter().fold(0, |all, &part| mix(all, part))
}

fn mix(seed: u64, part: u64) -> u64 {
    (seed ^ part).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
}

/// Runs a state from several draws.
pub(super) fn run(config: &Config, state: &State, seed: u64, effort: Effort) -> Finding {
    let mut finding = Finding::default();
    let is_far = config.arrivals.iter().any(Arrivals::is_far);
    for draw in 0..effort.draws {
        let mut engine = start(config, state, mix(seed, u64::from(draw)), effort.starting);
        if effort.crowded > 0.0 {
            crowd(&mut engine, state, effort.alone, BEGIN + effort.crowded);
        }
        let mut settled = effort.crowded + effort.settling;
        engine.advance(at(settled));
        if effort.below > 0.0 {
            let falling;
            (settled, falling) = fall(&mut engine, effort.below, settled);
            finding.forming += falling / f64::from(effort.draws);
        }
        let (before, unheard_before) = (engine.stats(), engine.unheard());
        let used_before = servers_used(&mut engine, state);
        engine.forget_latencies(is_far);
        engine.advance(at(settled + effort.seconds));
        let after = engine.stats();
        let unheard = engine.unheard() - unheard_before;
        finding
            .draws
            .push((after.served - before.served + unheard) / effort.seconds);
        let seconds = effort.seconds * f64::from(effort.draws);
        finding.unheard += unheard / seconds;
        finding.failures += (after.failed - before.failed - unheard) / seconds;
        finding.sent += (after.sent - before.sent) / seconds;
        finding.server_cpu += (servers_used(&mut engine, state) - used_before) / seconds;
        let latency = engine.latencies(0..usize::MAX);
        finding.latency.add_scaled(&latency, latency.total());
        if let Some(times) = engine.at_proxy() {
            let sum = finding.at_proxy.get_or_insert_default();
            sum.add_scaled(times, times.total());
        }
    }
    finding.throughput = finding.draws.iter().sum::<f64>() / f64::from(effort.draws);
    finding
}

/// Goes on until so many fewer requests a second are served, or for as long as that may take: when it counts, and how long
/// as many as ever were served, seconds.
fn fall(engine: &mut Requests, below: f64, from: f64) -> (f64, f64) {
    let step = (FALLING_REQUESTS / below).clamp(FALLING, LONGEST);
    let (mut now, mut falling) = (from, FORMING);
    while now < FORMING {
        let before = engine.stats().served;
        now += step;
        engine.advance(at(now));
        if engine.stats().served - before < below * step {
            falling = (now - step - from).max(0.0);
            now += GROWING;
            break;
        }
    }
    engine.advance(at(now));
    (now, falling)
}

/// vCPU-seconds that the servers have used.
fn servers_used(engine: &mut Requests, state: &State) -> f64 {
    servers(state).map(|pod| engine.cpu_seconds(PodId(pod))).sum()
}

/// The servers' pods: they follow the proxies'.
fn servers(state: &State) -> std::ops::Range<u32> {
    let proxies: u32 = state.sites.iter().map(|site| count(&site.proxies)).sum();
    proxies..proxies + state.servers()
}

/// Lets one server have all requests until so many seconds.
fn crowd(engine: &mut Requests, state: &State, alone: u32, until: f64) {
    for ready in [false, true] {
        servers(state)
            .zip(0..)
            .filter(|&(_, place)| place != alone)
            .for_each(|(pod, _)| engine.pod_ready(PodId(pod), ready));
        if !ready {
            engine.advance(at(until));
        }
    }
}

fn at(seconds: f64) -> Instant {
    Instant::ZERO + Duration::from_secs_f64(seconds)
}

/// A source that sends at this rate once the proxies know their servers.
fn steady(source: Arrivals, rate: f64) -> Arrivals {
    let process = match source.process {
        Process::Mmpp { .. } => Process::Poisson,
        process => process,
    };
    let shape = Shape::Step {
        before: 0.0,
        after: rate,
        at: Duration::from_secs_f64(BEGIN),
    };
    Arrivals {
        shape,
        process,
        ..source
    }
}

/// An engine in which everything of the state runs, the clients out of step: they start within some seconds.
pub(super) fn start(config: &Config, state: &State, seed: u64, starting: f64) -> Requests {
    let streams = Streams::new(seed);
    let mut config = config.clone();
    // Nobody scrapes it.
    config.traefik.buckets.clear();
    // The mean rate of the moment, with the clumping and patience of the scenario's own sources.
    let sources = std::mem::take(&mut config.arrivals);
    let all = state.shares.iter().map(|&share| f64::from(share)).sum::<f64>();
    for (number, source) in sources.into_iter().enumerate() {
        let share = state
            .shares
            .get(number)
            .map_or(1.0, |&share| f64::from(share) / all);
        let rate = state.arrivals * share;
        if rate > 0.0 {
            config.arrivals.push(steady(source, rate));
        }
    }
    let mut engine = Requests::new(config, streams);
    let mut starts = streams.stream("traffic/probe-start", 0);
    let mut first_sleep = || Duration::from_secs_f64(BEGIN + starting * starts.random::<f64>());
    let mut next_pod = 0;
    for (place, site) in state.sites.iter().enumerate() {
        engine.node_up(NodeId(place as u32), site.machine);
    }
    for role in [Role::Proxy, Role::Server, Role::Client] {
        for (place, site) in state.sites.iter().enumerate() {
            let pods: &Pods = match role {
                Role::Proxy => &site.proxies,
                Role::Server => &site.servers,
                Role::Client => &site.clients,
            };
            for (cpu, count) in pods.iter() {
                for _ in 0..count {
                    let id = PodId(next_pod);
                    next_pod += 1;
                    engine.pod_running(id, role, NodeId(place as u32), cpu, Some(&mut first_sleep));
                    engine.pod_ready(id, true);
                }
            }
        }
    }
    engine
}
