//! Advice about what Prometheus scrapes and what queries look at.

use std::sync::Arc;

use sim::SortedSet;

use super::{Facts, advise, trigger_query, utilization};
use crate::api::{Labels, PodTemplate};
use crate::document::{Context, Cursor, Severity, closest};
use crate::prometheus::scrape::{is_kube_state_metrics, normalized_bound};
use crate::prometheus::{Profile, Query, Selector, exporters};
use crate::scenario::resolve;
use crate::traffic::traefik;

/// Metrics that queries select and that nothing exposes.
pub(super) fn check(facts: &Facts<'_>) {
    let context = Context::new(facts.root.file(), String::new(), facts.problems);
    scraped(facts, &context);
    let dashboard = facts.root.get("dashboard");
    for (panel, query) in facts.scenario.dashboard.panels() {
        let at = dashboard.get(panel);
        if at.is_given()
            && let Ok(query) = facts.scenario.query(query)
        {
            exposed(facts, &context, &at, &query);
        }
    }
    for (name, query) in &facts.scenario.metric_rules {
        if let Ok(query) = facts.scenario.query(query) {
            let at = facts.root.get("metric").get(name);
            exposed(facts, &context, &at, &query);
            trigger_query::of_rule(facts, &context, &at, name, &query);
        }
    }
}

/// Advises on each metric of a query that none of the simulated parts exposes, however they are scraped.
pub(super) fn exposed(facts: &Facts<'_>, context: &Context<'_>, at: &Cursor<'_>, query: &Query) {
    let of_memory = [
        "container_memory_working_set_bytes",
        "container_memory_usage_bytes",
    ];
    let unknown = facts.scenario.traffic.service.memory.is_none();
    if let Some(metric) = query
        .metrics()
        .find(|metric| unknown && of_memory.contains(metric))
    {
        let message = format!("nothing says what pods use of memory: {metric} has no series");
        let hint = "state service.memory.idle and service.memory.per_request: they are the service's pods'";
        context.report(Severity::Warning, "W005", at, message, hint);
    }
    for selector in query.selectors() {
        if selector.metric() == Some("container_cpu_usage_seconds_total") && !finds_traffic(facts, selector) {
            let message = "nothing says what the pods that this query selects use of CPU: it reads as 0";
            context.report(Severity::Warning, "W010", at, message, utilization::UNKNOWN_CPU);
        }
    }
    let known = || exporters::metrics().chain(traefik::metrics(facts.scenario.stack.traefik));
    let selected: SortedSet<&str> = query.metrics().collect();
    for &metric in &selected {
        if known().any(|name| name == metric) {
            continue;
        }
        let message = format!("nothing that is simulated exposes {metric}: the query finds no series of it");
        let hint = match closest(metric, known()) {
            Some(near) => format!("did you mean {near}?"),
            None => "there are Traefik's metrics, those of kube-state-metrics, of kubelets and of cAdvisor"
                .to_owned(),
        };
        advise(context, "P002", at, message, &hint);
    }
    bounds(facts, context, at, query);
    let workloads = || facts.objects.iter().flat_map(|objects| objects.templates());
    if exporters::kube_state_families().any(|name| selected.contains(name))
        && !workloads().any(|template| is_kube_state_metrics(&template.labels))
    {
        let message = "kube_ metrics are asked for, and no manifest has kube-state-metrics: it is taken to run all the same";
        let hint = "add its Deployment, pods labelled app.kubernetes.io/name: kube-state-metrics: it takes room on a node";
        advise(context, "P002", at, message, hint);
    }
}

/// Whether a selector of containers may find some that have a part in the traffic.
fn finds_traffic(facts: &Facts<'_>, selector: &Selector) -> bool {
    let deployments = facts.objects.iter().flat_map(|objects| &objects.deployments);
    let mut of_traffic = deployments.filter(|own| utilization::has_traffic(facts, &own.name()));
    of_traffic.any(|own| {
        let (name, spec) = (own.name(), &own.object.template.spec);
        let pod = format!("{}-1-1", name.name);
        let main = spec.containers.get(spec.main_container());
        selector
            .matchers
            .iter()
            .all(|matcher| match matcher.name.as_str() {
                "namespace" => matcher.matches(&name.namespace),
                "pod" => matcher.matches(&pod),
                "container" => matcher.matches("") || main.is_some_and(|own| matcher.matches(&own.name)),
                _ => true,
            })
    })
}

/// Buckets of Traefik's that are asked for by another text than Prometheus has for their bound.
fn bounds(facts: &Facts<'_>, context: &Context<'_>, at: &Cursor<'_>, query: &Query) {
    let profile = Profile::of(facts.scenario.config.prometheus.version);
    let text = |bound: &f64| match profile.normalized_bounds {
        true => normalized_bound(&bound.to_string()),
        false => bound.to_string(),
    };
    let buckets = facts.scenario.traffic.traefik.buckets.iter().map(text);
    let known: Vec<String> = buckets.chain(["+Inf".to_owned()]).collect();
    for selector in query.selectors() {
        let metric = selector.metric().unwrap_or_default();
        if !metric.starts_with("traefik_") || !metric.ends_with("_bucket") {
            continue;
        }
        let mut bounds = selector.matchers.iter().filter(|matcher| matcher.name == "le");
        if let Some(matcher) = bounds.find(|matcher| !known.iter().any(|bound| matcher.matches(bound))) {
            let message = format!(
                "no bucket of {metric} has {matcher}: there is {}",
                known.join(", ")
            );
            let hint = match profile.normalized_bounds {
                true => "from Prometheus 3.0 on whole bounds have a decimal: le=\"5.0\"",
                false => "before Prometheus 3.0 whole bounds have no decimal: le=\"5\"",
            };
            advise(context, "P003", at, message, hint);
        }
    }
}

/// Whether the pods whose metrics are asked for are scraped.
fn scraped(facts: &Facts<'_>, context: &Context<'_>) {
    let metrics = metrics(facts);
    let proxy = &facts.scenario.roles.proxy;
    let is_scraped = |annotations: &Labels| {
        annotations
            .get("prometheus.io/scrape")
            .is_some_and(|text| text == "true")
    };
    let of_proxy = traefik::metrics(facts.scenario.stack.traefik).any(|name| metrics.contains(name));
    let Some(template) = facts.deployment(proxy).map(|own| &*own.object.template) else {
        return;
    };
    if !of_proxy {
        return;
    }
    let at = facts.root.at("proxy.deployment");
    let service = annotated_service(facts, template);
    if !is_scraped(&template.annotations) {
        let message = format!("Prometheus does not scrape the pods of {proxy}, whose metrics are asked for");
        let (message, hint) = match service {
            Some(service) => (
                format!("{message}: scraping by the annotation of the Service {service:?} is not simulated"),
                "annotate its pod template instead: prometheus.io/scrape: \"true\", prometheus.io/port: \"9100\"",
            ),
            None => (
                message,
                "annotate its pod template: prometheus.io/scrape: \"true\", prometheus.io/port: \"9100\"",
            ),
        };
        return advise(context, "P002", &at, message, hint);
    }
    if let Some(service) = service {
        let message = format!(
            "the Service {service:?} is annotated as the pods of {proxy} are: the real Prometheus scrapes them twice, and sums \
             double; the simulated one once"
        );
        advise(context, "P002", &at, message, "keep one of the annotations");
    }
    let wanted = template.annotations.get("prometheus.io/port");
    let wanted = wanted.and_then(|port| port.parse::<u16>().ok());
    if let Some((wanted, serves)) = wanted.zip(template.spec.metrics_port()).filter(|(a, b)| a != b) {
        let message = format!(
            "Prometheus asks the pods of {proxy} at port {wanted}, and their metrics are at {serves}"
        );
        let hint = "set the pod template's annotation prometheus.io/port to it: until then up is 0, and there is no sample";
        advise(context, "P002", &at, message, hint);
    }
    if !traefik::is_metrics_path(&template.annotations) {
        let message =
            format!("Prometheus asks the pods of {proxy} for another path than /metrics, where nothing is");
        let hint = "take the pod template's annotation prometheus.io/path out: until then up is 0, and there is no sample";
        advise(context, "P002", &at, message, hint);
    }
}

/// A Service of these pods that asks for scrapes of its endpoints.
fn annotated_service<'a>(facts: &'a Facts<'_>, template: &PodTemplate) -> Option<&'a str> {
    let mut services = facts
        .documents
        .iter()
        .filter(|document| document.kind.name == "Service");
    let found = services.find(|document| {
        let context = Context::new(&document.file, document.title(), facts.problems);
        let root = context.root(&document.value);
        let scrape = root.at("metadata.annotations").get("prometheus.io/scrape");
        let asks = scrape.written() == Some("true");
        let mut all = facts.objects.iter().flat_map(|objects| &objects.services);
        asks && all.any(|service| {
            service.name == document.name
                && service.namespace == document.namespace
                && service.selects(template)
        })
    });
    found.map(|document| document.name.as_str())
}

/// The metrics that triggers and rules select, and what of the dashboard the scenario itself asks for.
fn metrics(facts: &Facts<'_>) -> SortedSet<String> {
    let written = facts.root.get("dashboard");
    let panels = facts.scenario.dashboard.panels().into_iter();
    let panels = panels.filter(|(panel, _)| written.get(panel).is_given());
    let panels = panels.map(|(_, query)| query);
    let texts = resolve::queries(facts.scenario).into_iter().chain(panels);
    let parsed = texts.filter_map(|text| facts.scenario.query(text).ok());
    let of = |query: Arc<Query>| query.metrics().map(str::to_owned).collect::<Vec<_>>();
    parsed.flat_map(of).collect()
}
