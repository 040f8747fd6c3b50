//! EBS volumes and what they cost.

use std::ops::RangeInclusive;

use crate::quantity::{Bytes, Price};

/// A month as EBS bills it: 30 days.
const HOURS_PER_MONTH: f64 = 720.0;

/// A kind of volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum VolumeType {
    /// `gp2`
    Gp2,
    /// `gp3`
    Gp3,
    /// `io1`
    Io1,
    /// `io2`
    Io2,
    /// `st1`
    St1,
    /// `sc1`
    Sc1,
    /// `standard`: magnetic disks.
    Standard,
}

impl std::str::FromStr for VolumeType {
    type Err = NotAVolumeType;

    fn from_str(text: &str) -> Result<Self, NotAVolumeType> {
        Ok(match text {
            "gp2" => VolumeType::Gp2,
            "gp3" => VolumeType::Gp3,
            "io1" => VolumeType::Io1,
            "io2" => VolumeType::Io2,
            "st1" => VolumeType::St1,
            "sc1" => VolumeType::Sc1,
            "standard" => VolumeType::Standard,
            _ => return Err(NotAVolumeType(text.to_owned())),
        })
    }
}

/// Why a text is no volume type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected gp2, gp3, io1, io2, st1, sc1 or standard, found {0:?}")]
pub struct NotAVolumeType(pub String);

/// A volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// deviceName, such as `/dev/xvda`.
    pub device: String,
    /// It is the root volume (rootVolume).
    pub root: bool,
    /// ebs.volumeSize
    pub size: Bytes,
    /// ebs.volumeType
    pub volume_type: VolumeType,
    /// ebs.iops: input and output operations a second; `None` is what the type comes with.
    pub iops: Option<u32>,
    /// ebs.throughput, MiB/s, of gp3; `None` is what the type comes with.
    pub throughput: Option<u32>,
}

impl Volume {
    /// A gp3 volume with what it comes with, as EKS images and Karpenter have it by default: 20 GiB.
    #[must_use]
    pub fn gp3(size: Bytes) -> Self {
        Volume {
            device: "/dev/xvda".to_owned(),
            root: true,
            size,
            volume_type: VolumeType::Gp3,
            iops: None,
            throughput: None,
        }
    }
}

/// A setting of a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// ebs.volumeSize
    Size,
    /// ebs.volumeType
    Type,
    /// ebs.iops
    Iops,
    /// ebs.throughput
    Throughput,
}

/// What EC2 takes of one kind of volume.
struct Limits {
    name: &'static str,
    /// GiB.
    size: RangeInclusive<i64>,
    /// Operations a second that can be asked for.
    iops: Option<RangeInclusive<u32>>,
    /// At most so many of them a GiB.
    iops_per_gib: i64,
}

impl VolumeType {
    /// (AWS, Amazon EBS User Guide, "Amazon EBS volume types", with the limits of gp3 since September 2025; EC2 API
    /// Reference, `EbsBlockDevice`)
    const fn limits(self) -> Limits {
        let (name, size, iops, iops_per_gib) = match self {
            VolumeType::Gp2 => ("gp2", 1..=16_384, None, 0),
            VolumeType::Gp3 => ("gp3", 1..=65_536, Some(3_000..=80_000), 500),
            VolumeType::Io1 => ("io1", 4..=16_384, Some(100..=64_000), 50),
            VolumeType::Io2 => ("io2", 4..=65_536, Some(100..=256_000), 1_000),
            VolumeType::St1 => ("st1", 125..=16_384, None, 0),
            VolumeType::Sc1 => ("sc1", 125..=16_384, None, 0),
            VolumeType::Standard => ("standard", 1..=1_024, None, 0),
        };
        Limits {
            name,
            size,
            iops,
            iops_per_gib,
        }
    }
}

/// MiB/s of gp3, and how many of them an operation a second allows.
const THROUGHPUT: RangeInclusive<u32> = 125..=2_000;
const THROUGHPUT_PER_IOPS: f64 = 0.25;
/// What a gp3 volume comes with.
const GP3_IOPS: u32 = 3_000;

impl Volume {
    /// What EC2 would refuse of it, so that no machine with it is ever launched: the setting and why.
    ///
    /// ```
    /// use model::catalog::volume::{Setting, Volume};
    /// use model::quantity::Bytes;
    ///
    /// let sound = Volume { iops: Some(10_000), ..Volume::gp3(Bytes::from_gib(20)) };
    /// assert_eq!(sound.refusals(), []);
    /// let slow = Volume { iops: Some(1_000), ..Volume::gp3(Bytes::from_gib(20)) };
    /// assert_eq!(slow.refusals()[0].0, Setting::Iops);
    /// ```
    #[must_use]
    pub fn refusals(&self) -> Vec<(Setting, String)> {
        let Limits {
            name,
            size,
            iops,
            iops_per_gib,
        } = self.volume_type.limits();
        let mut found = Vec::new();
        // A part of a GiB is paid and asked for as a whole one.
        let gib = (self.size.0 + (1 << 30) - 1) >> 30;
        if !size.contains(&gib) {
            let range = format!("{}Gi to {}Gi", size.start(), size.end());
            found.push((Setting::Size, format!("EC2 makes {name} volumes of {range}")));
        }
        if self.is_boot() && matches!(self.volume_type, VolumeType::St1 | VolumeType::Sc1) {
            found.push((Setting::Type, format!("EC2 boots from no {name} volume")));
        }
        match (self.iops, iops) {
            (None, Some(_)) if self.volume_type != VolumeType::Gp3 => {
                found.push((Setting::Iops, format!("EC2 makes no {name} volume without iops")));
            }
            (Some(_), None) => {
                found.push((Setting::Iops, format!("EC2 makes no {name} volume with iops")));
            }
            (Some(own), Some(range)) if !range.contains(&own) => {
                let range = format!("{} to {}", range.start(), range.end());
                found.push((
                    Setting::Iops,
                    format!("EC2 makes {name} volumes with {range} iops"),
                ));
            }
            (Some(own), Some(_)) if i64::from(own) > iops_per_gib * gib.max(1) => {
                let message =
                    format!("EC2 gives a {name} volume at most {iops_per_gib} iops a GiB, and it has {gib}");
                found.push((Setting::Iops, message));
            }
            _ => {}
        }
        if let Some(own) = self.throughput {
            let iops = self.iops.unwrap_or(GP3_IOPS);
            let message = if self.volume_type != VolumeType::Gp3 {
                Some(format!("EC2 takes throughput for gp3 alone, and this is {name}"))
            } else if !THROUGHPUT.contains(&own) {
                let range = format!("{} to {} MiB/s", THROUGHPUT.start(), THROUGHPUT.end());
                Some(format!("EC2 makes gp3 volumes with {range}"))
            } else if f64::from(own) > f64::from(iops) * THROUGHPUT_PER_IOPS {
                Some(format!(
                    "EC2 gives a gp3 volume at most {THROUGHPUT_PER_IOPS} MiB/s for each of its iops, and it has {iops}"
                ))
            } else {
                None
            };
            found.extend(message.map(|message| (Setting::Throughput, message)));
        }
        found
    }

    /// Machines boot from the device that their image names.
    fn is_boot(&self) -> bool {
        self.root || self.device == "/dev/xvda"
    }
}

/// Prices of EBS, USD a month.
///
/// The default is AWS's list for us-west-2, which is also that of us-east-1 and us-east-2; other regions cost
/// up to 90 % more. They are not part of the embedded data and stand here as published on
/// aws.amazon.com/ebs/pricing in 2025.
#[derive(Debug, Clone, PartialEq)]
pub struct VolumePrices {
    /// A GiB of gp2.
    pub gp2: f64,
    /// A GiB of gp3.
    pub gp3: f64,
    /// An operation a second of gp3 beyond 3,000.
    pub gp3_iops: f64,
    /// A MiB/s of gp3 beyond 125.
    pub gp3_throughput: f64,
    /// A GiB of io1 or io2.
    pub io: f64,
    /// An operation a second of io1, and of io2 up to 32,000, up to 64,000 and beyond.
    pub io_iops: [f64; 3],
    /// A GiB of st1.
    pub st1: f64,
    /// A GiB of sc1.
    pub sc1: f64,
    /// A GiB of standard. Its input and output, billed by the million, is left out.
    pub standard: f64,
}

impl VolumePrices {
    /// The regions whose list the default is.
    pub const REGIONS: [&'static str; 3] = ["us-east-1", "us-east-2", "us-west-2"];
}

impl Default for VolumePrices {
    fn default() -> Self {
        VolumePrices {
            gp2: 0.10,
            gp3: 0.08,
            gp3_iops: 0.005,
            gp3_throughput: 0.04,
            io: 0.125,
            io_iops: [0.065, 0.0455, 0.03185],
            st1: 0.045,
            sc1: 0.015,
            standard: 0.05,
        }
    }
}

impl VolumePrices {
    /// What a volume costs an hour, provisioned operations and throughput included.
    ///
    /// ```
    /// use model::catalog::volume::{Volume, VolumePrices};
    /// use model::quantity::Bytes;
    ///
    /// // 80 GiB at 0.08, 7,000 operations beyond the free 3,000 at 0.005: 41.40 USD a month.
    /// let volume = Volume { iops: Some(10_000), ..Volume::gp3(Bytes::from_gib(80)) };
    /// assert_eq!(VolumePrices::default().hourly(&volume).usd_per_hour(), 0.0575);
    /// ```
    #[must_use]
    pub fn hourly(&self, volume: &Volume) -> Price {
        let gib = volume.size.as_mib_f64() / 1024.0;
        let beyond = |amount: Option<u32>, free: u32| f64::from(amount.unwrap_or(free).saturating_sub(free));
        let monthly = match volume.volume_type {
            VolumeType::Gp2 => gib * self.gp2,
            VolumeType::Gp3 => {
                gib * self.gp3
                    + beyond(volume.iops, 3000) * self.gp3_iops
                    + beyond(volume.throughput, 125) * self.gp3_throughput
            }
            VolumeType::Io1 => gib * self.io + beyond(volume.iops, 0) * self.io_iops[0],
            VolumeType::Io2 => {
                let all = beyond(volume.iops, 0);
                let tiers = [
                    all.min(32e3),
                    (all.min(64e3) - 32e3).max(0.0),
                    (all - 64e3).max(0.0),
                ];
                gib * self.io
                    + tiers
                        .iter()
                        .zip(&self.io_iops)
                        .map(|(n, usd)| n * usd)
                        .sum::<f64>()
            }
            VolumeType::St1 => gib * self.st1,
            VolumeType::Sc1 => gib * self.sc1,
            VolumeType::Standard => gib * self.standard,
        };
        Price::from_usd_per_hour(monthly / HOURS_PER_MONTH)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn monthly(volume_type: VolumeType, gib: i64, iops: Option<u32>, throughput: Option<u32>) -> f64 {
        let volume = Volume {
            volume_type,
            iops,
            throughput,
            ..Volume::gp3(Bytes::from_gib(gib))
        };
        VolumePrices::default().hourly(&volume).usd_per_hour() * HOURS_PER_MONTH
    }

    #[test]
    fn volumes_cost_what_the_list_says() {
        let close = |is: f64, expected: f64| assert!((is - expected).abs() < 0.001, "{is} for {expected}");
        close(monthly(VolumeType::Gp3, 100, None, None), 8.0);
        close(monthly(VolumeType::Gp3, 500, Some(3000), Some(125)), 40.0);
        close(
            monthly(VolumeType::Gp3, 100, Some(4000), Some(250)),
            8.0 + 5.0 + 5.0,
        );
        close(monthly(VolumeType::Gp2, 300, None, None), 30.0);
        close(monthly(VolumeType::Io1, 100, Some(1000), None), 12.5 + 65.0);
        close(
            monthly(VolumeType::Io2, 100, Some(40_000), None),
            12.5 + 2080.0 + 364.0,
        );
    }

    #[test]
    fn what_ec2_refuses_is_known() {
        let refused = |volume_type, gib: i64, iops, throughput| {
            let volume = Volume {
                volume_type,
                iops,
                throughput,
                ..Volume::gp3(Bytes::from_gib(gib))
            };
            volume
                .refusals()
                .into_iter()
                .map(|(setting, _)| setting)
                .collect::<Vec<_>>()
        };
        use VolumeType::{Gp2, Gp3, Io1, Io2, St1, Standard};
        assert_eq!(refused(Gp3, 20, None, None), []);
        assert_eq!(refused(Gp3, 20, Some(10_000), Some(1_000)), []);
        assert_eq!(refused(Gp3, 20, Some(10_001), None), [Setting::Iops], "500 a GiB");
        assert_eq!(refused(Gp3, 20, Some(2_999), None), [Setting::Iops]);
        assert_eq!(
            refused(Gp3, 20, None, Some(751)),
            [Setting::Throughput],
            "a quarter of 3,000"
        );
        assert_eq!(
            refused(Gp3, 100, Some(16_000), Some(2_001)),
            [Setting::Throughput]
        );
        assert_eq!(refused(Gp2, 20, Some(3_000), None), [Setting::Iops]);
        assert_eq!(refused(Gp2, 20, None, Some(125)), [Setting::Throughput]);
        assert_eq!(refused(Io1, 20, None, None), [Setting::Iops]);
        assert_eq!(refused(Io1, 20, Some(1_001), None), [Setting::Iops]);
        assert_eq!(refused(Io2, 20, Some(20_000), None), []);
        assert_eq!(refused(Io2, 3, Some(100), None), [Setting::Size]);
        assert_eq!(
            refused(St1, 125, None, None),
            [Setting::Type],
            "nothing boots from it"
        );
        assert_eq!(refused(Standard, 2_000, None, None), [Setting::Size]);
    }
}
