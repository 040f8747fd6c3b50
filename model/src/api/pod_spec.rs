//! Pod specifications, as far as anything in the stack acts on them.

use std::time::Duration;

use super::meta::{Expression, LabelSelector, Labels};
use super::node::{Taint, TaintEffect};
use crate::quantity::{Bytes, MilliCpu, Resources};

/// The name of a container image as written in the manifest.
pub type ImageRef = String;

/// A network protocol of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    /// TCP
    Tcp,
    /// UDP
    Udp,
    /// SCTP
    Sctp,
}

/// A port of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerPort {
    /// name; empty if none
    pub name: String,
    /// containerPort
    pub container_port: u16,
    /// hostPort
    pub host_port: Option<u16>,
    /// hostIP; empty if none
    pub host_ip: String,
    /// protocol
    pub protocol: Protocol,
}

/// A probe's timing. What it asks is not simulated; when the container can answer is a scenario's matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpProbe {
    /// initialDelaySeconds
    pub initial_delay: Duration,
    /// periodSeconds
    pub period: Duration,
    /// timeoutSeconds
    pub timeout: Duration,
    /// successThreshold
    pub success_threshold: u32,
    /// failureThreshold
    pub failure_threshold: u32,
}

/// A container of a pod.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Container {
    /// name
    pub name: String,
    /// image
    pub image: ImageRef,
    /// resources.requests, after limits have filled what requests leave out
    pub requests: Resources,
    /// Whether `requests` has a cpu entry (BestEffort containers count 100m in scheduling scores).
    pub requests_cpu: bool,
    /// Whether `requests` has a memory entry (without one, 200 MiB in scheduling scores).
    pub requests_memory: bool,
    /// resources.limits.cpu
    pub cpu_limit: Option<MilliCpu>,
    /// resources.limits.memory
    pub memory_limit: Option<Bytes>,
    /// ports
    pub ports: Vec<ContainerPort>,
    /// The port of the address in args' `--entryPoints.metrics.address`, where Traefik serves its metrics
    pub metrics_entry_point: Option<u16>,
    /// imagePullPolicy: Always
    pub always_pull: bool,
    /// readinessProbe
    pub readiness_probe: Option<HttpProbe>,
    /// startupProbe
    pub startup_probe: Option<HttpProbe>,
    /// livenessProbe
    pub liveness_probe: Option<HttpProbe>,
    /// An init container with restartPolicy: Always, that is, a sidecar.
    pub restartable: bool,
    /// How long an init container takes, as far as its manifest tells: its command is `sleep N`
    pub sleeps: Option<Duration>,
    /// lifecycle.preStop.sleep, or a preStop `sleep N` command
    pub pre_stop_sleep: Duration,
    /// It is the sleep action, which not every release keeps.
    pub pre_stop_is_action: bool,
}

/// A toleration of a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toleration {
    /// The key; empty tolerates every key (with operator Exists).
    pub key: String,
    /// The value that must be equal, or `None` for operator Exists.
    pub value: Option<String>,
    /// The effect; `None` tolerates all.
    pub effect: Option<TaintEffect>,
    /// tolerationSeconds, for NoExecute
    pub seconds: Option<i64>,
}

impl Toleration {
    /// Whether this toleration covers a taint
    /// (kubernetes 1.35 staging/src/k8s.io/api/core/v1/toleration.go `ToleratesTaint`).
    #[must_use]
    pub fn tolerates(&self, taint: &Taint) -> bool {
        let effect = self.effect.is_none_or(|effect| effect == taint.effect);
        let key = self.key.is_empty() || self.key == taint.key;
        effect && key && self.value.as_ref().is_none_or(|value| *value == taint.value)
    }
}

/// A term of a node selector: all requirements must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeSelectorTerm {
    /// matchExpressions
    pub expressions: Vec<Expression>,
    /// matchFields, of which the API knows only metadata.name
    pub fields: Vec<Expression>,
}

impl NodeSelectorTerm {
    /// Whether a node meets the term. A term with nothing in it matches no node.
    #[must_use]
    pub fn matches(&self, node_name: &str, labels: &Labels) -> bool {
        if self.expressions.is_empty() && self.fields.is_empty() {
            return false;
        }
        let name = || Labels::from([("metadata.name".to_owned(), node_name.to_owned())]);
        self.expressions
            .iter()
            .all(|expression| expression.matches(labels))
            && (self.fields.is_empty() || self.fields.iter().all(|field| field.matches(&name())))
    }
}

/// A preferred node affinity term.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreferredNodeTerm {
    /// weight, 1-100
    pub weight: i32,
    /// preference
    pub term: NodeSelectorTerm,
}

/// A pod affinity or anti-affinity term.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodAffinityTerm {
    /// labelSelector; `None` matches no pod
    pub selector: Option<LabelSelector>,
    /// namespaces; empty together with no namespace selector means the pod's own
    pub namespaces: Vec<String>,
    /// namespaceSelector; the empty selector means all namespaces
    pub namespace_selector: Option<LabelSelector>,
    /// topologyKey
    pub topology_key: String,
    /// matchLabelKeys
    pub match_label_keys: Vec<String>,
    /// mismatchLabelKeys
    pub mismatch_label_keys: Vec<String>,
}

/// A preferred pod affinity or anti-affinity term.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WeightedPodTerm {
    /// weight, 1-100
    pub weight: i32,
    /// podAffinityTerm
    pub term: PodAffinityTerm,
}

/// spec.affinity
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Affinity {
    /// nodeAffinity.requiredDuringScheduling...: terms of which one must hold; `None` asks nothing
    pub node_required: Option<Vec<NodeSelectorTerm>>,
    /// nodeAffinity.preferredDuringScheduling...
    pub node_preferred: Vec<PreferredNodeTerm>,
    /// podAffinity.requiredDuringScheduling...
    pub pod_required: Vec<PodAffinityTerm>,
    /// podAffinity.preferredDuringScheduling...
    pub pod_preferred: Vec<WeightedPodTerm>,
    /// podAntiAffinity.requiredDuringScheduling...
    pub anti_required: Vec<PodAffinityTerm>,
    /// podAntiAffinity.preferredDuringScheduling...
    pub anti_preferred: Vec<WeightedPodTerm>,
}

/// What an unsatisfiable spread constraint does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenUnsatisfiable {
    /// The pod is not scheduled.
    DoNotSchedule,
    /// The pod is scheduled all the same, where it skews least.
    ScheduleAnyway,
}

/// One of spec.topologySpreadConstraints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpreadConstraint {
    /// maxSkew
    pub max_skew: i32,
    /// topologyKey
    pub topology_key: String,
    /// whenUnsatisfiable
    pub when_unsatisfiable: WhenUnsatisfiable,
    /// labelSelector; `None` matches no pod
    pub selector: Option<LabelSelector>,
    /// minDomains
    pub min_domains: Option<i32>,
    /// nodeAffinityPolicy is Honor (the default)
    pub honor_node_affinity: bool,
    /// nodeTaintsPolicy is Honor (the default is Ignore)
    pub honor_node_taints: bool,
    /// matchLabelKeys
    pub match_label_keys: Vec<String>,
}

/// spec.preemptionPolicy
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PreemptionPolicy {
    /// May displace pods of lower priority.
    #[default]
    PreemptLowerPriority,
    /// Waits.
    Never,
}

/// A pod's own stanza of resources, from Kubernetes 1.34 on.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct PodLevelResources {
    /// requests.cpu, which replaces the containers' sum
    pub cpu: Option<MilliCpu>,
    /// requests.memory, which replaces the containers' sum
    pub memory: Option<Bytes>,
    /// limits.cpu, a quota beside the containers' own
    pub cpu_limit: Option<MilliCpu>,
}

impl PodLevelResources {
    /// Whether it requests anything (kubernetes 1.35 staging/src/k8s.io/component-helpers/resource/helpers.go
    /// `IsPodLevelRequestsSet`).
    #[must_use]
    pub fn requests_something(&self) -> bool {
        self.cpu.is_some() || self.memory.is_some()
    }
}

/// A pod specification.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PodSpec {
    /// containers
    pub containers: Vec<Container>,
    /// initContainers, sidecars among them
    pub init_containers: Vec<Container>,
    /// overhead
    pub overhead: Resources,
    /// resources
    pub pod_level: PodLevelResources,
    /// nodeSelector
    pub node_selector: Labels,
    /// affinity
    pub affinity: Affinity,
    /// tolerations
    pub tolerations: Vec<Toleration>,
    /// topologySpreadConstraints
    pub topology_spread: Vec<SpreadConstraint>,
    /// spec.nodeName, when the manifest itself names a node
    pub node_name: Option<String>,
    /// priority
    pub priority: i32,
    /// priorityClassName; empty if none
    pub priority_class: String,
    /// preemptionPolicy
    pub preemption_policy: PreemptionPolicy,
    /// terminationGracePeriodSeconds
    pub termination_grace: Duration,
    /// hostNetwork
    pub host_network: bool,
    /// schedulingGates is not empty
    pub gated: bool,
}

impl PodSpec {
    /// What the pod asks of a node, its slot included: the containers' and sidecars' sum or the greatest
    /// init container with the sidecars started before it, whichever is more, plus overhead
    /// (kubernetes 1.35 staging/src/k8s.io/component-helpers/resource/helpers.go `PodRequests`).
    ///
    /// Pod-level requests, where given, replace the resources they name.
    #[must_use]
    pub fn requests(&self) -> Resources {
        let mut running = Resources::default();
        for container in &self.containers {
            running += &container.requests;
        }
        let mut sidecars = Resources::default();
        let mut starting = Resources::default();
        for container in &self.init_containers {
            if container.restartable {
                sidecars += &container.requests;
                starting = starting.max(&sidecars);
            } else {
                starting = starting.max(&(container.requests.clone() + &sidecars));
            }
        }
        let mut total = (running + &sidecars).max(&starting);
        total.cpu = self.pod_level.cpu.unwrap_or(total.cpu);
        total.memory = self.pod_level.memory.unwrap_or(total.memory);
        total += &self.overhead;
        total.pods = 1;
        total
    }

    /// Whether anything in it names CPU: what nothing names is missing from its requests, and that is not 0.
    #[must_use]
    pub fn names_cpu(&self) -> bool {
        self.pod_level.cpu.is_some()
            || self.overhead.cpu != MilliCpu(0)
            || self.all_containers().any(|own| own.requests_cpu)
    }

    /// Whether anything in it names memory.
    #[must_use]
    pub fn names_memory(&self) -> bool {
        self.pod_level.memory.is_some()
            || self.overhead.memory != Bytes(0)
            || self.all_containers().any(|own| own.requests_memory)
    }

    /// The images of all its containers.
    pub fn images(&self) -> impl Iterator<Item = &str> {
        self.all_containers().map(|container| container.image.as_str())
    }

    fn all_containers(&self) -> impl Iterator<Item = &Container> {
        self.containers.iter().chain(&self.init_containers)
    }

    /// The place of the container that does what the pod is for: the first with a port, or the first. An assumption of
    /// this model, in which the others are idle.
    #[must_use]
    pub fn main_container(&self) -> usize {
        let with_port = self
            .containers
            .iter()
            .position(|container| !container.ports.is_empty());
        with_port.unwrap_or(0)
    }

    /// The port at which a Traefik pod serves its metrics, as far as its manifest tells: that of the entry point `metrics`
    /// in its arguments, the port of that name, or the chart's 9100 if it is one of its ports (traefik-helm-chart v37
    /// traefik/values.yaml `ports.metrics`).
    #[must_use]
    pub fn metrics_port(&self) -> Option<u16> {
        const CHART: u16 = 9100;
        let written = self.containers.iter().find_map(|own| own.metrics_entry_point);
        let ports = || self.containers.iter().flat_map(|own| &own.ports);
        let named = || ports().find(|port| port.name == "metrics");
        let known = || ports().find(|port| port.container_port == CHART);
        written.or_else(|| named().or_else(known).map(|port| port.container_port))
    }

    /// The CPU limit that the pod's work meets: its container's own quota or the whole pod's, whichever is less.
    #[must_use]
    pub fn cpu_limit(&self) -> Option<MilliCpu> {
        let own = self
            .containers
            .get(self.main_container())
            .and_then(|own| own.cpu_limit);
        own.into_iter().chain(self.pod_level.cpu_limit).min()
    }

    /// Whether the pod tolerates a taint.
    #[must_use]
    pub fn tolerates(&self, taint: &Taint) -> bool {
        self.tolerations
            .iter()
            .any(|toleration| toleration.tolerates(taint))
    }
}
