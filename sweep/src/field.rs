//! Names of fields, held against each other.

use model::scenario::{Segment, parse_field};

/// Kind and name of an object, its namespace left out, and the path in it.
fn parts(name: &str) -> Option<(Option<(&str, &str)>, Vec<Segment>)> {
    let (object, path) = parse_field(name)?;
    Some((object.map(short), path))
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
    let (Some((object, path)), Some((other_object, other_path))) = (parts(one), parts(other)) else {
        return false;
    };
    object == other_object && (path.starts_with(&other_path) || other_path.starts_with(&path))
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
