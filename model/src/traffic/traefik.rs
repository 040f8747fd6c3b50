//! What a Traefik process counts, and how its releases differ.
//!
//! Service metrics wrap each server's handler inside the balancer: a request that never reached a server
//! (404 without a route, 503 with an empty pool) shows in the entry point's metrics only. A request is
//! counted once, when its response is finished, with its final status and its whole wall time; requests in
//! flight are invisible but for a gauge. Labelled series do not exist before their first request, and then
//! appear with what has accumulated (traefik 2.10 pkg/middlewares/metrics/metrics.go,
//! pkg/metrics/prometheus.go `newCounterFrom`).
//!
//! Left out: retries (off unless a middleware asks for them), request and response bytes, router metrics
//! (off by default), TLS, the metrics entry point's own requests.

use std::sync::Arc;

use super::Sample;
use super::config::Traefik;
use crate::release::Release;

/// The differences between releases that show here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Profile {
    /// Open connections are a gauge per service and per entry point; from 3.0 on there is only
    /// `traefik_open_connections` (traefik 3.0 pkg/metrics/prometheus.go).
    pub open_connections_per_service: bool,
    /// Terminating endpoints that still serve stay in the configuration but get no new requests; before 3.3
    /// they leave it at once (traefik 3.3 pkg/provider/kubernetes/ingress/kubernetes.go `loadService`).
    pub fences_terminating: bool,
}

impl Profile {
    /// What a release does.
    #[must_use]
    pub fn of(version: Release) -> Self {
        Profile {
            open_connections_per_service: !version.since(3, 0),
            fences_terminating: version.since(3, 3),
        }
    }
}

/// The names of all metrics that a release can expose.
pub fn metrics(version: Release) -> impl Iterator<Item = &'static str> {
    let of = |names: &Names| [names.requests, names.bucket, names.sum, names.count];
    let open: &[&str] = match Profile::of(version).open_connections_per_service {
        true => &[ENTRY_POINT_OPEN, SERVICE_OPEN],
        false => &[OPEN],
    };
    let requests = [&ENTRY_POINT, &SERVICE].into_iter().flat_map(of);
    requests.chain([RELOADS]).chain(open.iter().copied())
}

/// How a request ended, as an HTTP status (traefik 2.10 pkg/server/service/proxy.go).
pub(super) type Code = u16;

/// Answered by the service.
pub(super) const OK: Code = 200;
/// No route: the service is not in the configuration.
pub(super) const NO_ROUTE: Code = 404;
/// The client went away first.
pub(super) const CLIENT_CLOSED: Code = 499;
/// The connection failed or ended early.
pub(super) const BAD_GATEWAY: Code = 502;
/// An empty pool.
pub(super) const UNAVAILABLE: Code = 503;
/// The service took too long.
pub(super) const GATEWAY_TIMEOUT: Code = 504;

/// The counter and duration histogram of one status code.
#[derive(Debug, Clone, Default)]
struct Tally {
    requests: f64,
    /// Seconds.
    sum: f64,
    /// Requests within each configured bound, cumulative.
    within: Vec<f64>,
}

/// The tallies of one family, by code. There are few codes: a list does.
#[derive(Debug, Clone, Default)]
struct Family(Vec<(Code, Tally)>);

impl Family {
    fn of(&mut self, code: Code, bounds: usize) -> &mut Tally {
        let place = self.0.binary_search_by_key(&code, |&(known, _)| known);
        let place = place.unwrap_or_else(|free| {
            let empty = Tally {
                within: vec![0.0; bounds],
                ..Tally::default()
            };
            self.0.insert(free, (code, empty));
            free
        });
        &mut self.0[place].1
    }
}

/// The metrics of one process.
#[derive(Debug, Clone, Default)]
pub(super) struct Counters {
    service: Family,
    entry_point: Family,
    /// Requests that have come in and not gone out.
    pub(super) open: f64,
    /// Those of them that a server has.
    pub(super) open_at_servers: f64,
    /// The service has left the configuration: its series go at the scrape after next sight.
    pub(super) service_absent: bool,
    /// Configurations applied.
    pub(super) reloads: f64,
    /// The label sets of what was exposed.
    known: Vec<(Shown, Arc<[Label]>)>,
}

type Label = (&'static str, String);

/// What a series' labels say.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Shown {
    /// `entrypoint` or `service`.
    kind: &'static str,
    code: Option<Code>,
    /// Of a bucket.
    bound: Option<f64>,
}

impl Shown {
    fn labels(self, name: &str, config: &Traefik) -> Arc<[Label]> {
        let mut labels = vec![(self.kind, name.to_owned())];
        labels.extend(self.code.map(|code| ("code", code.to_string())));
        let bound = |bound: f64| match bound {
            f64::INFINITY => "+Inf".to_owned(),
            bound => bound.to_string(),
        };
        labels.extend(self.bound.map(|own| ("le", bound(own))));
        labels.push(("method", config.method.clone()));
        labels.push(("protocol", "http".to_owned()));
        labels.sort_unstable_by_key(|&(name, _)| name);
        labels.into()
    }
}

impl Counters {
    /// Counts one finished request. `seconds` is its whole wall time here.
    pub(super) fn count(&mut self, config: &Traefik, code: Code, at_server: bool, seconds: f64) {
        let families = [
            Some(&mut self.entry_point),
            at_server.then_some(&mut self.service),
        ];
        for family in families.into_iter().flatten() {
            let tally = family.of(code, config.buckets.len());
            tally.requests += 1.0;
            tally.sum += seconds;
            if tally.within.is_empty() {
                continue;
            }
            for (within, &bound) in tally.within.iter_mut().zip(&config.buckets) {
                if seconds <= bound {
                    *within += 1.0;
                }
            }
        }
    }

    /// Counts many finished requests, or parts of one, that took `seconds` on average. `shares` are those within each
    /// bound of the histograms; without them all took the same.
    pub(super) fn count_many(
        &mut self,
        config: &Traefik,
        code: Code,
        at_server: bool,
        requests: f64,
        seconds: f64,
        shares: Option<&[f64]>,
    ) {
        let families = [
            Some(&mut self.entry_point),
            at_server.then_some(&mut self.service),
        ];
        for family in families.into_iter().flatten() {
            let tally = family.of(code, config.buckets.len());
            tally.requests += requests;
            tally.sum += requests * seconds;
            if !config.durations {
                continue;
            }
            for (place, (within, &bound)) in tally.within.iter_mut().zip(&config.buckets).enumerate() {
                let share = shares.map_or_else(|| f64::from(seconds <= bound), |shares| shares[place]);
                *within += requests * share;
            }
        }
    }

    /// The answer to a scrape. A service that has left the configuration is shown once more and then
    /// forgotten (traefik 2.10 pkg/metrics/prometheus.go `SetDynamicConfig`, `Collect`).
    pub(super) fn expose(&mut self, config: &Traefik, durations: bool) -> Vec<Sample> {
        let mut samples = Vec::new();
        let known = &mut self.known;
        let mut labels = |kind: &'static str, name: &str, code: Option<Code>, bound: Option<f64>| {
            let shown = Shown { kind, code, bound };
            if let Some((_, labels)) = known.iter().find(|(other, _)| *other == shown) {
                return labels.clone();
            }
            let labels = shown.labels(name, config);
            known.push((shown, labels.clone()));
            labels
        };
        let mut sample = |name, labels, value| samples.push(Sample { name, labels, value });
        sample(RELOADS, Arc::default(), self.reloads);
        let families = [
            (&self.entry_point, "entrypoint", &config.entry_point, &ENTRY_POINT),
            (&self.service, "service", &config.service, &SERVICE),
        ];
        for (family, kind, name, names) in families {
            for (code, tally) in &family.0 {
                // Flow counts parts of requests; a series is born of a whole one.
                if tally.requests < 1.0 {
                    continue;
                }
                let code = Some(*code);
                sample(names.requests, labels(kind, name, code, None), tally.requests);
                if !durations {
                    continue;
                }
                for (&bound, &within) in config.buckets.iter().zip(&tally.within) {
                    sample(names.bucket, labels(kind, name, code, Some(bound)), within);
                }
                let all = labels(kind, name, code, Some(f64::INFINITY));
                sample(names.bucket, all, tally.requests);
                sample(names.sum, labels(kind, name, code, None), tally.sum);
                sample(names.count, labels(kind, name, code, None), tally.requests);
            }
        }
        if Profile::of(config.version).open_connections_per_service {
            let entry = labels("entrypoint", &config.entry_point, None, None);
            sample(ENTRY_POINT_OPEN, entry, self.open);
            if self.service.0.iter().any(|(_, tally)| tally.requests >= 1.0) || self.open_at_servers >= 1.0 {
                let service = labels("service", &config.service, None, None);
                sample(SERVICE_OPEN, service, self.open_at_servers);
            }
        } else {
            let entry = [
                ("entrypoint", config.entry_point.clone()),
                ("protocol", "TCP".to_owned()),
            ];
            sample(OPEN, entry.into(), self.open);
        }
        if self.service_absent {
            self.service = Family::default();
        }
        samples
    }
}

const RELOADS: &str = "traefik_config_reloads_total";
/// Whether annotations ask for the path of Traefik's metrics, which begins with `/metrics` (traefik 3.5
/// pkg/provider/traefik/internal.go `prometheusConfiguration`); so it does if they name none.
pub(crate) fn is_metrics_path(annotations: &crate::api::Labels) -> bool {
    let path = annotations.get("prometheus.io/path");
    path.is_none_or(|path| path.is_empty() || path.starts_with("/metrics"))
}

const ENTRY_POINT_OPEN: &str = "traefik_entrypoint_open_connections";
const SERVICE_OPEN: &str = "traefik_service_open_connections";
const OPEN: &str = "traefik_open_connections";

struct Names {
    requests: &'static str,
    bucket: &'static str,
    sum: &'static str,
    count: &'static str,
}

const ENTRY_POINT: Names = Names {
    requests: "traefik_entrypoint_requests_total",
    bucket: "traefik_entrypoint_request_duration_seconds_bucket",
    sum: "traefik_entrypoint_request_duration_seconds_sum",
    count: "traefik_entrypoint_request_duration_seconds_count",
};

const SERVICE: Names = Names {
    requests: "traefik_service_requests_total",
    bucket: "traefik_service_request_duration_seconds_bucket",
    sum: "traefik_service_request_duration_seconds_sum",
    count: "traefik_service_request_duration_seconds_count",
};

#[cfg(test)]
mod tests {
    use sim::SortedSet;

    use super::*;

    fn service_samples(samples: &[Sample]) -> Vec<(String, f64)> {
        let of_service = |sample: &&Sample| sample.name == SERVICE.requests;
        samples
            .iter()
            .filter(of_service)
            .map(|sample| (sample.labels[0].1.clone(), sample.value))
            .collect()
    }

    #[test]
    fn what_no_server_had_shows_at_the_entry_point_only() {
        let config = Traefik::default();
        let mut counters = Counters::default();
        assert!(
            service_samples(&counters.expose(&config, true)).is_empty(),
            "no series before a request"
        );
        counters.count(&config, OK, true, 0.2);
        counters.count(&config, UNAVAILABLE, false, 0.0);
        let samples = counters.expose(&config, true);
        assert_eq!(service_samples(&samples), [("200".to_owned(), 1.0)]);
        let entry = samples
            .iter()
            .filter(|sample| sample.name == ENTRY_POINT.requests);
        assert_eq!(entry.count(), 2);
        let bucket = |le: &str| {
            let found = samples.iter().find(|sample| {
                sample.name == SERVICE.bucket && sample.labels.contains(&("le", le.to_owned()))
            });
            found.unwrap().value
        };
        assert_eq!((bucket("0.1"), bucket("0.3"), bucket("+Inf")), (0.0, 1.0, 1.0));
    }

    #[test]
    fn what_is_exposed_is_named() {
        for version in [Release::new(2, 10, 0), Release::new(3, 5, 0)] {
            let config = Traefik {
                version,
                ..Traefik::default()
            };
            let mut counters = Counters::default();
            counters.count(&config, OK, true, 0.2);
            let samples = counters.expose(&config, true);
            let exposed: SortedSet<&str> = samples.iter().map(|sample| sample.name).collect();
            assert_eq!(exposed, metrics(version).collect::<SortedSet<_>>());
        }
    }

    #[test]
    fn labels_are_the_real_ones() {
        let config = Traefik::default();
        let mut counters = Counters::default();
        counters.count(&config, OK, true, 0.2);
        let samples = counters.expose(&config, false);
        let series = samples
            .iter()
            .find(|sample| sample.name == SERVICE.requests)
            .unwrap();
        let expected = [
            ("code", "200"),
            ("method", "GET"),
            ("protocol", "http"),
            ("service", "default-service-80@kubernetes"),
        ];
        assert_eq!(
            *series.labels,
            expected.map(|(name, value)| (name, value.to_owned()))
        );
    }

    #[test]
    fn a_service_that_left_is_shown_once_more() {
        let config = Traefik::default();
        let mut counters = Counters::default();
        counters.count(&config, OK, true, 0.2);
        counters.service_absent = true;
        assert_eq!(service_samples(&counters.expose(&config, false)).len(), 1);
        assert!(service_samples(&counters.expose(&config, false)).is_empty());
    }
}
