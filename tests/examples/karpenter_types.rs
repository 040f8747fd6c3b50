//! Writes `tests/golden/karpenter/types.json`: the instance types on which the vectors of `solve` stand.
//!
//! `cargo run -p scaletwin-tests --example karpenter_types > tests/golden/karpenter/types.json`

use std::sync::Arc;

use model::api::Operator;
use model::catalog::Catalog;
use model::catalog::kubelet::AmiFamily;
use model::id::NodePoolId;
use model::karpenter::provider::{CapacityReservation, Lists, NodeClass, Provider, Settings};
use model::karpenter::{InstanceType, LATEST, Offering, Profile, Requirement};
use model::quantity::Resources;
use serde::Serialize;
use sim::SortedMap;

/// General, compute, memory, burstable, with GPUs, with accelerators; Intel, AMD and Graviton.
const FAMILIES: [&str; 20] = [
    "c5", "c5a", "c6i", "c7g", "c7i-flex", "g4dn", "g5", "inf1", "inf2", "m5", "m5a", "m6i", "m7g", "p3",
    "r5", "r6g", "t3", "t3a", "t4g", "x1e",
];

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Type {
    name: String,
    requirements: Vec<Label>,
    offerings: Vec<Offer>,
    capacity: SortedMap<String, String>,
    overhead: SortedMap<String, String>,
}

#[derive(Serialize)]
struct Label {
    key: String,
    operator: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    values: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Offer {
    zone: String,
    capacity_type: &'static str,
    /// In millionths of a dollar an hour.
    price: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    reservation: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reservation_capacity: Option<u32>,
}

fn label((key, requirement): (&impl ToString, &Requirement)) -> Label {
    Label {
        key: key.to_string(),
        operator: match requirement.operator() {
            Operator::In => "In",
            Operator::DoesNotExist => "DoesNotExist",
            other => panic!("no instance type has a label with {other:?}"),
        },
        values: requirement.values().iter().map(ToString::to_string).collect(),
    }
}

fn offer(offering: &Offering) -> Offer {
    Offer {
        zone: offering.zone.to_string(),
        capacity_type: offering.capacity_type.as_str(),
        price: offering.price.0,
        reservation: offering.reservation.as_ref().map(|own| own.id.to_string()),
        reservation_capacity: offering.reservation.as_ref().map(|own| own.capacity),
    }
}

fn amounts(resources: &Resources) -> SortedMap<String, String> {
    let known = [
        ("cpu", format!("{}m", resources.cpu.0)),
        ("memory", resources.memory.0.to_string()),
        ("ephemeral-storage", resources.ephemeral_storage.0.to_string()),
        ("pods", resources.pods.to_string()),
    ];
    let extended = resources
        .extended
        .iter()
        .map(|(name, amount)| (name.to_string(), amount.to_string()));
    known
        .into_iter()
        .map(|(name, amount)| (name.to_owned(), amount))
        .chain(extended)
        .collect()
}

fn describe(own: &Arc<InstanceType>) -> Type {
    Type {
        name: own.name.to_string(),
        requirements: own.requirements.iter().map(label).collect(),
        offerings: own.offerings.iter().map(offer).collect(),
        capacity: amounts(&own.capacity),
        overhead: amounts(&own.overhead),
    }
}

fn reservation(id: &str, instance_type: &str, zone: &str, count: u32) -> CapacityReservation {
    CapacityReservation {
        id: id.into(),
        instance_type: instance_type.into(),
        zone: zone.into(),
        count,
    }
}

fn main() {
    let profile = Profile::of(LATEST);
    let catalog = Catalog::new("eu-west-1", None).expect("a region of the catalog");
    let mut class = NodeClass::new("default", AmiFamily::Al2023);
    class.reservations = vec![
        reservation("cr-1", "m5.xlarge", "eu-west-1a", 1),
        reservation("cr-2", "m5.xlarge", "eu-west-1b", 2),
        reservation("cr-3", "c6i.2xlarge", "eu-west-1a", 1),
        reservation("cr-4", "r5.large", "eu-west-1c", 2),
        reservation("cr-5", "m7g.2xlarge", "eu-west-1b", 1),
    ];
    let mut provider = Provider::new(
        profile,
        Settings::of(&profile),
        Arc::new(catalog),
        Lists::default(),
    );
    provider.set_classes(&SortedMap::from([(NodePoolId(0), Arc::new(class))]));
    let all = provider.of_pool(NodePoolId(0)).expect("the pool");
    let chosen = |own: &&Arc<InstanceType>| FAMILIES.iter().any(|f| own.name.split('.').next() == Some(f));
    let types: Vec<Type> = all.iter().filter(chosen).map(describe).collect();
    println!("[");
    for (at, own) in types.iter().enumerate() {
        let comma = if at + 1 < types.len() { "," } else { "" };
        println!("{}{comma}", serde_json::to_string(own).expect("plain data"));
    }
    println!("]");
}
