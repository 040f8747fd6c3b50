//! One pass.

use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use sim::{SortedMap, Stream};

use super::daemons::Daemon;
use super::existing_node::ExistingNode;
use super::failure::Failure;
use super::host_port::HostPort;
use super::new_claim::{Context, Forming};
use super::pod_kind::Kinds;
use super::queue::{self, Queue};
use super::reservations::Reservations;
use super::template::{Template, Templates};
use super::topology::Topology;
use super::{Placement, Request, Results, World};
use crate::api::Pod;
use crate::id::{NodePoolId, PodId};
use crate::karpenter::node_pool::Limits;

/// Where these pods would go (`Scheduler.Solve`). Equal inputs and equal chance give equal results;
/// `templates` only saves work.
#[must_use]
pub fn solve(
    world: &World<'_>,
    request: &Request<'_>,
    templates: &mut Templates,
    chance: &mut Stream,
) -> Results {
    templates.refresh(world);
    let pools = templates.all();
    let mut topology = Topology::new(world, request, &pools, chance);
    let mut kinds = Kinds::new(world.settings, templates.prefer_no_schedule());
    let pods: Vec<Waiting<'_>> = request
        .pods
        .iter()
        .filter_map(|id| {
            let pod = world.pods.get(*id)?;
            let kind = kinds.of(&pod.template, &mut topology);
            Some(Waiting { id: *id, pod, kind })
        })
        .collect();
    kinds.settle(&topology);
    let mut scheduler = Scheduler {
        world,
        request,
        pools: &pools,
        remaining: remaining(world, request, &pools),
        existing: existing_nodes(world, request, templates.daemons(), &mut topology),
        reservations: Reservations::new(&pools),
        topology,
        kinds,
        forming: Vec::new(),
        begun: 0,
        attempts: 0,
        chance,
    };
    let left = scheduler.run(pods);
    scheduler.finish(left)
}

struct Waiting<'a> {
    id: PodId,
    pod: &'a Pod,
    kind: usize,
}

/// The nodes in the order in which they are tried (`calculateExistingNodeClaims`).
fn existing_nodes<'a>(
    world: &World<'a>,
    request: &Request<'a>,
    daemons: &[Daemon],
    topology: &mut Topology<'a>,
) -> Vec<ExistingNode<'a>> {
    let node = |(at, state)| ExistingNode::new(at, state, daemons, world, request);
    let mut nodes: Vec<ExistingNode<'_>> = request.nodes.iter().copied().enumerate().map(node).collect();
    nodes.sort_by(|a, b| a.order().cmp(&b.order()));
    for node in &nodes {
        topology.register_hostname(node.hostname());
    }
    nodes
}

/// What the limits of each pool leave for new nodes. Nodes that are going do not count.
fn remaining(world: &World<'_>, request: &Request<'_>, pools: &[&Template]) -> SortedMap<NodePoolId, Limits> {
    let mut remaining: SortedMap<NodePoolId, Limits> = pools
        .iter()
        .filter(|pool| !pool.limits.is_unlimited())
        .map(|pool| (pool.pool, pool.limits.clone()))
        .collect();
    for node in request.nodes {
        if let Some(left) = node.pool().and_then(|pool| remaining.get_mut(&pool)) {
            *left = left.less(&node.capacity(), 1);
        }
    }
    if !world.profile.node_limits {
        remaining.values_mut().for_each(|left| left.nodes = None);
    }
    remaining
}

/// What a pass has done so far.
struct Scheduler<'a, 'c> {
    world: &'a World<'a>,
    request: &'a Request<'a>,
    pools: &'a [&'a Template],
    remaining: SortedMap<NodePoolId, Limits>,
    existing: Vec<ExistingNode<'a>>,
    reservations: Reservations,
    topology: Topology<'a>,
    kinds: Kinds<'a>,
    /// Claims of this pass, always nearly in the order in which they are tried.
    forming: Vec<Forming<'a>>,
    /// How many claims were given a hostname: those that were opened or, in older releases, tried.
    begun: usize,
    /// How many times a pod was tried on something, which is what a pass's duration goes by.
    attempts: u64,
    chance: &'c mut Stream,
}

/// The pods that were not placed.
struct Left {
    failures: SortedMap<PodId, Arc<Failure>>,
    untried: Vec<PodId>,
}

impl<'a> Scheduler<'a, '_> {
    fn run(&mut self, mut pods: Vec<Waiting<'a>>) -> Left {
        let rank = |waiting: &Waiting<'a>| {
            let requests = &self.kinds.get(waiting.kind).requests;
            queue::rank(
                requests.cpu,
                requests.memory,
                waiting.pod.created,
                waiting.pod.uid,
            )
        };
        let ranks: Vec<_> = pods.iter().map(rank).collect();
        let mut queue = Queue::new(&ranks);
        let mut failures = SortedMap::new();
        while let Some(next) = queue.pop() {
            if self.out_of_time() {
                queue.push(next, false);
                break;
            }
            let Waiting { id, kind, .. } = pods[next];
            let placed = if self.world.profile.full_relaxation {
                self.try_schedule(id, kind)
            } else {
                self.add(id, kind)
            };
            let Err(failure) = placed else {
                failures.remove(&id);
                continue;
            };
            failures.insert(id, failure);
            // Older releases give up one preference and let every other pod try first.
            let relaxed = if self.world.profile.full_relaxation {
                None
            } else {
                self.kinds.relax(kind, &mut self.topology)
            };
            pods[next].kind = relaxed.unwrap_or(kind);
            queue.push(next, relaxed.is_some());
        }
        let untried = std::iter::from_fn(|| queue.take()).map(|at| pods[at].id);
        let untried = untried.filter(|id| !failures.contains_key(id)).collect();
        Left { failures, untried }
    }

    /// Gives up one preference after the other until the pod fits (`trySchedule`). If it never does, it
    /// keeps them all.
    fn try_schedule(&mut self, pod: PodId, mut kind: usize) -> Result<(), Arc<Failure>> {
        loop {
            let failure = match self.add(pod, kind) {
                Ok(()) => return Ok(()),
                Err(failure) => failure,
            };
            if failure.is_reserved() {
                return Err(failure);
            }
            kind = self.kinds.relax(kind, &mut self.topology).ok_or(failure)?;
        }
    }

    /// Nodes that are there, then claims of this pass, then a new claim (`add`).
    fn add(&mut self, pod: PodId, kind: usize) -> Result<(), Arc<Failure>> {
        if self.add_to_existing(pod, kind) || self.add_to_forming(pod, kind) {
            return Ok(());
        }
        self.add_to_new(pod, kind)
    }

    fn add_to_existing(&mut self, pod: PodId, kind: usize) -> bool {
        let settled_only = !self.is_exempt(pod);
        let first = self.kinds.get(kind).refused_nodes;
        self.attempts += first as u64;
        for at in first..self.existing.len() {
            let node = &mut self.existing[at];
            if settled_only && node.is_unsettled() {
                continue;
            }
            self.attempts += 1;
            let own = self.kinds.get(kind);
            if node.try_add(pod, own, &mut self.topology, self.world, self.chance) {
                if node.opened {
                    self.kinds.reconsider_node(at);
                }
                return true;
            }
            let own = self.kinds.get_mut(kind);
            // Not past a node that another pod of this kind may still be exempt for.
            if own.free && own.refused_nodes == at {
                own.refused_nodes += 1;
            }
        }
        false
    }

    /// Whether a pod may go on nodes within `consolidate_after`: it is pending, or its node is going.
    fn is_exempt(&self, pod: PodId) -> bool {
        let pod = self.world.pods.get(pod);
        pod.is_none_or(|pod| match pod.node {
            None => true,
            Some(node) => pod.phase == crate::api::Phase::Pending || self.request.deleting.contains(&node),
        })
    }

    fn add_to_forming(&mut self, pod: PodId, kind: usize) -> bool {
        // Fewest pods first; upstream's sort is unstable, this one keeps the older first among equals.
        self.forming.sort_by_key(|claim| claim.pods.len());
        for at in 0..self.forming.len() {
            self.attempts += 1;
            let claim = &self.forming[at];
            if claim.refuses(kind) {
                continue;
            }
            let taken = self.shared_ports(claim.template, kind);
            let own = self.kinds.get(kind);
            let context = Context {
                world: self.world,
                request: self.request,
                reservations: &self.reservations,
            };
            match claim.can_add(own, &self.topology, &context, &taken, self.chance) {
                Err(_) => self.forming[at].refuse(kind, own.free),
                Ok(narrowed) => {
                    let (topology, reservations) = (&mut self.topology, &mut self.reservations);
                    self.forming[at].add(pod, own, narrowed, topology, reservations, self.world);
                    return true;
                }
            }
        }
        false
    }

    /// The host ports on other claims of a pool, in the releases whose claims share them by mistake.
    fn shared_ports(&self, template: &Template, kind: usize) -> Vec<HostPort> {
        if !self.world.profile.host_ports_shared || self.kinds.get(kind).ports.is_empty() {
            return Vec::new();
        }
        let same = self
            .forming
            .iter()
            .filter(|claim| claim.template.pool == template.pool);
        same.flat_map(|claim| claim.ports().iter().cloned()).collect()
    }

    /// Opens a claim of the first pool that can hold the pod (`addToNewNodeClaim`).
    fn add_to_new(&mut self, pod: PodId, kind: usize) -> Result<(), Arc<Failure>> {
        if let Some(known) = &self.kinds.get(kind).refused_templates {
            self.attempts += self.pools.len() as u64;
            return Err(known.clone());
        }
        if self.pools.iter().all(|pool| pool.types.is_empty()) {
            // Some releases leave out such pools and combine the errors of none to no error: the pod goes nowhere and
            // has not failed.
            return if self.pools.is_empty() || self.world.profile.no_types_fail {
                Err(Arc::new(Failure::NoPools))
            } else {
                Ok(())
            };
        }
        let mut failures = Vec::new();
        for template in self.pools {
            self.attempts += 1;
            match self.open(template, pod, kind) {
                Ok(()) => return Ok(()),
                // Lighter pools are no substitute for reserved capacity.
                Err(Failure::Reserved) => {
                    failures.push((template.name.clone(), Failure::Reserved));
                    break;
                }
                Err(failure) => failures.push((template.name.clone(), failure)),
            }
        }
        let failure = Arc::new(Failure::Pools(failures));
        let own = self.kinds.get_mut(kind);
        if own.free && !failure.is_reserved() {
            own.refused_templates = Some(failure.clone());
        }
        Err(failure)
    }

    fn open(&mut self, template: &'a Template, pod: PodId, kind: usize) -> Result<(), Failure> {
        if template.types.is_empty() {
            return Err(Failure::NoPools);
        }
        let mut types = template.types.clone();
        if let Some(left) = self.remaining.get(&template.pool) {
            // Compared with zero and not counted down within a pass, as upstream does.
            if left.nodes == Some(0) {
                return Err(Failure::NodeLimit);
            }
            types.retain(|at| left.admit(&template.catalog.types[at].capacity));
            if types.is_empty() {
                return Err(Failure::Limits);
            }
        }
        let mut claim = Forming::new(template, self.begun + 1, types);
        if !self.world.profile.hostnames_as_they_come {
            self.begun += 1;
            self.topology.register_hostname(claim.hostname());
        }
        let taken = self.shared_ports(template, kind);
        let own = self.kinds.get(kind);
        let context = Context {
            world: self.world,
            request: self.request,
            reservations: &self.reservations,
        };
        let narrowed = claim.can_add(own, &self.topology, &context, &taken, self.chance)?;
        claim.add(
            pod,
            own,
            narrowed,
            &mut self.topology,
            &mut self.reservations,
            self.world,
        );
        if self.world.profile.hostnames_as_they_come {
            self.begun += 1;
        }
        // The biggest that it could become counts, and stays counted when it narrows (`subtractMax`).
        if let Some(left) = self.remaining.get_mut(&template.pool) {
            *left = left.less(&claim.greatest_capacity(), 0);
        }
        self.forming.push(claim);
        Ok(())
    }

    fn duration(&self) -> Duration {
        let cost = &self.world.settings.cost;
        let attempts = u32::try_from(self.attempts).unwrap_or(u32::MAX);
        cost.base + cost.per_attempt.saturating_mul(attempts)
    }

    fn out_of_time(&self) -> bool {
        let timeout = self.world.profile.solve_timeout;
        timeout.is_some_and(|timeout| self.duration() >= timeout)
    }

    fn finish(self, left: Left) -> Results {
        let duration = self.duration();
        // Where the groups of each pool's DaemonSets begin.
        let mut first: SortedMap<NodePoolId, usize> = SortedMap::new();
        for pool in self.pools.iter().filter(|pool| pool.daemons.len() > 1) {
            first.insert(pool.pool, self.chance.random_range(0..pool.daemons.len()));
        }
        let finalize = |claim: Forming<'_>| {
            let first = first.get(&claim.template.pool).copied();
            claim.finalize(first.unwrap_or(0))
        };
        let used = self.existing.into_iter().filter(|node| !node.pods.is_empty());
        let placement = |node: ExistingNode<'_>| Placement {
            node: node.at,
            pods: node.pods,
        };
        Results {
            existing: used.map(placement).collect(),
            new_claims: self.forming.into_iter().map(finalize).collect(),
            failures: left.failures,
            untried: left.untried,
            duration,
        }
    }
}
