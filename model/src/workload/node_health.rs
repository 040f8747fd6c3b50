//! The node controller's taints that drive pods out: of nodes that are not ready, or that nobody hears of.
//!
//! Every five seconds it looks at all nodes. One that is not ready waits for its NoExecute taint in the queue of its
//! zone, which lets one node go each ten seconds; one that is Ready loses the taint again. Where most nodes of a zone are
//! down the queue is slower, or stands still; where all nodes of the cluster are, nothing is tainted and all taints go
//! (kubernetes 1.35 pkg/controller/nodelifecycle/node_lifecycle_controller.go `monitorNodeHealth`,
//! `processTaintBaseEviction`, `doNoExecuteTaintingPass`, `handleDisruption`). The taint that keeps new pods away is no part
//! of this: it comes and goes with the node's condition, at once.
//!
//! Left out: an order in a zone's queue other than that of the nodes' arrival.

use std::time::Duration;

use sim::{Instant, SortedMap};

use crate::id::NodeId;

/// `--node-monitor-period`
/// (kubernetes 1.35 pkg/controller/nodelifecycle/config/v1alpha1/defaults.go).
pub const MONITOR_PERIOD: Duration = Duration::from_secs(5);
/// How often the queues are looked at
/// (kubernetes 1.35 pkg/controller/nodelifecycle/scheduler/rate_limited_queue.go `NodeEvictionPeriod`).
pub const TAINTING_PERIOD: Duration = Duration::from_millis(100);
/// From one node of a zone to the next, by `--node-eviction-rate`, and by `--secondary-node-eviction-rate` where most nodes
/// of a zone of more than `LARGE` are down
/// (kubernetes 1.35 pkg/controller/nodelifecycle/config/v1alpha1/defaults.go).
const INTERVAL: Duration = Duration::from_secs(10);
const SLOW_INTERVAL: Duration = Duration::from_secs(100);
const LARGE: usize = 50;
/// `--unhealthy-zone-threshold`, and from how many nodes on it counts
/// (kubernetes 1.35 pkg/controller/nodelifecycle/node_lifecycle_controller.go `ComputeZoneState`).
const UNHEALTHY: f64 = 0.55;
const SOME: usize = 3;

/// What a look at one node shows.
#[derive(Debug, Clone, Copy)]
pub struct Health<'a> {
    /// Which.
    pub node: NodeId,
    /// Its zone.
    pub zone: &'a str,
    /// Whether its kubelet says that it is.
    pub ready: bool,
    /// Whether it has a NoExecute taint for not being so.
    pub tainted: bool,
}

/// What the controller remembers.
#[derive(Debug, Default)]
pub struct Monitor {
    zones: SortedMap<String, Zone>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Normal,
    /// Most nodes are down.
    Partial,
    /// All nodes are down.
    Full,
}

#[derive(Debug)]
struct Zone {
    /// None before its first look.
    state: Option<State>,
    /// From one node to the next; `None` lets none go.
    interval: Option<Duration>,
    /// From when on the next may go.
    free: Instant,
    waiting: Vec<NodeId>,
}

impl Monitor {
    /// A look at all nodes. Says whether all of them are down, so that all taints go.
    pub fn pass(&mut self, now: Instant, nodes: &[Health<'_>]) -> bool {
        let mut counts: SortedMap<&str, (usize, usize)> = SortedMap::new();
        for zone in self.zones.values_mut() {
            zone.waiting.clear();
        }
        for health in nodes {
            let (ready, down) = counts.entry(health.zone).or_default();
            *(if health.ready { ready } else { down }) += 1;
            let zone = self.zones.entry(health.zone.to_owned()).or_insert_with(|| Zone {
                state: None,
                interval: Some(INTERVAL),
                free: now,
                waiting: Vec::new(),
            });
            if !health.ready && !health.tainted {
                zone.waiting.push(health.node);
            }
        }
        self.handle_disruption(now, &counts)
    }

    fn handle_disruption(&mut self, now: Instant, counts: &SortedMap<&str, (usize, usize)>) -> bool {
        for (name, zone) in &mut self.zones {
            if !counts.contains_key(name.as_str()) {
                zone.state = None;
            }
        }
        let was_down = |name: &&str| self.zones.get(*name).and_then(|zone| zone.state) == Some(State::Full);
        let all_were_down = counts.keys().all(was_down);
        let all_down = counts
            .values()
            .all(|&(ready, down)| state(ready, down) == State::Full);
        for (name, &(ready, down)) in counts {
            let Some(zone) = self.zones.get_mut(*name) else {
                continue;
            };
            let new = state(ready, down);
            if all_down {
                zone.swap(now, None);
            } else if all_were_down || zone.state != Some(new) {
                zone.swap(now, interval(new, ready + down));
            }
            zone.state = Some(new);
        }
        all_down && !all_were_down
    }

    /// The nodes whose turn it is: they get their taints now.
    pub fn take(&mut self, now: Instant) -> Vec<NodeId> {
        let mut taken = Vec::new();
        for zone in self.zones.values_mut() {
            while let Some(interval) = zone
                .interval
                .filter(|_| zone.free <= now && !zone.waiting.is_empty())
            {
                taken.push(zone.waiting.remove(0));
                zone.free = now + interval;
            }
        }
        taken
    }

    /// When the next one's turn comes, if one waits.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        let open = |zone: &&Zone| zone.interval.is_some() && !zone.waiting.is_empty();
        self.zones.values().filter(open).map(|zone| zone.free).min()
    }
}

impl Zone {
    /// Another limiter is full, unless the former one was empty
    /// (kubernetes 1.35 pkg/controller/nodelifecycle/scheduler/rate_limited_queue.go `SwapLimiter`).
    fn swap(&mut self, now: Instant, interval: Option<Duration>) {
        if self.interval == interval {
            return;
        }
        let was_free = self.interval.is_some() && self.free <= now;
        self.free = match interval {
            Some(interval) if !was_free => now + interval,
            _ => now,
        };
        self.interval = interval;
    }
}

/// (kubernetes 1.35 pkg/controller/nodelifecycle/node_lifecycle_controller.go `ComputeZoneState`)
fn state(ready: usize, down: usize) -> State {
    if ready == 0 && down > 0 {
        State::Full
    } else if down >= SOME && down as f64 / (down + ready) as f64 >= UNHEALTHY {
        State::Partial
    } else {
        State::Normal
    }
}

/// (kubernetes 1.35 pkg/controller/nodelifecycle/node_lifecycle_controller.go `setLimiterInZone`, `ReducedQPSFunc`)
fn interval(state: State, nodes: usize) -> Option<Duration> {
    match state {
        State::Normal | State::Full => Some(INTERVAL),
        State::Partial => (nodes > LARGE).then_some(SLOW_INTERVAL),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nodes of a zone by number: those up to `ready` are.
    fn zone(zone: &'static str, ready: u32, nodes: std::ops::Range<u32>) -> Vec<Health<'static>> {
        let health = |number| Health {
            node: NodeId(number),
            zone,
            ready: number < ready,
            tainted: false,
        };
        nodes.map(health).collect()
    }

    const NONE: [u32; 0] = [];

    fn taken(monitor: &mut Monitor, millis: u64) -> Vec<u32> {
        let taken = monitor.take(Instant::from_millis(millis));
        taken.iter().map(|node| node.0).collect()
    }

    #[test]
    fn a_zone_taints_one_node_each_ten_seconds() {
        let mut monitor = Monitor::default();
        let mut nodes = zone("a", 8, 0..10);
        nodes.extend(zone("b", 18, 10..20));
        assert!(!monitor.pass(Instant::from_secs(5), &nodes));
        assert_eq!(taken(&mut monitor, 5_100), [8, 18]);
        assert_eq!(monitor.next(), Some(Instant::from_millis(15_100)));
        nodes[8].tainted = true;
        nodes[18].tainted = true;
        monitor.pass(Instant::from_secs(15), &nodes);
        assert_eq!(taken(&mut monitor, 15_000), NONE);
        assert_eq!(taken(&mut monitor, 15_100), [9, 19]);
        // One that is Ready again is forgotten.
        nodes[9].ready = true;
        monitor.pass(Instant::from_secs(20), &nodes);
        monitor.pass(Instant::from_secs(25), &zone("a", 30, 0..20));
        assert_eq!(taken(&mut monitor, 60_000), NONE);
        assert_eq!(monitor.next(), None);
    }

    #[test]
    fn a_zone_of_which_most_is_down_stands_still_or_is_slow() {
        let mut monitor = Monitor::default();
        let rest = zone("b", 200, 100..110);
        let look = |monitor: &mut Monitor, second, ready, nodes| {
            let all = [zone("a", ready, 0..nodes), rest.clone()].concat();
            monitor.pass(Instant::from_secs(second), &all)
        };
        look(&mut monitor, 5, 2, 5);
        assert_eq!(taken(&mut monitor, 5_100), NONE);
        // Half of them are not most; the queue begins empty-handed.
        look(&mut monitor, 10, 3, 5);
        assert_eq!(taken(&mut monitor, 10_100), NONE);
        assert_eq!(taken(&mut monitor, 20_000), [3]);
        look(&mut monitor, 50, 20, 60);
        assert_eq!(taken(&mut monitor, 50_100), [20]);
        assert_eq!(taken(&mut monitor, 140_000), NONE);
        assert_eq!(taken(&mut monitor, 150_100), [21]);
    }

    #[test]
    fn nothing_is_tainted_where_all_nodes_are_down() {
        let mut monitor = Monitor::default();
        assert!(
            monitor.pass(Instant::from_secs(5), &zone("a", 0, 0..2)),
            "taints go"
        );
        assert!(!monitor.pass(Instant::from_secs(10), &zone("a", 0, 0..2)), "once");
        assert_eq!(taken(&mut monitor, 100_000), NONE);
        monitor.pass(Instant::from_secs(100), &zone("a", 1, 0..2));
        assert_eq!(taken(&mut monitor, 100_100), NONE);
        assert_eq!(taken(&mut monitor, 110_000), [1]);
        // One zone alone is tainted at the usual pace.
        let nodes = [zone("a", 0, 0..2), zone("b", 9, 2..4)].concat();
        monitor.pass(Instant::from_secs(130), &nodes);
        assert_eq!(taken(&mut monitor, 130_100), [0]);
    }
}
