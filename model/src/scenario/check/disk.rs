//! Advice about images that are larger than the disk they shall be unpacked on.

use super::{Facts, advise, capacity};
use crate::document::Context;

const GB: f64 = 1e9;

/// Here such a pod starts all the same; a real one never does.
pub(super) fn check(facts: &Facts<'_>) {
    let kubelet = &facts.scenario.config.kubelet;
    for (document, own) in facts.written_deployments() {
        let spec = &own.object.template.spec;
        let sizes = spec
            .images()
            .filter_map(|image| Some((image, kubelet.images.get(image)?.uncompressed)));
        let Some((image, size)) = sizes.max_by_key(|(_, size)| *size) else {
            continue;
        };
        let disks = capacity::disks_for(facts, spec);
        let too_small: Vec<String> = disks
            .into_iter()
            .filter(|(_, disk)| u64::try_from(disk.0).unwrap_or(0) < size)
            .map(|(place, disk)| format!("{place} ({:.1} GB)", disk.0 as f64 / GB))
            .collect();
        if too_small.is_empty() {
            continue;
        }
        let context = Context::new(&document.file, document.title(), facts.problems);
        let at = context.root(&document.value).at("spec.template.spec");
        let message = format!(
            "the image {image} takes {:.1} GB on the disk, more than there is on {}",
            size as f64 / GB,
            too_small.join(" and ")
        );
        let hint = "give the nodes a larger volume (spec.blockDeviceMappings of the EC2NodeClass, volume of a node group), or let \
                    pods ask for ephemeral-storage";
        advise(&context, "N023", &at, message, hint);
    }
}
