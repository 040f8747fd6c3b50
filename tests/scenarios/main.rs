//! The shipped scenarios answer their questions.
//!
//! Each file runs one scenario, with a few seeds and with the settings that its README compares, and asserts
//! the answer that the README gives. Bounds are wide enough for other seeds, and too narrow for another answer.

mod bert_gpu;
mod capacity_shortage;
mod consolidation_churn;
mod machines;
mod memory;
mod php_apache;
mod php_apache_gpu;
mod prometheus_outage;
mod readme;
mod rising_load;
mod scale_to_zero;
mod spot_interruption;
mod sweeps;

use std::fs;
use std::path::{Path, PathBuf};

use model::cluster::record::{LogEntry, TimeToCapacity, Value};
use model::cluster::{self, Options, Record};
use model::scenario::{Files, Scenario, Source, load};
use sim::Instant;

/// Enough to see that an answer is not one seed's luck.
const SEEDS: [u64; 2] = [1, 2];

fn directory(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    root.join(name)
}

fn files(name: &str) -> Files {
    let dir = directory(name);
    let source = |path: String| Source {
        text: fs::read_to_string(dir.join(&path)).expect("a file"),
        path,
    };
    let mut manifests: Vec<String> = fs::read_dir(dir.join("manifests"))
        .expect("manifests")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .into_string()
                .expect("a name")
        })
        .map(|file| format!("manifests/{file}"))
        .collect();
    manifests.sort();
    Files {
        scenario: source("scenario.toml".to_owned()),
        manifests: manifests.into_iter().map(source).collect(),
        traces: Vec::new(),
    }
}

/// A run of a shipped scenario. Its times count from the end of the warm-up.
struct Run {
    scenario: Scenario,
    record: Record,
}

impl Run {
    fn new(name: &str, seed: u64) -> Run {
        Run::with(name, seed, &[])
    }

    fn with(name: &str, seed: u64, sets: &[&str]) -> Run {
        Run::logged(name, seed, sets, true)
    }

    /// Without a log of decisions a run is quicker.
    fn logged(name: &str, seed: u64, sets: &[&str], log: bool) -> Run {
        Run::of(name, &files(name), seed, sets, log)
    }

    /// With one more manifest.
    fn beside(name: &str, seed: u64, manifest: &str) -> Run {
        let mut files = files(name);
        files.manifests.push(Source {
            path: "manifests/more.yaml".to_owned(),
            text: manifest.to_owned(),
        });
        Run::of(name, &files, seed, &[], true)
    }

    fn of(name: &str, files: &Files, seed: u64, sets: &[&str], log: bool) -> Run {
        let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
        let (scenario, _) = load(files, &sets).unwrap_or_else(|report| panic!("{name}\n{report}"));
        let options = Options {
            seed,
            log,
            ..Options::of(&scenario)
        };
        let record = cluster::run(&scenario, options);
        Run { scenario, record }
    }

    /// What `scenario.toml` calls this minute.
    fn minute(&self, minute: f64) -> f64 {
        minute * 60.0 - self.scenario.warm_up.as_secs_f64()
    }

    fn at(&self, curve: &'static str, second: f64) -> f64 {
        self.record.curve(curve).at(instant(second))
    }

    fn peak(&self, curve: &'static str, from: f64, to: f64) -> f64 {
        self.record.curve(curve).max(instant(from), instant(to))
    }

    /// The first second from `from` on at which a curve passes a test.
    fn first(&self, curve: &'static str, from: f64, test: impl Fn(f64) -> bool) -> Option<f64> {
        if test(self.at(curve, from)) {
            return Some(from);
        }
        let curve = self.record.curve(curve);
        let mut changes = curve.changes().iter();
        let found = changes.find(|(at, value)| at.as_secs_f64() > from && test(*value));
        found.map(|(at, _)| at.as_secs_f64())
    }

    /// The decisions of a kind between two seconds.
    fn log<'a>(&'a self, kind: &'a str, from: f64, to: f64) -> impl Iterator<Item = &'a LogEntry> {
        let within = move |entry: &&LogEntry| (from..to).contains(&entry.at.as_secs_f64());
        let entries = self.record.log.iter();
        entries.filter(move |entry| entry.kind == kind).filter(within)
    }

    /// Requests that failed between two seconds.
    fn failed(&self, from: f64, to: f64) -> f64 {
        let rows = self.record.rows.windows(2);
        rows.filter(|pair| pair[1].at.as_secs_f64() > from && pair[1].at.as_secs_f64() <= to + 15.0)
            .map(|pair| pair[1].rps_failed * (pair[1].at.as_secs_f64() - pair[0].at.as_secs_f64()))
            .sum()
    }

    fn end(&self) -> f64 {
        self.record.end.as_secs_f64()
    }
}

fn instant(second: f64) -> Instant {
    Instant::from_nanos((second.max(0.0) * 1e9) as u64)
}

/// A detail of a decision, as text.
fn text<'a>(entry: &'a LogEntry, name: &str) -> &'a str {
    match entry.details.iter().find(|(key, _)| *key == name) {
        Some((_, Value::Text(text))) => text,
        other => panic!("{entry:?} has no text {name}: {other:?}"),
    }
}

/// The only way to capacity of a run, whose steps add up to the time from the load step until as many pods are Ready as were
/// wanted at most before some second.
fn way_to_capacity(run: &Run, seed: u64, until: f64) -> TimeToCapacity {
    let [way] = run.record.time_to_capacity[..] else {
        panic!("seed {seed}: {:?}", run.record.time_to_capacity);
    };
    let from = way.step.as_secs_f64();
    let most = run.peak("replicas_desired", from, until);
    let there = run.first("replicas_ready", from, |ready| ready >= most);
    let there = there.expect("all of them come") - from;
    assert!(
        (way.total.as_secs_f64() - there).abs() < 1e-6,
        "seed {seed}: {there} {way:?}"
    );
    way
}

/// Asserts that a number lies within bounds, and says which one does not.
#[track_caller]
fn within(what: &str, value: f64, bounds: std::ops::RangeInclusive<f64>) {
    assert!(
        bounds.contains(&value),
        "{what}: {value} is not within {bounds:?}"
    );
}
