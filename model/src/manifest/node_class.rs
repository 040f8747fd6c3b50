//! EC2NodeClasses, `karpenter.k8s.aws/v1` and `v1beta1`.

use super::pod_fields::{METADATA, TOP};
use crate::document::fields::{Field, ignored, noted, quiet, refused, simulated, table};

/// The kubelet's settings: of an EC2NodeClass in v1, of a NodePool's template in v1beta1.
pub(super) const KUBELET: &[Field] = &[
    simulated("maxPods"),
    simulated("podsPerCore"),
    noted("kubeReserved", "cpu, memory, ephemeral-storage"),
    noted("systemReserved", "cpu, memory, ephemeral-storage"),
    noted("evictionHard", "memory.available, nodefs.available"),
    noted(
        "evictionSoft",
        "memory.available, nodefs.available; Karpenter heeds it until 0.37",
    ),
    quiet("evictionSoftGracePeriod", "nodes do not run out of memory here"),
    quiet("evictionMaxPodGracePeriod", "nodes do not run out of memory here"),
    quiet("imageGCHighThresholdPercent", "images are not collected here"),
    quiet("imageGCLowThresholdPercent", "images are not collected here"),
    quiet("clusterDNS", "names are not resolved here"),
    ignored("cpuCFSQuota", "CPU limits always hold"),
];

const COMMON: &[Field] = &[
    table("", TOP),
    table("metadata", METADATA),
    noted("spec.amiFamily", "AL2, AL2023, Bottlerocket, Ubuntu, Custom"),
    simulated("spec.blockDeviceMappings[].deviceName"),
    simulated("spec.blockDeviceMappings[].rootVolume"),
    simulated("spec.blockDeviceMappings[].ebs.volumeSize"),
    simulated("spec.blockDeviceMappings[].ebs.volumeType"),
    noted("spec.blockDeviceMappings[].ebs.iops", "paid for"),
    noted("spec.blockDeviceMappings[].ebs.throughput", "paid for"),
    quiet(
        "spec.blockDeviceMappings[].ebs.deleteOnTermination",
        "volumes go with their machine",
    ),
    quiet(
        "spec.blockDeviceMappings[].ebs.encrypted",
        "encryption costs nothing",
    ),
    quiet(
        "spec.blockDeviceMappings[].ebs.kmsKeyID",
        "encryption costs nothing",
    ),
    ignored(
        "spec.blockDeviceMappings[].ebs.snapshotID",
        "a snapshot does not size the volume here: give volumeSize",
    ),
    noted(
        "spec.instanceStorePolicy",
        "RAID0: local disks are the node's ephemeral storage",
    ),
    noted("spec.detailedMonitoring", "paid for"),
    quiet("spec.amiSelectorTerms[].tags", "the family says enough"),
    quiet("spec.amiSelectorTerms[].id", "the family says enough"),
    quiet("spec.amiSelectorTerms[].name", "the family says enough"),
    quiet("spec.amiSelectorTerms[].owner", "the family says enough"),
    quiet("spec.amiSelectorTerms[].ssmParameter", "the family says enough"),
    quiet("spec.subnetSelectorTerms", "the zones are the scenario's"),
    quiet("spec.securityGroupSelectorTerms", "networks play no part"),
    quiet("spec.role", "rights play no part"),
    quiet("spec.instanceProfile", "rights play no part"),
    quiet("spec.tags", "for people"),
    quiet("spec.metadataOptions", "it changes nothing for pods"),
    quiet("spec.associatePublicIPAddress", "networks play no part"),
    quiet("spec.ipPrefixCount", "networks play no part"),
    quiet("spec.context", "EC2 reserves it"),
    ignored(
        "spec.userData",
        "what it changes in the kubelet must be given under kubelet",
    ),
];

/// The table of `karpenter.k8s.aws/v1`.
pub(super) const V1: &[Field] = &[
    table("", COMMON),
    noted("spec.amiSelectorTerms[].alias", "its family"),
    table("spec.kubelet", KUBELET),
    refused(
        "spec.capacityReservationSelectorTerms",
        "a scenario's reservations cannot be selected by tags",
    ),
    ignored("spec.placementGroupSelectorTerms", "placement is not simulated"),
];

/// The table of `karpenter.k8s.aws/v1beta1`.
pub(super) const V1_BETA1: &[Field] = &[
    table("", COMMON),
    quiet("spec.associatePublicIPAddress", "networks play no part"),
];
