//! Releases of Kubernetes and how their schedulers differ.

/// The latest minor release of Kubernetes 1 whose scheduler is known here.
pub const LATEST: u16 = 36;

/// What a release does, difference by difference. What is not named here is the same from 1.28 to 1.36.
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
    /// spec.resources counts (1.34).
    pub pod_level_requests: bool,
    /// matchLabelKeys and mismatchLabelKeys of pod affinity terms count (1.31, merged in by the API server).
    pub affinity_label_keys: bool,
    /// The reason names the taint that is not tolerated (until 1.33).
    pub taint_in_reason: bool,

    // Scores
    /// Images of init containers count (1.30).
    pub init_images: bool,
    /// Balance is not scored for pods that request neither CPU nor memory (1.33).
    pub best_effort_unbalanced: bool,
    /// Balance is scored by how the pod changes it (1.36).
    pub balance_delta: bool,
    /// DynamicResources takes part: a score of 0 for all, and its word in messages (1.34).
    pub dynamic_resources: bool,
    /// Among equals the root of a heap over the list of nodes wins; before, one at random (1.35).
    pub heap_selection: bool,

    // Preemption
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
            pod_level_requests: since(34),
            affinity_label_keys: since(31),
            taint_in_reason: !since(34),
            init_images: since(30),
            best_effort_unbalanced: since(33),
            balance_delta: since(36),
            dynamic_resources: since(34),
            heap_selection: since(35),
            async_preemption: since(33),
        }
    }
}
