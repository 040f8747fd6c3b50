//! The component: which HPA is looked at when, and the steps of a look.

use std::time::Duration;

use super::decision::Decision;
use super::reading::Reading;
use super::spec::Hpa;
use super::status::Status;
use super::version::Profile;
use crate::api::Api;
use crate::id::{DeploymentId, HpaId, Table};

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
    /// Reading the scale.
    pub get_scale: Duration,
    /// Writing the scale.
    pub update_scale: Duration,
    /// Writing the status.
    pub update_status: Duration,
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
            get_scale: Duration::from_millis(5),
            update_scale: Duration::from_millis(10),
            update_status: Duration::from_millis(10),
            profile: Profile::default(),
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
    /// Alarm: the informer's resync.
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
