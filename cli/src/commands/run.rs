//! `scaletwin run`

use std::path::{Path, PathBuf};

use live::compare::{CURVES, LIVES, curves_csv, lives_csv};
use serde_json::json;

use super::Answer;
use super::plot::{FIGURES, draw};
use crate::args::{Colors, Format, RunArgs};
use crate::experiment::{self, Keep, Outcome, Overlay};
use crate::export::dashboard::{Dashboard, Laid};
use crate::export::events::events_jsonl;
use crate::export::summary::Summary;
use crate::export::table::Table;
use crate::failure::Failure;
use crate::files::read_scenario;
use crate::output::{OutputDir, print, print_json};
use crate::talk;

pub(crate) fn run(args: &RunArgs) -> Result<Answer, Failure> {
    let sets = experiment::sets(args.with.as_deref(), &args.sets)?;
    let loaded = experiment::load(&args.dir, &sets);
    if let (Err(failure), Format::Json) = (&loaded, args.format) {
        super::check::print_problems(failure.problems())?;
    }
    let (scenario, report) = loaded?;
    let overlay = experiment::overlay(&scenario, &args.dir, args.overlay.as_ref())?;
    let out = args
        .out
        .clone()
        .unwrap_or_else(|| Path::new("out").join(directory_name(&args.dir)));
    let out = OutputDir::open(&out)?;
    talk::report(&report);

    let seed = args.seed.unwrap_or(scenario.seed);
    let runs = args.replications as usize;
    talk::say(&format!(
        "running {} in {}, {}",
        scenario.name,
        args.fidelity.as_str(),
        seeds(seed, runs)
    ));
    let outcomes = experiment::run(&scenario, seed, runs, args.fidelity, Keep::Everything);
    let (summary, table) = together(&outcomes);
    if let Some(dir) = &args.record {
        let options = experiment::options(seed, args.fidelity, true);
        live::simulated::record(&scenario, &read_scenario(&args.dir)?, &sets, options, dir).map_err(
            |error| Failure::new(error.to_string()).hint("choose another directory with --record"),
        )?;
        talk::say(&format!("recorded seed {seed} in {}", dir.display()));
    }

    let (json, csv) = (summary.to_json(), table.to_csv());
    let observed: Vec<_> = outcomes
        .iter()
        .map(|outcome| (outcome.summary.seed, &outcome.run))
        .collect();
    // The figures take longest: whatever else is to be written is made beside them.
    let draw = |colors| draw_exported(&json, &csv, overlay.as_ref(), colors);
    let (figures, [events, curves, lives]) = rayon::join(
        || args.figures.wanted().map(draw).transpose(),
        || {
            [
                ("events.jsonl", events_jsonl(&outcomes[0].log)),
                (CURVES, curves_csv(&observed).into_bytes()),
                (LIVES, lives_csv(&observed).into_bytes()),
            ]
        },
    );
    let figures = figures?;
    let stale = if figures.is_some() { &[][..] } else { &FIGURES[..] };
    let mut files = vec![
        ("summary.json", json.into_bytes()),
        ("series.csv", csv.into_bytes()),
        events,
        curves,
        lives,
    ];
    files.extend(figures.into_iter().flatten());
    let written = out.write(&files, stale)?;
    for failed in &summary.failed_actions {
        talk::say(&format!("an action was not carried out: {}", failed.text()));
    }
    tell(&summary, &written, args.format)?;
    Ok(Answer::Done)
}

/// Draws what was exported, not what was computed: `plot` then draws the same picture from the same files.
fn draw_exported(
    json: &str,
    csv: &str,
    overlay: Option<&Overlay>,
    theme: Colors,
) -> Result<[(&'static str, Vec<u8>); 2], Failure> {
    let summary = Summary::from_json(json).expect("what was exported can be read");
    let table = Table::from_csv(csv).expect("what was exported can be read");
    let overlay = overlay.map(|(measured, zero)| Laid::of(measured, *zero));
    draw(
        &Dashboard {
            table: &table,
            summary: &summary,
            overlay,
        }
        .figure(),
        theme,
    )
}

/// The runs as one: the only one, or their medians and bands.
fn together(outcomes: &[Outcome]) -> (Summary, Table) {
    let summaries: Vec<Summary> = outcomes.iter().map(|outcome| outcome.summary.clone()).collect();
    let tables: Vec<Table> = outcomes.iter().map(|outcome| outcome.table.clone()).collect();
    (Summary::merged(&summaries), Table::merged(&tables))
}

fn tell(summary: &Summary, written: &[PathBuf], format: Format) -> Result<(), Failure> {
    match format {
        Format::Text => {
            let folder = written
                .first()
                .and_then(|path| path.parent())
                .unwrap_or(Path::new("."));
            let mut text = summary.text();
            text.push_str(&format!(
                "{:<18} summary.json, series.csv, events.jsonl, curves.csv, lives.csv in {}\n",
                "files",
                folder.display()
            ));
            if let Some(picture) = written
                .iter()
                .find(|path| path.extension().is_some_and(|end| end == "png"))
            {
                text.push_str(&format!("{:<18} {}\n", "picture", picture.display()));
            }
            print(&text)
        }
        Format::Json => {
            print_json("summary", summary.to_value())?;
            print_json("files", json!(written))
        }
    }
}

fn seeds(seed: u64, runs: usize) -> String {
    match runs {
        1 => format!("seed {seed}"),
        _ => format!("seeds {seed} to {}", seed.wrapping_add(runs as u64 - 1)),
    }
}

/// The last part of a path, also of `.` and `..`.
fn directory_name(dir: &Path) -> PathBuf {
    let name = |path: &Path| path.file_name().map(PathBuf::from);
    name(dir)
        .or_else(|| name(&dir.canonicalize().ok()?))
        .unwrap_or_else(|| PathBuf::from("scenario"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_named_after_the_directory() {
        assert_eq!(
            directory_name(Path::new("scenarios/php-apache/")),
            Path::new("php-apache")
        );
        let here = std::env::current_dir().unwrap();
        assert_eq!(
            directory_name(Path::new(".")).as_os_str(),
            here.file_name().unwrap()
        );
    }

    #[test]
    fn seeds_are_told_before_anything_runs() {
        assert_eq!(seeds(7, 1), "seed 7");
        assert_eq!(seeds(7, 50), "seeds 7 to 56");
    }
}
