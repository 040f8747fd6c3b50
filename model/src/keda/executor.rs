//! What a poll does to the target (kedacore/keda 2.20 pkg/scaling/executor/scale_scaledobjects.go
//! `RequestScale`).
//!
//! KEDA itself only ever moves a target between zero (or idle) and its minimum; everything above is the
//! HPA's. With a minimum of one or more and no idle count, polls change nothing.

use std::time::Duration;

use super::annotation;
use super::spec::ScaledObject;
use super::version::Profile;

/// What a poll found.
#[derive(Debug, Clone, Copy)]
pub struct Situation {
    /// The wall clock, nanoseconds of the Unix epoch.
    pub now: i128,
    /// spec.replicas of the target.
    pub current: i32,
    /// Some trigger is active, or the composite metric is.
    pub active: bool,
    /// Some trigger failed.
    pub error: bool,
    /// status.lastActiveTime, seconds of the Unix epoch: the API keeps whole seconds.
    pub last_active: Option<i64>,
    /// metadata.creationTimestamp, seconds of the Unix epoch.
    pub created: i64,
}

/// Why a paused object's target is scaled and its HPA goes.
pub const PAUSED: &str = "paused by annotation";

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Paused: so many replicas, and nothing else.
    Paused(i32),
    /// From zero or idle up to so many; the target counts as active now.
    Activate(i32),
    /// Activation is paused by annotation.
    ActivationPaused,
    /// Active, with enough replicas; the target counts as active now.
    Active,
    /// Active, but a trigger failed: when it was active last is left alone.
    PartlyFailed,
    /// The fallback's replicas, set by the poll itself (before 2.17).
    Fallback(i32),
    /// Left to the HPA, which will get the fallback's value.
    AwaitFallback,
    /// All triggers failed: nothing is done.
    Failed,
    /// Down to zero or idle in one step.
    Deactivate(i32),
    /// Inactive, but not for long enough.
    CoolingDown,
    /// Deactivation is paused by annotation.
    DeactivationPaused,
    /// Up to the minimum.
    RaiseToMinimum(i32),
    /// Inactive, and nothing to do.
    Inactive,
}

impl Verdict {
    /// spec.replicas to be written.
    #[must_use]
    pub fn replicas(self) -> Option<i32> {
        match self {
            Verdict::Paused(replicas)
            | Verdict::Activate(replicas)
            | Verdict::Fallback(replicas)
            | Verdict::Deactivate(replicas)
            | Verdict::RaiseToMinimum(replicas) => Some(replicas),
            _ => None,
        }
    }

    /// Whether status.lastActiveTime becomes now.
    #[must_use]
    pub fn refreshes_last_active(self) -> bool {
        matches!(self, Verdict::Activate(_) | Verdict::Active)
    }

    /// Whether the condition Ready is true afterwards.
    #[must_use]
    pub fn leaves_ready(self) -> bool {
        !matches!(self, Verdict::PartlyFailed | Verdict::Failed)
    }

    /// Why spec.replicas is written, in words; empty where it is not.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Verdict::Paused(_) => PAUSED,
            Verdict::Activate(_) => "a trigger is active",
            Verdict::Fallback(_) => "all triggers failed: the fallback",
            Verdict::Deactivate(_) => "no trigger is active any more",
            Verdict::RaiseToMinimum(_) => "fewer than minReplicaCount",
            _ => "",
        }
    }

    /// The verdict as a word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Paused(_) => "Paused",
            Verdict::Activate(_) => "Activate",
            Verdict::ActivationPaused => "ActivationPaused",
            Verdict::Active => "Active",
            Verdict::PartlyFailed => "PartlyFailed",
            Verdict::Fallback(_) => "Fallback",
            Verdict::AwaitFallback => "AwaitFallback",
            Verdict::Failed => "Failed",
            Verdict::Deactivate(_) => "Deactivate",
            Verdict::CoolingDown => "CoolingDown",
            Verdict::DeactivationPaused => "DeactivationPaused",
            Verdict::RaiseToMinimum(_) => "RaiseToMinimum",
            Verdict::Inactive => "Inactive",
        }
    }
}

/// Decides.
#[must_use]
pub fn request_scale(object: &ScaledObject, profile: &Profile, situation: &Situation) -> Verdict {
    let paused = annotation::paused_replicas(object);
    if profile.pause_by_reconciler && (paused.is_some() || annotation::is_paused(object, profile)) {
        // The reconciler sees to the replicas; this poll came before it had stopped the loop.
        return Verdict::Paused(situation.current);
    }
    if let Some(paused) = paused {
        return Verdict::Paused(paused);
    }
    let spec = &object.spec;
    let min = spec.min_replica_count.unwrap_or(0);
    let (idle, current) = (spec.idle_replica_count, situation.current);
    if situation.active || annotation::forces_activation(object, profile) {
        if current == 0 || (idle.is_some() && current < min) {
            return match annotation::pauses_scale_out(object, profile) {
                true => Verdict::ActivationPaused,
                false => Verdict::Activate(if min > 0 { min } else { 1 }),
            };
        }
        return match situation.error {
            true => Verdict::PartlyFailed,
            false => Verdict::Active,
        };
    }
    if situation.error {
        match spec.fallback {
            Some(fallback) if fallback.replicas != 0 => {
                return match profile.fallback_by_hpa {
                    true => Verdict::AwaitFallback,
                    false => Verdict::Fallback(fallback.replicas),
                };
            }
            // A fallback to nothing falls through to the rules below.
            Some(_) => {}
            None => return Verdict::Failed,
        }
    }
    if idle.is_some_and(|idle| current > idle) || (current > 0 && min == 0) {
        return deactivate(object, profile, situation, idle.unwrap_or(min));
    }
    if idle.is_none() && current < min {
        return Verdict::RaiseToMinimum(min);
    }
    Verdict::Inactive
}

/// `scaleToZeroOrIdle`
fn deactivate(object: &ScaledObject, profile: &Profile, situation: &Situation, replicas: i32) -> Verdict {
    if annotation::pauses_scale_in(object, profile) {
        return Verdict::DeactivationPaused;
    }
    let over = |from: i64, period: Duration| {
        i128::from(from) * 1_000_000_000 + (period.as_nanos() as i128) < situation.now
    };
    let cooled_down = match situation.last_active {
        Some(last_active) => over(last_active, object.spec.cooldown_period),
        None if profile.initial_cooldown => over(situation.created, object.spec.initial_cooldown_period),
        None => true,
    };
    match cooled_down {
        true => Verdict::Deactivate(replicas),
        false => Verdict::CoolingDown,
    }
}
