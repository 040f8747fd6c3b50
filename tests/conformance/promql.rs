//! PromQL: instant queries answered by real Prometheus servers of several versions.
//!
//! Every answer must agree to the last bit, but where the vector itself gives a tolerance: logarithms,
//! exponentials and trigonometry, and sums whose order is not repeatable in Prometheus. Errors agree if the
//! query is refused at the same stage.

use sim::{SortedMap, SortedSet};

use model::Release;
use model::prometheus::{Labels, Profile, Query, Storage, Value};
use serde::Deserialize;
use support::{Outcome, golden};

/// The value that marks the end of a series.
const STALE: f64 = f64::from_bits(0x7ff0_0000_0000_0002);

#[derive(Deserialize)]
struct Case {
    id: String,
    kind: String,
    data: String,
    query: String,
    time: i64,
    expect: SortedMap<String, Answer>,
    #[serde(default)]
    ordered: bool,
    #[serde(default)]
    ties: bool,
    tolerance: Option<f64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Vector(Vec<Element>),
    Scalar(String),
    String(String),
    Matrix(Vec<Samples>),
    Error(Refusal),
}

#[derive(Debug, Deserialize)]
struct Element {
    labels: SortedMap<String, String>,
    value: String,
}

#[derive(Debug, Deserialize)]
struct Samples {
    labels: SortedMap<String, String>,
    samples: Vec<(i64, String)>,
}

#[derive(Debug, Deserialize)]
struct Refusal {
    r#type: String,
}

#[derive(Deserialize)]
struct Series {
    labels: SortedMap<String, String>,
    samples: Vec<(i64, Number)>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Plain(f64),
    Text(String),
}

impl Number {
    fn value(&self) -> f64 {
        match self {
            Number::Plain(value) => *value,
            Number::Text(text) if text == "stale" => STALE,
            Number::Text(text) => parse(text),
        }
    }
}

fn parse(text: &str) -> f64 {
    text.parse().unwrap_or_else(|_| panic!("{text} is a number"))
}

fn labels(map: &SortedMap<String, String>) -> Labels {
    Labels::new(map.iter().map(|(name, value)| (name.as_str(), value.as_str())))
}

fn load(version: Release, data: &str) -> Storage {
    let mut storage = Storage::new(Profile::of(version));
    for series in golden::<Series>(&format!("promql/series/{data}.jsonl")) {
        let id = storage.series(&labels(&series.labels));
        for (at, value) in &series.samples {
            assert!(storage.append(id, *at, value.value()), "samples of {data} rise");
        }
    }
    storage
}

/// Whether two numbers agree: bit by bit, all NaN alike, or within the tolerance.
fn agree(ours: f64, theirs: f64, tolerance: Option<f64>) -> bool {
    let close = |tolerance: f64| (ours - theirs).abs() <= tolerance * theirs.abs();
    let exact = ours.to_bits() == theirs.to_bits() || ours.is_nan() && theirs.is_nan();
    exact || tolerance.is_some_and(close)
}

/// What differs between our answer and the server's, if anything does.
fn difference(case: &Case, version: Release, storage: &Storage, theirs: &Answer) -> Option<String> {
    let tolerance = case.tolerance;
    let query = match Query::parse(&case.query, &Profile::of(version)) {
        Ok(query) => query,
        Err(_) if matches!(theirs, Answer::Error(refusal) if refusal.r#type == "bad_data") => return None,
        Err(error) => return Some(error.to_string()),
    };
    let ours = match query.instant(storage, case.time) {
        Ok(value) => value,
        Err(_) if matches!(theirs, Answer::Error(refusal) if refusal.r#type == "execution") => return None,
        Err(error) => return Some(error.to_string()),
    };
    let same = match (&ours, theirs) {
        (Value::Scalar(ours), Answer::Scalar(theirs)) => agree(*ours, parse(theirs), tolerance),
        (Value::Text(ours), Answer::String(theirs)) => ours == theirs,
        (Value::Vector(ours), Answer::Vector(theirs)) => same_vector(case, ours, theirs),
        (Value::Matrix(ours), Answer::Matrix(theirs)) => {
            let mut ours: Vec<_> = ours
                .iter()
                .map(|series| (series.labels.clone(), &series.samples))
                .collect();
            ours.sort_by(|a, b| a.0.cmp(&b.0));
            let mut theirs: Vec<_> = theirs
                .iter()
                .map(|series| (labels(&series.labels), series))
                .collect();
            theirs.sort_by(|a, b| a.0.cmp(&b.0));
            let same_series = |ours: &(Labels, &Vec<(i64, f64)>), theirs: &(Labels, &Samples)| {
                let same_sample =
                    |(a, b): (&(i64, f64), &(i64, String))| a.0 == b.0 && agree(a.1, parse(&b.1), tolerance);
                let (samples, series) = (ours.1, theirs.1);
                let all = samples.iter().zip(&series.samples).all(same_sample);
                ours.0 == theirs.0 && samples.len() == series.samples.len() && all
            };
            let all = ours
                .iter()
                .zip(&theirs)
                .all(|(ours, theirs)| same_series(ours, theirs));
            ours.len() == theirs.len() && all
        }
        _ => false,
    };
    (!same).then(|| format!("ours {ours:?}, theirs {theirs:?}"))
}

fn same_vector(case: &Case, ours: &[(Labels, f64)], theirs: &[Element]) -> bool {
    let mut ours = ours.to_vec();
    let mut theirs: Vec<(Labels, f64)> = theirs
        .iter()
        .map(|element| (labels(&element.labels), parse(&element.value)))
        .collect();
    if ours.len() != theirs.len() {
        return false;
    }
    // All NaN are alike, so that their bits must not decide the order.
    let value = |value: f64| if value.is_nan() { f64::NAN } else { value };
    if case.ties {
        // Which of equal elements stay is an accident: their values are not.
        ours.sort_by(|a, b| value(a.1).total_cmp(&value(b.1)));
        theirs.sort_by(|a, b| value(a.1).total_cmp(&value(b.1)));
        return ours
            .iter()
            .zip(&theirs)
            .all(|(a, b)| agree(a.1, b.1, case.tolerance));
    }
    if !case.ordered {
        let order =
            |a: &(Labels, f64), b: &(Labels, f64)| a.0.cmp(&b.0).then(value(a.1).total_cmp(&value(b.1)));
        ours.sort_by(order);
        theirs.sort_by(order);
    }
    ours.iter()
        .zip(&theirs)
        .all(|(a, b)| alike(&a.0, &b.0, case.tolerance) && agree(a.1, b.1, case.tolerance))
}

/// Whether labels are the same, values that `count_values` wrote into them within the tolerance.
fn alike(ours: &Labels, theirs: &Labels, tolerance: Option<f64>) -> bool {
    let number = |text: &str| text.parse::<f64>().ok();
    let same = |((name, ours), (other, theirs)): ((&str, &str), (&str, &str))| {
        let numbers = number(ours).zip(number(theirs)).filter(|_| tolerance.is_some());
        name == other
            && (ours == theirs || numbers.is_some_and(|(ours, theirs)| agree(ours, theirs, tolerance)))
    };
    ours == theirs || ours.iter().count() == theirs.iter().count() && ours.iter().zip(theirs.iter()).all(same)
}

/// The servers for which an answer under `all` was recorded.
const RECORDED: [&str; 3] = ["2.42.0", "2.53.3", "3.5.3"];

#[test]
fn answers_are_the_servers() {
    let mut cases: Vec<Case> = golden("promql/cases.jsonl");
    // Drawn by tests/upstream/prometheus, one version a line.
    cases.extend(golden::<Case>("promql/drawn.jsonl"));
    cases.sort_by(|a, b| a.data.cmp(&b.data));
    let mut failures = Vec::new();
    let mut checked = 0;
    let mut loaded: SortedMap<(Release, String), Storage> = SortedMap::new();
    for case in &cases {
        let all = case
            .expect
            .get("all")
            .map(|answer| RECORDED.map(|version| (version, answer)));
        let each = case.expect.iter().filter(|(version, _)| *version != "all");
        let each = each.map(|(version, answer)| (version.as_str(), answer));
        for (text, theirs) in all.into_iter().flatten().chain(each) {
            let version: Release = text.parse().expect("a vector names versions");
            let key = (version, case.data.clone());
            let storage = loaded.entry(key).or_insert_with(|| load(version, &case.data));
            checked += 1;
            if let Some(difference) = difference(case, version, storage, theirs) {
                let Case {
                    id,
                    kind,
                    query,
                    time,
                    ..
                } = case;
                failures.push(format!(
                    "{id} ({kind}) {text}: {query} @ {time}\n    {difference}"
                ));
            }
        }
    }
    let versions: SortedSet<Release> = loaded.into_keys().map(|(version, _)| version).collect();
    let versions: Vec<String> = versions.iter().map(Release::to_string).collect();
    Outcome::new("promql/cases.jsonl", &versions.join(", "), checked, failures).settle();
}
