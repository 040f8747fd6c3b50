//! What a poll does to the target.

use model::keda::Profile;
use model::keda::executor::{Situation, Verdict, request_scale};
use serde::Deserialize;

use super::object::ObjectJson;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Case {
    id: String,
    #[serde(rename = "note")]
    _note: Option<String>,
    object: ObjectJson,
    replicas: i32,
    #[serde(default)]
    active: bool,
    #[serde(default)]
    failed: bool,
    last_active: Option<i64>,
    created: i64,
    now: i128,
    expect: Expect,
}

#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
struct Expect {
    replicas: i32,
    #[serde(default)]
    refreshed: bool,
    #[serde(default)]
    active: String,
    #[serde(default)]
    ready: String,
}

/// The conditions that show which branch was taken, where they do.
fn shows(verdict: Verdict, expect: &Expect) -> bool {
    match verdict {
        Verdict::CoolingDown => expect.active == "False ScalerCooldown",
        // 2.12 leaves an unknown condition as it is, without the reason.
        Verdict::PartlyFailed => expect.ready.starts_with("Unknown"),
        Verdict::Failed => expect.ready == "False TriggerError",
        Verdict::Activate(_) | Verdict::Active => expect.active == "True ScalerActive",
        _ => true,
    }
}

fn check(case: &Case, minor: u32) -> Option<String> {
    let situation = Situation {
        now: case.now,
        current: case.replicas,
        active: case.active,
        error: case.failed,
        last_active: case.last_active,
        created: case.created,
    };
    let verdict = request_scale(&case.object.resolve(), &Profile::of(minor), &situation);
    let right = verdict.replicas().unwrap_or(case.replicas) == case.expect.replicas
        && verdict.refreshes_last_active() == case.expect.refreshed
        && shows(verdict, &case.expect);
    (!right).then(|| format!("{}: expected {:?}, found {verdict:?}", case.id, case.expect))
}

#[test]
fn verdicts_are_upstreams() {
    super::check_part("executor", check);
}
