//! The model's decisions against recorded answers of the real upstream code.
//!
//! `SCALETWIN_GOLDEN=DIR` runs another set of vectors in the same layout and format.

mod ec2;
mod hpa;
mod karpenter;
mod keda;
mod manifest;
mod promql;
mod promqltest;
mod scheduler;
mod workload;

/// The releases of Kubernetes, 1.x, of which `tests/upstream` draws vectors.
const DRAWN: [u16; 5] = [28, 33, 34, 35, 36];
