//! Minutes of an object's life: reconciler, scale loop, pulls of the HPA, edits from outside.

use std::sync::Arc;
use std::time::Duration;

use model::api::{
    Api, Condition, Deployment, LabelSelector, Labels, Owner, Phase, Pod, PodSpec, PodTemplate, ReplicaSet,
    Restarts, Strategy,
};
use model::hpa::{Hpa, Source};
use model::id::{DeploymentId, HpaId, ScaledObjectId, Table};
use model::keda::{Config, Input, Operator, Output, Profile, ScaledObject, View};
use serde::Deserialize;
use sim::{Action, Agenda, Component, Instant, Outbox, SortedMap};

use super::object::{AnswerJson, ObjectJson};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    id: String,
    object: ObjectJson,
    replicas: i32,
    answers: Vec<AnswerJson>,
    steps: Vec<Step>,
    writes: Vec<(i64, i32)>,
    queries: Vec<(i64, usize)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    at: u64,
    #[serde(default)]
    answers: SortedMap<usize, AnswerJson>,
    replicas: Option<i32>,
    ready: Option<i32>,
    annotations: Option<Labels>,
    pull: Option<String>,
    expect: Expect,
}

#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
struct Expect {
    replicas: i32,
    hpa: Option<(i32, i32)>,
    milli: Option<i64>,
    #[serde(rename = "error")]
    _error: Option<String>,
}

/// Where the vectors' clock starts: seconds of the Unix epoch.
const EPOCH: i64 = 946_684_800;

struct World {
    operator: Operator,
    api: Api,
    scaled_objects: Table<ScaledObjectId, ScaledObject>,
    hpas: Table<HpaId, Hpa>,
    agenda: Agenda<Input>,
    answers: Vec<AnswerJson>,
    template: Arc<PodTemplate>,
    writes: Vec<(i64, i32)>,
    queries: Vec<(i64, usize)>,
    value: Option<Option<i64>>,
}

const OBJECT: ScaledObjectId = ScaledObjectId(0);
const TARGET: DeploymentId = DeploymentId(0);

impl World {
    fn new(case: &Case, minor: u32) -> Self {
        let mut api = Api::default();
        let template = Arc::new(PodTemplate {
            namespace: "default".to_owned(),
            labels: Labels::new(),
            annotations: Labels::new(),
            spec: PodSpec::default(),
        });
        let target = api.deployments.insert(Deployment {
            name: "web".to_owned(),
            replicas: case.replicas,
            selector: LabelSelector::default(),
            strategy: Strategy::default(),
            min_ready: Duration::ZERO,
            template: template.clone(),
        });
        api.replica_sets.insert(ReplicaSet {
            name: "web".to_owned(),
            deployment: target,
            replicas: 0,
            desired: 0,
            template: template.clone(),
            made_of: template.clone(),
            created: Instant::ZERO,
        });
        let mut scaled_objects = Table::new();
        scaled_objects.insert(case.object.resolve());
        let mut agenda = Agenda::new();
        agenda.now_at(Input::Changed(OBJECT));
        let config = Config {
            profile: Profile::of(minor),
            epoch: "2000-01-01T00:00:00Z".parse().expect("a time"),
            reconcile: Duration::ZERO,
            ..Config::default()
        };
        World {
            operator: Operator::new(config, true),
            api,
            scaled_objects,
            hpas: Table::new(),
            agenda,
            answers: case.answers.clone(),
            template,
            writes: Vec::new(),
            queries: Vec::new(),
            value: None,
        }
    }

    fn run(&mut self, until: Instant) {
        while self.agenda.next_due().is_some_and(|due| due <= until) {
            let (now, input) = self.agenda.pop().expect("due");
            let mut out = Outbox::new();
            let view = View {
                api: &self.api,
                scaled_objects: &self.scaled_objects,
                hpas: &self.hpas,
            };
            self.operator.handle(now, input, view, &mut out);
            for action in out.drain().collect::<Vec<_>>() {
                self.perform(now, action);
            }
        }
    }

    fn perform(&mut self, now: Instant, action: Action<Input, Output>) {
        match action {
            Action::WakeAt(at, input) => self.agenda.at(at, input),
            Action::Emit(Output::Query {
                query,
                trigger,
                at_ms,
                ..
            }) => {
                self.queries.push((at_ms / 1000 - EPOCH, trigger));
                self.agenda
                    .now_at(Input::Answer(query, self.answers[trigger].resolve()));
            }
            Action::Emit(Output::MetricValue { value, .. }) => self.value = Some(value.map(|it| it.milli())),
            Action::Emit(Output::ScaleTo { target, replicas, .. }) => {
                let deployment = self.api.deployments.get_mut(target).expect("a target");
                if deployment.replicas != replicas {
                    deployment.replicas = replicas;
                    self.writes.push((now.as_millis() as i64, replicas));
                }
            }
            Action::Emit(Output::CreateHpa(_, hpa)) => {
                self.hpas.insert(*hpa);
            }
            Action::Emit(Output::UpdateHpa(id, _, _, spec)) => {
                self.hpas.get_mut(id).expect("an HPA").spec = spec
            }
            Action::Emit(Output::Release(_)) => {
                unreachable!("no object is deleted while the operator is away")
            }
            Action::Emit(Output::DeleteHpa(id)) => {
                self.hpas.remove(id);
            }
            Action::Emit(Output::Polled(_) | Output::Publish(_)) => {}
        }
    }

    fn set_ready(&mut self, ready: i32, now: Instant) {
        let all: Vec<_> = self.api.pods.iter().map(|(id, _)| id).collect();
        for id in all {
            self.api.remove_pod(id);
        }
        let (set, _) = self.api.replica_sets_of(TARGET).next().expect("a set");
        for number in 0..ready {
            self.api.add_pod(Pod {
                name: format!("web-{number}"),
                uid: 0,
                template: self.template.clone(),
                owner: Owner::ReplicaSet(set, TARGET),
                created: now,
                deletion: None,
                node: None,
                only_node: None,
                nominated_node: None,
                phase: Phase::Running,
                ready: Some(Condition {
                    status: true,
                    since: now,
                }),
                unschedulable: false,
                started: None,
                restarts: Restarts::default(),
            });
        }
    }

    /// Does what a step says; what the HPA got, if it asked.
    fn perform_step(&mut self, step: &Step, now: Instant) -> Option<Option<i64>> {
        for (trigger, answer) in &step.answers {
            self.answers[*trigger] = answer.clone();
        }
        if let Some(replicas) = step.replicas {
            self.api.deployments.get_mut(TARGET).expect("a target").replicas = replicas;
        }
        if let Some(ready) = step.ready {
            self.set_ready(ready, now);
        }
        if let Some(annotations) = &step.annotations {
            let object = self.scaled_objects.get_mut(OBJECT).expect("an object");
            // What changes nothing is no event.
            if object.annotations != *annotations {
                object.annotations = annotations.clone();
                self.agenda.at(now, Input::Changed(OBJECT));
            }
        }
        if let Some(pull) = &step.pull {
            let named = |source: &Source| matches!(source, Source::External { name, .. } if name == pull);
            let (hpa, metric) = self.hpas.iter().next().and_then(|(id, hpa)| {
                let metric = hpa.spec.metrics.iter().position(|metric| named(&metric.source))?;
                Some((id, metric))
            })?;
            self.agenda.at(now, Input::MetricRequested { hpa, metric });
        }
        self.value = None;
        self.run(now);
        self.value
    }
}

fn check(case: &Case, minor: u32) -> Option<String> {
    let mut world = World::new(case, minor);
    for (number, step) in case.steps.iter().enumerate() {
        let now = Instant::from_millis(step.at);
        world.run(now);
        let pulled = world.perform_step(step, now);
        let replicas = world.api.deployments.get(TARGET).expect("a target").replicas;
        let hpa = world.hpas.iter().next();
        let hpa = hpa.map(|(_, hpa)| (hpa.spec.min_replicas, hpa.spec.max_replicas));
        let asked = step.pull.is_some().then_some(step.expect.milli);
        if (replicas, hpa, pulled) != (step.expect.replicas, step.expect.hpa, asked) {
            return Some(format!(
                "{} step {number} at {} ms: expected {:?}, found {replicas} replicas, HPA {hpa:?}, pulled {pulled:?}",
                case.id, step.at, step.expect
            ));
        }
    }
    if world.writes != case.writes {
        return Some(format!(
            "{}: expected writes {:?}, found {:?}",
            case.id, case.writes, world.writes
        ));
    }
    world.queries.sort_unstable();
    (world.queries != case.queries).then(|| {
        format!(
            "{}: expected queries {:?}, found {:?}",
            case.id, case.queries, world.queries
        )
    })
}

#[test]
fn lives_are_upstreams() {
    super::check_part("sequence", check);
}
