//! Sweeps: configurations a second, beside running the command once for each configuration.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// Configurations of the sweep: so many thresholds and as many stabilizations.
const LEVELS: usize = 20;
/// Runs of the loop that the sweep is compared with.
const SINGLE: usize = 20;
/// Simulated seconds of a run that count, the 47.5 minutes of php-apache.
const SIMULATED: f64 = 2850.0;
/// What the sweep is to reach on two cores, and what it aims at.
const LEAST: f64 = 100.0;
const AIM: f64 = 1000.0;

/// What work on so many configurations took.
struct Took {
    configurations: usize,
    wall: f64,
    /// Seconds of processor time, where the system tells.
    cpu: Option<f64>,
}

/// Times sweeps of 400 configurations of the default scenario on two threads, one seed each, with and without
/// response times.
pub(crate) fn report(command: &Path) {
    let directory = std::env::temp_dir().join("scaletwin-bench-sweep");
    std::fs::create_dir_all(&directory).expect("a directory can be made");
    let scenario = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../scenarios/php-apache")
        .canonicalize()
        .expect("the scenario is there");
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!(
        "\nphp-apache, {} configurations, one seed each, two threads; load before: {}; at least {LEAST} a second, aim {AIM}",
        LEVELS * LEVELS,
        load.split(' ').next().unwrap_or("unknown"),
    );
    println!(
        "{:>28}  {:>16}  {:>11}  {:>12}  {:>6}",
        "what", "configurations/s", "× real time", "CPU ms each", "ratio"
    );
    let single = once_each(command, &scenario, &directory);
    line("`run --no-plots` for each", &single, &single);
    for (what, objectives) in [
        ("sweep of cost and latency", "'cost', 'latency_p95'"),
        ("sweep of cost and pending", "'cost', 'pending'"),
    ] {
        line(
            what,
            &sweep(command, &scenario, &directory, objectives),
            &single,
        );
    }
}

fn line(what: &str, took: &Took, single: &Took) {
    let rate = |took: &Took| took.configurations as f64 / took.wall;
    let each = |cpu: f64| format!("{:.1}", cpu / took.configurations as f64 * 1000.0);
    println!(
        "{what:>28}  {:>16.1}  {:>11.0}  {:>12}  {:>6.2}",
        rate(took),
        rate(took) * SIMULATED,
        took.cpu.map_or("unknown".to_owned(), each),
        rate(took) / rate(single)
    );
}

fn timed(configurations: usize, work: impl FnOnce()) -> Took {
    let (start, before) = (Instant::now(), children());
    work();
    Took {
        configurations,
        wall: start.elapsed().as_secs_f64(),
        cpu: children()
            .zip(before)
            .map(|(after, before)| after - before),
    }
}

/// Processor seconds of all processes that were waited for, from Linux's /proc, whose clock ticks 100 times a second.
fn children() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name may hold spaces; cutime and cstime are the 16th and 17th fields, and the third follows the name.
    let (_, fields) = text.rsplit_once(')')?;
    let ticks: Vec<f64> = fields
        .split_whitespace()
        .skip(13)
        .take(2)
        .filter_map(|field| field.parse().ok())
        .collect();
    (ticks.len() == 2).then(|| ticks.iter().sum::<f64>() / 100.0)
}

fn quiet(command: &mut Command) {
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    assert!(status.expect("the command starts").success());
}

fn once_each(command: &Path, scenario: &Path, directory: &Path) -> Took {
    timed(SINGLE, || {
        for n in 0..SINGLE {
            let threshold = 1.0 + n as f64 * 0.15;
            quiet(
                Command::new(command)
                    .arg("run")
                    .arg(scenario)
                    .arg("--no-plots")
                    .arg("--out")
                    .arg(directory.join("run"))
                    .arg("--set")
                    .arg(format!(
                        "ScaledObject/keda-prometheus-hpa: spec.triggers[0].metadata.threshold={threshold:.2}"
                    )),
            );
        }
    })
}

fn sweep(command: &Path, scenario: &Path, directory: &Path, objectives: &str) -> Took {
    let file: PathBuf = directory.join("sweep.toml");
    let text = format!(
        "name = 'bench'
scenario = '{}'
replications = 1
objectives = [{objectives}]
[[axis]]
name = 'threshold'
field = 'ScaledObject/keda-prometheus-hpa: spec.triggers[0].metadata.threshold'
from = 1.0
to = 4.0
steps = {LEVELS}
[[axis]]
name = 'stabilization'
field = 'ScaledObject/keda-prometheus-hpa: spec.advanced.horizontalPodAutoscalerConfig.behavior.scaleDown.stabilizationWindowSeconds'
from = 30
to = 600
steps = {LEVELS}
",
        scenario.display()
    );
    std::fs::write(&file, text).expect("a file can be written");
    timed(LEVELS * LEVELS, || {
        quiet(
            Command::new(command)
                .arg("sweep")
                .arg(&file)
                .args(["--no-plots", "--restart", "--threads", "2", "--out"])
                .arg(directory.join("sweep")),
        );
    })
}
