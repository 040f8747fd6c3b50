use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::*;
use crate::testing::directory;

fn header() -> Header {
    Header {
        version: VERSION,
        run: "r-1".into(),
        made_by: Maker::Live,
        scenario: None,
        sets: Vec::new(),
        epoch: "2026-03-01T13:35:00Z".into(),
        versions: [("keda".to_owned(), "2.17.2".to_owned())].into(),
        region: None,
        cluster: None,
    }
}

fn pod(change: Change, object: Value) -> Entry {
    Entry::Object(Object {
        change,
        kind: "Pod".into(),
        namespace: "shop".into(),
        name: "web-1".into(),
        uid: "u".into(),
        object,
    })
}

fn write(name: &str, entries: Vec<Entry>) -> PathBuf {
    let dir = directory(name);
    let mut writer = Writer::create(&dir, header(), Durability::AtEnd).unwrap();
    for (n, entry) in entries.into_iter().enumerate() {
        writer.write(n as f64 + 0.1234, entry).unwrap();
    }
    dir
}

fn text_of(dir: &std::path::Path) -> String {
    fs::read_to_string(dir.join(FILE)).unwrap()
}

#[test]
fn what_is_written_is_read_and_unchanged_specs_are_written_once() {
    let first = json!({ "spec": { "nodeName": "a" }, "status": { "phase": "Pending" } });
    let second = json!({ "spec": { "nodeName": "a" }, "status": { "phase": "Running" } });
    let sample = Entry::Sample(Sample {
        source: "prometheus".into(),
        name: "seen.rps".into(),
        series: vec![Series {
            labels: Default::default(),
            points: vec![(1.0, Some(2.5)), (2.0, None)],
        }],
        ..Sample::default()
    });
    let entries = vec![
        pod(Change::Listed, first),
        pod(Change::Modified, second.clone()),
        sample.clone(),
        pod(Change::Deleted, second.clone()),
        Entry::End(End {
            reason: "finished".into(),
        }),
    ];
    let dir = write("whole", entries);
    assert_eq!(text_of(&dir).matches("nodeName").count(), 1);
    let recording = Recording::read(&dir).unwrap();
    assert_eq!(recording.header, header());
    assert!(recording.ended && recording.torn.is_none());
    assert_eq!(
        recording.lines[1],
        Line {
            t: 1.123,
            entry: pod(Change::Modified, second.clone())
        }
    );
    assert_eq!(recording.lines[2].entry, sample);
    assert_eq!(recording.lines[3].entry, pod(Change::Deleted, second));
    assert_eq!(recording.end(), 4.123);
}

#[test]
fn a_recording_is_never_overwritten() {
    let dir = write("twice", vec![]);
    let error = Writer::create(&dir, header(), Durability::AtEnd).unwrap_err();
    assert!(error.to_string().contains("never overwritten"), "{error}");
}

#[test]
fn a_torn_last_line_is_told_and_a_recorder_can_take_up_again() {
    let dir = write(
        "torn",
        vec![pod(Change::Listed, json!({ "spec": { "nodeName": "a" } }))],
    );
    let whole = text_of(&dir);
    for cut in 1..60 {
        fs::write(dir.join(FILE), &whole[..whole.len() - cut]).unwrap();
        let recording = Recording::read(&dir).unwrap();
        // Without its newline alone the line is whole.
        assert_eq!(recording.torn, (cut > 1).then_some(2), "{cut}");
        assert!(!recording.ended);
    }
    let mut writer = Writer::resume(&dir, 9.0, "killed", Durability::EachLine).unwrap();
    writer
        .write(
            9.5,
            Entry::End(End {
                reason: "cleaned".into(),
            }),
        )
        .unwrap();
    let recording = Recording::read(&dir).unwrap();
    assert_eq!(
        (recording.lines.len(), recording.torn, recording.ended),
        (2, None, true)
    );
}

#[test]
fn a_line_that_ends_whole_but_without_newline_is_resumed_on_a_line_of_its_own() {
    let dir = write(
        "no-newline",
        vec![Entry::Clock(Clock {
            source: "api".into(),
            ahead_s: 3.0,
        })],
    );
    let whole = text_of(&dir);
    fs::write(dir.join(FILE), whole.trim_end()).unwrap();
    Writer::resume(&dir, 2.0, "killed", Durability::AtEnd).unwrap();
    assert_eq!(Recording::read(&dir).unwrap().lines.len(), 2);
}

#[test]
fn a_gap_that_closes_is_one_gap() {
    let gap = |to| {
        Entry::Gap(Gap {
            source: "api".into(),
            from: 4.0,
            to,
            reason: "reset".into(),
        })
    };
    let other = Entry::Gap(Gap {
        source: "prometheus".into(),
        from: 4.0,
        to: None,
        reason: "down".into(),
    });
    let recording = Recording::read(&write("gaps", vec![gap(None), other, gap(Some(9.0))])).unwrap();
    let gaps: Vec<(String, Option<f64>)> = recording
        .gaps()
        .into_iter()
        .map(|gap| (gap.source, gap.to))
        .collect();
    assert_eq!(
        gaps,
        [("api".to_owned(), Some(9.0)), ("prometheus".to_owned(), None)]
    );
}

#[track_caller]
fn refused(name: &str, change: impl Fn(String) -> String, expected: &str) {
    let dir = write(
        name,
        vec![Entry::Resumed { reason: "x".into() }, Entry::End(End::default())],
    );
    let text = change(text_of(&dir));
    fs::write(dir.join(FILE), text).unwrap();
    let error = Recording::read(&dir).unwrap_err().to_string();
    assert!(error.contains(expected), "{error}");
}

#[test]
fn what_is_no_recording_is_refused_with_its_place() {
    refused(
        "version",
        |text| text.replace("\"version\":1", "\"version\":7"),
        "of version 7 of the format",
    );
    refused("empty", |_| String::new(), "is empty");
    refused("blank", |_| "\n\n".into(), "is empty");
    refused(
        "middle",
        |text| text.replace("\"reason\":\"x\"", "\"because\":1"),
        "recording.jsonl:2: missing field `reason`",
    );
    refused(
        "field",
        |text| text.replace("\"run\"", "\"ran\""),
        "recording.jsonl:1: unknown field `ran`",
    );
    refused(
        "kind",
        |text| text.replace("\"resumed\"", "\"restarted\""),
        "recording.jsonl:2: unknown variant `restarted`",
    );
    refused(
        "header",
        |text| text.split_once('\n').unwrap().1.into(),
        "expected the header first",
    );
    let missing = Recording::read(&std::env::temp_dir()).unwrap_err().to_string();
    assert!(missing.contains("is no recording"), "{missing}");
    let missing = Recording::read(&directory("nowhere")).unwrap_err().to_string();
    assert!(missing.contains("cannot read"), "{missing}");
}
