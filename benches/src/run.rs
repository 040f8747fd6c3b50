//! Whole runs: the default scenario in both fidelities, and the command from its start to its figures.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use model::cluster::{self, Options};
use model::scenario::{self, Files, Scenario, Source};
use model::traffic::Fidelity;

/// The scenario that aims are stated for.
const DEFAULT: &str = "php-apache";

/// What is timed, how often, and the aim in milliseconds.
struct Aim<'a> {
    what: &'a str,
    rounds: usize,
    milliseconds: f64,
}

/// Times whole runs and prints each beside its aim.
pub(crate) fn report() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../scenarios")
        .join(DEFAULT);
    let scenario = load(&directory);
    let minutes = scenario.duration.as_secs() / 60;
    println!("\n{DEFAULT}, {minutes} simulated minutes");
    println!(
        "{:>34}  {:>10}  {:>8}  {:>7}",
        "what", "median ms", "aim ms", "ratio"
    );
    // Each round has a seed of its own: with one that it knows, a run would take its response times from the last.
    let mut seeds = 1..;
    let mut run = |fidelity| {
        let options = Options {
            seed: seeds.next().expect("there is no end of seeds"),
            fidelity,
            log: false,
            latencies: true,
            dashboard: true,
            audit: false,
        };
        assert!(
            cluster::run(&scenario, options).served > 0.0,
            "somebody is served"
        );
    };
    let aim = |what, rounds, milliseconds| Aim {
        what,
        rounds,
        milliseconds,
    };
    time(&aim("flow", 51, 10.0), || run(Fidelity::Flow));
    time(&aim("requests", 5, 1000.0), || run(Fidelity::Requests));
    match command() {
        Some(command) => {
            time(&aim("start of the command to figures", 11, 300.0), || {
                start(&command, &directory)
            });
            crate::sweep::report(&command);
        }
        None => println!("the command is not built: cargo build --release"),
    }
}

/// The median of several rounds. A ratio below one is faster than the aim.
fn time(aim: &Aim<'_>, mut work: impl FnMut()) {
    let mut once = || {
        let start = Instant::now();
        work();
        start.elapsed().as_secs_f64() * 1e3
    };
    once();
    let mut rounds: Vec<f64> = (0..aim.rounds).map(|_| once()).collect();
    rounds.sort_by(f64::total_cmp);
    let median = rounds[rounds.len() / 2];
    println!(
        "{:>34}  {median:>10.2}  {:>8.0}  {:>7.2}",
        aim.what,
        aim.milliseconds,
        median / aim.milliseconds
    );
}

fn load(directory: &Path) -> Scenario {
    let text = |path: &str| std::fs::read_to_string(directory.join(path)).expect("the scenario can be read");
    let source = |path: String| Source {
        text: text(&path),
        path,
    };
    let manifests = std::fs::read_dir(directory.join("manifests")).expect("the scenario has manifests");
    let mut names: Vec<String> = manifests
        .map(|entry| {
            entry
                .expect("manifests can be listed")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    let manifests = names
        .iter()
        .map(|name| source(format!("manifests/{name}")))
        .collect();
    let files = Files {
        scenario: source("scenario.toml".to_owned()),
        manifests,
        traces: Vec::new(),
    };
    scenario::load(&files, &[])
        .unwrap_or_else(|report| panic!("{report}"))
        .0
}

/// The release build of the command, if there is one: a bench that built it would time the wrong thing.
fn command() -> Option<PathBuf> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let target = target.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"));
    let path = target.join("release/scaletwin");
    path.exists().then_some(path)
}

fn start(command: &Path, scenario: &Path) {
    let out = std::env::temp_dir().join("scaletwin-bench");
    let mut command = Command::new(command);
    command
        .arg("run")
        .arg(scenario)
        .arg("--out")
        .arg(out)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    assert!(command.status().expect("the command starts").success());
}
