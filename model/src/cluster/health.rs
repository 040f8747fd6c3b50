//! The node controller's looks at nodes, as far as something may come of them.
//!
//! It looks every five seconds, from a phase of its own on. A look at nodes that are all Ready, and were at the last one,
//! changes nothing and is left out.

use std::time::Duration;

use rand::RngExt;
use sim::{Instant, Streams};

use super::Cluster;
use super::event::Event;
use crate::api::{Node, Taint, TaintEffect};
use crate::id::NodeId;
use crate::karpenter::labels;
use crate::workload::node_health::{Health, MONITOR_PERIOD, Monitor, TAINTING_PERIOD};

/// The controller, and when it looks next.
#[derive(Debug)]
pub(super) struct NodeController {
    monitor: Monitor,
    /// One of its looks, and with it every other one.
    phase: Instant,
    /// The alarms that count; a look without one is as good, but brings no other.
    look: Option<Instant>,
    tainting: Option<Instant>,
}

impl NodeController {
    pub(super) fn new(streams: Streams) -> Self {
        NodeController {
            monitor: Monitor::default(),
            phase: phase(streams, "node-controller/phase", MONITOR_PERIOD),
            look: None,
            tainting: None,
        }
    }
}

/// A phase of one's own.
pub(super) fn phase(streams: Streams, purpose: &'static str, period: Duration) -> Instant {
    Instant::ZERO + period.mul_f64(streams.stream(purpose, 0).random::<f64>())
}

/// The first of looks in a period after that time.
pub(super) fn next_look(phase: Instant, period: Duration, now: Instant) -> Instant {
    if now < phase {
        return phase;
    }
    let looks = (now.since(phase).as_nanos() / period.as_nanos()) as u32;
    phase + period * (looks + 1)
}

impl Cluster<'_> {
    /// A node changed in what the controller looks at.
    pub(super) fn watch_health(&mut self, now: Instant) {
        if self.health.look.is_none() {
            let at = next_look(self.health.phase, MONITOR_PERIOD, now);
            self.health.look = Some(at);
            self.agenda.at(at, Event::MonitorNodes);
        }
    }

    /// Looks at all nodes (kubernetes 1.35 pkg/controller/nodelifecycle/node_lifecycle_controller.go `monitorNodeHealth`).
    pub(super) fn monitor_nodes(&mut self, now: Instant) {
        if self.health.look == Some(now) {
            self.health.look = None;
        }
        let patience = self.patience();
        let nodes = self.api.nodes.iter();
        let healths: Vec<Health<'_>> = nodes.map(|(id, node)| health(now, patience, id, node)).collect();
        let all_are_down = self.health.monitor.pass(now, &healths);
        let unsettled = |health: &&Health<'_>| !health.ready || health.tainted;
        let nodes: Vec<NodeId> = healths
            .iter()
            .filter(unsettled)
            .map(|health| health.node)
            .collect();
        for &id in &nodes {
            let Some(node) = self.api.nodes.get(id) else {
                continue;
            };
            match reason(node) {
                Some(reason) if !all_are_down => {
                    // What has one of the two taints gets the other one at once.
                    if drives_out(node).is_some_and(|own| own.key != reason) {
                        self.drive_out(id, Some(reason));
                    }
                }
                _ => self.drive_out(id, None),
            }
        }
        if !nodes.is_empty() {
            self.watch_health(now);
        }
        self.await_tainting(now);
    }

    /// How long after it has found a node silent the controller acts upon it: in 1.28 at its next look
    /// (kubernetes 1.28 pkg/controller/nodelifecycle/node_lifecycle_controller.go `monitorNodeHealth`).
    pub(super) fn patience(&self) -> Duration {
        match self.scenario.stack.kubernetes {
            ..29 => MONITOR_PERIOD,
            _ => Duration::ZERO,
        }
    }

    fn await_tainting(&mut self, now: Instant) {
        let Some(next) = self.health.monitor.next() else {
            return;
        };
        let at = next.max(now + TAINTING_PERIOD);
        if self.health.tainting.is_none_or(|set| at < set) {
            self.health.tainting = Some(at);
            self.agenda.at(at, Event::TaintNodes);
        }
    }

    /// Taints the nodes whose turn it is, unless they are Ready by now
    /// (kubernetes 1.35 pkg/controller/nodelifecycle/node_lifecycle_controller.go `doNoExecuteTaintingPass`).
    pub(super) fn taint_nodes(&mut self, now: Instant) {
        if self.health.tainting != Some(now) {
            return;
        }
        self.health.tainting = None;
        for id in self.health.monitor.take(now) {
            if let Some(reason) = self.api.nodes.get(id).and_then(reason) {
                self.drive_out(id, Some(reason));
            }
        }
        self.await_tainting(now);
    }

    /// Sets the one taint of the two, or none.
    fn drive_out(&mut self, id: NodeId, reason: Option<&'static str>) {
        let is_there = |node: &Node| drives_out(node).map(|own| own.key.as_str()) == reason;
        if self.api.nodes.get(id).is_none_or(is_there) {
            return;
        }
        self.change_node(id, |node| {
            node.taints.retain(|own| !is_ours(own));
            let taint = reason.map(|key| Taint::new(key, TaintEffect::NoExecute));
            node.taints.extend(taint);
        });
    }
}

fn health(now: Instant, patience: Duration, id: NodeId, node: &Node) -> Health<'_> {
    let is_news = reason(node) == Some(Taint::UNREACHABLE) && now.since(node.ready_since) < patience;
    Health {
        node: id,
        zone: node.labels.get(labels::ZONE).map_or("", String::as_str),
        ready: node.ready,
        tainted: is_news || drives_out(node).is_some(),
    }
}

/// Why a node is to be left, if it is.
fn reason(node: &Node) -> Option<&'static str> {
    let is_silent = node
        .taints
        .contains(&Taint::new(Taint::UNREACHABLE, TaintEffect::NoSchedule));
    match node.ready {
        true => None,
        false if is_silent => Some(Taint::UNREACHABLE),
        false => Some(Taint::NOT_READY),
    }
}

fn drives_out(node: &Node) -> Option<&Taint> {
    node.taints.iter().find(|taint| is_ours(taint))
}

fn is_ours(taint: &Taint) -> bool {
    taint.effect == TaintEffect::NoExecute
        && [Taint::NOT_READY, Taint::UNREACHABLE].contains(&taint.key.as_str())
}
