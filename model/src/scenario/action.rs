//! What happens in the course of a run that no controller decides.

use sim::Instant;

use super::ObjectName;
use super::objects::Objects;
use crate::ec2::TypePattern;
use crate::karpenter::CapacityType;

/// One act at one time.
#[derive(Debug, Clone)]
pub struct Action {
    /// When.
    pub at: Instant,
    /// What a figure or a log calls it.
    pub label: String,
    /// What is done.
    pub act: Act,
}

/// What is done.
#[derive(Debug, Clone)]
pub enum Act {
    /// `kubectl scale`
    Scale {
        /// The Deployment.
        deployment: ObjectName,
        /// spec.replicas
        replicas: i32,
    },
    /// `kubectl apply`: objects of the same kind and name are replaced.
    Apply(Box<Objects>),
    /// `kubectl delete`
    Delete {
        /// The kind.
        kind: Deletable,
        /// Which.
        object: ObjectName,
    },
    /// A part of the stack stops.
    Stop(Part),
    /// It runs again, with what a restart forgets forgotten.
    Start(Part),
    /// EC2 takes machines of NodePools back.
    Interrupt(Victim),
    /// A kind of capacity runs out. EC2 knows it from its configuration
    /// ([`Shortage`](crate::ec2::Shortage)): this is for whoever logs and draws.
    Exhaust(CapacityPool),
    /// It is there again. As before.
    Restore(CapacityPool),
}

/// A kind whose objects can be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deletable {
    /// With its ReplicaSets and pods.
    Deployment,
    /// With its pods.
    DaemonSet,
    /// Traefik skips what led to it.
    Service,
    /// What led from it is gone.
    Ingress,
    /// As an Ingress.
    IngressRoute,
    /// KEDA makes its own anew.
    HorizontalPodAutoscaler,
    /// KEDA deletes its HPA.
    ScaledObject,
    /// With its NodeClaims.
    NodePool,
    /// Nothing protects the pods any more.
    PodDisruptionBudget,
}

impl Deletable {
    /// All of them.
    pub const ALL: [Deletable; 9] = [
        Deletable::Deployment,
        Deletable::DaemonSet,
        Deletable::Service,
        Deletable::Ingress,
        Deletable::IngressRoute,
        Deletable::HorizontalPodAutoscaler,
        Deletable::ScaledObject,
        Deletable::NodePool,
        Deletable::PodDisruptionBudget,
    ];

    /// The kind, as in a manifest.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Deletable::Deployment => "Deployment",
            Deletable::DaemonSet => "DaemonSet",
            Deletable::Service => "Service",
            Deletable::Ingress => "Ingress",
            Deletable::IngressRoute => "IngressRoute",
            Deletable::HorizontalPodAutoscaler => "HorizontalPodAutoscaler",
            Deletable::ScaledObject => "ScaledObject",
            Deletable::NodePool => "NodePool",
            Deletable::PodDisruptionBudget => "PodDisruptionBudget",
        }
    }
}

/// A part that can be stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Prometheus: no scrapes, queries fail.
    Prometheus,
    /// The KEDA operator and metrics adapter.
    Keda,
    /// The Karpenter controller.
    Karpenter,
    /// kube-controller-manager's HPA controller.
    Hpa,
    /// kube-scheduler
    Scheduler,
    /// metrics-server
    MetricsServer,
}

/// Which machines of NodePools an interruption hits: those of a node group are there from beginning to end.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Victim {
    /// Only of these instance types.
    pub instance_type: Option<TypePattern>,
    /// Only in this zone.
    pub zone: Option<String>,
    /// Only of this capacity type.
    pub capacity_type: Option<CapacityType>,
    /// How many at once, at most; the oldest first.
    pub count: u32,
}

/// Part of the capacity that EC2 has: `None` is any.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct CapacityPool {
    /// The instance type.
    pub instance_type: Option<String>,
    /// The zone.
    pub zone: Option<String>,
    /// How it is bought.
    pub capacity_type: Option<CapacityType>,
}
