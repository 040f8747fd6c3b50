//! From a proposal to a size: windows, rates, bounds
//! (kubernetes 1.35 pkg/controller/podautoscaler/horizontal.go `normalizeDesiredReplicas`,
//! `normalizeDesiredReplicasWithBehaviors`).
//!
//! There are two algorithms. Without `behavior`, which is what KEDA makes by default, the greatest
//! recommendation of the last five minutes counts, in both directions, and a step at most doubles (or goes
//! to four). With `behavior`, however empty, each direction has its window and its policies.

use std::time::Duration;

use sim::Instant;

use super::history::History;
use super::spec::{PolicyKind, Rules, SelectPolicy};
use super::status::Reason;

/// A step goes at least so far up (`scaleUpLimitMinimum`).
const SCALE_UP_LIMIT_MINIMUM: f64 = 4.0;
/// Or multiplies the size so much (`scaleUpLimitFactor`).
const SCALE_UP_LIMIT_FACTOR: f64 = 2.0;

/// What is to be brought within which bounds.
#[derive(Debug, Clone, Copy)]
pub struct Request {
    /// Now.
    pub now: Instant,
    /// The size now.
    pub current: i32,
    /// The proposal.
    pub proposal: i32,
    /// minReplicas
    pub min: i32,
    /// maxReplicas
    pub max: i32,
}

/// The size decided, and the way to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Normalized {
    /// After the windows.
    pub stabilized: i32,
    /// After everything.
    pub desired: i32,
    /// Reason of the condition AbleToScale, which is True.
    pub able_to_scale: Reason,
    /// Reason of the condition ScalingLimited, which is True unless the stabilized size came through.
    pub limited: Reason,
}

/// Without `behavior` (`normalizeDesiredReplicas`, `convertDesiredReplicasWithRules`).
pub fn normalize(history: &mut History, request: &Request, window: Duration) -> Normalized {
    let stabilized = history.stabilize(request.proposal, request.now, window);
    let able_to_scale = match stabilized == request.proposal {
        true => Reason::ReadyForNewScale,
        false => Reason::ScaleDownStabilized,
    };
    let limit = (SCALE_UP_LIMIT_FACTOR * f64::from(request.current)).max(SCALE_UP_LIMIT_MINIMUM) as i32;
    let (upper, above) = match request.max > limit {
        true => (limit, Reason::ScaleUpLimit),
        false => (request.max, Reason::TooManyReplicas),
    };
    let (desired, limited) = if stabilized < request.min {
        (request.min, Reason::TooFewReplicas)
    } else if stabilized > upper {
        (upper, above)
    } else {
        (stabilized, Reason::DesiredWithinRange)
    };
    Normalized {
        stabilized,
        desired,
        able_to_scale,
        limited,
    }
}

/// With `behavior` (`normalizeDesiredReplicasWithBehaviors`): first stabilize, then limit the rate, then
/// the bounds, of which only the one in the direction of the change counts.
pub fn normalize_with_behaviors(
    history: &mut History,
    request: &Request,
    up: &Rules<'_>,
    down: &Rules<'_>,
) -> Normalized {
    let &Request {
        now,
        current,
        proposal,
        ..
    } = request;
    let windows = (up.stabilization_window, down.stabilization_window);
    let (least, greatest) = history.envelope(proposal, now, windows.0, windows.1);
    let stabilized = current.max(least).min(greatest);
    let able_to_scale = if stabilized == proposal {
        Reason::ReadyForNewScale
    } else if proposal >= current {
        Reason::ScaleUpStabilized
    } else {
        Reason::ScaleDownStabilized
    };
    let (desired, limited) = limit_rate(history, request, stabilized, up, down);
    Normalized {
        stabilized,
        desired,
        able_to_scale,
        limited,
    }
}

/// `convertDesiredReplicasWithBehaviorRate`
fn limit_rate(
    history: &History,
    request: &Request,
    wanted: i32,
    up: &Rules<'_>,
    down: &Rules<'_>,
) -> (i32, Reason) {
    let &Request {
        current, min, max, ..
    } = request;
    if wanted > current {
        let limit = scale_up_limit(history, request, up).max(current);
        let (allowed, reason) = match max > limit {
            true => (limit, Reason::ScaleUpLimit),
            false => (max, Reason::TooManyReplicas),
        };
        if wanted > allowed {
            return (allowed, reason);
        }
    } else if wanted < current {
        let limit = scale_down_limit(history, request, down).min(current);
        let (allowed, reason) = match min < limit {
            true => (limit, Reason::ScaleDownLimit),
            false => (min, Reason::TooFewReplicas),
        };
        if wanted < allowed {
            return (allowed, reason);
        }
    }
    (wanted, Reason::DesiredWithinRange)
}

/// `calculateScaleUpLimitWithScalingRules`
fn scale_up_limit(history: &History, request: &Request, rules: &Rules<'_>) -> i32 {
    let (mut limit, choose): (i32, fn(i32, i32) -> i32) = match rules.select_policy {
        SelectPolicy::Disabled => return request.current,
        SelectPolicy::Min => (i32::MAX, i32::min),
        SelectPolicy::Max => (i32::MIN, i32::max),
    };
    for policy in rules.policies {
        let start = history.period_start(request.current, policy, request.now);
        let allowed = match policy.kind {
            PolicyKind::Pods => start.saturating_add(policy.value),
            PolicyKind::Percent => {
                libm::ceil(f64::from(start) * (1.0 + f64::from(policy.value) / 100.0)) as i32
            }
        };
        limit = choose(limit, allowed);
    }
    limit
}

/// `calculateScaleDownLimitWithBehaviors`
fn scale_down_limit(history: &History, request: &Request, rules: &Rules<'_>) -> i32 {
    let (mut limit, choose): (i32, fn(i32, i32) -> i32) = match rules.select_policy {
        SelectPolicy::Disabled => return request.current,
        SelectPolicy::Min => (i32::MIN, i32::max),
        SelectPolicy::Max => (i32::MAX, i32::min),
    };
    for policy in rules.policies {
        let start = history.period_start(request.current, policy, request.now);
        let allowed = match policy.kind {
            PolicyKind::Pods => start.saturating_sub(policy.value),
            PolicyKind::Percent => (f64::from(start) * (1.0 - f64::from(policy.value) / 100.0)) as i32,
        };
        limit = choose(limit, allowed);
    }
    limit
}
