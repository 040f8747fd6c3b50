//! Requests a second of a state, in closed form: an approximate mean value analysis.
//!
//! A client is either asleep, waiting for CPU on its node, with a proxy, or with a server; Little's law says
//! that `clients = rate · time of a cycle`, and the cycle grows with the rate without bound as something
//! fills up. One root is the throughput. What fills up, and the shape in which its waiting time grows:
//!
//! - a *node with servers*: their work has priority, so its share of the node's capacity is what counts;
//! - a *server's quota*: round robin feeds it so regularly that it queues only when all but full;
//! - a *proxy without CPU request*, starved whenever the servers beside it keep every thread busy: requests
//!   then leave it in convoys, which are longer the more clients there are;
//! - a *node with clients*, who share what servers and proxy leave over.
//!
//! The shapes' constants were fitted to request-level runs of random states (1–60 clients, 2–9 nodes, service
//! work 20–200 ms, with and without quota), the crowding of nodes besides to the layouts that those left out
//! (up to 6.8 servers per free vCPU). The measured run had no part in it.

mod convoys;
mod memory;

use super::root;
use super::waiting::Waiting;
use crate::traffic::arrivals::{Arrivals, Process};
use crate::traffic::config::{Config, Machine, PodCpu};
use crate::traffic::physics::{self, capacity, sigma};
use crate::traffic::state::{Pods, Site, State, count};

/// Waiting for a node, in service times: `NODE · ρ^3.5 / (1 - ρ)`.
const NODE: f64 = 0.025;
/// Waiting for a quota: `QUOTA · ρ^32 / (1 - ρ)`.
const QUOTA: f64 = 0.45;
/// Waiting for a starved proxy: `PROXY · clients^0.65 · ρ^1.5 / (1 - ρ)`.
const PROXY: f64 = 0.03;
/// Clients in line for what a node leaves them: `CLIENT · ρ^1.5 / (1 - ρ)`.
const CLIENT: f64 = 1.55;
/// Servers that crowd a node come and go in convoys and make both kinds of waiting longer, by
/// `1 + factor · (pods per free vCPU / 4)^8.5`. Nothing was fitted beyond 6.8 pods per free vCPU.
const NODE_CROWDED: f64 = 0.038;
const CLIENT_CROWDED: f64 = 0.022;
const CROWD: f64 = 4.0;
const MOST_CROWDED: f64 = 1.7;
/// States are solved for arrivals from outside up to this share of what can be served; more of them wait in line.
pub(super) const MOST_FULL: f64 = 0.98;
/// Where less than this share of requests is served for good, lines grow.
pub(super) const SERVES: f64 = 0.97;
/// A request does not wait for itself: of `n` clients, `n - 1.5` are others, to the fit.
const ITSELF: f64 = 1.5;

/// Servers of one kind on like nodes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Class {
    /// Which of the plant's groups of nodes.
    group: usize,
    cpu: PodCpu,
    /// How many in all, as a share of all servers.
    weight: f64,
    /// vCPU-seconds of quota each period.
    quota: f64,
    /// Seconds of a thread's share of the machine in which the quota is used up.
    quota_time: f64,
    /// Requests a second of each pod at most, with its node full: while few wait, and with a long line.
    most: f64,
    congested: f64,
}

/// Nodes that are alike in all that matters.
#[derive(Debug, Clone)]
struct Group {
    /// The first of them among the state's sites.
    first: usize,
    machine: Machine,
    /// How many.
    times: f64,
    /// K.
    full: f64,
    servers: f64,
    clients: f64,
    proxies: f64,
    /// Work per request that a node does first.
    fixed_work: f64,
    /// What one of its nodes has of all clients.
    share_of_clients: f64,
    /// What a thread gets of a vCPU.
    thread: f64,
    /// What the group has of all proxies.
    share_of_proxies: f64,
    /// Its proxies have no CPU request.
    starved_proxies: bool,
    /// What the weights of its proxies are among those of all.
    proxies_part: f64,
    /// vCPU that one of its proxies, and all clients of one of its nodes, may use on average.
    proxy_limit: f64,
    client_limit: f64,
    node_wait: f64,
    client_wait: f64,
    /// GPU time of a request.
    gpu: f64,
}

/// A state made ready for solving.
#[derive(Debug, Clone)]
pub(in crate::traffic) struct Plant {
    groups: Vec<Group>,
    /// Each site's group.
    pub(super) of_site: Vec<usize>,
    pub(super) classes: Vec<Class>,
    pub(super) servers: f64,
    /// Client loops.
    pub(super) loops: f64,
    pub(super) proxies: f64,
    pub(super) service_work: f64,
    client_work: f64,
    proxy_work: f64,
    sleep: f64,
    gain: f64,
    period: f64,
    gpu_slots: f64,
    concurrency: f64,
    starvation: f64,
    /// How much of the crowding of such arrivals there is on a node.
    clumping: f64,
    /// Nobody who sends waits for another's answer.
    from_outside: bool,
}

/// What a state does.
#[derive(Debug, Clone, Default)]
pub(in crate::traffic) struct Solution {
    /// Closed-loop requests a second.
    pub(in crate::traffic) rate: f64,
    /// Mean response time, seconds.
    pub(in crate::traffic) response: f64,
    /// How far servers are apart in it: the root of the mean of the squares of their means, seconds.
    pub(super) uneven: f64,
    /// Client requests a second on each node of each group.
    pub(super) client_rates: Vec<f64>,
    /// Work of a busy vCPU a second in each group.
    pub(super) sigmas: Vec<f64>,
    /// The same on average over all that is used, which is what CPU time is charged by.
    pub(super) used_sigmas: Vec<f64>,
    /// Some server or proxy is sent more than it can serve: the times are no one's.
    over: bool,
}

/// The mean times of a cycle at some rate.
struct Times {
    server: f64,
    /// The mean of the squares of the servers' means.
    squares: f64,
    proxy: f64,
    /// Some server or proxy is sent more than it can serve.
    over: bool,
}

impl Plant {
    pub(in crate::traffic) fn new(config: &Config, state: &State) -> Self {
        let clients = config.clients.as_ref();
        let gain = config.cpu.smt_gain;
        let loops =
            f64::from(state.clients()) * clients.map_or(0.0, |clients| f64::from(clients.connections));
        let mut plant = Plant {
            groups: Vec::with_capacity(state.sites.len()),
            of_site: Vec::with_capacity(state.sites.len()),
            classes: Vec::with_capacity(state.sites.len()),
            servers: f64::from(state.servers()),
            loops,
            proxies: state
                .sites
                .iter()
                .map(|site| f64::from(count(&site.proxies)))
                .sum(),
            service_work: config.service.cpu_per_request.mean(),
            client_work: clients.map_or(0.0, |clients| clients.client_cpu),
            proxy_work: config.traefik.proxy_cpu,
            sleep: clients.map_or(0.0, |clients| {
                clients.think_time.mean() + clients.cycle_delay.mean()
            }),
            gain,
            period: config.cpu.quota_period.as_secs_f64(),
            gpu_slots: config
                .service
                .gpu
                .as_ref()
                .map_or(f64::INFINITY, |gpu| f64::from(gpu.concurrency.max(1))),
            concurrency: config.service.concurrency.map_or(f64::INFINITY, f64::from),
            starvation: 0.0,
            clumping: clumping(config),
            from_outside: clients.is_none(),
        };
        plant.starvation = PROXY * libm::pow(loops.max(1.0), 0.65);
        let loops_per_client = loops / f64::from(state.clients().max(1));
        for (number, site) in state.sites.iter().enumerate() {
            let known = plant
                .groups
                .iter()
                .position(|group| state.sites[group.first] == *site);
            let place = known.unwrap_or_else(|| {
                let group = plant.group(config, number, site, loops_per_client);
                plant.groups.push(group);
                plant.groups.len() - 1
            });
            plant.groups[place].times += 1.0;
            plant.of_site.push(place);
        }
        for place in 0..plant.groups.len() {
            let group = &mut plant.groups[place];
            group.share_of_proxies = group.proxies * group.times / plant.proxies;
            let servers = &state.sites[group.first].servers;
            for (cpu, pods) in servers.iter() {
                let class = plant.class(place, cpu, f64::from(pods));
                plant.classes.push(class);
            }
        }
        plant
    }

    fn group(&self, config: &Config, first: usize, site: &Site, loops_per_client: f64) -> Group {
        let machine = site.machine;
        let servers = f64::from(count(&site.servers));
        let clients = f64::from(count(&site.clients)) * loops_per_client;
        let proxies = f64::from(count(&site.proxies));
        let free = (machine.vcpus - machine.system_cpu).max(1e-3);
        let crowd = if servers > 0.0 {
            libm::pow((servers / free / CROWD).min(MOST_CROWDED), 8.5)
        } else {
            0.0
        };
        Group {
            first,
            times: 0.0,
            full: capacity(&machine, config.cpu.smt_gain).max(1e-9),
            servers,
            clients,
            proxies,
            fixed_work: self.service_work * servers / self.servers + self.proxy_work * proxies / self.proxies,
            share_of_clients: if self.loops > 0.0 {
                clients / self.loops
            } else {
                0.0
            },
            thread: (machine.vcpus - machine.system_cpu).clamp(1e-3, 1.0),
            share_of_proxies: 0.0,
            proxies_part: proxies_part(site),
            proxy_limit: limits(&site.proxies, self.period)
                .fold(f64::INFINITY, |least, (limit, _)| least.min(limit)),
            client_limit: limits(&site.clients, self.period)
                .map(|(limit, count)| limit * f64::from(count))
                .sum(),
            starved_proxies: site.proxies.iter().any(|(cpu, _)| physics::weight(cpu).is_none()),
            node_wait: NODE * (1.0 + NODE_CROWDED * crowd),
            client_wait: CLIENT * (1.0 + CLIENT_CROWDED * crowd),
            gpu: config
                .service
                .gpu
                .as_ref()
                .map_or(0.0, |gpu| gpu.time_on(machine.gpu).mean()),
            machine,
        }
    }

    fn class(&self, place: usize, cpu: PodCpu, on_each: f64) -> Class {
        let group = &self.groups[place];
        let quota = physics::quota(cpu, self.period).unwrap_or(f64::INFINITY);
        let room = group.full / group.servers / self.service_work;
        Class {
            group: place,
            cpu,
            weight: on_each * group.times / self.servers,
            quota,
            quota_time: quota / group.thread,
            most: self.pod_most(place, cpu, 1.0).min(room),
            congested: self.pod_most(place, cpu, f64::INFINITY).min(room),
        }
    }

    /// Whether a request can reach a server at all.
    pub(super) fn serves(&self) -> bool {
        self.servers > 0.0 && self.proxies > 0.0
    }

    /// Requests that all servers work on at once at most.
    pub(super) fn most_inside(&self) -> f64 {
        self.concurrency * self.servers
    }

    /// Requests a second that a pod of a group can answer at most with so many of them before it, were its share of the
    /// node no limit.
    pub(super) fn pod_most(&self, group: usize, cpu: PodCpu, before: f64) -> f64 {
        let (threads, sigma) = self.threads(group, cpu, before);
        let gpu = self.groups[group].gpu;
        let alone = self.service_work / sigma + gpu;
        (physics::limit(cpu, self.period).min(threads) * sigma / self.service_work)
            .min(self.gpu_slots / gpu)
            .min(self.concurrency / alone)
    }

    /// Requests a second that a proxy on a node of a group passes on within its quota at most. Those that wait for it
    /// keep every thread of the node busy while it lasts.
    fn proxy_quota_most(&self, group: &Group, waiting: bool) -> f64 {
        let Group { machine, .. } = group;
        let busy = if waiting {
            machine.vcpus
        } else {
            machine.system_cpu + 1.0
        };
        group.proxy_limit * sigma(machine, self.gain, busy.min(machine.vcpus)) / self.proxy_work
    }

    /// How many threads a pod of a group runs at once that has so many requests before it, and the work of each a
    /// second. Within its quota it runs all of them, however long that then lasts; the pods beside it use what they may.
    pub(super) fn threads(&self, group: usize, cpu: PodCpu, before: f64) -> (f64, f64) {
        let Group { machine, servers, .. } = &self.groups[group];
        let share = physics::limit(cpu, self.period);
        let free = machine.vcpus - machine.system_cpu;
        let threads = before.max(share).max(1.0).min(self.concurrency).min(free);
        let beside = (servers - 1.0).max(0.0) * share.min(threads);
        let busy = (machine.system_cpu + threads + beside).min(machine.vcpus);
        (threads, sigma(machine, self.gain, busy))
    }

    /// Requests a second that all servers of a node of a group can answer at most while the proxies pass on `passed`.
    pub(super) fn room(&self, group: usize, passed: f64) -> f64 {
        let group = &self.groups[group];
        let proxies = passed * self.proxy_work * group.proxies / self.proxies.max(1.0);
        (group.full - proxies).max(0.0) / self.service_work
    }

    /// Requests a second from outside that can be served for good: round robin sends the slowest as many as the others.
    pub(super) fn open_most(&self) -> f64 {
        let slowest = self.classes.iter().map(|class| class.most * self.servers);
        slowest.fold(self.proxy_most(false), f64::min)
    }

    /// The same with lines before all pods and proxies. Where one then runs more threads than its node has cores, this is
    /// less: short of it lines shrink, and between the two they grow once they are there.
    pub(super) fn congested_most(&self) -> f64 {
        let slowest = self.classes.iter().map(|class| class.congested * self.servers);
        slowest.fold(self.proxy_most(true), f64::min)
    }

    /// Requests a second that the proxies can pass on at most, with requests `waiting` for them or without: their nodes
    /// serve first, and quotas bind.
    pub(super) fn proxy_most(&self, waiting: bool) -> f64 {
        let most = |group: &Group| {
            let work = self.service_work * group.servers / self.servers
                + self.proxy_work * group.proxies / self.proxies;
            (group.full / work).min(self.proxy_quota_most(group, waiting) * self.proxies)
        };
        let with_proxy = self.groups.iter().filter(|group| group.proxies > 0.0);
        with_proxy.map(most).fold(f64::INFINITY, f64::min)
    }

    /// The same of the proxies on a node of a group whose servers work on `served` requests a second, if they can: they
    /// leave the rest, and no less than what the proxies' weights are worth.
    pub(super) fn passable(&self, group: usize, served: f64) -> f64 {
        let group = &self.groups[group];
        let left = (group.full - served * self.service_work).max(group.full * group.proxies_part);
        let by_quota = self.proxy_quota_most(group, true) * self.proxies;
        (left * self.proxies / (self.proxy_work * group.proxies)).min(by_quota)
    }

    /// Requests a second that clients can make at most if none reaches a server.
    pub(super) fn refused_most(&self) -> f64 {
        let with_clients = self.groups.iter().filter(|group| group.clients > 0.0);
        let full: f64 = with_clients.map(|group| group.full * group.times).sum();
        full / (self.client_work + self.proxy_work)
    }

    /// The throughput of `active` (0–1) of the clients beside `open` requests a second from outside.
    pub(in crate::traffic) fn solve(&self, active: f64, open: f64) -> Solution {
        let mut solution = Solution {
            client_rates: Vec::with_capacity(self.groups.len()),
            sigmas: Vec::with_capacity(self.groups.len()),
            used_sigmas: Vec::with_capacity(self.groups.len()),
            ..Solution::default()
        };
        let loops = self.loops * active;
        if !self.serves() {
            return solution;
        }
        // Others that a request may have to wait for; from outside they come whenever they please.
        let others = if open > 0.0 {
            1.0
        } else {
            (1.0 - ITSELF / loops.max(1e-9)).max(0.0)
        };
        let full = self
            .groups
            .iter()
            .map(|group| group.full / group.fixed_work.max(1e-12));
        let room = full.fold(f64::INFINITY, f64::min) - open;
        let most = room.max(0.0).min(loops / self.sleep.max(1e-6));
        let rate = root::falling(0.0, most, 1e-6 * most.max(1e-9), |rate| {
            self.client_total(rate, open, active, others, &mut solution) - rate
        });
        let made = self.client_total(rate, open, active, others, &mut solution);
        solution.rate = rate;
        // Where quotas or GPUs are as busy as can be, the closed form jumps: clients would make more than `rate` if they
        // waited as long as it says. What a loop's cycle lacks at `rate` it waits for servers.
        if rate > 0.0 && made > rate && solution.response > 0.0 {
            let response = solution.response + loops / rate - loops / made;
            solution.uneven *= response / solution.response;
            solution.response = response;
        }
        self.see_to_use(rate + open, others, &mut solution);
        solution
    }

    /// Writes down what a busy vCPU of each group does a second, on average over the busy ones, if all made `total`.
    fn see_to_use(&self, total: f64, others: f64, solution: &mut Solution) {
        for (place, group) in self.groups.iter().enumerate() {
            let clients = solution.client_rates.get(place).copied().unwrap_or(0.0) * self.client_work;
            let work = (total * group.fixed_work + clients).min(group.full);
            let machine = &group.machine;
            let alone = sigma(
                machine,
                self.gain,
                (machine.system_cpu + group.thread).min(machine.vcpus),
            );
            let even = physics::busy(machine, self.gain, work) - machine.system_cpu;
            // What clients send next hangs on what they have got; and a proxy by itself gets all that comes.
            let in_turn = self.from_outside && group.servers > 0.0;
            let round = Round {
                here: group.servers,
                all: if in_turn { self.servers } else { group.servers },
                proxies: self.proxies,
            };
            let crowded = crowded(machine, self.gain, work, even, round);
            let busy = even + (crowded - even) * self.clumping * others;
            let used = if busy > 1e-9 { work / busy } else { alone };
            solution.used_sigmas.push(used.min(alone));
        }
    }

    /// The same where arrivals from outside may be more than the closed form finds room for before every server: then of
    /// as many as it does. One that is sent more than it can serve has a line, which is no one's usual time: round robin
    /// sends the others theirs whatever stands there.
    pub(in crate::traffic) fn solve_open(&self, active: f64, open: f64) -> Solution {
        let mut found = self.solve(active, open);
        let mut less = open;
        while found.over && less > LEAST_OPEN * open {
            less *= 0.95;
            found = self.solve(active, less);
        }
        found
    }

    /// Requests a second that the clients would make if the whole made `rate`.
    fn client_total(&self, rate: f64, open: f64, active: f64, others: f64, solution: &mut Solution) -> f64 {
        let times = self.times(rate, open, others, solution);
        solution.response = times.server + times.proxy;
        solution.over = times.over;
        solution.uneven = libm::sqrt(times.squares) + times.proxy;
        let common = self.sleep + solution.response;
        let total = rate + open;
        solution.client_rates.clear();
        let mut sum = 0.0;
        let groups = self.groups.chunks(TOGETHER);
        for (groups, sigmas) in groups.zip(solution.sigmas.chunks(TOGETHER)) {
            let mut searches = [(Waiting::default(), root::Search::default()); TOGETHER];
            let searches = &mut searches[..groups.len()];
            for ((group, &sigma), (waiting, search)) in groups.iter().zip(sigmas).zip(&mut *searches) {
                let left = (group.full - total * group.fixed_work).max(1e-9);
                *waiting = Waiting {
                    clients: group.clients * active,
                    cycle: common + self.client_work / sigma,
                    load: self.client_work / left * others,
                    wait: group.client_wait,
                };
                *search = waiting.search();
            }
            let mut is_open = true;
            while std::mem::take(&mut is_open) {
                for (waiting, search) in &mut *searches {
                    if search.is_open() {
                        search.step(|rate| waiting.excess(rate));
                        is_open = true;
                    }
                }
            }
            for ((_, search), group) in searches.iter().zip(groups) {
                // Those that wait for their quota's next period then all run at once.
                let machine = &group.machine;
                let bursting = (machine.system_cpu + group.clients * active).min(machine.vcpus);
                let by_quota =
                    group.client_limit * physics::sigma(machine, self.gain, bursting) / self.client_work;
                let own = search.low().min(by_quota);
                solution.client_rates.push(own);
                sum += own * group.times;
            }
        }
        sum
    }

    /// Mean times with servers and proxies if clients made `rate` and others `open`. Those of who is sent more than he can
    /// serve are endless.
    fn times(&self, rate: f64, open: f64, others: f64, solution: &mut Solution) -> Times {
        let total = rate + open;
        let mut times = Times {
            server: 0.0,
            squares: 0.0,
            proxy: 0.0,
            over: false,
        };
        solution.sigmas.clear();
        for group in &self.groups {
            let machine = &group.machine;
            let work = total * group.fixed_work + rate * group.share_of_clients * self.client_work;
            let busy = physics::busy(machine, self.gain, work.min(group.full));
            let felt = machine.system_cpu + (busy - machine.system_cpu) * others + group.thread;
            solution
                .sigmas
                .push(sigma(machine, self.gain, felt.min(machine.vcpus)));
        }
        for class in &self.classes {
            let group = &self.groups[class.group];
            let sigma = solution.sigmas[class.group];
            let work = self.service_work / sigma;
            let alone = physics::mean_wall_time(work / group.thread, class.quota_time, self.period);
            let pod_rate = total / self.servers;
            let node = pod_rate * group.servers * self.service_work / group.full * others;
            let quota = pod_rate * work * self.period / class.quota;
            let gpu = pod_rate * group.gpu / self.gpu_slots;
            let mut time = alone * (1.0 + group.node_wait * pow_3_5(node) / left_of(node))
                + work / group.thread * QUOTA * pow_32(quota * others) / left_of(quota * others)
                + group.gpu * (1.0 + QUOTA * pow_32(gpu * others) / left_of(gpu * others));
            if quota >= 1.0 || gpu >= 1.0 || pod_rate * time >= self.concurrency {
                time = ENDLESS;
                times.over = true;
            }
            times.server += time * class.weight;
            times.squares += time * time * class.weight;
        }
        for (group, &sigma) in self.groups.iter().zip(&solution.sigmas) {
            if group.proxies > 0.0 {
                let node =
                    (total * self.service_work * group.servers / self.servers / group.full).min(1.0) * others;
                let mut time = self.proxy_work / sigma;
                if group.starved_proxies {
                    let work = self.service_work / sigma;
                    time += work * self.starvation * node * libm::sqrt(node) / left_of(node);
                }
                let quota = total / self.proxies * self.proxy_work / sigma / group.proxy_limit;
                time += self.proxy_work / sigma * QUOTA * pow_32(quota * others) / left_of(quota * others);
                if total * group.fixed_work >= group.full || quota >= 1.0 {
                    time = ENDLESS;
                    times.over = true;
                }
                times.proxy += group.share_of_proxies * time;
            }
        }
        times
    }
}

/// Nodes whose clients' rates are looked for at a time.
const TOGETHER: usize = 8;

/// How much of the crowding there is that Poisson arrivals behind a round robin make: of clients, who wait for one
/// another's answers, and where all comes evenly spaced, to the fit of request-level runs at 20 to 90 % of a node.
const CLIENT_CLUMPS: f64 = 0.8;
const EVEN_CLUMPS: f64 = 0.52;

/// How much of that crowding there is on a node. Works that differ add theirs.
fn clumping(config: &Config) -> f64 {
    let even = |source: &Arrivals| source.process == Process::Deterministic;
    let outside = &config.arrivals;
    let clumps = if config.clients.is_some() {
        CLIENT_CLUMPS
    } else if outside.iter().all(even) {
        EVEN_CLUMPS
    } else {
        1.0
    };
    let scatter = config.service.cpu_per_request.scatter();
    (clumps + scatter) / (1.0 + scatter)
}

/// What a node's servers get of each round of the proxies.
#[derive(Debug, Clone, Copy)]
struct Round {
    /// Servers on the node, and all that stand in the round.
    here: f64,
    all: f64,
    /// Proxies, each with rounds of its own.
    proxies: f64,
}

impl Round {
    /// The share of what the proxies send next that comes to the node while it works on so many requests, where a server
    /// has `each` on average: who has one has had his turn.
    fn share(&self, requests: f64, each: f64) -> f64 {
        if self.here >= self.all {
            return 1.0;
        }
        let left = (self.here - requests / self.proxies).max(NEXT_ROUND * self.here);
        let left_elsewhere = (self.all - self.here) * (1.0 - each / self.proxies).max(NEXT_ROUND);
        left / (left + left_elsewhere)
    }
}

/// When all have had their turns the next round begins: no fewer servers than this share have theirs before them.
const NEXT_ROUND: f64 = 0.25;

/// How many vCPU of a machine are busy for pods on average, that work on `work` core-seconds a second and share the
/// threads, `even` if all comes evenly: a birth-death process, whatever the distribution of works. What the proxies get
/// are Poisson arrivals; of what they send a node gets the less the more of a round it has got.
fn crowded(machine: &Machine, gain: f64, work: f64, even: f64, round: Round) -> f64 {
    let free = (machine.vcpus - machine.system_cpu).max(1e-3);
    let done = |threads: f64| {
        let threads = threads.min(free);
        threads * sigma(machine, gain, (machine.system_cpu + threads).min(machine.vcpus))
    };
    let full = done(free);
    if work >= full * FULLEST {
        return free;
    }
    if work <= 0.0 {
        return 0.0;
    }
    let each = even / round.here;
    let usual = round.share(even, each);
    let coming = |threads: f64| work * round.share(threads, each) / usual;
    let (mut likely, mut busy, mut doing, mut threads) = (1.0, 0.0, 0.0, 0.0);
    while threads < free {
        likely *= coming(threads) / done(threads + 1.0);
        threads += 1.0;
        busy += likely * threads.min(free);
        doing += likely * done(threads);
    }
    let still = (coming(threads) / full).min(FULLEST);
    let more = likely * still / (1.0 - still);
    // What comes is `work` only where the node has as many as on average: what a busy vCPU does is what counts.
    work * (busy + more * free) / (doing + more * full)
}

/// A node that works on this share of what it can is full.
const FULLEST: f64 = 0.999;

/// vCPU that pods may use on average, and how many pods of each kind.
fn limits(pods: &Pods, period: f64) -> impl Iterator<Item = (f64, u32)> + '_ {
    pods.iter()
        .map(move |(cpu, count)| (physics::limit(cpu, period), count))
}

/// What a node's proxies get of its CPU by their weights if its servers want all.
fn proxies_part(site: &Site) -> f64 {
    let weigh = |pods: &Pods| -> f64 {
        let weights = pods
            .iter()
            .map(|(cpu, count)| physics::weight(cpu).unwrap_or(0.0) * f64::from(count));
        weights.sum()
    };
    let (proxies, servers) = (weigh(&site.proxies), weigh(&site.servers));
    if proxies > 0.0 {
        proxies / (proxies + servers)
    } else {
        0.0
    }
}

/// The closed form is not asked for less than this share of what comes.
const LEAST_OPEN: f64 = 0.4;
/// A response time that nobody reaches.
const ENDLESS: f64 = 1e6;

fn left_of(load: f64) -> f64 {
    (1.0 - load).max(1e-9)
}

fn pow_3_5(x: f64) -> f64 {
    x * x * x * libm::sqrt(x)
}

fn pow_32(x: f64) -> f64 {
    (0..5).fold(x, |power, _| power * power)
}
