//! Values that several fields share.

use std::time::Duration;

use jiff::civil::Time;
use sim::Instant;

use super::super::ObjectName;
use crate::distribution::Distribution;
use crate::document::{Cursor, Scalar, Shape};

/// What reads a field of a scenario, besides what every cursor reads.
pub(super) trait Values {
    /// A distribution of non-negative numbers.
    fn distribution(&self) -> Option<Distribution>;
    /// `namespace/name`, or a name in the namespace default.
    fn object(&self) -> Option<ObjectName>;
    /// A time of day, or a duration since time zero.
    fn instant(&self, epoch: jiff::Timestamp) -> Option<Instant>;
    /// A number of bytes such as 80M.
    fn bytes(&self) -> Option<u64>;
}

/// Nothing in a run is longer, bigger or more than this, in whatever unit.
const MOST: f64 = 1e9;

impl Values for Cursor<'_> {
    fn distribution(&self) -> Option<Distribution> {
        match &self.value()?.shape {
            Shape::Map(_) => distribution_of(self),
            Shape::Scalar(Scalar::Text, _) => Some(Distribution::Constant(self.duration()?.as_secs_f64())),
            _ => self.number(0.0..=MOST).map(Distribution::Constant),
        }
    }

    fn object(&self) -> Option<ObjectName> {
        let text = self.name()?;
        let (namespace, name) = text.split_once('/').unwrap_or(("default", text));
        if namespace.is_empty() || name.is_empty() || name.contains('/') {
            self.error("E003", format!("expected namespace/name, found {text:?}"), "");
            return None;
        }
        Some(ObjectName {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        })
    }

    fn instant(&self, epoch: jiff::Timestamp) -> Option<Instant> {
        let text = self.text()?;
        if let Some(since) = crate::document::go_duration(text) {
            return Some(Instant::ZERO + since);
        }
        let Ok(time) = text.parse::<Time>() else {
            let hint = "a time of day such as 13:47:50, or a duration since time zero such as 12m30s";
            self.error("E003", format!("expected a time, found {text:?}"), hint);
            return None;
        };
        let seconds =
            i64::from(time.hour()) * 3600 + i64::from(time.minute()) * 60 + i64::from(time.second());
        // A time of day before time zero is meant for the next day.
        let after = (seconds - epoch.as_second()).rem_euclid(86_400);
        Some(Instant::ZERO + Duration::from_secs(after.unsigned_abs()))
    }

    fn bytes(&self) -> Option<u64> {
        self.quantity()
            .and_then(|quantity| u64::try_from(quantity.whole()).ok())
    }
}

fn distribution_of(at: &Cursor<'_>) -> Option<Distribution> {
    const KEYS: [&str; 6] = ["min", "max", "median", "sigma", "mean", "sd"];
    let mut keys: Vec<&str> = Vec::new();
    for (key, value) in at.entries() {
        match KEYS.iter().position(|known| *known == key) {
            Some(place) => keys.push(KEYS[place]),
            None => {
                let hint = crate::document::closest(key, KEYS).map(|near| format!("did you mean {near:?}?"));
                value.error(
                    "E002",
                    format!("unknown field {key:?}"),
                    &hint.unwrap_or_default(),
                );
            }
        }
    }
    keys.sort_unstable();
    let number = |key: &str, most: f64| at.get(key).number(0.0..=most);
    match *keys {
        ["max", "min"] => {
            let (min, max) = (number("min", MOST)?, number("max", MOST)?);
            if min > max {
                at.error("E004", format!("min {min} is above max {max}"), "");
                return None;
            }
            Some(Distribution::Uniform { min, max })
        }
        ["median", "sigma"] => Some(Distribution::LogNormal {
            median: number("median", MOST)?,
            sigma: number("sigma", 5.0)?,
        }),
        ["mean", "sd"] => Some(Distribution::Normal {
            mean: number("mean", MOST)?,
            sd: number("sd", MOST)?,
        }),
        ["mean"] => Some(Distribution::Exponential {
            mean: number("mean", MOST)?,
        }),
        _ => {
            let hint = "{ min, max }, { median, sigma }, { mean, sd } or { mean }";
            at.error("E003", "expected a distribution", hint);
            None
        }
    }
}
