//! What the API server adds to the pods that a ReplicaSet makes, after their template was stored.
//!
//! The template that everybody here reads has it already. A DaemonSet's has not: its controller asks its own template
//! where pods belong before there is one, so that what admission adds opens no node to it.

use sim::SortedSet;

use crate::api::{PodSpec, Taint, TaintEffect, Toleration};

/// A pod that says nothing of nodes that are not ready, or that nobody hears of, stays on one for five minutes
/// (kubernetes 1.35 plugin/pkg/admission/defaulttolerationseconds/admission.go `Admit`).
pub(super) fn tolerate_lost_nodes(spec: &mut PodSpec) {
    for key in [Taint::NOT_READY, Taint::UNREACHABLE] {
        let is_meant = |own: &Toleration| {
            let effects = [None, Some(TaintEffect::NoExecute)];
            (own.key.is_empty() || own.key == key) && effects.contains(&own.effect)
        };
        if !spec.tolerations.iter().any(is_meant) {
            spec.tolerations.push(Toleration {
                key: key.to_owned(),
                value: None,
                effect: Some(TaintEffect::NoExecute),
                seconds: Some(300),
            });
        }
    }
}

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

    #[test]
    fn what_a_pod_says_of_lost_nodes_holds_and_the_rest_is_five_minutes() {
        let seconds = |own: &[(&str, Option<TaintEffect>, i64)]| {
            let toleration = |&(key, effect, seconds): &(&str, _, _)| Toleration {
                key: key.to_owned(),
                value: None,
                effect,
                seconds: Some(seconds),
            };
            let mut spec = PodSpec {
                tolerations: own.iter().map(toleration).collect(),
                ..PodSpec::default()
            };
            tolerate_lost_nodes(&mut spec);
            let seconds = spec.tolerations.iter().filter_map(|own| own.seconds);
            seconds.collect::<Vec<i64>>()
        };
        let execute = Some(TaintEffect::NoExecute);
        assert_eq!(seconds(&[]), [300, 300]);
        assert_eq!(seconds(&[(Taint::UNREACHABLE, execute, 5)]), [5, 300]);
        assert_eq!(seconds(&[("", None, 7)]), [7], "a toleration of everything");
        let schedule = Some(TaintEffect::NoSchedule);
        assert_eq!(seconds(&[(Taint::NOT_READY, schedule, 9)]), [9, 300, 300]);
    }

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
