//! The answer in words: the front as a table, what has no effect, what cannot be told apart.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sweep::answer::{Keeping, alike, best, choose, eligible, keeping, valueless};
use sweep::check::Reason;
use sweep::effects::{Basis, Effect, Pairs, basis, effects, pairs, seeds};
use sweep::measure::significant;
use sweep::plan::counted;
use sweep::sensitivity::{Sensitivity, sensitivity};
use sweep::statistics::{CONFIDENCE, Estimate};
use sweep::{Configuration, Fate};

use super::load::Sweep;
use super::run::Pace;
use super::words::{chosen_by, headed, indented, paced, spread};
use crate::args::Format;
use crate::failure::Failure;
use crate::output::{print, print_json};

/// Rows of the table; `results.csv` has all.
const ROWS: usize = 20;
/// Configurations of the front that are said to be like others; JSON has all.
const LIKE: usize = 12;

/// Everything that is computed from the runs.
pub(crate) struct Answered<'a> {
    pub(crate) sweep: &'a Sweep,
    pub(crate) found: &'a [Configuration],
    /// Places on the front, by the first objective.
    pub(super) front: Vec<usize>,
    /// The place of the configuration to take.
    pub(crate) chosen: Option<usize>,
    pub(super) effects: Vec<Effect>,
    pub(super) sensitivity: Vec<Sensitivity>,
    /// What the means of levels are.
    pub(super) basis: Basis,
    /// Seeds that effects are computed from.
    pub(super) shared: usize,
    /// How many probes ran beside a sample.
    probes: usize,
    /// By axis, what configurations that differ in nothing else say of it.
    pairs: Vec<Pairs>,
    /// Why `check` says that an axis has no effect.
    reasons: &'a [Option<Reason>],
}

impl<'a> Answered<'a> {
    pub(crate) fn of(sweep: &'a Sweep, found: &'a [Configuration], reasons: &'a [Option<Reason>]) -> Self {
        let plan = &sweep.plan;
        let changes = |own: &Configuration| {
            own.point
                .as_ref()
                .map_or(0, |point| sweep::patch::changes(plan, &sweep.base, point).len())
        };
        let chosen = choose(plan, found, changes);
        let mut front = best(plan, found);
        // Of those that are the same in all objectives, the one to take stands for all.
        if let Some(chosen) = chosen {
            let score = found[chosen].score(plan);
            let same = front.iter_mut().find(|index| found[**index].score(plan) == score);
            same.into_iter().for_each(|index| *index = chosen);
        }
        Answered {
            sweep,
            found,
            front,
            chosen,
            effects: effects(plan, found),
            sensitivity: sensitivity(plan, found),
            basis: basis(plan, found),
            shared: seeds(plan, found),
            probes: match plan.design.points(&plan.axes) {
                Some(own) => found.len() - 1 - own.len(),
                None => 0,
            },
            pairs: pairs(plan, found),
            reasons,
        }
    }

    pub(super) fn print(
        &self,
        format: Format,
        pace: Option<Pace>,
        written: &[PathBuf],
    ) -> Result<(), Failure> {
        match format {
            Format::Text => print(&self.text(pace, written)),
            Format::Json => {
                print_json("sweep", self.json())?;
                self.front
                    .iter()
                    .try_for_each(|index| print_json("front", self.row_json(*index)))?;
                print_json("files", json!(written))
            }
        }
    }

    /// What a configuration sets, in words.
    pub(crate) fn named(&self, configuration: &Configuration) -> String {
        match &configuration.point {
            None => "the scenario as it is".to_owned(),
            Some(point) => self.settings(Some(point)).join(", "),
        }
    }

    /// What the axes are set to at a point, or now, each in words.
    pub(crate) fn settings(&self, point: Option<&[u32]>) -> Vec<String> {
        let plan = &self.sweep.plan;
        let label = |axis: usize| match point {
            Some(point) => plan.axes[axis].levels[point[axis] as usize].label.clone(),
            None => self.now(axis),
        };
        (0..plan.axes.len())
            .map(|axis| format!("{} {}", plan.axes[axis].name, label(axis)))
            .collect()
    }

    /// How many configurations there are, of which design.
    pub(super) fn how_many(&self) -> String {
        let plan = &self.sweep.plan;
        let beside = match self.probes {
            0 => String::new(),
            probes => format!(" and {} beside them", counted(probes, "probe")),
        };
        let own = counted(self.found.len() - 1 - self.probes, "configuration");
        format!("{own} ({}){beside}", plan.design.as_str())
    }

    /// How many seeds the configurations have, fewer of those that a race stopped.
    pub(super) fn seeds(&self) -> String {
        let all = self
            .found
            .iter()
            .map(|own| own.runs.len())
            .filter(|runs| *runs > 0);
        let (least, most) = all.fold((usize::MAX, 0), |(least, most), runs| {
            (least.min(runs), most.max(runs))
        });
        if least < most {
            format!("{least}–{most} seeds")
        } else {
            counted(most, "seed")
        }
    }

    fn text(&self, pace: Option<Pace>, written: &[PathBuf]) -> String {
        let plan = &self.sweep.plan;
        let mut text = String::new();
        let mut line = |name: &str, value: String| {
            let _ = writeln!(text, "{name:<18} {value}");
        };
        let minutes = significant(self.sweep.counted.as_secs_f64() / 60.0, 3);
        line(
            "sweep",
            format!(
                "{} of {}: {}, {} each, {minutes} min",
                plan.name,
                plan.scenario.rsplit('/').next().unwrap_or(&plan.scenario),
                self.how_many(),
                self.seeds()
            ),
        );
        if let Some(pace) = pace {
            line("ran", paced(pace));
        }
        self.fates()
            .into_iter()
            .for_each(|(name, value)| line(name, value));
        let eligible = eligible(plan, self.found).len();
        let kept = if plan.constraints.is_empty() {
            String::new()
        } else {
            format!(" of {eligible} that keep to the constraints")
        };
        line(
            "Pareto front",
            format!(
                "{}{kept}; means over seeds ± 95 %",
                counted(self.front.len(), "configuration")
            ),
        );
        text.push_str(&self.table());
        if self.chosen.is_some() {
            let _ = writeln!(text, "{:<18} {}", "→ chosen by", chosen_by(plan));
        }
        text.push_str(&self.statements());
        text.push_str(&self.nothing());
        let folder = written
            .first()
            .and_then(|path| path.parent())
            .unwrap_or(Path::new("."));
        let names: Vec<String> = written
            .iter()
            .filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
            .filter(|name| !name.ends_with(".svg"))
            .collect();
        let _ = writeln!(
            text,
            "{:<18} {} in {}",
            "files",
            names.join(", "),
            folder.display()
        );
        let next = match self.chosen.map(|index| &self.found[index].point) {
            Some(Some(_)) => format!("scaletwin recommend {}", self.sweep.file.display()),
            Some(None) => "keep what you have: no configuration of the sweep is better".to_owned(),
            None => return text,
        };
        let _ = writeln!(text, "{:<18} {next}", "next");
        text
    }

    fn fates(&self) -> Vec<(&'static str, String)> {
        let count = |is: &dyn Fn(&Fate) -> bool| self.found.iter().filter(|own| is(&own.fate)).count();
        let mut lines = Vec::new();
        let beaten = count(&|fate| matches!(fate, Fate::Beaten(_)));
        let breaks = count(&|fate| *fate == Fate::Breaks);
        let mut stopped = Vec::new();
        if beaten > 0 {
            stopped.push(format!("{beaten} surely worse than another"));
        }
        if breaks > 0 {
            stopped.push(format!("{breaks} that surely break a constraint"));
        }
        if !stopped.is_empty() {
            lines.push(("stopped early", stopped.join(", ")));
        }
        let refused: Vec<&Configuration> = self
            .found
            .iter()
            .filter(|own| matches!(own.fate, Fate::Refused(_)))
            .collect();
        if let Some(first) = refused.first()
            && let Fate::Refused(why) = &first.fate
        {
            let (count, named) = (refused.len(), self.named(first));
            lines.push((
                "refused",
                format!("{count} make no scenario, the first ({named}): {why}"),
            ));
        }
        lines
    }

    /// The front, with the current configuration on top.
    fn table(&self) -> String {
        let plan = &self.sweep.plan;
        // Of a sample an axis may do something where no pair was.
        let is_hidden = |axis: &usize| self.basis == Basis::All && self.is_idle(*axis);
        let shown: Vec<usize> = (0..plan.axes.len()).filter(|axis| !is_hidden(axis)).collect();
        let mut head = vec![String::new()];
        head.extend(shown.iter().map(|axis| plan.axes[*axis].name.clone()));
        head.extend(plan.objectives.iter().map(|measure| headed(*measure)));
        head.extend(plan.constraints.iter().map(|constraint| constraint.text.clone()));
        let mut rows = vec![head];
        if let Some(current) = sweep::answer::current(self.found) {
            let is_chosen = self.chosen.is_some_and(|index| self.found[index].point.is_none());
            rows.push(self.row(if is_chosen { "→ now" } else { "now" }, current, &shown));
        }
        for index in self.front.iter().take(ROWS) {
            let own = &self.found[*index];
            let name = if Some(*index) == self.chosen {
                format!("→ {}", own.number)
            } else {
                own.number.to_string()
            };
            if own.point.is_some() {
                rows.push(self.row(&name, own, &shown));
            }
        }
        let mut text = indented(&rows);
        if self.front.len() > ROWS {
            let _ = writeln!(text, "  and {} more in results.csv", self.front.len() - ROWS);
        }
        text
    }

    fn row(&self, name: &str, own: &Configuration, shown: &[usize]) -> Vec<String> {
        let plan = &self.sweep.plan;
        let mut row = vec![name.to_owned()];
        match &own.point {
            Some(point) => {
                let labels = plan.labels(point);
                row.extend(shown.iter().map(|axis| labels[*axis].to_owned()));
            }
            None => row.extend(shown.iter().map(|axis| self.now(*axis))),
        }
        row.extend(plan.objectives.iter().map(|measure| {
            let estimate = Estimate::of(&own.values(*measure), CONFIDENCE);
            spread(*measure, estimate)
        }));
        row.extend((0..plan.constraints.len()).map(|constraint| {
            match keeping(plan, own, constraint) {
                Keeping::Surely => "kept",
                Keeping::Perhaps => "kept?",
                Keeping::PerhapsNot => "broken?",
                Keeping::No => "broken",
            }
            .to_owned()
        }));
        row
    }

    /// The current value of an axis.
    pub(crate) fn now(&self, axis: usize) -> String {
        sweep::patch::now(&self.sweep.plan, &self.sweep.base, axis).unwrap_or_else(|| "unset".to_owned())
    }

    /// Configurations of the front that cannot be told apart from one in any objective.
    pub(crate) fn as_good(&self, chosen: &Configuration) -> Vec<String> {
        let plan = &self.sweep.plan;
        let same = |own: &Configuration| {
            plan.objectives.iter().all(|measure| {
                !Estimate::difference(&own.values(*measure), &chosen.values(*measure), CONFIDENCE)
                    .is_told_apart()
            })
        };
        self.front
            .iter()
            .map(|index| &self.found[*index])
            .filter(|own| own.number != chosen.number && own.score(plan) != chosen.score(plan) && same(own))
            .map(|own| {
                format!(
                    "configuration {}: {}; cannot be told apart in any objective",
                    own.number,
                    self.named(own)
                )
            })
            .collect()
    }

    /// Whether an axis makes no difference in any pair of configurations that differ in nothing else.
    pub(super) fn is_idle(&self, axis: usize) -> bool {
        self.pairs[axis].is_idle()
    }

    /// Whether an axis makes a difference, at least in some pair.
    fn is_felt(&self, axis: usize) -> bool {
        self.pairs[axis].is_felt()
    }

    /// What `check` says against an axis that makes a difference, and how much of one.
    fn contradicted(&self, axis: usize, reason: &Reason) -> String {
        let Pairs { all, same, .. } = self.pairs[axis];
        let own = self.effects.iter().filter(|effect| effect.axis == axis);
        let largest = |effect: &Effect| {
            let steps = effect.levels.iter().filter_map(|level| level.step);
            let largest = steps
                .filter(|step| step.mean.is_finite())
                .max_by(|a, b| a.mean.abs().total_cmp(&b.mean.abs()))?;
            let by = spread(effect.measure, largest);
            Some(format!("{} by {by}", effect.measure.name()))
        };
        let largest: Vec<String> = own.filter_map(largest).collect();
        let by = match largest.as_slice() {
            [] => String::new(),
            some => format!("; the largest step changes {}", some.join(", ")),
        };
        format!(
            "{} [{}]: {}; yet results differ in {} of {}{by}",
            self.sweep.plan.axes[axis].name,
            reason.code,
            reason.message,
            all - same,
            counted(all, "pair")
        )
    }

    /// Plain statements: what has no effect and why, what cannot be told apart.
    fn statements(&self) -> String {
        let plan = &self.sweep.plan;
        let mut text = String::new();
        for (axis, reason) in self.reasons.iter().enumerate() {
            let name = &plan.axes[axis].name;
            let seen = match reason {
                _ if self.is_idle(axis) => format!(
                    "the same results to the last digit in {} of configurations that differ in nothing else",
                    counted(self.pairs[axis].all, "pair")
                ),
                None => continue,
                Some(reason) if self.is_felt(axis) => {
                    let _ = writeln!(text, "{:<18} {}", "check says", self.contradicted(axis, reason));
                    continue;
                }
                Some(_) => "says check, for every configuration asked about".to_owned(),
            };
            // Where not every combination ran, it may do something where no pair was.
            let word = match (self.basis, reason) {
                (Basis::All, _) => "no effect",
                _ if self.is_idle(axis) => "no effect seen",
                _ => "no effect",
            };
            let _ = writeln!(text, "{word:<18} {name}: {seen}");
            match reason {
                Some(reason) => {
                    let _ = writeln!(
                        text,
                        "{:<18} why [{}]: {}; {}",
                        "", reason.code, reason.message, reason.hint
                    );
                }
                None => {
                    let _ = writeln!(
                        text,
                        "{:<18} in this scenario, with these other settings: check has no reason for it",
                        ""
                    );
                }
            }
        }
        if plan.replications == 1 {
            let _ = writeln!(
                text,
                "{:<18} with one seed no difference can be told from luck: ask for more replications",
                "cannot tell apart"
            );
            return text;
        }
        for effect in self.effects.iter().filter(|effect| !self.is_idle(effect.axis)) {
            let same = sweep::effects::alike(effect);
            if same.is_empty() {
                continue;
            }
            let pairs: Vec<String> = same
                .iter()
                .map(|(one, two, difference)| {
                    let by = match difference.half {
                        0.0 => "the same".to_owned(),
                        _ => spread(effect.measure, *difference),
                    };
                    format!("{one} and {two} ({by})")
                })
                .collect();
            let _ = writeln!(
                text,
                "{:<18} {} in {}: {}",
                "cannot tell apart",
                plan.axes[effect.axis].name,
                effect.measure.name(),
                pairs.join(", ")
            );
        }
        let unsure: Vec<String> = self
            .effects
            .iter()
            .filter(|effect| !self.is_idle(effect.axis) && sweep::effects::is_unsure(effect))
            .map(|effect| format!("{} in {}", plan.axes[effect.axis].name, effect.measure.name()))
            .collect();
        if !unsure.is_empty() {
            let _ = writeln!(
                text,
                "{:<18} to say how sure the effects are: {}",
                "too few ran",
                unsure.join(", ")
            );
        }
        let like = self.like();
        if !like.is_empty() {
            let more = match like.len().saturating_sub(LIKE) {
                0 => String::new(),
                more => format!("; and of {more} more, see --format json"),
            };
            let said: Vec<String> = like
                .iter()
                .take(LIKE)
                .map(|(own, others)| format!("{own} from {}", others.join(", ")))
                .collect();
            let _ = writeln!(
                text,
                "{:<18} in any objective, of the front: {}{more}",
                "cannot tell apart",
                said.join("; ")
            );
        }
        text
    }

    /// Configurations of the front, and the later ones that each cannot be told apart from in any objective.
    fn like(&self) -> Vec<(String, Vec<String>)> {
        let number = |index: usize| match self.found[index].number {
            sweep::engine::CURRENT => "now".to_owned(),
            number => number.to_string(),
        };
        let mut like: Vec<(String, Vec<String>)> = Vec::new();
        for (a, b) in alike(&self.sweep.plan, self.found, &self.front) {
            let (own, other) = (number(a), number(b));
            match like.last_mut() {
                Some((last, others)) if *last == own => others.push(other),
                _ => like.push((own, vec![other])),
            }
        }
        like
    }

    /// What cannot be compared, and that nothing can be recommended, if so.
    fn nothing(&self) -> String {
        let plan = &self.sweep.plan;
        let ran = self.found.iter().filter(|own| own.fate == Fate::Ran).count();
        let mut text = String::new();
        for (measure, without) in valueless(plan, self.found) {
            let name = measure.name();
            let _ = writeln!(
                text,
                "{:<18} {name} in {without} of {ran} configurations, which are left out",
                "no value"
            );
        }
        if let Some(why) = self.none() {
            let _ = writeln!(text, "{:<18} {why}", "none");
        }
        text
    }

    /// Why no configuration can be recommended, if so.
    pub(crate) fn none(&self) -> Option<String> {
        if self.chosen.is_some() {
            return None;
        }
        let plan = &self.sweep.plan;
        let ran: Vec<&Configuration> = self.found.iter().filter(|own| own.fate == Fate::Ran).collect();
        let all = valueless(plan, self.found)
            .into_iter()
            .find(|(_, without)| *without == ran.len());
        if let Some((measure, _)) = all {
            return Some(format!(
                "{} has no value in any configuration: {}; take another objective",
                measure.name(),
                measure.title()
            ));
        }
        let nearest = ran
            .iter()
            .min_by(|a, b| a.violation(plan).total_cmp(&b.violation(plan)))?;
        let missed: Vec<String> = plan
            .constraints
            .iter()
            .enumerate()
            .map(|(index, own)| (own, sweep::statistics::mean(&nearest.constrained(index))))
            .filter(|(own, value)| !own.keeps(*value))
            .map(|(own, value)| format!("{own}: {}", own.show(value)))
            .collect();
        Some(match missed.as_slice() {
            [] => "no configuration has values of all objectives and keeps to the constraints".to_owned(),
            missed => format!(
                "no configuration keeps to the constraints; nearest to them is {}, which misses {}",
                self.named(nearest),
                missed.join(", ")
            ),
        })
    }

    fn json(&self) -> Value {
        let plan = &self.sweep.plan;
        let idle: Vec<Value> = (0..plan.axes.len())
            .filter(|axis| self.is_idle(*axis) || (self.reasons[*axis].is_some() && !self.is_felt(*axis)))
            .map(|axis| {
                json!({
                    "axis": plan.axes[axis].name,
                    "pairs": Some(self.pairs[axis].all).filter(|pairs| *pairs > 0),
                    "code": self.reasons[axis].as_ref().map(|reason| reason.code),
                    "reason": self.reasons[axis].as_ref().map(|reason| reason.message.clone()),
                })
            })
            .collect();
        let fated = |is: &dyn Fn(&Fate) -> bool| self.found.iter().filter(|own| is(&own.fate)).count();
        let numbers = |index: &usize| self.found[*index].number;
        let pairs = alike(plan, self.found, &self.front);
        json!({
            "name": plan.name,
            "configurations": self.found.len() - 1 - self.probes,
            "probes": self.probes,
            "design": plan.design.as_str(),
            "replications": plan.replications,
            "constraints": plan.constraints.iter().map(|own| own.text.clone()).collect::<Vec<_>>(),
            "refused": fated(&|fate| matches!(fate, Fate::Refused(_))),
            "stopped_early": fated(&|fate| matches!(fate, Fate::Beaten(_) | Fate::Breaks)),
            "without_effect": idle,
            "not_told_apart": pairs.iter().map(|(a, b)| [numbers(a), numbers(b)]).collect::<Vec<_>>(),
            "without_value": valueless(plan, self.found)
                .into_iter()
                .map(|(measure, count)| (measure.name().to_owned(), json!(count)))
                .collect::<serde_json::Map<_, _>>(),
            "chosen_by": chosen_by(plan),
            "chosen": self.chosen.as_ref().map(numbers),
        })
    }

    fn row_json(&self, index: usize) -> Value {
        let plan = &self.sweep.plan;
        let own = &self.found[index];
        let axes: serde_json::Map<String, Value> = match &own.point {
            Some(point) => plan
                .axes
                .iter()
                .zip(plan.labels(point))
                .map(|(axis, label)| (axis.name.clone(), json!(label)))
                .collect(),
            None => serde_json::Map::new(),
        };
        let objectives: serde_json::Map<String, Value> = plan
            .objectives
            .iter()
            .map(|measure| {
                let estimate = Estimate::of(&own.values(*measure), CONFIDENCE);
                let value = json!({ "mean": estimate.mean, "low": estimate.low(), "high": estimate.high() });
                (measure.name().to_owned(), value)
            })
            .collect();
        json!({ "configuration": own.number, "axes": axes, "objectives": objectives })
    }
}
