//! `label_replace`, `label_join`, and the labels of `absent`.

use sim::SortedSet;

use super::aggregate::is_label_name;
use super::eval::{Vector, same_label_set};
use super::function::{LabelJoin, LabelReplace};
use super::selector::{Op, Selector};
use super::value::EvalError;
use crate::prometheus::labels::{Labels, METRIC_NAME};
use crate::prometheus::version::Profile;

fn refuse(message: String) -> EvalError {
    EvalError::Execution(message)
}

/// prometheus 3.5 promql/functions.go `evalLabelReplace`
pub(super) fn label_replace(
    parameters: &LabelReplace,
    vector: Vector,
    profile: &Profile,
) -> Result<Vector, EvalError> {
    let LabelReplace {
        destination,
        replacement,
        source,
        pattern,
        regex,
    } = parameters;
    let Some(regex) = regex else {
        return Err(refuse(format!(
            "invalid regular expression in label_replace(): {pattern}"
        )));
    };
    if !is_label_name(destination, profile) {
        return Err(refuse(format!(
            "invalid destination label name in label_replace(): {destination}"
        )));
    }
    let replace = |(labels, value): (Labels, f64)| {
        let Some(captures) = regex.captures(labels.get(source)) else {
            return (labels, value);
        };
        let mut text = String::new();
        captures.expand(replacement, &mut text);
        (labels.with(destination, &text), value)
    };
    same_label_set(vector.into_iter().map(replace).collect())
}

/// prometheus 3.5 promql/functions.go `evalLabelJoin`
pub(super) fn label_join(
    parameters: &LabelJoin,
    vector: Vector,
    profile: &Profile,
) -> Result<Vector, EvalError> {
    let LabelJoin {
        destination,
        separator,
        sources,
    } = parameters;
    if let Some(source) = sources.iter().find(|source| !is_label_name(source, profile)) {
        return Err(refuse(format!(
            "invalid source label name in label_join(): {source}"
        )));
    }
    if !is_label_name(destination, profile) {
        return Err(refuse(format!(
            "invalid destination label name in label_join(): {destination}"
        )));
    }
    let join = |(labels, value): (Labels, f64)| {
        let values: Vec<&str> = sources.iter().map(|source| labels.get(source)).collect();
        (labels.with(destination, &values.join(separator)), value)
    };
    let joined = vector.into_iter().map(join).collect();
    if profile.label_join_unchecked {
        Ok(joined)
    } else {
        same_label_set(joined)
    }
}

/// The labels that a selector fixes, each by one matcher only
/// (prometheus 3.5 promql/functions.go `createLabelsForAbsentFunction`).
pub(super) fn absent_labels(selector: Option<&Selector>) -> Labels {
    let mut seen: SortedSet<&str> = SortedSet::new();
    let mut fixed: Vec<(&str, &str)> = Vec::new();
    for matcher in selector.into_iter().flat_map(|selector| &selector.matchers) {
        if matcher.name == METRIC_NAME {
            continue;
        }
        if matches!(matcher.op, Op::Equal) && seen.insert(&matcher.name) {
            fixed.push((&matcher.name, &matcher.value));
        } else {
            fixed.push((&matcher.name, ""));
        }
    }
    Labels::new(fixed)
}
