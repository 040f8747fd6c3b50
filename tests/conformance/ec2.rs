//! Allocatable resources against those that Karpenter's documentation lists for every instance type
//! (`tests/golden/ec2`).

use model::catalog::kubelet::AmiFamily;
use model::catalog::{Catalog, Entry, find};
use model::karpenter::provider::instance_type::Builder;
use model::karpenter::provider::{NodeClass, Settings};
use model::karpenter::{LATEST, Profile};
use serde::Deserialize;
use support::{Outcome, golden};

#[derive(Debug, Deserialize)]
struct Listed {
    instance_type: String,
    arch: String,
    alloc_cpu_m: i64,
    alloc_memory_mib: i64,
    alloc_ephemeral_gib: i64,
    alloc_pods: i64,
    nvidia_gpu: i64,
    amd_gpu: i64,
    habana_gaudi: i64,
    neuron_devices: i64,
    neuron_cores: i64,
    efa: i64,
    pod_eni: i64,
}

/// An entry as if one zone offered the type, whether or not one still does.
fn entry(name: &str, catalog: &Catalog) -> Entry {
    Entry {
        spec: find(name).unwrap_or_else(|| panic!("{name} is in the catalog")),
        zones: vec![catalog.zones()[0].name.clone()],
        on_demand: None,
        karpenter_on_demand: None,
        spot: None,
        interruption_band: None,
        savings: None,
    }
}

#[test]
fn allocatable_is_as_karpenter_lists_it() {
    let listed: Vec<Listed> = golden("ec2/allocatable.jsonl");
    if listed.is_empty() {
        return;
    }
    assert_eq!(listed.len(), 1382);
    let catalog = Catalog::new("us-west-2", None).expect("a region");
    let class = NodeClass::new("default", AmiFamily::Al2023);
    let profile = Profile::of(LATEST);
    let settings = Settings::of(&profile);
    let mut builder = Builder::new(&catalog, &class, &settings, &profile);
    let mut other_interfaces = Vec::new();
    for row in &listed {
        let name = row.instance_type.as_str();
        let built = builder
            .build(&entry(name, &catalog), None)
            .expect("an instance type");
        let own = built.allocatable();
        let own_arch = built
            .requirements
            .get("kubernetes.io/arch")
            .and_then(|arch| arch.single());
        assert_eq!(own_arch.map(|arch| &**arch), Some(row.arch.as_str()), "{name}");
        let plain = [own.cpu.0, own.memory.0, own.ephemeral_storage.0, own.pods];
        let expected = [
            row.alloc_cpu_m,
            row.alloc_memory_mib << 20,
            row.alloc_ephemeral_gib << 30,
            row.alloc_pods,
        ];
        assert_eq!(plain, expected, "{name}");
        for (resource, expected) in [
            ("nvidia.com/gpu", row.nvidia_gpu),
            ("amd.com/gpu", row.amd_gpu),
            ("habana.ai/gaudi", row.habana_gaudi),
            ("aws.amazon.com/neuron", row.neuron_devices),
            ("aws.amazon.com/neuroncore", row.neuron_cores),
            ("vpc.amazonaws.com/efa", row.efa),
        ] {
            assert_eq!(own.extended(resource), expected, "{name} {resource}");
        }
        if own.extended("vpc.amazonaws.com/pod-eni") != row.pod_eni {
            other_interfaces.push(name);
        }
    }
    // The catalog's table is newer than the documentation, as the vectors' README says.
    let unexplained = |name: &&&str| {
        let family = name.split_once('.').map_or("", |(family, _)| family);
        let gained = name.contains("metal")
            || matches!(family, "c9g" | "c9gd" | "hpc7g" | "g3" | "g3s")
            || *name == &"i4i.large";
        !gained
    };
    let surprising: Vec<_> = other_interfaces.iter().filter(unexplained).collect();
    assert!(surprising.is_empty(), "{surprising:?}");
    assert_eq!(other_interfaces.len(), 59);
    Outcome::new("ec2/allocatable.jsonl", "1.14.1", listed.len(), Vec::new()).settle();
}
