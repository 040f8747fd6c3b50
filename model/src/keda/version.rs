//! Releases of KEDA and how their behaviour differs.

/// What one release does. Each switch names the first release that has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Profile {
    /// The external metric's name is `s0-prometheus`; before, the trigger's `metricName` is part of it
    /// (2.12, pkg/scalers/prometheus_scaler.go `GetMetricSpecForScaling`).
    pub plain_metric_names: bool,
    /// The annotation `paused` exists (2.12), at first by its mere presence.
    pub paused_annotation: bool,
    /// `paused: "false"` does not pause (2.13, apis/keda/v1alpha1/scaledobject_types.go
    /// `NeedToBePausedByAnnotation`).
    pub paused_value: bool,
    /// A paused object loses its HPA and its scale loop (2.11); before, its HPA stays.
    pub pause_deletes_hpa: bool,
    /// The reconciler, not the scale loop, sets the paused replicas (2.20,
    /// controllers/keda/scaledobject_controller.go); before, the HPA of a paused object has
    /// min = max = the paused replicas for as long as it is there.
    pub pause_by_reconciler: bool,
    /// Annotations `paused-scale-in`, `paused-scale-out` and `force-activation` exist (2.18).
    pub partial_pause: bool,
    /// What is taken out of a ScaledObject's `behavior` reaches an HPA that is there (2.13, controllers/keda/hpa.go
    /// `updateHPAIfNeeded`): `kubectl apply` changes an annotation too, and the HPA's are compared; before, the spec
    /// alone is, and what it does not say counts as equal.
    pub removals_reach_hpa: bool,
    /// A behavior's `tolerance` exists (2.18, config/crd/bases/keda.sh_scaledobjects.yaml); before, the API server does
    /// not keep it.
    pub behavior_tolerance: bool,
    /// `advanced.scalingModifiers` exists (2.12).
    pub scaling_modifiers: bool,
    /// Any cpu or memory trigger makes an object active (until 2.10, pkg/scaling/scale_handler.go
    /// `getScaledObjectState`); after, only if there are no others.
    pub resource_triggers_activate: bool,
    /// All triggers of an object are queried at once (2.13).
    pub parallel_triggers: bool,
    /// One failed trigger fails the composite metric, and one that has fallen back is the composite metric
    /// (2.14, pkg/scaling/scale_handler.go `GetScaledObjectMetrics`, pkg/scaling/modifiers/formula.go
    /// `HandleScalingModifiers`); before, a failed one is 0 in the formula, and with one that has fallen
    /// back the HPA gets all values, which it adds up.
    pub composite_needs_all: bool,
    /// A cron trigger reports 0 outside of its window (2.18, pkg/scalers/cron_scaler.go
    /// `GetMetricsAndActivity`); before, 1.
    pub cron_idles_at_zero: bool,
    /// `initialCooldownPeriod` exists (2.14); before, an object that was never active cools down at once.
    pub initial_cooldown: bool,
    /// `fallback.behavior` exists (2.17).
    pub fallback_behavior: bool,
    /// A poll that meets an error leaves the fallback to the HPA (2.17); before, it sets the fallback's
    /// replicas itself, at the first error (pkg/scaling/executor/scale_scaledobjects.go
    /// `doFallbackScaling`).
    pub fallback_by_hpa: bool,
    /// Fallback works for Value targets too (2.18).
    pub fallback_value: bool,
    /// How the fallback's value is computed from the target (pkg/fallback/fallback.go `doFallback`).
    pub fallback_arithmetic: FallbackArithmetic,
    /// Polls count failures as pulls do (2.19, pkg/scaling/scale_handler.go `getScalerState`).
    pub polls_count_failures: bool,
    /// A trigger has its own `timeout` (2.17).
    pub trigger_timeout: bool,
    /// Values are rounded to thousandths, and NaN and negatives are 0 (2.20, pkg/scalers/scaler.go
    /// `quantityFromFloat64`); before, they are truncated.
    pub rounds_to_milli: bool,
    /// NaN counts like an infinity (2.20, pkg/scalers/prometheus_scaler.go `ExecutePromQuery`).
    pub nan_is_null: bool,
    /// A comma in a cron trigger's schedule is spelt out in its metric's name (2.20,
    /// pkg/scalers/cron_scaler.go `parseCronTimeFormat`).
    pub cron_name_spells_commas: bool,
    /// An error of a scaler keeps the values stored for `useCachedMetrics` (after 2.20.1; before, they
    /// are dropped with the scalers cache).
    pub keeps_cached_metrics: bool,
}

/// How the fallback's value is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FallbackArithmetic {
    /// The target in whole thousandths, times the replicas.
    Milli,
    /// The target cut to a whole number, times the replicas; scaling modifiers have their own target.
    Whole,
    /// The product as a float, cut to thousandths.
    Float,
}

impl Profile {
    /// What KEDA 2.`minor` does.
    #[must_use]
    pub fn of(minor: u32) -> Self {
        Profile {
            plain_metric_names: minor >= 12,
            paused_annotation: minor >= 12,
            paused_value: minor >= 13,
            pause_deletes_hpa: minor >= 11,
            pause_by_reconciler: minor >= 20,
            partial_pause: minor >= 18,
            removals_reach_hpa: minor >= 13,
            behavior_tolerance: minor >= 18,
            scaling_modifiers: minor >= 12,
            resource_triggers_activate: minor <= 10,
            parallel_triggers: minor >= 13,
            composite_needs_all: minor >= 14,
            cron_idles_at_zero: minor >= 18,
            initial_cooldown: minor >= 14,
            fallback_behavior: minor >= 17,
            fallback_by_hpa: minor >= 17,
            fallback_value: minor >= 18,
            fallback_arithmetic: match minor {
                ..14 => FallbackArithmetic::Milli,
                14..18 => FallbackArithmetic::Whole,
                18.. => FallbackArithmetic::Float,
            },
            polls_count_failures: minor >= 19,
            trigger_timeout: minor >= 17,
            rounds_to_milli: minor >= 20,
            nan_is_null: minor >= 20,
            cron_name_spells_commas: minor >= 20,
            keeps_cached_metrics: minor > 20,
        }
    }
}

impl Default for Profile {
    /// KEDA 2.20.
    fn default() -> Self {
        Profile::of(20)
    }
}
