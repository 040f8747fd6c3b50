//! Host ports: of one address, port and protocol a node has only one
//! (karpenter v1.14 pkg/scheduling/hostportusage.go).

use crate::api::{PodSpec, Protocol};

/// A port that a pod takes of its node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostPort {
    ip: String,
    port: u16,
    protocol: Protocol,
}

impl HostPort {
    /// The ports that a pod takes; init containers are not looked at.
    pub(crate) fn of_pod(pod: &PodSpec) -> Vec<HostPort> {
        let ports = pod.containers.iter().flat_map(|container| &container.ports);
        ports
            .filter_map(|port| {
                let ip = if port.host_ip.is_empty() {
                    "0.0.0.0"
                } else {
                    &port.host_ip
                };
                Some(HostPort {
                    ip: ip.to_owned(),
                    port: port.host_port?,
                    protocol: port.protocol,
                })
            })
            .collect()
    }

    fn conflicts(&self, other: &HostPort) -> bool {
        let wildcard = |ip: &str| matches!(ip, "0.0.0.0" | "::");
        self.protocol == other.protocol
            && self.port == other.port
            && (self.ip == other.ip || wildcard(&self.ip) || wildcard(&other.ip))
    }
}

/// Whether any two ports of two pods stand in each other's way.
pub(crate) fn conflict(wanted: &[HostPort], taken: &[HostPort]) -> bool {
    wanted
        .iter()
        .any(|port| taken.iter().any(|other| port.conflicts(other)))
}
