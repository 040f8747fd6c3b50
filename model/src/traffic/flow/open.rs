//! Requests from outside: each node's servers have a line of their own.
//!
//! Round robin gives every pod the same share of arrivals whatever it has before it, so a slow node's line
//! grows while a fast node's is empty. A proxy that gets no CPU beside busy servers is a line before all
//! others. When a line is longer than a sender's patience, senders leave but their work stays: a server that
//! does not watch its connections answers nobody until its line is short again.

use super::Flow;
use crate::traffic::{Role, traefik};

/// The requests from outside on one node, servers and all.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Line {
    /// Requests whose sender still waits, those being answered among them.
    alive: f64,
    /// Work of requests whose sender has left, in requests. It came first and goes first.
    abandoned: f64,
    /// Requests that are here without anybody waiting for another: arrivals times the response time.
    usual: f64,
}

impl Line {
    pub(super) fn alive(&self) -> f64 {
        self.alive
    }

    /// What its servers have to work on.
    pub(super) fn held(&self) -> f64 {
        self.alive + self.abandoned
    }

    /// Whether it is longer than the rate of arrivals makes it.
    pub(super) fn waits(&self) -> bool {
        self.abandoned > 1e-9 || (self.alive - self.usual).abs() > 1e-9 * (1.0 + self.usual)
    }

    /// Takes a share of everything away, and says how many requests ended.
    pub(super) fn cut(&mut self, share: f64) -> f64 {
        self.abandoned *= 1.0 - share;
        let cut = self.alive * share;
        self.alive -= cut;
        cut
    }

    /// The senders of a share leave; their work stays.
    pub(super) fn abandon(&mut self, share: f64) -> f64 {
        let left = self.alive * share;
        self.alive -= left;
        self.abandoned += left;
        left
    }

    /// `arrived` requests come over some time, `most` can be answered in it.
    fn step(&mut self, arrived: f64, most: f64, usual: f64) -> Done {
        self.usual = usual;
        self.alive += arrived;
        let cleared = self.abandoned.min(most);
        self.abandoned -= cleared;
        let done = (self.alive - usual).clamp(0.0, (most - cleared).max(0.0));
        self.alive -= done;
        Done {
            answered: done,
            worked: cleared + done,
        }
    }
}

/// What servers have done over some time, in requests.
#[derive(Debug, Clone, Copy)]
struct Done {
    /// Those whose senders still waited.
    answered: f64,
    /// All of them.
    worked: f64,
}

impl Flow {
    /// Requests a second from outside that can be served for good.
    pub(super) fn open_most(&self) -> f64 {
        let slowest = self
            .plant
            .classes
            .iter()
            .map(|class| class.most * self.plant.servers);
        slowest.fold(self.plant.proxy_most(), f64::min)
    }

    /// The least time after which a sender or a proxy gives up, seconds, and what is counted then.
    pub(super) fn patience(&self) -> (f64, traefik::Code) {
        let senders = self
            .config
            .arrivals
            .iter()
            .filter_map(|arrivals| arrivals.timeout)
            .min();
        let sender = senders.map_or(f64::INFINITY, |timeout| timeout.as_secs_f64());
        let proxy = self
            .config
            .service
            .request_timeout
            .map_or(f64::INFINITY, |timeout| timeout.as_secs_f64());
        if proxy < sender {
            (proxy, traefik::GATEWAY_TIMEOUT)
        } else {
            (sender, traefik::CLIENT_CLOSED)
        }
    }

    pub(super) fn flow_open(&mut self, start: f64, seconds: f64) {
        let came = self.arrivals * seconds;
        self.stats.sent += came;
        if self.plant.servers == 0.0 && self.present.vanished == 0.0 {
            let code = self.refusal().unwrap_or(0);
            let all = came + std::mem::take(&mut self.jam);
            self.failed(all, code, false, 0.0);
            return self.finish_orphans(start);
        }
        let vanished = came * self.present.vanished;
        if vanished > 0.0 {
            self.hang(vanished, false);
        }
        let passable = if self.plant.servers > 0.0 {
            self.plant.proxy_most() * seconds
        } else {
            0.0
        };
        let passed = (self.jam + came - vanished).min(passable);
        self.jam += came - vanished - passed;
        let (patience, code) = self.patience();
        let most = self.plant.node_most();
        let response = self.present.solution.response;
        let jam_wait = self.jam / self.plant.proxy_most().max(1e-9);
        let mut worked = vec![0.0; self.site_nodes.len()];
        for place in 0..self.site_nodes.len() {
            let node = self.site_nodes[place];
            let servers = f64::from(crate::traffic::state::count(&self.state.sites[place].servers));
            if servers == 0.0 {
                continue;
            }
            let share = servers / self.plant.servers;
            // What clients of the closed loop take comes out of the same servers.
            let full = most[self.plant.of_site[place]];
            let most = (full - self.present.served * share).max(full * 0.02);
            let line = self.lines.entry(node).or_default();
            let arrived = passed * share;
            let usual = (arrived / seconds * response).min(most * response);
            let Done {
                answered: done,
                worked: all,
            } = line.step(arrived, most * seconds, usual);
            worked[place] = all;
            let wait = (line.abandoned + (line.alive - usual).max(0.0)) / most + jam_wait;
            let mut left = 0.0;
            if wait + response > patience {
                // Only those who came within their patience still wait.
                left = (line.alive - arrived / seconds * patience).max(0.0);
                line.alive -= left;
                line.abandoned += left;
            }
            if left > 0.0 {
                self.failed(left, code, true, patience);
            }
            if done > 0.0 {
                // Whoever is answered came within its patience, however long the line behind it is.
                self.served(done, start, wait.min((patience - response).max(0.0)));
            }
        }
        if jam_wait > patience {
            let left = (self.jam - self.arrivals * patience).max(0.0);
            self.jam -= left;
            self.failed(left, code, false, patience);
        }
        self.charge(passed, &worked);
        self.finish_orphans(start);
        let gone = |line: &super::Line| line.alive < 1e-12 && line.abandoned < 1e-12;
        self.lines.retain(|_, line| !gone(line));
    }

    /// Writes down the CPU time of requests from outside: proxies have passed some on, and each site's servers have
    /// worked on some, for whom somebody waits or not.
    fn charge(&mut self, passed: f64, worked: &[f64]) {
        if !self.counts_cpu {
            return;
        }
        let service = self.config.service.cpu_per_request.mean();
        let proxy = self.config.traefik.proxy_cpu * passed / self.plant.proxies;
        let of_site = |(place, &requests): (usize, &f64)| {
            let group = self.plant.of_site[place];
            let line = self.lines.get(&self.site_nodes[place]);
            let crowded = line.is_some_and(Line::waits).then(|| self.plant.crowded(group));
            let felt = self.present.solution.sigmas.get(group).copied();
            let servers = f64::from(crate::traffic::state::count(&self.state.sites[place].servers));
            let server = service * requests / servers.max(1.0);
            let felt = felt.unwrap_or(f64::INFINITY);
            (proxy / felt, server / crowded.unwrap_or(felt))
        };
        let times: Vec<(f64, f64)> = worked.iter().enumerate().map(of_site).collect();
        for pod in self.pods.values_mut() {
            let here = pod.place.and_then(|place| times.get(place));
            pod.used += here.map_or(0.0, |&(proxy, server)| match pod.role {
                Role::Client => 0.0,
                Role::Proxy => proxy,
                Role::Server => server,
            });
        }
    }

    /// Nodes whose servers left the configuration finish what they have.
    fn finish_orphans(&mut self, start: f64) {
        let served_here: Vec<bool> = self
            .state
            .sites
            .iter()
            .map(|site| crate::traffic::state::count(&site.servers) > 0)
            .collect();
        let mut done = 0.0;
        for (node, line) in &mut self.lines {
            let place = self.site_nodes.iter().position(|known| known == node);
            if !place.is_some_and(|place| served_here[place]) {
                done += std::mem::take(&mut line.alive);
                line.abandoned = 0.0;
            }
        }
        if done > 0.0 {
            self.served(done, start, 0.0);
        }
    }
}
