//! Labels, selectors and selector expressions.

use crate::api::{Expression, LabelSelector, Labels, Operator};
use crate::document::Cursor;
use crate::document::fields::{Field, simulated};

/// The fields of a LabelSelector.
pub(super) const SELECTOR: &[Field] = &[
    simulated("matchLabels"),
    simulated("matchExpressions[].key"),
    simulated("matchExpressions[].operator"),
    simulated("matchExpressions[].values"),
];

/// A mapping of texts, as annotations are.
pub(super) fn annotations(at: &Cursor<'_>) -> Labels {
    let pair = |(key, value): (&str, Cursor<'_>)| Some((key.to_owned(), value.text()?.to_owned()));
    at.entries().into_iter().filter_map(pair).collect()
}

/// Labels, and what selects by them: short words for keys and values
/// (kubernetes 1.35 staging/src/k8s.io/apimachinery/pkg/api/validate/content/kube.go `IsLabelKey`, `IsLabelValue`).
pub(super) fn labels(at: &Cursor<'_>) -> Labels {
    let labels = annotations(at);
    for (key, own) in at.entries() {
        if !is_label_key(key) {
            own.error("E004", format!("{key:?} is no label's key"), LABEL_WORD);
        } else if let Some(value) = labels.get(key).filter(|value| !is_label_word(value)) {
            own.error("E004", format!("{value:?} is no label's value"), LABEL_WORD);
        }
    }
    labels
}

pub(super) const LABEL_WORD: &str = "at most 63 letters, digits, '-', '_' and '.', with a letter or digit at both ends; annotations may hold anything";

/// Whether a text may be a label's key: a word, after a prefix or not.
pub(super) fn is_label_key(text: &str) -> bool {
    let word = text.rsplit('/').next().unwrap_or(text);
    !word.is_empty() && is_label_word(word)
}

pub(super) fn is_label_word(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    text.len() <= 63
        && text.chars().all(inner)
        && !text.starts_with(['-', '_', '.'])
        && !text.ends_with(['-', '_', '.'])
}

/// A list of texts.
pub(super) fn texts(at: &Cursor<'_>) -> Vec<String> {
    at.items()
        .iter()
        .filter_map(|item| item.text().map(str::to_owned))
        .collect()
}

const LABEL_OPERATORS: &[(&str, Operator)] = &[
    ("In", Operator::In),
    ("NotIn", Operator::NotIn),
    ("Exists", Operator::Exists),
    ("DoesNotExist", Operator::DoesNotExist),
];
const NODE_OPERATORS: &[(&str, Operator)] = &[
    ("In", Operator::In),
    ("NotIn", Operator::NotIn),
    ("Exists", Operator::Exists),
    ("DoesNotExist", Operator::DoesNotExist),
    ("Gt", Operator::Gt),
    ("Lt", Operator::Lt),
];

/// A LabelSelector; `None` if it is absent.
pub(super) fn selector(at: &Cursor<'_>) -> Option<LabelSelector> {
    at.value()?;
    let mut selector = LabelSelector::from_labels(&labels(&at.get("matchLabels")));
    selector
        .expressions
        .extend(expressions(&at.get("matchExpressions"), LABEL_OPERATORS));
    Some(selector)
}

/// Node selector requirements.
pub(super) fn node_expressions(at: &Cursor<'_>) -> Vec<Expression> {
    expressions(at, NODE_OPERATORS)
}

fn expressions(at: &Cursor<'_>, operators: &[(&str, Operator)]) -> Vec<Expression> {
    at.items()
        .iter()
        .filter_map(|item| expression(item, operators))
        .collect()
}

fn expression(at: &Cursor<'_>, operators: &[(&str, Operator)]) -> Option<Expression> {
    let key = at.get("key").required().name();
    let operator = at.get("operator").required().one_of(operators);
    let values = texts(&at.get("values"));
    let operator = operator?;
    check_values(&at.get("values"), operator, &values);
    Some(Expression {
        key: key?.to_owned(),
        operator,
        values,
    })
}

/// How many values an operator takes, and that bounds are integers.
pub(super) fn check_values(at: &Cursor<'_>, operator: Operator, values: &[String]) {
    match operator {
        Operator::In | Operator::NotIn if values.is_empty() => {
            at.error("E005", "this operator needs at least one value", "");
        }
        Operator::Exists | Operator::DoesNotExist if !values.is_empty() => {
            at.error("E004", "this operator takes no values", "");
        }
        Operator::Gt | Operator::Lt => match values {
            [bound] if bound.parse::<i64>().is_ok() => {}
            _ => at.error(
                "E004",
                "this operator takes exactly one value, a whole number in quotes",
                "",
            ),
        },
        _ => {}
    }
}
