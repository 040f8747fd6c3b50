//! Runs as files, so that a comparison needs no second simulation.
//!
//! `curves.csv` has a row for each change of each curve of each seed, `lives.csv` one for each pod, claim and node, to
//! the millisecond as recordings have it.

use std::fmt::Write as _;

use sim::SortedMap;

use super::run::{Kind, Life, Run, milliseconds};
use crate::curves::{instant, push_number};

/// The file of curves.
pub const CURVES: &str = "curves.csv";
/// The file of lives.
pub const LIVES: &str = "lives.csv";

/// `curves.csv` of runs by seed.
#[must_use]
pub fn curves_csv(runs: &[(u64, &Run)]) -> String {
    let mut text = String::from("seed,curve,time_s,value\n");
    for (seed, run) in runs {
        for (name, curve) in &run.curves {
            for (at, value) in curve.changes() {
                let _ = write!(text, "{seed},{name},");
                push_number(&mut text, at.as_secs_f64());
                text.push(',');
                push_number(&mut text, *value);
                text.push('\n');
            }
        }
        let _ = write!(text, "{seed},end,");
        push_number(&mut text, run.end.as_secs_f64());
        text.push_str(",0\n");
    }
    text
}

/// `lives.csv` of runs by seed.
#[must_use]
pub fn lives_csv(runs: &[(u64, &Run)]) -> String {
    let mut text = String::from("seed,kind,name,created_s,placed_s,ready_s,gone_s\n");
    for (seed, run) in runs {
        for life in &run.lives {
            let _ = write!(text, "{seed},{},{}", life.kind.as_str(), life.name);
            for time in [Some(life.created), life.placed, life.ready, life.gone] {
                text.push(',');
                if let Some(time) = time {
                    push_number(&mut text, milliseconds(time));
                }
            }
            text.push('\n');
        }
        for (name, count) in &run.counts {
            let _ = write!(text, "{seed},count,{name},");
            push_number(&mut text, *count);
            text.push_str(",,,\n");
        }
    }
    text
}

/// Reads what [`curves_csv`] wrote.
///
/// # Errors
///
/// The line that is wrong, and how.
pub fn read_curves(text: &str) -> Result<SortedMap<u64, Run>, String> {
    let mut runs: SortedMap<u64, Run> = SortedMap::new();
    rows(
        text,
        ["seed", "curve", "time_s", "value"],
        |line, [seed, curve, time, value]| {
            let run = runs.entry(field(line, "seed", seed)?).or_default();
            let at: f64 = field(line, "time_s", time)?;
            let value: f64 = field(line, "value", value)?;
            if !(at >= 0.0 && at.is_finite()) {
                return Err(format!("line {line}: expected seconds in time_s, found {time:?}"));
            }
            let at = instant(at);
            if curve == "end" {
                run.end = at;
                return Ok(());
            }
            let series = run.curves.entry(curve.to_owned()).or_default();
            if series.changes().last().is_some_and(|last| last.0 > at) {
                return Err(format!(
                    "line {line}: expected a time_s that rises within {curve:?}"
                ));
            }
            series.set(at, value);
            Ok(())
        },
    )?;
    Ok(runs)
}

/// Reads what [`lives_csv`] wrote, into the runs of its seeds.
///
/// # Errors
///
/// The line that is wrong, and how.
pub fn read_lives(text: &str, runs: &mut SortedMap<u64, Run>) -> Result<(), String> {
    let header = [
        "seed",
        "kind",
        "name",
        "created_s",
        "placed_s",
        "ready_s",
        "gone_s",
    ];
    rows(
        text,
        header,
        |line, [seed, kind, name, created, placed, ready, gone]| {
            let run = runs.entry(field(line, "seed", seed)?).or_default();
            let created = field(line, "created_s", created)?;
            if kind == "count" {
                run.counts.insert(name.to_owned(), created);
                return Ok(());
            }
            let kind = Kind::named(kind).ok_or_else(|| {
                format!("line {line}: expected pod, claim, node or count in kind, found {kind:?}")
            })?;
            let maybe = |column, text: &str| match text {
                "" => Ok(None),
                text => field(line, column, text).map(Some),
            };
            run.lives.push(Life {
                kind,
                name: name.to_owned(),
                created,
                placed: maybe("placed_s", placed)?,
                ready: maybe("ready_s", ready)?,
                gone: maybe("gone_s", gone)?,
            });
            Ok(())
        },
    )
}

fn field<T: std::str::FromStr>(line: u64, column: &str, text: &str) -> Result<T, String> {
    text.parse()
        .map_err(|_| format!("line {line}: expected a number in {column}, found {text:?}"))
}

fn rows<const N: usize>(
    text: &str,
    header: [&str; N],
    mut take: impl FnMut(u64, [&str; N]) -> Result<(), String>,
) -> Result<(), String> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let found = reader.headers().map_err(|error| error.to_string())?;
    if found.iter().ne(header) {
        return Err(format!("expected the columns {}", header.join(",")));
    }
    for row in reader.records() {
        let row = row.map_err(|error| error.to_string())?;
        let line = row.position().map_or(0, csv::Position::line);
        let mut fields = [""; N];
        fields
            .iter_mut()
            .zip(row.iter())
            .for_each(|(slot, field)| *slot = field);
        take(line, fields)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use sim::{Instant, StepSeries};

    use super::*;

    #[test]
    fn runs_that_are_written_can_be_read() {
        let mut curve = StepSeries::new();
        curve.set(Instant::ZERO, 1.0);
        curve.set(Instant::from_nanos(1_500_000_000), 2.25);
        let life = Life {
            kind: Kind::Pod,
            name: "web-1".into(),
            created: -3.5,
            placed: Some(1.0),
            ready: None,
            gone: Some(2.0),
        };
        let run = Run {
            curves: [("nodes".to_owned(), curve)].into(),
            lives: vec![life],
            counts: [("launches".to_owned(), 2.0)].into(),
            end: Instant::from_secs(60),
            ..Run::default()
        };
        let runs = [(7, &run)];
        let mut again = read_curves(&curves_csv(&runs)).unwrap();
        read_lives(&lives_csv(&runs), &mut again).unwrap();
        assert_eq!(again, [(7, run.clone())].into());
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let wrong = |text: &str| read_curves(text).unwrap_err();
        assert_eq!(wrong("a,b\n"), "expected the columns seed,curve,time_s,value");
        assert_eq!(
            wrong("seed,curve,time_s,value\n1,nodes,x,2\n"),
            "line 2: expected a number in time_s, found \"x\""
        );
        assert!(wrong("seed,curve,time_s,value\n1,nodes,-1,2\n").contains("line 2: expected seconds"));
        assert!(
            wrong("seed,curve,time_s,value\n1,n,2,2\n1,n,1,2\n")
                .contains("line 3: expected a time_s that rises")
        );
    }
}
