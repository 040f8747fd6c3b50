//! What can be read: CPU use, expositions, totals, response times.

use super::open::Line;
use super::{Flow, Stretch};
use crate::id::PodId;
use crate::traffic::latency::Histogram;
use crate::traffic::{Sample, Stats};

impl Flow {
    pub(in crate::traffic) fn cpu_seconds(&self, id: PodId) -> f64 {
        let seconds = self.now.since(self.since).as_secs_f64();
        self.pods
            .get(&id)
            .map_or(0.0, |pod| pod.used + pod.rate * seconds)
    }

    pub(in crate::traffic) fn exposition(&mut self, proxy: PodId) -> Vec<Sample> {
        let running = self
            .pool
            .place_of(proxy)
            .filter(|&place| self.pool.proxies[place].running);
        let Some(place) = running else { return Vec::new() };
        let waiting: f64 = self.lines.values().map(Line::alive).sum();
        let hanging: f64 = self.hanging.iter().map(|lump| lump.requests).sum();
        let proxies = self.counting().len().max(1) as f64;
        let counters = &mut self.pool.proxies[place].counters;
        counters.open_at_servers = ((self.flying + waiting + hanging) / proxies).round();
        counters.open = counters.open_at_servers + (self.jam / proxies).round();
        counters.expose(&self.config.traefik, self.config.traefik.durations)
    }

    pub(in crate::traffic) fn stats(&self) -> Stats {
        let waiting: f64 = self.lines.values().map(Line::alive).sum();
        let hanging: f64 = self.hanging.iter().map(|lump| lump.requests).sum();
        Stats {
            in_flight: self.flying + waiting + self.jam + hanging,
            ..self.stats
        }
    }

    /// The response times of requests answered between two times (seconds).
    pub(in crate::traffic) fn latencies(&mut self, from: f64, to: f64) -> Histogram {
        let mut sum = Histogram::default();
        for stretch in overlapping(&self.stretches, from, to) {
            let inside = stretch.to.min(to) - stretch.from.max(from);
            let served = stretch.served * inside / (stretch.to - stretch.from);
            let finding = self.probes.look(&self.config, &stretch.state);
            if finding.latency.total() > 0.0 && served > 0.0 {
                sum.add_delayed(&finding.latency, served, stretch.delay);
            }
        }
        sum
    }

    /// The share of time between two times (seconds) that was spent in states whose throughput is not settled.
    pub(in crate::traffic) fn unsettled(&mut self, from: f64, to: f64) -> f64 {
        let mut unsettled = 0.0;
        for stretch in overlapping(&self.stretches, from, to) {
            let closed = stretch.state.arrivals == 0.0;
            if closed && self.probes.look(&self.config, &stretch.state).unsettled() {
                unsettled += stretch.to.min(to) - stretch.from.max(from);
            }
        }
        if to > from { unsettled / (to - from) } else { 0.0 }
    }
}

fn overlapping(stretches: &[Stretch], from: f64, to: f64) -> impl Iterator<Item = &Stretch> {
    let first = stretches.partition_point(move |stretch| stretch.to <= from);
    stretches[first..]
        .iter()
        .take_while(move |stretch| stretch.from < to)
}
