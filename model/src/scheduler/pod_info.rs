//! What the scheduler works out once for all pods of one template.

use std::sync::Arc;

use sim::{SortedMap, SortedSet};

use super::profile::Profile;
use crate::api::Expression;
use crate::api::{
    Container, LabelSelector, Labels, Operator, PodAffinityTerm, PodLevelResources, PodSpec, PodTemplate,
    Protocol, SpreadConstraint, Taint, TaintEffect, WhenUnsatisfiable,
};
use crate::quantity::{Bytes, MilliCpu, Resources};

/// The CPU that a container without a request counts for in scores
/// (kubernetes 1.35 pkg/scheduler/util/pod_resources.go).
pub const DEFAULT_MILLI_CPU_REQUEST: i64 = 100;
/// The memory that a container without a request counts for in scores: 200 MiB.
pub const DEFAULT_MEMORY_REQUEST: i64 = 200 << 20;

/// The node label that names the node itself.
pub const HOSTNAME: &str = "kubernetes.io/hostname";
/// The node label of the zone.
pub const ZONE: &str = "topology.kubernetes.io/zone";

/// Pods that the scheduler cannot tell apart: those of one template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct KindId(pub(super) u32);

impl KindId {
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

/// A node label by which constraints group nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TopologyId(pub(super) u32);

impl TopologyId {
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

/// A port on the node that a pod asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPort {
    ip: String,
    protocol: Protocol,
    port: u16,
}

impl HostPort {
    const ANY: &str = "0.0.0.0";

    /// Whether two pods with these ports cannot share a node
    /// (kubernetes 1.35 staging/src/k8s.io/kube-scheduler/framework/types.go `CheckConflict`).
    #[must_use]
    pub fn conflicts(&self, other: &HostPort) -> bool {
        let same_port = (self.protocol, self.port) == (other.protocol, other.port);
        same_port && (self.ip == other.ip || self.ip == Self::ANY || other.ip == Self::ANY)
    }
}

/// A spread constraint, with defaults filled in.
#[derive(Debug, Clone)]
pub struct Spread {
    /// maxSkew
    pub max_skew: i64,
    /// topologyKey
    pub topology: TopologyId,
    /// Whether the key is that of single nodes.
    pub hostname: bool,
    /// labelSelector with what matchLabelKeys add; `None` matches nothing
    pub selector: Option<LabelSelector>,
    /// minDomains
    pub min_domains: i64,
    /// nodeAffinityPolicy: Honor
    pub honor_node_affinity: bool,
    /// nodeTaintsPolicy: Honor
    pub honor_node_taints: bool,
    /// The namespace of the pod.
    namespace: String,
    /// By kind: whether it is of that namespace and matches.
    pub(super) matches: Vec<bool>,
}

impl Spread {
    /// Whether a pod itself would match.
    #[must_use]
    pub fn matches_labels(&self, labels: &Labels) -> bool {
        self.selector
            .as_ref()
            .is_some_and(|selector| selector.matches(labels))
    }

    /// An empty selector matches the pod itself, but counts nobody
    /// (kubernetes 1.35 pkg/scheduler/framework/plugins/podtopologyspread/common.go `countPodsMatchSelector`).
    #[must_use]
    pub fn counts_nobody(&self) -> bool {
        self.selector.as_ref().is_none_or(LabelSelector::is_empty)
    }

    fn learn(&mut self, other: &PodTemplate) {
        let matches = other.namespace == self.namespace && self.matches_labels(&other.labels);
        self.matches.push(matches);
    }
}

/// A term of pod affinity or anti-affinity, with its namespaces resolved.
#[derive(Debug, Clone)]
pub struct Term {
    /// topologyKey
    pub topology: TopologyId,
    selector: Option<LabelSelector>,
    namespaces: SortedSet<String>,
    namespace_selector: Option<LabelSelector>,
    /// By kind: whether it matches, as the term of a pod that has its place.
    pub(super) matches: Vec<bool>,
    /// By kind: whether it matches, as the term of a pod that looks for one.
    pub(super) finds: Vec<bool>,
}

impl Term {
    /// Whether the term is about pods of a template
    /// (kubernetes 1.35 staging/src/k8s.io/kube-scheduler/framework/types.go `AffinityTerm.Matches`).
    fn matches_template(&self, other: &PodTemplate, namespace_labels: Option<&Labels>) -> bool {
        let by_labels = |selector: &LabelSelector| match namespace_labels {
            Some(labels) => selector.matches(labels),
            None => selector.matches(&Labels::new()),
        };
        let in_namespace = self.namespaces.contains(&other.namespace)
            || self.namespace_selector.as_ref().is_some_and(by_labels);
        let selector = self.selector.as_ref();
        in_namespace && selector.is_some_and(|selector| selector.matches(&other.labels))
    }

    /// The same without a look at the labels of the namespace, which is all that queueing hints do.
    pub(super) fn hints_at(&self, other: &PodTemplate) -> bool {
        self.matches_template(other, None)
    }

    fn learn(&mut self, other: &PodTemplate, namespaces: &SortedMap<String, Labels>, profile: &Profile) {
        let matches = self.matches_template(other, namespaces.get(&other.namespace));
        self.matches.push(matches);
        self.finds
            .push(matches || profile.selector_outlives_merge && self.matches_template(other, None));
    }
}

/// All that is known about the pods of one template.
#[derive(Debug, Clone)]
pub struct PodInfo {
    /// The template.
    pub template: Arc<PodTemplate>,
    /// What a pod asks of a node, its slot included.
    pub requests: Resources,
    /// CPU that counts in LeastAllocated, in thousandths.
    pub non_zero_cpu: i64,
    /// Memory that counts in LeastAllocated, in bytes.
    pub non_zero_memory: i64,
    /// CPU and memory with which NodeResourcesFit scores the pod when it comes: those of its containers, since the
    /// scorer is not told of pod-level requests (fit.go `NewFit`).
    pub scored: [i64; 2],
    /// Ports on the node.
    pub host_ports: Vec<HostPort>,
    /// Images, with `:latest` where there is no tag; one for each container that counts.
    pub images: Vec<String>,
    /// Spread constraints that must hold.
    pub hard: Vec<Spread>,
    /// Spread constraints that should hold.
    pub soft: Vec<Spread>,
    /// The soft constraints are the pod's own: nodes without one of their keys score nothing.
    pub requires_all_topologies: bool,
    /// Required affinity.
    pub affinity: Vec<Term>,
    /// The pod itself matches all of its required affinity.
    pub matches_own_affinity: bool,
    /// Required anti-affinity.
    pub anti_affinity: Vec<Term>,
    /// Preferred affinity with positive and anti-affinity with negative weights.
    pub preferred: Vec<(i64, Term)>,
    /// Tolerates the taint of cordoned nodes.
    pub tolerates_unschedulable: bool,
    /// The nodes that required affinity names (metadata.name), if every term does.
    pub names: Option<SortedSet<String>>,
}

impl PodInfo {
    /// spec.priority
    #[must_use]
    pub fn priority(&self) -> i32 {
        self.template.spec.priority
    }

    /// Whether it has affinity terms of any sort.
    #[must_use]
    pub fn has_affinity(&self) -> bool {
        !self.affinity.is_empty() || !self.anti_affinity.is_empty() || !self.preferred.is_empty()
    }

    /// Neither CPU nor memory is requested.
    #[must_use]
    pub fn is_best_effort(&self) -> bool {
        self.requests.cpu == MilliCpu(0) && self.requests.memory == Bytes(0)
    }

    pub(super) fn new(
        template: Arc<PodTemplate>,
        default_selector: &LabelSelector,
        profile: &Profile,
        topology: &mut impl FnMut(&str) -> TopologyId,
    ) -> Self {
        let spec = &template.spec;
        let requests = spec.requests();
        let mut counted = spec.clone();
        for container in counted.containers.iter_mut().chain(&mut counted.init_containers) {
            fill_missing_requests(container);
        }
        let mut non_zero = counted.requests();
        let mut scored = non_zero.clone();
        if counted.pod_level.requests_something() {
            scored = PodSpec {
                pod_level: PodLevelResources::default(),
                ..counted
            }
            .requests();
            // Only what nothing in the pod names is missing (framework/types.go `getNonMissingContainerRequests`).
            if spec.names_cpu() {
                non_zero.cpu = requests.cpu;
            }
            if spec.names_memory() {
                non_zero.memory = requests.memory;
            }
        }

        let containers = spec.init_containers.iter().filter(|_| profile.init_images);
        let images = containers
            .chain(&spec.containers)
            .map(|container| normalized_image_name(&container.image));
        let (mut hard, mut soft) = (Vec::new(), Vec::new());
        for constraint in &spec.topology_spread {
            let spread = own_spread(constraint, &template, topology(&constraint.topology_key));
            match constraint.when_unsatisfiable {
                WhenUnsatisfiable::DoNotSchedule => hard.push(spread),
                WhenUnsatisfiable::ScheduleAnyway => soft.push(spread),
            }
        }
        if spec.topology_spread.is_empty() && !default_selector.is_empty() {
            soft = system_default_constraints(default_selector, &template, topology);
        }

        let mut term = |term: &PodAffinityTerm| new_term(term, &template, topology(&term.topology_key));
        let affinity = &spec.affinity;
        let positive = affinity
            .pod_preferred
            .iter()
            .map(|weighted| (i64::from(weighted.weight), &weighted.term));
        let negative = affinity
            .anti_preferred
            .iter()
            .map(|weighted| (-i64::from(weighted.weight), &weighted.term));
        let preferred = positive
            .chain(negative)
            .map(|(weight, weighted)| (weight, term(weighted)))
            .collect();

        PodInfo {
            requests,
            non_zero_cpu: non_zero.cpu.0,
            non_zero_memory: non_zero.memory.0,
            scored: [scored.cpu.0, scored.memory.0],
            host_ports: host_ports(&template, profile),
            images: images.collect(),
            hard,
            soft,
            requires_all_topologies: !spec.topology_spread.is_empty(),
            affinity: affinity.pod_required.iter().map(&mut term).collect(),
            matches_own_affinity: false,
            anti_affinity: affinity.anti_required.iter().map(&mut term).collect(),
            preferred,
            tolerates_unschedulable: spec.tolerates(&unschedulable_taint()),
            names: required_names(&template),
            template: template.clone(),
        }
    }

    /// Notes which of its constraints and terms are about pods of another kind. Called for each kind in turn.
    pub(super) fn learn(
        &mut self,
        other: &PodTemplate,
        namespaces: &SortedMap<String, Labels>,
        profile: &Profile,
    ) {
        for spread in self.hard.iter_mut().chain(&mut self.soft) {
            spread.learn(other);
        }
        let preferred = self.preferred.iter_mut().map(|(_, term)| term);
        for term in self
            .affinity
            .iter_mut()
            .chain(&mut self.anti_affinity)
            .chain(preferred)
        {
            term.learn(other, namespaces, profile);
        }
    }
}

/// The taint that a cordon means.
#[must_use]
pub fn unschedulable_taint() -> Taint {
    Taint::new("node.kubernetes.io/unschedulable", TaintEffect::NoSchedule)
}

fn fill_missing_requests(container: &mut Container) {
    if !container.requests_cpu {
        container.requests.cpu = MilliCpu(DEFAULT_MILLI_CPU_REQUEST);
    }
    if !container.requests_memory {
        container.requests.memory = Bytes(DEFAULT_MEMORY_REQUEST);
    }
}

/// The name with `:latest` added if there is no tag
/// (kubernetes 1.35 pkg/scheduler/framework/plugins/imagelocality/image_locality.go `normalizedImageName`).
fn normalized_image_name(name: &str) -> String {
    // A name without the sign counts as one that has it before its beginning.
    if name.rfind(':') <= name.rfind('/') {
        format!("{name}:latest")
    } else {
        name.to_owned()
    }
}

fn host_ports(template: &PodTemplate, profile: &Profile) -> Vec<HostPort> {
    let containers = template.spec.containers.iter();
    let sidecars = template
        .spec
        .init_containers
        .iter()
        .filter(|container| container.restartable && profile.sidecar_ports);
    let ports = containers.chain(sidecars).flat_map(|container| &container.ports);
    let host_port = |port: &crate::api::ContainerPort| {
        Some(HostPort {
            ip: if port.host_ip.is_empty() {
                HostPort::ANY
            } else {
                &port.host_ip
            }
            .to_owned(),
            protocol: port.protocol,
            port: port.host_port.filter(|&port| port > 0)?,
        })
    };
    ports.filter_map(host_port).collect()
}

/// The selector with what the pod's own values of some labels add. No selector stays none.
fn with_label_keys(
    selector: Option<&LabelSelector>,
    labels: &Labels,
    keys: &[String],
    operator: Operator,
) -> Option<LabelSelector> {
    let mut selector = selector?.clone();
    for key in keys {
        if let Some(value) = labels.get(key) {
            selector.expressions.push(Expression {
                key: key.clone(),
                operator,
                values: vec![value.clone()],
            });
        }
    }
    Some(selector)
}

/// (kubernetes 1.35 pkg/scheduler/framework/plugins/podtopologyspread/common.go
/// `filterTopologySpreadConstraints`)
fn own_spread(constraint: &SpreadConstraint, template: &PodTemplate, topology: TopologyId) -> Spread {
    let keys = &constraint.match_label_keys;
    Spread {
        max_skew: i64::from(constraint.max_skew),
        topology,
        hostname: constraint.topology_key == HOSTNAME,
        selector: with_label_keys(constraint.selector.as_ref(), &template.labels, keys, Operator::In),
        min_domains: i64::from(constraint.min_domains.unwrap_or(1)),
        honor_node_affinity: constraint.honor_node_affinity,
        honor_node_taints: constraint.honor_node_taints,
        namespace: template.namespace.clone(),
        matches: Vec::new(),
    }
}

/// What applies to pods without constraints of their own
/// (kubernetes 1.35 pkg/scheduler/framework/plugins/podtopologyspread/plugin.go `systemDefaultConstraints`).
fn system_default_constraints(
    selector: &LabelSelector,
    template: &PodTemplate,
    topology: &mut impl FnMut(&str) -> TopologyId,
) -> Vec<Spread> {
    let mut spread = |key: &str, max_skew| Spread {
        max_skew,
        topology: topology(key),
        hostname: key == HOSTNAME,
        selector: Some(selector.clone()),
        min_domains: 1,
        honor_node_affinity: true,
        honor_node_taints: false,
        namespace: template.namespace.clone(),
        matches: Vec::new(),
    };
    vec![spread(HOSTNAME, 3), spread(ZONE, 5)]
}

/// The API server has merged the keys into the selector
/// (kubernetes 1.35 pkg/registry/core/pod/strategy.go `applyMatchLabelKeysAndMismatchLabelKeys`).
fn new_term(term: &PodAffinityTerm, template: &PodTemplate, topology: TopologyId) -> Term {
    let labels = &template.labels;
    let matching = with_label_keys(
        term.selector.as_ref(),
        labels,
        &term.match_label_keys,
        Operator::In,
    );
    let selector = with_label_keys(
        matching.as_ref(),
        labels,
        &term.mismatch_label_keys,
        Operator::NotIn,
    );
    let mut namespaces: SortedSet<String> = term.namespaces.iter().cloned().collect();
    if namespaces.is_empty() && term.namespace_selector.is_none() {
        namespaces.insert(template.namespace.clone());
    }
    Term {
        topology,
        selector,
        namespaces,
        namespace_selector: term.namespace_selector.clone(),
        matches: Vec::new(),
        finds: Vec::new(),
    }
}

/// The node names to which required affinity confines the pod: `None` if some term does not name nodes
/// (kubernetes 1.35 pkg/scheduler/framework/plugins/nodeaffinity/node_affinity.go `PreFilter`).
fn required_names(template: &PodTemplate) -> Option<SortedSet<String>> {
    let terms = template
        .spec
        .affinity
        .node_required
        .as_ref()
        .filter(|terms| !terms.is_empty())?;
    let mut names = SortedSet::new();
    for term in terms {
        let mut named: Option<SortedSet<String>> = None;
        for field in &term.fields {
            if field.key == "metadata.name" && field.operator == Operator::In {
                let values: SortedSet<String> = field.values.iter().cloned().collect();
                named = Some(named.map_or(values.clone(), |others| &others & &values));
            }
        }
        names.extend(named?);
    }
    Some(names)
}

/// The selector by which the default constraints count a pod's kin: those of the Services that select the
/// pod, merged, and that of its ReplicaSet; empty if it has neither
/// (kubernetes 1.35 pkg/scheduler/framework/plugins/helper/spread.go `DefaultSelector`).
#[must_use]
pub fn default_selector<'a>(
    template: &PodTemplate,
    service_selectors: impl IntoIterator<Item = &'a Labels>,
    owner: Option<&LabelSelector>,
) -> LabelSelector {
    let mut labels = Labels::new();
    for selector in service_selectors {
        let selects = selector
            .iter()
            .all(|(key, value)| template.labels.get(key) == Some(value));
        if selects && !selector.is_empty() {
            labels.extend(selector.clone());
        }
    }
    let mut merged = LabelSelector::from_labels(&labels);
    merged.expressions.extend(
        owner
            .into_iter()
            .flat_map(|selector| selector.expressions.clone()),
    );
    merged
}
