//! The table of instance types.

use std::sync::LazyLock;

use sim::SortedSet;

use crate::quantity::Bytes;

/// A CPU architecture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Arch {
    /// `amd64`
    Amd64,
    /// `arm64`
    Arm64,
    /// One that Kubernetes does not run on: the Mac types.
    Other,
}

impl Arch {
    /// The value of the label `kubernetes.io/arch`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Arch::Amd64 => "amd64",
            Arch::Arm64 => "arm64",
            Arch::Other => "other",
        }
    }
}

/// The GPUs of a machine, all alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gpu {
    /// As AWS spells it: `NVIDIA`, `AMD`, `Habana`.
    pub manufacturer: &'static str,
    /// As AWS spells it: `T4`, `A10G`.
    pub name: &'static str,
    /// How many; 0 where the machine has a share of one.
    pub count: u32,
    /// The memory of each.
    pub memory: Bytes,
}

impl Gpu {
    /// The model as the label `karpenter.k8s.aws/instance-gpu-name` has it: `t4`, `radeon-pro-v520`.
    #[must_use]
    pub fn label(&self) -> String {
        label_value(self.name)
    }
}

/// A name of AWS's as Karpenter makes a label's value of it: in lower case, with hyphens between the words
/// (karpenter-provider-aws v1.14 pkg/providers/instancetype/types.go `lowerKabobCase`).
#[must_use]
pub fn label_value(name: &str) -> String {
    name.to_lowercase().replace(' ', "-")
}

/// Other accelerators of a machine, all alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accelerator {
    /// `neuron`, `inference`, `fpga` or `media`.
    pub kind: &'static str,
    /// As AWS spells it.
    pub manufacturer: &'static str,
    /// As AWS spells it: `Trainium`.
    pub name: &'static str,
    /// How many.
    pub count: u32,
    /// Neuron cores of each.
    pub neuron_cores: u32,
}

/// What an instance type is.
#[derive(Debug, Clone, PartialEq)]
pub struct InstanceSpec {
    /// `m5.large`
    pub name: &'static str,
    /// The letters that the family's name begins with; empty for the newer Mac types.
    pub category: &'static str,
    /// The first number in the family's name.
    pub generation: Option<u32>,
    /// The architecture.
    pub arch: Arch,
    /// As AWS spells it: `Intel`, `AMD`, `AWS`.
    pub cpu_manufacturer: &'static str,
    /// The clock that all cores can hold, in MHz; unknown for a few very old types.
    pub sustained_mhz: Option<u32>,
    /// `nitro` or `xen`; empty for bare metal.
    pub hypervisor: &'static str,
    /// No hypervisor.
    pub bare_metal: bool,
    /// CPU by credits.
    pub burstable: bool,
    /// AWS's flag.
    pub current_generation: bool,
    /// Virtual CPUs.
    pub vcpus: u32,
    /// Cores.
    pub cores: u32,
    /// Virtual CPUs of each core.
    pub threads_per_core: u32,
    /// Memory as AWS states it.
    pub memory: Bytes,
    /// Network interfaces of the default card, the only one that the VPC CNI uses.
    pub enis: u32,
    /// IPv4 addresses of each interface.
    pub ipv4_per_eni: u32,
    /// Branch interfaces for pods; unknown for a few types.
    pub branch_enis: Option<u32>,
    /// Network bandwidth as Karpenter knows it, Mbit/s.
    pub network_mbps: Option<u32>,
    /// The most that EBS can get, Mbit/s, for types that are EBS-optimized by default.
    pub ebs_mbps: Option<u32>,
    /// Local disks together, decimal GB; 0 without.
    pub instance_store_gb: u32,
    /// The same where they are NVMe.
    pub local_nvme_gb: Option<u32>,
    /// GPUs.
    pub gpu: Option<Gpu>,
    /// Other accelerators.
    pub accelerator: Option<Accelerator>,
    /// Elastic fabric adapters.
    pub efa: u32,
    /// Traffic between instances is encrypted.
    pub encryption_in_transit: bool,
    /// It can be had on the spot market.
    pub spot: bool,
    /// The memory that Linux was seen to have on it.
    pub guest_memory: Option<Bytes>,
    /// The day by which it was first listed; empty for one that always was. Years first, so that text order
    /// is time order.
    pub first_seen: &'static str,
    /// The date of this record.
    pub as_of: &'static str,
}

impl InstanceSpec {
    /// The part of the name before the dot: `m5`.
    #[must_use]
    pub fn family(&self) -> &'static str {
        self.name.split_once('.').map_or(self.name, |(family, _)| family)
    }

    /// The part of the name after the dot: `large`.
    #[must_use]
    pub fn size(&self) -> &'static str {
        self.name.split_once('.').map_or("", |(_, size)| size)
    }

    /// Whether the family is one of the flex families.
    #[must_use]
    pub fn flex(&self) -> bool {
        self.family().contains("-flex")
    }
}

/// All types, by name.
#[must_use]
pub fn types() -> &'static [InstanceSpec] {
    static TYPES: LazyLock<Vec<InstanceSpec>> = LazyLock::new(|| {
        let lines = include_str!("data/types.csv").lines().skip(1);
        lines.map(parse).collect()
    });
    &TYPES
}

/// A type by name.
#[must_use]
pub fn find(name: &str) -> Option<&'static InstanceSpec> {
    let at = types().binary_search_by(|spec| spec.name.cmp(name)).ok()?;
    Some(&types()[at])
}

/// The GPU models of all types, as [`Gpu::label`] has them, in order.
#[must_use]
pub fn gpu_models() -> &'static [String] {
    static MODELS: LazyLock<Vec<String>> = LazyLock::new(|| {
        let gpus = types().iter().filter_map(|spec| spec.gpu);
        let models: SortedSet<String> = gpus.map(|gpu| gpu.label()).collect();
        models.into_iter().collect()
    });
    &MODELS
}

/// The fields of a line, in order: what is left of the line.
pub(super) struct Fields(pub(super) &'static str);

impl Fields {
    pub(super) fn text(&mut self) -> &'static str {
        // Fields are short: looking at each byte beats a search.
        let end = self.0.bytes().position(|byte| byte == b',');
        let field = &self.0[..end.unwrap_or(self.0.len())];
        self.0 = end.map_or("", |end| &self.0[end + 1..]);
        field
    }

    fn number(&mut self) -> Option<u32> {
        let digits = self.text();
        let add = |sum: u32, byte: u8| Some(sum.checked_mul(10)? + u32::from(byte.wrapping_sub(b'0')));
        (!digits.is_empty()).then(|| digits.bytes().try_fold(0, add))?
    }

    fn flag(&mut self) -> bool {
        self.text() == "true"
    }

    fn mib(&mut self) -> Option<Bytes> {
        self.number().map(|mib| Bytes::from_mib(i64::from(mib)))
    }
}

fn parse(line: &'static str) -> InstanceSpec {
    let mut f = Fields(line);
    // Struct fields are evaluated in the order of writing, which is the order of the columns.
    InstanceSpec {
        name: f.text(),
        category: f.text(),
        generation: f.number(),
        arch: match f.text() {
            "amd64" => Arch::Amd64,
            "arm64" => Arch::Arm64,
            _ => Arch::Other,
        },
        cpu_manufacturer: f.text(),
        sustained_mhz: f.number(),
        hypervisor: f.text(),
        bare_metal: f.flag(),
        burstable: f.flag(),
        current_generation: f.flag(),
        vcpus: f.number().unwrap_or(0),
        cores: f.number().unwrap_or(0),
        threads_per_core: f.number().unwrap_or(1),
        memory: f.mib().unwrap_or_default(),
        enis: f.number().unwrap_or(0),
        ipv4_per_eni: f.number().unwrap_or(0),
        branch_enis: f.number(),
        network_mbps: f.number(),
        ebs_mbps: {
            let default = f.text() == "default";
            f.number().filter(|_| default)
        },
        instance_store_gb: f.number().unwrap_or(0),
        local_nvme_gb: f.number(),
        gpu: gpu(&mut f),
        accelerator: accelerator(&mut f),
        efa: f.number().unwrap_or(0),
        encryption_in_transit: f.flag(),
        spot: f.flag(),
        guest_memory: f.mib(),
        first_seen: f.text(),
        as_of: f.text(),
    }
}

fn gpu(f: &mut Fields) -> Option<Gpu> {
    let gpu = Gpu {
        manufacturer: f.text(),
        name: f.text(),
        count: f.number().unwrap_or(0),
        memory: f.mib().unwrap_or_default(),
    };
    (!gpu.name.is_empty()).then_some(gpu)
}

fn accelerator(f: &mut Fields) -> Option<Accelerator> {
    let accelerator = Accelerator {
        kind: f.text(),
        manufacturer: f.text(),
        name: f.text(),
        count: f.number().unwrap_or(0),
        neuron_cores: f.number().unwrap_or(0),
    };
    (!accelerator.kind.is_empty()).then_some(accelerator)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_whole() {
        assert_eq!(types().len(), 1395);
        assert!(types().windows(2).all(|pair| pair[0].name < pair[1].name));
        assert!(
            types()
                .iter()
                .all(|spec| spec.vcpus > 0 && spec.memory.0 > 0 && spec.as_of.len() == 10)
        );
    }

    #[test]
    fn a_few_types_are_as_known() {
        let t = find("g4dn.12xlarge").expect("a type");
        let gpu = t.gpu.expect("GPUs");
        assert_eq!((t.vcpus, t.cores, t.memory), (48, 24, Bytes::from_mib(196_608)));
        assert_eq!(
            (gpu.name, gpu.count, gpu.memory),
            ("T4", 4, Bytes::from_mib(16_384))
        );
        assert_eq!(
            (t.local_nvme_gb, t.efa, t.network_mbps),
            (Some(900), 1, Some(50_000))
        );
        let t = find("c5.xlarge").expect("a type");
        assert_eq!(
            (t.enis, t.ipv4_per_eni, t.threads_per_core, t.sustained_mhz),
            (4, 15, 2, Some(3400))
        );
        let t = find("m3.medium").expect("a type");
        assert_eq!(
            (t.hypervisor, t.local_nvme_gb, t.instance_store_gb),
            ("xen", None, 4)
        );
        assert_eq!((t.family(), t.size(), t.generation), ("m3", "medium", Some(3)));
        assert!(find("m5.tiny").is_none());
    }

    #[test]
    fn gpu_models_are_named_as_in_labels() {
        let named = |name: &str| gpu_models().iter().any(|own| own == name);
        for name in ["t4", "a10g", "l40s", "rtx-pro-server-6000", "gaudi-hl-205"] {
            assert!(named(name), "{name}");
        }
        assert!(!named("T4") && !named(""));
    }
}
