//! Which pods a drain waits for, and which of them it asks to go next
//! (karpenter v1.14 pkg/controllers/node/termination/terminator/terminator.go `Drain`,
//! pkg/utils/pod/scheduling.go; v1.5.0 and v0.32.4 where they differ).

use std::time::Duration;

use sim::Instant;

use crate::api::{Owner, Pod};
use crate::id::PodId;
use crate::karpenter::pod;
use crate::karpenter::version::Profile;

/// How long after its time a pod that does not end is still waited for (`IsStuckTerminating`).
const STUCK: Duration = Duration::from_secs(60);

/// What a drain does next.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Step {
    /// The pods that are to be evicted, or deleted if their time is over.
    pub evict: Vec<PodId>,
    /// Pods whose time is over, to be deleted with that much grace: by the drain itself, until v1.13.
    pub delete: Vec<(PodId, Duration)>,
    /// How many pods the drain waits for.
    pub waiting: usize,
}

/// When a pod has to be deleted to have all its grace before the node's time is over; `None` if the node has
/// all the time in the world.
fn delete_at(pod: &Pod, deadline: Option<Instant>) -> Option<Instant> {
    Some(deadline?.saturating_sub(pod.spec().termination_grace))
}

/// When a pod that is being deleted has to be gone.
fn gone_by(pod: &Pod) -> Option<Instant> {
    pod.deletion.map(|deletion| deletion.at + deletion.grace)
}

/// Whether a pod's time is over, because the node's nearly is (`podDeleteTimeWithGracePeriod`): it could not
/// end in time if it were left alone.
#[must_use]
pub fn needs_force_delete(pod: &Pod, deadline: Option<Instant>, now: Instant) -> bool {
    match (gone_by(pod), deadline) {
        (Some(gone_by), Some(deadline)) => gone_by > deadline,
        _ => delete_at(pod, deadline).is_some_and(|at| now > at),
    }
}

/// The grace of a pod whose time is over: what the node has left, in whole seconds. From v1.14 on it is at
/// least one second, so that a pod is never just forgotten (`DeleteExpiringPods`).
#[must_use]
pub fn forced_grace(deadline: Instant, now: Instant, profile: &Profile) -> Duration {
    let least = u64::from(profile.force_across_groups);
    Duration::from_secs(deadline.since(now).as_secs().max(least))
}

/// Whether a drain waits for a pod to go (`IsWaitingEviction`): not for those that have ended, that put up
/// with the taint, or that do not end although their time was over a minute ago.
#[must_use]
pub fn is_waited_for(pod: &Pod, now: Instant, profile: &Profile) -> bool {
    let stuck = gone_by(pod).is_some_and(|gone_by| now > gone_by + STUCK);
    !pod.is_terminal() && !pod::tolerates_disruption(pod, profile) && !stuck
}

/// The drain group: pods of DaemonSets after others, critical ones after both (`groupPodsByPriority`).
#[must_use]
pub fn group(pod: &Pod) -> u8 {
    let class = pod.spec().priority_class.as_str();
    let critical = matches!(class, "system-cluster-critical" | "system-node-critical");
    2 * u8::from(critical) + u8::from(matches!(pod.owner, Owner::DaemonSet(_)))
}

/// What a drain does next with a node's pods, of which the node must be rid by `deadline`.
///
/// - From v1.14 on pods whose time is over are dealt with first, whatever their group.
/// - From v1.1 on a group has its turn when the former is gone; before, when it is on its way.
/// - Until v0.37 annotations do not protect pods any more here.
#[must_use]
pub fn step<'p>(
    pods: impl Iterator<Item = (PodId, &'p Pod)>,
    deadline: Option<Instant>,
    now: Instant,
    profile: &Profile,
) -> Step {
    let waiting: Vec<(PodId, &Pod)> = pods.filter(|(_, pod)| is_waited_for(pod, now, profile)).collect();
    let mut step = Step {
        waiting: waiting.len(),
        ..Step::default()
    };
    let over = |pod: &Pod| needs_force_delete(pod, deadline, now);
    if profile.force_across_groups {
        let late = waiting.iter().filter(|(_, pod)| over(pod));
        step.evict.extend(late.map(|(id, _)| *id));
    } else if let Some(deadline) = deadline {
        let late = waiting
            .iter()
            .filter(|(_, pod)| pod.deletion.is_none() && over(pod));
        let grace = forced_grace(deadline, now, profile);
        step.delete.extend(late.map(|(id, _)| (*id, grace)));
    }
    let graceful = || {
        waiting.iter().filter(|(_, pod)| {
            let counts = profile.drain_groups_strict || pod.deletion.is_none();
            counts && !(profile.force_across_groups && over(pod))
        })
    };
    let Some(turn) = graceful().map(|(_, pod)| group(pod)).min() else {
        return step;
    };
    let own = graceful().filter(|(_, pod)| group(pod) == turn);
    // Later releases put all of a group in the queue, which leaves alone what may not go.
    let asked = own.filter(|(id, pod)| {
        let deleted = step.delete.iter().any(|(other, _)| other == id);
        !deleted && (profile.force_across_groups || pod::is_evictable(pod, now, profile))
    });
    let asked: Vec<PodId> = asked.map(|(id, _)| *id).collect();
    step.evict.extend(asked);
    step
}
