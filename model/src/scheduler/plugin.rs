//! The plugins of the default profile.

use std::fmt;

/// A plugin that can reject or score, in the order in which filters run
/// (kubernetes 1.35 pkg/scheduler/apis/config/v1/default_plugins.go `getDefaultPlugins`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Plugin {
    /// Holds back pods with scheduling gates.
    SchedulingGates,
    /// Cordoned nodes.
    NodeUnschedulable,
    /// spec.nodeName
    NodeName,
    /// Taints and tolerations.
    TaintToleration,
    /// Node selectors and node affinity.
    NodeAffinity,
    /// Host ports.
    NodePorts,
    /// Requests against what is free; LeastAllocated.
    NodeResourcesFit,
    /// Spread constraints.
    PodTopologySpread,
    /// Affinity and anti-affinity between pods.
    InterPodAffinity,
    /// Device claims, of which there are none here: scores 0.
    DynamicResources,
    /// Holds back a pod whose victims are being deleted.
    DefaultPreemption,
    /// Equal use of CPU and memory.
    NodeResourcesBalancedAllocation,
    /// Images that are there already.
    ImageLocality,
}

impl Plugin {
    /// The name in the API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Plugin::SchedulingGates => "SchedulingGates",
            Plugin::NodeUnschedulable => "NodeUnschedulable",
            Plugin::NodeName => "NodeName",
            Plugin::TaintToleration => "TaintToleration",
            Plugin::NodeAffinity => "NodeAffinity",
            Plugin::NodePorts => "NodePorts",
            Plugin::NodeResourcesFit => "NodeResourcesFit",
            Plugin::PodTopologySpread => "PodTopologySpread",
            Plugin::InterPodAffinity => "InterPodAffinity",
            Plugin::DynamicResources => "DynamicResources",
            Plugin::DefaultPreemption => "DefaultPreemption",
            Plugin::NodeResourcesBalancedAllocation => "NodeResourcesBalancedAllocation",
            Plugin::ImageLocality => "ImageLocality",
        }
    }

    /// How much its score counts.
    #[must_use]
    pub fn weight(self) -> i64 {
        match self {
            Plugin::TaintToleration => 3,
            Plugin::NodeAffinity
            | Plugin::PodTopologySpread
            | Plugin::InterPodAffinity
            | Plugin::DynamicResources => 2,
            _ => 1,
        }
    }

    const ALL: [Plugin; 13] = [
        Plugin::SchedulingGates,
        Plugin::NodeUnschedulable,
        Plugin::NodeName,
        Plugin::TaintToleration,
        Plugin::NodeAffinity,
        Plugin::NodePorts,
        Plugin::NodeResourcesFit,
        Plugin::PodTopologySpread,
        Plugin::InterPodAffinity,
        Plugin::DynamicResources,
        Plugin::DefaultPreemption,
        Plugin::NodeResourcesBalancedAllocation,
        Plugin::ImageLocality,
    ];
}

/// A set of plugins, such as those that rejected a pod.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct PluginSet(u16);

impl PluginSet {
    /// No plugin.
    pub const EMPTY: PluginSet = PluginSet(0);

    /// Adds a plugin.
    pub fn insert(&mut self, plugin: Plugin) {
        *self = self.with(plugin);
    }

    /// This set and that plugin.
    #[must_use]
    pub const fn with(self, plugin: Plugin) -> Self {
        PluginSet(self.0 | 1 << plugin as u16)
    }

    /// Whether the plugin is in the set.
    #[must_use]
    pub fn has(self, plugin: Plugin) -> bool {
        self.0 & 1 << plugin as u16 != 0
    }

    /// Whether the sets have a plugin in common.
    #[must_use]
    pub fn meets(self, other: PluginSet) -> bool {
        self.0 & other.0 != 0
    }

    /// The plugins of both sets together.
    #[must_use]
    pub fn union(self, other: PluginSet) -> PluginSet {
        PluginSet(self.0 | other.0)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The plugins, in their order.
    pub fn iter(self) -> impl Iterator<Item = Plugin> {
        Plugin::ALL.into_iter().filter(move |&plugin| self.has(plugin))
    }
}

impl fmt::Debug for PluginSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}
