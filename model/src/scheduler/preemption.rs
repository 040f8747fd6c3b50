//! Preemption: whom to delete so that a pod fits
//! (kubernetes 1.35 pkg/scheduler/framework/preemption/preemption.go,
//! pkg/scheduler/framework/plugins/defaultpreemption/default_preemption.go).

use std::cmp::Reverse;

use rand::RngExt;
use sim::Stream;

use super::cache::Cache;
use super::cycle::Found;
use super::filter::{PreFilterState, run_filters_with_nominated_pods};
use super::node_info::{NodeInfo, PlacedPod, PodRef};
use super::status::{Diagnosis, Reason, Status};
use crate::api::{LabelSelector, PodTemplate, PreemptionPolicy};
use crate::id::NodeId;

/// minCandidateNodesPercentage
const MIN_CANDIDATE_NODES_PERCENTAGE: usize = 10;
/// minCandidateNodesAbsolute
const MIN_CANDIDATE_NODES_ABSOLUTE: usize = 100;

/// What preemption sees of a PodDisruptionBudget.
#[derive(Debug, Clone)]
pub struct Budget {
    /// metadata.namespace
    pub namespace: String,
    /// spec.selector
    pub selector: Option<LabelSelector>,
    /// status.disruptionsAllowed
    pub disruptions_allowed: i32,
}

impl Budget {
    /// An empty selector, for once, selects nobody.
    fn selects(&self, template: &PodTemplate) -> bool {
        let selector = self.selector.as_ref().filter(|selector| !selector.is_empty());
        let matches = selector.is_some_and(|selector| selector.matches(&template.labels));
        matches && self.namespace == template.namespace && !template.labels.is_empty()
    }
}

/// A node on which the pod would fit without some pods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The node.
    pub node: NodeId,
    /// Who would have to go, the most important first.
    pub victims: Vec<PlacedPod>,
    /// How many of them a budget protects.
    pub pdb_violations: usize,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The pod may not preempt, or not now: its nomination stays.
    NotEligible(&'static str),
    /// No node can be made to fit: its nomination is void.
    NoCandidate(Diagnosis),
    /// These victims go.
    Selected(Candidate),
}

/// Looks for victims (`Evaluator.Preempt`).
#[must_use]
pub fn preempt(
    cache: &Cache,
    pod: PodRef,
    nominated: Option<NodeId>,
    found: &Found,
    budgets: &[Budget],
    stream: &mut Stream,
) -> Outcome {
    if let Some(reason) = not_eligible(cache, pod, nominated, &found.diagnosis) {
        return Outcome::NotEligible(reason);
    }
    let potential = potential_nodes(cache, &found.diagnosis);
    let offset = if potential.is_empty() {
        0
    } else {
        stream.random_range(0..potential.len())
    };
    let (candidates, refusals) = dry_run(cache, pod, &found.state, &potential, budgets, offset);
    match select_candidate(cache, &candidates, stream) {
        Some(best) => Outcome::Selected(best.clone()),
        None => Outcome::NoCandidate(refusals),
    }
}

/// Why a pod may not preempt (`PodEligibleToPreemptOthers`).
fn not_eligible(
    cache: &Cache,
    pod: PodRef,
    nominated: Option<NodeId>,
    diagnosis: &Diagnosis,
) -> Option<&'static str> {
    let info = cache.kind(pod.kind);
    if info.template.spec.preemption_policy == PreemptionPolicy::Never {
        return Some("not eligible due to preemptionPolicy=Never.");
    }
    let nominated = nominated?;
    if diagnosis
        .status(nominated)
        .is_some_and(|status| status.unresolvable)
    {
        return None;
    }
    let leaving = |other: &PlacedPod| {
        other.terminating && other.preempted && cache.kind(other.kind).priority() < info.priority()
    };
    let waiting = cache.node(nominated)?.pods.iter().any(leaving);
    waiting.then_some("not eligible due to a terminating pod on the nominated node.")
}

/// The nodes whose refusal depends on other pods.
#[must_use]
pub fn potential_nodes<'a>(cache: &'a Cache, diagnosis: &Diagnosis) -> Vec<&'a NodeInfo> {
    let mut resolvable: Vec<NodeId> = Vec::new();
    for (id, status) in &diagnosis.statuses {
        if !status.unresolvable {
            resolvable.push(*id);
        }
    }
    resolvable.iter().filter_map(|&id| cache.node(id)).collect()
}

/// Tries nodes from `offset` on until there are enough candidates, one of which violates no budget
/// (`DryRunPreemption`).
#[must_use]
pub fn dry_run(
    cache: &Cache,
    pod: PodRef,
    state: &PreFilterState,
    potential: &[&NodeInfo],
    budgets: &[Budget],
    offset: usize,
) -> (Vec<Candidate>, Diagnosis) {
    let share = potential.len() * MIN_CANDIDATE_NODES_PERCENTAGE / 100;
    let enough = share.max(MIN_CANDIDATE_NODES_ABSOLUTE).min(potential.len());
    let (mut sparing, mut violating) = (Vec::new(), Vec::new());
    let mut refusals = Diagnosis {
        absent: Some(Status {
            plugin: None,
            unresolvable: true,
            reasons: vec![Reason::PreemptionNotHelpful],
        }),
        ..Diagnosis::default()
    };
    for i in 0..potential.len() {
        let node = potential[(offset + i) % potential.len()];
        match select_victims_on_node(cache, pod, state, node, budgets) {
            Ok(candidate) if candidate.victims.is_empty() => {}
            Ok(candidate) if candidate.pdb_violations == 0 => sparing.push(candidate),
            Ok(candidate) => violating.push(candidate),
            Err(status) => refusals.statuses.push((node.id, status)),
        }
        if !sparing.is_empty() && sparing.len() + violating.len() >= enough {
            break;
        }
    }
    sparing.append(&mut violating);
    (sparing, refusals)
}

/// Takes all pods of lower priority away and, if the pod fits then, puts back as many as possible, protected
/// ones first (`SelectVictimsOnNode`).
///
/// # Errors
///
/// Why the pod does not fit even so.
pub fn select_victims_on_node(
    cache: &Cache,
    pod: PodRef,
    state: &PreFilterState,
    node: &NodeInfo,
    budgets: &[Budget],
) -> Result<Candidate, Status> {
    let priority = cache.kind(pod.kind).priority();
    let lower = |other: &&PlacedPod| cache.kind(other.kind).priority() < priority;
    let mut lesser: Vec<PlacedPod> = node.pods.iter().filter(lower).copied().collect();
    if lesser.is_empty() {
        return Err(Status {
            plugin: None,
            unresolvable: true,
            reasons: vec![Reason::NoVictims],
        });
    }
    let (mut node, mut state) = (node.clone(), state.clone());
    for other in &lesser {
        node.remove_pod(other.id, cache.kind(other.kind));
        state.update(cache, pod, other, &node, -1);
    }
    if let Some(refused) = run_filters_with_nominated_pods(cache, pod, &state, &node) {
        return Err(refused);
    }
    lesser.sort_by_key(|other| importance(cache, other));
    let (violating, sparing) = split_by_budget(cache, &lesser, budgets);
    let mut candidate = Candidate {
        node: node.id,
        victims: Vec::new(),
        pdb_violations: 0,
    };
    for (protected, other) in violating
        .iter()
        .map(|other| (1, other))
        .chain(sparing.iter().map(|other| (0, other)))
    {
        node.add_pod(*other, cache.kind(other.kind));
        state.update(cache, pod, other, &node, 1);
        if run_filters_with_nominated_pods(cache, pod, &state, &node).is_some() {
            node.remove_pod(other.id, cache.kind(other.kind));
            state.update(cache, pod, other, &node, -1);
            candidate.victims.push(*other);
            candidate.pdb_violations += protected;
        }
    }
    if cache.profile.victims_in_order {
        candidate.victims.sort_by_key(|other| importance(cache, other));
    }
    Ok(candidate)
}

/// Ascends from the most important: by priority, then by age in whole seconds
/// (pkg/scheduler/util/utils.go `MoreImportantPod`). A pod that has not started counts as starting now.
fn importance(cache: &Cache, pod: &PlacedPod) -> (Reverse<i32>, u64) {
    (Reverse(cache.kind(pod.kind).priority()), start(pod))
}

fn start(pod: &PlacedPod) -> u64 {
    pod.started.map_or(u64::MAX, sim::Instant::as_secs)
}

/// Those whose eviction would overdraw a budget, in turn, and the others (`filterPodsWithPDBViolation`).
fn split_by_budget(
    cache: &Cache,
    pods: &[PlacedPod],
    budgets: &[Budget],
) -> (Vec<PlacedPod>, Vec<PlacedPod>) {
    let mut allowed: Vec<i32> = budgets.iter().map(|budget| budget.disruptions_allowed).collect();
    pods.iter().partition(|other| {
        let mut violated = false;
        for (budget, allowed) in budgets.iter().zip(&mut allowed) {
            if budget.selects(&cache.kind(other.kind).template) {
                *allowed -= 1;
                violated |= *allowed < 0;
            }
        }
        violated
    })
}

/// The candidates that are best by every rule in turn: fewest violations of budgets, lowest top priority,
/// least sum of priorities, fewest victims, latest start of the oldest among the top (`pickOneNodeForPreemption`).
#[must_use]
pub fn best_candidates<'a>(cache: &Cache, candidates: &'a [Candidate]) -> Vec<&'a Candidate> {
    let priority = |pod: &PlacedPod| i64::from(cache.kind(pod.kind).priority());
    let key = |candidate: &&Candidate| {
        let victims = &candidate.victims;
        let top = victims
            .iter()
            .map(priority)
            .max()
            .expect("candidates have victims");
        let sum: i64 = victims
            .iter()
            .map(|pod| priority(pod) + (i64::from(i32::MAX) + 1))
            .sum();
        let oldest = victims.iter().filter(|pod| priority(pod) == top).map(start).min();
        (
            candidate.pdb_violations,
            priority(&victims[0]),
            sum,
            victims.len(),
            Reverse(oldest),
        )
    };
    let best = candidates.iter().map(|candidate| key(&candidate)).min();
    candidates
        .iter()
        .filter(|candidate| Some(key(candidate)) == best)
        .collect()
}

/// The best candidate; among equals any (`SelectCandidate`).
fn select_candidate<'a>(
    cache: &Cache,
    candidates: &'a [Candidate],
    stream: &mut Stream,
) -> Option<&'a Candidate> {
    let best = best_candidates(cache, candidates);
    match best.len() {
        0 => None,
        1 => Some(best[0]),
        several => Some(best[stream.random_range(0..several)]),
    }
}

/// The text of a FailedScheduling event: why no node fits, and why making room does not help either
/// (kubernetes 1.35 pkg/scheduler/framework/runtime/framework.go `RunPostFilterPlugins`).
#[must_use]
pub fn message(cache: &Cache, found: &Found, outcome: &Outcome) -> String {
    let nodes = found.nodes;
    let claims = if cache.profile.claims_in_message {
        "no new claims to deallocate, "
    } else {
        ""
    };
    let after = match outcome {
        Outcome::Selected(_) => String::new(),
        Outcome::NotEligible(reason) => [claims, "preemption: ", reason].concat(),
        Outcome::NoCandidate(refusals) => [claims, "preemption: ", &refusals.message(nodes, "")].concat(),
    };
    let stop = if cache.profile.closing_stop && !after.is_empty() {
        "."
    } else {
        ""
    };
    found.diagnosis.message(nodes, &(after + stop))
}
