//! Karpenter's small rules: what budgets allow, what pods cost to evict, when a node is consolidatable.

use std::sync::Arc;
use std::time::Duration;

use model::api::{Api, Condition, Labels, Node, Owner, Phase, Pod, PodSpec, PodTemplate};
use model::id::{DaemonSetId, DeploymentId, InstanceId, NodeClaimId, NodePoolId, ReplicaSetId, Table};
use model::karpenter::claim_status::{ClaimStatus, Input, Output, View};
use model::karpenter::disruption::{Reason, allowed_disruptions, eviction_cost, lifetime_remaining};
use model::karpenter::state::{ClusterState, ConditionType, Conditions, NodeClaim};
use model::karpenter::{NodePool, Profile, labels};
use model::quantity::Resources;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use sim::{Action, Agenda, Component, Instant, Outbox, SortedMap};
use support::Outcome;

use super::disruption::EPOCH;
use super::vectors::{Budget, Disruption, Pool};

/// How many of a pool's nodes may go at a time; `at` is in seconds since 2026 began.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Budgets {
    id: String,
    version: String,
    budgets: Vec<Budget>,
    nodes: u32,
    reason: String,
    at: i64,
    /// None if nothing limits it.
    #[serde(default)]
    allowed: Option<u32>,
}

/// What pods cost to evict, and how much of its life a node has before it. Times are in seconds.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Costs {
    id: String,
    version: String,
    pods: Vec<Cost>,
    created: u64,
    #[serde(default)]
    expire_after: Option<u64>,
    at: u64,
    #[serde(deserialize_with = "exact")]
    lifetime: f64,
    #[serde(deserialize_with = "exact")]
    sum: f64,
}

/// A number in a string: as such the reader of JSON may miss its last bit.
fn exact<'de, D: serde::Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    let text = String::deserialize(from)?;
    text.parse().map_err(serde::de::Error::custom)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cost {
    #[serde(default)]
    annotation: Option<String>,
    #[serde(default)]
    priority: Option<i32>,
    #[serde(deserialize_with = "exact")]
    cost: f64,
}

/// A node to which pods come, and when it was consolidatable. Times are in seconds.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Quiet {
    id: String,
    version: String,
    /// consolidateAfter; none is Never.
    #[serde(default)]
    after: Option<u64>,
    /// 0 is never.
    #[serde(default)]
    initialized: u64,
    events: Vec<Arrival>,
    until: u64,
    turns: Vec<Turn>,
    /// The values that lastPodEventTime had.
    last: Vec<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Arrival {
    at: u64,
    #[serde(default)]
    daemon: bool,
}

#[derive(Deserialize, Debug, Clone, Copy, PartialEq)]
#[serde(deny_unknown_fields)]
struct Turn {
    at: u64,
    status: bool,
}

fn check_budgets(case: &Budgets) -> Option<String> {
    let own = Disruption {
        policy: "WhenEmpty".to_owned(),
        after: None,
        budgets: case.budgets.clone(),
    };
    let reason = match case.reason.as_str() {
        "Empty" => Reason::Empty,
        "Drifted" => Reason::Drifted,
        _ => Reason::Underutilized,
    };
    let own = super::disruption::spec(&own).budgets;
    let allowed = allowed_disruptions(&own, case.nodes, reason, EPOCH + case.at);
    let allowed = (allowed != u32::MAX).then_some(allowed);
    (allowed != case.allowed).then(|| format!("{}: {allowed:?}, expected {:?}", case.id, case.allowed))
}

fn pod(name: String, annotation: Option<&String>, priority: Option<i32>, daemon: bool) -> Pod {
    let annotation = annotation.map(|text| (labels::POD_DELETION_COST.to_owned(), text.clone()));
    let template = PodTemplate {
        namespace: "default".to_owned(),
        labels: Labels::new(),
        annotations: annotation.into_iter().collect(),
        spec: PodSpec {
            priority: priority.unwrap_or(0),
            ..PodSpec::default()
        },
    };
    Pod {
        name,
        uid: 0,
        template: Arc::new(template),
        owner: if daemon {
            Owner::DaemonSet(DaemonSetId(0))
        } else {
            Owner::ReplicaSet(ReplicaSetId(0), DeploymentId(0))
        },
        created: Instant::ZERO,
        deletion: None,
        node: None,
        only_node: None,
        nominated_node: None,
        phase: Phase::Running,
        ready: None,
        unschedulable: false,
        started: None,
        restarts: Default::default(),
    }
}

fn check_costs(case: &Costs) -> Option<String> {
    let mut sum = 0.0;
    for own in &case.pods {
        let cost = eviction_cost(&pod(String::new(), own.annotation.as_ref(), own.priority, false));
        sum += cost;
        if cost != own.cost {
            let text = &own.annotation;
            return Some(format!(
                "{}: {text:?}, {:?}: {cost}, expected {}",
                case.id, own.priority, own.cost
            ));
        }
    }
    let created = Instant::from_secs(case.created);
    let after = case.expire_after.map(Duration::from_secs);
    let lifetime = lifetime_remaining(created, after, Instant::from_secs(case.at));
    let right = (sum, lifetime) == (case.sum, case.lifetime);
    (!right).then(|| {
        format!(
            "{}: {sum} {lifetime}, expected {} {}",
            case.id, case.sum, case.lifetime
        )
    })
}

/// The node of a case and the controllers that write its claim's conditions.
struct Watch {
    controllers: ClaimStatus,
    api: Api,
    claims: Table<NodeClaimId, NodeClaim>,
    pools: Table<NodePoolId, NodePool>,
    agenda: Agenda<Input>,
    turns: Vec<Turn>,
    last: Vec<u64>,
}

impl Watch {
    fn new(case: &Quiet) -> Self {
        let pool = super::node_pool(&Pool {
            name: "alpha".to_owned(),
            disruption: Some(Disruption {
                policy: "WhenEmptyOrUnderutilized".to_owned(),
                after: case.after,
                budgets: Vec::new(),
            }),
            ..Pool::default()
        });
        let own = Labels::from([(labels::NODE_POOL.to_owned(), "alpha".to_owned())]);
        let (mut api, mut claims, mut pools) = (Api::default(), Table::new(), Table::new());
        let claim = claims.insert(NodeClaim {
            name: "node".to_owned(),
            pool: NodePoolId(0),
            labels: Arc::new(own.clone()),
            annotations: Labels::new(),
            created: Instant::ZERO,
            deleting: None,
            requirements: pool.template_requirements(),
            instance_types: Arc::new([]),
            requests: Resources::default(),
            taints: Arc::new([]),
            startup_taints: Arc::new([]),
            node_class: "default".into(),
            expire_after: None,
            termination_grace_period: None,
            instance: Some(InstanceId(0)),
            made_by: None,
            node: None,
            capacity: Resources::default(),
            allocatable: Resources::default(),
            conditions: Conditions::default(),
            last_pod_event: None,
        });
        let node = api.nodes.insert(Node {
            name: "node".to_owned(),
            labels: Arc::new(own),
            annotations: Labels::new(),
            created: Instant::ZERO,
            deleting: None,
            taints: Vec::new(),
            unschedulable: false,
            capacity: Resources::default(),
            allocatable: Resources::default(),
            ready: true,
            ready_since: Instant::ZERO,
            images: SortedMap::new(),
            claim: Some(claim),
            instance: Some(InstanceId(0)),
        });
        claims.get_mut(claim).expect("the claim").node = Some(node);
        pools.insert(pool);
        let profile = Profile::of(case.version.parse().expect("a release"));
        Watch {
            controllers: ClaimStatus::new(profile, true),
            api,
            claims,
            pools,
            agenda: Agenda::new(),
            turns: Vec::new(),
            last: Vec::new(),
        }
    }

    fn hear(&mut self, now: Instant, input: Input) {
        let mut out = Outbox::new();
        let view = View {
            api: &self.api,
            claims: &self.claims,
            state: &ClusterState::default(),
            pools: &self.pools,
            instance_types: &SortedMap::new(),
            classes: &model::karpenter::provider::Classes::new(),
        };
        self.controllers.handle(now, input, view, &mut out);
        let second = now.since(Instant::ZERO).as_secs();
        let mut changed = false;
        for action in out.drain().collect::<Vec<_>>() {
            match action {
                Action::WakeAt(at, input) => self.agenda.at(at, input),
                Action::Emit(Output::SetCondition(id, name, status)) => {
                    self.claims
                        .get_mut(id)
                        .expect("the claim")
                        .conditions
                        .set(name, status, now);
                    if name == ConditionType::Consolidatable {
                        self.turns.push(Turn {
                            at: second,
                            status: status == Some(true),
                        });
                    }
                }
                Action::Emit(Output::SetLastPodEvent(id, at)) => {
                    self.claims.get_mut(id).expect("the claim").last_pod_event = Some(at);
                    self.last.push(second);
                    changed = true;
                }
                Action::Emit(Output::DeleteNodeClaim(..) | Output::Publish(_)) => {}
            }
        }
        if changed {
            self.hear(now, Input::ClaimChanged(NodeClaimId(0)));
        }
    }

    fn run(mut self, case: &Quiet) -> (Vec<Turn>, Vec<u64>) {
        self.hear(Instant::ZERO, Input::ClaimChanged(NodeClaimId(0)));
        let mut events = case.events.iter().peekable();
        for second in 1..=case.until {
            let now = Instant::from_secs(second);
            if second == case.initialized {
                let claim = self.claims.get_mut(NodeClaimId(0)).expect("the claim");
                claim.conditions.initialized = Some(Condition {
                    status: true,
                    since: now,
                });
                self.hear(now, Input::ClaimChanged(NodeClaimId(0)));
            }
            while let Some(event) = events.next_if(|event| event.at == second) {
                let mut own = pod(format!("pod-{second}"), None, None, event.daemon);
                own.node = self.api.nodes.iter().map(|(id, _)| id).next();
                let id = self.api.add_pod(own);
                self.hear(now, Input::PodChanged(id));
            }
            while self.agenda.next_due().is_some_and(|due| due <= now) {
                let (due, input) = self.agenda.pop().expect("something is due");
                self.hear(due, input);
            }
        }
        (settled(self.turns), self.last)
    }
}

/// Without what was taken back in the same second, as the order of events within one is open.
fn settled(turns: Vec<Turn>) -> Vec<Turn> {
    let mut settled: Vec<Turn> = Vec::new();
    for turn in turns {
        match settled.last() {
            Some(last) if last.at == turn.at => _ = settled.pop(),
            _ => settled.push(turn),
        }
    }
    settled
}

fn check_quiet(case: &Quiet) -> Option<String> {
    let (turns, last) = Watch::new(case).run(case);
    let right = turns == case.turns && last == case.last;
    (!right).then(|| {
        format!(
            "{}: {turns:?} {last:?}, expected {:?} {:?}",
            case.id, case.turns, case.last
        )
    })
}

/// Runs the cases of one rule, of both releases.
fn run<C: DeserializeOwned>(rule: &str, version: fn(&C) -> &str, check: fn(&C) -> Option<String>) {
    let outcomes = ["1.5", "1.14"].map(|minor| {
        let file = format!("karpenter/{rule}-{minor}.jsonl");
        let cases: Vec<C> = support::golden(&file);
        let differences = cases.iter().filter_map(check).collect();
        Outcome::new(&file, cases.first().map_or("", version), cases.len(), differences)
    });
    Outcome::settle_all(&outcomes);
}

#[test]
fn budgets() {
    run("budget", |case: &Budgets| &case.version, check_budgets);
}

#[test]
fn costs() {
    run("cost", |case: &Costs| &case.version, check_costs);
}

#[test]
fn quiet() {
    run("quiet", |case: &Quiet| &case.version, check_quiet);
}
