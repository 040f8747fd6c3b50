//! Names of fields, held against each other.

use model::scenario::{Segment, parse_field};

/// A field's name in its parts.
struct Parts<'a> {
    /// `None` for the scenario itself.
    object: Option<Object<'a>>,
    path: Vec<Segment>,
}

struct Object<'a> {
    kind: &'a str,
    /// Where it is given.
    namespace: Option<&'a str>,
    name: &'a str,
}

impl<'a> From<&'a str> for Object<'a> {
    fn from(called: &'a str) -> Self {
        let (kind, rest) = called.split_once('/').unwrap_or((called, ""));
        let (namespace, name) = rest
            .split_once('/')
            .map_or((None, rest), |(namespace, name)| (Some(namespace), name));
        Object {
            kind,
            namespace,
            name,
        }
    }
}

/// The paths of two names, if they are in the same object; one may leave out its namespace.
fn in_one_object(one: &str, other: &str) -> Option<[Vec<Segment>; 2]> {
    let (one, other) = (parts(one)?, parts(other)?);
    let alike = match (&one.object, &other.object) {
        (None, None) => true,
        (Some(one), Some(other)) => {
            let elsewhere = one
                .namespace
                .zip(other.namespace)
                .is_some_and(|(one, other)| one != other);
            one.kind == other.kind && one.name == other.name && !elsewhere
        }
        _ => false,
    };
    alike.then_some([one.path, other.path])
}

fn parts(name: &str) -> Option<Parts<'_>> {
    let (object, path) = parse_field(name)?;
    Some(Parts {
        object: object.map(Object::from),
        path,
    })
}

/// Whether two names mean the same field.
pub(crate) fn same(one: &str, other: &str) -> bool {
    in_one_object(one, other).is_some_and(|[one, other]| one == other)
}

/// Whether two names mean the same field, or one a part of the other: what sets one sets the other.
pub(crate) fn overlap(one: &str, other: &str) -> bool {
    in_one_object(one, other).is_some_and(|[one, other]| one.starts_with(&other) || other.starts_with(&one))
}

/// Whether the first is the second or a part of it.
pub(crate) fn is_in(one: &str, other: &str) -> bool {
    in_one_object(one, other).is_some_and(|[one, other]| one.starts_with(&other))
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
        check(
            "ScaledObject/ns/a: spec.x",
            "ScaledObject/other/a: spec.x",
            [false, false],
        );
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
