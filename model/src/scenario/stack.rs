//! Which releases run.

use crate::{karpenter, prometheus, traffic};

/// `[stack]`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stack {
    /// Kubernetes, by minor release: 28 for 1.28.
    pub kubernetes: u16,
    /// KEDA, by minor release: 12 for 2.12.
    pub keda: u16,
    /// Prometheus.
    pub prometheus: prometheus::Version,
    /// Traefik.
    pub traefik: traffic::traefik::Version,
    /// Karpenter.
    pub karpenter: karpenter::Version,
}
