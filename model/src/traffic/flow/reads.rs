//! What can be read: CPU use, expositions, totals, response times.

use std::sync::Arc;
use std::time::Duration;

use rayon::prelude::*;
use sim::SortedMap;

use super::{Flow, Mark, Pod, Stretch, patience_of_proxy};
use crate::id::PodId;
use crate::traffic::latency::Histogram;
use crate::traffic::probe::{Aspect, Finding};
use crate::traffic::{Role, Sample, Stats};

impl Flow {
    pub(in crate::traffic) fn cpu_seconds(&self, id: PodId) -> f64 {
        let seconds = self.now.since(self.since).as_secs_f64();
        match self.pods.get(&id) {
            Some(pod) => pod.used + pod.rate * seconds,
            None => self.ended.get(&id).map_or(0.0, |pod| pod.used),
        }
    }

    pub(in crate::traffic) fn held(&self) -> SortedMap<PodId, f64> {
        let servers = |(_, pod): &(&PodId, &Pod)| pod.role == Role::Server;
        let all = self.pods.iter().filter(servers).count() as f64;
        let of_pod = |(&id, _): (&PodId, &Pod)| (id, self.flying / all);
        let mut held: SortedMap<PodId, f64> = self.pods.iter().filter(servers).map(of_pod).collect();
        for server in &self.servers {
            *held.entry(server.pod).or_default() += server.line.held();
        }
        held
    }

    pub(in crate::traffic) fn exposition(&mut self, proxy: PodId) -> Vec<Sample> {
        let running = self
            .pool
            .place_of(proxy)
            .filter(|&place| self.pool.proxies[place].running);
        let Some(place) = running else { return Vec::new() };
        let waiting: f64 = self.servers.iter().map(|server| server.line.alive()).sum();
        let hanging: f64 = self.hanging.iter().map(|lump| lump.requests).sum();
        let proxies = self.counting().max(1) as f64;
        let counters = &mut self.pool.proxies[place].counters;
        counters.open_at_servers = ((self.flying + waiting + hanging) / proxies).round();
        counters.open = counters.open_at_servers + (self.jam.alive() / proxies).round();
        counters.expose(&self.config.traefik, self.config.traefik.durations)
    }

    pub(in crate::traffic) fn stats(&self) -> Stats {
        let waiting: f64 = self.servers.iter().map(|server| server.line.alive()).sum();
        let hanging: f64 = self.hanging.iter().map(|lump| lump.requests).sum();
        Stats {
            in_flight: self.flying + waiting + self.jam.alive() + hanging,
            ..self.stats
        }
    }

    /// The response times of requests answered between two times (seconds).
    pub(in crate::traffic) fn latencies(&mut self, from: f64, to: f64) -> Histogram {
        self.find_times();
        let most = self.longest_wait();
        let mut sum = Histogram::default();
        for stretch in overlapping(&self.stretches, from, to) {
            let inside = stretch.to.min(to) - stretch.from.max(from);
            let share = inside / (stretch.to - stretch.from);
            let (served, late) = (stretch.served * share, stretch.late.total() * share);
            if let Some((finding, factor)) = stretch.times.as_ref().filter(|_| served > 0.0) {
                sum.add_stretched(&finding.latency, served, *factor, most);
            }
            if late > 0.0 {
                sum.add_scaled(&stretch.late, late);
            }
        }
        sum
    }

    /// The longest that anybody waits for an answer, seconds.
    fn longest_wait(&self) -> f64 {
        let clients = self.config.clients.iter().map(|clients| clients.timeout);
        let senders = self.sources.iter().map(|source| source.arrivals.timeout);
        let own = |timeout: Option<Duration>| timeout.map_or(f64::INFINITY, |timeout| timeout.as_secs_f64());
        let longest = clients.chain(senders).map(own).fold(0.0, f64::max);
        // The proxy gives up on what it has; what the network then takes comes on top.
        let far = self.sources.iter().any(|source| source.arrivals.is_far());
        longest.min(if far {
            f64::INFINITY
        } else {
            patience_of_proxy(&self.config)
        })
    }

    /// Finds the response times of every stretch. The states in which most requests were served are probed;
    /// a state that is like one of these in closed form, and the last few requests, have its response times,
    /// in proportion to the means.
    fn find_times(&mut self) {
        if self.timed == self.stretches.len() {
            return;
        }
        self.timed = self.stretches.len();
        let mut place_of: SortedMap<Vec<u64>, usize> = SortedMap::new();
        let mut met: Vec<Met> = Vec::new();
        let mut met_in = Vec::new();
        for (number, stretch) in self.stretches.iter().enumerate() {
            let again = number.checked_sub(1).map(|before| &self.stretches[before]);
            let place = match again {
                Some(before) if is_same(before, stretch) => met_in[number - 1],
                _ => *place_of.entry(key(stretch)).or_insert_with(|| {
                    met.push(Met {
                        served: 0.0,
                        stretch: number,
                        times: (0, 1.0),
                    });
                    met.len() - 1
                }),
            };
            let met = &mut met[place];
            met.served += stretch.served;
            if stretch.served > self.stretches[met.stretch].served {
                met.stretch = number;
            }
            met_in.push(place);
        }
        let mut order: Vec<usize> = (0..met.len()).collect();
        order.sort_by(|&a, &b| met[b].served.total_cmp(&met[a].served));
        let mut left: f64 = met.iter().map(|met| met.served).sum();
        let few = left * FEW;
        let mut probed: Vec<usize> = Vec::new();
        for place in order {
            let own = &self.stretches[met[place].stretch];
            let distance = |other: usize| {
                let other = &self.stretches[other];
                if (own.state.arrivals > 0.0) == (other.state.arrivals > 0.0) {
                    apart(&own.mark, &other.mark)
                } else {
                    f64::INFINITY
                }
            };
            let others = probed.iter().copied().enumerate();
            let nearest = others.min_by(|&(_, a), &(_, b)| distance(a).total_cmp(&distance(b)));
            met[place].times = match nearest {
                Some((probe, other)) if left <= few || distance(other) <= ALIKE => {
                    let factor = own.mark.response / self.stretches[other].mark.response;
                    let plain = factor.is_finite() && factor > 0.0;
                    (probe, if plain { factor } else { 1.0 })
                }
                _ => {
                    probed.push(met[place].stretch);
                    (probed.len() - 1, 1.0)
                }
            };
            left -= met[place].served;
        }
        // What a probe finds depends on its state alone, not on who else looks meanwhile.
        let look = |&number: &usize| {
            let aspect = Aspect::Times {
                lasting: self.lasting(number),
                convoy: self.stretches[number].mark.convoy,
            };
            self.probes
                .look(&self.config, &self.stretches[number].state, aspect)
        };
        let findings: Vec<Arc<Finding>> = probed.par_iter().map(look).collect();
        for (stretch, place) in self.stretches.iter_mut().zip(met_in) {
            let (probe, factor) = met[place].times;
            stretch.times = Some((Arc::clone(&findings[probe]), factor));
        }
    }

    /// How long the run has been about as full as it is in a stretch when that ends, seconds.
    fn lasting(&self, number: usize) -> f64 {
        let own = &self.stretches[number];
        let before = self.stretches[..=number].iter().rev();
        let full = before.take_while(|stretch| stretch.mark.slack <= ABOUT_AS_FULL * own.mark.slack);
        full.last().map_or(0.0, |first| own.to - first.from)
    }

    /// The share of time between two times (seconds) that was spent in states that may settle elsewhere.
    pub(in crate::traffic) fn unsettled(&mut self, from: f64, to: f64) -> f64 {
        self.find_times();
        let draws_differ = |(finding, _): &(Arc<Finding>, f64)| finding.unsettled();
        let is_unsettled = |stretch: &&Stretch| {
            let closed = stretch.state.arrivals == 0.0;
            stretch.mark.two_stable || (closed && stretch.times.as_ref().is_some_and(draws_differ))
        };
        let unsettled: f64 = overlapping(&self.stretches, from, to)
            .filter(is_unsettled)
            .map(|stretch| stretch.to.min(to) - stretch.from.max(from))
            .sum();
        if to > from { unsettled / (to - from) } else { 0.0 }
    }
}

/// States whose closed forms differ by less, in logarithms, have response times of one shape.
const ALIKE: f64 = 0.1;
/// Where lines are as long as in a state, up to so many times its slack is left over.
const ABOUT_AS_FULL: f64 = 1.5;
/// The share of requests whose states are not looked at.
const FEW: f64 = 0.03;

/// Whether two stretches are of one state, and with the same line before one pod or none.
fn is_same(a: &Stretch, b: &Stretch) -> bool {
    Arc::ptr_eq(&a.state, &b.state) && a.mark.convoy == b.mark.convoy
}

/// The same as numbers, whatever the nodes are called.
fn key(stretch: &Stretch) -> Vec<u64> {
    let mut key = stretch.state.key();
    key.push(stretch.mark.convoy.into());
    key
}

/// A state that a run was in.
struct Met {
    served: f64,
    /// The stretch of it in which most were served.
    stretch: usize,
    /// Which probe has its response times, and in what proportion.
    times: (usize, f64),
}

/// How unlike two states are in closed form.
pub(super) fn apart(a: &Mark, b: &Mark) -> f64 {
    if a.convoy != b.convoy {
        return f64::INFINITY;
    }
    let ratio = |a: f64, b: f64| libm::fabs(libm::log(a / b));
    let slack = ratio(a.slack, b.slack);
    let apart = ratio(a.response, b.response)
        .max(ratio(a.uneven, b.uneven))
        .max(slack);
    if apart.is_nan() { f64::INFINITY } else { apart }
}

fn overlapping(stretches: &[Stretch], from: f64, to: f64) -> impl Iterator<Item = &Stretch> {
    let first = stretches.partition_point(move |stretch| stretch.to <= from);
    stretches[first..]
        .iter()
        .take_while(move |stretch| stretch.from < to)
}
