//! Many configurations of one scenario, and one answer.
//!
//! A [`Plan`] says what is varied over a scenario and what is asked. [`design`] chooses configurations, the
//! [`engine`] runs each with the same seeds, the [`journal`] keeps every run as soon as it is done, and what comes
//! after (fronts, effects, a recommendation) is computed from the runs alone.
//!
//! ```text
//!  sweep.toml ─► plan ─► design ─► engine ─► journal
//!                                    │  ▲       │
//!                                    ▼  └───────┘ what is known is not run again
//!                               configurations ─► results, front, effects, recommendation
//! ```

pub mod answer;
pub mod axis;
pub mod check;
pub mod confirm;
pub mod constraint;
pub mod design;
pub mod effects;
pub mod engine;
mod field;
pub mod front;
pub mod job;
pub mod journal;
pub mod measure;
pub mod patch;
pub mod plan;
mod race;
pub mod results;
pub mod sensitivity;
pub mod simulate;
pub mod statistics;
#[cfg(test)]
mod tests;
mod yaml;

pub use axis::Axis;
pub use constraint::Constraint;
pub use design::Design;
pub use engine::{Configuration, Engine, Fate, Halt, Model, Shard, Store, Watch};
pub use measure::Measure;
pub use plan::Plan;
pub use simulate::Simulator;
