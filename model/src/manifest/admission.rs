//! What the API server adds to the pods that a ReplicaSet makes, after their template was stored.
//!
//! The template that everybody here reads has it already. A DaemonSet's has not: its controller asks its own template
//! where pods belong before there is one, so that what admission adds opens no node to it.

use sim::SortedSet;

use crate::api::{PodSpec, TaintEffect, Toleration};

/// A pod that requests an extended resource tolerates the taint of its name, NoSchedule
/// (kubernetes 1.35 plugin/pkg/admission/extendedresourcetoleration/admission.go `Admit`). The plugin is off by
/// default and always on in EKS (AWS's documentation, "View Amazon EKS platform versions").
pub(super) fn tolerate_extended_resources(spec: &mut PodSpec) {
    let containers = spec.containers.iter().chain(&spec.init_containers);
    let named = containers.flat_map(|container| container.requests.extended.keys());
    let resources: SortedSet<String> = named
        .filter(|name| is_extended_resource_name(name))
        .map(ToString::to_string)
        .collect();
    for key in resources {
        let toleration = Toleration {
            key,
            value: None,
            effect: Some(TaintEffect::NoSchedule),
            seconds: None,
        };
        if !spec.tolerations.contains(&toleration) {
            spec.tolerations.push(toleration);
        }
    }
}

/// Huge pages and what is Kubernetes' own are none (kubernetes 1.35 pkg/apis/core/helper/helpers.go
/// `IsExtendedResourceName`).
fn is_extended_resource_name(name: &str) -> bool {
    name.contains('/') && !name.contains("kubernetes.io/") && !name.starts_with("requests.")
}

/// In the host's network a container's port is the host's (kubernetes 1.35 pkg/apis/core/v1/defaults.go
/// `defaultHostNetworkPorts`).
pub(super) fn default_host_network_ports(spec: &mut PodSpec) {
    if !spec.host_network {
        return;
    }
    let containers = spec.containers.iter_mut().chain(&mut spec.init_containers);
    for port in containers.flat_map(|container| &mut container.ports) {
        port.host_port.get_or_insert(port.container_port);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Container;
    use crate::quantity::Resources;

    fn asking(resources: &[&str]) -> Container {
        Container {
            requests: Resources {
                extended: resources.iter().map(|name| ((*name).into(), 1)).collect(),
                ..Resources::default()
            },
            ..Container::default()
        }
    }

    #[test]
    fn pods_tolerate_the_taints_of_what_they_request() {
        let gpu = Toleration {
            key: "nvidia.com/gpu".to_owned(),
            value: None,
            effect: Some(TaintEffect::NoSchedule),
            seconds: None,
        };
        let mut spec = PodSpec {
            containers: vec![asking(&["nvidia.com/gpu", "hugepages-2Mi"])],
            init_containers: vec![asking(&[
                "example.com/b",
                "example.com/a",
                "attach.kubernetes.io/x",
            ])],
            tolerations: vec![gpu.clone()],
            ..PodSpec::default()
        };
        for _ in 0..2 {
            tolerate_extended_resources(&mut spec);
            let keys: Vec<&str> = spec.tolerations.iter().map(|own| own.key.as_str()).collect();
            assert_eq!(keys, ["nvidia.com/gpu", "example.com/a", "example.com/b"]);
        }
        assert_eq!(spec.tolerations[0], gpu);
        let mut plain = PodSpec::default();
        tolerate_extended_resources(&mut plain);
        assert!(plain.tolerations.is_empty());
    }
}
