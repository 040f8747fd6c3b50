//! What the kubelet's configuration takes from pods.
//!
//! One set of rules for two users: the kubelet itself, and Karpenter's estimate before there is one
//! (karpenter-provider-aws v1.14 pkg/providers/instancetype/types.go `pods`, `kubeReservedResources`,
//! `evictionThreshold`, and pkg/providers/amifamily/bottlerocket.go). The machine images do the same
//! (awslabs/amazon-eks-ami nodeadm/internal/kubelet/config.go).

use super::capacity::{eni_limited_pods, kube_reserved_cpu, kube_reserved_memory};
use super::spec::InstanceSpec;
use crate::quantity::{Bytes, MilliCpu, Resources};

/// amiFamily, as far as it makes a difference to a node's resources. Windows is not modelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AmiFamily {
    /// `AL2`, and `Ubuntu`, which behaves alike.
    Al2,
    /// `AL2023`
    Al2023,
    /// `Bottlerocket`
    Bottlerocket,
    /// `Custom`
    Custom,
}

impl AmiFamily {
    /// The device whose size is the node's ephemeral storage.
    #[must_use]
    pub fn ephemeral_device(self) -> &'static str {
        match self {
            AmiFamily::Bottlerocket => "/dev/xvdb",
            _ => "/dev/xvda",
        }
    }

    /// Whether reserved memory goes by the pod slots that the interfaces allow even where fewer are
    /// configured (`UsesENILimitedMemoryOverhead`).
    fn reserves_for_all_enis(self) -> bool {
        self != AmiFamily::Bottlerocket
    }

    /// Whether podsPerCore and evictionSoft are heeded (`PodsPerCoreEnabled`, `EvictionSoftEnabled`).
    fn heeds_pods_per_core(self) -> bool {
        self != AmiFamily::Bottlerocket
    }
}

/// kubeReserved or systemReserved: what is not named keeps its default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reserved {
    /// `cpu`
    pub cpu: Option<MilliCpu>,
    /// `memory`
    pub memory: Option<Bytes>,
    /// `ephemeral-storage`
    pub ephemeral_storage: Option<Bytes>,
}

/// When the kubelet evicts: with less than so much left.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Threshold {
    /// So much.
    Amount(Bytes),
    /// So many per cent of the capacity; 100 % switches the signal off.
    Percent(f64),
}

impl Threshold {
    /// (`computeEvictionSignal`)
    fn of(self, capacity: Bytes) -> Bytes {
        match self {
            Threshold::Amount(amount) => amount,
            Threshold::Percent(100.0) => Bytes(0),
            Threshold::Percent(percent) => Bytes(libm::ceil(capacity.0 as f64 / 100.0 * percent) as i64),
        }
    }
}

/// evictionHard or evictionSoft, as far as it takes from allocatable.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Eviction {
    /// `memory.available`
    pub memory_available: Option<Threshold>,
    /// `nodefs.available`
    pub nodefs_available: Option<Threshold>,
}

/// spec.kubelet of an EC2NodeClass (v1beta1: of a NodePool's template), or the settings of a node group.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Kubelet {
    /// maxPods
    pub max_pods: Option<u32>,
    /// podsPerCore
    pub pods_per_core: Option<u32>,
    /// kubeReserved
    pub kube_reserved: Reserved,
    /// systemReserved
    pub system_reserved: Reserved,
    /// evictionHard
    pub eviction_hard: Eviction,
    /// evictionSoft
    pub eviction_soft: Eviction,
}

impl Kubelet {
    /// Pod slots (`pods`). `reserved_enis` is Karpenter's RESERVED_ENIS.
    #[must_use]
    pub fn pods(&self, spec: &InstanceSpec, family: AmiFamily, reserved_enis: u32) -> i64 {
        let most = match self.max_pods {
            Some(max_pods) => i64::from(max_pods),
            None => eni_limited_pods(spec, reserved_enis),
        };
        match self.pods_per_core {
            Some(per_core) if per_core > 0 && family.heeds_pods_per_core() => {
                most.min(i64::from(per_core) * i64::from(spec.vcpus))
            }
            _ => most,
        }
    }

    /// What pods do not get of a machine with this capacity: reserved for Kubernetes and the system, and kept
    /// free against eviction. Until v1.8 Karpenter's estimate heeds the soft thresholds too.
    #[must_use]
    pub fn overhead(
        &self,
        spec: &InstanceSpec,
        family: AmiFamily,
        capacity: &Resources,
        soft_eviction: bool,
    ) -> Resources {
        let pods = if family.reserves_for_all_enis() {
            eni_limited_pods(spec, 0)
        } else {
            capacity.pods
        };
        let (kube, system) = (self.kube_reserved, self.system_reserved);
        let (memory, storage) = self.eviction(capacity, soft_eviction && family.heeds_pods_per_core());
        Resources {
            cpu: kube.cpu.unwrap_or_else(|| kube_reserved_cpu(spec.vcpus)) + system.cpu.unwrap_or_default(),
            memory: kube.memory.unwrap_or_else(|| kube_reserved_memory(pods))
                + system.memory.unwrap_or_default()
                + memory,
            ephemeral_storage: kube.ephemeral_storage.unwrap_or(Bytes::from_gib(1))
                + system.ephemeral_storage.unwrap_or_default()
                + storage,
            ..Resources::default()
        }
    }

    /// (`evictionThreshold`)
    fn eviction(&self, capacity: &Resources, soft: bool) -> (Bytes, Bytes) {
        let signal = |of: fn(&Eviction) -> Option<Threshold>, capacity: Bytes| {
            let hard = of(&self.eviction_hard).map(|threshold| threshold.of(capacity));
            let soft = of(&self.eviction_soft).filter(|_| soft);
            hard.max(soft.map(|threshold| threshold.of(capacity)))
        };
        let memory = signal(|own| own.memory_available, capacity.memory);
        let storage = signal(|own| own.nodefs_available, capacity.ephemeral_storage);
        (
            memory.unwrap_or(Bytes::from_mib(100)),
            storage.unwrap_or_else(|| Threshold::Percent(10.0).of(capacity.ephemeral_storage)),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::spec::find;
    use super::*;

    fn overhead(kubelet: &Kubelet, family: AmiFamily, soft: bool) -> Resources {
        let spec = find("m5.large").expect("a type");
        let capacity = Resources {
            memory: Bytes::from_mib(7577),
            ephemeral_storage: Bytes::from_gib(20),
            pods: kubelet.pods(spec, family, 0),
            ..Resources::default()
        };
        kubelet.overhead(spec, family, &capacity, soft)
    }

    #[test]
    fn defaults_are_those_of_the_eks_images() {
        let is = overhead(&Kubelet::default(), AmiFamily::Al2023, false);
        assert_eq!(is.cpu, MilliCpu(70));
        assert_eq!(is.memory, Bytes::from_mib(11 * 29 + 255 + 100));
        assert_eq!(is.ephemeral_storage, Bytes::from_gib(3));
    }

    #[test]
    fn settings_replace_defaults() {
        let few = Kubelet {
            max_pods: Some(10),
            ..Kubelet::default()
        };
        let al2 = overhead(&few, AmiFamily::Al2, false);
        assert_eq!(al2.memory, Bytes::from_mib(11 * 29 + 255 + 100));
        let bottlerocket = overhead(&few, AmiFamily::Bottlerocket, false);
        assert_eq!(bottlerocket.memory, Bytes::from_mib(11 * 10 + 255 + 100));
        let kubelet = Kubelet {
            pods_per_core: Some(4),
            kube_reserved: Reserved {
                memory: Some(Bytes::from_mib(300)),
                ..Reserved::default()
            },
            system_reserved: Reserved {
                cpu: Some(MilliCpu(100)),
                ..Reserved::default()
            },
            eviction_hard: Eviction {
                memory_available: Some(Threshold::Percent(5.0)),
                nodefs_available: None,
            },
            eviction_soft: Eviction {
                memory_available: Some(Threshold::Amount(Bytes::from_mib(500))),
                nodefs_available: None,
            },
            ..Kubelet::default()
        };
        let spec = find("m5.large").expect("a type");
        assert_eq!(kubelet.pods(spec, AmiFamily::Al2, 0), 8);
        assert_eq!(kubelet.pods(spec, AmiFamily::Bottlerocket, 0), 29);
        let hard = overhead(&kubelet, AmiFamily::Al2, false);
        // Five per cent of 7,577 MiB, rounded up to a byte.
        assert_eq!(hard.memory, Bytes(300 * 1024 * 1024 + 397_253_018));
        assert_eq!(hard.cpu, MilliCpu(170));
        let soft = overhead(&kubelet, AmiFamily::Al2, true);
        assert_eq!(soft.memory, Bytes::from_mib(800));
    }
}
