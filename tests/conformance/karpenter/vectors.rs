//! What a vector of provisioning holds: a question, and every answer that upstream was seen to give.

use std::collections::BTreeMap;

use model::api::{Labels, Operator, TaintEffect};
use model::karpenter::requirement::{Name, Requirement};
use serde::Deserialize;

use super::super::manifest::PodSpec;

pub(super) type Amounts = BTreeMap<String, String>;

/// An instance type of `types.json`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Type {
    pub name: String,
    pub requirements: Vec<Label>,
    pub offerings: Vec<Offer>,
    pub capacity: Amounts,
    pub overhead: Amounts,
}

/// Where and how a type can be had.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Offer {
    pub zone: String,
    pub capacity_type: String,
    /// In millionths of a dollar an hour.
    pub price: i64,
    #[serde(default)]
    pub reservation: Option<String>,
    #[serde(default)]
    pub reservation_capacity: u32,
}

/// A requirement.
#[derive(Deserialize, Debug, Clone, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Label {
    pub key: String,
    pub operator: String,
    #[serde(default)]
    pub values: Vec<String>,
    #[serde(default)]
    pub min_values: Option<u32>,
}

impl Label {
    pub(super) fn requirement(&self) -> Requirement {
        let values = || self.values.iter().map(String::as_str);
        let bound = || self.values[0].parse().expect("a number");
        let requirement = match self.operator.as_str() {
            "In" => Requirement::any_of(values()),
            "NotIn" => Requirement::none_of(values()),
            "Exists" => Requirement::exists(),
            "DoesNotExist" => Requirement::does_not_exist(),
            "Gt" => Requirement::greater_than(bound()),
            "Lt" => Requirement::less_than(bound()),
            other => panic!("{other} is no operator"),
        };
        requirement.with_min_values(self.min_values)
    }

    /// As upstream writes it: a bound shows as `Exists`.
    pub(super) fn of(key: &Name, requirement: &Requirement) -> Label {
        let operator = match requirement.operator() {
            Operator::In => "In",
            Operator::NotIn => "NotIn",
            Operator::DoesNotExist => "DoesNotExist",
            _ => "Exists",
        };
        Label {
            key: key.to_string(),
            operator: operator.to_owned(),
            values: requirement.values().iter().map(ToString::to_string).collect(),
            min_values: requirement.min_values(),
        }
    }
}

/// A case.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Case {
    pub id: String,
    pub version: String,
    pub types: Vec<String>,
    #[serde(default)]
    pub ignore_preferences: bool,
    #[serde(default)]
    pub reserved: bool,
    #[serde(default)]
    pub fallback: bool,
    pub pools: Vec<Pool>,
    pub templates: BTreeMap<String, Template>,
    #[serde(default)]
    pub daemons: Vec<String>,
    #[serde(default)]
    pub nodes: Vec<Node>,
    #[serde(default)]
    pub bound: Vec<Pod>,
    pub pods: Vec<Pod>,
    pub answers: Vec<Answer>,
}

/// A NodePool.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pool {
    pub name: String,
    #[serde(default)]
    pub weight: u32,
    #[serde(default)]
    pub labels: Labels,
    #[serde(default)]
    pub requirements: Vec<Label>,
    #[serde(default)]
    pub taints: Vec<Taint>,
    #[serde(default)]
    pub limits: Amounts,
}

/// A taint.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Taint {
    key: String,
    #[serde(default)]
    value: String,
    effect: String,
}

impl Taint {
    pub(super) fn to_model(&self) -> model::api::Taint {
        let effect = match self.effect.as_str() {
            "NoSchedule" => TaintEffect::NoSchedule,
            "PreferNoSchedule" => TaintEffect::PreferNoSchedule,
            "NoExecute" => TaintEffect::NoExecute,
            other => panic!("{other} is no taint effect"),
        };
        model::api::Taint {
            key: self.key.clone(),
            value: self.value.clone(),
            effect,
        }
    }
}

/// What pods are made from.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Template {
    pub labels: Labels,
    pub spec: PodSpec,
}

/// A pod; `created` is in seconds.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pod {
    pub name: String,
    pub uid: String,
    pub template: String,
    #[serde(default)]
    pub created: u64,
    #[serde(default)]
    pub node: Option<String>,
}

/// A node that is there or on its way.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Node {
    pub name: String,
    /// None for a node that Karpenter did not make.
    #[serde(default)]
    pub pool: Option<String>,
    /// launched, registered or initialized
    pub stage: String,
    pub labels: Labels,
    #[serde(default)]
    pub taints: Vec<Taint>,
    #[serde(default)]
    pub startup_taints: Vec<Taint>,
    pub capacity: Amounts,
    pub allocatable: Amounts,
}

/// Where the pods go.
#[derive(Deserialize, Debug, Clone, PartialEq, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct Answer {
    #[serde(default)]
    pub claims: Vec<Claim>,
    /// The pods that go on each node, in order.
    #[serde(default)]
    pub existing: BTreeMap<String, Vec<String>>,
    /// The pods that go nowhere, by name.
    #[serde(default)]
    pub failed: Vec<String>,
}

/// A new node.
#[derive(Deserialize, Debug, Clone, PartialEq)]
#[serde(deny_unknown_fields)]
pub(super) struct Claim {
    pub pool: String,
    pub pods: Vec<String>,
    /// Cheapest first; where prices are equal, by name here.
    pub types: Vec<String>,
    /// By resource, without those of which nothing is asked.
    pub requests: Amounts,
    pub requirements: Vec<Label>,
}
