//! Advice about the use of CPU and memory as a metric: requests that it is a share of, and limits that bound it.

use super::{Deployment, Facts, advise};
use crate::api::Container;
use crate::document::{Context, Cursor, Severity};
use crate::hpa::{Profile, Resource, Target};
use crate::quantity::{Bytes, MilliCpu};
use crate::scenario::ObjectName;

/// What a resource metric looks at.
pub(super) struct Measured<'a> {
    /// The pods.
    pub(super) deployment: &'a Deployment,
    pub(super) resource: Resource,
    /// One container of theirs; all of them, if none is named.
    pub(super) container: Option<&'a str>,
}

impl<'a> Measured<'a> {
    /// Containers and sidecars, which count from the release that counts their requests.
    fn containers(&self, facts: &Facts<'_>) -> impl Iterator<Item = &'a Container> + use<'a> {
        let spec = &self.deployment.object.template.spec;
        let counts = Profile::of(facts.scenario.stack.kubernetes.into()).sidecar_requests;
        let sidecars = spec.init_containers.iter();
        let sidecars = sidecars.filter(move |init| init.restartable && counts);
        spec.containers.iter().chain(sidecars)
    }

    /// Whether the pods' own stanza is what counts (kubernetes 1.35
    /// pkg/controller/podautoscaler/replica_calculator.go `calculateRequests`).
    fn is_pod_level(&self, facts: &Facts<'_>) -> bool {
        let heeded = Profile::of(facts.scenario.stack.kubernetes.into()).pod_level_requests;
        let own = &self.deployment.object.template.spec.pod_level;
        heeded && self.container.is_none() && own.requests_something()
    }
}

/// Of what has no traffic nobody knows what CPU it uses.
pub(super) fn known(facts: &Facts<'_>, context: &Context<'_>, at: &Cursor<'_>, measured: &Measured<'_>) {
    let name = measured.deployment.name();
    let spec = &measured.deployment.object.template.spec;
    let main = spec
        .containers
        .get(spec.main_container())
        .map(|own| own.name.as_str());
    let sidecars = spec.init_containers.iter();
    let mut all = spec.containers.iter().chain(sidecars);
    // One that is not there has no value, and reads as nothing.
    let is_missing = measured
        .container
        .is_some_and(|name| !all.any(|own| own.name == name));
    let message = if measured.resource != Resource::Cpu || is_missing {
        return;
    } else if !has_traffic(facts, &name) {
        format!("nothing says what pods of {name} use of CPU: it reads as 0, and they shrink to the minimum")
    } else if let Some(other) = measured.container.filter(|own| Some(*own) != main) {
        format!(
            "nothing says what the container {other:?} uses of CPU: it reads as 0, and pods of {name} shrink to the minimum"
        )
    } else {
        return;
    };
    context.report(Severity::Warning, "W010", at, message, UNKNOWN_CPU);
}

pub(super) const UNKNOWN_CPU: &str =
    "known is what requests cost: of the service, of the proxy and of clients, in the main container";

/// Whether pods of a Deployment have a part in the traffic.
pub(super) fn has_traffic(facts: &Facts<'_>, name: &ObjectName) -> bool {
    let roles = &facts.scenario.roles;
    roles.server == *name || roles.proxy == *name || roles.client.as_ref() == Some(name)
}

/// Utilization is a share of requests: a container without one has none.
pub(super) fn requests(
    facts: &Facts<'_>,
    context: &Context<'_>,
    at: &Cursor<'_>,
    measured: &Measured<'_>,
    target: &Target,
) {
    if !matches!(target, Target::AverageUtilization(_)) || measured.is_pod_level(facts) {
        return;
    }
    for own in without_request(measured.containers(facts), measured.resource, measured.container) {
        let name = measured.resource.name();
        let message = format!(
            "the container {:?} of {} requests no {name}: its utilization has no value",
            own.name,
            measured.deployment.name()
        );
        let hint = format!("set resources.requests.{name}, or use AverageValue");
        advise(context, "H003", at, message, &hint);
    }
}

/// The containers, or the one that is named, that request nothing of a resource.
pub(super) fn without_request<'a>(
    containers: impl Iterator<Item = &'a Container>,
    resource: Resource,
    container: Option<&'a str>,
) -> impl Iterator<Item = &'a Container> {
    containers.filter(move |own| {
        let asks = match resource {
            Resource::Cpu => own.requests_cpu && own.requests.cpu > MilliCpu(0),
            Resource::Memory => own.requests_memory && own.requests.memory > Bytes(0),
        };
        !asks && container.is_none_or(|container| container == own.name)
    })
}

/// A container that is named and not there, and a target that limits keep the pods from.
pub(super) fn check(
    facts: &Facts<'_>,
    context: &Context<'_>,
    at: &Cursor<'_>,
    measured: &Measured<'_>,
    target: &Target,
) {
    let spec = &measured.deployment.object.template.spec;
    let mut all = spec.containers.iter().chain(&spec.init_containers);
    if let Some(name) = measured.container
        && !all.any(|own| own.name == name)
    {
        let names: Vec<&str> = spec.containers.iter().map(|own| own.name.as_str()).collect();
        let message = format!(
            "pods of {} have no container {name:?}: this metric never has a value",
            measured.deployment.name()
        );
        advise(
            context,
            "H007",
            at,
            message,
            &format!("they have {}", names.join(", ")),
        );
        return;
    }
    if measured.resource == Resource::Cpu {
        reach(facts, context, at, measured, target);
    }
}

/// Of a CPU target: whether full pods are above it.
fn reach(
    facts: &Facts<'_>,
    context: &Context<'_>,
    at: &Cursor<'_>,
    measured: &Measured<'_>,
    target: &Target,
) {
    let own = |container: &&Container| measured.container.is_none_or(|name| name == container.name);
    let containers = || measured.containers(facts).filter(own);
    let limits: Option<Vec<i64>> = containers()
        .map(|container| container.cpu_limit.map(|limit| limit.0))
        .collect();
    let spec = &measured.deployment.object.template.spec;
    let whole = spec.pod_level.cpu_limit.map(|limit| limit.0);
    let bounds = limits
        .map(|limits| limits.into_iter().sum())
        .into_iter()
        .chain(whole);
    let Some(most) = bounds.min().map(|most| most as f64) else {
        return;
    };
    let requests = match measured.is_pod_level(facts) {
        true => spec.requests().cpu.0,
        false => containers().map(|container| container.requests.cpu.0).sum(),
    };
    let (most, target, unit) = match target {
        Target::AverageUtilization(target) if requests > 0 => {
            (most * 100.0 / requests as f64, f64::from(*target), " %")
        }
        Target::AverageValue(target) => (most, target.as_f64() * 1000.0, "m"),
        _ => return,
    };
    let tolerance = facts.scenario.config.hpa.tolerance;
    let does = if most < target * (1.0 - tolerance) {
        "full pods are scaled in"
    } else if most <= target * (1.0 + tolerance) {
        "full pods never scale out"
    } else {
        return;
    };
    let message =
        format!("limits keep a pod at {most:.0}{unit} of CPU, and the target is {target:.0}{unit}: {does}");
    let hint = "take a target well below what a pod can reach, or a higher limit";
    advise(context, "H008", at, message, hint);
}
