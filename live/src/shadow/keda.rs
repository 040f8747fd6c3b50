//! KEDA's shadow: the HPA that it makes of a ScaledObject, and the steps between zero or idle and the minimum.
//!
//! A poll is a `trigger` sample: the values that KEDA's triggers gave, or would have given at that moment. A recorder
//! polls at other moments than KEDA, so a step is explained by any sample of the polling interval before it.

use jiff::Timestamp;
use model::api::Labels;
use model::hpa::spec::Rules;
use model::hpa::{Behavior, Spec};
use model::id::DeploymentId;
use model::keda::executor::{Situation, request_scale};
use model::keda::spec::{Trigger, TriggerKind};
use model::keda::{Answer, Profile, ScaledObject, generated, scaler};
use model::scenario::Scenario;
use sim::{Instant, SortedMap, SortedSet};

use super::{Agreement, Divergence, Part};
use crate::heard::Heard;
use crate::objects::read;
use crate::recording::{Entry, Object, Recording, Sample};

pub(super) fn shadow(recording: &Recording, scenario: &Scenario) -> Agreement {
    let mut shadow = Shadow {
        scenario,
        profile: scenario.config.keda.profile,
        epoch: super::world::clock(recording).0,
        heard: Heard::default(),
        generated: SortedMap::new(),
        polls: Vec::new(),
        sizes: SortedMap::new(),
        last_active: SortedMap::new(),
        values: SortedMap::new(),
        agreement: Agreement::new(Part::Keda),
    };
    for line in &recording.lines {
        match &line.entry {
            Entry::Object(object) => {
                shadow.heard.apply(object);
                shadow.object(line.t, object);
            }
            Entry::Sample(sample) if sample.name == "trigger" => shadow.poll(line.t, sample),
            _ => {}
        }
    }
    shadow.steps(recording.end());
    if shadow.polls.is_empty() {
        let note = "the recording holds no values of triggers: steps from and to zero are not judged";
        shadow.agreement.notes.push(note.to_owned());
    }
    shadow.agreement
}

/// What the shadow would do at a poll.
struct Poll {
    t: f64,
    /// The ScaledObject, as NAMESPACE/NAME, and its target.
    object: String,
    target: (String, String),
    interval: f64,
    current: i32,
    /// What it would write.
    replicas: Option<i32>,
    verdict: &'static str,
    values: String,
}

struct Shadow<'r> {
    scenario: &'r Scenario,
    profile: Profile,
    /// Time zero by the API server's clock, in which objects are stamped.
    epoch: Timestamp,
    heard: Heard<'r>,
    /// The spec last judged of each HPA.
    generated: SortedMap<&'r str, &'r serde_json::Value>,
    polls: Vec<Poll>,
    /// spec.replicas of each Deployment, as heard.
    sizes: SortedMap<(String, String), Vec<(f64, i32)>>,
    last_active: SortedMap<String, i64>,
    /// The last value of each metric of each ScaledObject.
    values: SortedMap<String, SortedMap<String, Option<f64>>>,
    agreement: Agreement,
}

impl<'r> Shadow<'r> {
    fn object(&mut self, t: f64, object: &'r Object) {
        match object.kind.as_str() {
            "HorizontalPodAutoscaler" => self.hpa(t, object),
            "Deployment" => {
                if let Some(replicas) = object.number("/spec/replicas") {
                    let key = (object.namespace.clone(), object.name.clone());
                    self.sizes.entry(key).or_default().push((t, replicas as i32));
                }
            }
            _ => {}
        }
    }

    /// A ScaledObject as the model has it.
    fn read(&self, object: &Object) -> Option<(ScaledObject, (String, String))> {
        let own = read::objects([object], &self.scenario.objects)
            .scaled_objects
            .pop()?;
        let annotations: Labels = own.annotations.clone();
        Some((
            ScaledObject {
                name: own.name.name.clone(),
                namespace: own.name.namespace.clone(),
                annotations,
                created: Instant::ZERO,
                deleting: false,
                generation: 1,
                target: DeploymentId(0),
                spec: own.spec,
            },
            (own.target.namespace, own.target.name),
        ))
    }

    /// An HPA that KEDA made.
    fn hpa(&mut self, t: f64, object: &'r Object) {
        let Some(("ScaledObject", owner)) = object.owner() else {
            return;
        };
        let Some(spec) = object.object.get("spec") else {
            return;
        };
        if self.generated.insert(&object.uid, spec) == Some(spec) {
            return;
        }
        let Some(scaled) = self.heard.named("ScaledObject", &object.namespace, owner) else {
            return;
        };
        let (Some((scaled, _)), Some(actual)) = (
            self.read(scaled),
            read::objects([object], &self.scenario.objects).hpas.pop(),
        ) else {
            return;
        };
        let expected = generated::hpa_spec(&scaled, &self.profile);
        self.agreement.decisions += 1;
        if !same(&expected, &actual.spec) || generated::hpa_name(&scaled.name, &scaled.spec) != object.name {
            self.agreement.divergences.push(Divergence {
                t,
                object: format!("{}/{owner}", object.namespace),
                expected: format!(
                    "{} {}",
                    generated::hpa_name(&scaled.name, &scaled.spec),
                    describe(&expected)
                ),
                actual: format!("{} {}", object.name, describe(&actual.spec)),
                inputs: "the ScaledObject".into(),
            });
        }
    }

    fn poll(&mut self, t: f64, sample: &Sample) {
        let mut names = SortedSet::new();
        for series in &sample.series {
            let label = |key: &str| series.labels.get(key).cloned().unwrap_or_default();
            let value = series.points.last().and_then(|point| point.1);
            let name = label("scaledObject");
            self.values
                .entry(name.clone())
                .or_default()
                .insert(label("metric"), value);
            names.insert(name);
        }
        // A recorder may ask for one metric after the other: the others are what they were.
        for name in names {
            let values = self.values.get(&name).cloned().unwrap_or_default();
            self.poll_of(t, &name, &values);
        }
    }

    fn poll_of(&mut self, t: f64, name: &str, values: &SortedMap<String, Option<f64>>) {
        let Some((namespace, own)) = name.split_once('/') else {
            return;
        };
        let Some(object) = self.heard.named("ScaledObject", namespace, own) else {
            return;
        };
        let Some((scaled, target)) = self.read(object) else {
            return;
        };
        let Some(current) = self
            .sizes
            .get(&target)
            .and_then(|sizes| sizes.last())
            .map(|size| size.1)
        else {
            return;
        };
        let wall = self.epoch.as_nanosecond() + (t * 1e9) as i128;
        let seconds = wall.div_euclid(1_000_000_000) as i64;
        let readings: Vec<Option<bool>> = scaled
            .spec
            .triggers
            .iter()
            .enumerate()
            .filter_map(|(n, trigger)| self.active(n, trigger, values, seconds))
            .collect();
        let said: Option<Timestamp> = object.text("/status/lastActiveTime").parse().ok();
        let remembered = self.last_active.get(name).copied();
        // What was before the recording is not known; a target that runs is taken to have been active.
        let before = (current > 0).then(|| self.epoch.as_second());
        let last_active = said.map(Timestamp::as_second).max(remembered).or(before);
        let created: Option<Timestamp> = object.text("/metadata/creationTimestamp").parse().ok();
        let verdict = request_scale(
            &scaled,
            &self.profile,
            &Situation {
                now: wall,
                current,
                active: readings.contains(&Some(true)),
                error: readings.contains(&None),
                last_active,
                created: created.map_or(0, Timestamp::as_second),
            },
        );
        if verdict.refreshes_last_active() {
            self.last_active.insert(name.to_owned(), seconds);
        }
        let text = |(metric, value): (&String, &Option<f64>)| match value {
            Some(value) => format!("{metric} {value}"),
            None => format!("{metric} failed"),
        };
        self.polls.push(Poll {
            t,
            object: name.to_owned(),
            target,
            interval: scaled.spec.polling_interval.as_secs_f64(),
            current,
            replicas: verdict.replicas().filter(|replicas| *replicas != current),
            verdict: verdict.name(),
            values: values.iter().map(text).collect::<Vec<_>>().join(", "),
        });
    }

    /// Whether a trigger is active: `None` inside if it failed, outside if KEDA does not ask it.
    fn active(
        &self,
        n: usize,
        trigger: &Trigger,
        values: &SortedMap<String, Option<f64>>,
        seconds: i64,
    ) -> Option<Option<bool>> {
        let reading = match &trigger.kind {
            TriggerKind::Resource { .. } => return None,
            TriggerKind::Cron(metadata) => scaler::cron(metadata, seconds, &self.profile).ok(),
            TriggerKind::Prometheus(metadata) => {
                let name = scaler::metric_name(n, trigger, &self.profile)?;
                let value = *values.get(name.as_str())?;
                value.and_then(|value| {
                    scaler::prometheus(metadata, &Answer::Vector(vec![value]), &self.profile).ok()
                })
            }
        };
        Some(reading.map(|reading| reading.active))
    }

    /// Lays what was written beside what the polls would have written.
    fn steps(&mut self, end: f64) {
        let mut found = Vec::new();
        let mut decisions = self.polls.len();
        let mut said: Option<(String, i32)> = None;
        for poll in &self.polls {
            let sizes = self.sizes.get(&poll.target).map_or(&[][..], Vec::as_slice);
            let Some(expected) = poll.replicas else {
                said = None;
                continue;
            };
            let until = poll.t + poll.interval + SLACK;
            let followed = sizes
                .iter()
                .any(|(t, size)| *t >= poll.t - SLACK && *t <= until && *size == expected);
            // What lies beyond the recording is not known, and one stubborn divergence is one.
            let again = said.as_ref() == Some(&(poll.object.clone(), expected));
            if !followed && until < end && !again {
                said = Some((poll.object.clone(), expected));
                found.push(Divergence {
                    t: poll.t,
                    object: poll.object.clone(),
                    expected: format!("{} to {expected}", poll.verdict),
                    actual: format!("stayed at {}", poll.current),
                    inputs: poll.values.clone(),
                });
            }
        }
        // Only KEDA moves a target from and to zero.
        for (target, sizes) in &self.sizes {
            let polls: Vec<&Poll> = self.polls.iter().filter(|poll| poll.target == *target).collect();
            let (Some(first), Some(object)) = (
                polls.first().map(|poll| poll.t),
                polls.first().map(|poll| &poll.object),
            ) else {
                continue;
            };
            for two in sizes.windows(2) {
                let ((_, from), (t, to)) = (two[0], two[1]);
                if (from == 0) == (to == 0) || t < first {
                    continue;
                }
                decisions += 1;
                let near = |poll: &&&Poll| poll.t <= t + SLACK && poll.t >= t - poll.interval - SLACK;
                let explained = polls.iter().filter(near).any(|poll| poll.replicas == Some(to));
                if !explained {
                    let last = polls.iter().rev().find(|poll| poll.t <= t + SLACK);
                    found.push(Divergence {
                        t,
                        object: object.clone(),
                        expected: last.map_or("nothing".to_owned(), |poll| poll.verdict.to_owned()),
                        actual: format!("{from} to {to}"),
                        inputs: last.map_or(String::new(), |poll| poll.values.clone()),
                    });
                }
            }
        }
        self.agreement.decisions += decisions;
        self.agreement.divergences.append(&mut found);
    }
}

/// How much later or earlier than it happened something may be heard, seconds.
const SLACK: f64 = 2.0;

/// Whether two specs mean the same: the API server fills in what a behavior leaves out.
fn same(a: &Spec, b: &Spec) -> bool {
    fn rules(spec: &Spec) -> Option<(Rules<'_>, Rules<'_>)> {
        let default = std::time::Duration::from_secs(300);
        spec.behavior.as_ref().map(|own| own.rules(default))
    }
    let tolerances = |behavior: &Option<Behavior>| {
        let own = behavior.clone().unwrap_or_default();
        (own.scale_up.tolerance, own.scale_down.tolerance)
    };
    (a.min_replicas, a.max_replicas) == (b.min_replicas, b.max_replicas)
        && a.metrics == b.metrics
        && rules(a) == rules(b)
        && tolerances(&a.behavior) == tolerances(&b.behavior)
}

fn describe(spec: &Spec) -> String {
    let metrics: Vec<String> = spec
        .metrics
        .iter()
        .map(|metric| format!("{:?} {:?}", metric.source, metric.target))
        .collect();
    let behavior = if spec.behavior.is_some() {
        ", with behavior"
    } else {
        ""
    };
    format!(
        "{} to {}, {}{behavior}",
        spec.min_replicas,
        spec.max_replicas,
        metrics.join("; ")
    )
}
