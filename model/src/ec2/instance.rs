//! Instances.

use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use sim::{Instant, Stream};

use crate::catalog::InstanceSpec;
use crate::id::NodeClaimId;
use crate::karpenter::CapacityType;
use crate::quantity::Price;

/// The state of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// `pending`
    Pending,
    /// `running`
    Running,
    /// `shutting-down`
    ShuttingDown,
    /// `terminated`
    Terminated,
}

/// Whom an instance was made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A NodeClaim.
    Claim(NodeClaimId),
    /// A node group, by its place in the list.
    Group(usize),
}

/// How an instance ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Somebody terminated it.
    Terminated,
    /// EC2 wanted it back.
    Interrupted,
}

/// An instance. Kept after its end, for the bill.
#[derive(Debug, Clone)]
pub struct Instance {
    /// `i-0123456789abcdef0`
    pub name: String,
    /// The private DNS name's first part: `ip-192-168-12-34`.
    pub address: String,
    /// Whom it was made for.
    pub origin: Origin,
    /// Its type.
    pub spec: &'static InstanceSpec,
    /// Its zone.
    pub zone: Arc<str>,
    /// How it is bought.
    pub capacity_type: CapacityType,
    /// The capacity reservation that it uses.
    pub reservation: Option<Arc<str>>,
    /// What it costs an hour, detailed monitoring included.
    pub price: Price,
    /// What its volumes cost an hour.
    pub volume_price: Price,
    /// When the fleet made it; its volumes are billed from here.
    pub launched: Instant,
    /// When it entered the state running; it is billed from here.
    pub running: Option<Instant>,
    /// When it entered the state shutting-down; nothing is billed from here.
    pub shutting_down: Option<Instant>,
    /// Its operating system waits for something before it goes down.
    pub inhibited: bool,
    /// When it is gone at the earliest.
    pub due: Instant,
    /// When it was terminated.
    pub gone: Option<Instant>,
    /// Its state.
    pub state: State,
    /// How it ends, once that is settled. An instance with an interruption notice runs on for two minutes.
    pub end: Option<End>,
    /// Of a made-up machine: from the answered call to its registration.
    pub registration_delay: Option<Duration>,
}

impl Instance {
    /// Whether it is pending or running.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        matches!(self.state, State::Pending | State::Running)
    }

    /// The NodeClaim that it was made for.
    #[must_use]
    pub fn claim(&self) -> Option<NodeClaimId> {
        match self.origin {
            Origin::Claim(claim) => Some(claim),
            Origin::Group(_) => None,
        }
    }
}

pub(super) fn draw_name(stream: &mut Stream) -> String {
    format!("i-{:017x}", stream.random::<u128>() >> 60)
}

/// An address of the VPC that eksctl makes, 192.168.0.0/16.
pub(super) fn draw_address(stream: &mut Stream) -> String {
    let host: u16 = stream.random();
    format!("ip-192-168-{}-{}", host >> 8, host & 255)
}
