//! The autoscaling stack as a deterministic model: load, Traefik, Prometheus, KEDA, HPA, workloads,
//! kube-scheduler, Karpenter and EC2. No I/O, no clock, no ambient chance.

pub mod api;
pub mod catalog;
pub mod cluster;
pub mod cron;
pub mod distribution;
pub mod document;
pub mod ec2;
mod few;
pub mod hpa;
pub mod id;
pub mod karpenter;
pub mod keda;
pub mod manifest;
pub mod prometheus;
pub mod quantity;
pub mod release;
pub mod scenario;
pub mod scheduler;
pub mod token_bucket;
pub mod traffic;
pub mod workload;

pub use release::Release;
