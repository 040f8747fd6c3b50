//! Advice about what Prometheus scrapes and what queries look at.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Facts, advise};
use crate::api::Labels;
use crate::document::{Context, Cursor, closest};
use crate::prometheus::scrape::is_kube_state_metrics;
use crate::prometheus::{Query, exporters};
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
            exposed(facts, &context, &facts.root.get("metric").get(name), &query);
        }
    }
}

/// Advises on each metric of a query that none of the simulated parts exposes, however they are scraped.
pub(super) fn exposed(facts: &Facts<'_>, context: &Context<'_>, at: &Cursor<'_>, query: &Query) {
    let known = || exporters::metrics().chain(traefik::metrics(facts.scenario.stack.traefik));
    let selected: BTreeSet<&str> = query.metrics().collect();
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
    let workloads = || facts.objects.iter().flat_map(|objects| objects.templates());
    if exporters::kube_state_families().any(|name| selected.contains(name))
        && !workloads().any(|template| is_kube_state_metrics(&template.labels))
    {
        let message = "kube_ metrics are asked for, and no manifest has kube-state-metrics: it is taken to run all the same";
        let hint = "add its Deployment, pods labelled app.kubernetes.io/name: kube-state-metrics: it takes room on a node";
        advise(context, "P002", at, message, hint);
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
    let own = facts.deployment(proxy);
    let of_proxy = || traefik::metrics(facts.scenario.stack.traefik).any(|name| metrics.contains(name));
    if own.is_some_and(|own| !is_scraped(&own.object.template.annotations)) && of_proxy() {
        let message = format!("Prometheus does not scrape the pods of {proxy}, whose metrics are asked for");
        let hint = "annotate its pod template: prometheus.io/scrape: \"true\", prometheus.io/port: \"9100\"";
        advise(context, "P002", &facts.root.at("proxy.deployment"), message, hint);
    }
}

/// The metrics that triggers and rules select, and what of the dashboard the scenario itself asks for.
fn metrics(facts: &Facts<'_>) -> BTreeSet<String> {
    let written = facts.root.get("dashboard");
    let panels = facts.scenario.dashboard.panels().into_iter();
    let panels = panels.filter(|(panel, _)| written.get(panel).is_given());
    let panels = panels.map(|(_, query)| query);
    let texts = resolve::queries(facts.scenario).into_iter().chain(panels);
    let parsed = texts.filter_map(|text| facts.scenario.query(text).ok());
    let of = |query: Arc<Query>| query.metrics().map(str::to_owned).collect::<Vec<_>>();
    parsed.flat_map(of).collect()
}
