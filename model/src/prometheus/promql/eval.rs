//! The evaluation of an expression at a time.

use std::borrow::Cow;

use sim::{SortedMap, SortedSet};

use super::aggregate::{self, Param};
use super::expr::{Aggregate, At, Binary, BinaryOp, Expr, Subquery, When};
use super::function::Function;
use super::range::{self, Window};
use super::selector::Selector;
use super::value::{EvalError, RangeSeries, Value};
use super::{Settings, binary, histogram, number, relabel};
use crate::prometheus::labels::Labels;
use crate::prometheus::storage::{Point, Storage, is_stale};
use crate::prometheus::version::Profile;

/// An instant vector. The order of its elements decides the last bits of sums over it.
pub(super) type Vector = Vec<(Labels, f64)>;

/// One evaluation of a query.
#[derive(Debug, Clone, Copy)]
pub(super) struct Evaluation<'a> {
    pub(super) storage: &'a Storage,
    pub(super) profile: &'a Profile,
    pub(super) settings: &'a Settings,
    pub(super) selectors: &'a [Selector],
    /// What `start()` and `end()` mean, Unix milliseconds.
    pub(super) start: i64,
    pub(super) end: i64,
}

/// A series that a range function looks at.
struct Samples<'a> {
    labels: Cow<'a, Labels>,
    nameless: Cow<'a, Labels>,
    points: Cow<'a, [Point]>,
}

impl<'a> Evaluation<'a> {
    /// The value of an expression at a time.
    pub(super) fn value(&self, expr: &Expr, now: i64) -> Result<Value, EvalError> {
        Ok(match expr {
            Expr::Number(number) => Value::Scalar(*number),
            Expr::Text(text) => Value::Text(text.clone()),
            Expr::Instant(selector, when) => Value::Vector(self.instant(*selector, *when, now)),
            Expr::Range(..) | Expr::Subquery(_) => Value::Matrix(self.matrix(expr, now)?),
            Expr::Aggregate(aggregate) => Value::Vector(self.aggregate(aggregate, now)?),
            Expr::Call(function, args) => self.call(function, args, now)?,
            Expr::Binary(binary) => self.binary(binary, now)?,
            Expr::Negate(inner) => match self.value(inner, now)? {
                Value::Vector(vector) => Value::Vector(map_values(vector, |value| -value)?),
                Value::Scalar(number) => Value::Scalar(-number),
                other => other,
            },
        })
    }

    /// The values of an expression at every step, by series, in order of first appearance.
    pub(super) fn steps(
        &self,
        expr: &Expr,
        start: i64,
        end: i64,
        step: i64,
    ) -> Result<Vec<RangeSeries>, EvalError> {
        let mut series: Vec<RangeSeries> = Vec::new();
        let mut places: SortedMap<Labels, usize> = SortedMap::new();
        let mut now = start;
        while now <= end {
            for (labels, value) in self.vector(expr, now)? {
                let place = *places.entry(labels).or_insert_with_key(|labels| {
                    series.push(RangeSeries {
                        labels: labels.clone(),
                        samples: Vec::new(),
                    });
                    series.len() - 1
                });
                series[place].samples.push((now, value));
            }
            now += step;
        }
        Ok(series)
    }

    /// A vector, or a scalar as an element without labels.
    fn vector(&self, expr: &Expr, now: i64) -> Result<Vector, EvalError> {
        Ok(match self.value(expr, now)? {
            Value::Vector(vector) => vector,
            Value::Scalar(number) => vec![(Labels::empty(), number)],
            Value::Text(_) | Value::Matrix(_) => Vector::new(),
        })
    }

    fn scalar(&self, expr: &Expr, now: i64) -> Result<f64, EvalError> {
        Ok(match self.value(expr, now)? {
            Value::Scalar(number) => number,
            _ => f64::NAN,
        })
    }

    /// The time at which a selector looks.
    fn reference(&self, when: When, now: i64) -> i64 {
        let base = match when.at {
            None => now,
            Some(At::Time(time)) => time,
            Some(At::Start) => self.start,
            Some(At::End) => self.end,
        };
        base - when.offset
    }

    fn instant(&self, selector: usize, when: When, now: i64) -> Vector {
        let element = |(labels, (_, value)): (&Labels, Point)| (labels.clone(), value);
        self.last_samples(selector, when, now).map(element).collect()
    }

    /// Of each selected series the last sample within the look-back, unless it is a stale marker
    /// (prometheus 3.5 promql/engine.go `vectorSelectorSingle`).
    fn last_samples(
        &self,
        selector: usize,
        when: When,
        now: i64,
    ) -> impl Iterator<Item = (&'a Labels, Point)> + use<'a> {
        self.last_before(selector, self.reference(when, now), self.settings.lookback_delta)
    }

    fn last_before(
        &self,
        selector: usize,
        reference: i64,
        look_back: i64,
    ) -> impl Iterator<Item = (&'a Labels, Point)> + use<'a> {
        let oldest = reference - look_back + i64::from(self.profile.left_open);
        let storage = self.storage;
        let ids = storage.select(&self.selectors[selector]);
        let last = move |id| {
            let samples = storage.samples(id);
            let point = match samples.last() {
                Some(&last) if last.0 <= reference => last,
                _ if !is_born(samples, reference) => return None,
                _ => samples[..after(samples, reference)].last().copied()?,
            };
            let fresh = point.0 >= oldest && !is_stale(point.1);
            fresh.then(|| (storage.labels(id), point))
        };
        (0..ids.len()).filter_map(move |i| last(ids[i]))
    }

    /// What an aggregation of a selector's samples is at times that rise; nothing if the expression is no such. Each
    /// series is walked along the times, not looked through at each.
    pub(super) fn reduced(&self, expr: &Expr, times: &[i64]) -> Option<Vec<Vector>> {
        let Expr::Aggregate(aggregate) = expr else {
            return None;
        };
        let Expr::Instant(selector, When { at: None, offset }) = aggregate.expr else {
            return None;
        };
        if aggregate.param.is_some() || !aggregate::reduces(aggregate.op) {
            return None;
        }
        let storage = self.storage;
        let look_back = self.settings.lookback_delta - i64::from(self.profile.left_open);
        let mut elements: Vec<Vec<(&Labels, f64)>> = vec![Vec::new(); times.len()];
        for &id in storage.select(&self.selectors[selector]).iter() {
            let samples = storage.samples(id);
            let born = samples.first().map_or(i64::MAX, |&(first, _)| first);
            let unborn = times.partition_point(|time| time - offset < born);
            let mut known = times.get(unborn).map_or(0, |time| after(samples, time - offset));
            for (time, elements) in times.iter().zip(&mut elements).skip(unborn) {
                let reference = time - offset;
                while samples.get(known).is_some_and(|&(at, _)| at <= reference) {
                    known += 1;
                }
                let (at, value) = samples[known - 1];
                if at >= reference - look_back && !is_stale(value) {
                    elements.push((storage.labels(id), value));
                } else if known == samples.len() {
                    break;
                }
            }
        }
        let reduce = |elements: Vec<(&Labels, f64)>| {
            let (op, grouping) = (aggregate.op, &aggregate.grouping);
            aggregate::reduced(op, grouping, &Param::None, &elements, self.profile)
        };
        Some(elements.into_iter().map(reduce).collect())
    }

    /// The samples in the window of a range selector or subquery, by series, and the window.
    fn matrix(&self, expr: &Expr, now: i64) -> Result<Vec<RangeSeries>, EvalError> {
        let (samples, _, _) = self.range(expr, now)?;
        let series = |samples: Samples<'_>| RangeSeries {
            labels: samples.labels.into_owned(),
            samples: samples.points.into_owned(),
        };
        Ok(samples.into_iter().map(series).collect())
    }

    fn range(&self, expr: &Expr, now: i64) -> Result<(Vec<Samples<'a>>, i64, i64), EvalError> {
        match expr {
            Expr::Range(selector, when) => {
                let end = self.reference(*when, now);
                let start = end - self.selectors[*selector].range.unwrap_or(0);
                Ok((self.selected(*selector, start, end), start, end))
            }
            Expr::Subquery(subquery) => {
                let end = self.reference(subquery.when, now);
                let start = end - subquery.range;
                Ok((self.subquery(subquery, start, end)?, start, end))
            }
            _ => Ok((Vec::new(), now, now)),
        }
    }

    /// prometheus 3.5 promql/engine.go `matrixIterSlice`
    fn selected(&self, selector: usize, start: i64, end: i64) -> Vec<Samples<'a>> {
        let storage = self.storage;
        let first = start + i64::from(self.profile.left_open);
        let mut found = Vec::new();
        for &id in storage.select(&self.selectors[selector]).iter() {
            let samples = storage.samples(id);
            if !is_born(samples, end) {
                continue;
            }
            // Most windows end at the last sample and begin not far before it.
            let to = match samples.last() {
                Some(&(last, _)) if last <= end => samples.len(),
                _ => after(samples, end),
            };
            let from = to
                - samples[..to]
                    .iter()
                    .rev()
                    .take_while(|(at, _)| *at >= first)
                    .count();
            let window = &samples[from..to];
            let points = if window.iter().any(|&(_, value)| is_stale(value)) {
                let kept = window.iter().copied().filter(|&(_, value)| !is_stale(value));
                Cow::Owned(kept.collect::<Vec<Point>>())
            } else {
                Cow::Borrowed(window)
            };
            if !points.is_empty() {
                found.push(Samples {
                    labels: Cow::Borrowed(storage.labels(id)),
                    nameless: Cow::Borrowed(storage.nameless(id)),
                    points,
                });
            }
        }
        found
    }

    /// Steps are multiples of the step since the epoch (prometheus 3.5 promql/engine.go `eval`, SubqueryExpr).
    fn subquery(&self, subquery: &Subquery, start: i64, end: i64) -> Result<Vec<Samples<'a>>, EvalError> {
        let step = subquery.step.unwrap_or(self.settings.evaluation_interval);
        // As in Go, division cuts off towards zero.
        let mut first = step * (start / step);
        if first < start || self.profile.left_open && first == start {
            first += step;
        }
        if first > end && self.profile.first_step_parameter && subquery.expr.has_parameter() {
            let message = "unexpected error: runtime error: index out of range [0] with length 0";
            return Err(EvalError::Execution(message.to_owned()));
        }
        let series = self.steps(&subquery.expr, first, end, step)?;
        let samples = |series: RangeSeries| Samples {
            nameless: Cow::Owned(binary::without_name(&series.labels)),
            labels: Cow::Owned(series.labels),
            points: Cow::Owned(series.samples),
        };
        Ok(series.into_iter().map(samples).collect())
    }

    /// Calls a function of each series' window.
    fn over_range(
        &self,
        expr: &Expr,
        now: i64,
        keeps_name: bool,
        function: impl Fn(&Window<'_>) -> Option<f64>,
    ) -> Result<Vector, EvalError> {
        let (samples, start, end) = self.range(expr, now)?;
        let mut out = Vector::with_capacity(samples.len());
        let mut name: Option<&str> = None;
        let mut one_name = true;
        for series in &samples {
            let window = Window {
                points: &series.points,
                start,
                end,
                now,
                profile: self.profile,
            };
            if let Some(value) = function(&window) {
                let own = series.labels.metric();
                one_name &= *name.get_or_insert(own) == own;
                let labels = if keeps_name {
                    &series.labels
                } else {
                    &series.nameless
                };
                out.push((labels.as_ref().clone(), value));
            }
        }
        // Series of one name differ without it too.
        if one_name { Ok(out) } else { same_label_set(out) }
    }

    fn aggregate(&self, aggregate: &Aggregate, now: i64) -> Result<Vector, EvalError> {
        let param = match &aggregate.param {
            None => Param::None,
            Some(Expr::Text(text)) => Param::Text(text.clone()),
            Some(expr) => Param::Number(self.scalar(expr, now)?),
        };
        if let Expr::Instant(selector, when) = &aggregate.expr
            && aggregate::reduces(aggregate.op)
        {
            let samples = self.last_samples(*selector, *when, now);
            let elements: Vec<(&Labels, f64)> = samples.map(|(labels, (_, value))| (labels, value)).collect();
            let grouping = &aggregate.grouping;
            return Ok(aggregate::reduced(
                aggregate.op,
                grouping,
                &param,
                &elements,
                self.profile,
            ));
        }
        let vector = self.vector(&aggregate.expr, now)?;
        aggregate::aggregate(aggregate.op, &aggregate.grouping, &param, vector, self.profile)
    }

    fn binary(&self, binary: &Binary, now: i64) -> Result<Value, EvalError> {
        let left = self.value(&binary.left, now)?;
        let right = self.value(&binary.right, now)?;
        Ok(match (left, right) {
            (Value::Scalar(left), Value::Scalar(right)) => {
                Value::Scalar(binary::scalars(binary.op, left, right))
            }
            (Value::Vector(left), Value::Scalar(right)) => {
                Value::Vector(binary::with_scalar(binary, left, right, false, self.profile)?)
            }
            (Value::Scalar(left), Value::Vector(right)) => {
                Value::Vector(binary::with_scalar(binary, right, left, true, self.profile)?)
            }
            (Value::Vector(left), Value::Vector(right)) => Value::Vector(match binary.op {
                BinaryOp::And | BinaryOp::Or | BinaryOp::Unless => {
                    same_label_set(binary::sets(binary.op, &binary.matching, left, right))?
                }
                _ => binary::vectors(binary, left, right, self.profile)?,
            }),
            _ => Value::Vector(Vector::new()),
        })
    }

    fn call(&self, function: &Function, args: &[Expr], now: i64) -> Result<Value, EvalError> {
        let vector = |i: usize| self.vector(&args[i], now);
        let scalar = |i: usize| self.scalar(&args[i], now);
        let range = |f: range::RangeFunction| self.over_range(&args[0], now, false, f);
        Ok(Value::Vector(match function {
            Function::Map(map) => map_values(vector(0)?, map)?,
            Function::Date(part) if args.is_empty() => {
                vec![(Labels::empty(), part.of((now / 1000) as f64))]
            }
            Function::Date(part) => map_values(vector(0)?, |value| part.of(value))?,
            Function::Range(f) => range(*f)?,
            Function::RangeNamed(f) => self.over_range(&args[0], now, true, f)?,
            Function::PredictLinear => {
                let ahead = scalar(1)?;
                self.over_range(&args[0], now, false, |window| {
                    range::predict_linear(window, ahead)
                })?
            }
            Function::QuantileOverTime => {
                let q = scalar(0)?;
                self.over_range(&args[1], now, false, |window| {
                    range::quantile_over_time(window, q)
                })?
            }
            Function::Smooth => self.smooth(args, now)?,
            Function::Absent => {
                let present = !vector(0)?.is_empty();
                self.absent(present, &args[0])
            }
            Function::AbsentOverTime => {
                // With their names series never have the same labels.
                let present = !self.over_range(&args[0], now, true, range::present)?.is_empty();
                self.absent(present, &args[0])
            }
            Function::Clamp => clamp(vector(0)?, scalar(1)?, scalar(2)?)?,
            Function::ClampMin => clamp(vector(0)?, scalar(1)?, f64::INFINITY)?,
            Function::ClampMax => clamp(vector(0)?, f64::NEG_INFINITY, scalar(1)?)?,
            Function::Round => {
                let nearest = if args.len() > 1 { scalar(1)? } else { 1.0 };
                let inverse = 1.0 / nearest;
                map_values(vector(0)?, |value| (value * inverse + 0.5).floor() / inverse)?
            }
            Function::Scalar => {
                let vector = vector(0)?;
                let single = vector.len() == 1;
                return Ok(Value::Scalar(if single { vector[0].1 } else { f64::NAN }));
            }
            Function::Vector => vec![(Labels::empty(), scalar(0)?)],
            Function::Time => return Ok(Value::Scalar(now as f64 / 1000.0)),
            Function::Pi => return Ok(Value::Scalar(std::f64::consts::PI)),
            Function::Timestamp => self.timestamp(&args[0], now)?,
            Function::Sort(descending) => {
                let mut vector = vector(0)?;
                aggregate::sort(&mut vector, *descending);
                vector
            }
            Function::HistogramQuantile => {
                let q = scalar(0)?;
                same_label_set(histogram::quantiles(q, vector(1)?, self.profile))?
            }
            Function::HistogramFraction => {
                let (lower, upper) = (scalar(0)?, scalar(1)?);
                same_label_set(histogram::fractions(lower, upper, vector(2)?, self.profile))?
            }
            Function::NativeOnly => {
                let (_, scalars) = args.split_last().expect("its arguments end with a vector");
                (0..scalars.len()).try_for_each(|i| scalar(i).map(drop))?;
                vector(scalars.len())?;
                Vector::new()
            }
            Function::LabelReplace(parameters) => {
                relabel::label_replace(parameters, vector(0)?, self.profile)?
            }
            Function::LabelJoin(parameters) => relabel::label_join(parameters, vector(0)?, self.profile)?,
        }))
    }

    /// When each element was sampled; of a computed one, the time of evaluation
    /// (prometheus 3.5 promql/functions.go `funcTimestamp`).
    fn timestamp(&self, arg: &Expr, now: i64) -> Result<Vector, EvalError> {
        let vector = if let Expr::Instant(selector, when) = arg {
            let element =
                |(labels, (at, _)): (&Labels, Point)| (binary::without_name(labels), at as f64 / 1000.0);
            let (mut reference, mut look_back) = (self.reference(*when, now), self.settings.lookback_delta);
            if when.at.is_some() {
                // Upstream has fetched samples for the offset, and then looks as if there were none: only what
                // both would see is there (`rangeEvalTimestampFunctionOverVectorSelector`).
                reference = reference.min(reference + when.offset);
                look_back -= when.offset.abs();
            }
            self.last_before(*selector, reference, look_back)
                .map(element)
                .collect()
        } else {
            let element = |(labels, _): (Labels, f64)| (binary::without_name(&labels), now as f64 / 1000.0);
            self.vector(arg, now)?.into_iter().map(element).collect()
        };
        same_label_set(vector)
    }

    fn absent(&self, present: bool, arg: &Expr) -> Vector {
        if present {
            return Vector::new();
        }
        let selector = match arg {
            Expr::Instant(selector, _) | Expr::Range(selector, _) => Some(&self.selectors[*selector]),
            _ => None,
        };
        vec![(relabel::absent_labels(selector), 1.0)]
    }

    fn smooth(&self, args: &[Expr], now: i64) -> Result<Vector, EvalError> {
        let (factor, trend) = (self.scalar(&args[1], now)?, self.scalar(&args[2], now)?);
        let invalid = |f: f64| f <= 0.0 || f >= 1.0;
        let smooth = |window: &Window<'_>| range::smooth(window, factor, trend);
        let (samples, ..) = self.range(&args[0], now)?;
        if !samples.is_empty() && (invalid(factor) || invalid(trend)) {
            let message = format!("invalid smoothing factor or trend factor: {factor}, {trend}");
            return Err(EvalError::Execution(message));
        }
        self.over_range(&args[0], now, false, smooth)
    }
}

/// Whether a series has a sample by then. Of what is looked at when all is over, much comes later.
fn is_born(samples: &[Point], time: i64) -> bool {
    samples.first().is_some_and(|&(first, _)| first <= time)
}

/// How many samples are not after a time.
fn after(samples: &[Point], time: i64) -> usize {
    samples.partition_point(|&(at, _)| at <= time)
}

/// Changes the values and drops the metric names.
pub(super) fn map_values(vector: Vector, map: impl Fn(f64) -> f64) -> Result<Vector, EvalError> {
    let one_name = vector
        .windows(2)
        .all(|pair| pair[0].0.metric() == pair[1].0.metric());
    let map = |(labels, value)| (binary::without_name(&labels), map(value));
    let mapped: Vector = vector.into_iter().map(map).collect();
    // Series of one name differ without it too.
    if one_name {
        Ok(mapped)
    } else {
        same_label_set(mapped)
    }
}

/// prometheus 3.5 promql/functions.go `clamp`
fn clamp(vector: Vector, least: f64, most: f64) -> Result<Vector, EvalError> {
    if most < least {
        return Ok(Vector::new());
    }
    map_values(vector, |value| number::max(least, number::min(most, value)))
}

/// Refuses a vector in which two elements have the same labels.
pub(super) fn same_label_set(vector: Vector) -> Result<Vector, EvalError> {
    let mut seen: SortedSet<&Labels> = SortedSet::new();
    let unique = vector.len() < 2 || vector.iter().all(|(labels, _)| seen.insert(labels));
    if unique {
        return Ok(vector);
    }
    let message = "vector cannot contain metrics with the same labelset";
    Err(EvalError::Execution(message.to_owned()))
}

/// Whether an expression is a scalar or a text.
pub(super) fn is_scalar(expr: &Expr) -> bool {
    match expr {
        Expr::Number(_) | Expr::Text(_) => true,
        Expr::Call(function, _) => matches!(function, Function::Scalar | Function::Time | Function::Pi),
        Expr::Negate(inner) => is_scalar(inner),
        Expr::Binary(binary) => is_scalar(&binary.left) && is_scalar(&binary.right),
        _ => false,
    }
}
