//! `summary.json`: the numbers a person wants, and the same for a terminal.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use model::cluster::record::{Record, TimeToCapacity};
use serde::Serialize;
use sim::Instant;

/// The numbers of one run.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Summary {
    pub(crate) scenario: String,
    pub(crate) seed: u64,
    pub(crate) fidelity: &'static str,
    pub(crate) simulated_s: f64,
    pub(crate) cost_usd: f64,
    pub(crate) instance_usd: f64,
    pub(crate) volume_usd: f64,
    pub(crate) by_type: BTreeMap<String, TypeSummary>,
    pub(crate) replicas_peak: f64,
    pub(crate) replicas_mean: f64,
    pub(crate) nodes_peak: f64,
    pub(crate) requests_served: f64,
    pub(crate) requests_failed: f64,
    pub(crate) requests_in_flight: f64,
    pub(crate) latency_p50_s: Option<f64>,
    pub(crate) latency_p95_s: Option<f64>,
    pub(crate) latency_p99_s: Option<f64>,
    pub(crate) pending_pod_s: f64,
    pub(crate) scale_ups: u32,
    pub(crate) scale_downs: u32,
    pub(crate) launches: u32,
    pub(crate) launch_failures: u32,
    pub(crate) evictions: u32,
    pub(crate) interruptions: u32,
    pub(crate) could_tip: u32,
    pub(crate) time_to_capacity: Vec<StageSummary>,
}

/// One instance type's part in the bill.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct TypeSummary {
    pub(crate) nodes: u32,
    pub(crate) node_hours: f64,
    pub(crate) instance_usd: f64,
    pub(crate) volume_usd: f64,
}

/// One load step's way to capacity, in seconds.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct StageSummary {
    pub(crate) step_s: f64,
    pub(crate) scrape_s: f64,
    pub(crate) rate_window_s: f64,
    pub(crate) hpa_sync_s: f64,
    pub(crate) node_launch_s: f64,
    pub(crate) pod_start_s: f64,
    pub(crate) total_s: f64,
}

impl From<&TimeToCapacity> for StageSummary {
    fn from(stages: &TimeToCapacity) -> Self {
        StageSummary {
            step_s: stages.step.as_secs_f64(),
            scrape_s: stages.scrape.as_secs_f64(),
            rate_window_s: stages.rate_window.as_secs_f64(),
            hpa_sync_s: stages.hpa_sync.as_secs_f64(),
            node_launch_s: stages.node_launch.as_secs_f64(),
            pod_start_s: stages.pod_start.as_secs_f64(),
            total_s: stages.total.as_secs_f64(),
        }
    }
}

/// Sums a run up.
pub(crate) fn summarize(record: &Record, scenario: &str, seed: u64, fidelity: &'static str) -> Summary {
    let (start, end) = (Instant::ZERO, record.end);
    let desired = record.curve("replicas_desired");
    let finite = |value: f64| value.is_finite().then_some(value);
    let by_type = record.costs.iter().map(|(name, cost)| {
        let part = TypeSummary {
            nodes: cost.nodes,
            node_hours: cost.node_hours,
            instance_usd: cost.instance_usd,
            volume_usd: cost.volume_usd,
        };
        (name.clone(), part)
    });
    Summary {
        scenario: scenario.to_owned(),
        seed,
        fidelity,
        simulated_s: end.as_secs_f64(),
        cost_usd: record.cost_usd(),
        instance_usd: record.costs.values().map(|cost| cost.instance_usd).sum(),
        volume_usd: record.costs.values().map(|cost| cost.volume_usd).sum(),
        by_type: by_type.collect(),
        replicas_peak: desired.max(start, end),
        replicas_mean: desired.mean(start, end),
        nodes_peak: record.curve("nodes").max(start, end),
        requests_served: record.served,
        requests_failed: record.failed,
        requests_in_flight: record.in_flight,
        latency_p50_s: finite(record.latency[0]),
        latency_p95_s: finite(record.latency[1]),
        latency_p99_s: finite(record.latency[2]),
        pending_pod_s: record.pending_seconds,
        scale_ups: record.counts.scale_ups,
        scale_downs: record.counts.scale_downs,
        launches: record.counts.launches,
        launch_failures: record.counts.launch_failures,
        evictions: record.counts.evictions,
        interruptions: record.counts.interruptions,
        could_tip: record.counts.could_tip,
        time_to_capacity: record.time_to_capacity.iter().map(StageSummary::from).collect(),
    }
}

impl Summary {
    /// For a terminal: aligned lines, the important ones first.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        let mut line = |name: &str, value: String| {
            let _ = writeln!(text, "{name:<18} {value}");
        };
        line("simulated", format!("{} ({}, seed {})", clock(self.simulated_s), self.fidelity, self.seed));
        let money = format!("{:.4} USD", self.cost_usd);
        line("cost", format!("{money} ({:.4} machines, {:.4} volumes)", self.instance_usd, self.volume_usd));
        for (name, part) in &self.by_type {
            let dollars = part.instance_usd + part.volume_usd;
            let hours = format!("{:.2} node-hours on {} nodes", part.node_hours, part.nodes);
            line(&format!("  {name}"), format!("{hours}, {dollars:.4} USD"));
        }
        line("replicas", format!("peak {}, mean {:.1}", self.replicas_peak, self.replicas_mean));
        line("nodes", format!("peak {}, {} launched", self.nodes_peak, self.launches));
        line("requests", format!("{:.0} served, {:.0} failed", self.requests_served, self.requests_failed));
        line("latency", self.latency());
        line("pending", format!("{:.0} pod-seconds", self.pending_pod_s));
        let scaled = format!("{} up, {} down", self.scale_ups, self.scale_downs);
        line("scale events", format!("{scaled}; {} holds could tip", self.could_tip));
        let troubles = format!("{} evictions, {} interruptions", self.evictions, self.interruptions);
        line("disruption", format!("{troubles}, {} launches refused", self.launch_failures));
        for stages in &self.time_to_capacity {
            line("time to capacity", stages.text());
        }
        text
    }

    fn latency(&self) -> String {
        let part = |name: &str, value: Option<f64>| match value {
            Some(seconds) => format!("{name} {:.0} ms", seconds * 1000.0),
            None => format!("{name} –"),
        };
        let parts = [("p50", self.latency_p50_s), ("p95", self.latency_p95_s), ("p99", self.latency_p99_s)];
        parts.map(|(name, value)| part(name, value)).join(", ")
    }
}

impl StageSummary {
    fn text(&self) -> String {
        format!(
            "{:.0} s after the step at {}: scrape {:.0}, rate window {:.0}, HPA {:.0}, nodes {:.0}, pods {:.0}",
            self.total_s,
            clock(self.step_s),
            self.scrape_s,
            self.rate_window_s,
            self.hpa_sync_s,
            self.node_launch_s,
            self.pod_start_s,
        )
    }
}

fn clock(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}
