//! `events.jsonl`: every decision with its inputs, one JSON object a line.

use model::cluster::record::{LogEntry, Value};
use serde_json::{Map, json};

/// The log as JSON lines: `t` in seconds, `part`, `object`, `type`, and `data`.
pub(crate) fn events_jsonl(log: &[LogEntry]) -> Vec<u8> {
    let mut text = String::new();
    for entry in log {
        text.push_str(&line(entry).to_string());
        text.push('\n');
    }
    text.into_bytes()
}

fn line(entry: &LogEntry) -> serde_json::Value {
    let data: Map<String, serde_json::Value> = entry
        .details
        .iter()
        .map(|(name, value)| ((*name).to_owned(), plain(value)))
        .collect();
    json!({
        "t": entry.at.as_secs_f64(),
        "part": entry.part,
        "object": entry.object,
        "type": entry.kind,
        "data": data,
    })
}

fn plain(value: &Value) -> serde_json::Value {
    match value {
        Value::Text(text) => json!(text),
        Value::Number(number) => json!(number),
        Value::List(list) => json!(list),
    }
}
