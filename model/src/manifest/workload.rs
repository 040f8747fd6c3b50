//! Deployments and DaemonSets.

use std::sync::Arc;
use std::time::Duration;

use super::Reading;
use super::admission::{tolerate_extended_resources, tolerate_lost_nodes};
use super::pod::{self, PriorityClasses};
use super::pod_fields::{METADATA, TEMPLATE, TOP};
use super::selector::{SELECTOR, selector};
use crate::api::{DaemonSet, IntOrPercent, RollingUpdateDaemonSet, Strategy};
use crate::document::fields::{Field, Holds, noted, quiet, refused, simulated, table};
use crate::document::{Cursor, Scalar, Shape};
use crate::scenario::Deployment;
use crate::workload::daemon_set::with_tolerations;

/// The table of Deployments.
pub(super) const DEPLOYMENT: &[Field] = &[
    table("", TOP),
    table("metadata", METADATA),
    noted(
        "spec.replicas",
        "1 if absent; applied again without it, a running Deployment keeps its size if it was without it before",
    ),
    simulated("spec.strategy.type"),
    simulated("spec.strategy.rollingUpdate.maxSurge"),
    simulated("spec.strategy.rollingUpdate.maxUnavailable"),
    simulated("spec.minReadySeconds"),
    table("spec.selector", SELECTOR),
    table("spec.template", TEMPLATE),
    quiet("spec.revisionHistoryLimit", "old ReplicaSets have no pods").of(Holds::Count),
    quiet("spec.progressDeadlineSeconds", "it changes only a condition").of(Holds::Count),
    refused(
        "spec.paused",
        "rollouts are not paused here, and a Deployment that is made paused has no pods until somebody resumes it",
    )
    .unless("false"),
];

/// The table of DaemonSets.
pub(super) const DAEMON_SET: &[Field] = &[
    table("", TOP),
    table("metadata", METADATA),
    table("spec.selector", SELECTOR),
    table("spec.template", TEMPLATE),
    quiet("spec.revisionHistoryLimit", "old revisions have no pods").of(Holds::Count),
    simulated("spec.updateStrategy.type"),
    simulated("spec.updateStrategy.rollingUpdate.maxUnavailable"),
    simulated("spec.updateStrategy.rollingUpdate.maxSurge"),
    simulated("spec.minReadySeconds"),
];

/// A Deployment.
pub(crate) fn read_deployment(reading: &Reading<'_>, classes: &PriorityClasses) -> Deployment {
    let root = &reading.root;
    let mut template = pod::template(&root.at("spec.template").required(), reading.namespace, classes);
    tolerate_lost_nodes(&mut template.spec);
    tolerate_extended_resources(&mut template.spec);
    let selector_at = root.at("spec.selector").required();
    let selector = selector(&selector_at);
    pod::check_selector(&selector_at, selector.as_ref(), &template);
    let replicas = root.at("spec.replicas").count(0);
    let min_ready = min_ready(root);
    check_progress_deadline(&root.get("spec"), min_ready);
    Deployment {
        replicas_written: replicas.is_some(),
        object: crate::api::Deployment {
            name: reading.name.to_owned(),
            replicas: replicas.unwrap_or(1),
            strategy: strategy(&root.at("spec.strategy")),
            min_ready,
            selector: selector.unwrap_or_default(),
            template: Arc::new(template),
        },
    }
}

/// The deadline, 600 s if absent (kubernetes 1.35 pkg/apis/apps/v1/defaults.go `SetDefaults_Deployment`), is to be after
/// a pod's time to become available (pkg/apis/apps/validation/validation.go `ValidateDeploymentSpec`).
fn check_progress_deadline(spec: &Cursor<'_>, min_ready: Duration) {
    let written = spec.get("progressDeadlineSeconds");
    let deadline = written.seconds(0).unwrap_or(Duration::from_secs(600));
    if deadline <= min_ready {
        let (at, absent) = if written.is_given() {
            (written, "")
        } else {
            (spec.get("minReadySeconds"), " where it is not written")
        };
        let message = format!(
            "progressDeadlineSeconds, {}{absent}, must be greater than minReadySeconds, {}",
            deadline.as_secs(),
            min_ready.as_secs()
        );
        at.error("E004", message, "");
    }
}

/// A DaemonSet.
pub(crate) fn read_daemon_set(reading: &Reading<'_>, classes: &PriorityClasses) -> DaemonSet {
    let template = pod::template(
        &reading.root.at("spec.template").required(),
        reading.namespace,
        classes,
    );
    let selector_at = reading.root.at("spec.selector").required();
    pod::check_selector(&selector_at, selector(&selector_at).as_ref(), &template);
    DaemonSet {
        name: reading.name.to_owned(),
        template: Arc::new(with_tolerations(template)),
        rolling: rolling_update(&reading.root.at("spec.updateStrategy")),
        min_ready: min_ready(&reading.root),
    }
}

fn min_ready(root: &Cursor<'_>) -> Duration {
    let seconds = root.at("spec.minReadySeconds").seconds(0);
    seconds.unwrap_or(Duration::ZERO)
}

/// (kubernetes 1.35 pkg/apis/apps/validation/validation.go `ValidateRollingUpdateDaemonSet`)
fn rolling_update(at: &Cursor<'_>) -> Option<RollingUpdateDaemonSet> {
    let kinds = [("RollingUpdate", true), ("OnDelete", false)];
    let rolls = at.get("type").one_of(&kinds).unwrap_or(true);
    let default = RollingUpdateDaemonSet::default();
    let rolling = at.get("rollingUpdate");
    let surge_at = rolling.get("maxSurge");
    let max_surge = int_or_percent(&surge_at, 100).unwrap_or(default.max_surge);
    let max_unavailable =
        int_or_percent(&rolling.get("maxUnavailable"), 100).unwrap_or(default.max_unavailable);
    if rolls {
        match (is_zero(max_surge), is_zero(max_unavailable)) {
            (false, false) => surge_at.error(
                "E004",
                "maxSurge goes only with a maxUnavailable of 0",
                "maxUnavailable is 1 where it is not given: write maxUnavailable: 0 beside it",
            ),
            (true, true) => rolling.error("E004", "maxSurge and maxUnavailable must not both be 0", ""),
            _ => {}
        }
    }
    rolls.then_some(RollingUpdateDaemonSet {
        max_surge,
        max_unavailable,
    })
}

fn is_zero(share: IntOrPercent) -> bool {
    matches!(share, IntOrPercent::Int(0) | IntOrPercent::Percent(0))
}

fn strategy(at: &Cursor<'_>) -> Strategy {
    let recreate = at
        .get("type")
        .one_of(&[("Recreate", true), ("RollingUpdate", false)])
        .unwrap_or(false);
    let rolling = at.get("rollingUpdate");
    if recreate {
        if rolling.is_given() {
            rolling.error("E004", "rollingUpdate goes only with the type RollingUpdate", "");
        }
        return Strategy::Recreate;
    }
    let quarter = IntOrPercent::Percent(25);
    let surge = int_or_percent(&rolling.get("maxSurge"), 10_000).unwrap_or(quarter);
    let unavailable = int_or_percent(&rolling.get("maxUnavailable"), 100).unwrap_or(quarter);
    if is_zero(surge) && is_zero(unavailable) {
        rolling.error("E004", "maxSurge and maxUnavailable must not both be 0", "");
    }
    Strategy::RollingUpdate {
        max_surge: surge,
        max_unavailable: unavailable,
    }
}

/// A number of pods, or a percentage up to a limit.
pub(super) fn int_or_percent(at: &Cursor<'_>, most: i32) -> Option<IntOrPercent> {
    match &at.value()?.shape {
        Shape::Scalar(Scalar::Text, text) => {
            let percent = text
                .strip_suffix('%')
                .and_then(|number| number.parse::<i32>().ok());
            match percent {
                Some(percent) if (0..=most).contains(&percent) => Some(IntOrPercent::Percent(percent)),
                Some(_) => {
                    at.error(
                        "E004",
                        format!("expected a percentage from 0 % to {most} %, found {text}"),
                        "",
                    );
                    None
                }
                None => {
                    at.error(
                        "E003",
                        format!("expected a whole number or a percentage such as 25%, found {text:?}"),
                        "",
                    );
                    None
                }
            }
        }
        _ => at.count(0).map(IntOrPercent::Int),
    }
}
