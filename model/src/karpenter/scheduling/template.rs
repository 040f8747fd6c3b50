//! What a NodePool can make, prepared once and used until something about it changes
//! (karpenter v1.14 pkg/controllers/provisioning/scheduling/nodeclaimtemplate.go `NewNodeClaimTemplate`,
//! pkg/controllers/provisioning/scheduling/scheduler.go `NewScheduler`, `buildDaemonOverheadGroups`).

use std::cmp::Reverse;
use std::sync::Arc;

use super::catalog::Catalog;
use super::host_port::HostPort;
use super::preferences::{remove_required_node_affinity_term, tolerate_preferred_taints};
use super::type_set::TypeSet;
use super::{MinValuesPolicy, World};
use crate::api::{PodTemplate, Taint, TaintEffect};
use crate::id::NodePoolId;
use crate::karpenter::instance_type::{InstanceType, InstanceTypes};
use crate::karpenter::labels;
use crate::karpenter::node_pool::{Limits, NodePool};
use crate::karpenter::requirement::{Name, Requirement};
use crate::karpenter::requirements::Requirements;
use crate::karpenter::version::Profile;
use crate::quantity::Resources;

/// What a NodePool can make.
#[derive(Debug)]
pub(crate) struct Template {
    pub(crate) pool: NodePoolId,
    pub(crate) name: Name,
    pub(crate) requirements: Requirements,
    pub(crate) taints: Vec<Taint>,
    pub(crate) limits: Limits,
    pub(crate) catalog: Arc<Catalog>,
    /// The types that meet the pool's requirements and are available.
    pub(crate) types: TypeSet,
    pub(crate) daemons: Vec<DaemonGroup>,
    /// The pool's requirements and labels, from which topology domains come.
    own: Requirements,
}

/// Instance types on which the same DaemonSets run.
#[derive(Debug)]
pub(crate) struct DaemonGroup {
    pub(crate) types: TypeSet,
    pub(crate) overhead: Resources,
    pub(crate) ports: Vec<HostPort>,
}

impl Template {
    fn new(id: NodePoolId, pool: &NodePool, catalog: Arc<Catalog>, world: &World<'_>) -> Self {
        let mut requirements = pool.template_requirements();
        if world.profile.templates_initialized {
            for key in [labels::REGISTERED, labels::INITIALIZED] {
                requirements.add(key, Requirement::only("true"));
            }
        }
        let mut types = catalog.all();
        catalog.filter_requirements(&mut types, &requirements);
        catalog.filter_offerings(&mut types, &requirements);
        let strict = world.settings.min_values_policy == MinValuesPolicy::Strict;
        if strict && unmet_min_values(&catalog, &types, &requirements).next().is_some() {
            types = TypeSet::none(catalog.types.len());
        }
        let mut own = pool.requirements.clone();
        own.add_all(&Requirements::from_labels(&pool.labels));
        let mut template = Template {
            pool: id,
            name: pool.name.clone(),
            requirements,
            taints: pool.taints.clone(),
            limits: pool.limits.clone(),
            types,
            catalog,
            daemons: Vec::new(),
            own,
        };
        template.daemons = template.daemon_groups(world);
        template
    }

    /// The domains that nodes of the pool can have for a topology key.
    pub(crate) fn domains<'s>(&'s self, key: &'s str) -> impl Iterator<Item = &'s Name> + 's {
        let own = self.own.get(key);
        let of_types = self.catalog.values(key);
        let listed = own.filter(|own| !own.is_complement()).map(Requirement::values);
        of_types
            .filter(move |value| own.is_none_or(|own| own.has(value)))
            .chain(listed.into_iter().flatten())
    }

    fn daemon_groups(&self, world: &World<'_>) -> Vec<DaemonGroup> {
        if !world.profile.daemon_groups {
            let fits = |daemon: &&Arc<PodTemplate>| self.runs(daemon, None, world.profile);
            let daemons: Vec<_> = world.daemons.iter().filter(fits).collect();
            return vec![daemon_group(self.catalog.all(), &daemons, world.profile)];
        }
        let mut groups: Vec<(Vec<&Arc<PodTemplate>>, TypeSet)> = Vec::new();
        for at in self.types.iter() {
            let fits =
                |daemon: &&Arc<PodTemplate>| self.runs(daemon, Some(&self.catalog.types[at]), world.profile);
            let daemons: Vec<_> = world.daemons.iter().filter(fits).collect();
            let same = |(other, _): &(Vec<&Arc<PodTemplate>>, TypeSet)| {
                other.len() == daemons.len() && other.iter().zip(&daemons).all(|(a, b)| Arc::ptr_eq(a, b))
            };
            let group = groups.iter().position(same).unwrap_or_else(|| {
                groups.push((daemons, TypeSet::none(self.catalog.types.len())));
                groups.len() - 1
            });
            groups[group].1.insert(at);
        }
        let build = |(daemons, types): (Vec<_>, _)| daemon_group(types, &daemons, world.profile);
        groups.into_iter().map(build).collect()
    }

    /// Whether a DaemonSet's pod runs on nodes of the pool, or on those of one type (`isDaemonPodCompatible`).
    fn runs(&self, daemon: &PodTemplate, instance_type: Option<&InstanceType>, profile: &Profile) -> bool {
        let mut pod = daemon.spec.clone();
        if profile.daemon_preferences_required {
            return self.taints.iter().all(|taint| pod.tolerates(taint))
                && self.requirements.compatible(&Requirements::of_pod(&pod)).is_ok();
        }
        tolerate_preferred_taints(&mut pod);
        if !self.taints.iter().all(|taint| pod.tolerates(taint)) {
            return false;
        }
        loop {
            let wanted = Requirements::strict_of_pod(&pod);
            let on_type = |t: &InstanceType| t.requirements.intersects(&wanted).is_ok();
            if self.requirements.compatible(&wanted).is_ok() && instance_type.is_none_or(on_type) {
                return true;
            }
            if !remove_required_node_affinity_term(&mut pod) {
                return false;
            }
        }
    }
}

fn daemon_group(types: TypeSet, daemons: &[&Arc<PodTemplate>], profile: &Profile) -> DaemonGroup {
    let mut overhead = Resources::default();
    let mut ports = Vec::new();
    for daemon in daemons {
        overhead += &daemon.spec.requests();
        if profile.daemon_host_ports {
            ports.extend(HostPort::of_pod(&daemon.spec));
        }
    }
    DaemonGroup {
        types,
        overhead,
        ports,
    }
}

/// The keys whose minValues a set of types does not span, with how many values it does
/// (karpenter v1.14 pkg/cloudprovider/types.go `SatisfiesMinValues`).
pub(crate) fn unmet_min_values<'a>(
    catalog: &'a Catalog,
    types: &'a TypeSet,
    requirements: &'a Requirements,
) -> impl Iterator<Item = (&'a Name, usize)> + 'a {
    requirements.iter().filter_map(|(key, requirement)| {
        let wanted = requirement.min_values()? as usize;
        let spanned = catalog.distinct_values(types, key);
        (spanned < wanted).then_some((key, spanned))
    })
}

/// Templates that were prepared, kept for as long as what they were prepared from stays the same.
///
/// One value serves any number of passes and what-ifs; it holds no state of theirs.
#[derive(Debug, Default)]
pub struct Templates {
    prepared: Vec<Prepared>,
}

#[derive(Debug)]
struct Prepared {
    pool: NodePool,
    daemons: Vec<Arc<PodTemplate>>,
    template: Template,
}

impl Prepared {
    fn is_current(&self, pool: &NodePool, types: &InstanceTypes, world: &World<'_>) -> bool {
        Arc::ptr_eq(&self.template.catalog, types.index())
            && self.daemons.len() == world.daemons.len()
            && self
                .daemons
                .iter()
                .zip(world.daemons)
                .all(|(a, b)| Arc::ptr_eq(a, b))
            && self.pool == *pool
    }
}

impl Templates {
    /// Nothing prepared yet.
    #[must_use]
    pub fn new() -> Self {
        Templates::default()
    }

    /// Prepares what changed.
    pub(crate) fn refresh(&mut self, world: &World<'_>) {
        let mut former = std::mem::take(&mut self.prepared);
        for (id, pool) in world.pools.iter().filter(|(_, pool)| pool.replicas.is_none()) {
            let Some(types) = world.instance_types.get(&id).filter(|types| !types.is_empty()) else {
                continue;
            };
            let at = former.iter().position(|known| known.template.pool == id);
            let known = at.map(|at| former.swap_remove(at));
            let current = known.filter(|known| known.is_current(pool, types, world));
            let prepared = current.unwrap_or_else(|| Prepared {
                template: Template::new(id, pool, types.index().clone(), world),
                pool: pool.clone(),
                daemons: world.daemons.to_vec(),
            });
            self.prepared.push(prepared);
        }
        self.prepared
            .sort_by(|a, b| order_by_weight(&a.pool).cmp(&order_by_weight(&b.pool)));
    }

    /// All templates, in the order in which they are tried.
    pub(crate) fn all(&self) -> Vec<&Template> {
        self.prepared.iter().map(|prepared| &prepared.template).collect()
    }

    /// Whether any pool has a taint that pods are only asked to avoid.
    pub(crate) fn prefer_no_schedule(&self) -> bool {
        let soft = |taint: &Taint| taint.effect == TaintEffect::PreferNoSchedule;
        self.prepared
            .iter()
            .any(|prepared| prepared.pool.taints.iter().any(soft))
    }
}

/// Heavier pools first, then by name backwards
/// (karpenter v1.14 pkg/utils/nodepool/nodepool.go `OrderByWeight`).
#[must_use]
pub fn order_by_weight(pool: &NodePool) -> (Reverse<u32>, Reverse<&str>) {
    (Reverse(pool.weight), Reverse(&pool.name))
}
