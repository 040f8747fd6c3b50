//! A small world for the tests of this folder: a pool or two, nodes, pods, and what performs outputs on them.

use std::sync::Arc;
use std::time::Duration;

use sim::{Instant, SortedMap};

use super::disruption::{self, disrupted_taint};
use super::instance_type::{CapacityType, InstanceType, InstanceTypes, Offering};
use super::labels;
use super::node_pool::{Budget, ConsolidationPolicy, Disruption, Limits, NodePool, Nodes};
use super::provisioner::View;
use super::requirement::Requirement;
use super::requirements::Requirements;
use super::state::{ClusterState, Conditions, NodeClaim};
use super::version::Profile;
use crate::api::{
    self, Api, Condition, Container, IntOrPercent, LabelSelector, Labels, Node, Owner, Phase, Pod,
    PodDisruptionBudget, PodSpec, PodTemplate,
};
use crate::id::{DeploymentId, InstanceId, NodeClaimId, NodeId, NodePoolId, PodId, ReplicaSetId, Table};
use crate::quantity::{Bytes, MilliCpu, Price, Resources};

pub(crate) const ZONES: [&str; 2] = ["a", "b"];

/// The world.
#[derive(Debug, Clone, Default)]
pub(crate) struct World {
    pub(crate) api: Api,
    pub(crate) claims: Table<NodeClaimId, NodeClaim>,
    pub(crate) state: ClusterState,
    pub(crate) pools: Table<NodePoolId, NodePool>,
    pub(crate) instance_types: SortedMap<NodePoolId, InstanceTypes>,
    pub(crate) daemons: Vec<Arc<PodTemplate>>,
    pub(crate) namespaces: SortedMap<String, Labels>,
    machines: u32,
}

fn cpu_and_memory(cpus: i64) -> Resources {
    Resources {
        cpu: MilliCpu(cpus * 1000),
        memory: Bytes::from_gib(4 * cpus),
        ephemeral_storage: Bytes::from_gib(20),
        pods: 110,
        ..Resources::default()
    }
}

/// `m.N` has N cpus and 4 N GiB, and costs N/20 $/h on demand, 3 N/200 $/h as spot, in each of two zones.
pub(crate) fn machine(cpus: i64) -> Arc<InstanceType> {
    let offering = |zone: &str, capacity_type| Offering {
        zone: zone.into(),
        capacity_type,
        price: Price(
            cpus * if capacity_type == CapacityType::Spot {
                15_000
            } else {
                50_000
            },
        ),
        available: true,
        reservation: None,
    };
    let offerings = ZONES.iter().flat_map(|zone| {
        [CapacityType::OnDemand, CapacityType::Spot].map(|capacity_type| offering(zone, capacity_type))
    });
    let mut requirements = Requirements::new();
    requirements.add(labels::ZONE, Requirement::any_of(ZONES));
    requirements.add(labels::CAPACITY_TYPE, Requirement::any_of(["on-demand", "spot"]));
    requirements.add(labels::ARCH, Requirement::only("amd64"));
    requirements.add(labels::OS, Requirement::only("linux"));
    let (capacity, overhead) = (cpu_and_memory(cpus), Resources::default());
    Arc::new(InstanceType::new(
        format!("m.{cpus}"),
        requirements,
        offerings.collect(),
        capacity,
        overhead,
    ))
}

/// A pool that allows everything, consolidates at once and has no budget.
pub(crate) fn pool(name: &str) -> NodePool {
    NodePool {
        name: name.into(),
        weight: 0,
        labels: Labels::new(),
        annotations: Labels::new(),
        requirements: Requirements::new(),
        taints: Vec::new(),
        startup_taints: Vec::new(),
        node_class: "default".into(),
        kubelet: None,
        hashed_kubelet: String::new(),
        hashed_kubelet_by_format: String::new(),
        expire_after: None,
        termination_grace_period: None,
        limits: Limits::default(),
        disruption: Disruption {
            consolidation_policy: ConsolidationPolicy::WhenEmptyOrUnderutilized,
            consolidate_after: Some(Duration::ZERO),
            budgets: Vec::new(),
        },
        replicas: None,
    }
}

pub(crate) fn budget(nodes: Nodes) -> Budget {
    Budget {
        reasons: Vec::new(),
        nodes,
        window: None,
    }
}

/// A pod's template with that many milli-CPUs.
pub(crate) fn template(cpu: i64, app: &str) -> PodTemplate {
    PodTemplate {
        namespace: "default".to_owned(),
        labels: Labels::from([("app".to_owned(), app.to_owned())]),
        annotations: Labels::new(),
        spec: PodSpec {
            containers: vec![Container {
                requests: Resources {
                    cpu: MilliCpu(cpu),
                    ..Resources::default()
                },
                ..Container::default()
            }],
            termination_grace: Duration::from_secs(30),
            ..PodSpec::default()
        },
    }
}

impl World {
    /// One pool, with machines of these sizes.
    pub(crate) fn new(cpus: &[i64]) -> Self {
        let mut world = World::default();
        world.add_pool(pool("default"), cpus);
        world
    }

    /// The same, with machines on demand only.
    pub(crate) fn on_demand(cpus: &[i64]) -> Self {
        let mut world = World::new(cpus);
        let own = world.pools.get_mut(NodePoolId(0)).expect("the pool");
        own.requirements
            .add(labels::CAPACITY_TYPE, Requirement::only("on-demand"));
        world
    }

    pub(crate) fn add_pool(&mut self, pool: NodePool, cpus: &[i64]) -> NodePoolId {
        let id = self.pools.insert(pool);
        let types: InstanceTypes = cpus.iter().map(|cpus| machine(*cpus)).collect();
        self.instance_types.insert(id, types);
        id
    }

    pub(crate) fn view(&self) -> View<'_> {
        View {
            api: &self.api,
            claims: &self.claims,
            state: &self.state,
            pools: &self.pools,
            instance_types: &self.instance_types,
            daemons: &self.daemons,
            namespaces: &self.namespaces,
        }
    }

    /// An initialized node of the first pool, consolidatable since it was born.
    pub(crate) fn add_node(&mut self, cpus: i64, bought: &str) -> NodeClaimId {
        self.add_node_of(NodePoolId(0), cpus, bought, Instant::ZERO)
    }

    pub(crate) fn add_node_of(
        &mut self,
        pool: NodePoolId,
        cpus: i64,
        bought: &str,
        now: Instant,
    ) -> NodeClaimId {
        let id = self.claims.insert(self.claim(pool, now));
        self.launch(id, cpus, bought);
        self.join(id, now);
        id
    }

    fn claim(&self, pool: NodePoolId, now: Instant) -> NodeClaim {
        let own = self.pools.get(pool).expect("a pool");
        NodeClaim {
            name: format!("{}-{}", own.name, self.claims.next_id().0),
            pool,
            labels: Arc::new(Labels::from([(
                labels::NODE_POOL.to_owned(),
                own.name.to_string(),
            )])),
            annotations: Labels::new(),
            created: now,
            deleting: None,
            requirements: own.template_requirements(),
            instance_types: Arc::new([]),
            requests: Resources::default(),
            taints: own.taints.as_slice().into(),
            startup_taints: own.startup_taints.as_slice().into(),
            node_class: own.node_class.clone(),
            expire_after: own.expire_after,
            termination_grace_period: own.termination_grace_period,
            instance: None,
            made_by: None,
            node: None,
            capacity: Resources::default(),
            allocatable: Resources::default(),
            conditions: Conditions::default(),
            last_pod_event: None,
        }
    }

    /// The provider launches a claim.
    pub(crate) fn launch(&mut self, id: NodeClaimId, cpus: i64, bought: &str) {
        let machine = InstanceId(self.machines);
        self.machines += 1;
        let zone = ZONES[machine.0 as usize % 2];
        let claim = self.claims.get_mut(id).expect("a claim");
        let known = [
            (labels::INSTANCE_TYPE, format!("m.{cpus}")),
            (labels::CAPACITY_TYPE, bought.to_owned()),
            (labels::ZONE, zone.to_owned()),
        ];
        let all = known.map(|(key, value)| (key.to_owned(), value));
        Arc::make_mut(&mut claim.labels).extend(all);
        claim.instance = Some(machine);
        claim.capacity = cpu_and_memory(cpus);
        claim.allocatable = cpu_and_memory(cpus);
    }

    /// A disruption budget lets no pod go.
    pub(crate) fn guard(&mut self) {
        self.api.pdbs.push(PodDisruptionBudget {
            name: "web".to_owned(),
            namespace: "default".to_owned(),
            selector: Some(LabelSelector::default()),
            budget: api::Budget::MaxUnavailable(IntOrPercent::Int(0)),
            always_allow_unhealthy: false,
        });
    }

    /// A claim's node joins and is initialized.
    pub(crate) fn join(&mut self, id: NodeClaimId, now: Instant) -> NodeId {
        let claim = self.claims.get_mut(id).expect("a claim");
        let mut all = claim.labels.clone();
        let done = [labels::REGISTERED, labels::INITIALIZED].map(|key| (key.to_owned(), "true".to_owned()));
        Arc::make_mut(&mut all).extend(done);
        let node = self.api.nodes.insert(Node {
            name: format!("node-{:03}", id.0),
            labels: all,
            annotations: Labels::new(),
            created: now,
            deleting: None,
            taints: Vec::new(),
            unschedulable: false,
            capacity: claim.capacity.clone(),
            allocatable: claim.allocatable.clone(),
            ready: true,
            ready_since: now,
            images: SortedMap::new(),
            claim: Some(id),
            instance: claim.instance,
        });
        claim.node = Some(node);
        let holds = Some(Condition {
            status: true,
            since: now,
        });
        claim.conditions.launched = holds;
        claim.conditions.registered = holds;
        claim.conditions.initialized = holds;
        claim.conditions.consolidatable = holds;
        node
    }

    pub(crate) fn node_of(&self, id: NodeClaimId) -> NodeId {
        self.claims
            .get(id)
            .and_then(|claim| claim.node)
            .expect("a claim with a node")
    }

    /// A running pod with that many milli-CPUs on the node of a claim.
    pub(crate) fn add_pod(&mut self, claim: NodeClaimId, cpu: i64) -> PodId {
        self.add_pod_like(Some(claim), Arc::new(template(cpu, "web")), owned())
    }

    pub(crate) fn add_pod_like(
        &mut self,
        claim: Option<NodeClaimId>,
        template: Arc<PodTemplate>,
        owner: Owner,
    ) -> PodId {
        let node = claim.map(|claim| self.node_of(claim));
        let number = self.api.pods.next_id().0;
        let condition = Condition {
            status: true,
            since: Instant::ZERO,
        };
        self.api.add_pod(Pod {
            name: format!("pod-{number}"),
            uid: u128::from(number),
            template,
            owner,
            created: Instant::ZERO,
            deletion: None,
            node,
            only_node: None,
            nominated_node: None,
            phase: if node.is_some() {
                Phase::Running
            } else {
                Phase::Pending
            },
            ready: node.map(|_| condition),
            unschedulable: node.is_none(),
            started: node.map(|_| Instant::ZERO),
            restarts: crate::api::Restarts::default(),
        })
    }

    /// Does what the disruption controller asks; created claims get the next id.
    pub(crate) fn perform(&mut self, now: Instant, output: &disruption::Output, profile: &Profile) {
        use disruption::Output;
        let taint = disrupted_taint(profile);
        match output {
            Output::Mark(id) => self.state.mark(*id),
            Output::Unmark(id) => self.state.unmark(*id),
            Output::Nominate(id, until) => self.state.nominate(*id, *until),
            Output::Taint(id) => {
                let node = self.api.nodes.get_mut(*id).expect("a node");
                node.taints.push(taint);
            }
            Output::Untaint(id) => {
                let node = self.api.nodes.get_mut(*id).expect("a node");
                node.taints.retain(|own| own.key != taint.key);
            }
            Output::SetCondition(id, name, status) => {
                if let Some(claim) = self.claims.get_mut(*id) {
                    claim.conditions.set(*name, *status, now);
                }
            }
            Output::CreateNodeClaim(claim, _) => {
                self.claims.insert((**claim).clone());
            }
            Output::DeleteNodeClaim(id, _) => {
                let claim = self.claims.get_mut(*id).expect("a claim");
                claim.deleting.get_or_insert(now);
            }
            Output::Publish(_) => {}
        }
    }

    /// Takes a claim, its node and its pods away.
    pub(crate) fn remove(&mut self, id: NodeClaimId) {
        let node = self.node_of(id);
        for pod in self.api.pods_on(node).to_vec() {
            self.api.remove_pod(pod);
        }
        self.api.nodes.remove(node);
        self.claims.remove(id);
        self.state.forget(id);
    }
}

/// An owner like any other.
pub(crate) fn owned() -> Owner {
    Owner::ReplicaSet(ReplicaSetId(0), DeploymentId(0))
}
