//! Node classes: what machines are made with. EC2NodeClasses
//! (karpenter-provider-aws v1.14 pkg/apis/v1/ec2nodeclass.go; v0.32.4 pkg/apis/v1beta1/ec2nodeclass.go), and
//! the KWOKNodeClasses of rehearsals (karpenter v1.14 kwok/apis/v1alpha1/kwoknodeclass.go).

use std::time::Duration;

use crate::catalog::kubelet::{AmiFamily, Kubelet};
use crate::catalog::volume::Volume;
use crate::karpenter::requirement::Name;
use crate::quantity::Bytes;

/// The size of a volume that nothing else is said about (pkg/providers/amifamily/resolver.go `DefaultEBS`).
const DEFAULT_VOLUME: Bytes = Bytes::from_gib(20);

/// The minor release of Kubernetes 1 from which on there is no image of Amazon Linux 2.
const AL2_UNSUPPORTED: u16 = 33;

/// An EC2NodeClass or a KWOKNodeClass.
///
/// Selectors of subnets and images are taken as resolved: subnets are the zones that the scenario declares,
/// images their family. User data, metadata options, roles, tags and security groups change nothing here.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeClass {
    /// metadata.name
    pub name: Name,
    /// amiFamily, or that of amiSelectorTerms\[\].alias.
    pub ami_family: AmiFamily,
    /// The image is an alias of Amazon Linux 2, such as al2@latest.
    pub al2_alias: bool,
    /// The zones of the selected subnets; empty means all zones of the region.
    pub zones: Vec<Name>,
    /// spec.kubelet; in v1beta1 that of the NodePool.
    pub kubelet: Kubelet,
    /// spec.blockDeviceMappings; empty means those of the image family.
    pub volumes: Vec<Volume>,
    /// spec.instanceStorePolicy is `RAID0`: local disks are the node's ephemeral storage.
    pub instance_store_raid0: bool,
    /// spec.detailedMonitoring
    pub detailed_monitoring: bool,
    /// The capacity reservations that capacityReservationSelectorTerms select.
    pub reservations: Vec<CapacityReservation>,
    /// Of a KWOKNodeClass: spec.nodeRegistrationDelay, from its Create to the Node. Its machines are made up:
    /// always the cheapest choice, no volumes, no time to shut down.
    pub registration_delay: Option<Duration>,
    /// What of the manifest the class's hash is made of, as written: a machine that was made by another one has
    /// drifted. Empty where nothing is known, as of a KWOKNodeClass.
    pub hashed: String,
    /// The same where hashes see of quantities but how they are written.
    pub hashed_by_format: String,
    /// amiSelectorTerms as written: other terms are taken to find another image.
    pub image_terms: String,
}

/// An on-demand capacity reservation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CapacityReservation {
    /// Its id: `cr-…`.
    pub id: Name,
    /// The instance type.
    pub instance_type: Name,
    /// The zone.
    pub zone: Name,
    /// How many instances it is for.
    pub count: u32,
}

impl NodeClass {
    /// A class with nothing but a name and a family.
    #[must_use]
    pub fn new(name: impl Into<Name>, ami_family: AmiFamily) -> Self {
        NodeClass {
            name: name.into(),
            ami_family,
            al2_alias: false,
            zones: Vec::new(),
            kubelet: Kubelet::default(),
            volumes: Vec::new(),
            instance_store_raid0: false,
            detailed_monitoring: false,
            reservations: Vec::new(),
            registration_delay: None,
            hashed: String::new(),
            hashed_by_format: String::new(),
            image_terms: String::new(),
        }
    }

    /// Whether there is no such image for that minor release of Kubernetes 1, so that the class never gets ready: its
    /// condition AMIsReady is false, UnsupportedAlias (karpenter-provider-aws v1.14 pkg/providers/amifamily/ami.go
    /// `DescribeImageQueries`), or stays unknown (karpenter-provider-aws v1.5.0 pkg/providers/amifamily/al2.go `DescribeImageQuery`).
    #[must_use]
    pub fn lacks_image(&self, minor: u16) -> bool {
        self.al2_alias && minor >= AL2_UNSUPPORTED
    }

    /// The volumes that a machine is made with: those of the class, or else those of the image family.
    #[must_use]
    pub fn machine_volumes(&self) -> Vec<Volume> {
        if self.registration_delay.is_some() {
            return Vec::new();
        }
        if !self.volumes.is_empty() {
            return self.volumes.clone();
        }
        let device = |device: &str, root, size| Volume {
            device: device.to_owned(),
            root,
            ..Volume::gp3(size)
        };
        match self.ami_family {
            AmiFamily::Bottlerocket => vec![
                device("/dev/xvda", true, Bytes::from_gib(4)),
                device("/dev/xvdb", false, DEFAULT_VOLUME),
            ],
            _ => vec![device("/dev/xvda", true, DEFAULT_VOLUME)],
        }
    }

    /// The node's ephemeral storage (karpenter-provider-aws v1.14 pkg/providers/instancetype/types.go
    /// `ephemeralStorage`).
    #[must_use]
    pub fn ephemeral_storage(&self, instance_store_gb: u32) -> Bytes {
        if self.instance_store_raid0 && instance_store_gb > 0 {
            return Bytes(i64::from(instance_store_gb) * 1_000_000_000);
        }
        let device = self.ami_family.ephemeral_device();
        let own = || match self.ami_family {
            AmiFamily::Custom => self.volumes.last(),
            _ => self.volumes.iter().find(|volume| volume.device == device),
        };
        let root = self.volumes.iter().find(|volume| volume.root);
        root.or_else(own).map_or(DEFAULT_VOLUME, |volume| volume.size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_clusters_have_no_image_of_amazon_linux_2() {
        let mut class = NodeClass::new("default", AmiFamily::Al2);
        assert!(!class.lacks_image(33), "an image of one's own");
        class.al2_alias = true;
        assert!(class.lacks_image(33) && !class.lacks_image(32));
    }

    #[test]
    fn storage_is_that_of_the_right_volume() {
        let mut class = NodeClass::new("default", AmiFamily::Al2);
        assert_eq!(class.ephemeral_storage(0), Bytes::from_gib(20));
        class.volumes = vec![Volume {
            root: false,
            ..Volume::gp3(Bytes::from_gib(80))
        }];
        assert_eq!(class.ephemeral_storage(900), Bytes::from_gib(80));
        class.ami_family = AmiFamily::Bottlerocket;
        assert_eq!(class.ephemeral_storage(900), Bytes::from_gib(20));
        class.volumes[0].root = true;
        assert_eq!(class.ephemeral_storage(900), Bytes::from_gib(80));
        class.instance_store_raid0 = true;
        assert_eq!(class.ephemeral_storage(900), Bytes(900_000_000_000));
        let sizes = |class: &NodeClass| {
            class
                .machine_volumes()
                .iter()
                .map(|v| v.size.0 >> 30)
                .collect::<Vec<_>>()
        };
        assert_eq!(sizes(&class), [80]);
        class.volumes.clear();
        assert_eq!(sizes(&class), [4, 20]);
    }
}
