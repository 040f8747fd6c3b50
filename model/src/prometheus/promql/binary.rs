//! Binary operations: between scalars, between a vector and a scalar, between vectors.

use sim::{SortedMap, SortedSet};

use super::eval::{Vector, map_values, same_label_set};
use super::expr::{Binary, BinaryOp, Matching, Side};
use super::value::EvalError;
use crate::prometheus::labels::{Labels, METRIC_NAME};
use crate::prometheus::version::Profile;

/// The value of an operation, and whether a comparison keeps its left side
/// (prometheus 3.5 promql/engine.go `vectorElemBinop`).
fn combine(op: BinaryOp, left: f64, right: f64) -> (f64, bool) {
    match op {
        BinaryOp::Add => (left + right, true),
        BinaryOp::Sub => (left - right, true),
        BinaryOp::Mul => (left * right, true),
        BinaryOp::Div => (left / right, true),
        BinaryOp::Mod => (left % right, true),
        BinaryOp::Pow => (libm::pow(left, right), true),
        BinaryOp::Atan2 => (libm::atan2(left, right), true),
        BinaryOp::Equal => (left, left == right),
        BinaryOp::NotEqual => (left, left != right),
        BinaryOp::Greater => (left, left > right),
        BinaryOp::Less => (left, left < right),
        BinaryOp::GreaterEqual => (left, left >= right),
        BinaryOp::LessEqual => (left, left <= right),
        BinaryOp::And | BinaryOp::Or | BinaryOp::Unless => (left, true),
    }
}

/// An operation between scalars: a comparison gives 0 or 1.
pub(super) fn scalars(op: BinaryOp, left: f64, right: f64) -> f64 {
    let (value, keeps) = combine(op, left, right);
    if op.is_comparison() {
        f64::from(u8::from(keeps))
    } else {
        value
    }
}

fn drops_name(op: BinaryOp, profile: &Profile) -> bool {
    match op {
        BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mul | BinaryOp::Div | BinaryOp::Mod | BinaryOp::Pow => true,
        BinaryOp::Atan2 => profile.atan2_drops_name,
        _ => false,
    }
}

/// An operation between a vector and a scalar; `swapped` if the scalar is the left side
/// (prometheus 3.5 promql/engine.go `VectorscalarBinop`).
pub(super) fn with_scalar(
    binary: &Binary,
    vector: Vector,
    scalar: f64,
    swapped: bool,
    profile: &Profile,
) -> Result<Vector, EvalError> {
    let op = binary.op;
    let drops_name = drops_name(op, profile) || binary.returns_bool;
    let mut out = Vector::with_capacity(vector.len());
    for (labels, element) in vector {
        let (left, right) = if swapped {
            (scalar, element)
        } else {
            (element, scalar)
        };
        let (mut value, keeps) = combine(op, left, right);
        if op.is_comparison() {
            value = element;
        }
        if binary.returns_bool {
            value = f64::from(u8::from(keeps));
        } else if !keeps {
            continue;
        }
        out.push((labels, value));
    }
    if drops_name {
        map_values(out, |value| value)
    } else {
        Ok(out)
    }
}

pub(super) fn without_name(labels: &Labels) -> Labels {
    if labels.metric().is_empty() {
        labels.clone()
    } else {
        labels.filter(|name| name != METRIC_NAME)
    }
}

impl Matching {
    /// The labels that decide which elements belong together
    /// (prometheus 3.5 promql/engine.go `signatureFunc`).
    fn signature(&self, labels: &Labels) -> Labels {
        let listed = |name: &str| self.labels.iter().any(|own| own == name);
        if self.on {
            labels.filter(listed)
        } else {
            labels.filter(|name| name != METRIC_NAME && !listed(name))
        }
    }
}

/// `and`, `or`, `unless` (prometheus 3.5 promql/engine.go `VectorAnd`, `VectorOr`, `VectorUnless`).
pub(super) fn sets(op: BinaryOp, matching: &Matching, left: Vector, right: Vector) -> Vector {
    let signatures = |vector: &Vector| -> SortedSet<Labels> {
        vector
            .iter()
            .map(|(labels, _)| matching.signature(labels))
            .collect()
    };
    match op {
        BinaryOp::Or if left.is_empty() => right,
        BinaryOp::Or if right.is_empty() => left,
        BinaryOp::Or => {
            let known = signatures(&left);
            let is_new = |(labels, _): &(Labels, f64)| !known.contains(&matching.signature(labels));
            left.into_iter().chain(right.into_iter().filter(is_new)).collect()
        }
        _ => {
            let keeps = op == BinaryOp::And;
            if left.is_empty() || right.is_empty() {
                return if keeps { Vector::new() } else { left };
            }
            let known = signatures(&right);
            let stays = |(labels, _): &(Labels, f64)| known.contains(&matching.signature(labels)) == keeps;
            left.into_iter().filter(stays).collect()
        }
    }
}

/// Arithmetic and comparisons between vectors (prometheus 3.5 promql/engine.go `VectorBinop`).
pub(super) fn vectors(
    binary: &Binary,
    left: Vector,
    right: Vector,
    profile: &Profile,
) -> Result<Vector, EvalError> {
    let matching = &binary.matching;
    if left.is_empty() || right.is_empty() {
        return Ok(Vector::new());
    }
    let swapped = matching.side == Side::Right;
    let (many, one) = if swapped { (right, left) } else { (left, right) };
    let mut partners: SortedMap<Labels, (Labels, f64)> = SortedMap::new();
    for (labels, value) in one {
        let signature = matching.signature(&labels);
        if let Some((other, _)) = partners.get(&signature) {
            return Err(many_to_many(&signature, swapped, &labels, other));
        }
        partners.insert(signature, (labels, value));
    }
    let mut matched: SortedMap<Labels, SortedSet<Labels>> = SortedMap::new();
    let mut out = Vector::with_capacity(many.len());
    for (labels, value) in many {
        let signature = matching.signature(&labels);
        let Some((partner, other)) = partners.get(&signature) else {
            continue;
        };
        let (left, right) = if swapped { (*other, value) } else { (value, *other) };
        let (mut value, keeps) = combine(binary.op, left, right);
        let dropped = !keeps && !binary.returns_bool;
        if binary.returns_bool {
            value = f64::from(u8::from(keeps));
        }
        if dropped && !profile.dropped_matches_count {
            continue;
        }
        let result = result_labels(binary, &labels, partner, profile);
        let results = matched.entry(signature).or_default();
        if matching.side == Side::Neither && !results.is_empty() {
            return Err(multiple_matches(
                "many-to-one matching must be explicit (group_left/group_right)",
            ));
        }
        if !results.insert(result.clone()) {
            return Err(multiple_matches("grouping labels must ensure unique matches"));
        }
        if !dropped {
            out.push((result, value));
        }
    }
    same_label_set(out)
}

fn multiple_matches(reason: &str) -> EvalError {
    EvalError::Execution(format!("multiple matches for labels: {reason}"))
}

fn many_to_many(group: &Labels, swapped: bool, one: &Labels, other: &Labels) -> EvalError {
    let side = if swapped { "left" } else { "right" };
    EvalError::Execution(format!(
        "found duplicate series for the match group {group} on the {side} hand-side of the operation: \
         [{one}, {other}];many-to-many matching not allowed: matching labels must be unique on one side"
    ))
}

/// prometheus 3.5 promql/engine.go `resultMetric`
fn result_labels(binary: &Binary, many: &Labels, one: &Labels, profile: &Profile) -> Labels {
    let matching = &binary.matching;
    let drops_name = drops_name(binary.op, profile) || binary.returns_bool;
    let listed = |name: &str| matching.labels.iter().any(|own| own == name);
    let keeps = |name: &str| {
        let named = !(drops_name && name == METRIC_NAME);
        named && (matching.side != Side::Neither || listed(name) == matching.on)
    };
    if matching.include.is_empty() {
        return many.filter(keeps);
    }
    let kept = many.iter().filter(|(name, _)| keeps(name));
    let included = matching.include.iter().map(|name| (name.as_str(), one.get(name)));
    let labels = Labels::new(kept.chain(included));
    // With `bool` the name goes last, even an included one.
    if binary.returns_bool {
        without_name(&labels)
    } else {
        labels
    }
}
