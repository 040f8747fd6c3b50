//! Verbs whose answer can be no.

use serde_json::Value;

use super::{copied_scenario, path, scaletwin};

fn json_lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).expect("each line is JSON"))
        .collect()
}

#[test]
fn shipped_scenarios_have_no_errors() {
    for entry in std::fs::read_dir(super::repository().join("scenarios")).unwrap() {
        let dir = entry.unwrap().path();
        if dir.join("scenario.toml").exists() {
            let said = scaletwin(&["check", path(&dir), "--format", "json"]);
            assert_eq!(
                said.status,
                0,
                "{}: {}{}",
                dir.display(),
                said.stdout,
                said.stderr
            );
            let lines = json_lines(&said.stdout);
            assert_eq!(lines.last().unwrap()["data"]["errors"], 0);
        }
    }
}

#[test]
fn the_catalog_lists_filters_and_finds_nothing() {
    let said = scaletwin(&["catalog", "--gpu", "T4", "--min-gpus", "4"]);
    assert_eq!(said.status, 0, "{}", said.stderr);
    assert!(
        said.stdout.contains("g4dn.12xlarge") && said.stdout.contains("4 × T4"),
        "{}",
        said.stdout
    );
    assert!(!said.stdout.contains("c5.xlarge"));
    assert!(
        said.stderr.contains("on-demand prices"),
        "sources are named: {}",
        said.stderr
    );

    let said = scaletwin(&["catalog", "m5.large", "--as-of", "2023-12-28", "--format", "json"]);
    let lines = json_lines(&said.stdout);
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["data"]["vcpus"], 2);
    assert_eq!(lines[0]["data"]["on_demand_usd_per_hour"], 0.096);
    assert_eq!(lines[0]["data"]["max_pods"], 29);

    let nothing = scaletwin(&["catalog", "c5.xlarge", "--min-vcpus", "1000"]);
    assert_eq!((nothing.status, nothing.stdout.as_str()), (1, ""));
    assert!(
        nothing.stderr.contains("no such instance type"),
        "{}",
        nothing.stderr
    );
    let old = scaletwin(&["catalog", "t4g.nano", "--as-of", "2019-01-01"]);
    assert!(
        old.stderr.contains("no list before that of 2022-06-16 is known"),
        "{}",
        old.stderr
    );
    let wrong = scaletwin(&["catalog", "--region", "mars-north-1"]);
    assert_eq!(wrong.status, 2);
    assert!(wrong.stderr.contains("us-west-2"), "{}", wrong.stderr);
    assert_eq!(scaletwin(&["catalog", "--as-of", "yesterday"]).status, 2);
}

#[test]
fn accuracy_prints_a_table_and_says_whether_objectives_are_met() {
    let scenario = copied_scenario("accuracy", "php-apache");
    let objectives = scenario.join("measured/measured.toml");
    let answer = |objective: &str, format: &str| {
        std::fs::write(
            &objectives,
            format!("curves = \"timeline\"\n[[objective]]\n{objective}\n"),
        )
        .unwrap();
        scaletwin(&["accuracy", path(&scenario), "--seeds", "3", "--format", format])
    };
    let easy = answer("curve = 'rps'\nmeasure = 'nmae'\nat_most = 1000.0", "text");
    assert_eq!(easy.status, 0, "{}", easy.stderr);
    assert!(easy.stdout.contains("1 of 1 objectives met"), "{}", easy.stdout);
    for words in [
        "seen.rps",
        "seen.pods",
        "seen.nodes",
        "nMAE",
        "within 1",
        "inside the 5–95 % band",
        "lag",
    ] {
        assert!(easy.stdout.contains(words), "{words} in\n{}", easy.stdout);
    }
    let impossible = answer("curve = 'pods'\nmeasure = 'nmae'\nat_most = 0.0", "json");
    assert_eq!(impossible.status, 1, "{}", impossible.stderr);
    let lines = json_lines(&impossible.stdout);
    assert_eq!(lines[0]["data"]["met"], false);
    assert_eq!(lines.last().unwrap()["type"], "result");
    let wrong = answer("curve = 'pods'\nmeasure = 'beauty'\nat_least = 1.0", "text");
    assert_eq!(wrong.status, 2);
    assert!(
        wrong.stderr.contains("measured.toml") && wrong.stderr.contains("beauty"),
        "{}",
        wrong.stderr
    );
    let without = scaletwin(&["accuracy", "scenarios/scale-to-zero"]);
    assert_eq!(without.status, 2);
    assert!(without.stderr.contains("--overlay"), "{}", without.stderr);
}
