//! Manifests as the model's own objects.

use sim::SortedMap;

use super::{Deletable, ObjectName};
use crate::api;
use crate::karpenter;
use crate::keda::generated;
use crate::manifest::{HorizontalPodAutoscaler, RuntimeClass, ScaledObject};

/// Objects of all kinds, each in the order written.
#[derive(Debug, Clone, Default)]
pub struct Objects {
    /// The file that an action applies; empty for what is there from the start.
    pub file: String,
    /// Deployments
    pub deployments: Vec<Deployment>,
    /// DaemonSets, with the tolerations that their controller adds.
    pub daemon_sets: Vec<api::DaemonSet>,
    /// Services
    pub services: Vec<api::Service>,
    /// The ports of each Service: name (empty if none) and number.
    pub service_ports: SortedMap<ObjectName, Vec<(String, String)>>,
    /// What Ingresses and IngressRoutes lead to.
    pub routes: Vec<Route>,
    /// PodDisruptionBudgets
    pub pod_disruption_budgets: Vec<api::PodDisruptionBudget>,
    /// PriorityClasses, besides the two that every cluster has. Pods have their number already.
    pub priority_classes: Vec<PriorityClass>,
    /// RuntimeClasses. Pods have what they add already.
    pub runtime_classes: Vec<RuntimeClass>,
    /// Labels of namespaces, the label with the name among them.
    pub namespaces: SortedMap<String, api::Labels>,
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
    /// The pods of Deployments and DaemonSets.
    pub(crate) fn templates(&self) -> impl Iterator<Item = &api::PodTemplate> {
        let deployments = self.deployments.iter().map(|own| &*own.object.template);
        deployments.chain(self.daemon_sets.iter().map(|own| &*own.template))
    }

    /// Whether some container has the image.
    pub(crate) fn has_image(&self, image: &str) -> bool {
        self.templates()
            .any(|own| own.spec.images().any(|other| other == image))
    }

    /// The names of its objects of a kind; those of kinds without namespaces have an empty one.
    pub(crate) fn named(&self, kind: Deletable) -> Vec<ObjectName> {
        let name = |namespace: &str, name: &str| ObjectName {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        };
        let routes = |provider: RouteProvider| {
            let of = self.routes.iter().filter(move |route| route.provider == provider);
            of.map(|route| route.name.clone()).collect()
        };
        match kind {
            Deletable::Deployment => self.deployments.iter().map(Deployment::name).collect(),
            Deletable::DaemonSet => {
                let sets = self.daemon_sets.iter();
                sets.map(|set| name(&set.template.namespace, &set.name)).collect()
            }
            Deletable::Service => {
                let services = self.services.iter();
                services.map(|own| name(&own.namespace, &own.name)).collect()
            }
            Deletable::Ingress => routes(RouteProvider::Kubernetes),
            Deletable::IngressRoute => routes(RouteProvider::KubernetesCrd),
            Deletable::HorizontalPodAutoscaler => {
                let made = self.scaled_objects.iter().map(|object| {
                    let made = generated::hpa_name(&object.name.name, &object.spec);
                    name(&object.name.namespace, &made)
                });
                self.hpas.iter().map(|hpa| hpa.name.clone()).chain(made).collect()
            }
            Deletable::ScaledObject => {
                let objects = self.scaled_objects.iter();
                objects.map(|object| object.name.clone()).collect()
            }
            Deletable::NodePool => {
                let pools = self.node_pools.iter();
                pools.map(|pool| name("", &pool.name)).collect()
            }
            Deletable::PodDisruptionBudget => {
                let budgets = self.pod_disruption_budgets.iter();
                budgets
                    .map(|budget| name(&budget.namespace, &budget.name))
                    .collect()
            }
        }
    }

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
        self.runtime_classes.extend_from_slice(&other.runtime_classes);
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
    /// The entry points that it is reached by; empty for Traefik's default ones.
    pub entry_points: Vec<String>,
}
