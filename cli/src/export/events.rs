//! `events.jsonl`: every decision with its inputs, one JSON object a line.

use std::collections::BTreeMap;

use model::cluster::record::{LogEntry, Value};
use serde::{Serialize, Serializer};

/// The log as JSON lines: `t` in seconds, `part`, `object`, `type`, and `data`. They are written as they are met:
/// a run has a thousand.
pub(crate) fn events_jsonl(log: &[LogEntry]) -> Vec<u8> {
    let mut text = Vec::new();
    for entry in log {
        serde_json::to_writer(&mut text, &Line::of(entry)).expect("memory takes what is written to it");
        text.push(b'\n');
    }
    text
}

/// An entry, with names in alphabetical order.
#[derive(Serialize)]
struct Line<'a> {
    /// Of a name that several metrics have, the last.
    data: BTreeMap<&'a str, Plain<'a>>,
    object: &'a str,
    part: &'a str,
    t: f64,
    r#type: &'a str,
}

impl<'a> Line<'a> {
    fn of(entry: &'a LogEntry) -> Self {
        let details = entry.details.iter();
        Line {
            data: details.map(|(name, value)| (*name, Plain(value))).collect(),
            object: &entry.object,
            part: entry.part,
            t: entry.at.as_secs_f64(),
            r#type: entry.kind,
        }
    }
}

/// A value as JSON has it.
struct Plain<'a>(&'a Value);

impl Serialize for Plain<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Text(text) => serializer.serialize_str(text),
            Value::Number(number) => serializer.serialize_f64(*number),
            Value::List(list) => list.serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use sim::Instant;

    use super::*;

    #[test]
    fn a_line_holds_its_names_in_order_and_each_once() {
        let entry = LogEntry {
            at: Instant::from_millis(1500),
            part: "hpa",
            object: "web \"1\"".into(),
            kind: "Held",
            details: vec![
                ("metric", "first".into()),
                ("current", 3.into()),
                ("metric", "second".into()),
                ("value", f64::NAN.into()),
                ("nodes", vec!["a 1".to_owned(), "b 2".to_owned()].into()),
            ],
        };
        let line = r#"{"data":{"current":3.0,"metric":"second","nodes":["a 1","b 2"],"value":null},"#;
        let rest = r#""object":"web \"1\"","part":"hpa","t":1.5,"type":"Held"}"#;
        let text = events_jsonl(&[entry]);
        assert_eq!(String::from_utf8(text).unwrap(), format!("{line}{rest}\n"));
    }
}
