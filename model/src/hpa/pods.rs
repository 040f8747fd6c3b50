//! Pods as the replica calculator sees them: through the informer's cache, not through the metrics.

use std::time::Duration;

use sim::{Instant, SortedMap, SortedSet};

use super::reading::Sample;
use super::spec::Resource;
use super::version::Profile;
use crate::api::{Container, Phase, Pod, PodSpec};
use crate::id::PodId;
use crate::quantity::Resources;

/// A condition's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConditionStatus {
    /// `True`
    True,
    /// `False`
    False,
    /// `Unknown`: neither, which counts as ready in one rule and as not ready in another.
    Unknown,
}

/// A pod that the target's selector matches.
#[derive(Debug, Clone, Copy)]
pub struct PodView<'a> {
    /// Which.
    pub id: PodId,
    /// status.phase
    pub phase: Phase,
    /// It has a deletion timestamp.
    pub terminating: bool,
    /// The Ready condition and its last transition.
    pub ready: Option<(ConditionStatus, Instant)>,
    /// status.startTime
    pub started: Option<Instant>,
    /// spec, for the requests
    pub spec: &'a PodSpec,
}

impl<'a> PodView<'a> {
    /// A pod of the store.
    #[must_use]
    pub fn new(id: PodId, pod: &'a Pod) -> Self {
        let status = |ready: bool| {
            if ready {
                ConditionStatus::True
            } else {
                ConditionStatus::False
            }
        };
        PodView {
            id,
            phase: pod.phase,
            terminating: pod.deletion.is_some(),
            ready: pod
                .ready
                .map(|condition| (status(condition.status), condition.since)),
            started: pod.started,
            spec: pod.spec(),
        }
    }

    fn is_running_and_ready(&self) -> bool {
        self.phase == Phase::Running && matches!(self.ready, Some((ConditionStatus::True, _)))
    }
}

/// How many pods run and are Ready, terminating ones included; `None` if there are no pods at all, which is
/// an error (kubernetes 1.35 pkg/controller/podautoscaler/replica_calculator.go `getReadyPodsCount`).
pub(super) fn ready_pods_count(pods: &[PodView<'_>]) -> Option<usize> {
    (!pods.is_empty()).then(|| pods.iter().filter(|pod| pod.is_running_and_ready()).count())
}

/// How many pods of a target were counted how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// As they are.
    pub ready: usize,
    /// Not yet trusted: pending, or starting.
    pub unready: usize,
    /// Without a sample.
    pub missing: usize,
    /// Not at all: on their way out, or failed.
    pub ignored: usize,
}

/// How long a pod's CPU use is not taken at face value.
#[derive(Debug, Clone, Copy)]
pub struct Initialization {
    /// `--horizontal-pod-autoscaler-cpu-initialization-period`
    pub cpu_period: Duration,
    /// `--horizontal-pod-autoscaler-initial-readiness-delay`
    pub readiness_delay: Duration,
}

/// Pods by how a per-pod metric counts them.
#[derive(Debug, Default)]
pub(super) struct Groups {
    /// Counted as they are.
    pub(super) ready: usize,
    /// Not yet to be trusted.
    pub(super) unready: SortedSet<PodId>,
    /// Without a sample.
    pub(super) missing: SortedSet<PodId>,
    /// On their way out.
    pub(super) ignored: SortedSet<PodId>,
}

impl Groups {
    pub(super) fn counts(&self) -> Counts {
        Counts {
            ready: self.ready,
            unready: self.unready.len(),
            missing: self.missing.len(),
            ignored: self.ignored.len(),
        }
    }
}

/// Sorts pods into groups; `cpu` switches the rules for starting pods on (kubernetes 1.35
/// pkg/controller/podautoscaler/replica_calculator.go `groupPods`).
pub(super) fn group_pods(
    now: Instant,
    pods: &[PodView<'_>],
    samples: &SortedMap<PodId, Sample>,
    cpu: Option<Initialization>,
) -> Groups {
    let mut groups = Groups::default();
    for pod in pods {
        if pod.terminating || pod.phase == Phase::Failed {
            groups.ignored.insert(pod.id);
        } else if pod.phase == Phase::Pending {
            groups.unready.insert(pod.id);
        } else {
            match samples.get(&pod.id) {
                None => {
                    groups.missing.insert(pod.id);
                }
                Some(sample) if cpu.is_some_and(|rules| is_starting(now, pod, sample, rules)) => {
                    groups.unready.insert(pod.id);
                }
                Some(_) => groups.ready += 1,
            }
        }
    }
    groups
}

/// Whether a pod's CPU sample may still be that of its start.
fn is_starting(now: Instant, pod: &PodView<'_>, sample: &Sample, rules: Initialization) -> bool {
    let (Some((status, transition)), Some(started)) = (pod.ready, pod.started) else {
        return true;
    };
    let unready = status == ConditionStatus::False;
    if started + rules.cpu_period > now {
        // Unready, or no whole window has been measured since it became ready.
        unready || sample.timestamp < transition + sample.window
    } else {
        // It has never been ready.
        unready && started + rules.readiness_delay > transition
    }
}

/// What each pod requests of a resource, in thousandths; an error if one of them lacks it (kubernetes 1.35
/// pkg/controller/podautoscaler/replica_calculator.go `calculateRequests`).
pub(super) fn calculate_requests(
    profile: &Profile,
    pods: &[PodView<'_>],
    resource: Resource,
    container: Option<&str>,
) -> Option<SortedMap<PodId, i64>> {
    let of_pod = |pod: &PodView<'_>| {
        // A pod whose own stanza names any resource is judged by its sums for all of them.
        let heeded = profile.pod_level_requests && container.is_none();
        let pod_level = heeded && pod.spec.pod_level.requests_something();
        let request = if pod_level {
            pod_level_request(pod.spec, resource)
        } else {
            container_requests(profile, pod.spec, resource, container)
        };
        Some((pod.id, request?))
    };
    pods.iter().map(of_pod).collect()
}

fn pod_level_request(spec: &PodSpec, resource: Resource) -> Option<i64> {
    let named = match resource {
        Resource::Cpu => spec.names_cpu(),
        Resource::Memory => spec.names_memory(),
    };
    named.then(|| amount(&spec.requests(), resource))
}

fn container_requests(
    profile: &Profile,
    spec: &PodSpec,
    resource: Resource,
    container: Option<&str>,
) -> Option<i64> {
    let sidecars = spec.init_containers.iter().filter(|init| init.restartable);
    let counted = spec
        .containers
        .iter()
        .chain(sidecars.filter(|_| profile.sidecar_requests));
    let mut sum = 0;
    for own in counted {
        if container.is_none_or(|name| name == own.name) {
            sum += requests(own, resource)?;
            if container.is_some() {
                return Some(sum);
            }
        }
    }
    let unknown = container.is_some() && profile.unknown_container_fails;
    (!unknown).then_some(sum)
}

/// A container's request, if it names the resource.
fn requests(container: &Container, resource: Resource) -> Option<i64> {
    let named = match resource {
        Resource::Cpu => container.requests_cpu,
        Resource::Memory => container.requests_memory,
    };
    named.then(|| amount(&container.requests, resource))
}

/// In thousandths.
fn amount(resources: &Resources, resource: Resource) -> i64 {
    match resource {
        Resource::Cpu => resources.cpu.0,
        Resource::Memory => resources.memory.0.saturating_mul(1000),
    }
}
