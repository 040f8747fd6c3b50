//! Handing an input to its part: what each part sees, and who performs what it asks for.

use sim::{Action, Component, Instant, Outbox};

use super::Cluster;
use super::event::Event;
use crate::api::Api;
use crate::ec2::{self, Ec2, State};
use crate::hpa;
use crate::hpa::controller::Controller;
use crate::id::InstanceId;
use crate::karpenter::claim_status::{self, ClaimStatus};
use crate::karpenter::disruption::{self, Disruption};
use crate::karpenter::lifecycle::{self, Lifecycle};
use crate::karpenter::provisioner::{self, Provisioner};
use crate::karpenter::termination::{self, Terminator};
use crate::keda::{self, Operator};
use crate::prometheus::{self, Prometheus};
use crate::scenario::Part;
use crate::scheduler::{self, Scheduler};
use crate::traffic::Traffic;
use crate::workload::controllers::{self, Controllers};
use crate::workload::kubelet::{self, Kubelets};
use crate::workload::metrics_server::MetricsServer;

/// Every part.
pub(super) struct Parts {
    pub(super) controllers: Controllers,
    pub(super) kubelets: Kubelets,
    pub(super) scheduler: Scheduler,
    pub(super) hpa: Controller,
    pub(super) keda: Operator,
    pub(super) prometheus: Prometheus,
    pub(super) provisioner: Provisioner,
    pub(super) lifecycle: Lifecycle,
    pub(super) claim_status: ClaimStatus,
    pub(super) disruption: Disruption,
    pub(super) terminator: Terminator,
    pub(super) ec2: Ec2,
    pub(super) metrics_server: MetricsServer,
    pub(super) traffic: Traffic,
}

type Box_<C> = Outbox<<C as Component>::Input, <C as Component>::Output>;

/// An outbox for each part, kept for its memory.
#[derive(Default)]
pub(super) struct Outboxes {
    controllers: Box_<Controllers>,
    kubelets: Box_<Kubelets>,
    scheduler: Box_<Scheduler>,
    hpa: Box_<Controller>,
    keda: Box_<Operator>,
    prometheus: Box_<Prometheus>,
    provisioner: Box_<Provisioner>,
    lifecycle: Box_<Lifecycle>,
    claim_status: Box_<ClaimStatus>,
    disruption: Box_<Disruption>,
    terminator: Box_<Terminator>,
    ec2: Box_<Ec2>,
}

/// Hands `$input` to `$part`, puts its alarms on the agenda, and performs what it emits, in order.
macro_rules! hear {
    ($cluster:ident.$part:ident, $now:ident, $input:ident, $view:expr, $event:path, $perform:ident) => {{
        let out = &mut $cluster.outboxes.$part;
        $cluster.parts.$part.handle($now, $input, $view, out);
        // Most inputs come to nothing.
        if !out.is_empty() {
            let mut out = std::mem::take(out);
            for action in out.drain() {
                match action {
                    Action::WakeAt(at, input) => $cluster.agenda.at(at, $event(input)),
                    Action::Emit(output) => $cluster.$perform($now, output),
                }
            }
            $cluster.outboxes.$part = out;
        }
    }};
}

impl Cluster<'_> {
    fn is_stopped(&self, part: Part) -> bool {
        self.stopped.contains(&part)
    }

    pub(super) fn hear_controllers(&mut self, now: Instant, input: controllers::Input) {
        hear!(
            self.controllers,
            now,
            input,
            &self.api,
            Event::Controllers,
            perform_controllers
        );
    }

    pub(super) fn hear_kubelets(&mut self, now: Instant, input: kubelet::Input) {
        let view = kubelet::View {
            api: &self.api,
            lifecycles: &self.objects.lifecycles,
        };
        hear!(self.kubelets, now, input, view, Event::Kubelets, perform_kubelets);
    }

    pub(super) fn hear_scheduler(&mut self, now: Instant, input: scheduler::Input) {
        if self.is_stopped(Part::Scheduler) {
            return;
        }
        let view = scheduler::View {
            api: &self.api,
            namespaces: &self.objects.namespaces,
        };
        hear!(
            self.scheduler,
            now,
            input,
            view,
            Event::Scheduler,
            perform_scheduler
        );
    }

    pub(super) fn hear_hpa(&mut self, now: Instant, input: hpa::Input) {
        if self.is_stopped(Part::Hpa) {
            return;
        }
        if let hpa::Input::Metric(id, _) = &input
            && self.asked.remove(*id).is_none()
        {
            return;
        }
        let view = hpa::View {
            api: &self.api,
            hpas: &self.objects.hpas,
        };
        hear!(self.hpa, now, input, view, Event::Hpa, perform_hpa);
    }

    pub(super) fn hear_keda(&mut self, now: Instant, input: keda::Input) {
        if self.is_stopped(Part::Keda) {
            return self.keda_is_away(now, &input);
        }
        let view = keda::View {
            api: &self.api,
            scaled_objects: &self.objects.scaled_objects,
            hpas: &self.objects.hpas,
        };
        hear!(self.keda, now, input, view, Event::Keda, perform_keda);
    }

    pub(super) fn hear_prometheus(&mut self, now: Instant, input: prometheus::Input) {
        let view = prometheus::View { api: &self.api };
        hear!(
            self.prometheus,
            now,
            input,
            view,
            Event::Prometheus,
            perform_prometheus
        );
    }

    pub(super) fn hear_provisioner(&mut self, now: Instant, input: provisioner::Input) {
        if self.is_stopped(Part::Karpenter) {
            return;
        }
        let view = self.objects.provisioner_view(&self.api, &self.parts.lifecycle);
        hear!(
            self.provisioner,
            now,
            input,
            view,
            Event::Provisioner,
            perform_provisioner
        );
    }

    pub(super) fn hear_lifecycle(&mut self, now: Instant, input: lifecycle::Input) {
        if self.is_stopped(Part::Karpenter) {
            if input.is_queued() {
                self.interruptions.push((now, input));
            }
            return;
        }
        let view = lifecycle::View {
            api: &self.api,
            claims: &self.objects.claims,
            classes: &self.objects.classes,
        };
        hear!(
            self.lifecycle,
            now,
            input,
            view,
            Event::Lifecycle,
            perform_lifecycle
        );
    }

    pub(super) fn hear_claim_status(&mut self, now: Instant, input: claim_status::Input) {
        if self.is_stopped(Part::Karpenter) {
            return;
        }
        let view = claim_status::View {
            api: &self.api,
            claims: &self.objects.claims,
            state: &self.objects.state,
            pools: &self.objects.pools,
            instance_types: self.parts.lifecycle.provider().instance_types(),
            classes: &self.objects.classes,
        };
        hear!(
            self.claim_status,
            now,
            input,
            view,
            Event::ClaimStatus,
            perform_claim_status
        );
    }

    pub(super) fn hear_disruption(&mut self, now: Instant, input: disruption::Input) {
        if self.is_stopped(Part::Karpenter) {
            return;
        }
        let view = self.objects.provisioner_view(&self.api, &self.parts.lifecycle);
        hear!(
            self.disruption,
            now,
            input,
            view,
            Event::Disruption,
            perform_disruption
        );
    }

    pub(super) fn hear_terminator(&mut self, now: Instant, input: termination::Input) {
        if self.is_stopped(Part::Karpenter) {
            return;
        }
        let ec2 = &self.parts.ec2;
        let view = termination::View {
            api: &self.api,
            claims: &self.objects.claims,
            machine: &|instance| machine(ec2, instance),
        };
        hear!(
            self.terminator,
            now,
            input,
            view,
            Event::Terminator,
            perform_terminator
        );
    }

    pub(super) fn hear_ec2(&mut self, now: Instant, input: ec2::Input) {
        hear!(self.ec2, now, input, (), Event::Ec2, perform_ec2);
    }
}

impl Cluster<'_> {
    /// The HPA controller's informers begin.
    pub(super) fn start_hpa(&mut self, now: Instant) {
        let mut out = std::mem::take(&mut self.outboxes.hpa);
        self.parts.hpa.start(&mut out);
        for action in out.drain() {
            match action {
                // A later process counts from its own start.
                Action::WakeAt(at, input) => {
                    self.agenda.at(now + at.since(Instant::ZERO), Event::Hpa(input));
                }
                Action::Emit(output) => self.perform_hpa(now, output),
            }
        }
        self.outboxes.hpa = out;
    }
}

/// What EC2 says of a machine, in the words of Karpenter's provider.
fn machine(ec2: &Ec2, instance: InstanceId) -> termination::Machine {
    match ec2.instances().get(instance).map(|instance| instance.state) {
        Some(State::Pending | State::Running) => termination::Machine::Running,
        Some(State::ShuttingDown) => termination::Machine::ShuttingDown,
        Some(State::Terminated) | None => termination::Machine::Gone,
    }
}

impl super::Objects {
    /// What Karpenter's provisioner and its disruption controller see.
    pub(super) fn provisioner_view<'a>(
        &'a self,
        api: &'a Api,
        lifecycle: &'a Lifecycle,
    ) -> provisioner::View<'a> {
        provisioner::View {
            api,
            claims: &self.claims,
            state: &self.state,
            pools: &self.pools,
            instance_types: lifecycle.provider().instance_types(),
            daemons: &self.daemons,
            namespaces: &self.namespaces,
        }
    }
}
