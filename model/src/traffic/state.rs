//! A state of the service in which nothing changes: what a flow is solved for and a probe runs.

use super::config::{Machine, PodCpu};

/// Pods of one role on a node: how many there are of each kind, by what their manifests say of CPU, in order. There is
/// mostly one kind.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Pods {
    first: Option<(PodCpu, u32)>,
    others: Vec<(PodCpu, u32)>,
}

impl Pods {
    /// One more of a kind.
    pub(super) fn add(&mut self, cpu: PodCpu) {
        let mut known = self.first.iter_mut().chain(&mut self.others);
        if let Some((_, count)) = known.find(|(known, _)| *known == cpu) {
            *count += 1;
            return;
        }
        let mut new = (cpu, 1);
        match &mut self.first {
            None => self.first = Some(new),
            Some(first) => {
                if new < *first {
                    std::mem::swap(first, &mut new);
                }
                let place = self.others.partition_point(|other| *other < new);
                self.others.insert(place, new);
            }
        }
    }

    /// The kinds in order, and how many there are of each.
    pub(super) fn iter(&self) -> impl Iterator<Item = (PodCpu, u32)> + Clone + '_ {
        self.first.iter().chain(&self.others).copied()
    }

    /// How many kinds there are.
    fn kinds(&self) -> usize {
        usize::from(self.first.is_some()) + self.others.len()
    }
}

#[cfg(test)]
impl<const N: usize> From<[(PodCpu, u32); N]> for Pods {
    fn from(kinds: [(PodCpu, u32); N]) -> Self {
        let mut pods = Pods::default();
        for (cpu, count) in kinds {
            (0..count).for_each(|_| pods.add(cpu));
        }
        pods
    }
}

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
            servers: Pods::default(),
            clients: Pods::default(),
            proxies: Pods::default(),
        }
    }

    /// Nothing of ours is on it.
    fn is_idle(&self) -> bool {
        [&self.servers, &self.clients, &self.proxies]
            .into_iter()
            .all(|pods| pods.first.is_none())
    }
}

/// The fastest machine of a type is at most so many times as fast as the slowest.
const SPREAD: f64 = 1.08;

/// All nodes, and requests a second from outside.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct State {
    pub(super) sites: Vec<Site>,
    pub(super) arrivals: f64,
    /// Which share of these each source sends, in twentieths; none if there is but one.
    pub(super) shares: Vec<u8>,
}

/// Pods of one kind, all nodes together.
pub(super) fn count(pods: &Pods) -> u32 {
    pods.iter().map(|(_, count)| count).sum()
}

impl State {
    pub(super) fn servers(&self) -> u32 {
        self.sites.iter().map(|site| count(&site.servers)).sum()
    }

    pub(super) fn clients(&self) -> u32 {
        self.sites.iter().map(|site| count(&site.clients)).sum()
    }

    /// The sites as numbers, one after the other: states with the same numbers are the same.
    pub(super) fn numbers(&self) -> Vec<u64> {
        let mut numbers = Vec::with_capacity(16 * self.sites.len());
        for site in &self.sites {
            add_numbers(&mut numbers, site, &site.machine);
        }
        numbers
    }

    /// The state as numbers, the same whatever the nodes are called: the key of memoized results.
    pub(super) fn key(&self) -> Vec<u64> {
        let sites = self.in_order();
        let numbers = sites.iter().flat_map(|levelled| &levelled.key).copied();
        numbers.chain(self.load()).collect()
    }

    /// What comes from outside, as numbers.
    pub(super) fn load(&self) -> impl Iterator<Item = u64> + '_ {
        let shares = self.shares.iter().map(|&share| u64::from(share));
        std::iter::once(self.arrivals.to_bits()).chain(shares)
    }

    /// The state in the order of its key, without nodes that nothing of ours is on, and with one speed for
    /// machines of a type: all states of one key are the same one.
    pub(super) fn levelled(&self) -> State {
        let site = |Levelled { site, machine, .. }: Levelled<'_>| Site {
            machine,
            ..site.clone()
        };
        State {
            sites: self.in_order().into_iter().map(site).collect(),
            arrivals: self.arrivals,
            shares: self.shares.clone(),
        }
    }

    /// The state in an order that does not depend on what the nodes are called, without those that nothing of ours is on.
    pub(super) fn ordered(&self) -> State {
        let mut sites: Vec<Site> = self
            .sites
            .iter()
            .filter(|site| !site.is_idle())
            .cloned()
            .collect();
        sites.sort_by_cached_key(|site| {
            let mut key = Vec::with_capacity(16);
            add_numbers(&mut key, site, &site.machine);
            key
        });
        State {
            sites,
            arrivals: self.arrivals,
            shares: self.shares.clone(),
        }
    }

    fn in_order(&self) -> Vec<Levelled<'_>> {
        let sites: Vec<&Site> = self.sites.iter().filter(|site| !site.is_idle()).collect();
        let mut machines: Vec<Machine> = sites.iter().map(|site| site.machine).collect();
        level_speeds(&mut machines);
        let levelled = |(site, machine)| {
            let mut key = Vec::with_capacity(16);
            add_numbers(&mut key, site, &machine);
            Levelled { key, site, machine }
        };
        let mut ordered: Vec<Levelled<'_>> = sites.into_iter().zip(machines).map(levelled).collect();
        ordered.sort_by(|a, b| a.key.cmp(&b.key));
        ordered
    }
}

/// A node's place in the key.
struct Levelled<'a> {
    key: Vec<u64>,
    site: &'a Site,
    /// Its machine, with the speed that stands for its type.
    machine: Machine,
}

/// Gives machines that are alike but for a few per cent of speed their mean speed, to a per cent.
fn level_speeds(machines: &mut [Machine]) {
    let mut machines: Vec<&mut Machine> = machines.iter_mut().collect();
    let kind = |machine: &Machine| (machine.vcpus, machine.cores, machine.system_cpu, machine.gpu);
    let order = |a: &Machine, b: &Machine| {
        let sizes = a.vcpus.total_cmp(&b.vcpus).then(a.cores.total_cmp(&b.cores));
        let kinds = sizes
            .then(a.system_cpu.total_cmp(&b.system_cpu))
            .then(a.gpu.cmp(&b.gpu));
        kinds.then(a.speed.total_cmp(&b.speed))
    };
    machines.sort_by(|a, b| order(a, b));
    let alike = |a: &&mut Machine, b: &&mut Machine| kind(a) == kind(b);
    for same in machines.chunk_by_mut(alike) {
        let mut rest = same;
        while let Some(slowest) = rest.first().map(|machine| machine.speed) {
            let count = rest.partition_point(|machine| machine.speed <= slowest * SPREAD);
            let (close, others) = std::mem::take(&mut rest).split_at_mut(count.max(1));
            let mean = close.iter().map(|machine| machine.speed).sum::<f64>() / close.len() as f64;
            let speed = if mean == slowest {
                mean
            } else {
                (mean * 100.0).round() / 100.0
            };
            close.iter_mut().for_each(|machine| machine.speed = speed);
            rest = others;
        }
    }
}

/// Adds a node's numbers.
fn add_numbers(numbers: &mut Vec<u64>, site: &Site, machine: &Machine) {
    let kinds = [&site.servers, &site.clients, &site.proxies];
    let [vcpus, cores, speed, system] =
        [machine.vcpus, machine.cores, machine.speed, machine.system_cpu].map(f64::to_bits);
    let gpu = machine.gpu.map_or(0, |model| u64::from(model.0) + 1);
    numbers.extend([vcpus, cores, speed, system, gpu]);
    for pods in kinds {
        numbers.push(pods.kinds() as u64);
        for (cpu, count) in pods.iter() {
            let limit = cpu.limit.map_or(0, |limit| limit.0 as u64 + 1);
            numbers.extend([cpu.request.0 as u64, limit, u64::from(count)]);
        }
    }
}
