//! Results as files: each exporter has one job, turning results into bytes.

pub(crate) mod dashboard;
pub(crate) mod events;
pub(crate) mod series;
pub(crate) mod summary;
