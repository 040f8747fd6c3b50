//! Advice about HorizontalPodAutoscalers, and about the behavior stanza wherever it stands.

use std::time::Duration;

use super::{Facts, advise, timeline, trigger_query, utilization};
use crate::document::{Context, Cursor, Severity};
use crate::hpa::spec::SelectPolicy;
use crate::hpa::{Behavior, Resource, Source};
use crate::manifest::{Document, HorizontalPodAutoscaler};
use crate::scenario::ObjectName;

pub(super) fn check(facts: &Facts<'_>, document: &Document, root: &Cursor<'_>) {
    let own = |hpa: &&HorizontalPodAutoscaler| {
        hpa.name.name == document.name && hpa.name.namespace == document.namespace
    };
    let Some(hpa) = facts.beside(document).hpas.iter().find(own) else {
        return;
    };
    let context = Context::new(&document.file, document.title(), facts.problems);
    behavior(
        facts,
        &context,
        &root.at("spec.behavior"),
        hpa.spec.behavior.as_ref(),
    );
    timeline::same_target(facts, document, &root.at("spec.scaleTargetRef"), &hpa.target);
    let mut written = root.at("spec.metrics").items();
    if written.is_empty() {
        // autoscaling/v1 has one metric, and an HPA without metrics gets one: it stands nowhere else.
        let only = [root.at("spec.targetCPUUtilizationPercentage"), root.get("spec")];
        written.extend(only.into_iter().find(Cursor::is_given));
    }
    for (metric, at) in hpa.spec.metrics.iter().zip(written) {
        let (resource, container) = match &metric.source {
            Source::Resource(resource) => (*resource, None),
            Source::ContainerResource { resource, container } => (*resource, Some(container.as_str())),
            Source::External { name, .. } | Source::Object { name, .. } => {
                let rule = facts.scenario.metric_rules.get(name);
                if let Some(query) = rule.and_then(|query| facts.scenario.query(query).ok()) {
                    let target_at = ["external.target", "object.target"].map(|key| at.at(key));
                    let target_at = target_at.into_iter().find(Cursor::is_given).unwrap_or(at);
                    trigger_query::of_target(
                        facts,
                        &context,
                        document,
                        &hpa.target,
                        (&query, &metric.target),
                        &target_at,
                    );
                }
                continue;
            }
            Source::Pods { .. } => continue,
        };
        if let Some(deployment) = facts.deployment_met(document, &hpa.target) {
            let measured = utilization::Measured {
                deployment,
                resource,
                container,
            };
            utilization::known(facts, &context, &at, &measured);
            utilization::requests(facts, &context, &at, &measured, &metric.target);
            utilization::check(facts, &context, &at, &measured, &metric.target);
        }
        of_memory(facts, &context, &at, &hpa.target, resource);
    }
}

/// A behavior that is absent, or that does something else than it seems to.
pub(super) fn behavior(
    facts: &Facts<'_>,
    context: &Context<'_>,
    at: &Cursor<'_>,
    behavior: Option<&Behavior>,
) {
    let Some(behavior) = behavior else {
        let message = format!(
            "without a behavior, replicas at most double per sync (or reach 4) and shrink only to what {} s have asked for",
            facts.scenario.config.hpa.downscale_stabilization.as_secs()
        );
        advise(
            context,
            "H001",
            at,
            message,
            "state behavior.scaleDown.stabilizationWindowSeconds to choose that wait",
        );
        return;
    };
    let down = &behavior.scale_down;
    let at_down = at.get("scaleDown");
    if down.stabilization_window == Some(Duration::ZERO) && down.select_policy != Some(SelectPolicy::Disabled)
    {
        let message = "without stabilization every dip of the metric takes pods away at the next sync";
        advise(
            context,
            "H004",
            &at_down.get("stabilizationWindowSeconds"),
            message,
            "a rate dips when a proxy restarts or a scrape is missed",
        );
    }
    if down.select_policy == Some(SelectPolicy::Disabled) {
        let message = "scaling in is disabled: replicas only ever grow";
        advise(context, "H004", &at_down.get("selectPolicy"), message, "");
    }
    for at in ["scaleUp", "scaleDown"].map(|key| at.get(key).get("tolerance")) {
        let release = facts.scenario.stack.kubernetes;
        if at.is_given() && release < 35 {
            let message = format!("Kubernetes 1.{release} does not heed a tolerance of its own");
            let hint = "the feature gate HPAConfigurableTolerance is on from 1.35";
            advise(context, "H005", &at, message, hint);
        }
    }
}

/// A memory metric needs somebody who knows what pods use of it.
pub(super) fn of_memory(
    facts: &Facts<'_>,
    context: &Context<'_>,
    at: &Cursor<'_>,
    target: &ObjectName,
    resource: Resource,
) {
    let of_service = facts.scenario.roles.server == *target;
    let known = of_service && facts.scenario.traffic.service.memory.is_some();
    if resource == Resource::Memory && !known {
        let message =
            format!("nothing says what pods of {target} use of memory: this metric never has a value");
        let hint = if of_service {
            "state service.memory.idle and service.memory.per_request; without a value the metric asks for no change"
        } else {
            "memory is known of the service's own pods only; without a value the metric asks for no change"
        };
        context.report(Severity::Warning, "W005", at, message, hint);
    }
}
