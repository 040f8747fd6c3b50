//! Every request an event: the judge of the flow form.
//!
//! A client loop sleeps, prepares (CPU on its node), and sends; a proxy passes the request on (CPU on its
//! node) to the next server of its round robin; the server works (CPU under its quota, then perhaps a GPU);
//! the answer ends the cycle. CPU comes from [`node::Node`], which divides each node's threads by cgroup
//! weight. The nodes have their own due times beside the agenda, since each change of a node moves them.
//!
//! Work on a request whose client or proxy has given up goes on to its end, as it does in a server that
//! does not watch its connection: PHP under Apache notices when it next writes, a Go handler if it asks its
//! context. What a server has in line has no bound (Apache's is its workers and a backlog of 511). A request to a
//! pod that has gone hangs, since nobody refuses it.

mod due;
mod flight;
mod node;
mod quota;

use std::collections::VecDeque;
use std::time::Duration;

use rand::RngExt;
use sim::{Agenda, Instant, SortedMap, Stream, Streams};

use self::due::Due;
use self::flight::Request;
use self::node::{BEST_EFFORT, Node, Task};
use super::arrivals::Source;
use super::config::{Config, Machine, PodCpu};
use super::latency::Histogram;
use super::pool::{Pool, Presence};
use super::{LATENCY_INTERVAL, Role, Sample, Stats, physics};
use crate::id::{NodeId, PodId};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    /// A loop has slept.
    Wake(u32),
    /// A request from outside.
    Arrive(u32),
    /// A sender's patience ends.
    ClientTimeout(Ticket),
    /// The proxy's patience ends.
    ProxyTimeout(Ticket),
    /// The connection to a vanished pod ends.
    HangOver(Ticket),
    /// A GPU has done its part.
    GpuDone(Ticket),
}

/// A request that may have ended: the slot with its generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ticket {
    request: u32,
    generation: u32,
}

#[derive(Debug, Clone)]
struct PodSlot {
    role: Role,
    /// Its place among the nodes.
    node: u32,
    /// Its place among the node's groups.
    group: usize,
    alive: bool,
    /// It listens from then on.
    listens: Instant,
    /// vCPU-seconds of finished tasks.
    cpu: f64,
    /// Requests that this server works on.
    busy: u32,
    /// Requests in line for it.
    line: VecDeque<u32>,
    gpu_busy: u32,
    gpu_line: VecDeque<u32>,
}

#[derive(Debug, Clone, Copy)]
struct ClientLoop {
    pod: u32,
    alive: bool,
    request: Option<u32>,
}

const NOBODY: u32 = u32::MAX;

/// The request-level engine.
#[derive(Debug, Clone)]
pub(super) struct Requests {
    config: Config,
    streams: Streams,
    now: Instant,
    agenda: Agenda<Event>,
    due: Due,
    pool: Pool,
    nodes: Vec<Option<Node>>,
    node_places: SortedMap<NodeId, u32>,
    pods: Vec<PodSlot>,
    /// Slot by pod id.
    slots: Vec<u32>,
    loops: Vec<ClientLoop>,
    requests: Vec<Request>,
    free_requests: Vec<u32>,
    sources: Vec<Source>,
    service_work: Stream,
    thinking: Stream,
    proxy_choice: Stream,
    hanging: Stream,
    stats: Stats,
    latencies: Vec<Histogram>,
    /// Answers that came to senders who had left.
    unheard: f64,
    /// How long the proxies took over what was answered, where somebody wants to know that.
    at_proxy: Option<Histogram>,
    done: Vec<(Task, f64)>,
    /// Nodes whose plan is out of date.
    stale: Vec<u32>,
}

impl Requests {
    pub(super) fn new(config: Config, streams: Streams) -> Self {
        let sources = Source::all(&config.arrivals, streams);
        let mut engine = Requests {
            pool: Pool::new(&config.traefik, streams),
            streams,
            now: Instant::ZERO,
            agenda: Agenda::new(),
            due: Due::new(),
            nodes: Vec::new(),
            node_places: SortedMap::new(),
            pods: Vec::new(),
            slots: Vec::new(),
            loops: Vec::new(),
            requests: Vec::new(),
            free_requests: Vec::new(),
            sources,
            service_work: streams.stream("traffic/service-work", 0),
            thinking: streams.stream("traffic/thinking", 0),
            proxy_choice: streams.stream("traffic/proxy-choice", 0),
            hanging: streams.stream("traffic/hanging", 0),
            stats: Stats::default(),
            latencies: Vec::new(),
            unheard: 0.0,
            at_proxy: None,
            done: Vec::new(),
            stale: Vec::new(),
            config,
        };
        (0..engine.sources.len()).for_each(|source| engine.expect_arrival(source as u32, 0.0));
        engine
    }

    pub(super) fn advance(&mut self, to: Instant) {
        // Requests do not change what the proxies know: only a step of the pool moves its next one.
        let mut pool = self.pool.next_due();
        loop {
            let node = self.due.first();
            let event = self.agenda.next_due().unwrap_or(Instant::MAX);
            let next = node.min(event).min(pool);
            if next > to || next == Instant::MAX {
                break;
            }
            self.now = next;
            if pool == next {
                self.pool.step(next);
                pool = self.pool.next_due();
            } else if node == next {
                self.touch(self.due.first_place() as u32);
            } else if let Some((_, event)) = self.agenda.pop() {
                self.deliver(event);
            }
            self.settle();
        }
        self.now = self.now.max(to);
    }

    fn deliver(&mut self, event: Event) {
        match event {
            Event::Wake(place) => self.wake(place),
            Event::Arrive(source) => self.arrive(source),
            Event::ClientTimeout(ticket) => self.client_gives_up(ticket),
            Event::ProxyTimeout(ticket) => self.proxy_gives_up(ticket),
            Event::HangOver(ticket) => self.hang_over(ticket),
            Event::GpuDone(ticket) => self.gpu_done(ticket),
        }
    }

    /// Brings a node to the present; it will be planned anew.
    fn touch(&mut self, place: u32) -> Option<&mut Node> {
        let node = self.nodes[place as usize].as_mut()?;
        node.advance(self.now, &mut self.done);
        if !std::mem::replace(&mut node.is_stale, true) {
            self.stale.push(place);
        }
        Some(node)
    }

    /// Follows what is done until nothing more follows, then plans the nodes it touched.
    fn settle(&mut self) {
        let mut next = 0;
        while let Some(&(task, used)) = self.done.get(next) {
            next += 1;
            self.pods[task.pod as usize].cpu += used;
            self.task_done(task);
        }
        self.done.clear();
        while let Some(place) = self.stale.pop() {
            let node = self.nodes[place as usize].as_mut();
            let due = node.map_or(Instant::MAX, Node::plan);
            self.due.set(place as usize, due);
        }
    }

    fn add_task(&mut self, task: Task, work: f64) {
        let (place, group) = {
            let pod = &self.pods[task.pod as usize];
            (pod.node, pod.group)
        };
        if let Some(node) = self.touch(place) {
            node.add_task(group, task, work);
        }
    }

    pub(super) fn node_up(&mut self, id: NodeId, machine: Machine) {
        let place = self.nodes.len() as u32;
        self.nodes
            .push(Some(Node::new(self.now, machine, self.config.cpu.smt_gain)));
        self.node_places.insert(id, place);
    }

    /// Nobody says that the node's servers are gone: they stay configured, and requests to them hang, until they
    /// are no longer Ready or deleted.
    pub(super) fn node_gone(&mut self, id: NodeId) {
        let Some(place) = self.node_places.remove(&id) else {
            return;
        };
        let slot = |pod: &u32| self.pods.get(*pod as usize);
        let here = |pod: &u32| slot(pod).is_some_and(|slot| slot.node == place && slot.alive);
        let lost: Vec<usize> = (0..self.slots.len())
            .filter(|&id| here(&self.slots[id]))
            .collect();
        for pod in lost {
            self.containers_end(PodId(pod as u32));
        }
        self.nodes[place as usize] = None;
        self.due.set(place as usize, Instant::MAX);
    }

    /// A pod's containers start. Each loop of a client first sleeps for as long as `first_sleep` says, or within its
    /// first second: loops of constant times that began in the same instant would march in step for ever.
    pub(super) fn pod_running(
        &mut self,
        id: PodId,
        role: Role,
        node: NodeId,
        cpu: PodCpu,
        first_sleep: Option<&mut dyn FnMut() -> Duration>,
    ) {
        let Some(&place) = self.node_places.get(&node) else {
            return;
        };
        if self
            .slot_of(id)
            .is_some_and(|slot| self.pods[slot as usize].alive)
        {
            return;
        }
        self.touch(place);
        self.settle();
        let period = self.config.cpu.quota_period.as_secs_f64();
        let quota = physics::quota(cpu, period).map(|budget| {
            let mut phases = self.streams.stream("traffic/quota-phase", u64::from(id.0));
            let phase: f64 = phases.random();
            (budget, period, phase * period)
        });
        let Some(machine) = &mut self.nodes[place as usize] else {
            return;
        };
        let group = physics::weight(cpu).map_or(BEST_EFFORT, |weight| machine.add_group(weight, quota));
        let cpu = self.slot_of(id).map_or(0.0, |slot| self.pods[slot as usize].cpu);
        let slot = self.pods.len() as u32;
        self.pods.push(PodSlot {
            role,
            node: place,
            group,
            alive: true,
            listens: Instant::ZERO,
            cpu,
            busy: 0,
            line: VecDeque::new(),
            gpu_busy: 0,
            gpu_line: VecDeque::new(),
        });
        if self.slots.len() <= id.0 as usize {
            self.slots.resize(id.0 as usize + 1, NOBODY);
        }
        self.slots[id.0 as usize] = slot;
        match role {
            Role::Client => self.start_client(slot, first_sleep),
            Role::Proxy => self.pool.proxy_running(id),
            Role::Server => {}
        }
    }

    fn start_client(&mut self, slot: u32, mut first_sleep: Option<&mut dyn FnMut() -> Duration>) {
        self.stats.clients += 1;
        let connections = self
            .config
            .clients
            .as_ref()
            .map_or(0, |clients| clients.connections);
        for _ in 0..connections {
            let place = self.loops.len() as u32;
            self.loops.push(ClientLoop {
                pod: slot,
                alive: true,
                request: None,
            });
            let sleep = match &mut first_sleep {
                Some(draw) => draw(),
                None => {
                    let mut starts = self.streams.stream("traffic/client-start", u64::from(place));
                    Duration::from_secs_f64(starts.random())
                }
            };
            self.agenda.at(self.now + sleep, Event::Wake(place));
        }
    }

    pub(super) fn pod_listens(&mut self, id: PodId, from: Instant) {
        if let Some(slot) = self.slot_of(id) {
            self.pods[slot as usize].listens = from;
        }
    }

    pub(super) fn pod_ready(&mut self, id: PodId, ready: bool) {
        match self.slot_of(id).map(|slot| self.pods[slot as usize].role) {
            Some(Role::Proxy) => self.pool.proxy_ready(id, ready),
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

    pub(super) fn pod_deleting(&mut self, id: PodId) {
        let known = |slot: u32| {
            let pod = &self.pods[slot as usize];
            (pod.role, pod.alive)
        };
        match self.slot_of(id).map(known) {
            Some((Role::Proxy, _)) => self.pool.proxy_ready(id, false),
            Some((Role::Server, true)) => self.pool.endpoint(self.now, id, Presence::Fenced),
            Some((Role::Server, false)) => self.pool.endpoint(self.now, id, Presence::Absent),
            Some((Role::Client, _)) | None => {}
        }
    }

    pub(super) fn pod_stopped(&mut self, id: PodId) {
        let role = self.slot_of(id).map(|slot| self.pods[slot as usize].role);
        if role == Some(Role::Server) {
            self.pool.endpoint(self.now, id, Presence::Absent);
        }
        self.containers_end(id);
    }

    pub(super) fn routed(&mut self, routed: bool) {
        self.pool.route(self.now, routed);
    }

    fn containers_end(&mut self, id: PodId) {
        let Some(slot) = self.slot_of(id).filter(|&slot| self.pods[slot as usize].alive) else {
            return;
        };
        let (role, place, group) = {
            let pod = &self.pods[slot as usize];
            (pod.role, pod.node, pod.group)
        };
        self.touch(place);
        self.settle();
        self.touch(place);
        self.pods[slot as usize].alive = false;
        if let Some(node) = &mut self.nodes[place as usize] {
            let used = node.remove_tasks(group, |task| task.pod == slot);
            if group != BEST_EFFORT {
                node.remove_group(group);
            }
            self.pods[slot as usize].cpu += used;
        }
        match role {
            Role::Client => self.client_stopped(slot),
            Role::Proxy => self.proxy_stopped(id),
            Role::Server => self.server_stopped(slot),
        }
        self.settle();
    }

    fn slot_of(&self, id: PodId) -> Option<u32> {
        self.slots
            .get(id.0 as usize)
            .copied()
            .filter(|&slot| slot != NOBODY)
    }

    pub(super) fn cpu_seconds(&mut self, id: PodId) -> f64 {
        let Some(slot) = self.slot_of(id) else { return 0.0 };
        let place = self.pods[slot as usize].node;
        self.touch(place);
        self.settle();
        let pod = &self.pods[slot as usize];
        let node = self.nodes[place as usize].as_ref().filter(|_| pod.alive);
        pod.cpu + node.map_or(0.0, |node| node.used_by(pod.group, slot))
    }

    pub(super) fn held(&self) -> SortedMap<PodId, f64> {
        let of_pod = |(id, &slot): (usize, &u32)| {
            let pod = self
                .pods
                .get(slot as usize)
                .filter(|pod| pod.role == Role::Server && pod.alive)?;
            let requests = f64::from(pod.busy) + pod.line.len() as f64;
            Some((PodId(u32::try_from(id).ok()?), requests))
        };
        self.slots.iter().enumerate().filter_map(of_pod).collect()
    }

    pub(super) fn exposition(&mut self, proxy: PodId) -> Vec<Sample> {
        let config = &self.config.traefik;
        let running = self
            .pool
            .place_of(proxy)
            .filter(|&place| self.pool.proxies[place].running);
        running.map_or_else(Vec::new, |place| {
            self.pool.proxies[place].counters.expose(config, true)
        })
    }

    pub(super) fn stats(&self) -> Stats {
        Stats {
            in_flight: self.stats.sent - self.stats.served - self.stats.failed,
            ..self.stats
        }
    }

    /// The response times of requests answered in some intervals.
    pub(super) fn latencies(&self, intervals: std::ops::Range<usize>) -> Histogram {
        let mut sum = Histogram::default();
        let known = intervals.start.min(self.latencies.len())..intervals.end.min(self.latencies.len());
        for interval in &self.latencies[known] {
            sum.add_scaled(interval, interval.total());
        }
        sum
    }

    /// Requests that were answered too late for the way back: they count as failed.
    pub(super) fn unheard(&self) -> f64 {
        self.unheard
    }

    /// Forgets them; from now on the proxies' times are noted too if somebody wants to know them.
    pub(super) fn forget_latencies(&mut self, note_at_proxy: bool) {
        self.latencies.clear();
        self.at_proxy = note_at_proxy.then(Histogram::default);
    }

    /// How long the proxies took over what was answered since, without the network to the senders.
    pub(super) fn at_proxy(&self) -> Option<&Histogram> {
        self.at_proxy.as_ref()
    }

    fn note_latency(&mut self, seconds: f64) {
        let interval = (self.now.as_nanos() / LATENCY_INTERVAL.as_nanos() as u64) as usize;
        if interval >= self.latencies.len() {
            self.latencies.resize(interval + 1, Histogram::default());
        }
        self.latencies[interval].add(seconds, 1.0);
    }
}

#[cfg(test)]
mod tests;
