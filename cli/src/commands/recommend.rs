//! `scaletwin recommend`

use std::fmt::Write as _;

use serde_json::{Value, json};
use sweep::answer::Keeping;
use sweep::check::Reason;
use sweep::confirm::{confirm, superfluous, without};
use sweep::engine::CURRENT;
use sweep::journal::JOURNAL;
use sweep::patch::{Change, Home, changes, diff, kubectl};
use sweep::statistics::{CONFIDENCE, Estimate, mean, same};
use sweep::{Configuration, Measure, Shard, Simulator};

use super::Answer;
use super::sweep::{Answered, Sweep, assembled, chosen_by, halted, read_journal, spread};
use crate::args::{Format, RecommendArgs};
use crate::failure::Failure;
use crate::output::{print, print_json};
use crate::talk;

/// Hours of a month, as AWS bills them.
const MONTH: f64 = 730.0;

pub(crate) fn recommend(args: &RecommendArgs) -> Result<Answer, Failure> {
    let mut sweep = Sweep::load(&args.file)?;
    if let Some(seeds) = args.seeds {
        sweep.plan.recommend.confirm = seeds;
    }
    let path = args
        .results
        .clone()
        .unwrap_or_else(|| sweep.default_out(Shard::WHOLE));
    if !path.join(JOURNAL).exists() {
        return Err(
            Failure::new(format!("{} has no results of a sweep", path.display())).hint(format!(
                "run `scaletwin sweep {}` first, or name its directory with --results",
                args.file.display()
            )),
        );
    }
    let known = read_journal(&sweep, &path)?;
    let model = Simulator::new(&sweep.plan, &sweep.base);
    let (found, reasons) = assembled(&sweep, known).map_err(|halt| {
        halted(&halt, &path).hint(format!(
            "finish it: `scaletwin sweep {} --resume`",
            args.file.display()
        ))
    })?;
    let answer = Answered::of(&sweep, &found, &reasons);
    let chosen = match args.configuration {
        Some(CURRENT) => {
            return Err(
                Failure::new("configuration 0 is what you have now, which no patch leads to")
                    .hint(format!("name one of 1 to {}, or none", found.len() - 1)),
            );
        }
        Some(number) => found.iter().find(|own| own.number == number).ok_or_else(|| {
            Failure::new(format!(
                "there is no configuration {number}: the last is {}",
                found.len() - 1
            ))
        })?,
        None => match answer.chosen {
            Some(index) => &found[index],
            None => {
                talk::say(&answer.none().unwrap_or_default());
                return Ok(Answer::No);
            }
        },
    };
    if chosen.point.is_none() {
        return keep(args.format);
    }
    let seeds = sweep.plan.recommend.confirm;
    talk::say(&format!(
        "comparing configuration {} with the current one on {seeds} fresh seeds",
        chosen.number
    ));
    let both = confirm(&sweep.plan, &model, chosen, sweep.seed).map_err(Failure::new)?;
    let point = chosen.point.as_deref().unwrap_or_default();
    let changes = changes(&sweep.plan, &sweep.base, point);
    let mut changing: Vec<usize> = changes.iter().map(|change| change.axis).collect();
    changing.dedup();
    // Only what was left out on the fresh seeds, and made no difference there, is left out of the patch: so what is
    // compared is what the patch makes.
    let superfluous = superfluous(&sweep.plan, &model, &both[1], sweep.seed, &changing);
    let doubts = changing
        .iter()
        .filter(|axis| !superfluous.contains(axis))
        .filter_map(|axis| {
            let reason = reasons[*axis].as_ref()?;
            let left: Vec<usize> = superfluous.iter().copied().chain([*axis]).collect();
            let without = without(&sweep.plan, &model, &both[1], sweep.seed, &left)?;
            Some(Doubt {
                axis: *axis,
                reason,
                without,
            })
        })
        .collect();
    let (kept, changed) = changes
        .into_iter()
        .partition(|change| superfluous.contains(&change.axis));
    let advice = Advice {
        answer: &answer,
        chosen,
        fresh: &both,
        changed,
        kept,
        doubts,
    };
    match args.format {
        Format::Text => print(&advice.text())?,
        Format::Json => print_json("recommendation", advice.json())?,
    }
    Ok(Answer::Done)
}

fn keep(format: Format) -> Result<Answer, Failure> {
    match format {
        Format::Text => print("keep what you have: no configuration of the sweep is better\n")?,
        Format::Json => print_json("recommendation", json!({ "configuration": 0, "changes": [] }))?,
    }
    Ok(Answer::Done)
}

/// What is recommended, and how it compares.
struct Advice<'a> {
    answer: &'a Answered<'a>,
    chosen: &'a Configuration,
    /// The current and the chosen configuration on fresh seeds.
    fresh: &'a [Configuration; 2],
    /// Fields that change.
    changed: Vec<Change>,
    /// Fields that may stay as they are: the chosen configuration has the same results on fresh seeds without the
    /// change, to the last digit.
    kept: Vec<Change>,
    /// Changes that `check` calls without effect, and that are not.
    doubts: Vec<Doubt<'a>>,
}

/// A change of which `check` says that it has no effect, though results are others without it.
struct Doubt<'a> {
    axis: usize,
    reason: &'a Reason,
    /// The chosen configuration on fresh seeds without the change.
    without: Configuration,
}

impl Advice<'_> {
    fn difference(&self, measure: Measure) -> Estimate {
        let [current, chosen] = self.fresh;
        Estimate::difference(&chosen.values(measure), &current.values(measure), CONFIDENCE)
    }

    /// The axes of what may stay as it is.
    fn idle(&self) -> Vec<&str> {
        let axes = &self.answer.sweep.plan.axes;
        let mut names: Vec<&str> = self
            .kept
            .iter()
            .map(|change| axes[change.axis].name.as_str())
            .collect();
        names.dedup();
        names
    }

    /// What a change does by itself to the objectives that it touches.
    fn alone(&self, doubt: &Doubt<'_>) -> Vec<(Measure, Estimate)> {
        let objectives = self.answer.sweep.plan.objectives.iter();
        let of = |measure: &Measure| {
            let (with, without) = (self.fresh[1].values(*measure), doubt.without.values(*measure));
            (!same(&with, &without)).then(|| (*measure, Estimate::difference(&with, &without, CONFIDENCE)))
        };
        objectives.filter_map(of).collect()
    }

    fn doubted(&self, doubt: &Doubt<'_>) -> String {
        let differences = self.alone(doubt).into_iter().map(|(measure, difference)| {
            let unit = measure.display().1;
            let space = if unit.is_empty() { "" } else { " " };
            format!(
                "{} differs by {}{space}{unit}",
                measure.name(),
                spread(measure, difference)
            )
        });
        let differences: Vec<String> = differences.collect();
        let seen = match differences.as_slice() {
            [] => "no objective differs, other results do".to_owned(),
            some => some.join(", "),
        };
        let name = &self.answer.sweep.plan.axes[doubt.axis].name;
        format!(
            "{name} [{}]: {}; by itself, on the fresh seeds: {seen}",
            doubt.reason.code, doubt.reason.message
        )
    }

    fn text(&self) -> String {
        let sweep = self.answer.sweep;
        let plan = &sweep.plan;
        let mut text = String::new();
        let mut line = |name: &str, value: String| {
            let _ = writeln!(text, "{name:<18} {value}");
        };
        line(
            "recommended",
            format!(
                "configuration {} of {}: {}",
                self.chosen.number,
                plan.name,
                self.answer.named(self.chosen)
            ),
        );
        if self
            .answer
            .chosen
            .is_some_and(|index| self.answer.found[index].number == self.chosen.number)
        {
            line("chosen by", chosen_by(plan));
        }
        line("now", self.answer.settings(None).join(", "));
        line(
            "compared",
            format!(
                "on {} fresh seeds of both, seed by seed; ± holds 95 %",
                plan.recommend.confirm
            ),
        );
        for measure in self.measures() {
            let (word, value) = self.verdict(measure);
            line(word, value);
        }
        for (index, constraint) in plan.constraints.iter().enumerate() {
            let values = self.fresh[1].constrained(index);
            let word = match sweep::answer::keeping(plan, &self.fresh[1], index) {
                Keeping::Surely => "keeps",
                Keeping::Perhaps => "keeps, perhaps",
                Keeping::PerhapsNot => "may break",
                Keeping::No => "breaks",
            };
            let missed = values.iter().filter(|value| !constraint.keeps(**value)).count();
            line(
                word,
                format!(
                    "{constraint}: {}, missed by {missed} of {} seeds",
                    constraint.show(mean(&values)),
                    values.len()
                ),
            );
        }
        let idle = self.idle();
        if !idle.is_empty() {
            line(
                "left as it is",
                format!(
                    "{}: the same results to the last digit without the change, on the fresh seeds",
                    idle.join(", ")
                ),
            );
        }
        for doubt in &self.doubts {
            line("check says", self.doubted(doubt));
        }
        self.answer
            .as_good(self.chosen)
            .into_iter()
            .for_each(|value| line("as good", value));
        let _ = writeln!(text);
        for command in kubectl(&sweep.base, plan, &self.changed) {
            let _ = writeln!(text, "{command}");
        }
        for change in self.changed.iter().filter(|change| change.home == Home::Scenario) {
            let _ = writeln!(
                text,
                "# not in a manifest: {} from {} to {}",
                change.target,
                change.before.as_ref().map_or_else(
                    || "its default".to_owned(),
                    |value| sweep::patch::json_of(value).to_string()
                ),
                sweep::patch::json_of(&change.after)
            );
        }
        let (unified, left) = diff(&sweep.base, &self.changed);
        if !unified.is_empty() {
            let _ = write!(text, "\n{unified}");
        }
        for file in left {
            let _ = writeln!(
                text,
                "# {file} is written in a way that cannot be edited as text; use the patch"
            );
        }
        text
    }

    /// Objectives first, then what else differs for sure.
    fn measures(&self) -> Vec<Measure> {
        let plan = &self.answer.sweep.plan;
        let mut measures = plan.objectives.clone();
        let others = Measure::all().filter(|measure| {
            !plan.objectives.contains(measure)
                && self.difference(*measure).is_told_apart()
                && (plan.needs_latency() || !measure.needs_latency())
        });
        measures.extend(others);
        measures
    }

    /// Saved, risked or the same, with the numbers.
    fn verdict(&self, measure: Measure) -> (&'static str, String) {
        let difference = self.difference(measure);
        let [current, chosen] = self.fresh.each_ref().map(|own| mean(&own.values(measure)));
        let (factor, unit) = measure.display();
        let unit = if unit.is_empty() {
            String::new()
        } else {
            format!(" {unit}")
        };
        let sign = if difference.mean > 0.0 { "+" } else { "" };
        let by = format!("{sign}{}{unit}", spread(measure, difference));
        let from_to = format!(
            "{} {} → {}{unit}",
            measure.name(),
            sweep::measure::significant(current * factor, 4),
            sweep::measure::significant(chosen * factor, 4)
        );
        if difference.mean.is_nan() {
            return ("unknown", format!("{from_to}: some seeds have no value"));
        }
        if !difference.is_told_apart() {
            return ("the same", format!("{from_to}: cannot be told apart ({by})"));
        }
        let share = if current != 0.0 {
            format!(", {sign}{:.0} %", difference.mean / current * 100.0)
        } else {
            String::new()
        };
        let month = if measure == Measure::Cost {
            let hours = self.answer.sweep.counted.as_secs_f64() / 3600.0;
            let monthly = |value: f64| value / hours * MONTH;
            format!(
                "; a month of such runs {} ± {} USD",
                sweep::measure::significant(monthly(difference.mean), 3),
                sweep::measure::significant(monthly(difference.half), 2)
            )
        } else {
            String::new()
        };
        let better = (difference.mean < 0.0) != measure.more_is_better();
        let is_objective = self.answer.sweep.plan.objectives.contains(&measure);
        let word = match (better, is_objective) {
            (true, true) if measure.more_is_better() => "gains",
            (true, true) => "saves",
            (false, true) => "risks",
            (false, false) if measure.is_harm() => "risks",
            _ => "also",
        };
        (word, format!("{from_to} ({by}{share}{month})"))
    }

    fn json(&self) -> Value {
        let sweep = self.answer.sweep;
        let (unified, _) = diff(&sweep.base, &self.changed);
        let differences: serde_json::Map<String, Value> = self
            .measures()
            .into_iter()
            .map(|measure| {
                let own = self.difference(measure);
                let [current, chosen] = self.fresh.each_ref().map(|own| mean(&own.values(measure)));
                let value = json!({
                    "current": current, "recommended": chosen,
                    "difference": own.mean, "low": own.low(), "high": own.high(),
                    "told_apart": own.is_told_apart(),
                });
                (measure.name().to_owned(), value)
            })
            .collect();
        let fields: Vec<Value> = self
            .changed
            .iter()
            .map(|change| {
                json!({
                    "field": change.target,
                    "before": change.before.as_ref().map(sweep::patch::json_of),
                    "after": sweep::patch::json_of(&change.after),
                })
            })
            .collect();
        let doubts: Vec<Value> = self
            .doubts
            .iter()
            .map(|doubt| {
                let differences: serde_json::Map<String, Value> = self
                    .alone(doubt)
                    .into_iter()
                    .map(|(measure, own)| {
                        let value = json!({ "difference": own.mean, "low": own.low(), "high": own.high() });
                        (measure.name().to_owned(), value)
                    })
                    .collect();
                json!({
                    "axis": sweep.plan.axes[doubt.axis].name,
                    "code": doubt.reason.code,
                    "reason": doubt.reason.message,
                    "differences": differences,
                })
            })
            .collect();
        json!({
            "configuration": self.chosen.number,
            "seeds": sweep.plan.recommend.confirm,
            "changes": fields,
            "without_effect": self.idle(),
            "check_says": doubts,
            "differences": differences,
            "kubectl": kubectl(&sweep.base, &sweep.plan, &self.changed),
            "diff": unified,
        })
    }
}
