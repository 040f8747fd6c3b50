//! A real cluster: looked at, written to, cleaned up. Feature `kube`.
//!
//! What a run does to a cluster is decided by values: a [`Preflight`](preflight::Preflight) is all that was
//! found out, a [`Plan`](plan::Plan) all that will be done. Both are printed whole before anything happens.
//!
//! Three rules hold everywhere here:
//!
//! - **Only ours.** An object is created by a request that fails if it exists, carries the run's label, and
//!   is changed or deleted only by the UID under which it was created. An object that was there before is a
//!   problem of the plan.
//! - **Nothing is made up.** What could not be seen is recorded as a gap: the recorder never interpolates.
//! - **Every way out cleans up.** End, error, signal and cap lead to the same clean-up, which may be repeated;
//!   after a kill that cannot be caught it is started again by the run's name.

mod apply;
pub mod clean;
mod client;
mod error;
pub mod finding;
pub mod import;
pub mod journal;
mod kinds;
pub mod listen;
pub mod manifest;
pub mod permission;
pub mod plan;
mod poll;
pub mod preflight;
pub mod prometheus;
mod pulse;
mod recorder;
pub mod run;
pub mod site;
mod state;
#[cfg(test)]
pub(crate) mod testing;
mod watch;

pub use apply::{Applied, FIELD_MANAGER, RUN_LABEL};
pub use client::{Access, Connection, connect};
pub use error::{Error, Result, explain};
pub use kinds::{Served, ServedKind, There, Watched, discover};
pub use recorder::Recorder;
pub use state::{Node, PriceOf, State};

/// A time for names: `20250102-030405`, UTC.
#[must_use]
pub fn time_label(unix: u64) -> String {
    let second = i64::try_from(unix).unwrap_or_default();
    let time = jiff::Timestamp::from_second(second).unwrap_or_default();
    time.strftime("%Y%m%d-%H%M%S").to_string()
}
