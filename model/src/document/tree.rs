//! The tree that YAML and TOML have in common.

use std::fmt;

/// A text and the name it is called by in messages: its path in the scenario's directory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Source {
    /// The path, relative to the scenario's directory.
    pub path: String,
    /// The text.
    pub text: String,
}

/// Where something stands in a file: lines and columns count from 1; line 0 is "in the whole file".
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: u32,
    /// The column, in characters.
    pub column: u32,
}

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Value {
    /// Its first character.
    pub place: Place,
    /// What it is.
    pub shape: Shape,
}

/// A scalar.
#[derive(Debug, Clone, PartialEq)]
pub enum Scalar {
    /// Nothing, `null` or `~`.
    Null,
    /// A truth value.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A number with a fraction or an exponent, or too big for an integer.
    Float(f64),
    /// Anything else, and anything in quotes.
    Text,
}

/// What a value is.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// A scalar: how it is read, and the text as written, without quotes.
    Scalar(Scalar, String),
    /// A sequence.
    List(Vec<Value>),
    /// A mapping, in the order written.
    Map(Vec<Entry>),
}

/// A key and its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key stands.
    pub place: Place,
    /// The value.
    pub value: Value,
}

impl Value {
    /// The value of a mapping's key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        match &self.shape {
            Shape::Map(entries) => entries
                .iter()
                .find(|entry| entry.key == key)
                .map(|entry| &entry.value),
            Shape::Scalar(..) | Shape::List(_) => None,
        }
    }

    /// A text that stands nowhere.
    #[must_use]
    pub fn from_text(text: &str) -> Self {
        Value {
            place: Place::default(),
            shape: Shape::Scalar(Scalar::Text, text.to_owned()),
        }
    }

    /// Takes the places away: the value does not stand in a file.
    pub(super) fn forget_places(&mut self) {
        self.place = Place::default();
        match &mut self.shape {
            Shape::Scalar(..) => {}
            Shape::List(items) => items.iter_mut().for_each(Value::forget_places),
            Shape::Map(entries) => entries.iter_mut().for_each(|entry| {
                entry.place = Place::default();
                entry.value.forget_places();
            }),
        }
    }

    /// The text of a scalar as written.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match &self.shape {
            Shape::Scalar(_, text) => Some(text),
            Shape::List(_) | Shape::Map(_) => None,
        }
    }

    /// Whether there is nothing: `key:` without a value is the same as no key.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self.shape, Shape::Scalar(Scalar::Null, _))
    }

    /// What it is, for a message: `the text "x"`, `a list`.
    #[must_use]
    pub fn describe(&self) -> String {
        match &self.shape {
            Shape::Scalar(Scalar::Null, _) => "nothing".to_owned(),
            Shape::Scalar(Scalar::Text, text) => format!("the text {:?}", shortened(text)),
            Shape::Scalar(_, text) => shortened(text),
            Shape::List(_) => "a list".to_owned(),
            Shape::Map(_) => "a mapping".to_owned(),
        }
    }
}

fn shortened(text: &str) -> String {
    const SHOWN: usize = 60;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}
