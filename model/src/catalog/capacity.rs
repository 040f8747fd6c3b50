//! What EKS makes of a machine: pod slots, reserved resources, device resources.
//!
//! The kubelet of an EKS image and Karpenter's estimate follow the same formulas, except for memory: the
//! kubelet reports what the kernel sees, Karpenter deducts a flat 7.5 % from what AWS states
//! (awslabs/amazon-eks-ami nodeadm/internal/kubelet/{config,eni_max_pods}.go;
//! karpenter-provider-aws v1.14 pkg/providers/instancetype/types.go).

use sim::SortedMap;

use super::spec::{Arch, InstanceSpec};
use crate::quantity::{Bytes, MilliCpu, ResourceName};

/// VM_MEMORY_OVERHEAD_PERCENT
pub const VM_MEMORY_OVERHEAD: f64 = 0.075;

/// Memory that Linux cannot see for certain on a type that nobody measured, and the share of the rest. A fit
/// over the 1,093 types that somebody did: 4 GiB lack 291 MiB, 16 GiB 697, 128 GiB 4,313.
const UNSEEN: (i64, f64) = (165, 0.032);

/// Pod slots by network interfaces: those of the default card, one address of each kept for itself, two slots
/// for pods of the host network (`ENILimitedPods`).
#[must_use]
pub fn eni_limited_pods(spec: &InstanceSpec, reserved_enis: u32) -> i64 {
    let interfaces = i64::from(spec.enis.saturating_sub(reserved_enis));
    if interfaces == 0 {
        return 0;
    }
    interfaces * (i64::from(spec.ipv4_per_eni) - 1) + 2
}

/// Pod slots where each address of an interface is a prefix of 16, which only nitro machines can; up to 30
/// virtual CPUs no more than 110, above no more than 250
/// (awslabs/amazon-eks-ami max-pods-calculator.sh). Karpenter never assumes this; one sets maxPods.
#[must_use]
pub fn prefix_delegated_pods(spec: &InstanceSpec) -> i64 {
    let most = if spec.vcpus > 30 { 250 } else { 110 };
    if spec.hypervisor == "xen" {
        return eni_limited_pods(spec, 0).min(most);
    }
    let pods = i64::from(spec.enis) * (i64::from(spec.ipv4_per_eni) - 1) * 16 + 2;
    pods.min(most)
}

/// CPU for Kubernetes itself: 6 % of the first core, 1 % of the second, half a per cent of the next two, a
/// quarter of the rest, each rounded down to millicores (`kubeReservedResources`).
#[must_use]
pub fn kube_reserved_cpu(vcpus: u32) -> MilliCpu {
    const BANDS: [(i64, i64, f64); 4] = [
        (0, 1000, 0.06),
        (1000, 2000, 0.01),
        (2000, 4000, 0.005),
        (4000, i64::MAX, 0.0025),
    ];
    let cpu = i64::from(vcpus) * 1000;
    let share = |(start, end, share): (i64, i64, f64)| ((cpu.min(end) - start).max(0) as f64 * share) as i64;
    MilliCpu(BANDS.into_iter().map(share).sum())
}

/// Memory for Kubernetes itself: 255 MiB and 11 MiB for each pod slot.
#[must_use]
pub fn kube_reserved_memory(pods: i64) -> Bytes {
    Bytes::from_mib(11 * pods + 255)
}

/// Memory as Karpenter estimates it (`memory`): Graviton machines lose 64 MiB first.
#[must_use]
pub fn estimated_memory(spec: &InstanceSpec, overhead: f64) -> Bytes {
    let stated = match spec.arch {
        Arch::Arm64 => spec.memory - Bytes::from_mib(64),
        _ => spec.memory,
    };
    let lost = libm::ceil(stated.0 as f64 * overhead / 1024.0 / 1024.0);
    stated - Bytes::from_mib(lost as i64)
}

/// Memory as the kernel reports it: measured, or else estimated.
#[must_use]
pub fn guest_memory(spec: &InstanceSpec) -> Bytes {
    let (least, share) = UNSEEN;
    let estimate = || {
        let lost = Bytes::from_mib(least) + Bytes((spec.memory.0 as f64 * share) as i64);
        Bytes((spec.memory - lost).0.max(spec.memory.0 / 2))
    };
    spec.guest_memory.unwrap_or_else(estimate)
}

/// Devices as extended resources, which node agents report some time after the node has joined: GPUs by
/// their makers, Neuron devices and cores. Nothing is listed with zero.
#[must_use]
pub fn device_resources(spec: &InstanceSpec) -> SortedMap<ResourceName, i64> {
    let mut devices: Vec<(&str, u32)> = Vec::new();
    if let Some(gpu) = spec.gpu {
        match gpu.manufacturer {
            "NVIDIA" => devices.push(("nvidia.com/gpu", gpu.count)),
            "AMD" => devices.push(("amd.com/gpu", gpu.count)),
            "Habana" => devices.push(("habana.ai/gaudi", gpu.count)),
            _ => {}
        }
    }
    if let Some(accelerator) = spec.accelerator.filter(|own| own.kind == "neuron") {
        devices.push(("aws.amazon.com/neuron", accelerator.count));
        devices.push((
            "aws.amazon.com/neuroncore",
            accelerator.count * accelerator.neuron_cores,
        ));
    }
    let present = devices.into_iter().filter(|(_, count)| *count > 0);
    present
        .map(|(name, count)| (name.into(), i64::from(count)))
        .collect()
}

/// Network devices as extended resources: elastic fabric adapters and branch interfaces.
#[must_use]
pub fn network_resources(spec: &InstanceSpec) -> SortedMap<ResourceName, i64> {
    let devices = [
        ("vpc.amazonaws.com/efa", spec.efa),
        ("vpc.amazonaws.com/pod-eni", spec.branch_enis.unwrap_or(0)),
    ];
    let present = devices.into_iter().filter(|(_, count)| *count > 0);
    present
        .map(|(name, count)| (name.into(), i64::from(count)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::spec::find;
    use super::*;

    #[test]
    fn reserved_cpu_follows_the_bands() {
        for (vcpus, expected) in [
            (1, 60),
            (2, 70),
            (4, 80),
            (8, 90),
            (16, 110),
            (32, 150),
            (48, 190),
            (96, 310),
        ] {
            assert_eq!(kube_reserved_cpu(vcpus), MilliCpu(expected), "{vcpus}");
        }
    }

    #[test]
    fn pod_slots_follow_the_interfaces() {
        let pods = |name: &str| {
            let spec = find(name).expect("a type");
            (eni_limited_pods(spec, 0), prefix_delegated_pods(spec))
        };
        assert_eq!(pods("t3.medium"), (17, 110));
        assert_eq!(pods("m5.large"), (29, 110));
        assert_eq!(pods("m5.8xlarge"), (234, 250));
        assert_eq!(pods("m3.medium"), (12, 12));
        assert_eq!(eni_limited_pods(find("m5.large").expect("a type"), 1), 20);
        assert_eq!(eni_limited_pods(find("m5.large").expect("a type"), 3), 0);
    }

    #[test]
    fn memory_is_estimated_and_seen() {
        let m5 = find("m5.large").expect("a type");
        assert_eq!(
            estimated_memory(m5, VM_MEMORY_OVERHEAD),
            Bytes::from_mib(8192 - 615)
        );
        let a1 = find("a1.medium").expect("a type");
        assert_eq!(
            estimated_memory(a1, VM_MEMORY_OVERHEAD),
            Bytes::from_mib(1984 - 149)
        );
        assert_eq!(guest_memory(a1), Bytes::from_mib(1796));
        let unmeasured = InstanceSpec {
            guest_memory: None,
            ..m5.clone()
        };
        let measured = guest_memory(m5);
        let off = (guest_memory(&unmeasured) - measured).as_mib_f64().abs();
        assert!(off < 60.0, "the estimate is {off} MiB off");
    }
}
