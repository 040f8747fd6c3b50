//! Which fields there are, and what becomes of each.
//!
//! Every kind of document has one table. The parser checks a document against it, so that a misspelt field
//! is an error and a field without effect is named; `check --fields` prints it.

use std::collections::BTreeMap;

use super::cursor::{Context, Cursor};
use super::diagnostic::Severity;
use super::similar::closest;
use super::tree::{Shape, Value};

/// What becomes of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// It takes part.
    Simulated,
    /// It is accepted without effect and without a word: it has none here by its nature.
    Quiet,
    /// It is accepted, has no effect here, and a warning says so.
    Ignored,
    /// A run with it would be wrong: it is an error.
    Refused,
}

impl Class {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Class::Simulated => "simulated",
            Class::Quiet => "no effect",
            Class::Ignored => "ignored",
            Class::Refused => "refused",
        }
    }
}

/// A row of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// The path, with `[]` for the items of a list and `*` for any key. All that is below a path without
    /// rows of its own belongs to it.
    pub path: &'static str,
    /// What becomes of it.
    pub class: Class,
    /// Why, or what it does; empty if that is plain.
    pub note: &'static str,
}

/// A field that takes part.
#[must_use]
pub const fn simulated(path: &'static str) -> Field {
    Field {
        path,
        class: Class::Simulated,
        note: "",
    }
}

/// A field that takes part, and what it does.
#[must_use]
pub const fn noted(path: &'static str, note: &'static str) -> Field {
    Field {
        path,
        class: Class::Simulated,
        note,
    }
}

/// A field that can have no effect.
#[must_use]
pub const fn quiet(path: &'static str, note: &'static str) -> Field {
    Field {
        path,
        class: Class::Quiet,
        note,
    }
}

/// A field that is ignored, and why.
#[must_use]
pub const fn ignored(path: &'static str, note: &'static str) -> Field {
    Field {
        path,
        class: Class::Ignored,
        note,
    }
}

/// A field that is refused, and why.
#[must_use]
pub const fn refused(path: &'static str, note: &'static str) -> Field {
    Field {
        path,
        class: Class::Refused,
        note,
    }
}

/// Rows, each group under a common path.
pub type Groups = &'static [(&'static str, &'static [Field])];

/// The full path of a row in a group.
#[must_use]
pub fn full_path(prefix: &str, path: &str) -> String {
    match (prefix.is_empty(), path.is_empty()) {
        (true, _) => path.to_owned(),
        (_, true) => prefix.to_owned(),
        _ => format!("{prefix}.{path}"),
    }
}

/// A table as a tree.
#[derive(Debug, Default)]
pub struct Schema {
    own: Option<(Class, &'static str)>,
    below: BTreeMap<String, Schema>,
}

impl Schema {
    /// The tree of a table.
    #[must_use]
    pub fn new(groups: Groups) -> Self {
        let mut root = Schema::default();
        for (prefix, fields) in groups {
            for field in *fields {
                let mut at = &mut root;
                for segment in segments(&full_path(prefix, field.path)) {
                    at = at.below.entry(segment).or_default();
                }
                at.own = Some((field.class, field.note));
            }
        }
        root
    }

    fn child(&self, key: &str) -> Option<&Schema> {
        self.below.get(key).or_else(|| self.below.get("*"))
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.below
            .keys()
            .map(String::as_str)
            .filter(|name| !matches!(*name, "*" | "[]"))
    }

    /// Reports every field of a value that has no row, is ignored or refused, or has the wrong shape.
    pub fn check(&self, value: &Value, context: &Context<'_>) {
        self.check_at(&context.root(value), context);
    }

    fn check_at(&self, at: &Cursor<'_>, context: &Context<'_>) {
        let Some(value) = at.value() else { return };
        match self.own {
            Some((Class::Refused, note)) => {
                context.report(
                    Severity::Error,
                    "E006",
                    at,
                    format!("this field cannot be simulated: {note}"),
                    "",
                );
                return;
            }
            Some((Class::Ignored, note)) => {
                context.report(Severity::Warning, "W001", at, format!("ignored: {note}"), "");
                return;
            }
            Some((Class::Quiet, _)) => return,
            Some((Class::Simulated, _)) | None => {}
        }
        if self.below.is_empty() {
            return;
        }
        match (&value.shape, self.below.get("[]")) {
            (Shape::List(_), Some(item)) => at.items().iter().for_each(|child| item.check_at(child, context)),
            (Shape::Map(entries), None) => {
                for entry in entries {
                    let child = at.entry(entry);
                    match self.child(&entry.key) {
                        Some(schema) => schema.check_at(&child, context),
                        None => self.unknown(&child, &entry.key, context),
                    }
                }
            }
            (_, item) => {
                let expected = if item.is_some() { "a list" } else { "a mapping" };
                let found = value.describe();
                context.report(
                    Severity::Error,
                    "E003",
                    at,
                    format!("expected {expected}, found {found}"),
                    "",
                );
            }
        }
    }

    fn unknown(&self, at: &Cursor<'_>, key: &str, context: &Context<'_>) {
        let hint = match closest(key, self.names()) {
            Some(name) => format!("did you mean {name:?}?"),
            None => {
                let names: Vec<&str> = self.names().collect();
                format!("expected one of: {}", names.join(", "))
            }
        };
        context.report(
            Severity::Error,
            "E002",
            at,
            format!("unknown field {key:?}"),
            &hint,
        );
    }
}

fn segments(path: &str) -> Vec<String> {
    let mut segments = Vec::new();
    for part in path.split('.').filter(|part| !part.is_empty()) {
        match part.strip_suffix("[]") {
            Some(name) => segments.extend([name.to_owned(), "[]".to_owned()]),
            None => segments.push(part.to_owned()),
        }
    }
    segments
}
