//! `scaletwin recommend`

use std::fmt::Write as _;

use model::document::Diagnostic;
use model::scenario::parse_field;
use serde_json::{Value, json};
use sweep::answer::Keeping;
use sweep::check::Reason;
use sweep::confirm::{confirm, superfluous, without};
use sweep::engine::CURRENT;
use sweep::journal::JOURNAL;
use sweep::patch::{Change, Home, changes, diff, json_of, kubectl, to_write};
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
    let Some(point) = &chosen.point else {
        return keep(&sweep, args.format);
    };
    let seeds = sweep.plan.recommend.confirm;
    talk::say(&format!(
        "comparing configuration {} with the current one on {seeds} fresh seeds",
        chosen.number
    ));
    let both = confirm(&sweep.plan, &model, chosen, sweep.seed).map_err(Failure::new)?;
    let changes = changes(&sweep.plan, &sweep.base, point);
    let mut changing: Vec<usize> = changes.iter().filter_map(|change| change.axis).collect();
    changing.dedup();
    // Only what was left out on the fresh seeds, and made no difference there, is left out of the patch: so what is
    // compared is what the patch makes.
    let superfluous = superfluous(&sweep.plan, &model, &both[1], sweep.seed, &changing);
    let alone = changing
        .iter()
        .filter(|axis| !superfluous.contains(axis))
        .filter_map(|axis| {
            let left: Vec<usize> = superfluous.iter().copied().chain([*axis]).collect();
            let without = without(&sweep.plan, &model, &both[1], sweep.seed, &left)?;
            Some(Alone {
                axis: *axis,
                reason: reasons[*axis].as_ref(),
                without,
            })
        })
        .collect();
    let advice = Advice {
        answer: &answer,
        chosen,
        fresh: &both,
        changed: to_write(&sweep.plan, &sweep.base, point, &superfluous),
        kept: changing
            .into_iter()
            .filter(|axis| superfluous.contains(axis))
            .collect(),
        alone,
        fresh_advice: fresh_advice(&sweep, &sweep.plan.sets_without(point, &superfluous)),
    };
    match args.format {
        Format::Text => print(&advice.text())?,
        Format::Json => print_json("recommendation", advice.json())?,
    }
    Ok(Answer::Done)
}

/// What `check` says of the scenario that a patch leads to, and not of what is in the manifests now. What the sweep sets in
/// the scenario itself is in both.
fn fresh_advice(sweep: &Sweep, sets: &[String]) -> Vec<Diagnostic> {
    let said = |sets: &[String]| match sweep.base.with(sets) {
        Ok((_, report)) | Err(report) => report.problems,
    };
    let is_scenarios = |set: &&String| {
        let target = set.split('=').next().and_then(parse_field);
        target.is_some_and(|(object, _)| object.is_none())
    };
    let own: Vec<String> = sweep.plan.sets.iter().filter(is_scenarios).cloned().collect();
    let now = said(&own);
    let is_known = |own: &Diagnostic| {
        now.iter()
            .any(|old| (old.code, &old.field) == (own.code, &own.field))
    };
    said(sets).into_iter().filter(|own| !is_known(own)).collect()
}

fn keep(sweep: &Sweep, format: Format) -> Result<Answer, Failure> {
    let all: Vec<usize> = (0..sweep.plan.axes.len()).collect();
    let set = to_write(&sweep.plan, &sweep.base, &[], &all);
    let set: Vec<&str> = set.iter().map(|change| change.target.as_str()).collect();
    match format {
        Format::Text if set.is_empty() => {
            print("keep what you have: no configuration of the sweep is better\n")?;
        }
        Format::Text => print(&format!(
            "no configuration of the sweep is better than what you have with what it sets: {}\n",
            set.join(", ")
        ))?,
        Format::Json => {
            let value = json!({ "configuration": 0, "changes": [], "set": set });
            print_json("recommendation", value)?;
        }
    }
    Ok(Answer::Done)
}

/// What is recommended, and how it compares.
struct Advice<'a> {
    answer: &'a Answered<'a>,
    chosen: &'a Configuration,
    /// The current and the chosen configuration on fresh seeds.
    fresh: &'a [Configuration; 2],
    /// Fields to write: what changes, and what the sweep sets for all.
    changed: Vec<Change>,
    /// Axes that may stay as they are: the chosen configuration has the same results on fresh seeds without the
    /// change, to the last digit.
    kept: Vec<usize>,
    /// The other axes that change.
    alone: Vec<Alone<'a>>,
    /// What `check` says of the result and not of the current files.
    fresh_advice: Vec<Diagnostic>,
}

/// What a change does by itself.
struct Alone<'a> {
    axis: usize,
    /// Why `check` says that it has no effect, if it does.
    reason: Option<&'a Reason>,
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
        self.kept.iter().map(|axis| axes[*axis].name.as_str()).collect()
    }

    /// Changes that `check` calls without effect, and that are not.
    fn doubts(&self) -> impl Iterator<Item = (&Alone<'_>, &Reason)> {
        self.alone.iter().filter_map(|own| Some((own, own.reason?)))
    }

    /// Changes of which no objective tells that they do anything.
    fn unsure(&self) -> impl Iterator<Item = &Alone<'_>> {
        let told = |own: &Alone<'_>| self.differences(own).iter().any(|(_, by)| by.is_told_apart());
        self.alone
            .iter()
            .filter(move |own| own.reason.is_none() && !told(own))
    }

    /// What the sweep sets for all configurations, as far as the files say otherwise.
    fn set(&self) -> Vec<&str> {
        let set = self.changed.iter().filter(|change| change.axis.is_none());
        set.map(|change| change.target.as_str()).collect()
    }

    /// What a change does by itself to the objectives that it touches.
    fn differences(&self, alone: &Alone<'_>) -> Vec<(Measure, Estimate)> {
        let objectives = self.answer.sweep.plan.objectives.iter();
        let of = |measure: &Measure| {
            let (with, without) = (self.fresh[1].values(*measure), alone.without.values(*measure));
            (!same(&with, &without)).then(|| (*measure, Estimate::difference(&with, &without, CONFIDENCE)))
        };
        objectives.filter_map(of).collect()
    }

    /// The same in words.
    fn by_itself(&self, alone: &Alone<'_>) -> String {
        let differences = self.differences(alone).into_iter().map(|(measure, difference)| {
            let unit = measure.display().1;
            let space = if unit.is_empty() { "" } else { " " };
            format!(
                "{} differs by {}{space}{unit}",
                measure.name(),
                spread(measure, difference)
            )
        });
        let differences: Vec<String> = differences.collect();
        match differences.as_slice() {
            [] => "no objective differs, other results do".to_owned(),
            some => some.join(", "),
        }
    }

    /// What is to be known of the changes, each with a word for it.
    fn remarks(&self) -> Vec<(&'static str, String)> {
        let name = |own: &Alone<'_>| &self.answer.sweep.plan.axes[own.axis].name;
        let mut remarks = Vec::new();
        let (set, idle) = (self.set(), self.idle());
        if !set.is_empty() {
            let both = "set by the sweep on both sides of the comparison, and part of what follows";
            remarks.push(("with", format!("{}, {both}", set.join(", "))));
        }
        if !idle.is_empty() {
            let same = "the same results to the last digit without the change, on the fresh seeds";
            remarks.push(("left as it is", format!("{}: {same}", idle.join(", "))));
        }
        remarks.extend(self.unsure().map(|own| {
            let seen = self.by_itself(own);
            let why = "by itself it moves no objective for sure, on the fresh seeds";
            ("unsure", format!("{}: {why}: {seen}", name(own)))
        }));
        remarks.extend(self.doubts().map(|(own, reason)| {
            let (code, message, seen) = (reason.code, &reason.message, self.by_itself(own));
            let said = format!(
                "{} [{code}]: {message}; by itself, on the fresh seeds: {seen}",
                name(own)
            );
            ("check says", said)
        }));
        remarks.extend(self.new_advice().map(|own| {
            let said = format!(
                "[{}] {}: {}, which it does not say of what is there now",
                own.code, own.field, own.message
            );
            ("check says", said)
        }));
        remarks
    }

    /// What `check` says of the result, and is not said as a doubt.
    fn new_advice(&self) -> impl Iterator<Item = &Diagnostic> {
        let is_told = |own: &Diagnostic| {
            let mut doubts = self.doubts();
            doubts.any(|(_, reason)| (reason.code, &reason.message) == (own.code, &own.message))
        };
        self.fresh_advice.iter().filter(move |own| !is_told(own))
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
        self.remarks()
            .into_iter()
            .for_each(|(word, said)| line(word, said));
        self.answer
            .as_good(self.chosen)
            .into_iter()
            .for_each(|value| line("as good", value));
        let _ = writeln!(text);
        for command in kubectl(&sweep.base, &self.changed) {
            let _ = writeln!(text, "{command}");
        }
        for change in self.changed.iter().filter(|change| change.home == Home::Scenario) {
            let before = change.before.as_ref().map(|value| json_of(value).to_string());
            let before = before.unwrap_or_else(|| "its default".to_owned());
            let (target, after) = (&change.target, json_of(&change.after));
            let _ = writeln!(text, "# not in a manifest: {target} from {before} to {after}");
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
                    "axis": change.axis.map(|axis| &sweep.plan.axes[axis].name),
                    "before": change.before.as_ref().map(json_of),
                    "after": json_of(&change.after),
                })
            })
            .collect();
        let alone = |own: &Alone<'_>| -> serde_json::Map<String, Value> {
            let of = |(measure, own): (Measure, Estimate)| {
                let value = json!({ "difference": own.mean, "low": own.low(), "high": own.high() });
                (measure.name().to_owned(), value)
            };
            self.differences(own).into_iter().map(of).collect()
        };
        let doubts = self.doubts().map(|(own, reason)| {
            json!({
                "axis": sweep.plan.axes[own.axis].name,
                "code": reason.code,
                "reason": reason.message,
                "differences": alone(own),
            })
        });
        let new_advice = self.new_advice().map(|own| {
            json!({ "axis": null, "code": own.code, "field": own.field, "reason": own.message, "hint": own.hint })
        });
        let unsure = self
            .unsure()
            .map(|own| json!({ "axis": sweep.plan.axes[own.axis].name, "differences": alone(own) }));
        json!({
            "configuration": self.chosen.number,
            "seeds": sweep.plan.recommend.confirm,
            "changes": fields,
            "without_effect": self.idle(),
            "unsure": unsure.collect::<Vec<_>>(),
            "check_says": doubts.chain(new_advice).collect::<Vec<_>>(),
            "differences": differences,
            "kubectl": kubectl(&sweep.base, &self.changed),
            "diff": unified,
        })
    }
}
