//! PromQL: instant queries answered by three Prometheus versions.
