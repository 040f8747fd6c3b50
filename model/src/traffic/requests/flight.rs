//! The life of one request, from a loop's waking to the answer.

use std::time::Duration;

use rand::RngExt;
use sim::Instant;

use super::node::{Job, Task};
use super::{Event, NOBODY, Requests, Ticket};
use crate::id::PodId;
use crate::traffic::pool::Pick;
use crate::traffic::traefik::{self, Code};

/// The least sleep of a client loop: a loop that fails at once must not stop the clock.
const LEAST_SLEEP: f64 = 1e-4;

/// Who sent a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sender {
    /// A client loop, which waits for the answer.
    Loop(u32),
    /// An open-loop source.
    Source(u32),
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Request {
    sent: Instant,
    sender: Sender,
    generation: u32,
    /// Its place among the proxies.
    proxy: u32,
    /// The slot of the server that has it; `NOBODY` before one was picked, or if the one picked has gone.
    server: u32,
    /// The proxy has picked a server, whether or not that one is alive.
    at_server: bool,
    /// Its outcome is known.
    ended: bool,
    /// A proxy or a server still works on it.
    working: bool,
}

impl Requests {
    /// A loop goes to sleep until its next cycle.
    pub(super) fn sleep(&mut self, place: u32) {
        let Some(clients) = &self.config.clients else {
            return;
        };
        let think = clients.think_time.sample(&mut self.thinking);
        let delay = clients.cycle_delay.sample(&mut self.thinking);
        let sleep = Duration::from_secs_f64((think + delay).max(LEAST_SLEEP));
        self.agenda.at(self.now + sleep, Event::Wake(place));
    }

    pub(super) fn wake(&mut self, place: u32) {
        let client = self.loops[place as usize];
        let Some(clients) = self.config.clients.as_ref().filter(|_| client.alive) else {
            return;
        };
        let work = clients.client_cpu;
        if work > 0.0 {
            self.add_task(
                Task {
                    job: Job::Prepare(place),
                    pod: client.pod,
                },
                work,
            );
        } else {
            self.send_from_loop(place);
        }
    }

    fn send_from_loop(&mut self, place: u32) {
        let timeout = self.config.clients.as_ref().and_then(|clients| clients.timeout);
        let request = self.send(Sender::Loop(place), timeout);
        match request {
            Some(request) if !self.requests[request as usize].ended => {
                self.loops[place as usize].request = Some(request);
            }
            Some(_) => {}
            None => self.sleep(place),
        }
    }

    pub(super) fn expect_arrival(&mut self, source: u32, last: f64) {
        if let Some(next) = self.sources[source as usize].next(last) {
            let at = Instant::from_nanos(libm::ceil(next * 1e9) as u64).max(self.now);
            self.agenda.at(at, Event::Arrive(source));
        }
    }

    pub(super) fn arrive(&mut self, source: u32) {
        let timeout = self.sources[source as usize].arrivals.timeout;
        self.send(Sender::Source(source), timeout);
        self.expect_arrival(source, self.now.as_secs_f64());
    }

    /// Sends a request; `None` if it failed at once for want of a proxy.
    fn send(&mut self, sender: Sender, timeout: Option<Duration>) -> Option<u32> {
        self.stats.sent += 1.0;
        let Some(proxy) = self.pick_proxy() else {
            self.stats.failed += 1.0;
            return None;
        };
        let place = self.free_requests.pop();
        let generation = place.map_or(0, |place| self.requests[place as usize].generation);
        let request = Request {
            sent: self.now,
            sender,
            generation,
            proxy,
            server: NOBODY,
            at_server: false,
            ended: false,
            working: true,
        };
        let place = match place {
            Some(place) => {
                self.requests[place as usize] = request;
                place
            }
            None => {
                self.requests.push(request);
                self.requests.len() as u32 - 1
            }
        };
        if let Some(timeout) = timeout {
            let ticket = Ticket {
                request: place,
                generation,
            };
            self.agenda.at(self.now + timeout, Event::ClientTimeout(ticket));
        }
        let proxy = &mut self.pool.proxies[proxy as usize];
        proxy.counters.open += 1.0;
        let (pod, work) = (proxy.pod, self.config.traefik.proxy_cpu);
        match self.slot_of(pod) {
            Some(pod) if work > 0.0 => self.add_task(
                Task {
                    job: Job::Forward(place),
                    pod,
                },
                work,
            ),
            _ => self.dispatch(place),
        }
        Some(place)
    }

    /// A connection goes to any ready proxy with equal chance, as kube-proxy's rules do.
    fn pick_proxy(&mut self) -> Option<u32> {
        let ready = |place: &usize| self.pool.proxies[*place].is_up();
        let count = (0..self.pool.proxies.len()).filter(ready).count();
        let chosen = match count {
            0 => return None,
            1 => 0,
            _ => self.proxy_choice.random_range(0..count),
        };
        (0..self.pool.proxies.len())
            .filter(ready)
            .nth(chosen)
            .map(|place| place as u32)
    }

    pub(super) fn task_done(&mut self, task: Task) {
        match task.job {
            Job::Prepare(place) if self.loops[place as usize].alive => self.send_from_loop(place),
            Job::Prepare(_) => {}
            Job::Forward(request) if self.requests[request as usize].ended => self.release(request),
            Job::Forward(request) => self.dispatch(request),
            Job::Serve(request) => self.cpu_served(request),
        }
    }

    /// The proxy picks a server.
    fn dispatch(&mut self, place: u32) {
        let proxy = &mut self.pool.proxies[self.requests[place as usize].proxy as usize];
        let pod = match proxy.pick() {
            Pick::Server(pod) => pod,
            Pick::Unavailable => return self.refuse(place, traefik::UNAVAILABLE),
            Pick::NoRoute => return self.refuse(place, traefik::NO_ROUTE),
        };
        proxy.counters.open_at_servers += 1.0;
        self.requests[place as usize].at_server = true;
        match self.slot_of(pod).filter(|&slot| self.pods[slot as usize].alive) {
            Some(slot) if self.pods[slot as usize].listens > self.now => {
                self.refuse(place, traefik::BAD_GATEWAY);
            }
            Some(slot) => self.reach(place, slot),
            None => self.hang(place),
        }
    }

    fn refuse(&mut self, place: u32, code: Code) {
        self.requests[place as usize].working = false;
        self.end(place, code);
    }

    fn ticket(&self, request: u32) -> Ticket {
        Ticket {
            request,
            generation: self.requests[request as usize].generation,
        }
    }

    /// The request a ticket is for, unless that has been forgotten.
    fn still(&self, ticket: Ticket) -> Option<u32> {
        let same = self.requests[ticket.request as usize].generation == ticket.generation;
        same.then_some(ticket.request)
    }

    /// Nobody answers at the address.
    fn hang(&mut self, place: u32) {
        let limit = self.config.traefik.dial_timeout;
        let hang = self
            .config
            .traefik
            .vanished
            .sample_duration(&mut self.hanging)
            .min(limit);
        self.agenda
            .at(self.now + hang, Event::HangOver(self.ticket(place)));
    }

    pub(super) fn hang_over(&mut self, ticket: Ticket) {
        let Some(place) = self.still(ticket) else { return };
        let request = self.requests[place as usize];
        if request.ended {
            return self.release(place);
        }
        let limit = self.config.traefik.dial_timeout;
        let full = self.now.since(request.sent) >= limit;
        self.requests[place as usize].working = false;
        self.end(
            place,
            if full {
                traefik::GATEWAY_TIMEOUT
            } else {
                traefik::BAD_GATEWAY
            },
        );
    }

    /// A server has the request.
    fn reach(&mut self, place: u32, slot: u32) {
        self.requests[place as usize].server = slot;
        if let Some(timeout) = self.config.service.request_timeout {
            self.agenda
                .at(self.now + timeout, Event::ProxyTimeout(self.ticket(place)));
        }
        let full = self
            .config
            .service
            .concurrency
            .is_some_and(|most| self.pods[slot as usize].busy >= most);
        if full {
            self.pods[slot as usize].line.push_back(place);
        } else {
            self.serve(place, slot);
        }
    }

    fn serve(&mut self, place: u32, slot: u32) {
        self.pods[slot as usize].busy += 1;
        let work = self.config.service.cpu_per_request.sample(&mut self.service_work);
        if work > 0.0 {
            self.add_task(
                Task {
                    job: Job::Serve(place),
                    pod: slot,
                },
                work,
            );
        } else {
            self.cpu_served(place);
        }
    }

    /// The CPU part is done; a GPU part may follow.
    fn cpu_served(&mut self, place: u32) {
        let slot = self.requests[place as usize].server as usize;
        match &self.config.service.gpu {
            None => self.served(place),
            Some(gpu) if self.pods[slot].gpu_busy >= gpu.concurrency.max(1) => {
                self.pods[slot].gpu_line.push_back(place);
            }
            Some(_) => self.start_gpu(place),
        }
    }

    fn start_gpu(&mut self, place: u32) {
        let slot = self.requests[place as usize].server as usize;
        self.pods[slot].gpu_busy += 1;
        let model = self.nodes[self.pods[slot].node as usize]
            .as_ref()
            .and_then(|node| node.machine().gpu);
        if let Some(gpu) = &self.config.service.gpu {
            let time = gpu.time_on(model).sample_duration(&mut self.service_work);
            self.agenda
                .at(self.now + time, Event::GpuDone(self.ticket(place)));
        }
    }

    pub(super) fn gpu_done(&mut self, ticket: Ticket) {
        let Some(place) = self.still(ticket) else { return };
        let slot = self.requests[place as usize].server;
        self.pods[slot as usize].gpu_busy -= 1;
        if let Some(next) = self.pods[slot as usize].gpu_line.pop_front() {
            self.start_gpu(next);
        }
        self.served(place);
    }

    /// The server has its answer, and room for the next in line.
    fn served(&mut self, place: u32) {
        let slot = self.requests[place as usize].server;
        self.pods[slot as usize].busy -= 1;
        if let Some(next) = self.pods[slot as usize].line.pop_front() {
            self.serve(next, slot);
        }
        self.requests[place as usize].working = false;
        if self.requests[place as usize].ended {
            self.release(place);
        } else {
            self.end(place, traefik::OK);
        }
    }

    /// Forgets a request that has ended and that nobody works on.
    fn release(&mut self, place: u32) {
        self.requests[place as usize].generation += 1;
        self.free_requests.push(place);
    }

    /// The outcome is known: count it and let the sender go on.
    fn end(&mut self, place: u32, code: Code) {
        let request = self.requests[place as usize];
        let seconds = self.now.since(request.sent).as_secs_f64();
        let proxy = &mut self.pool.proxies[request.proxy as usize];
        proxy
            .counters
            .count(&self.config.traefik, code, request.at_server, seconds);
        proxy.counters.open -= 1.0;
        if request.at_server {
            proxy.counters.open_at_servers -= 1.0;
        }
        if let Some(times) = self.at_proxy.as_mut().filter(|_| code == traefik::OK) {
            times.add(seconds, 1.0);
        }
        self.close(place, code == traefik::OK, seconds);
    }

    /// The sender knows the outcome.
    fn close(&mut self, place: u32, served: bool, seconds: f64) {
        let request = &mut self.requests[place as usize];
        request.ended = true;
        let (sender, working) = (request.sender, request.working);
        if !working {
            self.release(place);
        }
        if let Sender::Loop(client) = sender {
            self.loops[client as usize].request = None;
            if self.loops[client as usize].alive {
                self.sleep(client);
            }
        }
        if !served {
            self.stats.failed += 1.0;
            return;
        }
        let (network, timeout) = match sender {
            Sender::Loop(_) => (0.0, None),
            Sender::Source(source) => {
                let arrivals = &self.sources[source as usize].arrivals;
                let network = arrivals.network_delay.sample(&mut self.thinking);
                (network, arrivals.timeout)
            }
        };
        // The proxy has answered before it could hear that the sender leaves.
        if timeout.is_some_and(|timeout| seconds + network > timeout.as_secs_f64()) {
            self.stats.failed += 1.0;
            self.unheard += 1.0;
        } else {
            self.stats.served += 1.0;
            self.note_latency(seconds + network);
        }
    }

    pub(super) fn client_gives_up(&mut self, ticket: Ticket) {
        if let Some(place) = self
            .still(ticket)
            .filter(|&place| !self.requests[place as usize].ended)
        {
            self.end(place, traefik::CLIENT_CLOSED);
        }
    }

    pub(super) fn proxy_gives_up(&mut self, ticket: Ticket) {
        if let Some(place) = self
            .still(ticket)
            .filter(|&place| !self.requests[place as usize].ended)
        {
            self.end(place, traefik::GATEWAY_TIMEOUT);
        }
    }

    /// A client's loops end where they are; its proxy sees the connection close.
    pub(super) fn client_stopped(&mut self, slot: u32) {
        self.stats.clients -= 1;
        for place in 0..self.loops.len() {
            if self.loops[place].pod == slot && self.loops[place].alive {
                self.loops[place].alive = false;
                if let Some(request) = self.loops[place].request {
                    self.end(request, traefik::CLIENT_CLOSED);
                }
            }
        }
    }

    /// What a server had is cut off: an early end of the connection.
    pub(super) fn server_stopped(&mut self, slot: u32) {
        for place in 0..self.requests.len() as u32 {
            let request = &mut self.requests[place as usize];
            if request.server != slot || !request.working {
                continue;
            }
            request.working = false;
            request.server = NOBODY;
            if request.ended {
                self.release(place);
            } else {
                self.end(place, traefik::BAD_GATEWAY);
            }
        }
        let pod = &mut self.pods[slot as usize];
        pod.line.clear();
        pod.gpu_line.clear();
    }

    /// What a proxy had is cut off, and nobody counts it.
    pub(super) fn proxy_stopped(&mut self, id: PodId) {
        let Some(proxy) = self.pool.place_of(id) else {
            return;
        };
        self.pool.proxy_stopped(id);
        for place in 0..self.requests.len() as u32 {
            let request = self.requests[place as usize];
            if request.proxy as usize != proxy || request.ended {
                continue;
            }
            // Its forwarding task went with the pod; a hang has nobody left to wait for it.
            let at_work = request.server != NOBODY && request.working;
            self.requests[place as usize].working = at_work;
            self.close(place, false, 0.0);
        }
    }
}
