//! The load of the past, as Prometheus kept it.

use sim::SortedMap;

use super::super::error::{Error, Result};
use super::super::prometheus::{Prometheus, series};

/// A load of the past.
#[derive(Debug, Clone, PartialEq)]
pub struct Load {
    /// When its second zero was, Unix seconds.
    pub began: f64,
    /// Seconds since then, and requests a second.
    pub readings: Vec<(f64, f64)>,
}

/// The load of the last so many seconds. `window` is that of the query's `rate`: what it says of a moment is the mean of
/// that long before it, and so is taken for the middle of that.
///
/// # Errors
///
/// When Prometheus has no answer, or nothing.
pub async fn load(
    prometheus: &Prometheus,
    query: &str,
    now: f64,
    seconds: f64,
    step: f64,
    window: f64,
) -> Result<Load> {
    let start = now - seconds;
    let data = prometheus.query_range(query, start, now, step).await?;
    let mut sums = SortedMap::<i64, f64>::new();
    for series in series(&data) {
        for (at, value) in series.points {
            if value.is_finite() {
                let row = ((at - start) / step).round();
                *sums.entry(row as i64).or_default() += value.max(0.0);
            }
        }
    }
    let Some((&first, _)) = sums.first_key_value() else {
        return Err(Error::Input(format!("Prometheus has nothing for {query}")));
    };
    Ok(Load {
        began: start + first as f64 * step - window / 2.0,
        readings: sums
            .into_iter()
            .map(|(row, rate)| ((row - first) as f64 * step, rate))
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::super::prometheus::Place;
    use super::super::super::testing::{Fake, block_on};
    use super::*;

    #[test]
    fn a_load_begins_with_its_first_reading_in_the_middle_of_its_window() {
        let values = json!([[1040.0, "2"], [1050.0, "NaN"], [1060.0, "4"]]);
        let fake = Fake::new(move |_| {
            let result =
                json!([{ "metric": {}, "values": values }, { "metric": {}, "values": [[1060.0, "1"]] }]);
            (
                200,
                json!({ "status": "success", "data": { "resultType": "matrix", "result": result } }),
            )
        });
        let place = Place::Service {
            namespace: "m".to_owned(),
            name: "p".to_owned(),
            port: 80,
        };
        let prometheus = Prometheus::new(&place, &fake.client()).unwrap();
        let found = block_on(load(&prometheus, "q", 1100.0, 100.0, 10.0, 30.0)).unwrap();
        assert_eq!(
            found,
            Load {
                began: 1025.0,
                readings: vec![(0.0, 2.0), (20.0, 5.0)]
            }
        );
    }
}
