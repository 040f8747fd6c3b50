//! One answer of Prometheus, one value.

use sim::SortedMap;

use model::keda::{Profile, scaler};
use serde::Deserialize;

use super::object::{self, AnswerJson};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    id: String,
    #[serde(rename = "note")]
    _note: Option<String>,
    metadata: SortedMap<String, String>,
    answer: AnswerJson,
    expect: Expect,
}

#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
struct Expect {
    milli: Option<i64>,
    #[serde(default)]
    active: bool,
    error: Option<String>,
}

fn check(case: &Case, minor: u32) -> Option<String> {
    let profile = Profile::of(minor);
    let reading = scaler::prometheus(
        &object::prometheus(&case.metadata),
        &case.answer.resolve(),
        &profile,
    );
    let right = match reading {
        Ok(reading) => {
            let milli = scaler::quantity(reading.value, &profile).milli();
            case.expect.milli == Some(milli) && case.expect.active == reading.active
        }
        Err(_) => case.expect.error.is_some(),
    };
    let found = reading.map(|reading| (reading, scaler::quantity(reading.value, &profile)));
    (!right).then(|| format!("{}: expected {:?}, found {found:?}", case.id, case.expect))
}

#[test]
fn values_are_upstreams() {
    super::check_part("value", check);
}
