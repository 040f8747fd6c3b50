//! What is on the agenda.

use super::notice::Notice;
use crate::id::NodeId;
use crate::karpenter::{claim_status, disruption, lifecycle, provisioner, termination};
use crate::scenario::Part;
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
    /// The node controller looks at all nodes.
    MonitorNodes,
    /// The node controller taints nodes whose turn it is.
    TaintNodes,
    /// The cloud controller looks whether a node that is not ready still has a machine.
    CloudLook(NodeId),
    /// The pod garbage collector looks for pods of nodes that are gone.
    CollectPods,
    /// The scenario's action of that number is due.
    Act(u32),
    /// A row of the record is due.
    Row,
}

impl Event {
    /// Whether a part would not hear of this any more if its process ended: its own alarms, and answers to
    /// its calls. What lies in Karpenter's interruption queue waits there.
    pub(super) fn dies_with(&self, part: Part) -> bool {
        match self {
            Event::Scheduler(_) => part == Part::Scheduler,
            Event::Hpa(_) => part == Part::Hpa,
            Event::Keda(_) => part == Part::Keda,
            Event::Lifecycle(lifecycle::Input::Message(..)) => false,
            Event::Provisioner(_)
            | Event::Lifecycle(_)
            | Event::ClaimStatus(_)
            | Event::Disruption(_)
            | Event::Terminator(_) => part == Part::Karpenter,
            // Prometheus is told and sees to its own; metrics-server's next scrape is the cluster's alarm.
            Event::Watch(_)
            | Event::Controllers(_)
            | Event::Kubelets(_)
            | Event::Prometheus(_)
            | Event::Ec2(_)
            | Event::MetricsServer
            | Event::NodeSilent(_)
            | Event::MonitorNodes
            | Event::TaintNodes
            | Event::CloudLook(_)
            | Event::CollectPods
            | Event::Act(_)
            | Event::Row => false,
        }
    }
}

// The agenda moves its entries about: small ones are several times faster than big ones.
const _: () = assert!(size_of::<Event>() <= 48);
