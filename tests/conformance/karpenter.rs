//! Karpenter's provisioning: where `Solve` puts pods, against the real one.
//!
//! A vector holds instance types, NodePools, nodes and pods, and all answers that upstream was seen to give:
//! one, unless the order of a Go map has a say. Ours is asked with several seeds. It must give every answer
//! that upstream gave. It should give no other; but chance favours what a map holds first, so that a few
//! dozen questions miss what upstream rarely does, and one case in a hundred may show an answer of ours that
//! upstream was not seen to give.

mod disruption;
mod launch;
mod rules;
mod vectors;

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use model::api::{self, Deletion, Labels, Owner, Phase, PodTemplate};
use model::id::Table;
use model::id::{
    DaemonSetId, DeploymentId, InstanceId, NodeClaimId, NodeId, NodePoolId, PodId, ReplicaSetId,
};
use model::karpenter::node_pool::{ConsolidationPolicy, Disruption, Limits};
use model::karpenter::requirement::Requirement;
use model::karpenter::scheduling::{
    NewClaim, PreferencePolicy, Purpose, Request, Settings, Templates, World, solve,
};
use model::karpenter::state::{ClusterState, Conditions, NodeClaim};
use model::karpenter::{
    InstanceType, InstanceTypes, NodePool, Offering, Profile, Requirements, Reservation, Snapshot, StateNode,
    labels,
};
use model::quantity::{Price, Resources};
use sim::{Instant, SortedMap, SortedSet, Streams};
use support::Outcome;

use self::vectors::{Amounts, Answer, Case, Claim, Label, Refused, Type};
use super::manifest;

/// With how many seeds ours is asked at least, and at most until every answer of upstream has come.
const SEEDS: [u64; 2] = [2, 20_000];

/// When a pass begins, or a disruption controller's first.
const FIRST_PASS: Instant = Instant::from_secs(3600);

/// A case in the model's own objects.
struct Question<'a> {
    case: &'a Case,
    profile: Profile,
    settings: Settings,
    pools: Table<NodePoolId, NodePool>,
    instance_types: SortedMap<NodePoolId, InstanceTypes>,
    templates: SortedMap<&'a str, Arc<PodTemplate>>,
    daemons: Vec<Arc<PodTemplate>>,
    pods: Table<PodId, api::Pod>,
    nodes: Table<NodeId, api::Node>,
    claims: Table<NodeClaimId, NodeClaim>,
    asked: Vec<PodId>,
}

impl<'a> Question<'a> {
    fn new(case: &'a Case, catalog: &SortedMap<&str, &Type>) -> Self {
        let profile = Profile::of(case.version.parse().expect("a release"));
        let settings = Settings {
            preference_policy: match case.ignore_preferences {
                true => PreferencePolicy::Ignore,
                false => PreferencePolicy::Respect,
            },
            reserved_capacity: case.reserved,
            ..Settings::of(&profile)
        };
        let template = |(name, own): (&'a String, &'a vectors::Template)| {
            let template = PodTemplate {
                namespace: "default".to_owned(),
                labels: own.labels.clone(),
                annotations: own.annotations.clone(),
                spec: own.spec.to_model(),
            };
            (name.as_str(), Arc::new(template))
        };
        let templates: SortedMap<&str, Arc<PodTemplate>> = case.templates.iter().map(template).collect();
        let mut question = Question {
            daemons: case
                .daemons
                .iter()
                .map(|name| templates[name.as_str()].clone())
                .collect(),
            case,
            profile,
            settings,
            pools: Table::new(),
            instance_types: SortedMap::new(),
            templates,
            pods: Table::new(),
            nodes: Table::new(),
            claims: Table::new(),
            asked: Vec::new(),
        };
        let types = case
            .types
            .iter()
            .map(|name| instance_type(catalog[name.as_str()], case.reserved, &case.unavailable));
        let types: InstanceTypes = types.collect();
        for pool in &case.pools {
            let id = question.pools.insert(node_pool(pool));
            question.instance_types.insert(id, types.clone());
        }
        case.nodes.iter().for_each(|node| question.add_node(node));
        for pod in &case.bound {
            question.add_pod(pod);
        }
        question.asked = case.pods.iter().map(|pod| question.add_pod(pod)).collect();
        question
    }

    fn add_node(&mut self, node: &vectors::Node) {
        let taints: Vec<api::Taint> = node.taints.iter().map(vectors::Taint::to_model).collect();
        let claim = node.pool.as_ref().map(|pool| {
            let mut pools = self.pools.iter();
            let (id, own) = pools.find(|(_, own)| *own.name == **pool).expect("a pool");
            self.claims.insert(NodeClaim {
                name: node.name.clone(),
                pool: id,
                labels: Arc::new(node.labels.clone()),
                annotations: Labels::new(),
                created: Instant::ZERO,
                deleting: None,
                requirements: own.template_requirements(),
                instance_types: Arc::new([]),
                requests: Resources::default(),
                taints: taints.as_slice().into(),
                startup_taints: node.startup_taints.iter().map(vectors::Taint::to_model).collect(),
                node_class: own.node_class.clone(),
                expire_after: None,
                termination_grace_period: None,
                instance: Some(InstanceId(0)),
                made_by: None,
                node: None,
                capacity: manifest::resources(&node.capacity),
                allocatable: manifest::resources(&node.allocatable),
                conditions: Conditions::default(),
                last_pod_event: None,
            })
        });
        if node.stage == "launched" {
            return;
        }
        let mut all = node.labels.clone();
        if claim.is_some() {
            all.insert(labels::REGISTERED.to_owned(), "true".to_owned());
            if node.stage == "initialized" {
                all.insert(labels::INITIALIZED.to_owned(), "true".to_owned());
            }
        }
        self.nodes.insert(api::Node {
            name: node.name.clone(),
            labels: Arc::new(all),
            annotations: Labels::new(),
            created: Instant::ZERO,
            deleting: None,
            taints,
            unschedulable: false,
            capacity: manifest::resources(&node.capacity),
            allocatable: manifest::resources(&node.allocatable),
            ready: true,
            ready_since: Instant::ZERO,
            images: SortedMap::new(),
            claim,
            instance: claim.map(|_| InstanceId(0)),
        });
    }

    fn add_pod(&mut self, pod: &vectors::Pod) -> PodId {
        let named = |name: &String| {
            let mut nodes = self.nodes.iter();
            nodes.find(|(_, node)| node.name == *name).expect("a node").0
        };
        let node = pod.node.as_ref().map(named);
        let daemon = self.case.daemons.contains(&pod.template);
        self.pods.insert(api::Pod {
            name: pod.name.clone(),
            uid: u128::from_str_radix(&pod.uid.replace('-', ""), 16).expect("a uid"),
            template: self.templates[pod.template.as_str()].clone(),
            owner: match daemon {
                true => Owner::DaemonSet(DaemonSetId(0)),
                false => Owner::ReplicaSet(ReplicaSetId(0), DeploymentId(0)),
            },
            created: Instant::from_secs(pod.created),
            deletion: pod.terminating.then_some(Deletion {
                at: FIRST_PASS,
                grace: Duration::from_secs(30),
            }),
            node,
            only_node: None,
            nominated_node: None,
            phase: if node.is_some() {
                Phase::Running
            } else {
                Phase::Pending
            },
            ready: None,
            unschedulable: node.is_none(),
            started: None,
            restarts: api::Restarts::default(),
        })
    }

    fn answer(&self, templates: &mut Templates, seed: u64) -> Answer {
        let namespaces = SortedMap::new();
        let world = World {
            profile: &self.profile,
            settings: &self.settings,
            pools: &self.pools,
            instance_types: &self.instance_types,
            daemons: &self.daemons,
            pods: &self.pods,
            nodes: &self.nodes,
            namespaces: &namespaces,
        };
        let state = ClusterState::default();
        let snapshot = Snapshot::take(&state, &self.pods, &self.nodes, &self.claims);
        let nodes: Vec<&StateNode<'_>> = snapshot.nodes.iter().collect();
        let request = Request {
            now: FIRST_PASS,
            purpose: match self.case.fallback {
                true => Purpose::Disruption,
                false => Purpose::Provisioning,
            },
            nodes: &nodes,
            deleting: &SortedSet::new(),
            pods: &self.asked,
        };
        let mut chance = Streams::new(seed).stream("karpenter/provisioner/topology", 0);
        let mut results = solve(&world, &request, templates, &mut chance);
        results.truncate_instance_types(self.profile.max_instance_types, self.settings.min_values_policy);
        let existing = results.existing.iter().map(|placement| {
            let node = nodes[placement.node];
            (node.name().to_owned(), self.names(&placement.pods))
        });
        let mut failed = self.names(&results.failures.keys().copied().collect::<Vec<_>>());
        failed.sort();
        Answer {
            claims: results.new_claims.iter().map(|claim| self.claim(claim)).collect(),
            existing: existing.collect(),
            failed,
        }
    }

    fn names(&self, pods: &[PodId]) -> Vec<String> {
        pods.iter()
            .map(|id| self.pods.get(*id).expect("a pod").name.clone())
            .collect()
    }

    fn claim(&self, claim: &NewClaim) -> Claim {
        Claim {
            pool: self.pools.get(claim.pool).expect("a pool").name.to_string(),
            pods: self.names(&claim.pods),
            types: claim.types.iter().map(|own| own.name.to_string()).collect(),
            requests: amounts(&claim.requests),
            requirements: claim
                .requirements()
                .iter()
                .map(|(key, own)| Label::of(key, own))
                .collect(),
        }
    }

    /// Puts both answers into the form in which they can be compared: types of one price by name, amounts
    /// without unit.
    fn normalize(&self, mut answer: Answer) -> Answer {
        for claim in &mut answer.claims {
            let pairs = claim.requirements.iter();
            let mut requirements = Requirements::new();
            for own in pairs {
                requirements.add(own.key.as_str(), own.requirement());
            }
            let all = self.instance_types.values().next().expect("a pool");
            let price = |name: &str| {
                let own = all
                    .iter()
                    .find(|own| *own.name == *name)
                    .expect("a type on offer");
                own.cheapest(&requirements)
                    .map_or(i64::MAX, |offering| offering.price.0)
            };
            let prices: Vec<i64> = claim.types.iter().map(|name| price(name)).collect();
            assert!(
                prices.is_sorted(),
                "{}: dearer types first: {:?}",
                self.case.id,
                claim.types
            );
            claim.types.sort_by_cached_key(|name| (price(name), name.clone()));
            claim.requests = amounts(&manifest::resources(&claim.requests));
        }
        answer
    }
}

/// An instance type of a vector, with or without what is reserved; some of it may not be available.
fn instance_type(own: &Type, reserved: bool, refused: &Refused) -> Arc<InstanceType> {
    let mut requirements = Requirements::new();
    for label in &own.requirements {
        let mut label = label.clone();
        if !reserved && label.key == labels::CAPACITY_TYPE {
            label.values.retain(|value| value != "reserved");
        }
        let none = !reserved && label.key == labels::CAPACITY_RESERVATION_ID;
        let requirement = if none {
            Requirement::does_not_exist()
        } else {
            label.requirement()
        };
        requirements.add(label.key.as_str(), requirement);
    }
    let offerings = own
        .offerings
        .iter()
        .filter(|offer| reserved || offer.reservation.is_none());
    let offerings = offerings.map(|offer| Offering {
        zone: offer.zone.as_str().into(),
        capacity_type: offer.capacity_type.parse().expect("a capacity type"),
        price: Price(offer.price),
        available: !refused.has(own, offer),
        reservation: offer.reservation.as_ref().map(|id| Reservation {
            id: id.as_str().into(),
            capacity: offer.reservation_capacity,
        }),
    });
    let (capacity, overhead) = (
        manifest::resources(&own.capacity),
        manifest::resources(&own.overhead),
    );
    Arc::new(InstanceType::new(
        own.name.as_str(),
        requirements,
        offerings.collect(),
        capacity,
        overhead,
    ))
}

fn node_pool(pool: &vectors::Pool) -> NodePool {
    let mut requirements = Requirements::new();
    for label in &pool.requirements {
        requirements.add(label.key.as_str(), label.requirement());
    }
    let limit = |name: &str| pool.limits.contains_key(name);
    let amounts = manifest::resources(&pool.limits);
    let at_rest = Disruption {
        consolidation_policy: ConsolidationPolicy::WhenEmpty,
        consolidate_after: Some(Duration::ZERO),
        budgets: Vec::new(),
    };
    NodePool {
        name: pool.name.as_str().into(),
        weight: pool.weight,
        labels: pool.labels.clone(),
        annotations: Labels::new(),
        requirements,
        taints: pool.taints.iter().map(vectors::Taint::to_model).collect(),
        startup_taints: Vec::new(),
        kubelet: None,
        hashed_kubelet: String::new(),
        hashed_kubelet_by_format: String::new(),
        node_class: "default".into(),
        expire_after: None,
        termination_grace_period: None,
        limits: Limits {
            cpu: limit("cpu").then_some(amounts.cpu),
            memory: limit("memory").then_some(amounts.memory),
            extended: amounts.extended,
            ..Limits::default()
        },
        disruption: pool.disruption.as_ref().map_or(at_rest, disruption::spec),
        replicas: None,
    }
}

/// Amounts by resource, without those that are nothing.
fn amounts(resources: &Resources) -> Amounts {
    let known = [
        ("cpu", format!("{}m", resources.cpu.0)),
        ("memory", resources.memory.0.to_string()),
        ("ephemeral-storage", resources.ephemeral_storage.0.to_string()),
        ("pods", resources.pods.to_string()),
    ];
    let extended = resources.extended.iter();
    let extended = extended.map(|(name, amount)| (name.to_string(), amount.to_string()));
    let all = known
        .into_iter()
        .map(|(name, amount)| (name.to_owned(), amount))
        .chain(extended);
    all.filter(|(_, amount)| amount.trim_end_matches('m') != "0")
        .collect()
}

/// What differs first between two answers, in a line.
fn difference(ours: &Answer, theirs: &Answer) -> String {
    if ours.failed != theirs.failed {
        return format!("failed {:?}, expected {:?}", ours.failed, theirs.failed);
    }
    if ours.existing != theirs.existing {
        return format!("existing {:?}, expected {:?}", ours.existing, theirs.existing);
    }
    let places = |answer: &Answer| -> Vec<(String, Vec<String>)> {
        let claims = answer.claims.iter();
        claims
            .map(|claim| (claim.pool.clone(), claim.pods.clone()))
            .collect()
    };
    if places(ours) != places(theirs) {
        return format!("claims {:?}, expected {:?}", places(ours), places(theirs));
    }
    for (a, b) in ours.claims.iter().zip(&theirs.claims) {
        if a.types != b.types {
            return format!("types {:?}, expected {:?}", a.types, b.types);
        }
        if a.requests != b.requests {
            return format!("requests {:?}, expected {:?}", a.requests, b.requests);
        }
        if a.requirements != b.requirements {
            let missing: Vec<&Label> = b
                .requirements
                .iter()
                .filter(|r| !a.requirements.contains(r))
                .collect();
            let extra: Vec<&Label> = a
                .requirements
                .iter()
                .filter(|r| !b.requirements.contains(r))
                .collect();
            return format!("requirements {extra:?}, expected {missing:?}");
        }
    }
    "nothing".to_owned()
}

fn types() -> Vec<Type> {
    let text = fs::read_to_string(support::golden_dir().join("karpenter/types.json")).expect("types.json");
    serde_json::from_str(&text).expect("a list of instance types")
}

/// What became of cases to which upstream gives several answers by chance.
#[derive(Default)]
struct Verdicts {
    /// Cases of which an answer of upstream's never came.
    differences: Vec<String>,
    /// Cases with one answer, which came, and another too.
    strays: Vec<String>,
}

impl Verdicts {
    /// Asks ours with at least so many seeds, and at most so many until every answer of upstream has come.
    fn judge<A: PartialEq>(
        &mut self,
        id: &str,
        theirs: &[A],
        [least, most]: [u64; 2],
        mut ours: impl FnMut(u64) -> A,
        difference: impl Fn(&A, &A) -> String,
    ) {
        let mut missing: Vec<&A> = theirs.iter().collect();
        let mut stray = None;
        for seed in 0..most {
            if seed >= least && missing.is_empty() {
                break;
            }
            let ours = ours(seed);
            missing.retain(|answer| **answer != ours);
            if !theirs.contains(&ours) && stray.is_none() {
                stray = Some(difference(&ours, &theirs[0]));
            }
        }
        let described = |what: &str| format!("{id} of {}: {what}", theirs.len());
        if !missing.is_empty() {
            let found = stray.as_deref().unwrap_or("some answers, never that");
            self.differences.push(described(found));
        } else if let Some(stray) = stray.filter(|_| theirs.len() == 1) {
            self.strays.push(described(&stray));
        }
    }

    /// Fails if an answer of upstream's never came, or if there are more strays than a share of the cases.
    fn settle(self, file: &str, cases: &[vectors::Case], share: f64) {
        let Verdicts { differences, strays } = self;
        assert!(
            are_few(strays.len(), cases.len(), share),
            "{} strays, the first:\n{}",
            strays.len(),
            strays[..strays.len().min(12)].join("\n")
        );
        Outcome::new(file, &cases[0].version, cases.len(), differences).settle();
    }
}

/// Whether so many strays are no more than their share of the cases. Of a small set, such as a fresh seed draws, chance
/// may bring three standard deviations more.
fn are_few(strays: usize, cases: usize, share: f64) -> bool {
    let expected = share * cases as f64;
    let more = if cases < 1000 { 3.0 * expected.sqrt() } else { 0.0 };
    strays as f64 <= expected + more
}

/// Runs one file.
fn run(file: &str) {
    let cases: Vec<Case> = support::golden(file);
    if cases.is_empty() {
        return;
    }
    let types = types();
    let catalog: SortedMap<&str, &Type> = types.iter().map(|own| (own.name.as_str(), own)).collect();
    let mut verdicts = Verdicts::default();
    for case in &cases {
        let question = Question::new(case, &catalog);
        let theirs: Vec<Answer> = case
            .answers()
            .into_iter()
            .map(|answer| question.normalize(answer))
            .collect();
        let mut templates = Templates::new();
        let ours = |seed| question.normalize(question.answer(&mut templates, seed));
        verdicts.judge(&case.id, &theirs, SEEDS, ours, difference);
    }
    verdicts.settle(file, &cases, 0.01);
}

#[test]
fn solve_0_32() {
    run("karpenter/solve-0.32.jsonl");
}

#[test]
fn solve_1_5() {
    run("karpenter/solve-1.5.jsonl");
}

#[test]
fn solve_1_14() {
    run("karpenter/solve-1.14.jsonl");
}
