//! Labels and taints that Karpenter gives a meaning (karpenter v1.14 pkg/apis/v1/labels.go,
//! pkg/apis/v1/taints.go; karpenter-provider-aws v1.14 pkg/apis/v1/labels.go).

use super::version::Profile;
use crate::api::{Taint, TaintEffect};

/// The NodePool that owns a node.
pub const NODE_POOL: &str = "karpenter.sh/nodepool";
/// `spot`, `on-demand` or `reserved`.
pub const CAPACITY_TYPE: &str = "karpenter.sh/capacity-type";
/// Set to `true` once the Node carries what its claim asks for.
pub const REGISTERED: &str = "karpenter.sh/registered";
/// Set to `true` once the Node is ready for use.
pub const INITIALIZED: &str = "karpenter.sh/initialized";
/// The availability zone.
pub const ZONE: &str = "topology.kubernetes.io/zone";
/// The region.
pub const REGION: &str = "topology.kubernetes.io/region";
/// The instance type.
pub const INSTANCE_TYPE: &str = "node.kubernetes.io/instance-type";
/// The CPU architecture.
pub const ARCH: &str = "kubernetes.io/arch";
/// The operating system.
pub const OS: &str = "kubernetes.io/os";
/// The node itself.
pub const HOSTNAME: &str = "kubernetes.io/hostname";
/// The capacity reservation of a reserved offering.
pub const CAPACITY_RESERVATION_ID: &str = "karpenter.k8s.aws/capacity-reservation-id";
/// The EC2NodeClass of a node (from v1.0).
pub const NODE_CLASS: &str = "karpenter.k8s.aws/ec2nodeclass";
/// Taint of a node that is about to be disrupted (from v1.0).
pub const DISRUPTED: &str = "karpenter.sh/disrupted";
/// Taint of a node that is about to be disrupted (until v0.37).
pub const DISRUPTION: &str = "karpenter.sh/disruption";
/// Annotation: how much a pod minds being deleted, as a number.
pub const POD_DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";
/// Annotation that protects a pod or node from voluntary disruption.
pub const DO_NOT_DISRUPT: &str = "karpenter.sh/do-not-disrupt";

/// The keys of an instance type's requirements, sorted.
pub(super) const OF_INSTANCE_TYPES: [&str; 33] = [
    CAPACITY_RESERVATION_ID,
    "karpenter.k8s.aws/capacity-reservation-interruptible",
    "karpenter.k8s.aws/capacity-reservation-type",
    "karpenter.k8s.aws/instance-accelerator-count",
    "karpenter.k8s.aws/instance-accelerator-manufacturer",
    "karpenter.k8s.aws/instance-accelerator-name",
    "karpenter.k8s.aws/instance-capability-flex",
    "karpenter.k8s.aws/instance-category",
    "karpenter.k8s.aws/instance-cpu",
    "karpenter.k8s.aws/instance-cpu-manufacturer",
    "karpenter.k8s.aws/instance-cpu-sustained-clock-speed-mhz",
    "karpenter.k8s.aws/instance-ebs-bandwidth",
    "karpenter.k8s.aws/instance-encryption-in-transit-supported",
    "karpenter.k8s.aws/instance-family",
    "karpenter.k8s.aws/instance-generation",
    "karpenter.k8s.aws/instance-gpu-count",
    "karpenter.k8s.aws/instance-gpu-manufacturer",
    "karpenter.k8s.aws/instance-gpu-memory",
    "karpenter.k8s.aws/instance-gpu-name",
    "karpenter.k8s.aws/instance-hypervisor",
    "karpenter.k8s.aws/instance-local-nvme",
    "karpenter.k8s.aws/instance-memory",
    "karpenter.k8s.aws/instance-network-bandwidth",
    "karpenter.k8s.aws/instance-size",
    "karpenter.k8s.aws/instance-tenancy",
    CAPACITY_TYPE,
    ARCH,
    OS,
    INSTANCE_TYPE,
    "node.kubernetes.io/windows-build",
    "topology.k8s.aws/zone-id",
    REGION,
    ZONE,
];

/// The keys whose absence from a node's requirements leaves every value possible. Any other key must be defined by
/// the NodePool before a pod can ask for it.
pub fn well_known() -> impl Iterator<Item = &'static str> {
    OF_INSTANCE_TYPES.into_iter().chain([NODE_POOL])
}

/// Whether a key may be left undefined.
#[must_use]
pub fn is_well_known(key: &str) -> bool {
    key == NODE_POOL || OF_INSTANCE_TYPES.binary_search(&key).is_ok()
}

/// Key and value of the taint of a node that is about to be disrupted; its effect is NoSchedule
/// (karpenter v1.14 pkg/apis/v1/taints.go `DisruptedNoScheduleTaint`; v0.32.4 pkg/apis/v1beta1/taints.go
/// `DisruptionNoScheduleTaint`).
#[must_use]
pub fn disrupted(profile: &Profile) -> (&'static str, &'static str) {
    if profile.disrupted_taint {
        (DISRUPTED, "")
    } else {
        (DISRUPTION, "disrupting")
    }
}

/// The current name of a label that was renamed (`NormalizedLabels`).
#[must_use]
pub fn normalized(key: &str) -> &str {
    match key {
        "failure-domain.beta.kubernetes.io/zone" | "topology.ebs.csi.aws.com/zone" => ZONE,
        "failure-domain.beta.kubernetes.io/region" => REGION,
        "beta.kubernetes.io/arch" => ARCH,
        "beta.kubernetes.io/os" => OS,
        "beta.kubernetes.io/instance-type" => INSTANCE_TYPE,
        _ => key,
    }
}

/// Whether a taint is expected to go away while a node starts, and so is ignored until it is initialized
/// (karpenter pkg/scheduling/taints.go `KnownEphemeralTaints`; v1.14 `IsKnownEphemeralTaint`).
#[must_use]
pub fn is_ephemeral(taint: &Taint, profile: &Profile) -> bool {
    match taint.key.as_str() {
        Taint::NOT_READY => match taint.effect {
            TaintEffect::NoExecute => profile.not_ready_no_execute_ephemeral,
            effect => effect == TaintEffect::NoSchedule,
        },
        Taint::UNREACHABLE => taint.effect == TaintEffect::NoSchedule,
        "node.cloudprovider.kubernetes.io/uninitialized" => {
            taint.effect == TaintEffect::NoSchedule && taint.value == "true"
        }
        "karpenter.sh/unregistered" => taint.effect == TaintEffect::NoExecute,
        key => profile.readiness_taints_ephemeral && key.starts_with("readiness.k8s.io/"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::karpenter::requirement::Requirement;
    use crate::karpenter::requirements::Requirements;

    // (karpenter v1.7.0 pkg/scheduling/taints.go `KnownEphemeralTaints`)
    #[test]
    fn the_taint_that_drives_pods_out_is_shed_from_1_7_on() {
        let shed = |minor| {
            let profile = Profile::of(crate::release::Release::new(1, minor, 0));
            let taint = |effect| Taint::new("node.kubernetes.io/not-ready", effect);
            let effects = [TaintEffect::NoSchedule, TaintEffect::NoExecute];
            effects.map(|effect| is_ephemeral(&taint(effect), &profile))
        };
        assert_eq!(shed(6), [true, false]);
        assert_eq!(shed(7), [true, true]);
    }

    #[test]
    fn former_names_are_translated() {
        for (former, name) in [
            ("failure-domain.beta.kubernetes.io/zone", ZONE),
            ("topology.ebs.csi.aws.com/zone", ZONE),
            ("failure-domain.beta.kubernetes.io/region", REGION),
            ("beta.kubernetes.io/arch", ARCH),
            ("beta.kubernetes.io/os", OS),
            ("beta.kubernetes.io/instance-type", INSTANCE_TYPE),
            ("team", "team"),
        ] {
            assert_eq!(normalized(former), name);
            let mut requirements = Requirements::new();
            requirements.add(former, Requirement::only("x"));
            assert!(requirements.allows(name, "x") && !requirements.allows(name, "y"));
        }
    }
}

#[test]
fn the_keys_of_instance_types_are_sorted() {
    assert!(OF_INSTANCE_TYPES.is_sorted());
    assert!(well_known().all(is_well_known) && !is_well_known(NODE_CLASS));
}
