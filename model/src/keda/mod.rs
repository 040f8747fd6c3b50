//! KEDA: the operator that makes an HPA from a ScaledObject, feeds it, and switches its target off and on.
//!
//! What the real one does (kedacore/keda 2.10 to 2.20) and we keep: the generated HPA; the metric that each
//! pull of the HPA gets, by a live query or from the last poll; the scale loop that polls on its own and
//! only ever moves a target between zero (or idle) and its minimum; fallback, pause and scaling modifiers.
//! The two loops meet in nothing but the failure counters, of which pulls may see an old copy ([`health`]).
//!
//! Triggers: `prometheus`, `cron`, `cpu` and `memory`. Left out: ScaledJobs, push scalers, authentication
//! (accepted, not simulated), and the time that the metrics adapter itself takes.

pub mod annotation;
mod evaluation;
pub mod executor;
pub mod fallback;
pub mod formula;
pub mod generated;
pub mod health;
pub mod messages;
pub mod operator;
pub mod scaler;
pub mod spec;
mod state;
mod task;
#[cfg(test)]
mod tests;
pub mod version;

pub use messages::{Answer, Config, Event, Input, Output, QueryId, View};
pub use operator::Operator;
pub use spec::{ScaledObject, Spec, Trigger};
pub use version::Profile;
