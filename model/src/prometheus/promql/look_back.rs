//! How far back a query looks: how long samples must be kept.

use super::Settings;
use super::expr::{Expr, When};
use super::selector::Selector;

/// In milliseconds; `None` if the expression looks at fixed times.
pub(super) fn of(expr: &Expr, selectors: &[Selector], settings: &Settings) -> Option<i64> {
    let all = |exprs: &[&Expr]| {
        let each = exprs.iter().map(|expr| of(expr, selectors, settings));
        each.reduce(|a, b| a.zip(b).map(|(a, b)| a.max(b)))
            .unwrap_or(Some(0))
    };
    match expr {
        Expr::Number(_) | Expr::Text(_) => Some(0),
        Expr::Instant(_, when) => shifted(*when, settings.lookback_delta),
        Expr::Range(selector, when) => shifted(*when, selectors[*selector].range.unwrap_or(0)),
        Expr::Subquery(subquery) => {
            let inner = of(&subquery.expr, selectors, settings)?;
            shifted(subquery.when, subquery.range.saturating_add(inner))
        }
        Expr::Aggregate(aggregate) => match &aggregate.param {
            Some(param) => all(&[param, &aggregate.expr]),
            None => all(&[&aggregate.expr]),
        },
        Expr::Call(_, args) => all(&args.iter().collect::<Vec<_>>()),
        Expr::Binary(binary) => all(&[&binary.left, &binary.right]),
        Expr::Negate(inner) => all(&[inner]),
    }
}

fn shifted(when: When, look_back: i64) -> Option<i64> {
    when.at
        .is_none()
        .then(|| look_back.saturating_add(when.offset).max(0))
}
