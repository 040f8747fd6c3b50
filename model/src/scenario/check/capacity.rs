//! Pods that no machine can hold.

use std::cell::LazyCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Facts, advise};
use crate::api::{DaemonSet, PodSpec};
use crate::catalog::Entry;
use crate::document::Context;
use crate::id::{NodePoolId, Table};
use crate::karpenter::provider::{Classes, Provider};
use crate::karpenter::{InstanceType, NodePool, Profile, Requirements};
use crate::manifest::Document;
use crate::quantity::Resources;

/// A NodePool and what can be launched for it.
type Offered<'a> = (&'a NodePool, Vec<Arc<InstanceType>>);

/// Advises on Deployments whose pods fit neither a node group's machines nor anything that a NodePool may
/// launch.
pub(super) fn check(facts: &Facts<'_>) {
    let workloads: Vec<&Document> = facts
        .documents
        .iter()
        .filter(|document| document.kind.name == "Deployment")
        .collect();
    let pools = || facts.objects.iter().flat_map(|objects| &objects.node_pools);
    // Most pods fit a node group's machines, and then no instance type need be made.
    let offered = LazyCell::new(|| offered(facts));
    for document in workloads {
        let deployments = facts.objects.iter().flat_map(|objects| &objects.deployments);
        let own = deployments
            .into_iter()
            .find(|d| d.object.name == document.name && d.object.template.namespace == document.namespace);
        let Some(spec) = own.map(|deployment| &deployment.object.template.spec) else {
            continue;
        };
        let requests = spec.requests();
        if fits_a_group(facts, spec, &requests)
            || offered
                .iter()
                .any(|offered| can_hold(facts, offered, spec, &requests))
        {
            continue;
        }
        // NodePools without their class launch nothing, which is an error of its own.
        if offered.is_empty() && pools().next().is_some() {
            continue;
        }
        let context = Context::new(&document.file, document.title(), facts.problems);
        let root = context.root(&document.value);
        let gpu = requests.extended.keys().next();
        let message = match (gpu, offered.is_empty()) {
            (_, true) => "no node group can hold a pod of this, and there is no NodePool".to_owned(),
            (Some(resource), false) => format!(
                "no NodePool and no node group has a machine for a pod of this: it asks for {resource}"
            ),
            (None, false) => "no NodePool and no node group has a machine for a pod of this".to_owned(),
        };
        let hint = "compare requests, tolerations and selectors with the NodePools' requirements; `scaletwin catalog` lists machines";
        advise(&context, "N001", &root.at("spec.template.spec"), message, hint);
    }
}

/// What Karpenter could launch for each NodePool that is there at some time.
fn offered<'a>(facts: &Facts<'a>) -> Vec<Offered<'a>> {
    let scenario = facts.scenario;
    let pools: Vec<&NodePool> = facts
        .objects
        .iter()
        .flat_map(|objects| &objects.node_pools)
        .collect();
    let classes: Vec<_> = facts
        .objects
        .iter()
        .flat_map(|objects| &objects.node_classes)
        .collect();
    let mut ids: Table<NodePoolId, &NodePool> = Table::new();
    let mut of_pool: Classes = BTreeMap::new();
    for pool in pools {
        if let Some(class) = classes.iter().find(|class| class.name == pool.node_class) {
            of_pool.insert(ids.insert(pool), Arc::new((*class).clone()));
        }
    }
    let profile = Profile::of(scenario.stack.karpenter);
    let mut provider = Provider::new(
        profile,
        scenario.config.provider.clone(),
        scenario.catalog.clone(),
        scenario.shared.instance_types.clone(),
    );
    provider.set_classes(&of_pool);
    let types = |id: NodePoolId| {
        provider
            .of_pool(id)
            .map(|types| types.to_vec())
            .unwrap_or_default()
    };
    ids.iter().map(|(id, pool)| (*pool, types(id))).collect()
}

fn can_hold(facts: &Facts<'_>, (pool, types): &Offered<'_>, spec: &PodSpec, requests: &Resources) -> bool {
    if !pool.taints.iter().all(|taint| spec.tolerates(taint)) {
        return false;
    }
    let mut wanted = pool.template_requirements();
    let own = Requirements::strict_of_pod(spec);
    if wanted.compatible(&own).is_err() {
        return false;
    }
    wanted.add_all(&own);
    let mut all = requests.clone();
    all += &daemon_requests(facts);
    types.iter().any(|instance_type| {
        let sound = instance_type.requirements.intersects(&wanted).is_ok();
        let on_offer = instance_type
            .offerings
            .iter()
            .any(|offering| offering.is_compatible(&wanted));
        sound && on_offer && all.fits(instance_type.allocatable())
    })
}

/// What DaemonSets take of a node, roughly: of those without selectors of their own.
fn daemon_requests(facts: &Facts<'_>) -> Resources {
    let mut sum = Resources::default();
    let everywhere = |set: &&DaemonSet| {
        let spec = &set.template.spec;
        spec.node_selector.is_empty() && spec.affinity.node_required.is_none()
    };
    for set in facts
        .objects
        .iter()
        .flat_map(|objects| &objects.daemon_sets)
        .filter(everywhere)
    {
        sum += &set.template.spec.requests();
    }
    sum
}

fn fits_a_group(facts: &Facts<'_>, spec: &PodSpec, requests: &Resources) -> bool {
    facts.scenario.node_groups.iter().any(|group| {
        let tolerated = group.taints.iter().all(|taint| spec.tolerates(taint));
        let Some(entry) = facts.scenario.catalog.get(&group.instance_type) else {
            return false;
        };
        tolerated && group.size > 0 && selected(spec, &group.labels) && requests.fits(&rough_capacity(entry))
    })
}

/// Whether a node group's own labels answer the pod's selector; labels that every node has are taken as met.
fn selected(spec: &PodSpec, labels: &crate::api::Labels) -> bool {
    spec.node_selector
        .iter()
        .all(|(key, value)| labels.get(key).is_none_or(|own| own == value))
}

/// All that a machine has. That some of it is kept from pods only makes this rule speak less.
fn rough_capacity(entry: &Entry) -> Resources {
    let spec = entry.spec;
    let mut capacity = Resources {
        cpu: crate::quantity::MilliCpu(i64::from(spec.vcpus) * 1000),
        memory: spec.memory,
        ephemeral_storage: crate::quantity::Bytes(i64::MAX / 4),
        pods: i64::MAX / 4,
        ..Resources::default()
    };
    if let Some(gpu) = spec.gpu {
        capacity
            .extended
            .insert("nvidia.com/gpu".into(), i64::from(gpu.count));
    }
    capacity
}
