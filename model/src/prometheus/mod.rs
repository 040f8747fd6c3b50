//! The simulated Prometheus: scrapes, storage, PromQL.
//!
//! The real server discovers targets, scrapes each at a slot of its own within the interval, stamps the
//! samples with the start of the scrape in whole milliseconds, and marks what vanished as stale. A query
//! looks at what has been committed by then, and how it looks (window edges, extrapolation, order and
//! compensation of sums) depends on the release. All of that decides what KEDA reads, so all of it is here:
//!
//! - [`Prometheus`] is the component: discovery, slots, failures, staleness ([`scrape`]);
//! - [`exporters`] says what kube-state-metrics, kubelets and cAdvisor expose;
//! - [`Storage`] keeps samples, one list per series;
//! - [`Query`] is parsed once and answered at any time, to the last bit as the release would
//!   ([`Profile`]).
//!
//! Left out: rules and alerts, remote write, native histograms, exemplars, blocks on disk. Families that no
//! query of the run can select are not stored ([`Interest`]).

pub mod exporters;
mod labels;
mod promql;
pub mod scrape;
mod storage;
mod version;

pub use labels::{Labels, METRIC_NAME, Sample};
pub use promql::{
    EvalError, Matcher, Op, ParseError, Parsed, Query, RangeSeries, Selector, Settings, Spread, Unsupported,
    Value,
};
pub(crate) use scrape::label_name;
pub use scrape::{
    Config, Failure, Input, Job, JobConfig, Output, Prometheus, Source, Target, TargetId, View,
};
pub use storage::{Interest, SeriesId, Storage};
pub use version::{LATEST, OLDEST, Profile};
