//! What comes and goes: nodes, pods, readiness.
//!
//! Whatever ends takes its share of what is under way with it: a client's requests are cancelled, a server's
//! connections break off, a proxy's are never counted.

use sim::Instant;

use super::{Ended, Flow, Pod};
use crate::id::{NodeId, PodId};
use crate::traffic::config::{Machine, PodCpu};
use crate::traffic::pool::Presence;
use crate::traffic::{Role, traefik};

impl Flow {
    pub(in crate::traffic) fn node_up(&mut self, node: NodeId, machine: Machine) {
        self.nodes.insert(node, machine);
        self.stale_state = true;
    }

    /// Nobody says that the node's servers are gone: they stay configured, and requests to them hang, until they
    /// are no longer Ready or deleted.
    pub(in crate::traffic) fn node_gone(&mut self, node: NodeId) {
        let here = |(_, pod): &(&PodId, &Pod)| pod.node == node;
        let lost: Vec<PodId> = self.pods.iter().filter(here).map(|(&id, _)| id).collect();
        lost.into_iter().for_each(|pod| self.containers_end(pod));
        self.nodes.remove(&node);
        self.stale_state = true;
    }

    pub(in crate::traffic) fn pod_running(&mut self, id: PodId, role: Role, node: NodeId, cpu: PodCpu) {
        if self.pods.contains_key(&id) || !self.nodes.contains_key(&node) {
            return;
        }
        self.accrue();
        let used = self.ended.remove(&id).map_or(0.0, |before| before.used);
        self.pods.insert(
            id,
            Pod {
                role,
                node,
                cpu,
                used,
                rate: 0.0,
                place: None,
                listens: Instant::ZERO,
            },
        );
        match role {
            Role::Client => self.stats.clients += 1,
            Role::Proxy => self.pool.proxy_running(id),
            Role::Server => {}
        }
        self.changed(id, role);
    }

    pub(in crate::traffic) fn pod_listens(&mut self, id: PodId, from: Instant) {
        if let Some(pod) = self.pods.get_mut(&id) {
            pod.listens = from;
            self.stale_state = true;
        }
    }

    /// A server that no proxy sends to changes nothing by coming or going: the state would be built, and rates solved,
    /// to be the same.
    fn changed(&mut self, id: PodId, role: Role) {
        if role != Role::Server || self.pool.sends_to(id) {
            self.stale_state = true;
        } else if !self.stale_state {
            self.is_new_state();
        }
    }

    pub(in crate::traffic) fn pod_ready(&mut self, id: PodId, ready: bool) {
        match self.known(id).map(|(role, _)| role) {
            Some(Role::Proxy) => {
                self.pool.proxy_ready(id, ready);
                self.stale_state = true;
            }
            Some(Role::Server) => {
                self.pool.endpoint(
                    self.now,
                    id,
                    if ready { Presence::Ready } else { Presence::Absent },
                );
            }
            Some(Role::Client) | None => {}
        }
    }

    pub(in crate::traffic) fn pod_deleting(&mut self, id: PodId) {
        match self.known(id) {
            Some((Role::Proxy, _)) => {
                self.pool.proxy_ready(id, false);
                self.stale_state = true;
            }
            Some((Role::Server, true)) => self.pool.endpoint(self.now, id, Presence::Fenced),
            Some((Role::Server, false)) => self.pool.endpoint(self.now, id, Presence::Absent),
            Some((Role::Client, _)) | None => {}
        }
    }

    pub(in crate::traffic) fn pod_stopped(&mut self, id: PodId) {
        if self.known(id).is_some_and(|(role, _)| role == Role::Server) {
            self.pool.endpoint(self.now, id, Presence::Absent);
        }
        self.containers_end(id);
    }

    pub(in crate::traffic) fn routed(&mut self, routed: bool) {
        self.pool.route(self.now, routed);
    }

    /// What a pod does or did here, and whether its containers run.
    fn known(&self, id: PodId) -> Option<(Role, bool)> {
        let running = self.pods.get(&id).map(|pod| (pod.role, true));
        running.or_else(|| self.ended.get(&id).map(|pod| (pod.role, false)))
    }

    fn containers_end(&mut self, id: PodId) {
        let Some(pod) = self.pods.get(&id) else {
            return;
        };
        let role = pod.role;
        self.accrue();
        match role {
            Role::Client => self.client_stopped(),
            Role::Proxy => self.proxy_stopped(id),
            Role::Server => self.server_stopped(id),
        }
        if let Some(Pod { role, used, .. }) = self.pods.remove(&id) {
            self.ended.insert(id, Ended { role, used });
        }
        self.changed(id, role);
    }

    /// One client's share of what is under way ends with it.
    fn client_stopped(&mut self) {
        let share = 1.0 / f64::from(self.stats.clients);
        self.stats.clients -= 1;
        let cut = self.flying * share;
        self.flying -= cut;
        self.failed(cut, traefik::CLIENT_CLOSED, true, self.present.solution.response);
        let mut closed = 0.0;
        for lump in self.hanging.iter_mut().filter(|lump| lump.closed) {
            closed += lump.requests * share;
            lump.requests *= 1.0 - share;
        }
        self.failed(closed, traefik::CLIENT_CLOSED, true, 0.0);
    }

    fn server_stopped(&mut self, id: PodId) {
        if self.pool.sends_to(id) && self.plant.servers > 0.0 {
            let cut = self.flying / self.plant.servers;
            self.plant.servers -= 1.0;
            self.flying -= cut;
            self.failed(cut, traefik::BAD_GATEWAY, true, self.present.solution.response);
        }
        if let Some(place) = self.servers.iter().position(|server| server.pod == id) {
            let cut = self.servers.remove(place).line.alive();
            self.failed(cut, traefik::BAD_GATEWAY, true, 0.0);
        }
    }

    /// What a proxy had under way ends without being counted.
    fn proxy_stopped(&mut self, id: PodId) {
        let up = self.counting();
        let counts = self
            .pool
            .proxies
            .iter()
            .any(|proxy| proxy.pod == id && proxy.is_up());
        self.pool.proxy_stopped(id);
        if counts {
            let share = 1.0 / up as f64;
            let mut cut = self.flying * share + self.jam.cut(share);
            self.flying *= 1.0 - share;
            let lines = self.servers.iter_mut().map(|server| &mut server.line);
            cut += lines.map(|line| line.abandon(share)).sum::<f64>();
            for lump in &mut self.hanging {
                cut += lump.requests * share;
                lump.requests *= 1.0 - share;
            }
            self.stats.failed += cut;
        }
    }
}
