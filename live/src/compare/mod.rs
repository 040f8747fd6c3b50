//! A run beside another: a simulated one, with its seeds, and a recorded one.
//!
//! Both sides become [`Run`]s on one clock, the simulated run's: curves as steps, the lives of pods, nodes and
//! claims, counts. [`compare`] then says by every measure of [`crate::accuracy`] how far they are apart. What the
//! recording could not hear is left out of every measure, and said.

mod files;
mod gaps;
mod measures;
mod observed;
mod recorded;
mod run;
#[cfg(test)]
mod tests;

pub use files::{CURVES, LIVES, curves_csv, lives_csv, read_curves, read_lives};
pub use gaps::without;
pub use measures::{Bounds, compare};
pub use observed::observe;
pub use recorded::{Target, TargetError, recorded, wall_zero, zero};
pub use run::{Gap, Kind, Life, Run, names};
