//! What `run` leaves: the promised files with the promised contents, and the same bytes every time.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{directory, path, scaletwin, with_environment};

const FILES: [&str; 7] = [
    "curves.csv",
    "dashboard.png",
    "dashboard.svg",
    "events.jsonl",
    "lives.csv",
    "series.csv",
    "summary.json",
];

fn run(out: &Path, more: &[&str]) -> super::Said {
    let mut args = vec!["run", "scenarios/php-apache", "--out", path(out)];
    args.extend(more);
    let said = scaletwin(&args);
    assert_eq!(said.status, 0, "{}", said.stderr);
    said
}

fn listed(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn read(dir: &Path, file: &str) -> String {
    fs::read_to_string(dir.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

#[test]
fn a_run_writes_its_files_and_names_the_picture() {
    let out = directory("run").join("new/out");
    let said = run(&out, &[]);
    assert_eq!(listed(&out), FILES, "and no temporary file");
    let last = said.stdout.lines().last().unwrap();
    assert!(
        last.starts_with("picture ") && last.ends_with("dashboard.png"),
        "{last}"
    );
    for word in [
        "cost",
        "replicas",
        "nodes",
        "requests",
        "latency",
        "pending",
        "scale events",
        "c5.xlarge",
    ] {
        assert!(said.stdout.contains(word), "{word} in\n{}", said.stdout);
    }
    assert!(said.stderr.contains("seed 1"), "the seed is told first");

    let png = fs::read(out.join("dashboard.png")).unwrap();
    assert_eq!(&png[..8], b"\x89PNG\r\n\x1a\n");
    let svg = read(&out, "dashboard.svg");
    assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
    for words in [
        "Nodes by instance type",
        "Request rate",
        "measured",
        "NodePool applied",
    ] {
        assert!(svg.contains(words), "{words}");
    }

    check_series(&read(&out, "series.csv"));
    check_events(&read(&out, "events.jsonl"));

    // The same directory again, without figures: none of an earlier run stay beside new numbers.
    run(&out, &["--no-plots", "--seed", "2"]);
    let numbers: Vec<&str> = FILES
        .into_iter()
        .filter(|file| !file.starts_with("dashboard"))
        .collect();
    assert_eq!(listed(&out), numbers);
    let summary: Value = serde_json::from_str(&read(&out, "summary.json")).unwrap();
    assert_eq!(summary["seed"], 2);
}

/// A row every 15 s with at least the columns that scripts rely on, filled with numbers.
fn check_series(text: &str) {
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap().split(',').collect();
    let needed = [
        "time_s",
        "clients",
        "rps_served",
        "replicas_desired",
        "replicas_ready",
        "pods_pending",
        "pods",
        "nodes",
        "cost_usd_per_hour",
        "latency_p95_s",
        "nodes.c5.xlarge",
        "seen.rps",
        "seen.pods",
        "seen.nodes.c5.xlarge",
    ];
    for name in needed {
        assert!(header.contains(&name), "{name} in {header:?}");
    }
    let rows: Vec<Vec<f64>> = lines
        .map(|line| {
            line.split(',')
                .map(|field| {
                    if field.is_empty() {
                        f64::NAN
                    } else {
                        field.parse().unwrap()
                    }
                })
                .collect()
        })
        .collect();
    assert!(rows.iter().all(|row| row.len() == header.len()));
    assert!(
        rows.windows(2).all(|pair| pair[1][0] - pair[0][0] == 15.0),
        "a row every 15 s"
    );
    let column = |name: &str| header.iter().position(|own| *own == name).unwrap();
    let greatest = |name: &str| rows.iter().map(|row| row[column(name)]).fold(0.0, f64::max);
    assert_eq!(greatest("clients"), 40.0);
    assert!(greatest("seen.rps") > 40.0 && greatest("rps_served") > 40.0);
    assert!(greatest("nodes") >= 2.0 && greatest("cost_usd_per_hour") > 0.3);
    let types = header.iter().filter(|name| name.starts_with("nodes."));
    for row in &rows {
        let sum: f64 = types.clone().map(|name| row[column(name)]).sum();
        assert_eq!(sum, row[column("nodes")], "nodes are the sum of their types");
    }
}

/// Decisions with their inputs, in the order of time.
fn check_events(text: &str) {
    let events: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(events.len() > 50, "{} events", events.len());
    let at = |event: &Value| event["t"].as_f64().expect("a time");
    assert!(events.windows(2).all(|pair| at(&pair[0]) <= at(&pair[1])));
    for event in &events {
        assert!(
            event["part"].is_string() && event["type"].is_string() && event["data"].is_object(),
            "{event}"
        );
    }
    let parts: sim::SortedSet<&str> = events.iter().filter_map(|event| event["part"].as_str()).collect();
    for part in ["hpa", "karpenter", "scheduler"] {
        assert!(parts.contains(part), "{part} decides: {parts:?}");
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes_with_any_number_of_threads() {
    let run = |threads: &str| -> PathBuf {
        let out = directory(&format!("threads-{threads}"));
        let args = [
            "run",
            "scenarios/php-apache",
            "--out",
            path(&out),
            "--replications",
            "3",
        ];
        let said = with_environment(&args, &[("RAYON_NUM_THREADS", threads)]);
        assert_eq!(said.status, 0, "{}", said.stderr);
        out
    };
    let (one, four) = (run("1"), run("4"));
    for file in FILES {
        let [a, b] = [&one, &four].map(|dir| fs::read(dir.join(file)).unwrap());
        assert!(a == b, "{file} differs");
    }
    let header = read(&one, "series.csv").lines().next().unwrap().to_owned();
    assert!(header.contains(",seen.rps.p05,seen.rps.p95"), "{header}");
    let summary: Value = serde_json::from_str(&read(&one, "summary.json")).unwrap();
    assert_eq!(summary["replications"], 3);
    let band = &summary["bands"]["cost_usd"];
    assert!(
        band[0].as_f64() <= summary["cost_usd"].as_f64() && summary["cost_usd"].as_f64() <= band[1].as_f64()
    );
}

#[test]
fn json_is_one_value_a_line() {
    let out = directory("json");
    let said = run(&out, &["--format", "json", "--no-plots"]);
    let lines: Vec<Value> = said
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(
        lines
            .iter()
            .map(|line| line["type"].as_str().unwrap())
            .collect::<Vec<_>>(),
        ["summary", "files"]
    );
    let file: Value = serde_json::from_str(&read(&out, "summary.json")).unwrap();
    assert_eq!(
        lines[0]["data"], file,
        "the same numbers on stdout and in the file"
    );
    for file in lines[1]["data"].as_array().unwrap() {
        assert!(Path::new(file.as_str().unwrap()).exists());
    }
}

#[test]
fn a_figure_can_be_drawn_again() {
    let out = directory("plot");
    run(&out, &["--overlay", "scenarios/php-apache/measured/timeline"]);
    let drawn = fs::read(out.join("dashboard.svg")).unwrap();
    let again = directory("plot-again");
    let overlay = ["--overlay", "scenarios/php-apache/measured/timeline"];
    let said = scaletwin(&[&["plot", path(&out), "--out", path(&again)][..], &overlay].concat());
    assert_eq!(said.status, 0, "{}", said.stderr);
    assert_eq!(said.stdout.lines().count(), 2, "{}", said.stdout);
    assert!(
        fs::read(again.join("dashboard.svg")).unwrap() == drawn,
        "a figure is a function of the run's files"
    );
    let light = scaletwin(&["plot", path(&out), "--out", path(&again), "--theme", "light"]);
    assert_eq!(light.status, 0);
    assert!(fs::read(again.join("dashboard.svg")).unwrap() != drawn);
}
