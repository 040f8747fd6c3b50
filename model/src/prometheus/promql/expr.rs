//! Queries as they are evaluated: the parser's tree with names resolved and units in milliseconds.

use super::function::Function;

/// An expression.
#[derive(Debug, Clone)]
pub(super) enum Expr {
    /// A number.
    Number(f64),
    /// A text, which only parameters can be.
    Text(String),
    /// An instant selector, by its place among the query's selectors.
    Instant(usize, When),
    /// A range selector, by its place among the query's selectors.
    Range(usize, When),
    /// An instant query over and over.
    Subquery(Box<Subquery>),
    /// An aggregation.
    Aggregate(Box<Aggregate>),
    /// A function call.
    Call(Function, Vec<Expr>),
    /// A binary operation.
    Binary(Box<Binary>),
    /// Unary minus.
    Negate(Box<Expr>),
}

impl Expr {
    /// Whether some aggregation, outside of subqueries, has a number as its parameter.
    pub(super) fn has_parameter(&self) -> bool {
        match self {
            Expr::Aggregate(aggregate) => {
                let number = aggregate
                    .param
                    .as_ref()
                    .is_some_and(|param| !matches!(param, Expr::Text(_)));
                number || aggregate.expr.has_parameter()
            }
            Expr::Call(_, args) => args.iter().any(Expr::has_parameter),
            Expr::Binary(binary) => binary.left.has_parameter() || binary.right.has_parameter(),
            Expr::Negate(inner) => inner.has_parameter(),
            _ => false,
        }
    }
}

/// When a selector or subquery looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct When {
    /// `@`
    pub(super) at: Option<At>,
    /// `offset` in milliseconds.
    pub(super) offset: i64,
}

/// A time fixed by `@`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum At {
    /// Unix milliseconds.
    Time(i64),
    /// `start()`
    Start,
    /// `end()`
    End,
}

#[derive(Debug, Clone)]
pub(super) struct Subquery {
    pub(super) expr: Expr,
    /// Milliseconds.
    pub(super) range: i64,
    /// Milliseconds; `None` takes the evaluation interval.
    pub(super) step: Option<i64>,
    pub(super) when: When,
}

#[derive(Debug, Clone)]
pub(super) struct Aggregate {
    pub(super) op: Aggregation,
    pub(super) expr: Expr,
    pub(super) param: Option<Expr>,
    pub(super) grouping: Grouping,
}

/// How elements are grouped. Names are sorted, each once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Grouping {
    /// `by`, or nothing: only these labels tell groups apart.
    By(Vec<String>),
    /// `without`: all labels but these and the metric name.
    Without(Vec<String>),
}

impl Grouping {
    /// Whether there is one group only.
    pub(super) fn is_one(&self) -> bool {
        matches!(self, Grouping::By(labels) if labels.is_empty())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aggregation {
    Sum,
    Avg,
    Min,
    Max,
    Count,
    Group,
    Stddev,
    Stdvar,
    Quantile,
    Topk,
    Bottomk,
    CountValues,
}

#[derive(Debug, Clone)]
pub(super) struct Binary {
    pub(super) op: BinaryOp,
    pub(super) left: Expr,
    pub(super) right: Expr,
    /// `bool`
    pub(super) returns_bool: bool,
    pub(super) matching: Matching,
}

/// How elements of two vectors are paired. Names are sorted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Matching {
    /// `on`; otherwise `ignoring`.
    pub(super) on: bool,
    /// The labels of `on` or `ignoring`.
    pub(super) labels: Vec<String>,
    pub(super) side: Side,
    /// The labels of `group_left` or `group_right`.
    pub(super) include: Vec<String>,
}

/// Which side may have several elements for one of the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Neither,
    /// `group_left`
    Left,
    /// `group_right`
    Right,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BinaryOp {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Pow,
    Atan2,
    Equal,
    NotEqual,
    Greater,
    Less,
    GreaterEqual,
    LessEqual,
    And,
    Or,
    Unless,
}

impl BinaryOp {
    pub(super) fn is_comparison(self) -> bool {
        use BinaryOp::{Equal, Greater, GreaterEqual, Less, LessEqual, NotEqual};
        matches!(self, Equal | NotEqual | Greater | Less | GreaterEqual | LessEqual)
    }
}
