//! What is measured of a run: the numbers of `summary.json`, and shares of time.

use model::cluster::record::{Record, Row};
use sim::Instant;

/// A number that a run ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Measure {
    /// Dollars for machines and volumes.
    Cost,
    /// Median response time, seconds.
    LatencyP50,
    /// 95th percentile of the response time, seconds.
    LatencyP95,
    /// 99th percentile of the response time, seconds.
    LatencyP99,
    /// Requests that failed, of all that ended.
    FailedShare,
    /// Requests served.
    Served,
    /// Pod-seconds without a node, of the service's own pods.
    Pending,
    /// The same of all workloads: pods that only keep room for others wait by design.
    PendingAll,
    /// The longest way from a load step to all replicas Ready, seconds; nothing if a step did not reach capacity, or
    /// none was answered.
    TimeToCapacity,
    /// Times the replicas were raised or lowered.
    ScaleEvents,
    /// Pods evicted by node termination.
    Evictions,
    /// Machines that Karpenter launched.
    Launches,
    /// Fleet requests refused.
    LaunchFailures,
    /// Spot interruptions.
    Interruptions,
    /// Replicas, over time.
    ReplicasMean,
    /// The greatest number of replicas.
    ReplicasPeak,
    /// Nodes, over time.
    NodesMean,
    /// The greatest number of nodes.
    NodesPeak,
}

/// One row: what is known of a measure.
struct About {
    measure: Measure,
    name: &'static str,
    unit: &'static str,
    title: &'static str,
}

const fn about(measure: Measure, name: &'static str, unit: &'static str, title: &'static str) -> About {
    About {
        measure,
        name,
        unit,
        title,
    }
}

const TABLE: [About; 18] = [
    about(Measure::Cost, "cost", "USD", "Cost"),
    about(Measure::LatencyP50, "latency_p50", "s", "Median latency"),
    about(
        Measure::LatencyP95,
        "latency_p95",
        "s",
        "95th percentile of latency",
    ),
    about(
        Measure::LatencyP99,
        "latency_p99",
        "s",
        "99th percentile of latency",
    ),
    about(
        Measure::FailedShare,
        "failed_share",
        "",
        "Share of requests failed",
    ),
    about(Measure::Served, "served", "requests", "Requests served"),
    about(
        Measure::Pending,
        "pending",
        "pod-s",
        "The service's pods waiting for a node",
    ),
    about(
        Measure::PendingAll,
        "pending_all",
        "pod-s",
        "All pods waiting for a node",
    ),
    about(
        Measure::TimeToCapacity,
        "time_to_capacity",
        "s",
        "Time to capacity",
    ),
    about(Measure::ScaleEvents, "scale_events", "", "Scale events"),
    about(Measure::Evictions, "evictions", "", "Evictions"),
    about(Measure::Launches, "launches", "", "Node launches"),
    about(Measure::LaunchFailures, "launch_failures", "", "Launches refused"),
    about(Measure::Interruptions, "interruptions", "", "Spot interruptions"),
    about(Measure::ReplicasMean, "replicas_mean", "", "Replicas, mean"),
    about(Measure::ReplicasPeak, "replicas_peak", "", "Replicas, peak"),
    about(Measure::NodesMean, "nodes_mean", "", "Nodes, mean"),
    about(Measure::NodesPeak, "nodes_peak", "", "Nodes, peak"),
];

impl Measure {
    /// Every measure, in the order of a run's numbers.
    pub const COUNT: usize = TABLE.len();

    fn about(self) -> &'static About {
        &TABLE[self as usize]
    }

    /// Every measure, in the order of a run's numbers.
    pub fn all() -> impl Iterator<Item = Measure> {
        TABLE.iter().map(|about| about.measure)
    }

    /// The measure of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        TABLE
            .iter()
            .find(|about| about.name == name)
            .map(|about| about.measure)
    }

    /// Its place among a run's numbers.
    #[must_use]
    pub fn index(self) -> usize {
        self as usize
    }

    /// What sweep files and columns call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.about().name
    }

    /// Its unit; empty for counts and shares.
    #[must_use]
    pub fn unit(self) -> &'static str {
        self.about().unit
    }

    /// What figures call it.
    #[must_use]
    pub fn title(self) -> &'static str {
        self.about().title
    }

    /// Whether more of it is better.
    #[must_use]
    pub fn more_is_better(self) -> bool {
        self == Measure::Served
    }

    /// Whether more of it is bad for users, whatever the objectives are.
    #[must_use]
    pub fn is_harm(self) -> bool {
        !matches!(
            self,
            Measure::Launches
                | Measure::NodesMean
                | Measure::NodesPeak
                | Measure::PendingAll
                | Measure::ReplicasMean
                | Measure::ReplicasPeak
                | Measure::ScaleEvents
        )
    }

    /// Whether it needs response times, which cost a flow run more than all the rest.
    #[must_use]
    pub fn needs_latency(self) -> bool {
        matches!(
            self,
            Measure::LatencyP50 | Measure::LatencyP95 | Measure::LatencyP99
        )
    }

    /// The number of a run; NaN if the run has none.
    #[must_use]
    pub fn of(self, record: &Record) -> f64 {
        let (start, end) = (Instant::ZERO, record.end);
        let counts = &record.counts;
        let value = match self {
            // An empty sum is minus zero.
            Measure::Cost => record.cost_usd() + 0.0,
            Measure::LatencyP50 => record.latency[0],
            Measure::LatencyP95 => record.latency[1],
            Measure::LatencyP99 => record.latency[2],
            Measure::FailedShare => record.failed / (record.served + record.failed),
            Measure::Served => record.served,
            Measure::Pending => record.service_pending_seconds,
            Measure::PendingAll => record.pending_seconds,
            Measure::TimeToCapacity if !record.unreached.is_empty() => f64::NAN,
            Measure::TimeToCapacity => record
                .time_to_capacity
                .iter()
                .map(|way| way.total.as_secs_f64())
                .fold(f64::NAN, f64::max),
            Measure::ScaleEvents => f64::from(counts.scale_ups + counts.scale_downs),
            Measure::Evictions => f64::from(counts.evictions),
            Measure::Launches => f64::from(counts.launches),
            Measure::LaunchFailures => f64::from(counts.launch_failures),
            Measure::Interruptions => f64::from(counts.interruptions),
            Measure::ReplicasMean => record.curve("replicas_desired").mean(start, end),
            Measure::ReplicasPeak => record.curve("replicas_desired").max(start, end),
            Measure::NodesMean => record.curve("nodes").mean(start, end),
            Measure::NodesPeak => record.curve("nodes").max(start, end),
        };
        rounded(value)
    }

    /// A value for people, with its unit.
    #[must_use]
    pub fn show(self, value: f64) -> String {
        if !value.is_finite() {
            return "–".to_owned();
        }
        match self {
            Measure::FailedShare => format!("{} %", significant(value * 100.0, 3)),
            Measure::LatencyP50 | Measure::LatencyP95 | Measure::LatencyP99 => {
                format!("{} ms", significant(value * 1000.0, 3))
            }
            _ if self.unit().is_empty() => significant(value, 3),
            _ => format!("{} {}", significant(value, 4), self.unit()),
        }
    }

    /// What a run's value is multiplied by, and the unit then, in figures and tables.
    #[must_use]
    pub fn display(self) -> (f64, &'static str) {
        match self {
            Measure::FailedShare => (100.0, "%"),
            Measure::LatencyP50 | Measure::LatencyP95 | Measure::LatencyP99 => (1000.0, "ms"),
            _ => (1.0, self.unit()),
        }
    }
}

/// Six decimals, as `summary.json` has them.
fn rounded(value: f64) -> f64 {
    (value * 1e6).round() / 1e6 + 0.0
}

/// So many significant digits, without an exponent or zeros at the end.
#[must_use]
pub fn significant(value: f64, digits: usize) -> String {
    if value == 0.0 || !value.is_finite() {
        return if value == 0.0 {
            "0".to_owned()
        } else {
            value.to_string()
        };
    }
    let magnitude = value.abs().log10().floor() as i32;
    let decimals = (digits as i32 - 1 - magnitude).clamp(0, 9) as usize;
    let text = format!("{value:.decimals$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// What is looked at over time, every 15 s.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Series {
    /// 95th percentile of the response time, seconds; infinite while all that ends fails.
    LatencyP95,
    /// Requests that failed, of all that ended since the row before.
    FailedShare,
    /// The service's pods without a node.
    PendingPods,
}

impl Series {
    /// All, by name.
    pub const NAMED: [(&'static str, Series); 3] = [
        ("latency_p95", Series::LatencyP95),
        ("failed_share", Series::FailedShare),
        ("pending_pods", Series::PendingPods),
    ];

    /// What sweep files call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Series::LatencyP95 => "latency_p95",
            Series::FailedShare => "failed_share",
            Series::PendingPods => "pending_pods",
        }
    }

    fn of(self, record: &Record, row: &Row) -> f64 {
        match self {
            // Whoever asked and was not served waits for ever.
            Series::LatencyP95 if row.rps_served == 0.0 && row.rps_failed > 0.0 => f64::INFINITY,
            Series::LatencyP95 => row.latency_p95,
            Series::FailedShare => row.rps_failed / (row.rps_served + row.rps_failed),
            Series::PendingPods => {
                let curve = record.curves.get("service_pending");
                curve.map_or(0.0, |curve| curve.at(row.at))
            }
        }
    }

    /// The share of the rows that have a value in which it is within the limit; NaN if no row has one. Rows without
    /// load have none. Where requests fail and none is served, the response time is beyond any limit.
    #[must_use]
    pub fn share_within(self, record: &Record, within: impl Fn(f64) -> bool) -> f64 {
        let values = record
            .rows
            .iter()
            .map(|row| self.of(record, row))
            .filter(|value| !value.is_nan());
        let (mut good, mut all) = (0.0, 0.0);
        for value in values {
            all += 1.0;
            good += f64::from(u8::from(within(value)));
        }
        rounded(good / all)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use model::cluster::record::TimeToCapacity;
    use sim::{SortedMap, StepSeries};

    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_measures() {
        for (index, measure) in Measure::all().enumerate() {
            assert_eq!(measure.index(), index);
            assert_eq!(Measure::named(measure.name()), Some(measure));
        }
    }

    #[test]
    fn numbers_are_short() {
        let check = |value, expected: &str| assert_eq!(significant(value, 3), expected);
        check(0.0, "0");
        check(1234.5, "1234");
        check(0.012_345, "0.0123");
        check(2.0, "2");
        check(-1.2345, "-1.23");
        check(100.0, "100");
    }

    /// Pause pods of low priority that keep room wait whenever the service takes it: that is what they are for.
    #[test]
    fn pods_that_keep_room_are_not_the_services() {
        let row = |second| Row {
            at: Instant::from_secs(second),
            pods_pending: 3.0,
            ..Row::default()
        };
        let mut curve = StepSeries::new();
        curve.set(Instant::from_secs(20), 1.0);
        curve.set(Instant::from_secs(40), 0.0);
        let record = Record {
            pending_seconds: 300.0,
            service_pending_seconds: 20.0,
            rows: [0, 15, 30, 45].map(row).to_vec(),
            curves: SortedMap::from([("service_pending", curve)]),
            ..Record::default()
        };
        assert_eq!(Measure::Pending.of(&record), 20.0);
        assert_eq!(Measure::PendingAll.of(&record), 300.0);
        assert!(Measure::Pending.is_harm() && !Measure::PendingAll.is_harm());
        assert_eq!(Series::PendingPods.share_within(&record, |pods| pods < 1.0), 0.75);
    }

    /// The step that was answered says nothing of the one that never got there.
    #[test]
    fn a_step_that_is_not_reached_has_no_time() {
        let way = TimeToCapacity {
            total: Duration::from_secs(90),
            ..TimeToCapacity::default()
        };
        let mut record = Record {
            time_to_capacity: vec![way],
            ..Record::default()
        };
        assert_eq!(Measure::TimeToCapacity.of(&record), 90.0);
        record.unreached.push(Instant::from_secs(600));
        assert!(Measure::TimeToCapacity.of(&record).is_nan());
    }

    #[test]
    fn a_service_that_is_down_is_not_quick() {
        let row = |rps_served, rps_failed, latency_p95| Row {
            rps_served,
            rps_failed,
            latency_p95,
            ..Row::default()
        };
        let (good, down, idle) = (
            row(9.0, 1.0, 0.1),
            row(0.0, 5.0, f64::NAN),
            row(0.0, 0.0, f64::NAN),
        );
        let record = Record {
            rows: vec![idle.clone(), good, down, idle],
            ..Record::default()
        };
        assert_eq!(
            Series::LatencyP95.share_within(&record, |value| value <= 0.3),
            0.5
        );
    }

    #[test]
    fn the_share_of_time_counts_rows_that_have_a_value() {
        let row = |latency_p95| Row {
            latency_p95,
            ..Row::default()
        };
        let record = Record {
            rows: vec![row(0.1), row(f64::NAN), row(0.5), row(0.2), row(0.2)],
            ..Record::default()
        };
        let share = Series::LatencyP95.share_within(&record, |value| value <= 0.3);
        assert_eq!(share, 0.75);
        let nothing = Series::FailedShare.share_within(&record, |value| value <= 0.3);
        assert!(nothing.is_nan());
    }
}
