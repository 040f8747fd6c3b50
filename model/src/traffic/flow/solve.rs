//! What happens at present, of what is there: rates, response times, and what pods use.

use std::sync::Arc;
use std::time::Duration;

use sim::Instant;

use super::plant::{MOST_FULL, SERVES, Solution};
use super::{BRIEF, Convoy, Flow, Mark, Present, tails};
use crate::traffic::arrivals::Source;
use crate::traffic::pool::Pick;
use crate::traffic::probe::{Aspect, HOLDS_UP};
use crate::traffic::state::{State, count};
use crate::traffic::traefik::{self, Code};
use crate::traffic::{Role, state::Site};

impl Flow {
    pub(super) fn solve(&mut self) {
        self.accrue();
        let active = self.active();
        let share = if self.plant.loops > 0.0 {
            active / self.plant.loops
        } else {
            0.0
        };
        let most = self.plant.open_most();
        let open = self.arrivals.min(most * MOST_FULL);
        let slack = if open > 0.0 { 1.0 - open / most } else { 1.0 };
        // Steps: nearby rates share a probe.
        let arrivals = match open {
            0.0 => 0.0,
            _ if slack < 0.2 => most * (1.0 - in_steps(slack, 0.1)),
            _ => in_steps(open, 0.02),
        };
        if self.state.arrivals != arrivals {
            let mut state = State::clone(&self.state);
            state.arrivals = arrivals;
            state.shares = self.shares();
            self.state = Arc::new(state);
            self.is_new_state();
        }
        let mut solution = if share == 1.0 && open == 0.0 && self.plant.serves() {
            let solutions = &self.probes.solutions;
            solutions.of(&self.state, || self.plant.solve(share, open))
        } else {
            self.plant.solve_open(share, open)
        };
        if open > 0.0 {
            // As long as nobody waits in line.
            solution.response = solution.response.min(self.plant.most_inside() / open);
        }
        let Present { vanished, deaf, .. } = self.present;
        let clients = self.config.clients.as_ref();
        let alone = clients
            .map_or(1.0, |c| c.think_time.mean() + c.cycle_delay.mean() + c.client_cpu)
            .max(1e-4);
        let mut present = Present {
            served: solution.rate,
            mark: Mark {
                response: solution.response,
                uneven: solution.uneven,
                slack,
                two_stable: false,
                convoy: false,
            },
            vanished,
            deaf,
            solution,
            ..Present::default()
        };
        present.sends = active / alone;
        if vanished < 1.0 {
            present.sends = present.sends.min(present.served / (1.0 - vanished));
        }
        if self.plant.servers == 0.0 && vanished == 0.0 {
            // Refused at once, or nobody there to refuse.
            present.failed = (active / alone).min(self.plant.refused_most());
            present.failure = self.refusal().unwrap_or(0);
            present.at_server = deaf > 0.0;
        } else if deaf > 0.0 {
            // Those that are refused ask again at once.
            present.failed = present.served * deaf / (1.0 - deaf - vanished).max(deaf);
            (present.failure, present.at_server) = (traefik::BAD_GATEWAY, true);
        }
        let congestible = open > self.plant.congested_most();
        let timeout = tails::may_time_out(&self.config, present.solution.response);
        let may_fail = self.plant.loops > 0.0 && timeout.is_some();
        let convoys = self.plant.convoys(&present.solution);
        let needs_probe = may_fail || convoys;
        // A line stays where it is as long as its pod does and it can.
        let stays = |convoy: &Convoy| convoys && self.state.arrivals == 0.0 && self.plant.has(convoy.kind);
        present.convoy = self.present.convoy.filter(stays);
        present.convoys_since = convoys.then(|| self.present.convoys_since.unwrap_or(self.now));
        let probed_from = self.state_since + BRIEF;
        let lasts = self.now >= probed_from;
        let (left, unheard, may_leave) = self.leaving(present.mark, lasts);
        (present.left, present.unheard) = (left.into(), unheard);
        self.probe_at = if (congestible || needs_probe || may_leave) && !lasts {
            probed_from
        } else {
            Instant::MAX
        };
        if congestible && lasts {
            let aspect = Aspect::Rates {
                crowded: false,
                convoys: false,
            };
            let finding = self.probes.look(&self.config, &self.state, aspect);
            present.mark.two_stable = true;
            present.congests = finding.throughput < SERVES * finding.sent;
        }
        if needs_probe && lasts {
            self.take_from_probe(&mut present, active, convoys);
        } else if let Some(convoy) = present.convoy {
            present.served = present.served.min(convoy.pace * self.plant.servers);
            make(&mut present, active);
        }
        present.mark.convoy = present.convoy.is_some();
        if present.stuck == 0.0 {
            self.waits_behind(&mut present, active);
        }
        self.present = present;
        self.set_cpu_rates();
    }

    /// Which share of what comes each source sends, in twentieths; none if there is but one.
    fn shares(&self) -> Vec<u8> {
        if self.sources.len() < 2 || self.arrivals == 0.0 {
            return Vec::new();
        }
        let twentieths = |source: &Source| libm::round(source.mean() / self.arrivals * 20.0) as u8;
        self.sources.iter().map(twentieths).collect()
    }

    /// Takes what so many loops make from a probe, where no closed form says it.
    fn take_from_probe(&mut self, present: &mut Present, active: f64, convoys: bool) {
        let look = |crowded| {
            self.probes
                .look(&self.config, &self.state, Aspect::Rates { crowded, convoys })
        };
        let timeout = tails::may_time_out(&self.config, present.solution.response);
        let mut share = active / self.plant.loops;
        let free = present.solution.rate / share.max(1e-9);
        let may_stand = convoys && self.state.arrivals == 0.0;
        // With a line from before, what would be without one is known well enough.
        let stood = present.convoy.take().is_some();
        let mut finding = look(stood && timeout.is_none());
        present.mark.two_stable |= finding.unsettled() || (stood && finding.is_apart_from(free));
        if timeout.is_some() || may_stand {
            // Work for nobody may hold pods up for good, once there is much of it; and so may a line before one of them.
            let crowded = look(true);
            present.mark.two_stable |= crowded.unsettled() || crowded.apart(&finding);
            let before = &self.present;
            let collapsed = before.server_cpu.is_some() && before.failed > COLLAPSED * before.served;
            let holds = may_stand && crowded.throughput < HOLDS_UP * free;
            // A line that formed by itself, in most draws.
            let forms = finding.throughput < (crowded.throughput + free) / 2.0;
            if holds && forms && !stood && timeout.is_none() {
                let since = present.convoys_since.unwrap_or(self.now);
                let from = since + Duration::from_secs_f64(finding.forming);
                if self.now < from {
                    self.probe_at = self.probe_at.min(from);
                    return;
                }
            }
            if collapsed || (holds && (stood || (forms && finding.unsettled()))) {
                finding = crowded;
            }
            let kind = self.plant.slowest_kind(&present.solution);
            present.convoy = kind.filter(|_| holds && (stood || forms)).map(|kind| Convoy {
                pace: finding.throughput / self.plant.servers,
                kind,
            });
            if present.convoy.is_some() {
                // It sets the pace whoever is missing in it.
                share = (present.solution.rate / finding.throughput.max(1e-9)).min(1.0);
            }
        }
        let closed = (finding.throughput - self.state.arrivals).max(0.0);
        present.served = closed * share;
        present.failed = finding.failures * share;
        make(present, active);
        let solution = &mut present.solution;
        if let Some(timeout) = timeout.filter(|_| present.failed > 0.0) {
            let held = present.served * solution.response.min(timeout) + present.failed * timeout;
            present.under_way = Some(held.min(active));
        }
        // What comes from outside is charged as it is worked on; the rest is the clients', answered or not.
        let outside = finding.throughput.min(self.state.arrivals) * self.service_cpu(solution);
        present.server_cpu = Some((finding.server_cpu - outside).max(0.0) * share);
        present.failure = self
            .giving_up()
            .map_or(traefik::GATEWAY_TIMEOUT, |(code, _)| code);
        present.at_server = true;
        if present.failed > COLLAPSED * present.served {
            self.collapses(present, finding.server_cpu * share);
        }
    }

    /// What a request from outside uses of a server's CPU where nobody waits in line, vCPU-seconds on average.
    pub(super) fn service_cpu(&self, solution: &Solution) -> f64 {
        let of_site = |(site, &group): (&Site, &usize)| {
            let sigma = solution.used_sigmas.get(group).copied().unwrap_or(f64::INFINITY);
            f64::from(count(&site.servers)) * self.plant.service_work / sigma
        };
        let sites = self.state.sites.iter().zip(&self.plant.of_site);
        sites.map(of_site).sum::<f64>() / self.plant.servers.max(1.0)
    }

    /// What a proxy without servers that listen says; `None` without a proxy.
    pub(super) fn refusal(&self) -> Option<Code> {
        let proxy = self.pool.proxies.iter().find(|proxy| proxy.is_up())?;
        Some(match proxy.refusal() {
            _ if self.present.deaf > 0.0 => traefik::BAD_GATEWAY,
            Pick::NoRoute => traefik::NO_ROUTE,
            Pick::Unavailable | Pick::Server(_) => traefik::UNAVAILABLE,
        })
    }

    /// What clients' requests make pods use; those from outside are charged as they are worked on.
    fn set_cpu_rates(&mut self) {
        if !self.counts_cpu {
            return;
        }
        let Present { served, failed, .. } = self.present;
        let probed = self.present.server_cpu.is_some();
        let passed = if probed { served + failed } else { served };
        let solution = &self.present.solution;
        let clients = self.config.clients.as_ref();
        let client = clients.map_or(0.0, |clients| clients.client_cpu);
        let sites = &self.state.sites;
        let proxies: u32 = sites.iter().map(|site| count(&site.proxies)).sum();
        let proxy = self.config.traefik.proxy_cpu * passed / f64::from(proxies.max(1));
        let server = self.plant.service_work * served / self.plant.servers;
        // vCPU of each pod of a site, by role.
        let of_site = |(site, &group): (&Site, &usize)| {
            let sigma = solution.used_sigmas.get(group).copied().unwrap_or(f64::INFINITY);
            let here = f64::from(count(&site.clients)).max(1.0);
            let rate = solution.client_rates.get(group).copied().unwrap_or(0.0);
            let servers = match self.present.server_cpu {
                Some(found) => found / self.plant.servers,
                None => server / sigma,
            };
            [client * rate / here / sigma, proxy / sigma, servers]
        };
        let rates: Vec<[f64; 3]> = sites.iter().zip(&self.plant.of_site).map(of_site).collect();
        for pod in self.pods.values_mut() {
            let here = pod.place.and_then(|place| rates.get(place));
            pod.rate = here.map_or(0.0, |[client, proxy, server]| match pod.role {
                Role::Client => *client,
                Role::Proxy => *proxy,
                Role::Server => *server,
            });
        }
    }
}

/// Clients make what is served and failed in place of what the closed form says.
fn make(present: &mut Present, active: f64) {
    let solution = &mut present.solution;
    let away = active / solution.rate.max(1e-9) - solution.response;
    // Those that end unanswered were prepared and passed on like the others.
    let ended = present.served + present.failed;
    let made = ended / solution.rate.max(1e-9);
    solution.client_rates.iter_mut().for_each(|rate| *rate *= made);
    if present.served > 0.0 {
        solution.response = (active / ended - away).max(solution.response);
        present.mark.response = solution.response;
    }
}

/// Where more than this share of the clients' requests fails, pods have work for nobody before them.
const COLLAPSED: f64 = 0.05;

/// The nearest of numbers that are apart by this, in logarithms.
fn in_steps(number: f64, step: f64) -> f64 {
    libm::exp(libm::round(libm::log(number) / step) * step)
}
