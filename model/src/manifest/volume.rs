//! EBS volumes, as node classes and the scenario's node groups write them.

use crate::catalog::volume::{Setting, Volume, VolumeType};
use crate::document::Cursor;

/// A kind of volume.
pub(crate) fn volume_type(at: &Cursor<'_>) -> Option<VolumeType> {
    let text = at.text()?;
    text.parse::<VolumeType>()
        .map_err(|error| at.error("E004", error.to_string(), ""))
        .ok()
}

/// Reports what EC2 would refuse of a volume, where its size, type, iops and throughput stand.
pub(crate) fn report_refusals(volume: &Volume, places: [&Cursor<'_>; 4], hint: &str) {
    let [size, kind, iops, throughput] = places;
    for (setting, message) in volume.refusals() {
        let at = match setting {
            Setting::Size => size,
            Setting::Type => kind,
            Setting::Iops => iops,
            Setting::Throughput => throughput,
        };
        at.error("E004", message, hint);
    }
}
