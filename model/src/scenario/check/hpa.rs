//! Advice about HorizontalPodAutoscalers, and about the behavior stanza wherever it stands.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Deployment, Facts, advise};
use crate::api::Container;
use crate::document::{Context, Cursor, Severity};
use crate::hpa::spec::SelectPolicy;
use crate::hpa::{Behavior, Resource, Source, Target};
use crate::manifest::{Document, HorizontalPodAutoscaler};
use crate::quantity::{Bytes, MilliCpu};
use crate::scenario::ObjectName;

pub(super) fn check(facts: &Facts<'_>, document: &Document, root: &Cursor<'_>) {
    let own = |hpa: &&HorizontalPodAutoscaler| {
        hpa.name.name == document.name && hpa.name.namespace == document.namespace
    };
    let Some(hpa) = facts.objects.iter().flat_map(|objects| &objects.hpas).find(own) else {
        return;
    };
    let context = Context::new(&document.file, document.title(), facts.problems);
    behavior(
        facts,
        &context,
        &root.at("spec.behavior"),
        hpa.spec.behavior.as_ref(),
    );
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
        if let (Target::AverageUtilization(_), Some(deployment)) =
            (&metric.target, facts.deployment(&hpa.target))
        {
            requests(&context, &at, deployment, resource, container);
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

/// Utilization is a share of requests: a container without one has none.
fn requests(
    context: &Context<'_>,
    at: &Cursor<'_>,
    target: &Deployment,
    resource: Resource,
    container: Option<&str>,
) {
    for own in without_request(target, resource, container) {
        let name = resource.name();
        let message = format!(
            "the container {:?} of {} requests no {name}: its utilization has no value",
            own.name,
            target.name()
        );
        let hint = format!("set resources.requests.{name}, or use AverageValue");
        advise(context, "H003", at, message, &hint);
    }
}

/// The containers of a Deployment's pods, or the one that is named, that request nothing of a resource.
pub(super) fn without_request<'a>(
    target: &'a Deployment,
    resource: Resource,
    container: Option<&'a str>,
) -> impl Iterator<Item = &'a Container> {
    let containers = target.object.template.spec.containers.iter();
    containers.filter(move |own| {
        let asks = match resource {
            Resource::Cpu => own.requests_cpu && own.requests.cpu > MilliCpu(0),
            Resource::Memory => own.requests_memory && own.requests.memory > Bytes(0),
        };
        !asks && container.is_none_or(|container| container == own.name)
    })
}
