//! What the metrics APIs answer.

use std::time::Duration;

use sim::Instant;

use super::version::Profile;
use crate::id::PodId;
use crate::quantity::Quantity;

/// Why there is no reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The API or what stands behind it did not answer.
    #[error("the metrics API did not answer")]
    Unavailable,
    /// What stands behind the API has no value: its own question failed.
    #[error("the metrics API answered with an error")]
    Error,
    /// The answer holds nothing, which the controller takes for an error, not for zero.
    #[error("no metrics returned")]
    Empty,
    /// A pod's sample has no container of that name.
    #[error("a pod has no such container")]
    NoSuchContainer,
}

/// The answer to a query for one metric. It is of the metric's own kind; any other panics.
#[derive(Debug, Clone, PartialEq)]
pub enum Reading {
    /// Of an external metric: a value for each series.
    External(Result<Vec<Quantity>, Failure>),
    /// Of an object metric.
    Object(Result<Quantity, Failure>),
    /// Of a pods, resource or container resource metric: a sample for each pod that has one.
    Pods(Result<Vec<Sample>, Failure>),
}

/// One pod's sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// Whose.
    pub pod: PodId,
    /// When it was taken.
    pub timestamp: Instant,
    /// Over how much time before.
    pub window: Duration,
    /// In thousandths, rounded up: of a virtual CPU, of a byte, of whatever the metric counts.
    pub milli: i64,
}

/// The window of a pods metric that names none (kubernetes 1.35
/// pkg/controller/podautoscaler/metrics/client.go `metricServerDefaultMetricWindow`).
pub const DEFAULT_WINDOW: Duration = Duration::from_secs(60);

/// A pod's value of a resource in thousandths from its containers' usage: their sum, or one container's.
/// `None` leaves the pod without a sample: its containers' usage is not complete, or it has no such
/// container (kubernetes 1.35 pkg/controller/podautoscaler/metrics/client.go `getPodMetrics`,
/// `getContainerMetrics`).
///
/// # Errors
///
/// When the container is not there, in releases in which that fails the whole metric.
pub fn resource_usage<'a>(
    containers: impl IntoIterator<Item = (&'a str, Option<Quantity>)>,
    container: Option<&str>,
    profile: &Profile,
) -> Result<Option<i64>, Failure> {
    let mut containers = containers.into_iter();
    let Some(name) = container else {
        return Ok(containers.map(|(_, usage)| usage.map(Quantity::milli)).sum());
    };
    match containers.find(|(other, _)| *other == name) {
        Some((_, usage)) => Ok(usage.map(Quantity::milli)),
        None if profile.unmeasured_container_fails => Err(Failure::NoSuchContainer),
        None => Ok(None),
    }
}
