//! What is reported of a metric that may have failed.

use model::keda::Profile;
use model::keda::fallback::{Metric, Reported, Target, metrics_with_fallback};
use model::keda::health::{Record, Status};
use model::keda::scaler::{self, Error};
use model::keda::spec::TriggerKind;
use model::quantity::Quantity;
use serde::Deserialize;

use super::object::ObjectJson;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    id: String,
    #[serde(rename = "note")]
    _note: Option<String>,
    object: ObjectJson,
    /// In a row, before this reading.
    failures: i32,
    /// Thousandths; absent is a failure.
    reading: Option<i64>,
    current: i32,
    ready: i32,
    expect: Expect,
}

#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
struct Expect {
    /// In a row, afterwards; absent where upstream does not say.
    failures: Option<i32>,
    milli: Option<i64>,
    error: Option<String>,
}

fn check(case: &Case, minor: u32) -> Option<String> {
    let (object, profile) = (case.object.resolve(), Profile::of(minor));
    let trigger = &object.spec.triggers[0];
    let TriggerKind::Prometheus(metadata) = &trigger.kind else {
        panic!("{}: the first trigger is a prometheus one", case.id);
    };
    let name = "s0-prometheus";
    let mut status = Status::default();
    for _ in 0..case.failures {
        Record::of_server(&mut status).count(name, None, true);
    }
    let metric = Metric {
        name,
        metric_type: trigger.metric_type,
        target: scaler::quantity(metadata.threshold, &profile),
    };
    let target = Target {
        current: case.current,
        ready: case.ready,
    };
    let reading = case.reading.map(Quantity::from_milli).ok_or(Error::Unavailable);
    let mut record = Record::of_server(&mut status);
    let reported = metrics_with_fallback(&object, &profile, &mut record, &metric, reading, target);
    let milli = match reported {
        Reported::Value(value) | Reported::Fallback(value) => Some(value.milli()),
        Reported::Nil | Reported::Failed => None,
    };
    let right = milli == case.expect.milli
        && milli.is_none() == case.expect.error.is_some()
        && case
            .expect
            .failures
            .is_none_or(|failures| status.failures(name) == failures);
    (!right).then(|| {
        format!(
            "{}: expected {:?}, found {reported:?}, {status:?}",
            case.id, case.expect
        )
    })
}

#[test]
fn fallbacks_are_upstreams() {
    super::check_part("fallback", check);
}
