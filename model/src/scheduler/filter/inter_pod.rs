//! InterPodAffinity, required terms
//! (kubernetes 1.35 pkg/scheduler/framework/plugins/interpodaffinity/filtering.go).

use super::super::cache::Cache;
use super::super::node_info::{NodeInfo, PlacedPod, PodRef};
use super::super::plugin::Plugin;
use super::super::pod_info::{KindId, PodInfo, Term, TopologyId};
use super::super::status::{Reason, Status};

/// In which domains pods are that matter to a pod's required terms, or whose required anti-affinity it meets
/// (`preFilterState`).
#[derive(Debug, Clone)]
pub struct InterPodState {
    /// By domain: pods there whose anti-affinity is about this pod.
    existing_anti_affinity: Vec<(TopologyId, Vec<i64>)>,
    /// For each affinity term, by domain: pods there that match all terms.
    affinity: Vec<Vec<i64>>,
    /// For each anti-affinity term, by domain: pods there that match it.
    anti_affinity: Vec<Vec<i64>>,
}

/// Whether a pod of that kind matches all of the terms, of which there is at least one.
fn matches_all(terms: &[Term], kind: KindId) -> bool {
    !terms.is_empty() && terms.iter().all(|term| term.finds[kind.index()])
}

impl InterPodState {
    /// Counts on all nodes; `None` if nothing has required terms that concern the pod (`PreFilter`).
    #[must_use]
    pub fn new(cache: &Cache, pod: PodRef) -> Option<Self> {
        let info = cache.kind(pod.kind);
        let counts = |term: &Term| vec![0; cache.domains(term.topology)];
        let mut state = InterPodState {
            existing_anti_affinity: Vec::new(),
            affinity: info.affinity.iter().map(counts).collect(),
            anti_affinity: info.anti_affinity.iter().map(counts).collect(),
        };
        let has_terms = !info.affinity.is_empty() || !info.anti_affinity.is_empty();
        let averse = |other: &PodInfo| {
            other
                .anti_affinity
                .iter()
                .any(|term| term.matches[pod.kind.index()])
        };
        if !has_terms && !cache.kinds().iter().any(averse) {
            return None;
        }
        for node in cache.list() {
            for other in &node.pods {
                state.update(cache, pod, other, node, 1);
            }
        }
        (has_terms || !state.existing_anti_affinity.is_empty()).then_some(state)
    }

    /// A pod comes or goes (`updateWithPod`).
    pub(super) fn update(
        &mut self,
        cache: &Cache,
        pod: PodRef,
        other: &PlacedPod,
        node: &NodeInfo,
        delta: i64,
    ) {
        let (info, other_info) = (cache.kind(pod.kind), cache.kind(other.kind));
        for term in &other_info.anti_affinity {
            if term.matches[pod.kind.index()]
                && let Some(domain) = node.domain(term.topology)
            {
                self.existing(cache, term.topology)[domain] += delta;
            }
        }
        if matches_all(&info.affinity, other.kind) {
            add(&info.affinity, &mut self.affinity, |_| true, node, delta);
        }
        let matches = |term: &Term| term.finds[other.kind.index()];
        add(&info.anti_affinity, &mut self.anti_affinity, matches, node, delta);
    }

    fn existing(&mut self, cache: &Cache, topology: TopologyId) -> &mut Vec<i64> {
        let all = &mut self.existing_anti_affinity;
        let at = all
            .iter()
            .position(|(known, _)| *known == topology)
            .unwrap_or_else(|| {
                all.push((topology, vec![0; cache.domains(topology)]));
                all.len() - 1
            });
        &mut all[at].1
    }

    /// `Filter`
    pub(super) fn filter(&self, info: &PodInfo, node: &NodeInfo) -> Option<Status> {
        let refuse = |unresolvable, reason| Some(Status::new(Plugin::InterPodAffinity, unresolvable, reason));
        if !self.satisfies_affinity(info, node) {
            return refuse(true, Reason::PodAffinity);
        }
        let near =
            |counts: &Vec<i64>, topology| node.domain(topology).is_some_and(|domain| counts[domain] > 0);
        let mut anti_affinity = info.anti_affinity.iter().zip(&self.anti_affinity);
        if anti_affinity.any(|(term, counts)| near(counts, term.topology)) {
            return refuse(false, Reason::PodAntiAffinity);
        }
        if self
            .existing_anti_affinity
            .iter()
            .any(|(topology, counts)| near(counts, *topology))
        {
            return refuse(false, Reason::ExistingAntiAffinity);
        }
        None
    }

    /// `satisfyPodAffinity`: the first pod of a group that wants to be together may go anywhere.
    fn satisfies_affinity(&self, info: &PodInfo, node: &NodeInfo) -> bool {
        let mut pods_exist = true;
        for (term, counts) in info.affinity.iter().zip(&self.affinity) {
            match node.domain(term.topology) {
                Some(domain) => pods_exist &= counts[domain] > 0,
                None => return false,
            }
        }
        pods_exist || self.affinity.iter().flatten().all(|count| *count == 0) && info.matches_own_affinity
    }
}

fn add(
    terms: &[Term],
    counts: &mut [Vec<i64>],
    matches: impl Fn(&Term) -> bool,
    node: &NodeInfo,
    delta: i64,
) {
    for (term, counts) in terms.iter().zip(counts) {
        if matches(term)
            && let Some(domain) = node.domain(term.topology)
        {
            counts[domain] += delta;
        }
    }
}
