//! Random small scenarios run to their end under the auditor, and equal runs give equal bytes.

mod determinism;
mod edges;
mod generate;
mod random;
mod regressions;
mod told;
mod written;
