//! What a vector holds: a question, and every answer that upstream was seen to give.

use sim::SortedMap;

use model::api::{self, IntOrPercent, LabelSelector, Labels, Operator, PodDisruptionBudget};
use model::karpenter::requirement::{Name, Requirement};
use serde::Deserialize;

use super::super::manifest::{PodSpec, taint_effect};

pub(super) type Amounts = SortedMap<String, String>;

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

/// Offerings that were refused lately: type, zone, capacity type.
#[derive(Deserialize, Default)]
#[serde(transparent)]
pub(super) struct Refused(Vec<(String, String, String)>);

impl Refused {
    pub(super) fn has(&self, instance_type: &Type, offer: &Offer) -> bool {
        let own = (&*instance_type.name, &*offer.zone, &*offer.capacity_type);
        self.0
            .iter()
            .any(|(name, zone, bought)| (&**name, &**zone, &**bought) == own)
    }
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
    pub unavailable: Refused,
    #[serde(default)]
    pub ignore_preferences: bool,
    #[serde(default)]
    pub reserved: bool,
    #[serde(default)]
    pub fallback: bool,
    pub pools: Vec<Pool>,
    pub templates: SortedMap<String, Template>,
    #[serde(default)]
    pub daemons: Vec<String>,
    #[serde(default)]
    pub nodes: Vec<Node>,
    #[serde(default)]
    pub bound: Vec<Pod>,
    #[serde(default, deserialize_with = "nothing_is_empty")]
    pub pods: Vec<Pod>,
    /// Answers of a case of provisioning, or lists of commands of a case of disruption.
    pub answers: Vec<serde_json::Value>,
    /// What only cases of disruption have.
    #[serde(default)]
    pub spot_to_spot: bool,
    /// Upstream's nominations go by the clock on the wall, so that none ends.
    #[serde(default)]
    pub nominations_last: bool,
    #[serde(default)]
    pub guards: Vec<Guard>,
    #[serde(default)]
    pub changes: Vec<Change>,
    #[serde(default)]
    pub until: u64,
}

impl Case {
    pub(super) fn answers<A: for<'de> Deserialize<'de>>(&self) -> Vec<A> {
        let answers = self.answers.iter();
        answers
            .map(|own| A::deserialize(own).unwrap_or_else(|error| panic!("{}: {error}", self.id)))
            .collect()
    }
}

/// Go writes null for a list of nothing.
fn nothing_is_empty<'de, D: serde::Deserializer<'de>, T: Deserialize<'de>>(
    from: D,
) -> Result<Vec<T>, D::Error> {
    Ok(Option::<Vec<T>>::deserialize(from)?.unwrap_or_default())
}

/// A NodePool.
#[derive(Deserialize, Default)]
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
    #[serde(default)]
    pub disruption: Option<Disruption>,
}

/// spec.disruption of a NodePool.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Disruption {
    pub policy: String,
    /// In seconds; none is Never.
    #[serde(default)]
    pub after: Option<u64>,
    #[serde(default)]
    pub budgets: Vec<Budget>,
}

/// One of spec.disruption.budgets; `duration` is in seconds.
#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields)]
pub(super) struct Budget {
    #[serde(default)]
    pub reasons: Vec<String>,
    pub nodes: String,
    #[serde(default)]
    pub schedule: Option<String>,
    #[serde(default)]
    pub duration: u64,
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
        model::api::Taint {
            key: self.key.clone(),
            value: self.value.clone(),
            effect: taint_effect(&self.effect),
        }
    }
}

/// What pods are made from.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Template {
    pub labels: Labels,
    #[serde(default)]
    pub annotations: Labels,
    pub spec: PodSpec,
}

/// A pod; `created` is in seconds.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Pod {
    pub name: String,
    pub uid: String,
    pub template: String,
    #[serde(default)]
    pub created: u64,
    #[serde(default)]
    pub node: Option<String>,
    #[serde(default)]
    pub not_ready: bool,
    /// Deleted at the first pass, and still there.
    #[serde(default)]
    pub terminating: bool,
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
    /// What a node of a case of disruption has been through, in seconds.
    #[serde(default)]
    pub created: u64,
    #[serde(default)]
    pub initialized: u64,
    /// 0 is never.
    #[serde(default)]
    pub last_pod_event: u64,
    #[serde(default)]
    pub consolidatable: bool,
    /// Since when; 0 is not at all.
    #[serde(default)]
    pub drifted: u64,
    /// 0 is Never.
    #[serde(default)]
    pub expire_after: u64,
    /// 0 is none.
    #[serde(default)]
    pub grace_period: u64,
    #[serde(default)]
    pub annotations: Labels,
    #[serde(default)]
    pub not_ready: bool,
    #[serde(default)]
    pub nominated: bool,
}

/// A PodDisruptionBudget for all pods of an app.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Guard {
    pub name: String,
    pub app: String,
    /// minAvailable; none is maxUnavailable 0.
    #[serde(default)]
    pub least: Option<i32>,
    #[serde(default)]
    pub always_allow: bool,
}

impl Guard {
    pub(super) fn to_model(&self) -> PodDisruptionBudget {
        let labels = Labels::from([("app".to_owned(), self.app.clone())]);
        PodDisruptionBudget {
            name: self.name.clone(),
            namespace: "default".to_owned(),
            selector: Some(LabelSelector::from_labels(&labels)),
            budget: match self.least {
                Some(least) => api::Budget::MinAvailable(IntOrPercent::Int(least)),
                None => api::Budget::MaxUnavailable(IntOrPercent::Int(0)),
            },
            always_allow_unhealthy: self.always_allow,
        }
    }
}

/// Something that happens beside the controller.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    pub at: u64,
    /// bind, delete, terminate, nominate, consolidatable, unconsolidatable, drifted, notReady, or gone: a node that is
    /// going is gone.
    pub what: String,
    #[serde(default)]
    pub node: Option<String>,
    #[serde(default)]
    pub pod: Option<Pod>,
}

/// What a pass began.
#[derive(Deserialize, Debug, Clone, PartialEq)]
#[serde(deny_unknown_fields)]
pub(super) struct Command {
    pub at: u64,
    /// empty, drift, multi or single
    pub method: String,
    /// By name.
    pub nodes: Vec<String>,
    #[serde(default)]
    pub replacements: Vec<Replacement>,
}

/// A claim that a command made. Types are by name.
#[derive(Deserialize, Debug, Clone, PartialEq)]
#[serde(deny_unknown_fields)]
pub(super) struct Replacement {
    pub pool: String,
    pub types: Vec<String>,
    pub requests: Amounts,
    pub requirements: Vec<Label>,
}

/// Where the pods go.
#[derive(Deserialize, Debug, Clone, PartialEq, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct Answer {
    #[serde(default)]
    pub claims: Vec<Claim>,
    /// The pods that go on each node, in order.
    #[serde(default)]
    pub existing: SortedMap<String, Vec<String>>,
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
