//! What machines cost.
//!
//! An instance is billed by the second, for at least sixty, from running to shutting-down, for Linux (EC2
//! user guide, instance lifecycle; per-second billing since October 2017). Its volumes are billed by the
//! second from their creation to their deletion with it, for at least sixty too. A spot
//! instance that EC2 interrupts in its first hour is free, its volumes are not (EC2 user guide, billing for
//! interrupted Spot Instances); one on demand is billed however it ends.

use std::sync::Arc;
use std::time::Duration;

use sim::{Instant, SortedMap};

use super::instance::{End, Instance, State};
use crate::id::{InstanceId, Table};
use crate::karpenter::CapacityType;
use crate::quantity::Price;

/// The least that is billed.
const MINIMUM: Duration = Duration::from_secs(60);

/// Spending by instance type in a stretch of time.
pub type Bill = SortedMap<Arc<str>, TypeBill>;

/// The machines of one type.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct TypeBill {
    /// How many there were at some time of it.
    pub nodes: u32,
    /// Hours that they ran: those that are billed.
    pub node_hours: f64,
    /// Dollars for the machines.
    pub instance_usd: f64,
    /// Dollars for their volumes.
    pub volume_usd: f64,
}

pub(super) fn hourly_cost(instances: &Table<InstanceId, Instance>) -> (Price, Price) {
    let of = |instance: &Instance| {
        let machine = if instance.state == State::Running {
            instance.price
        } else {
            Price(0)
        };
        let volumes = if instance.gone.is_none() {
            instance.volume_price
        } else {
            Price(0)
        };
        (machine, volumes)
    };
    let costs = instances.iter().map(|(_, instance)| of(instance));
    costs.fold((Price(0), Price(0)), |sum, cost| (sum.0 + cost.0, sum.1 + cost.1))
}

/// Adds what an instance cost between two instants. Whether its first hour was free is known when it has ended:
/// what it ran before `from` is no more of a credit than what it ran after it.
pub(super) fn add(bill: &mut Bill, instance: &Instance, from: Instant, to: Instant, free_first_hour: bool) {
    if instance.launched >= to || instance.gone.is_some_and(|gone| gone <= from) {
        return;
    }
    let own = bill.entry(instance.spec.name.into()).or_default();
    let existed = Span::new(instance.launched, instance.gone, from, to);
    own.nodes += 1;
    own.volume_usd += existed.usd(instance.volume_price);
    if let Some(running) = instance.running {
        let ran = Span::new(running, instance.shutting_down, from, to);
        own.node_hours += ran.hours();
        let reclaimed = instance.capacity_type == CapacityType::Spot
            && instance.end == Some(End::Interrupted)
            && instance.shutting_down.is_some();
        let first_hour = ran.until_end < Some(Duration::from_secs(3600));
        if !(free_first_hour && reclaimed && first_hour) {
            own.instance_usd += ran.usd(instance.price);
        }
    }
}

/// How long something had lasted at either end of a stretch of time, if it had begun.
struct Span {
    until_start: Option<Duration>,
    until_end: Option<Duration>,
}

impl Span {
    fn new(began: Instant, ended: Option<Instant>, from: Instant, to: Instant) -> Self {
        let until = |at: Instant| (began < at).then(|| ended.unwrap_or(at).min(at).since(began));
        Span {
            until_start: until(from),
            until_end: until(to),
        }
    }

    fn hours(&self) -> f64 {
        let lasted = self.until_end.unwrap_or_default() - self.until_start.unwrap_or_default();
        lasted.as_secs_f64() / 3600.0
    }

    fn usd(&self, price: Price) -> f64 {
        let billed = |time: Option<Duration>| time.map_or(0, billed_seconds);
        let seconds = billed(self.until_end) - billed(self.until_start);
        price.usd_per_hour() * seconds as f64 / 3600.0
    }
}

/// Whole seconds, begun ones included.
fn billed_seconds(time: Duration) -> u128 {
    time.max(MINIMUM).as_nanos().div_ceil(1_000_000_000)
}
