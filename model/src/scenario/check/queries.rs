//! Advice about what Prometheus scrapes and what queries look at.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Facts, advise};
use crate::api::Labels;
use crate::document::Context;
use crate::prometheus::Query;
use crate::scenario::resolve;

/// Metrics that queries select and that nothing exposes.
pub(super) fn check(facts: &Facts<'_>) {
    let context = Context::new(facts.root.file(), String::new(), facts.problems);
    let metrics = metrics(facts);
    let asked = |prefix: &str| metrics.iter().any(|metric| metric.starts_with(prefix));
    let proxy = &facts.scenario.roles.proxy;
    let deployments = || facts.objects.iter().flat_map(|objects| &objects.deployments);
    let scraped = |annotations: &Labels| {
        annotations
            .get("prometheus.io/scrape")
            .is_some_and(|text| text == "true")
    };
    let own = deployments().find(|deployment| deployment.name() == *proxy);
    if own.is_some_and(|own| !scraped(&own.object.template.annotations)) && asked("traefik_") {
        let message = format!("Prometheus does not scrape the pods of {proxy}, whose metrics are asked for");
        let hint = "annotate its pod template: prometheus.io/scrape: \"true\", prometheus.io/port: \"9100\"";
        advise(
            &context,
            "P002",
            &facts.root.at("proxy.deployment"),
            message,
            hint,
        );
    }
    let is_state = |labels: &Labels| {
        labels
            .get("app.kubernetes.io/name")
            .is_some_and(|n| n == "kube-state-metrics")
    };
    if asked("kube_") && !deployments().any(|deployment| is_state(&deployment.object.template.labels)) {
        let message = "kube_ metrics are asked for, and there is no kube-state-metrics";
        let hint = "add its Deployment, pods labelled app.kubernetes.io/name: kube-state-metrics";
        advise(&context, "P002", &facts.root.get("dashboard"), message, hint);
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
    let of = |query: Arc<Query>| {
        let names = query
            .selectors()
            .iter()
            .filter_map(|selector| selector.metric().map(str::to_owned));
        names.collect::<Vec<_>>()
    };
    parsed.flat_map(of).collect()
}
