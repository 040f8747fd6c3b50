//! Advice about images that are larger than the disk they shall be unpacked on.

use super::{Facts, advise, capacity};
use crate::document::Context;

const GB: f64 = 1e9;

/// An image of the service whose size nobody states: what a node waits for is assumed.
pub(super) fn sizes(facts: &Facts<'_>) {
    let kubelet = &facts.scenario.config.kubelet;
    if facts.root.at("image.default").is_given() {
        return;
    }
    let server = &facts.scenario.roles.server;
    let mut told: Vec<&str> = Vec::new();
    for (document, own) in facts
        .written_deployments()
        .filter(|(_, own)| own.name() == *server)
    {
        let context = Context::new(&document.file, document.title(), facts.problems);
        let at = context.root(&document.value).at("spec.template.spec");
        for image in own.object.template.spec.images() {
            if kubelet.images.contains_key(image) || told.contains(&image) {
                continue;
            }
            told.push(image);
            let size = kubelet.default_image;
            let message = format!(
                "nothing says how big the image {image} is: {} MB over the network and {} MB on the disk are assumed",
                size.compressed / 1_000_000,
                size.uncompressed / 1_000_000
            );
            let hint = format!(
                "add to scenario.toml: [image] {image:?} = {{ compressed = \"120M\", unpacked = \"300M\" }}"
            );
            advise(&context, "S010", &at, message, &hint);
        }
    }
}

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
