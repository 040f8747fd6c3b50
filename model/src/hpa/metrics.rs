//! All metrics of an HPA together
//! (kubernetes 1.35 pkg/controller/podautoscaler/horizontal.go `computeReplicasForMetric`,
//! `computeReplicasForMetrics`).

use std::sync::Arc;

use sim::Instant;

use super::decision::{Outcome, Proposal, Unit, Why};
use super::pods::{Initialization, PodView};
use super::reading::{Failure, Reading};
use super::replica_calculator::{self as calculator, Calculated, Context, PerPod, Tolerances};
use super::spec::{Metric, Resource, Source, Target};
use super::status::{Current, Reason};
use super::version::Profile;
use crate::api::{LabelSelector, Operator};
use crate::quantity::Quantity;

/// The scale subresource of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scale {
    /// spec.replicas
    pub spec_replicas: i32,
    /// status.replicas: active pods, pending and unready ones included
    pub status_replicas: i32,
}

/// What the controller knows when a reading comes.
#[derive(Debug, Clone, Copy)]
pub struct Surroundings<'a> {
    /// When.
    pub now: Instant,
    /// The release.
    pub profile: &'a Profile,
    /// Around a ratio of 1.
    pub tolerances: Tolerances,
    /// The rules for pods that start.
    pub initialization: Initialization,
    /// The target's scale, as read at the beginning.
    pub scale: Scale,
    /// What the target's selector matches, if the metric [looks at it](Metric::looks_at_pods).
    pub pods: &'a [PodView<'a>],
}

/// A metric's proposal and its value for the status.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// For the decision.
    pub outcome: Outcome,
    /// For status.currentMetrics; `None` if there is none.
    pub current: Option<Current>,
}

/// What one reading proposes; `name` is what the metric is called.
///
/// # Panics
///
/// When the reading is not of the metric's kind, or the target not of one that the kind has.
#[must_use]
pub fn compute_replicas_for_metric(
    around: &Surroundings<'_>,
    metric: &Metric,
    name: Arc<str>,
    reading: &Reading,
) -> Measured {
    let calculated = calculate(around, metric, reading);
    let result = match &calculated {
        Ok(found) => Ok(Proposal {
            replicas: found.replicas,
            value: found.value,
            target: target_number(metric.target),
            ratio: found.ratio,
            tolerance: (around.tolerances.down, around.tolerances.up),
            within_tolerance: found.within,
            pods: found.pods,
        }),
        Err(_) => Err(failure_reason(&metric.source)),
    };
    Measured {
        outcome: Outcome {
            metric: name,
            unit: unit(metric),
            result,
            why: calculated.as_ref().err().copied(),
        },
        current: calculated.ok().map(|found| current(metric.target, &found)),
    }
}

/// What a metric's value and target are counted in.
fn unit(metric: &Metric) -> Unit {
    match (&metric.source, metric.target) {
        (_, Target::AverageUtilization(_)) => Unit::Percent,
        (Source::Resource(resource) | Source::ContainerResource { resource, .. }, _) => match resource {
            Resource::Cpu => Unit::Cores,
            Resource::Memory => Unit::Bytes,
        },
        (Source::External { .. } | Source::Object { .. } | Source::Pods { .. }, _) => Unit::Number,
    }
}

fn calculate(around: &Surroundings<'_>, metric: &Metric, reading: &Reading) -> Result<Calculated, Why> {
    let (profile, tolerances) = (around.profile, &around.tolerances);
    let Scale {
        spec_replicas,
        status_replicas,
    } = around.scale;
    let value = |usage, target: Quantity| {
        let pods = around.pods;
        let found =
            calculator::value_replicas(usage, target.milli(), spec_replicas, pods, tolerances, profile);
        found.map_err(Why::from)
    };
    let per_pod = |usage, target: Quantity, clamps| {
        calculator::per_pod_replicas(usage, target.milli(), status_replicas, tolerances, clamps)
    };
    let pods = |samples, target, cpu| {
        let context = Context {
            now: around.now,
            profile,
            tolerances: *tolerances,
            cpu: Some(around.initialization).filter(|_| cpu),
            spec_replicas,
            pods: around.pods,
        };
        calculator::per_pod_metric_replicas(&context, samples, target).map_err(Why::from)
    };
    match (&metric.source, metric.target, reading) {
        (Source::External { .. }, _, Reading::External(values)) => {
            let values = some(values)?;
            let values = values.iter().map(|value| value.milli());
            match metric.target {
                Target::Value(target) => value(calculator::sum_value(values, profile), target),
                Target::AverageValue(target) => {
                    let usage = calculator::sum_average_value(values, profile);
                    Ok(per_pod(usage, target, profile.clamp_average_value))
                }
                Target::AverageUtilization(_) => unreachable!("external metrics have no utilization"),
            }
        }
        (Source::Object { .. }, Target::Value(target), Reading::Object(usage)) => {
            value((*usage)?.milli(), target)
        }
        (Source::Object { .. }, Target::AverageValue(target), Reading::Object(usage)) => {
            Ok(per_pod((*usage)?.milli(), target, false))
        }
        (source, target, Reading::Pods(samples)) => {
            let samples = some(samples)?;
            let resource = resource_of(source);
            let target = match target {
                Target::AverageValue(target) => PerPod::AverageValue(target.milli()),
                Target::AverageUtilization(percent) => PerPod::Utilization {
                    percent,
                    resource: resource.expect("only resources have a utilization"),
                    container: container_of(source),
                },
                Target::Value(_) => unreachable!("per-pod metrics have no value target"),
            };
            pods(samples, target, resource == Some(Resource::Cpu))
        }
        _ => panic!("the reading of a metric is of the metric's kind"),
    }
}

/// An answer that holds nothing is an error too.
fn some<T>(found: &Result<Vec<T>, Failure>) -> Result<&Vec<T>, Failure> {
    let found = found.as_ref().map_err(|failure| *failure)?;
    if found.is_empty() {
        return Err(Failure::Empty);
    }
    Ok(found)
}

fn resource_of(source: &Source) -> Option<Resource> {
    match source {
        Source::Resource(resource) | Source::ContainerResource { resource, .. } => Some(*resource),
        _ => None,
    }
}

fn container_of(source: &Source) -> Option<&str> {
    match source {
        Source::ContainerResource { container, .. } => Some(container),
        _ => None,
    }
}

fn target_number(target: Target) -> i64 {
    match target {
        Target::Value(quantity) | Target::AverageValue(quantity) => quantity.milli(),
        Target::AverageUtilization(percent) => i64::from(percent),
    }
}

fn current(target: Target, found: &Calculated) -> Current {
    let milli = Quantity::from_milli;
    Current {
        value: matches!(target, Target::Value(_)).then(|| milli(found.value)),
        average_value: match target {
            Target::Value(_) => None,
            Target::AverageValue(_) => Some(milli(found.value)),
            Target::AverageUtilization(_) => found.raw.map(milli),
        },
        average_utilization: match target {
            Target::AverageUtilization(_) => Some(found.value as i32),
            _ => None,
        },
    }
}

fn failure_reason(source: &Source) -> Reason {
    match source {
        Source::External { .. } => Reason::FailedGetExternalMetric,
        Source::Object { .. } => Reason::FailedGetObjectMetric,
        Source::Pods { .. } => Reason::FailedGetPodsMetric,
        Source::Resource(_) => Reason::FailedGetResourceMetric,
        Source::ContainerResource { .. } => Reason::FailedGetContainerResourceMetric,
    }
}

/// A metric's name in events and messages.
pub(super) fn name(metric: &Metric) -> String {
    match &metric.source {
        Source::External { name, selector } => {
            format!("external metric {name}({})", debug(selector.as_ref()))
        }
        Source::Object {
            name, selector, kind, ..
        } => match metric.target {
            // The word "external" is upstream's.
            Target::AverageValue(_) => format!("external metric {name}({})", debug(selector.as_ref())),
            _ => format!("{kind} metric {name}"),
        },
        Source::Pods { name, .. } => format!("pods metric {name}"),
        Source::Resource(resource) | Source::ContainerResource { resource, .. } => {
            let of_container = matches!(metric.source, Source::ContainerResource { .. });
            let name = resource.name();
            match metric.target {
                Target::AverageUtilization(_) if of_container => {
                    format!("{name} container resource utilization (percentage of request)")
                }
                Target::AverageUtilization(_) => {
                    format!("{name} resource utilization (percentage of request)")
                }
                _ => format!("{name} resource"),
            }
        }
    }
}

/// A selector as it appears in upstream's messages.
fn debug(selector: Option<&LabelSelector>) -> String {
    let Some(selector) = selector else {
        return "nil".to_owned();
    };
    let (labels, expressions): (Vec<_>, Vec<_>) = selector
        .expressions
        .iter()
        .partition(|expression| expression.operator == Operator::In && expression.values.len() == 1);
    let labels: String = labels
        .iter()
        .map(|label| format!("{}: {},", label.key, label.values[0]))
        .collect();
    let expressions: String = expressions
        .iter()
        .map(|other| format!("{{{} {:?} {:?}}},", other.key, other.operator, other.values))
        .collect();
    format!(
        "&LabelSelector{{MatchLabels:map[string]string{{{labels}}},\
         MatchExpressions:[]LabelSelectorRequirement{{{expressions}}},}}"
    )
}

/// What several metrics come to.
#[derive(Debug, Clone, PartialEq)]
pub enum Combined {
    /// The place of the metric with the greatest proposal, and that.
    Proposal(usize, i32),
    /// None could be read, or the ones that could would scale down: the first failure's reason.
    NoAction(Reason),
}

/// The place of the greatest proposal, and that; a proposal of 0 gives way to whatever comes after it.
fn greatest(outcomes: &[Outcome]) -> Option<(usize, i32)> {
    let mut best: Option<(usize, i32)> = None;
    for (place, outcome) in outcomes.iter().enumerate() {
        if let Ok(proposal) = &outcome.result
            && best.is_none_or(|(_, replicas)| replicas == 0 || proposal.replicas > replicas)
        {
            best = Some((place, proposal.replicas));
        }
    }
    best
}

/// The greatest proposal, unless it is a scale-down on partial data (`computeReplicasForMetrics`).
#[must_use]
pub fn combine(spec_replicas: i32, outcomes: &[Outcome]) -> Combined {
    let mut failures = outcomes
        .iter()
        .filter_map(|outcome| outcome.result.as_ref().err());
    match (greatest(outcomes), failures.next()) {
        (Some((place, replicas)), failure) if failure.is_none() || replicas >= spec_replicas => {
            Combined::Proposal(place, replicas)
        }
        (_, Some(reason)) => Combined::NoAction(*reason),
        (_, None) => unreachable!("an HPA has at least one metric"),
    }
}
