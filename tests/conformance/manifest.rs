//! Pod specs as vectors write them: the API's own names, converted into the model's types.
//!
//! The scenario's manifests have a reader of their own. This one reads what the vectors use, applies the API
//! server's defaults that matter to scheduling, and refuses every field it does not know.

use std::time::Duration;

use model::api;
use model::quantity::{Bytes, MilliCpu, Quantity, Resources};
use serde::Deserialize;
use sim::SortedMap;

type Amounts = SortedMap<String, String>;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PodSpec {
    containers: Vec<Container>,
    #[serde(default)]
    init_containers: Vec<Container>,
    #[serde(default)]
    overhead: Amounts,
    #[serde(default)]
    resources: Option<Requirements>,
    #[serde(default)]
    node_selector: api::Labels,
    #[serde(default)]
    affinity: Affinity,
    #[serde(default)]
    tolerations: Vec<Toleration>,
    #[serde(default)]
    topology_spread_constraints: Vec<Spread>,
    #[serde(default)]
    node_name: Option<String>,
    #[serde(default)]
    priority: i32,
    #[serde(default)]
    priority_class_name: String,
    #[serde(default)]
    preemption_policy: Option<String>,
    #[serde(default)]
    termination_grace_period_seconds: Option<u64>,
    #[serde(default)]
    host_network: bool,
    #[serde(default)]
    scheduling_gates: Vec<Gate>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Gate {
    #[serde(rename = "name")]
    _name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Container {
    name: String,
    image: String,
    #[serde(default)]
    resources: Requirements,
    #[serde(default)]
    ports: Vec<Port>,
    #[serde(default)]
    restart_policy: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Requirements {
    #[serde(default)]
    requests: Amounts,
    #[serde(default)]
    limits: Amounts,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Port {
    container_port: u16,
    #[serde(default)]
    host_port: Option<u16>,
    #[serde(default, rename = "hostIP")]
    host_ip: String,
    #[serde(default)]
    protocol: Option<String>,
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Toleration {
    #[serde(default)]
    key: String,
    #[serde(default)]
    operator: Option<String>,
    #[serde(default)]
    value: String,
    #[serde(default)]
    effect: Option<String>,
    #[serde(default)]
    toleration_seconds: Option<i64>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Affinity {
    #[serde(default)]
    node_affinity: NodeAffinity,
    #[serde(default)]
    pod_affinity: PodAffinity,
    #[serde(default)]
    pod_anti_affinity: PodAffinity,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct NodeAffinity {
    #[serde(default, rename = "requiredDuringSchedulingIgnoredDuringExecution")]
    required: Option<NodeSelector>,
    #[serde(default, rename = "preferredDuringSchedulingIgnoredDuringExecution")]
    preferred: Vec<PreferredNode>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NodeSelector {
    node_selector_terms: Vec<NodeTerm>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NodeTerm {
    #[serde(default)]
    match_expressions: Vec<Expression>,
    #[serde(default)]
    match_fields: Vec<Expression>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PreferredNode {
    weight: i32,
    preference: NodeTerm,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct PodAffinity {
    #[serde(default, rename = "requiredDuringSchedulingIgnoredDuringExecution")]
    required: Vec<PodTerm>,
    #[serde(default, rename = "preferredDuringSchedulingIgnoredDuringExecution")]
    preferred: Vec<WeightedPod>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WeightedPod {
    weight: i32,
    pod_affinity_term: PodTerm,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PodTerm {
    #[serde(default)]
    label_selector: Option<Selector>,
    #[serde(default)]
    namespaces: Vec<String>,
    #[serde(default)]
    namespace_selector: Option<Selector>,
    topology_key: String,
    #[serde(default)]
    match_label_keys: Vec<String>,
    #[serde(default)]
    mismatch_label_keys: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Spread {
    max_skew: i32,
    topology_key: String,
    when_unsatisfiable: String,
    #[serde(default)]
    label_selector: Option<Selector>,
    #[serde(default)]
    min_domains: Option<i32>,
    #[serde(default)]
    node_affinity_policy: Option<String>,
    #[serde(default)]
    node_taints_policy: Option<String>,
    #[serde(default)]
    match_label_keys: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Selector {
    #[serde(default)]
    match_labels: api::Labels,
    #[serde(default)]
    match_expressions: Vec<Expression>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expression {
    key: String,
    operator: String,
    #[serde(default)]
    values: Vec<String>,
}

/// Quantities by resource name.
pub(crate) fn resources(amounts: &Amounts) -> Resources {
    let mut resources = Resources::default();
    for (name, amount) in amounts {
        let amount: Quantity = amount.parse().expect("vectors hold quantities");
        match name.as_str() {
            "cpu" => resources.cpu = MilliCpu(amount.milli()),
            "memory" => resources.memory = Bytes(amount.whole()),
            "ephemeral-storage" => resources.ephemeral_storage = Bytes(amount.whole()),
            "pods" => resources.pods = amount.whole(),
            _ => {
                resources.extended.insert(name.as_str().into(), amount.whole());
            }
        }
    }
    resources
}

/// Quantities of a pod's own stanza.
pub(crate) fn pod_level(amounts: &Amounts) -> api::PodLevelResources {
    let Resources { cpu, memory, .. } = resources(amounts);
    api::PodLevelResources {
        cpu: amounts.contains_key("cpu").then_some(cpu),
        memory: amounts.contains_key("memory").then_some(memory),
        cpu_limit: None,
    }
}

impl PodSpec {
    pub(crate) fn to_model(&self) -> api::PodSpec {
        let container = |container: &Container| container.to_model(self.host_network);
        let affinity = &self.affinity;
        let required = affinity.node_affinity.required.as_ref();
        let preferred = |term: &PreferredNode| api::PreferredNodeTerm {
            weight: term.weight,
            term: term.preference.to_model(),
        };
        api::PodSpec {
            containers: self.containers.iter().map(container).collect(),
            init_containers: self.init_containers.iter().map(container).collect(),
            overhead: resources(&self.overhead),
            pod_level: self
                .resources
                .as_ref()
                .map(|own| pod_level(&own.requests_with_limits()))
                .unwrap_or_default(),
            node_selector: self.node_selector.clone(),
            affinity: api::Affinity {
                node_required: required
                    .map(|r| r.node_selector_terms.iter().map(NodeTerm::to_model).collect()),
                node_preferred: affinity.node_affinity.preferred.iter().map(preferred).collect(),
                pod_required: affinity
                    .pod_affinity
                    .required
                    .iter()
                    .map(PodTerm::to_model)
                    .collect(),
                pod_preferred: affinity
                    .pod_affinity
                    .preferred
                    .iter()
                    .map(WeightedPod::to_model)
                    .collect(),
                anti_required: affinity
                    .pod_anti_affinity
                    .required
                    .iter()
                    .map(PodTerm::to_model)
                    .collect(),
                anti_preferred: affinity
                    .pod_anti_affinity
                    .preferred
                    .iter()
                    .map(WeightedPod::to_model)
                    .collect(),
            },
            tolerations: self.tolerations.iter().map(Toleration::to_model).collect(),
            topology_spread: self
                .topology_spread_constraints
                .iter()
                .map(Spread::to_model)
                .collect(),
            node_name: self.node_name.clone(),
            priority: self.priority,
            priority_class: self.priority_class_name.clone(),
            preemption_policy: match self.preemption_policy.as_deref() {
                Some("Never") => api::PreemptionPolicy::Never,
                _ => api::PreemptionPolicy::PreemptLowerPriority,
            },
            termination_grace: Duration::from_secs(self.termination_grace_period_seconds.unwrap_or(30)),
            host_network: self.host_network,
            gated: !self.scheduling_gates.is_empty(),
        }
    }
}

impl Requirements {
    /// A limit without a request is the request.
    fn requests_with_limits(&self) -> Amounts {
        let mut requests = self.limits.clone();
        requests.extend(self.requests.clone());
        requests
    }
}

impl Container {
    fn to_model(&self, host_network: bool) -> api::Container {
        let requests = self.resources.requests_with_limits();
        let port = |port: &Port| api::ContainerPort {
            name: port.name.clone(),
            container_port: port.container_port,
            host_port: port.host_port.or(host_network.then_some(port.container_port)),
            host_ip: port.host_ip.clone(),
            protocol: match port.protocol.as_deref() {
                None | Some("TCP") => api::Protocol::Tcp,
                Some("UDP") => api::Protocol::Udp,
                Some("SCTP") => api::Protocol::Sctp,
                Some(other) => panic!("{other} is no protocol"),
            },
        };
        api::Container {
            name: self.name.clone(),
            image: self.image.clone(),
            requests_cpu: requests.contains_key("cpu"),
            requests_memory: requests.contains_key("memory"),
            requests: resources(&requests),
            ports: self.ports.iter().map(port).collect(),
            restartable: self.restart_policy.as_deref() == Some("Always"),
            ..api::Container::default()
        }
    }
}

impl Toleration {
    fn to_model(&self) -> api::Toleration {
        let exists = match self.operator.as_deref() {
            Some("Exists") => true,
            None | Some("Equal" | "") => false,
            Some(other) => panic!("{other} is no toleration operator"),
        };
        api::Toleration {
            key: self.key.clone(),
            value: (!exists).then(|| self.value.clone()),
            effect: self
                .effect
                .as_deref()
                .filter(|effect| !effect.is_empty())
                .map(taint_effect),
            seconds: self.toleration_seconds,
        }
    }
}

impl Expression {
    fn to_model(&self) -> api::Expression {
        api::Expression {
            key: self.key.clone(),
            operator: match self.operator.as_str() {
                "In" => api::Operator::In,
                "NotIn" => api::Operator::NotIn,
                "Exists" => api::Operator::Exists,
                "DoesNotExist" => api::Operator::DoesNotExist,
                "Gt" => api::Operator::Gt,
                "Lt" => api::Operator::Lt,
                other => panic!("{other} is no operator"),
            },
            values: self.values.clone(),
        }
    }
}

impl NodeTerm {
    fn to_model(&self) -> api::NodeSelectorTerm {
        api::NodeSelectorTerm {
            expressions: self.match_expressions.iter().map(Expression::to_model).collect(),
            fields: self.match_fields.iter().map(Expression::to_model).collect(),
        }
    }
}

impl Selector {
    fn to_model(&self) -> api::LabelSelector {
        let mut selector = api::LabelSelector::from_labels(&self.match_labels);
        selector
            .expressions
            .extend(self.match_expressions.iter().map(Expression::to_model));
        selector
    }
}

impl PodTerm {
    fn to_model(&self) -> api::PodAffinityTerm {
        api::PodAffinityTerm {
            selector: self.label_selector.as_ref().map(Selector::to_model),
            namespaces: self.namespaces.clone(),
            namespace_selector: self.namespace_selector.as_ref().map(Selector::to_model),
            topology_key: self.topology_key.clone(),
            match_label_keys: self.match_label_keys.clone(),
            mismatch_label_keys: self.mismatch_label_keys.clone(),
        }
    }
}

impl WeightedPod {
    fn to_model(&self) -> api::WeightedPodTerm {
        api::WeightedPodTerm {
            weight: self.weight,
            term: self.pod_affinity_term.to_model(),
        }
    }
}

impl Spread {
    fn to_model(&self) -> api::SpreadConstraint {
        api::SpreadConstraint {
            max_skew: self.max_skew,
            topology_key: self.topology_key.clone(),
            when_unsatisfiable: match self.when_unsatisfiable.as_str() {
                "DoNotSchedule" => api::WhenUnsatisfiable::DoNotSchedule,
                "ScheduleAnyway" => api::WhenUnsatisfiable::ScheduleAnyway,
                other => panic!("{other} is no whenUnsatisfiable"),
            },
            selector: self.label_selector.as_ref().map(Selector::to_model),
            min_domains: self.min_domains,
            honor_node_affinity: self.node_affinity_policy.as_deref() != Some("Ignore"),
            honor_node_taints: self.node_taints_policy.as_deref() == Some("Honor"),
            match_label_keys: self.match_label_keys.clone(),
        }
    }
}

pub(crate) fn taint_effect(effect: &str) -> api::TaintEffect {
    match effect {
        "NoSchedule" => api::TaintEffect::NoSchedule,
        "PreferNoSchedule" => api::TaintEffect::PreferNoSchedule,
        "NoExecute" => api::TaintEffect::NoExecute,
        other => panic!("{other} is no taint effect"),
    }
}
