//! EC2NodeClasses, `karpenter.k8s.aws/v1` and `v1beta1`, and KWOKNodeClasses, `karpenter.kwok.sh/v1alpha1`.

pub(super) mod hash;
mod rules;

use self::hash::Quantities;
use super::Reading;
use super::pod_fields::{METADATA, TOP};
use super::volume::{report_refusals, volume_type};
use crate::catalog::kubelet::{AmiFamily, Eviction, Kubelet, Reserved, Threshold};
use crate::catalog::volume::{Volume, VolumeType};
use crate::document::fields::Holds::{Count, Mapping, Text, TextMap, Truth};
use crate::document::fields::{Field, ignored, noted, quiet, refused, simulated, table};
use crate::document::{Cursor, closest};
use crate::karpenter::provider::NodeClass;
use crate::quantity::{Bytes, MilliCpu};

/// The kubelet's settings: of an EC2NodeClass in v1, of a NodePool's template in v1beta1.
pub(super) const KUBELET: &[Field] = &[
    simulated("maxPods"),
    simulated("podsPerCore"),
    noted("kubeReserved", "cpu, memory, ephemeral-storage"),
    noted("systemReserved", "cpu, memory, ephemeral-storage"),
    noted("evictionHard", "memory.available, nodefs.available"),
    noted(
        "evictionSoft",
        "memory.available, nodefs.available; Karpenter heeds it until 1.8",
    ),
    quiet("evictionSoftGracePeriod", "nodes do not run out of memory here"),
    quiet("evictionMaxPodGracePeriod", "nodes do not run out of memory here"),
    quiet("imageGCHighThresholdPercent", "images are not collected here"),
    quiet("imageGCLowThresholdPercent", "images are not collected here"),
    quiet("clusterDNS", "names are not resolved here"),
    ignored("cpuCFSQuota", "CPU limits always hold"),
];

const IMAGE: &str = "the family says enough";
const ZONES: &str = "the zones are the scenario's";
const NETWORKS: &str = "networks play no part";
const METADATA_SERVICE: &str = "it changes nothing for pods";

const COMMON: &[Field] = &[
    table("", TOP),
    table("metadata", METADATA),
    simulated("spec.blockDeviceMappings[].deviceName"),
    simulated("spec.blockDeviceMappings[].rootVolume"),
    simulated("spec.blockDeviceMappings[].ebs.volumeSize"),
    simulated("spec.blockDeviceMappings[].ebs.volumeType"),
    noted("spec.blockDeviceMappings[].ebs.iops", "paid for"),
    noted("spec.blockDeviceMappings[].ebs.throughput", "paid for"),
    quiet(
        "spec.blockDeviceMappings[].ebs.deleteOnTermination",
        "volumes go with their machine",
    )
    .of(Truth),
    quiet(
        "spec.blockDeviceMappings[].ebs.encrypted",
        "encryption costs nothing",
    )
    .of(Truth),
    quiet(
        "spec.blockDeviceMappings[].ebs.kmsKeyID",
        "encryption costs nothing",
    )
    .of(Text),
    ignored(
        "spec.blockDeviceMappings[].ebs.snapshotID",
        "a snapshot does not size the volume here: give volumeSize",
    )
    .of(Text),
    noted(
        "spec.instanceStorePolicy",
        "RAID0: local disks are the node's ephemeral storage",
    ),
    noted("spec.detailedMonitoring", "paid for"),
    quiet("spec.amiSelectorTerms[].tags", IMAGE).of(TextMap),
    quiet("spec.amiSelectorTerms[].id", IMAGE).of(Text),
    quiet("spec.amiSelectorTerms[].name", IMAGE).of(Text),
    quiet("spec.amiSelectorTerms[].owner", IMAGE).of(Text),
    quiet("spec.subnetSelectorTerms[].tags", ZONES).of(TextMap),
    quiet("spec.subnetSelectorTerms[].id", ZONES).of(Text),
    quiet("spec.securityGroupSelectorTerms[].tags", NETWORKS).of(TextMap),
    quiet("spec.securityGroupSelectorTerms[].id", NETWORKS).of(Text),
    quiet("spec.securityGroupSelectorTerms[].name", NETWORKS).of(Text),
    quiet("spec.role", "rights play no part").of(Text),
    quiet("spec.instanceProfile", "rights play no part").of(Text),
    quiet("spec.tags", "for people").of(TextMap),
    quiet("spec.metadataOptions.httpEndpoint", METADATA_SERVICE).of(Text),
    quiet("spec.metadataOptions.httpProtocolIPv6", METADATA_SERVICE).of(Text),
    quiet("spec.metadataOptions.httpPutResponseHopLimit", METADATA_SERVICE).of(Count),
    quiet("spec.metadataOptions.httpTokens", METADATA_SERVICE).of(Text),
    quiet("spec.associatePublicIPAddress", NETWORKS).of(Truth),
    quiet("spec.context", "EC2 reserves it").of(Text),
    ignored(
        "spec.userData",
        "what it changes in the kubelet must be given under kubelet",
    )
    .of(Text),
];

/// The table of `karpenter.k8s.aws/v1`.
pub(super) const V1: &[Field] = &[
    table("", COMMON),
    noted("spec.amiFamily", "AL2, AL2023, Bottlerocket, Custom"),
    noted(
        "spec.amiSelectorTerms[].alias",
        "its family; terms that change find another image",
    ),
    quiet("spec.amiSelectorTerms[].ssmParameter", IMAGE).of(Text),
    table("spec.kubelet", KUBELET),
    ignored(
        "spec.blockDeviceMappings[].ebs.volumeInitializationRate",
        "volumes are fast from the start, and the fee is not counted",
    ),
    quiet("spec.ipPrefixCount", NETWORKS).of(Count),
    quiet("spec.connectionTracking", NETWORKS).of(Mapping),
    quiet("spec.cpuOptions", "what it makes possible, nobody here does").of(Mapping),
    ignored(
        "spec.networkInterfaces",
        "further interfaces and EFA are not simulated: they change neither addresses nor resources",
    ),
    refused(
        "spec.capacityReservationSelectorTerms",
        "a scenario's reservations cannot be selected by tags",
    ),
    ignored("spec.placementGroupSelector", "placement is not simulated"),
];

/// The table of `karpenter.k8s.aws/v1beta1`.
pub(super) const V1_BETA1: &[Field] = &[
    table("", COMMON),
    noted("spec.amiFamily", "AL2, AL2023, Bottlerocket, Ubuntu, Custom"),
];

/// The table of `karpenter.kwok.sh/v1alpha1`.
pub(super) const KWOK: &[Field] = &[
    table("", TOP),
    table("metadata", METADATA),
    noted(
        "spec.nodeRegistrationDelay",
        "in place of cloud.boot's fleet_call, pending and boot; whole seconds, minutes, hours",
    ),
];

/// A KWOKNodeClass: its machines are made up, of the types that the scenario's region has.
pub(crate) fn read_kwok_node_class(reading: &Reading<'_>) -> NodeClass {
    let delay = reading.root.at("spec.nodeRegistrationDelay");
    let whole = delay.duration().unwrap_or_default();
    if whole.subsec_nanos() != 0 {
        delay.error(
            "E004",
            "expected whole seconds, such as 35s",
            "the API server takes only s, m and h",
        );
    }
    NodeClass {
        registration_delay: Some(whole),
        ..NodeClass::new(reading.name, AmiFamily::Custom)
    }
}

/// An EC2NodeClass, as the API version has it. Its zones are the scenario's.
pub(crate) fn read_node_class(reading: &Reading<'_>, v1: bool) -> NodeClass {
    let spec = reading.root.get("spec").required();
    require_terms(&spec, v1);
    rules::check(&spec, v1);
    let family = family(&spec, v1).unwrap_or(AmiFamily::Al2023);
    let raid = spec
        .get("instanceStorePolicy")
        .one_of(&[("RAID0", true)])
        .unwrap_or(false);
    let aliases = spec.get("amiSelectorTerms").items();
    let mut aliases = aliases.iter().map(|term| term.get("alias"));
    let is_al2 = |at: Cursor<'_>| {
        at.value()
            .and_then(|value| value.text())
            .is_some_and(|text| text.starts_with("al2@"))
    };
    NodeClass {
        al2_alias: aliases.any(is_al2),
        kubelet: if v1 {
            kubelet(&spec.get("kubelet"))
        } else {
            Kubelet::default()
        },
        volumes: volumes(&spec.get("blockDeviceMappings")),
        instance_store_raid0: raid,
        detailed_monitoring: spec.get("detailedMonitoring").bool().unwrap_or(false),
        hashed: hash::hashed(&spec, family, v1, Quantities::Values),
        hashed_by_format: hash::hashed(&spec, family, v1, Quantities::Formats),
        image_terms: hash::image_terms(&spec),
        ..NodeClass::new(reading.name, family)
    }
}

/// What the CRD refuses to be without, though nothing here depends on it (karpenter-provider-aws v1.14
/// pkg/apis/crds/karpenter.k8s.aws_ec2nodeclasses.yaml; the same in v0.37).
fn require_terms(spec: &Cursor<'_>, v1: bool) {
    if v1 {
        let _ = spec.get("amiSelectorTerms").required();
    }
    let _ = spec.get("subnetSelectorTerms").required();
    let _ = spec.get("securityGroupSelectorTerms").required();
    match (
        spec.get("role").is_given(),
        spec.get("instanceProfile").is_given(),
    ) {
        (false, false) => spec.error("E005", "either role or instanceProfile is needed", ""),
        (true, true) => {
            let profile = spec.get("instanceProfile");
            profile.error(
                "E004",
                "role and instanceProfile exclude each other",
                "take one of them out",
            );
        }
        _ => {}
    }
}

/// The families: first those that an alias can name, last the one that only v1beta1 has
/// (karpenter-provider-aws v1.0.0 pkg/apis/crds/karpenter.k8s.aws_ec2nodeclasses.yaml).
const FAMILIES: &[(&str, AmiFamily)] = &[
    ("AL2", AmiFamily::Al2),
    ("AL2023", AmiFamily::Al2023),
    ("Bottlerocket", AmiFamily::Bottlerocket),
    ("Custom", AmiFamily::Custom),
    ("Ubuntu", AmiFamily::Al2),
];
const WITH_ALIAS: usize = 3;

/// amiFamily or, from v1 on, that of an alias such as `al2023@latest`.
fn family(spec: &Cursor<'_>, v1: bool) -> Option<AmiFamily> {
    let windows = |at: &Cursor<'_>| {
        let found = at
            .value()
            .and_then(|value| value.text())
            .is_some_and(|text| text.to_ascii_lowercase().starts_with("windows"));
        if found {
            at.error("E006", "nodes with Windows are not simulated", "");
        }
        found
    };
    let given = spec.get("amiFamily");
    let terms = spec.get("amiSelectorTerms").items();
    let alias = terms.iter().map(|term| term.get("alias")).find(Cursor::is_given);
    if given.is_given() {
        if windows(&given) {
            return None;
        }
        let served = FAMILIES.len() - usize::from(v1);
        let family = given.one_of(&FAMILIES[..served]);
        let (name, alias) = (given.text(), alias.as_ref().and_then(Cursor::text));
        if let (Some(name), Some(alias)) = (name, alias.filter(|_| v1))
            && name != "Custom"
            && !alias
                .split('@')
                .next()
                .is_some_and(|own| own.eq_ignore_ascii_case(name))
        {
            // karpenter-provider-aws v1.14 pkg/apis/crds/karpenter.k8s.aws_ec2nodeclasses.yaml; the same in v1.0
            let message = format!("amiFamily {name} does not go with the alias {alias}");
            given.error("E004", message, "take it out: the alias says the family");
        }
        return family;
    }
    if v1 && !spec.get("amiSelectorTerms").is_given() {
        return None;
    }
    let Some(alias) = alias else {
        let message = if v1 {
            "either amiFamily or an alias in amiSelectorTerms is needed"
        } else {
            "amiFamily is missing"
        };
        given.error("E005", message, "");
        return None;
    };
    if windows(&alias) {
        return None;
    }
    let text = alias.name()?;
    let name = text.split('@').next().unwrap_or(text);
    let found = FAMILIES[..WITH_ALIAS]
        .iter()
        .find(|(family, _)| family.to_ascii_lowercase() == name);
    if found.is_none() || !text.contains('@') {
        alias.error(
            "E003",
            format!("expected an alias such as al2023@latest or bottlerocket@v1.20.0, found {text:?}"),
            "",
        );
    }
    found.map(|(_, family)| *family)
}

/// The kubelet's settings.
pub(super) fn kubelet(at: &Cursor<'_>) -> Kubelet {
    let count = |key: &str, least: i32| {
        at.get(key)
            .count(least)
            .and_then(|count| u32::try_from(count).ok())
    };
    check_signals(&at.get("evictionSoftGracePeriod"));
    let percent = |key: &str| at.get(key).int(0..=100);
    let (high, low) = (
        percent("imageGCHighThresholdPercent"),
        percent("imageGCLowThresholdPercent"),
    );
    if let Some((high, low)) = high.zip(low).filter(|(high, low)| high <= low) {
        at.get("imageGCHighThresholdPercent").error(
            "E004",
            format!("{high} is not above imageGCLowThresholdPercent, {low}"),
            "",
        );
    }
    Kubelet {
        max_pods: count("maxPods", 0),
        pods_per_core: count("podsPerCore", 0),
        kube_reserved: reserved(&at.get("kubeReserved")),
        system_reserved: reserved(&at.get("systemReserved")),
        eviction_hard: eviction(&at.get("evictionHard")),
        eviction_soft: eviction_soft(at),
    }
}

/// Each threshold needs its grace period (karpenter-provider-aws v1.14
/// pkg/apis/crds/karpenter.k8s.aws_ec2nodeclasses.yaml; in v1beta1 karpenter v0.34
/// pkg/apis/crds/karpenter.sh_nodepools.yaml).
fn eviction_soft(at: &Cursor<'_>) -> Eviction {
    let soft = at.get("evictionSoft");
    for (signal, own) in soft.entries() {
        if !at.get("evictionSoftGracePeriod").get(signal).is_given() {
            let message = format!("evictionSoftGracePeriod has no {signal}");
            own.error(
                "E005",
                message,
                "each signal of evictionSoft needs one, such as 1m",
            );
        }
    }
    eviction(&soft)
}

fn reserved(at: &Cursor<'_>) -> Reserved {
    for (name, amount) in at.entries() {
        if !matches!(name, "cpu" | "memory" | "ephemeral-storage" | "pid") {
            amount.error(
                "E002",
                format!("unknown resource {name:?}"),
                "cpu, memory and ephemeral-storage can be reserved",
            );
        }
    }
    let bytes = |key: &str| at.get(key).quantity().map(|quantity| Bytes(quantity.whole()));
    Reserved {
        cpu: at
            .get("cpu")
            .quantity()
            .map(|quantity| MilliCpu(quantity.milli())),
        memory: bytes("memory"),
        ephemeral_storage: bytes("ephemeral-storage"),
    }
}

/// The signals that a threshold may be of (karpenter-provider-aws v1.5.0
/// pkg/apis/crds/karpenter.k8s.aws_ec2nodeclasses.yaml; kubernetes 1.35 pkg/kubelet/eviction/helpers.go
/// `signalToNodeCondition`).
const SIGNALS: [&str; 6] = [
    "memory.available",
    "nodefs.available",
    "nodefs.inodesFree",
    "imagefs.available",
    "imagefs.inodesFree",
    "pid.available",
];

fn check_signals(at: &Cursor<'_>) {
    for (signal, own) in at.entries() {
        if !SIGNALS.contains(&signal) {
            let hint = closest(signal, SIGNALS).map(|near| format!("did you mean {near:?}?"));
            own.error(
                "E002",
                format!("unknown signal {signal:?}"),
                &hint.unwrap_or_else(|| format!("signals are {}", SIGNALS.join(", "))),
            );
        }
    }
}

fn eviction(at: &Cursor<'_>) -> Eviction {
    check_signals(at);
    Eviction {
        memory_available: threshold(&at.get("memory.available")),
        nodefs_available: threshold(&at.get("nodefs.available")),
    }
}

fn threshold(at: &Cursor<'_>) -> Option<Threshold> {
    let text = at.scalar()?;
    if let Some(percent) = text
        .strip_suffix('%')
        .and_then(|number| number.parse::<f64>().ok())
    {
        if (0.0..=100.0).contains(&percent) {
            return Some(Threshold::Percent(percent));
        }
        at.error(
            "E004",
            format!("expected a percentage from 0% to 100%, found {text}"),
            "",
        );
        return None;
    }
    at.quantity()
        .map(|quantity| Threshold::Amount(Bytes(quantity.whole())))
}

/// The volumes, of which one at most is the root's (karpenter-provider-aws v1.14
/// pkg/apis/crds/karpenter.k8s.aws_ec2nodeclasses.yaml; the same in v0.32.4).
fn volumes(at: &Cursor<'_>) -> Vec<Volume> {
    let volumes: Vec<Volume> = at.items().iter().map(volume).collect();
    if volumes.iter().filter(|volume| volume.root).count() > 1 {
        at.error(
            "E004",
            "two volumes with rootVolume: true",
            "a machine has one root volume",
        );
    }
    volumes
}

fn volume(at: &Cursor<'_>) -> Volume {
    let ebs = at.get("ebs").required();
    let size_at = ebs.get("volumeSize");
    let size = volume_size(&size_at);
    let kind = ebs.get("volumeType");
    let volume_type = volume_type(&kind);
    let number = |key: &str| {
        ebs.get(key)
            .int(1..=400_000)
            .and_then(|number| u32::try_from(number).ok())
    };
    if ebs.is_given() && !size_at.is_given() && !ebs.get("snapshotID").is_given() {
        ebs.error("E005", "either volumeSize or snapshotID is needed", "");
    }
    let volume = Volume {
        device: at.get("deviceName").name().unwrap_or("/dev/xvda").to_owned(),
        root: at.get("rootVolume").bool().unwrap_or(false),
        size: size.unwrap_or(Bytes::from_gib(20)),
        volume_type: volume_type.unwrap_or(VolumeType::Gp3),
        iops: number("iops"),
        throughput: number("throughput"),
    };
    // A snapshot's size is not known here, and a mistake in one setting makes others look wrong.
    if size.is_some() && (volume_type.is_some() || !kind.is_given()) {
        let hint = "every CreateFleet would be refused: see the limits of Amazon EBS volume types";
        let [iops, throughput] = ["iops", "throughput"].map(|key| ebs.get(key));
        report_refusals(&volume, [&size_at, &kind, &iops, &throughput], hint);
    }
    volume
}

/// spec.blockDeviceMappings[].ebs.volumeSize, as far as the CRD takes it.
fn volume_size(at: &Cursor<'_>) -> Option<Bytes> {
    let size = at.quantity()?;
    let text = at.value()?.text()?;
    if is_volume_size(text) {
        return Some(Bytes(size.whole()));
    }
    let hint = match text.strip_suffix("Ti") {
        Some(_) => {
            "the API server takes whole numbers only, and of Ti none that ends in 8 or 9 but 8, 9 and 58: write Gi"
        }
        None => "the API server takes whole numbers of these units only",
    };
    let message = format!("expected 1Gi to 59000Gi, 1G to 64000G, 1Ti to 58Ti or 1T to 64T, found {text}");
    at.error("E004", message, hint);
    None
}

/// Whether the pattern of the CRD takes a text (karpenter-provider-aws v1.14 pkg/apis/v1/ec2nodeclass.go BlockDevice; the
/// same for v1beta1 in v0.32.4, where a number without a unit is taken too and is bytes: refused here).
fn is_volume_size(text: &str) -> bool {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let Ok(size) = number.parse::<u32>() else {
        return false;
    };
    let is_in_range = match unit {
        "Gi" => size <= 59_000,
        "G" => size <= 64_000,
        "Ti" => size == 58 || size <= 9 || (size < 58 && size % 10 < 8),
        "T" => size <= 64,
        _ => false,
    };
    is_in_range && !number.starts_with('0')
}

#[cfg(test)]
mod tests {
    use super::is_volume_size;

    #[test]
    fn sizes_of_volumes_are_those_of_the_crd() {
        for text in [
            "1Gi", "9999Gi", "10000Gi", "59000Gi", "1G", "64000G", "1Ti", "9Ti", "10Ti", "17Ti", "57Ti",
            "58Ti", "9T", "64T",
        ] {
            assert!(is_volume_size(text), "{text}");
        }
        for text in [
            "",
            "Gi",
            "0Gi",
            "010Gi",
            "1Mi",
            "100M",
            "2.5Gi",
            "+5Gi",
            "59001Gi",
            "65000Gi",
            "64001G",
            "18Ti",
            "49Ti",
            "59Ti",
            "60Ti",
            "65T",
            "100",
            "1e2G",
            "99999999999Gi",
        ] {
            assert!(!is_volume_size(text), "{text}");
        }
    }
}
