//! Aggregations.

use sim::SortedMap;

use super::eval::Vector;
use super::expr::{Aggregation, Grouping};
use super::number::{Compensated, Mean, go_sort, quantile};
use super::value::EvalError;
use crate::prometheus::labels::{Labels, METRIC_NAME};
use crate::prometheus::version::Profile;

/// The parameter of an aggregation.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Param {
    None,
    Number(f64),
    Text(String),
}

/// Aggregates a vector, groups in order of their first element
/// (prometheus 3.5 promql/engine.go `aggregation`, `aggregationK`, `aggregationCountValues`).
pub(super) fn aggregate(
    op: Aggregation,
    grouping: &Grouping,
    param: &Param,
    vector: Vector,
    profile: &Profile,
) -> Result<Vector, EvalError> {
    match (op, param) {
        (Aggregation::Topk | Aggregation::Bottomk, Param::Number(k)) => {
            let Some(k) = element_count(*k, vector.is_empty(), profile)? else {
                return Ok(Vector::new());
            };
            let best = |group: Vector| first_k(group, k, op == Aggregation::Topk);
            Ok(grouped(grouping, vector)
                .into_iter()
                .flat_map(|(_, group)| best(group))
                .collect())
        }
        (Aggregation::CountValues, Param::Text(label)) => count_values(grouping, label, vector, profile),
        _ => {
            let elements: Vec<(&Labels, f64)> =
                vector.iter().map(|(labels, value)| (labels, *value)).collect();
            Ok(reduced(op, grouping, param, &elements, profile))
        }
    }
}

/// Whether an aggregation makes one number of a group, whatever the labels of its elements.
pub(super) fn reduces(op: Aggregation) -> bool {
    !matches!(
        op,
        Aggregation::Topk | Aggregation::Bottomk | Aggregation::CountValues
    )
}

/// One number of each group, in order of their first elements.
pub(super) fn reduced(
    op: Aggregation,
    grouping: &Grouping,
    param: &Param,
    elements: &[(&Labels, f64)],
    profile: &Profile,
) -> Vector {
    if grouping.is_one() {
        let values: Vec<f64> = elements.iter().map(|(_, value)| *value).collect();
        let first = (!values.is_empty()).then(|| (Labels::empty(), reduce(op, param, &values, profile)));
        return first.into_iter().collect();
    }
    let mut groups = Groups::new(grouping);
    for &(labels, value) in elements {
        groups.of(labels).push(value);
    }
    let one = |(labels, values): (Labels, Vec<f64>)| (labels, reduce(op, param, &values, profile));
    groups.found.into_iter().map(one).collect()
}

/// Elements by group, in their order.
fn grouped(grouping: &Grouping, vector: Vector) -> Vec<(Labels, Vector)> {
    if vector.is_empty() {
        return Vec::new();
    }
    if grouping.is_one() {
        return vec![(Labels::empty(), vector)];
    }
    let mut groups = Groups::new(grouping);
    for (labels, value) in vector {
        groups.of(&labels).push((labels.clone(), value));
    }
    groups.found
}

/// So many groups are looked through.
const FEW: usize = 8;

/// What belongs together, in order of the first of each group.
struct Groups<'g, T> {
    grouping: &'g Grouping,
    found: Vec<(Labels, Vec<T>)>,
    places: SortedMap<Labels, usize>,
}

impl<'g, T> Groups<'g, T> {
    fn new(grouping: &'g Grouping) -> Self {
        Groups {
            grouping,
            found: Vec::new(),
            places: SortedMap::new(),
        }
    }

    /// The group of these labels.
    fn of(&mut self, labels: &Labels) -> &mut Vec<T> {
        // Of few groups the right one is found sooner than its labels are made.
        let known = match self.grouping {
            Grouping::By(names) if self.found.len() <= FEW => {
                let alike = |group: &Labels| names.iter().all(|name| group.get(name) == labels.get(name));
                self.found.iter().position(|(group, _)| alike(group))
            }
            _ => None,
        };
        let place = known.unwrap_or_else(|| {
            let key = group_labels(self.grouping, labels);
            *self.places.entry(key).or_insert_with_key(|key| {
                self.found.push((key.clone(), Vec::new()));
                self.found.len() - 1
            })
        });
        &mut self.found[place].1
    }
}

fn group_labels(grouping: &Grouping, labels: &Labels) -> Labels {
    let among = |names: &[String], name: &str| names.iter().any(|own| own == name);
    match grouping {
        Grouping::By(names) => {
            Labels::from_sorted(names.iter().map(|name| (name.as_str(), labels.get(name))))
        }
        Grouping::Without(names) => labels.filter(|name| name != METRIC_NAME && !among(names, name)),
    }
}

fn reduce(op: Aggregation, param: &Param, group: &[f64], profile: &Profile) -> f64 {
    let values = || group.iter().copied();
    let first = group[0];
    let choose = |better: fn(f64, f64) -> bool| {
        let choose = |best: f64, value: f64| {
            if better(value, best) || best.is_nan() {
                value
            } else {
                best
            }
        };
        values().fold(first, choose)
    };
    match op {
        Aggregation::Sum if profile.compensated_sum => {
            let add = |sum: Compensated, value| sum.add(value, profile);
            values().skip(1).fold(Compensated::new(first), add).total()
        }
        Aggregation::Sum => values().skip(1).fold(first, |sum, value| sum + value),
        Aggregation::Avg => average(first, values().skip(1), profile),
        Aggregation::Max => choose(|value, best| best < value),
        Aggregation::Min => choose(|value, best| best > value),
        Aggregation::Count => group.len() as f64,
        Aggregation::Stddev => variance(first, values().skip(1), profile).sqrt(),
        Aggregation::Stdvar => variance(first, values().skip(1), profile),
        Aggregation::Quantile => {
            let q = if let Param::Number(q) = param {
                *q
            } else {
                f64::NAN
            };
            quantile(q, values().collect(), profile)
        }
        // The remaining ones do not come here.
        _ => 1.0,
    }
}

fn average(first: f64, rest: impl Iterator<Item = f64>, profile: &Profile) -> f64 {
    let mut mean = Mean::new(first);
    if profile.compensated_avg {
        rest.for_each(|value| mean.add_compensated(value, profile));
        mean.compensated(profile)
    } else {
        rest.for_each(|value| mean.add_plain(value));
        mean.plain()
    }
}

fn variance(first: f64, rest: impl Iterator<Item = f64>, profile: &Profile) -> f64 {
    let undefined = profile.v3 && !first.is_finite();
    let (mut count, mut mean) = (1.0, first);
    let mut squares = if undefined { f64::NAN } else { 0.0 };
    for value in rest {
        count += 1.0;
        let delta = value - mean;
        mean += delta / count;
        squares += delta * (value - mean);
    }
    squares / count
}

/// How many elements `topk` keeps; `None` for none at all. A number that no integer can be made of is refused, in 3.5
/// only if there are elements (prometheus 3.5 promql/engine.go `rangeEvalAgg`, `aggregationK`).
fn element_count(k: f64, no_elements: bool, profile: &Profile) -> Result<Option<usize>, EvalError> {
    /// The greatest float that is a 64-bit integer.
    const MAX: f64 = 9_223_372_036_854_774_784.0;
    let checked = profile.parameter_checked;
    if profile.lazy_parameter && (k < 1.0 || no_elements && !checked) {
        return Ok(None);
    }
    let fits = k >= i64::MIN as f64 && (k < MAX || k == MAX && !checked);
    if !fits {
        let problem = match checked && k.is_nan() {
            true => "Parameter value is NaN".to_owned(),
            false => format!("Scalar value {k} overflows int64"),
        };
        return Err(EvalError::Execution(problem));
    }
    Ok((k >= 1.0).then(|| usize::try_from(k as i64).unwrap_or(usize::MAX)))
}

/// The greatest or least elements of a group, best first, NaN last.
fn first_k(mut group: Vector, k: usize, greatest: bool) -> Vector {
    let better = |a: f64, b: f64| if greatest { a > b } else { a < b };
    group.sort_by(|(_, a), (_, b)| {
        let nan_last = a.is_nan().cmp(&b.is_nan());
        nan_last.then_with(|| better(*b, *a).cmp(&better(*a, *b)))
    });
    group.truncate(k);
    group
}

/// `count_values`: the value becomes a label.
fn count_values(
    grouping: &Grouping,
    label: &str,
    vector: Vector,
    profile: &Profile,
) -> Result<Vector, EvalError> {
    if !is_label_name(label, profile) {
        return Err(EvalError::Execution(format!("invalid label name {label:?}")));
    }
    let grouping = match grouping {
        Grouping::By(names) => {
            let mut names = [names.as_slice(), &[label.to_owned()]].concat();
            names.sort_unstable();
            names.dedup();
            Grouping::By(names)
        }
        Grouping::Without(_) => grouping.clone(),
    };
    let labelled = |(labels, value): (Labels, f64)| (labels.with(label, &format_value(value)), value);
    let vector = vector.into_iter().map(labelled).collect();
    let count = |(labels, group): (Labels, Vector)| (labels, group.len() as f64);
    Ok(grouped(&grouping, vector).into_iter().map(count).collect())
}

/// The shortest decimal without an exponent (Go `strconv.FormatFloat(v, 'f', -1, 64)`).
fn format_value(value: f64) -> String {
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let shortest = format!("{value:e}");
    let Some((mantissa, _)) = shortest.split_once('e').filter(|_| value.is_finite()) else {
        return shortest;
    };
    // Where two texts are as short and as near, Go takes the one that ends with an even digit.
    let decimals = mantissa.split_once('.').map_or(0, |(_, part)| part.len());
    let even = format!("{value:.decimals$e}");
    without_exponent(if even.parse() == Ok(value) {
        &even
    } else {
        &shortest
    })
}

/// `-1.25e3` as `-1250`.
fn without_exponent(scientific: &str) -> String {
    let (mantissa, exponent) = scientific.split_once('e').expect("it is written with one");
    let exponent: i32 = exponent.parse().expect("an integer");
    let digits = mantissa.trim_start_matches('-').replace('.', "");
    let sign = if mantissa.starts_with('-') { "-" } else { "" };
    let Ok(whole) = usize::try_from(exponent + 1) else {
        let zeros = "0".repeat(exponent.unsigned_abs() as usize - 1);
        return format!("{sign}0.{zeros}{digits}");
    };
    match digits.split_at_checked(whole) {
        Some((whole, "")) => format!("{sign}{whole}"),
        Some(("", part)) => format!("{sign}0.{part}"),
        Some((whole, part)) => format!("{sign}{whole}.{part}"),
        None => format!("{sign}{digits:0<whole$}"),
    }
}

#[test]
fn values_are_written_as_go_writes_them() {
    for (value, text) in [
        (2_685_333_333_333_333.0 / 4.0, "671333333333333.2"),
        (0.1 + 0.2, "0.30000000000000004"),
        (-53_733_333_333_333_328.0, "-53733333333333330"),
        (-2e22, "-20000000000000000000000"),
        (0.5, "0.5"),
        (0.012, "0.012"),
        (1250.0, "1250"),
        (1e-7, "0.0000001"),
        (-0.0, "-0"),
        (1e21, "1000000000000000000000"),
        (f64::NEG_INFINITY, "-Inf"),
        (f64::NAN, "NaN"),
    ] {
        assert_eq!(format_value(value), text);
    }
}

/// Whether a text can be the name of a label. What was no UTF-8 has become replacement characters.
pub(super) fn is_label_name(text: &str, profile: &Profile) -> bool {
    let mut chars = text.chars();
    let start = |c: char| c.is_ascii_alphabetic() || c == '_';
    match chars.next() {
        None => false,
        Some(_) if profile.v3 => !text.contains(char::REPLACEMENT_CHARACTER),
        Some(first) => start(first) && chars.all(|c| start(c) || c.is_ascii_digit()),
    }
}

/// `sort` and `sort_desc`: NaN last either way (prometheus 3.5 promql/functions.go `funcSort`).
pub(super) fn sort(vector: &mut Vector, descending: bool) {
    let less = |a: f64, b: f64| if descending { a < b } else { a > b };
    go_sort(vector, |(_, a), (_, b)| b.is_nan() || less(*b, *a));
}
