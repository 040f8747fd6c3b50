//! Requests from outside: each pod of the service has a line of its own.
//!
//! Round robin gives every pod the same share of arrivals whatever it has before it, so a slow pod's line grows
//! while a fast one's is empty, and a new pod takes nothing off those that were there before it. The pods of a
//! node share its CPU by weight, as far as their quotas let them. Proxies that get no CPU beside busy servers
//! are a line before all others. When a line is longer than a sender's patience, senders leave but their work
//! stays: a server that does not watch its connections goes on with it.

use std::sync::Arc;

use sim::SortedMap;

use super::line::{Came, Line, Order, Step};
use super::patience::{Level, Patience};
use super::{Flow, Pod, STEP};
use crate::distribution::Distribution;
use crate::id::PodId;
use crate::traffic::config::{Config, PodCpu};
use crate::traffic::physics::{self, BEST_EFFORT_WEIGHT, Claim};
use crate::traffic::state::count;
use crate::traffic::{Role, traefik};

/// A pod of the service with its requests from outside.
#[derive(Debug, Clone)]
pub(super) struct Server {
    pub(super) pod: PodId,
    /// Its node's place among the state's sites.
    place: usize,
    /// The proxies send to it.
    listed: bool,
    cpu: PodCpu,
    pub(super) line: Line,
    /// How long requests took here where nobody waits, seconds, when the proxies sent here last.
    response: f64,
}

/// A step of time.
#[derive(Debug, Clone)]
struct Span {
    from: f64,
    to: f64,
    patience: Arc<Patience>,
    /// All that comes can be served on average: if at times more comes, how long some then wait is in the probes.
    fits: bool,
}

impl Span {
    fn seconds(&self) -> f64 {
        self.to - self.from
    }

    /// So much of what can be done, a second, is a limit.
    fn most(&self, rate: f64) -> f64 {
        if self.fits {
            f64::INFINITY
        } else {
            rate * self.seconds()
        }
    }
}

/// Requests that took so much longer than where nobody waits have waited: seconds, and a share of that time.
const LATE: f64 = 0.05;
const LATE_SHARE: f64 = 0.25;
/// What a node or a pod has at least for requests from outside, beside those of clients.
const LEAST: f64 = 0.02;
/// How many sizes stand for works that differ.
const SIZES: usize = 6;
/// Works drawn for each of them.
const DRAWS: usize = 200;

/// The works of requests over their mean, each as likely as the next.
pub(super) fn sizes(config: &Config) -> Vec<f64> {
    let work = &config.service.cpu_per_request;
    if config.arrivals.is_empty() || matches!(work, Distribution::Constant(_)) || work.mean() <= 0.0 {
        return vec![1.0];
    }
    let drawn = super::drawn(work, "traffic/size-quantiles", SIZES * DRAWS);
    let all: f64 = drawn.iter().sum();
    let mean = |some: &[f64]| some.iter().sum::<f64>() * SIZES as f64 / all;
    drawn.chunks(DRAWS).map(mean).collect()
}

impl Flow {
    /// Whether lines grow or shrink by themselves.
    pub(super) fn queues(&self) -> bool {
        let waits = self.jam.waits() || self.servers.iter().any(|server| server.line.waits());
        let more = self.present.congests || self.arrivals > self.plant.open_most();
        waits || (self.arrivals > 0.0 && self.plant.serves() && more)
    }

    /// The lines of the pods that are there: those that the proxies send to, and others that still have work.
    pub(super) fn line_up(&mut self) {
        if self.sources.is_empty() {
            return;
        }
        let before = std::mem::take(&mut self.servers).into_iter();
        let mut lines: SortedMap<PodId, (Line, f64)> = before
            .map(|server| (server.pod, (server.line, server.response)))
            .collect();
        let is_server = |(_, pod): &(&PodId, &Pod)| pod.role == Role::Server;
        for (&id, pod) in self.pods.iter().filter(is_server) {
            let line = lines.remove(&id);
            let busy = line.as_ref().is_some_and(|(line, _)| line.held() > 0.0);
            let Ok(place) = self.site_nodes.binary_search(&pod.node) else {
                continue;
            };
            if pod.place.is_none() && !busy {
                continue;
            }
            let group = self.plant.of_site[place];
            let (line, response) = line.unwrap_or_else(|| {
                let alone = self.plant.pod_most(group, pod.cpu, f64::INFINITY);
                let order = self.order(alone.min(self.plant.room(group, 0.0)));
                (Line::new(order, &self.sizes), 0.0)
            });
            self.servers.push(Server {
                pod: id,
                place,
                listed: pod.place.is_some(),
                cpu: pod.cpu,
                line,
                response,
            });
        }
        self.servers.sort_by_key(|server| server.place);
    }

    /// How a pod works that answers `most` requests a second. A GPU takes them in turn; and of those that are done
    /// within half a step nobody can tell.
    fn order(&self, most: f64) -> Order {
        let service = &self.config.service;
        let slots = service.concurrency.map_or(f64::INFINITY, f64::from);
        if service.gpu.is_some() || slots < 0.5 * most * STEP {
            Order::InTurn
        } else {
            Order::Together(slots)
        }
    }

    pub(super) fn flow_open(&mut self, start: f64, seconds: f64) {
        let span = Span {
            from: start,
            to: start + seconds,
            patience: Arc::clone(&self.patience),
            fits: !self.queues(),
        };
        let came = self.coming * seconds;
        self.stats.sent += came;
        let passed = if self.plant.servers == 0.0 && self.present.vanished == 0.0 {
            let code = self.refusal().unwrap_or(0);
            let all = came + self.jam.cut(1.0);
            self.failed(all, code, self.present.deaf > 0.0, 0.0);
            Came::default()
        } else {
            let vanished = came * self.present.vanished;
            if vanished > 0.0 {
                self.hang(vanished, false);
            }
            let refused = came * self.present.deaf;
            if refused > 0.0 {
                self.failed(refused, traefik::BAD_GATEWAY, true, 0.0);
            }
            let came = Came {
                requests: came - vanished - refused,
                sent: (span.from, span.to),
            };
            self.pass_on(came, &span)
        };
        let mut servers = std::mem::take(&mut self.servers);
        for site in servers.chunk_by_mut(|a, b| a.place == b.place) {
            self.work_off(site, passed, &span);
        }
        servers.retain(|server| server.listed || server.line.held() > 0.0);
        self.servers = servers;
    }

    /// Requests a second that the proxies can pass on at present. While servers beside them work on long lines they
    /// get little; when these are done, for want of requests, they get all.
    fn passable(&self) -> f64 {
        if self.plant.servers == 0.0 {
            return 0.0;
        }
        let mut most = f64::INFINITY;
        for (place, site) in self.state.sites.iter().enumerate() {
            if count(&site.proxies) > 0 {
                let here = self.servers.iter().filter(|server| server.place == place);
                let wanted = here.map(|server| (server.line.work() / STEP).min(self.alone(server)));
                most = most.min(self.plant.passable(self.plant.of_site[place], wanted.sum()));
            }
        }
        if self.jam.waits() {
            most
        } else {
            most.max(self.plant.proxy_most(self.present.congests))
        }
    }

    /// What the proxies pass on of what has come.
    fn pass_on(&mut self, came: Came, span: &Span) -> Came {
        let (from, to) = (span.from, span.to);
        let step = Step {
            from,
            to,
            most: span.most(self.passable()),
            response: 0.0,
            usual: 0.0,
        };
        let mut done = Vec::new();
        let worked = self.jam.step(came, &step, &mut done);
        let mut left = Vec::new();
        self.jam
            .give_up(to, &span.patience, |level, requests| left.push((level, requests)));
        for (level, requests) in left {
            self.failed(requests, level.code, false, level.seconds);
        }
        if self.counts_cpu && worked > 0.0 {
            let work = self.config.traefik.proxy_cpu * worked / self.plant.proxies;
            let (sigmas, of_site) = (&self.present.solution.used_sigmas, &self.plant.of_site);
            for pod in self.pods.values_mut().filter(|pod| pod.role == Role::Proxy) {
                let sigma = pod.place.and_then(|place| sigmas.get(of_site[place]));
                pod.used += sigma.map_or(0.0, |sigma| work / sigma);
            }
        }
        let requests = done.iter().map(|some| some.requests).sum();
        let first = done.iter().map(|some| some.sent.0).fold(to, f64::min);
        let last = done
            .iter()
            .map(|some| some.sent.1)
            .fold(from.min(first), f64::max);
        Came {
            requests,
            sent: (first, last),
        }
    }

    /// Lets the servers of one node work on what they have and what is passed to them.
    fn work_off(&mut self, servers: &mut [Server], passed: Came, span: &Span) {
        let Some(place) = servers.first().map(|server| server.place) else {
            return;
        };
        let (from, to) = (span.from, span.to);
        let seconds = span.seconds();
        let group = self.plant.of_site[place];
        let response = self.present.solution.response;
        let each = 1.0 / self.plant.servers.max(1.0);
        let came = Came {
            requests: passed.requests * each,
            ..passed
        };
        // What clients of the closed loop take comes out of the same servers.
        let beside = self.present.served * each;
        let less = |most: f64, taken: f64| (most - taken).max(most * LEAST);
        let listed = servers.iter().filter(|server| server.listed).count() as f64;
        let mut claims: Vec<Claim> = Vec::with_capacity(servers.len());
        for server in &*servers {
            let alone = self.alone(server);
            let (coming, most) = match server.listed {
                true => (came.requests, less(alone, beside)),
                false => (0.0, alone),
            };
            claims.push(Claim {
                demand: ((server.line.work() + coming) / seconds).min(most),
                weight: physics::weight(server.cpu).unwrap_or(BEST_EFFORT_WEIGHT),
                share: 0.0,
            });
        }
        let room = self.plant.room(group, passed.requests / seconds);
        physics::divide(less(room, beside * listed), &mut claims);
        let (mut as_usual, mut done) = (0.0, Vec::new());
        for (server, claim) in servers.iter_mut().zip(claims) {
            if server.listed {
                server.response = response;
            }
            // Of a server that nobody sends to any more the present state says nothing: it ends what it has as before.
            let response = server.response;
            let came = if server.listed { came } else { Came::default() };
            let step = Step {
                from,
                to,
                most: span.most(claim.share),
                response,
                usual: (came.requests / seconds).min(claim.share) * response,
            };
            let worked = server.line.step(came, &step, &mut done);
            let tell = |level: Level, requests| self.failed(requests, level.code, true, level.seconds);
            server.line.give_up(to, &span.patience, tell);
            self.charge(server, group, worked);
            for some in done.drain(..) {
                let age = some.age();
                if !server.listed || age - response >= LATE.max(LATE_SHARE * response) {
                    let age = age.min(span.patience.longest());
                    let unheard = some.requests * span.patience.unheard_after(age);
                    if unheard > 0.0 {
                        self.unheard(unheard, age, false);
                    }
                    if some.requests > unheard {
                        self.served_late(some.requests - unheard, from, age);
                    }
                    continue;
                }
                as_usual += some.requests;
            }
        }
        let left = Arc::clone(&self.present.left);
        for (level, share) in span.patience.levels.iter().zip(&*left) {
            if as_usual * share > 0.0 {
                self.failed(as_usual * share, level.code, true, level.seconds);
            }
        }
        let unheard = as_usual * self.present.unheard;
        if unheard > 0.0 {
            self.unheard(unheard, response, true);
        }
        as_usual = (as_usual * (1.0 - left.iter().sum::<f64>()).max(0.0) - unheard).max(0.0);
        if as_usual > 0.0 {
            self.served(as_usual, from);
        }
    }

    /// Requests a second that a server answers at most, were it alone on its node.
    fn alone(&self, server: &Server) -> f64 {
        self.plant
            .pod_most(self.plant.of_site[server.place], server.cpu, self.before(server))
    }

    /// Requests that a server has before it at once. Of those that came within a step some are done before the others
    /// come: what is left to be done says it.
    fn before(&self, server: &Server) -> f64 {
        if self.present.congests {
            f64::INFINITY
        } else {
            server.line.work()
        }
    }

    /// Writes down the CPU time of what a server has worked on.
    fn charge(&mut self, server: &Server, group: usize, worked: f64) {
        if !self.counts_cpu || worked == 0.0 {
            return;
        }
        let felt = self.present.solution.used_sigmas.get(group).copied();
        let sigma = match felt {
            Some(felt) if !server.line.waits() => felt,
            _ => self.plant.threads(group, server.cpu, self.before(server)).1,
        };
        if let Some(pod) = self.pods.get_mut(&server.pod) {
            pod.used += self.plant.service_work * worked / sigma;
        }
    }
}
