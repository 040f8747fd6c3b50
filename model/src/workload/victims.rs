//! Which pods a ReplicaSet gives up when it has too many
//! (kubernetes 1.35 pkg/controller/controller_utils.go `ActivePodsWithRanks.Less`,
//! pkg/controller/replicaset/replica_set.go `getPodsToDelete`).
//!
//! The relation is not transitive: ages are compared by the logarithm of their nanoseconds, and pods of one
//! second by other rules than pods of different seconds. What upstream's sort makes of a cycle, or of
//! complete ties, depends on an arbitrary input order, so that order is drawn here.

use std::cmp::{Ordering, Reverse};

use rand::seq::SliceRandom;
use sim::{Instant, SortedMap, Stream};

use crate::api::{Api, Phase, Pod, Restarts};
use crate::id::{NodeId, PodId, ReplicaSetId};

/// The annotation that makes a pod cheaper or dearer to delete.
const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";

/// What the comparison looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// Whether a node is assigned.
    pub assigned: bool,
    /// status.phase
    pub phase: Phase,
    /// The Ready condition is True, since then; the inner `None` is a condition that does not say since
    /// when, which goes first.
    pub ready_since: Option<Option<Instant>>,
    /// `controller.kubernetes.io/pod-deletion-cost`
    pub deletion_cost: i32,
    /// How many active pods of the whole Deployment are on its node.
    pub rank: usize,
    /// The most restarts of one container.
    pub restarts: Restarts,
    /// metadata.creationTimestamp
    pub created: Instant,
    /// metadata.uid
    pub uid: u128,
}

/// Which of two pods goes first: `Less` is the first to be deleted.
#[must_use]
pub fn compare(now: Instant, a: &Candidate, b: &Candidate) -> Ordering {
    compare_keyed((a, &Keys::of(now, a)), (b, &Keys::of(now, b)))
}

/// What is compared again and again.
#[derive(Debug, Clone, Copy)]
struct Keys {
    /// What decides first: whether it is assigned, its phase, whether it is Ready, its cost, its rank.
    coarse: (u8, i32, Reverse<usize>),
    /// The logarithm of its age since it is Ready; of no meaning if it does not say.
    ready: i64,
    /// The same since its creation.
    created: i64,
}

impl Keys {
    fn of(now: Instant, candidate: &Candidate) -> Self {
        let (assigned, ready) = (candidate.assigned, candidate.ready_since.is_some());
        let stage = u8::from(assigned) << 3 | phase_order(candidate.phase) << 1 | u8::from(ready);
        let since = candidate.ready_since.flatten();
        Keys {
            coarse: (stage, candidate.deletion_cost, Reverse(candidate.rank)),
            ready: since.map_or(0, |since| log2_age(now, since)),
            created: log2_age(now, candidate.created),
        }
    }
}

fn compare_keyed((a, keys): (&Candidate, &Keys), (b, others): (&Candidate, &Keys)) -> Ordering {
    // The younger goes first, if its age has a smaller logarithm; else the smaller uid.
    let by_age = |own: i64, other: i64| own.cmp(&other).then(a.uid.cmp(&b.uid));
    let readiness = || match (a.ready_since, b.ready_since) {
        (Some(since), Some(other)) if since != other => match (since, other) {
            (Some(_), Some(_)) => by_age(keys.ready, others.ready),
            _ => since.is_some().cmp(&other.is_some()),
        },
        _ => Ordering::Equal,
    };
    let creation = || match a.created == b.created {
        true => Ordering::Equal,
        false => by_age(keys.created, others.created),
    };
    let coarse = keys.coarse.cmp(&others.coarse);
    coarse
        .then_with(readiness)
        .then_with(|| b.restarts.cmp(&a.restarts))
        .then_with(creation)
}

fn phase_order(phase: Phase) -> u8 {
    match phase {
        Phase::Unknown => 1,
        Phase::Running => 2,
        Phase::Pending | Phase::Succeeded | Phase::Failed => 0,
    }
}

/// The logarithm in Go's own way, whose rounding decides at the edges: 2^50 - 1 is in bucket 50.
fn log2_age(now: Instant, since: Instant) -> i64 {
    let nanos = now.since(since).as_nanos();
    if nanos == 0 {
        return -1;
    }
    let (fraction, exponent) = libm::frexp(nanos as f64);
    if fraction == 0.5 {
        return i64::from(exponent) - 1;
    }
    (libm::log(fraction) * (1.0 / std::f64::consts::LN_2) + f64::from(exponent)) as i64
}

/// `controller.kubernetes.io/pod-deletion-cost` as a number; what is no plain number counts as none
/// (kubernetes 1.35 pkg/apis/core/helper/helpers.go `GetDeletionCostFromPodAnnotations`).
#[must_use]
pub fn deletion_cost(text: &str) -> i32 {
    let plain = matches!(text.as_bytes(), [b'0'] | [b'-', ..] | [b'1'..=b'9', ..]);
    text.parse().ok().filter(|_| plain).unwrap_or(0)
}

/// Chooses `count` of the active pods of a ReplicaSet.
#[must_use]
pub fn pods_to_delete(
    api: &Api,
    set: ReplicaSetId,
    active: &[PodId],
    count: usize,
    now: Instant,
    ties: &mut Stream,
) -> Vec<PodId> {
    if count >= active.len() {
        return active.to_vec();
    }
    let candidates = candidates(api, set, active);
    let keys: Vec<Keys> = candidates.iter().map(|(_, own)| Keys::of(now, own)).collect();
    let mut order: Vec<usize> = (0..candidates.len()).collect();
    order.shuffle(ties);
    let keyed = |at: usize| (&candidates[at].1, &keys[at]);
    insertion_sort(&mut order, |a, b| compare_keyed(keyed(*a), keyed(*b)));
    order.truncate(count);
    order.into_iter().map(|at| candidates[at].0).collect()
}

/// What the comparison looks at, for each of the active pods of a ReplicaSet.
#[must_use]
pub fn candidates(api: &Api, set: ReplicaSetId, active: &[PodId]) -> Vec<(PodId, Candidate)> {
    let ranks = ranks(api, set);
    let known = |&id| Some((id, candidate(api.pods.get(id)?, &ranks)));
    active.iter().filter_map(known).collect()
}

/// A sort that does not mind a relation that is no order.
fn insertion_sort<T>(items: &mut [T], compare: impl Fn(&T, &T) -> Ordering) {
    for end in 1..items.len() {
        let mut at = end;
        while at > 0 && compare(&items[at], &items[at - 1]) == Ordering::Less {
            items.swap(at, at - 1);
            at -= 1;
        }
    }
}

/// How many active pods of the Deployment each node has; pods without a node count together
/// (`getPodsRankedByRelatedPodsOnSameNode`).
fn ranks(api: &Api, set: ReplicaSetId) -> SortedMap<Option<NodeId>, usize> {
    let mut ranks = SortedMap::new();
    if let Some(set) = api.replica_sets.get(set) {
        for (_, pod) in api
            .pods_of_deployment(set.deployment)
            .filter(|(_, pod)| pod.is_active())
        {
            *ranks.entry(pod.node).or_insert(0) += 1;
        }
    }
    ranks
}

fn candidate(pod: &Pod, ranks: &SortedMap<Option<NodeId>, usize>) -> Candidate {
    let cost = pod.template.annotations.get(DELETION_COST);
    Candidate {
        assigned: pod.node.is_some(),
        phase: pod.phase,
        ready_since: pod
            .ready
            .filter(|ready| ready.status)
            .map(|ready| Some(ready.since)),
        deletion_cost: cost.map_or(0, |text| deletion_cost(text)),
        rank: ranks.get(&pod.node).copied().unwrap_or(0),
        restarts: pod.restarts,
        created: pod.created,
        uid: pod.uid,
    }
}
