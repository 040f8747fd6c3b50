//! Labels and selectors.

use sim::SortedMap;

/// Labels or annotations of an object.
pub type Labels = SortedMap<String, String>;

/// The operator of a selector expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// The value is one of the values.
    In,
    /// The key is absent or its value none of the values.
    NotIn,
    /// The key is present.
    Exists,
    /// The key is absent.
    DoesNotExist,
    /// The value is an integer greater than the one given (node selectors only).
    Gt,
    /// The value is an integer less than the one given (node selectors only).
    Lt,
}

/// One requirement of a selector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expression {
    /// The label key.
    pub key: String,
    /// How the value is compared.
    pub operator: Operator,
    /// What it is compared with.
    pub values: Vec<String>,
}

impl Expression {
    /// Whether labels meet the requirement.
    #[must_use]
    pub fn matches(&self, labels: &Labels) -> bool {
        let value = labels.get(&self.key);
        let listed = |value: &String| self.values.contains(value);
        let compare = |test: fn(&i64, &i64) -> bool| {
            let bound = self.values.first().and_then(|bound| bound.parse().ok());
            let own = value.and_then(|value| value.parse().ok());
            own.zip(bound).is_some_and(|(own, bound)| test(&own, &bound))
        };
        match self.operator {
            Operator::In => value.is_some_and(listed),
            Operator::NotIn => !value.is_some_and(listed),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
            Operator::Gt => compare(i64::gt),
            Operator::Lt => compare(i64::lt),
        }
    }
}

/// A label selector: `matchLabels` and `matchExpressions` together, all of which must hold.
///
/// The empty selector matches everything; "no selector", where the API tells the two apart, is an
/// `Option` around this.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LabelSelector {
    /// All requirements.
    pub expressions: Vec<Expression>,
}

impl LabelSelector {
    /// The selector that asks for exactly these labels.
    #[must_use]
    pub fn from_labels(labels: &Labels) -> Self {
        let expressions = labels.iter().map(|(key, value)| Expression {
            key: key.clone(),
            operator: Operator::In,
            values: vec![value.clone()],
        });
        LabelSelector {
            expressions: expressions.collect(),
        }
    }

    /// Whether labels meet every requirement.
    #[must_use]
    pub fn matches(&self, labels: &Labels) -> bool {
        self.expressions
            .iter()
            .all(|expression| expression.matches(labels))
    }

    /// Whether there is no requirement at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.expressions.is_empty()
    }
}
