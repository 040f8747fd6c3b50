//! What KEDA remembers of a ScaledObject.

use std::sync::Arc;
use std::time::Duration;

use sim::{Instant, SortedMap};

use super::formula::{Error, Formula};
use super::health::{Scalers, Status};
use super::scaler;
use super::spec::{ScaledObject, ScalingModifiers};
use super::task::Outcome;
use super::version::Profile;
use crate::id::DeploymentId;

const FIRST_RETRY: Duration = Duration::from_millis(5);
const LAST_RETRY: Duration = Duration::from_secs(1000);

/// One ScaledObject's scale loop and status.
#[derive(Debug)]
pub(super) struct State {
    /// metadata.generation for which the loop runs.
    pub(super) generation: u64,
    /// The target, for when the object is gone.
    pub(super) target: DeploymentId,
    /// The replicas to restore when the object is gone, if that is wanted.
    pub(super) restore: Option<i32>,
    /// status.originalReplicaCount: written by the first reconcile that finds the target, which is not looked for again.
    pub(super) original: Option<i32>,
    /// Reconciles in a row that did not find it.
    failures: u32,
    pub(super) looping: bool,
    /// When the loop's timer is due; any other alarm is moot.
    pub(super) timer: Instant,
    /// The timer was due during the check.
    pub(super) overdue: bool,
    /// The check under way.
    pub(super) checking: Option<u32>,
    /// When the object is reconciled next.
    pub(super) reconcile: Option<Instant>,
    /// status.lastActiveTime, seconds of the Unix epoch
    pub(super) last_active: Option<i64>,
    /// What status says of failures.
    pub(super) status: Status,
    /// Whose copy of it pulls see.
    pub(super) scalers: Scalers,
    /// The condition Ready is true.
    pub(super) ready: bool,
    /// What the last poll stored for triggers with useCachedMetrics.
    pub(super) cached: SortedMap<Arc<str>, Outcome>,
    /// The scaling modifiers' formula.
    pub(super) formula: Option<Result<Formula, Error>>,
    /// status.pausedReplicaCount is set
    pub(super) paused_replicas_set: bool,
    /// The metrics of the object's triggers, and of which metadata.generation.
    names: (u64, Vec<Name>),
    /// An annotation has stopped the loop.
    pub(super) stopped: bool,
}

/// The name of a trigger's metric; `None` for a resource, of which KEDA knows nothing.
type Name = Option<Arc<str>>;

impl State {
    pub(super) fn new(object: &ScaledObject, profile: &Profile) -> Self {
        let mut state = State {
            generation: object.generation,
            target: object.target,
            restore: None,
            original: None,
            failures: 0,
            looping: false,
            timer: Instant::MAX,
            overdue: false,
            checking: None,
            reconcile: None,
            last_active: None,
            status: Status::default(),
            scalers: Scalers::Absent,
            ready: true,
            cached: SortedMap::new(),
            formula: None,
            paused_replicas_set: false,
            names: (object.generation, names(object, profile)),
            stopped: false,
        };
        state.restart(object, profile);
        state
    }

    /// The external triggers of the object as it is now, and their metrics' names: a trigger does not change without
    /// the object's generation.
    pub(super) fn external_triggers(
        &mut self,
        object: &ScaledObject,
        profile: &Profile,
    ) -> impl Iterator<Item = (usize, &Arc<str>)> {
        let (of, known) = &mut self.names;
        if *of != object.generation {
            (*of, *known) = (object.generation, names(object, profile));
        }
        debug_assert_eq!(*known, names(object, profile), "metrics of {}", object.name);
        let external = known.iter().enumerate();
        external.filter_map(|(index, name)| Some((index, name.as_ref()?)))
    }

    /// What only the operator's process knew is lost: the scale loop, its alarms and what it cached. The status stays:
    /// lastActiveTime, originalReplicaCount, health and pausedReplicaCount.
    pub(super) fn process_ended(&mut self) {
        self.looping = false;
        self.timer = Instant::MAX;
        self.overdue = false;
        self.checking = None;
        self.reconcile = None;
        self.failures = 0;
        self.cached.clear();
        self.scalers.clear();
    }

    /// The reconciler or a pull needs the scalers cache, and makes one of its own if there is none. Before polls count
    /// failures, nobody counts but pulls, on the copy: it is never old.
    pub(super) fn needs_scalers(&mut self, object: &ScaledObject, profile: &Profile) {
        let (generation, status) = (object.generation, &self.status);
        self.scalers
            .need(generation, || match profile.polls_count_failures {
                true => Scalers::Own(generation, status.clone()),
                false => Scalers::OfLoop(generation),
            });
    }

    /// How long until a reconcile that failed is tried again: the default of controller-runtime, from which KEDA does not
    /// differ, is 5 ms at first and doubles up to 1,000 s
    /// (client-go util/workqueue/default_rate_limiters.go `DefaultControllerRateLimiter`).
    pub(super) fn back_off(&mut self) -> Duration {
        let delay = FIRST_RETRY.saturating_mul(1 << self.failures.min(24));
        self.failures += 1;
        delay.min(LAST_RETRY)
    }

    /// A reconcile finds the target (controllers/keda/scaledobject_controller.go `checkTargetResourceIsScalable`).
    pub(super) fn found(&mut self, replicas: i32) {
        self.failures = 0;
        self.original.get_or_insert(replicas);
    }

    /// Takes the object as it is now.
    pub(super) fn restart(&mut self, object: &ScaledObject, profile: &Profile) {
        let advanced = &object.spec.advanced;
        self.generation = object.generation;
        self.target = object.target;
        let restores = advanced.restore_to_original_replica_count;
        self.restore = self.original.filter(|_| restores);
        let modifiers = advanced.scaling_modifiers.as_ref();
        let modifiers = modifiers.filter(|it| profile.scaling_modifiers && it.target > 0.0);
        let compile = |own: &ScalingModifiers| Formula::compile(&own.formula, object.spec.formula_names());
        self.formula = modifiers.map(compile);
    }
}

fn names(object: &ScaledObject, profile: &Profile) -> Vec<Name> {
    let triggers = object.spec.triggers.iter().enumerate();
    triggers
        .map(|(index, trigger)| scaler::metric_name(index, trigger, profile).map(Arc::from))
        .collect()
}
