//! HorizontalPodAutoscaler objects (`autoscaling/v2`), resolved: units in types, no half-set unions.

use std::sync::Arc;
use std::time::Duration;

use sim::Instant;

use super::status::Status;
use crate::api::LabelSelector;
use crate::id::{DeploymentId, ScaledObjectId};
use crate::quantity::Quantity;

/// A HorizontalPodAutoscaler object.
#[derive(Debug, Clone, PartialEq)]
pub struct Hpa {
    /// metadata.name
    pub name: String,
    /// metadata.namespace
    pub namespace: String,
    /// metadata.creationTimestamp
    pub created: Instant,
    /// The ScaledObject that owns it, if KEDA made it.
    pub owner: Option<ScaledObjectId>,
    /// spec.scaleTargetRef: always a Deployment.
    pub target: DeploymentId,
    /// spec, as it was written last
    pub spec: Arc<Spec>,
    /// status, as the controller wrote it last
    pub status: Status,
}

/// What an HPA should do.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    /// spec.minReplicas; [`DEFAULT_MIN_REPLICAS`] if unset
    pub min_replicas: i32,
    /// spec.maxReplicas
    pub max_replicas: i32,
    /// spec.metrics; [`Metric::default_cpu`] alone if there are none
    pub metrics: Vec<Metric>,
    /// spec.behavior; `None` is another algorithm than an empty stanza
    pub behavior: Option<Behavior>,
}

/// spec.minReplicas if unset (kubernetes 1.35 pkg/apis/autoscaling/v2/defaults.go
/// `SetDefaults_HorizontalPodAutoscaler`).
pub const DEFAULT_MIN_REPLICAS: i32 = 1;

/// One of spec.metrics.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    /// Where the reading comes from.
    pub source: Source,
    /// What it should be.
    pub target: Target,
}

impl Metric {
    /// CPU utilisation of 80 %, what an HPA without metrics gets (kubernetes 1.35
    /// pkg/apis/autoscaling/v2/defaults.go `SetDefaults_HorizontalPodAutoscaler`).
    #[must_use]
    pub fn default_cpu() -> Self {
        Metric {
            source: Source::Resource(Resource::Cpu),
            target: Target::AverageUtilization(80),
        }
    }

    /// Whether a proposal depends on single pods, and not only on how many the scale reports.
    #[must_use]
    pub fn looks_at_pods(&self) -> bool {
        let of_all = matches!(self.source, Source::External { .. } | Source::Object { .. });
        !(of_all && matches!(self.target, Target::AverageValue(_)))
    }
}

/// A resource that metrics-server measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resource {
    /// `cpu`
    Cpu,
    /// `memory`
    Memory,
}

impl Resource {
    /// Its name in manifests.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Resource::Cpu => "cpu",
            Resource::Memory => "memory",
        }
    }
}

/// Where a metric's reading comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// `external`: something outside the cluster, by name.
    External {
        /// metric.name
        name: String,
        /// metric.selector; `None` and the empty one select every series
        selector: Option<LabelSelector>,
    },
    /// `object`: a number that describes one other object.
    Object {
        /// metric.name
        name: String,
        /// metric.selector
        selector: Option<LabelSelector>,
        /// describedObject.kind
        kind: String,
        /// describedObject.name
        object: String,
    },
    /// `pods`: a number for each pod.
    Pods {
        /// metric.name
        name: String,
        /// metric.selector
        selector: Option<LabelSelector>,
    },
    /// `resource`: what the pods use of a resource, all containers together.
    Resource(Resource),
    /// `containerResource`: what one container of each pod uses.
    ContainerResource {
        /// name
        resource: Resource,
        /// container
        container: String,
    },
}

/// What a metric should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// `value`: the reading as it is. External and object metrics.
    Value(Quantity),
    /// `averageValue`: the reading divided by the pods. All sources.
    AverageValue(Quantity),
    /// `averageUtilization`: per cent of the requests. Resource and container resource metrics.
    AverageUtilization(i32),
}

/// spec.behavior. Defaults are filled in by [`Behavior::rules`], not here: KEDA compares and edits the
/// stanza as written.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Behavior {
    /// scaleUp
    pub scale_up: ScalingRules,
    /// scaleDown
    pub scale_down: ScalingRules,
}

/// One direction of spec.behavior as written; what is `None` has a default.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ScalingRules {
    /// stabilizationWindowSeconds, 0 to 3600
    pub stabilization_window: Option<Duration>,
    /// selectPolicy
    pub select_policy: Option<SelectPolicy>,
    /// policies; a list given replaces the default list whole
    pub policies: Option<Vec<Policy>>,
    /// tolerance
    pub tolerance: Option<Quantity>,
}

/// Which policy of several decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SelectPolicy {
    /// The one that allows the greatest change.
    Max,
    /// The one that allows the least change.
    Min,
    /// No change in this direction.
    Disabled,
}

/// What a policy counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyKind {
    /// Pods
    Pods,
    /// Per cent of the replicas at the beginning of the period.
    Percent,
}

/// One of the policies: so much change within so much time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// type
    pub kind: PolicyKind,
    /// value
    pub value: i32,
    /// periodSeconds, 1 to 1800
    pub period: Duration,
}

/// One direction of spec.behavior with its defaults filled in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rules<'b> {
    /// stabilizationWindowSeconds
    pub stabilization_window: Duration,
    /// selectPolicy
    pub select_policy: SelectPolicy,
    /// policies
    pub policies: &'b [Policy],
}

const fn every_15_s(kind: PolicyKind, value: i32) -> Policy {
    let period = Duration::from_secs(15);
    Policy { kind, value, period }
}

/// The policies of a direction that has none of its own.
const DEFAULT_UP: [Policy; 2] = [
    every_15_s(PolicyKind::Pods, 4),
    every_15_s(PolicyKind::Percent, 100),
];
const DEFAULT_DOWN: [Policy; 1] = [every_15_s(PolicyKind::Percent, 100)];

impl Behavior {
    /// Both directions, up and down, with their defaults (kubernetes 1.35
    /// pkg/apis/autoscaling/v2/defaults.go `GenerateHPAScaleUpRules`, `GenerateHPAScaleDownRules`;
    /// pkg/controller/podautoscaler/horizontal.go `maybeInitScaleDownStabilizationWindow`).
    #[must_use]
    pub fn rules(&self, downscale_stabilization: Duration) -> (Rules<'_>, Rules<'_>) {
        let up = self.scale_up.filled(Duration::ZERO, &DEFAULT_UP);
        let down = self.scale_down.filled(downscale_stabilization, &DEFAULT_DOWN);
        (up, down)
    }
}

impl ScalingRules {
    fn filled<'b>(&'b self, window: Duration, policies: &'b [Policy]) -> Rules<'b> {
        Rules {
            stabilization_window: self.stabilization_window.unwrap_or(window),
            select_policy: self.select_policy.unwrap_or(SelectPolicy::Max),
            policies: self.policies.as_deref().unwrap_or(policies),
        }
    }
}
