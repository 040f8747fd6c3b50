//! What the simulation expects of a run: nodes, dollars, and the curves that are laid beside the measured ones.

use std::sync::Arc;

use live::cluster::PriceOf;
use live::compare::names::{self, SEEN_NODES_OF};
use model::catalog::Catalog;
use model::scenario::Scenario;
use serde::Serialize;

use crate::args::Fidelity;
use crate::experiment;
use crate::export::summary::Summary;
use crate::export::table::{HIGH, Table};

/// The medians of some seeds, and what they mean for the bill.
pub(super) struct Expected {
    pub(super) table: Table,
    /// Seconds from time zero to the table's second zero.
    warm_up: f64,
    pub(super) bill: Bill,
}

/// What new nodes there will be, and what they cost, beside the node groups that are there anyway.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Bill {
    /// The most new nodes at once: the median of the seeds.
    pub(super) nodes: f64,
    /// The same, of nineteen seeds in twenty.
    pub(super) nodes_high: f64,
    /// Dollars of new nodes: the median of the seeds.
    pub(super) usd: f64,
    /// The same, of nineteen seeds in twenty.
    pub(super) usd_high: f64,
}

/// A curve of the dashboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Curve {
    Requests,
    Pods,
    Nodes,
}

impl Curve {
    pub(super) const ALL: [Curve; 3] = [Curve::Requests, Curve::Pods, Curve::Nodes];

    /// What it is called.
    pub(super) fn title(self) -> &'static str {
        match self {
            Curve::Requests => "requests/s",
            Curve::Pods => "pods",
            Curve::Nodes => "nodes",
        }
    }

    /// The name of its samples.
    pub(super) fn sample(self) -> &'static str {
        match self {
            Curve::Requests => names::SEEN_RPS,
            Curve::Pods => names::SEEN_PODS,
            Curve::Nodes => names::SEEN_NODES,
        }
    }
}

/// Simulates a scenario with some seeds.
pub(super) fn expect(scenario: &Scenario, replications: u32) -> Expected {
    let outcomes = experiment::run(
        scenario,
        scenario.seed,
        replications as usize,
        Fidelity::Flow,
        experiment::Keep::Rows,
    );
    let summaries: Vec<Summary> = outcomes.iter().map(|outcome| outcome.summary.clone()).collect();
    let tables: Vec<Table> = outcomes.into_iter().map(|outcome| outcome.table).collect();
    let summary = Summary::merged(&summaries);
    let groups: f64 = scenario
        .node_groups
        .iter()
        .map(|group| f64::from(group.size))
        .sum();
    // What node groups cost is what is paid anyway: by the catalog's price, over the run.
    let price = prices(scenario.catalog.clone());
    let hours = summary.end_s / 3600.0;
    let anyway: f64 = scenario
        .node_groups
        .iter()
        .filter_map(|group| {
            Some(f64::from(group.size) * price(&group.instance_type, "on-demand", "")? * hours)
        })
        .sum();
    let high = |field: &str, median: f64| summary.bands.get(field).map_or(median, |(_, high)| *high);
    let bill = Bill {
        nodes: (summary.nodes_peak - groups).max(0.0),
        nodes_high: (high("nodes_peak", summary.nodes_peak) - groups).max(0.0),
        usd: (summary.instance_usd - anyway).max(0.0),
        usd_high: (high("instance_usd", summary.instance_usd) - anyway).max(0.0),
    };
    Expected {
        table: Table::merged(&tables),
        warm_up: scenario.warm_up.as_secs_f64(),
        bill,
    }
}

impl Expected {
    /// The simulated value of a curve, so many seconds after time zero; none before the warm-up's end.
    pub(super) fn at(&self, curve: Curve, t: f64) -> Option<f64> {
        let at = t - self.warm_up;
        let times = self.table.times();
        let row = times.partition_point(|time| *time <= at).checked_sub(1)?;
        let value = |name: &str| self.table.column(name).map(|column| column[row]);
        let value = match curve {
            Curve::Nodes => {
                let types = self
                    .table
                    .types(SEEN_NODES_OF)
                    .filter(|name| !name.ends_with(HIGH));
                let values = types.filter_map(|name| value(&format!("{SEEN_NODES_OF}{name}")));
                Some(values.filter(|value| value.is_finite()).sum())
            }
            curve => value(curve.sample()),
        };
        value.filter(|value| value.is_finite())
    }
}

/// The catalog's prices; of a spot machine whose zone is not known, the cheapest.
pub(super) fn prices(catalog: Arc<Catalog>) -> Arc<PriceOf> {
    Arc::new(move |name, lifecycle, zone| {
        let instance_type = catalog.get(name)?;
        let price = match lifecycle {
            "spot" => instance_type
                .spot_in(zone)
                .or_else(|| instance_type.cheapest_spot()),
            _ => instance_type.on_demand.map(|(price, _)| price),
        };
        price.map(|price| price.usd_per_hour())
    })
}
