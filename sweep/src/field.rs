//! Names of fields, held against each other.

use model::scenario::{Segment, parse_field};

/// A field's name in its parts.
#[derive(PartialEq)]
struct Parts<'a> {
    /// Kind and name of the object, its namespace left out; `None` for the scenario itself.
    object: Option<(&'a str, &'a str)>,
    path: Vec<Segment>,
}

fn parts(name: &str) -> Option<Parts<'_>> {
    let (object, path) = parse_field(name)?;
    Some(Parts {
        object: object.map(short),
        path,
    })
}

fn short(object: &str) -> (&str, &str) {
    let (kind, rest) = object.split_once('/').unwrap_or((object, ""));
    (kind, rest.rsplit('/').next().unwrap_or(rest))
}

/// Whether two names mean the same field; one may leave out the namespace.
pub(crate) fn same(one: &str, other: &str) -> bool {
    parts(one).is_some_and(|one| Some(one) == parts(other))
}

/// Whether two names mean the same field, or one a part of the other: what sets one sets the other.
pub(crate) fn overlap(one: &str, other: &str) -> bool {
    let (Some(one), Some(other)) = (parts(one), parts(other)) else {
        return false;
    };
    one.object == other.object && (one.path.starts_with(&other.path) || other.path.starts_with(&one.path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_the_same_whatever_they_are_called() {
        let check = |one, other, expected: [bool; 2]| {
            assert_eq!([same(one, other), overlap(one, other)], expected, "{one} {other}");
            assert_eq!([same(other, one), overlap(other, one)], expected, "{other} {one}");
        };
        check("ScaledObject/a: spec.x", "ScaledObject/a: spec.x", [true, true]);
        check("ScaledObject/ns/a:spec.x", "ScaledObject/a: spec.x", [true, true]);
        check("ScaledObject/b: spec.x", "ScaledObject/a: spec.x", [false, false]);
        check("ScaledObject/a: spec", "ScaledObject/a: spec.x[0]", [false, true]);
        check(
            "ScaledObject/a: spec.x[1]",
            "ScaledObject/a: spec.x[0]",
            [false, false],
        );
        check(
            "ScaledObject/a: spec.xy",
            "ScaledObject/a: spec.x",
            [false, false],
        );
        check("duration", "duration", [true, true]);
        check("duration", "ScaledObject/a: duration", [false, false]);
    }
}
