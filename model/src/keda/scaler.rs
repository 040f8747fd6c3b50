//! What a trigger's source says, and what KEDA makes of it.

use std::cmp::Ordering;

use jiff::tz::TimeZoneDatabase;

use super::messages::Answer;
use super::spec::{Cron, Prometheus, Trigger, TriggerKind};
use super::version::Profile;
use crate::cron::Schedule;
use crate::quantity::Quantity;

/// What one evaluation of a trigger gave.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reading {
    /// The value, unrounded.
    pub value: f64,
    /// Whether it makes the trigger active.
    pub active: bool,
}

/// Why an evaluation failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The query returned no element, and nulls are not ignored.
    #[error("the result is empty")]
    Empty,
    /// The query returned several elements.
    #[error("the query returned multiple elements")]
    Multiple,
    /// The query returned an infinity or NaN, and nulls are not ignored.
    #[error("the value is no finite number")]
    NotFinite,
    /// The query returned no instant vector.
    #[error("the result is no vector")]
    NotAVector,
    /// Prometheus did not answer in time, or with an error.
    #[error("no answer from prometheus")]
    Unavailable,
    /// A cron trigger's schedule or time zone is none.
    #[error("no such schedule or time zone")]
    Schedule,
}

/// The value of a prometheus trigger (kedacore/keda 2.20 pkg/scalers/prometheus_scaler.go
/// `ExecutePromQuery`, `GetMetricsAndActivity`).
///
/// # Errors
///
/// See [`Error`].
pub fn prometheus(metadata: &Prometheus, answer: &Answer, profile: &Profile) -> Result<Reading, Error> {
    let null = |error| {
        if metadata.ignore_null_values {
            Ok(0.0)
        } else {
            Err(error)
        }
    };
    let value = match answer {
        Answer::Error => Err(Error::Unavailable),
        Answer::Scalar(_) | Answer::Other => Err(Error::NotAVector),
        Answer::Vector(values) => match values[..] {
            [] => null(Error::Empty),
            [value] if value.is_infinite() || (value.is_nan() && profile.nan_is_null) => {
                null(Error::NotFinite)
            }
            [value] => Ok(value),
            _ => Err(Error::Multiple),
        },
    }?;
    Ok(Reading {
        value,
        active: value > metadata.activation_threshold,
    })
}

/// The value of a cron trigger at `seconds` of the Unix epoch: the desired replicas from each start to the
/// next end (kedacore/keda 2.20 pkg/scalers/cron_scaler.go `GetMetricsAndActivity`). Whichever of the two
/// comes next says where we are.
///
/// # Errors
///
/// When a schedule or the time zone cannot be read.
pub fn cron(metadata: &Cron, seconds: i64, profile: &Profile) -> Result<Reading, Error> {
    let zone = TimeZoneDatabase::bundled()
        .get(&metadata.timezone)
        .map_err(|_| Error::Schedule)?;
    let next = |text: &str| {
        let schedule: Schedule = text.parse().ok()?;
        schedule.next_in(seconds, &zone)
    };
    let start = next(&metadata.start).ok_or(Error::Schedule)?;
    let end = next(&metadata.end).ok_or(Error::Schedule)?;
    let active = end <= start;
    Ok(Reading {
        value: if active {
            metadata.desired_replicas as f64
        } else if profile.cron_idles_at_zero {
            0.0
        } else {
            1.0
        },
        active,
    })
}

/// A value as the quantity that is reported (kedacore/keda 2.20 pkg/scalers/scaler.go
/// `GenerateMetricInMili`, `quantityFromFloat64`).
#[must_use]
pub fn quantity(value: f64, profile: &Profile) -> Quantity {
    if !profile.rounds_to_milli {
        return Quantity::from_milli(truncate(value * 1000.0));
    }
    if !value.is_finite() || value < 0.0 {
        return Quantity::default();
    }
    // Three decimals of the exact binary value, half to even, as Go prints it.
    thousandths(value).map_or_else(
        || format!("{value:.3}").parse().unwrap_or_default(),
        Quantity::from_milli,
    )
}

/// What is not negative in thousandths, the exact binary value rounded half to even; `None` for what is so great that it
/// may not fit.
fn thousandths(value: f64) -> Option<i64> {
    if value >= 1e12 {
        return None;
    }
    // Less than half a thousandth. Of anything greater the last bit is worth 2^-63 at least.
    if value < 0.000_488_281_25 {
        return Some(0);
    }
    let whole = libm::trunc(value);
    let rest = u128::from(((value - whole) * TWO_63) as u64) * 1000;
    let (below, left) = ((rest >> 63) as i64, rest as u64 & (u64::MAX >> 1));
    let up = match left.cmp(&(1 << 62)) {
        Ordering::Less => false,
        Ordering::Equal => below % 2 == 1,
        Ordering::Greater => true,
    };
    Some(whole as i64 * 1000 + below + i64::from(up))
}

const TWO_63: f64 = 9_223_372_036_854_775_808.0;

/// As amd64 converts: what does not fit is the least number.
pub(super) fn truncate(value: f64) -> i64 {
    let fits = value >= i64::MIN as f64 && value < i64::MAX as f64;
    if fits { value as i64 } else { i64::MIN }
}

/// The name of a trigger's external metric; `None` for a resource (kedacore/keda 2.20
/// pkg/scalers/scaler.go `GenerateMetricNameWithIndex`, and each scaler's `GetMetricSpecForScaling`).
#[must_use]
pub fn metric_name(index: usize, trigger: &Trigger, profile: &Profile) -> Option<String> {
    let name = match &trigger.kind {
        TriggerKind::Resource { .. } => return None,
        TriggerKind::Prometheus(_) if profile.plain_metric_names => "prometheus".to_owned(),
        TriggerKind::Prometheus(metadata) => [
            "prometheus-",
            metadata.metric_name.as_deref().unwrap_or("prometheus"),
        ]
        .concat(),
        TriggerKind::Cron(metadata) => {
            let spell = |text: &str| {
                let spelt = text
                    .replace(' ', "")
                    .replace('*', "x")
                    .replace('/', "Sl")
                    .replace('?', "Qm");
                if profile.cron_name_spells_commas {
                    spelt.replace(',', "Cm")
                } else {
                    spelt
                }
            };
            format!(
                "cron-{}-{}-{}",
                metadata.timezone,
                spell(&metadata.start),
                spell(&metadata.end)
            )
        }
    };
    let mut metric = ["s", &index.to_string(), "-", &name].concat().into_bytes();
    for letter in &mut metric {
        if matches!(letter, b'/' | b'.' | b':' | b'%' | b'(' | b')') {
            *letter = b'-';
        }
    }
    Some(String::from_utf8(metric).expect("a letter in place of a letter"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trigger(ignore_null_values: bool) -> Prometheus {
        Prometheus {
            server_address: String::new(),
            query: String::new(),
            threshold: 10.0,
            activation_threshold: 1.0,
            ignore_null_values,
            metric_name: None,
            timeout: None,
        }
    }

    fn check(minor: u32, ignore: bool, values: &[f64], expected: Result<f64, Error>) {
        let answer = Answer::Vector(values.to_vec());
        let found = prometheus(&trigger(ignore), &answer, &Profile::of(minor));
        assert_eq!(found.map(|reading| reading.value), expected);
    }

    #[test]
    fn an_answer_is_one_finite_element_or_null() {
        check(20, true, &[2.5], Ok(2.5));
        check(20, true, &[], Ok(0.0));
        check(20, false, &[], Err(Error::Empty));
        check(20, true, &[1.0, 2.0], Err(Error::Multiple));
        check(20, true, &[f64::INFINITY], Ok(0.0));
        check(12, false, &[f64::NEG_INFINITY], Err(Error::NotFinite));
        check(20, true, &[f64::NAN], Ok(0.0));
        check(20, false, &[f64::NAN], Err(Error::NotFinite));
    }

    #[test]
    fn before_2_20_nan_goes_through_and_becomes_the_least_number() {
        let answer = Answer::Vector(vec![f64::NAN]);
        let reading = prometheus(&trigger(true), &answer, &Profile::of(19)).unwrap();
        assert!(!reading.active);
        assert_eq!(quantity(reading.value, &Profile::of(19)).milli(), i64::MIN);
    }

    #[test]
    fn thousandths_are_truncated_then_rounded() {
        let value = 6.749_999_999_999_999;
        assert_eq!(quantity(value, &Profile::of(19)).milli(), 6749);
        assert_eq!(quantity(value, &Profile::of(20)).milli(), 6750);
        assert_eq!(quantity(-1.0, &Profile::of(20)).milli(), 0);
        assert_eq!(quantity(-1.0, &Profile::of(19)).milli(), -1000);
        assert_eq!(quantity(0.0625, &Profile::of(20)).milli(), 62);
    }

    #[test]
    fn thousandths_are_what_is_printed() {
        let mut values = vec![
            0.0,
            0.0005,
            0.000_488,
            0.000_489,
            0.9995,
            999_999_999_999.999_9,
            1e12,
            1e300,
        ];
        // Halves of a thousandth that are exact in binary, their neighbours, and anything at all.
        values.extend((1..2000_u32).map(|eighth| f64::from(eighth) / 16.0));
        let (above, below): (Vec<f64>, Vec<f64>) =
            values.iter().map(|it| (it.next_up(), it.next_down())).unzip();
        let bits = (1..2000_u64).map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 2);
        let random = bits.map(f64::from_bits).filter(|it| (0.0..1e15).contains(it));
        values.extend(above);
        values.extend(below.into_iter().filter(|it| *it >= 0.0).chain(random));
        for value in values {
            let printed: Quantity = format!("{value:.3}").parse().unwrap_or_default();
            assert_eq!(quantity(value, &Profile::of(20)), printed, "{value:e}");
        }
    }

    #[test]
    fn activity_is_strict_and_on_the_unrounded_value() {
        let active = |value| {
            prometheus(&trigger(true), &Answer::Vector(vec![value]), &Profile::of(20))
                .unwrap()
                .active
        };
        assert!(!active(1.0));
        assert!(active(1.000_000_1));
    }

    #[test]
    fn names_lose_what_a_label_cannot_hold() {
        let cron = Trigger {
            name: None,
            use_cached_metrics: false,
            metric_type: Default::default(),
            kind: TriggerKind::Cron(Cron {
                timezone: "Europe/Berlin".to_owned(),
                start: "0 6 * * 1,2".to_owned(),
                end: "*/30 20 * * ?".to_owned(),
                desired_replicas: 3,
            }),
        };
        let name = |minor| metric_name(1, &cron, &Profile::of(minor)).unwrap();
        assert_eq!(name(20), "s1-cron-Europe-Berlin-06xx1Cm2-xSl3020xxQm");
        assert_eq!(name(19), "s1-cron-Europe-Berlin-06xx1,2-xSl3020xxQm");
        let prometheus = Trigger {
            kind: TriggerKind::Prometheus(Prometheus {
                metric_name: Some("http.rps".to_owned()),
                ..trigger(true)
            }),
            ..cron
        };
        assert_eq!(
            metric_name(0, &prometheus, &Profile::of(11)).unwrap(),
            "s0-prometheus-http-rps"
        );
        assert_eq!(
            metric_name(0, &prometheus, &Profile::of(12)).unwrap(),
            "s0-prometheus"
        );
    }

    #[test]
    fn a_cron_trigger_is_active_from_start_to_end() {
        let metadata = Cron {
            timezone: "UTC".to_owned(),
            start: "0 8 * * *".to_owned(),
            end: "0 18 * * *".to_owned(),
            desired_replicas: 5,
        };
        let value = |minor, hour: i64, second: i64| {
            cron(&metadata, hour * 3600 + second, &Profile::of(minor))
                .unwrap()
                .value
        };
        let at = |hour, second| value(20, hour, second);
        assert_eq!((value(17, 7, 0), value(17, 8, 0)), (1.0, 5.0));
        assert_eq!(
            (at(7, 3599), at(8, 0), at(17, 3599), at(18, 0)),
            (0.0, 5.0, 5.0, 0.0)
        );
    }
}
