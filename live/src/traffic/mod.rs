//! The traffic emulator: a data plane for a cluster whose pods do nothing.
//!
//! Under KWOK nodes and pods are objects only. This plays what would happen inside them, with the parts of the
//! model, by the wall clock: the kubelets that pull, start and stop ([`model::workload::kubelet`]), and load,
//! proxy and service ([`model::traffic`]), of which Prometheus scrapes Traefik's counters.
//!
//! ```text
//! API server ── nodes, pods ──► DataPlane ── annotation scaletwin.dev/kubelet ──► API server ──► KWOK
//!                                   └────── Traefik's counters ──► Prometheus ──► KEDA ──► HPA
//! ```
//!
//! [`plane`] has no clock and no network: it is told what the API server says and what time it is. [`emulate`]
//! (feature `kube`) is the rim around it.

pub mod exposition;
pub mod plane;
#[cfg(test)]
pub(crate) mod tests;

#[cfg(feature = "kube")]
mod emulate;
#[cfg(feature = "kube")]
mod serve;
#[cfg(feature = "kube")]
mod watch;

#[cfg(feature = "kube")]
pub use emulate::{Progress, Settings, emulate};

/// The annotation with which a pod's kubelet says how far it is.
pub const MARK: &str = "scaletwin.dev/kubelet";
