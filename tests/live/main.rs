//! `scaletwin live` against a real API server, and what it must survive.
//!
//! Needs etcd and kube-apiserver, as `tests/stack` builds them, in `bin` of `SCALETWIN_STACK` (else
//! `~/.cache/scaletwin/stack`); without them the tests say so and pass. No controllers run, so that every change is
//! somebody's doing: ours, or the test's. One test needs the controller manager and KEDA besides, and Go for the
//! launcher; those of Amazon's interfaces need moto; some use openssl or curl.

mod control_plane;
mod faults;
mod keda;
#[cfg(any(feature = "cluster", feature = "ec2"))]
mod moto;
#[cfg(feature = "cluster")]
mod on_cluster;
mod prometheus;
mod proxy;
#[cfg(feature = "ec2")]
mod refresh;
mod roles;
mod scaletwin;
mod skew;
mod stack;
mod throttled;
