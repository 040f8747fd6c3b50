//! Shadows: a part of the stack is given what the real one was given, and its decisions are laid beside the real
//! ones. No decision is made here: the functions and components are those that a simulation runs.
//!
//! The inputs are what a recording holds, which is a little less than what the real part knew. Where a status rounds
//! a value, both ends are tried; where it is heard a moment late, the moments before are. A decision that one of them
//! explains agrees. What none explains is a [`Divergence`].

mod consolidation;
mod hpa;
mod keda;
mod provisioning;
#[cfg(test)]
mod tests;
mod world;

use model::scenario::Scenario;

use crate::recording::Recording;

/// A part of the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// The HPA controller: sizes.
    Hpa,
    /// KEDA: generated HPAs, and steps from and to zero.
    Keda,
    /// Karpenter's provisioner: which claims waiting pods get.
    Provisioning,
    /// Karpenter's disruption: which nodes go.
    Consolidation,
}

impl Part {
    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Part::Hpa => "hpa",
            Part::Keda => "keda",
            Part::Provisioning => "karpenter-provisioning",
            Part::Consolidation => "consolidation",
        }
    }
}

/// A decision that the model would have made otherwise.
#[derive(Debug, Clone, PartialEq)]
pub struct Divergence {
    /// When, seconds on the recording's clock.
    pub t: f64,
    /// What it is about.
    pub object: String,
    /// What the model decides.
    pub expected: String,
    /// What was done.
    pub actual: String,
    /// The inputs.
    pub inputs: String,
}

/// How a shadow's decisions agree with the real ones.
#[derive(Debug, Clone, PartialEq)]
pub struct Agreement {
    /// Whose.
    pub part: Part,
    /// How many decisions were laid side by side.
    pub decisions: usize,
    /// Those that differ, by time.
    pub divergences: Vec<Divergence>,
    /// What is to be known of the comparison.
    pub notes: Vec<String>,
}

impl Agreement {
    fn new(part: Part) -> Self {
        Agreement {
            part,
            decisions: 0,
            divergences: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// The share of decisions that agree; 1 if there was none to make.
    #[must_use]
    pub fn share(&self) -> f64 {
        match self.decisions {
            0 => 1.0,
            all => 1.0 - self.divergences.len().min(all) as f64 / all as f64,
        }
    }
}

/// Lays a part's decisions beside the recorded ones. The scenario says what a recording does not: releases,
/// settings, the catalog, and manifests that were not recorded.
#[must_use]
pub fn shadow(part: Part, recording: &Recording, scenario: &Scenario) -> Agreement {
    let mut agreement = match part {
        Part::Hpa => hpa::shadow(recording, scenario),
        Part::Keda => keda::shadow(recording, scenario),
        Part::Provisioning => provisioning::shadow(recording, scenario),
        Part::Consolidation => consolidation::shadow(recording, scenario),
    };
    agreement.divergences.sort_by(|a, b| a.t.total_cmp(&b.t));
    agreement
}
