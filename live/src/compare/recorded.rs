//! A recorded run.

use sim::{SortedMap, SortedSet};

use jiff::Timestamp;
use model::scenario::{ObjectName, Scenario};

use super::run::{Gap, Kind, Life, Run, names};
use crate::curves::instant;
use crate::heard::Heard;
use crate::objects::Clock;
use crate::recording::{Change, Entry, Object, Recording, Sample};

/// What is scaled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its namespace.
    pub namespace: String,
    /// The Deployment.
    pub name: String,
}

impl From<&ObjectName> for Target {
    fn from(name: &ObjectName) -> Self {
        Target {
            namespace: name.namespace.clone(),
            name: name.name.clone(),
        }
    }
}

/// Why it is not clear what is scaled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// There is no autoscaler.
    #[error(
        "the recording holds no HorizontalPodAutoscaler, so that nothing says which Deployment is scaled"
    )]
    None,
    /// There are several.
    #[error("several Deployments are scaled in the recording: {0}")]
    Several(String),
}

impl Target {
    /// The Deployment that the only HPA of a recording scales.
    ///
    /// # Errors
    ///
    /// When there is no HPA, or HPAs of several Deployments.
    pub fn of(recording: &Recording) -> Result<Self, TargetError> {
        let objects = recording.lines.iter().filter_map(|line| match &line.entry {
            Entry::Object(object) if object.kind == "HorizontalPodAutoscaler" => Some(object),
            _ => None,
        });
        let target = |object: &Object| {
            (
                object.namespace.clone(),
                object.text("/spec/scaleTargetRef/name").to_owned(),
            )
        };
        let all: SortedSet<(String, String)> = objects.map(target).collect();
        let mut all = all.into_iter();
        match (all.next(), all.next()) {
            (None, _) => Err(TargetError::None),
            (Some((namespace, name)), None) => Ok(Target { namespace, name }),
            (Some(first), Some(second)) => {
                let all: Vec<String> = [first, second]
                    .into_iter()
                    .chain(all)
                    .map(|(namespace, name)| format!("{namespace}/{name}"))
                    .collect();
                Err(TargetError::Several(all.join(", ")))
            }
        }
    }

    fn owns(&self, pod: &Object) -> bool {
        pod.namespace == self.namespace && pod.deployment() == Some(&self.name)
    }
}

/// The recording's second at a run's second zero, when the scenario's clock showed `epoch`: by the recording's
/// `start`; or else, if it is of a run of the scenario, from the end of the warm-up, since such a recording begins at
/// the scenario's time zero; or else by the wall clock.
#[must_use]
pub fn zero(recording: &Recording, epoch: Timestamp, scenario: Option<&Scenario>) -> Option<f64> {
    let start = recording.lines.iter().find_map(|line| match &line.entry {
        Entry::Start(start) => Some((line.t, start.clock.as_str())),
        _ => None,
    });
    let ran = recording.header.scenario.is_some();
    let (t, clock) = match (start, scenario.filter(|_| ran)) {
        (Some((t, clock)), _) => (t, clock.parse().ok()?),
        (None, Some(scenario)) => (0.0, scenario.epoch),
        (None, None) => (0.0, recording.header.epoch.parse().ok()?),
    };
    Some(t + epoch.duration_since(clock).as_secs_f64())
}

/// The recording's second at the second zero of a run that begins at `epoch` and lasts `seconds`, both by the wall
/// clock; none if the two have no time in common.
#[must_use]
pub fn wall_zero(recording: &Recording, epoch: Timestamp, seconds: f64) -> Option<f64> {
    let began: Timestamp = recording.header.epoch.parse().ok()?;
    let zero = epoch.duration_since(began).as_secs_f64();
    (zero < recording.end() && zero + seconds > 0.0).then_some(zero)
}

/// A recording as a run whose second zero is the recording's second `zero`. Times of objects are when they were
/// heard, but for the creation of what was there before the recording began.
#[must_use]
pub fn recorded(recording: &Recording, target: &Target, zero: f64) -> Run {
    let clock = Clock::of(recording);
    let mut replay = Replay {
        target,
        zero,
        clock,
        heard: Heard::default(),
        run: Run {
            from: -zero,
            end: instant(recording.end() - zero),
            ..Run::default()
        },
        lives: SortedMap::new(),
        prices: SortedMap::new(),
        evicted: SortedMap::new(),
    };
    for line in &recording.lines {
        match &line.entry {
            Entry::Object(object) => replay.object(line.t, object),
            Entry::Sample(sample) => replay.sample(sample),
            Entry::Prices(prices) => {
                for price in &prices.prices {
                    let key = (
                        price.instance_type.clone(),
                        price.zone.clone(),
                        price.lifecycle.clone(),
                    );
                    replay.prices.insert(key, price.usd_per_hour);
                }
            }
            Entry::Instances(all) => replay.machines(line.t, all),
            _ => {}
        }
    }
    replay.finish(recording)
}

struct Replay<'r> {
    target: &'r Target,
    zero: f64,
    clock: Option<Clock>,
    heard: Heard<'r>,
    run: Run,
    lives: SortedMap<(Kind, &'r str), Life>,
    prices: SortedMap<(String, String, String), f64>,
    /// When each pod was first heard to be evicted, seconds of the run.
    evicted: SortedMap<&'r str, f64>,
}

impl<'r> Replay<'r> {
    fn set(&mut self, name: &str, t: f64, value: f64) {
        let at = instant(t - self.zero);
        let curve = self.run.curves.entry(name.to_owned()).or_default();
        // A range query may tell what was before.
        if curve.changes().last().is_none_or(|last| last.0 <= at) {
            curve.set(at, value);
        }
    }

    fn object(&mut self, t: f64, object: &'r Object) {
        self.heard.apply(object);
        match object.kind.as_str() {
            "Pod" => {
                self.life(t, Kind::Pod, object);
                self.eviction(t, object);
                self.pods(t);
            }
            "Node" => {
                self.life(t, Kind::Node, object);
                self.nodes(t);
            }
            "NodeClaim" => self.life(t, Kind::Claim, object),
            "Deployment" if object.namespace == self.target.namespace && object.name == self.target.name => {
                if let Some(replicas) = object.number("/spec/replicas") {
                    self.set(names::DESIRED, t, replicas as f64);
                }
            }
            _ => {}
        }
    }

    fn pods(&mut self, t: f64) {
        let (mut ready, mut pending) = (0.0, 0.0);
        for pod in self.heard.kind("Pod") {
            if pod.is_active() && pod.text("/spec/nodeName").is_empty() {
                pending += 1.0;
            }
            if self.target.owns(pod) && pod.is("Ready") && !pod.is_deleting() {
                ready += 1.0;
            }
        }
        self.set(names::READY, t, ready);
        self.set(names::PENDING, t, pending);
    }

    fn nodes(&mut self, t: f64) {
        let mut counts: SortedMap<&str, f64> = SortedMap::new();
        for node in self.heard.kind("Node") {
            let name = node.label("node.kubernetes.io/instance-type").unwrap_or("");
            *counts.entry(name).or_default() += 1.0;
        }
        let known: Vec<String> = self.run.types(names::NODES_OF).map(str::to_owned).collect();
        let mut all: SortedMap<String, f64> = known.into_iter().map(|name| (name, 0.0)).collect();
        all.extend(counts.into_iter().map(|(name, count)| (name.to_owned(), count)));
        self.set(names::NODES, t, all.values().sum());
        for (name, count) in all {
            self.set(&format!("{}{name}", names::NODES_OF), t, count);
        }
    }

    fn life(&mut self, t: f64, kind: Kind, object: &'r Object) {
        let now = t - self.zero;
        let stamp = object.text("/metadata/creationTimestamp");
        let created = match object.change {
            Change::Added => None,
            _ => self
                .clock
                .and_then(|clock| clock.seconds(stamp))
                .map(|at| at - self.zero),
        };
        let created = created.unwrap_or(now).min(now);
        let life = self
            .lives
            .entry((kind, &object.uid))
            .or_insert_with(|| Life::new(kind, &object.name, created));
        let (placed, ready) = match kind {
            Kind::Pod => (!object.text("/spec/nodeName").is_empty(), object.is("Ready")),
            Kind::Node => (true, object.is("Ready")),
            Kind::Claim => (
                !object.text("/status/providerID").is_empty(),
                object.is("Initialized"),
            ),
        };
        if object.change == Change::Deleted {
            life.gone.get_or_insert(now);
            return;
        }
        life.see(now, placed, ready);
    }

    /// A pod that is deleted while its node is being drained was evicted, unless it is a DaemonSet's.
    fn eviction(&mut self, t: f64, pod: &'r Object) {
        let gone = pod.is_deleting() || pod.change == Change::Deleted;
        let of_daemons = matches!(pod.owner(), Some(("DaemonSet", _)));
        if !gone || of_daemons || self.evicted.contains_key(pod.uid.as_str()) {
            return;
        }
        let node = self.heard.named("Node", "", pod.text("/spec/nodeName"));
        if node.is_some_and(is_going) {
            self.evicted.insert(&pod.uid, t - self.zero);
        }
    }

    fn sample(&mut self, sample: &Sample) {
        let single = matches!(
            sample.name.as_str(),
            names::SEEN_RPS | names::SEEN_PODS | names::SERVED | names::LATENCY
        );
        if single {
            // Several series are one panel: their sum.
            let mut points: SortedMap<u64, (f64, f64)> = SortedMap::new();
            for (at, value) in sample.series.iter().flat_map(|series| &series.points) {
                let own = points.entry(at.max(0.0).to_bits()).or_insert((*at, 0.0));
                own.1 += value.unwrap_or(0.0);
            }
            for (at, value) in points.into_values() {
                self.set(&sample.name, at, value);
            }
        }
        if sample.name == names::SEEN_NODES {
            let known: Vec<String> = self.run.types(names::SEEN_NODES_OF).map(str::to_owned).collect();
            let mut times: SortedMap<u64, (f64, SortedMap<String, f64>)> = SortedMap::new();
            for series in &sample.series {
                let name = series.labels.values().next().cloned().unwrap_or_default();
                for (at, value) in &series.points {
                    let zeros = || (*at, known.iter().map(|name| (name.clone(), 0.0)).collect());
                    let (_, counts) = times.entry(at.max(0.0).to_bits()).or_insert_with(zeros);
                    *counts.entry(name.clone()).or_default() += value.unwrap_or(0.0);
                }
            }
            for (at, counts) in times.into_values() {
                for (name, count) in counts {
                    self.set(&format!("{}{name}", names::SEEN_NODES_OF), at, count);
                }
            }
        }
    }

    fn machines(&mut self, t: f64, all: &crate::recording::Instances) {
        let mut counts: SortedMap<String, f64> = self
            .run
            .types(names::MACHINES_OF)
            .map(|name| (name.to_owned(), 0.0))
            .collect();
        let mut dollars = 0.0;
        for own in all.instances.iter().filter(|own| own.state == "running") {
            *counts.entry(own.instance_type.clone()).or_default() += 1.0;
            let price = |zone: &str| {
                let key = (own.instance_type.clone(), zone.to_owned(), own.lifecycle.clone());
                self.prices.get(&key).copied()
            };
            dollars += price(&own.zone).or_else(|| price("")).unwrap_or(f64::NAN);
        }
        for (name, count) in counts {
            self.set(&format!("{}{name}", names::MACHINES_OF), t, count);
        }
        if dollars.is_finite() {
            self.set(names::USD_PER_HOUR, t, dollars);
        }
    }

    fn finish(mut self, recording: &Recording) -> Run {
        let end = recording.end();
        let gap = |gap: crate::recording::Gap| Gap {
            from: gap.from - self.zero,
            to: gap.to.unwrap_or(end) - self.zero,
            source: gap.source,
            reason: gap.reason,
        };
        self.run.gaps = recording.gaps().into_iter().map(gap).collect();
        self.run.lives = self.lives.into_values().collect();
        self.run.lives.sort_by(|a, b| {
            (a.kind, a.created)
                .partial_cmp(&(b.kind, b.created))
                .expect("times are numbers")
        });
        let launched = |life: &&Life| life.kind == Kind::Claim && life.placed.is_some_and(|at| at >= 0.0);
        let launches = self.run.lives.iter().filter(launched).count();
        self.run.counts.insert("launches".into(), launches as f64);
        // As a run counts: not what was before its second zero.
        let evictions = self.evicted.values().filter(|at| **at >= 0.0).count();
        self.run.counts.insert("evictions".into(), evictions as f64);
        self.run
    }
}

/// Whether a node is being drained.
fn is_going(node: &Object) -> bool {
    let taints = ["karpenter.sh/disrupted", "karpenter.sh/disruption"];
    node.is_deleting() || taints.iter().any(|key| node.has_taint(key))
}
