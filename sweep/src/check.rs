//! Axes held against the scenario before anything is run: is there such a field, does it take such values, and does
//! it do anything at all?

use model::document::{Diagnostic, Severity, closest};
use model::scenario::{Base, Report, parse_field};

use crate::axis::{Axis, Level};
use crate::design::{Design, Point};
use crate::plan::Plan;

/// Levels of an axis that are tried: all of a list, and these of a longer one.
const TRIED: usize = 16;
/// Configurations whose advice is asked for.
const ASKED: usize = 12;

/// What is wrong with an axis by itself: no such field, no such object, a value of the wrong type. That a value does
/// not go together with another is no mistake of the axis; such configurations are refused when they come up.
#[must_use]
pub fn axis_problems(plan: &Plan, base: &Base, file: &str) -> Report {
    let current: Vec<String> = match base.with(&plan.sets) {
        Ok(_) => Vec::new(),
        Err(report) => report.problems.iter().map(ToString::to_string).collect(),
    };
    let mut problems = Vec::new();
    for Refused {
        axis, level, errors, ..
    } in refused(plan, base)
    {
        let axis = &plan.axes[axis];
        let own = errors.into_iter().filter(|problem| {
            matches!(problem.code, "E002" | "E003" | "E009" | "E011")
                && !current.contains(&problem.to_string())
        });
        problems.extend(own.map(|problem| about_axis(axis, level, problem, base, file)));
    }
    // A field that does not exist is told once, not for each value.
    let mut kept: Vec<Diagnostic> = Vec::new();
    for problem in problems {
        if !kept
            .iter()
            .any(|other| (other.line, other.code) == (problem.line, problem.code))
        {
            kept.push(problem);
        }
    }
    Report::new(kept)
}

/// A value that makes no scenario beside the current settings.
struct Refused<'p> {
    axis: usize,
    index: usize,
    level: &'p Level,
    errors: Vec<Diagnostic>,
}

fn refused<'p>(plan: &'p Plan, base: &Base) -> Vec<Refused<'p>> {
    let mut found = Vec::new();
    for (axis, own) in plan.axes.iter().enumerate() {
        for (index, level) in tried(own) {
            if let Err(report) = base.with(&plan.sets_with(level.sets.iter().cloned())) {
                let is_error = |problem: &Diagnostic| problem.severity == Severity::Error;
                found.push(Refused {
                    axis,
                    index,
                    level,
                    errors: report.problems.into_iter().filter(is_error).collect(),
                });
            }
        }
    }
    found
}

fn tried(axis: &Axis) -> Vec<(usize, &Level)> {
    let count = axis.levels.len();
    let all = axis.levels.iter().enumerate();
    all.filter(|(index, _)| count <= TRIED || [0, count / 2, count - 1].contains(index))
        .collect()
}

fn about_axis(axis: &Axis, level: &Level, problem: Diagnostic, base: &Base, file: &str) -> Diagnostic {
    let message = match problem.code {
        "E011" => problem.message.clone(),
        "E002" => format!("{}: {}", problem.field, problem.message),
        _ => format!(
            "the value {}: {}: {}",
            level.label, problem.field, problem.message
        ),
    };
    let hint = match (problem.hint.is_empty(), fields_hint(axis, base)) {
        (false, _) => problem.hint.clone(),
        (true, Some(hint)) => hint,
        (true, None) => String::new(),
    };
    Diagnostic {
        message,
        hint,
        ..at_axis(axis, problem, file)
    }
}

/// A problem of a scenario as one of the axis that makes it.
fn at_axis(axis: &Axis, problem: Diagnostic, file: &str) -> Diagnostic {
    Diagnostic {
        file: file.to_owned(),
        line: axis.place.0,
        column: axis.place.1,
        field: format!("axis {}", axis.name),
        ..problem
    }
}

/// Which fields there are, for a field that is none.
fn fields_hint(axis: &Axis, base: &Base) -> Option<String> {
    let field = axis.fields.first()?;
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

/// Values that make no scenario whatever else is set, as warnings: `check` says the same of them beside the current
/// settings and in every configuration that is asked about. Of a long axis its ends and its middle are tried.
#[must_use]
pub fn refused_values(plan: &Plan, base: &Base, file: &str) -> Report {
    let refused = refused(plan, base);
    if refused.is_empty() {
        return Report::new(Vec::new());
    }
    let points = asked_about(plan);
    let mut found = Vec::new();
    for Refused {
        axis,
        index,
        level,
        errors,
    } in refused
    {
        let Some(error) = errors.into_iter().next() else {
            continue;
        };
        let is_refused = |point: &Point| {
            let mut point = point.clone();
            point[axis] = index as u32;
            base.with(&plan.sets_with(plan.overrides(&point)))
                .is_err_and(|report| {
                    let mut problems = report.problems.iter();
                    problems.any(|other| (other.code, &other.field) == (error.code, &error.field))
                })
        };
        if !points.is_empty() && points.iter().all(is_refused) {
            found.push(Diagnostic {
                severity: Severity::Warning,
                message: format!(
                    "the value {} makes no scenario, whatever else is set: {}: {}",
                    level.label, error.field, error.message
                ),
                ..at_axis(&plan.axes[axis], error, file)
            });
        }
    }
    Report::new(found)
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
    says_so && is_same_field(field, &problem.field)
}

/// Whether two names mean the same field; one may leave out the namespace.
fn is_same_field(one: &str, other: &str) -> bool {
    let (Some((object, path)), Some((other_object, other_path))) = (parse_field(one), parse_field(other))
    else {
        return false;
    };
    let short = |object: Option<&str>| {
        object.map(|object| {
            let mut parts = object.split('/');
            (
                parts.next().map(str::to_owned),
                parts.next_back().map(str::to_owned),
            )
        })
    };
    path == other_path && short(object) == short(other_object)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_the_same_whatever_they_are_called() {
        let check = |one, other, expected| assert_eq!(is_same_field(one, other), expected, "{one} {other}");
        check("ScaledObject/a: spec.x", "ScaledObject/a: spec.x", true);
        check("ScaledObject/ns/a:spec.x", "ScaledObject/a: spec.x", true);
        check("ScaledObject/b: spec.x", "ScaledObject/a: spec.x", false);
        check("duration", "duration", true);
        check("duration", "ScaledObject/a: duration", false);
    }
}
