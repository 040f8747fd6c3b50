//! Sweeps: configurations a second, beside running the command once for each configuration.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// Configurations of the sweep, and of the loop that it is compared with.
const LEVELS: usize = 20;
const SINGLE: usize = 20;

/// Times sweeps of 400 configurations of the default scenario, one seed each, with and without response times.
pub(crate) fn report(command: &Path) {
    let directory = std::env::temp_dir().join("scaletwin-bench-sweep");
    std::fs::create_dir_all(&directory).expect("a directory can be made");
    let scenario = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../scenarios/php-apache")
        .canonicalize()
        .expect("the scenario is there");
    let single = once_each(command, &scenario, &directory);
    println!("\nphp-apache, {} configurations, one seed each", LEVELS * LEVELS);
    println!(
        "{:>34}  {:>16}  {:>7}",
        "what", "configurations/s", "ratio"
    );
    println!(
        "{:>34}  {single:>16.1}  {:>7.2}",
        "`run --no-plots` for each", 1.0
    );
    for (what, objectives) in [
        ("sweep of cost and latency", "'cost', 'latency_p95'"),
        ("sweep of cost and pending", "'cost', 'pending'"),
    ] {
        let rate = sweep(command, &scenario, &directory, objectives);
        println!("{what:>34}  {rate:>16.1}  {:>7.2}", rate / single);
    }
}

fn quiet(command: &mut Command) {
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    assert!(status.expect("the command starts").success());
}

fn once_each(command: &Path, scenario: &Path, directory: &Path) -> f64 {
    let start = Instant::now();
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
    SINGLE as f64 / start.elapsed().as_secs_f64()
}

fn sweep(command: &Path, scenario: &Path, directory: &Path, objectives: &str) -> f64 {
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
    let start = Instant::now();
    quiet(
        Command::new(command)
            .arg("sweep")
            .arg(&file)
            .arg("--no-plots")
            .arg("--restart")
            .arg("--out")
            .arg(directory.join("sweep")),
    );
    (LEVELS * LEVELS) as f64 / start.elapsed().as_secs_f64()
}
