//! The HorizontalPodAutoscaler controller of kube-controller-manager.
//!
//! What the real one does (kubernetes 1.35 pkg/controller/podautoscaler): every 15 s or so one of a few
//! workers takes an HPA, reads its target's scale, queries the metrics one after the other, turns each
//! into a proposal, takes the greatest, holds it back by stabilization windows and rate limits, and writes
//! the scale and its own status. All of that is kept, the time that each call takes included: it is what
//! makes HPAs drift against each other and queue behind a slow metrics API.
//!
//! Left out: the client's rate limit (20 requests a second), events of the API (a [`Decision`] says more),
//! HPAs of other targets than Deployments, and scaling to zero by the HPA itself, a feature that is off on
//! every managed control plane.
//!
//! [`Decision`]: decision::Decision

pub mod controller;
pub mod decision;
pub mod history;
pub mod metrics;
pub mod normalize;
pub mod pods;
mod queue;
pub mod reading;
pub mod reconcile;
pub mod replica_calculator;
pub mod selection;
pub mod spec;
pub mod status;
#[cfg(test)]
mod tests;
pub mod version;

pub use controller::{Calls, Config, Controller, Input, Output, View};
pub use decision::Decision;
pub use reading::{Failure, Reading, Sample};
pub use spec::{Behavior, Hpa, Metric, Resource, Source, Spec, Target};
pub use status::Status;
pub use version::Profile;
