//! TOML.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::tree::{Entry, Place, Scalar, Shape, Value};
use super::{MAX_DEPTH, MAX_FILE_BYTES};

/// The tree of a TOML file as far as it can be read, and everything wrong with it.
#[must_use]
pub fn parse_toml(text: &str) -> (Value, Vec<(Place, String)>) {
    let empty = Value {
        place: Place { line: 1, column: 1 },
        shape: Shape::Map(Vec::new()),
    };
    if text.len() > MAX_FILE_BYTES {
        let size = format!("the file is larger than {} MiB", MAX_FILE_BYTES >> 20);
        return (empty, vec![(Place::default(), size)]);
    }
    let lines = Lines::new(text);
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut failures: Vec<(Place, String)> = errors
        .iter()
        .map(|error| {
            let start = error.span().map_or(0, |span| span.start);
            (lines.place(start), error.message().trim().replace('\n', "; "))
        })
        .collect();
    let entries = entries(table.get_ref(), &lines, 0, &mut failures);
    (
        Value {
            shape: Shape::Map(entries),
            ..empty
        },
        failures,
    )
}

/// A value as TOML has it, without a place: `3`, `"text"`, `[1, 2]`. `None` if it is no TOML.
#[must_use]
pub fn parse_value(text: &str) -> Option<Value> {
    let value = DeValue::parse(text).ok()?;
    let mut failures = Vec::new();
    let mut value = convert(&value, &Lines::new(text), 0, &mut failures);
    value.forget_places();
    failures.is_empty().then_some(value)
}

fn entries(
    table: &DeTable<'_>,
    lines: &Lines<'_>,
    depth: usize,
    failures: &mut Vec<(Place, String)>,
) -> Vec<Entry> {
    let mut entries: Vec<Entry> = table
        .iter()
        .map(|(key, value)| Entry {
            key: key.get_ref().to_string(),
            place: lines.place(key.span().start),
            value: convert(value, lines, depth + 1, failures),
        })
        .collect();
    entries.sort_by_key(|entry| entry.place);
    entries
}

fn convert(
    value: &Spanned<DeValue<'_>>,
    lines: &Lines<'_>,
    depth: usize,
    failures: &mut Vec<(Place, String)>,
) -> Value {
    let place = lines.place(value.span().start);
    let text = |scalar, text: &str| Shape::Scalar(scalar, text.to_owned());
    let shape = match value.get_ref() {
        _ if depth > MAX_DEPTH => {
            failures.push((place, format!("nested more than {MAX_DEPTH} levels deep")));
            text(Scalar::Null, "")
        }
        DeValue::String(string) => text(Scalar::Text, string),
        DeValue::Integer(integer) => {
            let written = integer.as_str();
            match i64::from_str_radix(written, integer.radix()) {
                Ok(number) => text(Scalar::Int(number), &number.to_string()),
                Err(_) => {
                    failures.push((place, format!("the number {written} does not fit 64 bits")));
                    text(Scalar::Null, "")
                }
            }
        }
        DeValue::Float(float) => match float.as_str().parse() {
            Ok(number) => text(Scalar::Float(number), float.as_str()),
            Err(_) => text(Scalar::Text, float.as_str()),
        },
        DeValue::Boolean(truth) => text(Scalar::Bool(*truth), if *truth { "true" } else { "false" }),
        DeValue::Datetime(datetime) => text(Scalar::Text, &datetime.to_string()),
        DeValue::Array(items) => Shape::List(
            items
                .iter()
                .map(|item| convert(item, lines, depth + 1, failures))
                .collect(),
        ),
        DeValue::Table(table) => Shape::Map(entries(table, lines, depth, failures)),
    };
    Value { place, shape }
}

/// Finds lines and columns of byte offsets.
struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn new(text: &'a str) -> Self {
        let newlines = text.match_indices('\n').map(|(at, _)| at + 1);
        Lines {
            text,
            starts: std::iter::once(0).chain(newlines).collect(),
        }
    }

    fn place(&self, offset: usize) -> Place {
        let line = self.starts.partition_point(|start| *start <= offset).max(1);
        let start = self.starts[line - 1];
        let before = self.text.get(start..offset.min(self.text.len())).unwrap_or("");
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Place {
            line: number(line),
            column: number(before.chars().count() + 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_places() {
        let (tree, failures) = parse_toml("name = \"x\"\n[stack]\nkeda = '2.12' # ö\n");
        assert_eq!(failures, []);
        let keda = tree
            .get("stack")
            .and_then(|stack| stack.get("keda"))
            .expect("stack.keda");
        assert_eq!(
            (keda.place, keda.text()),
            (Place { line: 3, column: 8 }, Some("2.12"))
        );
    }

    #[test]
    fn every_error_is_named() {
        let (tree, failures) = parse_toml("a = 1\nb = \nc = 3\nc = 4\n");
        assert!(tree.get("a").is_some());
        assert!(failures.len() >= 2, "{failures:?}");
        assert_eq!(failures[0].0.line, 2);
        let (_, failures) = parse_toml("a = 99999999999999999999\n");
        assert!(failures[0].1.contains("64 bits"), "{failures:?}");
    }

    #[test]
    fn deep_nesting_is_refused() {
        let (_, failures) = parse_toml(&format!("a = {}{}", "[".repeat(5_000), "]".repeat(5_000)));
        assert!(!failures.is_empty());
    }
}
