//! YAML, as `kubectl` reads it: several documents in a file, anchors, aliases and merge keys, and the words and
//! numbers of YAML 1.1; and JSON objects one after another, which no YAML is. Only a key that is given twice, of which
//! `kubectl` silently takes the last, is refused.
//!
//! The tree is built from the parser's events without recursion. An alias is replaced by a copy of what it
//! stands for, and counted with all that is in it: the file whose few lines stand for billions of values is
//! refused before it is built.

use sim::{SortedMap, SortedSet};

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Tag};
use serde::de::IgnoredAny;

use super::tree::{Entry, Place, Scalar, Shape, Value};
use super::{MAX_DEPTH, MAX_FILE_BYTES, MAX_VALUES};

/// Why a text is no YAML that can be read: where, and what is wrong.
pub(crate) type Failure = (Place, String);

/// The documents of a file, without the empty ones, as far as they can be read, and what stopped the reading.
#[must_use]
pub fn parse_yaml(text: &str) -> (Vec<Value>, Option<(Place, String)>) {
    if text.len() > MAX_FILE_BYTES {
        let size = format!("the file is larger than {} MiB", MAX_FILE_BYTES >> 20);
        return (Vec::new(), Some((Place::default(), size)));
    }
    let mut builder = Builder::default();
    let failure = builder.file(text).err();
    (builder.documents, failure)
}

/// One value in YAML or JSON, without a place. `None` if it is no YAML, or not one document.
#[must_use]
pub fn parse_yaml_value(text: &str) -> Option<Value> {
    let (mut values, failure) = parse_yaml(text);
    let mut value = values.pop().filter(|_| values.is_empty() && failure.is_none())?;
    value.forget_places();
    Some(value)
}

/// Where a part of a file begins.
#[derive(Default, Clone, Copy)]
struct Origin {
    /// Lines before.
    lines: usize,
    /// Characters before it in its line.
    columns: usize,
}

impl Origin {
    /// The end of a text that begins here.
    fn end_of(self, text: &str) -> Self {
        match text.rsplit_once('\n') {
            Some((_, line)) => Origin {
                lines: self.lines + text.matches('\n').count(),
                columns: line.chars().count(),
            },
            None => Origin {
                columns: self.columns + text.chars().count(),
                ..self
            },
        }
    }

    fn place(self, marker: &Marker) -> Place {
        let columns = if marker.line() <= 1 { self.columns } else { 0 };
        place(self.lines + marker.line(), columns + marker.col() + 1)
    }
}

fn place(line: usize, column: usize) -> Place {
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Place {
        line: number(line),
        column: number(column),
    }
}

/// A collection under construction.
struct Open {
    anchor: usize,
    value: Value,
    /// In a mapping: the key whose value comes next.
    key: Option<Key>,
    /// In a mapping: the keys that a merge brought. One that is written after the merge replaces its like.
    merged: SortedSet<String>,
    extent: Extent,
}

/// A key of a mapping.
struct Key {
    text: String,
    place: Place,
    /// `<<` without quotes: its value's entries go into this mapping.
    merges: bool,
}

/// How much a value stands for, aliases followed.
#[derive(Clone, Copy)]
struct Extent {
    /// Values, itself included.
    size: usize,
    /// Levels, itself included.
    height: usize,
}

impl Extent {
    const ONE: Extent = Extent { size: 1, height: 1 };
}

#[derive(Default)]
struct Builder {
    documents: Vec<Value>,
    stack: Vec<Open>,
    /// What each anchor stands for, and how much that is.
    anchors: SortedMap<usize, (Value, Extent)>,
    /// Values built so far.
    values: usize,
}

impl Builder {
    /// What begins with a brace may be JSON values one after another. What comes after the first may be YAML as well,
    /// not what comes after two (kubernetes 1.35 staging/src/k8s.io/apimachinery/pkg/util/yaml/decoder.go
    /// `YAMLOrJSONDecoder.Decode`).
    fn file(&mut self, text: &str) -> Result<(), Failure> {
        let (mut rest, mut origin) = (text, Origin::default());
        if text.trim_start().starts_with('{') {
            let mut values = serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>();
            let mut read = 0;
            while let Some(value) = values.next() {
                match value {
                    Ok(IgnoredAny) => {
                        let (with_blank, others) = text.split_at(values.byte_offset());
                        let with_blank = &with_blank[text.len() - rest.len()..];
                        let value = with_blank.trim_start();
                        let begin = origin.end_of(&with_blank[..with_blank.len() - value.len()]);
                        self.part(value, begin)?;
                        (rest, origin, read) = (others, begin.end_of(value), read + 1);
                    }
                    Err(error) if read > 1 => {
                        let why = error.to_string();
                        let why = why.split(" at line ").next().unwrap_or_default();
                        let message = format!("after JSON objects only JSON can come: {why}");
                        return Err((place(error.line(), error.column()), message));
                    }
                    Err(_) => break,
                }
            }
        }
        self.part(rest, origin)
    }

    /// The documents of a part of a file.
    fn part(&mut self, text: &str, origin: Origin) -> Result<(), Failure> {
        for event in Parser::new_from_str(text) {
            match event {
                Ok((event, span)) => self.event(event, origin.place(&span.start))?,
                Err(error) => return Err((origin.place(error.marker()), error.info().to_owned())),
            }
        }
        Ok(())
    }

    fn event(&mut self, event: Event<'_>, place: Place) -> Result<(), Failure> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let scalar = scalar(&text, style, tag.as_deref());
                let value = Value {
                    place,
                    shape: Shape::Scalar(scalar, text.into_owned()),
                };
                let merges = style == ScalarStyle::Plain && value.text() == Some("<<");
                self.finish(anchor, value, Extent::ONE)?;
                // If it is a key: of the collections only a mapping, after a key, waits for a value.
                if merges && let Some(Open { key: Some(key), .. }) = self.stack.last_mut() {
                    key.merges = true;
                }
                Ok(())
            }
            Event::SequenceStart(anchor, _) => self.open(anchor, place, Shape::List(Vec::new())),
            Event::MappingStart(anchor, _) => self.open(anchor, place, Shape::Map(Vec::new())),
            Event::SequenceEnd | Event::MappingEnd => {
                let open = self.stack.pop().expect("the parser ends what it began");
                self.finish(open.anchor, open.value, open.extent)
            }
            Event::Alias(anchor) => match self.anchors.get(&anchor) {
                Some((value, extent)) => {
                    let (value, extent) = (self.copy(value, *extent, place)?, *extent);
                    self.values += extent.size - 1;
                    self.finish(0, value, extent)
                }
                None => Err((place, "an alias stands inside the value it refers to".to_owned())),
            },
            Event::DocumentStart(_) => {
                self.anchors.clear();
                Ok(())
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
        }
    }

    /// What an alias stands for, placed where the alias is, if it is not too much.
    fn copy(&self, value: &Value, extent: Extent, place: Place) -> Result<Value, Failure> {
        if self.stack.len() + extent.height > MAX_DEPTH {
            return Err((place, format!("nested more than {MAX_DEPTH} levels deep")));
        }
        if self.values + extent.size > MAX_VALUES {
            return Err((
                place,
                format!("aliases make more than {MAX_VALUES} values of this file"),
            ));
        }
        Ok(Value {
            place,
            ..value.clone()
        })
    }

    fn open(&mut self, anchor: usize, place: Place, shape: Shape) -> Result<(), Failure> {
        if self.stack.len() >= MAX_DEPTH {
            return Err((place, format!("nested more than {MAX_DEPTH} levels deep")));
        }
        self.stack.push(Open {
            anchor,
            value: Value { place, shape },
            key: None,
            merged: SortedSet::new(),
            extent: Extent::ONE,
        });
        Ok(())
    }

    /// A value is complete: it goes into the collection around it, or is a document.
    fn finish(&mut self, anchor: usize, value: Value, extent: Extent) -> Result<(), Failure> {
        self.values += 1;
        if self.values > MAX_VALUES {
            return Err((value.place, format!("more than {MAX_VALUES} values in one file")));
        }
        if anchor != 0 {
            self.anchors.insert(anchor, (value.clone(), extent));
        }
        let Some(open) = self.stack.last_mut() else {
            if !value.is_null() {
                self.documents.push(value);
            }
            return Ok(());
        };
        open.extent.size += extent.size;
        open.extent.height = open.extent.height.max(extent.height + 1);
        match &mut open.value.shape {
            Shape::List(items) => items.push(value),
            Shape::Map(entries) => match open.key.take() {
                None => open.key = Some(Key::new(value)?),
                Some(key) if key.merges => merge(entries, &mut open.merged, value)?,
                Some(key) => insert(entries, &mut open.merged, key, value)?,
            },
            Shape::Scalar(..) => unreachable!("only collections are opened"),
        }
        Ok(())
    }
}

impl Key {
    fn new(value: Value) -> Result<Key, Failure> {
        match value.shape {
            Shape::Scalar(_, text) => Ok(Key {
                text,
                place: value.place,
                merges: false,
            }),
            Shape::List(_) | Shape::Map(_) => {
                Err((value.place, "a mapping's key must be a scalar".to_owned()))
            }
        }
    }
}

fn insert(
    entries: &mut Vec<Entry>,
    merged: &mut SortedSet<String>,
    key: Key,
    value: Value,
) -> Result<(), Failure> {
    let Key { text: key, place, .. } = key;
    let found = entries.iter_mut().find(|entry| entry.key == key);
    match found {
        Some(entry) if merged.remove(&key) => {
            (entry.place, entry.value) = (place, value);
            Ok(())
        }
        Some(first) => Err((
            place,
            format!(
                "the key {key:?} is given twice, first in line {}",
                first.place.line
            ),
        )),
        None => {
            entries.push(Entry { key, place, value });
            Ok(())
        }
    }
}

/// `<<: *other`: the entries of another mapping, or of several of which the first counts. As `kubectl` has it,
/// what is merged replaces what is written above it, and is replaced by what is written below
/// (go.yaml.in/yaml/v2 2.4 decode.go `mapping`, `merge`).
fn merge(entries: &mut Vec<Entry>, merged: &mut SortedSet<String>, value: Value) -> Result<(), Failure> {
    let place = value.place;
    let refuse = || (place, "<< merges a mapping or a list of mappings".to_owned());
    let sources = match value.shape {
        Shape::Map(_) => vec![value],
        Shape::List(items) => items,
        Shape::Scalar(..) => return Err(refuse()),
    };
    for source in sources.into_iter().rev() {
        let Shape::Map(others) = source.shape else {
            return Err(refuse());
        };
        for other in others {
            merged.insert(other.key.clone());
            match entries.iter_mut().find(|entry| entry.key == other.key) {
                Some(entry) => *entry = other,
                None => entries.push(other),
            }
        }
    }
    Ok(())
}

/// How a scalar is read: by YAML 1.1, whose `yes`, `on` and `y` are truth values too, and `010` is eight, since
/// `kubectl` does so (go.yaml.in/yaml/v2 2.4 resolve.go). The same words in quotes are texts.
fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Scalar {
    if style != ScalarStyle::Plain || tag.is_some_and(|tag| tag.suffix == "str") {
        return Scalar::Text;
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Scalar::Null,
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" | "y" | "Y" => {
            Scalar::Bool(true)
        }
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" | "n" | "N" => {
            Scalar::Bool(false)
        }
        _ => number(text),
    }
}

fn number(text: &str) -> Scalar {
    let starts_as_one = text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.'));
    if !starts_as_one {
        return Scalar::Text;
    }
    let plain = text.replace('_', "");
    if let Some(int) = integer(&plain) {
        return Scalar::Int(int);
    }
    let numeric = plain
        .chars()
        .all(|c| c.is_ascii_digit() || matches!(c, '-' | '+' | '.' | 'e' | 'E'));
    // What JSON, which is what the API server gets, writes without a fraction is a whole number.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match plain.parse::<f64>() {
        Ok(float) if numeric && float.fract() == 0.0 && float.abs() < EXACT => Scalar::Int(float as i64),
        Ok(float) if numeric => Scalar::Float(float),
        _ => Scalar::Text,
    }
}

/// Decimal, or in another base by its prefix.
fn integer(text: &str) -> Option<i64> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let prefixes = [("0x", 16), ("0X", 16), ("0o", 8), ("0b", 2), ("0B", 2), ("0", 8)];
    let in_base = prefixes
        .into_iter()
        .find_map(|(prefix, radix)| Some((digits.strip_prefix(prefix)?, radix)))
        .filter(|(digits, _)| !digits.is_empty());
    let (digits, radix) = in_base.unwrap_or((digits, 10));
    // A sign of their own is no digit.
    let spelt = digits.starts_with(|c: char| c.is_ascii_hexdigit());
    spelt
        .then(|| i64::from_str_radix(&format!("{sign}{digits}"), radix).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(text: &str) -> String {
        let (place, message) = parse_yaml(text).1.expect("refused");
        format!("{place} {message}")
    }

    fn one(text: &str) -> Value {
        let (mut documents, failure) = parse_yaml(text);
        assert_eq!(failure, None);
        assert_eq!(documents.len(), 1);
        documents.remove(0)
    }

    #[test]
    fn documents_keep_their_places() {
        let (documents, failure) = parse_yaml("a: 1\n---\n# nothing\n---\nb:\n  - c: x\n");
        assert_eq!(failure, None);
        assert_eq!(documents.len(), 2);
        let list = documents[1].get("b").expect("b");
        let Shape::List(items) = &list.shape else {
            panic!("{list:?}")
        };
        let c = items[0].get("c").expect("c");
        assert_eq!((c.place, c.text()), (Place { line: 6, column: 8 }, Some("x")));
    }

    #[test]
    fn scalars_are_read_as_kubectl_reads_them() {
        let check =
            |text: &str, expected: Scalar| match one(&format!("k: {text}")).get("k").map(|v| v.shape.clone())
            {
                Some(Shape::Scalar(scalar, _)) => assert_eq!(scalar, expected, "{text}"),
                other => panic!("{other:?}"),
            };
        check("5", Scalar::Int(5));
        check("-5", Scalar::Int(-5));
        check("0x10", Scalar::Int(16));
        check("0.5", Scalar::Float(0.5));
        check("1e30", Scalar::Float(1e30));
        check("'5'", Scalar::Text);
        check("!!str 5", Scalar::Text);
        check("true", Scalar::Bool(true));
        check("~", Scalar::Null);
        check("500m", Scalar::Text);
        check("1.2.3", Scalar::Text);
        check("inf", Scalar::Text);
        for (text, int) in [
            ("010", 8),
            ("-010", -8),
            ("0o10", 8),
            ("0b11", 3),
            ("0x1F", 31),
            ("1_000", 1000),
            ("+5", 5),
            ("0", 0),
            ("08", 8),
            ("3.0", 3),
            ("1e3", 1000),
            ("0.5e+3", 500),
        ] {
            check(text, Scalar::Int(int));
        }
        for (text, float) in [(".5", 0.5), ("3e-1", 0.3)] {
            check(text, Scalar::Float(float));
        }
        for text in ["yes", "On", "y", "TRUE"] {
            check(text, Scalar::Bool(true));
            check(&format!("'{text}'"), Scalar::Text);
        }
        for text in ["NO", "off", "n"] {
            check(text, Scalar::Bool(false));
        }
        for text in ["yEs", "12:30", "_1", "2001-01-01", "=", "-+5"] {
            check(text, Scalar::Text);
        }
    }

    #[test]
    fn aliases_are_followed() {
        let value = one("a: &x {k: 1}\nb: *x\n");
        assert_eq!(
            value.get("b").and_then(|b| b.get("k")).and_then(Value::text),
            Some("1")
        );
    }

    #[test]
    fn merge_keys_bring_entries() {
        let entries = |text: &str| {
            let value = one(&format!("base: &x {{a: 1, b: 2}}\nk:\n{text}"));
            let Some(Shape::Map(entries)) = value.get("k").map(|k| k.shape.clone()) else {
                panic!("{value:?}")
            };
            let pair = |entry: &Entry| format!("{}={}", entry.key, entry.value.text().unwrap_or_default());
            entries.iter().map(pair).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(entries("  <<: *x\n  b: 3\n"), "a=1 b=3");
        assert_eq!(entries("  b: 3\n  <<: *x\n"), "b=2 a=1", "as kubectl has it");
        assert_eq!(entries("  <<: [*x, {c: 4, a: 5}]\n"), "c=4 a=1 b=2");
        assert_eq!(entries("  '<<': x\n"), "<<=x");
        assert_eq!(
            failure("k:\n  <<: x\n"),
            "2:7 << merges a mapping or a list of mappings"
        );
        assert_eq!(
            failure("b: &x {a: 1}\nk:\n  <<: *x\n  a: 2\n  a: 3\n"),
            "5:3 the key \"a\" is given twice, first in line 4"
        );
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        assert_eq!(
            failure("a: 1\na: 2\n"),
            "2:1 the key \"a\" is given twice, first in line 1"
        );
        assert_eq!(
            failure("a: &x [*x]\n"),
            "1:8 an alias stands inside the value it refers to"
        );
        assert_eq!(failure("? [1]\n: 2\n"), "1:3 a mapping's key must be a scalar");
        assert!(
            failure("a: [1, 2\n").contains("expected"),
            "{}",
            failure("a: [1, 2\n")
        );
        assert!(failure(&"[".repeat(65)).contains("64 levels"));
        // The scanner has a limit of its own.
        assert!(failure(&"[".repeat(100_000)).starts_with("1:"));
        assert!(failure(&"- ".repeat(100_000)).contains("64 levels"));
        assert!(failure(&" ".repeat(MAX_FILE_BYTES + 1)).contains("larger than 8 MiB"));
    }

    #[test]
    fn an_alias_bomb_is_refused_before_it_is_built() {
        let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
        for level in 1..12 {
            let below = format!("*a{},", level - 1).repeat(10);
            bomb.push_str(&format!("a{level}: &a{level} [{below}]\n"));
        }
        assert!(
            failure(&bomb).contains("aliases make more than"),
            "{}",
            failure(&bomb)
        );
    }
}
