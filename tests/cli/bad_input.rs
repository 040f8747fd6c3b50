//! Bad input: a clear message, exit status 2, and nothing left behind.

use std::fs;
use std::path::Path;

use super::{copied_scenario, directory, path, scaletwin};

/// Spoils a copy of a scenario and runs it. Everything in `expected` must be said.
fn check(name: &str, spoil: impl Fn(&Path), expected: &[&str]) {
    let scenario = copied_scenario(&format!("bad-{name}"), "scale-to-zero");
    spoil(&scenario);
    let out = directory(&format!("bad-{name}-parent")).join("out");
    let said = scaletwin(&["run", path(&scenario), "--out", path(&out)]);
    assert_eq!(said.status, 2, "{name}: {}", said.stderr);
    assert_eq!(said.stdout, "", "{name}: nothing is data");
    assert!(!out.exists(), "{name}: nothing is left behind");
    for expected in expected {
        assert!(
            said.stderr.contains(expected),
            "{name}: expected {expected:?} in\n{}",
            said.stderr
        );
    }
    let said = scaletwin(&["check", path(&scenario)]);
    assert_eq!(said.status, 2, "{name}: check agrees");
}

fn replace(file: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(file).expect("a scenario's file can be read");
    assert!(text.contains(from), "{} has {from:?}", file.display());
    fs::write(file, text.replacen(from, to, 1)).expect("a copy can be written");
}

#[test]
fn a_truncated_manifest() {
    let spoil = |dir: &Path| {
        fs::write(
            dir.join("manifests/web.yaml"),
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web",
        )
        .unwrap();
    };
    check("truncated", spoil, &["manifests/web.yaml:", "error["]);
}

#[test]
fn an_unknown_field_with_its_line() {
    let spoil = |dir: &Path| {
        replace(
            &dir.join("manifests/scaled-object.yaml"),
            "minReplicaCount",
            "minReplicasCount",
        )
    };
    check(
        "unknown-field",
        spoil,
        &["manifests/scaled-object.yaml:", "minReplicasCount"],
    );
}

#[test]
fn every_problem_at_once() {
    let spoil = |dir: &Path| {
        replace(
            &dir.join("manifests/scaled-object.yaml"),
            "minReplicaCount",
            "minReplicasCount",
        );
        let toml = dir.join("scenario.toml");
        let text = fs::read_to_string(&toml).unwrap();
        fs::write(&toml, format!("nonsense = 1\n{text}")).unwrap();
    };
    check(
        "several",
        spoil,
        &["minReplicasCount", "scenario.toml:1:", "nonsense", "2 errors"],
    );
}

#[test]
fn an_absurd_quantity() {
    let spoil = |dir: &Path| replace(&dir.join("manifests/web.yaml"), "cpu: ", "cpu: -");
    check("negative", spoil, &["manifests/web.yaml:", "cpu"]);
}

#[test]
fn an_empty_scenario() {
    check(
        "empty",
        |dir| fs::write(dir.join("scenario.toml"), "").unwrap(),
        &["scenario.toml"],
    );
    check(
        "no-toml",
        |dir| fs::remove_file(dir.join("scenario.toml")).unwrap(),
        &[
            "there is no ",
            "bad-no-toml/scenario.toml",
            "begin with an empty one",
        ],
    );
    check(
        "toml-is-directory",
        |dir| {
            fs::remove_file(dir.join("scenario.toml")).unwrap();
            fs::create_dir(dir.join("scenario.toml")).unwrap();
        },
        &["scenario.toml: cannot be read: it is a directory"],
    );
}

#[test]
fn a_huge_file_is_not_even_read() {
    let spoil = |dir: &Path| {
        let file = fs::File::create(dir.join("manifests/huge.yaml")).unwrap();
        file.set_len(1 << 30)
            .expect("a file of a gigabyte without a block on the disk");
    };
    check("huge", spoil, &["huge.yaml: error[E001]: larger than 64 MiB"]);
}

#[test]
fn bytes_that_are_no_text() {
    let spoil = |dir: &Path| fs::write(dir.join("manifests/web.yaml"), b"a: b\nc: \xff\xfe\n").unwrap();
    check(
        "binary",
        spoil,
        &["web.yaml:2:1: error[E001]: expected UTF-8 text"],
    );
    // What is wrong with the other files is said as well.
    let scenario = copied_scenario("bad-binary-and-more", "scale-to-zero");
    spoil(&scenario);
    replace(
        &scenario.join("manifests/scaled-object.yaml"),
        "minReplicaCount",
        "minReplicasCount",
    );
    let said = scaletwin(&["check", path(&scenario)]);
    for expected in [
        "web.yaml:2:1: error[E001]: expected UTF-8 text",
        "minReplicasCount",
    ] {
        assert!(said.stdout.contains(expected), "{expected}: {}", said.stdout);
    }
}

#[test]
fn an_override_that_names_nothing() {
    let out = directory("bad-set").join("out");
    let said = scaletwin(&[
        "run",
        "scenarios/scale-to-zero",
        "--out",
        path(&out),
        "--set",
        "no.such.field=1",
    ]);
    assert_eq!(said.status, 2);
    assert!(
        said.stderr.contains("no.such.field") || said.stderr.contains("no"),
        "{}",
        said.stderr
    );
    assert!(!out.exists());
}

#[test]
fn an_output_that_cannot_be_written() {
    let file = directory("bad-out").join("file");
    fs::write(&file, "mine").unwrap();
    let said = scaletwin(&["run", "scenarios/scale-to-zero", "--out", path(&file.join("out"))]);
    assert_eq!((said.status, said.stdout.as_str()), (2, ""));
    assert!(
        said.stderr.contains("cannot write to") && said.stderr.contains("--out"),
        "{}",
        said.stderr
    );
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
}

#[test]
fn curves_that_cannot_be_read() {
    let curves = directory("bad-overlay");
    let out = directory("bad-overlay-out").join("out");
    let run = || {
        scaletwin(&[
            "run",
            "scenarios/scale-to-zero",
            "--out",
            path(&out),
            "--overlay",
            path(&curves),
        ])
    };
    let said = run();
    assert_eq!(said.status, 2);
    assert!(said.stderr.contains("holds no *-rps.csv"), "{}", said.stderr);
    fs::write(curves.join("a-rps.csv"), "t_s,value\n0,1\n15,many\n").unwrap();
    let said = run();
    assert_eq!(said.status, 2);
    assert!(
        said.stderr.contains("a-rps.csv: line 3: expected a number"),
        "{}",
        said.stderr
    );
    assert!(!out.exists());
}

#[test]
fn a_directory_that_no_run_has_written() {
    let dir = directory("bad-plot");
    let said = scaletwin(&["plot", path(&dir)]);
    assert_eq!(said.status, 2);
    assert!(
        said.stderr.contains("cannot be read") && said.stderr.contains("series.csv"),
        "{}",
        said.stderr
    );
    fs::write(dir.join("series.csv"), "time,rps\n0,1\n").unwrap();
    fs::write(dir.join("summary.json"), "{}").unwrap();
    let said = scaletwin(&["plot", path(&dir)]);
    assert_eq!(said.status, 2);
    assert!(
        said.stderr.contains("expected time_s as the first column"),
        "{}",
        said.stderr
    );
}

/// `kubectl apply -f manifests` reads JSON, too.
#[test]
fn a_manifest_in_json() {
    let spoil = |dir: &Path| {
        let text = r#"{"apiVersion": "apps/v1", "kind": "Deploymnet", "metadata": {"name": "x"}}"#;
        fs::write(dir.join("manifests/more.json"), text).unwrap();
    };
    check(
        "json",
        spoil,
        &[
            "manifests/more.json:1:35: error[E007]",
            "did you mean \"Deployment\"?",
        ],
    );
}

/// `kubectl` reads them one after another.
#[test]
fn a_manifest_of_several_json_objects() {
    let more = |name: &'static str, text: &'static str, expected: &[&str]| {
        check(
            name,
            move |dir| fs::write(dir.join("manifests/more.json"), text).unwrap(),
            expected,
        );
    };
    let second = "{\"apiVersion\": \"v1\", \"kind\": \"Secret\", \"metadata\": {\"name\": \"x\"}}\n  \
         {\"apiVersion\": \"v1\", \"kind\": \"Pot\", \"metadata\": {\"name\": \"x\"}}";
    more("json-second", second, &["manifests/more.json:2:32: error[E007]"]);
    let third = "{\"apiVersion\": \"v1\", \"kind\": \"Secret\", \"metadata\": {\"name\": \"x\"}}{\"kind\": \"List\", \
         \"items\": []}\n{\"kind\": Pot}";
    more(
        "json-third",
        third,
        &[
            "manifests/more.json:2:10: error[E001]",
            "after JSON objects only JSON can come",
        ],
    );
}

/// Opening a pipe would wait for a writer for ever.
#[cfg(unix)]
#[test]
fn a_pipe_among_the_manifests() {
    let spoil = |dir: &Path| {
        let pipe = dir.join("manifests/more.yaml");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.expect("mkfifo runs").success());
    };
    check("pipe", spoil, &["manifests/more.yaml", "no regular file"]);
}

#[test]
fn what_is_not_read_is_told() {
    let scenario = copied_scenario("passed-over", "scale-to-zero");
    let manifests = scenario.join("manifests");
    fs::create_dir(manifests.join("sub")).unwrap();
    for name in ["more.YAML", "notes.txt", "README.md", ".hidden"] {
        fs::write(manifests.join(name), "kind: Nonsense").unwrap();
    }
    let said = scaletwin(&["check", path(&scenario)]);
    assert_eq!(said.status, 0, "{}", said.stderr);
    let told: Vec<&str> = said.stdout.lines().filter(|line| line.contains("W009")).collect();
    assert_eq!(told.len(), 3, "{told:?}");
    for name in ["manifests/sub", "manifests/more.YAML", "manifests/notes.txt"] {
        assert!(told.iter().any(|line| line.contains(name)), "{name}: {told:?}");
    }
}

#[test]
fn bounds_of_the_catalog_that_admit_nothing() {
    for (arguments, expected) in [
        (&["--limit", "0"][..], "--limit 0 lists nothing"),
        (
            &["--min-vcpus", "8", "--max-vcpus", "4"],
            "--min-vcpus 8 is above --max-vcpus 4",
        ),
        (
            &["--region", "us-gov-west-1"],
            "has no instance types of us-gov-west-1",
        ),
    ] {
        let said = scaletwin(&[&["catalog"], arguments].concat());
        assert_eq!(said.status, 2, "{arguments:?}");
        assert!(said.stderr.contains(expected), "{}", said.stderr);
    }
    let said = scaletwin(&["catalog", "m5.large", "m5.nonsense", "--as-of", "2099-01-01"]);
    assert_eq!(said.status, 0, "{}", said.stderr);
    assert!(said.stderr.contains("offers no m5.nonsense"), "{}", said.stderr);
    assert!(
        said.stderr.contains("2099-01-01: no list after"),
        "{}",
        said.stderr
    );
    let said = scaletwin(&["catalog", "--category", "g,p", "--limit", "1"]);
    assert_eq!(said.status, 0, "{}", said.stderr);
    let said = scaletwin(&["catalog", "--region", "us-west-9"]);
    assert!(!said.stderr.contains("us-gov-west-1"), "{}", said.stderr);
}
