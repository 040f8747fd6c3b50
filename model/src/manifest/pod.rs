//! Pod templates.

use std::time::Duration;

use sim::SortedMap;

use super::admission::default_host_network_ports;
use super::pod_rules;
use super::selector::{labels, node_expressions, selector, texts};
use crate::api::{
    Affinity, Container, ContainerPort, HttpProbe, LabelSelector, NodeSelectorTerm, PodAffinityTerm,
    PodLevelResources, PodSpec, PodTemplate, PreemptionPolicy, PreferredNodeTerm, Protocol, SpreadConstraint,
    Taint, TaintEffect, Toleration, WeightedPodTerm, WhenUnsatisfiable,
};
use crate::document::{Cursor, closest};
use crate::quantity::{Bytes, MilliCpu, Quantity, Resources};
use crate::scenario::PriorityClass;

/// What a pod's spec refers to elsewhere.
pub(crate) type PriorityClasses = SortedMap<String, PriorityClass>;

/// spec.terminationGracePeriodSeconds if unset (kubernetes 1.35 pkg/apis/core/v1/defaults.go).
const TERMINATION_GRACE: Duration = Duration::from_secs(30);

/// spec.template of a workload in a namespace.
pub(super) fn template(at: &Cursor<'_>, namespace: &str, classes: &PriorityClasses) -> PodTemplate {
    let annotations = at.at("metadata.annotations");
    let cost_at = annotations.get("controller.kubernetes.io/pod-deletion-cost");
    if let Some(cost) = cost_at.text()
        && cost.parse::<i32>().is_err()
    {
        cost_at.warn("W003", format!("{cost:?} is no whole number and counts as 0"), "");
    }
    PodTemplate {
        namespace: namespace.to_owned(),
        labels: labels(&at.at("metadata.labels")),
        annotations: super::selector::annotations(&annotations),
        spec: spec(&at.get("spec"), classes),
    }
}

fn spec(at: &Cursor<'_>, classes: &PriorityClasses) -> PodSpec {
    let containers = containers(&at.get("containers").required());
    if at.get("containers").is_given() && containers.is_empty() {
        at.get("containers")
            .error("E005", "a pod needs at least one container", "");
    }
    let class = priority_class(&at.get("priorityClassName"), classes);
    let preemption = at.get("preemptionPolicy").one_of(&[
        ("PreemptLowerPriority", PreemptionPolicy::PreemptLowerPriority),
        ("Never", PreemptionPolicy::Never),
    ]);
    // A controller would make its pods again whatever happens: the API server takes nothing else in a template.
    let _ = at.get("restartPolicy").one_of(&[("Always", ())]);
    let (overhead, _) = resources(&at.get("overhead"));
    let mut spec = PodSpec {
        containers,
        init_containers: self::containers(&at.get("initContainers")),
        overhead,
        node_selector: labels(&at.get("nodeSelector")),
        affinity: affinity(&at.get("affinity")),
        tolerations: tolerations(&at.get("tolerations")),
        topology_spread: at
            .get("topologySpreadConstraints")
            .items()
            .iter()
            .filter_map(spread)
            .collect(),
        node_name: at.get("nodeName").name().map(str::to_owned),
        priority: class.as_ref().map_or(0, |class| class.value),
        priority_class: class
            .as_ref()
            .map_or_else(String::new, |class| class.name.clone()),
        preemption_policy: preemption
            .or(class.map(|class| class.preemption_policy))
            .unwrap_or_default(),
        termination_grace: at
            .get("terminationGracePeriodSeconds")
            .seconds(0)
            .unwrap_or(TERMINATION_GRACE),
        host_network: at.get("hostNetwork").bool().unwrap_or(false),
        gated: !at.get("schedulingGates").items().is_empty(),
        pod_level: PodLevelResources::default(),
    };
    spec.pod_level = pod_level(&at.get("resources"), &spec);
    default_host_network_ports(&mut spec);
    pod_rules::check(at, &spec);
    spec
}

/// A pod's own stanza, where a limit is the request of what neither the stanza's requests nor a container names
/// (kubernetes 1.35 pkg/apis/core/v1/defaults.go `defaultPodRequests`).
fn pod_level(at: &Cursor<'_>, spec: &PodSpec) -> PodLevelResources {
    let (requests, requested) = resources(&at.get("requests"));
    let (limits, limited) = resources(&at.get("limits"));
    let limit_for_cpu = limited.cpu && !spec.names_cpu();
    let limit_for_memory = limited.memory && !spec.names_memory();
    let cpu = requested.cpu.then_some(requests.cpu);
    let memory = requested.memory.then_some(requests.memory);
    PodLevelResources {
        cpu: cpu.or(limit_for_cpu.then_some(limits.cpu)),
        memory: memory.or(limit_for_memory.then_some(limits.memory)),
        cpu_limit: limited.cpu.then_some(limits.cpu),
    }
}

/// The class named, or the default one.
fn priority_class(at: &Cursor<'_>, classes: &PriorityClasses) -> Option<PriorityClass> {
    let Some(name) = at.name() else {
        return classes.values().find(|class| class.global_default).cloned();
    };
    let class = classes.get(name).cloned();
    if class.is_none() {
        let names = || classes.keys().map(String::as_str);
        let hint = match closest(name, names()) {
            Some(near) => format!("did you mean {near:?}?"),
            None => format!(
                "add a PriorityClass of that name; known are {}",
                names().collect::<Vec<_>>().join(", ")
            ),
        };
        at.error("E009", format!("there is no PriorityClass {name:?}"), &hint);
    }
    class
}

fn containers(at: &Cursor<'_>) -> Vec<Container> {
    let containers: Vec<Container> = at.items().iter().map(container).collect();
    for (index, container) in containers.iter().enumerate() {
        let twice = containers[..index]
            .iter()
            .any(|other| other.name == container.name);
        if twice && !container.name.is_empty() {
            at.items()[index].error(
                "E004",
                format!("two containers are called {:?}", container.name),
                "",
            );
        }
    }
    containers
}

fn container(at: &Cursor<'_>) -> Container {
    let name = at.get("name").required().name().unwrap_or_default();
    let image = at.get("image").required().name().unwrap_or_default();
    let (limits, _) = resources(&at.at("resources.limits"));
    let (requests, given) = requests(&at.at("resources.requests"), &at.at("resources.limits"), &limits);
    let limited = |name: &str| at.at("resources.limits").get(name).is_given();
    Container {
        name: name.to_owned(),
        image: image.to_owned(),
        requests_cpu: given.cpu,
        requests_memory: given.memory,
        requests,
        cpu_limit: limited("cpu").then_some(limits.cpu),
        memory_limit: limited("memory").then_some(limits.memory),
        ports: at.get("ports").items().iter().filter_map(port).collect(),
        metrics_entry_point: texts(&at.get("args"))
            .iter()
            .find_map(|arg| metrics_entry_point(arg)),
        always_pull: always_pull(&at.get("imagePullPolicy"), image),
        readiness_probe: probe(&at.get("readinessProbe")),
        startup_probe: probe(&at.get("startupProbe")),
        liveness_probe: probe(&at.get("livenessProbe")),
        restartable: at
            .get("restartPolicy")
            .one_of(&[("Always", true)])
            .unwrap_or(false),
        sleeps: sleeps(at),
        pre_stop_sleep: pre_stop(&at.at("lifecycle.preStop")),
        pre_stop_is_action: at.at("lifecycle.preStop.sleep.seconds").seconds(0).is_some(),
    }
}

/// The port in Traefik's `--entryPoints.metrics.address=:9100/tcp`; options are read without regard to case.
fn metrics_entry_point(arg: &str) -> Option<u16> {
    let (name, address) = arg.split_once('=')?;
    let is_option = name
        .trim_start_matches('-')
        .eq_ignore_ascii_case("entrypoints.metrics.address");
    let (_, port) = address.split('/').next()?.rsplit_once(':')?;
    port.parse().ok().filter(|_| is_option)
}

/// Always if so written, or if nothing is written and the tag is `latest` or absent
/// (kubernetes 1.35 pkg/apis/core/v1/defaults.go `SetDefaults_Container`).
fn always_pull(at: &Cursor<'_>, image: &str) -> bool {
    let written = at.one_of(&[("Always", true), ("IfNotPresent", false), ("Never", false)]);
    written.unwrap_or_else(|| {
        let last = image.rsplit('/').next().unwrap_or(image);
        let pinned = last.contains('@') || last.rsplit_once(':').is_some_and(|(_, tag)| tag != "latest");
        !pinned
    })
}

/// Which resources a list names.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Given {
    cpu: bool,
    memory: bool,
}

/// A list of resources.
pub(super) fn resources(at: &Cursor<'_>) -> (Resources, Given) {
    let mut found = Resources::default();
    let mut given = Given::default();
    for (name, amount) in at.entries() {
        let Some(quantity) = amount.quantity() else {
            continue;
        };
        match name {
            "cpu" => {
                found.cpu = MilliCpu(quantity.milli());
                given.cpu = true;
            }
            "memory" => {
                found.memory = Bytes(quantity.whole());
                given.memory = true;
                warn_of_tiny_memory(&amount, quantity);
            }
            "ephemeral-storage" => found.ephemeral_storage = Bytes(quantity.whole()),
            _ if name.contains('/') || name.starts_with("hugepages-") => {
                if quantity != Quantity::from_whole(quantity.whole()) {
                    amount.error("E004", "an extended resource is counted in whole numbers", "");
                }
                found.extended.insert(name.into(), quantity.whole());
            }
            _ => unknown_resource(&amount, name),
        }
    }
    (found, given)
}

fn warn_of_tiny_memory(at: &Cursor<'_>, quantity: Quantity) {
    if quantity > Quantity::default() && quantity < Quantity::from_whole(1 << 20) {
        let message = format!("{quantity} bytes of memory is less than 1Mi");
        at.warn(
            "W003",
            message,
            "a unit such as Mi or Gi may be missing, and `m` means thousandths",
        );
    }
}

fn unknown_resource(at: &Cursor<'_>, name: &str) {
    let hint = match closest(name, ["cpu", "memory", "ephemeral-storage"]) {
        Some(near) => format!("did you mean {near:?}?"),
        None => "extended resources have a slash in their name, as nvidia.com/gpu".to_owned(),
    };
    at.error("E002", format!("unknown resource {name:?}"), &hint);
}

/// Requests, where limits fill what they leave out
/// (kubernetes 1.35 pkg/apis/core/v1/defaults.go `SetDefaults_Pod`).
fn requests(at: &Cursor<'_>, limits_at: &Cursor<'_>, limits: &Resources) -> (Resources, Given) {
    let (mut requests, mut given) = resources(at);
    let only_limited = |name: &str| !at.get(name).is_given() && limits_at.get(name).is_given();
    if only_limited("cpu") {
        requests.cpu = limits.cpu;
        given.cpu = true;
    }
    if only_limited("memory") {
        requests.memory = limits.memory;
        given.memory = true;
    }
    if only_limited("ephemeral-storage") {
        requests.ephemeral_storage = limits.ephemeral_storage;
    }
    for (name, limit) in &limits.extended {
        let own = requests.extended.entry(name.clone()).or_insert(*limit);
        if own != limit {
            let message = format!("requests {own} of {name}, but the limit is {limit}");
            at.get(name).error(
                "E004",
                message,
                "requests and limits of an extended resource must be equal",
            );
        }
    }
    for (name, own) in &requests.extended {
        if *own > 0 && !limits.extended.contains_key(name) {
            at.get(name)
                .error("E004", format!("{name} needs a limit equal to its request"), "");
        }
    }
    let above = |own: i64, limit: i64, name: &str| {
        if limits_at.get(name).is_given() && own > limit {
            at.get(name)
                .error("E004", format!("the request of {name} is above its limit"), "");
        }
    };
    above(requests.cpu.0, limits.cpu.0, "cpu");
    above(requests.memory.0, limits.memory.0, "memory");
    (requests, given)
}

fn port(at: &Cursor<'_>) -> Option<ContainerPort> {
    let number =
        |at: &Cursor<'_>, least: i64| at.int(least..=65_535).and_then(|port| u16::try_from(port).ok());
    // To the API server 0 is nothing written.
    let host_port = number(&at.get("hostPort"), 0);
    let protocol = at.get("protocol").one_of(&[
        ("TCP", Protocol::Tcp),
        ("UDP", Protocol::Udp),
        ("SCTP", Protocol::Sctp),
    ]);
    Some(ContainerPort {
        name: at.get("name").text().unwrap_or_default().to_owned(),
        container_port: number(&at.get("containerPort").required(), 1)?,
        host_port: host_port.filter(|port| *port > 0),
        host_ip: at.get("hostIP").text().unwrap_or_default().to_owned(),
        protocol: protocol.unwrap_or(Protocol::Tcp),
    })
}

/// Defaults, in place of 0 too: kubernetes 1.35 pkg/apis/core/v1/defaults.go `SetDefaults_Probe`.
fn probe(at: &Cursor<'_>) -> Option<HttpProbe> {
    at.value()?;
    let seconds = |key: &str, default: u64| {
        let written = at.get(key).seconds(0).filter(|time| !time.is_zero());
        written.unwrap_or(Duration::from_secs(default))
    };
    let times = |key: &str, default: u32| {
        let written = at.get(key).count(0).filter(|times| *times > 0);
        written
            .and_then(|times| u32::try_from(times).ok())
            .unwrap_or(default)
    };
    Some(HttpProbe {
        initial_delay: seconds("initialDelaySeconds", 0),
        period: seconds("periodSeconds", 10),
        timeout: seconds("timeoutSeconds", 1),
        success_threshold: times("successThreshold", 1),
        failure_threshold: times("failureThreshold", 3),
    })
}

/// How long a preStop hook sleeps: its `sleep.seconds`, or the number after a word `sleep` in its command.
fn pre_stop(at: &Cursor<'_>) -> Duration {
    if let Some(sleep) = at.at("sleep.seconds").seconds(0) {
        return sleep;
    }
    let command = texts(&at.at("exec.command")).join(" ");
    let mut words = words(&command);
    let after_sleep = words
        .find(|word| is_sleep(word))
        .and_then(|_| words.next())
        .and_then(seconds);
    after_sleep.unwrap_or(Duration::ZERO)
}

/// How long a container runs whose command, or else its arguments, are `sleep N`, perhaps by a shell, and nothing else.
fn sleeps(at: &Cursor<'_>) -> Option<Duration> {
    let own = [texts(&at.get("command")), texts(&at.get("args"))]
        .concat()
        .join(" ");
    let is_shell = |word: &&str| {
        let name = word.rsplit('/').next().unwrap_or(word);
        matches!(name, "sh" | "bash" | "ash" | "exec") || word.starts_with('-')
    };
    let mut words = words(&own).filter(|word| !word.is_empty()).skip_while(is_shell);
    words.next().filter(|word| is_sleep(word))?;
    let time = seconds(words.next()?);
    time.filter(|_| words.next().is_none())
}

fn words(command: &str) -> impl Iterator<Item = &str> {
    command.split(|c: char| c.is_whitespace() || matches!(c, ';' | '&' | '|' | '"' | '\''))
}

fn is_sleep(word: &str) -> bool {
    word.rsplit('/').next() == Some("sleep")
}

/// What is given to `sleep`.
fn seconds(text: &str) -> Option<Duration> {
    let seconds = text.trim_end_matches('s').parse::<f64>().ok();
    let seconds = seconds.filter(|seconds| (0.0..86_400.0).contains(seconds));
    seconds.map(Duration::from_secs_f64)
}

pub(super) const EFFECTS: &[(&str, TaintEffect)] = &[
    ("NoSchedule", TaintEffect::NoSchedule),
    ("PreferNoSchedule", TaintEffect::PreferNoSchedule),
    ("NoExecute", TaintEffect::NoExecute),
];

/// A taint of a NodePool.
pub(super) fn taint(at: &Cursor<'_>) -> Option<Taint> {
    let effect = at.get("effect").required().one_of(EFFECTS);
    check_taint_words(&at.get("key"), &at.get("value"));
    Some(Taint {
        key: at.get("key").required().name()?.to_owned(),
        value: at.get("value").text().unwrap_or_default().to_owned(),
        effect: effect?,
    })
}

/// Keys and values of taints and tolerations are those of labels (karpenter v1.14
/// pkg/apis/crds/karpenter.sh_nodepools.yaml, whose values may have a prefix too; kubernetes 1.35
/// pkg/apis/core/validation/validation.go `ValidateTolerations`).
fn check_taint_words(key: &Cursor<'_>, value: &Cursor<'_>) {
    for (own, word) in [(key, "key"), (value, "value")] {
        let text = own.written().unwrap_or_default();
        if !text.is_empty() && !super::selector::is_label_key(text) {
            own.error(
                "E004",
                format!("{text:?} is no taint's {word}"),
                super::selector::LABEL_WORD,
            );
        }
    }
}

pub(super) fn tolerations(at: &Cursor<'_>) -> Vec<Toleration> {
    at.items().iter().filter_map(toleration).collect()
}

fn toleration(at: &Cursor<'_>) -> Option<Toleration> {
    let exists = at
        .get("operator")
        .one_of(&[("Exists", true), ("Equal", false)])
        .unwrap_or(false);
    let key = at.get("key").text().unwrap_or_default();
    let value = at.get("value").text().unwrap_or_default();
    if key.is_empty() && !exists {
        at.error("E004", "a toleration without a key needs the operator Exists", "");
        return None;
    }
    if exists && !value.is_empty() {
        at.get("value")
            .error("E004", "a toleration with the operator Exists takes no value", "");
    }
    check_taint_words(&at.get("key"), &at.get("value"));
    let effect = at.get("effect").one_of(EFFECTS);
    let seconds_at = at.get("tolerationSeconds");
    if seconds_at.is_given() && effect != Some(TaintEffect::NoExecute) {
        // kubernetes 1.35 pkg/apis/core/validation/validation.go `ValidateTolerations`
        seconds_at.error(
            "E004",
            "tolerationSeconds goes only with the effect NoExecute",
            "",
        );
    }
    Some(Toleration {
        key: key.to_owned(),
        value: (!exists).then(|| value.to_owned()),
        effect,
        seconds: seconds_at.int(i64::from(i32::MIN)..=i64::from(i32::MAX)),
    })
}

fn affinity(at: &Cursor<'_>) -> Affinity {
    const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
    const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";
    let (node, pod, anti) = (
        at.get("nodeAffinity"),
        at.get("podAffinity"),
        at.get("podAntiAffinity"),
    );
    let required = node.get(REQUIRED);
    let terms = required.get("nodeSelectorTerms");
    if required.is_given() && terms.items().is_empty() {
        terms
            .clone()
            .error("E005", "at least one node selector term is needed", "");
    }
    let weight = |at: &Cursor<'_>| {
        at.get("weight")
            .required()
            .int(1..=100)
            .and_then(|w| i32::try_from(w).ok())
    };
    let preferred_node = |at: &Cursor<'_>| {
        Some(PreferredNodeTerm {
            weight: weight(at)?,
            term: node_term(&at.get("preference").required()),
        })
    };
    let preferred_pod = |at: &Cursor<'_>| {
        Some(WeightedPodTerm {
            weight: weight(at)?,
            term: pod_term(&at.get("podAffinityTerm").required())?,
        })
    };
    Affinity {
        node_required: required
            .is_given()
            .then(|| terms.items().iter().map(node_term).collect()),
        node_preferred: node
            .get(PREFERRED)
            .items()
            .iter()
            .filter_map(preferred_node)
            .collect(),
        pod_required: pod.get(REQUIRED).items().iter().filter_map(pod_term).collect(),
        pod_preferred: pod
            .get(PREFERRED)
            .items()
            .iter()
            .filter_map(preferred_pod)
            .collect(),
        anti_required: anti.get(REQUIRED).items().iter().filter_map(pod_term).collect(),
        anti_preferred: anti
            .get(PREFERRED)
            .items()
            .iter()
            .filter_map(preferred_pod)
            .collect(),
    }
}

fn node_term(at: &Cursor<'_>) -> NodeSelectorTerm {
    NodeSelectorTerm {
        expressions: node_expressions(&at.get("matchExpressions")),
        fields: node_expressions(&at.get("matchFields")),
    }
}

fn pod_term(at: &Cursor<'_>) -> Option<PodAffinityTerm> {
    Some(PodAffinityTerm {
        selector: selector(&at.get("labelSelector")),
        namespaces: texts(&at.get("namespaces")),
        namespace_selector: selector(&at.get("namespaceSelector")),
        topology_key: at.get("topologyKey").required().name()?.to_owned(),
        match_label_keys: texts(&at.get("matchLabelKeys")),
        mismatch_label_keys: texts(&at.get("mismatchLabelKeys")),
    })
}

fn spread(at: &Cursor<'_>) -> Option<SpreadConstraint> {
    let policy = |key: &str| at.get(key).one_of(&[("Honor", true), ("Ignore", false)]);
    let when = at.get("whenUnsatisfiable").required().one_of(&[
        ("DoNotSchedule", WhenUnsatisfiable::DoNotSchedule),
        ("ScheduleAnyway", WhenUnsatisfiable::ScheduleAnyway),
    ]);
    let skew = at.get("maxSkew").required().count(1);
    let key = at.get("topologyKey").required().name();
    let min_domains = at.get("minDomains").count(1);
    if min_domains.is_some() && when == Some(WhenUnsatisfiable::ScheduleAnyway) {
        at.get("minDomains")
            .error("E004", "minDomains goes only with DoNotSchedule", "");
    }
    Some(SpreadConstraint {
        max_skew: skew?,
        topology_key: key?.to_owned(),
        when_unsatisfiable: when?,
        selector: selector(&at.get("labelSelector")),
        min_domains,
        honor_node_affinity: policy("nodeAffinityPolicy").unwrap_or(true),
        honor_node_taints: policy("nodeTaintsPolicy").unwrap_or(false),
        match_label_keys: texts(&at.get("matchLabelKeys")),
    })
}

/// Whether a controller's selector selects the pods of its template.
pub(super) fn check_selector(at: &Cursor<'_>, selector: Option<&LabelSelector>, template: &PodTemplate) {
    match selector {
        Some(selector) if selector.is_empty() => {
            at.error("E004", "the selector must not be empty", "");
        }
        Some(selector) if !selector.matches(&template.labels) => {
            let hint = "give spec.template.metadata.labels the labels that spec.selector asks for";
            at.error(
                "E009",
                "the selector does not match the labels of the pod template",
                hint,
            );
        }
        _ => {}
    }
}
