//! A small deterministic discrete-event kernel. It has never heard of Kubernetes.
//!
//! A simulation is a loop that pops the earliest event off an [`Agenda`], hands it to the
//! [`Component`] it is for, and performs what the component put into its [`Outbox`]. Components
//! perform nothing themselves: they are told the time, look at a view, and answer with effects as
//! values. That is what lets one component run in a simulation, in a test and beside a real cluster.
//!
//! # The ordering contract
//!
//! 1. Events are delivered in order of their due time.
//! 2. Events due at the same instant are delivered in the order in which they were put on the agenda.
//! 3. An event can be put on the agenda for the present instant, never for the past. It is delivered
//!    after every event already due at this instant.
//! 4. Nothing is ever cancelled. A wake-up that has become moot is delivered and must be harmless.
//!
//! # Chance
//!
//! Each purpose and entity draws from its own named [`Stream`], so that one more draw here moves
//! nobody there, and two policies under comparison meet the same luck.

mod agenda;
mod component;
mod random;
mod record;
mod sorted;
mod time;

pub use agenda::Agenda;
pub use component::{Action, Component, Outbox};
pub use random::{Stream, Streams};
pub use record::StepSeries;
pub use sorted::{Entry, SortedMap, SortedSet};
pub use time::Instant;
