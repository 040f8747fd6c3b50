//! Instance types as Karpenter's KWOK provider reads them
//! (karpenter v1.14 kwok/cloudprovider/helpers.go `InstanceTypeOptions`).

use std::sync::Arc;

use model::id::NodePoolId;
use model::karpenter::instance_type::{InstanceType, Offering};
use model::karpenter::labels;
use model::karpenter::provider::{Classes, Lists, NodeClass, Provider};
use model::karpenter::{NodePool, Profile, Requirements};
use model::quantity::{Bytes, MilliCpu, Resources};
use model::scenario::{Act, Scenario};
use serde_json::{Map, Value, json};
use sim::SortedMap;

/// What the provider takes off the resources of a type, whatever it is.
const OVERHEAD: (MilliCpu, Bytes) = (MilliCpu(100), Bytes::from_mib(10));

/// Labels of a type that its own file says elsewhere.
const OF_THE_TYPE: [&str; 5] = [
    labels::INSTANCE_TYPE,
    labels::ARCH,
    labels::OS,
    labels::ZONE,
    labels::CAPACITY_TYPE,
];

/// Every type that one of the scenario's NodePools admits, with the machine's allocatable as the simulation
/// has it. All else of a type (AWS's labels) rides on its offerings: from there the provider takes labels.
pub(super) fn instance_types(scenario: &Scenario) -> Value {
    let mut found: SortedMap<Arc<str>, Arc<InstanceType>> = SortedMap::new();
    for (pool, class) in pools(scenario) {
        for own in types_of(scenario, pool, class) {
            found.entry(own.name.clone()).or_insert(own);
        }
    }
    Value::Array(found.values().map(|own| entry(own)).collect())
}

/// All NodePools that are ever applied, with their classes.
fn pools(scenario: &Scenario) -> Vec<(&NodePool, Option<&NodeClass>)> {
    let later = scenario.actions.iter().filter_map(|action| match &action.act {
        Act::Apply(objects) => Some(&**objects),
        _ => None,
    });
    let all: Vec<_> = std::iter::once(&scenario.objects).chain(later).collect();
    let class = |pool: &NodePool| {
        let mut classes = all.iter().flat_map(|objects| &objects.node_classes);
        classes.find(|class| class.name == pool.node_class)
    };
    let pools = all.iter().flat_map(|objects| &objects.node_pools);
    pools.map(|pool| (pool, class(pool))).collect()
}

fn types_of(scenario: &Scenario, pool: &NodePool, class: Option<&NodeClass>) -> Vec<Arc<InstanceType>> {
    let Some(class) = class else {
        return Vec::new();
    };
    let mut class = class.clone();
    if class.zones.is_empty() {
        class.zones.clone_from(&scenario.zones);
    }
    let mut provider = Provider::new(
        Profile::of(scenario.stack.karpenter),
        scenario.config.provider.clone(),
        scenario.catalog.clone(),
        Lists::default(),
    );
    provider.set_classes(&Classes::from([(NodePoolId(0), Arc::new(class))]));
    let all = provider.of_pool(NodePoolId(0));
    let admitted = |own: &&Arc<InstanceType>| admits(&pool.requirements, own);
    all.into_iter()
        .flat_map(|all| all.iter())
        .filter(admitted)
        .cloned()
        .collect()
}

fn admits(requirements: &Requirements, own: &InstanceType) -> bool {
    requirements.intersects(&own.requirements).is_ok() && own.available(requirements).next().is_some()
}

fn entry(own: &InstanceType) -> Value {
    let arch = own.requirements.get(labels::ARCH).and_then(|arch| arch.single());
    json!({
        "name": &*own.name,
        "architecture": arch.map_or("amd64", |arch| arch),
        "operatingSystems": ["linux"],
        "resources": resources(own.allocatable()),
        "offerings": own.offerings.iter().map(|offering| offer(own, offering)).collect::<Vec<_>>(),
    })
}

fn resources(allocatable: &Resources) -> Value {
    let mut amounts = Map::new();
    let mut add = |name: &str, amount: String| amounts.insert(name.to_owned(), Value::String(amount));
    add("cpu", format!("{}m", (allocatable.cpu + OVERHEAD.0).0));
    add("memory", (allocatable.memory + OVERHEAD.1).0.to_string());
    add("ephemeral-storage", allocatable.ephemeral_storage.0.to_string());
    add("pods", allocatable.pods.to_string());
    for (name, count) in allocatable.extended.iter().filter(|(_, count)| **count > 0) {
        add(name, count.to_string());
    }
    Value::Object(amounts)
}

fn offer(own: &InstanceType, offering: &Offering) -> Value {
    let is = |key: &str, value: &str| json!({ "key": key, "operator": "In", "values": [value] });
    let mut requirements = vec![
        is(labels::CAPACITY_TYPE, offering.capacity_type.as_str()),
        is(labels::ZONE, &offering.zone),
    ];
    for (key, value) in own.requirements.labels() {
        if !OF_THE_TYPE.contains(&&*key) {
            requirements.push(is(&key, &value));
        }
    }
    json!({
        "Price": offering.price.usd_per_hour(),
        "Available": true,
        "Requirements": requirements,
    })
}
