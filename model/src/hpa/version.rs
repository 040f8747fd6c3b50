//! Releases of Kubernetes and how their HPA controllers differ.

/// What one release's HPA controller does.
///
/// From 1.28 to 1.36 the formulas are the same but for these switches (compared file by file, and by
/// running the same cases through 1.28 and 1.32 to 1.36).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Profile {
    /// The tolerance test is `1 - down <= ratio <= 1 + up` instead of `|1 - ratio| <= tolerance`; they
    /// differ at a ratio of exactly 1.1 (1.33, replica_calculator.go `Tolerances.isWithin`).
    pub tolerance_interval: bool,
    /// `behavior.*.tolerance` counts (feature gate HPAConfigurableTolerance, on by default from 1.35).
    pub configurable_tolerance: bool,
    /// A sync that fails, at its metrics or its write, shows the values that it read; before, the status keeps the
    /// older ones (1.29, horizontal.go `setCurrentReplicasAndMetricsInStatus`).
    pub failure_shows_metrics: bool,
    /// Requests of sidecars count (1.29, replica_calculator.go `calculateRequests`).
    pub sidecar_requests: bool,
    /// Pod-level requests replace the containers' (1.34, the same function).
    pub pod_level_requests: bool,
    /// A scale write that meets a conflict is read and tried again (1.34, horizontal.go
    /// `updateScaleWithRetry`).
    pub conflict_retries: u32,
    /// Proposals of AverageValue targets above `i32::MAX`, and overflowing sums, are clamped instead of
    /// wrapped (1.34, replica_calculator.go `GetExternalPerPodMetricReplicas`).
    pub clamp_average_value: bool,
    /// The same for Value targets (1.35, replica_calculator.go `GetExternalMetricReplicas`).
    pub clamp_value: bool,
    /// A container name that no container of a pod bears is an error (1.35, replica_calculator.go
    /// `calculatePodRequestsFromContainers`); before, its request was 0.
    pub unknown_container_fails: bool,
    /// A sample without the container asked for fails the whole metric (until 1.32, metrics/client.go
    /// `getContainerMetrics`); after, its pod counts as one without a sample.
    pub unmeasured_container_fails: bool,
}

impl Profile {
    /// The controller of Kubernetes 1.`minor`.
    #[must_use]
    pub fn of(minor: u32) -> Self {
        Profile {
            tolerance_interval: minor >= 33,
            configurable_tolerance: minor >= 35,
            failure_shows_metrics: minor >= 29,
            sidecar_requests: minor >= 29,
            pod_level_requests: minor >= 34,
            conflict_retries: if minor >= 34 { 4 } else { 0 },
            clamp_average_value: minor >= 34,
            clamp_value: minor >= 35,
            unknown_container_fails: minor >= 35,
            unmeasured_container_fails: minor < 33,
        }
    }
}

impl Default for Profile {
    /// Kubernetes 1.35.
    fn default() -> Self {
        Profile::of(35)
    }
}
