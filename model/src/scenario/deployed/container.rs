//! What a container is told by its command line and its environment.

use super::Stated;
use crate::document::{Cursor, Value, go_duration};

/// Flags and variables.
pub(super) struct Container<'c> {
    /// Names as they are written, without dashes, and values; empty if there is none.
    flags: Vec<(Cursor<'c>, String, String)>,
    variables: Vec<(Cursor<'c>, String, String)>,
}

impl<'c> Container<'c> {
    pub(super) fn read(at: &Cursor<'c>) -> Self {
        Container {
            flags: flags(at),
            variables: variables(at),
        }
    }

    /// The value of a flag, whose name is read without regard to case, or of a variable.
    pub(super) fn find(&self, flag: &str, variable: &str) -> Option<(Cursor<'c>, String)> {
        let of_flag = self
            .flags
            .iter()
            .find(|(_, name, _)| name.eq_ignore_ascii_case(flag));
        let own = of_flag.or_else(|| self.variables.iter().find(|(_, name, _)| name == variable));
        own.map(|(at, _, value)| (at.clone(), value.clone()))
    }

    /// Traefik takes a bare number for seconds.
    pub(super) fn duration(
        &self,
        flag: &str,
        variable: &str,
        field: &'static str,
        take: &mut impl FnMut(Stated<'_>),
    ) {
        let Some((at, text)) = self.find(flag, variable) else {
            return;
        };
        let text = match text.parse::<u32>() {
            Ok(seconds) => format!("{seconds}s"),
            Err(_) => text,
        };
        if go_duration(&text).is_some_and(|duration| !duration.is_zero()) {
            let (value, field) = (Value::from_text(&text), field.into());
            take(Stated { at, field, value });
        }
    }
}

fn flags<'c>(container: &Cursor<'c>) -> Vec<(Cursor<'c>, String, String)> {
    let written = ["command", "args"].map(|key| container.get(key).items());
    let flag = |at: Cursor<'c>| {
        let text = at.written()?.strip_prefix('-')?;
        let text = text.strip_prefix('-').unwrap_or(text);
        let (name, value) = text.split_once('=').unwrap_or((text, "true"));
        let (name, value) = (name.to_owned(), value.to_owned());
        Some((at, name, value))
    };
    written.into_iter().flatten().filter_map(flag).collect()
}

fn variables<'c>(container: &Cursor<'c>) -> Vec<(Cursor<'c>, String, String)> {
    let variable = |at: Cursor<'c>| {
        let name = at.get("name").written()?.to_owned();
        let value = at.get("value");
        let is_known = value.is_given() || !at.get("valueFrom").is_given();
        let text = value.written().unwrap_or_default().to_owned();
        is_known.then_some((value, name, text))
    };
    container
        .get("env")
        .items()
        .into_iter()
        .filter_map(variable)
        .collect()
}

/// As Go's strconv.ParseBool has it.
pub(super) fn truth(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}
