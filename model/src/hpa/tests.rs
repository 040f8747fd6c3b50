//! The controller in a small world: one Deployment of many pods, one external metric. Decisions themselves
//! are held against upstream's own answers in the conformance tests.

use std::sync::Arc;
use std::time::Duration;

use sim::{Action, Agenda, Component, Instant, Outbox, Streams};

use super::controller::{Config, Controller, Input, Output, View};
use super::decision::{Branch, Decision};
use super::reading::{Failure, Reading};
use super::spec::{Hpa, Metric, Source, Spec, Target};
use super::status::{Reason, Status};
use super::version::Profile;
use crate::api::{
    Api, Condition, Deployment, LabelSelector, Labels, Owner, Phase, Pod, PodSpec, PodTemplate, ReplicaSet,
    Restarts, Strategy,
};
use crate::id::{DeploymentId, HpaId, Table};
use crate::quantity::Quantity;

struct World {
    controller: Controller,
    api: Api,
    hpas: Table<HpaId, Hpa>,
    agenda: Agenda<Input>,
    value: Result<Vec<Quantity>, Failure>,
    decisions: Vec<(u64, Decision)>,
    /// Written by somebody else while the next metric is being read.
    meddle: Option<i32>,
}

impl World {
    fn new(minor: u32, replicas: i32, value: i64) -> Self {
        let labels = Labels::from([("app".to_owned(), "web".to_owned())]);
        let template = Arc::new(PodTemplate {
            namespace: "default".to_owned(),
            labels: labels.clone(),
            annotations: Labels::new(),
            spec: PodSpec::default(),
        });
        let mut api = Api::default();
        let target = api.deployments.insert(Deployment {
            name: "web".to_owned(),
            replicas,
            selector: LabelSelector::from_labels(&labels),
            strategy: Strategy::default(),
            min_ready: Duration::ZERO,
            template: template.clone(),
        });
        let set = api.replica_sets.insert(ReplicaSet {
            name: "web-1".to_owned(),
            deployment: target,
            replicas,
            desired: replicas,
            template: template.clone(),
            made_of: template.clone(),
            created: Instant::ZERO,
        });
        for number in 0..replicas {
            api.add_pod(Pod {
                name: format!("web-1-{number}"),
                uid: number as u128,
                template: template.clone(),
                owner: Owner::ReplicaSet(set, target),
                created: Instant::ZERO,
                deletion: None,
                node: None,
                only_node: None,
                nominated_node: None,
                phase: Phase::Running,
                ready: Some(Condition {
                    status: true,
                    since: Instant::ZERO,
                }),
                unschedulable: false,
                started: Some(Instant::ZERO),
                restarts: Restarts::default(),
            });
        }
        let mut hpas = Table::new();
        hpas.insert(Hpa {
            name: "web".to_owned(),
            namespace: "default".to_owned(),
            created: Instant::ZERO,
            owner: None,
            target,
            spec: Arc::new(Spec {
                min_replicas: 1,
                max_replicas: 100,
                metrics: vec![Metric {
                    source: Source::External {
                        name: "rps".to_owned(),
                        selector: None,
                    },
                    target: Target::AverageValue(Quantity::from_whole(100)),
                }],
                behavior: None,
            }),
            status: Status::default(),
        });
        let config = Config {
            profile: Profile::of(minor),
            resync_phase: Duration::from_secs(4),
            ..Config::default()
        };
        World {
            controller: Controller::new(config, &Streams::new(1)),
            api,
            hpas,
            agenda: Agenda::new(),
            value: Ok(vec![Quantity::from_whole(value)]),
            decisions: Vec::new(),
            meddle: None,
        }
    }

    /// The HPA comes at time zero.
    fn start(&mut self) {
        let mut out = Outbox::new();
        self.controller.start(&mut out);
        self.agenda.now_at(Input::Changed(HpaId(0)));
        self.perform(Instant::ZERO, &mut out);
    }

    fn run(&mut self, until: u64) {
        while self
            .agenda
            .next_due()
            .is_some_and(|due| due <= Instant::from_secs(until))
        {
            let (now, input) = self.agenda.pop().unwrap();
            let mut out = Outbox::new();
            let view = View {
                api: &self.api,
                hpas: &self.hpas,
            };
            self.controller.handle(now, input, view, &mut out);
            self.perform(now, &mut out);
        }
    }

    fn perform(&mut self, now: Instant, out: &mut Outbox<Input, Output>) {
        for action in out.drain() {
            match action {
                Action::WakeAt(at, input) => self.agenda.at(at, input),
                Action::Emit(Output::FetchMetric { hpa, .. }) => {
                    let reading = Reading::External(self.value.clone());
                    let answer = Input::Metric(hpa, reading);
                    self.agenda.after(Duration::from_millis(50), answer);
                    if let Some(replicas) = self.meddle.take() {
                        self.api.deployments.get_mut(DeploymentId(0)).unwrap().replicas = replicas;
                    }
                }
                Action::Emit(Output::PatchScale { target, replicas, .. }) => {
                    self.api.deployments.get_mut(target).unwrap().replicas = replicas;
                }
                Action::Emit(Output::UpdateStatus(id, status)) => {
                    self.hpas.get_mut(id).unwrap().status = *status;
                }
                Action::Emit(Output::Publish(decision)) => {
                    self.decisions.push((now.as_millis(), *decision));
                }
            }
        }
    }

    fn replicas(&self) -> i32 {
        self.api.deployments.get(DeploymentId(0)).unwrap().replicas
    }
}

#[test]
fn a_new_hpa_is_first_looked_at_one_period_later() {
    let mut world = World::new(35, 10, 2000);
    world.start();
    world.run(16);
    // 15 s, reading the scale, the metric, and writing the scale.
    assert_eq!(world.decisions[0].0, 15_065);
    assert_eq!(world.replicas(), 20);
    let decision = &world.decisions[0].1;
    assert_eq!(
        (decision.current, decision.proposal, decision.desired),
        (10, Some(20), 20)
    );
    assert_eq!(decision.reason, "external metric rps(nil) above target");
    let told = decision.metrics[0].result.unwrap();
    assert_eq!(
        (told.value, told.target),
        (200_000, 100_000),
        "thousandths of a request for each pod"
    );
}

#[test]
fn a_failing_metric_holds_and_a_target_at_zero_is_not_asked_for() {
    let mut world = World::new(35, 10, 0);
    world.value = Err(Failure::Unavailable);
    world.start();
    world.run(16);
    assert_eq!(world.decisions[0].1.branch, Branch::NoMetrics);
    let why = world.decisions[0].1.metrics[0].why.map(|why| why.to_string());
    assert_eq!(why.as_deref(), Some("the metrics API did not answer"));
    assert_eq!(
        world.decisions[0].1.scaling_active,
        Some(Reason::FailedGetExternalMetric)
    );
    world.api.deployments.get_mut(DeploymentId(0)).unwrap().replicas = 0;
    world.run(31);
    assert_eq!(world.decisions[1].1.branch, Branch::Disabled);
    assert_eq!(world.replicas(), 0);
}

#[test]
fn a_conflict_costs_a_retry_or_before_1_34_the_whole_period() {
    let after = |minor| {
        let mut world = World::new(minor, 10, 2000);
        world.meddle = Some(11);
        world.start();
        world.run(16);
        (world.replicas(), world.decisions[0].1.able_to_scale)
    };
    assert_eq!(after(34), (20, Reason::SucceededRescale));
    assert_eq!(after(33), (11, Reason::FailedUpdateScale));
}

#[test]
fn a_hold_at_the_edge_of_the_tolerance_could_tip() {
    let could_tip = |value| {
        let mut world = World::new(35, 10, value);
        world.start();
        world.run(16);
        world.decisions[0].1.could_tip
    };
    assert!(could_tip(1090));
    assert!(!could_tip(1050));
    assert!(could_tip(910));
    assert!(!could_tip(1200));
}

// (kubernetes 1.35 pkg/controller/podautoscaler/horizontal.go `deleteHPA`, `reconcileKey`)
#[test]
fn an_hpa_made_anew_before_its_turn_goes_on_where_the_old_one_was() {
    let replicas = |again: u64| {
        let mut world = World::new(35, 10, 2000);
        world.start();
        world.run(100);
        assert_eq!(world.replicas(), 20);
        world.value = Ok(vec![Quantity::from_whole(1000)]);
        world.api.deployments.get_mut(DeploymentId(0)).unwrap().replicas = 10;
        let old = world.hpas.remove(HpaId(0)).unwrap();
        world.agenda.at(Instant::from_secs(100), Input::Changed(HpaId(0)));
        world.run(again);
        let new = world.hpas.insert(Hpa {
            status: Status::default(),
            ..old
        });
        world.agenda.at(Instant::from_secs(again), Input::Changed(new));
        world.run(again + 60);
        assert!(world.decisions.last().unwrap().0 > again * 1000);
        world.replicas()
    };
    // What it recommended before holds for five minutes.
    assert_eq!(replicas(101), 20);
    // Its turn came, and that was forgotten.
    assert_eq!(replicas(130), 10);
}
