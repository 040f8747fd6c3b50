//! The component: reconciles, polls, pulls.
//!
//! A ScaledObject's scale loop polls its triggers and lets the executor act on what they say; the HPA
//! pulls its metrics whenever it likes. Both run evaluations of triggers, which wait for Prometheus, so
//! each is a [`Task`] that goes on when an answer comes.

use std::mem;

use sim::{Component, Instant, Outbox, SortedMap};

use super::annotation;
use super::executor::{self, Situation, Verdict};
use super::generated;
use super::health::Scalers;
use super::messages::{Answer, Config, Event, Input, Output, QueryId, View};
use super::spec::{ScaledObject, TriggerKind};
use super::state::State;
use super::task::{Evaluation, Purpose, Task};
use super::version::Profile;
use super::{evaluation, scaler};
use crate::few::Few;
use crate::hpa::Source;
use crate::id::{DeploymentId, HpaId, ScaledObjectId};

type Out = Outbox<Input, Output>;

const NANOS: u64 = 1_000_000_000;

/// KEDA's operator and metrics adapter.
#[derive(Debug)]
pub struct Operator {
    config: Config,
    /// Whether polls and pulls are published; what is written always is.
    publishes: bool,
    /// The wall clock at time zero: whole seconds of the Unix epoch, cut, and the nanoseconds beyond them.
    epoch: (i64, u64),
    objects: SortedMap<ScaledObjectId, State>,
    tasks: Few<u32, Task>,
    next_task: u32,
    /// Which task's which evaluation each query is for.
    queries: Few<QueryId, (u32, usize)>,
    next_query: u32,
}

impl Component for Operator {
    type Input = Input;
    type Output = Output;
    type View<'a> = View<'a>;

    fn handle(&mut self, now: Instant, input: Input, view: View<'_>, out: &mut Out) {
        match input {
            Input::Changed(id) => self.changed(now, id, view, out),
            Input::Reconcile(id) => self.reconcile(now, id, view, out),
            Input::Poll(id) => self.timer(now, id, view, out),
            Input::MetricRequested { hpa, metric } => self.pull(now, hpa, metric, view, out),
            Input::Answer(query, answer) => self.answer(now, query, &answer, view, out),
        }
    }
}

impl Operator {
    /// An operator that knows of no object.
    #[must_use]
    pub fn new(config: Config, publishes: bool) -> Self {
        let epoch = config.epoch.as_nanosecond();
        let second = i128::from(NANOS);
        Operator {
            config,
            publishes,
            epoch: (epoch.div_euclid(second) as i64, epoch.rem_euclid(second) as u64),
            objects: SortedMap::new(),
            tasks: Few::default(),
            next_task: 0,
            queries: Few::default(),
            next_query: 0,
        }
    }

    /// The process starts again: what it only remembered is gone, what it wrote into the objects' status is not
    /// (apis/keda/v1alpha1/scaledobject_types.go `ScaledObjectStatus`).
    pub fn restart(&mut self) {
        self.tasks = Few::default();
        self.queries = Few::default();
        for state in self.objects.values_mut() {
            state.process_ended();
        }
    }

    /// The objects that have KEDA's finalizer (controllers/keda/scaledobject_finalizer.go `ensureFinalizer`).
    pub fn held(&self) -> impl Iterator<Item = ScaledObjectId> {
        self.objects.keys().copied()
    }

    /// The wall clock in nanoseconds of the Unix epoch.
    fn wall(&self, now: Instant) -> i128 {
        i128::from(self.epoch.0) * i128::from(NANOS) + i128::from(self.epoch.1 + now.as_nanos())
    }

    /// In whole seconds, cut.
    fn wall_seconds(&self, now: Instant) -> i64 {
        self.epoch.0 + ((self.epoch.1 + now.as_nanos()) / NANOS) as i64
    }

    fn changed(&mut self, now: Instant, id: ScaledObjectId, view: View<'_>, out: &mut Out) {
        let delay = self.config.reconcile;
        if let Some(object) = view.scaled_objects.get(id) {
            let profile = &self.config.profile;
            self.objects
                .entry(id)
                .or_insert_with(|| State::new(object, profile));
        }
        // One that waits for its target does not keep a change waiting.
        if let Some(state) = self.objects.get_mut(&id)
            && state.reconcile.is_none_or(|at| at > now + delay)
        {
            state.reconcile = Some(now + delay);
            out.wake_at(now + delay, Input::Reconcile(id));
        }
    }

    /// Brings HPA and scale loop in line with the object (controllers/keda/scaledobject_controller.go
    /// `reconcileScaledObject`).
    fn reconcile(&mut self, now: Instant, id: ScaledObjectId, view: View<'_>, out: &mut Out) {
        let Some(state) = self
            .objects
            .get_mut(&id)
            .filter(|state| state.reconcile == Some(now))
        else {
            return;
        };
        state.reconcile = None;
        let hpa = view.hpas.iter().find(|(_, hpa)| hpa.owner == Some(id));
        let hpa = hpa.or_else(|| {
            // An HPA of that name that is nobody's is taken over (controllers/keda/hpa.go `updateHPAIfNeeded`).
            let object = view.scaled_objects.get(id).filter(|object| !object.deleting)?;
            let name = generated::hpa_name(&object.name, &object.spec);
            let mut free = view.hpas.iter().filter(|(_, hpa)| hpa.owner.is_none());
            free.find(|(_, hpa)| hpa.name == name && hpa.namespace == object.namespace)
        });
        let Some(object) = view.scaled_objects.get(id) else {
            return self.finalize(id, hpa.map(|(id, _)| id), view, out);
        };
        let profile = &self.config.profile;
        if object.deleting {
            state.restart(object, profile);
            self.finalize(id, hpa.map(|(id, _)| id), view, out);
            return out.emit(Output::Release(id));
        }
        if must_stop(object, state, profile) {
            if profile.pause_by_reconciler
                && let Some(paused) = annotation::paused_replicas(object)
                && paused != replicas(view, object.target)
            {
                scale_to(id, object.target, paused, executor::PAUSED, view, out);
            }
            state.stopped = true;
            self.stop(id);
            return delete(hpa.map(|(id, _)| id), executor::PAUSED, out);
        }
        state.paused_replicas_set &= annotation::paused_replicas(object).is_some();
        match view.api.deployments.get(object.target) {
            Some(target) => state.found(target.replicas),
            None if state.original.is_none() => {
                let retry = state.back_off();
                state.reconcile = Some(now + retry);
                out.wake_at(now + retry, Input::Reconcile(id));
                let scaled_object = id;
                return out.emit(Output::Publish(Box::new(Event::TargetMissing {
                    scaled_object,
                    retry,
                })));
            }
            None => {}
        }
        state.needs_scalers(object, profile);
        let wanted = generated::hpa(id, object, profile, now);
        let restart = match hpa {
            Some((_, old)) if old.name == wanted.name => {
                let (hpa, old) = hpa.expect("matched above");
                let changed = state.generation != object.generation;
                let differs = match profile.removals_reach_hpa {
                    true => old.spec != wanted.spec,
                    false => !generated::has_all(&old.spec, &wanted.spec),
                };
                let target = wanted.target;
                if differs || old.target != target || old.owner.is_none() {
                    let reason = match changed {
                        true => "the ScaledObject has changed",
                        false => "it was not as the ScaledObject has it",
                    };
                    let spec = wanted.spec;
                    out.emit(Output::Publish(Box::new(Event::HpaUpdated {
                        hpa,
                        target,
                        spec: spec.clone(),
                        reason,
                    })));
                    out.emit(Output::UpdateHpa(hpa, id, target, spec));
                }
                changed || !state.looping
            }
            other => {
                let renamed = "the ScaledObject names it otherwise now";
                let reason = match (mem::take(&mut state.stopped), other.is_some(), state.looping) {
                    (true, ..) => "paused no more",
                    (_, true, _) => renamed,
                    (_, _, true) => "it was gone",
                    (_, _, false) => "the ScaledObject is new",
                };
                delete(other.map(|(id, _)| id), renamed, out);
                out.emit(Output::Publish(Box::new(Event::HpaCreated {
                    name: wanted.name.clone(),
                    spec: wanted.spec.clone(),
                    reason,
                })));
                out.emit(Output::CreateHpa(id, Box::new(wanted)));
                true
            }
        };
        if restart {
            self.stop(id);
            if let Some(state) = self.objects.get_mut(&id) {
                state.restart(object, &self.config.profile);
            }
            self.check(now, id, view, out);
        }
    }

    /// The object is gone: its HPA goes with it (controllers/keda/scaledobject_finalizer.go
    /// `finalizeScaledObject`).
    fn finalize(&mut self, id: ScaledObjectId, hpa: Option<HpaId>, view: View<'_>, out: &mut Out) {
        self.stop(id);
        delete(hpa, "the ScaledObject is gone", out);
        if let Some(state) = self.objects.remove(&id)
            && let Some(original) = state.restore
            && view.api.deployments.get(state.target).is_some()
        {
            let reason = "the ScaledObject is gone: as it was before it";
            scale_to(id, state.target, original, reason, view, out);
        }
    }

    /// Stops the scale loop and forgets what only it knows.
    fn stop(&mut self, id: ScaledObjectId) {
        if let Some(state) = self.objects.get_mut(&id) {
            // A loop that ends takes the scalers cache with it; what a first reconcile has made stays.
            if mem::replace(&mut state.looping, false) {
                state.scalers.clear();
            }
            state.cached.clear();
            if let Some(task) = state.checking.take() {
                self.tasks.remove(task);
            }
            state.overdue = false;
        }
    }

    /// The scale loop's timer was armed before the check, so a check that takes longer is followed by the
    /// next one at once (pkg/scaling/scale_handler.go `startScaleLoop`).
    fn timer(&mut self, now: Instant, id: ScaledObjectId, view: View<'_>, out: &mut Out) {
        let Some(state) = self
            .objects
            .get_mut(&id)
            .filter(|state| state.looping && state.timer == now)
        else {
            return;
        };
        if state.checking.is_some() {
            state.overdue = true;
        } else {
            self.check(now, id, view, out);
        }
    }

    fn check(&mut self, now: Instant, id: ScaledObjectId, view: View<'_>, out: &mut Out) {
        let Some(object) = view.scaled_objects.get(id) else {
            return;
        };
        let profile = &self.config.profile;
        let Some(state) = self.objects.get_mut(&id) else {
            return;
        };
        state
            .scalers
            .need(object.generation, || Scalers::OfLoop(object.generation));
        let triggers = state.external_triggers(object, profile);
        let evaluations = triggers
            .map(|(index, name)| Evaluation::new(index, name.clone()))
            .collect();
        let task = self.next_task;
        self.next_task += 1;
        state.looping = true;
        state.overdue = false;
        state.checking = Some(task);
        state.timer = now + object.spec.polling_interval;
        out.wake_at(state.timer, Input::Poll(id));
        self.tasks.insert(task, Task::new(id, Purpose::Poll, evaluations));
        self.advance(now, task, view, out);
    }

    /// The HPA controller asks (pkg/scaling/scale_handler.go `GetScaledObjectMetrics`).
    fn pull(&mut self, now: Instant, hpa: HpaId, metric: usize, view: View<'_>, out: &mut Out) {
        let refused = Output::MetricValue {
            hpa,
            metric,
            value: None,
            kept: false,
        };
        let asked = view.hpas.get(hpa).and_then(|object| {
            let Source::External { name, .. } = &object.spec.metrics.get(metric)?.source else {
                return None;
            };
            Some((object.owner?, name.as_str()))
        });
        let Some((id, name)) = asked else {
            return out.emit(refused);
        };
        let (Some(object), Some(state)) = (view.scaled_objects.get(id), self.objects.get_mut(&id)) else {
            return out.emit(refused);
        };
        let composite = name == generated::COMPOSITE_METRIC && state.formula.is_some();
        let mut evaluations: Vec<Evaluation> = state
            .external_triggers(object, &self.config.profile)
            .filter(|(_, own)| composite || ***own == *name)
            .map(|(index, own)| Evaluation::new(index, own.clone()))
            .collect();
        for evaluation in &mut evaluations {
            if object.spec.triggers[evaluation.trigger].use_cached_metrics {
                evaluation.recall(state.cached.get(&evaluation.name));
            }
        }
        if evaluations.is_empty() {
            return out.emit(refused);
        }
        if matches!(state.scalers, Scalers::Absent) {
            state.needs_scalers(object, &self.config.profile);
        }
        let task = self.next_task;
        self.next_task += 1;
        let purpose = Purpose::Pull {
            hpa,
            metric,
            composite,
        };
        self.tasks.insert(task, Task::new(id, purpose, evaluations));
        self.advance(now, task, view, out);
    }

    /// Starts what can be started: all evaluations at once, or one after the other.
    fn advance(&mut self, now: Instant, id: u32, view: View<'_>, out: &mut Out) {
        while let Some(task) = self.tasks.get(id) {
            let parallel = self.config.profile.parallel_triggers;
            match task.next_to_start(parallel) {
                Some(index) => self.start(now, id, index, view, out),
                None if task.is_done() => return self.finish(now, id, view, out),
                None => return,
            }
        }
    }

    fn start(&mut self, now: Instant, id: u32, index: usize, view: View<'_>, out: &mut Out) {
        let seconds = self.wall_seconds(now);
        let Some(task) = self.tasks.get_mut(id) else {
            return;
        };
        let evaluation = &mut task.evaluations[index];
        let trigger = view
            .scaled_objects
            .get(task.object)
            .and_then(|object| object.spec.triggers.get(evaluation.trigger));
        match trigger.map(|trigger| &trigger.kind) {
            Some(TriggerKind::Prometheus(metadata)) => {
                let query = QueryId(self.next_query);
                self.next_query += 1;
                evaluation.running = true;
                self.queries.insert(query, (id, index));
                let own = metadata.timeout.filter(|_| self.config.profile.trigger_timeout);
                out.emit(Output::Query {
                    query,
                    scaled_object: task.object,
                    trigger: evaluation.trigger,
                    at_ms: seconds * 1000,
                    timeout: own.unwrap_or(self.config.http_timeout),
                });
            }
            Some(TriggerKind::Cron(metadata)) => {
                let profile = &self.config.profile;
                task.set(index, scaler::cron(metadata, seconds, profile), profile);
            }
            // The object has changed under the task: as good as no answer.
            Some(TriggerKind::Resource { .. }) | None => {
                task.set(index, Err(scaler::Error::Unavailable), &self.config.profile);
            }
        }
    }

    /// Any error is answered by building the scaler anew and asking once more
    /// (pkg/scaling/cache/scalers_cache.go `GetMetricsAndActivityForScaler`).
    fn answer(&mut self, now: Instant, query: QueryId, answer: &Answer, view: View<'_>, out: &mut Out) {
        let Some((id, index)) = self.queries.remove(query) else {
            return;
        };
        let Some(task) = self.tasks.get_mut(id) else {
            return;
        };
        let evaluation = &mut task.evaluations[index];
        evaluation.running = false;
        let trigger = view
            .scaled_objects
            .get(task.object)
            .and_then(|object| object.spec.triggers.get(evaluation.trigger));
        let reading = match trigger.map(|trigger| &trigger.kind) {
            Some(TriggerKind::Prometheus(metadata)) => {
                scaler::prometheus(metadata, answer, &self.config.profile)
            }
            _ => Err(scaler::Error::Unavailable),
        };
        if reading.is_err() && !evaluation.retried {
            evaluation.retried = true;
        } else {
            task.set(index, reading, &self.config.profile);
        }
        self.advance(now, id, view, out);
    }

    fn finish(&mut self, now: Instant, id: u32, view: View<'_>, out: &mut Out) {
        let Some(task) = self.tasks.remove(id) else {
            return;
        };
        let object = view.scaled_objects.get(task.object);
        let state = self.objects.get_mut(&task.object);
        let (Some(object), Some(state)) = (object, state) else {
            if let Purpose::Pull { hpa, metric, .. } = task.purpose {
                out.emit(Output::MetricValue {
                    hpa,
                    metric,
                    value: None,
                    kept: false,
                });
            }
            return;
        };
        let profile = &self.config.profile;
        match task.purpose {
            Purpose::Pull {
                hpa,
                metric,
                composite,
            } => {
                let pulled = evaluation::pulled(object, state, &task, composite, profile, view.api);
                let kept = task.evaluations.iter().any(|one| one.cached);
                out.emit(Output::MetricValue {
                    hpa,
                    metric,
                    value: pulled.value,
                    kept,
                });
                if !self.publishes {
                    return;
                }
                let name = match composite {
                    true => generated::COMPOSITE_METRIC.into(),
                    false => task.evaluations[0].name.clone(),
                };
                out.emit(Output::Publish(Box::new(Event::Pulled {
                    scaled_object: task.object,
                    metric: name,
                    value: pulled.value,
                    fallback: pulled.fallback,
                    cached: kept,
                    failures: task.failures(),
                })));
            }
            Purpose::Poll => {
                state.checking = None;
                out.emit(Output::Polled(task.object));
                self.polled(now, object, &task, view, out);
            }
        }
    }

    /// A poll has its readings: act (pkg/scaling/scale_handler.go `checkScalers`), unless the target is gone
    /// (pkg/scaling/executor/scale_scaledobjects.go `RequestScale`).
    fn polled(&mut self, now: Instant, object: &ScaledObject, task: &Task, view: View<'_>, out: &mut Out) {
        let id = task.object;
        let (wall, seconds) = (self.wall(now), self.wall_seconds(now));
        let created = self.wall_seconds(object.created);
        let delay = self.config.reconcile;
        let profile = &self.config.profile;
        let Some(state) = self.objects.get_mut(&id) else {
            return;
        };
        let polled = evaluation::polled(object, state, task, profile, view.api);
        let current = replicas(view, object.target);
        if !polled.broken && view.api.deployments.get(object.target).is_some() {
            let situation = Situation {
                now: wall,
                current,
                active: polled.active,
                error: polled.error,
                last_active: state.last_active,
                created,
            };
            let verdict = executor::request_scale(object, profile, &situation);
            if verdict.refreshes_last_active() {
                state.last_active = Some(seconds);
            }
            if self.publishes {
                let values = task.evaluations.iter().map(|one| (one.name.clone(), one.raw));
                out.emit(Output::Publish(Box::new(Event::Polled {
                    scaled_object: id,
                    current,
                    values: values.collect(),
                    failures: task.failures(),
                    active: polled.active,
                    error: polled.error,
                    verdict,
                })));
            }
            if let Some(replicas) = verdict.replicas().filter(|replicas| *replicas != current) {
                scale_to(id, object.target, replicas, verdict.reason(), view, out);
            }
            // The status written here wakes the reconciler: it stops the loop, or finds Ready true again
            // (kedacore/keda 2.20 controllers/keda/util/predicate.go `ScaleObjectReadyConditionPredicate`).
            let pauses = matches!(verdict, Verdict::Paused(_)) && !state.paused_replicas_set;
            state.paused_replicas_set |= pauses;
            let was_ready = mem::replace(&mut state.ready, verdict.leaves_ready());
            let recovers = profile.polls_count_failures && state.ready && !was_ready;
            if (pauses || recovers) && state.reconcile.is_none() {
                state.reconcile = Some(now + delay);
                out.wake_at(now + delay, Input::Reconcile(id));
            }
        }
        if state.overdue {
            self.check(now, id, view, out);
        }
    }
}

/// Whether an annotation stops the scale loop and takes the HPA away.
fn must_stop(object: &ScaledObject, state: &State, profile: &Profile) -> bool {
    let replicas = annotation::paused_replicas(object).is_some();
    // Before 2.20 the loop goes on until it has set the replicas.
    let reached = profile.pause_by_reconciler || state.paused_replicas_set;
    match replicas {
        true => profile.pause_deletes_hpa && reached,
        false => annotation::is_paused(object, profile),
    }
}

/// spec.replicas of a target; 0 if there is none.
fn replicas(view: View<'_>, target: DeploymentId) -> i32 {
    view.api
        .deployments
        .get(target)
        .map_or(0, |object| object.replicas)
}

fn scale_to(
    scaled_object: ScaledObjectId,
    target: DeploymentId,
    wanted: i32,
    reason: &'static str,
    view: View<'_>,
    out: &mut Out,
) {
    let Some(object) = view.api.deployments.get(target) else {
        return;
    };
    out.emit(Output::Publish(Box::new(Event::Scaled {
        target,
        current: object.replicas,
        replicas: wanted,
        reason,
    })));
    out.emit(Output::ScaleTo {
        scaled_object,
        target,
        replicas: wanted,
    });
}

fn delete(hpa: Option<HpaId>, reason: &'static str, out: &mut Out) {
    if let Some(hpa) = hpa {
        out.emit(Output::Publish(Box::new(Event::HpaDeleted { hpa, reason })));
        out.emit(Output::DeleteHpa(hpa));
    }
}
