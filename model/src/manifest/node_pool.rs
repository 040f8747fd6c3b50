//! Karpenter's NodePools, `karpenter.sh/v1` and `v1beta1`.

use std::time::Duration;

use super::Reading;
use super::node_class::hash::{self, Quantities};
use super::pod::taint;
use super::pod_fields::{METADATA, TOP};
use super::selector::{LABEL_WORD, is_label_key, is_label_word, labels, texts};
use crate::cron::Schedule;
use crate::document::fields::{Field, ignored, noted, quiet, refused, simulated, table};
use crate::document::{Cursor, Scalar, Shape, closest, go_duration, misspelt, no_duration};
use crate::karpenter::labels::{self as known, is_well_known, normalized};
use crate::karpenter::node_pool::{
    Budget, ConsolidationPolicy, Disruption, Limits, NodePool, Nodes, Reason, Window,
};
use crate::karpenter::{Requirement, Requirements};
use crate::quantity::{Bytes, MilliCpu};

/// spec.template.spec.expireAfter if unset (karpenter v1.14 pkg/apis/v1/nodeclaim.go; the same in v1beta1).
const EXPIRE_AFTER: Duration = Duration::from_secs(720 * 3600);

const COMMON: &[Field] = &[
    table("", TOP),
    table("metadata", METADATA),
    simulated("spec.weight"),
    noted(
        "spec.limits",
        "cpu, memory, ephemeral-storage, pods, nodes and extended resources",
    ),
    simulated("spec.template.metadata.labels"),
    simulated("spec.template.metadata.annotations"),
    simulated("spec.template.spec.requirements[].key"),
    noted(
        "spec.template.spec.requirements[].operator",
        "Gte and Lte from Karpenter 1.9 on",
    ),
    simulated("spec.template.spec.requirements[].values"),
    noted(
        "spec.template.spec.requirements[].minValues",
        "from Karpenter 0.35 on",
    ),
    simulated("spec.template.spec.taints[].key"),
    simulated("spec.template.spec.taints[].value"),
    simulated("spec.template.spec.taints[].effect"),
    quiet("spec.template.spec.taints[].timeAdded", "written by controllers"),
    simulated("spec.template.spec.startupTaints[].key"),
    simulated("spec.template.spec.startupTaints[].value"),
    simulated("spec.template.spec.startupTaints[].effect"),
    quiet(
        "spec.template.spec.startupTaints[].timeAdded",
        "written by controllers",
    ),
    simulated("spec.template.spec.nodeClassRef.name"),
    quiet(
        "spec.template.spec.nodeClassRef.kind",
        "the node class is found by its name",
    ),
    noted("spec.disruption.budgets[].nodes", "from Karpenter 0.34 on"),
    simulated("spec.disruption.budgets[].schedule"),
    simulated("spec.disruption.budgets[].duration"),
    simulated("spec.disruption.consolidationPolicy"),
    simulated("spec.disruption.consolidateAfter"),
    refused("spec.template.spec.resources", "only Karpenter itself sets it"),
];

/// The table of `karpenter.sh/v1`.
pub(super) const V1: &[Field] = &[
    table("", COMMON),
    quiet(
        "spec.template.spec.nodeClassRef.group",
        "the node class is found by its name",
    ),
    simulated("spec.template.spec.expireAfter"),
    simulated("spec.template.spec.terminationGracePeriod"),
    noted(
        "spec.disruption.budgets[].reasons",
        "Empty, Underutilized, Drifted",
    ),
    noted(
        "spec.replicas",
        "from Karpenter 1.8 on such a pool serves no pending pod; that it keeps so many nodes is not simulated",
    ),
];

/// The table of `karpenter.sh/v1beta1`.
pub(super) const V1_BETA1: &[Field] = &[
    table("", COMMON),
    quiet(
        "spec.template.spec.nodeClassRef.apiVersion",
        "the node class is found by its name",
    ),
    simulated("spec.disruption.expireAfter"),
    table("spec.template.spec.kubelet", super::node_class::KUBELET),
    ignored(
        "spec.disruption.budgets[].reasons",
        "reasons came with karpenter.sh/v1",
    ),
];

/// A NodePool, as the API version has it.
pub(crate) fn read_node_pool(reading: &Reading<'_>, v1: bool) -> NodePool {
    let spec = reading.root.get("spec").required();
    let template = spec.at("template.spec").required();
    let class = template
        .at("nodeClassRef.name")
        .required()
        .name()
        .unwrap_or_default();
    if v1 && template.get("nodeClassRef").is_given() {
        for key in ["group", "kind"] {
            let _ = template.get("nodeClassRef").get(key).required().name();
        }
    }
    let weight = spec
        .get("weight")
        .int(1..=100)
        .and_then(|weight| u32::try_from(weight).ok());
    let expiry = if v1 {
        template.get("expireAfter")
    } else {
        spec.at("disruption.expireAfter")
    };
    let kubelet = template.get("kubelet");
    let labels_at = spec.at("template.metadata.labels");
    for (key, at) in labels_at.entries() {
        check_label(&at, key);
    }
    let replicas = spec
        .get("replicas")
        .count(0)
        .and_then(|replicas| u32::try_from(replicas).ok());
    NodePool {
        name: reading.name.into(),
        weight: weight.unwrap_or(0),
        labels: labels(&labels_at),
        annotations: super::selector::annotations(&spec.at("template.metadata.annotations")),
        requirements: requirements(&template.get("requirements").required()),
        taints: template.get("taints").items().iter().filter_map(taint).collect(),
        startup_taints: template
            .get("startupTaints")
            .items()
            .iter()
            .filter_map(taint)
            .collect(),
        node_class: class.into(),
        kubelet: kubelet.is_given().then(|| super::node_class::kubelet(&kubelet)),
        hashed_kubelet: hash::text(&kubelet, Quantities::Values),
        hashed_kubelet_by_format: hash::text(&kubelet, Quantities::Formats),
        expire_after: nillable(&expiry).unwrap_or(Some(EXPIRE_AFTER)),
        termination_grace_period: duration(&template.get("terminationGracePeriod")),
        limits: limits(&spec.get("limits")),
        disruption: disruption(&spec.get("disruption"), v1),
        replicas,
    }
}

#[derive(Clone, Copy)]
enum RequirementOperator {
    In,
    NotIn,
    Exists,
    DoesNotExist,
    Gt,
    Lt,
    Gte,
    Lte,
}

const OPERATORS: &[(&str, RequirementOperator)] = &[
    ("In", RequirementOperator::In),
    ("NotIn", RequirementOperator::NotIn),
    ("Exists", RequirementOperator::Exists),
    ("DoesNotExist", RequirementOperator::DoesNotExist),
    ("Gt", RequirementOperator::Gt),
    ("Lt", RequirementOperator::Lt),
    ("Gte", RequirementOperator::Gte),
    ("Lte", RequirementOperator::Lte),
];

/// Lists have a greatest length (karpenter v1.14 pkg/apis/crds/karpenter.sh_nodepools.yaml).
fn check_length(at: &Cursor<'_>, most: usize) {
    let found = at.items().len();
    if found > most {
        at.error(
            "E004",
            format!("expected at most {most} items, found {found}"),
            "",
        );
    }
}

fn requirements(at: &Cursor<'_>) -> Requirements {
    let mut found = Requirements::default();
    check_length(at, 100);
    for item in at.items() {
        let key = item.get("key").required();
        let requirement = requirement(&item);
        for value in item.get("values").items() {
            let text = value.written().unwrap_or_default();
            if !is_label_word(text) {
                value.error("E004", format!("{text:?} is no label's value"), LABEL_WORD);
            }
        }
        if let (Some(key_text), Some(requirement)) = (key.name(), requirement) {
            if !is_label_key(key_text) {
                key.error("E004", format!("{key_text:?} is no label's key"), LABEL_WORD);
            }
            check_label(&key, key_text);
            found.add(key_text, requirement);
        }
    }
    for (key, requirement) in found.iter() {
        let none = requirement.values().is_empty() && !requirement.is_complement();
        let asked = at.items().iter().any(|item| {
            item.get("key").written().map(normalized) == Some(key)
                && item.get("operator").written() == Some("DoesNotExist")
        });
        if none && !asked {
            at.error(
                "E004",
                format!("the requirements on {key} exclude each other"),
                "",
            );
        }
    }
    found
}

fn requirement(at: &Cursor<'_>) -> Option<Requirement> {
    let operator = at.get("operator").required().one_of(OPERATORS)?;
    let values_at = at.get("values");
    let values = texts(&values_at);
    let bound = || match &*values {
        [bound] => bound.parse::<i64>().ok().filter(|bound| *bound >= 0),
        _ => None,
    };
    let bounded = |make: fn(i64) -> Requirement| {
        if bound().is_none() {
            let message = "this operator takes exactly one value, a whole number in quotes";
            values_at.error("E004", message, "");
        }
        bound().map(make)
    };
    let listed = |make: fn(Vec<&str>) -> Requirement| {
        if values.is_empty() {
            values_at.error("E005", "this operator needs at least one value", "");
            return None;
        }
        Some(make(values.iter().map(String::as_str).collect()))
    };
    let bare = |requirement: Requirement| {
        if !values.is_empty() {
            values_at.error("E004", "this operator takes no values", "");
        }
        Some(requirement)
    };
    let requirement = match operator {
        RequirementOperator::In => listed(|values| Requirement::any_of(values)),
        RequirementOperator::NotIn => listed(|values| Requirement::none_of(values)),
        RequirementOperator::Exists => bare(Requirement::exists()),
        RequirementOperator::DoesNotExist => bare(Requirement::does_not_exist()),
        RequirementOperator::Gt => bounded(Requirement::greater_than),
        RequirementOperator::Lt => bounded(Requirement::less_than),
        RequirementOperator::Gte => bounded(Requirement::at_least),
        RequirementOperator::Lte => bounded(Requirement::at_most),
    }?;
    let min_values = at
        .get("minValues")
        .int(1..=50)
        .and_then(|least| u32::try_from(least).ok());
    let listed = requirement.values().len();
    if let Some(least) = min_values
        && !requirement.is_complement()
        && listed < least as usize
    {
        let message = format!("asks for {least} distinct values of only {listed}");
        at.get("minValues").error("E004", message, "");
    }
    Some(requirement.with_min_values(min_values))
}

/// What Karpenter's admission refuses as a label, and what looks like a misspelt one
/// (karpenter v1.14 pkg/apis/v1/labels.go `IsRestrictedLabel`).
fn check_label(at: &Cursor<'_>, key: &str) {
    const OWN: [&str; 5] = [
        known::NODE_POOL,
        known::HOSTNAME,
        known::REGISTERED,
        known::INITIALIZED,
        known::NODE_CLASS,
    ];
    let domain = key.split_once('/').map_or("", |(domain, _)| domain);
    let reserved = |of: &str| domain == of || domain.ends_with(&format!(".{of}"));
    let free = [
        "kops.k8s.io",
        "node.kubernetes.io",
        "node-restriction.kubernetes.io",
    ];
    if OWN.contains(&key) {
        at.error("E004", format!("the label {key} is set by Karpenter itself"), "");
        return;
    }
    let allowed = is_well_known(normalized(key)) || free.iter().any(|free| reserved(free));
    if !allowed
        && ["kubernetes.io", "k8s.io", "karpenter.sh", "karpenter.k8s.aws"]
            .into_iter()
            .any(reserved)
    {
        let hint = closest(key, known::well_known()).map(|near| format!("did you mean {near}?"));
        at.error(
            "E004",
            format!("{key} is no label that Karpenter knows, and its domain is reserved"),
            &hint.unwrap_or_default(),
        );
    }
}

fn limits(at: &Cursor<'_>) -> Limits {
    let mut limits = Limits::default();
    for (name, amount) in at.entries() {
        let Some(quantity) = amount.quantity() else {
            continue;
        };
        match name {
            "cpu" => limits.cpu = Some(MilliCpu(quantity.milli())),
            "memory" => limits.memory = Some(Bytes(quantity.whole())),
            "ephemeral-storage" => limits.ephemeral_storage = Some(Bytes(quantity.whole())),
            "pods" => limits.pods = Some(quantity.whole()),
            "nodes" => limits.nodes = Some(quantity.whole()),
            _ if name.contains('/') || name.starts_with("hugepages-") => {
                limits.extended.insert(name.into(), quantity.whole());
            }
            _ => {
                let near = closest(name, ["cpu", "memory", "ephemeral-storage", "pods", "nodes"]);
                let hint = near
                    .map(|near| format!("did you mean {near:?}?"))
                    .unwrap_or_default();
                amount.error("E002", format!("unknown resource {name:?}"), &hint);
            }
        }
    }
    limits
}

/// A duration as Karpenter's API takes it: hours, minutes, seconds.
fn duration(at: &Cursor<'_>) -> Option<Duration> {
    // A number is none, in quotes or not: the hint says what is.
    let text = at.scalar()?;
    let quoted = matches!(at.value()?.shape, Shape::Scalar(Scalar::Text, _));
    let letters = |c: char| c.is_ascii_digit() || matches!(c, 'h' | 'm' | 's');
    let spelt = text.chars().all(letters) && !text.contains("ms");
    let found = go_duration(text).filter(|_| spelt && quoted);
    if found.is_none() {
        let why = if spelt { no_duration } else { misspelt };
        at.error("E003", why(text, "30s, 5m or 720h"), "");
    }
    found
}

/// A duration or Never (the inner `None`); the outer `None` is unset or wrong.
fn nillable(at: &Cursor<'_>) -> Option<Option<Duration>> {
    match at.value()?.text() {
        Some("Never") => Some(None),
        _ => duration(at).map(Some),
    }
}

fn disruption(at: &Cursor<'_>, v1: bool) -> Disruption {
    let policy = if v1 {
        at.get("consolidationPolicy").one_of(&[
            (
                "WhenEmptyOrUnderutilized",
                ConsolidationPolicy::WhenEmptyOrUnderutilized,
            ),
            ("WhenEmpty", ConsolidationPolicy::WhenEmpty),
            ("Balanced", ConsolidationPolicy::Balanced),
        ])
    } else {
        at.get("consolidationPolicy").one_of(&[
            ("WhenUnderutilized", ConsolidationPolicy::WhenEmptyOrUnderutilized),
            ("WhenEmpty", ConsolidationPolicy::WhenEmpty),
        ])
    };
    let policy = policy.unwrap_or(ConsolidationPolicy::WhenEmptyOrUnderutilized);
    let mut after_at = at.get("consolidateAfter");
    if v1 && at.is_given() {
        let hint = "with any disruption at all karpenter.sh/v1 wants it: 0s is what counts without one";
        after_at = after_at.required_as(hint);
    }
    let after = nillable(&after_at);
    if !v1 {
        let empty_only = policy == ConsolidationPolicy::WhenEmpty;
        if !empty_only && matches!(after, Some(Some(_))) {
            let hint = "take it out, or use consolidationPolicy: WhenEmpty";
            after_at.error(
                "E004",
                "consolidateAfter cannot go with WhenUnderutilized in karpenter.sh/v1beta1",
                hint,
            );
        }
        if empty_only && !after_at.is_given() {
            after_at.error(
                "E005",
                "consolidateAfter must be given with WhenEmpty in karpenter.sh/v1beta1",
                "",
            );
        }
    }
    let budgets = at.get("budgets");
    check_length(&budgets, 50);
    let mut found: Vec<Budget> = budgets.items().iter().filter_map(|at| budget(at, v1)).collect();
    if !budgets.is_given() {
        // karpenter v1.14 pkg/apis/v1/nodepool.go: kubebuilder default of Disruption.Budgets
        found.push(Budget {
            reasons: Vec::new(),
            nodes: Nodes::Percent(10),
            window: None,
        });
    }
    Disruption {
        consolidation_policy: policy,
        consolidate_after: after.unwrap_or(Some(Duration::ZERO)),
        budgets: found,
    }
}

fn budget(at: &Cursor<'_>, v1: bool) -> Option<Budget> {
    const REASONS: &[(&str, Reason)] = &[
        ("Empty", Reason::Empty),
        ("Underutilized", Reason::Underutilized),
        ("Drifted", Reason::Drifted),
    ];
    let nodes = nodes(&at.get("nodes").required());
    let (schedule_at, duration_at) = (at.get("schedule"), at.get("duration"));
    let schedule = schedule_at.text().filter(|text| match text.parse::<Schedule>() {
        Ok(_) => true,
        Err(error) => {
            let hint = "minute, hour, day of month, month, day of week, in UTC";
            schedule_at.error("E003", error.to_string(), hint);
            false
        }
    });
    let length = duration(&duration_at).filter(|_| is_budget_length(&duration_at));
    if schedule_at.is_given() != duration_at.is_given() {
        at.error("E005", "schedule and duration must be given together", "");
    }
    let window = schedule.zip(length).map(|(schedule, duration)| Window {
        schedule: schedule.to_owned(),
        duration,
    });
    let given = if v1 { at.get("reasons").items() } else { Vec::new() };
    let reasons = given.iter().filter_map(|reason| reason.one_of(REASONS)).collect();
    Some(Budget {
        reasons,
        nodes: nodes?,
        window,
    })
}

/// Hours and minutes only, and then no seconds but 0s, which Go writes (karpenter v1.14
/// pkg/apis/v1/nodepool.go, validation pattern of Budget.Duration).
fn is_budget_length(at: &Cursor<'_>) -> bool {
    let text = at.text().unwrap_or_default();
    let bare = text.strip_suffix("0s").filter(|bare| bare.ends_with(['h', 'm']));
    let whole = |number: &str| !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit());
    let minutes = |text: &str| text.strip_suffix('m').is_some_and(whole);
    let sound = match bare.unwrap_or(text).split_once('h') {
        Some((hours, rest)) => whole(hours) && (rest.is_empty() || minutes(rest)),
        None => minutes(bare.unwrap_or(text)),
    };
    if !sound {
        let message = format!("a budget lasts whole hours and minutes, such as 1h30m, not {text}");
        at.error("E004", message, "the API server takes no seconds here");
    }
    sound
}

fn nodes(at: &Cursor<'_>) -> Option<Nodes> {
    let value = at.value()?;
    let text = at.text()?;
    let percent = text
        .strip_suffix('%')
        .and_then(|number| number.parse::<u32>().ok())
        .filter(|n| *n <= 100);
    let found = percent
        .map(Nodes::Percent)
        .or_else(|| text.parse().ok().map(Nodes::Count));
    if found.is_none() {
        at.error(
            "E003",
            format!(
                "expected a number of nodes or a percentage such as \"10%\", found {}",
                value.describe()
            ),
            "",
        );
    }
    found
}
