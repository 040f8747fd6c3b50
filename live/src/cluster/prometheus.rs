//! A Prometheus server, by its URL or through the API server's service proxy.
//!
//! The proxy needs no way into the cluster's network and no port-forward: the request goes to the API server
//! as `GET …/services/NAME:PORT/proxy/api/v1/query`, with the permission `get services/proxy`.

use std::fmt;
use std::time::Duration;

use futures::TryFutureExt as _;
use http::{Request, Uri};
use kube::client::Body;
use kube::{Client, Config};
use serde::Deserialize;
use serde_json::Value;
use sim::SortedMap;

use super::error::{Error, Result, explain, in_time};
use super::permission::Permission;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The port of a Service that was named without one: the chart's Service listens there.
const SERVICE_PORT: u16 = 80;

/// Where a Prometheus is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// `http://…`: asked directly.
    Url(String),
    /// A Service of the cluster: asked through the API server.
    Service {
        /// metadata.namespace
        namespace: String,
        /// metadata.name
        name: String,
        /// spec.ports[].port
        port: u16,
    },
}

impl Place {
    /// Reads a URL, or `NAMESPACE/SERVICE` with `:PORT` if it is not 80.
    ///
    /// # Errors
    ///
    /// When it is neither; the message says what was expected.
    pub fn parse(text: &str) -> Result<Self> {
        if text.starts_with("http://") || text.starts_with("https://") {
            return match text.parse::<Uri>() {
                Ok(uri) if uri.host().is_some() => Ok(Place::Url(text.trim_end_matches('/').to_owned())),
                _ => Err(Error::Input(format!("expected a URL, found {text:?}"))),
            };
        }
        let service = || {
            let (namespace, rest) = text.split_once('/')?;
            let (name, port) = match rest.split_once(':') {
                Some((name, port)) => (name, port.parse().ok()?),
                None => (rest, SERVICE_PORT),
            };
            (is_name(namespace) && is_name(name)).then(|| Place::Service {
                namespace: namespace.to_owned(),
                name: name.to_owned(),
                port,
            })
        };
        service().ok_or_else(|| {
            Error::Input(format!(
                "expected the URL of a Prometheus or NAMESPACE/SERVICE:PORT, found {text:?}"
            ))
        })
    }

    /// The place that a trigger's `serverAddress` names: a host such as `prometheus-server.prometheus.svc` is
    /// known inside the cluster only, and reached through the API server.
    #[must_use]
    pub fn of_server_address(address: &str) -> Option<Self> {
        let uri: Uri = address.parse().ok()?;
        let host = uri.host()?;
        let (parts, tail): (Vec<&str>, _) = match host.find(".svc") {
            Some(at) => (host[..at].split('.').collect(), &host[at..]),
            None => (host.split('.').collect(), ""),
        };
        let inside = matches!(tail, ".svc" | ".svc.cluster.local") && uri.path().trim_matches('/').is_empty();
        match parts[..] {
            [name, namespace] if inside => Some(Place::Service {
                namespace: namespace.to_owned(),
                name: name.to_owned(),
                port: uri.port_u16().unwrap_or(SERVICE_PORT),
            }),
            _ => Place::parse(address).ok(),
        }
    }

    /// What is needed to ask there.
    #[must_use]
    pub fn permission(&self) -> Option<Permission> {
        match self {
            Place::Url(_) => None,
            Place::Service { namespace, .. } => {
                Some(Permission::everywhere("get", "", "services/proxy").within(namespace))
            }
        }
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'.')
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Url(url) => f.write_str(url),
            Place::Service {
                namespace,
                name,
                port,
            } => write!(f, "{namespace}/{name}:{port} through the API server"),
        }
    }
}

/// A series of one answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Its labels.
    pub labels: SortedMap<String, String>,
    /// Unix seconds and values.
    pub points: Vec<(f64, f64)>,
}

/// A Prometheus server.
#[derive(Clone)]
pub struct Prometheus {
    client: Client,
    prefix: String,
}

impl Prometheus {
    /// A client. No request is sent. `cluster` is the way to a Service.
    ///
    /// # Errors
    ///
    /// When the URL's scheme cannot be used.
    pub fn new(place: &Place, cluster: &Client) -> Result<Self> {
        match place {
            Place::Service {
                namespace,
                name,
                port,
            } => Ok(Prometheus {
                client: cluster.clone(),
                prefix: format!("/api/v1/namespaces/{namespace}/services/{name}:{port}/proxy"),
            }),
            Place::Url(url) => {
                let uri: Uri = url
                    .parse()
                    .map_err(|error| Error::Input(format!("{url}: {error}")))?;
                let path = uri.path().trim_end_matches('/').to_owned();
                let mut config = Config::new(uri);
                config.connect_timeout = Some(PATIENCE);
                config.read_timeout = Some(PATIENCE);
                config.default_retry = false;
                // The path is part of each request, not of the base.
                let mut parts = config.cluster_url.clone().into_parts();
                parts.path_and_query = Some("/".parse().expect("a path"));
                config.cluster_url =
                    Uri::from_parts(parts).map_err(|error| Error::Input(format!("{url}: {error}")))?;
                let client =
                    Client::try_from(config).map_err(|error| Error::request(format!("use {url}"), &error))?;
                Ok(Prometheus { client, prefix: path })
            }
        }
    }

    /// Its release: `2.48.1`; none if its build was not told.
    ///
    /// # Errors
    ///
    /// When it does not answer, or is no Prometheus.
    pub async fn version(&self) -> Result<Option<String>> {
        let data = self.get("status/buildinfo", &[]).await?;
        let version = data["version"]
            .as_str()
            .ok_or_else(|| Error::Input("the Prometheus does not tell its version".to_owned()))?;
        // Built by other means than its makefile it knows none.
        Ok(Some(version.to_owned()).filter(|version| !version.is_empty()))
    }

    /// The data of an instant query, as it was sent.
    ///
    /// # Errors
    ///
    /// When there is no answer, or an error.
    pub async fn query(&self, query: &str) -> Result<Value> {
        self.get("query", &[("query", query.to_owned())]).await
    }

    /// The data of a range query, as it was sent; times are Unix seconds.
    ///
    /// # Errors
    ///
    /// When there is no answer, or an error.
    pub async fn query_range(&self, query: &str, start: f64, end: f64, step: f64) -> Result<Value> {
        self.get(
            "query_range",
            &[
                ("query", query.to_owned()),
                ("start", format!("{start:.3}")),
                ("end", format!("{end:.3}")),
                ("step", format!("{step}")),
            ],
        )
        .await
    }

    /// How often it scrapes: the interval and the time-out of most of its targets, as it writes them (`15s`).
    ///
    /// # Errors
    ///
    /// When there is no answer, or no target.
    pub async fn scraping(&self) -> Result<(String, String)> {
        let data = self.get("targets", &[("state", "active".to_owned())]).await?;
        let mut counts = SortedMap::<(String, String), usize>::new();
        for target in data["activeTargets"].as_array().into_iter().flatten() {
            if let (Some(interval), Some(timeout)) = (
                target["scrapeInterval"].as_str(),
                target["scrapeTimeout"].as_str(),
            ) {
                *counts
                    .entry((interval.to_owned(), timeout.to_owned()))
                    .or_default() += 1;
            }
        }
        counts
            .into_iter()
            .max_by_key(|(_, count)| *count)
            .map(|(times, _)| times)
            .ok_or_else(|| Error::Input("the Prometheus has no target".to_owned()))
    }

    async fn get(&self, endpoint: &str, arguments: &[(&str, String)]) -> Result<Value> {
        let what = || format!("ask Prometheus for {endpoint}");
        let fail = |why: String| Error::Request { what: what(), why };
        let encoded = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(arguments)
            .finish();
        let uri = format!("{}/api/v1/{endpoint}?{encoded}", self.prefix);
        let request = Request::get(uri)
            .body(Body::empty())
            .map_err(|error| fail(error.to_string()))?;
        let exchange = async {
            let response = self.client.send(request).await?;
            let status = response.status();
            Ok((status, response.into_body().collect_bytes().await?))
        };
        let exchange = exchange.map_err(|error: kube::Error| explain(&error));
        let (status, bytes) = in_time(PATIENCE, exchange).await.map_err(fail)?;
        #[derive(Deserialize)]
        struct Answer {
            status: String,
            #[serde(default)]
            data: Value,
            #[serde(default)]
            error: String,
            #[serde(default)]
            message: String,
        }
        match serde_json::from_slice::<Answer>(&bytes) {
            Ok(answer) if answer.status == "success" => Ok(answer.data),
            Ok(answer) if !answer.error.is_empty() => Err(fail(answer.error)),
            // The API server's own refusal, when it was asked to pass the question on.
            Ok(answer) => Err(fail(format!("{status}: {}", answer.message))),
            Err(_) => Err(fail(format!("{status}, and no JSON: is this a Prometheus?"))),
        }
    }
}

/// The series of an answer: of a vector each has one point, of a scalar there is one without labels.
#[must_use]
pub fn series(data: &Value) -> Vec<Series> {
    let point = |pair: &Value| {
        let at = pair.get(0)?.as_f64()?;
        let value = match pair.get(1)?.as_str()? {
            "+Inf" => f64::INFINITY,
            "-Inf" => f64::NEG_INFINITY,
            text => text.parse().ok()?,
        };
        Some((at, value))
    };
    let one = |item: &Value| {
        let labels = item["metric"].as_object().into_iter().flatten();
        let points = match item.get("values").and_then(Value::as_array) {
            Some(values) => values.iter().filter_map(point).collect(),
            None => point(&item["value"]).into_iter().collect(),
        };
        Series {
            labels: labels
                .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
                .collect(),
            points,
        }
    };
    match data["resultType"].as_str() {
        Some("vector" | "matrix") => data["result"].as_array().into_iter().flatten().map(one).collect(),
        Some("scalar") => vec![Series {
            labels: SortedMap::new(),
            points: point(&data["result"]).into_iter().collect(),
        }],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{Fake, block_on};
    use super::*;

    fn service(namespace: &str, name: &str, port: u16) -> Place {
        Place::Service {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            port,
        }
    }

    #[test]
    fn places_are_urls_or_services() {
        let parse = |text| Place::parse(text).map_err(|error| error.to_string());
        assert_eq!(
            parse("http://127.0.0.1:9090/"),
            Ok(Place::Url("http://127.0.0.1:9090".to_owned()))
        );
        assert_eq!(
            parse("monitoring/prom:9090"),
            Ok(service("monitoring", "prom", 9090))
        );
        assert_eq!(parse("monitoring/prom"), Ok(service("monitoring", "prom", 80)));
        assert_eq!(
            parse("prom:9090"),
            Err("expected the URL of a Prometheus or NAMESPACE/SERVICE:PORT, found \"prom:9090\"".to_owned())
        );
        assert!(parse("a/b:x").is_err() && parse("http://").is_err());
    }

    #[test]
    fn an_address_inside_the_cluster_is_a_service() {
        let of = Place::of_server_address;
        assert_eq!(
            of("http://prometheus-server.prometheus.svc.cluster.local:80"),
            Some(service("prometheus", "prometheus-server", 80))
        );
        assert_eq!(of("http://p.m.svc:9090/"), Some(service("m", "p", 9090)));
        assert_eq!(
            of("http://127.0.0.1:9090"),
            Some(Place::Url("http://127.0.0.1:9090".to_owned()))
        );
        // Behind a path, or on a name that only looks like one, it is asked as written.
        assert!(matches!(of("http://p.m.svc/prefix"), Some(Place::Url(_))));
        assert!(matches!(of("http://a.b.svcs.example"), Some(Place::Url(_))));
    }

    #[test]
    fn questions_go_through_the_proxy_and_errors_are_told() {
        let fake = Fake::new(|request| match request.path.as_str() {
            "/api/v1/namespaces/m/services/p:9090/proxy/api/v1/query" => (
                200,
                json!({ "status": "success", "data": { "resultType": "vector", "result": [
                    { "metric": { "pod": "a" }, "value": [10.5, "3"] } ] } }),
            ),
            _ => (
                400,
                json!({ "status": "error", "errorType": "bad_data", "error": "parse error" }),
            ),
        });
        let prometheus = Prometheus::new(&service("m", "p", 9090), &fake.client()).unwrap();
        let data = block_on(prometheus.query("sum(a{b=\"c\"}) + 1")).unwrap();
        let labels = SortedMap::from([("pod".to_owned(), "a".to_owned())]);
        let points = vec![(10.5, 3.0)];
        assert_eq!(series(&data), [Series { labels, points }]);
        assert_eq!(
            fake.requests()[0].query,
            "query=sum%28a%7Bb%3D%22c%22%7D%29+%2B+1"
        );
        let error = block_on(prometheus.query_range("x", 0.0, 10.0, 5.0)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot ask Prometheus for query_range: parse error"
        );
    }

    #[test]
    fn most_targets_tell_how_often_it_scrapes() {
        let target = |interval: &str| json!({ "scrapeInterval": interval, "scrapeTimeout": "2s" });
        let targets = json!([target("5s"), target("1m"), target("5s")]);
        let fake = Fake::new(move |_| {
            (
                200,
                json!({ "status": "success", "data": { "activeTargets": targets } }),
            )
        });
        let prometheus = Prometheus::new(&service("m", "p", 80), &fake.client()).unwrap();
        let scraping = block_on(prometheus.scraping()).unwrap();
        assert_eq!(scraping, ("5s".to_owned(), "2s".to_owned()));
    }

    #[test]
    fn an_answer_that_is_no_prometheus_is_named() {
        let fake = Fake::new(|_| (200, json!("<html>")));
        let prometheus = Prometheus::new(&service("m", "p", 80), &fake.client()).unwrap();
        assert_eq!(
            block_on(prometheus.version()).unwrap_err().to_string(),
            "cannot ask Prometheus for status/buildinfo: 200 OK, and no JSON: is this a Prometheus?"
        );
    }
}
