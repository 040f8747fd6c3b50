//! The conformance report: `cargo run -p scaletwin-tests --example conformance [-- --format json]`.
//!
//! Runs the conformance tests and says, for each part and version, how many cases agree with upstream and which
//! is the first that does not. `SCALETWIN_GOLDEN=DIR` reports on another set of vectors.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::process::{Command, ExitCode, Stdio};

use serde::Serialize;
use support::{OUTCOMES, Outcome};

const HELP: &str = "Says how well the model agrees with upstream, by part and version.

Usage: conformance [--format text|json]

Exit status: 0 if nothing differs, 1 if something does, 2 if the comparison could not run.
SCALETWIN_GOLDEN=DIR compares with another set of vectors.";

/// A line of the report.
#[derive(Serialize)]
struct Row<'a> {
    part: &'a str,
    version: &'a str,
    cases: usize,
    agree: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    first: Option<&'a str>,
}

impl<'a> Row<'a> {
    fn of(outcome: &'a Outcome) -> Self {
        Row {
            part: &outcome.part,
            version: &outcome.version,
            cases: outcome.cases,
            agree: outcome.agree(),
            first: outcome.first(),
        }
    }
}

/// Runs the tests, which write their outcomes down.
fn outcomes() -> Result<Vec<Outcome>, String> {
    let file = env::temp_dir().join(format!("scaletwin-outcomes-{}", std::process::id()));
    let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    // Whether something differs is in the outcomes; but without any, the tests' own words help.
    let run = Command::new(cargo)
        .args([
            "test",
            "-p",
            "scaletwin-tests",
            "--test",
            "conformance",
            "--quiet",
        ])
        .env(OUTCOMES, &file)
        .stdout(Stdio::piped())
        .output()
        .map_err(|error| format!("cargo does not run: {error}"))?;
    let text = fs::read_to_string(&file).unwrap_or_default();
    _ = fs::remove_file(&file);
    if text.is_empty() {
        return Err(format!(
            "no outcomes were written:\n{}{}",
            String::from_utf8_lossy(&run.stdout),
            String::from_utf8_lossy(&run.stderr)
        ));
    }
    let mut all: Vec<Outcome> = text
        .lines()
        .map(|line| serde_json::from_str(line).map_err(|error| format!("an outcome cannot be read: {error}")))
        .collect::<Result<_, _>>()?;
    all.sort_by(|a, b| (&a.part, &a.version).cmp(&(&b.part, &b.version)));
    Ok(all)
}

fn print(rows: &[Row<'_>]) {
    let width =
        |text: fn(&Row<'_>) -> usize, least: usize| rows.iter().map(text).max().unwrap_or(0).max(least);
    let part = width(|row| row.part.chars().count(), 4);
    let version = width(|row| row.version.chars().count(), 7);
    println!(
        "{:part$}  {:version$}  {:>6}  {:>9}  first difference",
        "part", "version", "cases", "agreement"
    );
    for row in rows {
        let share = 100.0 * row.agree as f64 / row.cases as f64;
        let first = row.first.unwrap_or("").lines().next().unwrap_or("");
        let first: String = first.chars().take(100).collect();
        let line = format!(
            "{:part$}  {:version$}  {:>6}  {share:>7.2} %  {first}",
            row.part, row.version, row.cases
        );
        println!("{}", line.trim_end());
    }
}

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let json = match words[..] {
        [] | ["--format", "text"] => false,
        ["--format", "json"] => true,
        ["--help" | "-h"] => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprintln!("unexpected: {}\n\n{HELP}", words.join(" "));
            return ExitCode::from(2);
        }
    };
    let outcomes = match outcomes() {
        Ok(outcomes) => outcomes,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    let rows: Vec<Row<'_>> = outcomes.iter().map(Row::of).collect();
    if json {
        println!(
            "{}",
            serde_json::to_string_pretty(&rows).expect("rows are plain data")
        );
    } else {
        print(&rows);
    }
    ExitCode::from(u8::from(
        outcomes.iter().any(|outcome| !outcome.differences.is_empty()),
    ))
}
