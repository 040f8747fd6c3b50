//! Results as files: each exporter has one job, turning results into text, and a figure is made of what was
//! exported.

pub(crate) mod constants;
pub(crate) mod dashboard;
pub(crate) mod events;
pub(crate) mod measures;
pub(crate) mod summary;
pub(crate) mod table;
