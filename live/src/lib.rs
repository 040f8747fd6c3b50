//! The rim: what a real cluster said, and how far a simulation is from it.
//!
//! [`recording`] is the format of what was said, [`curves`] and [`measured`] read curves that somebody else
//! wrote down, [`accuracy`] defines the measures. `cluster` (feature `kube`) is a real cluster. [`rehearsal`] and
//! [`traffic`] are for a cluster of made-up nodes, whose pods do nothing by themselves.

pub mod accuracy;
pub mod calibrate;
pub mod catalog;
#[cfg(feature = "kube")]
pub mod cluster;
pub mod compare;
pub mod curves;
#[cfg(feature = "ec2")]
pub mod ec2;
pub mod heard;
pub mod measured;
pub mod objects;
pub mod recording;
pub mod rehearsal;
pub mod shadow;
pub mod simulated;
#[cfg(test)]
mod testing;
pub mod traffic;
