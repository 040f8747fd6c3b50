//! Whole syncs in a row: history, rates, conditions.

use std::time::Duration;

use model::api::{Phase, PodSpec};
use model::hpa::history::History;
use model::hpa::metrics::{Scale, Surroundings};
use model::hpa::pods::{ConditionStatus, Initialization, PodView};
use model::hpa::reconcile::{Next, Sync};
use model::hpa::replica_calculator::Tolerances;
use model::hpa::selection::Selection;
use model::hpa::spec::{DEFAULT_MIN_REPLICAS, Spec};
use model::hpa::status::{Condition, Status};
use model::hpa::{Config, Profile};
use model::id::{DeploymentId, HpaId, PodId};
use serde::{Deserialize, Deserializer};
use sim::{Instant, SortedMap};
use support::{Outcome, golden};

use super::json::{BehaviorJson, CurrentJson, MetricJson, PodJson, ReadingJson, START, minor};
use super::outcome;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Case {
    id: String,
    #[serde(rename = "note")]
    _note: Option<String>,
    hpa: HpaJson,
    #[serde(rename = "initialReplicas")]
    _initial_replicas: i32,
    #[serde(default, rename = "detail")]
    _detail: bool,
    #[serde(default)]
    other_hpa_selects_same_pods: bool,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct HpaJson {
    min_replicas: Option<i32>,
    max_replicas: i32,
    metrics: Vec<MetricJson>,
    behavior: Option<BehaviorJson>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Step {
    t: u64,
    #[serde(rename = "setReplicas")]
    _set_replicas: Option<i32>,
    min_replicas: Option<i32>,
    max_replicas: Option<i32>,
    #[serde(default, deserialize_with = "some")]
    behavior: Option<Option<BehaviorJson>>,
    #[serde(default)]
    controller_restart: bool,
    spec_replicas: i32,
    status_replicas: i32,
    #[serde(default)]
    ready_pods: u32,
    #[serde(default)]
    unready_pods: u32,
    #[serde(default)]
    pods: Vec<PodJson>,
    #[serde(default)]
    readings: Vec<ReadingJson>,
    get_scale_error: Option<String>,
    selector: Option<String>,
    #[serde(default)]
    update_conflicts: u32,
    update_error: Option<String>,
    #[serde(default)]
    latency_ms: Latency,
    expect: Expect,
}

/// A field that is there is `Some`, even if it is null.
fn some<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<BehaviorJson>>, D::Error> {
    Option::deserialize(from).map(Some)
}

#[derive(Deserialize, Default, Clone, Copy)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
struct Latency {
    get_scale: u64,
    metric: u64,
    update_scale: u64,
}

#[derive(Deserialize, Debug, Clone)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Expect {
    proposal: Option<i32>,
    desired_replicas: i32,
    spec_replicas_after: i32,
    rescaled: bool,
    rescale_reason: Option<String>,
    error: Option<String>,
    /// Absent where only the difference to another release is listed.
    conditions: Option<SortedMap<String, String>>,
    #[serde(rename = "events")]
    _events: Option<Vec<String>>,
    current_metrics: Option<Vec<Option<CurrentJson>>>,
}

#[derive(Deserialize)]
struct Difference {
    version: String,
    of: String,
    id: String,
    step: Option<usize>,
    expect: serde_json::Value,
}

/// What the model says of a step.
#[derive(Debug, PartialEq)]
struct Found {
    proposal: Option<i32>,
    desired: i32,
    after: i32,
    rescaled: bool,
    reason: String,
    conditions: SortedMap<String, String>,
    status: Status,
}

struct Runner<'a> {
    case: &'a Case,
    profile: Profile,
    config: Config,
    spec: Spec,
    history: History,
    status: Status,
}

impl<'a> Runner<'a> {
    fn new(case: &'a Case, profile: Profile) -> Self {
        let hpa = &case.hpa;
        Runner {
            case,
            profile,
            config: Config::default(),
            spec: Spec {
                min_replicas: hpa.min_replicas.unwrap_or(DEFAULT_MIN_REPLICAS),
                max_replicas: hpa.max_replicas,
                metrics: hpa.metrics.iter().map(MetricJson::resolve).collect(),
                behavior: hpa.behavior.as_ref().map(BehaviorJson::resolve),
            },
            history: History::default(),
            status: Status::default(),
        }
    }

    fn step(&mut self, step: &Step) -> Found {
        self.edit(step);
        let start = START + Duration::from_millis(step.t);
        let latency = step.latency_ms;
        let mut now = start + Duration::from_millis(latency.get_scale);
        let scale = step.get_scale_error.is_none().then_some(Scale {
            spec_replicas: step.spec_replicas,
            status_replicas: step.status_replicas,
        });
        let specs: Vec<_> = step.pods.iter().map(PodJson::spec).collect();
        let plain = PodSpec::default();
        let selection = self.selection(step);
        let (mut sync, mut next) = Sync::begin(
            now,
            &self.spec,
            scale,
            selection,
            &self.profile,
            &mut self.history,
            &mut self.status,
        );
        while let Next::FetchMetric(index) = next {
            now += Duration::from_millis(latency.metric);
            let pods = pods(step, now, &specs, &plain);
            let reading =
                step.readings[index].resolve(&self.spec.metrics[index], &step.pods, now, &self.profile);
            let around = Surroundings {
                now,
                profile: &self.profile,
                tolerances: Tolerances::of(self.config.tolerance, self.spec.behavior.as_ref(), &self.profile),
                initialization: Initialization {
                    cpu_period: self.config.cpu_initialization_period,
                    readiness_delay: self.config.initial_readiness_delay,
                },
                scale: scale.expect("metrics come after the scale"),
                pods: &pods,
            };
            let window = self.config.downscale_stabilization;
            next = sync.reading(
                &around,
                &self.spec,
                &reading,
                window,
                &mut self.history,
                &mut self.status,
            );
        }
        let mut after = step.spec_replicas;
        let mut rescaled = false;
        if let Next::WriteScale(replicas) = next {
            let retries = step.update_conflicts.min(self.profile.conflict_retries);
            let attempt =
                latency.update_scale + (latency.get_scale + latency.update_scale + 10) * u64::from(retries);
            now += Duration::from_millis(attempt);
            rescaled = step.update_error.is_none() && step.update_conflicts <= self.profile.conflict_retries;
            if rescaled {
                after = replicas;
            }
            let window = self.config.downscale_stabilization;
            sync.written(
                now,
                rescaled,
                &self.spec,
                window,
                &mut self.history,
                &mut self.status,
            );
        }
        let decision = sync.decision(HpaId(0), DeploymentId(0), &self.status);
        Found {
            proposal: decision.proposal,
            desired: self.status.desired_replicas,
            after,
            rescaled,
            reason: decision.reason,
            conditions: conditions(&self.status),
            status: self.status.clone(),
        }
    }

    fn edit(&mut self, step: &Step) {
        if let Some(min) = step.min_replicas {
            self.spec.min_replicas = min;
        }
        if let Some(max) = step.max_replicas {
            self.spec.max_replicas = max;
        }
        if let Some(behavior) = &step.behavior {
            self.spec.behavior = behavior.as_ref().map(BehaviorJson::resolve);
        }
        if step.controller_restart {
            self.history = History::default();
        }
    }

    fn selection(&self, step: &Step) -> Selection {
        let any = !step.pods.is_empty() || step.ready_pods + step.unready_pods > 0;
        match &step.selector {
            Some(_) => Selection::Invalid,
            None if self.case.other_hpa_selects_same_pods && any => Selection::Ambiguous,
            None => Selection::Own,
        }
    }
}

fn pods<'a>(step: &Step, now: Instant, specs: &'a [PodSpec], plain: &'a PodSpec) -> Vec<PodView<'a>> {
    let mut views: Vec<PodView<'a>> = (step.pods.iter().zip(specs).enumerate())
        .map(|(index, (pod, spec))| pod.view(index, now, spec))
        .collect();
    for index in 0..step.ready_pods + step.unready_pods {
        let ready = index < step.ready_pods;
        let since = START.saturating_sub(Duration::from_secs(3600));
        views.push(PodView {
            id: PodId(1_000_000 + index),
            phase: if ready { Phase::Running } else { Phase::Pending },
            terminating: false,
            ready: ready.then_some((ConditionStatus::True, since)),
            started: ready.then_some(since),
            spec: plain,
        });
    }
    views
}

fn conditions(status: &Status) -> SortedMap<String, String> {
    let text = |condition: Condition| {
        let status = if condition.status { "True" } else { "False" };
        format!("{status} {}", condition.reason)
    };
    let all = [
        ("AbleToScale", status.able_to_scale),
        ("ScalingActive", status.scaling_active),
        ("ScalingLimited", status.scaling_limited),
    ];
    all.into_iter()
        .filter_map(|(name, condition)| Some((name.to_owned(), text(condition?))))
        .collect()
}

/// Whether all is as expected; `shown`: the values of the status too.
fn agrees(expect: &Expect, found: &Found, shown: bool) -> bool {
    // Where an older release differs, the reason is not recorded.
    let reason = expect.rescale_reason.as_deref();
    let metrics = |all: &Vec<Option<CurrentJson>>| {
        let expected: Vec<_> = all
            .iter()
            .map(|one| one.as_ref().map(CurrentJson::resolve))
            .collect();
        expected == found.status.current_metrics
    };
    let detail = expect.conditions.as_ref().is_none_or(|conditions| {
        *conditions == found.conditions
            && reason.is_none_or(|reason| reason == found.reason)
            && expect
                .current_metrics
                .as_ref()
                .filter(|_| shown)
                .is_none_or(metrics)
    });
    detail
        && expect.proposal == found.proposal
        && expect.desired_replicas == found.desired
        && expect.spec_replicas_after == found.after
        && expect.rescaled == found.rescaled
}

/// The first step that is wrong, if any.
fn check(case: &Case, profile: Profile) -> Option<String> {
    let mut runner = Runner::new(case, profile);
    for (number, step) in case.steps.iter().enumerate() {
        let found = runner.step(step);
        if !agrees(&step.expect, &found, true) {
            return Some(format!(
                "{} step {number} (t {}): expected {:?}, found {found:?}",
                case.id, step.t, step.expect
            ));
        }
    }
    None
}

fn check_file(file: &str, profile: Profile, version: &str) -> Outcome {
    Outcome::of_golden(&format!("hpa/{file}"), version, |case| check(case, profile))
}

fn recorded(file: &str) {
    check_file(file, Profile::default(), super::RECORDED).settle();
}

fn drawn(part: &str) {
    let outcomes = crate::DRAWN.map(|minor| {
        let file = format!("drawn-{part}-1.{minor}.jsonl");
        check_file(&file, Profile::of(minor.into()), &format!("1.{minor}"))
    });
    Outcome::settle_all(&outcomes);
}

#[test]
fn behavior_sequences_are_upstreams() {
    recorded("behavior.jsonl");
}

#[test]
fn drawn_sequences_are_upstreams() {
    drawn("behavior");
}

#[test]
fn reconciles_of_several_metrics_are_upstreams() {
    recorded("reconcile.jsonl");
}

#[test]
fn drawn_reconciles_are_upstreams() {
    drawn("reconcile");
}

#[test]
fn worked_examples_come_out() {
    recorded("examples-behavior.jsonl");
}

/// An older release takes 1.35's steps up to the listed one, and there the listed one; what comes after is
/// not recorded, since the sequence has taken another way.
#[test]
fn older_releases_differ_where_they_should() {
    let differences: Vec<Difference> = golden("hpa/differences.jsonl");
    for file in ["behavior.jsonl", "reconcile.jsonl"] {
        let mut listed: SortedMap<(u32, String), (usize, Expect)> = SortedMap::new();
        for difference in differences.iter().filter(|it| it.of.starts_with(file)) {
            let expect = serde_json::from_value(difference.expect.clone()).expect("a step");
            let step = difference.step.expect("a step number");
            listed.insert(
                (minor(&difference.version), difference.id.clone()),
                (step, expect),
            );
        }
        if listed.is_empty() {
            continue;
        }
        let cases: Vec<Case> = golden(&format!("hpa/{file}"));
        let outcomes = [28, 32, 33].map(|minor| {
            let check = |case: &Case| {
                let difference = listed.get(&(minor, case.id.clone()));
                let mut runner = Runner::new(case, Profile::of(minor));
                for (number, step) in case.steps.iter().enumerate() {
                    let found = runner.step(step);
                    let (last, expect) = match difference {
                        Some((at, expect)) if *at == number => (true, expect),
                        _ => (false, &step.expect),
                    };
                    // Which values a sync that failed shows is recorded of 1.35 alone.
                    let shown = runner.profile.failure_shows_metrics || expect.error.is_none();
                    if !agrees(expect, &found, shown) {
                        return Some(format!(
                            "{} step {number}: expected {expect:?}, found {found:?}",
                            case.id
                        ));
                    }
                    if last {
                        break;
                    }
                }
                None
            };
            let wrong: Vec<String> = cases.iter().filter_map(check).collect();
            outcome(file, &format!("1.{minor}"), cases.len(), wrong)
        });
        Outcome::settle_all(&outcomes);
    }
}
