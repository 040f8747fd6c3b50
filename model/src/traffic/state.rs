//! A state of the service in which nothing changes: what a flow is solved for and a probe runs.

use std::collections::BTreeMap;

use super::config::{Machine, PodCpu};

/// Pods of one kind on a node, by what their manifests say of CPU.
pub(super) type Pods = BTreeMap<PodCpu, u32>;

/// One node with what this part runs on it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Site {
    pub(super) machine: Machine,
    /// Servers that the proxies send to.
    pub(super) servers: Pods,
    pub(super) clients: Pods,
    pub(super) proxies: Pods,
}

impl Site {
    pub(super) fn new(machine: Machine) -> Self {
        Site {
            machine,
            servers: Pods::new(),
            clients: Pods::new(),
            proxies: Pods::new(),
        }
    }
}

/// All nodes, and requests a second from outside.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct State {
    pub(super) sites: Vec<Site>,
    pub(super) arrivals: f64,
}

/// Pods of one kind, all nodes together.
pub(super) fn count(pods: &Pods) -> u32 {
    pods.values().sum()
}

impl State {
    pub(super) fn servers(&self) -> u32 {
        self.sites.iter().map(|site| count(&site.servers)).sum()
    }

    pub(super) fn clients(&self) -> u32 {
        self.sites.iter().map(|site| count(&site.clients)).sum()
    }

    /// The state as numbers, the same whatever the nodes are called: the key of memoized results. With it the
    /// state itself in the key's order of nodes, without those that nothing of ours is on.
    pub(super) fn key(&self) -> (Vec<u64>, State) {
        let keyed = |site| Some((site_key(site)?, site));
        let mut sites: Vec<(Vec<u64>, &Site)> = self.sites.iter().filter_map(keyed).collect();
        sites.sort_by(|(a, _), (b, _)| a.cmp(b));
        let state = State {
            sites: sites.iter().map(|(_, site)| Site::clone(site)).collect(),
            arrivals: self.arrivals,
        };
        let mut key: Vec<u64> = sites.into_iter().flat_map(|(key, _)| key).collect();
        key.push(self.arrivals.to_bits());
        (key, state)
    }
}

/// A node's numbers; `None` if nothing of ours is there.
fn site_key(site: &Site) -> Option<Vec<u64>> {
    let kinds = [&site.servers, &site.clients, &site.proxies];
    if kinds.iter().all(|pods| count(pods) == 0) {
        return None;
    }
    let machine = &site.machine;
    let hardware = [machine.vcpus, machine.cores, machine.speed, machine.system_cpu].map(f64::to_bits);
    let gpu = machine.gpu.map_or(0, |model| u64::from(model.0) + 1);
    let mut key = hardware.to_vec();
    key.push(gpu);
    for pods in kinds {
        let present = pods.iter().filter(|&(_, &count)| count > 0);
        key.push(present.clone().count() as u64);
        for (cpu, &count) in present {
            let limit = cpu.limit.map_or(0, |limit| limit.0 as u64 + 1);
            key.extend([cpu.request.0 as u64, limit, u64::from(count)]);
        }
    }
    Some(key)
}
