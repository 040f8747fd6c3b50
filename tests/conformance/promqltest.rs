//! Scripts in Prometheus' own test language (`promql/promqltest`): series with their values, queries, answers.
//!
//! All files `promqltest/*.test` of the golden set are run. A comment `# versions: 2.42.0 3.5.3` says for which
//! releases the rest of a file holds, up to the next one; without one, for the latest. Of the language what
//! concerns native histograms is skipped and counted, and warnings are not looked at.

use std::fmt;
use std::fs;
use std::iter::Peekable;
use std::str::Lines;
use std::time::Duration;

use model::Release;
use model::prometheus::{LATEST, Labels, Profile, Query, Settings, Storage, Value};
use sim::SortedMap;
use support::{Outcome, golden_dir};

const STALE: f64 = f64::from_bits(0x7ff0_0000_0000_0002);

/// A script under way, for one release.
struct Script {
    version: Release,
    storage: Storage,
    /// Series of native histograms: queries that select them are skipped.
    native: Vec<Labels>,
    /// Something was loaded that cannot be simulated: nothing is known until the next `clear`.
    blind: bool,
}

/// What a script expects of a query.
#[derive(Debug, Default)]
struct Expected {
    fails: bool,
    ordered: bool,
    lines: Vec<String>,
    text: Option<String>,
}

/// How a run over one file went.
#[derive(Debug, Default)]
struct Tally {
    checked: usize,
    skipped: usize,
    failures: Vec<String>,
}

/// The times of an `eval`.
#[derive(Debug, Clone, Copy)]
enum Times {
    Instant(i64),
    Range { start: i64, end: i64, step: Duration },
}

fn run(text: &str, tally: &mut Tally) {
    let mut scripts = vec![Script::new(LATEST)];
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let line = line.trim();
        if let Some(versions) = line.strip_prefix("# versions:") {
            let parse = |text: &str| Script::new(text.parse().expect("a script names versions"));
            scripts = versions.split_whitespace().map(parse).collect();
        } else if line == "clear" {
            scripts
                .iter_mut()
                .for_each(|script| *script = Script::new(script.version));
        } else if let Some(step) = line.strip_prefix("load ") {
            let series = block(&mut lines);
            let step = duration(step).expect("a load has a step");
            for script in &mut scripts {
                script.load(step, &series);
            }
        } else if line.starts_with("load_") {
            block(&mut lines);
            scripts.iter_mut().for_each(|script| script.blind = true);
        } else if line.starts_with("eval") {
            let expected = Expected::read(line, block(&mut lines));
            let (times, query) = eval_line(line);
            for script in &scripts {
                script.check(times, query, &expected, tally);
            }
        } else {
            assert!(line.is_empty() || line.starts_with('#'), "{line:?} is no command");
        }
    }
}

/// The lines that belong to a command: up to a blank one or the next command, comments left out.
fn block(lines: &mut Peekable<Lines<'_>>) -> Vec<String> {
    let mut out = Vec::new();
    while let Some(line) = lines.peek().map(|line| line.trim()) {
        let command = line == "clear" || line.starts_with("load") || line.starts_with("eval");
        if line.is_empty() || command || line.starts_with("# versions:") {
            break;
        }
        if !line.starts_with('#') {
            out.push(line.to_owned());
        }
        lines.next();
    }
    out
}

/// Milliseconds of `5m`, `1h30m`, `90`, `-1.5`.
fn duration(text: &str) -> Option<i64> {
    if let Ok(seconds) = text.parse::<f64>() {
        return Some((seconds * 1000.0).round() as i64);
    }
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let mut total = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let unit = rest[digits..]
            .find(|c: char| c.is_ascii_digit())
            .map_or(rest.len(), |n| n + digits);
        let millis = match &rest[digits..unit] {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 7 * 86_400_000,
            "y" => 365 * 86_400_000,
            _ => return None,
        };
        total += rest[..digits].parse::<i64>().ok()? * millis;
        rest = &rest[unit..];
    }
    Some(if negative { -total } else { total })
}

/// `eval instant at 5m QUERY`, `eval range from 0 to 1h step 1m QUERY`
fn eval_line(line: &str) -> (Times, &str) {
    fn word(text: &str) -> (&str, &str) {
        text.trim_start()
            .split_once(char::is_whitespace)
            .expect("an eval has a query")
    }
    let (_, rest) = word(line);
    let (kind, rest) = word(rest);
    let time = |rest| {
        let (_, rest) = word(rest);
        let (time, rest) = word(rest);
        (duration(time).expect("an eval has a time"), rest)
    };
    let (start, rest) = time(rest);
    if kind == "instant" {
        return (Times::Instant(start), rest.trim());
    }
    let (end, rest) = time(rest);
    let (step, rest) = time(rest);
    let step = Duration::from_millis(step.unsigned_abs());
    (Times::Range { start, end, step }, rest.trim())
}

impl Expected {
    fn read(command: &str, lines: Vec<String>) -> Self {
        let mut expected = Expected {
            fails: command.starts_with("eval_fail"),
            ordered: command.starts_with("eval_ordered"),
            ..Expected::default()
        };
        for line in lines {
            match line.strip_prefix("expect ") {
                Some(what) if what.starts_with("fail") => expected.fails = true,
                Some("ordered") => expected.ordered = true,
                Some(what) => {
                    if let Some(text) = what.strip_prefix("string ") {
                        expected.text = Some(text.trim().trim_matches(['"', '`']).to_owned());
                    }
                }
                None if line.starts_with("expected_fail") => {}
                None => expected.lines.push(line),
            }
        }
        expected
    }
}

impl Script {
    fn new(version: Release) -> Self {
        Script {
            version,
            storage: Storage::new(Profile::of(version)),
            native: Vec::new(),
            blind: false,
        }
    }

    /// Loads series: a metric and its values, one every step from time zero on. Of a metric given twice the
    /// last values count.
    fn load(&mut self, step: i64, lines: &[String]) {
        let mut loaded: SortedMap<Labels, &str> = SortedMap::new();
        for line in lines {
            let (metric, values) = split_series(line);
            loaded.insert(self.labels(metric), values);
        }
        for (labels, values) in loaded {
            let Some(values) = values_of(values) else {
                self.native.push(labels);
                continue;
            };
            let id = self.storage.series(&labels);
            for (place, value) in (0..).zip(values) {
                if let Some(value) = value {
                    self.storage.append(id, place * step, value);
                }
            }
        }
    }

    fn labels(&self, metric: &str) -> Labels {
        if metric == "{}" {
            return Labels::empty();
        }
        let query = Query::parse(metric, &Profile::of(self.version));
        let query = query.unwrap_or_else(|error| panic!("{metric}: {error}"));
        let matchers = &query.selectors()[0].matchers;
        Labels::new(
            matchers
                .iter()
                .map(|matcher| (matcher.name.as_str(), matcher.value.as_str())),
        )
    }

    fn check(&self, times: Times, text: &str, expected: &Expected, tally: &mut Tally) {
        let unknown = expected
            .lines
            .iter()
            .any(|line| line.contains("{{") || line.starts_with("expect"));
        let query = Query::parse(text, &Profile::of(self.version));
        let selects_native = |query: &Query| {
            let selectors = query.selectors();
            selectors
                .iter()
                .any(|selector| self.native.iter().any(|labels| selector.matches(labels)))
        };
        if self.blind || unknown || query.as_ref().is_ok_and(selects_native) {
            tally.skipped += 1;
            return;
        }
        tally.checked += 1;
        let answer = query
            .map_err(|error| error.to_string())
            .and_then(|query| self.answer(&query, times).map_err(|error| error.to_string()));
        let problem = match answer {
            Err(_) if expected.fails => None,
            Err(error) => Some(error),
            Ok(answer) if expected.fails => Some(format!("does not fail: {answer}")),
            Ok(answer) => {
                let same = self.agrees(&answer, times, expected);
                (!same).then(|| format!("is {answer}, expected {:?}", expected.lines))
            }
        };
        if let Some(problem) = problem {
            tally
                .failures
                .push(format!("{}: {text} ({times:?}): {problem}", self.version));
        }
    }

    fn answer(&self, query: &Query, times: Times) -> Result<Answer, model::prometheus::EvalError> {
        Ok(match times {
            Times::Instant(at) => Answer::Instant(query.instant(&self.storage, at)?),
            Times::Range { start, end, step } => {
                let settings = Settings::default();
                let series = query.range(&self.storage, start, end, step, &settings)?;
                Answer::Range(
                    series
                        .into_iter()
                        .map(|series| (series.labels, series.samples))
                        .collect(),
                )
            }
        })
    }

    fn agrees(&self, answer: &Answer, times: Times, expected: &Expected) -> bool {
        let lines = expected.lines.iter();
        match (answer, times) {
            (Answer::Instant(Value::Text(ours)), _) => {
                expected.text.as_deref() == Some(ours)
                    || expected.lines.iter().any(|line| line.contains(ours))
            }
            (Answer::Instant(Value::Scalar(ours)), _) => {
                let [line] = &expected.lines[..] else { return false };
                number(line).is_some_and(|theirs| close(*ours, theirs))
            }
            (Answer::Instant(Value::Vector(ours)), _) => {
                let mut ours = ours.clone();
                let element = |line: &String| {
                    let (metric, value) = split_series(line);
                    (self.labels(metric), number(value.trim()).unwrap_or(f64::NAN))
                };
                let mut theirs: Vec<(Labels, f64)> = lines.map(element).collect();
                if !expected.ordered {
                    ours.sort_by(|a, b| a.0.cmp(&b.0));
                    theirs.sort_by(|a, b| a.0.cmp(&b.0));
                }
                let same = |(a, b): (&(Labels, f64), &(Labels, f64))| a.0 == b.0 && close(a.1, b.1);
                ours.len() == theirs.len() && ours.iter().zip(&theirs).all(same)
            }
            (Answer::Range(ours), Times::Range { start, step, .. }) => {
                let step = step.as_millis() as i64;
                let series = |line: &String| {
                    let (metric, values) = split_series(line);
                    let values = values_of(values).unwrap_or_default();
                    let point = |(place, value): (i64, Option<f64>)| Some((start + place * step, value?));
                    let points: Vec<(i64, f64)> = (0..).zip(values).filter_map(point).collect();
                    (self.labels(metric), points)
                };
                let theirs: SortedMap<Labels, Vec<(i64, f64)>> = lines.map(series).collect();
                let same = |(labels, ours): (&Labels, &Vec<(i64, f64)>)| {
                    let Some(theirs) = theirs.get(labels) else {
                        return false;
                    };
                    let same = |(a, b): (&(i64, f64), &(i64, f64))| a.0 == b.0 && close(a.1, b.1);
                    ours.len() == theirs.len() && ours.iter().zip(theirs).all(same)
                };
                ours.len() == theirs.len() && ours.iter().all(same)
            }
            _ => false,
        }
    }
}

#[derive(Debug)]
enum Answer {
    Instant(Value),
    Range(SortedMap<Labels, Vec<(i64, f64)>>),
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A metric, and what follows it: the first blank outside braces and quotes parts them.
fn split_series(line: &str) -> (&str, &str) {
    let (mut depth, mut quote) = (0, None);
    for (at, c) in line.char_indices() {
        match (c, quote) {
            (_, Some(open)) if c == open && !line[..at].ends_with('\\') => quote = None,
            (_, Some(_)) => {}
            ('"' | '\'' | '`', None) => quote = Some(c),
            ('{', None) => depth += 1,
            ('}', None) => depth -= 1,
            (' ' | '\t', None) if depth == 0 => return (&line[..at], line[at..].trim()),
            _ => {}
        }
    }
    (line, "")
}

/// The values `1 2+1x3 _ _x2 stale`; `None` if they are histograms.
fn values_of(text: &str) -> Option<Vec<Option<f64>>> {
    if text.contains("{{") {
        return None;
    }
    let mut values = Vec::new();
    for item in text.split_whitespace() {
        let (item, times) = match item.rsplit_once('x') {
            Some((item, times)) if !item.is_empty() => (item, times.parse::<usize>().ok()),
            _ => (item, None),
        };
        match item {
            "_" => values.extend(std::iter::repeat_n(None, times.unwrap_or(1))),
            "stale" => values.push(Some(STALE)),
            _ => {
                let sign = item
                    .char_indices()
                    .skip(1)
                    .find(|&(at, c)| matches!(c, '+' | '-') && !item[..at].ends_with(['e', 'E']));
                let (first, step) = match sign {
                    Some((at, _)) if times.is_some() => (number(&item[..at])?, number(&item[at..])?),
                    _ => (number(item)?, 0.0),
                };
                let mut value = first;
                for _ in 0..=times.unwrap_or(0) {
                    values.push(Some(value));
                    value += step;
                }
            }
        }
    }
    Some(values)
}

fn number(text: &str) -> Option<f64> {
    if let Some(digits) = text.strip_prefix("0x") {
        return u64::from_str_radix(digits, 16).ok().map(|value| value as f64);
    }
    text.parse().ok()
}

/// The script language's own tolerance: a relative 1e-6.
fn close(ours: f64, theirs: f64) -> bool {
    let difference = (ours - theirs).abs();
    ours == theirs || ours.is_nan() && theirs.is_nan() || difference / (ours.abs() + theirs.abs()) < 1e-6
}

#[test]
fn scripts_hold() {
    let Ok(files) = fs::read_dir(golden_dir().join("promqltest")) else {
        eprintln!("this set of golden vectors has no promqltest scripts");
        return;
    };
    let mut files: Vec<_> = files
        .map(|file| file.expect("the directory is readable").path())
        .collect();
    files.sort();
    let mut tally = Tally::default();
    for file in files
        .iter()
        .filter(|file| file.extension().is_some_and(|end| end == "test"))
    {
        let known = tally.failures.len();
        let text = fs::read_to_string(file).expect("a script is readable");
        run(&text, &mut tally);
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        for failure in &mut tally.failures[known..] {
            failure.insert_str(0, &format!("{name}: "));
        }
    }
    let Tally {
        checked,
        skipped,
        failures,
    } = tally;
    eprintln!("promqltest: {skipped} queries of native histograms are skipped");
    Outcome::new("promqltest", "3.5", checked, failures).settle();
}
