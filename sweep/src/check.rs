//! Axes held against the scenario before anything is run: is there such a field, does it take such values, and does
//! it do anything at all?

use sim::SortedSet;

use model::document::{Diagnostic, Severity, closest};
use model::scenario::{Base, Report, parse_field};

use crate::axis::{Axis, Level};
use crate::design::{Design, Point};
use crate::field;
use crate::plan::Plan;

/// Levels of an axis that are tried: all of a list, and these of a longer one.
const TRIED: usize = 16;
/// Configurations whose advice is asked for.
const ASKED: usize = 12;

/// The values of all axes, each tried beside the current settings; of a long axis its ends and its middle.
#[derive(Debug)]
pub struct Tried {
    /// What is said of the current settings.
    current: Vec<String>,
    values: Vec<Value>,
}

/// A value, and what is said of it: errors if it makes no scenario beside the current settings, or else warnings.
#[derive(Debug)]
struct Value {
    axis: usize,
    level: usize,
    said: Vec<Diagnostic>,
}

impl Tried {
    /// Tries all values.
    #[must_use]
    pub fn new(plan: &Plan, base: &Base) -> Self {
        let current = match base.with(&plan.sets) {
            Ok((_, report)) | Err(report) => report,
        };
        let said = |level: &Level| {
            let (severity, report) = match base.with(&plan.sets_with(level.sets.iter().cloned())) {
                Ok((_, report)) => (Severity::Warning, report),
                Err(report) => (Severity::Error, report),
            };
            let mut problems = report.problems;
            problems.retain(|problem| problem.severity == severity);
            problems
        };
        let values = plan.axes.iter().enumerate().flat_map(|(axis, own)| {
            tried(own).into_iter().map(move |(level, own)| Value {
                axis,
                level,
                said: said(own),
            })
        });
        Tried {
            current: current.problems.iter().map(ToString::to_string).collect(),
            values: values.collect(),
        }
    }

    /// What is wrong with an axis by itself: no such field, no such object, a value of the wrong type. That a value does
    /// not go together with another is no mistake of the axis; such configurations are refused when they come up.
    #[must_use]
    pub fn problems(&self, plan: &Plan, base: &Base, file: &str) -> Report {
        let is_own = |problem: &Diagnostic| {
            let code = matches!(problem.code, "E002" | "E003" | "E009" | "E011");
            problem.severity == Severity::Error && code
        };
        Report::new(self.about_axes(plan, base, file, is_own))
    }

    /// What a sweep does all the same, as warnings: values that make no scenario whatever else is set (`check` says the
    /// same of them beside the current settings and in every configuration that is asked about), and what `check` warns
    /// of a value, but not of the current settings.
    #[must_use]
    pub fn warnings(&self, plan: &Plan, base: &Base, file: &str) -> Report {
        let mut told = self.about_axes(plan, base, file, |problem| problem.severity == Severity::Warning);
        told.extend(self.refused(plan, base, file));
        Report::new(told)
    }

    /// What is said of values and not of the current settings, as told of their axes; a code once for each axis, not for
    /// each value.
    fn about_axes(
        &self,
        plan: &Plan,
        base: &Base,
        file: &str,
        is_told: impl Fn(&Diagnostic) -> bool,
    ) -> Vec<Diagnostic> {
        let mut seen = SortedSet::new();
        let mut told = Vec::new();
        for value in &self.values {
            let axis = &plan.axes[value.axis];
            for problem in value.said.iter().filter(|problem| is_told(problem)) {
                let is_fresh = !self.current.contains(&problem.to_string());
                if is_fresh && seen.insert((value.axis, problem.code)) {
                    told.push(about_axis(axis, &axis.levels[value.level], problem, base, file));
                }
            }
        }
        told
    }

    /// Values that make no scenario, whatever else is set.
    fn refused(&self, plan: &Plan, base: &Base, file: &str) -> Vec<Diagnostic> {
        let points = asked_about(plan);
        let mut found = Vec::new();
        for value in &self.values {
            let first = value.said.first();
            let Some(error) = first.filter(|problem| problem.severity == Severity::Error) else {
                continue;
            };
            let is_refused = |point: &Point| {
                let mut point = point.clone();
                point[value.axis] = value.level as u32;
                base.with(&plan.sets_with(plan.overrides(&point)))
                    .is_err_and(|report| {
                        let mut problems = report.problems.iter();
                        problems.any(|other| (other.code, &other.field) == (error.code, &error.field))
                    })
            };
            if points.iter().all(is_refused) {
                let axis = &plan.axes[value.axis];
                found.push(Diagnostic {
                    severity: Severity::Warning,
                    message: format!(
                        "the value {} makes no scenario, whatever else is set: {}: {}",
                        axis.levels[value.level].label, error.field, error.message
                    ),
                    ..at_axis(axis, error, file)
                });
            }
        }
        found
    }
}

fn tried(axis: &Axis) -> Vec<(usize, &Level)> {
    let count = axis.levels.len();
    let all = axis.levels.iter().enumerate();
    all.filter(|(index, _)| count <= TRIED || [0, count / 2, count - 1].contains(index))
        .collect()
}

fn about_axis(axis: &Axis, level: &Level, problem: &Diagnostic, base: &Base, file: &str) -> Diagnostic {
    let message = match problem.code {
        "E011" => problem.message.clone(),
        "E002" => format!("{}: {}", problem.field, problem.message),
        _ => format!(
            "the value {}: {}: {}",
            level.label, problem.field, problem.message
        ),
    };
    let hint = match problem.hint.as_str() {
        "" => fields_hint(axis, problem, base).unwrap_or_default(),
        own => own.to_owned(),
    };
    Diagnostic {
        message,
        hint,
        ..at_axis(axis, problem, file)
    }
}

/// A problem of a scenario as one of the axis that makes it.
fn at_axis(axis: &Axis, problem: &Diagnostic, file: &str) -> Diagnostic {
    Diagnostic {
        file: file.to_owned(),
        line: axis.place.0,
        column: axis.place.1,
        field: format!("axis {}", axis.name),
        ..problem.clone()
    }
}

/// Which fields there are, for a field that is none.
fn fields_hint(axis: &Axis, problem: &Diagnostic, base: &Base) -> Option<String> {
    // An override is told whole, and of a field perhaps a part.
    let told = problem.field.split('=').next().unwrap_or_default().trim();
    let is_told = |field: &&String| field::overlap(field, told);
    let field = axis.fields.iter().find(is_told).or(axis.fields.first())?;
    let (object, _) = parse_field(field)?;
    let Some(object) = object else {
        return Some("`scaletwin check --fields scenario` lists the scenario's fields".to_owned());
    };
    let written = base.written(&[]);
    let titles: Vec<String> = written
        .documents
        .iter()
        .map(|document| document.title())
        .collect();
    let near = closest(object, titles.iter().map(String::as_str));
    let kind = near.unwrap_or(object).split('/').next()?;
    Some(format!(
        "`scaletwin check --fields {kind}` lists the fields of a {kind}"
    ))
}

/// Some configurations, spread over the axes.
fn asked_about(plan: &Plan) -> Vec<Point> {
    let sample = Design::Sobol {
        points: ASKED,
        seed: 1,
    };
    sample.points(&plan.axes).unwrap_or_default()
}

/// Why an axis has no effect, as `check` says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// The code of the advice, to be explained by `check --explain`.
    pub code: &'static str,
    /// What it says.
    pub message: String,
    /// What to do instead.
    pub hint: String,
}

/// For each axis the reason why it has no effect, where `check` gives one for every configuration that was asked
/// about: some of the design, spread over it.
#[must_use]
pub fn without_effect(plan: &Plan, base: &Base) -> Vec<Option<Reason>> {
    let mut found: Vec<Option<Option<Reason>>> = vec![None; plan.axes.len()];
    for point in &asked_about(plan) {
        let Ok((_, report)) = base.with(&plan.sets_with(plan.overrides(point))) else {
            continue;
        };
        for (axis, found) in plan.axes.iter().zip(&mut found) {
            let reason = report.problems.iter().find(|problem| is_about(axis, problem));
            let reason = reason.map(|problem| Reason {
                code: problem.code,
                message: problem.message.clone(),
                hint: problem.hint.clone(),
            });
            // One configuration in which it has an effect is enough.
            *found = match found.take() {
                None => Some(reason),
                Some(before) => Some(before.filter(|_| reason.is_some())),
            };
        }
    }
    found.into_iter().map(Option::flatten).collect()
}

/// Whether advice says that the only field of an axis is without effect.
fn is_about(axis: &Axis, problem: &Diagnostic) -> bool {
    let title = model::scenario::codes()
        .into_iter()
        .find(|(code, _)| *code == problem.code);
    let says_so = title.is_some_and(|(_, title)| title.ends_with("without effect"));
    let [field] = axis.fields.as_slice() else {
        return false;
    };
    says_so && field::same(field, &problem.field)
}
