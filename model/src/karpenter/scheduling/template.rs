//! What a NodePool can make, prepared once and used until something about it changes
//! (karpenter v1.14 pkg/controllers/provisioning/scheduling/nodeclaimtemplate.go `NewNodeClaimTemplate`,
//! pkg/controllers/provisioning/scheduling/scheduler.go `NewScheduler`).

use std::cmp::Reverse;
use std::sync::Arc;

use super::catalog::Catalog;
use super::daemons::{Daemon, DaemonGroup, distribute};
use super::type_set::TypeSet;
use super::{MinValuesPolicy, World};
use crate::api::{PodSpec, PodTemplate, Taint, TaintEffect};
use crate::id::NodePoolId;
use crate::karpenter::instance_type::InstanceTypes;
use crate::karpenter::labels;
use crate::karpenter::node_pool::{Limits, NodePool};
use crate::karpenter::requirement::{Name, Requirement};
use crate::karpenter::requirements::Requirements;

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

impl Template {
    fn new(id: NodePoolId, pool: &NodePool, catalog: Arc<Catalog>, world: &World<'_>) -> Self {
        let mut requirements = pool.template_requirements();
        if !world.profile.claims_name_node_class {
            requirements.remove(labels::NODE_CLASS);
        }
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
        Template {
            pool: id,
            name: pool.name.clone(),
            requirements,
            taints: pool.taints.clone(),
            limits: pool.limits.clone(),
            types,
            catalog,
            daemons: Vec::new(),
            own,
        }
    }

    /// Whether a pod tolerates the taints of the pool's nodes.
    pub(crate) fn is_tolerated_by(&self, pod: &PodSpec) -> bool {
        self.taints.iter().all(|taint| pod.tolerates(taint))
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
    daemons: Vec<Daemon>,
    /// The DaemonSets' templates, of which those were made.
    of: Vec<Arc<PodTemplate>>,
}

#[derive(Debug)]
struct Prepared {
    pool: NodePool,
    template: Template,
}

impl Prepared {
    fn is_current(&self, pool: &NodePool, types: &InstanceTypes) -> bool {
        Arc::ptr_eq(&self.template.catalog, types.index()) && self.pool == *pool
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
        let order: Vec<NodePoolId> = former.iter().map(|prepared| prepared.template.pool).collect();
        let mut news = false;
        for (id, pool) in world.pools.iter().filter(|(_, pool)| pool.replicas.is_none()) {
            let Some(types) = world.instance_types.get(&id).filter(|types| !types.is_empty()) else {
                continue;
            };
            let at = former.iter().position(|known| known.template.pool == id);
            let known = at.map(|at| former.swap_remove(at));
            let current = known.filter(|known| known.is_current(pool, types));
            news |= current.is_none();
            let prepared = current.unwrap_or_else(|| Prepared {
                template: Template::new(id, pool, types.index().clone(), world),
                pool: pool.clone(),
            });
            self.prepared.push(prepared);
        }
        self.prepared
            .sort_by(|a, b| order_by_weight(&a.pool).cmp(&order_by_weight(&b.pool)));
        let same_order = self.all().iter().map(|template| template.pool).eq(order);
        let same_daemons = self.of.len() == world.daemons.len()
            && self.of.iter().zip(world.daemons).all(|(a, b)| Arc::ptr_eq(a, b));
        if news || !same_order || !same_daemons {
            let mut templates: Vec<&mut Template> =
                self.prepared.iter_mut().map(|own| &mut own.template).collect();
            self.daemons = distribute(&mut templates, world);
            self.of = world.daemons.to_vec();
        }
    }

    /// The DaemonSets' pods.
    pub(crate) fn daemons(&self) -> &[Daemon] {
        &self.daemons
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
