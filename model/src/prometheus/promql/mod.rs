//! PromQL: queries as Prometheus answers them.
//!
//! [`Query::parse`] reads a text as one release reads it and [`Query::instant`] evaluates it at a time. The
//! arithmetic follows the release operation by operation, so that answers agree to the last bit; only
//! logarithms, exponentials and trigonometry come from another library than Go's and may differ in the last
//! digits, as they do between Go's own platforms.
//!
//! The parser is a crate's. What it does not know, older releases' narrower language and RE2's regular
//! expressions, is added around it (`lex`, `regex`); what a release has only behind feature flags is refused.
//!
//! An expression is evaluated at one time; a subquery evaluates its expression at each of its steps. Left out
//! are native histograms: functions that look at nothing else answer with nothing ([`check`] names them).

mod aggregate;
mod binary;
mod date;
mod eval;
mod expr;
mod function;
mod histogram;
mod lex;
mod lower;
mod number;
mod range;
mod regex;
mod relabel;
mod selector;
mod spread;
mod value;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use sim::SortedMap;

pub use selector::{Matcher, Op, Selector};
pub use spread::Spread;
pub use value::{EvalError, ParseError, RangeSeries, Unsupported, Value};

use self::eval::Evaluation;
use self::expr::Expr;
use self::lower::Lowering;
use super::storage::Storage;
use super::version::Profile;

/// What the server's configuration says about queries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// --query.lookback-delta in milliseconds.
    pub lookback_delta: i64,
    /// global.evaluation_interval in milliseconds: the step of a subquery that names none.
    pub evaluation_interval: i64,
}

impl Default for Settings {
    /// 5 m and 1 m.
    fn default() -> Self {
        Settings {
            lookback_delta: 300_000,
            evaluation_interval: 60_000,
        }
    }
}

/// A parsed query.
///
/// ```
/// use model::prometheus::{LATEST, Labels, Profile, Query, Storage, Value};
///
/// let profile = Profile::of(LATEST);
/// let mut storage = Storage::new(profile);
/// let series = storage.series(&Labels::of_metric("requests_total", [("pod", "web-1")]));
/// for minute in 0..5 {
///     storage.append(series, minute * 60_000, 600.0 * minute as f64);
/// }
/// let query = Query::parse("sum(rate(requests_total[2m]))", &profile).unwrap();
/// let answer = query.instant(&storage, 250_000).unwrap();
/// assert_eq!(answer, Value::Vector(vec![(Labels::empty(), 10.0)]));
/// ```
#[derive(Debug, Clone)]
pub struct Query {
    text: String,
    profile: Profile,
    expr: Expr,
    selectors: Vec<Selector>,
    unsupported: Vec<Unsupported>,
    is_rate: bool,
    is_quantile: bool,
    is_mean: bool,
    is_zero_if_empty: bool,
}

impl Query {
    /// Reads a query as the release would.
    ///
    /// # Errors
    ///
    /// What the release refuses before it evaluates.
    pub fn parse(text: &str, profile: &Profile) -> Result<Query, ParseError> {
        let source = lex::read(text, profile)?;
        let tree = promql_parser::parser::parse(&source.text).map_err(ParseError)?;
        let mut lowering = Lowering {
            source: &source,
            profile,
            selectors: Vec::new(),
            unsupported: source.unsupported.clone(),
        };
        Ok(Query {
            expr: lowering.expr(&tree)?,
            text: text.to_owned(),
            profile: *profile,
            selectors: lowering.selectors,
            unsupported: lowering.unsupported,
            is_rate: lower::is_rate(&tree),
            is_quantile: lower::is_quantile(&tree),
            is_mean: lower::is_mean(&tree),
            is_zero_if_empty: lower::is_zero_if_empty(&tree),
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

    /// The metrics that its selectors name.
    pub fn metrics(&self) -> impl Iterator<Item = &str> {
        self.selectors.iter().filter_map(Selector::metric)
    }

    /// What of it the simulated Prometheus cannot answer as the real one might, each thing by name.
    #[must_use]
    pub fn unsupported(&self) -> &[Unsupported] {
        &self.unsupported
    }

    /// By which labels the elements of the answer may differ, however many series there are.
    #[must_use]
    pub fn spread(&self) -> Spread<'_> {
        spread::spread(&self.expr, &self.selectors)
    }

    /// Whether the answer is so many a second: a rate or a sum of rates, and nothing is calculated from it.
    #[must_use]
    pub fn is_rate(&self) -> bool {
        self.is_rate
    }

    /// Whether the answer is a quantile, which does not grow with what there is of pods or requests.
    #[must_use]
    pub fn is_quantile(&self) -> bool {
        self.is_quantile
    }

    /// Whether the answer is a mean or a ratio, which does not grow with what there is of pods or requests either.
    #[must_use]
    pub fn is_mean(&self) -> bool {
        self.is_mean
    }

    /// Whether 0 stands in for an empty answer: `or vector(0)`.
    #[must_use]
    pub fn is_zero_if_empty(&self) -> bool {
        self.is_zero_if_empty
    }

    /// Whether the answer is a scalar or a text, which KEDA cannot read.
    #[must_use]
    pub fn is_scalar(&self) -> bool {
        eval::is_scalar(&self.expr)
    }

    /// The answer at a time in Unix milliseconds, under the default [`Settings`].
    ///
    /// # Errors
    ///
    /// What fails in evaluation: many-to-many matching, invalid parameters.
    pub fn instant(&self, storage: &Storage, at: i64) -> Result<Value, EvalError> {
        self.evaluate(storage, at, &Settings::default())
    }

    /// The answer at a time in Unix milliseconds.
    ///
    /// # Errors
    ///
    /// What fails in evaluation: many-to-many matching, invalid parameters.
    pub fn evaluate(&self, storage: &Storage, at: i64, settings: &Settings) -> Result<Value, EvalError> {
        self.evaluation(storage, settings, at, at).value(&self.expr, at)
    }

    /// The answers at times in Unix milliseconds that rise: each as [`Query::instant`] gives it, or nothing where it fails.
    #[must_use]
    pub fn instants(&self, storage: &Storage, times: &[i64]) -> Vec<Option<Value>> {
        let settings = Settings::default();
        let reduced = self
            .evaluation(storage, &settings, 0, 0)
            .reduced(&self.expr, times);
        match reduced {
            Some(answers) => answers.into_iter().map(Value::Vector).map(Some).collect(),
            None => times.iter().map(|&at| self.instant(storage, at).ok()).collect(),
        }
    }

    /// The answers from `start` to `end`, both in Unix milliseconds, every `step`.
    ///
    /// # Errors
    ///
    /// What fails in evaluation: many-to-many matching, invalid parameters.
    ///
    /// # Panics
    ///
    /// When the step is shorter than a millisecond.
    pub fn range(
        &self,
        storage: &Storage,
        start: i64,
        end: i64,
        step: Duration,
        settings: &Settings,
    ) -> Result<Vec<RangeSeries>, EvalError> {
        let step = i64::try_from(step.as_millis()).unwrap_or(i64::MAX);
        assert!(step > 0, "a range query has a step");
        let evaluation = self.evaluation(storage, settings, start, end);
        evaluation.steps(&self.expr, start, end, step)
    }

    fn evaluation<'a>(
        &'a self,
        storage: &'a Storage,
        settings: &'a Settings,
        start: i64,
        end: i64,
    ) -> Evaluation<'a> {
        Evaluation {
            storage,
            profile: &self.profile,
            settings,
            selectors: &self.selectors,
            start,
            end,
        }
    }
}

/// Queries that were parsed, which takes longer than to answer them. A clone shares them: what one configuration
/// of a scenario asks, the others mostly ask too.
#[derive(Debug, Clone, Default)]
pub struct Parsed {
    of: Arc<Mutex<Vec<(Profile, ByText)>>>,
}

type ByText = SortedMap<String, Result<Arc<Query>, ParseError>>;

impl Parsed {
    /// See [`Query::parse`].
    ///
    /// # Errors
    ///
    /// What the release refuses before it evaluates.
    pub fn parse(&self, text: &str, profile: &Profile) -> Result<Arc<Query>, ParseError> {
        let mut of = self.of.lock().expect("parsing does not panic");
        let at = of.iter().position(|(own, _)| own == profile).unwrap_or_else(|| {
            of.push((*profile, ByText::new()));
            of.len() - 1
        });
        let known = &mut of[at].1;
        if let Some(known) = known.get(text) {
            return known.clone();
        }
        let parsed = Query::parse(text, profile).map(Arc::new);
        known.insert(text.to_owned(), parsed.clone());
        parsed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prometheus::{LATEST, Labels};

    #[test]
    fn answers_at_many_times_are_those_at_each() {
        let profile = Profile::of(LATEST);
        let mut storage = Storage::new(profile);
        // One pod is there all the time, one comes later and ends, one falls silent, one comes back.
        for (pod, node, samples) in [
            ("a", "x", vec![0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
            ("b", "y", vec![3, 4, 5]),
            ("c", "x", vec![1, 2]),
            ("d", "y", vec![0, 1, 9, 10]),
        ] {
            let labels = Labels::of_metric("kube_pod_info", [("pod", pod), ("node", node)]);
            let series = storage.series(&labels);
            for minute in samples {
                storage.append(series, minute * 60_000 + 7_000, minute as f64);
            }
            if pod == "b" {
                storage.mark_stale(series, 6 * 60_000 + 7_000);
            }
        }
        let times: Vec<i64> = (-2..80).map(|step| step * 15_000 + 7_000).collect();
        for text in [
            "count(kube_pod_info)",
            "sum(kube_pod_info) by (node)",
            "max(kube_pod_info offset 90s)",
            "count(kube_pod_info @ 300)",
            "count(rate(kube_pod_info[3m]))",
            "topk(1, kube_pod_info)",
            "absent(kube_pod_info)",
        ] {
            let query = Query::parse(text, &profile).unwrap();
            let each: Vec<Option<Value>> = times.iter().map(|&at| query.instant(&storage, at).ok()).collect();
            assert_eq!(query.instants(&storage, &times), each, "{text}");
        }
    }
}
