//! `kubectl apply` and `kubectl delete`: objects of the scenario become objects of the API server.

use std::sync::Arc;

use sim::Instant;

use super::Cluster;
use super::notice::Notice;
use crate::api;
use crate::hpa::{Hpa, Status};
use crate::id::{
    DaemonSetId, DeploymentId, HpaId, Id, NodePoolId, PodId, ReplicaSetId, ScaledObjectId, ServiceId, Table,
};
use crate::karpenter::NodePool;
use crate::karpenter::provider::NodeClass;
use crate::keda;
use crate::manifest::{HorizontalPodAutoscaler, ScaledObject};
use crate::scenario::{Deletable, Deployment, ObjectName, Objects, Part, Route, RouteProvider};

/// An object that is there and can be deleted.
pub(super) enum Found {
    Deployment(DeploymentId),
    DaemonSet(DaemonSetId),
    Service(ServiceId),
    /// The routes of an Ingress or IngressRoute.
    Routes(RouteProvider, ObjectName),
    Hpa(HpaId),
    ScaledObject(ScaledObjectId),
    NodePool(NodePoolId),
    /// Its place among the budgets.
    Budget(usize),
}

impl Cluster<'_> {
    /// Applies objects in the order in which they depend on each other. An object of the same kind and name
    /// is replaced.
    pub(super) fn apply(&mut self, now: Instant, objects: &Objects) {
        self.objects.namespaces.extend(objects.namespaces.clone());
        for service in &objects.services {
            self.apply_service(service);
        }
        self.apply_routes(&objects.routes);
        for budget in &objects.pod_disruption_budgets {
            let name = ObjectName {
                namespace: budget.namespace.clone(),
                name: budget.name.clone(),
            };
            self.api.pdbs.retain(|other| !is_named(other, &name));
            self.api.pdbs.push(budget.clone());
        }
        if !objects.pod_disruption_budgets.is_empty() || !objects.namespaces.is_empty() {
            self.notify(Notice::Policies);
        }
        for deployment in &objects.deployments {
            self.apply_deployment(deployment);
        }
        for daemon_set in &objects.daemon_sets {
            self.apply_daemon_set(daemon_set);
        }
        if !objects.node_pools.is_empty() || !objects.node_classes.is_empty() {
            self.apply_pools(now, objects);
        }
        for object in &objects.scaled_objects {
            self.apply_scaled_object(now, object);
        }
        for object in &objects.hpas {
            self.apply_hpa(now, object);
        }
        self.find_roles();
        self.find_way();
    }

    fn apply_service(&mut self, service: &api::Service) {
        let known = self.service(&ObjectName {
            namespace: service.namespace.clone(),
            name: service.name.clone(),
        });
        replace(&mut self.api.services, known, service.clone());
    }

    fn service(&self, name: &ObjectName) -> Option<ServiceId> {
        let matches =
            |service: &api::Service| service.name == name.name && service.namespace == name.namespace;
        let mut services = self.api.services.iter();
        services.find(|(_, service)| matches(service)).map(|(id, _)| id)
    }

    /// What Ingresses and IngressRoutes lead to now: an object of the same kind and name led elsewhere before.
    fn apply_routes(&mut self, routes: &[Route]) {
        let same = |old: &Route| {
            let is = |new: &Route| new.provider == old.provider && new.name == old.name;
            routes.iter().any(is)
        };
        self.objects.routes.retain(|old| !same(old));
        self.objects.routes.extend_from_slice(routes);
    }

    /// A manifest that does not write spec.replicas leaves a running Deployment's size as it is, but for one thing:
    /// if the manifest applied before wrote it, `kubectl apply` takes the field away, and the API server's default
    /// comes in its place
    /// (kubernetes 1.35 staging/src/k8s.io/kubectl/pkg/cmd/apply/patcher.go `buildStrategicMergeFromBuiltins`,
    /// pkg/apis/apps/v1/defaults.go `SetDefaults_Deployment`).
    fn apply_deployment(&mut self, applied: &Deployment) {
        let object = &applied.object;
        let name = ObjectName {
            namespace: object.template.namespace.clone(),
            name: object.name.clone(),
        };
        let id = match self.deployment(&name) {
            None => self.make_deployment(&name, object),
            Some(id) => {
                let old = self.api.deployments.get_mut(id).expect("found a line above");
                let replicas = if applied.replicas_written || self.objects.sized.contains(&id) {
                    object.replicas
                } else {
                    old.replicas
                };
                let former = old.replicas;
                *old = api::Deployment {
                    replicas,
                    ..object.clone()
                };
                self.note_size(id, former, replicas, None);
                id
            }
        };
        match applied.replicas_written {
            true => self.objects.sized.insert(id),
            false => self.objects.sized.remove(&id),
        };
        if let Some(lifecycle) = self.scenario.config.lifecycles.get(&name) {
            self.objects.lifecycles.deployments.insert(id, lifecycle.clone());
        }
        self.recorder.touch();
        self.notify(Notice::Deployment(id));
    }

    /// Autoscalers know their target by its name: those of one that was not there find the new one.
    fn make_deployment(&mut self, name: &ObjectName, object: &api::Deployment) -> DeploymentId {
        let id = self.api.deployments.insert(object.clone());
        let objects = &mut self.objects;
        let absent = &objects.absent;
        let scaled = objects.scaled_objects.iter_mut().map(|(_, own)| &mut own.target);
        let hpas = objects.hpas.iter_mut().map(|(_, own)| &mut own.target);
        for target in scaled
            .chain(hpas)
            .filter(|target| absent.get(target) == Some(name))
        {
            *target = id;
        }
        id
    }

    /// The API server keeps an autoscaler whatever its target: that of one which is not there has an id too.
    fn target(&mut self, name: &ObjectName) -> DeploymentId {
        let present = self.deployment(name);
        let mut absent = self.objects.absent.iter().rev();
        let known = present.or_else(|| absent.find(|(_, own)| *own == name).map(|(id, _)| *id));
        known.unwrap_or_else(|| {
            let id = self.api.deployments.reserve();
            self.objects.absent.insert(id, name.clone());
            id
        })
    }

    fn apply_daemon_set(&mut self, object: &api::DaemonSet) {
        let name = ObjectName {
            namespace: object.template.namespace.clone(),
            name: object.name.clone(),
        };
        let known = self.daemon_set(&name);
        let id = replace(&mut self.api.daemon_sets, known, object.clone());
        if let Some(lifecycle) = self.scenario.config.lifecycles.get(&name) {
            self.objects.lifecycles.daemon_sets.insert(id, lifecycle.clone());
        }
        self.list_daemons();
        self.notify(Notice::DaemonSet(id));
    }

    fn list_daemons(&mut self) {
        self.objects.daemons = self
            .api
            .daemon_sets
            .iter()
            .map(|(_, set)| set.template.clone())
            .collect();
    }

    fn daemon_set(&self, name: &ObjectName) -> Option<DaemonSetId> {
        let matches =
            |set: &api::DaemonSet| set.name == name.name && set.template.namespace == name.namespace;
        self.api
            .daemon_sets
            .iter()
            .find(|(_, set)| matches(set))
            .map(|(id, _)| id)
    }

    /// NodePools, with the EC2NodeClasses they refer to. Pools whose class is not ready are passed over.
    fn apply_pools(&mut self, now: Instant, objects: &Objects) {
        for class in &objects.node_classes {
            if class.lacks_image(self.scenario.stack.kubernetes) {
                self.explain_class(now, class);
            }
            self.objects
                .node_classes
                .insert(class.name.clone(), Arc::new(class.clone()));
        }
        for pool in &objects.node_pools {
            let known = self.node_pool(&pool.name);
            replace(&mut self.objects.pools, known, pool.clone());
        }
        self.pools_changed();
    }

    fn node_pool(&self, name: &str) -> Option<NodePoolId> {
        let mut pools = self.objects.pools.iter();
        pools.find(|(_, pool)| *pool.name == *name).map(|(id, _)| id)
    }

    fn pools_changed(&mut self) {
        let classes = &self.objects.node_classes;
        let minor = self.scenario.stack.kubernetes;
        let ready = |pool: &NodePool| {
            classes
                .get(&pool.node_class)
                .filter(|class| !class.lacks_image(minor))
        };
        let class_of = |(id, pool): (NodePoolId, &NodePool)| {
            let class = ready(pool)?;
            let of_pool = pool.kubelet.clone().map(|kubelet| {
                let class = NodeClass::clone(class);
                Arc::new(NodeClass { kubelet, ..class })
            });
            Some((id, of_pool.unwrap_or_else(|| class.clone())))
        };
        self.objects.classes = self.objects.pools.iter().filter_map(class_of).collect();
        self.notify(Notice::Pools);
    }

    fn apply_scaled_object(&mut self, now: Instant, applied: &ScaledObject) {
        let target = self.target(&applied.target);
        let known = self.scaled_object(&applied.name);
        let generation = known
            .and_then(|id| self.objects.scaled_objects.get(id))
            .map(|old| old.generation + 1);
        let object = keda::ScaledObject {
            name: applied.name.name.clone(),
            namespace: applied.name.namespace.clone(),
            annotations: applied.annotations.clone(),
            created: now,
            deleting: false,
            generation: generation.unwrap_or(1),
            target,
            spec: applied.spec.clone(),
        };
        let id = match known {
            None => self.objects.scaled_objects.insert(object),
            Some(id) => {
                let old = self.objects.scaled_objects.get_mut(id).expect("found above");
                let spec_changed = old.spec != object.spec || old.target != object.target;
                let generation = if spec_changed {
                    object.generation
                } else {
                    old.generation
                };
                *old = keda::ScaledObject {
                    created: old.created,
                    deleting: old.deleting,
                    generation,
                    ..object
                };
                id
            }
        };
        self.notify(Notice::ScaledObject(id));
    }

    fn scaled_object(&self, name: &ObjectName) -> Option<ScaledObjectId> {
        let matches =
            |object: &keda::ScaledObject| object.name == name.name && object.namespace == name.namespace;
        self.objects
            .scaled_objects
            .iter()
            .find(|(_, object)| matches(object))
            .map(|(id, _)| id)
    }

    fn apply_hpa(&mut self, now: Instant, applied: &HorizontalPodAutoscaler) {
        let target = self.target(&applied.target);
        match self.hpa(&applied.name) {
            Some(id) => self.change_hpa(id, |hpa| {
                hpa.target = target;
                hpa.spec = applied.spec.clone().into();
            }),
            None => self.create_hpa(Hpa {
                name: applied.name.name.clone(),
                namespace: applied.name.namespace.clone(),
                created: now,
                owner: None,
                target,
                spec: applied.spec.clone().into(),
                status: Status::default(),
            }),
        }
    }

    fn hpa(&self, name: &ObjectName) -> Option<HpaId> {
        let matches = |hpa: &Hpa| hpa.name == name.name && hpa.namespace == name.namespace;
        self.objects
            .hpas
            .iter()
            .find(|(_, hpa)| matches(hpa))
            .map(|(id, _)| id)
    }

    /// What is deleted, if it is there.
    pub(super) fn find(&self, kind: Deletable, name: &ObjectName) -> Option<Found> {
        let routes = |provider| {
            let is = |route: &Route| route.provider == provider && route.name == *name;
            let found = Found::Routes(provider, name.clone());
            self.objects.routes.iter().any(is).then_some(found)
        };
        match kind {
            Deletable::Deployment => self.deployment(name).map(Found::Deployment),
            Deletable::DaemonSet => self.daemon_set(name).map(Found::DaemonSet),
            Deletable::Service => self.service(name).map(Found::Service),
            Deletable::Ingress => routes(RouteProvider::Kubernetes),
            Deletable::IngressRoute => routes(RouteProvider::KubernetesCrd),
            Deletable::HorizontalPodAutoscaler => self.hpa(name).map(Found::Hpa),
            Deletable::ScaledObject => self.scaled_object(name).map(Found::ScaledObject),
            Deletable::NodePool => self.node_pool(&name.name).map(Found::NodePool),
            Deletable::PodDisruptionBudget => {
                let place = self.api.pdbs.iter().position(|budget| is_named(budget, name));
                place.map(Found::Budget)
            }
        }
    }

    /// Deletes an object and what it owns.
    pub(super) fn delete(&mut self, now: Instant, found: Found) {
        match found {
            Found::Deployment(id) => self.delete_deployment(now, id),
            Found::DaemonSet(id) => {
                self.api.daemon_sets.remove(id);
                self.notify(Notice::DaemonSet(id));
                self.list_daemons();
                for pod in self.api.pods_of(api::Owner::DaemonSet(id)).to_vec() {
                    self.delete_pod(now, pod, None);
                }
            }
            Found::Service(id) => {
                self.api.services.remove(id);
            }
            Found::Routes(provider, name) => {
                let is = |route: &Route| route.provider == provider && route.name == name;
                self.objects.routes.retain(|route| !is(route));
            }
            Found::Hpa(id) => self.delete_hpa(id),
            Found::ScaledObject(id) => {
                // The finalizer that a running operator takes off at once waits for one that is away.
                match self.objects.scaled_objects.get_mut(id) {
                    Some(object)
                        if self.stopped.contains(&Part::Keda)
                            && self.parts.keda.held().any(|held| held == id) =>
                    {
                        object.deleting = true;
                    }
                    _ => drop(self.objects.scaled_objects.remove(id)),
                }
                self.notify(Notice::ScaledObject(id));
            }
            Found::NodePool(id) => self.delete_pool(now, id),
            Found::Budget(place) => {
                self.api.pdbs.remove(place);
                self.notify(Notice::Policies);
            }
        }
        self.find_roles();
        self.find_way();
    }

    /// Whether something leads to the service: Traefik hears when that changes.
    fn find_way(&mut self) {
        let server = self.objects.roles.server;
        let server = server.and_then(|id| self.api.deployments.get(id));
        let leads = |route: &Route| {
            let service = self
                .service(&route.service)
                .and_then(|id| self.api.services.get(id));
            // Without the Deployment it is the Service's endpoints that are missing.
            service.is_some_and(|service| server.is_none_or(|server| service.selects(&server.template)))
        };
        let unrouted = !self.objects.routes.iter().any(leads);
        if unrouted != self.objects.unrouted {
            self.objects.unrouted = unrouted;
            self.notify(Notice::Routes);
        }
    }

    fn delete_deployment(&mut self, now: Instant, id: DeploymentId) {
        let sets: Vec<ReplicaSetId> = self.api.replica_sets_of(id).map(|(set, _)| set).collect();
        let pods: Vec<PodId> = self.api.pods_of_deployment(id).map(|(pod, _)| pod).collect();
        if let Some(object) = self.api.deployments.remove(id) {
            let name = ObjectName {
                namespace: object.template.namespace.clone(),
                name: object.name,
            };
            self.objects.absent.insert(id, name);
        }
        for set in sets {
            self.api.replica_sets.remove(set);
        }
        for pod in pods {
            self.delete_pod(now, pod, None);
        }
        self.recorder.touch();
        self.notify(Notice::Deployment(id));
    }

    /// A NodePool owns its claims: the garbage collector deletes them after it.
    fn delete_pool(&mut self, now: Instant, id: NodePoolId) {
        self.objects.pools.remove(id);
        self.pools_changed();
        let claims: Vec<_> = self
            .objects
            .claims
            .iter()
            .filter(|(_, claim)| claim.pool == id && claim.deleting.is_none())
            .map(|(id, _)| id)
            .collect();
        for claim in claims {
            self.explain_claim_deletion(now, claim, "node_pool_deleted");
            self.delete_claim(now, claim);
        }
    }
}

fn is_named(budget: &api::PodDisruptionBudget, name: &ObjectName) -> bool {
    budget.name == name.name && budget.namespace == name.namespace
}

/// Puts an object in the place of the one that is known, or adds it.
fn replace<K: Id, V>(table: &mut Table<K, V>, known: Option<K>, object: V) -> K {
    let Some((id, old)) = known.and_then(|id| Some((id, table.get_mut(id)?))) else {
        return table.insert(object);
    };
    *old = object;
    id
}
