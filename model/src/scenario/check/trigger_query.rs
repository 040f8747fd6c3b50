//! Advice about the query of a prometheus trigger.

use std::cmp::Ordering;

use super::{Facts, advise, queries};
use crate::document::{Context, Cursor};
use crate::keda::spec::Prometheus;
use crate::prometheus::{Job, METRIC_NAME, Matcher, Op, Profile, Query, Selector, Spread, label_name};

/// A trigger that asks Prometheus.
pub(super) struct Trigger<'a> {
    pub(super) facts: &'a Facts<'a>,
    pub(super) context: &'a Context<'a>,
    pub(super) prometheus: &'a Prometheus,
    /// metadata
    pub(super) at: Cursor<'a>,
}

impl Trigger<'_> {
    pub(super) fn query(&self, rests_at_zero: bool) {
        let at = self.at.get("query");
        let Ok(query) = self.facts.scenario.query(&self.prometheus.query) else {
            return;
        };
        queries::exposed(self.facts, self.context, &at, &query);
        self.elements(&query, &at);
        if rests_at_zero && only_served(&query) {
            let message = "scaling from zero waits for served requests, which nobody serves at zero";
            let hint = "count arrivals, for example traefik_entrypoint_requests_total, or keep one replica";
            advise(self.context, "K012", &at, message, hint);
        }
        for selector in query.selectors() {
            self.labels(selector, &at);
        }
        self.window(&query, &at);
    }

    /// KEDA reads a vector of one element.
    fn elements(&self, query: &Query, at: &Cursor<'_>) {
        if query.is_scalar() {
            let message = "this query is a scalar, which KEDA cannot read: the trigger always fails";
            advise(
                self.context,
                "K015",
                at,
                message,
                "leave scalar() out, or wrap it: vector(…)",
            );
            return;
        }
        let spread = query.spread();
        if spread.is_single() || !query.metrics().any(|metric| metric.starts_with("traefik_")) {
            return;
        }
        let proxies = self.facts.proxies();
        let message = match &spread {
            _ if spread.has("pod") && proxies > 1 => format!(
                "without sum() this query has an element for each of {proxies} Traefik pods, and KEDA takes only one"
            ),
            _ if spread.has("pod") => {
                "without sum() a second Traefik pod, method or protocol makes this query fail".to_owned()
            }
            Spread::Only(labels) => format!(
                "this query has an element for each {}, and KEDA takes only one",
                labels.iter().copied().collect::<Vec<_>>().join(" and ")
            ),
            Spread::AllBut(_) => "without sum() a second method or protocol makes this query fail".to_owned(),
        };
        advise(self.context, "K011", at, message, "wrap it: sum(…)");
    }

    /// What Traefik never writes selects nothing, and nothing counts as 0.
    fn labels(&self, selector: &Selector, at: &Cursor<'_>) {
        let metric = selector.metric().unwrap_or_default();
        let (kind, own) = if metric.starts_with("traefik_service_") {
            ("service", Some(&*self.facts.scenario.traffic.traefik.service))
        } else if metric.starts_with("traefik_entrypoint_") {
            ("entrypoint", None)
        } else {
            return;
        };
        for matcher in &selector.matchers {
            let message = match own {
                Some(own) if matcher.name == kind && !matcher.matches(own) => match matcher.op {
                    Op::Equal => format!(
                        "no series has service={:?}: Traefik calls it {own:?}",
                        matcher.value
                    ),
                    _ => format!("service {matcher} leaves out {own:?}, the only service here"),
                },
                _ if !matcher.matches("") && !self.exists(matcher, kind) => {
                    format!("no series of {metric} has a label {}", matcher.name)
                }
                _ => continue,
            };
            let hint = "an empty answer counts as 0, and the target shrinks to its minimum";
            advise(self.context, "K013", at, message, hint);
        }
    }

    /// Whether series of Traefik's pods have a label: Traefik's own, those of the pods, or those of a target.
    fn exists(&self, matcher: &Matcher, kind: &str) -> bool {
        const ALWAYS: [&str; 11] = [
            METRIC_NAME,
            "code",
            "method",
            "protocol",
            "le",
            "job",
            "instance",
            "namespace",
            "pod",
            "node",
            "pod_template_hash",
        ];
        let name = matcher.name.as_str();
        let proxy = self.facts.deployment(&self.facts.scenario.roles.proxy);
        let of_pods = proxy.is_some_and(|proxy| {
            let mut labels = proxy.object.template.labels.keys();
            labels.any(|label| label_name(label) == name)
        });
        name == kind || ALWAYS.contains(&name) || of_pods
    }

    fn window(&self, query: &Query, at: &Cursor<'_>) {
        let config = &self.facts.scenario.config.prometheus;
        let interval = config.interval(Job::KubernetesPods);
        let interval_ms = i64::try_from(interval.as_millis()).unwrap_or(i64::MAX);
        let ranges = query.selectors().iter().filter_map(|selector| selector.range);
        let Some(range) = ranges
            .min()
            .filter(|range| *range < interval_ms.saturating_mul(2))
        else {
            return;
        };
        let often = match range.cmp(&interval_ms) {
            Ordering::Less => "never",
            Ordering::Equal if Profile::of(config.version).left_open => "never",
            Ordering::Equal => "next to never",
            Ordering::Greater => "not always",
        };
        let message = format!(
            "a range of {} s {often} holds two samples of a scrape every {} s",
            range / 1000,
            interval.as_secs()
        );
        let hint = "a rate needs two: take at least twice the scrape interval";
        advise(self.context, "P001", at, message, hint);
    }

    /// Of a threshold for each pod of the service.
    pub(super) fn threshold(&self) {
        let Ok(query) = self.facts.scenario.query(&self.prometheus.query) else {
            return;
        };
        let Some(capacity) = self
            .facts
            .pod_capacity()
            .filter(|_| query.is_rate() && only_served(&query))
        else {
            return;
        };
        let tolerance = self.facts.scenario.config.hpa.tolerance;
        let threshold = self.prometheus.threshold;
        let message = if capacity < threshold * (1.0 - tolerance) {
            format!(
                "a pod serves at most {capacity:.1} a second, below the threshold of {threshold}: full pods are scaled in"
            )
        } else if capacity <= threshold * (1.0 + tolerance) {
            format!(
                "a pod serves at most {capacity:.1} a second, within the tolerance of the threshold of {threshold}: full pods never scale out"
            )
        } else {
            return;
        };
        let hint = "served requests stop growing when pods are full: keep the threshold well below what a pod can serve";
        advise(self.context, "K014", &self.at.get("threshold"), message, hint);
    }
}

/// Whether a query looks at nothing but what Traefik's service counters have.
fn only_served(query: &Query) -> bool {
    let of_service = |metric: &str| metric.starts_with("traefik_service_");
    let mut metrics = query
        .selectors()
        .iter()
        .map(|selector| selector.metric())
        .peekable();
    metrics.peek().is_some() && metrics.all(|metric| metric.is_some_and(of_service))
}
