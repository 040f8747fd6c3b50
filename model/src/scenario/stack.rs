//! Which releases run.

use crate::release::Release;

/// `[stack]`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stack {
    /// Kubernetes, by minor release: 28 for 1.28.
    pub kubernetes: u16,
    /// KEDA, by minor release: 12 for 2.12.
    pub keda: u16,
    /// Prometheus.
    pub prometheus: Release,
    /// Traefik.
    pub traefik: Release,
    /// Karpenter: the release of the AWS provider and its chart, whose patches are not those of the core.
    pub karpenter: Release,
}
