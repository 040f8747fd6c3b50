//! One requirement: the values that a label may take.
//!
//! A set of values, or all values but a set, and for numbers a lower and an upper bound. This is the
//! algebra on which all of Karpenter's choices rest (karpenter v1.14 pkg/scheduling/requirement.go). `Gt`
//! and `Lt` are kept as the inclusive bounds they amount to.

use std::fmt;
use std::sync::Arc;

use crate::api::{Expression, Operator};

/// A label key or value, shared rather than copied.
pub type Name = Arc<str>;

/// The values that a label may take.
///
/// ```
/// use model::karpenter::Requirement;
///
/// let generation = Requirement::greater_than(4);
/// assert!(generation.has("5") && !generation.has("4") && !generation.has("five"));
/// let both = generation.intersection(&Requirement::any_of(["3", "5", "6"]));
/// assert_eq!(both, Requirement::any_of(["5", "6"]));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    /// All values but these.
    complement: bool,
    /// Sorted, without repetition.
    values: Arc<[Name]>,
    gte: Option<i64>,
    lte: Option<i64>,
    min_values: Option<u32>,
}

impl Requirement {
    fn new(complement: bool, mut values: Vec<Name>) -> Self {
        values.sort();
        values.dedup();
        Requirement {
            complement,
            values: values.into(),
            gte: None,
            lte: None,
            min_values: None,
        }
    }

    /// `In`: one of these values.
    pub fn any_of<V: Into<Name>>(values: impl IntoIterator<Item = V>) -> Self {
        Requirement::new(false, values.into_iter().map(Into::into).collect())
    }

    /// `In` with one value.
    pub fn only(value: impl Into<Name>) -> Self {
        Requirement::any_of([value])
    }

    /// `NotIn`: absent, or none of these values.
    pub fn none_of<V: Into<Name>>(values: impl IntoIterator<Item = V>) -> Self {
        Requirement::new(true, values.into_iter().map(Into::into).collect())
    }

    /// `Exists`: any value.
    #[must_use]
    pub fn exists() -> Self {
        Requirement::new(true, Vec::new())
    }

    /// `DoesNotExist`: no value.
    #[must_use]
    pub fn does_not_exist() -> Self {
        Requirement::new(false, Vec::new())
    }

    /// `Gt`: an integer above `bound`.
    #[must_use]
    pub fn greater_than(bound: i64) -> Self {
        bound
            .checked_add(1)
            .map_or_else(Requirement::does_not_exist, Requirement::at_least)
    }

    /// `Lt`: an integer below `bound`.
    #[must_use]
    pub fn less_than(bound: i64) -> Self {
        bound
            .checked_sub(1)
            .map_or_else(Requirement::does_not_exist, Requirement::at_most)
    }

    /// `Gte`: an integer not below `bound`.
    #[must_use]
    pub fn at_least(bound: i64) -> Self {
        Requirement {
            gte: Some(bound),
            ..Requirement::exists()
        }
    }

    /// `Lte`: an integer not above `bound`.
    #[must_use]
    pub fn at_most(bound: i64) -> Self {
        Requirement {
            lte: Some(bound),
            ..Requirement::exists()
        }
    }

    /// The requirement of a selector expression.
    #[must_use]
    pub fn from_expression(expression: &Expression) -> Self {
        let values = || expression.values.iter().map(String::as_str);
        // A bound that is no integer counts as zero, as Go's Atoi with its error dropped has it.
        let bound = || values().next().and_then(|value| value.parse().ok()).unwrap_or(0);
        match expression.operator {
            Operator::In => Requirement::any_of(values()),
            Operator::NotIn => Requirement::none_of(values()),
            Operator::Exists => Requirement::exists(),
            Operator::DoesNotExist => Requirement::does_not_exist(),
            Operator::Gt => Requirement::greater_than(bound()),
            Operator::Lt => Requirement::less_than(bound()),
        }
    }

    /// The same with a floor for how many distinct values a NodeClaim's instance types must span.
    #[must_use]
    pub fn with_min_values(self, min_values: Option<u32>) -> Self {
        Requirement { min_values, ..self }
    }

    /// minValues
    #[must_use]
    pub fn min_values(&self) -> Option<u32> {
        self.min_values
    }

    /// The listed values, sorted: those allowed or, for a complement, those excluded.
    #[must_use]
    pub fn values(&self) -> &[Name] {
        &self.values
    }

    /// Whether all values but the listed ones are allowed.
    #[must_use]
    pub fn is_complement(&self) -> bool {
        self.complement
    }

    /// The value, if there is exactly one.
    #[must_use]
    pub fn single(&self) -> Option<&Name> {
        match &*self.values {
            [value] if !self.complement => Some(value),
            _ => None,
        }
    }

    /// The operator that this amounts to: one of In, NotIn, Exists and DoesNotExist. Bounds alone are
    /// Exists.
    #[must_use]
    pub fn operator(&self) -> Operator {
        match (self.complement, self.values.is_empty()) {
            (false, false) => Operator::In,
            (false, true) => Operator::DoesNotExist,
            (true, false) => Operator::NotIn,
            (true, true) => Operator::Exists,
        }
    }

    /// Whether a node without the label is content: NotIn and DoesNotExist.
    #[must_use]
    pub fn allows_absence(&self) -> bool {
        matches!(self.operator(), Operator::NotIn | Operator::DoesNotExist)
    }

    /// Whether a value is allowed.
    #[must_use]
    pub fn has(&self, value: &str) -> bool {
        self.lists(value) != self.complement && within(value, self.gte, self.lte)
    }

    fn lists(&self, value: &str) -> bool {
        self.values.binary_search_by(|own| (**own).cmp(value)).is_ok()
    }

    /// What both allow.
    #[must_use]
    pub fn intersection(&self, other: &Requirement) -> Requirement {
        let (gte, lte) = self.bounds(other);
        let min_values = self.min_values.max(other.min_values);
        if crossed(gte, lte) {
            return Requirement::does_not_exist().with_min_values(min_values);
        }
        let (complement, mut values): (bool, Vec<Name>) = match (self.complement, other.complement) {
            (true, true) => (true, self.values.iter().chain(&*other.values).cloned().collect()),
            (false, _) => (
                false,
                self.values.iter().filter(|v| other.has(v)).cloned().collect(),
            ),
            (true, false) => (
                false,
                other.values.iter().filter(|v| self.has(v)).cloned().collect(),
            ),
        };
        values.retain(|value| within(value, gte, lte));
        let bounded = Requirement::new(complement, values).with_min_values(min_values);
        if complement {
            Requirement { gte, lte, ..bounded }
        } else {
            bounded
        }
    }

    /// Whether both allow some value, found without building the intersection.
    #[must_use]
    pub fn has_intersection(&self, other: &Requirement) -> bool {
        let (gte, lte) = self.bounds(other);
        if crossed(gte, lte) {
            return false;
        }
        if self.complement && other.complement {
            return true;
        }
        // A claim names hundreds of types, a type has one name: the shorter list is walked.
        if !self.complement && (other.complement || self.values.len() <= other.values.len()) {
            self.shares_listed_value_with(other)
        } else {
            other.shares_listed_value_with(self)
        }
    }

    fn shares_listed_value_with(&self, other: &Requirement) -> bool {
        self.values
            .iter()
            .any(|value| self.has(value) && other.has(value))
    }

    /// Whether two requirements on one key can both be met, absence of the label included
    /// (karpenter v1.14 pkg/scheduling/requirements.go `Requirements.Intersects`).
    #[must_use]
    pub fn meets(&self, incoming: &Requirement) -> bool {
        self.has_intersection(incoming) || self.allows_absence() && incoming.allows_absence()
    }

    /// Whether both have bounds between which no number lies, such as `Gt 8` and `Lt 9`. Up to v1.8 that was something in
    /// common (karpenter v1.5.5 pkg/scheduling/requirement.go `Intersection`).
    #[must_use]
    pub fn touches(&self, other: &Requirement) -> bool {
        let (gte, lte) = self.bounds(other);
        self.complement && other.complement && gte.zip(lte).is_some_and(|(gte, lte)| gte == lte + 1)
    }

    fn bounds(&self, other: &Requirement) -> (Option<i64>, Option<i64>) {
        let lte = match (self.lte, other.lte) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        (self.gte.max(other.gte), lte)
    }
}

fn crossed(gte: Option<i64>, lte: Option<i64>) -> bool {
    gte.zip(lte).is_some_and(|(gte, lte)| gte > lte)
}

fn within(value: &str, gte: Option<i64>, lte: Option<i64>) -> bool {
    if gte.is_none() && lte.is_none() {
        return true;
    }
    let number: Option<i64> = value.parse().ok();
    number.is_some_and(|n| gte.is_none_or(|gte| n >= gte) && lte.is_none_or(|lte| n <= lte))
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.operator() {
            Operator::Exists => f.write_str("Exists")?,
            Operator::DoesNotExist => f.write_str("DoesNotExist")?,
            operator => {
                let name = if operator == Operator::In { "In" } else { "NotIn" };
                write!(
                    f,
                    "{name} [{}",
                    self.values
                        .iter()
                        .take(5)
                        .map(|v| &**v)
                        .collect::<Vec<_>>()
                        .join(", ")
                )?;
                if self.values.len() > 5 {
                    write!(f, " and {} others", self.values.len() - 5)?;
                }
                f.write_str("]")?;
            }
        }
        if let Some(gte) = self.gte {
            write!(f, " >= {gte}")?;
        }
        if let Some(lte) = self.lte {
            write!(f, " <= {lte}")?;
        }
        if let Some(min_values) = self.min_values {
            write!(f, " minValues {min_values}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The shapes of upstream's own table (requirement_test.go), by name.
    fn shapes() -> Vec<(&'static str, Requirement)> {
        vec![
            ("exists", Requirement::exists()),
            ("absent", Requirement::does_not_exist()),
            ("in A", Requirement::only("A")),
            ("in B", Requirement::only("B")),
            ("in AB", Requirement::any_of(["A", "B"])),
            ("not A", Requirement::none_of(["A"])),
            ("in 1", Requirement::only("1")),
            ("in 9", Requirement::only("9")),
            ("in 19", Requirement::any_of(["1", "9"])),
            ("not 12", Requirement::none_of(["1", "2"])),
            (">1", Requirement::greater_than(1)),
            (">9", Requirement::greater_than(9)),
            ("<1", Requirement::less_than(1)),
            ("<9", Requirement::less_than(9)),
            (">=1", Requirement::at_least(1)),
            ("<=9", Requirement::at_most(9)),
        ]
    }

    /// Set algebra, checked by membership over every pair of shapes.
    #[test]
    fn an_intersection_allows_what_both_allow() {
        for (a_name, a) in shapes() {
            for (b_name, b) in shapes() {
                let both = a.intersection(&b);
                for value in ["A", "B", "C", "-1", "0", "1", "2", "5", "8", "9", "10"] {
                    assert_eq!(
                        both.has(value),
                        a.has(value) && b.has(value),
                        "{a_name} ∩ {b_name}: {value}"
                    );
                }
                assert_eq!(both, b.intersection(&a), "{a_name} ∩ {b_name} commutes");
                assert_eq!(
                    a.has_intersection(&b),
                    both.is_complement() || !both.values().is_empty()
                );
            }
        }
    }

    #[test]
    fn worked_intersections() {
        let check = |a: &Requirement, b: &Requirement, expected: &str| {
            assert_eq!(a.intersection(b).to_string(), expected);
        };
        check(
            &Requirement::greater_than(1),
            &Requirement::less_than(9),
            "Exists >= 2 <= 8",
        );
        check(
            &Requirement::greater_than(9),
            &Requirement::less_than(1),
            "DoesNotExist",
        );
        check(
            &Requirement::none_of(["1"]),
            &Requirement::greater_than(3),
            "Exists >= 4",
        );
        check(
            &Requirement::none_of(["7"]),
            &Requirement::greater_than(3),
            "NotIn [7] >= 4",
        );
        check(
            &Requirement::any_of(["1", "9"]),
            &Requirement::greater_than(1),
            "In [9]",
        );
        let flexible = Requirement::exists().with_min_values(Some(3));
        check(
            &flexible,
            &Requirement::any_of(["a", "b"]).with_min_values(Some(2)),
            "In [a, b] minValues 3",
        );
        check(
            &Requirement::greater_than(i64::MAX),
            &Requirement::exists(),
            "DoesNotExist",
        );
    }

    #[test]
    fn absence_meets_absence() {
        assert!(Requirement::does_not_exist().meets(&Requirement::none_of(["a"])));
        assert!(Requirement::does_not_exist().meets(&Requirement::does_not_exist()));
        assert!(!Requirement::does_not_exist().meets(&Requirement::exists()));
        assert!(!Requirement::only("a").meets(&Requirement::none_of(["a"])));
    }
}
