//! `summary.json`: the numbers a person wants, and the same for a terminal.
//!
//! With replications every number is the median over the seeds, and `bands` holds its 5th and 95th percentile
//! under the path of the field.

use std::fmt::Write as _;

use live::accuracy::quantile;
use model::cluster::record::{Record, Signal, TimeToCapacity};
use model::ec2::TypeBill;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sim::{Instant, SortedMap};

use super::dashboard::thousands;

/// Requests under way at the end are worth saying when they are more than this share of all: some always are.
const WORTH_SAYING: f64 = 0.01;

/// The numbers of one run, or the medians of several. All are numbers with a fraction, because medians of
/// counts can have one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Summary {
    /// The version of scaletwin that ran.
    pub(crate) version: String,
    pub(crate) scenario: String,
    pub(crate) seed: u64,
    pub(crate) replications: u32,
    pub(crate) fidelity: String,
    /// The wall-clock label of second zero, the end of the warm-up; RFC 3339.
    pub(crate) epoch: String,
    pub(crate) end_s: f64,
    pub(crate) cost_usd: f64,
    pub(crate) instance_usd: f64,
    pub(crate) volume_usd: f64,
    pub(crate) by_type: SortedMap<String, TypeSummary>,
    /// Of the service's spec.replicas: how many were wanted.
    pub(crate) replicas_peak: f64,
    /// The same, weighted by time.
    pub(crate) replicas_mean: f64,
    /// Of its pods that were Ready and not about to go.
    pub(crate) ready_peak: f64,
    /// The same, weighted by time.
    pub(crate) ready_mean: f64,
    pub(crate) nodes_peak: f64,
    pub(crate) nodes_mean: f64,
    pub(crate) requests_served: f64,
    pub(crate) requests_failed: f64,
    pub(crate) requests_in_flight: f64,
    pub(crate) latency_p50_s: Option<f64>,
    pub(crate) latency_p95_s: Option<f64>,
    pub(crate) latency_p99_s: Option<f64>,
    /// The share of the time in states of the service whose throughput may settle elsewhere.
    pub(crate) unsettled: f64,
    /// Of all workloads.
    pub(crate) pending_pod_s: f64,
    /// Of the service's own pods.
    pub(crate) pending_service_pod_s: f64,
    pub(crate) scale_ups: f64,
    pub(crate) scale_downs: f64,
    pub(crate) launches: f64,
    pub(crate) launch_failures: f64,
    /// Of workloads' pods.
    pub(crate) evictions: f64,
    /// Of DaemonSets' pods, which go with their nodes.
    pub(crate) daemon_evictions: f64,
    /// Of workloads' pods, by their node's terminationGracePeriod.
    pub(crate) forced_deletions: f64,
    pub(crate) interruptions: f64,
    pub(crate) could_tip: f64,
    /// HPA syncs that found the target exceeded and held, since that was within the tolerance.
    pub(crate) tolerated: f64,
    pub(crate) time_to_capacity: Vec<StageSummary>,
    /// The load steps, in seconds, that did not reach capacity, in whichever of the seeds: replicas asked for did not all
    /// become Ready while they were wanted, or were not enough, or nobody asked and the service did not keep up
    /// ([`Record::unreached`]).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) capacity_not_reached_s: Vec<f64>,
    /// What the scenario did, and when; of several seeds, what the first saw.
    pub(crate) marks: Vec<Mark>,
    /// Actions that could not be carried out, in whichever of the seeds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) failed_actions: Vec<FailedAction>,
    #[serde(skip_serializing_if = "SortedMap::is_empty")]
    pub(crate) bands: SortedMap<String, (f64, f64)>,
}

/// One instance type's part in the bill.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct TypeSummary {
    pub(crate) nodes: f64,
    pub(crate) node_hours: f64,
    pub(crate) instance_usd: f64,
    pub(crate) volume_usd: f64,
}

/// One load step's way to capacity, in seconds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct StageSummary {
    pub(crate) step_s: f64,
    pub(crate) scrape_s: f64,
    pub(crate) rate_window_s: f64,
    pub(crate) tolerance_s: f64,
    pub(crate) keda_poll_s: f64,
    pub(crate) hpa_sync_s: f64,
    pub(crate) stopped_s: f64,
    pub(crate) node_launch_s: f64,
    pub(crate) image_pull_s: f64,
    pub(crate) pod_start_s: f64,
    pub(crate) total_s: f64,
    /// Of how many seeds it is the one in the middle by its total: not every one answers every step.
    pub(crate) seeds: u32,
    /// The HPA goes on asking for more than it gets, as at maxReplicas.
    pub(crate) short: bool,
    /// What the raises went by: `queries`, `usage` or `schedule`; empty in files from before it was told.
    pub(crate) signal: String,
}

/// An action of the scenario as it was carried out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Mark {
    pub(crate) t_s: f64,
    pub(crate) label: String,
}

/// An action of the scenario that did not find what it is about.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct FailedAction {
    pub(crate) t_s: f64,
    pub(crate) label: String,
    pub(crate) reason: String,
}

impl FailedAction {
    /// In a line.
    pub(crate) fn text(&self) -> String {
        format!("{} at {}: {}", self.label, length(self.t_s), self.reason)
    }
}

impl From<&TimeToCapacity> for StageSummary {
    fn from(stages: &TimeToCapacity) -> Self {
        StageSummary {
            step_s: stages.step.as_secs_f64(),
            scrape_s: stages.scrape.as_secs_f64(),
            rate_window_s: stages.rate_window.as_secs_f64(),
            tolerance_s: stages.tolerance.as_secs_f64(),
            keda_poll_s: stages.keda_poll.as_secs_f64(),
            hpa_sync_s: stages.hpa_sync.as_secs_f64(),
            stopped_s: stages.stopped.as_secs_f64(),
            node_launch_s: stages.node_launch.as_secs_f64(),
            image_pull_s: stages.image_pull.as_secs_f64(),
            pod_start_s: stages.pod_start.as_secs_f64(),
            total_s: stages.total.as_secs_f64(),
            seeds: 1,
            short: stages.short,
            signal: match stages.signal {
                Signal::Queries => "queries",
                Signal::Usage => "usage",
                Signal::Schedule => "schedule",
            }
            .to_owned(),
        }
    }
}

/// Whose numbers they are.
#[derive(Debug, Clone, Default)]
pub(crate) struct About {
    pub(crate) scenario: String,
    pub(crate) seed: u64,
    pub(crate) fidelity: String,
    pub(crate) epoch: String,
}

/// Sums a run up.
pub(crate) fn summarize(record: &Record, about: &About) -> Summary {
    let (start, end) = (Instant::ZERO, record.end);
    let desired = record.curve("replicas_desired");
    let (nodes, ready) = (record.curve("nodes"), record.curve("replicas_ready"));
    let finite = |value: f64| value.is_finite().then_some(value);
    let by_type = record.costs.iter().map(|(name, cost)| {
        let part = TypeSummary {
            nodes: f64::from(cost.nodes),
            node_hours: cost.node_hours,
            instance_usd: cost.instance_usd,
            volume_usd: cost.volume_usd,
        };
        (name.to_string(), part)
    });
    // An empty sum is minus zero.
    let dollars = |of: fn(&TypeBill) -> f64| record.costs.values().map(of).sum::<f64>() + 0.0;
    let (instance_usd, volume_usd) = (dollars(|cost| cost.instance_usd), dollars(|cost| cost.volume_usd));
    let counts = &record.counts;
    let marks = record.marks.iter();
    Summary {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        scenario: about.scenario.clone(),
        seed: about.seed,
        replications: 1,
        fidelity: about.fidelity.clone(),
        epoch: about.epoch.clone(),
        end_s: end.as_secs_f64(),
        cost_usd: instance_usd + volume_usd,
        instance_usd,
        volume_usd,
        by_type: by_type.collect(),
        replicas_peak: desired.max(start, end),
        replicas_mean: desired.mean(start, end),
        ready_peak: ready.max(start, end),
        ready_mean: ready.mean(start, end),
        nodes_peak: nodes.max(start, end),
        nodes_mean: nodes.mean(start, end),
        requests_served: record.served,
        requests_failed: record.failed,
        requests_in_flight: record.in_flight,
        latency_p50_s: finite(record.latency[0]),
        latency_p95_s: finite(record.latency[1]),
        latency_p99_s: finite(record.latency[2]),
        unsettled: record.unsettled,
        pending_pod_s: record.pending_seconds,
        pending_service_pod_s: record.service_pending_seconds,
        scale_ups: f64::from(counts.scale_ups),
        scale_downs: f64::from(counts.scale_downs),
        launches: f64::from(counts.launches),
        launch_failures: f64::from(counts.launch_failures),
        evictions: f64::from(counts.evictions),
        daemon_evictions: f64::from(counts.daemon_evictions),
        forced_deletions: f64::from(counts.forced_deletions),
        interruptions: f64::from(counts.interruptions),
        could_tip: f64::from(counts.could_tip),
        tolerated: f64::from(counts.tolerated),
        time_to_capacity: record.time_to_capacity.iter().map(StageSummary::from).collect(),
        capacity_not_reached_s: record.unreached.iter().map(|step| step.as_secs_f64()).collect(),
        marks: marks
            .map(|(at, label)| Mark {
                t_s: at.as_secs_f64(),
                label: label.clone(),
            })
            .collect(),
        failed_actions: record
            .failed_actions
            .iter()
            .map(|failed| FailedAction {
                t_s: failed.at.as_secs_f64(),
                label: failed.label.clone(),
                reason: failed.reason.clone(),
            })
            .collect(),
        bands: SortedMap::new(),
    }
}

/// A smaller share of the time is not worth a line.
const LEAST_UNSETTLED: f64 = 0.01;

impl Summary {
    /// The medians of several runs, with bands.
    ///
    /// # Panics
    ///
    /// When there is no run.
    pub(crate) fn merged(runs: &[Summary]) -> Self {
        let (first, rest) = runs.split_first().expect("at least one run");
        if rest.is_empty() {
            return first.clone();
        }
        let values: Vec<Value> = runs
            .iter()
            .map(|run| {
                let run = Summary {
                    failed_actions: Vec::new(),
                    capacity_not_reached_s: Vec::new(),
                    ..run.clone()
                };
                serde_json::to_value(run).expect("a summary has text keys")
            })
            .collect();
        let mut failed_actions: Vec<FailedAction> = Vec::new();
        for failed in runs.iter().flat_map(|run| &run.failed_actions) {
            if !failed_actions.contains(failed) {
                failed_actions.push(failed.clone());
            }
        }
        let unreached = runs
            .iter()
            .flat_map(|run| run.capacity_not_reached_s.iter().copied());
        let mut capacity_not_reached_s: Vec<f64> = unreached.collect();
        capacity_not_reached_s.sort_by(f64::total_cmp);
        capacity_not_reached_s.dedup();
        let mut bands = SortedMap::new();
        let value = median(&values.iter().collect::<Vec<_>>(), "", &mut bands);
        let merged: Summary = serde_json::from_value(value).expect("medians have the shape of their runs");
        Summary {
            seed: first.seed,
            replications: runs.len() as u32,
            end_s: first.end_s,
            marks: first.marks.clone(),
            failed_actions,
            capacity_not_reached_s,
            bands,
            ..merged
        }
    }

    /// `summary.json`.
    pub(crate) fn to_json(&self) -> String {
        let mut value = serde_json::to_value(self).expect("a summary has text keys");
        tidy(&mut value);
        let mut text = serde_json::to_string_pretty(&value).expect("a value can be written");
        text.push('\n');
        text
    }

    /// Reads what [`Summary::to_json`] wrote.
    pub(crate) fn from_json(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    /// The same on one line.
    pub(crate) fn to_value(&self) -> Value {
        let mut value = serde_json::to_value(self).expect("a summary has text keys");
        tidy(&mut value);
        value
    }

    /// The time of day at second zero, in seconds.
    pub(crate) fn clock_s(&self) -> Option<f64> {
        live::curves::time_of_day(self.epoch.get(11..19)?)
    }

    /// For a terminal: aligned lines, the important ones first.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        let mut line = |name: &str, value: String| {
            let _ = writeln!(text, "{name:<18} {value}");
        };
        let seeds = match self.replications {
            1 => format!("seed {}", self.seed),
            n => format!("median of {n} seeds from {}, 5–95 % in brackets", self.seed),
        };
        line(
            "scenario",
            format!(
                "{}, {} in {}, {seeds}",
                self.scenario,
                length(self.end_s),
                self.fidelity
            ),
        );
        let machines = format!(
            "machines {:.4}, volumes {:.4}",
            self.instance_usd, self.volume_usd
        );
        line(
            "cost",
            format!(
                "{:.4} USD{} ({machines})",
                self.cost_usd,
                self.band("cost_usd", 4)
            ),
        );
        for (name, part) in &self.by_type {
            let dollars = part.instance_usd + part.volume_usd;
            let band = self.band(&format!("by_type.{name}.node_hours"), 2);
            let nodes = count(part.nodes, "node", "nodes");
            line(
                &format!("  {name}"),
                format!(
                    "{:.2} node-hours{band} on {nodes}, {dollars:.4} USD",
                    part.node_hours
                ),
            );
        }
        let replicas = |peak: f64, mean: f64, sort: &str| {
            let [at_peak, at_mean] =
                [("peak", 0), ("mean", 1)].map(|(what, digits)| self.band(&format!("{sort}_{what}"), digits));
            format!("peak {peak:.0}{at_peak}, mean {mean:.1}{at_mean}")
        };
        let desired = replicas(self.replicas_peak, self.replicas_mean, "replicas");
        let ready = replicas(self.ready_peak, self.ready_mean, "ready");
        line("replicas", format!("desired {desired}; ready {ready}"));
        let (peak, mean) = (self.band("nodes_peak", 0), self.band("nodes_mean", 1));
        let nodes = format!(
            "peak {:.0}{peak}, mean {:.1}{mean}",
            self.nodes_peak, self.nodes_mean
        );
        line(
            "nodes",
            format!(
                "{nodes}; {:.0} launched{}",
                self.launches,
                self.band("launches", 0)
            ),
        );
        let served = format!(
            "{} served{}",
            thousands(self.requests_served),
            self.band("requests_served", 0)
        );
        let failed = format!(
            "{} failed{}",
            thousands(self.requests_failed),
            self.band("requests_failed", 0)
        );
        let mut requests = format!("{served}, {failed}");
        let sent = self.requests_served + self.requests_failed + self.requests_in_flight;
        if self.requests_in_flight > WORTH_SAYING * sent {
            let _ = write!(
                requests,
                ", {} unanswered at the end{}",
                thousands(self.requests_in_flight),
                self.band("requests_in_flight", 0)
            );
        }
        line("requests", requests);
        line("latency", self.latency());
        if self.unsettled >= LEAST_UNSETTLED {
            let share = format!("{:.0} %", self.unsettled * 100.0);
            let means = "request by request it may settle at another rate, or with lines that stay";
            line(
                "two stable states",
                format!("{share} of the time: {means} (--fidelity requests)"),
            );
        }
        let [own, all] = [self.pending_service_pod_s, self.pending_pod_s].map(thousands);
        line(
            "pending",
            format!(
                "{own} pod-seconds{} of the service, {all}{} of all workloads",
                self.band("pending_service_pod_s", 0),
                self.band("pending_pod_s", 0)
            ),
        );
        let scaled = format!("{:.0} up, {:.0} down", self.scale_ups, self.scale_downs);
        let tip = if self.could_tip > 0.0 {
            format!(
                "; {} could tip: the ratio is within 0.02 of the tolerance",
                count(self.could_tip, "HPA sync that held", "HPA syncs that held")
            )
        } else {
            String::new()
        };
        line("scale events", format!("{scaled}{tip}"));
        if self.tolerated > 0.0 {
            let syncs = count(self.tolerated, "HPA sync", "HPA syncs");
            line(
                "tolerance",
                format!("{syncs} found the target exceeded, and held: it was within the tolerance"),
            );
        }
        let mut evictions = count(self.evictions, "eviction", "evictions");
        if self.daemon_evictions > 0.0 {
            let _ = write!(
                evictions,
                " and {} of DaemonSets",
                count(self.daemon_evictions, "pod", "pods")
            );
        }
        if self.forced_deletions > 0.0 {
            let forced = count(self.forced_deletions, "forced deletion", "forced deletions");
            let _ = write!(evictions, ", {forced}");
        }
        let interruptions = count(self.interruptions, "interruption", "interruptions");
        let refused = count(self.launch_failures, "launch refused", "launches refused");
        line("disruption", format!("{evictions}, {interruptions}, {refused}"));
        for stages in &self.time_to_capacity {
            line("time to capacity", self.stages(stages));
        }
        for step in &self.capacity_not_reached_s {
            let others = self.time_to_capacity.iter().any(|way| way.step_s == *step);
            if !others {
                let at = self.at(*step);
                line("time to capacity", format!("not reached after the step at {at}"));
            }
        }
        for failed in &self.failed_actions {
            line("not done", failed.text());
        }
        text
    }

    fn latency(&self) -> String {
        let part = |(name, value): (&str, Option<f64>)| match value {
            Some(seconds) => format!("{name} {:.0} ms", seconds * 1000.0),
            None => format!("{name} –"),
        };
        let parts = [
            ("p50", self.latency_p50_s),
            ("p95", self.latency_p95_s),
            ("p99", self.latency_p99_s),
        ];
        parts.map(part).join(", ")
    }

    /// A second of the run, by the clock if there is one.
    fn at(&self, second: f64) -> String {
        match self.clock_s() {
            Some(clock) => time_of_day(clock + second),
            None => length(second),
        }
    }

    fn stages(&self, stages: &StageSummary) -> String {
        let at = self.at(stages.step_s);
        // Only queries wait for scrapes and windows; a schedule for its time, however often Prometheus scrapes.
        let (reading, read_s, rise, rise_s) = match stages.signal.as_str() {
            "usage" => (
                "metrics-server",
                stages.scrape_s,
                "usage rising",
                stages.rate_window_s,
            ),
            "schedule" => (
                "",
                0.0,
                "until the trigger's time",
                stages.scrape_s + stages.rate_window_s,
            ),
            _ => ("scrape", stages.scrape_s, "rate window", stages.rate_window_s),
        };
        let parts = [
            (reading, read_s),
            (rise, rise_s),
            ("within the tolerance", stages.tolerance_s),
            ("KEDA poll", stages.keda_poll_s),
            ("HPA sync", stages.hpa_sync_s),
            ("stopped parts", stages.stopped_s),
            ("node launch", stages.node_launch_s),
            ("image pull", stages.image_pull_s),
            ("pod start", stages.pod_start_s),
        ];
        // Most ways have nothing of these.
        let rare = ["", "within the tolerance", "KEDA poll", "stopped parts"];
        let parts = parts
            .iter()
            .filter(|(name, seconds)| *seconds > 0.0 || !rare.contains(name));
        let parts: Vec<String> = parts
            .map(|(name, seconds)| format!("{name} {seconds:.0}"))
            .collect();
        let of_seeds = if stages.seeds < self.replications {
            format!(" ({} of {} seeds)", stages.seeds, self.replications)
        } else {
            String::new()
        };
        let short = match stages.short {
            true => "; the HPA asks for more than it gets, as at maxReplicas",
            false => "",
        };
        format!(
            "{:.0} s after the step at {at}{of_seeds}: {}{short}",
            stages.total_s,
            parts.join(" + ")
        )
    }

    fn band(&self, field: &str, digits: usize) -> String {
        match self.bands.get(field) {
            Some((low, high)) => format!(" [{low:.digits$}–{high:.digits$}]"),
            None => String::new(),
        }
    }
}

/// The median of numbers and of each field of objects; of the ways to capacity of each step the one in the middle, whose
/// stages add up; of other things, the first.
/// An instance type that a run did not have counts as zeros, a latency that it could not say is left out.
fn median(values: &[&Value], path: &str, bands: &mut SortedMap<String, (f64, f64)>) -> Value {
    let numbers: Vec<f64> = values.iter().filter_map(|value| value.as_f64()).collect();
    if !numbers.is_empty() {
        bands.insert(
            path.to_owned(),
            (quantile(&numbers, 0.05), quantile(&numbers, 0.95)),
        );
        return Value::from(quantile(&numbers, 0.5));
    }
    let below = |key: &str| {
        if path.is_empty() {
            key.to_owned()
        } else {
            format!("{path}.{key}")
        }
    };
    match values[0] {
        Value::Object(_) => {
            let objects: Vec<_> = values.iter().filter_map(|value| value.as_object()).collect();
            let absent = serde_json::to_value(TypeSummary::default()).expect("a summary has text keys");
            let keys: sim::SortedSet<&String> = objects.iter().flat_map(|object| object.keys()).collect();
            let field = |key: &String| {
                let has: Vec<&Value> = objects
                    .iter()
                    .map(|object| object.get(key).unwrap_or(&absent))
                    .collect();
                let own = ["version", "seed", "replications", "end_s", "marks", "bands"];
                let value = if path.is_empty() && own.contains(&key.as_str()) {
                    has[0].clone()
                } else {
                    median(&has, &below(key), bands)
                };
                (key.clone(), value)
            };
            Value::Object(keys.into_iter().map(field).collect())
        }
        Value::Array(_) => {
            let ways: Vec<&Value> = values
                .iter()
                .filter_map(|value| value.as_array())
                .flatten()
                .collect();
            let mut steps: Vec<f64> = ways.iter().filter_map(|way| way["step_s"].as_f64()).collect();
            steps.sort_by(f64::total_cmp);
            steps.dedup();
            let of_step = |(n, step): (usize, f64)| {
                let own = ways.iter().filter(|way| way["step_s"].as_f64() == Some(step));
                let mut own: Vec<&Value> = own.copied().collect();
                let path = below(&n.to_string());
                median(&own, &path, bands);
                let total = |way: &Value| way["total_s"].as_f64().unwrap_or(f64::INFINITY);
                own.sort_by(|a, b| total(a).total_cmp(&total(b)));
                let mut way = own[(own.len() - 1) / 2].clone();
                way["seeds"] = Value::from(own.len());
                bands.remove(&format!("{path}.seeds"));
                way
            };
            Value::Array(steps.into_iter().enumerate().map(of_step).collect())
        }
        other => other.clone(),
    }
}

/// Six decimals are enough, and a whole number needs none.
fn tidy(value: &mut Value) {
    match value {
        Value::Number(number) => {
            let Some(float) = number.as_f64().filter(|_| number.is_f64()) else {
                return;
            };
            let rounded = (float * 1e6).round() / 1e6;
            *value = if rounded.fract() == 0.0 && rounded.abs() < 9e15 {
                Value::from(rounded as i64)
            } else {
                Value::from(rounded)
            };
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        Value::Object(fields) => fields.values_mut().for_each(tidy),
        _ => {}
    }
}

fn count(number: f64, one: &str, several: &str) -> String {
    let digits = usize::from(number.fract() != 0.0);
    format!("{number:.digits$} {}", if number == 1.0 { one } else { several })
}

/// 2850 s as "47 min 30 s".
fn length(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, m, 0) => format!("{m} min"),
        (0, m, s) => format!("{m} min {s} s"),
        (h, 0, 0) => format!("{h} h"),
        (h, m, 0) => format!("{h} h {m} min"),
        (h, m, s) => format!("{h} h {m} min {s} s"),
    }
}

/// Seconds since midnight as "14:13:00".
pub(crate) fn time_of_day(seconds: f64) -> String {
    let seconds = seconds.round().rem_euclid(86_400.0) as u64;
    format!(
        "{:02}:{:02}:{:02}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

#[cfg(test)]
mod tests;
