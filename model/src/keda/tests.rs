//! Decisions by table, and the component in a small world.

use std::sync::Arc;
use std::time::Duration;

use sim::{Action, Agenda, Component, Instant, Outbox};

use super::executor::{Situation, Verdict, request_scale};
use super::fallback::{Metric, Reported, Target, metrics_with_fallback};
use super::health::{Record, Status};
use super::messages::{Answer, Config, Event, Input, Output, View};
use super::operator::Operator;
use super::spec::{
    Advanced, Fallback, FallbackBehavior, MetricType, Prometheus, ScaledObject, ScalingModifiers, Spec,
    Trigger, TriggerKind,
};
use super::version::Profile;
use super::{generated, scaler};
use crate::api::{Api, Deployment, LabelSelector, Labels, PodSpec, PodTemplate, Strategy};
use crate::hpa::{Hpa, Resource, Source, Target as HpaTarget};
use crate::id::{DeploymentId, HpaId, ScaledObjectId, Table};
use crate::quantity::Quantity;

fn prometheus(threshold: f64) -> Trigger {
    Trigger {
        name: Some("rps".to_owned()),
        use_cached_metrics: false,
        metric_type: MetricType::AverageValue,
        kind: TriggerKind::Prometheus(Prometheus {
            server_address: "http://prometheus:9090".to_owned(),
            query: "sum(rate(requests_total[2m]))".to_owned(),
            threshold,
            activation_threshold: 0.0,
            ignore_null_values: true,
            metric_name: None,
            timeout: None,
        }),
    }
}

pub(super) fn object(triggers: Vec<Trigger>) -> ScaledObject {
    ScaledObject {
        name: "web".to_owned(),
        namespace: "default".to_owned(),
        annotations: Labels::new(),
        created: Instant::ZERO,
        deleting: false,
        generation: 1,
        target: DeploymentId(0),
        spec: Spec {
            polling_interval: Duration::from_secs(30),
            cooldown_period: Duration::from_secs(300),
            initial_cooldown_period: Duration::ZERO,
            min_replica_count: None,
            max_replica_count: None,
            idle_replica_count: None,
            fallback: None,
            advanced: Advanced::default(),
            triggers,
        },
    }
}

fn fallback(replicas: i32) -> Option<Fallback> {
    Some(Fallback {
        failure_threshold: 2,
        replicas,
        behavior: FallbackBehavior::Static,
    })
}

/// What a poll at second 1000 does to an object edited by `edit`.
fn verdict(
    minor: u32,
    current: i32,
    (active, error): (bool, bool),
    last_active: Option<i64>,
    edit: impl FnOnce(&mut ScaledObject),
) -> Verdict {
    let mut object = object(vec![prometheus(10.0)]);
    edit(&mut object);
    let situation = Situation {
        now: 1_000_000_000_000,
        current,
        active,
        error,
        last_active,
        created: 900,
    };
    request_scale(&object, &Profile::of(minor), &situation)
}

fn annotate(object: &mut ScaledObject, name: &str, value: &str) {
    object
        .annotations
        .insert(format!("autoscaling.keda.sh/{name}"), value.to_owned());
}

#[test]
fn activation_goes_to_the_minimum_and_no_further() {
    let active = (true, false);
    let min = |min| move |object: &mut ScaledObject| object.spec.min_replica_count = Some(min);
    assert_eq!(verdict(20, 0, active, None, |_| {}), Verdict::Activate(1));
    assert_eq!(verdict(20, 0, active, None, min(3)), Verdict::Activate(3));
    assert_eq!(verdict(20, 2, active, None, min(3)), Verdict::Active);
    let idle = |object: &mut ScaledObject| {
        object.spec.idle_replica_count = Some(1);
        object.spec.min_replica_count = Some(3);
    };
    assert_eq!(verdict(20, 1, active, None, idle), Verdict::Activate(3));
    assert_eq!(verdict(20, 5, (true, true), None, |_| {}), Verdict::PartlyFailed);
}

#[test]
fn deactivation_waits_for_the_cooldown_in_whole_seconds() {
    let inactive = (false, false);
    let none = |_: &mut ScaledObject| {};
    assert_eq!(verdict(20, 7, inactive, Some(700), none), Verdict::CoolingDown);
    assert_eq!(verdict(20, 7, inactive, Some(699), none), Verdict::Deactivate(0));
    let initial = |object: &mut ScaledObject| object.spec.initial_cooldown_period = Duration::from_secs(100);
    assert_eq!(verdict(20, 7, inactive, None, initial), Verdict::CoolingDown);
    assert_eq!(verdict(13, 7, inactive, None, initial), Verdict::Deactivate(0));
    let idle = |object: &mut ScaledObject| {
        object.spec.idle_replica_count = Some(1);
        object.spec.min_replica_count = Some(3);
    };
    assert_eq!(verdict(20, 7, inactive, None, idle), Verdict::Deactivate(1));
    let min = |object: &mut ScaledObject| object.spec.min_replica_count = Some(3);
    assert_eq!(verdict(20, 7, inactive, None, min), Verdict::Inactive);
    assert_eq!(verdict(20, 2, inactive, None, min), Verdict::RaiseToMinimum(3));
}

#[test]
fn errors_freeze_or_fall_back_by_release() {
    let failed = (false, true);
    assert_eq!(verdict(20, 7, failed, None, |_| {}), Verdict::Failed);
    let five = |object: &mut ScaledObject| object.spec.fallback = fallback(5);
    assert_eq!(verdict(16, 7, failed, None, five), Verdict::Fallback(5));
    assert_eq!(verdict(17, 7, failed, None, five), Verdict::AwaitFallback);
    // A fallback to nothing is none: the target goes to zero.
    let zero = |object: &mut ScaledObject| object.spec.fallback = fallback(0);
    assert_eq!(verdict(20, 7, failed, Some(0), zero), Verdict::Deactivate(0));
}

#[test]
fn annotations_pause_what_they_name() {
    let active = (true, false);
    let with =
        |name: &'static str, value: &'static str| move |it: &mut ScaledObject| annotate(it, name, value);
    assert_eq!(
        verdict(12, 7, active, None, with("paused-replicas", "4")),
        Verdict::Paused(4)
    );
    assert_eq!(
        verdict(20, 7, active, None, with("paused-replicas", "4")),
        Verdict::Paused(7)
    );
    assert_eq!(
        verdict(18, 0, active, None, with("paused-scale-out", "true")),
        Verdict::ActivationPaused
    );
    assert_eq!(
        verdict(17, 0, active, None, with("paused-scale-out", "true")),
        Verdict::Activate(1)
    );
    let inactive = (false, false);
    assert_eq!(
        verdict(18, 7, inactive, None, with("paused-scale-in", "true")),
        Verdict::DeactivationPaused
    );
    assert_eq!(
        verdict(18, 0, inactive, None, with("force-activation", "true")),
        Verdict::Activate(1)
    );
}

#[test]
fn the_generated_hpa_has_a_metric_for_each_trigger_sorted_by_type() {
    let mut object = object(vec![
        Trigger {
            kind: TriggerKind::Resource {
                resource: Resource::Cpu,
                container: None,
                target: HpaTarget::AverageUtilization(60),
            },
            ..prometheus(1.0)
        },
        prometheus(6.749_999_999_999_999),
    ]);
    let spec = generated::hpa_spec(&object, &Profile::of(20));
    assert_eq!(
        (spec.min_replicas, spec.max_replicas, spec.behavior),
        (1, 100, None)
    );
    assert!(matches!(&spec.metrics[0].source, Source::External { name, .. } if name == "s1-prometheus"));
    assert_eq!(
        spec.metrics[0].target,
        HpaTarget::AverageValue(Quantity::from_milli(6750))
    );
    assert_eq!(spec.metrics[1].source, Source::Resource(Resource::Cpu));
    let old = generated::hpa_spec(&object, &Profile::of(11));
    assert!(
        matches!(&old.metrics[0].source, Source::External { name, .. } if name == "s1-prometheus-prometheus")
    );
    assert_eq!(
        old.metrics[0].target,
        HpaTarget::AverageValue(Quantity::from_milli(6749))
    );
    object.spec.advanced.scaling_modifiers = Some(ScalingModifiers {
        formula: "rps".to_owned(),
        target: 2.5,
        activation_target: 0.0,
        metric_type: MetricType::Value,
    });
    let composed = generated::hpa_spec(&object, &Profile::of(20)).metrics;
    assert_eq!(composed[0].source, Source::Resource(Resource::Cpu));
    assert!(
        matches!(&composed[1].source, Source::External { name, .. } if name == generated::COMPOSITE_METRIC)
    );
    assert_eq!(composed[1].target, HpaTarget::Value(Quantity::from_milli(2500)));
    // Without a target there is nothing to compose: each trigger keeps its metric.
    object.spec.advanced.scaling_modifiers.as_mut().unwrap().target = 0.0;
    assert_eq!(
        generated::hpa_spec(&object, &Profile::of(20)).metrics,
        spec.metrics
    );
}

#[test]
fn the_fallback_begins_after_more_failures_than_the_threshold() {
    let report = |minor: u32, metric_type, behavior, ready| {
        let mut object = object(vec![prometheus(2.5)]);
        object.spec.fallback = fallback(4).map(|it| Fallback { behavior, ..it });
        let metric = Metric {
            name: "s0-prometheus",
            metric_type,
            target: Quantity::from_milli(2500),
        };
        let (mut last, mut status) = (Reported::Failed, Status::default());
        let mut record = Record::of_server(&mut status);
        let (failed, target) = (Err(scaler::Error::Unavailable), Target { current: 6, ready });
        for _ in 0..3 {
            assert_eq!(last, Reported::Failed);
            last = metrics_with_fallback(&object, &Profile::of(minor), &mut record, &metric, failed, target);
        }
        last
    };
    let value = |milli| Reported::Fallback(Quantity::from_milli(milli));
    let (average, fixed) = (MetricType::AverageValue, FallbackBehavior::Static);
    assert_eq!(report(12, average, fixed, 0), value(10_000));
    assert_eq!(report(16, average, fixed, 0), value(8_000));
    assert_eq!(report(20, average, fixed, 0), value(10_000));
    assert_eq!(
        report(20, average, FallbackBehavior::CurrentReplicasIfHigher, 0),
        value(15_000)
    );
    assert_eq!(
        report(16, average, FallbackBehavior::CurrentReplicasIfHigher, 0),
        value(8_000)
    );
    assert_eq!(report(20, MetricType::Value, fixed, 8), value(1_250));
    assert_eq!(report(20, MetricType::Value, fixed, 0), Reported::Failed);
    assert_eq!(report(17, MetricType::Value, fixed, 8), Reported::Failed);
}

/// A Deployment, a ScaledObject, an API and a Prometheus that gives what it is told.
struct World {
    operator: Operator,
    api: Api,
    scaled_objects: Table<ScaledObjectId, ScaledObject>,
    hpas: Table<HpaId, Hpa>,
    agenda: Agenda<Input>,
    answer: Answer,
    latency: Duration,
    queries: Vec<(u64, i64)>,
    values: Vec<Option<i64>>,
    verdicts: Vec<(u64, Verdict)>,
    /// What was published last.
    told: Option<Event>,
}

impl World {
    fn new(minor: u32, replicas: i32, object: ScaledObject) -> Self {
        let mut api = Api::default();
        let template = PodTemplate {
            namespace: "default".to_owned(),
            labels: Labels::new(),
            annotations: Labels::new(),
            spec: PodSpec::default(),
        };
        api.deployments.insert(Deployment {
            name: "web".to_owned(),
            replicas,
            selector: LabelSelector::default(),
            strategy: Strategy::default(),
            min_ready: Duration::ZERO,
            template: Arc::new(template),
        });
        let mut scaled_objects = Table::new();
        let id = scaled_objects.insert(object);
        let mut agenda = Agenda::new();
        agenda.now_at(Input::Changed(id));
        World {
            operator: Operator::new(
                Config {
                    profile: Profile::of(minor),
                    epoch: "2026-01-01T00:00:00.7Z".parse().unwrap(),
                    ..Config::default()
                },
                true,
            ),
            api,
            scaled_objects,
            hpas: Table::new(),
            agenda,
            answer: Answer::Vector(vec![0.0]),
            latency: Duration::from_millis(20),
            queries: Vec::new(),
            values: Vec::new(),
            verdicts: Vec::new(),
            told: None,
        }
    }

    fn run(&mut self, until: u64) {
        let until = Instant::from_secs(until);
        while self.agenda.next_due().is_some_and(|due| due <= until) {
            let (now, input) = self.agenda.pop().unwrap();
            let mut out = Outbox::new();
            let view = View {
                api: &self.api,
                scaled_objects: &self.scaled_objects,
                hpas: &self.hpas,
            };
            self.operator.handle(now, input, view, &mut out);
            for action in out.drain() {
                self.perform(now, action);
            }
        }
    }

    fn perform(&mut self, now: Instant, action: Action<Input, Output>) {
        match action {
            Action::WakeAt(at, input) => self.agenda.at(at, input),
            Action::Emit(Output::Query {
                query,
                at_ms,
                timeout,
                ..
            }) => {
                self.queries.push((now.as_millis(), at_ms));
                let answer = match self.latency <= timeout {
                    true => self.answer.clone(),
                    false => Answer::Error,
                };
                self.agenda
                    .after(self.latency.min(timeout), Input::Answer(query, answer));
            }
            Action::Emit(Output::MetricValue { value, .. }) => {
                self.values.push(value.map(Quantity::milli));
            }
            Action::Emit(Output::ScaleTo { target, replicas, .. }) => {
                self.api.deployments.get_mut(target).unwrap().replicas = replicas;
            }
            Action::Emit(Output::CreateHpa(_, hpa)) => {
                self.hpas.insert(*hpa);
            }
            Action::Emit(Output::UpdateHpa(id, owner, target, spec)) => {
                let hpa = self.hpas.get_mut(id).unwrap();
                (hpa.owner, hpa.target, hpa.spec) = (Some(owner), target, spec);
            }
            Action::Emit(Output::Release(id)) => {
                self.scaled_objects.remove(id);
            }
            Action::Emit(Output::DeleteHpa(id)) => {
                self.hpas.remove(id);
            }
            Action::Emit(Output::Polled(_)) => {}
            Action::Emit(Output::Publish(event)) => {
                if let Event::Polled { verdict, .. } = *event {
                    self.verdicts.push((now.as_millis(), verdict));
                }
                self.told = Some(*event);
            }
        }
    }

    fn pull(&mut self) -> Option<i64> {
        let hpa = self.hpas.iter().next().unwrap().0;
        self.agenda.now_at(Input::MetricRequested { hpa, metric: 0 });
        let until = self.agenda.now().as_secs() + 8;
        self.run(until);
        *self.values.last().unwrap()
    }

    fn replicas(&self) -> i32 {
        self.api.deployments.get(DeploymentId(0)).unwrap().replicas
    }
}

#[test]
fn a_new_object_gets_its_hpa_and_polls_at_once_and_then_by_its_interval() {
    let mut world = World::new(20, 1, object(vec![prometheus(10.0)]));
    world.answer = Answer::Vector(vec![42.0]);
    world.run(61);
    assert_eq!(world.hpas.len(), 1);
    // At 50 ms the wall clock shows 0.75 s, which is cut.
    let first = 1_767_225_600_000;
    assert_eq!(
        world.queries,
        [(50, first), (30_050, first + 30_000), (60_050, first + 60_000)]
    );
    assert_eq!(world.pull(), Some(42_000));
}

#[test]
fn an_error_is_asked_for_twice_and_then_reported() {
    let mut world = World::new(20, 1, object(vec![prometheus(10.0)]));
    world.run(10);
    world.answer = Answer::Vector(vec![1.0, 2.0]);
    let before = world.queries.len();
    assert_eq!(world.pull(), None);
    assert_eq!(world.queries.len(), before + 2);
    let why = vec![(Arc::from("s0-prometheus"), scaler::Error::Multiple)];
    assert!(matches!(&world.told, Some(Event::Pulled { failures, .. }) if *failures == why));
    world.run(world.agenda.now().as_secs() + 40);
    assert!(matches!(&world.told, Some(Event::Polled { failures, .. }) if *failures == why));
}

#[test]
fn a_query_that_never_comes_back_times_out_twice() {
    let mut world = World::new(20, 1, object(vec![prometheus(10.0)]));
    world.run(10);
    world.latency = Duration::from_secs(600);
    let started = world.agenda.now();
    assert_eq!(world.pull(), None);
    assert_eq!(world.queries.last().unwrap().0, started.as_millis() + 3000);
}

#[test]
fn an_idle_target_goes_to_zero_and_wakes_up_again() {
    let mut world = World::new(20, 4, object(vec![prometheus(10.0)]));
    world.run(1);
    assert_eq!(world.replicas(), 0);
    world.answer = Answer::Vector(vec![5.0]);
    world.run(31);
    assert_eq!(world.replicas(), 1);
    world.answer = Answer::Vector(vec![0.0]);
    world.run(360);
    let names: Vec<Verdict> = world.verdicts.iter().map(|(_, verdict)| *verdict).collect();
    assert_eq!(
        names[..3],
        [Verdict::Deactivate(0), Verdict::Activate(1), Verdict::CoolingDown]
    );
    // Active last at 30.07 s, stored as whole seconds of the wall clock: the poll at 330.07 s is the first
    // that is more than 300 s later.
    assert_eq!(world.verdicts[11], (330_070, Verdict::Deactivate(0)));
}

// (kedacore/keda 2.20 apis/keda/v1alpha1/scaledobject_types.go `ScaledObjectStatus`)
#[test]
fn a_restart_forgets_the_loop_and_keeps_the_status() {
    let mut world = World::new(20, 4, object(vec![prometheus(10.0)]));
    let id = ScaledObjectId(0);
    let object = world.scaled_objects.get_mut(id).unwrap();
    object.spec.advanced.restore_to_original_replica_count = true;
    world.answer = Answer::Vector(vec![5.0]);
    world.run(31);
    world.answer = Answer::Vector(vec![0.0]);
    world.run(100);
    world.operator.restart();
    world.agenda.retain(|_| false);
    world.agenda.at(Instant::from_secs(120), Input::Changed(id));
    // Active last at 30.07 s: without lastActiveTime the first poll would deactivate.
    world.run(300);
    assert_eq!((world.hpas.len(), world.replicas()), (1, 4));
    world.run(360);
    assert_eq!(world.replicas(), 0);
    // Deleted while the operator is away: it finalizes the object when it is back.
    world.operator.restart();
    world.agenda.retain(|_| false);
    world.scaled_objects.get_mut(id).unwrap().deleting = true;
    world.agenda.at(Instant::from_secs(400), Input::Changed(id));
    world.run(401);
    assert_eq!(world.hpas.len() + world.scaled_objects.len(), 0);
    assert_eq!(world.replicas(), 4);
}

// (kedacore/keda 2.20 controllers/keda/hpa.go `updateHPAIfNeeded`)
#[test]
fn an_hpa_of_the_name_that_nobody_owns_is_taken_over() {
    let mut object = object(vec![prometheus(10.0)]);
    object.spec.advanced.hpa_name = Some("own".to_owned());
    let mut made = generated::hpa(ScaledObjectId(0), &object, &Profile::of(20), Instant::ZERO);
    (made.owner, made.name) = (None, "own".to_owned());
    let mut world = World::new(20, 1, object);
    world.hpas.insert(made);
    world.run(10);
    let owners: Vec<_> = world.hpas.iter().map(|(_, hpa)| hpa.owner).collect();
    assert_eq!(owners, [Some(ScaledObjectId(0))]);
}

#[test]
fn pausing_takes_the_hpa_away_and_resuming_makes_another() {
    let mut world = World::new(20, 4, object(vec![prometheus(10.0)]));
    world.answer = Answer::Vector(vec![42.0]);
    world.run(10);
    let id = ScaledObjectId(0);
    let object = world.scaled_objects.get_mut(id).unwrap();
    annotate(object, "paused-replicas", "2");
    world.agenda.now_at(Input::Changed(id));
    world.run(60);
    assert_eq!((world.hpas.len(), world.replicas()), (0, 2));
    let polls = world.queries.len();
    world.scaled_objects.get_mut(id).unwrap().annotations.clear();
    world.agenda.now_at(Input::Changed(id));
    world.run(50);
    assert_eq!(world.hpas.len(), 1);
    assert_eq!(world.queries.len(), polls + 1);
}

// (kedacore/keda 2.19 pkg/scaling/executor/scale_scaledobjects.go `RequestScale`)
#[test]
fn before_2_20_the_scale_loop_sets_the_paused_replicas_and_ends() {
    let mut object = object(vec![prometheus(10.0)]);
    annotate(&mut object, "paused-replicas", "2");
    let mut world = World::new(19, 4, object);
    world.answer = Answer::Vector(vec![42.0]);
    world.run(1);
    assert_eq!((world.hpas.len(), world.replicas()), (0, 2));
    world.run(100);
    assert_eq!(world.queries.len(), 1);
}

#[test]
fn pulls_and_polls_that_overlap_are_answered_each_for_itself() {
    let mut world = World::new(20, 1, object(vec![prometheus(10.0)]));
    world.answer = Answer::Vector(vec![5.0]);
    world.run(10);
    // The next poll is at 30.05 s.
    world.latency = Duration::from_millis(2500);
    for millis in [29_000, 31_000] {
        let input = Input::MetricRequested {
            hpa: HpaId(0),
            metric: 0,
        };
        world.agenda.at(Instant::from_millis(millis), input);
    }
    world.run(40);
    assert_eq!(world.values, [Some(5_000), Some(5_000)]);
    assert_eq!(world.verdicts.len(), 2);
}

#[test]
fn cached_metrics_are_those_of_the_last_poll() {
    let trigger = Trigger {
        use_cached_metrics: true,
        ..prometheus(10.0)
    };
    let mut world = World::new(20, 1, object(vec![trigger]));
    world.answer = Answer::Vector(vec![5.0]);
    world.run(10);
    world.answer = Answer::Vector(vec![9.0]);
    assert_eq!(world.pull(), Some(5_000));
    assert!(matches!(&world.told, Some(Event::Pulled { cached: true, .. })));
    world.run(40);
    assert_eq!(world.pull(), Some(9_000));
}

#[test]
fn before_2_18_a_behavior_has_no_tolerance() {
    let mut object = object(vec![prometheus(10.0)]);
    let behavior = object.spec.advanced.behavior.get_or_insert_default();
    for rules in [&mut behavior.scale_up, &mut behavior.scale_down] {
        rules.tolerance = Some(Quantity::from_milli(50));
    }
    let kept = |minor| {
        let spec = generated::hpa_spec(&object, &Profile::of(minor));
        let behavior = spec.behavior.expect("it is written");
        [behavior.scale_up, behavior.scale_down].map(|rules| rules.tolerance.is_some())
    };
    assert_eq!(kept(17), [false; 2]);
    assert_eq!(kept(18), [true; 2]);
}

#[test]
fn scaling_modifiers_compose_all_triggers() {
    let second = Trigger {
        name: Some("queue".to_owned()),
        ..prometheus(10.0)
    };
    let mut object = object(vec![prometheus(10.0), second]);
    object.spec.advanced.scaling_modifiers = Some(ScalingModifiers {
        formula: "rps > 3 ? rps + queue : 1".to_owned(),
        target: 2.0,
        activation_target: 1.0,
        metric_type: MetricType::AverageValue,
    });
    let mut world = World::new(20, 1, object);
    world.answer = Answer::Vector(vec![4.0]);
    world.run(10);
    assert_eq!(world.pull(), Some(8_000));
    assert_eq!(world.verdicts[0].1, Verdict::Active);
    world.answer = Answer::Vector(vec![2.0]);
    world.run(40);
    // 1 is not above the activation target.
    assert_eq!(world.verdicts.last().unwrap().1, Verdict::CoolingDown);
}

#[test]
fn polls_count_failures_from_2_19_on() {
    let failing = |minor| {
        let mut object = object(vec![prometheus(10.0)]);
        object.spec.fallback = fallback(6);
        object.spec.min_replica_count = Some(1);
        let mut world = World::new(minor, 1, object);
        world.answer = Answer::Error;
        world.run(95);
        world.pull()
    };
    assert_eq!(failing(19), Some(60_000));
    assert_eq!(failing(18), None);
}

/// What a pull gets of the formula over two triggers that only ever fail.
fn composite(minor: u32, formula: &str, edit: impl FnOnce(&mut ScaledObject)) -> Option<i64> {
    let second = Trigger {
        name: Some("queue".to_owned()),
        ..prometheus(10.0)
    };
    let mut object = object(vec![prometheus(10.0), second]);
    object.spec.min_replica_count = Some(1);
    object.spec.advanced.scaling_modifiers = Some(ScalingModifiers {
        formula: formula.to_owned(),
        target: 2.0,
        activation_target: 0.0,
        metric_type: MetricType::AverageValue,
    });
    edit(&mut object);
    let mut world = World::new(minor, 1, object);
    world.answer = Answer::Error;
    world.run(95);
    world.pull()
}

#[test]
fn a_stored_fallback_is_found_by_no_formula() {
    let cached = |behavior| {
        move |object: &mut ScaledObject| {
            object.spec.fallback = Some(Fallback {
                failure_threshold: 0,
                replicas: 3,
                behavior,
            });
            for trigger in &mut object.spec.triggers {
                trigger.use_cached_metrics = true;
            }
        }
    };
    assert_eq!(
        composite(20, "rps + queue", cached(FallbackBehavior::Static)),
        None
    );
    // Nil was stored as -1.
    let nil = cached(FallbackBehavior::ScalingModifiers);
    assert_eq!(composite(20, "rps ?? queue", nil), Some(-1_000));
}

#[test]
fn before_2_14_the_hpa_adds_up_what_has_fallen_back() {
    let fall = |object: &mut ScaledObject| object.spec.fallback = fallback(3);
    // The third pull is the first beyond the threshold; both fall back to 3 x 10 then.
    assert_eq!(composite(13, "rps + queue", fall), None);
    let at_once = |object: &mut ScaledObject| {
        object.spec.fallback = fallback(3);
        object
            .spec
            .fallback
            .as_mut()
            .expect("set above")
            .failure_threshold = 0;
    };
    assert_eq!(composite(13, "rps + queue", at_once), Some(60_000));
    assert_eq!(composite(14, "rps + queue", at_once), Some(6_000));
}

#[test]
fn before_2_13_a_behavior_that_is_taken_away_stays_in_the_hpa() {
    let stays = |minor| {
        let mut own = object(vec![prometheus(10.0)]);
        own.spec.advanced.behavior = Some(Default::default());
        let mut world = World::new(minor, 4, own);
        world.run(10);
        *world.scaled_objects.get_mut(ScaledObjectId(0)).unwrap() = object(vec![prometheus(10.0)]);
        world.agenda.now_at(Input::Changed(ScaledObjectId(0)));
        world.run(20);
        world.hpas.iter().all(|(_, hpa)| hpa.spec.behavior.is_some())
    };
    assert!(stays(12) && !stays(13));
}
