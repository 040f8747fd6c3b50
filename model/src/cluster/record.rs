//! What a run leaves behind: rows, curves, decisions, totals.

use std::time::Duration;

use sim::{Instant, SortedMap, StepSeries};

use crate::ec2::Bill;

/// A value in the event log.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Words.
    Text(String),
    /// A number.
    Number(f64),
    /// Several words: candidates, pods, instance types.
    List(Vec<String>),
    /// Several things with details of their own: an HPA's metrics.
    Entries(Vec<Vec<(&'static str, Value)>>),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Value::Text(text)
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Value::Number(number)
    }
}

impl From<i32> for Value {
    fn from(number: i32) -> Self {
        Value::Number(f64::from(number))
    }
}

impl From<Vec<String>> for Value {
    fn from(list: Vec<String>) -> Self {
        Value::List(list)
    }
}

/// One decision or change, with its inputs.
#[derive(Debug, Clone, PartialEq)]
pub struct LogEntry {
    /// When.
    pub at: Instant,
    /// The part that decided: `hpa`, `karpenter`, `scheduler`, …
    pub part: &'static str,
    /// What it is about: a Deployment, a pod, a node.
    pub object: String,
    /// What happened, in the past tense: `ScaledUp`, `NodeLaunched`, `PodUnschedulable`.
    pub kind: &'static str,
    /// The inputs and the reason.
    pub details: Vec<(&'static str, Value)>,
}

/// One row of the series: the state every 15 seconds.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Row {
    /// Since the start of the run.
    pub at: Instant,
    /// Client pods that are sending.
    pub clients: f64,
    /// Requests served a second since the last row.
    pub rps_served: f64,
    /// Requests failed a second since the last row.
    pub rps_failed: f64,
    /// The scaled target's spec.replicas.
    pub replicas_desired: f64,
    /// Its ready pods.
    pub replicas_ready: f64,
    /// Pods without a node, of all workloads.
    pub pods_pending: f64,
    /// Pods of the scaled target's namespace, as `kube_pod_info` counts them.
    pub pods: f64,
    /// Nodes of each type that have joined, in the order of [`Record::instance_types`].
    pub nodes: Vec<f64>,
    /// What the machines and their volumes cost at the moment, USD an hour.
    pub cost_per_hour: f64,
    /// 95th percentile of the response time at the moment, seconds; NaN if nothing is served or nobody asked.
    pub latency_p95: f64,
    /// The dashboard's request rate, as the simulated Prometheus answers it; NaN if it does not.
    pub seen_rps: f64,
    /// The dashboard's pod count; NaN likewise.
    pub seen_pods: f64,
    /// The dashboard's node counts, in the order of [`Record::instance_types`]; NaN if it has none at all.
    pub seen_nodes: Vec<f64>,
}

/// How a load step became capacity, split by what was waited for; where an autoscaler answered in several rounds, the
/// stages of all of them together. They add up to `total`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct TimeToCapacity {
    /// The step.
    pub step: Instant,
    /// For the first scrape after the step, or after the replicas of the round before were there.
    pub scrape: Duration,
    /// From there to the reading that showed that more was needed: the rate window filling, or the load still rising.
    pub rate_window: Duration,
    /// The end of that time, from the first sync on that found the metric above its target and held all the same, since it
    /// was within the tolerance.
    pub tolerance: Duration,
    /// From that reading to the poll of KEDA's that took it: where the HPA is served what polls keep, as with
    /// useCachedMetrics, and where the poll itself raises the size, as from zero. Zero where the HPA's question makes
    /// KEDA ask anew.
    pub keda_poll: Duration,
    /// From there to the raise: the HPA's next sync, and what its stabilization and policies held back.
    pub hpa_sync: Duration,
    /// The part of these five in which somebody whom they wait for was stopped by an action: Prometheus or
    /// metrics-server, KEDA, the HPA controller. It is in none of them.
    pub stopped: Duration,
    /// While the round's last replica had no node.
    pub node_launch: Duration,
    /// While its images were checked and pulled onto that node.
    pub image_pull: Duration,
    /// The rest, until it was Ready: it was made, its sandbox and containers started, its probes passed.
    pub pod_start: Duration,
    /// From the step to all replicas of the last raise being Ready, before any of them was given up.
    pub total: Duration,
    /// The HPA goes on asking for more than it gets, as at maxReplicas.
    pub short: bool,
    /// What the raises went by.
    pub signal: Signal,
}

/// What tells an autoscaler that more is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Signal {
    /// Queries to Prometheus, or several things.
    #[default]
    Queries,
    /// What pods use, by metrics-server.
    Usage,
    /// The time of day.
    Schedule,
}

/// Counters of what happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Times the scaled target's replicas were raised.
    pub scale_ups: u32,
    /// Times they were lowered.
    pub scale_downs: u32,
    /// Machines that Karpenter launched.
    pub launches: u32,
    /// Fleet requests refused for lack of capacity.
    pub launch_failures: u32,
    /// Pods evicted by node termination, those of DaemonSets left out.
    pub evictions: u32,
    /// Pods of DaemonSets evicted by it: they go with their node, and nobody misses them.
    pub daemon_evictions: u32,
    /// Pods deleted, whatever protects them, because their node's terminationGracePeriod runs out, those of DaemonSets
    /// left out, and those that were going already.
    pub forced_deletions: u32,
    /// Spot interruptions.
    pub interruptions: u32,
    /// Syncs of the HPA that held within 0.02 of the tolerance: a slightly different load would have scaled. A hold
    /// of a minute is four of them.
    pub could_tip: u32,
    /// Syncs of the HPA that found the metric above its target and held, since it was within the tolerance.
    pub tolerated: u32,
}

/// An action of the scenario that did not find what it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedAction {
    /// When.
    pub at: Instant,
    /// What it is called.
    pub label: String,
    /// Why.
    pub reason: String,
}

/// A whole run.
#[derive(Debug, Clone, Default)]
pub struct Record {
    /// The instance types seen, system nodes first: the columns of `nodes`.
    pub instance_types: Vec<String>,
    /// The state every 15 s.
    pub rows: Vec<Row>,
    /// Exact curves by name: `replicas_desired`, `replicas_ready`, `pods_pending`, `service_pending` (those of them that are
    /// the scaled target's), `nodes`.
    pub curves: SortedMap<&'static str, StepSeries>,
    /// Every decision, if they were asked for.
    pub log: Vec<LogEntry>,
    /// Marks: the scenario's actions as they were carried out.
    pub marks: Vec<(Instant, String)>,
    /// Actions that could not be carried out, those of the warm-up too, which are told at zero.
    pub failed_actions: Vec<FailedAction>,
    /// Totals by instance type.
    pub costs: Bill,
    /// Counters.
    pub counts: Counts,
    /// Requests served.
    pub served: f64,
    /// Requests failed.
    pub failed: f64,
    /// Requests that had not ended when the run did.
    pub in_flight: f64,
    /// Response times at the 50th, 95th and 99th percentile, seconds, weighted by requests; NaN if nothing
    /// was served or nobody asked.
    pub latency: [f64; 3],
    /// The share of the time in states of the service that may settle elsewhere
    /// ([`Traffic::unsettled`](crate::traffic::Traffic::unsettled)); zero where response times are not asked for.
    pub unsettled: f64,
    /// Pod-seconds without a node, of all workloads: also of pods that do nothing but keep room.
    pub pending_seconds: f64,
    /// The scaled target's part of them: its pods that could not serve for want of a node.
    pub service_pending_seconds: f64,
    /// The way to capacity of each load step that reached it.
    pub time_to_capacity: Vec<TimeToCapacity>,
    /// Load steps that did not reach capacity: an autoscaler answered by more replicas which did not all become Ready
    /// while they were wanted; or all did, and at the end of that load (the last five minutes before the next step, the
    /// next action, another size or the end of the run) more than a twentieth of what was asked failed or stayed in line,
    /// or the HPA asked for more most of the time and did not get it; or nobody answered, and requests failed or lines
    /// grew so.
    pub unreached: Vec<Instant>,
    /// The end of the run.
    pub end: Instant,
}

impl Record {
    /// A curve by name, or one that is zero.
    #[must_use]
    pub fn curve(&self, name: &'static str) -> StepSeries {
        self.curves.get(name).cloned().unwrap_or_default()
    }

    /// Dollars spent.
    #[must_use]
    pub fn cost_usd(&self) -> f64 {
        self.costs
            .values()
            .map(|cost| cost.instance_usd + cost.volume_usd)
            .sum()
    }
}
