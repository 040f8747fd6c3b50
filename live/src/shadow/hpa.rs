//! The HPA controller's shadow.
//!
//! A status write is a sync: it says the scale that was read, each metric's value and what was decided. The shadow makes
//! the sync again with the controller's own functions and its own memory of the syncs before. A sync that changes
//! nothing writes no status; the recommendations of such syncs are remembered as the real controller does, and the
//! shadow must hold in them too.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use model::api::PodTemplate;
use model::hpa::history::History;
use model::hpa::metrics::{Scale, Surroundings};
use model::hpa::pods::{Initialization, PodView};
use model::hpa::reconcile::{Next, Sync};
use model::hpa::replica_calculator::Tolerances;
use model::hpa::selection::Selection;
use model::hpa::{Config, Failure, Metric, Reading, Sample, Source, Spec, Status, Target};
use model::id::{Id as _, PodId};
use model::quantity::Quantity;
use model::scenario::{Objects, Scenario};
use serde_json::Value;
use sim::{Instant, SortedMap};

use super::{Agreement, Divergence, Part};
use crate::curves::instant;
use crate::heard::Heard;
use crate::objects::{Clock, read};
use crate::recording::{Change, Entry, Object, Recording};

pub(super) fn shadow(recording: &Recording, scenario: &Scenario) -> Agreement {
    let mut shadow = Shadow {
        config: &scenario.config.hpa,
        before: &scenario.objects,
        clock: Clock(super::world::clock(recording).0 - SignedDuration::from_secs(BEFORE as i64)),
        heard: Heard::default(),
        templates: read::Templates::default(),
        controllers: SortedMap::new(),
        agreement: Agreement::new(Part::Hpa),
    };
    let mut counts = Counts::default();
    for line in &recording.lines {
        if let Entry::Object(object) = &line.entry {
            shadow.heard.apply(object);
            match object.kind.as_str() {
                "HorizontalPodAutoscaler" => shadow.heard_hpa(line.t, object, &counts),
                "Pod" => counts.take(line.t, &shadow.heard),
                _ => {}
            }
        }
    }
    let note = "what an HPA proposed before the recording is taken to be the size that was found";
    shadow.agreement.notes.push(note.to_owned());
    shadow.agreement
}

/// Active pods by namespace and name of their Deployment.
type Sizes = SortedMap<(String, String), i32>;

/// How many active pods each Deployment had, lately.
#[derive(Default)]
struct Counts {
    lately: Vec<(f64, Sizes)>,
}

/// A status may be heard that long after its sync read the scale.
const LATE: f64 = 1.0;

impl Counts {
    fn take(&mut self, t: f64, heard: &Heard<'_>) {
        let mut counts = SortedMap::new();
        for pod in heard.kind("Pod").filter(|pod| pod.is_active()) {
            if let Some(deployment) = pod.deployment() {
                *counts
                    .entry((pod.namespace.clone(), deployment.to_owned()))
                    .or_insert(0) += 1;
            }
        }
        self.lately.push((t, counts));
        // One older entry is kept: it still held when the time began.
        while self.lately.len() > 1 && self.lately[1].0 < t - 2.0 * LATE {
            self.lately.remove(0);
        }
    }

    /// The counts that may have been read, the latest first.
    fn of(&self, t: f64, namespace: &str, name: &str) -> Vec<i32> {
        let key = (namespace.to_owned(), name.to_owned());
        let mut found = Vec::new();
        for (at, counts) in self.lately.iter().rev() {
            let count = counts.get(&key).copied().unwrap_or(0);
            if !found.contains(&count) {
                found.push(count);
            }
            if *at < t - LATE {
                break;
            }
        }
        found
    }
}

/// One HPA's controller.
struct Controller<'r> {
    spec_said: &'r Value,
    spec: Spec,
    history: History,
    /// The last sync: when, and what its status said.
    last: Option<(f64, &'r Value)>,
    /// A hold in which the shadow would have acted.
    early: Option<(f64, i32)>,
}

struct Shadow<'r> {
    config: &'r Config,
    before: &'r Objects,
    clock: Clock,
    heard: Heard<'r>,
    templates: read::Templates,
    controllers: SortedMap<&'r str, Controller<'r>>,
    agreement: Agreement,
}

/// What a sync may have found beside what its status says.
struct Found<'a> {
    /// The target's pods by the API server's count, the latest first.
    counts: Vec<i32>,
    pods: Vec<PodView<'a>>,
}

/// A sync, made again.
struct Made {
    desired: i32,
    history: History,
    inputs: String,
}

impl<'r> Shadow<'r> {
    fn heard_hpa(&mut self, t: f64, object: &'r Object, counts: &Counts) {
        let Some(spec_said) = object.object.get("spec") else {
            return;
        };
        let known = self.controllers.get(object.uid.as_str());
        if known.is_none_or(|known| known.spec_said != spec_said) {
            let Some(read) = read::objects([object], self.before).hpas.pop() else {
                self.agreement
                    .notes
                    .push(format!("{}: its spec cannot be read", object.name));
                return;
            };
            let history = known.map(|known| known.history.clone());
            let last = known.and_then(|known| known.last);
            let found = i32::try_from(object.number("/status/currentReplicas").unwrap_or(0)).unwrap_or(0);
            let first = || match object.change {
                Change::Listed => self.steady(found, t, &read.spec),
                // It was made in the recording, and nothing was proposed before.
                _ => History::default(),
            };
            let controller = Controller {
                spec_said,
                history: history.unwrap_or_else(first),
                spec: read.spec,
                last,
                early: None,
            };
            self.controllers.insert(&object.uid, controller);
        }
        let Some(status) = object.object.get("status") else {
            return;
        };
        if object.number("/status/desiredReplicas").is_none() {
            return;
        }
        // Zero is not written.
        let current = object.number("/status/currentReplicas").unwrap_or(0);
        let last = self.controllers[object.uid.as_str()].last;
        if last.is_some_and(|(_, said)| said == status) {
            return;
        }
        // The first status is of a sync before the recording; what it was made of is not known.
        if let Some((since, said)) = last {
            let target = object.text("/spec/scaleTargetRef/name");
            let pods = self.heard.by_age("Pod").into_iter();
            let pods: Vec<(&Object, Arc<PodTemplate>)> = pods
                .filter(|pod| pod.namespace == object.namespace && pod.deployment() == Some(target))
                .map(|pod| (pod, self.templates.of(pod, self.before)))
                .collect();
            let found = Found {
                counts: counts.of(t, &object.namespace, target),
                pods: views(&pods, self.clock),
            };
            self.holds(object, since, t, said, &found);
            self.sync(t, object, status, current as i32, &found);
        }
        if let Some(controller) = self.controllers.get_mut(object.uid.as_str()) {
            controller.last = Some((t, status));
        }
    }

    /// The memory of an HPA that was there before: what it proposed is not known, and taken to be the size found.
    fn steady(&self, found: i32, t: f64, spec: &Spec) -> History {
        let default = self.config.downscale_stabilization;
        let longest = spec.behavior.as_ref().map_or(default, |behavior| {
            let (up, down) = behavior.rules(default);
            up.stabilization_window.max(down.stabilization_window)
        });
        let period = self.config.sync_period.as_secs_f64();
        let syncs = (longest.as_secs_f64() / period) as u32;
        let mut history = History::default();
        for n in (1..=syncs).rev() {
            history.stabilize(found, at(t - f64::from(n) * period), longest);
        }
        history
    }

    /// Syncs between two status writes: they said the same as the first of them, and held.
    fn holds(&mut self, object: &'r Object, since: f64, until: f64, said: &Value, found: &Found<'_>) {
        let period = self.config.sync_period.as_secs_f64();
        // A rescale's status names the size before it; a hold after it would have said the new one.
        let current = said["currentReplicas"].as_i64().unwrap_or(0) as i32;
        if succeeded(said) {
            return;
        }
        // Each sync waits a period and takes a moment itself: they are spread evenly.
        let syncs = ((until - since) / period).round().max(1.0);
        for n in 1..syncs as u32 {
            let t = since + f64::from(n) * (until - since) / syncs;
            if let Some(controller) = self.controllers.get_mut(object.uid.as_str())
                && let Some(made) = again(self.config, controller, t, said, current, found, current)
            {
                controller.history = made.history;
                if made.desired != current {
                    controller.early.get_or_insert((t, made.desired));
                }
            }
        }
        // Acting one sync later than the shadow would is how far apart two clocks are; later than that is not.
        let early = self
            .controllers
            .get_mut(object.uid.as_str())
            .and_then(|own| own.early.take());
        if let Some((t, desired)) = early.filter(|(t, _)| until - t > 1.6 * period) {
            self.agreement.decisions += 1;
            self.agreement.divergences.push(Divergence {
                t,
                object: title(object),
                expected: replicas(desired),
                actual: format!("held at {}", replicas(current)),
                inputs: "the metrics of the sync before".into(),
            });
        }
    }

    fn sync(&mut self, t: f64, object: &'r Object, status: &Value, current: i32, found: &Found<'_>) {
        let actual = match succeeded(status) {
            true => status["desiredReplicas"].as_i64().unwrap_or(0) as i32,
            false => current,
        };
        let Some(controller) = self.controllers.get_mut(object.uid.as_str()) else {
            return;
        };
        let Some(made) = again(self.config, controller, t, status, current, found, actual) else {
            return;
        };
        self.agreement.decisions += 1;
        if made.desired != actual {
            self.agreement.divergences.push(Divergence {
                t,
                object: title(object),
                expected: replicas(made.desired),
                actual: replicas(actual),
                inputs: made.inputs,
            });
        }
        let mut history = made.history;
        if actual != current
            && let Some(behavior) = &controller.spec.behavior
        {
            let (up, down) = behavior.rules(self.config.downscale_stabilization);
            history.store_scale_event(current, actual, at(t), &up, &down);
        }
        controller.history = history;
    }
}

/// Pods as a sync sees them.
fn views<'a>(pods: &'a [(&'a Object, Arc<PodTemplate>)], clock: Clock) -> Vec<PodView<'a>> {
    let view = |(n, (pod, template)): (usize, &'a (&'a Object, Arc<PodTemplate>))| PodView {
        id: PodId::from_index(n as u32),
        phase: read::phase(pod),
        terminating: pod.is_deleting(),
        ready: read::ready(pod, clock),
        started: clock.instant(pod.text("/status/startTime")),
        spec: &template.spec,
    };
    pods.iter().enumerate().map(view).collect()
}

/// The sync by the likeliest of all inputs that the status allows and that lead to `actual`; if none does, by the
/// likeliest of all.
fn again(
    config: &Config,
    controller: &Controller<'_>,
    t: f64,
    status: &Value,
    current: i32,
    found: &Found<'_>,
    actual: i32,
) -> Option<Made> {
    let ends = [End::Highest, End::Lowest, End::Middle];
    let shifts = [0.0, -0.5, 0.5];
    let inputs = found
        .counts
        .iter()
        .flat_map(|count| ends.map(|end| (*count, end)));
    let inputs = inputs.flat_map(|(count, end)| shifts.map(|shift| (count, end, shift)));
    let mut all = inputs.map(|(count, end, shift)| {
        let scale = Scale {
            spec_replicas: current,
            status_replicas: count,
        };
        make(
            config,
            &controller.spec,
            controller.history.clone(),
            at(t + shift),
            scale,
            &found.pods,
            status,
            end,
        )
    });
    let first = all.next()?;
    if first.desired == actual {
        return Some(first);
    }
    Some(all.find(|made| made.desired == actual).unwrap_or(first))
}

/// Which of the values that round to what a status says.
#[derive(Clone, Copy, PartialEq)]
enum End {
    Highest,
    Lowest,
    Middle,
}

#[expect(clippy::too_many_arguments, reason = "all that a sync looks at")]
fn make(
    config: &Config,
    spec: &Spec,
    mut history: History,
    now: Instant,
    scale: Scale,
    pods: &[PodView<'_>],
    said: &Value,
    end: End,
) -> Made {
    let around = Surroundings {
        now,
        profile: &config.profile,
        tolerances: Tolerances::of(config.tolerance, spec.behavior.as_ref(), &config.profile),
        initialization: Initialization {
            cpu_period: config.cpu_initialization_period,
            readiness_delay: config.initial_readiness_delay,
        },
        scale,
        pods,
    };
    let mut status = Status::default();
    let window = config.downscale_stabilization;
    let (mut sync, mut next) = Sync::begin(
        now,
        spec,
        Some(scale),
        Selection::Own,
        &config.profile,
        &mut history,
        &mut status,
    );
    let mut inputs = vec![format!(
        "{} of {} pods",
        replicas(scale.spec_replicas),
        scale.status_replicas
    )];
    while let Next::FetchMetric(n) = next {
        let reading = reading(&spec.metrics[n], said, n, &around, end);
        inputs.push(describe(said, n));
        next = sync.reading(&around, spec, &reading, window, &mut history, &mut status);
    }
    Made {
        desired: match next {
            Next::WriteScale(desired) => desired,
            _ => scale.spec_replicas,
        },
        history,
        inputs: inputs.join(", "),
    }
}

/// What the metrics API must have answered for the status to say that.
fn reading(metric: &Metric, said: &Value, n: usize, around: &Surroundings<'_>, end: End) -> Reading {
    let current = current(said, n);
    let milli = |key: &str| {
        current
            .and_then(|own| read::quantity(&own[key]))
            .map(Quantity::milli)
    };
    let pods = i64::from(around.scale.status_replicas.max(1));
    let total = match metric.target {
        Target::Value(_) => milli("value"),
        // The status divides by the pods and rounds up.
        Target::AverageValue(_) | Target::AverageUtilization(_) => milli("averageValue").map(|average| {
            let (lowest, highest) = ((average - 1) * pods + 1, average * pods);
            match end {
                _ if average <= 0 => average * pods,
                End::Highest => highest,
                End::Lowest => lowest,
                End::Middle => (lowest + highest) / 2,
            }
        }),
    };
    let total = total.map(Quantity::from_milli).ok_or(Failure::Unavailable);
    match metric.source {
        Source::External { .. } => Reading::External(total.map(|total| vec![total])),
        Source::Object { .. } => Reading::Object(total),
        Source::Pods { .. } | Source::Resource(_) | Source::ContainerResource { .. } => {
            Reading::Pods(total.map(|_| samples(metric, current, around)))
        }
    }
}

/// Per-pod values are not in a status: each Ready pod is given the mean.
fn samples(metric: &Metric, current: Option<&Value>, around: &Surroundings<'_>) -> Vec<Sample> {
    let mean = current
        .and_then(|own| read::quantity(&own["averageValue"]))
        .map_or(0, Quantity::milli);
    let ready = around.pods.iter().filter(|pod| {
        let is_ready = matches!(pod.ready, Some((model::hpa::pods::ConditionStatus::True, _)));
        is_ready && !pod.terminating
    });
    let requests = |pod: &PodView<'_>| match metric.source {
        Source::Resource(model::hpa::Resource::Memory) => pod.spec.requests().memory.0.saturating_mul(1000),
        _ => pod.spec.requests().cpu.0,
    };
    let percent = current.and_then(|own| own["averageUtilization"].as_i64());
    ready
        .map(|pod| Sample {
            pod: pod.id,
            timestamp: around.now,
            window: Duration::from_secs(15),
            milli: match (metric.target, percent) {
                // Whole per cent are what the controller compares.
                (Target::AverageUtilization(_), Some(percent)) if mean == 0 => requests(pod) * percent / 100,
                _ => mean,
            },
        })
        .collect()
}

fn current(said: &Value, n: usize) -> Option<&Value> {
    let own = said["currentMetrics"].as_array()?.get(n)?.as_object()?;
    own.values().find_map(|stanza| stanza.get("current"))
}

fn describe(said: &Value, n: usize) -> String {
    match current(said, n) {
        Some(own) if own.as_object().is_some_and(|own| !own.is_empty()) => format!("metric {n}: {own}"),
        _ => format!("metric {n}: failed"),
    }
}

/// Whether a status is that of a sync that changed the size.
fn succeeded(status: &Value) -> bool {
    let conditions = status["conditions"].as_array().into_iter().flatten();
    let mut able = conditions.filter(|own| own["type"] == "AbleToScale");
    able.any(|own| own["reason"] == "SucceededRescale")
}

/// The shadow's clock begins before the recording, so that there can be something to remember: no window is longer
/// than an hour.
const BEFORE: f64 = 4000.0;

fn at(t: f64) -> Instant {
    instant(t + BEFORE)
}

fn title(object: &Object) -> String {
    format!("{}/{}", object.namespace, object.name)
}

fn replicas(count: i32) -> String {
    format!("{count} replica{}", if count == 1 { "" } else { "s" })
}
