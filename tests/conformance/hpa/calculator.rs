//! One metric, one proposal.

use sim::SortedMap;

use model::hpa::metrics::{Scale, Surroundings, compute_replicas_for_metric};
use model::hpa::pods::Initialization;
use model::hpa::replica_calculator::Tolerances;
use model::hpa::{Config, Profile};
use serde::Deserialize;
use support::{Outcome, golden};

use super::json::{BehaviorJson, CurrentJson, MetricJson, PodJson, ReadingJson, START};
use super::outcome;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Case {
    id: String,
    #[serde(rename = "note")]
    _note: Option<String>,
    metric: MetricJson,
    behavior: Option<BehaviorJson>,
    spec_replicas: i32,
    status_replicas: i32,
    #[serde(default)]
    reading: ReadingJson,
    #[serde(default)]
    pods: Vec<PodJson>,
    expect: Expect,
}

#[derive(Deserialize, Debug, Clone)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Expect {
    replicas: Option<i32>,
    current: Option<CurrentJson>,
    reason: Option<String>,
    error: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Difference {
    version: String,
    of: String,
    id: String,
    expect: serde_json::Value,
}

/// What is wrong with the model's answer, if anything.
fn check(case: &Case, expect: &Expect, profile: &Profile, values: bool) -> Option<String> {
    let config = Config::default();
    let metric = case.metric.resolve();
    let reading = case.reading.resolve(&metric, &case.pods, START, profile);
    let specs: Vec<_> = case.pods.iter().map(PodJson::spec).collect();
    let pods: Vec<_> = (case.pods.iter().zip(&specs).enumerate())
        .map(|(index, (pod, spec))| pod.view(index, START, spec))
        .collect();
    let behavior = case.behavior.as_ref().map(BehaviorJson::resolve);
    let around = Surroundings {
        now: START,
        profile,
        tolerances: Tolerances::of(config.tolerance, behavior.as_ref(), profile),
        initialization: Initialization {
            cpu_period: config.cpu_initialization_period,
            readiness_delay: config.initial_readiness_delay,
        },
        scale: Scale {
            spec_replicas: case.spec_replicas,
            status_replicas: case.status_replicas,
        },
        pods: &pods,
    };
    let measured = compute_replicas_for_metric(&around, &metric, "a metric".into(), &reading);
    let right = match &measured.outcome.result {
        Ok(proposal) => {
            let current = expect.current.as_ref().map(CurrentJson::resolve);
            // The mean of no replicas is what the processor makes of it.
            let values = values && case.status_replicas > 0;
            Some(proposal.replicas) == expect.replicas && (!values || measured.current == current)
        }
        Err(reason) => {
            let named = expect.reason.as_deref().is_none_or(|it| it == reason.as_str());
            expect.error.is_some() && named
        }
    };
    (!right).then(|| format!("{}: expected {expect:?}, found {measured:?}", case.id))
}

fn check_file(file: &str, profile: &Profile, version: &str) -> Outcome {
    let check = |case: &Case| check(case, &case.expect, profile, true);
    Outcome::of_golden(&format!("hpa/{file}"), version, check)
}

fn recorded(file: &str) {
    check_file(file, &Profile::default(), super::RECORDED).settle();
}

#[test]
fn proposals_are_upstreams() {
    recorded("replica-calculator.jsonl");
}

#[test]
fn drawn_proposals_are_upstreams() {
    let outcomes = crate::DRAWN.map(|minor| {
        let file = format!("drawn-replica-calculator-1.{minor}.jsonl");
        check_file(&file, &Profile::of(minor.into()), &format!("1.{minor}"))
    });
    Outcome::settle_all(&outcomes);
}

#[test]
fn worked_examples_come_out() {
    recorded("examples-replica-calculator.jsonl");
}

/// The cases of upstream's own unit tests (kubernetes 1.35
/// pkg/controller/podautoscaler/replica_calculator_test.go), re-expressed: each names its test.
#[test]
fn upstreams_own_tests_come_out() {
    recorded("tables-replica-calculator.jsonl");
}

/// Older releases differ exactly where the vectors say so: a case that is not listed has 1.35's proposal,
/// if not always its value for the status.
#[test]
fn older_releases_differ_where_they_should() {
    let file = "replica-calculator.jsonl";
    let cases: Vec<Case> = golden(&format!("hpa/{file}"));
    let differences: Vec<Difference> = golden("hpa/differences.jsonl");
    let mut listed: SortedMap<(u32, String), Expect> = SortedMap::new();
    for difference in differences.into_iter().filter(|it| it.of == file) {
        let expect = serde_json::from_value(difference.expect).expect("an answer");
        listed.insert((super::json::minor(&difference.version), difference.id), expect);
    }
    if listed.is_empty() {
        return;
    }
    let outcomes = [28, 32, 33].map(|minor| {
        let profile = Profile::of(minor);
        let wrong: Vec<String> = cases
            .iter()
            .filter_map(|case| match listed.get(&(minor, case.id.clone())) {
                Some(expect) => check(case, expect, &profile, true),
                None => check(case, &case.expect, &profile, false),
            })
            .collect();
        outcome(file, &format!("1.{minor}"), cases.len(), wrong)
    });
    Outcome::settle_all(&outcomes);
}
