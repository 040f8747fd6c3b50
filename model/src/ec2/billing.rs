//! What machines cost.
//!
//! An instance is billed by the second, for at least sixty, from running to shutting-down, for Linux (EC2
//! user guide, instance lifecycle; per-second billing since October 2017). Its volumes are billed by the
//! second from their creation to their deletion with it, for at least sixty too. An instance that EC2
//! interrupts in its first hour is free, its volumes are not.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sim::Instant;

use super::instance::{End, Instance, State};
use crate::id::{InstanceId, Table};
use crate::quantity::Price;

/// The least that is billed.
const MINIMUM: Duration = Duration::from_secs(60);

/// Spending by instance type.
pub type Bill = BTreeMap<Arc<str>, TypeBill>;

/// The machines of one type.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct TypeBill {
    /// How many there ever were.
    pub nodes: u32,
    /// Hours from launch to termination, or to now.
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

pub(super) fn add(bill: &mut Bill, instance: &Instance, now: Instant, free_first_hour: bool) {
    let name: Arc<str> = instance.spec.name.into();
    let own = bill.entry(name).or_default();
    let end = |ended: Option<Instant>| ended.unwrap_or(now).min(now);
    let existed = end(instance.gone).since(instance.launched);
    own.nodes += 1;
    own.node_hours += existed.as_secs_f64() / 3600.0;
    own.volume_usd += usd(instance.volume_price, existed);
    if let Some(running) = instance.running {
        let ran = end(instance.shutting_down).since(running);
        let reclaimed = instance.end == Some(End::Interrupted) && instance.shutting_down.is_some();
        if !(free_first_hour && reclaimed && ran < Duration::from_secs(3600)) {
            own.instance_usd += usd(instance.price, ran);
        }
    }
}

/// Whole seconds, begun ones included.
fn usd(price: Price, time: Duration) -> f64 {
    let seconds = time.max(MINIMUM).as_nanos().div_ceil(1_000_000_000);
    price.usd_per_hour() * seconds as f64 / 3600.0
}
