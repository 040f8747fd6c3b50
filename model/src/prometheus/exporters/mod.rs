//! What the cluster's exporters expose.

use crate::id::PodId;

/// What a kubelet measures of a running pod.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct PodUsage {
    /// CPU seconds used since the containers started.
    pub cpu_seconds: f64,
    /// Memory in bytes, as the working set.
    pub memory: f64,
}

/// What kube-state-metrics says of one HorizontalPodAutoscaler.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct HpaState {
    /// metadata.namespace
    pub namespace: String,
    /// metadata.name
    pub name: String,
    /// spec.minReplicas
    pub min_replicas: i32,
    /// spec.maxReplicas
    pub max_replicas: i32,
    /// status.currentReplicas
    pub current_replicas: i32,
    /// status.desiredReplicas
    pub desired_replicas: i32,
}

/// Looks up what a kubelet measures of a pod.
pub type Usage<'a> = &'a dyn Fn(PodId) -> PodUsage;
