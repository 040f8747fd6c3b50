//! Advice about the query of a prometheus trigger.

use std::cmp::Ordering;

use super::{Facts, advise, queries};
use crate::document::{Context, Cursor};
use crate::hpa::{Source, Target};
use crate::keda::spec::{MetricType, Prometheus};
use crate::manifest::Document;
use crate::prometheus::{
    Job, METRIC_NAME, Matcher, Op, Profile, Query, Selector, Spread, exporters, label_name,
};
use crate::scenario::ObjectName;

/// A trigger that asks Prometheus.
pub(super) struct Trigger<'a> {
    pub(super) facts: &'a Facts<'a>,
    pub(super) context: &'a Context<'a>,
    pub(super) document: &'a Document,
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
        of_traefik_and_range(self.facts, self.context, &at, &query, EMPTY_IS_ZERO);
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
        let is_fixed = |label: &&str| is_fixed(self.facts, query, label);
        let single = matches!(&spread, Spread::Only(labels) if labels.iter().all(is_fixed));
        if single {
            return;
        }
        let proxies = self.facts.proxies();
        let of_traefik = query.metrics().any(|metric| metric.starts_with("traefik_"));
        let of_object = query
            .metrics()
            .filter_map(exporters::named_by)
            .find(|label| spread.has(label));
        let message = match (&spread, of_object) {
            (Spread::Only(labels), _) if of_traefik || of_object.is_some() => format!(
                "this query has an element for each {}, and KEDA takes only one",
                labels.iter().copied().collect::<Vec<_>>().join(" and ")
            ),
            (_, Some(label)) => {
                format!(
                    "without an aggregation this query has an element for each {label}, and KEDA takes only one"
                )
            }
            _ if !of_traefik => return,
            _ if spread.has("pod") && proxies > 1 => format!(
                "without sum() this query has an element for each of {proxies} Traefik pods, and KEDA takes only one"
            ),
            _ if spread.has("pod") => {
                "without sum() a second Traefik pod, method or protocol makes this query fail".to_owned()
            }
            _ => "without sum() a second method or protocol makes this query fail".to_owned(),
        };
        advise(self.context, "K011", at, message, "wrap it: sum(…)");
    }

    pub(super) fn target_type(&self, metric_type: MetricType, at: &Cursor<'_>) {
        if let Ok(query) = self.facts.scenario.query(&self.prometheus.query) {
            let per_pod = metric_type == MetricType::AverageValue;
            target_type(self.context, &query, per_pod, "metricType", at);
        }
    }

    pub(super) fn threshold(&self) {
        if let Ok(query) = self.facts.scenario.query(&self.prometheus.query) {
            let at = self.at.get("threshold");
            threshold(
                self.facts,
                self.context,
                self.document,
                &query,
                self.prometheus.threshold,
                &at,
            );
        }
    }
}

/// The query behind a metric that an HPA asks an adapter for, and what it should be.
pub(super) fn of_target(
    facts: &Facts<'_>,
    context: &Context<'_>,
    document: &Document,
    scaled: &ObjectName,
    (query, target): (&Query, &Target),
    at: &Cursor<'_>,
) {
    let per_pod = matches!(target, Target::AverageValue(_));
    target_type(context, query, per_pod, "type", at);
    if let Target::AverageValue(value) = target
        && *scaled == facts.scenario.roles.server
    {
        threshold(facts, context, document, query, value.as_f64(), at);
    }
}

/// A quantile or a mean says the same of few pods and of many.
fn target_type(context: &Context<'_>, query: &Query, per_pod: bool, field: &str, at: &Cursor<'_>) {
    let what = match (query.is_quantile(), query.is_mean()) {
        (true, _) => "quantile",
        (false, true) => "mean or ratio",
        (false, false) if per_pod => return,
        (false, false) => return value_of_a_total(context, field, at),
    };
    if per_pod {
        let message = format!(
            "{field} AverageValue divides this {what} by the replicas: each pod more makes it look smaller"
        );
        let hint = format!("{field}: Value compares it with the threshold as it is");
        advise(context, "K010", at, message, &hint);
    }
}

/// Of a threshold for each pod of the service.
fn threshold(
    facts: &Facts<'_>,
    context: &Context<'_>,
    document: &Document,
    query: &Query,
    threshold: f64,
    at: &Cursor<'_>,
) {
    if !query.is_rate() || !only_served(query) {
        return;
    }
    let Some(capacity) = facts.pod_capacity(document, threshold) else {
        return;
    };
    let tolerance = facts.scenario.config.hpa.tolerance;
    let does = |most: f64| match most {
        most if most < threshold * (1.0 - tolerance) => Some(format!(
            "below the threshold of {threshold}: full pods are scaled in"
        )),
        most if most <= threshold * (1.0 + tolerance) => Some(format!(
            "within the tolerance of the threshold of {threshold}: full pods never scale out"
        )),
        _ => None,
    };
    let (most, usual) = (capacity.most, capacity.among_others);
    let message = match (does(most), does(usual)) {
        // What nobody waits for any longer is counted too, and goes on growing when pods are full.
        _ if counts_failures(query) && gives_up(facts) => {
            if most >= threshold * (1.0 - tolerance) {
                return;
            }
            format!(
                "a pod serves at most {most:.1} a second, below the threshold of {threshold}: only requests that fail (499, 504) scale out"
            )
        }
        (Some(does), _) => format!("a pod serves at most {most:.1} a second, {does}"),
        (None, Some(does)) => {
            format!("on machines that are busy a pod serves at most {usual:.1} a second, {does}")
        }
        (None, None) => return,
    };
    let hint =
        "served requests stop growing when pods are full: keep the threshold well below what a pod can serve";
    advise(context, "K014", at, message, hint);
}

/// Whether a query counts requests that the service did not answer in time.
fn counts_failures(query: &Query) -> bool {
    query.selectors().iter().any(|selector| {
        let mut codes = selector.matchers.iter().filter(|matcher| matcher.name == "code");
        codes.all(|matcher| ["499", "504"].iter().any(|code| matcher.matches(code)))
    })
}

/// Whether anybody stops waiting for an answer.
fn gives_up(facts: &Facts<'_>) -> bool {
    let traffic = &facts.scenario.traffic;
    let clients = traffic.clients.as_ref().and_then(|clients| clients.timeout);
    let arrivals = traffic.arrivals.iter().filter_map(|arrivals| arrivals.timeout);
    arrivals
        .chain(clients)
        .chain(traffic.service.request_timeout)
        .next()
        .is_some()
}

const EMPTY_IS_ZERO: &str = "an empty answer counts as 0, and the target shrinks to its minimum";
const EMPTY_FAILS: &str = "an empty answer is an error, and the metric asks for no change";

/// The query of a metric that an adapter other than KEDA serves.
pub(super) fn of_rule(facts: &Facts<'_>, context: &Context<'_>, at: &Cursor<'_>, name: &str, query: &Query) {
    of_traefik_and_range(facts, context, at, query, EMPTY_FAILS);
    let hpas = || facts.objects.iter().flat_map(|objects| &objects.hpas);
    let asks = |source: &Source| matches!(source, Source::Pods { name: own, .. } if own == name);
    let mut asking = hpas().filter(|hpa| hpa.spec.metrics.iter().any(|metric| asks(&metric.source)));
    let Some(hpa) = asking.next() else { return };
    let mut metrics = query.metrics().peekable();
    let of_proxies = metrics.peek().is_some()
        && metrics.all(|metric| metric.starts_with("traefik_"))
        && hpa.target != facts.scenario.roles.proxy;
    let message = if !query.spread().has("pod") {
        "no element of this query has a label pod, and the HPA asks for each pod's: the metric always fails"
    } else if of_proxies {
        "the label pod of these series is that of Traefik's pods, not the target's: the metric always fails"
    } else {
        return;
    };
    let hint = "keep the label, as with sum by (pod) (…), of series that the target's pods have; what is counted elsewhere is an \
                External or Object metric";
    advise(context, "K018", at, message, hint);
}

/// Labels that no series has, and ranges that hold too few samples.
fn of_traefik_and_range(
    facts: &Facts<'_>,
    context: &Context<'_>,
    at: &Cursor<'_>,
    query: &Query,
    empty: &str,
) {
    for selector in query.selectors() {
        labels(facts, context, selector, at, empty);
    }
    window(facts, context, query, at);
}

/// Whether a query asks by a label that has only one value here.
fn is_fixed(facts: &Facts<'_>, query: &Query, label: &str) -> bool {
    query.selectors().iter().all(|selector| {
        let metric = selector.metric().unwrap_or_default();
        let is_asked = selector.matchers.iter().any(|matcher| matcher.name == label);
        is_asked && values(facts, metric, kind(metric), label).len() == 1
    })
}

/// Which of Traefik's metrics it is: of its services, its entry points, or neither.
fn kind(metric: &str) -> &'static str {
    if metric.starts_with("traefik_service_") {
        "service"
    } else if metric.starts_with("traefik_entrypoint_") {
        "entrypoint"
    } else {
        ""
    }
}

/// What no series has selects nothing, and nothing counts as 0.
fn labels(facts: &Facts<'_>, context: &Context<'_>, selector: &Selector, at: &Cursor<'_>, empty: &str) {
    let metric = selector.metric().unwrap_or_default();
    let kind = kind(metric);
    let config = &facts.scenario.traffic.traefik;
    for matcher in &selector.matchers {
        let values = values(facts, metric, kind, &matcher.name);
        let known = values.iter().any(|value| matcher.matches(value));
        let message = if kind == "service" && matcher.name == "service" && !known {
            let own = &config.service;
            match matcher.op {
                Op::Equal => format!(
                    "no series has service={:?}: Traefik calls it {own:?}",
                    matcher.value
                ),
                _ => format!("service {matcher} leaves out {own:?}, the only service here"),
            }
        } else if !values.is_empty() && !known {
            format!(
                "no series of {metric} here has {matcher}: there is {}",
                values.join(", ")
            )
        } else if !kind.is_empty() && !matcher.matches("") && !exists(facts, matcher, kind) {
            format!("no series of {metric} has a label {}", matcher.name)
        } else {
            continue;
        };
        let hint = match kind == "entrypoint" && matcher.name == kind {
            true => format!(
                "{empty}; where the load comes in, the route's entry points say, or proxy.entry_point"
            ),
            false => empty.to_owned(),
        };
        advise(context, "K013", at, message, &hint);
    }
}

/// The values that a label of a metric has in this scenario; none where the model cannot say.
fn values(facts: &Facts<'_>, metric: &str, kind: &str, label: &str) -> Vec<String> {
    let scenario = facts.scenario;
    let config = &scenario.traffic.traefik;
    match label {
        "job" => exporters::job(metric)
            .map(|job| job.name().to_owned())
            .into_iter()
            .collect(),
        "service" if kind == "service" => vec![config.service.clone()],
        "entrypoint" if kind == "entrypoint" => vec![config.entry_point.clone()],
        "namespace" if !kind.is_empty() => vec![scenario.roles.proxy.namespace.clone()],
        "method" if !kind.is_empty() => vec![config.method.clone()],
        "code" if !kind.is_empty() => ["200", "404", "499", "502", "503", "504"]
            .map(str::to_owned)
            .into(),
        _ => Vec::new(),
    }
}

/// Whether series of Traefik's pods have a label: Traefik's own, those of the pods, or those of a target.
fn exists(facts: &Facts<'_>, matcher: &Matcher, kind: &str) -> bool {
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
    let proxy = facts.deployment(&facts.scenario.roles.proxy);
    let of_pods = proxy.is_some_and(|proxy| {
        let mut labels = proxy.object.template.labels.keys();
        labels.any(|label| label_name(label) == name)
    });
    name == kind || ALWAYS.contains(&name) || of_pods
}

fn window(facts: &Facts<'_>, context: &Context<'_>, query: &Query, at: &Cursor<'_>) {
    let config = &facts.scenario.config.prometheus;
    for selector in query.selectors() {
        let Some(range) = selector.range else { continue };
        let job = exporters::job(selector.metric().unwrap_or_default());
        let interval = config.interval(job.unwrap_or(Job::KubernetesPods));
        let interval_ms = i64::try_from(interval.as_millis()).unwrap_or(i64::MAX);
        let (least, samples, hint) = match selector.needs_two {
            true => (
                interval_ms.saturating_mul(2),
                "two samples",
                "a rate needs two: take at least twice the scrape interval",
            ),
            false => (interval_ms, "a sample", "take at least the scrape interval"),
        };
        if range >= least {
            continue;
        }
        let often = match range.cmp(&interval_ms) {
            _ if !selector.needs_two => "not always",
            Ordering::Less => "never",
            Ordering::Equal if Profile::of(config.version).left_open => "never",
            Ordering::Equal => "next to never",
            Ordering::Greater => "not always",
        };
        let message = format!(
            "a range of {} s {often} holds {samples} of a scrape every {} s",
            range / 1000,
            interval.as_secs()
        );
        return advise(context, "P001", at, message, hint);
    }
}

/// With Value the threshold is for the total.
pub(super) fn value_of_a_total(context: &Context<'_>, field: &str, at: &Cursor<'_>) {
    let message =
        format!("{field} Value: the threshold is for the total, and the ready pods are scaled by the ratio");
    let hint =
        "use AverageValue if the threshold is meant per pod: a total does not shrink as pods are added";
    advise(context, "K010", at, message, hint);
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
