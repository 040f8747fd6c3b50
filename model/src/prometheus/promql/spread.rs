//! By which labels the elements of an answer may differ, however many series there are.

use sim::SortedSet;

use super::expr::{Aggregation, BinaryOp, Expr, Grouping};
use super::function::Function;
use super::selector::{Op, Selector};

/// A set of labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spread<'a> {
    /// These; without any there is one element at most.
    Only(SortedSet<&'a str>),
    /// All but these.
    AllBut(SortedSet<&'a str>),
}

impl<'a> Spread<'a> {
    const NONE: Spread<'a> = Spread::Only(SortedSet::new());

    /// Whether there is one element at most.
    #[must_use]
    pub fn is_single(&self) -> bool {
        *self == Spread::NONE
    }

    /// Whether elements may differ by this label.
    #[must_use]
    pub fn has(&self, label: &str) -> bool {
        match self {
            Spread::Only(labels) => labels.contains(label),
            Spread::AllBut(labels) => !labels.contains(label),
        }
    }

    fn only(self, kept: &'a [String]) -> Self {
        Spread::Only(
            kept.iter()
                .map(String::as_str)
                .filter(|own| self.has(own))
                .collect(),
        )
    }

    fn without(self, gone: impl IntoIterator<Item = &'a str>) -> Self {
        match self {
            Spread::Only(mut labels) => {
                for label in gone {
                    labels.remove(label);
                }
                Spread::Only(labels)
            }
            Spread::AllBut(mut labels) => {
                labels.extend(gone);
                Spread::AllBut(labels)
            }
        }
    }

    fn or(self, other: Self) -> Self {
        match (self, other) {
            (Spread::Only(a), Spread::Only(b)) => Spread::Only(&a | &b),
            (Spread::Only(a), Spread::AllBut(b)) | (Spread::AllBut(b), Spread::Only(a)) => {
                Spread::AllBut(&b - &a)
            }
            (Spread::AllBut(a), Spread::AllBut(b)) => Spread::AllBut(&a & &b),
        }
    }
}

/// By which labels an expression's elements may differ. What a selector names with `=` is the same for all.
pub(super) fn spread<'a>(expr: &'a Expr, selectors: &'a [Selector]) -> Spread<'a> {
    let of = |expr| spread(expr, selectors);
    match expr {
        Expr::Number(_) | Expr::Text(_) => Spread::NONE,
        Expr::Instant(place, _) | Expr::Range(place, _) => {
            let matchers = selectors[*place].matchers.iter();
            let fixed = matchers.filter(|matcher| matches!(matcher.op, Op::Equal));
            Spread::AllBut(fixed.map(|matcher| matcher.name.as_str()).collect())
        }
        Expr::Subquery(subquery) => of(&subquery.expr),
        Expr::Aggregate(aggregate) => match (aggregate.op, &aggregate.grouping) {
            (Aggregation::Topk | Aggregation::Bottomk, _) if !is_one(aggregate.param.as_ref()) => {
                of(&aggregate.expr)
            }
            (Aggregation::CountValues, _) => Spread::AllBut(SortedSet::new()),
            (_, Grouping::By(labels)) => of(&aggregate.expr).only(labels),
            (_, Grouping::Without(labels)) => of(&aggregate.expr).without(labels.iter().map(String::as_str)),
        },
        Expr::Negate(inner) => of(inner),
        Expr::Call(function, args) => match function {
            Function::Absent
            | Function::AbsentOverTime
            | Function::Vector
            | Function::NativeOnly
            | Function::Scalar => Spread::NONE,
            Function::HistogramQuantile | Function::HistogramFraction => {
                all(args.iter().map(of)).without(["le"])
            }
            _ => all(args.iter().map(of)),
        },
        Expr::Binary(binary) => match binary.op {
            BinaryOp::And | BinaryOp::Unless => of(&binary.left),
            // Of two vectors the "one" side sets no limit to a "many" side.
            _ => of(&binary.left).or(of(&binary.right)),
        },
    }
}

/// Whether an aggregation that keeps so many elements keeps one of each group.
fn is_one(param: Option<&Expr>) -> bool {
    matches!(param, Some(Expr::Number(number)) if *number < 2.0)
}

fn all<'a>(spreads: impl Iterator<Item = Spread<'a>>) -> Spread<'a> {
    spreads.fold(Spread::NONE, Spread::or)
}

#[cfg(test)]
mod tests {
    use super::Spread;
    use crate::prometheus::{LATEST, Profile, Query};

    #[test]
    fn some_queries_have_one_answer_however_many_series_there_are() {
        for (text, single) in [
            ("sum(x)", true),
            ("sum by (pod) (x)", false),
            ("sum by (code) (x{code=\"200\"})", true),
            ("sum by (code) (x{code=~\"2..\"})", false),
            ("sum without (pod) (x)", false),
            ("topk(2, x)", false),
            ("topk(1, x)", true),
            ("bottomk(1, sum by (service) (x))", true),
            ("topk by (pod) (1, x)", false),
            ("topk without (pod) (1, x)", false),
            ("x", false),
            ("sum(x) / 2", true),
            ("2 * x", false),
            ("sum(x) / count(y)", true),
            ("sum(x) * on() group_right() y", false),
            ("y * on() group_left() sum(x)", false),
            ("sum(x) and y", true),
            ("sum(x) or y", false),
            ("rate(sum(x)[2m:])", true),
            ("max_over_time(sum(rate(x[5m]))[5m:1m])", true),
            ("max_over_time(rate(x[5m])[5m:1m])", false),
            ("quantile_over_time(0.9, x[5m])", false),
            ("histogram_quantile(0.95, sum by (le) (rate(x_bucket[1m])))", true),
            (
                "histogram_quantile(0.95, sum by (le, pod) (rate(x_bucket[1m])))",
                false,
            ),
            ("histogram_quantile(0.95, rate(x_bucket[1m]))", false),
            ("histogram_fraction(0, 0.2, sum(rate(x[1m])))", true),
            ("histogram_quantile(0.95, topk by (le) (2, x_bucket))", false),
            ("avg(histogram_quantile(0.95, rate(x_bucket[1m])))", true),
            ("count_values(\"v\", x)", false),
            ("scalar(x)", true),
        ] {
            let query = Query::parse(text, &Profile::of(LATEST)).unwrap();
            assert_eq!(query.spread().is_single(), single, "{text}");
        }
    }

    #[test]
    fn elements_differ_by_what_is_left_of_their_labels() {
        let spread = |text: &str, labels: [&str; 3]| {
            let query = Query::parse(text, &Profile::of(LATEST)).unwrap();
            labels.map(|label| query.spread().has(label))
        };
        let labels = ["pod", "code", "service"];
        assert_eq!(spread("sum by (service, code) (x)", labels), [false, true, true]);
        assert_eq!(
            spread("sum without (pod) (x{code=\"200\"})", labels),
            [false, false, true]
        );
        assert_eq!(
            spread(
                "sum by (pod) (x) + on (pod) group_left () y{code=\"200\"}",
                labels
            ),
            [true, false, true]
        );
        let query = Query::parse("sum by (service, code) (x)", &Profile::of(LATEST)).unwrap();
        assert_eq!(query.spread(), Spread::Only(["code", "service"].into()));
    }
}
