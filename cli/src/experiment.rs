//! Running a scenario, once or many times.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use live::accuracy::Simulated;
use live::curves::step_curve;
use live::measured::{CurveName, Measured};
use model::cluster::record::LogEntry;
use model::cluster::{self, Options};
use model::scenario::{self, Report, Scenario};
use model::traffic;
use rayon::prelude::*;
use sim::Instant;

use crate::args::Fidelity;
use crate::export::summary::{About, Summary, summarize};
use crate::export::table::{SEEN_NODES, Table};
use crate::failure::Failure;
use crate::files::read_scenario;
use crate::talk;

/// A scenario that can run, and what there is to say about it.
pub(crate) fn load(dir: &Path, sets: &[String]) -> Result<(Scenario, Report), Failure> {
    let files = read_scenario(dir)?;
    scenario::load(&files, sets).map_err(|report| Failure::reported(report, &dir.display().to_string()))
}

/// Measured curves, and the run's second at their second zero.
pub(crate) type Overlay = (Measured, f64);

/// The curves that the user named, or else those of the scenario.
pub(crate) fn overlay(
    scenario: &Scenario,
    dir: &Path,
    named: Option<&PathBuf>,
) -> Result<Option<Overlay>, Failure> {
    let read = |path: &Path| Measured::read(path).map_err(|error| Failure::new(error.to_string()));
    match (named, &scenario.overlay) {
        (Some(path), _) => {
            let measured = read(path)?;
            let zero = measured.zero(Some(clock(scenario)));
            Ok(Some((measured, zero)))
        }
        (None, Some(own)) => {
            let zero = own.start.as_secs_f64() - scenario.warm_up.as_secs_f64();
            Ok(Some((read(&dir.join(&own.directory))?, zero)))
        }
        (None, None) => Ok(None),
    }
}

/// The time of day at second zero of what is recorded, the end of the warm-up; in seconds.
pub(crate) fn clock(scenario: &Scenario) -> f64 {
    let zero = scenario.epoch + scenario.warm_up;
    zero.as_second().rem_euclid(86_400) as f64
}

/// Where what is recorded ends.
pub(crate) fn end(scenario: &Scenario) -> Instant {
    Instant::ZERO + scenario.duration.saturating_sub(scenario.warm_up)
}

/// What is kept of one run.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    pub(crate) summary: Summary,
    pub(crate) table: Table,
    /// Every decision; of many runs, only the first keeps them.
    pub(crate) log: Vec<LogEntry>,
}

/// Runs seeds from `seed` on, side by side. What comes back is in the order of seeds, whatever the number of
/// threads.
pub(crate) fn run(
    scenario: &Scenario,
    seed: u64,
    runs: usize,
    fidelity: Fidelity,
    log: bool,
) -> Vec<Outcome> {
    let progress = talk::progress(runs);
    let one = |n: usize| {
        let outcome = run_one(scenario, seed.wrapping_add(n as u64), fidelity, log && n == 0);
        progress.inc(1);
        outcome
    };
    let outcomes = if runs == 1 {
        vec![one(0)]
    } else {
        (0..runs).into_par_iter().map(one).collect()
    };
    progress.finish_and_clear();
    outcomes
}

fn run_one(scenario: &Scenario, seed: u64, fidelity: Fidelity, log: bool) -> Outcome {
    let level = match fidelity {
        Fidelity::Flow => traffic::Fidelity::Flow,
        Fidelity::Requests => traffic::Fidelity::Requests,
    };
    let record = cluster::run(
        scenario,
        Options {
            seed,
            fidelity: level,
            log,
            latencies: true,
            dashboard: true,
            audit: false,
        },
    );
    let about = About {
        scenario: scenario.name.clone(),
        seed,
        fidelity: fidelity.as_str().to_owned(),
        epoch: (scenario.epoch + scenario.warm_up).to_string(),
    };
    let summary = summarize(&record, &about);
    Outcome {
        table: Table::of(&record),
        summary,
        log: record.log,
    }
}

/// A run's dashboard curves, to be compared with measured ones.
pub(crate) fn simulated(table: &Table) -> Simulated {
    let curve = |name: &str| step_curve(&table.readings(name), 0.0);
    let nodes: BTreeMap<_, _> = table
        .types(SEEN_NODES)
        .map(|name| (name.to_owned(), curve(&format!("{SEEN_NODES}{name}"))))
        .collect();
    let total = |row: usize| -> f64 {
        let seen = |name| {
            table
                .column(&format!("{SEEN_NODES}{name}"))
                .map_or(0.0, |column| column[row])
        };
        table
            .types(SEEN_NODES)
            .map(seen)
            .filter(|value| value.is_finite())
            .sum()
    };
    let total: Vec<(f64, f64)> = table
        .times()
        .iter()
        .enumerate()
        .map(|(row, at)| (*at, total(row)))
        .collect();
    let curves = [
        (CurveName::Rps, curve(CurveName::Rps.series())),
        (CurveName::Pods, curve(CurveName::Pods.series())),
        (CurveName::Nodes, step_curve(&total, 0.0)),
    ];
    Simulated {
        curves: curves.into(),
        nodes,
    }
}
