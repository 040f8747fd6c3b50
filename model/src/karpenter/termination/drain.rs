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
    /// The pods that are to be evicted.
    pub evict: Vec<PodId>,
    /// Pods whose time is over, to be deleted with that much grace, whatever their group.
    pub delete: Vec<(PodId, Duration)>,
    /// Pods whose annotation keeps them from being evicted now.
    pub kept: Vec<PodId>,
    /// How many pods the drain waits for.
    pub waiting: usize,
}

/// When a pod that is being deleted has to be gone.
fn gone_by(pod: &Pod) -> Option<Instant> {
    pod.deletion.map(|deletion| deletion.at + deletion.grace)
}

/// Whether a pod has to be deleted, because it could not end before its node's time is over if it were left alone
/// (`DeleteExpiringPods`). One that is being deleted is let be, unless it would take longer than the node has.
#[must_use]
pub fn needs_force_delete(pod: &Pod, deadline: Instant, now: Instant, profile: &Profile) -> bool {
    let ends_in_time = gone_by(pod).is_some_and(|gone_by| !profile.forced_again || gone_by <= deadline);
    let latest = deadline.saturating_sub(pod.spec().termination_grace);
    !ends_in_time && now > latest
}

/// The grace of a pod whose time is over: what the node has left, in whole seconds.
#[must_use]
pub fn forced_grace(deadline: Instant, now: Instant, profile: &Profile) -> Duration {
    Duration::from_secs(deadline.since(now).as_secs()).max(profile.forced_grace_least)
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
    if let Some(deadline) = deadline {
        let late = waiting
            .iter()
            .filter(|(_, pod)| needs_force_delete(pod, deadline, now, profile));
        let grace = forced_grace(deadline, now, profile);
        step.delete.extend(late.map(|(id, _)| (*id, grace)));
    }
    let groups = || {
        let counts = |pod: &Pod| profile.drain_groups_strict || pod.deletion.is_none();
        waiting.iter().filter(move |(_, pod)| counts(pod))
    };
    let Some(turn) = groups().map(|(_, pod)| group(pod)).min() else {
        return step;
    };
    for (id, pod) in groups().filter(|(_, pod)| group(pod) == turn && pod.is_active()) {
        if step.delete.iter().any(|(other, _)| other == id) {
            continue;
        }
        match pod::is_evictable(pod, now, profile) {
            true => step.evict.push(*id),
            false => step.kept.push(*id),
        }
    }
    step
}
