//! `scaletwin accuracy`

use std::collections::BTreeMap;

use live::accuracy::{Comparison, Line, Scope, Unit, compare, quantile};
use live::measured::Measured;
use serde_json::{Value, json};
use sim::Instant;

use super::Answer;
use crate::args::{AccuracyArgs, Format};
use crate::experiment::{self, Outcome};
use crate::export::summary::time_of_day;
use crate::failure::Failure;
use crate::output::{print, print_json};
use crate::talk;

pub(crate) fn accuracy(args: &AccuracyArgs) -> Result<Answer, Failure> {
    let (scenario, report) = experiment::load(&args.dir, &args.sets)?;
    let Some((measured, zero)) = experiment::overlay(&scenario, &args.dir, args.overlay.as_ref())? else {
        return Err(
            Failure::new(format!("{} has no measured curves", args.dir.display()))
                .hint("name a directory of *-rps.csv, *-pods.csv and *-nodes.csv with --overlay"),
        );
    };
    talk::report(&report);
    let seeds = args.seeds as usize;
    talk::say(&format!(
        "running {} in {}, {seeds} seeds from {}",
        scenario.name,
        args.fidelity.as_str(),
        scenario.seed
    ));
    let outcomes = experiment::run(&scenario, scenario.seed, seeds, args.fidelity, false);
    let simulated: Vec<_> = outcomes
        .iter()
        .map(|outcome| experiment::simulated(&outcome.table))
        .collect();
    let scope = Scope {
        zero,
        end: experiment::end(&scenario),
        fidelity: args.fidelity.as_str().to_owned(),
        prices: prices(&outcomes),
    };
    let comparison = compare(&simulated, &measured, &scope);
    let head = Head {
        scenario: &scenario.name,
        seeds,
        scope: &scope,
        clock: experiment::clock(&scenario),
    };
    match args.format {
        Format::Text => print(&text(&comparison, &measured, &head))?,
        Format::Json => {
            comparison
                .lines
                .iter()
                .try_for_each(|line| print_json("measure", as_json(line)))?;
            print_json(
                "result",
                json!({ "met": comparison.met(), "seeds": seeds, "fidelity": scope.fidelity }),
            )?;
        }
    }
    Ok(if comparison.met() {
        Answer::Done
    } else {
        Answer::No
    })
}

/// Dollars an hour of each instance type, as the runs paid them.
fn prices(outcomes: &[Outcome]) -> BTreeMap<String, f64> {
    let mut paid: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for (name, part) in outcomes.iter().flat_map(|outcome| &outcome.summary.by_type) {
        if part.node_hours > 0.0 {
            paid.entry(name.clone())
                .or_default()
                .push(part.instance_usd / part.node_hours);
        }
    }
    paid.into_iter()
        .map(|(name, prices)| (name, quantile(&prices, 0.5)))
        .collect()
}

struct Head<'a> {
    scenario: &'a str,
    seeds: usize,
    scope: &'a Scope,
    clock: f64,
}

fn text(comparison: &Comparison, measured: &Measured, head: &Head<'_>) -> String {
    let mut text = format!(
        "{}: {} seeds in {} against {:?}",
        head.scenario, head.seeds, head.scope.fidelity, measured.name
    );
    if let Some((from, to)) = comparison.window {
        let of_day = |at: Instant| time_of_day(head.clock + at.as_secs_f64());
        text.push_str(&format!(", {} to {}", of_day(from), of_day(to)));
    }
    if let Some(source) = &measured.source {
        text.push_str(&format!("\nmeasured: {source}"));
    }
    let rows: Vec<[String; 5]> = comparison.lines.iter().map(row).collect();
    let header = ["curve", "measure", "median", "5–95 %", "objective"].map(str::to_owned);
    let width = |n: usize| {
        rows.iter()
            .chain([&header])
            .map(|row| row[n].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths = [0, 1, 2, 3, 4].map(width);
    let mut line = |row: &[String; 5]| {
        let [curve, measure, median, band, objective] = row;
        let [w0, w1, w2, w3, _] = widths;
        let cells = format!("{curve:<w0$}  {measure:<w1$}  {median:>w2$}  {band:>w3$}  {objective}");
        text.push_str(&format!("\n{}", cells.trim_end()));
    };
    line(&[const { String::new() }; 5]);
    line(&header);
    rows.iter().for_each(&mut line);
    let objectives = comparison.lines.iter().filter(|line| line.objective.is_some());
    let (met, all) = (
        objectives.clone().filter(|line| line.met).count(),
        objectives.count(),
    );
    if all > 0 {
        text.push_str(&format!("\n\n{met} of {all} objectives met"));
    }
    text.push('\n');
    text
}

fn row(line: &Line) -> [String; 5] {
    let (low, high) = line.band;
    let band = if low == high || low.is_nan() || line.together {
        String::new()
    } else {
        format!("{} … {}", number(low, line.unit), number(high, line.unit))
    };
    let objective = line.objective.as_ref().map_or_else(String::new, |objective| {
        let bound = match (objective.at_most, objective.at_least) {
            (Some(most), _) => format!("≤ {}", number(most, line.unit)),
            (_, Some(least)) => format!("≥ {}", number(least, line.unit)),
            (None, None) => String::new(),
        };
        format!("{bound:<9} {}", if line.met { "met" } else { "MISSED" })
    });
    [
        line.subject.clone(),
        line.measure.clone(),
        number(line.median, line.unit),
        band,
        objective,
    ]
}

fn number(value: f64, unit: Unit) -> String {
    match unit {
        _ if value.is_nan() => "–".to_owned(),
        _ if value.is_infinite() => "never".to_owned(),
        Unit::Share => format!("{:.1} %", value * 100.0),
        Unit::Seconds => format!("{value:.0} s"),
        Unit::Count => format!("{value:.1}"),
    }
}

fn as_json(line: &Line) -> Value {
    let finite = |value: f64| value.is_finite().then_some(value);
    json!({
        "curve": line.subject,
        "measure": line.measure,
        "unit": match line.unit { Unit::Share => "share", Unit::Seconds => "s", Unit::Count => "count" },
        "median": finite(line.median),
        "p05": finite(line.band.0),
        "p95": finite(line.band.1),
        "at_most": line.objective.as_ref().and_then(|objective| objective.at_most),
        "at_least": line.objective.as_ref().and_then(|objective| objective.at_least),
        "met": line.met,
    })
}
