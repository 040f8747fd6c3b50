//! The rim: what a real cluster said, and how far a simulation is from it.

pub mod accuracy;
#[cfg(feature = "kube")]
pub mod cluster;
pub mod measured;
pub mod recording;
