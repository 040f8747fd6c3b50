//! Which fields there are, and what becomes of each.
//!
//! Every kind of document has one table. The parser checks a document against it, so that a misspelt field
//! is an error and a field without effect is named; `check --fields` prints it.

use sim::SortedMap;

use super::cursor::Cursor;
use super::similar::closest;
use super::tree::Shape;

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

/// What a field holds, where nobody reads it and the API server looks at its type all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// Its readers say, or nobody does.
    Anything,
    /// A text.
    Text,
    /// A list of texts.
    Texts,
    /// A mapping of names to texts.
    TextMap,
    /// true or false.
    Truth,
    /// A whole number that is not negative.
    Count,
    /// A mapping, whatever is in it.
    Mapping,
    /// A list, whatever is in it.
    List,
}

impl Holds {
    /// Reports what is of another type.
    fn check(self, at: &Cursor<'_>) {
        match self {
            Holds::Anything => {}
            Holds::Text => {
                let _ = at.text();
            }
            Holds::Texts => {
                each_text(at.items());
            }
            Holds::TextMap => {
                each_text(at.entries().into_iter().map(|(_, own)| own));
            }
            Holds::Truth => {
                let _ = at.bool();
            }
            Holds::Count => {
                let _ = at.int(0..=i64::MAX);
            }
            Holds::Mapping => {
                let _ = at.is_mapping();
            }
            Holds::List => {
                let _ = at.is_list();
            }
        }
    }
}

fn each_text<'a>(values: impl IntoIterator<Item = Cursor<'a>>) {
    for own in values {
        let _ = own.text();
    }
}

/// A row of a table, or a table within a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// The path, with `[]` for the items of a list and `*` for any key. All that is below a path without
    /// rows of its own belongs to it.
    pub path: &'static str,
    /// What becomes of it.
    pub class: Class,
    /// Why, or what it does; empty if that is plain.
    pub note: &'static str,
    /// The fields below it, where several tables share them.
    pub below: &'static [Field],
    /// The value that says what is assumed anyway, and which is thus neither refused nor warned of; empty if
    /// there is none.
    pub neutral: &'static str,
    /// What it holds.
    pub holds: Holds,
}

impl Field {
    /// The same field, which holds this.
    #[must_use]
    pub const fn of(self, holds: Holds) -> Field {
        Field { holds, ..self }
    }

    /// The same field, about which nothing is said if it has this value: the API server writes it into every
    /// object that `kubectl get` shows.
    #[must_use]
    pub const fn unless(self, neutral: &'static str) -> Field {
        Field { neutral, ..self }
    }
}

const fn field(path: &'static str, class: Class, note: &'static str) -> Field {
    Field {
        path,
        class,
        note,
        below: &[],
        neutral: "",
        holds: Holds::Anything,
    }
}

/// A field that takes part.
#[must_use]
pub const fn simulated(path: &'static str) -> Field {
    field(path, Class::Simulated, "")
}

/// A field that takes part, and what it does.
#[must_use]
pub const fn noted(path: &'static str, note: &'static str) -> Field {
    field(path, Class::Simulated, note)
}

/// A field that can have no effect.
#[must_use]
pub const fn quiet(path: &'static str, note: &'static str) -> Field {
    field(path, Class::Quiet, note)
}

/// A field that is ignored, and why.
#[must_use]
pub const fn ignored(path: &'static str, note: &'static str) -> Field {
    field(path, Class::Ignored, note)
}

/// A field that is refused, and why.
#[must_use]
pub const fn refused(path: &'static str, note: &'static str) -> Field {
    field(path, Class::Refused, note)
}

/// A table under a path; the empty path puts its rows beside the others.
#[must_use]
pub const fn table(path: &'static str, below: &'static [Field]) -> Field {
    Field {
        path,
        class: Class::Simulated,
        note: "",
        below,
        neutral: "",
        holds: Holds::Anything,
    }
}

/// Every row of a table with its full path, tables within it unfolded.
#[must_use]
pub fn rows(table: &'static [Field]) -> Vec<(String, Field)> {
    let mut rows = Vec::new();
    unfold("", table, &mut rows);
    rows
}

fn unfold(prefix: &str, fields: &'static [Field], rows: &mut Vec<(String, Field)>) {
    for field in fields {
        let path = match (prefix.is_empty(), field.path.is_empty()) {
            (true, _) => field.path.to_owned(),
            (_, true) => prefix.to_owned(),
            _ => format!("{prefix}.{}", field.path),
        };
        if field.below.is_empty() {
            rows.push((path, *field));
        } else {
            unfold(&path, field.below, rows);
        }
    }
}

/// A table as a tree.
#[derive(Debug, Default)]
pub struct Schema {
    own: Option<Field>,
    below: SortedMap<&'static str, Schema>,
}

impl Schema {
    /// The tree of a table.
    #[must_use]
    pub fn new(table: &'static [Field]) -> Self {
        let mut root = Schema::default();
        root.add(table);
        root
    }

    fn add(&mut self, fields: &'static [Field]) {
        for field in fields {
            let at =
                segments(field.path).fold(&mut *self, |at, segment| at.below.entry(segment).or_default());
            if field.below.is_empty() {
                at.own = Some(*field);
            } else {
                at.add(field.below);
            }
        }
    }

    fn child(&self, key: &str) -> Option<&Schema> {
        self.below.get(key).or_else(|| self.below.get("*"))
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        let names = self.below.keys().copied();
        names.filter(|name| !matches!(*name, "*" | "[]"))
    }

    /// Reports every field of a value that has no row, is ignored or refused, or has the wrong shape.
    pub fn check(&self, at: &Cursor<'_>) {
        let Some(value) = at.value() else { return };
        if let Some(Field {
            class,
            note,
            neutral,
            holds,
            ..
        }) = self.own
        {
            let changes_nothing = !neutral.is_empty() && value.text() == Some(neutral);
            match class {
                Class::Simulated => holds.check(at),
                Class::Refused if !changes_nothing => {
                    at.error("E006", format!("this field cannot be simulated: {note}"), "");
                    return;
                }
                Class::Ignored if !changes_nothing => {
                    at.warn("W001", format!("ignored: {note}"), "");
                    return holds.check(at);
                }
                Class::Refused | Class::Ignored | Class::Quiet => return holds.check(at),
            }
        }
        if self.below.is_empty() {
            return;
        }
        match (&value.shape, self.below.get("[]")) {
            (Shape::List(_), Some(item)) => at.items().iter().for_each(|child| item.check(child)),
            (Shape::Map(entries), None) => {
                for entry in entries {
                    let child = at.entry(entry);
                    match self.child(&entry.key) {
                        Some(schema) => schema.check(&child),
                        None => self.unknown(&child, &entry.key),
                    }
                }
            }
            (_, Some(_)) => {
                let _ = at.is_list();
            }
            (_, None) => {
                let _ = at.is_mapping();
            }
        }
    }

    fn unknown(&self, at: &Cursor<'_>, key: &str) {
        let hint = match closest(key, self.names()) {
            Some(name) => format!("did you mean {name:?}?"),
            None => {
                let names: Vec<&str> = self.names().collect();
                format!("expected one of: {}", names.join(", "))
            }
        };
        at.error("E002", format!("unknown field {key:?}"), &hint);
    }
}

/// The names in a path, and `[]` for each list.
fn segments(path: &'static str) -> impl Iterator<Item = &'static str> {
    let parts = path.split('.').filter(|part| !part.is_empty());
    parts.flat_map(|part| match part.strip_suffix("[]") {
        Some(name) => [Some(name), Some("[]")].into_iter().flatten(),
        None => [Some(part), None].into_iter().flatten(),
    })
}
