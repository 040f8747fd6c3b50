//! Releases of Karpenter and how their behaviour differs.
//!
//! Each difference that a simulation can show is one named switch of [`Profile`], so that a rule reads
//! `if profile.batch_dedupe` and not `if version >= 1.2`. Where a change came in between the three
//! releases that were read whole (v0.32.4, v1.5.0, v1.14), the minor release that first has it was found
//! by looking at each release's tag. A release here is one of karpenter-provider-aws, whose minor releases are those
//! of Karpenter's core and whose patches are not: "core" says which of the two is meant.

use std::time::Duration;

use crate::release::Release;

/// The first release whose behaviour is known here: NodePools begin with it.
pub const OLDEST: Release = Release::new(0, 32, 0);
/// The latest release that was read.
pub const LATEST: Release = Release::new(1, 14, 1);

/// How nodes whose `expire_after` has passed are removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiration {
    /// By the disruption loop, replacement first.
    InLoop,
    /// By a timer that deletes the claim.
    Forceful,
}

/// The order in which consolidation tries its candidates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CandidateOrder {
    /// Ascending by disruption cost times remaining lifetime.
    CostAscending,
    /// Descending by price over disruption cost.
    PriceOverCostDescending,
}

/// When a node counts as empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Empty {
    /// No pods but those of DaemonSets, static ones and ones that have ended or are ending.
    NoPods,
    /// No pods that would have to be scheduled elsewhere.
    NoReschedulablePods,
    /// No pods with an eviction cost above zero.
    NoPositiveCostPods,
}

/// How drift treats empty nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DriftedEmpty {
    /// All of them in one command.
    Together,
    /// Left to emptiness.
    Skipped,
    /// Before others, one a command.
    First,
}

/// Whether replaced nodes are marked before or after their replacements are created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replacement {
    /// Create, then mark.
    CreateThenMark,
    /// Mark, then create: pods of marked nodes may be provisioned for twice.
    MarkThenCreate,
}

/// How reserved capacity (ODCR) is treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReservedCapacity {
    /// Unknown to this release.
    Unknown,
    /// Behind a gate that is off by default.
    GateOff,
    /// Behind a gate that is on by default.
    GateOn,
}

/// How the feature gate Drift stands (karpenter v0.33.0 pkg/operator/options/options.go `AddFlags`; v1.0.0
/// pkg/operator/options/options.go `AddFlags`; v0.32.4 pkg/operator/options/options.go).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DriftGate {
    /// It is off by default (v0.32).
    Off,
    /// It is on by default (v0.33).
    On,
    /// There is none: nodes do drift (v1.0).
    Gone,
}

/// What a release does, difference by difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Profile {
    /// The NodePool API is `karpenter.sh/v1`; before it, v1beta1.
    pub api_v1: bool,

    // Provisioning
    /// A pod already seen in a batch window does not extend it (v1.2).
    pub batch_dedupe: bool,
    /// After a batch was dropped because the cluster state was not synced, wait this long (1 s until v0.37).
    pub unsynced_requeue: Duration,
    /// The longest a solve may take (v1.4).
    pub solve_timeout: Option<Duration>,
    /// A pod is relaxed all the way at its first pop; before, one preference a lap (v1.4).
    pub full_relaxation: bool,
    /// PREFERENCE_POLICY exists (v1.4).
    pub preference_policy: bool,
    /// Requirements have minValues (v0.35).
    pub min_values: bool,
    /// MIN_VALUES_POLICY exists (v1.6).
    pub min_values_policy: bool,
    /// Daemon overhead is counted by group of instance types; before, one number a template (v1.14).
    pub daemon_groups: bool,
    /// A DaemonSet's preferred node affinity counts as required when its overhead is computed (until v1.1).
    pub daemon_preferences_required: bool,
    /// `Gt 8` and `Lt 9` have something in common (until v1.8).
    pub bounds_exclude: bool,
    /// How many instance types a NodeClaim may carry.
    pub max_instance_types: usize,
    /// A claim names the capacity types in which its instance types can be had (v1.9).
    pub claims_name_capacity_types: bool,
    /// What a claim requires of labels includes its NodeClass (v1.1).
    pub claims_name_node_class: bool,
    /// Topology takes any hostname; before, only those that it heard of since it began to count, where a claim's is
    /// told when the claim is begun (v1.5).
    pub hostnames_as_they_come: bool,
    /// NodePools may have replicas (v1.8).
    pub static_capacity: bool,
    /// NodePool limits may count nodes (v1.11).
    pub node_limits: bool,
    /// Pods fail where requirements leave no NodePool an instance type; from v1.1 to v1.6 they count as placed.
    pub no_types_fail: bool,
    /// New nodes count as registered and initialized, so that pods and DaemonSets may ask for these labels
    /// (v1.14).
    pub templates_initialized: bool,
    /// Reserved capacity.
    pub reserved_capacity: ReservedCapacity,
    /// Pods of a deleting node count as pending unless they may not be evicted now; before, all do (v1.4).
    pub currently_reschedulable: bool,
    /// A taint that a starting node sheds is ignored on every node; later, only until it is initialized.
    pub ephemeral_taints_always_ignored: bool,
    /// Taints under `readiness.k8s.io/` are shed by a starting node (v1.13).
    pub readiness_taints_ephemeral: bool,
    /// The node controller's taint that drives pods off a node that is not ready is shed by a starting node (v1.7).
    pub not_ready_no_execute_ephemeral: bool,
    /// Node usage of a claim's pool is read from memory; before, from NodePool.status, which lags (v1.4).
    pub limits_from_memory: bool,

    /// Spread constraints heed nodeTaintsPolicy, nodeAffinityPolicy and matchLabelKeys, and take domains from
    /// live nodes too (v1.3).
    pub node_inclusion_policies: bool,
    /// Host ports of DaemonSets are taken on new nodes (v1.4).
    pub daemon_host_ports: bool,
    /// New nodes of one NodePool share their host ports within a pass, so that only one of them takes a pod
    /// with a given port: a defect (v1.4 to v1.12).
    pub host_ports_shared: bool,
    /// A node that goes opens a window, so that its pods need not wait to be evicted (v0.34).
    pub going_nodes_trigger: bool,
    /// An event of a pending pod restarts its 10 s retry; before, the earlier due time stays
    /// (v1.13, with the priority queue of controller-runtime 0.23).
    pub event_restarts_retry: bool,
    /// The annotation `karpenter.sh/do-not-disrupt` may hold a duration (v1.12).
    pub do_not_disrupt_duration: bool,

    /// EC2NodeClasses have instanceStorePolicy (v0.34).
    pub instance_store_policy: bool,
    /// Hashes of NodePools and EC2NodeClasses see the values of quantities; before, their formats alone (v0.36).
    pub quantities_hashed: bool,

    // Launch
    /// Memory reported by earlier nodes of a type replaces the estimate (v1.1).
    pub memory_discovered: bool,
    /// Spot offerings above the cheapest on-demand price are dropped one by one; before, whole types
    /// (v1.9).
    pub spot_filter_per_offering: bool,
    /// The estimate of allocatable memory deducts soft eviction thresholds too (until v1.8).
    pub soft_eviction_reserved: bool,
    /// AL2023 has a machine image for GPUs beside Arm cores (v1.4); v0.3x took the one without drivers.
    pub al2023_arm_gpu_image: bool,
    /// A claim that is not launched by then is deleted (v1.7).
    pub launch_timeout: Option<Duration>,
    /// New nodes carry `karpenter.sh/unregistered:NoExecute` until registration (v1.0).
    pub unregistered_taint: bool,

    // Disruption
    /// The feature gate Drift.
    pub drift: DriftGate,
    /// The consolidation policy Balanced exists (v1.14).
    pub balanced: bool,
    /// Emptiness comes before drift (v1.5).
    pub emptiness_first: bool,
    /// All pods of a node weigh and may block, those of DaemonSets too; before, only those that would have to
    /// go elsewhere (v0.34).
    pub all_pods_count: bool,
    /// More than one PodDisruptionBudget on a pod blocks (v1.7).
    pub several_budgets_block: bool,
    /// Drift minds no pod that blocks if the claim has a terminationGracePeriod (v1.0).
    pub eventual_disruption: bool,
    /// Nodes that are not ready are no destination for candidates' pods (until v0.33).
    pub ready_destinations: bool,
    /// Pods of nodes that are going may be expected on nodes that are starting (v0.34).
    pub going_pods_exempt: bool,
    /// Candidates are looked at once more after the second simulation (v0.37).
    pub candidates_rechecked: bool,
    /// Consolidation of one or many nodes leaves empty ones to emptiness (v1.0).
    pub empty_left_to_emptiness: bool,
    /// Commands are looked at one by one, every second; before, each by itself (v1.6).
    pub parallel_commands: bool,
    /// The more nodes commands hold, the longer a command may take (v1.7).
    pub command_timeout_scales: bool,
    /// Commands run beside the loop; before, the loop blocks (v0.33).
    pub disruption_queue: bool,
    /// NodePools have disruption budgets (v0.34).
    pub budgets: bool,
    /// Nodes that are ready to go are in no budget's count any more: their instances are being terminated (core
    /// 1.0.4).
    pub terminating_leave_budgets: bool,
    /// What is no longer empty, or over budget, falls out of emptiness's command; before, the whole command does
    /// (core 1.0.8, 1.1.4, 1.2.4, 1.3.4, 1.4.1, 1.5.0).
    pub emptiness_shrinks: bool,
    /// Nodes must be Consolidatable for `consolidate_after` under every policy (v1.0).
    pub consolidatable: bool,
    /// Nodes within `consolidate_after` are no destination for candidates' pods (v1.14).
    pub settled_destinations: bool,
    /// Zone and capacity type say what a node costs, and one of unknown price counts as free (v1.14); before, all its
    /// labels do, and nothing is cheaper than an unknown price.
    pub price_by_offering: bool,
    /// The gate SpotToSpotConsolidation exists (v0.34).
    pub spot_to_spot: bool,
    /// The order of candidates (v1.14).
    pub candidate_order: CandidateOrder,
    /// Single-node consolidation takes pools in turn (v1.4).
    pub pool_interleaving: bool,
    /// When a node is empty.
    pub empty: Empty,
    /// How drift treats empty nodes.
    pub drifted_empty: DriftedEmpty,
    /// When replaced nodes are marked.
    pub replacement: Replacement,
    /// How expired nodes go (v1.0).
    pub expiration: Expiration,

    // Termination
    /// The taint's key is `karpenter.sh/disrupted`; before, `karpenter.sh/disruption=disrupting`.
    pub disrupted_taint: bool,
    /// NodePools have `terminationGracePeriod` (v1.0).
    pub termination_grace_period: bool,
    /// A kubelet that says that it is ready is trusted more than EC2, which has no machine: such a node is neither
    /// removed undrained nor its claim collected, nor is one that never registered (v0.36).
    pub ready_nodes_live: bool,
    /// A drain group starts when the former is gone; before, when it is being deleted (v1.1).
    pub drain_groups_strict: bool,
    /// A drain waits for pods that may not be disrupted; before, it evicts them.
    pub do_not_disrupt_awaited: bool,
    /// A pod that is being deleted with more grace than its node has left is deleted again with less (v1.6).
    pub forced_again: bool,
    /// The least grace of a forced deletion: later patches leave a second.
    pub forced_grace_least: Duration,
    /// A node whose machine is gone is given up before its drain; before, only when the drain waits (v1.6).
    pub machine_checked_first: bool,
    /// The shortest drain (v1.10).
    pub minimum_drain: Duration,
    /// The Node goes when EC2 says that the instance is gone; before, when termination was asked for.
    pub awaits_instance_gone: bool,
    /// Evictions run in parallel; before, one at a time (v1.6).
    pub parallel_eviction: bool,
}

impl Profile {
    /// What a release does.
    #[must_use]
    pub fn of(version: Release) -> Self {
        let v = |minor| version.since(1, minor);
        let beta = |minor| version.since(0, minor);
        let seconds = |yes: bool, secs| {
            if yes {
                Duration::from_secs(secs)
            } else {
                Duration::ZERO
            }
        };
        Profile {
            api_v1: v(0),
            batch_dedupe: v(2),
            unsynced_requeue: seconds(!v(0), 1),
            solve_timeout: v(4).then_some(Duration::from_secs(60)),
            full_relaxation: v(4),
            preference_policy: v(4),
            min_values: beta(35),
            min_values_policy: v(6),
            daemon_groups: v(14),
            daemon_preferences_required: !v(2),
            bounds_exclude: !v(9),
            max_instance_types: max_instance_types(version),
            claims_name_capacity_types: v(9),
            claims_name_node_class: v(1),
            hostnames_as_they_come: v(5),
            static_capacity: v(8),
            node_limits: v(11),
            no_types_fail: v(7) || !v(1),
            templates_initialized: v(14),
            reserved_capacity: reserved_capacity(version),
            currently_reschedulable: v(4),
            ephemeral_taints_always_ignored: !beta(33),
            readiness_taints_ephemeral: v(13),
            not_ready_no_execute_ephemeral: v(7),
            limits_from_memory: v(4),
            node_inclusion_policies: v(3),
            daemon_host_ports: v(4),
            host_ports_shared: v(4) && !v(13),
            going_nodes_trigger: beta(34),
            event_restarts_retry: v(13),
            do_not_disrupt_duration: v(12),
            instance_store_policy: beta(34),
            quantities_hashed: beta(36),
            memory_discovered: v(1),
            spot_filter_per_offering: v(9),
            soft_eviction_reserved: !v(9),
            al2023_arm_gpu_image: v(4) || !v(0),
            launch_timeout: v(7).then_some(Duration::from_secs(300)),
            unregistered_taint: v(0),
            drift: drift_gate(version),
            balanced: v(14),
            emptiness_first: v(5),
            all_pods_count: beta(34),
            several_budgets_block: v(7),
            eventual_disruption: v(0),
            ready_destinations: !beta(34),
            going_pods_exempt: beta(34),
            candidates_rechecked: beta(37),
            empty_left_to_emptiness: v(0),
            parallel_commands: v(6),
            command_timeout_scales: v(7),
            disruption_queue: beta(33),
            budgets: beta(34),
            terminating_leave_budgets: since_patch(version, &[6]),
            emptiness_shrinks: since_patch(version, &[11, 7, 5, 5, 1]),
            consolidatable: v(0),
            settled_destinations: v(14),
            price_by_offering: v(14),
            spot_to_spot: beta(34),
            candidate_order: if v(14) {
                CandidateOrder::PriceOverCostDescending
            } else {
                CandidateOrder::CostAscending
            },
            pool_interleaving: v(4),
            empty: if v(14) {
                Empty::NoPositiveCostPods
            } else if beta(33) {
                Empty::NoReschedulablePods
            } else {
                Empty::NoPods
            },
            drifted_empty: drifted_empty(version),
            replacement: if beta(33) && !v(6) {
                Replacement::MarkThenCreate
            } else {
                Replacement::CreateThenMark
            },
            expiration: if v(0) {
                Expiration::Forceful
            } else {
                Expiration::InLoop
            },
            disrupted_taint: v(0),
            termination_grace_period: v(0),
            ready_nodes_live: beta(36),
            drain_groups_strict: v(1),
            do_not_disrupt_awaited: v(0),
            forced_again: v(6),
            forced_grace_least: seconds(forced_grace_is_bounded(version), 1),
            machine_checked_first: v(6),
            minimum_drain: seconds(v(10), 5),
            awaits_instance_gone: v(0),
            parallel_eviction: v(6),
        }
    }
}

fn max_instance_types(version: Release) -> usize {
    if version.since(1, 7) {
        600
    } else if version.since(0, 37) {
        60
    } else {
        100
    }
}

fn drift_gate(version: Release) -> DriftGate {
    if version.since(1, 0) {
        DriftGate::Gone
    } else if version.since(0, 33) {
        DriftGate::On
    } else {
        DriftGate::Off
    }
}

fn reserved_capacity(version: Release) -> ReservedCapacity {
    if version.since(1, 6) {
        ReservedCapacity::GateOn
    } else if version.since(1, 3) {
        ReservedCapacity::GateOff
    } else {
        ReservedCapacity::Unknown
    }
}

/// Whether a release has what came to each minor release with a patch of its own: the first such patches of 1.0,
/// 1.1 and so on; later minor releases have it from the start.
///
/// Patches are those of the provider, whose releases people run: each takes in some patch of Karpenter's core
/// (karpenter-provider-aws go.mod), and the two are counted apart.
fn since_patch(version: Release, first: &[u16]) -> bool {
    let patch = first.get(usize::from(version.minor)).copied().unwrap_or(0);
    version.since(1, 0) && (version.major > 1 || version.patch >= patch)
}

/// From core 1.0.9, 1.1.5, 1.2.5, 1.3.5, 1.4.2, 1.5.5, 1.6.4, 1.7.2, 1.8.3, 1.9.1, 1.10.1, 1.11.2, 1.12.1 and 1.13
/// (karpenter v1.14 pkg/controllers/node/termination/terminator/terminator.go `DeleteExpiringPods`).
fn forced_grace_is_bounded(version: Release) -> bool {
    since_patch(version, &[14, 10, 8, 8, 4, 8, 8, 6, 8, 2, 2, 3, 2])
}

/// Together until core 1.4; left to emptiness in 1.5.0 to 1.5.3, 1.6.0 and 1.6.1
/// (karpenter v1.5.3 pkg/controllers/disruption/drift.go `ComputeCommand`).
fn drifted_empty(version: Release) -> DriftedEmpty {
    if !version.since(1, 5) {
        DriftedEmpty::Together
    } else if since_patch(version, &[0, 0, 0, 0, 0, 4, 3]) {
        DriftedEmpty::First
    } else {
        DriftedEmpty::Skipped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(text: &str) -> Profile {
        Profile::of(text.parse().expect("a release"))
    }

    #[test]
    fn switches_turn_with_the_release_that_brought_them() {
        let (a, b, c) = (profile("0.32.4"), profile("v1.5.0"), profile("1.14"));
        assert_eq!(
            [a.max_instance_types, b.max_instance_types, c.max_instance_types],
            [100, 60, 600]
        );
        assert_eq!(
            [a.batch_dedupe, b.batch_dedupe, c.batch_dedupe],
            [false, true, true]
        );
        assert_eq!(a.unsynced_requeue, Duration::from_secs(1));
        assert!(profile("1.2").batch_dedupe && !profile("1.1.9").batch_dedupe);
        assert!(profile("1.4").full_relaxation && !profile("1.3").full_relaxation);
        assert_eq!(b.drifted_empty, DriftedEmpty::Skipped);
        let drift = |text| profile(text).drift;
        assert_eq!(
            ["0.32.4", "0.33", "0.37", "1.0"].map(drift),
            [DriftGate::Off, DriftGate::On, DriftGate::On, DriftGate::Gone]
        );
        let shrinks = |text| profile(text).emptiness_shrinks;
        assert_eq!(
            [
                "0.37.8", "1.0.10", "1.0.11", "1.3.4", "1.3.5", "1.4.0", "1.4.1", "1.5.0"
            ]
            .map(shrinks),
            [false, false, true, false, true, false, true, true]
        );
        let leave = |text| profile(text).terminating_leave_budgets;
        assert_eq!(
            ["0.37.8", "1.0.5", "1.0.6", "1.1.0"].map(leave),
            [false, false, true, true]
        );
        let drifted = |text| profile(text).drifted_empty;
        use DriftedEmpty::{First, Skipped, Together};
        assert_eq!(
            ["1.4.4", "1.5.3", "1.5.4", "1.6.2", "1.6.3", "1.7"].map(drifted),
            [Together, Skipped, First, Skipped, First, First]
        );
        assert_eq!(b.minimum_drain, Duration::ZERO);
        let least = |text| profile(text).forced_grace_least;
        assert_eq!(
            ["1.0.13", "1.0.14", "1.5.7", "1.5.8", "1.7.5", "1.7.6", "1.13"].map(least),
            [0, 1, 0, 1, 0, 1, 1].map(Duration::from_secs)
        );
    }
}
