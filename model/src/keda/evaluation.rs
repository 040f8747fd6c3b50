//! From the readings of all triggers to what the HPA is given and whether the target is active
//! (kedacore/keda 2.20 pkg/scaling/scale_handler.go `GetScaledObjectMetrics`, `getScaledObjectState`).

use std::mem;

use super::fallback::{self, Reported, Target};
use super::formula::{self, Formula, Outcome as Formed};
use super::generated;
use super::health::{Record, Scalers, Status};
use super::scaler;
use super::spec::{FallbackBehavior, ScaledObject, TriggerKind};
use super::state::State;
use super::task::{Evaluation, Outcome, Task};
use super::version::Profile;
use crate::api::{Api, Phase};
use crate::quantity::Quantity;

/// What the HPA is given.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Pulled {
    /// The value; `None` is an error.
    pub(super) value: Option<Quantity>,
    pub(super) fallback: bool,
}

/// What a poll found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Polled {
    pub(super) active: bool,
    pub(super) error: bool,
    /// The object cannot be evaluated at all, so that nothing is done.
    pub(super) broken: bool,
}

/// Answers a pull.
pub(super) fn pulled(
    object: &ScaledObject,
    state: &mut State,
    task: &Task,
    composite: bool,
    profile: &Profile,
    api: &Api,
) -> Pulled {
    let mut scalers = mem::take(&mut state.scalers);
    let mut record = match &mut scalers {
        Scalers::Own(_, copy) => Record::of_copy(&mut state.status, copy),
        Scalers::OfLoop(_) | Scalers::Absent => Record::of_server(&mut state.status),
    };
    let reported = count(object, &mut record, task, profile, api);
    let formula = state.formula.as_ref().filter(|_| composite);
    let composed = compose(object, formula, record.seen(), task, &reported, profile);
    let fallen_back = fallback_of(&reported);
    let failed = reported.contains(&Reported::Failed);
    if failed {
        scalers.clear();
        if !profile.keeps_cached_metrics {
            state.cached.clear();
        }
    }
    state.scalers = scalers;
    let value = match fallen_back {
        None if failed && profile.composite_needs_all => None,
        Some(value) if composite && profile.composite_needs_all => Some(value),
        Some(_) if composite => Some(sum(&reported)),
        None if reported.iter().all(|one| *one == Reported::Failed) => None,
        _ if composite => composed,
        _ => match reported[0] {
            Reported::Value(value) | Reported::Fallback(value) => Some(value),
            Reported::Nil | Reported::Failed => None,
        },
    };
    Pulled {
        value,
        fallback: fallen_back.is_some(),
    }
}

/// Judges a poll.
pub(super) fn polled(
    object: &ScaledObject,
    state: &mut State,
    task: &Task,
    profile: &Profile,
    api: &Api,
) -> Polled {
    let mut record = Record::of_server(&mut state.status);
    let reported = if profile.polls_count_failures {
        count(object, &mut record, task, profile, api)
    } else {
        task.evaluations.iter().map(plain).collect()
    };
    let error = reported.contains(&Reported::Failed);
    if error {
        state.scalers.clear();
    }
    let is_active = |(one, reported): (&Evaluation, &Reported)| match reported {
        Reported::Fallback(_) => true,
        Reported::Failed => false,
        Reported::Value(_) | Reported::Nil => one.result.is_some_and(|outcome| outcome.active),
    };
    let mut active = task.evaluations.iter().zip(&reported).any(is_active);
    store(object, state, task, &reported);
    let broken = matches!(state.formula, Some(Err(_)));
    if let Some(modifiers) = object
        .spec
        .advanced
        .scaling_modifiers
        .as_ref()
        .filter(|_| state.formula.is_some())
    {
        let value = match fallback_of(&reported) {
            Some(value) => Some(value),
            None => compose(
                object,
                state.formula.as_ref(),
                &state.status,
                task,
                &reported,
                profile,
            ),
        };
        active = !error && value.is_some_and(|value| value.as_f64() > modifiers.activation_target);
    }
    let is_resource = |kind: &TriggerKind| matches!(kind, TriggerKind::Resource { .. });
    let mut kinds = object.spec.triggers.iter().map(|trigger| &trigger.kind);
    active |= match profile.resource_triggers_activate {
        true => kinds.any(is_resource),
        false => !error && kinds.all(is_resource),
    };
    Polled {
        active,
        error,
        broken,
    }
}

/// Keeps the values for triggers with useCachedMetrics.
fn store(object: &ScaledObject, state: &mut State, task: &Task, reported: &[Reported]) {
    for (one, reported) in task.evaluations.iter().zip(reported) {
        let cached = object
            .spec
            .triggers
            .get(one.trigger)
            .is_some_and(|trigger| trigger.use_cached_metrics);
        let (true, Some(outcome)) = (cached, one.result) else {
            continue;
        };
        let kept = match reported {
            Reported::Fallback(value) => Outcome {
                value: Ok(*value),
                active: true,
                composite: state.formula.is_some(),
            },
            // Nil is stored as the number that stands for it, and read back as that number.
            Reported::Nil => Outcome {
                value: Ok(Quantity::from_whole(-1)),
                active: false,
                composite: false,
            },
            _ => outcome,
        };
        state.cached.insert(one.name.clone(), kept);
    }
}

fn plain(one: &Evaluation) -> Reported {
    match one.result.map(|outcome| outcome.value) {
        Some(Ok(value)) => Reported::Value(value),
        _ => Reported::Failed,
    }
}

/// Counts each reading, and puts the fallback's value where it is due.
fn count(
    object: &ScaledObject,
    record: &mut Record<'_>,
    task: &Task,
    profile: &Profile,
    api: &Api,
) -> Vec<Reported> {
    let mut one = |one: &Evaluation| {
        let reading = one
            .result
            .map_or(Err(scaler::Error::Unavailable), |outcome| outcome.value);
        let Some(trigger) = object.spec.triggers.get(one.trigger) else {
            return Reported::Failed;
        };
        // The target, and what is wanted of it, matter only if something failed.
        let (target, wanted) = match reading {
            Ok(_) => (Target { current: 0, ready: 0 }, Quantity::default()),
            Err(_) => (
                look_at_target(object, api),
                generated::threshold(trigger, profile),
            ),
        };
        let metric = fallback::Metric {
            name: &one.name,
            metric_type: trigger.metric_type,
            target: wanted,
        };
        fallback::metrics_with_fallback(object, profile, record, &metric, reading, target)
    };
    // Each is counted when it is there, and may read back what others have counted.
    let mut turns: Vec<usize> = (0..task.evaluations.len()).collect();
    turns.sort_by_key(|index| task.evaluations[*index].turn);
    let mut reported = vec![Reported::Failed; turns.len()];
    for index in turns {
        reported[index] = one(&task.evaluations[index]);
    }
    reported
}

fn look_at_target(object: &ScaledObject, api: &Api) -> Target {
    let ready = api
        .pods_of_deployment(object.target)
        .filter(|(_, pod)| pod.phase == Phase::Running && pod.is_ready())
        .count();
    Target {
        current: api
            .deployments
            .get(object.target)
            .map_or(0, |target| target.replicas),
        ready: i32::try_from(ready).unwrap_or(i32::MAX),
    }
}

/// What the HPA makes of several values of one metric.
fn sum(reported: &[Reported]) -> Quantity {
    let milli = reported.iter().map(|one| match one {
        Reported::Value(value) | Reported::Fallback(value) => value.milli(),
        Reported::Nil | Reported::Failed => 0,
    });
    Quantity::from_milli(milli.fold(0, i64::wrapping_add))
}

fn fallback_of(reported: &[Reported]) -> Option<Quantity> {
    reported.iter().find_map(|one| match one {
        Reported::Fallback(value) => Some(*value),
        _ => None,
    })
}

/// The composite metric (kedacore/keda 2.20 pkg/scaling/modifiers/formula.go `calculateScalingModifiersFormula`,
/// `scalingModifierTriggerValue`). Where the fallback is the formula's matter, a metric is nil by what the status says of
/// it in the end, whatever its own reading was.
fn compose(
    object: &ScaledObject,
    formula: Option<&Result<Formula, formula::Error>>,
    status: &Status,
    task: &Task,
    reported: &[Reported],
    profile: &Profile,
) -> Option<Quantity> {
    let Some(Ok(formula)) = formula else {
        return None;
    };
    let own = |behavior| profile.fallback_behavior && behavior == FallbackBehavior::ScalingModifiers;
    let nil_above = object.spec.fallback.filter(|fallback| own(fallback.behavior));
    let is_nil = |name: &str| nil_above.is_some_and(|it| status.failures(name) > it.failure_threshold);
    let values = task
        .evaluations
        .iter()
        .zip(reported)
        .filter_map(|(one, reported)| {
            let name = object.spec.triggers.get(one.trigger)?.name.as_deref()?;
            match reported {
                _ if one.result.is_some_and(|outcome| outcome.composite) => None,
                Reported::Nil => Some((name, None)),
                Reported::Value(_) if is_nil(&one.name) => Some((name, None)),
                Reported::Value(value) | Reported::Fallback(value) => Some((name, Some(value.as_f64()))),
                Reported::Failed => Some((name, Some(0.0))),
            }
        });
    let number = match formula.evaluate(values).ok()? {
        Formed::Number(number) => number,
        Formed::Nil => {
            let target = object.spec.advanced.scaling_modifiers.as_ref()?.target;
            f64::from(object.spec.fallback?.replicas) * target
        }
    };
    Some(Quantity::from_milli(scaler::truncate(number * 1000.0)))
}
