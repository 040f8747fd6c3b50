//! metrics-server: where resource metrics come from.
//!
//! It scrapes every kubelet once a resolution period and serves, per pod, the mean CPU use between the last
//! two scrapes and the working set at the last; a pod is unknown until two scrapes have seen it, or one that came 10 s or
//! more after its start and less than a period: the start stands for the other. Default resolution 15 s
//! (kubernetes-sigs/metrics-server 0.7 cmd/metrics-server/app/options/options.go `NewOptions`), window and
//! usage (pkg/storage/pod.go `GetMetrics`, `Store`).

use std::time::Duration;

use sim::Instant;

use crate::id::PodId;

/// The default `--metric-resolution`.
pub const RESOLUTION: Duration = Duration::from_secs(15);

/// A younger pod's mean since its start would say little (pkg/storage/pod.go `freshContainerMinMetricsResolution`).
const FRESH: Duration = Duration::from_secs(10);

/// What metrics-server says of a pod.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PodUsage {
    /// When the second scrape was.
    pub timestamp: Instant,
    /// The time between the two scrapes, or since the pod's start.
    pub window: Duration,
    /// Mean CPU use in that time, in virtual CPUs.
    pub cpu: f64,
    /// The working set at the second scrape, bytes; `None` if the scenario does not say what pods like it use.
    pub memory: Option<f64>,
}

/// What one scrape finds of a pod.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Found {
    /// When its containers started.
    pub started: Instant,
    /// CPU seconds so far.
    pub cpu_seconds: f64,
    /// The working set, bytes, if it is known.
    pub memory: Option<f64>,
}

/// An instant, and the CPU seconds until then.
type Point = (Instant, f64);

/// The readings of each pod.
#[derive(Debug, Clone, Default)]
pub struct MetricsServer {
    /// When the last scrape was.
    last: Instant,
    /// What the last scrape found, and the point before it, by pod.
    readings: Vec<(PodId, Found, Option<Point>)>,
}

impl MetricsServer {
    /// Takes one scrape of all running pods, of which there is one each `resolution`.
    pub fn scrape(
        &mut self,
        now: Instant,
        resolution: Duration,
        pods: impl IntoIterator<Item = (PodId, Found)>,
    ) {
        let mut seen: Vec<_> = pods.into_iter().map(|(pod, found)| (pod, found, None)).collect();
        seen.sort_unstable_by_key(|&(pod, ..)| pod);
        let mut before = self.readings.iter().peekable();
        for (pod, found, point) in &mut seen {
            while before.next_if(|(other, ..)| other < pod).is_some() {}
            let former = before.next_if(|(other, ..)| other == pod);
            *point = if (FRESH..resolution).contains(&now.since(found.started)) {
                Some((found.started, 0.0))
            } else {
                former.map(|&(_, found, _)| (self.last, found.cpu_seconds))
            };
        }
        self.readings = seen;
        self.last = now;
    }

    /// What is known of a pod.
    #[must_use]
    pub fn usage(&self, pod: PodId) -> Option<PodUsage> {
        let place = self.readings.binary_search_by_key(&pod, |&(pod, ..)| pod).ok()?;
        let (_, last, before) = self.readings[place];
        let (from, cpu_seconds) = before?;
        let window = self.last.since(from);
        let cpu = (last.cpu_seconds - cpu_seconds).max(0.0) / window.as_secs_f64();
        Some(PodUsage {
            timestamp: self.last,
            window,
            cpu,
            memory: last.memory,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(pod: u32, started: u64, cpu_seconds: f64) -> (PodId, Found) {
        let found = Found {
            started: Instant::from_secs(started),
            cpu_seconds,
            memory: Some(1e6 * cpu_seconds),
        };
        (PodId(pod), found)
    }

    #[test]
    fn a_pod_is_unknown_until_its_second_scrape() {
        let mut server = MetricsServer::default();
        let mut scrape = |second, pods: &[_]| {
            server.scrape(Instant::from_secs(second), RESOLUTION, pods.iter().copied());
            server.clone()
        };
        assert_eq!(scrape(15, &[found(1, 0, 2.0)]).usage(PodId(1)), None);
        let known = scrape(30, &[found(1, 0, 5.0), found(2, 21, 0.0)]);
        let usage = known.usage(PodId(1)).unwrap();
        assert_eq!((usage.cpu, usage.window), (0.2, Duration::from_secs(15)));
        assert_eq!(usage.memory, Some(5e6), "of the last scrape, no mean");
        assert_eq!(known.usage(PodId(2)), None, "it is 9 s old");
        assert_eq!(scrape(45, &[found(2, 21, 1.5)]).usage(PodId(1)), None);
    }

    #[test]
    fn the_start_of_a_fresh_pod_stands_for_a_first_scrape() {
        let usage = |started| {
            let mut server = MetricsServer::default();
            server.scrape(Instant::from_secs(30), RESOLUTION, [found(1, started, 6.0)]);
            server
                .usage(PodId(1))
                .map(|usage| (usage.cpu, usage.window.as_secs()))
        };
        assert_eq!(usage(15), None);
        assert_eq!(usage(18), Some((0.5, 12)));
        assert_eq!(usage(20), Some((0.6, 10)));
        assert_eq!(usage(21), None);
    }
}
