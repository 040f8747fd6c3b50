//! Karpenter's disruption controller: what it does with a cluster, against the real one.
//!
//! A vector holds a cluster at the controller's first pass and what happens to it later; the answers are the
//! commands that upstream was seen to begin, with their times. The simulator's own component is run on the
//! same cluster until the same time: passes, the fifteen seconds for which a command has to stand, what a pass
//! remembers of the one before, and what the nodes that are going take of the budgets.
//!
//! Nodes that are worth the same come in the order of a Go map. Where upstream was seen to answer in several ways
//! ours must give each of them with some seed; where it was seen to answer in one way, ours must give that one.

use std::time::Duration;

use model::api::{Api, Condition, Deletion, Labels, PodDisruptionBudget};
use model::id::{NodeClaimId, Table};
use model::karpenter::disruption::{Config, Disruption, Event, Input, Method, Output, disrupted_taint};
use model::karpenter::labels;
use model::karpenter::node_pool::{self, ConsolidationPolicy, Nodes, Reason, Window};
use model::karpenter::provisioner::View;
use model::karpenter::scheduling::Cost;
use model::karpenter::state::{ClusterState, NodeClaim};
use sim::{Action, Agenda, Component, Instant, Outbox, SortedMap, Streams};

use super::vectors::{Case, Change, Command, Label, Node, Replacement, Type};
use super::{FIRST_PASS, Question, Verdicts, amounts};
use crate::manifest;

/// What time it is when [`Instant::ZERO`] is: 2026 begins.
pub(super) const EPOCH: i64 = 1_767_225_600;

/// A cluster that the controller works on.
struct Play<'a> {
    question: Question<'a>,
    api: Api,
    claims: Table<NodeClaimId, NodeClaim>,
    state: ClusterState,
    namespaces: SortedMap<String, Labels>,
    controller: Disruption,
    said: Vec<Command>,
}

/// spec.disruption of a NodePool.
pub(super) fn spec(own: &super::vectors::Disruption) -> node_pool::Disruption {
    let budget = |own: &super::vectors::Budget| node_pool::Budget {
        reasons: own
            .reasons
            .iter()
            .map(|reason| match reason.as_str() {
                "Empty" => Reason::Empty,
                "Underutilized" => Reason::Underutilized,
                "Drifted" => Reason::Drifted,
                other => panic!("{other} is no reason"),
            })
            .collect(),
        nodes: match own.nodes.strip_suffix('%') {
            Some(percent) => Nodes::Percent(percent.parse().expect("a number")),
            None => Nodes::Count(own.nodes.parse().expect("a number")),
        },
        window: own.schedule.as_ref().map(|schedule| Window {
            schedule: schedule.clone(),
            duration: Duration::from_secs(own.duration),
        }),
    };
    node_pool::Disruption {
        consolidation_policy: match own.policy.as_str() {
            "WhenEmpty" => ConsolidationPolicy::WhenEmpty,
            "WhenEmptyOrUnderutilized" => ConsolidationPolicy::WhenEmptyOrUnderutilized,
            "Balanced" => ConsolidationPolicy::Balanced,
            other => panic!("{other} is no policy"),
        },
        consolidate_after: own.after.map(Duration::from_secs),
        budgets: own.budgets.iter().map(budget).collect(),
    }
}

fn since(second: u64) -> Option<Condition> {
    Some(Condition {
        status: true,
        since: Instant::from_secs(second),
    })
}

/// Gives a claim what it has been through.
fn live(claim: &mut NodeClaim, life: &Node) {
    let some = |seconds: u64| (seconds > 0).then(|| Duration::from_secs(seconds));
    claim.created = Instant::from_secs(life.created);
    claim.expire_after = some(life.expire_after);
    claim.termination_grace_period = some(life.grace_period);
    claim.last_pod_event = some(life.last_pod_event).map(|own| Instant::ZERO + own);
    let conditions = &mut claim.conditions;
    conditions.launched = since(life.created);
    conditions.registered = since(life.created).filter(|_| life.stage != "launched");
    conditions.initialized = since(life.initialized).filter(|_| life.stage == "initialized");
    conditions.consolidatable = since(life.initialized).filter(|_| life.consolidatable);
    conditions.drifted = since(life.drifted).filter(|_| life.drifted > 0);
}

impl<'a> Play<'a> {
    fn new(case: &'a Case, catalog: &SortedMap<&str, &Type>, seed: u64) -> Self {
        let mut question = Question::new(case, catalog);
        question.settings.cost = Cost {
            base: Duration::ZERO,
            per_attempt: Duration::ZERO,
        };
        let config = Config {
            spot_to_spot: case.spot_to_spot,
            ..Config::of(&question.profile, EPOCH)
        };
        let controller = Disruption::new(question.profile, question.settings, config, &Streams::new(seed));
        let mut api = Api::default();
        api.nodes = question.nodes.clone();
        for (_, pod) in question.pods.iter() {
            let mut pod = pod.clone();
            let not_ready = case.bound.iter().any(|own| own.not_ready && own.name == pod.name);
            pod.ready = pod.node.map(|_| Condition {
                status: !not_ready,
                since: Instant::ZERO,
            });
            pod.started = pod.node.map(|_| Instant::from_secs(0));
            api.add_pod(pod);
        }
        api.pdbs = case
            .guards
            .iter()
            .map(|own| own.to_model())
            .collect::<Vec<PodDisruptionBudget>>();
        let mut claims = question.claims.clone();
        let mut nominated = Vec::new();
        let nodes: SortedMap<String, _> = api
            .nodes
            .iter()
            .map(|(id, node)| (node.name.clone(), id))
            .collect();
        for own in &case.nodes {
            let node = nodes.get(&own.name).copied();
            if let Some(node) = node.and_then(|id| api.nodes.get_mut(id)) {
                node.created = Instant::from_secs(own.created);
                node.annotations = own.annotations.clone();
                node.ready = !own.not_ready;
            }
            let named = claims
                .iter()
                .find(|(_, claim)| claim.name == own.name)
                .map(|(id, _)| id);
            let Some(id) = named else { continue };
            let claim = claims.get_mut(id).expect("a claim");
            live(claim, own);
            claim.node = node;
            if own.nominated {
                nominated.push(id);
            }
        }
        let mut play = Play {
            question,
            api,
            claims,
            state: ClusterState::default(),
            namespaces: SortedMap::new(),
            controller,
            said: Vec::new(),
        };
        for id in nominated {
            play.nominate(FIRST_PASS, id);
        }
        play
    }

    fn nominate(&mut self, now: Instant, id: NodeClaimId) {
        let window = self.question.settings.nomination_window();
        let window = if self.question.case.nominations_last {
            Duration::from_secs(100_000)
        } else {
            window
        };
        self.state.nominate(id, now + window);
    }

    /// Lets the controller hear something, and does what it asks.
    fn hear(&mut self, now: Instant, input: Input, agenda: &mut Agenda<Input>) {
        let mut out = Outbox::new();
        let view = View {
            api: &self.api,
            claims: &self.claims,
            state: &self.state,
            pools: &self.question.pools,
            instance_types: &self.question.instance_types,
            daemons: &self.question.daemons,
            namespaces: &self.namespaces,
        };
        self.controller.handle(now, input, view, &mut out);
        let actions: Vec<_> = out.drain().collect();
        let mut news = Vec::new();
        for action in actions {
            match action {
                Action::WakeAt(at, input) => agenda.at(at, input),
                Action::Emit(output) => news.extend(self.perform(now, output)),
            }
        }
        for input in news {
            self.hear(now, input, agenda);
        }
    }

    fn perform(&mut self, now: Instant, output: Output) -> Option<Input> {
        let taint = disrupted_taint(&self.question.profile);
        match output {
            Output::Mark(id) => self.state.mark(id),
            Output::Unmark(id) => self.state.unmark(id),
            Output::Nominate(id, _) => self.nominate(now, id),
            Output::Taint(id) => {
                self.api.nodes.get_mut(id)?.taints.push(taint);
                return Some(Input::NodeChanged(id));
            }
            Output::Untaint(id) => {
                self.api
                    .nodes
                    .get_mut(id)?
                    .taints
                    .retain(|own| own.key != taint.key);
                return Some(Input::NodeChanged(id));
            }
            Output::SetCondition(id, name, status) => {
                self.claims.get_mut(id)?.conditions.set(name, status, now);
                return Some(Input::ClaimChanged(id));
            }
            Output::CreateNodeClaim(claim, _) => {
                let replacement = self.replacement(&claim);
                let said = self.said.last_mut().expect("a command began");
                said.replacements.push(replacement);
                return Some(Input::ClaimChanged(self.claims.insert(*claim)));
            }
            Output::DeleteNodeClaim(id, _) => {
                self.claims.get_mut(id)?.deleting.get_or_insert(now);
                return Some(Input::ClaimChanged(id));
            }
            Output::Publish(Event::Started(decision)) => {
                let name = |id: &NodeClaimId| self.claims.get(*id).expect("a claim").name.clone();
                let mut nodes: Vec<String> = decision.candidates.iter().map(name).collect();
                nodes.sort();
                self.said.push(Command {
                    at: now.since(Instant::ZERO).as_secs(),
                    method: match decision.method {
                        Method::Emptiness | Method::EmptyNode => "empty".to_owned(),
                        method => method.as_str().to_owned(),
                    },
                    nodes,
                    replacements: Vec::new(),
                });
            }
            Output::Publish(_) => {}
        }
        None
    }

    fn replacement(&self, claim: &NodeClaim) -> Replacement {
        let mut types: Vec<String> = claim.instance_types.iter().map(ToString::to_string).collect();
        types.sort();
        let label = |(key, own): (_, _)| {
            let mut label = Label::of(key, own);
            if label.key == labels::INSTANCE_TYPE {
                label.values = Vec::new();
            }
            label
        };
        Replacement {
            pool: self
                .question
                .pools
                .get(claim.pool)
                .expect("a pool")
                .name
                .to_string(),
            types,
            requests: amounts(&claim.requests),
            requirements: claim.requirements.iter().map(label).collect(),
        }
    }

    /// Something happens beside the controller.
    fn apply(&mut self, now: Instant, change: &'a Change, agenda: &mut Agenda<Input>) {
        let named = |name: &str| {
            self.api
                .nodes
                .iter()
                .find(|(_, node)| node.name == name)
                .map(|(id, _)| id)
        };
        let node = change.node.as_deref().map(named);
        // It may be gone already.
        if node == Some(None) {
            return;
        }
        let node = node.flatten();
        let claim = node.and_then(|id| self.api.nodes.get(id)?.claim);
        let input = match change.what.as_str() {
            "bind" => {
                let id = self.question.add_pod(change.pod.as_ref().expect("a pod"));
                let mut pod = self.question.pods.get(id).expect("the pod").clone();
                pod.node = node;
                pod.created = now;
                pod.ready = since(0);
                pod.started = Some(now);
                Input::PodChanged(self.api.add_pod(pod))
            }
            "delete" | "terminate" => {
                let name = &change.pod.as_ref().expect("a pod").name;
                let Some((id, _)) = self.api.pods.iter().find(|(_, pod)| pod.name == *name) else {
                    return;
                };
                if change.what == "delete" {
                    self.api.remove_pod(id);
                } else {
                    let grace = Duration::from_secs(30);
                    let own = self.api.pods.get_mut(id).expect("the pod");
                    own.deletion = Some(Deletion { at: now, grace });
                }
                Input::PodChanged(id)
            }
            "notReady" => {
                let id = node.expect("a node");
                self.api.nodes.get_mut(id).expect("the node").ready = false;
                Input::NodeChanged(id)
            }
            other => {
                let id = claim.expect("a claim");
                let mut own = self.claims.get(id).expect("the claim").conditions;
                let holds = since(change.at);
                match other {
                    "nominate" => self.nominate(now, id),
                    "consolidatable" => own.consolidatable = holds,
                    "unconsolidatable" => own.consolidatable = None,
                    "drifted" => own.drifted = holds,
                    "gone" if self.claims.get(id).is_some_and(|own| own.deleting.is_some()) => {
                        let node = node.expect("a node");
                        for pod in self.api.pods_on(node).to_vec() {
                            self.api.remove_pod(pod);
                            self.hear(now, Input::PodChanged(pod), agenda);
                        }
                        self.api.nodes.remove(node);
                        self.claims.remove(id);
                        self.state.forget(id);
                        self.hear(now, Input::NodeChanged(node), agenda);
                    }
                    "gone" => return,
                    other => panic!("{other} is no change"),
                }
                if let Some(claim) = self.claims.get_mut(id) {
                    claim.conditions = own;
                }
                Input::ClaimChanged(id)
            }
        };
        self.hear(now, input, agenda);
    }

    /// Lets the controller run from the beginning to the end.
    fn run(mut self) -> Vec<Command> {
        let mut agenda = Agenda::new();
        let before = Instant::from_secs(3599);
        let all: Vec<Input> = (self.api.pods.iter().map(|(id, _)| Input::PodChanged(id)))
            .chain(self.claims.iter().map(|(id, _)| Input::ClaimChanged(id)))
            .chain(self.api.nodes.iter().map(|(id, _)| Input::NodeChanged(id)))
            .collect();
        for input in all {
            self.hear(before, input, &mut agenda);
        }
        agenda.at(FIRST_PASS, Input::Poll);
        let case = self.question.case;
        let until = Instant::from_secs(case.until);
        let mut changes = case.changes.iter().peekable();
        while let Some((now, input)) = agenda.pop() {
            while let Some(change) = changes.next_if(|change| Instant::from_secs(change.at) <= now) {
                self.apply(Instant::from_secs(change.at), change, &mut agenda);
            }
            if input == Input::Poll && now >= until {
                break;
            }
            self.hear(now, input, &mut agenda);
        }
        for command in &mut self.said {
            sort(&mut command.replacements);
        }
        self.said
    }
}

/// The claims of one command are made at the same time.
fn sort(replacements: &mut [Replacement]) {
    replacements.sort_by_cached_key(|own| format!("{own:?}"));
}

/// With how many seeds ours is asked at least, and at most until every answer of upstream has come.
const SEEDS: [u64; 2] = [2, 600];

fn difference(ours: &[Command], theirs: &[Command]) -> String {
    let Some(at) = (0..ours.len().max(theirs.len())).find(|at| ours.get(*at) != theirs.get(*at)) else {
        return "nothing".to_owned();
    };
    match (ours.get(at), theirs.get(at)) {
        (Some(a), Some(b)) if (a.at, &a.method, &a.nodes) == (b.at, &b.method, &b.nodes) => {
            for (a, b) in a.replacements.iter().zip(&b.replacements) {
                if a.types != b.types {
                    return format!("command {at}: types {:?}, expected {:?}", a.types, b.types);
                }
                if a.requests != b.requests {
                    return format!(
                        "command {at}: requests {:?}, expected {:?}",
                        a.requests, b.requests
                    );
                }
                if a.requirements != b.requirements {
                    return format!(
                        "command {at}: requirements {:?}, expected {:?}",
                        a.requirements, b.requirements
                    );
                }
            }
            format!(
                "command {at}: replacements {:?}, expected {:?}",
                a.replacements, b.replacements
            )
        }
        (a, b) => {
            let short = |own: Option<&Command>| {
                own.map(|own| {
                    (
                        own.at,
                        own.method.clone(),
                        own.nodes.clone(),
                        own.replacements.len(),
                    )
                })
            };
            format!("command {at}: {:?}, expected {:?}", short(a), short(b))
        }
    }
}

/// Runs one file.
fn run(file: &str) {
    let cases: Vec<Case> = support::golden(file);
    if cases.is_empty() {
        return;
    }
    let types = super::types();
    let catalog: SortedMap<&str, &Type> = types.iter().map(|own| (own.name.as_str(), own)).collect();
    let mut verdicts = Verdicts::default();
    for case in &cases {
        let mut theirs: Vec<Vec<Command>> = case.answers();
        for command in theirs.iter_mut().flatten() {
            for own in &mut command.replacements {
                own.requests = amounts(&manifest::resources(&own.requests));
            }
            sort(&mut command.replacements);
        }
        let ours = |seed| Play::new(case, &catalog, seed).run();
        verdicts.judge(&case.id, &theirs, SEEDS, ours, |a, b| difference(a, b));
    }
    // Upstream was asked a few times only.
    verdicts.settle(file, &cases, 0.02);
}

#[test]
fn disruption_1_5() {
    run("karpenter/disruption-1.5.jsonl");
}

#[test]
fn disruption_1_14() {
    run("karpenter/disruption-1.14.jsonl");
}
