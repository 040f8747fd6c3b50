//! EC2: machines that take their time, run out, are taken away, and cost money.
//!
//! A fleet request is answered after the call's latency with an instance or with the choices that failed. An
//! instance is pending, runs, boots, joins the cluster as a node, and has its network some time later. It
//! ends when somebody terminates it or when EC2 wants a spot instance back, two minutes after saying so; it
//! is shutting down for a while and then gone.
//!
//! What is kept: instant fleets of one instance with both allocation strategies, capacity shortages as the
//! scenario states them, spot interruptions by AWS's advisor or at a given rate, billing by the second.
//! Left out: fleets of other kinds, stopping and hibernating, API throttling, credits of burstable types,
//! prices that change during a run. How long each step takes is no published fact: the defaults of
//! [`BootTimes`] are estimates that say where they come from.

mod allocation;
mod billing;
mod config;
pub mod fleet;
mod instance;
pub mod node;
mod quota;

use std::sync::Arc;
use std::time::Duration;

use rand_distr::{Distribution as _, Exp1};
use sim::{Component, Instant, Outbox, SortedMap, Stream, Streams};

pub use allocation::{Shortage, TypePattern};
pub use billing::{Bill, TypeBill};
pub use config::{BootTimes, Config, Interruption, NodeGroup};
pub use instance::{End, Instance, Origin, State};
pub use quota::{Group as QuotaGroup, Quota};

use crate::catalog::{Catalog, InstanceSpec};
use crate::distribution::Distribution;
use crate::id::{InstanceId, NodeClaimId, Table};
use crate::karpenter::CapacityType;
use fleet::{FleetAnswer, FleetRequest, Launched, Override};

/// How long before a spot instance is taken away EC2 says so
/// (EC2 user guide, spot instance interruption notices).
pub const INTERRUPTION_NOTICE: Duration = Duration::from_secs(120);

/// What happens to EC2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Somebody calls CreateFleet for a NodeClaim.
    CreateFleet(NodeClaimId, Arc<FleetRequest>),
    /// Somebody calls TerminateInstances.
    Terminate(InstanceId),
    /// EC2 wants this spot instance back: an action of the scenario.
    Interrupt(InstanceId),
    /// The operating system of an instance that shuts down holds that up. EC2 waits for some minutes, which is more than
    /// kubelets take (EC2 user guide, how instance termination works).
    Inhibit(InstanceId),
    /// It goes on.
    Release(InstanceId),
    /// A call is due to be answered.
    Answer(u32),
    /// The next step in an instance's life is due.
    Step(InstanceId, Step),
}

/// A step in an instance's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It enters the state running.
    Running,
    /// Its kubelet registers with the API server.
    Joined,
    /// Its network plugin is ready, and with it the node.
    NetworkReady,
    /// EC2 recommends rebalancing: the pool is getting short.
    Rebalance,
    /// The interruption notice goes out.
    Notice,
    /// EC2 takes it away.
    Reclaim,
    /// It is terminated.
    Gone,
}

/// What EC2 tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// The answer to a CreateFleet call.
    FleetAnswered(NodeClaimId, Box<FleetAnswer>),
    /// The instance runs: billing begins.
    InstanceRunning(InstanceId),
    /// The kubelet registers: the Node object appears, not ready ([`node::joining`]).
    NodeJoins(InstanceId),
    /// The node's network is up: the kubelet reports Ready ([`node::set_ready`]).
    NodeReady(InstanceId),
    /// A rebalance recommendation, delivered by event.
    RebalanceRecommended(InstanceId),
    /// A spot interruption notice, delivered by event: two minutes are left.
    InterruptionNotice(InstanceId),
    /// The instance shuts down, and billing ends. Kubelet and containers stop at once unless that is held up
    /// ([`Input::Inhibit`]).
    ShuttingDown(InstanceId),
    /// The instance is terminated: EC2 no longer knows it.
    InstanceGone(InstanceId),
}

/// EC2 in one region.
#[derive(Debug)]
pub struct Ec2 {
    config: Config,
    catalog: Arc<Catalog>,
    streams: Streams,
    calls: Vec<Option<(NodeClaimId, Arc<FleetRequest>)>>,
    names: Stream,
    instances: Table<InstanceId, Instance>,
}

impl Ec2 {
    /// EC2 with the instances of the node groups already running and joined.
    ///
    /// # Panics
    ///
    /// When a node group names a type or zone that the catalog does not offer; whoever reads scenarios
    /// checks that.
    #[must_use]
    pub fn new(config: Config, catalog: Arc<Catalog>, groups: &[NodeGroup], streams: &Streams) -> Self {
        let mut ec2 = Ec2 {
            config,
            catalog,
            streams: *streams,
            calls: Vec::new(),
            names: streams.stream("ec2/name", 0),
            instances: Table::new(),
        };
        for (at, group) in groups.iter().enumerate() {
            for member in 0..group.size {
                ec2.add_member(at, group, member as usize);
            }
        }
        ec2
    }

    fn add_member(&mut self, at: usize, group: &NodeGroup, member: usize) {
        let entry = self
            .catalog
            .get(&group.instance_type)
            .expect("a node group's type is offered");
        let zones: Vec<Arc<str>> = if group.zones.is_empty() {
            entry.zones.clone()
        } else {
            group.zones.clone()
        };
        let choice = Override {
            instance_type: group.instance_type.clone(),
            zone: zones[member % zones.len()].clone(),
            reservation: None,
        };
        let volumes: Arc<[_]> = group.volumes.clone().into();
        let mut instance = self.make(
            Instant::ZERO,
            Origin::Group(at),
            &choice,
            group.capacity_type,
            &volumes,
            group.detailed_monitoring,
        );
        instance.state = State::Running;
        instance.running = Some(Instant::ZERO);
        self.instances.insert(instance);
    }

    /// All instances of the run, those that are gone included.
    #[must_use]
    pub fn instances(&self) -> &Table<InstanceId, Instance> {
        &self.instances
    }

    /// What is offered in this region.
    #[must_use]
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    fn make(
        &mut self,
        now: Instant,
        origin: Origin,
        choice: &Override,
        capacity_type: CapacityType,
        volumes: &[crate::catalog::volume::Volume],
        detailed_monitoring: bool,
    ) -> Instance {
        let entry = self
            .catalog
            .get(&choice.instance_type)
            .expect("an instance is of an offered type");
        let hourly = |volume| self.config.volume_prices.hourly(volume);
        let monitoring = if detailed_monitoring {
            self.config.detailed_monitoring
        } else {
            crate::quantity::Price(0)
        };
        let price = match capacity_type {
            CapacityType::Spot => entry.spot_in(&choice.zone),
            CapacityType::OnDemand | CapacityType::Reserved => entry.on_demand.map(|(price, _)| price),
        };
        Instance {
            origin,
            price: price.unwrap_or_default() + monitoring,
            volume_price: volumes.iter().map(hourly).sum(),
            spec: entry.spec,
            zone: choice.zone.clone(),
            capacity_type,
            reservation: choice.reservation.clone(),
            name: instance::draw_name(&mut self.names),
            address: instance::draw_address(&mut self.names),
            launched: now,
            running: None,
            shutting_down: None,
            inhibited: false,
            due: Instant::MAX,
            gone: None,
            state: State::Pending,
            end: None,
            registration_delay: None,
        }
    }

    fn call(&mut self, now: Instant, claim: NodeClaimId, request: Arc<FleetRequest>, out: &mut Out) {
        let call = u32::try_from(self.calls.len()).expect("fewer than 2^32 calls in a run");
        self.calls.push(Some((claim, request)));
        let mut stream = self.streams.stream("ec2/fleet-call", u64::from(call));
        let latency = match self.calls[call as usize]
            .as_ref()
            .expect("just pushed")
            .1
            .registration_delay
        {
            Some(_) => Duration::ZERO,
            None => self.config.times.fleet_call.sample_duration(&mut stream),
        };
        out.wake_at(now + latency, Input::Answer(call));
    }

    /// Finds an instance for a call, or says why there is none.
    fn answer(&mut self, now: Instant, call: u32, out: &mut Out) {
        let Some((claim, request)) = self.calls[call as usize].take() else {
            return;
        };
        let market = allocation::Market {
            config: &self.config,
            catalog: &self.catalog,
            instances: &self.instances,
            now,
        };
        let (chosen, errors) = market.allocate(
            &request,
            &mut self.streams.stream("ec2/allocation", u64::from(call)),
        );
        let launched = chosen.map(|choice| {
            let mut instance = self.make(
                now,
                Origin::Claim(claim),
                &choice,
                request.capacity_type,
                &request.volumes,
                request.detailed_monitoring,
            );
            instance.registration_delay = request.registration_delay;
            let id = self.instances.insert(instance);
            self.begin(now, id, out);
            Launched {
                instance: id,
                choice,
                capacity_type: request.capacity_type,
            }
        });
        let answer = FleetAnswer { launched, errors };
        out.emit(Output::FleetAnswered(claim, Box::new(answer)));
    }

    /// Puts the life of a new instance on the agenda, as far as it is its own.
    fn begin(&mut self, now: Instant, id: InstanceId, out: &mut Out) {
        let mut stream = self.streams.stream("ec2/boot", u64::from(id.0));
        let made_up = self
            .instances
            .get(id)
            .is_some_and(|own| own.registration_delay.is_some());
        let pending = match made_up {
            true => Duration::ZERO,
            false => self.config.times.pending.sample_duration(&mut stream),
        };
        out.wake_at(now + pending, Input::Step(id, Step::Running));
        if let Some(notice) = self.interruption(now, id) {
            if let Some(lead) = self.config.rebalance_lead {
                let at = notice.saturating_sub(lead).max(now);
                out.wake_at(at, Input::Step(id, Step::Rebalance));
            }
            out.wake_at(notice, Input::Step(id, Step::Notice));
        }
    }

    /// When EC2 will want an instance back.
    fn interruption(&self, now: Instant, id: InstanceId) -> Option<Instant> {
        let instance = self.instances.get(id)?;
        if instance.capacity_type != CapacityType::Spot {
            return None;
        }
        let band = self.catalog.get(instance.spec.name)?.interruption_band;
        let per_hour = self.config.interruption.per_hour(band);
        if per_hour <= 0.0 {
            return None;
        }
        let mut stream = self.streams.stream("ec2/interruption", u64::from(id.0));
        let unit: f64 = Exp1.sample(&mut stream);
        let hours = unit / per_hour;
        // Beyond a century is never.
        (hours < 1e6).then(|| now + Duration::from_secs_f64(hours * 3600.0))
    }

    fn step(&mut self, now: Instant, id: InstanceId, step: Step, out: &mut Out) {
        let Some(instance) = self.instances.get_mut(id) else {
            return;
        };
        let alive = matches!(instance.state, State::Pending | State::Running);
        match step {
            Step::Running if instance.state == State::Pending => {
                instance.state = State::Running;
                instance.running = Some(now);
                out.emit(Output::InstanceRunning(id));
                let boot = self.boot_time(id);
                out.wake_at(now + boot, Input::Step(id, Step::Joined));
            }
            Step::Joined if alive => {
                out.emit(Output::NodeJoins(id));
                let mut stream = self.streams.stream("ec2/network", u64::from(id.0));
                let network = self.config.times.network.sample_duration(&mut stream);
                out.wake_at(now + network, Input::Step(id, Step::NetworkReady));
            }
            Step::NetworkReady if alive => out.emit(Output::NodeReady(id)),
            Step::Rebalance if alive && instance.end.is_none() => out.emit(Output::RebalanceRecommended(id)),
            Step::Notice if alive && instance.end.is_none() => self.notice(now, id, out),
            Step::Reclaim if alive => self.shut_down(now, id, End::Interrupted, out),
            Step::Gone if instance.state == State::ShuttingDown && !instance.inhibited => {
                instance.state = State::Terminated;
                instance.gone = Some(now);
                out.emit(Output::InstanceGone(id));
            }
            _ => {}
        }
    }

    fn boot_time(&self, id: InstanceId) -> Duration {
        let times = &self.config.times;
        let instance = self.instances.get(id).expect("an instance that boots exists");
        if let Some(delay) = instance.registration_delay {
            return delay;
        }
        let spec: &InstanceSpec = instance.spec;
        let mut stream = self.streams.stream("ec2/kubelet", u64::from(id.0));
        let mut draw = |distribution: &Distribution| distribution.sample_duration(&mut stream);
        let mut boot = draw(&times.boot);
        if spec.bare_metal {
            boot += draw(&times.bare_metal);
        }
        if spec.gpu.is_some() || spec.accelerator.is_some() {
            boot += draw(&times.accelerated);
        }
        boot
    }

    fn notice(&mut self, now: Instant, id: InstanceId, out: &mut Out) {
        if let Some(instance) = self.instances.get_mut(id) {
            instance.end = Some(End::Interrupted);
            out.emit(Output::InterruptionNotice(id));
            out.wake_at(now + INTERRUPTION_NOTICE, Input::Step(id, Step::Reclaim));
        }
    }

    fn shut_down(&mut self, now: Instant, id: InstanceId, end: End, out: &mut Out) {
        let mut stream = self.streams.stream("ec2/shutdown", u64::from(id.0));
        let Some(instance) = self.instances.get_mut(id) else {
            return;
        };
        if !matches!(instance.state, State::Pending | State::Running) {
            return;
        }
        instance.state = State::ShuttingDown;
        instance.shutting_down = Some(now);
        instance.end = Some(end);
        out.emit(Output::ShuttingDown(id));
        let mut length = self.config.times.shutting_down.sample_duration(&mut stream);
        if instance.spec.bare_metal {
            length += self.config.times.bare_metal.sample_duration(&mut stream);
        }
        if instance.registration_delay.is_some() {
            length = Duration::ZERO;
        }
        instance.due = now + length;
        out.wake_at(instance.due, Input::Step(id, Step::Gone));
    }

    fn inhibit(&mut self, id: InstanceId, inhibited: bool) {
        if let Some(instance) = self.instances.get_mut(id) {
            instance.inhibited = inhibited;
        }
    }

    /// What all machines and all their volumes cost an hour at this moment.
    #[must_use]
    pub fn hourly_cost(&self) -> (crate::quantity::Price, crate::quantity::Price) {
        billing::hourly_cost(&self.instances)
    }

    /// What was spent from `from` to `to`, which is now, by instance type.
    #[must_use]
    pub fn bill(&self, from: Instant, to: Instant) -> Bill {
        let mut bill: Bill = SortedMap::new();
        for (_, instance) in self.instances.iter() {
            billing::add(&mut bill, instance, from, to, self.config.free_first_hour);
        }
        bill
    }
}

type Out = Outbox<Input, Output>;

impl Component for Ec2 {
    type Input = Input;
    type Output = Output;
    type View<'a> = ();

    fn handle(&mut self, now: Instant, input: Input, (): (), out: &mut Out) {
        match input {
            Input::CreateFleet(claim, request) => self.call(now, claim, request, out),
            Input::Terminate(id) => self.shut_down(now, id, End::Terminated, out),
            Input::Interrupt(id) => self.step(now, id, Step::Notice, out),
            Input::Inhibit(id) => self.inhibit(id, true),
            Input::Release(id) => {
                self.inhibit(id, false);
                if self.instances.get(id).is_some_and(|own| own.due <= now) {
                    self.step(now, id, Step::Gone, out);
                }
            }
            Input::Answer(call) => self.answer(now, call, out),
            Input::Step(id, step) => self.step(now, id, step, out),
        }
    }
}

#[cfg(test)]
mod tests;
