//! `events.jsonl`: every decision with its inputs, one JSON object a line.
//!
//! Lines are put together by hand: a run has thousands, and through serde's they cost twice as many instructions
//! (30 in place of 15 million, a tenth of the command).

use model::cluster::record::{LogEntry, Value};

/// The log as JSON lines: `t` in seconds, `part`, `object`, `type`, and `data`. Names are in alphabetical order.
pub(crate) fn events_jsonl(log: &[LogEntry]) -> Vec<u8> {
    let mut text = Vec::new();
    for entry in log {
        push_line(&mut text, entry);
    }
    text
}

fn push_line(text: &mut Vec<u8>, entry: &LogEntry) {
    text.extend(b"{\"data\":");
    push_details(text, &entry.details);
    text.extend(b",\"object\":");
    push_text(text, &entry.object);
    text.extend(b",\"part\":");
    push_text(text, entry.part);
    text.extend(b",\"t\":");
    push_json(text, &entry.at.as_secs_f64());
    text.extend(b",\"type\":");
    push_text(text, entry.kind);
    text.extend(b"}\n");
}

fn push_details(text: &mut Vec<u8>, details: &[(&str, Value)]) {
    let mut sorted: Vec<&(&str, Value)> = details.iter().collect();
    sorted.sort_unstable_by_key(|(name, _)| *name);
    text.push(b'{');
    for (place, (name, value)) in sorted.into_iter().enumerate() {
        if place > 0 {
            text.push(b',');
        }
        push_text(text, name);
        text.push(b':');
        match value {
            Value::Text(words) => push_text(text, words),
            Value::Number(number) => push_json(text, number),
            Value::List(list) => push_list(text, list, |text, words| push_text(text, words)),
            Value::Entries(entries) => push_list(text, entries, |text, entry| push_details(text, entry)),
        }
    }
    text.push(b'}');
}

fn push_list<T>(text: &mut Vec<u8>, list: &[T], push: impl Fn(&mut Vec<u8>, &T)) {
    text.push(b'[');
    for (place, item) in list.iter().enumerate() {
        if place > 0 {
            text.push(b',');
        }
        push(text, item);
    }
    text.push(b']');
}

/// Words, which hardly ever hold anything that JSON escapes.
fn push_text(text: &mut Vec<u8>, words: &str) {
    // By index: iterators take ten times as long in a crate that is optimised as little as this one.
    let bytes = words.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] < b' ' || bytes[at] == b'"' || bytes[at] == b'\\' {
            return push_json(text, words);
        }
        at += 1;
    }
    text.push(b'"');
    text.extend_from_slice(bytes);
    text.push(b'"');
}

fn push_json<T: serde::Serialize + ?Sized>(text: &mut Vec<u8>, value: &T) {
    serde_json::to_writer(text, value).expect("memory takes what is written to it");
}

#[cfg(test)]
mod tests {
    use sim::Instant;

    use super::*;

    #[test]
    fn a_line_holds_its_names_in_order() {
        let entry = LogEntry {
            at: Instant::from_millis(1500),
            part: "hpa",
            object: "web \"1\"".into(),
            kind: "Held",
            details: vec![
                ("value", f64::NAN.into()),
                ("current", 3.into()),
                ("nodes", vec!["a 1".to_owned(), "b 2".to_owned()].into()),
                (
                    "metrics",
                    Value::Entries(vec![
                        vec![("name", "first".into()), ("failure", "none".into())],
                        vec![("name", "second".into()), ("value", 0.5.into())],
                    ]),
                ),
            ],
        };
        let metrics = r#"[{"failure":"none","name":"first"},{"name":"second","value":0.5}]"#;
        let line =
            format!(r#"{{"data":{{"current":3.0,"metrics":{metrics},"nodes":["a 1","b 2"],"value":null}},"#);
        let rest = r#""object":"web \"1\"","part":"hpa","t":1.5,"type":"Held"}"#;
        let text = events_jsonl(&[entry]);
        assert_eq!(String::from_utf8(text).unwrap(), format!("{line}{rest}\n"));
    }
}
