//! Claims that form during a pass, and what is handed out of them at its end
//! (karpenter v1.14 pkg/controllers/provisioning/scheduling/{nodeclaim,nodeclaimtemplate}.go).

use std::borrow::Cow;
use std::sync::Arc;

use rand::RngExt;
use sim::{Instant, SortedSet, Stream};

use super::MinValuesPolicy;
use super::failure::{Failure, TypesExhausted};
use super::host_port::{self, HostPort};
use super::pod_kind::PodKind;
use super::reservations::Reservations;
use super::template::{Template, unmet_min_values};
use super::topology::{Place, Topology};
use super::type_set::TypeSet;
use super::{Purpose, Request, World, catalog};
use crate::api::{Labels, Taint};
use crate::id::{NodePoolId, PodId};
use crate::karpenter::instance_type::{CapacityType, InstanceType, order_by_price};
use crate::karpenter::labels;
use crate::karpenter::node_pool::NodePool;
use crate::karpenter::requirement::{Name, Requirement};
use crate::karpenter::requirements::Requirements;
use crate::karpenter::state::{Conditions, NodeClaim};
use crate::karpenter::version::Profile;
use crate::quantity::{Bytes, MilliCpu, Resources};

/// A claim that is forming.
pub(crate) struct Forming<'a> {
    pub(crate) template: &'a Template,
    hostname: Name,
    requirements: Requirements,
    types: TypeSet,
    /// What its pods request together.
    requests: Resources,
    ports: Vec<HostPort>,
    held: SortedSet<Name>,
    min_values_relaxed: bool,
    pub(crate) pods: Vec<PodId>,
    /// Kinds of pods that topology does not concern and that were refused: they will be as long as no key begins to allow
    /// its label's absence.
    refused: Vec<usize>,
}

/// What a claim becomes with one more pod.
pub(crate) struct Narrowed {
    /// `None` if they stay as they are.
    requirements: Option<Requirements>,
    types: TypeSet,
    held: SortedSet<Name>,
    min_values_relaxed: bool,
}

/// What narrowing a claim depends on beside the claim and the pod.
pub(crate) struct Context<'c, 'a> {
    pub(crate) world: &'c World<'a>,
    pub(crate) request: &'c Request<'a>,
    pub(crate) reservations: &'c Reservations,
}

/// Requirements with the taints that go with them.
struct Tried<'t> {
    requirements: &'t Requirements,
    taints: &'t [Taint],
    /// A spread's node filter lets undefined well-known labels pass, as older releases do.
    lenient: bool,
}

impl Place for Tried<'_> {
    fn requirement(&self, key: &str) -> Option<Cow<'_, Requirement>> {
        self.requirements.get(key).map(Cow::Borrowed)
    }

    fn may_define(&self, key: &str) -> bool {
        labels::is_well_known(key)
    }

    fn meets(&self, requirements: &Requirements) -> bool {
        if self.lenient {
            self.requirements.compatible(requirements).is_ok()
        } else {
            self.requirements.compatible_strictly(requirements).is_ok()
        }
    }

    fn taints(&self) -> impl Iterator<Item = &Taint> {
        self.taints.iter()
    }
}

impl<'a> Forming<'a> {
    /// An empty claim of a NodePool, the `number`th of the pass, limited to some of the pool's types.
    pub(crate) fn new(template: &'a Template, number: usize, types: TypeSet) -> Self {
        let hostname: Name = format!("hostname-placeholder-{number:04}").into();
        let mut requirements = template.requirements.clone();
        requirements.add(labels::HOSTNAME, Requirement::only(hostname.clone()));
        Forming {
            template,
            hostname,
            requirements,
            types,
            requests: Resources::default(),
            ports: Vec::new(),
            held: SortedSet::new(),
            min_values_relaxed: false,
            pods: Vec::new(),
            refused: Vec::new(),
        }
    }

    pub(crate) fn hostname(&self) -> &Name {
        &self.hostname
    }

    fn tried<'t>(&'t self, requirements: &'t Requirements, world: &World<'_>) -> Tried<'t> {
        Tried {
            requirements,
            taints: &self.template.taints,
            lenient: !world.profile.node_inclusion_policies,
        }
    }

    /// Whether a kind of pod is known to be refused.
    pub(crate) fn refuses(&self, kind: usize) -> bool {
        self.refused.contains(&kind)
    }

    /// Remembers that a kind of pod is refused. Not where reserved capacity might come free.
    pub(crate) fn refuse(&mut self, kind: usize, free: bool) {
        if free && !self.template.catalog.has_reserved {
            self.refused.push(kind);
        }
    }

    /// What the claim becomes with a pod of this kind, `taken` being the host ports of the pool's other
    /// claims where these count too (`CanAdd`).
    pub(crate) fn can_add(
        &self,
        kind: &PodKind<'a>,
        topology: &Topology<'a>,
        context: &Context<'_, 'a>,
        taken: &[HostPort],
        chance: &mut Stream,
    ) -> Result<Narrowed, Failure> {
        if let Some(taint) = self
            .template
            .taints
            .iter()
            .find(|taint| !kind.spec.tolerates(taint))
        {
            return Err(Failure::Taint(taint.clone()));
        }
        if !kind.ports.is_empty()
            && (host_port::conflict(&kind.ports, &self.ports) || host_port::conflict(&kind.ports, taken))
        {
            return Err(Failure::HostPort);
        }
        let requirements = self.narrow_requirements(kind, topology, context.world, chance)?;
        let types = self.narrow_types(kind, requirements.as_ref())?;
        let mut narrowed = Narrowed {
            requirements,
            types,
            held: SortedSet::new(),
            min_values_relaxed: self.min_values_relaxed,
        };
        self.check_min_values(&mut narrowed, context.world)?;
        self.reserve(&mut narrowed, context)?;
        Ok(narrowed)
    }

    fn narrow_requirements(
        &self,
        kind: &PodKind<'a>,
        topology: &Topology<'a>,
        world: &World<'a>,
        chance: &mut Stream,
    ) -> Result<Option<Requirements>, Failure> {
        if kind.free && kind.requirements.is_empty() {
            return Ok(None);
        }
        self.requirements
            .compatible(&kind.requirements)
            .map_err(|incompatible| Failure::Requirements(incompatible.to_string()))?;
        let mut narrowed = self.requirements.clone();
        narrowed.add_all(&kind.requirements);
        if !kind.free {
            let place = self.tried(&narrowed, world);
            let added = topology
                .add_requirements(&kind.membership, &kind.strict, &place, chance)
                .map_err(Failure::Topology)?;
            narrowed.add_all(&added);
        }
        Ok(Some(narrowed))
    }

    /// The types on which everything fits: each must meet the requirements, have the resources and have an
    /// available offering, all by itself (`filterInstanceTypesByRequirements`).
    fn narrow_types(&self, kind: &PodKind<'a>, narrowed: Option<&Requirements>) -> Result<TypeSet, Failure> {
        let catalog = &self.template.catalog;
        let mut types = self.types.clone();
        if let Some(narrowed) = narrowed {
            let changed =
                |key: &Name, requirement: &Requirement| self.requirements.get(key) != Some(requirement);
            let mut offerings = false;
            for (key, requirement) in narrowed.iter().filter(|(key, own)| changed(key, own)) {
                catalog.filter_key(&mut types, key, requirement);
                offerings |= catalog::concerns_offerings(key);
            }
            // A first pod's claim was filtered with its template.
            if offerings {
                catalog.filter_offerings(&mut types, narrowed);
            }
        }
        let requests = self.requests.clone() + &kind.requests;
        self.filter_fits(&mut types, &kind.ports, &requests);
        if types.is_empty() {
            let requirements = narrowed.unwrap_or(&self.requirements);
            return Err(Failure::Types(self.exhausted(
                requirements,
                &kind.ports,
                &requests,
            )));
        }
        Ok(types)
    }

    /// Keeps the types on which pods fit beside the DaemonSets of their group.
    fn filter_fits(&self, types: &mut TypeSet, ports: &[HostPort], requests: &Resources) {
        let catalog = &self.template.catalog;
        if let [group] = &self.template.daemons[..] {
            if host_port::conflict(ports, &group.ports) {
                *types = TypeSet::none(catalog.types.len());
            }
            return catalog.filter_fits(types, &(requests.clone() + &group.overhead));
        }
        let mut all = TypeSet::none(catalog.types.len());
        for group in &self.template.daemons {
            if group.types.intersects(types) && !host_port::conflict(ports, &group.ports) {
                let mut of_group = types.clone();
                of_group.intersect(&group.types);
                catalog.filter_fits(&mut of_group, &(requests.clone() + &group.overhead));
                all.union(&of_group);
            }
        }
        *types = all;
    }

    fn exhausted(&self, wanted: &Requirements, ports: &[HostPort], requests: &Resources) -> TypesExhausted {
        let catalog = &self.template.catalog;
        let (mut met, mut fits, mut offered) = (self.types.clone(), self.types.clone(), self.types.clone());
        catalog.filter_requirements(&mut met, wanted);
        self.filter_fits(&mut fits, ports, requests);
        catalog.filter_offerings(&mut offered, wanted);
        TypesExhausted {
            requirements_met: !met.is_empty(),
            fits: !fits.is_empty(),
            has_offering: !offered.is_empty(),
            requirements_and_fits: met.intersects(&fits),
            requirements_and_offering: met.intersects(&offered),
            fits_and_offering: fits.intersects(&offered),
        }
    }

    /// Types must span minValues; only a claim's first pod may relax them (`SatisfiesMinValues`).
    fn check_min_values(&self, narrowed: &mut Narrowed, world: &World<'_>) -> Result<(), Failure> {
        let requirements = narrowed.requirements.as_ref().unwrap_or(&self.requirements);
        if !requirements.has_min_values() {
            return Ok(());
        }
        let unmet = unmet_min_values(&self.template.catalog, &narrowed.types, requirements);
        let unmet: Vec<(Name, usize)> = unmet.map(|(key, spanned)| (key.clone(), spanned)).collect();
        let relax = world.settings.min_values_policy == MinValuesPolicy::BestEffort && self.pods.is_empty();
        let Some((first, _)) = unmet.first() else {
            return Ok(());
        };
        if !relax {
            return Err(Failure::MinValues(first.clone()));
        }
        let mut relaxed = requirements.clone();
        for (key, spanned) in unmet {
            let own = relaxed.get(&key).expect("a requirement with minValues").clone();
            let spanned = u32::try_from(spanned).expect("fewer values than types");
            relaxed.replace(key, own.with_min_values(Some(spanned)));
        }
        narrowed.requirements = Some(relaxed);
        narrowed.min_values_relaxed = true;
        Ok(())
    }

    /// Takes hold of reserved capacity (`offeringsToReserve`).
    fn reserve(&self, narrowed: &mut Narrowed, context: &Context<'_, 'a>) -> Result<(), Failure> {
        let catalog = &self.template.catalog;
        if !context.world.settings.reserved_capacity || !catalog.has_reserved {
            return Ok(());
        }
        let requirements = narrowed.requirements.as_ref().unwrap_or(&self.requirements);
        let compatible: Vec<_> = catalog.reserved(&narrowed.types, requirements).collect();
        let obtained = context
            .reservations
            .obtainable(compatible.iter().copied(), &self.held);
        let strict = context.request.purpose == Purpose::Provisioning;
        if strict && obtained.is_empty() && !(compatible.is_empty() && self.held.is_empty()) {
            return Err(Failure::Reserved);
        }
        narrowed.held = obtained;
        Ok(())
    }

    /// Takes a pod (`Add`).
    pub(crate) fn add(
        &mut self,
        pod: PodId,
        kind: &PodKind<'a>,
        narrowed: Narrowed,
        topology: &mut Topology<'a>,
        reservations: &mut Reservations,
        world: &World<'a>,
    ) {
        self.pods.push(pod);
        self.types = narrowed.types;
        self.requests += &kind.requests;
        if let Some(requirements) = narrowed.requirements {
            if requirements.begin_to_allow_absence(&self.requirements) {
                self.refused.clear();
            }
            self.requirements = requirements;
        }
        self.min_values_relaxed = narrowed.min_values_relaxed;
        self.ports.extend(kind.ports.iter().cloned());
        if world.profile.hostnames_as_they_come {
            topology.register_hostname(&self.hostname);
        }
        topology.record(&kind.membership, &self.tried(&self.requirements, world));
        reservations.exchange(&self.held, &narrowed.held);
        self.held = narrowed.held;
    }

    /// The greatest capacity of its types, in each of the resources.
    pub(crate) fn greatest_capacity(&self) -> Resources {
        let types = self
            .types
            .iter()
            .map(|at| &self.template.catalog.types[at].capacity);
        types.fold(Resources::default(), |greatest, capacity| greatest.max(capacity))
    }

    /// The claim to make (`FinalizeScheduling`): without a hostname, confined to the reserved capacity that
    /// it holds, and with room for DaemonSets (`addDaemonRequests`).
    ///
    /// That room should be the least of the groups whose types remain. But a least of nothing counts as none
    /// yet, so that it is begun anew after a group without DaemonSets, and the groups come in the order of a
    /// map, of which `first` begins.
    pub(crate) fn finalize(mut self, first: usize) -> NewClaim {
        self.requirements.remove(labels::HOSTNAME);
        if !self.held.is_empty() {
            self.requirements
                .replace(labels::CAPACITY_TYPE, Requirement::only("reserved"));
            self.requirements.add(
                labels::CAPACITY_RESERVATION_ID,
                Requirement::any_of(self.held.iter().cloned()),
            );
        }
        let (last, groups) = self.template.daemons.split_at(first);
        let groups = groups.iter().chain(last);
        let remaining = groups.filter(|group| group.types.intersects(&self.types));
        let least = remaining.fold(Resources::default(), |least, group| {
            if least == Resources::default() {
                group.overhead.clone()
            } else {
                lesser(&least, &group.overhead)
            }
        });
        NewClaim {
            pool: self.template.pool,
            types: self
                .template
                .catalog
                .order_by_price(&self.types, &self.requirements),
            requests: self.requests + &least,
            requirements: self.requirements,
            min_values_relaxed: self.min_values_relaxed,
            pods: self.pods,
        }
    }

    pub(crate) fn ports(&self) -> &[HostPort] {
        &self.ports
    }
}

/// The lesser amount of each resource (`MinResources`).
fn lesser(a: &Resources, b: &Resources) -> Resources {
    let common = a
        .extended
        .iter()
        .filter(|(name, _)| b.extended.contains_key(*name));
    Resources {
        cpu: MilliCpu(a.cpu.0.min(b.cpu.0)),
        memory: Bytes(a.memory.0.min(b.memory.0)),
        ephemeral_storage: Bytes(a.ephemeral_storage.0.min(b.ephemeral_storage.0)),
        pods: a.pods.min(b.pods),
        extended: common
            .map(|(name, x)| (name.clone(), (*x).min(b.extended(name))))
            .collect(),
    }
}

/// A claim that a pass asks for.
#[derive(Debug, Clone)]
pub struct NewClaim {
    /// The NodePool.
    pub pool: NodePoolId,
    requirements: Requirements,
    /// The instance types on which all its pods fit, cheapest first.
    pub types: Vec<Arc<InstanceType>>,
    /// What its pods and DaemonSets request together.
    pub requests: Resources,
    /// Its types span fewer values than minValues asks, which the policy lets pass.
    pub min_values_relaxed: bool,
    /// The pods that it is for.
    pub pods: Vec<PodId>,
}

impl NewClaim {
    /// What its node must be.
    #[must_use]
    pub fn requirements(&self) -> &Requirements {
        &self.requirements
    }

    /// Narrows what its node must be, and puts its types in the order of their prices under that.
    pub fn require(&mut self, key: &str, requirement: Requirement) {
        self.requirements.add(key, requirement);
        order_by_price(&mut self.types, &self.requirements);
    }

    /// Keeps the cheapest types (`Truncate`).
    ///
    /// # Errors
    ///
    /// The label of which those kept span too few values.
    pub fn truncate(&mut self, max: usize, policy: MinValuesPolicy) -> Result<(), Failure> {
        self.types.truncate(max);
        match self.unmet_min_values() {
            Some(key) if policy == MinValuesPolicy::Strict => Err(Failure::MinValues(key)),
            _ => Ok(()),
        }
    }

    /// A label of which the types span fewer values than minValues asks.
    #[must_use]
    pub fn unmet_min_values(&self) -> Option<Name> {
        let unmet = |(key, requirement): (&Name, &Requirement)| {
            let wanted = requirement.min_values()? as usize;
            let of_types = self.types.iter().filter_map(|t| t.requirements.get(key));
            let spanned: SortedSet<&Name> = of_types.flat_map(Requirement::values).collect();
            (spanned.len() < wanted).then(|| key.clone())
        };
        self.requirements.iter().find_map(unmet)
    }

    /// How many of its types, from the cheapest on, it takes to span what minValues asks; none, if nothing is
    /// asked (`SatisfiesMinValues`).
    #[must_use]
    pub fn types_for_min_values(&self) -> usize {
        let needed = |(key, requirement): (&Name, &Requirement)| {
            let wanted = requirement.min_values()? as usize;
            let mut spanned: SortedSet<&Name> = SortedSet::new();
            let at = self.types.iter().position(|t| {
                spanned.extend(t.requirements.get(key).into_iter().flat_map(Requirement::values));
                spanned.len() >= wanted
            });
            Some(at.map_or(self.types.len(), |at| at + 1))
        };
        self.requirements.iter().filter_map(needed).max().unwrap_or(0)
    }

    /// The NodeClaim object (`ToNodeClaim`), its types in their present order.
    #[must_use]
    pub fn object(&self, pool: &NodePool, name: String, now: Instant, profile: &Profile) -> NodeClaim {
        let mut requirements = self.requirements.clone();
        // These are for the simulation only (`schedulingSimulationKeys`).
        for key in [labels::REGISTERED, labels::INITIALIZED] {
            requirements.remove(key);
        }
        let min_values = requirements
            .get(labels::INSTANCE_TYPE)
            .and_then(Requirement::min_values);
        let names: Arc<[Name]> = self.types.iter().map(|t| t.name.clone()).collect();
        let listed = Requirement::any_of(names.iter().cloned()).with_min_values(min_values);
        requirements.add(labels::INSTANCE_TYPE, listed);
        let capacity_types = self.capacity_types(&requirements);
        if profile.claims_name_capacity_types && !capacity_types.is_empty() {
            let names = capacity_types.iter().map(|capacity_type| capacity_type.as_str());
            requirements.add(labels::CAPACITY_TYPE, Requirement::any_of(names));
        }
        NodeClaim {
            name,
            pool: self.pool,
            labels: Arc::new(claim_labels(pool, &requirements)),
            annotations: pool.annotations.clone(),
            created: now,
            deleting: None,
            requirements,
            instance_types: names,
            requests: self.requests.clone(),
            taints: pool.taints.as_slice().into(),
            startup_taints: pool.startup_taints.as_slice().into(),
            node_class: pool.node_class.clone(),
            expire_after: pool.expire_after,
            termination_grace_period: pool.termination_grace_period,
            instance: None,
            made_by: None,
            node: None,
            capacity: Resources::default(),
            allocatable: Resources::default(),
            conditions: Conditions::default(),
            last_pod_event: None,
        }
    }

    /// The capacity types in which any of its types is available.
    fn capacity_types(&self, requirements: &Requirements) -> Vec<CapacityType> {
        let mut found = Vec::new();
        for offering in self.types.iter().flat_map(|t| &t.offerings) {
            let new = offering.available && !found.contains(&offering.capacity_type);
            if new && offering.is_compatible(requirements) {
                found.push(offering.capacity_type);
            }
        }
        found
    }
}

/// The labels known before launch: those of the template, the pool's own, and custom keys of which the
/// requirements allow a value. Which value, where there are several, is the first (upstream: any).
fn claim_labels(pool: &NodePool, requirements: &Requirements) -> Labels {
    let mut all = pool.labels.clone();
    all.insert(labels::NODE_POOL.to_owned(), pool.name.to_string());
    for (key, requirement) in requirements.iter().filter(|(key, _)| !labels::is_well_known(key)) {
        let value = requirement
            .values()
            .first()
            .filter(|_| !requirement.is_complement());
        if let Some(value) = value {
            all.insert(key.to_string(), value.to_string());
        }
    }
    all
}

/// A name as the API server makes it from `generateName`: the prefix and five random characters
/// (kubernetes 1.35 staging/src/k8s.io/apiserver/pkg/storage/names/generate.go `GenerateName`).
#[must_use]
pub fn generate_name(prefix: &str, chance: &mut Stream) -> String {
    const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let mut name = String::from(prefix);
    name.extend((0..5).map(|_| char::from(ALPHABET[chance.random_range(0..ALPHABET.len())])));
    name
}
