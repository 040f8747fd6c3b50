//! From the parser's tree to our own: names resolved, units in milliseconds, and refused what the release
//! refuses or the simulation does not know.

use std::time::{Duration, UNIX_EPOCH};

use promql_parser::label::{MatchOp, Matchers};
use promql_parser::parser::{self as ast, token};

use super::expr::{
    Aggregate, Aggregation, At, Binary, BinaryOp, Expr, Grouping, Matching, Side, Subquery, When,
};
use super::function::{self, Function, LabelJoin, LabelReplace};
use super::lex::Source;
use super::regex;
use super::selector::{Matcher, Op, Selector};
use super::value::{ParseError, Unsupported};
use crate::prometheus::labels::METRIC_NAME;
use crate::prometheus::version::Profile;

/// Turns the parser's tree into ours.
#[derive(Debug)]
pub(super) struct Lowering<'a> {
    pub(super) source: &'a Source,
    pub(super) profile: &'a Profile,
    /// The selectors found so far.
    pub(super) selectors: Vec<Selector>,
    /// What is not simulated and so answered with nothing.
    pub(super) unsupported: Vec<Unsupported>,
}

type Lowered = Result<Expr, ParseError>;

fn syntax<T>(message: impl Into<String>) -> Result<T, ParseError> {
    Err(ParseError(message.into()))
}

impl Lowering<'_> {
    pub(super) fn expr(&mut self, expr: &ast::Expr) -> Lowered {
        match expr {
            ast::Expr::NumberLiteral(number) => Ok(Expr::Number(number.val)),
            ast::Expr::StringLiteral(text) => Ok(Expr::Text(self.source.resolve(&text.val).to_owned())),
            ast::Expr::Paren(paren) => self.expr(&paren.expr),
            ast::Expr::Unary(unary) => Ok(Expr::Negate(Box::new(self.expr(&unary.expr)?))),
            ast::Expr::VectorSelector(selector) => {
                let (index, when) = self.selector(selector, None)?;
                Ok(Expr::Instant(index, when))
            }
            ast::Expr::MatrixSelector(matrix) => {
                let (index, when) = self.selector(&matrix.vs, Some(millis(matrix.range)))?;
                Ok(Expr::Range(index, when))
            }
            ast::Expr::Subquery(subquery) => self.subquery(subquery),
            ast::Expr::Aggregate(aggregate) => self.aggregate(aggregate),
            ast::Expr::Binary(binary) => self.binary(binary),
            ast::Expr::Call(call) => self.call(call),
            ast::Expr::Extension(_) => syntax("unknown expression"),
        }
    }

    fn subquery(&mut self, subquery: &ast::SubqueryExpr) -> Lowered {
        Ok(Expr::Subquery(Box::new(Subquery {
            expr: self.expr(&subquery.expr)?,
            range: millis(subquery.range),
            step: subquery.step.map(millis).filter(|step| *step > 0),
            when: when(subquery.at.as_ref(), subquery.offset.as_ref())?,
        })))
    }

    fn selector(
        &mut self,
        selector: &ast::VectorSelector,
        range: Option<i64>,
    ) -> Result<(usize, When), ParseError> {
        let when = when(selector.at.as_ref(), selector.offset.as_ref())?;
        let name = selector.name.as_deref().map(|name| self.source.resolve(name));
        let matchers = self.matchers(name, &selector.matchers)?;
        self.selectors.push(Selector::new(matchers, range, when.offset));
        Ok((self.selectors.len() - 1, when))
    }

    /// The parser has seen placeholders only, so that what depends on texts is checked here
    /// (prometheus 3.5 promql/parser/parse.go `checkAST`, `newLabelMatcher`).
    fn matchers(&self, name: Option<&str>, matchers: &Matchers) -> Result<Vec<Matcher>, ParseError> {
        if !matchers.or_matchers.is_empty() {
            return syntax("unexpected identifier \"or\" in label matching");
        }
        let mut out = Vec::with_capacity(matchers.matchers.len() + 1);
        let equal = |name: &str, value: &str| Matcher {
            name: name.to_owned(),
            op: Op::Equal,
            value: value.to_owned(),
        };
        let mut named = name.is_some();
        for matcher in &matchers.matchers {
            let label = self.source.resolve(&matcher.name);
            let value = self.source.resolve(&matcher.value);
            // The parser gives a quoted metric name as a matcher.
            let is_name = label == METRIC_NAME;
            if is_name && named && name.is_some_and(|name| name != value) {
                return syntax("metric name must not be set twice");
            }
            named |= is_name;
            let regex = || {
                let refuse = || ParseError(format!("invalid regular expression {value:?}"));
                regex::anchored(value, self.profile.v3).ok_or_else(refuse)
            };
            let op = match matcher.op {
                MatchOp::Equal => Op::Equal,
                MatchOp::NotEqual => Op::NotEqual,
                MatchOp::Re(_) => Op::Matches(regex()?),
                MatchOp::NotRe(_) => Op::MatchesNot(regex()?),
            };
            out.push(Matcher {
                op,
                ..equal(label, value)
            });
        }
        if let Some(name) = name
            && !out.iter().any(|matcher| matcher.name == METRIC_NAME)
        {
            out.push(equal(METRIC_NAME, name));
        }
        if out.iter().all(|matcher| matcher.matches("")) {
            return syntax("vector selector must contain at least one non-empty matcher");
        }
        Ok(out)
    }

    fn names(&self, labels: &promql_parser::label::Labels) -> Vec<String> {
        let resolve = |label: &String| self.source.resolve(label).to_owned();
        let mut names: Vec<String> = labels.labels.iter().map(resolve).collect();
        names.sort();
        names.dedup();
        names
    }

    fn aggregate(&mut self, aggregate: &ast::AggregateExpr) -> Lowered {
        let Some(op) = aggregation(aggregate.op.id()) else {
            return syntax(format!("{} is experimental and not enabled", aggregate.op));
        };
        let grouping = match &aggregate.modifier {
            None => Grouping::By(Vec::new()),
            Some(ast::LabelModifier::Include(labels)) => Grouping::By(self.names(labels)),
            Some(ast::LabelModifier::Exclude(labels)) => Grouping::Without(self.names(labels)),
        };
        let param = match &aggregate.param {
            Some(param) => Some(self.expr(param)?),
            None => None,
        };
        Ok(Expr::Aggregate(Box::new(Aggregate {
            op,
            expr: self.expr(&aggregate.expr)?,
            param,
            grouping,
        })))
    }

    fn binary(&mut self, binary: &ast::BinaryExpr) -> Lowered {
        let Some(op) = binary_op(binary.op.id()) else {
            return syntax(format!("unknown operator {}", binary.op));
        };
        let modifier = binary.modifier.clone().unwrap_or_default();
        if modifier.fill_values.lhs.is_some() || modifier.fill_values.rhs.is_some() {
            return syntax("fill modifiers are experimental and not enabled");
        }
        let (on, labels) = match &modifier.matching {
            Some(ast::LabelModifier::Include(labels)) => (true, self.names(labels)),
            Some(ast::LabelModifier::Exclude(labels)) => (false, self.names(labels)),
            None => (false, Vec::new()),
        };
        let side = match &modifier.card {
            ast::VectorMatchCardinality::ManyToOne(_) => Side::Left,
            ast::VectorMatchCardinality::OneToMany(_) => Side::Right,
            _ => Side::Neither,
        };
        let include = modifier.card.labels().map(|labels| self.names(labels));
        Ok(Expr::Binary(Box::new(Binary {
            op,
            left: self.expr(&binary.lhs)?,
            right: self.expr(&binary.rhs)?,
            returns_bool: modifier.return_bool,
            matching: Matching {
                on,
                labels,
                side,
                include: include.unwrap_or_default(),
            },
        })))
    }

    fn call(&mut self, call: &ast::Call) -> Lowered {
        let name = call.func.name;
        let args = &call.args.args;
        let function = match name {
            "label_replace" => self.label_replace(args),
            "label_join" => self.label_join(args),
            _ => match function::find(name, self.profile) {
                Some(function) => function,
                None => return syntax(format!("unknown function with name {name:?}")),
            },
        };
        let taken = match function {
            // Their other parameters are texts, which the function holds.
            Function::LabelReplace(_) | Function::LabelJoin(_) => 1,
            _ => args.len(),
        };
        let args: Result<Vec<Expr>, ParseError> = args[..taken].iter().map(|arg| self.expr(arg)).collect();
        if let Function::NativeOnly = function {
            self.unsupported
                .push(Unsupported(format!("native histograms ({name})")));
        }
        let args = args?;
        for arg in &args {
            if let Expr::Range(place, _) = arg {
                self.selectors[*place].needs_two = NEED_TWO.contains(&name);
            }
        }
        Ok(Expr::Call(function, args))
    }

    fn text(&self, arg: &ast::Expr) -> String {
        match arg {
            ast::Expr::StringLiteral(text) => self.source.resolve(&text.val).to_owned(),
            ast::Expr::Paren(paren) => self.text(&paren.expr),
            _ => String::new(),
        }
    }

    fn label_replace(&self, args: &[Box<ast::Expr>]) -> Function {
        let text = |i: usize| args.get(i).map(|arg| self.text(arg)).unwrap_or_default();
        let pattern = text(4);
        Function::LabelReplace(Box::new(LabelReplace {
            destination: text(1),
            replacement: text(2),
            source: text(3),
            regex: regex::anchored(&pattern, self.profile.v3),
            pattern,
        }))
    }

    fn label_join(&self, args: &[Box<ast::Expr>]) -> Function {
        let text = |i: usize| args.get(i).map(|arg| self.text(arg)).unwrap_or_default();
        Function::LabelJoin(Box::new(LabelJoin {
            destination: text(1),
            separator: text(2),
            sources: args.iter().skip(3).map(|arg| self.text(arg)).collect(),
        }))
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis())
        .unwrap_or(i64::MAX / 4)
        .min(i64::MAX / 4)
}

fn when(at: Option<&ast::AtModifier>, offset: Option<&ast::Offset>) -> Result<When, ParseError> {
    let at = match at {
        None => None,
        Some(ast::AtModifier::Start) => Some(At::Start),
        Some(ast::AtModifier::End) => Some(At::End),
        Some(ast::AtModifier::At(time)) => Some(At::Time(match time.duration_since(UNIX_EPOCH) {
            Ok(after) => fixed_time(after)?,
            Err(before) => -fixed_time(before.duration())?,
        })),
    };
    let offset = match offset {
        None => 0,
        Some(ast::Offset::Pos(duration)) => millis(*duration),
        Some(ast::Offset::Neg(duration)) => -millis(*duration),
    };
    Ok(When { at, offset })
}

/// Milliseconds of a time fixed by `@`: seconds must fit into 64 bits, and so must what is kept of them.
fn fixed_time(since_epoch: Duration) -> Result<i64, ParseError> {
    i64::try_from(since_epoch.as_millis())
        .map_err(|_| ParseError("timestamp out of bounds for @ modifier".to_owned()))
}

/// Functions of a range that say nothing of a single sample.
const NEED_TWO: [&str; 11] = [
    "rate",
    "irate",
    "increase",
    "delta",
    "idelta",
    "deriv",
    "predict_linear",
    "holt_winters",
    "double_exponential_smoothing",
    "changes",
    "resets",
];

/// Whether an expression is a quantile, or a greatest, least or average one of several.
pub(super) fn is_quantile(expr: &ast::Expr) -> bool {
    match expr {
        ast::Expr::Paren(paren) => is_quantile(&paren.expr),
        ast::Expr::Aggregate(aggregate) => {
            let of_many = [token::T_MAX, token::T_MIN, token::T_AVG].contains(&aggregate.op.id());
            aggregate.op.id() == token::T_QUANTILE || of_many && is_quantile(&aggregate.expr)
        }
        ast::Expr::Binary(binary) => match (&*binary.lhs, &*binary.rhs) {
            (own, ast::Expr::NumberLiteral(_)) | (ast::Expr::NumberLiteral(_), own) => is_quantile(own),
            (own, _) => binary.op.id() == token::T_LOR && is_quantile(own),
        },
        ast::Expr::Call(call) => matches!(call.func.name, "histogram_quantile" | "quantile_over_time"),
        _ => false,
    }
}

/// Whether an expression is a mean or a ratio: an average, a vector divided by another, or a greatest or least one of such.
pub(super) fn is_mean(expr: &ast::Expr) -> bool {
    match expr {
        ast::Expr::Paren(paren) => is_mean(&paren.expr),
        ast::Expr::Aggregate(aggregate) => {
            let of_many = [token::T_MAX, token::T_MIN].contains(&aggregate.op.id());
            aggregate.op.id() == token::T_AVG || of_many && is_mean(&aggregate.expr)
        }
        ast::Expr::Binary(binary) => {
            let (left, right) = (&*binary.lhs, &*binary.rhs);
            match (is_number(left), is_number(right)) {
                (true, true) => false,
                (true, false) => is_mean(right),
                (false, true) => is_mean(left),
                (false, false) if binary.op.id() == token::T_LOR => is_mean(left),
                (false, false) => binary.op.id() == token::T_DIV,
            }
        }
        _ => false,
    }
}

/// Whether an expression is made of numbers alone.
fn is_number(expr: &ast::Expr) -> bool {
    match expr {
        ast::Expr::NumberLiteral(_) => true,
        ast::Expr::Paren(paren) => is_number(&paren.expr),
        ast::Expr::Unary(unary) => is_number(&unary.expr),
        ast::Expr::Binary(binary) => is_number(&binary.lhs) && is_number(&binary.rhs),
        _ => false,
    }
}

/// Whether 0 stands in for an empty answer, as in `sum(x) or vector(0)`.
pub(super) fn is_zero_if_empty(expr: &ast::Expr) -> bool {
    match expr {
        ast::Expr::Paren(paren) => is_zero_if_empty(&paren.expr),
        ast::Expr::Aggregate(aggregate) => {
            let keeps = [token::T_SUM, token::T_MAX, token::T_MIN, token::T_AVG];
            keeps.contains(&aggregate.op.id()) && is_zero_if_empty(&aggregate.expr)
        }
        ast::Expr::Binary(binary) if binary.op.id() == token::T_LOR => {
            is_zero(&binary.rhs) || is_zero_if_empty(&binary.rhs)
        }
        _ => false,
    }
}

fn is_zero(expr: &ast::Expr) -> bool {
    match expr {
        ast::Expr::Paren(paren) => is_zero(&paren.expr),
        ast::Expr::Call(call) if call.func.name == "vector" => {
            let zero = |arg: &ast::Expr| matches!(arg, ast::Expr::NumberLiteral(number) if number.val == 0.0);
            call.args.args.first().is_some_and(|arg| zero(arg))
        }
        _ => false,
    }
}

/// Whether an expression is `rate` or `irate`, or a sum of such; what stands in for an empty answer (`or vector(0)`)
/// changes nothing of that.
pub(super) fn is_rate(expr: &ast::Expr) -> bool {
    match expr {
        ast::Expr::Paren(paren) => is_rate(&paren.expr),
        ast::Expr::Aggregate(aggregate) => aggregate.op.id() == token::T_SUM && is_rate(&aggregate.expr),
        ast::Expr::Binary(binary) => binary.op.id() == token::T_LOR && is_rate(&binary.lhs),
        ast::Expr::Call(call) => matches!(call.func.name, "rate" | "irate"),
        _ => false,
    }
}

fn aggregation(op: token::TokenId) -> Option<Aggregation> {
    Some(match op {
        token::T_SUM => Aggregation::Sum,
        token::T_AVG => Aggregation::Avg,
        token::T_MIN => Aggregation::Min,
        token::T_MAX => Aggregation::Max,
        token::T_COUNT => Aggregation::Count,
        token::T_GROUP => Aggregation::Group,
        token::T_STDDEV => Aggregation::Stddev,
        token::T_STDVAR => Aggregation::Stdvar,
        token::T_QUANTILE => Aggregation::Quantile,
        token::T_TOPK => Aggregation::Topk,
        token::T_BOTTOMK => Aggregation::Bottomk,
        token::T_COUNT_VALUES => Aggregation::CountValues,
        _ => return None,
    })
}

fn binary_op(op: token::TokenId) -> Option<BinaryOp> {
    Some(match op {
        token::T_ADD => BinaryOp::Add,
        token::T_SUB => BinaryOp::Sub,
        token::T_MUL => BinaryOp::Mul,
        token::T_DIV => BinaryOp::Div,
        token::T_MOD => BinaryOp::Mod,
        token::T_POW => BinaryOp::Pow,
        token::T_ATAN2 => BinaryOp::Atan2,
        token::T_EQLC => BinaryOp::Equal,
        token::T_NEQ => BinaryOp::NotEqual,
        token::T_GTR => BinaryOp::Greater,
        token::T_LSS => BinaryOp::Less,
        token::T_GTE => BinaryOp::GreaterEqual,
        token::T_LTE => BinaryOp::LessEqual,
        token::T_LAND => BinaryOp::And,
        token::T_LOR => BinaryOp::Or,
        token::T_LUNLESS => BinaryOp::Unless,
        _ => return None,
    })
}
