//! Which pods each proxy sends to, and since when it knows.
//!
//! A pod's readiness reaches the endpoints, the endpoints reach each Traefik, and Traefik applies a new
//! configuration at most once in `providersThrottleDuration`: `apply = max(event, last apply + 2 s)`, with
//! what the endpoints are then (traefik 2.10 pkg/provider/aggregator/aggregator.go). Each applied
//! configuration shuffles the servers and begins the round robin anew (pkg/server/service/service.go
//! `upsertServers`); it looks at nothing else, so a new pod gets its equal share from that moment, and a pod
//! that has gone keeps its share until then.

use std::collections::VecDeque;
use std::time::Duration;

use rand::RngExt;
use sim::{Instant, SortedMap, Stream, Streams};

use super::config::Traefik;
use super::traefik::{Counters, Profile};
use crate::id::PodId;

/// What the endpoints say of a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    /// Ready.
    Ready,
    /// Terminating, but its containers still serve.
    Fenced,
    /// Not there.
    Absent,
}

/// A Traefik process.
#[derive(Debug, Clone)]
pub(super) struct Proxy {
    pub(super) pod: PodId,
    pub(super) running: bool,
    /// The Service in front of the proxies sends to this one.
    pub(super) ready: bool,
    pub(super) counters: Counters,
    /// The servers in the order of the round robin.
    pub(super) servers: Vec<PodId>,
    /// The same in the order of their ids.
    pub(super) sorted: Vec<PodId>,
    cursor: usize,
    /// The service is in the configuration.
    has_service: bool,
    last_apply: Option<Instant>,
    apply_at: Option<Instant>,
    shuffle: Stream,
}

/// Where a proxy sends a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pick {
    /// To this pod.
    Server(PodId),
    /// Nowhere: the pool is empty (503).
    Unavailable,
    /// Nowhere: there is no such route (404).
    NoRoute,
}

/// The endpoints and the proxies that follow them.
#[derive(Debug, Clone)]
pub(super) struct Pool {
    endpoint_delay: Duration,
    throttle: Duration,
    settled: Instant,
    allow_empty: bool,
    fences: bool,
    /// Something leads to the service.
    routed: bool,
    streams: Streams,
    published: SortedMap<PodId, Presence>,
    /// Changes on their way to the proxies.
    changes: VecDeque<(Instant, PodId, Presence)>,
    pub(super) proxies: Vec<Proxy>,
}

impl Pool {
    pub(super) fn new(config: &Traefik, streams: Streams) -> Self {
        Pool {
            endpoint_delay: config.endpoint_delay,
            throttle: config.throttle,
            settled: Instant::ZERO + config.settling,
            allow_empty: config.allow_empty_services,
            fences: Profile::of(config.version).fences_terminating,
            routed: true,
            streams,
            published: SortedMap::new(),
            changes: VecDeque::new(),
            proxies: Vec::new(),
        }
    }

    /// A proxy's process starts: its counters are new, and it reads the endpoints before it serves.
    pub(super) fn proxy_running(&mut self, pod: PodId) {
        let place = self.place_of(pod).unwrap_or(self.proxies.len());
        let proxy = Proxy {
            pod,
            running: true,
            ready: false,
            counters: Counters::default(),
            servers: Vec::new(),
            sorted: Vec::new(),
            cursor: 0,
            has_service: false,
            last_apply: None,
            apply_at: None,
            shuffle: self.streams.stream("traffic/shuffle", u64::from(pod.0)),
        };
        if place == self.proxies.len() {
            self.proxies.push(proxy);
        } else {
            self.proxies[place] = proxy;
        }
        self.apply(place, None);
    }

    pub(super) fn place_of(&self, pod: PodId) -> Option<usize> {
        self.proxies.iter().position(|proxy| proxy.pod == pod)
    }

    pub(super) fn proxy_ready(&mut self, pod: PodId, ready: bool) {
        if let Some(place) = self.place_of(pod) {
            self.proxies[place].ready = ready;
        }
    }

    pub(super) fn proxy_stopped(&mut self, pod: PodId) {
        if let Some(place) = self.place_of(pod) {
            let proxy = &mut self.proxies[place];
            (proxy.running, proxy.ready) = (false, false);
            proxy.apply_at = None;
        }
    }

    /// The endpoints controller hears of a server's change.
    pub(super) fn endpoint(&mut self, now: Instant, pod: PodId, presence: Presence) {
        let presence = match presence {
            Presence::Fenced if !self.fences => Presence::Absent,
            other => other,
        };
        self.changes.push_back((now + self.endpoint_delay, pod, presence));
    }

    /// The proxies hear that something leads to the service, or nothing any more. They watch Ingresses and Services
    /// themselves, and skip a route whose Service is not there, whatever they do about empty ones
    /// (traefik 2.10 pkg/provider/kubernetes/ingress/kubernetes.go `loadService`,
    /// pkg/provider/kubernetes/crd/kubernetes_http.go `nameAndService`).
    pub(super) fn route(&mut self, now: Instant, routed: bool) {
        if self.routed != routed {
            self.routed = routed;
            let throttle = self.throttle;
            self.proxies
                .iter_mut()
                .for_each(|proxy| proxy.hear(now, throttle));
        }
    }

    /// When something here is due next.
    pub(super) fn next_due(&self) -> Instant {
        let change = self.changes.front().map(|&(due, ..)| due);
        let apply = self.proxies.iter().filter_map(|proxy| proxy.apply_at).min();
        change.into_iter().chain(apply).min().unwrap_or(Instant::MAX)
    }

    /// Does what is due at `now`; true if a proxy has a new configuration.
    pub(super) fn step(&mut self, now: Instant) -> bool {
        let mut heard = false;
        while let Some(&(_, pod, presence)) = self.changes.front().filter(|&&(due, ..)| due <= now) {
            self.changes.pop_front();
            let before = match presence {
                Presence::Absent => self.published.remove(&pod),
                present => self.published.insert(pod, present),
            };
            heard |= before.unwrap_or(Presence::Absent) != presence;
        }
        let mut applied = false;
        for place in 0..self.proxies.len() {
            let proxy = &mut self.proxies[place];
            if heard {
                proxy.hear(
                    now,
                    if now < self.settled {
                        Duration::ZERO
                    } else {
                        self.throttle
                    },
                );
            }
            if proxy.apply_at.is_some_and(|due| due <= now) {
                self.apply(place, Some(now));
                applied = true;
            }
        }
        applied
    }

    fn apply(&mut self, place: usize, at: Option<Instant>) {
        let proxy = &mut self.proxies[place];
        proxy.apply_at = None;
        proxy.last_apply = at;
        proxy.cursor = 0;
        let ready = self
            .published
            .iter()
            .filter(|&(_, &presence)| self.routed && presence == Presence::Ready);
        proxy.sorted.clear();
        proxy.sorted.extend(ready.map(|(&pod, _)| pod));
        proxy.servers.clone_from(&proxy.sorted);
        for i in (1..proxy.servers.len()).rev() {
            let j = proxy.shuffle.random_range(0..=i);
            proxy.servers.swap(i, j);
        }
        let had_service = proxy.has_service;
        proxy.has_service = self.routed && (self.allow_empty || !self.published.is_empty());
        proxy.counters.service_absent = had_service && !proxy.has_service;
        proxy.counters.reloads += 1.0;
    }

    /// Whether some proxy has it among its servers.
    pub(super) fn sends_to(&self, server: PodId) -> bool {
        let has = |proxy: &Proxy| proxy.sorted.binary_search(&server).is_ok();
        self.proxies.iter().any(has)
    }
}

impl Proxy {
    /// Whether requests come to it.
    pub(super) fn is_up(&self) -> bool {
        self.running && self.ready
    }

    /// It will apply what has changed as soon as it may.
    fn hear(&mut self, now: Instant, throttle: Duration) {
        if self.running && self.apply_at.is_none() {
            let free = self.last_apply.map_or(Instant::ZERO, |last| last + throttle);
            self.apply_at = Some(free.max(now));
        }
    }

    /// The next server of the round robin.
    pub(super) fn pick(&mut self) -> Pick {
        if self.servers.is_empty() {
            return self.refusal();
        }
        let server = self.servers[self.cursor];
        self.cursor = (self.cursor + 1) % self.servers.len();
        Pick::Server(server)
    }

    /// What it says when there is no server.
    pub(super) fn refusal(&self) -> Pick {
        if self.has_service {
            Pick::Unavailable
        } else {
            Pick::NoRoute
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::release::Release;

    fn pool(config: &Traefik) -> Pool {
        let mut pool = Pool::new(config, Streams::new(1));
        pool.proxy_running(PodId(0));
        pool.proxy_ready(PodId(0), true);
        pool
    }

    /// Steps through everything due until `until`; when configurations were applied, in milliseconds.
    fn applied(pool: &mut Pool, until: u64) -> Vec<u64> {
        let mut times = Vec::new();
        while pool.next_due() <= Instant::from_millis(until) {
            let now = pool.next_due();
            if pool.step(now) {
                times.push(now.as_millis());
            }
        }
        times
    }

    #[test]
    fn what_runs_at_the_start_is_known_at_once() {
        let mut pool = pool(&Traefik {
            settling: Duration::from_secs(5),
            ..Traefik::default()
        });
        for (at, pod) in [(1000, 1), (1010, 2), (6000, 3), (6010, 4)] {
            pool.endpoint(Instant::from_millis(at), PodId(pod), Presence::Ready);
        }
        assert_eq!(applied(&mut pool, 9000), [1100, 1110, 6100, 8100]);
    }

    #[test]
    fn the_first_change_applies_at_once_and_the_rest_together() {
        let mut pool = pool(&Traefik::default());
        for (at, pod) in [(1000, 1), (1200, 2), (1300, 3), (8000, 4)] {
            pool.endpoint(Instant::from_millis(at), PodId(pod), Presence::Ready);
        }
        assert_eq!(applied(&mut pool, 20_000), [1100, 3100, 8100]);
        let mut servers = pool.proxies[0].servers.clone();
        servers.sort_unstable();
        assert_eq!(servers, [PodId(1), PodId(2), PodId(3), PodId(4)]);
    }

    #[test]
    fn no_change_no_configuration() {
        let mut pool = pool(&Traefik::default());
        pool.endpoint(Instant::ZERO, PodId(1), Presence::Ready);
        pool.endpoint(Instant::from_secs(5), PodId(1), Presence::Ready);
        assert_eq!(applied(&mut pool, 20_000), [100]);
    }

    #[test]
    fn an_empty_pool_is_404_or_503() {
        let empty = |config: &Traefik| {
            let mut pool = pool(config);
            pool.endpoint(Instant::ZERO, PodId(1), Presence::Ready);
            pool.endpoint(Instant::from_secs(5), PodId(1), Presence::Absent);
            applied(&mut pool, 4000);
            let before = pool.proxies[0].pick();
            applied(&mut pool, 20_000);
            (before, pool.proxies[0].pick())
        };
        let server = Pick::Server(PodId(1));
        assert_eq!(empty(&Traefik::default()), (server, Pick::NoRoute));
        let allow_empty_services = true;
        assert_eq!(
            empty(&Traefik {
                allow_empty_services,
                ..Traefik::default()
            }),
            (server, Pick::Unavailable)
        );
    }

    #[test]
    fn without_a_route_there_is_404_whatever_the_endpoints() {
        let mut pool = pool(&Traefik {
            allow_empty_services: true,
            ..Traefik::default()
        });
        pool.endpoint(Instant::ZERO, PodId(1), Presence::Ready);
        applied(&mut pool, 4000);
        pool.route(Instant::from_secs(5), false);
        assert_eq!(applied(&mut pool, 8000), [5000], "Traefik watches routes itself");
        assert_eq!(pool.proxies[0].pick(), Pick::NoRoute);
        pool.route(Instant::from_secs(9), true);
        applied(&mut pool, 20_000);
        assert_eq!(pool.proxies[0].pick(), Pick::Server(PodId(1)));
    }

    #[test]
    fn terminating_servers_are_fenced_from_3_3_on() {
        let after = |version| {
            let mut pool = pool(&Traefik {
                version,
                ..Traefik::default()
            });
            pool.endpoint(Instant::ZERO, PodId(1), Presence::Ready);
            pool.endpoint(Instant::from_secs(5), PodId(1), Presence::Fenced);
            applied(&mut pool, 20_000);
            pool.proxies[0].pick()
        };
        assert_eq!(after(Release::new(2, 10, 0)), Pick::NoRoute);
        assert_eq!(after(Release::new(3, 3, 0)), Pick::Unavailable);
    }

    #[test]
    fn each_server_once_in_a_round() {
        let mut pool = pool(&Traefik::default());
        (1..=5).for_each(|pod| pool.endpoint(Instant::ZERO, PodId(pod), Presence::Ready));
        applied(&mut pool, 1000);
        let mut round: Vec<Pick> = (0..5).map(|_| pool.proxies[0].pick()).collect();
        round.sort_unstable_by_key(|pick| match pick {
            Pick::Server(pod) => pod.0,
            _ => 0,
        });
        assert_eq!(round, [1, 2, 3, 4, 5].map(|pod| Pick::Server(PodId(pod))));
    }
}
