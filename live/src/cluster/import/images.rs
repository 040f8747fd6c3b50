//! How big images are, as nodes tell it of those that they have.
//!
//! A kubelet reports what its runtime says, of at most fifty images, the largest first (kubernetes v1.35.4
//! pkg/kubelet/nodestatus/setters.go `Images`). containerd, which EKS has, says how many bytes came over the network
//! (containerd issue 9261); CRI-O and Docker, how many they are on the disk.

use sim::SortedMap;

use serde_json::Value;

use crate::heard::text;

/// How big an image is, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Size {
    /// Over the network.
    Compressed(u64),
    /// On the disk.
    Unpacked(u64),
}

/// Sizes by image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Images(SortedMap<String, Size>);

impl Images {
    /// Takes what a node tells. Of an image that differs from node to node, as between architectures, the largest.
    pub fn see(&mut self, node: &Value) {
        let runtime = text(node, "/status/nodeInfo/containerRuntimeVersion");
        let size: fn(u64) -> Size = match runtime.split("://").next() {
            Some("cri-o" | "docker") => Size::Unpacked,
            _ => Size::Compressed,
        };
        let images = node["status"]["images"].as_array();
        for image in images.into_iter().flatten() {
            let Some(bytes) = image["sizeBytes"].as_u64().filter(|bytes| *bytes > 0) else {
                continue;
            };
            let size = size(bytes);
            let names = image["names"].as_array().into_iter().flatten();
            for name in names.filter_map(Value::as_str) {
                let own = self.0.entry(canonical(name)).or_insert(size);
                *own = size.max(*own);
            }
        }
    }

    /// The size of an image as a container names it, if a node has it.
    #[must_use]
    pub fn size_of(&self, name: &str) -> Option<Size> {
        self.0.get(&canonical(name)).copied()
    }
}

/// An image's name with all that may be left out of it (distribution v2.8.3 reference/normalize.go
/// `ParseNormalizedNamed`, `TagNameOnly`). A digest says more than a tag beside it.
fn canonical(name: &str) -> String {
    let (name, digest) = match name.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (name, None),
    };
    // A colon before the last slash is a port's.
    let tag_at = name.rfind(':').filter(|at| !name[*at..].contains('/'));
    let (path, tag) = match tag_at {
        Some(at) => (&name[..at], &name[at + 1..]),
        None => (name, "latest"),
    };
    let path = path.strip_prefix("docker.io/").unwrap_or(path);
    let has_host = path
        .split_once('/')
        .is_some_and(|(first, _)| first.contains(['.', ':']) || first == "localhost");
    let path = match (has_host, path.contains('/')) {
        (true, _) => path.to_owned(),
        (false, true) => format!("docker.io/{path}"),
        (false, false) => format!("docker.io/library/{path}"),
    };
    match digest {
        Some(digest) => format!("{path}@{digest}"),
        None => format!("{path}:{tag}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_mean_what_a_runtime_makes_of_them() {
        let check = |name, expected| assert_eq!(canonical(name), expected);
        check("busybox", "docker.io/library/busybox:latest");
        check("traefik:v3.5", "docker.io/library/traefik:v3.5");
        check("grafana/grafana", "docker.io/grafana/grafana:latest");
        check("docker.io/busybox:1", "docker.io/library/busybox:1");
        check("localhost/a", "localhost/a:latest");
        check("registry:5000/a/b", "registry:5000/a/b:latest");
        check("quay.io/a/b:1@sha256:ab", "quay.io/a/b@sha256:ab");
    }

    #[test]
    fn what_nodes_have_is_known_by_every_name() {
        let node = |runtime: &str, bytes: u64| {
            json!({ "status": { "nodeInfo": { "containerRuntimeVersion": runtime }, "images": [
                { "names": ["docker.io/library/busybox@sha256:ab", "docker.io/library/busybox:latest"],
                  "sizeBytes": bytes },
                { "names": ["quay.io/none:1"], "sizeBytes": 0 },
                { "sizeBytes": 7 } ] } })
        };
        let mut images = Images::default();
        assert_eq!(images.size_of("busybox"), None);
        images.see(&json!({ "status": {} }));
        for bytes in [5, 9, 7] {
            images.see(&node("containerd://2.1.4", bytes));
        }
        assert_eq!(images.size_of("busybox"), Some(Size::Compressed(9)));
        assert_eq!(
            images.size_of("busybox:other@sha256:ab"),
            Some(Size::Compressed(9))
        );
        assert_eq!(images.size_of("busybox:1"), None);
        assert_eq!(images.size_of("quay.io/none:1"), None);
        let mut images = Images::default();
        images.see(&node("cri-o://1.33.0", 5));
        assert_eq!(images.size_of("busybox"), Some(Size::Unpacked(5)));
    }
}
