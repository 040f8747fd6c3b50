//! What goes into KEDA and what comes out.

use std::sync::Arc;
use std::time::Duration;

use super::executor::Verdict;
use super::scaler::Error;
use super::spec::ScaledObject;
use super::version::Profile;
use crate::api::Api;
use crate::hpa::{Hpa, Spec as HpaSpec};
use crate::id::{DeploymentId, HpaId, ScaledObjectId, Table};
use crate::quantity::Quantity;

/// The operator's settings.
#[derive(Debug, Clone)]
pub struct Config {
    /// The release.
    pub profile: Profile,
    /// The wall clock at time zero: queries are asked for whole seconds of it, and cron triggers live by it.
    pub epoch: jiff::Timestamp,
    /// `KEDA_HTTP_DEFAULT_TIMEOUT`
    pub http_timeout: Duration,
    /// From a change of a ScaledObject to the reconcile that sees it.
    pub reconcile: Duration,
}

impl Default for Config {
    /// Upstream's timeout (kedacore/keda 2.20 cmd/operator/main.go); the reconcile is an estimate.
    fn default() -> Self {
        Config {
            profile: Profile::default(),
            epoch: jiff::Timestamp::UNIX_EPOCH,
            http_timeout: Duration::from_secs(3),
            reconcile: Duration::from_millis(50),
        }
    }
}

/// Names one query, so that its answer finds back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueryId(pub u32);

/// What Prometheus answers to a trigger's query.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// An instant vector: the values of its elements.
    Vector(Vec<f64>),
    /// A scalar, which KEDA cannot read.
    Scalar(f64),
    /// A string or a range vector, which KEDA cannot read either.
    Other,
    /// No connection, an HTTP status outside 200-299, or no JSON.
    Error,
}

/// What can happen to KEDA.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// A ScaledObject was made, changed or removed, or an HPA of KEDA's was.
    Changed(ScaledObjectId),
    /// The HPA controller wants one of an HPA's external metrics, by position in its spec.
    MetricRequested {
        /// Whose.
        hpa: HpaId,
        /// Which.
        metric: usize,
    },
    /// What became of a [`Output::Query`].
    Answer(QueryId, Answer),
    /// Alarm: a scale loop's timer.
    Poll(ScaledObjectId),
    /// Alarm: a ScaledObject is to be reconciled.
    Reconcile(ScaledObjectId),
}

/// What KEDA asks for.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Evaluate a trigger's query at a time and answer with [`Input::Answer`] after as long as it takes; with
    /// [`Answer::Error`] when it may not take any longer.
    Query {
        /// To be repeated in the answer.
        query: QueryId,
        /// Whose.
        scaled_object: ScaledObjectId,
        /// Which of spec.triggers.
        trigger: usize,
        /// The evaluation time: milliseconds of the Unix epoch, a whole second.
        at_ms: i64,
        /// How long it may take.
        timeout: Duration,
    },
    /// The value that the HPA controller asked for; `None` is an error.
    MetricValue {
        /// Whose.
        hpa: HpaId,
        /// Which.
        metric: usize,
        /// The one item of the answer.
        value: Option<Quantity>,
        /// Whether a value of the last poll was taken, as useCachedMetrics has it.
        kept: bool,
    },
    /// A poll of the scale loop has ended, and is acted on.
    Polled(ScaledObjectId),
    /// Write spec.replicas of the target.
    ScaleTo {
        /// On whose account.
        scaled_object: ScaledObjectId,
        /// The target.
        target: DeploymentId,
        /// spec.replicas
        replicas: i32,
    },
    /// Make an HPA, with this ScaledObject as its owner.
    CreateHpa(ScaledObjectId, Box<Hpa>),
    /// Replace an HPA's spec, its target included, with this ScaledObject as its owner.
    UpdateHpa(HpaId, ScaledObjectId, DeploymentId, Arc<HpaSpec>),
    /// Delete an HPA.
    DeleteHpa(HpaId),
    /// Take `finalizer.keda.sh` off an object that is being deleted: it goes.
    Release(ScaledObjectId),
    /// What was decided and why.
    Publish(Box<Event>),
}

/// What KEDA did, for the event log.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A poll of the scale loop ended.
    Polled {
        /// Of which object.
        scaled_object: ScaledObjectId,
        /// spec.replicas of the target.
        current: i32,
        /// Each external trigger's metric and value; `None` is an error.
        values: Vec<(Arc<str>, Option<f64>)>,
        /// Why those that failed did.
        failures: Vec<(Arc<str>, Error)>,
        /// Whether the object counted as active.
        active: bool,
        /// Whether some trigger failed.
        error: bool,
        /// What was done.
        verdict: Verdict,
    },
    /// The HPA controller was given a metric, or an error.
    Pulled {
        /// Of which object.
        scaled_object: ScaledObjectId,
        /// The metric's name.
        metric: Arc<str>,
        /// What it was given.
        value: Option<Quantity>,
        /// Whether that is the fallback's.
        fallback: bool,
        /// Whether a value of the last poll was taken, as useCachedMetrics has it.
        cached: bool,
        /// The triggers' metrics that failed, and why.
        failures: Vec<(Arc<str>, Error)>,
    },
    /// The operator itself writes spec.replicas of a target.
    Scaled {
        /// The target.
        target: DeploymentId,
        /// spec.replicas before.
        current: i32,
        /// spec.replicas from now on.
        replicas: i32,
        /// Why.
        reason: &'static str,
    },
    /// A reconcile failed: the target of the object is not there.
    TargetMissing {
        /// Of which object.
        scaled_object: ScaledObjectId,
        /// After how long the next one looks again, unless the object changes before.
        retry: Duration,
    },
    /// An HPA is made.
    HpaCreated {
        /// metadata.name
        name: String,
        /// Its spec.
        spec: Arc<HpaSpec>,
        /// Why.
        reason: &'static str,
    },
    /// An HPA's spec is replaced.
    HpaUpdated {
        /// Which; it still has its former spec.
        hpa: HpaId,
        /// Its target from now on.
        target: DeploymentId,
        /// Its spec from now on.
        spec: Arc<HpaSpec>,
        /// Why.
        reason: &'static str,
    },
    /// An HPA is deleted.
    HpaDeleted {
        /// Which; it is still there.
        hpa: HpaId,
        /// Why.
        reason: &'static str,
    },
}

/// What KEDA sees.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// Deployments and pods.
    pub api: &'a Api,
    /// ScaledObjects.
    pub scaled_objects: &'a Table<ScaledObjectId, ScaledObject>,
    /// HPAs.
    pub hpas: &'a Table<HpaId, Hpa>,
}
