//! What the HPA controller says of an HPA.

use std::fmt;

use sim::Instant;

use crate::quantity::Quantity;

/// status
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Status {
    /// currentReplicas: the scale's spec.replicas at the last sync
    pub current_replicas: i32,
    /// desiredReplicas
    pub desired_replicas: i32,
    /// lastScaleTime
    pub last_scale_time: Option<Instant>,
    /// currentMetrics, one for each of spec.metrics; `None` for one that could not be read
    pub current_metrics: Vec<Option<Current>>,
    /// conditions: AbleToScale
    pub able_to_scale: Option<Condition>,
    /// conditions: ScalingActive
    pub scaling_active: Option<Condition>,
    /// conditions: ScalingLimited
    pub scaling_limited: Option<Condition>,
}

/// A condition: whether, why and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Condition {
    /// status
    pub status: bool,
    /// reason
    pub reason: Reason,
    /// lastTransitionTime
    pub since: Instant,
}

/// Sets a condition; its time changes only if the status does (kubernetes 1.35
/// pkg/controller/podautoscaler/horizontal.go `setConditionInList`).
pub(super) fn set_condition(condition: &mut Option<Condition>, now: Instant, status: bool, reason: Reason) {
    let since = match condition {
        Some(old) if old.status == status => old.since,
        _ => now,
    };
    *condition = Some(Condition {
        status,
        reason,
        since,
    });
}

/// The current value of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Current {
    /// value
    pub value: Option<Quantity>,
    /// averageValue
    pub average_value: Option<Quantity>,
    /// averageUtilization
    pub average_utilization: Option<i32>,
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        /// The reason of a condition, as the API spells it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Reason {
            $($(#[$doc])* $name,)+
        }

        impl Reason {
            /// The reason as text.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Reason::$name => stringify!($name),)+
                }
            }
        }
    };
}

reasons! {
    /// The scale was read.
    SucceededGetScale,
    /// The scale could not be read.
    FailedGetScale,
    /// The scale was written.
    SucceededRescale,
    /// The scale could not be written.
    FailedUpdateScale,
    /// Nothing is held back.
    ReadyForNewScale,
    /// A higher recommendation within the window holds.
    ScaleDownStabilized,
    /// A lower recommendation within the window holds.
    ScaleUpStabilized,
    /// The target has no replicas: somebody else decides when it wakes up.
    ScalingDisabled,
    /// All metrics needed were read.
    ValidMetricFound,
    /// An external metric could not be read or used.
    FailedGetExternalMetric,
    /// An object metric could not be read or used.
    FailedGetObjectMetric,
    /// A pods metric could not be read or used.
    FailedGetPodsMetric,
    /// A resource metric could not be read or used.
    FailedGetResourceMetric,
    /// A container resource metric could not be read or used.
    FailedGetContainerResourceMetric,
    /// The target's selector is empty or cannot be parsed.
    InvalidSelector,
    /// Another HPA's pods match the selector too.
    AmbiguousSelector,
    /// The proposal lies within all bounds.
    DesiredWithinRange,
    /// The proposal rises faster than allowed.
    ScaleUpLimit,
    /// The proposal falls faster than allowed.
    ScaleDownLimit,
    /// The proposal is above maxReplicas.
    TooManyReplicas,
    /// The proposal is below minReplicas.
    TooFewReplicas,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
