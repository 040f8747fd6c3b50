//! Scraping: discovery, slots, failures, staleness.

mod config;
mod target;

use sim::{Component, Instant, Outbox, Streams};

pub use config::{Config, Job, JobConfig};
pub use target::{Failure, Source, Target, TargetId};

use super::labels::Sample;
use super::promql::{EvalError, Query, Value};
use super::storage::{Interest, Storage};
use crate::api::Api;
use crate::id::{NodeId, PodId};

/// What happens to Prometheus.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// The run begins with a server that has been up for a while: it knows the targets of this moment.
    Running,
    /// The server comes up and discovers its targets.
    Started,
    /// The server goes down. What it has committed stays.
    Stopped,
    /// A pod was made, changed or removed.
    PodChanged(PodId),
    /// A node was made, changed or removed.
    NodeChanged(NodeId),
    /// Service discovery sends what it has found.
    Send,
    /// The scrape manager applies what was sent.
    Reload,
    /// A target's next scrape is due.
    Tick(TargetId),
    /// The answer to a scrape: the exposition as it was when the scrape began, or why there is none.
    Scraped(TargetId, Result<Vec<Sample>, Failure>),
    /// A scrape is over and its samples are committed.
    Commit(TargetId),
    /// The series of a target that was removed end.
    EndOfRun(TargetId),
}

/// What Prometheus asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Ask a target for its exposition, and answer with [`Input::Scraped`] at the same instant.
    Scrape(TargetId, Source),
}

/// What service discovery sees.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// Pods and nodes.
    pub api: &'a Api,
}

/// A Prometheus server.
#[derive(Debug)]
pub struct Prometheus {
    config: Config,
    interest: Interest,
    storage: Storage,
    up: bool,
}

impl Prometheus {
    /// A server for a run in which these queries are asked.
    #[must_use]
    pub fn new(config: Config, queries: &[Query], streams: &Streams) -> Self {
        let _ = streams;
        Prometheus {
            interest: Interest::of(queries),
            storage: Storage::for_queries(config.version.profile(), queries, &config.settings()),
            config,
            up: false,
        }
    }

    /// Which metrics exporters need to expose.
    #[must_use]
    pub fn interest(&self) -> &Interest {
        &self.interest
    }

    /// The committed samples.
    #[must_use]
    pub fn storage(&self) -> &Storage {
        &self.storage
    }

    /// An instant of the run as Unix milliseconds.
    #[must_use]
    pub fn unix_millis(&self, at: Instant) -> i64 {
        self.config.unix_millis(at)
    }

    /// Answers a query, put at a time in Unix milliseconds: what is committed now counts.
    ///
    /// # Errors
    ///
    /// When the server is down or the query fails.
    pub fn query(&self, query: &Query, at: i64) -> Result<Value, EvalError> {
        if self.up {
            query.evaluate(&self.storage, at, &self.config.settings())
        } else {
            Err(EvalError::Down)
        }
    }
}

impl Component for Prometheus {
    type Input = Input;
    type Output = Output;
    type View<'a> = View<'a>;

    fn handle(&mut self, _now: Instant, input: Input, _view: View<'_>, _out: &mut Outbox<Input, Output>) {
        match input {
            Input::Running | Input::Started => self.up = true,
            Input::Stopped => self.up = false,
            _ => {}
        }
    }
}
