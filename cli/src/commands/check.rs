//! `scaletwin check`

use model::manifest::kinds::KINDS;
use model::scenario::{self, Diagnostic, FieldTable, Report, Severity};
use serde_json::{Value, json};

use super::Answer;
use crate::args::{CheckArgs, Format};
use crate::failure::{Colored, Failure};
use crate::files::{passed_over, read_readable};
use crate::output::{print, print_json};

pub(crate) fn check(args: &CheckArgs) -> Result<Answer, Failure> {
    match (&args.explain, &args.fields, &args.dir) {
        (Some(None), _, _) => codes(args.format),
        (Some(Some(code)), _, _) => explain(code, args.format),
        (_, Some(None), _) => kinds(args.format),
        (_, Some(Some(kind)), _) => fields(kind, args.format),
        (_, _, Some(dir)) => {
            let (files, unreadable) = read_readable(dir)?;
            let (report, runs) = match scenario::load(&files, &args.sets) {
                Ok((_, report)) => (report, unreadable.is_empty()),
                Err(report) => (report, false),
            };
            let report = Report::new([unreadable, passed_over(dir), report.problems].concat());
            tell(&report, args.format)?;
            match runs {
                true => Ok(Answer::Done),
                false => Err(Failure::new(format!("{} cannot run", dir.display()))),
            }
        }
        (None, None, None) => unreachable!("the command line asks for one of them"),
    }
}

fn tell(report: &Report, format: Format) -> Result<(), Failure> {
    let counts =
        [Severity::Error, Severity::Warning, Severity::Advice].map(|severity| report.count(severity));
    let [errors, warnings, advice] = counts;
    match format {
        Format::Text => {
            let problems = report
                .problems
                .iter()
                .map(|problem| format!("{}\n", Colored(problem)));
            print(&problems.collect::<String>())?;
            let plural = |n: usize, word: &str| format!("{n} {word}{}", if n == 1 { "" } else { "s" });
            let all = [
                plural(errors, "error"),
                plural(warnings, "warning"),
                format!("{advice} advice"),
            ]
            .join(", ");
            print(&format!("{all}\n"))
        }
        Format::Json => {
            print_problems(&report.problems)?;
            print_json(
                "result",
                json!({ "errors": errors, "warnings": warnings, "advice": advice }),
            )
        }
    }
}

/// A line of JSON for each.
pub(super) fn print_problems(problems: &[Diagnostic]) -> Result<(), Failure> {
    problems
        .iter()
        .try_for_each(|problem| print_json("problem", as_json(problem)))
}

fn as_json(problem: &Diagnostic) -> Value {
    json!({
        "severity": problem.severity.as_str(),
        "code": problem.code,
        "file": problem.file,
        "line": problem.line,
        "column": problem.column,
        "field": problem.field,
        "message": problem.message,
        "hint": problem.hint,
    })
}

fn codes(format: Format) -> Result<Answer, Failure> {
    for (code, title) in scenario::codes() {
        match format {
            Format::Text => print(&format!("{code}  {title}\n"))?,
            Format::Json => print_json("code", json!({ "code": code, "title": title }))?,
        }
    }
    Ok(Answer::Done)
}

fn kinds(format: Format) -> Result<Answer, Failure> {
    let width = KINDS.iter().map(|kind| kind.title().len()).max().unwrap_or(0);
    for kind in KINDS {
        let (class, why) = (kind.fate.as_str(), kind.fate.why());
        match format {
            Format::Text => {
                let line = format!("{:<width$}  {class:<10} {why}", kind.title());
                print(&format!("{}\n", line.trim_end()))?;
            }
            Format::Json => {
                let row =
                    json!({ "kind": kind.name, "versions": kind.versions, "class": class, "note": why });
                print_json("kind", row)?;
            }
        }
    }
    Ok(Answer::Done)
}

fn explain(code: &str, format: Format) -> Result<Answer, Failure> {
    let text = scenario::explain(code).ok_or_else(|| {
        Failure::new(format!("there is no code {code:?}")).hint(
            "codes stand in brackets in what `scaletwin check DIR` prints; `--explain` alone lists them",
        )
    })?;
    match format {
        Format::Text => print(&format!("{}\n", text.trim_end()))?,
        Format::Json => print_json("explanation", json!({ "code": code, "text": text }))?,
    }
    Ok(Answer::Done)
}

fn fields(kind: &str, format: Format) -> Result<Answer, Failure> {
    let tables = scenario::field_tables(kind);
    if tables.is_empty() {
        return Err(Failure::new(format!("there is no kind {kind:?}")).hint(
            "name a kind of manifest, such as Deployment or ScaledObject, or scenario for scenario.toml; \
             `--fields` alone lists them",
        ));
    }
    match format {
        Format::Text => print(&tables.iter().map(table_text).collect::<Vec<_>>().join("\n"))?,
        Format::Json => {
            for table in &tables {
                for (path, field) in &table.rows {
                    let class = field.class.as_str();
                    let row =
                        json!({ "kind": table.title, "field": path, "class": class, "note": field.note });
                    print_json("field", row)?;
                }
            }
        }
    }
    Ok(Answer::Done)
}

fn table_text(table: &FieldTable) -> String {
    let mut text = format!("{}\n", table.title);
    if let Some(note) = &table.note {
        text.push_str(&format!("  {note}\n"));
    }
    let width = table
        .rows
        .iter()
        .map(|(path, _)| path.chars().count())
        .max()
        .unwrap_or(0);
    for (path, field) in &table.rows {
        let line = format!("  {path:<width$}  {:<10} {}", field.class.as_str(), field.note);
        text.push_str(&format!("{}\n", line.trim_end()));
    }
    text
}
