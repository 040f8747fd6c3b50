//! What machines there are for pods, and pods that none can hold.

use std::sync::Arc;

use sim::{SortedMap, Streams};

use super::{Facts, advise};
use crate::api::{DaemonSet, Node, NodeSelectorTerm, PodSpec, TaintEffect};
use crate::catalog::{self, InstanceSpec};
use crate::document::{Context, Cursor};
use crate::ec2::{self, Ec2, NodeGroup, Origin};
use crate::id::{NodePoolId, Table};
use crate::karpenter::labels::HOSTNAME;
use crate::karpenter::provider::{Classes, Provider};
use crate::karpenter::requirement::Name;
use crate::karpenter::{InstanceType, InstanceTypes, NodePool, Profile, Requirement, Requirements, Wanted};
use crate::quantity::{Bytes, Resources};

/// A NodePool and what can be launched for it.
pub(super) type Offered = (NodePool, InstanceTypes);

/// Advises on Deployments whose pods fit neither a node group's machines nor anything that a NodePool may
/// launch.
pub(super) fn check(facts: &Facts<'_>) {
    let pools = || facts.objects.iter().flat_map(|objects| &objects.node_pools);
    for (document, own) in facts.written_deployments() {
        let spec = &own.object.template.spec;
        if groups_for(facts, spec).next().is_some() || !pools_for(facts, spec).is_empty() {
            continue;
        }
        // NodePools without their class launch nothing, which is an error of its own.
        if offered(facts).is_empty() && pools().next().is_some() {
            continue;
        }
        let context = Context::new(&document.file, document.title(), facts.problems);
        let root = context.root(&document.value);
        let requests = spec.requests();
        let gpu = requests.extended.keys().next();
        let message = match (gpu, offered(facts).is_empty()) {
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

/// Pods that nobody schedules.
pub(super) fn gates(context: &Context<'_>, root: &Cursor<'_>, spec: &PodSpec) {
    if spec.gated {
        let message = "nothing takes these gates away here: no pod of this is ever scheduled";
        let hint = "leave them out, if what takes them away in the cluster does so at once";
        let at = root.at("spec.template.spec.schedulingGates");
        advise(context, "N024", &at, message, hint);
    }
}

/// The catalog's machines that a pod could get, of a node group or of a NodePool.
pub(super) fn machines_for(facts: &Facts<'_>, spec: &PodSpec) -> Vec<&'static InstanceSpec> {
    let requests = spec.requests();
    let mut all: Vec<_> = groups_for(facts, spec)
        .filter_map(|group| catalog::find(&group.instance_type))
        .collect();
    for offered in offered(facts) {
        let types = holding(facts, offered, spec, &requests);
        all.extend(types.filter_map(|instance_type| catalog::find(&instance_type.name)));
    }
    all
}

/// The types of some kind that a NodePool can launch for these requirements, whatever pods ask for.
pub(super) fn on_offer(
    facts: &Facts<'_>,
    pool: &str,
    wanted: &Requirements,
    is_meant: impl Fn(&InstanceSpec) -> bool,
) -> Vec<&'static InstanceSpec> {
    let specs = launchable(facts, pool, wanted).filter_map(|own| catalog::find(&own.name));
    specs.filter(|spec| is_meant(spec)).collect()
}

/// All types that a NodePool can launch for these requirements, whatever pods ask for.
pub(super) fn launchable<'f>(
    facts: &'f Facts<'_>,
    pool: &'f str,
    wanted: &'f Requirements,
) -> impl Iterator<Item = &'f InstanceType> {
    lists_of_pool(facts, pool).flat_map(|types| on_offer_in(types, std::slice::from_ref(wanted)))
}

/// All types that a NodePool's class can get.
pub(super) fn of_pool<'f>(facts: &'f Facts<'_>, pool: &'f str) -> impl Iterator<Item = &'f InstanceType> {
    lists_of_pool(facts, pool).flat_map(|types| types.iter().map(|own| &**own))
}

fn lists_of_pool<'f>(facts: &'f Facts<'_>, pool: &'f str) -> impl Iterator<Item = &'f InstanceTypes> {
    let offered = offered(facts).iter().filter(move |(own, _)| *own.name == *pool);
    offered.map(|(_, types)| types)
}

/// The types of a list that one of several requirements admits, with one of their offerings, whether or not it is to be had
/// now.
fn on_offer_in<'t>(
    types: &'t InstanceTypes,
    ways: &[Requirements],
) -> impl Iterator<Item = &'t InstanceType> + use<'t> {
    let index = types.index();
    let admitted = |wanted| {
        let mut set = index.all();
        index.filter_requirements(&mut set, wanted);
        let asked = Wanted::of(wanted);
        set.retain(|at| types[at].offerings.iter().any(|offering| asked.admits(offering)));
        set
    };
    let sets: Vec<_> = ways.iter().map(admitted).collect();
    let mut numbered = types.iter().enumerate();
    std::iter::from_fn(move || {
        let (_, own) = numbered.find(|(at, _)| sets.iter().any(|set| set.contains(*at)))?;
        Some(&**own)
    })
}

/// What Karpenter could launch for each NodePool that is there at some time.
fn offered<'f>(facts: &'f Facts<'_>) -> &'f [Offered] {
    facts.offered.get_or_init(|| find_offered(facts))
}

fn find_offered(facts: &Facts<'_>) -> Vec<Offered> {
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
    let mut of_pool: Classes = SortedMap::new();
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
    let none = || InstanceTypes::from_iter([]);
    let types = |id: NodePoolId| provider.of_pool(id).cloned().unwrap_or_else(none);
    let of = |(id, pool): (NodePoolId, &&NodePool)| ((*pool).clone(), types(id));
    ids.iter().map(of).collect()
}

fn can_hold(facts: &Facts<'_>, offered: &Offered, spec: &PodSpec, requests: &Resources) -> bool {
    holding(facts, offered, spec, requests).next().is_some()
}

/// The types of a NodePool that a pod fits on.
fn holding<'o>(
    facts: &Facts<'_>,
    (pool, types): &'o Offered,
    spec: &PodSpec,
    requests: &Resources,
) -> impl Iterator<Item = &'o InstanceType> {
    let template = pool.template_requirements();
    let tolerated = pool.taints.iter().all(|taint| spec.tolerates(taint));
    let together = |own: Requirements| {
        let mut wanted = template.clone();
        wanted.compatible(&own).is_ok().then(|| {
            wanted.add_all(&own);
            wanted
        })
    };
    let ways: Vec<Requirements> = alternatives(spec)
        .filter(|_| tolerated)
        .filter_map(together)
        .collect();
    let mut all = requests.clone();
    all += &daemon_requests(facts);
    on_offer_in(types, &ways).filter(move |instance_type| all.fits(instance_type.allocatable()))
}

/// What a pod asks of a node, by each of its required terms: one of them is enough. Karpenter gives up the first until
/// one can be met (karpenter v1.14 pkg/controllers/provisioning/scheduling/preferences.go
/// `removeRequiredNodeAffinityTerm`), and the scheduler and the DaemonSet controller look at all.
fn alternatives(spec: &PodSpec) -> impl Iterator<Item = Requirements> {
    let terms = spec.affinity.node_required.as_deref().unwrap_or_default();
    let mut alone = spec.clone();
    (0..terms.len().max(1)).map(move |at| {
        alone.affinity.node_required = terms.get(at).map(|term| vec![term.clone()]);
        Requirements::strict_of_pod(&alone)
    })
}

/// Whether a pod may run on nodes of a NodePool, whatever it asks for.
pub(super) fn may_run(pool: &NodePool, spec: &PodSpec) -> bool {
    pool.taints.iter().all(|taint| spec.tolerates(taint)) && refusal(pool, spec).is_none()
}

/// Whether a NodePool could launch a machine for a pod.
pub(super) fn is_held(facts: &Facts<'_>, pool: &NodePool, spec: &PodSpec) -> bool {
    let mut own = offered(facts).iter().filter(|(own, _)| own.name == pool.name);
    own.any(|own| can_hold(facts, own, spec, &spec.requests()))
}

/// The NodePools that could launch a machine for a pod.
pub(super) fn pools_for<'f>(facts: &'f Facts<'_>, spec: &PodSpec) -> Vec<&'f NodePool> {
    let requests = spec.requests();
    let offered = offered(facts).iter();
    let able = offered.filter(|own| can_hold(facts, own, spec, &requests));
    able.map(|(pool, _)| pool).collect()
}

/// The node groups and NodePools that a pod may come to, each with the smallest disk for images and containers there.
pub(super) fn disks_for(facts: &Facts<'_>, spec: &PodSpec) -> Vec<(String, Bytes)> {
    let requests = spec.requests();
    let groups = groups_for(facts, spec).filter_map(|group| {
        let is_own = |(at, _): &&(usize, Node)| facts.scenario.node_groups[*at].name == group.name;
        let (_, node) = group_nodes(facts).iter().find(is_own)?;
        Some((
            format!("the node group {}", group.name),
            node.capacity.ephemeral_storage,
        ))
    });
    let pools = offered(facts).iter().filter_map(|own| {
        let disks = holding(facts, own, spec, &requests).map(|own| own.capacity.ephemeral_storage);
        Some((format!("machines of the NodePool {}", own.0.name), disks.min()?))
    });
    groups.chain(pools).collect()
}

/// Why a pod does not run on the nodes of a NodePool, whatever it asks for; `None` if it may.
pub(super) fn refusal(pool: &NodePool, spec: &PodSpec) -> Option<String> {
    let mut taints = pool.taints.iter();
    if let Some(taint) =
        taints.find(|taint| taint.effect != TaintEffect::PreferNoSchedule && !spec.tolerates(taint))
    {
        return Some(format!("it does not tolerate the taint {}", taint.key));
    }
    let wanted = pool.template_requirements();
    // Each by itself, so that the one in the way can be named.
    let hinders = |(key, requirement): &(&Name, &Requirement)| {
        let alone: Requirements = [((*key).clone(), (*requirement).clone())].into_iter().collect();
        wanted.compatible(&alone).is_err()
    };
    let in_the_way = |own: Requirements| own.iter().find(hinders).map(|(key, _)| key.clone());
    let ways: Option<Vec<Name>> = alternatives(spec).map(in_the_way).collect();
    let key = ways?.into_iter().next()?;
    Some(format!(
        "it selects by {key}, and the nodes do not have what it asks for"
    ))
}

/// The node groups whose machines a pod fits on.
fn groups_for<'f>(facts: &'f Facts<'_>, spec: &PodSpec) -> impl Iterator<Item = &'f NodeGroup> {
    let requests = spec.requests();
    let groups = facts.scenario.node_groups.iter().enumerate();
    groups
        .filter(move |(at, _)| {
            let mut nodes = group_nodes(facts).iter().filter(|(group, _)| group == at);
            nodes.any(|(_, node)| fits(node, spec, &requests))
        })
        .map(|(_, group)| group)
}

/// What the run begins with: one Node of each group and zone is enough.
fn group_nodes<'f>(facts: &'f Facts<'_>) -> &'f [(usize, Node)] {
    facts.group_nodes.get_or_init(|| {
        let (scenario, catalog) = (facts.scenario, &facts.scenario.catalog);
        let of_catalog = |group: &&NodeGroup| catalog.get(&group.instance_type).is_some();
        let mut groups: Vec<NodeGroup> = scenario.node_groups.iter().filter(of_catalog).cloned().collect();
        for group in &mut groups {
            group.size = group.size.min(catalog.zones().len() as u32);
        }
        let streams = Streams::new(scenario.seed);
        let ec2 = Ec2::new(ec2::Config::default(), catalog.clone(), &groups, &streams);
        let nodes = ec2.instances().iter().filter_map(|(id, instance)| {
            let Origin::Group(group) = instance.origin else {
                return None;
            };
            let node = ec2::node::of_group(id, instance, catalog, &groups[group]);
            let named = |own: &NodeGroup| own.name == groups[group].name;
            Some((scenario.node_groups.iter().position(named)?, node))
        });
        nodes.collect()
    })
}

/// How many machines of node groups a pod fits on.
pub(super) fn group_machines(facts: &Facts<'_>, spec: &PodSpec) -> u32 {
    groups_for(facts, spec).map(|group| group.size).sum()
}

/// What all machines of node groups that a pod fits on have together.
pub(super) fn group_capacity(facts: &Facts<'_>, spec: &PodSpec) -> (i64, i64) {
    let machines = groups_for(facts, spec);
    let specs =
        machines.filter_map(|group| Some((i64::from(group.size), catalog::find(&group.instance_type)?)));
    specs.fold((0, 0), |(cpu, memory), (size, spec)| {
        (
            cpu + size * i64::from(spec.vcpus) * 1000,
            memory + size * spec.memory.0,
        )
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

/// Whether a pod fits on a node that is empty. Which name the node has is not known yet: selectors of it are taken as met.
fn fits(node: &Node, spec: &PodSpec, requests: &Resources) -> bool {
    let mut selector = spec.node_selector.iter();
    let selected = selector.all(|(key, value)| *key == HOSTNAME || node.labels.get(key) == Some(value));
    let named = |term: &NodeSelectorTerm| {
        !term.fields.is_empty() || term.expressions.iter().any(|own| own.key == HOSTNAME)
    };
    let affine = spec.affinity.node_required.as_ref().is_none_or(|terms| {
        terms
            .iter()
            .any(|term| named(term) || term.matches(&node.name, &node.labels))
    });
    let prefers = |effect| effect == TaintEffect::PreferNoSchedule;
    let mut taints = node.taints.iter();
    let tolerated = taints.all(|taint| prefers(taint.effect) || spec.tolerates(taint));
    tolerated && selected && affine && requests.fits(&node.allocatable)
}
