//! Releases of Kubernetes and how their schedulers differ.

/// The latest minor release of Kubernetes 1 whose scheduler is known here.
pub const LATEST: u16 = 36;

/// What a release does, difference by difference. What is not named here is the same from 1.28 to 1.36;
/// what the API server drops of a pod no scheduler sees ([`PodSpec::drop_gated`](crate::api::PodSpec::drop_gated)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Profile {
    // Queue
    /// Plugins say whether an event helps a pod that they rejected; before, every event they registered
    /// for moves the pod, if it passes a look at the node (1.32).
    pub queueing_hints: bool,
    /// When nothing else waits, a pod is taken out of backoff at once, and backoffs end on whole seconds
    /// (1.33).
    pub pop_from_backoff: bool,
    /// Backoff grows with rejections, or with errors in a row; before, with attempts (1.34).
    pub backoff_counts_rejections: bool,
    /// When a pod hopes for room no more, or elsewhere, pods of no higher priority are tried again (1.33).
    pub hopes_free_room: bool,

    // Filters
    /// A request above what the whole node has is not worth preempting for (1.34).
    pub oversize_unresolvable: bool,
    /// Ports of sidecars count (1.33, nodeports/node_ports.go).
    pub sidecar_ports: bool,
    /// A namespaceSelector of the pod that looks for a place is resolved to names but not forgotten, and then asked
    /// about no labels: one that wants a label not to be there finds pods of all namespaces (1.34,
    /// interpodaffinity/plugin.go `mergeAffinityTermNamespacesIfNotEmpty` has the term by value).
    pub selector_outlives_merge: bool,
    /// Nodes that PreFilter leaves out are given a reason (1.32).
    pub left_out_have_reason: bool,
    /// A plugin that leaves nodes out counts among those that rejected the pod (1.31).
    pub leaving_out_rejects: bool,
    /// The reason names the taint that is not tolerated (until 1.33).
    pub taint_in_reason: bool,

    // Scores
    /// An image counts for a node by how many had it when that node last changed (until 1.28, cache/cache.go
    /// `createImageStateSummary`); after, by how many have it.
    pub images_counted_early: bool,
    /// Images of init containers count (1.30).
    pub init_images: bool,
    /// Balance is not scored for pods that request neither CPU nor memory (1.33).
    pub best_effort_unbalanced: bool,
    /// Balance is scored by how the pod changes it (1.36).
    pub balance_delta: bool,
    /// DynamicResources takes part, with a score of 0 for all (1.35).
    pub dynamic_resources: bool,
    /// Among equals the root of a heap over the list of nodes wins; before, one at random (1.35).
    pub heap_selection: bool,

    // Preemption
    /// Victims are put in order again, those that a budget protects among the others (1.29,
    /// defaultpreemption/default_preemption.go `SelectVictimsOnNode`).
    pub victims_in_order: bool,
    /// DynamicResources says that it has no claims to take back either (1.34).
    pub claims_in_message: bool,
    /// What it says ends with one full stop more (until 1.28).
    pub closing_stop: bool,
    /// Victims are deleted in the background (1.33).
    pub async_preemption: bool,
}

impl Profile {
    /// The scheduler of Kubernetes 1.`minor`.
    #[must_use]
    pub fn of(minor: u16) -> Self {
        let since = |first| minor >= first;
        Profile {
            queueing_hints: since(32),
            pop_from_backoff: since(33),
            backoff_counts_rejections: since(34),
            hopes_free_room: since(33),
            oversize_unresolvable: since(34),
            sidecar_ports: since(33),
            selector_outlives_merge: since(34),
            left_out_have_reason: since(32),
            leaving_out_rejects: since(31),
            taint_in_reason: !since(34),
            images_counted_early: !since(29),
            init_images: since(30),
            best_effort_unbalanced: since(33),
            balance_delta: since(36),
            dynamic_resources: since(35),
            heap_selection: since(35),
            victims_in_order: since(29),
            claims_in_message: since(34),
            closing_stop: !since(29),
            async_preemption: since(33),
        }
    }
}
