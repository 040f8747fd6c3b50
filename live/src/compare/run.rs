//! One run: what happened, on the simulated run's clock.

use sim::{Instant, SortedMap, StepSeries};

/// Names of curves, as `series.csv` has them, and those that only comparisons have.
pub mod names {
    /// The scaled target's spec.replicas.
    pub const DESIRED: &str = "replicas_desired";
    /// Its Ready pods.
    pub const READY: &str = "replicas_ready";
    /// Pods without a node.
    pub const PENDING: &str = "pods_pending";
    /// Nodes that have joined.
    pub const NODES: &str = "nodes";
    /// Nodes of one type follow.
    pub const NODES_OF: &str = "nodes.";
    /// Machines that EC2 bills, by type.
    pub const MACHINES_OF: &str = "machines.";
    /// What they cost, USD an hour, volumes left out.
    pub const USD_PER_HOUR: &str = "machine_usd_per_hour";
    /// The request rate as Prometheus sees it.
    pub const SEEN_RPS: &str = "seen.rps";
    /// Pods of the target's namespace as Prometheus sees them.
    pub const SEEN_PODS: &str = "seen.pods";
    /// Nodes as Prometheus sees them.
    pub const SEEN_NODES: &str = "seen.nodes";
    /// Nodes of one type as Prometheus sees them follow.
    pub const SEEN_NODES_OF: &str = "seen.nodes.";
    /// Requests that were answered, a second.
    pub const SERVED: &str = "rps_served";
    /// 95th percentile of the response time, seconds.
    pub const LATENCY: &str = "latency_p95_s";
}

/// What lived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A pod: placed when it is bound.
    Pod,
    /// A NodeClaim: placed when its machine is launched, ready when it is initialized.
    Claim,
    /// A node: placed at once.
    Node,
}

impl Kind {
    /// Its name in files.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Pod => "pod",
            Kind::Claim => "claim",
            Kind::Node => "node",
        }
    }

    /// The kind of a name in files.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Kind::Pod, Kind::Claim, Kind::Node]
            .into_iter()
            .find(|kind| kind.as_str() == name)
    }
}

/// The life of a pod, a claim or a node. Times are seconds on the run's clock; what was before its zero is
/// negative.
#[derive(Debug, Clone, PartialEq)]
pub struct Life {
    /// What.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// When it was made.
    pub created: f64,
    /// When it had its place.
    pub placed: Option<f64>,
    /// When it was Ready first.
    pub ready: Option<f64>,
    /// When it was gone.
    pub gone: Option<f64>,
}

impl Life {
    /// One that began: nothing else is known of it yet.
    pub(super) fn new(kind: Kind, name: &str, created: f64) -> Self {
        Life {
            kind,
            name: name.to_owned(),
            created,
            placed: None,
            ready: None,
            gone: None,
        }
    }

    /// Takes in what it is at a moment: what it was first counts.
    pub(super) fn see(&mut self, now: f64, placed: bool, ready: bool) {
        if placed {
            self.placed.get_or_insert(now);
        }
        if ready {
            self.ready.get_or_insert(now);
        }
    }

    /// With its times as a recording keeps them: else two of the same would differ by how they were rounded.
    pub(super) fn in_milliseconds(&self) -> Life {
        Life {
            kind: self.kind,
            name: self.name.clone(),
            created: milliseconds(self.created),
            placed: self.placed.map(milliseconds),
            ready: self.ready.map(milliseconds),
            gone: self.gone.map(milliseconds),
        }
    }
}

/// Seconds to the millisecond.
pub(super) fn milliseconds(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}

/// A stretch in which a source could not be heard, on the run's clock.
#[derive(Debug, Clone, PartialEq)]
pub struct Gap {
    /// `api`, `api/Pod`, `prometheus`, `ec2`, `all`
    pub source: String,
    /// Since when, seconds.
    pub from: f64,
    /// Until when, seconds.
    pub to: f64,
    /// Why.
    pub reason: String,
}

/// One run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Run {
    /// Curves by name.
    pub curves: SortedMap<String, StepSeries>,
    /// Who lived, by age.
    pub lives: Vec<Life>,
    /// How often: `evictions`, `launches`.
    pub counts: SortedMap<String, f64>,
    /// What was not heard.
    pub gaps: Vec<Gap>,
    /// The first moment of which something is known, seconds; negative if before the clock's zero.
    pub from: f64,
    /// The last.
    pub end: Instant,
}

impl Run {
    /// A curve, if there is one.
    #[must_use]
    pub fn curve(&self, name: &str) -> Option<&StepSeries> {
        self.curves.get(name)
    }

    /// The instance types of the curves whose names begin so.
    pub fn types<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        self.curves
            .keys()
            .filter_map(move |name| name.strip_prefix(prefix))
    }

    /// Adds up curves whose names begin so, under another name.
    pub fn add_up(&mut self, prefix: &str, name: &str) {
        let parts: Vec<&StepSeries> = self
            .curves
            .iter()
            .filter(|(own, _)| own.starts_with(prefix))
            .map(|(_, curve)| curve)
            .collect();
        if parts.is_empty() {
            return;
        }
        let mut times: Vec<Instant> = parts
            .iter()
            .flat_map(|curve| curve.changes().iter().map(|change| change.0))
            .collect();
        times.sort_unstable();
        times.dedup();
        let mut sum = StepSeries::new();
        for at in times {
            sum.set(at, parts.iter().map(|curve| curve.at(at)).sum());
        }
        self.curves.insert(name.to_owned(), sum);
    }
}
