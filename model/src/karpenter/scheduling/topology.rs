//! All topology constraints of one pass: which exist, whom they concern, what they count
//! (karpenter v1.14 pkg/controllers/provisioning/scheduling/topology.go).
//!
//! Pods that share a constraint share its group. Anti-affinity works both ways: a pod that is there and
//! wants no company is kept in an *inverse* group, which concerns the pods that it would not have.

use std::borrow::Cow;

use rand::seq::SliceRandom;
use sim::{SortedMap, SortedSet, Stream};

use super::template::Template;
use super::topology_group::{Identity, Kind, Namespaces, NodeFilter, TopologyGroup};
use super::{PreferencePolicy, Request, World};
use crate::api::{
    Expression, LabelSelector, Node, Operator, PodAffinityTerm, PodSpec, PodTemplate, SpreadConstraint,
    Taint, WhenUnsatisfiable,
};
use crate::id::PodId;
use crate::karpenter::labels;
use crate::karpenter::requirement::{Name, Requirement};
use crate::karpenter::requirements::Requirements;

/// A node, or a claim that is forming, with a pod's own requirements already added.
pub(crate) trait Place {
    /// What is required of a label.
    fn requirement(&self, key: &str) -> Option<Cow<'_, Requirement>>;
    /// Whether a label of which nothing is required may be given a value.
    fn may_define(&self, key: &str) -> bool;
    /// Whether requirements are met.
    fn meets(&self, requirements: &Requirements) -> bool;
    /// The taints.
    fn taints(&self) -> impl Iterator<Item = &Taint>;
}

/// How pods of one kind stand to the groups. Kinds differ by template and by preferences given up.
#[derive(Debug, Clone, Default)]
pub(crate) struct Membership {
    /// The pod's template, by its number in the topology.
    template: usize,
    /// Groups that rule where the pod goes.
    owned: Vec<usize>,
    /// Inverse groups of the pod's own anti-affinity.
    inverse: Vec<usize>,
}

/// The constraint that nothing meets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsatisfiable {
    /// What it asks.
    pub kind: Kind,
    /// topologyKey
    pub key: Name,
}

/// All topology constraints of one pass.
pub(crate) struct Topology<'a> {
    world: &'a World<'a>,
    request: &'a Request<'a>,
    pools: &'a [&'a Template],
    excluded: SortedSet<PodId>,
    templates: Vec<&'a PodTemplate>,
    groups: Vec<Group>,
    inverse: Vec<Group>,
}

struct Group {
    counts: TopologyGroup,
    /// Whether pods of each template count.
    selects: Vec<bool>,
}

impl<'a> Topology<'a> {
    /// The constraints of pods that are there. Those that are to be placed do not count.
    pub(crate) fn new(
        world: &'a World<'a>,
        request: &'a Request<'a>,
        pools: &'a [&'a Template],
        chance: &mut Stream,
    ) -> Self {
        let mut topology = Topology {
            world,
            request,
            pools,
            excluded: request.pods.iter().copied().collect(),
            templates: Vec::new(),
            groups: Vec::new(),
            inverse: Vec::new(),
        };
        topology.update_inverse_affinities(chance);
        topology
    }

    /// Bound pods with required anti-affinity (`updateInverseAffinities`). They come in the order of a Go map, and the first
    /// that has a constraint says in which domains it can be.
    fn update_inverse_affinities(&mut self, chance: &mut Stream) {
        let mut bound: Vec<(&Node, &PodTemplate)> = Vec::new();
        for (id, pod) in self.world.pods.iter() {
            let alone = !pod.template.spec.affinity.anti_required.is_empty();
            if !alone || pod.is_terminal() || self.excluded.contains(&id) {
                continue;
            }
            if let Some(node) = pod.node.and_then(|node| self.world.nodes.get(node)) {
                bound.push((node, &pod.template));
            }
        }
        if self.world.profile.node_inclusion_policies && self.tolerate_differently(&bound) {
            bound.shuffle(chance);
        }
        for (node, template) in bound {
            for term in &template.spec.affinity.anti_required {
                let group = self.inverse_group(template, &template.spec, term);
                if let Some(domain) = node.labels.get(term.topology_key.as_str()) {
                    let domain = Name::from(domain.as_str());
                    self.inverse[group].counts.record([&domain]);
                }
            }
        }
    }

    /// Whether there is a NodePool that some of these pods tolerate and others do not.
    fn tolerate_differently(&self, pods: &[(&Node, &PodTemplate)]) -> bool {
        self.pools.iter().any(|pool| {
            let mut tolerated = pods
                .iter()
                .map(|(_, template)| pool.is_tolerated_by(&template.spec));
            let first = tolerated.next();
            tolerated.any(|other| Some(other) != first)
        })
    }

    /// Finds or makes the groups of a pod whose preferences may have been given up in part (`Update`).
    pub(crate) fn join(&mut self, template: &'a PodTemplate, spec: &PodSpec) -> Membership {
        let mut membership = Membership {
            template: self.template(template),
            ..Membership::default()
        };
        let respect = self.world.settings.preference_policy == PreferencePolicy::Respect;
        let affinity = &spec.affinity;
        for spread in &spec.topology_spread {
            if respect || spread.when_unsatisfiable == WhenUnsatisfiable::DoNotSchedule {
                membership.owned.push(self.spread_group(template, spec, spread));
            }
        }
        let preferred = |terms: &'_ [_]| if respect { terms.len() } else { 0 };
        let soft = affinity
            .pod_preferred
            .iter()
            .take(preferred(&affinity.pod_preferred));
        for term in affinity.pod_required.iter().chain(soft.map(|soft| &soft.term)) {
            membership
                .owned
                .push(self.affinity_group(Kind::Affinity, template, spec, term));
        }
        let soft = affinity
            .anti_preferred
            .iter()
            .take(preferred(&affinity.anti_preferred));
        for term in affinity.anti_required.iter().chain(soft.map(|soft| &soft.term)) {
            membership
                .owned
                .push(self.affinity_group(Kind::AntiAffinity, template, spec, term));
        }
        for term in &affinity.anti_required {
            membership.inverse.push(self.inverse_group(template, spec, term));
        }
        membership.owned.sort_unstable();
        membership.owned.dedup();
        membership.inverse.sort_unstable();
        membership.inverse.dedup();
        membership
    }

    /// Whether no group has a say in where such a pod goes.
    pub(crate) fn is_free(&self, membership: &Membership) -> bool {
        membership.owned.is_empty()
            && !self
                .inverse
                .iter()
                .any(|group| group.selects[membership.template])
    }

    /// What the groups add to a place's requirements (`AddRequirements`); `strict` is what the pod itself
    /// requires, preferences apart.
    ///
    /// Groups that have nothing in common ask together that the label be absent, which a node without it meets.
    pub(crate) fn add_requirements(
        &self,
        membership: &Membership,
        strict: &Requirements,
        place: &impl Place,
        chance: &mut Stream,
    ) -> Result<Requirements, Unsatisfiable> {
        let mut added = Requirements::new();
        let owned = membership.owned.iter().map(|at| &self.groups[*at]);
        let inverse = self
            .inverse
            .iter()
            .filter(|group| group.selects[membership.template]);
        let mut undefined = Vec::new();
        for group in owned.chain(inverse) {
            let key = group.counts.key();
            let unsatisfiable = || Unsatisfiable {
                kind: group.counts.identity.kind,
                key: key.clone(),
            };
            let node = place.requirement(key);
            let selects_itself = group.selects[membership.template];
            let domains = group
                .counts
                .next(selects_itself, strict.get(key), node.as_deref(), chance);
            if domains.values().is_empty() {
                return Err(unsatisfiable());
            }
            let Some(node) = node else {
                added.add(key.clone(), domains);
                if !place.may_define(key) {
                    undefined.push(unsatisfiable());
                }
                continue;
            };
            added.add(key.clone(), domains.intersection(&node));
            if !node.allows_absence() && !asks_for_something(&added, key) {
                return Err(unsatisfiable());
            }
        }
        let asked = |own: &Unsatisfiable| asks_for_something(&added, &own.key);
        match undefined.into_iter().find(asked) {
            Some(unsatisfiable) => Err(unsatisfiable),
            None => Ok(added),
        }
    }

    /// Counts a pod that was placed (`Record`): in spread and affinity groups only if it is known in which
    /// domain, in anti-affinity groups in every domain where it may yet be.
    pub(crate) fn record(&mut self, membership: &Membership, place: &impl Place) {
        for group in &mut self.groups {
            let identity = &group.counts.identity;
            let takes_part =
                |filter: &NodeFilter| filter.matches(place.taints(), |wanted| place.meets(wanted));
            if !group.selects[membership.template] || !identity.filter.as_ref().is_none_or(takes_part) {
                continue;
            }
            let Some(domains) = place.requirement(group.counts.key()) else {
                continue;
            };
            if identity.kind == Kind::AntiAffinity || domains.single().is_some() {
                group.counts.record(domains.values());
            }
        }
        for at in &membership.inverse {
            let counts = &mut self.inverse[*at].counts;
            if let Some(domains) = place.requirement(counts.key()) {
                counts.record(domains.values());
            }
        }
    }

    /// Makes a hostname known as a domain (`Register`).
    pub(crate) fn register_hostname(&mut self, hostname: &Name) {
        for group in self.groups.iter_mut().chain(&mut self.inverse) {
            if &**group.counts.key() == labels::HOSTNAME {
                group.counts.register(hostname);
            }
        }
    }

    fn template(&mut self, template: &'a PodTemplate) -> usize {
        if let Some(known) = self
            .templates
            .iter()
            .position(|known| std::ptr::eq(*known, template))
        {
            return known;
        }
        self.templates.push(template);
        for group in self.groups.iter_mut().chain(&mut self.inverse) {
            group
                .selects
                .push(group.counts.selects(template, self.world.namespaces));
        }
        self.templates.len() - 1
    }

    fn spread_group(&mut self, template: &PodTemplate, spec: &PodSpec, spread: &SpreadConstraint) -> usize {
        let policies = self.world.profile.node_inclusion_policies;
        let (honor_affinity, honor_taints) = if policies {
            (spread.honor_node_affinity, spread.honor_node_taints)
        } else {
            (true, false)
        };
        let mut selector = spread.selector.clone();
        if let Some(selector) = selector.as_mut().filter(|_| policies) {
            pin(selector, template, &spread.match_label_keys, Operator::In);
        }
        let identity = Identity {
            kind: Kind::Spread,
            key: spread.topology_key.as_str().into(),
            namespaces: Namespaces {
                names: SortedSet::from([template.namespace.clone()]),
                selector: None,
            },
            selector,
            max_skew: spread.max_skew,
            filter: Some(if policies {
                NodeFilter::new(spec, honor_affinity, honor_taints)
            } else {
                NodeFilter::without_policies(spec)
            }),
        };
        let tolerating = honor_taints.then_some(spec);
        let any_hostname = self.world.profile.hostnames_as_they_come;
        let counts = TopologyGroup::new(identity, spread.min_domains, any_hostname);
        self.group(counts, tolerating)
    }

    fn affinity_group(
        &mut self,
        kind: Kind,
        template: &PodTemplate,
        spec: &PodSpec,
        term: &PodAffinityTerm,
    ) -> usize {
        let any_hostname = self.world.profile.hostnames_as_they_come;
        let counts = TopologyGroup::new(identity_of(kind, template, term), None, any_hostname);
        self.group(counts, self.tolerating(spec))
    }

    /// Affinity has no policy for taints, and what is not "Ignore" heeds them: such a group begins with the
    /// domains of the NodePools that its first pod tolerates, preferences to avoid them included
    /// (karpenter v1.14 pkg/controllers/provisioning/scheduling/topologydomaingroup.go `ForEachDomain`).
    fn tolerating<'s>(&self, spec: &'s PodSpec) -> Option<&'s PodSpec> {
        self.world.profile.node_inclusion_policies.then_some(spec)
    }

    /// Finds a group or counts the pods that are there for it (`countDomains`).
    fn group(&mut self, mut counts: TopologyGroup, tolerating: Option<&PodSpec>) -> usize {
        let same = |group: &Group| group.counts.identity == counts.identity;
        if let Some(known) = self.groups.iter().position(same) {
            return known;
        }
        self.register_universe(&mut counts, tolerating);
        if self.world.profile.node_inclusion_policies {
            self.register_live_domains(&mut counts);
        }
        self.count_pods(&mut counts);
        self.groups.push(self.with_selection(counts));
        self.groups.len() - 1
    }

    fn inverse_group(&mut self, template: &PodTemplate, spec: &PodSpec, term: &PodAffinityTerm) -> usize {
        let identity = identity_of(Kind::AntiAffinity, template, term);
        let mut counts = TopologyGroup::new(identity, None, self.world.profile.hostnames_as_they_come);
        let same = |group: &Group| group.counts.identity == counts.identity;
        if let Some(known) = self.inverse.iter().position(same) {
            return known;
        }
        self.register_universe(&mut counts, self.tolerating(spec));
        self.inverse.push(self.with_selection(counts));
        self.inverse.len() - 1
    }

    fn with_selection(&self, counts: TopologyGroup) -> Group {
        let selects = |template: &&PodTemplate| counts.selects(template, self.world.namespaces);
        Group {
            selects: self.templates.iter().map(selects).collect(),
            counts,
        }
    }

    /// The domains in which new nodes can be (`buildDomainGroups`); where taints are heeded, only those of
    /// NodePools that the pod tolerates.
    fn register_universe(&self, counts: &mut TopologyGroup, tolerating: Option<&PodSpec>) {
        for pool in self.pools {
            if tolerating.is_none_or(|pod| pool.is_tolerated_by(pod)) {
                let key = counts.key().clone();
                pool.domains(&key).for_each(|domain| counts.register(domain));
            }
        }
    }

    fn register_live_domains(&self, counts: &mut TopologyGroup) {
        for state in self.request.nodes {
            let Some((_, node)) = state.node else { continue };
            let takes_part = |filter: &NodeFilter| takes_part(filter, node);
            if !counts.identity.filter.as_ref().is_none_or(takes_part) {
                continue;
            }
            if let Some(domain) = state.labels().get(&**counts.key()) {
                counts.register(&domain.as_str().into());
            }
        }
    }

    fn count_pods(&self, counts: &mut TopologyGroup) {
        let mut selected: SortedMap<usize, bool> = SortedMap::new();
        for (id, pod) in self.world.pods.iter() {
            let Some(node) = pod.node.and_then(|node| self.world.nodes.get(node)) else {
                continue;
            };
            if !pod.is_active() || self.excluded.contains(&id) {
                continue;
            }
            let address = std::sync::Arc::as_ptr(&pod.template) as usize;
            let select = || counts.lists(&pod.template, self.world.namespaces);
            if !*selected.entry(address).or_insert_with(select) {
                continue;
            }
            let takes_part = |filter: &NodeFilter| takes_part(filter, node);
            if !counts.identity.filter.as_ref().is_none_or(takes_part) {
                continue;
            }
            if let Some(domain) = domain_of(node, counts.key()) {
                counts.record([&domain]);
            }
        }
    }
}

/// Whether what is required of a label leaves it a value.
fn asks_for_something(requirements: &Requirements, key: &str) -> bool {
    requirements.get(key).is_none_or(|own| !own.values().is_empty())
}

/// The domain of a node. The hostname label falls back on the name: the kubelet may not have set it yet.
fn domain_of(node: &Node, key: &str) -> Option<Name> {
    let fallback = || (key == labels::HOSTNAME).then_some(&node.name);
    node.labels
        .get(key)
        .or_else(fallback)
        .map(|domain| domain.as_str().into())
}

fn takes_part(filter: &NodeFilter, node: &Node) -> bool {
    filter.matches(node.taints.iter(), |wanted| {
        wanted
            .iter()
            .all(|(key, requirement)| match node.labels.get(&**key) {
                Some(value) => requirement.has(value),
                None => requirement.allows_absence(),
            })
    })
}

fn identity_of(kind: Kind, template: &PodTemplate, term: &PodAffinityTerm) -> Identity {
    let own = term.namespaces.is_empty() && term.namespace_selector.is_none();
    let mut selector = term.selector.clone();
    if let Some(selector) = &mut selector {
        // The API server does this when it admits the pod.
        pin(selector, template, &term.match_label_keys, Operator::In);
        pin(selector, template, &term.mismatch_label_keys, Operator::NotIn);
    }
    let names = if own {
        SortedSet::from([template.namespace.clone()])
    } else {
        term.namespaces.iter().cloned().collect()
    };
    Identity {
        kind,
        key: term.topology_key.as_str().into(),
        namespaces: Namespaces {
            names,
            selector: term.namespace_selector.clone(),
        },
        selector,
        max_skew: i32::MAX,
        filter: None,
    }
}

/// Adds the pod's own values of some labels to a selector.
fn pin(selector: &mut LabelSelector, template: &PodTemplate, keys: &[String], operator: Operator) {
    for key in keys {
        if let Some(value) = template.labels.get(key) {
            selector.expressions.push(Expression {
                key: key.clone(),
                operator,
                values: vec![value.clone()],
            });
        }
    }
}
