//! Deployments, ReplicaSets, DaemonSets and Services as the API server holds them.

use std::sync::Arc;
use std::time::Duration;

use sim::Instant;

use super::meta::{LabelSelector, Labels};
use super::pod::PodTemplate;
use crate::id::DeploymentId;

/// The label that tells the pods of a Deployment's ReplicaSets apart
/// (kubernetes 1.35 staging/src/k8s.io/api/apps/v1/types.go `DefaultDeploymentUniqueLabelKey`).
pub const POD_TEMPLATE_HASH: &str = "pod-template-hash";

/// A number or a percentage of the desired replicas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IntOrPercent {
    /// So many pods.
    Int(i32),
    /// So many per cent of the desired replicas.
    Percent(i32),
}

impl IntOrPercent {
    /// So many of so many, a part counted as a whole.
    #[must_use]
    pub(crate) fn rounded_up(self, of: i32) -> i32 {
        match self {
            IntOrPercent::Int(pods) => pods,
            IntOrPercent::Percent(percent) => {
                (i64::from(of) * i64::from(percent) + 99).div_euclid(100) as i32
            }
        }
    }
}

/// spec.strategy
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// All old pods go before the first new one comes.
    Recreate,
    /// New pods replace old ones step by step.
    RollingUpdate {
        /// rollingUpdate.maxSurge
        max_surge: IntOrPercent,
        /// rollingUpdate.maxUnavailable
        max_unavailable: IntOrPercent,
    },
}

impl Default for Strategy {
    /// 25 % each way (kubernetes 1.35 pkg/apis/apps/v1/defaults.go `SetDefaults_Deployment`).
    fn default() -> Self {
        Strategy::RollingUpdate {
            max_surge: IntOrPercent::Percent(25),
            max_unavailable: IntOrPercent::Percent(25),
        }
    }
}

/// A Deployment object.
#[derive(Debug, Clone)]
pub struct Deployment {
    /// metadata.name
    pub name: String,
    /// spec.replicas
    pub replicas: i32,
    /// spec.selector, by which the HPA controller finds the pods
    pub selector: LabelSelector,
    /// spec.strategy
    pub strategy: Strategy,
    /// spec.minReadySeconds
    pub min_ready: Duration,
    /// spec.template
    pub template: Arc<PodTemplate>,
}

/// A ReplicaSet object.
#[derive(Debug, Clone)]
pub struct ReplicaSet {
    /// metadata.name
    pub name: String,
    /// The Deployment that owns it.
    pub deployment: DeploymentId,
    /// spec.replicas
    pub replicas: i32,
    /// The Deployment's desired replicas when this one was last scaled (an annotation): how the
    /// Deployment controller notices that it was scaled.
    pub desired: i32,
    /// spec.template, with the label [`POD_TEMPLATE_HASH`]
    pub template: Arc<PodTemplate>,
    /// The template of the Deployment of which it was made: the same without that label.
    pub made_of: Arc<PodTemplate>,
    /// metadata.creationTimestamp
    pub created: Instant,
}

impl ReplicaSet {
    /// Whether its template is a Deployment's own, but for the label that it adds
    /// (kubernetes 1.35 pkg/controller/deployment/util/deployment_util.go `EqualIgnoreHash`).
    #[must_use]
    pub fn is_of_template(&self, template: &Arc<PodTemplate>) -> bool {
        Arc::ptr_eq(&self.made_of, template) || self.made_of == *template
    }
}

/// A DaemonSet object.
#[derive(Debug, Clone)]
pub struct DaemonSet {
    /// metadata.name
    pub name: String,
    /// spec.template, with the tolerations the controller adds by itself
    pub template: Arc<PodTemplate>,
    /// spec.updateStrategy; `None` is OnDelete: a pod is replaced when somebody deletes it
    pub rolling: Option<RollingUpdateDaemonSet>,
    /// spec.minReadySeconds
    pub min_ready: Duration,
}

/// spec.updateStrategy.rollingUpdate of a DaemonSet: one of the two is 0
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RollingUpdateDaemonSet {
    /// maxSurge
    pub max_surge: IntOrPercent,
    /// maxUnavailable
    pub max_unavailable: IntOrPercent,
}

impl Default for RollingUpdateDaemonSet {
    /// One node after the other (kubernetes 1.35 pkg/apis/apps/v1/defaults.go `SetDefaults_DaemonSet`).
    fn default() -> Self {
        RollingUpdateDaemonSet {
            max_surge: IntOrPercent::Int(0),
            max_unavailable: IntOrPercent::Int(1),
        }
    }
}

/// A Service object, as far as it selects pods.
#[derive(Debug, Clone)]
pub struct Service {
    /// metadata.name
    pub name: String,
    /// metadata.namespace
    pub namespace: String,
    /// spec.selector; empty selects nothing
    pub selector: Labels,
}

impl Service {
    /// Whether pods of a template are its endpoints.
    #[must_use]
    pub fn selects(&self, template: &PodTemplate) -> bool {
        self.namespace == template.namespace
            && !self.selector.is_empty()
            && LabelSelector::from_labels(&self.selector).matches(&template.labels)
    }
}
