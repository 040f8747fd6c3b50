//! The simulated Prometheus: scrapes, storage, PromQL.
