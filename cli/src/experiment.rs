//! Running a scenario, once or many times.

use std::path::{Path, PathBuf};

use live::accuracy::Simulated;
use live::compare::names::SEEN_NODES_OF;
use live::compare::{Run, observe};
use live::curves::step_curve;
use live::measured::{CurveName, Measured};
use live::recording::Recording;
use model::cluster::record::LogEntry;
use model::cluster::{self, Options};
use model::scenario::{self, Report, Scenario};
use rayon::prelude::*;
use sim::{Instant, SortedMap};

use crate::args::Fidelity;
use crate::export::summary::{About, Summary, summarize};
use crate::export::table::Table;
use crate::failure::Failure;
use crate::files::{passed_over, read_scenario, read_text};
use crate::talk;

/// A scenario that can run, and what there is to say about it.
pub(crate) fn load(dir: &Path, sets: &[String]) -> Result<(Scenario, Report), Failure> {
    let files = read_scenario(dir)?;
    let with_passed_over = |report: Report| Report::new([passed_over(dir), report.problems].concat());
    match scenario::load(&files, sets) {
        Ok((scenario, report)) => Ok((scenario, with_passed_over(report))),
        Err(report) => Err(Failure::reported(
            with_passed_over(report),
            &dir.display().to_string(),
        )),
    }
}

/// The scenario of a recording, with the overrides of its run; one that is named is taken as it is.
pub(crate) fn recorded(named: Option<&Path>, recording: &Recording) -> Option<(PathBuf, Vec<String>)> {
    match named {
        Some(dir) => Some((dir.to_owned(), Vec::new())),
        None => Some((recording.scenario()?, recording.header.sets.clone())),
    }
}

/// Overrides: those of a file of scenario fields, then those that were typed.
pub(crate) fn sets(with: Option<&Path>, typed: &[String]) -> Result<Vec<String>, Failure> {
    let Some(path) = with else {
        return Ok(typed.to_vec());
    };
    let text = read_text(path)?;
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        Failure::new(format!("{}: {}", path.display(), error.to_string().trim_end()))
            .hint("expected fields of scenario.toml, as `scaletwin calibrate` writes them")
    })?;
    let mut found = Vec::new();
    flatten(&toml::Value::Table(table), &mut Vec::new(), &mut found);
    found.extend_from_slice(typed);
    Ok(found)
}

/// Fields that are whole in themselves: a distribution, a list, a number.
fn flatten(value: &toml::Value, path: &mut Vec<String>, found: &mut Vec<String>) {
    let whole = |table: &toml::Table| {
        let keys = [
            "min",
            "max",
            "median",
            "sigma",
            "mean",
            "sd",
            "compressed",
            "unpacked",
        ];
        table.keys().all(|key| keys.contains(&key.as_str()))
    };
    match value {
        toml::Value::Table(table) if path.is_empty() || !whole(table) => {
            for (key, value) in table {
                path.push(format!("\"{key}\""));
                flatten(value, path, found);
                path.pop();
            }
        }
        _ => found.push(format!("{}={value}", path.join("."))),
    }
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
    /// What comparisons take, if it was to be kept.
    pub(crate) run: Run,
}

/// What of runs is kept beside their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    /// Rows.
    Rows,
    /// Exact curves and lives too, and the decisions of the first.
    Everything,
}

/// Runs seeds from `seed` on, side by side. What comes back is in the order of seeds, whatever the number of
/// threads.
pub(crate) fn run(
    scenario: &Scenario,
    seed: u64,
    runs: usize,
    fidelity: Fidelity,
    keep: Keep,
) -> Vec<Outcome> {
    let progress = talk::progress(runs);
    let one = |n: usize| {
        let log = keep == Keep::Everything && n == 0;
        let outcome = run_one(
            scenario,
            options(seed.wrapping_add(n as u64), fidelity, log),
            keep,
        );
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

/// What of a run is not the scenario's.
pub(crate) fn options(seed: u64, fidelity: Fidelity, log: bool) -> Options {
    Options {
        seed,
        fidelity: fidelity.into(),
        log,
        latencies: true,
        dashboard: true,
        audit: false,
    }
}

fn run_one(scenario: &Scenario, options: Options, keep: Keep) -> Outcome {
    let (record, run) = match keep {
        Keep::Rows => (cluster::run(scenario, options), Run::default()),
        Keep::Everything => observe(scenario, options),
    };
    let about = About {
        scenario: scenario.name.clone(),
        seed: options.seed,
        fidelity: Fidelity::from(options.fidelity).as_str().to_owned(),
        epoch: (scenario.epoch + scenario.warm_up).to_string(),
    };
    let summary = summarize(&record, &about);
    Outcome {
        table: Table::of(&record),
        summary,
        log: record.log,
        run,
    }
}

/// A run's dashboard curves, to be compared with measured ones.
pub(crate) fn simulated(table: &Table) -> Simulated {
    let curve = |name: &str| step_curve(&table.readings(name), 0.0);
    let nodes: SortedMap<_, _> = table
        .types(SEEN_NODES_OF)
        .map(|name| (name.to_owned(), curve(&format!("{SEEN_NODES_OF}{name}"))))
        .collect();
    let curves = [CurveName::Rps, CurveName::Pods, CurveName::Nodes].map(|name| (name, curve(name.series())));
    Simulated {
        curves: curves.into(),
        nodes,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::fs;

    use live::recording::{Durability, Header, Maker, SCENARIO, VERSION, Writer};

    use super::*;

    /// Of a recording without a scenario.
    pub(crate) fn header() -> Header {
        Header {
            version: VERSION,
            run: "r1".to_owned(),
            made_by: Maker::Live,
            scenario: None,
            epoch: "2026-01-31T12:00:00Z".to_owned(),
            versions: SortedMap::new(),
            sets: vec!["seed=2".to_owned()],
            region: None,
            cluster: None,
        }
    }

    #[test]
    fn a_recording_brings_its_scenario_and_overrides_unless_one_is_named() {
        let dir = std::env::temp_dir().join(format!("scaletwin-recorded-{}", std::process::id()));
        drop(fs::remove_dir_all(&dir));
        drop(Writer::create(&dir, header(), Durability::AtEnd).expect("it can be written"));
        let read = || Recording::read(&dir).expect("it can be read");
        assert_eq!(recorded(None, &read()), None, "there is none in it");
        fs::create_dir_all(dir.join(SCENARIO)).expect("it can be made");
        fs::write(dir.join(SCENARIO).join("scenario.toml"), "").expect("it can be written");
        assert_eq!(
            recorded(None, &read()),
            Some((dir.join(SCENARIO), vec!["seed=2".to_owned()]))
        );
        let named = Path::new("elsewhere");
        assert_eq!(
            recorded(Some(named), &read()),
            Some((named.to_owned(), Vec::new()))
        );
        fs::remove_dir_all(&dir).expect("it can be removed");
    }
}
