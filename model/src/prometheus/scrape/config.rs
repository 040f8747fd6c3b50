//! What the scenario says of the server.

use std::time::Duration;

use sim::{Instant, SortedMap};

use crate::distribution::Distribution;
use crate::prometheus::promql::Settings;
use crate::prometheus::version::LATEST;
use crate::release::Release;

/// The scrape jobs of the prometheus-community chart that something in the simulated cluster answers
/// (helm-charts prometheus-25.8 charts/prometheus/values.yaml `serverFiles.prometheus.yml`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Job {
    /// Pods annotated `prometheus.io/scrape: "true"`.
    KubernetesPods,
    /// The kubelet of every node.
    KubernetesNodes,
    /// The cAdvisor in the kubelet of every node.
    KubernetesNodesCadvisor,
    /// Endpoints of annotated services: kube-state-metrics.
    KubernetesServiceEndpoints,
}

impl Job {
    /// All jobs.
    pub const ALL: [Job; 4] = [
        Job::KubernetesPods,
        Job::KubernetesNodes,
        Job::KubernetesNodesCadvisor,
        Job::KubernetesServiceEndpoints,
    ];

    /// job_name
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Job::KubernetesPods => "kubernetes-pods",
            Job::KubernetesNodes => "kubernetes-nodes",
            Job::KubernetesNodesCadvisor => "kubernetes-nodes-cadvisor",
            Job::KubernetesServiceEndpoints => "kubernetes-service-endpoints",
        }
    }

    /// honor_labels: of a label that target and exposition both have, the exposition's wins.
    #[must_use]
    pub fn honor_labels(self) -> bool {
        matches!(self, Job::KubernetesPods | Job::KubernetesServiceEndpoints)
    }
}

/// What one job has of its own.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct JobConfig {
    /// scrape_interval; the global one if not given.
    pub scrape_interval: Option<Duration>,
    /// scrape_timeout; the global one if not given, and never more than the interval.
    pub scrape_timeout: Option<Duration>,
    /// Where in the interval its targets are scraped, where that is known: seconds past the multiples of the
    /// interval on the wall clock. Anywhere, if not given.
    pub slot: Option<Distribution>,
}

/// The server's configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The release.
    pub version: Release,
    /// The wall-clock label of the start of the run, in Unix milliseconds.
    pub epoch: i64,
    /// global.scrape_interval. The chart's default is 1 m.
    pub scrape_interval: Duration,
    /// global.scrape_timeout. The chart's default is 10 s.
    pub scrape_timeout: Duration,
    /// global.evaluation_interval, the step of a subquery that names none. The chart's default is 1 m.
    pub evaluation_interval: Duration,
    /// --query.lookback-delta, default 5 m.
    pub lookback_delta: Duration,
    /// What single jobs have of their own.
    pub jobs: SortedMap<Job, JobConfig>,
    /// --scrape.discovery-reload-interval, default 5 s.
    pub discovery_reload_interval: Duration,
    /// How long a scrape takes, in seconds: its samples can be queried only then. An estimate.
    pub scrape_duration: Distribution,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            version: LATEST,
            epoch: 0,
            scrape_interval: Duration::from_secs(60),
            scrape_timeout: Duration::from_secs(10),
            evaluation_interval: Duration::from_secs(60),
            lookback_delta: Duration::from_secs(300),
            jobs: SortedMap::new(),
            discovery_reload_interval: Duration::from_secs(5),
            scrape_duration: Distribution::LogNormal {
                median: 0.01,
                sigma: 0.5,
            },
        }
    }
}

impl Config {
    /// An instant of the run as Unix milliseconds, rounded down.
    #[must_use]
    pub fn unix_millis(&self, at: Instant) -> i64 {
        self.epoch + at.as_millis() as i64
    }

    /// What concerns queries.
    #[must_use]
    pub fn settings(&self) -> Settings {
        Settings {
            lookback_delta: self.lookback_delta.as_millis() as i64,
            evaluation_interval: self.evaluation_interval.as_millis() as i64,
        }
    }

    /// A job's scrape_interval.
    #[must_use]
    pub fn interval(&self, job: Job) -> Duration {
        let own = self.jobs.get(&job).and_then(|job| job.scrape_interval);
        own.unwrap_or(self.scrape_interval)
    }

    /// A job's scrape_timeout.
    #[must_use]
    pub fn timeout(&self, job: Job) -> Duration {
        let own = self.jobs.get(&job).and_then(|job| job.scrape_timeout);
        own.unwrap_or(self.scrape_timeout).min(self.interval(job))
    }
}
