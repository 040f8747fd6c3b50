//! Edits of YAML as text: comments, order and everything that is not meant stay.
//!
//! Only what is plain is edited: a scalar on one line, a list or mapping as a whole, a field that is missing from a
//! mapping in block style. Whoever calls parses the result and compares; what cannot be edited so is `None`.

use model::document::{Entry, Scalar, Shape, Value, parse_yaml};
use model::scenario::Segment;

/// The text with a field of a document set.
pub(crate) fn set(text: &str, document: &Value, path: &[Segment], new: &Value) -> Option<String> {
    let mut at = document;
    // The key under which `at` stands.
    let mut entry: Option<&Entry> = None;
    for (depth, segment) in path.iter().enumerate() {
        match (segment, &at.shape) {
            (Segment::Key(key), Shape::Map(entries)) => match entries.iter().find(|own| own.key == *key) {
                Some(own) if !own.value.is_null() => {
                    at = &own.value;
                    entry = Some(own);
                }
                Some(_) => return None,
                None => return insert(text, entries, &path[depth..], new),
            },
            (Segment::Index(index), Shape::List(items))
                if *index == items.len() && depth + 1 == path.len() =>
            {
                return append(text, items, new);
            }
            (Segment::Index(index), Shape::List(items)) => {
                at = items.get(*index)?;
                entry = None;
            }
            _ => return None,
        }
    }
    match (&at.shape, &new.shape) {
        (Shape::Scalar(..), Shape::Scalar(..)) => replace_scalar(text, at, new),
        _ => replace_whole(text, entry?, new),
    }
}

/// Lines with their ends.
fn lines(text: &str) -> Vec<String> {
    text.split_inclusive('\n').map(str::to_owned).collect()
}

/// The byte at a column, counted in characters from 1.
fn byte_at(line: &str, column: u32) -> Option<usize> {
    let column = column.checked_sub(1)? as usize;
    line.char_indices()
        .map(|(byte, _)| byte)
        .chain([line.len()])
        .nth(column)
}

fn replace_scalar(text: &str, old: &Value, new: &Value) -> Option<String> {
    let mut lines = lines(text);
    let line = lines.get_mut(old.place.line.checked_sub(1)? as usize)?;
    let start = byte_at(line, old.place.column)?;
    let rest = line[start..].trim_end_matches(['\n', '\r']);
    let quote = rest.chars().next().filter(|first| matches!(first, '\'' | '"'));
    let length = match quote {
        Some(quote) => rest[1..].find(quote)? + 2,
        None => {
            let end = rest.find(" #").unwrap_or(rest.len());
            rest[..end].trim_end().len()
        }
    };
    let written = match (quote, &new.shape) {
        (Some('\''), Shape::Scalar(Scalar::Text, text)) if !text.contains('\'') => format!("'{text}'"),
        (Some(_), Shape::Scalar(Scalar::Text, text)) => double_quoted(text),
        _ => flow(new),
    };
    line.replace_range(start..start + length, &written);
    Some(lines.concat())
}

/// Puts `key: value` on one line in place of all lines of an entry.
fn replace_whole(text: &str, entry: &Entry, new: &Value) -> Option<String> {
    let mut lines = lines(text);
    let first = entry.place.line.checked_sub(1)? as usize;
    let last = last_line(&entry.value).max(entry.place.line).checked_sub(1)? as usize;
    let line = lines.get(first)?;
    let before = line[..byte_at(line, entry.place.column)?].to_owned();
    let end = if lines.get(last)?.ends_with('\n') {
        "\n"
    } else {
        ""
    };
    let replacement = format!("{before}{}: {}{end}", entry.key, flow(new));
    lines.splice(first..=last, [replacement]);
    Some(lines.concat())
}

/// Adds a field after the last one of a mapping, with the mappings above it that are missing too.
fn insert(text: &str, entries: &[Entry], path: &[Segment], new: &Value) -> Option<String> {
    let mut lines = lines(text);
    let (first, last) = (entries.first()?, entries.last()?);
    let mut indent = first.place.column.checked_sub(1)? as usize;
    let after = last_line(&last.value).max(last.place.line) as usize;
    let mut added = String::new();
    for (depth, segment) in path.iter().enumerate() {
        let Segment::Key(key) = segment else {
            return None;
        };
        let value = if depth + 1 == path.len() {
            format!(" {}", flow(new))
        } else {
            String::new()
        };
        added.push_str(&format!("{}{}:{value}\n", " ".repeat(indent), plain(key)));
        indent += 2;
    }
    if let Some(before) = lines
        .get_mut(after.checked_sub(1)?)
        .filter(|line| !line.ends_with('\n'))
    {
        before.push('\n');
    }
    lines.insert(after.min(lines.len()), added);
    Some(lines.concat())
}

/// Adds an item to a list in block style.
fn append(text: &str, items: &[Value], new: &Value) -> Option<String> {
    let mut lines = lines(text);
    let (first, last) = (items.first()?, items.last()?);
    let line = lines.get(first.place.line.checked_sub(1)? as usize)?;
    let dash = line[..byte_at(line, first.place.column)?].rfind('-')?;
    let added = format!("{}- {}\n", " ".repeat(line[..dash].chars().count()), flow(new));
    let after = last_line(last) as usize;
    if let Some(before) = lines
        .get_mut(after.checked_sub(1)?)
        .filter(|line| !line.ends_with('\n'))
    {
        before.push('\n');
    }
    lines.insert(after.min(lines.len()), added);
    Some(lines.concat())
}

/// The last line on which something of a value begins.
fn last_line(value: &Value) -> u32 {
    let below = match &value.shape {
        Shape::Scalar(..) => None,
        Shape::List(items) => items.iter().map(last_line).max(),
        Shape::Map(entries) => entries
            .iter()
            .map(|entry| last_line(&entry.value).max(entry.place.line))
            .max(),
    };
    below.unwrap_or(0).max(value.place.line)
}

/// A value on one line.
fn flow(value: &Value) -> String {
    match &value.shape {
        Shape::Scalar(Scalar::Text, text) => plain(text),
        Shape::Scalar(_, text) => text.clone(),
        Shape::List(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Shape::Map(entries) => {
            let entry = |entry: &Entry| format!("{}: {}", plain(&entry.key), flow(&entry.value));
            format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(", "))
        }
    }
}

/// A text without quotes if it reads as the same text, also in brackets.
fn plain(text: &str) -> String {
    let simple = text
        .chars()
        .all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | '_' | '/'));
    let (read, failure) = parse_yaml(text);
    let same = matches!(read.first().map(|value| &value.shape), Some(Shape::Scalar(Scalar::Text, own)) if own == text);
    if simple && failure.is_none() && same {
        text.to_owned()
    } else {
        double_quoted(text)
    }
}

/// JSON's quotes are YAML's too.
fn double_quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use model::document::parse_value;
    use model::scenario::parse_field;

    use super::*;

    fn check(text: &str, field: &str, value: &str, expected: &str) {
        let (documents, failure) = parse_yaml(text);
        assert_eq!(failure, None);
        let (_, path) = parse_field(field).expect("a path");
        let new = parse_value(value).expect("a value");
        assert_eq!(set(text, &documents[0], &path, &new).as_deref(), Some(expected));
    }

    #[test]
    fn what_is_plain_is_edited_in_place() {
        check("a: 1 # one\nb: 2\n", "a", "3", "a: 3 # one\nb: 2\n");
        check("a: \"x\"\n", "a", "\"y z\"", "a: \"y z\"\n");
        check("a: 30s\n", "a", "\"5m\"", "a: 5m\n");
        check("a: x\n", "a", "\"10\"", "a: \"10\"\n");
        check("a: x\n", "a", "\"on\"", "a: \"on\"\n");
        check("l:\n  - k: 1\n  - k: 2", "l[1].k", "5", "l:\n  - k: 1\n  - k: 5");
    }

    #[test]
    fn lists_are_replaced_as_a_whole() {
        let text = "r:\n  - key: t\n    values:\n      - m5\n      - c5\n  - key: u\n";
        check(
            text,
            "r[0].values",
            "[\"g5\"]",
            "r:\n  - key: t\n    values: [g5]\n  - key: u\n",
        );
        check("v: [a, b] # why\n", "v", "[\"c\", \"1\"]", "v: [c, \"1\"]\n");
    }

    #[test]
    fn what_is_missing_is_added_where_it_belongs() {
        check(
            "s:\n  a: 1\nt: 2\n",
            "s.b.c",
            "3",
            "s:\n  a: 1\n  b:\n    c: 3\nt: 2\n",
        );
        check(
            "s:\n  - k: 1\n    m: 2",
            "s[0].more",
            "3",
            "s:\n  - k: 1\n    m: 2\n    more: 3\n",
        );
    }

    #[test]
    fn lists_grow_at_their_end() {
        let text = "r:\n  - key: t\n    values: [a]\n  - key: u\nz: 1\n";
        let grown = "r:\n  - key: t\n    values: [a]\n  - key: u\n  - {key: v}\nz: 1\n";
        check(text, "r[2]", "{ key = \"v\" }", grown);
        check("l:\n- a\n- b", "l[2]", "\"c\"", "l:\n- a\n- b\n- c\n");
    }

    #[test]
    fn what_cannot_be_edited_is_left() {
        let (documents, _) = parse_yaml("a:\n");
        let (_, path) = parse_field("a.b").expect("a path");
        assert_eq!(
            set("a:\n", &documents[0], &path, &parse_value("1").expect("a value")),
            None
        );
    }
}
