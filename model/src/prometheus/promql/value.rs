//! Answers and refusals.

use crate::prometheus::labels::Labels;

/// The answer to an instant query.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A number.
    Scalar(f64),
    /// A text.
    Text(String),
    /// Series with a value each. The order is the release's where it has one (`sort`, `topk`).
    Vector(Vec<(Labels, f64)>),
    /// Series with their samples in a range.
    Matrix(Vec<RangeSeries>),
}

/// A series with samples: Unix milliseconds and value, oldest first.
#[derive(Debug, Clone, PartialEq)]
pub struct RangeSeries {
    /// Its labels.
    pub labels: Labels,
    /// Its samples.
    pub samples: Vec<(i64, f64)>,
}

/// Why a query was refused before its evaluation (HTTP 400, `bad_data`): the release does not take it for
/// PromQL, or has it only behind a feature flag.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the query does not parse: {0}")]
pub struct ParseError(pub String);

/// The name of something that is not simulated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unsupported(pub String);

/// Why a query has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvalError {
    /// Evaluation failed (HTTP 422, `execution`).
    #[error("{0}")]
    Execution(String),
    /// Prometheus is down.
    #[error("connection refused")]
    Down,
}
