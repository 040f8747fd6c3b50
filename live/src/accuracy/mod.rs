//! How far a simulated run is from a real one. Each measure is defined here, once.
//!
//! | measure | definition |
//! | --- | --- |
//! | [`nmae`] | time-weighted mean of abs(sim − real) over time-weighted mean of real |
//! | [`within`] | share of time with abs(sim − real) ≤ a tolerance |
//! | [`first_rise`], [`first_fall`], [`time_to`], [`return_to`] | moments whose signed difference is an error in seconds |
//! | [`lag`] | mean lag along the path of dynamic time warping; [`shape`] is nMAE with that lag removed |
//! | [`wasserstein`], [`kolmogorov_smirnov`] | distances between two samples (pending times, node start times) |
//! | [`relative`] | abs(sim − real) / real, for dollars, node-hours, counts of events |
//! | [`coverage`] | share of time at which the real curve lies inside a simulated band |
//! | `final-in-band` | whether the last real reading lies inside it, for ends that are a lottery |
//! | [`kendall_tau`] | agreement of the order of configurations |
//!
//! [`compare`] takes those that dashboards' curves allow and holds them against a measured run's objectives.
//! The noise floor is the same measure between two runs that differ by chance only: here two seeds, where no
//! second real run was recorded.
//!
//! Curves are step functions. nMAE is taken instead of MAPE because replica curves pass through 0 and 1,
//! where a percentage explodes.

mod compare;
mod curve;
mod moments;
mod samples;
mod warp;

pub use compare::{Bound, Comparison, Line, Scope, Simulated, Unit, compare};
pub use curve::{coverage, nmae, within};
pub use moments::{first_fall, first_rise, return_to, time_to};
pub use samples::{kendall_tau, kolmogorov_smirnov, quantile, quantile_of_sorted, relative, wasserstein};
pub use warp::{lag, shape};

use sim::Instant;

/// A stretch of time over which curves are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// From here on.
    pub from: Instant,
    /// Up to here.
    pub to: Instant,
}
