//! metrics-server: where resource metrics come from.
//!
//! It scrapes every kubelet once a resolution period and serves, per pod, the mean CPU use between the last
//! two scrapes and the working set at the last; a pod is unknown until two scrapes have seen it. Default resolution 15 s
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
    /// The working set at the second scrape, bytes; `None` if the scenario does not say what pods like it use.
    pub memory: Option<f64>,
}

/// What one scrape finds of a pod.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Found {
    /// CPU seconds so far.
    pub cpu_seconds: f64,
    /// The working set, bytes, if it is known.
    pub memory: Option<f64>,
}

/// The readings of each pod.
#[derive(Debug, Clone, Default)]
pub struct MetricsServer {
    /// When the last two scrapes were.
    scrapes: (Instant, Instant),
    /// What the last scrape found, and the CPU seconds of the one before, by pod.
    readings: Vec<(PodId, Found, Option<f64>)>,
}

impl MetricsServer {
    /// Takes one scrape of all running pods.
    pub fn scrape(&mut self, now: Instant, pods: impl IntoIterator<Item = (PodId, Found)>) {
        let mut seen: Vec<_> = pods.into_iter().map(|(pod, found)| (pod, found, None)).collect();
        seen.sort_unstable_by_key(|&(pod, ..)| pod);
        let mut before = self.readings.iter().peekable();
        for (pod, _, last) in &mut seen {
            while before.next_if(|(other, ..)| other < pod).is_some() {}
            *last = before
                .next_if(|(other, ..)| other == pod)
                .map(|&(_, found, _)| found.cpu_seconds);
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
        let cpu = (last.cpu_seconds - before?).max(0.0) / window.as_secs_f64();
        Some(PodUsage {
            timestamp,
            window,
            cpu,
            memory: last.memory,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_is_unknown_until_its_second_scrape() {
        let found = |pod, cpu_seconds| {
            let memory = Some(1e6 * cpu_seconds);
            (PodId(pod), Found { cpu_seconds, memory })
        };
        let mut server = MetricsServer::default();
        server.scrape(Instant::from_secs(15), [found(1, 2.0)]);
        assert_eq!(server.usage(PodId(1)), None);
        server.scrape(Instant::from_secs(30), [found(1, 5.0), found(2, 0.0)]);
        let usage = server.usage(PodId(1)).unwrap();
        assert_eq!((usage.cpu, usage.window), (0.2, Duration::from_secs(15)));
        assert_eq!(usage.memory, Some(5e6), "of the last scrape, no mean");
        assert_eq!(server.usage(PodId(2)), None);
        server.scrape(Instant::from_secs(45), [found(2, 1.5)]);
        assert_eq!(server.usage(PodId(1)), None);
    }
}
