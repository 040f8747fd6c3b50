//! `compare` and `calibrate`: a run beside a recording.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde_json::Value;

use super::{Said, copy, directory, path, repository, scaletwin};

/// A run and its recording, made once. With seed 1 the HPA's status says 113m for 7.98 of 71 pods, which is 8 pods or 9.
fn recorded() -> &'static (PathBuf, PathBuf) {
    static ONCE: OnceLock<(PathBuf, PathBuf)> = OnceLock::new();
    ONCE.get_or_init(|| {
        let dir = directory("recorded");
        let (sim, rec) = (dir.join("sim"), dir.join("rec"));
        let said = scaletwin(&[
            "run",
            "scenarios/php-apache",
            "--no-plots",
            "--seed",
            "4",
            "--out",
            path(&sim),
            "--record",
            path(&rec),
        ]);
        assert_eq!(said.status, 0, "{}", said.stderr);
        assert!(said.stderr.contains("recorded seed 4 in"), "{}", said.stderr);
        (sim, rec)
    })
}

/// A copy of the recording, to be spoiled.
fn copied(name: &str) -> PathBuf {
    let dir = directory(name).join("rec");
    copy(&recorded().1, &dir);
    dir
}

fn compare(rec: &Path, more: &[&str]) -> Said {
    let out = directory(&format!(
        "compare-{}",
        rec.parent().unwrap().file_name().unwrap().to_str().unwrap()
    ));
    let mut args = vec![
        "compare",
        path(&recorded().0),
        path(rec),
        "--no-plots",
        "--out",
        path(&out),
    ];
    args.extend(more);
    scaletwin(&args)
}

fn spoil(rec: &Path, change: impl Fn(String) -> String) {
    let file = rec.join("recording.jsonl");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(file, change(text)).unwrap();
}

#[test]
fn a_run_meets_its_own_recording_in_every_measure_and_decision() {
    let (sim, rec) = recorded();
    let out = directory("compare").join("report");
    let said = scaletwin(&[
        "compare",
        path(sim),
        path(rec),
        "--out",
        path(&out),
        "--shadow",
        "hpa",
        "--shadow",
        "keda",
        "--shadow",
        "karpenter-provisioning",
        "--shadow",
        "consolidation",
    ]);
    assert_eq!(said.status, 0, "{}\n{}", said.stdout, said.stderr);
    assert!(said.stdout.contains("5 of 5 objectives met"), "{}", said.stdout);
    for part in ["hpa", "keda", "karpenter-provisioning", "consolidation"] {
        let line = said
            .stdout
            .lines()
            .find(|line| line.starts_with(&format!("shadow {part}:")));
        assert!(
            line.is_some_and(|line| line.ends_with("100.0 %")),
            "{part}: {line:?}"
        );
    }
    let read = |file: &str| fs::read_to_string(out.join(file)).unwrap();
    let report: Value = serde_json::from_str(&read("compare.json")).unwrap();
    assert_eq!(report["met"], true);
    assert_eq!(report["shadows"][0]["part"], "hpa");
    assert!(read("compare.md").starts_with("# php-apache, seed 4 in flow, against php-apache-seed-4"));
    assert!(read("dashboard.svg").contains("measured, desired"));
    assert!(out.join("dashboard.png").exists());
}

#[test]
fn a_decision_that_differs_is_listed_and_the_answer_is_no() {
    let rec = copied("differs");
    // The first size that was asked for, and what follows is as it was.
    let text = fs::read_to_string(rec.join("recording.jsonl")).unwrap();
    let grown = text.lines().find_map(|line| {
        let entry: Value = serde_json::from_str(line).unwrap();
        let status = &entry["object"]["status"];
        let (from, to) = (
            status["currentReplicas"].as_i64()?,
            status["desiredReplicas"].as_i64()?,
        );
        (from > 0 && to > from).then_some(to)
    });
    let right = grown.expect("the experiment scales out");
    let wrong = right + 10;
    spoil(&rec, |text| {
        let status = |size| format!("\"desiredReplicas\":{size}");
        text.replacen(&status(right), &status(wrong), 1)
    });
    let said = compare(&rec, &["--shadow", "hpa"]);
    assert_eq!(said.status, 1, "{}", said.stdout);
    let expected = format!("expected  {right} replicas\n  actual    {wrong} replicas");
    assert!(said.stdout.contains(&expected), "{}", said.stdout);
    let said = compare(&rec, &["--shadow", "hpa", "--format", "json"]);
    let shadow = said
        .stdout
        .lines()
        .find(|line| line.contains("\"shadow\""))
        .expect("it is told");
    let shadow: Value = serde_json::from_str(shadow).unwrap();
    let found = &shadow["data"]["divergences"][0];
    assert_eq!(
        (&found["part"], &found["actual"]),
        (&"hpa".into(), &format!("{wrong} replicas").into())
    );
    assert!(found["time_s"].is_number());
}

#[test]
fn another_seed_and_curves_of_a_dashboard_can_stand_for_real() {
    let other = directory("other-seed");
    let said = scaletwin(&[
        "run",
        "scenarios/php-apache",
        "--no-plots",
        "--seed",
        "9",
        "--out",
        path(&other),
    ]);
    assert_eq!(said.status, 0, "{}", said.stderr);
    let (sim, _) = recorded();
    let said = scaletwin(&[
        "compare",
        path(sim),
        path(&other),
        "--no-plots",
        "--replicas-nmae",
        "0",
    ]);
    assert_eq!(said.status, 1, "two seeds differ\n{}", said.stdout);
    assert!(said.stdout.contains("both sides are simulated") && said.stdout.contains("MISSED"));
    let said = scaletwin(&[
        "compare",
        path(sim),
        "scenarios/php-apache/measured/timeline",
        "--no-plots",
    ]);
    assert!(said.status <= 1, "{}", said.stderr);
    assert!(
        said.stdout.contains("measured: ") && said.stdout.contains("seen.rps"),
        "{}",
        said.stdout
    );
}

#[test]
fn a_torn_line_and_a_gap_are_said_and_the_rest_is_compared() {
    let rec = copied("torn");
    spoil(&rec, |text| {
        let text = &text[..text.len() - 40];
        let gap =
            r#"{"t":1000.0,"type":"gap","source":"prometheus","from":990.0,"to":1000.0,"reason":"test"}"#;
        let (head, tail) = text.split_once("{\"t\":1005.0,").expect("a row every 15 s");
        format!("{head}{gap}\n{{\"t\":1005.0,{tail}")
    });
    let said = compare(&rec, &[]);
    assert_eq!(said.status, 0, "{}\n{}", said.stdout, said.stderr);
    assert!(
        said.stdout.contains("of the recording is torn"),
        "{}",
        said.stdout
    );
    assert!(
        said.stdout.contains("the recording has no end"),
        "{}",
        said.stdout
    );
    assert!(
        said.stdout
            .contains("not heard: prometheus from 13:51:30 to 13:51:40 (test)"),
        "{}",
        said.stdout
    );
}

#[track_caller]
fn refused(said: &Said, expected: &[&str]) {
    assert_eq!((said.status, said.stdout.as_str()), (2, ""), "{}", said.stderr);
    for words in expected {
        assert!(
            said.stderr.contains(words),
            "expected {words:?} in\n{}",
            said.stderr
        );
    }
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let (sim, rec) = recorded();
    refused(
        &scaletwin(&["compare", "no/such/run", path(rec)]),
        &["no/such/run does not exist", "hint: "],
    );
    refused(
        &scaletwin(&["compare", path(sim), "no/such/recording"]),
        &["no/such/recording", "hint: "],
    );
    let scenarios = path(repository()).to_owned() + "/scenarios/php-apache";
    refused(&scaletwin(&["compare", &scenarios, path(rec)]), &["summary.json"]);

    let later = copied("later-version");
    spoil(&later, |text| text.replacen("\"version\":1", "\"version\":2", 1));
    refused(
        &compare(&later, &[]),
        &["of version 2 of the format, this scaletwin reads version 1"],
    );
    let empty = copied("empty");
    spoil(&empty, |_| String::new());
    refused(&compare(&empty, &[]), &["is empty"]);
    let broken = copied("broken");
    spoil(&broken, |text| {
        text.replacen("\"change\":\"added\"", "\"change\":\"made\"", 1)
    });
    refused(
        &compare(&broken, &[]),
        &["recording.jsonl:", "unknown variant `made`"],
    );

    refused(
        &compare(rec, &["--target", "web"]),
        &["--target: expected NAMESPACE/NAME, found \"web\""],
    );
    refused(
        &compare(rec, &["--nodes-within", "95"]),
        &["--nodes-within: expected a share from 0 to 1, found 95"],
    );
    let bare = copied("bare");
    fs::remove_dir_all(bare.join("scenario")).unwrap();
    assert_eq!(compare(&bare, &[]).status, 0, "the only HPA says what is scaled");
    refused(
        &compare(&bare, &["--shadow", "hpa"]),
        &["a shadow needs the scenario's", "--scenario DIR"],
    );
    let said = scaletwin(&["compare", path(sim), path(sim), "--no-plots", "--shadow", "hpa"]);
    refused(&said, &["is no recording"]);
}

#[test]
fn a_recording_is_never_overwritten() {
    let (_, rec) = recorded();
    let out = directory("overwrites");
    let said = scaletwin(&[
        "run",
        "scenarios/php-apache",
        "--no-plots",
        "--out",
        path(&out),
        "--record",
        path(rec),
    ]);
    refused(&said, &["never overwritten", "--record"]);
}

#[test]
fn constants_are_fitted_written_and_taken() {
    let (_, rec) = recorded();
    let dir = directory("calibrate");
    let file = dir.join("fitted.toml");
    let said = scaletwin(&["calibrate", path(rec), "--out", path(&file)]);
    assert_eq!(said.status, 0, "{}\n{}", said.stdout, said.stderr);
    for words in [
        "service.cpu_per_request",
        "cloud.boot.boot",
        "not fixed by the recording",
        "smt_gain",
    ] {
        assert!(said.stdout.contains(words), "{words} in\n{}", said.stdout);
    }
    let text = fs::read_to_string(&file).unwrap();
    assert!(
        text.contains("# median, s: ") && text.contains("cloud.boot.boot = { median = "),
        "{text}"
    );
    let out = dir.join("out");
    let run = || {
        scaletwin(&[
            "run",
            "scenarios/php-apache",
            "--no-plots",
            "--out",
            path(&out),
            "--with",
            path(&file),
        ])
    };
    let said = run();
    assert_eq!(said.status, 0, "{}", said.stderr);
    let said = scaletwin(&["calibrate", path(rec), "--format", "json", "--out", path(&file)]);
    let fits = said
        .stdout
        .lines()
        .filter(|line| line.contains("\"fit\""))
        .count();
    assert!(fits >= 6, "{}", said.stdout);

    fs::write(&file, "service = [").unwrap();
    refused(&run(), &["fitted.toml", "hint: "]);
    refused(
        &scaletwin(&["calibrate", "no/such/recording"]),
        &["no/such/recording"],
    );
}
