//! The component: which HPA is looked at when, and the steps of a look
//! (kubernetes 1.35 pkg/controller/podautoscaler/horizontal.go `processNextWorkItem`, `enqueueHPA`).

use std::sync::Arc;
use std::time::Duration;

use sim::{Component, Instant, Outbox, SortedMap, Streams};

use super::decision::Decision;
use super::history::History;
use super::metrics::{Scale, Surroundings};
use super::pods::{Initialization, PodView};
use super::queue::Queue;
use super::reading::Reading;
use super::reconcile::{Next, Sync};
use super::replica_calculator::Tolerances;
use super::selection;
use super::spec::{Hpa, Source, Spec};
use super::status::Status;
use super::version::Profile;
use crate::api::Api;
use crate::few::Few;
use crate::id::{DeploymentId, HpaId, Table};

/// Between two attempts to write a scale that meets conflicts (client-go 1.35 util/retry/util.go
/// `DefaultBackoff` without its jitter).
const CONFLICT_BACKOFF: Duration = Duration::from_millis(10);

/// The controller's flags, and how long its calls take.
#[derive(Debug, Clone)]
pub struct Config {
    /// `--horizontal-pod-autoscaler-sync-period`
    pub sync_period: Duration,
    /// `--concurrent-horizontal-pod-autoscaler-syncs`. EKS raises it with the control plane's size.
    pub workers: usize,
    /// `--horizontal-pod-autoscaler-tolerance`
    pub tolerance: f64,
    /// `--horizontal-pod-autoscaler-downscale-stabilization`
    pub downscale_stabilization: Duration,
    /// `--horizontal-pod-autoscaler-cpu-initialization-period`
    pub cpu_initialization_period: Duration,
    /// `--horizontal-pod-autoscaler-initial-readiness-delay`
    pub initial_readiness_delay: Duration,
    /// When the informer's first resync after time zero falls: the phase of the grid to which all HPAs
    /// lock. Less than the sync period.
    pub resync_phase: Duration,
    /// How long its calls to the API server take.
    pub calls: Calls,
    /// The same for HPAs of which it is different.
    pub calls_of: SortedMap<HpaId, Calls>,
    /// The release.
    pub profile: Profile,
}

impl Default for Config {
    /// Upstream's flags (kubernetes 1.35 pkg/controller/podautoscaler/config/v1alpha1/defaults.go
    /// `RecommendedDefaultHPAControllerConfiguration`). The durations of calls are estimates.
    fn default() -> Self {
        Config {
            sync_period: Duration::from_secs(15),
            workers: 5,
            tolerance: 0.1,
            downscale_stabilization: Duration::from_secs(300),
            cpu_initialization_period: Duration::from_secs(300),
            initial_readiness_delay: Duration::from_secs(30),
            resync_phase: Duration::ZERO,
            calls: Calls::default(),
            calls_of: SortedMap::new(),
            profile: Profile::default(),
        }
    }
}

/// How long the calls of a sync take, but for the metric queries, whose time is the cluster's matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Calls {
    /// Reading the scale.
    pub get_scale: Duration,
    /// Writing the scale.
    pub update_scale: Duration,
    /// Writing the status.
    pub update_status: Duration,
}

impl Default for Calls {
    /// Estimates.
    fn default() -> Self {
        Calls {
            get_scale: Duration::from_millis(5),
            update_scale: Duration::from_millis(10),
            update_status: Duration::from_millis(10),
        }
    }
}

/// What can happen to the HPA controller.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// An HPA was made, changed or removed. Its own status writes need not be told.
    Changed(HpaId),
    /// The answer to [`Output::FetchMetric`], after as long as the query took.
    Metric(HpaId, Reading),
    /// Alarm: the informer's resync. [`Controller::start`] asks for the first.
    Resync,
    /// Alarm: the first key of the work queue is due.
    Due,
    /// Alarm: a call of this HPA's sync has returned.
    Returned(HpaId),
}

/// What the HPA controller asks for.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Query one of spec.metrics, by position, and answer with [`Input::Metric`]. The worker waits.
    FetchMetric {
        /// Whose.
        hpa: HpaId,
        /// Which.
        metric: usize,
    },
    /// Write spec.replicas of the target.
    PatchScale {
        /// On whose account.
        hpa: HpaId,
        /// The target.
        target: DeploymentId,
        /// spec.replicas
        replicas: i32,
    },
    /// Write an HPA's status.
    UpdateStatus(HpaId, Box<Status>),
    /// What was decided and why.
    Publish(Box<Decision>),
}

/// What the HPA controller sees.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// Deployments and pods.
    pub api: &'a Api,
    /// HPAs.
    pub hpas: &'a Table<HpaId, Hpa>,
}

/// The HPA controller.
#[derive(Debug)]
pub struct Controller {
    config: Config,
    queue: Queue,
    /// Workers with nothing to do.
    idle: usize,
    /// What is remembered of each HPA, and its namespace and name: upstream's keys.
    known: SortedMap<HpaId, (Key, History)>,
    running: Few<HpaId, Run>,
    active: Active,
    /// The [`Input::Due`] that is set; any other is moot.
    alarm: Option<Instant>,
}

/// Namespace and name.
type Key = (String, String);

/// A worker's sync of one HPA.
#[derive(Debug)]
struct Run {
    stage: Stage,
    /// When the call under way returns; any other alarm is moot.
    returns: Instant,
    calls: Calls,
    target: DeploymentId,
    /// spec as it was when the sync began.
    spec: Arc<Spec>,
    /// status as it is to be.
    status: Status,
    scale: Scale,
    sync: Option<Sync>,
    conflicts: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    GetScale,
    Metric,
    WriteScale,
    WriteStatus,
}

type Out = Outbox<Input, Output>;

impl Component for Controller {
    type Input = Input;
    type Output = Output;
    type View<'a> = View<'a>;

    fn handle(&mut self, now: Instant, input: Input, view: View<'_>, out: &mut Out) {
        // What is due is taken before anything else is heard, a resync of the same instant above all.
        self.dispatch(now, view, out);
        match input {
            Input::Changed(id) => self.changed(now, id, view),
            Input::Metric(id, reading) => self.read(now, id, &reading, view, out),
            Input::Resync => {
                for id in self.known.keys().filter(|id| view.hpas.get(**id).is_some()) {
                    self.queue.add_rate_limited(now, *id);
                }
                out.wake_at(now + self.config.sync_period, Input::Resync);
            }
            Input::Due => {}
            Input::Returned(id) => self.returned(now, id, view, out),
        }
        self.dispatch(now, view, out);
        self.arm(now, out);
    }
}

impl Controller {
    /// A controller that knows of no HPA.
    #[must_use]
    pub fn new(config: Config, streams: &Streams) -> Self {
        Controller {
            queue: Queue::new(config.sync_period, streams.stream("hpa/queue", 0)),
            idle: config.workers,
            known: SortedMap::new(),
            running: Few::default(),
            active: Active::default(),
            alarm: None,
            config,
        }
    }

    /// What a metric of a sync under way is measured by: spec as it was when the sync began.
    #[must_use]
    pub fn source(&self, id: HpaId, metric: usize) -> Option<&Source> {
        let run = self.running.get(id)?;
        run.spec.metrics.get(metric).map(|metric| &metric.source)
    }

    /// Asks for the first resync. To be called once, before anything else.
    pub fn start(&self, out: &mut Out) {
        out.wake_at(Instant::ZERO + self.config.resync_phase, Input::Resync);
    }

    /// A new HPA is first looked at one period after it came. One that is gone is forgotten when its turn comes: until
    /// then one of the same name takes its turn, and what is remembered with it
    /// (kubernetes 1.35 pkg/controller/podautoscaler/horizontal.go `deleteHPA`, `reconcileKey`).
    fn changed(&mut self, now: Instant, id: HpaId, view: View<'_>) {
        let Some(hpa) = view.hpas.get(id) else { return };
        if !self.known.contains_key(&id) {
            let key = (hpa.namespace.clone(), hpa.name.clone());
            let mut gone = self
                .known
                .iter()
                .filter(|(old, _)| view.hpas.get(**old).is_none());
            let former = gone.find(|(_, (other, _))| *other == key).map(|(old, _)| *old);
            let former = former.and_then(|old| {
                self.queue.rename(old, id);
                self.known.remove(&old)
            });
            let (_, history) = former.unwrap_or_default();
            self.known.insert(id, (key, history));
        }
        self.queue.add_rate_limited(now, id);
    }

    /// Hands keys to idle workers.
    fn dispatch(&mut self, now: Instant, view: View<'_>, out: &mut Out) {
        self.queue.advance(now);
        while self.idle > 0
            && let Some(id) = self.queue.take()
        {
            match view.hpas.get(id) {
                None => {
                    self.known.remove(&id);
                    self.queue.done(id);
                }
                Some(hpa) => self.begin(now, id, hpa, out),
            }
        }
    }

    fn begin(&mut self, now: Instant, id: HpaId, hpa: &Hpa, out: &mut Out) {
        self.idle -= 1;
        let calls = self
            .config
            .calls_of
            .get(&id)
            .copied()
            .unwrap_or(self.config.calls);
        let run = Run {
            stage: Stage::GetScale,
            returns: now + calls.get_scale,
            calls,
            target: hpa.target,
            spec: hpa.spec.clone(),
            status: hpa.status.clone(),
            scale: Scale {
                spec_replicas: 0,
                status_replicas: 0,
            },
            sync: None,
            conflicts: 0,
        };
        out.wake_at(run.returns, Input::Returned(id));
        self.running.insert(id, run);
    }

    /// Sees to the alarm for the next key that is due.
    fn arm(&mut self, now: Instant, out: &mut Out) {
        let due = self.queue.next_due();
        let stands = self
            .alarm
            .is_some_and(|set| set > now && due.is_none_or(|due| due >= set));
        if !stands {
            self.alarm = due;
            if let Some(due) = due {
                out.wake_at(due, Input::Due);
            }
        }
    }

    fn returned(&mut self, now: Instant, id: HpaId, view: View<'_>, out: &mut Out) {
        let Some(run) = self.running.get_mut(id) else {
            return;
        };
        if run.returns != now {
            return;
        }
        match run.stage {
            Stage::GetScale => self.scale_read(now, id, view, out),
            Stage::WriteScale => self.scale_written(now, id, view, out),
            Stage::WriteStatus => {
                out.emit(Output::UpdateStatus(id, Box::new(run.status.clone())));
                self.end(now, id);
            }
            Stage::Metric => {}
        }
    }

    fn scale_read(&mut self, now: Instant, id: HpaId, view: View<'_>, out: &mut Out) {
        let Some(run) = self.running.get_mut(id) else {
            return;
        };
        let deployment = view.api.deployments.get(run.target);
        let scale = deployment.map(|object| Scale {
            spec_replicas: object.replicas,
            status_replicas: self.active.of(view.api, run.target),
        });
        let selection = deployment.map_or(selection::Selection::Own, |object| {
            selection::check(view, id, object)
        });
        run.scale = scale.unwrap_or(run.scale);
        let (history, profile) = (history(&mut self.known, id), &self.config.profile);
        let (sync, next) = Sync::begin(
            now,
            &run.spec,
            scale,
            selection,
            profile,
            history,
            &mut run.status,
        );
        run.sync = Some(sync);
        self.proceed(now, id, next, view, out);
    }

    fn read(&mut self, now: Instant, id: HpaId, reading: &Reading, view: View<'_>, out: &mut Out) {
        let config = &self.config;
        let Some(run) = self.running.get_mut(id).filter(|run| run.stage == Stage::Metric) else {
            return;
        };
        let Some(sync) = &mut run.sync else {
            return;
        };
        let target = view.api.deployments.get(run.target);
        let selected = target
            .filter(|_| sync.awaited(&run.spec).looks_at_pods())
            .map(|object| selection::pods(view.api, object))
            .unwrap_or_default();
        let pods: Vec<PodView<'_>> = selected.iter().map(|&(id, pod)| PodView::new(id, pod)).collect();
        let around = Surroundings {
            now,
            profile: &config.profile,
            tolerances: Tolerances::of(config.tolerance, run.spec.behavior.as_ref(), &config.profile),
            initialization: Initialization {
                cpu_period: config.cpu_initialization_period,
                readiness_delay: config.initial_readiness_delay,
            },
            scale: run.scale,
            pods: &pods,
        };
        let history = history(&mut self.known, id);
        let window = config.downscale_stabilization;
        let next = sync.reading(&around, &run.spec, reading, window, history, &mut run.status);
        self.proceed(now, id, next, view, out);
    }

    fn proceed(&mut self, now: Instant, id: HpaId, next: Next, view: View<'_>, out: &mut Out) {
        let Some(run) = self.running.get_mut(id) else {
            return;
        };
        match next {
            Next::FetchMetric(metric) => {
                run.stage = Stage::Metric;
                out.emit(Output::FetchMetric { hpa: id, metric });
            }
            Next::WriteScale(_) => {
                run.stage = Stage::WriteScale;
                run.returns = now + run.calls.update_scale;
                out.wake_at(run.returns, Input::Returned(id));
            }
            Next::Done => {
                publish(id, run, out);
                self.write_status(now, id, view, out);
            }
        }
    }

    /// A write meets a conflict if somebody else wrote spec.replicas since it was read.
    fn scale_written(&mut self, now: Instant, id: HpaId, view: View<'_>, out: &mut Out) {
        let Some(run) = self.running.get_mut(id) else {
            return;
        };
        let replicas = view.api.deployments.get(run.target).map(|object| object.replicas);
        let read = run.scale.spec_replicas;
        let conflict = replicas.is_some_and(|replicas| replicas != read && run.conflicts == 0);
        if conflict && run.conflicts < self.config.profile.conflict_retries {
            run.conflicts += 1;
            run.returns = now + CONFLICT_BACKOFF + run.calls.get_scale + run.calls.update_scale;
            out.wake_at(run.returns, Input::Returned(id));
            return;
        }
        let Some(sync) = &mut run.sync else {
            return;
        };
        let success = replicas.is_some() && !conflict;
        let history = history(&mut self.known, id);
        let window = self.config.downscale_stabilization;
        sync.written(now, success, &run.spec, window, history, &mut run.status);
        let wanted = sync.desired();
        publish(id, run, out);
        if success {
            out.emit(Output::PatchScale {
                hpa: id,
                target: run.target,
                replicas: wanted,
            });
        }
        self.write_status(now, id, view, out);
    }

    fn write_status(&mut self, now: Instant, id: HpaId, view: View<'_>, out: &mut Out) {
        let Some(run) = self.running.get_mut(id) else {
            return;
        };
        let changed = view.hpas.get(id).is_some_and(|hpa| hpa.status != run.status);
        if !changed {
            return self.end(now, id);
        }
        run.stage = Stage::WriteStatus;
        run.returns = now + run.calls.update_status;
        out.wake_at(run.returns, Input::Returned(id));
    }

    fn end(&mut self, now: Instant, id: HpaId) {
        self.running.remove(id);
        self.idle += 1;
        if self.known.contains_key(&id) {
            self.queue.add_rate_limited(now, id);
        }
        self.queue.done(id);
    }
}

/// status.replicas of each target, as the Deployment controller sums it up, and of which revisions of pods and
/// ReplicaSets it is the sum: most syncs find no change.
#[derive(Debug, Default)]
struct Active {
    counted: SortedMap<DeploymentId, ([u64; 2], i32)>,
}

impl Active {
    fn of(&mut self, api: &Api, target: DeploymentId) -> i32 {
        let revisions = [api.pods.revision(), api.replica_sets.revision()];
        let count = || {
            let pods = api.pods_of_deployment(target);
            let active = pods.filter(|(_, pod)| pod.is_active()).count();
            (revisions, i32::try_from(active).unwrap_or(i32::MAX))
        };
        let counted = self.counted.entry(target).or_insert_with(count);
        if counted.0 != revisions {
            *counted = count();
        }
        debug_assert_eq!(counted.1, count().1, "pods of {target:?}");
        counted.1
    }
}

/// What is remembered of an HPA.
fn history(known: &mut SortedMap<HpaId, (Key, History)>, id: HpaId) -> &mut History {
    &mut known.entry(id).or_default().1
}

/// A sync has come to its decision.
fn publish(id: HpaId, run: &mut Run, out: &mut Out) {
    if let Some(sync) = run.sync.take() {
        let decision = sync.decision(id, run.target, &run.status);
        out.emit(Output::Publish(Box::new(decision)));
    }
}
