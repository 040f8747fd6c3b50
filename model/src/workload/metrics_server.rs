//! metrics-server: where resource metrics come from.
//!
//! It scrapes every kubelet once a resolution period and serves, per pod, the mean CPU use between the last
//! two scrapes; a pod is unknown until two scrapes have seen it. Default resolution 15 s
//! (kubernetes-sigs/metrics-server 0.7 cmd/metrics-server/app/options/options.go `NewOptions`), window and
//! usage (pkg/storage/pod.go `GetMetrics`).

use std::time::Duration;

use sim::Instant;

use crate::id::PodId;

/// The default `--metric-resolution`.
pub const RESOLUTION: Duration = Duration::from_secs(15);

/// What metrics-server says of a pod.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PodUsage {
    /// When the second scrape was.
    pub timestamp: Instant,
    /// The time between the two scrapes.
    pub window: Duration,
    /// Mean CPU use in that time, in virtual CPUs.
    pub cpu: f64,
}

/// The CPU readings of each pod.
#[derive(Debug, Clone, Default)]
pub struct MetricsServer {
    /// When the last two scrapes were.
    scrapes: (Instant, Instant),
    /// CPU seconds that the last two scrapes found, by pod.
    readings: Vec<(PodId, f64, Option<f64>)>,
}

impl MetricsServer {
    /// Takes one scrape of all running pods: their CPU seconds so far.
    pub fn scrape(&mut self, now: Instant, pods: impl IntoIterator<Item = (PodId, f64)>) {
        let mut seen: Vec<_> = pods.into_iter().map(|(pod, cpu)| (pod, cpu, None)).collect();
        seen.sort_unstable_by_key(|&(pod, ..)| pod);
        let mut before = self.readings.iter().peekable();
        for (pod, _, last) in &mut seen {
            while before.next_if(|(other, ..)| other < pod).is_some() {}
            *last = before.next_if(|(other, ..)| other == pod).map(|&(_, cpu, _)| cpu);
        }
        self.readings = seen;
        self.scrapes = (self.scrapes.1, now);
    }

    /// What is known of a pod.
    #[must_use]
    pub fn usage(&self, pod: PodId) -> Option<PodUsage> {
        let place = self.readings.binary_search_by_key(&pod, |&(pod, ..)| pod).ok()?;
        let (_, last, before) = self.readings[place];
        let (first, timestamp) = self.scrapes;
        let window = timestamp.since(first);
        let cpu = (last - before?).max(0.0) / window.as_secs_f64();
        Some(PodUsage {
            timestamp,
            window,
            cpu,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_is_unknown_until_its_second_scrape() {
        let mut server = MetricsServer::default();
        server.scrape(Instant::from_secs(15), [(PodId(1), 2.0)]);
        assert_eq!(server.usage(PodId(1)), None);
        server.scrape(Instant::from_secs(30), [(PodId(1), 5.0), (PodId(2), 0.0)]);
        let usage = server.usage(PodId(1)).unwrap();
        assert_eq!((usage.cpu, usage.window), (0.2, Duration::from_secs(15)));
        assert_eq!(server.usage(PodId(2)), None);
        server.scrape(Instant::from_secs(45), [(PodId(2), 1.5)]);
        assert_eq!(server.usage(PodId(1)), None);
    }
}
