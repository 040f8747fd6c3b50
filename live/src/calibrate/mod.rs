//! Fitting a scenario's physical constants to a recording.
//!
//! Each constant is estimated from what the recording says of it alone: machines' and pods' own times, and the request
//! rate where nothing changed for long. Intervals are 95 % and from a bootstrap. What a recording cannot fix is
//! said, with the reason: that is as much of an answer as a number. CPU and sandboxes whose interval spans more than a
//! factor of ten are such.
//!
//! | constant | from |
//! | --- | --- |
//! | `cloud.boot.*` | claims: created, launched; machines: running; nodes: joined, Ready |
//! | `timing.kubelet.sandbox` | pods whose images were there: bound to running, less what else that takes |
//! | `timing.kubelet.download`, `unpack` | events `Pulled`, or pods whose images were not there; one factor for both |
//! | `application.*.startup` | pods with a readiness probe: running to Ready, less half a probe's period; not where the scenario's value lies within such a period |
//! | `service.cpu_per_request`, `load.clients.cpu_per_request` | plateaus of the request rate, by the model's own flow of traffic |

mod bootstrap;
mod machines;
mod pods;
mod traffic;

use model::distribution::Distribution;
use model::scenario::Scenario;

use crate::recording::Recording;

pub use bootstrap::{Interval, Resampling};

/// A constant that was fitted.
#[derive(Debug, Clone, PartialEq)]
pub struct Fit {
    /// The scenario's field: `cloud.boot.pending`.
    pub field: String,
    /// Its value as `scenario.toml` would have it.
    pub toml: String,
    /// What the interval is of: the value, its median, its mean.
    pub of: &'static str,
    /// The estimate of that, in seconds, core-seconds or bytes a second.
    pub estimate: f64,
    /// Its 95 % interval.
    pub interval: Interval,
    /// What the scenario has, in the same terms.
    pub before: f64,
    /// Of how many observations.
    pub observations: usize,
}

/// A constant that the recording does not fix.
#[derive(Debug, Clone, PartialEq)]
pub struct Unfixed {
    /// The scenario's field.
    pub field: String,
    /// Why.
    pub why: String,
}

/// All that a recording says of a scenario's constants.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Calibration {
    /// What was fitted.
    pub fits: Vec<Fit>,
    /// What was not.
    pub unfixed: Vec<Unfixed>,
}

impl Calibration {
    /// Takes a constant if the recording fixes it: if its interval ends and its ends are not too far from each other.
    fn take(&mut self, fit: Fit) -> bool {
        let Interval { low, high } = fit.interval;
        let is_fixed = high.is_finite() && high <= APART * low;
        if is_fixed {
            self.fits.push(fit);
        } else {
            let why = format!(
                "not fixed by the recording: {} observations go with anything from {} to {}",
                fit.observations,
                told(low),
                told(high)
            );
            self.leave(&fit.field, why);
        }
        is_fixed
    }

    fn leave(&mut self, field: &str, why: impl Into<String>) {
        self.unfixed.push(Unfixed {
            field: field.to_owned(),
            why: why.into(),
        });
    }
}

/// An interval whose upper end is more than so many times the lower says nothing that one did not know.
const APART: f64 = 10.0;

/// An end of an interval that may be anything.
fn told(value: f64) -> String {
    match value {
        _ if value < 1e-6 => "0".to_owned(),
        _ if value > 1e6 => "any number".to_owned(),
        _ => short(value),
    }
}

/// Fits what can be fitted. `seed` is that of the bootstrap.
#[must_use]
pub fn calibrate(recording: &Recording, scenario: &Scenario, seed: u64) -> Calibration {
    let mut calibration = Calibration::default();
    let resampling = Resampling::new(seed);
    machines::fit(recording, scenario, &resampling, &mut calibration);
    pods::fit(recording, scenario, &resampling, &mut calibration);
    traffic::fit(recording, scenario, &resampling, &mut calibration);
    calibration
}

/// The median of a distribution.
fn middle(distribution: &Distribution) -> f64 {
    match *distribution {
        Distribution::Constant(value) => value,
        Distribution::Uniform { min, max } => (min + max) / 2.0,
        Distribution::Exponential { mean } => mean * std::f64::consts::LN_2,
        Distribution::Normal { mean, .. } => mean,
        Distribution::LogNormal { median, .. } => median,
    }
}

/// A number with at most four significant digits, as a scenario has them; what is no finite number is `0`.
#[must_use]
pub fn short(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return "0".to_owned();
    }
    let digits = (3 - value.abs().log10().floor() as i32).max(0) as usize;
    let text = format!("{value:.digits$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests;
