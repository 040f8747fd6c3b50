//! Service discovery: from pods and nodes to targets, by the chart's relabelling.

use std::sync::Arc;

use sim::{SortedMap, SortedSet};

use super::config::Job;
use super::target::{Source, Target};
use super::{Config, View};
use crate::api::{ByTemplate, Labels as Metadata, Node, Phase, Pod};
use crate::id::{NodeId, PodId};
use crate::prometheus::exporters;
use crate::prometheus::labels::Labels;
use crate::prometheus::storage::Interest;
use crate::prometheus::version::Profile;

/// Whether a pod asks to be scraped.
fn is_annotated(pod: &Pod) -> bool {
    let is_true = |key: &str| {
        pod.template
            .annotations
            .get(key)
            .is_some_and(|value| value == "true")
    };
    is_true("prometheus.io/scrape") && !is_true("prometheus.io/scrape-slow")
}

/// Whether pods with these labels are kube-state-metrics.
pub(crate) fn is_kube_state_metrics(labels: &Metadata) -> bool {
    let name = labels.get("app.kubernetes.io/name");
    name.is_some_and(|name| name == "kube-state-metrics")
}

/// Which jobs can bring something that some query selects. Any pod may expose anything.
#[derive(Debug, Clone, Copy)]
struct Wanted {
    kubelet: bool,
    cadvisor: bool,
    kube_state: bool,
}

impl Wanted {
    fn new(interest: &Interest) -> Self {
        let reports = interest.wants_any(&super::target::REPORTS);
        Wanted {
            kubelet: reports || exporters::KUBELET.iter().any(|name| interest.wants(name)),
            cadvisor: reports || exporters::CADVISOR.iter().any(|name| interest.wants(name)),
            kube_state: reports || exporters::kube_state_families().any(|name| interest.wants(name)),
        }
    }
}

/// What the pods of a template are to the chart's jobs.
#[derive(Debug, Clone, Copy)]
struct Role {
    annotated: bool,
    kube_state: bool,
}

impl Role {
    fn of(pod: &Pod) -> Self {
        Role {
            annotated: is_annotated(pod),
            kube_state: is_kube_state_metrics(pod.labels()),
        }
    }
}

/// What discovery remembers, so that a change costs no more than what changed.
#[derive(Debug)]
pub(super) struct Discovery {
    wanted: Wanted,
    roles: ByTemplate<Role>,
    /// Pods that are or were targets.
    pods: SortedSet<PodId>,
    nodes: SortedMap<NodeId, NodeTargets>,
    /// Some workload was kube-state-metrics: none is taken to be there without one.
    declared: bool,
}

/// The targets of a node with these labels.
#[derive(Debug)]
struct NodeTargets {
    metadata: Arc<Metadata>,
    targets: Vec<Target>,
}

impl Discovery {
    pub(super) fn new(interest: &Interest) -> Self {
        Discovery {
            wanted: Wanted::new(interest),
            roles: ByTemplate::default(),
            pods: SortedSet::new(),
            nodes: SortedMap::new(),
            declared: false,
        }
    }

    /// Whether a change of a pod can change the targets.
    pub(super) fn concerns_pod(&mut self, id: PodId, view: &View<'_>) -> bool {
        let Some(pod) = view.api.pods.get(id) else {
            return self.pods.remove(&id);
        };
        let role = self.roles.get_or(&pod.template, || Role::of(pod));
        let concerns = role.annotated || role.kube_state;
        if concerns {
            self.pods.insert(id);
        }
        concerns
    }

    /// Whether a change of a node can change the targets: it came, went, or has other labels.
    pub(super) fn concerns_node(&self, id: NodeId, view: &View<'_>) -> bool {
        let wanted = self.wanted.kubelet || self.wanted.cadvisor;
        let known = self.nodes.get(&id).map(|known| &known.metadata);
        let same = match (known, view.api.nodes.get(id)) {
            (Some(known), Some(node)) => Arc::ptr_eq(known, &node.labels),
            (known, node) => known.is_none() && node.is_none(),
        };
        wanted && !same
    }

    /// All targets of the moment, each once.
    pub(super) fn discover(&mut self, view: &View<'_>, config: &Config) -> Vec<Target> {
        let api = view.api;
        let mut targets = Vec::new();
        let deployments = api.deployments.iter().map(|(_, own)| &own.template);
        let mut templates = deployments.chain(api.daemon_sets.iter().map(|(_, own)| &own.template));
        self.declared |= templates.any(|template| is_kube_state_metrics(&template.labels));
        let mut exporter = None;
        for (id, pod) in api.pods.iter() {
            let Role {
                annotated,
                kube_state,
            } = *self.roles.get_or(&pod.template, || Role::of(pod));
            if !annotated && !kube_state {
                continue;
            }
            // Without an address there is no target; pods that wait or have ended are dropped by phase.
            let node = pod.node.and_then(|node| api.nodes.get(node));
            let Some(node) = node.filter(|_| pod.phase == Phase::Running) else {
                continue;
            };
            if annotated {
                pod_targets(id, pod, node, config, &mut targets);
            }
            if kube_state {
                exporter = Some((id, pod, node.name.as_str()));
            }
        }
        if self.wanted.kubelet || self.wanted.cadvisor {
            self.nodes.retain(|id, _| api.nodes.get(*id).is_some());
            for (id, node) in api.nodes.iter() {
                targets.extend_from_slice(self.node_targets(id, node));
            }
        }
        if self.wanted.kube_state && (exporter.is_some() || !self.declared) {
            targets.push(kube_state_target(exporter, view));
        }
        targets
    }

    /// Jobs `kubernetes-nodes` and `kubernetes-nodes-cadvisor`: every label of the node is copied, so that a
    /// node whose labels change is another target.
    fn node_targets(&mut self, id: NodeId, node: &Node) -> &[Target] {
        let wanted = self.wanted;
        let make = || {
            let copied = sanitized(&node.labels);
            let target = |(_, job, source): (bool, Job, Source)| Target {
                job,
                source,
                labels: labels(&copied, &[("job", job.name()), ("instance", &node.name)]),
            };
            let all = [
                (wanted.kubelet, Job::KubernetesNodes, Source::Kubelet(id)),
                (
                    wanted.cadvisor,
                    Job::KubernetesNodesCadvisor,
                    Source::Cadvisor(id),
                ),
            ];
            let wanted = all.into_iter().filter(|(wanted, ..)| *wanted);
            NodeTargets {
                metadata: node.labels.clone(),
                targets: wanted.map(target).collect(),
            }
        };
        let known = self.nodes.entry(id).or_insert_with(make);
        if !Arc::ptr_eq(&known.metadata, &node.labels) {
            *known = make();
        }
        &known.targets
    }
}

/// A label name from a Kubernetes name: what may not be in one becomes `_`
/// (prometheus 3.5 util/strutil/strconv.go `SanitizeLabelName`).
pub(crate) fn label_name(name: &str) -> String {
    let letter = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let mut sanitized = String::with_capacity(name.len());
    sanitized.extend(name.chars().map(letter));
    sanitized
}

fn sanitized(metadata: &Metadata) -> Vec<(String, &str)> {
    metadata
        .iter()
        .map(|(name, value)| (label_name(name), value.as_str()))
        .collect()
}

/// Target labels: those copied from the object, then the job's own.
fn labels<'a>(copied: &'a [(String, &'a str)], own: &[(&'a str, &'a str)]) -> Labels {
    let copied = copied.iter().map(|(name, value)| (name.as_str(), *value));
    Labels::new(copied.chain(own.iter().copied()))
}

/// Job `kubernetes-pods`. The annotated port replaces every port of the pod, so that one target is left;
/// without it each container port is one.
fn pod_targets(id: PodId, pod: &Pod, node: &Node, config: &Config, targets: &mut Vec<Target>) {
    let ip = exporters::pod_ip(id);
    let port = pod.template.annotations.get("prometheus.io/port");
    let port = port.filter(|port| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()));
    let addresses = match port {
        Some(port) => vec![(format!("{ip}:{port}"), port.parse().unwrap_or(0))],
        None => port_addresses(pod, &ip, config),
    };
    let copied = sanitized(pod.labels());
    for (address, port) in addresses {
        let own = [
            ("job", Job::KubernetesPods.name()),
            ("instance", address.as_str()),
            ("namespace", pod.namespace()),
            ("pod", pod.name.as_str()),
            ("node", node.name.as_str()),
        ];
        targets.push(Target {
            job: Job::KubernetesPods,
            source: Source::Pod(id, port),
            labels: labels(&copied, &own),
        });
    }
}

/// The port of an address that has none.
const SCHEME_PORT: u16 = 80;

/// Each container's ports; a container without any is taken at its address alone, to which releases before
/// 3.0 add the scheme's port.
fn port_addresses(pod: &Pod, ip: &str, config: &Config) -> Vec<(String, u16)> {
    let spec = pod.spec();
    let mut addresses: Vec<(String, u16)> = Vec::new();
    for container in spec.containers.iter().chain(&spec.init_containers) {
        let ports = container
            .ports
            .iter()
            .map(|port| (format!("{ip}:{}", port.container_port), port.container_port));
        addresses.extend(ports);
        if container.ports.is_empty() {
            let implicit = if Profile::of(config.version).v3 { "" } else { ":80" };
            addresses.push((format!("{ip}{implicit}"), SCHEME_PORT));
        }
    }
    addresses.sort();
    addresses.dedup();
    addresses
}

/// Job `kubernetes-service-endpoints`: the service of kube-state-metrics with the chart's labels
/// (helm-charts kube-state-metrics-5.15 templates/service.yaml). Where no manifest has it, there is one all the same, on
/// the oldest node, as there is a Prometheus.
fn kube_state_target(exporter: Option<(PodId, &Pod, &str)>, view: &View<'_>) -> Target {
    let first_node = || {
        view.api
            .nodes
            .iter()
            .next()
            .map_or("", |(_, node)| node.name.as_str())
    };
    let (namespace, ip, node) = match exporter {
        Some((id, pod, node)) => (pod.namespace(), exporters::pod_ip(id), node),
        None => ("prometheus", "10.0.0.10".to_owned(), first_node()),
    };
    let instance = format!("{ip}:8080");
    let job = Job::KubernetesServiceEndpoints;
    let own = [
        ("job", job.name()),
        ("instance", instance.as_str()),
        ("namespace", namespace),
        ("service", "prometheus-kube-state-metrics"),
        ("node", node),
        ("app_kubernetes_io_component", "metrics"),
        ("app_kubernetes_io_instance", "prometheus"),
        ("app_kubernetes_io_managed_by", "Helm"),
        ("app_kubernetes_io_name", "kube-state-metrics"),
        ("app_kubernetes_io_part_of", "kube-state-metrics"),
    ];
    Target {
        job,
        source: Source::KubeStateMetrics(exporter.map(|(id, ..)| id)),
        labels: Labels::new(own),
    }
}
