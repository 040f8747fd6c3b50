//! What is asked again and again: Prometheus for the dashboard's curves, KEDA for what its triggers say.
//!
//! An answer is written as it was given, an error as an error, and a stretch without answers is a gap. When a
//! recording ends, one range query over all of it fetches what could not be asked for in between: Prometheus
//! went on scraping while we were not heard.

use std::time::Duration;

use futures::TryFutureExt as _;
use futures::future::join_all;
use http::Request;
use kube::Client;
use serde_json::Value;
use sim::SortedMap;

use super::error::{explain, in_time};
use super::prometheus::{Prometheus, series};
use super::recorder::Recorder;
use crate::recording::{Entry, Sample, Series};

/// Who answered.
const PROMETHEUS: &str = "prometheus";
const KEDA: &str = "keda";
/// What is not answered within this is not heard: KEDA's adapter waits for an operator that is not there, and so would
/// we, without a word of it.
const ANSWER: Duration = Duration::from_secs(5);
/// Prometheus refuses a range query with more points in a series than 11,000.
const MOST_POINTS: f64 = 10_000.0;

/// Asks Prometheus all queries, every `period`. Ends only by being dropped.
pub(super) async fn poll_prometheus(
    prometheus: Prometheus,
    queries: Vec<(String, String)>,
    period: Duration,
    recorder: Recorder,
) {
    let mut ticks = tokio::time::interval(period);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut gap = Silence::new(PROMETHEUS, recorder.clone());
    loop {
        ticks.tick().await;
        let ask = |(name, query): &(String, String)| {
            let (name, query, prometheus) = (name.clone(), query.clone(), prometheus.clone());
            async move {
                let ask = prometheus.query(&query).map_err(|error| error.to_string());
                let answer = in_time(ANSWER, ask).await;
                (name, query, answer)
            }
        };
        let answers = join_all(queries.iter().map(ask)).await;
        let failed = answers
            .iter()
            .find_map(|(_, _, answer)| answer.as_ref().err().cloned());
        gap.step(failed.as_deref());
        for (name, query, answer) in answers {
            recorder.hear(Entry::Sample(sample(&recorder, PROMETHEUS, name, query, answer)));
        }
    }
}

/// Fetches all of the recording's time, in one answer for each query.
pub(super) async fn fetch_all(
    prometheus: &Prometheus,
    queries: &[(String, String)],
    period: Duration,
    recorder: &Recorder,
) {
    let end = recorder.now();
    let step = period.as_secs_f64().max(end / MOST_POINTS).max(1.0);
    for (name, query) in queries {
        let answer = prometheus
            .query_range(query, recorder.unix(0.0), recorder.unix(end), step)
            .await
            .map_err(|error| error.to_string());
        let sample = sample(recorder, PROMETHEUS, name.clone(), query.clone(), answer);
        recorder.hear(Entry::Sample(sample));
    }
}

fn sample(
    recorder: &Recorder,
    source: &str,
    name: String,
    query: String,
    answer: Result<Value, String>,
) -> Sample {
    let point = |&(unix, value): &(f64, f64)| {
        let at = (recorder.at(unix) * 1000.0).round() / 1000.0;
        (at, value.is_finite().then_some(value))
    };
    let (data, error) = match answer {
        Ok(data) => (data, None),
        Err(error) => (Value::Null, Some(error)),
    };
    let series = series(&data)
        .into_iter()
        .map(|series| Series {
            labels: series.labels,
            points: series.points.iter().map(point).collect(),
        })
        .collect();
    Sample {
        source: source.to_owned(),
        name,
        query,
        series,
        error,
    }
}

/// Asks KEDA for what each trigger says, every `period`: the same question that the HPA controller asks, of
/// the external metrics API. Which there are, the HPAs tell. Ends only by being dropped.
pub(super) async fn poll_triggers(client: Client, period: Duration, recorder: Recorder) {
    let mut ticks = tokio::time::interval(period);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut gap = Silence::new(KEDA, recorder.clone());
    loop {
        ticks.tick().await;
        let mut failed = None;
        let triggers = recorder.with_state(|state| state.triggers().cloned().collect::<Vec<Trigger>>());
        for trigger in triggers {
            let ask = ask(&client, &trigger).map_err(|error| explain(&error));
            let (value, error) = match in_time(ANSWER, ask).await {
                Ok(value) => (value, None),
                Err(error) => (None, Some(error)),
            };
            failed = failed.or_else(|| error.clone());
            let point = value.map(|value| (recorder.now(), Some(value)));
            let labels = [
                (
                    "scaledObject",
                    format!("{}/{}", trigger.namespace, trigger.scaled_object),
                ),
                ("metric", trigger.metric),
            ];
            recorder.hear(Entry::Sample(Sample {
                source: KEDA.to_owned(),
                name: "trigger".to_owned(),
                query: String::new(),
                series: vec![Series {
                    labels: labels.map(|(name, value)| (name.to_owned(), value)).into(),
                    points: point.into_iter().collect(),
                }],
                error,
            }));
        }
        gap.step(failed.as_deref());
    }
}

/// An external metric of an HPA that KEDA serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trigger {
    /// metadata.namespace of the HPA.
    pub(super) namespace: String,
    /// The label that KEDA selects by.
    pub(super) scaled_object: String,
    /// The metric: `s0-prometheus`.
    pub(super) metric: String,
}

/// KEDA's label on the metrics of a ScaledObject.
const SELECTOR: &str = "scaledobject.keda.sh/name";

impl Trigger {
    /// The triggers of an HPA.
    pub(super) fn all_of(hpa: &Value) -> Vec<Self> {
        let namespace = hpa["metadata"]["namespace"].as_str().unwrap_or("");
        let external = |metric: &Value| {
            let metric = &metric["external"]["metric"];
            Some(Trigger {
                namespace: namespace.to_owned(),
                scaled_object: metric["selector"]["matchLabels"][SELECTOR].as_str()?.to_owned(),
                metric: metric["name"].as_str()?.to_owned(),
            })
        };
        let metrics = hpa["spec"]["metrics"].as_array();
        metrics.into_iter().flatten().filter_map(external).collect()
    }
}

async fn ask(client: &Client, trigger: &Trigger) -> Result<Option<f64>, kube::Error> {
    let selector = format!("{SELECTOR}={}", trigger.scaled_object);
    let arguments = form_urlencoded::Serializer::new(String::new())
        .append_pair("labelSelector", &selector)
        .finish();
    let uri = format!(
        "/apis/external.metrics.k8s.io/v1beta1/namespaces/{}/{}?{arguments}",
        trigger.namespace, trigger.metric
    );
    let request = Request::get(uri)
        .body(Vec::new())
        .map_err(kube::Error::HttpError)?;
    let list: Value = client.request(request).await?;
    let values = list["items"].as_array().into_iter().flatten();
    let values: Vec<f64> = values
        .filter_map(|item| quantity(item["value"].as_str()?))
        .collect();
    Ok((!values.is_empty()).then(|| values.iter().sum()))
}

/// A quantity as the metrics APIs write it: `37500m`, `12`, `3k`.
fn quantity(text: &str) -> Option<f64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match &text[digits.len()..] {
        "" => 1.0,
        "n" => 1e-9,
        "u" => 1e-6,
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        _ => return None,
    };
    Some(digits.parse::<f64>().ok()? * factor)
}

/// A source that answers or does not.
pub(super) struct Silence {
    source: &'static str,
    recorder: Recorder,
    last_ok: f64,
    open: Option<(f64, String)>,
}

impl Silence {
    pub(super) fn new(source: &'static str, recorder: Recorder) -> Self {
        Silence {
            source,
            last_ok: recorder.now(),
            recorder,
            open: None,
        }
    }

    /// An answer, or why there was none.
    pub(super) fn step(&mut self, failed: Option<&str>) {
        match (failed, self.open.take()) {
            (None, None) => {}
            (None, Some((from, reason))) => self.recorder.hear_gap(self.source, from, true, &reason),
            (Some(_), Some(open)) => self.open = Some(open),
            (Some(reason), None) => {
                self.recorder.hear_gap(self.source, self.last_ok, false, reason);
                self.open = Some((self.last_ok, reason.to_owned()));
            }
        }
        if failed.is_none() {
            self.last_ok = self.recorder.now();
        }
    }
}

/// The triggers of all HPAs, by the UID of each.
pub(super) type Triggers = SortedMap<String, Vec<Trigger>>;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_hpa_tells_its_triggers() {
        let hpa = json!({ "metadata": { "namespace": "web" }, "spec": { "metrics": [
            { "type": "External", "external": { "metric": { "name": "s0-prometheus",
              "selector": { "matchLabels": { "scaledobject.keda.sh/name": "web" } } } } },
            { "type": "Resource", "resource": { "name": "cpu" } },
        ] } });
        let trigger = Trigger {
            namespace: "web".to_owned(),
            scaled_object: "web".to_owned(),
            metric: "s0-prometheus".to_owned(),
        };
        assert_eq!(Trigger::all_of(&hpa), [trigger]);
    }

    #[test]
    fn quantities_of_the_metrics_apis() {
        let texts = ["37500m", "12", "3k", "1e3", "x", "1Ki"];
        let read: Vec<Option<f64>> = texts.iter().map(|text| quantity(text)).collect();
        assert_eq!(
            read,
            [Some(37.5), Some(12.0), Some(3000.0), Some(1000.0), None, None]
        );
    }
}
