//! `scaletwin accuracy`

use live::accuracy::{Comparison, Scope, compare, quantile};
use live::measured::Measured;
use serde_json::json;
use sim::{Instant, SortedMap};

use super::Answer;
use crate::args::{AccuracyArgs, Format};
use crate::experiment::{self, Keep, Outcome};
use crate::export::constants::constants;
use crate::export::measures;
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
    let outcomes = experiment::run(&scenario, scenario.seed, seeds, args.fidelity, Keep::Rows);
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
        constants: constants(&scenario, scope.prices.keys().map(String::as_str)),
    };
    match args.format {
        Format::Text => print(&text(&comparison, &measured, &head))?,
        Format::Json => {
            comparison
                .lines
                .iter()
                .try_for_each(|line| print_json("measure", measures::as_json(line)))?;
            print_json(
                "result",
                json!({ "met": measures::met(&comparison.lines), "seeds": seeds, "fidelity": scope.fidelity }),
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
fn prices(outcomes: &[Outcome]) -> SortedMap<String, f64> {
    let mut paid: SortedMap<String, Vec<f64>> = SortedMap::new();
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
    constants: Option<String>,
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
    text.push_str("\n\n");
    text.push_str(&measures::table(&comparison.lines));
    if let Some(objectives) = measures::objectives(&comparison.lines) {
        text.push_str(&format!("\n{objectives}\n"));
    }
    if let Some(constants) = &head.constants {
        text.push_str(&format!("{constants}\n"));
    }
    text
}
