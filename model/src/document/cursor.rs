//! Reading a tree while collecting everything that is wrong with it.

use std::cell::RefCell;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::diagnostic::{Diagnostic, Severity};
use super::duration::{go_duration, no_duration};
use super::tree::{Entry, Place, Scalar, Shape, Value};
use crate::quantity::Quantity;

/// Where problems go, and what they are about.
#[derive(Debug)]
pub struct Context<'a> {
    file: &'a str,
    /// The object's kind and name, before the field in messages; empty if there is only one.
    object: String,
    problems: &'a RefCell<Vec<Diagnostic>>,
}

impl<'a> Context<'a> {
    /// A context for one file, or one object in it.
    #[must_use]
    pub fn new(file: &'a str, object: String, problems: &'a RefCell<Vec<Diagnostic>>) -> Self {
        Context {
            file,
            object,
            problems,
        }
    }

    /// The cursor at the top of a document.
    #[must_use]
    pub fn root<'c>(&'c self, value: &'c Value) -> Cursor<'c> {
        Cursor {
            context: self,
            value: Some(value),
            place: value.place,
            path: String::new(),
        }
    }

    /// The file.
    #[must_use]
    pub fn file(&self) -> &'a str {
        self.file
    }

    /// Whether an error was reported at a place in the document or below it.
    #[must_use]
    pub fn has_error(&self, at: &Cursor<'_>) -> bool {
        let field = self.field(at);
        let is_of = |problem: &Diagnostic| {
            let rest = problem.field.strip_prefix(&field);
            let own = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']));
            own && problem.severity == Severity::Error && problem.file == self.file
        };
        self.problems.borrow().iter().any(is_of)
    }

    /// Whether an error was reported at this very place.
    fn has_error_at(&self, at: &Cursor<'_>) -> bool {
        let field = self.field(at);
        let is_here = |problem: &Diagnostic| {
            let place = (problem.line, problem.column) == (at.place.line, at.place.column);
            let own = place && problem.field == field && problem.file == self.file;
            own && problem.severity == Severity::Error
        };
        self.problems.borrow().iter().any(is_here)
    }

    /// A place as diagnostics name it.
    fn field(&self, at: &Cursor<'_>) -> String {
        match (self.object.is_empty(), at.path.is_empty()) {
            (true, _) => at.path.clone(),
            (false, true) => self.object.clone(),
            (false, false) => format!("{}: {}", self.object, at.path),
        }
    }

    /// Reports something about a place in the document.
    pub fn report(
        &self,
        severity: Severity,
        code: &'static str,
        at: &Cursor<'_>,
        message: impl Into<String>,
        hint: &str,
    ) {
        let field = self.field(at);
        self.problems.borrow_mut().push(Diagnostic {
            severity,
            code,
            file: self.file.to_owned(),
            line: at.place.line,
            column: at.place.column,
            field,
            message: message.into(),
            hint: hint.to_owned(),
        });
    }
}

/// A place in a document: a value, or the absence of one. Readers answer `None` for what is absent or, after
/// having reported it, wrong.
#[derive(Debug, Clone)]
pub struct Cursor<'a> {
    context: &'a Context<'a>,
    value: Option<&'a Value>,
    place: Place,
    path: String,
}

impl<'a> Cursor<'a> {
    /// The value, unless it is absent or null.
    #[must_use]
    pub fn value(&self) -> Option<&'a Value> {
        self.value.filter(|value| !value.is_null())
    }

    /// The text of a scalar as it is written, whatever it is; nothing is said if there is none.
    #[must_use]
    pub fn written(&self) -> Option<&'a str> {
        self.value()?.text()
    }

    /// Whether something is given.
    #[must_use]
    pub fn is_given(&self) -> bool {
        self.value().is_some()
    }

    /// The file it stands in.
    #[must_use]
    pub fn file(&self) -> &'a str {
        self.context.file
    }

    /// Where it stands, or where the thing stands that lacks it.
    #[must_use]
    pub fn place(&self) -> Place {
        self.place
    }

    /// The field's path.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The value of a key of this mapping, or its absence.
    #[must_use]
    pub fn get(&self, key: &str) -> Cursor<'a> {
        let mut cursor = self.with_room(key.len() + 2);
        cursor.descend(key);
        cursor
    }

    /// What a path of keys leads to: `spec.template.spec`.
    #[must_use]
    pub fn at(&self, path: &str) -> Cursor<'a> {
        let mut cursor = self.with_room(path.len() + 2);
        path.split('.').for_each(|key| cursor.descend(key));
        cursor
    }

    /// The cursor of one of this mapping's entries.
    #[must_use]
    pub fn entry(&self, entry: &'a Entry) -> Cursor<'a> {
        let mut cursor = self.with_room(entry.key.len() + 2);
        cursor.enter(entry);
        cursor
    }

    /// The same place, its path with room for so much more.
    fn with_room(&self, more: usize) -> Cursor<'a> {
        let mut path = String::with_capacity(self.path.len() + more);
        path.push_str(&self.path);
        Cursor { path, ..*self }
    }

    /// Goes on to the value of a key of this mapping, or its absence.
    fn descend(&mut self, key: &str) {
        let found = match self.value.map(|value| &value.shape) {
            Some(Shape::Map(entries)) => entries.iter().find(|entry| entry.key == key),
            _ => None,
        };
        match found {
            Some(entry) => self.enter(entry),
            None => {
                self.value = None;
                self.lengthen(key);
            }
        }
    }

    fn enter(&mut self, entry: &'a Entry) {
        self.place = match entry.value.shape {
            // A complaint about a whole mapping or list points at its key.
            Shape::Map(_) | Shape::List(_) => entry.place,
            Shape::Scalar(..) if entry.value.is_null() => entry.place,
            Shape::Scalar(..) => entry.value.place,
        };
        self.value = Some(&entry.value);
        self.lengthen(&entry.key);
    }

    fn lengthen(&mut self, key: &str) {
        let path = &mut self.path;
        // A key with dots in it, as labels and resources have, is shown as such.
        if key.contains('.') {
            path.extend(["[", key, "]"]);
        } else {
            if !path.is_empty() && !key.starts_with('[') {
                path.push('.');
            }
            path.push_str(key);
        }
    }

    /// The items of a list; none if there is none. What is no list is reported.
    #[must_use]
    pub fn items(&self) -> Vec<Cursor<'a>> {
        let Some(Shape::List(items)) = self.value().map(|value| &value.shape) else {
            let _ = self.is_list();
            return Vec::new();
        };
        let item = |(index, value): (usize, &'a Value)| Cursor {
            context: self.context,
            value: Some(value),
            place: value.place,
            path: format!("{}[{index}]", self.path),
        };
        items.iter().enumerate().map(item).collect()
    }

    /// The entries of a mapping; none if there is none. What is no mapping is reported.
    #[must_use]
    pub fn entries(&self) -> Vec<(&'a str, Cursor<'a>)> {
        let Some(Shape::Map(entries)) = self.value().map(|value| &value.shape) else {
            let _ = self.is_mapping();
            return Vec::new();
        };
        entries
            .iter()
            .map(|entry| (entry.key.as_str(), self.entry(entry)))
            .collect()
    }

    /// Whether a list is given; another value is reported.
    #[must_use]
    pub fn is_list(&self) -> bool {
        self.has_shape("a list", |shape| matches!(shape, Shape::List(_)))
    }

    /// Whether a mapping is given; another value is reported.
    #[must_use]
    pub fn is_mapping(&self) -> bool {
        self.has_shape("a mapping", |shape| matches!(shape, Shape::Map(_)))
    }

    /// Several look at a field, each for its own reason: a value of another shape is reported to the first.
    fn has_shape(&self, expected: &str, fits: impl Fn(&Shape) -> bool) -> bool {
        let Some(value) = self.value() else { return false };
        let fits = fits(&value.shape);
        if !fits && !self.context.has_error_at(self) {
            self.wrong::<()>(expected);
        }
        fits
    }

    /// Reports an error here.
    pub fn error(&self, code: &'static str, message: impl Into<String>, hint: &str) {
        self.context.report(Severity::Error, code, self, message, hint);
    }

    /// Reports a warning here.
    pub fn warn(&self, code: &'static str, message: impl Into<String>, hint: &str) {
        self.context.report(Severity::Warning, code, self, message, hint);
    }

    fn wrong<T>(&self, expected: &str) -> Option<T> {
        let found = self.value().map_or_else(|| "nothing".to_owned(), Value::describe);
        self.error("E003", format!("expected {expected}, found {found}"), "");
        None
    }

    /// The same, and an error if it is absent.
    #[must_use]
    pub fn required(self) -> Self {
        self.required_as("")
    }

    /// The same, with a hint how to write it.
    #[must_use]
    pub fn required_as(self, hint: &str) -> Self {
        if !self.is_given() {
            let name = self.path.rsplit('.').next().unwrap_or_default();
            self.error("E005", format!("{name} is missing"), hint);
        }
        self
    }

    /// A text. A number or truth value without quotes is refused, as the API server does.
    #[must_use]
    pub fn text(&self) -> Option<&'a str> {
        match &self.value()?.shape {
            Shape::Scalar(Scalar::Text, text) => Some(text),
            Shape::Scalar(_, text) => {
                self.error(
                    "E003",
                    format!("expected a text, found {text}"),
                    &format!("write it in quotes: \"{text}\""),
                );
                None
            }
            _ => self.wrong("a text"),
        }
    }

    /// A scalar of any kind, as written.
    #[must_use]
    pub fn scalar(&self) -> Option<&'a str> {
        match &self.value()?.shape {
            Shape::Scalar(_, text) => Some(text),
            _ => self.wrong("a text or a number"),
        }
    }

    /// A text that is not empty.
    #[must_use]
    pub fn name(&self) -> Option<&'a str> {
        let text = self.text()?;
        if text.trim().is_empty() {
            self.error("E004", "expected a name, found an empty text", "");
            return None;
        }
        Some(text)
    }

    /// A truth value.
    #[must_use]
    pub fn bool(&self) -> Option<bool> {
        match &self.value()?.shape {
            Shape::Scalar(Scalar::Bool(truth), _) => Some(*truth),
            _ => self.wrong("true or false"),
        }
    }

    /// An integer within bounds.
    #[must_use]
    pub fn int(&self, bounds: RangeInclusive<i64>) -> Option<i64> {
        let number = match &self.value()?.shape {
            Shape::Scalar(Scalar::Int(number), _) => *number,
            _ => return self.wrong("a whole number"),
        };
        if !bounds.contains(&number) {
            let (low, high) = (bounds.start(), bounds.end());
            self.error(
                "E004",
                format!("expected a whole number from {low} to {high}, found {number}"),
                "",
            );
            return None;
        }
        Some(number)
    }

    /// A number of replicas, nodes or the like, from `least` up to a million.
    #[must_use]
    pub fn count(&self, least: i32) -> Option<i32> {
        self.int(i64::from(least)..=1_000_000)
            .and_then(|number| i32::try_from(number).ok())
    }

    /// A finite number within bounds.
    #[must_use]
    pub fn number(&self, bounds: RangeInclusive<f64>) -> Option<f64> {
        let number = match &self.value()?.shape {
            Shape::Scalar(Scalar::Int(number), _) => *number as f64,
            Shape::Scalar(Scalar::Float(number), _) => *number,
            _ => return self.wrong("a number"),
        };
        self.within(number, bounds)
    }

    /// A number that is a text by its type, as in KEDA's trigger metadata.
    #[must_use]
    pub fn number_text(&self, bounds: RangeInclusive<f64>) -> Option<f64> {
        let text = self.text()?;
        match text.trim().parse() {
            Ok(number) => self.within(number, bounds),
            Err(_) => self.wrong("a number in quotes"),
        }
    }

    fn within(&self, number: f64, bounds: RangeInclusive<f64>) -> Option<f64> {
        if !bounds.contains(&number) {
            let (low, high) = (bounds.start(), bounds.end());
            self.error(
                "E004",
                format!("expected a number from {low} to {high}, found {number}"),
                "",
            );
            return None;
        }
        Some(number)
    }

    /// A non-negative quantity such as `500m` or `1Gi`.
    #[must_use]
    pub fn quantity(&self) -> Option<Quantity> {
        let text = self.scalar()?;
        match text.parse::<Quantity>() {
            Ok(quantity) if quantity < Quantity::default() => {
                self.error(
                    "E004",
                    format!("a quantity must not be negative, found {text}"),
                    "",
                );
                None
            }
            Ok(quantity) if quantity.whole() == i64::MAX => {
                self.error("E004", format!("{text} is more than can be meant"), "");
                None
            }
            Ok(quantity) => Some(quantity),
            Err(error) => {
                self.error("E003", error.to_string(), "");
                None
            }
        }
    }

    /// A duration given as a whole number of seconds, as in `terminationGracePeriodSeconds`.
    #[must_use]
    pub fn seconds(&self, least: i64) -> Option<Duration> {
        const YEAR: i64 = 366 * 86_400;
        let seconds = self.int(least..=YEAR)?;
        u64::try_from(seconds).ok().map(Duration::from_secs)
    }

    /// A duration such as `90s` or `1h30m`.
    #[must_use]
    pub fn duration(&self) -> Option<Duration> {
        let text = self.scalar()?;
        let duration = go_duration(text);
        if duration.is_none() {
            self.error("E003", no_duration(text, "30s, 5m or 1h30m"), "");
        }
        duration
    }

    /// One of the names that an enumeration has.
    #[must_use]
    pub fn one_of<T: Copy>(&self, choices: &[(&str, T)]) -> Option<T> {
        let text = self.text()?;
        let found = choices.iter().find(|(name, _)| *name == text);
        if found.is_none() {
            let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
            let hint =
                super::closest(text, names.iter().copied()).map(|name| format!("did you mean {name:?}?"));
            let message = format!("expected {}, found {text:?}", alternatives(&names));
            self.error("E004", message, &hint.unwrap_or_default());
        }
        found.map(|(_, choice)| *choice)
    }
}

/// `a`, `a or b`, `a, b or c`.
fn alternatives(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}
