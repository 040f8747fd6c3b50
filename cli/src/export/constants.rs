//! The two ratios of a scenario's constants that throughput depends on, whatever the constants are one by one.

use sim::SortedSet;

use model::catalog;
use model::scenario::Scenario;
use model::traffic::{NodeKind, physics};

/// What each of these instance types does when it is full, beside what always runs there (K/D), and what a request takes
/// of clients and proxies beside the service (a/D). Nothing if requests take no CPU of the service.
pub(crate) fn constants<'a>(scenario: &Scenario, types: impl Iterator<Item = &'a str>) -> Option<String> {
    let traffic = &scenario.traffic;
    let own = traffic.service.cpu_per_request.mean();
    if own <= 0.0 {
        return None;
    }
    let of_groups: SortedSet<&str> = scenario
        .node_groups
        .iter()
        .map(|group| &*group.instance_type)
        .collect();
    let full = |name: &str| {
        let spec = catalog::find(name)?;
        let kind = if of_groups.contains(name) {
            NodeKind::System
        } else {
            NodeKind::Worker
        };
        let machine = traffic.machine_of(spec, kind);
        let work = physics::capacity(&machine, traffic.cpu.smt_gain);
        Some(format!("{:.1} on a {name}", work / own))
    };
    let full: Vec<String> = types.filter_map(full).collect();
    let clients = traffic.clients.as_ref().map_or(0.0, |clients| clients.client_cpu);
    let beside = clients + traffic.traefik.proxy_cpu;
    Some(format!(
        "constants: of the service alone, requests a second with all CPUs busy (K/D): {}; CPU of clients and proxies for \
         each CPU second of the service (a/D): {:.3}",
        full.join(", "),
        beside / own
    ))
}
