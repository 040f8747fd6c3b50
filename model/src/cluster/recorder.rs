//! What of a run is kept, while it runs.

use std::time::Duration;

use sim::{Instant, SortedMap, StepSeries};

use super::capacity::Notes;
use super::record::{Counts, FailedAction, LogEntry, Record, Row};
use super::tally::Tally;
use super::{Cluster, Objects};
use crate::api::Api;
use crate::id::{DeploymentId, PodId};
use crate::prometheus::Value;
use crate::quantity::Price;
use crate::traffic::{Stats, Traffic};

/// How often a row is kept: the step of the walkthrough's dashboard.
pub(super) const STEP: Duration = Duration::from_secs(15);

/// So many rows' questions to the dashboard are answered together.
const AT_ONCE: usize = 256;

/// Keeps rows, exact curves, counters and the log. What happens before the end of the warm-up moves the
/// curves and nothing else.
#[derive(Debug)]
pub(super) struct Recorder {
    pub(super) record: Record,
    /// When results begin to count.
    start: Instant,
    counting: bool,
    /// Whether to keep the log.
    log: bool,
    /// Something that the curves show may have changed.
    touched: bool,
    pub(super) tally: Tally,
    /// How many nodes of each type there were when the table of nodes had this revision.
    nodes: Option<(u64, Vec<f64>)>,
    /// When the last event was.
    last_event: Instant,
    curves: Curves,
    /// Totals when results began to count, and at the last row.
    base: Stats,
    last: Stats,
    /// The names of pods that are gone, for the log.
    gone: SortedMap<PodId, String>,
    /// What was told last of where each pod shall go.
    nominations: SortedMap<PodId, String>,
    /// For the ways to capacity.
    pub(super) notes: Notes,
}

#[derive(Debug, Default)]
pub(super) struct Curves {
    pub(super) desired: StepSeries,
    pub(super) ready: StepSeries,
    pub(super) pending: StepSeries,
    pub(super) waiting: StepSeries,
    pub(super) nodes: StepSeries,
}

impl Recorder {
    pub(super) fn new(start: Instant, log: bool) -> Self {
        Recorder {
            record: Record::default(),
            start,
            counting: start == Instant::ZERO,
            log,
            touched: true,
            tally: Tally::default(),
            nodes: None,
            last_event: Instant::ZERO,
            curves: Curves::default(),
            base: Stats::default(),
            last: Stats::default(),
            gone: SortedMap::new(),
            nominations: SortedMap::new(),
            notes: Notes::default(),
        }
    }

    /// Says that pods, nodes or sizes have changed.
    pub(super) fn touch(&mut self) {
        self.touched = true;
    }

    /// Says that a pod has changed in a way that the curves may show.
    pub(super) fn touch_pod(&mut self, pod: PodId) {
        self.touched = true;
        self.tally.change(pod);
    }

    /// Counts something that happened.
    pub(super) fn count(&mut self, change: impl FnOnce(&mut Counts)) {
        if self.counting {
            change(&mut self.record.counts);
        }
    }

    /// Whether log entries are wanted now.
    pub(super) fn is_logging(&self) -> bool {
        self.log
    }

    /// Keeps a log entry. Times count from the end of the warm-up; what was before it is told at zero.
    pub(super) fn tell(&mut self, now: Instant, mut entry: LogEntry) {
        if self.counting {
            entry.at = self.shift(now);
            self.record.log.push(entry);
        }
    }

    /// A pod is gone; the log may still speak of it.
    pub(super) fn remember(&mut self, pod: PodId, name: String) {
        if self.log {
            self.gone.insert(pod, name);
        }
    }

    /// The name of a pod that is gone.
    pub(super) fn name_of_gone(&self, pod: PodId) -> Option<&String> {
        self.gone.get(&pod)
    }

    /// Whether a pod's nomination has not been told yet: Karpenter repeats it at each pass.
    pub(super) fn is_news(&mut self, pod: PodId, target: &str) -> bool {
        let told = self.nominations.get(&pod).is_some_and(|told| told == target);
        if self.counting && !told {
            self.nominations.insert(pod, target.to_owned());
        }
        !told
    }

    /// A time of the run in seconds of the record: below zero in the warm-up.
    pub(super) fn seconds(&self, at: Instant) -> f64 {
        at.since(self.start).as_secs_f64() - self.start.since(at).as_secs_f64()
    }

    /// Keeps a mark: something that the scenario did.
    pub(super) fn mark(&mut self, now: Instant, label: String) {
        if now >= self.start {
            let at = self.shift(now);
            self.record.marks.push((at, label));
        }
    }

    /// Keeps an action that could not be carried out.
    pub(super) fn failed(&mut self, now: Instant, label: String, reason: String) {
        let at = self.shift(now);
        self.record
            .failed_actions
            .push(FailedAction { at, label, reason });
    }

    /// An event is over.
    pub(super) fn note(&mut self, now: Instant) {
        self.counting = now >= self.start;
        self.last_event = now;
    }

    /// Looks at the cluster as the last instant left it, once the next one has come: many events share an instant.
    pub(super) fn look_back(&mut self, now: Instant, api: &Api, objects: &Objects) {
        if self.touched && now > self.last_event {
            self.look(api, objects);
        }
    }

    /// Looks at the cluster as the last event left it.
    fn look(&mut self, api: &Api, objects: &Objects) {
        if std::mem::take(&mut self.touched) {
            let (at, server) = (self.last_event, objects.roles.server);
            let pods = self.tally.count(api, server);
            self.curves.desired.set(at, desired(api, server));
            self.curves.ready.set(at, pods.ready as f64);
            self.curves.pending.set(at, pods.pending as f64);
            self.curves.waiting.set(at, pods.waiting as f64);
            self.curves.nodes.set(at, api.nodes.len() as f64);
        }
    }

    /// A time of the run as a time of the record.
    pub(super) fn shift(&self, at: Instant) -> Instant {
        Instant::ZERO + at.since(self.start)
    }

    pub(super) fn start(&self) -> Instant {
        self.start
    }

    pub(super) fn curves(&self) -> &Curves {
        &self.curves
    }
}

/// The size that a Deployment shall have; 0 if there is none.
pub(super) fn desired(api: &Api, deployment: Option<DeploymentId>) -> f64 {
    let deployment = deployment.and_then(|id| api.deployments.get(id));
    deployment.map_or(0.0, |deployment| f64::from(deployment.replicas))
}

impl Cluster<'_> {
    /// Keeps a row, unless this is the warm-up, and sees to the next one.
    pub(super) fn row(&mut self, now: Instant) {
        self.agenda.at(now + STEP, super::event::Event::Row);
        self.recorder.look(&self.api, &self.objects);
        let stats = self.parts.traffic.stats(now);
        let flow = [stats.served, stats.failed, stats.in_flight];
        self.recorder.notes.flows(now, flow);
        if now < self.recorder.start {
            self.recorder.last = stats;
            return;
        }
        if now == self.recorder.start {
            self.recorder.base = stats;
        }
        let row = self.state_row(now, stats);
        self.recorder.last = stats;
        self.recorder.record.rows.push(row);
    }

    fn state_row(&mut self, now: Instant, stats: Stats) -> Row {
        let (recorder, api) = (&mut self.recorder, &self.api);
        let seconds = STEP.as_secs_f64();
        let server = self.objects.roles.server;
        let pods = recorder.tally.count(api, server);
        let revision = api.nodes.revision();
        let nodes = match &recorder.nodes {
            Some((known, nodes)) if *known == revision => nodes.clone(),
            _ => {
                let types = &mut recorder.record.instance_types;
                let mut nodes = vec![0.0; types.len()];
                for (_, node) in api.nodes.iter() {
                    count_type(types, &mut nodes, node.instance_type(), 1.0);
                }
                recorder.nodes = Some((revision, nodes.clone()));
                nodes
            }
        };
        Row {
            at: recorder.shift(now),
            clients: f64::from(stats.clients),
            rps_served: (stats.served - recorder.last.served) / seconds,
            rps_failed: (stats.failed - recorder.last.failed) / seconds,
            replicas_desired: desired(api, server),
            replicas_ready: pods.ready as f64,
            pods_pending: recorder.curves.pending.last(),
            pods: pods.beside as f64,
            nodes,
            cost_per_hour: hourly(self.parts.ec2.hourly_cost()),
            latency_p95: f64::NAN,
            seen_rps: f64::NAN,
            seen_pods: f64::NAN,
            seen_nodes: Vec::new(),
        }
    }

    /// What the dashboard shows of each row. It is looked at when all is over: a range query sees a series end
    /// where its stale marker is, not when that was written.
    fn look_at_dashboard(&self, rows: &mut [Row], types: &mut Vec<String>) {
        let dashboard = &self.scenario.dashboard;
        let storage = self.parts.prometheus.storage();
        for rows in rows.chunks_mut(AT_ONCE) {
            let at = |row: &Row| self.recorder.start + row.at.since(Instant::ZERO);
            let unix_millis = |row: &Row| self.parts.prometheus.unix_millis(at(row));
            let times: Vec<i64> = rows.iter().map(unix_millis).collect();
            let ask = |text: &String| match self.queries.get(text) {
                Some(query) => query.instants(storage, &times),
                None => times.iter().map(|_| None).collect(),
            };
            let total = |value: &Option<Value>| value.as_ref().map_or(f64::NAN, total);
            let answers = ask(&dashboard.rps).into_iter().zip(ask(&dashboard.pods));
            for (row, ((rps, pods), nodes)) in rows.iter_mut().zip(answers.zip(ask(&dashboard.nodes))) {
                (row.seen_rps, row.seen_pods) = (total(&rps), total(&pods));
                let Some(Value::Vector(elements)) = nodes else {
                    continue;
                };
                for (labels, value) in &elements {
                    if let Some((_, name)) = labels.iter().next() {
                        count_type(types, &mut row.seen_nodes, name, *value);
                    }
                }
            }
        }
    }

    /// Sums up.
    pub(super) fn finish(mut self, end: Instant) -> Record {
        self.recorder.look(&self.api, &self.objects);
        let stats = self.parts.traffic.stats(end);
        let falls: Vec<Instant> = self.arrival_falls().collect();
        self.recorder.notes.load_changes(falls);
        let (time_to_capacity, unreached) = self.time_to_capacity(end);
        let mut rows = std::mem::take(&mut self.recorder.record.rows);
        let mut types = std::mem::take(&mut self.recorder.record.instance_types);
        if self.options.dashboard {
            self.look_at_dashboard(&mut rows, &mut types);
        }
        let recorder = self.recorder;
        let start = recorder.start;
        let mut record = recorder.record;
        (record.rows, record.instance_types) = (rows, types);
        record.end = Instant::ZERO + end.since(start);
        (record.time_to_capacity, record.unreached) = (time_to_capacity, unreached);
        record.served = stats.served - recorder.base.served;
        record.failed = stats.failed - recorder.base.failed;
        record.in_flight = stats.in_flight;
        record.pending_seconds = recorder.curves.pending.integral(start, end);
        record.service_pending_seconds = recorder.curves.waiting.integral(start, end);
        record.costs = self.parts.ec2.bill(start, end);
        record.curves = SortedMap::from([
            ("replicas_desired", cut(&recorder.curves.desired, start, end)),
            ("replicas_ready", cut(&recorder.curves.ready, start, end)),
            ("pods_pending", cut(&recorder.curves.pending, start, end)),
            ("service_pending", cut(&recorder.curves.waiting, start, end)),
            ("nodes", cut(&recorder.curves.nodes, start, end)),
        ]);
        let width = record.instance_types.len();
        for row in &mut record.rows {
            row.nodes.resize(width, 0.0);
            if self.options.dashboard {
                let absent = if row.seen_nodes.is_empty() { f64::NAN } else { 0.0 };
                row.seen_nodes.resize(width, absent);
            }
        }
        record.latency = [f64::NAN; 3];
        if self.options.latencies {
            say_latencies(&mut record, &mut self.parts.traffic, start, end);
        }
        record
    }
}

/// The response times of each row's step and of the whole, and how sure its throughput is.
fn say_latencies(record: &mut Record, traffic: &mut Traffic, start: Instant, end: Instant) {
    for row in &mut record.rows {
        let to = start + row.at.since(Instant::ZERO);
        if to > start {
            row.latency_p95 = traffic.latency(Instant::ZERO + to.since(Instant::ZERO + STEP), to, &[0.95])[0];
        }
    }
    let percentiles = traffic.latency(start, end, &[0.5, 0.95, 0.99]);
    record.latency.copy_from_slice(&percentiles);
    record.unsettled = traffic.unsettled(start, end);
}

/// Machines and volumes together.
fn hourly((machines, volumes): (Price, Price)) -> f64 {
    (machines + volumes).usd_per_hour()
}

/// Adds to the column of an instance type; a type not seen before gets a new one.
fn count_type(types: &mut Vec<String>, columns: &mut Vec<f64>, name: &str, amount: f64) {
    let place = types.iter().position(|known| known == name).unwrap_or_else(|| {
        types.push(name.to_owned());
        types.len() - 1
    });
    columns.resize(columns.len().max(place + 1), 0.0);
    columns[place] += amount;
}

/// A panel's single number: the sum over all series that the query returns; NaN if there are none, where a
/// panel says that it has no data.
fn total(value: &Value) -> f64 {
    match value {
        Value::Vector(elements) if elements.is_empty() => f64::NAN,
        Value::Vector(elements) => elements.iter().map(|(_, value)| value).sum(),
        Value::Scalar(value) => *value,
        _ => f64::NAN,
    }
}

/// A curve between two instants, with the first of them as its zero.
fn cut(curve: &StepSeries, start: Instant, end: Instant) -> StepSeries {
    let mut cut = StepSeries::new();
    for (at, _, value) in curve.stretches(start, end) {
        cut.set(Instant::ZERO + at.since(start), value);
    }
    cut
}
