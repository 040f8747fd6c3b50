//! What the cluster's exporters expose: kube-state-metrics, kubelets, cAdvisor.
//!
//! Names, labels and values are those of kube-state-metrics 2.10 with the chart's defaults, and of the kubelet.
//! Only families that some query of the run can select are exposed ([`Interest`]), and the label sets of an
//! object are made once and handed out again as long as the object is the same: a scrape costs little more than
//! the values.
//!
//! Left out: what nothing in the model knows (images' ids, kernel versions, file systems, network), and kube_pod_labels and
//! kube_node_labels, which have no series by default: `--metric-labels-allowlist` is empty (2.10 internal/store/pod.go
//! `createPodLabelsGenerator`).

mod families;
mod kubelet;
mod node_families;
mod pod_families;
mod workload_families;

use sim::Instant;

use crate::api::Api;
use crate::id::{NodeId, PodId};

pub use self::kubelet::{CADVISOR, KUBELET};

use self::families::Families;
use self::kubelet::{Cadvisor, Kubelet};
use super::labels::Sample;
use super::scrape::Job;
use super::storage::Interest;
use crate::api::{Deployment, Node, Pod};

/// The job that scrapes a metric: that of pods, unless one of the cluster's exporters has it. `up` and its kin are of
/// every job.
#[must_use]
pub fn job(metric: &str) -> Option<Job> {
    if metric.is_empty() || super::scrape::REPORTS.contains(&metric) {
        None
    } else if CADVISOR.contains(&metric) {
        Some(Job::KubernetesNodesCadvisor)
    } else if KUBELET.contains(&metric) {
        Some(Job::KubernetesNodes)
    } else if metric.starts_with("kube_") {
        Some(Job::KubernetesServiceEndpoints)
    } else {
        Some(Job::KubernetesPods)
    }
}

/// The label that tells the objects of an exporter's metric apart.
#[must_use]
pub fn named_by(metric: &str) -> Option<&'static str> {
    const KINDS: [(&str, &str); 6] = [
        ("container_", "pod"),
        ("kubelet_", "instance"),
        ("kube_pod_", "pod"),
        ("kube_node_", "node"),
        ("kube_deployment_", "deployment"),
        ("kube_horizontalpodautoscaler_", "horizontalpodautoscaler"),
    ];
    let kind = KINDS.iter().find(|(prefix, _)| metric.starts_with(prefix));
    kind.map(|(_, label)| *label)
}

/// What a kubelet measures of a running pod.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct PodUsage {
    /// CPU seconds used since the containers started.
    pub cpu_seconds: f64,
    /// The working set, bytes, if it is known: a pod of which it is not has no such series.
    pub memory: Option<f64>,
}

/// What kube-state-metrics says of one HorizontalPodAutoscaler.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HpaState {
    /// metadata.namespace
    pub namespace: String,
    /// metadata.name
    pub name: String,
    /// spec.minReplicas
    pub min_replicas: i32,
    /// spec.maxReplicas
    pub max_replicas: i32,
    /// status.currentReplicas
    pub current_replicas: i32,
    /// status.desiredReplicas
    pub desired_replicas: i32,
}

/// Looks up what a kubelet measures of a pod.
pub type Usage<'a> = &'a dyn Fn(PodId) -> PodUsage;

/// The exporters of a run.
#[derive(Debug)]
pub struct Exporters {
    /// The wall-clock label of the start of the run, in Unix milliseconds.
    epoch: i64,
    pods: Families<Pod>,
    deployments: Families<Deployment>,
    nodes: Families<Node>,
    hpas: Families<HpaState>,
    kubelet: Kubelet,
    cadvisor: Cadvisor,
}

impl Exporters {
    /// Exporters for queries that select these metrics; `epoch` is the wall-clock label of the start of the
    /// run in Unix milliseconds.
    #[must_use]
    pub fn new(interest: &Interest, epoch: i64) -> Self {
        Exporters {
            epoch,
            pods: Families::wanted(pod_families::ALL, interest),
            deployments: Families::wanted(workload_families::DEPLOYMENTS, interest),
            nodes: Families::wanted(node_families::ALL, interest),
            hpas: Families::wanted(workload_families::HPAS, interest),
            kubelet: Kubelet::new(interest),
            cadvisor: Cadvisor::new(interest),
        }
    }

    /// What kube-state-metrics exposes of the API's objects and of these HorizontalPodAutoscalers.
    pub fn kube_state(&mut self, now: Instant, api: &Api, hpas: &[HpaState]) -> Vec<Sample> {
        let context = families::Context {
            api,
            now,
            epoch: self.epoch,
        };
        let mut samples = Vec::new();
        self.pods.expose(
            &context,
            || api.pods.iter().map(|(id, pod)| (id.0, pod)),
            &mut samples,
        );
        let deployments = || api.deployments.iter().map(|(id, object)| (id.0, object));
        self.deployments.expose(&context, deployments, &mut samples);
        self.nodes.expose(
            &context,
            || api.nodes.iter().map(|(id, node)| (id.0, node)),
            &mut samples,
        );
        self.hpas.expose(&context, || (0..).zip(hpas), &mut samples);
        samples
    }

    /// What a node's kubelet exposes of itself.
    pub fn kubelet(&mut self, api: &Api, node: NodeId) -> Vec<Sample> {
        self.kubelet.expose(api, node)
    }

    /// What the cAdvisor of a node exposes: the use of its pods, each as a whole and by container.
    pub fn cadvisor(&mut self, api: &Api, node: NodeId, usage: Usage<'_>) -> Vec<Sample> {
        self.cadvisor.expose(api, node, usage)
    }
}

/// The names of all families of kube-state-metrics that can be exposed.
pub fn kube_state_families() -> impl Iterator<Item = &'static str> {
    let pods = pod_families::ALL.iter().map(|family| family.name);
    let deployments = workload_families::DEPLOYMENTS.iter().map(|family| family.name);
    let nodes = node_families::ALL.iter().map(|family| family.name);
    let hpas = workload_families::HPAS.iter().map(|family| family.name);
    pods.chain(deployments).chain(nodes).chain(hpas)
}

/// The names of all metrics that the exporters can expose or that the server adds by itself. What pods expose,
/// Traefik's metrics among them, is not known here.
pub fn metrics() -> impl Iterator<Item = &'static str> {
    let own = super::scrape::REPORTS.into_iter();
    let nodes = KUBELET.into_iter().chain(CADVISOR);
    own.chain(nodes).chain(kube_state_families())
}

/// A pod's address: made up, one for each pod.
#[must_use]
pub fn pod_ip(id: PodId) -> String {
    let [_, high, middle, low] = (id.0 + 0x0100).to_be_bytes();
    format!("10.{}.{middle}.{low}", 64 + high % 64)
}

/// A node's address: made up, one for each node.
#[must_use]
pub fn node_ip(id: NodeId) -> String {
    let [_, _, middle, low] = (id.0 + 0x0010).to_be_bytes();
    format!("192.168.{middle}.{low}")
}
