//! What is on the agenda.

use super::notice::Notice;
use crate::id::NodeId;
use crate::karpenter::{claim_status, disruption, lifecycle, provisioner, termination};
use crate::workload::{controllers, kubelet};
use crate::{ec2, hpa, keda, prometheus, scheduler};

/// Something that is due: a part's input, a watch's delivery, or one of the cluster's own alarms.
#[derive(Debug)]
pub(super) enum Event {
    /// A watch delivers.
    Watch(Notice),
    Controllers(controllers::Input),
    Kubelets(kubelet::Input),
    Scheduler(scheduler::Input),
    Hpa(hpa::Input),
    Keda(keda::Input),
    Prometheus(prometheus::Input),
    Provisioner(provisioner::Input),
    Lifecycle(lifecycle::Input),
    ClaimStatus(claim_status::Input),
    Disruption(disruption::Input),
    Terminator(termination::Input),
    Ec2(ec2::Input),
    /// metrics-server scrapes the kubelets.
    MetricsServer,
    /// The node controller finds that a node has not reported for too long.
    NodeSilent(NodeId),
    /// The pod garbage collector looks for pods of nodes that are gone.
    CollectPods,
    /// The scenario's action of that number is due.
    Act(u32),
    /// A row of the record is due.
    Row,
}

// The agenda moves its entries about: small ones are several times faster than big ones.
const _: () = assert!(size_of::<Event>() <= 48);
