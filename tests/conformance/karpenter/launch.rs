//! Karpenter's AWS provider: the fleet that it asks EC2 for, against the real one.
//!
//! A vector holds a claim, the instance types on offer, and which offerings were refused lately. The answer is
//! the request: the capacity type, and every pair of type and zone in it, after all filters and the cut to sixty
//! types by price.

use std::sync::Arc;

use model::api::Labels;
use model::catalog::kubelet::AmiFamily;
use model::id::NodePoolId;
use model::karpenter::provider::NodeClass;
use model::karpenter::provider::launch::fleet_request;
use model::karpenter::state::{Conditions, NodeClaim};
use model::karpenter::{InstanceTypes, Profile, Requirements};
use model::quantity::Resources;
use serde::Deserialize;
use sim::{Instant, SortedMap};
use support::Outcome;

use super::instance_type;
use super::vectors::{Amounts, Label, Refused, Type};
use crate::manifest;

/// A case.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    id: String,
    version: String,
    types: Vec<String>,
    #[serde(default)]
    reserved: bool,
    #[serde(default)]
    unavailable: Refused,
    requirements: Option<Vec<Label>>,
    requests: Amounts,
    /// None if nothing can be launched.
    #[serde(default)]
    fleet: Option<Fleet>,
}

/// A request to EC2.
#[derive(Deserialize, Debug, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Fleet {
    capacity_type: String,
    overrides: Vec<(String, String)>,
}

fn answer(case: &Case, catalog: &SortedMap<&str, &Type>) -> Option<Fleet> {
    let mut requirements = Requirements::new();
    for label in case.requirements.iter().flatten() {
        requirements.add(label.key.as_str(), label.requirement());
    }
    let types: InstanceTypes = case
        .types
        .iter()
        .map(|name| instance_type(catalog[name.as_str()], case.reserved, &case.unavailable))
        .collect();
    let claim = NodeClaim {
        name: "claim".to_owned(),
        pool: NodePoolId(0),
        labels: Arc::new(Labels::new()),
        annotations: Labels::new(),
        created: Instant::ZERO,
        deleting: None,
        requirements,
        instance_types: Arc::new([]),
        requests: manifest::resources(&case.requests),
        taints: Arc::new([]),
        startup_taints: Arc::new([]),
        node_class: "default".into(),
        expire_after: None,
        termination_grace_period: None,
        instance: None,
        made_by: None,
        node: None,
        capacity: Resources::default(),
        allocatable: Resources::default(),
        conditions: Conditions::default(),
        last_pod_event: None,
    };
    let class = NodeClass::new("default", AmiFamily::Al2023);
    let profile = Profile::of(case.version.parse().expect("a release"));
    let request = fleet_request(&claim, &types, &class, &profile).ok()?;
    let pairs = request.overrides.iter();
    let mut overrides: Vec<(String, String)> = pairs
        .map(|own| (own.instance_type.to_string(), own.zone.to_string()))
        .collect();
    overrides.sort();
    Some(Fleet {
        capacity_type: request.capacity_type.to_string(),
        overrides,
    })
}

fn difference(ours: &Option<Fleet>, theirs: &Option<Fleet>) -> String {
    let (Some(a), Some(b)) = (ours, theirs) else {
        let capacity_type = |own: &Option<Fleet>| own.as_ref().map(|own| own.capacity_type.clone());
        return format!("{:?}, expected {:?}", capacity_type(ours), capacity_type(theirs));
    };
    if a.capacity_type != b.capacity_type {
        return format!("{}, expected {}", a.capacity_type, b.capacity_type);
    }
    let extra: Vec<_> = a
        .overrides
        .iter()
        .filter(|own| !b.overrides.contains(own))
        .collect();
    let missing: Vec<_> = b
        .overrides
        .iter()
        .filter(|own| !a.overrides.contains(own))
        .collect();
    format!("also {extra:?}, not {missing:?}")
}

#[test]
fn launch_1_14() {
    let file = "karpenter/launch-1.14.jsonl";
    let cases: Vec<Case> = support::golden(file);
    if cases.is_empty() {
        return;
    }
    let types = super::types();
    let catalog: SortedMap<&str, &Type> = types.iter().map(|own| (own.name.as_str(), own)).collect();
    let mut differences = Vec::new();
    for case in &cases {
        let ours = answer(case, &catalog);
        if ours != case.fleet {
            differences.push(format!("{}: {}", case.id, difference(&ours, &case.fleet)));
        }
    }
    Outcome::new(file, &cases[0].version, cases.len(), differences).settle();
}
