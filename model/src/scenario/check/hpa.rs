//! Advice about HorizontalPodAutoscalers, and about the behavior stanza wherever it stands.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Facts, advise};
use crate::document::{Context, Cursor, Severity};
use crate::hpa::spec::SelectPolicy;
use crate::hpa::{Behavior, Resource, Source, Target};
use crate::manifest::{Document, HorizontalPodAutoscaler};
use crate::quantity::MilliCpu;
use crate::scenario::ObjectName;

pub(super) fn check(facts: &Facts<'_>, document: &Document, root: &Cursor<'_>) {
    let own = |hpa: &&HorizontalPodAutoscaler| {
        hpa.name.name == document.name && hpa.name.namespace == document.namespace
    };
    let Some(hpa) = facts.objects.iter().flat_map(|objects| &objects.hpas).find(own) else {
        return;
    };
    let context = Context::new(&document.file, document.title(), facts.problems);
    behavior(&context, &root.at("spec.behavior"), hpa.spec.behavior.as_ref());
    same_target(facts, &context, &root.at("spec.scaleTargetRef"), &hpa.target);
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
            Source::External { .. } | Source::Object { .. } | Source::Pods { .. } => continue,
        };
        let asked = Asked {
            resource,
            container,
            target: &metric.target,
        };
        resource_metric(facts, &context, &at, &hpa.target, asked);
    }
    for key in ["scaleUp", "scaleDown"] {
        let at = root.at("spec.behavior").get(key).get("tolerance");
        if at.is_given() && facts.scenario.stack.kubernetes < 35 {
            let message = format!(
                "Kubernetes 1.{} does not heed a tolerance of its own",
                facts.scenario.stack.kubernetes
            );
            advise(
                &context,
                "H005",
                &at,
                message,
                "the feature gate HPAConfigurableTolerance is on from 1.35",
            );
        }
    }
}

/// A behavior that is absent, or that does something else than it seems to.
pub(super) fn behavior(context: &Context<'_>, at: &Cursor<'_>, behavior: Option<&Behavior>) {
    let Some(behavior) = behavior else {
        let message = "without a behavior, replicas at most double per sync (or reach 4) and shrink only to what \
                       300 s have asked for";
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
}

/// Two autoscalers of one target. One that several files or actions apply is the same one.
pub(super) fn same_target(facts: &Facts<'_>, context: &Context<'_>, at: &Cursor<'_>, target: &ObjectName) {
    let hpas = facts.objects.iter().flat_map(|objects| &objects.hpas);
    let hpas = hpas.filter(|hpa| hpa.target == *target).map(|hpa| &hpa.name);
    let hpas: BTreeSet<&ObjectName> = hpas.collect();
    let scaled = facts.objects.iter().flat_map(|objects| &objects.scaled_objects);
    let scaled = scaled
        .filter(|object| object.target == *target)
        .map(|object| &object.name);
    let scaled: BTreeSet<&ObjectName> = scaled.collect();
    if hpas.len() + scaled.len() > 1 {
        let message = if !scaled.is_empty() {
            format!("{target} has another autoscaler: KEDA's webhook refuses the second")
        } else {
            format!("{target} has another HorizontalPodAutoscaler: neither scales it")
        };
        context.report(Severity::Error, "E013", at, message, "keep one of them");
    }
}

/// What an autoscaler asks of its pods' use.
pub(super) struct Asked<'a> {
    pub(super) resource: Resource,
    pub(super) container: Option<&'a str>,
    pub(super) target: &'a Target,
}

/// A resource metric needs requests to be a share of, and a use that somebody knows.
pub(super) fn resource_metric(
    facts: &Facts<'_>,
    context: &Context<'_>,
    at: &Cursor<'_>,
    target: &ObjectName,
    asked: Asked<'_>,
) {
    if matches!(asked.target, Target::AverageUtilization(_)) {
        requests(facts, context, at, target, asked.resource, asked.container);
    }
    let of_service = facts.scenario.roles.server == *target;
    let known = of_service && facts.scenario.traffic.service.memory.is_some();
    if asked.resource == Resource::Memory && !known {
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

/// Utilization is a share of requests: a container without one has none.
fn requests(
    facts: &Facts<'_>,
    context: &Context<'_>,
    at: &Cursor<'_>,
    target: &ObjectName,
    resource: Resource,
    container: Option<&str>,
) {
    let deployments = facts.objects.iter().flat_map(|objects| &objects.deployments);
    let Some(deployment) = deployments
        .into_iter()
        .find(|deployment| deployment.name() == *target)
    else {
        return;
    };
    for own in &deployment.object.template.spec.containers {
        let asked = match resource {
            Resource::Cpu => own.requests_cpu && own.requests.cpu > MilliCpu(0),
            Resource::Memory => own.requests_memory,
        };
        if !asked && container.is_none_or(|container| container == own.name) {
            let name = resource.name();
            let message = format!(
                "the container {:?} of {target} requests no {name}: its utilization has no value",
                own.name
            );
            advise(
                context,
                "H003",
                at,
                message,
                &format!("set resources.requests.{name}, or use AverageValue"),
            );
        }
    }
}
