//! Deployments, ReplicaSets, DaemonSets, endpoints and kubelets.

pub mod controllers;
pub mod daemon_set;
pub mod daemon_update;
pub mod deployment;
pub mod kubelet;
pub mod metrics_server;
pub mod node_health;
pub mod taint_eviction;
pub mod victims;

#[cfg(test)]
mod tests;

pub use crate::token_bucket::TokenBucket;
