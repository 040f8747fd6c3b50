//! One topology constraint and the pods that count for it, by domain
//! (karpenter v1.14 pkg/controllers/provisioning/scheduling/{topologygroup,topologynodefilter}.go).

use std::cell::OnceCell;

use rand::RngExt;
use rand::seq::SliceRandom;
use sim::{SortedMap, SortedSet, Stream};

use crate::api::{LabelSelector, Labels, PodSpec, PodTemplate, Taint, Toleration};
use crate::karpenter::labels;
use crate::karpenter::requirement::{Name, Requirement};
use crate::karpenter::requirements::Requirements;

/// What a topology constraint asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Even numbers in all domains.
    Spread,
    /// A domain that has matching pods.
    Affinity,
    /// A domain that has none.
    AntiAffinity,
}

impl Kind {
    /// Its name in a message.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Spread => "topology spread",
            Kind::Affinity => "pod affinity",
            Kind::AntiAffinity => "pod anti-affinity",
        }
    }
}

/// The namespaces whose pods count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Namespaces {
    pub(crate) names: SortedSet<String>,
    pub(crate) selector: Option<LabelSelector>,
}

impl Namespaces {
    fn has(&self, namespace: &str, all: &SortedMap<String, Labels>) -> bool {
        let selected = |selector: &LabelSelector| match all.get(namespace) {
            Some(labels) => selector.matches(labels),
            // Every namespace has this one label, whether or not anything else is known of it.
            None => selector.matches(&Labels::from([(
                "kubernetes.io/metadata.name".to_owned(),
                namespace.to_owned(),
            )])),
        };
        self.names.contains(namespace) || self.selector.as_ref().is_some_and(selected)
    }
}

/// Which nodes take part in a spread (`TopologyNodeFilter`).
///
/// Filters are equal where upstream's hash of them is: it sees which labels are required but not which
/// values, and tolerations even where taints are ignored (mitchellh/hashstructure v2 leaves out what is
/// not exported, as all of `Requirement` is but its key). So pods that differ in the value of a node
/// selector share the group, and the filter, of the one that came first, and a pod that takes on a
/// toleration as its last preference begins to count anew. Equal elements of a list cancel each other out in
/// pairs, so that a pod with two alternatives for one label begins to count anew when it gives up one.
#[derive(Debug, Clone)]
pub(crate) struct NodeFilter {
    /// Alternatives, of which one must be met.
    requirements: Vec<Requirements>,
    /// Tolerations that must cover the node's taints.
    tolerations: Vec<Toleration>,
    honor_affinity: bool,
    honor_taints: bool,
}

impl PartialEq for NodeFilter {
    fn eq(&self, other: &Self) -> bool {
        fn keys(own: &Requirements) -> Vec<&Name> {
            own.iter().map(|(key, _)| key).collect()
        }
        self.honor_affinity == other.honor_affinity
            && self.honor_taints == other.honor_taints
            && cancel_out(self.requirements.iter().chain(&other.requirements).map(keys))
            && cancel_out(self.tolerations.iter().chain(&other.tolerations))
    }
}

/// Whether every element is there an even number of times.
fn cancel_out<T: PartialEq>(elements: impl Iterator<Item = T>) -> bool {
    let mut odd: Vec<T> = Vec::new();
    for element in elements {
        match odd.iter().position(|other| *other == element) {
            Some(at) => drop(odd.swap_remove(at)),
            None => odd.push(element),
        }
    }
    odd.is_empty()
}

impl NodeFilter {
    /// The filter of a pod's spread constraint.
    pub(crate) fn new(pod: &PodSpec, honor_affinity: bool, honor_taints: bool) -> Self {
        let selector = Requirements::from_labels(&pod.node_selector);
        let requirements = match &pod.affinity.node_required {
            None => vec![selector.clone()],
            Some(terms) => terms
                .iter()
                .map(|term| {
                    let mut all = selector.clone();
                    all.add_all(&Requirements::from_expressions(&term.expressions));
                    all
                })
                .collect(),
        };
        NodeFilter {
            requirements,
            tolerations: pod.tolerations.clone(),
            honor_affinity,
            honor_taints,
        }
    }

    /// The filter of releases without inclusion policies, whose hash knows no tolerations.
    pub(crate) fn without_policies(pod: &PodSpec) -> Self {
        NodeFilter {
            tolerations: Vec::new(),
            ..NodeFilter::new(pod, true, false)
        }
    }

    /// Whether a node takes part; `meets` says whether it meets one alternative.
    pub(crate) fn matches<'t>(
        &self,
        mut taints: impl Iterator<Item = &'t Taint>,
        meets: impl FnMut(&Requirements) -> bool,
    ) -> bool {
        let tolerated = |taint: &Taint| {
            self.tolerations
                .iter()
                .any(|toleration| toleration.tolerates(taint))
        };
        let affine = !self.honor_affinity || self.requirements.is_empty();
        (affine || self.requirements.iter().any(meets)) && (!self.honor_taints || taints.all(tolerated))
    }
}

/// What makes a topology group the same as another (`TopologyGroup.Hash`).
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Identity {
    pub(crate) kind: Kind,
    pub(crate) key: Name,
    pub(crate) namespaces: Namespaces,
    pub(crate) selector: Option<LabelSelector>,
    pub(crate) max_skew: i32,
    pub(crate) filter: Option<NodeFilter>,
}

/// A topology constraint with its counts.
#[derive(Debug, Clone)]
pub(crate) struct TopologyGroup {
    pub(crate) identity: Identity,
    min_domains: Option<i32>,
    /// Matching pods by domain; every domain that is known has an entry.
    domains: SortedMap<Name, u32>,
    /// How many domains have a matching pod.
    occupied: usize,
    /// Whether hostnames that were not registered are domains too.
    any_hostname: bool,
    /// The domains in the order in which they came into upstream's map, once that matters.
    order: OnceCell<Vec<Name>>,
}

/// A Go map of so few entries is walked in the order in which they came, from one of as many places on: what came first is
/// mostly met first, all pass long (Go 1.24 internal/runtime/maps/table.go `Iter.Next`; until 1.23 runtime/map.go
/// `mapiterinit` does the same).
const SLOTS: usize = 8;

impl TopologyGroup {
    pub(crate) fn new(identity: Identity, min_domains: Option<i32>, any_hostname: bool) -> Self {
        TopologyGroup {
            identity,
            min_domains,
            domains: SortedMap::new(),
            occupied: 0,
            any_hostname,
            order: OnceCell::new(),
        }
    }

    pub(crate) fn key(&self) -> &Name {
        &self.identity.key
    }

    /// Whether pods of a template count.
    pub(crate) fn selects(&self, pod: &PodTemplate, namespaces: &SortedMap<String, Labels>) -> bool {
        // A selector that is absent matches no pod.
        let selected = self
            .identity
            .selector
            .as_ref()
            .is_some_and(|s| s.matches(&pod.labels));
        selected && self.identity.namespaces.has(&pod.namespace, namespaces)
    }

    /// Whether pods of a template count that are on nodes when counting begins: where there is no selector, those of the
    /// whole namespace (karpenter v1.14 pkg/controllers/provisioning/scheduling/topology.go `TopologyListOptions`).
    pub(crate) fn lists(&self, pod: &PodTemplate, namespaces: &SortedMap<String, Labels>) -> bool {
        match self.identity.selector {
            None => self.identity.namespaces.has(&pod.namespace, namespaces),
            Some(_) => self.selects(pod, namespaces),
        }
    }

    /// Makes a domain known.
    pub(crate) fn register(&mut self, domain: &Name) {
        if !self.domains.contains_key(domain) {
            self.domains.insert(domain.clone(), 0);
        }
    }

    /// Counts a pod in each of these domains.
    pub(crate) fn record<'n>(&mut self, domains: impl IntoIterator<Item = &'n Name>) {
        for domain in domains {
            let count = self.domains.entry(domain.clone()).or_insert(0);
            self.occupied += usize::from(*count == 0);
            *count += 1;
        }
    }

    fn count(&self, domain: &Name) -> u32 {
        self.domains.get(domain).copied().unwrap_or(0)
    }

    /// The domains into which a pod may go, given where it and the node may be. DoesNotExist if nowhere.
    pub(crate) fn next(
        &self,
        selects_itself: bool,
        pod: Option<&Requirement>,
        node: Option<&Requirement>,
        chance: &mut Stream,
    ) -> Requirement {
        // A forming claim's hostname need not be registered before a pod is on it, and every node can have one.
        if &**self.key() == labels::HOSTNAME
            && let Some([hostname]) = node.map(Requirement::values)
        {
            let known = self.any_hostname || self.domains.contains_key(hostname);
            return if known && self.admits_hostname(hostname, selects_itself, pod) {
                Requirement::only(hostname.clone())
            } else {
                Requirement::does_not_exist()
            };
        }
        match self.identity.kind {
            Kind::Spread => self.next_spread(selects_itself, pod, node, chance),
            Kind::Affinity => self.next_affinity(selects_itself, pod, node, chance),
            Kind::AntiAffinity => {
                let empty = self.within(pod, node).filter(|(_, count)| *count == 0);
                Requirement::any_of(empty.map(|(domain, _)| domain.clone()))
            }
        }
    }

    fn admits_hostname(&self, hostname: &Name, selects_itself: bool, pod: Option<&Requirement>) -> bool {
        let count = self.count(hostname);
        match self.identity.kind {
            // A fresh node is always possible, so that the least count is zero.
            Kind::Spread => i64::from(count) + i64::from(selects_itself) <= i64::from(self.identity.max_skew),
            Kind::Affinity => {
                allows(pod, hostname) && (count > 0 || selects_itself && !self.any_occupied(pod))
            }
            Kind::AntiAffinity => count == 0,
        }
    }

    /// The known domains in which both pod and node may be, with their counts.
    fn within<'s>(
        &'s self,
        pod: Option<&'s Requirement>,
        node: Option<&'s Requirement>,
    ) -> impl Iterator<Item = (&'s Name, u32)> + 's {
        let both = move |(domain, _): &(&Name, &u32)| allows(pod, domain) && allows(node, domain);
        self.domains
            .iter()
            .filter(both)
            .map(|(domain, count)| (domain, *count))
    }

    /// The first of several domains that a walk through upstream's map meets.
    fn first_met<'n>(&self, candidates: &[&'n Name], chance: &mut Stream) -> Option<&'n Name> {
        match candidates {
            [] => None,
            [only] => Some(only),
            several if self.domains.len() > SLOTS => Some(several[chance.random_range(0..several.len())]),
            several => {
                let order = self.order.get_or_init(|| {
                    let mut domains: Vec<Name> = self.domains.keys().cloned().collect();
                    domains.shuffle(chance);
                    domains
                });
                let begin = chance.random_range(0..SLOTS);
                let place = |domain: &Name| order.iter().position(|own| own == domain).unwrap_or(order.len());
                let way = |domain: &&Name| (place(domain) + SLOTS - begin) % SLOTS;
                several.iter().copied().min_by_key(way)
            }
        }
    }

    /// One of the least filled domains of the node that keeps the skew (`nextDomainTopologySpread`); among equals the order
    /// of a Go map decides.
    fn next_spread(
        &self,
        selects_itself: bool,
        pod: Option<&Requirement>,
        node: Option<&Requirement>,
        chance: &mut Stream,
    ) -> Requirement {
        let least = self.least_count(pod);
        let allowed = |count: u32| {
            let after = i64::from(count) + i64::from(selects_itself);
            after - i64::from(least) <= i64::from(self.identity.max_skew)
        };
        let mut best: Vec<&Name> = Vec::new();
        let mut best_count = u32::MAX;
        for (domain, count) in self.within(None, node).filter(|(_, count)| allowed(*count)) {
            if count < best_count {
                best_count = count;
                best.clear();
            }
            if count == best_count {
                best.push(domain);
            }
        }
        self.first_met(&best, chance)
            .map_or_else(Requirement::does_not_exist, |domain| {
                Requirement::only(domain.clone())
            })
    }

    /// The least count over the domains in which the pod may be (`domainMinCount`).
    fn least_count(&self, pod: Option<&Requirement>) -> u32 {
        if &**self.key() == labels::HOSTNAME {
            return 0;
        }
        let mut supported = 0;
        let mut least = u32::MAX;
        for (_, count) in self.within(pod, None) {
            supported += 1;
            least = least.min(count);
        }
        if self.min_domains.is_some_and(|wanted| supported < wanted) {
            0
        } else {
            least
        }
    }

    /// The occupied domains; if there is none for the pod and it matches itself, one to begin with, and
    /// another that need not be the node's: two draws, as upstream, so that a first pod may leave a claim
    /// with two domains (`nextDomainAffinity`).
    fn next_affinity(
        &self,
        selects_itself: bool,
        pod: Option<&Requirement>,
        node: Option<&Requirement>,
        chance: &mut Stream,
    ) -> Requirement {
        let occupied = self.within(pod, node).filter(|(_, count)| *count > 0);
        let mut options: Vec<Name> = occupied.map(|(domain, _)| domain.clone()).collect();
        if options.is_empty() && selects_itself && !self.any_occupied(pod) {
            for node in [node, None] {
                let candidates: Vec<&Name> = self.within(pod, node).map(|(domain, _)| domain).collect();
                options.extend(self.first_met(&candidates, chance).cloned());
            }
        }
        Requirement::any_of(options)
    }

    fn any_occupied(&self, pod: Option<&Requirement>) -> bool {
        self.occupied > 0 && self.within(pod, None).any(|(_, count)| count > 0)
    }
}

fn allows(requirement: Option<&Requirement>, domain: &str) -> bool {
    requirement.is_none_or(|requirement| requirement.has(domain))
}
