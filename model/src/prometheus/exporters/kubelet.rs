//! What each node exposes: the kubelet of itself, and cAdvisor of the pods
//! (kubernetes 1.35 pkg/kubelet/metrics/metrics.go). The latter's are of google/cadvisor metrics/prometheus.go,
//! for containerd.

use sim::SortedMap;

use super::Usage;
use crate::api::{Api, Phase};
use crate::id::{NodeId, PodId};
use crate::prometheus::labels::{Labels, Sample};
use crate::prometheus::storage::Interest;

/// The metrics of the kubelet that can be exposed.
pub const KUBELET: [&str; 2] = ["kubelet_node_name", "kubelet_running_pods"];

/// The metrics of cAdvisor that can be exposed.
pub const CADVISOR: [&str; 5] = [
    "container_cpu_usage_seconds_total",
    "container_memory_working_set_bytes",
    "container_memory_usage_bytes",
    "machine_cpu_cores",
    "machine_memory_bytes",
];

fn wanted<const N: usize>(names: [&'static str; N], interest: &Interest) -> [bool; N] {
    names.map(|name| interest.wants(name))
}

/// The kubelets' own metrics.
#[derive(Debug)]
pub(super) struct Kubelet {
    wanted: [bool; KUBELET.len()],
    labels: SortedMap<NodeId, [Labels; KUBELET.len()]>,
}

impl Kubelet {
    pub(super) fn new(interest: &Interest) -> Self {
        Kubelet {
            wanted: wanted(KUBELET, interest),
            labels: SortedMap::new(),
        }
    }

    pub(super) fn expose(&mut self, api: &Api, id: NodeId) -> Vec<Sample> {
        let Some(node) = api.nodes.get(id) else {
            return Vec::new();
        };
        let labels = self.labels.entry(id).or_insert_with(|| {
            let [name, pods] = KUBELET;
            [
                Labels::of_metric(name, [("node", node.name.as_str())]),
                Labels::of_metric(pods, []),
            ]
        });
        let running = || {
            api.pods_on(id)
                .iter()
                .filter(|pod| is_running(api, **pod))
                .count()
        };
        let values = [1.0, if self.wanted[1] { running() as f64 } else { 0.0 }];
        let exposed = labels
            .iter()
            .zip(values)
            .zip(self.wanted)
            .filter(|(_, wanted)| *wanted);
        exposed
            .map(|((labels, value), _)| Sample::new(labels.clone(), value))
            .collect()
    }
}

fn is_running(api: &Api, pod: PodId) -> bool {
    api.pods.get(pod).is_some_and(|pod| pod.phase == Phase::Running)
}

/// The use of pods: once for the pod's control group, which has no container label, and once for each
/// container. The model knows a pod's use as a whole; it is its main container's.
#[derive(Debug)]
pub(super) struct Cadvisor {
    /// CPU, working set, usage
    pods_wanted: [bool; 3],
    /// CPUs, memory
    machine_wanted: [bool; 2],
    machines: SortedMap<NodeId, [Labels; 2]>,
    /// By pod: of each metric the pod's and then its containers' labels.
    pods: SortedMap<PodId, [Vec<Labels>; 3]>,
}

impl Cadvisor {
    pub(super) fn new(interest: &Interest) -> Self {
        let [cpu, working_set, usage, cores, memory] = wanted(CADVISOR, interest);
        Cadvisor {
            pods_wanted: [cpu, working_set, usage],
            machine_wanted: [cores, memory],
            machines: SortedMap::new(),
            pods: SortedMap::new(),
        }
    }

    pub(super) fn expose(&mut self, api: &Api, id: NodeId, usage: Usage<'_>) -> Vec<Sample> {
        let Some(node) = api.nodes.get(id) else {
            return Vec::new();
        };
        let mut samples = Vec::new();
        if self.pods_wanted.contains(&true) {
            for &pod in api.pods_on(id).iter().filter(|pod| is_running(api, **pod)) {
                self.expose_pod(api, pod, usage, &mut samples);
            }
        }
        let machine = self.machines.entry(id).or_insert_with(|| {
            let [.., cores, memory] = CADVISOR;
            [Labels::of_metric(cores, []), Labels::of_metric(memory, [])]
        });
        let values = [node.capacity.cpu.0 as f64 / 1000.0, node.capacity.memory.0 as f64];
        for ((labels, value), wanted) in machine.iter().zip(values).zip(self.machine_wanted) {
            if wanted {
                samples.push(Sample::new(labels.clone(), value));
            }
        }
        samples
    }

    fn expose_pod(&mut self, api: &Api, id: PodId, usage: Usage<'_>, samples: &mut Vec<Sample>) {
        let labels = self.pods.entry(id).or_insert_with(|| pod_labels(api, id));
        let used = usage(id);
        let values = [Some(used.cpu_seconds), used.memory, used.memory];
        for ((sets, value), wanted) in labels.iter().zip(values).zip(self.pods_wanted) {
            let Some(value) = value.filter(|_| wanted) else {
                continue;
            };
            // The pod itself, then its containers.
            let main = 1 + api.pods.get(id).map_or(0, |pod| pod.spec().main_container());
            for (place, labels) in sets.iter().enumerate() {
                let own = if place == 0 || place == main { value } else { 0.0 };
                samples.push(Sample::new(labels.clone(), own));
            }
        }
    }
}

fn pod_labels(api: &Api, id: PodId) -> [Vec<Labels>; 3] {
    let [cpu, working_set, usage, ..] = CADVISOR;
    [cpu, working_set, usage].map(|metric| {
        let Some(pod) = api.pods.get(id) else {
            return Vec::new();
        };
        let group = format!("/kubepods.slice/pod{:032x}.slice", pod.uid);
        // Only the CPU counter says of which CPU: the total of all.
        let of_all = if metric == cpu { "total" } else { "" };
        let own = |container: &str, image: &str, id: &str| {
            let pairs = [
                ("container", container),
                ("cpu", of_all),
                ("id", id),
                ("image", image),
                ("namespace", pod.namespace()),
                ("pod", pod.name.as_str()),
            ];
            Labels::of_metric(metric, pairs)
        };
        let container = |c: &crate::api::Container| own(&c.name, &c.image, &format!("{group}/{}", c.name));
        let containers = pod.spec().containers.iter().map(container);
        std::iter::once(own("", "", &group)).chain(containers).collect()
    })
}
