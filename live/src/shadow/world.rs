//! What Karpenter saw: the recorded objects as the model's components take them.

use std::sync::Arc;
use std::time::Duration;

use model::api::{Api, Deployment, LabelSelector, Labels, Owner, PodTemplate, ReplicaSet, Strategy};
use model::id::{
    DaemonSetId, DeploymentId, InstanceId, NodeClaimId, NodeId, NodePoolId, ReplicaSetId, Table,
};
use model::karpenter::provider::launch::fleet_request;
use model::karpenter::provider::unavailable::TTL;
use model::karpenter::provider::{Classes, offer};
use model::karpenter::provisioner::View;
use model::karpenter::{
    ClusterState, InstanceTypes, NodeClaim, NodeClass, NodePool, Profile, Provider, labels,
};
use model::scenario::{Act, Objects, Scenario};
use sim::{Action, Component, Instant, Outbox, SortedMap, SortedSet};

use crate::curves::instant;
use crate::heard::Heard;
use crate::objects::{Clock, read};
use crate::recording::{Change, Entry, Object, Recording};

/// The API server's clock, as the recording's second zero shows it.
pub(super) fn clock(recording: &Recording) -> Clock {
    Clock::of(recording).unwrap_or(Clock(jiff::Timestamp::UNIX_EPOCH))
}

/// All that Karpenter's provisioner and disruption see.
pub(super) struct World {
    pub(super) api: Api,
    pub(super) claims: Table<NodeClaimId, NodeClaim>,
    pub(super) pools: Table<NodePoolId, NodePool>,
    state: ClusterState,
    instance_types: SortedMap<NodePoolId, InstanceTypes>,
    daemons: Vec<Arc<PodTemplate>>,
    namespaces: SortedMap<String, Labels>,
}

impl World {
    /// Takes claims, by name, to be meant for pods that are about to come.
    pub(super) fn nominate(&mut self, names: &SortedSet<String>, until: Instant) {
        for (id, _) in self
            .claims
            .iter()
            .filter(|(_, claim)| names.contains(&claim.name))
        {
            self.state.nominate(id, until);
        }
    }

    pub(super) fn view(&self) -> View<'_> {
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
}

/// Makes worlds; what is dear to make is kept from one to the next.
pub(super) struct Worlds<'s> {
    pub(super) scenario: &'s Scenario,
    pub(super) profile: Profile,
    clock: Clock,
    /// NodePools were recorded: those of the scenario's manifests do not count.
    pools_heard: bool,
    templates: read::Templates,
    /// Claims that went before they were launched, and when: what they asked for was refused.
    refused: Vec<(f64, Object)>,
    /// Those of them that the provider knows of now.
    known: Vec<usize>,
    /// What pools and classes said when the provider was made.
    offered: Option<(Vec<String>, Objects, Provider, Classes)>,
}

impl<'s> Worlds<'s> {
    pub(super) fn new(recording: &Recording, scenario: &'s Scenario) -> Self {
        let is_pool = |entry: &Entry| matches!(entry, Entry::Object(object) if object.kind == "NodePool");
        Worlds {
            scenario,
            profile: Profile::of(scenario.stack.karpenter),
            clock: clock(recording),
            pools_heard: recording.lines.iter().any(|line| is_pool(&line.entry)),
            templates: read::Templates::default(),
            refused: refused(recording),
            known: Vec::new(),
            offered: None,
        }
    }

    /// Seconds of the Unix epoch at the recording's second zero.
    pub(super) fn epoch_seconds(&self) -> i64 {
        self.clock.0.as_second()
    }

    /// The world as it was heard by a moment.
    pub(super) fn make(&mut self, heard: &Heard<'_>, now: Instant) -> World {
        self.offer(heard);
        self.refuse(now);
        let (_, objects, provider, _) = self.offered.as_mut().expect("offers were made just now");
        let mut pools: Table<NodePoolId, NodePool> = Table::new();
        let mut by_name: SortedMap<String, NodePoolId> = SortedMap::new();
        for pool in &objects.node_pools {
            by_name.insert(pool.name.to_string(), pools.insert(pool.clone()));
        }
        let mut machines = Machines::default();
        let mut api = Api::default();
        let mut claims: Table<NodeClaimId, NodeClaim> = Table::new();
        let mut claim_of: SortedMap<InstanceId, NodeClaimId> = SortedMap::new();
        let mut made_up: SortedSet<NodeClaimId> = SortedSet::new();
        let heard_nodes = heard.by_age("Node");
        // Nodes come second, and claims point at them: ids count from zero.
        let node_of: SortedMap<InstanceId, NodeId> = heard_nodes
            .iter()
            .enumerate()
            .filter_map(|(n, node)| Some((machines.id(node.text("/spec/providerID"))?, NodeId(n as u32))))
            .collect();
        for claim in heard.by_age("NodeClaim") {
            let pool = claim.label(labels::NODE_POOL).and_then(|name| by_name.get(name));
            let Some(pool) = pool else { continue };
            let instance = machines.id(claim.text("/status/providerID"));
            let node = instance.and_then(|instance| node_of.get(&instance)).copied();
            let id = claims.insert(read::claim(claim, *pool, node, instance, self.clock));
            claim_of.extend(instance.map(|instance| (instance, id)));
            if claim.text("/spec/nodeClassRef/kind") == "KWOKNodeClass" {
                made_up.insert(id);
            }
        }
        let mut names: SortedMap<&str, NodeId> = SortedMap::new();
        for node in &heard_nodes {
            let instance = machines.id(node.text("/spec/providerID"));
            let claim = instance.and_then(|instance| claim_of.get(&instance)).copied();
            let own = read::node(node, claim, instance, self.clock);
            // KWOK's provider learns nothing of nodes, whose capacity is what their claims asked for.
            if let Some(class) = claim
                .filter(|claim| !made_up.contains(claim))
                .and_then(|claim| claims.get(claim))
                .map(|claim| &claim.node_class)
            {
                let class = objects.node_classes.iter().find(|own| own.name == *class);
                if let Some(class) = class {
                    provider.discover(own.instance_type(), class, own.capacity.memory);
                }
            }
            names.insert(&node.name, api.nodes.insert(own));
        }
        let instance_types = provider.instance_types().clone();
        let before = &self.scenario.objects;
        workloads(heard, &names, &mut api, &mut self.templates, before, self.clock);
        let daemons: Vec<Arc<PodTemplate>> = api
            .daemon_sets
            .iter()
            .map(|(_, set)| set.template.clone())
            .collect();
        let state = state(&claims, &api, now, &self.profile, self.scenario);
        World {
            api,
            claims,
            pools,
            state,
            instance_types,
            daemons,
            namespaces: self.scenario.objects.namespaces.clone(),
        }
    }

    /// What can be launched, unless it is known already.
    fn offer(&mut self, heard: &Heard<'_>) {
        let all: Vec<&Object> = ["NodePool", "EC2NodeClass", "KWOKNodeClass"]
            .iter()
            .flat_map(|kind| heard.by_age(kind))
            .collect();
        let key: Vec<String> = all
            .iter()
            .map(|object| object.object["spec"].to_string() + &object.name)
            .collect();
        if self.offered.as_ref().is_some_and(|(known, ..)| *known == key) {
            return;
        }
        let scenario = self.scenario;
        let mut objects = if self.pools_heard {
            read::objects(all, &scenario.objects)
        } else {
            Objects {
                node_pools: scenario.objects.node_pools.clone(),
                node_classes: scenario.objects.node_classes.clone(),
                ..Objects::default()
            }
        };
        // Another provider's classes, such as KWOK's, say nothing of EC2: the scenario's stand in for them.
        let applied = scenario.actions.iter().filter_map(|action| match &action.act {
            Act::Apply(objects) => Some(&objects.node_classes),
            _ => None,
        });
        let own: Vec<NodeClass> = applied
            .chain([&scenario.objects.node_classes])
            .flatten()
            .cloned()
            .collect();
        for pool in &objects.node_pools {
            if objects
                .node_classes
                .iter()
                .any(|class| class.name == pool.node_class)
            {
                continue;
            }
            let named = own.iter().find(|class| class.name == pool.node_class);
            if let Some(class) = named.or_else(|| own.first()) {
                objects.node_classes.push(NodeClass {
                    name: pool.node_class.clone(),
                    ..class.clone()
                });
            }
        }
        for class in &mut objects.node_classes {
            class.zones.clone_from(&scenario.zones);
        }
        let (settings, lists) = (
            scenario.config.provider.clone(),
            scenario.shared.instance_types.clone(),
        );
        let mut provider = Provider::new(self.profile, settings, scenario.catalog.clone(), lists);
        let classes: Classes = objects
            .node_pools
            .iter()
            .enumerate()
            .filter_map(|(n, pool)| {
                let class = objects
                    .node_classes
                    .iter()
                    .find(|class| class.name == pool.node_class)?;
                Some((NodePoolId(n as u32), Arc::new(class.clone())))
            })
            .collect();
        provider.set_classes(&classes);
        self.offered = Some((key, objects, provider, classes));
        self.known.clear();
    }

    /// Lets the provider know what was refused in the three minutes before `now`, and nothing else.
    fn refuse(&mut self, now: Instant) {
        let recent = |t: f64| instant(t) <= now && now.since(instant(t)) < TTL;
        let recent: Vec<usize> = (0..self.refused.len())
            .filter(|n| recent(self.refused[*n].0))
            .collect();
        let Some((_, objects, provider, classes)) = &mut self.offered else {
            return;
        };
        if self.known == recent {
            return;
        }
        provider.sweep(Instant::from_nanos(u64::MAX));
        for (t, claim) in recent.iter().map(|n| &self.refused[*n]) {
            let name = claim.label(labels::NODE_POOL).unwrap_or("");
            let pool = objects
                .node_pools
                .iter()
                .position(|pool| pool.name.to_string() == name);
            let Some(pool) = pool else { continue };
            let pool = NodePoolId(pool as u32);
            let claim = read::claim(claim, pool, None, None, self.clock);
            let (Some(types), Some(class)) = (provider.of_pool(pool), classes.get(&pool)) else {
                continue;
            };
            if let Ok(request) = fleet_request(&claim, types, class, &self.profile) {
                let offers = request
                    .overrides
                    .iter()
                    .map(|own| offer(request.capacity_type, own));
                let offers: Vec<_> = offers.collect();
                provider.mark_unavailable(instant(*t), offers);
            }
        }
        self.known = recent;
    }
}

/// Claims that went without ever having had a machine.
fn refused(recording: &Recording) -> Vec<(f64, Object)> {
    let mut launched: SortedSet<&str> = SortedSet::new();
    let mut refused = Vec::new();
    for line in &recording.lines {
        let Entry::Object(object) = &line.entry else {
            continue;
        };
        if object.kind != "NodeClaim" {
            continue;
        }
        if !object.text("/status/providerID").is_empty() {
            launched.insert(&object.uid);
        } else if object.change == Change::Deleted && !launched.contains(object.uid.as_str()) {
            refused.push((line.t, object.clone()));
        }
    }
    refused
}

/// Machines by what the cloud calls them.
#[derive(Default)]
struct Machines<'a> {
    known: SortedMap<&'a str, InstanceId>,
}

impl<'a> Machines<'a> {
    fn id(&mut self, provider: &'a str) -> Option<InstanceId> {
        let next = InstanceId(self.known.len() as u32);
        (!provider.is_empty()).then(|| *self.known.entry(provider).or_insert(next))
    }
}

/// Pods, and the workloads that they are of.
fn workloads(
    heard: &Heard<'_>,
    nodes: &SortedMap<&str, NodeId>,
    api: &mut Api,
    templates: &mut read::Templates,
    before: &Objects,
    clock: Clock,
) {
    let budgets = read::objects(heard.by_age("PodDisruptionBudget"), before).pod_disruption_budgets;
    api.pdbs = if budgets.is_empty() {
        before.pod_disruption_budgets.clone()
    } else {
        budgets
    };
    let mut daemons: SortedMap<(&str, &str), DaemonSetId> = SortedMap::new();
    for own in heard.by_age("DaemonSet") {
        if let Some(set) = read::objects([own], before).daemon_sets.pop() {
            daemons.insert((&own.namespace, &own.name), api.daemon_sets.insert(set));
        }
    }
    let mut sets: SortedMap<(&str, &str), (ReplicaSetId, DeploymentId)> = SortedMap::new();
    let mut deployments: SortedMap<(&str, &str), DeploymentId> = SortedMap::new();
    for pod in heard.by_age("Pod") {
        let template = templates.of(pod, before);
        let owner = match pod.owner() {
            Some(("DaemonSet", name)) => Owner::DaemonSet(
                daemons
                    .get(&(pod.namespace.as_str(), name))
                    .copied()
                    .unwrap_or(DaemonSetId(u32::MAX)),
            ),
            Some(("ReplicaSet", name)) => {
                let parent = pod.deployment().unwrap_or(name);
                let deployment = *deployments.entry((&pod.namespace, parent)).or_insert_with(|| {
                    let replicas = heard.named("Deployment", &pod.namespace, parent);
                    let replicas = replicas.and_then(|own| own.number("/spec/replicas")).unwrap_or(0);
                    api.deployments.insert(Deployment {
                        name: parent.to_owned(),
                        replicas: replicas as i32,
                        selector: LabelSelector::from_labels(&template.labels),
                        strategy: Strategy::default(),
                        min_ready: Duration::ZERO,
                        template: template.clone(),
                    })
                });
                let (set, deployment) = *sets.entry((&pod.namespace, name)).or_insert_with(|| {
                    let replicas = api.deployments.get(deployment).map_or(0, |own| own.replicas);
                    let set = api.replica_sets.insert(ReplicaSet {
                        name: name.to_owned(),
                        deployment,
                        replicas,
                        desired: replicas,
                        template: template.clone(),
                        made_of: template.clone(),
                        created: Instant::ZERO,
                    });
                    (set, deployment)
                });
                Owner::ReplicaSet(set, deployment)
            }
            _ => Owner::None,
        };
        let node = nodes.get(pod.text("/spec/nodeName")).copied();
        api.add_pod(read::pod(pod, template, owner, node, clock));
    }
}

/// Karpenter's memory, as far as objects betray it: nodes that a command holds, and nodes that pods were meant for.
fn state(
    claims: &Table<NodeClaimId, NodeClaim>,
    api: &Api,
    now: Instant,
    profile: &Profile,
    scenario: &Scenario,
) -> ClusterState {
    let taint = model::karpenter::disruption::disrupted_taint(profile).key;
    let mut state = ClusterState::default();
    for (id, claim) in claims.iter() {
        let node = claim.node.and_then(|node| api.nodes.get(node));
        let tainted = node.is_some_and(|node| node.taints.iter().any(|own| own.key == taint));
        if tainted || claim.conditions.disruption_reason.is_some_and(|own| own.status) {
            state.mark(id);
        }
        // Every pass names the node again until its pods are bound.
        match claim.conditions.initialized.filter(|own| own.status) {
            None => state.nominate(id, now + scenario.config.karpenter.nomination_window()),
            Some(own) => state.nominate(id, own.since + scenario.config.karpenter.nomination_window() / 2),
        }
    }
    state
}

/// Gives a component inputs at a moment, and its own alarms for a while after it, the world standing still; what
/// it asks for.
pub(super) fn drive<C>(
    part: &mut C,
    now: Instant,
    inputs: Vec<C::Input>,
    view: View<'_>,
    span: Duration,
) -> Vec<C::Output>
where
    C: for<'a> Component<View<'a> = View<'a>>,
{
    let mut due: Vec<(Instant, C::Input)> = inputs.into_iter().map(|input| (now, input)).collect();
    let mut asked = Vec::new();
    let mut out = Outbox::new();
    while let Some(first) = (0..due.len()).min_by_key(|&n| (due[n].0, n)) {
        let (at, input) = due.remove(first);
        if at > now + span {
            break;
        }
        part.handle(at, input, view, &mut out);
        for action in out.drain() {
            match action {
                Action::WakeAt(at, input) => due.push((at, input)),
                Action::Emit(output) => asked.push(output),
            }
        }
    }
    asked
}

/// States of the last while, the oldest first.
#[derive(Default)]
pub(super) struct Lately<'r> {
    pub(super) states: Vec<(f64, Heard<'r>)>,
}

impl<'r> Lately<'r> {
    /// The state that held at a moment, if it is still known.
    pub(super) fn at(&self, t: f64) -> Option<&Heard<'r>> {
        let held = self.states.iter().rev().find(|state| state.0 <= t);
        held.map(|state| &state.1)
    }

    /// Keeps a state, and forgets what is older than `span` seconds, but for the one that held then.
    pub(super) fn keep(&mut self, t: f64, heard: &Heard<'r>, span: f64) {
        match self.states.last_mut() {
            Some(last) if last.0 == t => last.1 = heard.clone(),
            _ => self.states.push((t, heard.clone())),
        }
        let old = self.states.iter().filter(|state| state.0 < t - span).count();
        self.states.drain(..old.saturating_sub(1));
    }
}
