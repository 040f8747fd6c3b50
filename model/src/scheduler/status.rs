//! Why a node does not take a pod.

use std::borrow::Cow;
use std::fmt;

use super::plugin::{Plugin, PluginSet};
use crate::id::NodeId;
use crate::quantity::ResourceName;

/// One reason, whose text is that of the FailedScheduling event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// Cordoned.
    Unschedulable,
    /// Not the node that spec.nodeName names.
    NodeName,
    /// A taint is not tolerated.
    UntoleratedTaint,
    /// The same, as older releases say it.
    NamedTaint {
        /// The taint's key.
        key: String,
        /// The taint's value.
        value: String,
    },
    /// Node selector or required node affinity.
    NodeAffinity,
    /// Host ports are taken.
    Ports,
    /// No pod slot is free.
    TooManyPods,
    /// Too little CPU is free.
    InsufficientCpu,
    /// Too little memory.
    InsufficientMemory,
    /// Too little ephemeral storage.
    InsufficientEphemeralStorage,
    /// Too little of an extended resource.
    Insufficient(ResourceName),
    /// A spread constraint's label is missing.
    SpreadLabel,
    /// A spread constraint would be broken.
    SpreadConstraint,
    /// Pod affinity.
    PodAffinity,
    /// Pod anti-affinity.
    PodAntiAffinity,
    /// Another pod's anti-affinity.
    ExistingAntiAffinity,
    /// Not one of the nodes to which a plugin narrowed the search.
    Narrowed(Plugin),
    /// Required affinity names nodes, but contradicts itself.
    TermsConflict,
    /// Nobody to preempt.
    NoVictims,
    /// The node's rejection does not depend on other pods.
    PreemptionNotHelpful,
}

impl Reason {
    fn text(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Reason::Unschedulable => "node(s) were unschedulable",
            Reason::NodeName => "node(s) didn't match the requested node name",
            Reason::UntoleratedTaint => "node(s) had untolerated taint(s)",
            Reason::NamedTaint { key, value } => {
                return Cow::Owned(format!("node(s) had untolerated taint {{{key}: {value}}}"));
            }
            Reason::NodeAffinity => "node(s) didn't match Pod's node affinity/selector",
            Reason::Ports => "node(s) didn't have free ports for the requested pod ports",
            Reason::TooManyPods => "Too many pods",
            Reason::InsufficientCpu => "Insufficient cpu",
            Reason::InsufficientMemory => "Insufficient memory",
            Reason::InsufficientEphemeralStorage => "Insufficient ephemeral-storage",
            Reason::Insufficient(resource) => return Cow::Owned(format!("Insufficient {resource}")),
            Reason::SpreadLabel => {
                "node(s) didn't match pod topology spread constraints (missing required label)"
            }
            Reason::SpreadConstraint => "node(s) didn't match pod topology spread constraints",
            Reason::PodAffinity => "node(s) didn't match pod affinity rules",
            Reason::PodAntiAffinity => "node(s) didn't match pod anti-affinity rules",
            Reason::ExistingAntiAffinity => "node(s) didn't satisfy existing pods anti-affinity rules",
            Reason::Narrowed(plugin) => {
                return Cow::Owned(format!("node(s) didn't satisfy plugin(s) [{}]", plugin.name()));
            }
            Reason::TermsConflict => "pod affinity terms conflict",
            Reason::NoVictims => "No preemption victims found for incoming pod",
            Reason::PreemptionNotHelpful => "Preemption is not helpful for scheduling",
        })
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

/// A node's refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The first filter that failed; none if the node was not looked at.
    pub plugin: Option<Plugin>,
    /// Nothing that happens to pods helps: UnschedulableAndUnresolvable.
    pub unresolvable: bool,
    /// Why.
    pub reasons: Vec<Reason>,
}

impl Status {
    pub(super) fn new(plugin: Plugin, unresolvable: bool, reason: Reason) -> Self {
        Status {
            plugin: Some(plugin),
            unresolvable,
            reasons: vec![reason],
        }
    }
}

/// Why a pod fits nowhere (kubernetes 1.35 pkg/scheduler/framework/types.go `Diagnosis`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Diagnosis {
    /// The refusals of the nodes that were looked at, in order.
    pub statuses: Vec<(NodeId, Status)>,
    /// The refusal of all other nodes, if the search was narrowed.
    pub absent: Option<Status>,
    /// Who rejected.
    pub rejectors: PluginSet,
    /// No node was looked at at all.
    pub before_filters: Option<Reason>,
}

impl Diagnosis {
    pub(super) fn reject(&mut self, node: NodeId, status: Status) {
        if let Some(plugin) = status.plugin {
            self.rejectors.insert(plugin);
        }
        self.statuses.push((node, status));
    }

    /// The refusal of a node, if it is known.
    #[must_use]
    pub fn status(&self, node: NodeId) -> Option<&Status> {
        let explicit = self
            .statuses
            .iter()
            .find(|(id, _)| *id == node)
            .map(|(_, status)| status);
        explicit.or(self.absent.as_ref())
    }

    /// `0/3 nodes are available: 2 Insufficient cpu, 1 node(s) were unschedulable.`
    /// (kubernetes 1.35 pkg/scheduler/framework/types.go `FitError.Error`; `after` is what PostFilter said).
    #[must_use]
    pub fn message(&self, all_nodes: usize, after: &str) -> String {
        let mut message = ["0/", &all_nodes.to_string(), " nodes are available:"].concat();
        if let Some(reason) = &self.before_filters {
            message.extend([" ", &reason.text(), "."]);
        } else {
            let others = all_nodes - self.statuses.len();
            let explicit = self
                .statuses
                .iter()
                .flat_map(|(_, status)| &status.reasons)
                .map(|reason| (reason, 1));
            let absent = self
                .absent
                .iter()
                .filter(|_| others > 0)
                .flat_map(|status| &status.reasons);
            let mut counts: Vec<(&Reason, usize)> = Vec::new();
            for (reason, nodes) in explicit.chain(absent.map(|reason| (reason, others))) {
                match counts.iter_mut().find(|(known, _)| *known == reason) {
                    Some((_, count)) => *count += nodes,
                    None => counts.push((reason, nodes)),
                }
            }
            let part = |(reason, n): &(&Reason, usize)| [&n.to_string(), " ", &reason.text()].concat();
            let mut parts: Vec<String> = counts.iter().map(part).collect();
            parts.sort();
            if !parts.is_empty() {
                message.extend([" ", &parts.join(", "), "."]);
            }
        }
        if !after.is_empty() {
            message.extend([" ", after]);
        }
        message
    }
}
