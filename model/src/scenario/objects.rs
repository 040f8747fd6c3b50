//! Manifests as the model's own objects.

use std::collections::BTreeMap;

use super::ObjectName;
use crate::api;
use crate::karpenter;
use crate::manifest::{HorizontalPodAutoscaler, ScaledObject};

/// Objects of all kinds, each in the order written.
#[derive(Debug, Clone, Default)]
pub struct Objects {
    /// Deployments
    pub deployments: Vec<Deployment>,
    /// DaemonSets, with the tolerations that their controller adds.
    pub daemon_sets: Vec<api::DaemonSet>,
    /// Services
    pub services: Vec<api::Service>,
    /// The ports of each Service: name (empty if none) and number.
    pub service_ports: BTreeMap<ObjectName, Vec<(String, String)>>,
    /// What Ingresses and IngressRoutes lead to.
    pub routes: Vec<Route>,
    /// PodDisruptionBudgets
    pub pod_disruption_budgets: Vec<api::PodDisruptionBudget>,
    /// PriorityClasses, besides the two that every cluster has. Pods have their number already.
    pub priority_classes: Vec<PriorityClass>,
    /// Labels of namespaces, the label with the name among them.
    pub namespaces: BTreeMap<String, api::Labels>,
    /// HorizontalPodAutoscalers
    pub hpas: Vec<HorizontalPodAutoscaler>,
    /// ScaledObjects
    pub scaled_objects: Vec<ScaledObject>,
    /// NodePools
    pub node_pools: Vec<karpenter::NodePool>,
    /// EC2NodeClasses
    pub node_classes: Vec<karpenter::provider::NodeClass>,
}

impl Objects {
    /// Adds another's behind its own.
    pub(crate) fn append(&mut self, other: &Objects) {
        self.deployments.extend_from_slice(&other.deployments);
        self.daemon_sets.extend_from_slice(&other.daemon_sets);
        self.services.extend_from_slice(&other.services);
        self.service_ports.extend(other.service_ports.clone());
        self.routes.extend_from_slice(&other.routes);
        self.pod_disruption_budgets
            .extend_from_slice(&other.pod_disruption_budgets);
        self.priority_classes.extend_from_slice(&other.priority_classes);
        self.namespaces.extend(other.namespaces.clone());
        self.hpas.extend_from_slice(&other.hpas);
        self.scaled_objects.extend_from_slice(&other.scaled_objects);
        self.node_pools.extend_from_slice(&other.node_pools);
        self.node_classes.extend_from_slice(&other.node_classes);
    }
}

/// A Deployment as applied.
#[derive(Debug, Clone)]
pub struct Deployment {
    /// The object; spec.replicas is 1 if none was written.
    pub object: api::Deployment,
    /// Whether spec.replicas was written: applying a manifest without it leaves a running Deployment's size
    /// as it is, if the manifest before it did not write it either.
    pub replicas_written: bool,
}

impl Deployment {
    /// Its namespace and name.
    #[must_use]
    pub fn name(&self) -> ObjectName {
        ObjectName {
            namespace: self.object.template.namespace.clone(),
            name: self.object.name.clone(),
        }
    }
}

/// A PriorityClass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriorityClass {
    /// metadata.name
    pub name: String,
    /// value
    pub value: i32,
    /// globalDefault
    pub global_default: bool,
    /// preemptionPolicy
    pub preemption_policy: api::PreemptionPolicy,
}

/// Which of Traefik's providers a route comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouteProvider {
    /// Ingress
    Kubernetes,
    /// IngressRoute
    KubernetesCrd,
}

/// A way from Traefik to a Service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The Ingress or IngressRoute.
    pub name: ObjectName,
    /// Where it comes from.
    pub provider: RouteProvider,
    /// The Service.
    pub service: ObjectName,
    /// The port's name or number, as the route writes it.
    pub port: String,
    /// What Traefik calls the service in its metrics: `namespace-name-port@kubernetes`.
    pub traefik_service: String,
}
