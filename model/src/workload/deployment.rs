//! What a Deployment wants of its ReplicaSets.
//!
//! The real controller (kubernetes 1.35 pkg/controller/deployment) is event driven and takes one step a
//! sync: it scales when somebody changed `spec.replicas`, and otherwise moves a rollout on by one move of
//! the new ReplicaSet or of the old ones. [`sync`] is that step as a function; calling it again after the
//! step was made continues. Paused Deployments, revision history and progress deadlines have no part in
//! how many pods there are and are left out.

use sim::Instant;

use crate::api::{IntOrPercent, Strategy};

/// One ReplicaSet of the Deployment, as the controller sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetView {
    /// spec.replicas
    pub replicas: i32,
    /// status.availableReplicas
    pub available: i32,
    /// Its pods that have not ended, those being deleted included.
    pub pods: i32,
    /// The Deployment's replicas when it last scaled this set (an annotation).
    pub desired: i32,
    /// metadata.creationTimestamp
    pub created: Instant,
    /// Whether its template is the Deployment's own.
    pub is_new: bool,
}

/// A step of the Deployment controller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Make the ReplicaSet of the current template, of this size.
    Create(i32),
    /// Scale sets, given by position.
    Scale(Vec<(usize, i32)>),
}

/// The bounds of a rollout in pods: `(maxSurge, maxUnavailable)`, of which at least one is positive
/// (kubernetes 1.35 pkg/controller/deployment/util/deployment_util.go `ResolveFenceposts`).
#[must_use]
pub fn fenceposts(strategy: Strategy, replicas: i32) -> (i32, i32) {
    let Strategy::RollingUpdate {
        max_surge,
        max_unavailable,
    } = strategy
    else {
        return (0, 0);
    };
    let surge = max_surge.rounded_up(replicas);
    let unavailable = match max_unavailable {
        IntOrPercent::Int(pods) => pods,
        IntOrPercent::Percent(percent) => percent * replicas / 100,
    };
    if surge == 0 && unavailable == 0 {
        (0, 1)
    } else {
        (surge, unavailable.min(replicas))
    }
}

/// The next step, if any (kubernetes 1.35 pkg/controller/deployment/deployment_controller.go
/// `syncDeployment`).
#[must_use]
pub fn sync(strategy: Strategy, replicas: i32, sets: &[SetView]) -> Option<Step> {
    let scaled = sets.iter().any(|set| set.replicas > 0 && set.desired != replicas);
    if scaled {
        let moves = scale(strategy, replicas, sets);
        return (!moves.is_empty()).then_some(Step::Scale(moves));
    }
    match strategy {
        Strategy::Recreate => recreate(replicas, sets),
        Strategy::RollingUpdate { .. } => roll(strategy, replicas, sets),
    }
}

/// Brings the sets to a changed `spec.replicas`: the only active one whole, several in proportion
/// (pkg/controller/deployment/sync.go `scale`).
fn scale(strategy: Strategy, replicas: i32, sets: &[SetView]) -> Vec<(usize, i32)> {
    let active: Vec<usize> = (0..sets.len()).filter(|&i| sets[i].replicas > 0).collect();
    if let [only] = active[..] {
        return vec![(only, replicas)];
    }
    let saturated = |set: &SetView| {
        set.is_new && set.replicas == replicas && set.desired == replicas && set.available == replicas
    };
    if sets.iter().any(saturated) {
        return active
            .into_iter()
            .filter(|&i| !sets[i].is_new)
            .map(|i| (i, 0))
            .collect();
    }
    let surge = |desired: i32| desired + fenceposts(strategy, desired).0;
    let total: i32 = active.iter().map(|&i| sets[i].replicas).sum();
    let allowed = if replicas > 0 { surge(replicas) } else { 0 };
    let to_add = allowed - total;
    proportional(sets, active, to_add, |set| {
        if replicas == 0 {
            return -set.replicas;
        }
        let size = f64::from(set.replicas) * f64::from(surge(replicas)) / f64::from(surge(set.desired));
        libm::round(size) as i32 - set.replicas
    })
}

/// Spreads an amount over sets, largest first, the remainder to the largest.
fn proportional(
    sets: &[SetView],
    mut active: Vec<usize>,
    to_add: i32,
    fraction: impl Fn(&SetView) -> i32,
) -> Vec<(usize, i32)> {
    let newer_first = to_add > 0;
    active.sort_by(|&a, &b| {
        let age = sets[a].created.cmp(&sets[b].created);
        let age = if newer_first { age.reverse() } else { age };
        sets[b].replicas.cmp(&sets[a].replicas).then(age)
    });
    let mut added = 0;
    let mut moves: Vec<(usize, i32)> = Vec::with_capacity(active.len());
    for &i in &active {
        let room = to_add - added;
        let share = match to_add.signum() {
            1 => fraction(&sets[i]).min(room),
            -1 => fraction(&sets[i]).max(room),
            _ => 0,
        };
        added += share;
        moves.push((i, sets[i].replicas + share));
    }
    if let Some(largest) = moves.first_mut() {
        largest.1 = (largest.1 + to_add - added).max(0);
    }
    moves
}

/// All old pods go, and once they have ended the new set comes (pkg/controller/deployment/recreate.go
/// `rolloutRecreate`, `oldPodsRunning`).
fn recreate(replicas: i32, sets: &[SetView]) -> Option<Step> {
    let old: Vec<(usize, i32)> = (0..sets.len())
        .filter(|&i| !sets[i].is_new && sets[i].replicas > 0)
        .map(|i| (i, 0))
        .collect();
    if !old.is_empty() {
        return Some(Step::Scale(old));
    }
    if sets.iter().any(|set| !set.is_new && set.pods > 0) {
        return None;
    }
    match sets.iter().position(|set| set.is_new) {
        None => Some(Step::Create(replicas)),
        Some(new) if sets[new].replicas != replicas => Some(Step::Scale(vec![(new, replicas)])),
        Some(_) => None,
    }
}

/// One move of a rolling update (pkg/controller/deployment/rolling.go).
fn roll(strategy: Strategy, replicas: i32, sets: &[SetView]) -> Option<Step> {
    let (surge, unavailable) = fenceposts(strategy, replicas);
    let total: i32 = sets.iter().map(|set| set.replicas).sum();
    let room = (replicas + surge - total).max(0);
    let Some(new) = sets.iter().position(|set| set.is_new) else {
        return Some(Step::Create(room.min(replicas)));
    };
    let size = sets[new].replicas;
    let wanted = if size > replicas {
        replicas
    } else {
        size + room.min(replicas - size)
    };
    if wanted != size {
        return Some(Step::Scale(vec![(new, wanted)]));
    }
    let moves = shrink_old(sets, new, total, replicas - unavailable);
    (!moves.is_empty()).then_some(Step::Scale(moves))
}

/// Takes from the old sets what availability allows: unhealthy pods first, then the oldest set's
/// (pkg/controller/deployment/rolling.go `reconcileOldReplicaSets`).
fn shrink_old(sets: &[SetView], new: usize, total: i32, min_available: i32) -> Vec<(usize, i32)> {
    let mut old: Vec<usize> = (0..sets.len())
        .filter(|&i| i != new && sets[i].replicas > 0)
        .collect();
    old.sort_by_key(|&i| sets[i].created);
    let new_unavailable = sets[new].replicas - sets[new].available;
    let mut budget = total - min_available - new_unavailable;
    if old.is_empty() || budget <= 0 {
        return Vec::new();
    }
    let mut sizes: Vec<i32> = sets.iter().map(|set| set.replicas).collect();
    for &i in &old {
        let unhealthy = (sets[i].replicas - sets[i].available).clamp(0, budget);
        sizes[i] -= unhealthy;
        budget -= unhealthy;
    }
    let available: i32 = sets.iter().map(|set| set.available).sum();
    let mut spare = (available - min_available).max(0);
    for &i in &old {
        let healthy = sizes[i].min(spare);
        sizes[i] -= healthy;
        spare -= healthy;
    }
    old.into_iter()
        .filter(|&i| sizes[i] != sets[i].replicas)
        .map(|i| (i, sizes[i]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(replicas: i32, available: i32, desired: i32, created: u64, is_new: bool) -> SetView {
        SetView {
            replicas,
            available,
            pods: replicas,
            desired,
            created: Instant::from_secs(created),
            is_new,
        }
    }

    fn rolling() -> Strategy {
        Strategy::default()
    }

    #[test]
    fn the_only_active_set_takes_the_whole_count() {
        let sets = [set(39, 34, 39, 0, true)];
        assert_eq!(sync(rolling(), 46, &sets), Some(Step::Scale(vec![(0, 46)])));
        assert_eq!(sync(rolling(), 39, &sets), None);
    }

    #[test]
    fn fenceposts_round_apart_and_never_both_to_zero() {
        assert_eq!(fenceposts(rolling(), 10), (3, 2));
        let none = Strategy::RollingUpdate {
            max_surge: IntOrPercent::Int(0),
            max_unavailable: IntOrPercent::Percent(5),
        };
        assert_eq!(fenceposts(none, 10), (0, 1));
    }

    #[test]
    fn a_rollout_surges_then_drains_the_old() {
        let old = set(10, 10, 10, 0, false);
        assert_eq!(sync(rolling(), 10, &[old]), Some(Step::Create(3)));
        // three new ones, none available: two old ones may go (8 must stay available)
        let step = sync(rolling(), 10, &[old, set(3, 0, 10, 9, true)]);
        assert_eq!(step, Some(Step::Scale(vec![(0, 8)])));
        let step = sync(rolling(), 10, &[set(8, 8, 10, 0, false), set(3, 0, 10, 9, true)]);
        assert_eq!(step, Some(Step::Scale(vec![(1, 5)])));
    }

    #[test]
    fn scaling_during_a_rollout_is_proportional() {
        // 8 old and 5 new of 10 (+3); to 20 (+5): 25 in all, 12 to add
        let sets = [set(8, 8, 10, 0, false), set(5, 5, 10, 9, true)];
        let Some(Step::Scale(moves)) = sync(rolling(), 20, &sets) else {
            panic!("it scales")
        };
        assert_eq!(moves, [(0, 15), (1, 10)]);
    }

    /// 10 replicas, of which 8 must stay available. Two of the five new pods are not: of the 13 pods 3 may go,
    /// 11 are available and so 3 healthy ones are spare, and the oldest set's go first.
    #[test]
    fn the_oldest_set_goes_first_as_far_as_availability_allows() {
        let sets = [
            set(5, 5, 10, 5, false),
            set(3, 3, 10, 0, false),
            set(5, 3, 10, 9, true),
        ];
        assert_eq!(sync(rolling(), 10, &sets), Some(Step::Scale(vec![(1, 0)])));
        // Two of the older set's are unhealthy: they go first and cost no availability, and one more may.
        let sets = [
            set(5, 5, 10, 0, false),
            set(3, 1, 10, 5, false),
            set(5, 3, 10, 9, true),
        ];
        let step = Step::Scale(vec![(0, 4), (1, 1)]);
        assert_eq!(sync(rolling(), 10, &sets), Some(step));
    }

    #[test]
    fn recreate_rests_when_the_new_set_is_whole() {
        let old = SetView {
            pods: 0,
            ..set(0, 0, 4, 0, false)
        };
        let step = |new| sync(Strategy::Recreate, 4, &[old, new]);
        assert_eq!(step(set(4, 4, 4, 9, true)), None);
    }

    #[test]
    fn recreate_waits_until_the_last_old_pod_has_ended() {
        let step = |old| sync(Strategy::Recreate, 4, &[old]);
        assert_eq!(step(set(4, 4, 4, 0, false)), Some(Step::Scale(vec![(0, 0)])));
        let ending = SetView {
            pods: 1,
            ..set(0, 0, 4, 0, false)
        };
        assert_eq!(step(ending), None);
        assert_eq!(step(set(0, 0, 4, 0, false)), Some(Step::Create(4)));
    }
}
