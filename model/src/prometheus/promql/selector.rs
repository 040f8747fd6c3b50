//! Selectors: which series a query looks at, and when.

use std::fmt;
use std::sync::Arc;

use regex::Regex;

use crate::prometheus::labels::{Labels, METRIC_NAME};

/// How a label's value is compared.
#[derive(Debug, Clone)]
pub enum Op {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`, anchored at both ends
    Matches(Regex),
    /// `!~`, anchored at both ends
    MatchesNot(Regex),
}

/// One condition of a selector.
#[derive(Debug, Clone)]
pub struct Matcher {
    /// The label. A series without it has the empty value.
    pub name: String,
    /// How it is compared.
    pub op: Op,
    /// With what: a text, or the regular expression as written.
    pub value: String,
}

impl Matcher {
    /// Whether a value meets the condition.
    #[must_use]
    pub fn matches(&self, value: &str) -> bool {
        match &self.op {
            Op::Equal => value == self.value,
            Op::NotEqual => value != self.value,
            Op::Matches(regex) => regex.is_match(value),
            Op::MatchesNot(regex) => !regex.is_match(value),
        }
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let op = match self.op {
            Op::Equal => "=",
            Op::NotEqual => "!=",
            Op::Matches(_) => "=~",
            Op::MatchesNot(_) => "!~",
        };
        write!(f, "{:?}{op}{:?}", self.name, self.value)
    }
}

/// A selector of a query.
#[derive(Debug, Clone)]
pub struct Selector {
    /// All conditions, the metric name's among them.
    pub matchers: Vec<Matcher>,
    /// The range `[5m]` in milliseconds, for a range selector.
    pub range: Option<i64>,
    /// `offset` in milliseconds.
    pub offset: i64,
    /// Whether what is made of the range needs two samples of a series, as a rate does.
    pub needs_two: bool,
    /// The matchers as text: the same for selectors that match the same series.
    key: Arc<str>,
}

impl Selector {
    pub(super) fn new(matchers: Vec<Matcher>, range: Option<i64>, offset: i64) -> Self {
        let texts: Vec<String> = matchers.iter().map(ToString::to_string).collect();
        Selector {
            matchers,
            range,
            offset,
            needs_two: false,
            key: texts.join(",").into(),
        }
    }

    /// The metric name, if the selector fixes one.
    #[must_use]
    pub fn metric(&self) -> Option<&str> {
        let fixed = |m: &&Matcher| m.name == METRIC_NAME && matches!(m.op, Op::Equal) && !m.value.is_empty();
        self.matchers.iter().find(fixed).map(|m| m.value.as_str())
    }

    /// Whether a series is selected.
    #[must_use]
    pub fn matches(&self, labels: &Labels) -> bool {
        self.matchers.iter().all(|m| m.matches(labels.get(&m.name)))
    }

    pub(crate) fn key(&self) -> &Arc<str> {
        &self.key
    }
}
