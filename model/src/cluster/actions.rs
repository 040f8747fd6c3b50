//! What the scenario does in the course of a run.

use std::time::Duration;

use sim::{Instant, SortedSet};

use super::Cluster;
use super::recorder::desired;
use crate::ec2;
use crate::id::{DeploymentId, InstanceId, PodId};
use crate::karpenter::{claim_status, disruption, lifecycle, provisioner, termination};
use crate::scenario::{Act, ObjectName, Part, Victim};
use crate::{hpa, keda, prometheus, scheduler};

/// How long the interruption queue keeps a message (karpenter-provider-aws
/// website/content/en/docs/getting-started/getting-started-with-karpenter/cloudformation.yaml
/// `MessageRetentionPeriod`).
const MESSAGE_RETENTION: Duration = Duration::from_secs(300);

impl Cluster<'_> {
    /// Carries out the action of that number.
    pub(super) fn act(&mut self, now: Instant, number: u32) {
        let action = &self.scenario.actions[number as usize];
        let label = || action.label.clone();
        match self.missing(&action.act) {
            None => {
                self.recorder.mark(now, label());
                self.tell(now, "scenario", label(), "ActionTaken", vec![]);
            }
            Some(reason) => {
                self.recorder.failed(now, label(), reason.clone());
                let details = vec![("reason", reason.into())];
                self.tell(now, "scenario", label(), "ActionFailed", details);
            }
        }
        self.recorder.notes.acted(now);
        let clients = desired(&self.api, self.objects.roles.client);
        match &action.act {
            Act::Scale { deployment, replicas } => {
                if let Some(id) = self.deployment(deployment) {
                    self.scale_deployment(id, *replicas, None);
                }
            }
            Act::Apply(objects) => self.apply(now, objects),
            Act::Delete { kind, object } => {
                if let Some(found) = self.find(*kind, object) {
                    self.delete(now, found);
                }
            }
            Act::Stop(part) => self.stop(now, *part),
            Act::Start(part) => self.restart(now, *part),
            Act::Interrupt(victim) => {
                for instance in self.victims(victim) {
                    self.hear_ec2(now, ec2::Input::Interrupt(instance));
                }
            }
            // EC2 was told of all shortages at the start.
            Act::Exhaust(_) | Act::Restore(_) => {}
        }
        if desired(&self.api, self.objects.roles.client) > clients {
            self.recorder.notes.steps.push(now);
        }
    }

    /// Why an act can do nothing, if it cannot: what it is about is not there.
    fn missing(&self, act: &Act) -> Option<String> {
        let (is_there, reason) = match act {
            Act::Scale { deployment, .. } => (
                self.deployment(deployment).is_some(),
                format!("there is no Deployment {deployment}"),
            ),
            Act::Delete { kind, object } => (
                self.find(*kind, object).is_some(),
                format!("there is no {} {object}", kind.as_str()),
            ),
            Act::Interrupt(victim) => (
                !self.victims(victim).is_empty(),
                "no such machine of a NodePool runs".to_owned(),
            ),
            Act::Stop(part) => (!self.stopped.contains(part), "it stands still already".to_owned()),
            Act::Start(part) => (self.stopped.contains(part), "it runs already".to_owned()),
            Act::Apply(_) | Act::Exhaust(_) | Act::Restore(_) => return None,
        };
        (!is_there).then_some(reason)
    }

    pub(super) fn deployment(&self, name: &ObjectName) -> Option<DeploymentId> {
        let matches = |object: &crate::api::Deployment| {
            object.name == name.name && object.template.namespace == name.namespace
        };
        self.api
            .deployments
            .iter()
            .find(|(_, object)| matches(object))
            .map(|(id, _)| id)
    }

    /// A part's process ends: its alarms, and the answers to its calls, find nobody any more.
    fn stop(&mut self, now: Instant, part: Part) {
        if !self.stopped.insert(part) {
            return;
        }
        self.recorder.notes.stopped(part, now);
        self.agenda.retain(|event| !event.dies_with(part));
        match part {
            Part::Prometheus => self.hear_prometheus(now, prometheus::Input::Stopped),
            Part::Hpa => self.asked.clear(),
            Part::Keda => self.hang_up(now),
            Part::Karpenter | Part::Scheduler | Part::MetricsServer => {}
        }
    }

    /// A part runs again: what it only remembered is forgotten, and its informers list everything.
    fn restart(&mut self, now: Instant, part: Part) {
        if !self.stopped.remove(&part) {
            return;
        }
        self.recorder.notes.started(part, now);
        let built = self.build();
        match part {
            Part::Prometheus => self.hear_prometheus(now, prometheus::Input::Started),
            Part::MetricsServer => self.parts.metrics_server = built.metrics_server,
            Part::Hpa => {
                self.parts.hpa = built.hpa;
                self.start_hpa(now);
                let ids: Vec<_> = self.objects.hpas.iter().map(|(id, _)| id).collect();
                for id in ids {
                    self.hear_hpa(now, hpa::Input::Changed(id));
                }
            }
            Part::Keda => {
                self.parts.keda.restart();
                let listed = self.objects.scaled_objects.iter().map(|(id, _)| id);
                let ids: SortedSet<_> = listed.chain(self.parts.keda.held()).collect();
                for id in ids {
                    self.hear_keda(now, keda::Input::Changed(id));
                }
            }
            Part::Scheduler => {
                self.parts.scheduler = built.scheduler;
                for node in self.node_ids() {
                    self.hear_scheduler(now, scheduler::Input::NodeChanged(node));
                }
                // It decides nothing before all that is bound is in its cache
                // (kubernetes 1.35 cmd/kube-scheduler/app/server.go `Run` waits until the handlers are synced).
                let is_bound = |pod: &_| self.api.pods.get(*pod).is_some_and(|pod| pod.node.is_some());
                let (bound, others): (Vec<_>, Vec<_>) = self.pod_ids().into_iter().partition(is_bound);
                for pod in bound.into_iter().chain(others) {
                    self.hear_scheduler(now, scheduler::Input::PodChanged(pod));
                }
            }
            Part::Karpenter => {
                self.parts.provisioner = built.provisioner;
                self.parts.lifecycle = built.lifecycle;
                self.parts.claim_status.restart();
                self.parts.disruption = built.disruption;
                self.parts.terminator = built.terminator;
                self.objects.state = crate::karpenter::ClusterState::default();
                self.start_karpenter(now);
                self.list_instances(now);
                self.read_queue(now);
            }
        }
    }

    /// Karpenter's informers list everything, and its loops begin. A listed pod is an event for its node's claim
    /// (karpenter v1.14 pkg/controllers/nodeclaim/podevents/controller.go `Register` filters updates alone).
    pub(super) fn start_karpenter(&mut self, now: Instant) {
        self.hear_lifecycle(now, lifecycle::Input::PoolsChanged);
        let pods = self.pod_ids();
        for &pod in &pods {
            self.hear_claim_status(now, claim_status::Input::PodChanged(pod));
        }
        self.hear_claim_status(now, claim_status::Input::PoolsChanged);
        let claims: Vec<_> = self.objects.claims.iter().map(|(id, _)| id).collect();
        for claim in claims {
            self.hear_lifecycle(now, lifecycle::Input::ClaimChanged(claim));
            self.hear_claim_status(now, claim_status::Input::ClaimChanged(claim));
            self.hear_disruption(now, disruption::Input::ClaimChanged(claim));
            self.tell_terminator(now, claim);
        }
        for node in self.node_ids() {
            self.hear_provisioner(now, provisioner::Input::NodeChanged(node));
            self.hear_terminator(now, termination::Input::NodeChanged(node));
        }
        for pod in pods {
            self.hear_provisioner(now, provisioner::Input::PodChanged(pod));
        }
        self.hear_disruption(now, disruption::Input::Poll);
    }

    /// Karpenter's garbage collectors list the machines: those that no claim has, and claims whose machine is
    /// gone.
    fn list_instances(&mut self, now: Instant) {
        let claims = self.objects.claims.iter();
        let claimed: SortedSet<InstanceId> = claims.filter_map(|(_, claim)| claim.instance).collect();
        let instances = self.parts.ec2.instances().iter();
        let of_claims = instances.filter(|(_, instance)| instance.claim().is_some());
        let heard: Vec<lifecycle::Input> = of_claims
            .filter_map(
                |(id, instance)| match (claimed.contains(&id), instance.is_alive()) {
                    (false, true) => Some(lifecycle::Input::Unclaimed(id, instance.launched)),
                    (true, false) => Some(lifecycle::Input::InstanceGone(id)),
                    _ => None,
                },
            )
            .collect();
        for input in heard {
            self.hear_lifecycle(now, input);
        }
    }

    /// Karpenter reads what came into its interruption queue while it was away, unless it is too old.
    fn read_queue(&mut self, now: Instant) {
        for (at, input) in std::mem::take(&mut self.interruptions) {
            if now.since(at) < MESSAGE_RETENTION {
                self.hear_lifecycle(now, input);
            }
        }
    }

    fn node_ids(&self) -> Vec<crate::id::NodeId> {
        self.api.nodes.iter().map(|(id, _)| id).collect()
    }

    fn pod_ids(&self) -> Vec<PodId> {
        self.api.pods.iter().map(|(id, _)| id).collect()
    }

    /// The machines that EC2 wants back: the oldest that match and that it has not asked for yet.
    fn victims(&self, victim: &Victim) -> Vec<InstanceId> {
        let matches = |instance: &ec2::Instance| {
            let wanted = victim.instance_type.as_ref();
            matches!(instance.state, ec2::State::Running)
                && instance.end.is_none()
                && wanted.is_none_or(|wanted| wanted.matches(instance.spec.name))
                && victim
                    .zone
                    .as_ref()
                    .is_none_or(|wanted| **wanted == *instance.zone)
                && victim
                    .capacity_type
                    .is_none_or(|wanted| wanted == instance.capacity_type)
                && matches!(instance.origin, ec2::Origin::Claim(_))
        };
        let instances = self.parts.ec2.instances().iter();
        let running = instances.filter(|(_, instance)| matches(instance));
        running.take(victim.count as usize).map(|(id, _)| id).collect()
    }
}
