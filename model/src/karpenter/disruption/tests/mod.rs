//! The loop as a whole, and each rule by its effect.

mod candidates;
mod commands;
mod moves;
mod timing;

use std::sync::Arc;
use std::time::Duration;

use sim::{Agenda, Component, Instant, Outbox, SortedSet, Streams};

use super::*;
use crate::api::{self, Deletion, Owner};
use crate::id::DaemonSetId;
use crate::karpenter::fixture::{World, budget, machine, owned, pool, template};
use crate::karpenter::node_pool::{ConsolidationPolicy, Nodes, Window};
use crate::karpenter::{CapacityType, Requirement, Requirements};
use crate::quantity::Price;

const A: &str = "0.32.4";
const B: &str = "1.5.0";
const C: &str = "1.14.1";

/// The controller, the world, and what has happened.
struct Run {
    world: World,
    profile: Profile,
    disruption: Disruption,
    agenda: Agenda<Input>,
    outputs: Vec<(Instant, Output)>,
}

impl Run {
    fn new(version: &str, world: World) -> Self {
        Run::with(version, world, |_| {})
    }

    fn with(version: &str, world: World, set: impl Fn(&mut Config)) -> Self {
        let profile = Profile::of(version.parse().expect("a release"));
        let mut settings = Settings::of(&profile);
        // Times are easier to read when thinking takes none.
        settings.cost.base = Duration::ZERO;
        settings.cost.per_attempt = Duration::ZERO;
        let mut config = Config::of(&profile, 0);
        set(&mut config);
        let mut run = Run {
            world,
            profile,
            disruption: Disruption::new(profile, settings, config, &Streams::new(1)),
            agenda: Agenda::new(),
            outputs: Vec::new(),
        };
        run.agenda.at(Instant::ZERO, Input::Poll);
        run
    }

    fn hear(&mut self, now: Instant, input: Input) {
        let mut out = Outbox::new();
        self.disruption.handle(now, input, self.world.view(), &mut out);
        for action in out.drain() {
            match action {
                sim::Action::WakeAt(at, input) => self.agenda.at(at, input),
                sim::Action::Emit(output) => {
                    self.world.perform(now, &output, &self.profile);
                    self.outputs.push((now, output));
                }
            }
        }
    }

    /// Tells the controller of something as it happens at `now`.
    fn tell(&mut self, now: u64, input: Input) {
        self.until(now);
        self.hear(Instant::from_secs(now), input);
    }

    /// Lets time pass, up to and with a second.
    fn until(&mut self, second: u64) -> &mut Self {
        while self
            .agenda
            .next_due()
            .is_some_and(|due| due <= Instant::from_secs(second))
        {
            let (now, input) = self.agenda.pop().expect("something is due");
            self.hear(now, input);
        }
        self
    }

    /// The claims that were deleted, and when.
    fn deleted(&self) -> Vec<(u64, NodeClaimId)> {
        let of = |(at, output): &(Instant, Output)| match output {
            Output::DeleteNodeClaim(id, _) => Some((at.as_secs_f64() as u64, *id)),
            _ => None,
        };
        self.outputs.iter().filter_map(of).collect()
    }

    fn created(&self) -> Vec<&NodeClaim> {
        let mut created = Vec::new();
        for (_, output) in &self.outputs {
            if let Output::CreateNodeClaim(claim, _) = output {
                created.push(&**claim);
            }
        }
        created
    }

    fn events(&self) -> impl Iterator<Item = &Event> {
        self.outputs.iter().filter_map(|(_, output)| match output {
            Output::Publish(event) => Some(event),
            _ => None,
        })
    }

    fn why(&self, claim: NodeClaimId) -> Option<&Unconsolidatable> {
        self.events()
            .filter_map(|event| match event {
                Event::Unconsolidatable(id, why) if *id == claim => Some(why),
                _ => None,
            })
            .last()
    }

    fn blocked(&self, claim: NodeClaimId) -> Option<&Blocked> {
        self.events()
            .filter_map(|event| match event {
                Event::Blocked(id, why) if *id == claim => Some(why),
                _ => None,
            })
            .last()
    }
}

fn seconds(secs: u64) -> Instant {
    Instant::from_secs(secs)
}

/// Two nodes of four cpus with one pod of one cpu each: one of them can go.
fn pair() -> (World, NodeClaimId, NodeClaimId) {
    let mut world = World::on_demand(&[4]);
    let (a, b) = (world.add_node(4, "on-demand"), world.add_node(4, "on-demand"));
    world.add_pod(a, 1000);
    world.add_pod(b, 1000);
    (world, a, b)
}
